//! Operations on the members of a group, which are not loaded: they are only written down.

use super::target::Place;
use super::{MemberChange, Op};
use crate::scim::filter::{Comparison, ElementFilter, ElementTest, Expression, Operand};
use crate::scim::limits::MAX_MEMBERS;
use crate::scim::message::ScimError;
use crate::scim::profile::{Leniency, rule};
use crate::scim::resource::{Intake, MemberRef, read_members, too_many_members};
use crate::scim::value::Value;
use std::collections::HashSet;

/// The changes so far. Neighbours of one kind are joined, so that a thousand operations with one member each become one change.
#[derive(Default)]
pub(super) struct MemberChanges {
    changes: Vec<MemberChange>,
    named: usize,
}

impl MemberChanges {
    pub(super) fn into_vec(mut self) -> Vec<MemberChange> {
        for change in &mut self.changes {
            match change {
                MemberChange::Add(members) | MemberChange::Replace(members) => {
                    let mut seen = HashSet::with_capacity(members.len());
                    members.retain(|member| seen.insert(member.value.clone()));
                }
                MemberChange::Remove(ids) => {
                    let mut seen = HashSet::with_capacity(ids.len());
                    ids.retain(|id| seen.insert(id.clone()));
                }
                MemberChange::RemoveMatching(_) | MemberChange::Clear => {}
            }
        }
        self.changes
    }

    pub(super) fn change(&mut self, intake: &mut Intake, op: Op, place: &Place, value: Option<Value>) -> Result<(), ScimError> {
        if let Some(sub) = place.sub {
            return Err(ScimError::mutability(format!(
                "members.{} cannot be changed; remove the member and add another",
                sub.name
            )));
        }
        let filter = place.selection.as_ref().map(|selection| &selection.filter);
        match (op, filter) {
            (Op::Add, None) => {
                let members = self.read(intake, place, value)?;
                self.push(MemberChange::Add(members));
            }
            (Op::Add, Some(filter)) => {
                let ids = named_ids(filter).filter(|ids| ids.len() == 1);
                let ids = ids.ok_or_else(|| ScimError::no_target("a member is added by its id: members[value eq \"id\"]"))?;
                self.count(ids.len())?;
                let members = ids.into_iter().map(|value| MemberRef { value, kind: None });
                self.push(MemberChange::Add(members.collect()));
            }
            (Op::Replace, None) => {
                let members = self.read(intake, place, value)?;
                self.push(if members.is_empty() { MemberChange::Clear } else { MemberChange::Replace(members) });
            }
            (Op::Replace, Some(_)) => {
                return Err(ScimError::mutability("a member cannot be changed; remove it and add another"));
            }
            (Op::Remove, None) => match value {
                None | Some(Value::Null) => self.push(MemberChange::Clear),
                Some(value) => self.remove_listed(intake, place, value)?,
            },
            (Op::Remove, Some(filter)) => match named_ids(filter) {
                Some(ids) => {
                    self.count(ids.len())?;
                    self.push(MemberChange::Remove(ids));
                }
                None => self.push(MemberChange::RemoveMatching(filter.clone())),
            },
        }
        Ok(())
    }

    /// `remove` with a list of members (E14): those members in the clients that send it, refused otherwise. To the letter the RFC would
    /// have all members removed, and that is never done (P24).
    fn remove_listed(&mut self, intake: &mut Intake, place: &Place, value: Value) -> Result<(), ScimError> {
        if intake.tolerance().remove_listed == Leniency::Refuse {
            return Err(ScimError::invalid_value("remove takes no value; name the members in the path: members[value eq \"id\"]"));
        }
        let members = self.read(intake, place, Some(value))?;
        intake.coercions.record(rule::REMOVED_LISTED, "members");
        let ids = members.into_iter().map(|member| member.value).collect();
        self.push(MemberChange::Remove(ids));
        Ok(())
    }

    fn read(&mut self, intake: &mut Intake, place: &Place, value: Option<Value>) -> Result<Vec<MemberRef>, ScimError> {
        let given = match value {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(given)) => given,
            Some(single) => vec![single],
        };
        self.count(given.len())?;
        read_members(intake, place.location.attribute, given)
    }

    fn count(&mut self, named: usize) -> Result<(), ScimError> {
        self.named += named;
        if self.named > MAX_MEMBERS {
            return Err(too_many_members());
        }
        Ok(())
    }

    fn push(&mut self, change: MemberChange) {
        match (self.changes.last_mut(), change) {
            (Some(MemberChange::Add(before) | MemberChange::Replace(before)), MemberChange::Add(members)) => before.extend(members),
            (Some(MemberChange::Remove(before)), MemberChange::Remove(ids)) => before.extend(ids),
            (_, MemberChange::Add(members)) if members.is_empty() => {}
            (Some(last @ MemberChange::Clear), MemberChange::Add(members)) => {
                *last = MemberChange::Replace(members);
            }
            (_, MemberChange::Remove(ids)) if ids.is_empty() => {}
            (_, change @ (MemberChange::Clear | MemberChange::Replace(_))) => {
                // Whatever was to be done before, nothing of it is left.
                self.changes = vec![change];
            }
            (_, change) => self.changes.push(change),
        }
    }
}

/// The ids of a filter that is `value eq "id"`, or several of them joined by `or`.
fn named_ids(filter: &ElementFilter) -> Option<Vec<String>> {
    match filter {
        Expression::Test(ElementTest::Compare {
            sub_attribute: "value",
            comparison: Comparison::Equal,
            operand: Operand::Text(id),
            ..
        }) => Some(vec![id.clone()]),
        Expression::Or(operands) => {
            let mut ids = Vec::new();
            for operand in operands {
                ids.extend(named_ids(operand)?);
            }
            Some(ids)
        }
        _ => None,
    }
}
