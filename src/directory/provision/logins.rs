//! The logins of a directory: made, adopted, changed, deleted.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Operation, Provisioning};
use crate::directory::decide::{self, Adoption};
use crate::directory::ending::{bury, end_login, groups_of, pair_values};
use crate::directory::leaving::{come_back, leave};
use crate::directory::log::{Changed, Done, log};
use crate::directory::recompute::{give_first, recompute_login};
use crate::directory::{Error, Result};
use crate::model::{ChangedRules, Event, EventKind, Login, LoginId, LoginKind, PairValue, PersonId, Slot};
use crate::store::{FactsRow, LoginDocument, LoginRow, NewLogin, Races, Writer, retry};

/// What is to become of a login.
#[derive(Clone, Debug)]
pub struct LoginChange {
    /// Its attributes, where they change.
    pub document: Option<LoginDocument>,
    pub coercions: Vec<String>,
}

/// Makes a login with a person of its own, or adopts the one that signing in has made for the same binding pair. Either way the
/// tombstones of that pair are lifted: the directory wants the person back.
///
/// # Errors
/// When its user name is taken in the directory.
pub async fn create_login(to: Provisioning<'_>, document: &LoginDocument, operation: &Operation) -> Result<LoginId> {
    retry(|| async {
        let mut writer = to.begin().await?;
        let pairs = pair_values(&mut writer, to.directory.id, &document.user_name, document.external_id.as_deref()).await?;
        // From here on nobody with these values signs in for the first time.
        writer.lock_pairs(&pairs).await?;
        let adoption = decide::adopt(&writer.logins_proved(&pairs).await?);
        let id = match adoption {
            Adoption::Adopt(id) => adopt_login(&mut writer, &to, id, document, &pairs, operation).await?,
            Adoption::None | Adoption::Ambiguous => bear_login(&mut writer, &to, document, adoption, &pairs, operation).await?,
        };
        writer.commit().await?;
        Ok(id)
    })
    .await
}

async fn bear_login(
    writer: &mut Writer,
    to: &Provisioning<'_>,
    document: &LoginDocument,
    adoption: Adoption,
    pairs: &[PairValue],
    operation: &Operation,
) -> Result<LoginId> {
    let now = to.caller.now;
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
    // Not before: taking the name may have waited for the former login's end, whose tombstone nobody saw until then.
    let lifted = writer.lift_tombstones(pairs, now).await?;
    let mut details = json!({ "person": person_id, "tombstones_lifted": lifted });
    if adoption == Adoption::Ambiguous {
        // Their people go on with the logins that they have; an administrator can see why none became the directory's.
        details["adoption"] = "ambiguous".into();
    }
    writer.record(&[to.event(EventKind::LoginCreated, id.uuid(), details)], to.caller.request_id).await?;
    let facts = FactsRow {
        login_id: id,
        directory_id: Some(to.directory.id),
        active: document.active,
        search: document.search.clone(),
        claims: BTreeMap::new(),
        groups: Vec::new(),
    };
    let rules = give_first(writer, to.rules, &facts, &to.caller).await?;
    let changed = Changed::made(&document.scim);
    log(writer, to, operation, Done { resource_type: "User", id: id.uuid(), changed, rules, coercions: &[] }).await?;
    Ok(id)
}

/// Its sessions go on: who signed in has proved the very value that the directory names. Its roles are those of both from now on.
async fn adopt_login(
    writer: &mut Writer,
    to: &Provisioning<'_>,
    id: LoginId,
    document: &LoginDocument,
    pairs: &[PairValue],
    operation: &Operation,
) -> Result<LoginId> {
    writer.lock_with_other_login(id).await?;
    let LoginRow { login, scim } = writer.unprovisioned_login_for_update(id).await?.ok_or_else(Error::raced)?;
    writer.adopt_login(&login, to.directory, document, to.caller.now).await?;
    let lifted = writer.lift_tombstones(pairs, to.caller.now).await?;
    let details = json!({ "person": login.person_id, "connection": login.connection_id, "tombstones_lifted": lifted });
    let mut events = vec![to.event(EventKind::LoginAdopted, id.uuid(), details)];
    events.extend(switch(writer, to, &login, document.active).await?);
    writer.record(&events, to.caller.request_id).await?;
    let rules = recompute_login(writer, to.rules, id, &to.caller).await?;
    let operation = Operation { name: "adopt", ..operation.clone() };
    let changed = Changed::between(&scim, &document.scim);
    log(writer, to, &operation, Done { resource_type: "User", id: id.uuid(), changed, rules, coercions: &[] }).await?;
    Ok(id)
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
        let mut writer = to.begin().await?;
        // If this switches it off, what it takes along is taken with it.
        writer.lock_with_other_login(id).await.map_err(Error::from)?;
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
    let mut events = vec![to.event(EventKind::LoginUpdated, login.id.uuid(), json!({ "attributes": changed.attributes }))];
    events.extend(switch(writer, to, login, document.active).await?);
    writer.record(&events, to.caller.request_id).await?;
    let rules = recompute_login(writer, to.rules, login.id, &to.caller).await?;
    Ok((changed, rules))
}

/// What follows when a login is switched on or off: who is switched off has no session left, and takes a local login of the person along,
/// until it is in use again.
async fn switch(writer: &mut Writer, to: &Provisioning<'_>, login: &Login, active: bool) -> Result<Option<Event>> {
    Ok(match (login.active, active) {
        (true, false) => {
            leave(writer, to.caller, login).await?;
            let ended = end_login(writer, login.id, to.caller.now).await?;
            Some(to.event(EventKind::LoginDeactivated, login.id.uuid(), json!({ "sessions_ended": ended })))
        }
        (false, true) => {
            if login.locked_at.is_none() {
                come_back(writer, to.caller, login.id).await?;
            }
            Some(to.event(EventKind::LoginReactivated, login.id.uuid(), json!({})))
        }
        _ => None,
    })
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
        let mut writer = to.begin().await?;
        // Groups come before logins in the order of locks, and their versions change with their members.
        let groups = groups_of(&mut writer, id).await?;
        let known = writer.login(to.directory.id, id).await.map_err(Error::from)?.is_some();
        if known {
            writer.touch_groups(&groups.iter().copied().collect::<Vec<_>>(), to.caller.now).await.map_err(Error::from)?;
        }
        writer.lock_with_other_login(id).await.map_err(Error::from)?;
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

async fn bury_login(writer: &mut Writer, to: &Provisioning<'_>, current: &LoginRow, operation: &Operation) -> Result<()> {
    let login = &current.login;
    let id = login.id;
    let ended = bury(writer, to.caller, login).await?;
    let event = to.event(EventKind::LoginDeleted, id.uuid(), json!({ "person": login.person_id, "sessions_ended": ended }));
    writer.record(&[event], to.caller.request_id).await?;
    // What is gone is gone: its values are not kept here either.
    let (changed, rules) = (Changed::default(), ChangedRules::default());
    log(writer, to, operation, Done { resource_type: "User", id: id.uuid(), changed, rules, coercions: &[] }).await
}
