//! The envelope and the three operations: P01 to P13.

use super::*;
use crate::scim::patch::MemberChange;

#[test]
fn p01_p31_p32_the_envelope() {
    let parse = |body: Json, profile| PatchRequest::parse(body.into(), profile);
    let operations = json!([{ "OP": "RePlAcE", "PATH": "title", "VALUE": "x", "name": "addMember" }]);
    let body = json!({ "SCHEMAS": [urn::PATCH_OP.to_lowercase()], "operations": operations, "id": "7" });
    assert_eq!(parse(body, Profile::Strict).unwrap().operations().len(), 1);

    let without = json!({ "Operations": operations });
    assert_eq!(parse(without.clone(), Profile::Strict).unwrap_err().scim_type, Some(ScimType::InvalidSyntax));
    let lenient = parse(without, Profile::Entra).unwrap();
    let patched = apply(&lenient, &joe(), &Object::new(), Profile::Entra).unwrap();
    assert_eq!(patched.coercions[0].rule, "missing-schemas");

    for operations in [
        json!([]),
        json!({}),
        json!(null),
        json!(["x"]),
        json!([{}]),
        json!([{ "op": "move", "path": "title", "value": "x" }]),
        json!([{ "op": 1, "path": "title", "value": "x" }]),
    ] {
        for profile in Profile::ALL {
            let error = parse(request(&operations), profile).unwrap_err();
            assert_eq!(error.scim_type, Some(ScimType::InvalidSyntax), "{operations}");
        }
    }
    let wrong = json!({ "schemas": [urn::USER], "Operations": operations });
    assert!(parse(wrong, Profile::Strict).is_err());
}

#[test]
fn p26_a_thousand_operations_work_and_one_more_names_the_limit() {
    let operations = |count: usize| -> Json {
        (0..count).map(|number| json!({ "op": "add", "path": "members", "value": [{ "value": number.to_string() }] })).collect()
    };
    let group = resource(ResourceKind::Group, json!({ "displayName": "G" }));
    let patched = patch(&group, &operations(1_000), Profile::Strict).unwrap();
    let [MemberChange::Add(members)] = patched.members.as_slice() else {
        panic!("{:?}", patched.members);
    };
    assert_eq!(members.len(), 1_000);
    let error = patch(&group, &operations(1_001), Profile::Strict).unwrap_err();
    assert_eq!(error.status, 413);
    assert!(error.detail.contains("1000"));
}

#[test]
fn p02_p03_operations_see_the_ones_before_and_a_failure_names_its_operation() {
    let operations = json!([
        { "op": "remove", "path": "title" },
        { "op": "add", "path": "title", "value": "CEO" },
        { "op": "replace", "path": "title", "value": "CFO" }
    ]);
    assert_eq!(after(operations, Profile::Strict, "title"), json!("CFO"));
    let failing = json!([{ "op": "remove", "path": "title" }, { "op": "replace", "path": "userName", "value": 5 }]);
    let error = patch(&joe(), &failing, Profile::Strict).unwrap_err();
    assert!(error.detail.starts_with("operation 2:"), "{error}");
}

#[test]
fn p05_what_changes_nothing_says_so() {
    for operations in [
        one("replace", "title", json!("Boss")),
        one("add", "emails", json!([{ "value": "w@b.c", "type": "work" }])),
        one("add", "emails", json!([{ "value": "W@b.c", "type": "WORK", "primary": true }, { "value": "w@b.c", "type": "work" }])),
        one("remove", "nickName", json!(null)),
        one("remove", "emails[type eq \"other\"]", json!(null)),
        one("add", "emails", json!([])),
        one("add", "emails", json!(null)),
        one("replace", "phoneNumbers", json!([])),
        one("replace", "name", json!({ "givenName": "Joe" })),
        one("replace", "active", json!(true)),
        json!([{ "op": "replace", "value": {} }]),
        json!([{ "op": "remove", "path": "title" }, { "op": "add", "path": "title", "value": "Boss" }]),
    ] {
        let patched = patch(&joe(), &operations, Profile::Strict).unwrap();
        assert!(!patched.changed, "{operations}");
    }
    assert!(patch(&joe(), &one("replace", "title", json!("boss")), Profile::Strict).unwrap().changed);
}

