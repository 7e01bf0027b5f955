//! The state of a sign-in: bound to its browser and its connection, used once, and not for ever.

use chrono::TimeDelta;
use serde_json::json;

use super::{SIGN_IN, Stage, noon};
use crate::support::http::Browser;
use crate::support::world::on_every_engine;

const AGAIN: &str = "Please sign in again";

/// A second connection of the tenant to the same identity provider.
const SECOND: &[(&str, &str)] = &[(
    "[[tenant.domain]]",
    "[[tenant.connection]]\nslug = \"partners\"\nname = \"Partners\"\nissuer = \"http://127.0.0.1:1\"\nclient_id = \"vestibule\"\n\n\
     [[tenant.domain]]",
)];

fn state(callback: &str) -> String {
    url::Url::parse(callback).unwrap().query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned()
}

on_every_engine! {
    async fn o05_a_state_that_nobody_began_leads_nowhere(engine) {
        let stage = Stage::new(engine).await;
        stage.provision("joe", "joe").await;
        let before = stage.tally().await;
        let callback = stage.world.redirect_uri(&stage.tenant);
        let mut browser = Browser::new();
        let _ = stage.way_back(&mut browser).await;
        for query in ["", "?code=x", "?state=", "?state=nonsense&code=x", "?error=access_denied", "?state=%00&code=%00"] {
            let page = browser.visit(&format!("{callback}{query}")).await.expect(400, AGAIN);
            assert_eq!(page.headers["x-request-id"], page.reference().as_str(), "{query}");
            assert!(page.set_cookies().is_empty(), "{query}");
        }
        // Nobody knows whose these were to be, so there is no trace; the log has the reference.
        assert_eq!(stage.tally().await, before);
        // A parameter that comes twice, or an address that is none.
        for address in [
            format!("{callback}?state=a&state=b&code=x"),
            format!("{callback}?code=a&code=b"),
            format!("{callback}?state=%ff"),
        ] {
            let page = browser.visit(&address).await;
            assert!(page.status.is_client_error() && page.body.starts_with("<!doctype html>"), "{address}: {}", page.body);
        }
        for path in ["/sign-in/oidc/nonsense", "/sign-in/oidc/nonsense/callback?state=x", "/sign-in/oidc/%ff", "/sign-in/oidc/"] {
            let page = browser.visit(&format!("{}{path}", stage.world.base)).await;
            assert!(page.status.is_client_error() && page.body.starts_with("<!doctype html>"), "{path}: {}", page.body);
        }
        let nobodys = format!("{}/sign-in/oidc/{}", stage.world.base, vestibule::model::ConnectionId::new(noon()));
        browser.visit(&nobodys).await.expect(404, "There is no page here");
        assert_eq!(stage.tally().await, before);
    }

    async fn o05_another_browser_cannot_finish_and_does_not_spoil(engine) {
        let stage = Stage::new(engine).await;
        stage.provision("joe", "joe").await;
        let (mut joe, mut thief) = (Browser::new(), Browser::new());
        let back = stage.way_back(&mut joe).await;
        for cookie in [None, Some(""), Some("guess"), Some("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")] {
            if let Some(cookie) = cookie {
                thief.plant(&stage.world.base, SIGN_IN, cookie);
            }
            let before = stage.tally().await;
            let page = thief.visit(&back).await;
            stage.expect_refused(&page, before, 400, AGAIN, "state_of_other_browser").await;
        }
        // Not even one that is on its way itself.
        let mut other = Browser::new();
        let _ = stage.way_back(&mut other).await;
        let before = stage.tally().await;
        let page = other.visit(&back).await;
        stage.expect_refused(&page, before, 400, AGAIN, "state_of_other_browser").await;
        joe.visit(&back).await.expect_redirect("/me");
    }

    async fn o05_o10_a_callback_counts_once(engine) {
        let stage = Stage::new(engine).await;
        stage.provision("joe", "joe").await;
        let mut browser = Browser::new();
        let back = stage.way_back(&mut browser).await;
        browser.visit(&back).await.expect_redirect("/me");
        let redeemed = stage.idp.seen().token;
        let session = stage.session(&browser).map(ToOwned::to_owned);
        for _ in 0..2 {
            let before = stage.tally().await;
            let page = browser.visit(&back).await;
            stage.expect_refused(&page, before, 400, AGAIN, "state_replayed").await;
        }
        assert_eq!(stage.idp.seen().token, redeemed, "the identity provider is not asked again");
        assert_eq!(stage.session(&browser), session.as_deref(), "the session goes on");
        stage.me(&mut browser).await.expect(200, "Your accounts");
        // An answer that was refused is used up as well.
        stage.idp.script().response = json!({ "code": null, "error": "access_denied" });
        let back = stage.way_back(&mut browser).await;
        browser.visit(&back).await.expect(403, "The sign-in was not completed");
        let before = stage.tally().await;
        let page = browser.visit(&back).await;
        stage.expect_refused(&page, before, 400, AGAIN, "state_replayed").await;
    }

    async fn o05_a_sign_in_that_takes_too_long_is_over(engine) {
        let stage = Stage::new(engine).await;
        stage.provision("joe", "joe").await;
        let mut browser = Browser::new();
        let (first, second) = (stage.way_back(&mut browser).await, stage.way_back(&mut browser).await);
        stage.clock.advance(TimeDelta::minutes(15) - TimeDelta::microseconds(1));
        stage.idp.script().now = stage.clock.now();
        browser.visit(&first).await.expect_redirect("/me");
        stage.clock.advance(TimeDelta::microseconds(1));
        let before = stage.tally().await;
        let page = browser.visit(&second).await;
        stage.expect_refused(&page, before, 400, AGAIN, "state_expired").await;
    }

    async fn o04_s28_the_answer_to_one_connection_is_none_to_another(engine) {
        let stage = Stage::set(engine, "if-provisioned", SECOND).await;
        stage.provision("joe", "joe").await;
        let connections = stage.world.app.store.read(stage.tenant.id).connections().await.unwrap();
        let partners = connections.iter().find(|connection| connection.slug == "partners").unwrap().id;
        let elsewhere = stage.world.tenant("orange", "entra", stage.idp.issuer()).await;
        let mut browser = Browser::new();
        let back = stage.way_back(&mut browser).await;
        for other in [partners, elsewhere.connection] {
            let moved = back.replace(&stage.tenant.connection.to_string(), &other.to_string());
            assert_ne!(moved, back);
            let before = stage.tally().await;
            let page = browser.visit(&moved).await;
            stage.expect_refused(&page, before, 400, AGAIN, "state_of_other_connection").await;
        }
        assert_eq!(stage.idp.seen().token, 0, "the code went nowhere");
        browser.visit(&back).await.expect_redirect("/me");
    }

    async fn several_tabs_of_a_browser_can_each_finish(engine) {
        let stage = Stage::new(engine).await;
        stage.provision("joe", "joe").await;
        let mut browser = Browser::new();
        let (first, second) = (stage.way_back(&mut browser).await, stage.way_back(&mut browser).await);
        assert_ne!(state(&first), state(&second));
        browser.visit(&second).await.expect_redirect("/me");
        browser.visit(&first).await.expect_redirect("/me");
        stage.me(&mut browser).await.expect(200, "Your accounts");
        assert_eq!(stage.tally().await.sessions, 1, "the former session of the browser has ended");
    }
}
