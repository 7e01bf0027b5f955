//! What a sign-in would come to, for the administrator who tests a connection: nobody is signed in, nothing is bound, no role is given.
//!
//! The assertion is used up all the same, and the test leaves its event and its trace.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{How, known_for_update, note_certificate, settle_read, use_up};
use crate::directory::claims::{self, Claims};
use crate::directory::decide::{Decision, Refusal, decide};
use crate::directory::mapping::wanted;
use crate::directory::recompute::RuleBook;
use crate::directory::tree::Tree;
use crate::directory::{Caller, Result};
use crate::model::{Connection, ConnectionId, ConnectionState, EventKind, ExternalIdentity, LoginId, Rule, TenantId, TraceId};
use crate::store::{FactsRow, NewTrace, Store, Writer, retry};

/// What a sign-in would come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The login that it would sign in, and how; or the rule that refuses it. Of a login that would be made there is no user name.
    pub outcome: std::result::Result<(How, Option<String>), Refusal>,
    /// Claims that rules of the connection read, and that did not come.
    pub missing: Vec<String>,
    /// What the rules would give.
    pub gives: Vec<Gives>,
    /// The reference number of the trace.
    pub reference: TraceId,
}

/// A role at an account, and the rule that gives it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gives {
    /// By its path.
    pub account: String,
    /// Its key.
    pub role: String,
    /// By its name.
    pub rule: String,
}

/// Finds out what a verified identity would come to if its connection were on.
///
/// # Errors
/// When the database cannot be asked or written.
pub async fn try_out(
    store: &Store,
    rules: &RuleBook,
    caller: Caller<'_>,
    identity: &ExternalIdentity,
    steps: &serde_json::Value,
) -> Result<Trial> {
    retry(|| async {
        let mut writer = store.write(identity.tenant).await?;
        writer.share_rules().await?;
        let reference = TraceId::new(caller.now);
        let is_new = use_up(&mut writer, identity).await?;
        let trial = if is_new {
            look(&mut writer, rules, identity, reference).await?
        } else {
            Trial { outcome: Err(Refusal::AssertionUsed), missing: Vec::new(), gives: Vec::new(), reference }
        };
        let came_to = match &trial.outcome {
            Ok((How::Known, _)) => "known",
            Ok((How::Bound, _)) => "bound",
            Ok((How::Created, _)) => "created",
            Err(refusal) => refusal.reason(),
        };
        record(&mut writer, caller, identity.subject.connection, reference, came_to, steps).await?;
        note_certificate(&mut writer, caller, identity).await?;
        writer.commit().await?;
        Ok(trial)
    })
    .await
}

async fn look(writer: &mut Writer, rules: &RuleBook, identity: &ExternalIdentity, reference: TraceId) -> Result<Trial> {
    let mut known = known_for_update(writer, identity).await?;
    // A draft is tested before anybody signs in by it.
    known.connection = Connection { state: ConnectionState::Enabled, ..known.connection };
    let (outcome, login) = match decide(&known, identity) {
        Decision::SignIn { login } => (Ok(How::Known), Some(login)),
        Decision::Bind { login } => (Ok(How::Bound), Some(login)),
        Decision::Create => (Ok(How::Created), None),
        Decision::Refuse(refusal) => (Err(refusal), None),
    };
    let all = writer.rules().await?;
    let read = claims::read_by_rules(&all, known.connection.id);
    let missing = read.iter().filter(|claim| !identity.claims.contains_key(*claim)).cloned().collect();
    let (outcome, came) = match (outcome, settle_read(writer, &known, identity, login, &read).await?) {
        (Ok(how), Ok(came)) => {
            let name = match login {
                Some(login) => writer.any_login(login).await?.map(|row| row.login.user_name),
                None => None,
            };
            (Ok((how, name)), came)
        }
        (Ok(_), Err(_)) => (Err(Refusal::MissingClaim), Claims::new()),
        (Err(refusal), _) => (Err(refusal), Claims::new()),
    };
    let gives = if outcome.is_ok() { gives(writer, (rules, all), identity, login, came).await? } else { Vec::new() };
    Ok(Trial { outcome, missing, gives, reference })
}

/// What the rules would give to a login with these claims, or to one that would be made.
async fn gives(
    writer: &mut Writer,
    (book, rules): (&RuleBook, Vec<Rule>),
    identity: &ExternalIdentity,
    login: Option<LoginId>,
    came: Claims,
) -> Result<Vec<Gives>> {
    let known = match login {
        Some(login) => writer.facts(&[login]).await?.pop(),
        None => None,
    };
    let mut facts = known.unwrap_or_else(|| FactsRow {
        login_id: LoginId::from_uuid(uuid::Uuid::nil()),
        directory_id: None,
        active: true,
        search: json!({}),
        claims: BTreeMap::new(),
        groups: Vec::new(),
    });
    facts.claims.insert(identity.subject.connection, came);
    let names: BTreeMap<_, _> = rules.into_iter().map(|rule| (rule.id, rule.name)).collect();
    let tree = Tree::new(writer.accounts().await?);
    let compiled = book.rules(writer).await?;
    let gives: BTreeSet<_> = wanted(&compiled, &facts)
        .into_iter()
        .map(|wanted| Gives {
            account: tree.path(wanted.account),
            role: wanted.role,
            rule: names.get(&wanted.rule).cloned().unwrap_or_default(),
        })
        .collect();
    Ok(gives.into_iter().collect())
}

/// Leaves the event and the trace of a test whose answer federation refused. Answers the reference number.
///
/// # Errors
/// When the database cannot be written.
pub async fn record_refused(
    store: &Store,
    tenant: TenantId,
    caller: Caller<'_>,
    connection: ConnectionId,
    reason: &str,
    steps: &serde_json::Value,
) -> Result<TraceId> {
    let reference = TraceId::new(caller.now);
    let mut writer = store.write(tenant).await?;
    record(&mut writer, caller, connection, reference, reason, steps).await?;
    writer.commit().await?;
    Ok(reference)
}

async fn record(
    writer: &mut Writer,
    caller: Caller<'_>,
    connection: ConnectionId,
    reference: TraceId,
    came_to: &str,
    steps: &serde_json::Value,
) -> Result<()> {
    let new = NewTrace { id: reference, connection_id: connection, outcome: "tested", login_id: None, steps: steps.clone() };
    writer.insert_trace(&new, caller.now, caller.request_id).await?;
    let details = json!({ "reference": reference, "came_to": came_to });
    let event = caller.event(EventKind::ConnectionTested, connection.uuid(), details);
    Ok(writer.record(&[event], caller.request_id).await?)
}
