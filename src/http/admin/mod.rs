//! The administration API, `/api/v1`: JSON in and out, problems as RFC 9457 says. `docs/api.md` describes it.
//!
//! | route | what |
//! |---|---|
//! | `GET /openapi.json` | all of this for programs, see [`super::openapi`] |
//! | `GET`, `POST /accounts`; `GET`, `PATCH /accounts/{account}` | the account tree; makes, renames, moves and suspends one |
//! | `PUT`, `DELETE /accounts/{account}/services/{service}`, `…/instances/{instance}` | what it subscribes to |
//! | `GET /accounts/{account}/roles` | the roles that can be given there |
//! | `POST /accounts/{account}/assignments`, `DELETE /assignments/{assignment}` | gives a role by hand; takes it |
//! | `POST /accounts/{account}/assignments/bulk` | gives and takes many at once, all or none |
//! | `GET`, `POST /accounts/{account}/approval-policies`; `GET`, `PUT`, `DELETE /approval-policies/{policy}` | what has to be approved, and by whom |
//! | `GET`, `POST /approvals`; `GET /approvals/{approval}` | what was asked for; asks whether an order has to be approved |
//! | `POST /approvals/{approval}/approve`, `…/reject`, `…/withdraw` | decides |
//! | `POST /accounts/{account}/access-requests` | asks for access for somebody of another account |
//! | `POST /logins/{login}/reassign` | hands over what somebody looks after |
//! | `GET /logins/{login}/roles` | what somebody holds on which account, and why |
//! | `GET /logins/{login}/sessions`; `DELETE /sessions/{session}` | where somebody is signed in; ends it there |
//! | `GET`, `PUT /session-limits` | how long sessions of the tenant last |
//! | `GET`, `POST /connections`; `GET`, `PATCH /connections/{connection}` | the connections; makes one by SAML; one with everything; switches it off or on, or changes it |
//! | `PUT /connections/{connection}/metadata`, `POST …/approve` | takes metadata in; approves what of it waits for that |
//! | `POST /connections/{connection}/certificates`, `DELETE …/{certificate}` | lets a certificate of the identity provider count; no longer |
//! | `POST /connections/{connection}/keys` | publishes the next key of ours |
//! | `GET`, `POST /people`; `GET`, `PATCH`, `DELETE /people/{login}` | people by their logins; makes, edits and deletes one |
//! | `POST /people/{login}/deletion` | what its deletion comes to, and what confirms it |
//! | `POST /people/{login}/deactivate`, `…/reactivate`, `…/invite` | ends its sessions; lets it in again; asks somebody to come |
//! | `POST /persons/{person}/deactivate`, `…/reactivate` | the same for all logins of a person |
//! | `GET /events` | the audit trail, newest first |
//! | `GET /persons/{person}` | a person with both logins, each with what it holds and why |
//! | `GET /logins/{login}/link-proposals`; `PUT`, `DELETE …/{other}` | who is taken for the other login of its person; says so, no longer |
//! | `PUT /logins/{login}/break-glass` | whether a local login stays when the person's other one leaves |
//! | `DELETE /persons/{person}/values` | erases what events hold about somebody who has left |
//! | `GET /permissions`, `GET /permissions.csv` | who may do what where, and why |
//! | `GET`, `POST /rules`; `GET`, `PUT`, `DELETE /rules/{rule}` | the mapping rules; makes, changes and deletes one |
//! | `POST /rules/preview` | what that would change |
//! | `GET /jobs`, `GET /jobs/{job}` | how far the work is that changes have left behind |
//! | `GET /clients`, `DELETE /clients/{client}` | clients that work for themselves; ends one |
//! | `GET /directories` | the directories that who asks may see, with how they fare |
//! | `GET /directories/{directory}/provisioning-log` | its entries, newest first, see [`log`] |
//! | `GET /directories/{directory}/provisioning-log/last-failure` | what was refused last, explained |
//! | `GET /directories/{directory}/provisioning-log/{entry}` | one entry, with its values for who may change the directory |
//! | `POST`, `DELETE /directories/{directory}/trace` | reads are logged too, for a time; no longer |
//! | `GET`, `POST /directories/{directory}/tokens` | its tokens; makes one |
//! | `GET /tenants`, `GET`, `PATCH /tenants/{tenant}` | all tenants, for the operator's persons; suspends one |
//! | `POST …/tokens/{id}/rotate`, `DELETE …/tokens/{id}` | hands one on; ends it |
//!
//! Decisions for portals are beside it, at `/access/v1`: see [`evaluation`].
//!
//! What makes something may be sent again with its `Idempotency-Key`: see [`idempotency`].
//!
//! [`asker::Asker`] says who asks; each handler asks it for the directory of its path, with the permission that it needs. What
//! changes something is asked for by a session, from our own site (the CSRF layer), or by a client, with a body of `application/json`.

mod accounts;
mod approvals;
mod asker;
mod bulk;
mod clients;
mod connections;
mod directories;
mod evaluation;
mod events;
mod extract;
mod idempotency;
mod jobs;
mod links;
mod log;
mod paging;
mod people;
mod persons;
mod policies;
mod problem;
mod roles;
mod rules;
#[cfg(feature = "saml")]
mod saml;
mod sessions;
mod tenants;
mod tokens;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post, put};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::csrf::{CsrfLayer, ProtectionError};

use super::{layers, openapi};
use crate::app::App;
use crate::metrics::Surface;

pub(super) use evaluation::metadata;
pub(super) use problem::{Kind, Problem};

