//! The wall between directories: an id means something in its own only.

use serde_json::{Value, json};

use super::{USER, directory, filtered, found, group, ids, make_group, make_user, members, operations, refused, roles_of, user};
use crate::support::world::on_every_engine;

on_every_engine! {
    async fn z01_an_external_id_never_names_anybody_else(engine) {
        let (_world, tenant) = directory(engine, "entra").await;
        let scim = &tenant.scim;
        let joe = make_user(scim, "joe").await;
        for external in ["1", "0", "../", "null", "true", &joe, "00000000-0000-0000-0000-000000000000"] {
            let body = json!({ "schemas": [USER], "userName": format!("user {external}"), "externalId": external });
            let made = scim.post("/Users", &body).await.expect(201);
            assert_ne!(made.id(), joe);
            assert_eq!(found(scim, &format!("externalId eq \"{external}\"")).await, [format!("user {external}")]);
            if external != joe {
                refused(&scim.get(&format!("/Users/{}", external.replace('/', "%2F").replace("..", "%252e%252e"))).await, 404, "");
            }
        }
        let read = scim.get(&format!("/Users/{joe}")).await.expect(200);
        assert_eq!((&read.body["userName"], read.body.get("externalId")), (&json!("joe"), None));
    }

    async fn z01_z03_what_looks_like_another_users_id_is_none_as_member_manager_or_role(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        let joe = make_user(scim, "joe").await;
        let external = |name: &str, external: &str| json!({ "schemas": [USER], "userName": name, "externalId": external });
        // One user is called by the others' ids, by numbers, and by paths.
        let mut odd = Vec::new();
        for external_id in ["1", "0", "../", &joe] {
            let id = scim.post("/Users", &external(&format!("user {external_id}"), external_id)).await.expect(201).id();
            odd.push((external_id.to_owned(), id));
        }
        let team = make_group(scim, "Cloud-EMEA-Admins", &[]).await;
        for (external_id, id) in &odd {
            let value = json!([{"op": "add", "path": "members", "value": [{"value": external_id}]}]);
            let answer = scim.patch(&format!("/Groups/{team}"), &operations(value)).await;
            if external_id == &joe {
                // An id is an id: joe came in, and not who has it as externalId.
                answer.expect(204);
                assert_eq!(members(scim, &team).await, ids([joe.as_str()]));
            } else {
                refused(&answer, 400, "invalidValue");
            }
            assert_eq!(roles_of(&world, &tenant, id).await, [""; 0]);
            for filter in ["members.value", "members"] {
                let found = scim.get(&filtered("/Groups", &format!("{filter} eq \"{id}\""))).await.expect(200);
                assert_eq!(found.body["totalResults"], 0, "{external_id}");
            }
            assert_eq!(found(scim, &format!("id eq \"{external_id}\"")).await.len(), usize::from(external_id == &joe));
            // A manager is text for whoever reads it; it gives the one nothing and names the other to nobody.
            let mut body = external(&format!("worker of {external_id}"), "w");
            body["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"] = json!({ "manager": { "value": external_id } });
            scim.post("/Users", &body).await.expect(201);
        }
        assert_eq!(roles_of(&world, &tenant, &joe).await, ["EMEA: administrator"]);
        assert_eq!(scim.get(&format!("/Users/{joe}")).await.body["meta"]["version"], "W/\"1\"");
    }

    async fn z02_an_address_that_somebody_has_makes_somebody_else(engine) {
        let (_world, tenant) = directory(engine, "entra").await;
        let scim = &tenant.scim;
        let with_address = |name: &str| {
            json!({ "schemas": [USER], "userName": name, "emails": [{ "value": "joe@bluesky.example", "primary": true }] })
        };
        let first = scim.post("/Users", &with_address("joe")).await.expect(201).id();
        let second = scim.post("/Users", &with_address("joe@bluesky.example")).await.expect(201).id();
        assert_ne!(first, second);
        assert_eq!(found(scim, "emails.value eq \"joe@bluesky.example\"").await, ["joe", "joe@bluesky.example"]);
        scim.delete(&format!("/Users/{second}")).await.expect(204);
        assert_eq!(scim.get(&format!("/Users/{first}")).await.expect(200).body["meta"]["version"], "W/\"1\"");
    }

    async fn z03_z06_a_group_named_like_a_role_gives_nothing(engine) {
        let (world, tenant) = directory(engine, "okta").await;
        let scim = &tenant.scim;
        let joe = make_user(scim, "joe").await;
        for name in ["administrator", "Administrator", "admins", "bluesky", "EMEA", "EMEA administrators", "operator", "root"] {
            make_group(scim, name, &[&joe]).await;
        }
        let claim = json!([{"op": "add", "path": "roles", "value": [{"value": "administrator", "primary": true}]}]);
        scim.patch(&format!("/Users/{joe}"), &operations(claim)).await.expect(200);
        let claim = json!([{"op": "add", "path": "entitlements", "value": [{"value": "administrator"}]}]);
        scim.patch(&format!("/Users/{joe}"), &operations(claim)).await.expect(200);
        assert_eq!(roles_of(&world, &tenant, &joe).await, [""; 0]);
        make_group(scim, "cloud-emea-ADMINS", &[&joe]).await;
        assert_eq!(roles_of(&world, &tenant, &joe).await, ["EMEA: administrator"], "a rule names this one");
    }

    async fn r33_z04_ids_of_another_tenant_are_unknown_in_every_place(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let other = world.tenant("redsky", "strict", "http://127.0.0.1:1").await;
        let (mine, theirs) = (make_user(&tenant.scim, "joe").await, make_user(&other.scim, "joe").await);
        let their_team = make_group(&other.scim, "Team", &[&theirs]).await;
        let my_team = make_group(&tenant.scim, "Team", &[&mine]).await;
        let scim = &tenant.scim;
        for path in [format!("/Users/{theirs}"), format!("/Groups/{their_team}")] {
            refused(&scim.get(&path).await, 404, "");
            refused(&scim.put(&path, &user("x")).await, 404, "");
            refused(&scim.patch(&path, &operations(json!([]))).await, 404, "");
            refused(&scim.delete(&path).await, 404, "");
        }
        refused(&scim.post("/Groups", &group("Crew", &[&theirs])).await, 400, "invalidValue");
        let add = operations(json!([{"op": "add", "path": "members", "value": [{"value": theirs}]}]));
        refused(&scim.patch(&format!("/Groups/{my_team}"), &add).await, 400, "invalidValue");
        let remove = operations(json!([{"op": "remove", "path": format!("members[value eq \"{theirs}\"]")}]));
        scim.patch(&format!("/Groups/{my_team}"), &remove).await.expect(204);
        assert_eq!(members(&other.scim, &their_team).await.len(), 1);
        assert_eq!(members(scim, &my_team).await.len(), 1);
        let theirs = other.scim.get(&format!("/Users/{theirs}")).await.expect(200);
        assert_eq!(theirs.body["meta"]["version"], "W/\"1\"");
    }

    async fn z07_a_deleted_user_is_404_and_comes_back_as_somebody_new(engine) {
        let (_world, tenant) = directory(engine, "entra").await;
        let scim = &tenant.scim;
        let body = json!({ "schemas": [USER], "userName": "joe", "externalId": "1" });
        let first = scim.post("/Users", &body).await.expect(201).id();
        scim.delete(&format!("/Users/{first}")).await.expect(204);
        let on = operations(json!([{"op": "Replace", "path": "active", "value": "True"}]));
        refused(&scim.patch(&format!("/Users/{first}"), &on).await, 404, "");
        assert_eq!(found(scim, "externalId eq \"1\"").await, [""; 0]);
        let second = scim.post("/Users", &body).await.expect(201);
        assert_ne!(second.id(), first);
        assert_eq!((&second.body["meta"]["version"], second.body.get("groups")), (&json!("W/\"1\""), None));
        assert_eq!(scim.get(&format!("/Users/{first}")).await.expect(404).body["status"], Value::from("404"));
    }
}
