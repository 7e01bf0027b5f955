//! Connections, as administrators see them and set them up. What is SAML's own is in [`super::saml`].

use axum::extract::{OriginalUri, Path, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::asker::{Asker, Body};
use super::paging::Wanted;
use super::problem::Problem;
use crate::app::App;
use crate::directory::access::Permission;
use crate::directory::connections::{ConnectionView, Connections, Missing, SamlChange, SamlConnections};
use crate::http::connections::{Certified, Switched, certified, place, reply_addresses};
use crate::http::layers::RequestId;
use crate::model::{Certificate, Connection, ConnectionId, JitPolicy, MissingClaim};

/// The connections, for who asks.
fn connections<'a>(app: &'a App, asker: &'a Asker, id: &'a RequestId, needs: Permission) -> Result<Connections<'a>, Problem> {
    let caller = id.caller(app, asker.actor());
    Ok(Connections { store: &app.store, tenant: asker.tenant(), reach: asker.reach_for(needs)?, caller })
}

/// The same, for what SAML connections have of their own.
pub(super) fn saml_connections<'a>(app: &'a App, asker: &'a Asker, id: &'a RequestId) -> Result<SamlConnections<'a>, Problem> {
    let caller = id.caller(app, asker.actor());
    let reach = Some(asker.reach_for(Permission::ManageDirectories)?);
    Ok(SamlConnections { store: &app.store, sealer: &app.sealer, tenant: asker.tenant(), reach, caller })
}

/// The connection that a path names.
pub(super) fn named(connection: &str) -> Result<ConnectionId, Problem> {
    connection.parse().map_err(|_| Problem::not_found())
}

/// `GET /connections`: those that who asks may see, by name.
pub(super) async fn list(State(app): State<App>, asker: Asker, id: RequestId, uri: OriginalUri) -> Result<Body<Value>, Problem> {
    let connections = connections(&app, &asker, &id, Permission::ViewDirectories)?;
    let page = Wanted::read(uri.query().unwrap_or_default())?;
    let (found, next) = page.of(connections.list().await?, |connection| (connection.name.clone(), connection.id));
    let items: Vec<_> = found.iter().map(|connection| short(&app, connection)).collect();
    Ok(Body(json!({ "items": items, "next": next })))
}

/// `GET /connections/{connection}`: one, with everything that is known of it.
pub(super) async fn read(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(connection): Path<String>,
) -> Result<Body<Value>, Problem> {
    let connections = connections(&app, &asker, &id, Permission::ViewDirectories)?;
    whole(&app, &connections, named(&connection)?).await
}

/// The body of `PATCH /connections/{connection}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    state: Option<Switched>,
    name: Option<String>,
    entity_id: Option<String>,
    jit: Option<JitPolicy>,
    missing_claim: Option<MissingClaim>,
    contact: Option<String>,
    settings: Option<Map<String, Value>>,
}

/// `PATCH /connections/{connection}`: switches it off, or on again; changes what a SAML connection is.
pub(super) async fn change(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(connection): Path<String>,
    Body(change): Body<Change>,
) -> Result<Body<Value>, Problem> {
    let connection = named(&connection)?;
    let connections = connections(&app, &asker, &id, Permission::ManageDirectories)?;
    let Change { state, name, entity_id, jit, missing_claim, contact, settings } = change;
    let saml = SamlChange { name, entity_id, jit, missing_claim, contact, settings };
    match (state, saml.is_nothing()) {
        (None, false) => saml_connections(&app, &asker, &id)?.change(connection, &saml).await?,
        (Some(state), true) => connections.switch(connection, state == Switched::Enabled).await.map(drop)?,
        (Some(_), false) => return Err(Problem::invalid("state: switch it in a request of its own")),
        (None, true) => {
            return Err(Problem::invalid("state, name, entity_id, jit, missing_claim, contact or settings: give one"));
        }
    }
    whole(&app, &connections, connection).await
}

/// One connection with everything, for who may see it.
pub(super) async fn whole(app: &App, connections: &Connections<'_>, id: ConnectionId) -> Result<Body<Value>, Problem> {
    let (view, _) = connections.read(id).await?;
    Ok(Body(told(app, &view)))
}

/// The same, for who has just changed it.
#[cfg(feature = "saml")]
pub(super) async fn changed(app: &App, asker: &Asker, id: &RequestId, connection: ConnectionId) -> Result<Body<Value>, Problem> {
    whole(app, &connections(app, asker, id, Permission::ManageDirectories)?, connection).await
}

/// What lists say of a connection.
pub(super) fn short(app: &App, connection: &Connection) -> Value {
    json!({
        "id": connection.id,
        "slug": connection.slug,
        "name": connection.name,
        "protocol": connection.protocol(),
        "state": connection.state,
        "issuer": connection.issuer,
        "account": connection.home_account_id,
        "page": app.settings.server.public_url.at(&place(connection.id)),
    })
}

/// What is said of a certificate that does not count yet.
fn certificate(certificate: &Certificate) -> Value {
    let Certificate { subject, key, fingerprint, not_after, .. } = certificate;
    json!({ "subject": subject, "key": key, "fingerprint": fingerprint, "not_after": not_after })
}

fn told(app: &App, view: &ConnectionView) -> Value {
    let ConnectionView { connection, certificates, metadata, proposal, keys, missing } = view;
    let mut all = short(app, connection);
    let now = app.clock.now();
    let certificates: Vec<_> = certificates
        .iter()
        .map(|row| {
            let Certified { subject, key } = certified(&row.der);
            json!({
                "id": row.id,
                "subject": subject,
                "key": key,
                "fingerprint": row.fingerprint,
                "source": row.source,
                "valid": row.is_valid(now),
                "not_before": row.not_before,
                "not_after": row.not_after,
                "added_at": row.added_at,
                "last_used_at": row.last_used_at,
                "absent_since": row.absent_since,
            })
        })
        .collect();
    let metadata = metadata.as_ref().map(|row| {
        json!({
            "url": row.url,
            "fetched_at": row.fetched_at,
            "due_at": row.url.as_ref().map(|_| row.due_at),
            "failures": row.failures,
            "problem": row.problem,
        })
    });
    let proposal = proposal.as_ref().map(|proposal| {
        json!({
            "proposal": proposal.digest(),
            "since": view.metadata.as_ref().and_then(|row| row.proposed_at),
            "entity_id": proposal.entity_id,
            "sso": proposal.sso,
            "slo": proposal.slo,
            "certificates": proposal.certificates.iter().map(certificate).collect::<Vec<_>>(),
        })
    });
    let keys: Vec<_> = keys
        .iter()
        .map(|key| json!({ "id": key.id, "signs_from": key.active_from, "retired_at": key.retired_at, "created_at": key.created_at }))
        .collect();
    let more = json!({
        "jit": connection.jit,
        "missing_claim": connection.missing_claim,
        "contact": connection.contact,
        "settings": connection.settings,
        "service_provider": reply_addresses(app, connection),
        "certificates": certificates,
        "metadata": metadata,
        "proposal": proposal,
        "keys": keys,
        "missing": missing.iter().map(Missing::to_string).collect::<Vec<_>>(),
    });
    if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
        all.extend(more);
    }
    all
}
