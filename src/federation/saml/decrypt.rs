//! Encrypted assertions (XML Encryption sections 5.2, 5.5.2 and 5.5.3): RSA-OAEP around a key of AES.
//!
//! Whatever goes wrong once bytes are touched is one error, told in one way, and a key that cannot be unwrapped is replaced by one that nobody
//! knows, so that the work that follows is the same. Which algorithms a message names is plain to see, and is said.

use openssl::cipher::{Cipher, CipherRef};
use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;
use openssl::md::{Md, MdRef};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::Padding;
use zeroize::Zeroizing;

use super::Credential;
use super::bad::{BadSaml, ensure};
use super::credential::BadCredential;
use super::document::{Element, ns};
use super::preflight::base64_of;
use crate::keys::random;

/// How a content is encrypted.
struct Content {
    uri: &'static str,
    name: &'static str,
    key_bytes: usize,
    is_gcm: bool,
    cipher: fn() -> &'static CipherRef,
}

const CONTENTS: [Content; 6] = [
    Content {
        uri: "http://www.w3.org/2009/xmlenc11#aes128-gcm",
        name: "AES-128-GCM",
        key_bytes: 16,
        is_gcm: true,
        cipher: Cipher::aes_128_gcm,
    },
    Content {
        uri: "http://www.w3.org/2009/xmlenc11#aes192-gcm",
        name: "AES-192-GCM",
        key_bytes: 24,
        is_gcm: true,
        cipher: Cipher::aes_192_gcm,
    },
    Content {
        uri: "http://www.w3.org/2009/xmlenc11#aes256-gcm",
        name: "AES-256-GCM",
        key_bytes: 32,
        is_gcm: true,
        cipher: Cipher::aes_256_gcm,
    },
    Content {
        uri: "http://www.w3.org/2001/04/xmlenc#aes128-cbc",
        name: "AES-128-CBC",
        key_bytes: 16,
        is_gcm: false,
        cipher: Cipher::aes_128_cbc,
    },
    Content {
        uri: "http://www.w3.org/2001/04/xmlenc#aes192-cbc",
        name: "AES-192-CBC",
        key_bytes: 24,
        is_gcm: false,
        cipher: Cipher::aes_192_cbc,
    },
    Content {
        uri: "http://www.w3.org/2001/04/xmlenc#aes256-cbc",
        name: "AES-256-CBC",
        key_bytes: 32,
        is_gcm: false,
        cipher: Cipher::aes_256_cbc,
    },
];

const GCM_NONCE: usize = 12;
const GCM_TAG: usize = 16;
const BLOCK: usize = 16;

/// The digests that RSA-OAEP may use, for its label and in its mask.
const SHA1: &str = "http://www.w3.org/2000/09/xmldsig#sha1";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
const MGF_SHA1: &str = "http://www.w3.org/2009/xmlenc11#mgf1sha1";
const MGF_SHA256: &str = "http://www.w3.org/2009/xmlenc11#mgf1sha256";

/// What an encrypted assertion held.
pub(super) struct Opened {
    pub(super) assertion: String,
    /// With what it was encrypted, for the trace.
    pub(super) content: &'static str,
    /// Whether a change of the encrypted bytes would have been noticed.
    pub(super) is_authentic: bool,
}

/// Decrypts an encrypted assertion with whichever of our keys opens it.
pub(super) fn open(encrypted: Element<'_>, keys: &[Credential], allow_cbc: bool) -> Result<Opened, BadSaml> {
    // Of each there is one, by the pre-flight.
    let part = |name: &str| encrypted.descendants().find(|element| element.is(ns::XENC, name)).ok_or(BadSaml::Decryption);
    let (data, wrapped) = (part("EncryptedData")?, part("EncryptedKey")?);
    let named = data.only(ns::XENC, "EncryptionMethod").and_then(|method| method.attribute("Algorithm"));
    let content = CONTENTS.iter().find(|one| Some(one.uri) == named).ok_or(BadSaml::EncryptionAlgorithm)?;
    // guard: cbc
    ensure(content.is_gcm || allow_cbc, BadSaml::Cbc)?;
    let oaep = Oaep::of(wrapped.only(ns::XENC, "EncryptionMethod").ok_or(BadSaml::EncryptionAlgorithm)?)?;
    let (sealed, wrapped) = (bytes(data)?, bytes(wrapped)?);
    let unwrapped = keys.iter().find_map(|key| oaep.unwrap(key, &wrapped, content.key_bytes));
    let key = unwrapped.unwrap_or_else(|| unknown_key(content.key_bytes));
    let plain = if content.is_gcm { content.open_gcm(&key, &sealed) } else { content.open_cbc(&key, &sealed) };
    let assertion = plain.and_then(|plain| String::from_utf8(plain).ok()).ok_or(BadSaml::Decryption)?;
    Ok(Opened { assertion, content: content.name, is_authentic: content.is_gcm })
}

