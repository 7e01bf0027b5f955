//! Encrypted assertions (XML Encryption 1.1): by Debian's `xmlsec1` as far as it goes, and by OpenSSL for the algorithms that it has not and for
//! what no tool would make.

use openssl::encrypt::Encrypter;
use openssl::hash::MessageDigest;
use openssl::rsa::Padding;
use openssl::symm::{Cipher, encrypt, encrypt_aead};

use super::keys::Key;
use super::message::XMLNS_A;
use super::sign::{DS, SHA1, xmlsec1};

pub(crate) const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
pub(crate) const XENC11: &str = "http://www.w3.org/2009/xmlenc11#";

/// A block cipher.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Block {
    Gcm(u16),
    Cbc(u16),
    TripleDes,
}

/// How the block cipher's key is carried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Transport {
    /// `rsa-oaep-mgf1p` without a digest: SHA-1 for both.
    OaepPlain,
    /// `rsa-oaep-mgf1p`: this digest, MGF1 with SHA-1.
    OaepMgf1p(&'static str),
    /// `rsa-oaep` of XML Encryption 1.1: a digest, and the digest of MGF1.
    Oaep11(&'static str, &'static str),
    /// RSAES-PKCS1-v1_5.
    Rsa15,
}

impl Block {
    pub(crate) fn algorithm(self) -> String {
        match self {
            Self::Gcm(bits) => format!("{XENC11}aes{bits}-gcm"),
            Self::Cbc(bits) => format!("{XENC}aes{bits}-cbc"),
            Self::TripleDes => format!("{XENC}tripledes-cbc"),
        }
    }

    fn cipher(self) -> Cipher {
        match self {
            Self::Gcm(128) => Cipher::aes_128_gcm(),
            Self::Gcm(192) => Cipher::aes_192_gcm(),
            Self::Gcm(_) => Cipher::aes_256_gcm(),
            Self::Cbc(128) => Cipher::aes_128_cbc(),
            Self::Cbc(192) => Cipher::aes_192_cbc(),
            Self::Cbc(_) => Cipher::aes_256_cbc(),
            Self::TripleDes => Cipher::des_ede3_cbc(),
        }
    }

    /// Encrypts, with the vector in front and the tag behind.
    fn seal(self, key: &[u8], text: &[u8]) -> Vec<u8> {
        let cipher = self.cipher();
        let mut vector = vec![0; cipher.iv_len().unwrap()];
        openssl::rand::rand_bytes(&mut vector).unwrap();
        let mut tag = [0; 16];
        let (sealed, tag): (_, &[u8]) = match self {
            Self::Gcm(_) => (encrypt_aead(cipher, key, Some(&vector), &[], text, &mut tag).unwrap(), &tag),
            _ => (encrypt(cipher, key, Some(&vector), text).unwrap(), &[]),
        };
        [&vector, &sealed[..], tag].concat()
    }
}

