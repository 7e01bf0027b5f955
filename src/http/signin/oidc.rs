//! Signing in by OpenID Connect: out to the identity provider, and back with what it says.
//!
//! A handler here loads, talks, applies: no transaction is open while the identity provider is waited for. What the callback must
//! match (connection, browser, nonce, PKCE verifier) was kept in a row when the sign-in began, and is taken once.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::{CookieJar, Query};
use chrono::TimeDelta;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::super::authorize::waiting;
use super::super::extract::{SESSION_COOKIE, SIGN_IN_COOKIE, SignedIn, browser_marker, cookie};
use super::super::layers::{RequestId, no_such_page};
use super::super::pages::Reason;
use super::super::user_agent::UserAgent;
use super::stopped::{Stopped, failed, page_reason, switched_off, traced};
use super::{Where, is_local};
use crate::app::App;
use crate::directory::ending;
use crate::directory::manage::connection_secret_place;
use crate::directory::sign_in::{self, Attempt, Browser, Outcome};
use crate::federation::{Callback, Pending, Trace};
use crate::keys::{HashedToken, Place, PlainToken};
use crate::metrics::{SessionEnd, SignIn};
use crate::model::{Actor, ConnectionId, ConnectionState, Demand, LinkProofId, PendingId, Protocol, Purpose, Session, TenantId};
use crate::openid::authorize::{AuthorizationRequest, Wanted, demand};
use crate::store::{self, NewPending, PendingRow};

/// How long a person may take at the identity provider.
const PENDING_LIFETIME: TimeDelta = TimeDelta::minutes(15);

/// What is sealed of a sign-in that has begun.
#[derive(Serialize, Deserialize)]
struct Proof {
    nonce: String,
    pkce_verifier: String,
}

fn proof_place(id: PendingId) -> Place {
    Place { table: "pending_sign_ins", column: "proof_sealed", row: id.uuid() }
}

fn redirect_uri(app: &App, connection: ConnectionId) -> Option<Url> {
    // Each connection has its own, so that no answer of one identity provider can be taken for another's (O04).
    Url::parse(&app.settings.server.public_url.at(&format!("/sign-in/oidc/{connection}/callback"))).ok()
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
        Ok(Some((jar, departure))) => (jar, Redirect::to(departure.url.as_str())).into_response(),
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

/// What somebody is sent to an identity provider for.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Errand<'a> {
    pub(in crate::http) purpose: Purpose,
    pub(in crate::http) demand: &'a Demand,
    /// Where to go on afterwards, a path of ours.
    pub(in crate::http) return_to: Option<&'a str>,
}

/// Where to send the browser.
pub(in crate::http) struct Departure {
    /// The authorization request.
    pub(in crate::http) url: Url,
    /// What the connection is called.
    pub(in crate::http) connection: String,
}

/// Begins a sign-in: keeps what its callback must match, bound to this browser. `None` when there is no such connection.
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
    if connection.state != ConnectionState::Enabled || connection.protocol() != Protocol::Oidc {
        return Err(switched_off(app, tenant, &connection, request_id).await);
    }
    let Some(redirect_uri) = redirect_uri(app, id) else { return Ok(None) };
    let mut trace = Trace::default();
    let begun = match app.federation.begin(&connection, &redirect_uri, errand.demand, &mut trace).await {
        Ok(begun) => begun,
        Err(refused) => return Err(failed(app, tenant, &connection, &refused, &trace, request_id).await),
    };
    let browser = browser_marker(&jar);
    let now = app.clock.now();
    let pending = PendingId::new(now);
    let proof =
        Proof { nonce: begun.nonce.expose_secret().to_owned(), pkce_verifier: begun.pkce_verifier.expose_secret().to_owned() };
    let proof = serde_json::to_string(&proof).map_err(|error| internal(&error))?;
    let new = NewPending {
        id: pending,
        connection_id: id,
        state: &HashedToken::of(begun.state.expose_secret()),
        browser: &HashedToken::of(browser.expose_secret()),
        demand: errand.demand,
        purpose: &errand.purpose,
        proof: &app.sealer.seal_text(&proof_place(pending), &proof.into()),
        return_to: errand.return_to,
        expires_at: now + PENDING_LIFETIME,
    };
    keep(app, tenant, &new).await.map_err(|error| internal(&error))?;
    let jar = jar.add(cookie(SIGN_IN_COOKIE, browser.expose_secret().to_owned()));
    Ok(Some((jar, Departure { url: begun.authorization_url, connection: connection.name })))
}

