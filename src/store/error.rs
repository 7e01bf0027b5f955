//! What can go wrong between us and the database.

use sqlx::error::{DatabaseError, ErrorKind};
use sqlx::sqlite::SqliteError;

/// A store operation that did not happen. Whatever the variant, its transaction was rolled back or will be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Two things of one name, or a reference to nothing: the schema refused.
    #[error("the database refused this by its constraint {0:?}")]
    Constraint(Constraint),
    /// Somebody else changed the row between our look and our write. Decide again.
    #[error("somebody else changed this at the same time")]
    Raced,
    /// The database could not be asked: not there, overloaded, or its answer did not come.
    #[error("the database cannot be reached")]
    Unavailable(#[source] sqlx::Error),
    /// A row does not hold what the schema and this code promise.
    #[error("the database answered something unexpected")]
    Unexpected(#[source] sqlx::Error),
    /// The schema is older or newer than this program.
    #[error("the database is not at this program's schema: {0}")]
    Schema(String),
}

/// The constraints whose refusal means something to a caller. All others are defects of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// A live login of the namespace has this user name.
    UserName,
    /// The person has a login in this slot.
    Slot,
    /// The directory forbids two groups of one name.
    GroupName,
    /// The directory forbids two logins, or two groups, of one externalId.
    ExternalId,
    /// The subject is bound to a login.
    Subject,
    /// A login that was made by hand waits for this pair value.
    Pair,
    /// Something in a configuration has this slug or name.
    Name,
    /// A reference to a row that is not there (any more).
    Reference,
    Other,
}

impl Constraint {
    /// PostgreSQL names the constraint, SQLite lists its columns; the table is the same for both.
    fn of(error: &dyn DatabaseError) -> Option<Self> {
        match error.kind() {
            ErrorKind::ForeignKeyViolation => return Some(Self::Reference),
            ErrorKind::UniqueViolation => {}
            ErrorKind::CheckViolation | ErrorKind::NotNullViolation => return Some(Self::Other),
            _ => return None,
        }
        let name = error.constraint().unwrap_or_default();
        let message = error.message();
        let is = |constraint: &str, columns: &str| name == constraint || message.ends_with(columns);
        Some(if is("logins_user_name", "logins.namespace_id, logins.user_name_key") {
            Self::UserName
        } else if is("logins_slot", "logins.person_id, logins.slot") {
            Self::Slot
        } else if is("groups_unique_key", "groups.directory_id, groups.unique_key") {
            Self::GroupName
        } else if is("groups_unique_external_key", "groups.directory_id, groups.unique_external_key")
            || is("logins_unique_external_key", "logins.directory_id, logins.unique_external_key")
        {
            Self::ExternalId
        } else if is("subjects_once", "subjects.connection_id, subjects.issuer, subjects.kind, subjects.value") {
            Self::Subject
        } else if is("pair_values_by_hand", "pair_values.connection_id, pair_values.claim, pair_values.value") {
            Self::Pair
        } else if ["_slug", "_name", "_client_id"].iter().any(|end| name.ends_with(end))
            || [".slug", ".name", ".client_id"].iter().any(|end| message.ends_with(end))
        {
            Self::Name
        } else {
            Self::Other
        })
    }
}

/// What codes of PostgreSQL begin with that say that it cannot be asked now.
const UNAVAILABLE: [&str; 7] = ["08", "25006", "25P03", "53", "55P03", "57014", "57P"];

/// The primary result code of an error of SQLite, whose codes may say more in their upper bytes.
fn sqlite_code(error: &dyn DatabaseError) -> Option<i32> {
    let code = error.try_downcast_ref::<SqliteError>()?.code()?.parse::<i32>().ok()?;
    Some(code & 0xff)
}

impl Error {
    /// Whether the whole command should be run again from the beginning: nothing of it has happened.
    #[must_use]
    pub fn is_race(&self) -> bool {
        match self {
            Self::Raced => true,
            Self::Unexpected(sqlx::Error::Database(error)) => match sqlite_code(error.as_ref()) {
                // Busy, and locked.
                Some(code) => matches!(code, 5 | 6),
                // A serialization failure, and a deadlock.
                None => matches!(error.code().as_deref(), Some("40001" | "40P01")),
            },
            _ => false,
        }
    }

    /// The constraint that refused, if one did.
    #[must_use]
    pub fn constraint(&self) -> Option<Constraint> {
        match self {
            Self::Constraint(constraint) => Some(*constraint),
            _ => None,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) | sqlx::Error::Tls(_) => {
                Self::Unavailable(error)
            }
            sqlx::Error::Database(database) => {
                if let Some(constraint) = Constraint::of(database.as_ref()) {
                    return Self::Constraint(constraint);
                }
                let unavailable = match sqlite_code(database.as_ref()) {
                    // Input and output failed, the disk is full, the file cannot be opened.
                    Some(code) => matches!(code, 10 | 13 | 14),
                    // Connection exceptions, a standby, lacking resources, a statement that took too long, the server going down or coming up
                    // (PostgreSQL appendix A).
                    None => database.code().is_some_and(|code| UNAVAILABLE.iter().any(|class| code.starts_with(class))),
                };
                if unavailable { Self::Unavailable(error) } else { Self::Unexpected(error) }
            }
            _ => Self::Unexpected(error),
        }
    }
}

/// Shorthand of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;
