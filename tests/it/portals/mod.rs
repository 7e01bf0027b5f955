//! What the five portals need of roles, accounts and the API, in their own words: docs/portals.md says which sentence is told where.

mod cloudcreator;
mod customer_portal;
mod managed_portal;
mod my_calls;
mod ukcloud_portal;

use reqwest::Method;
use serde_json::{Value, json};
use vestibule::directory::Caller;
use vestibule::directory::appoint::{Appointment, appoint};
use vestibule::model::Actor;
use vestibule::store::Engine;

use crate::admin::Office;
use crate::support::http::{Answer, Browser};
use crate::support::world::{Tenant, describe};

/// A tenant with a portal's catalogue: the company, and below it EMEA and APAC. Whoever is in the group Admins has the catalogue's
/// administrator role on the company.
struct Portal {
    office: Office,
    tenant: Tenant,
    admin: Browser,
}

impl Portal {
    async fn new(engine: Engine, catalogue: &str, administrator: &str) -> Self {
        let office = Office::new(engine).await;
        let text = describe("bluesky", "entra", office.idp.issuer(), "if-provisioned").replace("customer-portal", catalogue);
        let (text, _) = text.split_once("[[tenant.rule]]").unwrap();
        let rule = format!(
            "[[tenant.rule]]\nname = \"Admins\"\nfrom = \"directory:directory\"\nwithin = \"bluesky\"\nwhen = 'groups.display eq \"Admins\"'\n\
             grant = [{{ role = \"{administrator}\", account = \".\" }}]\n"
        );
        let tenant = office.world.described("bluesky", &format!("{text}{rule}")).await;
        let admin = office.inside(&tenant, "anne", "Admins").await;
        Self { office, tenant, admin }
    }

    /// The id of the account of a path.
    async fn account(&mut self, path: &str) -> String {
        let list = self.office.get(&mut self.admin, "/accounts").await.expect(200).body;
        let found = list["items"].as_array().unwrap().iter().find(|item| item["path"] == path);
        found.unwrap_or_else(|| panic!("{path} is not among {list}"))["id"].as_str().unwrap().to_owned()
    }

    async fn subscribe(&mut self, account: &str, service: &str) {
        let path = format!("/accounts/{account}/services/{service}");
        self.office.send(&mut self.admin, Method::PUT, &path, None).await.expect(204);
    }

    async fn add_instance(&mut self, account: &str, service: &str, instance: &str) {
        let path = format!("/accounts/{account}/services/{service}/instances/{instance}");
        self.office.send(&mut self.admin, Method::PUT, &path, None).await.expect(204);
    }

    /// Somebody whom the directory pushes.
    async fn person(&self, name: &str) -> String {
        self.tenant.scim.post("/Users", &json!({ "userName": name, "externalId": name })).await.expect(201).id()
    }

    /// Somebody of the customer's own identity provider, as an administrator writes them down.
    fn byoi(&self, account: &str, name: &str) -> Value {
        json!({
            "kind": "byoi", "account": account, "user_name": name, "given_name": name, "family_name": "Bloggs",
            "email": format!("{name}@bluesky.example"), "awaits": { "connection": self.tenant.connection, "value": name },
        })
    }

    /// Makes somebody by hand.
    async fn make_as(&self, by: &mut Browser, person: &Value) -> Answer {
        self.office.send(by, Method::POST, "/people", Some(person)).await
    }

    /// Does something with somebody, by the name that the API has for it.
    async fn act_as(&self, by: &mut Browser, login: &str, act: &str) -> Answer {
        self.office.send(by, Method::POST, &format!("/people/{login}/{act}"), Some(&json!({ "reason": "they asked" }))).await
    }

    async fn edit(&mut self, login: &str, change: Value) -> Answer {
        self.office.send(&mut self.admin, Method::PATCH, &format!("/people/{login}"), Some(&change)).await
    }

    /// Deletes somebody, in two steps.
    async fn delete_as(&self, by: &mut Browser, login: &str) -> Answer {
        let told = self.act_as(by, login, "deletion").await;
        if told.status != 200 {
            return told;
        }
        let path = format!("/people/{login}?confirmation={}", told.body["confirmation"].as_str().unwrap());
        self.office.send(by, Method::DELETE, &path, None).await
    }

    async fn state(&mut self, login: &str) -> String {
        let shown = self.office.get(&mut self.admin, &format!("/people/{login}")).await.expect(200).body;
        shown["state"].as_str().unwrap().to_owned()
    }

