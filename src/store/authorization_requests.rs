//! Authorization requests of portals that wait for their person, in the operator's tenant.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::{Reader, Result, Writer, sql};
use crate::keys::HashedToken;
use crate::model::{AuthorizationRequestId, ClientId};

/// A request that begins to wait.
#[derive(Clone, Debug)]
pub struct NewAuthorizationRequest<'a> {
    pub id: AuthorizationRequestId,
    /// The portal.
    pub client: ClientId,
    pub handle: &'a HashedToken,
    /// Digest of the value in the browser's cookie.
    pub browser: &'a HashedToken,
    pub parameters: &'a serde_json::Value,
    pub expires_at: DateTime<Utc>,
}

/// A request that waits, also one whose time is over or that was answered.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct AuthorizationRequestRow {
    pub id: AuthorizationRequestId,
    pub browser_digest: HashedToken,
    #[sqlx(json)]
    pub parameters: serde_json::Value,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// When it was answered. One that was answered is of no more use.
    pub consumed_at: Option<DateTime<Utc>>,
}

impl Reader {
    /// A request that waits, by the digest of its handle.
    pub async fn authorization_request(&mut self, handle: &HashedToken) -> Result<Option<AuthorizationRequestRow>> {
        sql!(
            self,
            fetch_optional::<AuthorizationRequestRow>(
                "select id, browser_digest, parameters, created_at, expires_at, consumed_at from authorization_requests
                 where tenant_id = $1 and handle_digest = $2",
                handle
            )
        )
    }
}

impl Writer {
    /// Lets a request wait.
    pub async fn insert_authorization_request(&mut self, new: &NewAuthorizationRequest<'_>, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into authorization_requests (tenant_id, id, client_id, handle_digest, browser_digest, parameters, created_at,
                   expires_at) values ($1, $2, $3, $4, $5, $6, $7, $8)",
                new.id,
                new.client,
                new.handle,
                new.browser,
                Json(new.parameters),
                now,
                new.expires_at
            )
        )?;
        Ok(())
    }

    /// Keeps what became of the parameters of a request that waits. One that was answered stays as it was.
    pub async fn change_authorization_request(&mut self, id: AuthorizationRequestId, parameters: &serde_json::Value) -> Result<()> {
        sql!(
            self,
            execute(
                "update authorization_requests set parameters = $3 where tenant_id = $1 and id = $2 and consumed_at is null",
                id,
                Json(parameters)
            )
        )?;
        Ok(())
    }
}
