//! S31: the signature of an address is over the bytes as they came, and a logout message is proved like any other.

use std::fmt::Write as _;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use openssl::hash::MessageDigest;
use vestibule::federation::Refused;
use vestibule::federation::saml::{Logout, LogoutExpected, LogoutMessage, Validator};

use super::keys::{EC, Key, OTHER, OURS, RSA};
use super::message::{IDP, NOW, PERSISTENT, SIGNATURE, SLO, VICTIM, XMLNS_A, XMLNS_P, status};
use super::requests::settings;
use super::sign::{DS, MORE, RSA_SHA256, Signature, raw, sign, unsigned};
use super::vector::{certificate, connection, instant};

/// A logout request, with what follows its instant in the tag.
fn request(tag: &str, issuer: &str) -> String {
    format!(
        r#"<samlp:LogoutRequest {XMLNS_P} Destination="{SLO}" ID="_l1" IssueInstant="{NOW}"{tag} Version="2.0"><saml:Issuer {XMLNS_A}>{issuer}</saml:Issuer>{SIGNATURE}<saml:NameID {XMLNS_A} Format="{PERSISTENT}">{VICTIM}</saml:NameID><samlp:SessionIndex>_s1</samlp:SessionIndex></samlp:LogoutRequest>"#
    )
}

fn response(in_response_to: &str) -> String {
    let status = status(super::message::SUCCESS);
    format!(
        r#"<samlp:LogoutResponse {XMLNS_P} Destination="{SLO}" ID="_l2" InResponseTo="{in_response_to}" IssueInstant="{NOW}" Version="2.0"><saml:Issuer {XMLNS_A}>{IDP}</saml:Issuer>{SIGNATURE}<samlp:Status>{status}</samlp:Status></samlp:LogoutResponse>"#
    )
}

fn deflated(message: &str) -> String {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(unsigned(message).as_bytes()).unwrap();
    STANDARD.encode(encoder.finish().unwrap())
}

/// Percent-encodes everything but letters and digits, with digits of either case.
fn spelled(value: &str, is_lower: bool) -> String {
    value.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => text.push(byte.into()),
            _ if is_lower => write!(text, "%{byte:02x}").unwrap(),
            _ => write!(text, "%{byte:02X}").unwrap(),
        }
        text
    })
}

/// A query that a key signed as it is spelled.
fn query(parameter: &str, message: &str, state: Option<&str>, key: &Key, is_lower: bool) -> String {
    let family = if key.is_rsa() { RSA_SHA256.to_owned() } else { format!("{MORE}ecdsa-sha256") };
    let state = state.map(|state| format!("&RelayState={}", spelled(state, is_lower))).unwrap_or_default();
    let signed = format!("{parameter}={}{state}&SigAlg={}", spelled(&deflated(message), is_lower), spelled(&family, is_lower));
    let signature = STANDARD.encode(raw(&key.private, MessageDigest::sha256(), signed.as_bytes()));
    format!("{signed}&Signature={}", spelled(&signature, is_lower))
}

