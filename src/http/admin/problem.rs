//! Errors of the administration API: problem details (RFC 9457).
//!
//! A handler answers a [`Problem`]; [`as_problem`] around all routes writes it down, with the id of the request as `reference`, and
//! makes one of every other refusal too: of routing, of limits, of a panic.

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::directory;
use crate::http::layers::{RETRY_SECONDS, RequestId};
use crate::http::limits::TooMany;
use crate::store;

/// The kinds of problems. A client may rely on their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Kind {
    /// A parameter or the body cannot be read.
    Invalid,
    /// Nobody asks who could be answered.
    Unauthenticated,
    /// Who asks may see this but not do it, or the request came from another site.
    Forbidden,
    /// There is nothing here for who asks.
    NotFound,
    MethodNotAllowed,
    /// What is there does not go with the request.
    Conflict,
    /// The idempotency key is that of another request.
    KeyReused,
    /// It is not of the version that the request is for (RFC 9110 section 13.1.1).
    PreconditionFailed,
    TooLarge,
    UnsupportedMediaType,
    TooManyRequests,
    /// Our own fault.
    Internal,
    /// The service is busy, or its database is not there.
    Unavailable,
}

impl Kind {
    /// What a status says when nobody said more.
    fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthenticated,
            StatusCode::FORBIDDEN => Self::Forbidden,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::CONFLICT => Self::Conflict,
            StatusCode::PRECONDITION_FAILED => Self::PreconditionFailed,
            StatusCode::UNPROCESSABLE_ENTITY => Self::KeyReused,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::TOO_MANY_REQUESTS => Self::TooManyRequests,
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable,
            other if other.is_client_error() => Self::Invalid,
            _ => Self::Internal,
        }
    }

    /// Seconds after which the same request may come again, where nobody knows better.
    const fn retry_after(self) -> Option<u64> {
        if matches!(self, Self::Unavailable) { Some(RETRY_SECONDS) } else { None }
    }

    /// Status, name in `type`, `title`, and the `detail` when nobody said more.
    const fn words(self) -> (StatusCode, &'static str, &'static str, &'static str) {
        match self {
            Self::Invalid => (
                StatusCode::BAD_REQUEST,
                "invalid-request",
                "The request cannot be read",
                "compare it with the description of the API",
            ),
            Self::Unauthenticated => (
                StatusCode::UNAUTHORIZED,
                "unauthenticated",
                "Nobody is signed in",
                "send a client's access token, or a directory's token with the scope log, as a bearer token; or sign in with a login that may \
                 see something here",
            ),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "This is not allowed", "the permission for this is not there"),
            Self::NotFound => {
                (StatusCode::NOT_FOUND, "not-found", "There is nothing here", "there is nothing at this address for you")
            }
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "That is not possible here",
                "this method is not for this address; see Allow",
            ),
            Self::Conflict => {
                (StatusCode::CONFLICT, "conflict", "It does not go with what is there", "look at what is there first")
            }
            Self::KeyReused => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                "The key is that of another request",
                "an Idempotency-Key stands for one request with one body; give another request a key of its own",
            ),
            Self::PreconditionFailed => (
                StatusCode::PRECONDITION_FAILED,
                "precondition-failed",
                "Somebody changed it meanwhile",
                "read it again, and send the change with the version that it has now",
            ),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large", "send less in one request"),
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "The body has the wrong media type",
                "send the body as application/json",
            ),
            Self::TooManyRequests => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests", "wait as long as Retry-After says")
            }
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "This is our fault",
                "the request could not be carried out; its reference is in the log",
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "The service is busy",
                "the service is busy or its database is not there; send the request again later",
            ),
        }
    }
}

/// Why a request was not carried out. The detail says what to do, and names nothing that who asks may not see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::http) struct Problem {
    pub(super) kind: Kind,
    detail: Option<String>,
    /// Whole seconds to wait.
    retry_after: Option<u64>,
}

