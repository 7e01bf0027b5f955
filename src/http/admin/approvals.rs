//! What was asked for and waits for an approval, or was decided.
//!
//! An approver need not have any permission, so these routes let everybody in who is signed in: the directory decides what they see.

use axum::extract::{OriginalUri, Path, State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::asker::{Anybody, Asker, Body};
use super::paging::{self, PAGE};
use super::problem::Problem;
use crate::app::App;
use crate::directory::PersonalValues;
use crate::directory::access::Reach;
use crate::directory::approvals::{AccessRequest, Approvals, Order, Shown};
use crate::http::layers::RequestId;
use crate::model::{AccountId, Actor, ApprovalId, ApprovalState, EventId, LoginId, Requested, Verdict};
use crate::store::ApprovalQuery;

/// `GET /approvals`: those that who asks may see, the newest first.
pub(super) async fn list(
    State(app): State<App>,
    Anybody(asker): Anybody,
    id: RequestId,
    uri: OriginalUri,
) -> Result<Body<Value>, Problem> {
    let approvals = approvals(&app, &asker, &id)?;
    let (query, limit) = query(uri.query().unwrap_or_default())?;
    let (items, next) = approvals.list(&query, limit).await?;
    let reach = asker.reach()?;
    let items: Vec<_> = items.iter().map(|shown| told(shown, reach)).collect();
    Ok(Body(json!({ "items": items, "next": next.map(paging::written) })))
}

/// `GET /approvals/{approval}`: one.
pub(super) async fn read(
    State(app): State<App>,
    Anybody(asker): Anybody,
    id: RequestId,
    Path(approval): Path<String>,
) -> Result<Body<Value>, Problem> {
    let shown = approvals(&app, &asker, &id)?.read(named(&approval)?).await?;
    Ok(Body(told(&shown, asker.reach()?)))
}

/// The body of `POST /approvals`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    account: AccountId,
    trigger: String,
    amount: i64,
    subject: Option<LoginId>,
    reference: Option<String>,
    description: Option<String>,
}

/// `POST /approvals`: asks whether an order has to be approved, and for the approval if it has.
pub(super) async fn order(
    State(app): State<App>,
    Anybody(asker): Anybody,
    id: RequestId,
    Body(ask): Body<Ask>,
) -> Result<(StatusCode, Body<Value>), Problem> {
    let Ask { account, trigger, amount, subject, reference, description } = ask;
    let order = Order { account, trigger, amount, subject, reference, description };
    Ok(match approvals(&app, &asker, &id)?.order(&order).await? {
        Some(shown) => (StatusCode::CREATED, Body(told(&shown, asker.reach()?))),
        None => (StatusCode::OK, Body(json!({ "id": null, "state": "not_required" }))),
    })
}

/// The body of `POST /accounts/{account}/access-requests`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Access {
    login: Option<LoginId>,
    user_name: Option<String>,
    role: String,
    reason: Option<String>,
}

/// `POST /accounts/{account}/access-requests`: asks for a role on the account for somebody of another one.
pub(super) async fn access(
    State(app): State<App>,
    Anybody(asker): Anybody,
    id: RequestId,
    Path(account): Path<String>,
    Body(wanted): Body<Access>,
) -> Result<(StatusCode, Body<Value>), Problem> {
    let approvals = approvals(&app, &asker, &id)?;
    let account = account.parse().map_err(|_| Problem::not_found())?;
    let Access { login, user_name, role, reason } = wanted;
    let shown = approvals.access(&AccessRequest { account, login, user_name, role, reason }).await?;
    Ok((StatusCode::ACCEPTED, Body(told(&shown, asker.reach()?))))
}

/// The body of a decision.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Decision {
    reason: Option<String>,
}

/// `POST /approvals/{approval}/approve`.
pub(super) async fn approve(
    State(app): State<App>,
    Anybody(asker): Anybody,
    id: RequestId,
    Path(approval): Path<String>,
    Body(Decision { reason }): Body<Decision>,
) -> Result<Body<Value>, Problem> {
    let shown = approvals(&app, &asker, &id)?.decide(named(&approval)?, Verdict::Approve, reason.as_deref()).await?;
    Ok(Body(told(&shown, asker.reach()?)))
}

/// `POST /approvals/{approval}/reject`: with a reason.
pub(super) async fn reject(
    State(app): State<App>,
    Anybody(asker): Anybody,
    id: RequestId,
    Path(approval): Path<String>,
    Body(Decision { reason }): Body<Decision>,
) -> Result<Body<Value>, Problem> {
    let shown = approvals(&app, &asker, &id)?.decide(named(&approval)?, Verdict::Reject, reason.as_deref()).await?;
    Ok(Body(told(&shown, asker.reach()?)))
}

