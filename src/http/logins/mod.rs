//! `/me/logins`: the one or two logins of the person who is signed in, and what they do with them: link, unlink, switch.
//!
//! What is allowed is decided in [`crate::directory::linking`]. Here forms are read, browsers are sent to prove a login, and pages say what
//! came of it or which rule refuses. Nothing is changed by following a link: each act is a form of ours.

mod cards;
mod linking;
pub(super) mod names;
mod settings;
mod switching;
mod unlinking;

use axum::response::{IntoResponse as _, Response};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::Cookie;
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret as _;

use super::extract::{SESSION_COOKIE, cookie};
use super::layers::{RequestId, no_such_page, trouble};
use super::me;
use super::pages::{Frame, ToProve, Wrong};
use super::signin::depart::{Errand, depart};
use super::signin::stopped::Stopped;
use crate::app::App;
use crate::directory;
use crate::directory::linking::Own;
use crate::directory::refusal::Refusal;
use crate::keys::{HashedToken, PlainToken};
use crate::model::{Actor, ConnectionId, Demand, Purpose, Session};
use crate::store::{Cookies, Reader};

pub(super) use linking::{begin, confirm, prove, review, wizard};
pub(super) use settings::page;
pub(super) use switching::switch;
pub(super) use unlinking::{ask as ask_unlink, unlink};

/// The page of the person's logins.
pub(super) const PLACE: &str = "/me/logins";

/// Who acts on their own logins.
fn own<'a>(app: &'a App, session: &'a Session, request_id: &'a RequestId) -> Own<'a> {
    let caller = request_id.caller(app, Actor::Login { login: session.active_login_id });
    Own { store: &app.store, rules: &app.rules, caller, session }
}

/// The cookie of a session that goes on by another one.
struct NewCookie {
    before: HashedToken,
    after: HashedToken,
    plain: PlainToken,
}

impl NewCookie {
    fn of(jar: &CookieJar) -> Self {
        let before = HashedToken::of(jar.get(SESSION_COOKIE).map(Cookie::value).unwrap_or_default());
        let plain = PlainToken::bare();
        Self { before, after: plain.digest(), plain }
    }

    fn pair(&self) -> Cookies<'_> {
        Cookies { before: &self.before, after: &self.after }
    }

    /// Gives it to the browser.
    fn set(self, jar: CookieJar) -> CookieJar {
        jar.add(cookie(SESSION_COOKIE, self.plain.reveal().expose_secret().to_owned()))
    }
}

/// The active login, and whether it was just proved; `None` when there is nowhere to prove it.
async fn to_prove(reader: &mut Reader, session: &Session, now: DateTime<Utc>) -> directory::Result<Option<ToProve>> {
    let login = session.active_login_id;
    let (Some(row), Some(part)) = (reader.any_login(login).await?, reader.live_session_login(session.id, login).await?) else {
        return Ok(None);
    };
    let connection = match part.authentication.connection_id {
        Some(id) => reader.connection(id).await?,
        None => None,
    };
    let is_proved = part.authentication.is_fresh(now);
    Ok(connection.map(|connection| ToProve { user_name: row.login.user_name, connection: connection.name, is_proved }))
}

/// What surrounds a page for the person. A page is not refused because that could not be read.
async fn frame(app: &App, session: &Session) -> Frame {
    let seen = me::seen(&mut app.store.read(session.tenant_id), session, &app.rules).await;
    seen.ok().flatten().map(|seen| seen.frame).unwrap_or_default()
}

/// What somebody is sent to an identity provider for.
#[derive(Clone, Copy, Debug)]
struct Proving<'a> {
    connection: ConnectionId,
    purpose: Purpose,
    /// Whether it has to ask them anew.
    is_fresh: bool,
    return_to: Option<&'a str>,
}

/// Sends somebody to prove a login, by a page (see the words on `form-action` in [`super::pages`]).
async fn leave(app: &App, session: &Session, proving: Proving<'_>, request_id: &RequestId, jar: CookieJar) -> Response {
    let Proving { connection, purpose, is_fresh, return_to } = proving;
    let demand = Demand { is_fresh, ..Demand::default() };
    let errand = Errand { purpose, demand: &demand, return_to };
    match depart(app, connection, errand, request_id, jar).await {
        Ok(Some((jar, departure))) => {
            let frame = frame(app, session).await;
            (jar, departure.after_a_form(frame)).into_response()
        }
        Ok(None) => no_such_page().await,
        Err(stopped) => stopped.of(purpose).returning(return_to).into_own_page(app, Some(session)).await,
    }
}

/// Says which rule refuses, and leads back to where the person came from.
async fn refused(app: &App, session: &Session, refusal: Refusal, back: &str, request_id: &RequestId) -> Response {
    let purpose = Purpose::Login { login: session.active_login_id };
    Stopped::refused(refusal, purpose, request_id).returning(Some(back)).into_own_page(app, Some(session)).await
}

fn failed(error: &(dyn std::error::Error + 'static)) -> Response {
    tracing::error!(error, "what somebody does with their logins could not be done");
    trouble(Wrong::Unavailable)
}
