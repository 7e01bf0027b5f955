//! Signatures: by Debian's `xmlsec1`, which has nothing of ours in it, and by hand where what is signed is what no tool would sign.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use openssl::ecdsa::EcdsaSig;
use openssl::hash::{MessageDigest, hash};
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;

use super::keys::{Key, RSA};
use super::message::SIGNATURE;

pub(crate) const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
pub(crate) const MORE: &str = "http://www.w3.org/2001/04/xmldsig-more#";
pub(crate) const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
pub(crate) const INCLUSIVE: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
pub(crate) const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
pub(crate) const SHA1: &str = "http://www.w3.org/2000/09/xmldsig#sha1";
pub(crate) const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
pub(crate) const SHA384: &str = "http://www.w3.org/2001/04/xmldsig-more#sha384";
pub(crate) const SHA512: &str = "http://www.w3.org/2001/04/xmlenc#sha512";
pub(crate) const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
pub(crate) const ECDSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";

/// How something is signed.
#[derive(Clone)]
pub(crate) struct Signature<'a> {
    pub(crate) key: &'a Key,
    pub(crate) method: String,
    pub(crate) digest: String,
    pub(crate) c14n: String,
    /// The reference; `#` and the id of the parent unless it is set.
    pub(crate) uri: Option<String>,
    /// The content of `ds:Transforms`.
    pub(crate) transforms: String,
    /// What follows the signature's value.
    pub(crate) after: String,
}

impl Default for Signature<'_> {
    fn default() -> Self {
        Self::by(&RSA)
    }
}

impl<'a> Signature<'a> {
    /// With SHA-256.
    pub(crate) fn by(key: &'a Key) -> Self {
        Self {
            key,
            method: if key.is_rsa() { RSA_SHA256 } else { ECDSA_SHA256 }.to_owned(),
            digest: SHA256.to_owned(),
            c14n: EXCLUSIVE.to_owned(),
            uri: None,
            transforms: transform(ENVELOPED) + &transform(EXCLUSIVE),
            after: String::new(),
        }
    }

    /// With another family of digests: `256`, `384`, `512`.
    pub(crate) fn sha(key: &'a Key, bits: u16) -> Self {
        let family = if key.is_rsa() { "rsa" } else { "ecdsa" };
        let digest = match bits {
            256 => SHA256,
            384 => SHA384,
            _ => SHA512,
        };
        Self { method: format!("{MORE}{family}-sha{bits}"), digest: digest.to_owned(), ..Self::by(key) }
    }

    /// With the key's certificate in `ds:KeyInfo`.
    pub(crate) fn with_certificate(mut self) -> Self {
        self.after = key_info(self.key);
        self
    }

    fn signed_info(&self, uri: &str, digest: &str) -> String {
        let Self { method, digest: algorithm, c14n, transforms, .. } = self;
        format!(
            r#"<ds:CanonicalizationMethod Algorithm="{c14n}"></ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="{method}"></ds:SignatureMethod><ds:Reference URI="{uri}"><ds:Transforms>{transforms}</ds:Transforms><ds:DigestMethod Algorithm="{algorithm}"></ds:DigestMethod><ds:DigestValue>{digest}</ds:DigestValue></ds:Reference>"#
        )
    }
}

