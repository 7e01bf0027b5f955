//! Users and Groups: parse, one call of provisioning, render.

use axum::extract::{OriginalUri, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::{Client, Names, ScimFailure, body, no_content, read_body, resource};
use crate::app::App;
use crate::provisioning::{Failure, Precondition, Stored, Written, groups, note_refusal, users};
use crate::scim::profile::PatchAnswer;
use crate::scim::project::Projection;
use crate::scim::query::ListQuery;
use crate::scim::schema::ResourceKind;

type Answer = Result<Response, ScimFailure>;
type Id = Names<(String, String)>;

/// The decoded parameters of a request's query, in their order.
fn parameters(uri: &OriginalUri) -> Vec<(String, String)> {
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
        self.settle(self.client.writing()).await?;
        self.settle(projection(self.kind, uri)).await
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
        match read_body(app, request).await {
            Ok(body) => Ok(body),
            Err(ScimFailure(error)) => self.settle(Err(Failure::Refused(error))).await,
        }
    }
}

fn shown(client: &Client, kind: ResourceKind, projection: &Projection, status: StatusCode, written: &Written) -> Response {
    client.count(&written.coercions);
    let Stored { document, version, location, .. } = &written.stored;
    resource(status, projection.apply(kind, document), version, location)
}

fn found(kind: ResourceKind, projection: &Projection, headers: &HeaderMap, stored: &Stored) -> Response {
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
    resource(StatusCode::OK, projection.apply(kind, &stored.document), &stored.version, &stored.location)
}

fn list_query(client: &Client, kind: ResourceKind, uri: &OriginalUri) -> Result<ListQuery, ScimFailure> {
    let query = ListQuery::parse(kind, &parameters(uri), client.profile)?;
    client.count(&query.coercions);
    Ok(query)
}

// Users

const USER: ResourceKind = ResourceKind::User;

pub(super) async fn list_users(client: Client, uri: OriginalUri) -> Answer {
    let query = list_query(&client, USER, &uri)?;
    Ok(body(StatusCode::OK, &users::list(&client.endpoint(), &query).await?))
}

pub(super) async fn get_user(client: Client, Names((_, id)): Id, uri: OriginalUri, headers: HeaderMap) -> Answer {
    let projection = projection(USER, &uri)?;
    let stored = users::get(&client.endpoint(), &id).await?;
    Ok(found(USER, &projection, &headers, &stored))
}

pub(super) async fn create_user(client: Client, State(app): State<App>, uri: OriginalUri, request: Request) -> Answer {
    let write = Write { client: &client, kind: USER, operation: "create", id: None };
    let projection = write.begin(&uri).await?;
    let body = write.body(&app, request).await?;
    let written = write.settle(users::create(&client.endpoint(), body).await).await?;
    Ok(shown(&client, USER, &projection, StatusCode::CREATED, &written))
}

pub(super) async fn replace_user(
    client: Client,
    State(app): State<App>,
    Names((_, id)): Id,
    uri: OriginalUri,
    request: Request,
) -> Answer {
    let write = Write { client: &client, kind: USER, operation: "replace", id: Some(&id) };
    let projection = write.begin(&uri).await?;
    let body = write.body(&app, request).await?;
    let written = write.settle(users::replace(&client.endpoint(), &id, &body).await).await?;
    Ok(shown(&client, USER, &projection, StatusCode::OK, &written))
}

pub(super) async fn patch_user(
    client: Client,
    State(app): State<App>,
    Names((_, id)): Id,
    uri: OriginalUri,
    request: Request,
) -> Answer {
    let write = Write { client: &client, kind: USER, operation: "patch", id: Some(&id) };
    let projection = write.begin(&uri).await?;
    let body = write.body(&app, request).await?;
    let written = write.settle(users::patch(&client.endpoint(), &id, body).await).await?;
    Ok(patched(&client, USER, client.profile.tolerance().patched_user, &projection, &written))
}

pub(super) async fn delete_user(client: Client, Names((_, id)): Id) -> Answer {
    let write = Write { client: &client, kind: USER, operation: "delete", id: Some(&id) };
    write.settle(client.writing()).await?;
    write.settle(users::delete(&client.endpoint(), &id).await).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

// Groups

const GROUP: ResourceKind = ResourceKind::Group;

pub(super) async fn list_groups(client: Client, uri: OriginalUri) -> Answer {
    let query = list_query(&client, GROUP, &uri)?;
    Ok(body(StatusCode::OK, &groups::list(&client.endpoint(), &query).await?))
}

pub(super) async fn get_group(client: Client, Names((_, id)): Id, uri: OriginalUri, headers: HeaderMap) -> Answer {
    let projection = projection(GROUP, &uri)?;
    let stored = groups::get(&client.endpoint(), &id, &projection).await?;
    Ok(found(GROUP, &projection, &headers, &stored))
}

pub(super) async fn create_group(client: Client, State(app): State<App>, uri: OriginalUri, request: Request) -> Answer {
    let write = Write { client: &client, kind: GROUP, operation: "create", id: None };
    let projection = write.begin(&uri).await?;
    let body = write.body(&app, request).await?;
    let written = write.settle(groups::create(&client.endpoint(), body).await).await?;
    Ok(shown(&client, GROUP, &projection, StatusCode::CREATED, &written))
}

pub(super) async fn replace_group(
    client: Client,
    State(app): State<App>,
    Names((_, id)): Id,
    uri: OriginalUri,
    request: Request,
) -> Answer {
    let write = Write { client: &client, kind: GROUP, operation: "replace", id: Some(&id) };
    let projection = write.begin(&uri).await?;
    let body = write.body(&app, request).await?;
    let written = write.settle(groups::replace(&client.endpoint(), &id, &body, &projection).await).await?;
    Ok(shown(&client, GROUP, &projection, StatusCode::OK, &written))
}

pub(super) async fn patch_group(
    client: Client,
    State(app): State<App>,
    Names((_, id)): Id,
    uri: OriginalUri,
    request: Request,
) -> Answer {
    let write = Write { client: &client, kind: GROUP, operation: "patch", id: Some(&id) };
    let projection = write.begin(&uri).await?;
    let body = write.body(&app, request).await?;
    let written = write.settle(groups::patch(&client.endpoint(), &id, body, &projection).await).await?;
    Ok(patched(&client, GROUP, client.profile.tolerance().patched_group, &projection, &written))
}

pub(super) async fn delete_group(client: Client, Names((_, id)): Id) -> Answer {
    let write = Write { client: &client, kind: GROUP, operation: "delete", id: Some(&id) };
    write.settle(client.writing()).await?;
    write.settle(groups::delete(&client.endpoint(), &id).await).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A PATCH is answered as the profile says, and with the resource whenever the request asks for attributes (P04).
fn patched(client: &Client, kind: ResourceKind, answer: PatchAnswer, projection: &Projection, written: &Written) -> Response {
    match answer {
        PatchAnswer::NoContent if !projection.is_selective() => {
            client.count(&written.coercions);
            no_content(&written.stored.version, &written.stored.location)
        }
        PatchAnswer::NoContent | PatchAnswer::Resource => shown(client, kind, projection, StatusCode::OK, written),
    }
}
