//! `vestibule doctor audit`: whether the audit trail is what was written.

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use chrono::TimeDelta;
use serde::Serialize;

use super::doctor::Status;
use crate::app;
use crate::clock::Clock;
use crate::config::Settings;
use crate::directory::chain::{self, Fault, Verdict};

/// How long an event may wait for its seal before it is spoken of.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);

#[derive(Debug, Serialize)]
struct Report {
    status: Status,
    tenants: Vec<Told>,
}

/// What was found of one tenant.
#[derive(Debug, Serialize)]
struct Told {
    tenant: String,
    status: Status,
    #[serde(flatten)]
    verdict: Verdict,
}

/// Walks every tenant's chain, says how it is, and changes nothing. The exit code is 1 when one is broken.
pub(super) async fn audit(settings: &Settings, json: bool) -> anyhow::Result<ExitCode> {
    let store = app::open(settings).await?;
    if !store.migration_state().await?.is_served() {
        anyhow::bail!("the database is not at this program's schema: run `vestibule migrate`");
    }
    let now = Clock::system().now();
    let mut report = Report { status: Status::Ok, tenants: Vec::new() };
    for id in store.doors().tenant_ids().await? {
        let tenant = store.read(id).tenant_row().await?.map(|tenant| tenant.slug).unwrap_or_default();
        let verdict = chain::verify(&store, id).await.with_context(|| format!("the events of {tenant} could not be read"))?;
        let status = match (&verdict.broken, verdict.unsealed_since) {
            (Some(_), _) => Status::Fail,
            (None, Some(since)) if since < now - PATIENCE => Status::Warn,
            (None, _) => Status::Ok,
        };
        report.status = report.status.max(status);
        report.tenants.push(Told { tenant, status, verdict });
    }
    store.close().await;
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        for told in &report.tenants {
            write!(out, "{told}")?;
        }
    }
    Ok(if report.status == Status::Fail { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, status, verdict: Verdict { sealed, head, broken, unsealed, unsealed_since } } = self;
        writeln!(f, "{status:<4}  {tenant}  {sealed} events are sealed and as they were; the chain ends in {head}")?;
        if let Some(broken) = broken {
            let what = match broken.fault {
                Fault::SealMissing => "the seal is gone",
                Fault::EventMissing => "the event is gone",
                Fault::EventChanged => "the event is not what was sealed",
                Fault::ValuesMissing => "its personal values are gone",
                Fault::ValuesChanged => "its personal values are not what was recorded",
                Fault::ChainBroken => "the seal does not follow from the one before it",
            };
            let event = broken.event.map(|event| format!(", event {event}")).unwrap_or_default();
            writeln!(f, "      {tenant}  broken at position {}{event}: {what}", broken.position)?;
            writeln!(f, "      → somebody changed the database itself: compare it with a backup (docs/operations.md)")?;
        }
        if let Some(since) = unsealed_since {
            writeln!(f, "      {tenant}  {unsealed} events are not sealed yet, the oldest of {}", since.to_rfc3339())?;
        }
        if *status == Status::Warn {
            writeln!(f, "      → events are sealed by `vestibule serve`, two minutes after they happen; see its log")?;
        }
        Ok(())
    }
}
