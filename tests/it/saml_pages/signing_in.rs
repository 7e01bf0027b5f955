//! The way there and back: the request, the form that is posted twice, who is found, and what the session keeps.

use chrono::TimeDelta;
use vestibule::model::SamlBinding;

use super::{SESSION, SIGN_IN, Stage, connect, posts};
use crate::openid::noon;
use crate::support::http::Browser;
use crate::support::saml_idp::{Asked, SamlIdp, Says, form};
use crate::support::sql;
use crate::support::world::on_every_engine;

const AGAIN: &str = "Please sign in again";

on_every_engine! {
    async fn somebody_whom_the_directory_provisioned_is_bound_and_then_known(engine) {
        let stage = Stage::new(engine).await;
        stage.foyer.person("joe", &["Cloud-EMEA-Admins"]).await;
        let mut browser = Browser::new();
        let asked = stage.asked(&mut browser).await;
        assert_eq!((asked.to.clone(), asked.issuer.as_str()), (stage.idp.sso(), stage.at("/metadata").as_str()));
        assert_eq!(asked.attribute("AssertionConsumerServiceURL").as_deref(), Some(stage.at("/acs").as_str()));
        assert!(asked.id.len() == 41 && asked.relay_state.as_ref().is_some_and(|state| state.len() == 43), "{asked:?}");
        let says = Says { session_index: Some("s-1".into()), ..Says::of("joe", stage.now()) };
        let back = stage.brings(&mut browser, &asked.acs(), &stage.idp.response(&asked, &says)).await;
        back.expect_redirect("/me");
        browser.visit(&stage.page("/me")).await.expect(200, "EMEA").expect(200, "Anchor &#38; &#60;Sons&#62;");
        assert_eq!(stage.count("subjects where kind = 'name_id' and value = 'joe-for-ever'").await, 1);
        assert_eq!(stage.count("events where kind = 'login.bound'").await, 1);
        let kept = "session_logins where name_id_value = 'joe-for-ever' and upstream_session = 's-1' and asserted_at is not null";
        assert_eq!(stage.count(kept).await, 1);
        assert_eq!(stage.count("connection_certificates where last_used_at is not null").await, 1);
        // Known by the subject now, whatever the attributes say.
        let mut second = Browser::new();
        let nameless = Says { attributes: vec![], ..Says::of("joe", stage.now()) };
        stage.sign_in(&mut second, &nameless).await.expect_redirect("/me");
        assert_eq!((stage.count("logins").await, stage.count("subjects").await), (1, 1));
        assert_eq!(stage.count("sessions where active_login_id in (select id from logins where external_id = 'joe')").await, 2);
        // Nobody provisioned this one.
        let page = stage.sign_in(&mut Browser::new(), &Says::of("mallory", stage.now())).await;
        stage.expect_refused(&page, 403, "You have no access here yet", "unknown").await;
    }

    async fn strangers_get_a_login_where_the_connection_says_so(engine) {
        let stage = Stage::new(engine).await;
        sql::change(&stage.foyer.world.database.url, "update connections set jit = 'on'").await;
        for _ in 0..2 {
            stage.sign_in(&mut Browser::new(), &Says::of("ann", stage.now())).await.expect_redirect("/me");
        }
        assert_eq!((stage.count("logins").await, stage.count("persons").await, stage.count("sessions").await), (1, 1, 2));
        assert_eq!(stage.count("events where kind = 'login.created'").await, 1);
    }

    async fn sso_r10_a_form_from_another_site_is_posted_once_more_and_no_oftener(engine) {
        let stage = Stage::new(engine).await;
        stage.foyer.person("joe", &[]).await;
        let mut joe = Browser::new();
        let asked = stage.asked(&mut joe).await;
        let response = stage.idp.response(&asked, &Says::of("joe", stage.now()));
        let mut bare = Browser::new();
        let page = posts(&mut bare, "cross-site", &asked.acs(), &response).await.expect(200, "One moment");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("script-src 'self'; ") && policy.contains("form-action 'self' ;"), "{policy}");
        assert_eq!(page.headers["cache-control"], "no-store");
        let (action, again) = form(&page.body);
        assert_eq!(action, format!("/sign-in/saml/{}/acs", stage.connection));
        assert!(response.iter().all(|field| again.contains(field)) && again.len() == 3, "{again:?}");
        // Whoever has no cookie then has none at all.
        let page = posts(&mut bare, "same-origin", &asked.acs(), &again).await;
        stage.expect_refused(&page, 400, AGAIN, "state_of_other_browser").await;
        for cookie in ["guess", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
            bare.plant(&stage.foyer.world.base, SIGN_IN, cookie);
            let page = posts(&mut bare, "cross-site", &asked.acs(), &response).await;
            stage.expect_refused(&page, 400, AGAIN, "state_of_other_browser").await;
        }
        // Nobody else has spoilt it, and where the cookie comes at once one post is enough.
        posts(&mut joe, "cross-site", &asked.acs(), &response).await.expect_redirect("/me");
        assert!(stage.is_signed_in(&mut joe).await);
    }

    async fn sso_s30_what_comes_from_outside_is_escaped_in_the_form(engine) {
        let stage = Stage::new(engine).await;
        let asked = stage.asked(&mut Browser::new()).await;
        let evil = "\"><script src=\"https://evil.example/\"></script><input value='&amp;'".to_owned();
        let fields = vec![("SAMLResponse".to_owned(), evil.clone()), ("RelayState".to_owned(), asked.relay_state.clone().unwrap())];
        let page = posts(&mut Browser::new(), "cross-site", &asked.acs(), &fields).await.expect(200, "One moment");
        assert!(!page.body.contains("evil.example/\"></script>") && page.body.matches("<script").count() == 1, "{}", page.body);
        assert!(form(&page.body).1.contains(&("SAMLResponse".to_owned(), evil)));
    }

    async fn sso_s27_a_response_counts_once_and_an_assertion_does_too(engine) {
        let stage = Stage::new(engine).await;
        stage.foyer.person("joe", &[]).await;
        let mut browser = Browser::new();
        let asked = stage.asked(&mut browser).await;
        let says = Says { assertion_id: Some("_the-same-again".into()), ..Says::of("joe", stage.now()) };
        let response = stage.idp.response(&asked, &says);
        stage.brings(&mut browser, &asked.acs(), &response).await.expect_redirect("/me");
        let session = browser.cookie(&stage.foyer.world.base, SESSION).map(ToOwned::to_owned);
        for _ in 0..2 {
            let page = stage.brings(&mut browser, &asked.acs(), &response).await;
            stage.expect_refused(&page, 400, AGAIN, "state_replayed").await;
        }
        assert_eq!(browser.cookie(&stage.foyer.world.base, SESSION), session.as_deref(), "the session goes on");
        // Signed anew for another request, by an identity provider that uses an id twice.
        for mut other in [browser, Browser::new()] {
            let page = stage.sign_in(&mut other, &says).await;
            stage.expect_refused(&page, 400, AGAIN, "assertion_used").await;
        }
        assert_eq!(stage.count("sessions").await, 1);
        // One that was refused is used up as well.
        let says = Says { assertion_id: Some("_of-a-stranger".into()), ..Says::of("mallory", stage.now()) };
        let page = stage.sign_in(&mut Browser::new(), &says).await;
        stage.expect_refused(&page, 403, "You have no access here yet", "unknown").await;
        stage.foyer.person("mallory", &[]).await;
        let page = stage.sign_in(&mut Browser::new(), &says).await;
        stage.expect_refused(&page, 400, AGAIN, "assertion_used").await;
    }

    async fn sso_s28_the_answer_to_one_connection_is_none_to_another(engine) {
        let stage = Stage::new(engine).await;
        stage.foyer.person("joe", &[]).await;
        let evil = SamlIdp::new("evil", noon());
        let other = connect(&stage.foyer, "evil", &evil, |_| ()).await;
        let mut browser = Browser::new();
        let asked = stage.asked(&mut browser).await;
        let says = Says::of("joe", stage.now());
        let acs = stage.of(other, "/acs");
        // The identity provider of the other connection answers there, by the state of this one; and this one's answer is sent there.
        let audience = stage.of(other, "/metadata");
        let forged = evil.response_to(Some(&asked.id), &audience, &acs, asked.relay_state.as_deref().unwrap(), &says);
        for response in [forged.clone(), stage.idp.response(&asked, &says)] {
            let page = stage.brings(&mut browser, &acs, &response).await;
            stage.expect_refused(&page, 400, AGAIN, "state_of_other_connection").await;
        }
        // Nor is it taken where the state belongs.
        let page = stage.brings(&mut browser, &asked.acs(), &forged).await;
        assert_eq!(page.status, 502, "{}", page.body);
        assert_eq!((stage.count("sessions").await, stage.count("subjects").await), (0, 0));
    }

    async fn a_session_ends_when_the_identity_provider_wants_it_to(engine) {
        let stage = Stage::new(engine).await;
        stage.foyer.person("joe", &[]).await;
        let mut browser = Browser::new();
        let until = stage.now() + TimeDelta::minutes(20);
        let says = Says { session_until: Some(until), ..Says::of("joe", stage.now()) };
        stage.sign_in(&mut browser, &says).await.expect_redirect("/me");
        stage.wait(20 * 60 - 1);
        assert!(stage.is_signed_in(&mut browser).await);
        stage.wait(1);
        assert!(!stage.is_signed_in(&mut browser).await);
    }

    async fn whoever_the_directory_has_switched_off_is_refused_with_a_signed_response(engine) {
        let stage = Stage::new(engine).await;
        let joe = stage.foyer.person("joe", &[]).await;
        let mut browser = stage.signed_in("joe").await;
        stage.foyer.set_active(joe, false).await;
        assert!(!stage.is_signed_in(&mut browser).await);
        for mut browser in [browser, Browser::new()] {
            let page = stage.sign_in(&mut browser, &Says::of("joe", stage.now())).await;
            stage.expect_refused(&page, 403, "Your access is switched off", "inactive").await;
        }
        stage.foyer.set_active(joe, true).await;
        stage.signed_in("joe").await;
    }

    async fn a_request_is_posted_where_the_identity_provider_wants_that(engine) {
        let stage = Stage::set(engine, |settings| settings.sso[0].binding = SamlBinding::Post).await;
        stage.foyer.person("joe", &[]).await;
        let mut browser = Browser::new();
        let page = browser.visit(&stage.at("")).await.expect(200, "On to Anchor &#38; &#60;Sons&#62;");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("form-action 'self' https://idp.example;"), "{policy}");
        let asked = Asked::by_form(&page.body);
        assert_eq!(asked.to, stage.idp.sso());
        let response = stage.idp.response(&asked, &Says::of("joe", stage.now()));
        stage.brings(&mut browser, &asked.acs(), &response).await.expect_redirect("/me");
    }

    async fn our_metadata_is_where_our_name_says(engine) {
        let stage = Stage::new(engine).await;
        let page = Browser::new().visit(&stage.at("/metadata")).await.expect(200, "SPSSODescriptor");
        assert_eq!(page.headers["content-type"], "application/samlmetadata+xml");
        for text in [format!("entityID=\"{}\"", stage.at("/metadata")), stage.at("/acs"), stage.at("/slo")] {
            assert!(page.body.contains(&text), "{text}: {}", page.body);
        }
        let oidc = format!("{}/sign-in/saml/{}/metadata", stage.foyer.world.base, stage.foyer.tenant.connection);
        Browser::new().visit(&oidc).await.expect(404, "There is no page here");
    }

    async fn what_is_no_form_of_a_response_is_refused(engine) {
        let stage = Stage::new(engine).await;
        let acs = stage.at("/acs");
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        for fields in [
            vec![],
            vec![field("RelayState", "x")],
            vec![field("SAMLResponse", "a"), field("SAMLResponse", "b")],
            vec![field("SAMLResponse", "a"), field("RelayState", "x"), field("RelayState", "x")],
        ] {
            let page = posts(&mut Browser::new(), "cross-site", &acs, &fields).await;
            assert_eq!(page.status, 400, "{fields:?}: {}", page.body);
        }
        let page = posts(&mut Browser::new(), "cross-site", &acs, &vec![field("SAMLResponse", &"a".repeat(600 * 1024))]).await;
        assert_eq!(page.status, 413, "{}", page.body);
        for path in ["/acs", ""] {
            assert_eq!(Browser::new().post_from("cross-site", &stage.at(path), &[]).await.status, if path.is_empty() { 403 } else { 400 });
        }
        assert_eq!(Browser::new().visit(&acs).await.status, 405);
        assert_eq!(stage.count("sign_in_traces").await, 0, "nobody knows whose that was to be");
    }
}
