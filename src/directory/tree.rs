//! The account tree of a tenant, in memory: who is above whom, and what the paths are.

use std::collections::BTreeMap;

use super::{Error, Result};
use crate::model::{Account, AccountId};

/// All accounts of a tenant.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    accounts: BTreeMap<AccountId, Account>,
    children: BTreeMap<Option<AccountId>, Vec<AccountId>>,
}

impl Tree {
    /// A tree of these accounts; children stay in the order in which they come.
    #[must_use]
    pub fn new(accounts: Vec<Account>) -> Self {
        let mut children: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for account in &accounts {
            children.entry(account.parent_id).or_default().push(account.id);
        }
        Self { accounts: accounts.into_iter().map(|account| (account.id, account)).collect(), children }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// An account of the tenant.
    #[must_use]
    pub fn get(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(&id)
    }

    /// The account above all others.
    ///
    /// # Errors
    /// When there is none yet.
    pub fn root(&self) -> Result<&Account> {
        let root = self.children.get(&None).and_then(|roots| roots.first());
        root.and_then(|id| self.get(*id))
            .ok_or_else(|| Error::Invalid("the tenant has no account yet; the first one is its root".to_owned()))
    }

    /// An account and those above it, up to the root. An account of another tenant has no way up.
    #[must_use]
    pub fn up(&self, id: AccountId) -> Vec<&Account> {
        // A tree has no loops, but a loop here must not hang: no path is longer than there are accounts.
        std::iter::successors(self.get(id), |account| account.parent_id.and_then(|parent| self.get(parent)))
            .take(self.accounts.len())
            .collect()
    }

    /// Whether an account is another, or below it.
    #[must_use]
    pub fn is_within(&self, id: AccountId, above: AccountId) -> bool {
        self.up(id).iter().any(|account| account.id == above)
    }

    /// The accounts directly below one; those of `None` are the roots.
    pub fn children(&self, of: Option<AccountId>) -> impl Iterator<Item = &Account> {
        self.children.get(&of).into_iter().flatten().filter_map(|id| self.get(*id))
    }

    /// All accounts, each after the one above it.
    #[must_use]
    pub fn downwards(&self) -> Vec<&Account> {
        let mut found = Vec::with_capacity(self.accounts.len());
        let mut waiting: Vec<_> = self.children(None).collect();
        waiting.reverse();
        while let Some(account) = waiting.pop() {
            found.push(account);
            let before = waiting.len();
            waiting.extend(self.children(Some(account.id)));
            waiting[before..].reverse();
        }
        found
    }

    /// The slugs from the root to an account, joined by `/`.
    #[must_use]
    pub fn path(&self, id: AccountId) -> String {
        let mut slugs: Vec<_> = self.up(id).into_iter().map(|account| account.slug.as_str()).collect();
        slugs.reverse();
        slugs.join("/")
    }

    /// The account of a path.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<AccountId> {
        let mut at = None;
        for slug in path.split('/') {
            at = Some(self.children(at).find(|account| account.slug == slug)?.id);
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::model::AccountState;

    fn account(slug: &str, parent_id: Option<AccountId>) -> Account {
        let id = AccountId::new(DateTime::UNIX_EPOCH);
        Account { id, parent_id, slug: slug.to_owned(), name: slug.to_owned(), state: AccountState::Active }
    }

    #[test]
    fn accounts_are_found_by_their_paths_and_know_what_is_above_them() {
        let root = account("bluesky", None);
        let [emea, apac] = ["emea", "apac"].map(|slug| account(slug, Some(root.id)));
        let berlin = account("berlin", Some(emea.id));
        let tree = Tree::new(vec![berlin.clone(), root.clone(), emea.clone(), apac.clone()]);
        assert_eq!(tree.root().unwrap().id, root.id);
        assert_eq!(tree.path(berlin.id), "bluesky/emea/berlin");
        for (path, found) in [
            ("bluesky", Some(root.id)),
            ("bluesky/emea/berlin", Some(berlin.id)),
            ("emea", None),
            ("bluesky/berlin", None),
            ("bluesky/", None),
            ("", None),
        ] {
            assert_eq!(tree.find(path), found, "{path}");
        }
        assert!(tree.is_within(berlin.id, root.id) && tree.is_within(emea.id, emea.id));
        assert!(!tree.is_within(berlin.id, apac.id) && !tree.is_within(root.id, emea.id));
        let slugs: Vec<_> = tree.downwards().into_iter().map(|account| account.slug.as_str()).collect();
        assert_eq!(slugs, ["bluesky", "emea", "berlin", "apac"]);
        let stranger = account("stranger", None);
        assert!(tree.up(stranger.id).is_empty() && !tree.is_within(stranger.id, root.id) && tree.path(stranger.id).is_empty());
        assert!(Tree::default().root().is_err());
    }

    #[test]
    fn a_loop_does_not_hang() {
        let (mut a, mut b) = (account("a", None), account("b", None));
        (a.parent_id, b.parent_id) = (Some(b.id), Some(a.id));
        let tree = Tree::new(vec![a.clone(), b]);
        assert_eq!(tree.up(a.id).len(), 2);
        assert!(tree.downwards().is_empty());
    }
}
