//! Sealing of columns: XChaCha20-Poly1305 under a key ring.
//!
//! A [`Sealed`] value is bound to its [`Place`] (table, column, row) as associated data, so that whoever can write to the database
//! but has no key cannot move a secret from one row to another. It names its key, so that a ring can hold an older key until
//! everything under it is sealed again. Layout: version (1 byte), key id (4), nonce (24), ciphertext with its tag (n + 16).

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::random;

const VERSION: u8 = 1;
const KEY_BYTES: usize = 32;
const ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 24;

/// A short name of a key, derived from it: safe to print, and the same wherever the key is.
#[derive(Clone, Copy, PartialEq, Eq)]
struct RingKeyId([u8; ID_BYTES]);

impl RingKeyId {
    fn of(key: &[u8; KEY_BYTES]) -> Self {
        let digest: [u8; 32] = Sha256::new().chain_update(b"vestibule key id\0").chain_update(key).finalize().into();
        let [a, b, c, d, ..] = digest;
        Self([a, b, c, d])
    }
}

impl fmt::Display for RingKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why a text is no key ring. Lines are counted from 1; no key material is in the message.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    #[error("the key file holds no key: write one line with 32 random bytes in base64")]
    Empty,
    #[error("line {line} of the key file is not 32 bytes in base64")]
    NotAKey { line: usize },
    #[error("line {line} of the key file repeats a key of an earlier line")]
    Repeated { line: usize },
}

/// The keys that seal columns. The first one seals; all of them open.
pub struct KeyRing(Vec<(RingKeyId, Zeroizing<[u8; KEY_BYTES]>)>);

impl KeyRing {
    /// A ring with one fresh key.
    #[must_use]
    pub fn generate() -> Self {
        let key = Zeroizing::new(random());
        Self(vec![(RingKeyId::of(&key), key)])
    }

    /// Reads a key file: one base64 key of 32 bytes a line, the current key first; empty lines and lines that begin with `#`
    /// are comments.
    pub fn from_text(text: &str) -> Result<Self, KeyRingError> {
        let mut keys: Vec<(RingKeyId, Zeroizing<[u8; KEY_BYTES]>)> = Vec::new();
        for (line, content) in text.lines().enumerate().map(|(index, content)| (index + 1, content.trim())) {
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let bytes = Zeroizing::new(STANDARD.decode(content).map_err(|_| KeyRingError::NotAKey { line })?);
            let key = <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).map_err(|_| KeyRingError::NotAKey { line })?;
            let key = Zeroizing::new(key);
            let id = RingKeyId::of(&key);
            if keys.iter().any(|(known, _)| *known == id) {
                return Err(KeyRingError::Repeated { line });
            }
            keys.push((id, key));
        }
        if keys.is_empty() { Err(KeyRingError::Empty) } else { Ok(Self(keys)) }
    }

    /// The ring as a key file, which [`KeyRing::from_text`] reads back.
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        let mut text = Zeroizing::new(String::from(
            "# Vestibule's keys: whoever has this file and the database can read its secrets. Back it up apart from the database.\n\
             # One key a line. The first one seals, the others only open what was sealed before.\n",
        ));
        for (_, key) in &self.0 {
            text.push_str(&Zeroizing::new(STANDARD.encode(key.as_slice())));
            text.push('\n');
        }
        SecretString::from(text.as_str())
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(id, _)| id.to_string())).finish()
    }
}

/// The cell that a sealed value belongs to. It opens nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub table: &'static str,
    pub column: &'static str,
    /// The id of the row.
    pub row: Uuid,
}

impl Place {
    /// The associated data: every part with its length before it, so that no two places have the same bytes.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.table.len() + self.column.len() + 33);
        bytes.push(VERSION);
        for name in [self.table, self.column] {
            bytes.extend_from_slice(&name.len().to_be_bytes());
            bytes.extend_from_slice(name.as_bytes());
        }
        bytes.extend_from_slice(self.row.as_bytes());
        bytes
    }
}

/// A value that only a [`Sealer`] with its key can read; what a sealed column holds.
#[derive(Clone, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// SHA-256 of the sealed bytes: shows whether they were changed, and tells nothing of the value.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(..)")
    }
}

