//! `/oauth2/…` for programs: what portals and clients that work for themselves ask by themselves, without a browser.
//!
//! | route | what |
//! |---|---|
//! | `POST /oauth2/token` | tokens, see [`token`] |
//!
//! Every answer is JSON that no cache keeps, refusals in the words of RFC 6749 section 5.2. What a browser is sent to is a page, and lives
//! elsewhere.

mod client;
mod form;
mod token;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use tower_http::catch_panic::CatchPanicLayer;

use super::layers;
use crate::app::App;
use crate::directory;
use crate::metrics::Surface;

/// The routes below `/oauth2`.
pub(super) fn router(app: &App) -> Router<App> {
    Router::new()
        .route("/token", post(token::token))
        .layer(CatchPanicLayer::custom(layers::api_panic))
        .layer(from_fn(layers::api_deadline))
        .layer(from_fn(as_oauth))
        .layer(from_fn_with_state((app.clone(), Surface::Api), layers::measure))
}

/// Why there is no token (RFC 6749 section 5.2).
#[derive(Debug)]
pub(super) enum Refused {
    /// A parameter is missing, repeated or cannot be read.
    Request(&'static str),
    /// Who asks is no client, or did not prove it.
    Client,
    GrantType,
    Scope,
    /// The client asks too often.
    TooMany(u64),
    Unavailable,
}

impl From<directory::Error> for Refused {
    fn from(error: directory::Error) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "an access token could not be made");
        Self::Unavailable
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, error, description) = match self {
            Self::Request(description) => (StatusCode::BAD_REQUEST, "invalid_request", description),
            Self::Client => (StatusCode::UNAUTHORIZED, "invalid_client", "the client is not known, or its secret is wrong"),
            Self::GrantType => (StatusCode::BAD_REQUEST, "unsupported_grant_type", "the grant_type here is client_credentials"),
            Self::Scope => (StatusCode::BAD_REQUEST, "invalid_scope", "the client has not all of these scopes"),
            Self::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", "wait as long as Retry-After says"),
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "the service is busy; ask again later")
            }
        };
        let mut response = (status, json(&json!({ "error": error, "error_description": description }))).into_response();
        if let Self::Client = self {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"vestibule\""));
        }
        if let Self::TooMany(seconds) = self {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

pub(super) fn json(body: &Value) -> impl IntoResponse + use<> {
    ([(CONTENT_TYPE, "application/json")], body.to_string())
}

/// Keeps every cache from keeping any answer, and gives refusals of the routing a body.
async fn as_oauth(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let status = response.status();
    if (status.is_client_error() || status.is_server_error()) && !response.headers().contains_key(CONTENT_TYPE) {
        let error = if status.is_server_error() { "server_error" } else { "invalid_request" };
        let allow = response.headers_mut().remove(ALLOW);
        response = (status, json(&json!({ "error": error }))).into_response();
        response.headers_mut().extend(allow.map(|allow| (ALLOW, allow)));
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
