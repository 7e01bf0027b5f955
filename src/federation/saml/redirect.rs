//! Messages in addresses (Bindings section 3.4): deflated, in base64, with a signature over the very bytes of the query.
//!
//! What was signed are the parameters as the sender spelled them, and there is more than one spelling. So the query is taken apart as it
//! came and nothing is decoded before the signature is verified.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use openssl::bn::BigNum;
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::pkey::Id;
use openssl::sign::Verifier;
use openssl::x509::X509;
use percent_encoding::percent_decode_str;
use url::Url;
use url::form_urlencoded::byte_serialize;

use super::bad::BadSaml;
use super::{Credential, MAX_MESSAGE};
use crate::model::Certificate;

const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";

type Digest = fn() -> MessageDigest;

/// Signature algorithms, each with its kind of key and digest. No other is taken.
const ALGORITHMS: &[(&str, Id, Digest)] = &[
    (RSA_SHA256, Id::RSA, MessageDigest::sha256),
    ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha384", Id::RSA, MessageDigest::sha384),
    ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha512", Id::RSA, MessageDigest::sha512),
    ("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", Id::EC, MessageDigest::sha256),
    ("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384", Id::EC, MessageDigest::sha384),
    ("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512", Id::EC, MessageDigest::sha512),
];

/// Which message a parameter or field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameter {
    Request,
    Response,
}

impl Parameter {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Request => "SAMLRequest",
            Self::Response => "SAMLResponse",
        }
    }
}

/// The address that carries a message, signed where there is a key for it.
pub(super) fn address(
    location: &Url,
    parameter: Parameter,
    message: &str,
    relay_state: Option<&str>,
    key: Option<&Credential>,
) -> Result<Url, BadSaml> {
    let mut deflated = DeflateEncoder::new(Vec::new(), Compression::default());
    let deflated = deflated.write_all(message.as_bytes()).and_then(|()| deflated.finish()).map_err(|_| BadSaml::CannotSign)?;
    let mut query = format!("{}={}", parameter.name(), spelled(&STANDARD.encode(deflated)));
    if let Some(relay_state) = relay_state {
        query = format!("{query}&RelayState={}", spelled(relay_state));
    }
    if let Some(key) = key {
        query = format!("{query}&SigAlg={}", spelled(RSA_SHA256));
        let signature = key.sign(query.as_bytes()).map_err(|_| BadSaml::CannotSign)?;
        query = format!("{query}&Signature={}", spelled(&STANDARD.encode(signature)));
    }
    let mut address = location.clone();
    let before = location.query().filter(|query| !query.is_empty()).map(|query| format!("{query}&"));
    address.set_query(Some(&format!("{}{query}", before.unwrap_or_default())));
    address.set_fragment(None);
    Ok(address)
}

fn spelled(value: &str) -> String {
    byte_serialize(value.as_bytes()).collect()
}

/// A message that came in a query, whose signature was verified.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Carried {
    pub(super) parameter: Parameter,
    /// The message, inflated.
    pub(super) message: Vec<u8>,
    pub(super) relay_state: Option<String>,
    /// Fingerprint of the certificate that verified it.
    pub(super) certificate: String,
}

/// Takes a query apart and verifies it. Only certificates that are valid now may be given.
///
/// # Errors
/// When a parameter is missing or there twice, the algorithm is not one of ours, no certificate verifies it, or the message is too large.
pub(super) fn verified(raw_query: &str, certificates: &[&Certificate]) -> Result<Carried, BadSaml> {
    // guard: query_size
    if raw_query.len() > MAX_MESSAGE {
        return Err(BadSaml::TooLarge);
    }
    let query = Query::take_apart(raw_query)?;
    let (parameter, message) = match (query.request, query.response) {
        (Some(message), None) => (Parameter::Request, message),
        (None, Some(message)) => (Parameter::Response, message),
        _ => return Err(BadSaml::MessageMissing),
    };
    let (Some(algorithm), Some(signature)) = (query.algorithm, query.signature) else {
        return Err(BadSaml::Unsigned);
    };
    let mut signed = message.to_owned();
    for part in query.relay_state.into_iter().chain([algorithm]) {
        signed = format!("{signed}&{part}");
    }
    let algorithm = decoded(value(algorithm))?;
    let signature = base64(&decoded(value(signature))?)?;
    let by = verify(signed.as_bytes(), &algorithm, &signature, certificates)?;
    let deflated = base64(&decoded(value(message))?)?;
    // Identity providers write it as browsers write forms, where a plus is a space.
    let relay_state = query.relay_state.map(|part| decoded(&value(part).replace('+', " "))).transpose()?;
    Ok(Carried { parameter, message: inflated(&deflated)?, relay_state, certificate: by })
}

