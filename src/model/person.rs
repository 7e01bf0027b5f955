//! Persons.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::PersonId;

/// Whether a person may sign in at all, with whichever login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum PersonState {
    Active,
    /// Every login of the person is refused.
    Deactivated,
    /// Emptied by linking: the login moved to another person, and unlinking restores this one.
    Merged,
}

/// One human in a tenant. The same human in two tenants is two persons.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Person {
    pub id: PersonId,
    pub state: PersonState,
    /// Raised when something about the person must end sessions at once.
    pub epoch: i64,
    /// The person that this one was merged into, while it is, and since when.
    pub merged_into: Option<PersonId>,
    pub merged_at: Option<DateTime<Utc>>,
}
