//! `POST /oauth2/token`: tokens for portals, and for clients that work for themselves.
//!
//! A portal redeems a code, with the address that it asked for it with and its PKCE verifier (RFC 6749 section 4.1.3, RFC 7636), and hands
//! refresh tokens on (section 6). A client of a tenant is given an opaque access token for its credentials (section 4.4), good for ten minutes,
//! and for the scopes that were asked for, all of the client's if none were.

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::client::authenticate;
use super::form::Form;
use super::{Refused, cors, tokens};
use crate::app::App;
use crate::directory;
use crate::http::layers::RequestId;
use crate::model::{Actor, ClientScopes, Portal};
use crate::openid::clients::Client;
use crate::store::ClientRow;

pub(super) async fn token(State(app): State<App>, id: RequestId, request: Request) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let form = Form::read(&parts.headers, body).await?;
    match authenticate(&app, &parts.headers, &form, "/oauth2/token").await? {
        Client::Machine(client) => Ok(super::json(&credentials(&app, &id, &client, &form).await?).into_response()),
        Client::Portal(portal) => {
            let answer = for_portal(&app, &id, &portal, &form).await;
            let answer = answer.map_or_else(Refused::into_response, |body| super::json(&body).into_response());
            Ok(cors::open(answer, &parts.headers, &portal))
        }
    }
}

async fn for_portal(app: &App, id: &RequestId, portal: &Portal, form: &Form) -> Result<Value, Refused> {
    let needed = |name: &'static str, what: &'static str| form.one(name)?.ok_or(Refused::Request(what));
    let tokens = tokens(app, id, Actor::Client { client: portal.id });
    let issued = match form.one("grant_type")? {
        Some("authorization_code") => {
            let code = needed("code", "code: it is missing")?;
            let redirect_uri = needed("redirect_uri", "redirect_uri: it is missing")?;
            let verifier = needed("code_verifier", "code_verifier: it is missing")?;
            tokens.redeem(portal, code, redirect_uri, verifier).await?
        }
        Some("refresh_token") => {
            tokens.refresh(portal, needed("refresh_token", "refresh_token: it is missing")?, form.one("scope")?).await?
        }
        Some("client_credentials") => return Err(Refused::Unauthorized),
        Some(_) => return Err(Refused::GrantType),
        None => return Err(Refused::Request("grant_type: say which")),
    };
    let mut body = json!({
        "access_token": issued.access_token,
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
        "refresh_token": issued.refresh_token.reveal().expose_secret(),
        "scope": issued.scope,
    });
    if let (Some(id_token), Some(body)) = (issued.id_token, body.as_object_mut()) {
        body.insert("id_token".to_owned(), Value::String(id_token));
    }
    Ok(body)
}

async fn credentials(app: &App, id: &RequestId, client: &ClientRow, form: &Form) -> Result<Value, Refused> {
    match form.one("grant_type")? {
        Some("client_credentials") => {}
        Some("authorization_code" | "refresh_token") => return Err(Refused::Unauthorized),
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
    let caller = id.caller(app, Actor::Client { client: client.id });
    let token = directory::clients::issue(&app.store, client, &scopes, &caller).await?;
    Ok(json!({
        "access_token": token.reveal().expose_secret(),
        "token_type": "Bearer",
        "expires_in": directory::clients::LIFETIME.num_seconds(),
        "scope": scopes.to_string(),
    }))
}
