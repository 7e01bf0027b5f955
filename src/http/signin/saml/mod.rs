//! Signing in and out by SAML 2.0: the request, the response, our metadata, and logout both ways. What every protocol shares of signing in
//! is in [`super::depart`] and [`super::arrive`].
//!
//! | route | what |
//! |---|---|
//! | `GET /sign-in/saml/{connection}` | begins, see [`super::depart`] |
//! | `POST …/acs` | takes the response, see [`acs`] |
//! | `GET …/slo`, `POST …/slo` | takes logout requests and the answers to ours, see [`slo`] |
//! | `GET …/metadata` | what the identity provider has to know of us; its address is our entity id |
//!
//! Every connection has its own of each, so that no message for one can be taken for another's.

pub(in crate::http) mod acs;
pub(in crate::http) mod slo;

use std::collections::BTreeMap;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use url::Url;

use super::super::layers::{RequestId, no_such_page, trouble};
use super::super::pages::Wrong;
use super::depart::{Begun, proof_place};
use super::stopped::Stopped;
use crate::app::App;
use crate::directory::connections::keys::{OurKey, our_certificates, our_keys};
use crate::federation::saml::{self, Credential, Expected, Outgoing, Sp};
use crate::federation::{Refused, Trace};
use crate::model::{Certificate, Connection, ConnectionId, Demand, ExternalIdentity, TenantId};
use crate::store::{PendingRow, Reader};

/// Bytes of a form with a message: what [`saml::MAX_MESSAGE`] is in base64, with line breaks, escaped.
const LONGEST: usize = 512 * 1024;

