//! Single logout: begun by the identity provider, or by us; by addresses and by forms.

use vestibule::model::SamlBinding;

use super::{Stage, asked_by, posts};
use crate::openid::noon;
use crate::support::http::{Browser, Visit};
use crate::support::saml_idp::{Asked, SamlIdp, Says};
use crate::support::world::on_every_engine;

const BINDINGS: [SamlBinding; 2] = [SamlBinding::Redirect, SamlBinding::Post];

impl Stage {
    /// The identity provider takes logout messages, and answers, by a binding.
    async fn by(engine: vestibule::store::Engine, binding: SamlBinding) -> Self {
        let stage = Self::set(engine, |settings| settings.slo[0].binding = binding).await;
        for name in ["joe", "ann"] {
            stage.foyer.person(name, &[]).await;
        }
        stage
    }

    /// Somebody signs in, in a session of the identity provider's.
    async fn in_session(&self, name: &str, index: Option<&str>) -> Browser {
        let mut browser = Browser::new();
        let says = Says { session_index: index.map(Into::into), ..Says::of(name, self.now()) };
        self.sign_in(&mut browser, &says).await.expect_redirect("/me");
        browser
    }

    /// A browser without any cookie brings the identity provider's word that somebody's sessions there are over.
    async fn ends(&self, idp: &SamlIdp, binding: SamlBinding, name: &str, indexes: &[&str]) -> Visit {
        let message = idp.logout_request(&self.at("/slo"), &format!("{name}-for-ever"), indexes, self.now());
        match binding {
            SamlBinding::Redirect => Browser::new().visit(&idp.redirect(&message, Some("their state"))).await,
            SamlBinding::Post => {
                posts(&mut Browser::new(), "cross-site", &self.at("/slo"), &idp.post(&message, Some("their state"))).await
            }
        }
    }
}

/// What an answer of ours, in whichever binding, tells the identity provider.
fn told(visit: &Visit) -> Asked {
    match &visit.location {
        Some(location) => Asked::by_redirect(location),
        None => Asked::by_form(&visit.body),
    }
}

