//! The samples of docs/samples, each as its own process, against an OpenID Provider that signs what a test wants, and in the whole chain.

pub(crate) mod chain;
mod docs;
pub(crate) mod gate;
mod logout_tokens;
mod op;

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::child::{Child, Start};
use crate::support::node::installed;

/// The secret of the portal.
pub(crate) const SECRET: &str = "portal-secret-0123456789abcdef0123456789";
/// How long a process may take to come up. Generous: a busy machine is slow, and nothing waits for it in vain.
const PATIENCE: Duration = Duration::from_mins(1);

/// Which sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sample {
    /// `node/portal.mjs`
    Node,
    /// `python/portal.py`
    Python,
    /// `python/verifier.py`
    Verifier,
}

/// A sample that runs; dropping it ends it.
pub(crate) struct Running {
    /// Its address on this machine, without a slash at its end.
    base: String,
    _child: Child,
    folder: TempDir,
}

impl Running {
    /// Starts a sample at a port, for the provider at `issuer`, and waits until it answers. Its own address is `http://portal.localhost:PORT`.
    pub(crate) fn start(sample: Sample, issuer: &str, port: u16) -> Self {
        let folder = tempfile::Builder::new().prefix("vestibule-sample-").tempdir().unwrap();
        let log = folder.path().join("log");
        let start = match sample {
            Sample::Node => {
                // Node looks for packages beside the file.
                std::fs::copy(sample_file("node/portal.mjs"), folder.path().join("portal.mjs")).unwrap();
                let packages = parts(".installed/sample-node/node_modules");
                assert!(packages.exists(), "openid-client is not installed: script/test --install");
                std::os::unix::fs::symlink(packages, folder.path().join("node_modules")).unwrap();
                Start::new(installed("node"), ["--import"]).arguments([parts("samples/localhost.mjs"), "portal.mjs".into()])
            }
            Sample::Python => python("portal.py"),
            Sample::Verifier => python("verifier.py"),
        };
        let start = start
            .env("ISSUER", issuer)
            .env("CLIENT_ID", "portal")
            .env("CLIENT_SECRET", SECRET)
            .env("AUDIENCE", "portal-api")
            .env("PORTAL", format!("http://portal.localhost:{port}"))
            .env("PORT", port.to_string())
            .folder(folder.path())
            .log(&log);
        let mut child = Child::start(&start).unwrap();
        wait_for(port, || child.ended().unwrap().is_none(), &log);
        Self { base: format!("http://127.0.0.1:{port}"), _child: child, folder }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

fn python(program: &str) -> Start {
    let python = parts(".installed/sample-python/bin/python");
    assert!(python.exists(), "Authlib is not installed: script/test --install");
    let start = Start::new(python, [sample_file("python").join(program)]);
    start.env("PYTHONPATH", parts("samples")).env("PYTHONDONTWRITEBYTECODE", "1")
}

/// Waits until somebody listens at a port of this machine.
pub(crate) fn wait_for(port: u16, mut is_alive: impl FnMut() -> bool, log: &Path) {
    let until = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let said = || std::fs::read_to_string(log).unwrap_or_default();
        assert!(is_alive() && Instant::now() < until, "nobody listens at port {port}:\n{}", said());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn sample_file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/samples").join(path)
}

fn parts(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts").join(path)
}

/// Ports that nobody uses now.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
