//! Rules, and the assignments they give.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{AccountId, ConnectionId, DirectoryId, RuleId};

/// Who gave an assignment. Sources never take one another's assignments away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum AssignmentSource {
    Rule,
    Manual,
    Operator,
}

/// What a login holds at one account and why, for pages and tokens.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct EffectiveRole {
    pub account_id: AccountId,
    pub account_name: String,
    pub role: String,
    pub source: AssignmentSource,
    /// The rule's name, where a rule gave it.
    pub rule_name: Option<String>,
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
