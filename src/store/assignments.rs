//! Assignments: who was given which role where, and by what.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::{Reader, Result, Writer, sql};
use crate::model::{AccountId, Assignment, AssignmentId, AssignmentSource, InstanceId, LoginId, PersonId, ServiceId};

macro_rules! assignment_columns {
    () => {
        "a.id, a.login_id, a.account_id, a.service_id, s.key as service, a.instance_id, i.ref as instance, a.role, a.source, a.source_id,
         a.granted_at"
    };
}

macro_rules! assignments {
    () => {
        " from assignments a left join services s on s.id = a.service_id left join instances i on i.id = a.instance_id "
    };
}

/// An assignment to be given by hand.
#[derive(Clone, Debug)]
pub struct NewAssignment<'a> {
    pub id: AssignmentId,
    pub login: LoginId,
    pub account: AccountId,
    pub service: Option<ServiceId>,
    pub instance: Option<InstanceId>,
    pub role: &'a str,
    pub source: AssignmentSource,
    /// The login or client that gives it; the nil id for the operator's command line.
    pub source_id: uuid::Uuid,
}

/// An assignment, and the person of its login.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct HolderRow {
    #[sqlx(flatten)]
    pub assignment: Assignment,
    pub person_id: PersonId,
}

/// A login that was given something, as the extract of permissions shows it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct LoginOfExtract {
    pub id: LoginId,
    pub person_id: PersonId,
    pub user_name: String,
    /// The login is active, nobody has locked it, and its person is active.
    pub active: bool,
}

impl Reader {
    /// The logins that were given something on these accounts, whether it counts or not, or whose roles are still to be computed anew, by
    /// id, after `after`.
    pub async fn logins_given(
        &mut self,
        accounts: &[AccountId],
        after: Option<LoginId>,
        limit: u32,
    ) -> Result<Vec<LoginOfExtract>> {
        let after = after.unwrap_or(LoginId::from_uuid(uuid::Uuid::nil()));
        sql!(
            self,
            fetch_all::<LoginOfExtract>(
                "select l.id, l.person_id, l.user_name, l.active and l.locked_at is null and p.state = 'active' as active
                 from logins l join persons p on p.id = l.person_id
                 where l.tenant_id = $1 and l.id > $2 and (exists (
                   select 1 from assignments a where a.tenant_id = $1 and a.login_id = l.id and a.account_id in {ids $3})
                   or exists (select 1 from recomputations r where r.tenant_id = $1 and r.login_id = l.id))
                 order by l.id limit $4",
                after,
                Json(accounts),
                i64::from(limit)
            )
        )
    }

    /// What these logins were given, whether it counts or not, in the order in which they were given it.
    pub async fn assignments_of_logins(&mut self, logins: &[LoginId]) -> Result<Vec<Assignment>> {
        sql!(
            self,
            fetch_all::<Assignment>(
                concat!(
                    "select ",
                    assignment_columns!(),
                    assignments!(),
                    "where a.tenant_id = $1 and a.login_id in {ids $2} order by a.login_id, a.id"
                ),
                Json(logins)
            )
        )
    }

    /// What a login was given, whether it counts or not.
    pub async fn assignments_of(&mut self, login: LoginId) -> Result<Vec<Assignment>> {
        sql!(
            self,
            fetch_all::<Assignment>(
                concat!(
                    "select ",
                    assignment_columns!(),
                    assignments!(),
                    "where a.tenant_id = $1 and a.login_id = $2 order by a.id"
                ),
                login
            )
        )
    }

    /// What a login was given, if it is active and its person is; else nothing counts.
    pub async fn counting_assignments(&mut self, login: LoginId) -> Result<Vec<Assignment>> {
        sql!(
            self,
            fetch_all::<Assignment>(
                concat!(
                    "select ",
                    assignment_columns!(),
                    assignments!(),
                    "join logins l on l.id = a.login_id
                       join persons p on p.id = l.person_id
                     where a.tenant_id = $1 and a.login_id = $2 and l.active and l.locked_at is null and p.state = 'active' order by a.id"
                ),
                login
            )
        )
    }

