//! The requests of Microsoft Entra ID, as recorded: what they do under its profile, and how the strict profile refuses them.

use serde_json::{Value, json};

use super::{
    ENTERPRISE, GROUP, LIST_RESPONSE, NOBODY, PATCH_OP, USER, directory, events_of, filtered, ids, log_of, make_group, make_user,
    members, operations, refused,
};
use crate::support::http::{Answer, Scim};
use crate::support::world::{World, on_every_engine};

/// The same person in two directories: one of Entra's profile, one strict.
struct Pair {
    _world: World,
    entra: Scim,
    strict: Scim,
    /// The address of the person in each.
    paths: [String; 2],
}

impl Pair {
    async fn new(engine: vestibule::store::Engine, body: &Value) -> Self {
        let (world, tenant) = directory(engine, "entra").await;
        let strict = world.tenant("redsky", "strict", "http://127.0.0.1:1").await.scim;
        let mut paths = [String::new(), String::new()];
        for (path, scim) in paths.iter_mut().zip([&tenant.scim, &strict]) {
            *path = format!("/Users/{}", scim.post("/Users", body).await.expect(201).id());
        }
        Self { _world: world, entra: tenant.scim, strict, paths }
    }

    /// What Entra's profile makes of these operations.
    async fn entra(&self, changes: &Value) -> Value {
        self.entra.patch(&self.paths[0], &operations(changes.clone())).await.expect(200).body
    }

    async fn strict(&self, changes: &Value) -> Answer {
        self.strict.patch(&self.paths[1], &operations(changes.clone())).await
    }
}

fn joe() -> Value {
    json!({ "schemas": [USER], "userName": "joe", "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef", "active": true })
}

