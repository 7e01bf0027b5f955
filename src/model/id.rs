//! Typed identifiers: a login's id cannot be passed where a person's is wanted.
//!
//! All are `UUIDv7`, so that rows of one table lie in the order in which they were made; they are never reused and never taken
//! from a client. An id that comes from outside (a URL, a SCIM member) is parsed, and one that does not parse is simply unknown.

use std::sync::Mutex;

use chrono::{DateTime, Utc};
use uuid::{ContextV7, Timestamp, Uuid};

/// A text that is no id of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not an id of this service")]
pub struct NotAnId;

/// Counts the ids of one millisecond, so that they sort in the order in which this process made them. For the same reason it never
/// goes back in time when the clock does.
static CONTEXT: Mutex<ContextV7> = Mutex::new(ContextV7::new());

fn uuid_at(now: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
    Uuid::new_v7(Timestamp::from_unix(&CONTEXT, seconds, now.timestamp_subsec_nanos()))
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, sqlx::Type)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id, ordered by `now`.
            #[must_use]
            pub fn new(now: DateTime<Utc>) -> Self {
                Self(uuid_at(now))
            }

            /// The id that `uuid` is, for values that our own store or configuration fixed.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The bare UUID.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotAnId;

            /// Only the canonical form, lower-case with hyphens, is an id: one thing has one name.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match Uuid::try_parse(text) {
                    Ok(uuid) if uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text => Ok(Self(uuid)),
                    _ => Err(NotAnId),
                }
            }
        }
    )*};
}

ids! {
    /// A customer company.
    TenantId
    /// A node of a tenant's account tree.
    AccountId
    /// A product subscribed in an account.
    ServiceId
    /// One instance of a service.
    InstanceId
    /// One human in a tenant.
    PersonId
    /// One identity a person signs in with; the `id` of a SCIM User.
    LoginId
    /// A SCIM Group.
    GroupId
    /// The trust with one identity provider.
    ConnectionId
    /// An e-mail domain of a tenant.
    DomainId
    /// One SCIM provisioning domain.
    DirectoryId
    /// A bearer token of a directory.
    TokenId
    /// A mapping rule.
    RuleId
    /// A role given to a login at an account.
    AssignmentId
    /// Work that goes on after the change that caused it.
    JobId
    /// A rule of what waits for an approval.
    ApprovalPolicyId
    /// Something that was asked for and waits for an approval, or was decided.
    ApprovalId
    /// Sessions of a connection or tenant that are over, and still to be removed.
    EndingId
    /// A browser's stay.
    SessionId
    /// One login within one session: the `sid` that portals see.
    Sid
    /// A sign-in that has begun and waits for its callback.
    PendingId
    /// A link of two logins that is being made.
    LinkProofId
    /// A certificate by which a connection's identity provider signs.
    CertificateId
    /// A key of ours at one connection.
    ConnectionKeyId
    /// A logout that an identity provider was asked for, and has not answered.
    PendingLogoutId
    /// A portal application, or a client that works for itself.
    ClientId
    /// What a client was given for its credentials.
    AccessTokenId
    /// An authorization request that waits for its person.
    AuthorizationRequestId
    /// What a portal was given in one session.
    GrantId
    /// An audit entry.
    EventId
    /// A process that holds a lease.
    HolderId
    /// A signing key.
    KeyId
    /// The record of one sign-in attempt; its text is the reference number on the page.
    TraceId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_made_later_sort_later() {
        let earlier = LoginId::new(DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        let later = LoginId::new(DateTime::from_timestamp(1_700_000_001, 0).unwrap());
        assert!(earlier < later);
        assert!(earlier.to_string() < later.to_string());
    }

    #[test]
    fn ids_of_one_instant_sort_as_they_were_made() {
        let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let made: Vec<_> = (0..1_000).map(|_| EventId::new(at)).collect();
        assert!(made.is_sorted());
    }

    #[test]
    fn only_the_canonical_spelling_is_an_id() {
        let id = LoginId::new(DateTime::UNIX_EPOCH);
        assert_eq!(id.to_string().parse::<LoginId>().unwrap(), id);
        for other in [id.to_string().to_uppercase(), id.uuid().simple().to_string(), format!("{{{id}}}"), "1".into(), String::new()]
        {
            if other != id.to_string() {
                assert!(other.parse::<LoginId>().is_err(), "{other}");
            }
        }
    }
}
