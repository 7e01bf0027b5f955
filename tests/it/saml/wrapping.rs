//! S01 to S09: what was signed is moved, and something forged stands in its place. All that is signed, the identity provider signed itself.

use super::encrypt::{Block, Transport, encrypted};
use super::keys::{OTHER, OURS};
use super::message::{Assertion, EVIL, Response};
use super::sign::{Signature, sign, unsigned};
use super::vector::{Vector, assertion_signed, both_signed, check, response_signed};

/// Signed by the identity provider, and cut into the signature and what is around it.
struct Signed {
    /// All of it.
    whole: String,
    /// Its signature.
    signature: String,
    /// It without its signature.
    bare: String,
}

impl Signed {
    fn new(whole: String) -> Self {
        let start = whole.find("<ds:Signature ").unwrap();
        let end = whole.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
        let bare = whole[..start].to_owned() + &whole[end..];
        Self { signature: whole[start..end].to_owned(), bare, whole }
    }

    fn assertion() -> Self {
        Self::new(sign(&Assertion::default().text(), &Signature::default()))
    }

    fn response() -> Self {
        Self::new(response_signed(&Response::default(), &Assertion::default()))
    }

    /// Its signature with something inside of it, at its end.
    fn signature_around(&self, content: &str) -> String {
        self.signature.replace("</ds:Signature>", &format!("{content}</ds:Signature>"))
    }
}

