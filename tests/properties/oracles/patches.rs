//! Our PATCH against others'.

use super::{Disagreement, Json, Oracle, check, some};
use crate::patches::carry_out;
use crate::strategies::{ENTERPRISE, some_of};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;
use std::collections::BTreeSet;
use vestibule::scim::message::urn;
use vestibule::scim::patch::{PatchRequest, apply};
use vestibule::scim::profile::Profile;
use vestibule::scim::resource::Resource;
use vestibule::scim::schema::ResourceKind;
use vestibule::scim::{Object, Value};

fn text() -> BoxedStrategy<Json> {
    select(&["a", "b", "ab", "b c", "a\"b", "é"][..]).prop_map(Json::from).boxed()
}

fn address() -> BoxedStrategy<Json> {
    select(&["a@example.com", "b@example.com", "c@example.org"][..]).prop_map(Json::from).boxed()
}

/// A value of `emails` of the type `work`, which selections of these tests are about.
fn work() -> impl Strategy<Value = Json> {
    (address(), some_of(vec![("display", text())])).prop_map(|(value, mut email)| {
        email["type"] = json!("work");
        email["value"] = value;
        email
    })
}

/// A value that an operation adds. One address always comes with the same rest, so that two values are equal or have nothing in common:
/// whether values that share `value` and `type` are one value is left to the service (RFC 7643 section 2.4).
fn other() -> impl Strategy<Value = Json> {
    let all = ["x@example.com", "y@example.com", "z@example.com"]
        .map(|value| json!({ "type": "other", "value": value, "display": value }));
    select(all.to_vec())
}

fn emails() -> impl Strategy<Value = Json> {
    (vec(work(), 1..3), vec(other(), 0..3)).prop_map(|(mut all, others)| {
        all.extend(others);
        Json::from(all)
    })
}

fn user() -> impl Strategy<Value = Json> {
    let some = some_of(vec![
        ("title", text()),
        ("nickName", text()),
        ("displayName", text()),
        ("name", some_of(vec![("givenName", text()), ("familyName", text())]).boxed()),
        (ENTERPRISE, some_of(vec![("department", text()), ("division", text())]).boxed()),
    ]);
    (some, emails(), any::<bool>()).prop_map(|(mut user, emails, active)| {
        user["schemas"] = json!([ResourceKind::User.urn(), ENTERPRISE]);
        user["userName"] = json!("joe");
        user["active"] = json!(active);
        user["emails"] = emails;
        user
    })
}

/// An operation on a User whose outcome the RFC leaves no doubt about.
fn operation() -> impl Strategy<Value = Json> {
    let own = select(vec!["title", "nickName", "displayName", "name.givenName", "name.familyName"]).prop_map(ToOwned::to_owned);
    let path = prop_oneof![4 => own, 1 => Just(format!("{ENTERPRISE}:department"))];
    let op = || select(vec!["add", "replace"]);
    let name = some_of(vec![("givenName", text()), ("familyName", text())]).prop_filter("something", |name| *name != json!({}));
    let without_path = some_of(vec![("title", text()), ("nickName", text()), ("name.familyName", text()), ("displayName", text())]);
    prop_oneof![
        4 => (op(), path.clone(), text()).prop_map(|(op, path, value)| json!({ "op": op, "path": path, "value": value })),
        2 => path.prop_map(|path| json!({ "op": "remove", "path": path })),
        1 => (op(), any::<bool>()).prop_map(|(op, value)| json!({ "op": op, "path": "active", "value": value })),
        1 => (op(), name).prop_map(|(op, value)| json!({ "op": op, "path": "name", "value": value })),
        1 => Just(json!({ "op": "remove", "path": "name" })),
        2 => vec(other(), 1..3).prop_map(|value| json!({ "op": "add", "path": "emails", "value": value })),
        1 => emails().prop_map(|value| json!({ "op": "replace", "path": "emails", "value": value })),
        2 => (op(), address()).prop_map(|(op, value)| json!({ "op": op, "path": "emails[type eq \"work\"].value", "value": value })),
        2 => (op(), text()).prop_map(|(op, value)| json!({ "op": op, "path": "emails[type eq \"work\"].display", "value": value })),
        1 => text().prop_map(|value| json!({ "op": "replace", "path": "emails[type eq \"home\"].display", "value": value })),
        1 => Just(json!({ "op": "remove", "path": "emails[type eq \"work\"].display" })),
        1 => Just(json!({ "op": "remove", "path": "emails[type eq \"home\"]" })),
        1 => other().prop_map(|one| json!({ "op": "remove", "path": format!("emails[value eq {}]", one["value"]) })),
        2 => (op(), without_path).prop_map(|(op, value)| json!({ "op": op, "value": value })),
    ]
}

