//! Memberships as they are read: how many there are, page by page, and as resources of their own.
//!
//! Reads that could be long take their rows by key, from where the last page ended, and do not count past what was read before.

use sqlx::types::Json;
use uuid::Uuid;

use super::filter::{Column, Layout, Where};
use super::memberships::MemberColumns;
use super::{MemberRow, Order, Page, Reader, Result, sql};
use crate::model::{DirectoryId, GroupId, MemberId, MemberKind};

/// The memberships of a directory, of logins and of groups, as one table. The id of a group is that of its own row: in the order of
/// these both engines read the two parts side by side, without sorting.
macro_rules! group_members {
    () => {
        "(select g.tenant_id, g.id as group_id, 'login' as kind, 'user' as type, gl.login_id as member_id, g.search
          from groups g join group_logins gl on gl.group_id = g.id where g.tenant_id = $1 and g.directory_id = $2
          union all
          select g.tenant_id, g.id, 'group', 'group', gg.member_id, g.search
          from groups g join group_groups gg on gg.group_id = g.id where g.tenant_id = $1 and g.directory_id = $2) gm"
    };
}

/// One membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupMemberRow {
    pub group_id: GroupId,
    pub member: MemberId,
}

type GroupMemberColumns = (GroupId, MemberKind, Uuid);

impl From<GroupMemberColumns> for GroupMemberRow {
    fn from((group_id, kind, id): GroupMemberColumns) -> Self {
        Self { group_id, member: MemberId::new(kind, id) }
    }
}

impl Reader {
    /// How many direct members each of these groups has. Logins are counted up to `most` and no further.
    pub async fn member_counts(&mut self, groups: &[GroupId], most: i64) -> Result<Vec<(GroupId, i64)>> {
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        sql!(
            self,
            fetch_all::<(GroupId, i64)>(
                "select g.id,
                   (select count(*) from
                     (select 1 as one from group_logins gl where gl.tenant_id = $1 and gl.group_id = g.id limit $3) counted)
                   + (select count(*) from group_groups gg where gg.tenant_id = $1 and gg.group_id = g.id)
                 from groups g where g.tenant_id = $1 and g.id in {ids $2}",
                Json(groups),
                most
            )
        )
    }

    /// The direct members of a group whose ids come after this one, in the order of their ids, at most `limit` of them.
    pub async fn members_after(&mut self, group: GroupId, after: Uuid, limit: i64) -> Result<Vec<MemberRow>> {
        let rows = sql!(
            self,
            fetch_all::<MemberColumns>(
                "select gl.group_id as group_id, 'login' as kind, gl.login_id as id, l.user_name as display
                 from (select group_id, login_id from group_logins where tenant_id = $1 and group_id = $2 and login_id > $3
                       order by login_id limit $4) gl
                 join logins l on l.id = gl.login_id where l.tenant_id = $1
                 union all
                 select gg.group_id, 'group', gg.member_id, g.display
                 from (select group_id, member_id from group_groups where tenant_id = $1 and group_id = $2 and member_id > $3
                       order by member_id limit $4) gg
                 join groups g on g.id = gg.member_id where g.tenant_id = $1
                 order by id limit $4",
                group,
                after,
                limit
            )
        )?;
        Ok(rows.into_iter().map(MemberRow::from).collect())
    }

    /// A membership in a group of a directory.
    pub async fn group_member(&mut self, directory: DirectoryId, group: GroupId, member: Uuid) -> Result<Option<GroupMemberRow>> {
        let row = sql!(
            self,
            fetch_optional::<GroupMemberColumns>(
                "select gl.group_id, 'login', gl.login_id from group_logins gl join groups g on g.id = gl.group_id
                 where gl.tenant_id = $1 and g.directory_id = $2 and gl.group_id = $3 and gl.login_id = $4
                 union all
                 select gg.group_id, 'group', gg.member_id from group_groups gg join groups g on g.id = gg.group_id
                 where gg.tenant_id = $1 and g.directory_id = $2 and gg.group_id = $3 and gg.member_id = $4",
                directory,
                group,
                member
            )
        )?;
        Ok(row.map(GroupMemberRow::from))
    }

    /// Memberships in groups of a directory that fit a filter, a page of them.
    pub async fn list_group_members(
        &mut self,
        directory: DirectoryId,
        filter: &Where,
        order: &Order,
        page: &Page,
    ) -> Result<Vec<GroupMemberRow>> {
        let text = format!(
            "select gm.group_id, gm.kind, gm.member_id from {} where gm.tenant_id = $1 and {}",
            group_members!(),
            filter.sql
        );
        let rows: Vec<GroupMemberColumns> = self.page(&text, directory, filter, order, page).await?;
        Ok(rows.into_iter().map(GroupMemberRow::from).collect())
    }

    /// How many memberships in groups of a directory fit a filter.
    pub async fn count_group_members(&mut self, directory: DirectoryId, filter: &Where) -> Result<i64> {
        let text = format!("select count(*) from {} where gm.tenant_id = $1 and {}", group_members!(), filter.sql);
        self.count(&text, directory, filter).await
    }
}

/// Where the attributes of a membership lie, for filters.
pub const GROUP_MEMBER_LAYOUT: Layout = Layout {
    id: "gm.member_id",
    // A membership has no document. This name is none of a group's, so that nothing is found there.
    search: "(gm.search -> 'membership')",
    columns: &[
        ("id", Column::Pair { first: "gm.group_id", second: "gm.member_id" }),
        ("group.value", Column::Id("gm.group_id")),
        ("member.value", Column::Id("gm.member_id")),
        ("member.type", Column::Text("gm.type")),
        ("meta", Column::Constant("meta")),
        ("meta.resourceType", Column::Constant("GroupMember")),
    ],
    order: &["gm.group_id", "gm.member_id"],
    relations: &[],
    lookups: &[],
};
