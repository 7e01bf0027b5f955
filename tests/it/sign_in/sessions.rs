//! Sessions: their cookie, their beginning and their end; and what every page carries.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::json;
use vestibule::keys::HashedToken;
use vestibule::store::Engine;

use super::{SESSION, SIGN_IN, Stage, patch};
use crate::support::evil_idp::CLIENT_SECRET;
use crate::support::http::{Browser, Visit};
use crate::support::world::on_every_engine;

/// A browser with Joe signed in.
async fn inside(stage: &Stage) -> Browser {
    let mut browser = Browser::new();
    stage.sign_in(&mut browser).await.expect(200, "Your accounts");
    browser
}

fn attributes(cookie: &str) -> Vec<&str> {
    let mut attributes: Vec<_> = cookie.split("; ").skip(1).collect();
    attributes.sort_unstable();
    attributes
}

fn expect_private(visit: &Visit) {
    let header = |name: &str| visit.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default();
    assert_eq!(header("cache-control"), "no-store", "{}", visit.url);
    assert_eq!(header("x-content-type-options"), "nosniff", "{}", visit.url);
    assert_eq!(header("referrer-policy"), "same-origin", "{}", visit.url);
    assert!(!header("x-request-id").is_empty(), "{}", visit.url);
    if visit.location.is_none() {
        let policy = header("content-security-policy");
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
            assert!(policy.contains(part), "{}: {policy}", visit.url);
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header("content-type"), "text/html; charset=utf-8", "{}", visit.url);
    }
}

