//! `/admin/connections/{connection}`: one connection, for the administrator who sets up its identity provider and keeps it going.

use askama::Template;
use chrono::{DateTime, Utc};

use super::Frame;
use crate::model::ConnectionState;

/// The page of a connection.
#[derive(Clone, Debug, Template)]
#[template(path = "connection.html")]
pub struct ConnectionPage {
    pub frame: Frame,
    pub id: String,
    pub name: String,
    pub state: ConnectionState,
    pub is_saml: bool,
    /// Whether the administrator may change it; else they see it.
    pub can_change: bool,
    /// Whether there is a sign-in that can be tried.
    pub can_test: bool,
    /// What the identity provider is told.
    pub values: Vec<Value>,
    /// What is known of the identity provider.
    pub facts: Vec<Value>,
    /// What has to be done before people can sign in by it, in this order.
    pub missing: Vec<String>,
    pub certificates: Vec<CertificateLine>,
    pub metadata: Option<MetadataView>,
    pub proposal: Option<ProposalView>,
    pub keys: Vec<KeyLine>,
    /// What has just been done, in a sentence.
    pub done: Option<String>,
    /// Which form was not carried out, and why.
    pub error: Option<(Form, String)>,
    /// What was typed there.
    pub typed: String,
}

/// The forms of the page in which something is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    MetadataUrl,
    Metadata,
    Certificate,
    /// Any that has only a button.
    Button,
}

/// Something with a name, to read or to copy.
#[derive(Clone, Debug)]
pub struct Value {
    pub name: &'static str,
    pub value: String,
    /// Where it goes, or what it means.
    pub hint: &'static str,
}

/// A certificate of the identity provider.
#[derive(Clone, Debug)]
pub struct CertificateLine {
    pub id: String,
    pub subject: String,
    pub key: String,
    pub fingerprint: String,
    pub not_before: DateTime<Utc>,
    pub not_after: DateTime<Utc>,
    /// Whole days until it ends; none when it has ended.
    pub days_left: Option<i64>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub is_from_metadata: bool,
    pub absent_since: Option<DateTime<Utc>>,
}

/// Where the identity provider's metadata comes from, and how reading it went.
#[derive(Clone, Debug)]
pub struct MetadataView {
    pub url: String,
    pub fetched_at: Option<DateTime<Utc>>,
    pub due_at: DateTime<Utc>,
    pub failures: i64,
    pub problem: Option<String>,
}

/// A change that the metadata says and nobody has approved yet.
#[derive(Clone, Debug)]
pub struct ProposalView {
    /// Names it, so that what is approved is what was seen.
    pub digest: String,
    pub since: Option<DateTime<Utc>>,
    /// What it is about, what it is now, what it would be.
    pub lines: Vec<(String, String, String)>,
}

/// A key of ours.
#[derive(Clone, Debug)]
pub struct KeyLine {
    pub state: KeyState,
    pub active_from: DateTime<Utc>,
    pub not_after: Option<DateTime<Utc>>,
}

/// What a key of ours does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It signs, and decrypts.
    Signs,
    /// It is published, decrypts, and will sign.
    Next,
    /// It only decrypts what was encrypted for it.
    Decrypts,
}

impl ConnectionPage {
    fn refusal(&self, form: Form) -> Option<&str> {
        self.error.as_ref().filter(|(of, _)| *of == form).map(|(_, text)| text.as_str())
    }
}

