//! Proving an ID token, and reading its claims. Pure: keys, expectations and the time come in.
//!
//! The order is that of OpenID Connect Core section 3.1.3.7. `openidconnect` checks the issuer, the audience, the signature, the expiry
//! and the nonce; around it stand the checks that it leaves to its caller.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::core::{
    CoreGenderClaim, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
};
use openidconnect::{
    AccessToken, AccessTokenHash, AdditionalClaims, AuthorizationCode, AuthorizationCodeHash, ClaimsVerificationError, ClientId,
    IdToken, IdTokenClaims, IssuerUrl, Nonce, SignatureVerificationError,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::super::BadToken;
use super::super::trace::clean;
use super::discovery::is_entra;

/// What an ID token may be signed with (O01). Fixed here: neither the token nor the discovery document has a say.
const ALGORITHMS: [(&str, CoreJwsSigningAlgorithm); 5] = [
    ("RS256", CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256),
    ("PS256", CoreJwsSigningAlgorithm::RsaSsaPssSha256),
    ("ES256", CoreJwsSigningAlgorithm::EcdsaP256Sha256),
    ("ES384", CoreJwsSigningAlgorithm::EcdsaP384Sha384),
    ("EdDSA", CoreJwsSigningAlgorithm::EdDsa),
];

/// How far apart two clocks may be where a token says when it begins and ends.
const LEEWAY: TimeDelta = TimeDelta::seconds(60);
/// How far from now a token may have been issued.
const ISSUED_WITHIN: TimeDelta = TimeDelta::minutes(5);
/// OpenID Connect Core section 2 allows 255 letters.
const MAX_SUBJECT_BYTES: usize = 255;

/// Claims of the protocol itself, which say nothing of the person.
const PROTOCOL_CLAIMS: [&str; 10] = ["iss", "aud", "exp", "iat", "nonce", "at_hash", "c_hash", "nbf", "azp", "jti"];

/// Every claim that the library does not know.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct OtherClaims(BTreeMap<String, Value>);

impl AdditionalClaims for OtherClaims {}

type Claims = IdTokenClaims<OtherClaims, CoreGenderClaim>;
type Token = IdToken<OtherClaims, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;

/// What the token must fit.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a SecretString,
    /// What came with the token.
    pub(super) access_token: &'a AccessToken,
    /// What the token was given for.
    pub(super) code: &'a SecretString,
    pub(super) now: DateTime<Utc>,
}

/// What a proved token says.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) subject: String,
    pub(super) claims: BTreeMap<String, Vec<String>>,
    pub(super) authenticated_at: Option<DateTime<Utc>>,
    pub(super) upstream_session: Option<String>,
    pub(super) acr: Option<String>,
    pub(super) amr: Vec<String>,
    pub(super) alg: &'static str,
}

/// Proves an ID token.
pub(super) fn verify(id_token: &str, keys: &CoreJsonWebKeySet, expected: &Expected<'_>) -> Result<Verified, BadToken> {
    let alg = check_algorithm(id_token)?;
    let token: Token = id_token.parse().map_err(|_| diagnose(id_token))?;
    let issuer = IssuerUrl::new(expected.issuer.to_owned()).map_err(|_| BadToken::Issuer { found: String::new() })?;
    let entra = is_entra(issuer.url()).then(|| issuer.url().clone());
    // A public client has no secret here, so that no symmetric signature can be right, whatever is allowed.
    let verifier = CoreIdTokenVerifier::new_public_client(ClientId::new(expected.client_id.to_owned()), issuer, keys.clone())
        .set_allowed_algs(ALGORITHMS.map(|(_, alg)| alg))
        .set_time_fn(|| expected.now - LEEWAY)
        .set_issue_time_verifier_fn(|_| Ok(()));
    let nonce = Nonce::new(expected.nonce.expose_secret().to_owned());
    let claims = token.claims(&verifier, &nonce).map_err(|error| bad_token(error, id_token))?;

    if claims.authorized_party().is_some_and(|party| party.as_str() != expected.client_id) {
        return Err(BadToken::AuthorizedParty);
    }
    if (claims.issue_time() - expected.now).abs() > ISSUED_WITHIN {
        return Err(BadToken::IssuedAt);
    }
    check_not_before(claims, expected.now)?;
    check_hashes(&token, claims, &verifier, expected)?;
    let subject = claims.subject().to_string();
    if subject.is_empty() || subject.len() > MAX_SUBJECT_BYTES || subject.chars().any(char::is_control) {
        return Err(BadToken::Subject);
    }
    let Ok(Value::Object(all)) = serde_json::to_value(claims) else {
        return Err(BadToken::Malformed { what: "its claims are not an object".to_owned() });
    };
    let read = flatten(all);
    if let Some(issuer) = entra {
        check_directory(&issuer, &read)?;
    }
    Ok(Verified {
        subject,
        // A time that is yet to come would count as fresh proof until then; it says nothing.
        authenticated_at: claims.auth_time().filter(|at| *at <= expected.now + LEEWAY),
        upstream_session: read.get("sid").and_then(|values| values.first().cloned()),
        acr: claims.auth_context_ref().map(|acr| acr.to_string()),
        amr: claims.auth_method_refs().map(|amr| amr.iter().map(|method| method.to_string()).collect()).unwrap_or_default(),
        claims: read,
        alg,
    })
}

