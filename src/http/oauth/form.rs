//! The parameters of a request.

use axum::body::{Body, Bytes};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use url::form_urlencoded;

use super::Refused;

/// Bytes of a body; a token request has a few hundred.
const LONGEST: usize = 16 * 1024;

/// The parameters of a request. One that is empty counts as left out (RFC 6749 section 3.2).
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Whether a request says that it has one.
    pub(super) fn is_one(headers: &HeaderMap) -> bool {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
    }

    pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Self, Refused> {
        if !Self::is_one(headers) {
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
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, Refused> {
        let mut values = self.0.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str());
        let first = values.next();
        if values.next().is_some() { Err(Refused::Request("a parameter is there twice")) } else { Ok(first) }
    }
}
