//! What introspection tells, and whom.

use serde_json::json;

use super::{Foyer, SECRET, claims};
use crate::support::world::on_every_engine;

on_every_engine! {
    async fn a_portal_asks_about_its_own_tokens_and_an_api_about_those_that_are_for_it(engine) {
        let foyer = Foyer::new(engine).await;
        let api = format!("[[client]]\nclient_id = \"api\"\nname = \"API\"\nredirect_uris = [\"https://api.example/\"]\naudience = \"https://api.portal.example\"\nsecret = {{ value = \"{SECRET}\" }}\n");
        foyer.register(&api).await;
        foyer.person("joe", &["Cloud-EMEA-Admins"]).await;
        let browser = foyer.sign_in("joe").await;
        let code = foyer.grant(&browser, "portal", "bluesky/emea", "openid profile").await;
        let issued = foyer.redeem("portal", &code).await.expect(200).body;
        let (access, refresh) = (issued["access_token"].as_str().unwrap(), issued["refresh_token"].as_str().unwrap());
        let said = claims(&issued["access_token"]);
        for client in ["portal", "api"] {
            let told = foyer.ask(client, "/introspect", &[("token", access)]).await.expect(200);
            assert_eq!(told.headers["cache-control"], "no-store");
            for name in ["iss", "sub", "aud", "client_id", "exp", "iat", "jti", "sid", "scope", "acr", "amr", "auth_time", "tenant", "person", "login", "account", "roles", "entitlements"] {
                assert_eq!(told.body[name], said[name], "{name}");
            }
            assert_eq!((&told.body["active"], &told.body["token_type"], &told.body["username"]), (&json!(true), &json!("Bearer"), &json!("joe@bluesky.example")));
        }
        // A refresh token is its portal's alone, and opens nothing.
        let told = foyer.ask("portal", "/introspect", &[("token", refresh), ("token_type_hint", "refresh_token")]).await.expect(200).body;
        assert_eq!((&told["active"], &told["token_use"], told.get("token_type"), told.get("aud")), (&json!(true), &json!("refresh_token"), None, None));
        foyer.userinfo(refresh).await.expect(401);
        let nothing = json!({ "active": false });
        let id_token = issued["id_token"].as_str().unwrap();
        for (client, token) in [
            ("other", access), ("other", refresh), ("api", refresh), ("portal", id_token), ("portal", "nonsense"), ("portal", "a.b.c"), ("portal", &code.text),
        ] {
            let told = foyer.ask(client, "/introspect", &[("token", token)]).await.expect(200);
            assert_eq!(told.body, nothing, "{client} {token}");
        }
        foyer.ask("portal", "/introspect", &[]).await.expect(400);
        foyer.ask("portal", "/introspect", &[("token", access), ("token", access)]).await.expect(400);
        // Asking about a token uses nothing up; one that was used is no more, and asking about it ends nothing.
        let next = foyer.refresh("portal", refresh).await.expect(200).body;
        assert!(!foyer.is_active("portal", refresh).await);
        assert!(foyer.is_active("portal", next["refresh_token"].as_str().unwrap()).await);
        foyer.set_active(said["sub"].as_str().unwrap().parse().unwrap(), false).await;
        for token in [access, next["access_token"].as_str().unwrap(), next["refresh_token"].as_str().unwrap()] {
            assert_eq!(foyer.ask("portal", "/introspect", &[("token", token)]).await.expect(200).body, nothing);
        }
    }
}
