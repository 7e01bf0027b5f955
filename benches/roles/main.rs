//! Load on what rules give; `script/bench roles` runs it and says what it measures.
//!
//! People, groups and memberships are made by SQL, as copies of what the endpoint made: how quickly they come by SCIM is measured
//! elsewhere. Everything that is timed goes through the program.

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
use std::time::{Duration, Instant};

use clap::Parser as _;
use reqwest::Method;
use serde_json::{Value, json};

use self::house::House;
use self::load::{AsyncJob, Measured, Recorder, Target, drive};
use self::report::Report;

/// Measures what rules give.
#[derive(clap::Parser)]
struct Arguments {
    /// How many people there are, one house each.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 100_000])]
    people: Vec<usize>,
    /// How many groups there are; everybody is in ten of them.
    #[arg(long, default_value_t = 1_000)]
    groups: usize,
    /// How many rules there are, each for one group.
    #[arg(long, default_value_t = 500)]
    rules: usize,
    /// How many requests of a kind are sent.
    #[arg(long, default_value_t = 2_000)]
    requests: usize,
    /// The folder for tables.
    #[arg(long, default_value = "target/bench/roles")]
    out: PathBuf,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

/// One kind of request about the people of a house.
#[derive(Clone)]
struct Ask {
    target: Target,
    what: &'static str,
    method: Method,
    path: fn(&str) -> String,
    /// The body for a login, an account and the number of the request.
    body: Option<fn(&str, &str, usize) -> Value>,
    logins: Arc<[String]>,
    accounts: Arc<[String]>,
}

impl AsyncJob<()> for Ask {
    async fn run(&self, number: usize, recorder: &mut Recorder) -> Option<()> {
        // A stride that is coprime to the numbers of logins visits them all over.
        let login = &self.logins[number.wrapping_mul(7_919) % self.logins.len()];
        let account = &self.accounts[number % self.accounts.len()];
        let body = self.body.map(|body| body(login, account, number));
        recorder.send(&self.target, self.what, self.method.clone(), &(self.path)(login), body.as_ref()).await.map(drop)
    }
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::parse();
    let mut report = Report::new(&arguments.out);
    for &people in &arguments.people {
        let house = House::build(people, arguments.groups, arguments.rules).await;
        measure(&house, people, arguments.requests, &mut report).await;
    }
    report.write();
}

async fn measure(house: &House, people: usize, requests: usize, report: &mut Report) {
    // Nobody holds anything yet: the first change of a rule gives everybody what all rules want.
    let (saved, job) = house.change_rule("active eq true").await;
    let (first, meanwhile) = busy(house, job.as_deref(), requests).await;
    report.change(people, "everybody is given what 500 rules want", saved, first);
    for (what, measured) in meanwhile {
        report.requests(people, &format!("{what}, while that job runs"), 1, &measured);
    }
    house.service.execute("vacuum analyze".to_owned()).await;
    for kind in kinds(house).await {
        for connections in [1, 8] {
            let label = format!("{}, {people} people, {connections} connections", kind.what);
            let (measured, _) = drive(&label, connections, requests, kind.clone()).await;
            report.requests(people, kind.what, connections, &measured);
        }
    }
    let (saved, job) = house.change_rule("userName pr").await;
    let (second, _) = busy(house, job.as_deref(), 0).await;
    report.change(people, "one rule changes, and nobody gains or loses by it", saved, second);
}

/// What is asked.
async fn kinds(house: &House) -> Vec<Ask> {
    let (logins, accounts) = (house.logins.clone(), house.accounts.clone());
    let ask = |what, target: &Target, method, path, body| Ask {
        target: target.clone(),
        what,
        method,
        path,
        body,
        logins: logins.clone(),
        accounts: accounts.clone(),
    };
    let api = house.api().await;
    vec![
        ask("PATCH one member", &house.service.target, Method::PATCH, house.group_path(), Some(come_and_go)),
        ask("what somebody holds, and why", &api, Method::GET, |login| format!("/api/v1/logins/{login}/roles"), None),
        ask("may they? (AuthZEN)", &api, Method::POST, |_| "/access/v1/evaluation".to_owned(), Some(question)),
        ask("may they? (AuthZEN, ten at once)", &api, Method::POST, |_| "/access/v1/evaluations".to_owned(), Some(questions)),
    ]
}

fn come_and_go(login: &str, _: &str, number: usize) -> Value {
    let operation = if number.is_multiple_of(2) {
        json!({ "op": "add", "path": "members", "value": [{ "value": login }] })
    } else {
        json!({ "op": "remove", "path": format!("members[value eq \"{login}\"]") })
    };
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation] })
}

fn question(login: &str, account: &str, _: usize) -> Value {
    json!({
        "subject": { "type": "login", "id": login }, "action": { "name": "tickets.view" },
        "resource": { "type": "account", "id": account },
    })
}

fn questions(login: &str, account: &str, _: usize) -> Value {
    let actions = ["tickets.view", "tickets.open", "invoices.view", "services.view", "people.view"];
    let ten: Vec<_> = actions.iter().chain(&actions).map(|name| json!({ "action": { "name": name } })).collect();
    json!({
        "subject": { "type": "login", "id": login }, "resource": { "type": "account", "id": account }, "evaluations": ten,
    })
}

/// Waits until a job has ended, and asks meanwhile. Answers how long it took.
async fn busy(house: &House, job: Option<&str>, requests: usize) -> (Option<Duration>, Vec<(&'static str, Measured)>) {
    let Some(job) = job else { return (None, Vec::new()) };
    let began = Instant::now();
    let mut measured = Vec::new();
    if requests > 0 {
        for kind in kinds(house).await {
            let label = format!("{}, while a job runs", kind.what);
            let (answered, _) = drive(&label, 1, requests / 2, kind.clone()).await;
            // What was measured after its end tells nothing.
            if !house.is_finished(job).await {
                measured.push((kind.what, answered));
            }
        }
    }
    while !house.is_finished(job).await {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    (Some(house.took(job).await.unwrap_or_else(|| began.elapsed())), measured)
}
