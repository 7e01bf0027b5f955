//! Persons, as the audit trail knows them.

use axum::extract::{Path, State};
use http::StatusCode;

use super::asker::Asker;
use super::problem::Problem;
use crate::app::App;
use crate::directory::erase_values;
use crate::http::layers::RequestId;
use crate::model::PersonId;

/// `DELETE /persons/{person}/values`: erases for good what events hold about somebody who has left. Once is enough.
pub(super) async fn erase(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(person): Path<String>,
) -> Result<StatusCode, Problem> {
    let reach = asker.reach()?;
    let person: PersonId = person.parse().map_err(|_| Problem::not_found())?;
    erase_values(&app.store, asker.tenant(), person, reach, id.caller(&app, asker.actor())).await?;
    Ok(StatusCode::NO_CONTENT)
}
