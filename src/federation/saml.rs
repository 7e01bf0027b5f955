//! SAML 2.0, as far as it is built: whether the XML signature library that it will stand on is there and does its work.
//!
//! It is a system library, so a program that was built well can still meet a machine where it does not start. `vestibule doctor` asks.

use samael::crypto::{Crypto, CryptoProvider as _, ReduceMode};

/// Whether the XML signature library starts, and refuses a document that nobody signed.
#[must_use]
pub fn is_ready() -> bool {
    // A library that cannot start panics; that is an answer too.
    let refused = std::panic::catch_unwind(|| Crypto::reduce_xml_to_signed("<nobody/>", &[], ReduceMode::PreDigest).is_err());
    refused.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_xml_signature_library_starts_and_refuses_what_nobody_signed() {
        assert!(super::is_ready());
    }
}
