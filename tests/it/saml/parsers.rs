//! S10 to S17: messages that two readers read in two ways, and what makes a parser do more than parse.

use std::fmt::Write as _;

use vestibule::federation::saml::Validator;

use super::message::{Assertion, EVIL, Response, SUCCESS, VICTIM, XMLNS_A, XMLNS_P, status};
use super::sign::{
    DS, ENVELOPED, EXCLUSIVE, SHA256, Signature, digest, info, reference, seal, seal_info, sign, transform, unsigned,
};
use super::vector::{Vector, Verdict, assertion_signed, both_signed, check, response_signed};

fn signed() -> String {
    assertion_signed(&Response::default(), &Assertion::default())
}

/// By each way of signing.
fn every_way(response: &Response, assertion: &Assertion) -> [(&'static str, String); 3] {
    [
        ("assertion signed", assertion_signed(response, assertion)),
        ("response signed", response_signed(response, assertion)),
        ("both signed", both_signed(response, assertion)),
    ]
}

/// The digest of the forged assertion where a careless search for one finds it first (CVE-2024-45409).
pub(crate) fn smuggled_digest() -> Vec<Vector> {
    let signed = signed();
    let forged = signed.replace(VICTIM, EVIL);
    let evil = digest(SHA256, unsigned(&Assertion { subject: EVIL.to_owned(), ..Assertion::default() }.text()).as_bytes());
    let value = format!(r#"<ds:DigestValue xmlns:ds="{DS}">{evil}</ds:DigestValue>"#);
    let detail = format!("<samlp:StatusDetail>{value}</samlp:StatusDetail>");
    let mut vectors = Vec::new();
    for (name, message) in [
        ("in the details of the status", forged.replace("</samlp:Status>", &format!("{detail}</samlp:Status>"))),
        ("in extensions", forged.replace("<samlp:Status>", &format!("<samlp:Extensions>{value}</samlp:Extensions><samlp:Status>"))),
        (
            "in an object of the signature",
            forged.replace("</ds:Signature>", &format!("<ds:Object>{value}</ds:Object></ds:Signature>")),
        ),
        ("before that of the reference", forged.replace("<ds:DigestValue>", &format!("{value}<ds:DigestValue>"))),
        ("in place of that of the reference", {
            let start = forged.find("<ds:DigestValue>").unwrap();
            let end = forged.find("</ds:DigestValue>").unwrap();
            format!("{}<ds:DigestValue>{evil}{}", &forged[..start], &forged[end..])
        }),
    ] {
        vectors.push(Vector::refused(format!("a digest {name}"), message));
    }
    // Nothing is wrong with the details of a status as such.
    let details = Response { status: status(SUCCESS) + "<samlp:StatusMessage>fine</samlp:StatusMessage>", ..Response::default() };
    vectors.push(Vector::accepted("a message of the status", assertion_signed(&details, &Assertion::default())));
    vectors
}

/// What one parser sees and the other does not.
pub(crate) fn disagreements() -> Vec<Vector> {
    let signed = signed();
    let declared = |head: &str| format!("{head}{signed}");
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(signed.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let utf16_bare: Vec<u8> = signed.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let utf7 = declared(r#"<?xml version="1.0" encoding="UTF-7"?>"#);
    let mut invalid = signed.clone().into_bytes();
    let place = signed.find("Joe Doe").unwrap();
    invalid[place] = 0xff;
    let mut overlong = signed.clone().into_bytes();
    overlong.splice(place..place, [0xc0, 0xbc]);
    let mut surrogate = signed.clone().into_bytes();
    surrogate.splice(place..place, [0xed, 0xa0, 0x80]);
    let mut nul = signed.clone().into_bytes();
    nul.insert(place, 0);
    let in_root = |more: &str| signed.replacen("<samlp:Response ", &format!("<samlp:Response {more} "), 1);
    let mut vectors = vec![
        Vector::accepted("a declaration of XML 1.0", declared(r#"<?xml version="1.0"?>"#)),
        Vector::accepted("a declaration of UTF-8", declared("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")),
        Vector::accepted("a declaration in lower case", declared("<?xml version='1.0' encoding='utf-8'?>")),
    ];
    for (name, message) in [
        ("a declaration of XML 1.1", declared(r#"<?xml version="1.1"?>"#).into_bytes()),
        ("a declaration of Latin 1", declared(r#"<?xml version="1.0" encoding="ISO-8859-1"?>"#).into_bytes()),
        ("a declaration of UTF-7", utf7.into_bytes()),
        ("a declaration of UTF-16", declared(r#"<?xml version="1.0" encoding="UTF-16"?>"#).into_bytes()),
        ("a declaration of EBCDIC", declared(r#"<?xml version="1.0" encoding="IBM037"?>"#).into_bytes()),
        ("two declarations", declared(r#"<?xml version="1.0"?><?xml version="1.0"?>"#).into_bytes()),
        ("a declaration after a space", declared(r#" <?xml version="1.0"?>"#).into_bytes()),
        ("UTF-16 with its mark", utf16),
        ("UTF-16 without its mark", utf16_bare),
        ("bytes that are not UTF-8", invalid),
        ("an overlong form", overlong),
        ("half of a pair of surrogates", surrogate),
        ("a NUL", nul),
        ("an empty DOCTYPE", declared("<!DOCTYPE samlp:Response>").into_bytes()),
        ("a DOCTYPE with an internal subset", declared("<!DOCTYPE samlp:Response []>").into_bytes()),
        ("a DOCTYPE in lower case", declared("<!doctype samlp:Response>").into_bytes()),
        ("a DOCTYPE after the root", format!("{signed}<!DOCTYPE x>").into_bytes()),
        (
            "a DOCTYPE that an apostrophe ends early",
            declared(r#"<!DOCTYPE samlp:Response [<!ENTITY x "'>"> <!ENTITY y "'">]>"#).into_bytes(),
        ),
        ("a processing instruction before the root", declared("<?x y?>").into_bytes()),
        ("a processing instruction inside", signed.replace("<saml:Subject>", "<?x y?><saml:Subject>").into_bytes()),
        ("a style sheet", declared(r#"<?xml-stylesheet href="x.xsl" type="text/xsl"?>"#).into_bytes()),
        ("a comment before the root", declared("<!-- x -->").into_bytes()),
        ("a comment behind the root", format!("{signed}<!-- x -->").into_bytes()),
        ("a comment inside", signed.replace("<saml:Subject>", "<!-- x --><saml:Subject>").into_bytes()),
        ("CDATA", signed.replace("Joe Doe", "<![CDATA[Joe Doe]]>").into_bytes()),
        ("an empty CDATA", signed.replace("Joe Doe", "Joe <![CDATA[]]>Doe").into_bytes()),
        ("text behind the root", format!("{signed}x").into_bytes()),
        ("a second root", format!("{signed}<x></x>").into_bytes()),
        ("a second response", format!("{signed}{}", signed.replace("_r1", "_r2")).into_bytes()),
        ("text before the root", declared("x").into_bytes()),
        ("an end that is missing", signed.replace("</samlp:Response>", "").into_bytes()),
        ("an end of something else", signed.replace("</samlp:Response>", "</samlp:Respons>").into_bytes()),
        ("an attribute twice", signed.replacen("Version=\"2.0\"", "Version=\"2.0\" Version=\"2.0\"", 1).into_bytes()),
        ("an attribute without quotes", signed.replacen("Version=\"2.0\"", "Version=2.0", 1).into_bytes()),
        ("an attribute without a value", signed.replacen("Version=\"2.0\"", "Version", 1).into_bytes()),
        ("attributes without a space between", signed.replacen("\" Version=", "\"Version=", 1).into_bytes()),
        ("a `<` in an attribute", in_root(r#"Consent="a<b""#).into_bytes()),
        ("a prefix that nobody declared", in_root(r#"x:a="b""#).into_bytes()),
        ("an entity that nobody declared", signed.replace("Joe Doe", "Joe &x; Doe").into_bytes()),
        ("a character reference to NUL", signed.replace("Joe Doe", "Joe &#0;Doe").into_bytes()),
        ("a character reference to half of a pair", signed.replace("Joe Doe", "Joe &#xD800;Doe").into_bytes()),
        ("a character reference beyond Unicode", signed.replace("Joe Doe", "Joe &#x110000;Doe").into_bytes()),
        ("a character reference to a control character", signed.replace("Joe Doe", "Joe &#1;Doe").into_bytes()),
        ("a bare ampersand", signed.replace("Joe Doe", "Joe & Doe").into_bytes()),
        ("the end of CDATA in text", signed.replace("Joe Doe", "Joe ]]> Doe").into_bytes()),
        ("a control character", signed.replace("Joe Doe", "Joe\u{1}Doe").into_bytes()),
        ("a character that is none", signed.replace("Joe Doe", "Joe\u{ffff}Doe").into_bytes()),
        ("a tag of two colons", signed.replace("<samlp:Status>", "<samlp:x:y></samlp:x:y><samlp:Status>").into_bytes()),
        ("a tag that is no name", signed.replace("<samlp:Status>", "<1></1><samlp:Status>").into_bytes()),
    ] {
        vectors.push(Vector::refused(name, message));
    }
    vectors.push(Vector::refused("a mark of UTF-8", declared("\u{feff}")));
    vectors
}

/// The same names in other namespaces, and other names in the same: XML Signature finds by namespace, careless readers by prefix.
pub(crate) fn namespaces() -> Vec<Vector> {
    let signed = signed();
    let assertion = sign(&Assertion::default().text(), &Signature::default());
    let evil = unsigned(&Assertion::evil().text());
    let around = |text: &str| unsigned(&Response::default().around(text));
    let rebound = signed.replacen(XMLNS_P, &format!(r#"{XMLNS_P} xmlns:ds="urn:example:none""#), 1);
    let xsw = |wrapper: &str, end: &str| around(&format!("{wrapper}{assertion}{end}{evil}"));
    let extended =
        |text: &str| signed.replacen("<samlp:Status>", &format!("<samlp:Extensions>{text}</samlp:Extensions><samlp:Status>"), 1);
    let forty = |name: &str| (0..40).map(|at| format!(r#" xmlns:{name}{at}="urn:example:{at}""#)).collect::<Vec<_>>().concat();
    let mut vectors = vec![
        Vector::accepted("a prefix of signatures that means something else outside", rebound),
        // The namespace of the wrapper is that of the protocol, its prefix is not.
        Vector::refused(
            "Extensions by another prefix",
            xsw(r#"<q:Extensions xmlns:q="urn:oasis:names:tc:SAML:2.0:protocol">"#, "</q:Extensions>"),
        ),
        Vector::refused("a response of another namespace", signed.replacen(XMLNS_P, r#"xmlns:samlp="urn:example:any""#, 1)),
        Vector::refused("a response of no namespace", signed.replace("samlp:", "").replacen(XMLNS_P, "", 1)),
        Vector::refused(
            "a response of SAML 1.1",
            signed.replacen(XMLNS_P, r#"xmlns:samlp="urn:oasis:names:tc:SAML:1.0:protocol""#, 1),
        ),
        Vector::refused(
            "the prefix xml, bound to something else",
            signed.replacen(XMLNS_P, &format!(r#"{XMLNS_P} xmlns:xml="urn:example:any""#), 1),
        ),
        Vector::refused(
            "the prefix xmlns, bound",
            signed.replacen(XMLNS_P, &format!(r#"{XMLNS_P} xmlns:xmlns="urn:example:any""#), 1),
        ),
        Vector::refused(
            "another prefix for the namespace of xml",
            signed.replacen(XMLNS_P, &format!(r#"{XMLNS_P} xmlns:q="http://www.w3.org/XML/1998/namespace""#), 1),
        ),
        Vector::refused(
            "another prefix for the namespace of xmlns",
            signed.replacen(XMLNS_P, &format!(r#"{XMLNS_P} xmlns:q="http://www.w3.org/2000/xmlns/""#), 1),
        ),
        Vector::refused("a prefix that is undone", signed.replacen(XMLNS_P, &format!(r#"{XMLNS_P} xmlns:q="""#), 1)),
        Vector::refused(
            "one attribute by two prefixes",
            signed.replacen(
                XMLNS_P,
                &format!(r#"{XMLNS_P} xmlns:q="urn:example:any" xmlns:r="urn:example:any" q:x="1" r:x="2""#),
                1,
            ),
        ),
        Vector::refused("an ID that is no name", extended(r#"<q ID="1 2"></q>"#)),
        Vector::refused("eighty prefixes, forty in each of two", extended(&format!("<q{}><r{}></r></q>", forty("a"), forty("b")))),
    ];
    for relative in ["x", "../x", "//example.com/x", "?x", "#x", "1:x", "urn", "://x", " urn:x"] {
        let message = signed.replacen(XMLNS_P, &format!(r#"{XMLNS_P} xmlns:q="{relative}""#), 1);
        vectors.push(Vector::refused(format!("a relative namespace {relative}"), message));
    }
    for way in every_way(&Response::default(), &Assertion::default()) {
        let text = way.1.replace("<ds:", "<").replace("</ds:", "</").replace("xmlns:ds=", "xmlns=");
        // Nothing that is signed has changed but the names of prefixes, which are signed too.
        vectors.push(Vector::refused(format!("other prefixes than those that were signed ({})", way.0), text));
    }
    vectors
}

/// Researchers' "Fragile Lock": attributes of two namespaces with one local name, a canonicalisation that ends in nothing.
pub(crate) fn fragile_locks() -> Vec<Vector> {
    let evil = Assertion::evil();
    let mut vectors = Vec::new();
    let signed = signed();
    for (name, tag) in [
        ("ID and an ID of a namespace", r#" samlp:ID="_a1""#),
        ("ID and xml:id", r#" xml:id="_a1""#),
        ("ID and Id", r#" Id="_a1""#),
        ("ID and id", r#" id="_a1""#),
        ("ID and AssertionID", r#" AssertionID="_a1""#),
    ] {
        let forged = unsigned(&evil.text()).replacen(r#" ID="_evil""#, &format!(r#" ID="_evil"{tag}"#), 1);
        let assertion = sign(&Assertion::default().text(), &Signature::default());
        let signature = &assertion[assertion.find("<ds:Signature ").unwrap()..assertion.find("</ds:Signature>").unwrap() + 15];
        let forged = forged.replacen("</saml:Issuer>", &format!("</saml:Issuer>{signature}"), 1);
        let bare = assertion.replace(signature, "");
        let extensions = format!("<samlp:Extensions>{bare}</samlp:Extensions>");
        vectors.push(Vector::refused(
            format!("{name}, what was signed elsewhere"),
            unsigned(&Response { before: String::new(), ..Response::default() }.around(&(extensions + &forged))),
        ));
        vectors.push(Vector::refused(format!("{name}, what was signed nowhere"), unsigned(&Response::default().around(&forged))));
    }
    for algorithm in [SHA256, super::sign::SHA1, super::sign::SHA384, super::sign::SHA512] {
        // A signature of the identity provider's over nothing: what a canonicalisation that fails gives.
        let signature = Signature::default();
        let nothing = reference("#_evil", &(transform(ENVELOPED) + &transform(EXCLUSIVE)), algorithm, &digest(algorithm, b""));
        let sealed = seal_info(&info(&signature, &nothing), &signature);
        for (name, text) in [
            ("", evil.text()),
            (" and a relative namespace", evil.text().replacen(XMLNS_A, &format!(r#"{XMLNS_A} xmlns:q="x""#), 1)),
            (" and a namespace of the wrong kind", evil.text().replacen(XMLNS_A, &format!(r#"{XMLNS_A} xmlns:q="1:""#), 1)),
        ] {
            let forged = text.replacen(super::message::SIGNATURE, &sealed, 1);
            let message = unsigned(&Response::default().around(&forged));
            let algorithm = &algorithm[algorithm.find('#').unwrap()..];
            vectors.push(Vector::refused(format!("the digest of nothing ({algorithm}){name}"), message));
        }
    }
    let bare = signed.replacen("<ds:DigestValue>", "<ds:DigestValue/><ds:X>", 1).replacen("</ds:DigestValue>", "</ds:X>", 1);
    vectors.push(Vector::refused("an empty digest", bare));
    vectors
}

/// Two `SignedInfo`, one of which is verified and the other read (CVE-2025-29774).
pub(crate) fn two_signed_infos() -> Vec<Vector> {
    let signed = signed();
    let start = signed.find("<ds:SignedInfo>").unwrap();
    let end = signed.find("</ds:SignedInfo>").unwrap() + "</ds:SignedInfo>".len();
    let genuine = &signed[start..end];
    let evil = digest(SHA256, unsigned(&Assertion { subject: EVIL.to_owned(), ..Assertion::default() }.text()).as_bytes());
    let forged_reference = reference("#_a1", &(transform(ENVELOPED) + &transform(EXCLUSIVE)), SHA256, &evil);
    let forged = format!("<ds:SignedInfo>{}</ds:SignedInfo>", info(&Signature::default(), &forged_reference));
    let message = signed.replace(VICTIM, EVIL);
    [
        ("the forged one first", message.replace(genuine, &format!("{forged}{genuine}"))),
        ("the forged one second", message.replace(genuine, &format!("{genuine}{forged}"))),
        (
            "one inside the other",
            message.replace(genuine, &genuine.replace("</ds:SignedInfo>", &format!("{forged}</ds:SignedInfo>"))),
        ),
        (
            "one around the other",
            message.replace(genuine, &forged.replace("</ds:SignedInfo>", &format!("{genuine}</ds:SignedInfo>"))),
        ),
        (
            "one in an object",
            message
                .replace("</ds:Signature>", &format!("<ds:Object>{genuine}</ds:Object></ds:Signature>"))
                .replacen(genuine, &forged, 1),
        ),
        ("none", message.replace(genuine, "")),
    ]
    .map(|(name, message)| Vector::refused(format!("two SignedInfo: {name}"), message))
    .into()
}

/// A comment in the digest, which one reader skips and the other does not (CVE-2025-29775).
pub(crate) fn commented_digests() -> Vec<Vector> {
    let signed = signed().replace(VICTIM, EVIL);
    let evil = digest(SHA256, unsigned(&Assertion { subject: EVIL.to_owned(), ..Assertion::default() }.text()).as_bytes());
    let put = |before: &str, after: &str| {
        signed
            .replace("<ds:DigestValue>", &format!("<ds:DigestValue>{before}"))
            .replace("</ds:DigestValue>", &format!("{after}</ds:DigestValue>"))
    };
    [
        ("a comment before the digest", put(&format!("<!--{evil}-->"), "")),
        ("a comment after the digest", put("", &format!("<!--{evil}-->"))),
        ("the digest in a comment and another in its place", put("<!--", &format!("-->{evil}"))),
        ("a processing instruction in the digest", put("<?x?>", "")),
        ("CDATA in the digest", put(&format!("<![CDATA[{evil}]]>"), "")),
        ("an element in the digest", put(&format!("<x>{evil}</x>"), "")),
        ("two digests in one", put(&evil, "")),
    ]
    .map(|(name, message)| Vector::refused(name, message))
    .into()
}

/// What stands around the signed assertion is not read for who somebody is.
pub(crate) fn unsigned_values() -> Vec<Vector> {
    let assertion = sign(&Assertion::default().text(), &Signature::default());
    let statement = |name: &str| {
        format!(
            r#"<saml:AttributeStatement {XMLNS_A}><saml:Attribute Name="groups"><saml:AttributeValue>{name}</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>"#
        )
    };
    let subject = format!("<saml:Subject {XMLNS_A}><saml:NameID>{EVIL}</saml:NameID></saml:Subject>");
    let around = |before: &str, after: &str| {
        unsigned(&Response { before: before.to_owned(), after: after.to_owned(), ..Response::default() }.around(&assertion))
    };
    let mut vectors = Vec::new();
    for (name, content) in [("an attribute statement", statement("admins")), ("a subject", subject)] {
        for (place, message) in [("before", around(&content, "")), ("behind", around("", &content))] {
            // It stands where nothing is read from: whoever signs in is who was signed.
            vectors.push(Vector::accepted(format!("{name} {place} the signed assertion"), message));
        }
    }
    let extensions = format!("<samlp:Extensions>{}</samlp:Extensions>", statement("admins"));
    let message = assertion_signed(&Response::default(), &Assertion::default());
    let message = message.replacen("<samlp:Status>", &format!("{extensions}<samlp:Status>"), 1);
    vectors.push(Vector::accepted("an attribute statement in extensions", message));
    vectors
}

/// Texts that a reader of text nodes reads in part.
pub(crate) fn split_texts() -> Vec<Vector> {
    let mut vectors = Vec::new();
    let long = format!("{VICTIM}.evil");
    for (name, subject) in [
        ("a comment", format!("{VICTIM}<!---->.evil")),
        ("a comment before", format!("<!--x-->{VICTIM}")),
        ("a processing instruction", format!("{VICTIM}<?x?>.evil")),
        ("CDATA", format!("{VICTIM}<![CDATA[.evil]]>")),
        ("CDATA around all", format!("<![CDATA[{VICTIM}]]>")),
        ("an entity", format!("{VICTIM}&x;.evil")),
    ] {
        // The identity provider signed the whole; canonicalisation drops comments, so they can be put in afterwards.
        let genuine = Assertion {
            subject: if name.contains("all") || name.contains("before") { VICTIM.to_owned() } else { long.clone() },
            ..Assertion::default()
        };
        for (way, message) in every_way(&Response::default(), &genuine) {
            let message = message.replace(&format!(">{}</saml:NameID>", genuine.subject), &format!(">{subject}</saml:NameID>"));
            assert!(message.contains(&subject));
            vectors.push(Vector::refused(format!("{name} in the name ({way})"), message));
        }
    }
    for (name, subject) in [("an element", format!("{VICTIM}<x></x>.evil")), ("an element around", format!("<x>{VICTIM}</x>"))] {
        let message = assertion_signed(&Response::default(), &Assertion { subject, ..Assertion::default() });
        vectors.push(Vector::refused(format!("{name} in the name"), message));
    }
    let referred = Assertion { subject: format!("{VICTIM}&#46;&#x65;vil&amp;&lt;&gt;&quot;&apos;"), ..Assertion::default() };
    for (way, message) in every_way(&Response::default(), &referred) {
        let verdict = Verdict::Accepted(format!("{long}&<>\"'"));
        vectors.push(Vector::new(format!("character references in the name are its characters ({way})"), message, verdict));
    }
    // Sealed by hand: references stay as they are, where a tool writes the characters.
    let canonical = Assertion { subject: format!("{VICTIM}.evil&amp;"), ..Assertion::default() };
    let sealed = seal(&canonical.text(), &Signature::default()).replace(".evil&amp;", "&#46;evil&#38;");
    let message = unsigned(&Response::default().around(&sealed));
    vectors.push(Vector::new(
        "character references of other forms than those that were signed",
        message,
        Verdict::Accepted(format!("{long}&")),
    ));
    vectors
}

/// External entities, entities that grow, attributes by default.
pub(crate) fn entities() -> Vec<Vector> {
    let signed = signed();
    let mut laughs = String::from("<!ENTITY l0 \"lol\">");
    for level in 1..10 {
        let more = format!("&l{};", level - 1).repeat(10);
        write!(laughs, "<!ENTITY l{level} \"{more}\">").unwrap();
    }
    let head = |subset: &str| format!("<!DOCTYPE samlp:Response [{subset}]>{signed}");
    let used = |subset: &str, entity: &str| head(subset).replace("Joe Doe", entity);
    [
        ("a file as an entity", used(r#"<!ENTITY x SYSTEM "file:///etc/hostname">"#, "&x;")),
        ("an address as an entity", used(r#"<!ENTITY x SYSTEM "http://127.0.0.1:9/x">"#, "&x;")),
        ("a parameter entity", head(r#"<!ENTITY % x SYSTEM "http://127.0.0.1:9/x.dtd"> %x;"#)),
        ("an external subset", format!(r#"<!DOCTYPE samlp:Response SYSTEM "http://127.0.0.1:9/x.dtd">{signed}"#)),
        ("an external subset that is a file", format!(r#"<!DOCTYPE samlp:Response SYSTEM "file:///etc/hostname">{signed}"#)),
        ("a public subset", format!(r#"<!DOCTYPE samlp:Response PUBLIC "-//x//y" "http://127.0.0.1:9/x.dtd">{signed}"#)),
        ("a billion laughs", used(&laughs, "&l9;")),
        ("quadratic growth", used(&format!("<!ENTITY x \"{}\">", "x".repeat(50_000)), &"&x;".repeat(10_000))),
        ("an entity of our own text", used(r#"<!ENTITY x "Joe Doe">"#, "&x;")),
        ("an attribute by default", head(r#"<!ATTLIST saml:Assertion ID CDATA "_a1">"#)),
        ("an id by declaration", head("<!ATTLIST saml:Attribute Name ID #IMPLIED>")),
        ("a namespace by default", head(r#"<!ATTLIST saml:NameID xmlns:q CDATA "urn:example:any">"#)),
        ("a notation", head(r#"<!NOTATION x SYSTEM "http://127.0.0.1:9/x">"#)),
    ]
    .map(|(name, message)| Vector::refused(name, message))
    .into()
}

#[test]
fn sso_s10_a_digest_smuggled_in_elsewhere_is_not_taken_for_that_of_the_reference() {
    check("s10_smuggled_digest", &smuggled_digest());
}

#[test]
fn sso_s11_what_two_parsers_could_read_in_two_ways_is_refused() {
    check("s11_disagreements", &disagreements());
    check("s11_namespaces", &namespaces());
}

#[test]
fn sso_s12_polluted_ids_and_digests_of_nothing_are_refused() {
    check("s12_fragile_locks", &fragile_locks());
}

#[test]
fn sso_s13_two_signed_infos_are_refused() {
    check("s13_two_signed_infos", &two_signed_infos());
}

#[test]
fn sso_s14_anything_but_a_digest_in_the_digest_is_refused() {
    check("s14_commented_digests", &commented_digests());
}

#[test]
fn sso_s15_values_come_from_the_signed_bytes_alone() {
    check("s15_unsigned_values", &unsigned_values());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let validator = Validator::new(1);
    for vector in unsigned_values() {
        let identity = runtime.block_on(vector.run(&validator)).unwrap();
        assert_eq!(identity.claims["groups"], ["engineers", "readers & writers"], "{}", vector.name);
    }
}

#[test]
fn sso_s16_a_name_in_pieces_is_refused_and_never_cut() {
    check("s16_split_texts", &split_texts());
}

#[test]
fn sso_s17_document_types_and_entities_are_refused() {
    check("s17_entities", &entities());
}
