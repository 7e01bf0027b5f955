//! Other SCIM servers, driven by the same load generator.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::load::Target;

const TOKEN: &str = "peer";

/// A running peer; dropping it ends it.
pub(crate) struct Peer {
    pub(crate) target: Target,
    server: Child,
    _folder: TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// What `script/bench` installs.
fn installed(part: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts/.installed").join(part)
}

/// Starts every peer.
pub(crate) async fn start() -> Vec<Peer> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts/peers/scimmy.mjs");
    let mut scimmy = Command::new(installed("bin/node"));
    scimmy.arg(script).env("PORT", "29501").env("TOKEN", TOKEN).env("MODULES", installed("peers"));
    let mut scim2 = Command::new(installed("peers-python/bin/scim2-server"));
    scim2.args(["--port", "29502", "--bearer-token", TOKEN]);
    vec![
        run("scimmy-routers on SQLite", scimmy, "http://127.0.0.1:29501/scim/v2").await,
        run("scim2-server in memory", scim2, "http://127.0.0.1:29502/v2").await,
    ]
}

async fn run(name: &str, mut command: Command, base: &str) -> Peer {
    let folder = tempfile::tempdir().unwrap();
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    command.current_dir(folder.path()).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let server = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}; run script/bench scim"));
    let target = Target::new(name, base.to_owned(), TOKEN.to_owned());
    let until = Instant::now() + Duration::from_mins(1);
    while target.client.get(format!("{base}/Users?count=1")).bearer_auth(TOKEN).send().await.is_err() {
        assert!(Instant::now() < until, "{name} does not come up");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Peer { target, server, _folder: folder }
}
