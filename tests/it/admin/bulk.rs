//! Many roles given and taken at once, and what somebody who leaves hands over.

use reqwest::Method;
use serde_json::{Value, json};
use vestibule::store::Engine;

use super::approvals::{House, ask, privileged};
use super::problem;
use crate::support::http::Browser;
use crate::support::world::on_every_engine;

/// A house, and the address at which many roles are given on EMEA.
async fn house(engine: Engine) -> (House, Browser, String) {
    let house = House::new(engine).await;
    let (anne, path) = (house.anne.clone(), format!("/accounts/{}/assignments/bulk", house.emea));
    (house, anne, path)
}

on_every_engine! {
    async fn many_are_given_and_taken_all_or_none(engine) {
        let (mut house, mut anne, path) = house(engine).await;
        let (emea, joe) = (house.emea.clone(), house.joe.clone());
        let mut logins = Vec::new();
        for number in 0..40 {
            logins.push(house.person(&format!("p{number}")).await);
        }
        let before = house.give(&mut anne, &emea, &joe, "support").await.expect(201).body;
        let mut all: Vec<_> = logins.iter().map(|login| json!({ "login": login, "role": "support" })).collect();
        all.push(json!({ "login": joe, "role": "support" }));
        all.push(json!({ "login": joe, "role": "technical", "reason": "he alone" }));
        let done = house.post(&mut anne, &path, &json!({ "assignments": all, "reason": "moved here" })).await.expect(200).body;
        let given = done["given"].as_array().unwrap();
        assert_eq!((given.len(), done["taken"].as_array().unwrap().len()), (42, 0));
        for (index, entry) in given.iter().enumerate() {
            let (outcome, login) = (if index == 40 { "unchanged" } else { "given" }, logins.get(index).unwrap_or(&joe));
            assert_eq!((&entry["outcome"], &entry["assignment"]["login_id"]), (&json!(outcome), &json!(login)), "{index}");
        }
        assert_eq!(given[40]["assignment"], before);
        let told = |events: &Value| -> Vec<Value> { events["items"].as_array().unwrap().iter().map(|event| event["values"]["reason"].clone()).collect() };
        let events = house.office.get(&mut anne, &format!("/events?kind=assignment.given&target={joe}")).await.expect(200).body;
        assert_eq!(told(&events), ["he alone", "asked for"]);
        let events = house.office.get(&mut anne, &format!("/events?kind=assignment.given&target={}", logins[0])).await.expect(200).body;
        assert_eq!(told(&events), ["moved here"]);
        // One that is wrong keeps all from being changed, and is named.
        house.policy(&privileged()).await;
        let good = json!({ "login": logins[0], "role": "technical" });
        let take = |index: usize| given[index]["assignment"]["id"].clone();
        let elsewhere = house.give(&mut anne, &house.top.clone(), &joe, "support").await.expect(201).body["id"].clone();
        for (wrong, status, name, words) in [
            (json!({ "assignments": [good, { "login": logins[1], "role": "emperor" }] }), 400, "invalid-request", "assignments[1]"),
            (json!({ "assignments": [good, { "login": "01900000-0000-7000-8000-000000000000", "role": "support" }] }), 400, "invalid-request", "assignments[1]: there is no such login"),
            (json!({ "assignments": [good, good, { "login": logins[1], "role": "support", "service": "mail" }] }), 409, "conflict", "assignments[2]"),
            (json!({ "assignments": [good, { "login": logins[1], "role": "financial" }] }), 409, "conflict", "assignments[1]: Financial has to be approved"),
            (json!({ "assignments": [good], "take": [take(0), take(0)] }), 400, "invalid-request", "take[1]: there is no such assignment"),
            (json!({ "take": [take(1), elsewhere] }), 400, "invalid-request", "take[1]: there is no such assignment"),
            (json!({ "assignments": [], "take": [] }), 400, "invalid-request", "1 to 1000"),
            (json!({ "assignments": vec![good.clone(); 1_001] }), 400, "invalid-request", "1 to 1000"),
            (json!({ "assignments": [good], "reason": "\0" }), 400, "invalid-request", "reason"),
        ] {
            let answer = house.post(&mut anne, &path, &wrong).await;
            problem(&answer, status, name);
            assert!(answer.body["detail"].as_str().unwrap().contains(words), "{}", answer.body);
        }
        let why = house.office.get(&mut anne, &format!("/logins/{}/roles", logins[0])).await.expect(200).body;
        assert_eq!(why["accounts"][0]["roles"].as_array().unwrap().len(), 1, "{why}");
        // In one go somebody takes somebody's place.
        let swap = json!({ "take": [take(0), take(1)], "assignments": [good], "reason": "swapped" });
        let done = house.post(&mut anne, &path, &swap).await.expect(200).body;
        assert_eq!((&done["taken"][0]["id"], &done["given"][0]["outcome"]), (&take(0), &json!("given")));
        let events = house.office.get(&mut anne, &format!("/events?kind=assignment.taken&target={}", logins[1])).await.expect(200).body;
        assert_eq!(told(&events), ["swapped"]);
    }

    async fn many_at_once_leave_an_administrator_and_obey_authority(engine) {
        let (house, mut anne, path) = house(engine).await;
        let (emea, joe) = (house.emea.clone(), house.joe.clone());
        let given = house.give(&mut anne, &emea, &joe, "administrator").await.expect(201).body;
        let mut inside = house.enter("joe").await;
        let top = format!("/accounts/{}/assignments/bulk", house.top);
        let gift = json!({ "assignments": [{ "login": joe, "role": "support" }] });
        problem(&house.post(&mut inside, &top, &gift).await, 404, "not-found");
        house.post(&mut inside, &path, &json!({ "assignments": [{ "login": joe, "role": "support" }], "take": [given["id"]] })).await.expect(200);
        problem(&house.post(&mut inside, &path, &gift).await, 401, "unauthenticated");
        // Anne leaves; Adam is the last one, and cannot be swapped away with nobody in his place.
        let groups = house.tenant.scim.get("/Groups?filter=displayName%20eq%20%22Cloud-Admins%22").await.expect(200).body;
        let mut adam = house.adam.clone();
        let list = house.office.get(&mut adam, "/permissions").await.expect(200).body;
        let own = list["items"].as_array().unwrap().iter().find(|line| line["user_name"] == "adam").unwrap()["login"].clone();
        house.tenant.scim.delete(&format!("/Groups/{}", groups["Resources"][0]["id"].as_str().unwrap())).await.expect(204);
        let why = house.office.get(&mut adam, &format!("/logins/{}/roles", own.as_str().unwrap())).await.expect(200).body;
        let last = why["accounts"][0]["roles"][0]["causes"][0]["assignment"].clone();
        let swap = |role: &str| json!({ "take": [last], "assignments": [{ "login": joe, "role": role }] });
        let answer = house.post(&mut adam, &top, &swap("support")).await;
        problem(&answer, 409, "conflict");
        assert!(answer.body["detail"].as_str().unwrap().contains("last administrator"), "{}", answer.body);
        house.post(&mut adam, &top, &swap("administrator")).await.expect(200);
        let tool = house.client("bluesky-emea").await;
        problem(&ask(&tool, &path, &gift).await, 403, "forbidden");
        let portal = house.client("bluesky-orders").await;
        assert_eq!(ask(&portal, &path, &gift).await.expect(200).body["given"][0]["outcome"], "unchanged");
    }

    async fn two_batches_at_once_give_each_role_once(engine) {
        let (house, anne, path) = house(engine).await;
        let mut logins = Vec::new();
        for number in 0..10 {
            logins.push(house.person(&format!("p{number}")).await);
        }
        let all: Vec<_> = logins.iter().map(|login| json!({ "login": login, "role": "support" })).collect();
        let back: Vec<_> = all.iter().rev().cloned().collect();
        let (mut one, mut other) = (anne.clone(), house.adam.clone());
        let (one_batch, other_batch) = (json!({ "assignments": all }), json!({ "assignments": back }));
        let (one, other) = tokio::join!(house.post(&mut one, &path, &one_batch), house.post(&mut other, &path, &other_batch));
        let (one, other) = (one.expect(200).body, other.expect(200).body);
        let new = |body: &Value| body["given"].as_array().unwrap().iter().filter(|entry| entry["outcome"] == "given").count();
        assert_eq!(new(&one) + new(&other), 10, "{one} {other}");
        house.office.send(&mut anne.clone(), Method::GET, "/permissions", None).await.expect(200);
    }
}
