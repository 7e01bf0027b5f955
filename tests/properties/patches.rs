//! The laws of PATCH.

use crate::operations::{operation, operations};
use crate::strategies::{ENTERPRISE, any_json, profile, user};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;
use vestibule::scim::message::{ScimError, urn};
use vestibule::scim::patch::{MemberChange, PatchRequest, Patched, apply};
use vestibule::scim::profile::Profile;
use vestibule::scim::resource::Resource;
use vestibule::scim::schema::ResourceKind;
use vestibule::scim::{Object, Value};

type Json = serde_json::Value;

fn patch(current: &Resource, operations: &[Json], profile: Profile) -> Result<Patched, ScimError> {
    let body = json!({ "schemas": [urn::PATCH_OP], "Operations": operations });
    let request = PatchRequest::parse(body.into(), profile)?;
    apply(&request, current, &Object::new(), profile)
}

/// What an operation can have touched: the first name of its path, or those of its value.
fn touched(operation: &Json) -> Vec<String> {
    let first = |path: &str| match path.strip_prefix(ENTERPRISE) {
        Some(_) => ENTERPRISE.to_owned(),
        None => path.split(['.', '[']).next().unwrap_or_default().to_lowercase(),
    };
    match (operation["path"].as_str(), operation["value"].as_object()) {
        (Some(path), _) => vec![first(path)],
        (None, Some(value)) => value.keys().map(|name| first(name)).collect(),
        (None, None) => Vec::new(),
    }
}

proptest! {
    #[test]
    fn p08_replacing_again_changes_nothing(user in user(), operation in operation("replace"), profile in profile()) {
        if let Ok(once) = patch(&user, std::slice::from_ref(&operation), profile) {
            // The selection of the path may no longer find what was replaced.
            if let Ok(twice) = patch(&once.resource, &[operation], profile) {
                prop_assert!(!twice.changed, "{:?}", twice.resource);
            }
        }
    }

    #[test]
    fn p06_p23_adding_again_changes_nothing(user in user(), operation in operation("add"), profile in profile()) {
        if let Ok(once) = patch(&user, std::slice::from_ref(&operation), profile)
            && let Ok(twice) = patch(&once.resource, &[operation], profile)
        {
            prop_assert!(!twice.changed, "{:?}", twice.resource);
        }
    }

    #[test]
    fn p23_removing_again_changes_nothing(user in user(), operation in operation("remove"), profile in profile()) {
        if let Ok(once) = patch(&user, std::slice::from_ref(&operation), profile) {
            let twice = patch(&once.resource, &[operation], profile).unwrap();
            prop_assert!(!twice.changed);
        }
    }

    #[test]
    fn p12_removing_what_was_added_restores(user in user(), profile in profile()) {
        let add = json!({ "op": "add", "path": "emails", "value": [{ "value": "new@b.c", "type": "other" }] });
        let remove = json!({ "op": "remove", "path": "emails[value eq \"new@b.c\"]" });
        let added = patch(&user, std::slice::from_ref(&add), profile).unwrap();
        prop_assert!(added.changed);
        let restored = patch(&added.resource, std::slice::from_ref(&remove), profile).unwrap();
        prop_assert_eq!(&restored.resource, &user);
        prop_assert!(!patch(&user, &[add, remove], profile).unwrap().changed);
    }

    #[test]
    fn p02_a_failing_operation_fails_the_request(user in user(), operations in operations(), at in 0..6_usize, profile in profile()) {
        let mut operations = operations;
        let at = at.min(operations.len());
        operations.insert(at, json!({ "op": "replace", "path": "active", "value": [1] }));
        prop_assert!(patch(&user, &operations, profile).is_err());
    }

    #[test]
    fn p03_a_request_is_its_operations_one_after_the_other(user in user(), operations in operations(), profile in profile()) {
        let mut step = Ok(user.clone());
        for operation in &operations {
            step = step.and_then(|current| patch(&current, std::slice::from_ref(operation), profile).map(|patched| patched.resource));
        }
        let whole = patch(&user, &operations, profile);
        prop_assert_eq!(whole.map(|patched| patched.resource).ok(), step.ok());
    }

    #[test]
    fn untouched_attributes_stay_untouched(user in user(), operations in operations(), profile in profile()) {
        let Ok(patched) = patch(&user, &operations, profile) else { return Ok(()) };
        let touched: Vec<String> = operations.iter().flat_map(touched).collect();
        let (before, after) = (user.as_object(), patched.resource.as_object());
        for (name, _) in before.iter().chain(after.iter()).filter(|(name, _)| *name != "schemas") {
            if !touched.iter().any(|touched| touched.eq_ignore_ascii_case(name)) {
                prop_assert_eq!(before.get(name), after.get(name), "{}", name);
            }
        }
        prop_assert_eq!(patched.changed, patched.resource != user);
    }

    #[test]
    fn what_comes_out_is_a_resource_that_a_post_could_have_made(user in user(), operations in operations(), profile in profile()) {
        let Ok(patched) = patch(&user, &operations, profile) else { return Ok(()) };
        let body = Value::Object(patched.resource.as_object().clone());
        let posted = Resource::replace(&patched.resource, body, Profile::Strict);
        prop_assert_eq!(posted.map(|posted| posted.resource), Ok(patched.resource));
    }

    #[test]
    fn any_json_is_carried_out_or_refused(user in user(), operations in vec(any_json(), 0..4), envelope in any_json(), profile in profile()) {
        let _ = patch(&user, &operations, profile);
        let _ = PatchRequest::parse(envelope.into(), profile);
        let named: Vec<Json> = operations.iter().map(|value| json!({ "op": "add", "value": value })).collect();
        if !named.is_empty() {
            let _ = patch(&user, &named, profile);
        }
    }
}

