//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a request that may be sent again, and makes nothing twice.
//!
//! A route that makes something opts in with [`once`] around its handler. Its handler makes one transaction, and answers from what
//! the command returned: that is committed only when the answer is kept. [`Keys`] says what is guaranteed.

use axum::body::Body;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::MethodRouter;
use http::header::{CONTENT_TYPE, ETAG, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sha2::{Digest as _, Sha256};

use super::asker::{Anybody, Known};
use super::jobs;
use super::problem::{Kind, Problem};
use crate::app::App;
use crate::directory::idempotency::{Answer, Claimed, Keys, LONGEST_KEY};
use crate::store::hold;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer is that of a former request.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The headers of an answer that belong to it, not to its journey.
const KEPT: [HeaderName; 4] = [CONTENT_TYPE, ETAG, LOCATION, jobs::HEADER];
/// Seconds after which a request that is being worked on may be asked for again.
const RETRY_AFTER: u64 = 1;

/// A route whose requests may have a key.
pub(super) fn once(app: &App, route: MethodRouter<App>) -> MethodRouter<App> {
    route.route_layer(from_fn_with_state(app.clone(), carried_out_once))
}

async fn carried_out_once(State(app): State<App>, request: Request, next: Next) -> Response {
    match key(request.headers()) {
        Ok(Some(key)) => with_key(&app, &key, request, next).await.unwrap_or_else(Problem::into_response),
        Ok(None) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

async fn with_key(app: &App, key: &str, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    // Whether they have any business here is for the handler to say.
    let Anybody(asker) = Anybody::from_request_parts(&mut parts, app).await?;
    let body = axum::body::to_bytes(body, app.settings.server.body_limit).await.map_err(|_| Problem::new(Kind::TooLarge))?;
    let fingerprint = fingerprint(&parts, &body);
    let (tenant, by) = (asker.tenant(), asker.hand()?);
    let keys = Keys { store: &app.store, sealer: &app.sealer, tenant, asker: by, now: app.clock.now() };
    let claim = match keys.claim(key, &fingerprint).await? {
        Claimed::New(claim) => claim,
        Claimed::Before(answer) => return Ok(replayed(answer)),
        Claimed::Busy => return Err(Problem::busy("a request with this Idempotency-Key is being carried out", RETRY_AFTER)),
        Claimed::Other => return Err(Problem::new(Kind::KeyReused)),
    };
    parts.extensions.insert(Known(asker));
    let (response, held) = hold(next.run(Request::from_parts(parts, Body::from(body)))).await;
    if !response.status().is_success() {
        // What is held is rolled back first: SQLite has one writer.
        drop(held);
        keys.release(&claim).await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.map_err(|_| Problem::new(Kind::Internal))?;
    keys.keep(&claim, &answer(&parts, &body), held).await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// The key of a request: a string of structured fields (RFC 9651 section 3.3.3), or the same without its quotes.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().ok().filter(|_| values.next().is_none()).and_then(read);
    let key = key.filter(|key| (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()));
    key.map(Some).ok_or_else(|| {
        Problem::invalid(format!(
            "Idempotency-Key: once, 1 to {LONGEST_KEY} visible ASCII characters, such as \"8e03978e-40d5-43dd\""
        ))
    })
}

fn read(text: &str) -> Option<String> {
    let text = text.trim();
    let Some(quoted) = text.strip_prefix('"') else {
        return (!text.contains(['"', '\\', ',', ';'])).then(|| text.to_owned());
    };
    let mut key = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return characters.as_str().is_empty().then_some(key),
            '\\' => key.push(characters.next().filter(|escaped| ['"', '\\'].contains(escaped))?),
            other => key.push(other),
        }
    }
}

/// Of method, address and body, each with its length before it.
fn fingerprint(parts: &Parts, body: &[u8]) -> [u8; 32] {
    let address = parts.uri.path_and_query().map_or("", |address| address.as_str());
    let mut hash = Sha256::new();
    for part in [parts.method.as_str().as_bytes(), address.as_bytes(), body] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

fn answer(parts: &http::response::Parts, body: &[u8]) -> Answer {
    let headers = KEPT.into_iter().filter_map(|name| Some((name.to_string(), parts.headers.get(name)?.to_str().ok()?.to_owned())));
    Answer { status: parts.status.as_u16(), headers: headers.collect(), body: String::from_utf8_lossy(body).into_owned() }
}

fn replayed(answer: Answer) -> Response {
    let mut response = (StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK), answer.body).into_response();
    let headers = response.headers_mut();
    headers.remove(CONTENT_TYPE);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            headers.insert(name, value);
        }
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_string_or_a_token() {
        let long = "x".repeat(LONGEST_KEY);
        let table: [(&str, Option<&str>); 12] = [
            ("\"8e03978e\"", Some("8e03978e")),
            ("8e03978e", Some("8e03978e")),
            ("\"a\\\"b\\\\c\"", Some("a\"b\\c")),
            (&long, Some(&long)),
            ("\"a", None),
            ("a\"", None),
            ("\"a\";p=1", None),
            ("a, b", None),
            ("\"a b\"", None),
            ("\"\"", None),
            ("", None),
            ("\"a\\b\"", None),
        ];
        for (text, expected) in table {
            let headers = [(KEY, text.parse().unwrap())].into_iter().collect();
            assert_eq!(key(&headers).ok().flatten().as_deref(), expected, "{text}");
        }
        assert_eq!(key(&HeaderMap::new()).unwrap(), None);
        for values in [vec!["a", "a"], vec!["x-longer-than-it-may-be-".repeat(6).leak()]] {
            let headers = values.into_iter().map(|value| (KEY, value.parse().unwrap())).collect();
            assert!(key(&headers).is_err());
        }
    }
}
