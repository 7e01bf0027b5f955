//! Audit entries.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{AccountId, ClientId, ConnectionId, DirectoryId, EventId, LoginId, TokenId};

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Actor {
    /// A directory's client, with one of its tokens.
    Directory { directory: DirectoryId, token: TokenId },
    /// A person, with the login they used.
    Login { login: LoginId },
    /// A browser that is not signed in yet, by way of a connection.
    Connection { connection: ConnectionId },
    /// A client that works for itself.
    Client { client: ClientId },
    /// Whoever runs the service, by its command line.
    Operator,
    /// The service itself.
    System,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What happened. The text is stable: webhooks and queries name it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum EventKind { $($(#[$doc])* $name,)* }

        impl EventKind {
            /// The stable name, `noun.verb`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The kind of a stable name.
            #[must_use]
            pub fn named(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)* _ => None }
            }
        }
    };
}

kinds! {
    TenantCreated = "tenant.created",
    AccountCreated = "account.created",
    AccountChanged = "account.changed",
    ServiceSubscribed = "service.subscribed",
    ServiceUnsubscribed = "service.unsubscribed",
    InstanceAdded = "instance.added",
    InstanceRemoved = "instance.removed",
    /// A role was given by hand.
    AssignmentGiven = "assignment.given",
    /// A role that a hand gave was taken by one.
    AssignmentTaken = "assignment.taken",
    ApprovalPolicyCreated = "approval_policy.created",
    ApprovalPolicyChanged = "approval_policy.changed",
    ApprovalPolicyDeleted = "approval_policy.deleted",
    /// Something was asked for that waits for an approval.
    ApprovalRequested = "approval.requested",
    /// Somebody approved it; where several have to, it may wait for the others.
    ApprovalApproved = "approval.approved",
    ApprovalRejected = "approval.rejected",
    /// Who asked wants it no longer.
    ApprovalWithdrawn = "approval.withdrawn",
    /// It was approved, and could not be carried out.
    ApprovalFailed = "approval.failed",
    /// Somebody took an extract of who may do what.
    PermissionsExtracted = "permissions.extracted",
    PersonDeactivated = "person.deactivated",
    PersonReactivated = "person.reactivated",
    /// The key of a person's values in events was destroyed.
    PersonKeyErased = "person.key_erased",
    ConnectionCreated = "connection.created",
    DomainCreated = "domain.created",
    DirectoryCreated = "directory.created",
    DirectoryChanged = "directory.changed",
    /// Trace mode was switched on, until a time, or off.
    TraceChanged = "directory.trace_changed",
    BindingCreated = "binding.created",
    TokenIssued = "token.issued",
    /// One token took the place of another, which ends after an overlap.
    TokenRotated = "token.rotated",
    TokenRevoked = "token.revoked",
    ClientCreated = "client.created",
    /// A client was given an access token for its credentials.
    ClientTokenIssued = "client.token_issued",
    ClientRevoked = "client.revoked",
    RuleCreated = "rule.created",
    RuleChanged = "rule.changed",
    RuleDeleted = "rule.deleted",
    LoginCreated = "login.created",
    /// A directory took over a login that signing in had made.
    LoginAdopted = "login.adopted",
    LoginUpdated = "login.updated",
    /// A deactivation ends the login's sessions in the same transaction.
    LoginDeactivated = "login.deactivated",
    LoginReactivated = "login.reactivated",
    /// An administrator has deactivated it, whatever its directory says.
    LoginLocked = "login.locked",
    LoginUnlocked = "login.unlocked",
    /// Somebody was asked to come.
    LoginInvited = "login.invited",
    LoginDeleted = "login.deleted",
    LoginBound = "login.bound",
    GroupCreated = "group.created",
    GroupUpdated = "group.updated",
    GroupDeleted = "group.deleted",
    MembersChanged = "group.members_changed",
    RolesChanged = "roles.changed",
    SignedIn = "session.signed_in",
    SignInRefused = "session.refused",
    SignedOut = "session.signed_out",
}

/// One audit entry, written in the transaction that it tells of, and never changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub id: EventId,
    pub at: DateTime<Utc>,
    pub kind: EventKind,
    pub actor: Actor,
    /// The id of what it happened to.
    pub target: uuid::Uuid,
    /// The account that it was about: who may read that account's audit trail sees it. `None` is the home account of the login,
    /// connection or directory that is the target, and for every other target the tenant as a whole.
    pub account: Option<AccountId>,
    /// Names and ids that tell the story; no personal values and no secrets.
    pub details: serde_json::Value,
}

impl Event {
    /// The same event, about an account.
    #[must_use]
    pub fn at(self, account: AccountId) -> Self {
        Self { account: Some(account), ..self }
    }
}
