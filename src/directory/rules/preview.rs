//! What a rule would change, computed by the functions that compute it when it is saved, and written nowhere.

use std::collections::{BTreeMap, BTreeSet};

use crate::directory::access::Permission;
use crate::directory::mapping::{CompiledRule, wanted};
use crate::directory::recompute::{CHUNK, CHUNK_ROWS, RuleBook, held_assignments};
use crate::directory::{Error, Result};
use crate::model::{AccountId, AssignmentSource, LoginId, RuleId};
use crate::store::{LoginName, Reader};

use super::{Draft, Rules, may_author};

/// How many people a preview names.
pub const NAMED: usize = 100;

/// What somebody thinks of doing.
#[derive(Clone, Debug)]
pub enum Proposal {
    Create(Draft),
    Change(RuleId, Draft),
    Delete(RuleId),
}

/// What would change, as far as who asks may see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// By account and role.
    pub counts: Vec<Counted>,
    /// How many logins gain or lose something.
    pub logins: usize,
    /// The first of them.
    pub people: Vec<PersonChange>,
}

/// How many logins gain and lose a role at an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    pub account: AccountId,
    pub role: String,
    pub gain: usize,
    pub lose: usize,
}

/// What one login gains and loses: accounts and roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonChange {
    pub name: LoginName,
    pub gains: Vec<(AccountId, String)>,
    pub loses: Vec<(AccountId, String)>,
}

type Roles = BTreeSet<(AccountId, String)>;

impl Rules<'_> {
    /// What a proposal would change: who holds a role that they did not hold by a rule or a hand, and who holds one no longer.
    ///
    /// Who could carry it out sees everybody whom it touches on the accounts whose people they may see. Who only sees rules is told
    /// of those whose home they may see people of, and of what people lose there: otherwise a filter would tell them who is who
    /// elsewhere.
    ///
    /// # Errors
    /// When who asks may not see rules there, there is none such, or the draft is no rule.
    pub async fn preview(&self, proposal: &Proposal) -> Result<Preview> {
        let mut reader = self.store.read(self.tenant);
        let mut rules = reader.rules().await?;
        let mut is_author = true;
        let draft = match proposal {
            Proposal::Create(draft) => {
                self.reach.needs(Permission::ViewRules, draft.within)?;
                Some((None, draft))
            }
            Proposal::Change(id, draft) => {
                self.reach.needs(Permission::ViewRules, draft.within)?;
                Some((Some(*id), draft))
            }
            Proposal::Delete(_) => None,
        };
        if let Proposal::Change(id, _) | Proposal::Delete(id) = proposal {
            let before = self.seen(&mut reader, *id).await?;
            is_author &= self.reach.allows(Permission::ManageRules, before.within);
            is_author &= may_author(self.reach, before.within, &before.body).is_ok();
        }
        match draft {
            None => rules.retain(|rule| !matches!(proposal, Proposal::Delete(id) if rule.id == *id)),
            Some((own, draft)) => {
                let draft = self.settled(&mut reader, draft, own).await?;
                is_author &= self.reach.allows(Permission::ManageRules, draft.within);
                is_author &= may_author(self.reach, draft.within, &draft.body).is_ok();
                let new = draft.into_rule(own.unwrap_or_else(|| RuleId::new(self.caller.now)), 0);
                match rules.iter_mut().find(|rule| rule.id == new.id) {
                    Some(rule) => *rule = new,
                    None if own.is_some() => return Err(Error::NotFound("rule")),
                    None => rules.push(new),
                }
            }
        }
        let rules = self.book.compile(&mut reader, &rules).await?;
        self.compare(&mut reader, &rules, is_author).await
    }

    async fn compare(&self, reader: &mut Reader, rules: &[CompiledRule], is_author: bool) -> Result<Preview> {
        let seen: BTreeSet<_> = self.reach.tree().downwards().into_iter().map(|account| account.id).collect();
        let seen: BTreeSet<_> = seen.into_iter().filter(|id| self.reach.allows(Permission::ViewPeople, *id)).collect();
        let mut counts: BTreeMap<(AccountId, String), (usize, usize)> = BTreeMap::new();
        let mut preview = Preview::default();
        let mut after = None;
        loop {
            let logins = reader.login_ids(after, CHUNK_ROWS).await?;
            debug_assert!(logins.len() <= CHUNK);
            after = logins.last().copied();
            if after.is_none() {
                break;
            }
            for (name, gains, loses) in changed(reader, self.book, rules, &logins, &seen).await? {
                let may_know = is_author || seen.contains(&name.home_account_id);
                let gains = if may_know { gains } else { Roles::new() };
                if gains.is_empty() && loses.is_empty() {
                    continue;
                }
                for role in &gains {
                    counts.entry(role.clone()).or_default().0 += 1;
                }
                for role in &loses {
                    counts.entry(role.clone()).or_default().1 += 1;
                }
                preview.logins += 1;
                if preview.people.len() < NAMED {
                    let (gains, loses) = (gains.into_iter().collect(), loses.into_iter().collect());
                    preview.people.push(PersonChange { name, gains, loses });
                }
            }
        }
        let counted = |((account, role), (gain, lose))| Counted { account, role, gain, lose };
        preview.counts = counts.into_iter().map(counted).collect();
        Ok(preview)
    }
}

/// What some logins gain and lose on these accounts.
async fn changed(
    reader: &mut Reader,
    book: &RuleBook,
    rules: &[CompiledRule],
    logins: &[LoginId],
    seen: &BTreeSet<AccountId>,
) -> Result<Vec<(LoginName, Roles, Roles)>> {
    let mut held: BTreeMap<LoginId, Roles> = BTreeMap::new();
    let given = held_assignments(reader, book, logins).await?.into_iter();
    for row in given.filter(|row| row.source == AssignmentSource::Rule && seen.contains(&row.account_id)) {
        held.entry(row.login_id).or_default().insert((row.account_id, row.role));
    }
    let mut changed = BTreeMap::new();
    for facts in reader.facts(logins).await? {
        let held = held.remove(&facts.login_id).unwrap_or_default();
        let wanted = wanted(rules, &facts).into_iter().map(|wanted| (wanted.account, wanted.role));
        let wanted: Roles = wanted.filter(|(account, _)| seen.contains(account)).collect();
        if wanted != held {
            changed.insert(facts.login_id, (&wanted - &held, &held - &wanted));
        }
    }
    let logins: Vec<_> = changed.keys().copied().collect();
    if logins.is_empty() {
        return Ok(Vec::new());
    }
    // What a hand gave stays, so nobody gains or loses it.
    let accounts: Vec<_> = seen.iter().copied().collect();
    for row in reader.assignments_on(&accounts, &logins).await? {
        let given = row.assignment;
        if given.source != AssignmentSource::Rule
            && given.service_id.is_none()
            && let Some((gains, loses)) = changed.get_mut(&given.login_id)
        {
            let role = (given.account_id, given.role);
            gains.remove(&role);
            loses.remove(&role);
        }
    }
    let names = reader.login_names(&logins).await?;
    Ok(names.into_iter().filter_map(|name| changed.remove(&name.id).map(|(gains, loses)| (name, gains, loses))).collect())
}
