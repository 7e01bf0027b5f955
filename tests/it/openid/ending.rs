//! When somebody's session ends, nothing of it is good any more, and the portals are told.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use vestibule::model::TenantId;
use vestibule::store::ToldPortal;

use super::{Foyer, claims, header};
use crate::support::world::on_every_engine;

/// A portal's endpoint for back-channel logout, which writes down what it is told.
pub(crate) struct Ear {
    pub(crate) uri: String,
    pub(crate) heard: Arc<Mutex<Vec<(String, Instant)>>>,
    /// What it answers; none at all while there is none.
    pub(crate) answer: Arc<Mutex<Option<StatusCode>>>,
    _serving: tokio_util::task::AbortOnDropHandle<()>,
}

type Told = (Arc<Mutex<Vec<(String, Instant)>>>, Arc<Mutex<Option<StatusCode>>>);

async fn hear(State((heard, answer)): State<Told>, body: String) -> StatusCode {
    heard.lock().unwrap().push((body, Instant::now()));
    let answer = *answer.lock().unwrap();
    match answer {
        Some(status) => status,
        None => std::future::pending().await,
    }
}

impl Ear {
    pub(crate) async fn open() -> Self {
        let (heard, answer) = (Arc::default(), Arc::new(Mutex::new(Some(StatusCode::OK))));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/logout", listener.local_addr().unwrap());
        let router = Router::new().route("/logout", post(hear)).with_state((Arc::clone(&heard), Arc::clone(&answer)));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { uri, heard, answer, _serving: tokio_util::task::AbortOnDropHandle::new(serving) }
    }

    pub(crate) fn tokens(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard.iter().map(|(body, _)| body.strip_prefix("logout_token=").unwrap().to_owned()).collect()
    }

    pub(crate) fn times(&self) -> Vec<Instant> {
        self.heard.lock().unwrap().iter().map(|(_, at)| *at).collect()
    }

    /// The bootstrap file of a portal that listens here.
    pub(crate) fn described(&self, client_id: &str) -> String {
        format!(
            "[[client]]\nclient_id = \"{client_id}\"\nname = \"{client_id}\"\nredirect_uris = [\"https://{client_id}.example/callback\"]\n\
             backchannel_logout_uri = \"{}\"\nsecret = {{ value = \"{}\" }}\n",
            self.uri,
            super::SECRET
        )
    }
}

/// Tells every portal what it is to be told now, once.
pub(crate) async fn tell(foyer: &Foyer) -> usize {
    let (teller, now) = (foyer.world.app.teller(), foyer.clock.now());
    let mut told = 0;
    for portal in foyer.world.app.store.doors().portals_to_tell(TenantId::OPERATOR, now).await.unwrap() {
        told += teller.tell(&portal).await.unwrap();
    }
    told
}

