//! Certificates of identity providers. What counts is the key in them and the time that they name; who issued them does not (SAML Metadata
//! section 2.4.1.1, and the interoperability profile of 2009, section 2.4).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKeyRef, Public};
use openssl::x509::{X509, X509Ref};
use sha2::{Digest as _, Sha256};

use super::super::trace::clean;
use crate::model::Certificate;

/// No certificate that signs is larger.
const MAX_BYTES: usize = 32 * 1024;
/// A shorter RSA key is no protection, and a longer one is slow to verify with.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2_048..=8_192;

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCertificate {
    #[error("this is not a certificate: PEM, or its base64 alone, is taken")]
    Malformed,
    #[error("the certificate's key is of a kind that is not used: RSA of 2048 to 8192 bits, or EC on P-256, P-384 or P-521")]
    Key,
}

impl From<ErrorStack> for BadCertificate {
    fn from(_: ErrorStack) -> Self {
        Self::Malformed
    }
}

/// Reads a certificate: PEM, DER, or DER in base64 as metadata has it.
///
/// # Errors
/// When it is none, or its key is of no use here. One that has ended is read all the same.
pub fn certificate(text_or_der: &[u8]) -> Result<Certificate, BadCertificate> {
    if text_or_der.len() > MAX_BYTES {
        return Err(BadCertificate::Malformed);
    }
    let x509 = parse(text_or_der)?;
    let der = x509.to_der()?;
    Ok(Certificate {
        fingerprint: fingerprint(&der),
        subject: subject(&x509),
        key: kind_of_key(&*x509.public_key()?)?,
        not_before: instant(x509.not_before())?,
        not_after: instant(x509.not_after())?,
        der,
    })
}

/// By what certificates are told apart: SHA-256 of the DER, in hexadecimal digits.
pub(super) fn fingerprint(der: &[u8]) -> String {
    Sha256::digest(der).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a text cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn parse(given: &[u8]) -> Result<X509, BadCertificate> {
    let Ok(text) = std::str::from_utf8(given) else { return Ok(X509::from_der(given)?) };
    if text.contains("-----BEGIN") {
        return Ok(X509::from_pem(text.trim().as_bytes())?);
    }
    let base64: String = text.split_ascii_whitespace().collect();
    let der = STANDARD.decode(base64).map_err(|_| BadCertificate::Malformed)?;
    Ok(X509::from_der(&der)?)
}

/// The parts of its name as they are usually written, the most telling first.
fn subject(x509: &X509Ref) -> String {
    let mut parts: Vec<String> = x509
        .subject_name()
        .entries()
        .filter_map(|entry| {
            let value = entry.data().to_string().ok()?;
            Some(format!("{}={}", entry.object().nid().short_name().unwrap_or("?"), value))
        })
        .collect();
    parts.reverse();
    clean(&parts.join(", "))
}

fn kind_of_key(key: &PKeyRef<Public>) -> Result<String, BadCertificate> {
    match key.id() {
        Id::RSA if RSA_BITS.contains(&key.bits()) => Ok(format!("RSA {}", key.bits())),
        Id::EC => match key.ec_key()?.group().curve_name() {
            Some(Nid::X9_62_PRIME256V1) => Ok("EC P-256".to_owned()),
            Some(Nid::SECP384R1) => Ok("EC P-384".to_owned()),
            Some(Nid::SECP521R1) => Ok("EC P-521".to_owned()),
            _ => Err(BadCertificate::Key),
        },
        _ => Err(BadCertificate::Key),
    }
}

fn instant(time: &Asn1TimeRef) -> Result<DateTime<Utc>, BadCertificate> {
    let since = Asn1Time::from_unix(0)?.diff(time)?;
    let since = TimeDelta::days(since.days.into()) + TimeDelta::seconds(since.secs.into());
    DateTime::UNIX_EPOCH.checked_add_signed(since).ok_or(BadCertificate::Malformed)
}

#[cfg(test)]
mod tests {
    use super::super::new_credential;
    use super::*;

    #[test]
    fn a_certificate_is_read_in_each_form_it_comes_in() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let made = new_credential("idp.example", now, now + TimeDelta::days(400)).unwrap();
        let read = certificate(&made.certificate).unwrap();
        assert_eq!((read.subject.as_str(), read.key.as_str()), ("CN=idp.example", "RSA 2048"));
        assert_eq!((read.not_before, read.not_after), (now, now + TimeDelta::days(400)));
        assert!(read.is_valid(now) && !read.is_valid(read.not_after) && !read.is_valid(now - TimeDelta::seconds(1)));
        assert_eq!(read.fingerprint.len(), 64);
        let pem = X509::from_der(&made.certificate).unwrap().to_pem().unwrap();
        let lines: String = String::from_utf8(pem.clone()).unwrap().lines().filter(|line| !line.starts_with('-')).collect();
        for other in [pem, lines.clone().into_bytes(), format!("\n  {}\n {}", &lines[..64], &lines[64..]).into_bytes()] {
            assert_eq!(certificate(&other).unwrap(), read);
        }
    }

    #[test]
    fn what_is_no_certificate_or_has_a_weak_key_is_refused() {
        for none in [
            &b""[..],
            b"AAAA",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
            &[0x30; 64],
            "A".repeat(MAX_BYTES + 1).as_bytes(),
        ] {
            assert_eq!(certificate(none), Err(BadCertificate::Malformed));
        }
        let short = openssl::pkey::PKey::from_rsa(openssl::rsa::Rsa::generate(1_024).unwrap()).unwrap();
        let public = openssl::pkey::PKey::public_key_from_der(&short.public_key_to_der().unwrap()).unwrap();
        assert_eq!(kind_of_key(&public), Err(BadCertificate::Key));
    }
}
