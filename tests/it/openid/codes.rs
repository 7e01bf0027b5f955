//! Codes: redeemed once, by the portal that they were given to, with what it asked for them with.

use chrono::TimeDelta;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use super::{CALLBACK, Code, Foyer, ask_at, claims, header};
use crate::support::http::{self, Answer, Scim};
use crate::support::world::on_every_engine;

/// How often a race is run: each time the threads meet elsewhere.
const ROUNDS: usize = 5;

/// Checks that a code or refresh token was refused, in every part.
#[track_caller]
pub(super) fn refused(answer: &Answer, error: &str) {
    assert_eq!((answer.status, &answer.body["error"]), (400, &json!(error)), "{}", answer.body);
    assert_eq!(
        (&answer.headers["cache-control"], &answer.headers["pragma"]),
        (&"no-store".parse().unwrap(), &"no-cache".parse().unwrap())
    );
    assert_eq!(answer.headers["content-type"], "application/json");
}

/// The claims of a token, once a key that is published has proved it.
pub(super) async fn proved(base: &str, token: &Value) -> Value {
    let keys = Scim::read(http::client().get(format!("{base}/oauth2/jwks")).send().await.unwrap()).await.expect(200).body;
    let kid = header(token)["kid"].clone();
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid).expect("the key is published");
    let key: Jwk = serde_json::from_value(key.clone()).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    (validation.validate_exp, validation.validate_aud) = (false, false);
    jsonwebtoken::decode(token.as_str().unwrap(), &DecodingKey::from_jwk(&key).unwrap(), &validation).unwrap().claims
}

/// Somebody who is administrator of EMEA, signed in, and a code of theirs.
async fn ready(foyer: &Foyer) -> Code {
    foyer.person("joe", &["Cloud-EMEA-Admins"]).await;
    let browser = foyer.sign_in("joe").await;
    foyer.grant(&browser, "portal", "bluesky/emea", "openid profile email").await
}

