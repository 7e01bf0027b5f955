//! Which client asks: a portal or a client that works for itself, by what proves it.
//!
//! Whoever proves nothing learns nothing of why: unknown, wrong and revoked are one answer.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;

use crate::directory::{Result, clients};
use crate::keys::HashedToken;
use crate::model::{Portal, TenantId, TokenEndpointAuthMethod};
use crate::store::{ClientRow, Store};

/// The algorithms by which a portal may sign; no others are ever tried, whatever a token says of itself.
pub const ALGORITHMS: [&str; 3] = ["ES256", "RS256", "PS256"];
/// How far ahead an assertion may end: as far as libraries say unless told otherwise.
const LONGEST: TimeDelta = TimeDelta::hours(1);
/// By how much the portal's clock may be wrong.
const LEEWAY: TimeDelta = TimeDelta::seconds(30);

/// How a request says who sends it.
#[derive(Clone, Copy, Debug)]
pub enum Proof<'a> {
    Secret {
        client_id: &'a str,
        secret: &'a SecretString,
    },
    /// A JWT that the client signed (RFC 7523). The request may name the client too.
    Assertion {
        client_id: Option<&'a str>,
        text: &'a str,
    },
    /// Its name alone.
    Name(&'a str),
}

/// Who asks.
#[derive(Clone, Debug)]
pub enum Client {
    Portal(Portal),
    /// A client of a tenant that works for itself.
    Machine(ClientRow),
}

/// The client that a request proves. `audiences` are the names by which an assertion may call us.
///
/// # Errors
/// When the database cannot be asked.
pub async fn authenticate(store: &Store, proof: Proof<'_>, audiences: &[String], now: DateTime<Utc>) -> Result<Option<Client>> {
    match proof {
        Proof::Secret { client_id, secret } => {
            let Some(row) = store.doors().portal(client_id).await? else {
                return Ok(clients::authenticate(store, client_id, secret).await?.map(Client::Machine));
            };
            let is_so = row.portal.settings.token_endpoint_auth_method == TokenEndpointAuthMethod::ClientSecret
                && row.secret_digest.as_ref() == Some(&HashedToken::of(secret.expose_secret()));
            Ok(is_so.then_some(Client::Portal(row.portal)))
        }
        Proof::Assertion { client_id, text } => by_assertion(store, client_id, text, audiences, now).await,
        Proof::Name(client_id) => {
            let found = store.doors().portal(client_id).await?.map(|row| row.portal);
            let is_public = |portal: &Portal| portal.settings.token_endpoint_auth_method == TokenEndpointAuthMethod::None;
            Ok(found.filter(is_public).map(Client::Portal))
        }
    }
}

async fn by_assertion(
    store: &Store,
    client_id: Option<&str>,
    text: &str,
    audiences: &[String],
    now: DateTime<Utc>,
) -> Result<Option<Client>> {
    let Some(named) = named(text).filter(|named| client_id.is_none_or(|id| id == named)) else { return Ok(None) };
    let Some(row) = store.doors().portal(&named).await? else { return Ok(None) };
    let portal = row.portal;
    let Some(jwks) = portal.settings.jwks.as_ref() else { return Ok(None) };
    if portal.settings.token_endpoint_auth_method != TokenEndpointAuthMethod::PrivateKeyJwt {
        return Ok(None);
    }
    let Some(claims) = signed(text, jwks) else { return Ok(None) };
    let Some(expires_at) = claims.good_until(&portal.client_id, audiences, now) else { return Ok(None) };
    // Used up by itself, whatever comes of the request.
    let mut writer = store.write(TenantId::OPERATOR).await?;
    let is_first = writer.use_assertion(portal.id, &HashedToken::of(&claims.jti), expires_at).await?;
    writer.commit().await?;
    Ok(is_first.then_some(Client::Portal(portal)))
}

/// Whom an assertion says that it is of, which nothing proves yet.
fn named(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        sub: String,
    }
    let payload = URL_SAFE_NO_PAD.decode(text.split('.').nth(1)?).ok()?;
    // PostgreSQL knows no NUL, so no client is called by it.
    serde_json::from_slice::<Named>(&payload).ok().map(|named| named.sub).filter(|name| !name.contains('\0'))
}

/// What an assertion says (RFC 7523 section 3).
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    /// Seconds, perhaps with a fraction (RFC 7519 section 2). A text is none.
    exp: f64,
    iat: Option<f64>,
    nbf: Option<f64>,
    jti: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Claims {
    /// Until when an assertion has to be remembered, if it is good.
    fn good_until(&self, client_id: &str, audiences: &[String], now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let ours = |audience: &String| audiences.contains(audience);
        // One that is for somebody else too could have come from them.
        let is_ours = match &self.aud {
            Audience::One(audience) => ours(audience),
            Audience::Many(all) => !all.is_empty() && all.iter().all(ours),
        };
        let by = now + LEEWAY;
        let has_begun = [self.iat, self.nbf].into_iter().flatten().all(|at| instant(at).is_some_and(|at| at <= by));
        let is_named = (1..=200).contains(&self.jti.len());
        let expires_at = instant(self.exp)?;
        let lives = now < expires_at + LEEWAY && expires_at <= by + LONGEST;
        (self.iss == client_id && self.sub == client_id && is_ours && has_begun && is_named && lives).then_some(expires_at + LEEWAY)
    }
}

fn instant(seconds: f64) -> Option<DateTime<Utc>> {
    // Beyond the year 9999 nothing is compared rightly.
    #[expect(clippy::cast_possible_truncation, reason = "it is in the range")]
    (0.0..253_402_300_799.0).contains(&seconds).then(|| DateTime::from_timestamp(seconds as i64, 0))?
}

