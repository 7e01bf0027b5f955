//! From a file and the environment to [`Settings`].
//!
//! Every value is kept with its origin until it is parsed, so that a message can say which file or which variable to mend.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt, io,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{PublicUrl, Server, Settings, value};

const DEFAULT_FILE: &str = "vestibule.toml";
const PREFIX: &str = "VESTIBULE__";

/// A secret and its file: giving one in the environment takes the place of both in the file.
const PAIRS: [(&str, &str, &str); 2] = [("database", "url", "url_file"), ("keys", "secret", "file")];

/// Why the settings could not be loaded. Every message names the file, or the variable, and the key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read the configuration file {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{}, line {line}: this is not TOML: {reason}", path.display())]
    Syntax { path: PathBuf, line: usize, reason: String },
    #[error("{origin}: unknown section `{section}`; the sections are {}", known.join(", "))]
    UnknownSection { origin: Origin, section: String, known: Vec<String> },
    #[error("{origin}: unknown key `{key}` in section [{section}]; its keys are {}", known.join(", "))]
    UnknownKey { origin: Origin, section: String, key: String, known: Vec<String> },
    #[error("{origin}: {section}.{key} {reason}")]
    Value { origin: Origin, section: String, key: String, reason: String },
    #[error("{origin}: `{section}` is a section and takes no value; its keys are {}", known.join(", "))]
    NotASection { origin: Origin, section: String, known: Vec<String> },
    #[error("{origin} is not in capitals: write {right}")]
    Spelling { origin: Origin, right: String },
    #[error("{origin}: {section}.{one} and {section}.{other} are both set; keep one of them")]
    Both { origin: Origin, section: &'static str, one: &'static str, other: &'static str },
    #[error("{origin}: {section}.{key} names the file {}, which cannot be read", path.display())]
    SecretFile { origin: Origin, section: &'static str, key: &'static str, path: PathBuf, source: io::Error },
    #[error("{origin} is not text in UTF-8")]
    NotText { origin: Origin },
}

/// Where a value was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    Default,
    File(PathBuf),
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

impl Settings {
    /// Reads `path`, or without one `./vestibule.toml` if it is there, and lays the variables `VESTIBULE__SECTION__KEY` of `env`
    /// over it. Variables with other names are ignored, and so are empty ones.
    ///
    /// `env` is what `std::env::vars_os()` gives; relative paths are relative to the working directory.
    pub fn load(path: Option<&Path>, env: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, Error> {
        let (path, required) = path.map_or((Path::new(DEFAULT_FILE), false), |path| (path, true));
        match std::fs::read_to_string(path) {
            Ok(text) => Self::read(Some((path, &text)), env),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !required => Self::read(None, env),
            Err(source) => Err(Error::File { path: path.to_owned(), source }),
        }
    }

    /// As [`Settings::load`], from a text that was read. Only the files that hold secrets are still opened.
    pub fn read(file: Option<(&Path, &str)>, env: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, Error> {
        let mut given = Given::default();
        if let Some((path, text)) = file {
            given.add_file(path, text)?;
        }
        given.add_environment(env)?;
        given.replace_secret_files()?;

        let mut settings = Self {
            file: file.map(|(path, _)| path.to_owned()),
            server: given.section("server")?,
            database: given.section("database")?,
            keys: given.section("keys")?,
            net: given.section("net")?,
            log: given.section("log")?,
            catalogues: given.section("catalogues")?,
            sessions: given.section("sessions")?,
            api: given.section("api")?,
        };
        if !given.has("server", "public_url") {
            settings.server.public_url = PublicUrl::local(settings.server.listen.port());
        }
        if !given.has("keys", "file") {
            settings.keys.file = settings.database.url.beside("vestibule.keys");
        }
        given.check(&settings)?;
        Ok(settings)
    }

    /// Every section with its keys, in alphabetical order: read off the struct, so that no list can be out of date.
    #[must_use]
    pub fn known_keys() -> BTreeMap<String, Vec<String>> {
        let Ok(serde_json::Value::Object(sections)) = serde_json::to_value(Self::default()) else {
            return BTreeMap::new();
        };
        sections
            .into_iter()
            .map(|(section, keys)| {
                let mut keys: Vec<String> = keys.as_object().map(|keys| keys.keys().cloned().collect()).unwrap_or_default();
                keys.sort();
                (section, keys)
            })
            .collect()
    }
}

/// The environment variable of a key.
#[must_use]
pub(super) fn variable(section: &str, key: &str) -> String {
    format!("{PREFIX}{}__{}", section.to_uppercase(), key.to_uppercase())
}

/// What was written, and where; the environment has replaced the file's values.
#[derive(Default)]
struct Given(BTreeMap<String, BTreeMap<String, (Value, Origin)>>);

impl Given {
    fn has(&self, section: &str, key: &str) -> bool {
        self.0.get(section).is_some_and(|keys| keys.contains_key(key))
    }

    fn origin(&self, section: &str, key: &str) -> Origin {
        self.0.get(section).and_then(|keys| keys.get(key)).map_or(Origin::Default, |(_, origin)| origin.clone())
    }

    fn put(&mut self, section: &str, key: &str, value: Value, origin: Origin) -> Result<(), Error> {
        let known = Settings::known_keys();
        let Some(keys) = known.get(section) else {
            return Err(Error::UnknownSection { origin, section: section.to_owned(), known: known.into_keys().collect() });
        };
        if !keys.iter().any(|known| known == key) {
            return Err(Error::UnknownKey { origin, section: section.to_owned(), key: key.to_owned(), known: keys.clone() });
        }
        self.0.entry(section.to_owned()).or_default().insert(key.to_owned(), (value, origin));
        Ok(())
    }

    fn add_file(&mut self, path: &Path, text: &str) -> Result<(), Error> {
        let origin = Origin::File(path.to_owned());
        // `Display` of the error repeats the line, which may hold a secret.
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            Error::Syntax {
                path: path.to_owned(),
                line: before.matches('\n').count() + 1,
                reason: error.message().lines().next().unwrap_or_default().to_owned(),
            }
        })?;
        let known = Settings::known_keys();
        for (section, keys) in table {
            match (keys, known.get(&section)) {
                (_, None) => return Err(Error::UnknownSection { origin, section, known: known.into_keys().collect() }),
                (Value::Table(keys), Some(_)) => {
                    for (key, value) in keys {
                        self.put(&section, &key, value, origin.clone())?;
                    }
                }
                (_, Some(known)) => return Err(Error::NotASection { origin, section, known: known.clone() }),
            }
        }
        self.refuse_both()
    }

