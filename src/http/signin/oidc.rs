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

use super::super::authorize::{self, waiting};
use super::super::extract::{SESSION_COOKIE, SIGN_IN_COOKIE, SignedIn, browser_marker, cookie};
use super::super::layers::{RequestId, no_such_page};
use super::super::pages::{Contact, Frame, Page, Reason, Refused as RefusedPage};
use super::super::user_agent::UserAgent;
use super::{Where, is_local, return_query};
use crate::app::App;
use crate::directory::decide::Refusal;
use crate::directory::ending;
use crate::directory::manage::connection_secret_place;
use crate::directory::sign_in::{self, Attempt, Browser, Outcome};
use crate::federation::{Callback, Kind, Pending, Refused, Trace};
use crate::keys::{HashedToken, Place, PlainToken};
use crate::metrics::{SessionEnd, SignIn};
use crate::model::{Actor, Connection, ConnectionId, ConnectionState, PendingId, Protocol, Session, TenantId, Unmet};
use crate::openid::authorize::{Refusal as Told, demand};
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

/// A sign-in that ends here, for whatever reason.
struct Stopped {
    reason: Reason,
    connection: Option<Connection>,
    reference: String,
    /// Where it was to return to, if that is known.
    return_to: Option<String>,
    /// What a portal that waits for it is told, in place of the page.
    told: Option<Told>,
}

impl Stopped {
    fn new(reason: Reason, request_id: &RequestId) -> Self {
        Self { reason, connection: None, reference: request_id.0.clone(), return_to: None, told: None }
    }

    /// Our own fault: the chain goes to the log, under the reference that the page shows.
    fn internal(error: &(dyn std::error::Error + 'static), request_id: &RequestId) -> Self {
        tracing::error!(error, "a sign-in failed");
        Self::new(Reason::Internal, request_id)
    }

    fn at(self, connection: &Connection) -> Self {
        Self { connection: Some(connection.clone()), ..self }
    }

    fn returning(self, return_to: Option<&str>) -> Self {
        Self { return_to: return_to.map(ToOwned::to_owned), ..self }
    }

    /// The portal that waits is told, once, if it can do something about it; otherwise there is a page.
    async fn into_answer(self, app: &App, jar: &CookieJar) -> Response {
        if let Some(refusal) = self.told {
            match authorize::tell(app, self.return_to.as_deref(), jar, refusal).await {
                Ok(Some(response)) => return response,
                Ok(None) => {}
                Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "a portal could not be told"),
            }
        }
        self.into_page()
    }

    fn into_page(self) -> Response {
        let (connection, contact) =
            self.connection.map_or((None, None), |connection| (Some(connection.name), connection.contact.map(Contact)));
        tracing::info!(reason = ?self.reason, reference = self.reference, "a sign-in was refused");
        let view = RefusedPage {
            frame: Frame::default(),
            reason: self.reason,
            connection,
            contact,
            reference: self.reference,
            retry: match self.return_to {
                Some(path) => format!("/sign-in?{}", return_query(&path)),
                None => "/sign-in".to_owned(),
            },
        };
        Page(self.reason.status(), view).into_response()
    }
}

/// Sends the browser to the identity provider.
pub(in crate::http) async fn begin(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(place): Query<Where>,
    request_id: RequestId,
    jar: CookieJar,
) -> Response {
    let Ok(id) = id.parse() else { return no_such_page().await };
    let return_to = place.return_to.filter(|path| is_local(path));
    match try_begin(&app, id, return_to.as_deref(), &request_id, jar).await {
        Ok(Some(response)) => response,
        Ok(None) => no_such_page().await,
        Err(stopped) => stopped.returning(return_to.as_deref()).into_page(),
    }
}

