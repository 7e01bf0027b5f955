//! Subjects: what identity providers call logins, and what is left of deleted ones.

use chrono::{DateTime, Utc};

use super::logins::login_columns;
use super::{Reader, Result, Writer, sql};
use crate::model::{ConnectionId, DirectoryId, Login, LoginId, PersonId, PersonState, Subject};

/// A login as a sign-in finds it.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct KnownLogin {
    #[sqlx(flatten)]
    pub login: Login,
    pub person_state: PersonState,
    /// It already has a subject of the connection that asks.
    pub bound: bool,
}

/// What a deleted login leaves behind.
#[derive(Clone, Debug)]
pub struct NewTombstone<'a> {
    pub id: LoginId,
    pub person_id: PersonId,
    pub directory_id: Option<DirectoryId>,
    pub user_name: &'a str,
    pub external_id: Option<&'a str>,
}

impl Reader {
    /// Whether a login of this subject or pair value was deleted, and nobody has lifted that.
    pub async fn is_tombstoned(&mut self, subject: &Subject, pair_values: &[String]) -> Result<bool> {
        let found = sql!(
            self,
            fetch_optional::<(i64,)>(
                "select cast(1 as bigint) from tombstones t where t.tenant_id = $1 and t.lifted_at is null and t.id in (
                   select tombstone_id from tombstone_subjects
                   where tenant_id = $1 and connection_id = $2 and issuer = $3 and kind = $4 and value = $5
                   union all select p.tombstone_id from tombstone_pairs p
                   where p.tenant_id = $1 and p.connection_id = $2 and p.value in (select item.value ->> 'value' from {rows $6})
                 ) limit 1",
                subject.connection,
                &subject.issuer,
                subject.kind,
                &subject.value,
                sqlx::types::Json(pair_values.iter().map(|value| serde_json::json!({ "value": value })).collect::<Vec<_>>())
            )
        )?;
        Ok(found.is_some())
    }
}

impl Writer {
    /// The login that a subject names, taken for update.
    pub async fn login_of_subject(&mut self, subject: &Subject) -> Result<Option<KnownLogin>> {
        sql!(
            self,
            fetch_optional::<KnownLogin>(
                concat!(
                    "select ",
                    login_columns!(),
                    ", p.state as person_state, $6 as bound from subjects s
                     join logins l on l.id = s.login_id join persons p on p.id = l.person_id
                     where s.tenant_id = $1 and s.connection_id = $2 and s.issuer = $3 and s.kind = $4 and s.value = $5 {for update}"
                ),
                subject.connection,
                &subject.issuer,
                subject.kind,
                &subject.value,
                true
            )
        )
    }

    /// The live logins of a directory whose attribute has exactly this value, taken for update.
    pub async fn logins_of_pair(
        &mut self,
        directory: DirectoryId,
        attribute: PairAttribute<'_>,
        connection: ConnectionId,
    ) -> Result<Vec<KnownLogin>> {
        match attribute {
            PairAttribute::ExternalId(value) => sql!(
                self,
                fetch_all::<KnownLogin>(
                    concat!(
                        "select ",
                        login_columns!(),
                        ", p.state as person_state, exists (
                             select 1 from subjects s where s.login_id = l.id and s.connection_id = $4) as bound
                         from logins l join persons p on p.id = l.person_id
                         where l.tenant_id = $1 and l.directory_id = $2 and l.external_id = $3 order by l.id limit 2 {for update}"
                    ),
                    directory,
                    value,
                    connection
                )
            ),
            PairAttribute::UserName { key, value } => sql!(
                self,
                fetch_all::<KnownLogin>(
                    concat!(
                        "select ",
                        login_columns!(),
                        ", p.state as person_state, exists (
                             select 1 from subjects s where s.login_id = l.id and s.connection_id = $5) as bound
                         from logins l join persons p on p.id = l.person_id
                         where l.tenant_id = $1 and l.namespace_id = $2 and l.user_name_key = $3 and l.user_name = $4
                         order by l.id limit 2 {for update}"
                    ),
                    directory,
                    key,
                    value,
                    connection
                )
            ),
        }
    }

    /// Binds a subject to a login, for ever.
    pub async fn insert_subject(&mut self, login: LoginId, subject: &Subject, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into subjects (tenant_id, login_id, connection_id, issuer, kind, value, created_at)
                 values ($1, $2, $3, $4, $5, $6, $7)",
                login,
                subject.connection,
                &subject.issuer,
                subject.kind,
                &subject.value,
                now
            )
        )?;
        Ok(())
    }

    /// Leaves a tombstone of a login that is about to be deleted, with its subjects and the value of each binding pair.
    pub async fn insert_tombstone(&mut self, new: &NewTombstone<'_>, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into tombstones (tenant_id, id, person_id, directory_id, user_name, external_id, deleted_at)
                 values ($1, $2, $3, $4, $5, $6, $7)",
                new.id,
                new.person_id,
                new.directory_id,
                new.user_name,
                new.external_id,
                now
            )
        )?;
        sql!(
            self,
            execute(
                "insert into tombstone_subjects (tenant_id, tombstone_id, connection_id, issuer, kind, value)
                 select tenant_id, login_id, connection_id, issuer, kind, value from subjects where tenant_id = $1 and login_id = $2",
                new.id
            )
        )?;
        sql!(
            self,
            execute(
                "insert into tombstone_pairs (tenant_id, tombstone_id, connection_id, value)
                 select b.tenant_id, $2, b.connection_id, case b.attribute when 'userName' then $4 else $5 end from bindings b
                 where b.tenant_id = $1 and b.directory_id = $3 and (b.attribute = 'userName' or $5 is not null)",
                new.id,
                new.directory_id,
                new.user_name,
                new.external_id
            )
        )?;
        Ok(())
    }

    /// Lifts the tombstones of a directory that have this pair value: the directory wants the person back.
    pub async fn lift_tombstones(
        &mut self,
        directory: DirectoryId,
        user_name: &str,
        external_id: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<u64> {
        sql!(
            self,
            execute(
                "update tombstones set lifted_at = $5 where tenant_id = $1 and directory_id = $2 and lifted_at is null and id in (
                   select p.tombstone_id from bindings b cross join tombstone_pairs p
                   where b.tenant_id = $1 and b.directory_id = $2 and p.tenant_id = $1 and p.connection_id = b.connection_id
                     and p.value = case b.attribute when 'userName' then $3 else $4 end)",
                directory,
                user_name,
                external_id,
                now
            )
        )
    }
}

/// The value that an attribute of a provisioned login must have.
#[derive(Clone, Copy, Debug)]
pub enum PairAttribute<'a> {
    ExternalId(&'a str),
    /// Looked up by its key, then compared exactly.
    UserName {
        key: &'a str,
        value: &'a str,
    },
}
