//! Who is in which group. A membership is a row, so that adding one costs the same in a group of ten and of a million.
//!
//! A group may be a member of a group of its directory; its members are then in both. What follows through any number of such steps
//! is walked by recursive queries whose `union` drops what they have seen, so they end whatever the rows say. There is no limit to the
//! depth; cycles are refused before they are written (`directory::members`).
//!
//! `cross join` says to SQLite, which guesses nothing of what such a query finds, that this comes first and the table's index then.

use std::collections::BTreeMap;

use sqlx::types::Json;
use uuid::Uuid;

use super::{Reader, Result, Writer, sql};
use crate::model::{DirectoryId, GroupId, LoginId, MemberId, MemberKind, Membership, MembershipType};

/// A direct member as its group shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRow {
    pub group_id: GroupId,
    pub member: MemberId,
    /// The user name, or the name of the group.
    pub display: String,
}

/// What the database says of a member.
pub(super) type MemberColumns = (GroupId, MemberKind, Uuid, String);

impl From<MemberColumns> for MemberRow {
    fn from((group_id, kind, id, display): MemberColumns) -> Self {
        Self { group_id, member: MemberId::new(kind, id), display }
    }
}

/// A membership with the name of the group as it is shown and as it is compared.
pub(super) type MembershipColumns = (LoginId, GroupId, String, String, bool);

fn ids<T>(rows: Vec<(T,)>) -> Vec<T> {
    rows.into_iter().map(|(id,)| id).collect()
}

impl Reader {
    /// The direct members of these groups, at most `limit` of them, by group and id.
    pub async fn members(&mut self, groups: &[GroupId], limit: i64) -> Result<Vec<MemberRow>> {
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let rows = sql!(
            self,
            fetch_all::<MemberColumns>(
                "select gl.group_id as group_id, 'login' as kind, gl.login_id as id, l.user_name as display
                 from group_logins gl join logins l on l.id = gl.login_id
                 where gl.tenant_id = $1 and gl.group_id in {ids $2}
                 union all
                 select gg.group_id, 'group', gg.member_id, g.display from group_groups gg join groups g on g.id = gg.member_id
                 where gg.tenant_id = $1 and gg.group_id in {ids $2}
                 order by group_id, id limit $3",
                Json(groups),
                limit
            )
        )?;
        Ok(rows.into_iter().map(MemberRow::from).collect())
    }

    /// Those of these ids that are direct members of a group.
    pub async fn members_among(&mut self, group: GroupId, among: &[Uuid]) -> Result<Vec<MemberRow>> {
        let rows = sql!(
            self,
            fetch_all::<MemberColumns>(
                "select gl.group_id, 'login', gl.login_id, l.user_name from group_logins gl join logins l on l.id = gl.login_id
                 where gl.tenant_id = $1 and gl.group_id = $2 and gl.login_id in {ids $3}
                 union all
                 select gg.group_id, 'group', gg.member_id, g.display from group_groups gg join groups g on g.id = gg.member_id
                 where gg.tenant_id = $1 and gg.group_id = $2 and gg.member_id in {ids $3}",
                group,
                Json(among)
            )
        )?;
        Ok(rows.into_iter().map(MemberRow::from).collect())
    }

    /// The groups that are direct members of a group.
    pub async fn member_groups(&mut self, group: GroupId) -> Result<Vec<GroupId>> {
        let rows = sql!(
            self,
            fetch_all::<(GroupId,)>(
                "select member_id from group_groups where tenant_id = $1 and group_id = $2 order by member_id",
                group
            )
        )?;
        Ok(ids(rows))
    }

    /// The groups that a group is a direct member of.
    pub async fn parent_groups(&mut self, group: GroupId) -> Result<Vec<GroupId>> {
        let rows = sql!(
            self,
            fetch_all::<(GroupId,)>(
                "select group_id from group_groups where tenant_id = $1 and member_id = $2 order by group_id",
                group
            )
        )?;
        Ok(ids(rows))
    }