async fn try_begin(
    app: &App,
    id: ConnectionId,
    return_to: Option<&str>,
    request_id: &RequestId,
    jar: CookieJar,
) -> Result<Option<Response>, Stopped> {
    let internal = |error: &(dyn std::error::Error + 'static)| Stopped::internal(error, request_id);
    let Some(tenant) = app.store.doors().tenant_of_connection(id).await.map_err(|error| internal(&error))? else { return Ok(None) };
    let Some(connection) = app.store.read(tenant).connection(id).await.map_err(|error| internal(&error))? else { return Ok(None) };
    if connection.state != ConnectionState::Enabled || connection.protocol != Protocol::Oidc {
        return Err(switched_off(app, tenant, &connection, request_id).await);
    }
    let Some(redirect_uri) = redirect_uri(app, id) else { return Ok(None) };
    // What is demanded is looked up where it was kept: nothing that the browser says makes it less.
    let waiting = waiting::behind(app, return_to, &jar).await.map_err(|error| internal(&error))?;
    let demand = waiting.map(|waiting| demand(&waiting.request)).unwrap_or_default();
    let mut trace = Trace::default();
    let begun = match app.federation.begin(&connection, &redirect_uri, &demand, &mut trace).await {
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
        demand: &demand,
        proof: &app.sealer.seal_text(&proof_place(pending), &proof.into()),
        return_to,
        expires_at: now + PENDING_LIFETIME,
    };
    keep(app, tenant, &new).await.map_err(|error| internal(&error))?;
    let jar = jar.add(cookie(SIGN_IN_COOKIE, browser.expose_secret().to_owned()));
    Ok(Some((jar, Redirect::to(begun.authorization_url.as_str())).into_response()))
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
        Ok((tenant, session, return_to)) => {
            end_foreign(&app, before.filter(|session| session.tenant_id != tenant), &request_id).await;
            let jar = jar.add(cookie(SESSION_COOKIE, session.expose_secret().to_owned()));
            (jar, Redirect::to(return_to.as_deref().unwrap_or("/me"))).into_response()
        }
        Err(stopped) => stopped.into_answer(&app, &jar).await,
    }
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
) -> Result<(TenantId, SecretString, Option<String>), Stopped> {
    let (tenant, pending) = take(app, id, callback, request_id, comes.marker.as_ref()).await?;
    let return_to = pending.return_to.clone();
    match complete(app, id, callback, request_id, &comes, tenant, pending).await {
        Ok(session) => Ok((tenant, session, return_to)),
        Err(stopped) => Err(stopped.returning(return_to.as_deref())),
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
) -> Result<SecretString, Stopped> {
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
    let attempt = Attempt { store: &app.store, rules: &app.rules, sealer: &app.sealer, caller, browser, steps: &steps };
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
            Ok(session.reveal())
        }
        Outcome::Refused { refusal, reference } => {
            app.metrics.sign_in(SignIn::Refused);
            let stopped = Stopped::new(page_reason(refusal), request_id).at(&connection);
            Err(Stopped { reference: reference.to_string(), ..stopped })
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
    let stopped = Stopped::new(reason, request_id);
    Err(traced(app, tenant, pending.connection_id, outcome, &Trace::default(), stopped, request_id).await)
}

async fn consume(app: &App, tenant: TenantId, pending: PendingId) -> store::Result<bool> {
    let mut writer = app.store.write(tenant).await?;
    let taken = writer.consume_pending(pending, app.clock.now()).await?;
    writer.commit().await?;
    Ok(taken)
}

/// A sign-in that federation refused: a trace for the administrator, and a page with its reference for the person.
async fn failed(
    app: &App,
    tenant: TenantId,
    connection: &Connection,
    refused: &Refused,
    trace: &Trace,
    request_id: &RequestId,
) -> Stopped {
    tracing::warn!(reason = refused.reason(), error = refused as &dyn std::error::Error, "a sign-in was refused");
    app.metrics.sign_in(SignIn::Failed);
    let reason = match refused.kind() {
        Kind::Declined => Reason::Denied,
        Kind::Unavailable => Reason::Unreachable,
        Kind::Misconfigured | Kind::Untrusted | Kind::Unmet(_) => Reason::Untrusted,
    };
    let told = match refused.kind() {
        Kind::Unmet(Unmet::NotFresh) => Some(authorize::not_fresh()),
        Kind::Unmet(Unmet::NotSure) => Some(authorize::not_sure()),
        _ => None,
    };
    let stopped = Stopped { told, ..Stopped::new(reason, request_id).at(connection) };
    traced(app, tenant, connection.id, refused.reason(), trace, stopped, request_id).await
}

/// The connection is a draft, or was switched off.
async fn switched_off(app: &App, tenant: TenantId, connection: &Connection, request_id: &RequestId) -> Stopped {
    app.metrics.sign_in(SignIn::Refused);
    let stopped = Stopped::new(Reason::ConnectionOff, request_id).at(connection);
    traced(app, tenant, connection.id, Refusal::ConnectionOff.reason(), &Trace::default(), stopped, request_id).await
}

/// Leaves the trace of a sign-in that ends before there is an identity; its id is the reference number of the page.
async fn traced(
    app: &App,
    tenant: TenantId,
    connection: ConnectionId,
    outcome: &str,
    trace: &Trace,
    stopped: Stopped,
    request_id: &RequestId,
) -> Stopped {
    let steps = serde_json::to_value(trace).unwrap_or_default();
    let caller = request_id.caller(app, Actor::Connection { connection });
    match sign_in::record_failure(&app.store, tenant, caller, connection, outcome, &steps).await {
        Ok(reference) => Stopped { reference: reference.to_string(), ..stopped },
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the trace of a sign-in could not be written");
            stopped
        }
    }
}

fn page_reason(refusal: Refusal) -> Reason {
    match refusal {
        Refusal::ConnectionOff => Reason::ConnectionOff,
        Refusal::Inactive => Reason::Deactivated,
        Refusal::Gone => Reason::Gone,
        // That an address is no proof of who somebody is belongs into the administrator's trace; here the person is unknown.
        Refusal::Unknown | Refusal::EmailShaped => Reason::Unknown,
        Refusal::Ambiguous => Reason::Ambiguous,
        Refusal::AlreadyBound => Reason::AlreadyBound,
        Refusal::MissingClaim => Reason::MissingClaim,
    }
}
