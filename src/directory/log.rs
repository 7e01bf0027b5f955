//! The provisioning log: what is written into it, and by whom its values can be read.
//!
//! A write that was carried out has its entry in its own transaction. One that was refused has it in a transaction of its own. Names
//! of attributes are plain; their values are sealed for their row, and there is none of a password.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::provision::{Operation, Provisioning};
use super::{Caller, Error, Result};
use crate::keys::{Place, SealError, Sealed, Sealer};
use crate::model::{Actor, ChangedRules, Directory, EventId, EventKind, TenantId};
use crate::store::{LogEntry, Store, Writer};

/// How many members one entry names.
const MOST_MEMBERS: usize = 1_000;
/// How large the values of one entry may be, as JSON. Larger ones are left out, and the entry says so.
const MOST_BYTES: usize = 64 * 1024;

/// Which attributes a write changed, and from what to what.
#[derive(Clone, Debug, Default)]
pub(super) struct Changed {
    /// The names, in the order of the alphabet.
    pub(super) attributes: Vec<String>,
    values: Map<String, Value>,
}

impl Changed {
    /// A resource that was not there before.
    pub(super) fn made(after: &Value) -> Self {
        Self::between(&Value::Null, after)
    }

    /// The top-level attributes that two documents do not have in common.
    pub(super) fn between(before: &Value, after: &Value) -> Self {
        let mut changed = Self::default();
        let names = |document: &Value| document.as_object().map(|object| object.keys().cloned().collect::<Vec<_>>());
        let mut all: Vec<_> = [before, after].into_iter().filter_map(names).flatten().collect();
        all.sort_unstable();
        all.dedup();
        for name in all {
            let (was, is) = (before.get(&name), after.get(&name));
            if was == is {
                continue;
            }
            // It is not kept anywhere (R15), and should it ever be, it must not come here.
            if !name.eq_ignore_ascii_case("password") {
                let mut value = Map::new();
                value.extend(was.map(|was| ("before".to_owned(), was.clone())));
                value.extend(is.map(|is| ("after".to_owned(), is.clone())));
                changed.values.insert(name.clone(), Value::Object(value));
            }
            changed.attributes.push(name);
        }
        changed
    }

    /// Members that came and went, by their ids.
    pub(super) fn members<T: ToString>(&mut self, added: impl IntoIterator<Item = T>, removed: impl IntoIterator<Item = T>) {
        let ids = |ids: Vec<T>| -> Vec<String> { ids.iter().take(MOST_MEMBERS).map(ToString::to_string).collect() };
        let (added, removed): (Vec<T>, Vec<T>) = (added.into_iter().collect(), removed.into_iter().collect());
        if added.is_empty() && removed.is_empty() {
            return;
        }
        let more = added.len().saturating_sub(MOST_MEMBERS) + removed.len().saturating_sub(MOST_MEMBERS);
        let mut value = json!({ "added": ids(added), "removed": ids(removed) });
        if more > 0 {
            value["not_shown"] = json!(more);
        }
        self.values.insert("members".to_owned(), value);
        self.attributes.push("members".to_owned());
    }

    /// The values, sealed for the entry of this id.
    fn seal(&self, sealer: &Sealer, entry: Uuid) -> Option<Sealed> {
        if self.values.is_empty() {
            return None;
        }
        let mut text = Value::Object(self.values.clone()).to_string();
        if text.len() > MOST_BYTES {
            text = json!({ "too_large": text.len() }).to_string();
        }
        Some(sealer.seal(&place(entry), text.as_bytes()))
    }
}

/// Where the values of an entry lie, for sealing.
fn place(entry: Uuid) -> Place {
    Place { table: "provisioning_log", column: "values_sealed", row: entry }
}

/// Reads the values of an entry. Ask first whether who asks may see them.
///
/// # Errors
/// When the key ring does not have their key, or they were tampered with.
pub fn open_values(sealer: &Sealer, entry: Uuid, sealed: &Sealed) -> Result<Value> {
    let broken = |error: &SealError| Error::Invalid(format!("the values of this entry cannot be read: {error}"));
    let text = sealer.open(&place(entry), sealed).map_err(|error| broken(&error))?;
    serde_json::from_slice(&text).map_err(|_| broken(&SealError::Layout))
}

/// A write that was carried out, for its entry.
pub(super) struct Done<'a> {
    pub(super) resource_type: &'static str,
    pub(super) id: Uuid,
    pub(super) changed: Changed,
    pub(super) rules: ChangedRules,
    /// Coercions that became known while it was carried out.
    pub(super) coercions: &'a [String],
}

