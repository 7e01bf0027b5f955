//! What an administrator who is signed in does with the tokens of a directory, by the API.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use super::{SESSION, Stage};
use crate::support::http::{Answer, Browser, Scim, client};
use crate::support::sql;
use crate::support::world::on_every_engine;

on_every_engine! {
    async fn z05_an_administrator_issues_rotates_and_revokes(engine) {
        let (stage, session) = office(engine).await;
        let desk = Desk { stage: &stage, session: Some(session) };
        let end = "2027-12-31T00:00:00Z";
        let made = desk.post("", &json!({ "name": "entra", "scopes": ["scim:read"], "expires_at": end })).await.expect(201);
        let (first, old) = (made.id(), stage.client(&made));
        assert_eq!((&made.body["state"], &made.body["expires_at"]), (&json!("active"), &json!(end)));
        assert_eq!((&made.body["created_by"]["kind"], &made.body["last_used_at"]), (&json!("login"), &Value::Null));
        assert_eq!(made.headers["cache-control"], "no-store");
        old.get("/Users").await.expect(200);
        assert_eq!(old.post("/Users", &json!({})).await.status, 403);
        desk.post("", &json!({ "name": "entra" })).await.expect(409);

        let rotated = desk.post(&format!("/{first}/rotate"), &json!({ "overlap": 60 })).await.expect(201);
        let (second, new) = (rotated.id(), stage.client(&rotated));
        assert_eq!((&rotated.body["replaces"], &rotated.body["scopes"]), (&json!(first), &json!(["scim:read"])));
        assert_ne!(old.token, new.token);
        let conflict = desk.post(&format!("/{first}/rotate"), &json!({})).await.expect(409);
        assert!(conflict.body["detail"].as_str().unwrap().contains("rotated before"), "{}", conflict.body);
        old.get("/Users").await.expect(200);
        new.get("/Users").await.expect(200);
        let list = desk.get().await.expect(200);
        let states: Vec<_> = list.body["items"].as_array().unwrap().iter().map(|one| (&one["name"], &one["state"])).collect();
        let (entra, provisioning) = (json!("entra"), json!("provisioning"));
        assert_eq!(states, [(&entra, &json!("replaced")), (&entra, &json!("active")), (&provisioning, &json!("active"))]);
        let shown = list.body.to_string();
        for token in [&old.token, &new.token, &stage.tenant.scim.token] {
            assert!(shown.contains(&token[4..16]) && !shown.contains(&token[17..]), "{shown}");
        }
        stage.clock.advance(TimeDelta::seconds(60));
        old.get("/Users").await.expect(401);
        new.get("/Users").await.expect(200);
        for _ in 0..2 {
            desk.send(Method::DELETE, &format!("/{second}"), None).await.expect(204);
            new.get("/Users").await.expect(401);
        }
        desk.post("", &json!({ "name": "entra" })).await.expect(201);
        // The tenant sees who did it.
        let told = "select kind from events where kind like 'token.%' and actor ->> 'kind' = 'login' order by kind";
        let kinds = ["token.issued", "token.issued", "token.issued", "token.revoked", "token.rotated"];
        assert_eq!(sql::texts(&stage.world.database.url, told).await, kinds);
    }

    async fn z05_what_cannot_be_is_refused_and_makes_nothing(engine) {
        let (stage, session) = office(engine).await;
        let desk = Desk { stage: &stage, session: Some(session) };
        let first = desk.get().await.expect(200).body["items"][0]["id"].as_str().unwrap().to_owned();
        let (before, rotate) = (stage.count("tokens").await, format!("/{first}/rotate"));
        for (path, body) in [
            ("", json!({})),
            ("", json!({ "name": "" })),
            ("", json!({ "name": "x", "scopes": [] })),
            ("", json!({ "name": "x", "scopes": ["all"] })),
            ("", json!({ "name": "x", "expires_at": "2020-01-01T00:00:00Z" })),
            ("", json!({ "name": "x", "expires_at": "tomorrow" })),
            ("", json!({ "name": "x", "secret": "mine" })),
            (&*rotate, json!({ "overlap": 30 * 86_400 + 1 })),
            (&*rotate, json!({ "overlap": -1 })),
            (&*rotate, json!({ "expires_at": "2020-01-01T00:00:00Z" })),
        ] {
            let answer = desk.post(path, &body).await.expect(400);
            assert_eq!(answer.headers["content-type"], "application/problem+json", "{body}");
        }
        for path in ["/nonsense/rotate", "/01900000-0000-7000-8000-000000000000/rotate"] {
            desk.post(path, &json!({})).await.expect(404);
            desk.send(Method::DELETE, path.trim_end_matches("/rotate"), None).await.expect(404);
        }
        assert_eq!(stage.count("tokens").await, before);
        stage.tenant.scim.get("/Users").await.expect(200);
    }

    async fn z05_nobody_but_an_administrator_of_the_directory_s_account_sees_or_makes_tokens(engine) {
        let (stage, session) = office(engine).await;
        let member = sign_in(&stage, "mike", "Somebody").await;
        let log = Desk { stage: &stage, session: Some(session) };
        let log_token = log.post("", &json!({ "name": "log", "scopes": ["log"] })).await.expect(201).body["token"].clone();
        let before = stage.count("tokens").await;
        let body = json!({ "name": "mine" });
        for session in [None, Some("a".repeat(43)), Some(member)] {
            let desk = Desk { stage: &stage, session };
            desk.get().await.expect(401);
            desk.post("", &body).await.expect(401);
        }
        let url = format!("{}/api/v1/directories/{}/tokens", stage.world.base, stage.tenant.directory);
        for (token, status) in [(stage.tenant.scim.token.as_str(), 401), (log_token.as_str().unwrap(), 403)] {
            for method in [Method::GET, Method::POST] {
                let request = client().request(method, &url).bearer_auth(token).header("content-type", "application/json");
                assert_eq!(request.body(body.to_string()).send().await.unwrap().status(), status);
            }
        }
        let elsewhere = url.replace(&stage.tenant.directory.to_string(), "01900000-0000-7000-8000-000000000000");
        let cookie = format!("{SESSION}={}", log.session.as_ref().unwrap());
        assert_eq!(client().get(&elsewhere).header("cookie", &cookie).send().await.unwrap().status(), 404);
        let foreign = client().post(&url).header("cookie", &cookie).header("sec-fetch-site", "cross-site");
        let foreign = foreign.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
        assert_eq!(foreign.status(), 403);
        assert_eq!(stage.count("tokens").await, before);
        // A token of the API counts against the rate of its directory, as any other does.
        let slow = "update directories set settings = '{\"requests_per_second\": 1, \"burst\": 2}'";
        sql::change(&stage.world.database.url, slow).await;
        let mut statuses = Vec::new();
        for _ in 0..3 {
            let answer = client().get(&url).bearer_auth(log_token.as_str().unwrap()).send().await.unwrap();
            statuses.push((answer.status().as_u16(), answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned())));
        }
        assert_eq!(statuses, [(403, None), (403, None), (429, Some("1".to_owned()))]);
    }
}

