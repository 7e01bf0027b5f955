//! The provisioning log of a directory, and its trace mode.

use axum::extract::{OriginalUri, Path, State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::asker::{Asker, Body};
use super::paging::{self, PAGE};
use super::problem::Problem;
use crate::app::App;
use crate::directory::access::Permission;
use crate::directory::explain::{self, Refused};
use crate::directory::settings::tolerance;
use crate::directory::{log, reads};
use crate::http::layers::RequestId;
use crate::store::{LogQuery, LogRow, Outcome};

/// `GET /directories/{directory}/provisioning-log`: the entries, newest first.
pub(super) async fn list(
    State(app): State<App>,
    asker: Asker,
    Path(directory): Path<String>,
    uri: OriginalUri,
) -> Result<Body<Value>, Problem> {
    let directory = asker.directory(&app, &directory, Permission::ViewDirectories).await?;
    let (query, limit) = query(uri.query().unwrap_or_default())?;
    let mut rows = app.store.read(asker.tenant()).provisioning_log(directory.id, &query, limit + 1).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|row| paging::written(row.position()));
    Ok(Body(json!({ "items": rows.iter().map(shown).collect::<Vec<_>>(), "next": next })))
}

/// `GET …/provisioning-log/{entry}`: one entry, with its values for who may change the directory.
pub(super) async fn entry(
    State(app): State<App>,
    asker: Asker,
    request_id: RequestId,
    Path((directory, entry)): Path<(String, String)>,
) -> Result<Body<Value>, Problem> {
    let directory = asker.directory(&app, &directory, Permission::ViewDirectories).await?;
    let id: Uuid = entry.parse().map_err(|_| Problem::not_found())?;
    let found = app.store.read(asker.tenant()).provisioning_entry(directory.id, id).await?;
    let (row, sealed) = found.ok_or_else(Problem::not_found)?;
    let mut item = shown(&row);
    if asker.may(Permission::ManageDirectories, &directory) {
        log::read_by(&app.store, asker.tenant(), &directory, id, request_id.caller(&app, asker.actor())).await?;
        item["values"] = match sealed {
            Some(sealed) => log::open_values(&app.sealer, row.id, &sealed)?,
            None => json!({}),
        };
    }
    Ok(Body(item))
}

/// `GET …/provisioning-log/last-failure`: what was refused last, and what to do about it.
pub(super) async fn last_failure(
    State(app): State<App>,
    asker: Asker,
    Path(directory): Path<String>,
) -> Result<Body<Value>, Problem> {
    let directory = asker.directory(&app, &directory, Permission::ViewDirectories).await?;
    let query = LogQuery { outcome: Some(Outcome::Refused), ..LogQuery::default() };
    let rows = app.store.read(asker.tenant()).provisioning_log(directory.id, &query, 1).await?;
    let explanation = rows.first().map_or_else(explain::nothing_refused, |row| {
        explain::explain(&Refused {
            operation: &row.operation,
            resource_type: &row.resource_type,
            status: row.status,
            scim_type: row.scim_type.as_deref(),
            detail: row.detail.as_deref(),
            coercions: &row.coercions,
            profile: tolerance(&directory).0,
        })
    });
    let mut answer = json!(explanation);
    answer["entry"] = rows.first().map_or(Value::Null, shown);
    Ok(Body(answer))
}

/// What switches trace mode on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trace {
    minutes: u32,
}

/// `POST …/trace`: reads are logged too, for some time.
pub(super) async fn trace(
    State(app): State<App>,
    asker: Asker,
    request_id: RequestId,
    Path(directory): Path<String>,
    Body(Trace { minutes }): Body<Trace>,
) -> Result<Body<Value>, Problem> {
    let directory = asker.directory(&app, &directory, Permission::ManageDirectories).await?;
    let caller = request_id.caller(&app, asker.actor());
    let until = reads::trace(&app.store, asker.tenant(), &directory, Some(minutes), caller).await?;
    Ok(Body(json!({ "trace_until": until })))
}

/// `DELETE …/trace`: reads are not logged any longer.
pub(super) async fn end_trace(
    State(app): State<App>,
    asker: Asker,
    request_id: RequestId,
    Path(directory): Path<String>,
) -> Result<StatusCode, Problem> {
    let directory = asker.directory(&app, &directory, Permission::ManageDirectories).await?;
    let caller = request_id.caller(&app, asker.actor());
    reads::trace(&app.store, asker.tenant(), &directory, None, caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An entry without its values.
fn shown(row: &LogRow) -> Value {
    let coercions: Vec<_> = row
        .coercions
        .iter()
        .map(|coercion| {
            let (rule, path) = coercion.split_once(": ").unwrap_or((coercion, ""));
            json!({ "rule": rule, "path": path })
        })
        .collect();
    json!({
        "id": row.id,
        "at": row.at,
        "operation": row.operation,
        "resource_type": row.resource_type,
        "resource_id": row.resource_id,
        "outcome": if row.is_refused() { "refused" } else { "done" },
        "status": row.status,
        "scim_type": row.scim_type,
        "detail": row.detail,
        "attributes": row.attributes,
        "rules": row.rules,
        "coercions": coercions,
        "request_id": row.request_id,
        "token": row.token_id,
    })
}

/// Reads the parameters of a list. One that is unknown is refused: a filter that is not applied would show the wrong entries.
fn query(text: &str) -> Result<(LogQuery, u32), Problem> {
    let (mut query, mut limit) = (LogQuery::default(), PAGE);
    for (name, value) in paging::parameters(text)? {
        match name.as_str() {
            "outcome" => {
                query.outcome = Some(match value.as_str() {
                    "done" => Outcome::Done,
                    "refused" => Outcome::Refused,
                    _ => return Err(Problem::invalid("outcome: done or refused")),
                });
            }
            "operation" => query.operation = Some(value),
            "resource_type" => query.resource_type = Some(value),
            "resource_id" => {
                query.resource_id = Some(value.parse().map_err(|_| Problem::invalid("resource_id: the id of a User or Group"))?);
            }
            "request_id" => query.request_id = Some(value),
            "rule" => query.rule = Some(value),
            "from" => query.from = Some(paging::instant("from", &value)?),
            "to" => query.to = Some(paging::instant("to", &value)?),
            "after" => query.before = Some(paging::after(&value)?),
            "limit" => limit = paging::limit(&value)?,
            _ => {
                return Err(Problem::invalid(
                    "there are the parameters outcome, operation, resource_type, resource_id, request_id, rule, from, to, after, limit",
                ));
            }
        }
    }
    Ok((query, limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_and_wrong_ones_refused() {
        let (found, limit) = query("outcome=refused&operation=patch&from=2026-01-31T12:00:00%2B01:00&limit=200&rule=x").unwrap();
        assert_eq!((found.outcome, found.operation.as_deref(), limit), (Some(Outcome::Refused), Some("patch"), 200));
        assert_eq!(found.from.unwrap().to_rfc3339(), "2026-01-31T11:00:00+00:00");
        assert_eq!(query("").unwrap(), (LogQuery::default(), 50));
        for bad in [
            "outcome=ok",
            "limit=0",
            "limit=201",
            "limit=x",
            "from=yesterday",
            "after=1",
            "resource_id=7",
            "outcom=done",
            "rule=a&rule=b",
        ] {
            assert!(query(bad).is_err(), "{bad}");
        }
    }
}
