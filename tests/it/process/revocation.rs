//! The promise of revocation: what one replica ends, the other refuses, and never says yes when it cannot know.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;
use url::Url;
use vestibule::clock::Clock;

use super::{Home, PATIENCE, Served};
use crate::openid::ask_at;
use crate::openid::authorize::{VERIFIER, query};
use crate::openid::ending::Ear;
use crate::support::evil_idp::EvilIdp;
use crate::support::http::{Browser, Scim, client};
use crate::support::{postgres, sql};

const SESSION: &str = "__Host-vestibule-session";
/// How many logins are deactivated.
const TIMES: usize = 100;

fn now() -> DateTime<Utc> {
    Clock::system().now()
}

/// A way to the database that can be cut.
struct Link {
    address: SocketAddr,
    is_cut: Arc<AtomicBool>,
    _running: AbortOnDropHandle<()>,
}

impl Link {
    /// To the server of a database, by its socket or by its address.
    async fn to(url: &Url) -> Self {
        let socket = url.query_pairs().find(|(name, _)| name == "host").map(|(_, folder)| format!("{folder}/.s.PGSQL.5432"));
        let address = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (near, is_cut) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let cut = Arc::clone(&is_cut);
        let running = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            let mut looks = tokio::time::interval(Duration::from_millis(5));
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let (mut near, _) = accepted.unwrap();
                        if !cut.load(Ordering::Relaxed) {
                            let (socket, address) = (socket.clone(), address.clone());
                            connections.spawn(async move {
                                if let Some(socket) = socket {
                                    let mut far = UnixStream::connect(socket).await.unwrap();
                                    tokio::io::copy_bidirectional(&mut near, &mut far).await.ok();
                                } else {
                                    let mut far = TcpStream::connect(address).await.unwrap();
                                    tokio::io::copy_bidirectional(&mut near, &mut far).await.ok();
                                }
                            });
                        }
                    }
                    _ = looks.tick() => {
                        if cut.load(Ordering::Relaxed) {
                            connections.abort_all();
                        }
                    }
                }
            }
        });
        Self { address: near, is_cut, _running: AbortOnDropHandle::new(running) }
    }
}

/// Two replicas on one PostgreSQL, the second by a link that can be cut, with an identity provider and a portal that listens.
struct House {
    home: Home,
    idp: EvilIdp,
    ear: Ear,
    link: Link,
    scim: Scim,
    /// Whose members have a role.
    group: String,
    first: Served,
    second: Served,
    start: String,
    _server: postgres::Postgres,
}

/// Somebody who is signed in, and what a portal holds for them.
struct Guest {
    id: String,
    cookie: String,
    access_token: String,
    refresh_tokens: [String; 2],
}

impl House {
    async fn new() -> Self {
        let server = postgres::dedicated(true);
        let mut home = Home::at(&server.empty_database().await);
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        home.settings = vec![
            ("VESTIBULE__SERVER__LISTEN", address.to_string()),
            ("VESTIBULE__SERVER__PUBLIC_URL", format!("http://{address}")),
            ("VESTIBULE__NET__ALLOW", "127.0.0.1".to_owned()),
            ("VESTIBULE__API__REQUESTS_PER_SECOND", "100000".to_owned()),
            ("VESTIBULE__API__BURST", "100000".to_owned()),
        ];
        home.run(&["migrate"]).expect(0);
        let (idp, ear) = (EvilIdp::start(now()).await, Ear::open().await);
        let directory = home.bootstrap(idp.issuer());
        let said = home.run(&["bootstrap", "bluesky.toml"]).expect(0);
        let (_, redirect_uri) = said.out.split_once("redirect URI of idp: ").unwrap();
        let start = redirect_uri.split_whitespace().next().unwrap().trim_end_matches("/callback").to_owned();
        std::fs::write(home.path("portal.toml"), ear.described("listener")).unwrap();
        home.run(&["bootstrap", "portal.toml"]).expect(0);
        let url = Url::parse(&home.url()).unwrap();
        let link = Link::to(&url).await;
        let first = home.serve();
        let mut by_link = url.clone();
        by_link.set_query(None);
        by_link.set_host(Some("127.0.0.1")).unwrap();
        by_link.set_port(Some(link.address.port())).unwrap();
        "127.0.0.1:0".clone_into(&mut home.settings[0].1);
        home.settings.push(("VESTIBULE__DATABASE__URL", by_link.to_string()));
        let second = home.serve();
        let scim = first.scim(&directory);
        let group = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Cloud-EMEA-Admins" });
        let group = scim.post("/Groups", &group).await.expect(201).id();
        Self { home, idp, ear, link, scim, group, first, second, start, _server: server }
    }

