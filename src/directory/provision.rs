//! What a directory's client changes: logins, groups and memberships. Each command is one transaction: the rows, the assignments that
//! follow from them, the events, the entry in the provisioning log.
//!
//! Locks are taken in one order: the tenant's rules (shared), groups, logins by ascending id.

use std::collections::BTreeSet;

use serde_json::json;

use super::members::{MemberChanges, add_members};
use super::recompute::recompute;
use super::{Caller, Error, Result};
use crate::model::{Directory, EventKind, GroupId, LoginId, LoginKind, PersonId, Slot, TenantId};
use crate::scim::filter::ElementFilter;
use crate::scim::fold::fold;
use crate::store::{GroupRow, LogEntry, LoginDocument, LoginRow, NewGroup, NewLogin, NewTombstone, Races, Store, Writer, retry};

/// Whose directory is changed, by whom.
#[derive(Clone, Copy, Debug)]
pub struct Provisioning<'a> {
    pub store: &'a Store,
    pub tenant: TenantId,
    pub directory: &'a Directory,
    pub caller: Caller<'a>,
}

/// What the provisioning log says of a change besides its outcome.
#[derive(Clone, Debug)]
pub struct Operation {
    /// `create`, `replace`, `patch` or `delete`.
    pub name: &'static str,
    /// The status that the client will be answered.
    pub status: u16,
    /// Names of the client profile's rules that were used.
    pub coercions: Vec<String>,
}

/// One step of a change of members. Steps are taken in order.
#[derive(Clone, Debug, PartialEq)]
pub enum MemberStep {
    Add(Vec<LoginId>),
    Remove(Vec<LoginId>),
    /// The members that the filter selects by `value`, `display` or `type`.
    RemoveMatching(ElementFilter),
    /// Only these are members afterwards.
    Replace(Vec<LoginId>),
}

/// What is to become of a group.
#[derive(Clone, Debug, Default)]
pub struct GroupChange {
    /// Its attributes, where they change.
    pub group: Option<NewGroup>,
    pub members: Vec<MemberStep>,
    pub coercions: Vec<String>,
}

/// What is to become of a login.
#[derive(Clone, Debug)]
pub struct LoginChange {
    /// Its attributes, where they change.
    pub document: Option<LoginDocument>,
    pub coercions: Vec<String>,
}

/// What to do with members that are no users of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownMembers {
    Refuse,
    Ignore,
}

/// Makes a login with a person of its own, and lifts the tombstone of one that the directory wants back.
///
/// # Errors
/// When its user name is taken.
pub async fn create_login(to: Provisioning<'_>, document: &LoginDocument, operation: &Operation) -> Result<LoginId> {
    retry(|| async {
        let now = to.caller.now;
        let mut writer = to.store.write(to.tenant).await?;
        writer.share_rules().await?;
        let (id, person_id) = (LoginId::new(now), PersonId::new(now));
        writer.insert_person(person_id, now).await?;
        let new = NewLogin {
            id,
            person_id,
            slot: Slot::One,
            kind: LoginKind::Byoi,
            directory_id: Some(to.directory.id),
            connection_id: None,
            home_account_id: to.directory.home_account_id,
            namespace: to.directory.id.uuid(),
            document,
        };
        writer.insert_login(&new, now).await?;
        let lifted = writer.lift_tombstones(to.directory.id, &document.user_name, document.external_id.as_deref(), now).await?;
        let event =
            to.caller.event(EventKind::LoginCreated, id.uuid(), json!({ "person": person_id, "tombstones_lifted": lifted }));
        writer.record(&[event], to.caller.request_id).await?;
        recompute(&mut writer, &[id], &to.caller).await?;
        log(&mut writer, &to, operation, "User", id.uuid(), keys(&document.scim), &[]).await?;
        writer.commit().await?;
        Ok(id)
    })
    .await
}

/// Changes a login by a pure function of what it is. A change to nothing writes nothing but the log. Answers whether it changed.
///
/// # Errors
/// When there is no such login, its new user name is taken, or the function refuses.
pub async fn change_login<E>(
    to: Provisioning<'_>,
    id: LoginId,
    operation: &Operation,
    change: impl Fn(&LoginRow) -> Result<LoginChange, E>,
) -> Result<bool, E>
where
    E: From<Error> + Races,
{
    retry(|| async {
        let mut writer = to.store.write(to.tenant).await.map_err(Error::from)?;
        writer.share_rules().await.map_err(Error::from)?;
        let current = writer.login_for_update(to.directory.id, id).await.map_err(Error::from)?.ok_or(Error::NotFound("user"))?;
        let LoginChange { document, coercions } = change(&current)?;
        let changed = document.is_some();
        if let Some(document) = document {
            write_login(&mut writer, &to, &current, &document).await?;
            let attributes = changed_keys(&current.scim, &document.scim);
            log(&mut writer, &to, operation, "User", id.uuid(), attributes, &coercions).await?;
        } else {
            log(&mut writer, &to, operation, "User", id.uuid(), Vec::new(), &coercions).await?;
        }
        writer.commit().await.map_err(Error::from)?;
        Ok(changed)
    })
    .await
}

