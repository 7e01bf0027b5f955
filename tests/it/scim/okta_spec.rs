//! The suite that Okta has every SCIM service pass before it takes it into its catalogue ("Okta SCIM 2.0 SPEC Test"): twelve requests
//! with 52 assertions. Okta publishes it as a file for a paid service that sends the requests; the file names no licence, so that this
//! is a table of our own with the same requests, headers, variables and assertions, in the same order, and a small interpreter.
//!
//! Its one assertion about time (the groups within 600 ms) is counted when the request was answered: no test of ours asserts timings.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::Value;

use super::{ERROR, LIST_RESPONSE, USER, directory};
use crate::support::http::{Answer, Scim, client};
use crate::support::world::on_every_engine;

/// One assertion about an answer. Paths are as in `Resources[0].name.givenName`; texts have variables in braces.
enum Check {
    /// The HTTP status.
    Status(u16),
    /// There is a value, and it is not empty.
    NotEmpty(&'static str),
    /// The value is a JSON number.
    IsANumber(&'static str),
    /// The value, written as text, is this.
    Equal(&'static str, &'static str),
    /// The value is this number.
    EqualNumber(&'static str, u64),
    /// The value is a list that has this text.
    HasValue(&'static str, &'static str),
    /// The answer came within a time, which is not looked at.
    Answered,
}
use Check::{Answered, Equal, EqualNumber, HasValue, IsANumber, NotEmpty, Status};

/// One request of the suite.
struct Request {
    /// What the suite calls it.
    note: &'static str,
    method: Method,
    /// Path and query, with variables in braces.
    address: &'static str,
    /// The body, with variables in braces.
    body: Option<&'static str>,
    /// The `Authorization` header, with variables in braces.
    authorization: &'static str,
    assertions: &'static [Check],
    /// Variables that later requests use, and where their values are in the answer.
    variables: &'static [(&'static str, &'static str)],
}

const GET: Request =
    Request { note: "", method: Method::GET, address: "", body: None, authorization: "{auth}", assertions: &[], variables: &[] };

const CREATED: &str = concat!(
    r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"{randomUsername}","#,
    r#""name":{"givenName":"{randomGivenName}","familyName":"{randomFamilyName}"},"#,
    r#""emails":[{"primary":true,"value":"{randomEmail}","type":"work"}],"#,
    r#""displayName":"{randomGivenName} {randomFamilyName}","active":true}"#
);

const SUITE: [Request; 12] = [
    Request {
        note: "Test Users endpoint",
        address: "/Users?count=1&startIndex=1",
        assertions: &[
            Status(200),
            NotEmpty("Resources"),
            HasValue("schemas", LIST_RESPONSE),
            IsANumber("itemsPerPage"),
            IsANumber("startIndex"),
            IsANumber("totalResults"),
            NotEmpty("Resources[0].id"),
            NotEmpty("Resources[0].name.familyName"),
            NotEmpty("Resources[0].name.givenName"),
            NotEmpty("Resources[0].userName"),
            NotEmpty("Resources[0].active"),
            NotEmpty("Resources[0].emails[0].value"),
        ],
        variables: &[("ISVUserid", "Resources[0].id")],
        ..GET
    },
    Request {
        note: "Get Users/{id}",
        address: "/Users/{ISVUserid}",
        assertions: &[
            Status(200),
            NotEmpty("id"),
            NotEmpty("name.familyName"),
            NotEmpty("name.givenName"),
            NotEmpty("userName"),
            NotEmpty("active"),
            NotEmpty("emails[0].value"),
            Equal("id", "{ISVUserid}"),
        ],
        ..GET
    },
    Request {
        note: "Test invalid User by username",
        address: "/Users?filter=userName eq \"{InvalidUserEmail}\"",
        assertions: &[Status(200), HasValue("schemas", LIST_RESPONSE), Equal("totalResults", "0")],
        ..GET
    },
    Request {
        note: "Test invalid User by ID",
        address: "/Users/{UserIdThatDoesNotExist}",
        assertions: &[Status(404), NotEmpty("detail"), HasValue("schemas", ERROR)],
        ..GET
    },
    Request {
        note: "Make sure random user doesn't exist",
        address: "/Users?filter=userName eq \"{randomEmail}\"",
        assertions: &[Status(200), EqualNumber("totalResults", 0), HasValue("schemas", LIST_RESPONSE)],
        ..GET
    },
    Request {
        note: "Create Okta user with realistic values",
        method: Method::POST,
        address: "/Users",
        body: Some(CREATED),
        assertions: &[
            Status(201),
            Equal("active", "true"),
            NotEmpty("id"),
            Equal("name.familyName", "{randomFamilyName}"),
            Equal("name.givenName", "{randomGivenName}"),
            HasValue("schemas", USER),
            Equal("userName", "{randomUsername}"),
        ],
        variables: &[("idUserOne", "id"), ("randomUserEmail", "emails[0].value")],
        ..GET
    },
    Request {
        note: "Verify that user was created",
        address: "/Users/{idUserOne}",
        assertions: &[
            Status(200),
            Equal("userName", "{randomUsername}"),
            Equal("name.familyName", "{randomFamilyName}"),
            Equal("name.givenName", "{randomGivenName}"),
        ],
        ..GET
    },
    Request {
        note: "Expect failure when recreating user with same values",
        method: Method::POST,
        address: "/Users",
        body: Some(CREATED),
        assertions: &[Status(409)],
        ..GET
    },
    Request {
        note: "Username Case Sensitivity Check",
        address: "/Users?filter=userName eq \"{randomUsernameCaps}\"",
        assertions: &[Status(200)],
        ..GET
    },
    Request { note: "Verify Groups endpoint", address: "/Groups", assertions: &[Status(200), Answered], ..GET },
    Request {
        note: "Check status 401",
        address: "/Users?filter=userName eq \"{randomUsernameCaps}\"",
        authorization: "non-token",
        assertions: &[Status(401), NotEmpty("detail"), Equal("status", "401"), HasValue("schemas", ERROR)],
        ..GET
    },
    Request {
        note: "Check status 404",
        address: "/Users/00919288221112222",
        assertions: &[Status(404), NotEmpty("detail"), Equal("status", "404"), HasValue("schemas", ERROR)],
        ..GET
    },
];

/// The variables that the suite asks for before it begins.
const GIVEN: [(&str, &str); 7] = [
    ("InvalidUserEmail", "abcdefgh@atko.com"),
    ("UserIdThatDoesNotExist", "010101001010101011001010101011"),
    ("randomEmail", "runscope.300.abcd@atko.com"),
    ("randomUsername", "runscope.300.abcd@atko.com"),
    ("randomUsernameCaps", "RUNSCOPE.300.ABCD@ATKO.COM"),
    ("randomGivenName", "Runscope300"),
    ("randomFamilyName", "Abcd"),
];

/// The value at a path of the suite; `Null` where there is none.
fn at<'v>(body: &'v Value, path: &str) -> &'v Value {
    let pointer = format!("/{}", path.replace(['.', '['], "/").replace(']', ""));
    body.pointer(&pointer).unwrap_or(&Value::Null)
}

/// A value as the suite writes it down.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// A text with the values of its variables.
fn filled(text: &str, variables: &BTreeMap<&str, String>) -> String {
    variables.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

impl Check {
    fn holds(&self, answer: &Answer, variables: &BTreeMap<&str, String>) -> bool {
        match self {
            Status(status) => answer.status == *status,
            NotEmpty(path) => match at(&answer.body, path) {
                Value::Null => false,
                Value::String(text) => !text.is_empty(),
                Value::Array(values) => !values.is_empty(),
                Value::Object(members) => !members.is_empty(),
                Value::Bool(_) | Value::Number(_) => true,
            },
            IsANumber(path) => at(&answer.body, path).is_number(),
            Equal(path, wanted) => text(at(&answer.body, path)) == filled(wanted, variables),
            EqualNumber(path, wanted) => at(&answer.body, path).as_u64() == Some(*wanted),
            HasValue(path, wanted) => {
                at(&answer.body, path).as_array().is_some_and(|values| values.iter().any(|one| one == wanted))
            }
            Answered => true,
        }
    }
}

async fn send(base: &str, request: &Request, variables: &BTreeMap<&str, String>) -> Answer {
    let headers = match request.body {
        None => [("content-type", "application/scim+json; charset=utf-8"), ("accept", "application/scim+json")],
        Some(_) => [("content-type", "application/json"), ("accept", "application/scim+json; charset=utf-8")],
    };
    let mut sent = client()
        .request(request.method.clone(), format!("{base}{}", filled(request.address, variables)))
        .header("authorization", filled(request.authorization, variables));
    for (name, value) in headers {
        sent = sent.header(name, value);
    }
    sent = match request.body {
        None => sent.header("accept-charset", "utf-8").header("user-agent", "OKTA SCIM Integration"),
        Some(body) => sent.body(filled(body, variables)),
    };
    Scim::read(sent.send().await.unwrap()).await
}

/// Runs the suite and returns how many of its assertions hold.
async fn run(scim: &Scim) -> usize {
    let mut variables: BTreeMap<&str, String> = GIVEN.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    variables.insert("auth", format!("Bearer {}", scim.token));
    let mut held = 0;
    for (number, request) in SUITE.iter().enumerate() {
        let answer = send(&scim.base, request, &variables).await;
        for (place, check) in request.assertions.iter().enumerate() {
            let (number, place) = (number + 1, place + 1);
            assert!(check.holds(&answer, &variables), "request {number} ({}), assertion {place}: {answer:?}", request.note);
            held += 1;
        }
        for (name, path) in request.variables {
            variables.insert(name, text(at(&answer.body, path)));
        }
    }
    held
}

on_every_engine! {
    async fn okta_spec_52_of_52(engine) {
        let (world, okta) = directory(engine, "okta").await;
        let strict = world.tenant("redsky", "strict", "http://127.0.0.1:1").await;
        for tenant in [okta, strict] {
            // The suite wants to find somebody.
            let somebody = serde_json::json!({
                "schemas": [USER], "userName": "test.user@okta.local", "active": true,
                "name": {"givenName": "Test", "familyName": "User"},
                "emails": [{"primary": true, "value": "test.user@okta.local", "type": "work"}],
            });
            tenant.scim.post("/Users", &somebody).await.expect(201);
            assert_eq!(run(&tenant.scim).await, 52);
        }
    }
}
