//! The audit trail and the provisioning log. Rows are only ever added.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Reader, Result, Writer, sql};
use crate::model::{DirectoryId, Event};

/// One entry of a directory's provisioning log.
#[derive(Clone, Debug)]
pub struct LogEntry {
    pub id: Uuid,
    pub directory_id: DirectoryId,
    pub at: DateTime<Utc>,
    /// `create`, `replace`, `patch` or `delete`.
    pub operation: &'static str,
    pub resource_type: &'static str,
    pub resource_id: Option<Uuid>,
    /// The HTTP status that the client was answered.
    pub status: u16,
    pub scim_type: Option<&'static str>,
    pub detail: Option<String>,
    /// Names of the attributes that changed, never their values.
    pub attributes: Vec<String>,
    /// Names of the client profile's rules that were used.
    pub coercions: Vec<String>,
}

impl Writer {
    /// Adds events, in the transaction that they tell of.
    pub async fn record(&mut self, events: &[Event], request_id: Option<&str>) -> Result<()> {
        // All events of one transaction carry one instant, and so one statement serves for all.
        let Some(first) = events.first() else { return Ok(()) };
        let rows: Vec<_> = events
            .iter()
            .map(|event| {
                json!({
                    "id": event.id,
                    "kind": event.kind.as_str(),
                    "actor": event.actor,
                    "target": event.target,
                    "details": event.details,
                })
            })
            .collect();
        sql!(
            self,
            execute(
                "insert into events (tenant_id, id, at, kind, actor, target_id, details, request_id)
                 select $1, {uuid item.value ->> 'id'}, $2, item.value ->> 'kind', item.value -> 'actor',
                   {uuid item.value ->> 'target'}, item.value -> 'details', $4 from {rows $3} where true",
                first.at,
                Json(&rows),
                request_id
            )
        )?;
        Ok(())
    }

    /// Adds an entry to a directory's provisioning log.
    pub async fn log_provisioning(&mut self, entry: &LogEntry, request_id: Option<&str>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into provisioning_log (tenant_id, id, directory_id, at, operation, resource_type, resource_id, status,
                   scim_type, detail, attributes, coercions, request_id)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
                entry.id,
                entry.directory_id,
                entry.at,
                entry.operation,
                entry.resource_type,
                entry.resource_id,
                i64::from(entry.status),
                entry.scim_type,
                entry.detail.as_deref(),
                Json(&entry.attributes),
                Json(&entry.coercions),
                request_id
            )
        )?;
        Ok(())
    }
}

/// What the provisioning log says of one write, oldest first: see [`LogEntry`].
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct LogRow {
    pub at: DateTime<Utc>,
    pub operation: String,
    pub resource_type: String,
    pub resource_id: Option<Uuid>,
    pub status: i64,
    pub scim_type: Option<String>,
    pub detail: Option<String>,
    #[sqlx(json)]
    pub attributes: Vec<String>,
    #[sqlx(json)]
    pub coercions: Vec<String>,
    pub request_id: Option<String>,
}

impl Reader {
    /// The provisioning log of a directory, oldest first.
    pub async fn provisioning_log(&mut self, directory: DirectoryId) -> Result<Vec<LogRow>> {
        sql!(
            self,
            fetch_all::<LogRow>(
                "select at, operation, resource_type, resource_id, status, scim_type, detail, attributes,
                   coercions, request_id
                 from provisioning_log where tenant_id = $1 and directory_id = $2 order by at, id",
                directory
            )
        )
    }

    /// The kinds of a target's events, oldest first.
    pub async fn event_kinds(&mut self, target: Uuid) -> Result<Vec<String>> {
        let rows = sql!(
            self,
            fetch_all::<(String,)>("select kind from events where tenant_id = $1 and target_id = $2 order by at, id", target)
        )?;
        Ok(rows.into_iter().map(|(kind,)| kind).collect())
    }
}
