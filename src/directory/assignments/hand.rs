//! What a hand may give, and how it does within a transaction that holds the account.

use serde_json::{Value, json};

use super::Gift;
use super::here::{Here, keeps_one};
use crate::directory::access::{Permission, Reach};
use crate::directory::catalogue::{FirstHolder, Role};
use crate::directory::personal::record_personal;
use crate::directory::recompute::{RuleBook, held_assignments};
use crate::directory::{Caller, Error, Result};
use crate::keys::Sealer;
use crate::model::{Assignment, AssignmentId, AssignmentSource, Event, EventKind, InstanceId, LoginId, PersonId, ServiceId};
use crate::store::{NewAssignment, Writer};

/// Whose hand gives, and what they may give.
#[derive(Clone, Copy, Debug)]
pub(in crate::directory) struct Hand<'a> {
    /// The login or the client that gives it.
    pub by: uuid::Uuid,
    pub reach: &'a Reach,
    pub rules: &'a RuleBook,
    pub sealer: &'a Sealer,
    pub caller: Caller<'a>,
}

/// What a gift comes to.
#[derive(Clone, Debug)]
pub(in crate::directory) enum Found {
    /// A hand gave it before.
    Same(Assignment),
    New(Prepared),
}

/// A gift that can be given.
#[derive(Clone, Debug)]
pub(in crate::directory) struct Prepared {
    pub person: PersonId,
    service: Option<ServiceId>,
    instance: Option<InstanceId>,
    /// What goes because another role of its exclusive set comes.
    replaced: Vec<Assignment>,
}

