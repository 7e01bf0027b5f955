//! Coming back from an identity provider, by whichever protocol: what was kept is taken, what came is proved, and the sign-in is applied.
//!
//! No transaction is open while an identity provider is waited for, or while a signature is checked: load, talk, apply.

use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::CookieJar;
use chrono::TimeDelta;
use secrecy::{ExposeSecret as _, SecretString};

use super::super::authorize::after_a_form;
use super::super::extract::{SESSION_COOKIE, SIGN_IN_COOKIE, SignedIn, cookie};
use super::super::layers::RequestId;
use super::super::pages::Reason;
use super::super::user_agent::UserAgent;
#[cfg(feature = "saml")]
use super::saml;
use super::stopped::{Stopped, failed, page_reason, switched_off, traced};
use super::trial::{self, Report};
use super::{can_begin, oidc};
use crate::app::App;
use crate::directory::ending;
use crate::directory::sign_in::{self, Attempt, Browser, Outcome};
use crate::federation::{Callback, Refused, Trace};
use crate::keys::{HashedToken, PlainToken};
use crate::metrics::{SessionEnd, SignIn};
use crate::model::{
    Actor, Connection, ConnectionId, ExternalIdentity, LinkProofId, PendingId, Protocol, Purpose, Session, TenantId,
};
use crate::store::{self, PendingRow};

/// What a browser brought back. Anyone can send these: nothing in them is proved.
pub(super) enum Brought {
    Oidc(Callback),
    /// The fields of the form.
    #[cfg(feature = "saml")]
    Saml {
        response: String,
        relay_state: SecretString,
    },
}

impl Brought {
    /// Whether it came in a form, which ends where no redirect may lead to another site.
    fn is_posted(&self) -> bool {
        match self {
            Self::Oidc(_) => false,
            #[cfg(feature = "saml")]
            Self::Saml { .. } => true,
        }
    }

    /// By what the sign-in is found that has begun.
    pub(super) fn state_digest(&self) -> Option<HashedToken> {
        match self {
            Self::Oidc(callback) => callback.state_digest(),
            #[cfg(feature = "saml")]
            Self::Saml { relay_state, .. } => Some(HashedToken::of(relay_state.expose_secret())),
        }
    }
}

/// The browser that comes back.
pub(super) struct Comes {
    pub(super) user_agent: UserAgent,
    /// Digest of the value that binds what it began.
    pub(super) marker: Option<HashedToken>,
    /// Its live session.
    pub(super) before: Option<Session>,
    /// Digest of that one's cookie.
    pub(super) digest: Option<HashedToken>,
}

impl Comes {
    pub(super) fn new(user_agent: UserAgent, before: Option<SignedIn>, jar: &CookieJar) -> Self {
        let digest = |name| jar.get(name).map(|cookie| HashedToken::of(cookie.value()));
        Self {
            user_agent,
            marker: digest(SIGN_IN_COOKIE),
            before: before.map(|SignedIn(session)| session),
            digest: digest(SESSION_COOKIE),
        }
    }
}

/// What somebody came back with.
enum Arrived {
    /// They are signed in, which this cookie shows.
    SignedIn(SecretString),
    /// They have proved the second login of a link, and stay signed in as they were.
    Proved(LinkProofId),
    /// An administrator sees what a sign-in would come to.
    Tested(Box<Report>),
}

