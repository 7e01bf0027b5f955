//! `POST /oauth2/token`: access tokens for clients that work for themselves (RFC 6749 section 4.4).
//!
//! The client proves itself by `client_secret_basic` or `client_secret_post`, by one of them alone (section 2.3). The access token is
//! opaque, good for ten minutes, and for the scopes that were asked for, all of the client's if none were.

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::Refused;
use super::client::authenticate;
use super::form::Form;
use crate::app::App;
use crate::directory::clients;
use crate::http::layers::RequestId;
use crate::model::{Actor, ClientScopes};

pub(super) async fn token(State(app): State<App>, id: RequestId, request: Request) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let form = Form::read(&parts.headers, body).await?;
    let client = authenticate(&app, &parts.headers, &form).await?;
    app.limits.take_client(client.id, app.settings.api).map_err(|too_many| Refused::TooMany(too_many.retry_after))?;
    match form.one("grant_type")? {
        Some("client_credentials") => {}
        Some(_) => return Err(Refused::GrantType),
        None => return Err(Refused::Request("grant_type: say which")),
    }
    let scopes = match form.one("scope")? {
        None => client.scopes.clone(),
        Some(text) => text.split(' ').map(str::parse).collect::<Result<ClientScopes, _>>().map_err(|_| Refused::Scope)?,
    };
    if !scopes.is_within(&client.scopes) {
        return Err(Refused::Scope);
    }
    let token = clients::issue(&app.store, &client, &scopes, &id.caller(&app, Actor::Client { client: client.id })).await?;
    let body = json!({
        "access_token": token.reveal().expose_secret(),
        "token_type": "Bearer",
        "expires_in": clients::LIFETIME.num_seconds(),
        "scope": scopes.to_string(),
    });
    Ok(super::json(&body).into_response())
}
