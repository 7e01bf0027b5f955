//! From assignments to what somebody holds at an account, purely, with every cause and with what is shadowed.
//!
//! An assignment counts at its account, and on the accounts below where its role says that it inherits. A role brings the roles that it
//! includes. A role of a service counts only where the account subscribes to that. Of an exclusive set one role counts: what a hand gave
//! before what a rule gave, that before what only came with another role, and then the set's order. An account that is suspended gives
//! nothing, and neither does any below it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::catalogue::{Catalogue, Role};
use crate::model::{Account, AccountState, Assignment, AssignmentSource};

/// The account that is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// It and those above it, up to the root.
    pub path: &'a [&'a Account],
    /// The keys of the services that it subscribes to.
    pub services: &'a BTreeSet<String>,
}

/// A role that somebody holds at an account, or would if another did not shadow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveRole<'a> {
    pub role: &'a Role,
    /// The service that it is for, by its key; `None` is the whole account.
    pub service: Option<&'a str>,
    /// The instance of the service that it is for.
    pub instance: Option<&'a str>,
    /// Every reason for it, at least one.
    pub causes: Vec<Cause<'a>>,
    /// The role of the same exclusive set that counts in its place.
    pub shadowed_by: Option<&'a str>,
}

/// Why somebody holds a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause<'a> {
    pub assignment: &'a Assignment,
    /// The role that includes it, where that is what was given.
    pub included_by: Option<&'a str>,
}

impl EffectiveRole<'_> {
    /// Whether it counts.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.shadowed_by.is_none()
    }

    /// Whether it is held for all that it is about: the account, or the whole service that it is of by the catalogue. What was narrowed allows
    /// nothing beside it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.instance.is_none() && (self.service.is_none() || self.role.service.is_some())
    }

    /// How firmly it is held; more is firmer.
    fn firmness(&self) -> u8 {
        let of = |cause: &Cause<'_>| match (cause.included_by, cause.assignment.source) {
            (Some(_), _) => 0,
            (None, AssignmentSource::Rule) => 1,
            (None, AssignmentSource::Manual | AssignmentSource::Operator) => 2,
        };
        self.causes.iter().map(of).max().unwrap_or_default()
    }
}

/// A role, for a service and an instance.
type Key<'a> = (&'a str, Option<&'a str>, Option<&'a str>);
type Found<'a> = BTreeMap<Key<'a>, EffectiveRole<'a>>;

/// What these assignments of one active login come to at an account: those that count and those that are shadowed, in the
/// catalogue's order.
#[must_use]
pub fn effective_roles<'a>(catalogue: &'a Catalogue, place: Place<'_>, held: &'a [Assignment]) -> Vec<EffectiveRole<'a>> {
    let Some(here) = place.path.first() else { return Vec::new() };
    if place.path.iter().any(|account| account.state != AccountState::Active) {
        return Vec::new();
    }
    let mut found = Found::new();
    for assignment in held {
        let Some(role) = catalogue.role(&assignment.role) else { continue };
        if counts(role, assignment, place) {
            add(&mut found, role, assignment, None);
        }
    }
    contest(catalogue, &mut found);
    let winners: Vec<_> = found.values().filter(|held| held.counts()).cloned().collect();
    for winner in winners {
        let included = winner.role.includes.iter().filter_map(|key| catalogue.role(key));
        for role in included.filter(|role| role.scope.fits(here.parent_id.is_none()) && subscribed(role, place)) {
            // What is for one service brings nothing for another.
            if role.service.is_some() && winner.service.is_some() && role.service.as_deref() != winner.service {
                continue;
            }
            for cause in winner.causes.iter().filter(|cause| cause.included_by.is_none()) {
                add(&mut found, role, cause.assignment, Some(&winner.role.key));
            }
        }
    }
    contest(catalogue, &mut found);
    let mut roles: Vec<_> = found.into_values().collect();
    roles.sort_by_key(|held| (catalogue.rank(&held.role.key), held.service, held.instance));
    roles
}

/// Whether an assignment counts at a place at all.
fn counts(role: &Role, assignment: &Assignment, place: Place<'_>) -> bool {
    let Some(at) = place.path.iter().position(|account| account.id == assignment.account_id) else { return false };
    let reaches = at == 0 || (role.inherits && assignment.service_id.is_none());
    reaches && role.scope.fits(place.path[at].parent_id.is_none()) && subscribed(role, place)
}

fn subscribed(role: &Role, place: Place<'_>) -> bool {
    role.service.as_ref().is_none_or(|service| place.services.contains(service))
}

fn add<'a>(found: &mut Found<'a>, role: &'a Role, assignment: &'a Assignment, included_by: Option<&'a str>) {
    let service = role.service.as_deref().or(assignment.service.as_deref());
    let instance = assignment.instance.as_deref();
    let held = found.entry((&role.key, service, instance)).or_insert_with(|| EffectiveRole {
        role,
        service,
        instance,
        causes: Vec::new(),
        shadowed_by: None,
    });
    held.causes.push(Cause { assignment, included_by });
}

/// Leaves one role of each exclusive set standing.
fn contest<'a>(catalogue: &'a Catalogue, found: &mut Found<'a>) {
    for set in &catalogue.sets {
        let order = |role: &str| set.roles.iter().position(|key| key == role);
        let mut best: BTreeMap<_, (Reverse<u8>, usize, &'a str)> = BTreeMap::new();
        for held in found.values().filter(|held| held.counts()) {
            let Some(order) = order(&held.role.key) else { continue };
            let candidate = (Reverse(held.firmness()), order, held.role.key.as_str());
            let standing = best.entry((held.service, held.instance)).or_insert(candidate);
            *standing = (*standing).min(candidate);
        }
        for held in found.values_mut().filter(|held| order(&held.role.key).is_some()) {
            if let Some((_, _, winner)) = best.get(&(held.service, held.instance))
                && *winner != held.role.key
            {
                held.shadowed_by = Some(winner);
            }
        }
    }
}

#[cfg(test)]
mod tests;
