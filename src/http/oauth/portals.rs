//! What portals ask with the tokens that they have: userinfo, introspection, revocation.
//!
//! Each looks the grant up again, so that what ended on one replica has ended on all of them. A database that cannot be asked is a 503, never a
//! yes.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::ORIGIN;
use http::request::Parts;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::bearer::{self, Unwelcome};
use super::client;
use super::form::Form;
use super::{Refused, cors, tokens};
use crate::app::App;
use crate::http::layers::RequestId;
use crate::model::Actor;
use crate::openid::token::Live;

/// The routes below `/oauth2`.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/userinfo", get(userinfo).post(userinfo).options(cors::preflight))
        .route("/introspect", post(introspect))
        .route("/revoke", post(revoke).options(cors::preflight))
}

/// `GET` or `POST /oauth2/userinfo` (OpenID Connect Core section 5.3).
async fn userinfo(State(app): State<App>, id: RequestId, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let looked = look(&app, &id, &parts, body).await;
    let client_id = looked.as_ref().ok().map(|live| live.claims.client_id.clone());
    let said = looked.and_then(|live| said(&live));
    let answer = said.map_or_else(Unwelcome::into_response, |body| super::json(&body).into_response());
    // Who the portal is has to be known only where a script asks.
    if let (Some(client_id), true) = (client_id, parts.headers.contains_key(ORIGIN))
        && let Ok(Some(row)) = app.store.doors().portal(&client_id).await
    {
        return cors::open(answer, &parts.headers, &row.portal);
    }
    answer
}

async fn look(app: &App, id: &RequestId, parts: &Parts, body: Body) -> Result<Live, Unwelcome> {
    // A POST may have the token in its header, and a body of any kind or none.
    let is_form = parts.method == Method::POST && Form::is_one(&parts.headers);
    let form = if is_form { Some(Form::read(&parts.headers, body).await?) } else { None };
    let token = bearer::token(&parts.headers, form.as_ref())?;
    tokens(app, id, Actor::System).look(token).await?.ok_or(Unwelcome::Token)
}

fn said(live: &Live) -> Result<Value, Unwelcome> {
    let scopes = live.claims.scopes();
    if !scopes.iter().any(|scope| scope == "openid") {
        return Err(Unwelcome::Scope);
    }
    Ok(Value::Object(live.standing.userinfo(&live.grant, &scopes)))
}

/// `POST /oauth2/introspect` (RFC 7662): for portals that prove who they are, about tokens that they were given or that are for their API.
async fn introspect(State(app): State<App>, id: RequestId, request: Request) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let form = Form::read(&parts.headers, body).await?;
    let portal = client::portal(&app, &parts.headers, &form, "/oauth2/introspect", true).await?;
    let token = form.one("token")?.ok_or(Refused::Request("token: it is missing"))?;
    let tokens = tokens(&app, &id, Actor::Client { client: portal.id });
    let told = match tokens.look(token).await? {
        Some(live) if live.claims.client_id == portal.client_id || live.claims.aud == portal.audience() => {
            let Live { claims, grant, standing } = live;
            let mut told = standing.introspection(&grant, &claims.scopes());
            told.insert("token_type".to_owned(), json!("Bearer"));
            told.insert("token_use".to_owned(), json!("access_token"));
            told.insert("exp".to_owned(), json!(claims.exp));
            told.insert("iat".to_owned(), json!(claims.iat));
            told.insert("jti".to_owned(), json!(claims.jti));
            told.insert("iss".to_owned(), json!(claims.iss));
            told.insert("aud".to_owned(), json!(claims.aud));
            told.insert("client_id".to_owned(), json!(claims.client_id));
            Some(told)
        }
        Some(_) => None,
        None => tokens.look_at_refresh(&portal, token).await?.map(|(grant, standing)| {
            let mut told = standing.introspection(&grant, &grant.scopes);
            // So that nobody takes it for a token that opens something.
            told.insert("token_use".to_owned(), json!("refresh_token"));
            told.insert("exp".to_owned(), json!(grant.expires_at.timestamp()));
            told.insert("iss".to_owned(), json!(tokens.issuer));
            told.insert("client_id".to_owned(), json!(portal.client_id));
            told
        }),
    };
    let body = told.map_or_else(|| json!({ "active": false }), Value::Object);
    Ok(super::json(&body).into_response())
}

/// `POST /oauth2/revoke` (RFC 7009): a refresh token or an access token, and with it everything of its grant. A token that nobody knows is
/// over, which is what was asked for; that of another portal stays, and who asks is told so (section 2.1).
async fn revoke(State(app): State<App>, id: RequestId, request: Request) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let form = Form::read(&parts.headers, body).await?;
    let portal = client::portal(&app, &parts.headers, &form, "/oauth2/revoke", false).await?;
    let revoked = async {
        let token = form.one("token")?.ok_or(Refused::Request("token: it is missing"))?;
        let is_own = tokens(&app, &id, Actor::Client { client: portal.id }).revoke(&portal, token).await?;
        if is_own { Ok(StatusCode::OK) } else { Err(Refused::Foreign) }
    };
    let answer = revoked.await.map_or_else(Refused::into_response, IntoResponse::into_response);
    Ok(cors::open(answer, &parts.headers, &portal))
}