impl Problem {
    /// With the detail of its kind.
    pub(in crate::http) const fn new(kind: Kind) -> Self {
        Self { kind, detail: None, retry_after: kind.retry_after() }
    }

    pub(super) fn with(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: Some(detail.into()), retry_after: kind.retry_after() }
    }

    /// A parameter or a member of the body is not as it must be. Says which.
    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::with(Kind::Invalid, detail)
    }

    /// It is being worked on, and can be asked for again after some seconds.
    pub(super) fn busy(detail: impl Into<String>, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..Self::with(Kind::Conflict, detail) }
    }

    /// Whatever is not there for who asks: one answer for what never was, what is somebody else's, and what cannot be an id.
    pub(super) const fn not_found() -> Self {
        Self::new(Kind::NotFound)
    }
}

impl From<directory::Error> for Problem {
    fn from(error: directory::Error) -> Self {
        match &error {
            directory::Error::NotFound(_) => return Self::not_found(),
            directory::Error::Invalid(detail) => return Self::invalid(detail.clone()),
            directory::Error::Forbidden(detail) => return Self::with(Kind::Forbidden, detail.clone()),
            directory::Error::Conflict(detail) => return Self::with(Kind::Conflict, detail.clone()),
            directory::Error::Stale => return Self::new(Kind::PreconditionFailed),
            directory::Error::Store(error) if error.is_unavailable() => {
                tracing::error!(error = error as &dyn std::error::Error, "the administration API could not reach the database");
                return Self::new(Kind::Unavailable);
            }
            _ => {}
        }
        tracing::error!(error = &error as &dyn std::error::Error, "a request of the administration API failed");
        Self::new(Kind::Internal)
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        directory::Error::from(error).into()
    }
}

impl From<TooMany> for Problem {
    fn from(TooMany { retry_after }: TooMany) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(Kind::TooManyRequests) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, ..) = self.kind.words();
        let mut response = status.into_response();
        response.headers_mut().extend(self.retry_after.map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds))));
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes down what is wrong, and keeps every cache from keeping any answer.
pub(super) async fn as_problem(id: RequestId, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let problem = response.extensions_mut().remove::<Problem>().unwrap_or_else(|| Problem::new(Kind::of(status)));
        let (status, name, title, detail) = problem.kind.words();
        let body = json!({
            "type": format!("urn:vestibule:problem:{name}"),
            "title": title,
            "status": status.as_u16(),
            "detail": problem.detail.as_deref().unwrap_or(detail),
            "reference": id.0,
        });
        // What the former answer said of itself goes with its body, but for what is true of the address.
        let kept = [ALLOW, RETRY_AFTER].map(|name| response.headers_mut().remove(&name).map(|value| (name, value)));
        let route = response.extensions_mut().remove::<MatchedPath>();
        response = (status, [(CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response();
        response.headers_mut().extend(kept.into_iter().flatten());
        if problem.kind == Kind::Unauthenticated {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(route) = route {
            response.extensions_mut().insert(route);
        }
    }
    for (name, value) in [(CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")] {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_what_its_status_says() {
        for kind in [
            Kind::Invalid,
            Kind::Unauthenticated,
            Kind::Forbidden,
            Kind::NotFound,
            Kind::MethodNotAllowed,
            Kind::Conflict,
            Kind::KeyReused,
            Kind::PreconditionFailed,
            Kind::TooLarge,
            Kind::UnsupportedMediaType,
            Kind::TooManyRequests,
            Kind::Internal,
            Kind::Unavailable,
        ] {
            let (status, name, title, detail) = kind.words();
            assert_eq!(Kind::of(status), kind);
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}");
            assert!(!title.is_empty() && !detail.is_empty());
        }
        assert_eq!(Kind::of(StatusCode::GATEWAY_TIMEOUT), Kind::Internal);
        assert_eq!(Kind::of(StatusCode::GONE), Kind::Invalid);
    }
}
