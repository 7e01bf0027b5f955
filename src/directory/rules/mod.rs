//! Mapping rules, changed by hand: [`check`] says whether a rule can be saved, [`preview`] what it would change.
//!
//! Saving a rule computes everybody's roles anew, in the same transaction or by a job where there are many logins. That transaction holds
//! the tenant's rules alone: no change of facts is decided by rules that are no longer there. A rule belongs to the account that it gives roles within.

mod check;
mod preview;

use serde_json::json;

pub use self::check::{Draft, LONGEST_NAME, MOST_GRANTS, checked, may_author};
pub use self::preview::{Counted, NAMED, PersonChange, Preview, Proposal};

use super::access::{Permission, Reach};
use super::recompute::{Cause, RuleBook, recompute_everybody};
use super::tree::Tree;
use super::{Caller, Error, Result};
use crate::model::{AccountId, Event, EventKind, JobId, Rule, RuleId, RuleOrigin, TenantId};
use crate::store::{NewRule, Reader, Store, Writer, retry};

/// The rules of a tenant, and who asks with what they may do.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    pub store: &'a Store,
    pub tenant: TenantId,
    pub book: &'a RuleBook,
    pub reach: &'a Reach,
    pub caller: Caller<'a>,
}

/// A rule as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    pub rule: Rule,
    /// What goes on computing everybody's roles anew, if there are too many logins to do it at once.
    pub job: Option<JobId>,
}

/// The versions that a change is for; `None` is whichever there is.
pub type Versions<'v> = Option<&'v [i64]>;