impl<'a> Hand<'a> {
    /// Whether they may give this at all, by the catalogue.
    pub(in crate::directory) fn may_give(&self, gift: &Gift) -> Result<&'a Role> {
        self.reach.needs(Permission::ViewPeople, gift.account)?;
        let catalogue = self.reach.catalogue();
        let role = catalogue.role(&gift.role).ok_or_else(|| Error::Invalid(format!("role: there is no role {:?}", gift.role)))?;
        if !self.reach.may_assign(&role.key, gift.account) {
            return Err(Error::Forbidden(format!("you may not give the role {:?} on this account", role.key)));
        }
        fits(self.reach, role, gift)?;
        Ok(role)
    }

    /// Whether the gift goes with what is there.
    pub(in crate::directory) async fn prepare(
        &self,
        writer: &mut Writer,
        here: &Here<'_>,
        role: &Role,
        gift: &Gift,
    ) -> Result<Found> {
        let login = writer.any_login(gift.login).await?.ok_or(Error::NotFound("login"))?;
        if role.needs_sign_in && writer.signed_in_at(gift.login).await?.is_none() {
            return Err(Error::Conflict(format!("{} is only for somebody who has signed in before", role.name)));
        }
        let begins = role.first_holder == FirstHolder::Operator && !self.reach.is_operator();
        if begins && here.holders(writer, role).await?.is_empty() {
            return Err(Error::Forbidden(format!("the first {} of an account is made by the operator", role.name)));
        }
        let (service, instance) = narrowing(writer, gift).await?;
        let held = held_assignments(writer, self.rules, &[gift.login]).await?;
        let by_hand: Vec<_> = held
            .iter()
            .filter(|held| held.account_id == gift.account && held.source != AssignmentSource::Rule)
            .filter(|held| (held.service_id, held.instance_id) == (service, instance))
            .collect();
        if let Some(same) = by_hand.iter().find(|held| held.role == gift.role) {
            return Ok(Found::Same((*same).clone()));
        }
        let replaced = self.replaced(here, role, &by_hand, &held)?.into_iter().cloned().collect();
        Ok(Found::New(Prepared { person: login.login.person_id, service, instance, replaced }))
    }

    /// Gives what was prepared, with its event. Whoever asks counts the administrators. `note` is told beside it.
    pub(in crate::directory) async fn write(
        &self,
        writer: &mut Writer,
        gift: &Gift,
        prepared: Prepared,
        note: &[(&str, Value)],
    ) -> Result<Assignment> {
        let Prepared { person, service, instance, replaced } = prepared;
        let id = AssignmentId::new(self.caller.now);
        let new = NewAssignment {
            id,
            login: gift.login,
            account: gift.account,
            service,
            instance,
            role: &gift.role,
            source: if self.reach.is_operator() { AssignmentSource::Operator } else { AssignmentSource::Manual },
            source_id: self.by,
        };
        if !replaced.is_empty() {
            writer.delete_assignments(&replaced.iter().map(|held| held.id).collect::<Vec<_>>()).await?;
        }
        writer.insert_assignment(&new, self.caller.now).await?;
        let made = writer.assignment(id).await?.ok_or_else(Error::raced)?;
        let details = noted(json!({ "person": person, "before": replaced, "after": made }), note);
        let event = self.caller.event(EventKind::AssignmentGiven, gift.login.uuid(), details).at(gift.account);
        self.record(writer, event, person, gift.reason.as_deref()).await?;
        Ok(made)
    }

    /// Gives what was prepared, and refuses to leave the account without an administrator.
    pub(in crate::directory) async fn write_one(
        &self,
        writer: &mut Writer,
        here: &Here<'_>,
        gift: &Gift,
        prepared: Prepared,
        note: &[(&str, Value)],
    ) -> Result<Assignment> {
        let before = here.administrators(writer).await?;
        let made = self.write(writer, gift, prepared, note).await?;
        keeps_one(&before, &here.administrators(writer).await?)?;
        Ok(made)
    }

    /// Whether they may take this, which a hand gave.
    pub(super) fn may_take(&self, found: &Assignment) -> Result<()> {
        if found.source == AssignmentSource::Rule {
            return Err(Error::Conflict("a rule gave this; only the rule, or what it reads, can take it away".to_owned()));
        }
        if !self.reach.may_assign(&found.role, found.account_id) {
            return Err(Error::Forbidden(format!("you may not take the role {:?} on this account", found.role)));
        }
        Ok(())
    }

    /// Takes it, with its event. Whoever asks counts the administrators.
    pub(super) async fn take(
        &self,
        writer: &mut Writer,
        found: &Assignment,
        reason: Option<&str>,
        note: &[(&str, Value)],
    ) -> Result<()> {
        if writer.delete_assignments(&[found.id]).await? == 0 {
            return Err(Error::NotFound("assignment"));
        }
        let person = self.person(writer, found.login_id).await?;
        let details = noted(json!({ "person": person, "before": found }), note);
        let event = self.caller.event(EventKind::AssignmentTaken, found.login_id.uuid(), details).at(found.account_id);
        self.record(writer, event, person, reason).await
    }

    async fn person(&self, writer: &mut Writer, login: LoginId) -> Result<PersonId> {
        Ok(writer.any_login(login).await?.ok_or_else(Error::raced)?.login.person_id)
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

    /// What goes because another role of its exclusive set comes.
    fn replaced<'h>(
        &self,
        here: &Here<'_>,
        role: &Role,
        by_hand: &[&'h Assignment],
        held: &'h [Assignment],
    ) -> Result<Vec<&'h Assignment>> {
        let Some(set) = here.catalogue().set_of(&role.key) else { return Ok(Vec::new()) };
        let in_set = |held: &&&Assignment| set.roles.contains(&held.role);
        if let Some(first) = &set.begins_with
            && *first != role.key
            && !held.iter().any(|held| held.account_id == here.account() && set.roles.contains(&held.role))
        {
            let first = here.catalogue().role(first).map_or(first.as_str(), |role| role.name.as_str());
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
}

/// Whether a role goes with the account and with what the gift narrows it to, whoever gives it.
pub(in crate::directory) fn fits(reach: &Reach, role: &Role, gift: &Gift) -> Result<()> {
    let is_root = reach.tree().get(gift.account).is_some_and(|account| account.parent_id.is_none());
    if !role.scope.fits(is_root) {
        return Err(Error::Conflict(format!("{} cannot be given on this account: {}", role.name, role.scope.says())));
    }
    if let Some(service) = &role.service
        && !reach.services(gift.account).contains(service)
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
    Ok(())
}

fn noted(mut details: Value, note: &[(&str, Value)]) -> Value {
    for (name, value) in note {
        details[*name] = value.clone();
    }
    details
}

async fn narrowing(writer: &mut Writer, gift: &Gift) -> Result<(Option<ServiceId>, Option<InstanceId>)> {
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
