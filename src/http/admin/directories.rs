//! Directories, as an administrator sees them.

use axum::extract::State;
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::asker::{Asker, Body};
use super::problem::Problem;
use crate::app::App;
use crate::directory::access::Permission;

/// `GET /directories`: those that who asks may see, by name, with how they fare.
pub(super) async fn list(State(app): State<App>, asker: Asker) -> Result<Body<Value>, Problem> {
    if let Asker::Client { .. } = asker {
        asker.reach_for(Permission::ViewDirectories)?;
    }
    let now = app.clock.now();
    let mut reader = app.store.read(asker.tenant());
    let mut items = Vec::new();
    for directory in reader.directories().await? {
        if !asker.may(Permission::ViewDirectories, &directory) {
            continue;
        }
        // It went meanwhile.
        let Some(figures) = reader.directory_figures(directory.id, now - TimeDelta::hours(24)).await? else { continue };
        items.push(json!({
            "id": directory.id,
            "slug": directory.slug,
            "name": directory.name,
            "account": directory.home_account_id,
            "state": figures.state,
            "profile": directory.profile,
            "log_days": directory.settings.log_days,
            "trace_until": directory.trace_until.filter(|until| *until > now),
            "users": figures.users,
            "groups": figures.groups,
            "last_write_at": figures.written_at,
            "last_failure_at": figures.refused_at,
            "refused_in_24_hours": figures.refused,
        }));
    }
    Ok(Body(json!({ "items": items })))
}
