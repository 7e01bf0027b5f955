//! Approvals: what waits until somebody else has agreed to it, and the policies that say what has to wait.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{AccountId, Actor, ApprovalId, ApprovalPolicyId, EventId, LoginId, PersonId};

/// Who may approve. Where nobody is said, it is whoever has `approvals.manage` on the account of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approvers {
    /// These logins.
    Logins(BTreeSet<LoginId>),
    /// Whoever holds this role on the account of the policy.
    Role(String),
    /// Whoever may give this role on the account: for a request of access, which no policy has to ask for.
    Assigners(String),
}

/// What a policy says, as it is saved and as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyBody {
    /// What it is asked about: `role.assigned`, or a word of the portal's such as `order`.
    pub trigger: String,
    /// The roles whose assignment by hand waits.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub roles: BTreeSet<String>,
    /// The amount from which on it has to wait; `None` is every amount.
    pub threshold: Option<i64>,
    pub approvers: Option<Approvers>,
    /// How many persons have to approve.
    pub needed: u32,
}

/// A policy, which counts on its account and those below.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApprovalPolicy {
    pub id: ApprovalPolicyId,
    pub account: AccountId,
    /// Unique in the account.
    pub name: String,
    #[serde(flatten)]
    pub body: PolicyBody,
    /// Rises by one with each change.
    pub version: i64,
}

/// What an approval waits for: what a policy said when it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalNeed {
    /// `None` for a request of access, which nobody has to have a policy for.
    pub policy: Option<ApprovalPolicyId>,
    pub name: String,
    /// On which account its approvers are looked for.
    pub account: AccountId,
    pub approvers: Option<Approvers>,
    pub needed: u32,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Requested {
    /// A role for the subject, on the account.
    Assignment { role: String, service: Option<String>, instance: Option<String> },
    /// A role on the account for somebody who need not be known there: named by their id, or by a user name, which lies beside the event.
    Access { role: String, login: Option<LoginId> },
    /// Whatever the portal asks about.
    Order { amount: i64, reference: Option<String> },
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum ApprovalState {
    /// It waits for approvers.
    Pending,
    /// It was approved, and carried out where that is for Vestibule to do.
    Approved,
    Rejected,
    /// Who asked wants it no longer.
    Withdrawn,
    /// It was approved, and could not be carried out.
    Failed,
    /// Nobody decided in time. No row says so: see [`Approval::state_at`].
    Expired,
}

impl ApprovalState {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Pending, Self::Approved, Self::Rejected, Self::Withdrawn, Self::Failed, Self::Expired];

    /// The name in tables and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
}

/// Something that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Approval {
    pub id: ApprovalId,
    pub account_id: AccountId,
    /// The trigger that it was asked by.
    pub occasion: String,
    /// As it is saved; [`Approval::state_at`] says how it stands.
    pub state: ApprovalState,
    /// Whom it is about; `None` when nobody was found by the name that was given.
    pub subject_login_id: Option<LoginId>,
    /// Their person when it was asked.
    pub subject_person_id: Option<PersonId>,
    #[sqlx(json)]
    pub requester: Actor,
    pub requester_login_id: Option<LoginId>,
    /// Their person when it was asked.
    pub requester_person_id: Option<PersonId>,
    #[sqlx(json)]
    pub content: Requested,
    #[sqlx(json)]
    pub needs: Vec<ApprovalNeed>,
    /// Why it could not be carried out.
    pub failure: Option<String>,
    /// The event that has the reasons of who asked.
    pub event_id: EventId,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub settled_at: Option<DateTime<Utc>>,
}

impl Approval {
    /// How it stands at an instant.
    #[must_use]
    pub fn state_at(&self, now: DateTime<Utc>) -> ApprovalState {
        if self.state == ApprovalState::Pending && self.expires_at <= now { ApprovalState::Expired } else { self.state }
    }
}

/// What an approver said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Verdict {
    Approve,
    Reject,
}

/// One decision; a person has one an approval.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ApprovalDecision {
    pub approval_id: ApprovalId,
    pub login_id: LoginId,
    pub person_id: PersonId,
    pub verdict: Verdict,
    /// The places of the needs that it counts for.
    #[sqlx(json)]
    pub counts_for: Vec<usize>,
    /// The event that has the reason.
    pub event_id: EventId,
    pub decided_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_waits_expires_at_its_end_and_what_was_decided_does_not() {
        let id = Uuid::from_u128(7);
        let at = DateTime::UNIX_EPOCH;
        let mut approval = Approval {
            id: ApprovalId::from_uuid(id),
            account_id: AccountId::from_uuid(id),
            occasion: "order".to_owned(),
            state: ApprovalState::Pending,
            subject_login_id: None,
            subject_person_id: None,
            requester: Actor::System,
            requester_login_id: None,
            requester_person_id: None,
            content: Requested::Order { amount: 1, reference: None },
            needs: Vec::new(),
            failure: None,
            event_id: EventId::from_uuid(id),
            created_at: at,
            expires_at: at + TimeDelta::days(30),
            settled_at: None,
        };
        assert_eq!(approval.state_at(at + TimeDelta::days(30) - TimeDelta::microseconds(1)), ApprovalState::Pending);
        assert_eq!(approval.state_at(at + TimeDelta::days(30)), ApprovalState::Expired);
        approval.state = ApprovalState::Rejected;
        assert_eq!(approval.state_at(at + TimeDelta::days(31)), ApprovalState::Rejected);
    }

    #[test]
    fn a_policy_reads_as_it_is_written() {
        let text = r#"{"trigger":"order","threshold":100000,"approvers":{"role":"manager"},"needed":2}"#;
        let body: PolicyBody = serde_json::from_str(text).unwrap();
        assert_eq!(
            (body.roles.len(), body.threshold, &body.approvers),
            (0, Some(100_000), &Some(Approvers::Role("manager".into())))
        );
        assert_eq!(serde_json::to_string(&body).unwrap(), text);
        for state in ApprovalState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }
}
