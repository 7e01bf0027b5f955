//! Responses made here, signed and encrypted as an identity provider would, each good but for one thing.

mod accepts;
mod encrypted;
mod pool;
mod refuses;

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use samael::crypto::{Crypto, CryptoProvider as _};
use secrecy::{ExposeSecret as _, SecretSlice};
use uuid::Uuid;

use super::super::{Refused, Trace};
use super::*;
use crate::model::{
    AccountId, ConnectionId, ConnectionSettings, ConnectionState, ExternalIdentity, JitPolicy, MissingClaim, SamlSettings,
};

pub(super) const ISSUER: &str = "https://idp.example/metadata";
pub(super) const ENTITY: &str = "https://sp.example/sign-in/saml/1/metadata";
const ACS: &str = "https://sp.example/sign-in/saml/1/acs";
pub(super) const RSA: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
pub(super) const EC: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";

/// Keys take long to make.
static KEYS: LazyLock<[Credential; 2]> =
    LazyLock::new(|| [(); 2].map(|()| new_credential("test", now() - TimeDelta::days(1), now() + TimeDelta::days(1)).unwrap()));

pub(super) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// The identity provider's key.
pub(super) fn idp() -> &'static Credential {
    &KEYS[0]
}

/// Ours, and to the identity provider somebody else's.
pub(super) fn own() -> &'static Credential {
    &KEYS[1]
}

pub(super) fn ec() -> Credential {
    use openssl::{asn1::Asn1Time, ec, hash::MessageDigest, nid::Nid, pkey::PKey, x509::X509};
    let group = ec::EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(ec::EcKey::generate(&group).unwrap()).unwrap();
    let mut made = X509::builder().unwrap();
    made.set_not_before(&Asn1Time::from_unix(now().timestamp() - 1).unwrap()).unwrap();
    made.set_not_after(&Asn1Time::from_unix(now().timestamp() + 1000).unwrap()).unwrap();
    made.set_pubkey(&key).unwrap();
    made.sign(&key, MessageDigest::sha256()).unwrap();
    let private_key = SecretSlice::from(key.private_key_to_pkcs8().unwrap());
    Credential { certificate: made.build().to_der().unwrap(), private_key }
}

/// What everything is held against, with settings.
pub(super) fn expected(settings: SamlSettings) -> Expected {
    Expected {
        tenant: TenantId::from_uuid(Uuid::nil()),
        connection: Connection {
            id: ConnectionId::from_uuid(Uuid::nil()),
            slug: "idp".to_owned(),
            name: "IdP".to_owned(),
            state: ConnectionState::Enabled,
            issuer: ISSUER.to_owned(),
            jit: JitPolicy::On,
            missing_claim: MissingClaim::Clear,
            home_account_id: AccountId::from_uuid(Uuid::nil()),
            contact: None,
            settings: ConnectionSettings::Saml(Box::new(settings)),
            epoch: 0,
        },
        certificates: vec![certificate(&idp().certificate).unwrap()],
        entity_id: ENTITY.to_owned(),
        acs: ACS.parse().unwrap(),
        request_id: "_q".into(),
        keys: vec![own().clone()],
        demand: Demand::default(),
        began: now() - TimeDelta::seconds(30),
        now: now(),
    }
}

/// A good assertion, not signed.
pub(super) fn assertion() -> String {
    format!(
        r#"<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_a" Version="2.0" IssueInstant="{at}"><saml:Issuer>{ISSUER}</saml:Issuer><saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent" NameQualifier="{ISSUER}" SPNameQualifier="{ENTITY}">joe-0001</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData Recipient="{ACS}" InResponseTo="_q" NotOnOrAfter="{later}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="{at}" NotOnOrAfter="{later}"><saml:AudienceRestriction><saml:Audience>{ENTITY}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="{at}" SessionIndex="_s" SessionNotOnOrAfter="{end}"><saml:AuthnContext><saml:AuthnContextClassRef>urn:mfa</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute Name="mail"><saml:AttributeValue>joe@example.com</saml:AttributeValue></saml:Attribute><saml:Attribute Name="groups"><saml:AttributeValue>one</saml:AttributeValue><saml:AttributeValue>two</saml:AttributeValue></saml:Attribute><saml:Attribute Name="sub"><saml:AttributeValue>somebody else</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion>"#,
        at = minutes(0),
        later = minutes(5),
        end = minutes(480),
    )
}

pub(super) fn minutes(from_now: i64) -> String {
    time::written(now() + TimeDelta::minutes(from_now))
}

/// A good response around it, not signed.
pub(super) fn response(assertion: &str) -> String {
    format!(
        r#"<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_r" Version="2.0" IssueInstant="{at}" Destination="{ACS}" InResponseTo="_q"><saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">{ISSUER}</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>{assertion}</samlp:Response>"#,
        at = minutes(0),
    )
}

/// Signs the element with an ID, which begins with its issuer.
pub(super) fn signed(xml: &str, id: &str, key: &Credential, algorithm: &str) -> String {
    signed_with(xml, id, key, algorithm, "<ds:SignatureValue/>")
}

/// The same, with what comes after the signed information.
pub(super) fn signed_with(xml: &str, id: &str, key: &Credential, algorithm: &str, rest: &str) -> String {
    let signature = format!(
        r##"<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/><ds:SignatureMethod Algorithm="{algorithm}"/><ds:Reference URI="#{id}"><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue/></ds:Reference></ds:SignedInfo>{rest}</ds:Signature>"##
    );
    let at = xml.find("</saml:Issuer>").unwrap() + "</saml:Issuer>".len();
    let whole = format!("{}{signature}{}", &xml[..at], &xml[at..]);
    assert!(sys::is_ready());
    let signed = Crypto::sign_xml(&whole, key.private_key.expose_secret()).unwrap();
    // Without the declaration, so that it can stand in another document.
    signed.split_once("?>\n").unwrap().1.trim_end().to_owned()
}

/// A good response with a signed assertion.
pub(super) fn good() -> String {
    response(&signed(&assertion(), "_a", idp(), RSA))
}

pub(super) fn field(xml: &str) -> String {
    STANDARD.encode(xml)
}

pub(super) async fn finish_with(expected: Expected, xml: &str) -> (Result<ExternalIdentity, Refused>, Trace) {
    let mut trace = Trace::default();
    let result = Validator::new(1).finish(expected, field(xml), &mut trace).await;
    (result, trace)
}

pub(super) async fn finish(xml: &str) -> Result<ExternalIdentity, Refused> {
    finish_with(expected(SamlSettings::default()), xml).await.0
}
