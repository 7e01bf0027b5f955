//! Who asks: the client that a request proves.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use secrecy::SecretString;
use url::form_urlencoded;

use super::Refused;
use super::form::Form;
use crate::app::App;
use crate::model::{Portal, TokenEndpointAuthMethod};
use crate::openid::clients::{self, Client, Proof};

/// What an assertion is, in the words of RFC 7523 section 2.2.
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The client that a request proves in one way: by its header, by a secret or an assertion in the body, or, where it can keep no secret, by
/// its name alone (RFC 6749 section 2.3). `path` is that of the endpoint, by which an assertion may call us too.
pub(super) async fn authenticate(app: &App, headers: &HeaderMap, form: &Form, path: &str) -> Result<Client, Refused> {
    let (id, secret) = (form.one("client_id")?, form.one("client_secret")?.map(SecretString::from));
    let (assertion, kind) = (form.one("client_assertion")?, form.one("client_assertion_type")?);
    let url = &app.settings.server.public_url;
    let audiences = [url.at(""), url.at("/oauth2/token"), url.at(path)];
    let named;
    let proof = match (headers.get(AUTHORIZATION), &secret, assertion) {
        (Some(header), None, None) => {
            named = basic(header).ok_or(Refused::Client)?;
            if id.is_some_and(|id| id != named.0) {
                return Err(Refused::Request("client_id: the header names another"));
            }
            Proof::Secret { client_id: &named.0, secret: &named.1 }
        }
        (None, Some(secret), None) => Proof::Secret { client_id: id.ok_or(Refused::Client)?, secret },
        (None, None, Some(text)) if kind == Some(ASSERTION) => Proof::Assertion { client_id: id, text },
        (None, None, Some(_)) => return Err(Refused::Request("client_assertion_type: not that of a JWT")),
        (None, None, None) => Proof::Name(id.ok_or(Refused::Client)?),
        _ => return Err(Refused::Request("prove the client in one way: by its header or in the body")),
    };
    let client = clients::authenticate(&app.store, proof, &audiences, app.clock.now()).await?.ok_or(Refused::Client)?;
    let counted = match &client {
        Client::Machine(machine) => Some(machine.id),
        // Anybody can say the name of a public client, and nobody uses up somebody else's share.
        Client::Portal(portal) => Some(portal.id).filter(|_| !is_public(portal)),
    };
    match counted.map(|id| app.limits.take_client(id, app.settings.api)) {
        Some(Err(too_many)) => Err(Refused::TooMany(too_many.retry_after)),
        _ => Ok(client),
    }
}

/// A portal that proved itself; a client that works for itself has no business here, and one that cannot prove itself none where `is_strict`.
pub(super) async fn portal(app: &App, headers: &HeaderMap, form: &Form, path: &str, is_strict: bool) -> Result<Portal, Refused> {
    match authenticate(app, headers, form, path).await? {
        Client::Portal(portal) if is_strict && is_public(&portal) => Err(Refused::Client),
        Client::Portal(portal) => Ok(portal),
        Client::Machine(_) => Err(Refused::Unauthorized),
    }
}

/// Whether a portal has nothing that proves it.
pub(super) fn is_public(portal: &Portal) -> bool {
    portal.settings.token_endpoint_auth_method == TokenEndpointAuthMethod::None
}

/// Id and secret, each form-encoded before they were joined.
fn basic(header: &HeaderValue) -> Option<(String, SecretString)> {
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    let bytes = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(encoded.trim()).ok())??;
    let text = String::from_utf8(bytes).ok()?;
    let (id, secret) = text.split_once(':').filter(|_| !text.contains("%00") && !text.contains('\0'))?;
    // As one pair of a form, in which `&` and `=` cannot stand by themselves.
    let decoded = |part: &str| {
        let pair = format!("={}", part.replace('&', "%26"));
        form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    Some((decoded(id)?, SecretString::from(decoded(secret)?)))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_header_is_read_as_it_is_written() {
        let read = |text: &str| {
            let header = HeaderValue::from_str(&format!("basic {}", STANDARD.encode(text))).unwrap();
            basic(&header).map(|(id, secret)| (id, secret.expose_secret().to_owned()))
        };
        let pair = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        for (text, expected) in [
            ("me:secret", pair("me", "secret")),
            ("me:se:cret", pair("me", "se:cret")),
            ("m%20e:a%2Bb%3Ac", pair("m e", "a+b:c")),
            ("me:a&b=c", pair("me", "a&b=c")),
            ("me:a+b", pair("me", "a b")),
            (":", pair("", "")),
            ("me", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        for header in ["Basic", "Basic !", "Bearer bWU6c2VjcmV0", ""] {
            assert!(basic(&HeaderValue::from_static(header)).is_none(), "{header}");
        }
    }
}
