//! `/me`: who is signed in, and what the active login holds on which accounts.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;

use super::extract::SignedIn;
use super::layers::trouble;
use super::pages::{self, AccountNode, Cause, Contact, Frame, Page, RoleLine, Visitor, Wrong};
use crate::app::App;
use crate::directory::catalogue::Catalogue;
use crate::model::{Account, AccountId, AssignmentSource, EffectiveRole, Session, Slot};
use crate::store;

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

async fn view(app: &App, session: &Session) -> store::Result<Option<pages::SignedIn>> {
    let mut reader = app.store.read(session.tenant_id);
    let (Some(tenant), Some(row)) = (reader.tenant_row().await?, reader.any_login(session.active_login_id).await?) else {
        return Ok(None);
    };
    let connection = match reader.connection_of_session(session.id, row.login.id).await? {
        Some(id) => reader.connection(id).await?,
        None => None,
    };
    let roles = reader.effective_roles(row.login.id).await?;
    let accounts = reader.accounts().await?;
    let visitor = Visitor {
        name: display_name(&row.scim).unwrap_or_else(|| row.login.user_name.clone()),
        user_name: row.login.user_name.clone(),
        login_name: (reader.login_count(row.login.person_id).await? > 1).then(|| {
            match row.login.slot {
                Slot::One => "first login",
                Slot::Two => "second login",
            }
            .to_owned()
        }),
        kind: row.login.kind,
        connection: connection.as_ref().map(|connection| connection.name.clone()),
    };
    Ok(Some(pages::SignedIn {
        frame: Frame { tenant: Some(tenant.name), visitor: Some(visitor.clone()) },
        visitor,
        accounts: tree(&accounts, &roles, app.catalogue(&tenant.catalogue)),
        contact: connection.and_then(|connection| connection.contact).map(Contact),
    }))
}

/// What to call a person: the name that the directory shows, else the parts of it.
fn display_name(scim: &serde_json::Value) -> Option<String> {
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

/// The accounts on which there is a role, each below the accounts that lead to it.
fn tree(accounts: &[Account], roles: &[EffectiveRole], catalogue: Option<&Catalogue>) -> Vec<AccountNode> {
    let mut lines: BTreeMap<AccountId, Vec<RoleLine>> = BTreeMap::new();
    for role in roles {
        let lines = lines.entry(role.account_id).or_default();
        let cause = match (role.source, &role.rule_name) {
            (AssignmentSource::Rule, Some(rule)) => Cause::Rule(rule.clone()),
            (AssignmentSource::Operator, _) => Cause::Operator,
            _ => Cause::Manual,
        };
        let entry = catalogue.and_then(|catalogue| catalogue.role(&role.role));
        let name = entry.map_or(role.role.as_str(), |entry| entry.name.as_str());
        match lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.causes.push(cause),
            None => lines.push(RoleLine {
                name: name.to_owned(),
                description: entry.map(|entry| entry.description.clone()).unwrap_or_default(),
                causes: vec![cause],
                inherited_from: None,
            }),
        }
    }
    let mut children: BTreeMap<Option<AccountId>, Vec<&Account>> = BTreeMap::new();
    for account in accounts {
        children.entry(account.parent_id).or_default().push(account);
    }
    branches(None, &children, &mut lines)
}

fn branches(
    parent: Option<AccountId>,
    children: &BTreeMap<Option<AccountId>, Vec<&Account>>,
    lines: &mut BTreeMap<AccountId, Vec<RoleLine>>,
) -> Vec<AccountNode> {
    let mut nodes = Vec::new();
    for account in children.get(&parent).into_iter().flatten() {
        let node = AccountNode {
            name: account.name.clone(),
            roles: lines.remove(&account.id).unwrap_or_default(),
            children: branches(Some(account.id), children, lines),
        };
        if !node.roles.is_empty() || !node.children.is_empty() {
            nodes.push(node);
        }
    }
    nodes
}
