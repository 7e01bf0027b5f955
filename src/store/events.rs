//! The audit trail. Rows are only ever added.

use serde_json::json;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Reader, Result, Writer, sql};
use crate::model::Event;

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
}

impl Reader {
    /// The kinds of a target's events, oldest first.
    pub async fn event_kinds(&mut self, target: Uuid) -> Result<Vec<String>> {
        let rows = sql!(
            self,
            fetch_all::<(String,)>("select kind from events where tenant_id = $1 and target_id = $2 order by at, id", target)
        )?;
        Ok(rows.into_iter().map(|(kind,)| kind).collect())
    }
}
