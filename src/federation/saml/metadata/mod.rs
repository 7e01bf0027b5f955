//! Metadata (SAML Metadata): reading that of identity providers, writing our own.
//!
//! What an identity provider's metadata says is trusted as far as the administrator who gave it, or the address that they gave for it. A
//! signature within is not looked at: it would be by the very certificate that the metadata brings.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use url::Url;

use super::super::trace::clean;
use super::bad::Refusal;
use super::document::{Document, Element, METADATA, ns};
use super::xml::Escaped;
use super::{BadCertificate, Sp, certificate, time};
use crate::model::{
    Certificate, Endpoint, IdpMetadata, MOST_CERTIFICATES, SamlBinding, SamlSettings, is_entity_id, is_web_address,
};

#[cfg(test)]
mod tests;

/// What is wrong with metadata.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMetadata {
    #[error("this is not the XML of SAML metadata: {0}")]
    Malformed(Refusal),
    #[error(
        "this is not SAML metadata of one identity provider: an EntityDescriptor with an IDPSSODescriptor for SAML 2.0 is wanted"
    )]
    NoIdentityProvider,
    #[error("this is metadata of several identity providers; the one that is meant has to be given alone")]
    SeveralIdentityProviders,
    #[error("the entityID is empty, too long or has control characters")]
    EntityId,
    #[error("there is no certificate to verify signatures with")]
    NoCertificate,
    #[error("no certificate can be used: {0}")]
    Certificate(BadCertificate),
    #[error("there are more than {MOST_CERTIFICATES} certificates")]
    TooManyCertificates,
    #[error("there is no SingleSignOnService for HTTP-Redirect or HTTP-POST at an https address")]
    NoEndpoint,
    #[error("the metadata was valid until {0}")]
    Expired(DateTime<Utc>),
}

/// Reads the metadata of an identity provider. What is not for signing in from a browser is not looked at.
///
/// # Errors
/// When it is not metadata of one identity provider with a certificate and an endpoint, or is over.
pub fn read(xml: &[u8], now: DateTime<Utc>) -> Result<IdpMetadata, BadMetadata> {
    let xml = xml.strip_prefix(b"\xef\xbb\xbf").unwrap_or(xml);
    let document = Document::parse(xml, &METADATA).map_err(BadMetadata::Malformed)?;
    let (entity, idp) = identity_provider(&document)?;
    let entity_id = entity.attribute("entityID").filter(|id| is_entity_id(id)).ok_or(BadMetadata::EntityId)?;
    let around = std::iter::successors(Some(idp), |element| element.parent());
    let valid_until = around.clone().filter_map(|element| time::instant(element.attribute("validUntil")?)).min();
    if let Some(end) = valid_until.filter(|end| *end <= now) {
        return Err(BadMetadata::Expired(end));
    }
    let sso = endpoints(idp, "SingleSignOnService");
    if sso.is_empty() {
        return Err(BadMetadata::NoEndpoint);
    }
    Ok(IdpMetadata {
        entity_id: entity_id.to_owned(),
        certificates: certificates(idp)?,
        sso,
        slo: endpoints(idp, "SingleLogoutService"),
        want_requests_signed: matches!(idp.attribute("WantAuthnRequestsSigned"), Some("true" | "1")),
        name_id_formats: idp.children_named(ns::METADATA, "NameIDFormat").map(|format| clean(format.text().trim())).collect(),
        valid_until,
        cache_duration: around.filter_map(|element| time::duration(element.attribute("cacheDuration")?)).min(),
    })
}

/// The one identity provider of a document, with the entity that it is a role of.
fn identity_provider<'d>(document: &'d Document<'_>) -> Result<(Element<'d>, Element<'d>), BadMetadata> {
    let speaks_saml_2 = |role: &Element<'_>| {
        role.attribute("protocolSupportEnumeration")
            .is_some_and(|protocols| protocols.split_whitespace().any(|one| one == ns::PROTOCOL))
    };
    let is_entity = |element: &Element<'_>| element.is(ns::METADATA, "EntityDescriptor");
    let root = document.root();
    if !is_entity(&root) && !root.is(ns::METADATA, "EntitiesDescriptor") {
        return Err(BadMetadata::NoIdentityProvider);
    }
    let mut found = document
        .elements()
        .filter(is_entity)
        .flat_map(|entity| entity.children_named(ns::METADATA, "IDPSSODescriptor").map(move |idp| (entity, idp)))
        .filter(|(_, idp)| speaks_saml_2(idp));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(BadMetadata::SeveralIdentityProviders),
        (None, _) => Err(BadMetadata::NoIdentityProvider),
    }
}

