//! `vestibule doctor`: what is wrong with an installation, and what to do about it.
//!
//! Each [`Check`] looks at one thing and changes nothing. All of them run, so that one visit shows everything; a check whose
//! ground is missing (no settings, no database) is left out. The exit code is 1 when one failed.

use std::{fmt, io::Write as _, process::ExitCode};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::{certificates, tokens};
use crate::{
    app,
    clock::Clock,
    config::{self, Engine, KeySource, Settings},
    store::MigrationState,
};

/// How a check ended; the worst of all is the report's.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    /// It works, but probably not as it is meant.
    Warn,
    /// `serve` would not start, or would serve wrongly.
    Fail,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        })
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Check {
    /// What was looked at; stable, for scripts that read the JSON.
    pub name: &'static str,
    pub status: Status,
    /// What was found. Never a secret.
    pub detail: String,
    /// What to do, if there is something to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Check {
    pub fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, detail: detail.into(), hint: None }
    }

    pub fn warn(name: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { name, status: Status::Warn, detail: detail.into(), hint: Some(hint.into()) }
    }

    pub fn fail(name: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { name, status: Status::Fail, detail: detail.into(), hint: Some(hint.into()) }
    }
}

/// All checks, in the order in which they were made. Prints as lines, and serialises with its status.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub status: Status,
    pub checks: Vec<Check>,
}

impl Report {
    #[must_use]
    pub fn new() -> Self {
        Self { status: Status::Ok, checks: Vec::new() }
    }

    pub fn add(&mut self, check: Check) {
        self.status = self.status.max(check.status);
        self.checks.push(check);
    }

    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        if self.status == Status::Fail { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    /// Prints the report to standard output.
    pub fn print(&self, json: bool) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if json {
            serde_json::to_writer_pretty(&mut out, self)?;
            writeln!(out)?;
        } else {
            write!(out, "{self}")?;
        }
        Ok(())
    }
}

impl Default for Report {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
        for Check { name, status, detail, hint } in &self.checks {
            writeln!(f, "{status:<4}  {name:<width$}  {detail}")?;
            if let Some(hint) = hint {
                writeln!(f, "{:6}{:width$}  → {hint}", "", "")?;
            }
        }
        Ok(())
    }
}

/// Makes every check and prints them.
pub async fn doctor(settings: Result<&Settings, &config::Error>, json: bool) -> anyhow::Result<ExitCode> {
    let mut report = Report::new();
    report.add(configuration(settings));
    report.add(clock(&Clock::system(), installed()));
    #[cfg(feature = "saml")]
    report.add(super::doctor_saml::libraries());
    if let Ok(settings) = settings {
        report.add(public_url(settings));
        report.add(keys(settings));
        for check in database(settings).await {
            report.add(check);
        }
    }
    report.print(json)?;
    Ok(report.exit_code())
}

/// Opens the database as `serve` would, but changes nothing in it.
async fn database(settings: &Settings) -> Vec<Check> {
    const NAME: &str = "database";
    let url = &settings.database.url;
    if let Some(file) = url.sqlite_file().filter(|file| !file.exists()) {
        return vec![Check::warn(NAME, format!("{} is not there", file.display()), "the first `vestibule serve` makes it")];
    }
    let store = match app::open(settings).await {
        Ok(store) => store,
        Err(error) => {
            return vec![Check::fail(NAME, format!("{error:#}"), "start the database, or correct database.url")];
        }
    };
    let state = store.migration_state().await;
    // Another schema has other tables.
    let of_rows = match &state {
        Ok(state) if state.is_served() => {
            let now = Clock::system().now();
            vec![tokens::check(&store, now).await, certificates::check(&store, now).await]
        }
        _ => Vec::new(),
    };
    let migrations = match state {
        Ok(MigrationState::Current) => Check::ok("migrations", "the schema is at this version"),
        Ok(MigrationState::Ahead(version)) => {
            Check::ok("migrations", format!("the schema has version {version}, a newer program's, and this one can work with it"))
        }
        Ok(MigrationState::Pending(versions)) => {
            Check::fail("migrations", format!("{} to apply", versions.len()), "run `vestibule migrate`")
        }
        Ok(MigrationState::Newer(version)) => Check::fail(
            "migrations",
            format!("the schema has version {version}, which is newer than this program"),
            "start the newer program",
        ),
        Err(error) => Check::fail("migrations", error.to_string(), "look at the database's log"),
    };
    store.close().await;
    [Check::ok(NAME, format!("{url} answers")), migrations].into_iter().chain(of_rows).collect()
}

