//! Role catalogues: the operator's files that say which roles there are.
//!
//! A file is read and checked when the service starts ([`file`]), and the `roles` table made to say the same. An entry that is gone is
//! retired: it gives nothing any more, and what refers to it stays readable. What a role means for somebody is for
//! [`super::effective`] to say.

mod file;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use self::file::{Fault, Faults};

use super::people::fields::Field;
use super::{Caller, Result};
use crate::model::TenantId;
use crate::store::{RoleRow, Store};

/// The catalogues that ship with the program.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("cloudcreator", include_str!("../../../catalogues/cloudcreator.toml")),
    ("customer-portal", include_str!("../../../catalogues/customer-portal.toml")),
    ("managed-portal", include_str!("../../../catalogues/managed-portal.toml")),
    ("my-calls", include_str!("../../../catalogues/my-calls.toml")),
    ("ukcloud-portal", include_str!("../../../catalogues/ukcloud-portal.toml")),
    ("operator", include_str!("../../../catalogues/operator.toml")),
];

/// A catalogue whose parts fit together: only [`Catalogue::parse`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    /// What tenants call it: the file's name without its ending.
    pub slug: String,
    /// What people read.
    pub name: String,
    pub services: Vec<Service>,
    pub sets: Vec<ExclusiveSet>,
    /// What of somebody whom a hand has made nobody changes afterwards.
    pub immutable: BTreeSet<Field>,
    /// In the order of the file, which is the order in which they are shown.
    pub roles: Vec<Role>,
}

/// A product that accounts can subscribe to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Service {
    pub key: String,
    pub name: String,
}

/// Roles of which somebody has one at a time, at an account and for a service and instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExclusiveSet {
    pub key: String,
    /// The strongest first: of two that rules give, the one that comes earlier counts.
    pub roles: Vec<String>,
    /// What somebody without any of them is given first, by hand. The others come after it.
    pub begins_with: Option<String>,
}

/// A role.
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the file, and none excludes another")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Role {
    /// What rules and tokens call it.
    pub key: String,
    /// What people read.
    pub name: String,
    pub description: String,
    /// On which accounts it can be given.
    pub scope: Scope,
    /// Whether it counts on the accounts below too.
    pub inherits: bool,
    /// The roles that whoever holds this one holds too, those that they include among them.
    pub includes: BTreeSet<String>,
    /// The service without which it does not count.
    pub service: Option<String>,
    /// Whether it can be given for single instances of its service.
    pub instances: bool,
    /// The roles whose holders may give and take it by hand.
    pub assigned_by: BTreeSet<String>,
    pub first_holder: FirstHolder,
    /// Whether only somebody who has signed in before can be given it by hand.
    pub needs_sign_in: bool,
    /// Whether using it asks for a fresh sign-in.
    pub step_up: bool,
    /// What it allows, in the portal's own words; those that Vestibule itself reads are in [`super::access`].
    pub permissions: BTreeSet<String>,
}

/// On which accounts a role can be given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Only on the parent cloud.
    Root,
    /// Only on child clouds and business accounts.
    Child,
    #[default]
    Any,
}

impl Scope {
    /// Whether the role can be given on the root of a tree, or on an account below.
    #[must_use]
    pub const fn fits(self, is_root: bool) -> bool {
        match self {
            Self::Root => is_root,
            Self::Child => !is_root,
            Self::Any => true,
        }
    }

    /// What the scope asks for, in words.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::Root => "only the parent cloud has it",
            Self::Child => "only child clouds and business accounts have it",
            Self::Any => "every account has it",
        }
    }
}

/// Who makes the first holder of a role at an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirstHolder {
    /// Whoever may give it.
    #[default]
    Anyone,
    /// The operator alone. No rule with a pattern gives it.
    Operator,
}

impl Catalogue {
    /// Reads the catalogue `slug`.
    ///
    /// # Errors
    /// All that is wrong with it; each fault names the file, the line and the key.
    pub fn parse(slug: &str, text: &str) -> Result<Self, Faults> {
        file::parse(slug, text)
    }

    /// The role of this key.
    #[must_use]
    pub fn role(&self, key: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.key == key)
    }

    /// The set that a role belongs to.
    #[must_use]
    pub fn set_of(&self, role: &str) -> Option<&ExclusiveSet> {
        self.sets.iter().find(|set| set.roles.iter().any(|key| key == role))
    }

    /// Where a role stands among all, for showing them in the file's order.
    #[must_use]
    pub fn rank(&self, role: &str) -> usize {
        self.roles.iter().position(|entry| entry.key == role).unwrap_or(usize::MAX)
    }

    /// Whether holding a role allows something, by itself or by a role that it includes.
    #[must_use]
    pub fn allows(&self, role: &str, permission: &str) -> bool {
        self.role(role).is_some_and(|entry| {
            let included = entry.includes.iter().filter_map(|key| self.role(key));
            std::iter::once(entry).chain(included).any(|role| role.permissions.contains(permission))
        })
    }
}

/// Makes the `roles` table say what the catalogues say.
///
/// # Errors
/// When the database cannot be written.
pub async fn sync(store: &Store, catalogues: &[Catalogue], caller: Caller<'_>) -> Result<()> {
    let mut writer = store.write(TenantId::OPERATOR).await?;
    for catalogue in catalogues {
        let rows: Vec<_> = (0_i64..)
            .zip(&catalogue.roles)
            .map(|(rank, role)| RoleRow {
                key: role.key.clone(),
                name: role.name.clone(),
                description: role.description.clone(),
                exclusive_set: catalogue.set_of(&role.key).map(|set| set.key.clone()),
                rank,
            })
            .collect();
        writer.sync_roles(&catalogue.slug, &rows, caller.now).await?;
    }
    writer.commit().await?;
    Ok(())
}
