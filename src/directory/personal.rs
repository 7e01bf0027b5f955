//! Personal values of events, such as the reason that somebody wrote down.
//!
//! They lie beside the event, sealed under a key of the person that they are about; the event holds the digest of the sealed text. To erase
//! them the key is destroyed, which cannot be undone, also not from a backup that has them but not the key. The event, and the chain over it, stay.

use std::collections::BTreeMap;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::access::{Permission, Reach};
use super::{Caller, Error, Result};
use crate::keys::{KeyRing, Place, SealError, Sealed, Sealer};
use crate::model::{Event, EventId, EventKind, PersonId, TenantId};
use crate::store::{Reader, Store, Writer, retry};

/// The personal values of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum PersonalValues {
    /// As they were recorded.
    Kept(Value),
    /// The person's key was destroyed.
    Erased,
    /// The service's key ring cannot read the person's key.
    Unreadable,
}

fn key_place(person: PersonId) -> Place {
    Place { table: "person_keys", column: "key_sealed", row: person.uuid() }
}

fn values_place(event: EventId) -> Place {
    Place { table: "event_values", column: "sealed", row: event.uuid() }
}

/// Records an event with values about a person, which they may have erased. The person's first values make their key.
pub(super) async fn record_personal(
    writer: &mut Writer,
    sealer: &Sealer,
    event: &Event,
    person: PersonId,
    values: &Value,
    caller: Caller<'_>,
) -> Result<()> {
    let mut key = writer.person_key(person).await?;
    if key.is_none() {
        let new = sealer.seal_text(&key_place(person), &KeyRing::generate().to_text());
        writer.insert_person_key(person, &new, caller.now).await?;
        // Somebody may have been faster, and then it is theirs.
        key = writer.person_key(person).await?;
    }
    let own = open_key(sealer, person, &key.ok_or_else(Error::raced)?)?;
    let sealed = own.seal(&values_place(event.id), values.to_string().as_bytes());
    Ok(writer.record_personal(event, person, &sealed, caller.request_id).await?)
}

/// The personal values of these events; those that have none are left out.
///
/// # Errors
/// When the database cannot be asked.
pub async fn personal_values(
    store: &Store,
    tenant: TenantId,
    sealer: &Sealer,
    events: &[EventId],
) -> Result<BTreeMap<EventId, PersonalValues>> {
    read_personal(&mut store.read(tenant), sealer, events).await
}

/// The same, also within a transaction.
pub(super) async fn read_personal(
    reader: &mut Reader,
    sealer: &Sealer,
    events: &[EventId],
) -> Result<BTreeMap<EventId, PersonalValues>> {
    let mut found = BTreeMap::new();
    for row in reader.event_values(events).await? {
        let values = match &row.key_sealed {
            Some(key) => open_key(sealer, row.person_id, key)
                .map_or(PersonalValues::Unreadable, |own| open_values(&own, row.event_id, &row.sealed)),
            None => PersonalValues::Erased,
        };
        found.insert(row.event_id, values);
    }
    Ok(found)
}

/// What was sealed under a key that was destroyed does not open with the person's next one.
fn open_values(own: &Sealer, event: EventId, sealed: &Sealed) -> PersonalValues {
    let text = own.open(&values_place(event), sealed).ok();
    let values = text.and_then(|text| serde_json::from_slice(&text).ok());
    values.map_or(PersonalValues::Erased, PersonalValues::Kept)
}

fn open_key(sealer: &Sealer, person: PersonId, key: &Sealed) -> Result<Sealer> {
    let broken = |error: &SealError| Error::Invalid(format!("the key of a person cannot be read: {error}"));
    let text = sealer.open_text(&key_place(person), key).map_err(|error| broken(&error))?;
    let ring = KeyRing::from_text(text.expose_secret()).map_err(|_| broken(&SealError::Layout))?;
    Ok(Sealer::new(ring))
}

/// Destroys the keys of a person who has left, and of those that linking merged into them, who are the same human: what events hold about
/// them can never be read again. Answers whether there was one.
///
/// # Errors
/// When there is no such person, or they still have a login, be it as the person that they were merged into: what is written about them from
/// then on would be under a new key.
pub async fn erase_person_key(store: &Store, tenant: TenantId, person: PersonId, caller: Caller<'_>) -> Result<bool> {
    retry(|| async {
        let mut writer = store.write(tenant).await?;
        let mut host = writer.person(person).await?.ok_or(Error::NotFound("person"))?;
        while let Some(into) = host.merged_into {
            host = writer.person(into).await?.ok_or(Error::NotFound("person"))?;
        }
        if writer.login_count(host.id).await? > 0 {
            return Err(Error::Conflict("the person still has a login; delete it first".to_owned()));
        }
        let (mut events, mut open) = (Vec::new(), vec![host.id]);
        while let Some(one) = open.pop() {
            open.extend(writer.merged_persons(one).await?);
            if writer.delete_person_key(one).await? {
                events.push(caller.event(EventKind::PersonKeyErased, one.uuid(), json!({})));
            }
        }
        if events.is_empty() {
            return Ok(false);
        }
        writer.record(&events, caller.request_id).await?;
        writer.commit().await?;
        Ok(true)
    })
    .await
}

/// The same, by an administrator of the whole tenant who may audit it: a person who has left has no account any more.
///
/// # Errors
/// As [`erase_person_key`], and when who asks may not.
pub async fn erase_values(store: &Store, tenant: TenantId, person: PersonId, reach: &Reach, caller: Caller<'_>) -> Result<bool> {
    if reach.is_operator() {
        return Err(Error::Forbidden("this is the tenant's own to decide".to_owned()));
    }
    let root = reach.tree().root()?.id;
    for permission in [Permission::ManagePeople, Permission::ViewAudit] {
        reach.needs(permission, root)?;
    }
    erase_person_key(store, tenant, person, caller).await
}
