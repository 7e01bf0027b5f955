//! What the operator sets up: tenants, accounts, connections, directories, rules, clients.
//!
//! Every function makes what is missing and leaves what is there as it is, even where it differs: a second run of the same
//! file never undoes what somebody changed since. Each is one transaction with its event.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;
use serde_json::json;

use super::catalogue::Catalogue;
use super::recompute::{Cause, RuleBook, recompute_everybody, recompute_patterns};
use super::rules::{Draft, checked};
use super::sessions::write_limits;
use super::settings::{effective, uniqueness};
use super::tree::Tree;
use super::{Caller, Error, Result};
use crate::keys::{Place, Sealer};
use crate::model::TenantLimits;
use crate::model::{
    AccountId, Binding, ConnectionId, ConnectionState, DirectoryId, DirectorySettings, DomainId, EventKind, Given, Grant,
    JitPolicy, MissingClaim, OidcSettings, Pattern, Rule, RuleBody, RuleId, RuleOrigin, TenantId,
};
use crate::scim::profile::Profile;
use crate::store::{AccountRow, NewConnection, NewDirectory, NewRule, Store};

/// Where the client secret of a connection lies, for sealing.
#[must_use]
pub fn connection_secret_place(id: ConnectionId) -> Place {
    Place { table: "connections", column: "secret_sealed", row: id.uuid() }
}

/// Claims that name a mailbox and not a person. They never bind anybody.
const EMAIL_CLAIMS: &[&str] = &["email", "preferred_username", "upn", "unique_name", "verified_primary_email"];

/// One tenant, as its operator sets it up.
#[derive(Clone, Copy, Debug)]
pub struct Manage<'a> {
    pub store: &'a Store,
    pub sealer: &'a Sealer,
    pub rules: &'a RuleBook,
    pub caller: Caller<'a>,
}

/// A connection to be made.
#[derive(Clone, Debug)]
pub struct ConnectionSpec<'a> {
    pub slug: &'a str,
    pub name: &'a str,
    pub issuer: &'a str,
    pub secret: Option<&'a SecretString>,
    pub jit: JitPolicy,
    pub missing_claim: MissingClaim,
    pub contact: Option<&'a str>,
    pub settings: OidcSettings,
}

/// A directory to be made.
#[derive(Clone, Copy, Debug)]
pub struct DirectorySpec<'a> {
    pub slug: &'a str,
    pub name: &'a str,
    /// The name of its client profile.
    pub profile: &'a str,
    pub settings: &'a DirectorySettings,
}

/// A rule to be made.
#[derive(Clone, Debug)]
pub struct RuleSpec<'a> {
    pub name: &'a str,
    pub origin: RuleOrigin,
    /// Path of the subtree that the rule may give roles in.
    pub within: &'a str,
    /// May be empty where there is a pattern.
    pub when: &'a str,
    pub pattern: Option<&'a Pattern>,
    pub grants: Vec<GrantSpec<'a>>,
}

/// What a rule gives.
#[derive(Clone, Copy, Debug)]
pub struct GrantSpec<'a> {
    /// Its key, or `{name}` of a part of the pattern.
    pub role: &'a str,
    /// Its path below the rule's subtree, `.` for the top of that, or `{name}` of a part of the pattern.
    pub account: &'a str,
    pub names: &'a BTreeMap<String, String>,
}

/// What an `ensure` found or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ensured<T> {
    pub id: T,
    /// It was not there before.
    pub made: bool,
}

