//! Logins: the SCIM Users of directories, and the facts that rules read of them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::filter::{Branch, Column, Layout, Relation, Where};
use super::list::Page;
use super::order::Order;
use super::{Error, Reader, Result, Writer, sql};
use crate::model::{AccountId, ConnectionId, DirectoryId, Email, Login, LoginId, LoginKind, MembershipType, PersonId, Slot};

macro_rules! login_columns {
    () => {
        "l.id, l.person_id, l.born_person_id, l.slot, l.kind, l.directory_id, l.connection_id, l.home_account_id, l.user_name, l.external_id, l.active,
         l.locked_at, l.suspended_by, l.break_glass, l.invited_at, l.token_type, l.mobile_type, l.signed_in_at, l.version, l.epoch, l.created_at, l.updated_at"
    };
}
pub(super) use login_columns;

/// What a directory (or a sign-in that creates) says of a login.
#[derive(Clone, Debug, PartialEq)]
pub struct LoginDocument {
    pub user_name: String,
    /// The user name, folded; unique among the live logins of the namespace.
    pub user_name_key: String,
    /// Which folding made the key.
    pub folding: i16,
    pub external_id: Option<String>,
    pub active: bool,
    /// The attributes in the schema's spelling.
    pub scim: serde_json::Value,
    /// The same in the form that filters compare.
    pub search: serde_json::Value,
    pub emails: Vec<Email>,
    /// The user name, folded, that the directory gives the person's other login. It proposes a link, no more.
    pub other_user_name_key: Option<String>,
}

/// A login to be born.
#[derive(Clone, Debug)]
pub struct NewLogin<'a> {
    pub id: LoginId,
    pub person_id: PersonId,
    pub slot: Slot,
    pub kind: LoginKind,
    pub directory_id: Option<DirectoryId>,
    pub connection_id: Option<ConnectionId>,
    pub home_account_id: AccountId,
    /// Within which the user name is unique: the directory, else the connection.
    pub namespace: uuid::Uuid,
    pub document: &'a LoginDocument,
}

/// A login with what its directory says of it.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct LoginRow {
    #[sqlx(flatten)]
    pub login: Login,
    #[sqlx(json)]
    pub scim: serde_json::Value,
}

/// What a login is called, for lists of people.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
pub struct LoginName {
    pub id: LoginId,
    pub person_id: PersonId,
    pub user_name: String,
    pub home_account_id: AccountId,
}

/// What rules read of a login.
#[derive(Clone, Debug, PartialEq)]
pub struct FactsRow {
    pub login_id: LoginId,
    pub directory_id: Option<DirectoryId>,
    pub active: bool,
    pub search: serde_json::Value,
    /// The claims of the last sign-in, by connection.
    pub claims: BTreeMap<ConnectionId, BTreeMap<String, Vec<String>>>,
    /// The groups that it is in, directly or through others.
    pub groups: Vec<GroupFact>,
}

/// A group as rules see it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct GroupFact {
    pub value: String,
    /// Its display name, folded.
    pub display: String,
    #[serde(rename = "type")]
    pub kind: MembershipType,
}

type FactsColumns =
    (LoginId, Option<DirectoryId>, bool, Json<serde_json::Value>, Json<BTreeMap<ConnectionId, BTreeMap<String, Vec<String>>>>);

impl Reader {
    /// The login of a user name, folded, within a namespace: a directory, or a connection.
    pub async fn login_named(&mut self, namespace: uuid::Uuid, key: &str) -> Result<Option<LoginId>> {
        let row = sql!(
            self,
            fetch_optional::<(LoginId,)>(
                "select id from logins where tenant_id = $1 and namespace_id = $2 and user_name_key = $3",
                namespace,
                key
            )
        )?;
        Ok(row.map(|(id,)| id))
    }

