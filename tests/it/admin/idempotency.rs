//! Requests that are sent again with their key: what they make is made once, and the answer is the same.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use vestibule::directory::idempotency::{Answer as Kept, Claimed, GIVEN_UP, KEPT, Keys};
use vestibule::store::hold;

use super::{Office, account, noon, problem};
use crate::support::http::{Answer, Browser};
use crate::support::sql;
use crate::support::world::{Tenant, on_every_engine};

/// A `POST` with a key.
async fn post(office: &Office, browser: &mut Browser, path: &str, key: &str, body: &Value) -> Answer {
    post_to(browser, &office.at(path), key, body.to_string()).await
}

async fn post_to(browser: &mut Browser, url: &str, key: &str, body: String) -> Answer {
    let headers = [("sec-fetch-site", "same-origin"), ("content-type", "application/json"), ("idempotency-key", key)];
    let visit = browser.send(Method::POST, url, &headers, Some(body)).await;
    Answer { status: visit.status.as_u16(), headers: visit.headers, body: serde_json::from_str(&visit.body).unwrap() }
}

fn is_replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

async fn count(office: &Office, tenant: &Tenant, table: &str) -> i64 {
    let tenant = tenant.id.uuid().simple().to_string();
    let column = if office.world.database.url.starts_with("sqlite:") {
        "lower(hex(tenant_id))"
    } else {
        "replace(cast(tenant_id as text), '-', '')"
    };
    sql::number(&office.world.database.url, &format!("select count(*) from {table} where {column} = '{tenant}'")).await
}

