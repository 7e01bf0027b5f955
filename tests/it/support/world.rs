//! A world to tell a story in: the service on a port and a database of its own, with one tenant set up.

use std::net::SocketAddr;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use vestibule::app::App;
use vestibule::cli::bootstrap;
use vestibule::clock::Clock;
use vestibule::config::Settings;
use vestibule::http;
use vestibule::model::{ConnectionId, DirectoryId, TenantId};
use vestibule::store::{Engine, Store};

use super::evil_idp::CLIENT_SECRET;
use super::http::Scim;
use super::postgres;

/// Writes each story once and tells it on both engines: `name::sqlite` and `name::postgres`.
macro_rules! on_every_engine {
    ($($(#[$attribute:meta])* async fn $name:ident($engine:ident) $story:block)*) => {$(
        mod $name {
            #[allow(clippy::wildcard_imports, clippy::allow_attributes, reason = "the story sees what its file sees")]
            use super::*;

            $(#[$attribute])*
            async fn story($engine: vestibule::store::Engine) $story

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                story(vestibule::store::Engine::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                story(vestibule::store::Engine::Postgres).await;
            }
        }
    )*};
}
pub(crate) use on_every_engine;

/// A database of its own, migrated; it goes with this value (a PostgreSQL one with the server).
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) url: String,
    _folder: TempDir,
}

impl Database {
    pub(crate) async fn fresh(engine: Engine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = match engine {
            Engine::Sqlite => format!("sqlite://{}", folder.path().join("vestibule.db").display()),
            Engine::Postgres => {
                postgres::shared()
                    .fresh_database(async |url: &str| {
                        let store = Store::open(url, 1).await.unwrap();
                        store.migrate().await.unwrap();
                        store.close().await;
                    })
                    .await
            }
        };
        Self { url, _folder: folder }
    }

    /// The settings of a service on this database, reached at `address`.
    pub(crate) fn settings(&self, address: SocketAddr) -> Settings {
        let mut settings = Settings::default();
        settings.database.url = self.url.parse().unwrap();
        settings.keys.secret = Some(KEYS.to_owned().into());
        settings.server.public_url = format!("http://{address}").parse().unwrap();
        // Stories ask as fast as they can.
        (settings.api.requests_per_second, settings.api.burst) = (1_000_000, 1_000_000);
        (settings.api.client_requests_per_second, settings.api.client_burst) = (100, 200);
        settings.net.allow = vec!["127.0.0.1".parse().unwrap()];
        settings
    }
}

/// A key ring for tests: 32 bytes that are nobody's.
const KEYS: &str = "dmVzdGlidWxlIHRlc3RzIGtlZXAgbm8gc2VjcmV0cy4=";

/// The service, running; dropping it ends it.
pub(crate) struct World {
    pub(crate) app: App,
    /// The address of the service, without a slash at its end.
    pub(crate) base: String,
    pub(crate) database: Database,
    serving: AbortHandle,
}

impl Drop for World {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// One tenant of a world.
#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) directory: DirectoryId,
    pub(crate) connection: ConnectionId,
    pub(crate) scim: Scim,
}

impl World {
    /// The service on an engine, with nobody in it.
    pub(crate) async fn empty(engine: Engine) -> Self {
        Self::with_clock(engine, Clock::system()).await
    }

    /// The service with a clock that the test holds.
    pub(crate) async fn with_clock(engine: Engine, clock: Clock) -> Self {
        Self::with(engine, clock, |_| ()).await
    }

    /// The service with other settings.
    pub(crate) async fn with(engine: Engine, clock: Clock, change: impl FnOnce(&mut Settings)) -> Self {
        // Errors of the service belong to the output of the test that met them. Only the first world can say so.
        let _ = tracing_subscriber::fmt().with_test_writer().with_max_level(tracing::Level::WARN).try_init();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let database = Database::fresh(engine).await;
        let mut settings = database.settings(address);
        change(&mut settings);
        let app = App::build(settings, clock).await.unwrap();
        let service = http::router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
        let serving = tokio::spawn(axum::serve(listener, service).into_future()).abort_handle();
        Self { app, base: format!("http://{address}"), database, serving }
    }

