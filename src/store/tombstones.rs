//! Tombstones: what is left of deleted logins, so that nobody comes back by signing in.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::{Reader, Result, Writer, sql};
use crate::model::{DirectoryId, LoginId, PairValue, PersonId, Subject};

/// What a deleted login leaves behind.
#[derive(Clone, Debug)]
pub struct NewTombstone<'a> {
    pub id: LoginId,
    pub person_id: PersonId,
    pub directory_id: Option<DirectoryId>,
    pub user_name: &'a str,
    pub external_id: Option<&'a str>,
    /// By which each joined connection would have bound it.
    pub pairs: &'a [PairValue],
}

impl Reader {
    /// Whether this subject was a deleted login's, and nobody has lifted that.
    pub async fn is_subject_tombstoned(&mut self, subject: &Subject) -> Result<bool> {
        let found = sql!(
            self,
            fetch_optional::<(i64,)>(
                "select cast(1 as bigint) from tombstone_subjects s join tombstones t on t.id = s.tombstone_id
                 where s.tenant_id = $1 and s.connection_id = $2 and s.issuer = $3 and s.kind = $4 and s.value = $5
                   and t.tenant_id = $1 and t.lifted_at is null limit 1",
                subject.connection,
                &subject.issuer,
                subject.kind,
                &subject.value
            )
        )?;
        Ok(found.is_some())
    }

    /// Whether one of these pair values was a deleted login's, and nobody has lifted that.
    pub async fn is_pair_tombstoned(&mut self, pairs: &[PairValue]) -> Result<bool> {
        if pairs.is_empty() {
            return Ok(false);
        }
        let found = sql!(
            self,
            fetch_optional::<(i64,)>(
                "select cast(1 as bigint) from {rows $2} cross join tombstone_pairs p join tombstones t on t.id = p.tombstone_id
                 where p.tenant_id = $1 and p.connection_id = {uuid item.value ->> 'connection'} and p.claim = item.value ->> 'claim'
                   and p.value = item.value ->> 'value' and t.tenant_id = $1 and t.lifted_at is null limit 1",
                Json(pairs)
            )
        )?;
        Ok(found.is_some())
    }
}

impl Writer {
    /// Leaves a tombstone of a login that is about to be deleted, with its subjects and its pair values.
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
        // A login has the one kind of pair values or the other: those of its directory, or those that its sign-ins proved.
        sql!(
            self,
            execute(
                "insert into tombstone_pairs (tenant_id, tombstone_id, connection_id, claim, value)
                 select tenant_id, login_id, connection_id, claim, value from pair_values where tenant_id = $1 and login_id = $2",
                new.id
            )
        )?;
        if !new.pairs.is_empty() {
            sql!(
                self,
                execute(
                    "insert into tombstone_pairs (tenant_id, tombstone_id, connection_id, claim, value)
                     select $1, $2, {uuid item.value ->> 'connection'}, item.value ->> 'claim', item.value ->> 'value' from {rows $3}
                     where true on conflict do nothing",
                    new.id,
                    Json(new.pairs)
                )
            )?;
        }
        Ok(())
    }

    /// Lifts the tombstones that have one of these pair values: a directory that is joined by the pair wants the person back.
    pub async fn lift_tombstones(&mut self, pairs: &[PairValue], now: DateTime<Utc>) -> Result<u64> {
        if pairs.is_empty() {
            return Ok(0);
        }
        sql!(
            self,
            execute(
                "update tombstones set lifted_at = $3 where tenant_id = $1 and lifted_at is null and id in (
                   select p.tombstone_id from {rows $2} cross join tombstone_pairs p
                   where p.tenant_id = $1 and p.connection_id = {uuid item.value ->> 'connection'}
                     and p.claim = item.value ->> 'claim' and p.value = item.value ->> 'value')",
                Json(pairs),
                now
            )
        )
    }
}