/// Logs a write, in its own transaction.
pub(super) async fn log(writer: &mut Writer, to: &Provisioning<'_>, operation: &Operation, done: Done<'_>) -> Result<()> {
    let mut coercions = operation.coercions.clone();
    for coercion in done.coercions {
        if !coercions.contains(coercion) {
            coercions.push(coercion.clone());
        }
    }
    let entry = entry(to, operation);
    let entry = LogEntry {
        resource_type: done.resource_type,
        resource_id: Some(done.id),
        values: done.changed.seal(to.sealer, entry.id),
        attributes: done.changed.attributes,
        coercions,
        rules: done.rules,
        ..entry
    };
    writer.log_provisioning(&entry, to.caller.request_id).await?;
    Ok(())
}

/// Logs a write that was refused, in a transaction of its own: the write's was rolled back.
///
/// # Errors
/// When the database cannot be written.
pub async fn log_refusal(
    to: Provisioning<'_>,
    operation: &Operation,
    resource_type: &'static str,
    resource_id: Option<Uuid>,
    scim_type: Option<&'static str>,
    detail: &str,
) -> Result<()> {
    let mut writer = to.store.write(to.tenant).await?;
    let entry = LogEntry {
        resource_type,
        resource_id,
        scim_type,
        detail: Some(detail.to_owned()),
        coercions: operation.coercions.clone(),
        ..entry(&to, operation)
    };
    writer.log_provisioning(&entry, to.caller.request_id).await?;
    writer.commit().await?;
    Ok(())
}

/// Notes that the operator reads the values of an entry: the tenant sees it. Its own administrators read what is theirs.
///
/// # Errors
/// When the database cannot be written.
pub async fn read_by(store: &Store, tenant: TenantId, directory: &Directory, entry: Uuid, caller: Caller<'_>) -> Result<()> {
    let Actor::OperatorPerson { .. } = caller.actor else { return Ok(()) };
    let details = json!({ "entry": entry });
    let event = caller.event(EventKind::LogValuesRead, directory.id.uuid(), details).at(directory.home_account_id);
    let mut writer = store.write(tenant).await?;
    writer.record(&[event], caller.request_id).await?;
    Ok(writer.commit().await?)
}

/// What every entry of this request has.
fn entry(to: &Provisioning<'_>, operation: &Operation) -> LogEntry {
    LogEntry {
        id: EventId::new(to.caller.now).uuid(),
        directory_id: to.directory.id,
        at: to.caller.now,
        operation: operation.name,
        resource_type: "",
        resource_id: None,
        status: operation.status,
        scim_type: None,
        detail: None,
        attributes: Vec::new(),
        values: None,
        coercions: Vec::new(),
        rules: ChangedRules::default(),
        token_id: match to.caller.actor {
            Actor::Directory { token, .. } => Some(token),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeyRing;

    fn opened(changed: &Changed) -> Value {
        let sealer = Sealer::new(KeyRing::generate());
        let id = Uuid::from_u128(7);
        let sealed = changed.seal(&sealer, id).unwrap();
        assert!(open_values(&sealer, Uuid::from_u128(8), &sealed).is_err(), "it belongs to its row");
        open_values(&sealer, id, &sealed).unwrap()
    }

    #[test]
    fn what_changed_is_named_with_its_values_before_and_after() {
        let before = json!({ "userName": "joe", "title": "Clerk", "active": true });
        let after = json!({ "userName": "joe", "title": "Chief", "nickName": "J" });
        let changed = Changed::between(&before, &after);
        assert_eq!(changed.attributes, ["active", "nickName", "title"]);
        assert_eq!(
            opened(&changed),
            json!({ "active": { "before": true }, "nickName": { "after": "J" }, "title": { "before": "Clerk", "after": "Chief" } })
        );
        assert_eq!(Changed::made(&after).attributes, ["nickName", "title", "userName"]);
        assert!(Changed::between(&after, &after).seal(&Sealer::new(KeyRing::generate()), Uuid::nil()).is_none());
    }

    #[test]
    fn z10_a_password_is_named_and_never_kept() {
        let changed = Changed::made(&json!({ "PassWord": "hunter2", "userName": "joe" }));
        assert_eq!(changed.attributes, ["PassWord", "userName"]);
        assert_eq!(opened(&changed), json!({ "userName": { "after": "joe" } }));
    }

    #[test]
    fn members_are_bounded_and_large_values_left_out() {
        let mut changed = Changed::default();
        changed.members::<u32>([], []);
        assert!(changed.values.is_empty());
        changed.members(0..1_002, [7]);
        let value = opened(&changed);
        assert_eq!(value["members"]["added"].as_array().unwrap().len(), 1_000);
        assert_eq!((&value["members"]["removed"], &value["members"]["not_shown"]), (&json!(["7"]), &json!(2)));
        let changed = Changed::made(&json!({ "title": "x".repeat(70_000) }));
        assert!(opened(&changed)["too_large"].as_u64().unwrap() > 70_000);
    }
}
