//! Users and Groups: parse, one call of provisioning, render.

use axum::extract::{OriginalUri, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};
use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::{Client, Names, ScimFailure, lists, marked, no_content, read_body, resource, stream};
use crate::app::App;
use crate::provisioning::{self, Failure, Precondition, Stored, Written, note_refusal};
use crate::scim::profile::PatchAnswer;
use crate::scim::project::Projection;
use crate::scim::schema::ResourceKind;

pub(super) type Answer = Result<Response, ScimFailure>;
type Id = Names<(String, String)>;

/// The decoded parameters of a request's query, in their order.
pub(super) fn parameters(uri: &OriginalUri) -> Vec<(String, String)> {
    url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect()
}

fn projection(kind: ResourceKind, uri: &OriginalUri) -> Result<Projection, Failure> {
    let parameters = parameters(uri);
    let one = |wanted: &str| parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.as_str());
    Ok(Projection::parse(kind, one("attributes"), one("excludedAttributes"))?)
}

/// What a write is called in the provisioning log.
struct Write<'a> {
    client: &'a Client,
    kind: ResourceKind,
    operation: &'static str,
    id: Option<&'a str>,
}

impl Write<'_> {
    /// Whether the client may write at all, and what it wants to see afterwards.
    async fn begin(&self, uri: &OriginalUri) -> Result<Projection, ScimFailure> {
        self.allowed().await?;
        self.settle(projection(self.kind, uri)).await
    }

    /// Whether the client may write, and says which version where the directory asks for that (V05).
    async fn allowed(&self) -> Result<(), ScimFailure> {
        self.settle(self.client.writing()).await?;
        if self.id.is_some() { self.settle(self.client.conditional()).await } else { Ok(()) }
    }

    /// Logs a write that was refused, and turns it into its answer.
    async fn settle<T>(&self, result: Result<T, Failure>) -> Result<T, ScimFailure> {
        if let Err(failure) = &result {
            note_refusal(&self.client.endpoint(), self.operation, self.kind.name(), self.id, failure).await;
        }
        Ok(result?)
    }

    /// A body that cannot be read is a refused write too.
    async fn body(&self, app: &App, request: Request) -> Result<crate::scim::Value, ScimFailure> {
        match read_body(app, request, self.client.tolerance.missing_content_type).await {
            Ok(body) => Ok(body),
            Err(ScimFailure(error)) => self.settle(Err(Failure::Refused(error))).await,
        }
    }
}

fn shown(client: &Client, kind: ResourceKind, projection: &Projection, status: StatusCode, written: Written) -> Response {
    client.count(&written.coercions);
    whole(status, kind, projection, written.stored)
}

/// A resource as the request wants it shown. Members that are too many for one document follow it page by page.
fn whole(status: StatusCode, kind: ResourceKind, projection: &Projection, stored: Stored) -> Response {
    let Stored { document, version, location, pages, .. } = stored;
    let document = projection.apply(kind, &document);
    match pages {
        None => resource(status, document, &version, &location),
        Some(pages) => marked(status, stream::with_members(document, pages), &version, &location),
    }
}

fn found(kind: ResourceKind, projection: &Projection, headers: &HeaderMap, stored: Stored) -> Response {
    let unchanged = headers
        .get(IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| Precondition::parse(value).names(&stored.version));
    if unchanged {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        if let Ok(value) = HeaderValue::from_str(&stored.version) {
            response.headers_mut().insert(ETAG, value);
        }
        return response;
    }
    whole(StatusCode::OK, kind, projection, stored)
}

/// What is done to all resources of a kind.
pub(super) fn collection(kind: ResourceKind) -> MethodRouter<App> {
    lists::listed(&[kind]).post(move |client, app, uri, request| create(kind, client, app, uri, request))
}

/// What is done to one resource.
pub(super) fn single(kind: ResourceKind) -> MethodRouter<App> {
    get(move |client, id, uri, headers| read(kind, client, id, uri, headers))
        .put(move |client, app, id, uri, request| replace(kind, client, app, id, uri, request))
        .patch(move |client, app, id, uri, request| patch(kind, client, app, id, uri, request))
        .delete(move |client, id| delete(kind, client, id))
}

/// What is done to a resource that never changes.
pub(super) fn unchanging(kind: ResourceKind) -> MethodRouter<App> {
    get(move |client, id, uri, headers| read(kind, client, id, uri, headers)).delete(move |client, id| delete(kind, client, id))
}

async fn read(kind: ResourceKind, client: Client, Names((_, id)): Id, uri: OriginalUri, headers: HeaderMap) -> Answer {
    let projection = projection(kind, &uri)?;
    let stored = provisioning::get(&client.endpoint(), kind, &id, &projection).await?;
    Ok(found(kind, &projection, &headers, stored))
}

async fn create(kind: ResourceKind, client: Client, State(app): State<App>, uri: OriginalUri, request: Request) -> Answer {
    let write = Write { client: &client, kind, operation: "create", id: None };
    let projection = write.begin(&uri).await?;
    let body = write.body(&app, request).await?;
    let written = write.settle(provisioning::create(&client.endpoint(), kind, body, &projection).await).await?;
    Ok(shown(&client, kind, &projection, StatusCode::CREATED, written))
}

async fn replace(
    kind: ResourceKind,
    client: Client,
    State(app): State<App>,
    Names((_, id)): Id,
    uri: OriginalUri,
    request: Request,
) -> Answer {
    let write = Write { client: &client, kind, operation: "replace", id: Some(&id) };
    let projection = write.begin(&uri).await?;
    let body = write.body(&app, request).await?;
    let written = write.settle(provisioning::replace(&client.endpoint(), kind, &id, &body, &projection).await).await?;
    Ok(shown(&client, kind, &projection, StatusCode::OK, written))
}

async fn patch(
    kind: ResourceKind,
    client: Client,
    State(app): State<App>,
    Names((_, id)): Id,
    uri: OriginalUri,
    request: Request,
) -> Answer {
    let write = Write { client: &client, kind, operation: "patch", id: Some(&id) };
    let projection = write.begin(&uri).await?;
    let body = write.body(&app, request).await?;
    let written = write.settle(provisioning::patch(&client.endpoint(), kind, &id, body, &projection).await).await?;
    Ok(patched(&client, kind, &projection, written))
}

async fn delete(kind: ResourceKind, client: Client, Names((_, id)): Id) -> Answer {
    let write = Write { client: &client, kind, operation: "delete", id: Some(&id) };
    write.allowed().await?;
    write.settle(provisioning::delete(&client.endpoint(), kind, &id).await).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A PATCH is answered as the profile says, and with the resource whenever the request asks for attributes (P04).
fn patched(client: &Client, kind: ResourceKind, projection: &Projection, written: Written) -> Response {
    match provisioning::patch_answer(&client.tolerance, kind) {
        PatchAnswer::NoContent if !projection.is_selective() => {
            client.count(&written.coercions);
            no_content(&written.stored.version, &written.stored.location)
        }
        PatchAnswer::NoContent | PatchAnswer::Resource => shown(client, kind, projection, StatusCode::OK, written),
    }
}
