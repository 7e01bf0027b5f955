//! The extract of everybody's permissions: who holds which role where, and why, for those who audit accounts.
//!
//! Logins come in pages, each with all that it was given, and what that comes to is computed for a page at a time: an extract of any
//! size is made in little memory. Pages are read one after another, so that what changes meanwhile is in some of them and not in others.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;

use super::access::Reach;
use super::recompute::{RuleBook, held_assignments};
use super::{Caller, Result};
use crate::model::{AccountId, Assignment, AssignmentSource, EventKind, LoginId, PersonId, RuleId, TenantId};
use crate::store::{LoginOfExtract, Store};

/// A role that a login holds, or was given and does not hold, at an account, for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    pub person: PersonId,
    pub login: LoginId,
    pub user_name: String,
    /// The login and its person are active; else nothing of theirs counts.
    pub active: bool,
    /// The slugs from the root to the account.
    pub account: String,
    pub role: String,
    /// The key of the service that it is for; `None` is the whole account.
    pub service: Option<String>,
    pub instance: Option<String>,
    pub source: AssignmentSource,
    /// The rule's name, or the id of the login that gave it.
    pub cause: String,
    /// The role that includes this one, where that is what was given.
    pub included_by: Option<String>,
    /// Where it was given: the account, or one above it.
    pub given_at: String,
    pub since: DateTime<Utc>,
    /// Whether it counts.
    pub counts: bool,
    /// The role of the same exclusive set that counts in its place.
    pub shadowed_by: Option<String>,
}

/// Some of the extract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub lines: Vec<Line>,
    /// The last login of the page, if more follow.
    pub next: Option<LoginId>,
}

/// An extract that somebody takes of some accounts.
#[derive(Clone, Debug)]
pub struct Extract {
    store: Store,
    tenant: TenantId,
    reach: Reach,
    book: RuleBook,
    /// The accounts, in the order of the tree, each with itself and those above it.
    accounts: Vec<(AccountId, BTreeSet<AccountId>)>,
    rules: BTreeMap<RuleId, String>,
}

impl Extract {
    /// Begins an extract of accounts that who asks may audit. That is an event: of the tenant, or of the first of the accounts.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn begin(
        store: &Store,
        tenant: TenantId,
        reach: &Reach,
        book: &RuleBook,
        accounts: &[AccountId],
        format: &str,
        caller: Caller<'_>,
    ) -> Result<Self> {
        let tree = reach.tree();
        let mut event = caller.event(EventKind::PermissionsExtracted, tenant.uuid(), json!({ "format": format }));
        if let Some(first) = accounts.first().filter(|first| tree.get(**first).is_some_and(|account| account.parent_id.is_some())) {
            event = event.at(*first);
        }
        let mut writer = store.write(tenant).await?;
        let rules = writer.rules().await?.into_iter().map(|rule| (rule.id, rule.name)).collect();
        writer.record(&[event], caller.request_id).await?;
        writer.commit().await?;
        let accounts = accounts.iter().map(|id| (*id, tree.up(*id).into_iter().map(|account| account.id).collect())).collect();
        Ok(Self { store: store.clone(), tenant, reach: reach.clone(), book: book.clone(), accounts, rules })
    }

    /// The lines of at most `limit` logins, after `after`. A login that was given nothing there has none.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn page(&self, after: Option<LoginId>, limit: u32) -> Result<Page> {
        let giving: BTreeSet<_> = self.accounts.iter().flat_map(|(_, up)| up).copied().collect();
        let giving: Vec<_> = giving.into_iter().collect();
        let mut reader = self.store.read(self.tenant);
        let mut logins = reader.logins_given(&giving, after, limit + 1).await?;
        let more = logins.len() > limit as usize;
        logins.truncate(limit as usize);
        let ids: Vec<_> = logins.iter().map(|login| login.id).collect();
        let mut held: BTreeMap<LoginId, Vec<Assignment>> = BTreeMap::new();
        for assignment in held_assignments(&mut reader, &self.book, &ids).await? {
            held.entry(assignment.login_id).or_default().push(assignment);
        }
        let mut lines = Vec::new();
        for login in &logins {
            self.add_lines(&mut lines, login, held.get(&login.id).map_or(&[], Vec::as_slice));
        }
        Ok(Page { lines, next: ids.last().copied().filter(|_| more) })
    }

    fn add_lines(&self, lines: &mut Vec<Line>, login: &LoginOfExtract, held: &[Assignment]) {
        for (account, up) in &self.accounts {
            if !held.iter().any(|assignment| up.contains(&assignment.account_id)) {
                continue;
            }
            let path = self.reach.tree().path(*account);
            let roles = self.reach.roles_of(*account, held);
            let mut caused = BTreeSet::new();
            for role in &roles {
                for cause in &role.causes {
                    caused.insert(cause.assignment.id);
                    lines.push(Line {
                        role: role.role.key.clone(),
                        service: role.service.map(str::to_owned),
                        included_by: cause.included_by.map(str::to_owned),
                        counts: login.active && role.counts(),
                        shadowed_by: role.shadowed_by.map(str::to_owned),
                        ..self.line(login, &path, cause.assignment)
                    });
                }
            }
            // What was given here and is not in force: its service is not subscribed to, or the account is suspended.
            let idle = held.iter().filter(|assignment| assignment.account_id == *account && !caused.contains(&assignment.id));
            lines.extend(idle.map(|assignment| self.line(login, &path, assignment)));
        }
    }

    fn line(&self, login: &LoginOfExtract, path: &str, given: &Assignment) -> Line {
        let rule = match given.source {
            AssignmentSource::Rule => self.rules.get(&RuleId::from_uuid(given.source_id)).cloned(),
            AssignmentSource::Manual | AssignmentSource::Operator => None,
        };
        Line {
            person: login.person_id,
            login: login.id,
            user_name: login.user_name.clone(),
            active: login.active,
            account: path.to_owned(),
            role: given.role.clone(),
            service: given.service.clone(),
            instance: given.instance.clone(),
            source: given.source,
            cause: rule.unwrap_or_else(|| given.source_id.to_string()),
            included_by: None,
            given_at: self.reach.tree().path(given.account_id),
            since: given.granted_at,
            counts: false,
            shadowed_by: None,
        }
    }
}
