//! The SCIM surface (RFC 7644): who asks, what they sent, and how answers look. What it means is [`crate::provisioning`]'s.
//!
//! A request carries a directory's bearer token; the path names the same directory. A token of another directory or tenant is
//! answered exactly like one that never was.

mod client;
mod lists;
mod meta;
mod resources;
mod stream;
mod trace;

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Path, Request};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use futures_util::StreamExt as _;
use http::header::{CONTENT_TYPE, ETAG, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};

use self::client::Client;
pub(super) use self::client::{authenticate, bearer, touch};
use super::layers::RETRY_SECONDS;
use crate::app::App;
use crate::model::DirectoryId;
use crate::provisioning::Failure;
use crate::scim::message::ScimError;
use crate::scim::parse;
use crate::scim::profile::Leniency;
use crate::scim::schema::ResourceKind;
use crate::scim::{Object, Value};

/// The routes below a directory. Each is found with a slash at its end too, as some clients write it.
pub(super) fn router(app: &App) -> Router<App> {
    let resources = [
        ("/Users", resources::collection(ResourceKind::User)),
        ("/Users/{id}", resources::single(ResourceKind::User)),
        ("/Groups", resources::collection(ResourceKind::Group)),
        ("/Groups/{id}", resources::single(ResourceKind::Group)),
        ("/GroupMembers", resources::collection(ResourceKind::GroupMember)),
        ("/GroupMembers/{id}", resources::unchanging(ResourceKind::GroupMember)),
        ("/ServiceProviderConfig", get(meta::service_provider_config)),
        ("/ResourceTypes", get(meta::resource_types)),
        ("/ResourceTypes/{id}", get(meta::resource_type)),
        ("/Schemas", get(meta::schemas)),
        ("/Schemas/{id}", get(meta::schema)),
        ("/Me", any(not_supported)),
        ("/Bulk", post(not_supported)),
        ("/.search", lists::searched(&ROOT)),
        ("/Users/.search", lists::searched(&[ResourceKind::User])),
        ("/Groups/.search", lists::searched(&[ResourceKind::Group])),
        ("/GroupMembers/.search", lists::searched(&[ResourceKind::GroupMember])),
    ];
    let mut router = Router::new().route("/", lists::listed(&ROOT));
    for (path, methods) in resources {
        router = router.route(&format!("{path}/"), methods.clone()).route(path, methods);
    }
    router
        .method_not_allowed_fallback(wrong_method)
        .fallback(async || ScimFailure(ScimError::new(404, "there is nothing at this address")))
        .layer(from_fn_with_state(app.clone(), trace::layer))
}

/// What is asked of an endpoint as a whole.
const ROOT: [ResourceKind; 2] = [ResourceKind::User, ResourceKind::Group];

/// The address of a directory itself, for where it has a slash at its end: a nested router does not see that one.
pub(super) fn root(app: &App) -> Router<App> {
    Router::new()
        .route("/", lists::listed(&ROOT))
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(app.clone(), trace::layer))
}

async fn wrong_method() -> ScimFailure {
    ScimFailure(ScimError::new(405, "this method is not for this address; see Allow"))
}

/// Parts of the protocol that the service does not have, and that RFC 7644 section 3.12 has a status for (X01).
async fn not_supported() -> ScimFailure {
    ScimFailure(ScimError::new(501, "this part of SCIM is not supported; see ServiceProviderConfig"))
}

/// An error in SCIM's format (RFC 7644 section 3.12).
#[derive(Clone, Debug)]
pub(super) struct ScimFailure(pub(super) ScimError);

impl IntoResponse for ScimFailure {
    fn into_response(self) -> Response {
        let Self(error) = self;
        let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = body(status, &error.to_value());
        let headers = response.headers_mut();
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
            }
            _ => {}
        }
        // For the log of reads, where there is one.
        response.extensions_mut().insert(Self(error));
        response
    }
}

impl From<ScimError> for ScimFailure {
    fn from(error: ScimError) -> Self {
        Self(error)
    }
}

