//! The XML signature library as a system library: whether it starts and does its work, and what of it is put away before any message is
//! shown to it.
//!
//! This is the only place with `unsafe`: two functions of the library that its Rust crate does not offer. Both are called once.

use std::panic::catch_unwind;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use samael::crypto::{AllowedSignatureAlgorithm, CertificateDer, Crypto, CryptoProvider as _, ReduceMode};

/// An assertion about nobody, signed with ECDSA by a key that was thrown away, and the certificate that verifies it.
const PROBE: &str = include_str!("probe.xml");
const PROBE_CERTIFICATE: &str = include_str!("probe.txt");

/// What may have signed a message; the pre-flight has looked already.
const ALGORITHMS: [AllowedSignatureAlgorithm; 6] = [
    AllowedSignatureAlgorithm::RsaSha256,
    AllowedSignatureAlgorithm::RsaSha384,
    AllowedSignatureAlgorithm::RsaSha512,
    AllowedSignatureAlgorithm::EcdsaSha256,
    AllowedSignatureAlgorithm::EcdsaSha384,
    AllowedSignatureAlgorithm::EcdsaSha512,
];

/// Whether the library started, answered once for the life of the process.
static READY: OnceLock<bool> = OnceLock::new();

/// Whether the library starts, verifies what is signed and refuses what was changed. It is a system library, so a program that was built
/// well can still meet a machine where it does not. `vestibule doctor` asks.
#[must_use]
pub fn is_ready() -> bool {
    // A library that cannot start panics; that is an answer too.
    *READY.get_or_init(|| catch_unwind(start).unwrap_or(false))
}

/// Starts the library. The first verification does; then it is taken from it what it never needs here, and looked at whether it still
/// does its work.
fn start() -> bool {
    let _ = probe(PROBE);
    put_away();
    let is_changed = PROBE.replace("nobody", "somebody");
    probe(PROBE).is_some_and(|signed| signed.contains("nobody")) && probe(&is_changed).is_none()
}

fn probe(xml: &str) -> Option<String> {
    let certificate = STANDARD.decode(PROBE_CERTIFICATE.trim()).ok()?;
    signed_bytes(xml, &certificate)
}

/// The bytes that the signatures of a document cover, if all of them are good by the key of the certificate (DER). Of two, that of the
/// response and that of its assertion, it is the response that is answered.
pub(super) fn signed_bytes(xml: &str, certificate: &[u8]) -> Option<String> {
    let certificate = [CertificateDer::from(certificate.to_vec())];
    // What the library finds wrong is the same for all messages: a signature is good, or it is none.
    Crypto::reduce_xml_to_signed_with_allowed_algorithms(xml, &certificate, ReduceMode::PreDigest, Some(&ALGORITHMS)).ok()
}

#[expect(unsafe_code, reason = "the Rust crate of the library has no way to do these two")]
fn put_away() {
    #[link(name = "xmlsec1")]
    unsafe extern "C" {
        /// Forgets how to open files and addresses. What a signature refers to lies within its document.
        fn xmlSecIOCleanupCallbacks();
        /// Whether what went wrong is written to standard error.
        fn xmlSecErrorsDefaultCallbackEnableOutput(enabled: std::ffi::c_int);
    }
    // SAFETY: neither takes a pointer. Both change what is global to the library, which has started, and they run once, before any message
    // is shown to it: `READY` makes every verification wait for that.
    unsafe {
        xmlSecIOCleanupCallbacks();
        xmlSecErrorsDefaultCallbackEnableOutput(0);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::FileTimes;
    use std::net::TcpListener;
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn the_library_starts_verifies_and_refuses() {
        assert!(is_ready());
        assert!(probe(&PROBE.replace("_probe", "_other")).is_none(), "another ID is another document");
        assert!(signed_bytes(PROBE, b"no certificate").is_none());
        assert!(signed_bytes("<nobody/>", b"").is_none());
    }

    #[test]
    fn sso_s20_an_address_that_a_signature_refers_to_is_not_opened() {
        assert!(is_ready());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("asked");
        let file = std::fs::File::create(&path).unwrap();
        // Never read: whoever reads it makes that later, also where the system notes few readings.
        file.set_times(FileTimes::new().set_accessed(SystemTime::UNIX_EPOCH)).unwrap();
        assert!(probe(&PROBE.replace("#_probe", &format!("file://{}", path.display()))).is_none());
        assert_eq!(std::fs::metadata(&path).unwrap().accessed().unwrap(), SystemTime::UNIX_EPOCH);

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = format!("http://{}/asked", listener.local_addr().unwrap());
        assert!(probe(&PROBE.replace("#_probe", &address)).is_none());
        assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
}
