//! The wall between tenants, over every route that the service has: whatever ids somebody sends, nothing of another tenant is read or
//! changed.
//!
//! Requests are made at random, from the routes as the sources name them, the ids of both tenants, and bodies in the shape of each
//! surface. They are the same in each run, so that a failure can be told again.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use vestibule::store::Engine;

use crate::admin::Office;
use crate::support::http::{Browser, client};
use crate::support::source::files;
use crate::support::sql;
use crate::support::world::{Tenant, on_every_engine};

const REQUESTS: usize = 2_000;
/// Where something is made; half of the requests for these make something, so that enough of them can go wrong.
const MAKING: [&str; 8] =
    ["/accounts", "/assignments", "/tokens", "/Users", "/Groups", "/approvals", "/approval-policies", "/people"];
/// What the first ids of a tenant are of, by the names that routes have for them.
const KINDS: [&str; 13] = [
    "directory",
    "connection",
    "account",
    "login",
    "group",
    "assignment",
    "token",
    "entry",
    "rule",
    "policy",
    "approval",
    "person",
    "session",
];
const LOGIN: usize = 3;
const GROUP: usize = 4;
const TOKEN: usize = 6;
/// Written by anybody who begins to sign in somewhere, without a login.
const PUBLIC: [&str; 1] = ["pending_sign_ins"];

on_every_engine! {
    async fn no_request_of_one_tenant_reads_or_changes_another(engine) {
        let office = Office::new(engine).await;
        let (ours, theirs) = (office.tenant("bluesky", "entra").await, office.tenant("redsky", "strict").await);
        let mut admin = office.inside(&ours, "anne", "Cloud-Admins").await;
        let mut their_admin = office.inside(&theirs, "zoltan-of-redsky", "Cloud-Admins").await;
        let secrets = fill(&office, &theirs, &mut their_admin, "zz-red").await;
        let own = fill(&office, &ours, &mut admin, "blue").await;
        let before = snapshot(engine, &office.world.database.url, &theirs).await;
        let templates = templates();
        assert!(templates.len() > 35, "{templates:?}");
        let http = client();
        let mut dice = Dice(20_261_124);
        let mut statuses = BTreeSet::new();
        // What our own client has asked for by SCIM stands in our own provisioning log.
        let mut asked = BTreeSet::new();
        for number in 0..REQUESTS {
            let template = dice.pick(&templates).clone();
            let path = filled(&template, &mut dice, &own, &secrets);
            let makes = MAKING.iter().any(|end| template.ends_with(end)) && dice.below(2) == 0;
            let method = dice.pick(&[Method::GET, Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE]).clone();
            let method = if makes { Method::POST } else { method };
            let body = (method != Method::GET).then(|| body(&template, &mut dice, &own, &secrets).to_string());
            let url = format!("{}{path}", office.world.base);
            // Headers that could lead elsewhere: the name of a tenant, and a key that somebody else has used.
            let names = dice.below(4) == 0 && path.starts_with("/api/v1/") && !path.contains("/openapi.json");
            let named = if names { *dice.pick(&["redsky", "bluesky", "operator"]) } else { "" };
            let key = *dice.pick(&["", "", "", "key-of-both"]);
            let extra: Vec<_> = [("vestibule-tenant", named), ("idempotency-key", key)].into_iter().filter(|(_, value)| !value.is_empty()).collect();
            let sent = format!("{path} {}", body.clone().unwrap_or_default());
            let kind = if path.starts_with("/scim") { "application/scim+json" } else { "application/json" };
            // Who signs out has nothing more to ask.
            let by = if template == "/sign-out" { 2 } else { dice.below(3) };
            let by = if path.contains(&ours.directory.to_string()) && path.starts_with("/scim") { dice.below(5) / 4 } else { by };
            let (status, text) = match by {
                0 => {
                    let mut request = http.request(method.clone(), &url).bearer_auth(&ours.scim.token).header("content-type", kind);
                    for (name, value) in &extra {
                        request = request.header(*name, *value);
                    }
                    if let Some(body) = body {
                        request = request.body(body);
                    }
                    let answer = request.send().await.unwrap();
                    (answer.status().as_u16(), answer.text().await.unwrap())
                }
                1 => {
                    let mut browser = admin.clone();
                    let headers = [&[("sec-fetch-site", "same-origin"), ("content-type", kind)], extra.as_slice()].concat();
                    let visit = browser.send(method.clone(), &url, &headers, body).await;
                    (visit.status.as_u16(), visit.body)
                }
                _ => {
                    let mut nobody = Browser::new();
                    let visit = nobody.send(method.clone(), &url, &[("sec-fetch-site", "same-origin"), ("content-type", kind)], body).await;
                    (visit.status.as_u16(), visit.body)
                }
            };
            statuses.insert(status);
            assert!(!names || status >= 400, "{number}: {method} {sent} in {named}: {status} {text}");
            assert!(status < 500 || status == 501, "{number}: {method} {sent}: {status} {text}");
            for secret in &secrets {
                if path.starts_with("/scim") && sent.contains(secret.as_str()) {
                    asked.insert(secret);
                }
                let ours = path.contains("/provisioning-log") && asked.contains(secret);
                assert!(ours || sent.contains(secret.as_str()) || !text.contains(secret.as_str()), "{number}: {method} {sent} told {secret}: {text}");
            }
        }
        assert!([200, 201, 204, 400, 401, 404, 405].iter().all(|status| statuses.contains(status)), "the dice are loaded: {statuses:?}");
        assert_eq!(snapshot(engine, &office.world.database.url, &theirs).await, before, "nothing of theirs has changed");
    }
}

