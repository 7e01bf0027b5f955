//! Roles given and taken by hand.
//!
//! Nobody gives what they could not be given the right to give: the catalogue says which roles' holders may. Rules and hands never take
//! one another's away. Who counts the administrators of an account holds it meanwhile, so that two of them cannot take one another's
//! role at once and leave nobody.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::access::{Permission, Reach, permits};
use super::catalogue::{Catalogue, FirstHolder, Role};
use super::effective::{Place, effective_roles};
use super::personal::record_personal;
use super::recompute::{RuleBook, held_assignments};
use super::{Caller, Error, Result};
use crate::keys::Sealer;
use crate::model::{Account, AccountId, Assignment, AssignmentId, AssignmentSource, Event, EventKind, LoginId, PersonId, TenantId};
use crate::store::{HolderRow, NewAssignment, Store, Writer, retry};

/// Characters of a reason.
pub const LONGEST_REASON: usize = 1_000;

/// The assignments of a tenant, and who asks with what they may do.
#[derive(Clone, Copy, Debug)]
pub struct Assignments<'a> {
    pub store: &'a Store,
    pub tenant: TenantId,
    /// Whose hand it is: the login or the client that asks.
    pub by: uuid::Uuid,
    pub reach: &'a Reach,
    pub rules: &'a RuleBook,
    /// Seals the keys of persons.
    pub sealer: &'a Sealer,
    pub caller: Caller<'a>,
}

/// A role to be given.
#[derive(Clone, Debug)]
pub struct Gift {
    pub login: LoginId,
    pub account: AccountId,
    pub role: String,
    /// Narrows it to a service of the account.
    pub service: Option<String>,
    /// Narrows it to an instance of that service.
    pub instance: Option<String>,
    pub reason: Option<String>,
}

