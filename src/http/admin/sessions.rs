//! Sessions of logins, and how long sessions of the tenant last.

use axum::extract::{Path, State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::asker::{Asker, Body};
use super::people::{named, people};
use super::problem::Problem;
use crate::app::App;
use crate::directory::access::Permission;
use crate::directory::sessions::{SessionTimes, SessionView, limits, set_limits};
use crate::http::device::device;
use crate::http::layers::RequestId;
use crate::metrics::SessionEnd;
use crate::model::TenantLimits;

/// `GET /logins/{login}/sessions`: where somebody is signed in with the login.
pub(super) async fn list(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(login): Path<String>,
) -> Result<Body<Value>, Problem> {
    let people = people(&app, &asker, &id, Permission::ManagePeople)?;
    let found = people.sessions(named(&login)?, app.session_limits()).await?;
    Ok(Body(json!({ "items": found.iter().map(shown).collect::<Vec<_>>() })))
}

/// `DELETE /sessions/{session}`: ends one.
pub(super) async fn end(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(session): Path<String>,
) -> Result<StatusCode, Problem> {
    let people = people(&app, &asker, &id, Permission::ManagePeople)?;
    let own = match &asker {
        Asker::Administrator { session, .. } => Some(session.id),
        _ => None,
    };
    people.end_session(session.parse().map_err(|_| Problem::not_found())?, own).await?;
    app.metrics.session_ended(SessionEnd::ByAdministrator);
    Ok(StatusCode::NO_CONTENT)
}

fn shown(view: &SessionView) -> Value {
    let SessionView { row, portals } = view;
    json!({
        "id": row.id,
        "login": row.active_login_id,
        "device": device(&row.user_agent),
        "address": row.address,
        "connection": row.connection,
        "portals": portals,
        "signed_in_at": row.created_at,
        "last_seen_at": row.last_seen_at,
        "expires_at": row.expires_at,
    })
}

/// The body of `PUT /session-limits`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    idle: Option<i64>,
    absolute: Option<i64>,
}

/// `GET /session-limits`: how long sessions of the tenant last.
pub(super) async fn read_limits(State(app): State<App>, asker: Asker) -> Result<Body<Value>, Problem> {
    let times = limits(&app.store, asker.tenant(), asker.reach_for(Permission::ManagePeople)?, app.session_limits()).await?;
    Ok(Body(told(times)))
}

/// `PUT /session-limits`: says how long they last.
pub(super) async fn change_limits(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Body(Limits { idle, absolute }): Body<Limits>,
) -> Result<Body<Value>, Problem> {
    let reach = asker.reach_for(Permission::ManagePeople)?;
    let limits = TenantLimits { session_idle: idle, session_absolute: absolute };
    let caller = id.caller(&app, asker.actor());
    Ok(Body(told(set_limits(&app.store, asker.tenant(), reach, caller, limits, app.session_limits()).await?)))
}

fn told(SessionTimes { tenant, effective }: SessionTimes) -> Value {
    let minutes = |limit: chrono::TimeDelta| limit.num_minutes();
    json!({
        "idle": tenant.session_idle,
        "absolute": tenant.session_absolute,
        "in_force": { "idle": minutes(effective.idle), "absolute": minutes(effective.absolute) },
    })
}
