//! Looks across tenants for what the clock asks of SAML connections.

use chrono::{DateTime, Utc};

use super::{Doors, Result, door};
use crate::model::{ConnectionId, TenantId};

/// Metadata that is to be read.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct DueMetadata {
    pub tenant_id: TenantId,
    pub connection_id: ConnectionId,
    pub url: String,
}

impl Doors {
    /// Metadata that is to be read now, what waits longest first. That of suspended tenants is left alone.
    pub async fn due_metadata(&mut self, now: DateTime<Utc>, limit: u32) -> Result<Vec<DueMetadata>> {
        door!(
            self,
            fetch_all::<DueMetadata>(
                "select m.tenant_id, m.connection_id, m.url from connection_metadata m join tenants t on t.tenant_id = m.tenant_id
                 where m.due_at <= $1 and m.url is not null and t.state = 'active' order by m.due_at limit $2",
                now,
                i64::from(limit)
            )
        )
    }

    /// Connections with certificates that end between two instants, or that their metadata has no more. Those of suspended tenants are left
    /// alone.
    pub async fn connections_with_certificates_to_look_at(
        &mut self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<(TenantId, ConnectionId)>> {
        door!(
            self,
            fetch_all::<(TenantId, ConnectionId)>(
                "select c.tenant_id, c.connection_id from connection_certificates c join tenants t on t.tenant_id = c.tenant_id
                 where c.not_after > $1 and c.not_after <= $2 and t.state = 'active'
                 union select c.tenant_id, c.connection_id from connection_certificates c join tenants t on t.tenant_id = c.tenant_id
                 where c.absent_since is not null and t.state = 'active'",
                from,
                to
            )
        )
    }

    /// How many enabled SAML connections have no certificate, and when the first of the others has none any more: its last one ends then. Those
    /// of suspended tenants are left alone.
    pub async fn certificate_ends(&mut self) -> Result<(i64, Option<DateTime<Utc>>)> {
        door!(
            self,
            fetch_one::<(i64, Option<DateTime<Utc>>)>(
                "select count(*) - count(e.ends_at), min(e.ends_at) from (
                   select (select max(cc.not_after) from connection_certificates cc where cc.connection_id = c.id) as ends_at
                   from connections c join tenants t on t.tenant_id = c.tenant_id
                   where c.protocol = 'saml' and c.state = 'enabled' and t.state = 'active') e"
            )
        )
    }
}

impl super::Writer {
    /// Removes ids of assertions and logout requests of SAML identity providers that are over, everywhere, at most `limit`. Answers how many.
    pub async fn purge_saml_assertions(&mut self, before: DateTime<Utc>, limit: u32) -> Result<u64> {
        door!(
            self,
            execute(
                "delete from connection_assertions where (connection_id, assertion_id) in (
                   select connection_id, assertion_id from connection_assertions where expires_at < $1 order by expires_at limit $2)",
                before,
                i64::from(limit)
            )
        )
    }
}
