//! Outgoing HTTP: the one client of the service.
//!
//! Where a request goes is often a customer's word (an issuer, a webhook), so it is trusted with nothing: `https` only, no redirect
//! followed, no proxy taken from the environment, a deadline for the whole exchange, a limit on the answer, and addresses of
//! the public Internet only, checked on the address that is connected to (`guard`). The operator can list hosts that
//! stand on private addresses; those that stand on this machine may then use plain `http`.
//!
//! Every request is a span with method, host and status, never a path's query, a header or a body, and carries the W3C trace context when a
//! propagator is installed.

mod guard;

use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use opentelemetry::propagation::Injector;
use tracing::Instrument as _;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use url::{Host, Url};

use guard::{Blocked, GuardedResolver, Lookup, Reach, SystemLookup};

/// How outgoing requests are bounded.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Hosts that may stand on private addresses: names, addresses, or `host:port`, compared exactly (letter case aside).
    pub allow: Vec<String>,
    /// For one whole exchange: looking up, connecting, sending, reading the answer to its end.
    pub timeout: Duration,
    /// The largest body of an answer.
    pub max_bytes: usize,
}

impl Default for Settings {
    /// Public hosts only, 5 seconds, 1 MiB.
    fn default() -> Self {
        Self { allow: Vec::new(), timeout: Duration::from_secs(5), max_bytes: 1024 * 1024 }
    }
}

/// Why an exchange did not end in an answer. Messages name the host at most: never a path, a query or what was sent.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    #[error("the URL is not an http or https URL with a host and without a user name")]
    Url,
    #[error("plain http to {host} is not allowed: use https")]
    PlainHttp { host: String },
    #[error("{host} has no public address: the operator can list it under [net] allow")]
    Blocked { host: String },
    #[error("{host} did not answer in time")]
    Timeout { host: String },
    #[error("{host} cannot be reached")]
    Unreachable { host: String, source: reqwest::Error },
    #[error("the answer of {host} is larger than {limit} bytes")]
    TooLarge { host: String, limit: usize },
    #[error("the client for outgoing requests cannot be set up")]
    Setup(#[source] reqwest::Error),
}

impl NetError {
    /// A stable name for logs, metrics and traces.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Url => "bad_url",
            Self::PlainHttp { .. } => "plain_http",
            Self::Blocked { .. } => "private_address",
            Self::Timeout { .. } => "timeout",
            Self::Unreachable { .. } => "unreachable",
            Self::TooLarge { .. } => "answer_too_large",
            Self::Setup(_) => "setup",
        }
    }
}

/// The client for outgoing requests. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    settings: Settings,
    // One for each reach, so that a connection that was opened under a wider one is never used again under a narrower one.
    public: reqwest::Client,
    any: reqwest::Client,
    loopback: reqwest::Client,
}

impl Client {
    /// A client that resolves names as the machine does.
    pub fn new(settings: Settings) -> Result<Self, NetError> {
        Self::with_lookup(settings, &(Arc::new(SystemLookup) as Arc<dyn Lookup>))
    }

    fn with_lookup(mut settings: Settings, lookup: &Arc<dyn Lookup>) -> Result<Self, NetError> {
        for host in &mut settings.allow {
            *host = host.to_ascii_lowercase();
        }
        let client = |reach| {
            let builder = reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .referer(false)
                .dns_resolver(GuardedResolver { reach, lookup: Arc::clone(lookup) })
                .pool_max_idle_per_host(4)
                .user_agent(concat!("vestibule/", env!("CARGO_PKG_VERSION")));
            // Reading the machine's certificates takes a while, and this one never speaks TLS.
            let builder = if reach == Reach::Loopback { builder.tls_certs_only([]) } else { builder };
            builder.build().map_err(NetError::Setup)
        };
        let (public, any, loopback) = (client(Reach::Public)?, client(Reach::Any)?, client(Reach::Loopback)?);
        Ok(Self(Arc::new(Inner { settings, public, any, loopback })))
    }

