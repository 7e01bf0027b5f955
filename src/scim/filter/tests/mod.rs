//! Filters from their text to their answer.

mod grammar;

use super::{Filter, FilterError, MAX_FILTER_CHARS, MAX_FILTER_DEPTH, MAX_FILTER_TERMS, PatchPath, Scope, read, resolve};
use crate::scim::message::ScimType;
use crate::scim::profile::Profile;
use crate::scim::schema::ResourceKind;
use crate::scim::value::{Object, Value};
use serde_json::json;

fn canonical(text: &str) -> String {
    match Filter::parse(text) {
        Ok(filter) => filter.to_string(),
        Err(error) => panic!("{text}: {error}"),
    }
}

fn syntax(text: &str) -> (usize, String) {
    match Filter::parse(text) {
        Err(FilterError::Syntax { position, expected }) => (position, expected),
        other => panic!("{text}: {other:?}"),
    }
}

fn refused(text: &str) -> FilterError {
    refused_in(text, Scope::User, Profile::Strict)
}

fn refused_in(text: &str, scope: Scope, profile: Profile) -> FilterError {
    let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    match resolve(&filter, scope, profile) {
        Err(error) => error,
        Ok(resolved) => panic!("{text}: {resolved:?}"),
    }
}

fn document() -> Object {
    let document = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
        "id": "2819c223",
        "externalId": "bJensen",
        "userName": "Barbara@Example.com",
        "name": { "familyName": "O'Malley", "givenName": "Bárbara" },
        "nickName": "",
        "active": true,
        "emails": [
            { "value": "work@example.com", "type": "work", "primary": true },
            { "value": "Home@Example.org", "type": "home" }
        ],
        "x509Certificates": [{ "value": "AAEC" }],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "department": "R&D_100%", "manager": { "value": "26118915" } },
        "meta": { "resourceType": "User", "created": "2026-01-31T12:00:00Z", "version": "W/\"a\"" },
        "claims": { "groups": ["Admins", "staff"], "http://schemas.example/Role": ["x"] }
    });
    match Value::from(document) {
        Value::Object(document) => document,
        _ => unreachable!(),
    }
}

fn holds_in(text: &str, scope: Scope, profile: Profile) -> bool {
    let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let filter = resolve(&filter, scope, profile).unwrap_or_else(|error| panic!("{text}: {error}"));
    filter.matches(&crate::scim::search_form(ResourceKind::User, &document()))
}

fn holds(text: &str) -> bool {
    holds_in(text, Scope::User, Profile::Strict)
}

#[test]
fn f02_and_binds_tighter_than_or_and_parentheses_are_kept_where_they_matter() {
    for (text, printed) in [
        ("a pr or b pr and c pr", "a pr or b pr and c pr"),
        ("a pr or (b pr and c pr)", "a pr or b pr and c pr"),
        ("(a pr or b pr) and c pr", "(a pr or b pr) and c pr"),
        ("(a pr and b pr) and c pr", "(a pr and b pr) and c pr"),
        ("not (a pr or b pr) and c pr", "not (a pr or b pr) and c pr"),
    ] {
        assert_eq!(canonical(text), printed, "{text}");
    }
    assert_eq!(Filter::parse("a pr or b pr and c pr"), Filter::parse("a pr or (b pr and c pr)"));
    assert!(holds("userName pr or title pr and title pr"));
    assert!(!holds("(userName pr or title pr) and title pr"));
}

