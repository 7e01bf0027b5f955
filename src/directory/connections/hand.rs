//! What administrators do by hand at a SAML connection, and what the clock does there.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::certificates::{alerts, days_left, over};
use super::keys::{OVERLAP, OurKey};
use super::saml::{SamlConnections, insert, too_many};
use super::take::certificate_told;
use crate::directory::{Error, Result};
use crate::model::{
    Certificate, CertificateId, CertificateSource, ConnectionId, ConnectionKeyId, ConnectionState, EventKind, MOST_CERTIFICATES,
};
use crate::store::retry;

/// How far ahead a key of ours can be published before it signs.
const MOST_AHEAD: TimeDelta = TimeDelta::days(90);

impl SamlConnections<'_> {
    /// Lets another certificate count. Once is enough.
    ///
    /// # Errors
    /// When who asks may not, it has ended, or there are as many as count.
    pub async fn add_certificate(&self, id: ConnectionId, certificate: &Certificate) -> Result<()> {
        if certificate.not_after <= self.caller.now {
            return Err(Error::Invalid(
                "this certificate has ended; ask for the one that the identity provider signs with now".to_owned(),
            ));
        }
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            let (connection, _) = self.taken(&mut writer, id).await?;
            let rows = writer.certificates_of_connection(id).await?;
            match rows.iter().find(|row| row.fingerprint == certificate.fingerprint) {
                Some(row) if row.source == CertificateSource::Manual => return Ok(()),
                // From now on it is the administrator's, who may know more than the metadata.
                Some(row) => writer.keep_certificate_by_hand(row.id).await?,
                None if rows.len() >= MOST_CERTIFICATES => return Err(too_many()),
                None => {
                    insert(&mut writer, id, certificate, CertificateSource::Manual, self.caller.now).await?;
                }
            }
            let event =
                self.event(EventKind::CertificateAdded, &connection, certificate_told(certificate, CertificateSource::Manual));
            writer.record(&[event], self.caller.request_id).await?;
            writer.commit().await?;
            Ok(())
        })
        .await
    }

    /// Lets a certificate count no longer, at once. Where the metadata still has it, it comes back with that.
    ///
    /// # Errors
    /// When who asks may not, it is not there, or nobody could sign in without it.
    pub async fn remove_certificate(&self, id: ConnectionId, certificate: CertificateId) -> Result<()> {
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            let (connection, _) = self.taken(&mut writer, id).await?;
            let rows = writer.certificates_of_connection(id).await?;
            let row = rows.iter().find(|row| row.id == certificate).ok_or(Error::NotFound("certificate"))?;
            let is_left = rows.iter().any(|other| other.id != certificate && other.is_valid(self.caller.now));
            if connection.state == ConnectionState::Enabled && row.is_valid(self.caller.now) && !is_left {
                let text = "it is the last certificate that is valid: add the next one first, or disable the connection";
                return Err(Error::Conflict(text.to_owned()));
            }
            writer.delete_certificate(id, certificate).await?;
            let event = self.removed(&connection, &row.fingerprint, "manual");
            writer.record(&[event], self.caller.request_id).await?;
            writer.commit().await?;
            Ok(())
        })
        .await
    }

    /// Publishes the next key of ours, which signs from `active_from` on. Those before decrypt until a week after that.
    ///
    /// # Errors
    /// When who asks may not, that is in the past or too far ahead, or another key is next already.
    pub async fn roll_over(&self, id: ConnectionId, key: &OurKey, active_from: DateTime<Utc>) -> Result<ConnectionKeyId> {
        if active_from < self.caller.now {
            return Err(Error::Invalid("signs_from: a key signs from now on, or later".to_owned()));
        }
        // Until it signs there can be no other.
        if active_from > self.caller.now + MOST_AHEAD {
            return Err(Error::Invalid("signs_from: a key signs 90 days from now on at the latest".to_owned()));
        }
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            let (connection, _) = self.taken(&mut writer, id).await?;
            let keys = writer.connection_keys(id, self.caller.now).await?;
            if let Some(next) = keys.iter().find(|key| key.active_from > self.caller.now) {
                let day = next.active_from.format("%Y-%m-%d %H:%M UTC");
                return Err(Error::Conflict(format!("the next key is published already, and signs from {day}")));
            }
            let new = self.insert_key(&mut writer, id, key, active_from).await?;
            writer.retire_connection_keys(id, new, active_from + OVERLAP).await?;
            let details = json!({ "key": new, "signs_from": active_from, "others_until": active_from + OVERLAP });
            let event = self.event(EventKind::ConnectionKeyCreated, &connection, details);
            writer.record(&[event], self.caller.request_id).await?;
            writer.commit().await?;
            Ok(new)
        })
        .await
    }

    /// What the clock asks of a connection's certificates: each mark before an end is told once, and what the metadata has had no more for a
    /// week, and nothing has used since, goes. Answers how many events there were.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn keep_certificates(&self, id: ConnectionId) -> Result<usize> {
        // Most have nothing to be done, minute by minute, and take no transaction from those who wait for one.
        let rows = self.store.read(self.tenant).certificates_of_connection(id).await?;
        if alerts(&rows, self.caller.now).is_empty() && over(&rows, self.caller.now).is_empty() {
            return Ok(0);
        }
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            let (connection, _) = self.taken(&mut writer, id).await?;
            let now = self.caller.now;
            let rows = writer.certificates_of_connection(id).await?;
            let mut events = Vec::new();
            for (row, days) in alerts(&rows, now) {
                writer.set_certificate_alerted(row.id, days).await?;
                let others = rows.iter().filter(|other| other.id != row.id && other.not_after > row.not_after).count();
                let details = json!({
                    "fingerprint": row.fingerprint,
                    "not_after": row.not_after,
                    "days": days,
                    "days_left": days_left(row.not_after, now),
                    "others": others,
                });
                events.push(self.event(EventKind::CertificateExpiring, &connection, details));
            }
            let over = over(&rows, now);
            for row in rows.iter().filter(|row| over.contains(&row.id)) {
                writer.delete_certificate(id, row.id).await?;
                events.push(self.removed(&connection, &row.fingerprint, "absent"));
            }
            if !events.is_empty() {
                writer.record(&events, self.caller.request_id).await?;
                writer.commit().await?;
            }
            Ok(events.len())
        })
        .await
    }
}
