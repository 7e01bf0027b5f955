//! Who comes into a group and who goes, step by step, inside the transaction of [`super::provision`].
//!
//! Memberships are rows, so a step touches the rows that it names and no others. The logins that the steps may touch are locked before
//! the first row is written, by ascending id: a membership row refers to its login and so holds it, and two transactions that put
//! one login into two groups would otherwise each hold what the other wants to lock when it recomputes the roles. Members that are
//! groups bring the logins within them along ([`super::nesting`]).

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::nesting::{HeldGroups, logins_within, refuse_cycles};
use super::provision::Provisioning;
use super::recompute::CHUNK;
use super::{Error, Result};
use crate::model::{DirectoryId, GroupId, LoginId, MemberId, MemberKind};
use crate::scim::filter::ElementFilter;
use crate::scim::fold::fold;
use crate::scim::{Object, Value};
use crate::store::{MemberRow, Writer};

/// A member as a client names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedMember {
    pub id: Uuid,
    /// What the client says that it is. The id alone decides; a claim that contradicts it is noted.
    pub claimed: Option<MemberKind>,
}

/// One step of a change of members. Steps are taken in order.
#[derive(Clone, Debug, PartialEq)]
pub enum MemberStep {
    Add(Vec<NamedMember>),
    Remove(Vec<Uuid>),
    /// The members that the filter selects by `value`, `display` or `type`.
    RemoveMatching(ElementFilter),
    /// Only these are members afterwards.
    Replace(Vec<NamedMember>),
    /// Adds one that is no member yet, or is refused.
    Join(NamedMember),
    /// Removes one that is a member, or is refused.
    Leave(Uuid),
}

impl MemberStep {
    /// Those that are to be members.
    fn wanted(&self) -> &[NamedMember] {
        match self {
            Self::Add(named) | Self::Replace(named) => named,
            Self::Join(named) => std::slice::from_ref(named),
            Self::Remove(_) | Self::RemoveMatching(_) | Self::Leave(_) => &[],
        }
    }
}

/// What to do with members that are no users and no groups of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownMembers {
    Refuse,
    Ignore,
}

/// What was not done as the client said it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemberNotes {
    /// How many members were left out because nobody knows them.
    pub ignored: usize,
    /// How many members are something else than the client claims.
    pub mistyped: usize,
}

/// Who came and who went, over all steps of one request.
#[derive(Debug, Default)]
pub(super) struct MemberChanges {
    pub(super) added: BTreeSet<MemberId>,
    pub(super) removed: BTreeSet<MemberId>,
    /// Everybody whose roles have to be computed anew.
    pub(super) touched: BTreeSet<LoginId>,
    pub(super) notes: MemberNotes,
}

impl MemberChanges {
    /// Takes all steps on a group whose row is held. With `everybody` those who stay are touched too.
    pub(super) async fn take(
        writer: &mut Writer,
        to: &Provisioning<'_>,
        held: &HeldGroups,
        group: GroupId,
        steps: &[MemberStep],
        unknown: UnknownMembers,
        everybody: bool,
    ) -> Result<Self> {
        let known = Known::of(writer, to.directory.id, steps).await?;
        let mut changes = Self { notes: known.notes(steps, unknown)?, ..Self::default() };
        let wanted = steps.iter().flat_map(MemberStep::wanted).map(|named| named.id);
        refuse_cycles(writer, group, &known.members(wanted).groups).await?;

        let mut reached = known.reached(writer, group, steps).await?;
        if everybody {
            reached.groups.insert(group);
        }
        let within = logins_within(writer, held, &reached.groups, &[]).await?;
        reached.logins.extend(within.iter().copied());
        lock_logins(writer, &reached.logins()).await?;
        for step in steps {
            changes.step(writer, &known, group, step).await?;
        }
        if everybody || changes.nesting_changed() {
            changes.touched.extend(within);
        }
        Ok(changes)
    }

    /// Whether anybody came or went. Somebody who went and came again did neither.
    pub(super) fn any(&self) -> bool {
        !self.added.is_empty() || !self.removed.is_empty()
    }

    fn nesting_changed(&self) -> bool {
        self.added.iter().chain(&self.removed).any(|member| member.kind() == MemberKind::Group)
    }

