//! Single members that come and go in groups of several sizes, and the reading of a whole group.

use std::sync::Arc;
use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};

use crate::load::{AsyncJob, Recorder, Target, drive};
use crate::report::Report;
use crate::service::Service;

/// Members that one request brings while a group is filled.
const BATCH: usize = 1_000;

#[expect(clippy::needless_pass_by_value, reason = "reads as json! does")]
fn operations(operation: Value) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation] })
}

/// Makes a group of these people. Answers its id.
async fn make(target: &Target, people: &[String]) -> String {
    let mut recorder = Recorder::default();
    let group =
        json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": format!("Group of {}", people.len()) });
    let made = recorder.send(target, "make", Method::POST, "/Groups", Some(&group)).await.unwrap();
    let id = made["id"].as_str().unwrap().to_owned();
    for batch in people.chunks(BATCH) {
        let members: Vec<_> = batch.iter().map(|id| json!({ "value": id })).collect();
        let body = operations(json!({ "op": "add", "path": "members", "value": members }));
        recorder.send(target, "fill", Method::PATCH, &format!("/Groups/{id}"), Some(&body)).await.unwrap();
    }
    id
}

#[derive(Clone)]
struct ComeAndGo {
    target: Target,
    group: String,
    people: Arc<[String]>,
}

impl AsyncJob<()> for ComeAndGo {
    async fn run(&self, number: usize, recorder: &mut Recorder) -> Option<()> {
        let member = &self.people[number % self.people.len()];
        let path = format!("/Groups/{}", self.group);
        let goes = operations(json!({ "op": "remove", "path": format!("members[value eq \"{member}\"]") }));
        recorder.send(&self.target, "PATCH one member", Method::PATCH, &path, Some(&goes)).await?;
        let comes = operations(json!({ "op": "add", "path": "members", "value": [{ "value": member }] }));
        recorder.send(&self.target, "PATCH one member", Method::PATCH, &path, Some(&comes)).await?;
        Some(())
    }
}

/// Measures a group of the first `size` people. Answers the id of the group.
pub(crate) async fn patch(target: &Target, people: &[String], size: usize, patches: usize, report: &mut Report) -> String {
    let people: Arc<[String]> = people[..size].into();
    let group = make(target, &people).await;
    for connections in [1, 8] {
        let job = ComeAndGo { target: target.clone(), group: group.clone(), people: people.clone() };
        let label = format!("{}: single members of a group of {size}, {connections} connections", target.name);
        let (measured, _) = drive(&label, connections, patches, job).await;
        report.membership(&target.name, size, connections, &measured);
    }
    group
}

/// Measures groups of these sizes, and counts the statements that a single-member PATCH takes.
pub(crate) async fn run(service: &Service, people: &[String], sizes: &[usize], patches: usize, report: &mut Report) {
    for &size in sizes {
        let group = patch(&service.target, people, size, patches, report).await;
        service.forget_statements().await;
        let job = ComeAndGo { target: service.target.clone(), group, people: people[..size].into() };
        let (measured, _) = drive("statements", 1, 100, job).await;
        report.statements(size, service.statements().await, measured.requests());
    }
}

/// Reads all members of the group of `size`, and notes the memory that it takes.
pub(crate) async fn read(service: &Service, size: usize, report: &mut Report) {
    let target = &service.target;
    let mut recorder = Recorder::default();
    let filter: String = url::form_urlencoded::byte_serialize(format!("displayName eq \"Group of {size}\"").as_bytes()).collect();
    let path = format!("/Groups?excludedAttributes=members&filter={filter}");
    let found = recorder.send(target, "find", Method::GET, &path, None).await.unwrap();
    let id = found["Resources"][0]["id"].as_str().unwrap().to_owned();
    let before = service.memory();
    service.forget_peak();
    let began = Instant::now();
    let path = format!("/Groups/{id}?attributes=members");
    let group = recorder.send(target, "read", Method::GET, &path, None).await.unwrap();
    assert_eq!(group["members"].as_array().map(Vec::len), Some(size));
    report.reading(size, began.elapsed(), before, service.peak());
}
