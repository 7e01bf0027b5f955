//! The session that a sign-in begins, renews, or goes on in as the person's other login.

use serde_json::json;

use super::Browser;
use crate::directory::ending::{Reason, end_one};
use crate::directory::{Caller, Result};
use crate::model::{EventKind, LoginId, Purpose, Session, SessionId, Sid};
use crate::store::{Cookies, NewSession, Writer};

/// What became of the session of a browser in which somebody signed in.
pub(super) struct Began {
    pub(super) session: SessionId,
    /// It is the one that the browser had.
    pub(super) renewed: bool,
    /// The one that it had is over.
    pub(super) replaced: bool,
}

/// Begins the session of a sign-in (R10, O05). The login that is signed in already keeps its session, and portals with it, but by another
/// cookie than before. The other login of the same person goes on in the session, as its active one, if that is what the sign-in is for:
/// whoever is lured to an identity provider that knows them switches nothing. What else there was in this browser ends.
pub(super) async fn begin_session(
    writer: &mut Writer,
    caller: Caller<'_>,
    browser: Browser<'_>,
    purpose: Purpose,
    new: &NewSession<'_>,
) -> Result<Began> {
    // The session of another tenant is behind the wall; whoever called ends it.
    let before = browser.before.filter(|(session, _)| session.tenant_id == writer.tenant());
    if let Some((session, digest)) = before {
        let is_same = session.active_login_id == new.login_id;
        let cookies = Cookies { before: digest, after: browser.session };
        let goes_on = if is_same {
            writer.renew_session(session.id, digest, new, caller.now).await?
        } else {
            let is_asked = purpose == Purpose::Login { login: new.login_id };
            is_asked && session.person_id == new.person_id && join(writer, caller, session, cookies, new).await?
        };
        if goes_on {
            return Ok(Began { session: session.id, renewed: true, replaced: false });
        }
        end_one(writer, caller, session.id, session.active_login_id, Reason::Replaced).await?;
    }
    writer.insert_session(new, caller.now).await?;
    Ok(Began { session: new.id, renewed: false, replaced: before.is_some() })
}

/// The other login of the session's person signs in there, and is the active one from now on. Answers false when the session is over.
async fn join(
    writer: &mut Writer,
    caller: Caller<'_>,
    session: &Session,
    cookies: Cookies<'_>,
    new: &NewSession<'_>,
) -> Result<bool> {
    let parts = writer.lock_session(session.id).await?;
    let known_by = |login: LoginId| parts.iter().find(|(id, _)| *id == login).map(|(_, sid)| *sid);
    let Some(former) = known_by(session.active_login_id) else { return Ok(false) };
    if let Some(sid) = known_by(new.login_id) {
        writer.end_parts(&[sid], caller.now).await?;
    }
    if !writer.insert_session_login(session.id, new.sid, new.login_id, new.authentication).await? {
        return Ok(false);
    }
    // Both logins are used in it, so that it ends with the first of them.
    if let Some(until) = new.authentication.session_until {
        writer.shorten_session(session.id, until).await?;
    }
    Ok(writer.change_cookie(session.id, cookies, caller.now).await?
        && switch(writer, caller, session, former, new.login_id).await?)
}

/// Makes another login of a session its active one: what portals were given for the former one ends, and it is known by another name when
/// the person comes back to it. Answers false when another tab was faster.
pub(in crate::directory) async fn switch(
    writer: &mut Writer,
    caller: Caller<'_>,
    session: &Session,
    former: Sid,
    to: LoginId,
) -> Result<bool> {
    let from = session.active_login_id;
    writer.end_grants(former, Sid::new(caller.now), caller.now).await?;
    if !writer.activate_login(session.id, from, to, caller.now).await? {
        return Ok(false);
    }
    let event = caller.event(EventKind::LoginSwitched, to.uuid(), json!({ "session": session.id, "from": from }));
    writer.record(&[event], caller.request_id).await?;
    Ok(true)
}
