//! The launchers keep their promises: what they start ends with the tests, and what a crash may lose depends on the promise
//! asked for.

use super::node::{Provider, browse};
use super::postgres::{self, Postgres};
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

async fn one_table(url: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    connection.execute("create table things (id bigint primary key)").await.unwrap();
    connection.close().await.unwrap();
}

async fn count(url: &str) -> i64 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar("select count(*) from things").fetch_one(&mut connection).await.unwrap()
}

#[tokio::test]
async fn each_fresh_database_is_the_migrated_template_alone() {
    // A server has one template, and the shared one's is Vestibule's schema.
    let server = postgres::dedicated(false);
    let (first, second) = (server.fresh_database(one_table).await, server.fresh_database(one_table).await);
    PgConnection::connect(&first).await.unwrap().execute("insert into things values (1)").await.unwrap();
    assert_eq!((count(&first).await, count(&second).await), (1, 0));
    let empty = server.empty_database().await;
    PgConnection::connect(&empty).await.unwrap().execute("select * from things").await.unwrap_err();
}

#[tokio::test]
async fn a_durable_server_keeps_an_acknowledged_commit_through_a_crash() {
    let server: Postgres = postgres::dedicated(true);
    let url = server.fresh_database(one_table).await;
    PgConnection::connect(&url).await.unwrap().execute("insert into things values (1)").await.unwrap();
    server.stop_immediately();
    PgConnection::connect(&url).await.unwrap_err();
    server.start();
    assert_eq!(count(&url).await, 1);
}

#[tokio::test]
async fn a_stopped_server_is_silent_and_answers_when_it_goes_on() {
    let server = postgres::dedicated(false);
    let url = server.fresh_database(one_table).await;
    server.signal("STOP");
    // A connection is accepted by the system, so only patience tells. The answer must not come, however long this waits.
    let early = tokio::time::timeout(Duration::from_millis(300), PgConnection::connect(&url)).await;
    assert!(early.is_err(), "a stopped server has answered");
    server.signal("CONT");
    assert_eq!(count(&url).await, 0);
}

/// The part of the next test that is killed. Run alone it ends at once, because nobody gives it an end of a pipe to wait for.
#[test]
#[ignore = "only the test below starts it"]
fn starts_servers_and_waits() {
    let provider = Provider::start(&json!({}));
    println!("issuer {}", provider.issuer());
    println!("database {}", postgres::shared().url_for("postgres"));
    std::io::stdin().lines().for_each(drop);
}

#[tokio::test]
async fn servers_end_with_a_killed_test_process() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "support::tests::starts_servers_and_waits", "--ignored", "--nocapture"]).env_remove("DATABASE_URL");
    let mut tests = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(tests.stdout.take().unwrap()).lines().map_while(Result::ok);
    let told: Vec<String> = lines.filter(|line| line.starts_with("issuer ") || line.starts_with("database ")).take(2).collect();
    let issuer = told[0].trim_start_matches("issuer http://").to_owned();
    let folder = told[1].split("host=").nth(1).unwrap();
    assert!(Path::new(folder).exists() && std::net::TcpStream::connect(&issuer).is_ok());

    tests.kill().unwrap();
    tests.wait().unwrap();

    let gone = async {
        while Path::new(folder).exists() || std::net::TcpStream::connect(&issuer).is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), gone).await.expect("both servers end");
}

#[test]
fn the_browser_reads_what_the_provider_shows() {
    let provider = Provider::start(&json!({ "users": { "joe": {} } }));
    let seen = browse(&json!([
        { "goto": format!("{}/.well-known/openid-configuration", provider.issuer()) },
        { "expectText": provider.issuer() },
        { "goto": provider.control("login?sub=joe") },
        { "expectText": "ok" },
    ]));
    assert_eq!(seen["ok"], true);
    assert_eq!(provider.log(), "");
}

#[tokio::test]
async fn a_tuned_server_has_its_settings_and_says_what_it_does() {
    let server = postgres::tuned(&["work_mem=5MB", "log_statement=all"]);
    let mut connection = PgConnection::connect(&server.url_for("postgres")).await.unwrap();
    let (told,): (String,) = sqlx::query_as("show work_mem").fetch_one(&mut connection).await.unwrap();
    assert_eq!(told, "5MB");
    assert!(server.log_text().contains("show work_mem"));
}
