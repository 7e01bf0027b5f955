//! Access to an account for somebody of another one, by a request of anybody who has a role on it.

use serde_json::{Value, json};
use vestibule::store::Engine;

use super::approvals::{House, ask, privileged};
use super::problem;
use crate::support::http::Browser;
use crate::support::world::on_every_engine;

/// A house in which Joe has a role on EMEA, and Pia on APAC alone.
async fn house(engine: Engine) -> (House, Browser, String) {
    let house = House::new(engine).await;
    let (mut anne, emea, joe) = (house.anne.clone(), house.emea.clone(), house.joe.clone());
    house.give(&mut anne, &emea, &joe, "support").await.expect(201);
    let apac = super::account(&house.office, &mut anne, "bluesky/apac").await;
    let pia = house.person("pia-apac").await;
    house.give(&mut anne, &apac, &pia, "support").await.expect(201);
    let inside = house.enter("joe").await;
    (house, inside, pia)
}

/// What was answered, without what differs from request to request.
fn blank(mut body: Value, name: &str) -> String {
    body["id"] = Value::Null;
    body.to_string().replace(name, "NAME")
}

on_every_engine! {
    async fn whoever_has_a_role_asks_for_access_and_an_administrator_gives_it(engine) {
        let (house, mut joe, pia) = house(engine).await;
        let (mut anne, mut adam, emea) = (house.anne.clone(), house.adam.clone(), house.emea.clone());
        let path = format!("/accounts/{emea}/access-requests");
        let wanted = json!({ "user_name": "Pia-APAC", "role": "technical", "reason": "our project" });
        let asked = house.post(&mut joe, &path, &wanted).await.expect(202).body;
        assert_eq!((&asked["state"], &asked["trigger"], &asked["role"], &asked["subject"]), (&json!("pending"), &json!("access"), &json!("technical"), &Value::Null));
        assert_eq!(asked["values"], json!({ "reason": "our project", "user_name": "Pia-APAC" }));
        problem(&house.act(&mut joe, &asked, "approve", &json!({})).await, 403, "forbidden");
        let done = house.act(&mut adam, &asked, "approve", &json!({})).await.expect(200).body;
        assert_eq!((&done["state"], &done["subject"]), (&json!("approved"), &json!({ "login": pia, "user_name": "pia-apac" })));
        // The administrator gave it, for the reason of who asked.
        let why = house.office.get(&mut anne, &format!("/logins/{pia}/roles")).await.expect(200).body;
        let there = why["accounts"].as_array().unwrap().iter().find(|item| item["path"] == "bluesky/emea").unwrap();
        assert_eq!((&there["roles"][0]["role"], &there["roles"][0]["causes"][0]["by"]), (&json!("technical"), &done["decisions"][0]["by"]));
        let events = house.office.get(&mut anne, &format!("/events?kind=assignment.given&target={pia}&limit=1")).await.expect(200).body;
        assert_eq!(events["items"][0]["values"], json!({ "reason": "our project" }));
        assert_eq!(events["items"][0]["details"]["approval"], asked["id"]);
        // By the id as well; a rejection gives nothing.
        let by_id = house.post(&mut joe, &path, &json!({ "login": pia, "role": "financial" })).await.expect(202).body;
        assert_eq!(by_id["subject"], json!({ "login": pia, "user_name": null }));
        assert_eq!(house.act(&mut anne, &by_id, "reject", &json!({ "reason": "no need" })).await.expect(200).body["state"], "rejected");
        let why = house.office.get(&mut anne, &format!("/logins/{pia}/roles")).await.expect(200).body;
        assert!(!why.to_string().contains("financial"), "{why}");
    }

    async fn nobody_learns_who_there_is_by_asking(engine) {
        let (house, mut joe, pia) = house(engine).await;
        let path = format!("/accounts/{}/access-requests", house.emea);
        let unknown = "01900000-0000-7000-8000-000000000000";
        let mut answers = Vec::new();
        for (member, names) in [("user_name", ["pia-apac", "nobody@x"]), ("login", [pia.as_str(), unknown])] {
            for name in names {
                let mut wanted = json!({ "role": "support" });
                wanted[member] = json!(name);
                let first = house.post(&mut joe, &path, &wanted).await.expect(202).body;
                let again = house.post(&mut joe, &path, &wanted).await.expect(202).body;
                assert_ne!(first["id"], again["id"], "also not by being told that it waits already");
                let read = house.office.get(&mut joe, &format!("/approvals/{}", first["id"].as_str().unwrap())).await.expect(200).body;
                assert_eq!(read, first);
                answers.push((member, blank(first, name)));
            }
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[2], answers[3]);
        // Withdrawn and rejected they tell no more.
        let asked = house.post(&mut joe, &path, &json!({ "user_name": "nobody@x", "role": "support" })).await.expect(202).body;
        let mut adam = house.adam.clone();
        let failed = house.act(&mut adam, &asked, "approve", &json!({})).await.expect(200).body;
        assert_eq!((&failed["state"], &failed["failure"]), (&json!("failed"), &json!("there is no such login")));
    }

    async fn only_who_has_a_role_there_asks_and_only_for_what_fits(engine) {
        let (mut house, mut joe, pia) = house(engine).await;
        let (mut anne, emea, top) = (house.anne.clone(), house.emea.clone(), house.top.clone());
        let path = format!("/accounts/{emea}/access-requests");
        let wanted = json!({ "login": pia, "role": "support" });
        let mut outsider = house.enter("pia-apac").await;
        problem(&house.post(&mut outsider, &path, &wanted).await, 404, "not-found");
        problem(&house.post(&mut joe, &format!("/accounts/{top}/access-requests"), &wanted).await, 404, "not-found");
        problem(&house.post(&mut joe, "/accounts/no-id/access-requests", &wanted).await, 404, "not-found");
        for wrong in [
            json!({ "login": pia, "role": "emperor" }),
            json!({ "role": "support" }),
            json!({ "login": pia, "user_name": "pia-apac", "role": "support" }),
            json!({ "user_name": " ", "role": "support" }),
            json!({ "user_name": "a\0", "role": "support" }),
            json!({ "login": pia, "role": "support", "reason": "x".repeat(1_001) }),
        ] {
            problem(&house.post(&mut joe, &path, &wrong).await, 400, "invalid-request");
        }
        // Who may not give the role does not decide; a policy about the role counts beside it.
        let fred = house.person("fred").await;
        house.give(&mut anne, &emea, &fred, "financial").await.expect(201);
        let mut fred = house.enter("fred").await;
        let mut policy = privileged();
        policy["approvers"] = json!({ "role": "financial" });
        house.policy(&policy).await;
        let asked = house.post(&mut joe, &path, &json!({ "login": pia, "role": "administrator" })).await.expect(202).body;
        assert_eq!(asked["needs"].as_array().unwrap().len(), 2);
        assert_eq!(house.act(&mut anne, &asked, "approve", &json!({})).await.expect(200).body["state"], "pending");
        assert_eq!(house.act(&mut fred, &asked, "approve", &json!({})).await.expect(200).body["state"], "approved");
        let plain = house.post(&mut joe, &path, &wanted).await.expect(202).body;
        problem(&house.act(&mut fred, &plain, "approve", &json!({})).await, 404, "not-found");
        // A client asks by id; it has no key under which a name could lie.
        let tool = house.client("bluesky-emea").await;
        ask(&tool, &path, &wanted).await.expect(202);
        problem(&ask(&tool, &path, &json!({ "user_name": "pia-apac", "role": "support" })).await, 400, "invalid-request");
        problem(&ask(&tool, &format!("/accounts/{top}/access-requests"), &wanted).await, 404, "not-found");
    }
}
