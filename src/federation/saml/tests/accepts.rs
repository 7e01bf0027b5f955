//! What a good response proves, in each way that it can be signed.

use std::collections::BTreeMap;

use super::*;
use crate::model::{SecondFactor, SubjectKind, SubjectSource};

#[tokio::test]
async fn a_good_response_proves_who_signed_in() {
    let (result, trace) = finish_with(expected(SamlSettings::default()), &good()).await;
    let identity = result.unwrap();
    let values = |values: &[&str]| values.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!((identity.subject.kind, identity.subject.value.as_str()), (SubjectKind::NameId, "joe-0001"));
    assert_eq!(identity.subject.issuer, ISSUER);
    let claims = BTreeMap::from(
        [
            ("sub", values(&["joe-0001"])),
            ("name_id", values(&["joe-0001"])),
            ("email", values(&["joe@example.com"])),
            ("groups", values(&["one", "two"])),
        ]
        .map(|(name, values)| (name.to_owned(), values)),
    );
    assert_eq!(identity.claims, claims, "and an attribute does not name the subject");
    assert_eq!(identity.authenticated_at, Some(now()));
    assert_eq!(identity.upstream_session.as_deref(), Some("_s"));
    assert_eq!(identity.acr.as_deref(), Some("urn:mfa"));
    assert_eq!(identity.session_until, Some(now() + TimeDelta::minutes(480)));
    let assertion = identity.assertion.unwrap();
    assert_eq!((assertion.id.as_str(), assertion.good_until), ("_a", now() + TimeDelta::seconds(5 * 60 + 60)));
    assert_eq!(assertion.certificate, certificate(&idp().certificate).unwrap().fingerprint);
    assert_eq!(assertion.name_id.sp_name_qualifier.as_deref(), Some(ENTITY));
    let told: Vec<_> = trace.entries().iter().map(|entry| entry.detail.clone()).collect();
    assert!(told.iter().any(|line| line.contains(&assertion.certificate)), "{told:?}");
    assert!(told.iter().any(|line| line == "attributes: groups, mail, sub"), "{told:?}");
    assert!(!told.iter().any(|line| line.contains("joe")), "no value: {told:?}");
}

#[tokio::test]
async fn the_response_the_assertion_or_both_may_be_signed() {
    let inner = signed(&assertion(), "_a", idp(), RSA);
    for xml in [
        signed(&response(&assertion()), "_r", idp(), RSA),
        signed(&response(&inner), "_r", idp(), RSA),
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", response(&inner)),
    ] {
        assert_eq!(finish(&xml).await.unwrap().subject.value, "joe-0001");
    }
}

#[tokio::test]
async fn certificates_of_both_kinds_stand_side_by_side() {
    let key = ec();
    let (rsa, ec) = (certificate(&idp().certificate).unwrap(), certificate(&key.certificate).unwrap());
    let other = certificate(&own().certificate).unwrap();
    for certificates in [vec![rsa.clone(), other.clone(), ec.clone()], vec![other, ec.clone(), rsa.clone()]] {
        let expected = Expected { certificates, ..expected(SamlSettings::default()) };
        let by_rsa = finish_with(expected.clone(), &good()).await.0.unwrap();
        assert_eq!(by_rsa.assertion.unwrap().certificate, rsa.fingerprint);
        let by_ec = finish_with(expected, &response(&signed(&assertion(), "_a", &key, EC))).await.0.unwrap();
        assert_eq!(by_ec.assertion.unwrap().certificate, ec.fingerprint);
    }
}

#[tokio::test]
async fn a_mapped_attribute_names_the_subject_and_then_any_name_id_will_do() {
    let settings = SamlSettings { subject: SubjectSource::Attribute { name: "mail".to_owned() }, ..SamlSettings::default() };
    for format in ["SAML:2.0:nameid-format:transient", "SAML:1.1:nameid-format:emailAddress"] {
        let assertion = assertion().replace("SAML:2.0:nameid-format:persistent", format).replace(">joe-0001<", ">joe@old.example<");
        let (result, _) = finish_with(expected(settings.clone()), &response(&signed(&assertion, "_a", idp(), RSA))).await;
        let identity = result.unwrap();
        assert_eq!((identity.subject.kind, identity.subject.value.as_str()), (SubjectKind::Attribute, "joe@example.com"));
        assert_eq!(identity.claim("name_id"), Some("joe@old.example"));
    }
}

#[tokio::test]
async fn what_the_operator_approved_counts_as_a_second_factor() {
    let demand = Demand { acr: Some("urn:vestibule:aal2".to_owned()), is_fresh: true, ..Demand::default() };
    let second_factor = SecondFactor { acr: vec!["urn:mfa".to_owned()], ..SecondFactor::default() };
    let settings = SamlSettings { second_factor, ..SamlSettings::default() };
    let approved = Expected { demand: demand.clone(), ..expected(settings) };
    assert!(finish_with(approved.clone(), &good()).await.0.is_ok());
    let nothing = Expected { demand, ..expected(SamlSettings::default()) };
    assert_eq!(finish_with(nothing, &good()).await.0, Err(Refused::NotSure));
    let at = format!("AuthnInstant=\"{}\"", minutes(0));
    let old = assertion().replace(&at, &format!("AuthnInstant=\"{}\"", minutes(-6)));
    let old = response(&signed(&old, "_a", idp(), RSA));
    assert_eq!(finish_with(approved, &old).await.0, Err(Refused::NotFresh));
}

#[test]
fn the_outline_needs_no_connection() {
    let outline = outline(&field(&good())).unwrap();
    assert_eq!((outline.id.as_str(), outline.in_response_to.as_deref()), ("_r", Some("_q")));
    let lines = field(&good()).as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned()).collect::<Vec<_>>();
    assert!(super::outline(&lines.join("\r\n")).is_ok());
}
