//! The logins of a session: one or two that signed in there, each with what portals know it by.

use sqlx::types::Json;

use super::{Reader, Result, Writer, sql};
use crate::keys::HashedToken;
use crate::model::{Authentication, ConnectionId, LoginId, NameId, SessionId, Sid};

/// How a login of a session signed in.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SessionLoginRow {
    /// What portals know it by.
    pub sid: Sid,
    #[sqlx(flatten)]
    pub authentication: Authentication,
}

/// A login of a session, by what a SAML identity provider calls it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SessionOfNameId {
    pub session_id: SessionId,
    pub login_id: LoginId,
    /// What portals know it by.
    pub sid: Sid,
    /// The login that the session goes on by; it may be the person's other one.
    pub active_login_id: LoginId,
    #[sqlx(json)]
    pub name_id: NameId,
    /// The identity provider's own name of its session (`SessionIndex`).
    pub upstream_session: Option<String>,
}

impl Reader {
    /// The logins of sessions that came by a connection with a NameID of this value. Its format and qualifiers, and the identity provider's
    /// sessions, are for whoever asks to compare.
    pub async fn sessions_of_name_id(&mut self, connection: ConnectionId, value: &str) -> Result<Vec<SessionOfNameId>> {
        sql!(
            self,
            fetch_all::<SessionOfNameId>(
                "select sl.session_id, sl.login_id, sl.sid, s.active_login_id, sl.name_id, sl.upstream_session
                 from session_logins sl join sessions s on s.id = sl.session_id
                 where sl.tenant_id = $1 and sl.connection_id = $2 and sl.name_id_value = $3",
                connection,
                value
            )
        )
    }

    /// The connection that a login of a session came by.
    pub async fn connection_of_session(&mut self, session: SessionId, login: LoginId) -> Result<Option<ConnectionId>> {
        let row = sql!(
            self,
            fetch_optional::<(Option<ConnectionId>,)>(
                "select connection_id from session_logins where tenant_id = $1 and session_id = $2 and login_id = $3",
                session,
                login
            )
        )?;
        Ok(row.and_then(|(connection,)| connection))
    }

    /// What portals know a login of a session by.
    pub async fn sid_of_session(&mut self, session: SessionId, login: LoginId) -> Result<Option<Sid>> {
        let row = sql!(
            self,
            fetch_optional::<(Sid,)>(
                "select sid from session_logins where tenant_id = $1 and session_id = $2 and login_id = $3",
                session,
                login
            )
        )?;
        Ok(row.map(|(sid,)| sid))
    }

    /// How a login of a session signed in.
    pub async fn session_login(&mut self, session: SessionId, login: LoginId) -> Result<Option<SessionLoginRow>> {
        sql!(
            self,
            fetch_optional::<SessionLoginRow>(
                "select sid, connection_id, authenticated_at, asserted_at, proved_at, upstream_session, acr, amr, name_id, session_until
                 from session_logins
                 where tenant_id = $1 and session_id = $2 and login_id = $3",
                session,
                login
            )
        )
    }

    /// How a login of a session signed in, if that still counts: neither it nor its person, connection or tenant was touched since.
    pub async fn live_session_login(&mut self, session: SessionId, login: LoginId) -> Result<Option<SessionLoginRow>> {
        sql!(
            self,
            fetch_optional::<SessionLoginRow>(
                "select sl.sid, sl.connection_id, sl.authenticated_at, sl.asserted_at, sl.proved_at, sl.upstream_session, sl.acr, sl.amr,
                   sl.name_id, sl.session_until
                 from session_logins sl
                   join sessions s on s.id = sl.session_id
                   join logins l on l.id = sl.login_id
                   join persons p on p.id = l.person_id
                   join tenants t on t.tenant_id = s.tenant_id
                   left join connections c on c.id = sl.connection_id
                 where sl.tenant_id = $1 and sl.session_id = $2 and sl.login_id = $3
                   and l.active and l.locked_at is null and l.epoch = sl.login_epoch and l.person_id = s.person_id
                   and p.state = 'active' and p.epoch = sl.person_epoch
                   and t.state = 'active' and t.epoch = sl.tenant_epoch
                   and (c.id is null or (c.state = 'enabled' and c.epoch = sl.connection_epoch))",
                session,
                login
            )
        )
    }
}

impl Writer {
    /// Lets a login take part in a session of its person. It holds while the epochs of the login, its person, connection and tenant stay what
    /// they are now. Answers false when there is no such session of that person.
    pub async fn insert_session_login(
        &mut self,
        session: SessionId,
        sid: Sid,
        login: LoginId,
        how: &Authentication,
    ) -> Result<bool> {
        let made = sql!(
            self,
            execute(
                "insert into session_logins (tenant_id, sid, session_id, login_id, person_id, connection_id, login_epoch, person_epoch,
                   connection_epoch, tenant_epoch, authenticated_at, asserted_at, proved_at, upstream_session, acr, amr,
                   name_id, name_id_value, session_until)
                 select l.tenant_id, $2, s.id, l.id, p.id, c.id, l.epoch, p.epoch, coalesce(c.epoch, 0), t.epoch, $6, $7, $8, $9, $10, $11,
                   $12, $13, $14
                 from logins l join sessions s on s.tenant_id = l.tenant_id and s.person_id = l.person_id
                   join persons p on p.id = l.person_id join tenants t on t.tenant_id = l.tenant_id
                   left join connections c on c.tenant_id = l.tenant_id and c.id = $5
                 where l.tenant_id = $1 and l.id = $4 and s.id = $3",
                sid,
                session,
                login,
                how.connection_id,
                how.authenticated_at,
                how.asserted_at,
                how.proved_at,
                how.upstream_session.as_deref(),
                how.acr.as_deref(),
                Json(&how.amr),
                how.name_id.as_ref().map(Json),
                how.name_id.as_ref().map(|name| name.value.as_str()),
                how.session_until
            )
        )?;
        Ok(made == 1)
    }

    /// Takes a session, with the logins that take part in it, so that nobody else changes it until this transaction ends. Answers what
    /// portals know each by.
    pub async fn lock_session(&mut self, session: SessionId) -> Result<Vec<(LoginId, Sid)>> {
        sql!(
            self,
            fetch_all::<(LoginId, Sid)>(
                "select sl.login_id, sl.sid from sessions s join session_logins sl on sl.session_id = s.id
                 where s.tenant_id = $1 and s.id = $2 {for update of s, sl}",
                session
            )
        )
    }
}

/// The cookies of a browser: the one that shows its session, and the one that shall.
#[derive(Clone, Copy, Debug)]
pub struct Cookies<'a> {
    pub before: &'a HashedToken,
    pub after: &'a HashedToken,
}
