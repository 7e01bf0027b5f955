//! An administrator tries a connection out: a report, and nothing else.

use vestibule::model::{ConnectionState, LoginId};

use super::{SESSION, Stage, asked_by};
use crate::linking::leads_away;
use crate::support::http::{Browser, Visit};
use crate::support::saml_idp::{Asked, Says};
use crate::support::sql;
use crate::support::world::on_every_engine;

impl Stage {
    /// A browser in which an administrator of everything is signed in by the other connection.
    async fn administrator(&self) -> Browser {
        self.administrator_with_login().await.0
    }

    /// The same, and the login.
    async fn administrator_with_login(&self) -> (Browser, LoginId) {
        let login = self.foyer.person("admin", &["Cloud-Admins"]).await;
        (self.foyer.sign_in("admin").await, login)
    }

    /// The test begins. Answers what the identity provider is asked.
    async fn tries(&self, browser: &mut Browser) -> Asked {
        let page = browser.post(&self.page(&format!("/admin/connections/{}/test", self.connection)), &[]).await;
        asked_by(&page.expect(200, "On to Anchor"))
    }

    /// What a test changes: nothing of these.
    async fn tally(&self) -> [i64; 6] {
        let mut tally = [0; 6];
        let tables = ["logins", "persons", "subjects", "sessions", "assignments", "session_logins"];
        for (at, table) in tables.into_iter().enumerate() {
            tally[at] = self.count(table).await;
        }
        tally
    }

    async fn reports(&self, browser: &mut Browser, says: &Says) -> Visit {
        let asked = self.tries(browser).await;
        self.brings(browser, &asked.acs(), &self.idp.response(&asked, says)).await
    }
}

on_every_engine! {
    async fn a_test_tells_what_a_sign_in_would_come_to_and_signs_nobody_in(engine) {
        let stage = Stage::new(engine).await;
        let (mut browser, admin) = stage.administrator_with_login().await;
        stage.foyer.person("joe", &["Cloud-EMEA-Admins"]).await;
        let mut writer = stage.foyer.world.app.store.write(stage.foyer.tenant.id).await.unwrap();
        writer.set_connection_state(stage.connection, ConnectionState::Draft, stage.now()).await.unwrap();
        writer.commit().await.unwrap();
        let before = stage.tally().await;
        let session = browser.cookie(&stage.foyer.world.base, SESSION).map(ToOwned::to_owned);
        let says = Says { attributes: vec![("uid".into(), vec!["joe".into()]), ("x".into(), vec!["<i>".into()])], ..Says::of("joe", stage.now()) };
        let page = stage.reports(&mut browser, &says).await.expect(200, "The test of Anchor &#38; &#60;Sons&#62; succeeded");
        for text in [
            "It would sign in joe@bluesky.example for the first time",
            "The connection is not enabled",
            "joe-for-ever",
            "<dt>uid</dt><dd>joe</dd>",
            "<strong>administrator</strong> at bluesky/emea",
            "by rule ‘EMEA administrators’",
            "What was checked",
        ] {
            assert!(page.body.contains(text), "{text}: {}", page.body);
        }
        assert!(!page.body.contains("<i>"), "{}", page.body);
        let page = stage.reports(&mut browser, &Says::of("mallory", stage.now())).await;
        page.expect(200, "answered well, and you would be refused").expect_body("(<code>unknown</code>)");
        let wrong = Says { at: stage.now() - chrono::TimeDelta::hours(1), ..Says::of("joe", stage.now()) };
        stage.reports(&mut browser, &wrong).await.expect(200, "The test of Anchor &#38; &#60;Sons&#62; failed");
        assert_eq!(stage.tally().await, before);
        assert_eq!(browser.cookie(&stage.foyer.world.base, SESSION), session.as_deref());
        assert_eq!(stage.count("events where kind = 'connection.tested'").await, 3);
        // Whoever tested it did, and not the identity provider.
        let told = "select cast(actor as text) from events where kind = 'connection.tested'";
        for actor in sql::texts(&stage.foyer.world.database.url, told).await {
            assert!(actor.contains("\"login\"") && actor.contains(&admin.to_string()), "{actor}");
        }
        assert_eq!(stage.count("events where kind = 'session.refused'").await, 0);
        // What it used is used.
        let again = Says { assertion_id: Some("_tested".into()), ..Says::of("joe", stage.now()) };
        stage.reports(&mut browser, &again).await.expect(200, "succeeded");
        assert_eq!(stage.reports(&mut browser, &again).await.status, 400);
        // Nobody signs in by a draft.
        let page = Browser::new().visit(&stage.at("")).await;
        assert_eq!(page.status, 403, "{}", page.body);
    }

    async fn a_report_is_for_the_administrator_who_asked_for_it(engine) {
        let stage = Stage::new(engine).await;
        let mut admin = stage.administrator().await;
        stage.foyer.person("joe", &[]).await;
        let test = stage.page(&format!("/admin/connections/{}/test", stage.connection));
        // Who may not manage the connection is told that there is none.
        let mut browser = stage.signed_in("joe").await;
        assert_eq!(browser.post(&test, &[]).await.status, 404);
        Browser::new().post(&test, &[]).await.expect_redirect("/sign-in");
        assert_eq!(admin.post_from("cross-site", &test, &[]).await.status, 403);
        // In another browser, and after signing out in the same one.
        let asked = stage.tries(&mut admin).await;
        let response = stage.idp.response(&asked, &Says::of("joe", stage.now()));
        let page = stage.brings(&mut browser, &asked.acs(), &response).await;
        assert_eq!(page.status, 400, "{}", page.body);
        admin.post(&stage.page("/sign-out"), &[]).await.expect(200, "You are signed out");
        let page = stage.brings(&mut admin, &asked.acs(), &response).await;
        assert_eq!(page.status, 400, "{}", page.body);
        assert!(!page.body.contains("joe-for-ever"), "{}", page.body);
        assert_eq!(stage.count("events where kind = 'connection.tested'").await, 0);
    }

    async fn a_connection_by_openid_connect_is_tried_out_in_the_same_way(engine) {
        let stage = Stage::new(engine).await;
        let mut browser = stage.administrator().await;
        stage.foyer.person("ann", &["Cloud-EMEA-Admins"]).await;
        stage.foyer.idp.script().claims = serde_json::json!({ "sub": "ann", "groups": ["a", "b"] });
        let before = stage.tally().await;
        let test = stage.page(&format!("/admin/connections/{}/test", stage.foyer.tenant.connection));
        let page = browser.post(&test, &[]).await.expect(200, "On to");
        let page = browser.follow(&leads_away(&page), None).await.expect(200, "succeeded");
        page.expect_body("It would sign in ann@bluesky.example for the first time").expect_body("<dt>groups</dt><dd>a<br>b</dd>");
        assert_eq!(stage.tally().await, before);
    }
}

impl Visit {
    /// The visit itself, when its body has this text too.
    fn expect_body(self, text: &str) -> Self {
        assert!(self.body.contains(text), "no {text:?} in {}", self.body);
        self
    }
}
