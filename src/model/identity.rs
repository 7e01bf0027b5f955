//! Logins, their subjects, and what a sign-in proves.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{AccountId, ConnectionId, DirectoryId, LoginId, PersonId, SignedAssertion, TenantId};

/// Where a login's identity comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum LoginKind {
    /// The customer's own identity provider: provisioned by a directory, created at sign-in, or by hand.
    Byoi,
    /// User name, password and second factor, kept here.
    Local,
}

/// The place of a login in its person. There are two, and the schema knows no third.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
#[repr(i16)]
pub enum Slot {
    One = 1,
    Two = 2,
}

impl Slot {
    /// The person's other place.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::One => Self::Two,
            Self::Two => Self::One,
        }
    }
}

/// One identity that a person signs in with. A SCIM `User` is a login.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Login {
    pub id: LoginId,
    pub person_id: PersonId,
    /// The person that it was born with, to whom unlinking gives it back.
    pub born_person_id: PersonId,
    pub slot: Slot,
    pub kind: LoginKind,
    /// The directory that provisions it, if one does.
    pub directory_id: Option<DirectoryId>,
    /// The connection that created it; it stays when a directory adopts the login.
    pub connection_id: Option<ConnectionId>,
    pub home_account_id: AccountId,
    /// As it was given; compared by its folded key.
    pub user_name: String,
    /// The directory's own name for it, compared only inside that directory.
    pub external_id: Option<String>,
    /// What the directory says, or whoever made the login.
    pub active: bool,
    /// Since when an administrator's hand has deactivated it; no directory undoes that.
    pub locked_at: Option<DateTime<Utc>>,
    /// The other login of the person, with whose leaving this one, a local login, was locked. Its return unlocks it.
    pub suspended_by: Option<LoginId>,
    /// A local login that stays when the other login of its person leaves.
    pub break_glass: bool,
    pub invited_at: Option<DateTime<Utc>>,
    /// The second factor of a local login.
    pub token_type: Option<TokenType>,
    /// The kind of mobile that has its soft token.
    pub mobile_type: Option<String>,
    pub signed_in_at: Option<DateTime<Utc>>,
    /// Raised with every effective change; the ETag of the SCIM User.
    pub version: i64,
    /// Raised when something about the login must end its sessions at once.
    pub epoch: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Login {
    /// Whether it may be used: the directory's word and an administrator's hand both say so.
    #[must_use]
    pub const fn is_usable(&self) -> bool {
        self.active && self.locked_at.is_none()
    }
}

/// The second factor of a local login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "kebab-case")]
#[sqlx(type_name = "text", rename_all = "kebab-case")]
pub enum TokenType {
    /// A code that is sent to a phone.
    Sms,
    /// A program on a mobile that shows codes.
    SoftToken,
}

/// An e-mail address of a login, as given and folded. Never a key to anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    pub value: String,
    pub value_key: String,
}

/// Which part of the protocol named the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum SubjectKind {
    /// The `sub` claim of OpenID Connect Core section 2.
    Sub,
    /// A persistent `NameID` of SAML 2.0 Core section 8.3.7.
    NameId,
    /// An immutable SAML attribute that the connection maps.
    Attribute,
}

/// What a connection's identity provider calls a login for ever. The only thing by which a sign-in finds its login.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    pub connection: ConnectionId,
    /// The issuer that said it (`iss`, or the SAML entity id).
    pub issuer: String,
    pub kind: SubjectKind,
    /// Compared byte for byte.
    pub value: String,
}

/// What a sign-in proved, whichever protocol carried it: every protocol ends in this one type.
///
/// Only `federation` makes one, after all its checks; it holds verified values and no token.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalIdentity {
    pub tenant: TenantId,
    pub subject: Subject,
    /// The verified claims, each as its list of strings: what binding pairs and rules read.
    pub claims: BTreeMap<String, Vec<String>>,
    /// When the identity provider says that it last asked the person to prove who they are (`auth_time`).
    pub authenticated_at: Option<DateTime<Utc>>,
    /// The identity provider's own session, so that its logout can find ours.
    pub upstream_session: Option<String>,
    /// Authentication context class as the identity provider stated it.
    pub acr: Option<String>,
    /// Authentication methods as the identity provider stated them (RFC 8176).
    pub amr: Vec<String>,
    /// The SAML assertion that says all this. It must not have been used before, which is for whoever signs in to see to.
    pub assertion: Option<SignedAssertion>,
    /// When the identity provider wants the session to end at the latest (`SessionNotOnOrAfter`).
    pub session_until: Option<DateTime<Utc>>,
}

impl ExternalIdentity {
    /// The single value of `claim`. A claim with several values names nobody, so it is no value.
    #[must_use]
    pub fn claim(&self, claim: &str) -> Option<&str> {
        match self.claims.get(claim).map(Vec::as_slice) {
            Some([value]) if !value.is_empty() => Some(value),
            _ => None,
        }
    }
}
