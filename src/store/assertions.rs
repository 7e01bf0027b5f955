//! Assertions are good once: those that portals proved themselves by (RFC 7523), and those that SAML identity providers signed somebody
//! in or out by.

use chrono::{DateTime, Utc};

use super::{Result, Writer, sql};
use crate::keys::HashedToken;
use crate::model::{ClientId, ConnectionId};

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

    /// Uses the id of an assertion or a logout request of a SAML identity provider up, for whoever comes first. Answers false when it was
    /// used before.
    pub async fn use_saml_assertion(&mut self, connection: ConnectionId, id: &str, expires_at: DateTime<Utc>) -> Result<bool> {
        let used = sql!(
            self,
            execute(
                "insert into connection_assertions (tenant_id, connection_id, assertion_id, expires_at) values ($1, $2, $3, $4)
                 on conflict (connection_id, assertion_id) do nothing",
                connection,
                id,
                expires_at
            )
        )?;
        Ok(used == 1)
    }
}