/// Fills a tenant by its own administrator. Answers what a stranger must not learn, or what one may play with oneself: ids and names.
async fn fill(office: &Office, tenant: &Tenant, admin: &mut Browser, mark: &str) -> Vec<String> {
    let mut found = vec![tenant.directory.to_string(), tenant.connection.to_string()];
    let accounts = office.get(admin, "/accounts").await.expect(200).body;
    let root = accounts["items"][0]["id"].as_str().unwrap().to_owned();
    let new = json!({ "parent": root, "slug": mark, "name": format!("{mark}-account") });
    let account =
        office.send(admin, Method::POST, "/accounts", Some(&new)).await.expect(201).body["id"].as_str().unwrap().to_owned();
    let user = json!({ "userName": format!("{mark}-joe"), "externalId": format!("{mark}-external"), "emails": [{ "value": format!("{mark}@mail.example") }] });
    let login = tenant.scim.post("/Users", &full(user, "User")).await.expect(201).id();
    let group = json!({ "displayName": format!("{mark}-group"), "members": [{ "value": login }] });
    let group = tenant.scim.post("/Groups", &full(group, "Group")).await.expect(201).id();
    let gift = json!({ "login": login, "role": "technical" });
    let given = office.send(admin, Method::POST, &format!("/accounts/{account}/assignments"), Some(&gift)).await.expect(201).body;
    let token = json!({ "name": format!("{mark}-token") });
    let path = format!("/directories/{}/tokens", tenant.directory);
    let token = office.send(admin, Method::POST, &path, Some(&token)).await.expect(201).body;
    let log = office.get(admin, &format!("/directories/{}/provisioning-log", tenant.directory)).await.expect(200).body;
    found.extend([account.clone(), login, group]);
    let rule = json!({
        "name": format!("{mark}-rule"), "from": { "directory": tenant.directory }, "within": account, "when": "userName pr and title pr",
        "grants": [{ "role": "technical", "account": account }],
    });
    let rule = office.send(admin, Method::POST, "/rules", Some(&rule)).await.expect(201).body;
    found.extend([&given["id"], &token["id"], &log["items"][0]["id"], &rule["id"]].map(|id| id.as_str().unwrap().to_owned()));
    let policy = json!({ "name": format!("{mark}-policy"), "trigger": "order" });
    let policy =
        office.send(admin, Method::POST, &format!("/accounts/{account}/approval-policies"), Some(&policy)).await.expect(201).body;
    let order = json!({ "account": account, "trigger": "order", "amount": 1, "subject": found[LOGIN], "reference": format!("{mark}-order") });
    let order = office.send(admin, Method::POST, "/approvals", Some(&order)).await.expect(201).body;
    found.extend([&policy["id"], &order["id"]].map(|id| id.as_str().unwrap().to_owned()));
    let person = json!({
        "kind": "byoi", "account": account, "user_name": format!("{mark}-hand"), "given_name": mark, "family_name": format!("{mark}-family"),
        "email": format!("{mark}-hand@mail.example"), "awaits": { "connection": tenant.connection, "value": format!("{mark}-awaited") },
    });
    let person = office.send(admin, Method::POST, "/people", Some(&person)).await.expect(201).body;
    found.push(person["person"].as_str().unwrap().to_owned());
    found.push(session_of_anybody(office, admin).await);
    assert_eq!(found.len(), KINDS.len());
    found.extend([
        tenant.id.to_string(),
        format!("{mark}-account"),
        format!("{mark}-joe"),
        format!("{mark}-external"),
        format!("{mark}-group"),
        format!("{mark}-rule"),
        format!("{mark}-policy"),
        format!("{mark}-order"),
        person["login"].as_str().unwrap().to_owned(),
        format!("{mark}-hand"),
        format!("{mark}-family"),
        format!("{mark}-awaited"),
    ]);
    found
}

