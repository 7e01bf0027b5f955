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
use crate::directory::clients;
use crate::store::ClientRow;

/// The client that a request proves, by its header or by its body (RFC 6749 section 2.3.1).
pub(super) async fn authenticate(app: &App, headers: &HeaderMap, form: &Form) -> Result<ClientRow, Refused> {
    let (id, secret) = (form.one("client_id")?, form.one("client_secret")?);
    let (id, secret) = match (headers.get(AUTHORIZATION), secret) {
        (Some(_), Some(_)) => return Err(Refused::Request("prove the client in one way: by its header or in the body")),
        (Some(header), None) => {
            let (named, secret) = basic(header).ok_or(Refused::Client)?;
            if id.is_some_and(|id| id != named) {
                return Err(Refused::Request("client_id: the header names another"));
            }
            (named, secret)
        }
        (None, secret) => (id.ok_or(Refused::Client)?.to_owned(), SecretString::from(secret.ok_or(Refused::Client)?)),
    };
    clients::authenticate(&app.store, &id, &secret).await?.ok_or(Refused::Client)
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
