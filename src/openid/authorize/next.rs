//! What is done about an authorization request, decided from what is known.

use chrono::{DateTime, TimeDelta, Utc};

use super::{AuthorizationRequest, ErrorCode, Prompt, Refusal, Wanted};
use crate::model::{AccountId, Acr, CLOCK_LEEWAY, Demand, LoginId};

/// What counts of the session of the browser that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionFacts {
    /// The active login.
    pub login: LoginId,
    /// The person's other login, if there is one and it is in use.
    pub other: Option<LoginId>,
    /// When it came from its identity provider.
    pub authenticated_at: DateTime<Utc>,
    /// When the identity provider says that it asked the person, if it says so.
    pub asserted_at: Option<DateTime<Utc>>,
    pub acr: Acr,
}

/// An account on which the active login has a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub id: AccountId,
    /// The slugs from the root on.
    pub path: String,
}

/// What is done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The portal is told why not.
    Refuse(Refusal),
    /// The person signs in, and has to meet the demand with it.
    SignIn { demand: Demand },
    /// The person says whether to go on as their other login. What the request wants of it is looked at when it is the active one.
    AskSwitch { login: LoginId },
    /// The person says for which account.
    Choose,
    /// The login has no role anywhere: a page says whom to ask.
    NoAccount,
    /// The portal gets its code, for this account.
    Issue { account: AccountId },
}

/// What a sign-in for a request has to prove beyond who somebody is.
#[must_use]
pub fn demand(request: &AuthorizationRequest) -> Demand {
    Demand {
        is_fresh: request.prompt.contains(&Prompt::Login),
        max_age: request.max_age,
        acr: wanted(request).map(|acr| acr.as_str().to_owned()),
    }
}

/// The class that a request asks for: the weakest of those that it names, since any of them is enough.
fn wanted(request: &AuthorizationRequest) -> Option<Acr> {
    request.acr_values.iter().filter_map(|name| Acr::named(name)).min()
}

/// A request for the person's other login, as one for that very login: when the person has answered, the other one is another one. A
/// person who has none other leaves it as it is.
#[must_use]
pub fn settled(request: AuthorizationRequest, session: &SessionFacts) -> AuthorizationRequest {
    let login = match (request.login, session.other) {
        (Some(Wanted::Other), Some(other)) => Some(Wanted::Login(other)),
        (login, _) => login,
    };
    AuthorizationRequest { login, ..request }
}

/// The login that a request goes on with: the active one, or the person's other one. `None` when it is for none of theirs.
fn goes_on_as(request: &AuthorizationRequest, session: &SessionFacts) -> Option<LoginId> {
    match request.login {
        None => Some(session.login),
        Some(Wanted::Other) => session.other,
        Some(Wanted::Login(login)) => Some(login).filter(|login| *login == session.login || session.other == Some(*login)),
    }
}

/// Decides what is done about a request that came at `requested_at`, from the browser's live session, the accounts on which its active
/// login has a role, and the account that the person `chose` on our page.
#[must_use]
pub fn next(
    request: &AuthorizationRequest,
    session: Option<&SessionFacts>,
    candidates: &[Candidate],
    chosen: Option<AccountId>,
    requested_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Next {
    use ErrorCode::{AccessDenied, AccountSelectionRequired, InteractionRequired, LoginRequired};
    let refuse = |code, description| Next::Refuse(Refusal::new(code, description));
    let is_silent = request.prompt.contains(&Prompt::None);
    let sign_in = || Next::SignIn { demand: demand(request) };
    let Some(session) = session else {
        return if is_silent { refuse(LoginRequired, "nobody is signed in") } else { sign_in() };
    };
    let Some(login) = goes_on_as(request, session) else {
        // The same words whether there is such a login or not.
        return refuse(AccessDenied, "the person has no such login");
    };
    if request.hinted.is_some_and(|hinted| hinted != login) {
        let why = "another login than that of id_token_hint is active";
        return refuse(LoginRequired, if request.login.is_some() { "login is not that of id_token_hint" } else { why });
    }
    if login != session.login {
        let why = "the person has to say whether to go on as that login";
        return if is_silent { refuse(InteractionRequired, why) } else { Next::AskSwitch { login } };
    }
    if !is_lately(request, session, requested_at, now) {
        return if is_silent { refuse(LoginRequired, "the person has to sign in again") } else { sign_in() };
    }
    if wanted(request).is_some_and(|acr| session.acr < acr) {
        return if is_silent { refuse(InteractionRequired, "the person has to sign in with more certainty") } else { sign_in() };
    }
    if let Some(text) = &request.account {
        let Some(asked) = candidates.iter().find(|one| one.id.to_string() == *text || one.path == *text) else {
            // The same words whether the account is there or not.
            return refuse(AccessDenied, "the login has no role on this account");
        };
        if !request.prompt.contains(&Prompt::SelectAccount) {
            return Next::Issue { account: asked.id };
        }
    }
    if let Some(chosen) = chosen.filter(|chosen| candidates.iter().any(|one| one.id == *chosen)) {
        return Next::Issue { account: chosen };
    }
    match candidates {
        [] if is_silent => refuse(AccessDenied, "the login has no role on any account"),
        [] => Next::NoAccount,
        [only] if !request.prompt.contains(&Prompt::SelectAccount) => Next::Issue { account: only.id },
        _ if is_silent => refuse(AccountSelectionRequired, "say which account, or let the person choose"),
        _ => Next::Choose,
    }
}

/// Whether the person proved who they are as lately as the request wants.
fn is_lately(request: &AuthorizationRequest, session: &SessionFacts, requested_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    let is_since =
        session.authenticated_at > requested_at && session.asserted_at.is_some_and(|at| at >= requested_at - CLOCK_LEEWAY);
    if request.prompt.contains(&Prompt::Login) && !is_since {
        return false;
    }
    request
        .max_age
        .is_none_or(|seconds| is_since || session.asserted_at.is_some_and(|at| at >= now - TimeDelta::seconds(i64::from(seconds))))
}
