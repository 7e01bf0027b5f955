//! Keeps what SAML connections know of their identity providers up to date: metadata is read again when that is due, and certificates are told of
//! before they end. One replica at a time does it, by a lease that it renews with each connection; when it dies, another takes over.

use std::fmt;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::MissedTickBehavior;
use url::Url;

use crate::clock::Clock;
use crate::directory::connections::certificates::ALERTS;
use crate::directory::connections::schedule::after_failing;
use crate::directory::connections::{Came, SamlConnections};
use crate::directory::{self, Caller};
use crate::federation::Federation;
use crate::federation::saml::MetadataFrom;
use crate::keys::Sealer;
use crate::metrics::Metrics;
use crate::model::{Actor, HolderId, TenantId};
use crate::store::{DueMetadata, Store};

/// How often is looked whether something is due.
const INTERVAL: Duration = Duration::from_mins(1);
/// For how long a replica that says nothing keeps the lease: longer than an identity provider is waited for.
pub const LEASE: TimeDelta = TimeDelta::minutes(2);
/// How many are read in one pass; the others are due in the next.
const BATCH: u32 = 100;
/// The longest word on what went wrong, in characters.
const PROBLEM_CHARS: usize = 300;
const NAME: &str = "saml-metadata";

/// What it is done with.
#[derive(Clone)]
pub struct Refresher {
    pub store: Store,
    pub sealer: Sealer,
    pub clock: Clock,
    pub federation: Federation,
    pub metrics: Metrics,
}

impl fmt::Debug for Refresher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refresher").finish_non_exhaustive()
    }
}

/// What a pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Metadata that was taken in.
    pub taken: usize,
    /// Metadata that could not be.
    pub failed: usize,
    /// Events about certificates.
    pub told: usize,
}

pub(super) async fn keep_refreshing(refresher: Refresher) {
    let holder = HolderId::new(refresher.clock.now());
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match refresher.refresh(holder).await {
            Ok(done) => tracing::trace!(?done, "looked after SAML connections"),
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "SAML connections could not be looked after"),
        }
        if let Err(error) = refresher.measure().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the ends of certificates could not be looked up");
        }
    }
}

impl Refresher {
    /// Reads the metadata that is due, and looks after certificates. Answers what was done, or `None` when another holder has the lease.
    ///
    /// # Errors
    /// When it cannot be asked what is due. What is wrong with one connection is none of the others' business.
    pub async fn refresh(&self, holder: HolderId) -> directory::Result<Option<Refreshed>> {
        let mut done = Refreshed::default();
        if !self.lease(holder).await? {
            return Ok(None);
        }
        for due in self.store.doors().due_metadata(self.clock.now(), BATCH).await? {
            // No transaction is open while an identity provider is waited for.
            if !self.lease(holder).await? {
                return Ok(None);
            }
            match self.read(&due).await {
                Ok(true) => done.taken += 1,
                Ok(false) => done.failed += 1,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, connection = %due.connection_id, "metadata could not be looked after");
                    done.failed += 1;
                }
            }
        }
        let now = self.clock.now();
        let ahead = now + TimeDelta::days(ALERTS[0].into());
        for (tenant, connection) in self.store.doors().connections_with_certificates_to_look_at(now, ahead).await? {
            if !self.lease(holder).await? {
                return Ok(None);
            }
            match self.connections(tenant).keep_certificates(connection).await {
                Ok(told) => done.told += told,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, connection = %connection, "certificates could not be looked after");
                }
            }
        }
        Ok(Some(done))
    }

    /// Reads the metadata of one connection. Answers whether it was taken in.
    async fn read(&self, due: &DueMetadata) -> directory::Result<bool> {
        let problem = match Url::parse(&due.url) {
            Err(_) => "its address is none".to_owned(),
            Ok(url) => match self.federation.idp_metadata(MetadataFrom::Address(&url), self.clock.now()).await {
                Err(error) => error.to_string(),
                Ok(metadata) => {
                    let connections = self.connections(due.tenant_id);
                    match connections.take_metadata(due.connection_id, &metadata, Came::Again(&due.url)).await {
                        Ok(_) => return Ok(true),
                        Err(directory::Error::Conflict(text) | directory::Error::Invalid(text)) => text,
                        Err(error) => return Err(error),
                    }
                }
            },
        };
        tracing::info!(connection = %due.connection_id, problem, "metadata could not be taken in");
        let problem: String = problem.chars().take(PROBLEM_CHARS).collect();
        let now = self.clock.now();
        let connections = self.connections(due.tenant_id);
        connections.metadata_failed(due.connection_id, &due.url, &problem, |failures| after_failing(failures, now)).await?;
        Ok(false)
    }

    /// Shows how long it is until the first enabled connection has no certificate that is valid.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn measure(&self) -> directory::Result<()> {
        let now = self.clock.now();
        let (without, first) = self.store.doors().certificate_ends().await?;
        let ends = [(without > 0).then_some(now), first].into_iter().flatten();
        self.metrics.certificate_ends(ends.min().map(|end| end - now));
        Ok(())
    }

    async fn lease(&self, holder: HolderId) -> directory::Result<bool> {
        let now = self.clock.now();
        let mut writer = self.store.write(TenantId::OPERATOR).await?;
        if !writer.take_lease(NAME, holder, now, now + LEASE).await? {
            return Ok(false);
        }
        writer.commit().await?;
        Ok(true)
    }

    fn connections(&self, tenant: TenantId) -> SamlConnections<'_> {
        let caller = Caller { actor: Actor::System, now: self.clock.now(), request_id: None };
        SamlConnections { store: &self.store, sealer: &self.sealer, tenant, reach: None, caller }
    }
}
