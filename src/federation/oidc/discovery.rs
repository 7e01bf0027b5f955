//! Where identity providers are, and what their keys are (OpenID Connect Discovery 1.0).
//!
//! Each connection has its own entry, so that no tenant's trouble is another's. An entry is fresh for an hour. After that it is read
//! again by one sign-in while others go on with what is known; when that fails, it serves up to a day. A token with an unknown key
//! has the keys read again, once a minute at most. A provider that fails is not asked again by everyone who waits.

use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use http::{Request, StatusCode, header};
use openidconnect::core::{CoreJsonWebKey, CoreJsonWebKeySet};
use openidconnect::{AuthType, AuthUrl, IssuerUrl, TokenUrl};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use url::Url;

use super::super::trace::clean;
use super::super::{Endpoint, Refused, Step, Trace};
use super::unreachable;
use crate::clock::Clock;
use crate::model::{Connection, ConnectionId};
use crate::net;

/// How long a document is used without asking again.
const FRESH: TimeDelta = TimeDelta::hours(1);
/// How long it is used while the identity provider does not answer.
const STALE: TimeDelta = TimeDelta::hours(24);
/// The least time between two readings of the keys for tokens with unknown ones.
const KEYS_PAUSE: TimeDelta = TimeDelta::seconds(60);
/// How long a failure stands for those who come after it, when there is nothing known, and when there is.
const FAILURE_PAUSE: TimeDelta = TimeDelta::seconds(10);
const STALE_PAUSE: TimeDelta = TimeDelta::seconds(60);
/// More entries than this are not kept; each is a few kilobytes.
const MAX_ENTRIES: u64 = 10_000;
/// More keys than this are nobody's key set.
const MAX_KEYS: usize = 100;
const MIN_RSA_BYTES: usize = 256;

/// What is known of an identity provider.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) issuer: IssuerUrl,
    pub(super) authorization_endpoint: AuthUrl,
    pub(super) token_endpoint: TokenUrl,
    pub(super) client_auth: AuthType,
    /// Whether it promises to name itself in its answers (RFC 9207 section 3).
    pub(super) sends_issuer: bool,
    pub(super) keys: CoreJsonWebKeySet,
    jwks_uri: Url,
    read_at: DateTime<Utc>,
}

/// The known identity providers. Cheap to clone.
#[derive(Clone)]
pub(super) struct Providers {
    net: net::Client,
    clock: Clock,
    // By issuer too, so that a changed connection starts anew.
    entries: moka::future::Cache<(ConnectionId, String), Arc<Entry>>,
}

#[derive(Default)]
struct Entry {
    known: RwLock<Option<Arc<Provider>>>,
    /// Held by the one sign-in that reads.
    reading: Mutex<Reading>,
}

#[derive(Default)]
struct Reading {
    failed: Option<(DateTime<Utc>, Refused)>,
    keys_read_at: Option<DateTime<Utc>>,
}

impl Entry {
    fn known(&self, now: DateTime<Utc>, for_at_most: TimeDelta) -> Option<Arc<Provider>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().filter(|provider| now - provider.read_at < for_at_most).cloned()
    }

    fn set(&self, provider: Provider) -> Arc<Provider> {
        let provider = Arc::new(provider);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&provider));
        provider
    }
}

impl Providers {
    pub(super) fn new(net: net::Client, clock: Clock) -> Self {
        Self { net, clock, entries: moka::future::Cache::new(MAX_ENTRIES) }
    }

    async fn entry(&self, connection: &Connection) -> Arc<Entry> {
        self.entries.get_with((connection.id, connection.issuer.clone()), async { Arc::default() }).await
    }

