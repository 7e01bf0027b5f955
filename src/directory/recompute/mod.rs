//! Makes the assignments of logins what the rules want, in sets: as many statements for a thousand logins as for one.
//!
//! What touches more logins than that commits at once and leaves the rest to a [`job`]; until a login's turn has come, [`live`] evaluates
//! the rules whenever somebody asks what it holds. So nobody keeps what a change took away, however many it touched.

mod book;
mod job;
mod live;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::json;

pub use self::book::RuleBook;
pub(super) use self::job::Cause;
pub use self::job::{STEP, step};
pub use self::live::{counting_assignments, held_roles};
pub(super) use self::live::{held_assignments, holders};

use super::mapping::{self, CompiledRule};
use super::{Caller, Result};
use crate::model::{AssignmentId, ChangedRules, EventKind, JobId, LoginId, RuleId};
use crate::store::{FactsRow, GrantRow, HeldRow, Writer};

/// How many logins are read and written at once, to bound memory whatever the size of a group.
pub(super) const CHUNK: usize = 1_000;
/// The same, as the store counts.
pub(super) const CHUNK_ROWS: i64 = 1_000;

/// Recomputes the rule assignments of everybody, because rules or the account tree changed: in the transaction that changed them where
/// there are few logins, else in a job. Answers the job.
///
/// The caller holds the tenant's rules alone.
pub(super) async fn recompute_everybody(
    writer: &mut Writer,
    book: &RuleBook,
    cause: &Cause,
    caller: &Caller<'_>,
) -> Result<Option<JobId>> {
    let rules = book.rules(writer).await?;
    everybody(writer, &rules, cause, caller).await
}

/// Recomputes the rule assignments of everybody, if some rule finds accounts by what they are called.
pub(super) async fn recompute_patterns(
    writer: &mut Writer,
    book: &RuleBook,
    cause: &Cause,
    caller: &Caller<'_>,
) -> Result<Option<JobId>> {
    let rules = book.rules(writer).await?;
    if rules.iter().any(CompiledRule::has_pattern) { everybody(writer, &rules, cause, caller).await } else { Ok(None) }
}

async fn everybody(writer: &mut Writer, rules: &[CompiledRule], cause: &Cause, caller: &Caller<'_>) -> Result<Option<JobId>> {
    let logins = writer.login_ids(None, CHUNK_ROWS + 1).await?;
    if logins.len() > CHUNK {
        let job = cause.begin(writer, caller).await?;
        writer.await_everybody(job).await?;
        return Ok(Some(job));
    }
    recompute_chunk(writer, rules, &logins, caller, &mut ChangedRules::default()).await?;
    Ok(None)
}

/// Recomputes the rule assignments of these logins in the transaction of the change that causes it, or in a job if they are many.
///
/// The caller holds the tenant's rules (shared for a change of facts). The logins are locked here, by ascending id, so that two
/// changes to one login's facts see one another. Answers the rules that gave something, or took it away; what a job changes is not
/// known yet, and stands in its events.
pub(super) async fn recompute(
    writer: &mut Writer,
    book: &RuleBook,
    logins: &[LoginId],
    cause: &Cause,
    caller: &Caller<'_>,
) -> Result<ChangedRules> {
    let mut changed = ChangedRules::default();
    if logins.len() > CHUNK {
        let job = cause.begin(writer, caller).await?;
        for chunk in logins.chunks(CHUNK) {
            writer.lock_logins(chunk).await?;
            writer.await_logins(job, chunk).await?;
        }
        return Ok(changed);
    }
    let rules = book.rules(writer).await?;
    recompute_chunk(writer, &rules, logins, caller, &mut changed).await?;
    Ok(changed)
}

/// Recomputes the rule assignments of one login in the transaction of the change that causes it, as [`recompute`] does.
pub(super) async fn recompute_login(
    writer: &mut Writer,
    book: &RuleBook,
    login: LoginId,
    caller: &Caller<'_>,
) -> Result<ChangedRules> {
    let rules = book.rules(writer).await?;
    let mut changed = ChangedRules::default();
    recompute_chunk(writer, &rules, &[login], caller, &mut changed).await?;
    Ok(changed)
}

async fn recompute_chunk(
    writer: &mut Writer,
    rules: &[CompiledRule],
    logins: &[LoginId],
    caller: &Caller<'_>,
    changed: &mut ChangedRules,
) -> Result<()> {
    let locked = writer.lock_logins(logins).await?;
    let held = writer.rule_assignments(&locked).await?;
    let facts = writer.facts(&locked).await?;
    apply(writer, changes(rules, held, &facts, caller.now), caller, changed).await
}

/// Gives a login that was made in this transaction what the rules want: it holds nothing, and nobody else knows it.
pub(super) async fn give_first(
    writer: &mut Writer,
    book: &RuleBook,
    facts: &FactsRow,
    caller: &Caller<'_>,
) -> Result<ChangedRules> {
    let rules = book.rules(writer).await?;
    let mut changed = ChangedRules::default();
    apply(writer, changes(&rules, Vec::new(), std::slice::from_ref(facts), caller.now), caller, &mut changed).await?;
    Ok(changed)
}

async fn apply(writer: &mut Writer, changes: Changes, caller: &Caller<'_>, changed: &mut ChangedRules) -> Result<()> {
    changed.granted.extend(changes.grants.iter().map(|grant| grant.rule));
    changed.revoked.extend(changes.revoking);
    writer.grant(&changes.grants, caller.now).await?;
    writer.revoke(&changes.revoked).await?;
    let events: Vec<_> = changes
        .touched
        .into_iter()
        .map(|(login, (granted, revoked))| {
            caller.event(EventKind::RolesChanged, login.uuid(), json!({ "granted": granted, "revoked": revoked }))
        })
        .collect();
    Ok(writer.record(&events, caller.request_id).await?)
}

#[derive(Default)]
struct Changes {
    grants: Vec<GrantRow>,
    revoked: Vec<AssignmentId>,
    /// The rules that those were given by.
    revoking: BTreeSet<RuleId>,
    /// How many assignments each login gains and loses.
    touched: BTreeMap<LoginId, (usize, usize)>,
}

fn changes(rules: &[CompiledRule], rows: Vec<HeldRow>, facts: &[FactsRow], now: DateTime<Utc>) -> Changes {
    let mut held: BTreeMap<LoginId, Vec<HeldRow>> = BTreeMap::new();
    for row in rows {
        held.entry(row.login_id).or_default().push(row);
    }
    let mut changes = Changes::default();
    for facts in facts {
        let login = facts.login_id;
        let change = mapping::diff(held.get(&login).map_or(&[], Vec::as_slice), &mapping::wanted(rules, facts));
        if change.grant.is_empty() && change.revoke.is_empty() {
            continue;
        }
        changes.touched.insert(login, (change.grant.len(), change.revoke.len()));
        let gone = held.get(&login).into_iter().flatten().filter(|row| change.revoke.contains(&row.id));
        changes.revoking.extend(gone.map(|row| row.source_id));
        changes.revoked.extend(change.revoke);
        changes.grants.extend(change.grant.into_iter().map(|wanted| GrantRow {
            id: AssignmentId::new(now),
            login,
            account: wanted.account,
            role: wanted.role,
            rule: wanted.rule,
        }));
    }
    changes
}
