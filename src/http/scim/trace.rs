//! Reads of a directory in trace mode, for its provisioning log.
//!
//! The layer gives every request a slip. [`Client`](super::Client) writes on it who asks, when the directory is in trace mode; an answer
//! to a slip with a name on it is logged. Nothing is done for the others.

use std::sync::{Arc, OnceLock};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{Method, Uri};

use super::ScimFailure;
use crate::app::App;
use crate::directory::reads::Read;
use crate::http::layers::RequestId;
use crate::model::{DirectoryId, TenantId, TokenId};
use crate::scim::message::ScimType;

/// Who asks, once that is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Slip(Arc<OnceLock<Traced>>);

/// A client of a directory in trace mode.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traced {
    pub(super) tenant: TenantId,
    pub(super) directory: DirectoryId,
    pub(super) token: TokenId,
}

impl Slip {
    pub(super) fn name(&self, traced: Traced) {
        // A request is authenticated once.
        let _ = self.0.set(traced);
    }
}

/// Logs reads of directories in trace mode.
pub(super) async fn layer(State(app): State<App>, id: RequestId, mut request: Request, next: Next) -> Response {
    let Some((operation, resource_type, resource_id)) = what(request.method(), request.uri()) else {
        return next.run(request).await;
    };
    let slip = Slip::default();
    request.extensions_mut().insert(slip.clone());
    let response = next.run(request).await;
    if let Some(traced) = slip.0.get() {
        let refusal = response.extensions().get::<ScimFailure>().map(|ScimFailure(error)| error);
        let read = Read {
            tenant: traced.tenant,
            directory: traced.directory,
            token: traced.token,
            at: app.clock.now(),
            operation,
            resource_type,
            resource_id,
            status: response.status().as_u16(),
            scim_type: refusal.and_then(|error| error.scim_type).map(ScimType::as_str),
            detail: refusal.map(|error| error.detail.clone()),
            request_id: id.0,
        };
        if !app.reads.add(read) {
            app.metrics.traced_read_dropped();
        }
    }
    response
}

/// What a request wants to read, from the last parts of its path. Requests that write have entries of their own.
fn what(method: &Method, uri: &Uri) -> Option<(&'static str, &'static str, Option<uuid::Uuid>)> {
    let parts: Vec<_> = uri.path().split('/').filter(|part| !part.is_empty()).collect();
    let searches = parts.last() == Some(&".search");
    if !(*method == Method::GET || *method == Method::HEAD || (*method == Method::POST && searches)) {
        return None;
    }
    let types = [("Users", "User"), ("Groups", "Group"), ("GroupMembers", "GroupMember")];
    let found = types.iter().find_map(|(path, name)| parts.iter().position(|part| part == path).map(|at| (at, *name)));
    let Some((at, resource_type)) = found else {
        // At the root of a directory, which lists and searches all that is in it.
        let operation = if searches { "search" } else { "list" };
        return (searches || parts.is_empty()).then_some((operation, "Resource", None));
    };
    match parts.get(at + 1) {
        None => Some(("list", resource_type, None)),
        Some(&".search") => Some(("search", resource_type, None)),
        Some(id) => Some(("read", resource_type, id.parse().ok())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_told_from_writes_by_method_and_path() {
        let id = "01900000-0000-7000-8000-000000000000";
        for (method, path, expected) in [
            (Method::GET, "/Users", Some(("list", "User", false))),
            (Method::GET, "/scim/v2/d/Users/", Some(("list", "User", false))),
            (Method::GET, "/Groups/01900000-0000-7000-8000-000000000000", Some(("read", "Group", true))),
            (Method::HEAD, "/Groups/x", Some(("read", "Group", false))),
            (Method::POST, "/Users/.search", Some(("search", "User", false))),
            (Method::POST, "/.search", Some(("search", "Resource", false))),
            (Method::GET, "/", Some(("list", "Resource", false))),
            (Method::POST, "/", None),
            (Method::POST, "/Users", None),
            (Method::PATCH, "/Users/x", None),
            (Method::GET, "/Schemas", None),
        ] {
            let found = what(&method, &path.parse().unwrap());
            let found = found.map(|(operation, kind, found)| {
                assert!(found.is_none_or(|found| found.to_string() == id));
                (operation, kind, found.is_some())
            });
            assert_eq!(found, expected, "{method} {path}");
        }
    }
}