    /// The identity provider of a connection: as it is known, or read now.
    pub(super) async fn get(&self, connection: &Connection, trace: &mut Trace) -> Result<Arc<Provider>, Refused> {
        let entry = self.entry(connection).await;
        let now = self.clock.now();
        if let Some(provider) = entry.known(now, FRESH) {
            return Ok(provider);
        }
        let stale = entry.known(now, STALE);
        let mut reading = match (entry.reading.try_lock(), &stale) {
            (Ok(reading), _) => reading,
            (Err(_), Some(stale)) => return Ok(Arc::clone(stale)),
            (Err(_), None) => entry.reading.lock().await,
        };
        // Someone else may have read it, or failed to, while we waited.
        if let Some(provider) = entry.known(now, FRESH) {
            return Ok(provider);
        }
        let pause = if stale.is_some() { STALE_PAUSE } else { FAILURE_PAUSE };
        let result = match &reading.failed {
            Some((at, refused)) if now - *at < pause => Err(refused.clone()),
            _ => {
                let result = self.read(connection, now).await;
                reading.failed = result.as_ref().err().map(|refused| (now, refused.clone()));
                result
            }
        };
        match (result, stale) {
            (Ok(provider), _) => {
                trace.ok(Step::Discovery, format!("read; {} keys", provider.keys.keys().len()));
                Ok(entry.set(provider))
            }
            (Err(refused), Some(stale)) => {
                trace
                    .warning(Step::Discovery, format!("using what was read at {}, because: {refused}", stale.read_at.to_rfc3339()));
                Ok(stale)
            }
            (Err(refused), None) => Err(refused),
        }
    }

    /// The identity provider with keys that are newer than those of `known`; none when there are none to be had now.
    pub(super) async fn with_new_keys(
        &self,
        connection: &Connection,
        known: &Arc<Provider>,
        trace: &mut Trace,
    ) -> Option<Arc<Provider>> {
        let entry = self.entry(connection).await;
        let mut reading = entry.reading.lock().await;
        let now = self.clock.now();
        if let Some(provider) = entry.known(now, STALE).filter(|provider| !Arc::ptr_eq(provider, known)) {
            return Some(provider);
        }
        if reading.keys_read_at.is_some_and(|at| now - at < KEYS_PAUSE) {
            trace.warning(Step::Keys, "unknown key; the key set was read less than a minute ago");
            return None;
        }
        reading.keys_read_at = Some(now);
        match self.read_keys(&known.jwks_uri).await {
            Ok(keys) => {
                trace.ok(Step::Keys, format!("unknown key; read again: {} keys", keys.keys().len()));
                Some(entry.set(Provider {
                    issuer: known.issuer.clone(),
                    authorization_endpoint: known.authorization_endpoint.clone(),
                    token_endpoint: known.token_endpoint.clone(),
                    client_auth: known.client_auth.clone(),
                    sends_issuer: known.sends_issuer,
                    jwks_uri: known.jwks_uri.clone(),
                    read_at: known.read_at,
                    keys,
                }))
            }
            Err(refused) => {
                trace.warning(Step::Keys, format!("unknown key; {refused}"));
                None
            }
        }
    }

    async fn read(&self, connection: &Connection, now: DateTime<Utc>) -> Result<Provider, Refused> {
        let issuer = check_issuer(&connection.issuer)?;
        let address = format!("{}/.well-known/openid-configuration", connection.issuer.trim_end_matches('/'));
        let document: Document = self.read_json(Endpoint::Discovery, &address).await?;
        if document.issuer != connection.issuer {
            return Err(match check_issuer(&document.issuer) {
                Err(Refused::TemplateIssuer) => Refused::TemplateIssuer,
                _ => Refused::IssuerMismatch { expected: connection.issuer.clone(), found: clean(&document.issuer) },
            });
        }
        let endpoint = |name: &str, address: &str| endpoint_url(issuer.url(), name, address);
        let authorization_endpoint = AuthUrl::from_url(endpoint("authorization_endpoint", &document.authorization_endpoint)?);
        let token_endpoint = TokenUrl::from_url(endpoint("token_endpoint", &document.token_endpoint)?);
        let jwks_uri = endpoint("jwks_uri", &document.jwks_uri)?;
        Ok(Provider {
            client_auth: client_auth(document.token_endpoint_auth_methods_supported.as_deref()),
            sends_issuer: document.authorization_response_iss_parameter_supported,
            keys: self.read_keys(&jwks_uri).await?,
            issuer,
            authorization_endpoint,
            token_endpoint,
            jwks_uri,
            read_at: now,
        })
    }

