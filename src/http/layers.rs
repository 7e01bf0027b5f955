//! What surrounds every request: its id, its span and log line, its figures, a deadline, and an answer where a handler gave none.

use std::any::Any;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use opentelemetry::propagation::Extractor;
use tower_http::csrf::ProtectionError;
use tracing::Instrument as _;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::admin::{Kind, Problem};
use super::pages::{Frame, NotFound, Page, Trouble, Wrong};
use super::scim::ScimFailure;
use crate::app::App;
use crate::metrics::Surface;
use crate::model::EventId;
use crate::scim::message::ScimError;

/// The header that carries the id of a request, in and out.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// After how many seconds a request may come again for which there was no place, or no database.
pub(super) const RETRY_SECONDS: u64 = 5;
/// What a SCIM request may take. Long enough for ten thousand members; what is not done by then is rolled back.
const SCIM_DEADLINE: Duration = Duration::from_mins(1);
/// What a request of the administration API may take.
const API_DEADLINE: Duration = Duration::from_secs(30);
/// What a page may take, an identity provider that answers slowly included.
const PAGE_DEADLINE: Duration = Duration::from_secs(30);

/// The id of a request: in its span, its log lines, the rows it writes, and the answer's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestId(pub(super) String);

impl RequestId {
    /// A client's own id is kept when it can do no harm in a log.
    fn given(headers: &HeaderMap) -> Option<Self> {
        let id = headers.get(REQUEST_ID)?.to_str().ok()?;
        let harmless =
            !id.is_empty() && id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
        harmless.then(|| Self(id.to_owned()))
    }
}

/// Gives the request its id and span, and logs how it was answered.
pub(super) async fn identify(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = RequestId::given(request.headers()).unwrap_or_else(|| RequestId(EventId::new(app.clock.now()).to_string()));
    // Never the query: it may hold a code, a state, or a filter with somebody's address.
    let span = tracing::info_span!(
        "request",
        otel.name = tracing::field::Empty,
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        http.request.method = %request.method(),
        http.route = tracing::field::Empty,
        http.response.status_code = tracing::field::Empty,
        request.id = %id.0,
    );
    let parent = opentelemetry::global::get_text_map_propagator(|propagator| propagator.extract(&Headers(request.headers())));
    // Without an exporter there is no trace to continue.
    let _ = span.set_parent(parent);
    let method = request.method().clone();
    request.extensions_mut().insert(id.clone());
    async move {
        let began = Instant::now();
        let mut response = next.run(request).await;
        let status = response.status();
        let route = response.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
        let span = tracing::Span::current();
        span.record("otel.name", format!("{method} {route}"));
        span.record("http.route", &route);
        span.record("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            span.record("otel.status_code", "ERROR");
        }
        let millis = began.elapsed().as_secs_f64() * 1_000.0;
        tracing::info!(%method, route, status = status.as_u16(), millis, "answered");
        if let Ok(value) = HeaderValue::from_str(&id.0) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        response
    }
    .instrument(span)
    .await
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// Gives a request of a surface its place, counts it, and tells [`identify`] which route it met.
pub(super) async fn measure(State((app, surface)): State<(App, Surface)>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let began = Instant::now();
    let mut response = match app.load.enter(surface) {
        Some(_place) => next.run(request).await,
        None => overloaded(surface),
    };
    app.metrics.http_request(surface, &method, response.status().as_u16(), began.elapsed());
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

/// Refuses a request for which there is no place, in the words of its surface.
fn overloaded(surface: Surface) -> Response {
    match surface {
        Surface::Scim => ScimFailure(ScimError::new(503, "the service is busy; send the request again later")).into_response(),
        Surface::Api => Problem::new(Kind::Unavailable).into_response(),
        Surface::SignIn | Surface::Console | Surface::Other => trouble(Wrong::Unavailable),
    }
}

/// Ends a SCIM request that takes too long. Its transaction is rolled back.
pub(super) async fn scim_deadline(request: Request, next: Next) -> Response {
    match tokio::time::timeout(SCIM_DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ScimFailure(ScimError::new(503, "the request took too long and was given up; nothing of it has happened"))
            .into_response(),
    }
}

/// Ends a page request that takes too long.
pub(super) async fn page_deadline(request: Request, next: Next) -> Response {
    match tokio::time::timeout(PAGE_DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => trouble(Wrong::Unavailable),
    }
}

/// Ends a request of the administration API that takes too long. Its transaction is rolled back.
pub(super) async fn api_deadline(request: Request, next: Next) -> Response {
    match tokio::time::timeout(API_DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(Kind::Unavailable).into_response(),
    }
}

/// Answers a SCIM request whose handler panicked.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands the panic over")]
pub(super) fn scim_panic(panic: Box<dyn Any + Send>) -> Response {
    log_panic(panic.as_ref());
    ScimFailure(ScimError::new(500, "the request could not be carried out; its id is in the log")).into_response()
}

/// Answers a request of the administration API whose handler panicked.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands the panic over")]
pub(super) fn api_panic(panic: Box<dyn Any + Send>) -> Response {
    log_panic(panic.as_ref());
    Problem::new(Kind::Internal).into_response()
}

/// Answers a page request whose handler panicked.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands the panic over")]
pub(super) fn page_panic(panic: Box<dyn Any + Send>) -> Response {
    log_panic(panic.as_ref());
    trouble(Wrong::Internal)
}

fn log_panic(panic: &(dyn Any + Send)) {
    let message = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = message.unwrap_or("no message"), "a handler panicked");
}

/// Refuses a form that another site sent.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands the error over")]
pub(super) fn foreign_post(error: ProtectionError) -> Response {
    tracing::warn!(error = &error as &dyn std::error::Error, "a form from another site was refused");
    trouble(Wrong::Forbidden)
}

/// There is nothing at this address.
pub(super) async fn no_such_page() -> Response {
    Page(StatusCode::NOT_FOUND, NotFound::default()).into_response()
}

/// There is something at this address, but not for this method.
pub(super) async fn wrong_method() -> Response {
    trouble(Wrong::MethodNotAllowed)
}

/// Says that something is wrong; [`as_page`] makes the page of it.
pub(super) fn trouble(wrong: Wrong) -> Response {
    let mut response = wrong.status().into_response();
    if wrong == Wrong::Unavailable {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
    }
    response.extensions_mut().insert(wrong);
    response
}

/// Makes every answer of the pages one that people can read and that no cache keeps: what handlers and extractors refuse without a
/// page of their own gets one, with the id of the request as its reference number.
pub(super) async fn as_page(id: RequestId, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let status = response.status();
    let bare = (status.is_client_error() || status.is_server_error()) && !response.headers().contains_key(CONTENT_SECURITY_POLICY);
    if bare {
        let wrong = response.extensions().get::<Wrong>().copied().unwrap_or_else(|| Wrong::of(status));
        let page = Page(status, Trouble { frame: Frame::default(), wrong, reference: Some(id.0) });
        // What the former answer said of itself goes with its body, but for what is true of the address.
        let kept = [ALLOW, RETRY_AFTER].map(|name| response.headers_mut().remove(&name).map(|value| (name, value)));
        let route = response.extensions_mut().remove::<MatchedPath>();
        response = page.into_response();
        response.headers_mut().extend(kept.into_iter().flatten());
        if let Some(route) = route {
            response.extensions_mut().insert(route);
        }
    }
    // Redirects and whatever else is no page.
    for (name, value) in [(CACHE_CONTROL, "no-store"), (REFERRER_POLICY, "same-origin"), (X_CONTENT_TYPE_OPTIONS, "nosniff")] {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