    fn came(&mut self, members: impl IntoIterator<Item = MemberId>) {
        for member in members {
            self.touched.extend(login(member));
            if !self.removed.remove(&member) {
                self.added.insert(member);
            }
        }
    }

    fn went(&mut self, members: impl IntoIterator<Item = MemberId>) {
        for member in members {
            self.touched.extend(login(member));
            if !self.added.remove(&member) {
                self.removed.insert(member);
            }
        }
    }

    async fn step(&mut self, writer: &mut Writer, known: &Known, group: GroupId, step: &MemberStep) -> Result<()> {
        match step {
            MemberStep::Add(named) => {
                let members = known.members(named.iter().map(|named| named.id));
                self.add(writer, group, &members).await
            }
            MemberStep::Remove(ids) => self.remove(writer, group, &known.members(ids.iter().copied())).await,
            MemberStep::RemoveMatching(filter) => {
                let members = matching(writer, group, filter).await?;
                self.remove(writer, group, &members).await
            }
            MemberStep::Replace(named) => {
                let wanted = known.members(named.iter().map(|named| named.id));
                let (absent, surplus) = difference(writer, group, &wanted).await?;
                self.remove(writer, group, &surplus).await?;
                self.add(writer, group, &absent).await
            }
            MemberStep::Join(named) => {
                let before = self.added.len();
                self.add(writer, group, &known.members([named.id])).await?;
                if self.added.len() > before { Ok(()) } else { Err(Error::AlreadyMember) }
            }
            MemberStep::Leave(id) => {
                let before = self.removed.len();
                self.remove(writer, group, &known.members([*id])).await?;
                if self.removed.len() > before { Ok(()) } else { Err(Error::NotFound("membership")) }
            }
        }
    }

    async fn add(&mut self, writer: &mut Writer, group: GroupId, members: &Members) -> Result<()> {
        if !members.logins.is_empty() {
            let added = writer.add_members(group, &members.logins()).await?;
            self.came(added.into_iter().map(MemberId::Login));
        }
        if !members.groups.is_empty() {
            let added = writer.add_member_groups(group, &members.groups()).await?;
            self.came(added.into_iter().map(MemberId::Group));
        }
        Ok(())
    }

    async fn remove(&mut self, writer: &mut Writer, group: GroupId, members: &Members) -> Result<()> {
        if !members.logins.is_empty() {
            let removed = writer.remove_members(group, &members.logins()).await?;
            self.went(removed.into_iter().map(MemberId::Login));
        }
        if !members.groups.is_empty() {
            let removed = writer.remove_member_groups(group, &members.groups()).await?;
            self.went(removed.into_iter().map(MemberId::Group));
        }
        Ok(())
    }
}

fn login(member: MemberId) -> Option<LoginId> {
    match member {
        MemberId::Login(login) => Some(login),
        MemberId::Group(_) => None,
    }
}

/// Members by what they are.
#[derive(Debug, Default)]
struct Members {
    logins: BTreeSet<LoginId>,
    groups: BTreeSet<GroupId>,
}

impl Members {
    fn logins(&self) -> Vec<LoginId> {
        self.logins.iter().copied().collect()
    }

    fn groups(&self) -> Vec<GroupId> {
        self.groups.iter().copied().collect()
    }

    fn join(&mut self, others: Self) {
        self.logins.extend(others.logins);
        self.groups.extend(others.groups);
    }
}

impl FromIterator<MemberId> for Members {
    fn from_iter<I: IntoIterator<Item = MemberId>>(members: I) -> Self {
        let mut sorted = Self::default();
        for member in members {
            match member {
                MemberId::Login(login) => _ = sorted.logins.insert(login),
                MemberId::Group(group) => _ = sorted.groups.insert(group),
            }
        }
        sorted
    }
}

/// What the ids that a request names are, as far as the directory knows them.
struct Known(BTreeMap<Uuid, MemberId>);

impl Known {
    async fn of(writer: &mut Writer, directory: DirectoryId, steps: &[MemberStep]) -> Result<Self> {
        let mut named = BTreeSet::new();
        for step in steps {
            named.extend(step.wanted().iter().map(|named| named.id));
            match step {
                MemberStep::Remove(ids) => named.extend(ids),
                MemberStep::Leave(id) => _ = named.insert(*id),
                MemberStep::Add(_) | MemberStep::RemoveMatching(_) | MemberStep::Replace(_) | MemberStep::Join(_) => {}
            }
        }
        if named.is_empty() {
            return Ok(Self(BTreeMap::new()));
        }
        let named: Vec<_> = named.into_iter().collect();
        let known = writer.known_members(directory, &named).await?;
        Ok(Self(known.into_iter().map(|member| (member.uuid(), member)).collect()))
    }