#[test]
fn p06_p07_add() {
    let third = json!({ "value": "o@b.c", "type": "other" });
    let all = json!([{ "value": "w@b.c", "type": "work", "primary": true }, { "value": "h@b.c", "type": "home" }, third]);
    assert_eq!(strict("add", "emails", json!([third]), "emails"), all);
    assert_eq!(strict("add", "emails", third.clone(), "emails"), all);
    assert_eq!(strict("add", "emails", json!([third, third, { "value": "w@b.c", "type": "work" }]), "emails"), all);
    assert_eq!(strict("add", "title", json!("CEO"), "title"), json!("CEO"));
    assert_eq!(
        strict("add", "name", json!({ "givenName": "J", "middleName": "M" }), "name"),
        json!({ "givenName": "J", "familyName": "Bloggs", "middleName": "M" })
    );
    let merged = json!([{ "op": "add", "value": { "title": "CEO", "emails": [third] } }]);
    assert_eq!(after(merged.clone(), Profile::Strict, "emails"), all);
    assert_eq!(after(merged, Profile::Strict, "title"), json!("CEO"));
    for value in [json!("x"), json!([]), json!(null), json!(1)] {
        let operations = json!([{ "op": "add", "value": value }]);
        assert_eq!(refused(operations, Profile::Strict), ScimType::InvalidValue);
    }
    let no_value = json!([{ "op": "add", "path": "title" }]);
    assert_eq!(refused(no_value, Profile::Strict), ScimType::InvalidValue);
}

#[test]
fn p08_replace() {
    assert_eq!(strict("replace", "name", json!({ "givenName": "J" }), "name"), json!({ "givenName": "J", "familyName": "Bloggs" }));
    assert_eq!(strict("replace", "emails", json!([{ "value": "x" }]), "emails"), json!([{ "value": "x" }]));
    assert_eq!(strict("replace", "nickName", json!("J"), "nickName"), json!("J"));
    assert_eq!(strict("replace", "name.middleName", json!("M"), "name.middleName"), json!("M"));
    assert_eq!(
        strict("replace", "emails[type eq \"work\"]", json!({ "value": "x" }), "emails"),
        json!([{ "value": "x", "type": "work" }, { "value": "h@b.c", "type": "home" }])
    );
    assert_eq!(
        strict("add", "emails[type eq \"work\"]", json!({ "display": "x" }), "emails")[0],
        json!({ "value": "w@b.c", "type": "work", "primary": true, "display": "x" })
    );
}

#[test]
fn p09_replace_without_match_is_a_matter_of_the_profile() {
    let operations = one("replace", "emails[type eq \"other\"].value", json!("o@b.c"));
    for profile in Profile::ALL {
        let creates = matches!(profile, Profile::Entra | Profile::Okta | Profile::OneLogin | Profile::JumpCloud);
        if creates {
            let emails = after(operations.clone(), profile, "emails");
            assert_eq!(emails[2], json!({ "type": "other", "value": "o@b.c" }), "{profile}");
        } else {
            assert_eq!(refused(operations.clone(), profile), ScimType::NoTarget, "{profile}");
        }
    }
}

#[test]
fn p10_every_selected_value_is_changed() {
    assert_eq!(
        strict("replace", "emails[value ew \"@b.c\"].display", json!("x"), "emails"),
        json!([{ "value": "w@b.c", "type": "work", "primary": true, "display": "x" }, { "value": "h@b.c", "type": "home", "display": "x" }])
    );
    assert_eq!(strict("add", "emails.display", json!("x"), "emails")[1]["display"], json!("x"));
    assert_eq!(strict("add", "phoneNumbers.value", json!("1"), "phoneNumbers"), json!([{ "value": "1" }]));
}

