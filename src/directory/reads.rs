//! Reads in the provisioning log, while a directory is in trace mode.
//!
//! A read must not wait for a write: entries are put into a bounded queue and written in batches, each second or when there are enough.
//! When the queue is full, entries are dropped and counted: a log that misses some is better than a service that does not answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tokio::sync::Notify;

use super::{Caller, Error, Result};
use crate::model::{ChangedRules, Directory, DirectoryId, EventId, EventKind, TenantId, TokenId};
use crate::store::{LogEntry, Store};

/// For how long trace mode can be switched on, at most: nobody forgets it for good.
pub const LONGEST_TRACE: TimeDelta = TimeDelta::hours(24);

/// How many reads wait at most.
const CAPACITY: usize = 1_000;
/// How many are written at once without waiting any longer.
const BATCH: usize = 100;
/// How long they wait otherwise.
const PAUSE: Duration = Duration::from_secs(1);

/// A request that changed nothing.
#[derive(Clone, Debug)]
pub struct Read {
    pub tenant: TenantId,
    pub directory: DirectoryId,
    pub token: TokenId,
    pub at: DateTime<Utc>,
    /// `read`, `list` or `search`.
    pub operation: &'static str,
    pub resource_type: &'static str,
    pub resource_id: Option<uuid::Uuid>,
    pub status: u16,
    pub scim_type: Option<&'static str>,
    pub detail: Option<String>,
    pub request_id: String,
}

/// The reads that wait to be written. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct ReadLog(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Vec<Read>>,
    enough: Notify,
}

impl ReadLog {
    /// Puts a read into the queue. Answers false when it is full, and the read is dropped.
    #[must_use]
    pub fn add(&self, read: Read) -> bool {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= CAPACITY {
            return false;
        }
        waiting.push(read);
        if waiting.len() >= BATCH {
            self.0.enough.notify_one();
        }
        true
    }

    /// Writes what waits, each tenant's in a transaction of its own. Answers how many.
    ///
    /// # Errors
    /// When the database cannot be written. What was not is lost: it would only pile up.
    pub async fn flush(&self, store: &Store) -> Result<usize> {
        let waiting = std::mem::take(&mut *self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let count = waiting.len();
        let mut tenants: BTreeMap<TenantId, Vec<Read>> = BTreeMap::new();
        for read in waiting {
            tenants.entry(read.tenant).or_default().push(read);
        }
        for (tenant, reads) in tenants {
            let mut writer = store.write(tenant).await?;
            for read in reads {
                let request_id = read.request_id.clone();
                writer.log_provisioning(&entry(read), Some(&request_id)).await?;
            }
            writer.commit().await?;
        }
        Ok(count)
    }

    /// Ready when it is time to [`ReadLog::flush`].
    pub async fn due(&self) {
        // Whichever comes first.
        let _ = tokio::time::timeout(PAUSE, self.0.enough.notified()).await;
    }
}

fn entry(read: Read) -> LogEntry {
    LogEntry {
        id: EventId::new(read.at).uuid(),
        directory_id: read.directory,
        at: read.at,
        operation: read.operation,
        resource_type: read.resource_type,
        resource_id: read.resource_id,
        status: read.status,
        scim_type: read.scim_type,
        detail: read.detail,
        attributes: Vec::new(),
        values: None,
        coercions: Vec::new(),
        rules: ChangedRules::default(),
        token_id: Some(read.token),
    }
}

/// Switches trace mode on for some time, or off. Answers until when it is on.
///
/// # Errors
/// When the time is not between a minute and [`LONGEST_TRACE`].
pub async fn trace(
    store: &Store,
    tenant: TenantId,
    directory: &Directory,
    minutes: Option<u32>,
    caller: Caller<'_>,
) -> Result<Option<DateTime<Utc>>> {
    let until = match minutes {
        None => None,
        Some(minutes) => {
            let time = TimeDelta::minutes(i64::from(minutes));
            if minutes == 0 || time > LONGEST_TRACE {
                return Err(Error::Invalid(format!("minutes: 1 to {}", LONGEST_TRACE.num_minutes())));
            }
            Some(caller.now + time)
        }
    };
    let mut writer = store.write(tenant).await?;
    writer.set_trace(directory.id, until, caller.now).await?;
    let event = caller.event(EventKind::TraceChanged, directory.id.uuid(), json!({ "until": until }));
    writer.record(&[event], caller.request_id).await?;
    writer.commit().await?;
    Ok(until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read() -> Read {
        let now = DateTime::UNIX_EPOCH;
        Read {
            tenant: TenantId::new(now),
            directory: DirectoryId::new(now),
            token: TokenId::new(now),
            at: now,
            operation: "list",
            resource_type: "User",
            resource_id: None,
            status: 200,
            scim_type: None,
            detail: None,
            request_id: "r".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_full_queue_drops_and_says_so() {
        let log = ReadLog::default();
        assert!((0..CAPACITY).all(|_| log.add(read())));
        assert!(!log.add(read()));
        // Enough of them wait, so nobody waits for the pause.
        log.due().await;
    }
}
