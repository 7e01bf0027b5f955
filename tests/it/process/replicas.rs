//! Two replicas on one PostgreSQL, changed at the same time by many clients, one of them killed in the middle: nothing acknowledged
//! is lost, nothing is half done, and nobody is answered 500.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::{Home, PATIENCE};
use crate::support::http::Scim;
use crate::support::{postgres, sql};

const WORKERS: usize = 64;
const GROUPS: usize = 100;
const USERS_OF_A_WORKER: usize = 3;
const STEPS: usize = 40;

/// The replicas, at the addresses where they are now.
type Replicas = Arc<[RwLock<Scim>; 2]>;

/// What one worker knows of the members that it alone puts into groups and takes out of them.
struct Worker {
    users: Vec<String>,
    groups: Arc<Vec<String>>,
    replicas: Replicas,
    done: Arc<AtomicUsize>,
    /// The users of this worker in each group, by what was acknowledged.
    inside: BTreeMap<usize, BTreeSet<String>>,
    /// Groups of which an answer never came, with what would be inside had it been carried out. They are left alone from then on.
    unanswered: BTreeMap<usize, BTreeSet<String>>,
    random: u64,
}

impl Worker {
    /// The next number below `below` of a generator that begins with the number of the worker (xorshift).
    fn random(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random % below as u64).unwrap()
    }

    async fn run(mut self) -> Self {
        for _ in 0..STEPS {
            self.step().await;
            self.done.fetch_add(1, Ordering::Relaxed);
        }
        self
    }

    /// Puts some users into a group, or takes them out, by one request to either replica.
    async fn step(&mut self) {
        let group = self.random(GROUPS);
        if self.unanswered.contains_key(&group) {
            return;
        }
        let (comes, first, many) = (self.random(3) > 0, self.random(USERS_OF_A_WORKER), 1 + self.random(USERS_OF_A_WORKER));
        let users: Vec<_> = self.users.iter().cycle().skip(first).take(many).cloned().collect();
        let operations: Vec<_> = if comes {
            let values: Vec<_> = users.iter().map(|id| json!({ "value": id })).collect();
            vec![json!({ "op": "add", "path": "members", "value": values })]
        } else {
            users.iter().map(|id| json!({ "op": "remove", "path": format!("members[value eq \"{id}\"]") })).collect()
        };
        let before = self.inside.get(&group).cloned().unwrap_or_default();
        let mut after = before.clone();
        for user in users {
            if comes {
                after.insert(user)
            } else {
                after.remove(&user)
            };
        }
        let replica = self.random(2);
        let scim = self.replicas[replica].read().unwrap().clone();
        match patch(&scim, &self.groups[group], &operations).await {
            Some(204) => {
                self.inside.insert(group, after);
            }
            // The replica was killed, or it gave up in time: the change may have happened or not.
            None | Some(503) => {
                self.unanswered.insert(group, after);
            }
            Some(status) => panic!("{status} from replica {replica}"),
        }
    }
}

async fn patch(scim: &Scim, group: &str, operations: &[Value]) -> Option<u16> {
    let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations });
    let request = scim.request(Method::PATCH, &format!("/Groups/{group}"));
    let answer = request.header("content-type", "application/scim+json").body(body.to_string()).send().await.ok()?;
    Some(answer.status().as_u16())
}

