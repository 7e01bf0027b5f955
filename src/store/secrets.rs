//! Bearer tokens of directories: digests only.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::types::Json;

use super::{Error, Reader, Result, Writer, sql};
use crate::keys::HashedToken;
use crate::model::{Actor, DirectoryId, Scopes, Token, TokenId};

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewToken<'a> {
    pub id: TokenId,
    pub directory_id: DirectoryId,
    pub name: &'a str,
    /// The public part, by which it is looked up.
    pub prefix: &'a str,
    pub digest: &'a HashedToken,
    pub scopes: &'a Scopes,
    pub created_by: &'a Actor,
    pub expires_at: Option<DateTime<Utc>>,
    /// The token whose place it takes.
    pub replaces: Option<TokenId>,
}

/// The columns of a [`Token`]: all but the digest.
macro_rules! token_columns {
    () => {
        "id, directory_id, name, prefix, scopes, created_by, created_at, expires_at, last_used_at, replaces, replaced_at, revoked_at"
    };
}

impl Reader {
    /// All tokens of a directory, ended ones too, by name and then as they were made.
    pub async fn tokens(&mut self, directory: DirectoryId) -> Result<Vec<Token>> {
        sql!(
            self,
            fetch_all::<Token>(
                concat!("select ", token_columns!(), " from tokens where tenant_id = $1 and directory_id = $2 order by name, id"),
                directory
            )
        )
    }
}

impl Writer {
    /// A token of a directory, locked until the transaction ends.
    pub async fn token_for_update(&mut self, directory: DirectoryId, id: TokenId) -> Result<Option<Token>> {
        sql!(
            self,
            fetch_optional::<Token>(
                concat!(
                    "select ",
                    token_columns!(),
                    " from tokens where tenant_id = $1 and directory_id = $2 and id = $3 {for update}"
                ),
                directory,
                id
            )
        )
    }

    /// Makes a token of a directory. Answers false, and makes none, when the directory has another of that name which is neither replaced
    /// nor revoked.
    pub async fn insert_token(&mut self, new: &NewToken<'_>, now: DateTime<Utc>) -> Result<bool> {
        let made = sql!(
            self,
            execute(
                "insert into tokens (tenant_id, id, directory_id, name, prefix, digest, scopes, created_by, created_at, expires_at, replaces)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
                 on conflict (directory_id, name) where replaced_at is null and revoked_at is null do nothing",
                new.id,
                new.directory_id,
                new.name,
                new.prefix,
                new.digest,
                Json(new.scopes),
                Json(new.created_by),
                now,
                new.expires_at,
                new.replaces
            )
        )?;
        Ok(made == 1)
    }

    /// Gives up a token's name for the one that takes its place, and lets it live until `ends_at`.
    pub async fn replace_token(&mut self, id: TokenId, ends_at: DateTime<Utc>, now: DateTime<Utc>) -> Result<()> {
        let replaced = sql!(
            self,
            execute(
                "update tokens set replaced_at = $3, expires_at = $4
                 where tenant_id = $1 and id = $2 and replaced_at is null and revoked_at is null",
                id,
                now,
                ends_at
            )
        )?;
        if replaced == 1 { Ok(()) } else { Err(Error::Raced) }
    }

    /// Ends a token at once. Answers false when it was revoked before.
    pub async fn revoke_token(&mut self, id: TokenId, now: DateTime<Utc>) -> Result<bool> {
        let revoked = sql!(
            self,
            execute("update tokens set revoked_at = $3 where tenant_id = $1 and id = $2 and revoked_at is null", id, now)
        )?;
        Ok(revoked == 1)
    }

    /// Notes that a token was used, to the minute: a write for every request would be a write for every read.
    pub async fn touch_token(&mut self, id: TokenId, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "update tokens set last_used_at = $3 where tenant_id = $1 and id = $2 and (last_used_at is null or last_used_at < $4)",
                id,
                now,
                now - TimeDelta::minutes(1)
            )
        )?;
        Ok(())
    }
}
