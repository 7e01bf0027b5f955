//! Audit entries.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{AccountId, ClientId, ConnectionId, DirectoryId, EventId, LoginId, TokenId};

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
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
    /// Somebody of whoever runs the service, with the login of the operator's tenant that they used.
    OperatorPerson { login: LoginId },
    /// The service itself.
    System,
}

/// An actor as it is kept and told: the operator is one kind, by whichever way.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
enum Written {
    Directory {
        directory: DirectoryId,
        token: TokenId,
    },
    Login {
        login: LoginId,
    },
    Connection {
        connection: ConnectionId,
    },
    Client {
        client: ClientId,
    },
    Operator {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        login: Option<LoginId>,
    },
    System,
}

impl From<Actor> for Written {
    fn from(actor: Actor) -> Self {
        match actor {
            Actor::Directory { directory, token } => Self::Directory { directory, token },
            Actor::Login { login } => Self::Login { login },
            Actor::Connection { connection } => Self::Connection { connection },
            Actor::Client { client } => Self::Client { client },
            Actor::Operator => Self::Operator { login: None },
            Actor::OperatorPerson { login } => Self::Operator { login: Some(login) },
            Actor::System => Self::System,
        }
    }
}

impl From<Written> for Actor {
    fn from(written: Written) -> Self {
        match written {
            Written::Directory { directory, token } => Self::Directory { directory, token },
            Written::Login { login } => Self::Login { login },
            Written::Connection { connection } => Self::Connection { connection },
            Written::Client { client } => Self::Client { client },
            Written::Operator { login: None } => Self::Operator,
            Written::Operator { login: Some(login) } => Self::OperatorPerson { login },
            Written::System => Self::System,
        }
    }
}

impl Actor {
    /// By what the events of an actor are found: an id, or the name of who has none.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Directory { directory, .. } => directory.to_string(),
            Self::Login { login } => login.to_string(),
            Self::Connection { connection } => connection.to_string(),
            Self::Client { client } => client.to_string(),
            Self::Operator | Self::OperatorPerson { .. } => "operator".to_owned(),
            Self::System => "system".to_owned(),
        }
    }
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
    /// A tenant was suspended, or taken into use again.
    TenantChanged = "tenant.changed",
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
    /// The operator read the values of an entry of a provisioning log.
    LogValuesRead = "directory.log_values_read",
    /// The key of a person's values in events was destroyed.
    PersonKeyErased = "person.key_erased",
    ConnectionCreated = "connection.created",
    /// A connection was switched off, or on again, or is otherwise something else than before.
    ConnectionChanged = "connection.changed",
    /// An administrator signed in to see what that would come to. Nobody was signed in by it.
    ConnectionTested = "connection.tested",
    /// A certificate of its identity provider counts from now on.
    CertificateAdded = "connection.certificate_added",
    /// It counts no longer.
    CertificateRemoved = "connection.certificate_removed",
    /// It ends in 30, 14, 7 days, or in one; once each.
    CertificateExpiring = "connection.certificate_expiring",
    /// Its metadata names its identity provider or an endpoint otherwise, which waits for an approval.
    ConnectionChangeProposed = "connection.change_proposed",
    /// An administrator approved that.
    ConnectionChangeApproved = "connection.change_approved",
    /// We have another key there.
    ConnectionKeyCreated = "connection.key_created",
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
    /// A key was made that signs what portals verify.
    SigningKeyCreated = "signing_key.created",
    /// It is no longer published.
    SigningKeyRetired = "signing_key.retired",
    SigningKeyRemoved = "signing_key.removed",
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
    /// It has become the other login of a person's; both logins have such an event.
    LoginLinked = "login.linked",
    /// It is no longer the other login of a person's; both logins have such an event.
    LoginUnlinked = "login.unlinked",
    /// A session goes on as this login of its person.
    LoginSwitched = "login.switched",
    /// It was proved as the second login of a link, which only its person can finish.
    LinkProved = "link.proved",
    /// An administrator takes it and another login for one person's.
    LinkProposed = "link.proposed",
    /// An administrator does so no longer, or the person has turned it down.
    LinkWithdrawn = "link.withdrawn",
    /// A local login was locked because the other login of its person left.
    LoginSuspended = "login.suspended",
    /// It was unlocked because the other one is back.
    LoginResumed = "login.resumed",
    /// A local login that is marked as break-glass stayed when the other one left.
    LoginSpared = "login.spared",
    /// It was marked as break-glass, or no longer.
    BreakGlassChanged = "login.break_glass_changed",
    GroupCreated = "group.created",
    GroupUpdated = "group.updated",
    GroupDeleted = "group.deleted",
    MembersChanged = "group.members_changed",
    RolesChanged = "roles.changed",
    /// A portal was given a code for a login on an account.
    GrantIssued = "grant.issued",
    /// A portal redeemed its code for tokens of a login.
    GrantRedeemed = "grant.redeemed",
    /// Everything that a portal had of a login in a session ended: the portal gave it back, or a code or refresh token came twice.
    GrantRevoked = "grant.revoked",
    SignedIn = "session.signed_in",
    SignInRefused = "session.refused",
    SignedOut = "session.signed_out",
    /// A session was ended: by its person from another one, by an administrator, or by signing in anew.
    SessionEnded = "session.ended",
    /// A portal could not be told that a session is over, for a day.
    LogoutUndelivered = "logout.undelivered",
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_actor_is_read_as_it_is_written_and_the_operator_is_one_kind() {
        let login = LoginId::new(DateTime::UNIX_EPOCH);
        for (actor, written, key) in [
            (Actor::Operator, json!({ "kind": "operator" }), "operator".to_owned()),
            (Actor::OperatorPerson { login }, json!({ "kind": "operator", "login": login }), "operator".to_owned()),
            (Actor::Login { login }, json!({ "kind": "login", "login": login }), login.to_string()),
            (Actor::System, json!({ "kind": "system" }), "system".to_owned()),
        ] {
            assert_eq!((serde_json::to_value(actor).unwrap(), actor.key()), (written.clone(), key));
            assert_eq!(serde_json::from_value::<Actor>(written).unwrap(), actor);
        }
    }
}
