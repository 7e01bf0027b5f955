//! The provisioning log: every write, carried out or refused, with its request's id and without anybody's values.

use reqwest::Method;
use serde_json::{Value, json};

use super::{NOBODY, USER, directory, events_of, group, log_of, make_group, make_user, operations, refused, roles_of, user};
use crate::support::http::{Answer, Scim};
use crate::support::world::{Tenant, on_every_engine};

/// Sends a request under this id.
async fn named(scim: &Scim, id: &str, method: Method, path: &str, body: &Value) -> Answer {
    let request = scim.request(method, path).header("content-type", "application/scim+json").header("x-request-id", id);
    let answer = Scim::read(request.body(body.to_string()).send().await.unwrap()).await;
    assert_eq!(answer.headers["x-request-id"], id);
    answer
}

/// The ids of requests that wrote events, with how many.
async fn events_by_request(world: &crate::support::world::World, tenant: &Tenant) -> Vec<(String, i64)> {
    let text = "select request_id, count(*) from events where request_id is not null and tenant_id = $1
        group by request_id order by request_id";
    match &world.app.store {
        vestibule::store::Store::Sqlite { readers, .. } => sqlx::query_as(text).bind(tenant.id).fetch_all(readers).await.unwrap(),
        vestibule::store::Store::Postgres(pool) => sqlx::query_as(text).bind(tenant.id).fetch_all(pool).await.unwrap(),
    }
}

/// Changes the database behind the service's back.
async fn execute(world: &crate::support::world::World, text: &'static str) {
    match &world.app.store {
        vestibule::store::Store::Sqlite { writer, .. } => drop(sqlx::query(text).execute(writer).await.unwrap()),
        vestibule::store::Store::Postgres(pool) => drop(sqlx::query(text).execute(pool).await.unwrap()),
    }
}