    /// Which of these are logins or groups of the directory. One of another directory or tenant is as unknown as one that never was.
    pub async fn known_members(&mut self, directory: DirectoryId, named: &[Uuid]) -> Result<Vec<MemberId>> {
        let rows = sql!(
            self,
            fetch_all::<(MemberKind, Uuid)>(
                "select 'login', id from logins where tenant_id = $1 and directory_id = $2 and id in {ids $3}
                 union all
                 select 'group', id from groups where tenant_id = $1 and directory_id = $2 and id in {ids $3}",
                directory,
                Json(named)
            )
        )?;
        Ok(rows.into_iter().map(|(kind, id)| MemberId::new(kind, id)).collect())
    }

    /// The direct members of a group that are none of these: who goes when only these are to stay.
    pub async fn surplus_logins(&mut self, group: GroupId, wanted: &[LoginId]) -> Result<Vec<LoginId>> {
        let rows = sql!(
            self,
            fetch_all::<(LoginId,)>(
                "select login_id from group_logins where tenant_id = $1 and group_id = $2 and login_id not in {ids $3}
                 order by login_id",
                group,
                Json(wanted)
            )
        )?;
        Ok(ids(rows))
    }

    /// Those of these logins that are no direct members of a group.
    pub async fn absent_logins(&mut self, group: GroupId, wanted: &[LoginId]) -> Result<Vec<LoginId>> {
        let rows = sql!(
            self,
            fetch_all::<(LoginId,)>(
                "select l.id from logins l where l.tenant_id = $1 and l.id in {ids $3} and not exists
                   (select 1 from group_logins gl where gl.tenant_id = $1 and gl.group_id = $2 and gl.login_id = l.id)
                 order by l.id",
                group,
                Json(wanted)
            )
        )?;
        Ok(ids(rows))
    }

    /// These groups and all that are in them, through any number of others; in no order.
    pub async fn groups_within(&mut self, groups: &[GroupId]) -> Result<Vec<GroupId>> {
        let rows = sql!(
            self,
            fetch_all::<(GroupId,)>(
                "with recursive inside(group_id) as (
                   select id from groups where tenant_id = $1 and id in {ids $2}
                   union
                   select gg.member_id from inside join group_groups gg on gg.group_id = inside.group_id where gg.tenant_id = $1
                 )
                 select g.id from inside cross join groups g where g.id = inside.group_id and g.tenant_id = $1",
                Json(groups)
            )
        )?;
        Ok(ids(rows))
    }

    /// A group and all that it is in, through any number of others; in no order.
    pub async fn groups_around(&mut self, group: GroupId) -> Result<Vec<GroupId>> {
        let rows = sql!(
            self,
            fetch_all::<(GroupId,)>(
                "with recursive around(group_id) as (
                   select id from groups where tenant_id = $1 and id = $2
                   union
                   select gg.group_id from around join group_groups gg on gg.member_id = around.group_id where gg.tenant_id = $1
                 )
                 select g.id from around cross join groups g where g.id = around.group_id and g.tenant_id = $1",
                group
            )
        )?;
        Ok(ids(rows))
    }

    /// The logins that are in these groups, directly or through others, by ascending id.
    pub async fn effective_logins(&mut self, groups: &[GroupId]) -> Result<Vec<LoginId>> {
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let rows = sql!(
            self,
            fetch_all::<(LoginId,)>(
                "with recursive inside(group_id) as (
                   select id from groups where tenant_id = $1 and id in {ids $2}
                   union
                   select gg.member_id from inside join group_groups gg on gg.group_id = inside.group_id where gg.tenant_id = $1
                 )
                 select gl.login_id from inside cross join group_logins gl where gl.group_id = inside.group_id and gl.tenant_id = $1",
                Json(groups)
            )
        )?;
        let mut logins = ids(rows);
        logins.sort_unstable();
        logins.dedup();
        Ok(logins)
    }

    /// The groups that these logins are in, directly or through others, by login and group. A group is told once a login.
    pub async fn memberships(&mut self, logins: &[LoginId]) -> Result<Vec<Membership>> {
        let rows = self.membership_rows(logins).await?;
        Ok(rows.into_iter().map(|(membership, _)| membership).collect())
    }

    /// [`Reader::memberships`], each with the folded name of its group.
    pub(super) async fn membership_rows(&mut self, logins: &[LoginId]) -> Result<Vec<(Membership, String)>> {
        if logins.is_empty() {
            return Ok(Vec::new());
        }
        let rows = sql!(
            self,
            fetch_all::<MembershipColumns>(
                "with recursive held(login_id, group_id, direct) as (
                   select gl.login_id, gl.group_id, true from group_logins gl where gl.tenant_id = $1 and gl.login_id in {ids $2}
                   union
                   select held.login_id, gg.group_id, false from held join group_groups gg on gg.member_id = held.group_id
                   where gg.tenant_id = $1
                 )
                 select held.login_id, held.group_id, g.display, g.display_key, held.direct
                 from held cross join groups g where g.id = held.group_id and g.tenant_id = $1",
                Json(logins)
            )
        )?;
        // A login that is in a group both ways has two rows, of which the direct one counts.
        let mut told = BTreeMap::new();
        for (login_id, group_id, display, display_key, direct) in rows {
            let (membership, _) = told
                .entry((login_id, group_id))
                .or_insert_with(|| (Membership { login_id, group_id, display, kind: MembershipType::Indirect }, display_key));
            if direct {
                membership.kind = MembershipType::Direct;
            }
        }
        Ok(told.into_values().collect())
    }
}

