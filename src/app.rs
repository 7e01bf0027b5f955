//! Everything the service is made of, built once: by the command line, and by the tests.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use crate::clock::Clock;
use crate::config::{Engine, KeySource, Settings};
use crate::directory::catalogue::{self, BUILT_IN, Catalogue};
use crate::directory::reads::ReadLog;
use crate::directory::{Caller, RuleBook};
use crate::federation::Federation;
use crate::http::limits::Limits;
use crate::http::load::Load;
use crate::keys::{KeyRing, Sealer};
use crate::metrics::Metrics;
use crate::model::{Actor, SessionLimits};
use crate::net;
use crate::openid::keys::SigningKeys;
use crate::store::{MigrationState, Store};
use crate::work::Tools;
use crate::work::delivering::Teller;

/// What handlers and commands share. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub store: Store,
    pub settings: Arc<Settings>,
    pub sealer: Sealer,
    /// What signs for portals.
    pub signing: SigningKeys,
    pub clock: Clock,
    pub federation: Federation,
    /// Outgoing calls.
    pub net: net::Client,
    pub metrics: Metrics,
    pub catalogues: Arc<[Arc<Catalogue>]>,
    pub rules: RuleBook,
    pub limits: Limits,
    /// Requests that are under way.
    pub load: Load,
    /// Reads of directories in trace mode that wait to be logged.
    pub reads: ReadLog,
}

impl App {
    /// How long sessions last where a tenant says nothing else.
    #[must_use]
    pub fn session_limits(&self) -> SessionLimits {
        SessionLimits::new(self.settings.sessions.idle, self.settings.sessions.absolute)
    }

    /// Opens the database, brings an embedded one up to date, reads keys and catalogues.
    ///
    /// # Errors
    /// When one of them is not there or not as it must be; the chain says which, and what to do.
    pub async fn build(settings: Settings, clock: Clock) -> anyhow::Result<Self> {
        let store = open(&settings).await?;
        match settings.database.url.engine() {
            // Nobody else uses the file, so there is nobody to agree with.
            Engine::Sqlite => store.migrate().await.context("cannot bring the database's schema to this version")?,
            Engine::Postgres => match store.migration_state().await.context("cannot read the state of the database's schema")? {
                MigrationState::Current => {}
                MigrationState::Ahead(version) => {
                    tracing::warn!(version, "the database's schema is a newer program's; this one can work with it");
                }
                MigrationState::Pending(_) => {
                    bail!("the database's schema is older than this program: run `vestibule migrate` first")
                }
                MigrationState::Newer(version) => {
                    bail!("the database's schema has version {version}, which is newer than this program: start the newer one")
                }
            },
        }
        let sealer = Sealer::new(keys(&settings)?);
        let catalogues = catalogues(&settings)?;
        let caller = Caller { actor: Actor::System, now: clock.now(), request_id: None };
        catalogue::sync(&store, &catalogues, caller).await.context("cannot write the role catalogues")?;
        let catalogues: Arc<[_]> = catalogues.into_iter().map(Arc::new).collect();
        let allow = settings.net.allow.iter().map(ToString::to_string).collect();
        let client =
            net::Client::new(net::Settings { allow, ..net::Settings::default() }).context("cannot set up outgoing calls")?;
        Ok(Self {
            signing: SigningKeys::new(store.clone(), sealer.clone(), clock.clone()),
            store,
            sealer,
            federation: Federation::new(client.clone(), clock.clone()),
            net: client,
            limits: Limits::new(clock.clone()),
            load: Load::new(settings.server.max_requests),
            clock,
            metrics: Metrics::new(),
            rules: RuleBook::new(catalogues.clone()),
            catalogues,
            reads: ReadLog::default(),
            settings: Arc::new(settings),
        })
    }

