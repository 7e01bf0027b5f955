//! Tenants and accounts.

use chrono::{DateTime, Utc};

use super::{Reader, Result, Writer, sql};
use crate::model::{Account, AccountId, AccountState, Tenant};

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

    /// The whole account tree, parents before their children's names are looked up by the caller.
    pub async fn accounts(&mut self) -> Result<Vec<Account>> {
        sql!(
            self,
            fetch_all::<Account>("select id, parent_id, slug, name, state from accounts where tenant_id = $1 order by name, id")
        )
    }
}

impl Writer {
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
}
