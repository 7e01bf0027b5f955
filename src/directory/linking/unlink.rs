//! Parting two linked logins: one goes back to the person that it was born with.

use serde_json::json;

use super::{Own, Settled, decide};
use crate::directory::ending::end_login;
use crate::directory::refusal::Refusal;
use crate::directory::{Error, Result};
use crate::model::{EventKind, Login, LoginId, PersonId, SessionId, Sid, Slot};
use crate::store::{Cookies, NewSession, SessionLoginRow, Writer, retry};

/// Two logins that are two persons' again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unlinked {
    /// Who went back, and to whom.
    pub gone: LoginId,
    pub person: PersonId,
    pub stayed: LoginId,
}

/// Parts the two logins of a person, for whom the active one was just proved. What the one that goes had open ends; whoever is active goes
/// on, alone, by another cookie.
///
/// # Errors
/// When the database cannot be written; then nothing has changed.
pub async fn unlink(own: Own<'_>, cookies: Cookies<'_>, user_agent: &str, address: Option<&str>) -> Settled<Unlinked> {
    retry(|| once(own, cookies, user_agent, address)).await
}

async fn once(own: Own<'_>, cookies: Cookies<'_>, user_agent: &str, address: Option<&str>) -> Settled<Unlinked> {
    let Own { store, caller, session, .. } = own;
    let mut writer = store.write(session.tenant_id).await?;
    let ids: Vec<_> = writer.logins_of_person(session.person_id).await?.into_iter().map(|row| row.login.id).collect();
    writer.lock_logins(&ids).await?;
    // Read again, now that they stay as they are.
    let logins: Vec<_> = writer.logins_of_person(session.person_id).await?.into_iter().map(|row| row.login).collect();
    let Some(person) = writer.person_for_update(session.person_id).await? else { return Ok(Err(Refusal::NotLinked)) };
    let part = writer.live_session_login(session.id, session.active_login_id).await?;
    let active = writer.login_of_session(session.id).await?;
    // Another tab may have switched: then it is not the active login that was proved.
    let Some(part) = part.filter(|_| active == Some(session.active_login_id)) else { return Ok(Err(Refusal::LinkOver)) };
    if !part.authentication.is_fresh(caller.now) {
        return Ok(Err(Refusal::NotFresh));
    }
    let (goes, stays) = match decide::part(&logins, person.state) {
        Ok(two) => two,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let born = goes.born_person_id;
    let ended = end_login(&mut writer, goes.id, caller.now).await?;
    writer.restore_person(born).await?;
    writer.move_login(goes.id, born, Slot::One).await?;
    if goes.id == session.active_login_id {
        begin_anew(&mut writer, own, cookies, &part, user_agent, address).await?;
    } else if !writer.change_cookie(session.id, cookies, caller.now).await? {
        // Another tab has changed it.
        return Ok(Err(Refusal::LinkOver));
    }
    let event = |of: &Login, other: &Login| {
        let details = json!({ "person": person.id, "restored": born, "other": other.id, "sessions_ended": ended });
        caller.event(EventKind::LoginUnlinked, of.id.uuid(), details)
    };
    writer.record(&[event(goes, stays), event(stays, goes)], caller.request_id).await?;
    writer.commit().await?;
    Ok(Ok(Unlinked { gone: goes.id, person: born, stayed: stays.id }))
}

/// Begins the session of a login that has gone back to its own person: it was the active one, and goes on.
async fn begin_anew(
    writer: &mut Writer,
    own: Own<'_>,
    cookies: Cookies<'_>,
    part: &SessionLoginRow,
    user_agent: &str,
    address: Option<&str>,
) -> Result<()> {
    let Own { caller, session, .. } = own;
    let login = writer.any_login(session.active_login_id).await?.ok_or_else(Error::raced)?.login;
    let new = NewSession {
        id: SessionId::new(caller.now),
        sid: Sid::new(caller.now),
        digest: cookies.after,
        person_id: login.person_id,
        login_id: login.id,
        user_agent,
        address,
        authentication: &part.authentication,
        expires_at: session.expires_at,
    };
    Ok(writer.insert_session(&new, caller.now).await?)
}