impl Rules<'_> {
    /// The rules that who asks may see, in their order, with their places in it.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn list(&self) -> Result<Vec<(i64, Rule)>> {
        let mut rules = self.store.read(self.tenant).placed_rules().await?;
        rules.retain(|(_, rule)| self.may_see(rule));
        Ok(rules)
    }

    /// One rule.
    ///
    /// # Errors
    /// When there is none such for who asks.
    pub async fn read(&self, id: RuleId) -> Result<Rule> {
        self.seen(&mut self.store.read(self.tenant), id).await
    }

    /// Makes a rule, as the last one, and gives what it wants.
    ///
    /// # Errors
    /// When who asks may not, or the draft is no rule.
    pub async fn create(&self, draft: &Draft) -> Result<Saved> {
        self.reach.needs(Permission::ManageRules, draft.within)?;
        retry(|| async {
            let mut writer = self.begin().await?;
            let draft = self.settled(&mut writer, draft, None).await?;
            may_author(self.reach, draft.within, &draft.body)?;
            let rule = draft.into_rule(RuleId::new(self.caller.now), 1);
            let new = NewRule { id: rule.id, name: &rule.name, origin: rule.origin, within: rule.within, body: &rule.body };
            writer.insert_rule(&new, self.caller.now).await?;
            let event = self.caller.event(EventKind::RuleCreated, rule.id.uuid(), json!({ "after": rule })).at(rule.within);
            let job = self.finish(writer, event, rule.within).await?;
            Ok(Saved { rule, job })
        })
        .await
    }

    /// Changes a rule to what the draft says, gives what it wants now and takes what it no longer wants. To nothing else is no change.
    ///
    /// # Errors
    /// When there is none such, it has another version, who asks may not, or the draft is no rule.
    pub async fn change(&self, id: RuleId, draft: &Draft, versions: Versions<'_>) -> Result<Saved> {
        retry(|| async {
            let mut writer = self.begin().await?;
            let before = self.changeable(&mut writer, id, versions).await?;
            self.reach.needs(Permission::ManageRules, draft.within)?;
            let draft = self.settled(&mut writer, draft, Some(id)).await?;
            may_author(self.reach, draft.within, &draft.body)?;
            let after = draft.into_rule(id, before.version + 1);
            if after == (Rule { version: after.version, ..before.clone() }) {
                return Ok(Saved { rule: before, job: None });
            }
            writer.update_rule(&after, self.caller.now).await?;
            let details = json!({ "before": before, "after": after });
            let event = self.caller.event(EventKind::RuleChanged, id.uuid(), details);
            // What concerns two accounts is for who audits the whole tenant.
            let event = if before.within == after.within { event.at(after.within) } else { event };
            let job = self.finish(writer, event, after.within).await?;
            Ok(Saved { rule: after, job })
        })
        .await
    }

    /// Deletes a rule, and takes what it gave. Answers the job that does so, if there are many logins.
    ///
    /// # Errors
    /// When there is none such, it has another version, or who asks may not.
    pub async fn delete(&self, id: RuleId, versions: Versions<'_>) -> Result<Option<JobId>> {
        retry(|| async {
            let mut writer = self.begin().await?;
            let before = self.changeable(&mut writer, id, versions).await?;
            writer.delete_rule(id).await?;
            let event = self.caller.event(EventKind::RuleDeleted, id.uuid(), json!({ "before": before })).at(before.within);
            self.finish(writer, event, before.within).await
        })
        .await
    }

    /// Begins a change: nobody else changes rules, accounts or facts until it ends.
    async fn begin(&self) -> Result<Writer> {
        let mut writer = self.store.write(self.tenant).await?;
        writer.change_rules(self.caller.now).await?;
        Ok(writer)
    }

    async fn finish(&self, mut writer: Writer, event: Event, within: AccountId) -> Result<Option<JobId>> {
        let cause = Cause { kind: event.kind, target: event.target, account: within };
        writer.record(&[event], self.caller.request_id).await?;
        let job = recompute_everybody(&mut writer, self.book, &cause, &self.caller).await?;
        writer.commit().await?;
        Ok(job)
    }

    fn may_see(&self, rule: &Rule) -> bool {
        self.reach.allows(Permission::ViewRules, rule.within)
    }

    async fn seen(&self, reader: &mut Reader, id: RuleId) -> Result<Rule> {
        let found = reader.rule(id).await?.filter(|rule| self.may_see(rule));
        found.ok_or(Error::NotFound("rule"))
    }

    /// A rule that who asks may change. It is theirs to take away what it gives as it is to give it.
    async fn changeable(&self, writer: &mut Writer, id: RuleId, versions: Versions<'_>) -> Result<Rule> {
        let before = self.seen(writer, id).await?;
        if !self.reach.allows(Permission::ManageRules, before.within) {
            let needed = Permission::ManageRules.as_str();
            return Err(Error::Forbidden(format!("this needs {needed} on the rule's account")));
        }
        may_author(self.reach, before.within, &before.body)?;
        if versions.is_some_and(|versions| !versions.contains(&before.version)) {
            return Err(Error::Stale);
        }
        Ok(before)
    }

    /// The draft as it is saved, checked against what the tenant has now.
    async fn settled(&self, reader: &mut Reader, draft: &Draft, own: Option<RuleId>) -> Result<Draft> {
        let tree = Tree::new(reader.accounts().await?);
        let draft = checked(draft, self.reach.catalogue(), &tree)?;
        let known = match draft.origin {
            RuleOrigin::Directory(id) => reader.directory(id).await?.is_some(),
            RuleOrigin::Connection(id) => reader.connection(id).await?.is_some(),
        };
        if !known {
            return Err(Error::Invalid("from: there is no such directory or connection".to_owned()));
        }
        if reader.rules().await?.iter().any(|rule| rule.name == draft.name && Some(rule.id) != own) {
            return Err(Error::Conflict(format!("another rule is called {:?}", draft.name)));
        }
        Ok(draft)
    }
}

impl Draft {
    fn into_rule(self, id: RuleId, version: i64) -> Rule {
        Rule { id, name: self.name, origin: self.origin, within: self.within, body: self.body, version }
    }
}