/// `POST /approvals/{approval}/withdraw`: who asked wants it no longer.
pub(super) async fn withdraw(
    State(app): State<App>,
    Anybody(asker): Anybody,
    id: RequestId,
    Path(approval): Path<String>,
) -> Result<Body<Value>, Problem> {
    let shown = approvals(&app, &asker, &id)?.withdraw(named(&approval)?).await?;
    Ok(Body(told(&shown, asker.reach()?)))
}

/// The tenant's approvals, for who asks.
pub(super) fn approvals<'a>(app: &'a App, asker: &'a Asker, id: &'a RequestId) -> Result<Approvals<'a>, Problem> {
    Ok(Approvals {
        store: &app.store,
        tenant: asker.tenant(),
        reach: asker.reach()?,
        rules: &app.rules,
        sealer: &app.sealer,
        caller: id.caller(app, asker.actor()),
    })
}

fn named(id: &str) -> Result<ApprovalId, Problem> {
    id.parse().map_err(|_| Problem::not_found())
}

/// An approval, as it is told.
pub(super) fn told(shown: &Shown, reach: &Reach) -> Value {
    let approval = &shown.approval;
    let user_name = |login: LoginId| shown.names.get(&login).map(|name| &name.user_name);
    let values = |event: &EventId| match shown.values.get(event) {
        Some(PersonalValues::Kept(values)) => values.clone(),
        Some(PersonalValues::Erased) => json!("erased"),
        Some(PersonalValues::Unreadable) => json!("unreadable"),
        None => Value::Null,
    };
    let mut told = json!({
        "id": approval.id,
        "state": shown.state,
        "trigger": approval.occasion,
        "account": approval.account_id,
        "path": reach.tree().path(approval.account_id),
        "subject": approval.subject_login_id.map(|login| json!({ "login": login, "user_name": user_name(login) })),
        "requested_by": approval.requester,
        "requested_at": approval.created_at,
        "expires_at": approval.expires_at,
        "settled_at": approval.settled_at,
        "values": values(&approval.event_id),
        "failure": approval.failure,
        "may_decide": shown.may_decide,
    });
    if let Actor::Login { login } = approval.requester {
        told["requested_by"]["user_name"] = json!(user_name(login));
    }
    match &approval.content {
        Requested::Assignment { role, service, instance } => {
            (told["role"], told["service"], told["instance"]) = (json!(role), json!(service), json!(instance));
        }
        Requested::Access { role, login } => {
            told["role"] = json!(role);
            // As it was asked: whether there is such a login is told once it has a role on the account.
            if shown.state != ApprovalState::Approved {
                told["subject"] = json!(login.map(|login| json!({ "login": login, "user_name": null })));
            }
        }
        Requested::Order { amount, reference } => (told["amount"], told["reference"]) = (json!(amount), json!(reference)),
    }
    let needs = approval.needs.iter().zip(&shown.given);
    told["needs"] = needs
        .map(|(need, given)| json!({ "policy": need.policy, "name": need.name, "needed": need.needed, "given": given }))
        .collect();
    let decisions = shown.decisions.iter().map(|decision| {
        json!({
            "by": decision.login_id,
            "verdict": decision.verdict,
            "at": decision.decided_at,
            "values": values(&decision.event_id),
        })
    });
    told["decisions"] = decisions.collect();
    told
}

/// Reads the parameters of the list.
fn query(text: &str) -> Result<(ApprovalQuery, u32), Problem> {
    let (mut query, mut limit) = (ApprovalQuery::default(), PAGE);
    for (name, value) in paging::parameters(text)? {
        match name.as_str() {
            "state" => {
                let state = ApprovalState::ALL.into_iter().find(|state| state.as_str() == value);
                let names = ApprovalState::ALL.map(ApprovalState::as_str).join(", ");
                query.state = Some(state.ok_or_else(|| Problem::invalid(format!("state: one of {names}")))?);
            }
            "account" => query.account = Some(value.parse().map_err(|_| Problem::invalid("account: the id of an account"))?),
            "after" => query.before = Some(paging::after(&value)?),
            "limit" => limit = paging::limit(&value)?,
            _ => return Err(Problem::invalid("there are the parameters state, account, after, limit")),
        }
    }
    Ok((query, limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_and_wrong_ones_refused() {
        let account = "01990a4c-0000-7000-8000-000000000000";
        let (found, limit) = query(&format!("state=expired&account={account}&limit=7")).unwrap();
        assert_eq!((found.state, found.account.unwrap().to_string().as_str(), limit), (Some(ApprovalState::Expired), account, 7));
        assert_eq!(query("").unwrap(), (ApprovalQuery::default(), 50));
        for bad in ["state=open", "account=emea", "after=x", "limit=0", "limit=201", "trigger=order", "state=pending&state=pending"]
        {
            assert!(query(bad).is_err(), "{bad}");
        }
    }
}
