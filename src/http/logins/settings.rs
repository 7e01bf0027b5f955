//! `/me/logins`: the one or two logins of the person, and what they can do with them.

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::Query;
use http::StatusCode;
use serde::Deserialize;

use super::super::extract::SignedIn;
use super::super::me::{Seen, seen};
use super::super::pages::{Done, Logins, Page, ProposalLine};
use super::cards::Cards;
use super::{PLACE, failed, names};
use crate::app::App;
use crate::directory;
use crate::directory::linking::linked_at;
use crate::directory::linking::proposals::{self, Proposal};
use crate::directory::sessions::of_person;
use crate::model::Session;

#[derive(Debug, Default, Deserialize)]
pub(in crate::http) struct Shown {
    done: Option<String>,
}

/// The page of the person's logins.
pub(in crate::http) async fn page(State(app): State<App>, SignedIn(session): SignedIn, Query(shown): Query<Shown>) -> Response {
    let done = match shown.done.as_deref() {
        Some("linked") => Some(Done::Linked),
        Some("unlinked") => Some(Done::Unlinked),
        _ => None,
    };
    match view(&app, &session).await {
        // What the address says was done is said only where it can be true.
        Ok(Some(view)) => {
            let done = done.filter(|done| (*done == Done::Linked) == (view.logins.len() > 1));
            Page(StatusCode::OK, Logins { done, ..view }).into_response()
        }
        // The login went between the look at the session and this one.
        Ok(None) => Redirect::to("/sign-in").into_response(),
        Err(error) => failed(&error),
    }
}

async fn view(app: &App, session: &Session) -> directory::Result<Option<Logins>> {
    let mut reader = app.store.read(session.tenant_id);
    let reader = &mut reader;
    let Some(Seen { frame, contact, .. }) = seen(reader, session, &app.rules).await? else { return Ok(None) };
    let Some(row) = reader.any_login(session.active_login_id).await? else { return Ok(None) };
    let cards = Cards::new(app, session, reader).await?;
    let sessions = of_person(reader, session.person_id, app.session_limits(), app.clock.now()).await?.len();
    let (logins, linked_at, proposals) = if let Some([own, other]) = names::of_two(reader, &app.rules, &row.login).await? {
        let linked_at = linked_at(reader, &[own.row.login.clone(), other.row.login.clone()]).await?;
        let own = cards.of(reader, own.row, Some(own.name)).await?;
        (vec![own, cards.of(reader, other.row, Some(other.name)).await?], linked_at, Vec::new())
    } else {
        let proposals = proposals::of_login(reader, &row.login).await?.into_iter().map(line).collect();
        (vec![cards.of(reader, row, None).await?], None, proposals)
    };
    Ok(Some(Logins { frame: frame.at(PLACE), logins, linked_at, sessions, proposals, done: None, contact }))
}

/// A proposal as pages show it.
pub(super) fn line(proposal: Proposal) -> ProposalLine {
    let Proposal { login, source } = proposal;
    ProposalLine { id: login.id.to_string(), user_name: login.user_name, source }
}
