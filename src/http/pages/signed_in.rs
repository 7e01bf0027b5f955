//! `/me`: who is signed in, with which login, and which roles that login holds on which accounts.

use askama::Template;

use super::{Contact, Frame, Visitor};
use crate::model::LoginKind;

/// The signed-in page. Roles are those of the active login alone.
#[derive(Clone, Debug, Template)]
#[template(path = "signed_in.html")]
pub struct SignedIn {
    pub frame: Frame,
    pub visitor: Visitor,
    /// The trees of accounts in which the login holds a role; empty when it holds none.
    pub accounts: Vec<AccountNode>,
    /// Whom to ask for access.
    pub contact: Option<Contact>,
}

/// An account, the roles that the active login holds there, and the accounts below it.
///
/// It is a template of its own, because a tree renders itself.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "account.html")]
pub struct AccountNode {
    pub name: String,
    /// Empty for an account that only leads to one below.
    pub roles: Vec<RoleLine>,
    pub children: Vec<AccountNode>,
}

/// A role at an account, in the catalogue's words.
#[derive(Clone, Debug)]
pub struct RoleLine {
    /// The catalogue's display name.
    pub name: String,
    /// The catalogue's description.
    pub description: String,
    /// Every reason for it; at least one.
    pub causes: Vec<Cause>,
    /// The account above that it comes from, for an inherited role.
    pub inherited_from: Option<String>,
}

/// Who or what gave a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A mapping rule, by its name.
    Rule(String),
    /// An administrator, by hand.
    Manual,
    /// The operator of the service.
    Operator,
    /// Another role includes it, by its name.
    Included(String),
}
