//! Forged, stale and foreign answers, by the numbers of the threat list.

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use vestibule::federation::{Kind, Refused, Trace};

use super::{Door, noon};
use crate::support::evil_idp::{Key, Manner, Signed};

#[tokio::test]
async fn o01_an_algorithm_outside_the_list_is_refused_even_when_announced() {
    let door = Door::with(|script| {
        script.signed = Signed::With(Key::Rsa, Algorithm::RS512);
        script.document = json!({ "id_token_signing_alg_values_supported": ["RS512"] });
    })
    .await;
    assert_eq!(door.outcome().await, "id_token_algorithm");
}

#[tokio::test]
async fn o03_authorized_party_and_audience_are_ours_alone() {
    for (claims, expected) in [
        (json!({ "azp": "vestibule" }), "accepted"),
        (json!({ "aud": ["vestibule"] }), "accepted"),
        (json!({ "azp": "another" }), "id_token_azp"),
        (json!({ "aud": ["vestibule", "another"], "azp": "vestibule" }), "id_token_audience"),
        (json!({ "aud": ["another"], "azp": "vestibule" }), "id_token_audience"),
        (json!({ "c_hash": "bm90IHRoZSBoYXNoIQ" }), "id_token_c_hash"),
    ] {
        let door = Door::with(|script| script.claims = claims.clone()).await;
        assert_eq!(door.outcome().await, expected, "{claims}");
    }
}

#[tokio::test]
async fn o03_times() {
    let now = noon().timestamp();
    for (claims, expected) in [
        (json!({ "exp": now - 59 }), "accepted"),
        (json!({ "exp": now - 60 }), "id_token_expired"),
        (json!({ "exp": 0 }), "id_token_expired"),
        (json!({ "iat": now - 300 }), "accepted"),
        (json!({ "iat": now - 301 }), "id_token_issued_at"),
        (json!({ "iat": now + 300 }), "accepted"),
        (json!({ "iat": now + 301 }), "id_token_issued_at"),
        (json!({ "nbf": now + 60 }), "accepted"),
        (json!({ "nbf": now + 61 }), "id_token_not_yet_valid"),
        (json!({ "nbf": "soon" }), "id_token_malformed"),
        (json!({ "nbf": 1e300 }), "id_token_malformed"),
        (json!({ "exp": null }), "id_token_claim_missing"),
        // O11: a time as text is no time.
        (json!({ "exp": "2100-01-01" }), "id_token_malformed"),
        (json!({ "exp": (now + 300).to_string() }), "id_token_malformed"),
        (json!({ "exp": -1e300 }), "id_token_malformed"),
        (json!({ "exp": 1e300 }), "id_token_malformed"),
        (json!({ "iat": i64::MAX }), "id_token_malformed"),
        (json!({ "iat": i64::MIN }), "id_token_malformed"),
        (json!({ "exp": i64::MAX }), "id_token_malformed"),
    ] {
        let door = Door::with(|script| script.claims = claims.clone()).await;
        assert_eq!(door.outcome().await, expected, "{claims}");
    }
}

#[tokio::test]
async fn an_authentication_in_the_future_is_no_proof() {
    let door = Door::with(|script| script.claims = json!({ "auth_time": noon().timestamp() + 3600 })).await;
    assert_eq!(door.sign_in().await.unwrap().authenticated_at, None);
}

#[tokio::test]
async fn subjects_that_name_nobody_are_refused() {
    for (subject, expected) in [
        (json!(""), "id_token_subject"),
        (json!("joe\n"), "id_token_subject"),
        (json!("joe\u{0}"), "id_token_subject"),
        (json!("x".repeat(256)), "id_token_subject"),
        (json!("x".repeat(255)), "accepted"),
        (json!(7), "id_token_malformed"),
        (json!(["joe"]), "id_token_malformed"),
    ] {
        let door = Door::with(|script| script.claims = json!({ "sub": subject })).await;
        assert_eq!(door.outcome().await, expected, "{subject}");
    }
}

#[tokio::test]
async fn headers_that_ask_for_more_are_refused() {
    for (header, expected) in [
        (json!({ "typ": null }), "accepted"),
        (json!({ "typ": "jwt" }), "accepted"),
        // Tokens for other ends: an access token, a logout token.
        (json!({ "typ": "at+jwt" }), "id_token_malformed"),
        (json!({ "typ": "logout+jwt" }), "id_token_malformed"),
        (json!({ "crit": ["b64"], "b64": false }), "id_token_malformed"),
        (json!({ "cty": "JWT" }), "id_token_malformed"),
        (json!({ "alg": null }), "id_token_malformed"),
        (json!({ "alg": "RSA-OAEP", "enc": "A128GCM" }), "id_token_algorithm"),
        // Keys in the token itself are never looked at.
        (
            json!({ "kid": "unknown", "jku": "https://evil.example/jwks", "jwk": {"kty": "oct", "k": "AAAA"} }),
            "id_token_unknown_key",
        ),
        (json!({ "kid": "../../etc/passwd' or 1=1" }), "id_token_unknown_key"),
    ] {
        let door = Door::with(|script| script.header = header.clone()).await;
        assert_eq!(door.outcome().await, expected, "{header}");
    }
}

