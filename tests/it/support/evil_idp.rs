//! An OpenID Provider on loopback that does what its script says: everything right, or one thing wrong.
//!
//! It keeps the rules of a good provider (client authentication, PKCE, single-use codes, exact redirect URI), so that what a test sees
//! accepted was right. Its clock is the script's.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::{rsa, signature};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use url::{Url, form_urlencoded};

pub(crate) const CLIENT_ID: &str = "vestibule";
pub(crate) const CLIENT_SECRET: &str = "a client secret: with+signs%20";

/// A key of the provider. Made once for the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Rsa,
    OtherRsa,
    P256,
    OtherP256,
    P384,
    Ed25519,
}

/// How an endpoint behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Right,
    Status(u16),
    Hangs,
    Oversized,
    Garbage,
    Redirects,
}

/// How the ID token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signed {
    With(Key, Algorithm),
    /// `alg` none, no signature.
    Not,
    /// HS256, keyed with the public RSA key as published.
    HmacWithPublicKey,
    /// HS256, keyed with the client secret.
    HmacWithClientSecret,
    /// Like `With`, one bit changed.
    Corrupted(Key, Algorithm),
}

/// What the provider does. Members of the maps replace what would be sent; `null` takes it away.
pub(crate) struct Script {
    pub(crate) now: DateTime<Utc>,
    pub(crate) discovery: Manner,
    pub(crate) jwks: Manner,
    pub(crate) token: Manner,
    pub(crate) document: Value,
    /// The key set: keys with their `kid`.
    pub(crate) published: Vec<(Key, Option<&'static str>)>,
    pub(crate) signed: Signed,
    pub(crate) header: Value,
    pub(crate) claims: Value,
    pub(crate) answer: Value,
    /// The parameters that the browser brings back.
    pub(crate) response: Value,
}

/// What was asked of the provider.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) discovery: usize,
    pub(crate) jwks: usize,
    pub(crate) token: usize,
    /// `basic` or `post`, at the last call of the token endpoint.
    pub(crate) client_auth: Option<&'static str>,
    /// What the last authorization request asked for.
    pub(crate) asked: HashMap<String, String>,
    /// The last ID token.
    pub(crate) id_token: Option<String>,
}

struct Grant {
    nonce: String,
    challenge: String,
    redirect_uri: String,
    /// The claims of the script when the person signed in. Those of the script when the code is redeemed come on top.
    claims: Value,
}

struct Inner {
    issuer: String,
    script: Mutex<Script>,
    seen: Mutex<Seen>,
    grants: Mutex<HashMap<String, Grant>>,
}

pub(crate) struct EvilIdp {
    inner: Arc<Inner>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for EvilIdp {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl EvilIdp {
    /// Starts a provider that does everything right.
    pub(crate) async fn start(now: DateTime<Utc>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let script = Script {
            now,
            discovery: Manner::Right,
            jwks: Manner::Right,
            token: Manner::Right,
            document: json!({}),
            published: vec![(Key::Rsa, Some("rsa-1"))],
            signed: Signed::With(Key::Rsa, Algorithm::RS256),
            header: json!({}),
            claims: json!({}),
            answer: json!({}),
            response: json!({}),
        };
        let inner = Arc::new(Inner { issuer, script: Mutex::new(script), seen: Mutex::default(), grants: Mutex::default() });
        let router = axum::Router::new().fallback(serve).with_state(Arc::clone(&inner));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { inner, server }
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        lock(&self.inner.script)
    }

    pub(crate) fn seen(&self) -> Seen {
        lock(&self.inner.seen).clone()
    }

    /// The person signs in: what their browser then brings back, as parameters.
    pub(crate) fn authorize(&self, authorization_url: &Url) -> Map<String, Value> {
        self.inner.authorize(authorization_url)
    }
}

impl Inner {
    fn authorize(&self, url: &Url) -> Map<String, Value> {
        let asked: HashMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["client_id"], CLIENT_ID);
        assert_eq!(asked["code_challenge_method"], "S256");
        assert!(asked["scope"].split(' ').any(|scope| scope == "openid"));
        lock(&self.seen).asked.clone_from(&asked);
        let mut grants = lock(&self.grants);
        let code = format!("code-{}-{}", grants.len(), &asked["state"][..8]);
        grants.insert(
            code.clone(),
            Grant {
                nonce: asked["nonce"].clone(),
                challenge: asked["code_challenge"].clone(),
                redirect_uri: asked["redirect_uri"].clone(),
                claims: lock(&self.script).claims.clone(),
            },
        );
        let mut response = json!({ "code": code, "state": asked["state"] });
        merge(&mut response, &lock(&self.script).response);
        object(response)
    }

    fn id_token(&self, script: &Script, grant: &Grant, access_token: &str) -> String {
        let now = script.now.timestamp();
        let (alg, signed_by) = match script.signed {
            Signed::With(key, alg) | Signed::Corrupted(key, alg) => (alg_name(alg), Some(key)),
            Signed::Not => ("none", None),
            Signed::HmacWithPublicKey | Signed::HmacWithClientSecret => ("HS256", None),
        };
        let mut claims = json!({
            "iss": self.issuer, "sub": "joe", "aud": CLIENT_ID, "nonce": grant.nonce, "iat": now, "exp": now + 300,
            "at_hash": at_hash(alg, access_token),
        });
        merge(&mut claims, &grant.claims);
        merge(&mut claims, &script.claims);
        let kid = script.published.iter().find(|(key, _)| Some(*key) == signed_by).and_then(|(_, kid)| *kid);
        let mut header = json!({ "alg": alg, "kid": kid, "typ": "JWT" });
        object_mut(&mut header).retain(|_, value| !value.is_null());
        merge(&mut header, &script.header);
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(&claims));
        let sign = |key: &EncodingKey, alg| jsonwebtoken::crypto::sign(message.as_bytes(), key, alg).unwrap();
        let signature = match script.signed {
            Signed::With(key, alg) => sign(&key.private(), alg),
            Signed::Corrupted(key, alg) => {
                let mut bytes = URL_SAFE_NO_PAD.decode(sign(&key.private(), alg)).unwrap();
                *bytes.last_mut().unwrap() ^= 1;
                URL_SAFE_NO_PAD.encode(bytes)
            }
            Signed::Not => String::new(),
            Signed::HmacWithPublicKey => {
                let modulus = Key::Rsa.public(None)["n"].as_str().unwrap().to_owned();
                sign(&EncodingKey::from_secret(modulus.as_bytes()), Algorithm::HS256)
            }
            Signed::HmacWithClientSecret => sign(&EncodingKey::from_secret(CLIENT_SECRET.as_bytes()), Algorithm::HS256),
        };
        format!("{message}.{signature}")
    }

