//! Refresh tokens: each is good once, and one that comes again ends all that came of its grant.

use chrono::TimeDelta;
use serde_json::json;

use super::codes::refused;
use super::{Foyer, ask_at, claims, header};
use crate::support::http::Browser;
use crate::support::world::on_every_engine;

/// Somebody who is administrator of EMEA, signed in; their browser, and the refresh token of the portal.
async fn ready(foyer: &Foyer, scope: &str) -> (Browser, String) {
    foyer.person("joe", &["Cloud-EMEA-Admins"]).await;
    let browser = foyer.sign_in("joe").await;
    let code = foyer.grant(&browser, "portal", "bluesky/emea", scope).await;
    let token = text(&foyer.redeem("portal", &code).await.expect(200).body["refresh_token"]);
    (browser, token)
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

on_every_engine! {
    async fn oidcc_refresh_token(engine) {
        let foyer = Foyer::new(engine).await;
        let (_, first) = ready(&foyer, "openid profile").await;
        foyer.clock.advance(TimeDelta::minutes(5));
        let answer = foyer.refresh("portal", &first).await.expect(200);
        assert_eq!(answer.headers["cache-control"], "no-store");
        let (id, access) = (claims(&answer.body["id_token"]), claims(&answer.body["access_token"]));
        // OpenID Connect Core section 12.2: the sign-in is the same one, so is when it was, and there is no nonce.
        assert_eq!((&id["iss"], &id["aud"], id.get("nonce")), (&json!(foyer.world.base), &json!("portal"), None));
        assert_eq!((&id["auth_time"], &id["iat"]), (&json!(crate::openid::noon().timestamp()), &json!(crate::openid::noon().timestamp() + 300)));
        assert_eq!(id["sub"], access["sub"]);
        assert_eq!(answer.body["scope"], "openid profile");
        let second = text(&answer.body["refresh_token"]);
        assert_ne!(first, second);
        foyer.userinfo(answer.body["access_token"].as_str().unwrap()).await.expect(200);
        foyer.refresh("portal", &second).await.expect(200);
        assert_eq!(foyer.count("events where kind = 'grant.revoked'").await, 0);
    }

    async fn a_refresh_after_a_rotation_is_signed_by_the_new_key(engine) {
        let foyer = Foyer::new(engine).await;
        let (_, token) = ready(&foyer, "openid").await;
        let before = foyer.refresh("portal", &token).await.expect(200).body;
        let caller = vestibule::directory::Caller { actor: vestibule::model::Actor::Operator, now: foyer.clock.now(), request_id: None };
        foyer.world.app.signing.replace(false, caller).await.unwrap();
        let after = foyer.refresh("portal", before["refresh_token"].as_str().unwrap()).await.expect(200).body;
        assert_ne!(header(&before["id_token"])["kid"], header(&after["id_token"])["kid"]);
        crate::openid::codes::proved(&foyer.world.base, &after["id_token"]).await;
        // What the former key signed is good for as long as it says.
        foyer.userinfo(before["access_token"].as_str().unwrap()).await.expect(200);
    }

    async fn a_refresh_token_that_comes_again_ends_its_family(engine) {
        let foyer = Foyer::new(engine).await;
        let (browser, first) = ready(&foyer, "openid").await;
        let second = text(&foyer.refresh("portal", &first).await.expect(200).body["refresh_token"]);
        let third = foyer.refresh("portal", &second).await.expect(200).body;
        // Another grant of the same session has nothing to do with it.
        let code = foyer.grant(&browser, "portal", "bluesky/emea", "openid").await;
        let beside = text(&foyer.redeem("portal", &code).await.expect(200).body["refresh_token"]);
        // Somebody else's portal ends nothing by showing it.
        for client in ["other", "public"] {
            refused(&foyer.refresh(client, &first).await, "invalid_grant");
        }
        foyer.userinfo(third["access_token"].as_str().unwrap()).await.expect(200);
        // The oldest one, which was rotated twice.
        refused(&foyer.refresh("portal", &first).await, "invalid_grant");
        refused(&foyer.refresh("portal", third["refresh_token"].as_str().unwrap()).await, "invalid_grant");
        foyer.userinfo(third["access_token"].as_str().unwrap()).await.expect(401);
        assert_eq!(foyer.count("events where kind = 'grant.revoked' and details ->> 'reason' = 'refresh_token_reused'").await, 1);
        foyer.refresh("portal", &beside).await.expect(200);
    }

    async fn a_refresh_asks_for_fewer_scopes_and_never_for_more(engine) {
        let foyer = Foyer::new(engine).await;
        let (_, mut token) = ready(&foyer, "openid profile offline_access").await;
        for (scope, status) in [("openid profile email", 400), ("email", 400), ("", 200), ("openid", 200), ("profile", 200), ("openid profile", 200)] {
            let asked = [("grant_type", "refresh_token"), ("refresh_token", token.as_str()), ("scope", scope)];
            let answer = foyer.ask("portal", "/token", &asked).await.expect(status);
            if status == 400 {
                // Nothing was used up by it.
                refused(&answer, "invalid_scope");
                continue;
            }
            let granted = if scope.is_empty() { "openid profile offline_access" } else { scope };
            assert_eq!((&answer.body["scope"], &claims(&answer.body["access_token"])["scope"]), (&json!(granted), &json!(granted)));
            let is_openid = granted.contains("openid");
            assert_eq!(answer.body.get("id_token").is_some(), is_openid, "{scope}");
            // Only who asks for openid learns who it is.
            let told = foyer.userinfo(answer.body["access_token"].as_str().unwrap()).await;
            assert_eq!(told.status, if is_openid { 200 } else { 403 }, "{scope}");
            token = text(&answer.body["refresh_token"]);
        }
    }

    async fn a_refresh_says_what_is_true_now_and_keeps_the_session_in_use(engine) {
        let foyer = Foyer::new(engine).await;
        let (mut browser, mut token) = ready(&foyer, "openid").await;
        let mut me = async || browser.visit(&format!("{}/me", foyer.world.base)).await.status.as_u16();
        // A working day at the portal, without a look at Vestibule.
        for _ in 0..20 {
            foyer.clock.advance(TimeDelta::hours(1));
            token = text(&foyer.refresh("portal", &token).await.expect(200).body["refresh_token"]);
        }
        assert_eq!(me().await, 200);
        // The session's absolute end.
        foyer.clock.advance(TimeDelta::hours(4));
        refused(&foyer.refresh("portal", &token).await, "invalid_grant");
    }

    async fn who_lost_the_last_role_at_the_account_is_refused(engine) {
        let foyer = Foyer::new(engine).await;
        let (_, token) = ready(&foyer, "openid").await;
        let issued = foyer.refresh("portal", &token).await.expect(200).body;
        let (access, refresh) = (text(&issued["access_token"]), text(&issued["refresh_token"]));
        foyer.userinfo(&access).await.expect(200);
        let groups = foyer.tenant.scim.get("/Groups").await.expect(200).body;
        let group = format!("/Groups/{}", groups["Resources"][0]["id"].as_str().unwrap());
        foyer.tenant.scim.delete(&group).await.expect(204);
        assert_eq!(foyer.userinfo(&access).await.expect(401).body["error"], "invalid_token");
        assert!(!foyer.is_active("portal", &access).await && !foyer.is_active("portal", &refresh).await);
        refused(&foyer.refresh("portal", &refresh).await, "invalid_grant");
        // The refused refresh has used nothing up: whoever is given a role again goes on.
        let user = claims(&issued["access_token"])["sub"].clone();
        let group = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Cloud-EMEA-Admins", "members": [{ "value": user }] });
        foyer.tenant.scim.post("/Groups", &group).await.expect(201);
        foyer.refresh("portal", &refresh).await.expect(200);
    }

    async fn a_refresh_token_used_twice_at_once_on_two_replicas_has_one_winner_who_keeps_nothing(engine) {
        let foyer = Foyer::new(engine).await;
        let replica = foyer.replica().await;
        foyer.person("joe", &["Cloud-EMEA-Admins"]).await;
        let browser = foyer.sign_in("joe").await;
        for round in 0..5 {
            let code = foyer.grant(&browser, "portal", "bluesky/emea", "openid").await;
            let token = text(&foyer.redeem("portal", &code).await.expect(200).body["refresh_token"]);
            let tries = (0..6).map(|at| {
                let (base, token) = ([&foyer.world.base, &replica.base][at % 2].clone(), token.clone());
                tokio::spawn(async move { ask_at(&base, "portal", "/token", &[("grant_type", "refresh_token"), ("refresh_token", &token)]).await })
            });
            let mut won = Vec::new();
            for one in tries.collect::<Vec<_>>() {
                let answer = one.await.unwrap();
                if answer.status == 200 { won.push(answer.body) } else { refused(&answer, "invalid_grant") }
            }
            assert_eq!(won.len(), 1, "round {round}");
            refused(&foyer.refresh("portal", won[0]["refresh_token"].as_str().unwrap()).await, "invalid_grant");
            foyer.userinfo(won[0]["access_token"].as_str().unwrap()).await.expect(401);
            assert_eq!(foyer.count("events where kind = 'grant.revoked'").await, round + 1);
        }
    }
}
