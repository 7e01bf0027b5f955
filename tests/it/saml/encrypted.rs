//! S29: encrypted assertions. What came encrypted is proved like everything else, and a failure says no more than that it failed.

use vestibule::federation::saml::Validator;

use super::encrypt::{Block, Sealed, Transport, XENC, encrypted, encrypted_by_xmlsec1};
use super::keys::{OTHER, OURS, OURS_BEFORE, RSA};
use super::message::{Assertion, EVIL, Response};
use super::sign::{SHA1, SHA256, Signature, sign, unsigned};
use super::vector::{Vector, assertion_signed, check};

const BLOCKS: [Block; 3] = [Block::Gcm(128), Block::Gcm(192), Block::Gcm(256)];
const CHAINED: [Block; 3] = [Block::Cbc(128), Block::Cbc(192), Block::Cbc(256)];
const TRANSPORTS: [Transport; 7] = [
    Transport::OaepPlain,
    Transport::OaepMgf1p(SHA1),
    Transport::OaepMgf1p(SHA256),
    Transport::Oaep11(SHA1, "sha1"),
    Transport::Oaep11(SHA256, "sha1"),
    Transport::Oaep11(SHA1, "sha256"),
    Transport::Oaep11(SHA256, "sha256"),
];

fn signed() -> String {
    sign(&Assertion::default().text(), &Signature::default())
}

fn around(assertions: &str) -> String {
    unsigned(&Response::default().around(assertions))
}

/// In each algorithm, signed and then encrypted in an unsigned response as Entra, Okta and ADFS do, and encrypted in a signed response as Keycloak does.
pub(crate) fn taken() -> Vec<Vector> {
    let (signed, bare) = (signed(), unsigned(&Assertion::default().text()));
    let mut vectors = Vec::new();
    for block in BLOCKS.into_iter().chain(CHAINED) {
        let allowed = |vector: Vector| vector.with_settings(move |settings| settings.allow_cbc = matches!(block, Block::Cbc(_)));
        for transport in TRANSPORTS {
            let inside = encrypted(&signed, &OURS, block, transport);
            vectors.push(allowed(Vector::accepted(format!("signed, then encrypted: {block:?} {transport:?}"), around(&inside))));
        }
        let inside = encrypted_by_xmlsec1(&signed, &OURS, block);
        vectors.push(allowed(Vector::accepted(format!("signed, then encrypted by xmlsec1: {block:?}"), around(&inside))));
        let outside = encrypted(&bare, &OURS, block, Transport::OaepPlain);
        let outside = sign(&Response::default().around(&outside), &Signature::default());
        vectors.push(allowed(Vector::accepted(format!("encrypted in a signed response: {block:?}"), outside)));
        let both = encrypted_by_xmlsec1(&signed, &OURS, block);
        let both = sign(&Response::default().around(&both), &Signature::default());
        vectors.push(allowed(Vector::accepted(format!("signed, then encrypted in a signed response: {block:?}"), both)));
    }
    let before = around(&encrypted(&signed, &OURS_BEFORE, Block::Gcm(256), Transport::OaepPlain));
    vectors.push(Vector::accepted("encrypted for our key of before", before));
    let only = encrypted(&signed, &OURS, Block::Gcm(128), Transport::OaepPlain);
    vectors.push(
        Vector::accepted("encrypted, where nothing else is taken", around(&only))
            .with_settings(|settings| settings.require_encryption = true),
    );
    let mut content = Sealed::new(signed.as_bytes(), &OURS, Block::Gcm(128), Transport::OaepPlain);
    content.kind = format!("{XENC}Content");
    vectors.push(Vector::accepted("said to be content in place of an element", around(&content.text())));
    let declared = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{signed}");
    vectors.push(Vector::accepted(
        "a declaration of XML inside",
        around(&encrypted(&declared, &OURS, Block::Gcm(128), Transport::OaepPlain)),
    ));
    vectors
}