    async fn read_keys(&self, address: &Url) -> Result<CoreJsonWebKeySet, Refused> {
        let set: KeySet = self.read_json(Endpoint::Keys, address.as_str()).await?;
        let keys: Vec<_> = set.keys.into_iter().filter_map(usable_key).collect();
        if keys.is_empty() || keys.len() > MAX_KEYS {
            return Err(Refused::Nonsense { endpoint: Endpoint::Keys, what: format!("{} usable keys", keys.len()) });
        }
        Ok(CoreJsonWebKeySet::new(keys))
    }

    async fn read_json<T: DeserializeOwned>(&self, endpoint: Endpoint, address: &str) -> Result<T, Refused> {
        let nonsense = |what: String| Refused::Nonsense { endpoint, what };
        let request = Request::get(address)
            .header(header::ACCEPT, "application/json")
            .body(Vec::new())
            .map_err(|_| nonsense("an address that cannot be called".to_owned()))?;
        let answer = self.net.send(request).await.map_err(|error| unreachable(endpoint, &error))?;
        if answer.status() != StatusCode::OK {
            return Err(nonsense(format!("status {}", answer.status().as_u16())));
        }
        serde_json::from_slice(answer.body()).map_err(|error| nonsense(clean(&error.to_string())))
    }
}

/// What is read of a discovery document. Other members are not looked at, so that a mistake in them keeps nobody out.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

/// A key that a signature can be checked with. Symmetric keys have no place in a public set, small RSA keys prove nothing (RFC 7518 section
/// 3.3), and what is not understood is passed over.
fn usable_key(key: serde_json::Value) -> Option<CoreJsonWebKey> {
    let usable = match key.get("kty")?.as_str()? {
        "RSA" => {
            let modulus = URL_SAFE_NO_PAD.decode(key.get("n")?.as_str()?.trim_end_matches('=')).ok()?;
            modulus.iter().skip_while(|byte| **byte == 0).count() >= MIN_RSA_BYTES
        }
        "EC" | "OKP" => true,
        _ => false,
    };
    usable.then(|| serde_json::from_value(key).ok()).flatten()
}

/// An issuer that one organisation has to itself.
fn check_issuer(issuer: &str) -> Result<IssuerUrl, Refused> {
    // Entra's document for many directories at once names `{tenantid}` instead of one.
    if issuer.contains(['{', '}']) {
        return Err(Refused::TemplateIssuer);
    }
    let parsed = IssuerUrl::new(issuer.to_owned()).map_err(|_| Refused::IssuerNotAUrl)?;
    let url = parsed.url();
    if !matches!(url.scheme(), "https" | "http") || url.query().is_some() || url.fragment().is_some() {
        return Err(Refused::IssuerNotAUrl);
    }
    let shared = url
        .path_segments()
        .and_then(|mut segments| segments.next())
        .is_some_and(|first| ["common", "organizations", "consumers"].iter().any(|shared| first.eq_ignore_ascii_case(shared)));
    if shared && is_entra(url) { Err(Refused::TemplateIssuer) } else { Ok(parsed) }
}

/// Whether an issuer is Microsoft Entra, whose tokens carry their directory as `tid` and whose issuers hold it as first segment.
pub(super) fn is_entra(issuer: &Url) -> bool {
    matches!(
        issuer.host_str(),
        Some("login.microsoftonline.com" | "login.microsoftonline.us" | "login.partner.microsoftonline.cn" | "sts.windows.net")
    )
}

/// An endpoint of the document. The browser is sent to one of them, so that they must be web addresses, and as safe as the issuer is.
fn endpoint_url(issuer: &Url, name: &str, address: &str) -> Result<Url, Refused> {
    Url::parse(address)
        .ok()
        .filter(|url| url.host().is_some() && (url.scheme() == "https" || (url.scheme() == "http" && issuer.scheme() == "http")))
        .ok_or_else(|| Refused::Nonsense { endpoint: Endpoint::Discovery, what: format!("{name} is not an https URL") })
}

