//! Goes on with jobs: computes roles anew, some logins at a time. One replica at a time does it for a tenant, by a lease that it renews
//! with each step; when it dies, another takes over.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::MissedTickBehavior;

use crate::clock::Clock;
use crate::directory::{self, RuleBook, recompute_step};
use crate::model::{HolderId, TenantId};
use crate::store::{Store, retry};

/// How often open jobs are looked for.
const INTERVAL: Duration = Duration::from_secs(1);
/// For how long a replica that says nothing keeps the lease.
pub const LEASE: TimeDelta = TimeDelta::seconds(30);

pub(super) async fn keep_recomputing(store: Store, clock: Clock, rules: RuleBook) {
    let holder = HolderId::new(clock.now());
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = recompute(&store, &clock, &rules, holder).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "open jobs could not be looked for");
        }
    }
}

/// Works until no job is left that nobody else works at. Tenants take turns, so that a large one does not keep the others waiting, and
/// neither does one whose rules cannot be read: it is left for the next time. Answers how many steps there were.
///
/// # Errors
/// When the database cannot be asked which tenants have jobs.
pub async fn recompute(store: &Store, clock: &Clock, rules: &RuleBook, holder: HolderId) -> directory::Result<u64> {
    let mut steps = 0;
    let mut tenants = store.doors().tenants_with_jobs().await?;
    while !tenants.is_empty() {
        let mut going_on = Vec::new();
        for tenant in tenants {
            match retry(|| step(store, clock, rules, holder, tenant)).await {
                Ok(true) => {
                    steps += 1;
                    going_on.push(tenant);
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, %tenant, "roles of a tenant could not be computed anew");
                }
            }
        }
        tenants = going_on;
    }
    Ok(steps)
}

/// One step for a tenant. Answers `false` when there is nothing to do, or another holder does it.
async fn step(store: &Store, clock: &Clock, rules: &RuleBook, holder: HolderId, tenant: TenantId) -> directory::Result<bool> {
    let now = clock.now();
    let mut writer = store.write(tenant).await?;
    if !writer.take_lease(&format!("recompute-{tenant}"), holder, now, now + LEASE).await? {
        return Ok(false);
    }
    let is_more = recompute_step(&mut writer, rules, now).await?;
    writer.commit().await?;
    Ok(is_more)
}
