//! `kill -9` in the middle of a push: what was acknowledged is there whole, and of what was not there is all or nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use vestibule::store::Engine;

use super::{Home, PATIENCE, Served};
use crate::support::http::Scim;
use crate::support::postgres::{self, Postgres};
use crate::support::sql;
use crate::support::world::on_every_engine;

const ROUNDS: u64 = 4;
const WORKERS: u64 = 8;

/// What the server has said yes to.
#[derive(Default)]
struct Acknowledged {
    users: BTreeSet<String>,
    members: BTreeSet<String>,
    /// Requests whose answer never came.
    unanswered: usize,
}

impl Acknowledged {
    fn add(&mut self, other: Self) {
        self.users.extend(other.users);
        self.members.extend(other.members);
        self.unanswered += other.unanswered;
    }
}

/// One request: its status and body, or nothing when the server was gone before it had answered.
async fn send(scim: &Scim, method: Method, path: &str, body: &Value) -> Option<(u16, Value)> {
    let request = scim.request(method, path).header("content-type", "application/scim+json").body(body.to_string());
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    let text = answer.text().await.ok()?;
    Some((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
}

/// Makes users and puts each of them into the group, until the server is gone.
async fn push(scim: Scim, group: String, name: String, done: Arc<AtomicUsize>) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    for number in 0.. {
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": format!("{name}-{number}"),
            "externalId": format!("{name}-{number}"),
            "emails": [{ "type": "work", "value": format!("{name}-{number}@bluesky.example") }],
        });
        let Some((status, body)) = send(&scim, Method::POST, "/Users", &user).await else { break };
        // 503: the database was killed, and the server says so.
        if status == 503 {
            break;
        }
        assert_eq!(status, 201, "{body}");
        let id = body["id"].as_str().unwrap().to_owned();
        acknowledged.users.insert(id.clone());
        done.fetch_add(1, Ordering::Relaxed);
        let patch = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{ "op": "Add", "path": "members", "value": [{ "value": id }] }],
        });
        let Some((status, body)) = send(&scim, Method::PATCH, &format!("/Groups/{group}"), &patch).await else { break };
        if status == 503 {
            break;
        }
        assert!(matches!(status, 200 | 204), "{body}");
        acknowledged.members.insert(id);
    }
    acknowledged.unanswered += 1;
    acknowledged
}

/// Pushes, and kills the server at a moment that nobody has chosen: itself, or the database below it.
async fn round(home: &Home, directory: &str, round: u64, database: Option<&Postgres>) -> Acknowledged {
    let mut served: Served = home.serve();
    let scim = served.scim(directory);
    let group = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Cloud-EMEA-Admins", "externalId": "emea",
    });
    let query: String = url::form_urlencoded::byte_serialize(b"externalId eq \"emea\"").collect();
    let found = scim.get(&format!("/Groups?excludedAttributes=members&filter={query}")).await.expect(200);
    let group = match found.body["Resources"][0]["id"].as_str() {
        Some(id) => id.to_owned(),
        None => scim.post("/Groups", &group).await.expect(201).id(),
    };
    let done = Arc::new(AtomicUsize::new(0));
    let worker = |worker| push(scim.clone(), group.clone(), format!("r{round}-w{worker}"), done.clone());
    let workers: Vec<_> = (0..WORKERS).map(|number| tokio::spawn(worker(number))).collect();
    let until = Instant::now() + PATIENCE;
    while done.load(Ordering::Relaxed) < 10 {
        assert!(Instant::now() < until, "nothing arrives:\n{}", served.said());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let moment = u64::from(std::time::UNIX_EPOCH.elapsed().unwrap().subsec_micros()) % 300;
    tokio::time::sleep(Duration::from_millis(moment)).await;
    if let Some(database) = database {
        database.stop_immediately();
    }
    assert_eq!(served.end("KILL").code(), Some(137));
    if let Some(database) = database {
        database.start();
    }
    let mut acknowledged = Acknowledged::default();
    for worker in workers {
        acknowledged.add(worker.await.unwrap());
    }
    acknowledged
}

