//! From a verified identity to a session: load what is known, decide, apply, in one transaction with its events and its trace.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::claims::{self, Claims};
use super::decide::{Decision, Known, Pair, Refusal, decide};
use super::ending::{Reason, end_one};
use super::personal::record_personal;
use super::recompute::{RuleBook, recompute_login};
use super::{Caller, Error, Result};
use crate::keys::{HashedToken, Sealer};
use crate::model::{
    Assurance, Binding, EventKind, ExternalIdentity, Login, LoginId, LoginKind, MissingClaim, PairValue, PersonId, SUBJECT_CLAIM,
    Session, SessionId, Sid, Slot, TraceId,
};
use crate::scim::fold::{FOLDING_VERSION, fold};
use crate::scim::schema::ResourceKind;
use crate::scim::{Object, Value, search_form};
use crate::store::{self, KnownLogin, LoginDocument, NewLogin, NewSession, NewTrace, PairAttribute, Store, Writer, retry};

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
    let known = known_for_update(&mut writer, identity).await?;
    let decision = decide(&known, identity);
    let outcome = match settle(&mut writer, &known, identity, &decision).await? {
        Ok(claims) => apply(&mut writer, attempt, &known, identity, decision, claims).await?,
        Err(missing) => {
            refuse(&mut writer, attempt.caller, identity, Refusal::MissingClaim, &told(attempt.steps, &missing)).await?
        }
    };
    writer.commit().await?;
    Ok(outcome)
}

/// The claims of a sign-in as they are kept; or, where the connection refuses that, which are missing.
async fn settle(
    writer: &mut Writer,
    known: &Known,
    identity: &ExternalIdentity,
    decision: &Decision,
) -> Result<Result<Claims, Vec<String>>> {
    let connection = &known.connection;
    let login = match decision {
        Decision::SignIn { login } | Decision::Bind { login } => Some(*login),
        Decision::Create => None,
        Decision::Refuse(_) => return Ok(Ok(Claims::new())),
    };
    if connection.missing_claim == MissingClaim::Clear {
        return Ok(Ok(identity.claims.clone()));
    }
    let read = claims::read_by_rules(&writer.rules().await?, connection.id);
    let mut before = match login {
        Some(login) => writer.claims(login).await?,
        None => BTreeMap::new(),
    };
    let before = before.remove(&connection.id).unwrap_or_default();
    Ok(claims::settle(connection.missing_claim, &read, &identity.claims, &before))
}

/// The steps of a sign-in that lacks claims, with the names of these.
fn told(steps: &serde_json::Value, missing: &[String]) -> serde_json::Value {
    let detail = format!("missing_claim: rules of this connection read {}, which did not come", missing.join(", "));
    let mut steps = steps.as_array().cloned().unwrap_or_default();
    steps.push(json!({ "step": "id_token", "outcome": "refused", "detail": detail }));
    steps.into()
}

async fn known_for_update(writer: &mut Writer, identity: &ExternalIdentity) -> Result<Known> {
    let subject = &identity.subject;
    let connection = writer.connection(subject.connection).await?.ok_or(Error::NotFound("connection"))?;
    let known = |by_subject| Known { connection, by_subject, subject_gone: false, pair_gone: false, pairs: Vec::new() };
    if let Some(login) = writer.login_of_subject(subject).await? {
        return Ok(known(Some(login)));
    }
    let bindings = writer.bindings_of_connection(subject.connection).await?;
    let values = values_of(&bindings, identity);
    // From here on nobody else signs in for the first time with these values, and no directory pushes them.
    writer.lock_pairs(&values).await?;
    let mut pairs = pairs_of(writer, &bindings, identity, &values).await?;
    // That took the logins, and both may have waited for whoever held them. What they left behind, a subject that they bound among
    // it, only statements that begin afterwards see (PostgreSQL's read committed).
    if let Some(login) = writer.login_of_subject(subject).await? {
        return Ok(known(Some(login)));
    }
    if pairs.iter().any(|pair| !pair.matches.is_empty()) {
        pairs = pairs_of(writer, &bindings, identity, &values).await?;
    }
    let subject_gone = writer.is_subject_tombstoned(subject).await?;
    let pair_gone = writer.is_pair_tombstoned(&values).await?;
    Ok(Known { subject_gone, pair_gone, pairs, ..known(None) })
}

