//! The types of single values: each can only be made from a text that is right.
//!
//! A value comes from TOML in its own type, or from the environment as a text, so numbers and lists are read from both.
//! Messages say what is expected and repeat no secret.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use tracing_subscriber::EnvFilter;
use url::{Host, Url};

const HIDDEN: &str = "[hidden]";

/// A text that is never printed, and wiped from memory when it is dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The text itself; each call is a place to look at in review.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HIDDEN)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The error of serde repeats the value, so it is replaced.
        String::deserialize(deserializer).map(Self::from).map_err(|_| de::Error::custom("must be a text"))
    }
}

/// Which database it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// The address of the database. Printing shows neither a password nor an option that might hold one.
#[derive(Clone)]
pub struct DatabaseUrl {
    engine: Engine,
    text: SecretString,
}

impl DatabaseUrl {
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The whole address, with its password.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// The file of a SQLite database; none for one in memory, and none for PostgreSQL.
    #[must_use]
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        let text = self.expose().strip_prefix("sqlite:")?;
        let text = text.strip_prefix("//").unwrap_or(text);
        let path = text.split('?').next().unwrap_or_default();
        (!path.is_empty() && path != ":memory:").then(|| PathBuf::from(path))
    }

    /// Where a file called `name` lies that belongs to the database: in its folder, else in the working directory.
    #[must_use]
    pub fn beside(&self, name: &str) -> PathBuf {
        self.sqlite_file().map_or_else(|| PathBuf::from(name), |file| file.with_file_name(name))
    }
}

impl Default for DatabaseUrl {
    fn default() -> Self {
        Self { engine: Engine::Sqlite, text: "sqlite://./vestibule.db".into() }
    }
}

impl FromStr for DatabaseUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let engine = if text.strip_prefix("sqlite:").is_some_and(|rest| !rest.trim_start_matches('/').is_empty()) {
            Engine::Sqlite
        } else if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            Url::parse(text).map_err(
                |_| "is not a well-formed address: postgres://USER:PASSWORD@HOST:PORT/DATABASE, special characters percent-encoded",
            )?;
            Engine::Postgres
        } else {
            return Err("must begin with sqlite:// and name a file, or with postgres://");
        };
        Ok(Self { engine, text: text.into() })
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = self.sqlite_file() {
            return write!(f, "sqlite://{}", file.display());
        }
        match Url::parse(self.expose()) {
            Ok(mut url) if self.engine == Engine::Postgres => {
                if url.password().is_some() {
                    // Cannot fail: an address that has a password has a host.
                    let _ = url.set_password(Some("***"));
                }
                // What tells where it is stays; every other option may be a password or a key.
                let telling = ["host", "port", "dbname", "user", "sslmode"];
                let options: Vec<(String, String)> = url.query_pairs().into_owned().collect();
                url.set_query(None);
                for (name, value) in &options {
                    let value = if telling.contains(&name.as_str()) { value } else { "***" };
                    url.query_pairs_mut().append_pair(name, value);
                }
                url.set_fragment(None);
                f.write_str(url.as_str())
            }
            _ => f.write_str("sqlite::memory:"),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for DatabaseUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DatabaseUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let secret = Secret::deserialize(deserializer)?;
        secret.expose().parse().map_err(de::Error::custom)
    }
}

/// The address that browsers know Vestibule by: scheme, host and port, nothing else.
///
/// It is `https`, unless the host is `localhost`, `*.localhost` or a loopback address, which never leave the machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicUrl(Url);

impl PublicUrl {
    /// `http://vestibule.localhost` at `port`.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "it parses a constant")]
    pub fn local(port: u16) -> Self {
        let mut url = Url::parse("http://vestibule.localhost/").expect("a constant that the tests parse");
        // Cannot fail: it has a host and is http.
        let _ = url.set_port(Some(port));
        Self(url)
    }

    /// Scheme, host and port without a slash at the end, as in an `Origin` header (RFC 6454) and as issuer (OpenID Connect Core
    /// section 2).
    #[must_use]
    pub fn origin(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    /// The address of a path, which begins with a slash.
    #[must_use]
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }

    /// What we are called at a SAML connection (entity id), which is where our metadata for it is.
    #[must_use]
    pub fn saml_metadata(&self, connection: impl fmt::Display) -> String {
        self.at(&format!("/sign-in/saml/{connection}/metadata"))
    }

    /// Where responses of a SAML connection's identity provider come, to the letter (Recipient, Destination).
    #[must_use]
    pub fn saml_acs(&self, connection: impl fmt::Display) -> String {
        self.at(&format!("/sign-in/saml/{connection}/acs"))
    }

    /// Where its logout messages come.
    #[must_use]
    pub fn saml_slo(&self, connection: impl fmt::Display) -> String {
        self.at(&format!("/sign-in/saml/{connection}/slo"))
    }

    /// Where the identity provider of an OpenID Connect connection sends browsers back to (redirect URI).
    #[must_use]
    pub fn oidc_callback(&self, connection: impl fmt::Display) -> String {
        self.at(&format!("/sign-in/oidc/{connection}/callback"))
    }

