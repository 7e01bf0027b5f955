//! Accounts that are held while roles on them change: nobody counts their administrators meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use crate::directory::access::{Permission, Reach, permits};
use crate::directory::catalogue::{Catalogue, Role};
use crate::directory::effective::{Place, effective_roles};
use crate::directory::recompute::{RuleBook, holders};
use crate::directory::{Error, Result};
use crate::model::{Account, AccountId, Assignment, PersonId};
use crate::store::Writer;

/// An account that is held, with those above it.
pub(in crate::directory) struct Here<'a> {
    catalogue: &'a Catalogue,
    rules: &'a RuleBook,
    path: Vec<Account>,
    services: BTreeSet<String>,
}

impl<'a> Here<'a> {
    /// Takes an account, so that its administrators stay as they are counted.
    pub(in crate::directory) async fn hold(
        writer: &mut Writer,
        reach: &'a Reach,
        rules: &'a RuleBook,
        account: AccountId,
    ) -> Result<Self> {
        let mut held = Self::hold_all(writer, reach, rules, &BTreeSet::from([account])).await?;
        held.remove(&account).ok_or(Error::NotFound("account"))
    }

    /// Takes several, all at once: who took them one after the other could wait for somebody who waits for them.
    pub(in crate::directory) async fn hold_all(
        writer: &mut Writer,
        reach: &'a Reach,
        rules: &'a RuleBook,
        accounts: &BTreeSet<AccountId>,
    ) -> Result<BTreeMap<AccountId, Self>> {
        let mut paths = BTreeMap::new();
        for account in accounts {
            let path = writer.account_path(*account).await?;
            if path.is_empty() {
                return Err(Error::NotFound("account"));
            }
            paths.insert(*account, path);
        }
        let ids: BTreeSet<_> = paths.values().flatten().map(|account| account.id).collect();
        writer.lock_accounts(&ids.into_iter().collect::<Vec<_>>()).await?;
        let mut held = BTreeMap::new();
        for (account, path) in paths {
            let services = writer.services_of(account).await?.into_iter().map(|service| service.key).collect();
            held.insert(account, Self { catalogue: reach.catalogue(), rules, path, services });
        }
        Ok(held)
    }

    pub(super) fn account(&self) -> AccountId {
        // A held account is on its own path.
        self.path[0].id
    }

    /// The account, and those above it.
    pub(in crate::directory) fn path(&self) -> Vec<AccountId> {
        self.path.iter().map(|account| account.id).collect()
    }

    pub(super) fn catalogue(&self) -> &'a Catalogue {
        self.catalogue
    }

    /// The persons with a login that is an administrator here, by itself or from above.
    pub(in crate::directory) async fn administrators(&self, writer: &mut Writer) -> Result<BTreeSet<PersonId>> {
        let permission = Permission::ManagePeople;
        let giving = self.roles_that(|role| self.catalogue.allows(&role.key, permission.as_str()));
        self.persons(writer, giving, |role| permits(role, permission)).await
    }

    /// The persons with a login that holds this role here.
    pub(super) async fn holders(&self, writer: &mut Writer, wanted: &Role) -> Result<BTreeSet<PersonId>> {
        let giving = self.roles_that(|role| role.key == wanted.key || role.includes.contains(&wanted.key));
        self.persons(writer, giving, |role| role.key == wanted.key).await
    }

    fn roles_that(&self, fits: impl Fn(&Role) -> bool) -> Vec<String> {
        self.catalogue.roles.iter().filter(|role| fits(role)).map(|role| role.key.clone()).collect()
    }

    async fn persons(&self, writer: &mut Writer, giving: Vec<String>, fits: impl Fn(&Role) -> bool) -> Result<BTreeSet<PersonId>> {
        let given = holders(writer, self.rules, &self.path(), &giving).await?;
        let path: Vec<_> = self.path.iter().collect();
        let place = Place { path: &path, services: &self.services };
        let holds = |held: &[Assignment]| {
            effective_roles(self.catalogue, place, held).iter().any(|held| held.counts() && held.is_whole() && fits(held.role))
        };
        Ok(given.into_values().filter(|(_, held)| holds(held)).map(|(person, _)| person).collect())
    }
}

/// Refuses what leaves an account without an administrator that had one.
pub(in crate::directory) fn keeps_one(before: &BTreeSet<PersonId>, after: &BTreeSet<PersonId>) -> Result<()> {
    if after.is_empty() && !before.is_empty() {
        return Err(Error::Conflict("the last administrator of an account cannot be removed; make another one first".to_owned()));
    }
    Ok(())
}
