//! Role catalogues, rules, and the assignments they give.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::{Reader, Result, Writer, sql};
use crate::model::{
    AccountId, AssignmentId, AssignmentSource, ConnectionId, DirectoryId, LoginId, Rule, RuleBody, RuleId, RuleOrigin, TenantId,
};

/// A rule to be made.
#[derive(Clone, Debug)]
pub struct NewRule<'a> {
    pub id: RuleId,
    pub name: &'a str,
    pub origin: RuleOrigin,
    pub within: AccountId,
    pub body: &'a RuleBody,
}

/// An assignment to be given by a rule.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct GrantRow {
    pub id: AssignmentId,
    pub login: LoginId,
    pub account: AccountId,
    pub role: String,
    pub rule: RuleId,
}

/// An assignment that a rule gave.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct HeldRow {
    pub id: AssignmentId,
    pub login_id: LoginId,
    pub account_id: AccountId,
    pub role: String,
    pub source_id: RuleId,
}

/// A role that a login holds, as the portal extension shows it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct HeldRoleRow {
    pub login_id: LoginId,
    /// The path of the account from the root, as slugs with slashes.
    pub account: String,
    pub role: String,
    /// The key of the service that the role is for.
    pub service: Option<String>,
}

/// A role of a catalogue file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RoleRow {
    pub key: String,
    pub name: String,
    pub description: String,
    pub exclusive_set: Option<String>,
    pub rank: i64,
}

#[derive(sqlx::FromRow)]
struct RuleColumns {
    id: RuleId,
    name: String,
    directory_id: Option<DirectoryId>,
    connection_id: Option<ConnectionId>,
    within_id: AccountId,
    body: Json<RuleBody>,
    version: i64,
}

impl RuleColumns {
    fn rule(self) -> Option<Rule> {
        // The schema holds exactly one of the two.
        let origin = self.directory_id.map(RuleOrigin::Directory).or(self.connection_id.map(RuleOrigin::Connection))?;
        let Json(body) = self.body;
        Some(Rule { id: self.id, name: self.name, origin, within: self.within_id, body, version: self.version })
    }
}

/// The two columns of which one says where the facts of a rule come from.
fn origin_columns(origin: RuleOrigin) -> (Option<DirectoryId>, Option<ConnectionId>) {
    match origin {
        RuleOrigin::Directory(id) => (Some(id), None),
        RuleOrigin::Connection(id) => (None, Some(id)),
    }
}

impl Reader {
    /// The tenant's rules, in their order.
    pub async fn rules(&mut self) -> Result<Vec<Rule>> {
        Ok(self.placed_rules().await?.into_iter().map(|(_, rule)| rule).collect())
    }

    /// The tenant's rules, in their order, with their positions.
    pub async fn placed_rules(&mut self) -> Result<Vec<(i64, Rule)>> {
        #[derive(sqlx::FromRow)]
        struct Placed {
            position: i64,
            #[sqlx(flatten)]
            columns: RuleColumns,
        }
        let rows = sql!(
            self,
            fetch_all::<Placed>(
                "select position, id, name, directory_id, connection_id, within_id, body, version from rules
                 where tenant_id = $1 order by position, id"
            )
        )?;
        Ok(rows.into_iter().filter_map(|row| Some((row.position, row.columns.rule()?))).collect())
    }

    /// Those of these rules that are there.
    pub async fn rules_among(&mut self, ids: &[RuleId]) -> Result<Vec<Rule>> {
        let rows = sql!(
            self,
            fetch_all::<RuleColumns>(
                "select id, name, directory_id, connection_id, within_id, body, version from rules where tenant_id = $1 and id in {ids $2}",
                Json(ids)
            )
        )?;
        Ok(rows.into_iter().filter_map(RuleColumns::rule).collect())
    }

