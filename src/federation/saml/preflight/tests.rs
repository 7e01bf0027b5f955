//! A table of messages, each good but for one thing, and properties of the whole.

use proptest::prelude::*;

use super::*;

const DIGEST: &str = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=";
const SIGNATURE: &str = r##"<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/><ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/><ds:Reference URI="#_a"><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"><ec:InclusiveNamespaces xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="xs #default"/></ds:Transform></ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue>n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=</ds:DigestValue></ds:Reference></ds:SignedInfo><ds:SignatureValue>
AAAA
BBBB</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>AAAA</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>"##;
const SUBJECT: &str = "<saml:Subject><saml:NameID>joe</saml:NameID></saml:Subject>";
const ENCRYPTED: &str = r#"<saml:EncryptedAssertion><xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#"><xenc:EncryptionMethod Algorithm="http://www.w3.org/2009/xmlenc11#aes128-gcm"/><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><xenc:EncryptedKey><xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"><ds:DigestMethod Algorithm="http://www.w3.org/2000/09/xmldsig#sha1"/></xenc:EncryptionMethod><xenc:CipherData><xenc:CipherValue>AAAA</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo><xenc:CipherData><xenc:CipherValue>AAAA</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData></saml:EncryptedAssertion>"#;

fn response(inner: &str) -> String {
    format!(
        r#"<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_r" InResponseTo="_q"><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>{inner}</samlp:Response>"#
    )
}

