//! Portal applications: the clients that people sign in to by OpenID Connect.

use serde::{Deserialize, Serialize};

use super::ClientId;

/// How a portal proves itself to the token endpoint (RFC 7591 section 2, `token_endpoint_auth_method`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenEndpointAuthMethod {
    /// By its secret, in the header (`client_secret_basic`) or in the body (`client_secret_post`).
    #[default]
    ClientSecret,
    /// By a JWT that it signs with a key of its own (RFC 7523).
    PrivateKeyJwt,
    /// Not at all: it runs where everybody can read it, and has PKCE alone.
    None,
}

/// What is kept of a portal besides its addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PortalSettings {
    pub token_endpoint_auth_method: TokenEndpointAuthMethod,
    /// Its public keys, for `private_key_jwt` (RFC 7517).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<serde_json::Value>,
    /// Where a browser may be sent after it signed out here.
    pub post_logout_redirect_uris: Vec<String>,
    /// For whom its access tokens are (`aud`, RFC 9068): the name of its API. Its `client_id`, unless there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
}

/// A portal application, without what proves it. It belongs to the operator and serves people of every tenant.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Portal {
    pub id: ClientId,
    /// What it calls itself; unique in the service.
    pub client_id: String,
    pub name: String,
    /// Where a browser may be sent with a code: exactly these.
    #[sqlx(json)]
    pub redirect_uris: Vec<String>,
    /// Where it is told that a session is over (OpenID Connect Back-Channel Logout 1.0).
    pub backchannel_logout_uri: Option<String>,
    #[sqlx(json)]
    pub settings: PortalSettings,
}

impl Portal {
    /// For whom its access tokens are.
    #[must_use]
    pub fn audience(&self) -> &str {
        self.settings.audience.as_deref().unwrap_or(&self.client_id)
    }
}
