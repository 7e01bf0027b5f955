//! `POST /sign-in/saml/{connection}/acs`: the assertion consumer service, where the browser posts the identity provider's response (SAML
//! Bindings section 3.5).
//!
//! It is posted by another site, to which browsers send none of our cookies (`SameSite=Lax`). So a response that comes without them is
//! answered once with a page that posts it again, from here.

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::CookieJar;
use secrecy::{ExposeSecret as _, SecretString};

use super::super::super::extract::SignedIn;
use super::super::super::layers::{RequestId, no_such_page, trouble};
use super::super::super::pages::{Frame, PostFor, PostOn, Reason, Wrong};
use super::super::super::user_agent::UserAgent;
use super::super::arrive::{Brought, Comes, arrive};
use super::super::stopped::{Stopped, failed, traced};
use super::super::{can_sign_in, start};
use crate::app::App;
use crate::federation::{Trace, saml};
use crate::metrics::SignIn;
use crate::model::ConnectionId;

/// The field that says that a page of ours has posted the form again.
const AGAIN: &str = "again";

/// Takes a response.
pub(in crate::http) async fn take(
    State(app): State<App>,
    Path(id): Path<String>,
    request_id: RequestId,
    before: Option<SignedIn>,
    user_agent: UserAgent,
    jar: CookieJar,
    request: Request,
) -> Response {
    let Ok(id) = id.parse() else { return no_such_page().await };
    let mut fields = match super::form(request, &["SAMLResponse", "RelayState", AGAIN]).await {
        Ok(fields) => fields,
        Err(wrong) => return trouble(wrong),
    };
    let Some(response) = fields.remove("SAMLResponse") else { return trouble(Wrong::BadRequest) };
    let relay_state = fields.remove("RelayState").unwrap_or_default();
    let brought = Brought::Saml { response, relay_state: SecretString::from(relay_state) };
    match is_waited_for(&app, &brought).await {
        Ok(true) => {}
        Ok(false) => return unasked(&app, id, brought, &request_id, &jar).await,
        Err(error) => return Stopped::internal(&error, &request_id).into_page(),
    }
    let comes = Comes::new(user_agent, before, &jar);
    if comes.marker.is_none() && !fields.contains_key(AGAIN) {
        return again(id, brought);
    }
    arrive(&app, id, brought, &request_id, comes, jar).await
}

/// Whether a sign-in was begun under this handle, whosesoever and whenever.
async fn is_waited_for(app: &App, brought: &Brought) -> crate::store::Result<bool> {
    let Some(state) = brought.state_digest() else { return Ok(false) };
    Ok(app.store.doors().pending_sign_in(&state).await?.is_some())
}

/// Has the browser post it once more, from a page of ours.
fn again(id: ConnectionId, brought: Brought) -> Response {
    let Brought::Saml { response, relay_state } = brought else { return trouble(Wrong::BadRequest) };
    let view = PostOn {
        frame: Frame::default(),
        what: PostFor::Again,
        connection: String::new(),
        // A path, so that its policy names no origin.
        action: format!("/sign-in/saml/{id}/acs"),
        fields: vec![("SAMLResponse", response), ("RelayState", relay_state.expose_secret().to_owned()), (AGAIN, "1".to_owned())],
    };
    view.respond()
}

/// A response that nobody waits for. One that does not even say to answer a request was sent by the identity provider on its own: where
/// the connection allows that, it is thrown away unread and a sign-in begins from here, which nobody can have begun for somebody else. Where
/// it would have led to afterwards (`RelayState`) is not followed.
async fn unasked(app: &App, id: ConnectionId, brought: Brought, request_id: &RequestId, jar: &CookieJar) -> Response {
    let stopped = match try_unasked(app, id, brought, request_id).await {
        Ok(Some(place)) => return Redirect::to(&place).into_response(),
        Ok(None) => return no_such_page().await,
        Err(stopped) => stopped,
    };
    stopped.into_answer(app, jar, None, true).await
}

/// Where to begin instead; none, when there is no such connection.
async fn try_unasked(app: &App, id: ConnectionId, brought: Brought, request_id: &RequestId) -> Result<Option<String>, Stopped> {
    let expired = || Stopped::new(Reason::Expired, request_id);
    let Brought::Saml { response, .. } = brought else { return Err(expired()) };
    let found = super::find(app, id).await.map_err(|error| Stopped::internal(&error, request_id))?;
    let Some((tenant, connection)) = found else { return Ok(None) };
    if !can_sign_in(&connection) {
        return Err(expired());
    }
    let is_allowed = connection.saml().is_some_and(|settings| settings.idp_initiated);
    match saml::outline(&response) {
        Ok(outline) if outline.in_response_to.is_some() => Err(expired()),
        Ok(_) if is_allowed => Ok(Some(start(&connection, None))),
        Ok(_) => {
            app.metrics.sign_in(SignIn::Failed);
            let stopped = Stopped::new(Reason::Unsolicited, request_id).at(&connection);
            Err(traced(app, tenant, id, "unsolicited", &Trace::default(), stopped, request_id).await)
        }
        // Most come without a request here, so that it is not told to be one that came too late.
        Err(refused) if is_allowed => {
            let trace = Trace::of(&refused);
            Err(failed(app, tenant, &connection, &refused, &trace, request_id).await)
        }
        Err(_) => Err(expired()),
    }
}
