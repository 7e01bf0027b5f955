//! All tenants, for the operator's persons.

use axum::extract::{OriginalUri, Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::asker::{Asker, Body};
use super::paging::{self, Wanted};
use super::problem::Problem;
use crate::app::App;
use crate::directory::tenants::{TenantView, Tenants};
use crate::http::layers::RequestId;
use crate::model::TenantState;
use crate::store::TenantFigures;

/// `GET /tenants`: all of them, by slug.
pub(super) async fn list(State(app): State<App>, asker: Asker, id: RequestId, uri: OriginalUri) -> Result<Body<Value>, Problem> {
    let tenants = tenants(&app, &asker, &id)?;
    let Wanted { after, limit } = Wanted::<String>::read(uri.query().unwrap_or_default())?;
    let after = after.unwrap_or_default();
    // A slug has no NUL, and PostgreSQL reads none.
    if after.contains('\0') {
        return Err(Problem::invalid("after: the next of a former page"));
    }
    let rows = tenants.list(&after, limit + 1).await?;
    let (rows, next) = paging::cut(rows, limit, |row| row.slug.clone());
    Ok(Body(json!({ "items": rows.iter().map(shown).collect::<Vec<_>>(), "next": next })))
}

/// `GET /tenants/{tenant}`: one, by its slug, with how many people it has.
pub(super) async fn read(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(slug): Path<String>,
) -> Result<Body<Value>, Problem> {
    Ok(Body(whole(&tenants(&app, &asker, &id)?.read(named(&slug)?).await?)))
}

/// The body of `PATCH /tenants/{tenant}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    state: TenantState,
}

/// `PATCH /tenants/{tenant}`: suspends it, or takes it into use again.
pub(super) async fn change(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(slug): Path<String>,
    Body(Change { state }): Body<Change>,
) -> Result<Body<Value>, Problem> {
    Ok(Body(whole(&tenants(&app, &asker, &id)?.change(named(&slug)?, state).await?)))
}

fn tenants<'a>(app: &'a App, asker: &'a Asker, id: &'a RequestId) -> Result<Tenants<'a>, Problem> {
    let (reach, actor) = asker.at_home_of_the_operator()?;
    Ok(Tenants { store: &app.store, reach, caller: id.caller(app, actor) })
}

/// PostgreSQL reads no NUL.
fn named(slug: &str) -> Result<&str, Problem> {
    if slug.contains('\0') { Err(Problem::not_found()) } else { Ok(slug) }
}

fn shown(row: &TenantFigures) -> Value {
    json!({
        "id": row.tenant_id,
        "slug": row.slug,
        "name": row.name,
        "catalogue": row.catalogue,
        "state": row.state,
        "created_at": row.created_at,
        "accounts": row.accounts,
        "directories": row.directories,
        "connections": row.connections,
    })
}

fn whole(view: &TenantView) -> Value {
    let mut item = shown(&view.figures);
    item["persons"] = view.persons.into();
    item["logins"] = view.logins.into();
    item
}
