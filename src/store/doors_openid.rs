//! The doors of the OpenID Provider: whose a portal, a code or a refresh token is.

use chrono::{DateTime, Utc};

use super::{Doors, Result, Writer, door};
use crate::keys::HashedToken;
use crate::model::{AccountId, AuthorizationRequestId, ClientId, GrantId, LoginId, Portal, TenantId};

/// A portal application, with what proves it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct PortalRow {
    #[sqlx(flatten)]
    pub portal: Portal,
    /// None where it proves itself in another way, or not at all.
    pub secret_digest: Option<HashedToken>,
}

/// An authorization code, also one that was redeemed, is too old, or whose grant was revoked.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct CodeRow {
    pub tenant_id: TenantId,
    pub grant_id: GrantId,
    pub client_id: ClientId,
    pub login_id: LoginId,
    pub account_id: AccountId,
    pub nonce: Option<String>,
    pub redirect_uri: String,
    pub code_challenge: String,
    pub code_expires_at: DateTime<Utc>,
    pub redeemed_at: Option<DateTime<Utc>>,
}

/// A refresh token, also one that was used, or whose grant was revoked.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct RefreshTokenRow {
    pub tenant_id: TenantId,
    pub grant_id: GrantId,
    pub client_id: ClientId,
    pub login_id: LoginId,
    pub account_id: AccountId,
    pub used_at: Option<DateTime<Utc>>,
}

impl Doors {
    /// A portal application, by what it calls itself. Revoked ones are not found.
    pub async fn portal(&mut self, client_id: &str) -> Result<Option<PortalRow>> {
        door!(
            self,
            fetch_optional::<PortalRow>(
                "select id, client_id, name, redirect_uris, backchannel_logout_uri, settings, secret_digest from clients
                 where client_id = $1 and within_id is null and revoked_at is null",
                client_id
            )
        )
    }

    /// An authorization code, by its digest.
    pub async fn code(&mut self, digest: &HashedToken) -> Result<Option<CodeRow>> {
        door!(
            self,
            fetch_optional::<CodeRow>(
                "select tenant_id, id as grant_id, client_id, login_id, account_id, nonce, redirect_uri, code_challenge, code_expires_at,
                   redeemed_at from grants where code_digest = $1",
                digest
            )
        )
    }

    /// A refresh token, by its digest.
    pub async fn refresh_token(&mut self, digest: &HashedToken) -> Result<Option<RefreshTokenRow>> {
        door!(
            self,
            fetch_optional::<RefreshTokenRow>(
                "select r.tenant_id, r.grant_id, g.client_id, g.login_id, g.account_id, r.used_at
                 from refresh_tokens r join grants g on g.id = r.grant_id where r.digest = $1",
                digest
            )
        )
    }
}

impl Writer {
    /// Forgets assertions that were over before an instant, everywhere, at most `limit`. Answers how many.
    pub async fn purge_assertions(&mut self, before: DateTime<Utc>, limit: u32) -> Result<u64> {
        door!(
            self,
            execute(
                "delete from used_assertions where (client_id, digest) in (
                   select client_id, digest from used_assertions where expires_at < $1 order by expires_at limit $2)",
                before,
                i64::from(limit)
            )
        )
    }

    /// Takes an authorization request that waits, for this answer and no other, in the transaction of the tenant that the answer is of.
    /// Answers false when somebody was faster.
    pub async fn consume_authorization_request(&mut self, id: AuthorizationRequestId, now: DateTime<Utc>) -> Result<bool> {
        let taken = door!(
            self,
            execute("update authorization_requests set consumed_at = $2 where id = $1 and consumed_at is null", id, now)
        )?;
        Ok(taken == 1)
    }
}
