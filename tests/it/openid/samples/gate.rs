//! The gate of nginx: who gets through to the API behind it, and what the API is told.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use serde_json::{Value, json};
use tempfile::TempDir;
use vestibule::clock::Clock;
use vestibule::store::Engine;

use super::super::Foyer;
use super::op::{FORGED, Op, Says, jwt, with};
use super::{Running, SECRET, Sample, free_ports, sample_file, wait_for};
use crate::support::child::{Child, Start};
use crate::support::evil_idp::EvilIdp;
use crate::support::http::client;
use crate::support::world::World;

/// What reached the API: method and path, headers, body.
#[derive(Clone, Debug)]
struct Reached {
    what: String,
    headers: Vec<(String, String)>,
    body: String,
}

type Api = Arc<Mutex<Vec<Reached>>>;

/// nginx with the sample's configuration, and the API behind it.
pub(super) struct Gate {
    pub(super) base: String,
    api: Api,
    _nginx: Child,
    _folder: TempDir,
}

async fn reached(State(api): State<Api>, request: Request<Body>) -> &'static str {
    let (parts, body) = request.into_parts();
    let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let body = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
    api.lock().unwrap().push(Reached { what: format!("{} {}", parts.method, parts.uri), headers, body });
    "the API"
}

pub(crate) fn nginx() -> PathBuf {
    // Debian has it where not everybody's path leads.
    let found = std::env::var_os("PATH").into_iter().flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let place = found.chain(["/usr/sbin".into()]).map(|folder| folder.join("nginx")).find(|program| program.exists());
    place.expect("nginx is not installed: script/bootstrap --test")
}

impl Gate {
    /// Starts nginx before an API, with a verifier to ask.
    pub(super) async fn start(verifier: u16) -> Self {
        let [port] = free_ports();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api_port = listener.local_addr().unwrap().port();
        let api = Api::default();
        let router = Router::new().fallback(reached).with_state(Arc::clone(&api));
        tokio::spawn(axum::serve(listener, router).into_future());

        let mut text = std::fs::read_to_string(sample_file("nginx/nginx.conf")).unwrap();
        for (sample, here) in
            [("server 127.0.0.1:4181;", verifier), ("server 127.0.0.1:8000;", api_port), ("listen 127.0.0.1:8080;", port)]
        {
            assert_eq!(text.matches(sample).count(), 1, "{sample}");
            let (word, _) = sample.split_once(' ').unwrap();
            text = text.replace(sample, &format!("{word} 127.0.0.1:{here};"));
        }
        let folder = tempfile::Builder::new().prefix("vestibule-gate-").tempdir().unwrap();
        std::fs::write(folder.path().join("nginx.conf"), text).unwrap();
        let log = folder.path().join("log");
        let start = Start::new(nginx(), ["-e", "stderr", "-g", "daemon off;", "-c"])
            .arguments([folder.path().join("nginx.conf").as_os_str(), "-p".as_ref(), folder.path().as_os_str()])
            .folder(folder.path())
            .log(&log)
            // Killed, it would leave its workers behind.
            .last_signal("TERM");
        let mut nginx = Child::start(&start).unwrap();
        wait_for(port, || nginx.ended().unwrap().is_none(), &log);
        Self { base: format!("http://127.0.0.1:{port}"), api, _nginx: nginx, _folder: folder }
    }

    /// The status of a request with a token.
    pub(super) async fn ask(&self, path: &str, token: &str) -> u16 {
        client().get(format!("{}{path}", self.base)).bearer_auth(token).send().await.unwrap().status().as_u16()
    }

    fn reached(&self) -> Vec<Reached> {
        std::mem::take(&mut *self.api.lock().unwrap())
    }
}

