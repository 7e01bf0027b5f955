//! Persons.

use chrono::{DateTime, Utc};

use super::{Reader, Result, Writer, sql};
use crate::model::{Person, PersonId, PersonState};

impl Reader {
    /// A person of the tenant.
    pub async fn person(&mut self, id: PersonId) -> Result<Option<Person>> {
        sql!(
            self,
            fetch_optional::<Person>("select id, state, epoch, merged_into from persons where tenant_id = $1 and id = $2", id)
        )
    }

    /// How many logins a person has: one or two, or none that is left.
    pub async fn login_count(&mut self, person: PersonId) -> Result<i64> {
        let row =
            sql!(self, fetch_optional::<(i64,)>("select count(*) from logins where tenant_id = $1 and person_id = $2", person))?;
        Ok(row.map_or(0, |(count,)| count))
    }
}

impl Writer {
    /// Makes a person, for the login that is born with it.
    pub async fn insert_person(&mut self, id: PersonId, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into persons (tenant_id, id, state, epoch, created_at) values ($1, $2, $3, 0, $4)",
                id,
                PersonState::Active,
                now
            )
        )?;
        Ok(())
    }
}