on_every_engine! {
    async fn oidcc_ensure_request_with_valid_pkce_succeeds(engine) {
        let foyer = Foyer::new(engine).await;
        let code = ready(&foyer).await;
        let answer = foyer.redeem("portal", &code).await.expect(200);
        assert_eq!((&answer.body["token_type"], &answer.body["expires_in"], &answer.body["scope"]), (&json!("Bearer"), &json!(300), &json!("openid profile email")));
        assert_eq!((&answer.headers["cache-control"], &answer.headers["pragma"]), (&"no-store".parse().unwrap(), &"no-cache".parse().unwrap()));
        let (access, id) = (claims(&answer.body["access_token"]), claims(&answer.body["id_token"]));
        assert_eq!(header(&answer.body["access_token"])["typ"], "at+jwt");
        assert_eq!((&access["aud"], &access["client_id"]), (&json!("https://api.portal.example"), &json!("portal")));
        assert_eq!((&id["aud"], &id["nonce"], &id["email"]), (&json!("portal"), &json!("the nonce"), &json!("joe@bluesky.example")));
        for token in [&access, &id] {
            assert_eq!((&token["roles"], &token["groups"]), (&json!(["administrator"]), &json!(["Cloud-EMEA-Admins"])));
            assert_eq!(token["account"], json!(foyer.account("bluesky/emea").await));
            assert_eq!(token["account_path"], json!([foyer.account("bluesky").await, foyer.account("bluesky/emea").await]));
            assert!(token["entitlements"].as_array().unwrap().contains(&json!("people.manage")));
        }
        let login = access["sub"].as_str().unwrap().parse().unwrap();
        let kinds = foyer.world.app.store.read(foyer.tenant.id).event_kinds(login).await.unwrap();
        assert_eq!(kinds.iter().filter(|kind| *kind == "grant.redeemed").count(), 1, "{kinds:?}");
    }

    async fn oidcc_idtoken_signature(engine) {
        let foyer = Foyer::new(engine).await;
        let code = ready(&foyer).await;
        let answer = foyer.redeem("portal", &code).await.expect(200);
        for token in ["access_token", "id_token"] {
            let token = &answer.body[token];
            assert_eq!(proved(&foyer.world.base, token).await, claims(token));
            assert_eq!(header(token)["alg"], "ES256");
        }
    }

    async fn oidcc_codereuse(engine) {
        let foyer = Foyer::new(engine).await;
        let code = ready(&foyer).await;
        let first = foyer.redeem("portal", &code).await.expect(200).body;
        let access = first["access_token"].as_str().unwrap();
        foyer.userinfo(access).await.expect(200);
        refused(&foyer.redeem("portal", &code).await, "invalid_grant");
        // Everything that it got is gone, everywhere.
        assert_eq!(foyer.userinfo(access).await.expect(401).body["error"], "invalid_token");
        assert!(!foyer.is_active("portal", access).await);
        refused(&foyer.refresh("portal", first["refresh_token"].as_str().unwrap()).await, "invalid_grant");
        assert_eq!(foyer.count("events where kind = 'grant.revoked' and details ->> 'reason' = 'code_reused'").await, 1);
        // Once more changes nothing.
        refused(&foyer.redeem("portal", &code).await, "invalid_grant");
        assert_eq!(foyer.count("events where kind = 'grant.revoked'").await, 1);
    }

    async fn oidcc_codereuse_30seconds(engine) {
        let foyer = Foyer::new(engine).await;
        let code = ready(&foyer).await;
        let first = foyer.redeem("portal", &code).await.expect(200).body;
        // Later than the code lives, too: it was used all the same.
        foyer.clock.advance(TimeDelta::seconds(90));
        foyer.userinfo(first["access_token"].as_str().unwrap()).await.expect(200);
        refused(&foyer.redeem("portal", &code).await, "invalid_grant");
        foyer.userinfo(first["access_token"].as_str().unwrap()).await.expect(401);
    }

    async fn a_code_that_does_not_fit_is_refused_and_neither_burnt_nor_its_grant_ended(engine) {
        let foyer = Foyer::new(engine).await;
        let code = ready(&foyer).await;
        let other = crate::openid::challenge(&code.verifier);
        let near = format!("{}x", &code.verifier[..42]);
        let near = if near == code.verifier { format!("{}y", &code.verifier[..42]) } else { near };
        let with = |name: &'static str, value: &str| -> Vec<(&'static str, String)> {
            let all = code.parameters().into_iter().filter(|(own, _)| *own != name).map(|(own, value)| (own, value.to_owned()));
            all.chain([(name, value.to_owned())]).collect()
        };
        let twice: Vec<_> = code.parameters().iter().chain([&("code", code.text.as_str())]).map(|(name, value)| (*name, (*value).to_owned())).collect();
        for (client, parameters, error) in [
            ("portal", with("code", "nonsense"), "invalid_grant"),
            ("portal", with("code", &code.text.to_uppercase()), "invalid_grant"),
            ("portal", with("code", ""), "invalid_request"),
            // The redirect URI is compared character by character.
            ("portal", with("redirect_uri", "https://portal.example/callback/"), "invalid_grant"),
            ("portal", with("redirect_uri", "https://portal.example/Callback"), "invalid_grant"),
            ("portal", with("redirect_uri", "https://portal.example/callback?"), "invalid_grant"),
            ("portal", with("redirect_uri", "https://portal.example:443/callback"), "invalid_grant"),
            // Another one of the portal's own is not the one that was asked with.
            ("portal", with("redirect_uri", "https://portal.example/again?x=1"), "invalid_grant"),
            ("portal", with("redirect_uri", ""), "invalid_request"),
            // PKCE downgrade: no verifier, the challenge itself, and one that nearly fits.
            ("portal", with("code_verifier", ""), "invalid_request"),
            ("portal", with("code_verifier", &other), "invalid_grant"),
            ("portal", with("code_verifier", &near), "invalid_grant"),
            ("portal", with("code_verifier", &code.verifier[..42]), "invalid_grant"),
            ("portal", with("code_verifier", &"a".repeat(129)), "invalid_grant"),
            ("portal", twice, "invalid_request"),
            // Another portal that came by the code.
            ("other", with("x", "y"), "invalid_grant"),
            ("public", with("x", "y"), "invalid_grant"),
            ("other", with("redirect_uri", "https://other.example/callback"), "invalid_grant"),
            ("portal", with("grant_type", "client_credentials"), "unauthorized_client"),
            ("portal", with("grant_type", "password"), "unsupported_grant_type"),
            ("portal", with("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), "unsupported_grant_type"),
            ("portal", with("grant_type", ""), "invalid_request"),
        ] {
            let parameters: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
            refused(&foyer.ask(client, "/token", &parameters).await, error);
        }
        assert_eq!(code.redirect_uri, CALLBACK);
        let first = foyer.redeem("portal", &code).await.expect(200).body;
        // Nor does somebody else's hand end what it was redeemed for.
        refused(&foyer.redeem("other", &code).await, "invalid_grant");
        foyer.userinfo(first["access_token"].as_str().unwrap()).await.expect(200);
        assert_eq!(foyer.count("events where kind = 'grant.revoked'").await, 0);
    }

    async fn a_code_is_over_after_a_minute(engine) {
        let foyer = Foyer::new(engine).await;
        foyer.person("joe", &["Cloud-EMEA-Admins"]).await;
        let browser = foyer.sign_in("joe").await;
        for (seconds, status) in [(59, 200), (60, 400)] {
            let code = foyer.grant(&browser, "portal", "bluesky/emea", "openid").await;
            foyer.clock.advance(TimeDelta::seconds(seconds));
            foyer.redeem("portal", &code).await.expect(status);
        }
    }

    async fn a_code_of_somebody_who_went_or_lost_the_last_role_is_refused(engine) {
        let foyer = Foyer::new(engine).await;
        let joe = foyer.person("joe", &["Cloud-EMEA-Admins"]).await;
        let browser = foyer.sign_in("joe").await;
        // Joe is nothing on APAC, nor on the company as a whole.
        for account in ["bluesky", "bluesky/apac"] {
            let code = foyer.grant(&browser, "portal", account, "openid").await;
            refused(&foyer.redeem("portal", &code).await, "invalid_grant");
        }
        let code = foyer.grant(&browser, "portal", "bluesky/emea", "openid").await;
        foyer.set_active(joe, false).await;
        refused(&foyer.redeem("portal", &code).await, "invalid_grant");
        foyer.set_active(joe, true).await;
        refused(&foyer.redeem("portal", &code).await, "invalid_grant");
        assert_eq!(foyer.count("refresh_tokens").await, 0);
    }

    async fn a_code_redeemed_twice_at_once_on_two_replicas_has_one_winner_who_keeps_nothing(engine) {
        let foyer = Foyer::new(engine).await;
        let replica = foyer.replica().await;
        foyer.person("joe", &["Cloud-EMEA-Admins"]).await;
        let browser = foyer.sign_in("joe").await;
        for round in 0..ROUNDS {
            let code = foyer.grant(&browser, "portal", "bluesky/emea", "openid").await;
            let tries = (0..6).map(|at| {
                let (base, code) = ([&foyer.world.base, &replica.base][at % 2].clone(), code.clone());
                tokio::spawn(async move { ask_at(&base, "portal", "/token", &code.parameters()).await })
            });
            let (mut won, mut lost) = (Vec::new(), 0);
            for one in tries.collect::<Vec<_>>() {
                let answer = one.await.unwrap();
                if answer.status == 200 {
                    won.push(answer.body);
                } else {
                    refused(&answer, "invalid_grant");
                    lost += 1;
                }
            }
            assert_eq!((won.len(), lost), (1, 5), "round {round}");
            foyer.userinfo(won[0]["access_token"].as_str().unwrap()).await.expect(401);
            assert!(!foyer.is_active("portal", won[0]["access_token"].as_str().unwrap()).await);
            refused(&foyer.refresh("portal", won[0]["refresh_token"].as_str().unwrap()).await, "invalid_grant");
            let number = i64::try_from(round).unwrap() + 1;
            assert_eq!(foyer.count("events where kind = 'grant.redeemed'").await, number);
            assert_eq!(foyer.count("events where kind = 'grant.revoked'").await, number);
        }
    }
}
