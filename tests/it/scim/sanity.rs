//! A real client that checks services: `scim-sanity probe` (from the Python index) in its strict mode.
//!
//! It wants 200 with the resource for every PATCH, and adds a member that nobody is; the RFC leaves both to the service (RFC 7644 section
//! 3.5.2, RFC 7643 section 2.3.7). The directory is set to what it wants; everything else is the strict profile.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::node::installed;
use crate::support::world::{World, describe, on_every_engine};

/// How often each check has to end well, by phase. A run that ends early, or that leaves checks out, is no success.
const PASSED: [(&str, usize); 5] = [
    ("Phase 1 — Discovery", 3),
    ("Phase 2 — User CRUD Lifecycle", 8),
    ("Phase 3 — Group CRUD Lifecycle", 10),
    ("Phase 6 — Search", 4),
    ("Phase 7 — Error Handling", 3),
];

/// What is left out, and why that is right: nobody's standard has these resources yet, and `/ResourceTypes` does not name them.
const SKIPPED: [(&str, &str); 3] = [
    ("Agent CRUD Lifecycle", "Agent not supported by server"),
    ("AgenticApplication CRUD Lifecycle", "AgenticApplication not supported by server"),
    ("Agent Rapid Lifecycle", "Agent not supported or not in scope"),
];

on_every_engine! {
    async fn scim_sanity_finds_nothing_wrong(engine) {
        let world = World::empty(engine).await;
        let settings = "profile = \"strict\"\n\n[tenant.directory.settings]\npatched_group = 200\nunknown_members = \"ignore\"\n";
        let text = describe("bluesky", "strict", "http://127.0.0.1:1", "if-provisioned").replace("profile = \"strict\"\n", settings);
        let tenant = world.described("bluesky", &text).await;
        let mut command = Command::new(installed("scim-sanity"));
        command
            .args(["probe", &tenant.scim.base, "--token", &tenant.scim.token, "--strict", "--i-accept-side-effects", "--json-output"])
            .stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr);
        let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}\n{complaints}"));
        let mut passed = BTreeMap::new();
        let mut skipped = Vec::new();
        for result in report["results"].as_array().unwrap() {
            let of = |name: &str| result[name].as_str().unwrap_or_default();
            match of("status") {
                "pass" => *passed.entry(of("phase")).or_insert(0) += 1,
                "skip" => skipped.push((of("name"), of("message"))),
                _ => panic!("{result}\n{text}"),
            }
        }
        assert!(output.status.success(), "{text}\n{complaints}");
        assert_eq!(report["mode"], "strict");
        assert_eq!(passed, BTreeMap::from(PASSED), "{text}");
        assert_eq!(skipped, SKIPPED, "{text}");
        // It was all about real resources, and nothing of them is left.
        assert_eq!(tenant.scim.get("/Users").await.body["totalResults"], 0, "{text}");
        assert_eq!(tenant.scim.get("/Groups").await.body["totalResults"], 0, "{text}");
    }
}
