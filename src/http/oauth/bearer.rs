//! An access token, as a request shows it (RFC 6750).

use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;

use super::Refused;
use super::form::Form;
use crate::openid::token::Refusal;

/// Why a request with an access token is refused (section 3.1).
#[derive(Debug)]
pub(super) enum Unwelcome {
    /// It has none.
    NoToken,
    /// It has one that is none of ours, is over, or whose grant does not count any more.
    Token,
    /// The token is not for this.
    Scope,
    Request(Refused),
}

impl From<Refused> for Unwelcome {
    fn from(refused: Refused) -> Self {
        Self::Request(refused)
    }
}

impl From<Refusal> for Unwelcome {
    fn from(refusal: Refusal) -> Self {
        Self::Request(refusal.into())
    }
}

impl IntoResponse for Unwelcome {
    fn into_response(self) -> Response {
        let (status, challenge, error) = match self {
            Self::Request(refused) => return refused.into_response(),
            Self::NoToken => (StatusCode::UNAUTHORIZED, "Bearer realm=\"vestibule\"", "invalid_request"),
            Self::Token => (StatusCode::UNAUTHORIZED, "Bearer realm=\"vestibule\", error=\"invalid_token\"", "invalid_token"),
            Self::Scope => (
                StatusCode::FORBIDDEN,
                "Bearer realm=\"vestibule\", error=\"insufficient_scope\", scope=\"openid\"",
                "insufficient_scope",
            ),
        };
        let mut response = (status, super::json(&json!({ "error": error }))).into_response();
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        response
    }
}

/// The token of a request: of its header, or of its body, of one of them alone.
pub(super) fn token<'a>(headers: &'a HeaderMap, form: Option<&'a Form>) -> Result<&'a str, Unwelcome> {
    let posted = form.map(|form| form.one("access_token")).transpose()?.flatten();
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let shown = all.next().map(|header| {
        let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    match (shown, posted) {
        (Some(_), Some(_)) => Err(Unwelcome::Request(Refused::Request("show the access token once"))),
        _ if all.next().is_some() => Err(Unwelcome::Request(Refused::Request("show the access token once"))),
        (Some(token), None) => token.ok_or(Unwelcome::Token),
        (None, Some(token)) => Ok(token),
        (None, None) => Err(Unwelcome::NoToken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_shown_once_in_one_place() {
        let read = |headers: &[&'static str]| {
            let mut map = HeaderMap::new();
            for header in headers {
                map.append(AUTHORIZATION, HeaderValue::from_static(header));
            }
            token(&map, None).map(ToOwned::to_owned).map_err(|unwelcome| unwelcome.into_response().status().as_u16())
        };
        for (headers, expected) in [
            (&["Bearer a.b.c"][..], Ok("a.b.c".to_owned())),
            (&["bearer a.b.c"], Ok("a.b.c".to_owned())),
            (&[], Err(401)),
            (&["Basic a"], Err(401)),
            (&["Bearer"], Err(401)),
            (&["Bearer a", "Bearer b"], Err(400)),
        ] {
            assert_eq!(read(headers), expected, "{headers:?}");
        }
    }
}
