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

/// How long a connection has certificates.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct CertificateEnd {
    pub tenant_id: TenantId,
    pub connection_id: ConnectionId,
    pub slug: String,
    /// The end of the one that ends last; none, where there is none.
    pub ends_at: Option<DateTime<Utc>>,
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

    /// Connections with certificates that end between two instants, or that their metadata has no more.
    pub async fn connections_with_certificates_to_look_at(
        &mut self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<(TenantId, ConnectionId)>> {
        door!(
            self,
            fetch_all::<(TenantId, ConnectionId)>(
                "select tenant_id, connection_id from connection_certificates where not_after > $1 and not_after <= $2
                 union select tenant_id, connection_id from connection_certificates where absent_since is not null",
                from,
                to
            )
        )
    }

    /// How long each enabled SAML connection has certificates, those of suspended tenants aside.
    pub async fn certificate_ends(&mut self) -> Result<Vec<CertificateEnd>> {
        door!(
            self,
            fetch_all::<CertificateEnd>(
                "select c.tenant_id, c.id as connection_id, c.slug,
                   (select max(cc.not_after) from connection_certificates cc where cc.connection_id = c.id) as ends_at
                 from connections c join tenants t on t.tenant_id = c.tenant_id
                 where c.protocol = 'saml' and c.state = 'enabled' and t.state = 'active'"
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