#[test]
fn f03_literals_are_json() {
    assert!(holds(r#"name.familyName eq "O'Malley""#));
    assert!(holds(r#"userName eq "\u0042ARBARA@example.com""#));
    assert!(holds("active eq true"));
    for (text, position) in [
        ("active eq True", 11),
        ("active eq tru", 11),
        ("userName eq bjensen", 13),
        ("userName eq 'bjensen'", 13),
        ("userName eq \"bjensen", 13),
        ("userName eq \"\\x\"", 13),
        ("userName eq \"\\u0000\"", 13),
        ("userName eq \"a\tb\"", 13),
        ("a eq 01", 6),
        ("a eq 1.", 6),
        ("a eq 2011-05-13T04:42:34Z", 6),
        ("a eq 1e999", 6),
    ] {
        assert_eq!(syntax(text).0, position, "{text}");
    }
    assert!(syntax("active eq True").1.contains("lower case"));
    assert!(syntax("userName eq 'x'").1.contains("double quotes"));
    assert!(syntax("userName eq x").1.contains("double quotes"));
}

#[test]
fn f04_case_counts_as_the_schema_says() {
    for (text, holds_true) in [
        ("userName eq \"BARBARA@EXAMPLE.COM\"", true),
        ("userName sw \"bar\"", true),
        ("externalId eq \"bJensen\"", true),
        ("externalId eq \"bjensen\"", false),
        ("id eq \"2819C223\"", false),
        ("meta.version eq \"w/\\\"a\\\"\"", false),
        ("name.givenName eq \"BÁRBARA\"", true),
        ("name.givenName eq \"Ba\\u0301rbara\"", true),
        ("emails.value eq \"HOME@example.ORG\"", true),
    ] {
        assert_eq!(holds(text), holds_true, "{text}");
    }
}

#[test]
fn f05_urns_with_dots_are_read_right() {
    for text in [
        "urn:ietf:params:scim:schemas:core:2.0:User:userName eq \"barbara@example.com\"",
        "URN:ietf:params:scim:schemas:core:2.0:user:USERNAME sw \"b\"",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq \"26118915\"",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq \"26118915\"",
        "urn:ietf:params:scim:schemas:core:2.0:User:emails[type eq \"work\"]",
    ] {
        assert!(holds(text), "{text}");
    }
    for text in [
        "urn:ietf:params:scim:schemas:core:2.0:Group:displayName pr",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User pr",
    ] {
        assert!(matches!(refused(text), FilterError::UnknownAttribute { .. }), "{text}");
    }
    let portal = "urn:vestibule:params:scim:schemas:extension:portal:2.0:User";
    for text in ["person pr", "slot eq 1", "roles.role eq \"administrator\"", "roles[role eq \"administrator\"]", "otherLogin pr"] {
        assert!(matches!(refused(&format!("{portal}:{text}")), FilterError::NotFilterable { .. }), "{text}");
    }
}

#[test]
fn f06_f07_f08_f09_multi_valued_attributes() {
    for (text, holds_true) in [
        ("emails co \"example.org\"", true),
        ("emails.value ew \".com\"", true),
        ("emails.type eq \"work\" and emails.value co \"@example.org\"", true),
        ("emails[type eq \"work\" and value co \"@example.org\"]", false),
        ("emails[type eq \"home\" and value co \"@example.org\"]", true),
        ("emails[not (type eq \"home\")]", true),
        ("not (emails[type eq \"home\"])", false),
        ("not (emails[type eq \"other\"]) and (userName pr)", true),
        ("emails[type eq \"work\"].value eq \"WORK@example.com\"", true),
        ("emails[type eq \"home\"].value eq \"work@example.com\"", false),
        ("emails[type eq \"home\"].primary pr", false),
        ("emails[type eq \"work\"].primary eq true", true),
        ("emails[type eq \"home\"].primary eq null", true),
        ("emails[type eq \"home\"].value ne \"work@example.com\"", true),
        ("emails[type eq \"work\"].value ne \"work@example.com\"", false),
        ("schemas eq \"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\"", true),
        ("schemas eq \"urn:ietf:params:scim:schemas:core:2.0:Group\"", false),
        ("meta.resourceType eq \"User\"", true),
    ] {
        assert_eq!(holds(text), holds_true, "{text}");
    }
    for text in ["userName[value eq \"x\"]", "name[givenName eq \"x\"]", "schemas[value eq \"x\"]"] {
        assert!(matches!(refused(text), FilterError::NoSelection { .. }), "{text}");
    }
    assert!(syntax("emails[type[value pr]]").1.contains("brackets"));
    assert!(syntax("name.givenName[value pr]").1.contains("sub-attribute"));
}

#[test]
fn f10_presence_and_null() {
    for (text, holds_true) in [
        ("userName pr", true),
        ("title pr", false),
        ("not (title pr)", true),
        ("nickName pr", false),
        ("nickName eq null", true),
        ("name pr", true),
        ("name.middleName pr", false),
        ("emails pr", true),
        ("emails.display pr", false),
        ("phoneNumbers pr", false),
        ("title eq null", true),
        ("title ne null", false),
        ("emails eq null", false),
        ("emails ne null", true),
        ("active pr", true),
        ("emails[primary pr]", true),
        ("emails[display eq null]", true),
    ] {
        assert_eq!(holds(text), holds_true, "{text}");
    }
    assert!(matches!(refused("title gt null"), FilterError::WrongLiteral { .. }));
}

#[test]
fn f11_ne_is_not_eq_also_where_there_is_no_value() {
    for (text, holds_true) in [
        ("title ne \"Boss\"", true),
        ("userName ne \"barbara@example.com\"", false),
        ("emails.value ne \"work@example.com\"", false),
        ("emails.value ne \"nobody@example.com\"", true),
        ("phoneNumbers.value ne \"1\"", true),
        ("emails[type ne \"work\"]", true),
        ("emails[display ne \"x\" and type eq \"work\"]", true),
    ] {
        assert_eq!(holds(text), holds_true, "{text}");
    }
}

#[test]
fn f12_order_of_text_and_time_and_none_for_booleans_and_binary() {
    for (text, holds_true) in [
        ("meta.created eq \"2026-01-31T14:00:00+02:00\"", true),
        ("meta.created gt \"2026-01-31T13:59:59+02:00\"", true),
        ("meta.created lt \"2026-01-31T12:00:00.000001Z\"", true),
        ("meta.created ge \"2026-01-31T12:00:00Z\"", true),
        ("meta.created le \"2026-01-31T11:59:59Z\"", false),
        ("userName gt \"barbara\"", true),
        ("userName lt \"C\"", true),
        ("title lt \"z\"", false),
        ("id lt \"2819c223\"", false),
        ("id le \"2819c223\"", true),
        ("id gt \"2819c223\"", false),
        ("id ge \"2819c223\"", true),
        ("id lt \"2819c2230\"", true),
    ] {
        assert_eq!(holds(text), holds_true, "{text}");
    }
    for text in [
        "active gt true",
        "active co \"t\"",
        "x509Certificates.value gt \"AA\"",
        "x509Certificates.value sw \"AA\"",
        "meta.created co \"2026\"",
    ] {
        assert!(matches!(refused(text), FilterError::WrongOperator { .. }), "{text}");
    }
    for text in [
        "active eq 1",
        "userName eq 1",
        "userName eq true",
        "meta.created gt \"yesterday\"",
        "meta.created gt \"2026-01-31\"",
        "externalId co 5",
    ] {
        assert!(matches!(refused(text), FilterError::WrongLiteral { .. }), "{text}");
    }
    assert!(holds("x509Certificates.value eq \"AAEC\""));
    assert!(matches!(refused("name eq \"x\""), FilterError::NeedsSubAttribute { .. }));
}

#[test]
fn f13_wildcards_of_sql_mean_themselves() {
    let department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
    for (text, holds_true) in [
        ("co \"_100%\"", true),
        ("co \"%\"", true),
        ("co \"R_D\"", false),
        ("sw \"%\"", false),
        ("ew \"\\\\\"", false),
        ("co \"\"", true),
    ] {
        assert_eq!(holds(&format!("{department} {text}")), holds_true, "{text}");
    }
}

#[test]
fn f14_f18_unknown_attributes_and_passwords_are_refused() {
    for text in ["nonsense pr", "userName.value pr", "emails.nonsense pr", "emails[nonsense pr]", "claims.groups pr", "manager pr"]
    {
        assert!(matches!(refused(text), FilterError::UnknownAttribute { .. }), "{text}");
    }
    for text in ["password pr", "password eq \"x\"", "not (Password sw \"a\")"] {
        assert!(matches!(refused(text), FilterError::NotFilterable { .. }), "{text}");
    }
    let error = read("password pr", Scope::User, Profile::Entra).unwrap_err();
    assert_eq!(error.scim_type, Some(ScimType::InvalidFilter));
}

#[test]
fn f19_text_for_booleans_is_a_matter_of_the_profile() {
    for profile in [Profile::Strict, Profile::Google, Profile::Ping] {
        assert!(matches!(refused_in("active eq \"True\"", Scope::User, profile), FilterError::WrongLiteral { .. }));
    }
    assert!(holds_in("active eq \"True\"", Scope::User, Profile::Entra));
    assert!(holds_in("emails[primary eq \"true\"]", Scope::User, Profile::Entra));
    assert!(matches!(refused_in("active eq \"yes\"", Scope::User, Profile::Entra), FilterError::WrongLiteral { .. }));
    let (_, coercions) = read("active eq \"True\"", Scope::User, Profile::Entra).unwrap();
    assert_eq!((coercions[0].rule, coercions[0].path.as_str()), ("string-boolean", "active"));
}

#[test]
fn e10_an_extension_can_be_left_out_where_the_profile_says_so() {
    assert!(holds_in("id eq \"2819c223\" and manager eq \"26118915\"", Scope::User, Profile::Entra));
    assert!(matches!(refused("manager eq \"26118915\""), FilterError::UnknownAttribute { .. }));
}

#[test]
fn facts_have_claims_beside_the_attributes_of_a_user() {
    let facts = |text: &str| holds_in(text, Scope::Facts, Profile::Strict);
    assert!(facts("claims.groups eq \"Admins\" and active eq true"));
    assert!(facts("CLAIMS.groups sw \"st\""));
    assert!(facts("claims.http://schemas.example/Role eq \"x\""));
    assert!(facts("claims.missing ne \"x\""));
    for text in ["claims.groups eq \"admins\"", "claims.Groups eq \"Admins\"", "claims.missing pr"] {
        assert!(!facts(text), "{text}");
    }
    for text in ["claims pr", "claims.groups eq true", "claims[value eq \"x\"]"] {
        refused_in(text, Scope::Facts, Profile::Strict);
    }
}

#[test]
fn groups_are_filtered_by_their_members() {
    let filter = Filter::parse("members.value eq \"A\" and displayName eq \"ADMINS\"").unwrap();
    let filter = resolve(&filter, Scope::Group, Profile::Strict).unwrap();
    let group = |id: &str| match Value::from(json!({ "displayName": "Admins", "members": [{ "value": id, "type": "User" }] })) {
        Value::Object(group) => crate::scim::search_form(ResourceKind::Group, &group),
        _ => unreachable!(),
    };
    assert!(filter.matches(&group("A")));
    assert!(!filter.matches(&group("a")));
    assert!(matches!(refused_in("userName pr", Scope::Group, Profile::Strict), FilterError::UnknownAttribute { .. }));
}
