//! What a SAML connection knows of its identity provider (SAML 2.0 Core, Bindings and Metadata).

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::SecondFactor;

/// How far clocks may differ where a connection says nothing else, and at most. Seconds.
const USUAL_SKEW: u16 = 60;
pub const MOST_SKEW: u16 = 300;
/// How many certificates of its identity provider a connection has at most: all are tried for one signature.
pub const MOST_CERTIFICATES: usize = 5;
/// The longest entity id (SAML Metadata section 2.2.1).
const ENTITY_ID_CHARS: usize = 1_024;

/// What a SAML connection needs besides the entity id of its identity provider, which is the connection's issuer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct SamlSettings {
    /// Where authentication requests go (`SingleSignOnService`), see [`Endpoint::preferred`].
    pub sso: Vec<Endpoint>,
    /// Where logout messages go (`SingleLogoutService`), likewise; with none, its logout is not asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slo: Vec<Endpoint>,
    /// Whether our authentication requests are signed. Logout messages always are.
    pub sign_requests: bool,
    /// What of an assertion names the login for ever.
    pub subject: SubjectSource,
    /// By which names the identity provider sends what everybody sends.
    pub preset: AttributePreset,
    /// Further attributes, by name, and the claims that they become. They go before those of the preset.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// The format of `NameID` that is asked for (`NameIDPolicy`); with none, the identity provider's own choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_id_format: Option<String>,
    /// The authentication context classes that every sign-in asks for (`RequestedAuthnContext`, exact).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authn_context: Vec<String>,
    /// What of its words counts as a second factor: `acr` are authentication context classes, `amr` values of the attribute that
    /// becomes the claim `amr`.
    pub second_factor: SecondFactor,
    /// How far its clock may differ from ours, in seconds; never more than 300.
    pub skew_seconds: u16,
    /// An assertion that is not encrypted is refused.
    pub require_encryption: bool,
    /// Assertions encrypted with AES in CBC mode are taken too; they say nothing of their own integrity, so that their signature alone counts.
    pub allow_cbc: bool,
    /// A response that nobody asked for begins a sign-in of ours, in place of being refused. It is not read.
    pub idp_initiated: bool,
}

impl Default for SamlSettings {
    fn default() -> Self {
        Self {
            sso: Vec::new(),
            slo: Vec::new(),
            sign_requests: true,
            subject: SubjectSource::default(),
            preset: AttributePreset::default(),
            attributes: BTreeMap::new(),
            name_id_format: None,
            authn_context: Vec::new(),
            second_factor: SecondFactor::default(),
            skew_seconds: USUAL_SKEW,
            require_encryption: false,
            allow_cbc: false,
            idp_initiated: false,
        }
    }
}

impl SamlSettings {
    /// How far the identity provider's clock may differ from ours.
    #[must_use]
    pub fn skew(&self) -> TimeDelta {
        TimeDelta::seconds(self.skew_seconds.min(MOST_SKEW).into())
    }
}

/// A binding of SAML messages to HTTP (SAML Bindings sections 3.4 and 3.5). Others are not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SamlBinding {
    /// In the query of an address.
    Redirect,
    /// In a form that the browser posts.
    Post,
}

impl SamlBinding {
    /// Its identifier.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Redirect => "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect",
            Self::Post => "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST",
        }
    }

    /// The binding of an identifier, if it is one that is used here.
    #[must_use]
    pub fn named(uri: &str) -> Option<Self> {
        [Self::Redirect, Self::Post].into_iter().find(|binding| binding.uri() == uri)
    }
}

/// A place of the identity provider's that takes messages (SAML Metadata section 2.2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    pub binding: SamlBinding,
    pub location: Url,
    /// Where answers go, if that is elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_location: Option<Url>,
}

impl Endpoint {
    /// The one that messages go to: the first in an address, else the first. From an address an identity provider can send a browser on to
    /// wherever it wants; the page that posts a form allows its browser that one origin alone, redirects that follow included.
    #[must_use]
    pub fn preferred(all: &[Self]) -> Option<&Self> {
        all.iter().find(|endpoint| endpoint.binding == SamlBinding::Redirect).or(all.first())
    }

    /// Where answers go.
    #[must_use]
    pub fn answers(&self) -> &Url {
        self.response_location.as_ref().unwrap_or(&self.location)
    }
}

/// What of an assertion names the login for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "from", deny_unknown_fields)]
pub enum SubjectSource {
    /// Its `NameID`, which then has to be one that stays.
    #[default]
    NameId,
    /// An attribute that the identity provider never changes and never gives to somebody else, by its name.
    Attribute { name: String },
}

/// By which names identity providers send what everybody sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributePreset {
    /// Any of the names below, where they do not contradict each other.
    #[default]
    Generic,
    Entra,
    Okta,
    Google,
    Adfs,
    /// eduPerson by `urn:oid` names, as Shibboleth sends them.
    Shibboleth,
}

impl AttributePreset {
    pub const ALL: [Self; 6] = [Self::Generic, Self::Entra, Self::Okta, Self::Google, Self::Adfs, Self::Shibboleth];

