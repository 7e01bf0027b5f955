//! Signing in anew because a portal wants it: how lately, with how much certainty, by which login; and the session that goes on.

use chrono::TimeDelta;
use serde_json::json;

use super::authorize::{carried, code, error};
use super::{Foyer, noon};
use crate::support::http::{Browser, Visit};
use crate::support::world::on_every_engine;

const SESSION: &str = "__Host-vestibule-session";

impl Foyer {
    /// Time goes by, here and at the identity provider.
    fn wait(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
        self.idp.script().now += TimeDelta::seconds(seconds);
    }

    /// From now on the identity provider says of Joe that it asked him just now, and what else it knows.
    fn asserts(&self, more: &serde_json::Value) {
        let mut claims = json!({ "sub": "joe", "auth_time": self.clock.now().timestamp() });
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.idp.script().claims = claims;
    }

    /// Joe is administrator of `bluesky/emea` and signed in at noon; the identity provider says when it asked him. A minute went by.
    async fn joe_at_noon(&self) -> Browser {
        self.person("joe", &["Cloud-EMEA-Admins"]).await;
        self.asserts(&json!({}));
        let mut browser = Browser::new();
        browser.follow(&self.world.sign_in(&self.tenant), None).await.expect(200, "Your accounts");
        self.wait(60);
        browser
    }

    /// The time of the session's sign-in: what the identity provider says, and when it was here; in seconds after noon.
    async fn signed_in_at(&self, browser: &Browser) -> (Option<i64>, i64) {
        let session = self.session(browser).await.unwrap();
        let mut reader = self.world.app.store.read(self.tenant.id);
        let row = reader.session_login(session.id, session.active_login_id).await.unwrap().unwrap();
        let after = |at: chrono::DateTime<chrono::Utc>| (at - noon()).num_seconds();
        (row.authentication.asserted_at.map(after), after(row.authentication.authenticated_at))
    }

    /// Goes to the identity provider, signs in there after a second, and goes on until asked something or back at the portal.
    async fn signs_in_again(&self, browser: &mut Browser, changes: &[(&str, Option<&str>)]) -> Visit {
        let left = self.until_asked(browser, changes).await;
        self.wait(1);
        browser.follow(left.location.unwrap().as_str(), Some("https://portal.example/")).await
    }

    /// Goes to the identity provider and no further. Answers where the browser then is.
    async fn until_asked(&self, browser: &mut Browser, changes: &[(&str, Option<&str>)]) -> Visit {
        browser.follow(&self.asks(changes), Some(&format!("{}/authorize", self.idp.issuer()))).await
    }
}

