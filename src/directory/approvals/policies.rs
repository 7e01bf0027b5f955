//! Approval policies, changed by hand. A policy that changes or goes changes nothing about what waits because of it.

use serde_json::json;

use super::policy;
use crate::directory::access::{Permission, Reach};
use crate::directory::rules::Versions;
use crate::directory::{Caller, Error, Result};
use crate::model::{AccountId, ApprovalPolicy, ApprovalPolicyId, Approvers, Event, EventKind, PolicyBody, TenantId};
use crate::store::{Reader, Store, Writer, retry};

/// How many policies an account may have.
pub const MOST_POLICIES: usize = 100;

/// The approval policies of a tenant, and who asks with what they may do.
#[derive(Clone, Copy, Debug)]
pub struct Policies<'a> {
    pub store: &'a Store,
    pub tenant: TenantId,
    pub reach: &'a Reach,
    pub caller: Caller<'a>,
}

impl Policies<'_> {
    /// The policies of an account itself, by name.
    ///
    /// # Errors
    /// When who asks may not see them.
    pub async fn list(&self, account: AccountId) -> Result<Vec<ApprovalPolicy>> {
        self.reach.needs(Permission::ViewApprovals, account)?;
        Ok(self.store.read(self.tenant).approval_policies(&[account]).await?)
    }

    /// One policy.
    ///
    /// # Errors
    /// When there is none such for who asks.
    pub async fn read(&self, id: ApprovalPolicyId) -> Result<ApprovalPolicy> {
        self.seen(&mut self.store.read(self.tenant), id).await
    }

    /// Makes a policy of an account, which counts from now on.
    ///
    /// # Errors
    /// When who asks may not, it is no policy, or the account has another of the name.
    pub async fn create(&self, account: AccountId, name: &str, body: &PolicyBody) -> Result<ApprovalPolicy> {
        self.reach.needs(Permission::ManageApprovals, account)?;
        policy::check(name, body, self.reach.catalogue())?;
        retry(|| async {
            let mut writer = self.begin(account).await?;
            let made = ApprovalPolicy {
                id: ApprovalPolicyId::new(self.caller.now),
                account,
                name: name.trim().to_owned(),
                body: body.clone(),
                version: 1,
            };
            let others = self.check(&mut writer, &made).await?;
            if others >= MOST_POLICIES {
                return Err(Error::Conflict(format!("an account has at most {MOST_POLICIES} approval policies")));
            }
            writer.insert_approval_policy(&made, self.caller.now).await?;
            let event = self.caller.event(EventKind::ApprovalPolicyCreated, made.id.uuid(), json!({ "after": made })).at(account);
            self.finish(writer, event).await?;
            Ok(made)
        })
        .await
    }

    /// Changes a policy. To nothing else is no change.
    ///
    /// # Errors
    /// When there is none such, it has another version, who asks may not, or it would be no policy.
    pub async fn change(
        &self,
        id: ApprovalPolicyId,
        name: &str,
        body: &PolicyBody,
        versions: Versions<'_>,
    ) -> Result<ApprovalPolicy> {
        policy::check(name, body, self.reach.catalogue())?;
        retry(|| async {
            let (mut writer, before) = self.changeable(id, versions).await?;
            let after =
                ApprovalPolicy { name: name.trim().to_owned(), body: body.clone(), version: before.version + 1, ..before.clone() };
            if after == (ApprovalPolicy { version: after.version, ..before.clone() }) {
                return Ok(before);
            }
            self.check(&mut writer, &after).await?;
            writer.update_approval_policy(&after, self.caller.now).await?;
            let details = json!({ "before": before, "after": after });
            let event = self.caller.event(EventKind::ApprovalPolicyChanged, id.uuid(), details).at(after.account);
            self.finish(writer, event).await?;
            Ok(after)
        })
        .await
    }

    /// Deletes a policy.
    ///
    /// # Errors
    /// When there is none such, it has another version, or who asks may not.
    pub async fn delete(&self, id: ApprovalPolicyId, versions: Versions<'_>) -> Result<()> {
        retry(|| async {
            let (mut writer, before) = self.changeable(id, versions).await?;
            writer.delete_approval_policy(id).await?;
            let event = self.caller.event(EventKind::ApprovalPolicyDeleted, id.uuid(), json!({ "before": before }));
            self.finish(writer, event.at(before.account)).await
        })
        .await
    }

    /// Begins a change: nobody is given a role on the account, and no other policy of it changes, until it ends.
    async fn begin(&self, account: AccountId) -> Result<Writer> {
        let mut writer = self.store.write(self.tenant).await?;
        writer.lock_accounts(&[account]).await?;
        Ok(writer)
    }

    async fn finish(&self, mut writer: Writer, event: Event) -> Result<()> {
        writer.record(&[event], self.caller.request_id).await?;
        Ok(writer.commit().await?)
    }

    async fn seen(&self, reader: &mut Reader, id: ApprovalPolicyId) -> Result<ApprovalPolicy> {
        self.reach.scoped(Permission::ViewApprovals)?;
        let found = reader.approval_policy(id).await?;
        let found = found.filter(|policy| self.reach.allows(Permission::ViewApprovals, policy.account));
        found.ok_or(Error::NotFound("approval policy"))
    }

    async fn changeable(&self, id: ApprovalPolicyId, versions: Versions<'_>) -> Result<(Writer, ApprovalPolicy)> {
        self.reach.scoped(Permission::ManageApprovals)?;
        let account = self.read(id).await?.account;
        let mut writer = self.begin(account).await?;
        let before = self.seen(&mut writer, id).await?;
        if !self.reach.allows(Permission::ManageApprovals, account) {
            let needed = Permission::ManageApprovals.as_str();
            return Err(Error::Forbidden(format!("this needs {needed} on the policy's account")));
        }
        if versions.is_some_and(|versions| !versions.contains(&before.version)) {
            return Err(Error::Stale);
        }
        Ok((writer, before))
    }

    /// Checks a policy against what there is. Answers how many others its account has.
    async fn check(&self, writer: &mut Writer, wanted: &ApprovalPolicy) -> Result<usize> {
        let others = writer.approval_policies(&[wanted.account]).await?;
        if others.iter().any(|other| other.name == wanted.name && other.id != wanted.id) {
            return Err(Error::Conflict(format!("another policy of the account is called {:?}", wanted.name)));
        }
        if let Some(Approvers::Logins(logins)) = &wanted.body.approvers {
            let named: Vec<_> = logins.iter().copied().collect();
            let known = writer.login_names(&named).await?;
            if let Some(unknown) = named.iter().find(|id| !known.iter().any(|login| login.id == **id)) {
                return Err(Error::Invalid(format!("approvers: there is no login {unknown}")));
            }
        }
        Ok(others.len())
    }
}
