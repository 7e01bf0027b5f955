//! `POST /admin/connections/{connection}/test`: an administrator signs in to see what that would come to. Nobody is signed in by it.
//!
//! The report shows what the identity provider says of that person, so that only they see it, in the session from which they began, while
//! they may manage the connection. It is rendered once and kept nowhere; the trace that is kept holds no values.

use axum::response::{IntoResponse as _, Response};
use axum_extra::extract::CookieJar;
use http::StatusCode;

use super::super::connections::{At, place};
use super::super::console::{Desk, capitalised};
use super::super::layers::{RequestId, no_such_page};
use super::super::me;
use super::super::pages::{CameTo, ConnectionTest, Found, Frame, GivenRole, Page, Reason, TestStep};
use super::depart::{Errand, depart};
use super::stopped::{Stopped, page_reason};
use crate::app::App;
use crate::directory::refusal::Refusal;
use crate::directory::sign_in::How;
use crate::directory::sign_in::trial::{Trial, record_refused, try_out};
use crate::directory::{self, Error};
use crate::federation::{Outcome, Refused, Trace};
use crate::metrics::SignIn;
use crate::model::{
    Actor, Connection, ConnectionState, Demand, ExternalIdentity, LoginId, Purpose, Session, SubjectKind, TenantId,
};

/// What came of a test.
pub(super) struct Report {
    connection: Connection,
    trace: Trace,
    found: Option<Found>,
    reference: String,
}

/// Sends an administrator to the identity provider of a connection, which may be a draft.
pub(in crate::http) async fn begin(at: At, jar: CookieJar) -> Response {
    let Desk { app, session, request_id, .. } = &at.desk;
    let place = place(at.connection);
    let stopped = match manages(&at).await {
        Ok(true) => {
            let purpose = Purpose::Test { login: session.active_login_id };
            let errand = Errand { purpose, demand: &Demand::default(), return_to: Some(&place) };
            match depart(app, at.connection, errand, request_id, jar).await {
                Ok(Some((jar, departure))) => {
                    let frame = frame(app, Some(session)).await;
                    return (jar, departure.after_a_form(frame)).into_response();
                }
                Ok(None) => return no_such_page().await,
                Err(stopped) => stopped.of(purpose),
            }
        }
        Ok(false) => return no_such_page().await,
        Err(error) => Stopped::internal(&error, request_id),
    };
    stopped.returning(Some(&place)).into_own_page(app, Some(session)).await
}

