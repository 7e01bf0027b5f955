//! Logouts that SAML identity providers were asked for, and have not answered.

use chrono::{DateTime, Utc};

use super::{Result, Writer, sql};
use crate::keys::HashedToken;
use crate::model::{ConnectionId, PendingLogoutId};

/// A logout that is asked for.
#[derive(Clone, Copy, Debug)]
pub struct NewPendingLogout<'a> {
    pub id: PendingLogoutId,
    pub connection_id: ConnectionId,
    /// Digest of its `RelayState`.
    pub state: &'a HashedToken,
    /// The id of our request, which the answer names.
    pub request_id: &'a str,
    pub expires_at: DateTime<Utc>,
}

/// A logout that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct PendingLogoutRow {
    pub request_id: String,
    /// One that is over is of no more use.
    pub expires_at: DateTime<Utc>,
}

impl Writer {
    /// Keeps what the answer must match.
    pub async fn insert_pending_logout(&mut self, new: &NewPendingLogout<'_>, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into pending_logouts (tenant_id, id, connection_id, state_digest, request_id, created_at, expires_at)
                 values ($1, $2, $3, $4, $5, $6, $7)",
                new.id,
                new.connection_id,
                new.state,
                new.request_id,
                now,
                new.expires_at
            )
        )?;
        Ok(())
    }

    /// Takes a logout that was asked for, for this answer and no other; also one that is over.
    pub async fn take_pending_logout(&mut self, connection: ConnectionId, state: &HashedToken) -> Result<Option<PendingLogoutRow>> {
        sql!(
            self,
            fetch_optional::<PendingLogoutRow>(
                "delete from pending_logouts where tenant_id = $1 and connection_id = $2 and state_digest = $3
                 returning request_id, expires_at",
                connection,
                state
            )
        )
    }
}
