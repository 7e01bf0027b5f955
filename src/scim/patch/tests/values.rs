//! Paths, values and mutability: P14 to P24.

use super::*;

#[test]
fn p14_unknown_paths_are_refused_in_strict_and_left_out_elsewhere() {
    for path in ["shoeSize", "name.shoe", "userName.x", "urn:x:y:shoeSize", "emails[type eq \"work\"].shoe"] {
        let operations = one("add", path, json!("44"));
        assert_eq!(refused(operations.clone(), Profile::Strict), ScimType::InvalidPath, "{path}");
        let patched = patch(&joe(), &operations, Profile::Okta).unwrap();
        assert!(!patched.changed);
        assert_eq!(patched.coercions[0].rule, "unknown-attribute", "{path}");
    }
    for path in [
        "foo..bar[",
        "emails[type eq]",
        "a.b.c",
        "emails[email.type eq 'work']",
        "emails[shoe eq \"x\"]",
        "title[value eq \"x\"]",
        "name[givenName eq \"x\"].familyName",
    ] {
        for profile in Profile::ALL {
            assert_eq!(refused(one("add", path, json!("x")), profile), ScimType::InvalidPath, "{path}");
        }
    }
    assert_eq!(refused(one("add", "emails[primary gt true].value", json!("x")), Profile::Entra), ScimType::InvalidFilter);
}

#[test]
fn p15_extensions_by_urn() {
    let urn = ENTERPRISE.to_uppercase();
    let department = format!("{ENTERPRISE}:department");
    assert_eq!(strict("replace", &format!("{urn}:DEPARTMENT"), json!("Ops"), &department), json!("Ops"));
    let operations = one("add", &urn, json!({ "Department": "Ops", "costCenter": "1", "manager.value": "28" }));
    assert_eq!(after(operations.clone(), Profile::Strict, &department), json!("Ops"));
    assert_eq!(after(operations, Profile::Strict, &format!("{ENTERPRISE}:manager")), json!({ "value": "28" }));
    assert_eq!(strict("add", &format!("{}:title", urn::USER), json!("CEO"), "title"), json!("CEO"));
    assert_eq!(strict("add", urn::USER, json!({ "title": "CEO" }), "title"), json!("CEO"));

    let without = patch(&joe(), &json!([{ "op": "remove", "path": ENTERPRISE }]), Profile::Strict).unwrap().resource;
    assert_eq!(without.as_object().get("schemas"), Some(&Value::from(vec![urn::USER])));
    let one_by_one = json!([
        { "op": "remove", "path": department },
        { "op": "replace", "value": { ENTERPRISE: { "manager": null } } }
    ]);
    assert_eq!(patch(&joe(), &one_by_one, Profile::Strict).unwrap().resource, without);
    let back = patch(&without, &one("add", &department, json!("Ops")), Profile::Strict).unwrap().resource;
    assert_eq!(back.as_object().get("schemas"), Some(&Value::from(vec![urn::USER, ENTERPRISE])));
}

#[test]
fn p16_a_new_primary_value_takes_the_place_of_the_old_one() {
    let expected =
        json!([{ "value": "w@b.c", "type": "work", "primary": false }, { "value": "h@b.c", "type": "home", "primary": true }]);
    for operations in [
        one("add", "emails[type eq \"home\"].primary", json!(true)),
        one("add", "emails", json!([{ "value": "h@b.c", "type": "home", "primary": true }])),
        one("replace", "emails[type eq \"home\"]", json!({ "value": "h@b.c", "primary": true })),
    ] {
        assert_eq!(after(operations.clone(), Profile::Strict, "emails"), expected, "{operations}");
    }
    let third = json!({ "value": "n@b.c", "primary": true });
    let emails = strict("add", "emails", third.clone(), "emails");
    assert_eq!((&emails[0]["primary"], &emails[2]), (&json!(false), &third));
    for operations in [
        one("add", "emails.primary", json!(true)),
        one("replace", "emails[value pr].primary", json!(true)),
        one("add", "emails", json!([{ "value": "1", "primary": true }, { "value": "2", "primary": true }])),
        one("replace", "emails", json!([{ "value": "1", "primary": true }, { "value": "2", "primary": true }])),
    ] {
        assert_eq!(refused(operations, Profile::Entra), ScimType::InvalidValue);
    }
}

#[test]
fn p17_k4_r29_read_only_attributes() {
    for path in ["id", "meta.lastModified", "groups", "groups[value eq \"1\"].display"] {
        assert_eq!(refused(one("replace", path, json!("1")), Profile::Okta), ScimType::Mutability, "{path}");
    }
    let same =
        json!([{ "op": "replace", "value": { "id": "1", "meta": null, "groups": [], "schemas": [urn::USER], "title": "CEO" } }]);
    assert_eq!(after(same, Profile::Strict, "title"), json!("CEO"));
    for value in [json!({ "id": "2" }), json!({ "groups": [{ "value": "1" }] })] {
        let operations = json!([{ "op": "replace", "value": value }]);
        assert_eq!(refused(operations, Profile::Okta), ScimType::Mutability);
    }
}

