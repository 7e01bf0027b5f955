//! Sessions, sign-ins that wait for their callback, and the traces that sign-ins leave.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::{Reader, Result, Writer, sql};
use crate::keys::{HashedToken, Sealed};
use crate::model::{Authentication, ConnectionId, Demand, LoginId, PendingId, PersonId, Purpose, SessionId, Sid, TraceId};

/// A session to be begun, with the login that has just signed in as its active one.
#[derive(Clone, Debug)]
pub struct NewSession<'a> {
    pub id: SessionId,
    pub sid: Sid,
    pub digest: &'a HashedToken,
    pub person_id: PersonId,
    pub login_id: LoginId,
    pub user_agent: &'a str,
    /// Where in the network the browser is.
    pub address: Option<&'a str>,
    /// How the login signed in.
    pub authentication: &'a Authentication,
    pub expires_at: DateTime<Utc>,
}

/// A sign-in that begins.
#[derive(Clone, Debug)]
pub struct NewPending<'a> {
    pub id: PendingId,
    pub connection_id: ConnectionId,
    pub state: &'a HashedToken,
    /// Digest of the value in the browser's cookie.
    pub browser: &'a HashedToken,
    pub demand: &'a Demand,
    pub purpose: &'a Purpose,
    /// Nonce and PKCE verifier.
    pub proof: &'a Sealed,
    pub return_to: Option<&'a str>,
    pub expires_at: DateTime<Utc>,
}

/// A sign-in that waits for its callback, as it was begun.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct PendingRow {
    pub id: PendingId,
    pub connection_id: ConnectionId,
    pub browser_digest: HashedToken,
    #[sqlx(json)]
    pub demand: Demand,
    #[sqlx(json)]
    pub purpose: Purpose,
    pub proof_sealed: Sealed,
    pub return_to: Option<String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// When a callback took it. One that was taken is of no more use.
    pub consumed_at: Option<DateTime<Utc>>,
}

/// A session as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SessionRow {
    pub id: SessionId,
    pub active_login_id: LoginId,
    /// What the active login is called.
    pub user_name: String,
    /// What the connection is called that it came by.
    pub connection: Option<String>,
    pub user_agent: String,
    pub address: Option<String>,
    pub created_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// How one sign-in went, for the tenant's administrator. Redacted before it comes here.
#[derive(Clone, Debug)]
pub struct NewTrace<'a> {
    pub id: TraceId,
    pub connection_id: ConnectionId,
    /// `signed_in`, or the stable name of the refusal.
    pub outcome: &'a str,
    pub login_id: Option<LoginId>,
    pub steps: serde_json::Value,
}

impl Reader {
    /// The sessions of a person that nothing has ended. Some may be over by their limits.
    pub async fn live_sessions(&mut self, person: PersonId) -> Result<Vec<SessionRow>> {
        sql!(
            self,
            fetch_all::<SessionRow>(
                "select s.id, s.active_login_id, l.user_name, c.name as connection, s.user_agent, s.address, s.created_at, s.last_seen_at,
                   s.expires_at
                 from sessions s
                   join session_logins sl on sl.session_id = s.id and sl.login_id = s.active_login_id
                   join logins l on l.id = sl.login_id
                   join persons p on p.id = l.person_id
                   join tenants t on t.tenant_id = s.tenant_id
                   left join connections c on c.id = sl.connection_id
                 where s.tenant_id = $1 and s.person_id = $2
                   and l.active and l.locked_at is null and l.epoch = sl.login_epoch and l.person_id = s.person_id
                   and p.state = 'active' and p.epoch = sl.person_epoch
                   and t.state = 'active' and t.epoch = sl.tenant_epoch
                   and (c.id is null or (c.state = 'enabled' and c.epoch = sl.connection_epoch))",
                person
            )
        )
    }

    /// The sessions of a person with the names of the portals that hold something there; one may come several times.
    pub async fn portals_of_sessions(&mut self, person: PersonId) -> Result<Vec<(SessionId, String)>> {
        sql!(
            self,
            fetch_all::<(SessionId, String)>(
                "select s.id, c.name from sessions s join session_logins sl on sl.session_id = s.id
                   join grants g on g.sid = sl.sid join clients c on c.id = g.client_id
                 where s.tenant_id = $1 and s.person_id = $2 and g.revoked_at is null and c.revoked_at is null",
                person
            )
        )
    }

    /// The login that is active in a session, whether that lives or not.
    pub async fn login_of_session(&mut self, session: SessionId) -> Result<Option<LoginId>> {
        let row = sql!(
            self,
            fetch_optional::<(LoginId,)>("select active_login_id from sessions where tenant_id = $1 and id = $2", session)
        )?;
        Ok(row.map(|(login,)| login))
    }

    /// The outcomes of a connection's sign-ins, oldest first.
    pub async fn trace_outcomes(&mut self, connection: ConnectionId) -> Result<Vec<(TraceId, String)>> {
        sql!(
            self,
            fetch_all::<(TraceId, String)>(
                "select id, outcome from sign_in_traces where tenant_id = $1 and connection_id = $2 order by at, id",
                connection
            )
        )
    }

