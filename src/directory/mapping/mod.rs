//! From facts to roles, purely: which assignments the rules want, and what that changes.
//!
//! A rule is a SCIM filter over the facts of a login, or a pattern for the values of one of their attributes, and a list of grants. Wanted assignments are always computed anew from all
//! rules, never added up, so that the order of rules and of changes does not matter and what no rule wants any more goes. A rule of
//! a directory reads that directory's attributes and groups; a rule of a connection reads the claims of its last sign-in. Groups and
//! claims are never mixed: what one source says cannot make up for what another does not.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use regex::Captures;
use serde_json::json;

use super::catalogue::{Catalogue, FirstHolder};
use super::pattern::CompiledPattern;
use super::tree::Tree;
use super::{Error, Result};
use crate::model::{AccountId, AssignmentId, Given, Grant, Rule, RuleId, RuleOrigin};
use crate::scim::filter::{AttrPath, CompareOp, Filter, FilterError, Literal, Scope, resolve};
use crate::scim::profile::Profile;
use crate::scim::{ResolvedFilter, Value};
use crate::store::{FactsRow, HeldRow};

/// What rules are read against: the accounts of their tenant, and its roles.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    pub tree: &'a Tree,
    /// `None` when the program does not know the tenant's catalogue.
    pub catalogue: Option<&'a Catalogue>,
}

/// A rule whose filter and pattern are settled, for one state of the account tree and the catalogue.
#[derive(Clone, Debug)]
pub struct CompiledRule {
    id: RuleId,
    origin: RuleOrigin,
    /// Everybody whom the origin knows, if there is none.
    filter: Option<ResolvedFilter>,
    pattern: Option<CompiledPattern>,
    grants: Vec<CompiledGrant>,
}

impl CompiledRule {
    /// Whether what the rule gives depends on what accounts are called.
    #[must_use]
    pub fn has_pattern(&self) -> bool {
        self.pattern.is_some()
    }
}

#[derive(Clone, Debug)]
struct CompiledGrant {
    role: RoleOf,
    account: AccountOf,
}

#[derive(Clone, Debug)]
enum RoleOf {
    Fixed(String),
    /// The part, and the role that each of its values is.
    Part(String, BTreeMap<String, String>),
}

#[derive(Clone, Debug)]
enum AccountOf {
    Fixed(AccountId),
    /// The part, and the accounts below the rule's subtree by their paths from there.
    Part(String, Arc<BTreeMap<String, AccountId>>),
}

impl CompiledGrant {
    fn of(&self, parts: Option<&Captures<'_>>) -> Option<(AccountId, String)> {
        let part = |name: &str| parts?.name(name).map(|part| part.as_str());
        let account = match &self.account {
            AccountOf::Fixed(account) => *account,
            AccountOf::Part(name, below) => *below.get(part(name)?)?,
        };
        let role = match &self.role {
            RoleOf::Fixed(role) => role,
            RoleOf::Part(name, roles) => roles.get(part(name)?)?,
        };
        Some((account, role.clone()))
    }
}

/// An assignment that a rule wants a login to have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    pub rule: RuleId,
    pub account: AccountId,
    pub role: String,
}

/// What has to change so that a login holds exactly what is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    pub grant: Vec<Wanted>,
    pub revoke: Vec<AssignmentId>,
}

/// Reads the condition of a rule.
///
/// # Errors
/// When it is no filter, or names an attribute that facts do not have; the text says where.
pub fn compile_condition(when: &str) -> std::result::Result<ResolvedFilter, FilterError> {
    resolve(&Filter::parse(when)?, Scope::Facts, Profile::Strict)
}

/// Whether a role may be given at an account by a rule: it fits there, and no pattern makes somebody the first holder of what the
/// operator alone begins. A rule without a pattern may name a role that is retired, which gives nothing.
#[must_use]
pub fn may_give(catalogue: &Catalogue, role: &str, at_root: bool, by_pattern: bool) -> bool {
    match catalogue.role(role) {
        Some(entry) => entry.scope.fits(at_root) && !(by_pattern && entry.first_holder == FirstHolder::Operator),
        None => !by_pattern,
    }
}

/// Settles the filters and patterns of saved rules.
///
/// # Errors
/// When a rule cannot be read: then nothing may be computed, because what it gives would be taken away.
pub fn compile(rules: &[Rule], around: Surroundings<'_>) -> Result<Vec<CompiledRule>> {
    let mut below = BTreeMap::new();
    let mut compile = |rule: &Rule| {
        let body = &rule.body;
        let pattern = body.pattern.as_ref().map(CompiledPattern::new).transpose().ok()?;
        let filter = match body.when.as_str() {
            "" if pattern.is_some() => None,
            when => Some(compile_condition(when).ok()?),
        };
        // What a pattern gives cannot be told without the catalogue.
        if pattern.is_some() && around.catalogue.is_none() {
            return None;
        }
        let mut grants = Vec::new();
        for grant in &body.grants {
            let below = || below.entry(rule.within).or_insert_with(|| Arc::new(paths_below(around.tree, rule.within))).clone();
            grants.extend(compile_grant(grant, pattern.as_ref(), around, below).ok()?);
        }
        Some(CompiledRule { id: rule.id, origin: rule.origin, filter, pattern, grants })
    };
    rules.iter().map(|rule| compile(rule).ok_or_else(|| Error::BrokenRule(rule.name.clone()))).collect()
}

/// A grant that names what its rule does not have.
struct Unreadable;

