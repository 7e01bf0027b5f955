//! The provisioning log, read.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Office, noon, problem};
use crate::support::http::Scim;
use crate::support::sql;
use crate::support::world::on_every_engine;

const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// A request under an id of its own.
async fn named(scim: &Scim, id: &str, method: Method, path: &str, body: &Value) -> crate::support::http::Answer {
    let request = scim.request(method, path).header("content-type", "application/scim+json").header("x-request-id", id);
    Scim::read(request.body(body.to_string()).send().await.unwrap()).await
}

fn requests(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["request_id"].as_str().unwrap()).collect()
}

on_every_engine! {
    async fn a20_the_log_is_found_by_each_filter_and_in_pages(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let log = format!("/directories/{}/provisioning-log", blue.directory);
        office.clock.advance(TimeDelta::minutes(1));
        let scim = &blue.scim;
        let joe = named(scim, "w1", Method::POST, "/Users", &json!({ "userName": "joe", "active": "True" })).await.expect(201).id();
        office.clock.advance(TimeDelta::minutes(1));
        named(scim, "w2", Method::POST, "/Users", &json!({ "userName": "JOE" })).await.expect(409);
        office.clock.advance(TimeDelta::minutes(1));
        let off = json!({ "schemas": [PATCH_OP], "Operations": [{ "op": "replace", "path": "active", "value": false }] });
        named(scim, "w3", Method::PATCH, &format!("/Users/{joe}"), &off).await.expect(200);
        named(scim, "w4", Method::POST, "/Groups", &json!({ "displayName": "Team" })).await.expect(201);
        named(scim, "w5", Method::DELETE, "/Groups/01900000-0000-7000-8000-000000000000", &Value::Null).await.expect(404);
        let from = (noon() + TimeDelta::minutes(1)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let to = (noon() + TimeDelta::minutes(3)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        for (filter, expected) in [
            (format!("from={from}"), vec!["w5", "w4", "w3", "w2", "w1"]),
            (format!("from={from}&to={to}"), vec!["w2", "w1"]),
            ("outcome=refused".to_owned(), vec!["w5", "w2"]),
            (format!("outcome=done&from={from}"), vec!["w4", "w3", "w1"]),
            ("operation=patch".to_owned(), vec!["w3"]),
            (format!("resource_type=Group&from={from}"), vec!["w5", "w4"]),
            (format!("resource_id={joe}"), vec!["w3", "w1"]),
            ("request_id=w2".to_owned(), vec!["w2"]),
            ("rule=string-boolean".to_owned(), vec!["w1"]),
            ("rule=nothing".to_owned(), vec![]),
        ] {
            let list = office.get(&mut root, &format!("{log}?{filter}")).await.expect(200);
            assert_eq!(requests(&list.body), expected, "{filter}");
            assert_eq!(list.body["next"], Value::Null);
        }
        let refused = office.get(&mut root, &format!("{log}?request_id=w2")).await.expect(200);
        let item = &refused.body["items"][0];
        assert_eq!((&item["status"], &item["scim_type"], &item["outcome"]), (&json!(409), &json!("uniqueness"), &json!("refused")));
        assert!(item["token"].is_string());
        // Page by page, while the client goes on.
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = office.get(&mut root, &format!("{log}?from={from}&limit=2{after}")).await.expect(200);
            seen.extend(requests(&page.body).into_iter().map(ToOwned::to_owned));
            let Some(next) = page.body["next"].as_str() else { break };
            after = format!("&after={next}");
            scim.post("/Users", &json!({ "userName": format!("new {}", seen.len()) })).await.expect(201);
        }
        assert_eq!(seen, ["w5", "w4", "w3", "w2", "w1"]);
    }

    async fn z10_values_are_sealed_and_shown_to_who_may_change_the_directory(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let log = format!("/directories/{}/provisioning-log", blue.directory);
        let user = json!({ "userName": "joe", "title": "Chief Unicorn", "password": "Tr0ub4dor&3" });
        let joe = named(&blue.scim, "w1", Method::POST, "/Users", &user).await.expect(201).id();
        let change = json!({ "schemas": [PATCH_OP], "Operations": [{ "op": "replace", "path": "title", "value": "Chief Zebra" }] });
        named(&blue.scim, "w2", Method::PATCH, &format!("/Users/{joe}"), &change).await.expect(200);
        let groups = blue.scim.get("/Groups?filter=displayName%20eq%20%22Cloud-Admins%22").await.expect(200);
        let admins = groups.body["Resources"][0]["id"].as_str().unwrap().to_owned();
        let add = json!({ "schemas": [PATCH_OP], "Operations": [{ "op": "add", "path": "members", "value": [{ "value": joe }] }] });
        named(&blue.scim, "w3", Method::PATCH, &format!("/Groups/{admins}"), &add).await.expect(204);
        let gone = json!({ "schemas": [PATCH_OP], "Operations": [{ "op": "remove", "path": format!("members[value eq \"{joe}\"]") }] });
        named(&blue.scim, "w4", Method::PATCH, &format!("/Groups/{admins}"), &gone).await.expect(204);
        let mut entries = Vec::new();
        for request in ["w1", "w2", "w3", "w4"] {
            let list = office.get(&mut root, &format!("{log}?request_id={request}")).await.expect(200);
            assert_eq!(list.body["items"][0].get("values"), None, "lists have none");
            let id = list.body["items"][0]["id"].as_str().unwrap().to_owned();
            entries.push(office.get(&mut root, &format!("{log}/{id}")).await.expect(200).body);
        }
        assert_eq!(entries[0]["values"]["title"], json!({ "after": "Chief Unicorn" }));
        assert_eq!(entries[0]["values"].get("password"), None);
        assert_eq!(entries[1]["values"], json!({ "title": { "before": "Chief Unicorn", "after": "Chief Zebra" } }));
        assert_eq!(entries[2]["values"]["members"], json!({ "added": [joe], "removed": [] }));
        assert_eq!(entries[3]["values"]["members"], json!({ "added": [], "removed": [joe] }));
        // The rule by which the group makes administrators gave, and then took.
        let rules = |index: usize, what: &str| entries[index]["rules"][what].as_array().unwrap().clone();
        assert_eq!((rules(2, "granted").len(), rules(2, "revoked").len()), (1, 0));
        assert_eq!((rules(3, "granted"), rules(3, "revoked")), (vec![], rules(2, "granted")));
        assert_eq!((rules(1, "granted"), rules(1, "revoked")), (vec![], vec![]));
        // Whoever reads the table reads names.
        let hex = match engine {
            vestibule::store::Engine::Sqlite => "hex(values_sealed)",
            vestibule::store::Engine::Postgres => "upper(encode(values_sealed, 'hex'))",
        };
        let text = format!(
            "select attributes || ' ' || coalesce(detail, '') || ' ' || coercions || ' ' || rules || ' ' || coalesce({hex}, '') from provisioning_log"
        );
        let text = if engine == vestibule::store::Engine::Postgres {
            text.replace("attributes ||", "attributes::text ||").replace("coercions ||", "coercions::text ||").replace("rules ||", "rules::text ||")
        } else {
            text
        };
        let rows = sql::texts(&office.world.database.url, &text).await.join("\n");
        assert!(rows.contains("title"), "{rows}");
        for value in ["Unicorn", "Zebra", "Tr0ub4dor"] {
            let bytes: String = value.bytes().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])).collect();
            assert!(!rows.contains(value) && !rows.contains(&bytes), "{value} in {rows}");
        }
        // Not the entry of another directory, nor one that never was.
        for id in ["01900000-0000-7000-8000-000000000000", "no-id"] {
            problem(&office.get(&mut root, &format!("{log}/{id}")).await, 404, "not-found");
        }
    }

    async fn the_last_failure_is_explained(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "strict").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let last = format!("/directories/{}/provisioning-log/last-failure", blue.directory);
        let none = office.get(&mut root, &last).await.expect(200).body;
        assert_eq!(none["entry"], Value::Null);
        assert!(none["explanation"].as_str().unwrap().contains("401"), "{none}");
        let user = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "joe" });
        let joe = blue.scim.post("/Users", &user).await.expect(201).id();
        blue.scim.post("/Users", &user).await.expect(409);
        let taken = office.get(&mut root, &last).await.expect(200).body;
        assert!(taken["headline"].as_str().unwrap().contains("another User of this directory has this userName"), "{taken}");
        office.clock.advance(TimeDelta::seconds(1));
        let change = json!({ "schemas": [PATCH_OP], "Operations": [
            { "op": "replace", "path": "emails[type eq \"work\"].value", "value": "joe@bluesky.example" },
        ] });
        named(&blue.scim, "w9", Method::PATCH, &format!("/Users/{joe}"), &change).await.expect(400);
        let told = office.get(&mut root, &last).await.expect(200).body;
        assert_eq!(told["entry"]["request_id"], "w9");
        assert!(told["headline"].as_str().unwrap().contains("selects no value of emails"), "{told}");
        assert!(told["next_step"].as_str().unwrap().contains("entra"), "{told}");
        assert!(!told.to_string().contains("joe@bluesky.example"));
    }
}