/// What is inside is not proved, or is not what it must be.
pub(crate) fn unproved() -> Vec<Vector> {
    let seal = |text: &str| around(&encrypted(text, &OURS, Block::Gcm(128), Transport::OaepPlain));
    let bare = unsigned(&Assertion::evil().text());
    let foreign = sign(&Assertion::evil().text(), &Signature::by(&OTHER));
    let inside = encrypted(&bare, &OURS, Block::Gcm(128), Transport::OaepPlain);
    let outside = sign(&Response::default().around(&inside), &Signature::by(&OTHER));
    let (genuine, evil) = (
        Sealed::new(signed().as_bytes(), &OURS, Block::Gcm(128), Transport::OaepPlain),
        Sealed::new(bare.as_bytes(), &OURS, Block::Gcm(128), Transport::OaepPlain),
    );
    let base64 = openssl::base64::encode_block;
    let whole = sign(&Response::default().around(&genuine.text()), &Signature::default());
    let swapped = whole.replace(&base64(&genuine.data), &base64(&evil.data)).replace(&base64(&genuine.key), &base64(&evil.key));
    assert!(swapped != whole);
    let plain = assertion_signed(&Response::default(), &Assertion::default());
    let mut vectors = vec![
        Vector::refused("unsigned inside, unsigned outside", seal(&bare)),
        Vector::refused("signed by somebody else inside", seal(&foreign)),
        Vector::refused("unsigned inside, outside signed by somebody else", outside),
        Vector::refused("exchanged after the response was signed", swapped),
        Vector::refused("changed after it was signed", seal(&signed().replace("joe-0001", EVIL))),
        Vector::refused("not encrypted, where it has to be", plain).with_settings(|settings| settings.require_encryption = true),
    ];
    let forged = [
        ("a DOCTYPE", format!("<!DOCTYPE x>{}", signed())),
        (
            "an entity that is a file",
            format!(r#"<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>{}"#, signed().replace("Joe Doe", "&e;")),
        ),
        ("a comment", signed().replace("joe-0001", "joe-<!---->0001")),
        ("a response", super::vector::assertion_signed(&Response::default(), &Assertion::default())),
        ("another encrypted assertion", encrypted(&signed(), &OURS, Block::Gcm(128), Transport::OaepPlain)),
        ("an assertion with another inside", signed().replace("<saml:Subject>", &format!("<saml:Subject>{bare}"))),
        ("two assertions", signed() + &bare),
        ("two assertions, the forged one first", bare.clone() + &signed()),
        ("text", "joe-0001".to_owned()),
        ("nothing", String::new()),
        ("an end that is missing", signed().replace("</saml:Assertion>", "")),
        ("depth", format!("{}{}", "<x>".repeat(200), "</x>".repeat(200))),
    ];
    for (name, text) in forged {
        vectors.push(Vector::refused(format!("inside: {name}"), seal(&text)));
    }
    // Two documents: neither can be taken for a part of the other.
    let same = sign(&Assertion { id: "_r1".to_owned(), ..Assertion::default() }.text(), &Signature::default());
    vectors.push(Vector::accepted("inside: the id of its response", seal(&same)));
    let external = super::sign::reference("http://127.0.0.1:9/x", "", SHA256, "");
    let signature = Signature::default();
    let external = super::sign::seal_info(&super::sign::info(&signature, &external), &signature);
    let external = Assertion::default().text().replacen(super::message::SIGNATURE, &external, 1);
    vectors.push(Vector::refused("inside: a reference to an address", seal(&external)));
    vectors
}

/// Algorithms that are not taken, and what was not encrypted as it says.
pub(crate) fn undecryptable() -> Vec<Vector> {
    let signed = signed();
    let sealed = || Sealed::new(signed.as_bytes(), &OURS, Block::Gcm(128), Transport::OaepPlain);
    let method = r#"rsa-oaep-mgf1p"></xenc:EncryptionMethod>"#;
    let label = r#"rsa-oaep-mgf1p"><xenc:OAEPparams>bGFiZWw=</xenc:OAEPparams></xenc:EncryptionMethod>"#;
    let labelled = sealed().text().replacen(method, label, 1);
    assert!(labelled.contains("OAEPparams"));
    let mut vectors = vec![
        Vector::refused("RSA 1.5", around(&encrypted(&signed, &OURS, Block::Gcm(128), Transport::Rsa15))),
        Vector::refused("Triple DES", around(&encrypted(&signed, &OURS, Block::TripleDes, Transport::OaepPlain)))
            .with_settings(|settings| settings.allow_cbc = true),
        Vector::refused("for somebody else", around(&encrypted(&signed, &OTHER, Block::Gcm(128), Transport::OaepPlain))),
        Vector::refused(
            "for the identity provider itself",
            around(&encrypted(&signed, &RSA, Block::Gcm(128), Transport::OaepPlain)),
        ),
        Vector::refused("without a key of ours", around(&encrypted(&signed, &OURS, Block::Gcm(128), Transport::OaepPlain)))
            .when(|expected| expected.keys.clear()),
        Vector::refused("a label of OAEP", around(&labelled)),
    ];
    for block in CHAINED {
        let message = around(&encrypted(&signed, &OURS, block, Transport::OaepPlain));
        vectors.push(Vector::refused(format!("{block:?}, which is not allowed"), message));
    }
    let mut broken = |name: String, change: &dyn Fn(&mut Sealed)| {
        let mut sealed = sealed();
        change(&mut sealed);
        vectors.push(Vector::refused(name, around(&sealed.text())).with_settings(|settings| settings.allow_cbc = true));
    };
    broken("a bit of the tag".to_owned(), &|it| *it.data.last_mut().unwrap() ^= 1);
    broken("a bit of the vector".to_owned(), &|it| it.data[0] ^= 1);
    broken("a bit of what is encrypted".to_owned(), &|it| it.data[20] ^= 1);
    broken("a bit of the key".to_owned(), &|it| it.key[20] ^= 1);
    broken("said to be CBC".to_owned(), &|it| it.block = Block::Cbc(128));
    broken("said to be of 256 bits".to_owned(), &|it| it.block = Block::Gcm(256));
    broken("said to be RSA 1.5".to_owned(), &|it| it.transport = Transport::Rsa15);
    broken("said to be OAEP with SHA-256".to_owned(), &|it| it.transport = Transport::Oaep11(SHA256, "sha256"));
    broken("no key".to_owned(), &|it| it.key.clear());
    broken("a key of half its length".to_owned(), &|it| it.key.truncate(128));
    broken("a key of zeros".to_owned(), &|it| it.key.fill(0));
    broken("a key of ones".to_owned(), &|it| it.key.fill(0xff));
    for length in [0, 1, 11, 12, 13, 16, 27, 28, 29] {
        broken(format!("only {length} bytes"), &|it| it.data.truncate(length));
        broken(format!("only {length} bytes, said to be CBC"), &|it| {
            it.data.truncate(length);
            it.block = Block::Cbc(128);
        });
    }
    // The text is no UTF-8, which is found only after everything else went well.
    let binary = Sealed::new(&[0xff, 0xfe, 0x00], &OURS, Block::Gcm(128), Transport::OaepPlain).text();
    vectors.push(Vector::refused("bytes that are no text", around(&binary)));
    let mut invalid = signed.clone().into_bytes();
    let place = signed.find("Joe Doe").unwrap();
    invalid[place] = 0xff;
    let invalid = Sealed::new(&invalid, &OURS, Block::Gcm(128), Transport::OaepPlain).text();
    vectors.push(Vector::refused("an assertion that is no UTF-8", around(&invalid)));
    let good = sealed().text();
    let twice = good.replace(
        "</xenc:EncryptedData>",
        "</xenc:EncryptedData><xenc:EncryptedData xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\"></xenc:EncryptedData>",
    );
    let elsewhere = good.replacen(
        "<xenc:CipherData><xenc:CipherValue>",
        "<xenc:CipherData><xenc:CipherReference URI=\"http://127.0.0.1:9/x\"></xenc:CipherReference><xenc:CipherValue>",
        1,
    );
    for (name, text) in [
        ("two of EncryptedData", twice),
        ("what is encrypted is elsewhere", elsewhere),
        ("no base64", good.replacen("<xenc:CipherValue>", "<xenc:CipherValue>*", 1)),
        (
            "nothing inside",
            "<saml:EncryptedAssertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"></saml:EncryptedAssertion>".to_owned(),
        ),
    ] {
        vectors.push(Vector::refused(name, around(&text)));
    }
    vectors
}

/// Each block with the last byte changed to each value: padding is right in some and wrong in others. All that is said of any is one and the same thing.
fn padding() -> Vec<Vector> {
    let signed = signed();
    let mut vectors = Vec::new();
    for last in 0..=255u8 {
        let mut sealed = Sealed::new(signed.as_bytes(), &OURS, Block::Cbc(128), Transport::OaepPlain);
        let length = sealed.data.len();
        sealed.data[length - 17] ^= last;
        // Cut, so that what remains is never the signed assertion.
        sealed.data.drain(16..32);
        vectors.push(
            Vector::refused(format!("padding {last}"), around(&sealed.text())).with_settings(|settings| settings.allow_cbc = true),
        );
    }
    vectors
}

#[test]
fn sso_s29_what_is_encrypted_is_decrypted_in_every_listed_algorithm() {
    check("s29_taken", &taken());
}

#[test]
fn sso_s29_what_is_encrypted_but_not_signed_is_refused() {
    check("s29_unproved", &unproved());
}

#[test]
fn sso_s29_other_algorithms_and_broken_ciphertexts_are_refused() {
    check("s29_undecryptable", &undecryptable());
}

#[test]
fn sso_s29_every_failure_to_decrypt_is_told_in_the_same_words() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let validator = Validator::new(1);
    let mut told = std::collections::BTreeSet::new();
    for vector in padding() {
        let mut trace = vestibule::federation::Trace::default();
        let refused = runtime.block_on(validator.finish(vector.expected(), vector.field.clone(), &mut trace)).unwrap_err();
        told.insert(format!("{} {refused} {:?}", refused.reason(), trace.entries()));
    }
    assert_eq!(told.len(), 1, "{told:#?}");
}
