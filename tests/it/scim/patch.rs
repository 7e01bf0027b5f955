//! PATCH (RFC 7644 section 3.5.2), as one client after the other would use it.

use serde_json::{Value, json};

use super::{
    ENTERPRISE, NOBODY, PATCH_OP, USER, directory, events_of, ids, log_of, make_group, make_user, members, operations, refused,
    roles_of, user,
};
use crate::support::http::{Answer, Scim};
use crate::support::world::on_every_engine;

/// Changes one user by PATCH, operation by operation.
struct Patched<'a> {
    scim: &'a Scim,
    path: String,
}

impl<'a> Patched<'a> {
    async fn user(scim: &'a Scim, body: &Value) -> Self {
        let id = scim.post("/Users", body).await.expect(201).id();
        Self { scim, path: format!("/Users/{id}") }
    }

    async fn send(&self, changes: Value) -> Answer {
        self.scim.patch(&self.path, &operations(changes)).await
    }

    /// The user after these operations.
    async fn body(&self, changes: Value) -> Value {
        self.send(changes).await.expect(200).body
    }
}

on_every_engine! {
    async fn p01_the_envelope_is_checked(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let path = format!("/Users/{}", make_user(&tenant.scim, "joe").await);
        let op = json!({"op": "replace", "path": "title", "value": "x"});
        for (body, keyword) in [
            (json!({ "Operations": [op] }), "invalidSyntax"),
            (json!({ "schemas": [USER], "Operations": [op] }), "invalidSyntax"),
            (operations(json!([])), "invalidSyntax"),
            (operations(json!({})), "invalidSyntax"),
            (operations(json!(["x"])), "invalidSyntax"),
            (operations(json!([{"path": "title", "value": "x"}])), "invalidSyntax"),
            (operations(json!([{"op": "upsert", "path": "title", "value": "x"}])), "invalidSyntax"),
            (operations(json!([{"op": "replace", "path": "title"}])), "invalidValue"),
            (operations(json!([{"op": "add", "value": "x"}])), "invalidValue"),
        ] {
            refused(&tenant.scim.patch(&path, &body).await, 400, keyword);
        }
        let any_case =
            json!({ "SCHEMAS": [PATCH_OP], "operations": [{"OP": "REPLACE", "Path": "TITLE", "Value": "x", "name": "addMember"}] });
        let done = tenant.scim.patch(&path, &any_case).await.expect(200);
        assert_eq!((&done.body["title"], &done.body["meta"]["version"]), (&json!("x"), &json!("W/\"2\"")));
    }

    async fn p02_one_failing_operation_leaves_everything_as_it_was(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let joe = make_user(&tenant.scim, "joe").await;
        let path = format!("/Users/{joe}");
        let before = tenant.scim.get(&path).await.expect(200);
        let changes = json!([
            {"op": "replace", "path": "title", "value": "Boss"},
            {"op": "replace", "path": "active", "value": false},
            {"op": "replace", "path": "emails[type eq \"work\"].value", "value": "a@b.c"},
        ]);
        let answer = tenant.scim.patch(&path, &operations(changes)).await;
        refused(&answer, 400, "noTarget");
        assert!(answer.body["detail"].as_str().unwrap().contains("operation 3"), "{}", answer.body);
        let after = tenant.scim.get(&path).await.expect(200);
        assert_eq!((&after.body, &after.headers["etag"]), (&before.body, &before.headers["etag"]));
        assert_eq!(events_of(&world, &tenant, &joe).await, ["login.created"]);

        // Members are rows, and no different: the first operation could be carried out, the second not.
        let team = make_group(&tenant.scim, "Cloud-EMEA-Admins", &[]).await;
        let changes = json!([
            {"op": "add", "path": "members", "value": [{"value": joe}]},
            {"op": "replace", "path": "displayName", "value": "Crew"},
            {"op": "add", "path": "members", "value": [{"value": NOBODY}]},
        ]);
        refused(&tenant.scim.patch(&format!("/Groups/{team}"), &operations(changes)).await, 400, "invalidValue");
        let after = tenant.scim.get(&format!("/Groups/{team}")).await.expect(200);
        assert_eq!((&after.body["displayName"], after.body.get("members")), (&json!("Cloud-EMEA-Admins"), None));
        assert_eq!(after.headers["etag"], "W/\"1\"");
        assert_eq!(events_of(&world, &tenant, &team).await, ["group.created"]);
        assert_eq!(events_of(&world, &tenant, &joe).await, ["login.created"]);
        assert!(roles_of(&world, &tenant, &joe).await.is_empty());
        let statuses: Vec<_> = log_of(&world, &tenant).await.iter().map(|entry| entry.status).collect();
        assert_eq!(statuses, [201, 400, 201, 400]);
    }

    async fn p03_later_operations_see_earlier_ones(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let joe = Patched::user(&tenant.scim, &user("joe")).await;
        let after = joe
            .body(json!([
                {"op": "remove", "path": "title"},
                {"op": "add", "path": "title", "value": "one"},
                {"op": "replace", "path": "title", "value": "two"},
                {"op": "add", "path": "emails", "value": [{"type": "work", "value": "a@b.c"}]},
                {"op": "replace", "path": "emails[type eq \"work\"].value", "value": "d@e.f"},
            ]))
            .await;
        assert_eq!(after["title"], "two");
        assert_eq!(after["emails"], json!([{"type": "work", "value": "d@e.f"}]));
        assert_eq!(after["meta"]["version"], "W/\"2\"", "one request is one change");
    }

    async fn p05_p23_what_changes_nothing_keeps_the_version(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let body = json!({ "schemas": [USER], "userName": "joe", "title": "Boss", "emails": [{"type": "work", "value": "a@b.c"}] });
        let joe = Patched::user(&tenant.scim, &body).await;
        let before = tenant.scim.get(&joe.path).await.body;
        let same = joe
            .body(json!([
                {"op": "replace", "path": "title", "value": "Boss"},
                {"op": "add", "path": "emails", "value": [{"value": "a@b.c", "type": "work"}]},
                {"op": "add", "path": "nickName", "value": "x"},
                {"op": "remove", "path": "nickName"},
                {"op": "remove", "path": "displayName"},
            ]))
            .await;
        assert_eq!(same, before);
        let id = before["id"].as_str().unwrap();
        assert_eq!(events_of(&world, &tenant, id).await, ["login.created"]);

        let team = make_group(&tenant.scim, "Team", &[id]).await;
        let jane = make_user(&tenant.scim, "jane").await;
        for op in [
            json!({"op": "add", "path": "members", "value": [{"value": id}]}),
            json!({"op": "remove", "path": format!("members[value eq \"{jane}\"]")}),
            json!({"op": "remove", "path": "members[value eq \"nobody\"]"}),
            json!({"op": "replace", "path": "members", "value": [{"value": id}]}),
            json!({"op": "replace", "path": "displayName", "value": "Team"}),
        ] {
            let done = tenant.scim.patch(&format!("/Groups/{team}"), &operations(json!([op]))).await.expect(204);
            assert_eq!(done.headers["etag"], "W/\"1\"", "{op}");
        }
        assert_eq!(events_of(&world, &tenant, &team).await, ["group.created"]);
        assert_eq!(members(&tenant.scim, &team).await, ids([id]));
    }

    async fn p06_p07_add_appends_merges_and_never_repeats(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let joe = Patched::user(&tenant.scim, &user("joe")).await;
        joe.body(json!([{"op": "add", "path": "emails", "value": {"type": "work", "value": "a@b.c"}}])).await;
        let both = json!([{"type": "home", "value": "d@e.f"}, {"type": "work", "value": "a@b.c"}]);
        let after = joe.body(json!([{"op": "add", "path": "emails", "value": both}])).await;
        assert_eq!(after["emails"], json!([{"type": "work", "value": "a@b.c"}, {"type": "home", "value": "d@e.f"}]));
        let after = joe
            .body(json!([
                {"op": "add", "path": "name", "value": {"givenName": "Joe"}},
                {"op": "add", "value": {"name": {"familyName": "Bloggs"}, "title": "Boss"}},
                {"op": "add", "path": "title", "value": "Chief"},
            ]))
            .await;
        assert_eq!((&after["name"], &after["title"]), (&json!({ "givenName": "Joe", "familyName": "Bloggs" }), &json!("Chief")));
    }

    async fn p08_p09_replace_keeps_what_it_does_not_name(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let body = json!({ "schemas": [USER], "userName": "joe", "name": {"givenName": "Joe", "familyName": "Bloggs"},
            "emails": [{"type": "work", "value": "a@b.c", "primary": true}, {"type": "home", "value": "d@e.f"}] });
        let joe = Patched::user(&tenant.scim, &body).await;
        let after = joe.body(json!([{"op": "replace", "path": "name", "value": {"familyName": "Blow"}}])).await;
        assert_eq!(after["name"], json!({ "givenName": "Joe", "familyName": "Blow" }));
        let after = joe.body(json!([{"op": "replace", "path": "emails[type eq \"home\"].value", "value": "g@h.i"}])).await;
        assert_eq!(after["emails"][0], body["emails"][0]);
        assert_eq!(after["emails"][1]["value"], "g@h.i");
        refused(
            &joe.send(json!([{"op": "replace", "path": "emails[type eq \"other\"].value", "value": "x@y.z"}])).await,
            400,
            "noTarget",
        );
        let after = joe.body(json!([
            {"op": "replace", "path": "emails", "value": [{"value": "only@b.c"}]},
            {"op": "replace", "path": "title", "value": "new"},
        ]))
        .await;
        assert_eq!((&after["emails"], &after["title"]), (&json!([{"value": "only@b.c"}]), &json!("new")));
    }

    async fn p11_p12_p13_add_creates_what_its_path_selects_and_remove_unassigns(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let joe = Patched::user(&tenant.scim, &user("joe")).await;
        let after = joe.body(json!([{"op": "add", "path": "emails[type eq \"work\"].value", "value": "a@b.c"}])).await;
        assert_eq!(after["emails"], json!([{"type": "work", "value": "a@b.c"}]));
        refused(&joe.send(json!([{"op": "add", "path": "emails[type ne \"work\"].value", "value": "x"}])).await, 400, "noTarget");
        refused(&joe.send(json!([{"op": "remove"}])).await, 400, "noTarget");
        let after = joe.body(json!([{"op": "remove", "path": "emails[type eq \"home\"]"}])).await;
        assert_eq!(after["emails"].as_array().unwrap().len(), 1, "nothing selected, nothing removed");
        let after = joe.body(json!([{"op": "remove", "path": "emails[type eq \"work\"]"}])).await;
        assert_eq!(after.get("emails"), None);
        for (path, keyword) in [("userName", "mutability"), ("id", "mutability"), ("meta", "mutability"), ("groups", "mutability")]
        {
            refused(&joe.send(json!([{"op": "remove", "path": path}])).await, 400, keyword);
        }
    }

    async fn p14_p15_paths_with_urns_work_and_wrong_ones_are_named(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let joe = Patched::user(&tenant.scim, &user("joe")).await;
        for path in ["foo..bar[", "emails[type eq]", "a.b.c", "nonsense", "emails[type eq 'work']", ""] {
            refused(&joe.send(json!([{"op": "replace", "path": path, "value": "x"}])).await, 400, "invalidPath");
        }
        let department = format!("{}:DEPARTMENT", ENTERPRISE.to_uppercase());
        let after = joe.body(json!([{"op": "add", "path": department, "value": "Sales"}])).await;
        assert_eq!(after[ENTERPRISE], json!({ "department": "Sales" }));
        assert_eq!(after["schemas"], json!([USER, ENTERPRISE]));
        let after = joe.body(json!([{"op": "replace", "path": ENTERPRISE, "value": {"division": "EMEA"}}])).await;
        assert_eq!(after[ENTERPRISE], json!({ "department": "Sales", "division": "EMEA" }));
        let gone = joe.body(json!([
            {"op": "remove", "path": format!("{ENTERPRISE}:department")},
            {"op": "remove", "path": format!("{ENTERPRISE}:division")},
        ]))
        .await;
        assert_eq!((gone.get(ENTERPRISE), &gone["schemas"]), (None, &json!([USER])));
        let after = joe.body(json!([{"op": "add", "path": format!("{USER}:name.givenName"), "value": "Joe"}])).await;
        assert_eq!(after["name"], json!({ "givenName": "Joe" }));
    }

    async fn p16_p17_p19_p20_p22_values_follow_their_rules(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        make_user(&tenant.scim, "jane").await;
        let body = json!({ "schemas": [USER], "userName": "joe", "title": "Boss",
            "emails": [{"type": "work", "value": "a@b.c", "primary": true}] });
        let joe = Patched::user(&tenant.scim, &body).await;
        let after = joe
            .body(json!([{"op": "add", "path": "emails", "value": [{"type": "home", "value": "d@e.f", "primary": true}]}]))
            .await;
        assert_eq!((&after["emails"][0]["primary"], &after["emails"][1]["primary"]), (&json!(false), &json!(true)));
        let two = json!([{"value": "a", "primary": true}, {"value": "b", "primary": true}]);
        refused(&joe.send(json!([{"op": "replace", "path": "emails", "value": two}])).await, 400, "invalidValue");
        refused(&joe.send(json!([{"op": "replace", "path": "id", "value": NOBODY}])).await, 400, "mutability");
        refused(&joe.send(json!([{"op": "replace", "value": {"id": NOBODY}}])).await, 400, "mutability");
        joe.send(json!([{"op": "replace", "value": {"id": after["id"], "title": "Boss"}}])).await.expect(200);
        refused(&joe.send(json!([{"op": "replace", "path": "userName", "value": "JANE"}])).await, 409, "uniqueness");
        refused(&joe.send(json!([{"op": "replace", "path": "active", "value": "False"}])).await, 400, "invalidValue");
        refused(&joe.send(json!([{"op": "replace", "path": "title", "value": {"x": 1}}])).await, 400, "invalidValue");
        let after = joe
            .body(json!([{"op": "replace", "value": {
                "name.familyName": "Bloggs",
                "name": {"givenName": "Joe"},
                format!("{ENTERPRISE}:employeeNumber"): "7",
                "title": null,
                "unheardOf": 1,
            }}]))
            .await;
        assert_eq!(after["name"], json!({ "familyName": "Bloggs", "givenName": "Joe" }));
        assert_eq!((&after[ENTERPRISE]["employeeNumber"], after.get("title")), (&json!("7"), None));
        let after = joe.body(json!([{"op": "replace", "path": "emails", "value": null}])).await;
        assert_eq!(after.get("emails"), None);
    }

    async fn p18_p24_p25_members_are_added_and_removed_and_nothing_else(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        let (joe, jane) = (make_user(scim, "joe").await, make_user(scim, "jane").await);
        let team = make_group(scim, "Team", &[&joe, &jane]).await;
        let path = format!("/Groups/{team}");
        for (op, keyword) in [
            (json!({"op": "replace", "path": format!("members[value eq \"{joe}\"].value"), "value": jane}), "mutability"),
            (json!({"op": "replace", "path": format!("members[value eq \"{joe}\"]"), "value": {"value": jane}}), "mutability"),
            // To the letter this would remove everybody.
            (json!({"op": "remove", "path": "members", "value": [{"value": joe}]}), "invalidValue"),
        ] {
            refused(&scim.patch(&path, &operations(json!([op]))).await, 400, keyword);
            assert_eq!(members(scim, &team).await, ids([&joe, &jane]), "{op}");
        }
        let one = json!([{"op": "remove", "path": "members[display eq \"JOE\"]"}]);
        scim.patch(&path, &operations(one)).await.expect(204);
        assert_eq!(members(scim, &team).await, ids([&jane]));
        scim.patch(&path, &operations(json!([{"op": "remove", "path": "members"}]))).await.expect(204);
        assert_eq!(members(scim, &team).await, ids([]));
    }

    async fn p26_a_thousand_operations_are_carried_out_and_one_more_is_refused(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        let mut crowd = Vec::new();
        for number in 0..5 {
            crowd.push(make_user(scim, &format!("user{number}")).await);
        }
        let team = make_group(scim, "Team", &[]).await;
        let many = |count: usize| -> Value {
            let one = |index: usize| {
                let id = &crowd[index % 5];
                // Every id is added and removed in turns, and added last.
                if (index / 5).is_multiple_of(2) {
                    json!({"op": "remove", "path": format!("members[value eq \"{id}\"]")})
                } else {
                    json!({"op": "add", "path": "members", "value": [{"value": id}]})
                }
            };
            operations((0..count).map(one).collect())
        };
        let answer = scim.patch(&format!("/Groups/{team}"), &many(1_001)).await;
        refused(&answer, 413, "");
        assert!(answer.body["detail"].as_str().unwrap().contains("1000"), "{}", answer.body);
        scim.patch(&format!("/Groups/{team}"), &many(1_000)).await.expect(204);
        assert_eq!(members(scim, &team).await, crowd.into_iter().collect());
    }

    async fn p30_an_unknown_id_comes_before_the_operations_and_malformed_json_before_both(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        for kind in ["Users", "Groups"] {
            let path = format!("/{kind}/{NOBODY}");
            refused(&tenant.scim.patch(&path, &operations(json!([{"op": "upsert"}]))).await, 404, "");
            refused(&tenant.scim.patch(&path, &json!([])).await, 404, "");
            let request = tenant.scim.request(reqwest::Method::PATCH, &path).header("content-type", "application/scim+json");
            refused(&Scim::read(request.body("{\"Operations\":").send().await.unwrap()).await, 400, "invalidSyntax");
        }
    }
}