fn configuration(settings: Result<&Settings, &config::Error>) -> Check {
    const NAME: &str = "configuration";
    match settings {
        Ok(Settings { file: Some(file), .. }) => Check::ok(NAME, format!("read from {}", file.display())),
        Ok(Settings { file: None, .. }) => Check::ok(NAME, "no file: the defaults, and what the environment sets"),
        Err(error) => {
            // The chain holds what the system said about a file; `Display` has only ours.
            let mut detail = error.to_string();
            let mut cause = std::error::Error::source(error);
            while let Some(error) = cause {
                detail = format!("{detail}: {error}");
                cause = error.source();
            }
            Check::fail(NAME, detail, "docs/configuration.md names every key; the checks that need settings were left out")
        }
    }
}

fn public_url(settings: &Settings) -> Check {
    const NAME: &str = "public-url";
    let url = &settings.server.public_url;
    let listen = settings.server.listen;
    if url.is_local() && !listen.ip().is_loopback() {
        let detail = format!("{url} is this machine alone, but server.listen is {listen}");
        return Check::warn(NAME, detail, "set server.public_url to the https address that browsers and identity providers use");
    }
    if url.as_url().port_or_known_default() == Some(0) {
        return Check::warn(NAME, format!("{url} has no port"), "give server.listen a fixed port, or set server.public_url");
    }
    Check::ok(NAME, url.to_string())
}

/// When this program was built or installed, as its file says.
fn installed() -> Option<DateTime<Utc>> {
    let modified = std::env::current_exe().ok()?.metadata().ok()?.modified().ok()?;
    Some(modified.into())
}

/// A sign-in is judged by times that others wrote; a clock that is years off refuses all of them, or accepts old ones.
fn clock(clock: &Clock, installed: Option<DateTime<Utc>>) -> Check {
    const NAME: &str = "clock";
    const HINT: &str = "set the machine's clock and keep it set by NTP";
    // A copied file may be a little ahead of this machine; and an image may give every file the date 1970.
    let earliest = installed.unwrap_or_default().max(WRITTEN) - TimeDelta::days(1);
    let (first, second) = (clock.now(), clock.now());
    let shown = first.format("%Y-%m-%d %H:%M:%S UTC");
    if second < first {
        Check::fail(NAME, format!("it ran backwards, from {shown} to {second}"), HINT)
    } else if first < earliest {
        Check::fail(NAME, format!("{shown} is before this program was built"), HINT)
    } else if first > WRITTEN + TimeDelta::days(20 * 365) {
        Check::fail(NAME, format!("{shown} is decades after this program was written"), HINT)
    } else {
        Check::ok(NAME, shown.to_string())
    }
}

/// 2026-11-01: no clock that is right shows less.
const WRITTEN: DateTime<Utc> = DateTime::from_timestamp_nanos(1_793_491_200_000_000_000);

fn keys(settings: &Settings) -> Check {
    const NAME: &str = "keys-file";
    let file = match settings.keys.source() {
        KeySource::Inline(_) => return Check::ok(NAME, "none: keys.secret is set"),
        KeySource::File(file) => file,
    };
    let shown = file.display();
    match (std::fs::metadata(file), settings.database.url.engine()) {
        (Ok(found), _) if !found.is_file() => {
            Check::fail(NAME, format!("{shown} is not a file"), "let keys.file name the file itself")
        }
        (Ok(found), _) if open_to_others(&found) => {
            Check::fail(NAME, format!("{shown} can be read or changed by others"), format!("chmod 600 {shown}"))
        }
        (Ok(_), _) => match std::fs::File::open(file) {
            Ok(_) => Check::ok(NAME, format!("{shown}, for its owner alone")),
            Err(error) => Check::fail(NAME, format!("{shown} cannot be read: {error}"), "make it belong to who runs Vestibule"),
        },
        (Err(error), Engine::Sqlite) if error.kind() == std::io::ErrorKind::NotFound => {
            Check::ok(NAME, format!("{shown} is not there yet; serve generates it"))
        }
        (Err(error), _) => {
            let hint = "put the same keys file on every replica, or set keys.secret; with PostgreSQL none is generated";
            Check::fail(NAME, format!("{shown}: {error}"), hint)
        }
    }
}

