//! S18 to S24: with what, over what and by whom something is signed.

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;

use super::keys::{EC, ENDED, Key, OTHER, OURS, RSA};
use super::message::{Assertion, Attribute, EVIL, NOW, Response, SIGNATURE, VICTIM};
use super::sign::{
    DS, ENVELOPED, EXCLUSIVE, INCLUSIVE, MORE, RSA_SHA256, SHA1, SHA256, Signature, digest, info, key_info, raw, reference, seal,
    seal_info, sign, transform, unsigned,
};
use super::vector::{Vector, assertion_signed, both_signed, certificate, check, response_signed};

/// A response with its assertion sealed by hand.
fn sealed(signature: &Signature<'_>) -> String {
    unsigned(&Response::default().around(&seal(&Assertion::default().text(), signature)))
}

/// A response whose assertion has a signature with these references, which the identity provider signed.
fn sealed_references(references: &str) -> String {
    let signature = Signature::default();
    let text = Assertion::default().text().replacen(SIGNATURE, &seal_info(&info(&signature, references), &signature), 1);
    unsigned(&Response::default().around(&text))
}

fn assertion_digest(algorithm: &str) -> String {
    digest(algorithm, unsigned(&Assertion::default().text()).as_bytes())
}

pub(crate) fn weak_digests() -> Vec<Vector> {
    let mut vectors = Vec::new();
    let old =
        |method: &str, digest: &str| Signature { method: method.to_owned(), digest: digest.to_owned(), ..Signature::default() };
    for (name, method, digest) in [
        ("RSA with SHA-1", format!("{DS}rsa-sha1"), SHA256.to_owned()),
        ("a digest with SHA-1", RSA_SHA256.to_owned(), SHA1.to_owned()),
        ("SHA-1 for both", format!("{DS}rsa-sha1"), SHA1.to_owned()),
        ("RSA with MD5", format!("{MORE}rsa-md5"), SHA256.to_owned()),
        ("a digest with MD5", RSA_SHA256.to_owned(), format!("{MORE}md5")),
        ("RSA with SHA-224", format!("{MORE}rsa-sha224"), SHA256.to_owned()),
        ("a digest with SHA-224", RSA_SHA256.to_owned(), format!("{MORE}sha224")),
        ("RSA-PSS", "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1".to_owned(), SHA256.to_owned()),
        ("DSA", "http://www.w3.org/2009/xmldsig11#dsa-sha256".to_owned(), SHA256.to_owned()),
        ("no algorithm", String::new(), SHA256.to_owned()),
        ("an algorithm of upper case", RSA_SHA256.to_uppercase(), SHA256.to_owned()),
        ("an algorithm with a space", format!("{RSA_SHA256} "), SHA256.to_owned()),
    ] {
        vectors.push(Vector::refused(name, sealed(&old(&method, &digest))));
    }
    // By a tool too, so that nothing but the algorithm is wrong.
    for (name, method, digest) in [
        ("RSA with SHA-1", format!("{DS}rsa-sha1"), SHA256),
        ("SHA-1 for both", format!("{DS}rsa-sha1"), SHA1),
        ("a digest with SHA-1", RSA_SHA256.to_owned(), SHA1),
    ] {
        let signature = old(&method, digest);
        let message = unsigned(&Response::default().around(&sign(&Assertion::default().text(), &signature)));
        vectors.push(Vector::refused(format!("{name}, assertion signed"), message));
        let message = sign(&Response::default().around(&unsigned(&Assertion::default().text())), &signature);
        vectors.push(Vector::refused(format!("{name}, response signed"), message));
        let message = sign(&Response::default().around(&sign(&Assertion::default().text(), &signature)), &Signature::default());
        vectors.push(Vector::refused(format!("{name}, within a response that is signed well"), message));
    }
    vectors.push(Vector::accepted("sealed by hand with SHA-256", sealed(&Signature::default())));
    vectors
}