async fn keep(app: &App, tenant: TenantId, new: &NewPending<'_>) -> store::Result<()> {
    let mut writer = app.store.write(tenant).await?;
    writer.insert_pending(new, app.clock.now()).await?;
    writer.commit().await
}

/// Takes what the identity provider sent the browser back with.
pub(in crate::http) async fn callback(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(callback): Query<Callback>,
    request_id: RequestId,
    before: Option<SignedIn>,
    user_agent: UserAgent,
    jar: CookieJar,
) -> Response {
    let Ok(id) = id.parse() else { return no_such_page().await };
    let browser = jar.get(SIGN_IN_COOKIE).map(|cookie| HashedToken::of(cookie.value()));
    let before = before.map(|SignedIn(session)| session);
    let digest = jar.get(SESSION_COOKIE).map(|cookie| HashedToken::of(cookie.value()));
    let comes = Comes { user_agent: &user_agent, marker: browser, before: before.as_ref().zip(digest.as_ref()) };
    match try_callback(&app, id, &callback, &request_id, comes).await {
        Ok((_, Arrived::Proved(link), _)) => Redirect::to(&format!("/me/logins/link/{link}")).into_response(),
        Ok((tenant, Arrived::SignedIn(session), return_to)) => {
            end_foreign(&app, before.filter(|session| session.tenant_id != tenant), &request_id).await;
            let jar = jar.add(cookie(SESSION_COOKIE, session.expose_secret().to_owned()));
            (jar, Redirect::to(return_to.as_deref().unwrap_or("/me"))).into_response()
        }
        Err(stopped) => stopped.into_answer(&app, &jar, before.as_ref()).await,
    }
}

/// What somebody came back with.
enum Arrived {
    /// They are signed in, which this cookie shows.
    SignedIn(SecretString),
    /// They have proved the second login of a link, and stay signed in as they were.
    Proved(LinkProofId),
}

/// The browser that comes back.
struct Comes<'a> {
    user_agent: &'a UserAgent,
    /// Digest of the value that binds what it began.
    marker: Option<HashedToken>,
    /// Its live session, with the digest of that one's cookie.
    before: Option<(&'a Session, &'a HashedToken)>,
}

/// Ends the earlier session of a browser in which somebody of another tenant signed in: no transaction reaches over that wall.
async fn end_foreign(app: &App, before: Option<Session>, request_id: &RequestId) {
    let Some(session) = before else { return };
    let caller = request_id.caller(app, Actor::Login { login: session.active_login_id });
    match ending::end_session(&app.store, caller, &session, ending::Reason::Replaced).await {
        Ok(()) => app.metrics.session_ended(SessionEnd::Replaced),
        Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "an earlier session could not be ended"),
    }
}

async fn try_callback(
    app: &App,
    id: ConnectionId,
    callback: &Callback,
    request_id: &RequestId,
    comes: Comes<'_>,
) -> Result<(TenantId, Arrived, Option<String>), Stopped> {
    let (tenant, pending) = take(app, id, callback, request_id, comes.marker.as_ref()).await?;
    let (return_to, purpose) = (pending.return_to.clone(), pending.purpose);
    match complete(app, id, callback, request_id, &comes, tenant, pending).await {
        Ok(arrived) => Ok((tenant, arrived, return_to)),
        Err(stopped) => Err(stopped.of(purpose).returning(return_to.as_deref())),
    }
}