async fn write_login(writer: &mut Writer, to: &Provisioning<'_>, current: &LoginRow, document: &LoginDocument) -> Result<()> {
    let login = &current.login;
    writer.update_login(login, document, to.caller.now).await?;
    let mut events = vec![to.caller.event(
        EventKind::LoginUpdated,
        login.id.uuid(),
        json!({ "attributes": changed_keys(&current.scim, &document.scim) }),
    )];
    match (login.active, document.active) {
        (true, false) => {
            let ended = end_login(writer, login.id).await?;
            events.push(to.caller.event(EventKind::LoginDeactivated, login.id.uuid(), json!({ "sessions_ended": ended })));
        }
        (false, true) => events.push(to.caller.event(EventKind::LoginReactivated, login.id.uuid(), json!({}))),
        _ => {}
    }
    writer.record(&events, to.caller.request_id).await?;
    recompute(writer, &[login.id], &to.caller).await
}

/// Ends everything that a login has open: its epoch rises, and its sessions go. Answers how many.
async fn end_login(writer: &mut Writer, login: LoginId) -> Result<u64> {
    writer.raise_login_epoch(login).await?;
    Ok(writer.end_sessions_of_login(login).await?)
}

/// Deletes a login. Its name, slot and externalId are free at once; a tombstone keeps its subjects from coming back by themselves.
///
/// # Errors
/// When there is no such login.
pub async fn delete_login(to: Provisioning<'_>, id: LoginId, operation: &Operation) -> Result<()> {
    retry(|| async {
        let now = to.caller.now;
        let mut writer = to.store.write(to.tenant).await?;
        writer.share_rules().await?;
        // Groups come before logins in the order of locks, and their versions change with their members.
        let groups: BTreeSet<GroupId> =
            writer.memberships(&[id]).await?.into_iter().map(|membership| membership.group_id).collect();
        let current = if groups.is_empty() { None } else { writer.login(to.directory.id, id).await? };
        if current.is_some() {
            writer.touch_groups(&groups.into_iter().collect::<Vec<_>>(), now).await?;
        }
        let current = writer.login_for_update(to.directory.id, id).await?.ok_or(Error::NotFound("user"))?;
        let login = &current.login;
        let tombstone = NewTombstone {
            id,
            person_id: login.person_id,
            directory_id: login.directory_id,
            user_name: &login.user_name,
            external_id: login.external_id.as_deref(),
        };
        writer.insert_tombstone(&tombstone, now).await?;
        let ended = writer.end_sessions_of_login(id).await?;
        writer.delete_login(id).await?;
        let event =
            to.caller.event(EventKind::LoginDeleted, id.uuid(), json!({ "person": login.person_id, "sessions_ended": ended }));
        writer.record(&[event], to.caller.request_id).await?;
        log(&mut writer, &to, operation, "User", id.uuid(), Vec::new(), &[]).await?;
        writer.commit().await?;
        Ok(())
    })
    .await
}

/// Makes a group with its first members.
///
/// # Errors
/// When its name is taken where the profile forbids that, or a member is unknown.
pub async fn create_group(
    to: Provisioning<'_>,
    group: &NewGroup,
    members: &[LoginId],
    unknown: UnknownMembers,
    operation: &Operation,
) -> Result<GroupId> {
    retry(|| async {
        let now = to.caller.now;
        let mut writer = to.store.write(to.tenant).await?;
        writer.share_rules().await?;
        let id = GroupId::new(now);
        writer.insert_group(to.directory.id, id, group, now).await?;
        let added = add_members(&mut writer, &to, id, members, unknown).await?;
        let event = to.caller.event(EventKind::GroupCreated, id.uuid(), json!({ "members": added.len() }));
        writer.record(&[event], to.caller.request_id).await?;
        recompute(&mut writer, &added, &to.caller).await?;
        log(&mut writer, &to, operation, "Group", id.uuid(), keys(&group.scim), &[]).await?;
        writer.commit().await?;
        Ok(id)
    })
    .await
}

/// Changes a group by a pure function of what it is without its members. Answers whether anything changed.
///
/// # Errors
/// When there is no such group, its name is taken, a member is unknown, or the function refuses.
pub async fn change_group<E>(
    to: Provisioning<'_>,
    id: GroupId,
    unknown: UnknownMembers,
    operation: &Operation,
    change: impl Fn(&GroupRow) -> Result<GroupChange, E>,
) -> Result<bool, E>
where
    E: From<Error> + Races,
{
    retry(|| async {
        let mut writer = to.store.write(to.tenant).await.map_err(Error::from)?;
        writer.share_rules().await.map_err(Error::from)?;
        let current = writer.group_for_update(to.directory.id, id).await.map_err(Error::from)?.ok_or(Error::NotFound("group"))?;
        let change = change(&current)?;
        let changed = write_group(&mut writer, &to, &current, &change, unknown, operation).await?;
        writer.commit().await.map_err(Error::from)?;
        Ok(changed)
    })
    .await
}