/// HMAC with what everybody knows: the public key, in each of its forms.
pub(crate) fn public_secrets() -> Vec<Vector> {
    let public = RSA.certificate.public_key().unwrap();
    let secrets = [
        ("the certificate", RSA.certificate.to_der().unwrap()),
        ("the certificate as PEM", RSA.certificate.to_pem().unwrap()),
        ("the public key", public.public_key_to_der().unwrap()),
        ("the public key as PEM", public.public_key_to_pem().unwrap()),
        ("the modulus", public.rsa().unwrap().n().to_vec()),
        ("nothing", vec![0]),
    ];
    let mut vectors = Vec::new();
    for (name, secret) in secrets {
        for (family, digest_of) in
            [(format!("{MORE}hmac-sha256"), MessageDigest::sha256()), (format!("{DS}hmac-sha1"), MessageDigest::sha1())]
        {
            for length in ["", "<ds:HMACOutputLength>0</ds:HMACOutputLength>"] {
                let text = Assertion::evil().text();
                let signature = Signature { method: family.clone(), ..Signature::default() };
                let evil = reference(
                    "#_evil",
                    &(transform(ENVELOPED) + &transform(EXCLUSIVE)),
                    SHA256,
                    &digest(SHA256, unsigned(&text).as_bytes()),
                );
                let content = info(&signature, &evil).replace("</ds:SignatureMethod>", &format!("{length}</ds:SignatureMethod>"));
                let key = PKey::hmac(&secret).unwrap();
                let canonical = format!(r#"<ds:SignedInfo xmlns:ds="{DS}">{content}</ds:SignedInfo>"#);
                let value = openssl::base64::encode_block(&raw(&key, digest_of, canonical.as_bytes()));
                let value = if length.is_empty() { value } else { String::new() };
                let forged = format!(
                    r#"<ds:Signature xmlns:ds="{DS}"><ds:SignedInfo>{content}</ds:SignedInfo><ds:SignatureValue>{value}</ds:SignatureValue></ds:Signature>"#
                );
                let message = unsigned(&Response::default().around(&text.replacen(SIGNATURE, &forged, 1)));
                let what = &family[family.find('#').unwrap()..];
                let name = format!("{what} with {name}{}", if length.is_empty() { "" } else { ", of no length" });
                vectors.push(Vector::refused(name, message));
            }
        }
    }
    vectors
}

/// References to what is elsewhere. The identity provider signed each: nothing but the place is wrong.
pub(crate) fn references() -> Vec<Vector> {
    let both = transform(ENVELOPED) + &transform(EXCLUSIVE);
    let mut vectors = Vec::new();
    for uri in [
        "http://127.0.0.1:9/x",
        "https://127.0.0.1:9/x",
        "HTTP://127.0.0.1:9/x",
        "ftp://127.0.0.1:9/x",
        "//127.0.0.1:9/x",
        "file:///etc/hostname",
        "FILE:/etc/hostname",
        "/etc/hostname",
        "etc/hostname",
        "../../etc/hostname",
        "data:text/xml,x",
        "cid:x",
        "",
        "#",
        "#_a2",
        "#_r1",
        "#_A1",
        "#_a1 ",
        " #_a1",
        "_a1",
        "#%5Fa1",
        "#xpointer(/)",
        "#xpointer(id('_a1'))",
        "#xpointer(id(&quot;_a1&quot;))",
        "#xmlns(a=b)xpointer(/)",
        "#element(/1)",
        "?#_a1",
        "x#_a1",
        "http://127.0.0.1:9/x#_a1",
    ] {
        let message = sealed_references(&reference(uri, &both, SHA256, &assertion_digest(SHA256)));
        vectors.push(Vector::refused(format!("a reference to `{uri}`"), message.clone()));
    }
    let good = reference("#_a1", &both, SHA256, &assertion_digest(SHA256));
    let file = reference("file:///etc/hostname", &transform("http://www.w3.org/2000/09/xmldsig#base64"), SHA256, "");
    let without = good.replacen(" URI=\"#_a1\"", "", 1);
    let object = |content: &str| {
        sealed_references(&good).replace("</ds:Signature>", &format!("<ds:Object>{content}</ds:Object></ds:Signature>"))
    };
    let key = |content: &str| {
        sealed_references(&good).replace("</ds:Signature>", &format!("<ds:KeyInfo>{content}</ds:KeyInfo></ds:Signature>"))
    };
    for (name, message) in [
        ("no address", sealed_references(&without)),
        ("two references, the second to a file", sealed_references(&(good.clone() + &file))),
        ("two references, the first to a file", sealed_references(&(file.clone() + &good))),
        ("two references to the same", sealed_references(&good.repeat(2))),
        ("a reference to its response", sealed_references(&reference("#_r1", &both, SHA256, &assertion_digest(SHA256)))),
        ("no reference", sealed_references("")),
        ("a hundred references", sealed_references(&good.repeat(100))),
        ("a manifest of a file", object(&format!("<ds:Manifest>{file}</ds:Manifest>"))),
        (
            "a reference of the type of a manifest",
            sealed_references(&good.replacen(" URI=", r#" Type="http://www.w3.org/2000/09/xmldsig#Manifest" URI="#, 1)),
        ),
    ] {
        vectors.push(Vector::refused(name, message));
    }
    // What an identity provider says about its key is nothing to go by, and must not be followed.
    for (name, content) in [
        ("a key that is elsewhere", r#"<ds:RetrievalMethod URI="http://127.0.0.1:9/key"></ds:RetrievalMethod>"#),
        (
            "a key in a file",
            r#"<ds:RetrievalMethod URI="file:///etc/hostname" Type="http://www.w3.org/2000/09/xmldsig#rawX509Certificate"></ds:RetrievalMethod>"#,
        ),
        ("a key that is here", r##"<ds:RetrievalMethod URI="#_a1"></ds:RetrievalMethod>"##),
        (
            "a key by reference (XML Signature 1.1)",
            r#"<dsig11:KeyInfoReference xmlns:dsig11="http://www.w3.org/2009/xmldsig11#" URI="http://127.0.0.1:9/key"></dsig11:KeyInfoReference>"#,
        ),
    ] {
        vectors.push(Vector::refused(name, key(content)));
    }
    vectors.push(Vector::accepted("a name of a key", key("<ds:KeyName>file:///etc/hostname</ds:KeyName>")));
    let schema = r#" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:x http://127.0.0.1:9/x.xsd""#;
    let message = unsigned(
        &Response { attributes: schema.to_owned(), ..Response::default() }
            .around(&sign(&Assertion::default().text(), &Signature::default())),
    );
    vectors.push(Vector::accepted("a place of a schema, which is not read", message));
    let include = Response { before: r#"<samlp:Extensions><xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/hostname"></xi:include></samlp:Extensions>"#.to_owned(), ..Response::default() };
    vectors.push(Vector::accepted("an inclusion, which is not made", assertion_signed(&include, &Assertion::default())));
    vectors
}

/// Transforms that compute, and too many of those that do not.
pub(crate) fn transforms() -> Vec<Vector> {
    let (enveloped, exclusive) = (transform(ENVELOPED), transform(EXCLUSIVE));
    let xpath = |path: &str| {
        format!(
            r#"<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>{path}</ds:XPath></ds:Transform>"#
        )
    };
    let filter = r#"<ds:Transform Algorithm="http://www.w3.org/2002/06/xmldsig-filter2"><x:XPath xmlns:x="http://www.w3.org/2002/06/xmldsig-filter2" Filter="intersect">//*</x:XPath></ds:Transform>"#;
    let sheet = r#"<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"><xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" version="1.0"><xsl:template match="/"><xsl:copy-of select="document('file:///etc/hostname')"></xsl:copy-of></xsl:template></xsl:stylesheet></ds:Transform>"#;
    let slow = "count(//*[count(//*[count(//*[count(//*) &gt; 1]) &gt; 1]) &gt; 1]) &gt; 1";
    let prefixes = |list: &str| {
        format!(
            r#"<ds:Transform Algorithm="{EXCLUSIVE}"><ec:InclusiveNamespaces xmlns:ec="{EXCLUSIVE}" PrefixList="{list}"></ec:InclusiveNamespaces></ds:Transform>"#
        )
    };
    let mut vectors = Vec::new();
    for (name, list) in [
        ("XPath", enveloped.clone() + &xpath("self::text()") + &exclusive),
        ("an XPath that takes long", xpath(slow)),
        ("XPath filter 2", enveloped.clone() + filter),
        ("XSLT that reads a file", enveloped.clone() + sheet),
        ("base64", transform("http://www.w3.org/2000/09/xmldsig#base64")),
        ("XPointer", transform("http://www.w3.org/2001/04/xmldsig-more/xptr")),
        ("inclusive C14N", enveloped.clone() + &transform(INCLUSIVE)),
        ("inclusive C14N 1.1", enveloped.clone() + &transform("http://www.w3.org/2006/12/xml-c14n11")),
        ("exclusive C14N with comments", enveloped.clone() + &transform("http://www.w3.org/2001/10/xml-exc-c14n#WithComments")),
        ("three", enveloped.clone() + &exclusive + &exclusive),
        ("two thousand", enveloped.clone() + &exclusive.repeat(1_000)),
        ("decryption", transform("http://www.w3.org/2002/07/decrypt#XML")),
        ("one that nobody knows", transform("urn:example:any")),
        ("one without a name", "<ds:Transform></ds:Transform>".to_owned()),
        ("something that is no transform", enveloped.clone() + "<ds:X></ds:X>"),
        (
            "something in the enveloped one",
            enveloped.replace("></ds:Transform>", "><ds:XPath>self::text()</ds:XPath></ds:Transform>") + &exclusive,
        ),
    ] {
        let message = sealed_references(&reference("#_a1", &list, SHA256, &assertion_digest(SHA256)));
        vectors.push(Vector::refused(format!("transforms: {name}"), message));
    }
    let comments = Signature { c14n: format!("{EXCLUSIVE}WithComments"), ..Signature::default() };
    vectors.push(Vector::refused("the signature by exclusive C14N with comments", sealed(&comments)));
    let inclusive = Signature { c14n: INCLUSIVE.to_owned(), ..Signature::default() };
    vectors.push(Vector::refused("the signature by inclusive C14N", sealed(&inclusive)));
    // What tools of Microsoft and OpenSAML write.
    let listed = Signature { transforms: enveloped.clone() + &prefixes("xs xsi"), ..Signature::default() };
    let typed = Attribute {
        value_tag: r#" xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string""#.to_owned(),
        ..Attribute::new("displayName", &["Joe"])
    };
    let text = sign(&Assertion { attributes: vec![typed], ..Assertion::default() }.text(), &listed);
    vectors.push(Vector::accepted("exclusive C14N with a list of prefixes", unsigned(&Response::default().around(&text))));
    let many: Vec<_> = (0..5_000).map(|number| format!("p{number}")).collect();
    let many = sealed_references(&reference("#_a1", &(enveloped + &prefixes(&many.join(" "))), SHA256, &assertion_digest(SHA256)));
    vectors.push(Vector::refused("exclusive C14N with a list of five thousand prefixes", many));
    vectors
}

/// Large messages that are well within what an identity provider may send.
pub(crate) fn large() -> Vec<Vector> {
    let named = |count: usize| -> Vec<Attribute> {
        (0..count)
            .map(|number| Attribute::new(&format!("urn:example:attribute:with-a-long-name:{number}"), &[&"v".repeat(100)]))
            .collect()
    };
    let groups = |count: usize| {
        let values: Vec<String> = (0..count).map(|number| format!("group-{number:05}")).collect();
        vec![Attribute { values, ..Attribute::new("groups", &[]) }]
    };
    let message = |attributes| both_signed(&Response::default(), &Assertion { attributes, ..Assertion::default() });
    vec![
        Vector::accepted("800 attributes", message(named(800))),
        Vector::accepted("2 000 groups", message(groups(2_000))),
        Vector::accepted("3 000 groups", message(groups(3_000))),
    ]
}

/// No signature, that of somebody else, that of something else.
pub(crate) fn unproved() -> Vec<Vector> {
    let plain = unsigned(&Response::default().around(&unsigned(&Assertion::default().text())));
    let by = |key: &Key| {
        unsigned(&Response::default().around(&sign(&Assertion::default().text(), &Signature::by(key).with_certificate())))
    };
    let whole = |key: &Key| {
        sign(&Response::default().around(&unsigned(&Assertion::default().text())), &Signature::by(key).with_certificate())
    };
    let trusting = unsigned(
        &Response::default()
            .around(&sign(&Assertion::default().text(), &Signature { after: key_info(&RSA), ..Signature::by(&OTHER) })),
    );
    let mut vectors = vec![
        Vector::refused("no signature", plain),
        Vector::refused("signed by somebody else, with their certificate", by(&OTHER)),
        Vector::refused("a response signed by somebody else, with their certificate", whole(&OTHER)),
        Vector::refused("signed by somebody else, with the certificate of the identity provider", trusting),
        Vector::refused("signed by ourselves", by(&OURS)),
        Vector::refused("signed by a key whose certificate has ended", by(&ENDED))
            .when(|expected| expected.certificates.push(certificate(&ENDED))),
        Vector::refused("signed by the only key, whose certificate has ended", by(&ENDED))
            .when(|expected| expected.certificates = vec![certificate(&ENDED)]),
        Vector::accepted("signed by a certificate of which there are two others", by(&EC))
            .when(|expected| expected.certificates = vec![certificate(&OTHER), certificate(&RSA), certificate(&EC)]),
        Vector::refused("an assertion signed well in a response that somebody else signed", {
            let assertion = sign(&Assertion::default().text(), &Signature::default());
            sign(&Response::default().around(&assertion), &Signature::by(&OTHER))
        }),
        Vector::refused("an assertion signed by somebody else in a response signed well", {
            let assertion = sign(&Assertion::default().text(), &Signature::by(&OTHER));
            sign(&Response::default().around(&assertion), &Signature::default())
        }),
        // Nobody signs like that, and each certificate has to answer for the whole.
        Vector::refused("the assertion by one key, the response by the other", {
            let assertion = sign(&Assertion::default().text(), &Signature::by(&EC));
            sign(&Response::default().around(&assertion), &Signature::default())
        }),
    ];
    for (way, message) in [
        ("assertion", assertion_signed(&Response::default(), &Assertion::default())),
        ("response", response_signed(&Response::default(), &Assertion::default())),
        ("both", both_signed(&Response::default(), &Assertion::default())),
    ] {
        for (name, from, to) in [
            ("the name", VICTIM, EVIL),
            ("an attribute", "engineers", "admins"),
            ("the audience", "<saml:Audience>", "<saml:Audience> "),
            ("the end of conditions", "12:05:00Z", "13:05:00Z"),
            ("the context", "PasswordProtectedTransport", "X509"),
            ("white space", "<saml:Subject>", "<saml:Subject> "),
            (
                "an attribute more",
                "</saml:AttributeStatement>",
                "<saml:Attribute Name=\"x\"></saml:Attribute></saml:AttributeStatement>",
            ),
        ] {
            let tampered = message.replace(from, to);
            assert!(tampered != message);
            vectors.push(Vector::refused(format!("{name} changed after it was signed ({way})"), tampered));
        }
        let start = message.find("<ds:SignatureValue>").unwrap() + 19;
        let letter = if message.as_bytes()[start + 5] == b'A' { "B" } else { "A" };
        let mut flipped = message.clone();
        flipped.replace_range(start + 5..start + 6, letter);
        vectors.push(Vector::refused(format!("a letter of the signature changed ({way})"), flipped));
        let end = message.find("</ds:SignatureValue>").unwrap();
        let empty = format!("{}{}", &message[..start], &message[end..]);
        vectors.push(Vector::refused(format!("an empty signature ({way})"), empty));
        let removed = format!("{}{}", &message[..start - 19], &message[end + 20..]);
        vectors.push(Vector::refused(format!("no value of the signature ({way})"), removed));
    }
    let status = assertion_signed(&Response::default(), &Assertion::default());
    vectors.push(Vector::refused("the signature of another assertion", {
        let other =
            sign(&Assertion { issue_instant: NOW.replace("12:00", "11:59"), ..Assertion::evil() }.text(), &Signature::default());
        let cut = |text: &str| text[text.find("<ds:Signature ").unwrap()..text.find("</ds:Signature>").unwrap() + 15].to_owned();
        status.replace(&cut(&status), &cut(&other).replace("#_evil", "#_a1"))
    }));
    vectors
}

/// A connection without a certificate verifies nothing.
pub(crate) fn no_certificates() -> Vec<Vector> {
    let none = |vector: Vector| vector.when(|expected| expected.certificates.clear());
    let plain = unsigned(&Response::default().around(&unsigned(&Assertion::default().text())));
    let signed = assertion_signed(&Response::default(), &Assertion::default());
    let whole = response_signed(&Response::default(), &Assertion::default());
    vec![
        none(Vector::refused("unsigned, to a connection without a certificate", plain)),
        none(Vector::refused("signed, to a connection without a certificate", signed)),
        none(Vector::refused("a signed response, to a connection without a certificate", whole)),
    ]
}

#[test]
fn sso_s18_sha_1_and_whatever_is_not_listed_is_refused() {
    check("s18_weak_digests", &weak_digests());
}

#[test]
fn sso_s19_hmac_with_a_public_key_is_refused() {
    check("s19_public_secrets", &public_secrets());
}

#[test]
fn sso_s20_references_to_anything_but_the_parent_are_refused() {
    check("s20_references", &references());
}

#[test]
fn sso_s21_transforms_that_compute_are_refused_before_they_do() {
    check("s21_transforms", &transforms());
}

#[test]
fn sso_s22_hundreds_of_attributes_are_no_burden() {
    check("s22_large", &large());
}

#[test]
fn sso_s23_what_the_identity_provider_did_not_sign_is_refused() {
    check("s23_unproved", &unproved());
}

#[test]
fn sso_s24_without_a_certificate_nothing_is_taken() {
    check("s24_no_certificates", &no_certificates());
}
