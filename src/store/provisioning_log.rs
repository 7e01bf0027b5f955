//! The provisioning log: what a directory's client did, or tried to. Rows are only added, and go when they are old.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use super::{NEVER, Reader, Result, Writer, sql};
use crate::keys::Sealed;
use crate::model::{ChangedRules, DirectoryId, TokenId};

macro_rules! log_columns {
    () => {
        "id, at, operation, resource_type, resource_id, status, scim_type, detail, attributes, coercions, rules, request_id, token_id"
    };
}

macro_rules! log_conditions {
    () => {
        "tenant_id = $1 and directory_id = $2 and (at, id) < ($3, $4) and at >= $5 and at < $6
           and ($7 is null or operation = $7) and ($8 is null or resource_type = $8) and ($9 is null or resource_id = $9)
           and ($10 is null or request_id = $10)
           and ($11 is null or exists (
             select 1 from {each coercions} where substr({scalar element.value}, 1, length($11) + 1) = $11 || ':'))
           and status < $12"
    };
}

/// An entry to be added to a directory's provisioning log.
#[derive(Clone, Debug)]
pub struct LogEntry {
    pub id: Uuid,
    pub directory_id: DirectoryId,
    pub at: DateTime<Utc>,
    /// `create`, `replace`, `patch` or `delete`; in trace mode also `read`, `list` and `search`.
    pub operation: &'static str,
    pub resource_type: &'static str,
    pub resource_id: Option<Uuid>,
    /// The HTTP status that the client was answered.
    pub status: u16,
    pub scim_type: Option<&'static str>,
    pub detail: Option<String>,
    /// Names of the attributes that changed, never their values.
    pub attributes: Vec<String>,
    /// The values of those attributes before and after, as JSON.
    pub values: Option<Sealed>,
    /// Uses of the client profile's rules, each as `rule: path`.
    pub coercions: Vec<String>,
    pub rules: ChangedRules,
    pub token_id: Option<TokenId>,
}

/// An entry of a directory's provisioning log, without the values.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct LogRow {
    pub id: Uuid,
    pub at: DateTime<Utc>,
    pub operation: String,
    pub resource_type: String,
    pub resource_id: Option<Uuid>,
    pub status: i64,
    pub scim_type: Option<String>,
    pub detail: Option<String>,
    #[sqlx(json)]
    pub attributes: Vec<String>,
    #[sqlx(json)]
    pub coercions: Vec<String>,
    #[sqlx(json)]
    pub rules: ChangedRules,
    pub request_id: Option<String>,
    pub token_id: Option<TokenId>,
}

impl LogRow {
    /// Whether the client was refused, or failed by us.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.status >= 400
    }

    /// Its place in the log.
    #[must_use]
    pub fn position(&self) -> LogPosition {
        LogPosition { at: self.at, id: self.id }
    }
}

/// A place in a log, which no other entry has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPosition {
    pub at: DateTime<Utc>,
    pub id: Uuid,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Refused,
}

/// Which entries are wanted; those of all conditions that are given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Only what is older than this place.
    pub before: Option<LogPosition>,
    /// At this instant or later.
    pub from: Option<DateTime<Utc>>,
    /// Before this instant.
    pub to: Option<DateTime<Utc>>,
    pub outcome: Option<Outcome>,
    pub operation: Option<String>,
    pub resource_type: Option<String>,
    pub resource_id: Option<Uuid>,
    pub request_id: Option<String>,
    /// A rule of the client profile that was used.
    pub rule: Option<String>,
}

/// A figure a directory, for the list of directories.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct DirectoryFigures {
    /// `enabled` or `disabled`.
    pub state: String,
    pub users: i64,
    pub groups: i64,
    /// When something was last written.
    pub written_at: Option<DateTime<Utc>>,
    /// When a request was last refused.
    pub refused_at: Option<DateTime<Utc>>,
    /// How many were refused since the instant that was asked for.
    pub refused: i64,
}

/// No status is this high.
const ANY_STATUS: i64 = 1_000;