/// The parameters as they were spelled, each with its name.
#[derive(Default)]
struct Query<'a> {
    request: Option<&'a str>,
    response: Option<&'a str>,
    relay_state: Option<&'a str>,
    algorithm: Option<&'a str>,
    signature: Option<&'a str>,
}

impl<'a> Query<'a> {
    /// What else there is was not signed, and is not read.
    fn take_apart(raw: &'a str) -> Result<Self, BadSaml> {
        let mut query = Self::default();
        for part in raw.split('&') {
            let place = match part.split_once('=').map(|(name, _)| name) {
                Some("SAMLRequest") => &mut query.request,
                Some("SAMLResponse") => &mut query.response,
                Some("RelayState") => &mut query.relay_state,
                Some("SigAlg") => &mut query.algorithm,
                Some("Signature") => &mut query.signature,
                _ => continue,
            };
            // guard: query_twice
            if place.replace(part).is_some() {
                return Err(BadSaml::ParameterTwice);
            }
        }
        Ok(query)
    }
}

fn value(part: &str) -> &str {
    part.split_once('=').map_or("", |(_, value)| value)
}

/// A parameter's value. A plus is a space in forms; in base64 it can only be one that was not escaped.
fn decoded(value: &str) -> Result<String, BadSaml> {
    Ok(percent_decode_str(value).decode_utf8().map_err(|_| BadSaml::Encoding)?.into_owned())
}

/// Bytes in base64, with or without breaks between lines.
pub(super) fn base64(text: &str) -> Result<Vec<u8>, BadSaml> {
    let text: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(text).map_err(|_| BadSaml::Encoding)
}

fn inflated(deflated: &[u8]) -> Result<Vec<u8>, BadSaml> {
    let mut message = Vec::new();
    let most = u64::try_from(MAX_MESSAGE).unwrap_or(u64::MAX);
    DeflateDecoder::new(deflated).take(most + 1).read_to_end(&mut message).map_err(|_| BadSaml::Encoding)?;
    // guard: inflated_size
    if message.len() > MAX_MESSAGE {
        return Err(BadSaml::TooLarge);
    }
    Ok(message)
}

fn verify(signed: &[u8], algorithm: &str, signature: &[u8], certificates: &[&Certificate]) -> Result<String, BadSaml> {
    let Some((_, kind, digest)) = ALGORITHMS.iter().find(|(known, ..)| *known == algorithm) else {
        return Err(BadSaml::Algorithm);
    };
    let by = certificates.iter().find(|certificate| is_by(certificate, *kind, digest(), signed, signature));
    by.map(|certificate| certificate.fingerprint.clone()).ok_or(BadSaml::Signature)
}

fn is_by(certificate: &Certificate, kind: Id, digest: MessageDigest, signed: &[u8], signature: &[u8]) -> bool {
    let verified = || -> Result<bool, openssl::error::ErrorStack> {
        let key = X509::from_der(&certificate.der)?.public_key()?;
        if key.id() != kind {
            return Ok(false);
        }
        // XML signatures hold the two numbers of ECDSA side by side (RFC 4051 section 3.4.1); the library wants them as ASN.1.
        let signature = if kind == Id::EC { as_asn1(signature, key.bits())? } else { Some(signature.to_vec()) };
        let Some(signature) = signature else { return Ok(false) };
        Verifier::new(digest, &key)?.verify_oneshot(&signature, signed)
    };
    // What a library finds wrong with a signature is that it is none.
    verified().unwrap_or(false)
}

