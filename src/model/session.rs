//! Sessions.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

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

/// What a sign-in must prove beyond who somebody is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Demand {
    /// The person is asked anew (`prompt=login`), and the identity provider says that it did so: its `auth_time` is recent.
    pub is_fresh: bool,
    /// The identity provider asked the person no longer ago than this many seconds, and says so.
    pub max_age: Option<u32>,
    /// It reaches this authentication context class.
    pub acr: Option<String>,
}
