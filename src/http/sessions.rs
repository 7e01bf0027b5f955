//! `/me/sessions`: where the person is signed in, and ending it there.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;

use super::device::device;
use super::extract::SignedIn;
use super::layers::{RequestId, no_such_page, trouble};
use super::me::{Seen, seen};
use super::pages::{Page, SessionLine, Sessions, Wrong};
use crate::app::App;
use crate::directory::sessions::{end_others, of_person};
use crate::directory::{self, sessions::SessionView};
use crate::metrics::SessionEnd;
use crate::model::{Actor, Session, SessionId};

/// Where the person is signed in.
pub(super) async fn page(State(app): State<App>, SignedIn(session): SignedIn) -> Response {
    match view(&app, &session).await {
        Ok(Some(view)) => Page(StatusCode::OK, view).into_response(),
        // The login went between the look at the session and this one.
        Ok(None) => Redirect::to("/sign-in").into_response(),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the sessions of a person could not be read");
            trouble(Wrong::Unavailable)
        }
    }
}

async fn view(app: &App, session: &Session) -> directory::Result<Option<Sessions>> {
    let mut reader = app.store.read(session.tenant_id);
    let Some(Seen { frame, .. }) = seen(&mut reader, session, &app.rules).await? else { return Ok(None) };
    let found = of_person(&mut reader, session.person_id, app.session_limits(), app.clock.now()).await?;
    let sessions = found.into_iter().map(|view| line(session, view)).collect();
    Ok(Some(Sessions { frame: frame.at("/me/sessions"), sessions }))
}

fn line(own: &Session, view: SessionView) -> SessionLine {
    let SessionView { row, portals } = view;
    SessionLine {
        id: row.id.to_string(),
        is_this: row.id == own.id,
        device: device(&row.user_agent),
        address: row.address,
        login: row.user_name,
        connection: row.connection,
        signed_in_at: row.created_at,
        last_seen_at: row.last_seen_at,
        portals: portals.into_iter().collect(),
    }
}

/// Ends one other session of the person.
pub(super) async fn end(State(app): State<App>, SignedIn(session): SignedIn, id: RequestId, Path(other): Path<String>) -> Response {
    match other.parse() {
        Ok(other) => finish(&app, &session, &id, Some(other)).await,
        Err(_) => no_such_page().await,
    }
}

/// Ends all other sessions of the person.
pub(super) async fn end_all(State(app): State<App>, SignedIn(session): SignedIn, id: RequestId) -> Response {
    finish(&app, &session, &id, None).await
}

async fn finish(app: &App, session: &Session, id: &RequestId, only: Option<SessionId>) -> Response {
    let caller = id.caller(app, Actor::Login { login: session.active_login_id });
    match end_others(&app.store, caller, session, only).await {
        Ok(ended) => {
            for _ in 0..ended {
                app.metrics.session_ended(SessionEnd::ByPerson);
            }
            Redirect::to("/me/sessions").into_response()
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a session could not be ended");
            trouble(Wrong::Unavailable)
        }
    }
}
