//! Persons with both logins, and what administrators say of two logins: that they are taken for one person's, and that a local one stays.

use axum::extract::{Path, State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::asker::{Asker, Body};
use super::people::{home, named, people};
use super::problem::Problem;
use super::roles;
use crate::app::App;
use crate::directory::access::Permission;
use crate::directory::linking::proposals::Proposal;
use crate::directory::people::LoginView;
use crate::http::layers::RequestId;

/// `GET /persons/{person}`: a person, with those logins that who asks may see, each with what it holds and why.
pub(super) async fn person(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(person): Path<String>,
) -> Result<Body<Value>, Problem> {
    let people = people(&app, &asker, &id, Permission::ViewPeople)?;
    let found = people.person(person.parse().map_err(|_| Problem::not_found())?).await?;
    let mut reader = app.store.read(asker.tenant());
    let mut logins = Vec::new();
    for LoginView { row, login, linked_at } in &found.logins {
        logins.push(json!({
            "login": row.id,
            "slot": login.slot as i16,
            "kind": row.kind,
            "state": row.state,
            "user_name": row.user_name,
            "display_name": row.scim["displayName"],
            "home": home(people.reach, row.home_account_id),
            "directory": row.directory_id,
            "connection": row.connection_id,
            "break_glass": login.break_glass,
            "suspended": login.suspended_by.is_some(),
            "linked_at": linked_at,
            "signed_in_at": row.signed_in_at,
            "accounts": roles::accounts_of(&mut reader, &app.rules, people.reach, row.id).await?,
        }));
    }
    let person = found.person;
    Ok(Body(json!({
        "id": person.id,
        "state": person.state,
        "merged_into": person.merged_into,
        "merged_at": person.merged_at,
        "logins": logins,
        "has_other_login": found.has_other,
    })))
}

/// `GET /logins/{login}/link-proposals`: who is taken for the other login of its person, and by whom.
pub(super) async fn proposals(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(login): Path<String>,
) -> Result<Body<Value>, Problem> {
    let people = people(&app, &asker, &id, Permission::ViewPeople)?;
    let found = people.link_proposals(named(&login)?).await?;
    let told = |Proposal { login, source }: &Proposal| json!({ "login": login.id, "person": login.person_id, "user_name": login.user_name, "source": source });
    Ok(Body(json!({ "items": found.iter().map(told).collect::<Vec<_>>() })))
}

/// `PUT /logins/{login}/link-proposals/{other}`: takes two logins for one person's.
pub(super) async fn propose(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path((login, other)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let people = people(&app, &asker, &id, Permission::ManagePeople)?;
    people.propose_link(named(&login)?, named(&other)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /logins/{login}/link-proposals/{other}`: no longer does so.
pub(super) async fn withdraw(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path((login, other)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let people = people(&app, &asker, &id, Permission::ManagePeople)?;
    people.withdraw_link(named(&login)?, named(&other)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The body of `PUT /logins/{login}/break-glass`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BreakGlass {
    break_glass: bool,
    reason: Option<String>,
}

/// `PUT /logins/{login}/break-glass`: says whether a local login stays when the other one of its person leaves.
pub(super) async fn break_glass(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(login): Path<String>,
    Body(BreakGlass { break_glass, reason }): Body<BreakGlass>,
) -> Result<StatusCode, Problem> {
    let people = people(&app, &asker, &id, Permission::ManagePeople)?;
    people.set_break_glass(named(&login)?, break_glass, reason.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}