/// How to show the client secret: by `client_secret_basic`, the default, unless only `client_secret_post` is offered.
fn client_auth(offered: Option<&[String]>) -> AuthType {
    let offers = |method: &str| offered.is_some_and(|offered| offered.iter().any(|offered| offered == method));
    if !offers("client_secret_basic") && offers("client_secret_post") { AuthType::RequestBody } else { AuthType::BasicAuth }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn o08_issuers_of_many_organisations_are_refused() {
        for (issuer, expected) in [
            ("https://login.microsoftonline.com/common/v2.0", Err("template_issuer")),
            ("https://login.microsoftonline.com/Organizations/v2.0", Err("template_issuer")),
            ("https://login.microsoftonline.us/consumers/v2.0", Err("template_issuer")),
            ("https://login.microsoftonline.com/{tenantid}/v2.0", Err("template_issuer")),
            ("https://login.microsoftonline.com/9122040d-6c67-4c5b-b112-36a304b66dad/v2.0", Ok(())),
            ("https://idp.example/common", Ok(())),
            ("https://idp.example?x=1", Err("issuer_not_a_url")),
            ("https://idp.example#x", Err("issuer_not_a_url")),
            ("ftp://idp.example", Err("issuer_not_a_url")),
            ("idp.example", Err("issuer_not_a_url")),
        ] {
            assert_eq!(check_issuer(issuer).map(drop).map_err(|refused| refused.reason()), expected, "{issuer}");
        }
    }

    #[test]
    fn endpoints_are_as_safe_as_the_issuer() {
        for (issuer, endpoint, accepted) in [
            ("https://idp.example", "https://other.example/authorize", true),
            ("https://idp.example", "http://idp.example/authorize", false),
            ("https://idp.example", "javascript:alert(1)", false),
            ("https://idp.example", "/authorize", false),
            ("http://idp.localhost", "http://idp.localhost/authorize", true),
        ] {
            assert_eq!(endpoint_url(&issuer.parse().unwrap(), "x", endpoint).is_ok(), accepted, "{issuer} {endpoint}");
        }
    }

    #[test]
    fn client_secret_basic_is_the_default() {
        let basic = |offered: Option<&[&str]>| {
            let offered: Option<Vec<String>> = offered.map(|offered| offered.iter().map(ToString::to_string).collect());
            matches!(client_auth(offered.as_deref()), AuthType::BasicAuth)
        };
        assert!(basic(None));
        assert!(basic(Some(&["client_secret_post", "client_secret_basic"])));
        assert!(basic(Some(&["private_key_jwt"])));
        assert!(!basic(Some(&["private_key_jwt", "client_secret_post"])));
    }

    #[test]
    fn o01_keys_that_prove_nothing_are_passed_over() {
        let modulus = |bytes: usize, zeros: usize| URL_SAFE_NO_PAD.encode([vec![0; zeros], vec![0xff; bytes]].concat());
        let coordinate = URL_SAFE_NO_PAD.encode([1; 32]);
        for (key, usable) in [
            (json!({"kty": "RSA", "n": modulus(256, 0), "e": "AQAB"}), true),
            (json!({"kty": "RSA", "n": modulus(256, 1), "e": "AQAB"}), true),
            (json!({"kty": "RSA", "n": modulus(128, 0), "e": "AQAB"}), false),
            (json!({"kty": "RSA", "n": modulus(128, 200), "e": "AQAB"}), false),
            (json!({"kty": "RSA", "e": "AQAB"}), false),
            (json!({"kty": "oct", "k": "c2VjcmV0"}), false),
            (json!({"kty": "EC", "crv": "P-256", "x": coordinate, "y": coordinate}), true),
            (json!({"kty": "OKP", "crv": "Ed25519", "x": coordinate}), true),
            (json!({"kty": "LATTICE"}), false),
            (json!({}), false),
            (json!("key"), false),
        ] {
            assert_eq!(usable_key(key.clone()).is_some(), usable, "{key}");
        }
    }
}
