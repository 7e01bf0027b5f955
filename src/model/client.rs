//! Portal applications.

use super::ClientId;

/// A portal application, registered as an OpenID Connect client.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Client {
    pub id: ClientId,
    /// The `client_id` that the portal sends.
    pub client_id: String,
    pub name: String,
    /// Compared exactly (RFC 9700 section 4.1.3).
    #[sqlx(json)]
    pub redirect_uris: Vec<String>,
}
