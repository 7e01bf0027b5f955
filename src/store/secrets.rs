//! Bearer tokens of directories: digests only.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::{Result, Writer, sql};
use crate::keys::HashedToken;
use crate::model::{DirectoryId, TokenId};

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewToken<'a> {
    pub id: TokenId,
    pub directory_id: DirectoryId,
    pub name: &'a str,
    /// The public part, by which it is looked up.
    pub prefix: &'a str,
    pub digest: &'a HashedToken,
    pub scopes: &'a [String],
    pub expires_at: Option<DateTime<Utc>>,
}

impl Writer {
    /// Makes a token of a directory. Answers false when a token of that name is there already, which is left as it is.
    pub async fn insert_token(&mut self, new: &NewToken<'_>, now: DateTime<Utc>) -> Result<bool> {
        let made = sql!(
            self,
            execute(
                "insert into tokens (tenant_id, id, directory_id, name, prefix, digest, scopes, created_at, expires_at)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (directory_id, name) do nothing",
                new.id,
                new.directory_id,
                new.name,
                new.prefix,
                new.digest,
                Json(new.scopes),
                now,
                new.expires_at
            )
        )?;
        Ok(made == 1)
    }

    /// Notes that a token was used, to the minute: a write for every request would be a write for every read.
    pub async fn touch_token(&mut self, id: TokenId, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "update tokens set last_used_at = $3 where tenant_id = $1 and id = $2 and (last_used_at is null or last_used_at < $4)",
                id,
                now,
                now - chrono::TimeDelta::minutes(1)
            )
        )?;
        Ok(())
    }
}