    /// The claims that a login's last sign-ins brought, by connection.
    pub async fn claims(&mut self, login: LoginId) -> Result<BTreeMap<ConnectionId, BTreeMap<String, Vec<String>>>> {
        let row = sql!(
            self,
            fetch_optional::<(Json<BTreeMap<ConnectionId, BTreeMap<String, Vec<String>>>>,)>(
                "select claims from logins where tenant_id = $1 and id = $2",
                login
            )
        )?;
        Ok(row.map(|(Json(claims),)| claims).unwrap_or_default())
    }
}

impl Writer {
    /// Begins a session. It holds while the epochs of its login, person, connection and tenant stay what they are now.
    pub async fn insert_session(&mut self, new: &NewSession<'_>, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into sessions (tenant_id, id, digest, person_id, active_login_id, user_agent, address, created_at, last_seen_at, expires_at)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)",
                new.id,
                new.digest,
                new.person_id,
                new.login_id,
                new.user_agent,
                new.address,
                now,
                new.expires_at
            )
        )?;
        let is_in = self.insert_session_login(new.id, new.sid, new.login_id, new.authentication).await?;
        if is_in { Ok(()) } else { Err(super::Error::Raced) }
    }

    /// Lets a login that signed in anew keep its session, with another cookie, and a new end: an earlier one than asked for, where the identity
    /// provider of its other login wants that. Answers false when there is none to keep: the session is over, is shown by another cookie, or rests on something that was touched since.
    pub async fn renew_session(
        &mut self,
        kept: SessionId,
        before: &HashedToken,
        new: &NewSession<'_>,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let signed_in = sql!(
            self,
            execute(
                "update session_logins set authenticated_at = $6, asserted_at = $7, upstream_session = $8, acr = $9, amr = $10,
                   proved_at = coalesce($11, proved_at), name_id = $12, name_id_value = $13,
                   session_until = $14
                 where tenant_id = $1 and session_id = $2 and login_id = $3 and connection_id = $4
                   and exists (select 1 from sessions s
                     where s.tenant_id = $1 and s.id = $2 and s.digest = $5 and s.active_login_id = $3 and s.expires_at > $6)
                   and login_epoch = (select l.epoch from logins l where l.tenant_id = $1 and l.id = $3)
                   and person_epoch = (select p.epoch from persons p join logins l on l.person_id = p.id where l.tenant_id = $1 and l.id = $3)
                   and connection_epoch = (select c.epoch from connections c where c.tenant_id = $1 and c.id = $4)
                   and tenant_epoch = (select t.epoch from tenants t where t.tenant_id = $1)",
                kept,
                new.login_id,
                new.authentication.connection_id,
                before,
                now,
                new.authentication.asserted_at,
                new.authentication.upstream_session.as_deref(),
                new.authentication.acr.as_deref(),
                Json(&new.authentication.amr),
                new.authentication.proved_at,
                new.authentication.name_id.as_ref().map(Json),
                new.authentication.name_id.as_ref().map(|name| name.value.as_str()),
                new.authentication.session_until
            )
        )?;
        if signed_in == 0 {
            return Ok(false);
        }
        let renewed = sql!(
            self,
            execute(
                "update sessions set digest = $4, user_agent = $5, address = $6, last_seen_at = $7, created_at = $7,
                   expires_at = coalesce((
                     select min(o.session_until) from session_logins o
                     where o.tenant_id = $1 and o.session_id = $2 and o.login_id <> $9 and o.session_until < $8), $8)
                 where tenant_id = $1 and id = $2 and digest = $3",
                kept,
                before,
                new.digest,
                new.user_agent,
                new.address,
                now,
                new.expires_at,
                new.login_id
            )
        )?;
        // Another tab was faster; decided again, there is nothing to keep.
        if renewed == 1 { Ok(true) } else { Err(super::Error::Raced) }
    }

    /// Notes that a session is in use, to the minute.
    pub async fn touch_session(&mut self, id: SessionId, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "update sessions set last_seen_at = $3 where tenant_id = $1 and id = $2 and last_seen_at < $4",
                id,
                now,
                now - chrono::TimeDelta::minutes(1)
            )
        )?;
        Ok(())
    }

    /// Keeps what the callback of a sign-in must match.
    pub async fn insert_pending(&mut self, new: &NewPending<'_>, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into pending_sign_ins (tenant_id, id, connection_id, state_digest, browser_digest, demand, proof_sealed, return_to,
                   created_at, expires_at, purpose) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                new.id,
                new.connection_id,
                new.state,
                new.browser,
                Json(new.demand),
                new.proof,
                new.return_to,
                now,
                new.expires_at,
                Json(new.purpose)
            )
        )?;
        Ok(())
    }

    /// Takes a pending sign-in for this callback and no other. Answers false when somebody was faster.
    pub async fn consume_pending(&mut self, id: PendingId, now: DateTime<Utc>) -> Result<bool> {
        let taken = sql!(
            self,
            execute(
                "update pending_sign_ins set consumed_at = $3 where tenant_id = $1 and id = $2 and consumed_at is null",
                id,
                now
            )
        )?;
        Ok(taken == 1)
    }

    /// Leaves the trace of a sign-in.
    pub async fn insert_trace(&mut self, new: &NewTrace<'_>, now: DateTime<Utc>, request_id: Option<&str>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into sign_in_traces (tenant_id, id, connection_id, at, outcome, login_id, steps, request_id)
                 values ($1, $2, $3, $4, $5, $6, $7, $8)",
                new.id,
                new.connection_id,
                now,
                new.outcome,
                new.login_id,
                Json(&new.steps),
                request_id
            )
        )?;
        Ok(())
    }
}
