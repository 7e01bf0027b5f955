//! The forms of a SAML connection's page.

use axum::extract::{Form, Path};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::super::pages;
use super::{At, Done, our_key};
use crate::directory::Error;
use crate::directory::connections::keys::LEAD;
use crate::directory::connections::{Came, SamlChange};
use crate::federation::saml::{self, MetadataFrom};
use crate::model::{AttributePreset, SubjectSource};

/// A form in which nothing is typed.
const BUTTON: (pages::Form, &str) = (pages::Form::Button, "");

/// Metadata, by its address or pasted.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    url: Option<String>,
    xml: Option<String>,
}

/// Takes metadata in.
pub(super) async fn metadata(at: At, Form(Metadata { url, xml }): Form<Metadata>) -> Response {
    let url = url.map(|url| url.trim().to_owned());
    let done = async {
        // Nobody has us call an address for a connection that they may not change.
        at.saml().may_change(at.connection).await?;
        let address = url.as_deref().map(Url::parse).transpose();
        let address = address.map_err(|_| Error::Invalid("this is no address such as https://idp.example/metadata".to_owned()))?;
        let (from, came) = match (&address, &xml) {
            (Some(address), None) => (MetadataFrom::Address(address), Came::From(address.as_str())),
            (None, Some(xml)) => (MetadataFrom::Text(xml.as_bytes()), Came::ByHand),
            _ => return Err(Error::Invalid("give the address of the metadata, or the metadata".to_owned())),
        };
        let metadata = at.desk.app.federation.idp_metadata(from, at.desk.app.clock.now()).await;
        let metadata = metadata.map_err(|error| Error::Invalid(error.to_string()))?;
        let waits = at.saml().take_metadata(at.connection, &metadata, came).await?;
        Ok(if waits.is_some() { Done::Proposed } else { Done::Metadata })
    };
    let done = done.await;
    let typed = match (&url, &xml) {
        (Some(url), _) => (pages::Form::MetadataUrl, url.as_str()),
        (None, xml) => (pages::Form::Metadata, xml.as_deref().unwrap_or_default()),
    };
    at.settled(typed, done).await
}

/// What names somebody, and by which names the rest comes.
#[derive(Debug, Deserialize)]
pub(super) struct Who {
    /// Empty where the NameID names somebody; left out, while that stays as it is.
    attribute: Option<String>,
    preset: AttributePreset,
}

/// Says who somebody is.
pub(super) async fn subject(at: At, Form(Who { attribute, preset }): Form<Who>) -> Response {
    let attribute = attribute.map(|name| name.trim().to_owned());
    let mut settings = Map::from_iter([("preset".to_owned(), json!(preset))]);
    if let Some(name) = attribute.clone() {
        let subject = if name.is_empty() { SubjectSource::NameId } else { SubjectSource::Attribute { name } };
        settings.insert("subject".to_owned(), serde_json::to_value(subject).unwrap_or(Value::Null));
    }
    let change = SamlChange { settings: Some(settings), ..SamlChange::default() };
    let done = match at.saml().change(at.connection, &change).await {
        Ok(()) => Ok(Done::Subject),
        // The page says itself what it is about.
        Err(Error::Invalid(why)) => Err(Error::Invalid(why.strip_prefix("settings.subject: ").unwrap_or(&why).to_owned())),
        Err(error) => Err(error),
    };
    at.settled((pages::Form::Subject, attribute.as_deref().unwrap_or_default()), done).await
}

/// A certificate, pasted.
#[derive(Debug, Deserialize)]
pub(super) struct Pasted {
    certificate: String,
}

/// Lets another certificate count.
pub(super) async fn add_certificate(at: At, Form(Pasted { certificate }): Form<Pasted>) -> Response {
    let done = match saml::certificate(certificate.as_bytes()) {
        Ok(read) => at.saml().add_certificate(at.connection, &read).await.map(|()| Done::Certificate),
        Err(error) => Err(Error::Invalid(error.to_string())),
    };
    at.settled((pages::Form::Certificate, &certificate), done).await
}

/// Which certificate.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    certificate: String,
}

/// Lets a certificate count no longer.
pub(super) async fn remove_certificate(at: At, Path(Named { certificate }): Path<Named>) -> Response {
    let done = match certificate.parse() {
        Ok(certificate) => at.saml().remove_certificate(at.connection, certificate).await.map(|()| Done::Removed),
        Err(_) => Err(Error::NotFound("certificate")),
    };
    at.settled(BUTTON, done).await
}

/// Which change is approved.
#[derive(Debug, Deserialize)]
pub(super) struct Approval {
    proposal: String,
}

/// Carries out the change that waits.
pub(super) async fn approve(at: At, Form(Approval { proposal }): Form<Approval>) -> Response {
    let done = at.saml().approve(at.connection, &proposal).await.map(|()| Done::Approved);
    at.settled(BUTTON, done).await
}

/// Publishes the next key of ours.
pub(super) async fn roll_over(at: At) -> Response {
    let done = async {
        let connections = at.saml();
        // A key takes a processor for a while: only for who may have one.
        connections.may_change(at.connection).await?;
        let key = our_key(&at.desk.app, at.connection).await;
        let key = key.ok_or_else(|| Error::Conflict("no key could be made; try again".to_owned()))?;
        connections.roll_over(at.connection, &key, connections.caller.now + LEAD).await?;
        Ok(Done::Keys)
    };
    let done = done.await;
    at.settled(BUTTON, done).await
}