/// Each is a number that must be nought: something without what belongs to it.
const HALVES: [(&str, &str); 9] = [
    (
        "login without its event",
        "logins l where not exists (select 1 from events e where e.target_id = l.id and e.kind = 'login.created')",
    ),
    (
        "event without its login",
        "events e where e.kind = 'login.created' and not exists (select 1 from logins l where l.id = e.target_id)",
    ),
    ("login without its address", "logins l where not exists (select 1 from emails e where e.login_id = l.id)"),
    ("login without its person", "logins l where not exists (select 1 from persons p where p.id = l.person_id)"),
    ("person without a login", "persons p where not exists (select 1 from logins l where l.person_id = p.id)"),
    (
        "login without its log entry",
        "logins l where not exists (select 1 from provisioning_log g where g.resource_id = l.id and g.operation = 'create' and g.status = 201)",
    ),
    (
        "log entry without its login",
        "provisioning_log g where g.operation = 'create' and g.resource_type = 'User'
           and not exists (select 1 from logins l where l.id = g.resource_id)",
    ),
    ("member without the role", "group_logins m where not exists (select 1 from assignments a where a.login_id = m.login_id)"),
    ("role without membership", "assignments a where not exists (select 1 from group_logins m where m.login_id = a.login_id)"),
];

async fn expect_whole(home: &Home, directory: &str, acknowledged: &Acknowledged) {
    let url = home.url();
    let count = async |what: &str| sql::number(&url, &format!("select count(*) from {what}")).await;
    for (what, query) in HALVES {
        assert_eq!(count(query).await, 0, "{what}");
    }
    let members = count("group_logins").await;
    // One PATCH was one member, one event, one entry and one change of roles.
    for what in [
        "events where kind = 'group.members_changed'",
        "events where kind = 'roles.changed'",
        "provisioning_log where operation = 'patch' and status < 300",
    ] {
        assert_eq!(count(what).await, members, "{what}");
    }

    let mut served = home.serve();
    let scim = served.scim(directory);
    let groups = scim.get("/Groups").await.expect(200);
    let listed: Vec<_> = groups.body["Resources"][0]["members"].as_array().into_iter().flatten().collect();
    assert_eq!(i64::try_from(listed.len()).unwrap(), members);
    let listed: BTreeSet<_> = listed.into_iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect();
    assert_eq!(acknowledged.members.difference(&listed).count(), 0, "acknowledged members are missing");
    let mut users = BTreeSet::new();
    while i64::try_from(users.len()).unwrap() < count("logins").await {
        let page = scim.get(&format!("/Users?attributes=id&count=100&startIndex={}", users.len() + 1)).await.expect(200);
        let before = users.len();
        users.extend(page.body["Resources"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap().to_owned()));
        assert!(users.len() > before, "{}", page.body["totalResults"]);
    }
    assert_eq!(acknowledged.users.difference(&users).count(), 0, "acknowledged users are missing");
    assert_eq!(served.end("TERM").code(), Some(0));
}

on_every_engine! {
    async fn killed_in_mid_push_loses_nothing_acknowledged_and_leaves_nothing_half_done(engine) {
        let server = (engine == Engine::Postgres).then(|| postgres::dedicated(true));
        let home = match &server {
            Some(server) => Home::at(&server.empty_database().await),
            None => Home::empty(),
        };
        home.run(&["migrate"]).expect(0);
        let directory = home.bootstrap("http://127.0.0.1:1");
        let mut all = Acknowledged::default();
        for number in 0..ROUNDS {
            // Every other time the database is killed as well.
            let acknowledged = round(&home, &directory, number, server.as_ref().filter(|_| number % 2 == 1)).await;
            all.add(acknowledged);
            expect_whole(&home, &directory, &all).await;
        }
        assert!(!all.members.is_empty() && all.unanswered > 0);
        println!("{} users and {} members acknowledged", all.users.len(), all.members.len());
    }
}