    /// When a login last signed in, if it ever did.
    pub async fn signed_in_at(&mut self, id: LoginId) -> Result<Option<DateTime<Utc>>> {
        let row = sql!(
            self,
            fetch_optional::<(Option<DateTime<Utc>>,)>("select signed_in_at from logins where tenant_id = $1 and id = $2", id)
        )?;
        Ok(row.and_then(|(at,)| at))
    }

    /// A login of a directory. One of another directory is as unknown as one that never was.
    pub async fn login(&mut self, directory: DirectoryId, id: LoginId) -> Result<Option<LoginRow>> {
        sql!(
            self,
            fetch_optional::<LoginRow>(
                concat!(
                    "select ",
                    login_columns!(),
                    ", l.scim from logins l where l.tenant_id = $1 and l.directory_id = $2 and l.id = $3"
                ),
                directory,
                id
            )
        )
    }

    /// Any login of the tenant.
    pub async fn any_login(&mut self, id: LoginId) -> Result<Option<LoginRow>> {
        sql!(
            self,
            fetch_optional::<LoginRow>(
                concat!("select ", login_columns!(), ", l.scim from logins l where l.tenant_id = $1 and l.id = $2"),
                id
            )
        )
    }

    /// Logins of a directory that fit a filter, a page of them.
    pub async fn list_logins(
        &mut self,
        directory: DirectoryId,
        filter: &Where,
        order: &Order,
        page: &Page,
    ) -> Result<Vec<LoginRow>> {
        let text = format!(
            "select {}, l.scim from logins l where l.tenant_id = $1 and l.directory_id = $2 and {}",
            login_columns!(),
            filter.sql
        );
        self.page(&text, directory, filter, order, page).await
    }

    /// How many logins of a directory fit a filter.
    pub async fn count_logins(&mut self, directory: DirectoryId, filter: &Where) -> Result<i64> {
        let text = format!("select count(*) from logins l where l.tenant_id = $1 and l.directory_id = $2 and {}", filter.sql);
        self.count(&text, directory, filter).await
    }

    /// What rules read of these logins.
    pub async fn facts(&mut self, logins: &[LoginId]) -> Result<Vec<FactsRow>> {
        let rows = sql!(
            self,
            fetch_all::<FactsColumns>(
                "select id, directory_id, active, search, claims from logins where tenant_id = $1 and id in {ids $2} order by id",
                Json(logins)
            )
        )?;
        let mut groups: BTreeMap<LoginId, Vec<GroupFact>> = BTreeMap::new();
        for (membership, display) in self.membership_rows(logins).await? {
            let fact = GroupFact { value: membership.group_id.to_string(), display, kind: membership.kind };
            groups.entry(membership.login_id).or_default().push(fact);
        }
        Ok(rows
            .into_iter()
            .map(|(login_id, directory_id, active, Json(search), Json(claims))| FactsRow {
                login_id,
                directory_id,
                active,
                search,
                claims,
                groups: groups.remove(&login_id).unwrap_or_default(),
            })
            .collect())
    }

    /// What these logins are called, by their ids.
    pub async fn login_names(&mut self, logins: &[LoginId]) -> Result<Vec<LoginName>> {
        sql!(
            self,
            fetch_all::<LoginName>(
                "select id, person_id, user_name, home_account_id from logins where tenant_id = $1 and id in {ids $2} order by id",
                Json(logins)
            )
        )
    }

    /// Whether a live login of the namespace has this user name, folded.
    pub async fn is_user_name_taken(&mut self, namespace: uuid::Uuid, user_name_key: &str) -> Result<bool> {
        let found = sql!(
            self,
            fetch_optional::<(LoginId,)>(
                "select id from logins where tenant_id = $1 and namespace_id = $2 and user_name_key = $3",
                namespace,
                user_name_key
            )
        )?;
        Ok(found.is_some())
    }

