//! Leaving for an identity provider, by whichever protocol its connection speaks.
//!
//! What the way back must match (connection, browser, what the protocol has to prove) is kept in a row when the sign-in begins, and is taken
//! once, by [`super::arrive`].

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::{CookieJar, Query};
use chrono::TimeDelta;
use http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::super::authorize::waiting;
use super::super::extract::{SIGN_IN_COOKIE, SignedIn, browser_marker, cookie};
use super::super::layers::{RequestId, no_such_page};
use super::super::pages::{Frame, Leaving, Page};
#[cfg(feature = "saml")]
use super::super::pages::{PostFor, PostOn};
#[cfg(feature = "saml")]
use super::saml;
use super::stopped::{Stopped, failed, switched_off};
use super::{Where, can_begin, is_local, oidc};
use crate::app::App;
#[cfg(feature = "saml")]
use crate::federation::saml::PostForm;
use crate::federation::{Refused, Trace};
use crate::keys::{HashedToken, Place};
use crate::model::{Connection, ConnectionId, Demand, PendingId, Protocol, Purpose, TenantId};
use crate::openid::authorize::{AuthorizationRequest, Wanted, demand};
use crate::store::{self, NewPending};

/// How long a person may take at the identity provider.
const PENDING_LIFETIME: TimeDelta = TimeDelta::minutes(15);

/// Where the secrets of a sign-in that has begun are sealed for.
pub(super) fn proof_place(id: PendingId) -> Place {
    Place { table: "pending_sign_ins", column: "proof_sealed", row: id.uuid() }
}

/// What somebody is sent to an identity provider for.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Errand<'a> {
    pub(in crate::http) purpose: Purpose,
    pub(in crate::http) demand: &'a Demand,
    /// Where to go on afterwards, a path of ours.
    pub(in crate::http) return_to: Option<&'a str>,
}

/// How a browser gets to an identity provider.
pub(super) enum Way {
    /// By an address that has the request in it.
    Redirect(Url),
    /// By a form.
    #[cfg(feature = "saml")]
    Post(PostForm),
}

/// A sign-in that a protocol has begun.
pub(super) struct Begun {
    pub(super) way: Way,
    /// Names it when the browser comes back.
    pub(super) state: SecretString,
    /// What has to be matched then, as text. It is kept sealed.
    pub(super) proof: SecretString,
}

/// Where to send the browser.
pub(in crate::http) struct Departure {
    way: Way,
    /// What the connection is called.
    connection: String,
}

impl Departure {
    /// Sends a browser on that followed a link or a redirect.
    fn at_once(self) -> Response {
        match self.way {
            Way::Redirect(url) => Redirect::to(url.as_str()).into_response(),
            #[cfg(feature = "saml")]
            Way::Post(form) => post(Frame::default(), self.connection, form),
        }
    }

    /// Sends a browser on that sent a form of ours, by a page (see the words on `form-action` in [`super::super::pages`]).
    pub(in crate::http) fn after_a_form(self, frame: Frame) -> Response {
        match self.way {
            Way::Redirect(url) => {
                Page(StatusCode::OK, Leaving { frame, connection: self.connection, href: url.into() }).into_response()
            }
            #[cfg(feature = "saml")]
            Way::Post(form) => post(frame, self.connection, form),
        }
    }
}

/// Has the browser post a request.
#[cfg(feature = "saml")]
fn post(frame: Frame, connection: String, form: PostForm) -> Response {
    let view = PostOn { frame, what: PostFor::SignIn, connection, action: form.action.into(), fields: form.fields };
    view.respond()
}