on_every_engine! {
    async fn a_portal_is_told_once_for_each_session_and_by_a_valid_token(engine) {
        let foyer = Foyer::new(engine).await;
        let (ear, joe) = (Ear::open().await, foyer.person("joe", &[]).await);
        foyer.register(&ear.described("listener")).await;
        let mut sids = BTreeSet::new();
        for _ in 0..2 {
            let browser = foyer.sign_in("joe").await;
            // Twice in one session is one sid.
            foyer.grant(&browser, "listener", "bluesky", "openid").await;
            foyer.grant(&browser, "listener", "bluesky/emea", "openid").await;
            // This one does not want to be told.
            foyer.grant(&browser, "other", "bluesky", "openid").await;
            let session = foyer.session(&browser).await.unwrap();
            let mut reader = foyer.world.app.store.read(foyer.tenant.id);
            sids.insert(reader.sid_of_session(session.id, joe).await.unwrap().unwrap().to_string());
        }
        assert_eq!(tell(&foyer).await, 0);
        foyer.set_active(joe, false).await;
        assert_eq!((tell(&foyer).await, tell(&foyer).await), (2, 0));
        let mut told = BTreeSet::new();
        let mut tokens = BTreeSet::new();
        for token in ear.tokens() {
            let claims: Value = foyer.world.app.signing.verify(&token, "logout+jwt").await.unwrap();
            assert_eq!(header(&json!(token))["typ"], "logout+jwt");
            assert_eq!((&claims["iss"], &claims["aud"], &claims["sub"]), (&json!(foyer.world.base), &json!("listener"), &json!(joe)));
            let now = foyer.clock.now().timestamp();
            assert_eq!((&claims["iat"], &claims["exp"]), (&json!(now), &json!(now + 120)));
            assert_eq!(claims["events"], json!({ "http://schemas.openid.net/event/backchannel-logout": {} }));
            assert_eq!(claims.get("nonce"), None);
            told.insert(claims["sid"].as_str().unwrap().to_owned());
            tokens.insert(claims["jti"].as_str().unwrap().to_owned());
        }
        assert_eq!((told, tokens.len()), (sids, 2));
        assert_eq!(foyer.count("grants").await, 0);
    }

    async fn oidcc_backchannel_rp_initiated_logout(engine) {
        let foyer = Foyer::new(engine).await;
        let ears = [Ear::open().await, Ear::open().await];
        for (ear, name) in ears.iter().zip(["one", "two"]) {
            foyer.register(&ear.described(name)).await;
        }
        let joe = foyer.person("joe", &["Cloud-EMEA-Admins"]).await;
        let mut browser = foyer.sign_in("joe").await;
        let mut sids = Vec::new();
        let mut hint = String::new();
        for name in ["one", "two"] {
            let code = foyer.grant(&browser, name, "bluesky/emea", "openid").await;
            let tokens = foyer.redeem(name, &code).await.expect(200).body;
            sids.push(claims(&tokens["id_token"])["sid"].clone());
            tokens["id_token"].as_str().unwrap().clone_into(&mut hint);
        }
        // The second portal signs the person out, and both are told.
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("id_token_hint", &hint).finish();
        browser.visit(&format!("{}/oauth2/logout?{query}", foyer.world.base)).await.expect(200, "You are signed out");
        assert_eq!(tell(&foyer).await, 2);
        for (ear, (name, sid)) in ears.iter().zip(["one", "two"].iter().zip(sids)) {
            let [token] = ear.tokens().try_into().unwrap();
            let told: Value = foyer.world.app.signing.verify(&token, "logout+jwt").await.unwrap();
            assert_eq!((&told["aud"], &told["sid"], &told["sub"]), (&json!(name), &sid, &json!(joe)));
        }
    }

    async fn a_portal_that_fails_is_told_again_and_one_that_hangs_delays_nobody(engine) {
        let foyer = Foyer::new(engine).await;
        let (failing, hanging, well) = (Ear::open().await, Ear::open().await, Ear::open().await);
        let joe = foyer.person("joe", &[]).await;
        for (ear, name) in [(&failing, "failing"), (&hanging, "hanging"), (&well, "well")] {
            foyer.register(&ear.described(name)).await;
        }
        let browser = foyer.sign_in("joe").await;
        for name in ["failing", "hanging", "well"] {
            foyer.grant(&browser, name, "bluesky", "openid").await;
        }
        *failing.answer.lock().unwrap() = Some(StatusCode::SERVICE_UNAVAILABLE);
        *hanging.answer.lock().unwrap() = None;
        // As in life: the worker runs, and the one who deactivates waits for nobody.
        let app = &foyer.world.app;
        let working = vestibule::work::start(app.tools().unwrap());
        foyer.set_active(joe, false).await;
        let until = Instant::now() + Duration::from_mins(1);
        while well.tokens().is_empty() || failing.tokens().is_empty() || hanging.tokens().is_empty() {
            assert!(Instant::now() < until, "they are not told");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        while foyer.count("deliveries where delivered_at is not null").await < 1 || foyer.count("deliveries where last_error = 'status_503'").await < 1 {
            assert!(Instant::now() < until, "what became of it is not written down");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        drop(working);
        assert_eq!((well.tokens().len(), failing.tokens().len()), (1, 1));
        // Its time has not come; then it has, and the token is another one.
        *failing.answer.lock().unwrap() = Some(StatusCode::NO_CONTENT);
        foyer.clock.advance(TimeDelta::seconds(4));
        assert!(portals(&foyer).await.iter().all(|portal| portal.client_id != "failing"));
        foyer.clock.advance(TimeDelta::seconds(1));
        let due = portals(&foyer).await;
        let failed = due.iter().find(|portal| portal.client_id == "failing").unwrap();
        assert_eq!(app.teller().tell(failed).await.unwrap(), 1);
        assert_eq!(foyer.count("deliveries where delivered_at is not null").await, 2);
        let tokens = failing.tokens();
        assert!(tokens.len() == 2 && tokens[0] != tokens[1], "{tokens:?}");
        let text = app.metrics.render();
        for line in [r#"vestibule_back_channel_logouts_total{outcome="retried"} 1"#, r#"vestibule_back_channel_logouts_total{outcome="delivered"} 2"#] {
            assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
        }
    }

    async fn a_portal_that_cannot_be_told_for_a_day_is_given_up_and_the_tenant_sees_it(engine) {
        let foyer = Foyer::new(engine).await;
        let (ear, joe) = (Ear::open().await, foyer.person("joe", &[]).await);
        foyer.register(&ear.described("deaf")).await;
        *ear.answer.lock().unwrap() = Some(StatusCode::BAD_REQUEST);
        let browser = foyer.sign_in("joe").await;
        foyer.grant(&browser, "deaf", "bluesky", "openid").await;
        foyer.set_active(joe, false).await;
        let mut attempts = 0;
        for _ in 0..60 {
            attempts += tell(&foyer).await;
            foyer.clock.advance(TimeDelta::hours(1));
        }
        assert_eq!(attempts, ear.tokens().len());
        assert_eq!(attempts, 25, "within a day, at most once an hour as the clock goes here");
        assert_eq!(foyer.count("deliveries where failed_at is not null and last_error = 'status_400'").await, 1);
        assert_eq!(foyer.count(&format!("events where kind = 'logout.undelivered' and details ->> 'portal' = 'deaf' and target_id = {}", id(engine, joe))).await, 1);
    }
}

fn id(engine: vestibule::store::Engine, login: vestibule::model::LoginId) -> String {
    match engine {
        vestibule::store::Engine::Sqlite => format!("x'{}'", login.to_string().replace('-', "")),
        vestibule::store::Engine::Postgres => format!("'{login}'"),
    }
}

async fn portals(foyer: &Foyer) -> Vec<ToldPortal> {
    foyer.world.app.store.doors().portals_to_tell(TenantId::OPERATOR, foyer.clock.now()).await.unwrap()
}
