//! Pair values of logins that signing in made: by these a directory finds the login that it adopts.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::logins::login_columns;
use super::{Error, LoginDocument, LoginRow, Result, Writer, sql};
use crate::model::{ConnectionId, Directory, Login, LoginId, PairValue};

/// A login that no directory has, and what a sign-in proved of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvedRow {
    pub login: LoginId,
    pub pair: PairValue,
}

impl Writer {
    /// Waits until no other transaction works with one of these pair values. The first sign-in of somebody and the directory's push
    /// of the same person would otherwise not see one another, and make two logins.
    pub async fn lock_pairs(&mut self, pairs: &[PairValue]) -> Result<()> {
        // In one order everywhere, so that nobody waits in a circle.
        let locks: BTreeSet<_> = pairs.iter().map(|pair| format!("{} {} {}", pair.connection, pair.claim, pair.value)).collect();
        if locks.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = locks.into_iter().map(|lock| serde_json::json!({ "lock": lock })).collect();
        sql!(
            self,
            fetch_all::<(i64,)>(
                "select t.epoch from {rows $2} cross join tenants t where t.tenant_id = $1 and {alone item.value ->> 'lock'}",
                Json(&rows)
            )
        )?;
        Ok(())
    }

    /// The logins that signing in made, no directory has, and one of these pair values was proved of.
    pub async fn logins_proved(&mut self, pairs: &[PairValue]) -> Result<Vec<ProvedRow>> {
        if pairs.is_empty() {
            return Ok(Vec::new());
        }
        let rows = sql!(
            self,
            fetch_all::<(LoginId, ConnectionId, String, String)>(
                "select v.login_id, v.connection_id, v.claim, v.value from {rows $2} cross join pair_values v
                 where v.tenant_id = $1 and v.connection_id = {uuid item.value ->> 'connection'}
                   and v.claim = item.value ->> 'claim' and v.value = item.value ->> 'value'",
                Json(pairs)
            )
        )?;
        Ok(rows
            .into_iter()
            .map(|(login, connection, claim, value)| ProvedRow { login, pair: PairValue { connection, claim, value } })
            .collect())
    }

    /// Keeps what a sign-in proved of a login that no directory has. What a hand named stays as it was named.
    pub async fn keep_pair_values(&mut self, login: LoginId, pairs: &[PairValue]) -> Result<()> {
        if pairs.is_empty() {
            return Ok(());
        }
        sql!(
            self,
            execute(
                "insert into pair_values (tenant_id, login_id, connection_id, claim, value, by_hand)
                 select $1, $2, {uuid item.value ->> 'connection'}, item.value ->> 'claim', item.value ->> 'value', $4 from {rows $3}
                 where true on conflict (login_id, connection_id, claim) do update set value = excluded.value
                 where not pair_values.by_hand",
                login,
                Json(pairs),
                false
            )
        )?;
        Ok(())
    }

    /// Takes a login that no directory has, so that nobody else adopts or changes it until this transaction ends.
    pub async fn unprovisioned_login_for_update(&mut self, id: LoginId) -> Result<Option<LoginRow>> {
        sql!(
            self,
            fetch_optional::<LoginRow>(
                concat!(
                    "select ",
                    login_columns!(),
                    ", l.scim from logins l where l.tenant_id = $1 and l.id = $2 and l.directory_id is null {for update}"
                ),
                id
            )
        )
    }

    /// Makes a login the directory's own: from now on it is what the directory says, and at home where the directory is. Person,
    /// subjects, connection and sessions stay.
    pub async fn adopt_login(
        &mut self,
        login: &Login,
        directory: &Directory,
        document: &LoginDocument,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let written = sql!(
            self,
            execute(
                "update logins set directory_id = $3, namespace_id = $3, home_account_id = $4, user_name = $5, user_name_key = $6,
                   folding = $7, external_id = $8, active = $9, scim = $10, search = $11, version = version + 1,
                   facts_version = facts_version + 1, updated_at = $12, other_user_name_key = $14,
                   unique_external_key = case when (select d.unique_external_ids from directories d
                     where d.tenant_id = $1 and d.id = $3) then $8 end
                 where tenant_id = $1 and id = $2 and version = $13 and directory_id is null",
                login.id,
                directory.id,
                directory.home_account_id,
                &document.user_name,
                &document.user_name_key,
                document.folding,
                document.external_id.as_deref(),
                document.active,
                Json(&document.scim),
                Json(&document.search),
                now,
                login.version,
                document.other_user_name_key.as_deref()
            )
        )?;
        if written != 1 {
            return Err(Error::Raced);
        }
        // What the directory says counts from here on.
        sql!(self, execute("delete from pair_values where tenant_id = $1 and login_id = $2", login.id))?;
        self.replace_emails(login.id, &document.emails).await
    }
}
