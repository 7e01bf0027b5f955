//! Fresh proof by SAML: linking two logins, switching between them, and what a portal asks for.

use chrono::TimeDelta;

use super::{Stage, asked_by};
use crate::linking::leads_away;
use crate::openid::CALLBACK;
use crate::support::http::{Browser, Visit};
use crate::support::saml_idp::{Asked, Says};
use crate::support::world::on_every_engine;

impl Stage {
    /// Goes on from such a page as somebody.
    async fn proves(&self, browser: &mut Browser, leaving: &Visit, says: &Says) -> Visit {
        let asked = asked_by(leaving);
        assert_eq!(asked.attribute("ForceAuthn").as_deref(), Some("true"), "{asked:?}");
        self.brings(browser, &asked.acs(), &self.idp.response(&asked, says)).await
    }

    /// Begins a link, and has the second login sign in as somebody.
    async fn second(&self, browser: &mut Browser, says: &Says) -> Visit {
        let connection = self.connection.to_string();
        let leaving = browser.post(&self.page("/me/logins/link"), &[("connection", &connection)]).await;
        self.proves(browser, &leaving.expect(200, "On to"), says).await
    }
}

impl Stage {
    /// A portal asks for somebody. The browser goes as far as the identity provider; answers what that is asked.
    async fn asked_for_a_portal(&self, browser: &mut Browser, more: &[(&str, &str)]) -> Asked {
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("response_type", "code"), ("client_id", "portal"), ("redirect_uri", CALLBACK), ("scope", "openid")])
            .extend_pairs([("state", "s"), ("code_challenge", challenge), ("code_challenge_method", "S256")])
            .extend_pairs(more)
            .finish();
        let until = self.idp.sso();
        let visit = browser.follow(&self.page(&format!("/oauth2/authorize?{query}")), Some(until.as_str())).await;
        Asked::by_redirect(&visit.location.unwrap_or_else(|| panic!("not sent away: {}", visit.body)))
    }
}

impl Stage {
    /// Links the login of a browser, `name`, with a second one that says this.
    async fn linked(&self, browser: &mut Browser, name: &str, second: &Says) {
        let leaving = browser.post(&self.page("/me/logins/prove"), &[]).await;
        self.proves(browser, &leaving, &Says::of(name, self.now())).await.expect_redirect("/me/logins/link");
        let review = self.second(browser, second).await.location.unwrap();
        browser.post(review.as_str(), &[]).await.expect_redirect("/me/logins?done=linked");
    }
}

