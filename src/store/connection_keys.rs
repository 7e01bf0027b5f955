//! Our own keys at SAML connections: they sign what we ask, and decrypt what we are told.

use chrono::{DateTime, Utc};

use super::{Reader, Result, Writer, sql};
use crate::keys::Sealed;
use crate::model::{ConnectionId, ConnectionKeyId};

/// A key of ours at a connection.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ConnectionKeyRow {
    pub id: ConnectionKeyId,
    /// Its certificate (DER), signed by itself.
    pub certificate: Vec<u8>,
    pub private_sealed: Sealed,
    pub created_at: DateTime<Utc>,
    /// From when on it signs, until the next one does.
    pub active_from: DateTime<Utc>,
    /// When it is published no longer and decrypts nothing; known as soon as another follows it.
    pub retired_at: Option<DateTime<Utc>>,
}

/// A key to be kept.
#[derive(Clone, Copy, Debug)]
pub struct NewConnectionKey<'a> {
    pub id: ConnectionKeyId,
    pub connection_id: ConnectionId,
    pub certificate: &'a [u8],
    pub private: &'a Sealed,
    pub active_from: DateTime<Utc>,
}

impl Reader {
    /// Our keys at a connection that are not retired, in the order in which they begin to sign.
    pub async fn connection_keys(&mut self, connection: ConnectionId, now: DateTime<Utc>) -> Result<Vec<ConnectionKeyRow>> {
        sql!(
            self,
            fetch_all::<ConnectionKeyRow>(
                "select id, certificate, private_sealed, created_at, active_from, retired_at from connection_keys
                 where tenant_id = $1 and connection_id = $2 and (retired_at is null or retired_at > $3) order by active_from, id",
                connection,
                now
            )
        )
    }
}

impl Writer {
    /// Keeps a key.
    pub async fn insert_connection_key(&mut self, new: &NewConnectionKey<'_>, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into connection_keys (tenant_id, id, connection_id, certificate, private_sealed, created_at, active_from)
                 values ($1, $2, $3, $4, $5, $6, $7)",
                new.id,
                new.connection_id,
                new.certificate,
                new.private,
                now,
                new.active_from
            )
        )?;
        Ok(())
    }

    /// Says when the keys of a connection that nothing else says it of are retired, but for one.
    pub async fn retire_connection_keys(
        &mut self,
        connection: ConnectionId,
        kept: ConnectionKeyId,
        at: DateTime<Utc>,
    ) -> Result<()> {
        sql!(
            self,
            execute(
                "update connection_keys set retired_at = $4
                 where tenant_id = $1 and connection_id = $2 and id <> $3 and retired_at is null",
                connection,
                kept,
                at
            )
        )?;
        Ok(())
    }
}
