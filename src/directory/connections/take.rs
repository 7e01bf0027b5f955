//! Metadata is taken in: new certificates count, old ones stay for a while, and another name or endpoint waits for an approval.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::certificates::{TooMany, plan};
use super::proposal::Proposal;
use super::ready::missing;
use super::saml::{SamlConnections, insert, refuse_missing, too_many};
use super::schedule::after_taking;
use crate::directory::ending::end_connection;
use crate::directory::{Error, Result};
use crate::model::{
    Certificate, CertificateSource, Connection, ConnectionId, ConnectionState, Event, EventKind, IdpMetadata, SamlSettings,
};
use crate::store::{ConnectionChange, Writer, retry};

/// How metadata came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came<'a> {
    /// An administrator gave its text.
    ByHand,
    /// An administrator gave this address, where it is read from now on.
    From(&'a str),
    /// It was read again, at the address that the connection had then.
    Again(&'a str),
}

impl SamlConnections<'_> {
    /// Takes metadata in. A draft becomes what it says; of any other connection another entity id or endpoint is kept until somebody approves it.
    /// Answers what waits for that.
    ///
    /// # Errors
    /// When who asks may not, or it names too many certificates.
    pub async fn take_metadata(&self, id: ConnectionId, metadata: &IdpMetadata, came: Came<'_>) -> Result<Option<Proposal>> {
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            let (connection, settings) = self.taken(&mut writer, id).await?;
            let now = self.caller.now;
            let due_at = after_taking(metadata, now);
            let before = writer.connection_metadata(id).await?;
            let was_at = before.as_ref().and_then(|row| row.url.as_deref());
            let is_at = match came {
                Came::ByHand => None,
                // Somebody has given another address meanwhile.
                Came::Again(url) if was_at != Some(url) => return Ok(None),
                Came::From(url) | Came::Again(url) => Some(url),
            };
            let mut events = Vec::new();
            if !matches!(came, Came::Again(_)) {
                writer.set_metadata_url(id, is_at, due_at).await?;
            }
            // Whoever can write there says from now on by which keys people sign in.
            if was_at != is_at {
                let details = json!({ "before": { "metadata_url": was_at }, "after": { "metadata_url": is_at } });
                events.push(self.event(EventKind::ConnectionChanged, &connection, details));
            }
            let mut proposal = Proposal::of(metadata, &connection.issuer, &settings);
            if connection.state == ConnectionState::Draft
                && let Some(change) = proposal.take()
            {
                events.push(self.become_it(&mut writer, &connection, &settings, &change, EventKind::ConnectionChanged).await?);
                // What came before there was a name may be of this entity.
                if change.entity_id != connection.issuer && !connection.issuer.is_empty() {
                    self.forget_others(&mut writer, &connection, &metadata.certificates, &mut events).await?;
                }
            }
            // Certificates of another entity wait with its name.
            if proposal.as_ref().is_none_or(|proposal| proposal.entity_id == connection.issuer) {
                self.take_certificates(&mut writer, &connection, &metadata.certificates, &mut events).await?;
            }
            let proposed = proposal.as_ref().map(serde_json::to_value).transpose().unwrap_or_default();
            let known = before.and_then(|row| row.proposed);
            let known = known.and_then(|value| serde_json::from_value::<Proposal>(value).ok());
            if known != proposal {
                writer.propose_metadata(id, proposed.as_ref(), now).await?;
                if let Some(proposal) = &proposal {
                    let details = json!({ "before": told(&connection.issuer, &settings), "after": proposal_told(proposal) });
                    events.push(self.event(EventKind::ConnectionChangeProposed, &connection, details));
                }
            }
            writer.metadata_taken(id, due_at, now).await?;
            writer.record(&events, self.caller.request_id).await?;
            writer.commit().await?;
            Ok(proposal)
        })
        .await
    }

    /// Notes that metadata could not be taken in, and when that is tried again. The connection stays as it is.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn metadata_failed(
        &self,
        id: ConnectionId,
        url: &str,
        problem: &str,
        due_at: impl Fn(i64) -> DateTime<Utc>,
    ) -> Result<()> {
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            // Somebody has given another address meanwhile.
            let row = writer.connection_metadata(id).await?.filter(|row| row.url.as_deref() == Some(url));
            let Some(row) = row else { return Ok(()) };
            let failures = row.failures + 1;
            writer.metadata_failed(id, failures, problem, due_at(failures)).await?;
            Ok(writer.commit().await?)
        })
        .await
    }

    /// Carries out a change that waits for an approval, if it is the one that was looked at. Where that is another entity, the certificates of
    /// the last one count no more, and whoever it signed in is signed in no longer.
    ///
    /// # Errors
    /// When who asks may not, nothing waits, the metadata says something else by now, or nobody could sign in by an enabled connection that is another entity's.
    pub async fn approve(&self, id: ConnectionId, digest: &str) -> Result<()> {
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            let (connection, settings) = self.taken(&mut writer, id).await?;
            let proposed = writer.connection_metadata(id).await?.and_then(|row| row.proposed);
            let proposal: Option<Proposal> = proposed.and_then(|value| serde_json::from_value(value).ok());
            let proposal = proposal.ok_or_else(|| Error::Conflict("nothing waits for an approval".to_owned()))?;
            if proposal.digest() != digest {
                return Err(Error::Stale);
            }
            let event = self.become_it(&mut writer, &connection, &settings, &proposal, EventKind::ConnectionChangeApproved).await?;
            let mut events = vec![event];
            if proposal.entity_id != connection.issuer {
                self.forget_others(&mut writer, &connection, &proposal.certificates, &mut events).await?;
                self.take_certificates(&mut writer, &connection, &proposal.certificates, &mut events).await?;
                if connection.state == ConnectionState::Enabled {
                    let after = SamlSettings { sso: proposal.sso.clone(), slo: proposal.slo.clone(), ..settings.clone() };
                    let rows = writer.certificates_of_connection(id).await?;
                    refuse_missing(&missing(&proposal.entity_id, &after, &rows, self.caller.now))?;
                }
                end_connection(&mut writer, id, self.caller.now).await?;
            }
            writer.propose_metadata(id, None, self.caller.now).await?;
            writer.record(&events, self.caller.request_id).await?;
            writer.commit().await?;
            Ok(())
        })
        .await
    }

    /// Gives the connection the name and the endpoints of a change.
    async fn become_it(
        &self,
        writer: &mut Writer,
        connection: &Connection,
        settings: &SamlSettings,
        change: &Proposal,
        kind: EventKind,
    ) -> Result<Event> {
        let after = SamlSettings { sso: change.sso.clone(), slo: change.slo.clone(), ..settings.clone() };
        let row = ConnectionChange {
            name: &connection.name,
            issuer: &change.entity_id,
            jit: connection.jit,
            missing_claim: connection.missing_claim,
            contact: connection.contact.as_deref(),
            settings: &after.clone().into(),
        };
        writer.change_connection(connection.id, &row, self.caller.now).await?;
        let details = json!({ "before": told(&connection.issuer, settings), "after": told(&change.entity_id, &after) });
        Ok(self.event(kind, connection, details))
    }

    /// Lets no certificate count that another entity, which the connection becomes, does not name: what the last one signs is worth nothing
    /// any more.
    async fn forget_others(
        &self,
        writer: &mut Writer,
        connection: &Connection,
        named: &[Certificate],
        events: &mut Vec<Event>,
    ) -> Result<()> {
        for row in writer.certificates_of_connection(connection.id).await? {
            if named.iter().all(|certificate| certificate.fingerprint != row.fingerprint) {
                writer.delete_certificate(connection.id, row.id).await?;
                events.push(self.removed(connection, &row.fingerprint, "entity_changed"));
            }
        }
        Ok(())
    }

    async fn take_certificates(
        &self,
        writer: &mut Writer,
        connection: &Connection,
        named: &[Certificate],
        events: &mut Vec<Event>,
    ) -> Result<()> {
        let now = self.caller.now;
        let rows = writer.certificates_of_connection(connection.id).await?;
        let plan = plan(&rows, named, now).map_err(|TooMany| too_many())?;
        for row in rows.iter().filter(|row| plan.remove.contains(&row.id)) {
            writer.delete_certificate(connection.id, row.id).await?;
            events.push(self.removed(connection, &row.fingerprint, "replaced"));
        }
        for id in plan.back {
            writer.set_certificate_absent(id, None).await?;
        }
        for id in plan.absent {
            writer.set_certificate_absent(id, Some(now)).await?;
        }
        for certificate in plan.add {
            insert(writer, connection.id, &certificate, CertificateSource::Metadata, now).await?;
            events.push(self.event(
                EventKind::CertificateAdded,
                connection,
                certificate_told(&certificate, CertificateSource::Metadata),
            ));
        }
        Ok(())
    }

    /// Says that a certificate counts no more, and why.
    pub(super) fn removed(&self, connection: &Connection, fingerprint: &str, reason: &str) -> Event {
        self.event(EventKind::CertificateRemoved, connection, json!({ "fingerprint": fingerprint, "reason": reason }))
    }
}

/// What events say of a certificate.
pub(super) fn certificate_told(certificate: &Certificate, source: CertificateSource) -> Value {
    json!({
        "fingerprint": certificate.fingerprint,
        "subject": certificate.subject,
        "key": certificate.key,
        "not_after": certificate.not_after,
        "source": source,
    })
}

fn told(issuer: &str, settings: &SamlSettings) -> Value {
    json!({ "entity_id": issuer, "sso": settings.sso, "slo": settings.slo })
}

fn proposal_told(Proposal { entity_id, sso, slo, certificates }: &Proposal) -> Value {
    let certificates: Vec<_> =
        certificates.iter().map(|certificate| certificate_told(certificate, CertificateSource::Metadata)).collect();
    json!({ "entity_id": entity_id, "sso": sso, "slo": slo, "certificates": certificates })
}
