//! How many statements a change of members costs.

use serde_json::{Value, json};
use vestibule::directory::Caller;
use vestibule::directory::provision::Provisioning;
use vestibule::model::{Actor, GroupId, LoginId, LoginKind, PersonId, Slot};
use vestibule::provisioning::{self, Endpoint, Precondition};
use vestibule::scim::fold::{FOLDING_VERSION, fold};
use vestibule::scim::profile::Profile;
use vestibule::scim::project::Projection;
use vestibule::scim::schema::ResourceKind;
use vestibule::store::{LoginDocument, NewLogin};

use super::{directory, make_group, make_user, operations};
use crate::support::statements::statements_of;
use crate::support::world::{Tenant, World, on_every_engine};

/// Puts `count` people into a group, past the API.
async fn fill(world: &World, tenant: &Tenant, group: &str, count: usize) {
    let now = world.app.clock.now();
    let account = world.app.store.read(tenant.id).directories().await.unwrap().remove(0).home_account_id;
    let mut writer = world.app.store.write(tenant.id).await.unwrap();
    let mut crowd = Vec::new();
    for number in 0..count {
        let name = format!("{group} {number}");
        let document = LoginDocument {
            other_user_name_key: None,
            user_name: name.clone(),
            user_name_key: fold(&name),
            folding: FOLDING_VERSION,
            external_id: None,
            active: true,
            scim: json!({ "userName": name }),
            search: json!({ "userName": fold(&name), "active": true }),
            emails: Vec::new(),
        };
        let person_id = PersonId::new(now);
        writer.insert_person(person_id, now).await.unwrap();
        let new = NewLogin {
            id: LoginId::new(now),
            person_id,
            slot: Slot::One,
            kind: LoginKind::Byoi,
            directory_id: Some(tenant.directory),
            connection_id: None,
            home_account_id: account,
            namespace: tenant.directory.uuid(),
            document: &document,
        };
        writer.insert_login(&new, now).await.unwrap();
        crowd.push(new.id);
    }
    let group: GroupId = group.parse().unwrap();
    assert_eq!(writer.add_members(group, &crowd).await.unwrap().len(), count);
    writer.commit().await.unwrap();
}

/// How many statements one PATCH of a group runs.
async fn cost(world: &World, tenant: &Tenant, group: &str, operation: Value) -> usize {
    let directory = world.app.store.read(tenant.id).directories().await.unwrap().remove(0);
    let endpoint = Endpoint {
        to: Provisioning {
            store: &world.app.store,
            tenant: tenant.id,
            directory: &directory,
            caller: Caller { actor: Actor::System, now: world.app.clock.now(), request_id: None },
            sealer: &world.app.sealer,
            rules: &world.app.rules,
        },
        profile: Profile::Okta,
        tolerance: Profile::Okta.tolerance(),
        noted: &[],
        base: "https://scim.example",
        precondition: &Precondition::None,
    };
    let body = operations(json!([operation])).into();
    let patch = provisioning::patch(&endpoint, ResourceKind::Group, group, body, &Projection::Default);
    let (written, statements) = statements_of(patch).await;
    written.unwrap();
    statements.len()
}

on_every_engine! {
    async fn p28_a_member_costs_as_many_statements_in_a_group_of_10_and_of_3000(engine) {
        let (world, tenant) = directory(engine, "okta").await;
        let scim = &tenant.scim;
        let (joe, inner) = (make_user(scim, "joe").await, make_group(scim, "Inner", &[]).await);
        let mut costs = Vec::new();
        for size in [10, 3_000] {
            let group = make_group(scim, "Cloud-EMEA-Admins", &[]).await;
            fill(&world, &tenant, &group, size).await;
            let listed = |id: &str| json!([{ "value": id }]);
            let mut of_size = Vec::new();
            for operation in [
                json!({"op": "add", "path": "members", "value": listed(&joe)}),
                json!({"op": "add", "path": "members", "value": listed(&joe)}),
                json!({"op": "remove", "path": "members", "value": listed(&joe)}),
                json!({"op": "add", "path": format!("members[value eq \"{joe}\"]"), "value": {}}),
                json!({"op": "remove", "path": format!("members[value eq \"{joe}\" and type eq \"User\"]")}),
                json!({"op": "add", "path": "members", "value": listed(&inner)}),
                json!({"op": "remove", "path": "members", "value": listed(&inner)}),
            ] {
                of_size.push(cost(&world, &tenant, &group, operation).await);
            }
            costs.push(of_size);
        }
        assert_eq!(costs[0], costs[1], "whatever the size of the group");
        // Read, rules, group, who it is, the login, its row; facts, roles, events, log; and read again. A group begins once again.
        assert!(costs[0][..5].iter().all(|cost| (8..=24).contains(cost)), "{costs:?}");
        assert!(costs[0][5..].iter().all(|cost| (8..=32).contains(cost)), "{costs:?}");
    }
}