on_every_engine! {
    async fn what_the_identity_provider_ends_ends_here(engine) {
        for binding in BINDINGS {
            let stage = Stage::by(engine, binding).await;
            let mut first = stage.in_session("joe", Some("s-1")).await;
            let mut second = stage.in_session("joe", Some("s-2")).await;
            let mut ann = stage.in_session("ann", Some("s-1")).await;
            // One session of two, by its index; no cookie is needed for it.
            let answer = stage.ends(&stage.idp, binding, "joe", &["s-1", "s-9"]).await;
            let said = told(&answer);
            assert_eq!((said.to.clone(), said.relay_state.as_deref()), (stage.idp.slo(), Some("their state")), "{said:?}");
            assert!(said.xml.contains(":LogoutResponse ") && said.xml.contains("status:Success"), "{said:?}");
            assert_eq!(said.issuer, stage.at("/metadata"));
            assert!(!stage.is_signed_in(&mut first).await && stage.is_signed_in(&mut second).await);
            assert!(stage.is_signed_in(&mut ann).await, "the index is not hers alone");
            let ended = "events where kind = 'session.ended' and details ->> 'reason' = 'identity_provider'";
            assert_eq!(stage.count(ended).await, 1);
            // All of them, without an index.
            let mut third = stage.in_session("joe", None).await;
            stage.ends(&stage.idp, binding, "joe", &[]).await;
            assert!(!stage.is_signed_in(&mut second).await && !stage.is_signed_in(&mut third).await);
            assert!(stage.is_signed_in(&mut ann).await);
            assert_eq!(stage.count(ended).await, 3);
            // Whoever is signed in nowhere is signed out: the others wait for the answer.
            assert!(told(&stage.ends(&stage.idp, binding, "joe", &[]).await).xml.contains("status:Success"));
            assert_eq!(stage.count("sessions").await, 1);
        }
    }

    async fn a_session_that_never_had_an_index_ends_by_any(engine) {
        let stage = Stage::by(engine, SamlBinding::Redirect).await;
        let mut joe = stage.in_session("joe", None).await;
        stage.ends(&stage.idp, SamlBinding::Redirect, "joe", &["s-1"]).await;
        assert!(!stage.is_signed_in(&mut joe).await);
    }

    async fn sso_s31_a_logout_that_nobody_signed_or_that_came_before_ends_nothing(engine) {
        let stage = Stage::by(engine, SamlBinding::Redirect).await;
        let mut joe = stage.in_session("joe", Some("s-1")).await;
        let slo = stage.at("/slo");
        let message = stage.idp.logout_request(&slo, "joe-for-ever", &[], stage.now());
        let good = stage.idp.redirect(&message, None);
        let (unsigned, _) = good.split_once("&SigAlg").unwrap();
        let evil = SamlIdp::new("evil", noon());
        let unsigned_form = vec![stage.idp.post(&message, None).remove(0)];
        let unsigned_form: Vec<_> = unsigned_form
            .into_iter()
            .map(|(name, value)| {
                use base64::Engine as _;
                let standard = base64::engine::general_purpose::STANDARD;
                let xml = String::from_utf8(standard.decode(value).unwrap()).unwrap();
                let (before, rest) = xml.split_once("<ds:Signature").unwrap();
                let (_, after) = rest.split_once("</ds:Signature>").unwrap();
                (name, standard.encode(format!("{before}{after}")))
            })
            .collect();
        for (case, address) in [
            ("unsigned", unsigned.to_owned()),
            ("another message", good.replacen("SAMLRequest=", "SAMLRequest=x", 1)),
            ("twice", format!("{good}&SAMLRequest=x")),
            ("another algorithm", good.replace("rsa-sha256", "rsa-sha1")),
            ("somebody else's", evil.redirect(&evil.logout_request(&slo, "joe-for-ever", &[], stage.now()), None)),
            ("nothing", slo.clone()),
            ("junk", format!("{slo}?SAMLRequest=%ff&Signature=x&SigAlg=y")),
        ] {
            let page = Browser::new().visit(&address).await;
            assert_eq!(page.status, 400, "{case}: {}", page.body);
            assert!(stage.is_signed_in(&mut joe).await, "{case}");
        }
        for (case, fields) in [("unsigned", unsigned_form), ("somebody else's", evil.post(&message, None)), ("nothing", vec![])] {
            let page = posts(&mut Browser::new(), "cross-site", &slo, &fields).await;
            assert_eq!(page.status, 400, "{case}: {}", page.body);
            assert!(stage.is_signed_in(&mut joe).await, "{case}");
        }
        assert_eq!(Browser::new().visit(&good).await.status, 303);
        assert!(!stage.is_signed_in(&mut joe).await);
        // Who has that address ends nothing by it a second time.
        let mut joe = stage.in_session("joe", Some("s-1")).await;
        assert_eq!(Browser::new().visit(&good).await.status, 400);
        assert!(stage.is_signed_in(&mut joe).await);
        assert_eq!(stage.count("sign_in_traces where outcome <> 'signed_in'").await, 0, "anybody could fill the log");
    }

    async fn whoever_signs_out_here_is_sent_to_sign_out_there(engine) {
        for binding in BINDINGS {
            let stage = Stage::by(engine, binding).await;
            for (status, words) in [("Success", "close the browser too"), ("Responder", "may still know this browser")] {
                let mut joe = stage.in_session("joe", Some("s-1")).await;
                let page = joe.post(&stage.page("/sign-out"), &[]).await.expect(200, "You are signed out here");
                assert!(!stage.is_signed_in(&mut joe).await, "it has ended before anybody is asked");
                let asked = match binding {
                    SamlBinding::Redirect => asked_by(&page),
                    SamlBinding::Post => Asked::by_form(&page.body),
                };
                assert_eq!((asked.to.clone(), asked.text("NameID").as_deref()), (stage.idp.slo(), Some("joe-for-ever")));
                assert_eq!(asked.text("SessionIndex").as_deref(), Some("s-1"));
                let answer = stage.idp.logout_response(&asked, status, stage.now());
                let back = stage.idp.redirect(&answer, asked.relay_state.as_deref());
                joe.visit(&back).await.expect(200, "You are signed out").expect(200, words);
                // Once, and only what was asked for.
                assert_eq!(joe.visit(&back).await.status, 400);
                assert_eq!(stage.count("pending_logouts").await, 0);
            }
        }
    }

    async fn an_answer_to_another_question_is_none(engine) {
        let stage = Stage::by(engine, SamlBinding::Redirect).await;
        let mut browsers = [stage.in_session("joe", None).await, stage.in_session("ann", None).await];
        let mut asked = Vec::new();
        for browser in &mut browsers {
            let page = browser.post(&stage.page("/sign-out"), &[]).await.expect(200, "You are signed out here");
            asked.push(asked_by(&page));
        }
        let answer = stage.idp.logout_response(&asked[0], "Success", stage.now());
        for state in [asked[1].relay_state.as_deref(), Some("https://evil.example/"), None] {
            let page = browsers[0].visit(&stage.idp.redirect(&answer, state)).await;
            assert_eq!(page.status, 400, "{state:?}: {}", page.body);
        }
        // By a form it is taken too.
        let fields = stage.idp.post(&answer, asked[0].relay_state.as_deref());
        posts(&mut browsers[0], "cross-site", &stage.at("/slo"), &fields).await.expect(200, "You are signed out");
    }

    async fn whoever_cannot_be_looked_up_can_sign_out_all_the_same(engine) {
        let stage = Stage::by(engine, SamlBinding::Redirect).await;
        let mut joe = stage.in_session("joe", None).await;
        let broken = r#"update connections set settings = '{"protocol":"saml","sso":1}' where slug = 'saml'"#;
        crate::support::sql::change(&stage.foyer.world.database.url, broken).await;
        joe.post(&stage.page("/sign-out"), &[]).await.expect(200, "You are signed out");
        assert_eq!((stage.count("sessions").await, stage.count("pending_logouts").await), (0, 0));
    }

    async fn an_identity_provider_without_a_place_for_logouts_is_not_asked(engine) {
        let stage = Stage::set(engine, |settings| settings.slo.clear()).await;
        stage.foyer.person("joe", &[]).await;
        let mut joe = stage.signed_in("joe").await;
        joe.post(&stage.page("/sign-out"), &[]).await.expect(200, "You are signed out").expect(200, "Sign in again");
        assert!(!stage.is_signed_in(&mut joe).await);
        assert_eq!(stage.count("pending_logouts").await, 0);
    }
}
