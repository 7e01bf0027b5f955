//! `/admin/people/{person}`: a person with both logins, for administrators; and proposing that two logins are one person's.

use std::collections::BTreeMap;

use axum::extract::{Form, Path};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use serde::Deserialize;
use uuid::Uuid;

use super::console::{Desk, Why, shown};
use super::layers::no_such_page;
use super::me::{Seen, display_name, seen, tree_of};
use super::pages::{PersonLogin, PersonPage, PresenceWord, ProposedLogin};
use crate::app::App;
use crate::directory::access::Permission;
use crate::directory::linking::proposals::Proposal;
use crate::directory::people::{LoginView, People};
use crate::directory::{self, Error, counting_assignments};
use crate::model::{LoginId, PersonId};
use crate::store::{PresenceState, Reader};

/// A form that was not carried out: of which login, what was typed, and why.
struct Refused {
    login: LoginId,
    typed: String,
    why: String,
}

/// The page of a person.
pub(super) async fn page(desk: Desk, Path(person): Path<String>) -> Response {
    answer(&desk, &person, None).await
}

async fn answer(desk: &Desk, person: &str, refused: Option<Refused>) -> Response {
    let Ok(person) = person.parse() else { return no_such_page().await };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    shown(status, view(desk, person, refused).await).await
}

async fn view(desk: &Desk, person: PersonId, refused: Option<Refused>) -> directory::Result<Option<PersonPage>> {
    let Desk { app, session, .. } = desk;
    let mut reader = app.store.read(session.tenant_id);
    let Some(Seen { frame, .. }) = seen(&mut reader, session, &app.rules).await? else { return Ok(None) };
    let people = people(desk);
    let found = people.person(person).await?;
    let Some(first) = found.logins.first() else { return Err(Error::NotFound("person")) };
    let name = display_name(&first.row.scim).unwrap_or_else(|| first.row.user_name.clone());
    let rules = reader.rules().await?.into_iter().map(|rule| (rule.id.uuid(), rule.name)).collect();
    let mut logins = Vec::new();
    for login in &found.logins {
        logins.push(told(&mut reader, &people, &rules, login, app).await?);
    }
    let (error, typed) = refused.map(|Refused { login, typed, why }| ((login.to_string(), why), typed)).unzip();
    Ok(Some(PersonPage {
        frame,
        id: person.to_string(),
        name,
        state: found.person.state,
        logins,
        has_other: found.has_other,
        error,
        typed: typed.unwrap_or_default(),
    }))
}

async fn told(
    reader: &mut Reader,
    people: &People<'_>,
    rules: &BTreeMap<Uuid, String>,
    LoginView { row, login, linked_at }: &LoginView,
    app: &App,
) -> directory::Result<PersonLogin> {
    let reach = people.reach;
    let theirs = counting_assignments(reader, &app.rules, login.id).await?;
    let looks = |account| reach.allows(Permission::ViewPeople, account);
    let accounts =
        tree_of(reach, rules, None, &|account| if looks(account) { reach.roles_of(account, &theirs) } else { Vec::new() });
    let directory = match login.directory_id {
        Some(id) => reader.directory(id).await?.map(|directory| directory.name),
        None => None,
    };
    let connection = match login.connection_id {
        Some(id) => reader.connection(id).await?.map(|connection| connection.name),
        None => None,
    };
    let proposals = people.link_proposals(login.id).await?.into_iter().map(other).collect();
    Ok(PersonLogin {
        id: login.id.to_string(),
        user_name: login.user_name.clone(),
        slot: login.slot,
        kind: login.kind,
        state: match row.state {
            _ if login.suspended_by.is_some() => PresenceWord::Suspended,
            PresenceState::Invited => PresenceWord::Invited,
            PresenceState::Pending => PresenceWord::Pending,
            PresenceState::Active => PresenceWord::Active,
            PresenceState::Deactivated => PresenceWord::Deactivated,
        },
        is_break_glass: login.break_glass,
        home: looks(login.home_account_id).then(|| reach.tree().path(login.home_account_id)),
        directory,
        connection,
        linked_at: *linked_at,
        signed_in_at: row.signed_in_at,
        accounts,
        can_propose: people.may_propose(login).await?,
        proposals,
    })
}

fn other(Proposal { login, source }: Proposal) -> ProposedLogin {
    ProposedLogin {
        id: login.id.to_string(),
        href: format!("/admin/people/{}", login.person_id),
        user_name: login.user_name,
        source,
    }
}

fn people(desk: &Desk) -> People<'_> {
    let Desk { app, session, reach, .. } = desk;
    People {
        store: &app.store,
        tenant: session.tenant_id,
        by: session.active_login_id.uuid(),
        reach,
        rules: &app.rules,
        sealer: &app.sealer,
        caller: desk.caller(),
    }
}

/// The forms of the page: a login of the person, and the one that is taken for their other one.
#[derive(Debug, Deserialize)]
pub(super) struct Two {
    login: LoginId,
    other: String,
}

/// Proposes that two logins are one person's.
pub(super) async fn propose(desk: Desk, Path(person): Path<String>, Form(Two { login, other }): Form<Two>) -> Response {
    let typed: String = other.trim().chars().take(256).collect();
    let people = people(&desk);
    let done = async {
        is_of(&people, &person, login).await?;
        let named = people.called(&typed).await?;
        let other = named.ok_or_else(|| Error::Invalid("Nobody whom you may see has this user name or id.".to_owned()))?;
        people.propose_link(login, other).await
    };
    settled(&desk, &person, login, typed.clone(), done.await).await
}

/// Withdraws what was proposed.
pub(super) async fn withdraw(desk: Desk, Path(person): Path<String>, Form(Two { login, other }): Form<Two>) -> Response {
    let people = people(&desk);
    let done = async {
        is_of(&people, &person, login).await?;
        let other = other.parse().map_err(|_| Error::NotFound("login"))?;
        match people.withdraw_link(login, other).await {
            // Somebody else was faster.
            Err(Error::NotFound("proposal")) => Ok(()),
            other => other,
        }
    };
    settled(&desk, &person, login, String::new(), done.await).await
}

/// Whether a form is about a login of the person whose page it is on.
async fn is_of(people: &People<'_>, person: &str, login: LoginId) -> directory::Result<()> {
    let person = person.parse().map_err(|_| Error::NotFound("person"))?;
    let is_theirs = people.person(person).await?.logins.iter().any(|view| view.login.id == login);
    if is_theirs { Ok(()) } else { Err(Error::NotFound("login")) }
}

/// Back to the page, which says why if it was not done.
async fn settled(desk: &Desk, person: &str, login: LoginId, typed: String, done: directory::Result<()>) -> Response {
    let Err(error) = done else {
        // The person was read by its id, so the path has nothing else in it.
        return Redirect::to(&format!("/admin/people/{person}")).into_response();
    };
    match Why::of(error).await {
        Ok(Why { text: why, .. }) => answer(desk, person, Some(Refused { login, typed, why })).await,
        Err(answer) => answer,
    }
}
