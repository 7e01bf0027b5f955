//! Sessions.

use chrono::{DateTime, Utc};

use super::{LoginId, PersonId, SessionId, TenantId};

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
