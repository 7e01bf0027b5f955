//! Rules, and the assignments they give.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;

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
    /// The rule, or the login, client or operator that gave it.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    pub id: RuleId,
    pub name: String,
    #[serde(rename = "from")]
    pub origin: RuleOrigin,
    /// The subtree that the rule may give roles in.
    pub within: AccountId,
    #[serde(flatten)]
    pub body: RuleBody,
    /// Rises by one with each change.
    pub version: i64,
}

/// The condition of a rule and what it gives, as it is saved and as the API shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleBody {
    /// A SCIM filter over the facts (RFC 7644 section 3.4.2.2). Empty is everybody whom the rule's origin knows; then there is a pattern.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub when: String,
    /// A naming convention: the rule gives what it gives once for each value that follows it.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Pattern>,
    pub grants: Vec<Grant>,
}

/// A naming convention: a pattern for the values of an attribute, with named parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// The attribute of the facts whose values are looked at, such as `groups.display`.
    pub attribute: String,
    /// A regular expression for the whole of a value, in any letter case; `(?<name>…)` names a part.
    pub pattern: String,
}

/// The rules that gave roles, or took them away, in one change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedRules {
    pub granted: BTreeSet<RuleId>,
    pub revoked: BTreeSet<RuleId>,
}

/// One role at one account, or a family of them: with a pattern, each of the two may be a part of the matched value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The key of a role in the tenant's catalogue, or `{name}` of a part.
    pub role: Given<String>,
    /// An account, or `{name}` of a part that is the path of an account below the rule's subtree.
    pub account: Given<AccountId>,
    /// Which role each value of the part is. A rule gives no other roles by this grant, whatever joins the catalogue later.
    #[serde(default, rename = "as", skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
}

impl Grant {
    /// One role at one account.
    #[must_use]
    pub fn fixed(role: impl Into<String>, account: AccountId) -> Self {
        Self { role: Given::Fixed(role.into()), account: Given::Fixed(account), names: BTreeMap::new() }
    }
}

/// Something that a rule names, or takes from a part of the matched value. Its text is the thing itself, or `{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String", bound(deserialize = "T: FromStr, T::Err: Display", serialize = "T: Clone + Display"))]
pub enum Given<T> {
    Fixed(T),
    /// The name of a part of the pattern.
    Captured(String),
}

impl<T: FromStr<Err: Display>> TryFrom<String> for Given<T> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => Ok(Self::Captured(name.to_owned())),
            None => text.parse().map(Self::Fixed).map_err(|error| format!("{text:?}: {error}")),
        }
    }
}

impl<T: Display> From<Given<T>> for String {
    fn from(given: Given<T>) -> Self {
        match given {
            Given::Fixed(thing) => thing.to_string(),
            Given::Captured(name) => format!("{{{name}}}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_reads_as_it_is_written_also_an_old_one() {
        let account = AccountId::from_uuid(Uuid::from_u128(7));
        let old = format!(r#"{{"when":"userName pr","grants":[{{"role":"support","account":"{account}"}}]}}"#);
        let body: RuleBody = serde_json::from_str(&old).unwrap();
        assert_eq!((&body.pattern, body.grants.as_slice()), (&None, &[Grant::fixed("support", account)][..]));
        assert_eq!(serde_json::to_string(&body).unwrap(), old);
        let new = concat!(
            r#"{"match":{"attribute":"groups.display","pattern":"(?<r>.*)"},"#,
            r#""grants":[{"role":"{r}","account":"{account}","as":{"a":"administrator"}}]}"#
        );
        let body: RuleBody = serde_json::from_str(new).unwrap();
        let grant = &body.grants[0];
        assert_eq!((&grant.role, &grant.account), (&Given::Captured("r".into()), &Given::Captured("account".into())));
        assert_eq!(serde_json::to_string(&body).unwrap(), new);
        for wrong in [r#"{"grants":[{"role":"a","account":"emea"}]}"#, r#"{"grants":[],"with":1}"#, r#"{"when":""}"#] {
            assert!(serde_json::from_str::<RuleBody>(wrong).is_err(), "{wrong}");
        }
    }
}