impl Assignments<'_> {
    /// Gives a role by hand. What was given by hand before of the same exclusive set goes. To give what was given is no change.
    ///
    /// # Errors
    /// When who asks may not give it, it does not fit the account, the login is not ready for it, or it would leave the account
    /// without an administrator.
    pub async fn give(&self, gift: &Gift) -> Result<Assignment> {
        let role = self.may_give(gift)?;
        check_reason(gift.reason.as_deref())?;
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            let here = self.hold(&mut writer, gift.account).await?;
            let login = writer.any_login(gift.login).await?.ok_or(Error::NotFound("login"))?;
            if role.needs_sign_in && writer.signed_in_at(gift.login).await?.is_none() {
                return Err(Error::Conflict(format!("{} is only for somebody who has signed in before", role.name)));
            }
            if role.first_holder == FirstHolder::Operator && here.holders(&mut writer, role).await?.is_empty() {
                return Err(Error::Forbidden(format!("the first {} of an account is made by the operator", role.name)));
            }
            let (service, instance) = narrowing(&mut writer, gift).await?;
            let held = held_assignments(&mut writer, self.rules, &[gift.login]).await?;
            let by_hand: Vec<_> = held
                .iter()
                .filter(|held| held.account_id == gift.account && held.source != AssignmentSource::Rule)
                .filter(|held| (held.service_id, held.instance_id) == (service, instance))
                .collect();
            if let Some(same) = by_hand.iter().find(|held| held.role == gift.role) {
                return Ok((*same).clone());
            }
            let replaced: Vec<_> = self.replaced(&here, role, &by_hand, &held)?.into_iter().cloned().collect();
            let id = AssignmentId::new(self.caller.now);
            let new = NewAssignment {
                id,
                login: gift.login,
                account: gift.account,
                service,
                instance,
                role: &gift.role,
                source: AssignmentSource::Manual,
                source_id: self.by,
            };
            let before = here.administrators(&mut writer).await?;
            writer.delete_assignments(&replaced.iter().map(|held| held.id).collect::<Vec<_>>()).await?;
            writer.insert_assignment(&new, self.caller.now).await?;
            keeps_one(&before, &here.administrators(&mut writer).await?)?;
            let made = writer.assignments_of(gift.login).await?.into_iter().find(|held| held.id == id).ok_or_else(Error::raced)?;
            let details = json!({ "person": login.login.person_id, "before": replaced, "after": made });
            let event = self.caller.event(EventKind::AssignmentGiven, gift.login.uuid(), details).at(gift.account);
            self.record(&mut writer, event, login.login.person_id, gift.reason.as_deref()).await?;
            writer.commit().await?;
            Ok(made)
        })
        .await
    }

    /// Takes a role that was given by hand.
    ///
    /// # Errors
    /// When there is none such, who asks may not take it, a rule gave it, or it is the last administrator's.
    pub async fn take(&self, id: AssignmentId, reason: Option<&str>) -> Result<()> {
        check_reason(reason)?;
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            let found = writer.assignment(id).await?.ok_or(Error::NotFound("assignment"))?;
            self.reach.needs(Permission::ViewPeople, found.account_id)?;
            if found.source == AssignmentSource::Rule {
                return Err(Error::Conflict("a rule gave this; only the rule, or what it reads, can take it away".to_owned()));
            }
            if !self.reach.may_assign(&found.role, found.account_id) {
                return Err(Error::Forbidden(format!("you may not take the role {:?} on this account", found.role)));
            }
            let here = self.hold(&mut writer, found.account_id).await?;
            let before = here.administrators(&mut writer).await?;
            if writer.delete_assignments(&[id]).await? == 0 {
                return Err(Error::NotFound("assignment"));
            }
            keeps_one(&before, &here.administrators(&mut writer).await?)?;
            let login = writer.any_login(found.login_id).await?.ok_or_else(Error::raced)?.login;
            let details = json!({ "person": login.person_id, "before": found });
            let event = self.caller.event(EventKind::AssignmentTaken, found.login_id.uuid(), details).at(found.account_id);
            self.record(&mut writer, event, login.person_id, reason).await?;
            writer.commit().await?;
            Ok(())
        })
        .await
    }

    /// Records an act. Its reason is about the person, and theirs to have erased.
    async fn record(&self, writer: &mut Writer, event: Event, person: PersonId, reason: Option<&str>) -> Result<()> {
        match reason {
            Some(reason) => {
                let values = json!({ "reason": reason });
                record_personal(writer, self.sealer, &event, person, &values, self.caller).await
            }
            None => Ok(writer.record(&[event], self.caller.request_id).await?),
        }
    }

    /// Whether who asks may give this at all, by the catalogue.
    fn may_give(&self, gift: &Gift) -> Result<&Role> {
        self.reach.needs(Permission::ViewPeople, gift.account)?;
        let catalogue = self.reach.catalogue();
        let role = catalogue.role(&gift.role).ok_or_else(|| Error::Invalid(format!("role: there is no role {:?}", gift.role)))?;
        if !self.reach.may_assign(&role.key, gift.account) {
            return Err(Error::Forbidden(format!("you may not give the role {:?} on this account", role.key)));
        }
        let is_root = self.reach.tree().get(gift.account).is_some_and(|account| account.parent_id.is_none());
        if !role.scope.fits(is_root) {
            return Err(Error::Conflict(format!("{} cannot be given on this account: {}", role.name, role.scope.says())));
        }
        if let Some(service) = &role.service
            && !self.reach.services(gift.account).contains(service)
        {
            return Err(Error::Conflict(format!("the account does not subscribe to the service {service:?}")));
        }
        if gift.service.is_some() && role.service.is_some() && gift.service != role.service {
            return Err(Error::Invalid(format!("service: {} is of the service {:?}", role.name, role.service)));
        }
        if gift.instance.is_some() && !role.instances {
            return Err(Error::Invalid(format!("instance: {} is not for single instances", role.name)));
        }
        if gift.instance.is_some() && gift.service.is_none() {
            return Err(Error::Invalid("service: say of which service the instance is".to_owned()));
        }
        Ok(role)
    }

    /// What goes because another role of its exclusive set comes.
    fn replaced<'h>(
        &self,
        here: &Here<'_>,
        role: &Role,
        by_hand: &[&'h Assignment],
        held: &'h [Assignment],
    ) -> Result<Vec<&'h Assignment>> {
        let Some(set) = here.catalogue.set_of(&role.key) else { return Ok(Vec::new()) };
        let in_set = |held: &&&Assignment| set.roles.contains(&held.role);
        if let Some(first) = &set.begins_with
            && *first != role.key
            && !held.iter().any(|held| held.account_id == here.account() && set.roles.contains(&held.role))
        {
            let first = here.catalogue.role(first).map_or(first.as_str(), |role| role.name.as_str());
            return Err(Error::Conflict(format!("everybody begins with {first}")));
        }
        let replaced: Vec<_> = by_hand.iter().filter(in_set).copied().collect();
        for held in &replaced {
            if !self.reach.may_assign(&held.role, held.account_id) {
                return Err(Error::Forbidden(format!("this would take the role {:?}, which you may not", held.role)));
            }
        }
        Ok(replaced)
    }

    /// Takes the account, so that its administrators stay as they are counted.
    async fn hold(&self, writer: &mut Writer, account: AccountId) -> Result<Here<'_>> {
        let path = writer.account_path(account).await?;
        let ids: Vec<_> = path.iter().map(|account| account.id).collect();
        writer.lock_accounts(&ids).await?;
        if ids.is_empty() {
            return Err(Error::NotFound("account"));
        }
        let services = writer.services_of(account).await?.into_iter().map(|service| service.key).collect();
        Ok(Here { catalogue: self.reach.catalogue(), rules: self.rules, path, services })
    }
}

