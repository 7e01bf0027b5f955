//! Switching to the person's other login.

use super::{Own, Settled, is_privileged};
use crate::directory::refusal::Refusal;
use crate::directory::sign_in;
use crate::model::{ConnectionId, LoginId, PersonState};
use crate::store::retry;

/// What is next for somebody who switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// The session goes on as that login.
    Done,
    /// The other login has to sign in first, at this connection, and then the session goes on as it.
    SignIn {
        connection: ConnectionId,
        /// It is privileged: its identity provider has to ask anew.
        is_fresh: bool,
    },
}

/// Switches a session to the other login of its person: at once if that one is signed in there, and for a privileged one was proved within
/// the last minutes. What portals were given for the former login in this session ends. The cookie stays: whoever has it could do the same.
///
/// # Errors
/// When the database cannot be written; then nothing has changed.
pub async fn switch(own: Own<'_>, to: LoginId) -> Settled<Switch> {
    retry(|| once(own, to)).await
}

async fn once(own: Own<'_>, to: LoginId) -> Settled<Switch> {
    let Own { store, rules, caller, session } = own;
    if to == session.active_login_id {
        // Twice pressed.
        return Ok(Ok(Switch::Done));
    }
    let mut writer = store.write(session.tenant_id).await?;
    let mut ids = [session.active_login_id, to];
    ids.sort();
    writer.lock_logins(&ids).await?;
    let other = writer.any_login(to).await?.map(|row| row.login);
    // One of somebody else is no different from one that never was.
    let Some(other) = other.filter(|login| login.person_id == session.person_id) else { return Ok(Err(Refusal::NotLinked)) };
    let person = writer.person(session.person_id).await?;
    if !other.is_usable() || person.is_none_or(|person| person.state != PersonState::Active) {
        return Ok(Err(Refusal::Inactive));
    }
    let parts = writer.lock_session(session.id).await?;
    let Some(former) = parts.iter().find(|(login, _)| *login == session.active_login_id).map(|(_, sid)| *sid) else {
        return Ok(Err(Refusal::LinkOver));
    };
    let is_privileged = is_privileged(&mut writer, rules, to).await?;
    let part = writer.live_session_login(session.id, to).await?;
    if part.is_none_or(|part| is_privileged && !part.authentication.is_fresh(caller.now)) {
        let connection = writer.connections_of_login(to).await?.first().copied();
        let next = connection.map(|connection| Switch::SignIn { connection, is_fresh: is_privileged });
        return Ok(next.ok_or(Refusal::ConnectionOff));
    }
    if !sign_in::switch(&mut writer, caller, session, former, to).await? {
        return Ok(Err(Refusal::LinkOver));
    }
    writer.commit().await?;
    Ok(Ok(Switch::Done))
}