/// Sends the browser to the identity provider.
pub(in crate::http) async fn begin(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(place): Query<Where>,
    request_id: RequestId,
    signed_in: Option<SignedIn>,
    jar: CookieJar,
) -> Response {
    let Ok(id) = id.parse() else { return no_such_page().await };
    let return_to = place.return_to.filter(|path| is_local(path));
    let return_to = return_to.as_deref();
    // What is demanded is looked up where it was kept: nothing that the browser says makes it less.
    let waiting = match waiting::behind(&app, return_to, &jar).await {
        Ok(waiting) => waiting,
        Err(error) => return Stopped::internal(&error, &request_id).returning(return_to).into_page(),
    };
    let (demand, purpose) = match &waiting {
        Some(waiting) => (demand(&waiting.request), purpose(&waiting.request, signed_in.as_ref())),
        None => (Demand::default(), Purpose::SignIn),
    };
    let errand = Errand { purpose, demand: &demand, return_to };
    match depart(&app, id, errand, &request_id, jar).await {
        Ok(Some((jar, departure))) => (jar, departure.at_once()).into_response(),
        Ok(None) => no_such_page().await,
        Err(stopped) => stopped.returning(return_to).into_page(),
    }
}

/// Whose proof a request waits for: that of the active login, where the portal asked for that one, or whoever comes.
fn purpose(request: &AuthorizationRequest, signed_in: Option<&SignedIn>) -> Purpose {
    match signed_in {
        Some(SignedIn(session)) if request.login == Some(Wanted::Login(session.active_login_id)) => {
            Purpose::Login { login: session.active_login_id }
        }
        _ => Purpose::SignIn,
    }
}

/// Begins a sign-in: keeps what its way back must match, bound to this browser. `None` when there is no such connection.
pub(in crate::http) async fn depart(
    app: &App,
    id: ConnectionId,
    errand: Errand<'_>,
    request_id: &RequestId,
    jar: CookieJar,
) -> Result<Option<(CookieJar, Departure)>, Stopped> {
    let internal = |error: &(dyn std::error::Error + 'static)| Stopped::internal(error, request_id);
    let Some(tenant) = app.store.doors().tenant_of_connection(id).await.map_err(|error| internal(&error))? else { return Ok(None) };
    let Some(connection) = app.store.read(tenant).connection(id).await.map_err(|error| internal(&error))? else { return Ok(None) };
    if !can_begin(&connection, errand.purpose) {
        return Err(switched_off(app, tenant, &connection, request_id).await);
    }
    let mut trace = Trace::default();
    let begun = match ask(app, tenant, &connection, errand.demand, &mut trace, request_id).await? {
        Ok(begun) => begun,
        Err(refused) => return Err(failed(app, tenant, &connection, &refused, &trace, request_id).await),
    };
    let browser = browser_marker(&jar);
    let now = app.clock.now();
    let pending = PendingId::new(now);
    let new = NewPending {
        id: pending,
        connection_id: id,
        state: &HashedToken::of(begun.state.expose_secret()),
        browser: &HashedToken::of(browser.expose_secret()),
        demand: errand.demand,
        purpose: &errand.purpose,
        proof: &app.sealer.seal_text(&proof_place(pending), &begun.proof),
        return_to: errand.return_to,
        expires_at: now + PENDING_LIFETIME,
    };
    keep(app, tenant, &new).await.map_err(|error| internal(&error))?;
    let jar = jar.add(cookie(SIGN_IN_COOKIE, browser.expose_secret().to_owned()));
    Ok(Some((jar, Departure { way: begun.way, connection: connection.name })))
}

/// Makes the request, as the connection's protocol has it.
async fn ask(
    app: &App,
    tenant: TenantId,
    connection: &Connection,
    demand: &Demand,
    trace: &mut Trace,
    request_id: &RequestId,
) -> Result<Result<Begun, Refused>, Stopped> {
    match connection.protocol() {
        Protocol::Oidc => oidc::ask(app, connection, demand, trace, request_id).await,
        #[cfg(feature = "saml")]
        Protocol::Saml => saml::ask(app, tenant, connection, demand, trace, request_id).await,
        #[cfg(not(feature = "saml"))]
        Protocol::Saml => Err(switched_off(app, tenant, connection, request_id).await),
    }
}

async fn keep(app: &App, tenant: TenantId, new: &NewPending<'_>) -> store::Result<()> {
    let mut writer = app.store.write(tenant).await?;
    writer.insert_pending(new, app.clock.now()).await?;
    writer.commit().await
}
