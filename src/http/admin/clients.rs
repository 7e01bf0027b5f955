//! Clients that work for themselves, as an administrator sees and ends them.

use axum::extract::{OriginalUri, Path, State};
use http::StatusCode;
use serde_json::{Value, json};

use super::asker::{Asker, Body};
use super::paging::Wanted;
use super::problem::{Kind, Problem};
use crate::app::App;
use crate::directory::clients::Clients;
use crate::http::layers::RequestId;
use crate::model::ClientId;

/// `GET /clients`: those that act on accounts which who asks looks after, ended ones too.
pub(super) async fn list(State(app): State<App>, asker: Asker, id: RequestId, uri: OriginalUri) -> Result<Body<Value>, Problem> {
    let clients = clients(&app, &asker, &id)?;
    let page = Wanted::read(uri.query().unwrap_or_default())?;
    let (clients, next) = page.of(clients.list(asker.reach()?).await?, |client| client.client_id.clone());
    let items = clients.iter().map(|client| {
        json!({
            "id": client.id,
            "client_id": client.client_id,
            "name": client.name,
            "scopes": client.scopes,
            "within": client.within_id,
            "created_at": client.created_at,
            "last_used_at": client.last_used_at,
            "revoked_at": client.revoked_at,
        })
    });
    Ok(Body(json!({ "items": items.collect::<Vec<_>>(), "next": next })))
}

/// `DELETE /clients/{client}`: ends it at once, with its access tokens.
pub(super) async fn revoke(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(client): Path<String>,
) -> Result<StatusCode, Problem> {
    let clients = clients(&app, &asker, &id)?;
    let client: ClientId = client.parse().map_err(|_| Problem::not_found())?;
    clients.revoke(client, asker.reach()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The tenant's clients, for somebody who is none.
fn clients<'a>(app: &'a App, asker: &Asker, id: &'a RequestId) -> Result<Clients<'a>, Problem> {
    match asker {
        Asker::Administrator { .. } | Asker::Operator { .. } => {
            Ok(Clients { store: &app.store, tenant: asker.tenant(), caller: id.caller(app, asker.actor()) })
        }
        Asker::Token { .. } | Asker::Client { .. } => {
            Err(Problem::with(Kind::Forbidden, "clients are looked after by people; this needs an administrator's session"))
        }
    }
}
