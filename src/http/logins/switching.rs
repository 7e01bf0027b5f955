//! `POST /me/switch`: to the person's other login.

use axum::Form;
use axum::extract::State;
use axum::response::Response;
use axum_extra::extract::CookieJar;
use serde::Deserialize;

use super::super::authorize::after_a_form;
use super::super::extract::SignedIn;
use super::super::layers::RequestId;
use super::super::signin::is_local;
use super::{PLACE, Proving, failed, leave, own, refused};
use crate::app::App;
use crate::directory::linking::{self, Switch};
use crate::directory::refusal::Refusal;
use crate::model::Purpose;

/// Which login somebody switches to.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Asked {
    #[serde(default)]
    login: String,
    /// Where to go on afterwards, a path of ours.
    return_to: Option<String>,
}

/// Switches to the other login, at once or by signing in with it.
pub(in crate::http) async fn switch(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    request_id: RequestId,
    jar: CookieJar,
    Form(asked): Form<Asked>,
) -> Response {
    let return_to = asked.return_to.filter(|path| is_local(path));
    let return_to = return_to.as_deref();
    let back = return_to.unwrap_or(PLACE);
    // What is no login is no different from somebody else's.
    let Ok(to) = asked.login.parse() else { return refused(&app, &session, Refusal::NotLinked, back, &request_id).await };
    match linking::switch(own(&app, &session, &request_id), to).await {
        Ok(Ok(Switch::Done)) => match after_a_form(&app, return_to.unwrap_or("/me"), &jar).await {
            Ok(response) => response,
            Err(error) => failed(&error),
        },
        Ok(Ok(Switch::SignIn { connection, is_fresh })) => {
            let proving = Proving { connection, purpose: Purpose::Login { login: to }, is_fresh, return_to };
            leave(&app, &session, proving, &request_id, jar).await
        }
        Ok(Err(refusal)) => refused(&app, &session, refusal, back, &request_id).await,
        Err(error) => failed(&error),
    }
}
