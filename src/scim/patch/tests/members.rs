//! Members of groups.

use super::*;
use crate::scim::patch::MemberChange;
use crate::scim::resource::MemberRef;

fn changes(operations: &Json, profile: Profile) -> Result<Vec<MemberChange>, ScimError> {
    let group = resource(ResourceKind::Group, json!({ "displayName": "G", "externalId": "E" }));
    patch(&group, operations, profile).map(|patched| {
        assert_eq!(patched.resource.get("members"), None);
        assert_eq!(patched.resource.external_id(), Some("E"));
        patched.members
    })
}

fn refs(ids: &[&str]) -> Vec<MemberRef> {
    ids.iter().map(|id| MemberRef { value: (*id).to_owned(), kind: None }).collect()
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn remove(value: Json) -> Json {
    json!([{ "op": "Remove", "path": "members", "value": value }])
}

#[test]
fn e13_e14_one_member_is_added_and_removed() {
    let add = json!([{ "op": "Add", "path": "members", "value": [{ "$ref": null, "value": "f648" }] }]);
    let with_filter = json!([{ "op": "remove", "path": "members[value eq \"7f4b\"]" }]);
    for profile in Profile::ALL {
        assert_eq!(changes(&add, profile).unwrap(), [MemberChange::Add(refs(&["f648"]))]);
        assert_eq!(changes(&with_filter, profile).unwrap(), [MemberChange::Remove(ids(&["7f4b"]))]);
    }
}

#[test]
fn p24_remove_with_value_list_never_wipes() {
    let values = [
        (json!([{ "$ref": null, "value": "f648" }]), vec!["f648"]),
        (json!({ "value": "f648" }), vec!["f648"]),
        (json!([{ "value": "a" }, { "value": "b" }, { "value": "a" }]), vec!["a", "b"]),
        (json!([]), vec![]),
    ];
    for (value, named) in values {
        for profile in Profile::ALL {
            let changes = changes(&remove(value.clone()), profile);
            if matches!(profile, Profile::Strict | Profile::Google) {
                assert_eq!(changes.unwrap_err().scim_type, Some(ScimType::InvalidValue), "{profile} {value}");
            } else if named.is_empty() {
                assert_eq!(changes.unwrap(), [], "{profile} {value}");
            } else {
                assert_eq!(changes.unwrap(), [MemberChange::Remove(ids(&named))], "{profile} {value}");
            }
        }
    }
    for value in [json!([{}]), json!([null]), json!([{ "value": "" }]), json!("")] {
        for profile in Profile::ALL {
            assert!(changes(&remove(value.clone()), profile).is_err(), "{profile} {value}");
        }
    }
}

#[test]
fn p25_remove_without_value_empties() {
    for operations in [json!([{ "op": "remove", "path": "members" }]), remove(json!(null))] {
        assert_eq!(changes(&operations, Profile::Strict).unwrap(), [MemberChange::Clear]);
    }
}

#[test]
fn k4_k5_what_okta_pushes() {
    let both = json!([
        { "op": "remove", "path": "members[value eq \"89bb\"]" },
        { "op": "add", "path": "members", "value": [{ "value": "23a3", "display": "test.user2@okta.local" }] }
    ]);
    assert_eq!(changes(&both, Profile::Okta).unwrap(), [MemberChange::Remove(ids(&["89bb"])), MemberChange::Add(refs(&["23a3"]))]);
    let all = |value: Json| json!([{ "op": "replace", "path": "members", "value": value }]);
    assert_eq!(changes(&all(json!([{ "value": "1" }])), Profile::Okta).unwrap(), [MemberChange::Replace(refs(&["1"]))]);
    assert_eq!(changes(&all(json!([])), Profile::Okta).unwrap(), [MemberChange::Clear]);
    let rename = json!([{ "op": "replace", "value": { "id": "1", "displayName": "New", "members": [{ "value": "1" }] } }]);
    assert_eq!(changes(&rename, Profile::Okta).unwrap(), [MemberChange::Replace(refs(&["1"]))]);
}

#[test]
fn p06_adding_nothing_is_no_change() {
    for value in [json!([]), json!(null)] {
        let operations = json!([{ "op": "add", "path": "members", "value": value }]);
        assert_eq!(changes(&operations, Profile::Strict).unwrap(), []);
    }
}

#[test]
fn p12_filters_on_members() {
    let several = json!([{ "op": "remove", "path": "members[value eq \"1\" or value eq \"2\"]" }]);
    assert_eq!(changes(&several, Profile::Strict).unwrap(), [MemberChange::Remove(ids(&["1", "2"]))]);
    for path in ["members[type eq \"Group\"]", "members[not (value eq \"1\")]", "members[value eq \"1\" and type eq \"User\"]"] {
        let changes = changes(&json!([{ "op": "remove", "path": path }]), Profile::Strict).unwrap();
        assert!(matches!(changes.as_slice(), [MemberChange::RemoveMatching(_)]), "{path}");
    }
    let by_selection = json!([{ "op": "add", "path": "members[value eq \"1\"]", "value": {} }]);
    assert_eq!(changes(&by_selection, Profile::Strict).unwrap(), [MemberChange::Add(refs(&["1"]))]);
}

#[test]
fn p13_p18_members_are_added_and_removed_but_not_changed() {
    for operations in [
        json!([{ "op": "replace", "path": "members[value eq \"1\"].value", "value": "2" }]),
        json!([{ "op": "replace", "path": "members[value eq \"1\"]", "value": { "value": "2" } }]),
        json!([{ "op": "remove", "path": "members.value" }]),
        json!([{ "op": "add", "path": "members.type", "value": "User" }]),
        json!([{ "op": "replace", "path": "members[value eq \"1\"].display", "value": "x" }]),
    ] {
        let error = changes(&operations, Profile::Entra).unwrap_err();
        assert_eq!(error.scim_type, Some(ScimType::Mutability), "{operations}");
    }
}

#[test]
fn p26_neighbours_are_joined_and_what_is_overtaken_is_dropped() {
    let op = |op: &str, id: &str| json!({ "op": op, "path": "members", "value": [{ "value": id }] });
    let cases = [
        (json!([op("add", "1"), op("add", "2"), op("add", "1")]), vec![MemberChange::Add(refs(&["1", "2"]))]),
        (json!([op("remove", "1"), op("remove", "2")]), vec![MemberChange::Remove(ids(&["1", "2"]))]),
        (
            json!([op("add", "1"), op("remove", "1"), op("add", "1")]),
            vec![MemberChange::Add(refs(&["1"])), MemberChange::Remove(ids(&["1"])), MemberChange::Add(refs(&["1"]))],
        ),
        (json!([op("add", "1"), op("replace", "2"), op("add", "3")]), vec![MemberChange::Replace(refs(&["2", "3"]))]),
        (json!([op("add", "1"), { "op": "remove", "path": "members" }, op("add", "3")]), vec![MemberChange::Replace(refs(&["3"]))]),
    ];
    for (operations, expected) in cases {
        assert_eq!(changes(&operations, Profile::Entra).unwrap(), expected, "{operations}");
    }
}

#[test]
fn ten_thousand_members_a_request_and_no_more() {
    let add = |count: usize| -> Json { (0..count).map(|number| json!({ "value": number.to_string() })).collect() };
    let operations = |first: usize, second: usize| {
        json!([
            { "op": "add", "path": "members", "value": add(first) },
            { "op": "add", "path": "members", "value": add(second) }
        ])
    };
    assert!(changes(&operations(9_999, 1), Profile::Strict).is_ok());
    let error = changes(&operations(9_999, 2), Profile::Strict).unwrap_err();
    assert_eq!(error.status, 413);
    assert!(error.detail.contains("10000"));
}

#[test]
fn bare_members_are_a_matter_of_the_profile() {
    let operations = json!([{ "op": "add", "path": "members", "value": "string id 1" }]);
    assert_eq!(changes(&operations, Profile::Entra).unwrap(), [MemberChange::Add(refs(&["string id 1"]))]);
    assert!(changes(&operations, Profile::Okta).is_err());
}