/// The algorithm that the header names, if it is one of ours.
fn check_algorithm(id_token: &str) -> Result<&'static str, BadToken> {
    let header = part(id_token, 0).ok_or_else(|| BadToken::Malformed { what: "its header is not JSON".to_owned() })?;
    match header.get("alg").and_then(Value::as_str) {
        Some("none") => Err(BadToken::Unsigned),
        Some(alg) => ALGORITHMS
            .iter()
            .find(|(known, _)| *known == alg)
            .map(|(known, _)| *known)
            .ok_or_else(|| BadToken::Algorithm { alg: clean(alg) }),
        None => Err(BadToken::Malformed { what: "its header names no algorithm".to_owned() }),
    }
}

/// `nbf` is no claim of OpenID Connect, but where it stands it means what it says (RFC 7519 section 4.1.5).
fn check_not_before(claims: &Claims, now: DateTime<Utc>) -> Result<(), BadToken> {
    let Some(value) = claims.additional_claims().0.get("nbf") else { return Ok(()) };
    let not_before = value
        .as_f64()
        .filter(|seconds| seconds.abs() < 1e15)
        .ok_or_else(|| BadToken::Malformed { what: "nbf is not a time".to_owned() })?;
    #[expect(clippy::cast_precision_loss, reason = "seconds far below 2^53")]
    let early = not_before > (now + LEEWAY).timestamp() as f64;
    if early { Err(BadToken::NotYetValid) } else { Ok(()) }
}

/// The hashes that tie the token to what came with it, where they stand (OpenID Connect Core section 3.1.3.8).
fn check_hashes(
    token: &Token,
    claims: &Claims,
    verifier: &CoreIdTokenVerifier<'_>,
    expected: &Expected<'_>,
) -> Result<(), BadToken> {
    if claims.access_token_hash().is_none() && claims.code_hash().is_none() {
        return Ok(());
    }
    let alg = token.signing_alg().map_err(signature)?;
    let key = token.signing_key(verifier).map_err(signature)?;
    if let Some(hash) = claims.access_token_hash()
        && AccessTokenHash::from_token(expected.access_token, alg, key).ok().as_ref() != Some(hash)
    {
        return Err(BadToken::AccessTokenHash);
    }
    let code = AuthorizationCode::new(expected.code.expose_secret().to_owned());
    if let Some(hash) = claims.code_hash()
        && AuthorizationCodeHash::from_code(&code, alg, key).ok().as_ref() != Some(hash)
    {
        return Err(BadToken::CodeHash);
    }
    Ok(())
}

/// O08: the directory that a token of Entra names is the one that its issuer names.
fn check_directory(issuer: &Url, claims: &BTreeMap<String, Vec<String>>) -> Result<(), BadToken> {
    let pinned = issuer.path_segments().and_then(|mut segments| segments.next()).unwrap_or_default();
    match claims.get("tid").map(Vec::as_slice) {
        None => Ok(()),
        Some([tid]) if tid.eq_ignore_ascii_case(pinned) => Ok(()),
        Some(_) => Err(BadToken::Directory),
    }
}

/// Every claim of the person as its list of texts. Numbers and booleans become text, a list keeps what is one of these, and
/// an object says nothing that a rule could read.
fn flatten(claims: Map<String, Value>) -> BTreeMap<String, Vec<String>> {
    let text = |value: Value| match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    claims
        .into_iter()
        .filter(|(name, _)| !PROTOCOL_CLAIMS.contains(&name.as_str()))
        .filter_map(|(name, value)| {
            let values = match value {
                // An empty list stays: "no groups" is not the same as "nothing about groups".
                Value::Array(values) => values.into_iter().filter_map(text).collect(),
                value => vec![text(value)?],
            };
            Some((name, values))
        })
        .collect()
}

