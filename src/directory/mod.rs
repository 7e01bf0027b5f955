//! Who is who, and who may do what: the commands that change logins, groups, bindings and roles.
//!
//! | command | from | decided by | events |
//! |---|---|---|---|
//! | [`provision::create_login`], [`provision::change_login`], [`provision::delete_login`] | SCIM | the schema's constraints | `login.*` |
//! | [`provision::create_group`], [`provision::change_group`], [`provision::delete_group`] | SCIM | the schema's constraints | `group.*` |
//! | [`sign_in::sign_in`] | a verified [`crate::model::ExternalIdentity`] | [`decide`] | `login.bound`, `session.*` |
//! | [`ending`] | a person, an administrator | | `session.signed_out`, `session.ended` |
//! | [`sign_in::trial::try_out`] | an administrator who tests a connection | [`decide`] | `connection.tested` |
//! | [`upstream::log_out`] | an identity provider | whom it names | `session.ended` |
//! | [`tokens::Tokens`] | the operator, an administrator | its own checks | `token.*` |
//! | [`accounts::Accounts`], [`assignments::Assignments`] | an administrator, a client | their permissions on the account, and the catalogue | `account.*`, `service.*`, `assignment.*` |
//! | [`approvals::Policies`], [`approvals::Approvals`] | an administrator, an approver, a client, anybody with a role | the policies, and the catalogue | `approval_policy.*`, `approval.*`, `assignment.given` |
//! | [`people::People`] | an administrator, a client | their permission on the home account, and on every role that is held | `login.*`, `person.*` |
//! | [`appoint::appoint`] | the operator | the catalogue | `assignment.given` |
//! | [`erase_values`], [`erase_person_key`] | an administrator, the operator | that the person has left | `person.key_erased` |
//! | [`connections::Connections`] | an administrator | their permission on its home account | `connection.changed` |
//! | [`connections::SamlConnections`] | an administrator, the operator, the clock | their permission; what is missing; [`connections::certificates`] | `connection.*` |
//! | [`tenants::Tenants`] | the operator's persons | their permissions in the operator's tenant | `tenant.changed` |
//! | [`extract::Extract`] | an administrator | its own checks | `permissions.extracted` |
//! | [`rules::Rules`] | an administrator | the catalogue, for what they may give | `rule.*`, `roles.changed` |
//! | [`clients::Clients`], [`clients::issue`] | the operator, an administrator, the client | its own checks | `client.*` |
//! | [`idempotency::Keys`] | whoever may send a request again | its own checks | none of its own: the request has them |
//! | [`manage`], [`settings`] | the operator | its own checks | `*.created`, `directory.changed` |
//!
//! Each is one transaction with its events in it: it happened whole, or not at all. [`decide`] and [`mapping`] are pure. A command
//! that lost a race is decided again from the beginning.

pub mod access;
pub mod accounts;
pub mod appoint;
pub mod approvals;
pub mod assignments;
pub mod catalogue;
pub mod chain;
pub mod claims;
pub mod clients;
pub mod connections;
pub mod decide;
pub mod effective;
pub mod ending;
mod error;
pub mod evaluation;
pub mod explain;
pub mod extract;
pub mod idempotency;
mod leaving;
pub mod linking;
pub mod log;
pub mod manage;
pub mod mapping;
mod members;
mod nesting;
pub mod pattern;
pub mod people;
mod personal;
pub mod portals;
pub mod provision;
pub mod reads;
mod recompute;
pub mod refusal;
pub mod rules;
pub mod sessions;
pub mod settings;
pub mod sign_in;
pub mod tenants;
pub mod tokens;
pub mod tree;
pub mod upstream;

use chrono::{DateTime, Utc};

pub use self::error::{Error, Result, StoreError};
pub use self::personal::{PersonalValues, erase_person_key, erase_values, personal_values};
pub use self::recompute::{RuleBook, STEP, counting_assignments, held_roles, step as recompute_step};

use crate::model::{Actor, Event, EventId, EventKind};

/// Who asks, and when: the same instant for all that one command writes.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    pub actor: Actor,
    pub now: DateTime<Utc>,
    /// Ties events and log entries to the request that caused them.
    pub request_id: Option<&'a str>,
}

impl Caller<'_> {
    pub(crate) fn event(&self, kind: EventKind, target: uuid::Uuid, details: serde_json::Value) -> Event {
        Event { id: EventId::new(self.now), at: self.now, kind, actor: self.actor, target, account: None, details }
    }
}
