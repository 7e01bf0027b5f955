//! From a verified identity to a session: load what is known, decide, apply, in one transaction with its events and its trace.

mod begin;
mod create;
mod known;
pub mod trial;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::json;

use self::begin::{Began, begin_session};
use self::create::create;
use self::known::{keep_pair_values, known_for_update};
use super::claims::{self, Claims};
use super::decide::{Decision, Known, Refusal, decide};
use super::linking;
use super::personal::record_personal;
use super::recompute::{RuleBook, recompute_login};
use super::{Caller, Error, Result};
use crate::keys::{HashedToken, Sealer};
use crate::model::{
    Assurance, Authentication, Demand, Event, EventKind, ExternalIdentity, FRESH, LinkProofId, Login, LoginId, MissingClaim,
    Purpose, Session, SessionId, Sid, TraceId,
};
use crate::store::{NewSession, NewTrace, SecondProof, Store, Writer, retry};

pub(super) use begin::switch;
pub(super) use known::matches;

/// The browser that signs in.
#[derive(Clone, Copy, Debug)]
pub struct Browser<'a> {
    /// Digest of the value that its new session cookie will have.
    pub session: &'a HashedToken,
    pub user_agent: &'a str,
    /// Where in the network it is.
    pub address: Option<&'a str>,
    /// How long the session may last at most.
    pub lifetime: chrono::TimeDelta,
    /// The live session that it had, with the digest of that one's cookie.
    pub before: Option<(&'a Session, &'a HashedToken)>,
}

/// What a sign-in works with.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    pub store: &'a Store,
    pub rules: &'a RuleBook,
    /// Seals the keys of persons.
    pub sealer: &'a Sealer,
    pub caller: Caller<'a>,
    pub browser: Browser<'a>,
    /// What it is for.
    pub purpose: Purpose,
    /// What it had to prove, and did.
    pub demand: &'a Demand,
    /// What federation did, redacted, for the trace.
    pub steps: &'a serde_json::Value,
}

/// How a sign-in found its login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Its subject was known.
    Known,
    /// Its binding pair fitted, for the first time.
    Bound,
    /// It was made.
    Created,
}

/// What became of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    SignedIn {
        login: LoginId,
        session: SessionId,
        how: How,
        /// An earlier session of the browser ended with it.
        replaced: bool,
    },
    /// The second login of a link was proved. Nobody was signed in.
    Proved { link: LinkProofId },
    /// Nobody was signed in. The trace's id is the reference number on the page.
    Refused { refusal: Refusal, reference: TraceId },
}

/// Signs a verified identity in, or says why not. Either way it leaves a trace.
///
/// # Errors
/// When the database cannot be asked or written; then nobody was signed in.
pub async fn sign_in(attempt: Attempt<'_>, identity: &ExternalIdentity) -> Result<Outcome> {
    // The loser of a race to bind one subject is decided again, and then finds the subject.
    retry(|| once(attempt, identity)).await
}

async fn once(attempt: Attempt<'_>, identity: &ExternalIdentity) -> Result<Outcome> {
    let mut writer = attempt.store.write(identity.tenant).await?;
    writer.share_rules().await?;
    if !use_up(&mut writer, identity).await? {
        let outcome = refuse(&mut writer, attempt.caller, identity, Refusal::AssertionUsed, attempt.steps).await?;
        writer.commit().await?;
        return Ok(outcome);
    }
    let known = known_for_update(&mut writer, identity).await?;
    let decision = match decide(&known, identity) {
        Decision::Refuse(refusal) => Decision::Refuse(refusal),
        other => intended(&mut writer, attempt, identity, other).await?,
    };
    let outcome = match settle(&mut writer, &known, identity, &decision).await? {
        Ok(claims) => apply(&mut writer, attempt, &known, identity, decision, claims).await?,
        Err(missing) => {
            refuse(&mut writer, attempt.caller, identity, Refusal::MissingClaim, &told(attempt.steps, &missing)).await?
        }
    };
    note_certificate(&mut writer, attempt.caller, identity).await?;
    writer.commit().await?;
    Ok(outcome)
}

/// Uses up the assertion that an identity was read from: it counts once, whatever becomes of the sign-in. Answers false when it was used
/// before. Whoever brings the same one at the same time waits here for the other.
async fn use_up(writer: &mut Writer, identity: &ExternalIdentity) -> Result<bool> {
    let Some(assertion) = &identity.assertion else { return Ok(true) };
    Ok(writer.use_saml_assertion(identity.subject.connection, &assertion.id, assertion.good_until).await?)
}

/// Notes which certificate of the identity provider's is in use. Last in the transaction, because many sign-ins want that row.
async fn note_certificate(writer: &mut Writer, caller: Caller<'_>, identity: &ExternalIdentity) -> Result<()> {
    if let Some(assertion) = &identity.assertion {
        writer.use_certificate(identity.subject.connection, &assertion.certificate, caller.now).await?;
    }
    Ok(())
}

