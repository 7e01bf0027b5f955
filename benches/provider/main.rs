//! Load on the OpenID Provider; `script/bench provider` runs it and says what it measures.
//!
//! Sessions are made by SQL: what a sign-in at the identity provider takes is measured elsewhere. Everything that is timed goes through the
//! program, apart from verifying a token, which a portal does by itself.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a measurement ends where something is not as expected"
)]

#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../../tests/it/support/child.rs"]
mod child;
mod house;
#[path = "../scim/load.rs"]
mod load;
#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../../tests/it/support/postgres.rs"]
mod postgres;
mod report;
#[expect(dead_code, reason = "the other measurement needs more of it")]
#[path = "../scim/service.rs"]
mod service;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Parser as _;
use serde_json::Value;

use self::house::{House, SignIn, Use};
use self::load::drive;
use self::report::Report;

/// Measures the OpenID Provider.
#[derive(clap::Parser)]
struct Arguments {
    /// How many people there are, each with a session.
    #[arg(long, default_value_t = 10_000)]
    people: usize,
    /// How many sign-ins, and how many requests of each other kind.
    #[arg(long, default_value_t = 10_000)]
    requests: usize,
    /// How many connections ask at once, one run each.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16])]
    connections: Vec<usize>,
    /// The folder for tables.
    #[arg(long, default_value = "target/bench/provider")]
    out: PathBuf,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::parse();
    let house = House::build(arguments.people).await;
    let mut report = Report::new(&arguments.out);
    report.memory("before", &house.service);
    for &connections in &arguments.connections {
        // Each sign-in is a code and the tokens for it; the tokens are used by what follows.
        let job = SignIn(house.portal.clone());
        let (given, before) = (house.clean().await, house.service.cpu_seconds());
        let (measured, tokens) = drive(&format!("sign in, {connections} connections"), connections, arguments.requests, job).await;
        let cpu = house.service.cpu_seconds() - before;
        report.requests("code, then tokens", connections, &measured, cpu);
        assert_eq!(given, 0, "grants of an earlier run");
        let tokens: Arc<[Value]> = tokens.into_iter().flatten().collect();
        for what in ["userinfo", "introspection", "refresh"] {
            let before = house.service.cpu_seconds();
            let job = Use { portal: house.portal.clone(), what, tokens: tokens.clone() };
            let (measured, _) = drive(&format!("{what}, {connections} connections"), connections, tokens.len(), job).await;
            report.requests(what, connections, &measured, house.service.cpu_seconds() - before);
        }
        if let Some(token) = tokens.first() {
            report.verified(&verify(&house, token).await);
        }
    }
    report.memory("after", &house.service);
    report.write();
}

/// What verifying the signature of an access token takes, by the published key.
async fn verify(house: &House, tokens: &Value) -> String {
    const TIMES: u32 = 20_000;
    let keys: Value = house.portal.keys().await;
    let public: vestibule::keys::PublicJwk = serde_json::from_value(keys["keys"][0].clone()).unwrap();
    let verifier = vestibule::keys::Verifier::new(&public).unwrap();
    let token = tokens["access_token"].as_str().unwrap();
    let began = Instant::now();
    for _ in 0..TIMES {
        assert!(verifier.verify::<Value>(token).is_some());
    }
    let each = began.elapsed() / TIMES;
    format!("{:.0} µs a token, {:.0} a second on one core", each.as_secs_f64() * 1e6, 1.0 / each.as_secs_f64())
}