#[test]
fn p11_e7_add_without_match_creates_the_value_that_the_selection_describes() {
    for profile in Profile::ALL {
        let operations = one("Add", "phoneNumbers[type eq \"Mobile\"].value", json!("+44"));
        assert_eq!(after(operations, profile, "phoneNumbers"), json!([{ "type": "Mobile", "value": "+44" }]), "{profile}");
    }
    assert_eq!(
        strict("add", "addresses[type eq \"work\" and primary eq true]", json!({ "locality": "Leeds" }), "addresses"),
        json!([{ "type": "work", "primary": true, "locality": "Leeds" }])
    );
    for path in [
        "emails[type sw \"oth\"].value",
        "emails[type eq \"other\" or type eq \"else\"].value",
        "emails[not (type pr)].value",
        "emails[type eq \"other\" and type eq \"else\"].value",
        "emails[display eq null and type eq \"other\"].value",
        "emails[type eq \"other\"].type",
    ] {
        assert_eq!(refused(one("add", path, json!("x")), Profile::Entra), ScimType::NoTarget, "{path}");
    }
}

#[test]
fn p12_p13_remove() {
    assert_eq!(refused(json!([{ "op": "remove" }]), Profile::Entra), ScimType::NoTarget);
    assert_eq!(strict("remove", "title", json!(null), "title"), json!(null));
    assert_eq!(strict("remove", "emails", json!(null), "emails"), json!(null));
    assert_eq!(strict("remove", "emails[type eq \"work\"]", json!(null), "emails"), json!([{ "value": "h@b.c", "type": "home" }]));
    assert_eq!(strict("remove", "emails[value pr]", json!(null), "emails"), json!(null));
    assert_eq!(
        strict("remove", "emails[type eq \"work\"].type", json!(null), "emails")[0],
        json!({ "value": "w@b.c", "primary": true })
    );
    assert_eq!(strict("remove", "name.givenName", json!(null), "name"), json!({ "familyName": "Bloggs" }));
    let both = json!([{ "op": "remove", "path": "name.givenName" }, { "op": "remove", "path": "name.familyName" }]);
    assert_eq!(after(both, Profile::Strict, "name"), json!(null));
    for path in ["userName", "id", "meta", "groups", "meta.version", "schemas", "groups[value eq \"1\"]"] {
        assert_eq!(refused(json!([{ "op": "remove", "path": path }]), Profile::Entra), ScimType::Mutability, "{path}");
    }
    for value in [json!(null), json!([])] {
        assert_eq!(refused(one("replace", "userName", value), Profile::Strict), ScimType::Mutability);
    }
    assert_eq!(refused(one("replace", "userName", json!("")), Profile::Strict), ScimType::InvalidValue);
}

#[test]
fn many_operations_on_many_values_are_bounded() {
    let emails: Json = (0..1_000).map(|number| json!({ "value": number.to_string() })).collect();
    let user = resource(ResourceKind::User, json!({ "userName": "joe", "emails": emails }));
    let operations = |count: usize| -> Json {
        (0..count)
            .map(|number| json!({ "op": "replace", "path": format!("emails[value eq \"{number}\"].type"), "value": "x" }))
            .collect()
    };
    assert!(patch(&user, &operations(100), Profile::Strict).is_ok());
    assert_eq!(patch(&user, &operations(251), Profile::Strict).unwrap_err().status, 413);
}

#[test]
fn p06_one_address_of_two_types_is_two_values() {
    let emails = strict("add", "emails", json!([{ "value": "w@b.c", "type": "other" }]), "emails");
    assert_eq!(
        emails,
        json!([
            { "value": "w@b.c", "type": "work", "primary": true },
            { "value": "h@b.c", "type": "home" },
            { "value": "w@b.c", "type": "other" }
        ])
    );
}
