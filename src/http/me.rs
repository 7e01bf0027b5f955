//! `/me`: who is signed in, and what the active login holds on which accounts.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use uuid::Uuid;

use super::extract::SignedIn;
use super::layers::trouble;
use super::logins::names;
use super::pages::{self, AccountNode, Cause, Contact, Frame, Page, RoleLine, Visitor, Wrong};
use crate::app::App;
use crate::directory;
use crate::directory::RuleBook;
use crate::directory::access::Reach;
use crate::directory::effective::EffectiveRole;
use crate::model::{AccountId, AssignmentSource, Session};
use crate::store::Reader;

/// `/` leads to the page of the person.
pub(super) async fn home() -> Redirect {
    Redirect::to("/me")
}

/// The page of the person.
pub(super) async fn page(State(app): State<App>, SignedIn(session): SignedIn) -> Response {
    match view(&app, &session).await {
        Ok(Some(view)) => Page(StatusCode::OK, view).into_response(),
        // The login went between the look at the session and this one.
        Ok(None) => Redirect::to("/sign-in").into_response(),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the page of a person could not be read");
            trouble(Wrong::Unavailable)
        }
    }
}

async fn view(app: &App, session: &Session) -> directory::Result<Option<pages::SignedIn>> {
    let mut reader = app.store.read(session.tenant_id);
    let Some(Seen { frame, visitor, contact }) = seen(&mut reader, session, &app.rules).await? else { return Ok(None) };
    let reach = Reach::load(&mut reader, session.active_login_id, &app.rules).await?;
    let rules = reader.rules().await?.into_iter().map(|rule| (rule.id.uuid(), rule.name)).collect();
    Ok(Some(pages::SignedIn {
        frame,
        visitor,
        accounts: reach.map(|reach| tree(&reach, &rules, None)).unwrap_or_default(),
        contact,
    }))
}

/// Who is signed in, as pages show it.
pub(super) struct Seen {
    pub(super) frame: Frame,
    pub(super) visitor: Visitor,
    /// Whom to ask for access.
    pub(super) contact: Option<Contact>,
}

/// Who is signed in; `None` when the login went in this moment.
pub(super) async fn seen(reader: &mut Reader, session: &Session, rules: &RuleBook) -> directory::Result<Option<Seen>> {
    let (Some(tenant), Some(row)) = (reader.tenant_row().await?, reader.any_login(session.active_login_id).await?) else {
        return Ok(None);
    };
    let connection = match reader.connection_of_session(session.id, row.login.id).await? {
        Some(id) => reader.connection(id).await?,
        None => None,
    };
    let (login_name, other) = names::in_header(reader, rules, &row.login).await?;
    let visitor = Visitor {
        name: display_name(&row.scim).unwrap_or_else(|| row.login.user_name.clone()),
        user_name: row.login.user_name.clone(),
        login_name: login_name.map(ToOwned::to_owned),
        kind: row.login.kind,
        connection: connection.as_ref().map(|connection| connection.name.clone()),
        other,
    };
    Ok(Some(Seen {
        frame: Frame { tenant: Some(tenant.name), visitor: Some(visitor.clone()), here: None },
        visitor,
        contact: connection.and_then(|connection| connection.contact).map(Contact),
    }))
}

/// What to call a person: the name that the directory shows, else the parts of it.
pub(super) fn display_name(scim: &serde_json::Value) -> Option<String> {
    let text = |value: Option<&serde_json::Value>| {
        value.and_then(serde_json::Value::as_str).filter(|text| !text.trim().is_empty()).map(ToOwned::to_owned)
    };
    let name = scim.get("name");
    text(scim.get("displayName")).or_else(|| text(name.and_then(|name| name.get("formatted")))).or_else(|| {
        let parts = ["givenName", "familyName"].map(|part| text(name.and_then(|name| name.get(part))));
        let joined = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
        (!joined.is_empty()).then_some(joined)
    })
}

/// The accounts on which a login holds a role itself, each below the accounts that lead to it.
pub(super) fn tree(reach: &Reach, rules: &BTreeMap<Uuid, String>, parent: Option<AccountId>) -> Vec<AccountNode> {
    tree_of(reach, rules, parent, &|account| reach.roles(account))
}

/// The accounts on which there is one of these roles, each below the accounts that lead to it.
pub(super) fn tree_of<'a>(
    reach: &'a Reach,
    rules: &BTreeMap<Uuid, String>,
    parent: Option<AccountId>,
    roles_at: &impl Fn(AccountId) -> Vec<EffectiveRole<'a>>,
) -> Vec<AccountNode> {
    let mut nodes = Vec::new();
    for account in reach.tree().children(parent) {
        let held = roles_at(account.id);
        let roles = held.iter().filter(|held| held.counts()).map(|held| line(reach, rules, account.id, held)).collect();
        let node = AccountNode { name: account.name.clone(), roles, children: tree_of(reach, rules, Some(account.id), roles_at) };
        if !node.roles.is_empty() || !node.children.is_empty() {
            nodes.push(node);
        }
    }
    nodes
}

fn line(reach: &Reach, rules: &BTreeMap<Uuid, String>, account: AccountId, held: &EffectiveRole<'_>) -> RoleLine {
    let is_inherited = held.causes.iter().all(|cause| cause.assignment.account_id != account);
    let inherited_from = held.causes.last().filter(|_| is_inherited).map(|cause| cause.assignment.account_id);
    let name_of = |key: &str| reach.catalogue().role(key).map_or_else(|| key.to_owned(), |role| role.name.clone());
    RoleLine {
        name: match (held.service, held.instance) {
            (Some(service), instance) if held.role.service.is_none() || instance.is_some() => {
                format!("{} ({})", held.role.name, instance.unwrap_or(service))
            }
            _ => held.role.name.clone(),
        },
        description: held.role.description.clone(),
        causes: held
            .causes
            .iter()
            .map(|cause| match (cause.included_by, cause.assignment.source) {
                (Some(role), _) => Cause::Included(name_of(role)),
                (None, AssignmentSource::Rule) => {
                    rules.get(&cause.assignment.source_id).map_or(Cause::Manual, |name| Cause::Rule(name.clone()))
                }
                (None, AssignmentSource::Operator) => Cause::Operator,
                (None, AssignmentSource::Manual) => Cause::Manual,
            })
            .collect(),
        inherited_from: inherited_from.and_then(|id| reach.tree().get(id)).map(|account| account.name.clone()),
    }
}
