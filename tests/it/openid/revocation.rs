//! Tokens that portals give back.

use chrono::TimeDelta;
use serde_json::Value;

use super::Foyer;
use super::codes::refused;
use crate::support::world::on_every_engine;

on_every_engine! {
    async fn a_portal_gives_back_one_token_and_all_of_its_grant_ends(engine) {
        let foyer = Foyer::new(engine).await;
        foyer.person("joe", &["Cloud-EMEA-Admins"]).await;
        let browser = foyer.sign_in("joe").await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        for (number, kind) in ["access_token", "refresh_token"].into_iter().enumerate() {
            let code = foyer.grant(&browser, "portal", "bluesky/emea", "openid").await;
            let kept = foyer.redeem("portal", &foyer.grant(&browser, "portal", "bluesky/emea", "openid").await).await.expect(200).body;
            let issued = foyer.redeem("portal", &code).await.expect(200).body;
            // Another portal is told that it is not its own, and nothing happens.
            for client in ["other", "public"] {
                refused(&foyer.ask(client, "/revoke", &[("token", &text(&issued[kind]))]).await, "invalid_grant");
            }
            foyer.userinfo(&text(&issued["access_token"])).await.expect(200);
            // The hint may be wrong or unknown; and once more is once.
            for hint in ["access_token", "refresh_token", "nonsense"] {
                let answer = foyer.ask("portal", "/revoke", &[("token", &text(&issued[kind])), ("token_type_hint", hint)]).await.expect(200);
                assert_eq!((answer.body, &answer.headers["cache-control"]), (Value::Null, &"no-store".parse().unwrap()));
            }
            foyer.userinfo(&text(&issued["access_token"])).await.expect(401);
            assert!(!foyer.is_active("portal", &text(&issued["access_token"])).await);
            refused(&foyer.refresh("portal", &text(&issued["refresh_token"])).await, "invalid_grant");
            let events = "events where kind = 'grant.revoked' and details ->> 'reason' = 'portal'";
            assert_eq!(foyer.count(events).await, i64::try_from(number).unwrap() + 1);
            foyer.userinfo(&text(&kept["access_token"])).await.expect(200);
        }
        // Nobody knows these, so they are over; and the person is signed in as before.
        for token in ["nonsense", "a.b.c", &"x".repeat(5_000)] {
            foyer.ask("portal", "/revoke", &[("token", token)]).await.expect(200);
        }
        foyer.ask("portal", "/revoke", &[]).await.expect(400);
        assert!(foyer.session(&browser).await.is_some());
    }

    async fn an_access_token_that_is_over_and_a_used_refresh_token_end_their_grant_too(engine) {
        let foyer = Foyer::new(engine).await;
        foyer.person("joe", &["Cloud-EMEA-Admins"]).await;
        let browser = foyer.sign_in("joe").await;
        for kind in ["access_token", "refresh_token"] {
            let code = foyer.grant(&browser, "portal", "bluesky/emea", "openid").await;
            let first = foyer.redeem("portal", &code).await.expect(200).body;
            let second = foyer.refresh("portal", first["refresh_token"].as_str().unwrap()).await.expect(200).body;
            foyer.clock.advance(TimeDelta::minutes(6));
            foyer.ask("portal", "/revoke", &[("token", first[kind].as_str().unwrap())]).await.expect(200);
            refused(&foyer.refresh("portal", second["refresh_token"].as_str().unwrap()).await, "invalid_grant");
        }
    }
}
