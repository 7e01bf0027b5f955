//! Discovery (RFC 7644 section 4). It says the same to everybody and so asks for no token.

use axum::extract::{OriginalUri, State};
use axum::response::Response;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};

use super::{Names, ScimFailure, base, body};
use crate::app::App;
use crate::model::DirectoryId;
use crate::scim::message::ScimError;
use crate::scim::{Value, discovery};

pub(super) async fn service_provider_config(State(app): State<App>, Names(path): Names<String>, uri: OriginalUri) -> Answer {
    answer(&app, &path, &uri, |base| Some(discovery::service_provider_config(base)))
}

pub(super) async fn resource_types(State(app): State<App>, Names(path): Names<String>, uri: OriginalUri) -> Answer {
    answer(&app, &path, &uri, |base| Some(discovery::resource_types(base)))
}

pub(super) async fn resource_type(State(app): State<App>, Names((path, id)): Names<(String, String)>, uri: OriginalUri) -> Answer {
    answer(&app, &path, &uri, |base| discovery::resource_type(base, &id))
}

pub(super) async fn schemas(State(app): State<App>, Names(path): Names<String>, uri: OriginalUri) -> Answer {
    answer(&app, &path, &uri, |base| Some(discovery::schemas(base)))
}

pub(super) async fn schema(State(app): State<App>, Names((path, id)): Names<(String, String)>, uri: OriginalUri) -> Answer {
    answer(&app, &path, &uri, |base| discovery::schema(base, &id))
}

type Answer = Result<Response, ScimFailure>;

fn answer(app: &App, directory: &str, uri: &OriginalUri, document: impl FnOnce(&str) -> Option<Value>) -> Answer {
    let directory: DirectoryId = directory.parse().map_err(|_| ScimError::new(404, "there is nothing at this address"))?;
    let asks_for_a_part = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .any(|(name, _)| name.eq_ignore_ascii_case("filter"));
    if asks_for_a_part {
        // RFC 7644 section 4: a filter here must be refused, so that nobody takes a part for the whole (D05).
        return Err(ScimError::new(403, "discovery endpoints cannot be filtered").into());
    }
    let document = document(&base(app, directory)).ok_or_else(|| ScimError::new(404, "there is no such definition"))?;
    let mut response = body(StatusCode::OK, &document);
    // It varies only with the program's version, so a client may keep it for a while (D10).
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(response)
}
