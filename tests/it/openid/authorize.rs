//! The authorization endpoint: what a portal asks, and what it is answered.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::json;
use vestibule::store::Engine;

use super::{CALLBACK, Foyer, SECRET, challenge};
use crate::support::http::{Browser, Visit};
use crate::support::world::on_every_engine;

pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const SIGN_IN: &str = "__Host-vestibule-sign-in";

/// A good request of the portal `portal`, with parameters changed, left out (`None`), or added a second time (`+name`).
pub(crate) fn query(changes: &[(&str, Option<&str>)]) -> String {
    let challenge = challenge(VERIFIER);
    let mut pairs = vec![
        ("response_type", "code"),
        ("client_id", "portal"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid"),
        ("state", "the state & more"),
        ("nonce", "the nonce"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in changes {
        if let Some(name) = name.strip_prefix('+') {
            pairs.extend(value.map(|value| (name, value)));
        } else {
            pairs.retain(|(other, _)| other != name);
            pairs.extend(value.map(|value| (*name, value)));
        }
    }
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// What a browser carried back to a portal, once it is known to have gone there.
#[track_caller]
pub(crate) fn carried(foyer: &Foyer, visit: &Visit) -> BTreeMap<String, String> {
    let location = visit.location.as_ref().unwrap_or_else(|| panic!("{}: {}", visit.status, visit.body));
    assert!(location.as_str().starts_with("https://portal.example/"), "{location}");
    let pairs: Vec<(String, String)> = location.query_pairs().into_owned().collect();
    let carried: BTreeMap<_, _> = pairs.iter().cloned().collect();
    assert_eq!(carried.len(), pairs.len(), "nothing stands there twice: {location}");
    assert_eq!(carried.get("iss"), Some(&foyer.world.base), "{location}");
    assert_eq!(visit.headers["cache-control"], "no-store");
    assert_eq!(visit.headers["referrer-policy"], "no-referrer");
    carried
}

/// The error that a browser carried back, with the state.
#[track_caller]
pub(crate) fn error(foyer: &Foyer, visit: &Visit) -> String {
    let carried = carried(foyer, visit);
    assert_eq!(carried.get("state").map(String::as_str), Some("the state & more"));
    assert!(!carried.contains_key("code"), "{carried:?}");
    assert!(!carried["error_description"].is_empty());
    carried["error"].clone()
}

/// The code that a browser carried back, with the state.
#[track_caller]
pub(crate) fn code(foyer: &Foyer, visit: &Visit) -> String {
    let carried = carried(foyer, visit);
    assert!(!carried.contains_key("error"), "{carried:?}");
    assert_eq!(carried.get("state").map(String::as_str), Some("the state & more"));
    carried["code"].clone()
}

impl Foyer {
    /// The address of a request of the portal.
    pub(crate) fn asks(&self, changes: &[(&str, Option<&str>)]) -> String {
        format!("{}/oauth2/authorize?{}", self.world.base, query(changes))
    }

    /// A browser is sent here by the portal, and goes on until it is asked something or is back.
    pub(crate) async fn visits(&self, browser: &mut Browser, changes: &[(&str, Option<&str>)]) -> Visit {
        browser.follow(&self.asks(changes), Some("https://portal.example/")).await
    }

    /// The person goes on to sign in from the sign-in page.
    pub(crate) async fn goes_on(&self, browser: &mut Browser, page: &Visit) -> Visit {
        assert!(page.url.path() == "/sign-in", "{}: {}", page.url, page.body);
        let (_, return_to) = page.url.query_pairs().find(|(name, _)| name == "return_to").expect("where to return to");
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("return_to", &return_to).finish();
        let begin = format!("{}?{query}", self.world.sign_in(&self.tenant));
        browser.follow(&begin, Some("https://portal.example/")).await
    }

    /// Joe is administrator of `bluesky/emea` and of nothing else, and signed in.
    pub(super) async fn joe(&self) -> Browser {
        self.person("joe", &["Cloud-EMEA-Admins"]).await;
        self.sign_in("joe").await
    }
}

/// A request that is a little different gets its code like any other.
async fn is_answered_all_the_same(engine: Engine, changes: &[(&str, Option<&str>)]) {
    let foyer = Foyer::new(engine).await;
    let mut browser = foyer.joe().await;
    let visit = foyer.visits(&mut browser, changes).await;
    assert_eq!(visit.status, 303, "{}", visit.body);
    code(&foyer, &visit);
}

on_every_engine! {
    async fn oidcc_server(engine) {
        let foyer = Foyer::new(engine).await;
        let login = foyer.person("joe", &["Cloud-EMEA-Admins"]).await;
        foyer.idp.script().claims = json!({ "sub": "joe" });
        // Nobody is signed in: the sign-in page says which portal waits, and afterwards the code is there.
        let mut browser = Browser::new();
        let page = foyer.visits(&mut browser, &[]).await.expect(200, "Sign in to The portal");
        let back = foyer.goes_on(&mut browser, &page).await;
        let first = code(&foyer, &back);
        // Somebody is signed in: nothing is asked, and nothing waits.
        let waiting = foyer.count("authorization_requests").await;
        let second = code(&foyer, &foyer.visits(&mut browser, &[]).await);
        assert_ne!(first, second);
        assert_eq!((foyer.count("authorization_requests").await, foyer.count("grants").await), (waiting, 2));
        assert_eq!(foyer.count("events where kind = 'grant.issued'").await, 2);
        let row = foyer.world.app.store.doors().code(&vestibule::keys::HashedToken::of(&second)).await.unwrap().unwrap();
        assert_eq!((row.tenant_id, row.nonce.as_deref(), row.redirect_uri.as_str()), (foyer.tenant.id, Some("the nonce"), CALLBACK));
        assert_eq!((row.code_challenge, row.code_expires_at), (challenge(VERIFIER), foyer.clock.now() + TimeDelta::seconds(60)));
        let limits = foyer.world.app.session_limits();
        let grant = foyer.world.app.store.read(foyer.tenant.id).grant(row.grant_id, foyer.clock.now(), limits).await.unwrap().unwrap();
        assert_eq!((grant.login_id, grant.account_id), (login, foyer.account("bluesky/emea").await));
    }

    async fn oidcc_response_type_missing(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = Browser::new();
        assert_eq!(error(&foyer, &foyer.visits(&mut browser, &[("response_type", None)]).await), "invalid_request");
        assert_eq!(error(&foyer, &foyer.visits(&mut browser, &[("response_type", Some("id_token"))]).await), "unsupported_response_type");
    }

    async fn oidcc_prompt_none_not_logged_in(engine) {
        let foyer = Foyer::new(engine).await;
        assert_eq!(error(&foyer, &foyer.visits(&mut Browser::new(), &[("prompt", Some("none"))]).await), "login_required");
        assert_eq!(foyer.count("authorization_requests").await, 0);
    }

    async fn oidcc_prompt_none_logged_in(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe().await;
        code(&foyer, &foyer.visits(&mut browser, &[("prompt", Some("none"))]).await);
    }

    async fn oidcc_ui_locales(engine) {
        is_answered_all_the_same(engine, &[("ui_locales", Some("se de"))]).await;
    }

    async fn oidcc_claims_locales(engine) {
        is_answered_all_the_same(engine, &[("claims_locales", Some("se"))]).await;
    }

    async fn oidcc_display_page(engine) {
        is_answered_all_the_same(engine, &[("display", Some("page"))]).await;
    }

    async fn oidcc_display_popup(engine) {
        is_answered_all_the_same(engine, &[("display", Some("popup"))]).await;
    }

    async fn oidcc_ensure_request_with_acr_values_succeeds(engine) {
        is_answered_all_the_same(engine, &[("acr_values", Some("1 2 urn:vestibule:aal1"))]).await;
    }

    async fn oidcc_ensure_request_with_unknown_parameter_succeeds(engine) {
        is_answered_all_the_same(engine, &[("extra", Some("foobar")), ("claims", Some("{}"))]).await;
    }

    async fn oidcc_ensure_request_without_nonce_succeeds_for_code_flow(engine) {
        is_answered_all_the_same(engine, &[("nonce", None)]).await;
    }

    async fn oidcc_ensure_other_scope_order_succeeds(engine) {
        is_answered_all_the_same(engine, &[("scope", Some("email openid"))]).await;
    }

    async fn oidcc_login_hint(engine) {
        let foyer = Foyer::new(engine).await;
        let page = foyer.visits(&mut Browser::new(), &[("login_hint", Some("joe@bluesky.example"))]).await;
        page.expect(200, r#"value="joe@bluesky.example""#);
        let page = foyer.visits(&mut Browser::new(), &[("login_hint", Some("\"><script>"))]).await.expect(200, "Sign in");
        assert!(!page.body.contains("<script"), "{}", page.body);
    }

    async fn oidcc_ensure_registered_redirect_uri(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe().await;
        for uri in [
            "https://portal.example/callbacK",
            "https://portal.example/callback/",
            "https://portal.example/callbac",
            "http://portal.example/callback",
            "https://portal.example.evil.example/callback",
            "https://portal.example@evil.example/callback",
            "//evil.example/callback",
            "https://other.example/callback",
            "javascript:alert(1)",
        ] {
            // Neither a good request nor one that is wrong otherwise is an open redirect.
            for more in [("state", Some("the state")), ("response_type", None)] {
                let page = foyer.visits(&mut browser, &[("redirect_uri", Some(uri)), more]).await;
                assert_eq!((page.status.as_u16(), &page.location), (400, &None), "{uri}");
                assert!(page.body.contains("This sign-in cannot begin") && page.body.contains("letter by letter"), "{uri}");
                assert!(!page.body.contains("evil.example") && !page.body.contains("javascript"), "nothing of it is shown: {}", page.body);
            }
        }
        assert_eq!(foyer.count("grants").await, 0);
    }

    async fn a_request_without_a_redirect_uri_or_a_client_is_refused(engine) {
        let foyer = Foyer::new(engine).await;
        // Also where only one is registered.
        for client in ["portal", "other"] {
            let page = foyer.visits(&mut Browser::new(), &[("redirect_uri", None), ("client_id", Some(client))]).await;
            page.expect(400, "has no <code>redirect_uri</code>");
        }
        let page = foyer.visits(&mut Browser::new(), &[("+redirect_uri", Some("https://evil.example/"))]).await;
        page.expect(400, "or more than one");
        for (client, told) in [(None, "has no <code>client_id</code>"), (Some("nobody"), "No application is registered")] {
            foyer.visits(&mut Browser::new(), &[("client_id", client)]).await.expect(400, told);
        }
    }

    async fn a_redirect_uri_keeps_its_query(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe().await;
        let visit = foyer.visits(&mut browser, &[("redirect_uri", Some("https://portal.example/again?x=1"))]).await;
        assert_eq!(carried(&foyer, &visit)["x"], "1");
        code(&foyer, &visit);
    }

    async fn a_redirect_uri_with_another_query_is_refused(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe().await;
        for uri in ["https://portal.example/again", "https://portal.example/again?x=2", "https://portal.example/callback?x=1"] {
            let page = foyer.visits(&mut browser, &[("redirect_uri", Some(uri))]).await;
            page.expect(400, "is none of those that are registered");
        }
    }

    async fn oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe().await;
        let unsigned = "eyJhbGciOiJub25lIn0.eyJyZXNwb25zZV90eXBlIjoiY29kZSJ9.";
        let told = foyer.visits(&mut browser, &[("request", Some(unsigned))]).await;
        assert_eq!(error(&foyer, &told), "request_not_supported");
        let told = foyer.visits(&mut browser, &[("request_uri", Some("https://portal.example/request"))]).await;
        assert_eq!(error(&foyer, &told), "request_uri_not_supported");
    }

    async fn a_request_without_pkce_or_with_a_weaker_one_is_refused(engine) {
        let foyer = Foyer::new(engine).await;
        for client in ["portal", "public"] {
            let uri = if client == "public" { "https://public.example/callback" } else { CALLBACK };
            let mut browser = Browser::new();
            for changes in [
                vec![("code_challenge", None), ("code_challenge_method", None)],
                vec![("code_challenge_method", Some("plain")), ("code_challenge", Some(VERIFIER))],
                vec![("code_challenge_method", None)],
            ] {
                let changes = [changes, vec![("client_id", Some(client)), ("redirect_uri", Some(uri))]].concat();
                let visit = browser.visit(&foyer.asks(&changes)).await;
                assert!(visit.location.unwrap().as_str().contains("error=invalid_request"));
            }
        }
    }

    async fn oidcc_ensure_post_request_succeeds(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe().await;
        let url = format!("{}/oauth2/authorize", foyer.world.base);
        // The form of another site comes without cookies; the redirect that answers it is followed with them.
        let form: Vec<(String, String)> = url::form_urlencoded::parse(query(&[]).as_bytes()).into_owned().collect();
        let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let told = Browser::new().post_from("cross-site", &url, &form).await;
        assert_eq!(told.status, 303, "{}", told.body);
        let next = told.location.unwrap();
        assert!(next.as_str().starts_with(&format!("{url}?")), "{next}");
        code(&foyer, &browser.follow(next.as_str(), Some("https://portal.example/")).await);
        let odd = [("content-type", "text/plain"), ("sec-fetch-site", "cross-site")];
        assert_eq!(browser.send(Method::POST, &url, &odd, Some(query(&[]))).await.status, 400);
        let long = format!("state={}", "x".repeat(20_000));
        let form = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "cross-site")];
        assert_eq!(browser.send(Method::POST, &url, &form, Some(long)).await.status, 413);
        assert_eq!(browser.send(Method::HEAD, &foyer.asks(&[]), &[], None).await.status, 405);
        assert_eq!(foyer.count("grants").await, 1);
    }

    async fn a_waiting_request_is_for_the_browser_that_brought_it_and_is_answered_once(engine) {
        let foyer = Foyer::new(engine).await;
        foyer.person("joe", &["Cloud-Admins"]).await;
        let mut browser = foyer.sign_in("joe").await;
        let page = foyer.visits(&mut browser, &[]).await.expect(200, "Which account?");
        let waits = page.url.to_string();
        let emea = foyer.account("bluesky/emea").await.to_string();
        // Another browser, be somebody signed in there or not, cannot use it.
        for mut other in [Browser::new(), foyer.sign_in("joe").await] {
            other.visit(&waits).await.expect(400, "begun in another browser");
            other.post(&waits, &[("account", &emea)]).await.expect(400, "begun in another browser");
        }
        // Nor can another site answer for the person.
        assert_eq!(browser.post_from("cross-site", &waits, &[("account", &emea)]).await.status, 403);
        browser.visit(&waits).await.expect(200, "Which account?");
        let page = browser.post(&waits, &[("account", &emea)]).await.expect(200, "On to The portal");
        assert_eq!(page.headers["referrer-policy"], "no-referrer");
        assert!(page.body.contains(r#"http-equiv="refresh" content="0; url=https://portal.example/callback?code="#), "{}", page.body);
        for _ in 0..2 {
            browser.visit(&waits).await.expect(400, "completed before");
            browser.post(&waits, &[("account", &emea)]).await.expect(400, "completed before");
        }
        assert_eq!(foyer.count("grants").await, 1);
        // What waits too long waits no more, and goes.
        let waits = foyer.visits(&mut browser, &[]).await.url.to_string();
        foyer.clock.advance(TimeDelta::minutes(15));
        browser.visit(&waits).await.expect(400, "took too long");
        let mut writer = foyer.world.app.store.write(foyer.tenant.id).await.unwrap();
        writer.purge_expired(foyer.clock.now() + TimeDelta::seconds(1)).await.unwrap();
        writer.commit().await.unwrap();
        assert_eq!(foyer.count("authorization_requests").await, 0);
        browser.visit(&format!("{}/oauth2/authorize/nonsense", foyer.world.base)).await.expect(400, "Please start again");
    }

    async fn a_choice_that_comes_twice_at_once_gives_one_code(engine) {
        let foyer = Foyer::new(engine).await;
        foyer.person("joe", &["Cloud-Admins"]).await;
        let mut browser = foyer.sign_in("joe").await;
        let waits = foyer.visits(&mut browser, &[]).await.expect(200, "Which account?").url.to_string();
        let emea = foyer.account("bluesky/emea").await.to_string();
        let mut race = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (mut browser, waits, emea) = (browser.clone(), waits.clone(), emea.clone());
            race.spawn(async move { browser.post(&waits, &[("account", emea.as_str())]).await.status.as_u16() });
        }
        let mut answers = race.join_all().await;
        answers.sort_unstable();
        assert_eq!(answers, [200, 400, 400, 400, 400, 400, 400, 400]);
        assert_eq!(foyer.count("grants").await, 1);
    }

    async fn the_account_is_chosen_by_the_person_or_named_by_the_portal(engine) {
        let foyer = Foyer::new(engine).await;
        foyer.person("joe", &["Cloud-Admins"]).await;
        let mut browser = foyer.sign_in("joe").await;
        let (root, emea) = (foyer.account("bluesky").await, foyer.account("bluesky/emea").await);
        let page = foyer.visits(&mut browser, &[]).await.expect(200, "The portal</strong> opens for one account");
        for text in ["bluesky", "EMEA", "APAC", "Administrator", "joe@bluesky.example", &root.to_string(), &emea.to_string()] {
            assert!(page.body.contains(text), "no {text}: {}", page.body);
        }
        // An account without a role is not given, and the person is asked again.
        let other = vestibule::model::AccountId::new(foyer.clock.now()).to_string();
        for account in [other.as_str(), "nonsense", ""] {
            browser.post(page.url.as_str(), &[("account", account)]).await.expect(200, "Which account?");
        }
        let given = async |browser: &mut Browser, account: &str, prompt: Option<&str>| {
            let visit = foyer.visits(browser, &[("account", Some(account)), ("prompt", prompt)]).await;
            let code = code(&foyer, &visit);
            let row = foyer.world.app.store.doors().code(&vestibule::keys::HashedToken::of(&code)).await.unwrap().unwrap();
            let limits = foyer.world.app.session_limits();
            let mut reader = foyer.world.app.store.read(foyer.tenant.id);
            reader.grant(row.grant_id, foyer.clock.now(), limits).await.unwrap().unwrap().account_id
        };
        // A silent request for another account is how a portal changes it.
        assert_eq!(given(&mut browser, "bluesky/emea", None).await, emea);
        assert_eq!(given(&mut browser, &root.to_string(), Some("none")).await, root);
        let silent = foyer.visits(&mut browser, &[("prompt", Some("none"))]).await;
        assert_eq!(error(&foyer, &silent), "account_selection_required");
        for account in ["bluesky/nowhere", other.as_str()] {
            let told = foyer.visits(&mut browser, &[("account", Some(account))]).await;
            assert_eq!(error(&foyer, &told), "access_denied");
        }
        // Who turns back says so to the portal.
        let waits = foyer.visits(&mut browser, &[]).await.expect(200, "Which account?").url;
        let page = browser.post(waits.as_str(), &[("cancel", "yes")]).await.expect(200, "error=access_denied");
        assert!(page.body.contains("state=the+state"), "{}", page.body);
        browser.visit(waits.as_str()).await.expect(400, "completed before");
    }

    async fn select_account_asks_also_where_there_is_one(engine) {
        let foyer = Foyer::new(engine).await;
        let mut browser = foyer.joe().await;
        let page = foyer.visits(&mut browser, &[("prompt", Some("select_account"))]).await.expect(200, "Which account?");
        assert!(!page.body.contains("APAC"), "only what leads to a role: {}", page.body);
        let emea = foyer.account("bluesky/emea").await.to_string();
        browser.post(page.url.as_str(), &[("account", &emea)]).await.expect(200, "callback?code=");
    }

    async fn who_has_no_role_is_told_whom_to_ask_and_goes_on_once_there_is_one(engine) {
        let foyer = Foyer::new(engine).await;
        let login = foyer.person("joe", &[]).await;
        let mut browser = foyer.sign_in("joe").await;
        let page = foyer.visits(&mut browser, &[]).await.expect(200, "No access to The portal yet");
        assert!(page.body.contains("it@bluesky.example") && page.body.contains("error=access_denied"), "{}", page.body);
        assert_eq!(error(&foyer, &foyer.visits(&mut browser, &[("prompt", Some("none"))]).await), "access_denied");
        let group = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Cloud-EMEA-Admins",
            "members": [{ "value": login.to_string() }],
        });
        foyer.tenant.scim.post("/Groups", &group).await.expect(201);
        code(&foyer, &browser.follow(page.url.as_str(), Some("https://portal.example/")).await);
    }

    async fn a_portal_that_was_revoked_meanwhile_gets_nothing(engine) {
        let foyer = Foyer::new(engine).await;
        foyer.person("joe", &["Cloud-Admins"]).await;
        let mut browser = foyer.sign_in("joe").await;
        let waits = foyer.visits(&mut browser, &[]).await.expect(200, "Which account?").url.to_string();
        let url = &foyer.world.database.url;
        crate::support::sql::change(url, "update clients set revoked_at = created_at where client_id = 'portal'").await;
        browser.visit(&waits).await.expect(400, "Please start again");
        foyer.visits(&mut browser, &[]).await.expect(400, "No application is registered");
    }

    async fn what_is_given_is_kept_as_a_digest(engine) {
        let foyer = Foyer::new(engine).await;
        foyer.person("joe", &["Cloud-Admins"]).await;
        let mut browser = foyer.sign_in("joe").await;
        let handle = foyer.visits(&mut browser, &[]).await.url.path().rsplit_once('/').unwrap().1.to_owned();
        let code = code(&foyer, &foyer.visits(&mut browser, &[("account", Some("bluesky"))]).await);
        if engine == Engine::Sqlite {
            let file = foyer.world.database.url.strip_prefix("sqlite://").unwrap();
            let bytes: Vec<u8> = ["", "-wal"].iter().flat_map(|end| std::fs::read(format!("{file}{end}")).unwrap_or_default()).collect();
            let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(holds("grant.issued"), "the file is looked at");
            let marker = browser.cookie(&foyer.world.base, SIGN_IN).unwrap();
            for secret in [handle.as_str(), &code, marker, SECRET] {
                assert!(!holds(secret), "{secret}");
            }
        }
    }
}