    /// The ids of all live logins of the tenant, after `after`, for work that goes through all of them.
    pub async fn login_ids(&mut self, after: Option<LoginId>, limit: i64) -> Result<Vec<LoginId>> {
        let after = after.unwrap_or(LoginId::from_uuid(uuid::Uuid::nil()));
        let rows = sql!(
            self,
            fetch_all::<(LoginId,)>("select id from logins where tenant_id = $1 and id > $2 order by id limit $3", after, limit)
        )?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }
}

impl Writer {
    /// Makes a login.
    pub async fn insert_login(&mut self, new: &NewLogin<'_>, now: DateTime<Utc>) -> Result<()> {
        let document = new.document;
        sql!(
            self,
            execute(
                "insert into logins (tenant_id, id, person_id, person_open, born_person_id, slot, kind, directory_id, connection_id,
                   home_account_id, namespace_id, user_name, user_name_key, folding, external_id, active, scim, search, claims, version,
                   facts_version, epoch, created_at, updated_at, break_glass, other_user_name_key, unique_external_key)
                 values ($1, $2, $3, $18, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, '{}', 1, 1, 0, $17, $17, $19, $20,
                   case when (select d.unique_external_ids from directories d where d.tenant_id = $1 and d.id = $6) then $13 end)",
                new.id,
                new.person_id,
                new.slot,
                new.kind,
                new.directory_id,
                new.connection_id,
                new.home_account_id,
                new.namespace,
                &document.user_name,
                &document.user_name_key,
                document.folding,
                document.external_id.as_deref(),
                document.active,
                Json(&document.scim),
                Json(&document.search),
                now,
                true,
                false,
                document.other_user_name_key.as_deref()
            )
        )?;
        self.insert_emails(new.id, &document.emails).await
    }

    /// Takes a login's row, so that nobody else changes it until this transaction ends.
    pub async fn login_for_update(&mut self, directory: DirectoryId, id: LoginId) -> Result<Option<LoginRow>> {
        sql!(
            self,
            fetch_optional::<LoginRow>(
                concat!(
                    "select ",
                    login_columns!(),
                    ", l.scim from logins l where l.tenant_id = $1 and l.directory_id = $2 and l.id = $3 {for update}"
                ),
                directory,
                id
            )
        )
    }

    /// Takes the rows of several logins, by ascending id, and answers which of them are there.
    pub async fn lock_logins(&mut self, logins: &[LoginId]) -> Result<Vec<LoginId>> {
        let rows = sql!(
            self,
            fetch_all::<(LoginId,)>(
                "select id from logins where tenant_id = $1 and id in {ids $2} order by id {for update}",
                Json(logins)
            )
        )?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Writes what a directory now says of a login, if it still has the version that was read.
    pub async fn update_login(&mut self, login: &Login, document: &LoginDocument, now: DateTime<Utc>) -> Result<()> {
        let written = sql!(
            self,
            execute(
                "update logins set user_name = $3, user_name_key = $4, folding = $5, external_id = $6, active = $7, scim = $8, search = $9,
                   unique_external_key = case when (select d.unique_external_ids from directories d
                     where d.tenant_id = $1 and d.id = logins.directory_id) then $6 end,
                   other_user_name_key = $12, version = version + 1, facts_version = facts_version + 1, updated_at = $10
                 where tenant_id = $1 and id = $2 and version = $11",
                login.id,
                &document.user_name,
                &document.user_name_key,
                document.folding,
                document.external_id.as_deref(),
                document.active,
                Json(&document.scim),
                Json(&document.search),
                now,
                login.version,
                document.other_user_name_key.as_deref()
            )
        )?;
        if written != 1 {
            return Err(Error::Raced);
        }
        self.replace_emails(login.id, &document.emails).await
    }

    pub(super) async fn replace_emails(&mut self, login: LoginId, emails: &[Email]) -> Result<()> {
        sql!(self, execute("delete from emails where tenant_id = $1 and login_id = $2", login))?;
        self.insert_emails(login, emails).await
    }

    async fn insert_emails(&mut self, login: LoginId, emails: &[Email]) -> Result<()> {
        if emails.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = emails
            .iter()
            .enumerate()
            .map(|(position, email)| serde_json::json!({"position": position, "value": email.value, "key": email.value_key}))
            .collect();
        sql!(
            self,
            execute(
                "insert into emails (tenant_id, login_id, position, value, value_key)
                 select $1, $2, cast(item.value ->> 'position' as smallint), item.value ->> 'value', item.value ->> 'key'
                 from {rows $3} where true",
                login,
                Json(&rows)
            )
        )?;
        Ok(())
    }

    /// Keeps the claims of a sign-in, which rules of that connection read, and notes when it was.
    pub async fn record_sign_in(
        &mut self,
        login: LoginId,
        claims: &BTreeMap<ConnectionId, BTreeMap<String, Vec<String>>>,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let written = sql!(
            self,
            execute(
                "update logins set claims = $3, facts_version = facts_version + 1, signed_in_at = $4 where tenant_id = $1 and id = $2",
                login,
                Json(claims),
                now
            )
        )?;
        if written == 1 { Ok(()) } else { Err(Error::Raced) }
    }

    /// Removes a login with its e-mails, subjects, memberships and assignments. Its sessions are ended before.
    pub async fn delete_login(&mut self, login: LoginId) -> Result<()> {
        let gone = sql!(self, execute("delete from logins where tenant_id = $1 and id = $2", login))?;
        if gone == 1 { Ok(()) } else { Err(Error::Raced) }
    }
}

