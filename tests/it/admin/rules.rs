//! Mapping rules, made, changed and deleted by administrators, and what they are told of it before.

use reqwest::Method;
use serde_json::{Value, json};

use super::clients::{CLIENTS, client, send};
use super::{Office, alike, problem};
use crate::support::http::{Answer, Browser};
use crate::support::world::{Tenant, describe, on_every_engine};

/// A tenant of `CloudCreator`, whose file has a rule with a pattern.
const CLOUDS: &str = r#"
[[tenant.rule]]
name = "Administrators"
from = "directory:directory"
within = "bluesky"
when = 'groups.display eq "Cloud-Admins"'
grant = [{ role = "global-admin", account = "." }]

[[tenant.rule]]
name = "By naming convention"
from = "directory:directory"
within = "bluesky"
match = { attribute = "groups.display", pattern = "portal-(?<account>[a-z0-9-]+)-(?<role>admin|network)" }
grant = [{ role = "{role}", account = "{account}", as = { admin = "cloud-admin", network = "cloud-admin" } }]
"#;

/// A rule of a part of the tenant.
const OWN: &str = r#"
[[tenant.rule]]
name = "Own"
from = "directory:directory"
within = "{slug}/emea"
when = 'userName eq "ann"'
grant = [{ role = "support", account = "." }]
"#;

/// The id of the account of a path.
async fn account(office: &Office, browser: &mut Browser, path: &str) -> String {
    let list = office.get(browser, "/accounts").await.expect(200).body;
    let found = list["items"].as_array().unwrap().iter().find(|item| item["path"] == path);
    found.unwrap_or_else(|| panic!("{path} is not among {list}"))["id"].as_str().unwrap().to_owned()
}

async fn post(office: &Office, browser: &mut Browser, path: &str, body: &Value) -> Answer {
    office.send(browser, Method::POST, path, Some(body)).await
}

/// Makes a login by SCIM, and a group with it.
async fn person(tenant: &Tenant, name: &str, groups: &[&str]) -> String {
    let id = tenant.scim.post("/Users", &json!({ "userName": name, "externalId": name })).await.expect(201).id();
    for group in groups {
        tenant.scim.post("/Groups", &json!({ "displayName": group, "members": [{ "value": id }] })).await.expect(201);
    }
    id
}

/// What somebody holds, as `path: role` with the source.
async fn roles(office: &Office, browser: &mut Browser, login: &str) -> Vec<String> {
    let why = office.get(browser, &format!("/logins/{login}/roles")).await;
    let mut told = Vec::new();
    for account in why.body["accounts"].as_array().into_iter().flatten() {
        for role in account["roles"].as_array().unwrap() {
            for cause in role["causes"].as_array().unwrap() {
                told.push(format!(
                    "{}: {} by {}",
                    account["path"].as_str().unwrap(),
                    role["role"].as_str().unwrap(),
                    cause["source"].as_str().unwrap()
                ));
            }
        }
    }
    told.sort();
    told
}

/// A preview, as `path: role +gain -lose`, and as `name: +path: role` and `-`.
async fn previewed(office: &Office, browser: &mut Browser, body: &Value) -> (Vec<String>, Vec<String>) {
    let told = post(office, browser, "/rules/preview", body).await.expect(200).body;
    let place = |item: &Value| format!("{}: {}", item["path"].as_str().unwrap(), item["role"].as_str().unwrap());
    let counts = told["counts"].as_array().unwrap().iter();
    let mut counts: Vec<_> = counts.map(|item| format!("{} +{} -{}", place(item), item["gain"], item["lose"])).collect();
    let mut people = Vec::new();
    for person in told["people"].as_array().unwrap() {
        let name = person["user_name"].as_str().unwrap();
        people.extend(person["gains"].as_array().unwrap().iter().map(|item| format!("{name}: +{}", place(item))));
        people.extend(person["loses"].as_array().unwrap().iter().map(|item| format!("{name}: -{}", place(item))));
    }
    counts.sort();
    people.sort();
    assert_eq!(told["logins"].as_u64().unwrap(), u64::try_from(told["people"].as_array().unwrap().len()).unwrap());
    (counts, people)
}

fn rule(tenant: &Tenant, name: &str, within: &str, when: &str, role: &str, account: &str) -> Value {
    json!({
        "name": name, "from": { "directory": tenant.directory }, "within": within, "when": when,
        "grants": [{ "role": role, "account": account }],
    })
}

