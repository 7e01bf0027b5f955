//! Who is in a group: logins, and groups of the same directory, whose members are in it indirectly.

use std::fmt;

use serde::Serialize;
use uuid::Uuid;

use super::{GroupId, LoginId};

/// What a member of a group is: a SCIM `User` or a SCIM `Group`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum MemberKind {
    Login,
    Group,
}

/// A member of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberId {
    Login(LoginId),
    Group(GroupId),
}

impl MemberId {
    /// The member of this kind and id.
    #[must_use]
    pub const fn new(kind: MemberKind, id: Uuid) -> Self {
        match kind {
            MemberKind::Login => Self::Login(LoginId::from_uuid(id)),
            MemberKind::Group => Self::Group(GroupId::from_uuid(id)),
        }
    }

    /// What it is.
    #[must_use]
    pub const fn kind(self) -> MemberKind {
        match self {
            Self::Login(_) => MemberKind::Login,
            Self::Group(_) => MemberKind::Group,
        }
    }

    /// Its id, whatever it is.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        match self {
            Self::Login(id) => id.uuid(),
            Self::Group(id) => id.uuid(),
        }
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login(id) => id.fmt(f),
            Self::Group(id) => id.fmt(f),
        }
    }
}

/// How a login is in a group: the `type` of RFC 7643 section 4.1.2 (`groups`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MembershipType {
    /// It is a member itself; also when it is in the group through another one besides.
    Direct,
    /// A group that it is in is a member, or is in one.
    Indirect,
}

impl MembershipType {
    /// The name in SCIM.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Indirect => "indirect",
        }
    }
}

/// That a login is in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    pub login_id: LoginId,
    pub group_id: GroupId,
    /// The name of the group.
    pub display: String,
    pub kind: MembershipType,
}