/// Where the attributes of a User lie, for filters.
pub const USER_LAYOUT: Layout = Layout {
    id: "l.id",
    order: &["l.id"],
    search: "l.search",
    columns: &[
        ("id", Column::Id("l.id")),
        ("userName", Column::Key { column: "l.user_name_key", namespace: "l.namespace_id" }),
        ("externalId", Column::Text("l.external_id")),
        ("active", Column::Bool("l.active")),
        ("meta", Column::Constant("meta")),
        ("meta.resourceType", Column::Constant("User")),
        ("meta.created", Column::Time("l.created_at")),
        ("meta.lastModified", Column::Time("l.updated_at")),
        ("meta.version", Column::Version("l.version")),
    ],
    relations: &[Relation {
        attribute: "groups",
        branches: &[
            Branch {
                select: "select gl.login_id from group_logins gl join groups g on g.id = gl.group_id
                         where gl.tenant_id = $1 and g.tenant_id = $1 and g.directory_id = $2",
                rest: "",
                columns: &[
                    ("value", Column::Id("g.id")),
                    ("display", Column::Text("g.display_key")),
                    ("type", Column::Constant("direct")),
                ],
            },
            // From the groups that are meant down to those within them. Who is in the group itself is there directly.
            Branch {
                select: "select far.login_id from (
                           with recursive inside(root_id, member_id) as (
                             select g.id, gg.member_id from groups g join group_groups gg on gg.group_id = g.id
                             where gg.tenant_id = $1 and g.tenant_id = $1 and g.directory_id = $2",
                rest: " union
                             select inside.root_id, gg.member_id from inside join group_groups gg on gg.group_id = inside.member_id
                             where gg.tenant_id = $1
                           )
                           select gl.login_id from inside cross join group_logins gl
                           where gl.group_id = inside.member_id and gl.tenant_id = $1 and not exists (select 1 from group_logins own
                             where own.tenant_id = $1 and own.group_id = inside.root_id and own.login_id = gl.login_id)
                         ) far",
                columns: &[
                    ("value", Column::Id("g.id")),
                    ("display", Column::Text("g.display_key")),
                    ("type", Column::Constant("indirect")),
                ],
            },
        ],
    }],
    lookups: &[("emails.value", "select e.login_id from emails e where e.tenant_id = $1 and e.value_key")],
};
