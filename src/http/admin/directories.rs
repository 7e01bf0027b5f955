//! Directories, as an administrator sees them.

use axum::extract::{OriginalUri, State};
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::asker::{Asker, Body};
use super::paging::Wanted;
use super::problem::Problem;
use crate::app::App;
use crate::directory::access::Permission;

/// `GET /directories`: those that who asks may see, by name, with how they fare.
pub(super) async fn list(State(app): State<App>, asker: Asker, uri: OriginalUri) -> Result<Body<Value>, Problem> {
    if let Asker::Client { .. } = asker {
        asker.reach_for(Permission::ViewDirectories)?;
    }
    let now = app.clock.now();
    let mut reader = app.store.read(asker.tenant());
    let page = Wanted::read(uri.query().unwrap_or_default())?;
    let mut directories = reader.directories().await?;
    directories.retain(|directory| asker.may(Permission::ViewDirectories, directory));
    let (directories, next) = page.of(directories, |directory| (directory.name.clone(), directory.id));
    let mut items = Vec::new();
    for directory in directories {
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
    Ok(Body(json!({ "items": items, "next": next })))
}