    /// Those of these logins of which counts what they were given: they are active, nobody locked them, and their persons are active.
    pub async fn counting_logins(&mut self, logins: &[LoginId]) -> Result<BTreeSet<LoginId>> {
        let rows = sql!(
            self,
            fetch_all::<(LoginId,)>(
                "select l.id from logins l join persons p on p.id = l.person_id
                 where l.tenant_id = $1 and l.id in {ids $2} and l.active and l.locked_at is null and p.state = 'active'",
                Json(logins)
            )
        )?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// An assignment of the tenant.
    pub async fn assignment(&mut self, id: AssignmentId) -> Result<Option<Assignment>> {
        sql!(
            self,
            fetch_optional::<Assignment>(
                concat!("select ", assignment_columns!(), assignments!(), "where a.tenant_id = $1 and a.id = $2"),
                id
            )
        )
    }

    /// What active logins of active persons were given on these accounts, of these roles.
    pub async fn holders(&mut self, accounts: &[AccountId], roles: &[String]) -> Result<Vec<HolderRow>> {
        sql!(
            self,
            fetch_all::<HolderRow>(
                concat!(
                    "select l.person_id, ",
                    assignment_columns!(),
                    assignments!(),
                    "join logins l on l.id = a.login_id
                       join persons p on p.id = l.person_id
                     where a.tenant_id = $1 and a.account_id in {ids $2}
                       and a.role in (select item.value ->> 'key' from {rows $3}) and l.active and l.locked_at is null and p.state = 'active'"
                ),
                Json(accounts),
                Json(keys(roles))
            )
        )
    }

    /// What these logins were given on these accounts, if they are active and their persons are.
    pub async fn assignments_on(&mut self, accounts: &[AccountId], logins: &[LoginId]) -> Result<Vec<HolderRow>> {
        sql!(
            self,
            fetch_all::<HolderRow>(
                concat!("select l.person_id, ", assignment_columns!(), assignments!(), "join logins l on l.id = a.login_id
                       join persons p on p.id = l.person_id
                     where a.tenant_id = $1 and a.account_id in {ids $2} and a.login_id in {ids $3} and l.active and l.locked_at is null and p.state = 'active'"),
                Json(accounts),
                Json(logins)
            )
        )
    }
}

/// Texts as a table of one column.
fn keys(texts: &[String]) -> Vec<serde_json::Value> {
    texts.iter().map(|text| serde_json::json!({ "key": text })).collect()
}

impl Writer {
    /// Gives a role by hand. Answers `false` when the same hand gave it before.
    pub async fn insert_assignment(&mut self, new: &NewAssignment<'_>, now: DateTime<Utc>) -> Result<bool> {
        let rows = sql!(
            self,
            execute(
                "insert into assignments
                   (tenant_id, id, login_id, account_id, service_id, instance_id, catalogue, role, source, source_id, granted_at)
                 select $1, $2, $3, $4, $5, $6, t.catalogue, $7, $8, $9, $10 from tenants t where t.tenant_id = $1
                 on conflict do nothing",
                new.id,
                new.login,
                new.account,
                new.service,
                new.instance,
                new.role,
                new.source,
                new.source_id,
                now
            )
        )?;
        Ok(rows > 0)
    }

    /// Takes assignments away that hands gave. What rules gave stays: they alone take it away.
    pub async fn delete_assignments(&mut self, assignments: &[AssignmentId]) -> Result<u64> {
        sql!(
            self,
            execute(
                "delete from assignments where tenant_id = $1 and id in {ids $2} and source <> $3",
                Json(assignments),
                AssignmentSource::Rule
            )
        )
    }

    /// Takes everything away that was narrowed to a service, or to one instance of it, whoever gave it.
    pub async fn delete_narrowed(&mut self, service: ServiceId, instance: Option<InstanceId>) -> Result<u64> {
        sql!(
            self,
            execute(
                "delete from assignments where tenant_id = $1 and service_id = $2 and ($3 is null or instance_id = $3)",
                service,
                instance
            )
        )
    }
}