pub(crate) fn transform(algorithm: &str) -> String {
    format!(r#"<ds:Transform Algorithm="{algorithm}"></ds:Transform>"#)
}

pub(crate) fn key_info(key: &Key) -> String {
    let certificate = key.certificate_base64();
    format!("<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>")
}

/// The id of the outermost element.
pub(crate) fn id_of(text: &str) -> &str {
    let tag = &text[..text.find('>').unwrap()];
    let id = &tag[tag.find(" ID=\"").unwrap() + 5..];
    &id[..id.find('"').unwrap()]
}

/// Signs the outermost element by `xmlsec1`; its signature goes where the place of the first one is.
pub(crate) fn sign(text: &str, signature: &Signature<'_>) -> String {
    let uri = signature.uri.clone().unwrap_or_else(|| format!("#{}", id_of(text)));
    let info = signature.signed_info(&uri, "");
    let after = &signature.after;
    let template = format!(
        r#"<ds:Signature xmlns:ds="{DS}"><ds:SignedInfo>{info}</ds:SignedInfo><ds:SignatureValue></ds:SignatureValue>{after}</ds:Signature>"#
    );
    assert!(text.contains(SIGNATURE), "there is no place for a signature in {text}");
    let text = text.replacen(SIGNATURE, &template, 1);
    let folder = tempfile::tempdir().unwrap();
    let (key, file) = (folder.path().join("key.pem"), folder.path().join("template.xml"));
    std::fs::write(&key, signature.key.private.private_key_to_pem_pkcs8().unwrap()).unwrap();
    std::fs::write(&file, unsigned(&text)).unwrap();
    let signed = xmlsec1(
        "--sign",
        &[
            "--privkey-pem",
            key.to_str().unwrap(),
            "--id-attr:ID",
            "urn:oasis:names:tc:SAML:2.0:protocol:Response",
            "--id-attr:ID",
            "urn:oasis:names:tc:SAML:2.0:assertion:Assertion",
            "--id-attr:ID",
            "urn:oasis:names:tc:SAML:2.0:protocol:LogoutRequest",
            "--id-attr:ID",
            "urn:oasis:names:tc:SAML:2.0:protocol:LogoutResponse",
            "--node-xpath",
            "/*/*[local-name()='Signature']",
        ],
        &file,
    );
    let signed = String::from_utf8(signed).unwrap();
    let body = signed.strip_prefix("<?xml version=\"1.0\"?>\n").unwrap_or(&signed);
    body.trim_end().to_owned()
}

/// Runs `xmlsec1` on a file.
pub(crate) fn xmlsec1(command: &str, arguments: &[&str], file: &Path) -> Vec<u8> {
    // Since 1.3 it looks for a key by its name only, unless it is told otherwise.
    static LAX: LazyLock<bool> = LazyLock::new(|| {
        let version =
            Command::new("xmlsec1").arg("--version").output().expect("xmlsec1 is missing; script/bootstrap --test installs it");
        !String::from_utf8_lossy(&version.stdout).starts_with("xmlsec1 1.2.")
    });
    let mut tool = Command::new("xmlsec1");
    tool.arg(command);
    if *LAX {
        tool.arg("--lax-key-search");
    }
    let output = tool.args(arguments).arg(file).output().unwrap();
    assert!(output.status.success(), "xmlsec1 {command}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The text with no signature in any place for one.
pub(crate) fn unsigned(text: &str) -> String {
    text.replace(SIGNATURE, "")
}

/// Signs the outermost element by hand: the digest is that of the text without its signature, which has to be canonical.
pub(crate) fn seal(text: &str, signature: &Signature<'_>) -> String {
    let uri = signature.uri.clone().unwrap_or_else(|| format!("#{}", id_of(text)));
    let digest = digest(&signature.digest, unsigned(text).as_bytes());
    let sealed = seal_info(&signature.signed_info(&uri, &digest), signature);
    text.replacen(SIGNATURE, &sealed, 1)
}

/// A `ds:Signature` with this content of `ds:SignedInfo`, which has to be canonical; what it refers to is not looked at.
pub(crate) fn seal_info(info: &str, signature: &Signature<'_>) -> String {
    let canonical = format!(r#"<ds:SignedInfo xmlns:ds="{DS}">{info}</ds:SignedInfo>"#);
    let value = raw(&signature.key.private, message_digest(&signature.method), canonical.as_bytes());
    let (value, after) = (openssl::base64::encode_block(&value), &signature.after);
    format!(
        r#"<ds:Signature xmlns:ds="{DS}"><ds:SignedInfo>{info}</ds:SignedInfo><ds:SignatureValue>{value}</ds:SignatureValue>{after}</ds:Signature>"#
    )
}

/// The content of a `ds:SignedInfo` with references that are text.
pub(crate) fn info(signature: &Signature<'_>, references: &str) -> String {
    let Signature { method, c14n, .. } = signature;
    format!(
        r#"<ds:CanonicalizationMethod Algorithm="{c14n}"></ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="{method}"></ds:SignatureMethod>{references}"#
    )
}

/// A `ds:Reference`.
pub(crate) fn reference(uri: &str, transforms: &str, algorithm: &str, digest: &str) -> String {
    format!(
        r#"<ds:Reference URI="{uri}"><ds:Transforms>{transforms}</ds:Transforms><ds:DigestMethod Algorithm="{algorithm}"></ds:DigestMethod><ds:DigestValue>{digest}</ds:DigestValue></ds:Reference>"#
    )
}

/// A digest in base64, by the address of its algorithm.
pub(crate) fn digest(algorithm: &str, text: &[u8]) -> String {
    openssl::base64::encode_block(&hash(message_digest(algorithm), text).unwrap())
}

fn message_digest(algorithm: &str) -> MessageDigest {
    match algorithm.rsplit(['-', '#']).next().unwrap() {
        "sha1" => MessageDigest::sha1(),
        "md5" => MessageDigest::md5(),
        "sha224" => MessageDigest::sha224(),
        "sha384" => MessageDigest::sha384(),
        "sha512" => MessageDigest::sha512(),
        _ => MessageDigest::sha256(),
    }
}

/// A signature as XML has it: of an elliptic curve, the two numbers one after the other (RFC 4050).
pub(crate) fn raw(key: &PKey<Private>, digest: MessageDigest, text: &[u8]) -> Vec<u8> {
    let mut signer = Signer::new(digest, key).unwrap();
    let value = signer.sign_oneshot_to_vec(text).unwrap();
    if key.ec_key().is_err() {
        return value;
    }
    let pair = EcdsaSig::from_der(&value).unwrap();
    let mut both = pair.r().to_vec_padded(32).unwrap();
    both.extend(pair.s().to_vec_padded(32).unwrap());
    both
}