impl Writer {
    /// Adds logins as members; those who are in it stay as they are. Answers who is new.
    pub async fn add_members(&mut self, group: GroupId, logins: &[LoginId]) -> Result<Vec<LoginId>> {
        let rows = sql!(
            self,
            fetch_all::<(LoginId,)>(
                "insert into group_logins (tenant_id, group_id, login_id)
                 select $1, $2, id from logins where tenant_id = $1 and id in {ids $3}
                 on conflict do nothing returning login_id",
                group,
                Json(logins)
            )
        )?;
        Ok(ids(rows))
    }

    /// Removes logins; those who are not in it are no error. Answers who went.
    pub async fn remove_members(&mut self, group: GroupId, logins: &[LoginId]) -> Result<Vec<LoginId>> {
        let rows = sql!(
            self,
            fetch_all::<(LoginId,)>(
                "delete from group_logins where tenant_id = $1 and group_id = $2 and login_id in {ids $3} returning login_id",
                group,
                Json(logins)
            )
        )?;
        Ok(ids(rows))
    }

    /// Adds groups as members; those that are in it stay as they are. Answers which are new. The caller has made sure that no group
    /// comes into itself.
    pub async fn add_member_groups(&mut self, group: GroupId, members: &[GroupId]) -> Result<Vec<GroupId>> {
        let rows = sql!(
            self,
            fetch_all::<(GroupId,)>(
                "insert into group_groups (tenant_id, group_id, member_id)
                 select $1, $2, id from groups where tenant_id = $1 and id in {ids $3}
                 on conflict do nothing returning member_id",
                group,
                Json(members)
            )
        )?;
        Ok(ids(rows))
    }

    /// Removes groups; those that are not in it are no error. Answers which went.
    pub async fn remove_member_groups(&mut self, group: GroupId, members: &[GroupId]) -> Result<Vec<GroupId>> {
        let rows = sql!(
            self,
            fetch_all::<(GroupId,)>(
                "delete from group_groups where tenant_id = $1 and group_id = $2 and member_id in {ids $3} returning member_id",
                group,
                Json(members)
            )
        )?;
        Ok(ids(rows))
    }
}
