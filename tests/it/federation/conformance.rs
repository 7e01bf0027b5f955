//! The relying party tests of the OpenID Foundation's conformance suite that concern the code flow, by their names.

use jsonwebtoken::Algorithm;
use serde_json::json;
use vestibule::federation::{Outcome, Step, Trace};
use vestibule::model::SubjectKind;

use super::{Door, noon};
use crate::support::evil_idp::{Key, Signed};

#[tokio::test]
async fn oidcc_client_test() {
    let door = Door::with(|script| {
        script.claims = json!({
            "oid": "0001", "groups": ["a", "b"], "email": "joe@example.com", "email_verified": "true", "sid": "upstream", "acr": "high",
            "amr": ["pwd", "otp"], "auth_time": noon().timestamp() - 10, "address": {"country": "GB"}, "level": 3,
        });
    })
    .await;
    let (result, trace) = door.traced().await;
    let identity = result.unwrap();
    assert_eq!(identity.subject.connection, door.connection.id);
    assert_eq!(identity.subject.issuer, door.idp.issuer());
    assert_eq!(identity.subject.kind, SubjectKind::Sub);
    assert_eq!(identity.subject.value, "joe");
    assert_eq!(identity.claim("sub"), Some("joe"));
    assert_eq!(identity.claim("oid"), Some("0001"));
    assert_eq!(identity.claim("email_verified"), Some("true"));
    assert_eq!(identity.claim("level"), Some("3"));
    assert_eq!(identity.claims["groups"], ["a", "b"]);
    assert_eq!(identity.claim("groups"), None, "several values name nobody");
    for protocol in ["iss", "aud", "exp", "iat", "nonce", "at_hash", "address"] {
        assert!(!identity.claims.contains_key(protocol), "{protocol}");
    }
    assert_eq!(identity.authenticated_at.unwrap().timestamp(), noon().timestamp() - 10);
    assert_eq!(identity.upstream_session.as_deref(), Some("upstream"));
    assert_eq!(identity.acr.as_deref(), Some("high"));
    assert_eq!(identity.amr, ["pwd", "otp"]);
    let steps: Vec<_> = trace.entries().iter().map(|entry| (entry.step, entry.outcome)).collect();
    let steps_expected = [Step::Discovery, Step::Request, Step::Callback, Step::Token, Step::IdToken, Step::Assurance]
        .map(|step| (step, Outcome::Ok));
    assert_eq!(steps, steps_expected);
    let told = serde_json::to_string(&trace).unwrap();
    assert!(told.contains("email_verified") && !told.contains("joe@example.com"), "names of claims, never values: {told}");
}

#[tokio::test]
async fn oidcc_client_test_groups_as_plain_string() {
    let door = Door::with(|script| script.claims = json!({ "groups": "only" })).await;
    assert_eq!(door.sign_in().await.unwrap().claims["groups"], ["only"]);
}

#[tokio::test]
async fn oidcc_client_test_scope_userinfo_claims() {
    let door = Door::new().await;
    let begun = door.begin(&mut Trace::default()).await.unwrap();
    let asked: std::collections::HashMap<_, _> = begun.authorization_url.query_pairs().into_owned().collect();
    assert_eq!(asked["scope"], "openid profile email");
    assert_eq!(asked["redirect_uri"], "https://vestibule.example/sign-in/oidc/entra/callback");
    assert_eq!(asked["code_challenge_method"], "S256");
    assert!(!asked.contains_key("client_secret"));
}

#[tokio::test]
async fn oidcc_client_test_invalid_iss() {
    let door = Door::with(|script| script.claims = json!({ "iss": "https://other.example" })).await;
    assert_eq!(door.outcome().await, "id_token_issuer");
    // To the letter: a trailing slash is another issuer.
    let with_slash = format!("{}/", door.idp.issuer());
    door.idp.script().claims = json!({ "iss": with_slash });
    assert_eq!(door.outcome().await, "id_token_issuer");
}

#[tokio::test]
async fn oidcc_client_test_missing_sub() {
    let door = Door::with(|script| script.claims = json!({ "sub": null })).await;
    let refused = door.sign_in().await.unwrap_err();
    assert_eq!(refused.to_string(), "the ID token has no sub claim");
}

