//! A real program that asks an API everything its description allows, and more: `schemathesis` (from the Python index).
//!
//! It reads the description that the service serves, and makes requests of it, good ones and bad ones, with a client's access token. No
//! answer may be a fault of ours, and none may be one that the description does not have.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::clients::{CLIENTS, SECRET};
use crate::support::http;
use crate::support::node::installed;
use crate::support::world::{World, describe, on_every_engine};

/// What it looks at in each answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";

on_every_engine! {
    async fn schemathesis_meets_no_fault_and_nothing_undescribed(engine) {
        let world = World::empty(engine).await;
        let text = describe("bluesky", "entra", "http://127.0.0.1:1", "if-provisioned") + &CLIENTS.replace("{slug}", "bluesky");
        let text = text.replace("\"roles:write\"", "\"roles:write\", \"approvals:read\", \"approvals:write\"");
        world.described("bluesky", &text).await;
        let form = [("grant_type", "client_credentials"), ("client_id", "bluesky-portal"), ("client_secret", SECRET)];
        let answer = http::client().post(format!("{}/oauth2/token", world.base)).form(&form).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        let header = format!("Authorization: Bearer {}", answer["access_token"].as_str().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(installed("schemathesis"));
        command
            .args(["run", &format!("{}/api/v1/openapi.json", world.base), "--url", &world.base, "--checks", CHECKS, "--header", &header])
            .args(["--phases", "coverage,fuzzing", "--max-examples", "15", "--seed", "20261122", "--generation-database", "none"])
            // Below the client's own rate: what is answered 429 tells nothing.
            .args(["--rate-limit", "90/s", "--no-color"])
            // It keeps notes where it is started.
            .current_dir(folder.path())
            .stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
        // It was let in, and asked everything.
        assert!(text.contains("Operations:"), "{text}");
    }
}
