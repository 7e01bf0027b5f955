//! Removes the sessions that the epoch of a connection or of a tenant has ended, some at a time. They are over already; what is left is
//! their rows, and word to the portals. One replica at a time does it for a tenant, by a lease that it renews with each step; when it
//! dies, another takes over.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::MissedTickBehavior;

use crate::clock::Clock;
use crate::directory::{self, ending};
use crate::model::{HolderId, TenantId};
use crate::store::{Store, retry};

/// How often endings are looked for.
const INTERVAL: Duration = Duration::from_secs(1);
/// For how long a replica that says nothing keeps the lease.
pub const LEASE: TimeDelta = TimeDelta::seconds(30);

pub(super) async fn keep_ending(store: Store, clock: Clock) {
    let holder = HolderId::new(clock.now());
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = end(&store, &clock, holder).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "sessions that are over could not be looked for");
        }
    }
}

/// Works until no session is left that an epoch has ended. Tenants take turns, so that a large one does not keep the others waiting. Answers
/// how many steps there were.
///
/// # Errors
/// When the database cannot be asked which tenants have some.
pub async fn end(store: &Store, clock: &Clock, holder: HolderId) -> directory::Result<u64> {
    let mut steps = 0;
    let mut tenants = store.doors().tenants_with_endings().await?;
    while !tenants.is_empty() {
        let mut going_on = Vec::new();
        for tenant in tenants {
            match retry(|| step(store, clock, holder, tenant)).await {
                Ok(true) => {
                    steps += 1;
                    going_on.push(tenant);
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, %tenant, "sessions that are over could not be removed");
                }
            }
        }
        tenants = going_on;
    }
    Ok(steps)
}

/// One step for a tenant. Answers `false` when there is nothing to do, or another holder does it.
async fn step(store: &Store, clock: &Clock, holder: HolderId, tenant: TenantId) -> directory::Result<bool> {
    let now = clock.now();
    let mut writer = store.write(tenant).await?;
    if !writer.take_lease(&format!("ending-{tenant}"), holder, now, now + LEASE).await? {
        return Ok(false);
    }
    let is_more = ending::step(&mut writer, now).await?;
    writer.commit().await?;
    Ok(is_more)
}