#[cfg(test)]
#[expect(clippy::too_many_lines, reason = "a page for each case")]
pub(super) fn examples(frame: &Frame) -> Vec<(String, ConnectionPage)> {
    let at = |hours| DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(hours);
    let value = |name, value: &str, hint| Value { name, value: value.into(), hint };
    let base = "https://id.example/sign-in/saml/0198c2a4-7d1e-7c3b-9a55-0f6f2f9f3d21";
    let draft = ConnectionPage {
        frame: frame.clone(),
        id: "0198c2a4-7d1e-7c3b-9a55-0f6f2f9f3d21".into(),
        name: "Anchor".into(),
        state: ConnectionState::Draft,
        is_saml: true,
        can_change: true,
        can_test: false,
        values: vec![
            value("Metadata URL", &format!("{base}/metadata"), "Most identity providers need only this one."),
            value("Entity ID", &format!("{base}/metadata"), "Also called identifier, audience URI or relying party identifier."),
            value("Reply URL", &format!("{base}/acs"), "Also called ACS URL or single sign-on URL; binding HTTP-POST."),
            value("Logout URL", &format!("{base}/slo"), "Optional; bindings HTTP-Redirect and HTTP-POST."),
        ],
        facts: Vec::new(),
        missing: vec!["Give us the identity provider’s metadata: its entity id, its sign-in endpoint and its certificate.".into()],
        certificates: Vec::new(),
        metadata: None,
        proposal: None,
        keys: vec![KeyLine { state: KeyState::Signs, active_from: at(495_000), not_after: Some(at(580_000)) }],
        done: Some("The connection is made.".into()),
        error: None,
        typed: String::new(),
    };
    let certificate = |subject: &str, days_left| CertificateLine {
        id: "0198c2a4-7d1e-7c3b-9a55-0f6f2f9f3d22".into(),
        subject: subject.into(),
        key: "RSA 2048".into(),
        fingerprint: "4f2a".repeat(16),
        not_before: at(480_000),
        not_after: at(497_000),
        days_left,
        last_used_at: Some(at(495_003)),
        is_from_metadata: true,
        absent_since: None,
    };
    let metadata = MetadataView {
        url: "https://idp.bluesky.example/metadata".into(),
        fetched_at: Some(at(495_000)),
        due_at: at(495_006),
        failures: 0,
        problem: None,
    };
    let enabled = ConnectionPage {
        state: ConnectionState::Enabled,
        can_test: true,
        facts: vec![
            value("Entity ID", "https://idp.bluesky.example/saml", ""),
            value("Sign-in", "https://idp.bluesky.example/sso", "HTTP-Redirect"),
            value("Who somebody is", "the NameID", ""),
        ],
        missing: Vec::new(),
        certificates: vec![certificate("CN=Bluesky signing 2026", Some(212))],
        metadata: Some(metadata.clone()),
        done: None,
        ..draft.clone()
    };
    let proposal = ProposalView {
        digest: "2b".repeat(16),
        since: Some(at(495_001)),
        lines: vec![(
            "Sign-in endpoint".into(),
            "HTTP-Redirect https://idp.bluesky.example/sso".into(),
            "HTTP-Redirect https://login.bluesky.example/sso".into(),
        )],
    };
    let troubled = ConnectionPage {
        certificates: vec![
            certificate("CN=Bluesky signing 2026", Some(6)),
            CertificateLine { last_used_at: None, ..certificate("CN=Bluesky signing 2027", Some(400)) },
            CertificateLine {
                absent_since: Some(at(494_900)),
                is_from_metadata: true,
                ..certificate("CN=Bluesky signing 2024", None)
            },
        ],
        metadata: Some(MetadataView {
            failures: 3,
            problem: Some("idp.bluesky.example did not answer in time".into()),
            ..metadata
        }),
        proposal: Some(proposal),
        keys: vec![
            KeyLine { state: KeyState::Decrypts, ..draft.keys[0].clone() },
            KeyLine { state: KeyState::Signs, ..draft.keys[0].clone() },
            KeyLine { state: KeyState::Next, ..draft.keys[0].clone() },
        ],
        ..enabled.clone()
    };
    let error = Some((Form::Metadata, "This is no metadata of an identity provider: it has no IDPSSODescriptor.".to_owned()));
    let oidc = ConnectionPage {
        is_saml: false,
        can_test: false,
        values: vec![value("Redirect URI", "https://id.example/sign-in/oidc/0198/callback", "Register it with the client.")],
        facts: vec![value("Issuer", "https://idp.bluesky.example", ""), value("Client id", "vestibule", "")],
        certificates: Vec::new(),
        metadata: None,
        keys: Vec::new(),
        ..enabled.clone()
    };
    vec![
        ("connection_draft".into(), draft.clone()),
        ("connection_error".into(), ConnectionPage { error, typed: "<html>".into(), done: None, ..draft }),
        ("connection_seen".into(), ConnectionPage { can_change: false, ..enabled.clone() }),
        ("connection".into(), enabled),
        ("connection_troubled".into(), troubled),
        ("connection_oidc".into(), oidc),
    ]
}
