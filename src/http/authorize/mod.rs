//! `/oauth2/authorize`: where portals send browsers to be signed in, and `/oauth2/authorize/{handle}`, where a request waits for its person.
//!
//! What is asked for is read and decided in [`crate::openid::authorize`]. Here it is looked up, rendered and carried back. When nothing is
//! to be asked the code is given at once; otherwise the request waits in a row, bound to this browser, to which signing in returns.
//!
//! A form of a portal's own site comes without our cookies (`SameSite=Lax`), so it is answered with a redirect to the same question as GET.

mod switch;
pub(super) mod waiting;

use axum::body::Body;
use axum::extract::{Form, OriginalUri, Path, RawQuery, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::CookieJar;
use chrono::{DateTime, Utc};
use http::header::{CONTENT_TYPE, REFERRER_POLICY};
use http::{HeaderMap, HeaderValue, StatusCode};
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use super::extract::SignedIn;
use super::layers::{RequestId, trouble};
use super::me::{self, Seen};
use super::pages::{AccountChoice, ChooseAccount, Frame, NoAccount, Onward, Over, Page, PortalRefused, RequestOver, Wrong};
use super::signin;
use crate::app::App;
use crate::directory;
use crate::directory::access::Reach;
use crate::directory::effective::EffectiveRole;
use crate::model::{AccountId, Acr, Actor, AuthorizationRequestId, Demand, Portal, Session};
use crate::openid::authorize::{
    self, Answer, AuthorizationRequest, Candidate, ErrorCode, Next, Parameters, Refusal, SessionFacts, Unproved,
};
use crate::openid::grants::{self, Given, Giving};
use crate::openid::hint;
use crate::openid::keys::KeysError;
use crate::store;
use waiting::Found;

/// Bytes of a request that comes as a form; what is longer fits no address.
const LONGEST: usize = 16 * 1024;

/// A request that is to be answered, from wherever it came.
struct Asked {
    portal: Portal,
    request: AuthorizationRequest,
    requested_at: DateTime<Utc>,
    /// Its row and handle, where it waits.
    waits: Option<(AuthorizationRequestId, String)>,
    /// The account that the person chose on our page.
    chosen: Option<AccountId>,
    /// It comes from a form of ours, so that no redirect may lead to another site.
    is_posted: bool,
}

/// Takes the request of a portal.
pub(super) async fn begin(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    signed_in: Option<SignedIn>,
    request_id: RequestId,
    jar: CookieJar,
) -> Response {
    let parameters = Parameters::parse(query.unwrap_or_default().as_bytes());
    let name = match authorize::client_id(&parameters) {
        Ok(name) => name,
        Err(why) => return unproved(why, None, request_id),
    };
    let portal = match app.store.doors().portal(name).await {
        Ok(Some(row)) => row.portal,
        Ok(None) => return unproved(Unproved::ClientUnknown, None, request_id),
        Err(error) => return failed(&error),
    };
    let request = match authorize::read(&parameters, &portal) {
        Ok(request) => request,
        Err(authorize::Wrong::Unproved(why)) => return unproved(why, Some(portal.name), request_id),
        Err(authorize::Wrong::Told { redirect_uri, state, refusal }) => {
            tracing::info!(client_id = portal.client_id, error = refusal.code.as_str(), "a portal's request was refused");
            return back(&app, &portal, &redirect_uri, state.as_deref(), Answer::Refused(refusal), false);
        }
    };
    let request = match prove_hint(&app, request).await {
        Ok(Ok(request)) => request,
        Ok(Err(request)) => {
            let refusal = Refusal::new(ErrorCode::InvalidRequest, "id_token_hint is no ID token that this portal was given");
            return back(&app, &portal, &request.redirect_uri, request.state.as_deref(), Answer::Refused(refusal), false);
        }
        Err(error) => return failed(&error),
    };
    let requested_at = app.clock.now();
    let asked = Asked { portal, request, requested_at, waits: None, chosen: None, is_posted: false };
    proceed(&app, asked, signed_in, &request_id, jar).await
}

/// Proves the hint of a request, if it has one: an ID token that this portal was given, be it long ago. Gives a request with a bad hint back.
async fn prove_hint(
    app: &App,
    request: AuthorizationRequest,
) -> Result<Result<AuthorizationRequest, AuthorizationRequest>, KeysError> {
    let Some(token) = &request.id_token_hint else { return Ok(Ok(request)) };
    let issuer = app.settings.server.public_url.origin();
    let hint = hint::read(&app.signing, issuer, token).await?;
    Ok(match hint.filter(|hint| hint.client_id() == Some(&request.client_id)) {
        Some(hint) => Ok(AuthorizationRequest { hinted: Some(hint.sub), ..request }),
        None => Err(request),
    })
}

/// Takes the request of a portal that sends it as a form (OpenID Connect Core section 3.1.2.1), here or to sign out.
pub(super) async fn by_form(OriginalUri(uri): OriginalUri, headers: HeaderMap, body: Body) -> Response {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_form = kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded");
    let Ok(bytes) = axum::body::to_bytes(body, LONGEST).await else { return trouble(Wrong::TooLarge) };
    match std::str::from_utf8(&bytes) {
        // Written anew, so that it is a query whatever was sent.
        Ok(_) if is_form => {
            let pairs = url::form_urlencoded::parse(&bytes);
            let query: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            Redirect::to(&format!("{}?{query}", uri.path())).into_response()
        }
        _ => trouble(Wrong::BadRequest),
    }
}

/// Goes on with a request that waits.
pub(super) async fn resume(
    State(app): State<App>,
    Path(handle): Path<String>,
    signed_in: Option<SignedIn>,
    request_id: RequestId,
    jar: CookieJar,
) -> Response {
    match find(&app, handle, &jar, signed_in.as_ref()).await {
        Ok(asked) => proceed(&app, asked, signed_in, &request_id, jar).await,
        Err(response) => *response,
    }
}

/// What the person answers on the page of a request that waits.
#[derive(Debug, Deserialize)]
pub(super) struct Chosen {
    account: Option<String>,
    cancel: Option<String>,
}

/// Takes the account that the person chose.
pub(super) async fn choose(
    State(app): State<App>,
    Path(handle): Path<String>,
    signed_in: Option<SignedIn>,
    request_id: RequestId,
    jar: CookieJar,
    Form(chosen): Form<Chosen>,
) -> Response {
    let asked = match find(&app, handle, &jar, signed_in.as_ref()).await {
        Ok(asked) => Asked { is_posted: true, ..asked },
        Err(response) => return *response,
    };
    if chosen.cancel.is_some() {
        return refuse(&app, &asked, Refusal::new(ErrorCode::AccessDenied, "the person turned back")).await;
    }
    let chosen = chosen.account.and_then(|account| account.parse().ok());
    proceed(&app, Asked { chosen, ..asked }, signed_in, &request_id, jar).await
}

/// The request that waits under a handle, for this browser.
async fn find(app: &App, handle: String, jar: &CookieJar, signed_in: Option<&SignedIn>) -> Result<Asked, Box<Response>> {
    match waiting::find(app, &handle, jar).await {
        Ok(Found::Waiting(waiting)) => Ok(Asked {
            portal: waiting.portal,
            request: waiting.request,
            requested_at: waiting.requested_at,
            waits: Some((waiting.id, handle)),
            chosen: None,
            is_posted: false,
        }),
        Ok(Found::Over(why)) => Err(Box::new(over(app, why, signed_in).await)),
        Err(error) => Err(Box::new(failed(&error))),
    }
}

/// Decides what is next, and does it.
async fn proceed(app: &App, asked: Asked, signed_in: Option<SignedIn>, request_id: &RequestId, jar: CookieJar) -> Response {
    let session = signed_in.map(|SignedIn(session)| session);
    let known = match &session {
        Some(session) => match Known::load(app, session).await {
            Ok(known) => known,
            Err(error) => return failed(&error),
        },
        None => None,
    };
    let asked = match settle(app, asked, known.as_ref()).await {
        Ok(asked) => asked,
        Err(error) => return failed(&error),
    };
    let (facts, candidates) = known.as_ref().map_or((None, &[][..]), |known| (Some(&known.facts), known.candidates.as_slice()));
    let next = authorize::next(&asked.request, facts, candidates, asked.chosen, asked.requested_at, app.clock.now());
    match (next, session, known) {
        (Next::Refuse(refusal), ..) => refuse(app, &asked, refusal).await,
        (Next::SignIn { demand }, _, known) => sign_in(app, asked, &demand, known.as_ref(), jar).await,
        (Next::AskSwitch { login }, Some(_), Some(known)) => switch::ask(app, asked, known.seen, login, jar).await,
        (Next::Choose, Some(_), Some(known)) => choice(app, asked, known, jar).await,
        (Next::NoAccount, Some(_), Some(known)) => no_account(app, &asked, known),
        (Next::Issue { account }, Some(session), _) => issue(app, asked, &session, account, request_id).await,
        // The decision knows no session where there is none.
        (Next::AskSwitch { .. } | Next::Choose | Next::NoAccount | Next::Issue { .. }, ..) => trouble(Wrong::Internal),
    }
}

/// Says of a request for the other login which one that is, as soon as somebody is known; one that waits remembers it.
async fn settle(app: &App, asked: Asked, known: Option<&Known>) -> store::Result<Asked> {
    let Some(known) = known else { return Ok(asked) };
    let request = authorize::settled(asked.request.clone(), &known.facts);
    if request != asked.request
        && let Some((id, _)) = asked.waits
    {
        waiting::change(app, id, &request).await?;
    }
    Ok(Asked { request, ..asked })
}

/// What there is to know of a session.
struct Known {
    facts: SessionFacts,
    connection: Option<crate::model::Connection>,
    candidates: Vec<Candidate>,
    reach: Option<Reach>,
    seen: Seen,
}

impl Known {
    /// `None` when the session or its login went in this moment.
    async fn load(app: &App, session: &Session) -> directory::Result<Option<Self>> {
        let mut reader = app.store.read(session.tenant_id);
        let login = session.active_login_id;
        let Some(row) = reader.session_login(session.id, login).await? else { return Ok(None) };
        let Some(seen) = me::seen(&mut reader, session, &app.rules).await? else { return Ok(None) };
        let how = row.authentication;
        let connection = match how.connection_id {
            Some(id) => reader.connection(id).await?,
            None => None,
        };
        let reach = Reach::load(&mut reader, login, &app.rules).await?;
        let candidates = reach.as_ref().map(candidates).unwrap_or_default();
        let facts = SessionFacts {
            login,
            other: reader.other_login_in_use(login).await?,
            authenticated_at: how.authenticated_at,
            asserted_at: how.asserted_at,
            acr: how.acr.as_deref().and_then(Acr::named).unwrap_or(Acr::Aal1),
        };
        Ok(Some(Self { facts, connection, candidates, reach, seen }))
    }
}

fn candidates(reach: &Reach) -> Vec<Candidate> {
    let tree = reach.tree();
    let with_role = tree.downwards().into_iter().filter(|account| reach.holds_any(account.id));
    with_role.map(|account| Candidate { id: account.id, path: tree.path(account.id) }).collect()
}

/// The accounts on which there is a role, each below those that lead to it.
fn tree(reach: &Reach, parent: Option<AccountId>) -> Vec<AccountChoice> {
    let mut nodes = Vec::new();
    for account in reach.tree().children(parent) {
        let held = reach.roles(account.id);
        let mut roles: Vec<_> = held.iter().filter(|held| EffectiveRole::counts(held)).map(|held| held.role.name.clone()).collect();
        roles.dedup();
        let children = tree(reach, Some(account.id));
        if !roles.is_empty() || !children.is_empty() {
            nodes.push(AccountChoice { id: account.id.to_string(), name: account.name.clone(), roles, children });
        }
    }
    nodes
}

/// Sends the person to sign in, and the request waits for them.
async fn sign_in(app: &App, asked: Asked, demand: &Demand, known: Option<&Known>, jar: CookieJar) -> Response {
    let connection = known.and_then(|known| known.connection.as_ref());
    // Nothing that this identity provider could say would be enough, so that nobody is sent there for it.
    if demand.class() > Some(Acr::Aal1) && connection.is_some_and(|connection| connection.second_factor().is_never()) {
        return refuse(app, &asked, not_sure()).await;
    }
    // Somebody is signed in, and there is nowhere to send them for more.
    if known.is_some() && connection.is_none() {
        let refusal = if demand.class() > Some(Acr::Aal1) { not_sure() } else { not_fresh() };
        return refuse(app, &asked, refusal).await;
    }
    let (jar, handle) = match keep(app, &asked, jar).await {
        Ok(kept) => kept,
        Err(error) => return failed(&error),
    };
    let place = waiting::place(&handle);
    let (href, to) = match connection {
        Some(connection) => (signin::start(connection, Some(&place)), connection.name.clone()),
        None => (format!("/sign-in?{}", signin::return_query(&place)), "the sign-in page".to_owned()),
    };
    (jar, onward(&href, &to, asked.is_posted)).into_response()
}

pub(super) const fn not_fresh() -> Refusal {
    Refusal::new(ErrorCode::LoginRequired, "the person’s identity provider does not say that it asked them anew")
}

pub(super) const fn not_sure() -> Refusal {
    Refusal::new(
        ErrorCode::UnmetAuthenticationRequirements,
        "the person’s identity provider does not say that it is certain enough",
    )
}

/// Asks for the account, at the address of the request that waits.
async fn choice(app: &App, asked: Asked, known: Known, jar: CookieJar) -> Response {
    if let (Some((_, handle)), Some(reach)) = (&asked.waits, &known.reach) {
        let Seen { frame, visitor, .. } = known.seen;
        let (action, accounts) = (waiting::place(handle), tree(reach, None));
        let frame = frame.at(&action);
        return Page(StatusCode::OK, ChooseAccount { frame, portal: asked.portal.name, visitor, accounts, action }).into_response();
    }
    match keep(app, &asked, jar).await {
        Ok((jar, handle)) => (jar, Redirect::to(&waiting::place(&handle))).into_response(),
        Err(error) => failed(&error),
    }
}

fn no_account(app: &App, asked: &Asked, known: Known) -> Response {
    let Asked { portal, request, .. } = asked;
    let refusal = Refusal::new(ErrorCode::AccessDenied, "the login has no role on any account");
    let issuer = app.settings.server.public_url.origin();
    let url = authorize::answer(&request.redirect_uri, request.state.as_deref(), issuer, Answer::Refused(refusal));
    let Some(url) = url else { return trouble(Wrong::Internal) };
    let Seen { frame, visitor, contact } = known.seen;
    Page(StatusCode::OK, NoAccount { frame, portal: portal.name.clone(), visitor, contact, back: url.into() }).into_response()
}

/// Gives the portal its code.
async fn issue(app: &App, asked: Asked, session: &Session, account: AccountId, request_id: &RequestId) -> Response {
    let Asked { portal, request, waits, is_posted, .. } = &asked;
    let caller = request_id.caller(app, Actor::Login { login: session.active_login_id });
    let waited = waits.as_ref().map(|(id, _)| *id);
    match grants::issue(&app.store, caller, Giving { portal, request, waited, session, account }).await {
        Ok(Given::Code(code)) => {
            back(app, portal, &request.redirect_uri, request.state.as_deref(), Answer::Code(code.expose_secret()), *is_posted)
        }
        Ok(Given::Answered) => over(app, Over::Answered, None).await,
        Ok(Given::SignedOut) => {
            refuse(app, &asked, Refusal::new(ErrorCode::LoginRequired, "the person was signed out in this moment")).await
        }
        Err(error) => failed(&error),
    }
}

/// Lets a request wait for its person, unless it does.
async fn keep(app: &App, asked: &Asked, jar: CookieJar) -> store::Result<(CookieJar, String)> {
    match &asked.waits {
        Some((_, handle)) => Ok((jar, handle.clone())),
        None => waiting::keep(app, &asked.portal, &asked.request, jar).await,
    }
}

/// Tells the portal why it gets no code. A request that waited does so no longer.
async fn refuse(app: &App, asked: &Asked, refusal: Refusal) -> Response {
    let Asked { portal, request, waits, is_posted, .. } = asked;
    tracing::info!(client_id = portal.client_id, error = refusal.code.as_str(), "a portal's request was refused");
    if let Some((id, _)) = waits
        && let Err(error) = waiting::consume(app, *id).await
    {
        return failed(&error);
    }
    back(app, portal, &request.redirect_uri, request.state.as_deref(), Answer::Refused(refusal), *is_posted)
}

/// Tells the portal behind a return address why it gets no code, if a request waits there for this browser, and uses the request up.
pub(super) async fn tell(
    app: &App,
    return_to: Option<&str>,
    jar: &CookieJar,
    refusal: Refusal,
    is_posted: bool,
) -> store::Result<Option<Response>> {
    let Some(waiting) = waiting::behind(app, return_to, jar).await? else { return Ok(None) };
    if !waiting::consume(app, waiting.id).await? {
        return Ok(None);
    }
    let waiting::Waiting { portal, request, .. } = waiting;
    tracing::info!(client_id = portal.client_id, error = refusal.code.as_str(), "a portal's request was refused");
    Ok(Some(back(app, &portal, &request.redirect_uri, request.state.as_deref(), Answer::Refused(refusal), is_posted)))
}

/// Goes on to a path of ours after a form. A portal's request may lead to the portal, where no redirect after a form of ours may lead.
pub(super) async fn after_a_form(app: &App, path: &str, jar: &CookieJar) -> store::Result<Response> {
    if !path.starts_with("/oauth2/") {
        return Ok(Redirect::to(path).into_response());
    }
    let waiting = waiting::behind(app, Some(path), jar).await?;
    Ok(onward(path, waiting.as_ref().map_or("the application", |waiting| waiting.portal.name.as_str()), true))
}

/// Sends the browser back to the portal, to an address that was proved.
pub(super) fn back(
    app: &App,
    portal: &Portal,
    redirect_uri: &str,
    state: Option<&str>,
    answer: Answer<'_>,
    is_posted: bool,
) -> Response {
    let issuer = app.settings.server.public_url.origin();
    match authorize::answer(redirect_uri, state, issuer, answer) {
        Some(url) => onward(url.as_str(), &portal.name, is_posted),
        None => trouble(Wrong::Internal),
    }
}

/// Sends the browser on: by a redirect, or after a form of ours by a page that does the same.
pub(super) fn onward(href: &str, to: &str, is_posted: bool) -> Response {
    let mut response = if is_posted {
        Page(StatusCode::OK, Onward { frame: Frame::default(), to: to.to_owned(), href: href.to_owned() }).into_response()
    } else {
        Redirect::to(href).into_response()
    };
    // A code in an address is nobody else's business.
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn unproved(why: Unproved, portal: Option<String>, request_id: RequestId) -> Response {
    tracing::info!(?why, "a request of a portal is not proved");
    Page(StatusCode::BAD_REQUEST, PortalRefused { frame: Frame::default(), why, portal, reference: request_id.0 }).into_response()
}

async fn over(app: &App, over: Over, signed_in: Option<&SignedIn>) -> Response {
    let frame = match signed_in {
        Some(SignedIn(session)) => {
            let seen = me::seen(&mut app.store.read(session.tenant_id), session, &app.rules).await;
            seen.ok().flatten().map(|seen| seen.frame)
        }
        None => None,
    };
    Page(StatusCode::BAD_REQUEST, RequestOver { frame: frame.unwrap_or_default(), over }).into_response()
}

fn failed(error: &(dyn std::error::Error + 'static)) -> Response {
    tracing::error!(error, "a portal's request could not be answered");
    trouble(Wrong::Unavailable)
}
