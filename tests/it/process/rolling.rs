//! A rolling upgrade: two replicas behind nginx are ended and started in turn while people sign in and directories push, on a schema that a newer
//! program has changed meanwhile. Nobody sees any of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use reqwest::{Client, StatusCode};
use serde_json::json;
use tempfile::TempDir;
use vestibule::clock::Clock;

use super::{Home, PATIENCE, Served};
use crate::openid::samples::gate::nginx;
use crate::openid::samples::{free_ports, wait_for};
use crate::support::child::{Child, Start};
use crate::support::evil_idp::EvilIdp;
use crate::support::http::Browser;
use crate::support::{postgres, sql};

const WORKERS: usize = 8;
/// How many requests have to be answered between two steps.
const BETWEEN: usize = 100;

/// nginx before the replicas, as an ingress: it is told which of them to send to.
struct Proxy {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Proxy {
    fn start(port: u16, replicas: &[u16]) -> Self {
        let folder = tempfile::Builder::new().prefix("vestibule-rolling-").tempdir().unwrap();
        let log = folder.path().join("log");
        std::fs::write(folder.path().join("nginx.conf"), configured(port, replicas)).unwrap();
        let start = Start::new(nginx(), ["-e", "stderr", "-g", "daemon off;", "-c"])
            .arguments([folder.path().join("nginx.conf").as_os_str(), "-p".as_ref(), folder.path().as_os_str()])
            .folder(folder.path())
            .log(&log)
            .last_signal("TERM");
        let mut child = Child::start(&start).unwrap();
        wait_for(port, || child.ended().unwrap().is_none(), &log);
        Self { child, folder, port }
    }

