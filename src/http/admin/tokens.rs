//! The tokens of a directory, as an administrator handles them. A token in clear is in one answer, and nowhere else.

use axum::extract::{Path, State};
use chrono::{DateTime, TimeDelta, Utc};
use http::StatusCode;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::asker::{Asker, Body};
use super::problem::{Kind, Problem};
use crate::app::App;
use crate::directory::access::Permission;
use crate::directory::tokens::{DEFAULT_OVERLAP, Issued, Rotation, TokenError, TokenSpec, Tokens};
use crate::http::layers::RequestId;
use crate::model::{Scopes, Token, TokenId};

/// The body of `POST …/tokens`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    name: String,
    #[serde(default)]
    scopes: Scopes,
    expires_at: Option<DateTime<Utc>>,
}

/// The body of `POST …/tokens/{id}/rotate`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NewRotation {
    /// Seconds for which the old token lives on.
    overlap: Option<u32>,
    expires_at: Option<DateTime<Utc>>,
}

/// `GET /directories/{directory}/tokens`: all of them, ended ones too.
pub(super) async fn list(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(directory): Path<String>,
) -> Result<Body<Value>, Problem> {
    let tokens = tokens(&app, &asker, &id, &directory, Permission::ViewDirectories).await?;
    if let Asker::Token { .. } = asker {
        return Err(Problem::with(Kind::Forbidden, "this needs an administrator's session; a token reads nothing but the log"));
    }
    let items: Vec<_> = tokens.list().await?.iter().map(|token| shown(token, tokens.caller.now)).collect();
    Ok(Body(json!({ "items": items })))
}

/// `POST /directories/{directory}/tokens`: makes one.
pub(super) async fn issue(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(directory): Path<String>,
    Body(new): Body<NewToken>,
) -> Result<(StatusCode, Body<Value>), Problem> {
    let tokens = tokens(&app, &asker, &id, &directory, Permission::ManageDirectories).await?;
    let NewToken { name, scopes, expires_at } = new;
    Ok(made(tokens.issue(&TokenSpec { name, scopes, expires_at }).await?, tokens.caller.now))
}

/// `POST /directories/{directory}/tokens/{id}/rotate`: makes the one that takes its place.
pub(super) async fn rotate(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path((directory, token)): Path<(String, String)>,
    Body(new): Body<NewRotation>,
) -> Result<(StatusCode, Body<Value>), Problem> {
    let tokens = tokens(&app, &asker, &id, &directory, Permission::ManageDirectories).await?;
    let overlap = new.overlap.map_or(DEFAULT_OVERLAP, |seconds| TimeDelta::seconds(seconds.into()));
    let rotation = Rotation { overlap, expires_at: new.expires_at };
    Ok(made(tokens.rotate(token_id(&token)?, &rotation).await?, tokens.caller.now))
}

/// `DELETE /directories/{directory}/tokens/{id}`: ends it at once.
pub(super) async fn revoke(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path((directory, token)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let tokens = tokens(&app, &asker, &id, &directory, Permission::ManageDirectories).await?;
    tokens.revoke(token_id(&token)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The tokens of the directory that a path names, for somebody with the permission.
async fn tokens<'a>(
    app: &'a App,
    asker: &Asker,
    id: &'a RequestId,
    directory: &str,
    permission: Permission,
) -> Result<Tokens<'a>, Problem> {
    let directory = asker.directory(app, directory, permission).await?.id;
    Ok(Tokens { store: &app.store, tenant: asker.tenant(), directory, caller: id.caller(app, asker.actor()) })
}

fn token_id(text: &str) -> Result<TokenId, Problem> {
    text.parse().map_err(|_| Problem::not_found())
}

fn made(issued: Issued, now: DateTime<Utc>) -> (StatusCode, Body<Value>) {
    let mut body = shown(&issued.token, now);
    body["token"] = issued.plain.reveal().expose_secret().into();
    (StatusCode::CREATED, Body(body))
}

fn shown(token: &Token, now: DateTime<Utc>) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "prefix": token.prefix,
        "scopes": token.scopes,
        "state": token.state(now),
        "created_by": token.created_by,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
        "replaces": token.replaces,
        "replaced_at": token.replaced_at,
        "revoked_at": token.revoked_at,
    })
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::NotFound(_) => Self::not_found(),
            TokenError::NameTaken | TokenError::Ended(_) => Self::with(Kind::Conflict, error.to_string()),
            TokenError::Invalid(detail) => Self::invalid(detail),
            TokenError::Directory(error) => error.into(),
        }
    }
}