/// Forged assertions: under an id of their own, and under that of the one that was signed.
fn forged() -> [(&'static str, Assertion); 2] {
    [("own id", Assertion::evil()), ("same id", Assertion { id: Assertion::default().id, ..Assertion::evil() })]
}

/// An unsigned response around text.
fn around(assertions: &str) -> String {
    unsigned(&Response::default().around(assertions))
}

/// A forged assertion with something in the place of its signature.
fn with_signature(evil: &Assertion, signature: &str) -> String {
    evil.text().replacen(super::message::SIGNATURE, signature, 1)
}

fn forged_response(evil: &Assertion, signature: &str) -> String {
    let response = Response { id: "_evil-response".to_owned(), ..Response::default() };
    unsigned(&response.around(&unsigned(&evil.text())).replacen(super::message::SIGNATURE, signature, 1))
}

pub(crate) fn xsw1() -> Vec<Vector> {
    let signed = Signed::response();
    let wrap = |(id, evil): (&str, Assertion)| {
        Vector::refused(
            format!("XSW1, {id}: the response inside the signature of a forged one"),
            forged_response(&evil, &signed.signature_around(&signed.bare)),
        )
    };
    forged().map(wrap).into()
}

pub(crate) fn xsw2() -> Vec<Vector> {
    let signed = Signed::response();
    let wrap = |(id, evil): (&str, Assertion)| {
        Vector::refused(
            format!("XSW2, {id}: the response before the signature of a forged one"),
            forged_response(&evil, &format!("{}{}", signed.bare, signed.signature)),
        )
    };
    forged().map(wrap).into()
}

pub(crate) fn xsw3() -> Vec<Vector> {
    let signed = Signed::assertion();
    let wrap = |(id, evil): (&str, Assertion)| {
        Vector::refused(
            format!("XSW3, {id}: a forged assertion before the signed one"),
            around(&(unsigned(&evil.text()) + &signed.whole)),
        )
    };
    forged().map(wrap).into()
}

pub(crate) fn xsw4() -> Vec<Vector> {
    let signed = Signed::assertion();
    let wrap = |(id, evil): (&str, Assertion)| {
        let evil = Assertion { after: signed.whole.clone(), ..evil };
        Vector::refused(format!("XSW4, {id}: the signed assertion inside a forged one"), around(&unsigned(&evil.text())))
    };
    forged().map(wrap).into()
}

pub(crate) fn xsw5() -> Vec<Vector> {
    let signed = Signed::assertion();
    let wrap = |(id, evil): (&str, Assertion)| {
        Vector::refused(
            format!("XSW5, {id}: the signature in a forged assertion, what it signs at the end"),
            around(&(with_signature(&evil, &signed.signature) + &signed.bare)),
        )
    };
    forged().map(wrap).into()
}

pub(crate) fn xsw6() -> Vec<Vector> {
    let signed = Signed::assertion();
    let wrap = |(id, evil): (&str, Assertion)| {
        Vector::refused(
            format!("XSW6, {id}: the signed assertion inside the signature of a forged one"),
            around(&with_signature(&evil, &signed.signature_around(&signed.bare))),
        )
    };
    forged().map(wrap).into()
}

pub(crate) fn xsw7() -> Vec<Vector> {
    let signed = Signed::assertion();
    let mut vectors = Vec::new();
    for (id, evil) in forged() {
        let evil = unsigned(&evil.text());
        let extensions = |content: &str| format!("<samlp:Extensions>{content}</samlp:Extensions>");
        let name = format!("XSW7, {id}: a forged assertion in Extensions");
        vectors.push(Vector::refused(name, around(&(extensions(&evil) + &signed.whole))));
        let name = format!("XSW7 the other way round, {id}: the signed assertion in Extensions");
        vectors.push(Vector::refused(name, around(&(extensions(&signed.whole) + &evil))));
    }
    vectors
}

pub(crate) fn xsw8() -> Vec<Vector> {
    let signed = Signed::assertion();
    let wrap = |(id, evil): (&str, Assertion)| {
        let object = format!("<ds:Object>{}</ds:Object>", signed.bare);
        Vector::refused(
            format!("XSW8, {id}: the signed assertion as the object of the signature of a forged one"),
            around(&with_signature(&evil, &signed.signature_around(&object))),
        )
    };
    forged().map(wrap).into()
}

/// The signed assertion in an element that SAML does not know, in every place where something may stand, and a forged one beside it.
pub(crate) fn xsw9() -> Vec<Vector> {
    let signed = Signed::assertion();
    let hidden = format!(r#"<x:any xmlns:x="urn:example:any">{}</x:any>"#, signed.whole);
    let mut vectors = Vec::new();
    for (id, evil) in forged() {
        let text = unsigned(&evil.text());
        let status =
            |content: &str| Response { status: super::message::status(super::message::SUCCESS) + content, ..Response::default() };
        let detail = format!("<samlp:StatusDetail>{}</samlp:StatusDetail>", signed.whole);
        let advice = Assertion { after: format!("<saml:Advice>{}</saml:Advice>", signed.whole), ..evil.clone() };
        let value =
            format!(r#"<saml:Attribute Name="x"><saml:AttributeValue>{}</saml:AttributeValue></saml:Attribute>"#, signed.whole);
        let value = Assertion { after: format!("<saml:AttributeStatement>{value}</saml:AttributeStatement>"), ..evil.clone() };
        for (place, message) in [
            ("before", around(&(hidden.clone() + &text))),
            ("behind", around(&(text.clone() + &hidden))),
            ("in the details of the status", unsigned(&status(&detail).around(&text))),
            ("in the advice of the forged one", around(&unsigned(&advice.text()))),
            ("in an attribute of the forged one", around(&unsigned(&value.text()))),
            ("in its name", around(&text.replace(EVIL, &format!("{EVIL}{}", signed.whole)))),
        ] {
            vectors.push(Vector::refused(format!("XSW9, {id}: the signed assertion {place}"), message));
        }
    }
    vectors
}

/// Two assertions in every order, with every pair of signatures.
pub(crate) fn two_assertions() -> Vec<Vector> {
    let good = Signed::assertion().whole;
    // Both are the identity provider's own, for two people.
    let also_good = sign(&Assertion { id: "_a2".to_owned(), ..Assertion::evil() }.text(), &Signature::default());
    let foreign = sign(&Assertion::evil().text(), &Signature::by(&OTHER));
    let bare = unsigned(&Assertion::evil().text());
    let sealed = |text: &str| encrypted(text, &OURS, Block::Gcm(128), Transport::OaepPlain);
    let seconds = [
        ("unsigned", bare.clone()),
        ("signed by somebody else", foreign.clone()),
        ("signed too", also_good.clone()),
        ("the same once more", good.clone()),
        ("encrypted, signed too", sealed(&also_good)),
        ("encrypted, unsigned", sealed(&bare)),
        (
            "of SAML 1.1",
            r#"<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:1.0:assertion" AssertionID="_x"></saml:Assertion>"#.to_owned(),
        ),
        ("of no namespace", "<Assertion ID=\"_x\"></Assertion>".to_owned()),
        ("of another namespace", r#"<x:Assertion xmlns:x="urn:example:any" ID="_x"></x:Assertion>"#.to_owned()),
    ];
    let mut vectors = Vec::new();
    for (name, second) in &seconds {
        for (order, both) in [("first", second.clone() + &good), ("second", good.clone() + second)] {
            vectors.push(Vector::refused(format!("two assertions, the {order} {name}"), around(&both)));
            // No tool signs what has an id twice.
            if *second != good {
                let response = sign(&Response::default().around(&both), &Signature::default());
                vectors.push(Vector::refused(format!("two assertions in a signed response, the {order} {name}"), response));
            }
        }
    }
    for (name, pair) in [("two", [&good, &also_good]), ("one signed, one not", [&good, &bare])] {
        let both = sealed(pair[0]) + &sealed(pair[1]);
        vectors.push(Vector::refused(format!("{name} encrypted assertions"), around(&both)));
        let inside = sealed(&format!("{}{}", pair[0], pair[1]));
        vectors.push(Vector::refused(format!("{name} assertions in one that is encrypted"), around(&inside)));
    }
    vectors.push(Vector::refused("no assertion at all", around("")));
    vectors.push(Vector::refused("an assertion without a response", good.clone()));
    vectors.push(Vector::refused("a response in something else", format!("<x>{}</x>", around(&good))));
    let inner = response_signed(&Response::default(), &Assertion::default());
    let outer = unsigned(&Response { id: "_r2".to_owned(), ..Response::default() }.around(&(bare + &inner)));
    vectors.push(Vector::refused("a signed response inside a response", outer));
    vectors
}

/// Two signatures where one belongs: concealed, doubled, empty.
pub(crate) fn doubled_signatures() -> Vec<Vector> {
    let signed = Signed::assertion();
    let doubled = signed.whole.replacen("<ds:Signature ", &format!("{}<ds:Signature ", signed.signature), 1);
    let behind = signed.whole.replace("</saml:Assertion>", &format!("{}</saml:Assertion>", signed.signature));
    let both = both_signed(&Response::default(), &Assertion::default());
    let response = Signed::new(both.clone());
    let twice = both.replacen("<ds:Signature ", &format!("{}<ds:Signature ", response.signature), 1);
    let object = signed.signature_around(&format!("<ds:Object>{}</ds:Object>", signed.signature));
    let object = signed.whole.replacen(&signed.signature, &object, 1);
    let subject = signed.bare.replace("<saml:Subject>", &format!("<saml:Subject>{}", signed.signature));
    let parent = around(&signed.bare).replacen("<samlp:Status>", &format!("{}<samlp:Status>", signed.signature), 1);
    let last = around(&signed.bare).replace("</samlp:Response>", &format!("{}</samlp:Response>", signed.signature));
    [
        ("its signature twice in an assertion", around(&doubled)),
        ("a second signature at the end of an assertion", around(&behind)),
        ("its signature twice in a response", twice),
        ("a signature inside a signature", around(&object)),
        ("the signature of an assertion in its subject", around(&subject)),
        ("the signature of an assertion in its response", parent),
        ("the signature of an assertion at the end of its response", last),
    ]
    .map(|(name, message)| Vector::refused(name, message))
    .into()
}

#[test]
fn sso_s01_a_response_wrapped_in_the_signature_of_a_forged_one_is_refused() {
    check("s01_xsw1", &xsw1());
}

#[test]
fn sso_s02_a_response_detached_beside_its_signature_is_refused() {
    check("s02_xsw2", &xsw2());
}

#[test]
fn sso_s03_a_forged_assertion_before_the_signed_one_is_refused() {
    check("s03_xsw3", &xsw3());
}

#[test]
fn sso_s04_a_signed_assertion_inside_a_forged_one_is_refused() {
    check("s04_xsw4", &xsw4());
}

#[test]
fn sso_s05_a_signature_moved_to_a_forged_assertion_is_refused() {
    check("s05_xsw5", &xsw5());
}

#[test]
fn sso_s06_a_signed_assertion_inside_the_signature_of_a_forged_one_is_refused() {
    check("s06_xsw6", &xsw6());
}

#[test]
fn sso_s07_an_assertion_in_extensions_is_refused() {
    check("s07_xsw7", &xsw7());
}

#[test]
fn sso_s08_a_signed_assertion_as_the_object_of_a_signature_is_refused() {
    check("s08_xsw8", &xsw8());
    check("s08_xsw9", &xsw9());
}

#[test]
fn sso_s09_two_assertions_are_refused_in_every_order_and_however_they_are_signed() {
    check("s09_two_assertions", &two_assertions());
    check("s09_doubled_signatures", &doubled_signatures());
    let signed = assertion_signed(&Response::default(), &Assertion::default());
    check("s09_one_assertion", &[Vector::accepted("one is taken", signed)]);
}