/// What the identity says of a binding pair's claim.
fn value_of(binding: &Binding, identity: &ExternalIdentity) -> Option<PairValue> {
    binding.pair_with(identity.claim(&binding.claim)?)
}

/// All values by which the identity may find a login: those of the binding pairs, and its subject, for which logins that were made by hand
/// wait where no directory is joined.
fn values_of(bindings: &[Binding], identity: &ExternalIdentity) -> Vec<PairValue> {
    let mut values: BTreeSet<_> = bindings.iter().filter_map(|binding| value_of(binding, identity)).collect();
    let connection = identity.subject.connection;
    values.extend(identity.claim(SUBJECT_CLAIM).and_then(|value| PairValue::new(connection, SUBJECT_CLAIM, value)));
    values.into_iter().collect()
}

/// What each binding pair finds, and which logins were made by hand for one of the values; the logins are taken for update.
async fn pairs_of(
    writer: &mut Writer,
    bindings: &[Binding],
    identity: &ExternalIdentity,
    values: &[PairValue],
) -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for binding in bindings {
        let value = value_of(binding, identity);
        let matches = match &value {
            Some(pair) => matches(writer, binding, &pair.value).await?,
            None => Vec::new(),
        };
        pairs.push(Pair { value, matches, by_hand: false });
    }
    for value in values {
        if let Some(login) = writer.login_expected(value).await? {
            pairs.push(Pair { value: Some(value.clone()), matches: vec![login], by_hand: true });
        }
    }
    Ok(pairs)
}

pub(super) async fn matches(writer: &mut Writer, binding: &Binding, value: &str) -> Result<Vec<KnownLogin>> {
    let key = fold(value);
    let attribute = match binding.attribute.as_str() {
        "externalId" => PairAttribute::ExternalId(value),
        _ => PairAttribute::UserName { key: &key, value },
    };
    Ok(writer.logins_of_pair(binding.directory_id, attribute, binding.connection_id).await?)
}

/// Keeps what the sign-in proved of a login that no directory has, so that a directory which is joined can adopt it.
async fn keep_pair_values(writer: &mut Writer, login: LoginId, identity: &ExternalIdentity) -> Result<()> {
    let bindings = writer.bindings_of_connection(identity.subject.connection).await?;
    let proved: BTreeSet<_> = bindings.iter().filter_map(|binding| value_of(binding, identity)).collect();
    let proved: Vec<_> = proved.into_iter().filter(|pair| !pair.is_email_shaped()).collect();
    Ok(writer.keep_pair_values(login, &proved).await?)
}

