//! Clients: portal applications, which belong to the operator, and clients of a tenant that work for themselves.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::types::Json;

use super::{Reader, Result, Writer, sql};
use crate::keys::HashedToken;
use crate::model::{AccessTokenId, AccountId, Client, ClientId, ClientScopes, PortalSettings};

/// A client to be registered.
#[derive(Clone, Debug)]
pub struct NewClient<'a> {
    pub id: ClientId,
    pub client_id: &'a str,
    pub name: &'a str,
    pub secret: Option<&'a HashedToken>,
    pub redirect_uris: &'a [String],
    pub backchannel_logout_uri: Option<&'a str>,
    pub settings: &'a PortalSettings,
    /// What it may do by itself, and from which account down. A portal application does nothing by itself.
    pub access: Option<(AccountId, &'a ClientScopes)>,
}

/// An access token to be made.
#[derive(Clone, Debug)]
pub struct NewAccessToken<'a> {
    pub id: AccessTokenId,
    pub client: ClientId,
    /// The public part, by which it is looked up.
    pub prefix: &'a str,
    pub digest: &'a HashedToken,
    pub scopes: &'a ClientScopes,
    pub expires_at: DateTime<Utc>,
}

impl Reader {
    /// The clients of the tenant that work for themselves, revoked ones too, by what they call themselves.
    pub async fn clients(&mut self) -> Result<Vec<Client>> {
        sql!(
            self,
            fetch_all::<Client>(
                "select id, client_id, name, scopes, within_id, created_at, last_used_at, revoked_at from clients
                 where tenant_id = $1 and within_id is not null order by client_id"
            )
        )
    }
}

impl Writer {
    /// Registers a client. Answers false when one of that `client_id` is there already, which is left as it is.
    pub async fn insert_client(&mut self, new: &NewClient<'_>, now: DateTime<Utc>) -> Result<bool> {
        let made = sql!(
            self,
            execute(
                "insert into clients
                   (tenant_id, id, client_id, name, secret_digest, redirect_uris, backchannel_logout_uri, settings, within_id, scopes,
                    created_at, updated_at)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11) on conflict (client_id) do nothing",
                new.id,
                new.client_id,
                new.name,
                new.secret,
                Json(new.redirect_uris),
                new.backchannel_logout_uri,
                Json(new.settings),
                new.access.map(|(within, _)| within),
                new.access.map(|(_, scopes)| Json(scopes)),
                now
            )
        )?;
        Ok(made == 1)
    }

    /// Ends a client and every access token of it at once. Answers false when it was revoked before, or is none of the tenant's.
    pub async fn revoke_client(&mut self, id: ClientId, now: DateTime<Utc>) -> Result<bool> {
        let revoked = sql!(
            self,
            execute(
                "update clients set revoked_at = $3, updated_at = $3
                 where tenant_id = $1 and id = $2 and within_id is not null and revoked_at is null",
                id,
                now
            )
        )?;
        Ok(revoked == 1)
    }

    /// Makes an access token of a client.
    pub async fn insert_access_token(&mut self, new: &NewAccessToken<'_>, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into access_tokens (tenant_id, id, client_id, prefix, digest, scopes, created_at, expires_at)
                 values ($1, $2, $3, $4, $5, $6, $7, $8)",
                new.id,
                new.client,
                new.prefix,
                new.digest,
                Json(new.scopes),
                now,
                new.expires_at
            )
        )?;
        Ok(())
    }

    /// Notes that a client was given an access token, to the minute.
    pub async fn touch_client(&mut self, id: ClientId, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "update clients set last_used_at = $3 where tenant_id = $1 and id = $2 and (last_used_at is null or last_used_at < $4)",
                id,
                now,
                now - TimeDelta::minutes(1)
            )
        )?;
        Ok(())
    }
}
