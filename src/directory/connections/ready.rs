//! What a SAML connection needs before anybody can sign in by it. Pure.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::directory::{Error, Result};
use crate::model::{MOST_SKEW, SamlSettings, SubjectSource, is_web_address};
use crate::store::CertificateRow;

/// Attributes that name a mailbox, or a name that is given to somebody else in time. They never are a subject.
const CHANGING: &[&str] = &[
    "mail",
    "email",
    "emailaddress",
    "upn",
    "userprincipalname",
    "edupersonprincipalname",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
    "urn:oid:0.9.2342.19200300.100.1.3",
    "urn:oid:1.3.6.1.4.1.5923.1.1.1.6",
];
/// How long a name of an attribute, a format or a class can be, and how many of them there can be.
const NAME_CHARS: usize = 1_000;
const NAMES: usize = 100;

/// Something that has to be there, and is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    EntityId,
    Endpoint,
    /// None, or none that is valid now.
    Certificate,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EntityId => "give us the entity ID of the identity provider, or its metadata",
            Self::Endpoint => "give us the address where people sign in at the identity provider, or its metadata",
            Self::Certificate => "add a certificate of the identity provider that is valid now, or give us its metadata",
        })
    }
}

/// What is missing, in the order in which somebody would do it.
#[must_use]
pub fn missing(issuer: &str, settings: &SamlSettings, certificates: &[CertificateRow], now: DateTime<Utc>) -> Vec<Missing> {
    let wanted = [
        (issuer.is_empty(), Missing::EntityId),
        (settings.sso.is_empty(), Missing::Endpoint),
        (!certificates.iter().any(|row| row.is_valid(now)), Missing::Certificate),
    ];
    wanted.into_iter().filter_map(|(is_missing, what)| is_missing.then_some(what)).collect()
}

/// Refuses settings that mean nothing, or too much.
///
/// # Errors
/// The text says what, and what to write in its place.
pub(super) fn checked(settings: &SamlSettings) -> Result<()> {
    let wrong = |text: &str| Err(Error::Invalid(format!("settings{text}")));
    if settings.skew_seconds > MOST_SKEW {
        return wrong(&format!(".skew_seconds: at most {MOST_SKEW}"));
    }
    let subject = match &settings.subject {
        SubjectSource::NameId => None,
        SubjectSource::Attribute { name } => Some(name),
    };
    if subject.is_some_and(|name| CHANGING.contains(&name.to_ascii_lowercase().as_str())) {
        return wrong(
            ".subject: this attribute is an address or a name that changes hands; map one that never does, such as an object id",
        );
    }
    let names = settings.attributes.iter().flat_map(|(name, claim)| [name, claim]).chain(&settings.authn_context);
    let is_name = |name: &String| (1..=NAME_CHARS).contains(&name.chars().count()) && !name.contains(char::is_control);
    if !names.chain(&settings.name_id_format).chain(subject).all(is_name) {
        return wrong(
            ": names of attributes, claims, formats and classes have 1 to 1000 characters, none of them a control character",
        );
    }
    if settings.attributes.values().any(|claim| matches!(claim.as_str(), "sub" | "name_id")) {
        return wrong(".attributes: sub and name_id are what the subject and the NameID are called; no attribute can be either");
    }
    if settings.attributes.len() > NAMES || settings.authn_context.len() > NAMES {
        return wrong(": at most 100 attributes and 100 classes");
    }
    if settings.sso.len() > NAMES || settings.slo.len() > NAMES {
        return wrong(": sso and slo: at most 100 endpoints");
    }
    let endpoints = settings.sso.iter().chain(&settings.slo);
    let mut addresses = endpoints.flat_map(|endpoint| std::iter::once(&endpoint.location).chain(&endpoint.response_location));
    if !addresses.all(is_web_address) {
        return wrong(": sso and slo: an endpoint is an https address");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_missing_of_nothing() {
        let now = DateTime::UNIX_EPOCH;
        let settings = SamlSettings::default();
        assert_eq!(missing("", &settings, &[], now), [Missing::EntityId, Missing::Endpoint, Missing::Certificate]);
        assert_eq!(missing("x", &settings, &[], now), [Missing::Endpoint, Missing::Certificate]);
    }

    #[test]
    fn an_address_is_nobodys_subject_and_bounds_hold() {
        let attribute =
            |name: &str| SamlSettings { subject: SubjectSource::Attribute { name: name.to_owned() }, ..Default::default() };
        for name in ["mail", "Email", "urn:oid:0.9.2342.19200300.100.1.3", "", "a\nb"] {
            assert!(checked(&attribute(name)).is_err(), "{name:?}");
        }
        assert!(checked(&attribute("http://schemas.microsoft.com/identity/claims/objectidentifier")).is_ok());
        assert!(checked(&SamlSettings { skew_seconds: 301, ..Default::default() }).is_err());
        let context = vec![String::from("c"); 101];
        assert!(checked(&SamlSettings { authn_context: context, ..Default::default() }).is_err());
    }
}
