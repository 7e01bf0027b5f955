//! SAML identity providers that others wrote, each with a folder, keys, a port and a site of its own: SimpleSAMLphp, which Debian packages, on PHP's
//! own server, and PyPI `pysaml2`. `tests/parts/` has what turns them into identity providers.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::openid::samples::free_ports;
use crate::process::PATIENCE;
use crate::support::child::{Child, Start};
use crate::support::http::client;

/// Who wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Make {
    /// Signs by RSA alone; encrypts with AES-128 in CBC mode.
    SimpleSamlPhp,
    /// Signs and encrypts by `xmlsec1`, with whatever that can.
    Pysaml2,
}

/// What a key is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rsa,
    Ec,
}

/// A running identity provider; dropping it ends it.
#[derive(Debug)]
pub(super) struct Idp {
    pub(super) make: Make,
    /// Its address for browsers, without a slash at its end.
    pub(super) base: String,
    settings: Value,
    /// Dropped before the folder.
    _child: Child,
    folder: TempDir,
}

impl Idp {
    /// Starts one that knows these people by their subject, with their attributes. Its first key, `one`, is an RSA key.
    pub(super) async fn start(make: Make, users: &Value) -> Self {
        let folder = tempfile::Builder::new().prefix("vestibule-saml-").tempdir().unwrap();
        let [port] = free_ports();
        let base = format!("http://idp.localhost:{port}");
        make_key(folder.path(), "one", Kind::Rsa);
        let log = folder.path().join("log.txt");
        let (start, settings) = match make {
            Make::SimpleSamlPhp => {
                for name in ["log", "data", "tmp"] {
                    std::fs::create_dir(folder.path().join(name)).unwrap();
                }
                (simplesamlphp(folder.path(), port), json!({ "base": format!("{base}/"), "users": users, "signing": "one" }))
            }
            Make::Pysaml2 => {
                let settings =
                    json!({ "host": "idp.localhost", "port": port, "users": users, "published": ["one"], "signing": "one" });
                (pysaml2(&settings), settings)
            }
        };
        std::fs::write(folder.path().join("settings.json"), settings.to_string()).unwrap();
        let mut child = Child::start(&start.folder(folder.path()).log(&log)).unwrap();
        let until = Instant::now() + PATIENCE;
        let metadata = format!("http://127.0.0.1:{port}{}", make.metadata());
        while !client().get(&metadata).send().await.is_ok_and(|answer| answer.status().is_success()) {
            let said = || std::fs::read_to_string(&log).unwrap_or_default();
            assert!(child.ended().unwrap().is_none() && Instant::now() < until, "{make:?} does not come up:\n{}", said());
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        Self { make, base, settings, _child: child, folder }
    }

    /// Where its metadata is; that is its entity id too.
    pub(super) fn metadata_url(&self) -> String {
        format!("{}{}", self.base, self.make.metadata())
    }

    /// Tells it who the service provider is.
    pub(super) async fn know(&self, sp: &str) {
        match self.make {
            Make::SimpleSamlPhp => std::fs::write(self.folder.path().join("sp.xml"), sp).unwrap(),
            Make::Pysaml2 => self.control("sp", "application/samlmetadata+xml", sp.to_owned()).await,
        }
    }

    /// Makes a further key, which nothing uses yet.
    pub(super) fn make_key(&self, name: &str, kind: Kind) {
        make_key(self.folder.path(), name, kind);
    }

    /// Other settings from now on; those that are left out stay as they are.
    pub(super) async fn change(&mut self, settings: &Value) {
        let all = self.settings.as_object_mut().unwrap();
        all.extend(settings.as_object().unwrap().clone());
        match self.make {
            Make::SimpleSamlPhp => std::fs::write(self.folder.path().join("settings.json"), self.settings.to_string()).unwrap(),
            Make::Pysaml2 => self.control("settings", "application/json", settings.to_string()).await,
        }
    }

    async fn control(&self, what: &str, kind: &str, body: String) {
        let url = format!("{}/_ctl/{what}", self.base).replace("idp.localhost", "127.0.0.1");
        let answer = client().post(url).header("content-type", kind).body(body).send().await.unwrap();
        let status = answer.status();
        assert!(status.is_success(), "{status}: {}", answer.text().await.unwrap());
    }

    /// At its form, which asks who it is, as somebody.
    pub(super) fn proves(&self, sub: &str) -> Vec<Value> {
        let mut steps = vec![json!({ "expectUrl": &self.base }), json!({ "fill": "[name=username]", "with": sub })];
        if self.make == Make::SimpleSamlPhp {
            steps.push(json!({ "fill": "[name=password]", "with": sub }));
        }
        steps.push(json!({ "click": "button" }));
        steps
    }

    /// Signing out begins there, and ends there.
    pub(super) fn sign_out(&self) -> [Value; 2] {
        let path = match self.make {
            Make::SimpleSamlPhp => format!("/saml2/idp/initSLO.php?RelayState={}/signed-out", self.base),
            Make::Pysaml2 => "/logout".to_owned(),
        };
        [json!({ "goto": format!("{}{path}", self.base) }), json!({ "expectText": "Signed out everywhere" })]
    }

    /// What it has said, for the message of a failing test.
    pub(super) fn log(&self) -> String {
        let mut text = std::fs::read_to_string(self.folder.path().join("log.txt")).unwrap_or_default();
        text += &std::fs::read_to_string(self.folder.path().join("log/simplesamlphp.log")).unwrap_or_default();
        text
    }
}

impl Make {
    fn metadata(self) -> &'static str {
        match self {
            Self::SimpleSamlPhp => "/saml2/idp/metadata.php",
            Self::Pysaml2 => "/metadata",
        }
    }
}

fn parts(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts").join(path)
}

fn simplesamlphp(folder: &Path, port: u16) -> Start {
    let program = PathBuf::from(std::env::var_os("SIMPLESAMLPHP").unwrap_or_else(|| "/usr/share/simplesamlphp".into()));
    assert!(program.exists(), "SimpleSAMLphp is not installed: script/bootstrap --test");
    Start::new("php", ["-d", "display_errors=0", "-S"])
        .arguments([format!("127.0.0.1:{port}"), "-t".to_owned()])
        .arguments([program.join("www"), parts("simplesamlphp/router.php")])
        .env("SIMPLESAMLPHP_CONFIG_DIR", parts("simplesamlphp/config"))
        .env("IDP_FOLDER", folder)
}

fn pysaml2(settings: &Value) -> Start {
    let python = parts(".installed/saml/bin/python");
    assert!(python.exists(), "pysaml2 is not installed: script/test --install");
    let start =
        Start::new(python, ["-W", "ignore"]).arguments([parts("saml/idp.py").into_os_string(), settings.to_string().into()]);
    start.env("PYTHONDONTWRITEBYTECODE", "1")
}

/// A key and a certificate that names it, for a month.
fn make_key(folder: &Path, name: &str, kind: Kind) {
    let key: &[&str] = match kind {
        Kind::Rsa => &["-newkey", "rsa:2048"],
        Kind::Ec => &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    };
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(["req", "-x509", "-nodes", "-days", "30", "-subj"]).arg(format!("/CN={name}")).args(key);
    command.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.crt")]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
