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

/// What of the facts fulfils the condition of a rule: each of its comparisons that holds, as the rule writes it.
#[must_use]
pub fn evidence(rule: &Rule, facts: &FactsRow) -> Vec<String> {
    let (Some(document), Ok(filter)) = (document(rule.origin, facts), Filter::parse(&rule.body.when)) else { return Vec::new() };
    let mut found = Vec::new();
    let mut waiting = vec![&filter];
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{ConnectionId, DirectoryId, LoginId, MembershipType, RuleBody};
    use crate::store::GroupFact;

    fn uuid(number: u128) -> uuid::Uuid {
        uuid::Uuid::from_u128(number)
    }

    fn rule(number: u128, origin: RuleOrigin, when: &str) -> Rule {
        Rule {
            id: RuleId::from_uuid(uuid(number)),
            name: format!("rule {number}"),
            origin,
            within: AccountId::from_uuid(uuid(9)),
            body: RuleBody {
                when: when.into(),
                grants: vec![Grant { role: "support".into(), account: AccountId::from_uuid(uuid(9)) }],
            },
            version: 1,
        }
    }

    #[test]
    fn each_source_is_read_by_its_own_rules() {
        let (directory, connection) = (DirectoryId::from_uuid(uuid(1)), ConnectionId::from_uuid(uuid(2)));
        let facts = FactsRow {
            login_id: LoginId::from_uuid(uuid(3)),
            directory_id: Some(directory),
            active: true,
            search: json!({ "userName": "joe", "active": true, "title": "engineer" }),
            claims: BTreeMap::from([(connection, BTreeMap::from([("dept".into(), vec!["it".into(), "ops".into()])]))]),
            groups: vec![GroupFact { value: uuid(4).to_string(), display: "admins".into(), kind: MembershipType::Indirect }],
        };
        let (of_directory, of_connection) = (RuleOrigin::Directory(directory), RuleOrigin::Connection(connection));
        let table = [
            (of_directory, "groups.display eq \"Admins\"", true),
            (of_directory, "groups.display eq \"admins\" and active eq true", true),
            (of_directory, "groups.display eq \"adm\"", false),
            (of_directory, "groups[display eq \"admins\" and type eq \"Indirect\"]", true),
            (of_directory, "groups.type eq \"direct\"", false),
            (of_directory, "title eq \"Engineer\"", true),
            (of_directory, "claims.dept eq \"it\"", false),
            (of_directory, "not (claims.dept pr)", true),
            (of_connection, "claims.dept eq \"ops\"", true),
            (of_connection, "claims.dept eq \"OPS\"", false),
            (of_connection, "groups.display eq \"admins\"", false),
            (of_connection, "not (groups pr)", true),
            (RuleOrigin::Directory(DirectoryId::from_uuid(uuid(5))), "userName pr", false),
            (RuleOrigin::Connection(ConnectionId::from_uuid(uuid(5))), "userName pr", false),
        ];
        for (origin, when, holds) in table {
            let rules = compile(&[rule(6, origin, when)]).unwrap();
            assert_eq!(wanted(&rules, &facts).len(), usize::from(holds), "{origin:?} {when}");
            assert!(wanted(&rules, &FactsRow { active: false, ..facts.clone() }).is_empty(), "{when}");
        }
    }

    #[test]
    fn a_rule_that_cannot_be_read_stops_everything() {
        let origin = RuleOrigin::Directory(DirectoryId::from_uuid(uuid(1)));
        let rules = [rule(6, origin, "userName pr"), rule(7, origin, "nonsense eq")];
        let error = compile(&rules).unwrap_err();
        assert!(matches!(&error, Error::BrokenRule(name) if name == "rule 7"), "{error}");
    }

    #[test]
    fn what_is_held_and_what_is_wanted_are_compared_by_rule_account_and_role() {
        let wanted = |rule: u128, account: u128, role: &str| Wanted {
            rule: RuleId::from_uuid(uuid(rule)),
            account: AccountId::from_uuid(uuid(account)),
            role: role.into(),
        };
        let held = |id: u128, held: Wanted| HeldRow {
            id: AssignmentId::from_uuid(uuid(id)),
            login_id: LoginId::from_uuid(uuid(3)),
            account_id: held.account,
            role: held.role,
            source_id: held.rule,
        };
        let rows = [held(1, wanted(1, 1, "a")), held(2, wanted(1, 1, "b")), held(3, wanted(2, 1, "a"))];
        let change = diff(&rows, &BTreeSet::from([wanted(1, 1, "a"), wanted(1, 2, "a")]));
        assert_eq!(change.grant, [wanted(1, 2, "a")]);
        assert_eq!(change.revoke, [2, 3].map(|id| AssignmentId::from_uuid(uuid(id))));
        assert_eq!(diff(&rows[..1], &BTreeSet::from([wanted(1, 1, "a")])), Change::default());
    }
}
