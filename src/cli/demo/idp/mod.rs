//! Anchor: the demo's own small OpenID Provider, which stands in for a company's Entra ID, Okta or the like.
//!
//! It knows no passwords: the authorization endpoint shows the people of [`super::people`] and signs in whom the visitor
//! chooses. All else is as a real one does it, because Vestibule treats it as one: discovery, an exact redirect URI, PKCE
//! with S256, `nonce`, single-use codes that live for a minute, `client_secret_basic`, an ES256 key made at each start,
//! and `iss` in the response (RFC 9207).

#[cfg(test)]
mod tests;
mod token;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use askama::Template;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use axum_extra::extract::Query;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderValue, StatusCode, header};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::people::{LOGINS, STRANGER, SampleLogin};
use crate::clock::Clock;

/// How long a code can be redeemed.
const CODE_LIFETIME: TimeDelta = TimeDelta::seconds(60);

/// What the identity provider knows of itself and of its one client.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `http://idp.localhost:PORT`, without a slash at the end.
    pub issuer: String,
    pub client_id: String,
    pub client_secret: SecretString,
    /// Compared exactly.
    pub redirect_uris: Vec<String>,
}

/// Why the identity provider could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the demo identity provider could not make its signing key")]
    Key,
    #[error("`{0}` is not a redirect address")]
    RedirectUri(String),
}

/// The routes of the identity provider, for a loopback listener of its own.
pub fn router(settings: Settings, clock: Clock) -> Result<Router, Error> {
    let idp = Arc::new(Idp::new(settings, clock)?);
    Ok(Router::new()
        .route("/", get(about))
        .route("/style.css", get(async || ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css"))))
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/jwks", get(jwks))
        .route("/authorize", get(authorize).post(choose))
        .route("/token", post(token::token))
        .with_state(idp))
}

struct Idp {
    settings: Settings,
    clock: Clock,
    key: jsonwebtoken::EncodingKey,
    key_id: String,
    jwks: serde_json::Value,
    /// Pages may be framed by nobody and post only to ourselves and, by the redirect that follows, to the client.
    content_security_policy: HeaderValue,
    codes: Mutex<HashMap<String, Grant>>,
}

/// What a code stands for.
struct Grant {
    login: &'static SampleLogin,
    redirect_uri: String,
    code_challenge: String,
    nonce: Option<String>,
    scopes: Vec<String>,
    issued_at: DateTime<Utc>,
}

impl Idp {
    fn new(settings: Settings, clock: Clock) -> Result<Self, Error> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).map_err(|_| Error::Key)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).map_err(|_| Error::Key)?;
        // SEC 1 section 2.3.3: 0x04, then the two coordinates of 32 bytes each.
        let Some((x, y)) = pair.public_key().as_ref().strip_prefix(&[4]).and_then(|point| point.split_at_checked(32)) else {
            return Err(Error::Key);
        };
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        // RFC 7638: the thumbprint of the required members in their order.
        let thumbprint = Sha256::digest(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#));
        let key_id = URL_SAFE_NO_PAD.encode(thumbprint);
        let jwks =
            json!({ "keys": [{ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": key_id, "x": x, "y": y }] });
        let mut policy =
            String::from("default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'");
        for uri in &settings.redirect_uris {
            let url = Url::parse(uri).map_err(|_| Error::RedirectUri(uri.clone()))?;
            policy.push(' ');
            policy.push_str(&url.origin().ascii_serialization());
        }
        let content_security_policy =
            HeaderValue::from_str(&policy).map_err(|_| Error::RedirectUri(settings.redirect_uris.join(" ")))?;
        let key = jsonwebtoken::EncodingKey::from_ec_der(pkcs8.as_ref());
        Ok(Self { settings, clock, key, key_id, jwks, content_security_policy, codes: Mutex::default() })
    }

    fn page(&self, status: StatusCode, view: &impl Template) -> Response {
        let Ok(body) = view.render() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
        let headers = [
            (header::CONTENT_SECURITY_POLICY, self.content_security_policy.clone()),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ];
        (status, headers, Html(body)).into_response()
    }

    /// Keeps `grant` under a new code, and forgets codes that nobody redeemed.
    fn issue(&self, grant: Grant) -> Result<String, Unspecified> {
        let code = random()?;
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|_, other| grant.issued_at - other.issued_at <= CODE_LIFETIME);
        codes.insert(code.clone(), grant);
        Ok(code)
    }

    /// What `code` stands for, once.
    fn redeem(&self, code: &str) -> Option<Grant> {
        let grant = self.codes.lock().unwrap_or_else(PoisonError::into_inner).remove(code)?;
        (self.clock.now() - grant.issued_at <= CODE_LIFETIME).then_some(grant)
    }
}

/// 256 random bits as base64url.
fn random() -> Result<String, Unspecified> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn json(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body.to_string()).into_response()
}

/// OpenID Connect Discovery 1.0 section 3.
async fn discovery(State(idp): State<Arc<Idp>>) -> Response {
    let issuer = &idp.settings.issuer;
    json(
        StatusCode::OK,
        &json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/jwks"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", "profile", "email"],
            "claims_supported": ["sub", "name", "given_name", "family_name", "preferred_username", "email", "email_verified", "auth_time", "amr"],
            "prompt_values_supported": ["none", "login", "select_account"],
            "authorization_response_iss_parameter_supported": true,
        }),
    )
}