impl Transport {
    fn method(self) -> String {
        let digest = |algorithm: &str| format!(r#"<ds:DigestMethod xmlns:ds="{DS}" Algorithm="{algorithm}"></ds:DigestMethod>"#);
        match self {
            Self::OaepPlain => format!(r#"<xenc:EncryptionMethod Algorithm="{XENC}rsa-oaep-mgf1p"></xenc:EncryptionMethod>"#),
            Self::OaepMgf1p(algorithm) => {
                format!(r#"<xenc:EncryptionMethod Algorithm="{XENC}rsa-oaep-mgf1p">{}</xenc:EncryptionMethod>"#, digest(algorithm))
            }
            Self::Oaep11(algorithm, mgf) => format!(
                r#"<xenc:EncryptionMethod Algorithm="{XENC11}rsa-oaep">{}<xenc11:MGF xmlns:xenc11="{XENC11}" Algorithm="{XENC11}mgf1{mgf}"></xenc11:MGF></xenc:EncryptionMethod>"#,
                digest(algorithm)
            ),
            Self::Rsa15 => format!(r#"<xenc:EncryptionMethod Algorithm="{XENC}rsa-1_5"></xenc:EncryptionMethod>"#),
        }
    }

    fn wrap(self, recipient: &Key, key: &[u8]) -> Vec<u8> {
        let digest = |algorithm: &str| if algorithm == SHA1 { MessageDigest::sha1() } else { MessageDigest::sha256() };
        let (digest, mgf) = match self {
            Self::Rsa15 => {
                let mut encrypter = Encrypter::new(&recipient.private).unwrap();
                encrypter.set_rsa_padding(Padding::PKCS1).unwrap();
                let mut wrapped = vec![0; encrypter.encrypt_len(key).unwrap()];
                let length = encrypter.encrypt(key, &mut wrapped).unwrap();
                wrapped.truncate(length);
                return wrapped;
            }
            Self::OaepPlain => (MessageDigest::sha1(), MessageDigest::sha1()),
            Self::OaepMgf1p(algorithm) => (digest(algorithm), MessageDigest::sha1()),
            Self::Oaep11(algorithm, mgf) => {
                (digest(algorithm), if mgf == "sha1" { MessageDigest::sha1() } else { MessageDigest::sha256() })
            }
        };
        let mut context = Encrypter::new(&recipient.private).unwrap();
        context.set_rsa_padding(Padding::PKCS1_OAEP).unwrap();
        context.set_rsa_oaep_md(digest).unwrap();
        context.set_rsa_mgf1_md(mgf).unwrap();
        let mut wrapped = vec![0; context.encrypt_len(key).unwrap()];
        let length = context.encrypt(key, &mut wrapped).unwrap();
        wrapped.truncate(length);
        wrapped
    }
}

/// What becomes an `EncryptedAssertion`, with what an attacker would change.
pub(crate) struct Sealed {
    pub(crate) block: Block,
    pub(crate) transport: Transport,
    /// The wrapped key.
    pub(crate) key: Vec<u8>,
    /// The vector, what is encrypted, the tag.
    pub(crate) data: Vec<u8>,
    /// The value of `Type`.
    pub(crate) kind: String,
}

impl Sealed {
    pub(crate) fn new(text: &[u8], recipient: &Key, block: Block, transport: Transport) -> Self {
        let mut key = vec![0; block.cipher().key_len()];
        openssl::rand::rand_bytes(&mut key).unwrap();
        Self {
            block,
            transport,
            key: transport.wrap(recipient, &key),
            data: block.seal(&key, text),
            kind: format!("{XENC}Element"),
        }
    }

    pub(crate) fn text(&self) -> String {
        let (key, data) = (openssl::base64::encode_block(&self.key), openssl::base64::encode_block(&self.data));
        let (method, transport, kind) = (self.block.algorithm(), self.transport.method(), &self.kind);
        format!(
            r#"<saml:EncryptedAssertion {XMLNS_A}><xenc:EncryptedData xmlns:xenc="{XENC}" Type="{kind}"><xenc:EncryptionMethod Algorithm="{method}"></xenc:EncryptionMethod><ds:KeyInfo xmlns:ds="{DS}"><xenc:EncryptedKey>{transport}<xenc:CipherData><xenc:CipherValue>{key}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo><xenc:CipherData><xenc:CipherValue>{data}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData></saml:EncryptedAssertion>"#
        )
    }
}

/// An `EncryptedAssertion` by OpenSSL.
pub(crate) fn encrypted(assertion: &str, recipient: &Key, block: Block, transport: Transport) -> String {
    Sealed::new(assertion.as_bytes(), recipient, block, transport).text()
}

/// An `EncryptedAssertion` by `xmlsec1`, which has OAEP with SHA-1 in every version.
pub(crate) fn encrypted_by_xmlsec1(assertion: &str, recipient: &Key, block: Block) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (method, transport) = (block.algorithm(), Transport::OaepPlain.method());
    let template = format!(
        r#"<xenc:EncryptedData xmlns:xenc="{XENC}" Type="{XENC}Element"><xenc:EncryptionMethod Algorithm="{method}"/><ds:KeyInfo xmlns:ds="{DS}"><xenc:EncryptedKey>{transport}<xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo><xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedData>"#
    );
    std::fs::write(path("template.xml"), template).unwrap();
    std::fs::write(path("data.xml"), format!("<saml:EncryptedAssertion {XMLNS_A}>{assertion}</saml:EncryptedAssertion>")).unwrap();
    std::fs::write(path("certificate.pem"), recipient.certificate.to_pem().unwrap()).unwrap();
    let session = match block {
        Block::Gcm(bits) | Block::Cbc(bits) => format!("aes-{bits}"),
        Block::TripleDes => "des-192".to_owned(),
    };
    let made = xmlsec1(
        "--encrypt",
        &[
            "--pubkey-cert-pem",
            path("certificate.pem").to_str().unwrap(),
            "--session-key",
            &session,
            "--xml-data",
            path("data.xml").to_str().unwrap(),
            "--node-name",
            "urn:oasis:names:tc:SAML:2.0:assertion:Assertion",
        ],
        &path("template.xml"),
    );
    let made = String::from_utf8(made).unwrap();
    made.strip_prefix("<?xml version=\"1.0\"?>\n").unwrap_or(&made).trim_end().to_owned()
}
