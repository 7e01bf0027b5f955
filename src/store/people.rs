//! People as administrators look after them: lists, logins that were made by hand, and what a hand deactivates.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::logins::login_columns;
use super::subjects::KnownLogin;
use super::{Error, LoginRow, Reader, Result, Writer, sql};
use crate::model::{
    AccountId, ConnectionId, DirectoryId, LoginId, LoginKind, PairValue, PersonId, PersonState, SubjectKind, TokenType,
};

macro_rules! person_columns {
    () => {
        "l.id, l.person_id, l.kind, l.user_name, l.scim, l.home_account_id, l.directory_id, l.connection_id, l.token_type, l.mobile_type,
         l.version, l.invited_at, l.signed_in_at, l.created_at,
         case when not l.active or l.locked_at is not null or p.state <> 'active' then 'deactivated'
           when l.signed_in_at is not null then 'active' when l.invited_at is not null then 'invited' else 'pending' end as state"
    };
}

/// How far somebody has come: asked to come, waited for, here, or not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum PresenceState {
    /// Somebody has asked them to come, and they have not signed in yet.
    Invited,
    /// They have not signed in yet.
    Pending,
    /// They have signed in.
    Active,
    /// The login or its person is deactivated, by its directory or by a hand.
    Deactivated,
}

/// A login as lists of people show it.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct PersonRow {
    pub id: LoginId,
    pub person_id: PersonId,
    pub kind: LoginKind,
    pub user_name: String,
    #[sqlx(json)]
    pub scim: serde_json::Value,
    pub home_account_id: AccountId,
    pub directory_id: Option<DirectoryId>,
    pub connection_id: Option<ConnectionId>,
    pub token_type: Option<TokenType>,
    pub mobile_type: Option<String>,
    pub version: i64,
    pub invited_at: Option<DateTime<Utc>>,
    pub signed_in_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub state: PresenceState,
}

/// Which people are wanted; all that is given counts.
#[derive(Clone, Debug, Default)]
pub struct PeopleQuery {
    /// Those of these accounts: at home there, or given something there. `None` is everybody.
    pub seen: Option<Vec<AccountId>>,
    pub account: Option<AccountId>,
    /// A part of the user name, the display name or an e-mail address, folded.
    pub search: Option<String>,
    pub state: Option<PresenceState>,
    pub kind: Option<LoginKind>,
    pub directory: Option<DirectoryId>,
    pub connection: Option<ConnectionId>,
    pub after: Option<LoginId>,
}

impl Reader {
    /// People by the age of their logins, oldest first. A search looks at one login after another, until the page is full.
    pub async fn people(&mut self, query: &PeopleQuery, limit: u32) -> Result<Vec<PersonRow>> {
        let after = query.after.unwrap_or(LoginId::from_uuid(uuid::Uuid::nil()));
        let none = Vec::new();
        // Every position is 0 or more: to say so has SQLite look into the e-mails of one login, and not into all of the tenant.
        sql!(
            self,
            fetch_all::<PersonRow>(
                concat!(
                    "select ",
                    person_columns!(),
                    " from logins l join persons p on p.id = l.person_id
                     where l.tenant_id = $1 and l.id > $2
                       and ($3 or l.home_account_id in {ids $4} or exists (
                         select 1 from assignments a where a.tenant_id = $1 and a.login_id = l.id and a.account_id in {ids $4}))
                       and ($5 is null or l.home_account_id = $5 or exists (
                         select 1 from assignments a where a.tenant_id = $1 and a.login_id = l.id and a.account_id = $5))
                       and ($6 is null or {contains l.user_name_key, $6} or {contains coalesce(l.search ->> 'displayName', ''), $6}
                         or exists (select 1 from emails e
                           where e.tenant_id = $1 and e.login_id = l.id and e.position >= 0 and {contains e.value_key, $6}))
                       and ($7 is null or $7 = case when not l.active or l.locked_at is not null or p.state <> 'active' then 'deactivated'
                         when l.signed_in_at is not null then 'active' when l.invited_at is not null then 'invited' else 'pending' end)
                       and ($8 is null or l.kind = $8) and ($9 is null or l.directory_id = $9)
                       and ($10 is null or l.connection_id = $10)
                     order by l.id limit $11"
                ),
                after,
                query.seen.is_none(),
                Json(query.seen.as_ref().unwrap_or(&none)),
                query.account,
                query.search.as_deref(),
                query.state,
                query.kind,
                query.directory,
                query.connection,
                i64::from(limit)
            )
        )
    }