/// An operation on a Group's name or members. The member 0 never goes: what a selection says where there is no member is left open.
fn group_operation() -> impl Strategy<Value = Json> {
    let list = |ids: Vec<u8>| -> Json { ids.into_iter().map(|id| json!({ "value": id.to_string() })).collect() };
    prop_oneof![
        1 => text().prop_map(|value| json!({ "op": "replace", "path": "displayName", "value": value })),
        3 => vec(0..6_u8, 1..4).prop_map(move |ids| json!({ "op": "add", "path": "members", "value": list(ids) })),
        3 => (1..6_u8).prop_map(|id| json!({ "op": "remove", "path": format!("members[value eq \"{id}\"]") })),
        1 => vec(1..6_u8, 0..4).prop_map(move |mut ids| {
            ids.push(0);
            json!({ "op": "replace", "path": "members", "value": list(ids) })
        }),
    ]
}

/// What we say to a case.
fn ours(case: &Json) -> Json {
    patched(case).unwrap_or_else(|error| json!({ "error": error }))
}

fn patched(case: &Json) -> Result<Json, String> {
    let mut body = case["resource"].clone();
    let kind = if body["schemas"][0] == urn::GROUP { ResourceKind::Group } else { ResourceKind::User };
    // The members of a group are a relation of their own.
    let members = body.as_object_mut().and_then(|body| body.remove("members")).unwrap_or_default();
    let mut members: BTreeSet<String> =
        members.as_array().into_iter().flatten().filter_map(|member| member["value"].as_str()).map(ToOwned::to_owned).collect();
    let resource = Resource::from_body(kind, body.into(), Profile::Strict).map_err(|error| error.detail)?.resource;
    let body = json!({ "schemas": [urn::PATCH_OP], "Operations": case["operations"] });
    let request = PatchRequest::parse(body.into(), Profile::Strict).map_err(|error| error.detail)?;
    let patched = apply(&request, &resource, &Object::new(), Profile::Strict).map_err(|error| error.detail)?;
    carry_out(&mut members, patched.members);
    let mut after = serde_json::to_value(Value::Object(patched.resource.as_object().clone())).expect("JSON");
    after["members"] = members.iter().map(|id| json!({ "value": id })).collect();
    Ok(json!({ "resource": after }))
}

/// A document in which only what matters is left: no `schemas`, which follow from the rest; no value that is none, `primary` false among
/// them (RFC 7643 sections 2.4 and 2.5); lists in one order, which the RFC does not give them, and without repetitions.
fn plain(answer: &Json) -> Json {
    match answer {
        Json::Object(members) => members
            .iter()
            .filter(|(name, value)| *name != "schemas" && !(*name == "primary" && **value == json!(false)))
            .map(|(name, value)| (name.clone(), plain(value)))
            .filter(|(_, value)| !value.is_null() && *value != json!({}) && *value != json!([]))
            .collect(),
        Json::Array(values) => {
            let mut values: Vec<Json> = values.iter().map(plain).filter(|value| *value != json!({})).collect();
            values.sort_by_key(ToString::to_string);
            values.dedup();
            Json::from(values)
        }
        other => other.clone(),
    }
}

/// The resource, or that there is none.
fn outcome(answer: &Json) -> Option<Json> {
    answer.get("resource").map(plain)
}