    fn redeem(&self, headers: &HeaderMap, body: &[u8]) -> Result<Value, &'static str> {
        let form: HashMap<_, _> = form_urlencoded::parse(body).into_owned().collect();
        let field = |name: &str| form.get(name).map(String::as_str);
        let basic = headers.get(header::AUTHORIZATION).and_then(|value| {
            let pair = STANDARD.decode(value.to_str().ok()?.strip_prefix("Basic ")?).ok()?;
            let pair = String::from_utf8(pair).ok()?;
            let (id, secret) = pair.split_once(':')?;
            let decode =
                |text: &str| form_urlencoded::parse(format!("x={text}").as_bytes()).next().map(|(_, value)| value.into_owned());
            Some((decode(id)?, decode(secret)?))
        });
        let (method, id, secret) = match &basic {
            Some((id, secret)) => ("basic", Some(id.as_str()), Some(secret.as_str())),
            None => ("post", field("client_id"), field("client_secret")),
        };
        lock(&self.seen).client_auth = Some(method);
        if (id, secret) != (Some(CLIENT_ID), Some(CLIENT_SECRET)) {
            return Err("invalid_client");
        }
        let grant = field("code").and_then(|code| lock(&self.grants).remove(code)).ok_or("invalid_grant")?;
        let challenge = field("code_verifier").map(|verifier| URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)));
        if field("grant_type") != Some("authorization_code")
            || field("redirect_uri") != Some(&grant.redirect_uri)
            || challenge.as_deref() != Some(&grant.challenge)
        {
            return Err("invalid_grant");
        }
        let access_token = "an-access-token";
        let script = lock(&self.script);
        let id_token = self.id_token(&script, &grant, access_token);
        lock(&self.seen).id_token = Some(id_token.clone());
        let mut answer = json!({ "access_token": access_token, "token_type": "Bearer", "expires_in": 300, "id_token": id_token });
        merge(&mut answer, &script.answer);
        Ok(answer)
    }

    fn document(&self) -> Value {
        let issuer = &self.issuer;
        let mut document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/jwks"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        });
        merge(&mut document, &lock(&self.script).document);
        document
    }
}