impl Manage<'_> {
    /// Makes a tenant.
    ///
    /// # Errors
    /// When the slug is no slug or the catalogue is unknown.
    pub async fn ensure_tenant(
        &self,
        slug: &str,
        name: &str,
        catalogue: &str,
        known: &[Arc<Catalogue>],
    ) -> Result<Ensured<TenantId>> {
        if let Some(tenant) = self.store.doors().tenant_by_slug(slug).await? {
            return Ok(Ensured { id: tenant.id, made: false });
        }
        check_slug("tenant", slug)?;
        if !known.iter().any(|candidate| candidate.slug == catalogue) {
            let names: Vec<_> = known.iter().map(|candidate| candidate.slug.as_str()).collect();
            return Err(Error::Invalid(format!("there is no role catalogue {catalogue:?}; there are {}", names.join(", "))));
        }
        let id = TenantId::new(self.caller.now);
        let mut writer = self.store.write(id).await?;
        writer.insert_tenant(slug, name, catalogue, self.caller.now).await?;
        let event = self.caller.event(EventKind::TenantCreated, id.uuid(), json!({ "slug": slug, "catalogue": catalogue }));
        writer.record(&[event], self.caller.request_id).await?;
        writer.commit().await?;
        Ok(Ensured { id, made: true })
    }

    /// Says how long sessions of a tenant last.
    ///
    /// # Errors
    /// When a limit is none.
    pub async fn set_session_limits(&self, tenant: TenantId, limits: TenantLimits) -> Result<()> {
        write_limits(self.store, tenant, self.caller, limits).await
    }

    /// Makes an account. Its path is the slugs from the root down, joined by `/`; the parent must be there.
    ///
    /// # Errors
    /// When the parent is not there, or there is another root.
    pub async fn ensure_account(&self, tenant: TenantId, path: &str, name: &str) -> Result<Ensured<AccountId>> {
        let mut writer = self.store.write(tenant).await?;
        writer.change_rules(self.caller.now).await?;
        let tree = Tree::new(writer.accounts().await?);
        if let Some(id) = tree.find(path) {
            return Ok(Ensured { id, made: false });
        }
        let (parent, slug) = match path.rsplit_once('/') {
            Some((parent, slug)) => {
                let parent = tree
                    .find(parent)
                    .ok_or_else(|| Error::Invalid(format!("account {path:?}: its parent {parent:?} is not there")))?;
                (Some(parent), slug)
            }
            None if tree.is_empty() => (None, path),
            None => {
                return Err(Error::Invalid(format!(
                    "account {path:?}: the tenant has another root; write its path below that one"
                )));
            }
        };
        check_slug("account", slug)?;
        let id = AccountId::new(self.caller.now);
        writer.insert_account(&AccountRow { id, parent_id: parent, slug, name }, self.caller.now).await?;
        let cause = Cause { kind: EventKind::AccountCreated, target: id.uuid(), account: id };
        recompute_patterns(&mut writer, self.rules, &cause, &self.caller).await?;
        let event = self.caller.event(EventKind::AccountCreated, id.uuid(), json!({ "path": path })).at(id);
        writer.record(&[event], self.caller.request_id).await?;
        writer.commit().await?;
        Ok(Ensured { id, made: true })
    }

    /// Makes an OpenID Connect connection, enabled, with its home at the root account.
    ///
    /// # Errors
    /// When the tenant has no root account.
    pub async fn ensure_connection(&self, tenant: TenantId, spec: &ConnectionSpec<'_>) -> Result<Ensured<ConnectionId>> {
        let mut writer = self.store.write(tenant).await?;
        if let Some(found) = writer.connections().await?.into_iter().find(|connection| connection.slug == spec.slug) {
            return Ok(Ensured { id: found.id, made: false });
        }
        check_slug("connection", spec.slug)?;
        let home = Tree::new(writer.accounts().await?).root()?.id;
        let id = ConnectionId::new(self.caller.now);
        let sealed = spec.secret.map(|secret| self.sealer.seal_text(&connection_secret_place(id), secret));
        let new = NewConnection {
            id,
            slug: spec.slug,
            name: spec.name,
            state: ConnectionState::Enabled,
            issuer: spec.issuer,
            secret: sealed.as_ref(),
            jit: spec.jit,
            missing_claim: spec.missing_claim,
            home_account_id: home,
            contact: spec.contact,
            settings: &spec.settings.clone().into(),
        };
        writer.insert_connection(&new, self.caller.now).await?;
        let event = self.caller.event(EventKind::ConnectionCreated, id.uuid(), json!({ "slug": spec.slug, "issuer": spec.issuer }));
        writer.record(&[event], self.caller.request_id).await?;
        writer.commit().await?;
        Ok(Ensured { id, made: true })
    }

    /// Records that the operator knows an e-mail domain to be the tenant's, and which connections its people use.
    ///
    /// # Errors
    /// When another tenant has proved the domain.
    pub async fn ensure_domain(&self, tenant: TenantId, domain: &str, connections: &[ConnectionId]) -> Result<bool> {
        let domain = domain.to_lowercase();
        let owners = self.store.doors().tenants_of_domain(&domain).await?;
        if owners.contains(&tenant) {
            return Ok(false);
        }
        if !owners.is_empty() {
            return Err(Error::Invalid(format!("the domain {domain:?} cannot be given to this tenant")));
        }
        let mut writer = self.store.write(tenant).await?;
        let id = DomainId::new(self.caller.now);
        writer.insert_domain(id, &domain, "operator", connections, self.caller.now).await?;
        let event = self.caller.event(EventKind::DomainCreated, id.uuid(), json!({ "domain": domain }));
        writer.record(&[event], self.caller.request_id).await?;
        writer.commit().await?;
        Ok(true)
    }

    /// Makes a directory, enabled, with its home at the root account.
    ///
    /// # Errors
    /// When there is no such client profile.
    pub async fn ensure_directory(&self, tenant: TenantId, spec: &DirectorySpec<'_>) -> Result<Ensured<DirectoryId>> {
        let DirectorySpec { slug, name, profile, settings } = *spec;
        let mut writer = self.store.write(tenant).await?;
        if let Some(found) = writer.directories().await?.into_iter().find(|directory| directory.slug == slug) {
            return Ok(Ensured { id: found.id, made: false });
        }
        check_slug("directory", slug)?;
        let Ok(known) = profile.parse::<Profile>() else {
            return Err(Error::Invalid(format!("directory {slug:?}: there is no client profile {profile:?}")));
        };
        let unique = uniqueness(&effective(known, settings));
        let home = Tree::new(writer.accounts().await?).root()?.id;
        let id = DirectoryId::new(self.caller.now);
        writer
            .insert_directory(&NewDirectory { id, slug, name, profile, home_account_id: home, settings, unique }, self.caller.now)
            .await?;
        let event = self.caller.event(EventKind::DirectoryCreated, id.uuid(), json!({ "slug": slug, "profile": profile }));
        writer.record(&[event], self.caller.request_id).await?;
        writer.commit().await?;
        Ok(Ensured { id, made: true })
    }

    /// Joins a directory and a connection by a binding pair.
    ///
    /// # Errors
    /// When the claim names a mailbox, or the attribute is not one that binds.
    pub async fn ensure_binding(&self, tenant: TenantId, binding: &Binding) -> Result<bool> {
        if EMAIL_CLAIMS.contains(&binding.claim.as_str()) {
            return Err(Error::Invalid(format!(
                "the claim {:?} names a mailbox, which can change hands; bind by an immutable one such as \"sub\" or \"oid\"",
                binding.claim
            )));
        }
        if !matches!(binding.attribute.as_str(), "externalId" | "userName") {
            return Err(Error::Invalid(format!("the attribute {:?} cannot bind; use externalId or userName", binding.attribute)));
        }
        let mut writer = self.store.write(tenant).await?;
        let there = writer.bindings_of_directory(binding.directory_id).await?;
        if there.iter().any(|other| other.connection_id == binding.connection_id) {
            return Ok(false);
        }
        writer.insert_binding(binding, self.caller.now).await?;
        let event = self.caller.event(
            EventKind::BindingCreated,
            binding.directory_id.uuid(),
            json!({ "connection": binding.connection_id, "claim": binding.claim, "attribute": binding.attribute }),
        );
        writer.record(&[event], self.caller.request_id).await?;
        writer.commit().await?;
        Ok(true)
    }

    /// Makes a mapping rule and gives what it wants, to everybody: in the same transaction where they are few, else by a job.
    ///
    /// # Errors
    /// When its condition is no filter over facts, a role is not in the catalogue, or an account is not below `within`.
    pub async fn ensure_rule(&self, tenant: TenantId, spec: &RuleSpec<'_>, catalogue: &Catalogue) -> Result<Ensured<RuleId>> {
        let mut writer = self.store.write(tenant).await?;
        writer.change_rules(self.caller.now).await?;
        if let Some(found) = writer.rules().await?.into_iter().find(|rule| rule.name == spec.name) {
            return Ok(Ensured { id: found.id, made: false });
        }
        let draft = resolve_rule(spec, catalogue, &Tree::new(writer.accounts().await?))?;
        let id = RuleId::new(self.caller.now);
        let Draft { name, origin, within, body } = draft;
        writer.insert_rule(&NewRule { id, name: &name, origin, within, body: &body }, self.caller.now).await?;
        let after = Rule { id, name, origin, within, body, version: 1 };
        let event = self.caller.event(EventKind::RuleCreated, id.uuid(), json!({ "after": after })).at(within);
        writer.record(&[event], self.caller.request_id).await?;
        let cause = Cause { kind: EventKind::RuleCreated, target: id.uuid(), account: within };
        recompute_everybody(&mut writer, self.rules, &cause, &self.caller).await?;
        writer.commit().await?;
        Ok(Ensured { id, made: true })
    }
}

