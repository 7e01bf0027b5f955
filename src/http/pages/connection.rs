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
    /// Whether the administrator may switch it on and off; else they see it.
    pub can_change: bool,
    /// Whether they may change what is known of its identity provider, here.
    pub can_set_up: bool,
    /// Whether they may try it out, and there is something to be tried.
    pub can_test: bool,
    /// Who somebody is; none, where that is not for SAML to say.
    pub subject: Option<SubjectView>,
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
    /// What was typed, and where, even if that is not what is wrong.
    pub typed: Option<(Form, String)>,
}

/// The forms of the page in which something is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    MetadataUrl,
    Metadata,
    Certificate,
    Subject,
    /// Any that has only a button. What is not about something typed stands where its refusal does: at the top.
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

/// What names somebody, and by which names the rest comes.
#[derive(Clone, Debug)]
pub struct SubjectView {
    /// Empty where the `NameID` names somebody.
    pub attribute: String,
    /// Whether that stays as it is while the connection is enabled.
    pub is_fixed: bool,
    /// What a form says, what people read, and whether it is the one.
    pub presets: Vec<(&'static str, &'static str, bool)>,
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
    /// Whether it is another identity provider, by its name.
    pub is_other: bool,
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
    fn is_saml(&self) -> bool {
        self.subject.is_some()
    }

    fn refusal(&self, form: Form) -> Option<&str> {
        self.error.as_ref().filter(|(of, _)| *of == form).map(|(_, text)| text.as_str())
    }

    /// Whether it is this form that was not carried out.
    fn is_at(&self, form: Form) -> bool {
        self.typed.as_ref().is_some_and(|(of, _)| *of == form)
    }

    /// What was typed there.
    fn typed(&self, form: Form) -> &str {
        self.typed.as_ref().filter(|(of, _)| *of == form).map_or("", |(_, text)| text)
    }
}
