//! What is reached by HTTP: parse, authenticate, call one function of the domain, render. The public routes are on this screen, or merged here from the module
//! that has them.
//!
//! | route | what |
//! |---|---|
//! | `/scim/v2/{directory}/…` (also without `/v2`) | SCIM 2.0, see [`scim`] |
//! | `/sign-in` | finds the connection; then `/sign-in/oidc/{connection}` and its `/callback`, or `/sign-in/saml/{connection}` and its `/acs`, `/slo`, `/metadata`, see [`signin`] |
//! | `/sign-out` | ends the session |
//! | `/me` | the signed-in person: accounts and roles of the active login |
//! | `/me/logins`, `/me/switch` | their one or two logins: linking, unlinking, switching, see [`logins`] |
//! | `/me/sessions` | where they are signed in; each can be ended |
//! | `/admin/connections/{connection}/test` | an administrator tries a connection out |
//! | `/admin/people/{person}` | a person with both logins, for administrators |
//! | `/admin/connections/{connection}` | a connection, for administrators: values to copy, certificates, state, see [`connections`] |
//! | `/api/v1/…` | administration, see [`admin`] |
//! | `/access/v1/…`, `/.well-known/authzen-configuration` | decisions for portals |
//! | `/oauth2/logout` | where they send them to be signed out, see [`logout`] |
//! | `/oauth2/authorize` | where portals send browsers to be signed in, see [`authorize`] |
//! | `/oauth2/{token,userinfo,introspect,revoke}`, `/.well-known/openid-configuration` | what portals and clients ask by themselves, see [`oauth`] |
//! | `/oauth2/jwks` | the public keys of what is signed here |
//! | `/assets/…` | stylesheet, icon and the one script |
//!
//! The operations listener is [`ops`]. Each surface answers errors in its own format, also those of routing, limits and panics.

mod admin;
mod authorize;
mod connections;
mod console;
mod device;
mod extract;
mod jwks;
mod layers;
pub mod limits;
pub mod listener;
pub mod load;
mod logins;
mod logout;
mod me;
mod oauth;
pub mod openapi;
pub mod ops;
pub mod pages;
mod people;
mod scim;
mod sessions;
mod signin;
mod user_agent;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::csrf::CsrfLayer;

use crate::app::App;
use crate::metrics::Surface;

/// Everything that the public listener serves.
pub fn router(app: App) -> Router {
    Router::new()
        .merge(scim_surface(&app))
        .nest("/api/v1", admin::router(&app))
        .nest("/access/v1", admin::access_router(&app))
        .merge(admin::metadata())
        .nest("/oauth2", oauth::router(&app))
        .merge(key_surface(&app))
        .merge(page_surface(&app))
        .fallback_service(
            Router::new()
                .fallback(layers::no_such_page)
                .layer(from_fn_with_state((app.clone(), Surface::Other), layers::measure))
                .with_state(app.clone()),
        )
        .layer(from_fn_with_state(app.clone(), layers::identify))
        .with_state(app)
}

fn scim_surface(app: &App) -> Router<App> {
    let dressed = |router: Router<App>| {
        router
            .layer(CatchPanicLayer::custom(layers::scim_panic))
            .layer(from_fn(layers::scim_deadline))
            .layer(from_fn_with_state((app.clone(), Surface::Scim), layers::measure))
    };
    let (endpoint, root) = (dressed(scim::router(app)), dressed(scim::root(app)));
    Router::new()
        .nest("/scim/v2/{directory}", endpoint.clone())
        .nest("/scim/{directory}", endpoint)
        .nest("/scim/v2/{directory}/", root.clone())
        .nest("/scim/{directory}/", root)
}

fn key_surface(app: &App) -> Router<App> {
    Router::new()
        .route("/oauth2/jwks", get(jwks::keys))
        .merge(oauth::metadata())
        .layer(CatchPanicLayer::custom(layers::api_panic))
        .layer(from_fn(layers::api_deadline))
        .layer(from_fn_with_state((app.clone(), Surface::Api), layers::measure))
}

