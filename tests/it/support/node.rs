//! The parts of the tests that run on Node: the certified OpenID Provider and the browser's driver, both under `tests/parts/`.
//!
//! `script/test` installs them, and Node itself, from lock files into `tests/parts/.installed/`. A test that does not find them
//! fails and says so.

use super::child::{Child, Start};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const PARTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parts");

/// A program that `script/test` has installed for the tests: `node`, `scim2`, `scim-sanity`.
///
/// # Panics
/// When it is not there.
pub(crate) fn installed(program: &str) -> PathBuf {
    let path = Path::new(PARTS).join(".installed/bin").join(program);
    assert!(
        path.exists(),
        "{} is not installed: run the tests by `script/test`, or install their parts by `script/test --install`",
        path.display()
    );
    path
}

/// A running OpenID Provider (npm `oidc-provider`) on loopback; it ends with this value, or with the tests.
///
/// The head of `tests/parts/oidc/provider.mjs` lists the settings, and the control addresses that choose who signs in and
/// rotate keys.
#[derive(Debug)]
pub(crate) struct Provider {
    issuer: String,
    /// Dropped before the folder with its log.
    _child: Child,
    folder: TempDir,
}

impl Provider {
    /// Starts a provider and waits until it answers.
    ///
    /// # Panics
    /// When it does not start; the message has its log.
    pub(crate) fn start(settings: &Value) -> Self {
        let folder = tempfile::Builder::new().prefix("vestibule-op-").tempdir().expect("a temporary folder");
        let log = folder.path().join("log");
        let program = Path::new(PARTS).join("oidc/provider.mjs");
        let start =
            Start::new(installed("node"), [program.into_os_string(), settings.to_string().into()]).folder(folder.path()).log(&log);
        let (child, output) = Child::start_piped(&start).expect("node runs");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("the provider's first line");
        let Some(issuer) = line.trim().strip_prefix("ready ") else {
            panic!("the provider did not start: {line}\n{}", std::fs::read_to_string(&log).unwrap_or_default());
        };
        Self { issuer: issuer.to_owned(), _child: child, folder }
    }

    /// The issuer, as discovery and ID tokens name it.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The address of a control, for example `login?sub=joe`.
    pub(crate) fn control(&self, what: &str) -> String {
        format!("{}/_ctl/{what}", self.issuer)
    }

    /// What the provider has complained about, for the message of a failing test.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// Drives Chromium through the steps that the head of `tests/parts/browser/drive.mjs` lists, and returns what it saw.
///
/// # Panics
/// When a step fails; the message has everything that was seen until then.
pub(crate) fn browse(steps: &Value) -> Value {
    let program = Path::new(PARTS).join("browser/drive.mjs");
    let mut command = Command::new(installed("node"));
    let mut driver = command.arg(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node runs");
    // Dropping the pipe at the end of the statement tells the driver that this was all.
    driver.stdin.take().expect("its standard input").write_all(steps.to_string().as_bytes()).expect("the steps are written");
    let mut seen = String::new();
    driver.stdout.take().expect("its standard output").read_to_string(&mut seen).expect("its answer");
    let status = driver.wait().expect("its end");
    assert!(status.success(), "{status}: {seen}");
    serde_json::from_str(&seen).expect("the driver answers in JSON")
}
