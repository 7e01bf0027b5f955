//! Tokens: random texts that are shown once and kept only as a digest.
//!
//! A directory's bearer token is `vst_<lookup>_<secret>`: `vst_` lets scanners of leaked secrets know it, the lookup part is
//! public and finds its row, and the secret part is 256 random bits. A session cookie, `state`, `nonce` and PKCE verifier are bare: the
//! secret alone. A client's access token is made as a directory's is and begins with `vsa_`, so that neither is taken for the other.
//! A digest without salt or stretching is enough, because nobody can guess 256 random bits.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::random;

const PRODUCT: &str = "vst_";
/// What access tokens begin with; as long as [`PRODUCT`].
const ACCESS: &str = "vsa_";
/// 12 letters of an alphabet of 32: 60 bits, so that a clash of two is not met in practice and refused by the schema if it is.
const LOOKUP_CHARS: usize = 12;
/// 32 bytes in base64 without padding.
const SECRET_CHARS: usize = 43;
const BEARER_CHARS: usize = PRODUCT.len() + LOOKUP_CHARS + 1 + SECRET_CHARS;

/// Digits and lower-case letters without those that are misread for one another (i, l, o, u).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A token in clear. It exists between its making and its one showing; what is kept is its [`HashedToken`].
pub struct PlainToken(SecretString);

impl PlainToken {
    /// A bare token of 256 random bits, 43 letters of the URL-safe base64 alphabet: a session cookie, a `state`, a `nonce`, or a PKCE
    /// verifier (RFC 7636 section 4.1).
    #[must_use]
    pub fn bare() -> Self {
        Self(URL_SAFE_NO_PAD.encode(random::<32>()).into())
    }

    /// A bearer token for a directory's SCIM client.
    #[must_use]
    pub fn bearer() -> Self {
        Self::found_by_prefix(PRODUCT)
    }

    /// An access token for a client that works for itself.
    #[must_use]
    pub fn access() -> Self {
        Self::found_by_prefix(ACCESS)
    }

    fn found_by_prefix(product: &str) -> Self {
        let lookup: String =
            random::<LOOKUP_CHARS>().iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect();
        Self(format!("{product}{lookup}_{}", Self::bare().0.expose_secret()).into())
    }

    /// The digest of the whole token, for the store.
    #[must_use]
    pub fn digest(&self) -> HashedToken {
        HashedToken::of(self.0.expose_secret())
    }

    /// The public part by which a bearer token is found; a bare token has none.
    #[must_use]
    pub fn lookup(&self) -> Option<&str> {
        let text = self.0.expose_secret();
        BearerToken::parse(text).or_else(|_| BearerToken::parse_access(text)).ok().map(|token| token.lookup)
    }

    /// Gives the token away, to be shown once.
    #[must_use]
    pub fn reveal(self) -> SecretString {
        self.0
    }
}

impl fmt::Debug for PlainToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainToken(..)")
    }
}

/// The SHA-256 digest of a token; what the store keeps. Compared in constant time.
#[derive(Clone, sqlx::Type)]
#[sqlx(transparent)]
pub struct HashedToken(Vec<u8>);

impl HashedToken {
    /// The digest of a text that a client sent: a session cookie, a `state`. For a bearer token see [`BearerToken::parse`].
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).to_vec())
    }
}

impl PartialEq for HashedToken {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for HashedToken {}

impl fmt::Debug for HashedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashedToken(..)")
    }
}

/// A text that has not the shape of a bearer token of this service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a token of this service")]
pub struct NotAToken;

/// A bearer token that a client sent: where to look, and what must be found there.
#[derive(Debug)]
pub struct BearerToken<'a> {
    /// Finds the row.
    pub lookup: &'a str,
    /// Must equal the row's digest.
    pub digest: HashedToken,
}

impl<'a> BearerToken<'a> {
    /// Reads what followed `Bearer ` in the `Authorization` header. Whatever has not exactly the shape of a token is refused
    /// before it is hashed, so that a long header costs nothing.
    pub fn parse(text: &'a str) -> Result<Self, NotAToken> {
        Self::parse_as(PRODUCT, text)
    }

    /// Reads an access token of a client, as [`BearerToken::parse`] reads a directory's.
    pub fn parse_access(text: &'a str) -> Result<Self, NotAToken> {
        Self::parse_as(ACCESS, text)
    }

