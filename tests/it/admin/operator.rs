//! The operator's persons: they see all tenants, act in one by its name, and each of their acts stands in that tenant's audit trail.

use reqwest::Method;
use serde_json::{Value, json};
use vestibule::store::Engine;

use super::clients::{CLIENTS, SECRET};
use super::{Office, RULES as ADMINISTRATORS, account, problem};
use crate::support::http::{Answer, Browser, Scim, client};
use crate::support::world::{Tenant, describe, on_every_engine};

/// Who is who in the operator's own tenant.
const RULES: &str = r#"
[[tenant.rule]]
name = "Operators"
from = "directory:directory"
within = "operator"
when = 'groups.display eq "Operators"'
grant = [{ role = "operator", account = "." }]

[[tenant.rule]]
name = "Supporters"
from = "directory:directory"
within = "operator"
when = 'groups.display eq "Supporters"'
grant = [{ role = "support", account = "." }]

[[tenant.rule]]
name = "Supporters of an account"
from = "directory:directory"
within = "operator"
when = 'groups.display eq "EMEA"'
grant = [{ role = "operator", account = "emea" }]
"#;

/// The operator's tenant, with directory and connection like any other.
pub(super) async fn operators(office: &Office) -> Tenant {
    let text = describe("operator", "strict", office.idp.issuer(), "if-provisioned").replace("customer-portal", "operator");
    let (text, _) = text.split_once("[[tenant.rule]]").unwrap();
    office.world.described("operator", &format!("{text}{RULES}")).await
}

/// A request in a tenant that is named.
async fn act(office: &Office, browser: &mut Browser, tenant: &str, method: Method, path: &str, body: Option<&Value>) -> Answer {
    let headers = [("sec-fetch-site", "same-origin"), ("content-type", "application/json"), ("vestibule-tenant", tenant)];
    let visit = browser.send(method, &office.at(path), &headers, body.map(ToString::to_string)).await;
    let body = if visit.body.is_empty() { Value::Null } else { serde_json::from_str(&visit.body).unwrap() };
    Answer { status: visit.status.as_u16(), headers: visit.headers, body }
}

async fn look(office: &Office, browser: &mut Browser, tenant: &str, path: &str) -> Answer {
    act(office, browser, tenant, Method::GET, path, None).await
}

/// The events that a tenant's administrator sees of the operator's persons, oldest first.
async fn told(office: &Office, browser: &mut Browser) -> Vec<Value> {
    let found = office.get(browser, "/events?actor=operator&limit=200").await.expect(200).body;
    let mut items = found["items"].as_array().unwrap().clone();
    items.retain(|item| item["actor"].get("login").is_some());
    items.reverse();
    items
}

/// Somebody of the operator's, an administrator of Bluesky, and what both are about.
struct Scene {
    office: Office,
    own: Tenant,
    blue: Tenant,
    anne: Browser,
    olga: Browser,
}

async fn scene(engine: Engine) -> Scene {
    let office = Office::new(engine).await;
    let own = operators(&office).await;
    let blue = office.tenant("bluesky", "entra").await;
    let anne = office.inside(&blue, "anne", "Cloud-Admins").await;
    let olga = office.inside(&own, "olga", "Operators").await;
    Scene { office, own, blue, anne, olga }
}

