//! Every shape of a good response is taken, and what it says arrives.

use chrono::TimeDelta;
use vestibule::federation::Trace;
use vestibule::federation::saml::{Validator, outline};

use super::keys::{EC, RSA};
use super::message::{Assertion, AuthnStatement, IDP, PASSWORD, PERSISTENT, REQUEST, Response, VICTIM};
use super::sign::{Signature, seal, sign, unsigned};
use super::vector::{Vector, Verdict, assertion_signed, both_signed, certificate, check, expected, instant, response_signed};

/// Who signed with what, and which of the two.
pub(crate) fn signatures() -> Vec<Vector> {
    let mut vectors = Vec::new();
    for (kind, key) in [("RSA", &*RSA), ("EC", &*EC)] {
        for bits in [256, 384, 512] {
            let by = Signature::sha(key, bits);
            let name = |what: &str| format!("{what} signed with {kind} and SHA-{bits}");
            let (response, assertion) = (Response::default(), Assertion::default());
            let signed = sign(&assertion.text(), &by);
            vectors.push(Vector::accepted(name("assertion"), unsigned(&response.around(&signed))));
            vectors.push(Vector::accepted(name("response"), sign(&response.around(&unsigned(&assertion.text())), &by)));
            vectors.push(Vector::accepted(name("both"), sign(&response.around(&signed), &by)));
            let by = by.with_certificate();
            let signed = sign(&assertion.text(), &by);
            vectors.push(Vector::accepted(name("assertion, with its certificate,"), unsigned(&response.around(&signed))));
            vectors.push(Vector::accepted(
                name("sealed by hand, assertion"),
                unsigned(&response.around(&seal(&assertion.text(), &by))),
            ));
        }
    }
    let digest = Signature { digest: super::sign::SHA512.to_owned(), ..Signature::default() };
    let mixed = unsigned(&Response::default().around(&sign(&Assertion::default().text(), &digest)));
    vectors.push(Vector::accepted("a digest of another length than the signature's", mixed));
    vectors
}

