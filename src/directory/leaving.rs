//! What becomes of a person's local login when their other one leaves, and when that one is back.
//!
//! Two logins of a person that identity providers look after are independent: whoever ends one leaves the other as it is. A local login has
//! nobody who would end it. It is locked with the one beside it, whoever ended that one, and unlocked when that one is in use again; after a
//! deletion it stays locked until an administrator unlocks it. One that is marked as break-glass stays, and that is reported.

use serde_json::json;

use super::ending::end_login;
use super::{Caller, Error, Result};
use crate::model::{EventKind, Login, LoginId, LoginKind};
use crate::store::{Reader, Writer};

/// The local login that is locked when this one leaves, if there is one.
pub(super) async fn follower(reader: &mut Reader, login: &Login) -> Result<Option<LoginId>> {
    Ok(local_beside(reader, login).await?.filter(|local| local.locked_at.is_none() && !local.break_glass).map(|local| local.id))
}

async fn local_beside(reader: &mut Reader, login: &Login) -> Result<Option<Login>> {
    if login.kind == LoginKind::Local {
        return Ok(None);
    }
    let logins = reader.logins_of_person(login.person_id).await?.into_iter().map(|row| row.login);
    Ok(logins.into_iter().find(|other| other.id != login.id && other.kind == LoginKind::Local))
}

/// Locks the person's local login, with all that it has open: this one, taken with it, was deactivated, or is about to be deleted.
pub(super) async fn leave(writer: &mut Writer, caller: Caller<'_>, login: &Login) -> Result<()> {
    let Some(local) = local_beside(writer, login).await?.filter(|local| local.locked_at.is_none()) else { return Ok(()) };
    let mut details = json!({ "person": login.person_id, "other": login.id });
    let kind = if local.break_glass {
        EventKind::LoginSpared
    } else {
        if writer.suspend_local_login(login.person_id, login.id, caller.now).await? != Some(local.id) {
            return Err(Error::raced());
        }
        details["sessions_ended"] = end_login(writer, local.id, caller.now).await?.into();
        EventKind::LoginSuspended
    };
    let event = caller.event(kind, local.id.uuid(), details).at(local.home_account_id);
    Ok(writer.record(&[event], caller.request_id).await?)
}

/// Unlocks the person's local login, if it was locked because of this one, which is in use again.
pub(super) async fn come_back(writer: &mut Writer, caller: Caller<'_>, login: LoginId) -> Result<()> {
    let Some(local) = writer.resume_local_login(login, caller.now).await? else { return Ok(()) };
    let home = writer.any_login(local).await?.ok_or_else(Error::raced)?.login.home_account_id;
    let event = caller.event(EventKind::LoginResumed, local.uuid(), json!({ "other": login })).at(home);
    Ok(writer.record(&[event], caller.request_id).await?)
}
