//! An initial sync as clients do it: look for each person, make them, read them back.

use reqwest::Method;
use serde_json::json;

use crate::load::{AsyncJob, Recorder, Target, drive};
use crate::report::Report;

const CONNECTIONS: usize = 16;

#[derive(Clone)]
struct Bring(Target);

impl AsyncJob<String> for Bring {
    async fn run(&self, number: usize, recorder: &mut Recorder) -> Option<String> {
        let Self(target) = self;
        let name = name(number);
        let filter: String = url::form_urlencoded::byte_serialize(format!("userName eq \"{name}\"").as_bytes()).collect();
        recorder.send(target, "filter", Method::GET, &format!("/Users?filter={filter}"), None).await?;
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
            "userName": name,
            "externalId": external_id(number),
            "name": { "givenName": "Joe", "familyName": format!("Bloggs {number}") },
            "displayName": format!("Joe Bloggs {number}"),
            "emails": [{ "type": "work", "value": name, "primary": true }],
            "active": true,
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "department": "Sales", "employeeNumber": number.to_string() },
        });
        let made = recorder.send(target, "POST", Method::POST, "/Users", Some(&user)).await?;
        let id = made["id"].as_str()?.to_owned();
        recorder.send(target, "GET", Method::GET, &format!("/Users/{id}"), None).await?;
        Some(id)
    }
}

/// The user name of a person of the sync.
pub(crate) fn name(number: usize) -> String {
    format!("person-{number}@bluesky.example")
}

/// The externalId of a person of the sync.
pub(crate) fn external_id(number: usize) -> String {
    format!("external-{number}")
}

/// Brings so many people to a target. Answers their ids.
pub(crate) async fn run(target: &Target, people: usize, report: &mut Report) -> Vec<String> {
    let label = format!("{}: initial sync of {people}", target.name);
    let (measured, ids) = drive(&label, CONNECTIONS, people, Bring(target.clone())).await;
    report.sync(&target.name, people, CONNECTIONS, &measured);
    ids.into_iter().flatten().collect()
}
