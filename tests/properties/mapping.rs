//! Rules: what they give is always computed anew from all of them, and no source speaks for another.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use vestibule::directory::mapping::{CompiledRule, Wanted, compile, diff, wanted};
use vestibule::model::{
    AccountId, AssignmentId, ConnectionId, DirectoryId, Grant, LoginId, MembershipType, Rule, RuleBody, RuleId, RuleOrigin,
};
use vestibule::scim::schema::ResourceKind;
use vestibule::scim::search_form;
use vestibule::store::{FactsRow, GroupFact, HeldRow};

use crate::strategies::{facts, facts_filter, text};

fn uuid(kind: u128, number: usize) -> uuid::Uuid {
    uuid::Uuid::from_u128((kind << 64) + u128::try_from(number).expect("a small number"))
}

fn directory(number: usize) -> DirectoryId {
    DirectoryId::from_uuid(uuid(1, number))
}

fn connection(number: usize) -> ConnectionId {
    ConnectionId::from_uuid(uuid(2, number))
}

fn origin() -> impl Strategy<Value = RuleOrigin> {
    prop_oneof![
        (0..2usize).prop_map(|number| RuleOrigin::Directory(directory(number))),
        (0..2usize).prop_map(|number| RuleOrigin::Connection(connection(number))),
    ]
}

/// Conditions of every kind, and plain ones that often hold.
fn condition() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => facts_filter().prop_map(|filter| filter.to_string()),
        1 => select(vec!["groups.display eq \"a\"", "groups pr", "not (groups pr)", "claims.dept eq \"a\"", "not (claims.dept pr)", "userName pr"])
            .prop_map(str::to_owned),
    ]
}

fn grant() -> impl Strategy<Value = Grant> {
    (select(vec!["administrator", "support"]), 0..3usize)
        .prop_map(|(role, account)| Grant { role: role.to_owned(), account: AccountId::from_uuid(uuid(3, account)) })
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    vec((origin(), condition(), vec(grant(), 0..3)), 0..6).prop_map(|rules| {
        let rule = |(number, (origin, when, grants))| Rule {
            id: RuleId::from_uuid(uuid(4, number)),
            name: format!("rule {number}"),
            origin,
            within: AccountId::from_uuid(uuid(3, 0)),
            body: RuleBody { when, grants },
            version: 1,
        };
        rules.into_iter().enumerate().map(rule).collect()
    })
}

fn groups() -> impl Strategy<Value = Vec<GroupFact>> {
    let kind = select(vec![MembershipType::Direct, MembershipType::Indirect]);
    let fact =
        (0..4usize, text(), kind).prop_map(|(id, display, kind)| GroupFact { value: uuid(5, id).to_string(), display, kind });
    vec(fact, 0..3)
}

type Claims = BTreeMap<ConnectionId, BTreeMap<String, Vec<String>>>;

fn claims() -> impl Strategy<Value = Claims> {
    let names = select(vec!["dept", "groups", "http://x.example/role"]).prop_map(str::to_owned);
    btree_map((0..2usize).prop_map(connection), btree_map(names, vec(text(), 0..3), 0..3), 0..3)
}

/// What the store knows of a login. Its document also has groups and claims of its own, which nobody may believe.
fn facts_row() -> impl Strategy<Value = FactsRow> {
    (facts(), option::of((0..2usize).prop_map(directory)), groups(), claims()).prop_map(|(facts, directory_id, groups, claims)| {
        FactsRow {
            login_id: LoginId::from_uuid(uuid(6, 0)),
            directory_id,
            active: true,
            search: search_form(ResourceKind::User, &facts).into(),
            claims,
            groups,
        }
    })
}

fn compiled(rules: &[Rule]) -> Vec<CompiledRule> {
    compile(rules).expect("the filters are ones that facts have")
}

fn held(wanted: &BTreeSet<Wanted>) -> Vec<HeldRow> {
    let row = |(number, wanted): (usize, &Wanted)| HeldRow {
        id: AssignmentId::from_uuid(uuid(7, number)),
        login_id: LoginId::from_uuid(uuid(6, 0)),
        account_id: wanted.account,
        role: wanted.role.clone(),
        source_id: wanted.rule,
    };
    wanted.iter().enumerate().map(row).collect()
}

