//! Lookout: the demo's small portal, which stands in for the one that a company's people want to reach.
//!
//! It is somebody else's program: it stands on a site of its own, knows of Vestibule what discovery says, its own name and its secret,
//! and shows what every portal gets: who signed in, on which account, with which roles. Its sessions are in memory.

mod pages;
mod rp;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use askama::Template;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use axum_extra::extract::cookie::{Cookie, SameSite};
use axum_extra::extract::{CookieJar, Query};
use chrono::{DateTime, Utc};
use http::{HeaderValue, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use self::pages::{Failed, SignedIn, SignedOut, list, text};
use self::rp::{Asked, Begun, Claims, RelyingParty, Tokens, Trouble};
use crate::clock::Clock;
use crate::keys::PlainToken;
use crate::net::NetError;

/// The name of the portal's cookie. A real portal is reached by https and calls it `__Host-…`.
const COOKIE: &str = "lookout";
/// How many sign-ins may be under way in one browser.
const MAX_BEGUN: usize = 10;
/// How many sessions are kept; the demo has one visitor.
const MAX_SESSIONS: usize = 1_000;
/// What the portal knows of itself and of Vestibule.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `http://portal.localhost:PORT`, without a slash at the end.
    pub portal: String,
    /// What Vestibule calls itself.
    pub issuer: String,
    pub client_id: String,
    pub client_secret: SecretString,
}

/// Why the portal could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`{0}` is not an address for the sample portal")]
    Address(String),
    #[error("the sample portal's client for outgoing requests could not be set up")]
    Net(#[from] NetError),
}

