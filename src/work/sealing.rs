//! Seals events into the chain of their tenant, behind the writes. One replica at a time does it, by a lease that it renews with each
//! batch; when it dies, another takes over. Should two do it at once all the same, the keys of the chain let only one of them commit.

use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use crate::clock::Clock;
use crate::directory::chain;
use crate::model::{HolderId, TenantId};
use crate::store::{EventRow, LogPosition, Result, Store};

/// How often new events are looked for.
const INTERVAL: Duration = Duration::from_secs(5);
/// How old an event is before it is sealed: older than any request that might still write one from before it.
pub const SETTLED: TimeDelta = TimeDelta::seconds(90);
/// For how long a replica that says nothing keeps the lease.
pub const LEASE: TimeDelta = TimeDelta::seconds(30);
/// How many events are sealed by one transaction: others want to write meanwhile.
const BATCH: u32 = 500;
/// How far before the last sealed event others are looked for that appeared late: now and then, because everything since is looked at again.
const LOOK_BACK: [(u32, TimeDelta); 2] = [(ROUND, TimeDelta::days(1)), (12, TimeDelta::minutes(10))];
/// Passes until everything begins again.
const ROUND: u32 = 720;
const NAME: &str = "event-seals";

pub(super) async fn keep_sealing(store: Store, clock: Clock) {
    let holder = HolderId::new(clock.now());
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for pass in (0..ROUND).cycle() {
        ticks.tick().await;
        let due = LOOK_BACK.into_iter().find(|(every, _)| pass % every == 0);
        let look_back = due.map_or(TimeDelta::zero(), |(_, look_back)| look_back);
        match seal(&store, &clock, holder, look_back).await {
            Ok(sealed) => tracing::trace!(?sealed, "sealed events"),
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "events could not be sealed"),
        }
    }
}

/// Seals the settled events of every tenant. Answers how many, or `None` when another holder has the lease.
///
/// # Errors
/// When the database cannot be written. What was sealed until then is.
pub async fn seal(store: &Store, clock: &Clock, holder: HolderId, look_back: TimeDelta) -> Result<Option<u64>> {
    let now = clock.now();
    let mut writer = store.write(TenantId::OPERATOR).await?;
    if !writer.take_lease(NAME, holder, now, now + LEASE).await? {
        return Ok(None);
    }
    writer.commit().await?;
    let mut sealed = 0;
    for tenant in store.doors().tenant_ids().await? {
        // Most tenants have nothing to seal most of the time, and that takes no transaction.
        let mut reader = store.read(tenant);
        let last = reader.last_seal().await?.and_then(|last| last.event_at);
        let mut after = LogPosition { at: last.map_or(DateTime::UNIX_EPOCH, |at| at - look_back), id: Uuid::nil() };
        while !reader.unsealed_events(after, clock.now() - SETTLED, 1).await?.is_empty() {
            let Some(events) = seal_batch(store, clock, tenant, holder, after).await? else { return Ok(None) };
            sealed += events.len() as u64;
            // What lies before is sealed, and need not be looked at again for the next batch.
            after = events.last().map_or(after, EventRow::position);
        }
    }
    Ok(Some(sealed))
}

/// Seals the next events behind a place. Answers them, or `None` when another holder has the lease.
async fn seal_batch(
    store: &Store,
    clock: &Clock,
    tenant: TenantId,
    holder: HolderId,
    after: LogPosition,
) -> Result<Option<Vec<EventRow>>> {
    let now = clock.now();
    let mut writer = store.write(tenant).await?;
    // Whoever takes the lease over waits for the end of this transaction, and so sees its seals.
    if !writer.take_lease(NAME, holder, now, now + LEASE).await? {
        return Ok(None);
    }
    let last = writer.last_seal().await?;
    let events = writer.unsealed_events(after, now - SETTLED, BATCH).await?;
    writer.insert_seals(&chain::seal(tenant, last.as_ref(), &events), now).await?;
    writer.commit().await?;
    Ok(Some(events))
}
