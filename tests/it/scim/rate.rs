//! How many requests a directory may make, and that nobody else pays for it. The clock stands still, so that nothing here depends
//! on how fast the machine is.

use chrono::{DateTime, TimeDelta};
use reqwest::Method;
use vestibule::clock::Clock;
use vestibule::directory::{Caller, reads};
use vestibule::model::Actor;
use vestibule::store::Engine;

use super::{LIST_RESPONSE, log_of, make_user, refused, user};
use crate::support::http::{Answer, Scim, client};
use crate::support::world::{Tenant, World, describe, on_every_engine};

/// What a directory may send at once, where its settings do not say.
const BURST: usize = 200;

on_every_engine! {
    async fn a15_a_client_that_is_too_fast_is_told_how_many_seconds_to_wait(engine) {
        let (clock, world) = world(engine).await;
        let tenant = usual(&world, "bluesky", "okta").await;
        make_user(&tenant.scim, "joe").await;
        flood(&tenant.scim, BURST - 1).await.into_iter().for_each(|answer| assert_eq!(answer.status, 200, "{}", answer.body));
        for (method, path) in [(Method::GET, "/Users"), (Method::POST, "/Users"), (Method::PATCH, "/Groups/1"), (Method::DELETE, "/Users/1")] {
            let answer = tenant.scim.send(method, path, Some(&user("jane"))).await;
            refused(&answer, 429, "");
            assert_eq!(answer.headers["retry-after"], "1", "whole seconds");
        }
        // It is one directory by whichever address and token.
        let short = Scim::new(tenant.scim.base.replace("/scim/v2/", "/scim/"), tenant.scim.token.clone());
        refused(&short.get("/Users").await, 429, "");
        // No entry a request in the log, and nothing was written.
        assert_eq!(log_of(&world, &tenant).await.len(), 1);
        let figures = world.app.metrics.render();
        assert!(figures.contains("vestibule_scim_rate_limited_total{profile=\"okta\"} 5\n"), "{figures}");
        clock.advance(TimeDelta::seconds(1));
        let after = tenant.scim.get("/Users").await.expect(200);
        assert_eq!((&after.body["schemas"][0], &after.body["totalResults"]), (&LIST_RESPONSE.into(), &1.into()));
        let more = flood(&tenant.scim, BURST).await;
        assert_eq!(more.iter().filter(|answer| answer.status == 200).count(), 99, "a hundred in a second");
    }

    async fn z09_a_flooded_directory_costs_no_other_tenant_a_request(engine) {
        let (_clock, world) = world(engine).await;
        let loud = usual(&world, "redsky", "entra").await;
        let quiet = usual(&world, "bluesky", "entra").await;
        let flooding: Vec<_> = (0..4)
            .map(|_| {
                let scim = loud.scim.clone();
                tokio::spawn(async move { flood(&scim, BURST).await })
            })
            .collect();
        for number in 0..BURST / 4 {
            make_user(&quiet.scim, &format!("joe-{number}")).await;
        }
        flood(&quiet.scim, BURST / 2).await.into_iter().for_each(|answer| assert_eq!(answer.status, 200, "{}", answer.body));
        let mut statuses = Vec::new();
        for flood in flooding {
            statuses.extend(flood.await.unwrap().into_iter().map(|answer| answer.status));
        }
        let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
        assert_eq!((count(200), count(429)), (BURST, 3 * BURST));
    }

    async fn a15_a_flood_leaves_no_trace_of_reads(engine) {
        let (clock, world) = world(engine).await;
        let tenant = usual(&world, "bluesky", "strict").await;
        let directory = world.app.store.read(tenant.id).directory(tenant.directory).await.unwrap().unwrap();
        let caller = Caller { actor: Actor::Operator, now: clock.now(), request_id: None };
        reads::trace(&world.app.store, tenant.id, &directory, Some(10), caller).await.unwrap();
        let answers = flood(&tenant.scim, BURST + 20).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 429).count(), 20);
        assert_eq!(world.app.reads.flush(&world.app.store).await.unwrap(), BURST, "what was let in, and nothing else");
    }

    async fn a15_a_directory_has_the_rate_of_its_settings(engine) {
        let (clock, world) = world(engine).await;
        let tenant = limited(&world, "bluesky", "strict", "requests_per_second = 3, burst = 5").await;
        let served = async || flood(&tenant.scim, 10).await.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(served().await, 5);
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(served().await, 3);
        clock.advance(TimeDelta::hours(1));
        assert_eq!(served().await, 5);
    }

    async fn z09_nobody_without_its_token_uses_up_the_share_of_a_directory(engine) {
        let (_clock, world) = world(engine).await;
        let tenant = usual(&world, "bluesky", "strict").await;
        let other = usual(&world, "redsky", "strict").await;
        let stranger = Scim::new(tenant.scim.base.clone(), other.scim.token.clone());
        flood(&stranger, BURST + 1).await.into_iter().for_each(|answer| refused(&answer, 401, ""));
        let bare = client().get(format!("{}/Users", tenant.scim.base)).send().await.unwrap();
        assert_eq!(bare.status(), 401);
        flood(&tenant.scim, BURST).await.into_iter().for_each(|answer| assert_eq!(answer.status, 200, "{}", answer.body));
        refused(&tenant.scim.get("/Users").await, 429, "");
        refused(&stranger.get("/Users").await, 401, "");
        flood(&other.scim, BURST).await.into_iter().for_each(|answer| assert_eq!(answer.status, 200, "{}", answer.body));
    }
}

async fn world(engine: Engine) -> (Clock, World) {
    let clock = Clock::fixed(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
    (clock.clone(), World::with_clock(engine, clock).await)
}

/// A tenant whose directory has the settings that it has when nobody says any.
async fn usual(world: &World, slug: &str, profile: &str) -> Tenant {
    limited(world, slug, profile, "").await
}

/// A tenant whose directory has these settings.
async fn limited(world: &World, slug: &str, profile: &str, settings: &str) -> Tenant {
    let text = describe(slug, profile, "http://127.0.0.1:1", "off");
    let token = "\n[[tenant.directory.token]]";
    world.described(slug, &text.replacen(token, &format!("settings = {{ {settings} }}\n{token}"), 1)).await
}

/// Reads the list of users so many times.
async fn flood(scim: &Scim, times: usize) -> Vec<Answer> {
    let mut answers = Vec::new();
    for _ in 0..times {
        answers.push(scim.get("/Users?count=1").await);
    }
    answers
}
