//! Grants: what a portal was given in one session, for one login on one account.

use chrono::{DateTime, Utc};

use super::{AccountId, ClientId, ConnectionId, GrantId, LoginId, PersonId, SessionId, Sid, TenantId};

/// A grant that counts: it was not revoked, its session lives, and its login is the session's active one.
///
/// Tokens are made from it, and every use of one looks it up again: what they say is true at that moment.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct PortalGrant {
    pub id: GrantId,
    pub tenant_id: TenantId,
    /// The portal.
    pub client_id: ClientId,
    pub session_id: SessionId,
    pub sid: Sid,
    pub login_id: LoginId,
    pub person_id: PersonId,
    /// The connection that the login signed in by; a local login has none.
    pub connection_id: Option<ConnectionId>,
    pub account_id: AccountId,
    /// The scopes that it was given for, `openid` among them.
    #[sqlx(json)]
    pub scopes: Vec<String>,
    /// When the login signed in here.
    pub authenticated_at: DateTime<Utc>,
    /// When the identity provider says that it last asked the person for proof, if it says so.
    pub asserted_at: Option<DateTime<Utc>>,
    /// Authentication context class of the sign-in.
    pub acr: Option<String>,
    /// Authentication methods of the sign-in (RFC 8176).
    #[sqlx(json)]
    pub amr: Vec<String>,
    /// The absolute end of the session.
    pub expires_at: DateTime<Utc>,
}

impl PortalGrant {
    /// When the person last proved who they are: what the identity provider says, else when they came from there (`auth_time`).
    #[must_use]
    pub fn auth_time(&self) -> DateTime<Utc> {
        self.asserted_at.unwrap_or(self.authenticated_at)
    }
}