#[tokio::test]
async fn oidcc_client_test_invalid_aud() {
    let door = Door::with(|script| script.claims = json!({ "aud": "another" })).await;
    assert_eq!(door.outcome().await, "id_token_audience");
}

#[tokio::test]
async fn oidcc_client_test_missing_aud() {
    let door = Door::with(|script| script.claims = json!({ "aud": null })).await;
    assert_eq!(door.sign_in().await.unwrap_err().to_string(), "the ID token has no aud claim");
    door.idp.script().claims = json!({ "aud": [] });
    assert_eq!(door.outcome().await, "id_token_audience");
}

#[tokio::test]
async fn oidcc_client_test_missing_iat() {
    let door = Door::with(|script| script.claims = json!({ "iat": null })).await;
    assert_eq!(door.sign_in().await.unwrap_err().to_string(), "the ID token has no iat claim");
}

#[tokio::test]
async fn oidcc_client_test_kid_absent_single_jwks() {
    let door = Door::with(|script| script.header = json!({ "kid": null })).await;
    assert_eq!(door.outcome().await, "accepted");
    // Keys of another type do not count: one fits.
    door.idp.script().published = vec![(Key::P256, Some("ec")), (Key::Rsa, None)];
    assert_eq!(door.outcome().await, "accepted");
}

#[tokio::test]
async fn oidcc_client_test_kid_absent_multiple_jwks() {
    let door = Door::with(|script| {
        script.published = vec![(Key::Rsa, Some("rsa-1")), (Key::OtherRsa, Some("rsa-2"))];
        script.header = json!({ "kid": null });
    })
    .await;
    assert_eq!(door.outcome().await, "id_token_ambiguous_key");
}

#[tokio::test]
async fn oidcc_client_test_idtoken_sig_rs256() {
    assert_eq!(Door::new().await.outcome().await, "accepted");
}

#[tokio::test]
async fn o01_every_algorithm_of_the_list_is_accepted() {
    for (key, alg) in [
        (Key::Rsa, Algorithm::PS256),
        (Key::P256, Algorithm::ES256),
        (Key::P384, Algorithm::ES384),
        (Key::Ed25519, Algorithm::EdDSA),
    ] {
        let door = Door::with(|script| {
            script.published = vec![(key, Some("k"))];
            script.signed = Signed::With(key, alg);
        })
        .await;
        assert_eq!(door.outcome().await, "accepted", "{alg:?}");
    }
}

#[tokio::test]
async fn oidcc_client_test_idtoken_sig_none() {
    let door = Door::with(|script| {
        script.signed = Signed::Not;
        script.document = json!({ "id_token_signing_alg_values_supported": ["none"] });
    })
    .await;
    assert_eq!(door.outcome().await, "id_token_unsigned");
    door.idp.script().header = json!({ "alg": "None" });
    assert_eq!(door.outcome().await, "id_token_algorithm");
}

#[tokio::test]
async fn oidcc_client_test_invalid_sig_rs256() {
    let door = Door::with(|script| script.signed = Signed::Corrupted(Key::Rsa, Algorithm::RS256)).await;
    assert_eq!(door.outcome().await, "id_token_signature");
}

#[tokio::test]
async fn oidcc_client_test_invalid_sig_es256() {
    let door = Door::with(|script| {
        script.published = vec![(Key::P256, Some("ec-1"))];
        script.signed = Signed::Corrupted(Key::P256, Algorithm::ES256);
    })
    .await;
    assert_eq!(door.outcome().await, "id_token_signature");
    // A right signature of a key that is not the published one of that name.
    door.idp.script().signed = Signed::With(Key::OtherP256, Algorithm::ES256);
    door.idp.script().header = json!({ "kid": "ec-1" });
    assert_eq!(door.outcome().await, "id_token_signature");
}