on_every_engine! {
    async fn a_rule_gives_and_takes_exactly_and_its_preview_said_so(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let (emea, apac) = (account(&office, &mut root, "bluesky/emea").await, account(&office, &mut root, "bluesky/apac").await);
        let (joe, eve) = (person(&blue, "joe", &["Support"]).await, person(&blue, "eve", &["Sales"]).await);
        let by_hand = json!({ "login": eve, "role": "support" });
        post(&office, &mut root, &format!("/accounts/{apac}/assignments"), &by_hand).await.expect(201);
        let held = vec!["bluesky/apac: support by manual".to_owned()];

        let new = rule(&blue, " Support ", &emea, "groups.display eq \"Support\"", "support", &emea);
        let (counts, people) = previewed(&office, &mut root, &new).await;
        assert_eq!(counts, ["bluesky/emea: support +1 -0"]);
        assert_eq!(people, ["joe: +bluesky/emea: support"]);
        assert_eq!(roles(&office, &mut root, &joe).await, [""; 0], "a preview changes nothing");
        assert_eq!(office.get(&mut root, "/rules").await.expect(200).body["items"].as_array().unwrap().len(), 3);

        let made = post(&office, &mut root, "/rules", &new).await.expect(201);
        assert_eq!(made.headers["etag"], "\"1\"");
        assert_eq!((&made.body["name"], &made.body["version"], &made.body["from"]), (&json!("Support"), &json!(1), &new["from"]));
        let path = format!("/rules/{}", made.body["id"].as_str().unwrap());
        assert_eq!(office.get(&mut root, &path).await.expect(200).body, made.body);
        assert_eq!(roles(&office, &mut root, &joe).await, ["bluesky/emea: support by rule"]);
        assert_eq!(roles(&office, &mut root, &eve).await, held);

        // Changed: to others, and elsewhere. What a hand gave is gained by nobody.
        let mut changed = rule(&blue, "Support", &apac, "groups.display sw \"s\"", "support", &apac);
        let id = &made.body["id"];
        let (counts, people) = previewed(&office, &mut root, &json!({ "id": id, "rule": changed })).await;
        assert_eq!(counts, ["bluesky/apac: support +1 -0", "bluesky/emea: support +0 -1"]);
        assert_eq!(people, ["joe: +bluesky/apac: support", "joe: -bluesky/emea: support"]);
        let answer = office.send(&mut root, Method::PUT, &path, Some(&changed)).await.expect(200);
        assert_eq!((&answer.body["version"], &answer.headers["etag"]), (&json!(2), &reqwest::header::HeaderValue::from_static("\"2\"")));
        assert_eq!(roles(&office, &mut root, &joe).await, ["bluesky/apac: support by rule"]);
        assert_eq!(roles(&office, &mut root, &eve).await, ["bluesky/apac: support by manual", "bluesky/apac: support by rule"]);
        let again = office.send(&mut root, Method::PUT, &path, Some(&changed)).await.expect(200);
        assert_eq!(again.body["version"], 2, "no change is no version");

        // A version that was is refused, by a change and by a deletion.
        changed["name"] = "Helpdesk".into();
        for (method, body) in [(Method::PUT, Some(&changed)), (Method::DELETE, None)] {
            let headers = [("sec-fetch-site", "same-origin"), ("content-type", "application/json"), ("if-match", "\"1\"")];
            let visit = root.send(method, &office.at(&path), &headers, body.map(ToString::to_string)).await;
            let answer = Answer { status: visit.status.as_u16(), headers: visit.headers, body: serde_json::from_str(&visit.body).unwrap() };
            problem(&answer, 412, "precondition-failed");
        }
        assert_eq!(office.get(&mut root, &path).await.expect(200).body, answer.body);

        // Deleted: what it gave goes, and nothing else.
        let (counts, people) = previewed(&office, &mut root, &json!({ "id": id, "rule": null })).await;
        assert_eq!((counts, people), (vec!["bluesky/apac: support +0 -1".to_owned()], vec!["joe: -bluesky/apac: support".to_owned()]));
        let headers = [("sec-fetch-site", "same-origin"), ("if-match", "\"2\"")];
        assert_eq!(root.send(Method::DELETE, &office.at(&path), &headers, None).await.status.as_u16(), 204);
        assert_eq!(roles(&office, &mut root, &joe).await, [""; 0]);
        assert_eq!(roles(&office, &mut root, &eve).await, held);
        problem(&office.get(&mut root, &path).await, 404, "not-found");
        let kinds = office.world.app.store.read(blue.id).event_kinds(id.as_str().unwrap().parse().unwrap()).await.unwrap();
        assert_eq!(kinds, ["rule.created", "rule.changed", "rule.deleted"]);
    }

    async fn a_naming_convention_follows_groups_and_accounts(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let top = account(&office, &mut root, "bluesky").await;
        let joe = person(&blue, "joe", &["Portal-EMEA-Support", "portal-berlin-finance", "portal-emea-emperor"]).await;
        let new = json!({
            "name": "By naming convention", "from": { "directory": blue.directory }, "within": top,
            "match": { "attribute": "groups.display", "pattern": "portal-(?<account>[a-z0-9-]+)-(?<role>[a-z]+)" },
            "grants": [{ "role": "{role}", "account": "{account}", "as": { "Support": "support", "finance": "financial" } }],
        });
        let (_, people) = previewed(&office, &mut root, &new).await;
        assert_eq!(people, ["joe: +bluesky/emea: support"]);
        let made = post(&office, &mut root, "/rules", &new).await.expect(201).body;
        assert_eq!(made["grants"][0]["as"], json!({ "support": "support", "finance": "financial" }));
        assert_eq!(roles(&office, &mut root, &joe).await, ["bluesky/emea: support by rule"]);
        let why = office.get(&mut root, &format!("/logins/{joe}/roles")).await.expect(200).body;
        let because = why["accounts"][0]["roles"][0]["causes"][0]["because"].as_array().unwrap();
        assert!(because.contains(&json!("groups.display eq \"portal-emea-support\"")), "{why}");

        // The tree changes: an account comes, is renamed, and moves out of the reach of the pattern.
        let berlin = json!({ "parent": top, "slug": "berlin", "name": "Berlin" });
        let berlin = post(&office, &mut root, "/accounts", &berlin).await.expect(201).body["id"].as_str().unwrap().to_owned();
        assert_eq!(roles(&office, &mut root, &joe).await, ["bluesky/berlin: financial by rule", "bluesky/emea: support by rule"]);
        let path = format!("/accounts/{berlin}");
        for (body, held) in [
            (json!({ "name": "Berlin (new)" }), true),
            (json!({ "slug": "bonn" }), false),
            (json!({ "slug": "berlin" }), true),
            (json!({ "parent": account(&office, &mut root, "bluesky/apac").await }), false),
        ] {
            office.send(&mut root, Method::PATCH, &path, Some(&body)).await.expect(200);
            let told = roles(&office, &mut root, &joe).await;
            assert_eq!(told.iter().any(|told| told.contains("financial")), held, "{body}: {told:?}");
            assert!(told.contains(&"bluesky/emea: support by rule".to_owned()), "{body}: {told:?}");
        }
        // And a login that comes later is given what the names say now.
        let eve = person(&blue, "eve", &["portal-apac-finance"]).await;
        assert_eq!(roles(&office, &mut root, &eve).await, ["bluesky/apac: financial by rule"]);

        // Left out, the roles are those that there are now, said by their keys.
        let mut open = new.clone();
        open["name"] = "Open".into();
        open["grants"][0].as_object_mut().unwrap().remove("as");
        let made = post(&office, &mut root, "/rules", &open).await.expect(201).body;
        let named: Vec<_> = made["grants"][0]["as"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(named, ["administrator", "financial", "purchaser", "support", "technical"]);
    }

    async fn nobody_gives_by_a_rule_what_they_could_not_give_by_hand(engine) {
        let office = Office::new(engine).await;
        let (blue, red) = (office.tenant("bluesky", "entra").await, office.tenant("redsky", "entra").await);
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let mut child = office.inside(&blue, "emil", "Cloud-EMEA-Admins").await;
        let mut foreign = office.inside(&red, "rita", "Cloud-Admins").await;
        let (top, emea, apac) = (
            account(&office, &mut root, "bluesky").await,
            account(&office, &mut root, "bluesky/emea").await,
            account(&office, &mut root, "bluesky/apac").await,
        );
        let when = "userName eq \"joe\"";
        person(&blue, "joe", &[]).await;
        // An administrator of one account has rules within it, and no others.
        let own = post(&office, &mut child, "/rules", &rule(&blue, "Own", &emea, when, "administrator", &emea)).await.expect(201).body;
        let listed = office.get(&mut child, "/rules").await.expect(200).body;
        let names: Vec<_> = listed["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["Own"], "those of the whole tenant are within its root");
        let above = post(&office, &mut root, "/rules", &rule(&blue, "Above", &top, when, "support", &emea)).await.expect(201).body;
        let path = |rule: &Value| format!("/rules/{}", rule["id"].as_str().unwrap());
        let never = "/rules/01900000-0000-7000-8000-000000000000".to_owned();
        let mut answers = Vec::new();
        for (browser, path) in [(&child, path(&above)), (&child, never.clone()), (&foreign, path(&own)), (&foreign, never)] {
            let mut browser = browser.clone();
            let body = rule(&red, "Mine", &emea, when, "support", &emea);
            for (method, body) in [(Method::GET, None), (Method::PUT, Some(&body)), (Method::DELETE, None)] {
                let answer = office.send(&mut browser, method, &path, body).await;
                problem(&answer, 404, "not-found");
                answers.push(alike(answer));
            }
            let id = path.rsplit('/').next().unwrap();
            answers.push(alike(post(&office, &mut browser, "/rules/preview", &json!({ "id": id, "rule": null })).await));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
        for (is_child, within) in [(true, &top), (true, &apac), (false, &emea)] {
            let browser = if is_child { &mut child } else { &mut foreign };
            let answer = post(&office, browser, "/rules", &rule(&blue, "Theirs", within, when, "support", within)).await;
            problem(&answer, 404, "not-found");
        }
        // Somebody who looks after rules, but may give only what the catalogue lets them.
        let pattern = json!({ "attribute": "groups.display", "pattern": "(?<a>.+)-(?<r>.+)" });
        for (body, detail) in [
            (rule(&blue, "R", &emea, when, "support", &apac), "no account"),
            (rule(&red, "R", &emea, when, "support", &emea), "no such directory"),
            (rule(&blue, "R", &emea, when, "emperor", &emea), "no role \"emperor\""),
            (rule(&blue, "R", &emea, "colour eq 1", "support", &emea), "there is no attribute \"colour\""),
            (rule(&blue, "R", &emea, "userName eq", "support", &emea), "at character 12"),
            (rule(&blue, "R", &emea, "", "support", &emea), "when: "),
            (rule(&blue, "", &emea, when, "support", &emea), "name: "),
            (rule(&blue, "R", &emea, when, "{r}", &emea), "needs a match"),
            (json!({ "name": "R", "from": { "directory": blue.directory }, "within": emea, "when": when, "grants": [] }), "1 to 100"),
            (json!({ "name": "R", "from": { "directory": blue.directory }, "within": emea, "match": pattern, "grants": [{ "role": "{x}", "account": "{a}" }] }), "(?<x>"),
            (json!({ "name": "R", "from": { "directory": blue.directory }, "within": emea, "match": { "attribute": "groups.display", "pattern": "(" }, "grants": [{ "role": "support", "account": emea }] }), "unclosed group"),
            (json!({ "name": "R", "from": { "directory": blue.directory }, "within": emea, "when": when, "grants": [{ "role": "support", "account": "emea" }] }), "emea"),
        ] {
            let answer = post(&office, &mut child, "/rules", &body).await;
            problem(&answer, 400, "invalid-request");
            assert!(answer.body["detail"].as_str().unwrap().contains(detail), "{body}: {}", answer.body);
            let before = post(&office, &mut child, "/rules/preview", &body).await;
            problem(&before, 400, "invalid-request");
            assert!(answer.body["detail"].as_str().unwrap().starts_with(before.body["detail"].as_str().unwrap()), "{body}: {}", before.body);
        }
        problem(&post(&office, &mut child, "/rules", &rule(&blue, "Above", &emea, when, "support", &emea)).await, 409, "conflict");
        problem(&post(&office, &mut child, "/rules/preview", &json!({ "id": own["id"] })).await, 400, "invalid-request");
        let token = office.token(&blue, "log").await;
        problem(&token.get("/rules").await, 403, "forbidden");
    }

    async fn what_the_operator_begins_comes_from_no_pattern(engine) {
        let office = Office::new(engine).await;
        let text = describe("bluesky", "entra", office.idp.issuer(), "if-provisioned")
            .replace("customer-portal", "cloudcreator")
            .replace("\"administrator\"", "\"cloud-admin\"");
        let blue = office.world.described("bluesky", &(text + CLOUDS)).await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let (top, emea) = (account(&office, &mut root, "bluesky").await, account(&office, &mut root, "bluesky/emea").await);
        let joe = person(&blue, "joe", &["Portal-EMEA-Admin", "portal-apac-network", "portal-apac-global-security-admin"]).await;
        assert_eq!(roles(&office, &mut root, &joe).await, ["bluesky/apac: cloud-admin by rule", "bluesky/emea: cloud-admin by rule"]);

        let pattern = |names: Value, account: &str| json!({
            "name": "R", "from": { "directory": blue.directory }, "within": top,
            "match": { "attribute": "groups.display", "pattern": "portal-(?<account>.+?)-(?<role>.+)" },
            "grants": [{ "role": "{role}", "account": account, "as": names }],
        });
        for (body, status, name, detail) in [
            (pattern(json!({ "x": "global-security-admin" }), &top), 400, "invalid-request", "first holder"),
            (pattern(json!({ "x": "cloud-admin", "X": "support-user" }), "{account}"), 400, "invalid-request", "twice"),
            (pattern(json!({ "x": "global-admin" }), "{account}"), 400, "invalid-request", "only the parent cloud"),
            (pattern(json!({ "x": "cloud-admin" }), &top), 400, "invalid-request", "only child clouds"),
            (rule(&blue, "R", &top, "userName pr", "global-admin", &emea), 400, "invalid-request", "only the parent cloud"),
            // Who does not assign security roles gives none by a rule: neither by name, nor as one of all that a pattern may yield.
            (rule(&blue, "R", &top, "userName pr", "global-security-admin", &top), 403, "forbidden", "global-security-admin"),
            (rule(&blue, "R", &top, "userName pr", "network-security-user", &emea), 403, "forbidden", "network-security-user"),
            (pattern(json!({ "x": "network-security-user" }), "{account}"), 403, "forbidden", "network-security-user"),
            (pattern(json!({}), "{account}"), 403, "forbidden", "network-security"),
        ] {
            let answer = post(&office, &mut root, "/rules", &body).await;
            problem(&answer, status, name);
            assert!(answer.body["detail"].as_str().unwrap().contains(detail), "{body}: {}", answer.body);
        }
        post(&office, &mut root, "/rules", &pattern(json!({ "x": "computing-user" }), "{account}")).await.expect(201);
        let list = office.get(&mut root, "/rules").await.expect(200).body;
        let names: Vec<_> = list["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["EMEA administrators", "Administrators", "By naming convention", "R"]);
    }

    async fn who_only_sees_rules_is_told_of_gains_of_the_people_whose_home_they_see(engine) {
        let office = Office::new(engine).await;
        let clients = CLIENTS.replace("people:read", "people:read\", \"rules:read") + OWN;
        let text = describe("bluesky", "entra", office.idp.issuer(), "if-provisioned") + &clients.replace("{slug}", "bluesky");
        let blue = office.world.described("bluesky", &text).await;
        let (whole, part) = (client(&office, "bluesky-portal", "").await, client(&office, "bluesky-emea", "").await);
        person(&blue, "joe", &[]).await;
        person(&blue, "ann", &["Cloud-EMEA-Admins"]).await;
        let accounts = whole.get("/accounts").await.expect(200).body;
        let find = |path: &str| accounts["items"].as_array().unwrap().iter().find(|item| item["path"] == path).unwrap()["id"].clone();
        let rule = json!({
            "name": "Curious", "from": { "directory": blue.directory }, "within": find("bluesky/emea"), "when": "userName eq \"joe\"",
            "grants": [{ "role": "support", "account": find("bluesky/emea") }],
        });
        // Joe's home is the company: a filter that a part of it writes does not tell who he is.
        let told = |answer: Answer| answer.expect(200).body["logins"].clone();
        assert_eq!(told(send(&whole, Method::POST, "/rules/preview", &rule).await), 1);
        assert_eq!(told(send(&part, Method::POST, "/rules/preview", &rule).await), 0);
        // What people lose on the part itself is its own.
        let rules = part.get("/rules").await.expect(200).body;
        assert_eq!((rules["items"].as_array().unwrap().len(), &rules["items"][0]["name"]), (1, &json!("Own")));
        let gone = json!({ "id": rules["items"][0]["id"], "rule": null });
        assert_eq!(told(send(&part, Method::POST, "/rules/preview", &gone).await), 1);
        problem(&send(&part, Method::POST, "/rules", &rule).await, 403, "forbidden");
    }
}
