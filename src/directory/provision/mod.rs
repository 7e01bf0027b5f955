//! What a directory's client changes: logins, groups and memberships. Each command is one transaction: the rows, the assignments that
//! follow from them, the events, the entry in the provisioning log.
//!
//! Locks are taken in one order: the tenant's rules (shared), pair values, groups by ascending id, logins by ascending id.

mod groups;
mod logins;

use super::recompute::RuleBook;
use super::{Caller, Result};
use crate::keys::Sealer;
use crate::model::{Directory, Event, EventKind, TenantId};
use crate::store::{Store, Writer};

pub use super::members::{MemberNotes, MemberStep, NamedMember, UnknownMembers};
pub use groups::{GroupChange, change_group, create_group, delete_group};
pub use logins::{LoginChange, change_login, create_login, delete_login};

/// Whose directory is changed, by whom.
#[derive(Clone, Copy, Debug)]
pub struct Provisioning<'a> {
    pub store: &'a Store,
    pub tenant: TenantId,
    pub directory: &'a Directory,
    pub caller: Caller<'a>,
    /// Seals values in the provisioning log.
    pub sealer: &'a Sealer,
    pub rules: &'a RuleBook,
}

impl Provisioning<'_> {
    /// What happened to something that the directory has. It belongs to the directory's home account, as all that it has does.
    fn event(&self, kind: EventKind, target: uuid::Uuid, details: serde_json::Value) -> Event {
        self.caller.event(kind, target, details).at(self.directory.home_account_id)
    }

    /// Begins the transaction of a command: rules stay as they are until it ends.
    async fn begin(&self) -> Result<Writer> {
        let mut writer = self.store.write(self.tenant).await?;
        writer.share_rules().await?;
        Ok(writer)
    }
}

/// What the provisioning log says of a change besides its outcome.
#[derive(Clone, Debug)]
pub struct Operation {
    /// `create`, `adopt`, `replace`, `patch` or `delete`.
    pub name: &'static str,
    /// The status that the client will be answered.
    pub status: u16,
    /// Names of the client profile's rules that were used.
    pub coercions: Vec<String>,
}