on_every_engine! {
    async fn a_portal_gets_whom_it_asks_for_and_anew_if_it_wants_that(engine) {
        let stage = Stage::new(engine).await;
        stage.foyer.person("joe", &["Cloud-EMEA-Admins"]).await;
        let mut browser = stage.signed_in("joe").await;
        stage.wait(60);
        let anew = [("prompt", "login")];
        let asked = stage.asked_for_a_portal(&mut browser, &anew).await;
        assert_eq!(asked.attribute("ForceAuthn").as_deref(), Some("true"), "{asked:?}");
        let stale = Says { authenticated_at: stage.now() - TimeDelta::hours(1), ..Says::of("joe", stage.now()) };
        let page = stage.brings(&mut browser, &asked.acs(), &stage.idp.response(&asked, &stale)).await;
        // No redirect may lead to a portal behind the form that brought the response.
        let told = leads_away(&page);
        assert!(told.starts_with(CALLBACK) && told.contains("error=login_required"), "{told}");
        let asked = stage.asked_for_a_portal(&mut browser, &anew).await;
        stage.wait(5);
        let says = Says::of("joe", stage.now());
        stage.wait(1);
        let page = stage.brings(&mut browser, &asked.acs(), &stage.idp.response(&asked, &says)).await;
        let on = leads_away(&page);
        assert!(on.starts_with("/oauth2/authorize/"), "{on}");
        let end = browser.follow(&stage.page(&on), Some("https://portal.example/")).await;
        let back = end.location.unwrap_or_else(|| panic!("not back: {}", end.body));
        assert!(back.as_str().starts_with(CALLBACK) && back.query_pairs().any(|(name, _)| name == "code"), "{back}");
        // It is the session from before.
        assert_eq!(stage.count("sessions").await, 1);
    }

    async fn two_logins_are_linked_by_two_fresh_proofs(engine) {
        let stage = Stage::new(engine).await;
        let (joe, gsa) = (stage.foyer.person("joe", &[]).await, stage.foyer.person("joe.gsa", &["Cloud-EMEA-Admins"]).await);
        let mut browser = stage.signed_in("joe").await;
        stage.wait(60);
        browser.visit(&stage.page("/me/logins/link")).await.expect(200, "Sign in again as joe@bluesky.example");
        let leaving = browser.post(&stage.page("/me/logins/prove"), &[]).await;
        let back = stage.proves(&mut browser, &leaving, &Says::of("joe", stage.now())).await;
        back.expect_redirect("/me/logins/link");
        let back = stage.second(&mut browser, &Says::of("joe.gsa", stage.now())).await;
        assert_eq!(back.status, 303, "{}", back.body);
        let review = back.location.unwrap();
        browser.visit(review.as_str()).await.expect(200, "Link these two logins?");
        browser.post(review.as_str(), &[]).await.expect_redirect("/me/logins?done=linked");
        assert_eq!(stage.count("logins where person_id <> born_person_id").await, 1);
        // Both are signed in there; switching to the other one and back needs nobody else.
        for login in [gsa, joe] {
            browser.post(&stage.page("/me/switch"), &[("login", &login.to_string())]).await.expect_redirect("/me");
        }
        assert_eq!(stage.count("session_logins where name_id_value in ('joe-for-ever', 'joe.gsa-for-ever')").await, 2);
    }

    async fn an_old_sign_in_over_there_proves_nothing(engine) {
        let stage = Stage::new(engine).await;
        for name in ["joe", "joe.gsa"] {
            stage.foyer.person(name, &[]).await;
        }
        let mut browser = stage.signed_in("joe").await;
        let hour = stage.now() - TimeDelta::hours(1);
        let stale = |name| Says { authenticated_at: hour, ..Says::of(name, stage.now()) };
        let leaving = browser.post(&stage.page("/me/logins/prove"), &[]).await;
        let page = stage.proves(&mut browser, &leaving, &stale("joe")).await;
        assert_eq!(page.status, 403, "{}", page.body);
        assert!(page.body.contains("did not confirm it afresh") && page.body.contains("You are still signed in as"), "{}", page.body);
        let leaving = browser.post(&stage.page("/me/logins/prove"), &[]).await;
        stage.proves(&mut browser, &leaving, &Says::of("joe", stage.now())).await.expect_redirect("/me/logins/link");
        let page = stage.second(&mut browser, &stale("joe.gsa")).await;
        assert_eq!(page.status, 403, "{}", page.body);
        assert_eq!(stage.count("sign_in_traces where outcome = 'not_fresh'").await, 2);
        assert_eq!(stage.count("link_proofs where other_login_id is not null").await, 0);
    }

    async fn sso_s27_an_assertion_that_was_used_links_nobody(engine) {
        let stage = Stage::new(engine).await;
        for name in ["joe", "joe.gsa"] {
            stage.foyer.person(name, &[]).await;
        }
        // The victim has signed in by it elsewhere.
        let says = Says { assertion_id: Some("_once".into()), ..Says::of("joe.gsa", stage.now()) };
        stage.sign_in(&mut Browser::new(), &says).await.expect_redirect("/me");
        let mut browser = stage.signed_in("joe").await;
        let leaving = browser.post(&stage.page("/me/logins/prove"), &[]).await;
        let fresh = Says { assertion_id: Some("_proof".into()), ..Says::of("joe", stage.now()) };
        stage.proves(&mut browser, &leaving, &fresh).await.expect_redirect("/me/logins/link");
        for used in [&says, &Says { assertion_id: Some("_proof".into()), ..says.clone() }] {
            let page = stage.second(&mut browser, used).await;
            assert_eq!(page.status, 400, "{}", page.body);
            assert!(page.body.contains("You are still signed in as"), "{}", page.body);
        }
        assert_eq!(stage.count("sign_in_traces where outcome = 'assertion_used'").await, 2);
        assert_eq!(stage.count("link_proofs where other_login_id is not null").await, 0);
        // And one that proved a link signs nobody in.
        let proof = Says { assertion_id: Some("_second".into()), ..Says::of("joe.gsa", stage.now()) };
        assert_eq!(stage.second(&mut browser, &proof).await.status, 303);
        let page = stage.sign_in(&mut Browser::new(), &proof).await;
        stage.expect_refused(&page, 400, "Please sign in again", "assertion_used").await;
    }

    async fn a_login_by_openid_connect_is_linked_with_one_by_saml(engine) {
        let stage = Stage::new(engine).await;
        for name in ["joe", "joe.gsa"] {
            stage.foyer.person(name, &[]).await;
        }
        stage.foyer.idp.script().claims = serde_json::json!({ "sub": "joe", "auth_time": stage.now().timestamp() });
        let mut browser = Browser::new();
        let oidc = stage.foyer.world.sign_in(&stage.foyer.tenant);
        browser.follow(&oidc, None).await.expect(200, "Your accounts");
        let leaving = browser.post(&stage.page("/me/logins/prove"), &[]).await;
        browser.follow(&leads_away(&leaving), None).await.expect(200, "asked you just now");
        let back = stage.second(&mut browser, &Says::of("joe.gsa", stage.now())).await;
        let review = back.location.unwrap();
        browser.post(review.as_str(), &[]).await.expect_redirect("/me/logins?done=linked");
        assert_eq!(stage.count("logins where person_id <> born_person_id").await, 1);
    }

    async fn a_link_ends_with_the_session_that_either_identity_provider_allows(engine) {
        let stage = Stage::new(engine).await;
        for name in ["joe", "joe.gsa"] {
            stage.foyer.person(name, &[]).await;
        }
        let mut browser = stage.signed_in("joe").await;
        let until = stage.now() + TimeDelta::minutes(15);
        let says = Says { session_until: Some(until), ..Says::of("joe.gsa", stage.now()) };
        stage.linked(&mut browser, "joe", &says).await;
        stage.wait(15 * 60 - 1);
        assert!(stage.is_signed_in(&mut browser).await);
        stage.wait(1);
        assert!(!stage.is_signed_in(&mut browser).await);
    }

    async fn the_end_that_one_identity_provider_allows_stays_whichever_login_goes_on(engine) {
        let stage = Stage::new(engine).await;
        let (joe, gsa) = (stage.foyer.person("joe", &[]).await, stage.foyer.person("joe.gsa", &[]).await);
        let mut browser = stage.signed_in("joe").await;
        let until = stage.now() + TimeDelta::minutes(15);
        let says = Says { session_until: Some(until), ..Says::of("joe.gsa", stage.now()) };
        stage.linked(&mut browser, "joe", &says).await;
        let end = async |browser: &Browser| stage.foyer.session(browser).await.unwrap().expires_at;
        assert_eq!(end(&browser).await, until);
        // The first one signs in anew, without an end of its own.
        stage.wait(60);
        stage.sign_in(&mut browser, &Says::of("joe", stage.now())).await.expect_redirect("/me");
        assert_eq!(end(&browser).await, until, "the second one is in it still");
        for login in [gsa, joe, gsa] {
            browser.post(&stage.page("/me/switch"), &[("login", &login.to_string())]).await.expect_redirect("/me");
            assert_eq!(end(&browser).await, until);
        }
        // Whose end it is may stay longer when its identity provider says so.
        let later = until + TimeDelta::minutes(15);
        for (session_until, expected) in [(Some(later), Some(later)), (None, None)] {
            stage.wait(60);
            stage.sign_in(&mut browser, &Says { session_until, ..Says::of("joe.gsa", stage.now()) }).await.expect_redirect("/me");
            let end = end(&browser).await;
            assert!(expected.map_or(end > later, |expected| end == expected), "{end}");
        }
        assert_eq!(stage.count("session_logins").await, 2);
    }

    async fn a_logout_of_the_login_that_is_not_active_leaves_the_session_to_the_other(engine) {
        let stage = Stage::new(engine).await;
        let (_, gsa) = (stage.foyer.person("joe", &[]).await, stage.foyer.person("joe.gsa", &[]).await);
        let mut browser = stage.signed_in("joe").await;
        let says = Says { session_index: Some("s-2".into()), ..Says::of("joe.gsa", stage.now()) };
        stage.linked(&mut browser, "joe", &says).await;
        let ends = async |name: &str| {
            let request = stage.idp.logout_request(&stage.at("/slo"), &format!("{name}-for-ever"), &[], stage.now());
            assert_eq!(Browser::new().visit(&stage.idp.redirect(&request, None)).await.status, 303);
        };
        ends("joe.gsa").await;
        assert!(stage.is_signed_in(&mut browser).await);
        assert_eq!((stage.count("sessions").await, stage.count("session_logins").await), (1, 1));
        let ended = "events where kind = 'session.ended' and details ->> 'reason' = 'identity_provider'";
        assert_eq!(stage.count(ended).await, 1);
        // It is signed in there no more, so that switching to it asks for it.
        let page = browser.post(&stage.page("/me/switch"), &[("login", &gsa.to_string())]).await;
        assert_eq!(page.status, 200, "{}", page.body);
        ends("joe").await;
        assert!(!stage.is_signed_in(&mut browser).await);
        assert_eq!((stage.count("sessions").await, stage.count(ended).await), (0, 2));
    }
}
