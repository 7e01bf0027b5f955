//! Where the metadata of SAML identity providers is read, how that went, and what of it waits for an approval.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::{Reader, Result, Writer, sql};
use crate::model::ConnectionId;

/// What is known of a connection's metadata.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct MetadataRow {
    /// Where it is read; none, where it comes by hand.
    pub url: Option<String>,
    /// When it was last taken in.
    pub fetched_at: Option<DateTime<Utc>>,
    /// When it is read next.
    pub due_at: DateTime<Utc>,
    /// How often in a row that failed.
    pub failures: i64,
    /// Why the last attempt failed.
    pub problem: Option<String>,
    /// What it says of the identity provider, where that waits for an approval.
    #[sqlx(json(nullable))]
    pub proposed: Option<serde_json::Value>,
    pub proposed_at: Option<DateTime<Utc>>,
}

impl Reader {
    /// What is known of a connection's metadata.
    pub async fn connection_metadata(&mut self, connection: ConnectionId) -> Result<Option<MetadataRow>> {
        sql!(
            self,
            fetch_optional::<MetadataRow>(
                "select url, fetched_at, due_at, failures, problem, proposed, proposed_at from connection_metadata
                 where tenant_id = $1 and connection_id = $2",
                connection
            )
        )
    }
}

impl Writer {
    /// Says where a connection's metadata is read, as if it had never been before; none, where it comes by hand. What waits for an approval
    /// waits on.
    pub async fn set_metadata_url(&mut self, connection: ConnectionId, url: Option<&str>, due_at: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into connection_metadata (tenant_id, connection_id, url, due_at, failures) values ($1, $2, $3, $4, 0)
                 on conflict (connection_id) do update set url = $3, due_at = $4, failures = 0, problem = null, fetched_at = null",
                connection,
                url,
                due_at
            )
        )?;
        Ok(())
    }

    /// Notes that the metadata was taken in, and when it is read next.
    pub async fn metadata_taken(&mut self, connection: ConnectionId, due_at: DateTime<Utc>, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "update connection_metadata set fetched_at = $4, due_at = $3, failures = 0, problem = null
                 where tenant_id = $1 and connection_id = $2",
                connection,
                due_at,
                now
            )
        )?;
        Ok(())
    }

    /// Notes that the metadata could not be taken in, why, and when that is tried again.
    pub async fn metadata_failed(
        &mut self,
        connection: ConnectionId,
        failures: i64,
        problem: &str,
        due_at: DateTime<Utc>,
    ) -> Result<()> {
        sql!(
            self,
            execute(
                "update connection_metadata set failures = $3, problem = $4, due_at = $5 where tenant_id = $1 and connection_id = $2",
                connection,
                failures,
                problem,
                due_at
            )
        )?;
        Ok(())
    }

    /// Keeps what waits for an approval; none, when nothing does.
    pub async fn propose_metadata(
        &mut self,
        connection: ConnectionId,
        proposed: Option<&serde_json::Value>,
        now: DateTime<Utc>,
    ) -> Result<()> {
        sql!(
            self,
            execute(
                "update connection_metadata set proposed = $3, proposed_at = $4 where tenant_id = $1 and connection_id = $2",
                connection,
                proposed.map(Json),
                proposed.map(|_| now)
            )
        )?;
        Ok(())
    }
}
