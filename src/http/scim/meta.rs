//! Discovery (RFC 7644 section 4). It says the same to everybody who asks of one directory, and asks for a token only where a directory's settings say so (D03).

use axum::extract::{FromRequestParts, OriginalUri};
use axum::response::Response;
use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use super::client::{Client, Denied, directory};
use super::{Names, ScimFailure, base, body};
use crate::app::App;
use crate::directory::settings::tolerance;
use crate::provisioning::Failure;
use crate::scim::discovery::Extras;
use crate::scim::message::ScimError;
use crate::scim::{Value, discovery};

/// A request for discovery that may be answered.
pub(super) struct Discovery {
    /// The absolute address of the directory's endpoint.
    base: String,
    /// Whether the directory shows this without a token.
    open: bool,
    /// What the directory shows beside Users and Groups.
    extras: Extras,
}

impl FromRequestParts<App> for Discovery {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Denied> {
        let nothing = || ScimFailure(ScimError::new(404, "there is nothing at this address"));
        let id = directory(parts).await?.ok_or_else(nothing)?;
        // One that nobody knows is answered like an open one, so that guessing learns nothing.
        let known = app.store.doors().directory(id).await.map_err(|error| ScimFailure::from(Failure::from(error)))?;
        let (open, extras) = known.map_or((true, Extras::default()), |(_, directory)| {
            let settings = &directory.settings;
            let extras = Extras { group_members: settings.group_members, portal_extension: settings.portal_extension };
            (tolerance(&directory).1.open_discovery, extras)
        });
        if !open {
            Client::from_request_parts(parts, app).await?;
        }
        Ok(Self { base: base(app, id), open, extras })
    }
}

pub(super) async fn service_provider_config(asked: Discovery, uri: OriginalUri) -> Answer {
    answer(&asked, &uri, |base| Some(discovery::service_provider_config(base)))
}

pub(super) async fn resource_types(asked: Discovery, uri: OriginalUri) -> Answer {
    answer(&asked, &uri, |base| Some(discovery::resource_types(base, asked.extras)))
}

pub(super) async fn resource_type(asked: Discovery, Names((_, id)): Names<(String, String)>, uri: OriginalUri) -> Answer {
    answer(&asked, &uri, |base| discovery::resource_type(base, asked.extras, &id))
}

pub(super) async fn schemas(asked: Discovery, uri: OriginalUri) -> Answer {
    answer(&asked, &uri, |base| Some(discovery::schemas(base, asked.extras)))
}

pub(super) async fn schema(asked: Discovery, Names((_, id)): Names<(String, String)>, uri: OriginalUri) -> Answer {
    answer(&asked, &uri, |base| discovery::schema(base, asked.extras, &id))
}

type Answer = Result<Response, ScimFailure>;

fn answer(asked: &Discovery, uri: &OriginalUri, document: impl FnOnce(&str) -> Option<Value>) -> Answer {
    let asks_for_a_part = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .any(|(name, _)| name.eq_ignore_ascii_case("filter"));
    if asks_for_a_part {
        // RFC 7644 section 4: a filter here must be refused, so that nobody takes a part for the whole (D05).
        return Err(ScimError::new(403, "discovery endpoints cannot be filtered").into());
    }
    let document = document(&asked.base).ok_or_else(|| ScimError::new(404, "there is no such definition"))?;
    let mut response = body(StatusCode::OK, &document);
    // It varies only with the program's version, so a client may keep it for a while (D10); what needs a token is for that client alone.
    let keep = if asked.open { "public, max-age=300" } else { "private, max-age=300" };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(keep));
    Ok(response)
}