impl Reader {
    /// A directory's log, newest first. Entries that are added meanwhile change nothing about what follows a place.
    pub async fn provisioning_log(&mut self, directory: DirectoryId, query: &LogQuery, limit: u32) -> Result<Vec<LogRow>> {
        let before = query.before.unwrap_or(LogPosition { at: NEVER, id: Uuid::max() });
        let (from, to) = (query.from.unwrap_or(DateTime::UNIX_EPOCH), query.to.unwrap_or(NEVER));
        let operation = query.operation.as_deref();
        let resource_type = query.resource_type.as_deref();
        let (request_id, rule) = (query.request_id.as_deref(), query.rule.as_deref());
        if query.outcome == Some(Outcome::Refused) {
            // Few among many: they have an index of their own, which a database takes only when the text says so.
            return sql!(
                self,
                fetch_all::<LogRow>(
                    concat!(
                        "select ",
                        log_columns!(),
                        " from provisioning_log where ",
                        log_conditions!(),
                        " and status >= 400 order by at desc, id desc limit $13"
                    ),
                    directory,
                    before.at,
                    before.id,
                    from,
                    to,
                    operation,
                    resource_type,
                    query.resource_id,
                    request_id,
                    rule,
                    ANY_STATUS,
                    i64::from(limit)
                )
            );
        }
        sql!(
            self,
            fetch_all::<LogRow>(
                concat!(
                    "select ",
                    log_columns!(),
                    " from provisioning_log where ",
                    log_conditions!(),
                    " order by at desc, id desc limit $13"
                ),
                directory,
                before.at,
                before.id,
                from,
                to,
                operation,
                resource_type,
                query.resource_id,
                request_id,
                rule,
                if query.outcome == Some(Outcome::Done) { 400 } else { ANY_STATUS },
                i64::from(limit)
            )
        )
    }

    /// One entry, with its values.
    pub async fn provisioning_entry(&mut self, directory: DirectoryId, id: Uuid) -> Result<Option<(LogRow, Option<Sealed>)>> {
        #[derive(sqlx::FromRow)]
        struct Row {
            #[sqlx(flatten)]
            entry: LogRow,
            values_sealed: Option<Sealed>,
        }
        let row = sql!(
            self,
            fetch_optional::<Row>(
                concat!(
                    "select ",
                    log_columns!(),
                    ", values_sealed from provisioning_log where tenant_id = $1 and directory_id = $2 and id = $3"
                ),
                directory,
                id
            )
        )?;
        Ok(row.map(|row| (row.entry, row.values_sealed)))
    }

    /// What the list of directories says of one.
    pub async fn directory_figures(&mut self, directory: DirectoryId, since: DateTime<Utc>) -> Result<Option<DirectoryFigures>> {
        sql!(
            self,
            fetch_optional::<DirectoryFigures>(
                "select d.state,
                   (select count(1) from logins l where l.tenant_id = $1 and l.directory_id = d.id) as users,
                   (select count(1) from groups g where g.tenant_id = $1 and g.directory_id = d.id) as groups,
                   (select p.at from provisioning_log p where p.tenant_id = $1 and p.directory_id = d.id and p.status < 400
                      and p.operation not in ('read', 'list', 'search') order by p.at desc, p.id desc limit 1) as written_at,
                   (select p.at from provisioning_log p where p.tenant_id = $1 and p.directory_id = d.id and p.status >= 400
                      order by p.at desc, p.id desc limit 1) as refused_at,
                   (select count(1) from provisioning_log p where p.tenant_id = $1 and p.directory_id = d.id and p.status >= 400
                      and p.at >= $3) as refused
                 from directories d where d.tenant_id = $1 and d.id = $2",
                directory,
                since
            )
        )
    }
}

impl Writer {
    /// Adds an entry to a directory's provisioning log.
    pub async fn log_provisioning(&mut self, entry: &LogEntry, request_id: Option<&str>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into provisioning_log (tenant_id, id, directory_id, at, operation, resource_type, resource_id, status,
                   scim_type, detail, attributes, values_sealed, coercions, rules, request_id, token_id)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
                entry.id,
                entry.directory_id,
                entry.at,
                entry.operation,
                entry.resource_type,
                entry.resource_id,
                i64::from(entry.status),
                entry.scim_type,
                entry.detail.as_deref(),
                Json(&entry.attributes),
                entry.values.as_ref(),
                Json(&entry.coercions),
                Json(&entry.rules),
                request_id,
                entry.token_id
            )
        )?;
        Ok(())
    }

    /// Removes entries of a directory that are older than `before`, the oldest first and at most `limit`. Answers how many.
    pub async fn purge_provisioning_log(&mut self, directory: DirectoryId, before: DateTime<Utc>, limit: u32) -> Result<u64> {
        sql!(
            self,
            execute(
                "delete from provisioning_log where tenant_id = $1 and id in (
                   select id from provisioning_log where tenant_id = $1 and directory_id = $2 and at < $3 order by at, id limit $4)",
                directory,
                before,
                i64::from(limit)
            )
        )
    }
}
