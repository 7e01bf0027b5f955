//! Logins that administrators made: bound by the value that they wait for, once.

use reqwest::Method;
use serde_json::{Value, json};

use super::Stage;
use crate::support::http::{Answer, Browser, Scim, client};
use crate::support::world::on_every_engine;

const SECRET: &str = "5f0e0b1c7a3d4c4f9a6e2b8d1f7c3a90";
/// The tenant's own tool, which makes people.
const TOOL: &str = r#"
[[tenant.client]]
client_id = "tool"
name = "Tool"
scopes = ["accounts:read", "people:write", "roles:write"]
secret = { value = "5f0e0b1c7a3d4c4f9a6e2b8d1f7c3a90" }

[[tenant.rule]]
name = "EMEA administrators"
"#;
/// No directory is joined with the connection.
const ALONE: (&str, &str) =
    ("\n[[tenant.directory.binding]]\nconnection = \"idp\"\nclaim = \"sub\"\nattribute = \"externalId\"\n", "\n");
const BY_OID: (&str, &str) = ("claim = \"sub\"", "claim = \"oid\"");
const WITH_TOOL: (&str, &str) = ("\n[[tenant.rule]]\nname = \"EMEA administrators\"\n", TOOL);
const ROUNDS: usize = 6;

/// The API, as the tenant's own tool asks it.
struct Tool {
    api: Scim,
    root: String,
}

impl Stage {
    async fn tool(&self) -> Tool {
        let form = [("grant_type", "client_credentials"), ("client_id", "tool"), ("client_secret", SECRET)];
        let answer = client().post(format!("{}/oauth2/token", self.world.base)).form(&form).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        let api = Scim::new(format!("{}/api/v1", self.world.base), answer["access_token"].as_str().unwrap().to_owned());
        let accounts = api.get("/accounts").await.expect(200).body;
        Tool { api, root: accounts["items"][0]["id"].as_str().unwrap().to_owned() }
    }

    async fn enters(&self, claims: Value) -> Browser {
        self.person(claims);
        let mut browser = Browser::new();
        self.sign_in(&mut browser).await.expect(200, "No account yet");
        browser
    }

    async fn is_refused(&self, claims: Value, heading: &str, outcome: &str) {
        self.person(claims);
        let before = self.tally().await;
        let page = self.sign_in(&mut Browser::new()).await;
        self.expect_refused(&page, before, 403, heading, outcome).await;
    }
}

impl Tool {
    async fn ask(&self, method: Method, path: &str, body: &Value) -> Answer {
        Scim::read(self.api.request(method, path).json(body).send().await.unwrap()).await
    }

    async fn make(&self, stage: &Stage, name: &str, awaits: Value) -> Answer {
        let mut awaits = awaits;
        awaits["connection"] = json!(stage.tenant.connection);
        let body = json!({
            "kind": "byoi", "account": self.root, "user_name": name, "given_name": name, "family_name": "Bloggs",
            "email": format!("{name}@bluesky.example"), "awaits": awaits,
        });
        self.ask(Method::POST, "/people", &body).await
    }

    async fn state(&self, login: &str) -> String {
        self.api.get(&format!("/people/{login}")).await.expect(200).body["state"].as_str().unwrap().to_owned()
    }

    async fn delete(&self, login: &str) {
        let told = self.ask(Method::POST, &format!("/people/{login}/deletion"), &json!({})).await.expect(200).body;
        let path = format!("/people/{login}?confirmation={}", told["confirmation"].as_str().unwrap());
        self.api.delete(&path).await.expect(204);
    }
}

fn login(made: &Answer) -> String {
    made.body["login"].as_str().unwrap().to_owned()
}

