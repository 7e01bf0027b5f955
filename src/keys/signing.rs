//! Keys that sign what others verify: ES256, ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The name of the algorithm, in headers and tables.
pub const ES256: &str = "ES256";

/// The public half of a key, as it is published (RFC 7517).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicJwk {
    kty: String,
    crv: String,
    x: String,
    y: String,
    kid: String,
    #[serde(rename = "use")]
    usage: String,
    alg: String,
}

impl PublicJwk {
    /// What names it in the header of what it verifies.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }
}

/// A key pair that was just made. The private half is to be sealed at once.
pub struct KeyPair {
    pub public: PublicJwk,
    /// PKCS #8.
    pub private: Zeroizing<Vec<u8>>,
}

/// A key that cannot be made, read or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signing key cannot be made or used")]
pub struct SigningError;

impl KeyPair {
    /// Makes a pair that is called `kid`.
    ///
    /// # Errors
    /// When the machine has no randomness.
    pub fn generate(kid: String) -> Result<Self, SigningError> {
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).map_err(|_| SigningError)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).map_err(|_| SigningError)?;
        // An uncompressed point: 4, then both coordinates (SEC 1 section 2.3.3).
        let point = pair.public_key().as_ref().strip_prefix(&[4]).ok_or(SigningError)?;
        let (x, y) = point.split_at_checked(32).filter(|(_, y)| y.len() == 32).ok_or(SigningError)?;
        let [x, y] = [x, y].map(|half| URL_SAFE_NO_PAD.encode(half));
        let [kty, crv, usage, alg] = ["EC", "P-256", "sig", ES256].map(str::to_owned);
        let public = PublicJwk { kty, crv, x, y, kid, usage, alg };
        Ok(Self { public, private: Zeroizing::new(document.as_ref().to_vec()) })
    }
}

/// Signs tokens.
pub struct Signer {
    kid: String,
    key: EncodingKey,
}

impl Signer {
    /// A signer by a private half, PKCS #8.
    #[must_use]
    pub fn new(kid: &str, private: &[u8]) -> Self {
        Self { kid: kid.to_owned(), key: EncodingKey::from_ec_der(private) }
    }

    /// The claims as a signed token of a type (RFC 7515 section 4.1.9).
    ///
    /// # Errors
    /// When the private half is none, or the claims are no JSON object.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, SigningError> {
        let header = Header { typ: Some(typ.to_owned()), kid: Some(self.kid.clone()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &self.key).map_err(|_| SigningError)
    }
}

/// Verifies tokens of one key.
#[derive(Clone)]
pub struct Verifier(DecodingKey);

impl Verifier {
    /// A verifier by a public half.
    ///
    /// # Errors
    /// When that is no key.
    pub fn new(public: &PublicJwk) -> Result<Self, SigningError> {
        DecodingKey::from_ec_components(&public.x, &public.y).map(Self).map_err(|_| SigningError)
    }

    /// The claims of a token that this key signed, or `None`. Times, issuer and audience are not looked at: they are for whoever knows what
    /// the token is for.
    #[must_use]
    pub fn verify<C: DeserializeOwned + Clone>(&self, token: &str) -> Option<C> {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_aud) = (false, false);
        jsonwebtoken::decode::<C>(token, &self.0, &validation).ok().map(|data| data.claims)
    }
}

/// What the header of a token says of itself. Nothing of it is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenHeader {
    pub kid: Option<String>,
    pub typ: Option<String>,
}

impl TokenHeader {
    /// The header of something that has the shape of a token signed with ES256.
    #[must_use]
    pub fn read(token: &str) -> Option<Self> {
        let header = jsonwebtoken::decode_header(token).ok().filter(|header| header.alg == Algorithm::ES256)?;
        Some(Self { kid: header.kid, typ: header.typ })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_one_key_signs_it_verifies_and_no_other_does() {
        let [one, other] = ["one", "other"].map(|kid| KeyPair::generate(kid.to_owned()).unwrap());
        let token = Signer::new("one", &one.private).sign("at+jwt", &json!({ "sub": "joe" })).unwrap();
        let header = TokenHeader::read(&token).unwrap();
        assert_eq!((header.kid.as_deref(), header.typ.as_deref()), (Some("one"), Some("at+jwt")));
        let [own, foreign] = [&one, &other].map(|pair| Verifier::new(&pair.public).unwrap());
        assert_eq!(own.verify::<Value>(&token).unwrap()["sub"], "joe");
        assert_eq!(foreign.verify::<Value>(&token), None);
        let (signed, _) = token.rsplit_once('.').unwrap();
        for forged in [format!("{signed}."), format!("{signed}.AAAA"), signed.to_owned(), String::new(), "a.b.c".to_owned()] {
            assert_eq!(own.verify::<Value>(&forged), None, "{forged}");
        }
    }

    #[test]
    fn o01_no_other_algorithm_is_read() {
        for alg in ["none", "HS256", "RS256", "ES384"] {
            let header = URL_SAFE_NO_PAD.encode(json!({ "alg": alg, "kid": "one" }).to_string());
            assert_eq!(TokenHeader::read(&format!("{header}.e30.AAAA")), None, "{alg}");
        }
    }

    #[test]
    fn a_public_half_is_published_as_it_is_kept() {
        let pair = KeyPair::generate("one".to_owned()).unwrap();
        let written = serde_json::to_value(&pair.public).unwrap();
        assert_eq!(
            (&written["kty"], &written["crv"], &written["alg"], &written["use"]),
            (&json!("EC"), &json!("P-256"), &json!("ES256"), &json!("sig"))
        );
        assert_eq!(written.as_object().unwrap().len(), 7, "nothing private is among them: {written}");
        assert_eq!(serde_json::from_value::<PublicJwk>(written).unwrap(), pair.public);
        let broken = PublicJwk { x: "!".to_owned(), ..pair.public };
        assert!(Verifier::new(&broken).is_err());
        assert!(Signer::new("one", b"no key").sign("JWT", &json!({})).is_err());
    }
}
