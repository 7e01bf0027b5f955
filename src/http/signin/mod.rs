//! Signing in and out. `/sign-in` only finds the connection; the protocol's own handlers are beside this file.
//!
//! An address is asked for to learn its domain, and the domain leads to the connections of the one tenant that proved it. Nothing here
//! tells whether a person exists.

mod arrive;
pub(super) mod depart;
pub(super) mod oidc;
#[cfg(feature = "saml")]
pub(super) mod saml;
pub(super) mod stopped;
pub(super) mod trial;

use axum::Form;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::cookie::Cookie;
use axum_extra::extract::{CookieJar, Query};
use http::StatusCode;
use serde::Deserialize;

use super::authorize::waiting;
use super::extract::{SESSION_COOKIE, SignedIn, cookie};
use super::layers::{RequestId, trouble};
use super::pages::{self, Choice, Frame, Leaving, Page, Wrong};
use crate::app::App;
use crate::directory::ending;
use crate::metrics::SessionEnd;
use crate::model::{Actor, Connection, ConnectionState, Protocol, Purpose, Session};
use crate::store;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Where {
    return_to: Option<String>,
}

/// Asks who wants to sign in.
pub(super) async fn form(
    State(app): State<App>,
    signed_in: Option<SignedIn>,
    Query(place): Query<Where>,
    jar: CookieJar,
) -> Response {
    let return_to = place.return_to.filter(|path| is_local(path));
    if signed_in.is_some() {
        return Redirect::to(return_to.as_deref().unwrap_or("/me")).into_response();
    }
    let waiting = match waiting::behind(&app, return_to.as_deref(), &jar).await {
        Ok(waiting) => waiting,
        Err(error) => return failed(&error),
    };
    let (portal, hint) = waiting.map_or((None, None), |waiting| (Some(waiting.portal.name), waiting.request.login_hint));
    let typed = hint.unwrap_or_default().chars().take(254).collect();
    Page(StatusCode::OK, pages::SignIn { typed, return_to, portal, ..pages::SignIn::default() }).into_response()
}

fn failed(error: &(dyn std::error::Error + 'static)) -> Response {
    tracing::error!(error, "a sign-in could not be prepared");
    trouble(Wrong::Unavailable)
}

#[derive(Debug, Deserialize)]
pub(super) struct Identifier {
    #[serde(default)]
    identifier: String,
    return_to: Option<String>,
}

/// Finds the connection of an address: one leads on, several are offered.
pub(super) async fn find(State(app): State<App>, jar: CookieJar, Form(given): Form<Identifier>) -> Response {
    let return_to = given.return_to.filter(|path| is_local(path));
    let typed: String = given.identifier.trim().chars().take(254).collect();
    let connections = match connections_of(&app, &typed).await {
        Ok(connections) => connections,
        Err(error) => return failed(&error),
    };
    let portal = match waiting::behind(&app, return_to.as_deref(), &jar).await {
        Ok(waiting) => waiting.map(|waiting| waiting.portal.name),
        Err(error) => return failed(&error),
    };
    let href = |connection: &Connection| start(connection, return_to.as_deref());
    match connections.as_slice() {
        [] => {
            let error = if typed.is_empty() {
                "Enter your e-mail address or user name."
            } else {
                "We do not know where people of this address sign in. Check the spelling, or ask your administrator."
            };
            let view = pages::SignIn { typed, error: Some(error.to_owned()), return_to, portal, ..pages::SignIn::default() };
            Page(StatusCode::UNPROCESSABLE_ENTITY, view).into_response()
        }
        [only] => Page(StatusCode::OK, Leaving { frame: Frame::default(), connection: only.name.clone(), href: href(only) })
            .into_response(),
        several => {
            let choices =
                several.iter().map(|connection| Choice { name: connection.name.clone(), href: href(connection) }).collect();
            Page(StatusCode::OK, pages::SignIn { typed, return_to, portal, choices, ..pages::SignIn::default() }).into_response()
        }
    }
}

async fn connections_of(app: &App, typed: &str) -> store::Result<Vec<Connection>> {
    let Some((_, domain)) = typed.rsplit_once('@') else { return Ok(Vec::new()) };
    let domain = domain.to_lowercase();
    let mut connections = Vec::new();
    for tenant in app.store.doors().tenants_of_domain(&domain).await? {
        connections.extend(app.store.read(tenant).connections_of_domain(&domain).await?);
    }
    Ok(connections)
}

/// Whether somebody can sign in by a connection now.
pub(super) fn can_sign_in(connection: &Connection) -> bool {
    connection.state == ConnectionState::Enabled && speaks(connection)
}

/// Whether something may begin by a connection now. A draft is tested before anybody signs in by it.
fn can_begin(connection: &Connection, purpose: Purpose) -> bool {
    can_sign_in(connection) || (matches!(purpose, Purpose::Test { .. }) && speaks(connection))
}

/// Whether this program speaks the protocol of a connection.
pub(super) fn speaks(connection: &Connection) -> bool {
    match connection.protocol() {
        Protocol::Oidc => true,
        Protocol::Saml => cfg!(feature = "saml"),
    }
}

/// Where signing in with a connection begins.
pub(super) fn start(connection: &Connection, return_to: Option<&str>) -> String {
    let begin = match connection.protocol() {
        Protocol::Oidc => format!("/sign-in/oidc/{}", connection.id),
        Protocol::Saml => format!("/sign-in/saml/{}", connection.id),
    };
    match return_to {
        Some(path) => format!("{begin}?{}", return_query(path)),
        None => begin,
    }
}

/// The query that says where to return to.
pub(super) fn return_query(path: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new()).append_pair("return_to", path).finish()
}

