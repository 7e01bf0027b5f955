//! Rules, and the assignments they give.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AccountId, AssignmentId, ConnectionId, DirectoryId, InstanceId, LoginId, RuleId, ServiceId};

/// Who gave an assignment. Sources never take one another's assignments away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum AssignmentSource {
    Rule,
    Manual,
    Operator,
}

/// A role that a login was given at an account, with its provenance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Assignment {
    pub id: AssignmentId,
    pub login_id: LoginId,
    pub account_id: AccountId,
    /// The service that it is narrowed to; `None` is every service.
    pub service_id: Option<ServiceId>,
    /// The key of that service.
    pub service: Option<String>,
    /// The instance of the service that it is narrowed to; `None` is every instance.
    pub instance_id: Option<InstanceId>,
    /// What the portal calls that instance.
    pub instance: Option<String>,
    /// The key of a role in the tenant's catalogue.
    pub role: String,
    pub source: AssignmentSource,
    /// The rule, or the login or operator that gave it.
    pub source_id: Uuid,
    pub granted_at: DateTime<Utc>,
}

/// Whose facts a rule reads: the groups of one directory, or the claims of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleOrigin {
    Directory(DirectoryId),
    Connection(ConnectionId),
}

/// A mapping rule as it is saved: accounts are ids, so that moving or renaming one does not break it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub id: RuleId,
    pub name: String,
    pub origin: RuleOrigin,
    /// The subtree that the rule may give roles in.
    pub within: AccountId,
    pub body: RuleBody,
    pub version: i64,
}

/// The condition of a rule and what it gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleBody {
    /// A SCIM filter over the facts (RFC 7644 section 3.4.2.2).
    pub when: String,
    pub grants: Vec<Grant>,
}

/// The rules that gave roles, or took them away, in one change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedRules {
    pub granted: BTreeSet<RuleId>,
    pub revoked: BTreeSet<RuleId>,
}

/// One role at one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The key of a role in the tenant's catalogue.
    pub role: String,
    pub account: AccountId,
}
