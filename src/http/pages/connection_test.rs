//! What came of an administrator's test of a connection. It shows what the identity provider said of that administrator, to them alone, and
//! is kept nowhere.

use askama::Template;
use chrono::{DateTime, Utc};

use super::Frame;

/// The report of a test.
#[derive(Clone, Debug, Template)]
#[template(path = "connection_test.html")]
pub struct ConnectionTest {
    pub frame: Frame,
    /// The connection's name.
    pub connection: String,
    /// The page of the connection.
    pub back: String,
    /// Whether people can sign in by it.
    pub is_enabled: bool,
    /// What was done, in order.
    pub steps: Vec<TestStep>,
    /// What was found out, if the answer was accepted.
    pub found: Option<Found>,
    pub reference: String,
}

/// A step of a test.
#[derive(Clone, Debug)]
pub struct TestStep {
    /// What it is called, for people.
    pub name: String,
    pub is_ok: bool,
    pub is_refused: bool,
    pub detail: String,
}

/// What an accepted answer says.
#[derive(Clone, Debug)]
pub struct Found {
    /// What names the login for ever.
    pub subject: String,
    /// Where that was taken from.
    pub subject_from: String,
    /// Fingerprint of the certificate that verified it, for SAML.
    pub certificate: Option<String>,
    /// When the identity provider asked the person.
    pub authenticated_at: Option<DateTime<Utc>>,
    /// How, in its own words.
    pub acr: Option<String>,
    pub amr: Vec<String>,
    /// When it wants the session to end.
    pub session_until: Option<DateTime<Utc>>,
    /// The claims, with their values.
    pub claims: Vec<(String, Vec<String>)>,
    /// Claims that rules of the connection read, and that did not come.
    pub missing: Vec<String>,
    pub came_to: CameTo,
    /// What the rules would give.
    pub roles: Vec<GivenRole>,
}

/// What a sign-in would come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CameTo {
    /// The login of this user name is known by the subject.
    Known(String),
    /// The login of this user name would be bound to the subject, for it fits by a binding pair.
    Bound(String),
    /// A login would be made.
    Created,
    /// It would be refused, for this reason: its stable name, and in words.
    Refused(&'static str, &'static str),
}

/// A role that the rules would give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenRole {
    pub role: String,
    /// The account, by its path.
    pub account: String,
    /// The rule, by its name.
    pub rule: String,
}

#[cfg(test)]
pub(super) fn examples(frame: &Frame) -> Vec<(String, ConnectionTest)> {
    let at = |hours| Some(DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(hours));
    let step =
        |name: &str, is_ok, is_refused, detail: &str| TestStep { name: name.into(), is_ok, is_refused, detail: detail.into() };
    let found = Found {
        subject: "a8f2c1d0-77b1-4f9e-8a31-5f0de23c7a10".into(),
        subject_from: "NameID".into(),
        certificate: Some("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into()),
        authenticated_at: at(495_000),
        acr: Some("urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport".into()),
        amr: vec![],
        session_until: at(495_008),
        claims: vec![
            ("email".into(), vec!["joe.bloggs@bluesky.example".into()]),
            ("groups".into(), vec!["Cloud-EMEA-Admins".into(), "Everybody".into()]),
            ("name".into(), vec!["Joe Bloggs".into()]),
        ],
        missing: vec!["department".into()],
        came_to: CameTo::Bound("joe.bloggs@bluesky.example".into()),
        roles: vec![GivenRole { role: "administrator".into(), account: "bluesky/emea".into(), rule: "EMEA administrators".into() }],
    };
    let page = ConnectionTest {
        frame: frame.clone(),
        connection: "Anchor".into(),
        back: "/admin/connections/0198".into(),
        is_enabled: true,
        steps: vec![
            step("Response", true, false, "the response is well-formed and answers our request"),
            step("Signature", true, false, "RSA-SHA256 by the certificate 9f86d081…"),
            step("Assertion", false, false, "the attribute http://schemas.example/unknown is not mapped to a claim"),
        ],
        found: Some(found.clone()),
        reference: "0198c2a4-7d1e-7c3b-9a55-0f6f2f9f3d21".into(),
    };
    let bad = vec![step("Signature", false, true, "signature: none of the connection’s certificates verifies the signature")];
    let refused = Found {
        came_to: CameTo::Refused("unknown", "Nobody provisioned this person, and the connection makes no logins."),
        roles: vec![],
        missing: vec![],
        claims: vec![],
        certificate: None,
        ..found.clone()
    };
    vec![
        ("connection_test".into(), page.clone()),
        ("connection_test_draft".into(), ConnectionTest { is_enabled: false, found: Some(refused), ..page.clone() }),
        ("connection_test_refused".into(), ConnectionTest { steps: bad, found: None, ..page.clone() }),
        ("connection_test_created".into(), ConnectionTest { found: Some(Found { came_to: CameTo::Created, ..found }), ..page }),
    ]
}
