//! Secrets: what seals them at rest, and the random tokens that people and machines carry.
//!
//! [`seal`] encrypts the few columns that must be read back (client secrets, the private half of a pending sign-in), each bound to
//! its place. [`token`] makes what need never be read back: bearer tokens and session cookies leave here once as a
//! [`PlainToken`] and are kept as a [`HashedToken`]. `signing` makes the keys that sign what portals verify. Every random byte of the service is drawn
//! here, but for those within keys that a library makes.

mod seal;
mod signing;
mod token;

pub use seal::{KeyRing, KeyRingError, Place, SealError, Sealed, Sealer};
pub use signing::{ES256, KeyPair, PublicJwk, Signer, SigningError, TokenHeader, Verifier};
pub use token::{BearerToken, HashedToken, NotAToken, PlainToken};

/// `N` bytes from the operating system's generator.
///
/// A machine that cannot give random bytes can keep no secret, and no caller could do anything about it: the request ends there.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system's random generator answers");
    bytes
}
