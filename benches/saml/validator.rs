//! How many responses are taken or refused, in this process and in those of the peers.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use secrecy::SecretSlice;
use serde::Deserialize;
use vestibule::federation::Trace;
use vestibule::federation::saml::{Credential, Expected, Validator, certificate};
use vestibule::model::{
    AccountId, Connection, ConnectionId, ConnectionState, Demand, JitPolicy, MissingClaim, SamlSettings, TenantId,
};

use crate::messages::{Answers, ENTITY_ID, Keys, Message};

/// What became of one message, sent again and again.
#[derive(Debug, Deserialize)]
pub(crate) struct Counted {
    pub(crate) name: String,
    pub(crate) accepted: bool,
    pub(crate) count: u32,
    /// What it used of a core, in seconds.
    pub(crate) cpu: f64,
    pub(crate) elapsed: f64,
}

/// Through our validator, one after the other.
pub(crate) async fn ours(messages: &[Message], answers: &Answers<'_>, keys: &Keys, time: Duration) -> Vec<Counted> {
    let validator = Validator::new(1);
    let expected = expected(answers, keys);
    let mut all = Vec::new();
    for message in messages {
        let finish = async || {
            let answer = validator.finish(expected.clone(), message.field.clone(), &mut Trace::default()).await;
            assert_eq!(answer.is_ok(), message.is_good, "{}: {answer:?}", message.what);
        };
        for _ in 0..50 {
            finish().await;
        }
        let (mut count, begun, used) = (0, Instant::now(), cpu_seconds());
        while begun.elapsed() < time {
            finish().await;
            count += 1;
        }
        let (cpu, elapsed) = (cpu_seconds() - used, begun.elapsed().as_secs_f64());
        all.push(Counted { name: message.name.to_owned(), accepted: message.is_good, count, cpu, elapsed });
    }
    all
}

fn expected(answers: &Answers<'_>, keys: &Keys) -> Expected {
    let settings = SamlSettings { sign_requests: false, ..SamlSettings::default() };
    let connection = Connection {
        id: ConnectionId::new(answers.now),
        slug: "idp".into(),
        name: "Identity provider".into(),
        state: ConnectionState::Enabled,
        issuer: ENTITY_ID.into(),
        jit: JitPolicy::On,
        missing_claim: MissingClaim::Clear,
        home_account_id: AccountId::new(answers.now),
        contact: None,
        settings: settings.into(),
        epoch: 0,
    };
    let key = openssl::pkey::PKey::private_key_from_pem(keys.pem("sp.key").as_bytes()).unwrap();
    let own = Credential {
        certificate: certificate(keys.pem("sp.crt").as_bytes()).unwrap().der,
        private_key: SecretSlice::from(key.private_key_to_pkcs8().unwrap()),
    };
    Expected {
        tenant: TenantId::new(answers.now),
        connection,
        certificates: vec![certificate(keys.pem("idp.crt").as_bytes()).unwrap()],
        entity_id: answers.entity_id.to_owned(),
        acs: answers.acs.parse().unwrap(),
        request_id: answers.request_id.to_owned().into(),
        keys: vec![own],
        demand: Demand::default(),
        began: answers.now,
        now: now_of(answers),
    }
}

fn now_of(answers: &Answers<'_>) -> DateTime<Utc> {
    answers.now + chrono::TimeDelta::seconds(10)
}

/// Through the peers, each in a process of its own that reads the same files.
pub(crate) fn peers(folder: &Path, time: Duration) -> Vec<(&'static str, Vec<Counted>)> {
    let script = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts/peers").join(name);
    let mut node = Command::new(installed("bin/node"));
    node.arg(script("saml.mjs")).env("MODULES", installed("peers"));
    let mut python = Command::new(installed("peers-python/bin/python"));
    python.arg(script("saml.py")).env("PYTHONDONTWRITEBYTECODE", "1");
    let run = |mut command: Command| {
        let output = command.arg(folder).arg(time.as_secs_f64().to_string()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    vec![("@node-saml/node-saml", run(node)), ("python3-saml", run(python))]
}

/// What `script/bench` installs.
fn installed(part: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts/.installed").join(part)
}

/// The time that this program has had a core for itself since its start.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = text.rsplit_once(") ").unwrap();
    let ticks: u64 = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    ticks as f64 / 100.0
}
