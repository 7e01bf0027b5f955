//! SAML connections: made, changed, looked at.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::certificates::{TooMany, plan};
use super::keys::{OurKey, connection_key_place};
use super::proposal::Proposal;
use super::ready::{Missing, checked, missing};
use super::schedule::after_taking;
use super::take::certificate_told;
use crate::directory::access::{Permission, Reach};
use crate::directory::manage::check_slug;
use crate::directory::tree::Tree;
use crate::directory::{Caller, Error, Result};
use crate::keys::Sealer;
use crate::model::{
    AccountId, Certificate, CertificateId, CertificateSource, Connection, ConnectionId, ConnectionKeyId, ConnectionState, Event,
    EventKind, IdpMetadata, JitPolicy, MOST_CERTIFICATES, MissingClaim, SamlSettings, TenantId, is_entity_id,
};
use crate::store::{
    CertificateRow, ConnectionKeyRow, Constraint, MetadataRow, NewCertificate, NewConnection, NewConnectionKey, Reader, Store,
    Writer, retry,
};

/// The longest name of a connection, and the longest words on whom to ask.
const NAME_CHARS: usize = 200;

/// The SAML connections of a tenant, and who changes them.
#[derive(Clone, Copy, Debug)]
pub struct SamlConnections<'a> {
    pub store: &'a Store,
    pub sealer: &'a Sealer,
    pub tenant: TenantId,
    /// What who asks may do; none is the operator's command line, or the service itself.
    pub reach: Option<&'a Reach>,
    pub caller: Caller<'a>,
}

/// A SAML connection to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewSaml<'a> {
    pub id: ConnectionId,
    pub slug: &'a str,
    pub name: &'a str,
    /// Where it has its home; left out, the tenant's first account.
    pub within: Option<AccountId>,
    pub jit: JitPolicy,
    pub missing_claim: MissingClaim,
    pub contact: Option<&'a str>,
    /// The identity provider's entity id, where there is no metadata; it may still be empty.
    pub entity_id: &'a str,
    /// By hand.
    pub certificates: &'a [Certificate],
    /// What its metadata says; goes before the entity id and the endpoints of the settings.
    pub metadata: Option<&'a IdpMetadata>,
    /// Where that was read, and is read again.
    pub metadata_url: Option<&'a str>,
    pub settings: &'a SamlSettings,
    /// Our first key there.
    pub key: &'a OurKey,
    /// Whether it is enabled at once; refused while something is missing. Else it is a draft.
    pub enable: bool,
}

/// All that administrators see of a connection.
#[derive(Clone, Debug)]
pub struct ConnectionView {
    pub connection: Connection,
    pub certificates: Vec<CertificateRow>,
    pub metadata: Option<MetadataRow>,
    /// What waits for an approval.
    pub proposal: Option<Proposal>,
    /// Ours.
    pub keys: Vec<ConnectionKeyRow>,
    /// What has to be done before it can be enabled.
    pub missing: Vec<Missing>,
}

impl ConnectionView {
    pub(super) async fn load(reader: &mut Reader, connection: Connection, now: DateTime<Utc>) -> Result<Self> {
        let certificates = reader.certificates_of_connection(connection.id).await?;
        let metadata = reader.connection_metadata(connection.id).await?;
        let keys = reader.connection_keys(connection.id, now).await?;
        let missing = connection.saml().map(|settings| missing(&connection.issuer, settings, &certificates, now));
        let proposal = metadata.as_ref().and_then(|row| row.proposed.clone());
        let proposal = proposal.and_then(|value| serde_json::from_value(value).ok());
        Ok(Self { missing: missing.unwrap_or_default(), connection, certificates, metadata, proposal, keys })
    }
}

