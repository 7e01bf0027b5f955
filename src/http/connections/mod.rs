//! `/admin/connections/{connection}`: a connection, for the administrator who sets up its identity provider and keeps it going.

#[cfg(feature = "saml")]
mod forms;
mod values;

use axum::Router;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use axum_extra::extract::Query;
use http::StatusCode;
use serde::Deserialize;

pub(super) use self::values::{Certified, certified, reply_addresses};
#[cfg(feature = "saml")]
pub(super) use self::values::{addresses, our_key};
use super::extract::SignedIn;
use super::layers::{RequestId, no_such_page, trouble};
use super::me::{Seen, seen};
use super::pages::{self, ConnectionPage, Page, Wrong};
use crate::app::App;
use crate::directory::access::{self, Reach};
use crate::directory::connections::Connections;
#[cfg(feature = "saml")]
use crate::directory::connections::SamlConnections;
use crate::directory::{self, Error};
use crate::model::{Actor, ConnectionId, Session};

/// The routes of the page and its forms. Trying a connection out is a sign-in, and is beside those.
pub(super) fn routes() -> Router<App> {
    let routes = Router::new()
        .route("/admin/connections/{connection}", get(page))
        .route("/admin/connections/{connection}/state", post(switch));
    #[cfg(feature = "saml")]
    let routes = routes
        .route("/admin/connections/{connection}/metadata", post(forms::metadata))
        .route("/admin/connections/{connection}/certificates", post(forms::add_certificate))
        .route("/admin/connections/{connection}/certificates/{certificate}/remove", post(forms::remove_certificate))
        .route("/admin/connections/{connection}/approve", post(forms::approve))
        .route("/admin/connections/{connection}/keys", post(forms::roll_over));
    routes
}

/// A form that was not carried out: which, what was typed, and why.
struct Refused {
    form: pages::Form,
    typed: String,
    why: String,
}

/// What was done, as the address of the page says it after a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    Metadata,
    /// Something of it waits for an approval.
    Proposed,
    Certificate,
    Removed,
    Approved,
    Keys,
    Enabled,
    Disabled,
}

