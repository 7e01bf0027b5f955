//! Who asks, and what they reach.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Office, alike, problem};
use crate::support::http::{Browser, Scim};
use crate::support::world::on_every_engine;

/// The slugs of the directories that an answer lists.
fn slugs(body: &Value) -> Vec<&str> {
    body["items"].as_array().unwrap().iter().map(|item| item["slug"].as_str().unwrap()).collect()
}

on_every_engine! {
    async fn an_administrator_sees_the_directories_of_their_subtree_and_nobody_elses(engine) {
        let office = Office::new(engine).await;
        let (blue, red) = (office.tenant("bluesky", "entra").await, office.tenant("redsky", "entra").await);
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let mut child = office.inside(&blue, "emil", "Cloud-EMEA-Admins").await;
        let mut helper = office.inside(&blue, "hugo", "Cloud-Helpers").await;
        let mut foreign = office.inside(&red, "rita", "Cloud-Admins").await;
        let log = |id: &str| format!("/directories/{id}/provisioning-log");
        let (own, never) = (log(&blue.directory.to_string()), log("01900000-0000-7000-8000-000000000000"));
        let list = office.get(&mut root, "/directories").await.expect(200);
        assert_eq!(slugs(&list.body), ["directory"]);
        assert_eq!(list.headers["cache-control"], "no-store");
        let item = &list.body["items"][0];
        assert_eq!((&item["id"], &item["profile"], &item["state"]), (&json!(blue.directory), &json!("entra"), &json!("enabled")));
        assert_eq!((&item["users"], &item["groups"], &item["refused_in_24_hours"]), (&json!(3), &json!(3), &json!(0)));
        office.get(&mut root, &own).await.expect(200);
        // The directory's home account is the parent of the one where this administrator is one.
        assert_eq!(slugs(&office.get(&mut child, "/directories").await.expect(200).body), Vec::<&str>::new());
        let mut answers = Vec::new();
        for (mut browser, path) in [
            (child.clone(), &own),
            (child.clone(), &never),
            (foreign.clone(), &own),
            (root.clone(), &never),
            (root.clone(), &log(&red.directory.to_string())),
            (root.clone(), &log("no-id")),
            (root.clone(), &"/nothing".to_owned()),
        ] {
            let answer = office.get(&mut browser, path).await;
            problem(&answer, 404, "not-found");
            answers.push(alike(answer));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
        assert_eq!(slugs(&office.get(&mut foreign, "/directories").await.expect(200).body), ["directory"]);
        // Without the permission, without a session, with the cookie of nobody.
        let mut thief = Browser::new();
        thief.plant(&office.world.base, "__Host-vestibule-session", &"a".repeat(43));
        for browser in [&mut helper, &mut Browser::new(), &mut thief] {
            for path in [&own, &never, &"/directories".to_owned()] {
                let answer = office.get(browser, path).await;
                problem(&answer, 401, "unauthenticated");
                assert_eq!(answer.headers["www-authenticate"], "Bearer");
            }
        }
        // Who loses the role loses the sight.
        let users = blue.scim.get("/Users?filter=userName%20eq%20%22anne%22").await.expect(200);
        let anne = users.body["Resources"][0]["id"].as_str().unwrap().to_owned();
        blue.scim.delete(&format!("/Users/{anne}")).await.expect(204);
        problem(&office.get(&mut root, &own).await, 401, "unauthenticated");
    }

    async fn a_token_with_the_scope_log_reads_its_own_directory_and_changes_nothing(engine) {
        let office = Office::new(engine).await;
        let (blue, red) = (office.tenant("bluesky", "entra").await, office.tenant("redsky", "entra").await);
        blue.scim.post("/Users", &json!({ "userName": "joe" })).await.expect(201);
        let reader = office.token(&blue, "log").await;
        let own = format!("/directories/{}/provisioning-log", blue.directory);
        let log = reader.get(&own).await.expect(200);
        assert_eq!(log.body["items"].as_array().unwrap().len(), 1);
        assert_eq!(slugs(&reader.get("/directories").await.expect(200).body), ["directory"]);
        problem(&reader.get(&own.replace(&blue.directory.to_string(), &red.directory.to_string())).await, 404, "not-found");
        let trace = format!("/directories/{}/trace", blue.directory);
        let post = reader.request(Method::POST, &trace).json(&json!({ "minutes": 5 })).send().await.unwrap();
        problem(&Scim::read(post).await, 403, "forbidden");
        let entry = log.body["items"][0]["id"].as_str().unwrap();
        assert_eq!(reader.get(&format!("{own}/{entry}")).await.expect(200).body.get("values"), None);
        // A token for provisioning is none for this, and one for this is none for provisioning.
        let provisioning = Scim::new(office.at(""), blue.scim.token.clone());
        problem(&provisioning.get(&own).await, 401, "unauthenticated");
        let other = Scim::new(blue.scim.base.clone(), reader.token.clone());
        other.post("/Users", &json!({ "userName": "jim" })).await.expect(403);
        for token in ["", "x", &format!("{}x", reader.token)] {
            problem(&Scim::new(office.at(""), token.to_owned()).get(&own).await, 401, "unauthenticated");
        }
        // A wrong token is not made good by a good cookie.
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let headers = [("authorization", "Bearer x")];
        let visit = root.send(Method::GET, &office.at(&own), &headers, None).await;
        assert_eq!(visit.status, 401);
    }

    async fn what_is_wrong_is_a_problem_whatever_it_is(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let trace = format!("/directories/{}/trace", blue.directory);
        let answer = office.send(&mut root, Method::PUT, &trace, None).await;
        problem(&answer, 405, "method-not-allowed");
        assert_eq!(answer.headers["allow"], "POST,DELETE");
        problem(&office.get(&mut Browser::new(), "/nothing").await, 404, "not-found");
        for (body, what) in [(json!({ "minutes": 0 }), "minutes"), (json!({ "minutes": 1_441 }), "1440"), (json!({}), "minutes")] {
            let answer = office.send(&mut root, Method::POST, &trace, Some(&body)).await;
            problem(&answer, 400, "invalid-request");
            assert!(answer.body["detail"].as_str().unwrap().contains(what), "{}", answer.body);
        }
        let unknown = office.get(&mut root, &format!("/directories/{}/provisioning-log?outcom=done", blue.directory)).await;
        problem(&unknown, 400, "invalid-request");
        // Another site's page, by whatever means, changes nothing.
        let body = Some(json!({ "minutes": 5 }).to_string());
        for (site, kind, status) in
            [("cross-site", "application/json", 403), ("same-site", "text/plain", 403), ("same-origin", "text/plain", 415)]
        {
            let headers = [("sec-fetch-site", site), ("content-type", kind)];
            let visit = root.send(Method::POST, &office.at(&trace), &headers, body.clone()).await;
            assert_eq!(visit.status, status, "{site} {kind}: {}", visit.body);
            assert_eq!(visit.headers["content-type"], "application/problem+json");
        }
        let listed = office.get(&mut root, "/directories").await;
        assert_eq!(listed.body["items"][0]["trace_until"], Value::Null);
    }
}
