//! Our own keys, and what is signed with them.

use chrono::{DateTime, Utc};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::Signer;
use openssl::x509::{X509, X509NameBuilder};
use secrecy::{ExposeSecret as _, SecretSlice};

use super::Credential;
use crate::keys::random;

/// RSA, because it also has to decrypt (XML Encryption section 5.5.2), and because some identity providers take nothing else.
const BITS: u32 = 2_048;

/// A key could not be made or used. What the library says of it stays in the log: it helps nobody else.
#[derive(Debug, thiserror::Error)]
#[error("a key for SAML cannot be made or used")]
pub struct BadCredential(#[from] ErrorStack);

/// Makes a key, with a certificate that it signs itself, for the time that is given. It takes a processor for some tenths of a second: not
/// for a thread that others wait for.
///
/// # Errors
/// When the library cannot.
pub fn new_credential(name: &str, now: DateTime<Utc>, until: DateTime<Utc>) -> Result<Credential, BadCredential> {
    let key = PKey::from_rsa(Rsa::generate(BITS)?)?;
    let mut common_name = X509NameBuilder::new()?;
    // A common name has 64 letters at most (X.520).
    common_name.append_entry_by_text("CN", &name.chars().take(64).collect::<String>())?;
    let common_name = common_name.build();
    let mut serial = random::<16>();
    serial[0] &= 0x7f;
    let mut made = X509::builder()?;
    made.set_version(2)?;
    made.set_serial_number(&*BigNum::from_slice(&serial)?.to_asn1_integer()?)?;
    made.set_subject_name(&common_name)?;
    made.set_issuer_name(&common_name)?;
    made.set_not_before(&*Asn1Time::from_unix(now.timestamp())?)?;
    made.set_not_after(&*Asn1Time::from_unix(until.timestamp())?)?;
    made.set_pubkey(&key)?;
    made.sign(&key, MessageDigest::sha256())?;
    Ok(Credential { certificate: made.build().to_der()?, private_key: SecretSlice::from(key.private_key_to_pkcs8()?) })
}

impl Credential {
    /// Signs bytes with RSA-SHA256 (PKCS #1 version 1.5, as `rsa-sha256` of RFC 4051 means).
    pub(super) fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, BadCredential> {
        let key = self.key()?;
        let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
        Ok(signer.sign_oneshot_to_vec(bytes)?)
    }

    pub(super) fn key(&self) -> Result<PKey<Private>, BadCredential> {
        Ok(PKey::private_key_from_pkcs8(self.private_key.expose_secret())?)
    }
}
