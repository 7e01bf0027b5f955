//! May this login do that on this account? Answered for portals that ask instead of reading roles out of a token.
//!
//! [`decide`] is pure: what somebody holds at an account, and what is asked. [`Evaluator`] loads what that needs and no more, the account
//! with those above it, what it subscribes to, and what the login was given; a batch loads nothing twice. Whatever is unknown, foreign
//! or not active is a plain no, so that nobody learns by asking who and what there is.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Result;
use super::access::permits_named;
use super::catalogue::Catalogue;
use super::effective::{EffectiveRole, Place, effective_roles};
use super::recompute::{RuleBook, counting_assignments};
use crate::model::{Account, AccountId, Assignment, LoginId, TenantId};
use crate::store::{Reader, Store};

/// What is asked about an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// A permission, as the tenant's catalogue calls it.
    pub permission: &'a str,
    /// The key of the service that it is about; `None` is the account as a whole.
    pub service: Option<&'a str>,
    /// The instance of that service, as the portal calls it.
    pub instance: Option<&'a str>,
}

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Deny,
    /// Yes. With `step_up` every role that says so asks for a fresh sign-in before it is used.
    Allow {
        step_up: bool,
    },
}

/// Decides by what a login was given. A role that was narrowed to a service or an instance allows nothing outside of it; one that is of a
/// service by the catalogue is also meant where no service is named. Nothing is allowed for a service that the account has not.
#[must_use]
pub fn decide(catalogue: &Catalogue, place: Place<'_>, held: &[Assignment], question: Question<'_>) -> Decision {
    if question.service.is_some_and(|service| !place.services.contains(service)) {
        return Decision::Deny;
    }
    let roles = effective_roles(catalogue, place, held);
    let steps: Vec<_> = roles
        .iter()
        .filter(|held| held.counts() && covers(held, question) && permits_named(held.role, question.permission))
        .map(|held| held.role.step_up)
        .collect();
    if steps.is_empty() { Decision::Deny } else { Decision::Allow { step_up: steps.iter().all(|step_up| *step_up) } }
}

/// Whether a role is held for what the question is about.
fn covers(held: &EffectiveRole<'_>, question: Question<'_>) -> bool {
    let service = match (held.service, question.service) {
        (None, _) => true,
        (Some(service), Some(asked)) => service == asked,
        (Some(_), None) => held.role.service.is_some(),
    };
    service && held.instance.is_none_or(|instance| question.service.is_some() && question.instance == Some(instance))
}

/// Who asks, and so about which accounts they are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// A login of the tenant, about the accounts where it has the permission to see people.
    Login(LoginId),
    /// A client, about this account and those below.
    Client(AccountId),
}

/// What the questions of one request share.
#[derive(Debug)]
pub struct Evaluator {
    reader: Reader,
    rules: RuleBook,
    asking: Asking,
    /// None when the tenant has a catalogue that this program does not know.
    catalogue: Option<Arc<Catalogue>>,
    sites: BTreeMap<AccountId, Site>,
    held: BTreeMap<LoginId, Vec<Assignment>>,
}

/// An account with those above it, and what it subscribes to. One of nobody has no path.
#[derive(Debug)]
struct Site {
    path: Vec<Account>,
    services: BTreeSet<String>,
}

impl Evaluator {
    /// # Errors
    /// When the database cannot be asked.
    pub async fn open(store: &Store, tenant: TenantId, asking: Asking, rules: &RuleBook) -> Result<Self> {
        let mut reader = store.read(tenant);
        let slug = reader.tenant_row().await?.map(|tenant| tenant.catalogue);
        let catalogue = slug.and_then(|slug| rules.catalogue(&slug)).cloned();
        Ok(Self { reader, rules: rules.clone(), asking, catalogue, sites: BTreeMap::new(), held: BTreeMap::new() })
    }

    /// Decides for a login at an account, if who asks may know.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn decide(&mut self, login: LoginId, account: AccountId, question: Question<'_>) -> Result<Decision> {
        let Some(catalogue) = self.catalogue.clone() else { return Ok(Decision::Deny) };
        self.load_site(account).await?;
        let may_ask = match self.asking {
            Asking::Client(within) => self.sites.get(&account).is_some_and(|site| site.path.iter().any(|above| above.id == within)),
            Asking::Login(asker) => {
                self.load_held(asker).await?;
                let seeing = Question { permission: "people.view", service: None, instance: None };
                self.decided(&catalogue, asker, account, seeing) != Decision::Deny
            }
        };
        if !may_ask {
            return Ok(Decision::Deny);
        }
        self.load_held(login).await?;
        Ok(self.decided(&catalogue, login, account, question))
    }

    fn decided(&self, catalogue: &Catalogue, login: LoginId, account: AccountId, question: Question<'_>) -> Decision {
        let (Some(site), Some(held)) = (self.sites.get(&account), self.held.get(&login)) else { return Decision::Deny };
        let path: Vec<_> = site.path.iter().collect();
        decide(catalogue, Place { path: &path, services: &site.services }, held, question)
    }

    async fn load_site(&mut self, account: AccountId) -> Result<()> {
        if self.sites.contains_key(&account) {
            return Ok(());
        }
        let path = self.reader.account_path(account).await?;
        let services = if path.is_empty() { Vec::new() } else { self.reader.services_of(account).await? };
        let services = services.into_iter().map(|service| service.key).collect();
        self.sites.insert(account, Site { path, services });
        Ok(())
    }

    async fn load_held(&mut self, login: LoginId) -> Result<()> {
        if !self.held.contains_key(&login) {
            let held = counting_assignments(&mut self.reader, &self.rules, login).await?;
            self.held.insert(login, held);
        }
        Ok(())
    }
}
