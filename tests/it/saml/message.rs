//! Responses, made from text. What is not asked for is left as a well-behaved identity provider has it.
//!
//! The text is written in its canonical form (exclusive C14N: no empty tags, attributes in their order, namespaces where they are first used), so that
//! a digest can be taken of it without a library.

use std::fmt::Write as _;

/// When all messages of the tests are received.
pub(crate) const NOW: &str = "2026-03-01T12:00:00Z";
pub(crate) const IDP: &str = "https://idp.example.com/metadata";
pub(crate) const SP: &str = "https://vestibule.example.org/sign-in/saml/acme/metadata";
pub(crate) const ACS: &str = "https://vestibule.example.org/sign-in/saml/acme/acs";
pub(crate) const SLO: &str = "https://vestibule.example.org/sign-in/saml/acme/slo";
pub(crate) const REQUEST: &str = "_8f3c0d9be2a14b5f97e06cc1d24ab3f05f6e7d80";
/// Who signs in.
pub(crate) const VICTIM: &str = "joe-0001";
/// Whom the attacker wants to be.
pub(crate) const EVIL: &str = "admin-0000";

pub(crate) const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
pub(crate) const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";
pub(crate) const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
pub(crate) const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
pub(crate) const PASSWORD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";

pub(crate) const XMLNS_P: &str = r#"xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol""#;
pub(crate) const XMLNS_A: &str = r#"xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion""#;

/// The place of a signature; [`super::sign`] fills it.
pub(crate) const SIGNATURE: &str = "<!--signature-->";

/// `samlp:Response`.
#[derive(Clone)]
pub(crate) struct Response {
    pub(crate) id: String,
    pub(crate) version: &'static str,
    pub(crate) issue_instant: String,
    pub(crate) destination: Option<String>,
    pub(crate) in_response_to: Option<String>,
    pub(crate) issuer: Option<String>,
    /// The content of `samlp:Status`.
    pub(crate) status: String,
    /// Between the status and the assertion.
    pub(crate) before: String,
    pub(crate) after: String,
    /// More of the tag of the root, for example ` Consent="…"`.
    pub(crate) attributes: String,
}

impl Default for Response {
    fn default() -> Self {
        Self {
            id: "_r1".to_owned(),
            version: "2.0",
            issue_instant: NOW.to_owned(),
            destination: Some(ACS.to_owned()),
            in_response_to: Some(REQUEST.to_owned()),
            issuer: Some(IDP.to_owned()),
            status: status(SUCCESS),
            before: String::new(),
            after: String::new(),
            attributes: String::new(),
        }
    }
}

