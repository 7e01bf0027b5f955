//! Versions and preconditions (RFC 7644 section 3.14, RFC 9110 section 13).

use reqwest::Method;
use serde_json::{Value, json};

use super::{NOBODY, directory, group, log_of, make_group, make_user, operations, refused, user};
use crate::support::http::{Answer, Scim};
use crate::support::world::on_every_engine;

async fn with(scim: &Scim, header: (&str, &str), method: Method, path: &str, body: &Value) -> Answer {
    let request = scim.request(method, path).header("content-type", "application/scim+json").header(header.0, header.1);
    Scim::read(request.body(body.to_string()).send().await.unwrap()).await
}

on_every_engine! {
    async fn v01_v04_the_version_is_the_entity_tag_and_rises_with_every_change(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        let joe = make_user(scim, "joe").await;
        let team = make_group(scim, "Team", &[]).await;
        let path = format!("/Groups/{team}");
        let steps = [
            json!({"op": "add", "path": "members", "value": [{"value": joe}]}),
            json!({"op": "replace", "path": "displayName", "value": "Crew"}),
            json!({"op": "remove", "path": "members"}),
        ];
        for (index, step) in steps.into_iter().enumerate() {
            let tag = format!("W/\"{}\"", index + 2);
            assert_eq!(scim.patch(&path, &operations(json!([step]))).await.expect(204).headers["etag"], tag.as_str());
            for variant in ["", "?attributes=displayName", "?attributes=meta", "?excludedAttributes=members"] {
                let read = scim.get(&format!("{path}{variant}")).await.expect(200);
                assert_eq!(read.headers["etag"], tag.as_str(), "{variant}");
                assert!(read.body["meta"]["version"].is_null() || read.body["meta"]["version"] == tag, "{variant}");
            }
        }
    }

    async fn v02_if_match_guards_every_write(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        let joe = make_user(scim, "joe").await;
        let team = make_group(scim, "Team", &[&joe]).await;
        let (person, crew) = (format!("/Users/{joe}"), format!("/Groups/{team}"));
        let title = |title: &str| operations(json!([{"op": "replace", "path": "title", "value": title}]));
        let rename = |name: &str| operations(json!([{"op": "replace", "path": "displayName", "value": name}]));
        for stale in ["W/\"7\"", "\"7\"", "W/\"7\", \"8\"", "nonsense"] {
            for (method, path, body) in [
                (Method::PUT, &person, user("jim")),
                (Method::PATCH, &person, title("x")),
                (Method::DELETE, &person, Value::Null),
                (Method::PUT, &crew, group("Crew", &[])),
                (Method::PATCH, &crew, rename("Crew")),
                (Method::DELETE, &crew, Value::Null),
            ] {
                refused(&with(scim, ("if-match", stale), method, path, &body).await, 412, "");
            }
        }
        assert_eq!(log_of(&world, &tenant).await.iter().filter(|entry| entry.status == 412).count(), 24);
        for (index, fresh) in ["W/\"1\"", "\"2\"", "W/\"9\", W/\"3\"", "*"].into_iter().enumerate() {
            let done = with(scim, ("if-match", fresh), Method::PATCH, &person, &title(&format!("title {index}"))).await.expect(200);
            assert_eq!(done.headers["etag"], format!("W/\"{}\"", index + 2).as_str(), "{fresh}");
        }
        // What is not there has no version at all.
        let nobody = format!("/Users/{NOBODY}");
        refused(&with(scim, ("if-match", "*"), Method::DELETE, &nobody, &Value::Null).await, 404, "");
        with(scim, ("if-match", "W/\"1\""), Method::DELETE, &crew, &Value::Null).await.expect(204);
        with(scim, ("if-match", "*"), Method::DELETE, &person, &Value::Null).await.expect(204);
    }

    async fn v03_if_none_match_spares_the_body_until_something_changes(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        let joe = make_user(scim, "joe").await;
        let team = make_group(scim, "Team", &[&joe]).await;
        for path in [format!("/Users/{joe}"), format!("/Groups/{team}")] {
            for tag in ["W/\"1\"", "\"1\"", "\"0\", W/\"1\"", "*"] {
                let same = with(scim, ("if-none-match", tag), Method::GET, &path, &Value::Null).await.expect(304);
                assert_eq!((&same.body, &same.headers["etag"]), (&Value::Null, &"W/\"1\"".parse().unwrap()));
            }
            let change = operations(json!([{"op": "replace", "path": "displayName", "value": "New"}]));
            assert!(scim.patch(&path, &change).await.status < 300);
            let changed = with(scim, ("if-none-match", "W/\"1\""), Method::GET, &path, &Value::Null).await.expect(200);
            assert_eq!(changed.body["displayName"], "New");
        }
    }
}
