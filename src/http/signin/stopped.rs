//! Sign-ins that end before anybody is signed in: a page for the person, a trace for the administrator, or an answer to the portal that
//! waits.

use axum::response::{IntoResponse as _, Response};
use axum_extra::extract::CookieJar;

use super::super::authorize;
use super::super::layers::RequestId;
use super::super::pages::{Contact, Frame, Page, Reason, Refused as RefusedPage};
use super::return_query;
use crate::app::App;
use crate::directory::refusal::Refusal;
use crate::directory::sign_in;
use crate::federation::{Kind, Refused, Trace};
use crate::metrics::SignIn;
use crate::model::{Actor, Connection, ConnectionId, TenantId, TraceId, Unmet};
use crate::openid::authorize::Refusal as Told;

/// A sign-in that ends here, for whatever reason.
pub(in crate::http) struct Stopped {
    reason: Reason,
    connection: Option<Connection>,
    reference: String,
    /// Where it was to return to, if that is known.
    return_to: Option<String>,
    /// What a portal that waits for it is told, in place of the page.
    told: Option<Told>,
}

impl Stopped {
    pub(in crate::http) fn new(reason: Reason, request_id: &RequestId) -> Self {
        Self { reason, connection: None, reference: request_id.0.clone(), return_to: None, told: None }
    }

    /// Our own fault: the chain goes to the log, under the reference that the page shows.
    pub(in crate::http) fn internal(error: &(dyn std::error::Error + 'static), request_id: &RequestId) -> Self {
        tracing::error!(error, "a sign-in failed");
        Self::new(Reason::Internal, request_id)
    }

    pub(in crate::http) fn at(self, connection: &Connection) -> Self {
        Self { connection: Some(connection.clone()), ..self }
    }

    pub(in crate::http) fn returning(self, return_to: Option<&str>) -> Self {
        Self { return_to: return_to.map(ToOwned::to_owned), ..self }
    }

    /// The same under the reference of its trace.
    pub(super) fn under(self, reference: TraceId) -> Self {
        Self { reference: reference.to_string(), ..self }
    }

    /// The portal that waits is told, once, if it can do something about it; otherwise there is a page.
    pub(in crate::http) async fn into_answer(self, app: &App, jar: &CookieJar) -> Response {
        if let Some(refusal) = self.told {
            match authorize::tell(app, self.return_to.as_deref(), jar, refusal).await {
                Ok(Some(response)) => return response,
                Ok(None) => {}
                Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "a portal could not be told"),
            }
        }
        self.into_page()
    }

    pub(in crate::http) fn into_page(self) -> Response {
        let (connection, contact) =
            self.connection.map_or((None, None), |connection| (Some(connection.name), connection.contact.map(Contact)));
        tracing::info!(reason = ?self.reason, reference = self.reference, "a sign-in was refused");
        let view = RefusedPage {
            frame: Frame::default(),
            reason: self.reason,
            connection,
            contact,
            reference: self.reference,
            retry: match self.return_to {
                Some(path) => format!("/sign-in?{}", return_query(&path)),
                None => "/sign-in".to_owned(),
            },
        };
        Page(self.reason.status(), view).into_response()
    }
}

/// A sign-in that federation refused: a trace for the administrator, and a page with its reference for the person.
pub(super) async fn failed(
    app: &App,
    tenant: TenantId,
    connection: &Connection,
    refused: &Refused,
    trace: &Trace,
    request_id: &RequestId,
) -> Stopped {
    tracing::warn!(reason = refused.reason(), error = refused as &dyn std::error::Error, "a sign-in was refused");
    app.metrics.sign_in(SignIn::Failed);
    let reason = match refused.kind() {
        Kind::Declined => Reason::Denied,
        Kind::Unavailable => Reason::Unreachable,
        Kind::Misconfigured | Kind::Untrusted | Kind::Unmet(_) => Reason::Untrusted,
    };
    let told = match refused.kind() {
        Kind::Unmet(Unmet::NotFresh) => Some(authorize::not_fresh()),
        Kind::Unmet(Unmet::NotSure) => Some(authorize::not_sure()),
        _ => None,
    };
    let stopped = Stopped { told, ..Stopped::new(reason, request_id).at(connection) };
    traced(app, tenant, connection.id, refused.reason(), trace, stopped, request_id).await
}

/// The connection is a draft, or was switched off.
pub(super) async fn switched_off(app: &App, tenant: TenantId, connection: &Connection, request_id: &RequestId) -> Stopped {
    app.metrics.sign_in(SignIn::Refused);
    let stopped = Stopped::new(Reason::ConnectionOff, request_id).at(connection);
    traced(app, tenant, connection.id, Refusal::ConnectionOff.reason(), &Trace::default(), stopped, request_id).await
}

/// Leaves the trace of a sign-in that ends before there is an identity; its id is the reference number of the page.
pub(super) async fn traced(
    app: &App,
    tenant: TenantId,
    connection: ConnectionId,
    outcome: &str,
    trace: &Trace,
    stopped: Stopped,
    request_id: &RequestId,
) -> Stopped {
    let steps = serde_json::to_value(trace).unwrap_or_default();
    let caller = request_id.caller(app, Actor::Connection { connection });
    match sign_in::record_failure(&app.store, tenant, caller, connection, outcome, &steps).await {
        Ok(reference) => stopped.under(reference),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the trace of a sign-in could not be written");
            stopped
        }
    }
}

pub(super) fn page_reason(refusal: Refusal) -> Reason {
    match refusal {
        Refusal::ConnectionOff => Reason::ConnectionOff,
        Refusal::Inactive => Reason::Deactivated,
        Refusal::Gone => Reason::Gone,
        // That an address is no proof of who somebody is belongs into the administrator's trace; here the person is unknown.
        Refusal::Unknown | Refusal::EmailShaped => Reason::Unknown,
        Refusal::Ambiguous => Reason::Ambiguous,
        Refusal::AlreadyBound => Reason::AlreadyBound,
        Refusal::MissingClaim => Reason::MissingClaim,
        Refusal::OtherLogin => Reason::OtherLogin,
        Refusal::LinkOver => Reason::LinkOver,
        Refusal::SameLogin => Reason::SameLogin,
        Refusal::AlreadyLinked => Reason::AlreadyLinked,
        Refusal::PersonFull => Reason::PersonFull,
        Refusal::LinkedElsewhere => Reason::LinkedElsewhere,
        Refusal::NotLinked => Reason::NotLinked,
        Refusal::NotFresh => Reason::NotFresh,
    }
}
