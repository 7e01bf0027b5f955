//! The chain over a tenant's events: who changes, removes or adds one afterwards breaks it.
//!
//! Events are sealed behind the writes, in the order in which they are found; the writes wait for nothing. A seal has the event's digest, and the
//! SHA-256 of the chain before it and that digest. Whoever can write to the whole database can make a whole new chain: an end of the
//! chain that was noted down elsewhere shows that.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::Result;
use crate::model::{EventId, TenantId};
use crate::store::{EventRow, LastSeal, NewSeal, SealRow, Store, hex};

/// The chain before the first event.
const BEGINNING: [u8; 32] = [0; 32];
/// How many seals are in memory at once.
const PAGE: u32 = 1_000;

/// What is wrong with a seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The seal of this position is gone.
    SealMissing,
    /// The event that was sealed is gone.
    EventMissing,
    /// The event is not what was sealed.
    EventChanged,
    /// The seal does not follow from the one before it.
    ChainBroken,
    /// The sealed personal values of the event are gone. To erase them, only their key is destroyed.
    ValuesMissing,
    /// They are not what was recorded.
    ValuesChanged,
}

/// The first place at which a chain is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Break {
    pub position: i64,
    /// The event that was sealed there, as far as is known.
    pub event: Option<EventId>,
    pub fault: Fault,
}

/// What was found of a tenant's chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// How many events are sealed and are what they were; with a break, those before it.
    pub sealed: i64,
    /// The chain after those, in hexadecimal digits: worth noting down elsewhere.
    pub head: String,
    pub broken: Option<Break>,
    /// How many events are not sealed yet.
    pub unsealed: i64,
    /// When the oldest of those happened.
    pub unsealed_since: Option<DateTime<Utc>>,
}

/// The digest of an event: SHA-256 over its columns, each with its length before it, and JSON with the members of objects in order.
#[must_use]
pub fn digest(tenant: TenantId, event: &EventRow) -> [u8; 32] {
    let mut bytes = Vec::with_capacity(256);
    put(&mut bytes, Some(tenant.uuid().as_bytes()));
    put(&mut bytes, Some(event.id.uuid().as_bytes()));
    put(&mut bytes, Some(&event.at.timestamp_micros().to_be_bytes()));
    put(&mut bytes, Some(event.kind.as_bytes()));
    put(&mut bytes, Some(&canonical(&event.actor)));
    put(&mut bytes, Some(event.target_id.as_bytes()));
    put(&mut bytes, event.account_id.map(|account| *account.uuid().as_bytes()).as_ref().map(<[u8; 16]>::as_slice));
    put(&mut bytes, Some(&canonical(&event.details)));
    put(&mut bytes, event.request_id.as_deref().map(str::as_bytes));
    put(&mut bytes, event.values_digest.as_deref());
    Sha256::digest(&bytes).into()
}

/// Adds a field in such a way that no two rows of fields have the same bytes.
fn put(bytes: &mut Vec<u8>, field: Option<&[u8]>) {
    match field {
        Some(field) => {
            bytes.push(1);
            bytes.extend_from_slice(&field.len().to_be_bytes());
            bytes.extend_from_slice(field);
        }
        None => bytes.push(0),
    }
}

/// JSON in one way of the many: PostgreSQL keeps the members of objects in another order than SQLite.
fn canonical(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(value, &mut bytes);
    bytes
}

fn write(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            bytes.push(b'{');
            for (name, member) in members {
                bytes.extend_from_slice(Value::String(name.clone()).to_string().as_bytes());
                bytes.push(b':');
                write(member, bytes);
                bytes.push(b',');
            }
            bytes.push(b'}');
        }
        Value::Array(elements) => {
            bytes.push(b'[');
            for element in elements {
                write(element, bytes);
                bytes.push(b',');
            }
            bytes.push(b']');
        }
        scalar => bytes.extend_from_slice(scalar.to_string().as_bytes()),
    }
}

fn link(previous: &[u8], digest: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(previous).chain_update(digest).finalize().into()
}

/// The seals of these events, behind the end of the chain.
#[must_use]
pub fn seal(tenant: TenantId, last: Option<&LastSeal>, events: &[EventRow]) -> Vec<NewSeal> {
    let mut chain = last.map_or_else(|| BEGINNING.to_vec(), |last| last.chain.clone());
    let first = last.map_or(1, |last| last.position + 1);
    let mut seals = Vec::with_capacity(events.len());
    for (position, event) in (first..).zip(events) {
        let digest = digest(tenant, event);
        let next = link(&chain, &digest);
        seals.push(NewSeal { position, event: event.id, digest, chain: next });
        chain = next.to_vec();
    }
    seals
}

