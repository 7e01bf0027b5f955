//! What people see on their way between a portal and us: a request that cannot be answered, the account that it is for, the way back.

use askama::Template;

use super::{Contact, Frame, OtherLogin, Visitor};
use crate::openid::authorize::Unproved;
use crate::openid::logout::LogoutRefused as Why;

/// A request of a portal that is not proved, so that the browser is sent nowhere. Answer it with 400.
#[derive(Clone, Debug, Template)]
#[template(path = "portal_refused.html")]
pub struct PortalRefused {
    pub frame: Frame,
    pub why: Unproved,
    /// The portal's name, where it is known.
    pub portal: Option<String>,
    /// The request id, which the log carries too.
    pub reference: String,
}

impl PortalRefused {
    /// What to call the portal.
    fn portal(&self) -> &str {
        self.portal.as_deref().unwrap_or("the application")
    }
}

/// Why a request that waited does so no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Over {
    /// It waits in another browser, its time is over, or there never was one.
    Gone,
    /// It was answered.
    Answered,
}

/// A request that no longer waits. Answer it with 400.
#[derive(Clone, Debug, Template)]
#[template(path = "request_over.html")]
pub struct RequestOver {
    pub frame: Frame,
    pub over: Over,
}

/// Asks for which account a portal is to be opened.
#[derive(Clone, Debug, Template)]
#[template(path = "choose_account.html")]
pub struct ChooseAccount {
    pub frame: Frame,
    /// The portal's name.
    pub portal: String,
    pub visitor: Visitor,
    /// The trees of accounts; those without a role only lead to others.
    pub accounts: Vec<AccountChoice>,
    /// Where the answer goes.
    pub action: String,
}

/// Asks whether to go on as the person's other login.
#[derive(Clone, Debug, Template)]
#[template(path = "ask_switch.html")]
pub struct AskSwitch {
    pub frame: Frame,
    /// The portal's name.
    pub portal: String,
    /// Who is active.
    pub visitor: Visitor,
    pub other: OtherLogin,
    /// Where the request waits: where switching leads back to, and where the answer goes that they stay who they are.
    pub action: String,
}

/// An account to choose, the roles of the active login there, and the accounts below it.
///
/// It is a template of its own, because a tree renders itself.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "account_choice.html")]
pub struct AccountChoice {
    pub id: String,
    pub name: String,
    /// The names of the roles; none for an account that cannot be chosen.
    pub roles: Vec<String>,
    pub children: Vec<AccountChoice>,
}

/// The active login has no role anywhere.
#[derive(Clone, Debug, Template)]
#[template(path = "no_account.html")]
pub struct NoAccount {
    pub frame: Frame,
    /// The portal's name.
    pub portal: String,
    pub visitor: Visitor,
    pub contact: Option<Contact>,
    /// Leads back to the portal, which is told that there is no access.
    pub back: String,
}

/// Sends the browser on after a form, to the portal or to where one signs in (see the words on `form-action` in the parent).
#[derive(Clone, Debug, Template)]
#[template(path = "onward.html")]
pub struct Onward {
    pub frame: Frame,
    /// What is there.
    pub to: String,
    pub href: String,
}

/// Asks whether the person wants to sign out, because a portal asks for it.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "ask_sign_out.html")]
pub struct AskSignOut {
    pub frame: Frame,
    pub user_name: Option<String>,
    /// The portal's name, where it is known.
    pub portal: Option<String>,
    /// What is carried along, and proved again.
    pub client_id: Option<String>,
    pub post_logout_redirect_uri: Option<String>,
    pub state: Option<String>,
}

/// A portal's request to sign out that cannot be answered. Answer it with 400.
#[derive(Clone, Debug, Template)]
#[template(path = "logout_refused.html")]
pub struct LogoutRefused {
    pub frame: Frame,
    pub why: Why,
    /// The request id, which the log carries too.
    pub reference: String,
}
