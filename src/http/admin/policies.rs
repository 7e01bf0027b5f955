//! Approval policies.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::header::ETAG;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::asker::{Asker, Body};
use super::problem::Problem;
use super::rules::versions;
use crate::app::App;
use crate::directory::access::Permission;
use crate::directory::approvals::Policies;
use crate::http::layers::RequestId;
use crate::model::{ApprovalPolicy, ApprovalPolicyId, Approvers, PolicyBody};

/// A policy in the body of a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    name: String,
    trigger: String,
    #[serde(default)]
    roles: BTreeSet<String>,
    threshold: Option<i64>,
    approvers: Option<Approvers>,
    #[serde(default = "one")]
    needed: u32,
}

const fn one() -> u32 {
    1
}

impl Wanted {
    fn parts(self) -> (String, PolicyBody) {
        let Self { name, trigger, roles, threshold, approvers, needed } = self;
        (name, PolicyBody { trigger, roles, threshold, approvers, needed })
    }
}

/// `GET /accounts/{account}/approval-policies`: those of the account itself.
pub(super) async fn list(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(account): Path<String>,
) -> Result<Body<Value>, Problem> {
    let account = asker.account(&account, Permission::ViewApprovals)?;
    Ok(Body(json!({ "items": policies(&app, &asker, &id)?.list(account).await? })))
}

/// `POST /accounts/{account}/approval-policies`: makes one.
pub(super) async fn create(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(account): Path<String>,
    Body(wanted): Body<Wanted>,
) -> Result<Response, Problem> {
    let account = asker.account(&account, Permission::ManageApprovals)?;
    let (name, body) = wanted.parts();
    let made = policies(&app, &asker, &id)?.create(account, &name, &body).await?;
    Ok(shown(StatusCode::CREATED, &made))
}

/// `GET /approval-policies/{policy}`: one.
pub(super) async fn read(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(policy): Path<String>,
) -> Result<Response, Problem> {
    let policies = policies(&app, &asker, &id)?;
    Ok(shown(StatusCode::OK, &policies.read(named(&policy)?).await?))
}

/// `PUT /approval-policies/{policy}`: makes it say what the body says. What waits because of it goes on as it was asked.
pub(super) async fn change(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(policy): Path<String>,
    headers: HeaderMap,
    Body(wanted): Body<Wanted>,
) -> Result<Response, Problem> {
    let ((name, body), versions) = (wanted.parts(), versions(&headers));
    let policies = policies(&app, &asker, &id)?;
    Ok(shown(StatusCode::OK, &policies.change(named(&policy)?, &name, &body, versions.as_deref()).await?))
}

/// `DELETE /approval-policies/{policy}`: deletes it. What waits because of it goes on waiting.
pub(super) async fn delete(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(policy): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let policies = policies(&app, &asker, &id)?;
    policies.delete(named(&policy)?, versions(&headers).as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn policies<'a>(app: &'a App, asker: &'a Asker, id: &'a RequestId) -> Result<Policies<'a>, Problem> {
    let (reach, caller) = (asker.reach_for(Permission::ViewApprovals)?, id.caller(app, asker.actor()));
    Ok(Policies { store: &app.store, tenant: asker.tenant(), reach, caller })
}

fn named(id: &str) -> Result<ApprovalPolicyId, Problem> {
    id.parse().map_err(|_| Problem::not_found())
}

fn shown(status: StatusCode, policy: &ApprovalPolicy) -> Response {
    (status, [(ETAG, format!("\"{}\"", policy.version))], Body(json!(policy))).into_response()
}
