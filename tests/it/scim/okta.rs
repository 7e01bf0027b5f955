//! The requests of Okta, as recorded. The suite that it has every service pass is in `okta_spec.rs`.

use serde_json::{Value, json};

use super::{GROUP, NOBODY, PATCH_OP, USER, directory, ids, make_user, members, operations, refused};
use crate::support::http::{Answer, Scim};
use crate::support::world::on_every_engine;

fn posted() -> Value {
    json!({
        "schemas": [USER],
        "userName": "test.user@okta.local",
        "name": {"givenName": "Test", "familyName": "User"},
        "emails": [{"primary": true, "value": "test.user@okta.local", "type": "work"}],
        "displayName": "Test User", "locale": "en-US", "externalId": "00ujl29u0le5T6Aj10h7",
        "groups": [], "password": "1mz050nq", "active": true,
    })
}

/// A request with the headers that Okta sends.
async fn okta(scim: &Scim, method: reqwest::Method, path: &str, body: &Value) -> Answer {
    let request = scim
        .request(method, path)
        .header("user-agent", "Okta SCIM Client 1.0.0")
        .header("content-type", "application/scim+json; charset=utf-8")
        .header("accept", "application/scim+json")
        .header("accept-charset", "utf-8")
        .body(body.to_string());
    Scim::read(request.send().await.unwrap()).await
}

on_every_engine! {
    async fn k1_k2_k3_a_user_is_looked_up_made_replaced_and_deactivated(engine) {
        let (_world, tenant) = directory(engine, "okta").await;
        let scim = &tenant.scim;
        let lookup = "/Users?filter=userName%20eq%20%22test.user%40okta.local%22&startIndex=1&count=100";
        assert_eq!(scim.get(lookup).await.expect(200).body["totalResults"], 0);
        let made = okta(scim, reqwest::Method::POST, "/Users", &posted()).await.expect(201);
        for attribute in ["userName", "name", "emails", "displayName", "locale", "externalId", "active"] {
            assert_eq!(made.body[attribute], posted()[attribute], "{attribute}: an empty or partial answer is an error to Okta");
        }
        assert!(made.body.get("password").is_none() && made.body.get("groups").is_none());
        assert_eq!(scim.get(lookup).await.expect(200).body["Resources"], json!([made.body]));

        // AIW: what was read comes back whole, with what is read-only in it.
        let path = format!("/Users/{}", made.id());
        let team = okta(
            scim,
            reqwest::Method::POST,
            "/Groups",
            &json!({ "schemas": [GROUP], "displayName": "G", "members": [{"value": made.id()}] }),
        )
        .await
        .expect(201);
        let mut read = scim.get(&path).await.expect(200).body;
        assert_eq!(read["groups"][0]["value"], team.id());
        read["active"] = json!(false);
        let put = okta(scim, reqwest::Method::PUT, &path, &read).await.expect(200);
        assert_eq!((&put.body["active"], &put.body["groups"]), (&json!(false), &read["groups"]));
        // OIN: a PATCH without path, with a real boolean; K8: what is read back is what was said.
        let patched = okta(scim, reqwest::Method::PATCH, &path, &operations(json!([{"op": "replace", "value": {"active": true}}])))
            .await
            .expect(200);
        assert_eq!(patched.body["active"], true);
        assert_eq!(scim.get(&path).await.expect(200).body["active"], true);
        let password = operations(json!([{"op": "replace", "value": {"password": "n3w"}}]));
        assert_eq!(okta(scim, reqwest::Method::PATCH, &path, &password).await.expect(200).headers["etag"], patched.headers["etag"]);
    }

    async fn k4_a_rename_repeats_the_id_with_every_push(engine) {
        let (world, tenant) = directory(engine, "okta").await;
        let strict = world.tenant("redsky", "strict", "http://127.0.0.1:1").await;
        for scim in [&tenant.scim, &strict.scim] {
            let made =
                scim.post("/Groups", &json!({ "schemas": [GROUP], "displayName": "Test SCIMv2", "members": [] })).await.expect(201);
            let path = format!("/Groups/{}", made.id());
            let push = |id: &str, name: &str| operations(json!([{"op": "replace", "value": {"id": id, "displayName": name}}]));
            assert_eq!(scim.patch(&path, &push(&made.id(), "Test SCIMv2")).await.expect(204).headers["etag"], "W/\"1\"");
            scim.patch(&path, &push(&made.id(), "Renamed")).await.expect(204);
            assert_eq!(scim.get(&path).await.body["displayName"], "Renamed");
            refused(&scim.patch(&path, &push(NOBODY, "Other")).await, 400, "mutability");
        }
    }

    async fn k5_members_change_in_one_request_and_all_at_once(engine) {
        let (world, tenant) = directory(engine, "okta").await;
        let strict = world.tenant("redsky", "strict", "http://127.0.0.1:1").await;
        for scim in [&tenant.scim, &strict.scim] {
            let (one, two, three) = (make_user(scim, "one").await, make_user(scim, "two").await, make_user(scim, "three").await);
            let team = scim
                .post(
                    "/Groups",
                    &json!({ "schemas": [GROUP], "displayName": "Team", "members": [{"value": one}, {"value": three}] }),
                )
                .await
                .expect(201)
                .id();
            let path = format!("/Groups/{team}");
            let push = json!({ "schemas": [PATCH_OP], "Operations": [
                {"op": "remove", "path": format!("members[value eq \"{one}\"]")},
                {"op": "add", "path": "members", "value": [{"value": two, "display": "test.user2@okta.local"}]},
            ] });
            okta(scim, reqwest::Method::PATCH, &path, &push).await.expect(204);
            assert_eq!(members(scim, &team).await, ids([&two, &three]));
            let all = |value: Value| operations(json!([{"op": "replace", "path": "members", "value": value}]));
            okta(scim, reqwest::Method::PATCH, &path, &all(json!([{"value": one}, {"value": two}]))).await.expect(204);
            assert_eq!(members(scim, &team).await, ids([&one, &two]));
            okta(scim, reqwest::Method::PATCH, &path, &all(json!([]))).await.expect(204);
            assert_eq!(members(scim, &team).await, ids([]));
            let put = json!({ "schemas": [GROUP], "displayName": "Team", "members": [{"value": three, "display": "three"}] });
            okta(scim, reqwest::Method::PUT, &path, &put).await.expect(200);
            assert_eq!(members(scim, &team).await, ids([&three]));
        }
    }
}
