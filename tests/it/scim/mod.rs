//! The SCIM surface over HTTP, on both engines. Names begin with the assertion or the recorded request that they tell of.

mod concurrency;
mod cursors;
mod discovery;
mod entra;
mod entra_validator;
mod errors;
mod filters;
mod fixtures;
mod group_members;
pub(crate) mod groups;
mod linked;
mod lists;
mod log;
mod members;
mod nesting;
mod okta;
mod okta_spec;
mod patch;
mod portal;
mod rate;
mod roles;
mod rounds;
mod sanity;
mod search;
mod settings;
mod shown;
mod sorted;
mod statements;
mod tester;
mod tokens;
mod users;
mod versions;
mod walls;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use vestibule::directory::access;
use vestibule::directory::effective::EffectiveRole;
use vestibule::store::{Engine, LogQuery, LogRow};

use crate::support::http::{Answer, Scim};
use crate::support::world::{Tenant, World};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const LIST_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
/// An id that is nobody's.
const NOBODY: &str = "01900000-0000-7000-8000-000000000000";

/// A world with one tenant, whose directory has this client profile. Nobody signs in.
async fn directory(engine: Engine, profile: &str) -> (World, Tenant) {
    let world = World::empty(engine).await;
    let tenant = world.tenant("bluesky", profile, "http://127.0.0.1:1").await;
    (world, tenant)
}

/// The least that a User is made of.
fn user(name: &str) -> Value {
    json!({ "schemas": [USER], "userName": name })
}

fn group(name: &str, members: &[&str]) -> Value {
    let members: Vec<_> = members.iter().map(|id| json!({ "value": id })).collect();
    json!({ "schemas": [GROUP], "displayName": name, "members": members })
}

async fn make_user(scim: &Scim, name: &str) -> String {
    scim.post("/Users", &user(name)).await.expect(201).id()
}

async fn make_group(scim: &Scim, name: &str, members: &[&str]) -> String {
    scim.post("/Groups", &group(name, members)).await.expect(201).id()
}

/// The body of a PATCH request.
#[expect(clippy::needless_pass_by_value, reason = "reads as json! does")]
fn operations(operations: Value) -> Value {
    json!({ "schemas": [PATCH_OP], "Operations": operations })
}

/// The address of a list with a filter.
fn filtered(path: &str, filter: &str) -> String {
    let filter: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
    format!("{path}?filter={filter}")
}

/// The user names that a filter finds, in the order of the alphabet.
async fn found(scim: &Scim, filter: &str) -> Vec<String> {
    let list = scim.get(&filtered("/Users", filter)).await;
    assert_eq!(list.status, 200, "{filter}: {}", list.body);
    let mut names = names(&list, "userName");
    names.sort();
    names
}

fn names(list: &Answer, attribute: &str) -> Vec<String> {
    let resources = list.body["Resources"].as_array().unwrap();
    resources.iter().map(|one| one[attribute].as_str().unwrap().to_owned()).collect()
}

/// The ids of a group's members.
async fn members(scim: &Scim, group: &str) -> BTreeSet<String> {
    let group = scim.get(&format!("/Groups/{group}?attributes=members")).await.expect(200);
    let members = group.body["members"].as_array().cloned().unwrap_or_default();
    members.iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect()
}

/// These ids, to compare with [`members`].
fn ids<const N: usize>(ids: [&str; N]) -> BTreeSet<String> {
    ids.into_iter().map(ToOwned::to_owned).collect()
}

/// Checks that an answer is SCIM's error (RFC 7644 section 3.12) in every part; without a keyword `scim_type` is empty.
#[track_caller]
fn refused(answer: &Answer, status: u16, scim_type: &str) {
    let body = &answer.body;
    assert_eq!(answer.status, status, "{body}");
    assert_eq!(answer.headers["content-type"], "application/scim+json", "{body}");
    assert_eq!(body["schemas"], json!([ERROR]), "{body}");
    assert_eq!(body["status"], status.to_string(), "{body}");
    assert_eq!(body["scimType"].as_str().unwrap_or_default(), scim_type, "{body}");
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{body}");
    assert!(!answer.headers["x-request-id"].is_empty(), "{body}");
}

/// The provisioning log of the tenant's directory, oldest first.
async fn log_of(world: &World, tenant: &Tenant) -> Vec<LogRow> {
    let mut reader = world.app.store.read(tenant.id);
    let mut log = reader.provisioning_log(tenant.directory, &LogQuery::default(), 10_000).await.unwrap();
    log.reverse();
    log
}

/// The kinds of the events of a resource, oldest first.
async fn events_of(world: &World, tenant: &Tenant, id: &str) -> Vec<String> {
    let mut kinds = world.app.store.read(tenant.id).event_kinds(id.parse().unwrap()).await.unwrap();
    kinds.sort();
    kinds
}

/// What a login holds: `account: role`.
async fn roles_of(world: &World, tenant: &Tenant, id: &str) -> Vec<String> {
    let reach = access::reach(&world.app.store, tenant.id, id.parse().unwrap(), &world.app.rules).await.unwrap().unwrap();
    let mut told = Vec::new();
    for account in reach.tree().downwards() {
        // Where they were given: on the accounts below they count because of that.
        let given =
            |held: &EffectiveRole<'_>| held.counts() && held.causes.iter().any(|cause| cause.assignment.account_id == account.id);
        told.extend(
            reach.roles(account.id).iter().filter(|held| given(held)).map(|held| format!("{}: {}", account.name, held.role.key)),
        );
    }
    told.sort();
    told
}
