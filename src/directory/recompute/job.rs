//! Jobs: what a change touched beyond what one transaction should hold, computed some logins at a time.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{RuleBook, recompute_chunk};
use crate::directory::{Caller, Result};
use crate::model::{AccountId, ChangedRules, EventKind, JobId};
use crate::store::{NewJob, Writer};

/// How many logins one step takes: others want to write meanwhile.
pub const STEP: i64 = 250;

/// The change that made roles be computed anew.
#[derive(Clone, Copy, Debug)]
pub(in crate::directory) struct Cause {
    /// The kind of its event.
    pub(in crate::directory) kind: EventKind,
    /// What it happened to.
    pub(in crate::directory) target: Uuid,
    /// Who may read the rules of this account sees how far the job is.
    pub(in crate::directory) account: AccountId,
}

impl Cause {
    /// Begins a job, with no logins yet.
    pub(super) async fn begin(&self, writer: &mut Writer, caller: &Caller<'_>) -> Result<JobId> {
        let id = JobId::new(caller.now);
        let new = NewJob {
            id,
            account: self.account,
            cause: self.kind.as_str(),
            target: self.target,
            actor: caller.actor,
            request_id: caller.request_id,
        };
        writer.insert_job(&new, caller.now).await?;
        Ok(id)
    }
}

/// Computes the roles of the next logins of the tenant's oldest job, in the name of who caused it. Answers `false` when there was
/// nothing left to do.
///
/// The logins are locked before they are taken out of the job, as whoever puts them into one does it.
///
/// # Errors
/// When the database cannot be asked or written; then they wait as before.
pub async fn step(writer: &mut Writer, book: &RuleBook, now: DateTime<Utc>) -> Result<bool> {
    writer.share_rules().await?;
    let Some(job) = writer.open_job().await? else { return Ok(false) };
    let logins = writer.logins_of_job(job.id, STEP).await?;
    if logins.is_empty() {
        writer.finish_job(job.id, now).await?;
        return Ok(true);
    }
    let rules = book.rules(writer).await?;
    writer.lock_logins(&logins).await?;
    writer.settle_logins(&logins).await?;
    let caller = Caller { actor: job.actor, now, request_id: job.request_id.as_deref() };
    recompute_chunk(writer, &rules, &logins, &caller, &mut ChangedRules::default()).await?;
    Ok(true)
}
