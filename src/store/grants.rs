//! Grants of portals: codes, and the refresh tokens that follow from them.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::{Reader, Result, Writer, sql};
use crate::keys::HashedToken;
use crate::model::{AccountId, ClientId, GrantId, LoginId, PortalGrant, SessionLimits, Sid, TenantLimits};

/// A grant to be made, with its code.
#[derive(Clone, Debug)]
pub struct NewGrant<'a> {
    pub id: GrantId,
    pub client: ClientId,
    pub sid: Sid,
    pub login: LoginId,
    pub account: AccountId,
    pub scopes: &'a [String],
    pub nonce: Option<&'a str>,
    pub redirect_uri: &'a str,
    /// PKCE, S256.
    pub code_challenge: &'a str,
    pub code: &'a HashedToken,
    pub code_expires_at: DateTime<Utc>,
}

impl Reader {
    /// A grant that counts at this moment. One is not found whose session, login, person, connection or tenant ended or was touched since,
    /// whose login is no longer the session's active one, or that was revoked; nor one whose session is over by the limits of its tenant or
    /// of the service.
    pub async fn grant(&mut self, id: GrantId, now: DateTime<Utc>, service: SessionLimits) -> Result<Option<PortalGrant>> {
        #[derive(sqlx::FromRow)]
        struct Row {
            #[sqlx(flatten)]
            grant: PortalGrant,
            session_created_at: DateTime<Utc>,
            last_seen_at: DateTime<Utc>,
            #[sqlx(flatten)]
            limits: TenantLimits,
        }
        let row = sql!(
            self,
            fetch_optional::<Row>(
                "select g.id, g.tenant_id, g.client_id, s.id as session_id, g.sid, g.login_id, s.person_id, sl.connection_id, g.account_id,
                   g.scopes, sl.authenticated_at, sl.asserted_at, sl.acr, sl.amr, s.expires_at, s.created_at as session_created_at,
                   s.last_seen_at, t.session_idle, t.session_absolute
                 from grants g
                   join clients a on a.id = g.client_id
                   join session_logins sl on sl.sid = g.sid
                   join sessions s on s.id = sl.session_id and s.active_login_id = g.login_id
                   join logins l on l.id = sl.login_id
                   join persons p on p.id = l.person_id
                   join tenants t on t.tenant_id = s.tenant_id
                   left join connections c on c.id = sl.connection_id
                 where g.tenant_id = $1 and g.id = $2 and g.revoked_at is null and a.revoked_at is null
                   and l.active and l.locked_at is null and l.epoch = sl.login_epoch and l.person_id = s.person_id
                   and p.state = 'active' and p.epoch = sl.person_epoch
                   and t.state = 'active' and t.epoch = sl.tenant_epoch
                   and (c.id is null or (c.state = 'enabled' and c.epoch = sl.connection_epoch))",
                id
            )
        )?;
        Ok(row.and_then(|Row { grant, session_created_at, last_seen_at, limits }| {
            let expires_at = service.narrowed(limits).end(session_created_at, last_seen_at, grant.expires_at, now)?;
            Some(PortalGrant { expires_at, ..grant })
        }))
    }
}

impl Writer {
    /// Makes a grant with its code.
    pub async fn insert_grant(&mut self, new: &NewGrant<'_>, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into grants (tenant_id, id, client_id, sid, login_id, account_id, scopes, nonce, redirect_uri, code_challenge,
                   code_digest, code_expires_at, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
                new.id,
                new.client,
                new.sid,
                new.login,
                new.account,
                Json(new.scopes),
                new.nonce,
                new.redirect_uri,
                new.code_challenge,
                new.code,
                new.code_expires_at,
                now
            )
        )?;
        Ok(())
    }

    /// Redeems the code of a grant for whoever asks first. Answers false when somebody was faster, or the grant is gone.
    pub async fn redeem_code(&mut self, id: GrantId, now: DateTime<Utc>) -> Result<bool> {
        let redeemed = sql!(
            self,
            execute(
                "update grants set redeemed_at = $3 where tenant_id = $1 and id = $2 and redeemed_at is null and revoked_at is null",
                id,
                now
            )
        )?;
        Ok(redeemed == 1)
    }

    /// Ends a grant: its code and every token that came of it. Answers false when it had ended before.
    pub async fn revoke_grant(&mut self, id: GrantId, now: DateTime<Utc>) -> Result<bool> {
        let revoked = sql!(
            self,
            execute("update grants set revoked_at = $3 where tenant_id = $1 and id = $2 and revoked_at is null", id, now)
        )?;
        Ok(revoked == 1)
    }

    /// Keeps a refresh token of a grant.
    pub async fn insert_refresh_token(&mut self, grant: GrantId, digest: &HashedToken, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into refresh_tokens (tenant_id, grant_id, digest, created_at) values ($1, $2, $3, $4)",
                grant,
                digest,
                now
            )
        )?;
        Ok(())
    }

    /// Uses a refresh token up, for whoever asks first. Answers false when it was used before, or is gone.
    pub async fn use_refresh_token(&mut self, digest: &HashedToken, now: DateTime<Utc>) -> Result<bool> {
        let used = sql!(
            self,
            execute("update refresh_tokens set used_at = $3 where tenant_id = $1 and digest = $2 and used_at is null", digest, now)
        )?;
        Ok(used == 1)
    }
}
