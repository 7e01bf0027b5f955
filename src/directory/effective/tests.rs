//! What assignments come to: a table of cases, and laws over random ones.

use chrono::DateTime;
use proptest::prelude::*;

use super::*;
use crate::model::{AccountId, AssignmentId, LoginId, ServiceId};

/// A parent cloud with a child: `global` is everywhere below and brings `local` and `guard`; `guard` is of a service.
const CATALOGUE: &str = r#"
name = "X"
[[service]]
key = "security"
name = "Security"
[[exclusive]]
key = "level"
roles = ["high", "middle", "low"]
[[role]]
key = "global"
name = "Global"
description = "Everywhere."
scope = "root"
inherits = true
includes = ["local", "guard", "low"]
[[role]]
key = "local"
name = "Local"
description = "On a child."
scope = "child"
[[role]]
key = "guard"
name = "Guard"
description = "Of a service."
service = "security"
instances = true
[[role]]
key = "high"
name = "High"
description = "One level."
[[role]]
key = "middle"
name = "Middle"
description = "One level."
inherits = true
[[role]]
key = "low"
name = "Low"
description = "One level."
"#;

fn account(parent_id: Option<AccountId>) -> Account {
    let id = AccountId::new(DateTime::UNIX_EPOCH);
    Account { id, parent_id, slug: String::new(), name: String::new(), state: AccountState::Active }
}

fn given(role: &str, at: &Account, source: AssignmentSource) -> Assignment {
    let now = DateTime::UNIX_EPOCH;
    let login_id = LoginId::new(now);
    Assignment {
        id: AssignmentId::new(now),
        login_id,
        account_id: at.id,
        service_id: None,
        service: None,
        instance_id: None,
        instance: None,
        role: role.to_owned(),
        source,
        source_id: login_id.uuid(),
        granted_at: now,
    }
}

fn for_service(mut assignment: Assignment, instance: Option<&str>) -> Assignment {
    assignment.service_id = Some(ServiceId::new(DateTime::UNIX_EPOCH));
    assignment.service = Some("security".to_owned());
    assignment.instance = instance.map(ToOwned::to_owned);
    assignment
}

/// What counts, as `role`, `role/instance`, or `role!` for what is shadowed.
fn told(roles: &[EffectiveRole<'_>]) -> Vec<String> {
    let told = |held: &EffectiveRole<'_>| {
        let instance = held.instance.map(|instance| format!("/{instance}")).unwrap_or_default();
        format!("{}{instance}{}", held.role.key, if held.counts() { "" } else { "!" })
    };
    roles.iter().map(told).collect()
}

/// What it tells, the way up from the account, its services, what was given, and what counts.
type Case<'a> = (&'a str, Vec<&'a Account>, &'a BTreeSet<String>, Vec<Assignment>, &'a [&'a str]);

#[test]
fn what_counts_where() {
    use AssignmentSource::{Manual, Operator, Rule};
    let catalogue = Catalogue::parse("x", CATALOGUE).unwrap();
    let root = account(None);
    let child = account(Some(root.id));
    let other = account(Some(root.id));
    let suspended = |account: &Account| Account { state: AccountState::Suspended, ..account.clone() };
    let (at_root, at_child) = (vec![&root], vec![&child, &root]);
    let (shut_root, shut_child) = (suspended(&root), suspended(&child));
    let none = BTreeSet::new();
    let all = BTreeSet::from(["security".to_owned()]);
    let g = |role: &str, source| given(role, &root, source);
    let c = |role: &str, source| given(role, &child, source);
    let table: Vec<Case<'_>> = vec![
        ("nothing", at_root.clone(), &all, vec![], &[]),
        ("a role that the catalogue does not know", at_root.clone(), &all, vec![g("gone", Manual)], &[]),
        (
            "what inherits brings at the root what fits it",
            at_root.clone(),
            &all,
            vec![g("global", Manual)],
            &["global", "guard", "low"],
        ),
        ("and on a child what fits that", at_child.clone(), &all, vec![g("global", Manual)], &["global", "local", "guard", "low"]),
        (
            "a role of a service needs the subscription",
            at_child.clone(),
            &none,
            vec![g("global", Manual), c("guard", Manual)],
            &["global", "local", "low"],
        ),
        ("what does not inherit stays where it is", at_child.clone(), &all, vec![g("high", Manual)], &[]),
        ("another account's counts nowhere else", at_child.clone(), &all, vec![given("high", &other, Manual)], &[]),
        (
            "a scope is that of the account where it was given",
            at_child.clone(),
            &all,
            vec![c("global", Manual), g("local", Manual)],
            &[],
        ),
        ("of rules the set's order decides", at_child.clone(), &all, vec![c("low", Rule), c("high", Rule)], &["high", "low!"]),
        ("a hand beats a rule", at_child.clone(), &all, vec![c("low", Manual), c("high", Rule)], &["high!", "low"]),
        ("the operator's too", at_child.clone(), &all, vec![c("low", Operator), c("high", Rule)], &["high!", "low"]),
        ("also from above", at_child.clone(), &all, vec![g("middle", Manual), c("high", Rule)], &["high!", "middle"]),
        (
            "what only comes with another gives way",
            at_child.clone(),
            &all,
            vec![g("global", Manual), c("high", Rule)],
            &["global", "local", "guard", "high", "low!"],
        ),
        ("two causes of one role are one role", at_child.clone(), &all, vec![c("low", Rule), c("low", Manual)], &["low"]),
        (
            "single instances stand beside the whole",
            at_child.clone(),
            &all,
            vec![for_service(c("guard", Manual), Some("b")), for_service(c("guard", Rule), Some("a")), c("guard", Rule)],
            &["guard", "guard/a", "guard/b"],
        ),
        ("what is for one service does not inherit", at_child.clone(), &all, vec![for_service(g("middle", Manual), None)], &[]),
        (
            "levels of one service are apart from the account's",
            at_child.clone(),
            &all,
            vec![for_service(c("low", Rule), None), c("high", Rule)],
            &["high", "low"],
        ),
        ("a suspended account gives nothing", vec![&shut_child, &root], &all, vec![c("high", Manual), g("global", Manual)], &[]),
        ("nor does what is below one", vec![&child, &shut_root], &all, vec![c("high", Manual)], &[]),
        ("nobody holds anything nowhere", vec![], &all, vec![c("high", Manual)], &[]),
    ];
    for (case, path, services, held, expected) in table {
        assert_eq!(told(&effective_roles(&catalogue, Place { path: &path, services }, &held)), expected, "{case}");
    }
}

