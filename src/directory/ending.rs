//! How sessions end, whoever ends them: the one routine, and what is left of logins.
//!
//! Whatever ends a session raises the epoch of what it rested on and removes the rows, in its own transaction, before it is answered. Every
//! replica asks for the rows and the epochs with each request, so all of them refuse from that commit on. The portals that were given
//! something are told by `work::delivering`, from rows that are written here.
//!
//! A connection or a tenant may have a million sessions. The epoch ends all of them at once; their rows go afterwards, some at a time.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::leaving::leave;
use super::{Caller, Result};
use crate::model::{
    ConnectionId, DirectoryId, EndingId, Event, EventKind, GroupId, Login, LoginId, MembershipType, PairValue, PersonId, Session,
    SessionId, SessionLimits,
};
use crate::store::{EndingRow, NewTombstone, Store, Writer, retry};

/// How many sessions are removed by one transaction: others want to write meanwhile.
const BATCH: u32 = 500;

/// Why somebody ended a session. The text stands in its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The person signed out there.
    SignedOut,
    /// The same browser signed in anew.
    Replaced,
    /// The person ended it from another session.
    ByPerson,
    /// An administrator ended it.
    ByAdministrator,
    /// The identity provider ended its own.
    ByIdentityProvider,
}

impl Reason {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::Replaced => "replaced",
            Self::ByPerson => "person",
            Self::ByAdministrator => "administrator",
            Self::ByIdentityProvider => "identity_provider",
        }
    }
}

/// Ends one session for its person.
///
/// # Errors
/// When the database cannot be written; then the session goes on.
pub async fn end_session(store: &Store, caller: Caller<'_>, session: &Session, reason: Reason) -> Result<()> {
    retry(|| async {
        let mut writer = store.write(session.tenant_id).await?;
        end_one(&mut writer, caller, session.id, session.active_login_id, reason).await?;
        writer.commit().await?;
        Ok(())
    })
    .await
}

/// Ends one session, with its event. Answers false when it had ended before.
pub(super) async fn end_one(
    writer: &mut Writer,
    caller: Caller<'_>,
    session: SessionId,
    login: LoginId,
    reason: Reason,
) -> Result<bool> {
    if writer.end_sessions(&[session], caller.now).await? == 0 {
        return Ok(false);
    }
    let event = match reason {
        Reason::SignedOut => caller.event(EventKind::SignedOut, login.uuid(), json!({ "session": session })),
        _ => caller.event(EventKind::SessionEnded, login.uuid(), json!({ "session": session, "reason": reason.as_str() })),
    };
    writer.record(&[event], caller.request_id).await?;
    Ok(true)
}

/// Says that a portal was not told, by whatever its session goes on.
#[must_use]
pub fn undelivered(caller: Caller<'_>, login: LoginId, details: Value) -> Event {
    caller.event(EventKind::LogoutUndelivered, login.uuid(), details)
}

/// Ends everything that a login has open: its epoch rises, and the sessions go in which it is the active one. Those that go on by the other
/// login of the person go on without it. Answers how many sessions ended.
pub(super) async fn end_login(writer: &mut Writer, login: LoginId, now: DateTime<Utc>) -> Result<u64> {
    writer.raise_login_epoch(login).await?;
    let sessions = writer.sessions_of_login(login).await?;
    let ended = writer.end_sessions(&sessions, now).await?;
    let sids = writer.sids_of_login(login).await?;
    writer.end_parts(&sids, now).await?;
    Ok(ended)
}

/// Ends the sessions of a person, but for one. Answers how many.
pub(super) async fn end_others_of(writer: &mut Writer, person: PersonId, kept: SessionId, now: DateTime<Utc>) -> Result<u64> {
    let mut sessions = writer.sessions_of_person(person).await?;
    sessions.retain(|session| *session != kept);
    Ok(writer.end_sessions(&sessions, now).await?)
}

/// Ends everything that a person has open. Answers how many sessions.
pub(super) async fn end_person(writer: &mut Writer, person: PersonId, now: DateTime<Utc>) -> Result<u64> {
    writer.raise_person_epoch(person).await?;
    let sessions = writer.sessions_of_person(person).await?;
    Ok(writer.end_sessions(&sessions, now).await?)
}