on_every_engine! {
    async fn oidcc_prompt_login(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe_at_noon().await;
        assert_eq!(foyer.signed_in_at(&browser).await, (Some(0), 0));
        // The browser goes to the person's own identity provider at once, which is asked to ask.
        let left = foyer.until_asked(&mut browser, &[("prompt", Some("login"))]).await;
        let there = left.location.unwrap();
        let asked: std::collections::HashMap<_, _> = there.query_pairs().into_owned().collect();
        assert_eq!((asked["prompt"].as_str(), asked["max_age"].as_str()), ("login", "0"));
        foyer.wait(5);
        foyer.asserts(&json!({}));
        foyer.wait(1);
        code(&foyer, &browser.follow(there.as_str(), Some("https://portal.example/")).await);
        assert_eq!(foyer.signed_in_at(&browser).await, (Some(65), 66));
        assert_eq!(foyer.idp.seen().asked["prompt"], "login");
    }

    async fn a_prompt_to_sign_in_asks_nobody_twice(engine) {
        let foyer = Foyer::new(engine).await;
        foyer.person("joe", &["Cloud-EMEA-Admins"]).await;
        let mut browser = Browser::new();
        let page = foyer.visits(&mut browser, &[("prompt", Some("login"))]).await.expect(200, "Sign in to The portal");
        foyer.wait(3);
        foyer.asserts(&json!({}));
        let tokens = foyer.idp.seen().token;
        code(&foyer, &foyer.goes_on(&mut browser, &page).await);
        assert_eq!(foyer.idp.seen().token, tokens + 1);
        assert_eq!(foyer.idp.seen().asked["prompt"], "login");
    }

    async fn oidcc_max_age_1(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe_at_noon().await;
        let left = foyer.until_asked(&mut browser, &[("max_age", Some("1"))]).await;
        foyer.wait(2);
        foyer.asserts(&json!({}));
        foyer.wait(2);
        code(&foyer, &browser.follow(left.location.unwrap().as_str(), Some("https://portal.example/")).await);
        assert_eq!(foyer.idp.seen().asked["max_age"], "1");
        assert_eq!(foyer.signed_in_at(&browser).await, (Some(62), 64));
        assert_eq!(error(&foyer, &foyer.visits(&mut browser, &[("max_age", Some("1")), ("prompt", Some("none"))]).await), "login_required");
    }

    async fn oidcc_max_age_10000(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe_at_noon().await;
        let tokens = foyer.idp.seen().token;
        code(&foyer, &foyer.visits(&mut browser, &[("max_age", Some("10000"))]).await);
        assert_eq!((foyer.idp.seen().token, foyer.signed_in_at(&browser).await), (tokens, (Some(0), 0)));
    }

    async fn an_identity_provider_that_does_not_say_when_it_asked_cannot_satisfy_anybody(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe_at_noon().await;
        let before = browser.cookie(&foyer.world.base, SESSION).unwrap().to_owned();
        for changes in [[("prompt", Some("login"))], [("max_age", Some("1"))]] {
            for claims in [json!({ "sub": "joe" }), json!({ "sub": "joe", "auth_time": noon().timestamp() })] {
                foyer.idp.script().claims = claims;
                // The portal is told, once; nobody is sent around in circles.
                let told = foyer.visits(&mut browser, &changes).await;
                assert_eq!(error(&foyer, &told), "login_required");
                foyer.wait(60);
            }
        }
        assert_eq!(foyer.count("authorization_requests where consumed_at is null").await, 0);
        assert_eq!(foyer.count("sign_in_traces where outcome = 'not_fresh'").await, 4);
        assert_eq!(foyer.count("grants").await, 0);
        // The session that was there is as it was.
        assert_eq!(browser.cookie(&foyer.world.base, SESSION), Some(before.as_str()));
        assert_eq!(foyer.signed_in_at(&browser).await, (Some(0), 0));
    }

    async fn acr_values_ask_for_a_second_factor_and_the_session_then_has_it(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe_at_noon().await;
        let sure = [("acr_values", Some("urn:vestibule:aal2"))];
        let silent = [sure[0], ("prompt", Some("none"))];
        // As long as the operator has approved nothing of what it says, nobody is sent to it.
        let tokens = foyer.idp.seen().token;
        foyer.asserts(&json!({ "acr": "phr", "amr": ["otp"] }));
        let told = foyer.visits(&mut browser, &sure).await;
        assert_eq!((error(&foyer, &told).as_str(), foyer.idp.seen().token), ("unmet_authentication_requirements", tokens));
        let map = r#"{"protocol":"oidc","client_id":"vestibule","second_factor":{"amr":["otp"],"ask":["phr"]}}"#;
        crate::support::sql::change(&foyer.world.database.url, &format!("update connections set settings = '{map}'")).await;
        assert_eq!(error(&foyer, &foyer.visits(&mut browser, &silent).await), "interaction_required");
        // It says nothing that counts.
        foyer.asserts(&json!({ "acr": "phr", "amr": ["pwd"] }));
        let told = foyer.visits(&mut browser, &sure).await;
        assert_eq!(error(&foyer, &told), "unmet_authentication_requirements");
        assert_eq!(foyer.idp.seen().asked["acr_values"], "phr");
        // It does.
        foyer.asserts(&json!({ "amr": ["pwd", "otp"] }));
        code(&foyer, &foyer.visits(&mut browser, &sure).await);
        code(&foyer, &foyer.visits(&mut browser, &silent).await);
        // A later sign-in without it is what it is.
        foyer.asserts(&json!({}));
        browser.follow(&foyer.world.sign_in(&foyer.tenant), None).await.expect(200, "Your accounts");
        assert_eq!(error(&foyer, &foyer.visits(&mut browser, &silent).await), "interaction_required");
    }

    async fn o05_who_signs_in_again_stays_in_the_same_stay_by_another_cookie(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe_at_noon().await;
        let (before, session) = (browser.cookie(&foyer.world.base, SESSION).unwrap().to_owned(), foyer.session(&browser).await.unwrap());
        let grant = foyer.grant(&browser, "portal", "bluesky/emea", "openid").await;
        foyer.asserts(&json!({}));
        code(&foyer, &foyer.signs_in_again(&mut browser, &[("prompt", Some("login"))]).await);
        let after = foyer.session(&browser).await.unwrap();
        assert_ne!(browser.cookie(&foyer.world.base, SESSION), Some(before.as_str()));
        assert_eq!((after.id, after.active_login_id), (session.id, session.active_login_id));
        assert!(after.expires_at > session.expires_at, "its absolute end counts from the sign-in");
        // The portal stays signed in, and the former cookie is worth nothing.
        let mut reader = foyer.world.app.store.read(foyer.tenant.id);
        let limits = foyer.world.app.session_limits();
        assert!(reader.grant(grant.grant, foyer.clock.now(), limits).await.unwrap().is_some());
        let mut thief = Browser::new();
        thief.plant(&foyer.world.base, SESSION, &before);
        assert_eq!(error(&foyer, &foyer.visits(&mut thief, &[("prompt", Some("none"))]).await), "login_required");
        assert_eq!((foyer.count("sessions").await, foyer.count("session_logins").await), (1, 1));
    }

    async fn o05_another_login_ends_what_was_in_the_browser(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe_at_noon().await;
        foyer.person("eve", &["Cloud-Admins"]).await;
        let before = browser.cookie(&foyer.world.base, SESSION).unwrap().to_owned();
        let grant = foyer.grant(&browser, "portal", "bluesky/emea", "openid").await;
        // Somebody else comes back from the identity provider, which was to ask anew.
        foyer.asserts(&json!({ "sub": "eve" }));
        let page = foyer.signs_in_again(&mut browser, &[("prompt", Some("login"))]).await.expect(200, "Which account?");
        assert!(page.body.contains("eve@bluesky.example"), "{}", page.body);
        assert_eq!(foyer.count("sessions").await, 1);
        let mut reader = foyer.world.app.store.read(foyer.tenant.id);
        let limits = foyer.world.app.session_limits();
        assert_eq!(reader.grant(grant.grant, foyer.clock.now(), limits).await.unwrap(), None);
        let mut thief = Browser::new();
        thief.plant(&foyer.world.base, SESSION, &before);
        thief.visit(&format!("{}/me", foyer.world.base)).await.expect_redirect("/sign-in");
    }

    async fn o05_somebody_of_another_tenant_ends_what_was_in_the_browser(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe_at_noon().await;
        let before = browser.cookie(&foyer.world.base, SESSION).unwrap().to_owned();
        let orange = foyer.world.tenant("orange", "entra", foyer.idp.issuer()).await;
        let user = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "joe", "externalId": "joe" });
        orange.scim.post("/Users", &user).await.expect(201);
        browser.follow(&foyer.world.sign_in(&orange), None).await.expect(200, "Sign-in for orange");
        assert_eq!(foyer.count("sessions").await, 1);
        let mut thief = Browser::new();
        thief.plant(&foyer.world.base, SESSION, &before);
        thief.visit(&format!("{}/me", foyer.world.base)).await.expect_redirect("/sign-in");
    }

    async fn o05_of_two_tabs_that_come_back_at_once_one_is_in_and_the_former_cookie_is_worth_nothing(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe_at_noon().await;
        let before = browser.cookie(&foyer.world.base, SESSION).unwrap().to_owned();
        let callback = format!("{}/callback", foyer.world.sign_in(&foyer.tenant));
        let mut race = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let back = browser.follow(&foyer.world.sign_in(&foyer.tenant), Some(&callback)).await.location.unwrap();
            let mut tab = browser.clone();
            race.spawn(async move {
                assert_eq!(tab.visit(back.as_str()).await.status, 303);
                tab
            });
        }
        let mut inside = 0;
        for mut tab in race.join_all().await {
            assert_ne!(tab.cookie(&foyer.world.base, SESSION), Some(before.as_str()));
            inside += usize::from(tab.visit(&format!("{}/me", foyer.world.base)).await.status == 200);
        }
        assert!(inside >= 1);
        browser.plant(&foyer.world.base, SESSION, &before);
        browser.visit(&format!("{}/me", foyer.world.base)).await.expect_redirect("/sign-in");
    }

    async fn a_session_that_no_longer_counts_is_not_revived(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe_at_noon().await;
        let session = foyer.session(&browser).await.unwrap();
        let grant = foyer.grant(&browser, "portal", "bluesky/emea", "openid").await;
        for table in ["connections", "logins", "persons", "tenants"] {
            crate::support::sql::change(&foyer.world.database.url, &format!("update {table} set epoch = epoch + 1")).await;
            foyer.asserts(&json!({}));
            browser.follow(&foyer.world.sign_in(&foyer.tenant), None).await.expect(200, "Your accounts");
            assert_ne!(foyer.session(&browser).await.unwrap().id, session.id, "{table}");
            let mut reader = foyer.world.app.store.read(foyer.tenant.id);
            let limits = foyer.world.app.session_limits();
            assert_eq!(reader.grant(grant.grant, foyer.clock.now(), limits).await.unwrap(), None, "{table}");
        }
    }

    async fn a_refused_sign_in_can_be_tried_again_and_still_leads_to_the_portal(engine) {
        let foyer = Foyer::new(engine).await;
        foyer.person("joe", &["Cloud-EMEA-Admins"]).await;
        let mut browser = Browser::new();
        let page = foyer.visits(&mut browser, &[]).await.expect(200, "Sign in to The portal");
        foyer.idp.script().claims = json!({ "sub": "nobody" });
        let refused = foyer.goes_on(&mut browser, &page).await;
        let (_, rest) = refused.body.split_once(r#"href="/sign-in?return_to="#).unwrap_or_else(|| panic!("{}", refused.body));
        let again = format!("{}/sign-in?return_to={}", foyer.world.base, rest.split('"').next().unwrap());
        let page = browser.visit(&again).await.expect(200, "Sign in to The portal");
        foyer.asserts(&json!({}));
        code(&foyer, &foyer.goes_on(&mut browser, &page).await);
    }

    async fn the_demand_is_what_the_portal_asked_for_whatever_the_browser_says(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe_at_noon().await;
        let left = foyer.until_asked(&mut browser, &[("prompt", Some("login"))]).await;
        // A plain sign-in in another tab, by a single sign-on of yesterday, does not count for it.
        let waits = left.url.query_pairs().find(|(name, _)| name == "return_to").unwrap().1.into_owned();
        foyer.wait(1);
        browser.follow(&foyer.world.sign_in(&foyer.tenant), None).await.expect(200, "Your accounts");
        let back = browser.visit(&format!("{}{waits}", foyer.world.base)).await;
        assert!(back.location.unwrap().path().starts_with("/sign-in/oidc/"));
        foyer.asserts(&json!({}));
        let told = browser.follow(left.location.unwrap().as_str(), Some("https://portal.example/")).await;
        assert!(carried(&foyer, &told).contains_key("code"));
    }
}
