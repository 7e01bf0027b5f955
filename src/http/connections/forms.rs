//! The forms of a SAML connection's page.

use axum::extract::{Form, Path, State};
use axum::response::Response;
use serde::Deserialize;
use url::Url;

use super::super::extract::SignedIn;
use super::super::layers::RequestId;
use super::super::pages;
use super::{Done, our_key, reach, saml_connections, settled};
use crate::app::App;
use crate::directory::Error;
use crate::directory::connections::Came;
use crate::directory::connections::keys::LEAD;
use crate::directory::connections::schedule::after_taking;
use crate::federation::saml;
use crate::model::ConnectionId;

fn named(connection: &str) -> Result<ConnectionId, Error> {
    connection.parse().map_err(|_| Error::NotFound("connection"))
}

/// Metadata, by its address or pasted.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    url: Option<String>,
    xml: Option<String>,
}

/// Takes metadata in.
pub(super) async fn metadata(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    id: RequestId,
    Path(connection): Path<String>,
    Form(Metadata { url, xml }): Form<Metadata>,
) -> Response {
    let url = url.map(|url| url.trim().to_owned());
    let done = async {
        let connection = named(&connection)?;
        let reach = reach(&app, &session).await?.ok_or(Error::NotFound("connection"))?;
        let connections = saml_connections(&app, &session, &id, &reach);
        // Nobody has us call an address for a connection that they may not change.
        connections.may_change(connection).await?;
        let now = app.clock.now();
        let (metadata, came) = match (&url, &xml) {
            (Some(url), None) => {
                let wrong = |_| Error::Invalid("this is no address such as https://idp.example/metadata".to_owned());
                let address = Url::parse(url).map_err(wrong)?;
                let metadata = app.federation.idp_metadata(&address, now).await;
                (metadata.map_err(|error| Error::Invalid(error.to_string()))?, Came::From(url))
            }
            (None, Some(xml)) => {
                let metadata = saml::metadata::read(xml.as_bytes(), now);
                (metadata.map_err(|error| Error::Invalid(error.to_string()))?, Came::ByHand)
            }
            _ => return Err(Error::Invalid("give the address of the metadata, or the metadata".to_owned())),
        };
        let waits = connections.take_metadata(connection, &metadata, came, after_taking(&metadata, now)).await?;
        Ok(if waits.is_some() { Done::Proposed } else { Done::Metadata })
    };
    let done = done.await;
    let (form, typed) = match (&url, &xml) {
        (Some(url), _) => (pages::Form::MetadataUrl, url.as_str()),
        (None, xml) => (pages::Form::Metadata, xml.as_deref().unwrap_or_default()),
    };
    settled(&app, &session, &id, &connection, (form, typed), done).await
}

/// A certificate, pasted.
#[derive(Debug, Deserialize)]
pub(super) struct Pasted {
    certificate: String,
}

/// Lets another certificate count.
pub(super) async fn add_certificate(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    id: RequestId,
    Path(connection): Path<String>,
    Form(Pasted { certificate }): Form<Pasted>,
) -> Response {
    let done = async {
        let read = saml::certificate(certificate.as_bytes()).map_err(|error| Error::Invalid(error.to_string()))?;
        let reach = reach(&app, &session).await?.ok_or(Error::NotFound("connection"))?;
        saml_connections(&app, &session, &id, &reach).add_certificate(named(&connection)?, &read).await?;
        Ok(Done::Certificate)
    };
    let done = done.await;
    settled(&app, &session, &id, &connection, (pages::Form::Certificate, &certificate), done).await
}

/// Lets a certificate count no longer.
pub(super) async fn remove_certificate(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    id: RequestId,
    Path((connection, certificate)): Path<(String, String)>,
) -> Response {
    let done = async {
        let certificate = certificate.parse().map_err(|_| Error::NotFound("certificate"))?;
        let reach = reach(&app, &session).await?.ok_or(Error::NotFound("connection"))?;
        saml_connections(&app, &session, &id, &reach).remove_certificate(named(&connection)?, certificate).await?;
        Ok(Done::Removed)
    };
    let done = done.await;
    settled(&app, &session, &id, &connection, (pages::Form::Button, ""), done).await
}

/// Which change is approved.
#[derive(Debug, Deserialize)]
pub(super) struct Approval {
    proposal: String,
}

/// Carries out the change that waits.
pub(super) async fn approve(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    id: RequestId,
    Path(connection): Path<String>,
    Form(Approval { proposal }): Form<Approval>,
) -> Response {
    let done = async {
        let reach = reach(&app, &session).await?.ok_or(Error::NotFound("connection"))?;
        saml_connections(&app, &session, &id, &reach).approve(named(&connection)?, &proposal).await?;
        Ok(Done::Approved)
    };
    let done = done.await;
    settled(&app, &session, &id, &connection, (pages::Form::Button, ""), done).await
}

/// Publishes the next key of ours.
pub(super) async fn roll_over(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    id: RequestId,
    Path(connection): Path<String>,
) -> Response {
    let done = async {
        let connection = named(&connection)?;
        let reach = reach(&app, &session).await?.ok_or(Error::NotFound("connection"))?;
        let connections = saml_connections(&app, &session, &id, &reach);
        // A key takes a processor for a while: only for who may have one.
        connections.may_change(connection).await?;
        let key = our_key(&app, connection).await;
        let key = key.ok_or_else(|| Error::Conflict("no key could be made; try again".to_owned()))?;
        connections.roll_over(connection, &key, connections.caller.now + LEAD).await?;
        Ok(Done::Keys)
    };
    let done = done.await;
    settled(&app, &session, &id, &connection, (pages::Form::Button, ""), done).await
}