/// The claims of a sign-in as they are kept; or, where the connection refuses that, which are missing.
async fn settle(
    writer: &mut Writer,
    known: &Known,
    identity: &ExternalIdentity,
    decision: &Decision,
) -> Result<Result<Claims, Vec<String>>> {
    let login = match decision {
        Decision::SignIn { login } | Decision::Bind { login } => Some(*login),
        Decision::Create => None,
        Decision::Refuse(_) => return Ok(Ok(Claims::new())),
    };
    if known.connection.missing_claim == MissingClaim::Clear {
        return Ok(Ok(identity.claims.clone()));
    }
    let read = claims::read_by_rules(&writer.rules().await?, known.connection.id);
    settle_read(writer, known, identity, login, &read).await
}

/// The same where it is known which claims rules read.
async fn settle_read(
    writer: &mut Writer,
    known: &Known,
    identity: &ExternalIdentity,
    login: Option<LoginId>,
    read: &BTreeSet<String>,
) -> Result<Result<Claims, Vec<String>>> {
    let connection = &known.connection;
    let mut before = match login {
        Some(login) => writer.claims(login).await?,
        None => BTreeMap::new(),
    };
    let before = before.remove(&connection.id).unwrap_or_default();
    Ok(claims::settle(connection.missing_claim, read, &identity.claims, &before))
}

/// The steps of a sign-in that lacks claims, with the names of these.
fn told(steps: &serde_json::Value, missing: &[String]) -> serde_json::Value {
    let detail = format!("missing_claim: rules of this connection read {}, which did not come", missing.join(", "));
    let mut steps = steps.as_array().cloned().unwrap_or_default();
    steps.push(json!({ "step": "id_token", "outcome": "refused", "detail": detail }));
    steps.into()
}

/// A decision, if it is what the sign-in is for: who has to come as one login does not come as another.
async fn intended(writer: &mut Writer, attempt: Attempt<'_>, identity: &ExternalIdentity, decision: Decision) -> Result<Decision> {
    let login = match decision {
        Decision::SignIn { login } | Decision::Bind { login } => Some(login),
        Decision::Create | Decision::Refuse(_) => None,
    };
    let refusal = match attempt.purpose {
        Purpose::SignIn => None,
        // Nobody comes in by a test; what it comes to is [`trial`]'s.
        Purpose::Test { .. } => Some(Refusal::OtherLogin),
        Purpose::Login { login: asked } => (login != Some(asked)).then_some(Refusal::OtherLogin),
        // Federation has refused it already where it was told to ask anew. That it always is, is not for pages to remember.
        Purpose::Link { .. } if !is_proof(attempt, identity) => Some(Refusal::NotFresh),
        Purpose::Link { link } => {
            let session = attempt.browser.before.map(|(session, _)| session);
            linking::may_prove(writer, link, session, login, attempt.caller.now).await?.err()
        }
    };
    Ok(refusal.map_or(decision, Decision::Refuse))
}

/// When the identity provider asked the person, where it was told to ask anew.
fn proved_at(attempt: Attempt<'_>, identity: &ExternalIdentity) -> Option<DateTime<Utc>> {
    identity.authenticated_at.filter(|_| attempt.demand.is_fresh)
}

fn is_proof(attempt: Attempt<'_>, identity: &ExternalIdentity) -> bool {
    proved_at(attempt, identity).is_some_and(|at| at >= attempt.caller.now - FRESH)
}

