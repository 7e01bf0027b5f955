use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;

use super::super::{Credential, new_credential};
use super::*;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn key() -> Credential {
    new_credential("idp", now(), now() + TimeDelta::days(30)).unwrap()
}

fn signing(key: &Credential) -> String {
    let certificate = STANDARD.encode(&key.certificate);
    let (first, second) = certificate.split_at(64);
    format!(
        "<KeyDescriptor use=\"signing\"><ds:KeyInfo xmlns:ds=\"{}\"><ds:X509Data><ds:X509Certificate>\n  {first}\n  {second}\n\
         </ds:X509Certificate></ds:X509Data></ds:KeyInfo></KeyDescriptor>",
        ns::DSIG
    )
}

const SSO: &str = "<SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"https://idp.example/sso?a=1&amp;b=2\"/>";

fn entity(within: &str) -> String {
    format!(
        "<EntityDescriptor xmlns=\"{}\" entityID=\"https://idp.example/metadata\" validUntil=\"2027-02-01T00:00:00Z\">\
         <IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:1.1:protocol {}\" cacheDuration=\"PT1H\" \
         WantAuthnRequestsSigned=\"1\">{within}</IDPSSODescriptor></EntityDescriptor>",
        ns::METADATA,
        ns::PROTOCOL
    )
}

#[test]
fn what_is_of_use_is_read() {
    let (one, other) = (key(), key());
    let logout = "<SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location=\"https://idp.example/slo\" \
                  ResponseLocation=\"https://idp.example/answer\"/>";
    let soap = "<SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:SOAP\" Location=\"https://idp.example/soap\"/>";
    let format = "<NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:persistent</NameIDFormat>";
    let both = signing(&other).replace("use=\"signing\"", "");
    let encryption = signing(&key()).replace("use=\"signing\"", "use=\"encryption\"");
    let xml = entity(&format!("{}{both}{}{encryption}{logout}{format}{soap}{SSO}<!-- a note -->", signing(&one), signing(&one)));
    let xml = format!("\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n{xml}");
    let read = read(xml.as_bytes(), now()).unwrap();
    assert_eq!(read.entity_id, "https://idp.example/metadata");
    let expected: Vec<_> = [&one, &other].map(|key| certificate(&key.certificate).unwrap()).into();
    assert_eq!(read.certificates, expected);
    assert_eq!(read.sso.len(), 1);
    assert_eq!((read.sso[0].binding, read.sso[0].location.as_str()), (SamlBinding::Post, "https://idp.example/sso?a=1&b=2"));
    assert_eq!(read.slo[0].answers().as_str(), "https://idp.example/answer");
    assert!(read.want_requests_signed);
    assert_eq!(read.name_id_formats, ["urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"]);
    assert_eq!((read.valid_until, read.cache_duration), (time::instant("2027-02-01T00:00:00Z"), Some(TimeDelta::hours(1))));
}

#[test]
fn sso_s24_metadata_without_a_certificate_is_refused() {
    let bad = |within: &str| read(entity(within).as_bytes(), now()).unwrap_err();
    assert_eq!(bad(SSO), BadMetadata::NoCertificate);
    assert_eq!(bad(&format!("{}{SSO}", signing(&key()).replace("signing", "encryption"))), BadMetadata::NoCertificate);
    let none = "<KeyDescriptor><KeyInfo xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><X509Data><X509Certificate>AAAA</X509Certificate>\
                </X509Data></KeyInfo></KeyDescriptor>";
    assert_eq!(bad(&format!("{none}{SSO}")), BadMetadata::Certificate(BadCertificate::Malformed));
    let many: String = (0..=MOST_CERTIFICATES).map(|_| signing(&key())).collect();
    assert_eq!(bad(&format!("{many}{SSO}")), BadMetadata::TooManyCertificates);
}

#[test]
fn only_one_identity_provider_at_addresses_of_the_web_is_taken() {
    let whole = entity(&format!("{}{SSO}", signing(&key())));
    let read = |xml: &str| read(xml.as_bytes(), now()).map(|read| read.entity_id);
    assert!(read(&whole).is_ok());
    let around = |within: &str| format!("<md:EntitiesDescriptor xmlns:md=\"{}\">{within}</md:EntitiesDescriptor>", ns::METADATA);
    assert!(read(&around(&whole)).is_ok());
    assert_eq!(read(&around(&format!("{whole}{whole}"))), Err(BadMetadata::SeveralIdentityProviders));
    assert_eq!(read(&around("")), Err(BadMetadata::NoIdentityProvider));
    assert_eq!(read(&whole.replace("2.0:protocol", "1.0:protocol")), Err(BadMetadata::NoIdentityProvider));
    assert_eq!(read(&format!("<x>{whole}</x>")), Err(BadMetadata::NoIdentityProvider));
    assert_eq!(read(&whole.replace("entityID=\"https://idp.example/metadata\"", "entityID=\"\"")), Err(BadMetadata::EntityId));
    for scheme in ["javascript:alert(1)//", "http://idp.example/", "data:text/html,", "ftp://idp.example/"] {
        let other = whole.replace("https://idp.example/sso?", scheme);
        assert_eq!(read(&other), Err(BadMetadata::NoEndpoint), "{scheme}");
    }
    assert!(read(&whole.replace("https://idp.example/sso?", "http://idp.localhost:8081/sso?")).is_ok());
    assert!(matches!(read(&whole.replace("2027-02-01", "2027-01-01")), Err(BadMetadata::Expired(_))));
    assert!(matches!(read(&format!("<!DOCTYPE x>{whole}")), Err(BadMetadata::Malformed(_))));
    assert!(matches!(read("nonsense"), Err(BadMetadata::Malformed(_))));
}

#[test]
fn sso_s30_our_own_metadata_is_well_formed_whatever_is_in_it() {
    let certificates = [key().certificate, key().certificate];
    let (acs, slo) = ("https://sp.example/acs?a=\"&b=<".parse().unwrap(), "https://sp.example/slo".parse().unwrap());
    let settings = SamlSettings { name_id_format: Some("a<&\"b".to_owned()), ..SamlSettings::default() };
    let written = write(&Sp { entity_id: "https://sp.example/\"<&>", acs: &acs, slo: &slo, keys: &[] }, &certificates, &settings);
    let document = Document::parse(written.as_bytes(), &METADATA).unwrap();
    let root = document.root();
    assert_eq!(root.attribute("entityID"), Some("https://sp.example/\"<&>"));
    let sp = root.only(ns::METADATA, "SPSSODescriptor").unwrap();
    assert_eq!((sp.attribute("AuthnRequestsSigned"), sp.attribute("WantAssertionsSigned")), (Some("true"), Some("true")));
    let uses: Vec<_> = sp.children_named(ns::METADATA, "KeyDescriptor").filter_map(|key| key.attribute("use")).collect();
    assert_eq!(uses, ["signing", "signing", "encryption", "encryption"]);
    assert_eq!(sp.only(ns::METADATA, "NameIDFormat").unwrap().text(), "a<&\"b");
    assert_eq!(sp.only(ns::METADATA, "AssertionConsumerService").unwrap().attribute("Location"), Some(acs.as_str()));
}
