//! `GET /oauth2/jwks`: the public keys of what this service signs (RFC 7517).

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};

use crate::app::App;

/// Short, so that a key which has to go is not long believed in; a key that follows another is there a day before.
const CACHED: &str = "public, max-age=300";

/// The keys. They are public: scripts of any site may read them.
pub(super) async fn keys(State(app): State<App>) -> Response {
    match app.signing.jwks().await {
        Ok(keys) => {
            let headers = [(CONTENT_TYPE, "application/jwk-set+json"), (CACHE_CONTROL, CACHED), (ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
            (headers, keys.to_string()).into_response()
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the signing keys could not be read");
            (StatusCode::SERVICE_UNAVAILABLE, [(CACHE_CONTROL, "no-store")]).into_response()
        }
    }
}
