//! `/admin/people/{person}`: a person with both logins, for administrators; and proposing that two logins are one person's.

use std::collections::BTreeMap;

use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use serde::Deserialize;
use uuid::Uuid;

use super::extract::SignedIn;
use super::layers::{RequestId, no_such_page, trouble};
use super::me::{Seen, display_name, seen, tree_of};
use super::pages::{Page, PersonLogin, PersonPage, PresenceWord, ProposedLogin, Wrong};
use crate::app::App;
use crate::directory::access::{self, Permission, Reach};
use crate::directory::linking::proposals::Proposal;
use crate::directory::people::{LoginView, People};
use crate::directory::{self, Error, counting_assignments};
use crate::model::{Actor, LoginId, PersonId, Session};
use crate::store::{PresenceState, Reader};

/// A form that was not carried out: of which login, what was typed, and why.
struct Refused {
    login: LoginId,
    typed: String,
    why: String,
}

/// The page of a person.
pub(super) async fn page(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    id: RequestId,
    Path(person): Path<String>,
) -> Response {
    answer(&app, &session, &id, &person, None).await
}

async fn answer(app: &App, session: &Session, id: &RequestId, person: &str, refused: Option<Refused>) -> Response {
    let Ok(person) = person.parse() else { return no_such_page().await };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    match view(app, session, id, person, refused).await {
        Ok(Some(view)) => Page(status, view).into_response(),
        // The login went between the look at the session and this one.
        Ok(None) => Redirect::to("/sign-in").into_response(),
        Err(error) => failed(&error).await,
    }
}

/// Who may not see somebody is told that there is nobody.
async fn failed(error: &Error) -> Response {
    if let Error::NotFound(_) | Error::Forbidden(_) = error {
        return no_such_page().await;
    }
    tracing::error!(error = error as &dyn std::error::Error, "a person could not be shown");
    trouble(Wrong::Unavailable)
}

async fn view(
    app: &App,
    session: &Session,
    id: &RequestId,
    person: PersonId,
    refused: Option<Refused>,
) -> directory::Result<Option<PersonPage>> {
    let mut reader = app.store.read(session.tenant_id);
    let Some(Seen { frame, .. }) = seen(&mut reader, session, &app.rules).await? else { return Ok(None) };
    let Some(reach) = reach(app, session).await? else { return Ok(None) };
    let people = people(app, session, id, &reach);
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

async fn reach(app: &App, session: &Session) -> directory::Result<Option<Reach>> {
    access::reach(&app.store, session.tenant_id, session.active_login_id, &app.rules).await
}

fn people<'a>(app: &'a App, session: &'a Session, id: &'a RequestId, reach: &'a Reach) -> People<'a> {
    People {
        store: &app.store,
        tenant: session.tenant_id,
        by: session.active_login_id.uuid(),
        reach,
        rules: &app.rules,
        sealer: &app.sealer,
        caller: id.caller(app, Actor::Login { login: session.active_login_id }),
    }
}

/// The forms of the page: a login of the person, and the one that is taken for their other one.
#[derive(Debug, Deserialize)]
pub(super) struct Two {
    login: LoginId,
    other: String,
}

/// Proposes that two logins are one person's.
pub(super) async fn propose(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    id: RequestId,
    Path(person): Path<String>,
    Form(Two { login, other }): Form<Two>,
) -> Response {
    let typed: String = other.trim().chars().take(256).collect();
    let done = async {
        let Some(reach) = reach(&app, &session).await? else { return Ok(()) };
        let people = people(&app, &session, &id, &reach);
        is_of(&people, &person, login).await?;
        let named = people.called(&typed).await?;
        let other = named.ok_or_else(|| Error::Invalid("Nobody whom you may see has this user name or id.".to_owned()))?;
        people.propose_link(login, other).await
    };
    settled(&app, &session, &id, &person, login, typed.clone(), done.await).await
}

/// Withdraws what was proposed.
pub(super) async fn withdraw(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    id: RequestId,
    Path(person): Path<String>,
    Form(Two { login, other }): Form<Two>,
) -> Response {
    let done = async {
        let Some(reach) = reach(&app, &session).await? else { return Ok(()) };
        let people = people(&app, &session, &id, &reach);
        is_of(&people, &person, login).await?;
        let other = other.parse().map_err(|_| Error::NotFound("login"))?;
        match people.withdraw_link(login, other).await {
            // Somebody else was faster.
            Err(Error::NotFound("proposal")) => Ok(()),
            other => other,
        }
    };
    settled(&app, &session, &id, &person, login, String::new(), done.await).await
}

/// Whether a form is about a login of the person whose page it is on.
async fn is_of(people: &People<'_>, person: &str, login: LoginId) -> directory::Result<()> {
    let person = person.parse().map_err(|_| Error::NotFound("person"))?;
    let is_theirs = people.person(person).await?.logins.iter().any(|view| view.login.id == login);
    if is_theirs { Ok(()) } else { Err(Error::NotFound("login")) }
}

/// Back to the page, which says why if it was not done.
async fn settled(
    app: &App,
    session: &Session,
    id: &RequestId,
    person: &str,
    login: LoginId,
    typed: String,
    done: directory::Result<()>,
) -> Response {
    let why = match done {
        // The person was read by its id, so the path has nothing else in it.
        Ok(()) => return Redirect::to(&format!("/admin/people/{person}")).into_response(),
        Err(Error::Invalid(why) | Error::Conflict(why) | Error::Forbidden(why)) => why,
        Err(error) => return failed(&error).await,
    };
    let mut letters = why.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let why = format!("{first}{}{}", letters.as_str(), if why.ends_with('.') { "" } else { "." });
    answer(app, session, id, person, Some(Refused { login, typed, why })).await
}
