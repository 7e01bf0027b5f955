//! Which facts give which roles, as tables.

use std::collections::BTreeMap;

use super::*;
use crate::model::{Account, AccountState, ConnectionId, DirectoryId, LoginId, MembershipType, Pattern, RuleBody};
use crate::store::GroupFact;

/// Compiled for a tenant without accounts, whose catalogue nobody knows.
fn compiled(rules: &[Rule]) -> Result<Vec<CompiledRule>> {
    compile(rules, Surroundings { tree: &Tree::default(), catalogue: None })
}

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
            grants: vec![Grant::fixed("support", AccountId::from_uuid(uuid(9)))],
            ..RuleBody::default()
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
        let rules = compiled(&[rule(6, origin, when)]).unwrap();
        assert_eq!(wanted(&rules, &facts).len(), usize::from(holds), "{origin:?} {when}");
        assert!(wanted(&rules, &FactsRow { active: false, ..facts.clone() }).is_empty(), "{when}");
    }
}

#[test]
fn a_rule_that_cannot_be_read_stops_everything() {
    let origin = RuleOrigin::Directory(DirectoryId::from_uuid(uuid(1)));
    let rules = [rule(6, origin, "userName pr"), rule(7, origin, "nonsense eq")];
    let error = compiled(&rules).unwrap_err();
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

const CATALOGUE: &str = r#"
name = "x"
[[role]]
key = "administrator"
name = "A"
description = "Everywhere."
[[role]]
key = "parent"
name = "P"
description = "Only of the parent cloud."
scope = "root"
[[role]]
key = "child"
name = "C"
description = "Only of child clouds."
scope = "child"
[[role]]
key = "security"
name = "S"
description = "The operator makes its first holder."
first_holder = "operator"
assigned_by = ["security"]
"#;

fn account(number: u128, slug: &str, parent: Option<u128>) -> Account {
    let id = |number| AccountId::from_uuid(uuid(number));
    Account { id: id(number), parent_id: parent.map(id), slug: slug.into(), name: slug.into(), state: AccountState::Active }
}

/// Where a rule may give, what it gives, the groups, and what comes of it.
type Case<'a> = (u128, Grant, &'a [&'a str], &'a [(u128, &'a str)]);

#[test]
fn a_pattern_gives_what_the_parts_of_each_value_name_and_is_there() {
    let directory = DirectoryId::from_uuid(uuid(1));
    let catalogue = Catalogue::parse("x", CATALOGUE).unwrap();
    let tree = Tree::new(vec![
        account(10, "bluesky", None),
        account(11, "emea", Some(10)),
        account(12, "berlin", Some(11)),
        account(13, "apac", Some(10)),
    ]);
    let at = |number: u128| Given::Fixed(AccountId::from_uuid(uuid(number)));
    let part = |name: &str| Given::<String>::Captured(name.to_owned());
    let plain = |role: &str| Given::Fixed(role.to_owned());
    let names = |names: &[(&str, &str)]| -> BTreeMap<String, String> {
        names.iter().map(|(value, role)| ((*value).to_owned(), (*role).to_owned())).collect()
    };
    let (own, none) = (&[("administrator", "administrator"), ("child", "child"), ("parent", "parent")][..], &[][..]);
    let words = &[("admin", "administrator"), ("sec", "security"), ("gone", "gone"), ("top", "parent")][..];
    let grant = |role: Given<String>, account: Given<AccountId>, as_: &[(&str, &str)]| Grant { role, account, names: names(as_) };
    let captured = Given::<AccountId>::Captured("account".to_owned());
    let table: Vec<Case<'_>> = vec![
        (10, grant(part("role"), captured.clone(), words), &["portal-emea-admin"], &[(11, "administrator")]),
        (10, grant(part("role"), captured.clone(), words), &["Portal-EMEA-Admin", "other"], &[(11, "administrator")]),
        (10, grant(part("role"), captured.clone(), words), &["portal-emea/berlin-admin"], &[(12, "administrator")]),
        (
            10,
            grant(part("role"), captured.clone(), words),
            &["portal-emea-admin", "portal-apac-admin"],
            &[(11, "administrator"), (13, "administrator")],
        ),
        // Only below the subtree, by the path from there, and never its top.
        (11, grant(part("role"), captured.clone(), words), &["portal-berlin-admin"], &[(12, "administrator")]),
        (11, grant(part("role"), captured.clone(), words), &["portal-apac-admin", "portal-emea-admin"], &[]),
        (10, grant(part("role"), captured.clone(), words), &["portal-berlin-admin", "portal-bluesky-admin"], &[]),
        // What is not there, what the words do not say, and what does not come from a pattern.
        (10, grant(part("role"), captured.clone(), words), &["portal-mars-admin", "portal-emea-administrator"], &[]),
        (10, grant(part("role"), captured.clone(), words), &["portal-emea-sec", "portal-emea-gone", "portal-emea-top"], &[]),
        (10, grant(part("role"), captured.clone(), own), &["portal-emea-child", "portal-emea-parent"], &[(11, "child")]),
        (10, grant(part("role"), at(10), own), &["portal-x-child", "portal-x-parent"], &[(10, "parent")]),
        (10, grant(plain("security"), captured.clone(), none), &["portal-emea-x"], &[]),
        (10, grant(plain("administrator"), captured.clone(), none), &["portal-emea-x"], &[(11, "administrator")]),
        (10, grant(plain("child"), at(13), none), &["portal-x-y"], &[(13, "child")]),
        (10, grant(plain("child"), at(13), none), &["portals"], &[]),
    ];
    for (within, grant, groups, expected) in table {
        let text = format!("{within} {grant:?} {groups:?}");
        let mut rule = rule(6, RuleOrigin::Directory(directory), "");
        rule.within = AccountId::from_uuid(uuid(within));
        let pattern = r"portal-(?<account>[a-z/]+)-(?<role>[a-z]+)";
        rule.body.pattern = Some(Pattern { attribute: "groups.display".into(), pattern: pattern.into() });
        rule.body.grants = vec![grant];
        let mut facts = FactsRow {
            login_id: LoginId::from_uuid(uuid(3)),
            directory_id: Some(directory),
            active: true,
            search: json!({ "userName": "joe" }),
            claims: BTreeMap::new(),
            groups: Vec::new(),
        };
        for display in groups {
            facts.groups.push(GroupFact { value: uuid(4).to_string(), display: (*display).into(), kind: MembershipType::Direct });
        }
        let rules = [rule];
        let around = Surroundings { tree: &tree, catalogue: Some(&catalogue) };
        let found = wanted(&compile(&rules, around).unwrap(), &facts);
        let expected: BTreeSet<_> =
            expected.iter().map(|(account, role)| (AccountId::from_uuid(uuid(*account)), (*role).to_owned())).collect();
        assert_eq!(found.into_iter().map(|wanted| (wanted.account, wanted.role)).collect::<BTreeSet<_>>(), expected, "{text}");
        // The condition holds too, or nothing is given.
        let conditional = |when: &str| {
            let mut rules = rules.clone();
            rules[0].body.when = when.into();
            wanted(&compile(&rules, around).unwrap(), &facts).len()
        };
        assert_eq!(conditional("userName eq \"joe\""), expected.len(), "{text}");
        assert_eq!(conditional("userName eq \"jim\""), 0, "{text}");
        assert!(compile(&rules, Surroundings { catalogue: None, ..around }).is_err(), "{text}: roles that nobody knows");
    }
}

#[test]
fn a_rule_that_names_parts_without_having_them_cannot_be_read() {
    let origin = RuleOrigin::Directory(DirectoryId::from_uuid(uuid(1)));
    let catalogue = Catalogue::parse("x", CATALOGUE).unwrap();
    let around = Surroundings { tree: &Tree::default(), catalogue: Some(&catalogue) };
    let part = |role: &str| Grant { role: Given::Captured(role.into()), ..Grant::fixed("", AccountId::from_uuid(uuid(9))) };
    let pattern = |text: &str| Some(Pattern { attribute: "groups.display".into(), pattern: text.into() });
    for (when, pattern, grant, reads) in [
        ("", pattern("(?<role>.*)"), part("role"), true),
        ("userName pr", None, Grant::fixed("gone", AccountId::from_uuid(uuid(9))), true),
        ("", None, Grant::fixed("child", AccountId::from_uuid(uuid(9))), false),
        ("userName pr", None, part("role"), false),
        ("", pattern("(?<other>.*)"), part("role"), false),
        ("", pattern("(?<role>"), part("role"), false),
    ] {
        let mut rule = rule(6, origin, when);
        rule.body = RuleBody { when: when.into(), pattern, grants: vec![grant] };
        assert_eq!(compile(std::slice::from_ref(&rule), around).is_ok(), reads, "{rule:?}");
    }
}

#[test]
fn what_a_pattern_found_is_told_as_evidence() {
    let directory = DirectoryId::from_uuid(uuid(1));
    let mut rule = rule(6, RuleOrigin::Directory(directory), "userName pr");
    rule.body.pattern = Some(Pattern { attribute: "groups.display".into(), pattern: "portal-(?<account>.+)".into() });
    let group = |display: &str| GroupFact { value: uuid(4).to_string(), display: display.into(), kind: MembershipType::Direct };
    let facts = FactsRow {
        login_id: LoginId::from_uuid(uuid(3)),
        directory_id: Some(directory),
        active: true,
        search: json!({ "userName": "joe" }),
        claims: BTreeMap::new(),
        groups: vec![group("portal-emea"), group("lunch"), group("portal-apac")],
    };
    let expected = ["userName pr", "groups.display eq \"portal-emea\"", "groups.display eq \"portal-apac\""];
    assert_eq!(evidence(&rule, &facts), expected);
    rule.body.when.clear();
    assert_eq!(evidence(&rule, &facts), expected[1..]);
}