/// A stage on which members of `Cloud-EMEA-Admins` administer the whole tenant, and the session of one.
async fn office(engine: vestibule::store::Engine) -> (Stage, String) {
    let stage = Stage::set(engine, "if-provisioned", &[("account = \"emea\"", "account = \".\"")]).await;
    let session = sign_in(&stage, "anne", "Cloud-EMEA-Admins").await;
    (stage, session)
}

/// Has the directory push somebody as member of a group, and signs them in. Answers the session.
async fn sign_in(stage: &Stage, name: &str, group: &str) -> String {
    let id = stage.provision(name, name).await;
    let group = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": group, "members": [{ "value": id }],
    });
    stage.tenant.scim.post("/Groups", &group).await.expect(201);
    stage.person(json!({ "sub": name }));
    let mut browser = Browser::new();
    stage.sign_in(&mut browser).await;
    stage.session(&browser).unwrap().to_owned()
}

impl Stage {
    /// A client of the directory with the token that an answer shows.
    fn client(&self, made: &Answer) -> Scim {
        Scim::new(self.tenant.scim.base.clone(), made.body["token"].as_str().unwrap().to_owned())
    }
}

/// The tokens of the stage's directory, for whoever has this session.
struct Desk<'a> {
    stage: &'a Stage,
    session: Option<String>,
}

impl Desk<'_> {
    async fn get(&self) -> Answer {
        self.send(Method::GET, "", None).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let url = format!("{}/api/v1/directories/{}/tokens{path}", self.stage.world.base, self.stage.tenant.directory);
        let mut request = client().request(method, url).header("sec-fetch-site", "same-origin");
        if let Some(session) = &self.session {
            request = request.header("cookie", format!("{SESSION}={session}"));
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        Scim::read(request.send().await.unwrap()).await
    }
}