/// The routes of the portal, for a loopback listener of its own.
pub fn router(settings: Settings, clock: Clock) -> Result<Router, Error> {
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self' {}",
        settings.issuer
    );
    let portal = Arc::new(Portal {
        content_security_policy: HeaderValue::from_str(&policy).map_err(|_| Error::Address(settings.issuer.clone()))?,
        rp: RelyingParty::new(settings)?,
        clock,
        sessions: Mutex::default(),
        seen: Mutex::default(),
        refreshing: tokio::sync::Mutex::default(),
    });
    Ok(Router::new()
        .route("/", get(home))
        .route("/style.css", get(async || ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css"))))
        .route("/sign-in", get(sign_in))
        .route("/callback", get(callback))
        .route("/refresh", post(refresh))
        .route("/sign-out", post(sign_out))
        .route("/backchannel-logout", post(backchannel_logout))
        .with_state(portal))
}

struct Portal {
    rp: RelyingParty,
    clock: Clock,
    content_security_policy: HeaderValue,
    /// By what the browser's cookie says.
    sessions: Mutex<HashMap<String, Session>>,
    /// The ids of logout tokens that came.
    seen: Mutex<HashSet<String>>,
    /// Held by the one refresh that runs: a refresh token that is used twice ends everything.
    refreshing: tokio::sync::Mutex<()>,
}

/// A browser's stay at the portal.
#[derive(Default)]
struct Session {
    /// Sign-ins under way, by their `state`.
    begun: HashMap<String, Begun>,
    tokens: Option<Tokens>,
    /// The accounts that it had tokens for: one switches between them without being asked.
    accounts: BTreeSet<Account>,
    /// Why nobody is signed in any more, until it was shown.
    ended: Option<Ended>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Account {
    id: String,
    roles: String,
}

#[derive(Clone, Copy, Debug)]
enum Ended {
    /// Vestibule said so by itself.
    Told(DateTime<Utc>),
    /// Vestibule said so when it was asked for new tokens.
    Refused,
    /// By the button.
    SignedOut,
}

impl Portal {
    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a session under a new name, which nobody can know beforehand.
    fn keep(&self, session: Session) -> CookieJar {
        let name = PlainToken::bare().reveal().expose_secret().to_owned();
        let mut sessions = self.sessions();
        if sessions.len() >= MAX_SESSIONS {
            sessions.clear();
        }
        sessions.insert(name.clone(), session);
        CookieJar::new().add(Cookie::build((COOKIE, name)).path("/").http_only(true).same_site(SameSite::Lax))
    }

    fn page(&self, status: StatusCode, view: &impl Template) -> Response {
        let Ok(body) = view.render() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
        let headers = [
            (header::CONTENT_SECURITY_POLICY, self.content_security_policy.clone()),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ];
        (status, headers, Html(body)).into_response()
    }

    fn trouble(&self, trouble: &Trouble) -> Response {
        tracing::info!(%trouble, "the sample portal could not sign somebody in");
        self.page(StatusCode::BAD_REQUEST, &Failed { what: &trouble.to_string() })
    }

    /// Sends the browser to Vestibule. `session` is none where the browser has no session yet.
    async fn begin(&self, session: Option<String>, asked: Asked) -> Response {
        let (url, state, begun) = match self.rp.begin(asked).await {
            Ok(begun) => begun,
            Err(trouble) => return self.trouble(&trouble),
        };
        let on = Redirect::to(url.as_str());
        let mut sessions = self.sessions();
        if let Some(session) = session.and_then(|name| sessions.get_mut(&name)) {
            if session.begun.len() >= MAX_BEGUN {
                session.begun.clear();
            }
            session.begun.insert(state, begun);
            return on.into_response();
        }
        drop(sessions);
        (self.keep(Session { begun: HashMap::from([(state, begun)]), ..Session::default() }), on).into_response()
    }

    /// New tokens for a session, if its access token ends soon or `at_once`. A session that is over loses its tokens.
    async fn freshen(&self, name: &str, at_once: bool) -> Result<(), Trouble> {
        let _one = self.refreshing.lock().await;
        let soon = self.clock.now().timestamp() + 30;
        let refresh_token = match self.sessions().get(name).and_then(|session| session.tokens.as_ref()) {
            Some(tokens) if at_once || tokens.expires_at < soon => tokens.refresh_token.clone(),
            _ => return Ok(()),
        };
        let result = match &refresh_token {
            Some(refresh_token) => self.rp.refresh(refresh_token).await,
            None => Err(Trouble::Refused { error: "invalid_grant".to_owned(), description: String::new() }),
        };
        let mut sessions = self.sessions();
        let Some(session) = sessions.get_mut(name) else { return Ok(()) };
        match result {
            Ok(tokens) => session.signed_in(tokens),
            Err(Trouble::Refused { error, .. }) if error == "invalid_grant" => {
                session.left(Ended::Refused);
            }
            Err(trouble) => return Err(trouble),
        }
        Ok(())
    }
}

impl Session {
    /// The same browser, in which nobody is signed in any more. What waits for it to come back goes on: who switches to their other login
    /// comes back as that one.
    fn left(&mut self, why: Ended) {
        *self = Self { begun: std::mem::take(&mut self.begun), ended: Some(why), ..Self::default() };
    }

    fn signed_in(&mut self, tokens: Tokens) {
        let login = |tokens: &Tokens| text(&tokens.id_claims, "sub").to_owned();
        if self.tokens.as_ref().is_some_and(|before| login(before) != login(&tokens)) {
            // Each login has accounts of its own.
            self.accounts.clear();
        }
        if let Some(account) = account(&tokens.id_claims) {
            self.accounts.retain(|known| known.id != account.id);
            self.accounts.insert(account);
        }
        self.tokens = Some(tokens);
    }
}

fn account(claims: &Claims) -> Option<Account> {
    Some(Account { id: claims.get("account")?.as_str()?.to_owned(), roles: list(claims, "roles").join(", ") })
}

fn cookie(jar: &CookieJar) -> Option<String> {
    jar.get(COOKIE).map(|cookie| cookie.value().to_owned())
}

async fn home(State(portal): State<Arc<Portal>>, jar: CookieJar) -> Response {
    let name = cookie(&jar).unwrap_or_default();
    if let Err(trouble) = portal.freshen(&name, false).await {
        return portal.trouble(&trouble);
    }
    let mut sessions = portal.sessions();
    let session = sessions.get_mut(&name);
    match session {
        Some(Session { tokens: Some(tokens), accounts, .. }) => portal.page(StatusCode::OK, &SignedIn::of(tokens, accounts)),
        Some(session) => portal.page(StatusCode::OK, &SignedOut { ended: session.ended.take() }),
        None => portal.page(StatusCode::OK, &SignedOut { ended: None }),
    }
}

async fn sign_in(State(portal): State<Arc<Portal>>, jar: CookieJar, Query(asked): Query<Asked>) -> Response {
    portal.begin(cookie(&jar), asked).await
}

#[derive(Deserialize)]
struct Answer {
    state: Option<String>,
    iss: Option<String>,
    code: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

async fn callback(State(portal): State<Arc<Portal>>, jar: CookieJar, Query(answer): Query<Answer>) -> Response {
    let name = cookie(&jar).unwrap_or_default();
    let begun = answer.state.and_then(|state| portal.sessions().get_mut(&name)?.begun.remove(&state));
    let Some(begun) = begun else {
        return portal
            .page(StatusCode::BAD_REQUEST, &Failed { what: "This sign-in did not begin in this browser, or it is over." });
    };
    if !portal.rp.is_from(answer.iss.as_deref()) {
        return portal.trouble(&Trouble::Token("the answer is not from Vestibule".to_owned()));
    }
    let Some(code) = answer.code else {
        let error = answer.error.unwrap_or_default();
        // What cannot be done silently is asked again with a page: nobody is signed in any more, or somebody has to choose.
        let can_be_asked = ["login_required", "interaction_required", "account_selection_required"].contains(&error.as_str());
        if can_be_asked && begun.asked.prompt.as_deref() == Some("none") {
            return portal.begin(Some(name), Asked { prompt: None, ..begun.asked }).await;
        }
        return portal.trouble(&Trouble::Refused { error, description: answer.error_description.unwrap_or_default() });
    };
    match portal.rp.finish(begun, code).await {
        Ok(tokens) => {
            // A new name: whoever knew the former one is not signed in by it.
            let mut session = portal.sessions().remove(&name).unwrap_or_default();
            session.signed_in(tokens);
            (portal.keep(session), Redirect::to("/")).into_response()
        }
        Err(trouble) => portal.trouble(&trouble),
    }
}

async fn refresh(State(portal): State<Arc<Portal>>, jar: CookieJar) -> Response {
    match portal.freshen(&cookie(&jar).unwrap_or_default(), true).await {
        Ok(()) => Redirect::to("/").into_response(),
        Err(trouble) => portal.trouble(&trouble),
    }
}

async fn sign_out(State(portal): State<Arc<Portal>>, jar: CookieJar) -> Response {
    let session = cookie(&jar).and_then(|name| portal.sessions().remove(&name));
    let Some(tokens) = session.and_then(|session| session.tokens) else { return Redirect::to("/").into_response() };
    let left = portal.keep(Session { ended: Some(Ended::SignedOut), ..Session::default() });
    match portal.rp.sign_out(&tokens.id_token).await {
        Ok(url) => (left, Redirect::to(url.as_str())).into_response(),
        Err(trouble) => portal.trouble(&trouble),
    }
}

#[derive(Deserialize)]
struct Logout {
    logout_token: String,
}

/// OpenID Connect Back-Channel Logout 1.0: what it ends is shown when the page is loaded next.
async fn backchannel_logout(State(portal): State<Arc<Portal>>, Form(Logout { logout_token }): Form<Logout>) -> Response {
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    let now = portal.clock.now();
    let token = match portal.rp.logout_token(&logout_token, now.timestamp()).await {
        Ok(token) => token,
        Err(trouble) => {
            tracing::warn!(%trouble, "the sample portal refused a logout token");
            let body = serde_json::json!({ "error": "invalid_request", "error_description": trouble.to_string() });
            let json = [(header::CONTENT_TYPE, "application/json")];
            return (StatusCode::BAD_REQUEST, no_store, json, body.to_string()).into_response();
        }
    };
    // One that comes again has done what it says.
    if portal.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(token.jti) {
        for session in portal.sessions().values_mut() {
            let says = |claim: &str| session.tokens.as_ref().map(|tokens| text(&tokens.id_claims, claim));
            let ends = match (&token.sid, &token.sub) {
                (Some(sid), _) => says("sid") == Some(sid),
                (None, Some(sub)) => says("sub") == Some(sub),
                (None, None) => false,
            };
            if ends {
                session.left(Ended::Told(now));
            }
        }
    }
    no_store.into_response()
}
