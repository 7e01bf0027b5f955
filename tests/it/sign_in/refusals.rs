//! Identities that are not let in, and identity providers that are not believed: the right page, a trace, and nothing else.

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::{Stage, noon};
use crate::support::evil_idp::{EvilIdp, Key, Manner, Script, Signed};
use crate::support::http::Browser;
use crate::support::sql;
use crate::support::world::on_every_engine;

/// The pair `oid` = `externalId` in place of `sub` = `externalId`: many subjects can then claim one login.
const BY_OID: &[(&str, &str)] = &[("claim = \"sub\"", "claim = \"oid\"")];
const BY_USER_NAME: &[(&str, &str)] =
    &[("claim = \"sub\"", "claim = \"oid\""), ("attribute = \"externalId\"", "attribute = \"userName\"")];

const UNKNOWN: &str = "You have no access here yet";
const UNREACHABLE: &str = "We could not reach The identity provider of bluesky";
const UNTRUSTED: &str = "We could not accept the answer of The identity provider of bluesky";

async fn switch_connection_off(stage: &Stage) {
    sql::change(&stage.world.database.url, "update connections set state = 'disabled'").await;
}

on_every_engine! {
    async fn somebody_whom_nobody_provisioned_is_unknown(engine) {
        let stage = Stage::new(engine).await;
        stage.provision("joe", "joe").await;
        stage.person(json!({ "sub": "stranger", "email": "joe", "email_verified": true, "preferred_username": "joe" }));
        let before = stage.tally().await;
        let page = stage.sign_in(&mut Browser::new()).await;
        stage.expect_refused(&page, before, 403, UNKNOWN, "unknown").await;
        assert!(page.body.contains("it@bluesky.example"), "{}", page.body);
        // A subject is compared byte for byte.
        stage.person(json!({ "sub": "JOE" }));
        let before = stage.tally().await;
        let page = stage.sign_in(&mut Browser::new()).await;
        stage.expect_refused(&page, before, 403, UNKNOWN, "unknown").await;
    }

    async fn a_pair_that_fits_two_logins_binds_neither(engine) {
        let stage = Stage::new(engine).await;
        stage.provision("joe", "joe").await;
        stage.provision("joe.gsa", "joe").await;
        let before = stage.tally().await;
        let page = stage.sign_in(&mut Browser::new()).await;
        stage.expect_refused(&page, before, 403, "We could not tell who you are", "ambiguous").await;
    }

    async fn a_bound_login_is_not_given_to_a_second_subject(engine) {
        let stage = Stage::set(engine, "if-provisioned", BY_OID).await;
        stage.provision("joe", "0a1b").await;
        stage.person(json!({ "sub": "first", "oid": "0a1b" }));
        stage.sign_in(&mut Browser::new()).await.expect(200, "No account yet");
        stage.person(json!({ "sub": "second", "oid": "0a1b" }));
        let before = stage.tally().await;
        let page = stage.sign_in(&mut Browser::new()).await;
        stage.expect_refused(&page, before, 403, "This access belongs to another sign-in", "already_bound").await;
        // A claim with two values names nobody.
        stage.person(json!({ "sub": "third", "oid": ["0a1b", "2c3d"] }));
        let before = stage.tally().await;
        let page = stage.sign_in(&mut Browser::new()).await;
        stage.expect_refused(&page, before, 403, UNKNOWN, "unknown").await;
    }

    async fn o07_an_address_binds_nobody_whatever_claim_it_comes_in(engine) {
        let address = "joe.bloggs@bluesky.example";
        let stage = Stage::new(engine).await;
        stage.provision(address, address).await;
        stage.person(json!({ "sub": address, "email": address, "email_verified": true }));
        let before = stage.tally().await;
        let page = stage.sign_in(&mut Browser::new()).await;
        stage.expect_refused(&page, before, 403, UNKNOWN, "email_shaped").await;

        let stage = Stage::set(engine, "if-provisioned", BY_USER_NAME).await;
        stage.provision(address, "0a1b").await;
        stage.person(json!({ "sub": "0a1b", "oid": address }));
        let before = stage.tally().await;
        let page = stage.sign_in(&mut Browser::new()).await;
        stage.expect_refused(&page, before, 403, UNKNOWN, "email_shaped").await;
    }

    async fn a_connection_that_is_off_lets_nobody_in_and_ends_its_sessions(engine) {
        let stage = Stage::new(engine).await;
        stage.provision("joe", "joe").await;
        let mut inside = Browser::new();
        stage.sign_in(&mut inside).await.expect(200, "No account yet");
        let mut underway = Browser::new();
        let back = stage.way_back(&mut underway).await;
        switch_connection_off(&stage).await;

        let off = "This way to sign in is switched off";
        let before = stage.tally().await;
        let page = stage.sign_in(&mut Browser::new()).await;
        stage.expect_refused(&page, before, 403, off, "connection_off").await;
        let before = stage.tally().await;
        let page = underway.visit(&back).await;
        stage.expect_refused(&page, before, 403, off, "connection_off").await;
        stage.me(&mut inside).await.expect_redirect("/sign-in");
        let form = Browser::new().post(&format!("{}/sign-in", stage.world.base), &[("identifier", "joe@bluesky.example")]).await;
        assert_eq!(form.status, 422, "its domain leads nowhere either");
    }

    async fn jit_off_binds_and_creates_nobody(engine) {
        let stage = Stage::set(engine, "off", &[]).await;
        stage.provision("joe", "joe").await;
        for sub in ["joe", "stranger"] {
            stage.person(json!({ "sub": sub }));
            let before = stage.tally().await;
            let page = stage.sign_in(&mut Browser::new()).await;
            stage.expect_refused(&page, before, 403, UNKNOWN, "unknown").await;
        }
    }

    async fn jit_on_creates_once_and_finds_it_again(engine) {
        let stage = Stage::set(engine, "on", &[]).await;
        stage.person(json!({ "sub": "stranger", "name": "Sam <b>Okafor</b>" }));
        let page = stage.sign_in(&mut Browser::new()).await.expect(200, "No account yet");
        assert!(page.body.contains("Sam ") && !page.body.contains("<b>Okafor"), "{}", page.body);
        let made = stage.tally().await;
        assert_eq!((made.logins, made.persons, made.subjects, made.sessions), (1, 1, 1, 1));
        stage.sign_in(&mut Browser::new()).await.expect(200, "No account yet");
        let found = stage.tally().await;
        assert_eq!((found.logins, found.persons, found.subjects, found.sessions), (1, 1, 1, 2));
        // Subjects differ byte for byte where user names do not; both people are let in, each with a login of their own.
        stage.person(json!({ "sub": "STRANGER" }));
        stage.sign_in(&mut Browser::new()).await.expect(200, "No account yet");
        let other = stage.tally().await;
        assert_eq!((other.logins, other.persons, other.subjects, other.sessions), (2, 2, 2, 3));
        // Whoever the directory provisioned is bound and not made a second time.
        stage.provision("joe", "joe").await;
        stage.person(json!({ "sub": "joe" }));
        stage.sign_in(&mut Browser::new()).await.expect(200, "No account yet");
        assert_eq!(stage.tally().await.logins, 3);
    }

    async fn jit_never_revives_who_was_deleted(engine) {
        let stage = Stage::set(engine, "on", &[]).await;
        for is_bound in [false, true] {
            let id = stage.provision("joe", "joe").await;
            if is_bound {
                stage.sign_in(&mut Browser::new()).await.expect(200, "No account yet");
            }
            stage.tenant.scim.delete(&format!("/Users/{id}")).await.expect(204);
            let before = stage.tally().await;
            let page = stage.sign_in(&mut Browser::new()).await;
            stage.expect_refused(&page, before, 403, "Your access has ended", "gone").await;
        }
    }

    async fn an_identity_provider_that_refuses_is_shown_as_such(engine) {
        let stage = Stage::new(engine).await;
        stage.provision("joe", "joe").await;
        let denied = "The sign-in was not completed";
        for (error, status, heading) in [
            ("access_denied", 403, denied),
            ("login_required", 403, denied),
            ("temporarily_unavailable", 502, UNREACHABLE),
            ("invalid_scope", 502, UNTRUSTED),
            ("<script>alert(1)</script>", 502, UNTRUSTED),
        ] {
            stage.idp.script().response =
                json!({ "code": null, "error": error, "error_description": format!("code-{error} as the test wants it") });
            let before = stage.tally().await;
            let page = stage.sign_in(&mut Browser::new()).await;
            stage.expect_refused(&page, before, status, heading, "declined").await;
            assert!(!page.body.contains("as the test wants it") && !page.body.contains("<script"), "{}", page.body);
        }
        stage.idp.script().response = json!({ "code": null });
        let before = stage.tally().await;
        let page = stage.sign_in(&mut Browser::new()).await;
        stage.expect_refused(&page, before, 502, UNTRUSTED, "code_missing").await;
    }

    async fn an_identity_provider_that_fails_is_not_the_persons_fault(engine) {
        for manner in [Manner::Status(500), Manner::Garbage, Manner::Oversized, Manner::Redirects] {
            for (outcome, set) in ENDPOINTS {
                // A provider that was not met yet: documents and keys are remembered.
                let stage = Stage::new(engine).await;
                stage.provision("joe", "joe").await;
                set(&mut stage.idp.script(), manner);
                let before = stage.tally().await;
                let page = stage.sign_in(&mut Browser::new()).await;
                stage.expect_refused(&page, before, 502, UNREACHABLE, outcome).await;
            }
        }
    }

    async fn an_identity_provider_that_is_not_there_is_unreachable(engine) {
        let stage = Stage::new(engine).await;
        sql::change(&stage.world.database.url, "update connections set issuer = 'http://127.0.0.1:1'").await;
        let before = stage.tally().await;
        let page = stage.sign_in(&mut Browser::new()).await;
        stage.expect_refused(&page, before, 502, UNREACHABLE, "discovery_unreachable").await;
    }

    async fn o01_o03_o09_a_token_that_is_not_right_signs_nobody_in(engine) {
        let stage = Stage::new(engine).await;
        stage.provision("joe", "joe").await;
        // The document and the keys are those of a provider that does everything right.
        stage.sign_in(&mut Browser::new()).await.expect(200, "No account yet");
        let signed = |signed| move |script: &mut Script| script.signed = signed;
        let claims = |claims: Value| move |script: &mut Script| script.claims = claims;
        let cases: Vec<(&str, Case)> = vec![
            ("id_token_unsigned", Box::new(signed(Signed::Not))),
            ("id_token_algorithm", Box::new(signed(Signed::HmacWithPublicKey))),
            ("id_token_algorithm", Box::new(signed(Signed::HmacWithClientSecret))),
            ("id_token_signature", Box::new(signed(Signed::Corrupted(Key::Rsa, Algorithm::RS256)))),
            ("id_token_audience", Box::new(claims(json!({ "aud": "another-application" })))),
            ("id_token_issuer", Box::new(claims(json!({ "iss": "https://evil.example" })))),
            ("id_token_nonce", Box::new(claims(json!({ "nonce": "another" })))),
            ("id_token_expired", Box::new(claims(json!({ "exp": noon().timestamp() - 3_600 })))),
            ("id_token_at_hash", Box::new(claims(json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" })))),
            ("id_token_missing", Box::new(|script| script.answer = json!({ "id_token": null }))),
        ];
        for (outcome, case) in cases {
            let right = (Signed::With(Key::Rsa, Algorithm::RS256), json!({}), json!({}));
            case(&mut stage.idp.script());
            let before = stage.tally().await;
            let page = stage.sign_in(&mut Browser::new()).await;
            stage.expect_refused(&page, before, 502, UNTRUSTED, outcome).await;
            let mut script = stage.idp.script();
            (script.signed, script.claims, script.answer) = right;
        }
    }

    async fn o04_an_answer_in_anothers_name_is_refused(engine) {
        let stage = Stage::new(engine).await;
        stage.provision("joe", "joe").await;
        stage.idp.script().document = json!({ "authorization_response_iss_parameter_supported": true });
        let other = EvilIdp::start(noon()).await;
        for (response, outcome) in
            [(json!({}), "response_issuer_missing"), (json!({ "iss": other.issuer() }), "response_issuer_mismatch")]
        {
            stage.idp.script().response = response;
            let before = stage.tally().await;
            let page = stage.sign_in(&mut Browser::new()).await;
            stage.expect_refused(&page, before, 502, UNTRUSTED, outcome).await;
        }
    }
}

/// Makes the provider do one thing wrong.
type Case = Box<dyn FnOnce(&mut Script)>;
type Set = fn(&mut Script, Manner);
const ENDPOINTS: [(&str, Set); 3] = [
    ("discovery_nonsense", |script, manner| script.discovery = manner),
    ("keys_nonsense", |script, manner| script.jwks = manner),
    ("token_nonsense", |script, manner| script.token = manner),
];