    fn parse_as(product: &str, text: &'a str) -> Result<Self, NotAToken> {
        if text.len() != BEARER_CHARS {
            return Err(NotAToken);
        }
        let rest = text.strip_prefix(product).ok_or(NotAToken)?;
        let (lookup, rest) = rest.split_at_checked(LOOKUP_CHARS).ok_or(NotAToken)?;
        let secret = rest.strip_prefix('_').ok_or(NotAToken)?;
        let shaped = lookup.bytes().all(|byte| ALPHABET.contains(&byte))
            && secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if shaped { Ok(Self { lookup, digest: HashedToken::of(text) }) } else { Err(NotAToken) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_found_by_its_public_part_and_proved_by_its_digest() {
        let token = PlainToken::bearer();
        let (lookup, digest) = (token.lookup().unwrap().to_owned(), token.digest());
        let shown = token.reveal();
        let shown = shown.expose_secret();
        assert!(shown.starts_with("vst_") && shown.len() == 60, "{}", shown.len());
        let parsed = BearerToken::parse(shown).unwrap();
        assert_eq!(parsed.lookup, lookup);
        assert_eq!(parsed.digest, digest);
    }

    #[test]
    fn what_is_not_a_token_is_refused() {
        let shown = PlainToken::bearer().reveal();
        let shown = shown.expose_secret();
        let table = [
            String::new(),
            "vst_".into(),
            shown[..59].into(),
            format!("{shown}x"),
            shown.replacen("vst_", "VST_", 1),
            format!("{}/{}", &shown[..30], &shown[31..]),
            format!("{} {}", &shown[..30], &shown[31..]),
            format!("{}-{}", &shown[..16], &shown[17..]),
            format!("vst_I{}", &shown[5..]),
            // As many bytes, but a letter of several bytes across the cut.
            format!("vst_{}ü{}", "a".repeat(11), "a".repeat(43)),
            "a".repeat(10_000),
        ];
        for text in table {
            assert_eq!(BearerToken::parse(&text).map(|token| token.lookup.to_owned()), Err(NotAToken), "{text:?}");
        }
    }

    #[test]
    fn another_secret_under_the_same_lookup_is_another_digest() {
        let shown = PlainToken::bearer().reveal();
        let shown = shown.expose_secret();
        let forged = format!("{}{}", &shown[..17], PlainToken::bare().reveal().expose_secret());
        let (known, forged) = (BearerToken::parse(shown).unwrap(), BearerToken::parse(&forged).unwrap());
        assert_eq!(known.lookup, forged.lookup);
        assert_ne!(known.digest, forged.digest);
    }

    #[test]
    fn an_access_token_is_no_token_of_a_directory_and_none_of_those_is_one() {
        let (access, bearer) = (PlainToken::access(), PlainToken::bearer());
        let lookup = access.lookup().unwrap().to_owned();
        let (access, bearer) = (access.reveal(), bearer.reveal());
        let (access, bearer) = (access.expose_secret(), bearer.expose_secret());
        assert!(access.starts_with("vsa_") && access.len() == bearer.len());
        assert_eq!(BearerToken::parse_access(access).unwrap().lookup, lookup);
        assert!(BearerToken::parse(access).is_err() && BearerToken::parse_access(bearer).is_err());
    }

    #[test]
    fn a_bare_token_is_a_pkce_verifier_and_has_no_lookup() {
        let token = PlainToken::bare();
        assert_eq!(token.lookup(), None);
        assert_eq!(token.digest(), HashedToken::of(token.0.expose_secret()));
        let shown = token.reveal();
        let shown = shown.expose_secret();
        assert_eq!(shown.len(), 43);
        assert!(shown.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')), "{shown}");
    }

    #[test]
    fn the_digest_is_sha_256() {
        // NIST's first example.
        let digest = HashedToken::of("abc");
        assert_eq!(digest.0[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(digest.0.len(), 32);
    }

    #[test]
    fn digests_of_different_length_differ() {
        assert_ne!(HashedToken(Vec::new()), HashedToken::of("abc"));
    }

    #[test]
    fn nothing_secret_is_printed() {
        assert_eq!(format!("{:?}", PlainToken::bearer()), "PlainToken(..)");
        assert_eq!(format!("{:?}", PlainToken::bearer().digest()), "HashedToken(..)");
    }
}