#[tokio::test]
async fn o04_the_answer_is_from_the_issuer_that_was_asked() {
    let door = Door::new().await;
    let issuer = door.idp.issuer().to_owned();
    let announced = json!({ "authorization_response_iss_parameter_supported": true });
    let other = "https://other.example";
    for (document, response, expected) in [
        (json!({}), json!({}), "accepted"),
        (json!({}), json!({ "iss": issuer }), "accepted"),
        (json!({}), json!({ "iss": other }), "response_issuer_mismatch"),
        (announced.clone(), json!({ "iss": issuer }), "accepted"),
        (announced.clone(), json!({}), "response_issuer_missing"),
        (announced.clone(), json!({ "iss": other }), "response_issuer_mismatch"),
        (announced.clone(), json!({ "iss": format!("{issuer}/") }), "response_issuer_mismatch"),
        // An error is an answer too.
        (announced.clone(), json!({ "iss": other, "error": "access_denied", "code": null }), "response_issuer_mismatch"),
        (announced.clone(), json!({ "error": "access_denied", "code": null }), "response_issuer_missing"),
    ] {
        door.idp.script().document = document;
        door.idp.script().response = response.clone();
        door.wait(chrono::TimeDelta::hours(2));
        let before = door.idp.seen().token;
        let result = door.outcome().await;
        assert_eq!(result, expected, "{response}");
        if expected != "accepted" {
            assert_eq!(door.idp.seen().token, before, "the code was given to nobody");
        }
    }
}

#[tokio::test]
async fn an_error_of_the_provider_is_told_as_such() {
    for (error, kind) in [
        ("access_denied", Kind::Declined),
        ("login_required", Kind::Declined),
        ("temporarily_unavailable", Kind::Unavailable),
        ("invalid_scope", Kind::Misconfigured),
    ] {
        let response = json!({ "code": null, "error": error, "error_description": "no\r\nSet-Cookie: x=y" });
        let door = Door::with(|script| script.response = response).await;
        let refused = door.sign_in().await.unwrap_err();
        assert_eq!((refused.reason(), refused.kind()), ("declined", kind), "{error}");
        assert!(!refused.to_string().contains(['\r', '\n']), "{refused}");
        assert_eq!(door.idp.seen().token, 0);
    }
}

#[tokio::test]
async fn an_answer_without_code_is_refused() {
    for code in [Value::Null, json!("")] {
        let door = Door::with(|script| script.response = json!({ "code": code })).await;
        assert_eq!(door.outcome().await, "code_missing");
    }
}

#[tokio::test]
async fn oidcc_client_test_form_post_error_with_both_code_and_error() {
    let door = Door::with(|script| script.response = json!({ "error": "access_denied" })).await;
    assert_eq!(door.outcome().await, "declined");
    assert_eq!(door.idp.seen().token, 0);
}

#[tokio::test]
async fn o05_a_code_is_redeemed_once_and_only_by_who_asked() {
    let door = Door::new().await;
    let mut trace = Trace::default();
    let (mine, other) = (door.begin(&mut trace).await.unwrap(), door.begin(&mut trace).await.unwrap());
    let (my_code, other_code) = (door.idp.authorize(&mine.authorization_url), door.idp.authorize(&other.authorization_url));
    // Another sign-in's code under my verifier: PKCE.
    let refused = door.finish(&mine, other_code, &mut trace).await.unwrap_err();
    assert_eq!((refused.reason(), refused.kind()), ("code_refused", Kind::Untrusted));
    // My code, twice.
    door.finish(&mine, my_code.clone(), &mut trace).await.unwrap();
    assert_eq!(door.finish(&mine, my_code, &mut trace).await.unwrap_err().reason(), "code_refused");
}

#[tokio::test]
async fn o09_a_token_of_another_client_of_the_same_provider() {
    let door = Door::with(|script| script.claims = json!({ "aud": "another", "azp": "another" })).await;
    assert_eq!(door.outcome().await, "id_token_audience");
}

#[tokio::test]
async fn o06_a_token_endpoint_that_misbehaves() {
    for (manner, reason, kind) in [
        (Manner::Status(500), "token_nonsense", Kind::Unavailable),
        (Manner::Garbage, "token_nonsense", Kind::Unavailable),
        (Manner::Redirects, "token_nonsense", Kind::Unavailable),
        (Manner::Oversized, "token_nonsense", Kind::Unavailable),
        (Manner::Hangs, "token_unreachable", Kind::Unavailable),
    ] {
        let door = Door::with(|script| script.token = manner).await;
        let refused = door.sign_in().await.unwrap_err();
        assert_eq!((refused.reason(), refused.kind()), (reason, kind), "{manner:?}: {refused}");
    }
    let door = Door::with(|script| script.token = Manner::Status(503)).await;
    let refused = door.sign_in().await.unwrap_err();
    assert!(matches!(&refused, Refused::Nonsense { what, .. } if what == "status 503"), "{refused:?}");
}

#[tokio::test]
async fn token_answers_that_are_not_what_was_asked() {
    for (answer, expected) in [
        (json!({ "id_token": null }), "id_token_missing"),
        (json!({ "access_token": null }), "token_nonsense"),
        (json!({ "id_token": "" }), "id_token_malformed"),
        (json!({ "id_token": "a.b.c" }), "id_token_malformed"),
        (json!({ "id_token": 7 }), "token_nonsense"),
        // What is not used may be of any shape.
        (json!({ "expires_in": "3600", "scope": ["openid"], "token_type": null, "refresh_token": 7 }), "accepted"),
    ] {
        let door = Door::with(|script| script.answer = answer.clone()).await;
        assert_eq!(door.outcome().await, expected, "{answer}");
    }
}

#[tokio::test]
async fn a_wrong_client_secret_is_the_administrators_to_mend() {
    let mut door = Door::new().await;
    door.secret = "wrong".to_owned().into();
    let refused = door.sign_in().await.unwrap_err();
    assert_eq!((refused.reason(), refused.kind()), ("code_refused", Kind::Misconfigured));
    assert!(refused.to_string().contains("invalid_client"), "{refused}");
}
