//! The groups of a directory, with who is in them.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Operation, Provisioning};
use crate::directory::log::{Changed, Done, log};
use crate::directory::members::{MemberChanges, MemberNotes, MemberStep, NamedMember, UnknownMembers, lock_logins};
use crate::directory::nesting::{HeldGroups, logins_within};
use crate::directory::recompute::{Cause, recompute};
use crate::directory::{Error, Result};
use crate::model::{ChangedRules, EventKind, GroupId, LoginId};
use crate::scim::fold::fold;
use crate::scim::profile::rule;
use crate::store::{GroupRow, NewGroup, Races, Writer, retry};

/// What is to become of a group.
#[derive(Clone, Debug, Default)]
pub struct GroupChange {
    /// Its attributes, where they change.
    pub group: Option<NewGroup>,
    pub members: Vec<MemberStep>,
    pub coercions: Vec<String>,
}

/// Makes a group with its first members. Answers also what was not done as the client said it.
///
/// # Errors
/// When its name is taken where the profile forbids that, or a member is unknown.
pub async fn create_group(
    to: Provisioning<'_>,
    group: &NewGroup,
    members: &[NamedMember],
    unknown: UnknownMembers,
    operation: &Operation,
) -> Result<(GroupId, MemberNotes)> {
    let held = HeldGroups::default();
    retry(|| async {
        let now = to.caller.now;
        let mut writer = to.begin().await?;
        held.lock(&mut writer).await?;
        let id = GroupId::new(now);
        writer.insert_group(to.directory.id, id, group, now).await?;
        let first = MemberStep::Add(members.to_vec());
        let changes = MemberChanges::take(&mut writer, &to, &held, id, &[first], unknown, false).await?;
        let event = to.event(EventKind::GroupCreated, id.uuid(), json!({ "members": changes.added.len() }));
        writer.record(&[event], to.caller.request_id).await?;
        let touched: Vec<_> = changes.touched.iter().copied().collect();
        let rules = recompute_members(&mut writer, &to, EventKind::GroupCreated, id, &touched).await?;
        let mut changed = Changed::made(&group.scim);
        changed.members(changes.added, changes.removed);
        let coercions = noted(changes.notes);
        let done = Done { resource_type: "Group", id: id.uuid(), changed, rules, coercions: &coercions };
        log(&mut writer, &to, operation, done).await?;
        writer.commit().await?;
        Ok((id, changes.notes))
    })
    .await
}

/// Changes a group by a pure function of what it is without its members. Answers what was not done as the client said it.
///
/// # Errors
/// When there is no such group, its name is taken, a member is unknown or would come into itself, or the function refuses.
pub async fn change_group<E>(
    to: Provisioning<'_>,
    id: GroupId,
    unknown: UnknownMembers,
    operation: &Operation,
    change: impl Fn(&GroupRow) -> Result<GroupChange, E>,
) -> Result<MemberNotes, E>
where
    E: From<Error> + Races,
{
    let held = HeldGroups::of(id);
    retry(|| async {
        let mut writer = to.begin().await?;
        held.lock(&mut writer).await?;
        let current = writer.group_for_update(to.directory.id, id).await.map_err(Error::from)?.ok_or(Error::NotFound("group"))?;
        let change = change(&current)?;
        let notes = write_group(&mut writer, &to, &held, &current, &change, unknown, operation).await?;
        writer.commit().await.map_err(Error::from)?;
        Ok(notes)
    })
    .await
}