on_every_engine! {
    async fn cookies_are_for_this_host_alone_and_out_of_reach(engine) {
        let stage = Stage::new(engine).await;
        stage.provision("joe", "joe").await;
        let mut browser = Browser::new();
        let begun = browser.visit(&stage.world.sign_in(&stage.tenant)).await;
        let back = stage.way_back(&mut browser).await;
        let done = browser.visit(&back).await.expect_redirect("/me");
        for (visit, name) in [(&begun, SIGN_IN), (&done, SESSION)] {
            let cookies = visit.set_cookies();
            let [cookie] = cookies.as_slice() else { panic!("{cookies:?}") };
            assert!(cookie.starts_with(&format!("{name}=")), "{cookie}");
            assert_eq!(attributes(cookie), ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]);
            let value = cookie.split(['=', ';']).nth(1).unwrap();
            // 256 random bits in base64url.
            assert_eq!(value.len(), 43, "{cookie}");
        }
        expect_private(&begun);
        expect_private(&done);
        assert!(!done.location.unwrap().as_str().contains("code"));
    }

    async fn what_lets_a_browser_in_is_kept_as_a_digest(engine) {
        let stage = Stage::new(engine).await;
        stage.provision("joe", "joe").await;
        let mut browser = Browser::new();
        let back = stage.way_back(&mut browser).await;
        browser.visit(&back).await.expect_redirect("/me");
        let session = stage.session(&browser).unwrap().to_owned();
        let known = async |digest: &HashedToken| {
            stage.world.app.store.doors().session(digest, stage.clock.now(), stage.world.app.session_limits()).await.unwrap().is_some()
        };
        assert!(known(&HashedToken::of(&session)).await);
        assert!(!known(&HashedToken::of(&format!("{session}x"))).await);
        if engine == Engine::Sqlite {
            let file = stage.world.database.url.strip_prefix("sqlite://").unwrap();
            let bytes: Vec<u8> = ["", "-wal"].iter().flat_map(|end| std::fs::read(format!("{file}{end}")).unwrap_or_default()).collect();
            let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(holds("session.signed_in"), "the file is looked at");
            let state = url::Url::parse(&back).unwrap();
            let state = state.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
            let seen = stage.idp.seen();
            let marker = browser.cookie(&stage.world.base, SIGN_IN).unwrap();
            for secret in [&session, marker, &state, CLIENT_SECRET, &stage.tenant.scim.token, seen.id_token.as_deref().unwrap()] {
                assert!(!holds(secret), "{secret}");
            }
        }
    }

    async fn o05_a_planted_session_is_not_adopted_and_each_sign_in_has_a_new_one(engine) {
        let stage = Stage::new(engine).await;
        stage.provision("joe", "joe").await;
        let mut browser = Browser::new();
        let planted = "a".repeat(43);
        browser.plant(&stage.world.base, SESSION, &planted);
        stage.me(&mut browser).await.expect_redirect("/sign-in");
        stage.sign_in(&mut browser).await.expect(200, "Your accounts");
        let first = stage.session(&browser).unwrap().to_owned();
        assert_ne!(first, planted);
        let mut thief = Browser::new();
        thief.plant(&stage.world.base, SESSION, &planted);
        stage.me(&mut thief).await.expect_redirect("/sign-in");
        // Signing in again changes it, and the former one has ended.
        stage.sign_in(&mut browser).await.expect(200, "Your accounts");
        assert_ne!(stage.session(&browser).unwrap(), first);
        thief.plant(&stage.world.base, SESSION, &first);
        stage.me(&mut thief).await.expect_redirect("/sign-in");
        assert_eq!(stage.tally().await.sessions, 1);
    }

    async fn signing_out_ends_the_session_and_no_other_site_can_do_it(engine) {
        let stage = Stage::new(engine).await;
        stage.provision("joe", "joe").await;
        let (mut browser, mut second) = (inside(&stage).await, inside(&stage).await);
        let sign_out = format!("{}/sign-out", stage.world.base);
        for site in ["cross-site", "same-site"] {
            let refused = browser.post_from(site, &sign_out, &[]).await.expect(403, "This is not allowed");
            expect_private(&refused);
        }
        assert_eq!(browser.visit(&sign_out).await.status, 405, "a link is no form");
        stage.me(&mut browser).await.expect(200, "Your accounts");

        let stolen = stage.session(&browser).unwrap().to_owned();
        let page = browser.post(&sign_out, &[]).await.expect(200, "You are signed out");
        expect_private(&page);
        assert_eq!(stage.session(&browser), None, "the cookie is removed");
        let removal = page.set_cookies();
        assert!(removal.len() == 1 && removal[0].contains("Secure") && removal[0].contains("Path=/"), "{removal:?}");
        browser.plant(&stage.world.base, SESSION, &stolen);
        stage.me(&mut browser).await.expect_redirect("/sign-in");
        stage.me(&mut second).await.expect(200, "Your accounts");
        assert_eq!(stage.count("events where kind = 'session.signed_out'").await, 1);
        // Once more, and by somebody who never was in.
        browser.post(&sign_out, &[]).await.expect(200, "You are signed out");
        Browser::new().post(&sign_out, &[]).await.expect(200, "You are signed out");
        assert_eq!(stage.count("events where kind = 'session.signed_out'").await, 1);
    }

    async fn p29_every_way_of_switching_off_ends_the_session(engine) {
        let stage = Stage::new(engine).await;
        let id = stage.provision("joe", "joe").await;
        let path = format!("/Users/{id}");
        let user = |active: bool| {
            json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                "userName": "joe", "externalId": "joe", "active": active,
            })
        };
        let operations = json!([{ "op": "Replace", "value": { "active": false } }]);
        for way in ["PUT", "PATCH", "DELETE"] {
            let mut browser = inside(&stage).await;
            // What changes something else leaves it.
            stage.tenant.scim.put(&path, &user(true)).await.expect(200);
            stage.me(&mut browser).await.expect(200, "Your accounts");
            let status = match way {
                "PUT" => stage.tenant.scim.put(&path, &user(false)).await.status,
                "PATCH" => stage.tenant.scim.patch(&path, &patch(&operations)).await.status,
                _ => stage.tenant.scim.delete(&path).await.status,
            };
            assert!(matches!(status, 200 | 204), "{way}: {status}");
            stage.me(&mut browser).await.expect_redirect("/sign-in");
            assert_eq!(stage.tally().await.sessions, 0, "{way}");
            if way != "DELETE" {
                stage.tenant.scim.put(&path, &user(true)).await.expect(200);
                stage.me(&mut browser).await.expect_redirect("/sign-in");
            }
        }
        let directory = stage.tenant.directory;
        let acts = format!("events where kind = 'login.deactivated' and actor ->> 'directory' = '{directory}'");
        assert_eq!(stage.count(&acts).await, 2);
    }

    async fn a_session_ends_when_it_is_idle(engine) {
        let stage = Stage::new(engine).await;
        stage.provision("joe", "joe").await;
        let mut browser = inside(&stage).await;
        let mut left = inside(&stage).await;
        // Twelve hours without a request; each request begins them anew, to the minute.
        stage.clock.advance(TimeDelta::hours(6));
        stage.me(&mut browser).await.expect(200, "Your accounts");
        stage.clock.advance(TimeDelta::hours(6));
        stage.me(&mut left).await.expect_redirect("/sign-in");
        stage.me(&mut browser).await.expect(200, "Your accounts");
        stage.clock.advance(TimeDelta::hours(12));
        stage.me(&mut browser).await.expect_redirect("/sign-in");
    }

    async fn a_session_ends_after_a_day_whatever_happens(engine) {
        let stage = Stage::new(engine).await;
        stage.provision("joe", "joe").await;
        let mut browser = inside(&stage).await;
        for _ in 0..3 {
            stage.clock.advance(TimeDelta::hours(6));
            stage.me(&mut browser).await.expect(200, "Your accounts");
        }
        stage.clock.advance(TimeDelta::hours(6) - TimeDelta::microseconds(1));
        stage.me(&mut browser).await.expect(200, "Your accounts");
        stage.clock.advance(TimeDelta::microseconds(1));
        stage.me(&mut browser).await.expect_redirect("/sign-in");
        assert_eq!(stage.tally().await.sessions, 1);
        stage.clock.advance(TimeDelta::microseconds(1));
        let app = &stage.world.app;
        vestibule::work::purge(&app.store, app.session_limits(), stage.clock.now()).await.unwrap();
        assert_eq!((stage.tally().await.sessions, stage.count("pending_sign_ins").await), (0, 0));
    }

    async fn every_answer_is_a_private_page_also_to_odd_methods(engine) {
        let stage = Stage::new(engine).await;
        stage.provision("joe", "joe").await;
        let mut browser = inside(&stage).await;
        let base = stage.world.base.clone();
        for path in ["/me", "/sign-in", "/", "/nowhere", "/me/nowhere", "/sign-in/oidc/x"] {
            for mut browser in [browser.clone(), Browser::new()] {
                expect_private(&browser.visit(&format!("{base}{path}")).await);
                let head = browser.send(Method::HEAD, &format!("{base}{path}"), &[], None).await;
                let get = browser.visit(&format!("{base}{path}")).await;
                assert_eq!(head.body, "", "{path}");
                if !path.starts_with("/sign-in/oidc") {
                    assert_eq!((head.status, head.location), (get.status, get.location), "{path}");
                }
            }
        }
        let own = [("sec-fetch-site", "same-origin")];
        for (method, path, allow) in [
            (Method::POST, "/me", "GET,HEAD"),
            (Method::DELETE, "/me", "GET,HEAD"),
            (Method::PUT, "/sign-in", "GET,HEAD,POST"),
            (Method::GET, "/sign-out", "POST"),
            (Method::OPTIONS, "/sign-in", "GET,HEAD,POST"),
        ] {
            let page = browser.send(method.clone(), &format!("{base}{path}"), &own, None).await;
            assert_eq!(page.status, 405, "{method} {path}");
            assert!(page.body.contains("That is not possible here"), "{method} {path}: {}", page.body);
            assert_eq!(page.headers.get("allow").map(|value| value.to_str().unwrap()), Some(allow), "{method} {path}");
            expect_private(&page);
        }
        // Looking at what a sign-in would be begins none, and looking at a callback does not use it up.
        let pending = stage.count("pending_sign_ins").await;
        let start = stage.world.sign_in(&stage.tenant);
        assert_eq!(browser.send(Method::HEAD, &start, &[], None).await.status, 405);
        assert_eq!(stage.count("pending_sign_ins").await, pending);
        let back = stage.way_back(&mut browser).await;
        assert_eq!(browser.send(Method::HEAD, &back, &[], None).await.status, 405);
        browser.visit(&back).await.expect_redirect("/me");
    }

    async fn a_session_of_one_tenant_shows_nothing_of_another(engine) {
        let stage = Stage::new(engine).await;
        let orange = stage.world.tenant("orange", "entra", stage.idp.issuer()).await;
        let mut ids = Vec::new();
        for tenant in [&stage.tenant, &orange] {
            let user = json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "joe", "externalId": "joe",
            });
            ids.push(tenant.scim.post("/Users", &user).await.expect(201).id());
        }
        let mut browser = inside(&stage).await;
        let page = stage.me(&mut browser).await.expect(200, "Sign-in for bluesky");
        assert!(!page.body.contains("orange"), "{}", page.body);
        // The same subject of the same issuer by the other tenant's connection is another person.
        let other = Browser::new().follow(&stage.world.sign_in(&orange), None).await.expect(200, "Sign-in for orange");
        assert!(!other.body.contains("bluesky"), "{}", other.body);
        assert_eq!(stage.count("subjects").await, 2);
        stage.tenant.scim.delete(&format!("/Users/{}", ids[1])).await.expect(404);
        stage.me(&mut browser).await.expect(200, "Your accounts");
    }
}
