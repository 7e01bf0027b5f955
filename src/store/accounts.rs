//! Tenants and accounts.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::{Error, Reader, Result, Writer, sql};
use crate::model::{Account, AccountId, AccountState, Instance, InstanceId, Service, ServiceId, Tenant, TenantLimits, TenantState};

/// An account to be made.
#[derive(Clone, Debug)]
pub struct AccountRow<'a> {
    pub id: AccountId,
    pub parent_id: Option<AccountId>,
    pub slug: &'a str,
    pub name: &'a str,
}

impl Reader {
    /// The tenant itself.
    pub async fn tenant_row(&mut self) -> Result<Option<Tenant>> {
        sql!(
            self,
            fetch_optional::<Tenant>("select tenant_id, slug, name, catalogue, created_at from tenants where tenant_id = $1")
        )
    }

    /// What the tenant says of its sessions.
    pub async fn session_limits(&mut self) -> Result<TenantLimits> {
        let row =
            sql!(self, fetch_optional::<TenantLimits>("select session_idle, session_absolute from tenants where tenant_id = $1"))?;
        Ok(row.unwrap_or_default())
    }

    /// How many persons and logins the tenant has.
    pub async fn population(&mut self) -> Result<(i64, i64)> {
        let row = sql!(
            self,
            fetch_optional::<(i64, i64)>(
                "select (select count(*) from persons p where p.tenant_id = $1), (select count(*) from logins l where l.tenant_id = $1)
                 from tenants where tenant_id = $1"
            )
        )?;
        Ok(row.unwrap_or_default())
    }

    /// An account and those above it, up to the root; nothing when there is no such account.
    pub async fn account_path(&mut self, id: AccountId) -> Result<Vec<Account>> {
        sql!(
            self,
            fetch_all::<Account>(
                "with recursive up as (
                   select a.id, a.parent_id, a.slug, a.name, a.state, 0 as height from accounts a where a.tenant_id = $1 and a.id = $2
                   union all
                   select a.id, a.parent_id, a.slug, a.name, a.state, up.height + 1 from up join accounts a on a.id = up.parent_id
                   where a.tenant_id = $1 and up.height < 100)
                 select up.id, up.parent_id, up.slug, up.name, up.state from tenants t cross join up where t.tenant_id = $1 order by up.height",
                id
            )
        )
    }

    /// All that the accounts of the tenant subscribe to, by account and key.
    pub async fn services(&mut self) -> Result<Vec<Service>> {
        sql!(self, fetch_all::<Service>("select id, account_id, key from services where tenant_id = $1 order by account_id, key"))
    }

    /// What an account subscribes to, by key.
    pub async fn services_of(&mut self, account: AccountId) -> Result<Vec<Service>> {
        sql!(
            self,
            fetch_all::<Service>(
                "select id, account_id, key from services where tenant_id = $1 and account_id = $2 order by key",
                account
            )
        )
    }

    /// The instances of the services of an account, by what the portal calls them.
    pub async fn instances_of(&mut self, account: AccountId) -> Result<Vec<Instance>> {
        sql!(
            self,
            fetch_all::<Instance>(
                "select i.id, i.service_id, i.ref from services s join instances i on i.service_id = s.id
                 where s.tenant_id = $1 and s.account_id = $2 order by i.ref, i.id",
                account
            )
        )
    }

    /// The whole account tree, parents before their children's names are looked up by the caller.
    pub async fn accounts(&mut self) -> Result<Vec<Account>> {
        sql!(
            self,
            fetch_all::<Account>("select id, parent_id, slug, name, state from accounts where tenant_id = $1 order by name, id")
        )
    }
}

impl Writer {
    /// Suspends the tenant, or takes it into use again. Answers whether it was in the other state; the operator's own tenant has but one.
    pub async fn change_tenant_state(&mut self, state: TenantState) -> Result<bool> {
        let rows =
            sql!(self, execute("update tenants set state = $2 where tenant_id = $1 and state <> $2 and not reserved", state))?;
        Ok(rows == 1)
    }

