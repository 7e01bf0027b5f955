//! The logins of a directory: made, changed, deleted.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Operation, Provisioning};
use crate::directory::log::{Changed, Done, log};
use crate::directory::recompute::recompute;
use crate::directory::{Error, Result};
use crate::model::{ChangedRules, EventKind, GroupId, LoginId, LoginKind, MembershipType, PersonId, Slot};
use crate::store::{LoginDocument, LoginRow, NewLogin, NewTombstone, Races, Writer, retry};

/// What is to become of a login.
#[derive(Clone, Debug)]
pub struct LoginChange {
    /// Its attributes, where they change.
    pub document: Option<LoginDocument>,
    pub coercions: Vec<String>,
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
        let rules = recompute(&mut writer, &[id], &to.caller).await?;
        let changed = Changed::made(&document.scim);
        log(&mut writer, &to, operation, Done { resource_type: "User", id: id.uuid(), changed, rules, coercions: &[] }).await?;
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
        let (changed_attributes, rules) = match document {
            Some(document) => write_login(&mut writer, &to, &current, &document).await?,
            None => (Changed::default(), ChangedRules::default()),
        };
        let done = Done { resource_type: "User", id: id.uuid(), changed: changed_attributes, rules, coercions: &coercions };
        log(&mut writer, &to, operation, done).await?;
        writer.commit().await.map_err(Error::from)?;
        Ok(changed)
    })
    .await
}

async fn write_login(
    writer: &mut Writer,
    to: &Provisioning<'_>,
    current: &LoginRow,
    document: &LoginDocument,
) -> Result<(Changed, ChangedRules)> {
    let login = &current.login;
    let changed = Changed::between(&current.scim, &document.scim);
    writer.update_login(login, document, to.caller.now).await?;
    let mut events = vec![to.caller.event(EventKind::LoginUpdated, login.id.uuid(), json!({ "attributes": changed.attributes }))];
    match (login.active, document.active) {
        (true, false) => {
            let ended = end_login(writer, login.id).await?;
            events.push(to.caller.event(EventKind::LoginDeactivated, login.id.uuid(), json!({ "sessions_ended": ended })));
        }
        (false, true) => events.push(to.caller.event(EventKind::LoginReactivated, login.id.uuid(), json!({}))),
        _ => {}
    }
    writer.record(&events, to.caller.request_id).await?;
    let rules = recompute(writer, &[login.id], &to.caller).await?;
    Ok((changed, rules))
}

/// Ends everything that a login has open: its epoch rises, and its sessions go. Answers how many.
async fn end_login(writer: &mut Writer, login: LoginId) -> Result<u64> {
    writer.raise_login_epoch(login).await?;
    Ok(writer.end_sessions_of_login(login).await?)
}

/// Deletes a login. Its name, slot and externalId are free at once; a tombstone keeps its subjects from coming back by themselves.
///
/// # Errors
/// When there is no such login, or the function refuses what it is.
pub async fn delete_login<E>(
    to: Provisioning<'_>,
    id: LoginId,
    operation: &Operation,
    check: impl Fn(&LoginRow) -> Result<(), E>,
) -> Result<(), E>
where
    E: From<Error> + Races,
{
    retry(|| async {
        let mut writer = to.store.write(to.tenant).await.map_err(Error::from)?;
        writer.share_rules().await.map_err(Error::from)?;
        // Groups come before logins in the order of locks, and their versions change with their members.
        let groups = groups_of(&mut writer, id).await?;
        let known = writer.login(to.directory.id, id).await.map_err(Error::from)?.is_some();
        if known {
            writer.touch_groups(&groups.iter().copied().collect::<Vec<_>>(), to.caller.now).await.map_err(Error::from)?;
        }
        let current = writer.login_for_update(to.directory.id, id).await.map_err(Error::from)?.ok_or(Error::NotFound("user"))?;
        check(&current)?;
        if groups_of(&mut writer, id).await? != groups {
            // Somebody has put the login into a group, or taken it out, before it was locked.
            return Err(Error::raced().into());
        }
        bury_login(&mut writer, &to, &current, operation).await?;
        writer.commit().await.map_err(Error::from)?;
        Ok(())
    })
    .await
}

/// The groups that it is a member of itself; those around them keep their versions.
async fn groups_of(writer: &mut Writer, login: LoginId) -> Result<BTreeSet<GroupId>> {
    let memberships = writer.memberships(&[login]).await?.into_iter();
    Ok(memberships.filter(|one| one.kind == MembershipType::Direct).map(|one| one.group_id).collect())
}

async fn bury_login(writer: &mut Writer, to: &Provisioning<'_>, current: &LoginRow, operation: &Operation) -> Result<()> {
    let login = &current.login;
    let id = login.id;
    let tombstone = NewTombstone {
        id,
        person_id: login.person_id,
        directory_id: login.directory_id,
        user_name: &login.user_name,
        external_id: login.external_id.as_deref(),
    };
    writer.insert_tombstone(&tombstone, to.caller.now).await?;
    let ended = writer.end_sessions_of_login(id).await?;
    writer.delete_login(id).await?;
    let event = to.caller.event(EventKind::LoginDeleted, id.uuid(), json!({ "person": login.person_id, "sessions_ended": ended }));
    writer.record(&[event], to.caller.request_id).await?;
    // What is gone is gone: its values are not kept here either.
    let (changed, rules) = (Changed::default(), ChangedRules::default());
    log(writer, to, operation, Done { resource_type: "User", id: id.uuid(), changed, rules, coercions: &[] }).await
}
