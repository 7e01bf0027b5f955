//! The words of Vestibule, as types.
//!
//! A **tenant** is a customer company and the wall around everything below. It has a tree of **accounts**. A **person** is one
//! human in a tenant and has at most two **logins**, in slots one and two; a login is one identity a person signs in with, and has
//! roles of its own. A **directory** is one SCIM provisioning domain; a **connection** is the trust with one identity provider
//! for signing in; a **binding pair** joins the two. A **subject** is what a connection's identity provider calls a login for
//! ever. A **group** belongs to a directory. A **role** is an entry of the operator's catalogue, an **assignment** gives one to
//! a login at an account, with its provenance. A **rule** gives assignments from facts. A **session** is a browser's stay,
//! with exactly one active login. A **portal** is an application that people sign in to; a **grant** is what it was given in one
//! session, for one login on one account. An **event** is an audit entry, written in the transaction that it tells of.
//!
//! No IO here, and no secrets: columns that hold sealed values or digests live in the store's rows.

mod account;
mod approval;
mod assurance;
mod client;
mod connection;
mod directory;
mod event;
mod grant;
mod id;
mod identity;
mod job;
mod link;
mod member;
mod person;
mod portal;
mod role;
mod saml;
mod session;
mod token;

pub use account::{Account, AccountState, Instance, Service, Tenant, TenantState};
pub use approval::{
    Approval, ApprovalDecision, ApprovalNeed, ApprovalPolicy, ApprovalState, Approvers, PolicyBody, Requested, Verdict,
};
pub use assurance::{Acr, Assurance, CLOCK_LEEWAY, FRESH, SecondFactor, Unmet};
pub use client::{Client, ClientScope, ClientScopes, NotAClientScope};
pub use connection::{
    Binding, Connection, ConnectionSettings, ConnectionState, JitPolicy, MissingClaim, OidcSettings, PairValue, Protocol,
    SUBJECT_CLAIM,
};
pub use directory::{
    Directory, DirectorySettings, Group, LinkSuffix, NoLinkSuffix, NoPatchStatus, PatchStatus, UnknownMemberPolicy,
};
pub use event::{Actor, Event, EventKind};
pub use grant::PortalGrant;
pub use id::{
    AccessTokenId, AccountId, ApprovalId, ApprovalPolicyId, AssignmentId, AuthorizationRequestId, CertificateId, ClientId,
    ConnectionId, ConnectionKeyId, DirectoryId, DomainId, EndingId, EventId, GrantId, GroupId, HolderId, InstanceId, JobId, KeyId,
    LinkProofId, LoginId, PendingId, PendingLogoutId, PersonId, RuleId, ServiceId, SessionId, Sid, TenantId, TokenId, TraceId,
};
pub use identity::{Email, ExternalIdentity, Login, LoginKind, Slot, Subject, SubjectKind, TokenType};
pub use job::Job;
pub use link::{Authentication, LinkSource, Purpose};
pub use member::{MemberId, MemberKind, Membership, MembershipType};
pub use person::{Person, PersonState};
pub use portal::{Portal, PortalSettings, TokenEndpointAuthMethod};
pub use role::{Assignment, AssignmentSource, ChangedRules, Given, Grant, Pattern, Rule, RuleBody, RuleOrigin};
pub use saml::{
    AttributePreset, Certificate, CertificateSource, Endpoint, IdpMetadata, MOST_CERTIFICATES, MOST_SKEW, NameId, SamlBinding,
    SamlSettings, SignedAssertion, SubjectSource, is_entity_id, is_web_address, is_within,
};
pub use session::{Demand, Session, SessionLimits, TenantLimits};
pub use token::{NoScope, NotAScope, Scope, Scopes, Token, TokenState};