    /// A browser in which a person signs in who holds a role already.
    async fn sign_in(&self, name: &str) -> Browser {
        self.office.idp.script().claims = json!({ "sub": name });
        let mut browser = Browser::new();
        browser.follow(&self.office.world.sign_in(&self.tenant), None).await.expect(200, "");
        browser
    }

    /// Gives a role as the administrator.
    async fn give(&mut self, account: &str, login: &str, role: &str) -> Answer {
        let mut admin = self.admin.clone();
        self.give_as(&mut admin, account, json!({ "login": login, "role": role })).await
    }

    async fn give_as(&self, by: &mut Browser, account: &str, gift: Value) -> Answer {
        self.office.send(by, Method::POST, &format!("/accounts/{account}/assignments"), Some(&gift)).await
    }

    async fn take_as(&self, by: &mut Browser, given: &Value) -> Answer {
        self.office.send(by, Method::DELETE, &format!("/assignments/{}", given["id"].as_str().unwrap()), None).await
    }

    /// Gives a role as the operator does.
    async fn appoint(&self, login: &str, account: Option<&str>, role: &str) {
        let app = &self.office.world.app;
        let tenant = app.store.read(self.tenant.id).tenant_row().await.unwrap().unwrap();
        let caller = Caller { actor: Actor::Operator, now: app.clock.now(), request_id: None };
        let appointment = Appointment { login: login.parse().unwrap(), account, role };
        let catalogue = app.catalogue(&tenant.catalogue).unwrap();
        appoint(&app.store, self.tenant.id, catalogue, &appointment, caller).await.unwrap();
    }

    /// Asks whether a login may do something on an account, by `AuthZEN`.
    async fn may(&mut self, login: &str, permission: &str, account: &str) -> bool {
        self.may_with(login, permission, json!({ "type": "account", "id": account })).await
    }

    async fn may_with(&mut self, login: &str, permission: &str, resource: Value) -> bool {
        let question =
            json!({ "subject": { "type": "login", "id": login }, "action": { "name": permission }, "resource": resource });
        let headers = [("sec-fetch-site", "same-origin"), ("content-type", "application/json")];
        let url = format!("{}/access/v1/evaluation", self.office.world.base);
        let visit = self.admin.send(Method::POST, &url, &headers, Some(question.to_string())).await;
        assert_eq!(visit.status.as_u16(), 200, "{}", visit.body);
        serde_json::from_str::<Value>(&visit.body).unwrap()["decision"].as_bool().unwrap()
    }

    /// The keys of the roles that can be given on an account, and those that who asks may give.
    async fn roles(&self, by: &mut Browser, account: &str) -> (Vec<String>, Vec<String>) {
        let list = self.office.get(by, &format!("/accounts/{account}/roles")).await.expect(200).body;
        let keys = |fits: &dyn Fn(&Value) -> bool| {
            let items = list["items"].as_array().unwrap().iter().filter(|item| fits(item));
            items.map(|item| item["key"].as_str().unwrap().to_owned()).collect()
        };
        (keys(&|_| true), keys(&|item| item["assignable"] == true))
    }

    /// What somebody holds on an account and what is shadowed there (`role!`), as *why* tells it.
    async fn held(&mut self, login: &str, account: &str) -> Vec<String> {
        let why = self.office.get(&mut self.admin, &format!("/logins/{login}/roles")).await.expect(200).body;
        let there = why["accounts"].as_array().unwrap().iter().find(|item| item["account"] == account);
        let roles = there.map(|item| item["roles"].as_array().unwrap().clone()).unwrap_or_default();
        let told = |role: &Value| format!("{}{}", role["role"].as_str().unwrap(), if role["counts"] == true { "" } else { "!" });
        roles.iter().map(told).collect()
    }
}

/// Checks that something was refused with this status, in these words.
#[track_caller]
fn refused(answer: &Answer, status: u16, words: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert!(answer.body["detail"].as_str().unwrap().contains(words), "{}", answer.body);
}

/// The id of the login that was made.
#[track_caller]
fn login(made: Answer) -> String {
    made.expect(201).body["login"].as_str().unwrap().to_owned()
}

/// Somebody with a password, as an administrator writes them down.
fn local(account: &str, name: &str) -> Value {
    json!({
        "kind": "local", "account": account, "user_name": name, "given_name": name, "family_name": "Bloggs",
        "email": format!("{name}@bluesky.example"), "phone_numbers": ["+441234567890"], "token_type": "soft-token", "mobile_type": "Android",
    })
}
