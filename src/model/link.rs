//! How logins sign in within a session, and what two logins of one person are linked by.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{ConnectionId, FRESH, LinkProofId, LoginId, NameId};

/// How a login signed in, as its session knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::FromRow)]
pub struct Authentication {
    /// A local login has none.
    pub connection_id: Option<ConnectionId>,
    /// When that was here.
    pub authenticated_at: DateTime<Utc>,
    /// When the identity provider says that it last asked the person for proof (`auth_time`), if it says so.
    pub asserted_at: Option<DateTime<Utc>>,
    /// The same, where it was told to ask anew (`prompt=login`, `ForceAuthn`); none where it was not.
    pub proved_at: Option<DateTime<Utc>>,
    /// The identity provider's own session, so that its logout can find ours.
    pub upstream_session: Option<String>,
    /// Our class of it (`acr`).
    pub acr: Option<String>,
    /// Authentication methods (RFC 8176).
    #[sqlx(json)]
    pub amr: Vec<String>,
    /// What a SAML identity provider calls the login when it ends its session.
    #[sqlx(json(nullable))]
    #[serde(default)]
    pub name_id: Option<NameId>,
    /// When the identity provider wants sessions to end in which the login signs in so (`SessionNotOnOrAfter`).
    #[serde(default)]
    pub session_until: Option<DateTime<Utc>>,
}

impl Authentication {
    /// Whether it is fresh proof of who somebody is: the identity provider was told to ask anew, and says that it did so within the last
    /// five minutes. One that does not say when it asked proves nothing.
    #[must_use]
    pub fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        self.proved_at.is_some_and(|at| at >= now - FRESH)
    }
}

/// What a sign-in is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Purpose {
    /// To be signed in, as whoever it is.
    #[default]
    SignIn,
    /// To go on as this login and as no other: to switch to it, or to prove it anew.
    Login { login: LoginId },
    /// To prove the second login of a link. Nobody is signed in by it.
    Link { link: LinkProofId },
    /// To see what a sign-in would come to, for the administrator who has this login. Nobody is signed in by it, and nothing is bound.
    Test { login: LoginId },
}

/// Who says that two logins are one person's. None of them makes a link: the person does, by signing in with both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkSource {
    /// An administrator.
    Administrator,
    /// The directory of both, by an attribute (`otherUserName`).
    Directory,
    /// Their user names, by a pattern of the directory's settings.
    UserName,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proof_is_fresh_for_five_minutes_if_it_was_asked_for() {
        let at = |seconds| DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap();
        let authentication = |asserted, proved: Option<i64>| Authentication {
            connection_id: None,
            authenticated_at: at(600),
            asserted_at: Some(at(asserted)),
            proved_at: proved.map(at),
            upstream_session: None,
            acr: None,
            amr: Vec::new(),
            name_id: None,
            session_until: None,
        };
        assert!(authentication(300, Some(300)).is_fresh(at(600)));
        assert!(!authentication(299, Some(299)).is_fresh(at(600)), "too old");
        assert!(!authentication(600, None).is_fresh(at(600)), "nobody told it to ask");
    }
}