    /// One login as lists of people show it.
    pub async fn person_row(&mut self, id: LoginId) -> Result<Option<PersonRow>> {
        sql!(
            self,
            fetch_optional::<PersonRow>(
                concat!(
                    "select ",
                    person_columns!(),
                    " from logins l join persons p on p.id = l.person_id where l.tenant_id = $1 and l.id = $2"
                ),
                id
            )
        )
    }

    /// The pair values that whoever made these logins by hand named.
    pub async fn pairs_by_hand(&mut self, logins: &[LoginId]) -> Result<Vec<(LoginId, String, String)>> {
        let rows: Vec<_> = logins.iter().map(|login| serde_json::json!({ "login": login })).collect();
        sql!(
            self,
            fetch_all::<(LoginId, String, String)>(
                "select v.login_id, v.claim, v.value from {rows $2} cross join pair_values v
                 where v.tenant_id = $1 and v.login_id = {uuid item.value ->> 'login'} and v.by_hand",
                Json(&rows)
            )
        )
    }

    /// Whether a directory of the tenant is in use.
    pub async fn is_directory_enabled(&mut self, id: DirectoryId) -> Result<bool> {
        let found = sql!(
            self,
            fetch_optional::<(DirectoryId,)>(
                "select id from directories where tenant_id = $1 and id = $2 and state = 'enabled'",
                id
            )
        )?;
        Ok(found.is_some())
    }

    /// In how many sessions a login takes part.
    pub async fn count_sessions_of_login(&mut self, login: LoginId, now: DateTime<Utc>) -> Result<i64> {
        let row = sql!(
            self,
            fetch_optional::<(i64,)>(
                "select count(*) from session_logins sl join sessions s on s.id = sl.session_id
                 where sl.tenant_id = $1 and sl.login_id = $2 and s.expires_at > $3",
                login,
                now
            )
        )?;
        Ok(row.map_or(0, |(count,)| count))
    }

    /// The logins of a person, by slot.
    pub async fn logins_of_person(&mut self, person: PersonId) -> Result<Vec<LoginRow>> {
        sql!(
            self,
            fetch_all::<LoginRow>(
                concat!(
                    "select ",
                    login_columns!(),
                    ", l.scim from logins l where l.tenant_id = $1 and l.person_id = $2 order by l.slot"
                ),
                person
            )
        )
    }

    /// Whether a live login has this subject, whoever issued it.
    pub async fn is_subject_known(&mut self, connection: ConnectionId, kind: SubjectKind, value: &str) -> Result<bool> {
        let found = sql!(
            self,
            fetch_optional::<(LoginId,)>(
                "select s.login_id from connections c join subjects s on s.connection_id = c.id and s.issuer = c.issuer
                 where c.tenant_id = $1 and c.id = $2 and s.tenant_id = $1 and s.kind = $3 and s.value = $4",
                connection,
                kind,
                value
            )
        )?;
        Ok(found.is_some())
    }
}

