//! Lists and searches: of one kind of resource, and at the root of several at once.
//!
//! Cursors leave the service sealed for the token that they are handed to, so that nobody else's work, and none that a client made up is
//! ever read (L08, L09). What a request may see is decided by its own token, for each page anew.

use axum::extract::{OriginalUri, Request, State};
use axum::routing::{MethodRouter, get, post};
use http::StatusCode;

use super::resources::{Answer, parameters};
use super::{Client, ScimFailure, body, read_body};
use crate::app::App;
use crate::keys::Place;
use crate::provisioning::list::{self, Listed};
use crate::scim::cursor::{self, Cursor};
use crate::scim::message::{ListResponse, PagePlace};
use crate::scim::query::{ListQuery, Paging};
use crate::scim::schema::ResourceKind;

/// The list of these kinds by GET.
pub(super) fn listed(kinds: &[ResourceKind]) -> MethodRouter<App> {
    let kinds = kinds.to_vec();
    get(move |client, uri| list(kinds.clone(), client, uri))
}

/// The list of these kinds by POST (RFC 7644 section 3.4.3). It changes nothing, so a token that may only read may search.
pub(super) fn searched(kinds: &[ResourceKind]) -> MethodRouter<App> {
    let kinds = kinds.to_vec();
    post(move |client, app, request| search(kinds.clone(), client, app, request))
}

async fn list(kinds: Vec<ResourceKind>, client: Client, uri: OriginalUri) -> Answer {
    let query = ListQuery::parse(&kinds, &parameters(&uri), client.profile)?;
    answer(&client, &query).await
}

async fn search(kinds: Vec<ResourceKind>, client: Client, State(app): State<App>, request: Request) -> Answer {
    let body = read_body(&app, request, client.tolerance.missing_content_type).await?;
    let query = ListQuery::from_search_request(&kinds, &body, client.profile)?;
    answer(&client, &query).await
}

async fn answer(client: &Client, query: &ListQuery) -> Answer {
    client.count(&client.noted);
    client.count(&query.coercions);
    let endpoint = client.endpoint();
    let (listed, place) = match &query.paging {
        Paging::Index(start) => (list::by_index(&endpoint, query, *start).await?, PagePlace::Index(*start)),
        Paging::Cursor(text) => {
            let now = client.app.clock.now().timestamp();
            let cursor = text.as_deref().map(|text| open(client, query, text, now)).transpose()?;
            let listed = list::by_cursor(&endpoint, query, cursor.as_ref(), now).await?;
            let next = listed.next.as_ref().map(|next| client.app.sealer.seal_for_url(&place(client), &next.to_bytes()));
            (listed, PagePlace::Cursor(next))
        }
    };
    let Listed { total, resources, .. } = listed;
    Ok(body(StatusCode::OK, &ListResponse { total_results: total, place, resources }.into_value()))
}

fn open(client: &Client, query: &ListQuery, text: &str, now: i64) -> Result<Cursor, ScimFailure> {
    let bytes = client.app.sealer.open_from_url(&place(client), text).map_err(|_| ScimFailure::from(cursor::invalid()))?;
    Ok(Cursor::read(&bytes, query, now)?)
}

/// A token belongs to one directory of one tenant, and so does what is sealed for it.
fn place(client: &Client) -> Place {
    Place { table: "tokens", column: "cursor", row: client.token.uuid() }
}
