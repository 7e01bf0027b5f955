//! Giving a portal its code.

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use serde_json::json;

use super::authorize::AuthorizationRequest;
use crate::directory::Caller;
use crate::keys::PlainToken;
use crate::model::{AccountId, AuthorizationRequestId, EventKind, GrantId, Portal, Session};
use crate::store::{self, Constraint, NewGrant, Store, retry};

/// How long a code may be redeemed.
pub const CODE_LIFETIME: TimeDelta = TimeDelta::seconds(60);

/// What a code is given for.
#[derive(Clone, Copy, Debug)]
pub struct Giving<'a> {
    pub portal: &'a Portal,
    pub request: &'a AuthorizationRequest,
    /// The row in which the request waited, if it had to.
    pub waited: Option<AuthorizationRequestId>,
    pub session: &'a Session,
    pub account: AccountId,
}

/// What became of it.
#[derive(Debug)]
pub enum Given {
    Code(SecretString),
    /// The session ended in this moment: there is nobody to give it for.
    SignedOut,
    /// The request was answered in this moment, in another tab.
    Answered,
}

/// Gives a portal a code for the active login of a session on one account; the request that waited for it is used up with it.
///
/// # Errors
/// When the database cannot be written; then nothing was given.
pub async fn issue(store: &Store, caller: Caller<'_>, giving: Giving<'_>) -> store::Result<Given> {
    // Whoever ends the session at this moment takes its rows in another order, and one of the two has to begin again.
    retry(|| once(store, caller, giving)).await
}

async fn once(store: &Store, caller: Caller<'_>, giving: Giving<'_>) -> store::Result<Given> {
    let Giving { portal, request, waited, session, account } = giving;
    let now: DateTime<Utc> = caller.now;
    let mut writer = store.write(session.tenant_id).await?;
    if let Some(waited) = waited
        && !writer.consume_authorization_request(waited, now).await?
    {
        return Ok(Given::Answered);
    }
    let Some(row) = writer.session_login(session.id, session.active_login_id).await? else { return Ok(Given::SignedOut) };
    let (id, code) = (GrantId::new(now), PlainToken::bare());
    let new = NewGrant {
        id,
        client: portal.id,
        sid: row.sid,
        login: session.active_login_id,
        account,
        scopes: &request.scopes,
        nonce: request.nonce.as_deref(),
        redirect_uri: &request.redirect_uri,
        code_challenge: &request.code_challenge,
        code: &code.digest(),
        code_expires_at: now + CODE_LIFETIME,
    };
    match writer.insert_grant(&new, now).await {
        Ok(()) => {}
        Err(store::Error::Constraint(Constraint::Reference)) => return Ok(Given::SignedOut),
        Err(error) => return Err(error),
    }
    let details = json!({ "grant": id, "client": portal.id, "client_id": portal.client_id, "sid": row.sid });
    let event = caller.event(EventKind::GrantIssued, session.active_login_id.uuid(), details).at(account);
    writer.record(&[event], caller.request_id).await?;
    writer.commit().await?;
    Ok(Given::Code(code.reveal()))
}
