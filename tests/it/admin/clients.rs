//! Clients that work for themselves: their tokens, what they reach, and their end.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Office, RULES, account, alike, problem};
use crate::support::http::{self, Answer, Scim};
use crate::support::world::{Tenant, describe, on_every_engine};

pub(super) const SECRET: &str = "5f0e0b1c7a3d4c4f9a6e2b8d1f7c3a90";
/// Client ids have one owner in the whole service, so these have their tenant's name in front.
pub(super) const CLIENTS: &str = r#"
[[tenant.client]]
client_id = "{slug}-portal"
name = "Portal"
scopes = ["access:evaluate", "accounts:read", "accounts:write", "people:read", "people:write", "roles:write", "directories:read", "directories:write"]
secret = { value = "5f0e0b1c7a3d4c4f9a6e2b8d1f7c3a90" }

[[tenant.client]]
client_id = "{slug}-emea"
name = "EMEA's tool"
within = "{slug}/emea"
scopes = ["access:evaluate", "accounts:write", "people:read", "directories:read"]
secret = { value = "5f0e0b1c7a3d4c4f9a6e2b8d1f7c3a90" }
"#;

/// A tenant with clients.
async fn tenant(office: &Office, slug: &str) -> Tenant {
    let text = describe(slug, "entra", office.idp.issuer(), "if-provisioned") + RULES + CLIENTS;
    office.world.described(slug, &text.replace("{slug}", slug)).await
}

/// Asks for a token by `client_secret_post`.
async fn ask(office: &Office, parameters: &[(&str, &str)]) -> Answer {
    let url = format!("{}/oauth2/token", office.world.base);
    Scim::read(http::client().post(url).form(parameters).send().await.unwrap()).await
}

/// A client with a token for these scopes, at the API.
pub(super) async fn client(office: &Office, id: &str, scope: &str) -> Scim {
    let mut parameters = vec![("grant_type", "client_credentials"), ("client_id", id), ("client_secret", SECRET)];
    parameters.extend((!scope.is_empty()).then_some(("scope", scope)));
    let answer = ask(office, &parameters).await.expect(200);
    Scim::new(office.at(""), answer.body["access_token"].as_str().unwrap().to_owned())
}

/// Asks whether somebody may do something, with a client's token.
async fn decides(office: &Office, client: &Scim, login: &str, permission: &str, account: &str) -> Answer {
    let body = json!({
        "subject": { "type": "login", "id": login },
        "action": { "name": permission },
        "resource": { "type": "account", "id": account },
    });
    let client = Scim::new(format!("{}/access/v1", office.world.base), client.token.clone());
    send(&client, Method::POST, "/evaluation", &body).await
}

pub(super) async fn send(client: &Scim, method: Method, path: &str, body: &Value) -> Answer {
    Scim::read(client.request(method, path).json(body).send().await.unwrap()).await
}