    /// Sends one request and reads the whole answer, whatever its status. Redirects are answers too.
    pub async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, NetError> {
        let url = Url::parse(&request.uri().to_string()).map_err(|_| NetError::Url)?;
        let (host, reach) = self.reach(&url)?;
        let span = tracing::info_span!(
            "outgoing request",
            otel.name = format!("{} {host}", request.method()),
            otel.kind = "client",
            otel.status_code = tracing::field::Empty,
            http.request.method = %request.method(),
            server.address = %host,
            server.port = url.port_or_known_default(),
            http.response.status_code = tracing::field::Empty,
            error.r#type = tracing::field::Empty,
        );
        async {
            let limit = self.0.settings.timeout;
            let result = tokio::time::timeout(limit, self.exchange(reach, &host, url, request))
                .await
                .unwrap_or_else(|_| Err(NetError::Timeout { host: host.clone() }));
            let span = tracing::Span::current();
            match &result {
                Ok(response) => {
                    span.record("http.response.status_code", response.status().as_u16());
                }
                Err(error) => {
                    span.record("otel.status_code", "ERROR").record("error.type", error.reason());
                }
            }
            result
        }
        .instrument(span)
        .await
    }

    /// How far a URL may reach, decided before anything is resolved; for a host that is an address, decided altogether.
    fn reach(&self, url: &Url) -> Result<(String, Reach), NetError> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NetError::Url);
        }
        let port = url.port_or_known_default().ok_or(NetError::Url)?;
        // `Url` reads every spelling of an address (hexadecimal, one number ...) as that address.
        let (host, literal) = match url.host().ok_or(NetError::Url)? {
            Host::Domain(name) => (name.strip_suffix('.').unwrap_or(name).to_owned(), None),
            Host::Ipv4(address) => (address.to_string(), Some(address.into())),
            Host::Ipv6(address) => (format!("[{address}]"), Some(address.into())),
        };
        let listed = self.0.settings.allow.iter().any(|entry| *entry == host || *entry == format!("{host}:{port}"));
        let reach = match (url.scheme(), listed) {
            ("https", false) => Reach::Public,
            ("https", true) => Reach::Any,
            ("http", true) => Reach::Loopback,
            ("http", false) => return Err(NetError::PlainHttp { host }),
            _ => return Err(NetError::Url),
        };
        match literal {
            Some(address) if !reach.permits(address) => Err(blocked(host, reach)),
            _ => Ok((host, reach)),
        }
    }

    async fn exchange(&self, reach: Reach, host: &str, url: Url, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, NetError> {
        let client = match reach {
            Reach::Public => &self.0.public,
            Reach::Any => &self.0.any,
            Reach::Loopback => &self.0.loopback,
        };
        let (parts, body) = request.into_parts();
        let mut headers = parts.headers;
        inject_trace_context(&mut headers);
        let failed = |error: reqwest::Error| {
            if was_blocked(&error) {
                blocked(host.to_owned(), reach)
            } else {
                NetError::Unreachable { host: host.to_owned(), source: error.without_url() }
            }
        };
        let mut answer = client.request(parts.method, url).headers(headers).body(body).send().await.map_err(failed)?;
        let limit = self.0.settings.max_bytes;
        let too_large = || NetError::TooLarge { host: host.to_owned(), limit };
        if answer.content_length().is_some_and(|length| usize::try_from(length).map_or(true, |length| length > limit)) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = Response::new(body);
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Client").field(&self.0.settings).finish()
    }
}

/// One exchange under way.
pub type BoxedExchange = std::pin::Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, NetError>> + Send>>;

fn blocked(host: String, reach: Reach) -> NetError {
    match reach {
        // The operator listed the host; what is not allowed is to talk to it in clear.
        Reach::Loopback => NetError::PlainHttp { host },
        Reach::Public | Reach::Any => NetError::Blocked { host },
    }
}

fn was_blocked(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if error.is::<Blocked>() {
            return true;
        }
        source = error.source();
    }
    false
}

fn inject_trace_context(headers: &mut HeaderMap) {
    struct Headers<'a>(&'a mut HeaderMap);
    impl Injector for Headers<'_> {
        fn set(&mut self, key: &str, value: String) {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
                self.0.insert(name, value);
            }
        }
    }
    let context = tracing::Span::current().context();
    opentelemetry::global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut Headers(headers)));
}

#[cfg(test)]
mod tests;
