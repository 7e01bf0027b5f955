//! Requests of portals that wait for their person: kept for a quarter of an hour, for the browser that brought them, and answered once.

use axum_extra::extract::CookieJar;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret as _;

use super::super::extract::{SIGN_IN_COOKIE, browser_marker, cookie};
use super::super::pages::Over;
use crate::app::App;
use crate::keys::{HashedToken, PlainToken};
use crate::model::{AuthorizationRequestId, Portal, TenantId};
use crate::openid::authorize::AuthorizationRequest;
use crate::store::{self, NewAuthorizationRequest};

/// How long a request waits.
const LIFETIME: TimeDelta = TimeDelta::minutes(15);

/// A request that waits.
pub(in crate::http) struct Waiting {
    pub(in crate::http) id: AuthorizationRequestId,
    pub(in crate::http) portal: Portal,
    pub(in crate::http) request: AuthorizationRequest,
    pub(in crate::http) requested_at: DateTime<Utc>,
}

/// What is under a handle.
pub(in crate::http) enum Found {
    Waiting(Box<Waiting>),
    Over(Over),
}

/// Where a request waits.
pub(super) fn place(handle: &str) -> String {
    format!("/oauth2/authorize/{handle}")
}

/// The handle in an address to which signing in returns, if a request waits there.
pub(in crate::http) fn handle_of(return_to: &str) -> Option<&str> {
    return_to.strip_prefix("/oauth2/authorize/").filter(|handle| is_handle(handle))
}

/// 32 bytes in base64url, as every bare token.
fn is_handle(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Lets a request wait, bound to this browser. Answers its handle.
pub(super) async fn keep(
    app: &App,
    portal: &Portal,
    request: &AuthorizationRequest,
    jar: CookieJar,
) -> store::Result<(CookieJar, String)> {
    let (handle, browser) = (PlainToken::bare(), browser_marker(&jar));
    let now = app.clock.now();
    let new = NewAuthorizationRequest {
        id: AuthorizationRequestId::new(now),
        client: portal.id,
        handle: &handle.digest(),
        browser: &HashedToken::of(browser.expose_secret()),
        parameters: &serde_json::to_value(request).unwrap_or_default(),
        expires_at: now + LIFETIME,
    };
    let mut writer = app.store.write(TenantId::OPERATOR).await?;
    writer.insert_authorization_request(&new, now).await?;
    writer.commit().await?;
    let jar = jar.add(cookie(SIGN_IN_COOKIE, browser.expose_secret().to_owned()));
    Ok((jar, handle.reveal().expose_secret().to_owned()))
}

/// Keeps what became of a request that waits.
pub(super) async fn change(app: &App, id: AuthorizationRequestId, request: &AuthorizationRequest) -> store::Result<()> {
    let parameters = serde_json::to_value(request).unwrap_or_default();
    let mut writer = app.store.write(TenantId::OPERATOR).await?;
    writer.change_authorization_request(id, &parameters).await?;
    writer.commit().await
}

/// What waits under a handle for this browser. A portal that was revoked meanwhile, or whose address is no longer registered, waits for
/// nothing.
pub(in crate::http) async fn find(app: &App, handle: &str, jar: &CookieJar) -> store::Result<Found> {
    let gone = Ok(Found::Over(Over::Gone));
    let Some(browser) = jar.get(SIGN_IN_COOKIE).map(|cookie| HashedToken::of(cookie.value())) else { return gone };
    if !is_handle(handle) {
        return gone;
    }
    let row = app.store.read(TenantId::OPERATOR).authorization_request(&HashedToken::of(handle)).await?;
    let Some(row) = row.filter(|row| row.browser_digest == browser && row.expires_at > app.clock.now()) else { return gone };
    if row.consumed_at.is_some() {
        return Ok(Found::Over(Over::Answered));
    }
    let Ok(request) = serde_json::from_value::<AuthorizationRequest>(row.parameters) else { return gone };
    let Some(portal) = app.store.doors().portal(&request.client_id).await?.map(|row| row.portal) else { return gone };
    if !portal.redirect_uris.contains(&request.redirect_uri) {
        return gone;
    }
    Ok(Found::Waiting(Box::new(Waiting { id: row.id, portal, request, requested_at: row.created_at })))
}

/// The request of a portal to which signing in returns, if one waits there for this browser.
pub(in crate::http) async fn behind(app: &App, return_to: Option<&str>, jar: &CookieJar) -> store::Result<Option<Waiting>> {
    let Some(handle) = return_to.and_then(handle_of) else { return Ok(None) };
    Ok(match find(app, handle, jar).await? {
        Found::Waiting(waiting) => Some(*waiting),
        Found::Over(_) => None,
    })
}

/// Uses a request up. Answers false when somebody was faster.
pub(in crate::http) async fn consume(app: &App, id: AuthorizationRequestId) -> store::Result<bool> {
    let mut writer = app.store.write(TenantId::OPERATOR).await?;
    let taken = writer.consume_authorization_request(id, app.clock.now()).await?;
    writer.commit().await?;
    Ok(taken)
}
