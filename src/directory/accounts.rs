//! The account tree and what its accounts subscribe to, changed by hand.
//!
//! Every change of the tree takes the tenant's rules alone: rules name accounts, and two changes of one tree that do not see one another
//! could make a loop of it. Where a rule finds accounts by what they are called, everybody's roles are computed anew.

use std::collections::BTreeSet;

use serde_json::json;

use super::access::{Permission, Reach};
use super::manage::check_slug;
use super::recompute::{Cause, RuleBook, recompute_patterns};
use super::tree::Tree;
use super::{Caller, Error, Result};
use crate::model::{Account, AccountId, AccountState, EventKind, Instance, InstanceId, Service, ServiceId, TenantId};
use crate::store::{AccountRow, Store, Writer, retry};

/// How many accounts may stand above one another.
pub const DEEPEST: usize = 16;
/// Characters of a name.
pub const LONGEST_NAME: usize = 200;
/// Characters of what the portal calls an instance.
pub const LONGEST_INSTANCE: usize = 200;

/// The accounts of a tenant, and who asks with what they may do.
#[derive(Clone, Copy, Debug)]
pub struct Accounts<'a> {
    pub store: &'a Store,
    pub tenant: TenantId,
    pub rules: &'a RuleBook,
    pub reach: &'a Reach,
    pub caller: Caller<'a>,
}

/// An account to be made below another.
#[derive(Clone, Debug)]
pub struct NewAccount {
    pub parent: AccountId,
    pub slug: String,
    pub name: String,
}

/// What is to be different about an account; what is left out stays.
#[derive(Clone, Debug, Default)]
pub struct AccountChange {
    pub slug: Option<String>,
    pub name: Option<String>,
    /// Moves it, with all that is below it.
    pub parent: Option<AccountId>,
    pub state: Option<AccountState>,
}

