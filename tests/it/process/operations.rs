//! `serve` from its start to its end: files, probes, and what happens when the database goes or the process is told to end.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::json;

use super::{Home, PATIENCE, Served, read};
use crate::support::http::{Browser, client};
use crate::support::postgres;
use crate::support::sql;
use crate::support::world::on_every_engine;

async fn becomes(served: &Served, status: StatusCode) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        let (now, word) = served.ops("/readyz").await;
        if now == status {
            return word;
        }
        assert!(Instant::now() < until, "/readyz stays {now} {word}:\n{}", served.said());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn with_nothing_configured_serve_makes_what_it_needs() {
    let home = Home::empty();
    let mut served = home.serve();
    for file in ["vestibule.db", "vestibule.keys"] {
        let mode = std::fs::metadata(home.path(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert_eq!(served.ops("/livez").await, (StatusCode::OK, "ok".to_owned()));
    assert_eq!(served.ops("/readyz").await, (StatusCode::OK, "ok".to_owned()));
    let page = Browser::new().visit(&format!("{}/", served.base)).await.expect_redirect("/me");
    assert_eq!(page.headers["cache-control"], "no-store");
    let (status, metrics) = served.ops("/metrics").await;
    assert!(status == 200 && metrics.contains("http_request") && metrics.ends_with("# EOF"), "{metrics}");
    // Probes and figures are not for the public.
    for path in ["/livez", "/readyz", "/metrics"] {
        Browser::new().visit(&format!("{}{path}", served.base)).await.expect(404, "There is no page here");
    }
    let keys = read(&home.path("vestibule.keys"));
    assert!(!served.said().contains(keys.trim()));
    assert_eq!(served.end("INT").code(), Some(0));
    // A second start goes on with them.
    let mut again = home.serve();
    assert_eq!(read(&home.path("vestibule.keys")), keys);
    assert_eq!(again.end("TERM").code(), Some(0));
}

#[tokio::test]
async fn readiness_follows_the_database_and_liveness_does_not() {
    let server = postgres::dedicated(true);
    let home = Home::at(&server.empty_database().await);
    home.run(&["migrate"]).expect(0);
    let directory = home.bootstrap("http://127.0.0.1:1");
    let mut served = home.serve();
    let scim = served.scim(&directory);
    let user = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "joe" });
    let joe = scim.post("/Users", &user).await.expect(201).id();

    server.stop_immediately();
    let word = becomes(&served, StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(["database", "timeout"].contains(&word.as_str()), "{word}");
    assert_eq!(served.ops("/livez").await.0, StatusCode::OK);
    // Each surface says so in its own way.
    let refused = scim.get(&format!("/Users/{joe}")).await.expect(503);
    assert_eq!(refused.body["schemas"][0], "urn:ietf:params:scim:api:messages:2.0:Error");
    let page = Browser::new().post(&format!("{}/sign-in", served.base), &[("identifier", "joe@bluesky.example")]).await;
    let page = page.expect(503, "We will be back in a moment");
    assert!(served.said().contains(&page.reference()), "the log has the reference");

    server.start();
    assert_eq!(becomes(&served, StatusCode::OK).await, "ok");
    scim.get(&format!("/Users/{joe}")).await.expect(200);
    assert_eq!(served.end("TERM").code(), Some(0));
}

on_every_engine! {
    async fn told_to_end_serve_finishes_what_it_has_taken(engine) {
        let home = Home::new(engine).await;
        let directory = home.bootstrap("http://127.0.0.1:1");
        let mut served = home.serve();
        let mut workers = Vec::new();
        for worker in 0..6 {
            let scim = served.scim(&directory);
            workers.push(tokio::spawn(async move {
                let mut acknowledged = 0;
                for number in 0.. {
                    let user = json!({
                        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                        "userName": format!("worker-{worker}-{number}"),
                    });
                    let request = scim.request(reqwest::Method::POST, "/Users").header("content-type", "application/scim+json");
                    // An answer that began must come whole; a connection that was not taken is refused.
                    let Ok(answer) = request.body(user.to_string()).send().await else { break };
                    assert_eq!(answer.status(), 201);
                    let text = answer.text().await.unwrap();
                    assert!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["id"].is_string());
                    acknowledged += 1;
                }
                acknowledged
            }));
        }
        let under_way = "select count(*) from logins";
        let until = Instant::now() + PATIENCE;
        while sql::number(&home.url(), under_way).await < 20 {
            assert!(Instant::now() < until, "nothing arrives");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(served.end("TERM").code(), Some(0));
        let mut acknowledged = 0;
        for worker in workers {
            acknowledged += worker.await.unwrap();
        }
        assert!(served.said().contains("every request was finished"), "{}", served.said());
        client().get(&served.base).send().await.unwrap_err();
        assert!(sql::number(&home.url(), under_way).await >= acknowledged);
    }
}
