//! The program as an operator runs it: the real binary as a child, its files, its exit codes, its signals.

mod commands;
mod crash;
mod demo;
mod jobs;
mod main_job;
mod operations;
mod outage;
mod replicas;
mod revocation;
mod rolling;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tempfile::TempDir;
use vestibule::store::Engine;

use crate::support::child::{Child, Start};
use crate::support::http::{Scim, client};
use crate::support::world::{Database, describe, unhurried};

const PROGRAM: &str = env!("CARGO_BIN_EXE_vestibule");
/// How long a step may take before the test fails. Generous: a busy machine is slow, and nothing waits for it in vain.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A folder in which the program runs, with its configuration.
pub(crate) struct Home {
    pub(crate) folder: TempDir,
    /// The database, unless the program is to make its own.
    pub(crate) url: Option<String>,
    _database: Option<Database>,
    /// The token of the bootstrap file's directory.
    pub(crate) token: String,
    /// What else the environment says, in place of the usual.
    pub(crate) settings: Vec<(&'static str, String)>,
}

/// What a command that ends by itself has said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{}\n{}", self.out, self.err);
        self
    }
}

impl Home {
    /// With nothing in it.
    pub(crate) fn empty() -> Self {
        let token = vestibule::keys::PlainToken::bearer().reveal().expose_secret().to_owned();
        Self { folder: tempfile::tempdir().unwrap(), url: None, _database: None, token, settings: Vec::new() }
    }

    /// With a migrated database of an engine.
    pub(crate) async fn new(engine: Engine) -> Self {
        let database = Database::fresh(engine).await;
        let home = Self { url: Some(database.url.clone()), _database: Some(database), ..Self::empty() };
        home.run(&["migrate"]).expect(0);
        home
    }

    /// With the database at `url`, as it is.
    pub(crate) fn at(url: &str) -> Self {
        Self { url: Some(url.to_owned()), ..Self::empty() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone().unwrap_or_else(|| format!("sqlite://{}", self.path("vestibule.db").display()))
    }

    /// What the environment says: free ports, and where there is a database, that one and its keys.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("VESTIBULE__SERVER__LISTEN", "127.0.0.1:0".to_owned()),
            ("VESTIBULE__SERVER__OPS_LISTEN", "127.0.0.1:0".to_owned()),
            ("VESTIBULE__LOG__FORMAT", "json".to_owned()),
        ];
        if let Some(url) = &self.url {
            variables.push(("VESTIBULE__DATABASE__URL", url.clone()));
            variables.push(("VESTIBULE__KEYS__SECRET", "dmVzdGlidWxlIHRlc3RzIGtlZXAgbm8gc2VjcmV0cy4=".to_owned()));
        }
        variables.extend(self.settings.iter().cloned());
        variables
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(arguments, &[])
    }

    pub(crate) fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Said {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).current_dir(self.folder.path()).envs(self.variables()).envs(variables.iter().copied());
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { status: output.status, out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs `serve` until it is told to end.
    pub(crate) fn serve(&self) -> Served {
        // Each start has a log of its own, in which its addresses are looked up.
        static STARTS: AtomicUsize = AtomicUsize::new(0);
        let log = self.path(&format!("log-{}", STARTS.fetch_add(1, Ordering::Relaxed)));
        // A `child::Start` removes its folder where the tests are killed; this one is the test's own, so the shell stays in ours.
        let mut start = Start::new("/bin/sh", ["-c", "cd \"$1\" && exec \"$2\" serve", "serve"])
            .arguments([self.folder.path().as_os_str(), PROGRAM.as_ref()])
            .log(&log);
        for (name, value) in self.variables() {
            start = start.env(name, value);
        }
        let mut child = Child::start(&start).unwrap();
        let until = Instant::now() + PATIENCE;
        loop {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            if let Some(line) = lines.into_iter().find(|line| line["message"] == "serving") {
                let address = |key: &str| format!("http://{}", line[key].as_str().unwrap());
                return Served { token: self.token.clone(), child, base: address("listen"), ops: address("ops"), log };
            }
            assert!(child.ended().unwrap().is_none() && Instant::now() < until, "serve does not come up:\n{text}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The bootstrap file of the tenant `bluesky`.
    pub(crate) fn described(&self, issuer: &str) -> String {
        unhurried(&describe("bluesky", "entra", issuer, "if-provisioned")).replace("{token}", &self.token)
    }

    /// Sets up the tenant `bluesky` with the identity provider at `issuer`. Answers the id of its directory.
    pub(crate) fn bootstrap(&self, issuer: &str) -> String {
        std::fs::write(self.path("bluesky.toml"), self.described(issuer)).unwrap();
        let said = self.run(&["bootstrap", "bluesky.toml"]).expect(0);
        let (_, endpoint) = said.out.split_once("/scim/v2/").unwrap();
        endpoint.split_whitespace().next().unwrap().to_owned()
    }
}

/// A running `serve`; dropping it kills it.
pub(crate) struct Served {
    pub(crate) token: String,
    pub(crate) child: Child,
    pub(crate) base: String,
    pub(crate) ops: String,
    pub(crate) log: PathBuf,
}

impl Served {
    pub(crate) fn scim(&self, directory: &str) -> Scim {
        Scim::new(format!("{}/scim/v2/{directory}", self.base), self.token.clone())
    }

    /// Status and body of a page of the operations listener.
    pub(crate) async fn ops(&self, path: &str) -> (StatusCode, String) {
        let answer = client().get(format!("{}{path}", self.ops)).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap().trim_end_matches('\n').to_owned())
    }

    pub(crate) fn end(&mut self, signal: &str) -> ExitStatus {
        self.child.signal(signal).unwrap();
        self.child.wait(PATIENCE).unwrap()
    }

    pub(crate) fn said(&self) -> String {
        read(&self.log)
    }
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
