//! Groups within groups: which rows a change of them holds, whom it reaches, and that no group comes to be within itself.
//!
//! What a login has through groups changes when a group within its groups, or around them, changes. So whoever puts a group into
//! another, takes it out, renames or deletes it, holds that group **and every group within it**, by ascending id. Whoever changes the
//! members of any of those groups holds its row too, and waits. That is all that is needed:
//!
//! - Nobody comes into the reached groups, or leaves them, between our look and our commit.
//! - Two changes that only together make a cycle meet: each edge of a cycle that is being made ends in a group from which the others
//!   lead on to the next edge's beginning, and that beginning is among the groups that the first one holds. The later of the two sees
//!   the earlier one's row and is refused.
//!
//! A change of members that are logins holds one group, as it would without nesting; a lock for a whole directory would have cost every
//! change of a member one more statement, and let a large group that is renamed stop all others.
//!
//! Which groups are within which is only known after a look. A command that needs more groups than it holds begins again and takes them
//! all at once, in order ([`HeldGroups`]).

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::{Error, Result};
use crate::model::{GroupId, LoginId};
use crate::store::Writer;

/// The groups whose rows a command holds besides its own: what its attempts have learnt that they need.
#[derive(Debug, Default)]
pub(super) struct HeldGroups {
    /// The group that is changed, whose row the command takes in any case.
    own: Option<GroupId>,
    learnt: Mutex<BTreeSet<GroupId>>,
}

impl HeldGroups {
    /// For a change of this group.
    pub(super) fn of(own: GroupId) -> Self {
        Self { own: Some(own), learnt: Mutex::default() }
    }

    /// Takes all of them by ascending id, the command's own among them. Each attempt does this before it takes any other row.
    pub(super) async fn lock(&self, writer: &mut Writer) -> Result<()> {
        let mut groups = self.learnt.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if groups.is_empty() {
            return Ok(());
        }
        groups.extend(self.own);
        Ok(writer.lock_groups(&groups.into_iter().collect::<Vec<_>>()).await?)
    }

    /// Makes sure that these are held.
    ///
    /// # Errors
    /// When they are not: the command is begun again and will hold them.
    fn require(&self, groups: impl IntoIterator<Item = GroupId>) -> Result<()> {
        let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        let before = learnt.len();
        learnt.extend(groups.into_iter().filter(|group| Some(*group) != self.own));
        if learnt.len() == before { Ok(()) } else { Err(Error::raced()) }
    }
}

/// The logins that are in these groups, directly or through others. Until the transaction ends nobody joins or leaves them; `others` are
/// held as well.
///
/// # Errors
/// When the command does not hold all these groups yet.
pub(super) async fn logins_within(
    writer: &mut Writer,
    held: &HeldGroups,
    groups: &BTreeSet<GroupId>,
    others: &[GroupId],
) -> Result<Vec<LoginId>> {
    let groups: Vec<_> = groups.iter().copied().collect();
    let within = if groups.is_empty() { Vec::new() } else { writer.groups_within(&groups).await? };
    held.require(within.into_iter().chain(others.iter().copied()))?;
    Ok(writer.effective_logins(&groups).await?)
}

/// Makes sure that `group` is not within one of the groups that are to be its members.
///
/// # Errors
/// When it is: [`Error::Cycle`] names the first of them.
pub(super) async fn refuse_cycles(writer: &mut Writer, group: GroupId, members: &BTreeSet<GroupId>) -> Result<()> {
    if members.is_empty() {
        return Ok(());
    }
    let around = writer.groups_around(group).await?;
    match members.iter().find(|member| **member == group || around.contains(member)) {
        Some(member) => Err(Error::Cycle(*member)),
        None => Ok(()),
    }
}
