//! Sign-ins that end before anybody is signed in: a page for the person, a trace for the administrator, or an answer to the portal that
//! waits.

use axum::response::{IntoResponse as _, Response};
use axum_extra::extract::CookieJar;

use super::super::authorize;
use super::super::layers::RequestId;
use super::super::me;
use super::super::pages::{Contact, Frame, Page, Reason, Refused as RefusedPage};
use super::{return_query, start};
use crate::app::App;
use crate::directory::refusal::Refusal;
use crate::directory::sign_in;
use crate::federation::{Kind, Refused, Trace};
use crate::metrics::SignIn;
use crate::model::{Actor, Connection, ConnectionId, Purpose, Session, TenantId, TraceId, Unmet};
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
    /// What it was for. Whoever was to prove a login of theirs stays signed in.
    purpose: Purpose,
}

impl Stopped {
    pub(in crate::http) fn new(reason: Reason, request_id: &RequestId) -> Self {
        Self { reason, connection: None, reference: request_id.0.clone(), return_to: None, told: None, purpose: Purpose::SignIn }
    }

    /// What a rule refuses, when it is not for signing in but of logins of somebody who is signed in.
    pub(in crate::http) fn refused(refusal: Refusal, purpose: Purpose, request_id: &RequestId) -> Self {
        Self { purpose, ..Self::new(page_reason(refusal, purpose), request_id) }
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

    /// The same of a sign-in that was for something.
    pub(in crate::http) fn of(self, purpose: Purpose) -> Self {
        Self { purpose, ..self }
    }

    /// The same under the reference of its trace.
    pub(super) fn under(self, reference: TraceId) -> Self {
        Self { reference: reference.to_string(), ..self }
    }

    /// The portal that waits is told, once, if it can do something about it; otherwise there is a page. After a form (`is_posted`) no redirect
    /// leads to the portal.
    pub(in crate::http) async fn into_answer(
        self,
        app: &App,
        jar: &CookieJar,
        session: Option<&Session>,
        is_posted: bool,
    ) -> Response {
        // What was to be proved of the login that the portal has is for the portal to know. Whoever switches is asked by a page of ours.
        let active = session.map(|session| Purpose::Login { login: session.active_login_id });
        if let Some(refusal) = self.told.filter(|_| self.purpose == Purpose::SignIn || active == Some(self.purpose)) {
            match authorize::tell(app, self.return_to.as_deref(), jar, refusal, is_posted).await {
                Ok(Some(response)) => return response,
                Ok(None) => {}
                Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "a portal could not be told"),
            }
        }
        if self.purpose == Purpose::SignIn { self.into_page() } else { self.into_own_page(app, session).await }
    }

    /// The page for somebody who is signed in, and stays so.
    pub(in crate::http) async fn into_own_page(self, app: &App, session: Option<&Session>) -> Response {
        let seen = match session {
            Some(session) => me::seen(&mut app.store.read(session.tenant_id), session, &app.rules).await,
            None => Ok(None),
        };
        let seen = seen.unwrap_or_else(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "who is signed in could not be read");
            None
        });
        let (frame, contact) = seen.map_or_else(Default::default, |seen| (seen.frame, seen.contact));
        self.page(frame, contact)
    }

    pub(in crate::http) fn into_page(self) -> Response {
        self.page(Frame::default(), None)
    }

    fn page(self, frame: Frame, contact: Option<Contact>) -> Response {
        let retry = self.retry(frame.visitor.is_some());
        let (connection, own) =
            self.connection.map_or((None, None), |connection| (Some(connection.name), connection.contact.map(Contact)));
        tracing::info!(reason = ?self.reason, reference = self.reference, "a sign-in was refused");
        let contact = own.or(contact);
        let view = RefusedPage { frame, reason: self.reason, connection, contact, reference: self.reference, retry };
        Page(self.reason.status(), view).into_response()
    }

    /// Where to try again: where the person came from.
    fn retry(&self, is_signed_in: bool) -> String {
        if let (Reason::Unsolicited, Some(connection)) = (self.reason, &self.connection) {
            return start(connection, None);
        }
        let from = match self.purpose {
            Purpose::SignIn => self.return_to.as_deref(),
            Purpose::Test { .. } => Some(self.return_to.as_deref().unwrap_or("/me")),
            Purpose::Login { .. } | Purpose::Link { .. } => Some(self.return_to.as_deref().unwrap_or("/me/logins")),
        };
        match from {
            Some(path) if is_signed_in => path.to_owned(),
            Some(path) => format!("/sign-in?{}", return_query(path)),
            None => "/sign-in".to_owned(),
        }
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
        Kind::Unmet(Unmet::NotFresh) => Reason::NotFresh,
        Kind::Misconfigured | Kind::Untrusted | Kind::Unmet(Unmet::NotSure) => Reason::Untrusted,
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

/// What the page says. To who is signed in, a login that is switched off is one of two.
pub(super) fn page_reason(refusal: Refusal, purpose: Purpose) -> Reason {
    match refusal {
        Refusal::ConnectionOff => Reason::ConnectionOff,
        Refusal::Inactive if purpose != Purpose::SignIn => Reason::LoginOff,
        Refusal::Inactive => Reason::Deactivated,
        Refusal::Gone => Reason::Gone,
        // That an address is no proof of who somebody is belongs into the administrator's trace; here the person is unknown.
        Refusal::Unknown | Refusal::EmailShaped => Reason::Unknown,
        Refusal::Ambiguous => Reason::Ambiguous,
        Refusal::AlreadyBound => Reason::AlreadyBound,
        Refusal::MissingClaim => Reason::MissingClaim,
        Refusal::AssertionUsed => Reason::Replayed,
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