on_every_engine! {
    async fn a_request_that_is_sent_again_makes_nothing_twice_and_is_answered_the_same(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut anne = office.inside(&blue, "anne", "Cloud-Admins").await;
        let emea = account(&office, &mut anne, "bluesky/emea").await;
        let tokens = format!("/directories/{}/tokens", blue.directory);
        let rule = json!({
            "name": "once", "from": { "directory": blue.directory }, "within": emea, "when": "title pr",
            "grants": [{ "role": "technical", "account": emea }],
        });
        let login = blue.scim.get("/Users").await.body["Resources"][0]["id"].clone();
        let requests = [
            ("accounts", "/accounts".to_owned(), json!({ "parent": emea, "slug": "berlin", "name": "Berlin" })),
            ("tokens", tokens, json!({ "name": "once" })),
            ("rules", "/rules".to_owned(), rule),
            ("assignments", format!("/accounts/{emea}/assignments"), json!({ "login": login, "role": "technical" })),
        ];
        for (table, path, body) in &requests {
            let before = count(&office, &blue, table).await;
            let first = post(&office, &mut anne, path, "\"8e03978e\"", body).await;
            // A key is that of one request; each of these has its own.
            let first = if first.status == 422 { post(&office, &mut anne, path, table, body).await } else { first }.expect(201);
            assert!(!is_replayed(&first), "{path}");
            let key = if *table == "accounts" { "8e03978e" } else { table };
            let again = post(&office, &mut anne, path, key, body).await.expect(201);
            assert!(is_replayed(&again), "{path}");
            assert_eq!(again.body, first.body, "also a token that is shown once");
            for name in ["etag", "content-type", "cache-control"] {
                assert_eq!(again.headers.get(name), first.headers.get(name), "{path} {name}");
            }
            assert_eq!(count(&office, &blue, table).await, before + 1, "{path}");
            let other = post(&office, &mut anne, path, key, &json!({ "other": true })).await;
            problem(&other, 422, "idempotency-key-reused");
        }
        // A rotation too: the address is part of the request.
        let made = post(&office, &mut anne, &requests[1].1, "tokens", &requests[1].2).await.expect(201);
        let rotate = format!("{}/{}/rotate", requests[1].1, made.id());
        let first = post(&office, &mut anne, &rotate, "rotate", &json!({})).await.expect(201);
        let again = post(&office, &mut anne, &rotate, "rotate", &json!({})).await.expect(201);
        assert_eq!((first.body["token"].as_str().unwrap().len() > 20, &again.body), (true, &first.body));
        problem(&post(&office, &mut anne, &rotate, "tokens", &requests[1].2).await, 422, "idempotency-key-reused");
        // What was answered is sealed.
        let url = &office.world.database.url;
        let token = made.body["token"].as_str().unwrap();
        let read = if url.starts_with("sqlite:") { "hex(answer_sealed)" } else { "encode(answer_sealed, 'hex')" };
        let kept = sql::texts(url, &format!("select {read} from idempotency_keys")).await;
        let digits = token.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        assert!(kept.len() == 5 && kept.iter().all(|answer| !answer.to_lowercase().contains(&digits)), "{} answers", kept.len());
    }

    async fn a_key_is_of_one_login_and_what_was_refused_may_be_asked_again(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "strict").await;
        let mut anne = office.inside(&blue, "anne", "Cloud-Admins").await;
        let mut ben = office.inside(&blue, "ben", "Cloud-Admins").await;
        let mut red = office.inside(&office.tenant("redsky", "entra").await, "rita", "Cloud-Admins").await;
        let emea = account(&office, &mut anne, "bluesky/emea").await;
        let berlin = json!({ "parent": emea, "slug": "berlin", "name": "Berlin" });
        let first = post(&office, &mut anne, "/accounts", "k", &berlin).await.expect(201);
        problem(&post(&office, &mut ben, "/accounts", "k", &berlin).await, 409, "conflict");
        problem(&post(&office, &mut red, "/accounts", "k", &berlin).await, 404, "not-found");
        // It was refused because of the slug, which is free by now.
        let path = format!("/accounts/{}", first.id());
        office.send(&mut anne, Method::PATCH, &path, Some(&json!({ "slug": "tokyo" }))).await.expect(200);
        assert!(!is_replayed(&post(&office, &mut ben, "/accounts", "k", &berlin).await.expect(201)));
        assert_eq!(post(&office, &mut anne, "/accounts", "k", &berlin).await.expect(201).body, first.body, "as it was then");
        // Nobody who is not signed in learns anything by a key, and a wrong one is refused.
        problem(&post(&office, &mut Browser::new(), "/accounts", "k", &berlin).await, 401, "unauthenticated");
        for wrong in ["\"", "a b", "", &"x".repeat(129)] {
            problem(&post(&office, &mut anne, "/accounts", wrong, &berlin).await, 400, "invalid-request");
        }
        let long = json!({ "parent": emea, "slug": "long", "name": "x".repeat(6_000_000) });
        problem(&post(&office, &mut anne, "/accounts", "long", &long).await, 413, "too-large");
        // After a day it is forgotten.
        let app = &office.world.app;
        let purged = async |at| vestibule::work::purge(&app.store, app.session_limits(), at).await.unwrap().idempotency_keys;
        assert_eq!((purged(noon() + KEPT).await, purged(noon() + KEPT + TimeDelta::seconds(1)).await), (0, 2));
    }

    async fn sixteen_at_once_with_one_key_make_one_thing(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut anne = office.inside(&blue, "anne", "Cloud-Admins").await;
        let path = format!("/directories/{}/tokens", blue.directory);
        let before = count(&office, &blue, "tokens").await;
        let body = json!({ "name": "once" });
        let mut race = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let (mut browser, url, body) = (anne.clone(), office.at(&path), body.to_string());
            race.spawn(async move { post_to(&mut browser, &url, "race", body).await });
        }
        let asked = race.join_all().await;
        let (made, waiting): (Vec<_>, Vec<_>) = asked.into_iter().partition(|answer| answer.status == 201);
        assert!(!made.is_empty() && made.iter().filter(|answer| !is_replayed(answer)).count() == 1, "{made:?}");
        assert!(made.iter().all(|answer| answer.body == made[0].body));
        for answer in &waiting {
            problem(answer, 409, "conflict");
            assert_eq!(answer.headers["retry-after"], "1");
        }
        assert_eq!(count(&office, &blue, "tokens").await, before + 1);
        assert_eq!(post(&office, &mut anne, &path, "race", &body).await.expect(201).body, made[0].body);
    }

    async fn a_claim_whose_replica_died_ends_and_what_lost_its_claim_writes_nothing(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let app = &office.world.app;
        let asker = uuid::Uuid::from_u128(7);
        let keys = |now| Keys { store: &app.store, sealer: &app.sealer, tenant: blue.id, asker, now };
        let Claimed::New(lost) = keys(noon()).claim("k", b"one").await.unwrap() else { panic!("nobody has it") };
        // Its command has ended its transaction, and then nothing more is heard of it.
        let writes = async || {
            let mut writer = app.store.write(blue.id).await.unwrap();
            writer.change_rules(noon()).await.unwrap();
            writer.commit().await.unwrap();
        };
        let version = "select version from rule_sets order by version desc limit 1";
        let before = sql::number(&office.world.database.url, version).await;
        let ((), held) = hold(writes()).await;
        drop(held);
        assert_eq!(sql::number(&office.world.database.url, version).await, before, "what is held is not committed");
        assert!(matches!(keys(noon() + GIVEN_UP).claim("k", b"one").await.unwrap(), Claimed::Busy));
        let later = noon() + GIVEN_UP + TimeDelta::seconds(1);
        let Claimed::New(claim) = keys(later).claim("k", b"one").await.unwrap() else { panic!("it was given up") };
        // The first one lives after all, and wants to commit.
        let answer = Kept { status: 201, headers: Vec::new(), body: "{}".to_owned() };
        let ((), held) = hold(writes()).await;
        assert!(keys(later).keep(&lost, &answer, held).await.is_err());
        assert_eq!(sql::number(&office.world.database.url, version).await, before, "nothing of it has happened");
        keys(later).release(&lost).await.unwrap();
        assert!(matches!(keys(later).claim("k", b"one").await.unwrap(), Claimed::Busy), "it gives up nobody else's claim");
        // The other one does, with what a command of two transactions writes.
        let ((), held) = hold(async { writes().await; writes().await }).await;
        keys(later).keep(&claim, &answer, held).await.unwrap();
        assert_eq!(sql::number(&office.world.database.url, version).await, before + 2);
        let Claimed::Before(found) = keys(later).claim("k", b"one").await.unwrap() else { panic!("it was answered") };
        assert_eq!(found, answer);
        assert!(matches!(keys(later).claim("k", b"two").await.unwrap(), Claimed::Other));
    }
}