    /// Those of these ids that are somebody. Who is nobody is in no group, and taking nobody out is no error (P23).
    fn members(&self, ids: impl IntoIterator<Item = Uuid>) -> Members {
        ids.into_iter().filter_map(|id| self.0.get(&id).copied()).collect()
    }

    fn notes(&self, steps: &[MemberStep], unknown: UnknownMembers) -> Result<MemberNotes> {
        let mut strangers = BTreeSet::new();
        let mut notes = MemberNotes::default();
        for named in steps.iter().flat_map(MemberStep::wanted) {
            match self.0.get(&named.id) {
                None => _ = strangers.insert(named.id),
                Some(member) if named.claimed.is_some_and(|claimed| claimed != member.kind()) => notes.mistyped += 1,
                Some(_) => {}
            }
        }
        if unknown == UnknownMembers::Refuse && !strangers.is_empty() {
            return Err(Error::UnknownMembers(strangers.into_iter().take(10).map(|id| id.to_string()).collect()));
        }
        notes.ignored = strangers.len();
        Ok(notes)
    }

    /// Everybody who may come or go by these steps. Members that only an earlier step brings in are among those that it names.
    async fn reached(&self, writer: &mut Writer, group: GroupId, steps: &[MemberStep]) -> Result<Members> {
        let mut reached = Members::default();
        for step in steps {
            match step {
                MemberStep::Add(named) => reached.join(self.members(named.iter().map(|named| named.id))),
                MemberStep::Remove(ids) => reached.join(self.members(ids.iter().copied())),
                MemberStep::Join(NamedMember { id, .. }) | MemberStep::Leave(id) => reached.join(self.members([*id])),
                MemberStep::RemoveMatching(filter) => reached.join(matching(writer, group, filter).await?),
                MemberStep::Replace(named) => {
                    let wanted = self.members(named.iter().map(|named| named.id));
                    let (absent, surplus) = difference(writer, group, &wanted).await?;
                    reached.join(absent);
                    reached.join(surplus);
                }
            }
        }
        Ok(reached)
    }
}

/// Who is missing in a group that is to have these members, and who is too many. Those who stay are not read.
async fn difference(writer: &mut Writer, group: GroupId, wanted: &Members) -> Result<(Members, Members)> {
    let logins = wanted.logins();
    let surplus = writer.surplus_logins(group, &logins).await?.into_iter().collect();
    let absent = if logins.is_empty() { Vec::new() } else { writer.absent_logins(group, &logins).await? };
    let groups: BTreeSet<_> = writer.member_groups(group).await?.into_iter().collect();
    let absent = Members { logins: absent.into_iter().collect(), groups: &wanted.groups - &groups };
    Ok((absent, Members { logins: surplus, groups: &groups - &wanted.groups }))
}

/// The members that a filter selects. Only those are read that the filter names by their ids, where it does.
async fn matching(writer: &mut Writer, group: GroupId, filter: &ElementFilter) -> Result<Members> {
    let rows = match filter.candidates("value") {
        Some(ids) => {
            let ids: Vec<Uuid> = ids.into_iter().filter_map(|id| id.parse().ok()).collect();
            writer.members_among(group, &ids).await?
        }
        None => writer.members(&[group], i64::MAX).await?,
    };
    Ok(rows.iter().filter(|row| filter.matches_element(&as_element(row))).map(|row| row.member).collect())
}

/// Takes the rows of these logins, which come by ascending id.
pub(super) async fn lock_logins(writer: &mut Writer, logins: &[LoginId]) -> Result<()> {
    for chunk in logins.chunks(CHUNK) {
        writer.lock_logins(chunk).await?;
    }
    Ok(())
}

/// A member in the form that filters compare.
fn as_element(row: &MemberRow) -> Value {
    let kind = match row.member.kind() {
        MemberKind::Login => "User",
        MemberKind::Group => "Group",
    };
    Value::Object(Object::from_iter([
        ("value", row.member.uuid().to_string()),
        ("display", fold(&row.display)),
        ("type", fold(kind)),
    ]))
}
