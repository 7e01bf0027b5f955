//! Tenants and their account tree.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{AccountId, InstanceId, ServiceId, TenantId};

/// A customer company: the wall. No row is read without its tenant.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Tenant {
    #[sqlx(rename = "tenant_id")]
    pub id: TenantId,
    /// Short name in configuration files; unique in the service.
    pub slug: String,
    /// The company's name, shown on its pages.
    pub name: String,
    /// Which role catalogue its roles come from.
    pub catalogue: String,
    pub created_at: DateTime<Utc>,
}

/// Whether a tenant is in use. Nobody of a suspended one is signed in, and nothing is provisioned there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum TenantState {
    Active,
    Suspended,
}

/// Whether an account is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum AccountState {
    /// People with roles on it can use it.
    Active,
    /// Nobody enters it; nothing in it is lost.
    Suspended,
}

/// A node of the account tree: the root is the parent cloud (the company), the others are child clouds or business accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Account {
    pub id: AccountId,
    /// `None` for the root, of which each tenant has exactly one.
    pub parent_id: Option<AccountId>,
    /// Unique among its siblings; paths of slugs name accounts in rules.
    pub slug: String,
    pub name: String,
    pub state: AccountState,
}

/// A product that an account subscribes to.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Service {
    pub id: ServiceId,
    pub account_id: AccountId,
    /// What the tenant's catalogue calls it.
    pub key: String,
}

/// One of the things that a service is made of: a machine, a line.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Instance {
    pub id: InstanceId,
    pub service_id: ServiceId,
    /// What the portal calls it; unique in the service.
    #[sqlx(rename = "ref")]
    pub reference: String,
}