/// The certificates that sign, each once. One that is of no use here is left out, unless there is no other.
fn certificates(idp: Element<'_>) -> Result<Vec<Certificate>, BadMetadata> {
    let mut known: Vec<Certificate> = Vec::new();
    let mut bad = None;
    for key in idp.children_named(ns::METADATA, "KeyDescriptor").filter(|key| key.attribute("use") != Some("encryption")) {
        for text in key.descendants().filter(|element| element.is(ns::DSIG, "X509Certificate")) {
            match certificate(text.text().as_bytes()) {
                Ok(one) if known.contains(&one) => {}
                Ok(one) => known.push(one),
                Err(error) => bad = Some(error),
            }
        }
    }
    match (known.len(), bad) {
        (0, Some(bad)) => Err(BadMetadata::Certificate(bad)),
        (0, None) => Err(BadMetadata::NoCertificate),
        (count, _) if count > MOST_CERTIFICATES => Err(BadMetadata::TooManyCertificates),
        _ => Ok(known),
    }
}

/// The endpoints of a kind with a binding that is used here, at addresses where browsers may be sent.
fn endpoints(idp: Element<'_>, kind: &'static str) -> Vec<Endpoint> {
    let address = |text: &str| Url::parse(text).ok().filter(is_web_address);
    idp.children_named(ns::METADATA, kind)
        .filter_map(|endpoint| {
            Some(Endpoint {
                binding: SamlBinding::named(endpoint.attribute("Binding")?)?,
                location: address(endpoint.attribute("Location")?)?,
                response_location: endpoint.attribute("ResponseLocation").and_then(address),
            })
        })
        .collect()
}

/// What assertions may be encrypted with.
const ENCRYPTION: [&str; 5] = [
    "http://www.w3.org/2009/xmlenc11#aes256-gcm",
    "http://www.w3.org/2009/xmlenc11#aes192-gcm",
    "http://www.w3.org/2009/xmlenc11#aes128-gcm",
    "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
    "http://www.w3.org/2009/xmlenc11#rsa-oaep",
];

/// Our metadata for the identity provider of a connection, with the certificates of our keys, the one that signs first. The keys themselves are
/// not needed for that.
#[must_use]
pub fn write(sp: &Sp<'_>, certificates: &[Vec<u8>], settings: &SamlSettings) -> String {
    let key = |usage: &str, methods: &str, certificate: &[u8]| {
        format!(
            "<md:KeyDescriptor use=\"{usage}\"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data>\
             </ds:KeyInfo>{methods}</md:KeyDescriptor>",
            STANDARD.encode(certificate)
        )
    };
    let methods = ENCRYPTION.map(|method| format!("<md:EncryptionMethod Algorithm=\"{method}\"/>")).concat();
    let signing: String = certificates.iter().map(|one| key("signing", "", one)).collect();
    let encryption: String = certificates.iter().map(|one| key("encryption", &methods, one)).collect();
    let slo = [SamlBinding::Redirect, SamlBinding::Post]
        .map(|binding| format!("<md:SingleLogoutService Binding=\"{}\" Location=\"{}\"/>", binding.uri(), Escaped(sp.slo.as_str())))
        .concat();
    let format = settings.name_id_format.as_deref();
    let format = format.map(|format| format!("<md:NameIDFormat>{}</md:NameIDFormat>", Escaped(format))).unwrap_or_default();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <md:EntityDescriptor xmlns:md=\"{}\" xmlns:ds=\"{}\" entityID=\"{}\">\
         <md:SPSSODescriptor AuthnRequestsSigned=\"{}\" WantAssertionsSigned=\"true\" protocolSupportEnumeration=\"{}\">\
         {signing}{encryption}{slo}{format}\
         <md:AssertionConsumerService Binding=\"{}\" Location=\"{}\" index=\"0\" isDefault=\"true\"/>\
         </md:SPSSODescriptor></md:EntityDescriptor>\n",
        ns::METADATA,
        ns::DSIG,
        Escaped(sp.entity_id),
        settings.sign_requests,
        ns::PROTOCOL,
        SamlBinding::Post.uri(),
        Escaped(sp.acs.as_str()),
    )
}