/// Settles one grant; `None` when it gives nothing here.
fn compile_grant(
    grant: &Grant,
    pattern: Option<&CompiledPattern>,
    around: Surroundings<'_>,
    below: impl FnOnce() -> Arc<BTreeMap<String, AccountId>>,
) -> Result<Option<CompiledGrant>, Unreadable> {
    let is_part = |name: &str| pattern.filter(|pattern| pattern.has_part(name)).map(|_| ()).ok_or(Unreadable);
    let (account, at_root) = match &grant.account {
        Given::Fixed(id) => (AccountOf::Fixed(*id), around.tree.get(*id).is_some_and(|account| account.parent_id.is_none())),
        Given::Captured(name) => {
            is_part(name)?;
            (AccountOf::Part(name.clone(), below()), false)
        }
    };
    let fits = |role: &str| around.catalogue.is_none_or(|catalogue| may_give(catalogue, role, at_root, pattern.is_some()));
    let role = match &grant.role {
        Given::Fixed(role) if fits(role) => RoleOf::Fixed(role.clone()),
        Given::Fixed(_) => return Ok(None),
        Given::Captured(name) => {
            is_part(name)?;
            let roles = grant.names.iter().filter(|(_, role)| fits(role));
            RoleOf::Part(name.clone(), roles.map(|(value, role)| (value.clone(), role.clone())).collect())
        }
    };
    Ok(Some(CompiledGrant { role, account }))
}

/// The accounts below one, by the slugs on the way from there.
fn paths_below(tree: &Tree, above: AccountId) -> BTreeMap<String, AccountId> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![(String::new(), above)];
    while let Some((path, id)) = waiting.pop() {
        for child in tree.children(Some(id)) {
            let path = if path.is_empty() { child.slug.clone() } else { format!("{path}/{}", child.slug) };
            waiting.push((path.clone(), child.id));
            found.insert(path, child.id);
        }
    }
    found
}

/// The assignments that the rules want for a login. A login that is not active gets none.
#[must_use]
pub fn wanted(rules: &[CompiledRule], facts: &FactsRow) -> BTreeSet<Wanted> {
    let mut wanted = BTreeSet::new();
    if !facts.active {
        return wanted;
    }
    // Rules are many and origins few, and to make a document costs more than to ask it a hundred times.
    let mut documents: Vec<(RuleOrigin, Option<Value>)> = Vec::new();
    for rule in rules {
        let at = documents.iter().position(|(origin, _)| *origin == rule.origin).unwrap_or_else(|| {
            documents.push((rule.origin, document(rule.origin, facts)));
            documents.len() - 1
        });
        let Some(document) = documents.get(at).and_then(|(_, document)| document.as_ref()) else { continue };
        if rule.filter.as_ref().is_some_and(|filter| !filter.matches(document)) {
            continue;
        }
        let mut give = |parts: Option<&Captures<'_>>| {
            let given = rule.grants.iter().filter_map(|grant| grant.of(parts));
            wanted.extend(given.map(|(account, role)| Wanted { rule: rule.id, account, role }));
        };
        match &rule.pattern {
            None => give(None),
            Some(pattern) => pattern.each(document, |parts| give(Some(parts))),
        }
    }
    wanted
}

/// What of the facts fulfils a rule: each comparison of its condition that holds, as the rule writes it, and each value that follows its
/// pattern.
#[must_use]
pub fn evidence(rule: &Rule, facts: &FactsRow) -> Vec<String> {
    let Some(document) = document(rule.origin, facts) else { return Vec::new() };
    let mut found = Vec::new();
    let condition = Filter::parse(&rule.body.when);
    let mut waiting: Vec<_> = condition.iter().collect();
    while let Some(filter) = waiting.pop() {
        match filter {
            Filter::And(operands) | Filter::Or(operands) => waiting.extend(operands.iter().rev()),
            leaf => {
                if resolve(leaf, Scope::Facts, Profile::Strict).is_ok_and(|resolved| resolved.matches(&document)) {
                    found.push(leaf.to_string());
                }
            }
        }
    }
    if let Some(pattern) = &rule.body.pattern
        && let (Ok(compiled), Ok(path)) = (CompiledPattern::new(pattern), AttrPath::parse(&pattern.attribute))
    {
        let equal =
            |value: &str| Filter::Compare { path: path.clone(), op: CompareOp::Eq, literal: Literal::String(value.to_owned()) };
        found.extend(compiled.values(&document).into_iter().map(|value| equal(value).to_string()));
    }
    found
}

/// What a rule of this origin sees of a login; `None` when the origin says nothing of it.
fn document(origin: RuleOrigin, facts: &FactsRow) -> Option<Value> {
    let mut document = facts.search.as_object().cloned().unwrap_or_default();
    // Both come from elsewhere: what a directory writes under these names is no fact.
    document.retain(|name, _| !["groups", "claims"].iter().any(|reserved| name.eq_ignore_ascii_case(reserved)));
    match origin {
        RuleOrigin::Directory(directory) if facts.directory_id == Some(directory) => {
            document.insert("groups".to_owned(), json!(facts.groups));
        }
        RuleOrigin::Connection(connection) => {
            document.insert("claims".to_owned(), json!(facts.claims.get(&connection)?));
        }
        RuleOrigin::Directory(_) => return None,
    }
    Some(Value::from(serde_json::Value::Object(document)))
}

/// Compares what a login holds by rules with what it should.
#[must_use]
pub fn diff(held: &[HeldRow], wanted: &BTreeSet<Wanted>) -> Change {
    let mut missing = wanted.clone();
    let mut revoke = Vec::new();
    for row in held {
        let key = Wanted { rule: row.source_id, account: row.account_id, role: row.role.clone() };
        if !missing.remove(&key) {
            revoke.push(row.id);
        }
    }
    Change { grant: missing.into_iter().collect(), revoke }
}
