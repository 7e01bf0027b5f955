//! No account loses its last administrator by a hand.

use std::collections::{BTreeMap, BTreeSet};

use crate::directory::access::{Permission, permits};
use crate::directory::catalogue::Catalogue;
use crate::directory::effective::{Place, effective_roles};
use crate::directory::leaving::follower;
use crate::directory::recompute::{RuleBook, counting_assignments, holders};
use crate::directory::tree::Tree;
use crate::directory::{Error, Result};
use crate::model::{AccountId, Assignment, LoginId};
use crate::store::{Reader, Writer};

/// What says who is an administrator of an account. The caller shares the rules, so that the tree stays as it is.
pub(super) struct Administration<'a> {
    catalogue: &'a Catalogue,
    rules: &'a RuleBook,
    tree: Tree,
    services: BTreeMap<AccountId, BTreeSet<String>>,
}

impl<'a> Administration<'a> {
    pub(super) async fn load(writer: &mut Writer, rules: &'a RuleBook, catalogue: &'a Catalogue) -> Result<Self> {
        let mut services: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for service in writer.services().await? {
            services.entry(service.account_id).or_default().insert(service.key);
        }
        Ok(Self { catalogue, rules, tree: Tree::new(writer.accounts().await?), services })
    }

    /// Whether somebody with these assignments is an administrator of an account.
    fn administers(&self, account: AccountId, held: &[Assignment]) -> bool {
        static NONE: BTreeSet<String> = BTreeSet::new();
        let path = self.tree.up(account);
        let place = Place { path: &path, services: self.services.get(&account).unwrap_or(&NONE) };
        let permission = Permission::ManagePeople;
        let roles = effective_roles(self.catalogue, place, held);
        roles.iter().any(|held| held.counts() && held.is_whole() && permits(held.role, permission))
    }

    /// The accounts of which somebody with these assignments is an administrator.
    fn administered(&self, held: &[Assignment]) -> Vec<AccountId> {
        let near = |id: AccountId| {
            let path = self.tree.up(id);
            held.iter().any(|held| path.iter().any(|account| account.id == held.account_id))
        };
        let accounts = self.tree.downwards().into_iter().map(|account| account.id);
        accounts.filter(|id| near(*id) && self.administers(*id, held)).collect()
    }

    /// Takes every account of which one of these logins is an administrator, with those above, so that its administrators stay as they
    /// are counted. Accounts come before logins in the order of locks, so this is before the logins are taken.
    pub(super) async fn hold(&self, writer: &mut Writer, logins: &[LoginId]) -> Result<Held> {
        let accounts = self.accounts_of(writer, logins).await?;
        let around: BTreeSet<_> = accounts.iter().flat_map(|id| self.tree.up(*id)).map(|account| account.id).collect();
        let around: Vec<_> = around.into_iter().collect();
        writer.lock_accounts(&around).await?;
        Ok(Held { accounts, around })
    }

    async fn accounts_of(&self, writer: &mut Writer, logins: &[LoginId]) -> Result<BTreeSet<AccountId>> {
        let mut accounts = BTreeSet::new();
        for login in logins {
            accounts.extend(self.administered(&counting_assignments(writer, self.rules, *login).await?));
        }
        Ok(accounts)
    }

    /// Refuses to end these logins, which are taken, when that leaves one of the accounts without an administrator.
    pub(super) async fn keeps_one(&self, writer: &mut Writer, logins: &[LoginId], held: &Held) -> Result<()> {
        let now = self.accounts_of(writer, logins).await?;
        if !now.is_subset(&held.accounts) {
            // Somebody has given them more since the accounts were taken.
            return Err(Error::raced());
        }
        if now.is_empty() {
            return Ok(());
        }
        let permission = Permission::ManagePeople.as_str();
        let giving = self.catalogue.roles.iter().filter(|role| self.catalogue.allows(&role.key, permission));
        let giving: Vec<_> = giving.map(|role| role.key.clone()).collect();
        let mut others = holders(writer, self.rules, &held.around, &giving).await?;
        others.retain(|id, _| !logins.contains(id));
        let left = |account: &AccountId| others.values().any(|(_, held)| self.administers(*account, held));
        match now.iter().find(|account| !left(account)) {
            None => Ok(()),
            Some(account) => Err(Error::Conflict(format!(
                "this would leave {} without an administrator; make another one first",
                self.tree.path(*account)
            ))),
        }
    }
}

/// Who goes when a hand ends a login: it, and the person's local one, which is locked with it.
pub(super) async fn going(reader: &mut Reader, id: LoginId) -> Result<Vec<LoginId>> {
    let login = reader.any_login(id).await?.ok_or(Error::NotFound("login"))?.login;
    Ok([id].into_iter().chain(follower(reader, &login).await?).collect())
}

/// Accounts that are held, and of which somebody is an administrator.
pub(super) struct Held {
    accounts: BTreeSet<AccountId>,
    /// They, and those above them.
    around: Vec<AccountId>,
}