/// Ends every session that came by a connection.
pub(super) async fn end_connection(writer: &mut Writer, connection: ConnectionId, now: DateTime<Utc>) -> Result<()> {
    let epoch = writer.raise_connection_epoch(connection).await?;
    let ending = EndingRow { id: EndingId::new(now), connection_id: Some(connection), epoch, created_at: now };
    Ok(writer.insert_ending(&ending).await?)
}

/// Ends every session of the tenant.
pub(super) async fn end_tenant(writer: &mut Writer, now: DateTime<Utc>) -> Result<()> {
    let epoch = writer.raise_tenant_epoch().await?;
    let ending = EndingRow { id: EndingId::new(now), connection_id: None, epoch, created_at: now };
    Ok(writer.insert_ending(&ending).await?)
}

/// Removes some of the sessions that an epoch of the tenant has ended. Answers whether there may be more.
///
/// # Errors
/// When the database cannot be written.
pub async fn step(writer: &mut Writer, now: DateTime<Utc>) -> Result<bool> {
    let Some(ending) = writer.next_ending().await? else { return Ok(false) };
    let sessions = writer.sessions_of_ending(&ending, BATCH).await?;
    if !sessions.is_empty() {
        writer.end_sessions(&sessions, now).await?;
        return Ok(true);
    }
    // What is left of a connection are logins in sessions that go on by another one.
    let parts = if ending.connection_id.is_some() { writer.sids_of_ending(&ending, BATCH).await? } else { Vec::new() };
    if parts.is_empty() {
        writer.remove_ending(ending.id).await?;
    } else {
        writer.end_parts(&parts, now).await?;
    }
    Ok(true)
}

/// Removes some of the tenant's sessions whose time is over. Answers how many.
///
/// # Errors
/// When the database cannot be written.
pub async fn step_of_old(writer: &mut Writer, service: SessionLimits, now: DateTime<Utc>) -> Result<u64> {
    let limits = service.narrowed(writer.session_limits().await?);
    let before = |limit: TimeDelta| now.checked_sub_signed(limit).unwrap_or(DateTime::UNIX_EPOCH);
    let mut sessions = writer.old_sessions(before(limits.absolute), BATCH).await?;
    if sessions.is_empty() {
        sessions = writer.idle_sessions(before(limits.idle), BATCH).await?;
    }
    // An identity provider may have said when.
    if sessions.is_empty() {
        sessions = writer.ended_sessions(now, BATCH).await?;
    }
    Ok(writer.end_sessions(&sessions, now).await?)
}

/// By which values the connections that are joined with a directory know a login of it.
pub(super) async fn pair_values(
    writer: &mut Writer,
    directory: DirectoryId,
    user_name: &str,
    external_id: Option<&str>,
) -> Result<Vec<PairValue>> {
    let bindings = writer.bindings_of_directory(directory).await?;
    Ok(bindings.iter().filter_map(|binding| binding.pair_value(user_name, external_id)).collect())
}

/// The groups that it is a member of itself; those around them keep their versions.
pub(super) async fn groups_of(writer: &mut Writer, login: LoginId) -> Result<BTreeSet<GroupId>> {
    let memberships = writer.memberships(&[login]).await?.into_iter();
    Ok(memberships.filter(|one| one.kind == MembershipType::Direct).map(|one| one.group_id).collect())
}

/// Deletes a login, which is taken with the other one of its person, and leaves its tombstone. A local login beside it is locked. Answers how
/// many sessions of its own that ended.
pub(super) async fn bury(writer: &mut Writer, caller: Caller<'_>, login: &Login) -> Result<u64> {
    let now = caller.now;
    let pairs = match login.directory_id {
        Some(directory) => pair_values(writer, directory, &login.user_name, login.external_id.as_deref()).await?,
        None => Vec::new(),
    };
    let tombstone = NewTombstone {
        id: login.id,
        person_id: login.person_id,
        directory_id: login.directory_id,
        user_name: &login.user_name,
        external_id: login.external_id.as_deref(),
        pairs: &pairs,
    };
    writer.insert_tombstone(&tombstone, now).await?;
    leave(writer, caller, login).await?;
    let ended = end_login(writer, login.id, now).await?;
    writer.delete_login(login.id).await?;
    Ok(ended)
}
