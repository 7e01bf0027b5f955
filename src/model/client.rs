//! Clients that work for themselves: machines that ask the API with OAuth 2.0 client credentials.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{AccountId, ClientId};

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// One thing that a client may do by the API. The names are those of OAuth (RFC 6749 section 3.3).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum ClientScope { $($(#[$doc])* #[serde(rename = $text)] $name,)* }

        impl ClientScope {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name in files, tables and answers.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

scopes! {
    /// To ask for decisions: what a login may do on an account.
    Evaluate = "access:evaluate";
    /// To see accounts and what they subscribe to.
    ReadAccounts = "accounts:read";
    /// To see and change them, and what they subscribe to.
    WriteAccounts = "accounts:write";
    /// To see who has roles, and why.
    ReadPeople = "people:read";
    /// To see and look after people.
    WritePeople = "people:write";
    /// To see who has roles, and to give and take them.
    WriteRoles = "roles:write";
    /// To see rules.
    ReadRules = "rules:read";
    /// To see and change rules.
    WriteRules = "rules:write";
    /// To see directories, their tokens and their log, without values.
    ReadDirectories = "directories:read";
    /// To see and change them, and see the values in their log.
    WriteDirectories = "directories:write";
    /// To see what waits for an approval, what was decided, and the policies.
    ReadApprovals = "approvals:read";
    /// To see that, and to ask for approvals.
    WriteApprovals = "approvals:write";
    /// To read the audit trail.
    ReadAudit = "audit:read";
}

impl fmt::Display for ClientScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no scope of a client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no scope {0:?}")]
pub struct NotAClientScope(String);

impl FromStr for ClientScope {
    type Err = NotAClientScope;

    fn from_str(text: &str) -> Result<Self, NotAClientScope> {
        let found = Self::ALL.iter().find(|scope| scope.as_str() == text);
        found.copied().ok_or_else(|| NotAClientScope(text.to_owned()))
    }
}

/// Everything that a client, or one of its access tokens, may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientScopes(BTreeSet<ClientScope>);

impl ClientScopes {
    #[must_use]
    pub fn contains(&self, scope: ClientScope) -> bool {
        self.0.contains(&scope)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all of these are among the others.
    #[must_use]
    pub fn is_within(&self, others: &Self) -> bool {
        self.0.is_subset(&others.0)
    }
}

impl FromIterator<ClientScope> for ClientScopes {
    fn from_iter<I: IntoIterator<Item = ClientScope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

/// The names, with one space between two (RFC 6749 section 3.3).
impl fmt::Display for ClientScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|scope| scope.as_str()).collect();
        f.write_str(&names.join(" "))
    }
}

/// A client of one tenant, without what proves it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Client {
    pub id: ClientId,
    /// What it calls itself; unique in the service.
    pub client_id: String,
    pub name: String,
    #[sqlx(json)]
    pub scopes: ClientScopes,
    /// It acts on this account and those below, and there is nothing else for it.
    pub within_id: AccountId,
    pub created_at: DateTime<Utc>,
    /// When it last was given an access token, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_they_are_written() {
        for scope in ClientScope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(*scope));
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
        }
        assert!("accounts".parse::<ClientScope>().is_err() && "".parse::<ClientScope>().is_err());
        let both: ClientScopes = [ClientScope::ReadPeople, ClientScope::Evaluate, ClientScope::ReadPeople].into_iter().collect();
        assert_eq!(both.to_string(), "access:evaluate people:read");
        assert_eq!(serde_json::to_string(&both).unwrap(), r#"["access:evaluate","people:read"]"#);
        let one: ClientScopes = [ClientScope::Evaluate].into_iter().collect();
        assert!(one.is_within(&both) && !both.is_within(&one) && !one.is_empty() && ClientScopes::default().is_empty());
    }
}
