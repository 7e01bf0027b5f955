//! What handlers take from a request besides its path.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use http::request::Parts;
use secrecy::SecretString;

use super::layers::{RequestId, trouble};
use super::pages::Wrong;
use crate::app::App;
use crate::directory::Caller;
use crate::keys::{HashedToken, PlainToken};
use crate::model::{Actor, Session};

/// The session's cookie. The prefix keeps other hosts and plain http from setting it (RFC 6265bis section 4.1.3.2).
pub(super) const SESSION_COOKIE: &str = "__Host-vestibule-session";
/// Binds sign-ins that have begun to the browser that began them.
pub(super) const SIGN_IN_COOKIE: &str = "__Host-vestibule-sign-in";

/// A cookie of ours: for this host alone, out of reach of scripts, sent along when an identity provider sends the browser back.
pub(super) fn cookie(name: &'static str, value: String) -> Cookie<'static> {
    Cookie::build((name, value)).path("/").secure(true).http_only(true).same_site(SameSite::Lax).build()
}

/// The value that binds what begins to this browser: that of its cookie, or a new one. Several tabs share it, so that each can finish.
pub(super) fn browser_marker(jar: &CookieJar) -> SecretString {
    match jar.get(SIGN_IN_COOKIE) {
        Some(cookie) if cookie.value().len() == 43 => SecretString::from(cookie.value()),
        _ => PlainToken::bare().reveal(),
    }
}

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self(String::new())))
    }
}

impl RequestId {
    /// Who asks, now.
    pub(super) fn caller(&self, app: &App, actor: Actor) -> Caller<'_> {
        Caller { actor, now: app.clock.now(), request_id: Some(&self.0) }
    }
}

/// A live session: its cookie is known, it is neither over nor idle for too long, and nothing that it rests on was touched since.
#[derive(Clone, Debug)]
pub(super) struct SignedIn(pub(super) Session);

impl FromRequestParts<App> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        match session(parts, app).await? {
            Some(session) => Ok(Self(session)),
            None => Err(Redirect::to("/sign-in").into_response()),
        }
    }
}

impl OptionalFromRequestParts<App> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Option<Self>, Response> {
        Ok(session(parts, app).await?.map(Self))
    }
}

/// The live session of a request's cookie, if it has one.
pub(super) async fn session(parts: &Parts, app: &App) -> Result<Option<Session>, Response> {
    let jar = CookieJar::from_headers(&parts.headers);
    let Some(cookie) = jar.get(SESSION_COOKIE) else { return Ok(None) };
    let now = app.clock.now();
    let found = app.store.doors().session(&HashedToken::of(cookie.value()), now, app.session_limits()).await;
    let session = match found {
        Ok(Some(session)) => session,
        Ok(None) => return Ok(None),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a session could not be looked up");
            return Err(trouble(Wrong::Unavailable));
        }
    };
    if session.last_seen_at < now - chrono::TimeDelta::minutes(1) {
        touch(app, &session, now).await;
    }
    Ok(Some(session))
}

/// Notes that the session is in use. A page is not refused because that could not be written.
async fn touch(app: &App, session: &Session, now: chrono::DateTime<chrono::Utc>) {
    let touched = async {
        let mut writer = app.store.write(session.tenant_id).await?;
        writer.touch_session(session.id, now).await?;
        writer.commit().await
    };
    if let Err(error) = touched.await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the use of a session could not be noted");
    }
}
