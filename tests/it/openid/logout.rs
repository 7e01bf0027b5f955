//! Signing out because a portal asks for it (OpenID Connect RP-Initiated Logout 1.0).

use serde_json::{Value, json};
use vestibule::store::Engine;

use super::authorize::{code, error};
use super::{Foyer, noon};
use crate::support::http::{Browser, Visit};
use crate::support::world::on_every_engine;

const GOODBYE: &str = "https://portal.example/goodbye";

impl Foyer {
    /// An ID token as the portal was given in the session of a browser, long expired.
    async fn id_token(&self, browser: &Browser, change: Value) -> String {
        let session = self.session(browser).await.expect("somebody is signed in");
        let mut reader = self.world.app.store.read(self.tenant.id);
        let sid = reader.sid_of_session(session.id, session.active_login_id).await.unwrap().unwrap();
        let mut claims = json!({
            "iss": self.world.base, "sub": session.active_login_id, "aud": "portal", "sid": sid,
            "iat": noon().timestamp() - 90_000, "exp": noon().timestamp() - 80_000,
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.world.app.signing.sign("JWT", &claims).await.unwrap()
    }

    /// The portal sends a browser to be signed out.
    async fn leaves(&self, browser: &mut Browser, parameters: &[(&str, &str)]) -> Visit {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        browser.visit(&format!("{}/oauth2/logout?{query}", self.world.base)).await
    }

    /// The person says on the page that they want to sign out, with what the page carries along.
    async fn confirms(&self, browser: &mut Browser, page: &Visit) -> Visit {
        assert!(page.body.contains("Sign out?"), "{}", page.body);
        let value = |name: &str| {
            let (_, rest) = page.body.split_once(&format!(r#"name="{name}" value=""#))?;
            Some(rest.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&"))
        };
        let names = ["client_id", "post_logout_redirect_uri", "state"];
        let carried: Vec<_> = names.iter().filter_map(|name| Some((*name, value(name)?))).collect();
        let form: Vec<_> = carried.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.post(&format!("{}/oauth2/logout/confirm", self.world.base), &form).await
    }

    async fn is_signed_in(&self, browser: &Browser) -> bool {
        self.session(browser).await.is_some()
    }
}

#[track_caller]
fn to(visit: &Visit) -> &str {
    visit.location.as_ref().unwrap_or_else(|| panic!("{}: {}", visit.status, visit.body)).as_str()
}

/// Nobody vouches for who asks: the person says whether they want to sign out.
async fn asks_the_person(engine: Engine, parameters: &[(&str, &str)]) {
    let foyer = Foyer::new(engine).await;
    let mut browser = foyer.joe().await;
    let page = foyer.leaves(&mut browser, parameters).await.expect(200, "An application asks");
    assert!(!page.body.contains("portal.example"), "nobody vouches for the address: {}", page.body);
    assert!(foyer.is_signed_in(&browser).await);
    foyer.confirms(&mut browser, &page).await.expect(200, "You are signed out");
    assert!(!foyer.is_signed_in(&browser).await);
}

on_every_engine! {
    async fn oidcc_rp_initiated_logout(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe().await;
        code(&foyer, &foyer.visits(&mut browser, &[]).await);
        let hint = foyer.id_token(&browser, json!({})).await;
        let parameters = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", GOODBYE), ("state", "a&b")];
        let back = foyer.leaves(&mut browser, &parameters).await;
        assert_eq!((back.status.as_u16(), to(&back)), (303, "https://portal.example/goodbye?state=a%26b"));
        assert!(!foyer.is_signed_in(&browser).await);
        assert_eq!((foyer.count("sessions").await, foyer.count("grants").await), (0, 0));
        assert_eq!(foyer.count("events where kind = 'session.signed_out'").await, 1);
        assert_eq!(error(&foyer, &foyer.visits(&mut browser, &[("prompt", Some("none"))]).await), "login_required");
        // Once more, and there is nothing to end.
        assert_eq!(to(&foyer.leaves(&mut browser, &parameters).await), "https://portal.example/goodbye?state=a%26b");
    }

    async fn oidcc_rp_initiated_logout_no_state(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe().await;
        let hint = foyer.id_token(&browser, json!({})).await;
        let back = foyer.leaves(&mut browser, &[("id_token_hint", &hint), ("post_logout_redirect_uri", GOODBYE)]).await;
        assert_eq!(to(&back), GOODBYE);
        assert!(!foyer.is_signed_in(&browser).await);
    }

    async fn oidcc_rp_initiated_logout_no_post_logout_redirect_uri(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe().await;
        let hint = foyer.id_token(&browser, json!({})).await;
        foyer.leaves(&mut browser, &[("id_token_hint", &hint), ("state", "s")]).await.expect(200, "You are signed out");
        assert!(!foyer.is_signed_in(&browser).await);
    }

    async fn oidcc_rp_initiated_logout_bad_id_token_hint(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe().await;
        for hint in ["nonsense", "a.b.c", "eyJhbGciOiJub25lIn0.e30."] {
            let page = foyer.leaves(&mut browser, &[("id_token_hint", hint), ("post_logout_redirect_uri", GOODBYE), ("state", "s")]).await;
            assert_eq!(page.location, None);
            page.expect(400, "You are not signed out").expect(400, "id_token_hint");
        }
        assert!(foyer.is_signed_in(&browser).await);
    }

    async fn oidcc_rp_initiated_logout_modified_id_token_hint(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe().await;
        let good = foyer.id_token(&browser, json!({})).await;
        let (rest, _) = good.rsplit_once('.').unwrap();
        let (_, payload) = rest.split_once('.').unwrap();
        let other = foyer.id_token(&browser, json!({ "sid": "0198c2a4-7d1e-7c3b-9a55-0f6f2f9f3d21" })).await;
        let foreign = foyer.id_token(&browser, json!({ "iss": "https://id.example" })).await;
        let of_other_portal = foyer.id_token(&browser, json!({ "aud": "other" })).await;
        let access = foyer.world.app.signing.sign("at+jwt", &json!({ "iss": foyer.world.base })).await.unwrap();
        let hints = [
            format!("{rest}.AAAA"),
            other.replace(other.split('.').nth(1).unwrap(), payload),
            format!("eyJhbGciOiJub25lIn0.{payload}."),
            foreign,
            access,
        ];
        for hint in &hints {
            let page = foyer.leaves(&mut browser, &[("id_token_hint", hint), ("post_logout_redirect_uri", GOODBYE)]).await;
            assert_eq!(page.location, None);
            page.expect(400, "You are not signed out").expect(400, "id_token_hint");
        }
        let mixed = [("id_token_hint", of_other_portal.as_str()), ("client_id", "portal"), ("post_logout_redirect_uri", GOODBYE)];
        foyer.leaves(&mut browser, &mixed).await.expect(400, "You are not signed out");
        assert!(foyer.is_signed_in(&browser).await);
    }

    async fn oidcc_rp_initiated_logout_bad_post_logout_redirect_uri(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe().await;
        let hint = foyer.id_token(&browser, json!({})).await;
        for uri in [
            "https://evil.example/",
            "https://portal.example/goodbyE",
            "https://portal.example/callback",
        ] {
            for name in [("id_token_hint", hint.as_str()), ("client_id", "portal")] {
                let page = foyer.leaves(&mut browser, &[name, ("post_logout_redirect_uri", uri), ("state", "s")]).await;
                assert_eq!(page.location, None, "{uri}");
                let page = page.expect(400, "none of those that are registered");
                assert!(!page.body.contains("evil.example"), "{}", page.body);
            }
        }
        foyer.leaves(&mut browser, &[("client_id", "nobody")]).await.expect(400, "No application is registered");
        assert!(foyer.is_signed_in(&browser).await);
    }

    async fn oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe().await;
        let hint = foyer.id_token(&browser, json!({})).await;
        let uri = format!("{GOODBYE}?foo=bar");
        let page = foyer.leaves(&mut browser, &[("id_token_hint", &hint), ("post_logout_redirect_uri", &uri), ("state", "s")]).await;
        assert_eq!(page.location, None);
        page.expect(400, "none of those that are registered");
        assert!(foyer.is_signed_in(&browser).await);
    }

    async fn oidcc_rp_initiated_logout_no_params(engine) {
        asks_the_person(engine, &[]).await;
    }

    async fn oidcc_rp_initiated_logout_only_state(engine) {
        asks_the_person(engine, &[("state", "s")]).await;
    }

    async fn oidcc_rp_initiated_logout_no_id_token_hint(engine) {
        asks_the_person(engine, &[("post_logout_redirect_uri", GOODBYE), ("state", "s")]).await;
    }

    async fn no_other_site_confirms_for_the_person(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe().await;
        let page = foyer.leaves(&mut browser, &[]).await;
        // No other site can answer for the person.
        let confirm = format!("{}/oauth2/logout/confirm", foyer.world.base);
        assert_eq!(browser.post_from("cross-site", &confirm, &[]).await.status, 403);
        assert!(foyer.is_signed_in(&browser).await);
        foyer.confirms(&mut browser, &page).await.expect(200, "You are signed out");
        assert!(!foyer.is_signed_in(&browser).await);
    }

    async fn a_portal_that_names_itself_gets_the_browser_back_once_the_person_agrees(engine) {
        let foyer = Foyer::new(engine).await;
        foyer.person("joe", &["Cloud-EMEA-Admins"]).await;
        let (mut browser, other) = (foyer.sign_in("joe").await, foyer.sign_in("joe").await);
        let parameters = [("client_id", "portal"), ("post_logout_redirect_uri", GOODBYE), ("state", "\"a&b")];
        let of_other_session = foyer.id_token(&other, json!({})).await;
        let with_hint = [("id_token_hint", of_other_session.as_str()), parameters[1], parameters[2]];
        foyer.leaves(&mut browser, &with_hint).await.expect(200, "<strong>The portal</strong> asks");
        let page = foyer.leaves(&mut browser, &parameters).await.expect(200, "<strong>The portal</strong> asks");
        assert!(foyer.is_signed_in(&browser).await && foyer.is_signed_in(&other).await);
        let page = foyer.confirms(&mut browser, &page).await.expect(200, "On to The portal");
        assert!(page.body.contains("url=https://portal.example/goodbye?state="), "{}", page.body);
        assert!(!foyer.is_signed_in(&browser).await && foyer.is_signed_in(&other).await);
        // What the form says is looked at again.
        let confirm = format!("{}/oauth2/logout/confirm", foyer.world.base);
        let forged = [("client_id", "portal"), ("post_logout_redirect_uri", "https://evil.example/")];
        browser.post(&confirm, &forged).await.expect(400, "none of those that are registered");
    }

    async fn a_portal_may_send_its_request_to_sign_out_as_a_form(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe().await;
        let hint = foyer.id_token(&browser, json!({})).await;
        let url = format!("{}/oauth2/logout", foyer.world.base);
        let form = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", GOODBYE)];
        let told = Browser::new().post_from("cross-site", &url, &form).await;
        assert!(to(&told).starts_with(&format!("{url}?")), "{told:?}");
        assert_eq!(to(&browser.visit(to(&told)).await), GOODBYE);
        assert!(!foyer.is_signed_in(&browser).await);
    }

    async fn oidcc_id_token_hint(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe().await;
        let own = foyer.id_token(&browser, json!({})).await;
        let silent = |hint: &str| [("id_token_hint", Some(hint.to_owned())), ("prompt", Some("none".to_owned()))];
        let visit = async |browser: &mut Browser, hint: &str| {
            let changes = silent(hint);
            let changes: Vec<_> = changes.iter().map(|(name, value)| (*name, value.as_deref())).collect();
            foyer.visits(browser, &changes).await
        };
        code(&foyer, &visit(&mut browser, &own).await);
        foyer.person("eve", &["Cloud-Admins"]).await;
        let eve = foyer.sign_in("eve").await;
        let of_eve = foyer.id_token(&eve, json!({})).await;
        assert_eq!(error(&foyer, &visit(&mut browser, &of_eve).await), "login_required");
        for bad in ["nonsense".to_owned(), foyer.id_token(&browser, json!({ "aud": "other" })).await] {
            assert_eq!(error(&foyer, &visit(&mut browser, &bad).await), "invalid_request");
        }
    }
}