    /// Somebody whom the directory pushes, who signs in at the first replica, and whom the portal signs in there.
    async fn guest(&self, name: &str) -> Guest {
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "externalId": name, "active": true,
        });
        let id = self.scim.post("/Users", &user).await.expect(201).id();
        let operations = json!([{ "op": "add", "path": "members", "value": [{ "value": id }] }]);
        let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations });
        let status = self.scim.patch(&format!("/Groups/{}", self.group), &body).await.status;
        assert!(matches!(status, 200 | 204), "{status}");
        {
            let mut script = self.idp.script();
            script.now = now();
            script.claims = json!({ "sub": name });
        }
        let mut browser = Browser::new();
        browser.follow(&self.start, None).await.expect(200, "Your accounts");
        let cookie = browser.cookie(&self.first.base, SESSION).unwrap().to_owned();
        let mut tokens = Vec::new();
        // One refresh token for each time that the second replica is asked to refresh: each is good once.
        for _ in 0..2 {
            tokens.push(self.tokens(&cookie).await);
        }
        let text = |at: usize, name: &str| -> String { tokens[at][name].as_str().unwrap().to_owned() };
        let refresh_tokens = [text(0, "refresh_token"), text(1, "refresh_token")];
        Guest { id, cookie, access_token: text(0, "access_token"), refresh_tokens }
    }

    /// What the portal gets for a session, at the first replica.
    async fn tokens(&self, cookie: &str) -> Value {
        let uri = "https://listener.example/callback";
        let query = query(&[("client_id", Some("listener")), ("redirect_uri", Some(uri))]);
        let request = client().get(format!("{}/oauth2/authorize?{query}", self.first.base));
        let answer = request.header("cookie", format!("{SESSION}={cookie}")).send().await.unwrap();
        let back = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
        let (_, code) = back.query_pairs().find(|(name, _)| name == "code").unwrap_or_else(|| panic!("no code in {back}"));
        let form = [("grant_type", "authorization_code"), ("code", &*code), ("redirect_uri", uri), ("code_verifier", VERIFIER)];
        ask_at(&self.first.base, "listener", "/token", &form).await.expect(200).body
    }

    async fn switch_off(&self, guest: &Guest) {
        let operations = json!([{ "op": "Replace", "path": "active", "value": false }]);
        let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations });
        let status = self.scim.patch(&format!("/Users/{}", guest.id), &body).await.status;
        assert!(matches!(status, 200 | 204), "{status}");
    }

    /// What the second replica answers: to the session (the page, the API, and a question for a decision) and to what the portal holds
    /// (userinfo, introspection, and one of its refresh tokens).
    async fn answers(&self, guest: &Guest, refresh_token: &str) -> [u16; 6] {
        let ask = async |method: Method, path: &str, body: Option<Value>| {
            let request = client().request(method, format!("{}{path}", self.second.base));
            let request = request.header("cookie", format!("{SESSION}={}", guest.cookie)).header("sec-fetch-site", "same-origin");
            let request = match body {
                Some(body) => request.header("content-type", "application/json").body(body.to_string()),
                None => request,
            };
            request.send().await.unwrap().status().as_u16()
        };
        let question = json!({
            "subject": { "type": "login", "id": guest.id }, "action": { "name": "tickets.view" },
            "resource": { "type": "account", "id": guest.id },
        });
        let portal = async |path: &str, form: &[(&str, &str)]| ask_at(&self.second.base, "listener", path, form).await;
        let userinfo = client().get(format!("{}/oauth2/userinfo", self.second.base)).bearer_auth(&guest.access_token);
        let introspected = portal("/introspect", &[("token", &guest.access_token)]).await;
        [
            ask(Method::GET, "/me", None).await,
            ask(Method::GET, "/api/v1/approvals", None).await,
            ask(Method::POST, "/access/v1/evaluation", Some(question)).await,
            userinfo.send().await.unwrap().status().as_u16(),
            // Introspection says it in its body.
            if introspected.body["active"] == false { 401 } else { introspected.status },
            portal("/token", &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await.status,
        ]
    }
}

/// What is refused once a session is over: the page leads to the sign-in page, a refresh token is `invalid_grant`.
const REFUSED: [u16; 6] = [303, 401, 401, 401, 401, 400];
const WELCOME: [u16; 6] = [200; 6];

