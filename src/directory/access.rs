//! Who may see and change what is set up on an account: decided by the permissions of the roles that count there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::catalogue::{Catalogue, FirstHolder, Role};
use super::effective::{EffectiveRole, Place, effective_roles};
use super::recompute::{RuleBook, counting_assignments};
use super::tree::Tree;
use super::{Error, Result};
use crate::model::{AccountId, Assignment, ClientScope, ClientScopes, LoginId, Service, TenantId};
use crate::store::{Reader, Store};

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $text:literal $(, by $by:ident)?;)*) => {
        /// What roles can allow in Vestibule itself. The names stand in the role catalogues, among those of the portal.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Permission { $($(#[$doc])* $name,)* }

        impl Permission {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name in a catalogue.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The permission that allows this too: who may change something may see it.
            const fn by(self) -> Option<Self> {
                match self { $($(Self::$name => Some(Self::$by),)?)* _ => None }
            }
        }
    };
}

permissions! {
    /// To see the account and what it subscribes to.
    ViewAccounts = "accounts.view", by ManageAccounts;
    /// To make accounts below, and to rename, move and suspend them.
    ManageAccounts = "accounts.manage";
    /// To change what the account subscribes to.
    Subscribe = "accounts.subscribe";
    /// To see who has roles on the account, and why.
    ViewPeople = "people.view", by ManagePeople;
    /// To make, change and delete the people whose home the account is. Whoever has this is an administrator of the account.
    ManagePeople = "people.manage";
    /// To give and take the roles whose entries do not say who may.
    AssignRoles = "roles.assign";
    /// To see directories, their tokens and their provisioning log, without anybody's values.
    ViewDirectories = "directories.view", by ManageDirectories;
    /// To change them, and to see the values in their provisioning log.
    ManageDirectories = "directories.manage";
    /// To see rules, and what a change of one would change.
    ViewRules = "rules.view", by ManageRules;
    /// To change them, as far as they give what one may give oneself.
    ManageRules = "rules.manage";
    /// To see approval policies, what waits for an approval, and what was decided.
    ViewApprovals = "approvals.view", by ManageApprovals;
    /// To ask for an approval for somebody, as a portal does for who places an order there.
    RequestApprovals = "approvals.request", by ManageApprovals;
    /// To change approval policies, and to approve where a policy does not say who.
    ManageApprovals = "approvals.manage";
    /// To read the audit trail, and the extract of everybody's permissions.
    ViewAudit = "audit.view";
    /// To see all tenants, and to look into them. For the operator's persons, like the next two.
    ViewTenants = "tenants.view", by ManageTenants;
    /// To suspend tenants and take them into use again.
    ManageTenants = "tenants.manage";
    /// To make the first holders of roles that the operator begins.
    Appoint = "administrators.appoint";
}

impl Permission {
    /// The scopes of a client each of which gives it the permission; with none, no client has it.
    #[must_use]
    pub const fn scopes(self) -> &'static [ClientScope] {
        match self {
            Self::ViewAccounts => &[ClientScope::ReadAccounts, ClientScope::WriteAccounts],
            Self::ManageAccounts | Self::Subscribe => &[ClientScope::WriteAccounts],
            Self::ViewPeople => &[ClientScope::ReadPeople, ClientScope::WritePeople, ClientScope::WriteRoles],
            Self::ManagePeople => &[ClientScope::WritePeople],
            Self::AssignRoles => &[ClientScope::WriteRoles],
            Self::ViewDirectories => &[ClientScope::ReadDirectories, ClientScope::WriteDirectories],
            Self::ManageDirectories => &[ClientScope::WriteDirectories],
            Self::ViewRules => &[ClientScope::ReadRules, ClientScope::WriteRules],
            Self::ManageRules => &[ClientScope::WriteRules],
            Self::ViewApprovals => &[ClientScope::ReadApprovals, ClientScope::WriteApprovals],
            Self::RequestApprovals => &[ClientScope::WriteApprovals],
            Self::ViewAudit => &[ClientScope::ReadAudit],
            Self::ManageApprovals | Self::ViewTenants | Self::ManageTenants | Self::Appoint => &[],
        }
    }
}

