//! Makes the assignments of logins what the rules want, in sets: as many statements for a thousand logins as for one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use moka::sync::Cache;
use serde_json::json;

use super::catalogue::Catalogue;
use super::mapping::{self, CompiledRule, Surroundings};
use super::tree::Tree;
use super::{Caller, Result};
use crate::model::{AssignmentId, ChangedRules, EventKind, LoginId, Rule, RuleId, TenantId};
use crate::store::{FactsRow, GrantRow, HeldRow, Reader, Writer};

/// How many logins are read and written at once, to bound memory whatever the size of a group.
pub(super) const CHUNK: usize = 1_000;
/// The same, as the store counts.
pub(super) const CHUNK_ROWS: i64 = 1_000;

/// For how many tenants compiled rules are kept. Those of others are compiled again when they are next needed.
const KEPT: u64 = 1_000;

/// Compiled rules of tenants, each set by its version: to compile hundreds of filters costs more than to change a login. Every change of
/// the account tree is a version too, because patterns name accounts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RuleBook {
    kept: Cache<(TenantId, i64), Arc<[CompiledRule]>>,
    catalogues: Arc<[Arc<Catalogue>]>,
}

impl RuleBook {
    /// An empty book, for tenants with these catalogues.
    #[must_use]
    pub fn new(catalogues: Arc<[Arc<Catalogue>]>) -> Self {
        Self { kept: Cache::new(KEPT), catalogues }
    }

    /// The tenant's rules. They are kept only while the transaction shares them: what is not committed has no version of its own.
    async fn rules(&self, writer: &mut Writer) -> Result<Arc<[CompiledRule]>> {
        let key = writer.shared_rules().map(|version| (writer.tenant(), version));
        if let Some(kept) = key.and_then(|key| self.kept.get(&key)) {
            return Ok(kept);
        }
        let saved = writer.rules().await?;
        let rules: Arc<[CompiledRule]> = self.compile(writer, &saved).await?.into();
        if let Some(key) = key {
            self.kept.insert(key, rules.clone());
        }
        Ok(rules)
    }

    /// Compiles rules for the tenant as it is now.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub(super) async fn compile(&self, reader: &mut Reader, rules: &[Rule]) -> Result<Vec<CompiledRule>> {
        if rules.is_empty() {
            return Ok(Vec::new());
        }
        let tenant = reader.tenant_row().await?;
        let catalogue = tenant.and_then(|tenant| self.catalogues.iter().find(|known| known.slug == tenant.catalogue));
        let tree = Tree::new(reader.accounts().await?);
        mapping::compile(rules, Surroundings { tree: &tree, catalogue: catalogue.map(|catalogue| &**catalogue) })
    }
}

/// Recomputes the rule assignments of everybody, in the transaction that changed the rules or the account tree.
///
/// The caller holds the tenant's rules alone.
pub(super) async fn recompute_everybody(writer: &mut Writer, book: &RuleBook, caller: &Caller<'_>) -> Result<ChangedRules> {
    let rules = book.rules(writer).await?;
    everybody(writer, &rules, caller).await
}

/// Recomputes the rule assignments of everybody, if some rule finds accounts by what they are called.
pub(super) async fn recompute_patterns(writer: &mut Writer, book: &RuleBook, caller: &Caller<'_>) -> Result<()> {
    let rules = book.rules(writer).await?;
    if rules.iter().any(CompiledRule::has_pattern) {
        everybody(writer, &rules, caller).await?;
    }
    Ok(())
}

async fn everybody(writer: &mut Writer, rules: &[CompiledRule], caller: &Caller<'_>) -> Result<ChangedRules> {
    let mut changed = ChangedRules::default();
    let mut after = None;
    loop {
        let logins = writer.login_ids(after, CHUNK_ROWS).await?;
        after = logins.last().copied();
        if after.is_none() {
            return Ok(changed);
        }
        recompute_chunk(writer, rules, &logins, caller, &mut changed).await?;
    }
}

/// Recomputes the rule assignments of these logins in the transaction of the change that causes it.
///
/// The caller holds the tenant's rules (shared for a change of facts). The logins are locked here, by ascending id, so that two
/// changes to one login's facts see one another. Answers the rules that gave something, or took it away.
pub(super) async fn recompute(
    writer: &mut Writer,
    book: &RuleBook,
    logins: &[LoginId],
    caller: &Caller<'_>,
) -> Result<ChangedRules> {
    let rules = book.rules(writer).await?;
    let mut changed = ChangedRules::default();
    for chunk in logins.chunks(CHUNK) {
        recompute_chunk(writer, &rules, chunk, caller, &mut changed).await?;
    }
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