fn told(what: &str, times: &mut [Duration]) {
    times.sort();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1_000.0;
    println!(
        "{what}, {} times: least {:.1} ms, median {:.1} ms, p95 {:.1} ms, most {:.1} ms",
        times.len(),
        at(0),
        at(50),
        at(95),
        at(100)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sso_r09_what_one_replica_ends_the_other_refuses_and_the_portal_is_told_a_hundred_times_of_a_hundred() {
    let house = House::new().await;
    let (mut refused, mut off) = (Vec::new(), BTreeMap::new());
    for number in 0..TIMES {
        let guest = house.guest(&format!("guest-{number}")).await;
        let [first, second] = &guest.refresh_tokens;
        assert_eq!(house.answers(&guest, first).await, WELCOME, "{}", house.second.said());
        house.switch_off(&guest).await;
        let since = Instant::now();
        // Nothing is remembered between two requests, so the first answer of each is a refusal already.
        assert_eq!(house.answers(&guest, second).await, REFUSED, "{number}");
        refused.push(since.elapsed());
        off.insert(guest.id, since);
    }
    told("Refused by the other replica on six surfaces", &mut refused);
    let until = Instant::now() + PATIENCE;
    while house.ear.heard.lock().unwrap().len() < TIMES {
        assert!(Instant::now() < until, "not every portal is told: {}", house.first.said());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let keys: JwkSet = client().get(format!("{}/oauth2/jwks", house.second.base)).send().await.unwrap().json().await.unwrap();
    let mut heard = Vec::new();
    for (token, at) in house.ear.tokens().iter().zip(house.ear.times()) {
        let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&["listener"]);
        validation.set_issuer(&[&house.first.base]);
        let key = DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap();
        let claims = jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap().claims;
        let since = off.remove(claims["sub"].as_str().unwrap()).expect("each login once");
        heard.push(at.saturating_duration_since(since));
    }
    assert!(off.is_empty(), "{off:?}");
    told("The portal's endpoint called", &mut heard);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sso_r09_a_replica_that_cannot_ask_refuses_and_goes_on_when_it_can() {
    let house = House::new().await;
    let (stays, goes) = (house.guest("stays").await, house.guest("goes").await);
    for guest in [&stays, &goes] {
        assert_eq!(house.answers(guest, &guest.refresh_tokens[0]).await, WELCOME);
    }
    house.link.is_cut.store(true, Ordering::Relaxed);
    house.switch_off(&goes).await;
    for guest in [&goes, &stays] {
        let answers = house.answers(guest, &guest.refresh_tokens[1]).await;
        assert!(answers.iter().all(|status| *status == 503), "{answers:?}");
    }
    house.link.is_cut.store(false, Ordering::Relaxed);
    let until = Instant::now() + PATIENCE;
    while client()
        .get(format!("{}/oauth2/userinfo", house.second.base))
        .bearer_auth(&stays.access_token)
        .send()
        .await
        .unwrap()
        .status()
        != 200
    {
        assert!(Instant::now() < until, "it does not come back: {}", house.second.said());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(house.answers(&stays, &stays.refresh_tokens[1]).await, WELCOME, "and what could not be asked was not used up");
    assert_eq!(house.answers(&goes, &goes.refresh_tokens[1]).await, REFUSED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_portal_is_told_by_another_replica_when_the_one_that_was_telling_it_dies() {
    let mut house = House::new().await;
    *house.ear.answer.lock().unwrap() = None;
    // Only one of them is there.
    house.second.end("TERM");
    let guest = house.guest("guest").await;
    house.switch_off(&guest).await;
    let until = Instant::now() + PATIENCE;
    while house.ear.tokens().is_empty() {
        assert!(Instant::now() < until, "nobody is told");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    house.first.end("KILL");
    *house.ear.answer.lock().unwrap() = Some(StatusCode::OK);
    let url = house.home.url();
    assert_eq!(
        sql::number(&url, "select count(*) from deliveries where leased_until is not null and delivered_at is null").await,
        1
    );
    house.second = house.home.serve();
    let until = Instant::now() + PATIENCE;
    while sql::number(&url, "select count(*) from deliveries where delivered_at is not null").await < 1 {
        assert!(Instant::now() < until, "nobody goes on: {}", house.second.said());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let tokens = house.ear.tokens();
    assert!(tokens.len() == 2 && tokens[0] != tokens[1], "{tokens:?}");
}
