//! SAML connections of a bootstrap file.

use anyhow::{Context as _, bail};

use super::file::{Connection, Saml};
use super::{Report, caller};
use crate::app::App;
use crate::directory::connections::{NewSaml, OurKey, SamlConnections};
use crate::federation::saml::{self, MetadataFrom};
use crate::model::{Certificate, ConnectionId, IdpMetadata, TenantId};

/// Makes a SAML connection that is not there yet.
pub(super) async fn ensure(
    app: &App,
    tenant: TenantId,
    spec: &Connection,
    saml: &Saml,
    report: &mut Report,
) -> anyhow::Result<ConnectionId> {
    let there = app.store.read(tenant).connections().await?.into_iter().find(|connection| connection.slug == spec.slug);
    let id = if let Some(connection) = there {
        if connection.saml().is_none() {
            bail!("connection {:?} is there already, by OpenID Connect: give this one another slug", spec.slug);
        }
        connection.id
    } else {
        let id = make(app, tenant, spec, saml).await.with_context(|| format!("connection {:?}", spec.slug))?;
        report.made(true, || format!("connection {}", spec.slug));
        id
    };
    let ours = &app.settings.server.public_url;
    report.say(format!("  entity ID and metadata of us for {}: {}", spec.slug, ours.saml_metadata(id)));
    report.say(format!("  reply URL (ACS) of {}: {}", spec.slug, ours.saml_acs(id)));
    Ok(id)
}

async fn make(app: &App, tenant: TenantId, spec: &Connection, given: &Saml) -> anyhow::Result<ConnectionId> {
    let now = app.clock.now();
    let id = ConnectionId::new(now);
    let metadata: Option<IdpMetadata> = match (&given.metadata_url, &given.metadata_file) {
        (Some(_), Some(_)) => bail!("metadata_url, metadata_file: give one of them"),
        (Some(url), None) => Some(app.federation.idp_metadata(MetadataFrom::Address(url), now).await.context("metadata_url")?),
        (None, Some(file)) => {
            let text = std::fs::read(file).with_context(|| format!("cannot read the metadata in {}", file.display()))?;
            let metadata = app.federation.idp_metadata(MetadataFrom::Text(&text), now).await;
            Some(metadata.with_context(|| format!("metadata in {}", file.display()))?)
        }
        (None, None) => None,
    };
    let mut certificates: Vec<Certificate> = Vec::new();
    for file in &given.certificate_files {
        let text = std::fs::read(file).with_context(|| format!("cannot read the certificate in {}", file.display()))?;
        certificates.push(saml::certificate(&text).with_context(|| format!("certificate in {}", file.display()))?);
    }
    let made = saml::fresh_credential(format!("vestibule {id}"), now).await.context("no key could be made")?;
    let key = OurKey { certificate: made.certificate, private_key: made.private_key };
    let new = NewSaml {
        id,
        slug: &spec.slug,
        name: &spec.name,
        within: None,
        jit: spec.jit,
        missing_claim: spec.missing_claim,
        contact: spec.contact.as_deref(),
        entity_id: spec.issuer.as_deref().unwrap_or_default(),
        certificates: &certificates,
        metadata: metadata.as_ref(),
        metadata_url: given.metadata_url.as_ref().map(url::Url::as_str),
        settings: &crate::model::SamlSettings {
            second_factor: if given.settings.second_factor.is_never() {
                spec.second_factor.clone()
            } else {
                given.settings.second_factor.clone()
            },
            ..given.settings.clone()
        },
        key: &key,
        enable: given.enabled,
    };
    let connections = SamlConnections { store: &app.store, sealer: &app.sealer, tenant, reach: None, caller: caller(app) };
    Ok(connections.create(&new).await?)
}
