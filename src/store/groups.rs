//! Groups, without their members ([`super::memberships`]).

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::filter::{Branch, Column, Layout, Relation, Where};
use super::list::Page;
use super::order::Order;
use super::{Error, Reader, Result, Writer, sql};
use crate::model::{DirectoryId, Group, GroupId};

macro_rules! group_columns {
    () => {
        "g.id, g.directory_id, g.display, g.external_id, g.version, g.created_at, g.updated_at"
    };
}

/// What a directory says of a group, without its members.
#[derive(Clone, Debug, PartialEq)]
pub struct NewGroup {
    pub display: String,
    /// The display name, folded.
    pub display_key: String,
    pub external_id: Option<String>,
    pub scim: serde_json::Value,
    pub search: serde_json::Value,
}

/// A group with what its directory says of it.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct GroupRow {
    #[sqlx(flatten)]
    pub group: Group,
    #[sqlx(json)]
    pub scim: serde_json::Value,
}

impl Reader {
    /// A group of a directory.
    pub async fn group(&mut self, directory: DirectoryId, id: GroupId) -> Result<Option<GroupRow>> {
        sql!(
            self,
            fetch_optional::<GroupRow>(
                concat!(
                    "select ",
                    group_columns!(),
                    ", g.scim from groups g where g.tenant_id = $1 and g.directory_id = $2 and g.id = $3"
                ),
                directory,
                id
            )
        )
    }

    /// Groups of a directory that fit a filter, a page of them.
    pub async fn list_groups(
        &mut self,
        directory: DirectoryId,
        filter: &Where,
        order: &Order,
        page: &Page,
    ) -> Result<Vec<GroupRow>> {
        let text = format!(
            "select {}, g.scim from groups g where g.tenant_id = $1 and g.directory_id = $2 and {}",
            group_columns!(),
            filter.sql
        );
        self.page(&text, directory, filter, order, page).await
    }

    /// How many groups of a directory fit a filter.
    pub async fn count_groups(&mut self, directory: DirectoryId, filter: &Where) -> Result<i64> {
        let text = format!("select count(*) from groups g where g.tenant_id = $1 and g.directory_id = $2 and {}", filter.sql);
        self.count(&text, directory, filter).await
    }
}

impl Writer {
    /// Makes a group without members. Where the directory forbids two groups of one name or externalId, its keys say so.
    pub async fn insert_group(&mut self, directory: DirectoryId, id: GroupId, new: &NewGroup, now: DateTime<Utc>) -> Result<()> {
        let made = sql!(
            self,
            execute(
                "insert into groups (tenant_id, id, directory_id, display, display_key, unique_key, external_id, unique_external_key,
                   scim, search, version, created_at, updated_at)
                 select $1, $2, $3, $4, $5, case when d.unique_group_names then $5 end, $6, case when d.unique_external_ids then $6 end,
                   $7, $8, 1, $9, $9
                 from directories d where d.tenant_id = $1 and d.id = $3",
                id,
                directory,
                &new.display,
                &new.display_key,
                new.external_id.as_deref(),
                Json(&new.scim),
                Json(&new.search),
                now
            )
        )?;
        if made == 1 { Ok(()) } else { Err(Error::Raced) }
    }

    /// Takes a group's row, so that nobody else changes it or its members until this transaction ends.
    pub async fn group_for_update(&mut self, directory: DirectoryId, id: GroupId) -> Result<Option<GroupRow>> {
        sql!(
            self,
            fetch_optional::<GroupRow>(
                concat!(
                    "select ",
                    group_columns!(),
                    ", g.scim from groups g where g.tenant_id = $1 and g.directory_id = $2 and g.id = $3 {for update}"
                ),
                directory,
                id
            )
        )
    }

    /// Writes what a directory now says of a group.
    pub async fn update_group(&mut self, id: GroupId, new: &NewGroup, now: DateTime<Utc>) -> Result<()> {
        let written = sql!(
            self,
            execute(
                "update groups set display = $3, display_key = $4, external_id = $5, scim = $6, search = $7,
                   unique_key = case when (select d.unique_group_names from directories d
                     where d.tenant_id = $1 and d.id = groups.directory_id) then $4 end,
                   unique_external_key = case when (select d.unique_external_ids from directories d
                     where d.tenant_id = $1 and d.id = groups.directory_id) then $5 end,
                   version = version + 1, updated_at = $8 where tenant_id = $1 and id = $2",
                id,
                &new.display,
                &new.display_key,
                new.external_id.as_deref(),
                Json(&new.scim),
                Json(&new.search),
                now
            )
        )?;
        if written == 1 { Ok(()) } else { Err(Error::Raced) }
    }

    /// Notes that a group's members changed.
    pub async fn touch_group(&mut self, id: GroupId, now: DateTime<Utc>) -> Result<()> {
        sql!(self, execute("update groups set version = version + 1, updated_at = $3 where tenant_id = $1 and id = $2", id, now))?;
        Ok(())
    }

    /// Takes the rows of several groups, by ascending id.
    pub async fn lock_groups(&mut self, ids: &[GroupId]) -> Result<()> {
        sql!(
            self,
            fetch_all::<(GroupId,)>(
                "select id from groups where tenant_id = $1 and id in {ids $2} order by id {for update}",
                Json(ids)
            )
        )?;
        Ok(())
    }

    /// Takes several groups, by ascending id, and notes that their members changed.
    pub async fn touch_groups(&mut self, ids: &[GroupId], now: DateTime<Utc>) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        self.lock_groups(ids).await?;
        sql!(
            self,
            execute(
                "update groups set version = version + 1, updated_at = $3 where tenant_id = $1 and id in {ids $2}",
                Json(ids),
                now
            )
        )?;
        Ok(())
    }

    /// Removes a group with its memberships.
    pub async fn delete_group(&mut self, id: GroupId) -> Result<()> {
        let gone = sql!(self, execute("delete from groups where tenant_id = $1 and id = $2", id))?;
        if gone == 1 { Ok(()) } else { Err(Error::Raced) }
    }
}

/// Where the attributes of a Group lie, for filters.
pub const GROUP_LAYOUT: Layout = Layout {
    id: "g.id",
    order: &["g.id"],
    search: "g.search",
    columns: &[
        ("id", Column::Id("g.id")),
        ("displayName", Column::Key { column: "g.display_key", namespace: "g.directory_id" }),
        ("externalId", Column::Text("g.external_id")),
        ("meta", Column::Constant("meta")),
        ("meta.resourceType", Column::Constant("Group")),
        ("meta.created", Column::Time("g.created_at")),
        ("meta.lastModified", Column::Time("g.updated_at")),
        ("meta.version", Column::Version("g.version")),
    ],
    relations: &[Relation {
        attribute: "members",
        branches: &[
            Branch {
                select: "select gl.group_id from group_logins gl join logins m on m.id = gl.login_id
                         where gl.tenant_id = $1 and m.tenant_id = $1",
                rest: "",
                columns: &[
                    ("value", Column::Id("m.id")),
                    ("display", Column::Key { column: "m.user_name_key", namespace: "m.namespace_id" }),
                    ("type", Column::Constant("user")),
                ],
            },
            Branch {
                select: "select gg.group_id from group_groups gg join groups m on m.id = gg.member_id
                         where gg.tenant_id = $1 and m.tenant_id = $1 and m.directory_id = $2",
                rest: "",
                columns: &[
                    ("value", Column::Id("m.id")),
                    ("display", Column::Text("m.display_key")),
                    ("type", Column::Constant("group")),
                ],
            },
        ],
    }],
    lookups: &[],
};