/// The bytes of an encrypted part, which lie in the message itself.
fn bytes(part: Element<'_>) -> Result<Vec<u8>, BadSaml> {
    let value = part.only(ns::XENC, "CipherData").and_then(|data| data.only(ns::XENC, "CipherValue"));
    value.and_then(Element::only_text).and_then(base64_of).ok_or(BadSaml::Decryption)
}

/// A key of so many bytes, 32 at most.
fn unknown_key(length: usize) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(random::<32>().to_vec());
    key.truncate(length);
    key
}

/// How the key of the content is encrypted (XML Encryption section 5.5.2). Nothing else than OAEP is taken.
struct Oaep {
    digest: &'static MdRef,
    mask: &'static MdRef,
}

impl Oaep {
    fn of(method: Element<'_>) -> Result<Self, BadSaml> {
        let algorithm = |namespace, name| method.only(namespace, name).map(|one| one.attribute("Algorithm").unwrap_or_default());
        let digest = match algorithm(ns::DSIG, "DigestMethod") {
            None | Some(SHA1) => Md::sha1(),
            Some(SHA256) => Md::sha256(),
            Some(_) => return Err(BadSaml::EncryptionAlgorithm),
        };
        let mask = match (method.attribute("Algorithm"), algorithm(ns::XENC11, "MGF")) {
            // This one's mask is always that of SHA-1.
            (Some("http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"), _)
            | (Some("http://www.w3.org/2009/xmlenc11#rsa-oaep"), None | Some(MGF_SHA1)) => Md::sha1(),
            (Some("http://www.w3.org/2009/xmlenc11#rsa-oaep"), Some(MGF_SHA256)) => Md::sha256(),
            _ => return Err(BadSaml::EncryptionAlgorithm),
        };
        let has_label = method.children_named(ns::XENC, "OAEPparams").any(|label| !label.text().trim().is_empty());
        // guard: oaep_label
        ensure(!has_label, BadSaml::EncryptionAlgorithm)?;
        Ok(Self { digest, mask })
    }

    /// The key, if ours opens it and it is of the length that the content needs.
    fn unwrap(&self, credential: &Credential, wrapped: &[u8], length: usize) -> Option<Zeroizing<Vec<u8>>> {
        let unwrap = || -> Result<Vec<u8>, BadCredential> {
            let key = credential.key()?;
            let mut context = PkeyCtx::new(&key)?;
            context.decrypt_init()?;
            context.set_rsa_padding(Padding::PKCS1_OAEP)?;
            context.set_rsa_oaep_md(self.digest)?;
            context.set_rsa_mgf1_md(self.mask)?;
            let mut plain = Vec::new();
            context.decrypt_to_vec(wrapped, &mut plain)?;
            Ok(plain)
        };
        unwrap().ok().map(Zeroizing::new).filter(|key| key.len() == length)
    }
}

impl Content {
    /// A nonce, what is sealed, a tag (XML Encryption section 5.2.4).
    fn open_gcm(&self, key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_at_checked(GCM_NONCE)?;
        let (sealed, tag) = rest.split_at_checked(rest.len().checked_sub(GCM_TAG)?)?;
        let open = || -> Result<Vec<u8>, ErrorStack> {
            let mut context = CipherCtx::new()?;
            context.decrypt_init(Some((self.cipher)()), Some(key), Some(nonce))?;
            context.set_tag(tag)?;
            let mut plain = Vec::with_capacity(sealed.len() + BLOCK);
            context.cipher_update_vec(sealed, &mut plain)?;
            context.cipher_final_vec(&mut plain)?;
            Ok(plain)
        };
        open().ok()
    }

    /// A first block, what is sealed, and in the last byte how many of the last block are padding (XML Encryption section 5.2.3).
    fn open_cbc(&self, key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (first, sealed) = sealed.split_at_checked(BLOCK)?;
        if sealed.is_empty() || !sealed.len().is_multiple_of(BLOCK) {
            return None;
        }
        let open = || -> Result<Vec<u8>, ErrorStack> {
            let mut context = CipherCtx::new()?;
            context.decrypt_init(Some((self.cipher)()), Some(key), Some(first))?;
            context.set_padding(false);
            let mut plain = Vec::with_capacity(sealed.len() + BLOCK);
            context.cipher_update_vec(sealed, &mut plain)?;
            context.cipher_final_vec(&mut plain)?;
            Ok(plain)
        };
        let mut plain = open().ok()?;
        let padding = usize::from(*plain.last()?);
        let is_padding = (1..=BLOCK).contains(&padding);
        plain.truncate(plain.len() - if is_padding { padding } else { 0 });
        is_padding.then_some(plain)
    }
}