    #[must_use]
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// Whether the host is this machine, whatever the scheme.
    #[must_use]
    pub fn is_local(&self) -> bool {
        is_loopback(self.0.host().as_ref())
    }
}

/// Whether a host can only be this machine (RFC 6761 section 6.3 for the names).
fn is_loopback(host: Option<&Host<&str>>) -> bool {
    match host {
        Some(Host::Domain(name)) => *name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl FromStr for PublicUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| "is not an address such as https://id.example.com")?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(url.host().as_ref()) => {}
            "http" => return Err("must be https, unless its host is localhost, *.localhost or a loopback address"),
            _ => return Err("must begin with https://"),
        }
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !bare || !url.username().is_empty() || url.password().is_some() {
            return Err("must be scheme, host and port alone: no user, path, query or fragment");
        }
        Ok(Self(url))
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.origin())
    }
}

impl Serialize for PublicUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.origin())
    }
}

impl<'de> Deserialize<'de> for PublicUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A host that outgoing calls may reach although its address is private: `host`, or `host:port`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AllowedHost {
    /// Lower case, international names in their ASCII form.
    pub host: Host<String>,
    /// Any port, if none.
    pub port: Option<u16>,
}

impl AllowedHost {
    /// Whether this entry allows `host` (as `Url::host` gives it) at `port`.
    #[must_use]
    pub fn covers(&self, host: &Host<&str>, port: u16) -> bool {
        let same = match (&self.host, host) {
            (Host::Domain(mine), Host::Domain(theirs)) => mine == theirs,
            (Host::Ipv4(mine), Host::Ipv4(theirs)) => mine == theirs,
            (Host::Ipv6(mine), Host::Ipv6(theirs)) => mine == theirs,
            _ => false,
        };
        same && self.port.is_none_or(|mine| mine == port)
    }
}

impl FromStr for AllowedHost {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "must be a host, or host:port, such as idp.internal or [::1]:8081";
        let (host, port) = match text.rsplit_once(':') {
            // The last colon of an IPv6 address in brackets is inside them.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().map_err(|_| WRONG)?)),
            _ => (text, None),
        };
        Ok(Self { host: Host::parse(host).map_err(|_| WRONG)?, port })
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}

impl Serialize for AllowedHost {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A number, or a text that is one.
pub(super) fn number<'de, D, N>(deserializer: D) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: FromStr + TryFrom<i64> + Default + PartialEq,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Raw {
        Number(i64),
        Text(String),
    }
    let number = match Raw::deserialize(deserializer) {
        Ok(Raw::Number(number)) => N::try_from(number).ok(),
        Ok(Raw::Text(text)) => text.parse().ok(),
        Err(_) => None,
    };
    number.filter(|number| *number != N::default()).ok_or_else(|| de::Error::custom("must be a whole number above zero"))
}

/// A list of texts, or one text that is split at its commas.
pub(super) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Raw {
        List(Vec<String>),
        Text(String),
    }
    let entries = match Raw::deserialize(deserializer) {
        Ok(Raw::List(entries)) => entries,
        Ok(Raw::Text(text)) => text.split(',').map(str::to_owned).collect(),
        Err(_) => return Err(de::Error::custom("must be a list of texts")),
    };
    entries
        .iter()
        .map(|entry| entry.trim().parse().map_err(|reason| de::Error::custom(format_args!("`{entry}`: {reason}"))))
        .collect()
}

/// A filter that `EnvFilter` takes.
pub(super) fn log_filter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    match EnvFilter::builder().parse(&text) {
        Ok(_) => Ok(text),
        Err(_) => Err(de::Error::custom("must be directives such as `info` or `warn,vestibule::store=debug`")),
    }
}

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// `20s`, `15m`, `12h` or `7d`: whole seconds in the largest unit that leaves no rest.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (unit, size) = UNITS.into_iter().find(|(_, size)| seconds > 0 && seconds.is_multiple_of(*size)).unwrap_or(('s', 1));
    format!("{}{unit}", seconds / size)
}

fn parse_duration(text: &str) -> Option<Duration> {
    let (unit, size) = UNITS.into_iter().find(|(unit, _)| text.ends_with(*unit))?;
    let amount = text.strip_suffix(unit)?;
    // `u64::from_str` would take a plus sign.
    let digits = !amount.is_empty() && amount.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = digits.then(|| amount.parse::<u64>().ok())??.checked_mul(size)?;
    // A century is past every use, and keeps sums with a date inside what a date can hold.
    (seconds <= 100 * 366 * 86_400).then(|| Duration::from_secs(seconds))
}

/// A length of time with its unit; a bare number is refused, because nobody can see what it counts.
pub(super) mod duration {
    use super::{Deserialize as _, Deserializer, Duration, Serializer, de, duration_text, parse_duration};

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        String::deserialize(deserializer)
            .ok()
            .and_then(|text| parse_duration(&text))
            .ok_or_else(|| de::Error::custom("must be a whole number with its unit s, m, h or d, such as \"20s\" or \"12h\""))
    }

    pub(in crate::config) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&duration_text(*duration))
    }
}

/// Reads a file that holds one secret; the line end that editors add does not count.
pub(super) fn secret_file(path: &Path) -> std::io::Result<String> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