fn logout(message: LogoutMessage) -> Result<Logout, Refused> {
    let expected = LogoutExpected {
        connection: connection(settings()),
        certificates: vec![certificate(&EC), certificate(&RSA)],
        slo: SLO.parse().unwrap(),
        now: instant(NOW),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(Validator::new(1).logout(expected, message))
}

fn redirected(raw_query: &str) -> Result<Logout, Refused> {
    logout(LogoutMessage::Redirect { raw_query: raw_query.to_owned() })
}

fn posted(request: &str) -> Result<Logout, Refused> {
    logout(LogoutMessage::Post { request: Some(STANDARD.encode(request)), response: None, relay_state: Some("state".to_owned()) })
}

#[test]
fn sso_s31_a_query_is_verified_as_it_was_spelled() {
    for key in [&*RSA, &*EC] {
        for is_lower in [false, true] {
            for state in [None, Some(""), Some("a b+c/d=é")] {
                let query = query("SAMLRequest", &request("", IDP), state, key, is_lower);
                let Ok(Logout::Request { id, name_id, session_indexes, relay_state, certificate: by, .. }) = redirected(&query)
                else {
                    panic!("{query}: {:?}", redirected(&query))
                };
                assert_eq!((id.as_str(), name_id.value.as_str(), session_indexes), ("_l1", VICTIM, vec!["_s1".to_owned()]));
                assert_eq!((relay_state.as_deref(), by), (state, certificate(key).fingerprint));
            }
        }
    }
    let answer = query("SAMLResponse", &response("_q"), Some("state"), &RSA, true);
    let Ok(Logout::Response { in_response_to, is_success: true, .. }) = redirected(&answer) else {
        panic!("{:?}", redirected(&answer))
    };
    assert_eq!(in_response_to.as_deref(), Some("_q"));
    // Bindings section 3.4.4.1 fixes the order of what is signed, not of what is sent; and what else is sent is not ours.
    let whole = query("SAMLRequest", &request("", IDP), Some("state"), &RSA, false);
    let mut parts: Vec<_> = whole.split('&').collect();
    parts.reverse();
    assert!(redirected(&format!("x=y&{}&utm=1", parts.join("&"))).is_ok());
}

/// What becomes of queries of which something was changed, is missing or is there twice: a line for each.
pub(crate) fn changed_queries() -> String {
    let good = query("SAMLRequest", &request("", IDP), Some("state"), &RSA, true);
    let parts: Vec<_> = good.split('&').collect();
    let mut table = String::new();
    let mut refused = |name: &str, query: &str| {
        writeln!(table, "{name}: {}", became(redirected(query))).unwrap();
    };
    for (at, part) in parts.iter().enumerate() {
        let name = part.split('=').next().unwrap();
        let without: Vec<_> = parts.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, part)| *part).collect();
        refused(&format!("without {name}"), &without.join("&"));
        refused(&format!("{name} twice"), &format!("{good}&{part}"));
        refused(&format!("{name} twice, the first another"), &format!("{name}=x&{good}"));
        refused(&format!("{name} twice, the second another"), &format!("{good}&{name}=x"));
        refused(&format!("{name} without a value"), &good.replace(part, name));
        refused(&format!("{name} empty"), &good.replace(part, &format!("{name}=")));
        refused(&format!("{name} by a spelling of its name"), &good.replace(name, &name.replace('S', "%53").replace('R', "%52")));
    }
    refused(
        "other digits than those that were signed",
        &good.replace("%2b", "%2B").replace("%2f", "%2F").replace("%3d", "%3D").replace("%3a", "%3A"),
    );
    refused("a message more", &format!("{good}&SAMLResponse={}", spelled(&deflated(&response("_q")), true)));
    refused("another state", &good.replace("RelayState=state", "RelayState=stolen"));
    refused("the state of another parameter", &good.replace("RelayState=state", "relaystate=state"));
    refused("signed by somebody else", &query("SAMLRequest", &request("", IDP), Some("state"), &OTHER, true));
    refused("signed by ourselves", &query("SAMLRequest", &request("", IDP), None, &OURS, true));
    refused("RSA said to be a curve", &good.replace("rsa-sha256", "ecdsa-sha256"));
    refused("SHA-1", &good.replace(&spelled(RSA_SHA256, true), &spelled(&format!("{DS}rsa-sha1"), true)));
    refused("HMAC", &good.replace("rsa-sha256", "hmac-sha256"));
    refused("no query", "");
    refused("separators alone", "&&&=&=");
    refused("a request as a response", &good.replace("SAMLRequest=", "SAMLResponse="));
    refused("a response as a request", &query("SAMLRequest", &response("_q"), None, &RSA, true));
    refused("another issuer", &query("SAMLRequest", &request("", "https://other.example.com"), None, &RSA, true));
    refused(
        "too late",
        &query("SAMLRequest", &request("", IDP).replace("IssueInstant=\"2026", "IssueInstant=\"2025"), None, &RSA, true),
    );
    refused(
        "to somebody else",
        &query("SAMLRequest", &request("", IDP).replace(SLO, "https://other.example.org/slo"), None, &RSA, true),
    );
    refused("an end that was", &query("SAMLRequest", &request(r#" NotOnOrAfter="2026-03-01T11:00:00Z""#, IDP), None, &RSA, true));
    refused("a document type", &query("SAMLRequest", &format!("<!DOCTYPE x>{}", request("", IDP)), None, &RSA, true));
    refused("a bomb", &query("SAMLRequest", &" ".repeat(64 * 1024 * 1024), None, &RSA, true));
    table
}

/// Why it was refused, or that it was taken.
fn became(result: Result<Logout, Refused>) -> &'static str {
    result.map_or_else(|refused| refused.reason(), |_| "taken")
}

#[test]
fn sso_s31_a_query_with_anything_changed_missing_or_twice_is_refused() {
    let table = changed_queries();
    assert!(table.lines().count() > 40 && !table.contains(": taken"), "{table}");
    insta::assert_snapshot!("s31_queries", table);
}

#[test]
fn sso_s31_a_posted_logout_is_signed_within() {
    let by = |key| sign(&request("", IDP), &Signature::by(key));
    assert!(matches!(posted(&by(&RSA)), Ok(Logout::Request { relay_state: Some(state), .. }) if state == "state"));
    assert!(posted(&by(&EC)).is_ok());
    let table = changed_posts();
    assert!(!table.contains(": taken"), "{table}");
    insta::assert_snapshot!("s31_posted", table);
}

/// What becomes of posted messages of which something was changed.
pub(crate) fn changed_posts() -> String {
    let by = |key| sign(&request("", IDP), &Signature::by(key));
    let good = by(&RSA);
    let mut table = String::new();
    let cut = |text: &str| text[text.find("<ds:Signature ").unwrap()..text.find("</ds:Signature>").unwrap() + 15].to_owned();
    let signature = cut(&good);
    let bare = good.replace(&signature, "");
    let forged = unsigned(&request("", IDP)).replace("_l1", "_evil").replace(VICTIM, "somebody-else");
    let inside = |text: &str, content: &str| text.replacen("</saml:Issuer>", &format!("</saml:Issuer>{content}"), 1);
    for (name, message) in [
        ("unsigned", unsigned(&request("", IDP))),
        ("by somebody else", by(&OTHER)),
        ("another name", good.replace(VICTIM, "somebody-else")),
        ("no session", good.replace("<samlp:SessionIndex>_s1</samlp:SessionIndex>", "")),
        (
            "wrapped in a signature",
            inside(&forged, &signature.replace("</ds:Signature>", &format!("<ds:Object>{bare}</ds:Object></ds:Signature>"))),
        ),
        ("wrapped in extensions", inside(&forged, &format!("<samlp:Extensions>{good}</samlp:Extensions>"))),
        ("the signature of another", inside(&forged, &signature)),
        ("a response in a request", sign(&response("_q"), &Signature::default())),
        ("two signatures", inside(&good, &signature)),
        ("SAML 1.1", sign(&request("", IDP).replace("Version=\"2.0\"", "Version=\"1.1\""), &Signature::default())),
        (
            "no issuer",
            sign(&request("", IDP).replace(&format!("<saml:Issuer {XMLNS_A}>{IDP}</saml:Issuer>"), ""), &Signature::default()),
        ),
        ("another issuer", sign(&request("", "https://other.example.com"), &Signature::default())),
        ("no name", sign(&request("", IDP).replace("saml:NameID", "saml:BaseID"), &Signature::default())),
        ("too late", sign(&request("", IDP).replace("IssueInstant=\"2026", "IssueInstant=\"2025"), &Signature::default())),
        ("too early", sign(&request("", IDP).replace("IssueInstant=\"2026", "IssueInstant=\"2027"), &Signature::default())),
        ("an end that was", sign(&request(r#" NotOnOrAfter="2026-03-01T11:00:00Z""#, IDP), &Signature::default())),
        ("to somebody else", sign(&request("", IDP).replace(SLO, "https://other.example.org/slo"), &Signature::default())),
        ("to nobody", sign(&request("", IDP).replace(&format!(" Destination=\"{SLO}\""), ""), &Signature::default())),
        ("spaces", " ".repeat(1024 * 1024)),
    ] {
        writeln!(table, "{name}: {}", became(posted(&message))).unwrap();
    }
    let both =
        LogoutMessage::Post { request: Some(STANDARD.encode(&good)), response: Some(STANDARD.encode(&good)), relay_state: None };
    writeln!(table, "both: {}", became(logout(both))).unwrap();
    let neither = LogoutMessage::Post { request: None, response: None, relay_state: None };
    writeln!(table, "neither: {}", became(logout(neither))).unwrap();
    table
}