impl SamlConnections<'_> {
    /// Refuses who may not make a connection with its home there; left out, at the tenant's first account.
    ///
    /// # Errors
    /// When they may not.
    pub async fn may_create(&self, within: Option<AccountId>) -> Result<()> {
        let home = match within {
            Some(account) => account,
            None => Tree::new(self.store.read(self.tenant).accounts().await?).root()?.id,
        };
        self.reach.map_or(Ok(()), |reach| reach.needs(Permission::ManageDirectories, home))
    }

    /// Refuses who may not change a connection, before anything is done for them that costs something.
    ///
    /// # Errors
    /// When they may not.
    pub async fn may_change(&self, id: ConnectionId) -> Result<()> {
        let connection = self.store.read(self.tenant).connection(id).await?.ok_or(Error::NotFound("connection"))?;
        self.reach.map_or(Ok(()), |reach| may_change(reach, &connection))
    }

    /// Makes a SAML connection, with a key of ours.
    ///
    /// # Errors
    /// When who asks may not, the slug is no slug or taken, a setting means nothing, there are too many certificates, or it is to be enabled and
    /// something is missing.
    pub async fn create(&self, new: &NewSaml<'_>) -> Result<ConnectionId> {
        let entity_id = new.metadata.map_or(new.entity_id, |metadata| metadata.entity_id.as_str());
        let settings = match new.metadata {
            None => new.settings.clone(),
            Some(metadata) => SamlSettings { sso: metadata.sso.clone(), slo: metadata.slo.clone(), ..new.settings.clone() },
        };
        check_slug("connection", new.slug)?;
        named(new.name, new.contact, entity_id)?;
        checked(&settings)?;
        let now = self.caller.now;
        let all: Vec<_> =
            new.metadata.into_iter().flat_map(|metadata| &metadata.certificates).chain(new.certificates).cloned().collect();
        let certificates = plan(&[], &all, now).map_err(|TooMany| too_many())?.add;
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            let home = match new.within {
                Some(account) => account,
                None => Tree::new(writer.accounts().await?).root()?.id,
            };
            if let Some(reach) = self.reach {
                reach.needs(Permission::ManageDirectories, home)?;
            }
            let state = if new.enable { ConnectionState::Enabled } else { ConnectionState::Draft };
            let row = NewConnection {
                id: new.id,
                slug: new.slug,
                name: new.name,
                state,
                issuer: entity_id,
                secret: None,
                jit: new.jit,
                missing_claim: new.missing_claim,
                home_account_id: home,
                contact: new.contact.filter(|contact| !contact.is_empty()),
                settings: &settings.clone().into(),
            };
            writer.insert_connection(&row, now).await.map_err(|error| match error.constraint() {
                Some(Constraint::Name) => Error::Conflict(format!("there is a connection {:?} in this tenant", new.slug)),
                _ => error.into(),
            })?;
            // Whatever people can be signed in by is told of.
            let details = json!({
                "slug": new.slug, "issuer": entity_id, "protocol": "saml", "state": state, "settings": settings, "metadata_url": new.metadata_url,
            });
            let told = |kind, details| self.caller.event(kind, new.id.uuid(), details).at(home);
            let mut events = vec![told(EventKind::ConnectionCreated, details)];
            for certificate in &certificates {
                let is_named = new.metadata.is_some_and(|metadata| metadata.certificates.contains(certificate));
                let source = if is_named { CertificateSource::Metadata } else { CertificateSource::Manual };
                insert(&mut writer, new.id, certificate, source, now).await?;
                events.push(told(EventKind::CertificateAdded, certificate_told(certificate, source)));
            }
            if let Some(metadata) = new.metadata {
                let due_at = after_taking(metadata, now);
                writer.set_metadata_url(new.id, new.metadata_url, due_at).await?;
                writer.metadata_taken(new.id, due_at, now).await?;
            }
            let key = self.insert_key(&mut writer, new.id, new.key, now).await?;
            events.push(told(EventKind::ConnectionKeyCreated, json!({ "key": key, "signs_from": now })));
            if new.enable {
                let rows = writer.certificates_of_connection(new.id).await?;
                refuse_missing(&missing(entity_id, &settings, &rows, now))?;
            }
            writer.record(&events, self.caller.request_id).await?;
            writer.commit().await?;
            Ok(new.id)
        })
        .await
    }

    /// The connection, taken, for somebody who may change it.
    pub(super) async fn taken(&self, writer: &mut Writer, id: ConnectionId) -> Result<(Connection, SamlSettings)> {
        let connection = writer.connection_for_update(id).await?.ok_or(Error::NotFound("connection"))?;
        if let Some(reach) = self.reach {
            may_change(reach, &connection)?;
        }
        match connection.saml().cloned() {
            Some(settings) => Ok((connection, settings)),
            None => Err(Error::Conflict("this connection signs in by OpenID Connect".to_owned())),
        }
    }

    pub(super) async fn insert_key(
        &self,
        writer: &mut Writer,
        connection_id: ConnectionId,
        key: &OurKey,
        active_from: DateTime<Utc>,
    ) -> Result<ConnectionKeyId> {
        use secrecy::ExposeSecret as _;
        let id = ConnectionKeyId::new(self.caller.now);
        let private = self.sealer.seal(&connection_key_place(id), key.private_key.expose_secret());
        let new = NewConnectionKey { id, connection_id, certificate: &key.certificate, private: &private, active_from };
        writer.insert_connection_key(&new, self.caller.now).await?;
        Ok(id)
    }

    pub(super) fn event(&self, kind: EventKind, connection: &Connection, details: serde_json::Value) -> Event {
        self.caller.event(kind, connection.id.uuid(), details).at(connection.home_account_id)
    }
}

/// Refuses who may not change a connection. One that they may not see is answered as if it never was.
pub(super) fn may_change(reach: &Reach, connection: &Connection) -> Result<()> {
    reach.scoped(Permission::ManageDirectories)?;
    if reach.allows(Permission::ManageDirectories, connection.home_account_id) {
        return Ok(());
    }
    if !reach.allows(Permission::ViewDirectories, connection.home_account_id) {
        return Err(Error::NotFound("connection"));
    }
    Err(Error::Forbidden(format!("this needs {} on the connection's account", Permission::ManageDirectories.as_str())))
}

/// Keeps a certificate; one that is there stays as it is.
pub(super) async fn insert(
    writer: &mut Writer,
    connection_id: ConnectionId,
    certificate: &Certificate,
    source: CertificateSource,
    now: DateTime<Utc>,
) -> Result<bool> {
    let new = NewCertificate { id: CertificateId::new(now), connection_id, certificate, source };
    Ok(writer.insert_certificate(&new, now).await?)
}

pub(super) fn refuse_missing(missing: &[Missing]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let texts: Vec<_> = missing.iter().map(ToString::to_string).collect();
    Err(Error::Conflict(format!("nobody could sign in by it: {}", texts.join("; "))))
}

pub(super) fn too_many() -> Error {
    Error::Conflict(format!("at most {MOST_CERTIFICATES} certificates count at a time; remove one that is of no more use"))
}

pub(super) fn named(name: &str, contact: Option<&str>, entity_id: &str) -> Result<()> {
    let is_text = |text: &str, most| text.chars().count() <= most && !text.contains(char::is_control);
    if name.trim().is_empty() || !is_text(name, NAME_CHARS) || !is_text(contact.unwrap_or_default(), NAME_CHARS) {
        return Err(Error::Invalid("name and contact: 1 to 200 characters, none of them a control character".to_owned()));
    }
    if !entity_id.is_empty() && !is_entity_id(entity_id) {
        let text = "entity_id: at most 1024 characters, none of them white space or a control character";
        return Err(Error::Invalid(text.to_owned()));
    }
    Ok(())
}
