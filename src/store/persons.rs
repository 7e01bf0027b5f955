//! Persons.

use chrono::{DateTime, Utc};

use sqlx::types::Json;

use super::{Reader, Result, Writer, sql};
use crate::model::{DirectoryId, LoginId, Person, PersonId, PersonState};

impl Reader {
    /// A person of the tenant.
    pub async fn person(&mut self, id: PersonId) -> Result<Option<Person>> {
        sql!(
            self,
            fetch_optional::<Person>(
                "select id, state, epoch, merged_into, merged_at from persons where tenant_id = $1 and id = $2",
                id
            )
        )
    }

    /// The persons that were merged into one.
    pub async fn merged_persons(&mut self, host: PersonId) -> Result<Vec<PersonId>> {
        let rows = sql!(self, fetch_all::<(PersonId,)>("select id from persons where tenant_id = $1 and merged_into = $2", host))?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// How many logins a person has: one or two, or none that is left.
    pub async fn login_count(&mut self, person: PersonId) -> Result<i64> {
        let row =
            sql!(self, fetch_optional::<(i64,)>("select count(*) from logins where tenant_id = $1 and person_id = $2", person))?;
        Ok(row.map_or(0, |(count,)| count))
    }

    /// The other login of a login's person, if there is one and it may be used.
    pub async fn other_login_in_use(&mut self, login: LoginId) -> Result<Option<LoginId>> {
        let row = sql!(
            self,
            fetch_optional::<(LoginId,)>(
                "select o.id from logins l join logins o on o.tenant_id = $1 and o.person_id = l.person_id and o.id <> l.id
                 where l.tenant_id = $1 and l.id = $2 and o.active and o.locked_at is null",
                login
            )
        )?;
        Ok(row.map(|(other,)| other))
    }

    /// Of these logins of a directory, those whose person has another login in the same directory, with that one.
    pub async fn other_logins(&mut self, directory: DirectoryId, logins: &[LoginId]) -> Result<Vec<(LoginId, LoginId)>> {
        if logins.is_empty() {
            return Ok(Vec::new());
        }
        sql!(
            self,
            fetch_all::<(LoginId, LoginId)>(
                "select l.id, o.id from logins l join logins o on o.person_id = l.person_id and o.id <> l.id
                 where l.tenant_id = $1 and o.tenant_id = $1 and l.directory_id = $2 and o.directory_id = $2 and l.id in {ids $3}",
                directory,
                Json(logins)
            )
        )
    }
}

impl Writer {
    /// Makes a person, for the login that is born with it.
    pub async fn insert_person(&mut self, id: PersonId, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into persons (tenant_id, id, state, epoch, open, created_at) values ($1, $2, $3, 0, $5, $4)",
                id,
                PersonState::Active,
                now,
                true
            )
        )?;
        Ok(())
    }
}