on_every_engine! {
    async fn the_first_sign_in_with_the_value_binds_the_login_and_a_second_subject_does_not(engine) {
        // Nobody else is let in here: JIT is off.
        let stage = Stage::set(engine, "off", &[BY_OID, WITH_TOOL]).await;
        let tool = stage.tool().await;
        let joe = login(&tool.make(&stage, "joe", json!({ "claim": "oid", "value": "0a1b" })).await.expect(201));
        assert_eq!(tool.state(&joe).await, "pending");
        stage.is_refused(json!({ "sub": "s0", "oid": "0A1B" }), "You have no access here yet", "unknown").await;
        stage.is_refused(json!({ "sub": "0a1b" }), "You have no access here yet", "unknown").await;
        stage.enters(json!({ "sub": "s1", "oid": "0a1b" })).await;
        assert_eq!(tool.state(&joe).await, "active");
        assert_eq!(stage.count("events where kind = 'login.bound'").await, 1);
        // From now on the subject alone counts.
        stage.is_refused(json!({ "sub": "s2", "oid": "0a1b" }), "This access belongs to another sign-in", "already_bound").await;
        stage.enters(json!({ "sub": "s1", "oid": "other" })).await;
        stage.enters(json!({ "sub": "s1" })).await;
        let tally = stage.tally().await;
        assert_eq!((tally.logins, tally.persons, tally.subjects), (1, 1, 1));
    }

    async fn where_no_directory_is_joined_a_login_waits_for_its_subject(engine) {
        let stage = Stage::set(engine, "on", &[ALONE, WITH_TOOL]).await;
        let tool = stage.tool().await;
        let joe = login(&tool.make(&stage, "joe", json!({ "value": "0a1b" })).await.expect(201));
        for (awaits, status, words) in [
            (json!({ "claim": "oid", "value": "0a1b" }), 400, "people by sub"),
            (json!({ "value": "0a1b" }), 409, "has this value"),
            (json!({ "value": "joe@bluesky.example" }), 400, "an address"),
            (json!({ "value": "joe\u{ff20}bluesky.example" }), 400, "an address"),
            (json!({ "value": "" }), 400, "1 to 255"),
            (json!({ "value": " 0a1b" }), 400, "1 to 255"),
            (json!({ "value": "0a\u{0}1b" }), 400, "1 to 255"),
        ] {
            let answer = tool.make(&stage, "eve", awaits).await;
            assert_eq!(answer.status, status, "{}", answer.body);
            assert!(answer.body["detail"].as_str().unwrap().contains(words), "{}", answer.body);
        }
        stage.enters(json!({ "sub": "0a1b" })).await;
        assert_eq!((tool.state(&joe).await.as_str(), stage.tally().await.logins), ("active", 1));
        // Whoever came by themselves has their subject already.
        stage.enters(json!({ "sub": "2c3d" })).await;
        assert_eq!(tool.make(&stage, "eve", json!({ "value": "2c3d" })).await.status, 409);
    }

    async fn who_was_deleted_comes_back_when_an_administrator_makes_them_anew(engine) {
        let gone = "Your access has ended";
        for (engine, changes) in [(engine, vec![ALONE, WITH_TOOL]), (engine, vec![WITH_TOOL])] {
            let stage = Stage::set(engine, "on", &changes).await;
            let tool = stage.tool().await;
            // Deleted before the first sign-in, and after it.
            for bound in [false, true] {
                let joe = login(&tool.make(&stage, "joe", json!({ "value": "0a1b" })).await.expect(201));
                if bound {
                    stage.enters(json!({ "sub": "0a1b" })).await;
                }
                tool.delete(&joe).await;
                stage.is_refused(json!({ "sub": "0a1b" }), gone, "gone").await;
            }
            // One that came by itself, and was deleted.
            stage.enters(json!({ "sub": "2c3d" })).await;
            let eve = tool.api.get("/people").await.expect(200).body["items"][0]["login"].as_str().unwrap().to_owned();
            tool.delete(&eve).await;
            stage.is_refused(json!({ "sub": "2c3d" }), gone, "gone").await;
            for sub in ["0a1b", "2c3d"] {
                tool.make(&stage, sub, json!({ "value": sub })).await.expect(201);
                stage.enters(json!({ "sub": sub })).await;
            }
            assert_eq!(stage.count("tombstones where lifted_at is null").await, 0);
        }
    }

    async fn a_deactivated_login_is_not_let_in_whatever_its_directory_says(engine) {
        let stage = Stage::set(engine, "if-provisioned", &[WITH_TOOL]).await;
        let tool = stage.tool().await;
        let joe = stage.provision("joe", "0a1b").await;
        let mut browser = stage.enters(json!({ "sub": "0a1b" })).await;
        let act = async |what: &str| tool.ask(Method::POST, &format!("/people/{joe}/{what}"), &json!({})).await;
        assert_eq!(act("deactivate").await.expect(200).body["state"], "deactivated");
        stage.me(&mut browser).await.expect_redirect("/sign-in");
        let off = "Your access is switched off";
        stage.is_refused(json!({ "sub": "0a1b" }), off, "inactive").await;
        // The directory says what it said, and sees what it said.
        stage.set_active(&joe, true).await;
        assert_eq!(stage.tenant.scim.get(&format!("/Users/{joe}")).await.body["active"], true);
        stage.is_refused(json!({ "sub": "0a1b" }), off, "inactive").await;
        // Both have to let them in.
        stage.set_active(&joe, false).await;
        act("reactivate").await.expect(200);
        stage.is_refused(json!({ "sub": "0a1b" }), off, "inactive").await;
        assert_eq!(act("reactivate").await.status, 409, "that is the directory's to do");
        stage.set_active(&joe, true).await;
        stage.enters(json!({ "sub": "0a1b" })).await;
    }

    async fn racing_for_the_value_that_a_login_waits_for_leaves_it_to_one(engine) {
        let stage = Stage::set(engine, "on", &[BY_OID, WITH_TOOL]).await;
        let tool = stage.tool().await;
        for round in 0..ROUNDS {
            let oid = format!("oid-{round}");
            tool.make(&stage, &oid, json!({ "value": oid })).await.expect(201);
            let mut browsers = Vec::new();
            for subject in ["first", "second"] {
                stage.person(json!({ "sub": format!("{subject}-{round}"), "oid": oid }));
                let mut browser = Browser::new();
                let back = stage.way_back(&mut browser).await;
                browsers.push((browser, back));
            }
            stage.person(json!({}));
            let mut tasks = Vec::new();
            for (mut browser, back) in browsers {
                tasks.push(tokio::spawn(async move { browser.visit(&back).await.status.as_u16() }));
            }
            let mut statuses = Vec::new();
            for task in tasks {
                statuses.push(task.await.unwrap());
            }
            statuses.sort_unstable();
            assert_eq!(statuses, [303, 403], "round {round}");
            let made = i64::try_from(round).unwrap() + 1;
            assert_eq!((stage.tally().await.logins, stage.count("subjects").await), (made, made));
        }
    }

    async fn a_directory_that_pushes_the_value_adopts_the_login_also_while_it_is_made(engine) {
        let stage = Stage::set(engine, "if-provisioned", &[WITH_TOOL]).await;
        let tool = stage.tool().await;
        let joe = login(&tool.make(&stage, "joe", json!({ "value": "0a1b" })).await.expect(201));
        assert_eq!(stage.provision("joe@bluesky.example", "0a1b").await, joe, "the same login");
        stage.enters(json!({ "sub": "0a1b" })).await;
        let shown = tool.api.get(&format!("/people/{joe}")).await.expect(200).body;
        assert_eq!((&shown["directory"], &shown["awaits"]), (&json!(stage.tenant.directory), &Value::Null));
        // What the directory has, nobody makes a second time.
        stage.provision("eve", "2c3d").await;
        assert_eq!(tool.make(&stage, "eve", json!({ "value": "2c3d" })).await.status, 409);
        for round in 0..ROUNDS {
            let value = format!("value-{round}");
            let before = stage.tally().await.logins;
            let (made, pushed) =
                tokio::join!(tool.make(&stage, &value, json!({ "value": value })), stage.provision(&value, &value));
            if made.status == 201 {
                assert_eq!(login(&made), pushed, "round {round}");
            } else {
                assert_eq!(made.status, 409, "round {round}: {}", made.body);
            }
            assert_eq!(stage.tally().await.logins, before + 1, "round {round}");
            stage.enters(json!({ "sub": value })).await;
        }
    }
}