/// The routes below `/api/v1`.
pub(super) fn router(app: &App) -> Router<App> {
    // What makes something, and may be sent again with its key.
    let once = |route| idempotency::once(app, route);
    let routes = Router::new()
        .route("/openapi.json", get(openapi::serve))
        .route("/accounts", get(accounts::list).merge(once(post(accounts::create))))
        .route("/accounts/{account}", get(accounts::read).patch(accounts::change))
        .route("/accounts/{account}/services/{service}", put(accounts::subscribe).delete(accounts::unsubscribe))
        .route(
            "/accounts/{account}/services/{service}/instances/{instance}",
            put(accounts::add_instance).delete(accounts::remove_instance),
        )
        .route("/accounts/{account}/roles", get(roles::list))
        .route("/accounts/{account}/assignments", once(post(roles::give)))
        .route("/accounts/{account}/assignments/bulk", once(post(bulk::change)))
        .route("/accounts/{account}/access-requests", once(post(approvals::access)))
        .route("/accounts/{account}/approval-policies", get(policies::list).merge(once(post(policies::create))))
        .route("/approval-policies/{policy}", get(policies::read).put(policies::change).delete(policies::delete))
        .route("/approvals", get(approvals::list).merge(once(post(approvals::order))))
        .route("/approvals/{approval}", get(approvals::read))
        .route("/approvals/{approval}/approve", post(approvals::approve))
        .route("/approvals/{approval}/reject", post(approvals::reject))
        .route("/approvals/{approval}/withdraw", post(approvals::withdraw))
        .route("/logins/{login}/reassign", once(post(bulk::reassign)))
        .route("/assignments/{assignment}", delete(roles::take))
        .route("/logins/{login}/roles", get(roles::why))
        .route("/logins/{login}/sessions", get(sessions::list))
        .route("/logins/{login}/link-proposals", get(links::proposals))
        .route("/logins/{login}/link-proposals/{other}", put(links::propose).delete(links::withdraw))
        .route("/logins/{login}/break-glass", put(links::break_glass))
        .route("/sessions/{session}", delete(sessions::end))
        .route("/session-limits", get(sessions::read_limits).put(sessions::change_limits))
        .route("/connections", get(connections::list))
        .route("/connections/{connection}", get(connections::read).patch(connections::change))
        .route("/people", get(people::list).merge(once(post(people::create))))
        .route("/people/{login}", get(people::read).patch(people::edit).delete(people::delete))
        .route("/people/{login}/deletion", post(people::deletion))
        .route("/people/{login}/deactivate", post(people::deactivate))
        .route("/people/{login}/reactivate", post(people::reactivate))
        .route("/people/{login}/invite", post(people::invite))
        .route("/persons/{person}", get(links::person))
        .route("/persons/{person}/deactivate", post(people::deactivate_person))
        .route("/persons/{person}/reactivate", post(people::reactivate_person))
        .route("/events", get(events::list))
        .route("/persons/{person}/values", delete(persons::erase))
        .route("/permissions", get(extract::json))
        .route("/permissions.csv", get(extract::csv))
        .route("/rules", get(rules::list).merge(once(post(rules::create))))
        .route("/rules/preview", post(rules::preview))
        .route("/rules/{rule}", get(rules::read).put(rules::change).delete(rules::delete))
        .route("/jobs", get(jobs::list))
        .route("/jobs/{job}", get(jobs::read))
        .route("/clients", get(clients::list))
        .route("/clients/{client}", delete(clients::revoke))
        .route("/directories", get(directories::list))
        .route("/directories/{directory}/provisioning-log", get(log::list))
        .route("/directories/{directory}/provisioning-log/last-failure", get(log::last_failure))
        .route("/directories/{directory}/provisioning-log/{entry}", get(log::entry))
        .route("/directories/{directory}/trace", post(log::trace).delete(log::end_trace))
        .route("/directories/{directory}/tokens", get(tokens::list).merge(once(post(tokens::issue))))
        .route("/tenants", get(tenants::list))
        .route("/tenants/{tenant}", get(tenants::read).patch(tenants::change))
        .route("/directories/{directory}/tokens/{id}", delete(tokens::revoke))
        .route("/directories/{directory}/tokens/{id}/rotate", once(post(tokens::rotate)));
    #[cfg(feature = "saml")]
    let routes = routes
        .route("/connections", once(post(saml::create)))
        .route("/connections/{connection}/metadata", put(saml::put_metadata))
        .route("/connections/{connection}/approve", post(saml::approve))
        .route("/connections/{connection}/certificates", post(saml::add_certificate))
        .route("/connections/{connection}/certificates/{certificate}", delete(saml::remove_certificate))
        .route("/connections/{connection}/keys", post(saml::roll_over));
    dressed(routes, app)
}

/// The routes below `/access/v1`.
pub(super) fn access_router(app: &App) -> Router<App> {
    dressed(evaluation::routes(), app)
}

/// With everything that surrounds them.
fn dressed(routes: Router<App>, app: &App) -> Router<App> {
    routes
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::new(Kind::MethodNotAllowed))
        .layer(CsrfLayer::new().with_rejection_response(foreign))
        .layer(CatchPanicLayer::custom(layers::api_panic))
        .layer(from_fn(layers::api_deadline))
        .layer(from_fn(problem::as_problem))
        .layer(from_fn_with_state((app.clone(), Surface::Api), layers::measure))
}

/// Refuses what a page of another site sent.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands the error over")]
fn foreign(error: ProtectionError) -> Response {
    tracing::warn!(error = &error as &dyn std::error::Error, "a request from another site was refused");
    Problem::with(Kind::Forbidden, "the request came from a page of another site").into_response()
}
