//! Directories and their groups.

use chrono::{DateTime, Utc};

use super::{AccountId, DirectoryId, GroupId, LoginId};

/// One SCIM provisioning domain: endpoint, client profile, tokens, externalId scope.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Directory {
    pub id: DirectoryId,
    /// Short name in configuration files; unique in the tenant.
    pub slug: String,
    pub name: String,
    /// Name of the client profile: what this directory tolerates.
    pub profile: String,
    /// Where logins that this directory creates have their home.
    pub home_account_id: AccountId,
}

/// A SCIM Group of a directory. Its members are rows of their own.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Group {
    pub id: GroupId,
    pub directory_id: DirectoryId,
    pub display: String,
    pub external_id: Option<String>,
    /// Raised with every effective change, of its members too; the ETag of the SCIM Group.
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// That a login is a direct member of a group.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Membership {
    pub group_id: GroupId,
    pub login_id: LoginId,
    pub display: String,
}