    fn add_environment(&mut self, env: impl IntoIterator<Item = (OsString, OsString)>) -> Result<(), Error> {
        let mut layer = Self::default();
        for (name, value) in env {
            let name = name.to_string_lossy().into_owned();
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            let origin = Origin::Variable(name.clone());
            let value = value.into_string().map_err(|_| Error::NotText { origin: origin.clone() })?;
            if value.is_empty() {
                continue;
            }
            let lower = rest.to_lowercase();
            let Some((section, key)) = lower.split_once("__") else {
                let known = Settings::known_keys();
                return Err(match known.get(&lower) {
                    Some(keys) => Error::NotASection { origin, section: lower, known: keys.clone() },
                    None => Error::UnknownSection { origin, section: lower, known: known.into_keys().collect() },
                });
            };
            // Only the one spelling counts, so that two variables can never mean the same key.
            let right = variable(section, key);
            if name != right {
                return Err(Error::Spelling { origin, right });
            }
            layer.put(section, key, Value::String(value), origin)?;
        }
        layer.refuse_both()?;
        for (section, one, other) in PAIRS {
            if layer.has(section, one) || layer.has(section, other) {
                let keys = self.0.entry(section.to_owned()).or_default();
                keys.remove(one);
                keys.remove(other);
            }
        }
        for (section, keys) in layer.0 {
            self.0.entry(section).or_default().extend(keys);
        }
        Ok(())
    }

    fn refuse_both(&self) -> Result<(), Error> {
        for (section, one, other) in PAIRS {
            if self.has(section, one) && self.has(section, other) {
                return Err(Error::Both { origin: self.origin(section, one), section, one, other });
            }
        }
        Ok(())
    }

    /// Puts the content of `database.url_file` where `database.url` is. The keys file is read, or made, by the keys themselves.
    fn replace_secret_files(&mut self) -> Result<(), Error> {
        let (section, key, file) = ("database", "url", "url_file");
        let Some((Value::String(path), origin)) = self.0.get(section).and_then(|keys| keys.get(file)).cloned() else {
            return Ok(());
        };
        let path = PathBuf::from(path);
        match value::secret_file(&path) {
            Ok(text) => self.put(section, key, Value::String(text), Origin::File(path)),
            Err(source) => Err(Error::SecretFile { origin, section, key: file, path, source }),
        }
    }

    /// Parses one section. When that fails, each key is tried alone to find the one to blame.
    fn section<T: DeserializeOwned>(&self, section: &str) -> Result<T, Error> {
        let none = BTreeMap::new();
        let keys = self.0.get(section).unwrap_or(&none);
        let blame = |key: &str, reason| Error::Value {
            origin: self.origin(section, key),
            section: section.to_owned(),
            key: key.to_owned(),
            reason,
        };
        parse(keys.iter().map(|(key, (value, _))| (key.clone(), value.clone())).collect()).map_err(|reason| {
            let alone = |key: &String, value: &Value| parse::<T>(Table::from_iter([(key.clone(), value.clone())])).err();
            let culprit = keys.iter().find_map(|(key, (value, _))| Some(blame(key, alone(key, value)?)));
            // Keys do not look at one another while they are parsed, so there is one.
            culprit.unwrap_or_else(|| blame("*", reason))
        })
    }

    /// What one value demands of another.
    fn check(&self, settings: &Settings) -> Result<(), Error> {
        let refuse = |section: &str, key: &str, reason: &str| {
            let origin = self.origin(section, key);
            Err(Error::Value { origin, section: section.to_owned(), key: key.to_owned(), reason: reason.to_owned() })
        };
        let Server { listen, ops_listen, .. } = &settings.server;
        if listen == ops_listen && listen.port() != 0 {
            return refuse("server", "ops_listen", "must differ from server.listen: it is not for the public");
        }
        // A key is published a day before it signs, and a day after.
        if settings.keys.signing_lifetime < std::time::Duration::from_hours(48) {
            return refuse("keys", "signing_lifetime", "must be at least 2d");
        }
        if settings.sessions.idle.is_zero() {
            return refuse("sessions", "idle", "must be above zero");
        }
        if settings.sessions.absolute < settings.sessions.idle {
            return if self.has("sessions", "absolute") {
                refuse("sessions", "absolute", "must be at least sessions.idle")
            } else {
                refuse("sessions", "idle", "must be at most sessions.absolute, which is 1d unless set")
            };
        }
        if let Some(secret) = &settings.keys.secret
            && secret.expose().trim().is_empty()
        {
            return refuse("keys", "secret", "is empty");
        }
        Ok(())
    }
}

fn parse<T: DeserializeOwned>(table: Table) -> Result<T, String> {
    Value::Table(table).try_into().map_err(|error: toml::de::Error| error.message().to_owned())
}
