//! Assertions that portals proved themselves by (RFC 7523): each is good once.

use chrono::{DateTime, Utc};

use super::{Result, Writer, sql};
use crate::keys::HashedToken;
use crate::model::ClientId;

impl Writer {
    /// Uses an assertion of a portal up, by the digest of its id, for whoever asks first. Answers false when it was used before.
    pub async fn use_assertion(&mut self, client: ClientId, digest: &HashedToken, expires_at: DateTime<Utc>) -> Result<bool> {
        let used = sql!(
            self,
            execute(
                "insert into used_assertions (tenant_id, client_id, digest, expires_at) values ($1, $2, $3, $4)
                 on conflict (client_id, digest) do nothing",
                client,
                digest,
                expires_at
            )
        )?;
        Ok(used == 1)
    }
}