async fn apply(
    writer: &mut Writer,
    attempt: Attempt<'_>,
    known: &Known,
    identity: &ExternalIdentity,
    decision: Decision,
    came: Claims,
) -> Result<Outcome> {
    let Attempt { rules, caller, browser, steps, .. } = attempt;
    let connection = &known.connection;
    let mut events = Vec::new();
    let (login, how) = match decision {
        Decision::Refuse(refusal) => return refuse(writer, caller, identity, refusal, steps).await,
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
    let Login { person_id: person, directory_id: directory, .. } =
        writer.any_login(login).await?.ok_or(Error::NotFound("login"))?.login;
    if directory.is_none() {
        keep_pair_values(writer, login, identity).await?;
    }
    let assurance = Assurance::of(&connection.settings.second_factor, identity.acr.as_deref(), &identity.amr);
    let new = NewSession {
        id: SessionId::new(caller.now),
        sid: Sid::new(caller.now),
        digest: browser.session,
        person_id: person,
        login_id: login,
        connection_id: connection.id,
        user_agent: browser.user_agent,
        address: browser.address,
        asserted_at: identity.authenticated_at,
        upstream_session: identity.upstream_session.as_deref(),
        acr: Some(assurance.acr.as_str()),
        amr: &assurance.amr,
        expires_at: caller.now + browser.lifetime,
    };
    let Began { session, renewed, replaced } = begin_session(writer, caller, browser, &new).await?;
    let details = json!({ "session": session, "connection": connection.id, "renewed": renewed });
    events.push(caller.event(EventKind::SignedIn, login.uuid(), details));
    writer.record(&events, caller.request_id).await?;
    let trace = NewTrace {
        id: TraceId::new(caller.now),
        connection_id: connection.id,
        outcome: "signed_in",
        login_id: Some(login),
        steps: steps.clone(),
    };
    writer.insert_trace(&trace, caller.now, caller.request_id).await?;
    Ok(Outcome::SignedIn { login, session, how, replaced })
}

/// What became of the session of a browser in which somebody signed in.
struct Began {
    session: SessionId,
    /// It is the one that the browser had.
    renewed: bool,
    /// The one that it had is over.
    replaced: bool,
}

/// Begins the session of a sign-in (R10, O05). The login that is signed in already keeps its session, and portals with it, but by another
/// cookie than before; what another login had in this browser ends.
async fn begin_session(writer: &mut Writer, caller: Caller<'_>, browser: Browser<'_>, new: &NewSession<'_>) -> Result<Began> {
    // The session of another tenant is behind the wall; whoever called ends it.
    let before = browser.before.filter(|(session, _)| session.tenant_id == writer.tenant());
    if let Some((session, digest)) = before {
        let is_same = session.active_login_id == new.login_id;
        if is_same && writer.renew_session(session.id, digest, new, caller.now).await? {
            return Ok(Began { session: session.id, renewed: true, replaced: false });
        }
        end_one(writer, caller, session.id, session.active_login_id, Reason::Replaced).await?;
    }
    writer.insert_session(new, caller.now).await?;
    Ok(Began { session: new.id, renewed: false, replaced: before.is_some() })
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

/// Just-in-time provisioning: a login of the connection itself, named by its subject.
/// Answers who was made, and their values.
async fn create(
    writer: &mut Writer,
    caller: Caller<'_>,
    known: &Known,
    identity: &ExternalIdentity,
) -> Result<(LoginId, PersonId, serde_json::Value)> {
    let connection = &known.connection;
    let (id, person_id) = (LoginId::new(caller.now), PersonId::new(caller.now));
    // Subjects differ byte for byte, user names when they are folded, so two people of one identity provider may clash.
    let named = identity.subject.value.clone();
    let is_taken = writer.is_user_name_taken(connection.id.uuid(), &fold(&named)).await?;
    let user_name = if is_taken { format!("{named} ({id})") } else { named };
    let mut attributes = Object::new();
    attributes.insert("userName", user_name.as_str());
    attributes.insert("active", true);
    if let Some(name) = identity.claim("name") {
        attributes.insert("displayName", name);
    }
    let document = LoginDocument {
        user_name_key: fold(&user_name),
        user_name,
        folding: FOLDING_VERSION,
        external_id: None,
        active: true,
        search: search_form(ResourceKind::User, &attributes).into(),
        scim: Value::Object(attributes).into(),
        emails: Vec::new(),
    };
    writer.insert_person(person_id, caller.now).await?;
    let new = NewLogin {
        id,
        person_id,
        slot: Slot::One,
        kind: LoginKind::Byoi,
        directory_id: None,
        connection_id: Some(connection.id),
        home_account_id: connection.home_account_id,
        namespace: connection.id.uuid(),
        document: &document,
    };
    writer.insert_login(&new, caller.now).await.map_err(|error| match error.into() {
        // Somebody took the name since: most likely the same person in another browser, whose subject is then known.
        Error::UserNameTaken => store::Error::Raced.into(),
        other => other,
    })?;
    writer.insert_subject(id, &identity.subject, caller.now).await?;
    Ok((id, person_id, json!({ "after": document.scim })))
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