/// A few hundred requests end in the same resource for everybody, or are refused by everybody.
fn agree(oracle: Oracle, cases: &[Json]) {
    let (mut carried_out, mut refused) = (0, 0);
    for (case, theirs) in cases.iter().zip(oracle.ask(cases)) {
        let ours = ours(case);
        assert_eq!(outcome(&ours), outcome(&theirs), "{oracle:?}: {case:#}\nours {ours:#}\ntheirs {theirs:#}");
        *(if ours.get("error").is_some() { &mut refused } else { &mut carried_out }) += 1;
    }
    assert!(carried_out > 200, "{carried_out} carried out, {refused} refused");
}

fn on_users() -> Vec<Json> {
    let cases = (user(), vec(operation(), 1..5));
    some(&cases, 400).into_iter().map(|(resource, operations)| json!({ "resource": resource, "operations": operations })).collect()
}

fn on_groups() -> Vec<Json> {
    let cases = (proptest::collection::btree_set(1..6_u8, 0..5), vec(group_operation(), 1..6));
    let case = |(ids, operations): (BTreeSet<u8>, Vec<Json>)| {
        let members: Vec<_> = std::iter::once(0).chain(ids).map(|id| json!({ "value": id.to_string() })).collect();
        let resource = json!({ "schemas": [urn::GROUP], "displayName": "G", "members": members });
        json!({ "resource": resource, "operations": operations })
    };
    some(&cases, 300).into_iter().map(case).collect()
}

#[test]
fn p06_scim_patch_makes_the_same_users() {
    agree(Oracle::Npm, &on_users());
}

#[test]
fn p06_scim2_models_makes_the_same_users() {
    agree(Oracle::Python, &on_users());
}

#[test]
fn p24_scim_patch_makes_the_same_groups() {
    agree(Oracle::Npm, &on_groups());
}

#[test]
fn p24_scim2_models_makes_the_same_groups() {
    agree(Oracle::Python, &on_groups());
}

/// One operation on [`joe`] or [`team`]: which part of the outcome is looked at, what we say, what the oracle says, and who is right.
type Row = (Json, &'static str, Json, Json, &'static str);

fn joe() -> Json {
    json!({
        "schemas": [ResourceKind::User.urn()], "userName": "joe", "name": {"givenName": "a", "familyName": "b"},
        "emails": [{"type": "work", "value": "a@example.com", "display": "a", "primary": true}],
    })
}

fn team() -> Json {
    json!({ "schemas": [urn::GROUP], "displayName": "G", "members": [{"value": "1"}, {"value": "2"}] })
}

#[expect(clippy::needless_pass_by_value, reason = "reads as json! does")]
fn op(op: &str, path: &str, value: Json) -> Json {
    json!({ "op": op, "path": path, "value": value })
}

#[expect(clippy::needless_pass_by_value, reason = "reads as json! does")]
fn without_path(op: &str, value: Json) -> Json {
    json!({ "op": op, "value": value })
}

fn error() -> Json {
    json!("error")
}

/// Where both libraries differ from us.
fn of_both() -> Vec<Row> {
    let repeated = op("add", "emails", json!([{"type": "work", "value": "a@example.com", "display": "b"}]));
    let merged = json!([{"display": "b", "primary": true, "type": "work", "value": "a@example.com"}]);
    let kept = json!([
        {"display": "a", "primary": true, "type": "work", "value": "a@example.com"},
        {"display": "b", "type": "work", "value": "a@example.com"},
    ]);
    let one_value = "open: RFC 7643 section 2.4 has one value for each value and type, but only as SHOULD NOT";
    let whole = op("replace", "emails[type eq \"work\"]", json!({"value": "n@example.com"}));
    let replaced = json!([{"type": "work", "value": "n@example.com"}]);
    let mixed = json!([{"display": "a", "primary": true, "type": "work", "value": "n@example.com"}]);
    let both_are_said = "open: RFC 7644 section 3.5.2.3 replaces selected values, and keeps what is not named of a complex one";
    vec![(repeated, "/resource/emails", merged, kept, one_value), (whole, "/resource/emails", replaced, mixed, both_are_said)]
}