#[cfg(unix)]
fn open_to_others(file: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn open_to_others(_: &std::fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn settings(toml: &str) -> Settings {
        Settings::read(Some((Path::new("v.toml"), toml)), []).unwrap()
    }

    #[test]
    fn a_report_is_as_bad_as_its_worst_check_and_tells_what_to_do() {
        let mut report = Report::new();
        report.add(Check::ok("clock", "fine"));
        assert_eq!((report.status, report.exit_code()), (Status::Ok, ExitCode::SUCCESS));
        report.add(Check::warn("public-url", "odd", "set it"));
        assert_eq!((report.status, report.exit_code()), (Status::Warn, ExitCode::SUCCESS));
        report.add(Check::fail("keys-file", "open", "close it"));
        report.add(Check::ok("database", "there"));
        assert_eq!((report.status, report.exit_code()), (Status::Fail, ExitCode::FAILURE));
        let lines = "\
ok    clock       fine
warn  public-url  odd
                  → set it
fail  keys-file   open
                  → close it
ok    database    there
";
        assert_eq!(report.to_string(), lines);
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["status"], "fail");
        assert_eq!(json["checks"][0], serde_json::json!({"name": "clock", "status": "ok", "detail": "fine"}));
        assert_eq!(json["checks"][2]["hint"], "close it");
    }

    #[test]
    fn the_configuration_names_its_file_or_what_is_wrong_with_it() {
        assert_eq!(configuration(Ok(&settings(""))), Check::ok("configuration", "read from v.toml"));
        let error = Settings::load(Some(Path::new("/nowhere/v.toml")), []).unwrap_err();
        let check = configuration(Err(&error));
        assert_eq!(check.status, Status::Fail);
        assert!(check.detail.contains("/nowhere/v.toml: No such file"), "{}", check.detail);
    }

    #[test]
    fn an_address_of_this_machine_is_odd_where_others_can_reach_it() {
        let table = [
            ("", Status::Ok),
            ("[server]\nlisten = '0.0.0.0:8080'", Status::Warn),
            ("[server]\nlisten = '0.0.0.0:8080'\npublic_url = 'https://id.example.com'", Status::Ok),
            ("[server]\npublic_url = 'https://id.example.com'", Status::Ok),
            ("[server]\nlisten = '127.0.0.1:0'", Status::Warn),
        ];
        for (toml, status) in table {
            assert_eq!(public_url(&settings(toml)).status, status, "{toml}");
        }
    }

    #[test]
    fn a_clock_before_the_program_or_decades_after_it_is_wrong() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let table = [
            ("1970-01-01T00:00:00Z", None, Status::Fail),
            ("2026-10-01T00:00:00Z", None, Status::Fail),
            ("2026-11-02T00:00:00Z", None, Status::Ok),
            ("2026-11-02T00:00:00Z", Some("1970-01-01T00:00:00Z"), Status::Ok),
            ("2026-11-02T00:00:00Z", Some("2027-03-01T00:00:00Z"), Status::Fail),
            ("2027-03-01T00:00:00Z", Some("2027-03-01T10:00:00Z"), Status::Ok),
            ("2066-01-01T00:00:00Z", None, Status::Fail),
        ];
        for (now, installed, status) in table {
            assert_eq!(clock(&Clock::fixed(at(now)), installed.map(at)).status, status, "{now} {installed:?}");
        }
        assert_eq!(WRITTEN, at("2026-11-01T00:00:00Z"));
    }

    #[cfg(unix)]
    #[test]
    fn a_keys_file_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("v.keys");
        let sqlite = settings(&format!("[keys]\nfile = '{}'", file.display()));
        let postgres = settings(&format!("[keys]\nfile = '{}'\n[database]\nurl = 'postgres://v@db/v'", file.display()));
        assert_eq!((keys(&sqlite).status, keys(&postgres).status), (Status::Ok, Status::Fail));
        std::fs::write(&file, "key").unwrap();
        for (mode, status) in [(0o600, Status::Ok), (0o400, Status::Ok), (0o640, Status::Fail), (0o604, Status::Fail)] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(keys(&sqlite).status, status, "{mode:o}");
        }
        assert_eq!(keys(&settings(&format!("[keys]\nfile = '{}'", folder.path().display()))).status, Status::Fail);
        let inline = keys(&settings("[keys]\nsecret = 'hunter2'"));
        assert!(inline.status == Status::Ok && !inline.detail.contains("hunter2"));
    }
}
