//! Directories, as an administrator sees them.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::asker::Asker;
use super::problem::Problem;
use crate::app::App;
use crate::directory::access::Permission;

/// `GET /directories`: those that who asks may see, by name.
pub(super) async fn list(State(app): State<App>, asker: Asker) -> Result<Json<Value>, Problem> {
    let mut directories = app.store.read(asker.tenant()).directories().await?;
    directories.retain(|directory| asker.may(Permission::ViewDirectories, directory));
    let items: Vec<_> = directories
        .iter()
        .map(|directory| {
            json!({
                "id": directory.id,
                "slug": directory.slug,
                "name": directory.name,
                "profile": directory.profile,
                "account": directory.home_account_id,
            })
        })
        .collect();
    Ok(Json(json!({ "items": items })))
}