#[tokio::test]
async fn oidcc_client_test_invalid_sig_hs256() {
    for signed in [Signed::HmacWithPublicKey, Signed::HmacWithClientSecret] {
        let door = Door::with(|script| {
            script.signed = signed;
            script.document = json!({ "id_token_signing_alg_values_supported": ["HS256", "RS256"] });
        })
        .await;
        assert_eq!(door.outcome().await, "id_token_algorithm", "{signed:?}");
        door.idp.script().header = json!({ "kid": "rsa-1" });
        assert_eq!(door.outcome().await, "id_token_algorithm", "{signed:?}");
        // The header lies about how it was signed.
        door.idp.script().header = json!({ "kid": "rsa-1", "alg": "RS256" });
        assert_eq!(door.outcome().await, "id_token_signature", "{signed:?}");
    }
}

#[tokio::test]
async fn oidcc_client_test_nonce_invalid() {
    let door = Door::with(|script| script.claims = json!({ "nonce": "another" })).await;
    assert_eq!(door.outcome().await, "id_token_nonce");
    door.idp.script().claims = json!({ "nonce": null });
    assert_eq!(door.outcome().await, "id_token_nonce");
}

#[tokio::test]
async fn oidcc_client_test_client_secret_basic() {
    let door = Door::new().await;
    assert_eq!(door.outcome().await, "accepted");
    assert_eq!(door.idp.seen().client_auth, Some("basic"));
}

#[tokio::test]
async fn oidcc_client_test_client_secret_post() {
    let door =
        Door::with(|script| script.document = json!({ "token_endpoint_auth_methods_supported": ["client_secret_post"] })).await;
    assert_eq!(door.outcome().await, "accepted");
    assert_eq!(door.idp.seen().client_auth, Some("post"));
}

#[tokio::test]
async fn oidcc_client_test_invalid_athash() {
    let door = Door::with(|script| script.claims = json!({ "at_hash": "bm90IHRoZSBoYXNoIQ" })).await;
    assert_eq!(door.outcome().await, "id_token_at_hash");
}

#[tokio::test]
async fn oidcc_client_test_missing_athash() {
    // OPTIONAL in the code flow (OpenID Connect Core section 3.1.3.6).
    let door = Door::with(|script| script.claims = json!({ "at_hash": null })).await;
    assert_eq!(door.outcome().await, "accepted");
}

#[tokio::test]
async fn oidcc_client_test_discovery_openid_config() {
    // What is not used may be wrong.
    let door =
        Door::with(|script| script.document = json!({ "op_policy_uri": "", "claims_supported": "sub", "unknown": {} })).await;
    assert_eq!(door.outcome().await, "accepted");
}

#[tokio::test]
async fn oidcc_client_test_discovery_jwks_uri_keys() {
    let door = Door::with(|script| script.published.push((Key::Ed25519, None))).await;
    assert_eq!(door.outcome().await, "accepted");
    assert_eq!(door.idp.seen().jwks, 1);
}

#[tokio::test]
async fn oidcc_client_test_discovery_issuer_mismatch() {
    let door = Door::with(|script| script.document = json!({ "issuer": "https://other.example" })).await;
    assert_eq!(door.outcome().await, "issuer_mismatch");
    assert_eq!(door.idp.seen().jwks, 0, "nothing more of it is used");
}

#[tokio::test]
async fn oidcc_client_test_signing_key_rotation() {
    let door = Door::new().await;
    assert_eq!(door.outcome().await, "accepted");
    door.idp.script().published = vec![(Key::OtherRsa, Some("rsa-2"))];
    door.idp.script().signed = Signed::With(Key::OtherRsa, Algorithm::RS256);
    assert_eq!(door.outcome().await, "accepted");
    assert_eq!(door.idp.seen().jwks, 2);
}

#[tokio::test]
async fn oidcc_client_test_signing_key_rotation_just_before_signing() {
    let door = Door::new().await;
    let mut trace = Trace::default();
    let begun = door.begin(&mut trace).await.unwrap();
    let back = door.idp.authorize(&begun.authorization_url);
    door.idp.script().published = vec![(Key::OtherRsa, Some("rsa-2"))];
    door.idp.script().signed = Signed::With(Key::OtherRsa, Algorithm::RS256);
    door.finish(&begun, back, &mut trace).await.unwrap();
    assert!(trace.entries().iter().any(|entry| entry.step == Step::Keys && entry.outcome == Outcome::Ok), "{trace:?}");
}
