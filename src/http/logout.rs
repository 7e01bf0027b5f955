//! `/oauth2/logout`: where portals send browsers to be signed out (OpenID Connect RP-Initiated Logout 1.0).

use axum::extract::{Form, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum_extra::extract::CookieJar;
use http::StatusCode;
use serde::Deserialize;
use url::Url;

use super::authorize::onward;
use super::extract::SignedIn;
use super::layers::{RequestId, trouble};
use super::me;
use super::pages::{AskSignOut, Frame, LogoutRefused as LogoutRefusedPage, Page, SignedOut, Wrong};
use super::signin;
use crate::app::App;
use crate::model::{Portal, Session};
use crate::openid::authorize::Parameters;
use crate::openid::hint::{self, Hint};
use crate::openid::logout::{self, Logout, LogoutRefused, LogoutRequest};
use crate::store;

/// Takes the request of a portal.
pub(super) async fn begin(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    signed_in: Option<SignedIn>,
    request_id: RequestId,
    jar: CookieJar,
) -> Response {
    let request = match logout::read(&Parameters::parse(query.unwrap_or_default().as_bytes())) {
        Ok(request) => request,
        Err(why) => return refused(why, request_id),
    };
    let hint = match &request.id_token_hint {
        Some(token) => match hint::read(&app.signing, app.settings.server.public_url.origin(), token).await {
            Ok(Some(hint)) => Some(hint),
            Ok(None) => return refused(LogoutRefused::Hint, request_id),
            Err(error) => return failed(&error),
        },
        None => None,
    };
    settle(&app, &request, hint.as_ref(), signed_in.map(|SignedIn(session)| session), &request_id, jar, false).await
}

/// What the person confirms, as the page carried it along.
#[derive(Debug, Deserialize)]
pub(super) struct Confirmed {
    client_id: Option<String>,
    post_logout_redirect_uri: Option<String>,
    state: Option<String>,
}

/// The person wants to sign out. Everything that the page carried is looked at again.
pub(super) async fn confirm(
    State(app): State<App>,
    signed_in: Option<SignedIn>,
    request_id: RequestId,
    jar: CookieJar,
    Form(confirmed): Form<Confirmed>,
) -> Response {
    let Confirmed { client_id, post_logout_redirect_uri, state } = confirmed;
    let request = LogoutRequest { id_token_hint: None, client_id, post_logout_redirect_uri, state };
    settle(&app, &request, None, signed_in.map(|SignedIn(session)| session), &request_id, jar, true).await
}

async fn settle(
    app: &App,
    request: &LogoutRequest,
    hint: Option<&Hint>,
    session: Option<Session>,
    request_id: &RequestId,
    jar: CookieJar,
    is_confirmed: bool,
) -> Response {
    let portal = match portal(app, request, hint).await {
        Ok(Ok(portal)) => portal,
        Ok(Err(why)) => return refused(why, request_id.clone()),
        Err(error) => return failed(&error),
    };
    let active = match &session {
        Some(session) => match app.store.read(session.tenant_id).sid_of_session(session.id, session.active_login_id).await {
            Ok(sid) => sid,
            Err(error) => return failed(&error),
        },
        None => None,
    };
    match (logout::decide(request, hint, portal.as_ref(), active), session) {
        (Logout::Refuse(why), _) => refused(why, request_id.clone()),
        (Logout::Ask { .. }, Some(session)) if !is_confirmed => ask(app, request, portal, &session).await,
        (Logout::Ask { back } | Logout::SignOut { back }, session) => {
            let jar = match session {
                Some(session) => match signin::end(app, &session, request_id, jar).await {
                    Ok(jar) => jar,
                    Err(response) => return *response,
                },
                None => jar,
            };
            (jar, leave(back.as_ref(), portal.as_ref(), is_confirmed)).into_response()
        }
    }
}

/// Where a browser goes that is signed out.
fn leave(back: Option<&Url>, portal: Option<&Portal>, is_posted: bool) -> Response {
    match (back, portal) {
        (Some(url), Some(portal)) => onward(url.as_str(), &portal.name, is_posted),
        _ => Page(StatusCode::OK, SignedOut::default()).into_response(),
    }
}

/// The portal that a request is of, if it names one.
async fn portal(app: &App, request: &LogoutRequest, hint: Option<&Hint>) -> store::Result<Result<Option<Portal>, LogoutRefused>> {
    let name = match logout::client_id(request, hint) {
        Ok(Some(name)) => name,
        Ok(None) => return Ok(Ok(None)),
        Err(why) => return Ok(Err(why)),
    };
    let found = app.store.doors().portal(name).await?.map(|row| row.portal);
    Ok(found.map_or(Err(LogoutRefused::Client), |portal| Ok(Some(portal))))
}

async fn ask(app: &App, request: &LogoutRequest, portal: Option<Portal>, session: &Session) -> Response {
    let seen = match me::seen(&mut app.store.read(session.tenant_id), session, &app.rules).await {
        Ok(seen) => seen,
        Err(error) => return failed(&error),
    };
    // An address that nobody vouches for is not carried along.
    let uri = request.post_logout_redirect_uri.clone().filter(|_| portal.is_some());
    let view = AskSignOut {
        frame: seen.as_ref().map(|seen| Frame { visitor: None, ..seen.frame.clone() }).unwrap_or_default(),
        user_name: seen.map(|seen| seen.visitor.user_name),
        client_id: portal.as_ref().map(|portal| portal.client_id.clone()),
        state: request.state.clone().filter(|_| uri.is_some()),
        post_logout_redirect_uri: uri,
        portal: portal.map(|portal| portal.name),
    };
    Page(StatusCode::OK, view).into_response()
}

fn refused(why: LogoutRefused, request_id: RequestId) -> Response {
    tracing::info!(?why, "a portal's request to sign out was refused");
    Page(StatusCode::BAD_REQUEST, LogoutRefusedPage { frame: Frame::default(), why, reference: request_id.0 }).into_response()
}

fn failed(error: &(dyn std::error::Error + 'static)) -> Response {
    tracing::error!(error, "a portal's request to sign out could not be answered");
    trouble(Wrong::Unavailable)
}
