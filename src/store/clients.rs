//! Portal applications. They belong to the operator, whose tenant the writer has.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::{Result, Writer, sql};
use crate::keys::HashedToken;
use crate::model::ClientId;

/// A client to be registered.
#[derive(Clone, Debug)]
pub struct NewClient<'a> {
    pub id: ClientId,
    pub client_id: &'a str,
    pub name: &'a str,
    pub secret: Option<&'a HashedToken>,
    pub redirect_uris: &'a [String],
}

impl Writer {
    /// Registers a client. Answers false when one of that `client_id` is there already, which is left as it is.
    pub async fn insert_client(&mut self, new: &NewClient<'_>, now: DateTime<Utc>) -> Result<bool> {
        let made = sql!(
            self,
            execute(
                "insert into clients (tenant_id, id, client_id, name, secret_digest, redirect_uris, settings, created_at, updated_at)
                 values ($1, $2, $3, $4, $5, $6, '{}', $7, $7) on conflict (client_id) do nothing",
                new.id,
                new.client_id,
                new.name,
                new.secret,
                Json(new.redirect_uris),
                now
            )
        )?;
        Ok(made == 1)
    }
}