    /// From now on new requests go to these alone.
    fn send_to(&mut self, replicas: &[u16]) {
        std::fs::write(self.folder.path().join("nginx.conf"), configured(self.port, replicas)).unwrap();
        self.child.signal("HUP").unwrap();
    }
}

fn configured(port: u16, replicas: &[u16]) -> String {
    let servers = replicas.iter().map(|port| format!("server 127.0.0.1:{port};")).collect::<Vec<_>>().join(" ");
    format!(
        "worker_processes 1; pid nginx.pid; events {{ worker_connections 1024; }}
         http {{
           access_log off; client_body_temp_path a; proxy_temp_path b; fastcgi_temp_path c; uwsgi_temp_path d; scgi_temp_path e;
           upstream vestibule {{ {servers} keepalive 16; }}
           server {{
             listen 127.0.0.1:{port};
             location / {{ proxy_pass http://vestibule; proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header Host $http_host; }}
           }}
         }}"
    )
}

/// What the load is made with.
struct Load {
    base: String,
    directory: String,
    token: String,
    start: String,
    idp: EvilIdp,
    answered: AtomicUsize,
    is_over: AtomicBool,
}

impl Load {
    /// One worker: people and directories by turns, until it is over. Answers what went wrong.
    async fn work(self: Arc<Self>, worker: usize) -> Vec<String> {
        let mut wrong = Vec::new();
        // A connection for each request: what nginx does with those that it closes is not looked at here.
        let client = Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
        for number in 0.. {
            if self.is_over.load(Ordering::Relaxed) {
                break;
            }
            if number % 10 == 0 {
                self.idp.script().now = Clock::system().now();
                let visit = Browser::new().follow(&self.start, None).await;
                if visit.status != StatusCode::OK || !visit.body.contains("Your accounts") {
                    wrong.push(format!("a sign-in: {} {}", visit.status, visit.body));
                }
            } else if let Err(what) = self.push(&client, &format!("w{worker}-{number}")).await {
                wrong.push(what);
            }
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
        wrong
    }

    /// A user is made, and found.
    async fn push(&self, client: &Client, name: &str) -> Result<(), String> {
        let users = format!("{}/scim/v2/{}/Users", self.base, self.directory);
        let user = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "externalId": name });
        let request = client.post(&users).bearer_auth(&self.token).header("content-type", "application/scim+json");
        let made = request.body(user.to_string()).send().await.map_err(|error| format!("{name} is not made: {error:?}"))?;
        if made.status() != StatusCode::CREATED {
            return Err(format!("{name} is not made: {} {:?}", made.status(), made.text().await));
        }
        let filter: String = url::form_urlencoded::byte_serialize(format!("userName eq \"{name}\"").as_bytes()).collect();
        let request = client.get(format!("{users}?filter={filter}")).bearer_auth(&self.token);
        let found = request.send().await.map_err(|error| format!("{name} is not found: {error:?}"))?;
        let (status, text) = (found.status(), found.text().await.unwrap_or_default());
        if status != StatusCode::OK || !text.contains("\"totalResults\":1") {
            return Err(format!("{name} is not found: {status} {text}"));
        }
        Ok(())
    }

    /// Waits until so many more requests were answered.
    async fn go_on(&self) {
        let (from, until) = (self.answered.load(Ordering::Relaxed), Instant::now() + PATIENCE);
        while self.answered.load(Ordering::Relaxed) < from + BETWEEN {
            assert!(Instant::now() < until, "nothing is answered any more");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

async fn until_ready(served: &Served) {
    let until = Instant::now() + PATIENCE;
    while served.ops("/readyz").await.0 != StatusCode::OK {
        assert!(Instant::now() < until, "it does not become ready:\n{}", served.said());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// A schema of another day, as a newer program's `migrate` leaves it: something was added, and nothing taken away.
async fn migrate_by_a_newer_program(url: &str) {
    sql::change(url, "alter table logins add column of_another_day text").await;
    sql::change(
        url,
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         select 9999, 'of another day', success, checksum, 0 from _sqlx_migrations",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_replica_in_turn_is_replaced_under_load_and_no_request_fails() {
    let server = postgres::dedicated(false);
    let mut home = Home::at(&server.empty_database().await);
    let [port, first, second] = free_ports();
    let ports = [first, second];
    home.settings = vec![
        ("VESTIBULE__SERVER__LISTEN", format!("127.0.0.1:{first}")),
        ("VESTIBULE__SERVER__PUBLIC_URL", format!("http://127.0.0.1:{port}")),
        ("VESTIBULE__SERVER__SHUTDOWN_DELAY", "2s".to_owned()),
        ("VESTIBULE__NET__ALLOW", "127.0.0.1".to_owned()),
    ];
    home.run(&["migrate"]).expect(0);
    let url = home.url();
    let idp = EvilIdp::start(Clock::system().now()).await;
    idp.script().claims = json!({ "sub": "joe" });
    let directory = home.bootstrap(idp.issuer());
    let said = home.run(&["bootstrap", "bluesky.toml"]).expect(0);
    let (_, redirect_uri) = said.out.split_once("redirect URI of idp: ").unwrap();
    let start = redirect_uri.split_whitespace().next().unwrap().trim_end_matches("/callback").to_owned();

    let mut serve = |port: u16| {
        home.settings[0].1 = format!("127.0.0.1:{port}");
        home.serve()
    };
    let mut replicas = ports.map(&mut serve);
    let mut proxy = Proxy::start(port, &ports);
    let joe = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "joe", "externalId": "joe" });
    replicas[0].scim(&directory).post("/Users", &joe).await.expect(201);
    let (base, token) = (format!("http://127.0.0.1:{port}"), replicas[0].token.clone());
    let load = Load { base, directory, token, start, idp, answered: AtomicUsize::new(0), is_over: AtomicBool::new(false) };
    let load = Arc::new(load);
    let began = Instant::now();
    let workers: Vec<_> = (0..WORKERS).map(|worker| tokio::spawn(Arc::clone(&load).work(worker))).collect();
    load.go_on().await;
    migrate_by_a_newer_program(&url).await;
    for number in [0, 1] {
        load.go_on().await;
        replicas[number].child.signal("TERM").unwrap();
        let until = Instant::now() + PATIENCE;
        while replicas[number].ops("/readyz").await != (StatusCode::SERVICE_UNAVAILABLE, "stopping".to_owned()) {
            assert!(Instant::now() < until, "it does not say that it ends");
        }
        // What an ingress does when it learns of that.
        proxy.send_to(&[ports[1 - number]]);
        assert_eq!(replicas[number].child.wait(PATIENCE).unwrap().code(), Some(0), "{}", replicas[number].said());
        assert!(replicas[number].said().contains("every request was finished"));
        replicas[number] = serve(ports[number]);
        until_ready(&replicas[number]).await;
        proxy.send_to(&ports);
    }
    load.go_on().await;
    load.is_over.store(true, Ordering::Relaxed);
    let mut wrong = Vec::new();
    for worker in workers {
        wrong.extend(worker.await.unwrap());
    }
    let answered = load.answered.load(Ordering::Relaxed);
    println!("{answered} sign-ins and pushes, each of several requests, in {:.1} s", began.elapsed().as_secs_f64());
    assert!(wrong.is_empty(), "{} of {answered} failed, such as {:?}", wrong.len(), wrong.first());
}
