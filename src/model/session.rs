//! Sessions, and sign-ins that wait for their callback.

use chrono::{DateTime, Utc};

use super::{ConnectionId, LoginId, PendingId, PersonId, SessionId, Sid, TenantId};

/// A browser's stay: one person, one or two authenticated logins, exactly one of them active.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Session {
    pub id: SessionId,
    pub tenant_id: TenantId,
    pub person_id: PersonId,
    pub active_login_id: LoginId,
    pub created_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    /// The absolute end, whatever the person does.
    pub expires_at: DateTime<Utc>,
}

/// One login that a session has authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionLogin {
    pub sid: Sid,
    pub login_id: LoginId,
    pub connection_id: Option<ConnectionId>,
    pub authenticated_at: DateTime<Utc>,
    pub upstream_session: Option<String>,
}

/// A sign-in that has begun: what its callback must match. Consumed once.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct PendingSignIn {
    pub id: PendingId,
    pub tenant_id: TenantId,
    pub connection_id: ConnectionId,
    /// Path on this service to go to afterwards; never another site.
    pub return_to: Option<String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}
