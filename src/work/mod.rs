//! What happens by itself: rows whose time is over go, reads of directories in trace mode are written down, and the database is kept
//! aware of how its tables grow.
//!
//! Every replica does all of it. What one has removed, the next does not find. Only [`sealing`], [`recomputing`], [`ending`]
//! and what is asked of identity providers (`refreshing`) are done by one at a time, which holds a lease.

pub mod delivering;
pub mod ending;
pub mod recomputing;
#[cfg(feature = "saml")]
pub mod refreshing;
mod rotating;
pub mod sealing;

use std::pin::Pin;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::MissedTickBehavior;
use tokio_util::task::AbortOnDropHandle;

use self::delivering::Teller;
use crate::clock::Clock;
use crate::directory::ending::step_of_old;
use crate::directory::reads::ReadLog;
use crate::directory::{self, RuleBook, idempotency};
use crate::model::{SessionLimits, TenantId};
use crate::openid::keys::SigningKeys;
use crate::store::{Store, Writer};

/// How often rows are removed whose time is over.
const PURGE_INTERVAL: Duration = Duration::from_mins(10);
/// How often the database is asked whether its tables have outgrown what it knows of them.
const STATISTICS_INTERVAL: Duration = Duration::from_secs(5);
/// How many rows of a log are removed by one transaction: others want to write meanwhile.
const BATCH: u32 = 1_000;
/// For how long the traces of sign-ins are kept.
const TRACES_KEPT: TimeDelta = TimeDelta::days(30);
/// After how long it is given up what nobody tried to tell a portal, because it is to be told nothing any more.
const DELIVERIES_TRIED: TimeDelta = TimeDelta::hours(25);
/// For how long it is known what portals were told, and what they could not be told.
const DELIVERED_KEPT: TimeDelta = TimeDelta::days(1);
const UNDELIVERED_KEPT: TimeDelta = TimeDelta::days(30);
/// For how long finished jobs are told of.
const JOBS_KEPT: TimeDelta = TimeDelta::days(30);

/// How many rows went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Sessions.
    pub sessions: u64,
    /// Sign-ins that were never finished, and access tokens.
    pub expired: u64,
    /// Entries of provisioning logs.
    pub log_entries: u64,
    /// Traces of sign-ins.
    pub traces: u64,
    /// What requests with idempotency keys were answered.
    pub idempotency_keys: u64,
    /// Ids of assertions by which portals proved themselves, or SAML identity providers signed somebody in.
    pub assertions: u64,
    /// What portals were told, or could not be.
    pub deliveries: u64,
    /// Jobs that are finished.
    pub jobs: u64,
}

/// What work is done with.
#[derive(Clone, Debug)]
pub struct Tools<'a> {
    pub store: &'a Store,
    pub clock: &'a Clock,
    pub reads: &'a ReadLog,
    pub rules: &'a RuleBook,
    /// How long sessions last where a tenant says nothing else.
    pub sessions: SessionLimits,
    pub signing: &'a SigningKeys,
    /// Tells portals that sessions are over.
    pub teller: Teller,
    /// How long a key signs before the next one does.
    pub signing_lifetime: TimeDelta,
    /// Keeps what is known of SAML identity providers up to date.
    #[cfg(feature = "saml")]
    pub refresher: refreshing::Refresher,
}

/// Begins all work. It ends when what is answered is dropped.
pub fn start(tools: Tools<'_>) -> Vec<AbortOnDropHandle<()>> {
    let Tools { store, clock, reads, rules, sessions, signing, teller, signing_lifetime, .. } = tools;
    #[cfg(feature = "saml")]
    let refreshing = tokio::spawn(refreshing::keep_refreshing(tools.refresher));
    let purging = tokio::spawn(keep_purging(store.clone(), clock.clone(), sessions));
    let writing = tokio::spawn(keep_writing(store.clone(), reads.clone()));
    let looking = tokio::spawn(keep_statistics(store.clone()));
    let sealing = tokio::spawn(sealing::keep_sealing(store.clone(), clock.clone()));
    let recomputing = tokio::spawn(recomputing::keep_recomputing(store.clone(), clock.clone(), rules.clone()));
    let rotating = tokio::spawn(rotating::keep_rotating(signing.clone(), signing_lifetime));
    let ending = tokio::spawn(ending::keep_ending(store.clone(), clock.clone()));
    let delivering = tokio::spawn(delivering::keep_delivering(teller));
    let all = [purging, writing, looking, sealing, recomputing, rotating, ending, delivering];
    #[cfg(feature = "saml")]
    let all = all.into_iter().chain([refreshing]);
    all.into_iter().map(AbortOnDropHandle::new).collect()
}