async fn write_group(
    writer: &mut Writer,
    to: &Provisioning<'_>,
    held: &HeldGroups,
    current: &GroupRow,
    change: &GroupChange,
    unknown: UnknownMembers,
    operation: &Operation,
) -> Result<MemberNotes> {
    let id = current.group.id;
    let now = to.caller.now;
    // Rules read the name of a group, so a new name is a change of facts for everybody in it.
    let renamed = change.group.as_ref().is_some_and(|group| group.display_key != fold(&current.group.display));
    let members = MemberChanges::take(writer, to, held, id, &change.members, unknown, renamed).await?;
    let mut changed = Changed::default();
    let mut events = Vec::new();
    if let Some(group) = &change.group {
        writer.update_group(id, group, now).await?;
        changed = Changed::between(&current.scim, &group.scim);
        events.push(to.event(EventKind::GroupUpdated, id.uuid(), json!({ "attributes": changed.attributes })));
    }
    if members.any() {
        events.push(to.event(
            EventKind::MembersChanged,
            id.uuid(),
            json!({ "added": members.added.len(), "removed": members.removed.len() }),
        ));
        if change.group.is_none() {
            writer.touch_group(id, now).await?;
        }
    }
    writer.record(&events, to.caller.request_id).await?;
    let kind = if change.group.is_some() { EventKind::GroupUpdated } else { EventKind::MembersChanged };
    let touched: Vec<_> = members.touched.iter().copied().collect();
    let rules = recompute_members(writer, to, kind, id, &touched).await?;
    changed.members(members.added, members.removed);
    let coercions: Vec<_> = change.coercions.iter().cloned().chain(noted(members.notes)).collect();
    log(writer, to, operation, Done { resource_type: "Group", id: id.uuid(), changed, rules, coercions: &coercions }).await?;
    Ok(members.notes)
}

/// Computes the roles of everybody anew whom a change of a group touches.
async fn recompute_members(
    writer: &mut Writer,
    to: &Provisioning<'_>,
    kind: EventKind,
    group: GroupId,
    touched: &[LoginId],
) -> Result<ChangedRules> {
    let cause = Cause { kind, target: group.uuid(), account: to.directory.home_account_id };
    recompute(writer, to.rules, touched, &cause, &to.caller).await
}

/// What the provisioning log says of members that were not taken as they were named.
fn noted(notes: MemberNotes) -> Vec<String> {
    let used = [(notes.ignored, rule::UNKNOWN_MEMBER, "members"), (notes.mistyped, rule::MEMBER_TYPE, "members.type")];
    used.into_iter().filter(|(count, ..)| *count > 0).map(|(_, rule, path)| format!("{rule}: {path}")).collect()
}

/// Deletes a group with its memberships. The groups that it was a member of have lost one (R27).
///
/// # Errors
/// When there is no such group, or the function refuses what it is.
pub async fn delete_group<E>(
    to: Provisioning<'_>,
    id: GroupId,
    operation: &Operation,
    check: impl Fn(&GroupRow) -> Result<(), E>,
) -> Result<(), E>
where
    E: From<Error> + Races,
{
    let held = HeldGroups::of(id);
    retry(|| async {
        let mut writer = to.begin().await?;
        held.lock(&mut writer).await?;
        let current = writer.group_for_update(to.directory.id, id).await.map_err(Error::from)?.ok_or(Error::NotFound("group"))?;
        check(&current)?;
        remove_group(&mut writer, &to, &held, id, operation).await?;
        writer.commit().await.map_err(Error::from)?;
        Ok(())
    })
    .await
}

async fn remove_group(
    writer: &mut Writer,
    to: &Provisioning<'_>,
    held: &HeldGroups,
    id: GroupId,
    operation: &Operation,
) -> Result<()> {
    let parents = writer.parent_groups(id).await?;
    let within = logins_within(writer, held, &BTreeSet::from([id]), &parents).await?;
    lock_logins(writer, &within).await?;
    writer.delete_group(id).await?;
    writer.touch_groups(&parents, to.caller.now).await?;
    let event = to.event(EventKind::GroupDeleted, id.uuid(), json!({ "members": within.len() }));
    writer.record(&[event], to.caller.request_id).await?;
    let rules = recompute_members(writer, to, EventKind::GroupDeleted, id, &within).await?;
    let changed = Changed::default();
    log(writer, to, operation, Done { resource_type: "Group", id: id.uuid(), changed, rules, coercions: &[] }).await
}