on_every_engine! {
    async fn e01_e02_e03_active_comes_as_text_or_as_a_boolean(engine) {
        let pair = Pair::new(engine, &joe()).await;
        let active = |op: &str, value: Value| json!([{"op": op, "path": "active", "value": value}]);
        for (op, value, wanted) in [
            ("Replace", json!("False"), false),
            ("replace", json!(true), true),
            ("Add", json!("False"), false),
            ("Add", json!("True"), true),
        ] {
            assert_eq!(pair.entra(&active(op, value)).await["active"], wanted);
        }
        refused(&pair.strict(&active("Replace", json!("False"))).await, 400, "invalidValue");
        refused(&pair.strict(&active("Add", json!("False"))).await, 400, "invalidValue");
        assert_eq!(pair.strict(&active("Replace", json!(false))).await.expect(200).body["active"], false);
        assert_eq!(pair.strict.get(&pair.paths[1]).await.body["meta"]["version"], "W/\"2\"");
    }

    async fn e04_e05_e06_attributes_one_by_one_or_in_one_flat_object(engine) {
        let pair = Pair::new(engine, &joe()).await;
        assert_eq!(pair.entra(&json!([{"op": "Add", "path": "nickName", "value": "Babs"}])).await["nickName"], "Babs");
        let employee_number = format!("{ENTERPRISE}:employeeNumber");
        let verbose = json!([
            {"op": "Replace", "path": "displayName", "value": "Pvlo"},
            {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "TestBcwqnm@test.microsoft.com"},
            {"op": "Replace", "path": "name.givenName", "value": "Gtfd"},
            {"op": "Replace", "path": employee_number, "value": "Eqpj"},
        ]);
        let after = pair.entra(&verbose).await;
        assert_eq!((&after["displayName"], &after["name"]["givenName"]), (&json!("Pvlo"), &json!("Gtfd")));
        assert_eq!(after["emails"], json!([{"type": "work", "value": "TestBcwqnm@test.microsoft.com"}]));
        assert_eq!(after[ENTERPRISE]["employeeNumber"], "Eqpj");
        refused(&pair.strict(&verbose).await, 400, "noTarget");

        let flat = json!([{"op": "replace", "value": {
            "displayName": "Bjfe", "name.givenName": "Kkom", "name.familyName": "Unua", (employee_number): "Aklq",
        }}]);
        for after in [pair.entra(&flat).await, pair.strict(&flat).await.expect(200).body] {
            assert_eq!(
                (&after["displayName"], &after["name"]),
                (&json!("Bjfe"), &json!({ "givenName": "Kkom", "familyName": "Unua" }))
            );
            assert_eq!(after[ENTERPRISE]["employeeNumber"], "Aklq");
        }
    }

    async fn e07_an_address_that_is_not_there_is_made_from_the_filter(engine) {
        let pair = Pair::new(engine, &joe()).await;
        let add = json!([{"op": "Add", "path": "emails[type eq \"work\"].value", "value": "a@b.c"}]);
        for after in [pair.entra(&add).await, pair.strict(&add).await.expect(200).body] {
            assert_eq!(after["emails"], json!([{"type": "work", "value": "a@b.c"}]));
        }
    }

    async fn e08_e09_roles_in_three_operations_or_as_packed_json(engine) {
        let pair = Pair::new(engine, &joe()).await;
        let series = json!([
            {"op": "Add", "path": "roles[primary eq \"True\"].display", "value": "Admin"},
            {"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "admin"},
            {"op": "Add", "path": "roles[primary eq \"True\"].type", "value": "WindowsAzureActiveDirectoryRole"},
        ]);
        let first = pair.entra(&series).await;
        let role = json!({ "primary": true, "display": "Admin", "value": "admin", "type": "WindowsAzureActiveDirectoryRole" });
        assert_eq!(first["roles"], json!([role]), "one element");
        assert_eq!(pair.entra(&series).await, first, "again is nothing new");
        refused(&pair.strict(&series).await, 400, "invalidFilter");

        let role = "{\"id\":\"18d14569\",\"value\":\"Reader\",\"displayName\":\"Reads\"}";
        let packed = json!([{"op": "Add", "path": "roles", "value": [{"value": role}]}]);
        let after = pair.entra(&packed).await;
        assert_eq!(after["roles"][1], json!({ "value": "Reader", "display": "Reads" }));
        let kept = pair.strict(&packed).await.expect(200).body;
        assert_eq!(kept["roles"][0]["value"], role, "to the strict profile it is text");
    }

    async fn e10_a_manager_comes_in_four_shapes(engine) {
        let pair = Pair::new(engine, &joe()).await;
        let manager = format!("{ENTERPRISE}:manager");
        let plain = json!([{"op": "Add", "path": manager, "value": "271"}]);
        assert_eq!(pair.entra(&plain).await[ENTERPRISE]["manager"], json!({ "value": "271" }));
        let listed = json!([{"op": "Add", "path": "manager", "value": [{"$ref": "http://host/scim/Users/27", "value": "27"}]}]);
        assert_eq!(pair.entra(&listed).await[ENTERPRISE]["manager"]["value"], "27");
        let emptied = json!([{"op": "Replace", "path": manager, "value": ""}]);
        assert_eq!(pair.entra(&emptied).await.get(ENTERPRISE), None);
        pair.entra(&plain).await;
        let removed = json!([{"op": "Remove", "path": manager}]);
        assert_eq!(pair.entra(&removed).await.get(ENTERPRISE), None);
        refused(&pair.strict(&plain).await, 400, "invalidValue");
        refused(&pair.strict(&listed).await, 400, "invalidPath");
        refused(&pair.strict(&emptied).await, 400, "invalidValue");
        pair.strict(&removed).await.expect(200);
        // As a POST has it, and as the reference check asks.
        let body = json!({ "schemas": [USER, ENTERPRISE], "userName": "jim", (ENTERPRISE): {"manager": "123456"} });
        let jim = pair.entra.post("/Users", &body).await.expect(201);
        assert_eq!(jim.body[ENTERPRISE]["manager"]["value"], "123456");
        refused(&pair.strict.post("/Users", &body).await, 400, "invalidValue");
        let check = format!("id eq \"{}\" and manager eq \"123456\"", jim.id());
        let list = pair.entra.get(&format!("{}&attributes=id", filtered("/Users", &check))).await.expect(200);
        assert_eq!(list.body["Resources"], json!([{"schemas": [USER, ENTERPRISE], "id": jim.id()}]));
        refused(&pair.strict.get(&filtered("/Users", &check)).await, 400, "invalidFilter");
    }

    async fn e11_e12_a_user_and_a_group_as_entra_posts_them(engine) {
        let pair = Pair::new(engine, &joe()).await;
        let mut posted = json!({
            "schemas": [USER, "urn:ietf:params:scim:schemas:extension:enterprise:2.0User"],
            "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4e0", "userName": "Test_User_ab6490ee", "active": true,
            "addresses": null, "phoneNumbers": null, "title": null,
            "emails": [{"primary": true, "type": "work", "value": "Test_User@testuser.com"}],
            "meta": {"resourceType": "User"},
            "name": {"formatted": "givenName familyName", "familyName": "familyName", "givenName": "givenName"}, "roles": [],
        });
        let made = pair.entra.post("/Users", &posted).await.expect(201).body;
        for attribute in ["externalId", "userName", "active", "emails", "name"] {
            assert_eq!(made[attribute], posted[attribute], "{attribute}");
        }
        assert_eq!((&made["schemas"], made.get("roles"), made.get("title")), (&json!([USER]), None, None));
        refused(&pair.strict.post("/Users", &posted).await, 400, "invalidSyntax");
        refused(&pair.entra.post("/Users", &posted).await, 409, "uniqueness");
        posted["schemas"] = json!([USER, ENTERPRISE]);
        pair.strict.post("/Users", &posted).await.expect(201);

        let group = json!({
            "schemas": [GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
            "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159", "displayName": "displayName", "meta": {"resourceType": "Group"},
        });
        let made = pair.entra.post("/Groups", &group).await.expect(201).body;
        assert_eq!((&made["schemas"], &made["externalId"], made.get("members")), (&json!([GROUP]), &group["externalId"], None));
        refused(&pair.strict.post("/Groups", &group).await, 400, "invalidSyntax");
    }

    async fn e13_e14_p24_members_come_and_go_and_nobody_else_does(engine) {
        let (world, tenant) = directory(engine, "entra").await;
        let scim = &tenant.scim;
        let (joe, jane, jim) = (make_user(scim, "joe").await, make_user(scim, "jane").await, make_user(scim, "jim").await);
        let team = scim.post("/Groups", &json!({ "schemas": [GROUP], "displayName": "Team" })).await.expect(201).id();
        let path = format!("/Groups/{team}");
        for id in [&joe, &jane, &jim] {
            let add = operations(json!([{"op": "Add", "path": "members", "value": [{"$ref": null, "value": id}]}]));
            let answer = scim.patch(&path, &add).await.expect(204);
            assert_eq!(answer.body, Value::Null);
        }
        assert_eq!(members(scim, &team).await, ids([&joe, &jane, &jim]));
        let default = json!([{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": joe}]}]);
        scim.patch(&path, &operations(default)).await.expect(204);
        assert_eq!(members(scim, &team).await, ids([&jane, &jim]), "only the one that is named goes");
        let with_flag = json!([{"op": "remove", "path": format!("members[value eq \"{jane}\"]")}]);
        scim.patch(&path, &operations(with_flag)).await.expect(204);
        assert_eq!(members(scim, &team).await, ids([&jim]));
        // Nobody of these is a member: nobody goes, and nobody becomes everybody.
        for value in [json!([]), json!([{"value": NOBODY}]), json!([{"value": "f648f8d5ea4e4cd38e9c"}])] {
            let none = json!([{"op": "Remove", "path": "members", "value": value}]);
            scim.patch(&path, &operations(none)).await.expect(204);
            assert_eq!(members(scim, &team).await, ids([&jim]));
        }
        // Postman's shapes: bare text, and the key of the envelope in lower case.
        let bare =
            json!({ "schemas": [PATCH_OP], "operations": [{"name": "addMember", "op": "add", "path": "members", "value": joe}] });
        scim.patch(&path, &bare).await.expect(204);
        assert_eq!(members(scim, &team).await, ids([&joe, &jim]));
        assert_eq!(events_of(&world, &tenant, &team).await.iter().filter(|kind| *kind == "group.members_changed").count(), 6);
        let log = log_of(&world, &tenant).await;
        let removed = log.iter().find(|entry| !entry.coercions.is_empty()).unwrap();
        assert_eq!(
            (removed.coercions.as_slice(), removed.attributes.as_slice()),
            (&["removed-listed: members".to_owned()][..], &["members".to_owned()][..])
        );

        let strict = world.tenant("redsky", "strict", "http://127.0.0.1:1").await.scim;
        let joe = make_user(&strict, "joe").await;
        let team = make_group(&strict, "Team", &[&joe]).await;
        let default = json!([{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": joe}]}]);
        refused(&strict.patch(&format!("/Groups/{team}"), &operations(default)).await, 400, "invalidValue");
        assert_eq!(members(&strict, &team).await, ids([&joe]));
    }

    async fn e15_people_and_groups_are_looked_up(engine) {
        let (_world, tenant) = directory(engine, "entra").await;
        let scim = &tenant.scim;
        let body = json!({ "schemas": [USER], "userName": "Test User@x.y", "externalId": "jyoung", "displayName": "X",
            "emails": [{"type": "work", "value": "a@b.c"}] });
        let id = scim.post("/Users", &body).await.expect(201).id();
        let team = make_group(scim, "displayName", &[&id]).await;
        for query in [
            "/Users?filter=externalId%20eq%20%22jyoung%22",
            "/Users?filter=userName+eq+%22Test+User%40x.y%22",
            "/Users?filter=userName+eq+%22TEST%20USER@X.Y%22",
            "/Users?aadOptscim062020&filter=emails[type+eq+%22work%22].value+eq+%22a@b.c%22",
            "/Users/?filter=DisplayName+eq+%22X%22",
        ] {
            let list = scim.get(query).await.expect(200);
            assert_eq!((&list.body["totalResults"], &list.body["Resources"][0]["id"]), (&json!(1), &json!(id)), "{query}");
        }
        for query in [
            "/Groups?excludedAttributes=members&filter=displayName+eq+%22DISPLAYNAME%22",
            &format!("/Groups?filter=id+eq+%22{team}%22+and+members+eq+%22{id}%22&excludedAttributes=members"),
        ] {
            let list = scim.get(query).await.expect(200);
            assert_eq!((&list.body["totalResults"], list.body["Resources"][0].get("members")), (&json!(1), None), "{query}");
        }
        let group = scim.get(&format!("/Groups/{team}?excludedAttributes=members")).await.expect(200);
        assert_eq!(group.body.get("members"), None);
        // "Test Connection" asks for somebody whom nobody knows.
        for path in
            [filtered("/Users", &format!("userName eq \"{NOBODY}\"")), filtered("/Groups", &format!("displayName eq \"{NOBODY}\""))]
        {
            let list = scim.get(&path).await.expect(200);
            assert_eq!(
                (&list.body["schemas"], &list.body["totalResults"], &list.body["Resources"]),
                (&json!([LIST_RESPONSE]), &json!(0), &json!([]))
            );
        }
        refused(&scim.get("/Users?filter=externalId%20eq%20jyoung").await, 400, "invalidFilter");
    }
}
