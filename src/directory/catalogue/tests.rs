//! What a catalogue's file may say, and what it is told otherwise.

use super::*;

#[test]
fn every_catalogue_that_ships_is_valid() {
    for (slug, text) in BUILT_IN {
        let catalogue = Catalogue::parse(slug, text).unwrap_or_else(|faults| panic!("{faults}"));
        assert!(!catalogue.roles.is_empty(), "{slug}");
    }
}

/// A catalogue of one service, one set and three roles, in which one line is another.
fn parse(line: &str, instead: &str) -> Result<Catalogue, String> {
    let text = r#"name = "X"
[[service]]
key = "mail"
name = "Mail"
[[exclusive]]
key = "level"
roles = ["b", "c"]
[[role]]
key = "a"
name = "A"
description = "One."
includes = ["b"]
permissions = ["roles.assign", "things.see"]
[[role]]
key = "b"
name = "B"
description = "Two."
service = "mail"
[[role]]
key = "c"
name = "C"
description = "Three."
"#;
    assert!(text.contains(line), "{line}");
    Catalogue::parse("x", &text.replacen(line, instead, 1)).map_err(|faults| faults.to_string())
}

#[test]
fn faults_name_the_file_the_line_and_the_key() {
    let table = [
        ("name = \"X\"\n", "", "x.toml:1: missing field `name`"),
        ("name = \"X\"", "name = \" \"", "x.toml:1: name: people read this"),
        ("description = \"One.\"", "colour = \"red\"", "x.toml:11: unknown field `colour`"),
        ("description = \"One.\"", "description = ", "x.toml:11: "),
        ("key = \"c\"", "key = \"C d\"", "x.toml:20: role \"C d\": a key has only"),
        ("key = \"c\"", "key = \"b\"", "x.toml:20: role \"b\" is there twice"),
        ("key = \"mail\"", "key = \"\"", "x.toml:3: service \"\": a key has only"),
        ("name = \"Mail\"", "name = \"\"", "x.toml:4: service \"mail\", name: people read this"),
        ("\"c\"]", "\"d\"]", "x.toml:7: exclusive set \"level\", roles: there is no role \"d\""),
        ("[\"b\", \"c\"]", "[\"b\"]", "x.toml:7: exclusive set \"level\", roles: a set has at least two"),
        (
            "[\"b\", \"c\"]",
            "[\"b\", \"b\"]",
            "x.toml:7: exclusive set \"level\", roles: the role \"b\" is in the set \"level\" already",
        ),
        ("roles = [\"b\"", "begins_with = \"a\"\nroles = [\"b\"", "x.toml:7: exclusive set \"level\", begins_with: \"a\" is none"),
        ("service = \"mail\"", "service = \"post\"", "x.toml:18: role \"b\", service: there is no service \"post\""),
        ("service = \"mail\"", "instances = true", "x.toml:18: role \"b\", instances: only a role of a service"),
        ("service = \"mail\"", "assigned_by = [\"z\"]", "x.toml:18: role \"b\", assigned_by: there is no role \"z\""),
        ("service = \"mail\"", "first_holder = \"operator\"", "x.toml:18: role \"b\", first_holder: say in assigned_by"),
        ("service = \"mail\"", "first_holder = \"somebody\"", "x.toml:18: unknown variant `somebody`"),
        ("service = \"mail\"", "scope = \"here\"", "x.toml:18: unknown variant `here`"),
        ("service = \"mail\"", "includes = [\"a\"]", "x.toml:12: role \"a\", includes: the role \"b\" includes \"a\" itself"),
        ("includes = [\"b\"]", "includes = [\"z\"]", "x.toml:12: role \"a\", includes: there is no role \"z\""),
        (
            "includes = [\"b\"]",
            "includes = [\"b\", \"c\"]",
            "x.toml:12: role \"a\", includes: \"b\" and \"c\" are of one exclusive set",
        ),
        (
            "[[service]]\n",
            "[people]\nimmutable = [\"userName\",\n\"colour\"]\n[[service]]\n",
            "x.toml:4: people, immutable: there is no field \"colour\"; there are userName, name.givenName",
        ),
        (
            "[[service]]\n",
            "[people]\nimmutable = [\"emails\", \"emails\"]\n[[service]]\n",
            "x.toml:3: people, immutable: \"emails\" is there twice",
        ),
        ("[[service]]\n", "[people]\nfixed = []\n[[service]]\n", "x.toml:3: unknown field `fixed`"),
        ("\"things.see\"", "\"things\"", "x.toml:13: role \"a\", permissions: \"things\" is not of the form"),
        ("\"things.see\"", "\"roles.assign\"", "x.toml:13: role \"a\", permissions: \"roles.assign\" is there twice"),
    ];
    for (line, instead, told) in table {
        let faults = parse(line, instead).unwrap_err();
        assert!(faults.lines().any(|fault| fault.starts_with(told)), "{instead:?}: {faults}");
    }
    let all = parse("description = \"One.\"\nincludes = [\"b\"]", "description = \"\"\nincludes = [\"z\"]").unwrap_err();
    assert_eq!(all.lines().count(), 2, "everything at once: {all}");
}

#[test]
fn a_role_is_given_by_whom_it_says_or_by_all_who_may_give_roles() {
    let catalogue = parse("service = \"mail\"", "service = \"mail\"\nassigned_by = [\"c\"]").unwrap();
    let by = |role: &str| catalogue.role(role).unwrap().assigned_by.iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!((by("a"), by("b"), by("c")), (vec!["a"], vec!["c"], vec!["a"]));
}

#[test]
fn what_nobody_changes_is_the_user_name_or_what_the_file_says() {
    use crate::directory::people::fields::Field::{Email, FamilyName, GivenName, UserName};
    let immutable = |instead: &str| parse("[[service]]\n", &format!("{instead}[[service]]\n")).unwrap().immutable;
    assert_eq!(immutable(""), BTreeSet::from([UserName]));
    assert_eq!(immutable("[people]\nimmutable = []\n"), BTreeSet::new());
    for (slug, expected) in [
        ("cloudcreator", vec![UserName, GivenName, FamilyName]),
        ("customer-portal", vec![UserName, Email]),
        ("managed-portal", vec![UserName]),
        ("my-calls", vec![UserName]),
        ("ukcloud-portal", vec![UserName]),
    ] {
        let text = BUILT_IN.iter().find(|(name, _)| *name == slug).unwrap().1;
        assert!(text.contains("[people]"), "{slug} says so itself");
        assert_eq!(Catalogue::parse(slug, text).unwrap().immutable, expected.into_iter().collect(), "{slug}");
    }
}

#[test]
fn what_is_included_is_included_with_all_that_it_includes() {
    let catalogue = parse(
        "service = \"mail\"",
        "includes = [\"d\"]\n[[role]]\nkey = \"d\"\nname = \"D\"\ndescription = \"Four.\"\npermissions = [\"mail.read\"]",
    )
    .unwrap();
    assert_eq!(catalogue.role("a").unwrap().includes, BTreeSet::from(["b".to_owned(), "d".to_owned()]));
    assert!(catalogue.allows("a", "mail.read") && catalogue.allows("b", "mail.read") && !catalogue.allows("c", "mail.read"));
    assert!(!catalogue.allows("gone", "mail.read"));
}
