//! Signing in by OpenID Connect: the authorization request, and the callback. What every protocol shares is in [`super::depart`] and
//! [`super::arrive`].

use axum::extract::{Path, State};
use axum::response::Response;
use axum_extra::extract::{CookieJar, Query};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::super::extract::SignedIn;
use super::super::layers::{RequestId, no_such_page};
use super::super::pages::Reason;
use super::super::user_agent::UserAgent;
use super::arrive::{Brought, Comes, arrive};
use super::depart::{Begun, Way, proof_place};
use super::stopped::Stopped;
use crate::app::App;
use crate::directory::manage::connection_secret_place;
use crate::federation::{Callback, Pending, Refused, Trace};
use crate::model::{Connection, ConnectionId, Demand, ExternalIdentity, TenantId};
use crate::store::PendingRow;

/// What is sealed of a sign-in that has begun.
#[derive(Serialize, Deserialize)]
struct Proof {
    nonce: String,
    pkce_verifier: String,
}

fn redirect_uri(app: &App, connection: ConnectionId) -> Option<Url> {
    // Each connection has its own, so that no answer of one identity provider can be taken for another's (O04).
    Url::parse(&app.settings.server.public_url.oidc_callback(connection)).ok()
}

/// Makes the authorization request, with the secrets that its callback must match.
pub(super) async fn ask(
    app: &App,
    connection: &Connection,
    demand: &Demand,
    trace: &mut Trace,
    request_id: &RequestId,
) -> Result<Result<Begun, Refused>, Stopped> {
    let redirect_uri = redirect_uri(app, connection.id).ok_or_else(|| Stopped::new(Reason::Internal, request_id))?;
    let begun = match app.federation.begin(connection, &redirect_uri, demand, trace).await {
        Ok(begun) => begun,
        Err(refused) => return Ok(Err(refused)),
    };
    let proof =
        Proof { nonce: begun.nonce.expose_secret().to_owned(), pkce_verifier: begun.pkce_verifier.expose_secret().to_owned() };
    let proof = serde_json::to_string(&proof).map_err(|error| Stopped::internal(&error, request_id))?;
    Ok(Ok(Begun { way: Way::Redirect(begun.authorization_url), state: begun.state, proof: proof.into() }))
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
    let comes = Comes::new(user_agent, before, &jar);
    arrive(&app, id, Brought::Oidc(callback), &request_id, comes, jar).await
}

/// Redeems the code and proves the ID token.
pub(super) async fn prove(
    app: &App,
    tenant: TenantId,
    connection: &Connection,
    pending: &PendingRow,
    callback: &Callback,
    trace: &mut Trace,
    request_id: &RequestId,
) -> Result<Result<ExternalIdentity, Refused>, Stopped> {
    let internal = |error: &(dyn std::error::Error + 'static)| Stopped::internal(error, request_id);
    let sealed = app.store.read(tenant).connection_secret(connection.id).await.map_err(|error| internal(&error))?;
    let secret = match sealed {
        Some(sealed) => app.sealer.open_text(&connection_secret_place(connection.id), &sealed).map_err(|error| internal(&error))?,
        None => SecretString::default(),
    };
    let proof = app.sealer.open_text(&proof_place(pending.id), &pending.proof_sealed).map_err(|error| internal(&error))?;
    let proof: Proof = serde_json::from_str(proof.expose_secret()).map_err(|error| internal(&error))?;
    let redirect_uri = redirect_uri(app, connection.id).ok_or_else(|| Stopped::new(Reason::Internal, request_id))?;
    let expected = Pending {
        tenant,
        connection,
        client_secret: &secret,
        redirect_uri: &redirect_uri,
        nonce: &proof.nonce.into(),
        pkce_verifier: &proof.pkce_verifier.into(),
        demand: &pending.demand,
        began: pending.created_at,
    };
    Ok(app.federation.finish(&expected, callback, trace).await)
}
