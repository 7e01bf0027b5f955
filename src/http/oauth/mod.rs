//! `/oauth2/…` for programs: what portals and clients that work for themselves ask by themselves, without a browser.
//!
//! | route | what |
//! |---|---|
//! | `POST /oauth2/token` | tokens, see [`token`] |
//! | `/oauth2/userinfo`, `/oauth2/introspect`, `/oauth2/revoke` | what portals ask with them, see [`portals`] |
//! | `/.well-known/openid-configuration` | where all of it is, see [`discovery`] |
//!
//! Every answer is JSON that no cache keeps, refusals in the words of RFC 6749 section 5.2. What a browser is sent to is a page, and lives
//! elsewhere.

mod bearer;
mod client;
mod cors;
mod discovery;
mod form;
mod portals;
mod token;

pub(super) use discovery::routes as metadata;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use tower_http::catch_panic::CatchPanicLayer;

use super::layers::{self, RETRY_SECONDS, RequestId};
use crate::app::App;
use crate::directory;
use crate::metrics::Surface;
use crate::model::Actor;
use crate::openid::token::{Refusal, Tokens};

/// The routes below `/oauth2`.
pub(super) fn router(app: &App) -> Router<App> {
    Router::new()
        .route("/token", post(token::token).options(cors::preflight))
        .merge(portals::routes())
        .layer(CatchPanicLayer::custom(layers::api_panic))
        .layer(from_fn(layers::api_deadline))
        .layer(from_fn(as_oauth))
        .layer(from_fn_with_state((app.clone(), Surface::Api), layers::measure))
}

/// What makes tokens and looks at them, for who asks now.
fn tokens<'a>(app: &'a App, id: &'a RequestId, actor: Actor) -> Tokens<'a> {
    Tokens {
        store: &app.store,
        signing: &app.signing,
        rules: &app.rules,
        issuer: app.settings.server.public_url.at(""),
        limits: app.session_limits(),
        caller: id.caller(app, actor),
    }
}

/// Why there is no token (RFC 6749 section 5.2).
#[derive(Debug)]
enum Refused {
    /// A parameter is missing, repeated or cannot be read.
    Request(&'static str),
    /// Who asks is no client, or did not prove it.
    Client,
    /// A client that is not for this.
    Unauthorized,
    GrantType,
    /// A code or refresh token that is worth nothing. Why stands in our log alone.
    Grant,
    /// The token is another portal's.
    Foreign,
    Scope,
    /// The client asks too often.
    TooMany(u64),
    Unavailable,
}

impl From<directory::Error> for Refused {
    fn from(error: directory::Error) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "what a client asks for could not be looked at");
        Self::Unavailable
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Grant(reason) => {
                tracing::info!(reason, "a portal was refused tokens");
                Self::Grant
            }
            Refusal::Scope => Self::Scope,
            Refusal::Directory(error) => error.into(),
            Refusal::Keys(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the signing keys could not be used");
                Self::Unavailable
            }
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, error, description) = match self {
            Self::Request(description) => (StatusCode::BAD_REQUEST, "invalid_request", description),
            Self::Client => {
                (StatusCode::UNAUTHORIZED, "invalid_client", "the client is not known, or did not prove that it is the one")
            }
            Self::Unauthorized => (StatusCode::BAD_REQUEST, "unauthorized_client", "this is not for clients of this kind"),
            Self::GrantType => (
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                "the grant_type here is authorization_code, refresh_token or client_credentials",
            ),
            Self::Grant => (
                StatusCode::BAD_REQUEST,
                "invalid_grant",
                "the code or refresh token is not known here, was used, is over, or does not fit the request",
            ),
            Self::Foreign => (StatusCode::BAD_REQUEST, "invalid_grant", "the token was given to another client"),
            Self::Scope => (StatusCode::BAD_REQUEST, "invalid_scope", "there are not all of these scopes to be had"),
            Self::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", "wait as long as Retry-After says"),
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "the service is busy; ask again later")
            }
        };
        let mut response = (status, json(&json!({ "error": error, "error_description": description }))).into_response();
        if let Self::Client = self {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"vestibule\""));
        }
        let seconds = match self {
            Self::TooMany(seconds) => Some(seconds),
            Self::Unavailable => Some(RETRY_SECONDS),
            _ => None,
        };
        response.headers_mut().extend(seconds.map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds))));
        response
    }
}

fn json(body: &Value) -> impl IntoResponse + use<> {
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
