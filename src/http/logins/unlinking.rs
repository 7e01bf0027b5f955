//! `/me/logins/unlink`: parting the two logins of a person, after fresh proof of the active one.

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::CookieJar;
use http::StatusCode;

use super::super::extract::SignedIn;
use super::super::layers::RequestId;
use super::super::me::{Seen, seen};
use super::super::pages::{Page, UnlinkLogins};
use super::super::user_agent::UserAgent;
use super::{NewCookie, PLACE, failed, own, refused, to_prove};
use crate::app::App;
use crate::directory::linking::{self, decide};
use crate::directory::refusal::Refusal;
use crate::directory::sessions::of_person;
use crate::model::{PersonState, Session};

/// Says what unlinking does.
pub(in crate::http) async fn ask(State(app): State<App>, SignedIn(session): SignedIn, request_id: RequestId) -> Response {
    match view(&app, &session).await {
        Ok(Ok(view)) => Page(StatusCode::OK, view).into_response(),
        Ok(Err(refusal)) => refused(&app, &session, refusal, PLACE, &request_id).await,
        Err(error) => failed(&error),
    }
}

async fn view(app: &App, session: &Session) -> linking::Settled<UnlinkLogins> {
    let mut reader = app.store.read(session.tenant_id);
    let reader = &mut reader;
    let logins: Vec<_> = reader.logins_of_person(session.person_id).await?.into_iter().map(|row| row.login).collect();
    let person = reader.person(session.person_id).await?.map_or(PersonState::Deactivated, |person| person.state);
    let (goes, stays) = match decide::part(&logins, person) {
        Ok(two) => two,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let (Some(Seen { frame, .. }), Some(active)) =
        (seen(reader, session, &app.rules).await?, to_prove(reader, session, app.clock.now()).await?)
    else {
        return Ok(Err(Refusal::ConnectionOff));
    };
    let live = of_person(reader, session.person_id, app.session_limits(), app.clock.now()).await?;
    let sessions = live.iter().filter(|view| view.row.active_login_id == goes.id && view.row.id != session.id).count();
    let other = if goes.id == session.active_login_id { stays } else { goes };
    Ok(Ok(UnlinkLogins { frame, active, other: other.user_name.clone(), goes: goes.user_name.clone(), sessions }))
}

/// Parts the two logins. The active one goes on, by another cookie.
pub(in crate::http) async fn unlink(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    request_id: RequestId,
    user_agent: UserAgent,
    jar: CookieJar,
) -> Response {
    let cookie = NewCookie::of(&jar);
    let UserAgent { name, address } = user_agent;
    match linking::unlink(own(&app, &session, &request_id), cookie.pair(), &name, address.as_deref()).await {
        Ok(Ok(_)) => (cookie.set(jar), Redirect::to(&format!("{PLACE}?done=unlinked"))).into_response(),
        // The proof is older than it was when the page was shown; the page asks for another one.
        Ok(Err(Refusal::NotFresh)) => Redirect::to(&format!("{PLACE}/unlink")).into_response(),
        Ok(Err(refusal)) => refused(&app, &session, refusal, PLACE, &request_id).await,
        Err(error) => failed(&error),
    }
}