async fn complete(
    app: &App,
    id: ConnectionId,
    callback: &Callback,
    request_id: &RequestId,
    comes: &Comes<'_>,
    tenant: TenantId,
    pending: PendingRow,
) -> Result<Arrived, Stopped> {
    let internal = |error: &(dyn std::error::Error + 'static)| Stopped::internal(error, request_id);
    let mut reader = app.store.read(tenant);
    let connection = reader.connection(id).await.map_err(|error| internal(&error))?;
    let connection = connection.ok_or_else(|| Stopped::new(Reason::ConnectionOff, request_id))?;
    if connection.state != ConnectionState::Enabled {
        return Err(switched_off(app, tenant, &connection, request_id).await);
    }
    let secret = match reader.connection_secret(id).await.map_err(|error| internal(&error))? {
        Some(sealed) => app.sealer.open_text(&connection_secret_place(id), &sealed).map_err(|error| internal(&error))?,
        None => SecretString::default(),
    };
    let proof = app.sealer.open_text(&proof_place(pending.id), &pending.proof_sealed).map_err(|error| internal(&error))?;
    let proof: Proof = serde_json::from_str(proof.expose_secret()).map_err(|error| internal(&error))?;
    let redirect_uri = redirect_uri(app, id).ok_or_else(|| Stopped::new(Reason::Internal, request_id))?;
    let expected = Pending {
        tenant,
        connection: &connection,
        client_secret: &secret,
        redirect_uri: &redirect_uri,
        nonce: &proof.nonce.into(),
        pkce_verifier: &proof.pkce_verifier.into(),
        demand: &pending.demand,
        began: pending.created_at,
    };
    let mut trace = Trace::default();
    let identity = match app.federation.finish(&expected, callback, &mut trace).await {
        Ok(identity) => identity,
        Err(refused) => return Err(failed(app, tenant, &connection, &refused, &trace, request_id).await),
    };
    let session = PlainToken::bare();
    let digest = session.digest();
    let UserAgent { name: user_agent, address } = comes.user_agent;
    let lifetime = TimeDelta::from_std(app.settings.sessions.absolute).unwrap_or(TimeDelta::days(1));
    let browser = Browser { session: &digest, user_agent, address: address.as_deref(), lifetime, before: comes.before };
    let caller = request_id.caller(app, Actor::Connection { connection: id });
    let steps = serde_json::to_value(&trace).unwrap_or_default();
    let purpose = pending.purpose;
    let attempt = Attempt {
        store: &app.store,
        rules: &app.rules,
        sealer: &app.sealer,
        caller,
        browser,
        purpose,
        demand: &pending.demand,
        steps: &steps,
    };
    match sign_in::sign_in(attempt, &identity).await.map_err(|error| internal(&error))? {
        Outcome::SignedIn { how, replaced, .. } => {
            if replaced {
                app.metrics.session_ended(SessionEnd::Replaced);
            }
            app.metrics.sign_in(match how {
                sign_in::How::Known => SignIn::Known,
                sign_in::How::Bound => SignIn::Bound,
                sign_in::How::Created => SignIn::Created,
            });
            Ok(Arrived::SignedIn(session.reveal()))
        }
        Outcome::Proved { link } => {
            app.metrics.sign_in(SignIn::Proved);
            Ok(Arrived::Proved(link))
        }
        Outcome::Refused { refusal, reference } => {
            app.metrics.sign_in(SignIn::Refused);
            let stopped = Stopped::new(page_reason(refusal, purpose), request_id).at(&connection);
            Err(stopped.under(reference))
        }
    }
}

/// Finds what was kept when the sign-in began, checks that this is the browser that began it, and takes it for this callback alone.
async fn take(
    app: &App,
    id: ConnectionId,
    callback: &Callback,
    request_id: &RequestId,
    browser: Option<&HashedToken>,
) -> Result<(TenantId, PendingRow), Stopped> {
    let internal = |error: &(dyn std::error::Error + 'static)| Stopped::internal(error, request_id);
    // Whose sign-in it would have been is not known, so there is nobody to leave a trace for.
    let expired = || Stopped::new(Reason::Expired, request_id);
    let state = callback.state_digest().ok_or_else(expired)?;
    let found = app.store.doors().pending_sign_in(&state).await.map_err(|error| internal(&error))?;
    let (tenant, pending) = found.ok_or_else(expired)?;
    // A foreign browser must not use up the sign-in of the one that began it.
    let same_browser = browser.is_some_and(|browser| *browser == pending.browser_digest);
    let (reason, outcome) = if pending.connection_id != id {
        (Reason::Expired, "state_of_other_connection")
    } else if !same_browser {
        (Reason::Expired, "state_of_other_browser")
    } else if pending.consumed_at.is_some() {
        (Reason::Replayed, "state_replayed")
    } else if pending.expires_at <= app.clock.now() {
        (Reason::Expired, "state_expired")
    } else if consume(app, tenant, pending.id).await.map_err(|error| internal(&error))? {
        return Ok((tenant, pending));
    } else {
        (Reason::Replayed, "state_replayed")
    };
    app.metrics.sign_in(SignIn::Failed);
    let mut stopped = Stopped::new(reason, request_id);
    if same_browser {
        stopped = stopped.of(pending.purpose).returning(pending.return_to.as_deref());
    }
    Err(traced(app, tenant, pending.connection_id, outcome, &Trace::default(), stopped, request_id).await)
}

async fn consume(app: &App, tenant: TenantId, pending: PendingId) -> store::Result<bool> {
    let mut writer = app.store.write(tenant).await?;
    let taken = writer.consume_pending(pending, app.clock.now()).await?;
    writer.commit().await?;
    Ok(taken)
}
