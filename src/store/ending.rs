//! How sessions end. Nothing else removes a session, and nothing else raises an epoch: what goes with the end is written here.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::types::Json;

use super::{Cookies, Error, Reader, Result, Writer, sql};
use crate::model::{ConnectionId, EndingId, LoginId, PersonId, SessionId, Sid};

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
    /// The sessions in which a login is the active one.
    pub async fn sessions_of_login(&mut self, login: LoginId) -> Result<Vec<SessionId>> {
        ids(sql!(self, fetch_all::<(SessionId,)>("select id from sessions where tenant_id = $1 and active_login_id = $2", login)))
    }

    /// By what portals know a login where it takes part in sessions.
    pub async fn sids_of_login(&mut self, login: LoginId) -> Result<Vec<Sid>> {
        let rows = sql!(self, fetch_all::<(Sid,)>("select sid from session_logins where tenant_id = $1 and login_id = $2", login))?;
        Ok(rows.into_iter().map(|(sid,)| sid).collect())
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

    /// Some of the sessions whose end has come.
    pub async fn ended_sessions(&mut self, now: DateTime<Utc>, limit: u32) -> Result<Vec<SessionId>> {
        ids(sql!(
            self,
            fetch_all::<(SessionId,)>(
                "select id from sessions where tenant_id = $1 and expires_at <= $2 order by expires_at limit $3",
                now,
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

    /// Some of the sessions that an ending ends: for a connection those whose active login came by it.
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
                "select sl.session_id from session_logins sl join sessions s on s.id = sl.session_id and s.active_login_id = sl.login_id
                 where sl.tenant_id = $1 and sl.connection_id = $2 and sl.connection_epoch < $3 limit $4",
                connection,
                ending.epoch,
                i64::from(limit)
            )
        ))
    }

    /// By what portals know some of the logins that an ending of a connection ends, in sessions that go on by another login.
    pub async fn sids_of_ending(&mut self, ending: &EndingRow, limit: u32) -> Result<Vec<Sid>> {
        let rows = sql!(
            self,
            fetch_all::<(Sid,)>(
                "select sid from session_logins where tenant_id = $1 and connection_id = $2 and connection_epoch < $3 limit $4",
                ending.connection_id,
                ending.epoch,
                i64::from(limit)
            )
        )?;
        Ok(rows.into_iter().map(|(sid,)| sid).collect())
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
        let rows = sql!(
            self,
            fetch_all::<(Sid,)>(
                "select sl.sid from sessions s join session_logins sl on sl.session_id = s.id
                 where s.tenant_id = $1 and s.id in {ids $2} order by s.id {for update of s, sl}",
                Json(sessions)
            )
        )?;
        let sids: Vec<_> = rows.into_iter().map(|(sid,)| sid).collect();
        self.tell_portals(&sids, now).await?;
        sql!(self, execute("delete from sessions where tenant_id = $1 and id in {ids $2}", Json(sessions)))
    }

    /// Lets a session end no later than this.
    pub async fn shorten_session(&mut self, id: SessionId, until: DateTime<Utc>) -> Result<()> {
        sql!(self, execute("update sessions set expires_at = $3 where tenant_id = $1 and id = $2 and expires_at > $3", id, until))?;
        Ok(())
    }

    /// Ends the part of logins in sessions that go on by another login: they are signed in there no longer.
    pub async fn end_parts(&mut self, sids: &[Sid], now: DateTime<Utc>) -> Result<()> {
        if sids.is_empty() {
            return Ok(());
        }
        self.lock_parts(sids).await?;
        self.tell_portals(sids, now).await?;
        sql!(self, execute("delete from session_logins where tenant_id = $1 and sid in {ids $2}", Json(sids)))?;
        Ok(())
    }

    /// Ends what portals were given for a login that stays signed in in its session, and is known to them by another name from now on: the
    /// person switches to the other login.
    pub async fn end_grants(&mut self, former: Sid, after: Sid, now: DateTime<Utc>) -> Result<()> {
        self.lock_parts(&[former]).await?;
        self.tell_portals(&[former], now).await?;
        sql!(self, execute("delete from grants where tenant_id = $1 and sid = $2", former))?;
        let renamed = sql!(self, execute("update session_logins set sid = $3 where tenant_id = $1 and sid = $2", former, after))?;
        if renamed == 1 { Ok(()) } else { Err(Error::Raced) }
    }

    /// Takes logins within sessions. A grant that is being made refers to one, and is waited for, so that its portal is told too.
    async fn lock_parts(&mut self, sids: &[Sid]) -> Result<()> {
        sql!(
            self,
            execute(
                "select sid from session_logins where tenant_id = $1 and sid in {ids $2} order by sid {for update}",
                Json(sids)
            )
        )?;
        Ok(())
    }

    /// Every portal that was given something by one of these names is to be told that it is over, where it wants to be.
    async fn tell_portals(&mut self, sids: &[Sid], now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into deliveries (tenant_id, client_id, sid, login_id, created_at, due_at, attempts)
                 select $1, g.client_id, g.sid, g.login_id, $3, $3, 0
                 from session_logins sl join grants g on g.sid = sl.sid join clients c on c.id = g.client_id
                 where sl.tenant_id = $1 and sl.sid in {ids $2} and c.backchannel_logout_uri is not null and c.revoked_at is null
                 on conflict (tenant_id, client_id, sid) do nothing",
                Json(sids),
                now
            )
        )?;
        Ok(())
    }

    /// Makes another login that takes part in a session its active one. Answers false when that is not how the session is: it is over, or the
    /// person switched in another tab.
    pub async fn activate_login(&mut self, session: SessionId, from: LoginId, to: LoginId, now: DateTime<Utc>) -> Result<bool> {
        let switched = sql!(
            self,
            execute(
                "update sessions set active_login_id = $4, last_seen_at = $5
                 where tenant_id = $1 and id = $2 and active_login_id = $3 and exists (
                   select 1 from session_logins sl where sl.tenant_id = $1 and sl.session_id = $2 and sl.login_id = $4)",
                session,
                from,
                to,
                now
            )
        )?;
        Ok(switched == 1)
    }

    /// Shows a session by another cookie from now on: what it is worth has changed. Answers false when it is over, or shown by another one.
    pub async fn change_cookie(&mut self, session: SessionId, cookies: Cookies<'_>, now: DateTime<Utc>) -> Result<bool> {
        let changed = sql!(
            self,
            execute(
                "update sessions set digest = $4, last_seen_at = $5 where tenant_id = $1 and id = $2 and digest = $3",
                session,
                cookies.before,
                cookies.after,
                now
            )
        )?;
        Ok(changed == 1)
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
