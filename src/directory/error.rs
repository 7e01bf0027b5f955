//! Why a command of this module did not happen.

use crate::model::GroupId;
use crate::store::{self, Constraint, Races};

/// A command that changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing here. One of another tenant or directory is no different from one that never was.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// Another live login of the directory has this user name.
    #[error("another user of this directory has this userName")]
    UserNameTaken,
    /// Another group of the directory has this name, and the directory forbids that.
    #[error("another group of this directory has this displayName")]
    GroupNameTaken,
    /// Another resource of the kind in the directory has this externalId, and the directory forbids that.
    #[error("another resource of this directory has this externalId")]
    ExternalIdTaken,
    /// These members are not users or groups of the directory.
    #[error("no user or group of this directory has the id {}", .0.join(", "))]
    UnknownMembers(Vec<String>),
    /// Who was to come into the group is in it.
    #[error("this is a member of the group already")]
    AlreadyMember,
    /// This group cannot be a member: the group that was to take it is it, or is within it.
    #[error("the group {0} contains this group, so it cannot be its member")]
    Cycle(GroupId),
    /// Who asks may see this, but may not do it; the text says what is missing.
    #[error("{0}")]
    Forbidden(String),
    /// It does not go with what is there; the text says with what.
    #[error("{0}")]
    Conflict(String),
    /// Somebody changed it since the version that the change is for.
    #[error("it was changed meanwhile; read it again")]
    Stale,
    /// A saved rule can no longer be read.
    #[error("the rule {0:?} cannot be read")]
    BrokenRule(String),
    /// A configuration names something that is not there, or contradicts itself.
    #[error("{0}")]
    Invalid(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A store error whose constraints were given their meaning.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StoreError(store::Error);

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error.constraint() {
            Some(Constraint::UserName) => Self::UserNameTaken,
            Some(Constraint::GroupName) => Self::GroupNameTaken,
            Some(Constraint::ExternalId) => Self::ExternalIdTaken,
            // What was referred to went between our look and our write.
            Some(Constraint::Reference | Constraint::Subject) => Self::raced(),
            _ => Self::Store(StoreError(error)),
        }
    }
}

impl Error {
    /// What was read changed before it was locked: the command is begun again.
    pub(super) fn raced() -> Self {
        Self::Store(StoreError(store::Error::Raced))
    }
}

impl StoreError {
    /// The database could not be asked; trying again later may help.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self.0, store::Error::Unavailable(_)) || self.0.is_race()
    }
}

impl Races for StoreError {
    fn is_race(&self) -> bool {
        self.0.is_race()
    }
}

impl Races for Error {
    fn is_race(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_race())
    }
}

/// Shorthand of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;