    /// Says how long the tenant's sessions last, those that have begun among them.
    pub async fn set_session_limits(&mut self, limits: TenantLimits) -> Result<()> {
        let written = sql!(
            self,
            execute(
                "update tenants set session_idle = $2, session_absolute = $3 where tenant_id = $1",
                limits.session_idle,
                limits.session_absolute
            )
        )?;
        if written == 1 { Ok(()) } else { Err(Error::Raced) }
    }

    /// Makes the tenant that this writer is bound to, with its empty set of rules.
    pub async fn insert_tenant(&mut self, slug: &str, name: &str, catalogue: &str, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into tenants (tenant_id, slug, name, catalogue, reserved, state, epoch, created_at)
                 values ($1, $2, $3, $4, $5, 'active', 0, $6)",
                slug,
                name,
                catalogue,
                false,
                now
            )
        )?;
        sql!(self, execute("insert into rule_sets (tenant_id, version, updated_at) values ($1, 0, $2)", now))?;
        Ok(())
    }

    /// Makes an account.
    pub async fn insert_account(&mut self, account: &AccountRow<'_>, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into accounts (tenant_id, id, parent_id, slug, name, state, created_at) values ($1, $2, $3, $4, $5, $6, $7)",
                account.id,
                account.parent_id,
                account.slug,
                account.name,
                AccountState::Active,
                now
            )
        )?;
        Ok(())
    }

    /// Locks accounts, by ascending id: nobody changes them, or counts their administrators, beside this transaction.
    pub async fn lock_accounts(&mut self, accounts: &[AccountId]) -> Result<Vec<AccountId>> {
        let rows = sql!(
            self,
            fetch_all::<(AccountId,)>(
                "select id from accounts where tenant_id = $1 and id in {ids $2} order by id {for update}",
                Json(accounts)
            )
        )?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Writes what an account is called, where it stands, and whether it is in use.
    pub async fn update_account(&mut self, account: &Account) -> Result<()> {
        sql!(
            self,
            execute(
                "update accounts set parent_id = $3, slug = $4, name = $5, state = $6 where tenant_id = $1 and id = $2",
                account.id,
                account.parent_id,
                &account.slug,
                &account.name,
                account.state
            )
        )?;
        Ok(())
    }

    /// Subscribes an account to a service. Answers `false` when it did so before.
    pub async fn insert_service(&mut self, service: &Service, now: DateTime<Utc>) -> Result<bool> {
        let rows = sql!(
            self,
            execute(
                "insert into services (tenant_id, id, account_id, key, created_at) values ($1, $2, $3, $4, $5)
                 on conflict (account_id, key) do nothing",
                service.id,
                service.account_id,
                &service.key,
                now
            )
        )?;
        Ok(rows > 0)
    }

    /// Ends a subscription. What was narrowed to the service goes before: [`Writer::delete_narrowed`].
    pub async fn delete_service(&mut self, service: ServiceId) -> Result<()> {
        sql!(self, execute("delete from instances where tenant_id = $1 and service_id = $2", service))?;
        sql!(self, execute("delete from services where tenant_id = $1 and id = $2", service))?;
        Ok(())
    }

    /// Makes an instance of a service known. Answers `false` when it was before.
    pub async fn insert_instance(&mut self, instance: &Instance, now: DateTime<Utc>) -> Result<bool> {
        let rows = sql!(
            self,
            execute(
                "insert into instances (tenant_id, id, service_id, ref, created_at) values ($1, $2, $3, $4, $5)
                 on conflict (service_id, ref) do nothing",
                instance.id,
                instance.service_id,
                &instance.reference,
                now
            )
        )?;
        Ok(rows > 0)
    }

    /// Forgets an instance. What was narrowed to it goes before: [`Writer::delete_narrowed`].
    pub async fn delete_instance(&mut self, instance: InstanceId) -> Result<()> {
        sql!(self, execute("delete from instances where tenant_id = $1 and id = $2", instance))?;
        Ok(())
    }
}