    /// What work is done with.
    ///
    /// # Errors
    /// When keys are to sign for longer than any time.
    pub fn tools(&self) -> anyhow::Result<Tools<'_>> {
        Ok(Tools {
            store: &self.store,
            clock: &self.clock,
            reads: &self.reads,
            rules: &self.rules,
            sessions: self.session_limits(),
            signing: &self.signing,
            teller: self.teller(),
            signing_lifetime: chrono::TimeDelta::from_std(self.settings.keys.signing_lifetime)?,
            #[cfg(feature = "saml")]
            refresher: self.refresher(),
        })
    }

    /// What keeps up to date what is known of SAML identity providers.
    #[cfg(feature = "saml")]
    #[must_use]
    pub fn refresher(&self) -> crate::work::refreshing::Refresher {
        crate::work::refreshing::Refresher {
            store: self.store.clone(),
            sealer: self.sealer.clone(),
            clock: self.clock.clone(),
            federation: self.federation.clone(),
            metrics: self.metrics.clone(),
        }
    }

    /// What portals are told with that sessions are over.
    #[must_use]
    pub fn teller(&self) -> Teller {
        Teller {
            store: self.store.clone(),
            clock: self.clock.clone(),
            signing: self.signing.clone(),
            client: self.net.clone(),
            metrics: self.metrics.clone(),
            issuer: self.settings.server.public_url.origin().to_owned(),
        }
    }

    /// The catalogue of this slug.
    #[must_use]
    pub fn catalogue(&self, slug: &str) -> Option<&Arc<Catalogue>> {
        self.catalogues.iter().find(|catalogue| catalogue.slug == slug)
    }
}

/// Opens the database that the settings name, and leaves its schema as it is.
///
/// # Errors
/// When it does not answer.
pub async fn open(settings: &Settings) -> anyhow::Result<Store> {
    let database = &settings.database;
    let new = database.url.sqlite_file().filter(|file| !file.exists());
    let store = Store::open(database.url.expose(), database.max_connections)
        .await
        .with_context(|| format!("cannot open the database {}", database.url))?;
    if let Some(file) = new {
        keep_private(&file).with_context(|| format!("cannot keep others from reading {}", file.display()))?;
    }
    Ok(store)
}

/// A database that was just made is its owner's alone, like the keys beside it. There is nothing in it yet.
fn keep_private(file: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    for end in ["", "-wal", "-shm"] {
        let mut path = file.as_os_str().to_owned();
        path.push(end);
        match std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The key ring. Beside an embedded database a missing file is made; a server's replicas must all be given the same one.
fn keys(settings: &Settings) -> anyhow::Result<KeyRing> {
    let file = match settings.keys.source() {
        KeySource::Inline(secret) => return KeyRing::from_text(secret.expose()).context("keys.secret is no key ring"),
        KeySource::File(file) => file,
    };
    match std::fs::read_to_string(file) {
        Ok(text) => KeyRing::from_text(&text).with_context(|| format!("the keys file {} is no key ring", file.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && settings.database.url.engine() == Engine::Sqlite => {
            let ring = KeyRing::generate();
            write_private(file, secrecy::ExposeSecret::expose_secret(&ring.to_text()))
                .with_context(|| format!("cannot write the keys file {}", file.display()))?;
            Ok(ring)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read the keys file {} (keys.file)", file.display())),
    }
}

/// Writes a file that only its owner can read, and never over one that is there.
pub(crate) fn write_private(file: &std::path::Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The catalogues that ship with the program, and those of the operator's folder, which may replace them by slug.
fn catalogues(settings: &Settings) -> anyhow::Result<Vec<Catalogue>> {
    let mut catalogues = Vec::new();
    for (file, text) in BUILT_IN {
        catalogues.push(Catalogue::parse(file, text)?);
    }
    let Some(folder) = &settings.catalogues.directory else { return Ok(catalogues) };
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("cannot read the folder {} (catalogues.directory)", folder.display()))?
        .collect::<Result<Vec<_>, _>>()?;
    for path in entries.into_iter().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "toml")) {
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let slug = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let catalogue = Catalogue::parse(&slug, &text).with_context(|| format!("cannot use {}", path.display()))?;
        catalogues.retain(|other| other.slug != catalogue.slug);
        catalogues.push(catalogue);
    }
    Ok(catalogues)
}
