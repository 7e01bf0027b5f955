//! Approvals: policies, what waits for somebody's approval, and who decided what.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::{LogPosition, NEVER, Reader, Result, Writer, sql};
use crate::model::{
    AccountId, Approval, ApprovalDecision, ApprovalId, ApprovalPolicy, ApprovalPolicyId, ApprovalState, LoginId, PolicyBody,
};

macro_rules! approval_columns {
    () => {
        "p.id, p.account_id, p.occasion, p.state, p.subject_login_id, p.subject_person_id, p.requester, p.requester_login_id,
         p.requester_person_id, p.content, p.needs, p.failure, p.event_id, p.created_at, p.expires_at, p.settled_at"
    };
}

macro_rules! decision_columns {
    () => {
        "d.approval_id, d.login_id, d.person_id, d.verdict, d.counts_for, d.event_id, d.decided_at"
    };
}

#[derive(sqlx::FromRow)]
struct PolicyColumns {
    id: ApprovalPolicyId,
    account_id: AccountId,
    name: String,
    body: Json<PolicyBody>,
    version: i64,
}

impl From<PolicyColumns> for ApprovalPolicy {
    fn from(row: PolicyColumns) -> Self {
        let PolicyColumns { id, account_id: account, name, body: Json(body), version } = row;
        Self { id, account, name, body, version }
    }
}

/// Which approvals are wanted; those of all conditions that are given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApprovalQuery {
    /// Only what was asked before this place.
    pub before: Option<LogPosition>,
    pub state: Option<ApprovalState>,
    pub account: Option<AccountId>,
}

