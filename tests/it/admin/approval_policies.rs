//! Approval policies, the orders that wait because of them, and approvers who are nothing else.

use reqwest::Method;
use serde_json::{Value, json};
use vestibule::store::Engine;

use super::approvals::{House, ask, privileged};
use super::problem;
use crate::support::http::Browser;
use crate::support::world::on_every_engine;

fn orders(threshold: u64, more: &Value) -> Value {
    let mut policy = json!({ "name": "Large orders", "trigger": "order", "threshold": threshold });
    for (name, value) in more.as_object().unwrap() {
        policy[name] = value.clone();
    }
    policy
}

/// A house, and Joe with a role on EMEA and signed in.
async fn joe_inside(engine: Engine) -> (House, Browser) {
    let house = House::new(engine).await;
    let (mut anne, emea, joe) = (house.anne.clone(), house.emea.clone(), house.joe.clone());
    house.give(&mut anne, &emea, &joe, "purchaser").await.expect(201);
    let inside = house.enter("joe").await;
    (house, inside)
}

on_every_engine! {
    async fn policies_are_made_changed_and_deleted_by_who_manages_approvals_there(engine) {
        let mut house = House::new(engine).await;
        let eve = house.person("eve").await;
        let (mut anne, emea, top) = (house.anne.clone(), house.emea.clone(), house.top.clone());
        house.give(&mut anne, &emea, &eve, "administrator").await.expect(201);
        let mut eve = house.enter("eve").await;
        let list = |account: &str| format!("/accounts/{account}/approval-policies");
        let made = house.post(&mut eve, &list(&emea), &privileged()).await.expect(201);
        assert_eq!(made.headers["etag"], "\"1\"");
        let made = made.body;
        assert_eq!(made, json!({
            "id": made["id"], "account": emea, "name": "Privileged roles", "trigger": "role.assigned", "roles": ["administrator", "financial"],
            "threshold": null, "approvers": null, "needed": 1, "version": 1,
        }));
        problem(&house.post(&mut eve, &list(&emea), &privileged()).await, 409, "conflict");
        house.post(&mut anne, &list(&top), &privileged()).await.expect(201);
        assert_eq!(house.office.get(&mut eve, &list(&emea)).await.expect(200).body["items"], json!([made]));
        problem(&house.office.get(&mut eve, &list(&top)).await, 404, "not-found");
        problem(&house.post(&mut eve, &list(&top), &orders(1, &json!({}))).await, 404, "not-found");
        let path = format!("/approval-policies/{}", made["id"].as_str().unwrap());
        let larger = orders(5, &json!({ "approvers": { "role": "administrator" }, "needed": 2 }));
        let changed = house.office.send(&mut eve, Method::PUT, &path, Some(&larger)).await.expect(200);
        assert_eq!((&changed.headers["etag"], &changed.body["threshold"], &changed.body["needed"]), (&"\"2\"".parse().unwrap(), &json!(5), &json!(2)));
        assert_eq!(house.office.send(&mut eve, Method::PUT, &path, Some(&larger)).await.expect(200).body["version"], 2, "to nothing else is no change");
        assert_eq!(house.office.get(&mut anne, &path).await.expect(200).body, changed.body);
        for (name, value) in [
            ("name", json!("")), ("trigger", json!("access")), ("trigger", json!("An order")), ("threshold", json!(-1)), ("threshold", json!("1")),
            ("roles", json!(["administrator"])), ("approvers", json!({ "role": "emperor" })), ("approvers", json!({ "logins": [] })),
            ("approvers", json!({ "assigners": "administrator" })), ("approvers", json!({ "logins": ["01900000-0000-7000-8000-000000000000"] })),
            ("needed", json!(0)), ("needed", json!(11)), ("scope", json!(1)),
        ] {
            let mut wrong = larger.clone();
            wrong[name] = value;
            problem(&house.post(&mut eve, &list(&emea), &wrong).await, 400, "invalid-request");
            problem(&house.office.send(&mut eve, Method::PUT, &path, Some(&wrong)).await, 400, "invalid-request");
        }
        // Only the version that somebody has seen.
        let url = format!("{}/api/v1{path}", house.office.world.base);
        for (tag, status) in [("\"1\"", 412), ("\"2\"", 204), ("*", 404)] {
            let headers = [("sec-fetch-site", "same-origin"), ("if-match", tag)];
            assert_eq!(eve.send(Method::DELETE, &url, &headers, None).await.status.as_u16(), status, "{tag}");
        }
        let kinds = house.office.world.app.store.read(house.tenant.id).event_kinds(made["id"].as_str().unwrap().parse().unwrap()).await.unwrap();
        assert_eq!(kinds, ["approval_policy.created", "approval_policy.changed", "approval_policy.deleted"]);
        // Somebody without the permission, a client, and another tenant.
        let reader = house.client("bluesky-emea").await;
        let own = house.policy(&orders(1, &json!({}))).await;
        let path = format!("/approval-policies/{}", own["id"].as_str().unwrap());
        assert_eq!(reader.get(&path).await.expect(200).body, own);
        problem(&reader.delete(&path).await, 403, "forbidden");
        let red = house.office.tenant("redsky", "entra").await;
        let mut stranger = house.office.inside(&red, "rita", "Cloud-Admins").await;
        problem(&house.office.get(&mut stranger, &path).await, 404, "not-found");
        problem(&house.office.send(&mut stranger, Method::DELETE, &path, None).await, 404, "not-found");
    }

    async fn an_order_waits_from_the_threshold_on_and_is_rejected_with_a_reason(engine) {
        let (mut house, mut joe) = joe_inside(engine).await;
        let policy = house.policy(&orders(100_000, &json!({}))).await;
        let portal = house.client("bluesky-emea").await;
        let order = |amount: u64| {
            json!({ "account": house.emea, "trigger": "order", "amount": amount, "subject": house.joe, "reference": "PO-7", "description": "racks" })
        };
        assert_eq!(ask(&portal, "/approvals", &order(99_999)).await.expect(200).body, json!({ "id": null, "state": "not_required" }));
        let asked = ask(&portal, "/approvals", &order(100_000)).await.expect(201).body;
        assert_eq!((&asked["state"], &asked["amount"], &asked["reference"]), (&json!("pending"), &json!(100_000), &json!("PO-7")));
        assert_eq!((&asked["values"], &asked["needs"][0]["policy"]), (&json!({ "description": "racks" }), &policy["id"]));
        let path = format!("/approvals/{}", asked["id"].as_str().unwrap());
        let mut adam = house.adam.clone();
        for reason in [json!({}), json!({ "reason": null }), json!({ "reason": "  " }), json!({ "reason": "x".repeat(1_001) }), json!({ "reason": "\0" })] {
            problem(&house.act(&mut adam, &asked, "reject", &reason).await, 400, "invalid-request");
        }
        // It is Joe's order, though the portal asked.
        problem(&house.act(&mut joe, &asked, "approve", &json!({})).await, 404, "not-found");
        house.act(&mut adam, &asked, "reject", &json!({ "reason": "too dear" })).await.expect(200);
        let told = portal.get(&path).await.expect(200).body;
        assert_eq!((&told["state"], &told["decisions"][0]["verdict"], &told["decisions"][0]["values"]), (&json!("rejected"), &json!("reject"), &json!({ "reason": "too dear" })));
        let again = ask(&portal, "/approvals", &order(100_000)).await.expect(201).body;
        assert_ne!(again["id"], asked["id"], "an order is another one each time");
        assert_eq!(house.act(&mut adam, &again, "approve", &json!({})).await.expect(200).body["state"], "approved");
        assert_eq!(portal.get("/approvals?state=approved").await.expect(200).body["items"][0]["id"], again["id"]);
        // The reasons are personal: they go with the key of whom they are about.
        let events = house.office.get(&mut adam, &format!("/events?target={}", asked["id"].as_str().unwrap())).await.expect(200).body;
        assert!(!events["items"].as_array().unwrap().iter().any(|event| event["details"].to_string().contains("dear")), "{events}");
        assert_eq!(events["items"][0]["values"], json!({ "reason": "too dear" }));
        for (name, value) in [
            ("amount", json!(-1)), ("amount", json!(1.5)), ("trigger", json!("role.assigned")), ("trigger", json!("access")), ("trigger", json!("")),
            ("reference", json!("x".repeat(201))), ("description", json!("\0")), ("subject", json!(null)),
        ] {
            let mut wrong = order(1);
            wrong[name] = value;
            problem(&ask(&portal, "/approvals", &wrong).await, 400, "invalid-request");
        }
        for (name, value) in [("subject", "01900000-0000-7000-8000-000000000000"), ("account", house.top.as_str())] {
            let mut unknown = order(1);
            unknown[name] = json!(value);
            problem(&ask(&portal, "/approvals", &unknown).await, 404, "not-found");
        }
    }

    async fn somebody_with_a_role_there_asks_for_themselves_and_for_nobody_else(engine) {
        let (mut house, mut joe) = joe_inside(engine).await;
        let all = orders(0, &json!({ "needed": 2 }));
        let mut of_the_company = all.clone();
        of_the_company["needed"] = json!(1);
        house.policy(&all).await;
        let (mut anne, mut adam, top) = (house.anne.clone(), house.adam.clone(), house.top.clone());
        house.post(&mut anne, &format!("/accounts/{top}/approval-policies"), &of_the_company).await.expect(201);
        let eve = house.person("eve").await;
        let order = json!({ "account": house.emea, "trigger": "order", "amount": 1 });
        let asked = house.post(&mut joe, "/approvals", &order).await.expect(201).body;
        assert_eq!((&asked["subject"]["login"], &asked["may_decide"]), (&json!(house.joe), &json!(false)));
        let named = |order: &Value, name: &str, value: &str| {
            let mut order = order.clone();
            order[name] = json!(value);
            order
        };
        problem(&house.post(&mut joe, "/approvals", &named(&order, "subject", &eve)).await, 404, "not-found");
        problem(&house.post(&mut joe, "/approvals", &named(&order, "account", &top)).await, 404, "not-found");
        house.post(&mut anne, "/approvals", &named(&order, "subject", &eve)).await.expect(201);
        // Each policy has to have as many as it needs; one person counts for both.
        let needs = |answer: &Value| -> Vec<(u64, u64)> {
            answer["needs"].as_array().unwrap().iter().map(|need| (need["given"].as_u64().unwrap(), need["needed"].as_u64().unwrap())).collect()
        };
        let waits = house.act(&mut anne, &asked, "approve", &json!({})).await.expect(200).body;
        assert_eq!(waits["state"], "pending");
        let mut counted = needs(&waits);
        counted.sort_unstable();
        assert_eq!(counted, [(1, 1), (1, 2)]);
        assert_eq!(house.act(&mut adam, &asked, "approve", &json!({})).await.expect(200).body["state"], "approved");
        let own = house.office.get(&mut joe, "/approvals").await.expect(200).body;
        assert_eq!(own["items"].as_array().unwrap().iter().map(|item| &item["id"]).collect::<Vec<_>>(), [&asked["id"]], "his own alone");
    }

    async fn an_approver_by_name_or_by_role_needs_no_permission(engine) {
        let (mut house, mut joe) = joe_inside(engine).await;
        let (mut anne, emea) = (house.anne.clone(), house.emea.clone());
        let (eve, fred) = (house.person("eve").await, house.person("fred").await);
        house.give(&mut anne, &emea, &fred, "financial").await.expect(201);
        house.policy(&orders(1, &json!({ "approvers": { "logins": [eve] } }))).await;
        house.policy(&orders(1, &json!({ "name": "By role", "trigger": "refund", "approvers": { "role": "financial" } }))).await;
        let (mut eve, mut fred) = (house.enter("eve").await, house.enter("fred").await);
        for (trigger, mut approver, mut other) in [("order", eve.clone(), fred.clone()), ("refund", fred.clone(), eve.clone())] {
            let order = json!({ "account": emea, "trigger": trigger, "amount": 1 });
            let asked = house.post(&mut joe, "/approvals", &order).await.expect(201).body;
            problem(&house.office.get(&mut approver, "/accounts").await, 401, "unauthenticated");
            let waiting = house.office.get(&mut approver, "/approvals?state=pending").await.expect(200).body;
            assert_eq!((&waiting["items"][0]["id"], &waiting["items"][0]["may_decide"]), (&asked["id"], &json!(true)));
            assert_eq!(waiting["items"][0]["subject"]["user_name"], "joe");
            problem(&house.act(&mut other, &asked, "approve", &json!({})).await, 404, "not-found");
            // Administrators see it, and are not asked.
            problem(&house.act(&mut anne, &asked, "approve", &json!({})).await, 403, "forbidden");
            assert_eq!(house.act(&mut approver, &asked, "approve", &json!({})).await.expect(200).body["state"], "approved");
        }
        // Who is deactivated decides nothing.
        let order = json!({ "account": emea, "trigger": "order", "amount": 1 });
        let asked = house.post(&mut joe, "/approvals", &order).await.expect(201).body;
        let id = house.tenant.scim.get("/Users?filter=userName%20eq%20%22eve%22").await.expect(200).body["Resources"][0]["id"].clone();
        let off = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{ "op": "replace", "path": "active", "value": false }] });
        assert!(house.tenant.scim.patch(&format!("/Users/{}", id.as_str().unwrap()), &off).await.status < 300);
        problem(&house.act(&mut eve, &asked, "approve", &json!({})).await, 401, "unauthenticated");
        problem(&house.office.get(&mut fred, &format!("/approvals/{}", asked["id"].as_str().unwrap())).await, 404, "not-found");
    }

    async fn what_is_asked_for_again_with_its_key_is_asked_for_once(engine) {
        let (mut house, mut joe) = joe_inside(engine).await;
        house.policy(&orders(1, &json!({}))).await;
        house.policy(&privileged()).await;
        let mut anne = house.anne.clone();
        let order = json!({ "account": house.emea, "trigger": "order", "amount": 1, "description": "racks" });
        let gift = json!({ "login": house.joe, "role": "financial", "reason": "asked for" });
        // Joe has no permission at all, and a key of his own.
        for (by, path, body, status, values) in [
            (&mut joe, "/approvals".to_owned(), order, 201, json!({ "description": "racks" })),
            (&mut anne, format!("/accounts/{}/assignments", house.emea), gift, 202, json!({ "reason": "asked for" })),
        ] {
            let url = format!("{}/api/v1{path}", house.office.world.base);
            let headers = [("sec-fetch-site", "same-origin"), ("content-type", "application/json"), ("idempotency-key", "once")];
            let mut answers = Vec::new();
            for _ in 0..2 {
                let visit = by.send(Method::POST, &url, &headers, Some(body.to_string())).await;
                assert_eq!(visit.status.as_u16(), status, "{}", visit.body);
                answers.push(serde_json::from_str::<Value>(&visit.body).unwrap());
            }
            assert_eq!(answers[0], answers[1]);
            assert_eq!(answers[0]["values"], values, "told from within the transaction");
            let read = house.office.get(by, &format!("/approvals/{}", answers[0]["id"].as_str().unwrap())).await.expect(200).body;
            assert_eq!(read, answers[0]);
        }
        problem(&house.office.get(&mut joe, "/accounts").await, 401, "unauthenticated");
    }
}
