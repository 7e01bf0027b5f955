//! Accounts and what they subscribe to.

use axum::extract::{OriginalUri, Path, State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::asker::{Asker, Body};
use super::paging::{self, Wanted};
use super::problem::Problem;
use crate::app::App;
use crate::directory::access::{Permission, Reach};
use crate::directory::accounts::{AccountChange, Accounts, NewAccount};
use crate::http::layers::RequestId;
use crate::model::{Account, AccountId, AccountState};
use crate::scim::fold::fold;

/// `GET /accounts`: those that who asks may see, each after the one above it.
pub(super) async fn list(asker: Asker, uri: OriginalUri) -> Result<Body<Value>, Problem> {
    let reach = asker.reach_for(Permission::ViewAccounts)?;
    let Query { page, parent, search } = query(uri.query().unwrap_or_default())?;
    let mut rest = reach.tree().downwards();
    // A page goes on after an account, wherever that stands by now. No account ever goes.
    if let Some(after) = page.after {
        let at = rest.iter().position(|account| account.id == after);
        rest.drain(..=at.ok_or_else(|| Problem::invalid("after: the next of a former page"))?);
    }
    rest.retain(|account| {
        parent.is_none_or(|parent| account.parent_id == Some(parent))
            && search.as_ref().is_none_or(|text| [&account.name, &account.slug].iter().any(|own| fold(own).contains(text)))
            && reach.allows(Permission::ViewAccounts, account.id)
    });
    let (page, next) = paging::cut(rest, page.limit, |account| account.id);
    Ok(Body(json!({ "items": page.into_iter().map(|account| shown(reach, account)).collect::<Vec<_>>(), "next": next })))
}

/// Which accounts are wanted.
#[derive(Debug, Default)]
struct Query {
    page: Wanted<AccountId>,
    /// Those directly below this one.
    parent: Option<AccountId>,
    /// Those that have this in their name or slug, folded.
    search: Option<String>,
}

fn query(text: &str) -> Result<Query, Problem> {
    let mut query = Query::default();
    for (name, value) in paging::parameters(text)? {
        match name.as_str() {
            "parent" => query.parent = Some(value.parse().map_err(|_| Problem::invalid("parent: the id of an account"))?),
            "search" => query.search = Some(fold(&value)),
            name if query.page.take(name, &value)? => {}
            _ => return Err(Problem::invalid("there are the parameters parent, search, after, limit")),
        }
    }
    Ok(query)
}

/// `GET /accounts/{account}`: one, with its services and their instances.
pub(super) async fn read(State(app): State<App>, asker: Asker, Path(account): Path<String>) -> Result<Body<Value>, Problem> {
    let id = asker.account(&account, Permission::ViewAccounts)?;
    let mut reader = app.store.read(asker.tenant());
    let services = reader.services_of(id).await?;
    let instances = reader.instances_of(id).await?;
    let reach = asker.reach()?;
    let mut item = reach.tree().get(id).map_or(Value::Null, |account| shown(reach, account));
    item["services"] = services
        .iter()
        .map(|service| {
            let own = instances.iter().filter(|instance| instance.service_id == service.id);
            json!({ "key": service.key, "instances": own.map(|instance| &instance.reference).collect::<Vec<_>>() })
        })
        .collect();
    Ok(Body(item))
}

/// The body of `POST /accounts`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    parent: AccountId,
    slug: String,
    name: String,
}

/// `POST /accounts`: makes one below another.
pub(super) async fn create(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Body(new): Body<Create>,
) -> Result<(StatusCode, Body<Value>), Problem> {
    let new = NewAccount { parent: new.parent, slug: new.slug, name: new.name };
    let made = accounts(&app, &asker, &id)?.create(&new).await?;
    let path = format!("{}/{}", asker.reach()?.tree().path(new.parent), made.slug);
    Ok((StatusCode::CREATED, Body(described(&made, &path))))
}

/// The body of `PATCH /accounts/{account}`: what is to be different.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    slug: Option<String>,
    name: Option<String>,
    parent: Option<AccountId>,
    state: Option<AccountState>,
}

/// `PATCH /accounts/{account}`: renames, moves, suspends, or takes it into use again.
pub(super) async fn change(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(account): Path<String>,
    Body(change): Body<Change>,
) -> Result<Body<Value>, Problem> {
    let account = asker.account(&account, Permission::ManageAccounts)?;
    let Change { slug, name, parent, state } = change;
    let changed = accounts(&app, &asker, &id)?.change(account, &AccountChange { slug, name, parent, state }).await?;
    let tree = asker.reach()?.tree();
    let path = match changed.parent_id {
        Some(parent) => format!("{}/{}", tree.path(parent), changed.slug),
        None => changed.slug.clone(),
    };
    Ok(Body(described(&changed, &path)))
}

/// `PUT /accounts/{account}/services/{service}`: subscribes to it; once is enough.
pub(super) async fn subscribe(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path((account, service)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let account = asker.account(&account, Permission::Subscribe)?;
    accounts(&app, &asker, &id)?.subscribe(account, &service).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /accounts/{account}/services/{service}`: ends the subscription, and what was given for the service alone.
pub(super) async fn unsubscribe(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path((account, service)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let account = asker.account(&account, Permission::Subscribe)?;
    accounts(&app, &asker, &id)?.unsubscribe(account, &service).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT /accounts/{account}/services/{service}/instances/{instance}`: makes an instance known; once is enough.
pub(super) async fn add_instance(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path((account, service, instance)): Path<(String, String, String)>,
) -> Result<StatusCode, Problem> {
    let account = asker.account(&account, Permission::Subscribe)?;
    accounts(&app, &asker, &id)?.add_instance(account, &service, &instance).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /accounts/{account}/services/{service}/instances/{instance}`: forgets it, and what was given for it alone.
pub(super) async fn remove_instance(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path((account, service, instance)): Path<(String, String, String)>,
) -> Result<StatusCode, Problem> {
    let account = asker.account(&account, Permission::Subscribe)?;
    accounts(&app, &asker, &id)?.remove_instance(account, &service, &instance).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn accounts<'a>(app: &'a App, asker: &'a Asker, id: &'a RequestId) -> Result<Accounts<'a>, Problem> {
    let (reach, caller) = (asker.reach()?, id.caller(app, asker.actor()));
    Ok(Accounts { store: &app.store, tenant: asker.tenant(), rules: &app.rules, reach, caller })
}

fn shown(reach: &Reach, account: &Account) -> Value {
    let mut item = described(account, &reach.tree().path(account.id));
    item["services"] = json!(reach.services(account.id));
    item
}

fn described(account: &Account, path: &str) -> Value {
    json!({
        "id": account.id,
        "parent": account.parent_id,
        "slug": account.slug,
        "path": path,
        "name": account.name,
        "state": account.state,
    })
}
