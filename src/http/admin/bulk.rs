//! Many roles at once, and what somebody who leaves hands over.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::asker::{Asker, Body};
use super::problem::Problem;
use super::roles::assignments;
use crate::app::App;
use crate::directory::access::Permission;
use crate::directory::assignments::{Batch, Gift, Handover};
use crate::http::layers::RequestId;
use crate::model::{AccountId, AssignmentId, LoginId};

/// The body of `POST /accounts/{account}/assignments/bulk`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    #[serde(default)]
    assignments: Vec<One>,
    #[serde(default)]
    take: Vec<AssignmentId>,
    reason: Option<String>,
}

/// One of those that are given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    login: LoginId,
    role: String,
    service: Option<String>,
    instance: Option<String>,
    reason: Option<String>,
}

/// `POST /accounts/{account}/assignments/bulk`: takes and gives roles, all or none of them.
pub(super) async fn change(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(account): Path<String>,
    Body(change): Body<Change>,
) -> Result<Body<Value>, Problem> {
    let account = asker.account(&account, Permission::ViewPeople)?;
    let Change { assignments: wanted, take, reason } = change;
    let give = wanted
        .into_iter()
        .map(|One { login, role, service, instance, reason: own }| Gift {
            login,
            account,
            role,
            service,
            instance,
            reason: own.or_else(|| reason.clone()),
        })
        .collect();
    let done = assignments(&app, &asker, &id)?.batch(account, &Batch { take, reason, give }).await?;
    let given = done.given.iter().map(|(assignment, is_new)| json!({ "outcome": outcome(*is_new), "assignment": assignment }));
    Ok(Body(json!({ "given": given.collect::<Vec<_>>(), "taken": done.taken })))
}

/// The body of `POST /logins/{login}/reassign`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reassign {
    to: LoginId,
    accounts: Option<BTreeSet<AccountId>>,
    roles: Option<BTreeSet<String>>,
    reason: Option<String>,
}

/// `POST /logins/{login}/reassign`: hands over the services that somebody looks after.
pub(super) async fn reassign(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(login): Path<String>,
    Body(wanted): Body<Reassign>,
) -> Result<Body<Value>, Problem> {
    let assignments = assignments(&app, &asker, &id)?;
    let from: LoginId = login.parse().map_err(|_| Problem::not_found())?;
    let Reassign { to, accounts, roles, reason } = wanted;
    let done = assignments.reassign(&Handover { from, to, accounts, roles, reason }).await?;
    let moved = done
        .moved
        .iter()
        .map(|(before, after, is_new)| json!({ "before": before, "outcome": outcome(*is_new), "assignment": after }));
    let stays = done.stays.iter().map(|(held, why)| json!({ "assignment": held, "because": why.as_str() }));
    Ok(Body(json!({ "moved": moved.collect::<Vec<_>>(), "stays": stays.collect::<Vec<_>>() })))
}

fn outcome(is_new: bool) -> &'static str {
    if is_new { "given" } else { "unchanged" }
}