    /// As settings name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Entra => "entra",
            Self::Okta => "okta",
            Self::Google => "google",
            Self::Adfs => "adfs",
            Self::Shibboleth => "shibboleth",
        }
    }
}

/// A certificate of an identity provider's, parsed. It verifies signatures while it is valid; nothing else of it is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// As it is (DER).
    pub der: Vec<u8>,
    /// SHA-256 of that, in lower-case hexadecimal.
    pub fingerprint: String,
    /// Its subject, for people.
    pub subject: String,
    /// Its key: `RSA 2048`, `EC P-256`. People read it, and [`Certificate::is_ec`] does.
    pub key: String,
    pub not_before: DateTime<Utc>,
    pub not_after: DateTime<Utc>,
}

impl Certificate {
    /// Whether its key signs with ECDSA.
    #[must_use]
    pub fn is_ec(&self) -> bool {
        self.key.starts_with("EC ")
    }

    /// Whether it may verify signatures now.
    #[must_use]
    pub fn is_valid(&self, now: DateTime<Utc>) -> bool {
        is_within(self.not_before, self.not_after, now)
    }
}

/// Whether a certificate with these bounds may verify signatures now.
#[must_use]
pub fn is_within(not_before: DateTime<Utc>, not_after: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    not_before <= now && now < not_after
}

/// Whether a name can be an entity id: a text that has to be equal to the letter.
#[must_use]
pub fn is_entity_id(id: &str) -> bool {
    (1..=ENTITY_ID_CHARS).contains(&id.chars().count())
        && !id.contains(|letter: char| letter.is_control() || letter.is_whitespace())
}

/// Whether browsers may be sent to an address: over TLS, or on this machine.
#[must_use]
pub fn is_web_address(url: &Url) -> bool {
    let is_local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    (url.scheme() == "https" && url.has_host()) || (url.scheme() == "http" && is_local)
}

/// How a certificate came to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum CertificateSource {
    /// The identity provider's metadata has it, or had it.
    Metadata,
    /// An administrator added it.
    Manual,
}

/// What an identity provider's metadata says that is of use here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdpMetadata {
    pub entity_id: String,
    /// Those that sign; one at least.
    pub certificates: Vec<Certificate>,
    /// With the bindings that are used here; one at least.
    pub sso: Vec<Endpoint>,
    pub slo: Vec<Endpoint>,
    pub want_requests_signed: bool,
    pub name_id_formats: Vec<String>,
    /// Until when it may be relied on, if it says so.
    pub valid_until: Option<DateTime<Utc>>,
    /// After how long it should be read again, if it says so.
    pub cache_duration: Option<TimeDelta>,
}

/// What an assertion calls its subject (SAML Core section 2.2.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameId {
    /// To the letter.
    pub value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_qualifier: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sp_name_qualifier: Option<String>,
}

/// The assertion that an identity was read from. It counts once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedAssertion {
    pub id: String,
    /// Until when it could be sent again and be taken, the difference of clocks included.
    pub good_until: DateTime<Utc>,
    /// Fingerprint of the certificate that verified it.
    pub certificate: String,
    /// What a logout will call its subject.
    pub name_id: NameId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_safe_defaults_and_a_bounded_skew() {
        let settings: SamlSettings = serde_json::from_str("{}").unwrap();
        assert_eq!(settings, SamlSettings::default());
        assert!(settings.sign_requests && !settings.idp_initiated && !settings.allow_cbc);
        assert_eq!(settings.skew(), TimeDelta::seconds(60));
        assert_eq!(SamlSettings { skew_seconds: u16::MAX, ..settings }.skew(), TimeDelta::seconds(300));
    }

    #[test]
    fn a_preset_is_called_what_settings_call_it() {
        for preset in AttributePreset::ALL {
            assert_eq!(serde_json::to_value(preset).unwrap(), preset.as_str());
        }
    }

    #[test]
    fn an_address_goes_before_a_form_and_else_the_first_is_taken() {
        let endpoint = |binding, location: &str| Endpoint {
            binding,
            location: format!("https://idp.example/{location}").parse().unwrap(),
            response_location: None,
        };
        let (post, other) = (endpoint(SamlBinding::Post, "post"), endpoint(SamlBinding::Post, "other"));
        let (redirect, last) = (endpoint(SamlBinding::Redirect, "redirect"), endpoint(SamlBinding::Redirect, "last"));
        assert_eq!(Endpoint::preferred(&[]), None);
        assert_eq!(Endpoint::preferred(&[post.clone(), other.clone()]), Some(&post));
        assert_eq!(Endpoint::preferred(&[post, redirect.clone(), other, last]), Some(&redirect));
    }

    #[test]
    fn a_binding_is_known_by_its_whole_identifier() {
        assert_eq!(SamlBinding::named(SamlBinding::Post.uri()), Some(SamlBinding::Post));
        assert_eq!(SamlBinding::named("urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact"), None);
    }
}
