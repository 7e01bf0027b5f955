//! The chain over the audit trail. Seals are only ever added, behind the writes that they are about.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::types::Json;

use super::events::event_columns;
use super::{EventRow, LogPosition, Reader, Result, Writer, hex, sql};
use crate::model::EventId;

/// The end of a tenant's chain.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct LastSeal {
    pub position: i64,
    pub chain: Vec<u8>,
    /// When its event happened; `None` when that is gone.
    pub event_at: Option<DateTime<Utc>>,
}

/// A seal to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSeal {
    /// One more than that of the seal before; the first is 1.
    pub position: i64,
    pub event: EventId,
    /// SHA-256 of the event.
    pub digest: [u8; 32],
    /// SHA-256 of the chain before and the digest.
    pub chain: [u8; 32],
}

/// A seal of the chain.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SealRow {
    pub position: i64,
    pub event_id: EventId,
    pub digest: Vec<u8>,
    pub chain: Vec<u8>,
}

/// What is not sealed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Unsealed {
    pub events: i64,
    /// When the oldest of them happened.
    pub since: Option<DateTime<Utc>>,
}

impl Reader {
    /// The end of the chain, if there is one.
    pub async fn last_seal(&mut self) -> Result<Option<LastSeal>> {
        sql!(
            self,
            fetch_optional::<LastSeal>(
                "select s.position, s.chain, (select e.at from events e where e.tenant_id = $1 and e.id = s.event_id) as event_at
                 from event_seals s where s.tenant_id = $1 and s.position > 0 order by s.position desc limit 1"
            )
        )
    }

    /// Events behind a place, and before `to`, that are not sealed; oldest first.
    pub async fn unsealed_events(&mut self, after: LogPosition, to: DateTime<Utc>, limit: u32) -> Result<Vec<EventRow>> {
        sql!(
            self,
            fetch_all::<EventRow>(
                concat!(
                    "select ",
                    event_columns!(),
                    " from events e where e.tenant_id = $1 and (e.at, e.id) > ($2, $3) and e.at < $4
                       and not exists (select 1 from event_seals s where s.tenant_id = $1 and s.event_id = e.id)
                     order by e.at, e.id limit $5"
                ),
                after.at,
                after.id,
                to,
                i64::from(limit)
            )
        )
    }

    /// How many events are not sealed, whenever they happened: all of them are looked at.
    pub async fn unsealed(&mut self) -> Result<Unsealed> {
        sql!(
            self,
            fetch_one::<Unsealed>(
                "select count(1) as events, min(e.at) as since from events e where e.tenant_id = $1
                   and not exists (select 1 from event_seals s where s.tenant_id = $1 and s.event_id = e.id)"
            )
        )
    }

    /// The seals behind a position, in their order.
    pub async fn seals(&mut self, after: i64, limit: u32) -> Result<Vec<SealRow>> {
        sql!(
            self,
            fetch_all::<SealRow>(
                "select position, event_id, digest, chain from event_seals where tenant_id = $1 and position > $2
                 order by position limit $3",
                after,
                i64::from(limit)
            )
        )
    }

    /// These events, those of them that are there.
    pub async fn events_by_id(&mut self, events: &[EventId]) -> Result<Vec<EventRow>> {
        sql!(
            self,
            fetch_all::<EventRow>(
                concat!("select ", event_columns!(), " from events e where e.tenant_id = $1 and e.id in {ids $2}"),
                Json(events)
            )
        )
    }
}

impl Writer {
    /// Adds seals to the end of the chain. A second chain cannot begin: a position and an event are sealed once.
    pub async fn insert_seals(&mut self, seals: &[NewSeal], now: DateTime<Utc>) -> Result<()> {
        let rows: Vec<_> = seals
            .iter()
            .map(|seal| {
                json!({
                    "position": seal.position,
                    "event": seal.event,
                    "digest": hex(&seal.digest),
                    "chain": hex(&seal.chain),
                })
            })
            .collect();
        sql!(
            self,
            execute(
                "insert into event_seals (tenant_id, position, event_id, at, digest, chain)
                 select $1, cast(item.value ->> 'position' as bigint), {uuid item.value ->> 'event'}, $2,
                   {bytes item.value ->> 'digest'}, {bytes item.value ->> 'chain'} from {rows $3} where true",
                now,
                Json(rows)
            )
        )?;
        Ok(())
    }
}
