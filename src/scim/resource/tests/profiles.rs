//! What clients send beyond the RFC, by profile.

use super::*;

#[test]
fn e11_entra_misspells_the_enterprise_urn() {
    let body = json!({
        "schemas": [urn::USER, "urn:ietf:params:scim:schemas:extension:enterprise:2.0User", "urn:nonsense"],
        "externalId": "0a21f0f2", "userName": "Test_User", "active": true, "addresses": null, "title": null,
        "emails": [{ "primary": true, "type": "work", "value": "Test_User@testuser.com" }],
        "meta": { "resourceType": "User" }, "roles": [],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0User": { "department": "R&D" }
    });
    let accepted = post(body.clone(), Profile::Entra).unwrap();
    assert_eq!(
        rules(&accepted),
        [("misspelt-schema", "urn:ietf:params:scim:schemas:extension:enterprise:2.0User"), ("unknown-schema", "urn:nonsense")]
    );
    assert_eq!(document(&accepted)[urn::ENTERPRISE_USER], json!({ "department": "R&D" }));
    for profile in [Profile::Strict, Profile::Google] {
        let error = post(body.clone(), profile).unwrap_err();
        assert_eq!(error.scim_type, Some(ScimType::InvalidSyntax));
    }
}

#[test]
fn onelogin_may_speak_of_scim_1() {
    let body = json!({ "schemas": ["urn:scim:schemas:core:1.0"], "userName": "joe", "urn:scim:schemas:extension:enterprise:1.0": { "department": "R&D" } });
    let accepted = post(body.clone(), Profile::OneLogin).unwrap();
    assert_eq!(document(&accepted)[urn::ENTERPRISE_USER], json!({ "department": "R&D" }));
    let accepted = post(body, Profile::Okta).unwrap();
    assert!(!accepted.resource.as_object().contains(urn::ENTERPRISE_USER));
    assert!(rules(&accepted).contains(&("unknown-schema", "urn:scim:schemas:core:1.0")));
}

#[test]
fn e1_booleans_as_text_are_a_matter_of_the_profile() {
    let body = json!({ "active": "False", "emails": [{ "value": "a", "primary": "true" }] });
    let accepted = post(with_schemas(body.clone()), Profile::Entra).unwrap();
    assert!(!accepted.resource.active());
    assert_eq!(rules(&accepted), [("string-boolean", "active"), ("string-boolean", "emails.primary")]);
    for profile in [Profile::Strict, Profile::Google, Profile::Ping] {
        assert_eq!(refused(body.clone(), profile), ScimType::InvalidValue);
    }
}

#[test]
fn e10_e18_managers_and_names_without_urn() {
    let manager = |manager: serde_json::Value| {
        let body = with_schemas(json!({ "Manager": manager, "Department": "R&D" }));
        document(&post(body, Profile::Entra).unwrap())[urn::ENTERPRISE_USER].clone()
    };
    let expected = json!({ "department": "R&D", "manager": { "value": "27" } });
    assert_eq!(manager(json!("27")), expected);
    assert_eq!(manager(json!({ "Value": "27", "displayName": "read-only" })), expected);
    assert_eq!(manager(json!([{ "value": "27" }])), expected);
    assert_eq!(manager(json!("")), json!({ "department": "R&D" }));
    assert_eq!(manager(json!([])), json!({ "department": "R&D" }));

    let accepted = post(with_schemas(json!({ "manager": "27" })), Profile::Strict).unwrap();
    assert_eq!(rules(&accepted), [("unknown-attribute", "manager")]);
    assert_eq!(refused(json!({ urn::ENTERPRISE_USER: { "manager": "27" } }), Profile::Strict), ScimType::InvalidValue);
    assert_eq!(refused(json!({ "manager": ["1", "2"] }), Profile::Entra), ScimType::InvalidValue);
    let both = json!({ "department": "loses", urn::ENTERPRISE_USER: { "department": "wins" } });
    let accepted = post(with_schemas(both), Profile::Entra).unwrap();
    assert_eq!(document(&accepted)[urn::ENTERPRISE_USER], json!({ "department": "wins" }));
}

#[test]
fn e9_roles_as_json_in_text_are_unpacked_for_entra_alone() {
    let role = r#"{"id":"18d1","value":"Admin","displayName":"Administrator"}"#;
    let body = with_schemas(json!({ "roles": [{ "value": role }, { "value": "{no json" }] }));
    let accepted = post(body.clone(), Profile::Entra).unwrap();
    assert_eq!(document(&accepted)["roles"], json!([{ "value": "Admin", "display": "Administrator" }, { "value": "{no json" }]));
    let accepted = post(body, Profile::Okta).unwrap();
    assert_eq!(document(&accepted)["roles"][0], json!({ "value": role }));
}

#[test]
fn e12_entra_creates_groups_with_a_legacy_urn() {
    let body = json!({ "schemas": [urn::GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"], "externalId": "8aa1", "displayName": "displayName", "meta": { "resourceType": "Group" } });
    assert!(group(body.clone(), Profile::Entra).is_ok());
    assert!(group(body, Profile::Strict).is_err());
}

#[test]
fn r04_schemas_are_required_in_strict_and_inferred_elsewhere() {
    for schemas in [json!(null), json!([]), json!([urn::ENTERPRISE_USER])] {
        let body = json!({ "schemas": schemas, "userName": "joe" });
        let error = post(body.clone(), Profile::Strict).unwrap_err();
        assert_eq!(error.scim_type, Some(ScimType::InvalidSyntax));
        let accepted = post(body, Profile::Okta).unwrap();
        assert_eq!(rules(&accepted), [("missing-schemas", "schemas")]);
        assert_eq!(document(&accepted)["schemas"], json!([urn::USER]));
    }
    for schemas in [json!("x"), json!([1]), json!({})] {
        let body = json!({ "schemas": schemas, "userName": "joe" });
        let error = post(body, Profile::Entra).unwrap_err();
        assert_eq!(error.scim_type, Some(ScimType::InvalidSyntax));
    }
}

#[test]
fn an_extension_that_schemas_does_not_list_is_accepted_with_a_note() {
    let body = with_schemas(json!({ urn::ENTERPRISE_USER: { "department": "R&D" } }));
    for profile in [Profile::Strict, Profile::Entra] {
        let accepted = post(body.clone(), profile).unwrap();
        assert_eq!(rules(&accepted), [("undeclared-extension", urn::ENTERPRISE_USER)]);
        assert_eq!(document(&accepted)["schemas"], json!([urn::USER, urn::ENTERPRISE_USER]));
    }
}