/// Walks a tenant's chain from its beginning to its end, or to the first break.
///
/// # Errors
/// When the database cannot be asked.
pub async fn verify(store: &Store, tenant: TenantId) -> Result<Verdict> {
    let mut reader = store.read(tenant);
    let (mut sealed, mut chain, mut broken) = (0, BEGINNING.to_vec(), None);
    while broken.is_none() {
        let seals = reader.seals(sealed, PAGE).await?;
        if seals.is_empty() {
            break;
        }
        let ids: Vec<_> = seals.iter().map(|seal| seal.event_id).collect();
        let events = reader.events_by_id(&ids).await?;
        let events: HashMap<_, _> = events.into_iter().map(|event| (event.id.uuid(), event)).collect();
        let personal: Vec<_> = events.values().filter(|event| event.values_digest.is_some()).map(|event| event.id).collect();
        let values = reader.event_values(&personal).await?;
        let values: HashMap<_, _> = values.into_iter().map(|row| (row.event_id.uuid(), row.sealed.digest())).collect();
        for seal in seals {
            let event = events.get(&seal.event_id.uuid());
            let fault = fault(tenant, sealed, &chain, &seal, event).or_else(|| values_fault(event?, &values));
            if let Some(fault) = fault {
                let (position, event) = match fault {
                    Fault::SealMissing => (sealed + 1, None),
                    _ => (seal.position, Some(seal.event_id)),
                };
                broken = Some(Break { position, event, fault });
                break;
            }
            sealed = seal.position;
            chain = seal.chain;
        }
    }
    let unsealed = reader.unsealed().await?;
    Ok(Verdict { sealed, head: hex(&chain), broken, unsealed: unsealed.events, unsealed_since: unsealed.since })
}

fn fault(tenant: TenantId, before: i64, chain: &[u8], seal: &SealRow, event: Option<&EventRow>) -> Option<Fault> {
    if seal.position != before + 1 {
        return Some(Fault::SealMissing);
    }
    let Some(event) = event else { return Some(Fault::EventMissing) };
    if digest(tenant, event).as_slice() != seal.digest.as_slice() {
        return Some(Fault::EventChanged);
    }
    (link(chain, &seal.digest).as_slice() != seal.chain.as_slice()).then_some(Fault::ChainBroken)
}

/// What is wrong with the personal values of an event.
fn values_fault(event: &EventRow, values: &HashMap<Uuid, [u8; 32]>) -> Option<Fault> {
    let recorded = event.values_digest.as_deref()?;
    match values.get(&event.id.uuid()) {
        None => Some(Fault::ValuesMissing),
        Some(found) => (found.as_slice() != recorded).then_some(Fault::ValuesChanged),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::AccountId;

    fn event() -> EventRow {
        EventRow {
            id: EventId::from_uuid(Uuid::from_u128(1)),
            at: DateTime::UNIX_EPOCH,
            kind: "a.b".to_owned(),
            actor: json!({ "kind": "system" }),
            target_id: Uuid::from_u128(2),
            account_id: None,
            details: json!({ "b": [1, 2], "a": null }),
            request_id: None,
            values_digest: None,
        }
    }

    #[test]
    fn every_column_counts_and_the_order_of_members_does_not() {
        let tenant = TenantId::from_uuid(Uuid::from_u128(3));
        let others = [
            EventRow { id: EventId::from_uuid(Uuid::from_u128(9)), ..event() },
            EventRow { at: DateTime::from_timestamp_micros(1).unwrap(), ..event() },
            EventRow { kind: "a.c".to_owned(), ..event() },
            EventRow { actor: json!({ "kind": "operator" }), ..event() },
            EventRow { target_id: Uuid::from_u128(9), ..event() },
            EventRow { account_id: Some(AccountId::from_uuid(Uuid::nil())), ..event() },
            EventRow { details: json!({ "b": [2, 1], "a": null }), ..event() },
            EventRow { details: json!({ "b": [1, 2] }), ..event() },
            EventRow { request_id: Some(String::new()), ..event() },
            EventRow { values_digest: Some(vec![0; 32]), ..event() },
        ];
        let mut digests: Vec<_> = others.iter().map(|event| digest(tenant, event)).collect();
        digests.extend([digest(tenant, &event()), digest(TenantId::from_uuid(Uuid::nil()), &event())]);
        let distinct: std::collections::BTreeSet<_> = digests.iter().collect();
        assert_eq!(distinct.len(), digests.len());
        let turned = EventRow { details: serde_json::from_str(r#"{"a":null,"b":[1,2]}"#).unwrap(), ..event() };
        assert_eq!(digest(tenant, &turned), digest(tenant, &event()));
    }

    #[test]
    fn seals_go_on_from_the_end_of_the_chain() {
        let tenant = TenantId::from_uuid(Uuid::from_u128(3));
        let events: Vec<_> = (1..=5).map(|id| EventRow { id: EventId::from_uuid(Uuid::from_u128(id)), ..event() }).collect();
        let whole = seal(tenant, None, &events);
        let last = LastSeal { position: 2, chain: whole[1].chain.to_vec(), event_at: None };
        assert_eq!(seal(tenant, Some(&last), &events[2..]), whole[2..]);
        assert_eq!(whole.iter().map(|seal| seal.position).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    }
}
