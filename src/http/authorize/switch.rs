//! The page that asks, for a portal, whether the person goes on as their other login. Nothing here switches: the form goes to where every
//! switch is made, and leads back to the request that waits.

use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::CookieJar;
use http::StatusCode;

use super::super::me::Seen;
use super::super::pages::{AskSwitch, Page};
use super::{Asked, failed, keep, refuse, waiting};
use crate::app::App;
use crate::model::LoginId;
use crate::openid::authorize::{ErrorCode, Refusal};

/// Asks whether to go on as another login, at the address of the request that waits.
pub(super) async fn ask(app: &App, asked: Asked, seen: Seen, login: LoginId, jar: CookieJar) -> Response {
    let Some((_, handle)) = &asked.waits else {
        return match keep(app, &asked, jar).await {
            Ok((jar, handle)) => (jar, Redirect::to(&waiting::place(&handle))).into_response(),
            Err(error) => failed(&error),
        };
    };
    let Seen { frame, visitor, .. } = seen;
    match visitor.other.clone().filter(|other| other.id == login.to_string()) {
        Some(other) => {
            let action = waiting::place(handle);
            let (frame, portal) = (frame.at(&action), asked.portal.name);
            Page(StatusCode::OK, AskSwitch { frame, portal, visitor, other, action }).into_response()
        }
        // It went in this moment: as if it had never been.
        None => refuse(app, &asked, Refusal::new(ErrorCode::AccessDenied, "the person has no such login")).await,
    }
}