impl From<Failure> for ScimFailure {
    fn from(failure: Failure) -> Self {
        if let Failure::Internal(error) = &failure {
            tracing::error!(error = error as &dyn std::error::Error, "a SCIM request failed");
        }
        Self(failure.answer())
    }
}

/// A SCIM document with its media type.
fn body(status: StatusCode, value: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/scim+json")], value.to_string()).into_response()
}

/// A resource with its entity tag and address.
fn resource(status: StatusCode, document: Object, version: &str, location: &str) -> Response {
    marked(status, Body::from(Value::Object(document).to_string()), version, location)
}

/// A resource, however it is written, with its entity tag and address.
fn marked(status: StatusCode, document: Body, version: &str, location: &str) -> Response {
    let mut response = (status, [(CONTENT_TYPE, "application/scim+json")], document).into_response();
    mark(&mut response, version, location);
    response
}

/// No body, but what changed is named.
fn no_content(version: &str, location: &str) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    mark(&mut response, version, location);
    response
}

fn mark(response: &mut Response, version: &str, location: &str) {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(version) {
        headers.insert(ETAG, value);
    }
    if let Ok(value) = HeaderValue::from_str(location) {
        headers.insert(LOCATION, value);
    }
}

/// The absolute address of a directory's endpoint. It is built from the configured address, never from the request's Host.
fn base(app: &App, directory: DirectoryId) -> String {
    app.settings.server.public_url.at(&format!("/scim/v2/{directory}"))
}

/// The names in a path. What cannot be decoded names nothing, and is answered in SCIM's format.
struct Names<T>(T);

impl<S: Send + Sync, T: serde::de::DeserializeOwned + Send> FromRequestParts<S> for Names<T> {
    type Rejection = ScimFailure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ScimFailure> {
        let Path(names) =
            Path::from_request_parts(parts, state).await.map_err(|_| ScimError::new(404, "there is nothing at this address"))?;
        Ok(Self(names))
    }
}

/// Reads a request's body: its media type, its size, its JSON (A03, A05, A06).
async fn read_body(app: &App, request: Request, without_type: Leniency) -> Result<Value, ScimFailure> {
    if !is_scim_json(request.headers(), without_type) {
        return Err(ScimError::new(415, "the body must be application/scim+json or application/json").into());
    }
    let limit = app.settings.server.body_limit;
    let too_large = || ScimFailure(ScimError::new(413, format!("the body may have at most {limit} bytes")));
    if request.headers().get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok())
        > Some(limit)
    {
        discard(request.into_body(), limit).await;
        return Err(too_large());
    }
    let bytes: Bytes = axum::body::to_bytes(request.into_body(), limit).await.map_err(|error| {
        let is_limit =
            std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>);
        if is_limit { too_large() } else { ScimFailure(ScimError::invalid_syntax("the body ended early")) }
    })?;
    parse::parse(&bytes).map_err(|error| ScimFailure(ScimError::invalid_syntax(error.to_string())))
}

/// Reads a body that is not wanted, as far as it is of a size that somebody may send by mistake: a client that is still sending when the
/// connection is closed sees a broken connection, and not the answer.
async fn discard(body: Body, limit: usize) {
    const PATIENCE: Duration = Duration::from_secs(5);
    let mut chunks = body.into_data_stream();
    let mut read = 0;
    let reading = async {
        while let Some(Ok(chunk)) = chunks.next().await {
            read += chunk.len();
            if read > 4 * limit {
                break;
            }
        }
    };
    // Whoever is slower than that is answered all the same.
    let _ = tokio::time::timeout(PATIENCE, reading).await;
}

/// A body without a media type is JSON where the client's profile lets that pass: there is nothing else that it could be.
fn is_scim_json(headers: &HeaderMap, without_type: Leniency) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return without_type == Leniency::Coerce };
    let Ok(value) = value.to_str() else { return false };
    let mut parts = value.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let utf8 = parts.all(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        !name.trim().eq_ignore_ascii_case("charset") || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    utf8 && (kind.eq_ignore_ascii_case("application/scim+json") || kind.eq_ignore_ascii_case("application/json"))
}