/// Why a sealed value does not open. None of these tells anything of the value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("the value is sealed with key {key}, which the key file does not hold: add that key to it")]
    UnknownKey { key: String },
    #[error("the value was changed, or was sealed for another place")]
    Forged,
    #[error("the value has no layout that this version can read")]
    Layout,
    #[error("the value is not text")]
    NotText,
}

/// Seals and opens columns. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sealer(Arc<KeyRing>);

impl Sealer {
    #[must_use]
    pub fn new(ring: KeyRing) -> Self {
        Self(Arc::new(ring))
    }

    /// Seals `plaintext` for `place` with the current key. The same value sealed twice gives two different results.
    #[must_use]
    pub fn seal(&self, place: &Place, plaintext: &[u8]) -> Sealed {
        // A ring is never empty: both of its makers see to that.
        let (id, key) = &self.0.0[0];
        let nonce = random::<NONCE_BYTES>();
        let ciphertext = encrypt(key, &nonce, Payload { msg: plaintext, aad: &place.bytes() });
        let mut sealed = Vec::with_capacity(1 + ID_BYTES + NONCE_BYTES + ciphertext.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&id.0);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Sealed(sealed)
    }

    /// Opens what [`Sealer::seal`] made for the same `place`, under any key of the ring.
    pub fn open(&self, place: &Place, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (version, rest) = sealed.0.split_first().ok_or(SealError::Layout)?;
        if *version != VERSION {
            return Err(SealError::Layout);
        }
        let (id, rest) = rest.split_first_chunk::<ID_BYTES>().ok_or(SealError::Layout)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Layout)?;
        let id = RingKeyId(*id);
        let (_, key) =
            self.0.0.iter().find(|(known, _)| *known == id).ok_or_else(|| SealError::UnknownKey { key: id.to_string() })?;
        XChaCha20Poly1305::new(&Key::from(**key))
            .decrypt(&XNonce::from(*nonce), Payload { msg: ciphertext, aad: &place.bytes() })
            .map(Zeroizing::new)
            .map_err(|_| SealError::Forged)
    }

    /// Seals what somebody else keeps for a while and brings back, in characters that stand in an address as they are (RFC 3986 section 2.3).
    #[must_use]
    pub fn seal_for_url(&self, place: &Place, plaintext: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.seal(place, plaintext).0)
    }

    /// Opens what [`Sealer::seal_for_url`] made for the same `place`.
    ///
    /// # Errors
    /// When it did not make it: whoever brings it may have written it themselves.
    pub fn open_from_url(&self, place: &Place, text: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.open(place, &Sealed(URL_SAFE_NO_PAD.decode(text).map_err(|_| SealError::Layout)?))
    }

    /// Seals a text; see [`Sealer::seal`].
    #[must_use]
    pub fn seal_text(&self, place: &Place, text: &SecretString) -> Sealed {
        self.seal(place, text.expose_secret().as_bytes())
    }

    /// Opens a text; see [`Sealer::open`].
    pub fn open_text(&self, place: &Place, sealed: &Sealed) -> Result<SecretString, SealError> {
        let bytes = self.open(place, sealed)?;
        std::str::from_utf8(&bytes).map(SecretString::from).map_err(|_| SealError::NotText)
    }
}

