//! Types, lengths and requirements of values.

use super::*;
use crate::scim::resource::{Intake, Where};

#[test]
fn r10_required_attributes() {
    for body in [json!({ "userName": "" }), json!({ "userName": null })] {
        assert_eq!(refused(body, Profile::Strict), ScimType::InvalidValue);
    }
    let error = group(json!({ "schemas": [urn::GROUP] }), Profile::Strict).unwrap_err();
    assert_eq!(error.scim_type, Some(ScimType::InvalidValue));
    assert!(error.detail.contains("displayName"));
}

#[test]
fn r11_r12_types() {
    for body in [
        json!({ "active": "yes" }),
        json!({ "active": 1 }),
        json!({ "emails": {} }),
        json!({ "emails": "a@b.c" }),
        json!({ "emails": ["a@b.c"] }),
        json!({ "emails": [{ "value": 1 }] }),
        json!({ "emails": [[]] }),
        json!({ "userName": 1 }),
        json!({ "userName": ["x"] }),
        json!({ "name": "Joe" }),
        json!({ "name": [] , "title": {} }),
        json!({ "password": 1 }),
        json!({ "profileUrl": false }),
        json!({ "x509Certificates": [{ "value": "not base64!" }] }),
    ] {
        for profile in [Profile::Strict, Profile::Entra] {
            assert_eq!(refused(body.clone(), profile), ScimType::InvalidValue, "{body}");
        }
    }
    user(json!({ "x509Certificates": [{ "value": "AAE" }, { "value": "AAE=" }, { "value": "_-8" }, { "value": "/+8=" }] }));
}

/// The types that no published attribute has, on definitions of the test's own.

#[test]
fn r12_numbers_and_times() {
    let attribute = |kind: &str| -> Attribute {
        let definition = json!({ "name": "title", "type": kind, "multiValued": false, "description": "", "required": false, "mutability": "readWrite", "returned": "default", "uniqueness": "none" });
        serde_json::from_value(definition).unwrap()
    };
    let take = |kind: &str, value: &str| {
        let attribute = attribute(kind);
        let mut intake = Intake::new(Profile::Strict);
        let location = ResourceKind::User.locate(None, "title").unwrap();
        let value = crate::scim::parse::parse(value.as_bytes()).unwrap();
        intake.element(&attribute, Where::of(&location), value).is_ok()
    };
    for (kind, value, fits) in [
        ("integer", "5", true),
        ("integer", "-9223372036854775808", true),
        ("integer", "5.0", false),
        ("integer", "5e0", false),
        ("integer", "9223372036854775808", false),
        ("integer", "\"5\"", false),
        ("decimal", "5", true),
        ("decimal", "5.5e1", true),
        ("decimal", "\"5\"", false),
        ("dateTime", "\"2026-01-31T12:00:00Z\"", true),
        ("dateTime", "\"2026-01-31T12:00:00.123+02:00\"", true),
        ("dateTime", "\"2026-01-31\"", false),
        ("dateTime", "\"2026-02-30T12:00:00Z\"", false),
        ("dateTime", "5", false),
    ] {
        assert_eq!(take(kind, value), fits, "{kind} {value}");
    }
}

#[test]
fn r13_at_most_one_value_is_primary() {
    let two = json!({ "emails": [{ "value": "a", "primary": true }, { "value": "b", "primary": true }] });
    assert_eq!(refused(two, Profile::Entra), ScimType::InvalidValue);
    user(json!({ "emails": [{ "value": "a", "primary": true }, { "value": "b", "primary": false }] }));
}

#[test]
fn r14_r15_a_password_is_noticed_and_dropped() {
    let accepted = user(json!({ "password": "hunter2" }));
    assert!(accepted.password_given);
    assert!(!format!("{accepted:?}").contains("hunter2"));
    assert!(!user(json!({ "password": null })).password_given);
    let error = post(with_schemas(json!({ "password": ["hunter2"] })), Profile::Strict).unwrap_err();
    assert!(!error.detail.contains("hunter2"));
}

#[test]
fn r35_text_is_kept_as_it_is() {
    for text in [" Joe ", "e\u{301}", "ＪＯＥ", "<script>", "'; drop table", "\u{202e}x", "😀"] {
        let accepted = user(json!({ "userName": text, "title": text }));
        assert_eq!(accepted.resource.user_name(), Some(text));
        assert_eq!(accepted.resource.get("title"), Some(&Value::from(text)));
    }
}

#[test]
fn r36_text_has_a_length_that_can_be_kept_and_indexed() {
    for (attribute, length, fits) in [
        ("userName", 512, true),
        ("userName", 513, false),
        ("externalId", 513, false),
        ("title", 65_536, true),
        ("title", 65_537, false),
    ] {
        let body = with_schemas(json!({ attribute: "x".repeat(length) }));
        assert_eq!(post(body, Profile::Strict).is_ok(), fits, "{attribute} {length}");
    }
    assert!(post(with_schemas(json!({ "userName": "😀".repeat(512) })), Profile::Strict).is_ok());
    // One character that folds to eighteen.
    let name = "\u{fdfa}".repeat(100);
    assert_eq!(refused(json!({ "userName": name }), Profile::Strict), ScimType::InvalidValue);
    let many: Vec<_> = (0..1_001).map(|n| json!({ "value": n.to_string() })).collect();
    assert_eq!(refused(json!({ "emails": many }), Profile::Strict), ScimType::InvalidValue);
}