fn good(op: &Op) -> Value {
    let now = Clock::system().now().timestamp();
    json!({
        "iss": op.issuer, "aud": "portal-api", "sub": "joe", "client_id": "portal", "iat": now, "exp": now + 300, "jti": "one", "sid": "0198",
        "account": "emea", "roles": ["administrator"],
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o09_the_gate_lets_good_tokens_through_and_no_others() {
    let op = Op::start().await;
    let [port] = free_ports();
    let verifier = Running::start(Sample::Verifier, &op.issuer, port);
    let gate = Gate::start(port).await;
    let claims = good(&op);
    let now = Clock::system().now().timestamp();
    assert_eq!(gate.ask("/orders", &jwt("at+jwt", None, &claims)).await, 200, "{}", verifier.log());
    assert_eq!(gate.reached().len(), 1);

    let none = client().get(format!("{}/orders", gate.base)).send().await.unwrap();
    assert_eq!(none.status(), 401);
    assert_eq!(none.headers()["www-authenticate"], "Bearer error=\"invalid_token\"");
    for (what, changes) in [
        ("over", json!({ "iat": now - 700, "exp": now - 400 })),
        ("without an end", json!({ "exp": null })),
        ("with an end that is a text", json!({ "exp": "never" })),
        ("for another API", json!({ "aud": "other-api" })),
        ("for the portal itself", json!({ "aud": "portal" })),
        ("for nobody", json!({ "aud": null })),
        ("of another issuer", json!({ "iss": "https://evil.example" })),
        ("of nobody", json!({ "sub": null })),
        ("for no account", json!({ "account": null })),
    ] {
        assert_eq!(gate.ask("/orders", &jwt("at+jwt", None, &with(&claims, &changes))).await, 401, "{what}: {}", verifier.log());
    }
    for typ in ["JWT", "logout+jwt", "at+jwt2"] {
        assert_eq!(gate.ask("/orders", &jwt(typ, None, &claims)).await, 401, "{typ}");
    }
    for forged in FORGED {
        assert_eq!(gate.ask("/orders", &jwt("at+jwt", Some(forged), &claims)).await, 401, "{forged:?}");
    }
    for nonsense in ["nonsense", "a.b.c", "..", "e30.e30."] {
        assert_eq!(gate.ask("/orders", nonsense).await, 401, "{nonsense}");
    }
    // The addresses of the gate's own questions are nobody else's.
    for path in ["/_verify", "/_verify_live"] {
        assert_eq!(gate.ask(path, &jwt("at+jwt", None, &claims)).await, 404, "{path}");
    }
    assert!(gate.reached().is_empty(), "the API was not reached by any of these");
    assert_eq!(op.asked(), 0, "nobody asked by introspection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_gets_the_verified_token_and_no_word_of_the_client_about_who_it_is() {
    let op = Op::start().await;
    let [port] = free_ports();
    let _verifier = Running::start(Sample::Verifier, &op.issuer, port);
    let gate = Gate::start(port).await;
    let token = jwt("at+jwt", None, &good(&op));
    let forged = jwt("at+jwt", Some(super::op::Forged::OtherKey), &good(&op));
    let spoofed = [
        "X-User",
        "X_User",
        "X-Forwarded-User",
        "X_Forwarded_User",
        "X-Remote-User",
        "Remote-User",
        "Remote_User",
        "X-Account",
        "X_Account",
        "X-Roles",
        "X_Roles",
        "X-Verified-Token",
        "X_Verified_Token",
        "X-Auth-Request-Email",
        "Forwarded",
        "X-Forwarded-For",
        "Cookie",
        "Verified_Token",
    ];
    let mut request =
        client().post(format!("{}/orders?x=1", gate.base)).bearer_auth(&token).header("content-type", "application/json");
    for name in spoofed {
        request = request.header(name, "root");
    }
    assert_eq!(request.body("{\"order\":1}").send().await.unwrap().status(), 200);
    let [reached] = gate.reached().try_into().unwrap();
    assert_eq!((reached.what.as_str(), reached.body.as_str()), ("POST /orders?x=1", "{\"order\":1}"));
    assert!(reached.headers.contains(&("authorization".to_owned(), format!("Bearer {token}"))), "{reached:?}");
    assert!(reached.headers.contains(&("content-type".to_owned(), "application/json".to_owned())), "{reached:?}");
    let known = ["authorization", "host", "accept", "content-type", "content-length", "x-request-id", "connection"];
    for (name, value) in &reached.headers {
        assert!(known.contains(&name.as_str()) && value != "root", "{name}: {value} reached the API");
    }

    // Two tokens in one request: whichever was looked at, only a verified one goes on.
    for (first, second) in [(&token, &forged), (&forged, &token)] {
        let request = client().get(format!("{}/orders", gate.base)).bearer_auth(first).bearer_auth(second);
        let _ = request.send().await.unwrap();
    }
    for reached in gate.reached() {
        let carried: Vec<_> = reached.headers.iter().filter(|(name, _)| name == "authorization").map(|(_, value)| value).collect();
        assert_eq!(carried, [&format!("Bearer {token}")]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dangerous_paths_ask_each_time_and_what_cannot_be_asked_is_refused() {
    let op = Op::start().await;
    let [port] = free_ports();
    let verifier = Running::start(Sample::Verifier, &op.issuer, port);
    let gate = Gate::start(port).await;
    let token = jwt("at+jwt", None, &good(&op));
    assert_eq!(gate.ask("/payments/1", &token).await, 200, "{}", verifier.log());
    op.introspection(Says::NotActive);
    let paths = ["/payments/1", "//payments/1", "/x/../payments/1", "/%70ayments/1", "/payments/"];
    for path in paths {
        let address = format!("{}{path}", gate.base);
        // As it is written: a client of ours would tidy it up.
        let status = std::process::Command::new("curl")
            .args(["--silent", "--path-as-is", "--output", "/dev/null", "--write-out", "%{http_code}", "--header"])
            .args([format!("Authorization: Bearer {token}"), address])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&status.stdout), "401", "{path}");
    }
    assert_eq!(gate.ask("/orders", &token).await, 200, "other paths go by the token alone");
    op.introspection(Says::Nothing);
    assert_eq!(gate.ask("/payments/1", &token).await, 500);
    assert_eq!(op.asked(), 2 + paths.len());
    op.introspection(Says::Active);
    let before = gate.reached().len();
    assert_eq!(before, 2);
    drop(verifier);
    assert_eq!(gate.ask("/orders", &token).await, 500, "without a verifier nobody gets through");
    assert!(gate.reached().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_vestibule_passes_the_gate_and_a_deactivation_closes_the_dangerous_paths_at_once() {
    let clock = Clock::system();
    let idp = EvilIdp::start(clock.now()).await;
    let world = World::empty(Engine::Sqlite).await;
    let tenant = world.tenant("bluesky", "entra", idp.issuer()).await;
    let foyer = Foyer { world, idp, tenant, clock };
    let portal = "[[client]]\nclient_id = \"portal\"\nname = \"Portal\"\nredirect_uris = [\"https://portal.example/callback\"]\n";
    foyer.register(&format!("{portal}audience = \"portal-api\"\nsecret = {{ value = \"{SECRET}\" }}\n")).await;
    let joe = foyer.person("joe", &["Cloud-EMEA-Admins"]).await;
    let browser = foyer.sign_in("joe").await;
    let code = foyer.grant(&browser, "portal", "bluesky/emea", "openid").await;
    let tokens = foyer.redeem("portal", &code).await.expect(200).body;
    let (access, id) = (tokens["access_token"].as_str().unwrap(), tokens["id_token"].as_str().unwrap());

    let [port] = free_ports();
    let verifier = Running::start(Sample::Verifier, &foyer.world.base, port);
    let gate = Gate::start(port).await;
    for path in ["/orders", "/payments/1"] {
        assert_eq!(gate.ask(path, access).await, 200, "{path}: {}", verifier.log());
        assert_eq!(gate.ask(path, id).await, 401, "{path}: an id_token is for the portal alone");
    }
    foyer.set_active(joe, false).await;
    assert_eq!(gate.ask("/payments/1", access).await, 401, "{}", verifier.log());
    assert_eq!(gate.ask("/orders", access).await, 200, "who looks at the token alone learns of it in five minutes");
}
