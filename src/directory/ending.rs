//! How logins end, whoever ends them: their sessions, and what is left of them.

use std::collections::BTreeSet;

use super::Result;
use crate::model::{DirectoryId, GroupId, Login, LoginId, MembershipType, PairValue};
use crate::store::{NewTombstone, Writer};

use chrono::{DateTime, Utc};

/// Ends everything that a login has open: its epoch rises, and its sessions go. Answers how many.
pub(super) async fn end_login(writer: &mut Writer, login: LoginId) -> Result<u64> {
    writer.raise_login_epoch(login).await?;
    Ok(writer.end_sessions_of_login(login).await?)
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

/// Deletes a login, which is taken, and leaves its tombstone. Answers how many sessions that ended.
pub(super) async fn bury(writer: &mut Writer, login: &Login, now: DateTime<Utc>) -> Result<u64> {
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
    let ended = writer.end_sessions_of_login(login.id).await?;
    writer.delete_login(login.id).await?;
    Ok(ended)
}
