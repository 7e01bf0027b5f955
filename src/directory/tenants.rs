//! All tenants, as the operator's persons see and suspend them.
//!
//! Who they are is decided by a login of the operator's own tenant, and by what its roles allow at the first account there. Each change is an
//! event of the tenant that it happens to.

use serde_json::json;

use super::access::{Authority, Permission, Reach};
use super::ending::end_tenant;
use super::recompute::RuleBook;
use super::{Caller, Error, Result};
use crate::model::{EventKind, TenantState};
use crate::store::{Reader, Store, TenantFigures, retry};

/// The tenants, and who asks with what they may do in the operator's own.
#[derive(Clone, Copy, Debug)]
pub struct Tenants<'a> {
    pub store: &'a Store,
    pub reach: &'a Reach,
    pub caller: Caller<'a>,
}

/// One tenant, with how many people it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantView {
    pub figures: TenantFigures,
    pub persons: i64,
    pub logins: i64,
}

impl Tenants<'_> {
    /// The tenants after a slug, by slug.
    ///
    /// # Errors
    /// When who asks may not see them.
    pub async fn list(&self, after: &str, limit: u32) -> Result<Vec<TenantFigures>> {
        self.needs(Permission::ViewTenants)?;
        Ok(self.store.doors().tenant_figures(after, limit).await?)
    }

    /// One tenant.
    ///
    /// # Errors
    /// When there is none such for who asks.
    pub async fn read(&self, slug: &str) -> Result<TenantView> {
        self.needs(Permission::ViewTenants)?;
        let figures = self.store.doors().figures_of_tenant(slug).await?.ok_or(Error::NotFound("tenant"))?;
        let (persons, logins) = self.store.read(figures.tenant_id).population().await?;
        Ok(TenantView { figures, persons, logins })
    }

    /// Suspends a tenant, or takes it into use again. While it is suspended nobody signs in there, its directories and clients are
    /// refused, and whoever was signed in is out at once, for good.
    ///
    /// # Errors
    /// When there is none such, or who asks may not.
    pub async fn change(&self, slug: &str, state: TenantState) -> Result<TenantView> {
        let before = self.read(slug).await?;
        self.needs(Permission::ManageTenants)?;
        retry(|| async {
            let mut writer = self.store.write(before.figures.tenant_id).await?;
            if !writer.change_tenant_state(state).await? {
                return Ok(());
            }
            // Either way whatever was signed in before is so no more.
            end_tenant(&mut writer, self.caller.now).await?;
            let details = json!({ "after": { "state": state } });
            let event = self.caller.event(EventKind::TenantChanged, before.figures.tenant_id.uuid(), details);
            writer.record(&[event], self.caller.request_id).await?;
            Ok::<_, Error>(writer.commit().await?)
        })
        .await?;
        self.read(slug).await
    }

    fn needs(&self, permission: Permission) -> Result<()> {
        let root = self.reach.tree().root()?.id;
        if self.reach.allows(permission, root) {
            return Ok(());
        }
        if self.reach.allows(Permission::ViewTenants, root) {
            return Err(Error::Forbidden(format!("this needs {}", permission.as_str())));
        }
        Err(Error::NotFound("tenant"))
    }
}

impl Reach {
    /// The reach of somebody of the operator's over the accounts of another tenant: what they are allowed at the first account of their own.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn into_tenant(&self, reader: &mut Reader, rules: &RuleBook) -> Result<Option<Self>> {
        let Ok(root) = self.tree().root() else { return Ok(None) };
        let permissions = Permission::ALL.iter().copied().filter(|permission| self.allows(*permission, root.id)).collect();
        Self::with(reader, Authority::Operator(permissions), rules).await
    }
}
