//! Keys of the tests: made once for the process, never written down but for as long as a tool reads them.

use std::sync::LazyLock;

use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::{X509, X509NameBuilder};

/// A private key with its self-signed certificate.
pub(crate) struct Key {
    pub(crate) private: PKey<Private>,
    pub(crate) certificate: X509,
}

/// The identity provider's RSA key.
pub(crate) static RSA: LazyLock<Key> = LazyLock::new(|| Key::rsa("idp.example.com"));
/// The identity provider's key on P-256.
pub(crate) static EC: LazyLock<Key> = LazyLock::new(|| Key::ec("idp.example.com", Nid::X9_62_PRIME256V1));
/// A key of somebody else, who calls themselves like the identity provider.
pub(crate) static OTHER: LazyLock<Key> = LazyLock::new(|| Key::rsa("idp.example.com"));
/// Ours: what is encrypted for us is encrypted for it.
pub(crate) static OURS: LazyLock<Key> = LazyLock::new(|| Key::rsa("vestibule"));
/// Our key of before, which still decrypts.
pub(crate) static OURS_BEFORE: LazyLock<Key> = LazyLock::new(|| Key::rsa("vestibule"));
/// A key of the identity provider's whose certificate has ended.
pub(crate) static ENDED: LazyLock<Key> = LazyLock::new(|| {
    Key::with(PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap(), "idp.example.com", "20200101000000Z", "20260101000000Z")
});

impl Key {
    fn rsa(name: &str) -> Self {
        Self::with(PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap(), name, "20250101000000Z", "20350101000000Z")
    }

    fn ec(name: &str, curve: Nid) -> Self {
        let group = EcGroup::from_curve_name(curve).unwrap();
        let private = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        Self::with(private, name, "20250101000000Z", "20350101000000Z")
    }

    fn with(private: PKey<Private>, name: &str, not_before: &str, not_after: &str) -> Self {
        let mut subject = X509NameBuilder::new().unwrap();
        subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
        let subject = subject.build();
        let mut certificate = X509::builder().unwrap();
        certificate.set_version(2).unwrap();
        certificate.set_serial_number(&Asn1Integer::from_bn(&BigNum::from_u32(1).unwrap()).unwrap()).unwrap();
        certificate.set_subject_name(&subject).unwrap();
        certificate.set_issuer_name(&subject).unwrap();
        certificate.set_pubkey(&private).unwrap();
        certificate.set_not_before(&Asn1Time::from_str(not_before).unwrap()).unwrap();
        certificate.set_not_after(&Asn1Time::from_str(not_after).unwrap()).unwrap();
        certificate.sign(&private, MessageDigest::sha256()).unwrap();
        let certificate = certificate.build();
        Self { private, certificate }
    }

    /// The certificate as DER in base64, as `ds:X509Certificate` holds it.
    pub(crate) fn certificate_base64(&self) -> String {
        openssl::base64::encode_block(&self.certificate.to_der().unwrap())
    }

    pub(crate) fn is_rsa(&self) -> bool {
        self.private.rsa().is_ok()
    }
}
