//! The description of the API is whole, is true, and lies in `docs/openapi.json`.
//!
//! With `VESTIBULE_WRITE_DOCS=1` the file is written instead of compared.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use vestibule::http::openapi;

/// The sources that have the routes of the API, and below which path they are mounted.
const SOURCES: &[(&str, &str)] =
    &[("src/http/admin/mod.rs", "/api/v1"), ("src/http/admin/evaluation.rs", "/access/v1"), ("src/http/oauth/mod.rs", "/oauth2")];

/// Each route of a source, as `METHOD path`.
fn routes(text: &str, prefix: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for part in text.split(".route(").skip(1) {
        let path = part.split('"').nth(1).unwrap();
        let handlers = part.split('"').nth(2).unwrap();
        // What follows the last route of a router is none of its handlers.
        let handlers = handlers.split(".fallback").next().unwrap().split(';').next().unwrap().split('}').next().unwrap();
        let prefix = if path.starts_with("/.well-known") { "" } else { prefix };
        for method in ["get", "post", "put", "patch", "delete"] {
            let call = format!("{method}(");
            let is_called = handlers.match_indices(&call).any(|(at, _)| {
                !handlers[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':')
            });
            if is_called {
                found.insert(format!("{} {prefix}{path}", method.to_uppercase()));
            }
        }
    }
    found
}

#[test]
fn routes_are_read_as_they_are_written() {
    let text = r#"
        .route("/a", get(x::list).post(x::get))
        .route(
            "/a/{b}",
            put(x::add).delete(x::remove_post),
        )
        .route("/.well-known/c", get(c))
        .fallback(patch(y));"#;
    let expected = ["GET /p/a", "POST /p/a", "PUT /p/a/{b}", "DELETE /p/a/{b}", "GET /.well-known/c"];
    assert_eq!(routes(text, "/p"), expected.map(ToOwned::to_owned).into());
}

#[test]
fn every_route_is_described_and_everything_described_is_a_route() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut there = BTreeSet::new();
    for (file, prefix) in SOURCES {
        there.extend(routes(&std::fs::read_to_string(root.join(file)).unwrap(), prefix));
    }
    assert!(there.len() > 25, "{there:?}");
    let document: Value = serde_json::from_str(&openapi::text()).unwrap();
    let described: BTreeSet<_> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase())))
        .collect();
    let missing: Vec<_> = there.difference(&described).collect();
    let invented: Vec<_> = described.difference(&there).collect();
    assert!(
        missing.is_empty() && invented.is_empty(),
        "not described in src/http/openapi/mod.rs: {missing:#?}; no route: {invented:#?}"
    );
}

#[test]
fn what_may_be_sent_again_with_a_key_says_so() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("src/http/admin/mod.rs")).unwrap();
    let routes = text.split(".route(").skip(1).filter(|part| part.split(".route(").next().unwrap().contains("once(post("));
    let there: BTreeSet<_> = routes.map(|part| format!("/api/v1{}", part.split('"').nth(1).unwrap())).collect();
    let document: Value = serde_json::from_str(&openapi::text()).unwrap();
    let takes_a_key = |item: &Value| {
        let parameters = item["post"]["parameters"].as_array();
        parameters.is_some_and(|parameters| parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key"))
    };
    let described = document["paths"].as_object().unwrap().iter().filter(|(_, item)| takes_a_key(item));
    let described: BTreeSet<_> = described.map(|(path, _)| path.clone()).collect();
    assert!(there.len() > 4, "{there:?}");
    assert_eq!(there, described, "the list ONCE of src/http/openapi/mod.rs");
}

#[test]
fn every_schema_that_is_named_is_there_and_every_one_there_is_named() {
    let text = openapi::text();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let there: BTreeSet<_> = document["components"]["schemas"].as_object().unwrap().keys().map(String::as_str).collect();
    let named: BTreeSet<_> = text.split("#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(there, named);
}

#[test]
fn the_document_lies_in_docs() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    if std::env::var_os("VESTIBULE_WRITE_DOCS").is_some() {
        std::fs::write(&file, openapi::text()).unwrap();
    } else {
        let lies = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(lies == openapi::text(), "run this test again with VESTIBULE_WRITE_DOCS=1");
    }
}
