//! Random PATCH operations on Users.

use crate::strategies::{ENTERPRISE, element, element_filter, elements, enterprise, json_text, name, some_of, some_text};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value as Json, json};

/// One PATCH operation on a User. Most are fit to be carried out.
pub(crate) fn operation(op: &'static str) -> BoxedStrategy<Json> {
    let name_value = prop_oneof![Just(json!(null)), name()];
    let selected = (select(vec!["emails", "phoneNumbers"]), element_filter(), option::of(select(vec!["value", "type", "display"])));
    let with_path = prop_oneof![
        (
            select(vec!["title", "nickName", "externalId", "name.givenName", "Name.FamilyName"]).prop_map(str::to_owned),
            prop_oneof![json_text(), Just(json!(null))]
        ),
        (Just("userName".to_owned()), some_text().prop_map(Json::from)),
        (Just("active".to_owned()), any::<bool>().prop_map(Json::from)),
        (Just("name".to_owned()), name_value),
        (select(vec!["emails", "phoneNumbers"]).prop_map(str::to_owned), prop_oneof![elements(), element()]),
        (Just("emails.display".to_owned()), json_text()),
        (Just(format!("{ENTERPRISE}:department")), json_text()),
        (Just(format!("{ENTERPRISE}:manager")), some_of(vec![("value", json_text()), ("$ref", json_text())])),
        (Just(ENTERPRISE.to_owned()), enterprise()),
        (selected, json_text(), element()).prop_map(|((name, filter, sub), text, element)| match sub {
            Some(sub) => (format!("{name}[{filter}].{sub}"), text),
            None => (format!("{name}[{filter}]"), element),
        }),
    ];
    let without_path = some_of(vec![
        ("title", json_text()),
        ("name.givenName", json_text()),
        ("emails", elements()),
        (ENTERPRISE, enterprise()),
        ("active", any::<bool>().prop_map(Json::from).boxed()),
    ]);
    if op == "remove" {
        return with_path.prop_map(move |(path, _)| json!({ "op": op, "path": path })).boxed();
    }
    prop_oneof![
        4 => with_path.prop_map(move |(path, value)| json!({ "op": op, "path": path, "value": value })),
        1 => without_path.prop_map(move |value| json!({ "op": op, "value": value })),
    ]
    .boxed()
}

/// A few operations of every kind.
pub(crate) fn operations() -> impl Strategy<Value = Vec<Json>> {
    vec(prop_oneof![operation("add"), operation("replace"), operation("remove")], 1..5)
}