proptest! {
    #[test]
    fn the_order_of_rules_does_not_matter((rules, shuffled) in rules().prop_flat_map(|rules| (Just(rules.clone()), Just(rules).prop_shuffle())), facts in facts_row()) {
        prop_assert_eq!(wanted(&compiled(&rules), &facts), wanted(&compiled(&shuffled), &facts));
    }

    #[test]
    fn a_rule_that_goes_takes_exactly_what_it_gave(rules in rules(), facts in facts_row(), which in any::<prop::sample::Index>()) {
        prop_assume!(!rules.is_empty());
        let gone = which.index(rules.len());
        let mut rest = rules.clone();
        let id = rest.remove(gone).id;
        let mut expected = wanted(&compiled(&rules), &facts);
        let before = held(&expected);
        expected.retain(|wanted| wanted.rule != id);
        prop_assert_eq!(&wanted(&compiled(&rest), &facts), &expected);
        let change = diff(&before, &expected);
        prop_assert!(change.grant.is_empty());
        prop_assert_eq!(change.revoke.len(), before.iter().filter(|row| row.source_id == id).count());
    }

    #[test]
    fn a_change_that_is_made_leaves_nothing_to_change(before in (rules(), facts_row()), after in (rules(), facts_row())) {
        let held_before = held(&wanted(&compiled(&before.0), &before.1));
        let expected = wanted(&compiled(&after.0), &after.1);
        let change = diff(&held_before, &expected);
        let stays: BTreeSet<_> = held_before
            .iter()
            .filter(|row| !change.revoke.contains(&row.id))
            .map(|row| Wanted { rule: row.source_id, account: row.account_id, role: row.role.clone() })
            .collect();
        prop_assert!(stays.is_disjoint(&change.grant.iter().cloned().collect()), "nothing is given that is there");
        let now: BTreeSet<_> = stays.into_iter().chain(change.grant).collect();
        prop_assert_eq!(&now, &expected);
        let again = diff(&held(&now), &expected);
        prop_assert!(again.grant.is_empty() && again.revoke.is_empty());
    }

    #[test]
    fn whoever_is_not_active_gets_nothing(rules in rules(), facts in facts_row()) {
        let facts = FactsRow { active: false, ..facts };
        prop_assert!(wanted(&compiled(&rules), &facts).is_empty());
        let all = diff(&held(&wanted(&compiled(&rules), &FactsRow { active: true, ..facts.clone() })), &BTreeSet::new());
        prop_assert!(all.grant.is_empty());
    }

    #[test]
    fn a_rule_of_a_directory_never_sees_claims(rules in rules(), facts in facts_row(), other in claims()) {
        let mine: Vec<_> = rules.into_iter().filter(|rule| matches!(rule.origin, RuleOrigin::Directory(_))).collect();
        let mine = compiled(&mine);
        prop_assert_eq!(wanted(&mine, &facts), wanted(&mine, &FactsRow { claims: other, ..facts.clone() }));
        prop_assert_eq!(wanted(&mine, &facts), wanted(&mine, &without(&facts, "claims")), "also not those of the document");
    }

    #[test]
    fn a_rule_of_a_connection_never_sees_groups(rules in rules(), facts in facts_row(), other in groups()) {
        let mine: Vec<_> = rules.into_iter().filter(|rule| matches!(rule.origin, RuleOrigin::Connection(_))).collect();
        let mine = compiled(&mine);
        prop_assert_eq!(wanted(&mine, &facts), wanted(&mine, &FactsRow { groups: other, ..facts.clone() }));
        prop_assert_eq!(wanted(&mine, &facts), wanted(&mine, &without(&facts, "groups")), "also not those of the document");
    }

    #[test]
    fn a_rule_speaks_only_of_logins_that_its_source_knows(rules in rules(), facts in facts_row()) {
        let known = |origin: RuleOrigin| match origin {
            RuleOrigin::Directory(id) => facts.directory_id == Some(id),
            RuleOrigin::Connection(id) => facts.claims.contains_key(&id),
        };
        for wanted in wanted(&compiled(&rules), &facts) {
            let rule = rules.iter().find(|rule| rule.id == wanted.rule).unwrap();
            prop_assert!(known(rule.origin));
            let grant = Grant { role: wanted.role, account: wanted.account };
            prop_assert!(rule.body.grants.contains(&grant), "nothing is given that no rule names");
        }
    }
}

fn without(facts: &FactsRow, name: &str) -> FactsRow {
    let mut facts = facts.clone();
    facts.search.as_object_mut().expect("an object").remove(name);
    facts
}
