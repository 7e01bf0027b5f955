//! The audit trail. Rows are only ever added.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::types::Json;
use uuid::Uuid;

use super::{LogPosition, NEVER, Reader, Result, Writer, hex, sql};
use crate::keys::Sealed;
use crate::model::{AccountId, Event, EventId, PersonId};

macro_rules! event_columns {
    () => {
        "e.id, e.at, e.kind, e.actor, e.target_id, e.account_id, e.details, e.request_id, e.values_digest"
    };
}

pub(super) use event_columns;

macro_rules! event_conditions {
    () => {
        "(e.at, e.id) < ($2, $3) and e.at >= $4 and e.at < $5 and ($6 is null or e.kind = $6)
           and ($7 is null or e.actor_key = $7) and ($8 is null or e.request_id = $8)"
    };
}

/// An event, as it was recorded.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct EventRow {
    pub id: EventId,
    pub at: DateTime<Utc>,
    /// The stable name of its kind.
    pub kind: String,
    /// An [`crate::model::Actor`], as it was then.
    #[sqlx(json)]
    pub actor: serde_json::Value,
    pub target_id: Uuid,
    /// The account that it was about; `None` is the tenant as a whole.
    pub account_id: Option<AccountId>,
    #[sqlx(json)]
    pub details: serde_json::Value,
    pub request_id: Option<String>,
    /// SHA-256 of its sealed personal values, if it has some.
    pub values_digest: Option<Vec<u8>>,
}

impl EventRow {
    /// Its place in the audit trail.
    #[must_use]
    pub fn position(&self) -> LogPosition {
        LogPosition { at: self.at, id: self.id.uuid() }
    }
}

/// Which events are wanted; those of all conditions that are given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Only what is older than this place.
    pub before: Option<LogPosition>,
    /// At this instant or later.
    pub from: Option<DateTime<Utc>>,
    /// Before this instant.
    pub to: Option<DateTime<Utc>>,
    /// The stable name of a kind.
    pub kind: Option<&'static str>,
    /// The key of who acted.
    pub actor: Option<String>,
    pub target: Option<Uuid>,
    pub request_id: Option<String>,
}

impl Writer {
    /// Adds events, in the transaction that they tell of. One that names no account belongs to the home of the login, connection or
    /// directory that it happened to, if it is still there.
    pub async fn record(&mut self, events: &[Event], request_id: Option<&str>) -> Result<()> {
        let rows: Vec<_> = events.iter().map(|event| written(event, None)).collect();
        self.insert_events(events.first().map(|event| event.at), rows, request_id).await
    }

    /// Adds an event with personal values, which are sealed under the person's own key.
    pub async fn record_personal(
        &mut self,
        event: &Event,
        person: PersonId,
        values: &Sealed,
        request_id: Option<&str>,
    ) -> Result<()> {
        self.insert_events(Some(event.at), vec![written(event, Some(values))], request_id).await?;
        sql!(
            self,
            execute(
                "insert into event_values (tenant_id, event_id, person_id, sealed) values ($1, $2, $3, $4)",
                event.id,
                person,
                values
            )
        )?;
        Ok(())
    }

    async fn insert_events(
        &mut self,
        at: Option<DateTime<Utc>>,
        rows: Vec<serde_json::Value>,
        request_id: Option<&str>,
    ) -> Result<()> {
        // All events of one transaction carry one instant, and so one statement serves for all.
        let Some(at) = at else { return Ok(()) };
        sql!(
            self,
            execute(
                "insert into events (tenant_id, id, at, kind, actor, actor_key, target_id, account_id, details, values_digest,
                   request_id)
                 select $1, {uuid item.value ->> 'id'}, $2, item.value ->> 'kind', item.value -> 'actor',
                   item.value ->> 'actor_key', {uuid item.value ->> 'target'},
                   coalesce({uuid item.value ->> 'account'},
                     (select l.home_account_id from logins l where l.tenant_id = $1 and l.id = {uuid item.value ->> 'target'}),
                     (select c.home_account_id from connections c where c.tenant_id = $1 and c.id = {uuid item.value ->> 'target'}),
                     (select d.home_account_id from directories d where d.tenant_id = $1 and d.id = {uuid item.value ->> 'target'})),
                   item.value -> 'details', {bytes item.value ->> 'values_digest'}, $4 from {rows $3} where true",
                at,
                Json(&rows),
                request_id
            )
        )?;
        Ok(())
    }
}

