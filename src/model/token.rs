//! Bearer tokens of directories: what they may do and how long they live. What proves one is the store's.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Actor, DirectoryId, TokenId};

/// One thing that a directory's token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// Read and change the directory's resources by SCIM.
    #[serde(rename = "scim")]
    Scim,
    /// Read the directory's resources by SCIM.
    #[serde(rename = "scim:read")]
    ScimRead,
    /// Read the directory's provisioning log by the API.
    #[serde(rename = "log")]
    Log,
}

impl Scope {
    /// The name in files, tables and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scim => "scim",
            Self::ScimRead => "scim:read",
            Self::Log => "log",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no scope {0:?}; there are scim, scim:read and log")]
pub struct NotAScope(String);

impl FromStr for Scope {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, NotAScope> {
        [Self::Scim, Self::ScimRead, Self::Log]
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| NotAScope(text.to_owned()))
    }
}

/// Everything that a token may do; at least one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeSet<Scope>", into = "BTreeSet<Scope>")]
pub struct Scopes(BTreeSet<Scope>);

/// A token that may do nothing is of no use to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token needs at least one scope")]
pub struct NoScope;

impl Scopes {
    /// Exactly these scopes.
    ///
    /// # Errors
    /// When there is none.
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> Result<Self, NoScope> {
        scopes.into_iter().collect::<BTreeSet<_>>().try_into()
    }

    /// Whether a token with these scopes may do what `wanted` names. Who may write by SCIM may read; nothing else follows from anything.
    #[must_use]
    pub fn allow(&self, wanted: Scope) -> bool {
        self.0.contains(&wanted) || (wanted == Scope::ScimRead && self.0.contains(&Scope::Scim))
    }
}

impl Default for Scopes {
    /// What a provisioning client needs: `scim`.
    fn default() -> Self {
        Self(BTreeSet::from([Scope::Scim]))
    }
}

impl TryFrom<BTreeSet<Scope>> for Scopes {
    type Error = NoScope;

    fn try_from(scopes: BTreeSet<Scope>) -> Result<Self, NoScope> {
        if scopes.is_empty() { Err(NoScope) } else { Ok(Self(scopes)) }
    }
}

impl From<Scopes> for BTreeSet<Scope> {
    fn from(Scopes(scopes): Scopes) -> Self {
        scopes
    }
}

/// A bearer token of a directory, without what proves it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Token {
    pub id: TokenId,
    pub directory_id: DirectoryId,
    /// Unique among the directory's tokens that are neither replaced nor revoked. Rotation hands it on.
    pub name: String,
    /// The public part of the token. It finds the row, and the token when it turns up where it should not be.
    pub prefix: String,
    #[sqlx(json)]
    pub scopes: Scopes,
    #[sqlx(json)]
    pub created_by: Actor,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    /// The last use, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// The token whose place this one took by rotation.
    pub replaces: Option<TokenId>,
    /// When another took the place of this one; it lives on until `expires_at`.
    pub replaced_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

/// What has become of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenState {
    /// It is good.
    Active,
    /// It is still good, but another has taken its place.
    Replaced,
    /// Its time is over.
    Expired,
    /// Somebody ended it.
    Revoked,
}

impl Token {
    /// The state at `now`.
    #[must_use]
    pub fn state(&self, now: DateTime<Utc>) -> TokenState {
        if self.revoked_at.is_some() {
            TokenState::Revoked
        } else if self.expires_at.is_some_and(|at| at <= now) {
            TokenState::Expired
        } else if self.replaced_at.is_some() {
            TokenState::Replaced
        } else {
            TokenState::Active
        }
    }

    /// How long it was meant to live when it was made; a token without an end has none.
    #[must_use]
    pub fn lifetime(&self) -> Option<TimeDelta> {
        self.expires_at.map(|end| end - self.created_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_they_are_written() {
        for scope in [Scope::Scim, Scope::ScimRead, Scope::Log] {
            assert_eq!(scope.as_str().parse(), Ok(scope));
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
        }
        assert_eq!("SCIM".parse::<Scope>(), Err(NotAScope("SCIM".to_owned())));
        assert_eq!(
            serde_json::to_string(&Scopes::new([Scope::Log, Scope::Scim, Scope::Log]).unwrap()).unwrap(),
            r#"["scim","log"]"#
        );
        assert!(serde_json::from_str::<Scopes>("[]").is_err() && serde_json::from_str::<Scopes>(r#"["all"]"#).is_err());
    }

    #[test]
    fn a08_only_writing_implies_another_scope() {
        use Scope::{Log, Scim, ScimRead};
        let allowed = |scopes: &[Scope]| {
            let scopes = Scopes::new(scopes.iter().copied()).unwrap();
            [Scim, ScimRead, Log].map(|wanted| scopes.allow(wanted))
        };
        assert_eq!(allowed(&[Scim]), [true, true, false]);
        assert_eq!(allowed(&[ScimRead]), [false, true, false]);
        assert_eq!(allowed(&[Log]), [false, false, true]);
        assert_eq!(allowed(&[ScimRead, Log]), [false, true, true]);
        assert_eq!(Scopes::new([]), Err(NoScope));
    }

    #[test]
    fn the_worst_that_happened_to_a_token_is_its_state() {
        let at = |seconds: i64| DateTime::from_timestamp(seconds, 0).unwrap();
        let token = |expires: Option<i64>, replaced: Option<i64>, revoked: Option<i64>| Token {
            id: TokenId::new(at(0)),
            directory_id: DirectoryId::new(at(0)),
            name: "entra".to_owned(),
            prefix: String::new(),
            scopes: Scopes::default(),
            created_by: Actor::Operator,
            created_at: at(0),
            expires_at: expires.map(at),
            last_used_at: None,
            replaces: None,
            replaced_at: replaced.map(at),
            revoked_at: revoked.map(at),
        };
        let table = [
            (token(None, None, None), TokenState::Active),
            (token(Some(11), None, None), TokenState::Active),
            (token(Some(10), None, None), TokenState::Expired),
            (token(Some(11), Some(5), None), TokenState::Replaced),
            (token(Some(10), Some(5), None), TokenState::Expired),
            (token(Some(10), Some(5), Some(6)), TokenState::Revoked),
        ];
        for (token, state) in table {
            assert_eq!(token.state(at(10)), state, "{token:?}");
        }
        assert_eq!(token(Some(11), None, None).lifetime(), Some(TimeDelta::seconds(11)));
    }
}
