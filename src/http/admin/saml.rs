//! SAML connections: made from metadata or by hand, and looked after.

use axum::extract::{Path, State};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::asker::{Asker, Body};
use super::connections::{changed, named, saml_connections};
use super::problem::{Kind, Problem};
use crate::app::App;
use crate::directory::connections::keys::LEAD;
use crate::directory::connections::{Came, NewSaml, OurKey, with_settings};
use crate::federation::saml::{self, MetadataFrom};
use crate::http::connections::our_key;
use crate::http::layers::RequestId;
use crate::model::{AccountId, Certificate, ConnectionId, IdpMetadata, JitPolicy, MissingClaim, SamlSettings};

/// The body of `POST /connections`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    slug: String,
    name: String,
    account: Option<AccountId>,
    jit: Option<JitPolicy>,
    missing_claim: Option<MissingClaim>,
    contact: Option<String>,
    /// Where the metadata of the identity provider is.
    metadata_url: Option<Url>,
    /// Its text, where there is no address.
    metadata: Option<String>,
    /// Where there is none at all.
    entity_id: Option<String>,
    #[serde(default)]
    certificates: Vec<String>,
    #[serde(default)]
    settings: Map<String, Value>,
}

/// `POST /connections`: makes a SAML connection, which is a draft until it is enabled.
pub(super) async fn create(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Body(new): Body<New>,
) -> Result<(StatusCode, Body<Value>), Problem> {
    let connections = saml_connections(&app, &asker, &id)?;
    // Nobody has us call an address for a connection that they may not make.
    connections.may_create(new.account).await?;
    let settings = with_settings(&SamlSettings::default(), &new.settings)?;
    let from = match (&new.metadata_url, &new.metadata) {
        (Some(_), Some(_)) => return Err(Problem::invalid("metadata_url, metadata: give one of them")),
        (Some(url), None) => Some(("metadata_url", MetadataFrom::Address(url))),
        (None, Some(text)) => Some(("metadata", MetadataFrom::Text(text.as_bytes()))),
        (None, None) => None,
    };
    let metadata = match from {
        Some((field, from)) => Some(read(&app, field, from).await?),
        None => None,
    };
    let connection = ConnectionId::new(app.clock.now());
    let certificates = new.certificates.iter().map(|text| certificate(text)).collect::<Result<Vec<_>, _>>()?;
    let key = fresh_key(&app, connection).await?;
    let spec = NewSaml {
        id: connection,
        slug: &new.slug,
        name: &new.name,
        within: new.account,
        jit: new.jit.unwrap_or(JitPolicy::IfProvisioned),
        missing_claim: new.missing_claim.unwrap_or_default(),
        contact: new.contact.as_deref(),
        entity_id: new.entity_id.as_deref().unwrap_or_default(),
        certificates: &certificates,
        metadata: metadata.as_ref(),
        metadata_url: new.metadata_url.as_ref().map(Url::as_str),
        settings: &settings,
        key: &key,
        enable: false,
    };
    connections.create(&spec).await?;
    Ok((StatusCode::CREATED, changed(&app, &asker, &id, connection).await?))
}

/// The body of `PUT /connections/{connection}/metadata`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Metadata {
    url: Option<Url>,
    xml: Option<String>,
}

/// `PUT /connections/{connection}/metadata`: takes metadata in, by its address or as it is.
pub(super) async fn put_metadata(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(connection): Path<String>,
    Body(Metadata { url, xml }): Body<Metadata>,
) -> Result<Body<Value>, Problem> {
    let connection = named(&connection)?;
    let connections = saml_connections(&app, &asker, &id)?;
    // Nobody has us call an address for a connection that they may not change.
    connections.may_change(connection).await?;
    let (field, from, came) = match (&url, &xml) {
        (Some(url), None) => ("url", MetadataFrom::Address(url), Came::From(url.as_str())),
        (None, Some(xml)) => ("xml", MetadataFrom::Text(xml.as_bytes()), Came::ByHand),
        _ => return Err(Problem::invalid("url, xml: give one of them")),
    };
    let metadata = read(&app, field, from).await?;
    connections.take_metadata(connection, &metadata, came).await?;
    changed(&app, &asker, &id, connection).await
}

/// The body of `POST /connections/{connection}/certificates`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCertificate {
    certificate: String,
}

/// `POST /connections/{connection}/certificates`: lets another one count.
pub(super) async fn add_certificate(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(connection): Path<String>,
    Body(NewCertificate { certificate: text }): Body<NewCertificate>,
) -> Result<Body<Value>, Problem> {
    let connection = named(&connection)?;
    saml_connections(&app, &asker, &id)?.add_certificate(connection, &certificate(&text)?).await?;
    changed(&app, &asker, &id, connection).await
}

/// `DELETE /connections/{connection}/certificates/{certificate}`: lets one count no longer.
pub(super) async fn remove_certificate(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path((connection, certificate)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let certificate = certificate.parse().map_err(|_| Problem::not_found())?;
    saml_connections(&app, &asker, &id)?.remove_certificate(named(&connection)?, certificate).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The body of `POST /connections/{connection}/approve`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Approval {
    proposal: String,
}

/// `POST /connections/{connection}/approve`: carries out the change that waits.
pub(super) async fn approve(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(connection): Path<String>,
    Body(Approval { proposal }): Body<Approval>,
) -> Result<Body<Value>, Problem> {
    let connection = named(&connection)?;
    saml_connections(&app, &asker, &id)?.approve(connection, &proposal).await?;
    changed(&app, &asker, &id, connection).await
}

/// The body of `POST /connections/{connection}/keys`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKey {
    signs_from: Option<DateTime<Utc>>,
}

/// `POST /connections/{connection}/keys`: publishes the next key of ours.
pub(super) async fn roll_over(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(connection): Path<String>,
    Body(NewKey { signs_from }): Body<NewKey>,
) -> Result<Body<Value>, Problem> {
    let connection = named(&connection)?;
    let connections = saml_connections(&app, &asker, &id)?;
    // A key takes a processor for a while: only for who may have one.
    connections.may_change(connection).await?;
    let key = fresh_key(&app, connection).await?;
    connections.roll_over(connection, &key, signs_from.unwrap_or_else(|| connections.caller.now + LEAD)).await?;
    changed(&app, &asker, &id, connection).await
}

async fn fresh_key(app: &App, connection: ConnectionId) -> Result<OurKey, Problem> {
    our_key(app, connection).await.ok_or(Problem::new(Kind::Internal))
}

fn certificate(text: &str) -> Result<Certificate, Problem> {
    saml::certificate(text.as_bytes()).map_err(|error| Problem::invalid(format!("certificate: {error}")))
}

/// Metadata that stands in a field, or at the address there.
async fn read(app: &App, field: &str, from: MetadataFrom<'_>) -> Result<IdpMetadata, Problem> {
    let metadata = app.federation.idp_metadata(from, app.clock.now()).await;
    metadata.map_err(|error| Problem::invalid(format!("{field}: {error}")))
}
