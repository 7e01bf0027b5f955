//! Which scripts of other sites may read an answer (CORS).
//!
//! A portal that runs in the browser redeems its code from there, so its own site may read what it is answered: the site of one of its
//! redirect URIs, and only once the request showed which portal it is. What is the same for everybody, such as the metadata, anybody may read.
//! No request here has cookies that count, so that a preflight allows nothing that a program could not do anyway.

use axum::response::{IntoResponse as _, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use url::Url;

use super::client::is_public;
use crate::model::Portal;

/// Answers what a browser asks before it sends a script's request.
pub(super) async fn preflight() -> Response {
    let headers = [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type"),
        (ACCESS_CONTROL_MAX_AGE, "3600"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Lets scripts of a portal's own site read an answer, if it is one that runs in the browser.
pub(super) fn open(mut response: Response, headers: &HeaderMap, portal: &Portal) -> Response {
    response.headers_mut().append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = headers.get(ORIGIN).filter(|origin| is_own(origin, portal)) {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        response.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("www-authenticate"));
    }
    response
}

/// Whether an origin is that of one of the addresses that browsers are sent back to.
fn is_own(origin: &HeaderValue, portal: &Portal) -> bool {
    let of = |uri: &String| Url::parse(uri).ok().map(|url| url.origin().ascii_serialization());
    is_public(portal) && portal.redirect_uris.iter().filter_map(of).any(|own| own.as_bytes() == origin.as_bytes())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::model::{ClientId, PortalSettings, TokenEndpointAuthMethod};

    #[test]
    fn only_the_own_site_of_a_portal_in_the_browser_reads_its_answers() {
        let portal = |token_endpoint_auth_method| Portal {
            id: ClientId::new(DateTime::UNIX_EPOCH),
            client_id: "portal".to_owned(),
            name: "Portal".to_owned(),
            redirect_uris: vec!["https://portal.example/callback".to_owned(), "http://localhost:3000/".to_owned()],
            backchannel_logout_uri: None,
            settings: PortalSettings { token_endpoint_auth_method, ..PortalSettings::default() },
        };
        let public = portal(TokenEndpointAuthMethod::None);
        for (origin, expected) in [
            ("https://portal.example", true),
            ("http://localhost:3000", true),
            ("https://portal.example/", false),
            ("https://portal.example:8443", false),
            ("http://portal.example", false),
            ("https://evil.portal.example", false),
            ("https://portal.example.evil.example", false),
            ("null", false),
            ("*", false),
            ("", false),
        ] {
            let origin = HeaderValue::from_static(origin);
            assert_eq!(is_own(&origin, &public), expected, "{origin:?}");
            assert!(!is_own(&origin, &portal(TokenEndpointAuthMethod::ClientSecret)));
        }
    }
}