/// Why a message could not be worked on: our own fault, whichever it is.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    #[error(transparent)]
    Directory(#[from] crate::directory::Error),
    #[error("the public address of this service is none")]
    Address(#[from] url::ParseError),
    #[error("a message of ours cannot be made")]
    Message(#[from] Refused),
}

/// This service, as the identity provider of one connection knows it.
struct Ours {
    entity_id: String,
    acs: Url,
    slo: Url,
}

impl Ours {
    fn at(app: &App, connection: ConnectionId) -> Result<Self, Failure> {
        let ours = &app.settings.server.public_url;
        Ok(Self {
            entity_id: ours.saml_metadata(connection),
            acs: Url::parse(&ours.saml_acs(connection))?,
            slo: Url::parse(&ours.saml_slo(connection))?,
        })
    }

    /// With the keys that what is to be done needs.
    fn sp<'a>(&'a self, keys: &'a [Credential]) -> Sp<'a> {
        Sp { entity_id: &self.entity_id, acs: &self.acs, slo: &self.slo, keys }
    }
}

/// Our keys at a connection, opened, the one that signs first.
async fn keys(app: &App, tenant: TenantId, connection: ConnectionId) -> Result<Vec<Credential>, Failure> {
    let keys = our_keys(&mut app.store.read(tenant), &app.sealer, connection, app.clock.now()).await?;
    Ok(keys.into_iter().map(|OurKey { certificate, private_key }| Credential { certificate, private_key }).collect())
}

/// The certificates of a connection's identity provider. One that cannot be read any more verifies nothing.
async fn certificates(reader: &mut Reader, connection: ConnectionId) -> crate::store::Result<Vec<Certificate>> {
    let rows = reader.certificates_of_connection(connection).await?;
    Ok(rows.into_iter().filter_map(|row| saml::certificate(&row.der).ok()).collect())
}

/// Makes the authentication request, with the id that its response must name.
pub(super) async fn ask(
    app: &App,
    tenant: TenantId,
    connection: &Connection,
    demand: &Demand,
    trace: &mut Trace,
    request_id: &RequestId,
) -> Result<Result<Begun, Refused>, Stopped> {
    let internal = |error: Failure| Stopped::internal(&error, request_id);
    let ours = Ours::at(app, connection.id).map_err(internal)?;
    let keys = if connection.saml().is_some_and(|settings| settings.sign_requests) {
        keys(app, tenant, connection.id).await.map_err(internal)?
    } else {
        Vec::new()
    };
    let begun = saml::begin(&ours.sp(&keys), connection, demand, app.clock.now(), trace);
    Ok(begun.map(|begun| Begun { way: begun.departure.into(), state: begun.relay_state, proof: begun.request_id }))
}

/// Proves a response.
pub(super) async fn prove(
    app: &App,
    tenant: TenantId,
    connection: &Connection,
    pending: &PendingRow,
    response: String,
    trace: &mut Trace,
    request_id: &RequestId,
) -> Result<Result<ExternalIdentity, Refused>, Stopped> {
    let internal = |error: &(dyn std::error::Error + 'static)| Stopped::internal(error, request_id);
    let ours = Ours::at(app, connection.id).map_err(|error| internal(&error))?;
    let keys = keys(app, tenant, connection.id).await.map_err(|error| internal(&error))?;
    let certificates = certificates(&mut app.store.read(tenant), connection.id).await.map_err(|error| internal(&error))?;
    let proof = app.sealer.open_text(&proof_place(pending.id), &pending.proof_sealed).map_err(|error| internal(&error))?;
    let expected = Expected {
        tenant,
        connection: connection.clone(),
        certificates,
        entity_id: ours.entity_id,
        acs: ours.acs,
        request_id: proof,
        keys,
        demand: pending.demand.clone(),
        began: pending.created_at,
        now: app.clock.now(),
    };
    Ok(app.federation.saml.finish(expected, response, trace).await)
}

/// What the identity provider of a connection has to know of us.
pub(in crate::http) async fn metadata(State(app): State<App>, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse() else { return no_such_page().await };
    match try_metadata(&app, id).await {
        Ok(Some(xml)) => {
            let headers = [(CONTENT_TYPE, "application/samlmetadata+xml"), (CACHE_CONTROL, "no-cache")];
            (headers, xml).into_response()
        }
        Ok(None) => no_such_page().await,
        Err(error) => failed(&error),
    }
}

async fn try_metadata(app: &App, id: ConnectionId) -> Result<Option<String>, Failure> {
    let Some((tenant, connection)) = find(app, id).await? else { return Ok(None) };
    let Some(settings) = connection.saml() else { return Ok(None) };
    let certificates = our_certificates(&mut app.store.read(tenant), id, app.clock.now()).await?;
    Ok(Some(saml::metadata::write(&Ours::at(app, id)?.sp(&[]), &certificates, settings)))
}

/// A connection by SAML, in whatever state, with its tenant.
async fn find(app: &App, id: ConnectionId) -> crate::store::Result<Option<(TenantId, Connection)>> {
    let Some(tenant) = app.store.doors().tenant_of_connection(id).await? else { return Ok(None) };
    let connection = app.store.read(tenant).connection(id).await?;
    Ok(connection.filter(|connection| connection.saml().is_some()).map(|connection| (tenant, connection)))
}

fn failed(error: &(dyn std::error::Error + 'static)) -> Response {
    tracing::error!(error, "a SAML message could not be answered");
    trouble(Wrong::Unavailable)
}

/// The fields of a form that a browser posts for an identity provider, each of these names once at most. Others are left alone.
///
/// # Errors
/// What to answer when it is no such form, or is too long.
async fn form(request: Request, names: &[&'static str]) -> Result<BTreeMap<&'static str, String>, Wrong> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind: &HeaderValue| kind.to_str().ok()).unwrap_or_default();
    let is_form = kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded");
    let bytes = axum::body::to_bytes(request.into_body(), LONGEST).await.map_err(|_| Wrong::TooLarge)?;
    if !is_form {
        return Err(Wrong::BadRequest);
    }
    let mut fields = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(&bytes) {
        let Some(name) = names.iter().find(|known| **known == name) else { continue };
        if fields.insert(*name, value.into_owned()).is_some() {
            return Err(Wrong::BadRequest);
        }
    }
    Ok(fields)
}

impl From<Outgoing> for super::depart::Way {
    fn from(outgoing: Outgoing) -> Self {
        match outgoing {
            Outgoing::Redirect(url) => Self::Redirect(url),
            Outgoing::Post(form) => Self::Post(form),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sso_s31_a_field_comes_once_and_a_form_is_a_form_of_bounded_length() {
        let names = &["SAMLResponse", "RelayState"];
        let of = async |kind: &'static str, body: String| {
            form(Request::post("/").header(CONTENT_TYPE, kind).body(body.into()).unwrap(), names).await
        };
        let urlencoded = "application/x-www-form-urlencoded; charset=utf-8";
        let fields = of(urlencoded, "SAMLResponse=a%2Bb&x=1&x=2&RelayState=".into()).await.unwrap();
        assert_eq!(fields, BTreeMap::from([("SAMLResponse", "a+b".to_owned()), ("RelayState", String::new())]));
        for (kind, body, wrong) in [
            (urlencoded, "RelayState=a&RelayState=a".to_owned(), Wrong::BadRequest),
            (urlencoded, "SAMLResponse=a&SAMLRespons%65=b".to_owned(), Wrong::BadRequest),
            ("text/plain", "SAMLResponse=a".to_owned(), Wrong::BadRequest),
            (urlencoded, format!("SAMLResponse={}", "a".repeat(LONGEST)), Wrong::TooLarge),
        ] {
            assert_eq!(of(kind, body).await, Err(wrong), "{kind}");
        }
    }
}
