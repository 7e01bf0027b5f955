//! Just-in-time first, the directory afterwards: a login that signing in has made becomes the directory's own, by its pair value alone.

use serde_json::{Value, json};
use vestibule::store::LogQuery;

use super::Stage;
use crate::support::http::{Answer, Browser};
use crate::support::sql;
use crate::support::world::on_every_engine;

/// How often a race is run: each time the threads meet elsewhere.
const ROUNDS: usize = 6;

/// The pair `oid` = `externalId` in place of `sub` = `externalId`: several subjects can then prove one value.
const BY_OID: &[(&str, &str)] = &[("claim = \"sub\"", "claim = \"oid\"")];
const BY_USER_NAME: &[(&str, &str)] =
    &[("claim = \"sub\"", "claim = \"oid\""), ("attribute = \"externalId\"", "attribute = \"userName\"")];

impl Stage {
    /// The directory pushes somebody, whatever it is answered.
    async fn push(&self, body: &Value) -> Answer {
        self.tenant.scim.post("/Users", body).await
    }

    /// Somebody is made by signing in. Answers the browser, and the id of the login.
    async fn arrives(&self, claims: Value) -> (Browser, String) {
        let before = self.logins().await;
        self.person(claims);
        let mut browser = Browser::new();
        self.sign_in(&mut browser).await.expect(200, "No account yet");
        let mut after = self.logins().await;
        after.retain(|id| !before.contains(id));
        assert_eq!(after.len(), 1, "one login is made");
        (browser, after.remove(0))
    }

    /// The ids of all logins of the tenant.
    async fn logins(&self) -> Vec<String> {
        let ids = self.world.app.store.read(self.tenant.id).login_ids(None, 1_000).await.unwrap();
        ids.into_iter().map(|id| id.to_string()).collect()
    }

    async fn events(&self, id: &str) -> Vec<String> {
        let mut kinds = self.world.app.store.read(self.tenant.id).event_kinds(id.parse().unwrap()).await.unwrap();
        kinds.retain(|kind| kind.starts_with("login."));
        kinds.sort();
        kinds
    }

    /// The directory's log, oldest first: operation and status.
    async fn log(&self) -> Vec<(String, i64)> {
        let mut reader = self.world.app.store.read(self.tenant.id);
        let rows = reader.provisioning_log(self.tenant.directory, &LogQuery::default(), 1_000).await.unwrap();
        rows.into_iter().rev().map(|row| (row.operation, row.status)).collect()
    }
}

fn user(user_name: &str, external_id: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": user_name, "externalId": external_id, "active": true,
        "displayName": format!("{user_name} of the directory"),
    })
}