/// The claims of an assertion that one of the keys has signed. `kid` chooses among them, and does nothing else.
fn signed(text: &str, jwks: &Value) -> Option<Claims> {
    let header = jsonwebtoken::decode_header(text).ok().filter(is_plain)?;
    let mut keys = jwks.get("keys")?.as_array()?.iter().filter(|key| fits(key, &header));
    keys.find_map(|key| {
        let key: Jwk = serde_json::from_value(key.clone()).ok()?;
        let mut validation = Validation::new(header.alg);
        // What it says is looked at afterwards.
        validation.required_spec_claims = HashSet::new();
        (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
        Some(jsonwebtoken::decode::<Claims>(text, &DecodingKey::from_jwk(&key).ok()?, &validation).ok()?.claims)
    })
}

/// Whether a header asks for nothing unusual, and its token is none of another kind.
fn is_plain(header: &Header) -> bool {
    let is_assertion = header
        .typ
        .as_deref()
        .is_none_or(|typ| ["JWT", "client-authentication+jwt"].iter().any(|known| typ.eq_ignore_ascii_case(known)));
    is_assertion && header.crit.is_none() && header.enc.is_none() && header.zip.is_none()
}

/// Whether a registered key may have made a signature of this header: its type says by which algorithms.
fn fits(key: &Value, header: &Header) -> bool {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let (alg, name) = match header.alg {
        Algorithm::ES256 => (("EC", Some("P-256")), "ES256"),
        Algorithm::RS256 => (("RSA", None), "RS256"),
        Algorithm::PS256 => (("RSA", None), "PS256"),
        _ => return false,
    };
    let is_chosen = header.kid.as_deref().is_none_or(|kid| text("kid") == Some(kid));
    is_chosen
        && (text("kty"), text("crv")) == (Some(alg.0), alg.1)
        && text("use").is_none_or(|purpose| purpose == "sig")
        && text("alg").is_none_or(|alg| alg == name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    /// Whether an assertion of `portal` with these changes is good; `null` takes a claim away.
    fn is_good(changes: &Value) -> bool {
        let at = now().timestamp();
        let mut claims =
            json!({ "iss": "portal", "sub": "portal", "aud": "https://id.example", "exp": at + 60, "iat": at, "jti": "1" });
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        let audiences = ["https://id.example".to_owned(), "https://id.example/oauth2/token".to_owned()];
        serde_json::from_value::<Claims>(claims).is_ok_and(|claims| claims.good_until("portal", &audiences, now()).is_some())
    }

    #[test]
    fn an_assertion_is_for_us_of_the_portal_soon_over_and_named() {
        let at = now().timestamp();
        for good in [
            json!({}),
            json!({ "aud": "https://id.example/oauth2/token" }),
            json!({ "aud": ["https://id.example", "https://id.example/oauth2/token"] }),
            json!({ "iat": null }),
            json!({ "exp": at + 3_630 }),
            json!({ "exp": at - 29, "iat": at + 30 }),
            json!({ "exp": f64::from(1_800_000_060) + 0.5 }),
        ] {
            assert!(is_good(&good), "{good}");
        }
        for bad in [
            json!({ "iss": "other" }),
            json!({ "sub": "other" }),
            json!({ "iss": null }),
            json!({ "aud": "https://other.example" }),
            json!({ "aud": "https://id.example/" }),
            json!({ "aud": ["https://id.example", "https://other.example"] }),
            json!({ "aud": [] }),
            json!({ "aud": null }),
            json!({ "exp": null }),
            json!({ "exp": (at + 60).to_string() }),
            json!({ "exp": at + 3_631 }),
            json!({ "exp": at - 30 }),
            json!({ "exp": -1 }),
            json!({ "exp": 1e300 }),
            json!({ "iat": at + 31 }),
            json!({ "nbf": at + 31 }),
            json!({ "jti": null }),
            json!({ "jti": "" }),
            json!({ "jti": "x".repeat(201) }),
        ] {
            assert!(!is_good(&bad), "{bad}");
        }
    }

    #[test]
    fn a_key_fits_the_algorithms_of_its_type_and_its_own_name() {
        let ec = json!({ "kty": "EC", "crv": "P-256", "kid": "a" });
        let rsa = json!({ "kty": "RSA" });
        let header = |alg, kid: Option<&str>| Header { kid: kid.map(ToOwned::to_owned), ..Header::new(alg) };
        for (key, header, expected) in [
            (&ec, header(Algorithm::ES256, None), true),
            (&ec, header(Algorithm::ES256, Some("a")), true),
            (&ec, header(Algorithm::ES256, Some("b")), false),
            (&ec, header(Algorithm::RS256, None), false),
            (&ec, header(Algorithm::HS256, None), false),
            (&rsa, header(Algorithm::RS256, None), true),
            (&rsa, header(Algorithm::PS256, None), true),
            (&rsa, header(Algorithm::RS256, Some("a")), false),
            (&rsa, header(Algorithm::RS512, None), false),
            (&rsa, header(Algorithm::ES256, None), false),
            (&rsa, header(Algorithm::HS256, None), false),
            (&json!({ "kty": "RSA", "alg": "PS256" }), header(Algorithm::RS256, None), false),
            (&json!({ "kty": "RSA", "use": "enc" }), header(Algorithm::RS256, None), false),
        ] {
            assert_eq!(fits(key, &header), expected, "{key} {header:?}");
        }
        assert!(is_plain(&Header::new(Algorithm::ES256)));
        let typed = |typ: &str| Header { typ: Some(typ.to_owned()), ..Header::new(Algorithm::ES256) };
        assert!(is_plain(&typed("client-authentication+jwt")) && !is_plain(&typed("at+jwt")));
        assert!(!is_plain(&Header { crit: Some(vec!["b64".to_owned()]), ..Header::new(Algorithm::ES256) }));
    }
}