async fn jwks(State(idp): State<Arc<Idp>>) -> Response {
    json(StatusCode::OK, &idp.jwks)
}

/// An authentication request (OpenID Connect Core section 3.1.2.1). The page carries it on in hidden fields, so that it is
/// checked anew, and in whole, when a person is chosen.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Request {
    client_id: Option<String>,
    redirect_uri: Option<String>,
    response_type: Option<String>,
    scope: Option<String>,
    state: Option<String>,
    nonce: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    prompt: Option<String>,
    login_hint: Option<String>,
    /// The `sub` of the chosen person; only the page's own form sends it.
    chosen: Option<String>,
}

impl Request {
    /// The parameters to carry on, with their names.
    fn carried(&self) -> Vec<(&'static str, &str)> {
        [
            ("client_id", &self.client_id),
            ("redirect_uri", &self.redirect_uri),
            ("response_type", &self.response_type),
            ("scope", &self.scope),
            ("state", &self.state),
            ("nonce", &self.nonce),
            ("code_challenge", &self.code_challenge),
            ("code_challenge_method", &self.code_challenge_method),
        ]
        .into_iter()
        .filter_map(|(name, value)| value.as_deref().map(|value| (name, value)))
        .collect()
    }
}

/// A request that passed all checks.
#[derive(Debug)]
struct Checked {
    redirect_uri: String,
    state: Option<String>,
    code_challenge: String,
    nonce: Option<String>,
    scopes: Vec<String>,
}

/// Why a request is refused, and who is told.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// The client or its redirect URI is wrong: nobody is sent anywhere (RFC 6749 section 4.1.2.1).
    Page(&'static str),
    /// The client is told, by its error code and a description.
    Client { redirect_uri: String, error: &'static str, description: &'static str },
}

impl Idp {
    fn check(&self, request: &Request) -> Result<Checked, Refusal> {
        if request.client_id.as_ref() != Some(&self.settings.client_id) {
            return Err(Refusal::Page("This application is not known here."));
        }
        let redirect_uri = match &request.redirect_uri {
            Some(uri) if self.settings.redirect_uris.contains(uri) => uri.clone(),
            _ => return Err(Refusal::Page("The address to come back to is not registered for this application.")),
        };
        let refuse = |error, description| Err(Refusal::Client { redirect_uri: redirect_uri.clone(), error, description });
        if request.response_type.as_deref() != Some("code") {
            return refuse("unsupported_response_type", "only response_type=code is served");
        }
        let scopes: Vec<String> = request.scope.as_deref().unwrap_or_default().split(' ').map(str::to_owned).collect();
        if !scopes.iter().any(|scope| scope == "openid") {
            return refuse("invalid_scope", "the scope openid is required");
        }
        if request.code_challenge_method.as_deref() != Some("S256") {
            return refuse("invalid_request", "code_challenge_method=S256 is required");
        }
        // RFC 7636 section 4.2: the digest of 32 bytes as base64url.
        let code_challenge = match &request.code_challenge {
            Some(challenge) if URL_SAFE_NO_PAD.decode(challenge).is_ok_and(|digest| digest.len() == 32) => challenge.clone(),
            _ => return refuse("invalid_request", "a code_challenge for S256 is required"),
        };
        if request.prompt.as_deref() == Some("none") {
            return refuse("login_required", "the demo asks every time who signs in");
        }
        Ok(Checked { redirect_uri, state: request.state.clone(), code_challenge, nonce: request.nonce.clone(), scopes })
    }