async fn make(scim: &Scim, kind: &str, body: Value) -> String {
    scim.post(kind, &body).await.expect(201).id()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p27_p02_r34_two_replicas_and_a_kill_lose_no_member_and_invent_none() {
    let server = postgres::dedicated(true);
    let home = Home::at(&server.empty_database().await);
    home.run(&["migrate"]).expect(0);
    let directory = home.bootstrap("http://127.0.0.1:1");
    let mut first = home.serve();
    let second = home.serve();
    let scim = first.scim(&directory);
    let replicas: Replicas = Arc::new([RwLock::new(scim.clone()), RwLock::new(second.scim(&directory))]);

    let mut groups = Vec::new();
    for number in 0..GROUPS {
        // The first one is what the rule of the bootstrap file gives a role for.
        let name = if number == 0 { "Cloud-EMEA-Admins".to_owned() } else { format!("Group {number}") };
        groups.push(make(&scim, "/Groups", json!({ "displayName": name })).await);
    }
    let groups = Arc::new(groups);
    let done = Arc::new(AtomicUsize::new(0));
    let mut workers = Vec::new();
    for number in 0..WORKERS {
        let mut users = Vec::new();
        for user in 0..USERS_OF_A_WORKER {
            users.push(make(&scim, "/Users", json!({ "userName": format!("w{number}-{user}") })).await);
        }
        workers.push(Worker {
            users,
            groups: groups.clone(),
            replicas: replicas.clone(),
            done: done.clone(),
            inside: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            random: number as u64 + 1,
        });
    }

    let workers: Vec<_> = workers.into_iter().map(|worker| tokio::spawn(worker.run())).collect();
    let until = Instant::now() + PATIENCE * 5;
    while done.load(Ordering::Relaxed) < WORKERS * STEPS / 3 {
        assert!(Instant::now() < until, "nothing is answered:\n{}", second.said());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(first.end("KILL").code(), Some(137));
    let before_the_kill = first.said();
    let first = home.serve();
    *replicas[0].write().unwrap() = first.scim(&directory);

    // What each replica shows is what the workers were told, whichever of the two they were told it by (R34).
    let mut expected: Vec<BTreeSet<String>> = vec![BTreeSet::new(); GROUPS];
    let mut open = Vec::new();
    for worker in workers {
        let worker = worker.await.unwrap();
        for (group, users) in worker.inside {
            if !worker.unanswered.contains_key(&group) {
                expected[group].extend(users);
                continue;
            }
            open.push((group, worker.users.clone(), users, worker.unanswered[&group].clone()));
        }
        for (group, after) in worker.unanswered {
            if !open.iter().any(|(other, users, ..)| *other == group && *users == worker.users) {
                open.push((group, worker.users.clone(), BTreeSet::new(), after));
            }
        }
    }
    println!("{} changes, {} of them not answered", WORKERS * STEPS, open.len());
    assert!(!open.is_empty(), "the kill met nobody");
    for (number, expected) in expected.iter_mut().enumerate() {
        let path = format!("/Groups/{}?attributes=members", groups[number]);
        let told = [first.scim(&directory).get(&path).await.expect(200), second.scim(&directory).get(&path).await.expect(200)];
        let [members, same] = told.map(|answer| {
            let listed = answer.body["members"].as_array().cloned().unwrap_or_default();
            let members: BTreeSet<_> = listed.iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect();
            assert_eq!(members.len(), listed.len(), "somebody is in it twice");
            members
        });
        assert_eq!(members, same);
        for (_, users, before, after) in open.iter().filter(|(group, ..)| *group == number) {
            let are: BTreeSet<_> = members.iter().filter(|member| users.contains(member)).cloned().collect();
            assert!(are == *before || are == *after, "a request was carried out by half");
            expected.extend(are);
        }
        assert_eq!(members, *expected, "group {number}");
    }
    // The roles followed the members, in the same transactions.
    let url = home.url();
    let admins = format!("(select id from groups where id = '{}')", groups[0]);
    let holders = "select login_id from assignments";
    let inside = format!("select login_id from group_logins where group_id = {admins}");
    for missing in [format!("({inside} except {holders}) m"), format!("({holders} except {inside}) m")] {
        assert_eq!(sql::number(&url, &format!("select count(*) from {missing}")).await, 0, "{missing}");
    }
    for log in [before_the_kill, first.said(), second.said()] {
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let failed: Vec<_> = lines.filter(|line| line["status"] == 500).collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }
}