impl Writer {
    /// Notes by which pair value the first sign-in of a login finds it.
    pub async fn expect_pair(&mut self, login: LoginId, pair: &PairValue) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into pair_values (tenant_id, login_id, connection_id, claim, value, by_hand) values ($1, $2, $3, $4, $5, $6)",
                login,
                pair.connection,
                &pair.claim,
                &pair.value,
                true
            )
        )?;
        Ok(())
    }

    /// The login that was made by hand for this pair value, taken for update.
    pub async fn login_expected(&mut self, pair: &PairValue) -> Result<Option<KnownLogin>> {
        sql!(
            self,
            fetch_optional::<KnownLogin>(
                concat!(
                    "select ",
                    login_columns!(),
                    ", p.state as person_state, exists (
                         select 1 from subjects s join connections c on c.id = s.connection_id and c.issuer = s.issuer
                         where s.login_id = l.id and s.connection_id = $2) as bound
                     from pair_values v join logins l on l.id = v.login_id join persons p on p.id = l.person_id
                     where v.tenant_id = $1 and v.connection_id = $2 and v.claim = $3 and v.value = $4 and v.by_hand {for update}"
                ),
                pair.connection,
                &pair.claim,
                &pair.value
            )
        )
    }

    /// Lifts the tombstones of logins with this subject: an administrator wants the person back.
    pub async fn lift_tombstones_of_subject(
        &mut self,
        connection: ConnectionId,
        kind: SubjectKind,
        value: &str,
        now: DateTime<Utc>,
    ) -> Result<u64> {
        sql!(
            self,
            execute(
                "update tombstones set lifted_at = $5 where tenant_id = $1 and lifted_at is null and id in (
                   select s.tombstone_id from connections c join tombstone_subjects s on s.connection_id = c.id and s.issuer = c.issuer
                   where c.tenant_id = $1 and c.id = $2 and s.tenant_id = $1 and s.kind = $3 and s.value = $4)",
                connection,
                kind,
                value,
                now
            )
        )
    }

    /// Takes any login of the tenant, so that nobody else changes it until this transaction ends.
    pub async fn any_login_for_update(&mut self, id: LoginId) -> Result<Option<LoginRow>> {
        sql!(
            self,
            fetch_optional::<LoginRow>(
                concat!("select ", login_columns!(), ", l.scim from logins l where l.tenant_id = $1 and l.id = $2 {for update}"),
                id
            )
        )
    }

    /// Notes what a local login has as second factor.
    pub async fn set_token_type(&mut self, login: LoginId, kind: Option<TokenType>, mobile: Option<&str>) -> Result<()> {
        let written = sql!(
            self,
            execute("update logins set token_type = $3, mobile_type = $4 where tenant_id = $1 and id = $2", login, kind, mobile)
        )?;
        if written == 1 { Ok(()) } else { Err(Error::Raced) }
    }

    /// Deactivates a login by hand since then, or no longer.
    pub async fn set_locked(&mut self, login: LoginId, since: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<()> {
        let written = sql!(
            self,
            execute(
                "update logins set locked_at = $3, suspended_by = null, version = version + 1, updated_at = $4
                 where tenant_id = $1 and id = $2",
                login,
                since,
                now
            )
        )?;
        if written == 1 { Ok(()) } else { Err(Error::Raced) }
    }

    /// Notes that somebody was asked to come.
    pub async fn set_invited(&mut self, login: LoginId, now: DateTime<Utc>) -> Result<()> {
        let written = sql!(
            self,
            execute(
                "update logins set invited_at = $3, version = version + 1, updated_at = $3 where tenant_id = $1 and id = $2",
                login,
                now
            )
        )?;
        if written == 1 { Ok(()) } else { Err(Error::Raced) }
    }

    /// Deactivates a person, or no longer. The logins have another version.
    pub async fn set_person_state(&mut self, person: PersonId, state: PersonState, now: DateTime<Utc>) -> Result<()> {
        let written = sql!(
            self,
            execute("update persons set state = $3 where tenant_id = $1 and id = $2 and state <> 'merged'", person, state)
        )?;
        sql!(
            self,
            execute(
                "update logins set version = version + 1, updated_at = $3 where tenant_id = $1 and person_id = $2",
                person,
                now
            )
        )?;
        if written == 1 { Ok(()) } else { Err(Error::Raced) }
    }
}
