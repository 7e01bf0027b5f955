//! A real client that checks services: `scim2 test` (`scim2-cli` with `scim2-tester`, from the Python index), against the strict profile.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use super::directory;
use crate::support::node::installed;
use crate::support::world::on_every_engine;

/// How often each check has to end well. A run that ends early, or that leaves checks out, is no success.
const CHECKS: [(&str, usize); 23] = [
    ("access_invalid_resource_type", 1),
    ("access_invalid_schema", 1),
    ("access_schema_by_id", 4),
    ("check_add_attribute", 29),
    ("check_remove_attribute", 28),
    ("check_replace_attribute", 31),
    ("object_creation", 2),
    ("object_deletion", 2),
    ("object_list_with_attributes", 4),
    ("object_query", 2),
    ("object_query_with_attributes", 4),
    ("object_query_without_id", 2),
    ("object_replacement", 2),
    ("query_all_resource_types", 1),
    ("query_all_schemas", 1),
    ("query_resource_type_by_id", 2),
    ("random_url", 1),
    ("resource_types_endpoint_methods", 4),
    ("resource_types_schema_validation", 2),
    ("schemas_endpoint_methods", 4),
    ("search_with_attributes", 4),
    ("service_provider_config_endpoint", 1),
    ("service_provider_config_endpoint_methods", 4),
];

/// Counts the checks of a run by status and name. What a check says is indented, or follows in lines of its own.
fn count(output: &str) -> BTreeMap<(&str, &str), usize> {
    const STATUSES: [&str; 7] = ["SUCCESS", "COMPLIANT", "ACCEPTABLE", "DEVIATION", "SKIPPED", "ERROR", "CRITICAL"];
    let mut counted = BTreeMap::new();
    for line in output.lines() {
        if let Some((status, title)) = line.split_once(' ')
            && STATUSES.contains(&status)
        {
            *counted.entry((status, title)).or_default() += 1;
        }
    }
    counted
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
        let complaints = String::from_utf8_lossy(&output.stderr);
        let wanted: BTreeMap<_, _> = CHECKS.iter().map(|(check, times)| (("SUCCESS", *check), *times)).collect();
        assert_eq!(count(&text), wanted, "{text}\n{complaints}");
        // It was all about real resources, and nothing of them is left.
        assert_eq!(tenant.scim.get("/Users").await.body["totalResults"], 0, "{text}");
        assert_eq!(tenant.scim.get("/Groups").await.body["totalResults"], 0, "{text}");
    }
}
