//! The keys of persons, and what of events is sealed under them.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::{Reader, Result, Writer, sql};
use crate::keys::Sealed;
use crate::model::{EventId, PersonId};

/// The personal values of an event.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct EventValuesRow {
    pub event_id: EventId,
    pub person_id: PersonId,
    pub sealed: Sealed,
    /// The person's key, unless it was destroyed.
    pub key_sealed: Option<Sealed>,
}

impl Reader {
    /// The personal values of these events, with the keys of the persons.
    pub async fn event_values(&mut self, events: &[EventId]) -> Result<Vec<EventValuesRow>> {
        sql!(
            self,
            fetch_all::<EventValuesRow>(
                "select v.event_id, v.person_id, v.sealed, k.key_sealed
                 from event_values v left join person_keys k on k.tenant_id = v.tenant_id and k.person_id = v.person_id
                 where v.tenant_id = $1 and v.event_id in {ids $2}",
                Json(events)
            )
        )
    }

    /// The key of a person, if there is one.
    pub async fn person_key(&mut self, person: PersonId) -> Result<Option<Sealed>> {
        let row = sql!(
            self,
            fetch_optional::<(Sealed,)>("select key_sealed from person_keys where tenant_id = $1 and person_id = $2", person)
        )?;
        Ok(row.map(|(key,)| key))
    }
}

impl Writer {
    /// Keeps the key of a person. One that is there stays.
    pub async fn insert_person_key(&mut self, person: PersonId, key: &Sealed, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into person_keys (tenant_id, person_id, key_sealed, created_at) values ($1, $2, $3, $4) on conflict do nothing",
                person,
                key,
                now
            )
        )?;
        Ok(())
    }

    /// Destroys the key of a person. Answers whether there was one.
    pub async fn delete_person_key(&mut self, person: PersonId) -> Result<bool> {
        let rows = sql!(self, execute("delete from person_keys where tenant_id = $1 and person_id = $2", person))?;
        Ok(rows > 0)
    }
}