impl Accounts<'_> {
    /// Makes an account below another.
    ///
    /// # Errors
    /// When who asks may not, the slug is taken or none, or the tree would be too deep.
    pub async fn create(&self, new: &NewAccount) -> Result<Account> {
        check_slug("account", &new.slug)?;
        check_name(&new.name)?;
        self.needs(Permission::ManageAccounts, new.parent)?;
        retry(|| async {
            let (mut writer, tree) = self.begin().await?;
            let above = tree.up(new.parent);
            if above.is_empty() {
                return Err(Error::NotFound("account"));
            }
            if above.len() >= DEEPEST {
                return Err(too_deep());
            }
            check_sibling(&tree, None, Some(new.parent), &new.slug)?;
            let account = Account {
                id: AccountId::new(self.caller.now),
                parent_id: Some(new.parent),
                slug: new.slug.clone(),
                name: new.name.trim().to_owned(),
                state: AccountState::Active,
            };
            let row = AccountRow { id: account.id, parent_id: account.parent_id, slug: &account.slug, name: &account.name };
            writer.insert_account(&row, self.caller.now).await?;
            let cause = Cause { kind: EventKind::AccountCreated, target: account.id.uuid(), account: account.id };
            recompute_patterns(&mut writer, self.rules, &cause, &self.caller).await?;
            let path = format!("{}/{}", tree.path(new.parent), new.slug);
            self.finish(writer, EventKind::AccountCreated, account.id, json!({ "path": path })).await?;
            Ok(account)
        })
        .await
    }

    /// Renames, moves, suspends or takes an account into use again. A change to nothing leaves no event.
    ///
    /// # Errors
    /// When who asks may not, the root would move or be suspended, an account would stand below itself, or the slug is taken.
    pub async fn change(&self, id: AccountId, change: &AccountChange) -> Result<Account> {
        if let Some(slug) = &change.slug {
            check_slug("account", slug)?;
        }
        if let Some(name) = &change.name {
            check_name(name)?;
        }
        self.needs(Permission::ManageAccounts, id)?;
        retry(|| async {
            let (mut writer, tree) = self.begin().await?;
            let before = tree.get(id).ok_or(Error::NotFound("account"))?.clone();
            let after = self.changed(&tree, &before, change)?;
            if before == after {
                return Ok(after);
            }
            writer.update_account(&after).await?;
            if (after.parent_id, &after.slug) != (before.parent_id, &before.slug) {
                let cause = Cause { kind: EventKind::AccountChanged, target: id.uuid(), account: id };
                recompute_patterns(&mut writer, self.rules, &cause, &self.caller).await?;
            }
            self.finish(writer, EventKind::AccountChanged, id, json!({ "before": before, "after": after })).await?;
            Ok(after)
        })
        .await
    }

    fn changed(&self, tree: &Tree, before: &Account, change: &AccountChange) -> Result<Account> {
        let after = Account {
            id: before.id,
            parent_id: change.parent.or(before.parent_id),
            slug: change.slug.clone().unwrap_or_else(|| before.slug.clone()),
            name: change.name.as_deref().map_or_else(|| before.name.clone(), |name| name.trim().to_owned()),
            state: change.state.unwrap_or(before.state),
        };
        // Who looks after one account does not decide where it stands, what it is called in paths, and whether it is in use.
        if (after.parent_id, &after.slug, after.state) != (before.parent_id, &before.slug, before.state) {
            let parent = before.parent_id.ok_or_else(|| {
                Error::Forbidden("the tenant's first account cannot be moved, suspended or given another slug".to_owned())
            })?;
            self.needs(Permission::ManageAccounts, parent)?;
        }
        if after.parent_id != before.parent_id
            && let Some(parent) = after.parent_id
        {
            self.needs(Permission::ManageAccounts, parent)?;
            let above = tree.up(parent);
            if above.is_empty() {
                return Err(Error::NotFound("account"));
            }
            if above.iter().any(|account| account.id == before.id) {
                return Err(Error::Conflict("an account cannot stand below itself".to_owned()));
            }
            if above.len() + height(tree, before.id) > DEEPEST {
                return Err(too_deep());
            }
        }
        check_sibling(tree, Some(before.id), after.parent_id, &after.slug)?;
        Ok(after)
    }

    /// Subscribes an account to a service of the catalogue. Answers whether it did not before.
    ///
    /// # Errors
    /// When who asks may not, or the catalogue has no such service.
    pub async fn subscribe(&self, account: AccountId, key: &str) -> Result<bool> {
        self.needs(Permission::Subscribe, account)?;
        let catalogue = self.reach.catalogue();
        if !catalogue.services.iter().any(|service| service.key == key) {
            return Err(Error::NotFound("service"));
        }
        let mut writer = self.store.write(self.tenant).await?;
        let service = Service { id: ServiceId::new(self.caller.now), account_id: account, key: key.to_owned() };
        if !writer.insert_service(&service, self.caller.now).await? {
            return Ok(false);
        }
        self.finish(writer, EventKind::ServiceSubscribed, account, json!({ "service": key })).await?;
        Ok(true)
    }

    /// Ends a subscription, and with it everything that was given for the service or an instance of it alone.
    ///
    /// # Errors
    /// When who asks may not, or the account does not subscribe to it.
    pub async fn unsubscribe(&self, account: AccountId, key: &str) -> Result<()> {
        self.needs(Permission::Subscribe, account)?;
        let mut writer = self.store.write(self.tenant).await?;
        let service = self.service(&mut writer, account, key).await?;
        let taken = writer.delete_narrowed(service.id, None).await?;
        writer.delete_service(service.id).await?;
        self.finish(writer, EventKind::ServiceUnsubscribed, account, json!({ "service": key, "assignments_taken": taken })).await
    }

    /// Makes an instance of a service known. Answers whether it was not before.
    ///
    /// # Errors
    /// When who asks may not, the account does not subscribe to the service, or that is no name for an instance.
    pub async fn add_instance(&self, account: AccountId, key: &str, reference: &str) -> Result<bool> {
        self.needs(Permission::Subscribe, account)?;
        let fits = !reference.trim().is_empty()
            && reference.chars().count() <= LONGEST_INSTANCE
            && !reference.chars().any(char::is_control);
        if !fits {
            return Err(Error::Invalid(format!("an instance is called by 1 to {LONGEST_INSTANCE} characters")));
        }
        let mut writer = self.store.write(self.tenant).await?;
        let service = self.service(&mut writer, account, key).await?;
        let id = InstanceId::new(self.caller.now);
        let instance = Instance { id, service_id: service.id, reference: reference.to_owned() };
        if !writer.insert_instance(&instance, self.caller.now).await? {
            return Ok(false);
        }
        self.finish(writer, EventKind::InstanceAdded, account, json!({ "service": key, "instance": reference })).await?;
        Ok(true)
    }

    /// Forgets an instance, and with it everything that was given for it alone.
    ///
    /// # Errors
    /// When who asks may not, or the service has no such instance.
    pub async fn remove_instance(&self, account: AccountId, key: &str, reference: &str) -> Result<()> {
        self.needs(Permission::Subscribe, account)?;
        let mut writer = self.store.write(self.tenant).await?;
        let service = self.service(&mut writer, account, key).await?;
        let instances = writer.instances_of(account).await?;
        let found = instances.into_iter().find(|instance| instance.service_id == service.id && instance.reference == reference);
        let instance = found.ok_or(Error::NotFound("instance"))?;
        let taken = writer.delete_narrowed(service.id, Some(instance.id)).await?;
        writer.delete_instance(instance.id).await?;
        let details = json!({ "service": key, "instance": reference, "assignments_taken": taken });
        self.finish(writer, EventKind::InstanceRemoved, account, details).await
    }

    async fn service(&self, writer: &mut Writer, account: AccountId, key: &str) -> Result<Service> {
        // Whoever gives roles for it takes the account too.
        writer.lock_accounts(&[account]).await?;
        let services = writer.services_of(account).await?;
        services.into_iter().find(|service| service.key == key).ok_or(Error::NotFound("service"))
    }

    async fn begin(&self) -> Result<(Writer, Tree)> {
        let mut writer = self.store.write(self.tenant).await?;
        writer.change_rules(self.caller.now).await?;
        let tree = Tree::new(writer.accounts().await?);
        Ok((writer, tree))
    }

    async fn finish(&self, mut writer: Writer, kind: EventKind, account: AccountId, details: serde_json::Value) -> Result<()> {
        let event = self.caller.event(kind, account.uuid(), details).at(account);
        writer.record(&[event], self.caller.request_id).await?;
        Ok(writer.commit().await?)
    }

    /// Refuses who has no permission on an account. One that they may not even see is answered as if it never was.
    fn needs(&self, permission: Permission, account: AccountId) -> Result<()> {
        self.reach.needs(permission, account)
    }
}

/// How many accounts stand above one another from this one down.
fn height(tree: &Tree, id: AccountId) -> usize {
    let mut level: BTreeSet<_> = BTreeSet::from([id]);
    let mut height = 0;
    while !level.is_empty() && height <= DEEPEST {
        level = level.into_iter().flat_map(|at| tree.children(Some(at)).map(|account| account.id).collect::<Vec<_>>()).collect();
        height += 1;
    }
    height
}

fn too_deep() -> Error {
    Error::Conflict(format!("no more than {DEEPEST} accounts stand above one another"))
}

fn check_name(name: &str) -> Result<()> {
    let length = name.trim().chars().count();
    if (1..=LONGEST_NAME).contains(&length) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::Invalid(format!("name: 1 to {LONGEST_NAME} characters")))
}

fn check_sibling(tree: &Tree, own: Option<AccountId>, parent: Option<AccountId>, slug: &str) -> Result<()> {
    if tree.children(parent).any(|account| account.slug == slug && Some(account.id) != own) {
        return Err(Error::Conflict(format!("another account beside it has the slug {slug:?}")));
    }
    Ok(())
}
