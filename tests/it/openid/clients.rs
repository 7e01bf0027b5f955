//! How portals prove who they are, and what is said to those who do not.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::{Code, Foyer, SECRET, ask_at};
use crate::support::evil_idp::Key;
use crate::support::http::{self, Answer, Browser, Scim};
use crate::support::world::on_every_engine;

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A world with a portal `keyed` that has two keys, somebody signed in, and the portal of a tenant's machine.
async fn ready(foyer: &Foyer) -> Browser {
    let keys = |keys: &[Value]| keys.iter().map(toml_of).collect::<Vec<_>>().join(", ");
    let keys = keys(&[Key::P256.public(Some("ec")), Key::Rsa.public(Some("rsa"))]);
    foyer
        .register(&format!(
            "[[client]]\nclient_id = \"keyed\"\nname = \"Keyed\"\nredirect_uris = [\"https://keyed.example/callback\"]\njwks = {{ keys = [{keys}] }}\n"
        ))
        .await;
    foyer.person("joe", &["Cloud-EMEA-Admins"]).await;
    foyer.sign_in("joe").await
}

/// A flat JSON object in the words of TOML.
fn toml_of(key: &Value) -> String {
    let parts: Vec<_> = key.as_object().unwrap().iter().map(|(name, value)| format!("{name:?} = {value}")).collect();
    format!("{{ {} }}", parts.join(", "))
}

/// An assertion of `keyed`, with claims replaced, or taken away by `null`.
fn assertion(foyer: &Foyer, (key, alg): (Key, Algorithm), kid: Option<&str>, changes: &Value) -> String {
    let now = foyer.clock.now().timestamp();
    let jti = vestibule::model::GrantId::new(foyer.clock.now()).to_string();
    let mut claims = json!({ "iss": "keyed", "sub": "keyed", "aud": foyer.world.base, "iat": now, "exp": now + 60, "jti": jti });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            _ => claims[name] = value.clone(),
        }
    }
    let header = Header { kid: kid.map(ToOwned::to_owned), ..Header::new(alg) };
    jsonwebtoken::encode(&header, &claims, &key.private()).unwrap()
}

/// Asks for whether a token is good, which needs a client and changes nothing.
async fn asks(foyer: &Foyer, base: &str, parameters: &[(&str, &str)]) -> Answer {
    let mut form = vec![("token", "x")];
    form.extend(parameters);
    let _ = foyer;
    Scim::read(http::client().post(format!("{base}/oauth2/introspect")).form(&form).send().await.unwrap()).await
}

async fn shows(foyer: &Foyer, text: &str) -> u16 {
    let answer = asks(foyer, &foyer.world.base, &[("client_assertion_type", ASSERTION), ("client_assertion", text)]).await;
    if answer.status == 401 {
        assert_eq!(answer.body["error"], "invalid_client");
    }
    answer.status
}

fn form(code: &Code, more: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    code.parameters().iter().chain(more).map(|(name, value)| (*name, (*value).to_owned())).collect()
}