/// The content of `samlp:Status`.
pub(crate) fn status(code: &str) -> String {
    format!(r#"<samlp:StatusCode Value="{code}"></samlp:StatusCode>"#)
}

impl Response {
    /// Around assertions that are text already.
    pub(crate) fn around(&self, assertions: &str) -> String {
        let mut tag = String::new();
        if let Some(destination) = &self.destination {
            write!(tag, r#" Destination="{destination}""#).unwrap();
        }
        write!(tag, r#" ID="{}""#, self.id).unwrap();
        if let Some(request) = &self.in_response_to {
            write!(tag, r#" InResponseTo="{request}""#).unwrap();
        }
        write!(tag, r#" IssueInstant="{}" Version="{}""#, self.issue_instant, self.version).unwrap();
        let issuer =
            self.issuer.as_ref().map(|issuer| format!("<saml:Issuer {XMLNS_A}>{issuer}</saml:Issuer>")).unwrap_or_default();
        let Self { status, before, after, attributes, .. } = self;
        format!(
            "<samlp:Response {XMLNS_P}{tag}{attributes}>{issuer}{SIGNATURE}<samlp:Status>{status}</samlp:Status>{before}{assertions}{after}</samlp:Response>"
        )
    }
}

/// `saml:Assertion`.
#[derive(Clone)]
pub(crate) struct Assertion {
    pub(crate) id: String,
    pub(crate) version: &'static str,
    pub(crate) issue_instant: String,
    pub(crate) issuer: Option<String>,
    /// The attributes of `saml:NameID` as text; none and it is left out.
    pub(crate) name_id: Option<String>,
    /// The content of `saml:NameID` as text.
    pub(crate) subject: String,
    pub(crate) confirmations: Vec<Confirmation>,
    pub(crate) conditions: Option<Conditions>,
    pub(crate) statements: Vec<AuthnStatement>,
    pub(crate) attributes: Vec<Attribute>,
    /// At the end, for example an `Advice`.
    pub(crate) after: String,
    /// More of the tag.
    pub(crate) tag: String,
}

impl Default for Assertion {
    fn default() -> Self {
        Self {
            id: "_a1".to_owned(),
            version: "2.0",
            issue_instant: NOW.to_owned(),
            issuer: Some(IDP.to_owned()),
            name_id: Some(format!(r#" Format="{PERSISTENT}""#)),
            subject: VICTIM.to_owned(),
            confirmations: vec![Confirmation::default()],
            conditions: Some(Conditions::default()),
            statements: vec![AuthnStatement::default()],
            attributes: vec![
                Attribute::new("displayName", &["Joe Doe"]),
                Attribute::new("mail", &["joe@example.com"]),
                Attribute::new("groups", &["engineers", "readers &amp; writers"]),
            ],
            after: String::new(),
            tag: String::new(),
        }
    }
}

impl Assertion {
    /// The same for whom the attacker wants to be.
    pub(crate) fn evil() -> Self {
        Self { id: "_evil".to_owned(), subject: EVIL.to_owned(), ..Self::default() }
    }

    pub(crate) fn text(&self) -> String {
        let issuer = self.issuer.as_ref().map(|issuer| format!("<saml:Issuer>{issuer}</saml:Issuer>")).unwrap_or_default();
        let mut subject = String::new();
        if let Some(attributes) = &self.name_id {
            write!(subject, "<saml:NameID{attributes}>{}</saml:NameID>", self.subject).unwrap();
        }
        self.confirmations.iter().for_each(|confirmation| subject += &confirmation.text());
        let conditions = self.conditions.as_ref().map(Conditions::text).unwrap_or_default();
        let statements: String = self.statements.iter().map(AuthnStatement::text).collect();
        let attributes: String = self.attributes.iter().map(Attribute::text).collect();
        let attributes = if attributes.is_empty() {
            String::new()
        } else {
            format!("<saml:AttributeStatement>{attributes}</saml:AttributeStatement>")
        };
        let Self { id, version, issue_instant, after, tag, .. } = self;
        format!(
            r#"<saml:Assertion {XMLNS_A} ID="{id}" IssueInstant="{issue_instant}" Version="{version}"{tag}>{issuer}{SIGNATURE}<saml:Subject>{subject}</saml:Subject>{conditions}{statements}{attributes}{after}</saml:Assertion>"#
        )
    }
}

/// `saml:SubjectConfirmation` with its data.
#[derive(Clone)]
pub(crate) struct Confirmation {
    pub(crate) method: &'static str,
    pub(crate) in_response_to: Option<String>,
    pub(crate) not_before: Option<String>,
    pub(crate) not_on_or_after: Option<String>,
    pub(crate) recipient: Option<String>,
}

impl Default for Confirmation {
    fn default() -> Self {
        Self {
            method: BEARER,
            in_response_to: Some(REQUEST.to_owned()),
            not_before: None,
            not_on_or_after: Some("2026-03-01T12:05:00Z".to_owned()),
            recipient: Some(ACS.to_owned()),
        }
    }
}

impl Confirmation {
    fn text(&self) -> String {
        let attributes = attributes(&[
            ("InResponseTo", &self.in_response_to),
            ("NotBefore", &self.not_before),
            ("NotOnOrAfter", &self.not_on_or_after),
            ("Recipient", &self.recipient),
        ]);
        let method = self.method;
        format!(
            r#"<saml:SubjectConfirmation Method="{method}"><saml:SubjectConfirmationData{attributes}></saml:SubjectConfirmationData></saml:SubjectConfirmation>"#
        )
    }
}

/// `saml:Conditions`.
#[derive(Clone)]
pub(crate) struct Conditions {
    pub(crate) not_before: Option<String>,
    pub(crate) not_on_or_after: Option<String>,
    /// A restriction each, with its audiences.
    pub(crate) audiences: Vec<Vec<String>>,
    /// More conditions.
    pub(crate) more: String,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            not_before: Some("2026-03-01T11:59:00Z".to_owned()),
            not_on_or_after: Some("2026-03-01T12:05:00Z".to_owned()),
            audiences: vec![vec![SP.to_owned()]],
            more: String::new(),
        }
    }
}

impl Conditions {
    fn text(&self) -> String {
        let attributes = attributes(&[("NotBefore", &self.not_before), ("NotOnOrAfter", &self.not_on_or_after)]);
        let mut restrictions = String::new();
        for audiences in &self.audiences {
            restrictions += "<saml:AudienceRestriction>";
            for audience in audiences {
                write!(restrictions, "<saml:Audience>{audience}</saml:Audience>").unwrap();
            }
            restrictions += "</saml:AudienceRestriction>";
        }
        format!("<saml:Conditions{attributes}>{restrictions}{}</saml:Conditions>", self.more)
    }
}

/// `saml:AuthnStatement`.
#[derive(Clone)]
pub(crate) struct AuthnStatement {
    pub(crate) authn_instant: Option<String>,
    pub(crate) session_index: Option<String>,
    pub(crate) session_not_on_or_after: Option<String>,
    pub(crate) class: Option<String>,
}

impl Default for AuthnStatement {
    fn default() -> Self {
        Self {
            authn_instant: Some("2026-03-01T11:59:30Z".to_owned()),
            session_index: Some("_s1".to_owned()),
            session_not_on_or_after: None,
            class: Some(PASSWORD.to_owned()),
        }
    }
}

impl AuthnStatement {
    fn text(&self) -> String {
        let attributes = attributes(&[
            ("AuthnInstant", &self.authn_instant),
            ("SessionIndex", &self.session_index),
            ("SessionNotOnOrAfter", &self.session_not_on_or_after),
        ]);
        let class = self.class.as_ref().map(|class| format!("<saml:AuthnContextClassRef>{class}</saml:AuthnContextClassRef>"));
        let class = class.unwrap_or_default();
        format!("<saml:AuthnStatement{attributes}><saml:AuthnContext>{class}</saml:AuthnContext></saml:AuthnStatement>")
    }
}

/// `saml:Attribute`; its values are text.
#[derive(Clone)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    /// More of the tag, after `Name`.
    pub(crate) format: String,
    pub(crate) values: Vec<String>,
    /// More of the tag of each value.
    pub(crate) value_tag: String,
}

impl Attribute {
    pub(crate) fn new(name: &str, values: &[&str]) -> Self {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Self { name: name.to_owned(), format: String::new(), values, value_tag: String::new() }
    }

    fn text(&self) -> String {
        let Self { name, format, value_tag, .. } = self;
        let mut values = String::new();
        for value in &self.values {
            write!(values, "<saml:AttributeValue{value_tag}>{value}</saml:AttributeValue>").unwrap();
        }
        format!(r#"<saml:Attribute Name="{name}"{format}>{values}</saml:Attribute>"#)
    }
}

fn attributes(all: &[(&str, &Option<String>)]) -> String {
    let mut text = String::new();
    for (name, value) in all {
        if let Some(value) = value {
            write!(text, r#" {name}="{value}""#).unwrap();
        }
    }
    text
}