fn page_surface(app: &App) -> Router<App> {
    let sign_in = Router::new()
        .route("/sign-in", get(signin::form).post(signin::find))
        // HEAD runs the handler of GET unless it is told otherwise, and these two change something.
        .route("/sign-in/oidc/{connection}", get(signin::depart::begin).head(layers::wrong_method))
        .route("/sign-in/oidc/{connection}/callback", get(signin::oidc::callback).head(layers::wrong_method))
        .route("/sign-out", post(signin::sign_out))
        .layer(from_fn_with_state((app.clone(), Surface::SignIn), layers::measure));
    let console = Router::new()
        .route("/", get(me::home))
        .route("/me", get(me::page))
        .route("/me/logins", get(logins::page))
        .route("/me/logins/link", get(logins::wizard).post(logins::begin))
        .route("/me/logins/link/{link}", get(logins::review).post(logins::confirm))
        .route("/me/logins/prove", post(logins::prove))
        .route("/me/logins/unlink", get(logins::ask_unlink).post(logins::unlink))
        .route("/me/switch", post(logins::switch))
        .route("/me/sessions", get(sessions::page))
        .route("/me/sessions/end-others", post(sessions::end_all))
        .route("/me/sessions/{session}/end", post(sessions::end))
        .route("/admin/connections/{connection}/test", post(signin::trial::begin))
        .route("/admin/people/{person}", get(people::page))
        .route("/admin/people/{person}/propose", post(people::propose))
        .route("/admin/people/{person}/withdraw", post(people::withdraw))
        .merge(connections::routes())
        .layer(from_fn_with_state((app.clone(), Surface::Console), layers::measure));
    let portals = Router::new()
        .route("/oauth2/authorize/{handle}", get(authorize::resume).post(authorize::choose).head(layers::wrong_method))
        .route("/oauth2/logout/confirm", post(logout::confirm))
        .layer(from_fn_with_state((app.clone(), Surface::SignIn), layers::measure));
    #[cfg(feature = "saml")]
    let sign_in = sign_in.merge(
        Router::new()
            .route("/sign-in/saml/{connection}", get(signin::depart::begin).head(layers::wrong_method))
            .route("/sign-in/saml/{connection}/metadata", get(signin::saml::metadata))
            .layer(from_fn_with_state((app.clone(), Surface::SignIn), layers::measure)),
    );
    // Portals send these from their own sites, as forms too.
    let from_portals = Router::new()
        .route("/oauth2/authorize", get(authorize::begin).post(authorize::by_form).head(layers::wrong_method))
        .route("/oauth2/logout", get(logout::begin).post(authorize::by_form).head(layers::wrong_method))
        .layer(from_fn_with_state((app.clone(), Surface::SignIn), layers::measure))
        .method_not_allowed_fallback(layers::wrong_method);
    // And so do identity providers.
    #[cfg(feature = "saml")]
    let from_portals = from_portals.merge(
        Router::new()
            .route("/sign-in/saml/{connection}/acs", post(signin::saml::acs::take))
            .route(
                "/sign-in/saml/{connection}/slo",
                get(signin::saml::slo::by_redirect).post(signin::saml::slo::by_post).head(layers::wrong_method),
            )
            .layer(from_fn_with_state((app.clone(), Surface::SignIn), layers::measure))
            .method_not_allowed_fallback(layers::wrong_method),
    );
    sign_in
        .merge(console)
        .merge(portals)
        .method_not_allowed_fallback(layers::wrong_method)
        .layer(CsrfLayer::new().with_rejection_response(layers::foreign_post))
        .merge(from_portals)
        .layer(CatchPanicLayer::custom(layers::page_panic))
        .layer(from_fn(layers::page_deadline))
        .layer(from_fn(layers::as_page))
        .merge(pages::assets())
}
