//! Resources from bodies: the canonical form, PUT, members.

#![expect(clippy::needless_pass_by_value, reason = "JSON literals as arguments read better without a borrow")]

mod profiles;
mod values;

use super::accept::keep_immutable;
use super::{Accepted, Email, MemberRef, Meta, Resource};
use crate::scim::message::{ScimError, ScimType, urn};
use crate::scim::profile::Profile;
use crate::scim::schema::{Attribute, ResourceKind};
use crate::scim::value::{Object, Value};
use serde_json::json;

fn post(body: serde_json::Value, profile: Profile) -> Result<Accepted, ScimError> {
    Resource::from_body(ResourceKind::User, body.into(), profile)
}

fn with_schemas(mut body: serde_json::Value) -> serde_json::Value {
    body["schemas"] = json!([urn::USER]);
    if body.get("userName").is_none() {
        body["userName"] = json!("joe");
    }
    body
}

fn user(body: serde_json::Value) -> Accepted {
    post(with_schemas(body), Profile::Strict).unwrap()
}

fn refused(body: serde_json::Value, profile: Profile) -> ScimType {
    let error = post(with_schemas(body.clone()), profile).expect_err(&body.to_string());
    assert_eq!(error.status, 400, "{body}");
    error.scim_type.unwrap()
}

fn document(accepted: &Accepted) -> serde_json::Value {
    Value::Object(accepted.resource.as_object().clone()).into()
}

fn rules(accepted: &Accepted) -> Vec<(&str, &str)> {
    accepted.coercions.iter().map(|coercion| (coercion.rule, coercion.path.as_str())).collect()
}

fn group(body: serde_json::Value, profile: Profile) -> Result<Accepted, ScimError> {
    Resource::from_body(ResourceKind::Group, body.into(), profile)
}

#[test]
fn r03_r06_a16_the_canonical_document_has_what_a_client_may_set_in_our_spelling() {
    let body = json!({
        "SCHEMAS": [urn::USER], "ID": "mine", "meta": { "resourceType": "Group" }, "groups": [{ "value": "1" }],
        "USERNAME": "Joe", "title": null, "phoneNumbers": [], "addresses": [{}, null], "roles": [null],
        "Name": { "GIVENNAME": "Joe", "familyName": null }, "nickName": "",
        "EMAILS": [{ "VALUE": "a@b.c", "Primary": true }, { "value": "a@b.c", "primary": true }],
        "externalId": "X"
    });
    let accepted = post(body, Profile::Strict).unwrap();
    assert_eq!(
        document(&accepted),
        json!({
            "schemas": [urn::USER], "userName": "Joe", "name": { "givenName": "Joe" }, "nickName": "",
            "emails": [{ "value": "a@b.c", "primary": true }], "externalId": "X", "active": true
        })
    );
    assert_eq!(rules(&accepted), []);
}

#[test]
fn unknown_attributes_are_left_out_and_reported_in_every_profile() {
    for profile in Profile::ALL {
        let body = with_schemas(json!({ "shoeSize": 44, "name": { "nick": "x" } }));
        let accepted = post(body, profile).unwrap();
        assert_eq!(rules(&accepted), [("unknown-attribute", "name.nick"), ("unknown-attribute", "shoeSize")], "{profile}");
        assert!(accepted.resource.get("name").is_none());
    }
}

#[test]
fn r05_schemas_list_only_extensions_with_data() {
    let body = |extension: serde_json::Value| {
        json!({
            "schemas": [urn::USER.to_uppercase(), urn::ENTERPRISE_USER, urn::USER],
            "userName": "joe",
            "urn:ietf:params:scim:schemas:extension:ENTERPRISE:2.0:User": extension
        })
    };
    for empty in [json!({}), json!(null), json!({ "department": null })] {
        let accepted = post(body(empty), Profile::Strict).unwrap();
        assert_eq!(document(&accepted)["schemas"], json!([urn::USER]));
        assert!(!accepted.resource.as_object().contains(urn::ENTERPRISE_USER));
    }
    let accepted = post(body(json!({ "DEPARTMENT": "R&D" })), Profile::Strict).unwrap();
    assert_eq!(document(&accepted)["schemas"], json!([urn::USER, urn::ENTERPRISE_USER]));
    assert_eq!(accepted.resource.get(&format!("{}:department", urn::ENTERPRISE_USER)), Some(&Value::from("R&D")));
    assert!(post(body(json!("x")), Profile::Entra).is_err());
}