fn assertion(inner: &str) -> String {
    format!(r#"<saml:Assertion ID="_a">{inner}</saml:Assertion>"#)
}

/// A response with a signed assertion.
fn good() -> String {
    response(&assertion(&format!("{SIGNATURE}{SUBJECT}")))
}

fn of(xml: &str) -> Result<Outline, Refusal> {
    check(xml.as_bytes(), Root::Response)
}

/// The good response with one thing replaced, which must be there once.
fn but(from: &str, to: &str) -> String {
    let good = good();
    assert_eq!(good.matches(from).count(), 1, "{from}");
    good.replace(from, to)
}

#[test]
fn the_outline_tells_the_form() {
    let outline = of(&good()).unwrap();
    let expected = Outline {
        root: Root::Response,
        id: "_r".to_owned(),
        in_response_to: Some("_q".to_owned()),
        is_signed: false,
        carried: Carried::Plain { is_signed: true },
    };
    assert_eq!(outline, expected);
    let signature = SIGNATURE.replace("#_a", "#_r");
    let outline = of(&response(&format!("{signature}{}", assertion(SUBJECT)))).unwrap();
    assert_eq!((outline.is_signed, outline.carried), (true, Carried::Plain { is_signed: false }));
    let outline = of(&response(&format!("{signature}{}", assertion(SIGNATURE)))).unwrap();
    assert_eq!((outline.is_signed, outline.carried), (true, Carried::Plain { is_signed: true }));
    assert_eq!(of(&response(ENCRYPTED)).unwrap().carried, Carried::Encrypted);
    assert!(of(&response(&format!("{signature}{ENCRYPTED}"))).unwrap().is_signed);
    assert_eq!(of(&format!("<?xml version='1.0' encoding='utf-8'?>\n{}\n", good())), of(&good()));
    assert_eq!(of(&response("").replace("Success", "Requester")).unwrap().carried, Carried::Nothing);
    let alone =
        assertion(SIGNATURE).replace("<saml:Assertion", r#"<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion""#);
    assert!(check(alone.as_bytes(), Root::Assertion).unwrap().is_signed);
    assert_eq!(of(&alone), Err(Refusal::Root));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn sso_r01_a_message_that_is_good_but_for_one_thing_is_refused_for_that() {
    let evil = assertion("").replace("_a", "_evil");
    let status = "<samlp:Status>";
    let extended = |inner: &str| but(status, &format!("<samlp:Extensions>{inner}</samlp:Extensions>{status}"));
    let signature = SIGNATURE.replace("#_a", "#_r");
    let table: Vec<(&str, String, Refusal)> = vec![
        ("another root", good().replace("samlp:Response", "samlp:LogoutResponse"), Refusal::Root),
        ("a root of no namespace", good().replace("samlp:Response", "Response"), Refusal::Root),
        ("a root of another namespace", but("SAML:2.0:protocol", "SAML:1.0:protocol"), Refusal::Root),
        ("no ID", but(r#" ID="_r""#, ""), Refusal::Id),
        ("an ID of another name", but(r#" ID="_r""#, r#" Id="_r""#), Refusal::Id),
        ("an ID that is no name", but("_r", "1r"), Refusal::Id),
        ("an ID with a colon", but("_r", "r:r"), Refusal::Id),
        ("an assertion without ID", good().replace(r#"<saml:Assertion ID="_a""#, "<saml:Assertion"), Refusal::Id),
        ("an ID twice", but(status, r#"<samlp:Status ID="_a">"#), Refusal::DuplicateId),
        ("an ID twice by another name", but(status, r#"<samlp:Status id="_a">"#), Refusal::DuplicateId),
        ("an ID twice by xml:id", but(status, r#"<samlp:Status xml:id="_a">"#), Refusal::DuplicateId),
        ("an ID twice by another namespace", but(status, r#"<samlp:Status xmlns:w="urn:w" w:Id="_a">"#), Refusal::DuplicateId),
        ("no assertion", response(""), Refusal::AssertionCount),
        ("two assertions", but(status, &format!("{evil}{status}")), Refusal::AssertionCount),
        ("two assertions, the other way", but("</saml:Assertion>", &format!("</saml:Assertion>{evil}")), Refusal::AssertionCount),
        ("an assertion and an encrypted one", but(status, &format!("{ENCRYPTED}{status}")), Refusal::AssertionCount),
        ("an assertion in extensions", extended(&evil), Refusal::AssertionElsewhere),
        ("an assertion in the assertion", but(SUBJECT, &format!("<saml:Advice>{evil}</saml:Advice>")), Refusal::AssertionElsewhere),
        ("an encrypted one elsewhere", extended("<saml:EncryptedAssertion/>"), Refusal::AssertionElsewhere),
        ("an assertion of another namespace", extended(r#"<Assertion xmlns="urn:x"/>"#), Refusal::AssertionElsewhere),
        ("an assertion of no namespace", but(status, &format!("<Assertion/>{status}")), Refusal::AssertionElsewhere),
        ("an assertion in other letters", extended("<saml:assertion/>"), Refusal::AssertionElsewhere),
        ("no signature", response(&assertion(SUBJECT)), Refusal::SignatureMissing),
        ("a signature elsewhere", extended(SIGNATURE), Refusal::SignatureElsewhere),
        (
            "a signature in the subject",
            response(&assertion(&format!("<saml:Subject>{SIGNATURE}</saml:Subject>"))),
            Refusal::SignatureElsewhere,
        ),
        ("a signature in a signature", but("AAAA\nBBBB", SIGNATURE), Refusal::SignatureShape),
        (
            "a signed information elsewhere",
            extended(r#"<ds:SignedInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/>"#),
            Refusal::SignatureElsewhere,
        ),
        (
            "a digest elsewhere",
            extended(r#"<ds:DigestValue xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/>"#),
            Refusal::SignatureElsewhere,
        ),
        ("two signatures", but(SUBJECT, SIGNATURE), Refusal::SignatureCount),
        (
            "two signatures of the response",
            response(&format!("{signature}{signature}{}", assertion(SUBJECT))),
            Refusal::SignatureCount,
        ),
        ("a signature of the other element", but("#_a", "#_r"), Refusal::Reference),
        ("a signature of nothing", but(r##" URI="#_a""##, ""), Refusal::Reference),
        ("a signature of everything", but("#_a", ""), Refusal::Reference),
        ("a signature of an address", but("#_a", "http://127.0.0.1/x"), Refusal::Reference),
        ("a signature of a file", but("#_a", "file:///etc/hostname"), Refusal::Reference),
        ("a signature by pointer", but("#_a", "#xpointer(id('_a'))"), Refusal::Reference),
        ("a reference with a type", but(r##"URI="#_a""##, r##"URI="#_a" Type="urn:x""##), Refusal::Reference),
        ("no canonicalisation", but("<ds:CanonicalizationMethod", "<ds:Canonicalisation"), Refusal::SignatureShape),
        ("two references", but("</ds:SignedInfo>", r##"<ds:Reference URI="#_a"/></ds:SignedInfo>"##), Refusal::SignatureShape),
        ("two signed informations", but("<ds:SignatureValue>", "<ds:SignedInfo/><ds:SignatureValue>"), Refusal::SignatureShape),
        ("an object", but("</ds:KeyInfo>", "</ds:KeyInfo><ds:Object/>"), Refusal::SignatureShape),
        (
            "a key named elsewhere",
            but("<ds:X509Data>", r#"<ds:RetrievalMethod URI="http://127.0.0.1/"/><ds:X509Data>"#),
            Refusal::KeyInfo,
        ),
        ("HMAC", but("xmldsig-more#rsa-sha256", "xmldsig-more#hmac-sha256"), Refusal::SignatureAlgorithm),
        (
            "RSA with SHA-1",
            but("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
            Refusal::SignatureAlgorithm,
        ),
        (
            "an algorithm with a parameter",
            but(r#"#rsa-sha256"/>"#, r#"#rsa-sha256"><ds:HMACOutputLength>1</ds:HMACOutputLength></ds:SignatureMethod>"#),
            Refusal::SignatureAlgorithm,
        ),
        (
            "SHA-1",
            but("http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha1"),
            Refusal::DigestAlgorithm,
        ),
        ("the digest of nothing", but(DIGEST, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="), Refusal::EmptyDigest),
        ("a short digest", but(DIGEST, "AAAA"), Refusal::Digest),
        ("an empty digest", but(DIGEST, ""), Refusal::Digest),
        ("an element in the digest", but(DIGEST, &format!("{DIGEST}<ds:KeyName/>")), Refusal::Digest),
        ("a signature that is no base64", but("AAAA\nBBBB", "!"), Refusal::SignatureShape),
        (
            "XSLT",
            but("http://www.w3.org/2000/09/xmldsig#enveloped-signature", "http://www.w3.org/TR/1999/REC-xslt-19991116"),
            Refusal::Transforms,
        ),
        (
            "XPath",
            but("http://www.w3.org/2000/09/xmldsig#enveloped-signature", "http://www.w3.org/TR/1999/REC-xpath-19991116"),
            Refusal::Transforms,
        ),
        (
            "a third transform",
            but("</ds:Transforms>", r#"<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms>"#),
            Refusal::Transforms,
        ),
        (
            "a transform with a parameter",
            but(r#"#enveloped-signature"/>"#, r#"#enveloped-signature"><ds:XPath>1</ds:XPath></ds:Transform>"#),
            Refusal::Transforms,
        ),
        (
            "comments in the canonical form",
            but(
                r#"<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#""#,
                r#"<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#WithComments""#,
            ),
            Refusal::Canonicalization,
        ),
        (
            "a cipher elsewhere",
            response(&ENCRYPTED.replace(
                "<xenc:CipherValue>AAAA</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>",
                r#"<xenc:CipherReference URI="http://127.0.0.1/"/></xenc:CipherData></xenc:EncryptedData>"#,
            )),
            Refusal::EncryptionShape,
        ),
        (
            "two encrypted keys",
            response(&ENCRYPTED.replace("</xenc:EncryptedData>", "<xenc:EncryptedKey/></xenc:EncryptedData>")),
            Refusal::EncryptionShape,
        ),
        ("an encrypted assertion of nothing", response("<saml:EncryptedAssertion/>"), Refusal::EncryptionShape),
    ];
    for (what, xml, expected) in table {
        assert_eq!(of(&xml), Err(expected), "{what}");
    }
}

#[test]
fn digests_of_nothing_are_known() {
    use sha2::{Digest as _, Sha256, Sha384, Sha512};
    let of_nothing = [Sha256::digest([]).to_vec(), Sha384::digest([]).to_vec(), Sha512::digest([]).to_vec()];
    for ((algorithm, length, empty), expected) in signature::DIGESTS.iter().zip(of_nothing) {
        assert_eq!(signature::base64_of(empty), Some(expected.clone()), "{algorithm}");
        assert_eq!(expected.len(), *length);
    }
}

#[test]
fn a_logout_message_has_no_assertion_and_may_be_signed_outside_of_itself() {
    let request = |inner: &str| {
        format!(
            r#"<p:LogoutRequest xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_a">{inner}</p:LogoutRequest>"#
        )
    };
    let check = |xml: &str| check(xml.as_bytes(), Root::LogoutRequest);
    assert!(!check(&request("")).unwrap().is_signed);
    assert!(check(&request(SIGNATURE)).unwrap().is_signed);
    assert_eq!(check(&request(&assertion("").replace("_a", "_b"))), Err(Refusal::AssertionElsewhere));
    assert_eq!(check(&good()), Err(Refusal::Root));
}

proptest! {
    #[test]
    fn nothing_panics_whatever_comes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = check(&bytes, Root::Response);
    }

    /// A good message with a piece taken out, doubled or replaced: it is refused, or its outline is that of what the reader found.
    #[test]
    fn a_changed_message_never_panics_and_never_has_two_assertions(
        at in 0..5000_usize, length in 0..80_usize, to in "[<>&;#/='\" a-zA-Z:!?-]{0,12}|</saml:Assertion>|<saml:Assertion ID='_b'>",
    ) {
        let good = good();
        let start = at % good.len();
        let end = (start + length).min(good.len());
        let changed = format!("{}{to}{}", &good[..start], &good[end..]);
        if let Ok(guarded) = guard(changed.as_bytes(), Root::Response) {
            let count = guarded.document.elements().filter(|one| one.name().ends_with("Assertion")).count();
            prop_assert!(count <= 1);
            let is_open = guarded.outline.carried == Carried::Plain { is_signed: false };
            prop_assert!(guarded.outline.is_signed || !is_open);
        }
    }
}
