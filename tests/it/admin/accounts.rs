//! The account tree, changed by hand.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Office, alike, problem};
use crate::support::http::Browser;
use crate::support::world::on_every_engine;

/// The paths of the accounts that somebody sees.
async fn paths(office: &Office, browser: &mut Browser) -> Vec<String> {
    let list = office.get(browser, "/accounts").await.expect(200).body;
    list["items"].as_array().unwrap().iter().map(|item| item["path"].as_str().unwrap().to_owned()).collect()
}

/// The id of the account of a path.
async fn id(office: &Office, browser: &mut Browser, path: &str) -> String {
    let list = office.get(browser, "/accounts").await.expect(200).body;
    let found = list["items"].as_array().unwrap().iter().find(|item| item["path"] == path);
    found.unwrap_or_else(|| panic!("{path} is not among {list}"))["id"].as_str().unwrap().to_owned()
}

on_every_engine! {
    async fn accounts_are_made_renamed_moved_and_suspended(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        assert_eq!(paths(&office, &mut root).await, ["bluesky", "bluesky/apac", "bluesky/emea"]);
        let (top, emea, apac) =
            (id(&office, &mut root, "bluesky").await, id(&office, &mut root, "bluesky/emea").await, id(&office, &mut root, "bluesky/apac").await);
        let new = json!({ "parent": emea, "slug": "berlin", "name": " Berlin " });
        let made = office.send(&mut root, Method::POST, "/accounts", Some(&new)).await.expect(201).body;
        assert_eq!((&made["path"], &made["name"], &made["state"], &made["parent"]), (&json!("bluesky/emea/berlin"), &json!("Berlin"), &json!("active"), &json!(emea)));
        let berlin = format!("/accounts/{}", made["id"].as_str().unwrap());
        let change = async |root: &mut Browser, path: &str, body: Value| office.send(root, Method::PATCH, path, Some(&body)).await;
        let moved = change(&mut root, &berlin, json!({ "parent": apac, "name": "Tokyo", "slug": "tokyo" })).await.expect(200).body;
        assert_eq!(moved["path"], "bluesky/apac/tokyo");
        assert_eq!(paths(&office, &mut root).await, ["bluesky", "bluesky/apac", "bluesky/apac/tokyo", "bluesky/emea"]);
        change(&mut root, &berlin, json!({ "state": "suspended" })).await.expect(200);
        assert_eq!(paths(&office, &mut root).await, ["bluesky", "bluesky/apac", "bluesky/emea"], "nobody holds anything there");
        // What is refused, and leaves everything as it was.
        let before = office.get(&mut root, "/accounts").await.body;
        let (top_path, apac_path) = (format!("/accounts/{top}"), format!("/accounts/{apac}"));
        for (path, body, status, name, detail) in [
            (&top_path, json!({ "state": "suspended" }), 403, "forbidden", "first account"),
            (&top_path, json!({ "slug": "other" }), 403, "forbidden", "first account"),
            (&apac_path, json!({ "parent": apac }), 409, "conflict", "below itself"),
            (&apac_path, json!({ "slug": "emea" }), 409, "conflict", "has the slug"),
            (&apac_path, json!({ "slug": "EMEA" }), 400, "invalid-request", "a slug has"),
            (&apac_path, json!({ "name": "" }), 400, "invalid-request", "name"),
            (&apac_path, json!({ "state": "gone" }), 400, "invalid-request", "suspended"),
            (&apac_path, json!({ "colour": "red" }), 400, "invalid-request", "colour"),
            (&apac_path, json!({ "parent": "01900000-0000-7000-8000-000000000000" }), 404, "not-found", ""),
        ] {
            let answer = change(&mut root, path, body.clone()).await;
            problem(&answer, status, name);
            assert!(answer.body["detail"].as_str().unwrap().contains(detail), "{body}: {}", answer.body);
        }
        assert_eq!(office.get(&mut root, "/accounts").await.body, before);
        let kinds = office.world.app.store.read(blue.id).event_kinds(made["id"].as_str().unwrap().parse().unwrap()).await.unwrap();
        assert_eq!(kinds, ["account.created", "account.changed", "account.changed"]);
    }

    async fn who_looks_after_one_account_changes_nothing_beside_or_above_it(engine) {
        let office = Office::new(engine).await;
        let (blue, red) = (office.tenant("bluesky", "entra").await, office.tenant("redsky", "entra").await);
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let mut child = office.inside(&blue, "emil", "Cloud-EMEA-Admins").await;
        let foreign = office.inside(&red, "rita", "Cloud-Admins").await;
        let mut helper = office.inside(&blue, "hugo", "Cloud-Helpers").await;
        let (emea, apac) = (id(&office, &mut root, "bluesky/emea").await, id(&office, &mut root, "bluesky/apac").await);
        assert_eq!(paths(&office, &mut child).await, ["bluesky/emea"]);
        office.send(&mut child, Method::PATCH, &format!("/accounts/{emea}"), Some(&json!({ "name": "Europe" }))).await.expect(200);
        let made = office.send(&mut child, Method::POST, "/accounts", Some(&json!({ "parent": emea, "slug": "paris", "name": "Paris" }))).await.expect(201);
        // Its place in the tree is for those above it.
        let own = format!("/accounts/{emea}");
        problem(&office.send(&mut child, Method::PATCH, &own, Some(&json!({ "slug": "europe" }))).await, 404, "not-found");
        problem(&office.send(&mut child, Method::PATCH, &own, Some(&json!({ "state": "suspended" }))).await, 404, "not-found");
        let paris = format!("/accounts/{}", made.body["id"].as_str().unwrap());
        problem(&office.send(&mut child, Method::PATCH, &paris, Some(&json!({ "parent": apac }))).await, 404, "not-found");
        let (never, beside) = ("/accounts/01900000-0000-7000-8000-000000000000".to_owned(), format!("/accounts/{apac}"));
        let mut answers = Vec::new();
        for (mut browser, path) in [(child.clone(), &beside), (child.clone(), &never), (foreign.clone(), &own), (foreign.clone(), &never)] {
            for (method, body) in [(Method::GET, None), (Method::PATCH, Some(json!({ "name": "Mine" })))] {
                let answer = office.send(&mut browser, method, path, body.as_ref()).await;
                problem(&answer, 404, "not-found");
                answers.push(alike(answer));
            }
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
        problem(&office.get(&mut helper, "/accounts").await, 401, "unauthenticated");
        let token = office.token(&blue, "log").await;
        problem(&token.get("/accounts").await, 403, "forbidden");
    }

    async fn a_tree_is_no_deeper_than_it_may_be(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let (emea, mut at) = (id(&office, &mut root, "bluesky/emea").await, id(&office, &mut root, "bluesky/apac").await);
        for level in 3..=16 {
            let new = json!({ "parent": at, "slug": "below", "name": format!("Level {level}") });
            let made = office.send(&mut root, Method::POST, "/accounts", Some(&new)).await.expect(201).body;
            made["id"].as_str().unwrap().clone_into(&mut at);
        }
        let new = json!({ "parent": at, "slug": "below", "name": "Too deep" });
        problem(&office.send(&mut root, Method::POST, "/accounts", Some(&new)).await, 409, "conflict");
        problem(&office.send(&mut root, Method::PATCH, &format!("/accounts/{emea}"), Some(&json!({ "parent": at }))).await, 409, "conflict");
    }
}
