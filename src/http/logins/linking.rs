//! `/me/logins/link`: linking another login, step by step. The active login proves itself, the other one does, and the person confirms.

use axum::Form;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::{CookieJar, Query};
use http::StatusCode;
use serde::Deserialize;

use super::super::extract::SignedIn;
use super::super::layers::{RequestId, no_such_page};
use super::super::me::{Seen, seen};
use super::super::pages::{ConfirmLink, ConnectionChoice, LinkLogins, Page};
use super::super::signin::can_sign_in;
use super::cards::{Cards, connections_of};
use super::{NewCookie, PLACE, Proving, failed, leave, own, refused, settings, to_prove};
use crate::app::App;
use crate::directory;
use crate::directory::linking::{self, Begun, LinkView, proposals};
use crate::directory::refusal::Refusal;
use crate::directory::sessions::of_person;
use crate::model::{LoginId, Purpose, Session};

/// The first steps of linking, with the login that a proposal names.
fn wizard_of(proposed: Option<LoginId>) -> String {
    proposed.map_or_else(|| format!("{PLACE}/link"), |login| format!("{PLACE}/link?login={login}"))
}

/// The login that a proposal names, as the browser says it: none, or one, or nothing that could be one.
fn proposed(given: Option<&str>) -> Result<Option<LoginId>, Refusal> {
    given.filter(|text| !text.is_empty()).map(|text| text.parse().map_err(|_| Refusal::LinkOver)).transpose()
}

#[derive(Debug, Default, Deserialize)]
pub(in crate::http) struct Hint {
    login: Option<String>,
}

/// The first two steps: what is to be proved, and where the other login signs in.
pub(in crate::http) async fn wizard(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    request_id: RequestId,
    Query(hint): Query<Hint>,
) -> Response {
    let view = match proposed(hint.login.as_deref()) {
        Ok(expected) => view(&app, &session, expected).await,
        Err(refusal) => Ok(Err(refusal)),
    };
    match view {
        Ok(Ok(view)) => Page(StatusCode::OK, view).into_response(),
        Ok(Err(refusal)) => refused(&app, &session, refusal, PLACE, &request_id).await,
        Err(error) => failed(&error),
    }
}

async fn view(app: &App, session: &Session, expected: Option<LoginId>) -> linking::Settled<LinkLogins> {
    let mut reader = app.store.read(session.tenant_id);
    let reader = &mut reader;
    let (Some(Seen { frame, .. }), Some(first)) =
        (seen(reader, session, &app.rules).await?, to_prove(reader, session, app.clock.now()).await?)
    else {
        return Ok(Err(Refusal::ConnectionOff));
    };
    if reader.login_count(session.person_id).await? > 1 {
        return Ok(Err(Refusal::PersonFull));
    }
    let (expected, connections) = match expected {
        Some(expected) => {
            let Some(row) = reader.any_login(session.active_login_id).await? else { return Ok(Err(Refusal::LinkOver)) };
            let mut proposals = proposals::of_login(reader, &row.login).await?.into_iter();
            let Some(found) = proposals.find(|proposal| proposal.login.id == expected) else {
                return Ok(Err(Refusal::LinkOver));
            };
            let connections = connections_of(reader, &found.login).await?;
            (Some(settings::line(found)), connections)
        }
        None => (None, reader.connections().await?.into_iter().filter(can_sign_in).collect()),
    };
    let choice = |connection: crate::model::Connection| ConnectionChoice { id: connection.id.to_string(), name: connection.name };
    Ok(Ok(LinkLogins { frame, first, expected, connections: connections.into_iter().map(choice).collect() }))
}

/// What the active login is proved for.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Prove {
    /// The login of the proposal that is gone on with.
    login: Option<String>,
    /// `unlink`, or else to link.
    next: Option<String>,
}

/// Has the active login proved afresh, and comes back to what it is proved for.
pub(in crate::http) async fn prove(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    request_id: RequestId,
    jar: CookieJar,
    Form(given): Form<Prove>,
) -> Response {
    let return_to = match (given.next.as_deref(), proposed(given.login.as_deref())) {
        (Some("unlink"), _) => format!("{PLACE}/unlink"),
        (_, Ok(expected)) => wizard_of(expected),
        (_, Err(refusal)) => return refused(&app, &session, refusal, PLACE, &request_id).await,
    };
    let login = session.active_login_id;
    match app.store.read(session.tenant_id).connection_of_session(session.id, login).await {
        Ok(Some(connection)) => {
            let purpose = Purpose::Login { login };
            let proving = Proving { connection, purpose, is_fresh: true, return_to: Some(&return_to) };
            leave(&app, &session, proving, &request_id, jar).await
        }
        Ok(None) => refused(&app, &session, Refusal::ConnectionOff, PLACE, &request_id).await,
        Err(error) => failed(&error),
    }
}