/// A session of the tenant: that of its administrator, which no request of their own ends but signing out.
async fn session_of_anybody(office: &Office, admin: &mut Browser) -> String {
    let people = office.get(admin, "/people").await.expect(200).body;
    for one in people["items"].as_array().unwrap() {
        let sessions = office.get(admin, &format!("/logins/{}/sessions", one["login"].as_str().unwrap())).await.expect(200).body;
        if let Some(id) = sessions["items"][0]["id"].as_str() {
            return id.to_owned();
        }
    }
    panic!("nobody is signed in: {people}");
}

fn full(mut resource: Value, kind: &str) -> Value {
    resource["schemas"] = json!([format!("urn:ietf:params:scim:schemas:core:2.0:{kind}")]);
    resource
}

/// Every address below which the sources put a handler, with its parameters in braces.
fn templates() -> Vec<String> {
    let mut found = BTreeSet::new();
    for file in files("src/http", "rs") {
        let name = file.to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap().to_owned();
        let prefixes: &[&str] = match () {
            () if name.ends_with("/admin/mod.rs") => &["/api/v1"],
            () if name.ends_with("/admin/evaluation.rs") => &["/access/v1", ""],
            () if name.ends_with("/oauth/mod.rs") || name.ends_with("/oauth/portals.rs") => &["/oauth2"],
            () if name.ends_with("/scim/mod.rs") => &["/scim/v2/{directory}", "/scim/{directory}"],
            () => &[""],
        };
        let literals = text.split('"').skip(1).step_by(2).filter(|literal| literal.starts_with('/') && !literal.contains(' '));
        for literal in literals.filter(|literal| !literal.starts_with("/v") && text.contains("route")) {
            found.extend(prefixes.iter().map(|prefix| format!("{prefix}{literal}")));
        }
    }
    found.into_iter().collect()
}

/// The template with an id of somebody in the place of each parameter.
fn filled(template: &str, dice: &mut Dice, own: &[String], theirs: &[String]) -> String {
    let mut path = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap();
        path.push_str(before);
        let from = if dice.below(2) == 0 { own } else { theirs };
        // Mostly of the right kind: what is refused for its kind alone proves little.
        let fitting = KINDS.iter().position(|kind| *kind == name).or(match () {
            () if before.ends_with("/Users/") || before.ends_with("/link-proposals/") => Some(LOGIN),
            () if before.ends_with("/Groups/") => Some(GROUP),
            () if before.ends_with("/tokens/") => Some(TOKEN),
            () => None,
        });
        let at = fitting.filter(|_| dice.below(5) > 0).unwrap_or_else(|| dice.below(from.len()));
        path.push_str(&from[at]);
        rest = after;
    }
    path.push_str(rest);
    match dice.below(6) {
        0 => format!("{path}?filter=externalId%20eq%20%22{}%22", dice.pick(theirs)),
        1 => format!("{path}?after={}&limit=5", dice.pick(theirs)),
        _ => path,
    }
}