#[test]
fn r30_members_come_apart_from_the_group() {
    let body = |members: serde_json::Value| json!({ "schemas": [urn::GROUP], "displayName": "A", "members": members });
    let member = |value: &str, kind| MemberRef { value: value.to_owned(), kind };
    let accepted = group(
        body(json!([{ "value": "1", "type": "user", "$ref": null, "display": "x" }, { "value": "2" }, { "value": "1" }])),
        Profile::Strict,
    )
    .unwrap();
    assert_eq!(accepted.members, Some(vec![member("1", Some(ResourceKind::User)), member("2", None)]));
    assert!(!accepted.resource.as_object().contains("members"));
    assert_eq!(group(body(json!([])), Profile::Strict).unwrap().members, Some(vec![]));
    let silent = json!({ "schemas": [urn::GROUP], "displayName": "A" });
    assert_eq!(group(silent, Profile::Strict).unwrap().members, None);

    for members in [json!({}), json!("1"), json!([{}]), json!([{ "value": "" }]), json!([{ "value": 1 }]), json!([null])] {
        for profile in [Profile::Strict, Profile::Entra] {
            let error = group(body(members.clone()), profile).unwrap_err();
            assert_eq!(error.scim_type, Some(ScimType::InvalidValue), "{members}");
        }
    }
    for (profile, fits) in [(Profile::Strict, false), (Profile::Okta, false), (Profile::Entra, true), (Profile::Ping, true)] {
        assert_eq!(group(body(json!(["1"])), profile).is_ok(), fits, "{profile}");
    }
    let odd = body(json!([{ "value": "1", "type": "direct" }]));
    assert!(group(odd.clone(), Profile::Strict).is_err());
    assert_eq!(group(odd, Profile::Okta).unwrap().members, Some(vec![member("1", None)]));

    let many: Vec<_> = (0..10_001).map(|n| json!({ "value": n.to_string() })).collect();
    assert_eq!(group(body(json!(many)), Profile::Entra).unwrap_err().status, 413);
}

#[test]
fn r25_active_is_true_on_post_and_stays_on_put() {
    assert!(user(json!({})).resource.active());
    let current = user(json!({ "active": false, "title": "Boss" })).resource;
    let put = |body| Resource::replace(&current, with_schemas(body).into(), Profile::Strict).unwrap().resource;
    let replaced = put(json!({ "id": "other", "meta": {} }));
    assert!(!replaced.active());
    assert!(replaced.get("title").is_none());
    assert!(put(json!({ "active": true })).active());
}

#[test]
fn r26_a_put_of_what_is_there_changes_nothing() {
    let body = json!({ "active": true, "emails": [{ "value": "a", "type": "work" }], "name": { "givenName": "J", "familyName": "B" }, urn::ENTERPRISE_USER: { "department": "R&D" } });
    let current = user(body.clone()).resource;
    let again = Resource::replace(&current, with_schemas(body).into(), Profile::Strict).unwrap();
    assert_eq!(again.resource, current);
    let spelt = json!({ "ACTIVE": true, "emails": [{ "type": "work", "value": "a", "display": null }], "title": [], "name": { "familyName": "B", "givenName": "J" }, urn::ENTERPRISE_USER: { "department": "R&D" } });
    let again = Resource::replace(&current, with_schemas(spelt).into(), Profile::Strict).unwrap();
    assert_eq!(again.resource, current);
}

#[test]
fn r24_immutable_attributes_keep_their_value() {
    let attribute: Attribute = serde_json::from_value(json!({ "name": "born", "type": "string", "multiValued": false, "description": "", "required": false, "mutability": "immutable", "returned": "default", "uniqueness": "none" })).unwrap();
    let put = |before: Option<&str>, after: Option<&str>| {
        let object = |value: Option<&str>| value.map(|value| ("born", value)).into_iter().collect::<Object>();
        let mut document = object(after);
        keep_immutable([&attribute].into_iter(), None, &object(before), &mut document)
            .map(|()| document.get("born").and_then(Value::as_str).map(str::to_owned))
    };
    assert_eq!(put(Some("a"), Some("A")), Ok(Some("A".to_owned())));
    assert_eq!(put(Some("a"), None), Ok(Some("a".to_owned())));
    assert_eq!(put(None, Some("b")), Ok(Some("b".to_owned())));
    assert_eq!(put(Some("a"), Some("b")).unwrap_err().scim_type, Some(ScimType::Mutability));
}

#[test]
fn a_body_that_is_no_object_is_refused() {
    for body in [json!(null), json!([]), json!("x")] {
        let error = post(body, Profile::Entra).unwrap_err();
        assert_eq!(error.scim_type, Some(ScimType::InvalidSyntax));
    }
}

#[test]
fn r01_r02_the_answer_has_what_the_service_knows() {
    let resource = user(json!({ "emails": [{ "value": "a@b.c", "type": "work", "primary": true }, { "type": "home" }] })).resource;
    let at = chrono::DateTime::from_timestamp(1_769_860_800, 5_000).unwrap();
    let meta = Meta { created: at, last_modified: at, location: "https://v.example/scim/v2/d/Users/1", version: "W/\"7\"" };
    let document = Value::Object(resource.document("1", &meta));
    assert_eq!(
        document.to_string(),
        concat!(
            r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"1","#,
            r#""emails":[{"primary":true,"type":"work","value":"a@b.c"},{"type":"home"}],"userName":"joe","active":true,"#,
            r#""meta":{"resourceType":"User","created":"2026-01-31T12:00:00.000005Z","lastModified":"2026-01-31T12:00:00.000005Z","#,
            r#""location":"https://v.example/scim/v2/d/Users/1","version":"W/\"7\""}}"#
        )
    );
    assert_eq!(resource.emails().collect::<Vec<_>>(), [Email { value: "a@b.c", kind: Some("work"), primary: true }]);
    assert_eq!(resource.get("emails.value"), None);
    assert_eq!(resource.get("nonsense["), None);
    let stored: Object = serde_json::from_str(&Value::Object(resource.as_object().clone()).to_string()).unwrap();
    assert_eq!(Resource::from_stored(ResourceKind::User, stored), resource);
}