async fn serve(State(idp): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let count = |field: fn(&mut Seen) -> &mut usize| *field(&mut lock(&idp.seen)) += 1;
    let manner = {
        let script = lock(&idp.script);
        match parts.uri.path() {
            "/.well-known/openid-configuration" => {
                count(|seen| &mut seen.discovery);
                script.discovery
            }
            "/jwks" => {
                count(|seen| &mut seen.jwks);
                script.jwks
            }
            "/token" => {
                count(|seen| &mut seen.token);
                script.token
            }
            "/authorize" => Manner::Right,
            _ => Manner::Status(404),
        }
    };
    match manner {
        Manner::Right => {}
        Manner::Status(status) => return reply(StatusCode::from_u16(status).unwrap(), Body::empty()),
        Manner::Hangs => std::future::pending().await,
        Manner::Oversized => return reply(StatusCode::OK, Body::from(format!("{{\"x\":\"{}\"}}", "x".repeat(2 * 1024 * 1024)))),
        Manner::Garbage => return reply(StatusCode::OK, Body::from("<html>not JSON</html>")),
        Manner::Redirects => return redirect(&format!("{}/elsewhere", idp.issuer)),
    }
    match (parts.method, parts.uri.path()) {
        (Method::GET, "/.well-known/openid-configuration") => reply(StatusCode::OK, Body::from(idp.document().to_string())),
        (Method::GET, "/jwks") => {
            let keys: Vec<_> = lock(&idp.script).published.iter().map(|(key, kid)| key.public(*kid)).collect();
            reply(StatusCode::OK, Body::from(json!({ "keys": keys }).to_string()))
        }
        (Method::GET, "/authorize") => {
            let asked = Url::parse(&format!("{}{}", idp.issuer, parts.uri)).unwrap();
            let mut target =
                Url::parse(&asked.query_pairs().find(|(name, _)| name == "redirect_uri").expect("a redirect URI").1).unwrap();
            for (name, value) in idp.authorize(&asked) {
                target.query_pairs_mut().append_pair(&name, value.as_str().expect("a text"));
            }
            redirect(target.as_str())
        }
        (Method::POST, "/token") => {
            let body = to_bytes(body, 1024 * 1024).await.unwrap();
            match idp.redeem(&parts.headers, &body) {
                Ok(answer) => reply(StatusCode::OK, Body::from(answer.to_string())),
                Err(error) => reply(StatusCode::BAD_REQUEST, Body::from(json!({ "error": error }).to_string())),
            }
        }
        _ => reply(StatusCode::METHOD_NOT_ALLOWED, Body::empty()),
    }
}

fn reply(status: StatusCode, body: Body) -> Response {
    Response::builder().status(status).header(header::CONTENT_TYPE, "application/json").body(body).unwrap()
}

fn redirect(target: &str) -> Response {
    Response::builder().status(StatusCode::FOUND).header(header::LOCATION, target).body(Body::empty()).unwrap()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

fn object_mut(value: &mut Value) -> &mut Map<String, Value> {
    value.as_object_mut().expect("an object")
}

fn merge(into: &mut Value, changes: &Value) {
    for (name, value) in changes.as_object().expect("an object") {
        if value.is_null() {
            object_mut(into).remove(name);
        } else {
            object_mut(into).insert(name.clone(), value.clone());
        }
    }
}

fn alg_name(alg: Algorithm) -> &'static str {
    match alg {
        Algorithm::RS256 => "RS256",
        Algorithm::RS512 => "RS512",
        Algorithm::PS256 => "PS256",
        Algorithm::ES256 => "ES256",
        Algorithm::ES384 => "ES384",
        Algorithm::EdDSA => "EdDSA",
        other => panic!("not scripted: {other:?}"),
    }
}

/// OpenID Connect Core section 3.1.3.6: the left half of the hash that the algorithm uses.
fn at_hash(alg: &str, access_token: &str) -> String {
    let hash = match alg {
        "ES384" => Sha384::digest(access_token).to_vec(),
        "EdDSA" | "RS512" => Sha512::digest(access_token).to_vec(),
        _ => Sha256::digest(access_token).to_vec(),
    };
    URL_SAFE_NO_PAD.encode(&hash[..hash.len() / 2])
}

impl Key {
    pub(crate) fn private(self) -> EncodingKey {
        static KEYS: LazyLock<[EncodingKey; 6]> = LazyLock::new(|| {
            let rsa = || {
                let key = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
                let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
                let base64 = STANDARD.encode(AsRef::<[u8]>::as_ref(&*der));
                let pem = format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n");
                EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
            };
            let ec = |alg| {
                EncodingKey::from_ec_der(signature::EcdsaKeyPair::generate_pkcs8(alg, &SystemRandom::new()).unwrap().as_ref())
            };
            let ed = signature::Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
            [
                rsa(),
                rsa(),
                ec(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
                ec(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
                ec(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
                EncodingKey::from_ed_der(ed.as_ref()),
            ]
        });
        KEYS[self as usize].clone()
    }

    /// The key as it stands in the key set.
    pub(crate) fn public(self, kid: Option<&str>) -> Value {
        let alg = match self {
            Self::Rsa | Self::OtherRsa => Algorithm::RS256,
            Self::P256 | Self::OtherP256 => Algorithm::ES256,
            Self::P384 => Algorithm::ES384,
            Self::Ed25519 => Algorithm::EdDSA,
        };
        let mut key = serde_json::to_value(Jwk::from_encoding_key(&self.private(), alg).unwrap()).unwrap();
        // Without `alg`, as many providers do: the key then fits every algorithm of its type.
        merge(&mut key, &json!({ "alg": null, "kid": kid, "use": "sig" }));
        key
    }
}