fn of_scim2_models() -> Vec<Row> {
    let home = json!({"type": "home", "value": "n@example.com"});
    let added = "we: RFC 7644 section 3.5.2.1, what does not exist is added; noTarget is of replace (3.5.2.3)";
    let boolean = "we: RFC 7643 section 2.3.2; text as a boolean is a matter of the client profile";
    let unknown = "open: unknown attributes are left out, as in a POST, or refused (RFC 7644 section 3.3)";
    vec![
        (op("add", "emails[type eq \"home\"].value", home["value"].clone()), "/resource/emails/1", home, error(), added),
        (op("replace", "active", json!("False")), "/resource/userName", error(), json!("joe"), boolean),
        (without_path("replace", json!({"titel": "x"})), "/resource/userName", json!("joe"), error(), unknown),
    ]
}

fn of_scim_patch() -> Vec<Row> {
    const DEPARTMENT: &str = "/resource/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/department";
    let x = || json!("x");
    let none = || Json::Null;
    let second = op("add", "emails", json!([{"type": "home", "value": "n@example.com", "primary": true}]));
    let selected = op("add", "emails[type eq \"home\" and display eq \"x\"].value", json!("n@example.com"));
    let created = json!({"display": "x", "type": "home", "value": "n@example.com"});
    let name = without_path("replace", json!({"name": {"givenName": "x"}}));
    let department = without_path("add", json!({(ENTERPRISE): {"department": "x"}}));
    let unknown = without_path("replace", json!({"titel": "x"}));
    let listed = op("remove", "members", json!([{"value": "1"}]));
    let moved = op("replace", "members[value eq \"1\"].value", json!("3"));
    let named = json!([{"value": "2"}, {"value": "3"}]);
    let not_false = "we: RFC 7644 section 3.5.2, the others SHALL be false";
    let no_case = "we: RFC 7643 section 2.1, names have no case";
    let left = "we: RFC 7644 section 3.5.2.3, sub-attributes that are not specified are left unchanged";
    let extension = "we: RFC 7643 section 3.3, the URN names the extension";
    let nobodys = "we: nobody's attributes are not kept; that they are left out is open, as in a POST (RFC 7644 section 3.3)";
    let no_value = "open: RFC 7644 section 3.5.2.2 knows no value; strict refuses it, as scim2-models does (P24)";
    let immutable = "we: RFC 7643 section 4.2, members.value is immutable (P18)";
    vec![
        (second, "/resource/emails/0/primary", none(), json!(true), not_false),
        (op("add", "Title", x()), "/resource/title", x(), none(), no_case),
        (name, "/resource/name/familyName", json!("b"), none(), left),
        (op("add", ENTERPRISE, json!({"department": "x"})), DEPARTMENT, x(), none(), "we: RFC 7644 section 3.10"),
        (department, DEPARTMENT, x(), none(), extension),
        (
            json!({ "op": "remove", "path": "userName" }),
            "/resource/userName",
            error(),
            none(),
            "we: RFC 7644 section 3.5.2.2, required",
        ),
        (op("replace", "id", x()), "/resource/id", error(), x(), "we: RFC 7644 section 3.5.2, read-only"),
        (op("replace", "titel", x()), "/resource/titel", error(), x(), "we: RFC 7644 table 9, invalidPath"),
        (unknown, "/resource/titel", none(), x(), nobodys),
        (op("replace", "active", json!("False")), "/resource/active", error(), json!("False"), "we: RFC 7643 section 2.3.2"),
        (selected, "/resource/emails/1", created, error(), "we: RFC 7644 section 3.5.2.1, what does not exist is added"),
        (listed, "/resource/members", error(), json!([{"value": "2"}]), no_value),
        (moved, "/resource/members", error(), named, immutable),
    ]
}

#[test]
fn where_others_make_other_resources() {
    let of = |oracle, rows: Vec<Row>| {
        rows.into_iter().map(move |(operation, about, ours, theirs, right)| {
            let on_group = operation["path"].as_str().is_some_and(|path| path.starts_with("members"));
            let resource = if on_group { team() } else { joe() };
            Disagreement { oracle, case: json!({ "resource": resource, "operations": [operation] }), about, ours, theirs, right }
        })
    };
    let rows: Vec<_> = of(Oracle::Npm, of_scim_patch())
        .chain(of(Oracle::Python, of_scim2_models()))
        .chain(of(Oracle::Npm, of_both()))
        .chain(of(Oracle::Python, of_both()))
        .collect();
    check(&rows, ours, plain);
}
