//! What the provider says of itself is what it does.

use serde_json::{Value, json};

use super::Foyer;
use crate::support::http::{self, Answer, Scim};
use crate::support::world::on_every_engine;

async fn get(foyer: &Foyer, path: &str) -> Answer {
    Scim::read(http::client().get(format!("{}{path}", foyer.world.base)).send().await.unwrap()).await
}

on_every_engine! {
    async fn oidcc_discovery_endpoint_verification(engine) {
        let foyer = Foyer::new(engine).await;
        let answer = get(&foyer, "/.well-known/openid-configuration").await.expect(200);
        assert_eq!((answer.headers["content-type"].to_str().unwrap(), answer.headers["access-control-allow-origin"].to_str().unwrap()), ("application/json", "*"));
        assert_eq!(get(&foyer, "/.well-known/oauth-authorization-server").await.expect(200).body, answer.body);
        let (told, base) = (&answer.body, &foyer.world.base);
        // The issuer is the address without a slash at its end, and everything is below it.
        assert_eq!(told["issuer"], json!(base));
        for endpoint in ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "introspection_endpoint", "revocation_endpoint", "end_session_endpoint"] {
            let address = told[endpoint].as_str().unwrap();
            assert!(address.starts_with(&format!("{base}/oauth2/")), "{address}");
        }
        for (name, value) in [
            ("response_types_supported", json!(["code"])),
            ("code_challenge_methods_supported", json!(["S256"])),
            ("id_token_signing_alg_values_supported", json!(["ES256"])),
            ("token_endpoint_auth_methods_supported", json!(["client_secret_basic", "client_secret_post", "private_key_jwt", "none"])),
            ("introspection_endpoint_auth_methods_supported", json!(["client_secret_basic", "client_secret_post", "private_key_jwt"])),
            ("token_endpoint_auth_signing_alg_values_supported", json!(["ES256", "RS256", "PS256"])),
            ("authorization_response_iss_parameter_supported", json!(true)),
            ("backchannel_logout_supported", json!(true)),
            ("backchannel_logout_session_supported", json!(true)),
            ("request_uri_parameter_supported", json!(false)),
        ] {
            assert_eq!(told[name], value, "{name}");
        }
    }

    async fn everything_that_tokens_say_is_announced(engine) {
        let foyer = Foyer::new(engine).await;
        foyer.person("joe", &["Cloud-EMEA-Admins"]).await;
        let browser = foyer.sign_in("joe").await;
        let code = foyer.grant(&browser, "portal", "bluesky/emea", "openid profile email").await;
        let issued = foyer.redeem("portal", &code).await.expect(200).body;
        let told = get(&foyer, "/.well-known/openid-configuration").await.expect(200).body;
        let announced = |claim: &String| told["claims_supported"].as_array().unwrap().contains(&json!(claim));
        let userinfo = foyer.userinfo(issued["access_token"].as_str().unwrap()).await.expect(200).body;
        for said in [crate::openid::claims(&issued["id_token"]), userinfo] {
            let Value::Object(said) = said else { panic!("no object: {said}") };
            let missing: Vec<_> = said.keys().filter(|claim| !announced(claim)).collect();
            assert!(missing.is_empty(), "{missing:?}");
        }
    }

    async fn what_discovery_says_is_what_tokens_say_on_every_replica(engine) {
        // Core section 3.1.3.7, from the other side: what discovery says is what tokens say, on every replica.
        let foyer = Foyer::new(engine).await;
        let replica = foyer.replica().await;
        let there = Scim::read(http::client().get(format!("{}/.well-known/openid-configuration", replica.base)).send().await.unwrap()).await;
        assert_eq!(there.body, get(&foyer, "/.well-known/openid-configuration").await.body);
        foyer.person("joe", &["Cloud-EMEA-Admins"]).await;
        let browser = foyer.sign_in("joe").await;
        let code = foyer.grant(&browser, "portal", "bluesky/emea", "openid").await;
        let issued = crate::openid::ask_at(&replica.base, "portal", "/token", &code.parameters()).await.expect(200).body;
        for token in ["access_token", "id_token"] {
            assert_eq!(crate::openid::claims(&issued[token])["iss"], there.body["issuer"]);
        }
        foyer.userinfo(issued["access_token"].as_str().unwrap()).await.expect(200);
    }
}
