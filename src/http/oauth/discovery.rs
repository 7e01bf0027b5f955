//! What the OpenID Provider says of itself (OpenID Connect Discovery 1.0, RFC 8414): exactly what is served.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::app::App;
use crate::config::PublicUrl;
use crate::model::Acr;
use crate::openid::clients::ALGORITHMS;

/// The routes of the metadata: its OpenID name, and that of OAuth (RFC 8414 section 3).
pub(in crate::http) fn routes() -> Router<App> {
    Router::new()
        .route("/.well-known/openid-configuration", get(configuration))
        .route("/.well-known/oauth-authorization-server", get(configuration))
}

/// Scripts of any site may read it.
async fn configuration(State(app): State<App>) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=3600"), (ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    (headers, document(&app.settings.server.public_url).to_string()).into_response()
}

fn document(url: &PublicUrl) -> Value {
    let methods = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"];
    let (with_secret, _) = methods.split_at(3);
    json!({
        "issuer": url.at(""),
        "authorization_endpoint": url.at("/oauth2/authorize"),
        "token_endpoint": url.at("/oauth2/token"),
        "userinfo_endpoint": url.at("/oauth2/userinfo"),
        "jwks_uri": url.at("/oauth2/jwks"),
        "introspection_endpoint": url.at("/oauth2/introspect"),
        "revocation_endpoint": url.at("/oauth2/revoke"),
        "end_session_endpoint": url.at("/oauth2/logout"),
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "select_account"],
        "acr_values_supported": Acr::ALL.map(Acr::as_str),
        "claim_types_supported": ["normal"],
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "nonce", "at_hash", "sid", "auth_time", "acr", "amr",
            "name", "given_name", "family_name", "preferred_username", "email", "email_verified",
            "tenant", "person", "login", "account", "account_path", "roles", "narrowed_roles", "groups", "entitlements",
        ],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "introspection_endpoint_auth_methods_supported": with_secret,
        "introspection_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "authorization_response_iss_parameter_supported": true,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        // Without it, yes would be understood.
        "request_uri_parameter_supported": false,
    })
}
