//! Makes the assignments of logins what the rules want, in sets: as many statements for a thousand logins as for one.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::json;

use super::mapping::{self, CompiledRule};
use super::{Caller, Result};
use crate::model::{AssignmentId, ChangedRules, EventKind, LoginId, RuleId};
use crate::store::{GrantRow, HeldRow, Writer};

/// How many logins are read and written at once, to bound memory whatever the size of a group.
const CHUNK: usize = 1_000;

/// Recomputes the rule assignments of these logins in the transaction of the change that causes it.
///
/// The caller holds the tenant's rules (shared for a change of facts). The logins are locked here, by ascending id, so that two
/// changes to one login's facts see one another. Answers the rules that gave something, or took it away.
pub(super) async fn recompute(writer: &mut Writer, logins: &[LoginId], caller: &Caller<'_>) -> Result<ChangedRules> {
    let rules = mapping::compile(&writer.rules().await?)?;
    let now = caller.now;
    let mut changed = ChangedRules::default();
    for chunk in logins.chunks(CHUNK) {
        let locked = writer.lock_logins(chunk).await?;
        let changes = changes(writer, &rules, &locked, now).await?;
        changed.granted.extend(changes.grants.iter().map(|grant| grant.rule));
        changed.revoked.extend(changes.revoking);
        writer.grant(&changes.grants, now).await?;
        writer.revoke(&changes.revoked).await?;
        let events: Vec<_> = changes
            .touched
            .into_iter()
            .map(|(login, (granted, revoked))| {
                caller.event(EventKind::RolesChanged, login.uuid(), json!({ "granted": granted, "revoked": revoked }))
            })
            .collect();
        writer.record(&events, caller.request_id).await?;
    }
    Ok(changed)
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

async fn changes(writer: &mut Writer, rules: &[CompiledRule], logins: &[LoginId], now: DateTime<Utc>) -> Result<Changes> {
    let mut held: BTreeMap<LoginId, Vec<HeldRow>> = BTreeMap::new();
    for row in writer.rule_assignments(logins).await? {
        held.entry(row.login_id).or_default().push(row);
    }
    let mut changes = Changes::default();
    for facts in writer.facts(logins).await? {
        let login = facts.login_id;
        let change = mapping::diff(held.get(&login).map_or(&[], Vec::as_slice), &mapping::wanted(rules, &facts));
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
    Ok(changes)
}
