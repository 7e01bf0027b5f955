//! The keys that sign for portals: made once for all replicas, following one another, known to whoever verifies.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use vestibule::app::App;
use vestibule::clock::Clock;
use vestibule::directory::Caller;
use vestibule::model::{Actor, TenantId};
use vestibule::openid::keys::KeysError;

use crate::support::http;
use crate::support::world::{World, on_every_engine};

const EVERY: TimeDelta = TimeDelta::days(30);

fn began() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// Another replica on the same database.
async fn replica(world: &World, clock: &Clock) -> App {
    App::build((*world.app.settings).clone(), clock.clone()).await.unwrap()
}

async fn sign(app: &App) -> String {
    app.signing.sign("at+jwt", &json!({ "sub": "joe" })).await.unwrap()
}

async fn is_ours(app: &App, token: &str, typ: &str) -> bool {
    match app.signing.verify::<Value>(token, typ).await {
        Ok(claims) => claims["sub"] == "joe",
        Err(KeysError::NotOurs) => false,
        Err(error) => panic!("{error:?}"),
    }
}

/// What a portal reads: the names of the keys.
async fn published(base: &str) -> Vec<String> {
    let answer = http::client().get(format!("{base}/oauth2/jwks")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/jwk-set+json");
    let keys: Value = answer.json().await.unwrap();
    let keys = keys["keys"].as_array().unwrap().iter();
    keys.map(|key| {
        assert!(key.get("d").is_none() && key["alg"] == "ES256" && key["use"] == "sig", "{key}");
        key["kid"].as_str().unwrap().to_owned()
    })
    .collect()
}

on_every_engine! {
    async fn replicas_that_begin_together_sign_with_one_key(engine) {
        let world = World::empty(engine).await;
        let other = replica(&world, &world.app.clock).await;
        let (here, there) = tokio::join!(sign(&world.app), sign(&other));
        for app in [&world.app, &other] {
            for token in [&here, &there] {
                assert!(is_ours(app, token, "at+jwt").await);
                // One kind of token is never taken for another.
                for typ in ["JWT", "logout+jwt", ""] {
                    assert!(!is_ours(app, token, typ).await, "{typ}");
                }
            }
        }
        assert_eq!(published(&world.base).await.len(), 1);
        assert!(!is_ours(&other, &format!("{here}x"), "at+jwt").await);
        assert!(!is_ours(&other, "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6IngifQ.e30.AAAA", "at+jwt").await);
    }

    async fn a_key_follows_another_without_a_token_lost(engine) {
        let clock = Clock::fixed(began());
        let world = World::with_clock(engine, clock.clone()).await;
        let (here, there) = (&world.app, replica(&world, &clock).await);
        let first = sign(here).await;
        assert!(is_ours(&there, &first, "at+jwt").await);
        assert_eq!(here.signing.rotate(Some(EVERY)).await.unwrap(), 0);
        let [one] = published(&world.base).await.try_into().unwrap();
        // It is published a day before it signs.
        clock.advance(TimeDelta::days(29));
        assert_eq!((there.signing.rotate(Some(EVERY)).await.unwrap(), here.signing.rotate(Some(EVERY)).await.unwrap()), (1, 0));
        let [_, two] = <[String; 2]>::try_from(published(&world.base).await).unwrap();
        let last = sign(here).await;
        assert_eq!(kid(&last), one);
        clock.advance(TimeDelta::days(1));
        let next = sign(here).await;
        assert_eq!(kid(&next), two);
        for token in [&first, &last, &next] {
            assert!(is_ours(&there, token, "at+jwt").await && is_ours(here, token, "at+jwt").await);
        }
        clock.advance(TimeDelta::days(1));
        assert_eq!(here.signing.rotate(Some(EVERY)).await.unwrap(), 1);
        assert_eq!(published(&world.base).await, std::slice::from_ref(&two));
        // What it signed is still known, for whoever brings it as a hint.
        assert!(is_ours(&there, &last, "at+jwt").await);
        clock.advance(TimeDelta::days(30));
        there.signing.rotate(Some(EVERY)).await.unwrap();
        assert!(!is_ours(&there, &last, "at+jwt").await);
        assert!(is_ours(&there, &next, "at+jwt").await);
        let events = here.store.read(TenantId::OPERATOR).event_kinds(one.parse().unwrap()).await.unwrap();
        assert_eq!(events, ["signing_key.created", "signing_key.retired", "signing_key.removed"]);
    }

    async fn the_operator_has_a_new_key_sign_at_once(engine) {
        let clock = Clock::fixed(began());
        let world = World::with_clock(engine, clock.clone()).await;
        let (here, there) = (&world.app, replica(&world, &clock).await);
        let former = sign(here).await;
        assert!(is_ours(&there, &former, "at+jwt").await);
        clock.advance(TimeDelta::seconds(2));
        let caller = Caller { actor: Actor::Operator, now: clock.now(), request_id: None };
        let id = here.signing.replace(false, caller).await.unwrap();
        let token = sign(here).await;
        assert_eq!(kid(&token), id.to_string());
        // The other replica knows it when it meets it, and what was signed before is good.
        assert!(is_ours(&there, &token, "at+jwt").await && is_ours(&there, &former, "at+jwt").await);
        assert_eq!(published(&world.base).await.len(), 2);
        clock.advance(TimeDelta::seconds(2));
        let caller = Caller { now: clock.now(), ..caller };
        let id = there.signing.replace(true, caller).await.unwrap();
        assert_eq!(published(&world.base).await, [id.to_string()]);
        clock.advance(TimeDelta::seconds(10));
        for app in [here, &there] {
            for token in [&former, &token] {
                assert!(!is_ours(app, token, "at+jwt").await);
            }
        }
    }

    async fn portals_read_the_keys_while_the_database_is_away(engine) {
        let world = World::empty(engine).await;
        let before = published(&world.base).await;
        assert_eq!(before.len(), 1);
        world.app.store.close().await;
        assert_eq!(published(&world.base).await, before);
    }
}

/// The key that a token names.
fn kid(token: &str) -> String {
    vestibule::keys::TokenHeader::read(token).unwrap().kid.unwrap()
}
