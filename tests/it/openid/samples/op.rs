//! An OpenID Provider of which the samples know the keys, and which signs whatever a test wants. Nobody signs in to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use crate::support::evil_idp::Key;

pub(super) struct Op {
    pub(super) issuer: String,
    introspection: Arc<Introspection>,
    serving: AbortHandle,
}

/// How introspection answers.
#[derive(Default)]
struct Introspection {
    /// 0: it is active; 1: it is not; 2: 503.
    says: AtomicUsize,
    asked: AtomicUsize,
}

#[derive(Clone, Copy)]
pub(super) enum Says {
    Active,
    NotActive,
    Nothing,
}

impl Drop for Op {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

type Answer = (StatusCode, [(header::HeaderName, &'static str); 1], String);

fn answer(status: StatusCode, body: &Value) -> Answer {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string())
}

async fn introspect(State(introspection): State<Arc<Introspection>>) -> Answer {
    introspection.asked.fetch_add(1, Ordering::SeqCst);
    match introspection.says.load(Ordering::SeqCst) {
        0 => answer(StatusCode::OK, &json!({ "active": true })),
        1 => answer(StatusCode::OK, &json!({ "active": false })),
        _ => answer(StatusCode::SERVICE_UNAVAILABLE, &json!({})),
    }
}

impl Op {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://vestibule.localhost:{}", listener.local_addr().unwrap().port());
        let document = json!({
            "issuer": issuer, "jwks_uri": format!("{issuer}/jwks"), "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"), "introspection_endpoint": format!("{issuer}/introspect"),
            "end_session_endpoint": format!("{issuer}/logout"), "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["ES256"], "authorization_response_iss_parameter_supported": true,
        });
        let introspection = Arc::new(Introspection::default());
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(async move || answer(StatusCode::OK, &document)))
            .route("/jwks", get(async || answer(StatusCode::OK, &json!({ "keys": [Key::P256.public(Some("one"))] }))))
            .route("/introspect", post(introspect))
            .with_state(Arc::clone(&introspection));
        let serving = tokio::spawn(axum::serve(listener, router).into_future()).abort_handle();
        Self { issuer, introspection, serving }
    }

    pub(super) fn introspection(&self, says: Says) {
        self.introspection.says.store(says as usize, Ordering::SeqCst);
    }

    /// How often introspection was asked.
    pub(super) fn asked(&self) -> usize {
        self.introspection.asked.load(Ordering::SeqCst)
    }
}

/// A JWT of `claims`, as `forged` says: by the known key, or in a way that must not pass.
pub(super) fn jwt(typ: &str, forged: Option<Forged>, claims: &Value) -> String {
    let alg = match forged {
        Some(Forged::Unsigned) => "none",
        Some(Forged::HmacWithPublicKey) => "HS256",
        _ => "ES256",
    };
    let kid = if matches!(forged, Some(Forged::UnknownKey)) { "two" } else { "one" };
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&json!({ "alg": alg, "kid": kid, "typ": typ })), part(claims));
    let sign = |key: &EncodingKey, alg| jsonwebtoken::crypto::sign(message.as_bytes(), key, alg).unwrap();
    let signature = match forged {
        None => sign(&Key::P256.private(), Algorithm::ES256),
        Some(Forged::OtherKey | Forged::UnknownKey) => sign(&Key::OtherP256.private(), Algorithm::ES256),
        Some(Forged::Unsigned) => String::new(),
        Some(Forged::HmacWithPublicKey) => {
            let public = Key::P256.public(Some("one")).to_string();
            sign(&EncodingKey::from_secret(public.as_bytes()), Algorithm::HS256)
        }
    };
    format!("{message}.{signature}")
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Forged {
    /// With the name of the known key, by another one.
    OtherKey,
    UnknownKey,
    Unsigned,
    HmacWithPublicKey,
}

pub(super) const FORGED: [Forged; 4] = [Forged::OtherKey, Forged::UnknownKey, Forged::Unsigned, Forged::HmacWithPublicKey];

/// Claims with other members; `null` takes one away.
pub(super) fn with(claims: &Value, changes: &Value) -> Value {
    let mut claims = claims.clone();
    for (name, value) in changes.as_object().unwrap() {
        let members = claims.as_object_mut().unwrap();
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    claims
}
