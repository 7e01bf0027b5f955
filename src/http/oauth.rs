//! `POST /oauth2/token`: access tokens for clients that work for themselves (RFC 6749 section 4.4).
//!
//! The client proves itself by `client_secret_basic` or `client_secret_post`, by one of them alone (section 2.3). The access token is
//! opaque, good for ten minutes, and for the scopes that were asked for, all of the client's if none were. Every answer is JSON that no
//! cache keeps, refusals in the words of section 5.2.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tower_http::catch_panic::CatchPanicLayer;
use url::form_urlencoded;

use super::layers::{self, RequestId};
use crate::app::App;
use crate::directory::{self, clients};
use crate::metrics::Surface;
use crate::model::{Actor, ClientScopes};
use crate::store::ClientRow;

/// Bytes of a body; a token request has a few hundred.
const LONGEST: usize = 16 * 1024;

/// The routes below `/oauth2`.
pub(super) fn router(app: &App) -> Router<App> {
    Router::new()
        .route("/token", post(token))
        .layer(CatchPanicLayer::custom(layers::api_panic))
        .layer(from_fn(layers::api_deadline))
        .layer(from_fn(as_oauth))
        .layer(from_fn_with_state((app.clone(), Surface::Api), layers::measure))
}

/// Why there is no token (RFC 6749 section 5.2).
#[derive(Debug)]
enum Refused {
    /// A parameter is missing, repeated or cannot be read.
    Request(&'static str),
    /// Who asks is no client, or did not prove it.
    Client,
    GrantType,
    Scope,
    /// The client asks too often.
    TooMany(u64),
    Unavailable,
}

impl From<directory::Error> for Refused {
    fn from(error: directory::Error) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "an access token could not be made");
        Self::Unavailable
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, error, description) = match self {
            Self::Request(description) => (StatusCode::BAD_REQUEST, "invalid_request", description),
            Self::Client => (StatusCode::UNAUTHORIZED, "invalid_client", "the client is not known, or its secret is wrong"),
            Self::GrantType => (StatusCode::BAD_REQUEST, "unsupported_grant_type", "the grant_type here is client_credentials"),
            Self::Scope => (StatusCode::BAD_REQUEST, "invalid_scope", "the client has not all of these scopes"),
            Self::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", "wait as long as Retry-After says"),
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "the service is busy; ask again later")
            }
        };
        let mut response = (status, json(&json!({ "error": error, "error_description": description }))).into_response();
        if let Self::Client = self {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"vestibule\""));
        }
        if let Self::TooMany(seconds) = self {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

fn json(body: &Value) -> impl IntoResponse + use<> {
    ([(CONTENT_TYPE, "application/json")], body.to_string())
}

async fn token(State(app): State<App>, id: RequestId, request: Request) -> Result<Response, Refused> {
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
    Ok(json(&body).into_response())
}

/// The parameters of a request. One that is empty counts as left out (RFC 6749 section 3.2).
struct Form(Vec<(String, String)>);

impl Form {
    async fn read(headers: &HeaderMap, body: axum::body::Body) -> Result<Self, Refused> {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Refused::Request("send the parameters as application/x-www-form-urlencoded"));
        }
        let bytes: Bytes = axum::body::to_bytes(body, LONGEST).await.map_err(|_| Refused::Request("the body is too large"))?;
        let pairs = form_urlencoded::parse(&bytes).into_owned().filter(|(_, value)| !value.is_empty());
        let pairs: Vec<_> = pairs.collect();
        // PostgreSQL knows no NUL, so no client is called by it.
        if pairs.iter().any(|(_, value)| value.contains('\0')) {
            return Err(Refused::Request("a parameter has a NUL in it"));
        }
        Ok(Self(pairs))
    }

    /// A parameter, which must not be repeated.
    fn one(&self, name: &str) -> Result<Option<&str>, Refused> {
        let mut values = self.0.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str());
        let first = values.next();
        if values.next().is_some() { Err(Refused::Request("a parameter is there twice")) } else { Ok(first) }
    }
}

/// The client that a request proves, by its header or by its body (RFC 6749 section 2.3.1).
async fn authenticate(app: &App, headers: &HeaderMap, form: &Form) -> Result<ClientRow, Refused> {
    let (id, secret) = (form.one("client_id")?, form.one("client_secret")?);
    let (id, secret) = match (headers.get(AUTHORIZATION), secret) {
        (Some(_), Some(_)) => return Err(Refused::Request("prove the client in one way: by its header or in the body")),
        (Some(header), None) => {
            let (named, secret) = basic(header).ok_or(Refused::Client)?;
            if id.is_some_and(|id| id != named) {
                return Err(Refused::Request("client_id: the header names another"));
            }
            (named, secret)
        }
        (None, secret) => (id.ok_or(Refused::Client)?.to_owned(), SecretString::from(secret.ok_or(Refused::Client)?)),
    };
    clients::authenticate(&app.store, &id, &secret).await?.ok_or(Refused::Client)
}

/// Id and secret, each form-encoded before they were joined.
fn basic(header: &HeaderValue) -> Option<(String, SecretString)> {
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    let bytes = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(encoded.trim()).ok())??;
    let text = String::from_utf8(bytes).ok()?;
    let (id, secret) = text.split_once(':').filter(|_| !text.contains("%00") && !text.contains('\0'))?;
    // As one pair of a form, in which `&` and `=` cannot stand by themselves.
    let decoded = |part: &str| {
        let pair = format!("={}", part.replace('&', "%26"));
        form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    Some((decoded(id)?, SecretString::from(decoded(secret)?)))
}

/// Keeps every cache from keeping any answer, and gives refusals of the routing a body.
async fn as_oauth(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let status = response.status();
    if (status.is_client_error() || status.is_server_error()) && !response.headers().contains_key(CONTENT_TYPE) {
        let error = if status.is_server_error() { "server_error" } else { "invalid_request" };
        let allow = response.headers_mut().remove(ALLOW);
        response = (status, json(&json!({ "error": error }))).into_response();
        response.headers_mut().extend(allow.map(|allow| (ALLOW, allow)));
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_is_written() {
        let read = |text: &str| {
            let header = HeaderValue::from_str(&format!("basic {}", STANDARD.encode(text))).unwrap();
            basic(&header).map(|(id, secret)| (id, secret.expose_secret().to_owned()))
        };
        let pair = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        for (text, expected) in [
            ("me:secret", pair("me", "secret")),
            ("me:se:cret", pair("me", "se:cret")),
            ("m%20e:a%2Bb%3Ac", pair("m e", "a+b:c")),
            ("me:a&b=c", pair("me", "a&b=c")),
            ("me:a+b", pair("me", "a b")),
            (":", pair("", "")),
            ("me", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        for header in ["Basic", "Basic !", "Bearer bWU6c2VjcmV0", ""] {
            assert!(basic(&HeaderValue::from_static(header)).is_none(), "{header}");
        }
    }
}