on_every_engine! {
    async fn oidcc_server_client_secret_post(engine) {
        let foyer = Foyer::new(engine).await;
        let browser = ready(&foyer).await;
        let code = foyer.grant(&browser, "portal", "bluesky/emea", "openid").await;
        let url = format!("{}/oauth2/token", foyer.world.base);
        let form = form(&code, &[("client_id", "portal"), ("client_secret", SECRET)]);
        Scim::read(http::client().post(url).form(&form).send().await.unwrap()).await.expect(200);
    }

    async fn a_portal_proves_itself_in_one_way_at_a_time(engine) {
        let foyer = Foyer::new(engine).await;
        let browser = ready(&foyer).await;
        let code = foyer.grant(&browser, "portal", "bluesky/emea", "openid").await;
        let url = format!("{}/oauth2/token", foyer.world.base);
        let asked = || http::client().post(&url).basic_auth("portal", Some(SECRET));
        // One way at a time, and no other name beside the header's.
        let posted = form(&code, &[("client_id", "portal"), ("client_secret", SECRET)]);
        Scim::read(asked().form(&posted).send().await.unwrap()).await.expect(400);
        Scim::read(asked().form(&form(&code, &[("client_id", "other")])).send().await.unwrap()).await.expect(400);
        Scim::read(asked().form(&form(&code, &[("client_id", "portal")])).send().await.unwrap()).await.expect(200);
    }

    async fn whoever_proves_nothing_learns_nothing_of_why(engine) {
        let foyer = Foyer::new(engine).await;
        let browser = ready(&foyer).await;
        let code = foyer.grant(&browser, "portal", "bluesky/emea", "openid").await;
        // One that was and is no more.
        foyer.register("[[client]]\nclient_id = \"former\"\nname = \"F\"\nredirect_uris = [\"https://f.example/\"]\nsecret = { value = \"portal-secret-0123456789abcdef0123456789\" }\n").await;
        crate::support::sql::change(&foyer.world.database.url, "update clients set revoked_at = created_at where client_id = 'former'").await;
        let wrong = SECRET.replace('9', "8");
        let mut answers = Vec::new();
        for parameters in [
            vec![("client_id", "nobody"), ("client_secret", SECRET)],
            vec![("client_id", "portal"), ("client_secret", wrong.as_str())],
            vec![("client_id", "former"), ("client_secret", SECRET)],
            vec![("client_id", "portal")],
            vec![("client_id", "keyed")],
            vec![("client_id", "keyed"), ("client_secret", SECRET)],
            vec![("client_id", "public"), ("client_secret", SECRET)],
            vec![("client_secret", SECRET)],
            vec![],
        ] {
            let answer = Scim::read(http::client().post(format!("{}/oauth2/token", foyer.world.base)).form(&form(&code, &parameters)).send().await.unwrap()).await.expect(401);
            assert_eq!((&answer.headers["www-authenticate"], &answer.headers["cache-control"]), (&"Basic realm=\"vestibule\"".parse().unwrap(), &"no-store".parse().unwrap()));
            answers.push(answer.body);
        }
        assert!(answers.iter().all(|answer| *answer == answers[0] && answer["error"] == "invalid_client"), "{answers:?}");
        foyer.redeem("portal", &code).await.expect(200);
    }

    async fn a_portal_that_is_revoked_has_nothing_any_more(engine) {
        let foyer = Foyer::new(engine).await;
        let browser = ready(&foyer).await;
        let code = foyer.grant(&browser, "portal", "bluesky/emea", "openid").await;
        let token = foyer.redeem("portal", &code).await.expect(200).body["access_token"].as_str().unwrap().to_owned();
        foyer.userinfo(&token).await.expect(200);
        crate::support::sql::change(&foyer.world.database.url, "update clients set revoked_at = created_at where client_id = 'portal'").await;
        foyer.userinfo(&token).await.expect(401);
        foyer.ask("portal", "/introspect", &[("token", &token)]).await.expect(401);
    }

    async fn clients_that_work_for_themselves_and_portals_do_not_do_each_others_work(engine) {
        let foyer = Foyer::new(engine).await;
        let browser = ready(&foyer).await;
        let machine = format!("[[tenant]]\nslug = \"bluesky\"\nname = \"bluesky\"\ncatalogue = \"customer-portal\"\n\n[[tenant.account]]\npath = \"bluesky\"\nname = \"bluesky\"\n\n[[tenant.client]]\nclient_id = \"machine\"\nname = \"M\"\nscopes = [\"people:read\"]\nsecret = {{ value = \"{SECRET}\" }}\n");
        foyer.register(&machine).await;
        foyer.ask("machine", "/token", &[("grant_type", "client_credentials")]).await.expect(200);
        let code = foyer.grant(&browser, "portal", "bluesky/emea", "openid").await;
        for (client, path, parameters) in [
            ("portal", "/token", vec![("grant_type", "client_credentials")]),
            ("public", "/token", vec![("grant_type", "client_credentials")]),
            ("machine", "/token", code.parameters().to_vec()),
            ("machine", "/token", vec![("grant_type", "refresh_token"), ("refresh_token", "x")]),
            ("machine", "/introspect", vec![("token", "x")]),
            ("machine", "/revoke", vec![("token", "x")]),
        ] {
            let answer = foyer.ask(client, path, &parameters).await.expect(400);
            assert_eq!(answer.body["error"], "unauthorized_client", "{client} {path} {parameters:?}");
        }
        // Who can keep no secret is nobody in particular.
        foyer.ask("public", "/introspect", &[("token", "x")]).await.expect(401);
        foyer.redeem("portal", &code).await.expect(200);
    }

    async fn a_portal_signs_by_a_key_of_its_own(engine) {
        let foyer = Foyer::new(engine).await;
        let browser = ready(&foyer).await;
        let (ec, rsa, pss) = ((Key::P256, Algorithm::ES256), (Key::Rsa, Algorithm::RS256), (Key::Rsa, Algorithm::PS256));
        let url = format!("{}/oauth2/token", foyer.world.base);
        for (key, kid, changes) in [
            (ec, Some("ec"), json!({})),
            (ec, None, json!({ "aud": url })),
            (rsa, Some("rsa"), json!({ "aud": [foyer.world.base, url] })),
            (pss, Some("rsa"), json!({ "exp": foyer.clock.now().timestamp() + 3_600 })),
        ] {
            let code = foyer.grant(&browser, "keyed", "bluesky/emea", "openid").await;
            let text = assertion(&foyer, key, kid, &changes);
            let more = [("client_assertion_type", ASSERTION), ("client_assertion", text.as_str())];
            Scim::read(http::client().post(&url).form(&form(&code, &more)).send().await.unwrap()).await.expect(200);
        }
        let with = |changes: Value| assertion(&foyer, ec, None, &changes);
        assert_eq!(shows(&foyer, &with(json!({ "aud": format!("{}/oauth2/introspect", foyer.world.base) }))).await, 200);
        let now = foyer.clock.now().timestamp();
        for changes in [
            json!({ "iss": "portal" }),
            json!({ "sub": "portal" }),
            json!({ "sub": "portal", "iss": "portal" }),
            json!({ "sub": "key\0ed" }),
            json!({ "aud": "https://other.example" }),
            json!({ "aud": [foyer.world.base, "https://other.example"] }),
            json!({ "aud": format!("{}/oauth2/revoke", foyer.world.base) }),
            json!({ "exp": now - 31 }),
            json!({ "exp": now + 3_631 }),
            json!({ "exp": (now + 60).to_string() }),
            json!({ "exp": null }),
            json!({ "iat": now + 31 }),
            json!({ "jti": null }),
        ] {
            assert_eq!(shows(&foyer, &with(changes.clone())).await, 401, "{changes}");
        }
        for (key, kid) in [
            ((Key::OtherP256, Algorithm::ES256), Some("ec")),
            ((Key::OtherP256, Algorithm::ES256), None),
            ((Key::OtherRsa, Algorithm::RS256), Some("rsa")),
            ((Key::P384, Algorithm::ES384), None),
            ((Key::Rsa, Algorithm::RS512), Some("rsa")),
            (ec, Some("rsa")),
            (rsa, Some("ec")),
            (ec, Some("other")),
        ] {
            assert_eq!(shows(&foyer, &assertion(&foyer, key, kid, &json!({}))).await, 401, "{key:?} {kid:?}");
        }
        // No signature at all, and one by what everybody can read.
        let payload = with(json!({})).split('.').nth(1).unwrap().to_owned();
        let head = |head: Value| URL_SAFE_NO_PAD.encode(head.to_string());
        let modulus = Key::Rsa.public(None)["n"].as_str().unwrap().to_owned();
        let message = format!("{}.{payload}", head(json!({ "alg": "HS256", "kid": "rsa" })));
        let hmac = jsonwebtoken::crypto::sign(message.as_bytes(), &EncodingKey::from_secret(modulus.as_bytes()), Algorithm::HS256).unwrap();
        for forged in [format!("{}.{payload}.", head(json!({ "alg": "none" }))), format!("{message}.{hmac}"), payload, "x".to_owned(), "..".to_owned()] {
            assert_eq!(shows(&foyer, &forged).await, 401, "{forged}");
        }
        // Beside another proof, of another kind, or of another name.
        let text = with(json!({}));
        let kind = ("client_assertion_type", ASSERTION);
        for (parameters, status) in [
            (vec![kind, ("client_assertion", &text), ("client_secret", SECRET)], 400),
            (vec![("client_assertion", &text)], 400),
            (vec![("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"), ("client_assertion", &text)], 400),
            (vec![kind, ("client_assertion", &text), ("client_id", "portal")], 401),
            (vec![kind, ("client_assertion", &text), ("client_id", "keyed")], 200),
        ] {
            asks(&foyer, &foyer.world.base, &parameters).await.expect(status);
        }
    }

    async fn an_assertion_is_good_once_also_on_two_replicas_at_once(engine) {
        let foyer = Foyer::new(engine).await;
        ready(&foyer).await;
        let replica = foyer.replica().await;
        for _ in 0..5 {
            let text = assertion(&foyer, (Key::P256, Algorithm::ES256), None, &json!({}));
            let tries = (0..6).map(|at| {
                let (base, text) = ([&foyer.world.base, &replica.base][at % 2].clone(), text.clone());
                tokio::spawn(async move {
                    let parameters = [("token", "x"), ("client_assertion_type", ASSERTION), ("client_assertion", text.as_str())];
                    http::client().post(format!("{base}/oauth2/introspect")).form(&parameters).send().await.unwrap().status().as_u16()
                })
            });
            let mut statuses = Vec::new();
            for one in tries.collect::<Vec<_>>() {
                statuses.push(one.await.unwrap());
            }
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 401, 401, 401, 401, 401]);
            foyer.clock.advance(TimeDelta::seconds(89));
            assert_eq!(shows(&foyer, &text).await, 401, "for as long as it lives");
        }
        // What is over is forgotten.
        assert_eq!(foyer.count("used_assertions").await, 5);
        let gone = vestibule::work::purge(&foyer.world.app.store, foyer.world.app.session_limits(), foyer.clock.now() + TimeDelta::minutes(2)).await.unwrap();
        assert_eq!((gone.assertions, foyer.count("used_assertions").await), (5, 0));
    }

    async fn a_portal_that_asks_too_often_is_told_to_wait_and_a_public_name_is_nobodys_to_use_up(engine) {
        let foyer = Foyer::new(engine).await;
        ready(&foyer).await;
        for _ in 0..200 {
            ask_at(&foyer.world.base, "portal", "/introspect", &[("token", "x")]).await.expect(200);
        }
        let answer = ask_at(&foyer.world.base, "portal", "/introspect", &[("token", "x")]).await.expect(429);
        assert_eq!(answer.headers["retry-after"], "1");
        ask_at(&foyer.world.base, "other", "/introspect", &[("token", "x")]).await.expect(200);
        for _ in 0..210 {
            ask_at(&foyer.world.base, "public", "/revoke", &[("token", "x")]).await.expect(200);
        }
    }
}