/// The rule with its paths made ids, checked like one that comes by the API. The operator may give everything.
fn resolve_rule(spec: &RuleSpec<'_>, catalogue: &Catalogue, tree: &Tree) -> Result<Draft> {
    let named = |text: String| Error::Invalid(format!("rule {:?}: {text}", spec.name));
    let within = tree.find(spec.within).ok_or_else(|| named(format!("there is no account {:?}", spec.within)))?;
    let mut grants = Vec::new();
    for grant in &spec.grants {
        let account = match Given::<AccountId>::try_from(grant.account.to_owned()) {
            Ok(Given::Captured(part)) => Given::Captured(part),
            Ok(Given::Fixed(_)) | Err(_) => {
                let path = if grant.account == "." { spec.within.to_owned() } else { format!("{}/{}", spec.within, grant.account) };
                Given::Fixed(tree.find(&path).ok_or_else(|| named(format!("there is no account {path:?}")))?)
            }
        };
        let role = Given::try_from(grant.role.to_owned()).map_err(&named)?;
        grants.push(Grant { role, account, names: grant.names.clone() });
    }
    let body = RuleBody { when: spec.when.to_owned(), pattern: spec.pattern.cloned(), grants };
    let draft = Draft { name: spec.name.to_owned(), origin: spec.origin, within, body };
    checked(&draft, catalogue, tree).map_err(|error| named(error.to_string()))
}

pub(in crate::directory) fn check_slug(what: &str, slug: &str) -> Result<()> {
    let fits = !slug.is_empty()
        && slug.len() <= 63
        && slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !slug.starts_with('-')
        && !slug.ends_with('-');
    if fits {
        Ok(())
    } else {
        Err(Error::Invalid(format!("{what} {slug:?}: a slug has 1 to 63 lower-case letters, digits and hyphens, none at its ends")))
    }
}