    /// A rule of the tenant.
    pub async fn rule(&mut self, id: RuleId) -> Result<Option<Rule>> {
        let row = sql!(
            self,
            fetch_optional::<RuleColumns>(
                "select id, name, directory_id, connection_id, within_id, body, version from rules where tenant_id = $1 and id = $2",
                id
            )
        )?;
        Ok(row.and_then(RuleColumns::rule))
    }

    /// The version of the tenant's set of rules and of its account tree, which rises with each change of either.
    pub async fn rules_version(&mut self) -> Result<i64> {
        let row = sql!(self, fetch_optional::<(i64,)>("select version from rule_sets where tenant_id = $1"))?;
        Ok(row.map(|(version,)| version).unwrap_or_default())
    }

    /// What rules gave these logins.
    pub async fn rule_assignments(&mut self, logins: &[LoginId]) -> Result<Vec<HeldRow>> {
        sql!(
            self,
            fetch_all::<HeldRow>(
                "select id, login_id, account_id, role, source_id from assignments
                 where tenant_id = $1 and login_id in {ids $2} and source = $3 order by login_id, id",
                Json(logins),
                AssignmentSource::Rule
            )
        )
    }

    /// What these logins hold, for a page of Users in one statement. Each stands at the account where it was given; what a
    /// suspended account or a retired role gave is left out.
    pub async fn held_roles(&mut self, logins: &[LoginId]) -> Result<Vec<HeldRoleRow>> {
        if logins.is_empty() {
            return Ok(Vec::new());
        }
        sql!(
            self,
            fetch_all::<HeldRoleRow>(
                "with recursive
                   held as (
                     select distinct a.login_id, a.account_id, a.role, s.key as service, k.rank
                     from assignments a
                       join logins l on l.id = a.login_id
                       join accounts c on c.id = a.account_id
                       join roles k on k.catalogue = a.catalogue and k.key = a.role
                       left join services s on s.id = a.service_id
                     where a.tenant_id = $1 and a.login_id in {ids $2} and l.active and l.locked_at is null and c.state = 'active' and k.retired_at is null),
                   up as (
                     select c.id as account_id, c.parent_id, c.slug as path from accounts c
                     where c.tenant_id = $1 and c.id in (select account_id from held)
                     union all
                     select up.account_id, c.parent_id, c.slug || '/' || up.path from up join accounts c on c.id = up.parent_id
                     where c.tenant_id = $1)
                 select h.login_id, up.path as account, h.role, h.service
                 from tenants t cross join held h join up on up.account_id = h.account_id and up.parent_id is null
                 where t.tenant_id = $1
                 order by h.login_id, up.path, h.rank, h.role, h.service",
                Json(logins)
            )
        )
    }
}

impl Writer {
    /// Takes the tenant's set of rules as it is: a change of facts may go on beside others, a change of rules may not.
    pub async fn share_rules(&mut self) -> Result<()> {
        let row = sql!(self, fetch_optional::<(i64,)>("select version from rule_sets where tenant_id = $1 {for share}"))?;
        self.shared_rules = row.map(|(version,)| version);
        Ok(())
    }

    /// The version of the tenant's set of rules, if this transaction shares it: then nobody changes it until the end.
    #[must_use]
    pub fn shared_rules(&self) -> Option<i64> {
        self.shared_rules
    }

    /// Takes the tenant's set of rules alone, though no rule changes: nobody's facts change until this transaction ends.
    pub async fn hold_rules(&mut self) -> Result<()> {
        sql!(self, fetch_optional::<(i64,)>("select version from rule_sets where tenant_id = $1 {for update}"))?;
        Ok(())
    }

    /// Takes the tenant's set of rules for a change.
    pub async fn change_rules(&mut self, now: DateTime<Utc>) -> Result<()> {
        sql!(self, execute("update rule_sets set version = version + 1, updated_at = $2 where tenant_id = $1", now))?;
        Ok(())
    }

