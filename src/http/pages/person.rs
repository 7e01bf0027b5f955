//! `/admin/people/{person}`: a person with both logins, for administrators.

use askama::Template;
use chrono::{DateTime, Utc};

use super::{AccountNode, Frame};
use crate::model::{LinkSource, LoginKind, PersonState, Slot};

/// The page of a person. What is out of the administrator's sight is not in it.
#[derive(Clone, Debug, Template)]
#[template(path = "person.html")]
pub struct PersonPage {
    pub frame: Frame,
    pub id: String,
    pub name: String,
    pub state: PersonState,
    pub logins: Vec<PersonLogin>,
    /// Whether there is another login, which the administrator does not look after.
    pub has_other: bool,
    /// Why something was not done, beside the login whose form asked for it.
    pub error: Option<(String, String)>,
    /// What was typed there.
    pub typed: String,
}

/// A login of the person.
#[derive(Clone, Debug)]
pub struct PersonLogin {
    pub id: String,
    pub user_name: String,
    pub slot: Slot,
    pub kind: LoginKind,
    pub state: PresenceWord,
    pub is_break_glass: bool,
    /// Its account, by its path, if the administrator sees that.
    pub home: Option<String>,
    pub directory: Option<String>,
    pub connection: Option<String>,
    pub linked_at: Option<DateTime<Utc>>,
    pub signed_in_at: Option<DateTime<Utc>>,
    /// What it can do where the administrator looks.
    pub accounts: Vec<AccountNode>,
    /// Whether the administrator may propose another login for it; only where it is the only one.
    pub can_propose: bool,
    pub proposals: Vec<ProposedLogin>,
}

/// How far somebody has come with a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresenceWord {
    Invited,
    Pending,
    Active,
    Deactivated,
    /// It was locked because the other login left.
    Suspended,
}

/// A login that is taken for the same person's.
#[derive(Clone, Debug)]
pub struct ProposedLogin {
    pub id: String,
    /// The page of its person.
    pub href: String,
    pub user_name: String,
    pub source: LinkSource,
}

impl PersonPage {
    fn refusal(&self, login: &PersonLogin) -> Option<&str> {
        self.error.as_ref().filter(|(of, _)| *of == login.id).map(|(_, text)| text.as_str())
    }
}

#[cfg(test)]
pub(super) fn examples(frame: &Frame, accounts: &[AccountNode]) -> Vec<(String, PersonPage)> {
    let at = |hours| Some(DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(hours));
    let login = |user_name: &str, slot| PersonLogin {
        id: format!("0198c2a4-7d1e-7c3b-9a55-0f6f2f9f3d2{}", slot as i16),
        user_name: user_name.into(),
        slot,
        kind: LoginKind::Byoi,
        state: PresenceWord::Active,
        is_break_glass: false,
        home: Some("bluesky".into()),
        directory: Some("Bluesky’s directory".into()),
        connection: Some("Anchor".into()),
        linked_at: None,
        signed_in_at: at(495_003),
        accounts: accounts.to_vec(),
        can_propose: false,
        proposals: Vec::new(),
    };
    let everyday = login("joe.bloggs@bluesky.example", Slot::One);
    let page = PersonPage {
        frame: frame.clone(),
        id: "0198c2a4-7d1e-7c3b-9a55-0f6f2f9f3d21".into(),
        name: "Joe Bloggs".into(),
        state: PersonState::Active,
        logins: vec![everyday.clone()],
        has_other: false,
        error: None,
        typed: String::new(),
    };
    let linked = |one: &PersonLogin| PersonLogin { linked_at: at(494_000), ..one.clone() };
    let local = PersonLogin {
        kind: LoginKind::Local,
        state: PresenceWord::Suspended,
        is_break_glass: true,
        directory: None,
        connection: None,
        accounts: Vec::new(),
        ..linked(&login("joe.at.home", Slot::Two))
    };
    let other = |user_name: &str, source| ProposedLogin {
        id: "0198c2a4".into(),
        href: "/admin/people/0198c2a4".into(),
        user_name: user_name.into(),
        source,
    };
    let alone = PersonLogin {
        can_propose: true,
        proposals: vec![
            other("joe.bloggs-adm@bluesky.example", LinkSource::Administrator),
            other("joe.bloggs.gsa@bluesky.example", LinkSource::UserName),
        ],
        ..everyday.clone()
    };
    let error = (alone.id.clone(), "Nobody whom you may see has this user name or id.".to_owned());
    let two = vec![linked(&everyday), linked(&login("joe.bloggs.gsa@bluesky.example", Slot::Two))];
    vec![
        ("person".into(), PersonPage { logins: two, ..page.clone() }),
        ("person_local".into(), PersonPage { logins: vec![linked(&everyday), local], ..page.clone() }),
        ("person_half".into(), PersonPage { logins: vec![linked(&everyday)], has_other: true, ..page.clone() }),
        ("person_alone".into(), PersonPage { logins: vec![alone.clone()], ..page.clone() }),
        ("person_error".into(), PersonPage { logins: vec![alone], error: Some(error), typed: "joe.blogs.gsa".into(), ..page }),
    ]
}