on_every_engine! {
    async fn p02_a_write_its_events_and_its_entry_happen_together_or_not_at_all(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        let joe = make_user(scim, "joe").await;
        let team = make_group(scim, "Cloud-EMEA-Admins", &[]).await;
        let (person, crew) = (format!("/Users/{joe}"), format!("/Groups/{team}"));
        for (break_it, mend_it) in [
            ("alter table provisioning_log rename to away", "alter table away rename to provisioning_log"),
            ("alter table events rename to away", "alter table away rename to events"),
        ] {
            let before = (scim.get(&person).await.body, scim.get(&crew).await.body, log_of(&world, &tenant).await.len());
            execute(&world, break_it).await;
            let add = operations(json!([{"op": "add", "path": "members", "value": [{"value": joe}]}]));
            let off = operations(json!([{"op": "replace", "path": "active", "value": false}]));
            for (method, path, body) in [
                (Method::POST, "/Users", user("jane")),
                (Method::POST, "/Groups", group("Team", &[&joe])),
                (Method::PATCH, &person, off),
                (Method::PATCH, &crew, add),
                (Method::DELETE, &crew, Value::Null),
                (Method::DELETE, &person, Value::Null),
            ] {
                let answer = scim.send(method, path, Some(&body)).await;
                refused(&answer, 500, "");
                let told = answer.body.to_string();
                assert!(!told.contains("away") && !told.contains("table") && !told.contains("sql"), "{told}");
            }
            execute(&world, mend_it).await;
            assert_eq!((scim.get(&person).await.body, scim.get(&crew).await.body), (before.0, before.1));
            for list in ["/Users", "/Groups"] {
                assert_eq!(scim.get(list).await.body["totalResults"], 1, "{list}");
            }
            assert_eq!(events_of(&world, &tenant, &joe).await, ["login.created"]);
            assert_eq!(events_of(&world, &tenant, &team).await, ["group.created"]);
            assert!(roles_of(&world, &tenant, &joe).await.is_empty());
            let log = log_of(&world, &tenant).await;
            assert!(log[before.2..].iter().all(|entry| entry.status == 500), "refusals that could be logged, and no other entry");
        }
        scim.delete(&person).await.expect(204);
    }

    async fn a20_each_write_is_one_entry_with_its_request_and_its_events(engine) {
        let (world, tenant) = directory(engine, "entra").await;
        let scim = &tenant.scim;
        let joe = named(scim, "w1", Method::POST, "/Users", &json!({ "userName": "joe", "title": "Secret title" }))
            .await
            .expect(201)
            .id();
        let (person, members) = (format!("/Users/{joe}"), json!([{"op": "Add", "path": "members", "value": [{"value": joe}]}]));
        let off = json!([{"op": "Replace", "path": "active", "value": "False"}, {"op": "Add", "path": "nickName", "value": "J"}]);
        named(scim, "w2", Method::PATCH, &person, &operations(off.clone())).await.expect(200);
        named(scim, "w3", Method::PATCH, &person, &operations(off)).await.expect(200);
        let team = named(scim, "w4", Method::POST, "/Groups", &group("Team", &[])).await.expect(201).id();
        named(scim, "w5", Method::PATCH, &format!("/Groups/{team}"), &operations(members)).await.expect(204);
        named(scim, "w6", Method::PUT, &person, &user("jim")).await.expect(200);
        named(scim, "w7", Method::DELETE, &format!("/Groups/{team}"), &Value::Null).await.expect(204);
        named(scim, "w8", Method::DELETE, &person, &Value::Null).await.expect(204);
        named(scim, "r1", Method::GET, "/Users", &Value::Null).await.expect(200);
        let log = log_of(&world, &tenant).await;
        let told: Vec<_> = log
            .iter()
            .map(|entry| {
                let id = entry.resource_id.unwrap().to_string();
                assert_eq!(id, if entry.resource_type == "User" { joe.as_str() } else { team.as_str() });
                assert_eq!((entry.scim_type.as_deref(), entry.detail.as_deref()), (None, None));
                (
                    entry.request_id.as_deref().unwrap(),
                    entry.operation.as_str(),
                    entry.resource_type.as_str(),
                    entry.status,
                    entry.attributes.join(" "),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("w1", "create", "User", 201, "active schemas title userName".to_owned()),
                ("w2", "patch", "User", 200, "active nickName".to_owned()),
                ("w3", "patch", "User", 200, String::new()),
                ("w4", "create", "Group", 201, "displayName schemas".to_owned()),
                ("w5", "patch", "Group", 204, "members".to_owned()),
                ("w6", "replace", "User", 200, "nickName title userName".to_owned()),
                ("w7", "delete", "Group", 204, String::new()),
                ("w8", "delete", "User", 204, String::new()),
            ]
        );
        assert_eq!(log[1].coercions, ["string-boolean: active"]);
        let events = events_by_request(&world, &tenant).await;
        let events: Vec<_> = events.iter().map(|(request, count)| (request.as_str(), *count)).collect();
        assert_eq!(
            events,
            [("w1", 1), ("w2", 2), ("w4", 1), ("w5", 1), ("w6", 1), ("w7", 1), ("w8", 1)],
            "what changes nothing has no event"
        );
        assert!(!format!("{log:?}").contains("Secret"), "names of attributes, never values");
    }

    async fn what_is_refused_is_logged_and_changes_nothing(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let other = world.tenant("redsky", "strict", "http://127.0.0.1:1").await;
        let foreign = make_user(&other.scim, "foreign").await;
        let scim = &tenant.scim;
        let joe = make_user(scim, "joe").await;
        make_user(scim, "jane").await;
        let team = make_group(scim, "Team", &[&joe]).await;
        let (person, crew) = (format!("/Users/{joe}"), format!("/Groups/{team}"));
        let before = (scim.get("/Users").await.body, scim.get("/Groups").await.body, log_of(&world, &tenant).await.len());
        let add = |id: &str| operations(json!([{"op": "add", "path": "members", "value": [{"value": id}]}]));
        let cases = [
            (Method::POST, "/Users".to_owned(), json!("text"), 400, "invalidSyntax"),
            (Method::POST, "/Users".to_owned(), user("JANE"), 409, "uniqueness"),
            (Method::POST, "/Users?attributes=a&excludedAttributes=b".to_owned(), user("jim"), 400, "invalidValue"),
            (Method::PUT, person.clone(), json!({ "schemas": [USER], "userName": "Jane" }), 409, "uniqueness"),
            (
                Method::PATCH,
                person.clone(),
                operations(json!([{"op": "replace", "path": "userName", "value": "jane"}])),
                409,
                "uniqueness",
            ),
            (Method::PATCH, person.clone(), operations(json!([{"op": "remove", "path": "userName"}])), 400, "mutability"),
            (Method::PATCH, crew.clone(), add(NOBODY), 400, "invalidValue"),
            (Method::PATCH, crew.clone(), add(&foreign), 400, "invalidValue"),
            (Method::POST, "/Groups".to_owned(), group("Crew", &[&foreign]), 400, "invalidValue"),
            (Method::PUT, crew.clone(), group("Crew", &[&foreign]), 400, "invalidValue"),
            (Method::PUT, format!("/Users/{foreign}"), user("mine"), 404, ""),
            (
                Method::PATCH,
                format!("/Users/{foreign}"),
                operations(json!([{"op": "replace", "path": "active", "value": false}])),
                404,
                "",
            ),
            (Method::DELETE, format!("/Users/{foreign}"), Value::Null, 404, ""),
            (Method::DELETE, "/Groups/no-id".to_owned(), Value::Null, 404, ""),
        ];
        for (index, (method, path, body, status, keyword)) in cases.iter().enumerate() {
            let id = format!("refused-{index}");
            let answer = named(scim, &id, method.clone(), path, body).await;
            refused(&answer, *status, keyword);
            assert!(!answer.body.to_string().contains("redsky"), "{}", answer.body);
            let log = log_of(&world, &tenant).await;
            assert_eq!(log.len(), before.2 + index + 1);
            let entry = log.last().unwrap();
            assert_eq!((entry.request_id.as_deref(), entry.status), (Some(id.as_str()), i64::from(*status)));
            assert_eq!(entry.scim_type.as_deref().unwrap_or_default(), *keyword);
            assert_eq!(entry.detail.as_deref(), answer.body["detail"].as_str());
            assert!(entry.attributes.is_empty());
        }
        assert_eq!((scim.get("/Users").await.body, scim.get("/Groups").await.body), (before.0, before.1));
        assert!(events_by_request(&world, &tenant).await.iter().all(|(request, _)| !request.starts_with("refused")));
        assert_eq!(events_of(&world, &other, &foreign).await, ["login.created"]);
        assert_eq!(log_of(&world, &other).await.len(), 1, "the other directory has nothing to do with it");
        other.scim.get(&format!("/Users/{foreign}")).await.expect(200);
    }
}