async fn apply(
    writer: &mut Writer,
    attempt: Attempt<'_>,
    known: &Known,
    identity: &ExternalIdentity,
    decision: Decision,
    came: Claims,
) -> Result<Outcome> {
    let Attempt { caller, browser, steps, .. } = attempt;
    let connection = &known.connection;
    if let Decision::Refuse(refusal) = decision {
        return refuse(writer, caller, identity, refusal, steps).await;
    }
    let Came { login, how, mut events } = take_in(writer, attempt, known, identity, decision, came).await?;
    let assurance = Assurance::of(connection.second_factor(), identity.acr.as_deref(), &identity.amr);
    let authentication = Authentication {
        connection_id: Some(connection.id),
        authenticated_at: caller.now,
        asserted_at: identity.authenticated_at,
        proved_at: proved_at(attempt, identity),
        upstream_session: identity.upstream_session.clone(),
        acr: Some(assurance.acr.as_str().to_owned()),
        amr: assurance.amr,
        name_id: identity.assertion.as_ref().map(|assertion| assertion.name_id.clone()),
        session_until: identity.session_until,
    };
    let (outcome, trace) = if let Purpose::Link { link } = attempt.purpose {
        let second = SecondProof { subject: identity.subject.clone(), login: login.id, authentication };
        if !writer.prove_link(link, &second, caller.now).await? {
            // It was there a moment ago, in this transaction: another tab has used it.
            return Err(Error::raced());
        }
        let details = json!({ "connection": connection.id, "link": link });
        events.push(caller.event(EventKind::LinkProved, login.id.uuid(), details));
        (Outcome::Proved { link }, "link_proved")
    } else {
        let expires_at = caller.now + browser.lifetime;
        let new = NewSession {
            id: SessionId::new(caller.now),
            sid: Sid::new(caller.now),
            digest: browser.session,
            person_id: login.person_id,
            login_id: login.id,
            user_agent: browser.user_agent,
            address: browser.address,
            authentication: &authentication,
            expires_at: identity.session_until.map_or(expires_at, |until| until.min(expires_at)),
        };
        let Began { session, renewed, replaced } = begin_session(writer, caller, browser, attempt.purpose, &new).await?;
        let details = json!({ "session": session, "connection": connection.id, "renewed": renewed });
        events.push(caller.event(EventKind::SignedIn, login.id.uuid(), details));
        (Outcome::SignedIn { login: login.id, session, how, replaced }, "signed_in")
    };
    writer.record(&events, caller.request_id).await?;
    let trace = NewTrace {
        id: TraceId::new(caller.now),
        connection_id: connection.id,
        outcome: trace,
        login_id: Some(login.id),
        steps: steps.clone(),
    };
    writer.insert_trace(&trace, caller.now, caller.request_id).await?;
    Ok(outcome)
}

/// A login that came, as it is now, and what happened to it.
struct Came {
    login: Login,
    how: How,
    events: Vec<Event>,
}

/// Finds, binds or makes the login of an identity, and keeps what its identity provider says of it.
async fn take_in(
    writer: &mut Writer,
    attempt: Attempt<'_>,
    known: &Known,
    identity: &ExternalIdentity,
    decision: Decision,
    came: Claims,
) -> Result<Came> {
    let Attempt { rules, caller, .. } = attempt;
    let connection = &known.connection;
    let mut events = Vec::new();
    let (login, how) = match decision {
        Decision::Refuse(_) => return Err(Error::raced()),
        Decision::SignIn { login } => (login, How::Known),
        Decision::Bind { login } => {
            writer.insert_subject(login, &identity.subject, caller.now).await?;
            events.push(caller.event(EventKind::LoginBound, login.uuid(), json!({ "connection": connection.id })));
            (login, How::Bound)
        }
        Decision::Create => {
            let (login, person, values) = create(writer, caller, known, identity).await?;
            let details = json!({ "person": person, "connection": connection.id });
            let event = caller.event(EventKind::LoginCreated, login.uuid(), details);
            record_personal(writer, attempt.sealer, &event, person, &values, caller).await?;
            (login, How::Created)
        }
    };
    let mut claims = writer.claims(login).await?;
    claims.insert(connection.id, came);
    writer.record_sign_in(login, &claims, caller.now).await?;
    recompute_login(writer, rules, login, &caller).await?;
    let login = writer.any_login(login).await?.ok_or(Error::NotFound("login"))?.login;
    if login.directory_id.is_none() {
        keep_pair_values(writer, login.id, identity).await?;
    }
    Ok(Came { login, how, events })
}

async fn refuse(
    writer: &mut Writer,
    caller: Caller<'_>,
    identity: &ExternalIdentity,
    refusal: Refusal,
    steps: &serde_json::Value,
) -> Result<Outcome> {
    let reference = TraceId::new(caller.now);
    let connection = identity.subject.connection;
    let trace =
        NewTrace { id: reference, connection_id: connection, outcome: refusal.reason(), login_id: None, steps: steps.clone() };
    writer.insert_trace(&trace, caller.now, caller.request_id).await?;
    let event =
        caller.event(EventKind::SignInRefused, connection.uuid(), json!({ "reason": refusal.reason(), "reference": reference }));
    writer.record(&[event], caller.request_id).await?;
    Ok(Outcome::Refused { refusal, reference })
}

/// Leaves the trace of a sign-in that federation refused before there was an identity. Answers the reference number.
///
/// # Errors
/// When the database cannot be written.
pub async fn record_failure(
    store: &Store,
    tenant: crate::model::TenantId,
    caller: Caller<'_>,
    connection: crate::model::ConnectionId,
    reason: &str,
    steps: &serde_json::Value,
) -> Result<TraceId> {
    let reference = TraceId::new(caller.now);
    let mut writer = store.write(tenant).await?;
    let trace = NewTrace { id: reference, connection_id: connection, outcome: reason, login_id: None, steps: steps.clone() };
    writer.insert_trace(&trace, caller.now, caller.request_id).await?;
    let event = caller.event(EventKind::SignInRefused, connection.uuid(), json!({ "reason": reason, "reference": reference }));
    writer.record(&[event], caller.request_id).await?;
    writer.commit().await?;
    Ok(reference)
}