/// As identity providers differ in what they write.
pub(crate) fn spellings() -> Vec<Vector> {
    let response = Response::default();
    let by = Signature::default().with_certificate();
    // The prefixes of Microsoft: none for assertions, none for signatures.
    let bare = |text: String| {
        let text = text.replace("<saml:", "<").replace("</saml:", "</");
        text.replace("xmlns:saml=", "xmlns=")
    };
    let microsoft = bare(Assertion::default().text());
    let signed = sign(&microsoft, &by);
    let indented = Assertion::default().text().replace("><", ">\n  <").replace(">\n  </saml:NameID", "></saml:NameID");
    let breaks = |text: &str| text.replace("><", ">\r\n<");
    let other = |text: String| text.replace("samlp:", "p:").replace("saml:", "a:");
    let renamed = other(response.around(&Assertion::default().text()));
    let renamed = renamed.replace("xmlns:samlp", "xmlns:p").replace("xmlns:saml", "xmlns:a");
    let typed = super::message::Attribute {
        format: r#" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri" FriendlyName="displayName""#.to_owned(),
        value_tag: r#" xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string""#.to_owned(),
        ..super::message::Attribute::new("urn:oid:2.16.840.1.113730.3.1.241", &["Joe Doe"])
    };
    let typed = Assertion { attributes: vec![typed], ..Assertion::default() };
    let pretty = |text: &str| format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}\n");
    let plain = assertion_signed(&response, &Assertion::default());
    let consent =
        Response { attributes: r#" Consent="urn:oasis:names:tc:SAML:2.0:consent:unspecified""#.to_owned(), ..Response::default() };
    let unspecified = Assertion {
        name_id: Some(r#" Format="urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified""#.to_owned()),
        ..Assertion::default()
    };
    let no_format = Assertion { name_id: Some(String::new()), ..Assertion::default() };
    let one_line = Vector::accepted("", plain.clone()).field;
    let lines: Vec<_> = one_line.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let folded = lines.join(
        "
",
    );
    let mut in_lines = Vector::accepted("base64 in lines", plain.clone());
    in_lines.field = folded;
    vec![
        Vector::accepted("without a prefix for assertions", unsigned(&response.around(&signed))),
        Vector::accepted("without a prefix for assertions, response signed", sign(&response.around(&unsigned(&microsoft)), &by)),
        Vector::accepted("with other prefixes", unsigned(&sign(&renamed, &by))),
        Vector::accepted("indented", unsigned(&response.around(&sign(&indented, &by)))),
        Vector::accepted(
            "with line breaks of Windows",
            sign(&breaks(&response.around(&unsigned(&Assertion::default().text()))), &by),
        ),
        Vector::accepted("with types of values", unsigned(&response.around(&sign(&typed.text(), &by)))),
        Vector::accepted("with a declaration and a line at its end", pretty(&plain)),
        Vector::accepted("with consent", assertion_signed(&consent, &Assertion::default())),
        Vector::accepted("with a name of no certain format", assertion_signed(&response, &unspecified)),
        Vector::accepted("with a name of no format", assertion_signed(&response, &no_format)),
        Vector::accepted(
            "without attributes",
            assertion_signed(&response, &Assertion { attributes: vec![], ..Assertion::default() }),
        ),
        in_lines,
    ]
}

/// What may stand in an assertion and is of no interest here.
pub(crate) fn additions() -> Vec<Vector> {
    let advice = Assertion {
        after: "<saml:Advice><x:any xmlns:x=\"urn:example:any\">x</x:any></saml:Advice>".to_owned(),
        ..Assertion::default()
    };
    let advised = advice.text();
    vec![
        Vector::accepted("advice", unsigned(&Response::default().around(&sign(&advised, &Signature::default())))),
        Vector::new(
            "a name of other alphabets",
            both_signed(&Response::default(), &Assertion { subject: "Jö-Δ-名-🦊".to_owned(), ..Assertion::default() }),
            Verdict::Accepted("Jö-Δ-名-🦊".to_owned()),
        ),
    ]
}

#[test]
fn sso_r02_a_response_is_taken_whichever_of_the_two_is_signed_and_with_whichever_key() {
    check("r02_signatures", &signatures());
}

#[test]
fn sso_r02_a_response_is_taken_in_each_spelling_of_an_identity_provider() {
    check("r02_spellings", &spellings());
    check("r02_additions", &additions());
}

#[test]
fn sso_r03_what_an_assertion_says_arrives() {
    let statement =
        AuthnStatement { session_not_on_or_after: Some("2026-03-01T20:00:00Z".to_owned()), ..AuthnStatement::default() };
    let assertion = Assertion { statements: vec![statement], ..Assertion::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let validator = Validator::new(1);
    for message in [
        assertion_signed(&Response::default(), &assertion),
        response_signed(&Response::default(), &assertion),
        both_signed(&Response::default(), &assertion),
    ] {
        let vector = Vector::accepted("", message);
        let identity = runtime.block_on(validator.finish(expected(), vector.field.clone(), &mut Trace::default())).unwrap();
        assert_eq!((identity.subject.value.as_str(), identity.subject.issuer.as_str()), (VICTIM, IDP));
        assert_eq!(identity.subject.connection, expected().connection.id);
        assert_eq!(identity.tenant, expected().tenant);
        assert_eq!(identity.claims["groups"], ["engineers", "readers & writers"]);
        assert_eq!(identity.authenticated_at, Some(instant("2026-03-01T11:59:30Z")));
        assert_eq!(identity.upstream_session.as_deref(), Some("_s1"));
        assert_eq!(identity.acr.as_deref(), Some(PASSWORD));
        assert_eq!(identity.session_until, Some(instant("2026-03-01T20:00:00Z")));
        let signed = identity.assertion.unwrap();
        assert_eq!((signed.id.as_str(), signed.certificate), ("_a1", certificate(&RSA).fingerprint));
        assert_eq!((signed.name_id.value.as_str(), signed.name_id.format.as_deref()), (VICTIM, Some(PERSISTENT)));
        assert!(signed.good_until >= instant("2026-03-01T12:05:00Z") + TimeDelta::minutes(1));
        let outline = outline(&vector.field).unwrap();
        assert_eq!(outline.in_response_to.as_deref(), Some(REQUEST));
    }
}
