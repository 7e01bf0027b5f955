//! `/me/logins`: the logins of a person, and the pages that link and part them.

use askama::Template;
use chrono::{DateTime, Utc};

use super::{AccountNode, Contact, Frame};
use crate::model::{LinkSource, LoginKind};

/// A login with what it can do, which is what it can do alone.
#[derive(Clone, Debug)]
pub struct LoginCard {
    pub id: String,
    pub user_name: String,
    /// What to call it beside the person's other one; `None` for the only one.
    pub login_name: Option<String>,
    pub kind: LoginKind,
    /// Whether it is the one that is active in this session.
    pub is_active: bool,
    /// It is not, when it is deactivated.
    pub is_usable: bool,
    /// By which connections it signs in, by name.
    pub connections: Vec<String>,
    /// The directory that keeps it, by name.
    pub directory: Option<String>,
    pub signed_in_at: Option<DateTime<Utc>>,
    /// The trees of accounts in which it holds a role.
    pub accounts: Vec<AccountNode>,
}

impl LoginCard {
    /// How many roles it holds, and on how many accounts.
    fn held(&self) -> (usize, usize) {
        fn count(nodes: &[AccountNode]) -> (usize, usize) {
            nodes.iter().fold((0, 0), |(roles, accounts), node| {
                let below = count(&node.children);
                (roles + node.roles.len() + below.0, accounts + usize::from(!node.roles.is_empty()) + below.1)
            })
        }
        count(&self.accounts)
    }
}

/// A login that somebody takes for the same person's.
#[derive(Clone, Debug)]
pub struct ProposalLine {
    pub id: String,
    pub user_name: String,
    pub source: LinkSource,
}

/// What was just done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    Linked,
    Unlinked,
}

/// `/me/logins`: the one or two logins of the person.
#[derive(Clone, Debug, Template)]
#[template(path = "logins.html")]
pub struct Logins {
    pub frame: Frame,
    /// The active one first.
    pub logins: Vec<LoginCard>,
    /// Since when the two are linked.
    pub linked_at: Option<DateTime<Utc>>,
    /// How many sessions the person has.
    pub sessions: usize,
    /// What is proposed to who has one.
    pub proposals: Vec<ProposalLine>,
    pub done: Option<Done>,
    /// Whom to ask about a login that is deactivated.
    pub contact: Option<Contact>,
}

/// A login that has to prove itself.
#[derive(Clone, Debug)]
pub struct ToProve {
    pub user_name: String,
    /// Where it signs in, by name.
    pub connection: String,
    /// Whether that was just done.
    pub is_proved: bool,
}

/// A connection to choose.
#[derive(Clone, Debug)]
pub struct ConnectionChoice {
    pub id: String,
    pub name: String,
}

/// `/me/logins/link`: the first two steps of linking.
#[derive(Clone, Debug, Template)]
#[template(path = "link_logins.html")]
pub struct LinkLogins {
    pub frame: Frame,
    pub first: ToProve,
    /// The only one that is linked, where a proposal names it.
    pub expected: Option<ProposalLine>,
    /// Where the other login can sign in.
    pub connections: Vec<ConnectionChoice>,
}

/// `/me/logins/link/{link}`: the last step, with both logins.
#[derive(Clone, Debug, Template)]
#[template(path = "confirm_link.html")]
pub struct ConfirmLink {
    pub frame: Frame,
    /// Where the answer goes.
    pub action: String,
    pub logins: [LoginCard; 2],
    /// How many other sessions of both end.
    pub sessions: usize,
}

/// `/me/logins/unlink`: what unlinking does, and the proof that it needs.
#[derive(Clone, Debug, Template)]
#[template(path = "unlink_logins.html")]
pub struct UnlinkLogins {
    pub frame: Frame,
    pub active: ToProve,
    /// The user name of the other one.
    pub other: String,
    /// Whose sessions end, and how many besides this one.
    pub goes: String,
    pub sessions: usize,
}