on_every_engine! {
    async fn a_login_made_by_signing_in_is_adopted_by_its_pair_value(engine) {
        let stage = Stage::set(engine, "on", &[]).await;
        let (mut browser, id) = stage.arrives(json!({ "sub": "0a1b", "name": "Sam" })).await;
        let before = stage.tally().await;
        let pushed = stage.push(&user("sam@bluesky.example", "0a1b")).await.expect(201);
        assert_eq!(pushed.id(), id, "the same login");
        assert_eq!(pushed.body["userName"], "sam@bluesky.example");
        assert_eq!((&pushed.body["meta"]["version"], &pushed.headers["etag"]), (&json!("W/\"2\""), &"W/\"2\"".parse().unwrap()));
        let after = stage.tally().await;
        assert_eq!((after.logins, after.persons, after.subjects, after.sessions), (1, 1, 1, before.sessions));
        assert_eq!(stage.events(&id).await, ["login.adopted", "login.created"]);
        assert_eq!(stage.log().await, [("adopt".to_owned(), 201)]);
        // Who is inside stays inside, and is found by the subject again.
        let page = stage.me(&mut browser).await;
        assert!(page.body.contains("sam@bluesky.example of the directory"), "{}", page.body);
        stage.sign_in(&mut Browser::new()).await.expect(200, "No account yet");
        assert_eq!(stage.tally().await.logins, 1);
        // It is the directory's from now on: listed, in groups and their rules, changed and deleted.
        let scim = &stage.tenant.scim;
        assert_eq!(scim.get("/Users").await.body["totalResults"], 1);
        let group = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": "Cloud-EMEA-Admins", "members": [{ "value": id }],
        });
        scim.post("/Groups", &group).await.expect(201);
        assert!(stage.me(&mut browser).await.body.contains("<strong>Administrator</strong>"));
        // Its name is taken in the directory, and free at the connection.
        assert_eq!(stage.push(&user("SAM@bluesky.example", "2c3d")).await.status, 409);
        scim.delete(&format!("/Users/{id}")).await.expect(204);
        stage.me(&mut browser).await.expect_redirect("/sign-in");
        let before = stage.tally().await;
        let page = stage.sign_in(&mut Browser::new()).await;
        stage.expect_refused(&page, before, 403, "Your access has ended", "gone").await;
    }

    async fn an_adopted_login_has_the_roles_of_its_directory_and_of_its_claims(engine) {
        let rules = "[[tenant.rule]]\nname = \"by claim\"\nfrom = \"connection:idp\"\nwithin = \"bluesky\"\n\
                     when = 'claims.department eq \"finance\"'\ngrant = [{ role = \"financial\", account = \"apac\" }]\n\n\
                     [[tenant.rule]]\nname = \"by directory\"\nfrom = \"directory:directory\"\nwithin = \"bluesky\"\n\
                     when = 'title eq \"Boss\"'\ngrant = [{ role = \"support\", account = \"emea\" }]\n\n\
                     [[tenant.rule]]\nname = \"EMEA administrators\"";
        let stage = Stage::set(engine, "on", &[("[[tenant.rule]]\nname = \"EMEA administrators\"", rules)]).await;
        stage.person(json!({ "sub": "0a1b", "department": "finance" }));
        let mut browser = Browser::new();
        let page = stage.sign_in(&mut browser).await;
        assert!(page.body.contains("APAC") && !page.body.contains("EMEA"), "{}", page.body);
        let mut body = user("sam", "0a1b");
        body["title"] = "Boss".into();
        stage.push(&body).await.expect(201);
        let page = stage.me(&mut browser).await;
        assert!(page.body.contains("APAC") && page.body.contains("EMEA"), "{}", page.body);
    }

    async fn a_user_name_that_is_taken_stops_the_adoption_whole(engine) {
        let stage = Stage::set(engine, "on", &[]).await;
        stage.provision("sam", "other").await;
        let (mut browser, id) = stage.arrives(json!({ "sub": "0a1b" })).await;
        let before = stage.tally().await;
        let refused = stage.push(&user("SAM", "0a1b")).await;
        assert_eq!((refused.status, &refused.body["scimType"]), (409, &json!("uniqueness")), "{}", refused.body);
        assert_eq!(stage.tally().await, before);
        assert_eq!(stage.log().await.last().unwrap(), &("create".to_owned(), 409));
        assert_eq!(stage.tenant.scim.get(&format!("/Users/{id}")).await.status, 404, "it is not the directory's");
        assert_eq!(stage.me(&mut browser).await.status, 200);
        // Under another name it is adopted.
        assert_eq!(stage.push(&user("sam2", "0a1b")).await.expect(201).id(), id);
    }

    async fn z02_nothing_but_the_pair_value_adopts(engine) {
        let stage = Stage::set(engine, "on", BY_OID).await;
        let address = "sam@bluesky.example";
        let claims = json!({
            "sub": address, "oid": "0a1b", "email": address, "email_verified": true, "preferred_username": address, "name": "Sam",
        });
        let (_browser, id) = stage.arrives(claims).await;
        let mut body = user(address, "2c3d");
        body["emails"] = json!([{ "value": address, "primary": true }]);
        body["displayName"] = "Sam".into();
        for (external_id, user_name) in [("2c3d", address), (id.as_str(), "by id"), (address, "by address"), ("0A1B", "by case")] {
            body["externalId"] = external_id.into();
            body["userName"] = user_name.into();
            assert_ne!(stage.push(&body).await.expect(201).id(), id, "{external_id}");
        }
        assert_eq!(stage.events(&id).await, ["login.created"]);
        assert_eq!(stage.tally().await.logins, 5);
        body["externalId"] = "0a1b".into();
        body["userName"] = "by the pair value".into();
        assert_eq!(stage.push(&body).await.expect(201).id(), id);
    }

    async fn z02_an_address_adopts_nobody_whatever_claim_it_came_in(engine) {
        let address = "sam@bluesky.example";
        let stage = Stage::set(engine, "on", BY_USER_NAME).await;
        let (_browser, id) = stage.arrives(json!({ "sub": "0a1b", "oid": address, "email_verified": true })).await;
        assert_ne!(stage.push(&user(address, "0a1b")).await.expect(201).id(), id);
        assert_eq!(stage.count("pair_values").await, 0, "nor is it kept");
        // A user name that is no address may be a pair value; it compares exactly.
        let (_browser, id) = stage.arrives(json!({ "sub": "2c3d", "oid": "u1" })).await;
        assert_ne!(stage.push(&user("U1", "x")).await.expect(201).id(), id);
        stage.tenant.scim.delete(&format!("/Users/{}", stage.logins().await.last().unwrap())).await.expect(204);
        assert_eq!(stage.push(&user("u1", "x")).await.expect(201).id(), id);
    }

    async fn two_that_proved_one_value_are_both_left(engine) {
        let stage = Stage::set(engine, "on", BY_OID).await;
        let (mut one, first) = stage.arrives(json!({ "sub": "first", "oid": "0a1b" })).await;
        let (mut two, second) = stage.arrives(json!({ "sub": "second", "oid": "0a1b" })).await;
        let made = stage.push(&user("sam", "0a1b")).await.expect(201).id();
        assert!(made != first && made != second);
        let noted = "events where kind = 'login.created' and details ->> 'adoption' = 'ambiguous'";
        assert_eq!(stage.count(noted).await, 1);
        for browser in [&mut one, &mut two] {
            assert_eq!(stage.me(browser).await.status, 200);
        }
        // A claim that names two proves nothing.
        stage.person(json!({ "sub": "third", "oid": ["2c3d", "4e5f"] }));
        stage.sign_in(&mut Browser::new()).await.expect(200, "No account yet");
        assert_eq!(stage.count("pair_values where value in ('2c3d', '4e5f')").await, 0);
    }

    async fn the_last_sign_in_says_which_value_is_proved(engine) {
        let stage = Stage::set(engine, "on", BY_OID).await;
        let (_browser, id) = stage.arrives(json!({ "sub": "sam" })).await;
        assert_eq!(stage.count("pair_values").await, 0);
        for oid in ["0a1b", "2c3d"] {
            stage.person(json!({ "sub": "sam", "oid": oid }));
            stage.sign_in(&mut Browser::new()).await.expect(200, "No account yet");
        }
        assert_ne!(stage.push(&user("former", "0a1b")).await.expect(201).id(), id);
        assert_eq!(stage.push(&user("sam", "2c3d")).await.expect(201).id(), id);
        // The directory says it from then on, and a sign-in keeps nothing.
        stage.sign_in(&mut Browser::new()).await.expect(200, "No account yet");
        assert_eq!(stage.count("pair_values").await, 0);
    }

    async fn another_directory_or_tenant_adopts_nobody(engine) {
        let stage = Stage::set(engine, "on", &[]).await;
        let (_browser, id) = stage.arrives(json!({ "sub": "0a1b" })).await;
        let text = crate::support::world::describe("orange", "entra", stage.idp.issuer(), "on");
        let orange = stage.world.described("orange", &text).await;
        assert_ne!(orange.scim.post("/Users", &user("sam", "0a1b")).await.expect(201).id(), id);
        // Adopted once, it is nobody else's any more.
        assert_eq!(stage.push(&user("sam", "0a1b")).await.expect(201).id(), id);
        assert_ne!(stage.push(&user("sam.gsa", "0a1b")).await.expect(201).id(), id);
    }

    async fn the_body_says_whether_an_adopted_login_is_active(engine) {
        let stage = Stage::set(engine, "on", &[]).await;
        let (mut browser, id) = stage.arrives(json!({ "sub": "0a1b" })).await;
        let mut off = user("sam", "0a1b");
        off["active"] = false.into();
        assert_eq!(stage.push(&off).await.expect(201).id(), id);
        stage.me(&mut browser).await.expect_redirect("/sign-in");
        assert_eq!(stage.events(&id).await, ["login.adopted", "login.created", "login.deactivated"]);
        let before = stage.tally().await;
        let page = stage.sign_in(&mut browser).await;
        stage.expect_refused(&page, before, 403, "Your access is switched off", "inactive").await;

        let (_browser, id) = stage.arrives(json!({ "sub": "2c3d" })).await;
        sql::change(&stage.world.database.url, "update logins set active = not active where user_name = '2c3d'").await;
        assert_eq!(stage.push(&user("kim", "2c3d")).await.expect(201).id(), id);
        assert_eq!(stage.events(&id).await, ["login.adopted", "login.created", "login.reactivated"]);
        stage.sign_in(&mut Browser::new()).await.expect(200, "No account yet");
    }

    async fn a_push_and_a_first_sign_in_at_once_make_one_login(engine) {
        let stage = Stage::set(engine, "on", &[]).await;
        for round in 0..ROUNDS {
            let sub = format!("sam-{round}");
            stage.person(json!({ "sub": sub }));
            let mut browsers = Vec::new();
            for _ in 0..2 {
                let mut browser = Browser::new();
                let back = stage.way_back(&mut browser).await;
                browsers.push((browser, back));
            }
            let (scim, body) = (stage.tenant.scim.clone(), user(&format!("user {round}"), &sub));
            let pushing = tokio::spawn(async move { scim.post("/Users", &body).await });
            let arriving: Vec<_> = browsers
                .into_iter()
                .map(|(mut browser, back)| tokio::spawn(async move { browser.visit(&back).await.status.as_u16() }))
                .collect();
            for visit in arriving {
                assert_eq!(visit.await.unwrap(), 303, "round {round}");
            }
            let pushed = pushing.await.unwrap().expect(201).id();
            let made = i64::try_from(round).unwrap() + 1;
            let tally = stage.tally().await;
            assert_eq!((tally.logins, tally.subjects, tally.sessions), (made, made, 2 * made), "round {round}");
            assert!(stage.logins().await.contains(&pushed));
        }
    }

    async fn two_pushes_at_once_adopt_once(engine) {
        let stage = Stage::set(engine, "on", &[]).await;
        for round in 0..ROUNDS {
            let sub = format!("sam-{round}");
            let (_browser, id) = stage.arrives(json!({ "sub": sub })).await;
            let mut pushing = Vec::new();
            for name in ["user", "USER"] {
                let (scim, body) = (stage.tenant.scim.clone(), user(&format!("{name} {round}"), &sub));
                pushing.push(tokio::spawn(async move { scim.post("/Users", &body).await }));
            }
            let mut statuses = Vec::new();
            for push in pushing {
                let answer = push.await.unwrap();
                if answer.status == 201 {
                    assert_eq!(answer.body["id"], id, "round {round}");
                } else {
                    assert_eq!(answer.body["scimType"], "uniqueness", "round {round}");
                }
                statuses.push(answer.status);
            }
            statuses.sort_unstable();
            assert_eq!(statuses, [201, 409], "round {round}");
            let adopted = i64::try_from(round).unwrap() + 1;
            assert_eq!(stage.count("events where kind = 'login.adopted'").await, adopted);
            assert_eq!(stage.tally().await.logins, adopted);
        }
    }

    async fn a_push_and_a_sign_in_of_a_known_login_at_once_keep_both(engine) {
        let stage = Stage::set(engine, "on", &[]).await;
        for round in 0..ROUNDS {
            let sub = format!("sam-{round}");
            let (_browser, id) = stage.arrives(json!({ "sub": sub })).await;
            let mut browser = Browser::new();
            let back = stage.way_back(&mut browser).await;
            let (scim, body) = (stage.tenant.scim.clone(), user(&format!("user {round}"), &sub));
            let pushing = tokio::spawn(async move { scim.post("/Users", &body).await });
            assert_eq!(browser.visit(&back).await.status, 303, "round {round}");
            assert_eq!(pushing.await.unwrap().expect(201).id(), id, "round {round}");
            assert_eq!(stage.me(&mut browser).await.status, 200);
            assert_eq!(stage.count("pair_values").await, 0, "round {round}");
        }
    }

    async fn the_values_of_a_login_that_signing_in_made_lie_sealed_beside_its_event(engine) {
        let stage = Stage::set(engine, "on", &[]).await;
        let (_, id) = stage.arrives(json!({ "sub": "joe", "name": "Joe Bloggs" })).await;
        let app = &stage.world.app;
        let query = vestibule::store::EventQuery { target: Some(id.parse().unwrap()), kind: Some("login.created"), ..Default::default() };
        let event = app.store.read(stage.tenant.id).events(&query, 9).await.unwrap().remove(0);
        assert!(event.details["person"].is_string() && !event.details.to_string().contains("Joe"), "{}", event.details);
        let values = vestibule::directory::personal_values(&app.store, stage.tenant.id, &app.sealer, &[event.id]).await.unwrap();
        let after = json!({ "after": { "userName": "joe", "active": true, "displayName": "Joe Bloggs" } });
        assert_eq!(values[&event.id], vestibule::directory::PersonalValues::Kept(after));
    }
}
