//! The certificates by which SAML identity providers sign.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Reader, Result, Writer, sql};
use crate::model::{Certificate, CertificateId, CertificateSource, ConnectionId, is_within};

/// A certificate of a connection. Its subject and key are in the certificate itself.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct CertificateRow {
    pub id: CertificateId,
    pub connection_id: ConnectionId,
    /// As it is (DER).
    pub der: Vec<u8>,
    /// SHA-256 of that, in lower-case hexadecimal.
    pub fingerprint: String,
    pub source: CertificateSource,
    pub not_before: DateTime<Utc>,
    pub not_after: DateTime<Utc>,
    pub added_at: DateTime<Utc>,
    /// When it last verified something, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Since when the identity provider's metadata has it no more.
    pub absent_since: Option<DateTime<Utc>>,
    /// How many days before its end that was last told.
    pub alerted_days: Option<i16>,
}

impl CertificateRow {
    /// Whether it may verify signatures now.
    #[must_use]
    pub fn is_valid(&self, now: DateTime<Utc>) -> bool {
        is_within(self.not_before, self.not_after, now)
    }
}

/// A certificate to be kept.
#[derive(Clone, Copy, Debug)]
pub struct NewCertificate<'a> {
    pub id: CertificateId,
    pub connection_id: ConnectionId,
    pub certificate: &'a Certificate,
    pub source: CertificateSource,
}

impl Reader {
    /// The certificates of a connection, in the order in which they came.
    pub async fn certificates_of_connection(&mut self, connection: ConnectionId) -> Result<Vec<CertificateRow>> {
        sql!(
            self,
            fetch_all::<CertificateRow>(
                "select id, connection_id, der, fingerprint, source, not_before, not_after, added_at, last_used_at, absent_since, alerted_days
                 from connection_certificates where tenant_id = $1 and connection_id = $2 order by id",
                connection
            )
        )
    }
}

impl Writer {
    /// Keeps a certificate. Answers false when the connection has it.
    pub async fn insert_certificate(&mut self, new: &NewCertificate<'_>, now: DateTime<Utc>) -> Result<bool> {
        let made = sql!(
            self,
            execute(
                "insert into connection_certificates (tenant_id, id, connection_id, der, fingerprint, source, not_before, not_after, added_at)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (connection_id, fingerprint) do nothing",
                new.id,
                new.connection_id,
                new.certificate.der.as_slice(),
                new.certificate.fingerprint.as_str(),
                new.source,
                new.certificate.not_before,
                new.certificate.not_after,
                now
            )
        )?;
        Ok(made == 1)
    }

    /// Forgets a certificate. Answers false when the connection has none of that id.
    pub async fn delete_certificate(&mut self, connection: ConnectionId, id: CertificateId) -> Result<bool> {
        let gone = sql!(
            self,
            execute("delete from connection_certificates where tenant_id = $1 and connection_id = $2 and id = $3", connection, id)
        )?;
        Ok(gone == 1)
    }

    /// Notes since when the metadata has a certificate no more; none, when it has it.
    pub async fn set_certificate_absent(&mut self, id: CertificateId, since: Option<DateTime<Utc>>) -> Result<()> {
        sql!(self, execute("update connection_certificates set absent_since = $3 where tenant_id = $1 and id = $2", id, since))?;
        Ok(())
    }

    /// Makes a certificate one that an administrator added: the metadata takes it away no more.
    pub async fn keep_certificate_by_hand(&mut self, id: CertificateId) -> Result<()> {
        sql!(
            self,
            execute(
                "update connection_certificates set source = $3, absent_since = null where tenant_id = $1 and id = $2",
                id,
                CertificateSource::Manual
            )
        )?;
        Ok(())
    }

    /// Notes how many days before its end that was told.
    pub async fn set_certificate_alerted(&mut self, id: CertificateId, days: i16) -> Result<()> {
        sql!(self, execute("update connection_certificates set alerted_days = $3 where tenant_id = $1 and id = $2", id, days))?;
        Ok(())
    }

    /// Notes that a certificate, by its fingerprint, verified something, to the minute.
    pub async fn use_certificate(&mut self, connection: ConnectionId, fingerprint: &str, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "update connection_certificates set last_used_at = $4
                 where tenant_id = $1 and connection_id = $2 and fingerprint = $3 and (last_used_at is null or last_used_at < $5)",
                connection,
                fingerprint,
                now,
                now - TimeDelta::minutes(1)
            )
        )?;
        Ok(())
    }
}
