//! Signing keys. They belong to the operator's tenant.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::{Reader, Result, Writer, sql};
use crate::keys::{PublicJwk, Sealed};
use crate::model::KeyId;

/// A signing key.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SigningKeyRow {
    pub id: KeyId,
    pub public: Json<PublicJwk>,
    pub private_sealed: Sealed,
    pub active_from: DateTime<Utc>,
    pub retired_at: Option<DateTime<Utc>>,
}

/// A signing key to be kept.
#[derive(Clone, Debug)]
pub struct NewSigningKey<'a> {
    pub id: KeyId,
    pub algorithm: &'a str,
    pub public: &'a PublicJwk,
    pub private: &'a Sealed,
    pub active_from: DateTime<Utc>,
}

impl Reader {
    /// The keys that sign for portals, in the order in which they begin.
    pub async fn signing_keys(&mut self) -> Result<Vec<SigningKeyRow>> {
        sql!(
            self,
            fetch_all::<SigningKeyRow>(
                "select id, public, private_sealed, active_from, retired_at from keys
                 where tenant_id = $1 and purpose = 'openid' order by active_from, id"
            )
        )
    }
}

impl Writer {
    /// Keeps a key that signs for portals.
    pub async fn insert_signing_key(&mut self, new: &NewSigningKey<'_>, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into keys (tenant_id, id, purpose, algorithm, public, private_sealed, created_at, active_from)
                 values ($1, $2, 'openid', $3, $4, $5, $6, $7)",
                new.id,
                new.algorithm,
                Json(new.public),
                new.private,
                now,
                new.active_from
            )
        )?;
        Ok(())
    }

    /// Takes a key out of the published set.
    pub async fn retire_signing_key(&mut self, id: KeyId, now: DateTime<Utc>) -> Result<()> {
        sql!(self, execute("update keys set retired_at = $3 where tenant_id = $1 and id = $2 and retired_at is null", id, now))?;
        Ok(())
    }

    /// Forgets a key for good.
    pub async fn delete_signing_key(&mut self, id: KeyId) -> Result<()> {
        sql!(self, execute("delete from keys where tenant_id = $1 and id = $2", id))?;
        Ok(())
    }
}