#[test]
fn p19_e6_names_in_a_value_without_path_are_paths_in_document_order() {
    let operations = json!([{ "op": "replace", "value": {
        "name.givenName": "Kkom", "name.familyName": "Unua", "displayName": "Bjfe",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber": "Aklq",
        "emails[type eq \"work\"].value": "x@b.c",
        "shoe.size": 1, "not a path": 2
    } }]);
    for profile in Profile::ALL {
        let patched = patch(&joe(), &operations, profile).unwrap();
        let get = |path: &str| patched.resource.get(path).cloned().unwrap_or_default();
        assert_eq!(Json::from(get("name")), json!({ "givenName": "Kkom", "familyName": "Unua" }));
        assert_eq!(get(&format!("{ENTERPRISE}:employeeNumber")), Value::from("Aklq"));
        assert_eq!(Json::from(get("emails"))[0]["value"], json!("x@b.c"));
        let unknown: Vec<_> = patched.coercions.iter().map(|coercion| coercion.path.as_str()).collect();
        assert_eq!(unknown, ["not a path", "shoe.size"], "{profile}");
    }
    let first_then_second = |body: &str| {
        let value = crate::scim::parse::parse(body.as_bytes()).unwrap();
        let request = PatchRequest::parse(value, Profile::Strict).unwrap();
        let patched = apply(&request, &joe(), &Object::new(), Profile::Strict).unwrap();
        Json::from(patched.resource.get("name").cloned().unwrap())
    };
    let body =
        |members: &str| format!(r#"{{"schemas":["{}"],"Operations":[{{"op":"replace","value":{{{members}}}}}]}}"#, urn::PATCH_OP);
    assert_eq!(first_then_second(&body(r#""name.givenName":"A","name":{"givenName":"B"}"#))["givenName"], json!("B"));
    assert_eq!(first_then_second(&body(r#""name":{"givenName":"B"},"name.givenName":"A""#))["givenName"], json!("A"));
}

#[test]
fn p21_e1_e2_e3_types_and_booleans_as_text() {
    for (op, value) in [("Replace", json!("False")), ("replace", json!(false)), ("Add", json!("false"))] {
        assert_eq!(after(one(op, "active", value.clone()), Profile::Entra, "active"), json!(false));
        let strict = patch(&joe(), &one(op, "active", value.clone()), Profile::Strict);
        assert_eq!(strict.is_ok(), value.is_boolean());
    }
    for operations in [
        one("replace", "active", json!("no")),
        one("replace", "title", json!(["x"])),
        one("replace", "name", json!("x")),
        one("replace", "name.givenName", json!({})),
        one("replace", "emails", json!("x")),
        one("replace", "emails[type eq \"work\"]", json!("x")),
        one("replace", "emails[type eq \"work\"].value", json!(1)),
    ] {
        assert_eq!(refused(operations.clone(), Profile::Entra), ScimType::InvalidValue, "{operations}");
    }
}

#[test]
fn p22_null_takes_away() {
    assert_eq!(strict("replace", "title", json!(null), "title"), json!(null));
    assert_eq!(strict("add", "title", json!(null), "title"), json!(null));
    assert_eq!(strict("replace", "emails", json!(null), "emails"), json!(null));
    assert_eq!(strict("replace", "emails", json!([]), "emails"), json!(null));
    assert_eq!(strict("replace", "name", json!({ "givenName": null }), "name"), json!({ "familyName": "Bloggs" }));
    assert_eq!(
        strict("replace", "emails[type eq \"work\"].type", json!(null), "emails")[0],
        json!({ "value": "w@b.c", "primary": true })
    );
    let several = json!([{ "op": "replace", "value": { "title": null, "name.givenName": null, "emails": [] } }]);
    assert_eq!(after(several.clone(), Profile::Strict, "title"), json!(null));
    assert_eq!(after(several, Profile::Strict, "name"), json!({ "familyName": "Bloggs" }));
}

#[test]
fn p24_remove_with_value_list_never_wipes_other_attributes_either() {
    let operations = one("remove", "emails", json!([{ "value": "H@b.c" }]));
    assert_eq!(after(operations.clone(), Profile::Entra, "emails"), json!([{ "value": "w@b.c", "type": "work", "primary": true }]));
    assert_eq!(refused(operations, Profile::Strict), ScimType::InvalidValue);
    let emails: Json = joe().get("emails").cloned().unwrap().into();
    for value in [json!([]), json!([{}]), json!([{ "value": "x@b.c" }]), json!([{ "value": "h@b.c", "type": "work" }])] {
        assert_eq!(after(one("remove", "emails", value.clone()), Profile::Entra, "emails"), emails, "{value}");
    }
}

#[test]
fn p16_a_value_that_is_not_primary_in_the_end_takes_no_place() {
    let given = json!([
        { "value": "n@b.c", "primary": true },
        { "value": "n@b.c", "primary": false }
    ]);
    let emails = strict("add", "emails", given, "emails");
    assert_eq!(emails[0]["primary"], json!(true));
    assert_eq!(emails[2], json!({ "value": "n@b.c", "primary": false }));
}
