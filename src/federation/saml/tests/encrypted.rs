//! Encrypted assertions, in each algorithm that is taken and in those that are not.

use openssl::cipher::{Cipher, CipherRef};
use openssl::cipher_ctx::CipherCtx;
use openssl::md::{Md, MdRef};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::Padding;
use openssl::x509::X509;

use super::*;

const GCM: &str = "http://www.w3.org/2009/xmlenc11#aes128-gcm";
const CBC: &str = "http://www.w3.org/2001/04/xmlenc#aes128-cbc";
const MGF1P: &str = r#"<xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"/>"#;

/// What is encrypted, and how.
struct Recipe<'a> {
    content: &'a str,
    /// The method of the key, and what it means.
    method: &'a str,
    digest: &'static MdRef,
    mask: &'static MdRef,
    to: &'a Credential,
}

impl<'a> Recipe<'a> {
    fn of(content: &'a str) -> Self {
        Self { content, method: MGF1P, digest: Md::sha1(), mask: Md::sha1(), to: own() }
    }

    fn encrypted(&self, plain: &[u8]) -> String {
        let (cipher, key_bytes): (&CipherRef, usize) = match self.content.rsplit('#').next().unwrap() {
            "aes128-gcm" => (Cipher::aes_128_gcm(), 16),
            "aes192-gcm" => (Cipher::aes_192_gcm(), 24),
            "aes256-gcm" => (Cipher::aes_256_gcm(), 32),
            "aes128-cbc" => (Cipher::aes_128_cbc(), 16),
            "aes192-cbc" => (Cipher::aes_192_cbc(), 24),
            _ => (Cipher::aes_256_cbc(), 32),
        };
        let key = vec![7; key_bytes];
        let nonce = vec![9; cipher.iv_length()];
        let mut context = CipherCtx::new().unwrap();
        context.encrypt_init(Some(cipher), Some(&key), Some(&nonce)).unwrap();
        let mut sealed = nonce.clone();
        context.cipher_update_vec(plain, &mut sealed).unwrap();
        context.cipher_final_vec(&mut sealed).unwrap();
        if self.content.ends_with("gcm") {
            let mut tag = [0; 16];
            context.tag(&mut tag).unwrap();
            sealed.extend(tag);
        }
        let public = X509::from_der(&self.to.certificate).unwrap().public_key().unwrap();
        let mut context = PkeyCtx::new(&public).unwrap();
        context.encrypt_init().unwrap();
        context.set_rsa_padding(Padding::PKCS1_OAEP).unwrap();
        context.set_rsa_oaep_md(self.digest).unwrap();
        context.set_rsa_mgf1_md(self.mask).unwrap();
        let mut wrapped = Vec::new();
        context.encrypt_to_vec(&key, &mut wrapped).unwrap();
        let value = |bytes: &[u8]| {
            format!("<xenc:CipherData><xenc:CipherValue>{}</xenc:CipherValue></xenc:CipherData>", STANDARD.encode(bytes))
        };
        format!(
            r#"<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"><xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" Type="http://www.w3.org/2001/04/xmlenc#Element"><xenc:EncryptionMethod Algorithm="{}"/><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><xenc:EncryptedKey>{}{}</xenc:EncryptedKey></ds:KeyInfo>{}</xenc:EncryptedData></saml:EncryptedAssertion>"#,
            self.content,
            self.method,
            value(&wrapped),
            value(&sealed),
        )
    }
}

fn settings() -> SamlSettings {
    SamlSettings { allow_cbc: true, require_encryption: true, ..SamlSettings::default() }
}

async fn outcome(settings: SamlSettings, xml: &str) -> Result<String, &'static str> {
    let (result, _) = finish_with(expected(settings), xml).await;
    result.map(|identity| identity.subject.value).map_err(|refused| refused.reason())
}

fn inner() -> String {
    signed(&assertion(), "_a", idp(), RSA)
}