/// An account that is held, with those above it.
struct Here<'a> {
    catalogue: &'a Catalogue,
    rules: &'a RuleBook,
    path: Vec<Account>,
    services: BTreeSet<String>,
}

impl Here<'_> {
    fn account(&self) -> AccountId {
        // A held account is on its own path.
        self.path[0].id
    }

    /// The persons with a login that is an administrator here, by itself or from above.
    async fn administrators(&self, writer: &mut Writer) -> Result<BTreeSet<PersonId>> {
        let permission = Permission::ManagePeople;
        let giving = self.roles_that(|role| self.catalogue.allows(&role.key, permission.as_str()));
        self.persons(writer, giving, |role| permits(role, permission)).await
    }

    /// The persons with a login that holds this role here.
    async fn holders(&self, writer: &mut Writer, wanted: &Role) -> Result<BTreeSet<PersonId>> {
        let giving = self.roles_that(|role| role.key == wanted.key || role.includes.contains(&wanted.key));
        self.persons(writer, giving, |role| role.key == wanted.key).await
    }

    fn roles_that(&self, fits: impl Fn(&Role) -> bool) -> Vec<String> {
        self.catalogue.roles.iter().filter(|role| fits(role)).map(|role| role.key.clone()).collect()
    }

    async fn persons(&self, writer: &mut Writer, giving: Vec<String>, fits: impl Fn(&Role) -> bool) -> Result<BTreeSet<PersonId>> {
        let ids: Vec<_> = self.path.iter().map(|account| account.id).collect();
        let candidates: BTreeSet<LoginId> =
            writer.holders(&ids, &giving).await?.iter().map(|row| row.assignment.login_id).collect();
        let candidates: Vec<_> = candidates.into_iter().collect();
        // Other roles of theirs may shadow these.
        let mut by_login: BTreeMap<LoginId, (PersonId, Vec<Assignment>)> = BTreeMap::new();
        for HolderRow { assignment, person_id } in writer.assignments_on(&ids, &candidates).await? {
            by_login.entry(assignment.login_id).or_insert_with(|| (person_id, Vec::new())).1.push(assignment);
        }
        // Of whom a job is still on its way to, what they hold is not what is written. Whoever only comes to hold something by it is not
        // counted yet: that refuses what could be allowed, and never the other way round.
        let waiting: Vec<_> = writer.waiting_logins(&candidates).await?.into_keys().collect();
        for login in &waiting {
            if let Some((_, held)) = by_login.get_mut(login) {
                held.clear();
            }
        }
        for assignment in held_assignments(writer, self.rules, &waiting).await? {
            if let Some((_, held)) = by_login.get_mut(&assignment.login_id) {
                held.push(assignment);
            }
        }
        let path: Vec<_> = self.path.iter().collect();
        let place = Place { path: &path, services: &self.services };
        let holds = |held: &[Assignment]| {
            effective_roles(self.catalogue, place, held).iter().any(|held| held.counts() && held.is_whole() && fits(held.role))
        };
        Ok(by_login.into_values().filter(|(_, held)| holds(held)).map(|(person, _)| person).collect())
    }
}

/// Refuses what leaves an account without an administrator that had one.
fn keeps_one(before: &BTreeSet<PersonId>, after: &BTreeSet<PersonId>) -> Result<()> {
    if after.is_empty() && !before.is_empty() {
        return Err(Error::Conflict("the last administrator of an account cannot be removed; make another one first".to_owned()));
    }
    Ok(())
}

async fn narrowing(
    writer: &mut Writer,
    gift: &Gift,
) -> Result<(Option<crate::model::ServiceId>, Option<crate::model::InstanceId>)> {
    let Some(key) = &gift.service else { return Ok((None, None)) };
    let services = writer.services_of(gift.account).await?;
    let service = services
        .into_iter()
        .find(|service| service.key == *key)
        .ok_or_else(|| Error::Conflict(format!("the account does not subscribe to the service {key:?}")))?;
    let Some(reference) = &gift.instance else { return Ok((Some(service.id), None)) };
    let instances = writer.instances_of(gift.account).await?;
    let instance = instances.into_iter().find(|instance| instance.service_id == service.id && instance.reference == *reference);
    let instance = instance.ok_or_else(|| Error::Conflict(format!("the service has no instance {reference:?}")))?;
    Ok((Some(service.id), Some(instance.id)))
}

fn check_reason(reason: Option<&str>) -> Result<()> {
    // PostgreSQL keeps no NUL.
    if reason.is_some_and(|reason| reason.chars().count() > LONGEST_REASON || reason.contains('\0')) {
        return Err(Error::Invalid(format!("reason: at most {LONGEST_REASON} characters, and none of them NUL")));
    }
    Ok(())
}