#[test]
fn every_cause_is_told() {
    let catalogue = Catalogue::parse("x", CATALOGUE).unwrap();
    let root = account(None);
    let child = account(Some(root.id));
    let services = BTreeSet::from(["security".to_owned()]);
    let held = [given("global", &root, AssignmentSource::Rule), given("low", &child, AssignmentSource::Manual)];
    let roles = effective_roles(&catalogue, Place { path: &[&child, &root], services: &services }, &held);
    let low = roles.iter().find(|held| held.role.key == "low").unwrap();
    let causes: Vec<_> = low.causes.iter().map(|cause| (cause.assignment.id, cause.included_by)).collect();
    assert_eq!(causes, [(held[1].id, None), (held[0].id, Some("global"))]);
}

proptest! {
    /// Neither the order of assignments nor a second one of the same matters, and of each set one role counts for each service and instance.
    #[test]
    fn what_counts_is_a_matter_of_the_set_of_assignments(
        picks in proptest::collection::vec((0..7_usize, any::<bool>(), 0..3_u8, 0..3_u8), 0..8), turn in 0..8_usize,
    ) {
        let catalogue = Catalogue::parse("x", CATALOGUE).unwrap();
        let root = account(None);
        let child = account(Some(root.id));
        let services = BTreeSet::from(["security".to_owned()]);
        let sources = [AssignmentSource::Rule, AssignmentSource::Manual, AssignmentSource::Operator];
        let keys = ["global", "local", "guard", "high", "middle", "low", "gone"];
        let held: Vec<_> = picks.iter().map(|(role, up, source, narrow)| {
            let assignment = given(keys[*role], if *up { &root } else { &child }, sources[usize::from(*source)]);
            match narrow {
                0 => assignment,
                1 => for_service(assignment, None),
                _ => for_service(assignment, Some("a")),
            }
        }).collect();
        let mut turned = held.clone();
        turned.extend(held.first().cloned());
        let by = turn % turned.len().max(1);
        turned.rotate_left(by);
        let path = [&child, &root];
        let place = Place { path: &path, services: &services };
        let roles = effective_roles(&catalogue, place, &held);
        prop_assert_eq!(told(&roles), told(&effective_roles(&catalogue, place, &turned)));
        for set in &catalogue.sets {
            let mut seen = BTreeSet::new();
            for held in roles.iter().filter(|held| held.counts() && set.roles.contains(&held.role.key)) {
                prop_assert!(seen.insert((held.service, held.instance)), "{:?}", told(&roles));
            }
        }
        for held in &roles {
            prop_assert!(!held.causes.is_empty());
            let by_hand = held.causes.iter().any(|cause| cause.included_by.is_none() && cause.assignment.source != AssignmentSource::Rule);
            let winner = held.shadowed_by.and_then(|winner| {
                roles.iter().find(|other| {
                    other.role.key == winner && other.counts() && (other.service, other.instance) == (held.service, held.instance)
                })
            });
            prop_assert!(held.counts() || winner.is_some(), "what shadows counts");
            if by_hand && !held.counts() {
                let sources: Vec<_> = winner.into_iter().flat_map(|held| &held.causes).map(|cause| cause.assignment.source).collect();
                prop_assert!(sources.iter().any(|source| *source != AssignmentSource::Rule), "only a hand takes the place of what a hand gave");
            }
        }
    }
}