    /// Sets up the tenant `slug`: accounts `slug`, `slug/emea`, `slug/apac`; the directory `directory` of a client profile; the
    /// connection `idp` to `issuer` (client `vestibule`, with the secret of the scripted identity provider), bound by `sub` = `externalId`; and the rule that members of the
    /// group `Cloud-EMEA-Admins` are administrators of `emea`. The domain `slug.example` leads to the connection.
    pub(crate) async fn tenant(&self, slug: &str, profile: &str, issuer: &str) -> Tenant {
        self.tenant_with(slug, profile, issuer, "if-provisioned").await
    }

    /// [`World::tenant`] with another just-in-time policy.
    pub(crate) async fn tenant_with(&self, slug: &str, profile: &str, issuer: &str, jit: &str) -> Tenant {
        self.described(slug, &describe(slug, profile, issuer, jit)).await
    }

    /// The tenant `slug` of a bootstrap file, which has at least the directory and the connection of [`describe`].
    pub(crate) async fn described(&self, slug: &str, text: &str) -> Tenant {
        let token = vestibule::keys::PlainToken::bearer().reveal();
        let token = secrecy::ExposeSecret::expose_secret(&token).to_owned();
        let text = unhurried(text).replace("{token}", &token);
        let report = bootstrap::apply(&self.app, &bootstrap::parse(&text).unwrap()).await.unwrap();
        let directory = report.directories[&(slug.to_owned(), "directory".to_owned())];
        let connection = report.connections[&(slug.to_owned(), "idp".to_owned())];
        let id = self.app.store.doors().tenant_by_slug(slug).await.unwrap().unwrap().id;
        Tenant { id, directory, connection, scim: Scim::new(format!("{}/scim/v2/{directory}", self.base), token) }
    }

    /// Where signing in with a tenant's connection begins.
    pub(crate) fn sign_in(&self, tenant: &Tenant) -> String {
        format!("{}/sign-in/oidc/{}", self.base, tenant.connection)
    }

    /// Where the identity provider of a tenant's connection sends browsers back to.
    pub(crate) fn redirect_uri(&self, tenant: &Tenant) -> String {
        format!("{}/callback", self.sign_in(tenant))
    }
}

/// Stories send as fast as they can. A file that says nothing of settings sets the directory's rate limit aside.
pub(crate) fn unhurried(text: &str) -> String {
    if text.contains("settings") {
        return text.to_owned();
    }
    let settings = "settings = { requests_per_second = 1000000, burst = 1000000 }";
    text.replacen("\n[[tenant.directory.token]]", &format!("{settings}\n\n[[tenant.directory.token]]"), 1)
}

/// The bootstrap file of [`World::tenant`], with a place for the directory's token.
pub(crate) fn describe(slug: &str, profile: &str, issuer: &str, jit: &str) -> String {
    TENANT
        .replace("{slug}", slug)
        .replace("{profile}", profile)
        .replace("{issuer}", issuer)
        .replace("{jit}", jit)
        .replace("{secret}", CLIENT_SECRET)
}

const TENANT: &str = r#"
[[tenant]]
slug = "{slug}"
name = "{slug}"
catalogue = "customer-portal"

[[tenant.account]]
path = "{slug}"
name = "{slug}"

[[tenant.account]]
path = "{slug}/emea"
name = "EMEA"

[[tenant.account]]
path = "{slug}/apac"
name = "APAC"

[[tenant.connection]]
slug = "idp"
name = "The identity provider of {slug}"
issuer = "{issuer}"
client_id = "vestibule"
client_secret = { value = "{secret}" }
jit = "{jit}"
contact = "it@{slug}.example"

[[tenant.domain]]
name = "{slug}.example"
connections = ["idp"]

[[tenant.directory]]
slug = "directory"
name = "The directory of {slug}"
profile = "{profile}"

[[tenant.directory.token]]
name = "provisioning"
secret = { value = "{token}" }

[[tenant.directory.binding]]
connection = "idp"
claim = "sub"
attribute = "externalId"

[[tenant.rule]]
name = "EMEA administrators"
from = "directory:directory"
within = "{slug}"
when = 'groups.display eq "Cloud-EMEA-Admins" and active eq true'
grant = [{ role = "administrator", account = "emea" }]
"#;
