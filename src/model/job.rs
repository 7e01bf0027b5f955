//! Work that goes on after the change that caused it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{AccountId, Actor, JobId};

/// Roles that are computed anew after the change that caused it, some logins at a time. Until a login's turn has come, what rules give
/// it is evaluated whenever it is asked for: a job is only ever late with writing it down.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Job {
    pub id: JobId,
    /// Who may read the rules of this account sees the job.
    pub account_id: AccountId,
    /// The kind of the event that caused it, such as `rule.changed`.
    pub cause: String,
    /// What that event happened to.
    pub target_id: Uuid,
    /// Who caused it: the events of the job name them.
    #[sqlx(json)]
    pub actor: Actor,
    pub request_id: Option<String>,
    /// How many logins there were to it.
    pub total: i64,
    /// How many of them are still to come. What a later job took over is no longer among them.
    pub remaining: i64,
    pub created_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}
