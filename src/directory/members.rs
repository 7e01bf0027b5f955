//! Who comes into a group and who goes, step by step.

use std::collections::BTreeSet;

use super::provision::{MemberStep, Provisioning, UnknownMembers};
use super::{Error, Result};
use crate::model::{GroupId, LoginId};
use crate::scim::fold::fold;
use crate::scim::{Object, Value};
use crate::store::{MemberRow, Writer};

/// Who came and who went, over all steps of one request.
#[derive(Debug, Default)]
pub(super) struct MemberChanges {
    pub(super) added: BTreeSet<LoginId>,
    pub(super) removed: BTreeSet<LoginId>,
    pub(super) touched: BTreeSet<LoginId>,
}

impl MemberChanges {
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

    /// Takes one step, and keeps whom it touched.
    pub(super) async fn take(
        &mut self,
        writer: &mut Writer,
        to: &Provisioning<'_>,
        group: GroupId,
        step: &MemberStep,
        unknown: UnknownMembers,
    ) -> Result<()> {
        match step {
            MemberStep::Add(logins) => self.came(&add_members(writer, to, group, logins, unknown).await?),
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
                self.came(&add_members(writer, to, group, logins, unknown).await?);
            }
        }
        Ok(())
    }
}

/// A member in the form that filters compare.
fn as_element(member: &MemberRow) -> Value {
    Value::Object(Object::from_iter([
        ("value", member.login_id.to_string()),
        ("display", fold(&member.user_name)),
        ("type", fold("User")),
    ]))
}

/// Adds those who are users of the directory. Answers who is new.
///
/// # Errors
/// When one is not, and that is not to be ignored.
pub(super) async fn add_members(
    writer: &mut Writer,
    to: &Provisioning<'_>,
    group: GroupId,
    logins: &[LoginId],
    unknown: UnknownMembers,
) -> Result<Vec<LoginId>> {
    if logins.is_empty() {
        return Ok(Vec::new());
    }
    let known = writer.known_logins(to.directory.id, logins).await?;
    if unknown == UnknownMembers::Refuse {
        let known: BTreeSet<_> = known.iter().collect();
        let strangers: BTreeSet<_> = logins.iter().filter(|login| !known.contains(login)).collect();
        if !strangers.is_empty() {
            return Err(Error::UnknownMembers(strangers.into_iter().take(10).map(ToString::to_string).collect()));
        }
    }
    Ok(writer.add_members(group, &known).await?)
}
