//! Whether a rule can be saved, purely: it can be read, what it names is there, and its author may give all that it gives.

use std::collections::{BTreeMap, BTreeSet};

use crate::directory::access::Reach;
use crate::directory::catalogue::{Catalogue, FirstHolder};
use crate::directory::mapping::{self, compile_condition};
use crate::directory::pattern::CompiledPattern;
use crate::directory::tree::Tree;
use crate::directory::{Error, Result};
use crate::model::{AccountId, Given, Grant, RuleBody, RuleOrigin};
use crate::scim::fold::fold;

/// Characters of a name.
pub const LONGEST_NAME: usize = 200;
/// How many grants a rule has.
pub const MOST_GRANTS: usize = 100;

/// A rule as somebody wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub name: String,
    pub origin: RuleOrigin,
    /// The subtree that it may give roles in.
    pub within: AccountId,
    pub body: RuleBody,
}

/// The draft as it is saved: folded where it is compared folded, and with every role named that a part may be.
///
/// # Errors
/// What is wrong with it; the text says where.
pub fn checked(draft: &Draft, catalogue: &Catalogue, tree: &Tree) -> Result<Draft> {
    let Draft { name, origin, within, body } = draft;
    let name = name.trim();
    if !(1..=LONGEST_NAME).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(Error::Invalid(format!("name: 1 to {LONGEST_NAME} characters")));
    }
    if tree.get(*within).is_none() {
        return Err(Error::NotFound("account"));
    }
    let pattern = body.pattern.as_ref().map(CompiledPattern::new).transpose();
    let pattern = pattern.map_err(|error| Error::Invalid(format!("match.{error}")))?;
    if !(body.when.is_empty() && pattern.is_some()) {
        compile_condition(&body.when).map_err(|error| Error::Invalid(format!("when: {error}")))?;
    }
    if !(1..=MOST_GRANTS).contains(&body.grants.len()) {
        return Err(Error::Invalid(format!("grants: a rule gives 1 to {MOST_GRANTS} roles")));
    }
    let checker = Checker { pattern: pattern.as_ref(), catalogue, tree, within: *within };
    let mut grants = Vec::with_capacity(body.grants.len());
    for (at, grant) in body.grants.iter().enumerate() {
        grants.push(checker.grant(grant).map_err(|text| Error::Invalid(format!("grants[{at}].{text}")))?);
    }
    let body = RuleBody { grants, ..body.clone() };
    Ok(Draft { name: name.to_owned(), origin: *origin, within: *within, body })
}

struct Checker<'a> {
    pattern: Option<&'a CompiledPattern>,
    catalogue: &'a Catalogue,
    tree: &'a Tree,
    within: AccountId,
}

impl Checker<'_> {
    fn grant(&self, grant: &Grant) -> Result<Grant, String> {
        // A captured account is below the subtree's top, so it is never the root.
        let at_root = match &grant.account {
            Given::Captured(name) => {
                self.part("account", name)?;
                false
            }
            Given::Fixed(id) if self.tree.is_within(*id, self.within) => {
                self.tree.get(*id).is_some_and(|account| account.parent_id.is_none())
            }
            Given::Fixed(id) => return Err(format!("account: there is no account {id} below the rule's")),
        };
        let names = match &grant.role {
            Given::Fixed(_) if !grant.names.is_empty() => {
                return Err("as: only a role that is a part of the pattern has other names".to_owned());
            }
            Given::Fixed(role) => {
                self.role("role", role, at_root)?;
                BTreeMap::new()
            }
            Given::Captured(name) => {
                self.part("role", name)?;
                self.names(&grant.names, at_root)?
            }
        };
        Ok(Grant { role: grant.role.clone(), account: grant.account.clone(), names })
    }

    fn part(&self, key: &str, name: &str) -> Result<(), String> {
        match self.pattern {
            None => Err(format!("{key}: {{{name}}} needs a match with a part of this name")),
            Some(pattern) if !pattern.has_part(name) => Err(format!("{key}: the pattern has no part (?<{name}>…)")),
            Some(_) => Ok(()),
        }
    }

    fn role(&self, key: &str, role: &str, at_root: bool) -> Result<(), String> {
        let Some(entry) = self.catalogue.role(role) else {
            return Err(format!("{key}: the catalogue {:?} has no role {role:?}", self.catalogue.slug));
        };
        if self.pattern.is_some() && entry.first_holder == FirstHolder::Operator {
            return Err(format!("{key}: {role:?}, whose first holder the operator makes, never comes from a pattern"));
        }
        if !entry.scope.fits(at_root) {
            return Err(format!("{key}: the role {role:?} cannot be given there: {}", entry.scope.says()));
        }
        Ok(())
    }

    /// What each value of a part means. When nobody says it, every role that there is now by its key, and none that comes later.
    fn names(&self, given: &BTreeMap<String, String>, at_root: bool) -> Result<BTreeMap<String, String>, String> {
        if given.is_empty() {
            let roles = self.catalogue.roles.iter().map(|role| &role.key);
            let fitting = roles.filter(|role| mapping::may_give(self.catalogue, role, at_root, true));
            return Ok(fitting.map(|role| (role.clone(), role.clone())).collect());
        }
        let mut names = BTreeMap::new();
        for (value, role) in given {
            self.role("as", role, at_root)?;
            if names.insert(fold(value), role.clone()).is_some() {
                return Err(format!("as: {value:?} is there twice, in other letter case"));
            }
        }
        Ok(names)
    }
}

/// Refuses a rule whose author could not give by hand what it gives: each role at its account, and what a pattern may yield at the
/// subtree's top and at every account below it. What the operator alone begins comes only from who holds it there.
///
/// # Errors
/// When there is one; the text names the role.
pub fn may_author(reach: &Reach, within: AccountId, body: &RuleBody) -> Result<()> {
    let below: Vec<_> = reach.tree().downwards().into_iter().map(|account| account.id).collect();
    let below: Vec<_> = below.into_iter().filter(|id| reach.tree().is_within(*id, within)).collect();
    let mut asked = BTreeSet::new();
    for grant in &body.grants {
        let roles: Vec<_> = match &grant.role {
            Given::Fixed(role) => vec![role],
            Given::Captured(_) => grant.names.values().collect(),
        };
        let accounts = match &grant.account {
            Given::Fixed(account) => std::slice::from_ref(account),
            Given::Captured(_) => &below,
        };
        for (role, account) in roles.into_iter().flat_map(|role| accounts.iter().map(move |account| (role, *account))) {
            if asked.insert((role, account)) && !may_give(reach, role, account) {
                return Err(Error::Forbidden(format!("you may not give the role {role:?} on all accounts of this rule")));
            }
        }
    }
    Ok(())
}

fn may_give(reach: &Reach, role: &str, account: AccountId) -> bool {
    let Some(entry) = reach.catalogue().role(role) else { return true };
    let holds = || reach.roles(account).iter().any(|held| held.counts() && held.is_whole() && held.role.key == role);
    reach.may_assign(role, account) && (entry.first_holder == FirstHolder::Anyone || reach.is_operator() || holds())
}
