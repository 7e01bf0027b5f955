//! What userinfo tells, of whom, and to whom it does not.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Foyer, claims};
use crate::support::http::{self, Answer, Scim};
use crate::support::world::on_every_engine;

/// The access token of somebody who is administrator of EMEA.
async fn ready(foyer: &Foyer, scope: &str) -> String {
    foyer.person("joe", &["Cloud-EMEA-Admins"]).await;
    let browser = foyer.sign_in("joe").await;
    let code = foyer.grant(&browser, "portal", "bluesky/emea", scope).await;
    foyer.redeem("portal", &code).await.expect(200).body["access_token"].as_str().unwrap().to_owned()
}

fn at(foyer: &Foyer, method: Method) -> reqwest::RequestBuilder {
    http::client().request(method, format!("{}/oauth2/userinfo", foyer.world.base))
}

async fn read(request: reqwest::RequestBuilder) -> Answer {
    Scim::read(request.send().await.unwrap()).await
}

on_every_engine! {
    async fn oidcc_userinfo_get(engine) {
        let foyer = Foyer::new(engine).await;
        let token = ready(&foyer, "openid").await;
        let answer = foyer.userinfo(&token).await.expect(200);
        assert_eq!((&answer.headers["content-type"], &answer.headers["cache-control"]), (&"application/json".parse().unwrap(), &"no-store".parse().unwrap()));
        assert_eq!(answer.body["sub"], claims(&json!(token))["sub"]);
        assert_eq!((&answer.body["roles"], &answer.body["account"]), (&json!(["administrator"]), &json!(foyer.account("bluesky/emea").await)));
        for unasked in ["name", "email", "preferred_username"] {
            assert_eq!(answer.body.get(unasked), None);
        }
    }

    async fn oidcc_userinfo_post_header(engine) {
        let foyer = Foyer::new(engine).await;
        let token = ready(&foyer, "openid").await;
        let told = foyer.userinfo(&token).await.expect(200).body;
        assert_eq!(read(at(&foyer, Method::POST).bearer_auth(&token)).await.expect(200).body, told);
        let with_form = at(&foyer, Method::POST).bearer_auth(&token).form(&[("x", "y")]);
        assert_eq!(read(with_form).await.expect(200).body, told);
    }

    async fn oidcc_userinfo_post_body(engine) {
        let foyer = Foyer::new(engine).await;
        let token = ready(&foyer, "openid").await;
        let told = foyer.userinfo(&token).await.expect(200).body;
        assert_eq!(read(at(&foyer, Method::POST).form(&[("access_token", &token)])).await.expect(200).body, told);
        // In one place, once, and never in the address.
        read(at(&foyer, Method::POST).bearer_auth(&token).form(&[("access_token", &token)])).await.expect(400);
        read(at(&foyer, Method::POST).form(&[("access_token", &token), ("access_token", &token)])).await.expect(400);
        let url = format!("{}/oauth2/userinfo?access_token={token}", foyer.world.base);
        for method in [Method::GET, Method::POST] {
            read(http::client().request(method, &url)).await.expect(401);
        }
    }

    async fn oidcc_scope_profile(engine) {
        let foyer = Foyer::new(engine).await;
        let token = ready(&foyer, "openid profile").await;
        let told = foyer.userinfo(&token).await.expect(200).body;
        let name = json!(["Joe Bloggs", "Joe", "Bloggs", "joe@bluesky.example"]);
        assert_eq!(json!([told["name"], told["given_name"], told["family_name"], told["preferred_username"]]), name);
        assert_eq!(told.get("email"), None);
    }

    async fn oidcc_scope_email(engine) {
        let foyer = Foyer::new(engine).await;
        let token = ready(&foyer, "openid email").await;
        let told = foyer.userinfo(&token).await.expect(200).body;
        assert_eq!((&told["email"], &told["email_verified"], told.get("name")), (&json!("joe@bluesky.example"), &json!(false), None));
    }

    async fn a_token_that_is_none_or_is_over_is_refused(engine) {
        let foyer = Foyer::new(engine).await;
        let token = ready(&foyer, "openid").await;
        let challenge = |answer: &Answer| answer.headers["www-authenticate"].to_str().unwrap().to_owned();
        let none = read(at(&foyer, Method::GET)).await.expect(401);
        // RFC 6750 section 3.1: who shows nothing is told of no error.
        assert_eq!(challenge(&none), "Bearer realm=\"vestibule\"");
        let code = foyer.grant(&foyer.sign_in("joe").await, "portal", "bluesky/emea", "openid").await;
        let id_token = foyer.redeem("portal", &code).await.expect(200).body["id_token"].as_str().unwrap().to_owned();
        let (head, signature) = token.rsplit_once('.').unwrap();
        let last = if signature.starts_with('A') { 'B' } else { 'A' };
        let forged = format!("{head}.{last}{}", &signature[1..]);
        let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{}.", token.split('.').nth(1).unwrap());
        for wrong in [id_token, forged, unsigned, format!("{head}."), "nonsense".to_owned(), "a.b.c".to_owned()] {
            let answer = foyer.userinfo(&wrong).await.expect(401);
            assert_eq!((answer.body["error"].as_str().unwrap(), challenge(&answer).as_str()), ("invalid_token", "Bearer realm=\"vestibule\", error=\"invalid_token\""));
        }
        foyer.clock.advance(TimeDelta::seconds(299));
        foyer.userinfo(&token).await.expect(200);
        foyer.clock.advance(TimeDelta::seconds(1));
        foyer.userinfo(&token).await.expect(401);
    }

    async fn a_token_ends_at_once_with_its_login_on_every_replica(engine) {
        let foyer = Foyer::new(engine).await;
        let token = ready(&foyer, "openid").await;
        let replica = foyer.replica().await;
        let there = async || read(http::client().get(format!("{}/oauth2/userinfo", replica.base)).bearer_auth(&token)).await.status;
        assert_eq!(there().await, 200);
        foyer.set_active(claims(&json!(token))["sub"].as_str().unwrap().parse().unwrap(), false).await;
        assert_eq!((there().await, foyer.userinfo(&token).await.status), (401, 401));
    }

    async fn a_database_that_cannot_be_asked_is_no_yes(engine) {
        let foyer = Foyer::new(engine).await;
        let token = ready(&foyer, "openid").await;
        let code = foyer.grant(&foyer.sign_in("joe").await, "portal", "bluesky/emea", "openid").await;
        foyer.userinfo(&token).await.expect(200);
        foyer.world.app.store.close().await;
        assert_eq!(foyer.userinfo(&token).await.expect(503).body["error"], "temporarily_unavailable");
        for (path, parameters) in [
            ("/token", code.parameters().to_vec()),
            ("/introspect", vec![("token", token.as_str())]),
            ("/revoke", vec![("token", token.as_str())]),
        ] {
            let answer = foyer.ask("portal", path, &parameters).await.expect(503);
            assert_eq!((&answer.body["error"], &answer.headers["cache-control"]), (&json!("temporarily_unavailable"), &"no-store".parse().unwrap()));
        }
    }

    async fn a_script_of_the_portals_own_site_reads_answers_and_no_other(engine) {
        let foyer = Foyer::new(engine).await;
        foyer.person("joe", &["Cloud-EMEA-Admins"]).await;
        let browser = foyer.sign_in("joe").await;
        for (client, origin, is_let) in [("public", "https://public.example", true), ("public", "https://evil.example", false), ("portal", "https://portal.example", false)] {
            let code = foyer.grant(&browser, client, "bluesky/emea", "openid").await;
            let mut form = vec![("client_id", client)];
            form.extend((client == "portal").then_some(("client_secret", crate::openid::SECRET)));
            form.extend(code.parameters());
            let url = format!("{}/oauth2/token", foyer.world.base);
            let answer = read(http::client().post(&url).header("origin", origin).form(&form)).await.expect(200);
            let token = answer.body["access_token"].as_str().unwrap();
            let told = read(at(&foyer, Method::GET).header("origin", origin).bearer_auth(token)).await.expect(200);
            let again = read(http::client().post(&url).header("origin", origin).form(&form)).await.expect(400);
            for answer in [&answer, &told, &again] {
                let allowed = answer.headers.get("access-control-allow-origin").map(|value| value.to_str().unwrap());
                assert_eq!(allowed, is_let.then_some(origin), "{client} {origin}");
                assert!(!answer.headers.contains_key("access-control-allow-credentials"));
            }
        }
        let asked = at(&foyer, Method::OPTIONS).header("origin", "https://public.example").header("access-control-request-method", "GET");
        let answer = read(asked.header("access-control-request-headers", "authorization")).await.expect(204);
        assert_eq!((answer.headers["access-control-allow-headers"].to_str().unwrap(), answer.body), ("authorization, content-type", Value::Null));
    }
}
