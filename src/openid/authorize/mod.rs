//! The authorization endpoint, without its pages: what a portal asks for, and what may be done about it.
//!
//! [`read`] proves a request against what is registered of the portal; [`next`] decides, from the request and the session, whether somebody
//! is asked something, the portal is refused, or it gets its code. Both are pure. [`issue`](super::grants::issue) makes the code.

mod next;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::model::LoginId;

pub use next::{Candidate, Next, SessionFacts, demand, next, settled};
pub use read::{Parameters, Unproved, Wrong, client_id, read};

/// What the person is to be asked, whatever is known of them (OpenID Connect Core section 3.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// Nothing: what cannot be done without asking is refused.
    None,
    /// To sign in anew.
    Login,
    /// For which account.
    SelectAccount,
    /// To agree. Portals are the operator's own, so there is nothing to agree to.
    Consent,
}

/// An authorization request that was proved against its portal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// What the portal calls itself.
    pub client_id: String,
    pub redirect_uri: String,
    /// Those that mean something here, `openid` among them.
    pub scopes: Vec<String>,
    pub state: Option<String>,
    pub nonce: Option<String>,
    /// S256, always.
    pub code_challenge: String,
    #[serde(default)]
    pub prompt: BTreeSet<Prompt>,
    /// How many seconds ago the person may have proved who they are.
    pub max_age: Option<u32>,
    /// The classes of ours that it asks for, by name; one of them is enough.
    #[serde(default)]
    pub acr_values: Vec<String>,
    /// What to put into the field of the sign-in page.
    pub login_hint: Option<String>,
    /// The account that it asks for: an id, or the path from the root.
    pub account: Option<String>,
    /// The login that it asks the person to go on with.
    #[serde(default)]
    pub login: Option<Wanted>,
    /// The login that its ID token is of, once that was proved. Only that one goes on.
    pub hinted: Option<LoginId>,
    /// As it came; proved by its keys before anything is decided, and never kept.
    #[serde(skip)]
    pub id_token_hint: Option<String>,
}

/// Which login a portal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// The person's other login, whichever is active when somebody is first known to be signed in. From then on it is that one.
    Other,
    Login(LoginId),
}

/// Why a portal gets no code (RFC 6749 section 4.1.2.1, OpenID Connect Core section 3.1.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    InvalidRequest,
    UnsupportedResponseType,
    InvalidScope,
    AccessDenied,
    LoginRequired,
    InteractionRequired,
    AccountSelectionRequired,
    RequestNotSupported,
    RequestUriNotSupported,
    RegistrationNotSupported,
    /// OpenID Connect Core Error Code `unmet_authentication_requirements` 1.0.
    UnmetAuthenticationRequirements,
}

impl ErrorCode {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::InteractionRequired => "interaction_required",
            Self::AccountSelectionRequired => "account_selection_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
        }
    }
}

/// A refusal that the portal is told: its code, and a hint for whoever develops the portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: ErrorCode,
    pub description: &'static str,
}

impl Refusal {
    #[must_use]
    pub const fn new(code: ErrorCode, description: &'static str) -> Self {
        Self { code, description }
    }
}

/// What the browser carries back to the portal.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    Code(&'a str),
    Refused(Refusal),
}

/// The address that carries an answer to the portal: the registered one, with the answer, the `state` as it came, and who answers
/// (RFC 9207). `None` when the address is none, which registration has seen to.
#[must_use]
pub fn answer(redirect_uri: &str, state: Option<&str>, issuer: &str, answer: Answer<'_>) -> Option<Url> {
    let mut url = Url::parse(redirect_uri).ok()?;
    let mut pairs = url.query_pairs_mut();
    match answer {
        Answer::Code(code) => {
            pairs.append_pair("code", code);
        }
        Answer::Refused(refusal) => {
            pairs.append_pair("error", refusal.code.as_str()).append_pair("error_description", refusal.description);
        }
    }
    if let Some(state) = state {
        pairs.append_pair("state", state);
    }
    pairs.append_pair("iss", issuer);
    drop(pairs);
    Some(url)
}