fn as_asn1(signature: &[u8], bits: u32) -> Result<Option<Vec<u8>>, openssl::error::ErrorStack> {
    let half = usize::try_from(bits.div_ceil(8)).unwrap_or_default();
    if signature.len() != 2 * half {
        return Ok(None);
    }
    let (r, s) = signature.split_at(half);
    Ok(Some(EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?.to_der()?))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::super::{certificate, new_credential};
    use super::*;

    fn key() -> (Credential, Certificate) {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let key = new_credential("test", now, now + TimeDelta::days(1)).unwrap();
        let certificate = certificate(&key.certificate).unwrap();
        (key, certificate)
    }

    fn query(key: &Credential) -> String {
        let location = "https://idp.example/slo?tenant=a%20b#top".parse().unwrap();
        let address = address(&location, Parameter::Request, "<a>+ &</a>", Some("state+/="), Some(key)).unwrap();
        assert!(address.as_str().starts_with("https://idp.example/slo?tenant=a%20b&SAMLRequest="), "{address}");
        address.query().unwrap().to_owned()
    }

    #[test]
    fn what_is_sent_is_what_arrives() {
        let (key, certificate) = key();
        let (_, other) = self::key();
        let carried = verified(&query(&key), &[&other, &certificate]).unwrap();
        assert_eq!(carried.message, b"<a>+ &</a>");
        assert_eq!((carried.parameter, carried.relay_state.as_deref()), (Parameter::Request, Some("state+/=")));
        assert_eq!(carried.certificate, certificate.fingerprint);
        assert_eq!(verified(&query(&key), &[&other]), Err(BadSaml::Signature));
        assert_eq!(verified(&query(&key), &[]), Err(BadSaml::Signature));
    }

    /// The same query, spelled as ADFS does: with lower-case digits, and signed so.
    #[test]
    fn sso_s31_another_spelling_that_was_signed_is_verified_as_it_is() {
        let (key, certificate) = key();
        let sent = query(&key);
        let signed: Vec<_> = sent.split('&').skip(1).take(3).map(str::to_owned).collect();
        let lower = signed.join("&").replace("%2B", "%2b").replace("%2F", "%2f").replace("%3A", "%3a").replace("%3D", "%3d");
        assert_ne!(lower, signed.join("&"));
        let signature = STANDARD.encode(key.sign(lower.as_bytes()).unwrap());
        let spelled = format!("{lower}&Signature={}", spelled(&signature));
        assert_eq!(verified(&spelled, &[&certificate]).unwrap().message, b"<a>+ &</a>");
        // The signature of the other spelling is none of this.
        let signature = sent.split('&').next_back().unwrap();
        assert_eq!(verified(&format!("{lower}&{signature}"), &[&certificate]), Err(BadSaml::Signature));
    }

    #[test]
    fn sso_s31_each_parameter_is_there_once() {
        let (key, certificate) = key();
        let sent = query(&key);
        let parts: Vec<_> = sent.split('&').skip(1).collect();
        for (index, part) in parts.iter().enumerate() {
            let twice = format!("{}&{part}", parts.join("&"));
            assert_eq!(verified(&twice, &[&certificate]), Err(BadSaml::ParameterTwice));
            let without: Vec<_> = parts.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, part)| *part).collect();
            let expected = [BadSaml::MessageMissing, BadSaml::Signature, BadSaml::Unsigned, BadSaml::Unsigned][index].clone();
            assert_eq!(verified(&without.join("&"), &[&certificate]), Err(expected), "{part}");
        }
        let both = format!("{}&SAMLResponse=AA", parts.join("&"));
        assert_eq!(verified(&both, &[&certificate]), Err(BadSaml::MessageMissing));
        for nothing in ["", "&&", "=", "SAMLRequest", "SAMLRequest=", "SAMLRequest=%"] {
            assert!(verified(nothing, &[&certificate]).is_err(), "{nothing}");
        }
    }

    #[test]
    fn sso_s18_only_algorithms_of_the_list_count() {
        let (key, certificate) = key();
        let sent = query(&key);
        for other in ["http://www.w3.org/2000/09/xmldsig#rsa-sha1", "http://www.w3.org/2000/09/xmldsig#hmac-sha1", ""] {
            let changed = sent.replace(&spelled(RSA_SHA256), &spelled(other));
            assert_eq!(verified(&changed, &[&certificate]), Err(BadSaml::Algorithm), "{other}");
        }
        let kind = sent.replace(&spelled(RSA_SHA256), &spelled(ALGORITHMS[3].0));
        assert_eq!(verified(&kind, &[&certificate]), Err(BadSaml::Signature));
    }

    #[test]
    fn sso_s32_a_message_that_inflates_too_far_is_refused() {
        let (key, certificate) = key();
        let location = "https://sp.example/slo".parse().unwrap();
        let bomb = "x".repeat(MAX_MESSAGE + 1);
        let address = address(&location, Parameter::Response, &bomb, None, Some(&key)).unwrap();
        assert!(address.as_str().len() < 10_000);
        assert_eq!(verified(address.query().unwrap(), &[&certificate]), Err(BadSaml::TooLarge));
        assert_eq!(verified(&"x".repeat(MAX_MESSAGE + 1), &[&certificate]), Err(BadSaml::TooLarge));
    }
}