/// What somebody may do on every account of their tenant: a login by its own roles alone, never by those of the person's other login,
/// or a client by its scopes, on one account and those below.
#[derive(Clone, Debug)]
pub struct Reach {
    catalogue: Arc<Catalogue>,
    tree: Tree,
    services: BTreeMap<AccountId, BTreeSet<String>>,
    authority: Authority,
}

/// By what somebody may do something.
#[derive(Clone, Debug)]
pub enum Authority {
    /// The assignments of a login.
    Roles(Vec<Assignment>),
    /// The scopes of a client's access token, and the account from which down it acts.
    Scopes(ClientScopes, AccountId),
    /// What a login of the operator's tenant is allowed there, on every account of this one.
    Operator(BTreeSet<Permission>),
}

impl Reach {
    /// The reach that an authority gives.
    #[must_use]
    pub fn new(catalogue: Arc<Catalogue>, tree: Tree, services: Vec<Service>, authority: Authority) -> Self {
        let mut by_account: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for service in services {
            by_account.entry(service.account_id).or_default().insert(service.key);
        }
        Self { catalogue, tree, services: by_account, authority }
    }

    /// Reads the reach of a login. One that is not active has none.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn load(reader: &mut Reader, login: LoginId, rules: &RuleBook) -> Result<Option<Self>> {
        let held = counting_assignments(reader, rules, login).await?;
        Self::with(reader, Authority::Roles(held), rules).await
    }

    /// Reads what else there is to the reach of an authority.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn with(reader: &mut Reader, authority: Authority, rules: &RuleBook) -> Result<Option<Self>> {
        let Some(tenant) = reader.tenant_row().await? else { return Ok(None) };
        let Some(catalogue) = rules.catalogue(&tenant.catalogue) else { return Ok(None) };
        let tree = Tree::new(reader.accounts().await?);
        Ok(Some(Self::new(catalogue.clone(), tree, reader.services().await?, authority)))
    }

    /// The accounts of the tenant, also those out of reach.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The tenant's catalogue.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The keys of the services that an account subscribes to.
    #[must_use]
    pub fn services(&self, account: AccountId) -> BTreeSet<String> {
        self.services.get(&account).cloned().unwrap_or_default()
    }

    /// Whether they hold a role at an account, all of it.
    #[must_use]
    pub fn holds(&self, role: &str, account: AccountId) -> bool {
        self.roles(account).iter().any(|held| held.counts() && held.is_whole() && held.role.key == role)
    }

    /// Whether they hold any role at an account, be it for one service alone.
    #[must_use]
    pub fn holds_any(&self, account: AccountId) -> bool {
        self.roles(account).iter().any(EffectiveRole::counts)
    }

    /// What a login holds at an account, with causes, also what is shadowed. Nothing at an account of another tenant. A client holds no
    /// roles.
    #[must_use]
    pub fn roles(&self, account: AccountId) -> Vec<EffectiveRole<'_>> {
        match &self.authority {
            Authority::Roles(held) => self.roles_of(account, held),
            Authority::Scopes(..) | Authority::Operator(_) => Vec::new(),
        }
    }

    /// What an active login with these assignments holds at an account, with causes, also what is shadowed.
    #[must_use]
    pub fn roles_of<'a>(&'a self, account: AccountId, held: &'a [Assignment]) -> Vec<EffectiveRole<'a>> {
        static NONE: BTreeSet<String> = BTreeSet::new();
        let path = self.tree.up(account);
        let services = self.services.get(&account).unwrap_or(&NONE);
        effective_roles(&self.catalogue, Place { path: &path, services }, held)
    }

    /// Whether they have the permission on an account, for the whole of it.
    #[must_use]
    pub fn allows(&self, permission: Permission, account: AccountId) -> bool {
        match &self.authority {
            Authority::Scopes(_, within) => return self.scoped(permission).is_ok() && self.tree.is_within(account, *within),
            Authority::Operator(permissions) => {
                let has = |permission| permissions.contains(&permission);
                return self.tree.get(account).is_some() && (has(permission) || permission.by().is_some_and(has));
            }
            Authority::Roles(_) => {}
        }
        self.roles(account).iter().filter(|held| held.counts() && held.is_whole()).any(|held| permits(held.role, permission))
    }

    /// Refuses a client that has none of the scopes for a permission, wherever it acts. A login is refused account by account.
    ///
    /// # Errors
    /// When it has none of them; the text names one.
    pub fn scoped(&self, permission: Permission) -> Result<()> {
        let Authority::Scopes(scopes, _) = &self.authority else { return Ok(()) };
        let wanted = permission.scopes();
        if wanted.iter().any(|scope| scopes.contains(*scope)) {
            return Ok(());
        }
        Err(Error::Forbidden(match wanted.first() {
            Some(scope) => format!("this needs an access token with the scope {scope}"),
            None => format!("this needs {}, which no client has", permission.as_str()),
        }))
    }

    /// Refuses who has not the permission on an account. An account that they may not see is answered as if it never was.
    ///
    /// # Errors
    /// When they have not.
    pub fn needs(&self, permission: Permission, account: AccountId) -> Result<()> {
        self.scoped(permission)?;
        if self.allows(permission, account) {
            return Ok(());
        }
        if !matches!(self.authority, Authority::Scopes(..)) && self.allows(Permission::ViewAccounts, account) {
            return Err(Error::Forbidden(format!("this needs {} on the account", permission.as_str())));
        }
        Err(Error::NotFound("account"))
    }

    /// Whether there is no account on which they have any permission of Vestibule's own.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.tree.downwards().iter().any(|account| Permission::ALL.iter().any(|permission| self.allows(*permission, account.id)))
    }

    /// The roles that can be given at an account, whoever asks: those whose scope fits it, and whose service it subscribes to.
    pub fn available(&self, account: AccountId) -> impl Iterator<Item = &Role> {
        let is_root = self.tree.get(account).is_some_and(|account| account.parent_id.is_none());
        let services = self.services(account);
        let subscribed = move |role: &Role| role.service.as_ref().is_none_or(|service| services.contains(service));
        self.catalogue.roles.iter().filter(move |role| role.scope.fits(is_root) && subscribed(role))
    }

    /// Whether it is somebody of the operator's, in a tenant that is not theirs.
    #[must_use]
    pub fn is_operator(&self) -> bool {
        matches!(self.authority, Authority::Operator(_))
    }

    /// Whether they may give and take a role at an account: a login that holds one of the roles that may; a client whose scopes say so,
    /// any role but those whose first holder the operator makes; the operator's persons by their permissions.
    #[must_use]
    pub fn may_assign(&self, role: &str, account: AccountId) -> bool {
        let Some(entry) = self.catalogue.role(role) else { return false };
        match self.authority {
            Authority::Scopes(..) => {
                return entry.first_holder != FirstHolder::Operator && self.allows(Permission::AssignRoles, account);
            }
            Authority::Operator(_) => {
                let begins = entry.first_holder == FirstHolder::Operator;
                return self.allows(if begins { Permission::Appoint } else { Permission::AssignRoles }, account);
            }
            Authority::Roles(_) => {}
        }
        self.roles(account).iter().any(|held| held.counts() && held.is_whole() && entry.assigned_by.contains(&held.role.key))
    }
}

