//! What Entra and Okta send for users, each on its own profile and on others.

use super::*;

#[test]
fn k3_a_password_is_noticed_and_dropped() {
    let operations = json!([{ "op": "replace", "value": { "password": "hunter2" } }]);
    let patched = patch(&joe(), &operations, Profile::Okta).unwrap();
    assert!(patched.password_given && !patched.changed);
    assert!(!format!("{patched:?}").contains("hunter2"));
    let request = PatchRequest::parse(request(&operations).into(), Profile::Okta);
    assert!(!format!("{request:?}").contains("hunter2"));
    assert_eq!(after(json!([{ "op": "replace", "value": { "active": false } }]), Profile::Okta, "active"), json!(false));
}

#[test]
fn e4_e5_attributes_one_by_one() {
    let operations = json!([
        { "op": "Add", "path": "nickName", "value": "Babs" },
        { "op": "Replace", "path": "displayName", "value": "Pvlo" },
        { "op": "Replace", "path": "emails[type eq \"work\"].value", "value": "TestBcwqnm@test.microsoft.com" },
        { "op": "Replace", "path": "name.givenName", "value": "Gtfd" },
        { "op": "Replace", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber", "value": "Eqpj" }
    ]);
    for profile in Profile::ALL {
        let patched = patch(&joe(), &operations, profile).unwrap();
        assert_eq!(patched.coercions, [], "{profile}");
        assert_eq!(patched.resource.get("nickName"), Some(&Value::from("Babs")));
        assert_eq!(patched.resource.external_id(), Some("X1"));
    }
}

#[test]
fn e8_a_role_in_three_operations_is_one_value() {
    let operations = json!([
        { "op": "Add", "path": "roles[primary eq \"True\"].display", "value": "Admin" },
        { "op": "Add", "path": "roles[primary eq \"True\"].value", "value": "admin" },
        { "op": "Add", "path": "roles[primary eq \"True\"].type", "value": "WindowsAzureActiveDirectoryRole" }
    ]);
    let expected = json!([{ "primary": true, "display": "Admin", "value": "admin", "type": "WindowsAzureActiveDirectoryRole" }]);
    let once = patch(&joe(), &operations, Profile::Entra).unwrap();
    assert_eq!(Json::from(once.resource.get("roles").cloned().unwrap()), expected);
    let twice = patch(&once.resource, &operations, Profile::Entra).unwrap();
    assert!(!twice.changed);
    assert_eq!(refused(operations, Profile::Strict), ScimType::InvalidFilter);
}

#[test]
fn e9_a_role_as_json_in_text() {
    let value = json!([{ "value": "{\"id\":\"18d1\",\"value\":\"Admin\",\"displayName\":\"The Admin\"}" }]);
    assert_eq!(after(one("Add", "roles", value), Profile::Entra, "roles"), json!([{ "value": "Admin", "display": "The Admin" }]));
}

#[test]
fn e10_four_shapes_of_manager() {
    let path = format!("{ENTERPRISE}:manager");
    let manager = |operations: Json| after(operations, Profile::Entra, &path);
    assert_eq!(manager(one("Add", &path, json!("271"))), json!({ "value": "271" }));
    assert_eq!(
        manager(one("Add", "manager", json!([{ "$ref": "http://host/scim/Users/28", "value": "28" }]))),
        json!({ "value": "28", "$ref": "http://host/scim/Users/28" })
    );
    assert_eq!(manager(one("Replace", &path, json!(""))), json!(null));
    assert_eq!(manager(json!([{ "op": "Remove", "path": path }])), json!(null));
    // The reference goes with the manager that it pointed to, and stays when the manager does.
    assert_eq!(manager(one("replace", &format!("{path}.value"), json!("28"))), json!({ "value": "28" }));
    assert_eq!(manager(one("replace", &path, json!({ "value": "27" }))), json!({ "value": "27", "$ref": "../Users/27" }));

    assert_eq!(refused(one("Add", &path, json!("271")), Profile::Strict), ScimType::InvalidValue);
    assert_eq!(refused(one("Add", "manager", json!({ "value": "1" })), Profile::Strict), ScimType::InvalidPath);
}
