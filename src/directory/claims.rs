//! Claims that a sign-in did not bring, purely: which of them rules wait for, and what the connection's policy makes of that.
//!
//! Only claims that rules of the connection read count, and only what claims gave is touched: what a directory says, or a hand gave, is
//! not this module's.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ConnectionId, MissingClaim, Rule, RuleOrigin};
use crate::scim::filter::{AttrPath, Filter};

/// Claims by their names.
pub type Claims = BTreeMap<String, Vec<String>>;

/// The claims that the rules of a connection read, in their filters and patterns. A rule that cannot be read, reads none.
#[must_use]
pub fn read_by_rules(rules: &[Rule], connection: ConnectionId) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for rule in rules.iter().filter(|rule| rule.origin == RuleOrigin::Connection(connection)) {
        let condition = Filter::parse(&rule.body.when).ok();
        let pattern = rule.body.pattern.as_ref().and_then(|pattern| AttrPath::parse(&pattern.attribute).ok());
        found.extend(pattern.as_ref().and_then(claim));
        let mut waiting: Vec<_> = condition.iter().collect();
        while let Some(filter) = waiting.pop() {
            match filter {
                Filter::And(operands) | Filter::Or(operands) => waiting.extend(operands),
                Filter::Not(operand) => waiting.push(operand),
                Filter::Compare { path, .. } | Filter::Present { path } | Filter::ValuePath { path, .. } => {
                    found.extend(claim(path));
                }
            }
        }
    }
    found
}

/// The name of a claim, if that is what a path names.
fn claim(path: &AttrPath) -> Option<String> {
    let is_claim = path.urn.is_none() && path.name.eq_ignore_ascii_case("claims");
    path.sub.clone().filter(|_| is_claim)
}

/// What is kept of the claims of a sign-in, by the connection's policy for those that `read` names and that did not come. `before` are
/// those that were kept at the last one. A claim that came without a value has come.
///
/// # Errors
/// Where the policy refuses such a sign-in: the claims that are missing.
pub fn settle(policy: MissingClaim, read: &BTreeSet<String>, came: &Claims, before: &Claims) -> Result<Claims, Vec<String>> {
    let missing: Vec<_> = read.iter().filter(|name| !came.contains_key(*name)).collect();
    let mut kept = came.clone();
    match policy {
        MissingClaim::Clear => {}
        MissingClaim::Keep => {
            kept.extend(
                missing.iter().filter_map(|name| before.get_key_value(*name)).map(|(name, values)| (name.clone(), values.clone())),
            );
        }
        MissingClaim::Deny if missing.is_empty() => {}
        MissingClaim::Deny => return Err(missing.into_iter().cloned().collect()),
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::model::{AccountId, DirectoryId, Pattern, RuleBody, RuleId};

    fn rule(origin: RuleOrigin, when: &str, attribute: Option<&str>) -> Rule {
        let pattern = attribute.map(|attribute| Pattern { attribute: attribute.to_owned(), pattern: "x-(?<role>a)".to_owned() });
        let body = RuleBody { when: when.to_owned(), pattern, grants: Vec::new() };
        let (id, within) = (RuleId::new(DateTime::UNIX_EPOCH), AccountId::new(DateTime::UNIX_EPOCH));
        Rule { id, name: when.to_owned(), origin, within, body, version: 1 }
    }

    #[test]
    fn rules_read_the_claims_that_their_filters_and_patterns_name() {
        let [own, other] = [1, 2].map(|number| ConnectionId::from_uuid(uuid::Uuid::from_u128(number)));
        let table: [(&str, Option<&str>, &[&str]); 10] = [
            ("claims.groups eq \"a\"", None, &["groups"]),
            ("Claims.Groups pr", None, &["Groups"]),
            (
                "not (claims.dept eq \"a\") and (title pr or claims.https://x.example/roles co \"b\")",
                None,
                &["dept", "https://x.example/roles"],
            ),
            ("", Some("claims.groups"), &["groups"]),
            ("claims.dept pr", Some("claims.groups"), &["dept", "groups"]),
            ("userName eq \"claims.groups\"", None, &[]),
            ("emails[type eq \"work\"] and active eq true", Some("userName"), &[]),
            ("groups.display eq \"a\"", None, &[]),
            ("claims.groups eq", None, &[]),
            ("", None, &[]),
        ];
        for (when, attribute, expected) in table {
            let rules = [
                rule(RuleOrigin::Connection(own), when, attribute),
                rule(RuleOrigin::Connection(other), "claims.elsewhere pr", None),
                rule(RuleOrigin::Directory(DirectoryId::from_uuid(own.uuid())), "claims.nowhere pr", None),
            ];
            let found = read_by_rules(&rules, own);
            assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{when}");
        }
    }

    fn claims(text: &[(&str, &str)]) -> Claims {
        text.iter()
            .map(|(name, value)| ((*name).to_owned(), value.split(' ').filter(|value| !value.is_empty()).map(Into::into).collect()))
            .collect()
    }

    #[test]
    fn a_claim_that_did_not_come_is_cleared_kept_or_refused() {
        let read: BTreeSet<String> = ["dept", "groups"].map(Into::into).into();
        let before = claims(&[("groups", "a b"), ("mail", "joe@x")]);
        let (came, empty) = (claims(&[("dept", "it"), ("sub", "joe")]), claims(&[("dept", ""), ("groups", "")]));
        let missing = |names: &[&str]| Err(names.iter().map(|name| (*name).to_owned()).collect());
        let table = [
            (MissingClaim::Clear, &came, Ok(came.clone())),
            (MissingClaim::Keep, &came, Ok(claims(&[("dept", "it"), ("sub", "joe"), ("groups", "a b")]))),
            (MissingClaim::Deny, &came, missing(&["groups"])),
            (MissingClaim::Keep, &empty, Ok(empty.clone())),
            (MissingClaim::Deny, &empty, Ok(empty.clone())),
            (MissingClaim::Deny, &before, missing(&["dept"])),
            (MissingClaim::Keep, &before, Ok(before.clone())),
        ];
        for (policy, came, expected) in table {
            assert_eq!(settle(policy, &read, came, &before), expected, "{policy:?} {came:?}");
        }
        assert_eq!(settle(MissingClaim::Deny, &BTreeSet::new(), &came, &before), Ok(came), "what no rule reads may be missing");
    }
}
