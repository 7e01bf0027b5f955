//! The signature: which certificate of the connection made it, and which bytes it covers. From then on these bytes alone are read.
//!
//! Each certificate is tried by itself. Keys of several kinds stand side by side while an identity provider changes its key, and a list of them
//! would end at the first that does not fit.

use chrono::{DateTime, Utc};

use super::bad::{BadSaml, ensure};
use super::certificate::fingerprint;
use super::document::{Element, ns};
use super::preflight::{Carried, Guarded, Outline, Root, base64_of, guard_signed, signatures};
use super::sys;
use crate::model::Certificate;

/// How many certificates are tried. A connection has five at most.
const MOST_CERTIFICATES: usize = 8;

/// Bytes that a certificate of the connection has signed: their own signature was verified, or that of what they lay encrypted in. There is no other
/// way to make one.
#[derive(Debug)]
pub struct Signed {
    xml: String,
    root: Root,
    /// Of the element that bears the signature.
    id: String,
    certificate: String,
}

impl Signed {
    /// Fingerprint of the certificate that verified them.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The bytes that were signed, to the letter.
    #[must_use]
    pub fn xml(&self) -> &str {
        &self.xml
    }

    /// What they are: the whole message, or its assertion.
    #[must_use]
    pub const fn root(&self) -> Root {
        self.root
    }

    /// Reads them, by the same rules as the message.
    ///
    /// # Errors
    /// When what was signed is not of the form that the message had, or not the element that bears the signature.
    pub fn read(&self) -> Result<Guarded<'_>, BadSaml> {
        let read = guard_signed(self.xml.as_bytes(), self.root)?;
        // guard: signed_element
        ensure(read.outline().id == self.id, BadSaml::Signature)?;
        Ok(read)
    }

    /// What was found by decrypting a part of these bytes: whoever signed them has signed it too.
    pub(super) fn decrypted(&self, assertion: &Guarded<'_>) -> Self {
        let Outline { root, id, .. } = assertion.outline().clone();
        Self { xml: assertion.xml().to_owned(), root, id, certificate: self.certificate.clone() }
    }
}

/// Verifies every signature of a message, by one certificate, and answers what they cover: the whole message if it is signed itself, else its
/// assertion.
///
/// # Errors
/// When nothing is signed, when no certificate of the connection is valid now, or when none of those verifies it.
pub fn signed(message: &Guarded<'_>, certificates: &[Certificate], now: DateTime<Utc>) -> Result<Signed, BadSaml> {
    if !sys::is_ready() {
        return Err(BadSaml::NotReady);
    }
    let bearer = bearer(message).ok_or(BadSaml::Unsigned)?;
    // guard: certificate_valid
    ensure(certificates.iter().any(|certificate| certificate.is_valid(now)), BadSaml::NoCertificate)?;
    let certificate = candidates(bearer, certificates, now);
    let mut tried = certificate.iter().take(MOST_CERTIFICATES);
    let found = tried.find_map(|one| Some((sys::signed_bytes(message.xml(), &one.der)?, &one.fingerprint)));
    let (xml, fingerprint) = found.ok_or_else(|| why(bearer, certificates, now))?;
    let root = if message.outline().is_signed { message.outline().root } else { Root::Assertion };
    let id = bearer.attribute("ID").unwrap_or_default().to_owned();
    Ok(Signed { xml, root, id, certificate: fingerprint.clone() })
}

/// The element whose signature counts.
fn bearer<'d>(message: &'d Guarded<'_>) -> Option<Element<'d>> {
    match message.outline().carried {
        _ if message.outline().is_signed => Some(message.root()),
        Carried::Plain { is_signed: true } => message.assertion(),
        Carried::Plain { is_signed: false } | Carried::Encrypted | Carried::Nothing => None,
    }
}

/// The certificates that can have made a signature: valid now, and of the kind of key that it names. The one that the signature itself names
/// comes first, which saves time and means nothing else.
fn candidates<'c>(bearer: Element<'_>, certificates: &'c [Certificate], now: DateTime<Utc>) -> Vec<&'c Certificate> {
    let is_ec = algorithm(bearer).is_some_and(|algorithm| algorithm.contains("#ecdsa-"));
    let fits = |certificate: &&Certificate| certificate.is_valid(now) && certificate.is_ec() == is_ec;
    let mut candidates: Vec<_> = certificates.iter().filter(fits).collect();
    if candidates.len() > 1 {
        let named = named(bearer);
        candidates.sort_by_key(|certificate| named.as_ref() != Some(&certificate.der));
    }
    candidates
}

fn algorithm(bearer: Element<'_>) -> Option<&str> {
    let info = signatures(bearer).next()?.only(ns::DSIG, "SignedInfo")?;
    info.only(ns::DSIG, "SignatureMethod")?.attribute("Algorithm")
}

/// The certificate that a signature comes with (DER). It is what whoever sent the message says, and proves nothing.
fn named(bearer: Element<'_>) -> Option<Vec<u8>> {
    let key = signatures(bearer).next()?.only(ns::DSIG, "KeyInfo")?;
    base64_of(key.descendants().find(|element| element.is(ns::DSIG, "X509Certificate"))?.only_text()?)
}

/// What an administrator can do about a signature that is not verified.
fn why(bearer: Element<'_>, certificates: &[Certificate], now: DateTime<Utc>) -> BadSaml {
    let Some(named) = named(bearer) else { return BadSaml::Signature };
    match certificates.iter().find(|certificate| certificate.der == named) {
        Some(known) if !known.is_valid(now) => BadSaml::CertificateEnded { fingerprint: known.fingerprint.clone() },
        Some(_) => BadSaml::Signature,
        None => BadSaml::OtherCertificate { fingerprint: fingerprint(&named) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_signature_covers_is_the_element_that_bears_it() {
        let xml = r#"<a:Assertion xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion" ID="_a"/>"#;
        let signed = |root, id: &str| Signed { xml: xml.to_owned(), root, id: id.to_owned(), certificate: String::new() };
        assert!(signed(Root::Assertion, "_a").read().is_ok());
        assert_eq!(signed(Root::Assertion, "_b").read().map(|_| ()), Err(BadSaml::Signature));
        assert!(signed(Root::Response, "_a").read().is_err());
    }
}