    fn refuse(&self, refusal: Refusal, state: Option<&str>) -> Response {
        match refusal {
            Refusal::Page(what) => self.page(StatusCode::BAD_REQUEST, &Refused { what }),
            Refusal::Client { redirect_uri, error, description } => {
                self.back(&redirect_uri, state, &[("error", error), ("error_description", description)])
            }
        }
    }

    /// Sends the browser back to the client with `parameters`, its `state`, and our `iss`.
    fn back(&self, redirect_uri: &str, state: Option<&str>, parameters: &[(&str, &str)]) -> Response {
        let Ok(mut url) = Url::parse(redirect_uri) else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
        url.query_pairs_mut()
            .extend_pairs(parameters)
            .extend_pairs(state.map(|state| ("state", state)))
            .append_pair("iss", &self.settings.issuer);
        let headers = [(header::CACHE_CONTROL, "no-store"), (header::REFERRER_POLICY, "no-referrer")];
        (headers, Redirect::to(url.as_str())).into_response()
    }
}

/// Shows the people to choose from.
async fn authorize(State(idp): State<Arc<Idp>>, Query(request): Query<Request>) -> Response {
    let checked = match idp.check(&request) {
        Ok(checked) => checked,
        Err(refusal) => return idp.refuse(refusal, request.state.as_deref()),
    };
    let host = Url::parse(&checked.redirect_uri).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let mut logins: Vec<_> = LOGINS.iter().chain([&STRANGER]).collect();
    // Whoever was named goes first; the sort is stable.
    if let Some(hint) = &request.login_hint {
        logins.sort_by_key(|login| login.user_name != hint && login.email() != *hint);
    }
    idp.page(StatusCode::OK, &Choose { application: &host, carried: request.carried(), logins })
}

/// Signs in the person who was chosen.
async fn choose(State(idp): State<Arc<Idp>>, Form(request): Form<Request>) -> Response {
    let Checked { redirect_uri, state, code_challenge, nonce, scopes } = match idp.check(&request) {
        Ok(checked) => checked,
        Err(refusal) => return idp.refuse(refusal, request.state.as_deref()),
    };
    let chosen = LOGINS.iter().chain([&STRANGER]).find(|login| request.chosen.as_deref() == Some(login.id));
    let Some(login) = chosen else {
        return idp.back(
            &redirect_uri,
            state.as_deref(),
            &[("error", "access_denied"), ("error_description", "nobody was chosen")],
        );
    };
    let issued_at = idp.clock.now();
    let grant = Grant { login, redirect_uri: redirect_uri.clone(), code_challenge, nonce, scopes, issued_at };
    match idp.issue(grant) {
        Ok(code) => idp.back(&redirect_uri, state.as_deref(), &[("code", &code)]),
        Err(Unspecified) => idp.back(&redirect_uri, state.as_deref(), &[("error", "server_error")]),
    }
}

async fn about(State(idp): State<Arc<Idp>>) -> Response {
    idp.page(StatusCode::OK, &About)
}

#[derive(Template)]
#[template(path = "anchor_choose.html")]
struct Choose<'a> {
    application: &'a str,
    carried: Vec<(&'static str, &'a str)>,
    logins: Vec<&'static SampleLogin>,
}

#[derive(Template)]
#[template(path = "anchor_refused.html")]
struct Refused {
    what: &'static str,
}

#[derive(Template)]
#[template(path = "anchor_about.html")]
struct About;
