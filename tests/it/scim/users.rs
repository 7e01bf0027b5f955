//! Users: made, read, replaced, deleted.

use serde_json::{Value, json};

use super::{
    ENTERPRISE, GROUP, NOBODY, USER, directory, filtered, found, log_of, make_group, make_user, operations, refused, user,
};
use crate::support::world::on_every_engine;

on_every_engine! {
    async fn r01_r02_a_user_is_made_and_read_back(engine) {
        let (_world, tenant) = directory(engine, "entra").await;
        let made = tenant
            .scim
            .post(
                "/Users",
                &json!({
                    "schemas": [USER],
                    "userName": "Joe.Bloggs@bluesky.example",
                    "externalId": "joe",
                    "emails": [{"primary": true, "type": "work", "value": "joe@bluesky.example"}],
                }),
            )
            .await
            .expect(201);
        let id = made.id();
        let location = format!("{}/Users/{id}", tenant.scim.base);
        assert_eq!(made.headers["location"], location.as_str());
        assert_eq!(made.body["meta"]["location"], location.as_str());
        assert_eq!(made.headers["etag"], made.body["meta"]["version"].as_str().unwrap());
        assert_eq!(made.body["meta"]["resourceType"], "User");
        assert_eq!(made.body["meta"]["created"], made.body["meta"]["lastModified"]);
        let created = made.body["meta"]["created"].as_str().unwrap();
        assert!(chrono::DateTime::parse_from_rfc3339(created).is_ok(), "{created}");
        assert_eq!(made.body["active"], true);
        let read = tenant.scim.get(&format!("/Users/{id}")).await.expect(200);
        assert_eq!(read.body, made.body);
        assert_eq!(read.headers["etag"], made.headers["etag"]);
    }

    async fn r03_r23_r32_what_the_service_says_itself_is_ignored_in_bodies(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let claimed = json!({
            "schemas": [USER],
            "id": "bulkId:1",
            "userName": "joe",
            "meta": {"resourceType": "Widget", "version": "W/\"99\"", "created": "1999-01-01T00:00:00Z"},
            "groups": [{"value": NOBODY, "display": "Admins"}],
        });
        let made = tenant.scim.post("/Users", &claimed).await.expect(201);
        let id = made.id();
        assert_eq!(uuid::Uuid::parse_str(&id).unwrap().get_version_num(), 7);
        assert_eq!(made.body["meta"]["resourceType"], "User");
        assert_eq!(made.body["meta"]["version"], "W/\"1\"");
        assert_eq!(made.body.get("groups"), None);
        // In a PUT too, and another id in the body is no other user.
        let put = tenant.scim.put(&format!("/Users/{id}"), &claimed).await.expect(200);
        assert_eq!(put.body, made.body);
    }

    async fn r04_schemas_must_be_there_unless_the_profile_infers_them(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        refused(&tenant.scim.post("/Users", &json!({ "userName": "joe" })).await, 400, "invalidSyntax");
        refused(&tenant.scim.post("/Users", &json!({ "schemas": [GROUP], "userName": "joe" })).await, 400, "invalidSyntax");
        refused(&tenant.scim.post("/Users", &json!({ "schemas": "User", "userName": "joe" })).await, 400, "invalidSyntax");
        let lenient = world.tenant("redsky", "entra", "http://127.0.0.1:1").await;
        let made = lenient.scim.post("/Users", &json!({ "userName": "joe" })).await.expect(201);
        assert_eq!(made.body["schemas"], json!([USER]));
        assert_eq!(log_of(&world, &lenient).await[0].coercions, ["missing-schemas: schemas"]);
    }

    async fn r05_r06_null_empty_and_absent_are_one_state(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let made = tenant
            .scim
            .post(
                "/Users",
                &json!({
                    "schemas": [USER, ENTERPRISE],
                    "userName": "joe",
                    "title": null,
                    "emails": [],
                    "name": null,
                    "addresses": null,
                    (ENTERPRISE): {"department": null},
                }),
            )
            .await
            .expect(201);
        let plain = tenant.scim.post("/Users", &user("jane")).await.expect(201);
        let keys = |body: &Value| body.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&made.body), keys(&plain.body));
        assert_eq!(made.body["schemas"], json!([USER]), "an extension without data is not listed");
        let filled = json!({ "schemas": [USER, ENTERPRISE], "userName": "joe", (ENTERPRISE): {"department": "Sales"} });
        let filled = tenant.scim.put(&format!("/Users/{}", made.id()), &filled).await.expect(200);
        assert_eq!(filled.body["schemas"], json!([USER, ENTERPRISE]));
        assert_eq!(filled.body[ENTERPRISE], json!({ "department": "Sales" }));
    }

    async fn r07_r08_a_user_name_is_unique_in_any_spelling_until_it_is_deleted(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let id = make_user(&tenant.scim, "Jos\u{e9}.Stra\u{df}e").await;
        for same in ["jos\u{e9}.stra\u{df}e", "JOSE\u{301}.STRASSE", "\u{ff2a}os\u{e9}.strasse"] {
            refused(&tenant.scim.post("/Users", &user(same)).await, 409, "uniqueness");
        }
        assert_eq!(found(&tenant.scim, "userName pr").await.len(), 1);
        // In another directory the name is free.
        let other = world.tenant("redsky", "strict", "http://127.0.0.1:1").await;
        make_user(&other.scim, "Jos\u{e9}.Stra\u{df}e").await;
        // PUT to a taken name is refused and changes nothing.
        let jane = make_user(&tenant.scim, "jane").await;
        refused(&tenant.scim.put(&format!("/Users/{jane}"), &user("JOS\u{c9}.STRASSE")).await, 409, "uniqueness");
        assert_eq!(tenant.scim.get(&format!("/Users/{jane}")).await.body["userName"], "jane");
        tenant.scim.delete(&format!("/Users/{id}")).await.expect(204);
        let again = make_user(&tenant.scim, "jos\u{e9}.strasse").await;
        assert_ne!(again, id, "an id is never used again");
    }

    async fn r09_an_external_id_need_not_be_unique(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        for name in ["joe", "jane"] {
            let body = json!({ "schemas": [USER], "userName": name, "externalId": "1" });
            tenant.scim.post("/Users", &body).await.expect(201);
        }
        assert_eq!(found(&tenant.scim, "externalId eq \"1\"").await, ["jane", "joe"]);
    }

    async fn r10_r11_r13_a_body_that_is_no_user_writes_nothing(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let wrong = [
            json!({ "schemas": [USER] }),
            json!({ "schemas": [USER], "userName": "" }),
            json!({ "schemas": [USER], "userName": null }),
            json!({ "schemas": [USER], "userName": 7 }),
            json!({ "schemas": [USER], "userName": "joe", "active": "yes" }),
            json!({ "schemas": [USER], "userName": "joe", "emails": {"value": "a@b.c"} }),
            json!({ "schemas": [USER], "userName": "joe", "name": "Joe" }),
            json!({ "schemas": [USER], "userName": "joe", "title": ["x"] }),
            json!({ "schemas": [USER], "userName": "joe", "emails": [
                {"value": "a@b.c", "type": "work", "primary": true}, {"value": "d@e.f", "type": "home", "primary": true}] }),
        ];
        for body in &wrong {
            refused(&tenant.scim.post("/Users", body).await, 400, "invalidValue");
        }
        refused(&tenant.scim.post("/Users", &json!([user("joe")])).await, 400, "invalidSyntax");
        let list = tenant.scim.get("/Users").await.expect(200);
        assert_eq!((&list.body["totalResults"], &list.body["Resources"]), (&json!(0), &json!([])));
        let log = log_of(&world, &tenant).await;
        assert_eq!(log.len(), wrong.len() + 1);
        assert!(log.iter().all(|entry| entry.status == 400 && entry.operation == "create" && entry.resource_id.is_none()));
    }

    async fn r14_a_password_is_never_shown_nor_found(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let body = json!({ "schemas": [USER], "userName": "joe", "password": "1mz050nq" });
        let made = tenant.scim.post("/Users", &body).await.expect(201);
        let path = format!("/Users/{}", made.id());
        let shown = tenant.scim.get(&format!("{path}?attributes=password,userName")).await.expect(200);
        assert_eq!(shown.body["userName"], "joe");
        let set = operations(json!([{"op": "replace", "path": "password", "value": "t1meMa$heen"}]));
        let patched = tenant.scim.patch(&path, &set).await.expect(200);
        for answer in [&made, &shown, &patched, &tenant.scim.get("/Users").await] {
            let text = answer.body.to_string();
            assert!(!text.contains("password") && !text.contains("1mz050nq") && !text.contains("t1me"), "{text}");
        }
        assert_eq!(patched.headers["etag"], made.headers["etag"], "a password that is dropped changes nothing");
        refused(&tenant.scim.get(&filtered("/Users", "password eq \"1mz050nq\"")).await, 400, "invalidFilter");
        let log = format!("{:?}", log_of(&world, &tenant).await);
        assert!(!log.contains("1mz050nq") && !log.contains("t1me"), "{log}");
    }

    async fn r22_r27_what_is_not_there_is_404_and_never_made(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let id = make_user(&tenant.scim, "joe").await;
        let team = make_group(&tenant.scim, "Team", &[&id]).await;
        let deleted = tenant.scim.delete(&format!("/Users/{id}")).await.expect(204);
        assert_eq!(deleted.body, Value::Null);
        let nothing = operations(json!([{"op": "replace", "path": "active", "value": true}]));
        for gone in [id.as_str(), NOBODY, "00919288221112222", "..", "%FF", "1%27%20or%201=1", "a%2Fb"] {
            let path = format!("/Users/{gone}");
            // The client would resolve a bare `..` itself.
            let path = path.replace("..", "%252e%252e");
            refused(&tenant.scim.get(&path).await, 404, "");
            refused(&tenant.scim.put(&path, &user("new")).await, 404, "");
            refused(&tenant.scim.patch(&path, &nothing).await, 404, "");
            refused(&tenant.scim.delete(&path).await, 404, "");
        }
        assert_eq!(tenant.scim.get("/Users").await.body["totalResults"], 0);
        let team = tenant.scim.get(&format!("/Groups/{team}")).await.expect(200);
        assert_eq!(team.body.get("members"), None);
        assert_eq!(team.body["meta"]["version"], "W/\"2\"", "a member less is a change of the group");
    }

    async fn r25_r26_put_replaces_everything_but_never_lets_somebody_in_again(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let full = json!({ "schemas": [USER], "userName": "joe", "title": "Boss", "active": false, "name": {"givenName": "Joe"},
            "emails": [{"value": "a@b.c"}], "externalId": "1" });
        let made = tenant.scim.post("/Users", &full).await.expect(201);
        let path = format!("/Users/{}", made.id());
        let same = tenant.scim.put(&path, &made.body).await.expect(200);
        assert_eq!(same.body, made.body, "what changes nothing keeps version and lastModified");
        let bare = tenant.scim.put(&path, &user("joe")).await.expect(200);
        for cleared in ["title", "name", "emails", "externalId"] {
            assert_eq!(bare.body.get(cleared), None, "{cleared}");
        }
        assert_eq!(bare.body["active"], false, "a body without active lets nobody in again");
        assert_eq!(bare.body["meta"]["version"], "W/\"2\"");
        assert_eq!(bare.body["meta"]["created"], made.body["meta"]["created"]);
        assert_ne!(bare.body["meta"]["lastModified"], made.body["meta"]["lastModified"]);
    }

    async fn r28_an_inactive_user_stays_visible(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let id = make_user(&tenant.scim, "joe").await;
        let off = operations(json!([{"op": "replace", "path": "active", "value": false}]));
        assert_eq!(tenant.scim.patch(&format!("/Users/{id}"), &off).await.expect(200).body["active"], false);
        assert_eq!(tenant.scim.get(&format!("/Users/{id}")).await.expect(200).body["active"], false);
        assert_eq!(found(&tenant.scim, "active eq false").await, ["joe"]);
        assert_eq!(found(&tenant.scim, "userName eq \"JOE\"").await, ["joe"]);
    }

    async fn r29_groups_of_a_user_are_shown_and_read_only(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let id = make_user(&tenant.scim, "joe").await;
        let team = make_group(&tenant.scim, "Team", &[&id]).await;
        let path = format!("/Users/{id}");
        let read = tenant.scim.get(&path).await.expect(200);
        let address = format!("{}/Groups/{team}", tenant.scim.base);
        let shown = json!([{"value": team, "$ref": address, "display": "Team", "type": "direct"}]);
        assert_eq!(read.body["groups"], shown);
        for operation in [
            json!({"op": "remove", "path": "groups"}),
            json!({"op": "add", "path": "groups", "value": [{"value": team}]}),
            json!({"op": "replace", "value": {"groups": []}}),
        ] {
            refused(&tenant.scim.patch(&path, &operations(json!([operation]))).await, 400, "mutability");
        }
        assert_eq!(tenant.scim.put(&path, &user("joe")).await.expect(200).body["groups"], shown);
        assert_eq!(tenant.scim.get(&path).await.body["meta"]["version"], "W/\"1\"", "groups are no part of the version");
    }

    async fn r35_r36_text_comes_back_byte_for_byte(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let odd = [
            "Jose\u{301} \u{ff2a}oe",
            " leading and trailing ",
            "'; drop table logins; --",
            "<script>alert(1)</script>",
            "${jndi:x}\r\nX: y",
            "\u{202e}rtl \u{5d0}\u{5d1}",
            "\u{1f469}\u{200d}\u{1f680}",
            "100%_\\\"",
        ];
        for (index, text) in odd.iter().enumerate() {
            let body = json!({ "schemas": [USER], "userName": format!("{text}{index}"), "externalId": text, "displayName": text,
                "emails": [{"value": text, "type": text, "display": text}] });
            let made = tenant.scim.post("/Users", &body).await.expect(201);
            let read = tenant.scim.get(&format!("/Users/{}", made.id())).await.expect(200);
            for attribute in ["userName", "externalId", "displayName", "emails"] {
                assert_eq!(read.body[attribute], body[attribute], "{attribute}");
            }
        }
        let long = "x".repeat(1_000_000);
        refused(&tenant.scim.post("/Users", &user(&long)).await, 400, "invalidValue");
        let long = json!({ "schemas": [USER], "userName": "long", "title": long });
        refused(&tenant.scim.post("/Users", &long).await, 400, "invalidValue");
    }
}