#[tokio::test]
async fn sso_s29_every_algorithm_of_the_list_is_taken() {
    for content in [128, 192, 256].into_iter().flat_map(|bits| {
        [format!("http://www.w3.org/2009/xmlenc11#aes{bits}-gcm"), format!("http://www.w3.org/2001/04/xmlenc#aes{bits}-cbc")]
    }) {
        let xml = response(&Recipe::of(&content).encrypted(inner().as_bytes()));
        assert_eq!(outcome(settings(), &xml).await.as_deref(), Ok("joe-0001"), "{content}");
    }
    let oaep = |digest: &str, mask: &str| {
        format!(
            r#"<xenc:EncryptionMethod Algorithm="http://www.w3.org/2009/xmlenc11#rsa-oaep"><ds:DigestMethod Algorithm="{digest}"/><x:MGF xmlns:x="http://www.w3.org/2009/xmlenc11#" Algorithm="http://www.w3.org/2009/xmlenc11#{mask}"/></xenc:EncryptionMethod>"#
        )
    };
    let (sha1, sha256) = ("http://www.w3.org/2000/09/xmldsig#sha1", "http://www.w3.org/2001/04/xmlenc#sha256");
    for (method, digest, mask) in [
        (oaep(sha1, "mgf1sha1"), Md::sha1(), Md::sha1()),
        (oaep(sha256, "mgf1sha256"), Md::sha256(), Md::sha256()),
        (oaep(sha256, "mgf1sha1"), Md::sha256(), Md::sha1()),
    ] {
        let recipe = Recipe { method: &method, digest, mask, ..Recipe::of(GCM) };
        assert_eq!(
            outcome(settings(), &response(&recipe.encrypted(inner().as_bytes()))).await.as_deref(),
            Ok("joe-0001"),
            "{method}"
        );
    }
}

#[tokio::test]
async fn sso_s29_a_plain_assertion_is_refused_where_it_must_be_encrypted() {
    assert_eq!(outcome(settings(), &good()).await, Err("saml_not_encrypted"));
}

#[tokio::test]
async fn sso_s29_what_was_encrypted_must_be_signed_within_or_around() {
    let unsigned = Recipe::of(GCM).encrypted(assertion().as_bytes());
    assert_eq!(outcome(settings(), &response(&unsigned)).await, Err("saml_unsigned"));
    assert_eq!(outcome(settings(), &signed(&response(&unsigned), "_r", idp(), RSA)).await.as_deref(), Ok("joe-0001"));
    let forged = Recipe::of(GCM).encrypted(signed(&assertion(), "_a", own(), RSA).as_bytes());
    assert_eq!(outcome(settings(), &response(&forged)).await, Err("saml_signature"));
    assert_eq!(outcome(settings(), &signed(&response(&forged), "_r", idp(), RSA)).await, Err("saml_signature"));
    assert_eq!(outcome(settings(), &signed(&response(&unsigned), "_r", own(), RSA)).await, Err("saml_signature"));
    let both = signed(&response(&Recipe::of(GCM).encrypted(inner().as_bytes())), "_r", idp(), RSA);
    assert_eq!(outcome(settings(), &both).await.as_deref(), Ok("joe-0001"));
}