    /// Makes a rule, as the last one.
    pub async fn insert_rule(&mut self, new: &NewRule<'_>, now: DateTime<Utc>) -> Result<()> {
        let (directory, connection) = origin_columns(new.origin);
        sql!(
            self,
            execute(
                "insert into rules (tenant_id, id, name, position, directory_id, connection_id, within_id, body, version, created_at, updated_at)
                 select $1, $2, $3, coalesce(max(position), 0) + 1, $4, $5, $6, $7, 1, $8, $8 from rules where tenant_id = $1",
                new.id,
                new.name,
                directory,
                connection,
                new.within,
                Json(new.body),
                now
            )
        )?;
        Ok(())
    }

    /// Changes a rule, which keeps its place among the others.
    pub async fn update_rule(&mut self, rule: &Rule, now: DateTime<Utc>) -> Result<()> {
        let (directory, connection) = origin_columns(rule.origin);
        sql!(
            self,
            execute(
                "update rules set name = $3, directory_id = $4, connection_id = $5, within_id = $6, body = $7, version = $8, updated_at = $9
                 where tenant_id = $1 and id = $2",
                rule.id,
                &rule.name,
                directory,
                connection,
                rule.within,
                Json(&rule.body),
                rule.version,
                now
            )
        )?;
        Ok(())
    }

    /// Forgets a rule. What it gave goes when roles are computed anew.
    pub async fn delete_rule(&mut self, id: RuleId) -> Result<()> {
        sql!(self, execute("delete from rules where tenant_id = $1 and id = $2", id))?;
        Ok(())
    }

    /// Gives what rules now want. Somebody who has it already keeps it.
    pub async fn grant(&mut self, grants: &[GrantRow], now: DateTime<Utc>) -> Result<()> {
        if grants.is_empty() {
            return Ok(());
        }
        sql!(
            self,
            execute(
                "insert into assignments (tenant_id, id, login_id, account_id, catalogue, role, source, source_id, granted_at)
                 select $1, {uuid item.value ->> 'id'}, {uuid item.value ->> 'login'}, {uuid item.value ->> 'account'}, t.catalogue,
                   item.value ->> 'role', $4, {uuid item.value ->> 'rule'}, $3
                 from tenants t, {rows $2} where t.tenant_id = $1 on conflict do nothing",
                Json(grants),
                now,
                AssignmentSource::Rule
            )
        )?;
        Ok(())
    }

    /// Takes away what rules no longer want. Only what rules gave can go this way.
    pub async fn revoke(&mut self, assignments: &[AssignmentId]) -> Result<()> {
        if assignments.is_empty() {
            return Ok(());
        }
        sql!(
            self,
            execute(
                "delete from assignments where tenant_id = $1 and id in {ids $2} and source = $3",
                Json(assignments),
                AssignmentSource::Rule
            )
        )?;
        Ok(())
    }

    /// Makes the roles table say what a catalogue file says. A role that is gone from the file is retired and gives nothing; it comes
    /// back with the file. Catalogues belong to the operator, whose tenant this writer must have.
    pub async fn sync_roles(&mut self, catalogue: &str, roles: &[RoleRow], now: DateTime<Utc>) -> Result<()> {
        debug_assert_eq!(self.tenant(), TenantId::OPERATOR);
        sql!(
            self,
            execute(
                "insert into roles (catalogue, key, name, description, exclusive_set, rank)
                 select $2, item.value ->> 'key', item.value ->> 'name', item.value ->> 'description', item.value ->> 'exclusive_set',
                   cast(item.value ->> 'rank' as bigint)
                 from tenants t, {rows $3} where t.tenant_id = $1
                 on conflict (catalogue, key) do update set name = excluded.name, description = excluded.description,
                   exclusive_set = excluded.exclusive_set, rank = excluded.rank, retired_at = null",
                catalogue,
                Json(roles)
            )
        )?;
        sql!(
            self,
            execute(
                "update roles set retired_at = $3 where catalogue = $2 and retired_at is null
                   and key not in (select item.value ->> 'key' from {rows $4})
                   and exists (select 1 from tenants where tenant_id = $1)",
                catalogue,
                now,
                Json(roles)
            )
        )?;
        Ok(())
    }
}
