//! Rules: what they give is always computed anew from all of them, and no source speaks for another.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use vestibule::directory::catalogue::Catalogue;
use vestibule::directory::mapping::{CompiledRule, Surroundings, Wanted, compile, diff, wanted};
use vestibule::directory::tree::Tree;
use vestibule::model::{
    Account, AccountId, AccountState, AssignmentId, ConnectionId, DirectoryId, Given, Grant, LoginId, MembershipType, Pattern,
    Rule, RuleBody, RuleId, RuleOrigin,
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

/// The accounts: a root, and two below it.
fn tree() -> Tree {
    let account = |(number, slug): (usize, &str)| Account {
        id: account(number),
        parent_id: (number > 0).then(|| account(0)),
        slug: slug.to_owned(),
        name: slug.to_owned(),
        state: AccountState::Active,
    };
    Tree::new(["top", "a", "b"].into_iter().enumerate().map(account).collect())
}

fn catalogue() -> Catalogue {
    let role = |key| format!("[[role]]\nkey = \"{key}\"\nname = \"N\"\ndescription = \"D.\"\n");
    Catalogue::parse("x", &format!("name = \"X\"\n{}{}", role("administrator"), role("support"))).expect("a catalogue")
}

fn account(number: usize) -> AccountId {
    AccountId::from_uuid(uuid(3, number))
}

fn grant() -> impl Strategy<Value = Grant> {
    (select(vec!["administrator", "support"]), 0..3usize).prop_map(|(role, number)| Grant::fixed(role, account(number)))
}

/// A grant of a rule with the pattern below.
fn captured() -> impl Strategy<Value = Grant> {
    let role = prop_oneof![Just(Given::Captured("role".to_owned())), Just(Given::Fixed("support".to_owned()))];
    let place =
        prop_oneof![Just(Given::Captured("account".to_owned())), (0..3usize).prop_map(|number| Given::Fixed(account(number)))];
    (role, place).prop_map(|(role, account)| {
        let names = [("x", "administrator"), ("y", "support"), ("z", "gone")];
        Grant { role, account, names: names.map(|(value, role)| (value.to_owned(), role.to_owned())).into() }
    })
}

fn body() -> impl Strategy<Value = RuleBody> {
    let plain = (condition(), vec(grant(), 0..3)).prop_map(|(when, grants)| RuleBody { when, pattern: None, grants });
    let attribute = select(vec!["groups.display", "claims.dept", "userName"]);
    let when = prop_oneof![Just(String::new()), condition()];
    let by_pattern = (when, attribute, vec(captured(), 0..3)).prop_map(|(when, attribute, grants)| RuleBody {
        when,
        pattern: Some(Pattern { attribute: attribute.into(), pattern: "(?<account>[a-c])-?(?<role>[x-z])?".into() }),
        grants,
    });
    prop_oneof![plain, by_pattern]
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    vec((origin(), body()), 0..6).prop_map(|rules| {
        let rule = |(number, (origin, body))| Rule {
            id: RuleId::from_uuid(uuid(4, number)),
            name: format!("rule {number}"),
            origin,
            within: account(0),
            body,
            version: 1,
        };
        rules.into_iter().enumerate().map(rule).collect()
    })
}

/// Text, and often what follows the pattern.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![text(), select(vec!["a", "a-x", "B-Y", "a-z", "c-x"]).prop_map(str::to_owned)]
}

fn groups() -> impl Strategy<Value = Vec<GroupFact>> {
    let kind = select(vec![MembershipType::Direct, MembershipType::Indirect]);
    let fact =
        (0..4usize, value(), kind).prop_map(|(id, display, kind)| GroupFact { value: uuid(5, id).to_string(), display, kind });
    vec(fact, 0..3)
}

type Claims = BTreeMap<ConnectionId, BTreeMap<String, Vec<String>>>;

fn claims() -> impl Strategy<Value = Claims> {
    let names = select(vec!["dept", "groups", "http://x.example/role"]).prop_map(str::to_owned);
    btree_map((0..2usize).prop_map(connection), btree_map(names, vec(value(), 0..3), 0..3), 0..3)
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
    let around = Surroundings { tree: &tree(), catalogue: Some(&catalogue()) };
    compile(rules, around).expect("the filters are ones that facts have")
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
    fn only_what_rules_gave_is_taken(before in (rules(), facts_row()), after in (rules(), facts_row()), hidden in any::<prop::sample::Index>()) {
        // What is not among the rows that rules gave, as what a hand gave, is neither taken nor makes up for what rules want.
        let mut rows = held(&wanted(&compiled(&before.0), &before.1));
        let by_hand = (!rows.is_empty()).then(|| rows.remove(hidden.index(rows.len())));
        let expected = wanted(&compiled(&after.0), &after.1);
        let change = diff(&rows, &expected);
        prop_assert!(change.revoke.iter().all(|id| rows.iter().any(|row| row.id == *id)));
        if let Some(row) = by_hand {
            let same = Wanted { rule: row.source_id, account: row.account_id, role: row.role };
            prop_assert_eq!(change.grant.contains(&same), expected.contains(&same));
            prop_assert!(!change.revoke.contains(&row.id));
        }
    }

    #[test]
    fn an_account_that_comes_adds_only_to_what_patterns_give_there(rules in rules(), facts in facts_row()) {
        let all = tree();
        let without: Vec<_> = all.downwards().into_iter().filter(|found| found.id != account(1)).cloned().collect();
        let around = |tree| compile(&rules, Surroundings { tree, catalogue: Some(&catalogue()) }).map(|rules| wanted(&rules, &facts));
        let (before, after) = (around(&Tree::new(without)).expect("readable"), around(&all).expect("readable"));
        prop_assert!(before.is_subset(&after));
        prop_assert!(after.difference(&before).all(|wanted| wanted.account == account(1)));
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
            let names = |grant: &Grant| {
                let role = match &grant.role {
                    Given::Fixed(role) => *role == wanted.role,
                    Given::Captured(_) => grant.names.values().any(|role| *role == wanted.role) && wanted.role != "gone",
                };
                let place = match grant.account {
                    Given::Fixed(account) => account == wanted.account,
                    Given::Captured(_) => [account(1), account(2)].contains(&wanted.account),
                };
                role && place
            };
            prop_assert!(rule.body.grants.iter().any(names), "nothing is given that no rule names");
        }
    }
}

fn without(facts: &FactsRow, name: &str) -> FactsRow {
    let mut facts = facts.clone();
    facts.search.as_object_mut().expect("an object").remove(name);
    facts
}
