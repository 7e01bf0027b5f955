//! `/admin/connections/{connection}`: a connection, for the administrator who sets up its identity provider and keeps it going.

#[cfg(test)]
#[cfg(feature = "saml")]
pub(super) mod examples;
#[cfg(feature = "saml")]
mod forms;
mod values;

use axum::Router;
use axum::extract::{Form, FromRequestParts, Path};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use axum_extra::extract::Query;
use http::StatusCode;
use http::request::Parts;
use serde::Deserialize;

#[cfg(feature = "saml")]
pub(super) use self::values::our_key;
pub(super) use self::values::{Certified, certified, reply_addresses};
use super::console::{Desk, Why, shown};
use super::layers::no_such_page;
use super::me::{Seen, seen};
use super::pages::{self, ConnectionPage};
use crate::app::App;
use crate::directory::connections::Connections;
#[cfg(feature = "saml")]
use crate::directory::connections::SamlConnections;
use crate::directory::{self, Error};
use crate::model::ConnectionId;

/// The routes of the page and its forms. Trying a connection out is a sign-in, and is beside those.
pub(super) fn routes() -> Router<App> {
    let routes = Router::new()
        .route("/admin/connections/{connection}", get(page))
        .route("/admin/connections/{connection}/state", post(switch));
    #[cfg(feature = "saml")]
    let routes = routes
        .route("/admin/connections/{connection}/metadata", post(forms::metadata))
        .route("/admin/connections/{connection}/subject", post(forms::subject))
        .route("/admin/connections/{connection}/certificates", post(forms::add_certificate))
        .route("/admin/connections/{connection}/certificates/{certificate}/remove", post(forms::remove_certificate))
        .route("/admin/connections/{connection}/approve", post(forms::approve))
        .route("/admin/connections/{connection}/keys", post(forms::roll_over));
    routes
}

/// The page of a connection, a path of ours.
pub(super) fn place(connection: ConnectionId) -> String {
    format!("/admin/connections/{connection}")
}

/// Somebody at the page of a connection, which they need not see.
pub(super) struct At {
    pub(super) desk: Desk,
    pub(super) connection: ConnectionId,
}

impl FromRequestParts<App> for At {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        #[derive(Deserialize)]
        struct Named {
            connection: String,
        }
        let desk = Desk::from_request_parts(parts, app).await?;
        let named = Path::<Named>::from_request_parts(parts, app).await.map_err(axum::response::IntoResponse::into_response)?;
        match named.connection.parse() {
            Ok(connection) => Ok(Self { desk, connection }),
            Err(_) => Err(no_such_page().await),
        }
    }
}

impl At {
    pub(super) fn connections(&self) -> Connections<'_> {
        let Desk { app, session, reach, .. } = &self.desk;
        Connections { store: &app.store, tenant: session.tenant_id, reach, caller: self.desk.caller() }
    }

    /// For what SAML connections have of their own.
    #[cfg(feature = "saml")]
    fn saml(&self) -> SamlConnections<'_> {
        let Desk { app, session, reach, .. } = &self.desk;
        let caller = self.desk.caller();
        SamlConnections { store: &app.store, sealer: &app.sealer, tenant: session.tenant_id, reach: Some(reach), caller }
    }

    async fn answer(&self, done: Option<Done>, refused: Option<Refused>) -> Response {
        let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        shown(status, self.view(done, refused).await).await
    }

    async fn view(&self, done: Option<Done>, refused: Option<Refused>) -> directory::Result<Option<ConnectionPage>> {
        let Desk { app, session, .. } = &self.desk;
        let mut reader = app.store.read(session.tenant_id);
        let Some(Seen { frame, .. }) = seen(&mut reader, session, &app.rules).await? else { return Ok(None) };
        let (view, can_change) = self.connections().read(self.connection).await?;
        let mut page = values::page(&app.settings.server.public_url, frame, &view, can_change, app.clock.now());
        page.done = done.map(|done| done.sentence().to_owned());
        if let Some(Refused { form, typed, is_typed, why }) = refused {
            // It stands at the top where it is not about what was typed, or the form is not shown to who sent it.
            page.error = Some((if is_typed && page.can_set_up { form } else { pages::Form::Button }, why));
            page.typed = Some((form, typed));
        }
        Ok(Some(page))
    }

    /// Back to the page, which says what was done, or why not.
    async fn settled(&self, (form, typed): (pages::Form, &str), done: directory::Result<Done>) -> Response {
        let error = match done {
            Ok(done) => return Redirect::to(&format!("{}?done={}", place(self.connection), done.word())).into_response(),
            Err(Error::Stale) => {
                Error::Conflict("the metadata says something else by now. Look at the change once more".to_owned())
            }
            Err(error) => error,
        };
        match Why::of(error).await {
            Ok(Why { text, is_typed }) => {
                self.answer(None, Some(Refused { form, typed: typed.to_owned(), is_typed, why: text })).await
            }
            Err(answer) => answer,
        }
    }
}

/// A form that was not carried out: which, what was typed, and why, which may be about something else.
struct Refused {
    form: pages::Form,
    typed: String,
    is_typed: bool,
    why: String,
}

/// What was done, as the address of the page says it after a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    Metadata,
    /// Something of it waits for an approval.
    Proposed,
    Subject,
    Certificate,
    Removed,
    Approved,
    Keys,
    Enabled,
    Disabled,
}

impl Done {
    const ALL: [Self; 9] = [
        Self::Metadata,
        Self::Proposed,
        Self::Subject,
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
            Self::Subject => "subject",
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
            Self::Subject => "Who somebody is, and what their attributes are called, is kept.",
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
pub(super) async fn page(at: At, Query(Told { done }): Query<Told>) -> Response {
    let done = Done::ALL.into_iter().find(|known| Some(known.word()) == done.as_deref());
    at.answer(done, None).await
}

/// What a connection is switched to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Switched {
    Enabled,
    Disabled,
}

/// The form that switches a connection.
#[derive(Debug, Deserialize)]
pub(super) struct Switch {
    state: Switched,
}

/// Switches a connection off, or on.
pub(super) async fn switch(at: At, Form(Switch { state }): Form<Switch>) -> Response {
    let done = match state {
        Switched::Enabled => Done::Enabled,
        Switched::Disabled => Done::Disabled,
    };
    let result = at.connections().switch(at.connection, state == Switched::Enabled).await.map(|_| done);
    at.settled((pages::Form::Button, ""), result).await
}