on_every_engine! {
    async fn the_operators_persons_see_all_tenants_and_nobody_else_learns_that_there_are_others(engine) {
        let Scene { office, own, mut anne, mut olga, .. } = scene(engine).await;
        office.tenant("redsky", "entra").await;
        let mut sam = office.inside(&own, "sam", "Supporters").await;
        let all = office.get(&mut olga, "/tenants").await.expect(200).body;
        let slugs = |list: &Value| -> Vec<String> { list["items"].as_array().unwrap().iter().map(|item| item["slug"].as_str().unwrap().to_owned()).collect() };
        assert_eq!(slugs(&all), ["bluesky", "redsky"], "without their own");
        let first = &all["items"][0];
        assert_eq!((&first["state"], &first["catalogue"], &first["accounts"], &first["directories"], &first["connections"]),
            (&json!("active"), &json!("customer-portal"), &json!(3), &json!(1), &json!(1)));
        let page = office.get(&mut sam, "/tenants?limit=1").await.expect(200).body;
        assert_eq!(slugs(&page), ["bluesky"]);
        let rest = office.get(&mut sam, &format!("/tenants?after={}", page["next"].as_str().unwrap())).await.expect(200).body;
        assert_eq!((slugs(&rest), &rest["next"]), (vec!["redsky".to_owned()], &Value::Null));
        let one = office.get(&mut olga, "/tenants/bluesky").await.expect(200).body;
        assert_eq!((&one["id"], &one["persons"], &one["logins"]), (&first["id"], &json!(1), &json!(1)));
        for slug in ["operator", "nobody", "%00", "BLUESKY"] {
            problem(&office.get(&mut olga, &format!("/tenants/{slug}")).await, 404, "not-found");
        }
        problem(&office.get(&mut olga, "/tenants?order=name").await, 400, "invalid-request");
        // Support reads and suspends nobody; an administrator of a tenant is told of no other, not even of their own.
        let off = json!({ "state": "suspended" });
        problem(&office.send(&mut sam, Method::PATCH, "/tenants/bluesky", Some(&off)).await, 403, "forbidden");
        for (method, path, body) in [(Method::GET, "/tenants", None), (Method::GET, "/tenants/bluesky", None), (Method::PATCH, "/tenants/redsky", Some(&off))] {
            problem(&office.send(&mut anne, method, path, body).await, 404, "not-found");
        }
        problem(&office.get(&mut Browser::new(), "/tenants").await, 401, "unauthenticated");
    }

    async fn an_act_of_the_operator_is_an_event_of_the_tenant_that_its_administrator_reads(engine) {
        let Scene { office, blue, mut anne, mut olga, .. } = scene(engine).await;
        let root = account(&office, &mut anne, "bluesky").await;
        let seen = look(&office, &mut olga, "bluesky", "/accounts").await.expect(200).body;
        assert_eq!(seen, office.get(&mut anne, "/accounts").await.body, "the whole tree");
        assert!(office.get(&mut olga, "/accounts").await.body.to_string().contains("\"operator/emea\""), "without a name they are at home");
        let new = json!({ "parent": root, "slug": "berlin", "name": "Berlin" });
        let berlin = act(&office, &mut olga, "bluesky", Method::POST, "/accounts", Some(&new)).await.expect(201).id();
        let joe = blue.scim.post("/Users", &json!({ "userName": "joe", "externalId": "joe" })).await.expect(201).id();
        let gift = json!({ "login": joe, "role": "administrator", "reason": "the last one left" });
        let given = act(&office, &mut olga, "bluesky", Method::POST, &format!("/accounts/{berlin}/assignments"), Some(&gift)).await.expect(201).body;
        assert_eq!(given["source"], "operator");
        let log = format!("/directories/{}/provisioning-log", blue.directory);
        let entry = look(&office, &mut olga, "bluesky", &log).await.expect(200).body["items"][0]["id"].as_str().unwrap().to_owned();
        let entry = look(&office, &mut olga, "bluesky", &format!("{log}/{entry}")).await.expect(200).body;
        assert_eq!(entry["values"]["userName"]["after"], "joe");
        look(&office, &mut olga, "bluesky", "/permissions").await.expect(200);
        let events = told(&office, &mut anne).await;
        let kinds: Vec<_> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["account.created", "assignment.given", "directory.log_values_read", "permissions.extracted"]);
        let olgas = events[0]["actor"]["login"].as_str().unwrap();
        assert!(events.iter().all(|event| event["actor"] == json!({ "kind": "operator", "login": olgas })), "{events:#?}");
        assert_eq!((&events[1]["values"]["reason"], &events[2]["details"]["entry"]), (&json!("the last one left"), &entry["id"]));
        assert_eq!(given["source_id"], json!(olgas));
        // The words are between the tenant and its people, and so is their end.
        let theirs = look(&office, &mut olga, "bluesky", "/events?kind=assignment.given").await.expect(200).body;
        assert_eq!(theirs["items"][0]["values"], "withheld");
        let person = events[1]["details"]["person"].as_str().unwrap();
        problem(&act(&office, &mut olga, "bluesky", Method::DELETE, &format!("/persons/{person}/values"), None).await, 403, "forbidden");
        // What is their own stays at home.
        let home = office.get(&mut olga, "/events?limit=200").await.expect(200).body.to_string();
        assert!(!home.contains(&berlin) && !home.contains("berlin"), "{home}");
        let taken = format!("/assignments/{}", given["id"].as_str().unwrap());
        act(&office, &mut olga, "bluesky", Method::DELETE, &taken, None).await.expect(204);
    }

    async fn support_reads_everything_and_changes_nothing(engine) {
        let Scene { office, own, blue, mut anne, .. } = scene(engine).await;
        let (mut sam, mut emil) = (office.inside(&own, "sam", "Supporters").await, office.inside(&own, "emil", "EMEA").await);
        let root = account(&office, &mut anne, "bluesky").await;
        let log = format!("/directories/{}/provisioning-log", blue.directory);
        for path in ["/accounts", "/rules", "/directories", "/events", &log] {
            look(&office, &mut sam, "bluesky", path).await.expect(200);
        }
        let entry = look(&office, &mut sam, "bluesky", &log).await.body["items"][0]["id"].as_str().unwrap().to_owned();
        assert!(look(&office, &mut sam, "bluesky", &format!("{log}/{entry}")).await.expect(200).body.get("values").is_none());
        for (method, path, body) in [
            (Method::POST, "/accounts".to_owned(), json!({ "parent": root, "slug": "x", "name": "X" })),
            (Method::PATCH, format!("/accounts/{root}"), json!({ "name": "X" })),
            (Method::POST, format!("/directories/{}/tokens", blue.directory), json!({ "name": "x" })),
            (Method::POST, format!("/accounts/{root}/assignments"), json!({ "login": "01900000-0000-7000-8000-000000000000", "role": "support" })),
        ] {
            problem(&act(&office, &mut sam, "bluesky", method, &path, Some(&body)).await, 403, "forbidden");
        }
        assert_eq!(told(&office, &mut anne).await, Vec::<Value>::new());
        // Who looks after one account of the operator's own tenant looks into no other.
        for path in ["/accounts", "/events"] {
            problem(&look(&office, &mut emil, "bluesky", path).await, 404, "not-found");
        }
        problem(&office.get(&mut emil, "/tenants").await, 404, "not-found");
    }

    async fn naming_a_tenant_gives_nobody_else_anything(engine) {
        let office = Office::new(engine).await;
        let text = describe("bluesky", "entra", office.idp.issuer(), "if-provisioned") + &ADMINISTRATORS.replace("{slug}", "bluesky") + &CLIENTS.replace("{slug}", "bluesky");
        let blue = office.world.described("bluesky", &text).await;
        office.tenant("redsky", "entra").await;
        let mut anne = office.inside(&blue, "anne", "Cloud-Admins").await;
        let mut olga = office.inside(&operators(&office).await, "olga", "Operators").await;
        let form = [("grant_type", "client_credentials"), ("client_id", "bluesky-portal"), ("client_secret", SECRET)];
        let answer: Value = client().post(format!("{}/oauth2/token", office.world.base)).form(&form).send().await.unwrap().json().await.unwrap();
        let machine = Scim::new(office.at(""), answer["access_token"].as_str().unwrap().to_owned());
        let log = office.token(&blue, "log").await;
        for tenant in ["redsky", "bluesky", "operator", "nobody", ""] {
            for path in ["/accounts", "/events", "/directories", "/tenants"] {
                problem(&look(&office, &mut anne, tenant, path).await, 404, "not-found");
                problem(&look(&office, &mut Browser::new(), tenant, path).await, 401, "unauthenticated");
                for token in [&machine, &log] {
                    let answer = Scim::read(token.request(Method::GET, path).header("vestibule-tenant", tenant).send().await.unwrap()).await;
                    problem(&answer, 404, "not-found");
                }
            }
            let url = format!("{}/access/v1/evaluations", office.world.base);
            let headers = [("sec-fetch-site", "same-origin"), ("content-type", "application/json"), ("vestibule-tenant", tenant)];
            assert_eq!(anne.send(Method::POST, &url, &headers, Some("{}".to_owned())).await.status, 404);
        }
        for tenant in ["operator", "nobody", "", "REDSKY", "redsky "] {
            let answer = look(&office, &mut olga, tenant, "/accounts").await;
            // A header ends where its spaces begin.
            if tenant == "redsky " { answer.expect(200); } else { problem(&answer, 404, "not-found"); }
        }
        problem(&look(&office, &mut olga, "redsky", "/tenants").await, 404, "not-found");
    }

    async fn a_tenant_that_is_suspended_lets_nobody_in_and_the_operator_still(engine) {
        let Scene { office, blue, mut anne, mut olga, .. } = scene(engine).await;
        let (off, on) = (json!({ "state": "suspended" }), json!({ "state": "active" }));
        let mut rita = office.inside(&office.tenant("redsky", "entra").await, "rita", "Cloud-Admins").await;
        let log = office.token(&blue, "log").await;
        for _ in 0..2 {
            let answer = office.send(&mut olga, Method::PATCH, "/tenants/bluesky", Some(&off)).await.expect(200).body;
            assert_eq!(answer["state"], "suspended");
        }
        problem(&office.get(&mut anne, "/accounts").await, 401, "unauthenticated");
        assert_eq!((blue.scim.get("/Users").await.status, log.get("/directories").await.status), (401, 401));
        let visit = Browser::new().visit(&office.world.sign_in(&blue)).await;
        assert_eq!(visit.status, 404, "{}", visit.body);
        office.get(&mut rita, "/accounts").await.expect(200);
        look(&office, &mut olga, "bluesky", "/accounts").await.expect(200);
        office.send(&mut olga, Method::PATCH, "/tenants/bluesky", Some(&on)).await.expect(200);
        problem(&office.get(&mut anne, "/accounts").await, 401, "unauthenticated");
        blue.scim.get("/Users").await.expect(200);
        office.idp.script().claims = json!({ "sub": "anne" });
        anne.follow(&office.world.sign_in(&blue), None).await.expect(200, "Your accounts");
        let events = told(&office, &mut anne).await;
        let states: Vec<_> = events.iter().map(|event| (event["kind"].as_str().unwrap(), event["details"]["after"]["state"].as_str().unwrap())).collect();
        assert_eq!(states, [("tenant.changed", "suspended"), ("tenant.changed", "active")]);
        for wrong in [json!({ "state": "gone" }), json!({}), json!({ "state": "active", "slug": "x" })] {
            problem(&office.send(&mut olga, Method::PATCH, "/tenants/bluesky", Some(&wrong)).await, 400, "invalid-request");
        }
        problem(&office.send(&mut olga, Method::PATCH, "/tenants/operator", Some(&off)).await, 404, "not-found");
    }

    async fn the_operator_gives_by_the_api_what_the_operator_begins(engine) {
        let office = Office::new(engine).await;
        let text = describe("bluesky", "entra", office.idp.issuer(), "if-provisioned").replace("customer-portal", "cloudcreator");
        let (text, _) = text.split_once("[[tenant.rule]]").unwrap();
        let rule = "[[tenant.rule]]\nname = \"Admins\"\nfrom = \"directory:directory\"\nwithin = \"bluesky\"\nwhen = 'groups.display eq \"Admins\"'\n\
            grant = [{ role = \"global-admin\", account = \".\" }]\n";
        let blue = office.world.described("bluesky", &format!("{text}{rule}")).await;
        let own = operators(&office).await;
        let mut anne = office.inside(&blue, "anne", "Admins").await;
        let (mut olga, mut sam) = (office.inside(&own, "olga", "Operators").await, office.inside(&own, "sam", "Supporters").await);
        let root = account(&office, &mut anne, "bluesky").await;
        let joe = blue.scim.post("/Users", &json!({ "userName": "joe", "externalId": "joe" })).await.expect(201).id();
        let (path, gift) = (format!("/accounts/{root}/assignments"), json!({ "login": joe, "role": "global-security-admin" }));
        problem(&office.send(&mut anne, Method::POST, &path, Some(&gift)).await, 403, "forbidden");
        problem(&act(&office, &mut sam, "bluesky", Method::POST, &path, Some(&gift)).await, 403, "forbidden");
        let given = act(&office, &mut olga, "bluesky", Method::POST, &path, Some(&gift)).await.expect(201).body;
        assert_eq!((&given["role"], &given["source"]), (&json!("global-security-admin"), &json!("operator")));
        let events = told(&office, &mut anne).await;
        assert_eq!((events.len(), &events[0]["kind"]), (1, &json!("assignment.given")));
    }
}
