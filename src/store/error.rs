//! What can go wrong between us and the database.

use sqlx::error::{DatabaseError, ErrorKind};

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
    /// The client profile forbids two groups of one name.
    GroupName,
    /// The subject is bound to a login.
    Subject,
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
        } else if is("subjects_once", "subjects.connection_id, subjects.issuer, subjects.kind, subjects.value") {
            Self::Subject
        } else if ["_slug", "_name", "_client_id"].iter().any(|end| name.ends_with(end))
            || [".slug", ".name", ".client_id"].iter().any(|end| message.ends_with(end))
        {
            Self::Name
        } else {
            Self::Other
        })
    }
}

impl Error {
    /// Whether the whole command should be run again from the beginning: nothing of it has happened.
    #[must_use]
    pub fn is_race(&self) -> bool {
        match self {
            Self::Raced => true,
            // 40001 serialization failure, 40P01 deadlock; 5 and 517 are SQLite's busy and busy snapshot.
            Self::Unexpected(sqlx::Error::Database(error)) => {
                matches!(error.code().as_deref(), Some("40001" | "40P01" | "5" | "517"))
            }
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
                match database.code().as_deref() {
                    // Connection exceptions and the server going down (PostgreSQL appendix A); a full or missing SQLite file.
                    Some(code) if code.starts_with("08") || code.starts_with("57P") || code.starts_with("53") => {
                        Self::Unavailable(error)
                    }
                    Some("13" | "14" | "10") => Self::Unavailable(error),
                    _ => Self::Unexpected(error),
                }
            }
            _ => Self::Unexpected(error),
        }
    }
}

/// Shorthand of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;
