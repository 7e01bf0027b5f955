//! From facts to roles, purely: which assignments the rules want, and what that changes.
//!
//! A rule is a SCIM filter over the facts of a login and a list of grants. Wanted assignments are always computed anew from all
//! rules, never added up, so that the order of rules and of changes does not matter and what no rule wants any more goes. A rule of
//! a directory reads that directory's attributes and groups; a rule of a connection reads the claims of its last sign-in. Groups and
//! claims are never mixed: what one source says cannot make up for what another does not.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Error, Result};
use crate::model::{AccountId, AssignmentId, Grant, Rule, RuleId, RuleOrigin};
use crate::scim::filter::{Filter, FilterError, Scope, resolve};
use crate::scim::profile::Profile;
use crate::scim::{ResolvedFilter, Value};
use crate::store::{FactsRow, HeldRow};

/// A rule whose filter is settled.
#[derive(Clone, Debug)]
pub struct CompiledRule {
    id: RuleId,
    origin: RuleOrigin,
    filter: ResolvedFilter,
    grants: Vec<Grant>,
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

/// Settles the filters of saved rules.
///
/// # Errors
/// When a rule cannot be read: then nothing may be computed, because what it gives would be taken away.
pub fn compile(rules: &[Rule]) -> Result<Vec<CompiledRule>> {
    rules
        .iter()
        .map(|rule| {
            let filter = compile_condition(&rule.body.when).map_err(|_| Error::BrokenRule(rule.name.clone()))?;
            Ok(CompiledRule { id: rule.id, origin: rule.origin, filter, grants: rule.body.grants.clone() })
        })
        .collect()
}

/// The assignments that the rules want for a login. A login that is not active gets none.
#[must_use]
pub fn wanted(rules: &[CompiledRule], facts: &FactsRow) -> BTreeSet<Wanted> {
    let mut wanted = BTreeSet::new();
    if !facts.active {
        return wanted;
    }
    for rule in rules {
        let Some(document) = document(rule.origin, facts) else { continue };
        if rule.filter.matches(&document) {
            wanted.extend(rule.grants.iter().map(|grant| Wanted {
                rule: rule.id,
                account: grant.account,
                role: grant.role.clone(),
            }));
        }
    }
    wanted
}

/// What a rule of this origin sees of a login; `None` when the origin says nothing of it.
fn document(origin: RuleOrigin, facts: &FactsRow) -> Option<Value> {
    let mut document = facts.search.as_object().cloned().unwrap_or_default();
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