/// Where the other login signs in.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Begin {
    #[serde(default)]
    connection: String,
    /// The one that it has to be, which a proposal names.
    login: Option<String>,
}

/// Begins a link, and sends the person to sign in with the other login.
pub(in crate::http) async fn begin(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    request_id: RequestId,
    jar: CookieJar,
    Form(given): Form<Begin>,
) -> Response {
    let expected = match proposed(given.login.as_deref()) {
        Ok(expected) => expected,
        Err(refusal) => return refused(&app, &session, refusal, PLACE, &request_id).await,
    };
    let back = wizard_of(expected);
    // What is no connection is no different from one that is switched off.
    let Ok(connection) = given.connection.parse() else {
        return refused(&app, &session, Refusal::ConnectionOff, &back, &request_id).await;
    };
    match linking::begin(own(&app, &session, &request_id), connection, expected).await {
        Ok(Ok(Begun::ProveFirst)) => Redirect::to(&back).into_response(),
        Ok(Ok(Begun::Proof(link))) => {
            let proving = Proving { connection, purpose: Purpose::Link { link }, is_fresh: true, return_to: None };
            leave(&app, &session, proving, &request_id, jar).await
        }
        Ok(Err(Refusal::ConnectionOff)) => refused(&app, &session, Refusal::ConnectionOff, &back, &request_id).await,
        Ok(Err(refusal)) => refused(&app, &session, refusal, PLACE, &request_id).await,
        Err(error) => failed(&error),
    }
}

/// The last step: both logins, and what linking them does.
pub(in crate::http) async fn review(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    request_id: RequestId,
    Path(link): Path<String>,
) -> Response {
    let Ok(link) = link.parse() else { return no_such_page().await };
    match linking::view(own(&app, &session, &request_id), link).await {
        Ok(Ok(LinkView { second: None, .. })) => Redirect::to(&wizard_of(None)).into_response(),
        Ok(Ok(LinkView { second: Some(second), .. })) => match both(&app, &session, second, format!("{PLACE}/link/{link}")).await {
            Ok(Some(view)) => Page(StatusCode::OK, view).into_response(),
            Ok(None) => refused(&app, &session, Refusal::LinkOver, PLACE, &request_id).await,
            Err(error) => failed(&error),
        },
        Ok(Err(refusal)) => refused(&app, &session, refusal, PLACE, &request_id).await,
        Err(error) => failed(&error),
    }
}

async fn both(app: &App, session: &Session, second: LoginId, action: String) -> directory::Result<Option<ConfirmLink>> {
    let mut reader = app.store.read(session.tenant_id);
    let reader = &mut reader;
    let Some(Seen { frame, .. }) = seen(reader, session, &app.rules).await? else { return Ok(None) };
    let (Some(first), Some(second)) = (reader.any_login(session.active_login_id).await?, reader.any_login(second).await?) else {
        return Ok(None);
    };
    let mut sessions = 0;
    for person in [first.login.person_id, second.login.person_id] {
        let live = of_person(reader, person, app.session_limits(), app.clock.now()).await?;
        sessions += live.iter().filter(|view| view.row.id != session.id).count();
    }
    let cards = Cards::new(app, session, reader).await?;
    let logins = [cards.of(reader, first, None).await?, cards.of(reader, second, None).await?];
    Ok(Some(ConfirmLink { frame, action, logins, sessions }))
}

/// Links the two logins. The session goes on by another cookie.
pub(in crate::http) async fn confirm(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    request_id: RequestId,
    jar: CookieJar,
    Path(link): Path<String>,
) -> Response {
    let Ok(link) = link.parse() else { return no_such_page().await };
    let cookie = NewCookie::of(&jar);
    match linking::confirm(own(&app, &session, &request_id), cookie.pair(), link).await {
        Ok(Ok(_)) => (cookie.set(jar), Redirect::to(&format!("{PLACE}?done=linked"))).into_response(),
        Ok(Err(refusal)) => refused(&app, &session, refusal, PLACE, &request_id).await,
        Err(error) => failed(&error),
    }
}