on_every_engine! {
    async fn a_client_gets_a_token_for_its_credentials_and_for_nothing_else(engine) {
        let office = Office::new(engine).await;
        tenant(&office, "bluesky").await;
        let (id, grant) = (("client_id", "bluesky-portal"), ("grant_type", "client_credentials"));
        let secret = ("client_secret", SECRET);
        let answer = ask(&office, &[grant, id, secret, ("scope", "people:read accounts:read")]).await.expect(200);
        assert_eq!((&answer.body["token_type"], &answer.body["expires_in"], &answer.body["scope"]), (&json!("Bearer"), &json!(600), &json!("accounts:read people:read")));
        assert_eq!((&answer.headers["cache-control"], &answer.headers["pragma"]), (&"no-store".parse().unwrap(), &"no-cache".parse().unwrap()));
        // Without a scope, all that it has.
        let all = ask(&office, &[grant, id, secret]).await.expect(200).body["scope"].as_str().unwrap().to_owned();
        assert_eq!(all.split(' ').count(), 8, "{all}");
        for (parameters, status, error) in [
            (&[grant, id, ("client_secret", "5f0e0b1c7a3d4c4f9a6e2b8d1f7c3a91")][..], 401, "invalid_client"),
            (&[grant, id], 401, "invalid_client"),
            (&[grant, secret], 401, "invalid_client"),
            (&[grant, ("client_id", "nobody"), secret], 401, "invalid_client"),
            (&[grant, id, secret, ("scope", "rules:write")], 400, "invalid_scope"),
            (&[grant, id, secret, ("scope", "everything")], 400, "invalid_scope"),
            (&[("grant_type", "password"), id, secret], 400, "unsupported_grant_type"),
            (&[id, secret], 400, "invalid_request"),
            (&[("grant_type", ""), id, secret], 400, "invalid_request"),
            (&[grant, grant, id, secret], 400, "invalid_request"),
            (&[grant, id, id, secret], 400, "invalid_request"),
            (&[grant, ("client_id", "blue\0sky"), secret], 400, "invalid_request"),
        ] {
            let answer = ask(&office, parameters).await;
            assert_eq!((answer.status, &answer.body["error"]), (status, &json!(error)), "{parameters:?}: {}", answer.body);
            assert_eq!(answer.headers["cache-control"], "no-store");
            assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401);
        }
        // By the header, and by one of both alone.
        let url = format!("{}/oauth2/token", office.world.base);
        let with_header = |secret: &str| http::client().post(&url).basic_auth("bluesky-portal", Some(secret.to_owned()));
        let good = Scim::read(with_header(SECRET).form(&[grant]).send().await.unwrap()).await.expect(200);
        assert!(good.body["access_token"].as_str().unwrap().starts_with("vsa_"));
        Scim::read(with_header("wrong").form(&[grant]).send().await.unwrap()).await.expect(401);
        Scim::read(with_header(SECRET).form(&[grant, secret]).send().await.unwrap()).await.expect(400);
        Scim::read(with_header(SECRET).form(&[grant, ("client_id", "bluesky-emea")]).send().await.unwrap()).await.expect(400);
        Scim::read(with_header(SECRET).json(&json!({ "grant_type": "client_credentials" })).send().await.unwrap()).await.expect(400);
        Scim::read(http::client().get(&url).send().await.unwrap()).await.expect(405);
    }

    async fn a_client_does_what_its_scopes_say_below_its_account_and_nothing_else(engine) {
        let office = Office::new(engine).await;
        let (blue, red) = (tenant(&office, "bluesky").await, tenant(&office, "redsky").await);
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let (top, emea, apac) =
            (account(&office, &mut root, "bluesky").await, account(&office, &mut root, "bluesky/emea").await, account(&office, &mut root, "bluesky/apac").await);
        let joe = blue.scim.post("/Users", &json!({ "userName": "joe", "externalId": "joe" })).await.expect(201).id();
        let all = client(&office, "bluesky-portal", "").await;
        let slugs = |answer: Answer| -> Vec<String> {
            answer.expect(200).body["items"].as_array().unwrap().iter().map(|item| item["slug"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(slugs(all.get("/accounts").await), ["bluesky", "apac", "emea"]);
        assert_eq!(slugs(all.get("/directories").await), ["directory"]);
        // It gives and takes roles, and the events and causes name it.
        let gift = json!({ "login": joe, "role": "financial" });
        let given = send(&all, Method::POST, &format!("/accounts/{emea}/assignments"), &gift).await.expect(201).body;
        let why = all.get(&format!("/logins/{joe}/roles")).await.expect(200).body;
        let by = why["accounts"][0]["roles"][0]["causes"][0]["by"].clone();
        assert_eq!(office.get(&mut root, "/clients").await.expect(200).body["items"][1]["id"], by);
        assert_eq!(decides(&office, &all, &joe, "invoices.view", &emea).await.expect(200).body, json!({ "decision": true }));
        // One of a child cloud acts there alone.
        let below = client(&office, "bluesky-emea", "").await;
        assert_eq!(slugs(below.get("/accounts").await), ["emea"]);
        assert_eq!(slugs(below.get("/directories").await), Vec::<String>::new());
        assert_eq!(decides(&office, &below, &joe, "invoices.view", &emea).await.expect(200).body, json!({ "decision": true }));
        for (account, who) in [(&top, &below), (&apac, &below)] {
            assert_eq!(decides(&office, who, &joe, "invoices.view", account).await.expect(200).body, json!({ "decision": false }));
        }
        send(&below, Method::PATCH, &format!("/accounts/{emea}"), &json!({ "name": "Europe" })).await.expect(200);
        let berlin = send(&below, Method::POST, "/accounts", &json!({ "parent": emea, "slug": "berlin", "name": "Berlin" })).await.expect(201).body;
        let foreign = client(&office, "redsky-portal", "").await;
        let mut answers = Vec::new();
        for (who, method, path, body) in [
            (&below, Method::GET, format!("/accounts/{top}"), Value::Null),
            (&below, Method::GET, format!("/accounts/{apac}"), Value::Null),
            (&below, Method::PATCH, format!("/accounts/{apac}"), json!({ "name": "Mine" })),
            (&below, Method::PATCH, format!("/accounts/{emea}"), json!({ "slug": "europe" })),
            (&below, Method::PATCH, format!("/accounts/{}", berlin["id"].as_str().unwrap()), json!({ "parent": apac })),
            (&below, Method::POST, "/accounts".to_owned(), json!({ "parent": top, "slug": "x", "name": "X" })),
            (&below, Method::GET, format!("/directories/{}/provisioning-log", blue.directory), Value::Null),
            (&foreign, Method::GET, format!("/accounts/{emea}"), Value::Null),
            (&foreign, Method::GET, format!("/logins/{joe}/roles"), Value::Null),
            (&foreign, Method::GET, format!("/directories/{}/tokens", blue.directory), Value::Null),
            (&foreign, Method::POST, format!("/accounts/{emea}/assignments"), gift.clone()),
            (&foreign, Method::DELETE, format!("/assignments/{}", given["id"].as_str().unwrap()), Value::Null),
            (&foreign, Method::GET, "/accounts/01900000-0000-7000-8000-000000000000".to_owned(), Value::Null),
        ] {
            let answer = send(who, method, &path, &body).await;
            problem(&answer, 404, "not-found");
            answers.push(alike(answer));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
        assert_eq!(decides(&office, &foreign, &joe, "invoices.view", &emea).await.expect(200).body, json!({ "decision": false }));
        // Without the scope it is refused whatever it names, there or not.
        let reader = client(&office, "bluesky-portal", "accounts:read").await;
        for (method, path, body) in [
            (Method::PATCH, format!("/accounts/{emea}"), json!({ "name": "Mine" })),
            (Method::PATCH, "/accounts/no-id".to_owned(), json!({ "name": "Mine" })),
            (Method::POST, "/accounts".to_owned(), json!({ "parent": emea, "slug": "x", "name": "X" })),
            (Method::PUT, format!("/accounts/{emea}/services/mail"), Value::Null),
            (Method::POST, format!("/accounts/{emea}/assignments"), gift.clone()),
            (Method::DELETE, format!("/assignments/{}", given["id"].as_str().unwrap()), Value::Null),
            (Method::DELETE, "/assignments/01900000-0000-7000-8000-000000000000".to_owned(), Value::Null),
            (Method::GET, format!("/logins/{joe}/roles"), Value::Null),
            (Method::GET, "/directories".to_owned(), Value::Null),
            (Method::GET, format!("/directories/{}/tokens", blue.directory), Value::Null),
            (Method::GET, "/directories/no-id/tokens".to_owned(), Value::Null),
            (Method::GET, "/clients".to_owned(), Value::Null),
        ] {
            problem(&send(&reader, method, &path, &body).await, 403, "forbidden");
        }
        problem(&decides(&office, &reader, &joe, "invoices.view", &emea).await, 403, "forbidden");
        problem(&send(&below, Method::POST, &format!("/accounts/{emea}/assignments"), &gift).await, 403, "forbidden");
        reader.get(&format!("/accounts/{emea}")).await.expect(200);
        // Its directories are looked after as an administrator does.
        let tokens = format!("/directories/{}/tokens", blue.directory);
        let made = send(&all, Method::POST, &tokens, &json!({ "name": "next" })).await.expect(201).body;
        assert_eq!(made["created_by"], json!({ "kind": "client", "client": by }));
        send(&all, Method::DELETE, &format!("{tokens}/{}", made["id"].as_str().unwrap()), &Value::Null).await.expect(204);
        send(&all, Method::DELETE, &format!("/assignments/{}", given["id"].as_str().unwrap()), &Value::Null).await.expect(204);
        // A NUL, which no PostgreSQL text can have, is refused like other nonsense.
        let nonsense = json!({ "login": joe, "role": "financial", "reason": "a\0b" });
        problem(&send(&all, Method::POST, &format!("/accounts/{emea}/assignments"), &nonsense).await, 400, "invalid-request");
        problem(&all.get(&format!("/directories/{}/provisioning-log?rule=a%00b", blue.directory)).await, 400, "invalid-request");
        // An access token is none for SCIM.
        Scim::new(red.scim.base.clone(), foreign.token.clone()).get("/Users").await.expect(401);
    }

    async fn a_token_ends_after_ten_minutes_and_with_its_client(engine) {
        let office = Office::new(engine).await;
        let (blue, red) = (tenant(&office, "bluesky").await, tenant(&office, "redsky").await);
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let mut child = office.inside(&blue, "emil", "Cloud-EMEA-Admins").await;
        let mut foreign = office.inside(&red, "rita", "Cloud-Admins").await;
        let first = client(&office, "bluesky-portal", "").await;
        first.get("/accounts").await.expect(200);
        // The last character is random: the forged one has another.
        let last = if first.token.ends_with('A') { 'B' } else { 'A' };
        for forged in [format!("{}{last}", &first.token[..59]), first.token.replacen("vsa_", "vst_", 1), first.token[..59].to_owned()] {
            assert_ne!(forged, first.token);
            problem(&Scim::new(office.at(""), forged).get("/accounts").await, 401, "unauthenticated");
        }
        office.clock.advance(TimeDelta::minutes(10) - TimeDelta::seconds(1));
        first.get("/accounts").await.expect(200);
        office.clock.advance(TimeDelta::seconds(1));
        problem(&first.get("/accounts").await, 401, "unauthenticated");
        let second = client(&office, "bluesky-portal", "").await;
        let listed = office.get(&mut root, "/clients").await.expect(200).body;
        let names: Vec<_> = listed["items"].as_array().unwrap().iter().map(|item| item["client_id"].as_str().unwrap()).collect();
        assert_eq!(names, ["bluesky-emea", "bluesky-portal"]);
        let (below, portal) = (&listed["items"][0], &listed["items"][1]);
        assert_eq!((&portal["last_used_at"], &portal["revoked_at"]), (&json!("2027-01-15T08:10:00Z"), &Value::Null));
        assert!(!listed.to_string().contains(SECRET));
        // Who looks after a child cloud sees and ends the clients of that one.
        let own = office.get(&mut child, "/clients").await.expect(200).body;
        assert_eq!(own["items"].as_array().unwrap().len(), 1);
        let path = |item: &Value| format!("/clients/{}", item["id"].as_str().unwrap());
        for (mut browser, path) in [(child.clone(), path(portal)), (foreign.clone(), path(portal)), (root.clone(), "/clients/no-id".to_owned())] {
            problem(&office.send(&mut browser, Method::DELETE, &path, None).await, 404, "not-found");
        }
        problem(&send(&second, Method::DELETE, &path(portal), &Value::Null).await, 403, "forbidden");
        office.send(&mut child, Method::DELETE, &path(below), None).await.expect(204);
        second.get("/accounts").await.expect(200);
        for _ in 0..2 {
            office.send(&mut root, Method::DELETE, &path(portal), None).await.expect(204);
        }
        problem(&second.get("/accounts").await, 401, "unauthenticated");
        let again = [("grant_type", "client_credentials"), ("client_id", "bluesky-portal"), ("client_secret", SECRET)];
        assert_eq!(ask(&office, &again).await.expect(401).body["error"], "invalid_client");
        assert!(office.get(&mut root, "/clients").await.body["items"][1]["revoked_at"].is_string());
        // The same file again brings none of them back.
        tenant(&office, "bluesky").await;
        ask(&office, &again).await.expect(401);
        let id = portal["id"].as_str().unwrap().parse().unwrap();
        let kinds = office.world.app.store.read(blue.id).event_kinds(id).await.unwrap();
        assert_eq!(kinds, ["client.created", "client.token_issued", "client.token_issued", "client.revoked"]);
        assert_eq!(office.get(&mut foreign, "/clients").await.expect(200).body["items"].as_array().unwrap().len(), 2);
    }

    async fn a_client_that_asks_too_often_is_told_to_wait(engine) {
        let office = Office::new(engine).await;
        tenant(&office, "bluesky").await;
        let tool = client(&office, "bluesky-portal", "").await;
        // The token itself was one request of the two hundred that may come at once.
        for _ in 0..199 {
            tool.get("/accounts/no-id").await.expect(404);
        }
        let answer = tool.get("/accounts/no-id").await;
        problem(&answer, 429, "too-many-requests");
        assert_eq!(answer.headers["retry-after"], "1");
        let parameters = [("grant_type", "client_credentials"), ("client_id", "bluesky-portal"), ("client_secret", SECRET)];
        assert_eq!(ask(&office, &parameters).await.expect(429).headers["retry-after"], "1");
        client(&office, "bluesky-emea", "").await.get("/accounts").await.expect(200);
    }
}