impl Done {
    const ALL: [Self; 8] = [
        Self::Metadata,
        Self::Proposed,
        Self::Certificate,
        Self::Removed,
        Self::Approved,
        Self::Keys,
        Self::Enabled,
        Self::Disabled,
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::Proposed => "proposed",
            Self::Certificate => "certificate",
            Self::Removed => "removed",
            Self::Approved => "approved",
            Self::Keys => "keys",
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::Metadata => "The metadata is read.",
            Self::Proposed => "The metadata is read. It says something that waits for your approval.",
            Self::Certificate => "The certificate counts from now on.",
            Self::Removed => "The certificate counts no longer.",
            Self::Approved => "The change is made.",
            Self::Keys => "The next key is in our metadata.",
            Self::Enabled => "The connection is enabled.",
            Self::Disabled => "The connection is disabled, and everybody who was signed in by it is signed out.",
        }
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Told {
    done: Option<String>,
}

/// The page.
pub(super) async fn page(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    id: RequestId,
    Path(connection): Path<String>,
    Query(Told { done }): Query<Told>,
) -> Response {
    let done = Done::ALL.into_iter().find(|known| Some(known.word()) == done.as_deref());
    answer(&app, &session, &id, &connection, done, None).await
}

async fn answer(
    app: &App,
    session: &Session,
    id: &RequestId,
    connection: &str,
    done: Option<Done>,
    refused: Option<Refused>,
) -> Response {
    let Ok(connection) = connection.parse() else { return no_such_page().await };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    match view(app, session, id, connection, done, refused).await {
        Ok(Some(view)) => Page(status, view).into_response(),
        // The login went between the look at the session and this one.
        Ok(None) => Redirect::to("/sign-in").into_response(),
        Err(error) => failed(&error).await,
    }
}

/// Who may not see a connection is told that there is none.
async fn failed(error: &Error) -> Response {
    if let Error::NotFound(_) | Error::Forbidden(_) = error {
        return no_such_page().await;
    }
    tracing::error!(error = error as &dyn std::error::Error, "a connection could not be shown");
    trouble(Wrong::Unavailable)
}

async fn view(
    app: &App,
    session: &Session,
    id: &RequestId,
    connection: ConnectionId,
    done: Option<Done>,
    refused: Option<Refused>,
) -> directory::Result<Option<ConnectionPage>> {
    let mut reader = app.store.read(session.tenant_id);
    let Some(Seen { frame, .. }) = seen(&mut reader, session, &app.rules).await? else { return Ok(None) };
    let Some(reach) = reach(app, session).await? else { return Ok(None) };
    let (view, can_change) = connections(app, session, id, &reach).read(connection).await?;
    let mut page = values::page(app, frame, &view, can_change);
    page.done = done.map(|done| done.sentence().to_owned());
    if let Some(Refused { form, typed, why }) = refused {
        page.error = Some((form, why));
        page.typed = typed;
    }
    Ok(Some(page))
}

async fn reach(app: &App, session: &Session) -> directory::Result<Option<Reach>> {
    access::reach(&app.store, session.tenant_id, session.active_login_id, &app.rules).await
}

fn connections<'a>(app: &'a App, session: &'a Session, id: &'a RequestId, reach: &'a Reach) -> Connections<'a> {
    let caller = id.caller(app, Actor::Login { login: session.active_login_id });
    Connections { store: &app.store, tenant: session.tenant_id, reach, caller }
}

#[cfg(feature = "saml")]
fn saml_connections<'a>(app: &'a App, session: &'a Session, id: &'a RequestId, reach: &'a Reach) -> SamlConnections<'a> {
    let caller = id.caller(app, Actor::Login { login: session.active_login_id });
    SamlConnections { store: &app.store, sealer: &app.sealer, tenant: session.tenant_id, reach: Some(reach), caller }
}

/// The form that switches a connection.
#[derive(Debug, Deserialize)]
pub(super) struct Switch {
    state: Switched,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Switched {
    Enabled,
    Disabled,
}

/// Switches a connection off, or on.
pub(super) async fn switch(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    id: RequestId,
    Path(connection): Path<String>,
    Form(Switch { state }): Form<Switch>,
) -> Response {
    let (on, done) = match state {
        Switched::Enabled => (true, Done::Enabled),
        Switched::Disabled => (false, Done::Disabled),
    };
    let result = async {
        let connection = connection.parse().map_err(|_| Error::NotFound("connection"))?;
        let reach = reach(&app, &session).await?.ok_or(Error::NotFound("connection"))?;
        connections(&app, &session, &id, &reach).switch(connection, on).await?;
        Ok(done)
    };
    settled(&app, &session, &id, &connection, (pages::Form::Button, ""), result.await).await
}

/// Back to the page, which says what was done, or why not.
async fn settled(
    app: &App,
    session: &Session,
    id: &RequestId,
    connection: &str,
    (form, typed): (pages::Form, &str),
    done: directory::Result<Done>,
) -> Response {
    let why = match done {
        // The connection was read by its id, so the path has nothing else in it.
        Ok(done) => return Redirect::to(&format!("/admin/connections/{connection}?done={}", done.word())).into_response(),
        Err(Error::Invalid(why) | Error::Conflict(why) | Error::Forbidden(why)) => sentence(&why),
        Err(Error::Stale) => "The metadata says something else by now. Look at the change once more.".to_owned(),
        Err(error) => return failed(&error).await,
    };
    answer(app, session, id, connection, None, Some(Refused { form, typed: typed.to_owned(), why })).await
}

/// A reason as a sentence.
fn sentence(why: &str) -> String {
    let mut letters = why.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}{}", letters.as_str(), if why.ends_with('.') { "" } else { "." })
}
