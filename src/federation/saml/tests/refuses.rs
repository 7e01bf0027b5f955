//! Each check of R3, by a response that is good but for one thing and that the identity provider signed.

use super::*;
use crate::model::SubjectSource;

/// The reason why a response is refused.
async fn reason(xml: &str) -> &'static str {
    finish(xml).await.map(|identity| identity.subject.value).expect_err("it is refused").reason()
}

/// The response whose assertion has one thing replaced, and is signed afterwards.
fn but(from: &str, to: &str) -> String {
    assert!(assertion().contains(from), "{from}");
    response(&signed(&assertion().replacen(from, to, 1), "_a", idp(), RSA))
}

/// The same with all of them replaced.
fn but_all(from: &str, to: &str) -> String {
    assert!(assertion().contains(from), "{from}");
    response(&signed(&assertion().replace(from, to), "_a", idp(), RSA))
}

#[tokio::test]
async fn sso_r03_an_assertion_that_is_good_but_for_one_thing_is_refused_for_that() {
    let name_id = |value: &str| but(">joe-0001<", &format!(">{value}<"));
    let format = |format: &str| but("SAML:2.0:nameid-format:persistent", format);
    let (now, later) = (minutes(0), minutes(5));
    let issued = format!(r#"IssueInstant="{now}""#);
    let from = format!(r#"Conditions NotBefore="{now}""#);
    let until = format!(r#"NotOnOrAfter="{later}"><saml:Aud"#);
    let confirmed = format!(r#"NotOnOrAfter="{later}"/>"#);
    let restriction = format!("<saml:AudienceRestriction><saml:Audience>{ENTITY}</saml:Audience></saml:AudienceRestriction>");
    let confirmation = r#"<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">"#;
    let end = format!(r#"SessionNotOnOrAfter="{}""#, minutes(480));
    let table = [
        ("another version", but(r#"Version="2.0""#, r#"Version="1.1""#), "saml_assertion_version"),
        ("another issuer", but(&format!(">{ISSUER}<"), ">https://evil.example<"), "saml_assertion_issuer"),
        ("an issuer with blanks", but(&format!(">{ISSUER}<"), &format!("> {ISSUER}<")), "saml_assertion_issuer"),
        ("an issuer of another format", but("<saml:Issuer>", r#"<saml:Issuer Format="urn:x">"#), "saml_assertion_issuer"),
        ("an assertion of yesterday", but(&issued, r#"IssueInstant="2027-01-14T08:00:00Z""#), "saml_assertion_issue_instant"),
        (
            "an assertion of seven minutes ago",
            but(&issued, &format!(r#"IssueInstant="{}""#, minutes(-7))),
            "saml_assertion_issue_instant",
        ),
        (
            "an assertion of two minutes from now",
            but(&issued, &format!(r#"IssueInstant="{}""#, minutes(2))),
            "saml_assertion_issue_instant",
        ),
        ("an assertion of no time", but(&issued, r#"IssueInstant="soon""#), "saml_assertion_issue_instant"),
        ("no subject", but_all("saml:Subject>", "saml:Object>"), "saml_subject_missing"),
        ("another recipient", but("acs\" InResponseTo", "acs/ \" InResponseTo"), "saml_recipient"),
        ("no recipient", but("Recipient=", "Other="), "saml_recipient"),
        ("another request", but(r#"InResponseTo="_q""#, r#"InResponseTo="_x""#), "saml_in_response_to"),
        ("no request", but(r#" InResponseTo="_q""#, ""), "saml_in_response_to"),
        ("a confirmation that ended", but(&confirmed, &format!(r#"NotOnOrAfter="{}"/>"#, minutes(-2))), "saml_confirmation_ended"),
        ("a confirmation without end", but(&format!(" {confirmed}"), "/>"), "saml_confirmation_ended"),
        (
            "a confirmation of later",
            but(&confirmed, &format!(r#"NotBefore="{}" {confirmed}"#, minutes(2))),
            "saml_confirmation_not_yet_valid",
        ),
        (
            "two confirmations",
            but(confirmation, &format!("{confirmation}<saml:SubjectConfirmationData/></saml:SubjectConfirmation>{confirmation}")),
            "saml_confirmation",
        ),
        ("a confirmation of another kind", but("cm:bearer", "cm:sender-vouches"), "saml_confirmation"),
        ("no conditions", but_all("saml:Conditions", "saml:Unconditions"), "saml_conditions"),
        ("a condition that nobody knows", but(&restriction, &format!("{restriction}<saml:Condition/>")), "saml_condition_unknown"),
        ("conditions of later", but(&from, &format!(r#"Conditions NotBefore="{}""#, minutes(2))), "saml_not_yet_valid"),
        ("conditions without beginning", but(&from, "Conditions "), "saml_not_yet_valid"),
        ("conditions that ended", but(&until, &format!(r#"NotOnOrAfter="{}"><saml:Aud"#, minutes(-2))), "saml_expired"),
        ("conditions without end", but(&format!(" {until}"), "><saml:Aud"), "saml_expired"),
        ("no audience", but(&restriction, ""), "saml_audience"),
        ("another audience", but(&format!("<saml:Audience>{ENTITY}"), "<saml:Audience>https://other.example"), "saml_audience"),
        (
            "two restrictions, one ours",
            but(
                &restriction,
                &format!("{restriction}<saml:AudienceRestriction><saml:Audience>x</saml:Audience></saml:AudienceRestriction>"),
            ),
            "saml_audience",
        ),
        ("an empty restriction", but(&restriction, &format!("{restriction}<saml:AudienceRestriction/>")), "saml_audience"),
        (
            "an instant of later",
            but(&format!(r#"AuthnInstant="{now}""#), &format!(r#"AuthnInstant="{}""#, minutes(2))),
            "saml_authn_instant",
        ),
        ("no instant", but("AuthnInstant", "Other"), "saml_authn_instant"),
        ("two statements", but("<saml:AuthnStatement", "<saml:AuthnStatement/><saml:AuthnStatement"), "saml_authn_statement"),
        ("a session that ended", but(&end, &format!(r#"SessionNotOnOrAfter="{}""#, minutes(-2))), "saml_session_ended"),
        ("a session that ends at no time", but(&end, r#"SessionNotOnOrAfter="x""#), "saml_session_ended"),
        ("no NameID", but_all("saml:NameID", "saml:Other"), "saml_subject_missing"),
        ("an empty NameID", but(">joe-0001</saml:NameID>", "/>"), "saml_name_id"),
        ("a NameID of blanks", name_id(" joe"), "saml_name_id"),
        ("a NameID with a line", name_id("joe&#10;x"), "saml_name_id"),
        ("a NameID with a control", name_id("joe\u{85}x"), "saml_name_id"),
        ("a long NameID", name_id(&"x".repeat(257)), "saml_name_id"),
        ("a NameID with parts", name_id("<x/>joe"), "saml_subject_missing"),
        ("a NameID like an address", name_id("joe@example.com"), "saml_name_id_email"),
        ("a NameID like a wide address", name_id("joe\u{ff20}example.com"), "saml_name_id_email"),
        ("an address", format("SAML:1.1:nameid-format:emailAddress"), "saml_name_id_email"),
        ("a transient name", format("SAML:2.0:nameid-format:transient"), "saml_name_id_format"),
        ("an entity", format("SAML:2.0:nameid-format:entity"), "saml_name_id_format"),
        ("a name of Kerberos", format("SAML:2.0:nameid-format:kerberos"), "saml_name_id_format"),
        ("a name of X.509", format("SAML:1.1:nameid-format:X509SubjectName"), "saml_name_id_format"),
        ("a name of nobody's format", format("x"), "saml_name_id_format"),
        ("a name by another", but(&format!(r#" NameQualifier="{ISSUER}""#), r#" NameQualifier="x""#), "saml_name_id_qualifier"),
        ("a name for another", but(&format!(r#"SPNameQualifier="{ENTITY}""#), r#"SPNameQualifier="x""#), "saml_name_id_qualifier"),
    ];
    for (what, xml, expected) in table {
        assert_eq!(reason(&xml).await, expected, "{what}");
    }
}

#[tokio::test]
async fn sso_r03_a_response_around_a_good_assertion_is_held_against_what_is_expected() {
    let now = minutes(0);
    let table: [(&str, &str, &str, &str); 12] = [
        ("another version", r#"Version="2.0""#, r#"Version="1.1""#, "saml_response_version"),
        ("another destination", "Destination=\"https://sp.", "Destination=\"https://other.", "saml_destination"),
        ("another request", r#"InResponseTo="_q""#, r#"InResponseTo="_x""#, "saml_response_in_response_to"),
        ("another issuer", "idp.example", "evil.example", "saml_response_issuer"),
        (
            "two issuers",
            "<samlp:Status>",
            "<saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"/><samlp:Status>",
            "saml_response_issuer_missing",
        ),
        (
            "a response of later",
            &format!(r#"IssueInstant="{now}""#),
            &format!(r#"IssueInstant="{}""#, minutes(2)),
            "saml_response_issue_instant",
        ),
        (
            "a response of long ago",
            &format!(r#"IssueInstant="{now}""#),
            &format!(r#"IssueInstant="{}""#, minutes(-7)),
            "saml_response_issue_instant",
        ),
        ("no success", "status:Success", "status:Responder", "saml_status"),
        ("no status", "<samlp:StatusCode ", "<samlp:Code ", "saml_status"),
        (
            "a success below a failure",
            r#"status:Success"/>"#,
            r#"status:Responder"><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:StatusCode>"#,
            "saml_status",
        ),
        ("another namespace", "SAML:2.0:protocol", "SAML:1.1:protocol", "saml_root"),
        ("no ID", r#" ID="_r""#, "", "saml_id"),
    ];
    let inner = signed(&assertion(), "_a", idp(), RSA);
    for (what, from, to, expected) in table {
        let changed = |xml: &str| {
            let at = xml.find(from).expect(from);
            format!("{}{to}{}", &xml[..at], &xml[at + from.len()..])
        };
        assert_eq!(reason(&changed(&response(&inner))).await, expected, "{what}");
        // Signed itself it is held against the same.
        if expected.starts_with("saml_response") || expected == "saml_status" || expected == "saml_destination" {
            let signed = signed(&changed(&response(&assertion())), "_r", idp(), RSA);
            assert_eq!(reason(&signed).await, expected, "{what}, signed");
        }
    }
    let silent = response(&inner).replace(&format!(" Destination=\"{ACS}\""), "");
    assert!(finish(&silent).await.is_ok(), "it need not say for whom it is");
    let silent = signed(&response(&assertion()).replace(&format!(" Destination=\"{ACS}\""), ""), "_r", idp(), RSA);
    assert_eq!(reason(&silent).await, "saml_destination", "unless it is signed");
}

#[tokio::test]
async fn sso_s23_what_is_not_signed_by_a_valid_certificate_of_the_connection_is_refused() {
    assert_eq!(reason(&response(&signed(&assertion(), "_a", own(), RSA))).await, "saml_signature");
    assert_eq!(reason(&good().replace(">joe-0001<", ">bob-0002<")).await, "saml_signature");
    assert_eq!(reason(&good().replace("joe@example.com", "bob@example.com")).await, "saml_signature");
    assert_eq!(reason(&response(&assertion())).await, "saml_signature_missing");
    let signed_by_ec = response(&signed(&assertion(), "_a", &ec(), EC));
    assert_eq!(reason(&signed_by_ec).await, "saml_signature");
    let both = signed(&response(&signed(&assertion(), "_a", own(), RSA)), "_r", idp(), RSA);
    assert_eq!(reason(&both).await, "saml_signature", "a signature within a good one must be good");
    for certificates in [vec![], vec![Certificate { not_after: now(), ..certificate(&idp().certificate).unwrap() }]] {
        let expected = Expected { certificates, ..expected(SamlSettings::default()) };
        assert_eq!(finish_with(expected, &good()).await.0.unwrap_err().reason(), "saml_no_certificate");
    }
}

#[tokio::test]
async fn a_certificate_that_has_ended_verifies_nothing_beside_one_that_has_not() {
    let ended = Certificate { not_after: now(), ..certificate(&idp().certificate).unwrap() };
    let early = Certificate { not_before: now() + TimeDelta::seconds(1), ..certificate(&idp().certificate).unwrap() };
    for unfit in [ended, early] {
        let expected =
            Expected { certificates: vec![unfit, certificate(&own().certificate).unwrap()], ..expected(SamlSettings::default()) };
        assert_eq!(finish_with(expected, &good()).await.0.unwrap_err().reason(), "saml_signature");
    }
}

#[tokio::test]
async fn the_administrator_is_told_which_certificate_a_signature_comes_with() {
    let named = |key: &Credential, signer: &Credential| {
        let info = format!(
            "<ds:SignatureValue/><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>",
            STANDARD.encode(&key.certificate)
        );
        response(&signed_with(&assertion(), "_a", signer, RSA, &info))
    };
    assert!(finish(&named(own(), idp())).await.is_ok(), "what it says of its key counts for nothing");
    let (ours, theirs) = (certificate(&own().certificate).unwrap(), certificate(&idp().certificate).unwrap());
    let other = BadSaml::OtherCertificate { fingerprint: ours.fingerprint };
    assert_eq!(finish(&named(own(), own())).await, Err(other.into()));
    assert_eq!(reason(&named(idp(), own())).await, "saml_signature");
    let ended = BadSaml::CertificateEnded { fingerprint: theirs.fingerprint.clone() };
    let certificates = vec![Certificate { not_after: now(), ..theirs }, certificate(&ec().certificate).unwrap()];
    let expected = Expected { certificates, ..expected(SamlSettings::default()) };
    assert_eq!(finish_with(expected, &named(idp(), idp())).await.0, Err(ended.into()));
}

#[tokio::test]
async fn sso_s25_two_restrictions_that_both_name_us_are_fine() {
    let restriction = format!("<saml:AudienceRestriction><saml:Audience>{ENTITY}</saml:Audience></saml:AudienceRestriction>");
    let more = "<saml:AudienceRestriction><saml:Audience>x</saml:Audience><saml:Audience>".to_owned()
        + ENTITY
        + "</saml:Audience></saml:AudienceRestriction><saml:OneTimeUse/>";
    assert!(finish(&but(&restriction, &format!("{restriction}{more}"))).await.is_ok());
}

#[tokio::test]
async fn times_may_differ_as_far_as_the_connection_says() {
    let from = format!(r#"Conditions NotBefore="{}""#, minutes(0));
    let early = but(&from, &format!(r#"Conditions NotBefore="{}""#, minutes(2)));
    let with = |skew_seconds| expected(SamlSettings { skew_seconds, ..SamlSettings::default() });
    assert!(finish_with(with(120), &early).await.0.is_ok());
    assert_eq!(finish_with(with(119), &early).await.0.unwrap_err().reason(), "saml_not_yet_valid");
    let much_too_early = but(&from, &format!(r#"Conditions NotBefore="{}""#, minutes(6)));
    assert_eq!(finish_with(with(u16::MAX), &much_too_early).await.0.unwrap_err().reason(), "saml_not_yet_valid");
}

#[tokio::test]
async fn an_attribute_that_names_the_subject_has_one_value() {
    for name in ["groups", "nobody", "Mail"] {
        let settings = SamlSettings { subject: SubjectSource::Attribute { name: name.to_owned() }, ..SamlSettings::default() };
        let refused = finish_with(expected(settings), &good()).await.0.unwrap_err();
        assert_eq!(refused.reason(), "saml_subject_attribute", "{name}");
    }
}

#[tokio::test]
async fn a_failure_over_there_is_told_as_one() {
    use crate::federation::Kind;
    use crate::model::Unmet;
    let failed = |code: &str, below: &str| {
        let status =
            format!(r#"status:{code}"><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:{below}"/></samlp:StatusCode>"#);
        response("").replace(r#"status:Success"/>"#, &status)
    };
    for (code, below, kind) in [
        ("Responder", "AuthnFailed", Kind::Declined),
        ("Responder", "NoAuthnContext", Kind::Unmet(Unmet::NotSure)),
        ("Requester", "InvalidNameIDPolicy", Kind::Misconfigured),
    ] {
        let refused = finish(&failed(code, below)).await.unwrap_err();
        assert_eq!((refused.reason(), refused.kind()), ("saml_status", kind));
        assert!(refused.to_string().contains(&format!("{code}/{below}")));
    }
    let of_another_sign_in = failed("Responder", "AuthnFailed").replace("_q", "_x");
    assert_eq!(reason(&of_another_sign_in).await, "saml_response_in_response_to");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Whatever is changed in a message that was signed, it proves nobody else, or nothing at all.
    #[test]
    fn a_changed_response_never_proves_somebody_else(
        at in 0..8000_usize, length in 0..40_usize, to in "[<>&;#/='\" a-zA-Z0-9:!?-]{0,8}", which in 0..2_usize,
    ) {
        static BOTH: std::sync::LazyLock<[String; 2]> =
            std::sync::LazyLock::new(|| [good(), signed(&response(&assertion()), "_r", idp(), RSA)]);
        let xml = &BOTH[which];
        let start = at % xml.len();
        let changed = format!("{}{to}{}", &xml[..start], &xml[(start + length).min(xml.len())..]);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        if let Ok(identity) = runtime.block_on(finish(&changed)) {
            proptest::prop_assert_eq!(identity.subject.value, "joe-0001");
            proptest::prop_assert_eq!(identity.claims, runtime.block_on(finish(xml)).unwrap().claims);
        }
    }
}