async fn write_group(
    writer: &mut Writer,
    to: &Provisioning<'_>,
    current: &GroupRow,
    change: &GroupChange,
    unknown: UnknownMembers,
    operation: &Operation,
) -> Result<bool> {
    let id = current.group.id;
    let now = to.caller.now;
    let mut members = MemberChanges::default();
    for step in &change.members {
        members.take(writer, to, id, step, unknown).await?;
    }
    let mut attributes = Vec::new();
    let mut events = Vec::new();
    if let Some(group) = &change.group {
        writer.update_group(id, group, now).await?;
        attributes = changed_keys(&current.scim, &group.scim);
        events.push(to.caller.event(EventKind::GroupUpdated, id.uuid(), json!({ "attributes": attributes })));
        if group.display_key != fold(&current.group.display) {
            // Rules read the name of a group, so a new name is a change of facts for everybody in it.
            members.touched.extend(writer.member_ids(id).await?);
        }
    }
    if members.any() {
        attributes.push("members".to_owned());
        events.push(to.caller.event(
            EventKind::MembersChanged,
            id.uuid(),
            json!({ "added": members.added.len(), "removed": members.removed.len() }),
        ));
        if change.group.is_none() {
            writer.touch_group(id, now).await?;
        }
    }
    writer.record(&events, to.caller.request_id).await?;
    recompute(writer, &members.touched.into_iter().collect::<Vec<_>>(), &to.caller).await?;
    log(writer, to, operation, "Group", id.uuid(), attributes, &change.coercions).await?;
    Ok(!events.is_empty())
}

/// Deletes a group with its memberships.
///
/// # Errors
/// When there is no such group.
pub async fn delete_group(to: Provisioning<'_>, id: GroupId, operation: &Operation) -> Result<()> {
    retry(|| async {
        let mut writer = to.store.write(to.tenant).await?;
        writer.share_rules().await?;
        writer.group_for_update(to.directory.id, id).await?.ok_or(Error::NotFound("group"))?;
        let members = writer.member_ids(id).await?;
        writer.delete_group(id).await?;
        let event = to.caller.event(EventKind::GroupDeleted, id.uuid(), json!({ "members": members.len() }));
        writer.record(&[event], to.caller.request_id).await?;
        recompute(&mut writer, &members, &to.caller).await?;
        log(&mut writer, &to, operation, "Group", id.uuid(), Vec::new(), &[]).await?;
        writer.commit().await?;
        Ok(())
    })
    .await
}

/// Logs a write that was refused, in a transaction of its own: the write's was rolled back.
///
/// # Errors
/// When the database cannot be written.
pub async fn log_refusal(
    to: Provisioning<'_>,
    operation: &Operation,
    resource_type: &'static str,
    resource_id: Option<uuid::Uuid>,
    scim_type: Option<&'static str>,
    detail: &str,
) -> Result<()> {
    let mut writer = to.store.write(to.tenant).await?;
    let entry = LogEntry {
        id: crate::model::EventId::new(to.caller.now).uuid(),
        directory_id: to.directory.id,
        at: to.caller.now,
        operation: operation.name,
        resource_type,
        resource_id,
        status: operation.status,
        scim_type,
        detail: Some(detail.to_owned()),
        attributes: Vec::new(),
        coercions: operation.coercions.clone(),
    };
    writer.log_provisioning(&entry, to.caller.request_id).await?;
    writer.commit().await?;
    Ok(())
}

async fn log(
    writer: &mut Writer,
    to: &Provisioning<'_>,
    operation: &Operation,
    resource_type: &'static str,
    resource_id: uuid::Uuid,
    attributes: Vec<String>,
    coercions: &[String],
) -> Result<()> {
    let entry = LogEntry {
        id: crate::model::EventId::new(to.caller.now).uuid(),
        directory_id: to.directory.id,
        at: to.caller.now,
        operation: operation.name,
        resource_type,
        resource_id: Some(resource_id),
        status: operation.status,
        scim_type: None,
        detail: None,
        attributes,
        coercions: operation.coercions.iter().chain(coercions).cloned().collect(),
    };
    writer.log_provisioning(&entry, to.caller.request_id).await?;
    Ok(())
}

fn keys(document: &serde_json::Value) -> Vec<String> {
    document.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default()
}

/// The top-level attributes that two documents do not have in common.
fn changed_keys(before: &serde_json::Value, after: &serde_json::Value) -> Vec<String> {
    let all: BTreeSet<String> = keys(before).into_iter().chain(keys(after)).collect();
    all.into_iter().filter(|key| before.get(key) != after.get(key)).collect()
}
