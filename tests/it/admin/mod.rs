//! The administration API, as administrators and directories' clients see it.

mod access_requests;
mod accounts;
mod approval_policies;
mod approvals;
mod asking;
mod authzen;
mod bulk;
mod clients;
#[cfg(feature = "saml")]
mod connections;
mod events;
mod idempotency;
mod jobs;
mod links;
mod log;
mod operator;
mod paging;
mod people;
mod reads;
mod roles;
mod rules;
mod schemathesis;
mod sessions;
#[cfg(feature = "saml")]
mod upkeep;

use chrono::{DateTime, Utc};
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use vestibule::clock::Clock;
use vestibule::keys::{BearerToken, PlainToken};
use vestibule::model::{Actor, Scopes, TokenId};
use vestibule::store::{Engine, NewToken};

use crate::support::evil_idp::EvilIdp;
use crate::support::http::{Answer, Browser, Scim};
use crate::support::world::{Tenant, World, describe};

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// A world with an identity provider, and a clock that stands still at noon.
pub(crate) struct Office {
    pub(crate) world: World,
    pub(crate) idp: EvilIdp,
    clock: Clock,
}

/// Rules beside that of every described tenant: administrators and helpers of the whole tenant.
const RULES: &str = r#"
[[tenant.rule]]
name = "Administrators"
from = "directory:directory"
within = "{slug}"
when = 'groups.display eq "Cloud-Admins"'
grant = [{ role = "administrator", account = "." }]

[[tenant.rule]]
name = "Helpers"
from = "directory:directory"
within = "{slug}"
when = 'groups.display eq "Cloud-Helpers"'
grant = [{ role = "support", account = "." }]
"#;

impl Office {
    pub(crate) async fn new(engine: Engine) -> Self {
        let clock = Clock::fixed(noon());
        Self { idp: EvilIdp::start(noon()).await, world: World::with_clock(engine, clock.clone()).await, clock }
    }

    pub(crate) async fn tenant(&self, slug: &str, profile: &str) -> Tenant {
        let text = describe(slug, profile, self.idp.issuer(), "if-provisioned") + &RULES.replace("{slug}", slug);
        self.world.described(slug, &text).await
    }

    /// A browser in which somebody of a group is signed in.
    pub(crate) async fn inside(&self, tenant: &Tenant, name: &str, group: &str) -> Browser {
        let user = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "externalId": name });
        let id = tenant.scim.post("/Users", &user).await.expect(201).id();
        let group = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": group, "members": [{ "value": id }],
        });
        tenant.scim.post("/Groups", &group).await.expect(201);
        self.idp.script().claims = json!({ "sub": name });
        let mut browser = Browser::new();
        browser.follow(&self.world.sign_in(tenant), None).await.expect(200, "Your accounts");
        browser
    }

    fn at(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.world.base)
    }

    /// Another token of the tenant's directory, with one scope.
    async fn token(&self, tenant: &Tenant, scope: &str) -> Scim {
        let plain = PlainToken::bearer().reveal();
        let parsed = BearerToken::parse(plain.expose_secret()).unwrap();
        let mut writer = self.world.app.store.write(tenant.id).await.unwrap();
        let new = NewToken {
            id: TokenId::new(noon()),
            directory_id: tenant.directory,
            name: scope,
            prefix: parsed.lookup,
            digest: &parsed.digest,
            scopes: &Scopes::new([scope.parse().unwrap()]).unwrap(),
            created_by: &Actor::System,
            expires_at: None,
            replaces: None,
        };
        assert!(writer.insert_token(&new, noon()).await.unwrap());
        writer.commit().await.unwrap();
        Scim::new(self.at(""), plain.expose_secret().to_owned())
    }

    pub(crate) async fn get(&self, browser: &mut Browser, path: &str) -> Answer {
        self.send(browser, Method::GET, path, None).await
    }

    /// A request of a page of our own site, with the browser's cookies.
    pub(crate) async fn send(&self, browser: &mut Browser, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.send_to(browser, method, &self.at(path), body).await
    }

    async fn send_to(&self, browser: &mut Browser, method: Method, url: &str, body: Option<&Value>) -> Answer {
        let headers = [("sec-fetch-site", "same-origin"), ("content-type", "application/json")];
        let visit = browser.send(method, url, &headers, body.map(ToString::to_string)).await;
        let body = if visit.body.is_empty() { Value::Null } else { serde_json::from_str(&visit.body).unwrap() };
        Answer { status: visit.status.as_u16(), headers: visit.headers, body }
    }
}

/// The id of the account of a path.
async fn account(office: &Office, browser: &mut Browser, path: &str) -> String {
    let list = office.get(browser, "/accounts").await.expect(200).body;
    let found = list["items"].as_array().unwrap().iter().find(|item| item["path"] == path);
    found.unwrap_or_else(|| panic!("{path} is not among {list}"))["id"].as_str().unwrap().to_owned()
}

/// Checks that an answer is a problem (RFC 9457) in every part.
#[track_caller]
fn problem(answer: &Answer, status: u16, name: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.headers["content-type"], "application/problem+json", "{}", answer.body);
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.body["type"], format!("urn:vestibule:problem:{name}"), "{}", answer.body);
    assert_eq!(answer.body["status"], status, "{}", answer.body);
    assert_eq!(answer.body["reference"], answer.headers["x-request-id"].to_str().unwrap());
    for text in ["title", "detail"] {
        assert!(answer.body[text].as_str().is_some_and(|text| !text.is_empty()), "{}", answer.body);
    }
}

/// A problem without what differs from request to request.
fn alike(mut answer: Answer) -> Value {
    answer.body["reference"] = Value::Null;
    answer.body
}
