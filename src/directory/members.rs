//! Who comes into a group and who goes, step by step, inside the transaction of [`super::provision`].
//!
//! Memberships are rows, so a step touches the rows that it names and no others. The logins that the steps name are locked before
//! the first row is written, by ascending id: a membership row refers to its login and so holds it, and two transactions that put
//! one login into two groups would otherwise each hold what the other wants to lock when it recomputes the roles.

use std::collections::BTreeSet;

use super::provision::Provisioning;
use super::{Error, Result};
use crate::model::{GroupId, LoginId};
use crate::scim::filter::ElementFilter;
use crate::scim::fold::fold;
use crate::scim::{Object, Value};
use crate::store::{MemberRow, Writer};

/// How many logins are locked by one statement.
const CHUNK: usize = 1_000;

/// One step of a change of members. Steps are taken in order.
#[derive(Clone, Debug, PartialEq)]
pub enum MemberStep {
    Add(Vec<LoginId>),
    Remove(Vec<LoginId>),
    /// The members that the filter selects by `value`, `display` or `type`.
    RemoveMatching(ElementFilter),
    /// Only these are members afterwards.
    Replace(Vec<LoginId>),
}

/// What to do with members that are no users of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownMembers {
    Refuse,
    Ignore,
}

/// Who came and who went, over all steps of one request.
#[derive(Debug, Default)]
pub(super) struct MemberChanges {
    pub(super) added: BTreeSet<LoginId>,
    pub(super) removed: BTreeSet<LoginId>,
    /// Everybody whose roles have to be computed anew.
    pub(super) touched: BTreeSet<LoginId>,
    /// How many members were left out because nobody knows them.
    pub(super) ignored: usize,
}

impl MemberChanges {
    /// Takes all steps on a group whose row is locked. With `everybody` the members that stay are touched too.
    pub(super) async fn take(
        writer: &mut Writer,
        to: &Provisioning<'_>,
        group: GroupId,
        steps: &[MemberStep],
        unknown: UnknownMembers,
        everybody: bool,
    ) -> Result<Self> {
        let mut named = BTreeSet::new();
        for step in steps {
            match step {
                MemberStep::Add(logins) | MemberStep::Remove(logins) | MemberStep::Replace(logins) => {
                    named.extend(logins.iter().copied());
                }
                MemberStep::RemoveMatching(_) => {}
            }
        }
        let all = everybody || steps.iter().any(|step| matches!(step, MemberStep::RemoveMatching(_) | MemberStep::Replace(_)));
        let members = if all { writer.member_ids(group).await? } else { Vec::new() };
        named.extend(members.iter().copied());
        lock(writer, &named).await?;
        let mut changes = Self::default();
        for step in steps {
            changes.step(writer, to, group, step, unknown).await?;
        }
        if everybody {
            changes.touched.extend(members);
        }
        Ok(changes)
    }

    /// Whether anybody came or went. Somebody who went and came again did neither.
    pub(super) fn any(&self) -> bool {
        !self.added.is_empty() || !self.removed.is_empty()
    }

    fn came(&mut self, logins: &[LoginId]) {
        for login in logins {
            self.touched.insert(*login);
            if !self.removed.remove(login) {
                self.added.insert(*login);
            }
        }
    }

    fn went(&mut self, logins: &[LoginId]) {
        for login in logins {
            self.touched.insert(*login);
            if !self.added.remove(login) {
                self.removed.insert(*login);
            }
        }
    }

    async fn step(
        &mut self,
        writer: &mut Writer,
        to: &Provisioning<'_>,
        group: GroupId,
        step: &MemberStep,
        unknown: UnknownMembers,
    ) -> Result<()> {
        match step {
            MemberStep::Add(logins) => self.add(writer, to, group, logins, unknown).await?,
            MemberStep::Remove(logins) => self.went(&writer.remove_members(group, logins).await?),
            MemberStep::RemoveMatching(filter) => {
                let members = writer.members(&[group], i64::MAX).await?;
                let selected: Vec<_> = members
                    .iter()
                    .filter(|member| filter.matches_element(&as_element(member)))
                    .map(|member| member.login_id)
                    .collect();
                self.went(&writer.remove_members(group, &selected).await?);
            }
            MemberStep::Replace(logins) => {
                let wanted: BTreeSet<_> = logins.iter().copied().collect();
                let surplus: Vec<_> = writer.member_ids(group).await?.into_iter().filter(|login| !wanted.contains(login)).collect();
                self.went(&writer.remove_members(group, &surplus).await?);
                self.add(writer, to, group, logins, unknown).await?;
            }
        }
        Ok(())
    }

    async fn add(
        &mut self,
        writer: &mut Writer,
        to: &Provisioning<'_>,
        group: GroupId,
        logins: &[LoginId],
        unknown: UnknownMembers,
    ) -> Result<()> {
        if logins.is_empty() {
            return Ok(());
        }
        let known = writer.known_logins(to.directory.id, logins).await?;
        let strangers: BTreeSet<_> = {
            let known: BTreeSet<_> = known.iter().collect();
            logins.iter().filter(|login| !known.contains(login)).collect()
        };
        if unknown == UnknownMembers::Refuse && !strangers.is_empty() {
            return Err(Error::UnknownMembers(strangers.into_iter().take(10).map(ToString::to_string).collect()));
        }
        self.ignored += strangers.len();
        let added = writer.add_members(group, &known).await?;
        self.came(&added);
        Ok(())
    }
}

async fn lock(writer: &mut Writer, logins: &BTreeSet<LoginId>) -> Result<()> {
    let logins: Vec<_> = logins.iter().copied().collect();
    for chunk in logins.chunks(CHUNK) {
        writer.lock_logins(chunk).await?;
    }
    Ok(())
}

/// A member in the form that filters compare.
fn as_element(member: &MemberRow) -> Value {
    Value::Object(Object::from_iter([
        ("value", member.login_id.to_string()),
        ("display", fold(&member.user_name)),
        ("type", fold("User")),
    ]))
}
