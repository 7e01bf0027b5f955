//! Who may see and change what is set up on an account: decided by the permissions of roles, downwards along the account tree.
//!
//! A role that is held at an account counts there and at every account below it, never above or beside it.

use std::collections::{BTreeMap, BTreeSet};

use super::Result;
use super::catalogue::Catalogue;
use crate::model::{Account, AccountId, EffectiveRole, LoginId, TenantId};
use crate::store::Store;

/// What roles can allow with directories. The names stand in the role catalogues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// To see directories, their tokens and their provisioning log, without anybody's values.
    ViewDirectories,
    /// To change them, and to see the values in their provisioning log.
    ManageDirectories,
}

impl Permission {
    /// The name in a catalogue.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ViewDirectories => "directories.view",
            Self::ManageDirectories => "directories.manage",
        }
    }
}

/// The accounts that somebody can reach with a permission: each account where they hold it, with all that is below.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    parents: BTreeMap<AccountId, Option<AccountId>>,
    held: BTreeSet<(Permission, AccountId)>,
}

impl Reach {
    /// The reach that these roles give. Whoever may change directories may see them.
    #[must_use]
    pub fn new(accounts: &[Account], roles: &[EffectiveRole], catalogue: &Catalogue) -> Self {
        let mut held = BTreeSet::new();
        for role in roles {
            let allows = |permission: Permission| {
                catalogue.role(&role.role).is_some_and(|entry| entry.permissions.iter().any(|name| name == permission.as_str()))
            };
            if allows(Permission::ManageDirectories) {
                held.extend([(Permission::ManageDirectories, role.account_id), (Permission::ViewDirectories, role.account_id)]);
            } else if allows(Permission::ViewDirectories) {
                held.insert((Permission::ViewDirectories, role.account_id));
            }
        }
        Self { parents: accounts.iter().map(|account| (account.id, account.parent_id)).collect(), held }
    }

    /// Whether there is any account with any of these permissions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether the permission is held on the account or on one above it. An account of another tenant is on no path.
    #[must_use]
    pub fn allows(&self, permission: Permission, account: AccountId) -> bool {
        // A tree has no loops, but a loop here must not hang: no path is longer than there are accounts.
        std::iter::successors(Some(account), |at| self.parents.get(at).copied().flatten())
            .take(self.parents.len())
            .any(|at| self.held.contains(&(permission, at)))
    }
}

/// The reach of a login, by its own roles alone: never by those of the person's other login.
///
/// # Errors
/// When the database cannot be asked.
pub async fn reach(store: &Store, tenant: TenantId, login: LoginId, catalogues: &[Catalogue]) -> Result<Reach> {
    let mut reader = store.read(tenant);
    let Some(tenant) = reader.tenant_row().await? else { return Ok(Reach::default()) };
    let Some(catalogue) = catalogues.iter().find(|catalogue| catalogue.slug == tenant.catalogue) else {
        return Ok(Reach::default());
    };
    let roles = reader.effective_roles(login).await?;
    Ok(Reach::new(&reader.accounts().await?, &roles, catalogue))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::model::{AccountState, AssignmentSource};

    const CATALOGUE: &str = r#"
name = "x"
[[role]]
key = "viewer"
name = "V"
description = ""
permissions = ["directories.view"]
[[role]]
key = "manager"
name = "M"
description = ""
permissions = ["directories.manage"]
[[role]]
key = "other"
name = "O"
description = ""
permissions = ["people.view", "directories.viewer"]
"#;

    /// Roles at accounts, the accounts that they show, and those that they let be changed.
    type Case<'a> = (&'a [(&'a str, AccountId)], &'a [AccountId], &'a [AccountId]);

    #[test]
    fn a_role_counts_at_its_account_and_below_and_nowhere_else() {
        let catalogue = Catalogue::parse("x", CATALOGUE).unwrap();
        let [root, emea, berlin, apac, foreign] = std::array::from_fn(|_| AccountId::new(DateTime::UNIX_EPOCH));
        let account =
            |id, parent_id| Account { id, parent_id, slug: String::new(), name: String::new(), state: AccountState::Active };
        let accounts = [account(root, None), account(emea, Some(root)), account(berlin, Some(emea)), account(apac, Some(root))];
        let all = [root, emea, berlin, apac, foreign];
        let (see, change) = (Permission::ViewDirectories, Permission::ManageDirectories);
        let table: [Case<'_>; 7] = [
            (&[], &[], &[]),
            (&[("viewer", root)], &[root, emea, berlin, apac], &[]),
            (&[("manager", root)], &[root, emea, berlin, apac], &[root, emea, berlin, apac]),
            (&[("manager", emea)], &[emea, berlin], &[emea, berlin]),
            (&[("viewer", emea), ("manager", berlin)], &[emea, berlin], &[berlin]),
            (&[("other", root), ("gone", root)], &[], &[]),
            (&[("viewer", apac), ("other", root)], &[apac], &[]),
        ];
        for (roles, seen, changed) in table {
            let roles: Vec<_> = roles
                .iter()
                .map(|(role, account)| EffectiveRole {
                    account_id: *account,
                    account_name: String::new(),
                    role: (*role).to_owned(),
                    source: AssignmentSource::Manual,
                    rule_name: None,
                })
                .collect();
            let reach = Reach::new(&accounts, &roles, &catalogue);
            let reached = |permission| -> Vec<_> { all.into_iter().filter(|id| reach.allows(permission, *id)).collect() };
            assert_eq!((reached(see), reached(change)), (seen.to_vec(), changed.to_vec()), "{roles:?}");
            assert_eq!(reach.is_empty(), seen.is_empty());
        }
    }

    #[test]
    fn a_loop_in_the_tree_does_not_hang() {
        let [a, b] = std::array::from_fn(|_| AccountId::new(DateTime::UNIX_EPOCH));
        let reach = Reach { parents: BTreeMap::from([(a, Some(b)), (b, Some(a))]), held: BTreeSet::new() };
        assert!(!reach.allows(Permission::ViewDirectories, a));
    }
}
