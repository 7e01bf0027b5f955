//! The page that asks, for a portal, whether the person goes on as their other login. Nothing here switches: the form goes to where every
//! switch is made, and leads back to the request that waits.

use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::CookieJar;
use http::StatusCode;

use super::super::me::Seen;
use super::super::pages::{AskSwitch, Page};
use super::{Asked, failed, keep, waiting};
use crate::app::App;
use crate::directory;
use crate::model::{LoginId, Session};
use crate::openid::authorize::{ErrorCode, Refusal};

/// Asks whether to go on as another login, at the address of the request that waits.
pub(super) async fn ask(app: &App, asked: Asked, session: &Session, seen: Seen, login: LoginId, jar: CookieJar) -> Response {
    let Some((_, handle)) = &asked.waits else {
        return match keep(app, &asked, jar).await {
            Ok((jar, handle)) => (jar, Redirect::to(&waiting::place(&handle))).into_response(),
            Err(error) => failed(&error),
        };
    };
    match user_name(app, session, login).await {
        Ok(Some(user_name)) => {
            let Seen { frame, visitor, .. } = seen;
            let (action, login) = (waiting::place(handle), login.to_string());
            let frame = frame.at(&action);
            Page(StatusCode::OK, AskSwitch { frame, portal: asked.portal.name, visitor, login, user_name, action }).into_response()
        }
        Ok(None) => super::refuse(app, &asked, gone()).await,
        Err(error) => failed(&error),
    }
}

/// The login went in this moment: as if it had never been.
const fn gone() -> Refusal {
    Refusal::new(ErrorCode::AccessDenied, "the person has no such login")
}

async fn user_name(app: &App, session: &Session, login: LoginId) -> directory::Result<Option<String>> {
    Ok(app.store.read(session.tenant_id).any_login(login).await?.map(|row| row.login.user_name))
}
