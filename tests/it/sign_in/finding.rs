//! `/sign-in` finds the connection by a proved domain, and tells nobody who exists.

use serde_json::json;

use super::Stage;
use crate::support::http::{Browser, Visit};
use crate::support::world::{describe, on_every_engine};

/// A second connection of the tenant, for the same domain.
const SECOND: &[(&str, &str)] = &[
    (
        "[[tenant.domain]]",
        "[[tenant.connection]]\nslug = \"partners\"\nname = \"Partners of bluesky\"\nissuer = \"http://127.0.0.1:1\"\n\
         client_id = \"vestibule\"\n\n[[tenant.domain]]",
    ),
    ("connections = [\"idp\"]", "connections = [\"idp\", \"partners\"]"),
];

async fn ask(stage: &Stage, identifier: &str, return_to: Option<&str>) -> Visit {
    let mut form = vec![("identifier", identifier)];
    form.extend(return_to.map(|path| ("return_to", path)));
    Browser::new().post(&format!("{}/sign-in", stage.world.base), &form).await
}

/// The page without what was typed into it.
fn without(visit: &Visit, typed: &str) -> String {
    visit.body.replace(typed, "…")
}

on_every_engine! {
    async fn a_known_domain_leads_on_in_any_case(engine) {
        let stage = Stage::new(engine).await;
        let begin = format!("/sign-in/oidc/{}", stage.tenant.connection);
        for typed in ["joe@bluesky.example", "JOE@BlueSky.EXAMPLE", "  joe@bluesky.example ", "a@b@bluesky.example"] {
            let page = ask(&stage, typed, None).await.expect(200, "On to The identity provider of bluesky");
            assert!(page.body.contains(&format!("content=\"0; url={begin}\"")), "{}", page.body);
            assert!(page.body.contains(&format!("href=\"{begin}\"")), "{}", page.body);
        }
    }

    async fn unknown_domains_local_names_and_strangers_get_one_page(engine) {
        let stage = Stage::new(engine).await;
        stage.provision("joe", "joe").await;
        let unknown = ask(&stage, "who@nowhere.example", None).await.expect(422, "We do not know where people of this address");
        // `joe` is somebody's user name; a name below the domain, or a domain that only looks alike, is not the domain.
        for typed in ["joe", "nobody", "joe@", "joe@sub.bluesky.example", "joe@bluesky.example.evil.example", "joe@blueskyxexample"] {
            let page = ask(&stage, typed, None).await;
            assert_eq!(page.status, 422, "{typed}");
            assert_eq!(without(&page, typed), without(&unknown, "who@nowhere.example"), "{typed}");
        }
        let hostile = ask(&stage, "\"><script>alert(1)</script>", None).await;
        assert!(!hostile.body.contains("<script"), "{}", hostile.body);
        ask(&stage, "", None).await.expect(422, "Enter your e-mail address or user name.");
        assert_eq!(ask(&stage, &"x".repeat(100_000), None).await.status, 422);
    }

    async fn several_connections_are_offered_of_that_tenant_alone(engine) {
        let stage = Stage::set(engine, "off", SECOND).await;
        let other = stage.world.described("orange", &describe("orange", "entra", "http://127.0.0.1:1", "off")).await;
        let page = ask(&stage, "joe@bluesky.example", Some("/me?tab=2")).await.expect(200, "Choose the one that you use for work");
        for text in ["The identity provider of bluesky", "Partners of bluesky", "return_to=%2Fme%3Ftab%3D2"] {
            assert!(page.body.contains(text), "{text}: {}", page.body);
        }
        assert_eq!(page.body.matches("/sign-in/oidc/").count(), 2, "{}", page.body);
        assert!(!page.body.contains("orange") && !page.body.contains(&other.connection.to_string()), "{}", page.body);
    }

    async fn o05_return_to_comes_back_and_never_leaves_the_site(engine) {
        let stage = Stage::new(engine).await;
        stage.provision("joe", "joe").await;
        let start = stage.world.sign_in(&stage.tenant);
        let quoted = |path: &str| url::form_urlencoded::byte_serialize(path.as_bytes()).collect::<String>();
        for (asked, ends) in [
            ("/me?tab=2", "/me?tab=2"),
            ("https://evil.example/", "/me"),
            ("//evil.example/", "/me"),
            ("/\\evil.example", "/me"),
            ("/\t/evil.example", "/me"),
            ("javascript:alert(1)", "/me"),
        ] {
            let form = format!("{}/sign-in?return_to={}", stage.world.base, quoted(asked));
            let form = Browser::new().visit(&form).await.expect(200, "Sign in");
            assert_eq!(form.body.contains("name=\"return_to\""), asked == ends, "{asked}");
            let leaving = ask(&stage, "joe@bluesky.example", Some(asked)).await.expect(200, "On to");
            assert_eq!(leaving.body.contains("return_to="), asked == ends, "{asked}");
            assert!(!leaving.body.contains("evil"), "{}", leaving.body);
            // Also where the parameter is put into the address by hand.
            let callback = stage.world.redirect_uri(&stage.tenant);
            let mut browser = Browser::new();
            let begun = browser.follow(&format!("{start}?return_to={}", quoted(asked)), Some(&callback)).await;
            let back = begun.location.expect("a way back");
            browser.visit(back.as_str()).await.expect_redirect(ends);
            // And for somebody who is signed in already.
            let again = format!("{}/sign-in?return_to={}", stage.world.base, quoted(asked));
            browser.visit(&again).await.expect_redirect(ends);
        }
    }

    async fn bad_forms_get_a_page_and_change_nothing(engine) {
        let stage = Stage::new(engine).await;
        let before = stage.tally().await;
        let url = format!("{}/sign-in", stage.world.base);
        let own = ("sec-fetch-site", "same-origin");
        let form = ("content-type", "application/x-www-form-urlencoded");
        let json = ("content-type", "application/json");
        let bodies = [
            (400, vec![own, json], json!({ "identifier": "joe@bluesky.example" }).to_string()),
            (400, vec![own], String::new()),
            (400, vec![own, form], "identifier=a&identifier=b".to_owned()),
            (413, vec![own, form], format!("identifier={}", "x".repeat(3 * 1024 * 1024))),
            (403, vec![("sec-fetch-site", "cross-site"), form], "identifier=joe%40bluesky.example".to_owned()),
            (403, vec![("origin", "https://evil.example"), form], "identifier=joe%40bluesky.example".to_owned()),
        ];
        for (status, headers, body) in bodies {
            let shown = format!("{headers:?} {}", &body[..body.len().min(60)]);
            let page = Browser::new().send(reqwest::Method::POST, &url, &headers, Some(body)).await;
            let right = if status == 400 { (400..500).contains(&page.status.as_u16()) } else { page.status == status };
            assert!(right, "{shown}: {}", page.status);
            assert!(page.body.starts_with("<!doctype html>") && page.body.contains("Nothing was changed"), "{shown}: {}", page.body);
            assert_eq!(page.headers["x-request-id"], page.reference().as_str(), "{shown}");
        }
        assert_eq!(stage.tally().await, before);
    }
}
