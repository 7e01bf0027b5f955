//! Decisions, as a portal asks for them.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Office, account, problem};
use crate::support::http::{Answer, Browser};
use crate::support::world::on_every_engine;

/// Asks as a page of our own site does.
async fn ask(office: &Office, browser: &mut Browser, path: &str, body: &Value) -> Answer {
    office.send_to(browser, Method::POST, &format!("{}/access/v1{path}", office.world.base), Some(body)).await
}

/// The body of one evaluation.
fn question(login: &str, permission: &str, account: &str) -> Value {
    json!({
        "subject": { "type": "login", "id": login },
        "action": { "name": permission },
        "resource": { "type": "account", "id": account },
    })
}

/// The decisions of a batch.
fn decisions(answer: Answer) -> Vec<bool> {
    let body = answer.expect(200).body;
    body["evaluations"].as_array().unwrap().iter().map(|one| one["decision"].as_bool().unwrap()).collect()
}

on_every_engine! {
    async fn a_portal_is_told_what_a_login_may_do_and_nothing_about_who_there_is(engine) {
        let office = Office::new(engine).await;
        let (blue, red) = (office.tenant("bluesky", "entra").await, office.tenant("redsky", "entra").await);
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let child = office.inside(&blue, "emil", "Cloud-EMEA-Admins").await;
        let helper = office.inside(&blue, "hugo", "Cloud-Helpers").await;
        let foreign = office.inside(&red, "rita", "Cloud-Admins").await;
        let (top, emea) = (account(&office, &mut root, "bluesky").await, account(&office, &mut root, "bluesky/emea").await);
        let user = json!({ "userName": "joe", "externalId": "joe" });
        let joe = blue.scim.post("/Users", &user).await.expect(201).id();
        let gift = json!({ "login": joe, "role": "financial" });
        office.send(&mut root, Method::POST, &format!("/accounts/{emea}/assignments"), Some(&gift)).await.expect(201);
        let yes = question(&joe, "invoices.view", &emea);
        for (mut browser, asked, decision) in [
            (root.clone(), yes.clone(), true),
            (child.clone(), yes.clone(), true),
            (root.clone(), question(&joe, "people.view", &emea), false),
            (root.clone(), question(&joe, "invoices.view", &top), false),
            (root.clone(), question("01900000-0000-7000-8000-000000000000", "invoices.view", &emea), false),
            (root.clone(), question("joe", "invoices.view", &emea), false),
            (root.clone(), question(&joe, "invoices.view", "01900000-0000-7000-8000-000000000000"), false),
            // Who may see nobody there is told nothing of anybody.
            (child.clone(), question(&joe, "invoices.view", &top), false),
            (helper.clone(), yes.clone(), false),
            (foreign.clone(), yes.clone(), false),
        ] {
            let answer = ask(&office, &mut browser, "/evaluation", &asked).await.expect(200);
            assert_eq!(answer.body, json!({ "decision": decision }), "{asked}");
            assert_eq!(answer.headers["cache-control"], "no-store");
        }
        // Other kinds of subjects and resources are nobody and nothing; what we do not know of a body is for others.
        for (part, other) in [("subject", json!({ "type": "user", "id": joe })), ("resource", json!({ "type": "book", "id": emea }))] {
            let mut asked = yes.clone();
            asked[part] = other;
            assert_eq!(ask(&office, &mut root, "/evaluation", &asked).await.expect(200).body, json!({ "decision": false }));
        }
        let mut asked = yes.clone();
        asked["context"] = json!({ "time": "2026-11-22T09:00:00Z" });
        asked["subject"]["properties"] = json!({ "department": "Sales" });
        asked["more"] = json!(1);
        assert_eq!(ask(&office, &mut root, "/evaluation", &asked).await.expect(200).body, json!({ "decision": true }));
        // A service that the account has not.
        asked["resource"]["properties"] = json!({ "service": "mail", "shelf": 7 });
        assert_eq!(ask(&office, &mut root, "/evaluation", &asked).await.expect(200).body, json!({ "decision": false }));
        // A leaver may nothing, at once.
        let leave = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{ "op": "replace", "path": "active", "value": false }] });
        blue.scim.patch(&format!("/Users/{joe}"), &leave).await.expect(200);
        assert_eq!(ask(&office, &mut root, "/evaluation", &yes).await.expect(200).body, json!({ "decision": false }));
    }

    async fn a_batch_has_defaults_and_ends_where_it_is_told_to(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let emea = account(&office, &mut root, "bluesky/emea").await;
        let me = blue.scim.get("/Users?filter=userName%20eq%20%22anne%22").await.expect(200).body["Resources"][0]["id"].clone();
        let mut batch = question(me.as_str().unwrap(), "people.view", &emea);
        batch["evaluations"] = json!([
            {}, { "action": { "name": "moon.view" } }, { "resource": { "type": "account", "id": "elsewhere" } }, { "action": { "name": "invoices.view" } },
        ]);
        for (semantic, expected) in [
            (None, vec![true, false, false, true]),
            (Some("execute_all"), vec![true, false, false, true]),
            (Some("deny_on_first_deny"), vec![true, false]),
            (Some("permit_on_first_permit"), vec![true]),
        ] {
            let mut body = batch.clone();
            if let Some(semantic) = semantic {
                body["options"] = json!({ "evaluations_semantic": semantic, "other": true });
            }
            assert_eq!(decisions(ask(&office, &mut root, "/evaluations", &body).await), expected, "{semantic:?}");
        }
        // What is wrong with one is told in its place, and ends what a no ends.
        let mut body = json!({ "subject": batch["subject"], "action": batch["action"], "evaluations": [{ "resource": batch["resource"] }, {}, { "resource": batch["resource"] }] });
        let answer = ask(&office, &mut root, "/evaluations", &body).await.expect(200).body;
        assert_eq!((&answer["evaluations"][1]["decision"], &answer["evaluations"][1]["context"]["error"]["status"]), (&json!(false), &json!(400)));
        assert_eq!(answer["evaluations"][2], json!({ "decision": true }));
        body["options"] = json!({ "evaluations_semantic": "deny_on_first_deny" });
        assert_eq!(decisions(ask(&office, &mut root, "/evaluations", &body).await), [true, false]);
        // Without a list it is one question.
        for list in [None, Some(json!([]))] {
            let mut body = batch.clone();
            body["evaluations"] = list.clone().unwrap_or_default();
            if list.is_none() {
                body.as_object_mut().unwrap().remove("evaluations");
            }
            assert_eq!(ask(&office, &mut root, "/evaluations", &body).await.expect(200).body, json!({ "decision": true }));
        }
        let mut body = batch.clone();
        body["evaluations"] = vec![json!({}); 100].into();
        assert_eq!(decisions(ask(&office, &mut root, "/evaluations", &body).await).len(), 100);
        body["evaluations"] = vec![json!({}); 101].into();
        problem(&ask(&office, &mut root, "/evaluations", &body).await, 400, "invalid-request");
        let mut body = batch.clone();
        body["options"] = json!({ "evaluations_semantic": "guess" });
        problem(&ask(&office, &mut root, "/evaluations", &body).await, 400, "invalid-request");
        problem(&ask(&office, &mut root, "/evaluation", &json!({ "subject": batch["subject"] })).await, 400, "invalid-request");
    }

    async fn decisions_are_for_administrators_and_found_by_their_metadata(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut nobody = Browser::new();
        let url = format!("{}/.well-known/authzen-configuration", office.world.base);
        let metadata: Value = serde_json::from_str(&nobody.visit(&url).await.expect(200, "").body).unwrap();
        let endpoint = |path: &str| json!(format!("{}{path}", office.world.base));
        assert_eq!(metadata, json!({
            "policy_decision_point": endpoint(""),
            "access_evaluation_endpoint": endpoint("/access/v1/evaluation"),
            "access_evaluations_endpoint": endpoint("/access/v1/evaluations"),
        }));
        let asked = question("x", "people.view", "y");
        let token = office.token(&blue, "log").await;
        for path in ["/evaluation", "/evaluations"] {
            problem(&ask(&office, &mut nobody, path, &asked).await, 401, "unauthenticated");
            let url = format!("{}/access/v1{path}", office.world.base);
            let headers = [("authorization", format!("Bearer {}", token.token)), ("content-type", "application/json".to_owned())];
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            assert_eq!(nobody.send(Method::POST, &url, &headers, Some(asked.to_string())).await.status, 403);
            from_elsewhere(&office, path).await;
        }
    }
}

/// A page of another site asks nothing.
async fn from_elsewhere(office: &Office, path: &str) {
    let url = format!("{}/access/v1{path}", office.world.base);
    let headers = [("sec-fetch-site", "cross-site"), ("content-type", "application/json")];
    assert_eq!(Browser::new().send(Method::POST, &url, &headers, Some("{}".to_owned())).await.status, 403);
}
