//! How far the work is that changes of rules, accounts and large groups have left behind.

use axum::extract::{OriginalUri, Path, State};
use axum::response::AppendHeaders;
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::asker::{Asker, Body};
use super::paging::{self, PAGE, parameters};
use super::problem::Problem;
use crate::app::App;
use crate::directory::access::Permission;
use crate::model::{Job, JobId};
use crate::store::LogPosition;

/// Names the job that goes on with what a request began.
pub(super) const HEADER: HeaderName = HeaderName::from_static("vestibule-job");

/// The header of an answer to a request that began a job, if it did.
pub(super) fn header(job: Option<JobId>) -> AppendHeaders<Option<(HeaderName, HeaderValue)>> {
    AppendHeaders(job.and_then(|job| HeaderValue::from_str(&job.to_string()).ok()).map(|id| (HEADER, id)))
}

/// `GET /jobs`: those of accounts whose rules who asks may see, newest first.
pub(super) async fn list(State(app): State<App>, asker: Asker, OriginalUri(uri): OriginalUri) -> Result<Body<Value>, Problem> {
    let reach = asker.reach_for(Permission::ViewRules)?;
    let (mut before, mut limit) = (None, PAGE);
    for (name, value) in parameters(uri.query().unwrap_or_default())? {
        match name.as_str() {
            "after" => before = Some(paging::after(&value)?),
            "limit" => limit = paging::limit(&value)?,
            _ => return Err(Problem::invalid(format!("there is no parameter {name}; there are after and limit"))),
        }
    }
    let accounts: Vec<_> = reach.tree().downwards().into_iter().map(|account| account.id).collect();
    let accounts: Vec<_> = accounts.into_iter().filter(|account| reach.allows(Permission::ViewRules, *account)).collect();
    let mut jobs = app.store.read(asker.tenant()).jobs(&accounts, before, limit + 1).await?;
    let more = jobs.len() > limit as usize;
    jobs.truncate(limit as usize);
    let next = jobs.last().filter(|_| more).map(|job| LogPosition { at: job.created_at, id: job.id.uuid() });
    let items: Vec<_> = jobs.iter().map(shown).collect();
    Ok(Body(json!({ "items": items, "next": next.map(paging::written) })))
}

/// `GET /jobs/{job}`: one.
pub(super) async fn read(State(app): State<App>, asker: Asker, Path(job): Path<String>) -> Result<Body<Value>, Problem> {
    let reach = asker.reach_for(Permission::ViewRules)?;
    let id: JobId = job.parse().map_err(|_| Problem::not_found())?;
    let found = app.store.read(asker.tenant()).job(id).await?;
    let found = found.filter(|job| reach.allows(Permission::ViewRules, job.account_id)).ok_or_else(Problem::not_found)?;
    Ok(Body(shown(&found)))
}

fn shown(job: &Job) -> Value {
    json!({
        "id": job.id,
        "account": job.account_id,
        "cause": { "kind": job.cause, "target": job.target_id, "actor": job.actor, "request_id": job.request_id },
        "total": job.total,
        "done": job.total - job.remaining,
        "created_at": job.created_at,
        "finished_at": job.finished_at,
    })
}