/// Whether a path leads to this service and nowhere else: browsers read `//host` and `/\host` as other sites.
pub(super) fn is_local(path: &str) -> bool {
    path.len() <= 2_000
        && path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains('\\')
        && !path.chars().any(char::is_control)
}

/// Ends the session, and has the identity provider end its own where it can be asked to.
pub(super) async fn sign_out(
    State(app): State<App>,
    signed_in: Option<SignedIn>,
    request_id: RequestId,
    jar: CookieJar,
) -> Response {
    let signed_out = Page(StatusCode::OK, pages::SignedOut::default());
    let Some(SignedIn(session)) = signed_in else { return (jar.add(gone()), signed_out).into_response() };
    #[cfg(feature = "saml")]
    let upstream = saml::slo::upstream_of(&app, &session).await.unwrap_or_else(|error| {
        // Whoever wants to sign out does so here, also where nobody can be told of it.
        tracing::error!(error = &error as &dyn std::error::Error, "where somebody came from could not be looked up");
        None
    });
    let jar = match end(&app, &session, &request_id, jar).await {
        Ok(jar) => jar,
        Err(response) => return *response,
    };
    #[cfg(feature = "saml")]
    if let Some(upstream) = upstream {
        return (jar, upstream.leave(&app).await).into_response();
    }
    (jar, signed_out).into_response()
}

/// Ends the session of a browser, which then has no cookie of it.
pub(super) async fn end(app: &App, session: &Session, request_id: &RequestId, jar: CookieJar) -> Result<CookieJar, Box<Response>> {
    let caller = request_id.caller(app, Actor::Login { login: session.active_login_id });
    if let Err(error) = ending::end_session(&app.store, caller, session, ending::Reason::SignedOut).await {
        tracing::error!(error = &error as &dyn std::error::Error, "a session could not be ended");
        return Err(Box::new(trouble(Wrong::Unavailable)));
    }
    app.metrics.session_ended(SessionEnd::SignedOut);
    Ok(jar.add(gone()))
}

fn gone() -> Cookie<'static> {
    let mut gone = cookie(SESSION_COOKIE, String::new());
    gone.make_removal();
    gone
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn o05_only_paths_of_this_service_are_returned_to() {
        for path in ["/", "/me", "/me?tab=2", "/a//b"] {
            assert!(is_local(path), "{path}");
        }
        for path in
            ["", "me", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nb", "/\t/evil.example", "javascript:1"]
        {
            assert!(!is_local(path), "{path}");
        }
    }
}