/// One part of a token, before anything of it is proved.
fn part(id_token: &str, index: usize) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(id_token.split('.').nth(index)?.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// What an unreadable token lacks, for the administrator. The parser's own words could hold a claim's value.
fn diagnose(id_token: &str) -> BadToken {
    let Some(payload) = part(id_token, 1) else {
        return BadToken::Malformed { what: "it is not three parts of base64 with JSON".to_owned() };
    };
    ["iss", "sub", "aud", "exp", "iat"].into_iter().find(|claim| !payload.contains_key(*claim)).map_or_else(
        || BadToken::Malformed { what: "a claim is not of its type".to_owned() },
        |claim| BadToken::ClaimMissing { claim },
    )
}

fn bad_token(error: ClaimsVerificationError, id_token: &str) -> BadToken {
    let found = |claim: &str| part(id_token, 1).and_then(|payload| payload.get(claim)?.as_str().map(clean)).unwrap_or_default();
    match error {
        ClaimsVerificationError::Expired(_) => BadToken::Expired,
        ClaimsVerificationError::InvalidAudience(_) => {
            if part(id_token, 1).is_some_and(|payload| payload.contains_key("aud")) {
                BadToken::Audience
            } else {
                BadToken::ClaimMissing { claim: "aud" }
            }
        }
        ClaimsVerificationError::InvalidIssuer(_) => BadToken::Issuer { found: found("iss") },
        ClaimsVerificationError::InvalidNonce(_) => BadToken::Nonce,
        ClaimsVerificationError::SignatureVerification(error) => signature(error),
        ClaimsVerificationError::Unsupported(_) => {
            BadToken::Malformed { what: "its header asks for what is not supported (typ, cty, crit or encryption)".to_owned() }
        }
        _ => BadToken::Malformed { what: "a claim is not acceptable".to_owned() },
    }
}

fn signature(error: SignatureVerificationError) -> BadToken {
    match error {
        SignatureVerificationError::NoMatchingKey => BadToken::UnknownKey,
        SignatureVerificationError::AmbiguousKeyId(_) => BadToken::AmbiguousKey,
        SignatureVerificationError::NoSignature => BadToken::Unsigned,
        SignatureVerificationError::DisallowedAlg(alg) | SignatureVerificationError::UnsupportedAlg(alg) => {
            BadToken::Algorithm { alg: clean(&alg) }
        }
        _ => BadToken::Signature,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_are_lists_of_texts() {
        let Value::Object(claims) = json!({
            "iss": "https://idp.example", "aud": "x", "exp": 1, "iat": 1, "nonce": "n", "at_hash": "a", "c_hash": "c", "nbf": 1,
            "azp": "x", "jti": "j",
            "sub": "joe", "oid": "0001", "groups": "one", "roles": ["a", 2, true, null, {"b": 1}, ["c"]], "level": 1.5,
            "email_verified": true, "address": {"country": "GB"}, "nothing": null, "none": [],
        }) else {
            unreachable!()
        };
        let read = flatten(claims);
        let expected = [
            ("sub", vec!["joe"]),
            ("oid", vec!["0001"]),
            ("groups", vec!["one"]),
            ("roles", vec!["a", "2", "true"]),
            ("level", vec!["1.5"]),
            ("email_verified", vec!["true"]),
            ("none", vec![]),
        ];
        let expected: BTreeMap<String, Vec<String>> =
            expected.into_iter().map(|(name, values)| (name.to_owned(), values.into_iter().map(str::to_owned).collect())).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn o08_the_directory_is_that_of_the_issuer() {
        let issuer = "https://login.microsoftonline.com/9122040d-6c67-4c5b-b112-36a304b66dad/v2.0".parse().unwrap();
        let claims = |tid: &[&str]| BTreeMap::from([("tid".to_owned(), tid.iter().map(ToString::to_string).collect())]);
        assert_eq!(check_directory(&issuer, &claims(&["9122040D-6c67-4c5b-b112-36a304b66dad"])), Ok(()));
        assert_eq!(check_directory(&issuer, &BTreeMap::new()), Ok(()));
        assert_eq!(check_directory(&issuer, &claims(&["00000000-6c67-4c5b-b112-36a304b66dad"])), Err(BadToken::Directory));
        assert_eq!(check_directory(&issuer, &claims(&["9122040d-6c67-4c5b-b112-36a304b66dad", "other"])), Err(BadToken::Directory));
    }

    #[test]
    fn what_is_no_token_is_refused_and_never_panics() {
        for token in ["", ".", "..", "a.b.c", "é.é.é", "bm90IGpzb24.e30.", "W10.e30.", "e30.e30.e30", &"A".repeat(100_000)] {
            assert!(matches!(check_algorithm(token), Err(BadToken::Malformed { .. })), "{token:.20}");
            let _ = diagnose(token);
        }
    }
}
