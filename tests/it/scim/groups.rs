//! Groups and their members.

use serde_json::{Value, json};
use vestibule::directory::held_roles;
use vestibule::model::{HolderId, LoginId};
use vestibule::work::recomputing::recompute;

use super::{
    GROUP, NOBODY, directory, events_of, group, ids, log_of, make_group, make_user, members, operations, refused, roles_of, user,
};
use crate::support::world::on_every_engine;

on_every_engine! {
    async fn r30_a_member_is_shown_with_address_name_and_type(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let joe = make_user(&tenant.scim, "joe").await;
        // Okta sends no type; what a client says of the member beside its id is the service's to say.
        let body = json!({ "schemas": [GROUP], "displayName": "Team", "externalId": "t1",
            "members": [{"value": joe, "display": "Somebody else", "$ref": "http://evil.example/Users/1"}] });
        let made = tenant.scim.post("/Groups", &body).await.expect(201);
        let address = format!("{}/Users/{joe}", tenant.scim.base);
        assert_eq!(made.body["members"], json!([{"value": joe, "$ref": address, "type": "User"}]));
        let named = tenant.scim.get(&format!("/Groups/{}?attributes=members.value,members.display", made.id())).await.expect(200);
        assert_eq!(named.body["members"], json!([{"value": joe, "display": "joe"}]));
        assert_eq!(made.body["externalId"], "t1");
        let location = format!("{}/Groups/{}", tenant.scim.base, made.id());
        assert_eq!(made.headers["location"], location.as_str());
        assert_eq!(tenant.scim.get(&format!("/Groups/{}", made.id())).await.expect(200).body, made.body);
        assert_eq!(events_of(&world, &tenant, &made.id()).await, ["group.created"]);
    }

    async fn r10_r11_a_body_that_is_no_group_writes_nothing(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        for body in [
            json!({ "schemas": [GROUP] }),
            json!({ "schemas": [GROUP], "displayName": "" }),
            json!({ "schemas": [GROUP], "displayName": ["Team"] }),
            json!({ "schemas": [GROUP], "displayName": "Team", "members": {} }),
            json!({ "schemas": [GROUP], "displayName": "Team", "members": [{"display": "joe"}] }),
            json!({ "schemas": [GROUP], "displayName": "Team", "members": ["joe"] }),
            group("Team", &[NOBODY]),
            group("Team", &["no id at all"]),
        ] {
            refused(&tenant.scim.post("/Groups", &body).await, 400, "invalidValue");
        }
        assert_eq!(tenant.scim.get("/Groups").await.body["totalResults"], 0);
        assert_eq!(log_of(&world, &tenant).await.len(), 8);
    }

    async fn r25_r26_put_replaces_the_members_and_a_body_without_them_clears_them(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        let (joe, jane, jim) = (make_user(scim, "joe").await, make_user(scim, "jane").await, make_user(scim, "jim").await);
        let team = make_group(scim, "Team", &[&joe, &jane]).await;
        let path = format!("/Groups/{team}");
        let put = scim.put(&path, &group("Team", &[&jane, &jim])).await.expect(200);
        assert_eq!(put.body["meta"]["version"], "W/\"2\"");
        assert_eq!(members(scim, &team).await, ids([&jane, &jim]));
        let same = scim.put(&path, &put.body).await.expect(200);
        assert_eq!(same.body, put.body, "what changes nothing keeps version and lastModified");
        refused(&scim.put(&path, &group("Team", &[&joe, NOBODY])).await, 400, "invalidValue");
        assert_eq!(members(scim, &team).await, ids([&jane, &jim]), "a refused PUT changes nothing");
        let bare = scim.put(&path, &json!({ "schemas": [GROUP], "displayName": "Crew" })).await.expect(200);
        assert_eq!((&bare.body["displayName"], bare.body.get("members")), (&json!("Crew"), None));
        let kinds = events_of(&world, &tenant, &team).await;
        assert_eq!(kinds, ["group.created", "group.members_changed", "group.members_changed", "group.updated"]);
    }

    async fn r27_a_deleted_group_is_gone_with_its_memberships(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let joe = make_user(&tenant.scim, "joe").await;
        let team = make_group(&tenant.scim, "Team", &[&joe]).await;
        let path = format!("/Groups/{team}");
        assert_eq!(tenant.scim.delete(&path).await.expect(204).body, Value::Null);
        refused(&tenant.scim.get(&path).await, 404, "");
        refused(&tenant.scim.delete(&path).await, 404, "");
        refused(&tenant.scim.put(&path, &group("Team", &[])).await, 404, "");
        refused(&tenant.scim.patch(&path, &operations(json!([{"op": "add", "path": "members", "value": []}]))).await, 404, "");
        assert_eq!(tenant.scim.get(&format!("/Users/{joe}")).await.expect(200).body.get("groups"), None);
        assert_eq!(tenant.scim.get("/Groups").await.body["totalResults"], 0);
        assert_eq!(events_of(&world, &tenant, &team).await, ["group.created", "group.deleted"]);
        make_group(&tenant.scim, "Team", &[&joe]).await;
    }

    async fn an_unknown_member_is_left_out_and_logged_where_the_profile_says_so(engine) {
        let (world, tenant) = directory(engine, "jumpcloud").await;
        let joe = make_user(&tenant.scim, "joe").await;
        let team = make_group(&tenant.scim, "Team", &[&joe, NOBODY]).await;
        let add = json!([{"op": "add", "path": "members", "value": [{"value": "nobody"}, {"value": NOBODY}]}]);
        tenant.scim.patch(&format!("/Groups/{team}"), &operations(add)).await.expect(204);
        tenant.scim.put(&format!("/Groups/{team}"), &group("Team", &[&joe, NOBODY])).await.expect(200);
        assert_eq!(members(&tenant.scim, &team).await, ids([&joe]));
        let log = log_of(&world, &tenant).await;
        for entry in &log[1..] {
            assert_eq!(entry.coercions, ["unknown-member: members"], "{entry:?}");
        }
    }

    async fn l14_l15_a_group_of_1500_costs_members_only_where_they_are_wanted(engine) {
        let (world, tenant) = directory(engine, "entra").await;
        let scim = &tenant.scim;
        let crowd = crowd(scim, 1_500).await;
        let all: Vec<_> = crowd.iter().map(String::as_str).collect();
        let all_ids: Vec<LoginId> = crowd.iter().map(|id| id.parse().unwrap()).collect();
        let admins = scim.post("/Groups", &group("Cloud-EMEA-Admins", &all)).await.expect(201);
        assert_eq!(admins.body["members"].as_array().unwrap().len(), 1_500);
        let path = format!("/Groups/{}", admins.id());
        for without in ["/Groups?excludedAttributes=members", &format!("{path}?excludedAttributes=members")] {
            let answer = scim.get(without).await.expect(200);
            assert!(!answer.body.to_string().contains("members"), "{without}");
        }
        for probe in [0, 749, 999, 1_000, 1_499] {
            assert_eq!(roles_of(&world, &tenant, &crowd[probe]).await, ["EMEA: administrator"], "{probe}");
        }

        // One PATCH takes 1 400 out and renames the group; the others lose what the name gave them.
        let out: Vec<_> = crowd[..1_400].iter().map(|id| json!({ "value": id })).collect();
        let patch = operations(json!([{"op": "remove", "path": "members", "value": out}]));
        scim.patch(&path, &patch).await.expect(204);
        assert_eq!(members(scim, &admins.id()).await.len(), 100);
        assert_eq!(holders(&world, &tenant, &crowd).await, crowd[1_400..]);
        let back: Vec<_> = crowd[..1_400].iter().map(|id| json!({ "value": id })).collect();
        scim.patch(&path, &operations(json!([{"op": "add", "path": "members", "value": back}]))).await.expect(204);
        assert_eq!(holders(&world, &tenant, &crowd).await, crowd);
        scim.patch(&path, &operations(json!([{"op": "replace", "path": "displayName", "value": "Others"}]))).await.expect(204);
        assert_eq!(holders(&world, &tenant, &crowd).await, [""; 0]);
        scim.patch(&path, &operations(json!([{"op": "replace", "path": "displayName", "value": "cloud-emea-admins"}])))
            .await
            .expect(204);
        assert_eq!(holders(&world, &tenant, &crowd).await, crowd);
        // So far nothing was written down but that it is still to be. The work behind it changes what is written, and nothing that counts.
        let written = async || world.app.store.read(tenant.id).rule_assignments(&all_ids).await.unwrap().len();
        let holder = HolderId::new(world.app.clock.now());
        let work = async || recompute(&world.app.store, &world.app.clock, &world.app.rules, holder).await.unwrap();
        assert_eq!(written().await, 0);
        work().await;
        assert_eq!((written().await, holders(&world, &tenant, &crowd).await), (1_500, crowd.clone()));
        scim.delete(&path).await.expect(204);
        assert_eq!((written().await, holders(&world, &tenant, &crowd).await), (1_500, Vec::new()));
        work().await;
        assert_eq!((written().await, holders(&world, &tenant, &crowd).await), (0, Vec::new()));
    }
}

/// Makes this many users, eight at a time; answers their ids in order.
pub(crate) async fn crowd(scim: &crate::support::http::Scim, count: usize) -> Vec<String> {
    let mut makers = tokio::task::JoinSet::new();
    for worker in 0..8 {
        let scim = scim.clone();
        makers.spawn(async move {
            let mut ids = Vec::new();
            for number in (worker..count).step_by(8) {
                ids.push(scim.post("/Users?attributes=id", &user(&format!("user{number}"))).await.expect(201).id());
            }
            ids
        });
    }
    let mut ids = makers.join_all().await.concat();
    ids.sort();
    ids
}

/// Which of these logins hold a role.
async fn holders(world: &crate::support::world::World, tenant: &crate::support::world::Tenant, ids: &[String]) -> Vec<String> {
    let logins: Vec<_> = ids.iter().map(|id| id.parse().unwrap()).collect();
    let held = held_roles(&mut world.app.store.read(tenant.id), &world.app.rules, &logins).await.unwrap();
    let mut holders: Vec<_> = held.into_iter().map(|row| row.login_id.to_string()).collect();
    holders.sort();
    holders
}