#[tokio::test]
async fn sso_s29_what_goes_wrong_in_decryption_is_one_error() {
    let good = response(&Recipe::of(CBC).encrypted(inner().as_bytes()));
    let last = good.rfind("</xenc:CipherValue>").unwrap();
    let value = good[..last].rfind('>').unwrap() + 1;
    let sealed = STANDARD.decode(&good[value..last]).unwrap();
    let with = |sealed: &[u8]| format!("{}{}{}", &good[..value], STANDARD.encode(sealed), &good[last..]);
    let changed = |at: usize| {
        let mut sealed = sealed.clone();
        sealed[at] ^= 1;
        with(&sealed)
    };
    let twice = "<saml:Assertion ID='_b'/>";
    let table = [
        ("a changed end", changed(sealed.len() - 1)),
        ("a changed beginning", changed(0)),
        ("a changed middle", changed(sealed.len() / 2)),
        ("a short one", with(&sealed[..16])),
        ("a very short one", with(&sealed[..3])),
        ("a piece", with(&sealed[..sealed.len() - 16])),
        ("half a block", with(&sealed[..sealed.len() - 8])),
        ("nothing", with(&[])),
        ("another's key", response(&Recipe { to: idp(), ..Recipe::of(CBC) }.encrypted(inner().as_bytes()))),
        ("another mask", response(&Recipe { mask: Md::sha256(), ..Recipe::of(CBC) }.encrypted(inner().as_bytes()))),
        ("no XML", response(&Recipe::of(CBC).encrypted(b"joe"))),
        ("no text", response(&Recipe::of(CBC).encrypted(&[0xff; 40]))),
        ("a document type", response(&Recipe::of(CBC).encrypted(format!("<!DOCTYPE a>{}", inner()).as_bytes()))),
        ("two assertions", response(&Recipe::of(CBC).encrypted(format!("{}{twice}", inner()).as_bytes()))),
        ("another element", response(&Recipe::of(CBC).encrypted(super::good().as_bytes()))),
        ("no signature", response(&Recipe::of(CBC).encrypted(assertion().as_bytes()))),
        ("a wrong signature", response(&Recipe::of(CBC).encrypted(signed(&assertion(), "_a", own(), RSA).as_bytes()))),
    ];
    assert_eq!(outcome(settings(), &good).await.as_deref(), Ok("joe-0001"));
    for (what, xml) in table {
        assert_eq!(outcome(settings(), &xml).await, Err("saml_decryption"), "{what}");
    }
    let good = response(&Recipe::of(GCM).encrypted(inner().as_bytes()));
    let last = good.rfind("</xenc:CipherValue>").unwrap();
    for length in 0..30 {
        let value = good[..last].rfind('>').unwrap() + 1;
        let short = format!("{}{}{}", &good[..value], STANDARD.encode(vec![1; length]), &good[last..]);
        assert_eq!(outcome(settings(), &short).await, Err("saml_decryption"), "{length} bytes");
    }
}

#[tokio::test]
async fn sso_s29_algorithms_that_are_not_of_the_list_are_refused() {
    let encrypted = Recipe::of(GCM).encrypted(inner().as_bytes());
    let table = [
        ("RSA without OAEP", "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p", "http://www.w3.org/2001/04/xmlenc#rsa-1_5"),
        ("triple DES", GCM, "http://www.w3.org/2001/04/xmlenc#tripledes-cbc"),
        ("a label", MGF1P, &MGF1P.replace("/>", "><xenc:OAEPparams>AAAA</xenc:OAEPparams></xenc:EncryptionMethod>")[..]),
        (
            "MD5",
            MGF1P,
            &MGF1P.replace(
                "/>",
                r#"><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#md5"/></xenc:EncryptionMethod>"#,
            )[..],
        ),
    ]
    .map(|(what, from, to)| (what, encrypted.replace(from, to)));
    for (what, xml) in table {
        assert_eq!(outcome(settings(), &response(&xml)).await, Err("saml_encryption_algorithm"), "{what}");
    }
    let by_cbc = response(&Recipe::of(CBC).encrypted(inner().as_bytes()));
    assert_eq!(outcome(SamlSettings::default(), &by_cbc).await, Err("saml_cbc"));
}

#[tokio::test]
async fn each_of_our_keys_opens_what_was_encrypted_to_it() {
    let xml = response(&Recipe { to: idp(), ..Recipe::of(GCM) }.encrypted(inner().as_bytes()));
    let expected = Expected { keys: vec![own().clone(), idp().clone()], ..expected(settings()) };
    assert!(finish_with(expected, &xml).await.0.is_ok());
}