/// Whether a role has the permission by itself.
pub(super) fn permits(role: &Role, permission: Permission) -> bool {
    let has = |permission: Permission| role.permissions.contains(permission.as_str());
    has(permission) || permission.by().is_some_and(has)
}

/// Whether a role has the permission of this name, Vestibule's own or the portal's, by itself.
pub(super) fn permits_named(role: &Role, name: &str) -> bool {
    match Permission::ALL.iter().find(|permission| permission.as_str() == name) {
        Some(own) => permits(role, *own),
        None => role.permissions.contains(name),
    }
}

/// The reach of a login, by its own roles alone. `None` when its tenant has no catalogue that this program knows.
///
/// # Errors
/// When the database cannot be asked.
pub async fn reach(store: &Store, tenant: TenantId, login: LoginId, rules: &RuleBook) -> Result<Option<Reach>> {
    Reach::load(&mut store.read(tenant), login, rules).await
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::model::{Account, AccountState, AssignmentId, AssignmentSource, ServiceId};

    const CATALOGUE: &str = r#"
name = "x"
[[role]]
key = "viewer"
name = "V"
description = "Sees."
inherits = true
permissions = ["directories.view"]
[[role]]
key = "manager"
name = "M"
description = "Changes."
inherits = true
permissions = ["directories.manage", "roles.assign"]
[[role]]
key = "local"
name = "L"
description = "Sees here."
permissions = ["directories.view"]
assigned_by = ["viewer"]
[[role]]
key = "other"
name = "O"
description = "Neither."
permissions = ["people.view", "directories.viewer"]
"#;

    /// Roles at accounts, the accounts that they show, and those that they let be changed.
    type Case<'a> = (&'a [(&'a str, AccountId)], &'a [AccountId], &'a [AccountId]);

    #[test]
    fn a_role_counts_at_its_account_and_below_where_it_inherits_and_nowhere_else() {
        let catalogue = Arc::new(Catalogue::parse("x", CATALOGUE).unwrap());
        let [root, emea, berlin, apac, foreign] = std::array::from_fn(|_| AccountId::new(DateTime::UNIX_EPOCH));
        let account =
            |id, parent_id| Account { id, parent_id, slug: String::new(), name: String::new(), state: AccountState::Active };
        let accounts = vec![account(root, None), account(emea, Some(root)), account(berlin, Some(emea)), account(apac, Some(root))];
        let all = [root, emea, berlin, apac, foreign];
        let (see, change) = (Permission::ViewDirectories, Permission::ManageDirectories);
        let table: [Case<'_>; 8] = [
            (&[], &[], &[]),
            (&[("viewer", root)], &[root, emea, berlin, apac], &[]),
            (&[("manager", root)], &[root, emea, berlin, apac], &[root, emea, berlin, apac]),
            (&[("manager", emea)], &[emea, berlin], &[emea, berlin]),
            (&[("viewer", emea), ("manager", berlin)], &[emea, berlin], &[berlin]),
            (&[("local", emea)], &[emea], &[]),
            (&[("gone", root)], &[], &[]),
            (&[("viewer", apac), ("other", root)], &[apac], &[]),
        ];
        for (roles, seen, changed) in table {
            let held = roles.iter().map(|(role, account)| given(role, *account)).collect();
            let reach = Reach::new(catalogue.clone(), Tree::new(accounts.clone()), Vec::new(), Authority::Roles(held));
            let reached = |permission| -> Vec<_> { all.into_iter().filter(|id| reach.allows(permission, *id)).collect() };
            assert_eq!((reached(see), reached(change)), (seen.to_vec(), changed.to_vec()), "{roles:?}");
            assert_eq!(reach.is_empty(), seen.is_empty(), "{roles:?}");
        }
        let held = vec![given("manager", emea), given("viewer", apac)];
        let reach = Reach::new(catalogue, Tree::new(accounts), Vec::new(), Authority::Roles(held));
        let may = |role| -> Vec<_> { all.into_iter().filter(|id| reach.may_assign(role, *id)).collect() };
        assert_eq!((may("viewer"), may("local"), may("gone")), (vec![emea, berlin], vec![apac], vec![]));
    }

    #[test]
    fn a_client_has_its_scopes_on_its_account_and_below_and_nothing_else() {
        let text = CATALOGUE.to_owned()
            + "[[role]]\nkey = \"crown\"\nname = \"C\"\ndescription = \"D.\"\nfirst_holder = \"operator\"\nassigned_by = [\"crown\", \"viewer\"]\n";
        let catalogue = Arc::new(Catalogue::parse("x", &text).unwrap());
        let [root, emea, berlin, apac, foreign] = std::array::from_fn(|_| AccountId::new(DateTime::UNIX_EPOCH));
        let account =
            |id, parent_id| Account { id, parent_id, slug: String::new(), name: String::new(), state: AccountState::Suspended };
        let accounts = vec![account(root, None), account(emea, Some(root)), account(berlin, Some(emea)), account(apac, Some(root))];
        let reach = |scopes: &[ClientScope], within| {
            let authority = Authority::Scopes(scopes.iter().copied().collect(), within);
            Reach::new(catalogue.clone(), Tree::new(accounts.clone()), Vec::new(), authority)
        };
        let all = [root, emea, berlin, apac, foreign];
        for scope in ClientScope::ALL {
            let has: Vec<_> = Permission::ALL.iter().filter(|permission| permission.scopes().contains(scope)).collect();
            for (within, reached) in [(root, &all[..4]), (emea, &all[1..3]), (berlin, &all[2..3]), (foreign, &all[..0])] {
                let reach = reach(&[*scope], within);
                for permission in Permission::ALL {
                    let allowed: Vec<_> = all.into_iter().filter(|id| reach.allows(*permission, *id)).collect();
                    let expected: &[_] = if has.contains(&permission) { reached } else { &[] };
                    assert_eq!(allowed, expected, "{scope} {permission:?}");
                    let refused = reach.needs(*permission, apac);
                    let forbidden = matches!(refused, Err(Error::Forbidden(_)));
                    assert_eq!(forbidden, !has.contains(&permission), "{scope} {permission:?}: {refused:?}");
                }
                let may = |role| -> Vec<_> { all.into_iter().filter(|id| reach.may_assign(role, *id)).collect() };
                let expected: &[_] = if *scope == ClientScope::WriteRoles { reached } else { &[] };
                assert_eq!((may("viewer"), may("crown"), may("gone")), (expected.to_vec(), vec![], vec![]));
            }
        }
        assert!(reach(&[ClientScope::Evaluate], root).is_empty() && !reach(&[ClientScope::ReadAudit], root).is_empty());
    }

    #[test]
    fn what_was_narrowed_to_a_service_looks_after_no_account() {
        let catalogue = Arc::new(Catalogue::parse("x", CATALOGUE).unwrap());
        let id = AccountId::new(DateTime::UNIX_EPOCH);
        let root = Account { id, parent_id: None, slug: String::new(), name: String::new(), state: AccountState::Active };
        for (service, whole) in [(None, true), (Some("mail"), false)] {
            let narrowed = Assignment {
                service_id: service.map(|_| ServiceId::new(DateTime::UNIX_EPOCH)),
                service: service.map(ToOwned::to_owned),
                ..given("manager", id)
            };
            let tree = Tree::new(vec![root.clone()]);
            let reach = Reach::new(catalogue.clone(), tree, Vec::new(), Authority::Roles(vec![narrowed]));
            assert_eq!(reach.allows(Permission::ManageDirectories, id), whole);
            assert_eq!(reach.may_assign("viewer", id), whole);
        }
    }

    fn given(role: &str, account_id: AccountId) -> Assignment {
        let at = DateTime::UNIX_EPOCH;
        let login_id = LoginId::new(at);
        Assignment {
            id: AssignmentId::new(at),
            login_id,
            account_id,
            service_id: None,
            service: None,
            instance_id: None,
            instance: None,
            role: role.to_owned(),
            source: AssignmentSource::Manual,
            source_id: login_id.uuid(),
            granted_at: at,
        }
    }

    #[test]
    fn whoever_may_change_something_may_see_it() {
        let catalogue = Catalogue::parse("x", CATALOGUE).unwrap();
        let role = catalogue.role("manager").unwrap();
        let allowed: Vec<_> = Permission::ALL.iter().filter(|permission| permits(role, **permission)).collect();
        assert_eq!(allowed, [&Permission::AssignRoles, &Permission::ViewDirectories, &Permission::ManageDirectories]);
    }
}
