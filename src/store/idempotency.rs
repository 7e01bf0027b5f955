//! Keys that clients give their requests, so that sending one again makes nothing twice.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Reader, Result, Writer, sql};
use crate::keys::Sealed;

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct KeyRow {
    /// Whose claim it is, or was.
    pub claim_id: Uuid,
    /// SHA-256 of the request.
    pub fingerprint: Vec<u8>,
    /// What the request was answered; `None` while it is worked on.
    pub status: Option<i64>,
    pub answer_sealed: Option<Sealed>,
}

/// A claim on a key, for one request.
#[derive(Clone, Copy, Debug)]
pub struct NewClaim<'a> {
    /// The login or client that asks.
    pub asker: Uuid,
    pub key: &'a str,
    pub claim: Uuid,
    /// SHA-256 of the request.
    pub fingerprint: &'a [u8],
}

impl Reader {
    /// What is known of a key of somebody.
    pub async fn idempotency_key(&mut self, asker: Uuid, key: &str) -> Result<Option<KeyRow>> {
        sql!(
            self,
            fetch_optional::<KeyRow>(
                "select claim_id, fingerprint, status, answer_sealed from idempotency_keys
                 where tenant_id = $1 and asker_id = $2 and key = $3",
                asker,
                key
            )
        )
    }
}

impl Writer {
    /// Claims a key. One that is there is taken over when its claim was made before `given_up` and never answered, or when it is from before
    /// `forgotten`. Answers whether it is ours now.
    pub async fn claim_key(
        &mut self,
        new: &NewClaim<'_>,
        now: DateTime<Utc>,
        given_up: DateTime<Utc>,
        forgotten: DateTime<Utc>,
    ) -> Result<bool> {
        let rows = sql!(
            self,
            execute(
                "insert into idempotency_keys (tenant_id, asker_id, key, claim_id, fingerprint, created_at)
                 values ($1, $2, $3, $4, $5, $6)
                 on conflict (tenant_id, asker_id, key) do update
                   set claim_id = $4, fingerprint = $5, status = null, answer_sealed = null, created_at = $6
                   where idempotency_keys.created_at < $8
                     or (idempotency_keys.status is null and idempotency_keys.created_at < $7)",
                new.asker,
                new.key,
                new.claim,
                new.fingerprint,
                now,
                given_up,
                forgotten
            )
        )?;
        Ok(rows > 0)
    }

    /// Keeps what a claimed request was answered. Answers `false` when the claim was taken over meanwhile.
    pub async fn keep_answer(&mut self, asker: Uuid, key: &str, claim: Uuid, status: i64, answer: &Sealed) -> Result<bool> {
        let rows = sql!(
            self,
            execute(
                "update idempotency_keys set status = $5, answer_sealed = $6
                 where tenant_id = $1 and asker_id = $2 and key = $3 and claim_id = $4 and status is null",
                asker,
                key,
                claim,
                status,
                answer
            )
        )?;
        Ok(rows == 1)
    }

    /// Gives a claim up whose request was refused: the key may be used again. What was taken over stays.
    pub async fn release_key(&mut self, asker: Uuid, key: &str, claim: Uuid) -> Result<()> {
        sql!(
            self,
            execute(
                "delete from idempotency_keys
                 where tenant_id = $1 and asker_id = $2 and key = $3 and claim_id = $4 and status is null",
                asker,
                key,
                claim
            )
        )?;
        Ok(())
    }
}
