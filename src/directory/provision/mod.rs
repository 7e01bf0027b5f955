//! What a directory's client changes: logins, groups and memberships. Each command is one transaction: the rows, the assignments that
//! follow from them, the events, the entry in the provisioning log.
//!
//! Locks are taken in one order: the tenant's rules (shared), groups, logins by ascending id.

mod groups;
mod logins;

use std::collections::BTreeSet;

use super::{Caller, Result};
use crate::model::{Directory, TenantId};
use crate::store::{LogEntry, Store, Writer};

pub use super::members::{MemberStep, UnknownMembers};
pub use groups::{GroupChange, change_group, create_group, delete_group};
pub use logins::{LoginChange, change_login, create_login, delete_login};

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
    let mut noted = operation.coercions.clone();
    for coercion in coercions {
        if !noted.contains(coercion) {
            noted.push(coercion.clone());
        }
    }
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
        coercions: noted,
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
