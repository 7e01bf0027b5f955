//! Filters that may find somebody: their literals are ids and texts that are there.

use proptest::prelude::*;
use proptest::sample::select;
use vestibule::scim::filter::{CompareOp, Filter, Literal};

use super::strategies::{ENTERPRISE, combined, compare, path, text_comparison, time_comparison, user_leaf};

/// Comparisons with ids that are there, and with parts and other spellings of them.
fn id_comparison(ids: Vec<String>) -> impl Strategy<Value = (CompareOp, Literal)> {
    (select(&CompareOp::ALL[..]), select(ids), 0..4_u8).prop_map(|(op, id, how)| {
        let text = match how {
            0 => id.to_uppercase(),
            1 => id.chars().skip(20).collect(),
            _ => id,
        };
        (op, Literal::String(text))
    })
}

/// Filters over Users, who and whose groups have these ids.
pub(super) fn users_filter(users: Vec<String>, groups: Vec<String>) -> BoxedStrategy<Filter> {
    let version =
        (select(&CompareOp::ALL[..]), 1..12_i64).prop_map(|(op, version)| (op, Literal::String(format!("W/\"{version}\""))));
    let schema = (select(&CompareOp::ALL[..]), select(vec![ENTERPRISE, "urn:", "User"]))
        .prop_map(|(op, urn)| (op, Literal::String(urn.to_owned())));
    let in_group = (id_comparison(groups.clone()), text_comparison()).prop_map(|(id, display)| Filter::ValuePath {
        path: path(None, "groups", None),
        filter: Box::new(Filter::And(vec![
            compare(path(None, "value", None), id),
            Filter::Not(Box::new(compare(path(None, "display", None), display))),
        ])),
        then: None,
    });
    let kinds = select(vec!["direct", "Indirect"]).prop_map(|kind| (CompareOp::Eq, Literal::String(kind.to_owned())));
    let how_in_group = (id_comparison(groups.clone()), kinds).prop_map(|(id, kind)| Filter::ValuePath {
        path: path(None, "groups", None),
        filter: Box::new(Filter::And(vec![compare(path(None, "value", None), id), compare(path(None, "type", None), kind)])),
        then: None,
    });
    let kind = (select(&CompareOp::ALL[..]), select(vec!["direct", "DIRECT", "d", "indirect", ""]))
        .prop_map(|(op, kind)| (op, Literal::String(kind.to_owned())));
    let present = select(vec![
        path(None, "meta", None),
        path(None, "meta", Some("version")),
        path(None, "meta", Some("created")),
        path(None, "groups", Some("type")),
        path(None, "schemas", None),
        path(None, "emails", Some("primary")),
        path(Some(ENTERPRISE), "manager", Some("$ref")),
    ]);
    let leaf = prop_oneof![
        12 => user_leaf(),
        1 => id_comparison(users).prop_map(|comparison| compare(path(None, "id", None), comparison)),
        1 => id_comparison(groups).prop_map(|comparison| compare(path(None, "groups", None), comparison)),
        1 => in_group,
        2 => how_in_group,
        1 => kind.prop_map(|comparison| compare(path(None, "groups", Some("type")), comparison)),
        1 => time_comparison().prop_map(|comparison| compare(path(None, "meta", Some("lastModified")), comparison)),
        1 => version.prop_map(|comparison| compare(path(None, "meta", Some("version")), comparison)),
        1 => schema.prop_map(|comparison| compare(path(None, "schemas", None), comparison)),
        1 => present.prop_map(|path| Filter::Present { path }),
    ];
    combined(leaf.boxed(), 3)
}

/// Filters over Groups, which and whose members have these ids.
pub(super) fn groups_filter(users: Vec<String>, groups: Vec<String>) -> BoxedStrategy<Filter> {
    let text = select(vec![
        path(None, "displayName", None),
        path(None, "externalId", None),
        path(None, "members", Some("display")),
        path(None, "meta", Some("resourceType")),
    ]);
    let anybody: Vec<_> = users.into_iter().chain(groups.clone()).collect();
    let member = (id_comparison(anybody.clone()), text_comparison(), any::<bool>()).prop_map(|(id, display, both)| {
        let parts = vec![compare(path(None, "value", None), id), compare(path(None, "display", None), display)];
        let filter = if both { Filter::And(parts) } else { Filter::Or(parts) };
        Filter::ValuePath { path: path(None, "members", None), filter: Box::new(filter), then: None }
    });
    let kind = (select(&CompareOp::ALL[..]), select(vec!["User", "u", "Group"]))
        .prop_map(|(op, kind)| (op, Literal::String(kind.to_owned())));
    let present = select(vec![
        path(None, "members", None),
        path(None, "members", Some("display")),
        path(None, "externalId", None),
        path(None, "displayName", None),
        path(None, "meta", None),
        path(None, "id", None),
    ]);
    let leaf = prop_oneof![
        4 => (text, text_comparison()).prop_map(|(path, comparison)| compare(path, comparison)),
        1 => id_comparison(groups).prop_map(|comparison| compare(path(None, "id", None), comparison)),
        2 => id_comparison(anybody).prop_map(|comparison| compare(path(None, "members", Some("value")), comparison)),
        1 => member,
        1 => kind.prop_map(|comparison| compare(path(None, "members", Some("type")), comparison)),
        1 => time_comparison().prop_map(|comparison| compare(path(None, "meta", Some("created")), comparison)),
        1 => present.prop_map(|path| Filter::Present { path }),
    ];
    combined(leaf.boxed(), 3)
}
