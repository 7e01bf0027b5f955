//! Responses that nobody asked for (R15): refused, or thrown away for a sign-in that begins here.

use super::{Stage, posts};
use crate::support::http::{Browser, Visit};
use crate::support::saml_idp::{SamlIdp, Says};
use crate::support::world::on_every_engine;

impl Stage {
    /// The identity provider sends somebody of its own accord, with a RelayState.
    async fn sends(&self, browser: &mut Browser, idp: &SamlIdp, relay_state: &str) -> Visit {
        let (audience, acs) = (self.at("/metadata"), self.at("/acs"));
        let response = idp.response_to(None, &audience, &acs, relay_state, &Says::of("joe", self.now()));
        posts(browser, "cross-site", &acs, &response).await
    }
}

on_every_engine! {
    async fn sso_r15_what_nobody_asked_for_is_refused(engine) {
        let stage = Stage::new(engine).await;
        stage.foyer.person("joe", &[]).await;
        for relay_state in ["", "https://portal.example/", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
            let page = stage.sends(&mut Browser::new(), &stage.idp, relay_state).await;
            stage.expect_refused(&page, 400, "Please begin here", "unsolicited").await;
            assert!(page.body.contains(&format!("href=\"/sign-in/saml/{}\"", stage.connection)), "{}", page.body);
            assert!(!page.body.contains("portal.example"), "{}", page.body);
        }
        // What says to answer a request is no response of that kind.
        let (audience, acs) = (stage.at("/metadata"), stage.at("/acs"));
        let response = stage.idp.response_to(Some("_guess"), &audience, &acs, "x", &Says::of("joe", stage.now()));
        posts(&mut Browser::new(), "cross-site", &acs, &response).await.expect(400, "Please sign in again");
        // What cannot be read says nothing of that; and nobody is told more of a connection that is not there than of a page.
        let junk = vec![("SAMLResponse".to_owned(), "PGh0bWwvPg==".to_owned())];
        posts(&mut Browser::new(), "cross-site", &acs, &junk).await.expect(400, "Please sign in again");
        let nowhere = acs.replace(&stage.connection.to_string(), &stage.foyer.tenant.id.to_string());
        posts(&mut Browser::new(), "cross-site", &nowhere, &junk).await.expect(404, "There is no page here");
        assert_eq!((stage.count("sessions").await, stage.count("subjects").await), (0, 0));
    }

    async fn sso_r15_what_cannot_be_read_is_said_to_be_that_and_leaves_a_trace(engine) {
        let stage = Stage::set(engine, |settings| settings.idp_initiated = true).await;
        for (field, reason) in [("PGh0bWwvPg==", "saml_root"), ("<html/>", "saml_not_base64")] {
            let fields = vec![("SAMLResponse".to_owned(), field.to_owned())];
            let page = posts(&mut Browser::new(), "cross-site", &stage.at("/acs"), &fields).await;
            stage.expect_refused(&page, 502, "We could not accept the answer of", reason).await;
        }
        assert_eq!(stage.count("sign_in_traces").await, 2);
    }

    async fn sso_r15_s30_or_thrown_away_unread_for_a_sign_in_that_begins_here(engine) {
        let stage = Stage::set(engine, |settings| settings.idp_initiated = true).await;
        stage.foyer.person("joe", &[]).await;
        let begin = format!("/sign-in/saml/{}", stage.connection);
        // Whoever signed it, and wherever it is to lead.
        let evil = SamlIdp::new("evil", stage.now());
        for (idp, relay_state) in [(&stage.idp, "https://evil.example/"), (&evil, "//evil.example"), (&stage.idp, "/me/logins"), (&stage.idp, "")] {
            stage.sends(&mut Browser::new(), idp, relay_state).await.expect_redirect(&begin);
        }
        assert_eq!((stage.count("sessions").await, stage.count("subjects").await), (0, 0));
        assert_eq!(stage.count("connection_assertions").await, 0, "it was not read");
        // What then comes by that sign-in is taken, and leads to the page of the person.
        let mut browser = Browser::new();
        stage.sends(&mut browser, &stage.idp, "https://evil.example/").await.expect_redirect(&begin);
        let asked = stage.asked(&mut browser).await;
        let back = stage.brings(&mut browser, &asked.acs(), &stage.idp.response(&asked, &Says::of("joe", stage.now()))).await;
        back.expect_redirect("/me");
        // It is no way around the request: an answer without one, by its handle, is none.
        let asked = stage.asked(&mut browser).await;
        let (audience, state) = (stage.at("/metadata"), asked.relay_state.clone().unwrap());
        let response = stage.idp.response_to(None, &audience, &asked.acs(), &state, &Says::of("joe", stage.now()));
        let page = stage.brings(&mut browser, &asked.acs(), &response).await;
        assert_eq!(page.status, 502, "{}", page.body);
    }
}
