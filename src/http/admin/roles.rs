//! Which roles there are on an account, who was given them, and why somebody holds one.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum_extra::extract::Query;
use axum_extra::extract::QueryRejection;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::approvals::told;
use super::asker::{Asker, Body};
use super::problem::Problem;
use crate::app::App;
use crate::directory::access::{Permission, Reach};
use crate::directory::assignments::{Assignments, Gift, Given};
use crate::directory::effective::{Cause, EffectiveRole};
use crate::directory::{RuleBook, counting_assignments, mapping};
use crate::http::layers::RequestId;
use crate::model::{AccountId, Assignment, AssignmentId, AssignmentSource, LoginId, Rule, RuleId, RuleOrigin};
use crate::store::Reader;

/// `GET /accounts/{account}/roles`: those that can be given there, and whether who asks may.
pub(super) async fn list(asker: Asker, Path(account): Path<String>) -> Result<Body<Value>, Problem> {
    let id = asker.account(&account, Permission::ViewPeople)?;
    let reach = asker.reach()?;
    let items: Vec<_> = reach
        .available(id)
        .map(|role| {
            let mut item = json!(role);
            item["exclusive_set"] = json!(reach.catalogue().set_of(&role.key).map(|set| &set.key));
            item["assignable"] = reach.may_assign(&role.key, id).into();
            item
        })
        .collect();
    Ok(Body(json!({ "items": items })))
}

/// The body of `POST /accounts/{account}/assignments`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Give {
    login: LoginId,
    role: String,
    service: Option<String>,
    instance: Option<String>,
    reason: Option<String>,
}

/// `POST /accounts/{account}/assignments`: gives a role by hand, or asks for it where a policy wants an approval.
pub(super) async fn give(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(account): Path<String>,
    Body(new): Body<Give>,
) -> Result<(StatusCode, Body<Value>), Problem> {
    let account = asker.account(&account, Permission::ViewPeople)?;
    let Give { login, role, service, instance, reason } = new;
    let gift = Gift { login, account, role, service, instance, reason };
    match assignments(&app, &asker, &id)?.give(&gift).await? {
        Given::Given(given) => Ok((StatusCode::CREATED, Body(json!(given)))),
        Given::Waits(shown) => Ok((StatusCode::ACCEPTED, Body(told(&shown, asker.reach()?)))),
    }
}

/// Why a role is taken.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    reason: Option<String>,
}

/// `DELETE /assignments/{assignment}`: takes a role that a hand gave.
pub(super) async fn take(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(assignment): Path<String>,
    reason: Result<Query<Reason>, QueryRejection>,
) -> Result<StatusCode, Problem> {
    let Query(Reason { reason }) = reason.map_err(|_| Problem::invalid("there is the parameter reason"))?;
    let assignments = assignments(&app, &asker, &id)?;
    let assignment: AssignmentId = assignment.parse().map_err(|_| Problem::not_found())?;
    assignments.take(assignment, reason.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn assignments<'a>(app: &'a App, asker: &'a Asker, id: &'a RequestId) -> Result<Assignments<'a>, Problem> {
    let (reach, by) = (asker.reach_for(Permission::AssignRoles)?, asker.hand()?);
    Ok(Assignments {
        store: &app.store,
        tenant: asker.tenant(),
        by,
        reach,
        rules: &app.rules,
        sealer: &app.sealer,
        caller: id.caller(app, asker.actor()),
    })
}

/// `GET /logins/{login}/roles`: what somebody holds on each account that who asks may see people of, and why.
pub(super) async fn why(State(app): State<App>, asker: Asker, Path(login): Path<String>) -> Result<Body<Value>, Problem> {
    let own = asker.reach_for(Permission::ViewPeople)?;
    let login: LoginId = login.parse().map_err(|_| Problem::not_found())?;
    let mut reader = app.store.read(asker.tenant());
    let row = reader.any_login(login).await?.ok_or_else(Problem::not_found)?;
    let accounts = accounts_of(&mut reader, &app.rules, own, login).await?;
    // Somebody with nothing to see here, and whose home is elsewhere, is nobody.
    if accounts.is_empty() && !own.allows(Permission::ViewPeople, row.login.home_account_id) {
        return Err(Problem::not_found());
    }
    Ok(Body(json!({ "login": login, "active": row.login.is_usable(), "accounts": accounts })))
}

/// What a login holds on each account that who asks may see people of, and why.
pub(super) async fn accounts_of(reader: &mut Reader, rules: &RuleBook, own: &Reach, login: LoginId) -> Result<Vec<Value>, Problem> {
    let theirs = counting_assignments(reader, rules, login).await?;
    let facts = reader.facts(&[login]).await?.pop();
    let given = theirs.iter().filter(|given| given.source == AssignmentSource::Rule);
    let rules: Vec<_> = given.map(|given| RuleId::from_uuid(given.source_id)).collect();
    let explained = |rule: Rule| {
        let evidence = facts.as_ref().map(|facts| mapping::evidence(&rule, facts)).unwrap_or_default();
        (rule.id, Explained { rule, evidence })
    };
    let rules: BTreeMap<_, _> = reader.rules_among(&rules).await?.into_iter().map(explained).collect();
    let mut accounts = Vec::new();
    for account in own.tree().downwards().into_iter().filter(|account| own.allows(Permission::ViewPeople, account.id)) {
        let roles: Vec<_> = own.roles_of(account.id, &theirs).iter().map(|held| shown(held, &rules)).collect();
        if !roles.is_empty() {
            let (path, name) = (own.tree().path(account.id), &account.name);
            accounts.push(json!({ "account": account.id, "path": path, "name": name, "roles": roles }));
        }
    }
    Ok(accounts)
}

/// A rule, and what of somebody's facts fulfils it.
struct Explained {
    rule: Rule,
    evidence: Vec<String>,
}

fn shown(held: &EffectiveRole<'_>, rules: &BTreeMap<RuleId, Explained>) -> Value {
    json!({
        "role": held.role.key,
        "name": held.role.name,
        "service": held.service,
        "instance": held.instance,
        "counts": held.counts(),
        "shadowed_by": held.shadowed_by,
        "step_up": held.role.step_up,
        "causes": held.causes.iter().map(|cause| because(cause, rules)).collect::<Vec<_>>(),
    })
}

/// One cause: what was given, where and when, and the rule with what of the facts fulfils it.
fn because(cause: &Cause<'_>, rules: &BTreeMap<RuleId, Explained>) -> Value {
    let Assignment { id, account_id, role, source, source_id, granted_at, .. } = cause.assignment;
    let mut told = json!({
        "assignment": id,
        "account": account_id as &AccountId,
        "role": role,
        "included_by": cause.included_by,
        "source": source,
        "since": granted_at,
    });
    match source {
        AssignmentSource::Rule => {
            if let Some(Explained { rule, evidence }) = rules.get(&RuleId::from_uuid(*source_id)) {
                let origin = match rule.origin {
                    RuleOrigin::Directory(id) => json!({ "directory": id }),
                    RuleOrigin::Connection(id) => json!({ "connection": id }),
                };
                told["rule"] = json!({ "id": rule.id, "name": rule.name, "version": rule.version, "from": origin });
                told["because"] = json!(evidence);
            }
        }
        AssignmentSource::Manual | AssignmentSource::Operator => told["by"] = json!(source_id),
    }
    told
}