/// Takes what the identity provider sent the browser back with.
pub(super) async fn arrive(
    app: &App,
    id: ConnectionId,
    brought: Brought,
    request_id: &RequestId,
    comes: Comes,
    jar: CookieJar,
) -> Response {
    let is_posted = brought.is_posted();
    match try_arrive(app, id, brought, request_id, &comes).await {
        Ok((_, Arrived::Tested(report), _)) => trial::show(app, comes.before.as_ref(), *report).await,
        Ok((_, Arrived::Proved(link), _)) => Redirect::to(&format!("/me/logins/link/{link}")).into_response(),
        Ok((tenant, Arrived::SignedIn(session), return_to)) => {
            end_foreign(app, comes.before.filter(|session| session.tenant_id != tenant), request_id).await;
            let jar = jar.add(cookie(SESSION_COOKIE, session.expose_secret().to_owned()));
            let place = return_to.as_deref().unwrap_or("/me");
            if !is_posted {
                return (jar, Redirect::to(place)).into_response();
            }
            match after_a_form(app, place, &jar).await {
                Ok(response) => (jar, response).into_response(),
                Err(error) => (jar, Stopped::internal(&error, request_id).into_page()).into_response(),
            }
        }
        Err(stopped) => stopped.into_answer(app, &jar, comes.before.as_ref(), is_posted).await,
    }
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

async fn try_arrive(
    app: &App,
    id: ConnectionId,
    brought: Brought,
    request_id: &RequestId,
    comes: &Comes,
) -> Result<(TenantId, Arrived, Option<String>), Stopped> {
    let (tenant, pending) = take(app, id, brought.state_digest(), request_id, comes.marker.as_ref()).await?;
    match prove_and_apply(app, tenant, &pending, brought, request_id, comes).await {
        Ok(arrived) => Ok((tenant, arrived, pending.return_to)),
        Err(stopped) => Err(stopped.of(pending.purpose).returning(pending.return_to.as_deref())),
    }
}

async fn prove_and_apply(
    app: &App,
    tenant: TenantId,
    pending: &PendingRow,
    brought: Brought,
    request_id: &RequestId,
    comes: &Comes,
) -> Result<Arrived, Stopped> {
    let connection = app.store.read(tenant).connection(pending.connection_id).await;
    let connection = connection.map_err(|error| Stopped::internal(&error, request_id))?;
    let connection = connection.ok_or_else(|| Stopped::new(Reason::ConnectionOff, request_id))?;
    if !can_begin(&connection, pending.purpose) {
        return Err(switched_off(app, tenant, &connection, request_id).await);
    }
    if let Purpose::Test { login } = pending.purpose {
        trial::may_see(app, &connection, login, comes.before.as_ref(), request_id).await?;
    }
    let mut trace = Trace::default();
    let proved = prove(app, tenant, &connection, pending, brought, &mut trace, request_id).await?;
    if let Purpose::Test { login } = pending.purpose {
        let report = match proved {
            Ok(identity) => trial::accepted(app, connection, login, &identity, trace, request_id).await?,
            Err(refused) => trial::refused(app, tenant, connection, login, &refused, trace, request_id).await,
        };
        return Ok(Arrived::Tested(Box::new(report)));
    }
    match proved {
        Ok(identity) => apply(app, &connection, pending, &identity, &trace, request_id, comes).await,
        Err(refused) => Err(failed(app, tenant, &connection, &refused, &trace, request_id).await),
    }
}

/// Proves what came, as the connection's protocol has it.
async fn prove(
    app: &App,
    tenant: TenantId,
    connection: &Connection,
    pending: &PendingRow,
    brought: Brought,
    trace: &mut Trace,
    request_id: &RequestId,
) -> Result<Result<ExternalIdentity, Refused>, Stopped> {
    match (connection.protocol(), brought) {
        (Protocol::Oidc, Brought::Oidc(callback)) => {
            oidc::prove(app, tenant, connection, pending, &callback, trace, request_id).await
        }
        #[cfg(feature = "saml")]
        (Protocol::Saml, Brought::Saml { response, .. }) => {
            saml::prove(app, tenant, connection, pending, response, trace, request_id).await
        }
        // It came where another protocol's answers come.
        _ => Ok(Err(Refused::OtherProtocol)),
    }
}

/// Signs a proved identity in, or does what else the sign-in was for.
async fn apply(
    app: &App,
    connection: &Connection,
    pending: &PendingRow,
    identity: &ExternalIdentity,
    trace: &Trace,
    request_id: &RequestId,
    comes: &Comes,
) -> Result<Arrived, Stopped> {
    let session = PlainToken::bare();
    let digest = session.digest();
    let UserAgent { name: user_agent, address } = &comes.user_agent;
    let lifetime = TimeDelta::from_std(app.settings.sessions.absolute).unwrap_or(TimeDelta::days(1));
    let before = comes.before.as_ref().zip(comes.digest.as_ref());
    let browser = Browser { session: &digest, user_agent, address: address.as_deref(), lifetime, before };
    let steps = serde_json::to_value(trace).unwrap_or_default();
    let purpose = pending.purpose;
    let attempt = Attempt {
        store: &app.store,
        rules: &app.rules,
        sealer: &app.sealer,
        caller: request_id.caller(app, Actor::Connection { connection: connection.id }),
        browser,
        purpose,
        demand: &pending.demand,
        steps: &steps,
    };
    match sign_in::sign_in(attempt, identity).await.map_err(|error| Stopped::internal(&error, request_id))? {
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
            let stopped = Stopped::new(page_reason(refusal, purpose), request_id).at(connection);
            Err(stopped.under(reference))
        }
    }
}

/// Finds what was kept when the sign-in began, checks that this is the browser that began it, and takes it for this way back alone.
async fn take(
    app: &App,
    id: ConnectionId,
    state: Option<HashedToken>,
    request_id: &RequestId,
    browser: Option<&HashedToken>,
) -> Result<(TenantId, PendingRow), Stopped> {
    let internal = |error: &(dyn std::error::Error + 'static)| Stopped::internal(error, request_id);
    // Whose sign-in it would have been is not known, so there is nobody to leave a trace for.
    let expired = || Stopped::new(Reason::Expired, request_id);
    let state = state.ok_or_else(expired)?;
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
