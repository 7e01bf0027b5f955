//! `/sign-in/saml/{connection}/slo`: single logout (SAML Profiles section 4.4), begun by the identity provider or by us.
//!
//! Whose sessions a logout request means is found by what it says, never by a cookie. What a logout message could do it can do once, and
//! only with the identity provider's signature.

use axum::extract::{Path, RawQuery, Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use chrono::TimeDelta;
use http::StatusCode;
use secrecy::ExposeSecret as _;

use super::super::super::layers::{RequestId, no_such_page, trouble};
use super::super::super::pages::{Frame, Page, PostFor, PostOn, SignedOut, SigningOut, Wrong};
use super::{Failure, Ours, certificates, failed, find, form, keys};
use crate::app::App;
use crate::directory::upstream::{self, LoggedOut};
use crate::federation::saml::{self, Logout, LogoutExpected, LogoutMessage, Outgoing};
use crate::keys::HashedToken;
use crate::metrics::{SessionEnd, UpstreamLogout};
use crate::model::{Actor, Connection, ConnectionId, ConnectionState, PendingLogoutId, Session, TenantId};
use crate::store::NewPendingLogout;

/// How long a person may take at the identity provider.
const PENDING_LIFETIME: TimeDelta = TimeDelta::minutes(15);

/// Takes a message in an address.
pub(in crate::http) async fn by_redirect(
    State(app): State<App>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    request_id: RequestId,
) -> Response {
    let Some(raw_query) = query.filter(|query| !query.is_empty()) else { return trouble(Wrong::BadRequest) };
    take(&app, &id, LogoutMessage::Redirect { raw_query }, &request_id).await
}

/// Takes a message in a form.
pub(in crate::http) async fn by_post(
    State(app): State<App>,
    Path(id): Path<String>,
    request_id: RequestId,
    request: Request,
) -> Response {
    let mut fields = match form(request, &["SAMLRequest", "SAMLResponse", "RelayState"]).await {
        Ok(fields) => fields,
        Err(wrong) => return trouble(wrong),
    };
    let mut field = |name| fields.remove(name);
    let message =
        LogoutMessage::Post { request: field("SAMLRequest"), response: field("SAMLResponse"), relay_state: field("RelayState") };
    take(&app, &id, message, &request_id).await
}

async fn take(app: &App, id: &str, message: LogoutMessage, request_id: &RequestId) -> Response {
    let Ok(id) = id.parse::<ConnectionId>() else { return no_such_page().await };
    match try_take(app, id, message, request_id).await {
        Ok(Some(response)) => response,
        Ok(None) => no_such_page().await,
        Err(error) => failed(&error),
    }
}

async fn try_take(
    app: &App,
    id: ConnectionId,
    message: LogoutMessage,
    request_id: &RequestId,
) -> Result<Option<Response>, Failure> {
    let Some((tenant, connection)) = find(app, id).await? else { return Ok(None) };
    if connection.state == ConnectionState::Draft {
        return Ok(None);
    }
    let ours = Ours::at(app, id)?;
    let certificates = certificates(&mut app.store.read(tenant), id).await?;
    let expected = LogoutExpected { connection: connection.clone(), certificates, slo: ours.slo.clone(), now: app.clock.now() };
    match app.federation.saml.logout(expected, message).await {
        Ok(Logout::Response { in_response_to, is_success, relay_state, .. }) => {
            answered(app, tenant, &connection, in_response_to, is_success, relay_state).await.map(Some)
        }
        Ok(request @ Logout::Request { .. }) => asked(app, tenant, &connection, &ours, request, request_id).await.map(Some),
        Err(refused) => {
            // Anybody can send one, so that it leaves nothing but a line.
            let error = &refused as &dyn std::error::Error;
            tracing::warn!(reason = refused.reason(), error, connection = %id, "a logout message was refused");
            app.metrics.upstream_logout(UpstreamLogout::Refused);
            Ok(Some(trouble(Wrong::BadRequest)))
        }
    }
}

/// Ends what the identity provider has ended, and tells it.
async fn asked(
    app: &App,
    tenant: TenantId,
    connection: &Connection,
    ours: &Ours,
    request: Logout,
    request_id: &RequestId,
) -> Result<Response, Failure> {
    let Logout::Request { id, good_until, name_id, session_indexes, relay_state, certificate } = request else {
        return Ok(trouble(Wrong::BadRequest));
    };
    let caller = request_id.caller(app, Actor::Connection { connection: connection.id });
    let proved = upstream::LogoutRequest {
        connection: connection.id,
        id: &id,
        good_until,
        certificate: &certificate,
        name_id: &name_id,
        session_indexes: &session_indexes,
    };
    let ended = match upstream::log_out(&app.store, tenant, caller, proved).await? {
        LoggedOut::Ended(ended) => ended,
        LoggedOut::Used => {
            tracing::warn!(reason = "logout_replayed", connection = %connection.id, "a logout message was refused");
            app.metrics.upstream_logout(UpstreamLogout::Refused);
            return Ok(trouble(Wrong::BadRequest));
        }
    };
    app.metrics.upstream_logout(if ended > 0 { UpstreamLogout::Ended } else { UpstreamLogout::Nobody });
    for _ in 0..ended {
        app.metrics.session_ended(SessionEnd::ByIdentityProvider);
    }
    tracing::info!(connection = %connection.id, ended, "an identity provider has ended sessions");
    // Whoever is not signed in here is signed out here, as was asked for: an answer of another kind would only stop the logout elsewhere.
    let keys = keys(app, tenant, connection.id).await?;
    match saml::answer_logout(&ours.sp(&keys), connection, &id, relay_state.as_deref(), true, app.clock.now()) {
        Ok(Some(Outgoing::Redirect(url))) => Ok(Redirect::to(url.as_str()).into_response()),
        Ok(Some(Outgoing::Post(form))) => Ok(post(PostFor::SignedOut, connection, form)),
        Ok(None) => Ok(signed_out(None)),
        Err(refused) => {
            tracing::error!(error = &refused as &dyn std::error::Error, connection = %connection.id, "a logout could not be answered");
            Ok(signed_out(Some(connection)))
        }
    }
}

/// The identity provider answers a logout that we asked for. What was to end here has ended before it was asked.
async fn answered(
    app: &App,
    tenant: TenantId,
    connection: &Connection,
    in_response_to: Option<String>,
    is_success: bool,
    relay_state: Option<String>,
) -> Result<Response, Failure> {
    let mut writer = app.store.write(tenant).await?;
    let waits = match &relay_state {
        Some(state) => writer.take_pending_logout(connection.id, &HashedToken::of(state)).await?,
        None => None,
    };
    writer.commit().await?;
    let waits = waits.filter(|waits| Some(&waits.request_id) == in_response_to.as_ref() && waits.expires_at > app.clock.now());
    if waits.is_none() {
        tracing::info!(connection = %connection.id, "an answer came to a logout that nobody asked for");
        return Ok(trouble(Wrong::BadRequest));
    }
    Ok(signed_out((!is_success).then_some(connection)))
}

fn signed_out(still_known_at: Option<&Connection>) -> Response {
    let connection = still_known_at.map(|connection| connection.name.clone());
    Page(StatusCode::OK, SignedOut { connection, ..SignedOut::default() }).into_response()
}

fn post(what: PostFor, connection: &Connection, form: saml::PostForm) -> Response {
    let view = PostOn {
        frame: Frame::default(),
        what,
        connection: connection.name.clone(),
        action: form.action.into(),
        fields: form.fields,
    };
    view.respond()
}

/// A logout to be asked for, as far as it has to be looked up while there is a session.
pub(in crate::http::signin) struct Upstream {
    tenant: TenantId,
    connection: Connection,
    name_id: crate::model::NameId,
    /// Its own session.
    session_index: Option<String>,
}

/// Where the active login of a session has come from, if it was by SAML and there is somebody to tell.
pub(in crate::http::signin) async fn upstream_of(app: &App, session: &Session) -> crate::store::Result<Option<Upstream>> {
    let mut reader = app.store.read(session.tenant_id);
    let Some(part) = reader.session_login(session.id, session.active_login_id).await? else { return Ok(None) };
    let how = part.authentication;
    let (Some(connection), Some(name_id)) = (how.connection_id, how.name_id) else { return Ok(None) };
    let connection = reader.connection(connection).await?.filter(|connection| connection.state == ConnectionState::Enabled);
    let connection = connection.filter(|connection| connection.saml().is_some_and(|settings| !settings.slo.is_empty()));
    Ok(connection.map(|connection| Upstream {
        tenant: session.tenant_id,
        connection,
        name_id,
        session_index: how.upstream_session,
    }))
}

impl Upstream {
    /// Sends a browser whose session has ended to sign out there too. Where that cannot be, the page says so.
    pub(in crate::http::signin) async fn leave(self, app: &App) -> Response {
        match self.try_leave(app).await {
            Ok(Some(Outgoing::Redirect(url))) => {
                let view = SigningOut { frame: Frame::default(), connection: self.connection.name, href: url.into() };
                Page(StatusCode::OK, view).into_response()
            }
            Ok(Some(Outgoing::Post(form))) => post(PostFor::SignOut, &self.connection, form),
            Ok(None) => signed_out(Some(&self.connection)),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "an identity provider could not be asked to sign somebody out"
                );
                signed_out(Some(&self.connection))
            }
        }
    }

    async fn try_leave(&self, app: &App) -> Result<Option<Outgoing>, Failure> {
        let ours = Ours::at(app, self.connection.id)?;
        let keys = keys(app, self.tenant, self.connection.id).await?;
        let now = app.clock.now();
        let session = self.session_index.as_deref();
        let Some(begun) = saml::begin_logout(&ours.sp(&keys), &self.connection, &self.name_id, session, now)? else {
            return Ok(None);
        };
        let new = NewPendingLogout {
            id: PendingLogoutId::new(now),
            connection_id: self.connection.id,
            state: &HashedToken::of(begun.relay_state.expose_secret()),
            request_id: begun.request_id.expose_secret(),
            expires_at: now + PENDING_LIFETIME,
        };
        let mut writer = app.store.write(self.tenant).await?;
        writer.insert_pending_logout(&new, now).await?;
        writer.commit().await?;
        Ok(Some(begun.departure))
    }
}