/// Carries the changes out on a set of ids, as the store does on its rows.
pub(crate) fn carry_out(members: &mut BTreeSet<String>, changes: Vec<MemberChange>) {
    for change in changes {
        match change {
            MemberChange::Add(added) => {
                members.extend(added.into_iter().map(|member| member.value));
            }
            MemberChange::Remove(ids) => members.retain(|id| !ids.contains(id)),
            MemberChange::RemoveMatching(filter) => members.retain(|id| {
                let member = Object::from_iter([("value", id.as_str())]);
                !filter.matches_element(&Value::Object(member))
            }),
            MemberChange::Clear => members.clear(),
            MemberChange::Replace(added) => {
                *members = added.into_iter().map(|member| member.value).collect();
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add(Vec<u8>),
    Remove(u8),
    RemoveListed(Vec<u8>),
    RemoveBut(u8),
    Clear,
    Replace(Vec<u8>),
}

impl Step {
    fn operation(&self) -> Json {
        let list = |ids: &[u8]| -> Json { ids.iter().map(|id| json!({ "value": id.to_string() })).collect() };
        match self {
            Self::Add(ids) => json!({ "op": "add", "path": "members", "value": list(ids) }),
            Self::Remove(id) => {
                json!({ "op": "remove", "path": format!("members[value eq \"{id}\"]") })
            }
            Self::RemoveListed(ids) => {
                json!({ "op": "Remove", "path": "members", "value": list(ids) })
            }
            Self::RemoveBut(id) => {
                json!({ "op": "remove", "path": format!("members[value ne \"{id}\"]") })
            }
            Self::Clear => json!({ "op": "remove", "path": "members" }),
            Self::Replace(ids) => json!({ "op": "replace", "path": "members", "value": list(ids) }),
        }
    }

    fn model(&self, members: &mut BTreeSet<String>) {
        let texts = |ids: &[u8]| -> BTreeSet<String> { ids.iter().map(u8::to_string).collect() };
        match self {
            Self::Add(ids) => members.extend(texts(ids)),
            Self::Remove(id) => {
                members.remove(&id.to_string());
            }
            Self::RemoveListed(ids) => members.retain(|id| !texts(ids).contains(id)),
            Self::RemoveBut(kept) => members.retain(|id| *id == kept.to_string()),
            Self::Clear => members.clear(),
            Self::Replace(ids) => *members = texts(ids),
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let id = || 0..8_u8;
    prop_oneof![
        4 => vec(id(), 0..4).prop_map(Step::Add),
        3 => id().prop_map(Step::Remove),
        2 => vec(id(), 0..4).prop_map(Step::RemoveListed),
        1 => id().prop_map(Step::RemoveBut),
        1 => Just(Step::Clear),
        1 => vec(id(), 0..4).prop_map(Step::Replace),
    ]
}

fn group() -> Resource {
    let body = json!({ "schemas": [urn::GROUP], "displayName": "G" });
    Resource::from_body(ResourceKind::Group, body.into(), Profile::Strict).expect("the body is a good one").resource
}

proptest! {
    #[test]
    fn p24_member_changes_are_the_operations_in_order(steps in vec(step(), 1..10), before in proptest::collection::btree_set("[0-7]", 0..8)) {
        let operations: Vec<Json> = steps.iter().map(Step::operation).collect();
        let patched = patch(&group(), &operations, Profile::Entra).unwrap();
        let mut members = before.clone();
        carry_out(&mut members, patched.members);
        let mut model = before;
        for step in &steps {
            step.model(&mut model);
        }
        prop_assert_eq!(members, model);
    }

    #[test]
    fn p24_members_that_are_not_named_are_unchanged(named in vec(0..4_u8, 0..5), profile in profile(), before in proptest::collection::btree_set("[0-7]", 0..8)) {
        let operations = [Step::RemoveListed(named.clone()).operation()];
        let mut members = before.clone();
        if let Ok(patched) = patch(&group(), &operations, profile) {
            carry_out(&mut members, patched.members);
        }
        for id in &before {
            let is_named = named.iter().any(|named| named.to_string() == *id);
            prop_assert!(is_named || members.contains(id), "{} is gone", id);
        }
    }
}