fn encrypt(key: &[u8; KEY_BYTES], nonce: &[u8; NONCE_BYTES], payload: Payload<'_, '_>) -> Vec<u8> {
    XChaCha20Poly1305::new(&Key::from(*key))
        .encrypt(&XNonce::from(*nonce), payload)
        .expect("a column is far below the cipher's limit of 256 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { table: "connections", column: "client_secret", row: Uuid::from_u128(7) }
    }

    #[test]
    fn sso_r13_what_was_sealed_opens_in_its_place() {
        let sealer = Sealer::new(KeyRing::generate());
        for value in ["", "s", "a client secret with ünïcode"] {
            let sealed = sealer.seal(&place(), value.as_bytes());
            assert_eq!(sealer.open(&place(), &sealed).unwrap().as_slice(), value.as_bytes());
            assert_eq!(sealer.open_text(&place(), &sealed).unwrap().expose_secret(), value);
        }
    }

    #[test]
    fn sso_r13_a_value_opens_in_no_other_place() {
        let sealer = Sealer::new(KeyRing::generate());
        let sealed = sealer.seal(&place(), b"secret");
        for other in [
            Place { table: "clients", ..place() },
            Place { column: "secret", ..place() },
            Place { row: Uuid::from_u128(8), ..place() },
            // The same letters, cut elsewhere.
            Place { table: "connectionsclient", column: "_secret", ..place() },
        ] {
            assert_eq!(sealer.open(&other, &sealed).unwrap_err(), SealError::Forged, "{other:?}");
        }
    }

    #[test]
    fn sso_r13_no_changed_byte_and_no_cut_is_accepted() {
        let sealer = Sealer::new(KeyRing::generate());
        let sealed = sealer.seal(&place(), b"secret");
        for index in 0..sealed.0.len() {
            let mut changed = sealed.clone();
            changed.0[index] ^= 1;
            assert!(sealer.open(&place(), &changed).is_err(), "byte {index}");
            assert!(sealer.open(&place(), &Sealed(sealed.0[..index].to_vec())).is_err(), "cut at {index}");
        }
    }

    #[test]
    fn l07_what_goes_into_an_address_is_unreserved_and_comes_back() {
        let sealer = Sealer::new(KeyRing::generate());
        let text = sealer.seal_for_url(&place(), &[0xff; 100]);
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{text}");
        assert_eq!(sealer.open_from_url(&place(), &text).unwrap().as_slice(), [0xff; 100]);
        let elsewhere = Place { row: Uuid::from_u128(8), ..place() };
        assert_eq!(sealer.open_from_url(&elsewhere, &text).unwrap_err(), SealError::Forged);
        for text in ["", "ä", "AA==", &format!("{text}="), &text[1..]] {
            assert!(sealer.open_from_url(&place(), text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_same_value_never_looks_the_same() {
        let sealer = Sealer::new(KeyRing::generate());
        assert_ne!(sealer.seal(&place(), b"secret"), sealer.seal(&place(), b"secret"));
    }

    #[test]
    fn an_older_key_still_opens_and_a_lost_one_is_named() {
        let old = KeyRing::generate();
        let sealed = Sealer::new(KeyRing::from_text(old.to_text().expose_secret()).unwrap()).seal(&place(), b"secret");
        let both = format!("{}{}", KeyRing::generate().to_text().expose_secret(), old.to_text().expose_secret());
        let both = KeyRing::from_text(&both).unwrap();
        assert_eq!(both.0.len(), 2);
        let both = Sealer::new(both);
        assert_eq!(both.open(&place(), &sealed).unwrap().as_slice(), b"secret");
        assert_ne!(both.seal(&place(), b"secret").0[1..5], sealed.0[1..5], "the first key of the file seals");
        let missing = Sealer::new(KeyRing::generate()).open(&place(), &sealed).unwrap_err();
        assert_eq!(missing, SealError::UnknownKey { key: old.0[0].0.to_string() });
    }

    #[test]
    fn a_key_file_is_refused_with_its_line() {
        let key = STANDARD.encode([7; 32]);
        let table = [
            (String::new(), KeyRingError::Empty),
            ("# nothing yet\n\n".into(), KeyRingError::Empty),
            (format!("# a comment\n{}\n", STANDARD.encode([7; 31])), KeyRingError::NotAKey { line: 2 }),
            (format!("{key}\nnot base64!\n"), KeyRingError::NotAKey { line: 2 }),
            (format!("{key}\n\n{key}\n"), KeyRingError::Repeated { line: 3 }),
        ];
        for (text, error) in table {
            assert_eq!(KeyRing::from_text(&text).unwrap_err(), error, "{text:?}");
        }
        assert!(KeyRing::from_text(&format!("  {key}\r\n")).is_ok());
    }

    #[test]
    fn nothing_secret_is_printed() {
        let ring = KeyRing::from_text(&STANDARD.encode([7; 32])).unwrap();
        let sealer = Sealer::new(ring);
        let sealed = sealer.seal(&place(), b"a client secret");
        assert_eq!(format!("{sealed:?}"), "Sealed(..)");
        assert_eq!(format!("{sealer:?}").len(), "Sealer([\"00000000\"])".len());
    }
}
