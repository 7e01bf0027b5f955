//! Requests that may be sent again: a key says that two of them are one, and the second is answered as the first was.
//!
//! **What is guaranteed.** A request with a key makes what it makes at most once, whichever replicas it is sent to and whenever one of them
//! dies, as long as its key is kept ([`KEPT`]):
//!
//! 1. The key is claimed by a row, in a transaction of its own, before anything else. While the claim holds, the same key is told to wait.
//! 2. The command runs in [`crate::store::hold`], which keeps its transaction open until the answer is rendered. The answer is written into the
//!    claimed row **in that same transaction**, on condition that the claim is still ours, and then it is committed: what was made and
//!    the record of it are true together, or neither is.
//! 3. What was refused is not kept: the transaction is dropped and the claim is given up. Sent again, it is looked at anew.
//! 4. A replica that dies leaves its claim, which anybody may take over after [`GIVEN_UP`]. That is longer than a request may take; should one
//!    still live then, the condition of 2 fails and it makes nothing.
//!
//! Answers hold secrets that are shown once, so they are sealed. A key belongs to one login or client of one tenant.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Error, Result};
use crate::keys::{Place, Sealer};
use crate::model::{EventId, TenantId};
use crate::store::{NewClaim, Store, Writer};

/// For how long an answer is kept.
pub const KEPT: TimeDelta = TimeDelta::hours(24);
/// After this long nobody works on a request any more that was not answered.
pub const GIVEN_UP: TimeDelta = TimeDelta::minutes(1);
/// Characters of a key.
pub const LONGEST_KEY: usize = 128;

/// The keys of somebody who asks.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    pub store: &'a Store,
    /// Seals answers.
    pub sealer: &'a Sealer,
    pub tenant: TenantId,
    /// The login or client that asks.
    pub asker: Uuid,
    pub now: DateTime<Utc>,
}

/// A request's right to its key.
#[derive(Clone, Debug)]
pub struct Claim {
    key: String,
    id: Uuid,
}

/// What a request was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub status: u16,
    /// Those that are part of the answer, such as its version.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// What is to be done with a request.
#[derive(Clone, Debug)]
pub enum Claimed {
    /// It is new: carry it out.
    New(Claim),
    /// It was carried out before, and this was its answer.
    Before(Answer),
    /// It is being carried out.
    Busy,
    /// The key is that of another request.
    Other,
}

impl Keys<'_> {
    /// Claims a key for a request, of which `fingerprint` is the SHA-256.
    ///
    /// # Errors
    /// When the database cannot be asked, or the former answer cannot be opened.
    pub async fn claim(&self, key: &str, fingerprint: &[u8]) -> Result<Claimed> {
        let id = EventId::new(self.now).uuid();
        let mut writer = self.store.write(self.tenant).await?;
        let new = NewClaim { asker: self.asker, key, claim: id, fingerprint };
        if writer.claim_key(&new, self.now, self.now - GIVEN_UP, self.now - KEPT).await? {
            writer.commit().await?;
            return Ok(Claimed::New(Claim { key: key.to_owned(), id }));
        }
        // One that was given up meanwhile is free in a moment.
        let Some(row) = writer.idempotency_key(self.asker, key).await? else { return Ok(Claimed::Busy) };
        if row.fingerprint != fingerprint {
            return Ok(Claimed::Other);
        }
        let Some(sealed) = row.answer_sealed else { return Ok(Claimed::Busy) };
        let broken = |text: String| Error::Invalid(format!("the answer of an idempotency key cannot be read: {text}"));
        let text = self.sealer.open(&place(row.claim_id), &sealed).map_err(|error| broken(error.to_string()))?;
        Ok(Claimed::Before(serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?))
    }

    /// Keeps the answer of a request together with what it wrote, and commits both. `held` is its transaction; without one it wrote nothing.
    ///
    /// # Errors
    /// When the claim was taken over, or the database cannot promise it. Then nothing was written.
    pub async fn keep(&self, claim: &Claim, answer: &Answer, held: Option<Writer>) -> Result<()> {
        let mut writer = match held {
            Some(held) => held,
            None => self.store.write(self.tenant).await?,
        };
        let sealed = self.sealer.seal(&place(claim.id), serde_json::json!(answer).to_string().as_bytes());
        if !writer.keep_answer(self.asker, &claim.key, claim.id, i64::from(answer.status), &sealed).await? {
            return Err(Error::raced());
        }
        Ok(writer.commit().await?)
    }

    /// Gives a claim up whose request was refused.
    ///
    /// # Errors
    /// When the database cannot be written. The claim then ends by itself.
    pub async fn release(&self, claim: &Claim) -> Result<()> {
        let mut writer = self.store.write(self.tenant).await?;
        writer.release_key(self.asker, &claim.key, claim.id).await?;
        Ok(writer.commit().await?)
    }
}

fn place(claim: Uuid) -> Place {
    Place { table: "idempotency_keys", column: "answer_sealed", row: claim }
}