/// An event, as the insert reads it.
fn written(event: &Event, values: Option<&Sealed>) -> serde_json::Value {
    json!({
        "id": event.id,
        "kind": event.kind.as_str(),
        "actor": event.actor,
        "actor_key": event.actor.key(),
        "target": event.target,
        "account": event.account,
        "details": event.details,
        "values_digest": values.map(|values| hex(&values.digest())),
    })
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

    /// The tenant's events, newest first. Events that are added meanwhile change nothing about what follows a place.
    #[expect(clippy::too_many_lines, reason = "one text a filter")]
    pub async fn events(&mut self, query: &EventQuery, limit: u32) -> Result<Vec<EventRow>> {
        let before = query.before.unwrap_or(LogPosition { at: NEVER, id: Uuid::max() });
        let (from, to) = (query.from.unwrap_or(DateTime::UNIX_EPOCH), query.to.unwrap_or(NEVER));
        let (actor, request_id, limit) = (query.actor.as_deref(), query.request_id.as_deref(), i64::from(limit));
        // Each filter has an index, which a database takes only when the text says so: that of the filter which leaves the fewest.
        if let Some(target) = query.target {
            return sql!(
                self,
                fetch_all::<EventRow>(
                    concat!(
                        "select ",
                        event_columns!(),
                        " from events e {by events_by_target} where e.tenant_id = $1 and e.target_id = $9 and ",
                        event_conditions!(),
                        " order by e.at desc, e.id desc limit $10"
                    ),
                    before.at,
                    before.id,
                    from,
                    to,
                    query.kind,
                    actor,
                    request_id,
                    target,
                    limit
                )
            );
        }
        if request_id.is_some() {
            return sql!(
                self,
                fetch_all::<EventRow>(
                    concat!(
                        "select ",
                        event_columns!(),
                        " from events e {by events_by_request} where e.tenant_id = $1 and e.request_id = $8 and ",
                        event_conditions!(),
                        " order by e.at desc, e.id desc limit $9"
                    ),
                    before.at,
                    before.id,
                    from,
                    to,
                    query.kind,
                    actor,
                    request_id,
                    limit
                )
            );
        }
        if actor.is_some() {
            return sql!(
                self,
                fetch_all::<EventRow>(
                    concat!(
                        "select ",
                        event_columns!(),
                        " from events e {by events_by_actor} where e.tenant_id = $1 and e.actor_key = $7 and ",
                        event_conditions!(),
                        " order by e.at desc, e.id desc limit $9"
                    ),
                    before.at,
                    before.id,
                    from,
                    to,
                    query.kind,
                    actor,
                    request_id,
                    limit
                )
            );
        }
        if query.kind.is_some() {
            return sql!(
                self,
                fetch_all::<EventRow>(
                    concat!(
                        "select ",
                        event_columns!(),
                        " from events e {by events_by_kind} where e.tenant_id = $1 and e.kind = $6 and ",
                        event_conditions!(),
                        " order by e.at desc, e.id desc limit $9"
                    ),
                    before.at,
                    before.id,
                    from,
                    to,
                    query.kind,
                    actor,
                    request_id,
                    limit
                )
            );
        }
        sql!(
            self,
            fetch_all::<EventRow>(
                concat!(
                    "select ",
                    event_columns!(),
                    " from events e where e.tenant_id = $1 and ",
                    event_conditions!(),
                    " order by e.at desc, e.id desc limit $9"
                ),
                before.at,
                before.id,
                from,
                to,
                query.kind,
                actor,
                request_id,
                limit
            )
        )
    }

    /// The events of some accounts, newest first: of each account the newest that fit are read, and no more.
    pub async fn events_of_accounts(&mut self, accounts: &[AccountId], query: &EventQuery, limit: u32) -> Result<Vec<EventRow>> {
        let before = query.before.unwrap_or(LogPosition { at: NEVER, id: Uuid::max() });
        let (from, to) = (query.from.unwrap_or(DateTime::UNIX_EPOCH), query.to.unwrap_or(NEVER));
        let accounts: Vec<_> = accounts.iter().map(|account| json!({ "id": account })).collect();
        sql!(
            self,
            fetch_all::<EventRow>(
                concat!(
                    "select ",
                    event_columns!(),
                    " from tenants t cross join {rows $9} cross join events e where t.tenant_id = $1 and e.id {within select e.id from events e
                       where e.tenant_id = $1 and e.account_id = {uuid item.value ->> 'id'} and ",
                    event_conditions!(),
                    " and ($10 is null or e.target_id = $10) order by e.at desc, e.id desc limit $11}
                     order by e.at desc, e.id desc limit $11"
                ),
                before.at,
                before.id,
                from,
                to,
                query.kind,
                query.actor.as_deref(),
                query.request_id.as_deref(),
                Json(accounts),
                query.target,
                i64::from(limit)
            )
        )
    }
}
