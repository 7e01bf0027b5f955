//! What the pages for administrators share: who is there and what they may do, and what becomes of a page and its forms.

use askama::Template;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use http::request::Parts;

use super::extract::SignedIn;
use super::layers::{RequestId, no_such_page, trouble};
use super::pages::{Page, Wrong};
use crate::app::App;
use crate::directory::access::{self, Reach};
use crate::directory::{self, Caller, Error};
use crate::model::{Actor, Session};

/// Somebody at a page for administrators, with what they may do.
pub(super) struct Desk {
    pub(super) app: App,
    pub(super) session: Session,
    pub(super) request_id: RequestId,
    pub(super) reach: Reach,
}

impl Desk {
    /// Of a session; none, when its login went between the look at the session and this one.
    pub(super) async fn of(app: &App, session: &Session, request_id: &RequestId) -> directory::Result<Option<Self>> {
        let reach = access::reach(&app.store, session.tenant_id, session.active_login_id, &app.rules).await?;
        Ok(reach.map(|reach| Self { app: app.clone(), session: session.clone(), request_id: request_id.clone(), reach }))
    }

    /// Who asks, now.
    pub(super) fn caller(&self) -> Caller<'_> {
        self.request_id.caller(&self.app, Actor::Login { login: self.session.active_login_id })
    }
}

impl FromRequestParts<App> for Desk {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let SignedIn(session) = <SignedIn as FromRequestParts<App>>::from_request_parts(parts, app).await?;
        let Ok(request_id) = RequestId::from_request_parts(parts, app).await;
        match Self::of(app, &session, &request_id).await {
            Ok(Some(desk)) => Ok(desk),
            Ok(None) => Err(Redirect::to("/sign-in").into_response()),
            Err(error) => Err(unshown(&error).await),
        }
    }
}

/// A page, or what is answered in its place.
pub(super) async fn shown<T: Template>(status: StatusCode, view: directory::Result<Option<T>>) -> Response {
    match view {
        Ok(Some(view)) => Page(status, view).into_response(),
        // The login went between the look at the session and this one.
        Ok(None) => Redirect::to("/sign-in").into_response(),
        Err(error) => unshown(&error).await,
    }
}

/// Who may not see something is told that there is nothing.
pub(super) async fn unshown(error: &Error) -> Response {
    if let Error::NotFound(_) | Error::Forbidden(_) = error {
        return no_such_page().await;
    }
    tracing::error!(error = error as &dyn std::error::Error, "a page for administrators could not be shown");
    trouble(Wrong::Unavailable)
}

/// Why a form was not carried out.
pub(super) struct Why {
    /// As a sentence.
    pub(super) text: String,
    /// Whether it is about what was typed, and not about what is there by now or who asks.
    pub(super) is_typed: bool,
}

impl Why {
    /// What the page of the form says.
    ///
    /// # Errors
    /// What is answered where that page says nothing.
    pub(super) async fn of(error: Error) -> Result<Self, Response> {
        match error {
            Error::Invalid(text) => Ok(Self { text: sentence(&text), is_typed: true }),
            Error::Conflict(text) | Error::Forbidden(text) => Ok(Self { text: sentence(&text), is_typed: false }),
            error => Err(unshown(&error).await),
        }
    }
}

/// A reason as a sentence.
pub(super) fn sentence(why: &str) -> String {
    format!("{}{}", capitalised(why), if why.ends_with('.') { "" } else { "." })
}

/// Words as they begin a sentence or stand alone.
pub(super) fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_becomes_one_sentence() {
        for (why, text) in [("too late", "Too late."), ("Twice.", "Twice."), ("ßa", "SSa."), ("", ".")] {
            assert_eq!(sentence(why), text);
        }
    }

    #[tokio::test]
    async fn what_was_typed_is_told_from_what_is_there() {
        let typed = async |error| Why::of(error).await.map(|why| (why.text, why.is_typed)).map_err(|answer| answer.status());
        assert_eq!(typed(Error::Invalid("no address".into())).await, Ok(("No address.".into(), true)));
        for error in [Error::Conflict("gone by now".into()), Error::Forbidden("gone by now".into())] {
            assert_eq!(typed(error).await, Ok(("Gone by now.".into(), false)));
        }
        assert_eq!(typed(Error::NotFound("connection")).await, Err(StatusCode::NOT_FOUND));
    }
}
