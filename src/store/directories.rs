//! Directories, and the pairs that bind their logins to sign-ins.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::{Error, Reader, Result, Writer, sql};
use crate::model::{AccountId, Binding, ConnectionId, Directory, DirectoryId, DirectorySettings};

macro_rules! directory_columns {
    () => {
        "id, slug, name, profile, home_account_id, settings, trace_until"
    };
}

/// A directory to be made.
#[derive(Clone, Debug)]
pub struct NewDirectory<'a> {
    pub id: DirectoryId,
    pub slug: &'a str,
    pub name: &'a str,
    pub profile: &'a str,
    pub home_account_id: AccountId,
    pub settings: &'a DirectorySettings,
    pub unique: Uniqueness,
}

/// What may not be twice in a directory: the client profile and the settings together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uniqueness {
    /// No two groups of one display name.
    pub group_names: bool,
    /// No two logins, and no two groups, of one externalId.
    pub external_ids: bool,
}

impl Reader {
    /// All directories of the tenant, by name.
    pub async fn directories(&mut self) -> Result<Vec<Directory>> {
        sql!(
            self,
            fetch_all::<Directory>(concat!(
                "select ",
                directory_columns!(),
                " from directories where tenant_id = $1 order by name, id"
            ))
        )
    }

    /// A directory of the tenant.
    pub async fn directory(&mut self, id: DirectoryId) -> Result<Option<Directory>> {
        sql!(
            self,
            fetch_optional::<Directory>(
                concat!("select ", directory_columns!(), " from directories where tenant_id = $1 and id = $2"),
                id
            )
        )
    }

    /// The binding pairs that a connection's sign-ins may bind by.
    pub async fn bindings_of_connection(&mut self, connection: ConnectionId) -> Result<Vec<Binding>> {
        sql!(
            self,
            fetch_all::<Binding>(
                "select directory_id, connection_id, claim, attribute from bindings
                 where tenant_id = $1 and connection_id = $2 order by directory_id",
                connection
            )
        )
    }

    /// The binding pairs of a directory's logins.
    pub async fn bindings_of_directory(&mut self, directory: DirectoryId) -> Result<Vec<Binding>> {
        sql!(
            self,
            fetch_all::<Binding>(
                "select directory_id, connection_id, claim, attribute from bindings
                 where tenant_id = $1 and directory_id = $2 order by connection_id",
                directory
            )
        )
    }
}

impl Writer {
    /// Makes a directory; it is enabled at once.
    pub async fn insert_directory(&mut self, new: &NewDirectory<'_>, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into directories (tenant_id, id, slug, name, profile, state, home_account_id, settings, created_at, updated_at,
                   unique_group_names, unique_external_ids)
                 values ($1, $2, $3, $4, $5, 'enabled', $6, $7, $8, $8, $9, $10)",
                new.id,
                new.slug,
                new.name,
                new.profile,
                new.home_account_id,
                Json(new.settings),
                now,
                new.unique.group_names,
                new.unique.external_ids
            )
        )?;
        Ok(())
    }

    /// Writes the settings of a directory, and what of them the database holds from now on. Rows that are there already keep their
    /// keys until [`Writer::set_unique_keys`].
    pub async fn set_directory_settings(
        &mut self,
        id: DirectoryId,
        settings: &DirectorySettings,
        unique: Uniqueness,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let written = sql!(
            self,
            execute(
                "update directories set settings = $3, unique_group_names = $4, unique_external_ids = $5, updated_at = $6
                 where tenant_id = $1 and id = $2",
                id,
                Json(settings),
                unique.group_names,
                unique.external_ids,
                now
            )
        )?;
        if written == 1 { Ok(()) } else { Err(Error::Raced) }
    }

    /// Gives every row of a directory the keys that make it unique, and takes away those that are not asked for.
    ///
    /// # Errors
    /// When two rows would have one key; then the transaction can only be rolled back.
    pub async fn set_unique_keys(&mut self, id: DirectoryId, unique: Uniqueness) -> Result<()> {
        sql!(
            self,
            execute(
                "update groups set unique_key = case when $3 then display_key end, unique_external_key = case when $4 then external_id end
                 where tenant_id = $1 and directory_id = $2",
                id,
                unique.group_names,
                unique.external_ids
            )
        )?;
        sql!(
            self,
            execute(
                "update logins set unique_external_key = case when $3 then external_id end where tenant_id = $1 and directory_id = $2",
                id,
                unique.external_ids
            )
        )?;
        Ok(())
    }

    /// Has reads logged until an instant, or no longer.
    pub async fn set_trace(&mut self, id: DirectoryId, until: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute("update directories set trace_until = $3, updated_at = $4 where tenant_id = $1 and id = $2", id, until, now)
        )?;
        Ok(())
    }

    /// Joins a directory and a connection by a binding pair.
    pub async fn insert_binding(&mut self, binding: &Binding, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into bindings (tenant_id, directory_id, connection_id, claim, attribute, created_at) values ($1, $2, $3, $4, $5, $6)",
                binding.directory_id,
                binding.connection_id,
                &binding.claim,
                &binding.attribute,
                now
            )
        )?;
        Ok(())
    }
}