impl Reader {
    /// The policies of these accounts, by name.
    pub async fn approval_policies(&mut self, accounts: &[AccountId]) -> Result<Vec<ApprovalPolicy>> {
        let rows = sql!(
            self,
            fetch_all::<PolicyColumns>(
                "select id, account_id, name, body, version from approval_policies
                 where tenant_id = $1 and account_id in {ids $2} order by account_id, name",
                Json(accounts)
            )
        )?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// A policy of the tenant.
    pub async fn approval_policy(&mut self, id: ApprovalPolicyId) -> Result<Option<ApprovalPolicy>> {
        let row = sql!(
            self,
            fetch_optional::<PolicyColumns>(
                "select id, account_id, name, body, version from approval_policies where tenant_id = $1 and id = $2",
                id
            )
        )?;
        Ok(row.map(Into::into))
    }

    /// An approval of the tenant.
    pub async fn approval(&mut self, id: ApprovalId) -> Result<Option<Approval>> {
        sql!(
            self,
            fetch_optional::<Approval>(
                concat!("select ", approval_columns!(), " from approvals p where p.tenant_id = $1 and p.id = $2"),
                id
            )
        )
    }

    /// What was asked for, the newest first. `now` says what has expired.
    pub async fn approvals(&mut self, query: &ApprovalQuery, now: DateTime<Utc>, limit: u32) -> Result<Vec<Approval>> {
        let before = query.before.unwrap_or(LogPosition { at: NEVER, id: uuid::Uuid::max() });
        // No row says that it has expired.
        let waits = match query.state {
            Some(ApprovalState::Pending) => Some(true),
            Some(ApprovalState::Expired) => Some(false),
            _ => None,
        };
        if let Some(waits) = waits {
            return sql!(
                self,
                fetch_all::<Approval>(
                    concat!(
                        "select ",
                        approval_columns!(),
                        " from approvals p where p.tenant_id = $1 and p.state = 'pending' and (p.created_at, p.id) < ($2, $3)
                           and ($4 is null or p.account_id = $4) and (p.expires_at > $5) = $6 order by p.created_at desc, p.id desc limit $7"
                    ),
                    before.at,
                    before.id,
                    query.account,
                    now,
                    waits,
                    i64::from(limit)
                )
            );
        }
        sql!(
            self,
            fetch_all::<Approval>(
                concat!(
                    "select ",
                    approval_columns!(),
                    " from approvals p where p.tenant_id = $1 and (p.created_at, p.id) < ($2, $3)
                       and ($4 is null or p.account_id = $4) and ($5 is null or p.state = $5)
                     order by p.created_at desc, p.id desc limit $6"
                ),
                before.at,
                before.id,
                query.account,
                query.state,
                i64::from(limit)
            )
        )
    }

    /// What waits about somebody on an account, also what has expired, as it was asked.
    pub async fn waiting_approvals(&mut self, subject: LoginId, account: AccountId) -> Result<Vec<Approval>> {
        let mut found = sql!(
            self,
            fetch_all::<Approval>(
                concat!(
                    "select ",
                    approval_columns!(),
                    " from approvals p where p.tenant_id = $1 and p.subject_login_id = $2 and p.account_id = $3 and p.state = 'pending'"
                ),
                subject,
                account
            )
        )?;
        found.sort_unstable_by_key(|approval| approval.id);
        Ok(found)
    }

    /// Who decided what about these.
    pub async fn approval_decisions(&mut self, approvals: &[ApprovalId]) -> Result<Vec<ApprovalDecision>> {
        let mut found = sql!(
            self,
            fetch_all::<ApprovalDecision>(
                concat!(
                    "select ",
                    decision_columns!(),
                    " from approval_decisions d where d.tenant_id = $1 and d.approval_id in {ids $2}"
                ),
                Json(approvals)
            )
        )?;
        found.sort_unstable_by_key(|decision| (decision.approval_id, decision.decided_at, decision.event_id));
        Ok(found)
    }
}

impl Writer {
    /// Makes a policy. Whoever does holds its account, and has seen that the name is free.
    pub async fn insert_approval_policy(&mut self, new: &ApprovalPolicy, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into approval_policies (tenant_id, id, account_id, name, body, version, created_at, updated_at)
                 values ($1, $2, $3, $4, $5, $6, $7, $7)",
                new.id,
                new.account,
                &new.name,
                Json(&new.body),
                new.version,
                now
            )
        )?;
        Ok(())
    }

    /// Writes what a policy says now. Its account stays.
    pub async fn update_approval_policy(&mut self, after: &ApprovalPolicy, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "update approval_policies set name = $3, body = $4, version = $5, updated_at = $6 where tenant_id = $1 and id = $2",
                after.id,
                &after.name,
                Json(&after.body),
                after.version,
                now
            )
        )?;
        Ok(())
    }

    /// Deletes a policy. What waits because of it goes on waiting.
    pub async fn delete_approval_policy(&mut self, id: ApprovalPolicyId) -> Result<()> {
        sql!(self, execute("delete from approval_policies where tenant_id = $1 and id = $2", id))?;
        Ok(())
    }

    /// Adds what was asked for.
    pub async fn insert_approval(&mut self, new: &Approval) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into approvals (tenant_id, id, account_id, occasion, state, subject_login_id, subject_person_id, requester,
                   requester_login_id, requester_person_id, content, needs, failure, event_id, created_at, expires_at, settled_at)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
                new.id,
                new.account_id,
                &new.occasion,
                new.state,
                new.subject_login_id,
                new.subject_person_id,
                Json(new.requester),
                new.requester_login_id,
                new.requester_person_id,
                Json(&new.content),
                Json(&new.needs),
                new.failure.as_deref(),
                new.event_id,
                new.created_at,
                new.expires_at,
                new.settled_at
            )
        )?;
        Ok(())
    }

    /// An approval, held until this transaction ends: one decision is made after the other.
    pub async fn approval_for_update(&mut self, id: ApprovalId) -> Result<Option<Approval>> {
        sql!(
            self,
            fetch_optional::<Approval>(
                concat!("select ", approval_columns!(), " from approvals p where p.tenant_id = $1 and p.id = $2 {for update}"),
                id
            )
        )
    }

    /// Writes how an approval ended, and why it could not be carried out.
    pub async fn settle_approval(&mut self, after: &Approval) -> Result<()> {
        let written = sql!(
            self,
            execute(
                "update approvals set state = $3, failure = $4, settled_at = $5
                 where tenant_id = $1 and id = $2 and state = 'pending'",
                after.id,
                after.state,
                after.failure.as_deref(),
                after.settled_at
            )
        )?;
        if written == 1 { Ok(()) } else { Err(super::Error::Raced) }
    }

    /// Adds a decision.
    pub async fn insert_approval_decision(&mut self, new: &ApprovalDecision) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into approval_decisions
                   (tenant_id, approval_id, login_id, person_id, verdict, counts_for, event_id, decided_at)
                 values ($1, $2, $3, $4, $5, $6, $7, $8)",
                new.approval_id,
                new.login_id,
                new.person_id,
                new.verdict,
                Json(&new.counts_for),
                new.event_id,
                new.decided_at
            )
        )?;
        Ok(())
    }
}
