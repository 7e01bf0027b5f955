//! How sessions end. Nothing else removes a session, and nothing else raises an epoch: what goes with the end is written here.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::types::Json;

use super::{Error, Reader, Result, Writer, sql};
use crate::model::{ConnectionId, EndingId, LoginId, PersonId, SessionId};

/// Sessions that are over by an epoch, and whose rows are still to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct EndingRow {
    pub id: EndingId,
    /// Of everybody who came by it; none is the whole tenant.
    pub connection_id: Option<ConnectionId>,
    /// From before this one.
    pub epoch: i64,
    pub created_at: DateTime<Utc>,
}

/// How far the clocks of two replicas may be apart. What is further is removed when it is idle.
const CLOCKS_APART: TimeDelta = TimeDelta::minutes(1);

impl Reader {
    /// The sessions that a login takes part in.
    pub async fn sessions_of_login(&mut self, login: LoginId) -> Result<Vec<SessionId>> {
        ids(sql!(
            self,
            fetch_all::<(SessionId,)>("select session_id from session_logins where tenant_id = $1 and login_id = $2", login)
        ))
    }

    /// The sessions of a person.
    pub async fn sessions_of_person(&mut self, person: PersonId) -> Result<Vec<SessionId>> {
        ids(sql!(self, fetch_all::<(SessionId,)>("select id from sessions where tenant_id = $1 and person_id = $2", person)))
    }

    /// Some of the sessions that nobody has used since an instant.
    pub async fn idle_sessions(&mut self, since: DateTime<Utc>, limit: u32) -> Result<Vec<SessionId>> {
        ids(sql!(
            self,
            fetch_all::<(SessionId,)>(
                "select id from sessions where tenant_id = $1 and last_seen_at <= $2 order by last_seen_at limit $3",
                since,
                i64::from(limit)
            )
        ))
    }

    /// Some of the sessions that began before an instant.
    pub async fn old_sessions(&mut self, before: DateTime<Utc>, limit: u32) -> Result<Vec<SessionId>> {
        ids(sql!(
            self,
            fetch_all::<(SessionId,)>(
                "select id from sessions where tenant_id = $1 and created_at <= $2 order by created_at limit $3",
                before,
                i64::from(limit)
            )
        ))
    }

    /// The oldest ending that is not worked off.
    pub async fn next_ending(&mut self) -> Result<Option<EndingRow>> {
        sql!(
            self,
            fetch_optional::<EndingRow>(
                "select id, connection_id, epoch, created_at from endings where tenant_id = $1 order by id limit 1"
            )
        )
    }

    /// Some of the sessions that an ending ends.
    pub async fn sessions_of_ending(&mut self, ending: &EndingRow, limit: u32) -> Result<Vec<SessionId>> {
        let Some(connection) = ending.connection_id else {
            return ids(sql!(
                self,
                fetch_all::<(SessionId,)>(
                    "select s.id from sessions s join session_logins sl on sl.session_id = s.id
                     where s.tenant_id = $1 and s.created_at <= $2 and sl.tenant_epoch < $3 order by s.created_at limit $4",
                    ending.created_at + CLOCKS_APART,
                    ending.epoch,
                    i64::from(limit)
                )
            ));
        };
        ids(sql!(
            self,
            fetch_all::<(SessionId,)>(
                "select session_id from session_logins where tenant_id = $1 and connection_id = $2 and connection_epoch < $3 limit $4",
                connection,
                ending.epoch,
                i64::from(limit)
            )
        ))
    }
}

fn ids(rows: Result<Vec<(SessionId,)>>) -> Result<Vec<SessionId>> {
    Ok(rows?.into_iter().map(|(id,)| id).collect())
}

impl Writer {
    /// Ends these sessions: their logins, grants and refresh tokens go with them, and every portal that was given something in one of them
    /// is to be told, where it wants to be. Answers how many there were.
    pub async fn end_sessions(&mut self, sessions: &[SessionId], now: DateTime<Utc>) -> Result<u64> {
        if sessions.is_empty() {
            return Ok(0);
        }
        // A grant that is being made refers to the login of its session. It is waited for, so that its portal is told too.
        sql!(
            self,
            execute(
                "select sl.sid from sessions s join session_logins sl on sl.session_id = s.id
                 where s.tenant_id = $1 and s.id in {ids $2} order by s.id {for update of s, sl}",
                Json(sessions)
            )
        )?;
        sql!(
            self,
            execute(
                "insert into deliveries (tenant_id, client_id, sid, login_id, created_at, due_at, attempts)
                 select $1, g.client_id, g.sid, g.login_id, $3, $3, 0
                 from sessions s join session_logins sl on sl.session_id = s.id
                   join grants g on g.sid = sl.sid join clients c on c.id = g.client_id
                 where s.tenant_id = $1 and s.id in {ids $2} and c.backchannel_logout_uri is not null and c.revoked_at is null
                 on conflict (tenant_id, client_id, sid) do nothing",
                Json(sessions),
                now
            )
        )?;
        sql!(self, execute("delete from sessions where tenant_id = $1 and id in {ids $2}", Json(sessions)))
    }

    /// Raises a login's epoch: what was signed in before is no longer.
    pub async fn raise_login_epoch(&mut self, login: LoginId) -> Result<()> {
        sql!(self, execute("update logins set epoch = epoch + 1 where tenant_id = $1 and id = $2", login))?;
        Ok(())
    }

    /// Raises a person's epoch: what any of the logins has signed in before is no longer.
    pub async fn raise_person_epoch(&mut self, person: PersonId) -> Result<()> {
        sql!(self, execute("update persons set epoch = epoch + 1 where tenant_id = $1 and id = $2", person))?;
        Ok(())
    }

    /// Raises a connection's epoch: whoever came by it before is signed in no longer. Answers the new one.
    pub async fn raise_connection_epoch(&mut self, connection: ConnectionId) -> Result<i64> {
        let row = sql!(
            self,
            fetch_optional::<(i64,)>(
                "update connections set epoch = epoch + 1 where tenant_id = $1 and id = $2 returning epoch",
                connection
            )
        )?;
        row.map(|(epoch,)| epoch).ok_or(Error::Raced)
    }

    /// Raises the tenant's epoch: nobody who signed in before is signed in any longer. Answers the new one.
    pub async fn raise_tenant_epoch(&mut self) -> Result<i64> {
        let row =
            sql!(self, fetch_optional::<(i64,)>("update tenants set epoch = epoch + 1 where tenant_id = $1 returning epoch"))?;
        row.map(|(epoch,)| epoch).ok_or(Error::Raced)
    }

    /// Leaves it to the worker to remove the sessions that an epoch has ended.
    pub async fn insert_ending(&mut self, new: &EndingRow) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into endings (tenant_id, id, connection_id, epoch, created_at) values ($1, $2, $3, $4, $5)",
                new.id,
                new.connection_id,
                new.epoch,
                new.created_at
            )
        )?;
        Ok(())
    }

    /// Removes an ending that is worked off.
    pub async fn remove_ending(&mut self, id: EndingId) -> Result<()> {
        sql!(self, execute("delete from endings where tenant_id = $1 and id = $2", id))?;
        Ok(())
    }
}
