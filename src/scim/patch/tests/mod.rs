//! PATCH by the numbers of its rules, by the shapes that clients send, and on members.

#![expect(clippy::needless_pass_by_value, reason = "JSON literals as arguments read better without a borrow")]

mod clients;
mod members;
mod operations;
mod values;

use super::{PatchRequest, Patched, apply};
use crate::scim::message::{ScimError, ScimType, urn};
use crate::scim::profile::Profile;
use crate::scim::resource::Resource;
use crate::scim::schema::ResourceKind;
use crate::scim::value::{Object, Value};
use serde_json::json;

type Json = serde_json::Value;

pub(super) const ENTERPRISE: &str = urn::ENTERPRISE_USER;

pub(super) fn resource(kind: ResourceKind, mut body: Json) -> Resource {
    body["schemas"] = json!([kind.urn()]);
    Resource::from_body(kind, body.into(), Profile::Strict).unwrap().resource
}

pub(super) fn joe() -> Resource {
    resource(
        ResourceKind::User,
        json!({
            "userName": "joe", "externalId": "X1", "title": "Boss", "active": true,
            "name": { "givenName": "Joe", "familyName": "Bloggs" },
            "emails": [{ "value": "w@b.c", "type": "work", "primary": true }, { "value": "h@b.c", "type": "home" }],
            ENTERPRISE: { "department": "R&D", "manager": { "value": "27", "$ref": "../Users/27" } }
        }),
    )
}

fn request(operations: &Json) -> Json {
    json!({ "schemas": [urn::PATCH_OP], "Operations": operations })
}

pub(super) fn patch(current: &Resource, operations: &Json, profile: Profile) -> Result<Patched, ScimError> {
    let request = PatchRequest::parse(request(operations).into(), profile)?;
    let read_only: Object = [("id", "1")].into_iter().collect();
    apply(&request, current, &read_only, profile)
}

/// Applies operations to Joe and answers one attribute afterwards.
pub(super) fn after(operations: Json, profile: Profile, path: &str) -> Json {
    let patched = patch(&joe(), &operations, profile).unwrap_or_else(|error| panic!("{operations}: {error}"));
    patched.resource.get(path).cloned().unwrap_or_default().into()
}

fn refused(operations: Json, profile: Profile) -> ScimType {
    match patch(&joe(), &operations, profile) {
        Err(error) => error.scim_type.unwrap(),
        Ok(patched) => panic!("{operations}: {patched:?}"),
    }
}

fn one(op: &str, path: &str, value: Json) -> Json {
    json!([{ "op": op, "path": path, "value": value }])
}

fn strict(op: &str, path: &str, value: Json, shown: &str) -> Json {
    after(one(op, path, value), Profile::Strict, shown)
}
