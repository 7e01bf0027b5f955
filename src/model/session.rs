//! Sessions.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
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

/// After which time sessions end by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Without a request.
    pub idle: TimeDelta,
    /// Whatever the person does.
    pub absolute: TimeDelta,
}

/// What a tenant says of its sessions, in minutes. It can only shorten what the service allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::FromRow)]
#[serde(default, deny_unknown_fields)]
pub struct TenantLimits {
    pub session_idle: Option<i64>,
    pub session_absolute: Option<i64>,
}

impl SessionLimits {
    /// Limits that are longer than any time is are as long as time.
    #[must_use]
    pub fn new(idle: Duration, absolute: Duration) -> Self {
        let delta = |limit| TimeDelta::from_std(limit).unwrap_or(TimeDelta::MAX);
        Self { idle: delta(idle), absolute: delta(absolute) }
    }

    /// These limits, or those of a tenant where they are shorter.
    #[must_use]
    pub fn narrowed(self, tenant: TenantLimits) -> Self {
        let shorter = |limit: TimeDelta, minutes: Option<i64>| {
            minutes.and_then(TimeDelta::try_minutes).map_or(limit, |minutes| limit.min(minutes))
        };
        Self { idle: shorter(self.idle, tenant.session_idle), absolute: shorter(self.absolute, tenant.session_absolute) }
    }

    /// When a session ends at the latest; none where it is over already. `expires_at` is what it was told when it began: what is
    /// changed since can shorten it, and never makes it longer.
    #[must_use]
    pub fn end(
        self,
        created_at: DateTime<Utc>,
        last_seen_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let end = created_at.checked_add_signed(self.absolute).map_or(expires_at, |end| end.min(expires_at));
        let is_idle = now.signed_duration_since(last_seen_at) >= self.idle;
        (end > now && !is_idle).then_some(end)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const fn minutes(minutes: i64) -> TimeDelta {
        TimeDelta::minutes(minutes)
    }

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + minutes(minute)
    }

    #[test]
    fn the_shorter_of_two_limits_counts() {
        let service = SessionLimits { idle: minutes(60), absolute: minutes(600) };
        for (tenant, idle, absolute) in [
            ((None, None), 60, 600),
            ((Some(5), None), 5, 600),
            ((None, Some(30)), 60, 30),
            ((Some(61), Some(601)), 60, 600),
            // What is no number of minutes is no limit of the tenant's.
            ((Some(i64::MAX), Some(i64::MAX)), 60, 600),
        ] {
            let tenant = TenantLimits { session_idle: tenant.0, session_absolute: tenant.1 };
            let expected = SessionLimits { idle: minutes(idle), absolute: minutes(absolute) };
            assert_eq!(service.narrowed(tenant), expected, "{tenant:?}");
        }
    }

    #[test]
    fn a_session_ends_by_the_first_of_its_limits() {
        let limits = SessionLimits { idle: minutes(10), absolute: minutes(100) };
        for (seen, told, now, end) in [
            (0, 100, 0, Some(100)),
            (0, 100, 9, Some(100)),
            (0, 100, 10, None),
            (95, 100, 99, Some(100)),
            (95, 100, 100, None),
            // It was told less when it began.
            (45, 50, 49, Some(50)),
            (45, 50, 50, None),
            // It was told more, and the limit was shortened since.
            (95, 500, 99, Some(100)),
            (95, 500, 100, None),
            // A clock that runs behind another one.
            (5, 100, 4, Some(100)),
        ] {
            assert_eq!(limits.end(at(0), at(seen), at(told), at(now)), end.map(at), "{seen} {told} {now}");
        }
        let endless = SessionLimits::new(Duration::MAX, Duration::MAX);
        assert_eq!(endless.end(at(0), at(0), at(100), at(99)), Some(at(100)));
    }
}
