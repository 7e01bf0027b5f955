//! The settings of one process, typed.
//!
//! The flow: [`Settings::load`] reads one TOML file (or none), lays the environment variables `VESTIBULE__SECTION__KEY` over it
//! (`load`), parses every value into the type that can only hold a valid one (`value`), and derives the defaults that depend
//! on another key. A key that nobody knows is refused by name, from the file and from the environment alike. What comes out is
//! complete: no later code asks whether a setting is there, or reads the environment itself.
//!
//! `docs/configuration.md` names every key; a test keeps it so.

mod load;
mod proxy;
mod value;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use serde::{Deserialize, Serialize};

pub use load::{Error, Origin};
pub use proxy::TrustedProxy;
pub use value::{AllowedHost, DatabaseUrl, Engine, PublicUrl, Secret, duration_text};

/// Every setting. `Debug` and `Serialize` never show a secret.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Settings {
    /// The file that was read, if there was one.
    #[serde(skip)]
    pub file: Option<PathBuf>,
    pub server: Server,
    pub database: Database,
    pub keys: Keys,
    pub net: Net,
    pub log: Log,
    pub catalogues: Catalogues,
    pub sessions: Sessions,
    pub api: Api,
}

/// `[server]`: where Vestibule listens and how it is reached.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address and port of everything that browsers, identity providers and portals reach.
    pub listen: SocketAddr,
    /// The address that they know it by. Unless set, `http://vestibule.localhost` with the port of `listen`.
    pub public_url: PublicUrl,
    /// Address and port of `/livez`, `/readyz` and `/metrics`; not for the public.
    pub ops_listen: SocketAddr,
    /// For how long everything is still taken after a signal to end.
    #[serde(with = "value::duration")]
    pub shutdown_delay: Duration,
    /// How long requests in flight may go on after that.
    #[serde(with = "value::duration")]
    pub shutdown_grace: Duration,
    /// Proxies whose `X-Forwarded-For` is believed.
    #[serde(deserialize_with = "value::list")]
    pub trusted_proxies: Vec<TrustedProxy>,
    /// Largest request body, in bytes.
    #[serde(deserialize_with = "value::number")]
    pub body_limit: usize,
    /// Connections of the public listener at a time.
    #[serde(deserialize_with = "value::number")]
    pub max_connections: usize,
    /// Requests at a time, of people and of machines each; more are refused at once.
    #[serde(deserialize_with = "value::number")]
    pub max_requests: usize,
}

impl Default for Server {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        Self {
            listen,
            public_url: PublicUrl::local(listen.port()),
            ops_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9090)),
            shutdown_delay: Duration::ZERO,
            shutdown_grace: Duration::from_secs(20),
            trusted_proxies: Vec::new(),
            body_limit: 2 * 1024 * 1024,
            max_connections: 2_048,
            max_requests: 256,
        }
    }
}

/// `[database]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `sqlite://PATH` or `postgres://…`; counts as a secret, because it may hold a password.
    pub url: DatabaseUrl,
    /// A file that holds `url`. It has been read by the time the settings are loaded: use `url`.
    pub url_file: Option<PathBuf>,
    /// Upper bound of the connection pool, at least 1.
    #[serde(deserialize_with = "value::number")]
    pub max_connections: u32,
}

impl Default for Database {
    fn default() -> Self {
        Self { url: DatabaseUrl::default(), url_file: None, max_connections: 10 }
    }
}

/// `[keys]`: the master key that seals what the database keeps secret, by one of `file` and `secret`; and how long a signing key signs.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keys {
    /// The keys file. Unless set, `vestibule.keys` beside the SQLite database.
    pub file: PathBuf,
    /// The content of a keys file, given directly; then `file` is not looked at.
    pub secret: Option<Secret>,
    /// How long a key signs what portals verify, before the next one does; at least two days.
    #[serde(with = "value::duration")]
    pub signing_lifetime: Duration,
}

/// Where the master key is.
#[derive(Clone, Copy, Debug)]
pub enum KeySource<'a> {
    File(&'a std::path::Path),
    Inline(&'a Secret),
}

impl Keys {
    /// Which of the two it is.
    #[must_use]
    pub fn source(&self) -> KeySource<'_> {
        self.secret.as_ref().map_or(KeySource::File(&self.file), KeySource::Inline)
    }
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            file: DatabaseUrl::default().beside("vestibule.keys"),
            secret: None,
            signing_lifetime: Duration::from_hours(30 * 24),
        }
    }
}

/// `[net]`: outgoing connections.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Net {
    /// Hosts in private address ranges that may be called all the same; loopback ones also by plain http.
    #[serde(deserialize_with = "value::list")]
    pub allow: Vec<AllowedHost>,
}

/// `[log]`: what goes to standard error.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    pub format: LogFormat,
    /// Directives as `tracing_subscriber::EnvFilter` reads them, for example `info,vestibule::store=debug`.
    #[serde(deserialize_with = "value::log_filter")]
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Human, filter: "info".to_owned() }
    }
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Human,
    Json,
}

/// `[catalogues]`: role catalogues.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Catalogues {
    /// A folder of catalogue files, beside the ones that are compiled in.
    pub directory: Option<PathBuf>,
}

/// `[sessions]`: how long a browser stays signed in at Vestibule.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sessions {
    /// A session ends after this long without a request.
    #[serde(with = "value::duration")]
    pub idle: Duration,
    /// A session ends this long after its sign-in, whatever happens.
    #[serde(with = "value::duration")]
    pub absolute: Duration,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { idle: Duration::from_hours(12), absolute: Duration::from_hours(24) }
    }
}

/// `[api]`: how many requests of the administration API one login may make by its sessions, and one client by its access tokens.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    /// Requests in the long run.
    #[serde(deserialize_with = "value::number")]
    pub requests_per_second: u32,
    /// Requests at once, after a pause.
    #[serde(deserialize_with = "value::number")]
    pub burst: u32,
    /// Requests of a client in the long run. Portals ask for decisions as one.
    #[serde(deserialize_with = "value::number")]
    pub client_requests_per_second: u32,
    /// Requests of a client at once, after a pause.
    #[serde(deserialize_with = "value::number")]
    pub client_burst: u32,
}

impl Default for Api {
    fn default() -> Self {
        Self { requests_per_second: 20, burst: 100, client_requests_per_second: 500, client_burst: 1_000 }
    }
}

#[cfg(test)]
mod tests;
