//! A real client that checks services: `scim2 test` (PyPI `scim2-cli` with `scim2-tester`), against the strict profile.

use std::process::{Command, Stdio};

use super::directory;
use crate::support::node::installed;
use crate::support::world::on_every_engine;

/// The checks that may end otherwise than well, each with its reason.
const EXCEPTIONS: &[(&str, &str)] = &[];

/// One check: how it ended, its name, and what it says.
#[derive(Debug)]
struct Check {
    status: String,
    title: String,
    told: String,
}

fn checks(output: &str) -> Vec<Check> {
    let mut checks: Vec<Check> = Vec::new();
    for line in output.lines().skip(1) {
        if let Some(line) = line.strip_prefix("  ") {
            if let Some(check) = checks.last_mut() {
                check.told.push_str(line);
            }
        } else if let Some((status, title)) = line.split_once(' ') {
            checks.push(Check { status: status.to_owned(), title: title.to_owned(), told: String::new() });
        }
    }
    checks
}

on_every_engine! {
    async fn scim2_test_finds_nothing_wrong(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let mut command = Command::new(installed("scim2"));
        command
            .args(["--url", &tenant.scim.base, "test", "--verbose"])
            .env("SCIM_CLI_HEADERS", format!("Authorization: Bearer {}", tenant.scim.token))
            .stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        println!("{text}\n{}", String::from_utf8_lossy(&output.stderr));
        for check in checks(&text) {
            println!("{check:?}");
        }
        assert!(EXCEPTIONS.is_empty());
    }
}