/// Whether somebody may manage a connection, and so test it.
async fn manages(at: &At) -> directory::Result<bool> {
    match at.connections().may_change(at.connection).await {
        Ok(()) => Ok(true),
        Err(Error::NotFound(_) | Error::Forbidden(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether whoever comes back is the administrator who began the test, and still one.
pub(super) async fn may_see(
    app: &App,
    connection: &Connection,
    login: LoginId,
    session: Option<&Session>,
    request_id: &RequestId,
) -> Result<(), Stopped> {
    let expired = || Stopped::new(Reason::Expired, request_id).at(connection);
    let Some(session) = session.filter(|session| session.active_login_id == login) else { return Err(expired()) };
    let manages = async {
        match Desk::of(app, session, request_id).await? {
            Some(desk) => manages(&At { desk, connection: connection.id }).await,
            None => Ok(false),
        }
    };
    match manages.await {
        Ok(true) => Ok(()),
        Ok(false) => Err(expired()),
        Err(error) => Err(Stopped::internal(&error, request_id)),
    }
}

/// The report of a test whose answer was accepted.
pub(super) async fn accepted(
    app: &App,
    connection: Connection,
    login: LoginId,
    identity: &ExternalIdentity,
    trace: Trace,
    request_id: &RequestId,
) -> Result<Report, Stopped> {
    let steps = serde_json::to_value(&trace).unwrap_or_default();
    let caller = request_id.caller(app, Actor::Login { login });
    let trial = try_out(&app.store, &app.rules, caller, identity, &steps).await;
    let trial = trial.map_err(|error| Stopped::internal(&error, request_id))?;
    app.metrics.sign_in(SignIn::Tested);
    if trial.outcome == Err(Refusal::AssertionUsed) {
        let stopped = Stopped::new(page_reason(Refusal::AssertionUsed, Purpose::SignIn), request_id).at(&connection);
        return Err(stopped.under(trial.reference));
    }
    Ok(Report { connection, trace, reference: trial.reference.to_string(), found: Some(found(identity, trial)) })
}

/// The report of a test whose answer was refused.
pub(super) async fn refused(
    app: &App,
    tenant: TenantId,
    connection: Connection,
    login: LoginId,
    refused: &Refused,
    trace: Trace,
    request_id: &RequestId,
) -> Report {
    tracing::info!(reason = refused.reason(), error = refused as &dyn std::error::Error, "the test of a connection failed");
    app.metrics.sign_in(SignIn::Tested);
    let steps = serde_json::to_value(&trace).unwrap_or_default();
    let caller = request_id.caller(app, Actor::Login { login });
    let reference = match record_refused(&app.store, tenant, caller, connection.id, refused.reason(), &steps).await {
        Ok(reference) => reference.to_string(),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the trace of a test could not be written");
            request_id.0.clone()
        }
    };
    Report { connection, trace, found: None, reference }
}

fn found(identity: &ExternalIdentity, trial: Trial) -> Found {
    let subject_from = match identity.subject.kind {
        SubjectKind::Sub => "sub",
        SubjectKind::NameId => "NameID",
        SubjectKind::Attribute => "a mapped attribute",
    };
    let claims = identity.claims.iter().map(|(name, values)| (name.clone(), values.clone()));
    let came_to = match trial.outcome {
        Ok((How::Known, name)) => CameTo::Known(name.unwrap_or_default()),
        Ok((How::Bound, name)) => CameTo::Bound(name.unwrap_or_default()),
        Ok((How::Created, _)) => CameTo::Created,
        Err(refusal) => CameTo::Refused(refusal.reason(), words(refusal)),
    };
    Found {
        subject: identity.subject.value.clone(),
        subject_from: subject_from.to_owned(),
        certificate: identity.assertion.as_ref().map(|assertion| assertion.certificate.clone()),
        authenticated_at: identity.authenticated_at,
        acr: identity.acr.clone(),
        amr: identity.amr.clone(),
        session_until: identity.session_until,
        claims: claims.collect(),
        missing: trial.missing,
        came_to,
        roles: trial
            .gives
            .into_iter()
            .map(|gives| GivenRole { role: gives.role, account: gives.account, rule: gives.rule })
            .collect(),
    }
}

/// Why a sign-in would be refused, for an administrator.
const fn words(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Unknown => "nobody provisioned this person, and the connection makes no logins for strangers.",
        Refusal::Inactive => "the login, or its person, is deactivated.",
        Refusal::Gone => "the login was deleted; only its directory or an administrator can bring it back.",
        Refusal::Ambiguous => "the binding pair fits several logins.",
        Refusal::AlreadyBound => "the login that the binding pair names belongs to another subject already.",
        Refusal::EmailShaped => "the value of the binding pair is an address, which names a mailbox and not a person.",
        Refusal::MissingClaim => "a claim that rules read did not come, and the connection refuses such sign-ins.",
        _ => "see the documentation for this name.",
    }
}

/// The page of a report.
pub(super) async fn show(app: &App, session: Option<&Session>, report: Report) -> Response {
    let steps = report.trace.entries().iter().map(|entry| TestStep {
        name: capitalised(&entry.step.as_str().replace('_', " ")),
        is_ok: entry.outcome == Outcome::Ok,
        is_refused: entry.outcome == Outcome::Refused,
        detail: entry.detail.clone(),
    });
    let view = ConnectionTest {
        frame: frame(app, session).await,
        back: place(report.connection.id),
        is_enabled: report.connection.state == ConnectionState::Enabled,
        connection: report.connection.name,
        steps: steps.collect(),
        found: report.found,
        reference: report.reference,
    };
    Page(StatusCode::OK, view).into_response()
}

/// What surrounds a page. It is not refused because that could not be read.
async fn frame(app: &App, session: Option<&Session>) -> Frame {
    let Some(session) = session else { return Frame::default() };
    let seen = me::seen(&mut app.store.read(session.tenant_id), session, &app.rules).await;
    seen.ok().flatten().map(|seen| seen.frame).unwrap_or_default()
}