/// A body that some surface takes, with ids of theirs where it names something.
fn body(template: &str, dice: &mut Dice, own: &[String], theirs: &[String]) -> Value {
    let from = if dice.below(3) == 0 { own } else { theirs };
    let id = dice.pick(from).clone();
    let mine = dice.pick(own).clone();
    let operation =
        |operation: Value| json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation] });
    let rule = json!({
        "name": format!("rule of {mine}"), "from": { "directory": dice.pick(&[&own[0], &theirs[0]]) }, "within": dice.pick(&[&own[2], &theirs[2]]),
        "when": "userName pr and title pr", "grants": [{ "role": "technical", "account": dice.pick(&[&own[2], &theirs[2]]) }],
    });
    let bodies = [
        json!({}),
        json!({ "name": "Taken over" }),
        json!({ "parent": id, "slug": "mine", "name": "Mine" }),
        json!({ "parent": id }),
        json!({ "state": "suspended" }),
        json!({ "login": id, "role": "administrator" }),
        json!({ "minutes": 5 }),
        json!({ "overlap": 0 }),
        json!({ "name": format!("token of {mine}"), "scopes": ["scim"] }),
        operation(json!({ "op": "add", "path": "members", "value": [{ "value": id }] })),
        operation(json!({ "op": "replace", "path": "active", "value": false })),
        full(json!({ "userName": format!("new of {mine}"), "externalId": mine }), "User"),
        full(json!({ "displayName": format!("new of {mine}"), "members": [{ "value": id }] }), "Group"),
        json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": format!("members.value eq \"{id}\"") }),
        json!({ "subject": { "type": "login", "id": id }, "action": { "name": "people.manage" }, "resource": { "type": "account", "id": mine } }),
        rule.clone(),
        json!({ "id": id, "rule": null }),
        json!({ "id": mine, "rule": rule }),
        json!({ "account": dice.pick(&[&own[2], &theirs[2]]), "trigger": "order", "amount": 1, "subject": id }),
        json!({ "name": format!("policy of {mine}"), "trigger": "order", "approvers": { "logins": [id] } }),
        json!({ "reason": "so" }),
        json!({ "login": id, "role": "technical" }),
        json!({ "assignments": [{ "login": id, "role": "technical" }], "take": [dice.pick(from)] }),
        json!({ "to": id }),
        json!({
            "kind": "byoi", "account": dice.pick(&[&own[2], &theirs[2]]), "user_name": format!("hand-of-{}", mine.replace(' ', "")), "given_name": "Joe", "family_name": "Bloggs",
            "email": "joe@mail.example", "awaits": { "connection": dice.pick(&[&own[1], &theirs[1]]), "value": format!("value-of-{mine}") },
        }),
        json!({ "given_name": "Taken over" }),
        json!({ "state": "enabled" }),
        json!({ "idle": 600, "absolute": null }),
        json!({ "break_glass": true }),
    ];
    let fitting = match () {
        () if template.ends_with("/accounts") => 2,
        () if template.ends_with("/assignments") => 5,
        () if template.ends_with("/tokens") => 8,
        () if template.ends_with("/Users") => 11,
        () if template.ends_with("/Groups") => 12,
        () if template.ends_with("/rules") || template.ends_with("/rules/{rule}") => 15,
        () if template.ends_with("/approvals") => 18,
        () if template.ends_with("/approval-policies") || template.ends_with("/approval-policies/{policy}") => 19,
        () if template.ends_with("/approve") || template.ends_with("/reject") => 20,
        () if template.ends_with("/access-requests") => 21,
        () if template.ends_with("/bulk") => 22,
        () if template.ends_with("/reassign") => 23,
        () if template.ends_with("/people") => 24,
        () if template.ends_with("/people/{login}") => 25,
        () if template.ends_with("activate") => 20,
        () if template.ends_with("/connections/{connection}") => 26,
        () if template.ends_with("/session-limits") => 27,
        () if template.ends_with("/break-glass") => 28,
        () if template.ends_with("/rules/preview") => [15, 16, 17][dice.below(3)],
        () => dice.below(bodies.len()),
    };
    let at = if dice.below(3) == 0 { dice.below(bodies.len()) } else { fitting };
    bodies[at].clone()
}

/// All rows of a tenant, table by table, as the database writes them down.
async fn snapshot(engine: Engine, url: &str, tenant: &Tenant) -> Vec<String> {
    let tables = match engine {
        Engine::Postgres => {
            "select table_name::text from information_schema.columns where column_name = 'tenant_id' and table_schema = current_schema() order by 1"
        }
        Engine::Sqlite => {
            "select t.name from sqlite_master t join pragma_table_info(t.name) c on c.name = 'tenant_id' where t.type = 'table' order by 1"
        }
    };
    let mut rows = Vec::new();
    for table in sql::texts(url, tables).await.into_iter().filter(|table| !PUBLIC.contains(&table.as_str())) {
        let id = tenant.id.to_string();
        let statement = match engine {
            Engine::Postgres => format!("select t::text from {table} t where tenant_id = '{id}' order by 1"),
            Engine::Sqlite => {
                let columns = sql::texts(url, &format!("select 'quote(' || name || ')' from pragma_table_info('{table}')")).await;
                let (row, id) = (columns.join(" || ',' || "), id.replace('-', ""));
                format!("select {row} from {table} where tenant_id = x'{id}' order by 1")
            }
        };
        rows.extend(sql::texts(url, &statement).await.into_iter().map(|row| format!("{table}: {row}")));
    }
    assert!(rows.len() > 20, "{rows:?}");
    rows
}

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        // Knuth's multiplier; the upper bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