async fn keep_purging(store: Store, clock: Clock, sessions: SessionLimits) {
    let mut ticks = tokio::time::interval(PURGE_INTERVAL);
    loop {
        ticks.tick().await;
        match purge(&store, sessions, clock.now()).await {
            Ok(gone) => tracing::debug!(?gone, "removed what was over"),
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "what was over could not be removed"),
        }
    }
}

async fn keep_writing(store: Store, reads: ReadLog) {
    loop {
        reads.due().await;
        if let Err(error) = reads.flush(&store).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "reads of a directory in trace mode could not be logged");
        }
    }
}

async fn keep_statistics(store: Store) {
    let mut ticks = tokio::time::interval(STATISTICS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = store.refresh_statistics().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the database could not be asked about its tables");
        }
    }
}

/// Removes everything whose time is over, everywhere: each directory's log after the days that its settings say.
///
/// # Errors
/// When the database cannot be written. What was removed until then is gone.
pub async fn purge(store: &Store, sessions: SessionLimits, now: DateTime<Utc>) -> directory::Result<Purged> {
    let mut gone = Purged::default();
    let mut writer = store.write(TenantId::OPERATOR).await?;
    gone.expired = writer.purge_expired(now).await?;
    gone.jobs = writer.purge_jobs(now - JOBS_KEPT).await?;
    writer.commit().await?;
    let operator = TenantId::OPERATOR;
    gone.traces =
        by_batches(store, operator, |writer| Box::pin(async move { Ok(writer.purge_traces(now - TRACES_KEPT, BATCH).await?) }))
            .await?;
    let kept_until = now - idempotency::KEPT;
    gone.idempotency_keys =
        by_batches(store, operator, |writer| Box::pin(async move { Ok(writer.purge_idempotency_keys(kept_until, BATCH).await?) }))
            .await?;
    gone.assertions = by_batches(store, operator, |writer| Box::pin(async move { Ok(writer.purge_assertions(now, BATCH).await?) }))
        .await?
        + by_batches(store, operator, |writer| Box::pin(async move { Ok(writer.purge_saml_assertions(now, BATCH).await?) }))
            .await?;
    let mut writer = store.write(TenantId::OPERATOR).await?;
    writer.give_up_deliveries(now - DELIVERIES_TRIED, now).await?;
    writer.commit().await?;
    let (told, untold) = (now - DELIVERED_KEPT, now - UNDELIVERED_KEPT);
    gone.deliveries =
        by_batches(store, operator, |writer| Box::pin(async move { Ok(writer.purge_deliveries(told, untold, BATCH).await?) }))
            .await?;
    for tenant in store.doors().tenant_ids().await? {
        gone.sessions += by_batches(store, tenant, |writer| Box::pin(step_of_old(writer, sessions, now))).await?;
    }
    for (tenant, directory, settings) in store.doors().all_directories().await? {
        let before = now - TimeDelta::days(i64::from(settings.log_days.get()));
        gone.log_entries += by_batches(store, tenant, |writer| {
            Box::pin(async move { Ok(writer.purge_provisioning_log(directory, before, BATCH).await?) })
        })
        .await?;
    }
    Ok(gone)
}

/// What is done in one transaction: so many rows go.
type Step<'w> = Pin<Box<dyn Future<Output = directory::Result<u64>> + Send + 'w>>;

/// Takes steps, each in a transaction of its own, until one finds nothing more. Answers how many rows went.
async fn by_batches(
    store: &Store,
    tenant: TenantId,
    mut step: impl for<'w> FnMut(&'w mut Writer) -> Step<'w>,
) -> directory::Result<u64> {
    let mut gone = 0;
    loop {
        let mut writer = store.write(tenant).await?;
        let some = step(&mut writer).await?;
        writer.commit().await?;
        if some == 0 {
            return Ok(gone);
        }
        gone += some;
    }
}
