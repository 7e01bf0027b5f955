//! The database goes away under load, and comes back: what was acknowledged is there, `/readyz` tells the truth, and nobody has to do anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use super::{Home, PATIENCE, Served};
use crate::support::http::{Scim, client};
use crate::support::postgres::{self, Postgres};

const WORKERS: usize = 8;
/// For how long the database is away.
const AWAY: Duration = Duration::from_secs(20);

/// What one worker was answered.
#[derive(Default)]
struct Told {
    acknowledged: Vec<String>,
    /// Answers that said to come again later.
    later: usize,
}

/// Makes users until it is over. Whatever is not made is refused as it should be.
async fn push(scim: Scim, worker: usize, done: Arc<AtomicUsize>, is_over: Arc<AtomicBool>) -> Told {
    let mut told = Told::default();
    for number in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("w{worker}-{number}");
        let user = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "externalId": name });
        let answer = scim.post("/Users", &user).await;
        match answer.status {
            201 => {
                told.acknowledged.push(name);
                done.fetch_add(1, Ordering::Relaxed);
            }
            503 => {
                assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
                told.later += 1;
            }
            _ => panic!("{answer:?}"),
        }
    }
    told
}

async fn some_more(done: &AtomicUsize, served: &Served) {
    let (from, until) = (done.load(Ordering::Relaxed), Instant::now() + PATIENCE);
    while done.load(Ordering::Relaxed) < from + 20 {
        assert!(Instant::now() < until, "nothing is acknowledged:\n{}", served.said());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A service with a directory, on a database of its own.
async fn house(settings: &[(&'static str, &str)]) -> (Postgres, Home, String) {
    let server = postgres::dedicated(true);
    let mut home = Home::at(&server.empty_database().await);
    home.settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    home.run(&["migrate"]).expect(0);
    let directory = home.bootstrap("https://idp.bluesky.example");
    (server, home, directory)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_away_for_twenty_seconds_lost_nothing_and_is_found_again() {
    let (server, home, directory) = house(&[]).await;
    let mut served = home.serve();
    let scim = served.scim(&directory);
    let (done, is_over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let worker = |number| tokio::spawn(push(scim.clone(), number, Arc::clone(&done), Arc::clone(&is_over)));
    let workers: Vec<_> = (0..WORKERS).map(worker).collect();
    some_more(&done, &served).await;
    assert_eq!(served.ops("/readyz").await, (StatusCode::OK, "ok".to_owned()));

    server.stop_immediately();
    let (until, mut looked) = (Instant::now() + AWAY, 0);
    while Instant::now() < until {
        let (status, word) = served.ops("/readyz").await;
        assert!(status == StatusCode::SERVICE_UNAVAILABLE && ["database", "timeout"].contains(&word.as_str()), "{status} {word}");
        assert_eq!(served.ops("/livez").await.0, StatusCode::OK, "a process whose database is away is alive");
        looked += 1;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(looked > 1);
    server.start();
    let until = Instant::now() + PATIENCE;
    while served.ops("/readyz").await.0 != StatusCode::OK {
        assert!(Instant::now() < until, "it does not become ready again:\n{}", served.said());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    some_more(&done, &served).await;
    is_over.store(true, Ordering::Relaxed);
    let (mut acknowledged, mut later) = (Vec::new(), 0);
    for worker in workers {
        let told = worker.await.unwrap();
        acknowledged.extend(told.acknowledged);
        later += told.later;
    }
    assert!(later > 0, "nobody noticed that the database was away");
    for name in &acknowledged {
        let filter: String = url::form_urlencoded::byte_serialize(format!("userName eq \"{name}\"").as_bytes()).collect();
        let found = scim.get(&format!("/Users?filter={filter}")).await.expect(200);
        assert_eq!(found.body["totalResults"], 1, "{name} was acknowledged");
    }
    println!("{} acknowledged, {later} told to come again", acknowledged.len());
    assert_eq!(served.end("TERM").code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_a_slow_database_keeps_waiting_are_not_joined_by_others() {
    let (_server, home, directory) = house(&[("VESTIBULE__SERVER__MAX_REQUESTS", "2")]).await;
    let served = home.serve();
    let scim = served.scim(&directory);
    let mut slow = PgConnection::connect(&home.url()).await.unwrap();
    sqlx::query("begin").execute(&mut slow).await.unwrap();
    sqlx::query("lock table logins in access exclusive mode").execute(&mut slow).await.unwrap();
    let wait = || {
        let scim = scim.clone();
        tokio::spawn(async move {
            loop {
                let answer = scim.get("/Users").await;
                // The third of below was first.
                if answer.status != 503 {
                    return answer;
                }
            }
        })
    };
    let waiting = [wait(), wait()];
    // Two are under way, and wait. Whoever comes now is refused at once.
    let until = Instant::now() + PATIENCE;
    loop {
        let third = tokio::time::timeout(Duration::from_millis(500), scim.get("/Users")).await;
        if let Ok(answer) = third {
            assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
            assert_eq!(answer.status, 503, "{answer:?}");
            break;
        }
        assert!(Instant::now() < until, "a third waits with the two");
    }
    // People have places of their own.
    let page = client().get(format!("{}/sign-in", served.base)).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    sqlx::query("rollback").execute(&mut slow).await.unwrap();
    for one in waiting {
        one.await.unwrap().expect(200);
    }
    scim.get("/Users").await.expect(200);
}
