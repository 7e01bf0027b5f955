//! What goes on after a change that touches many: it counts at once, and is written down by and by.

use std::sync::Arc;

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use vestibule::model::{Actor, HolderId, JobId};
use vestibule::store::{Engine, NewJob};
use vestibule::work::recomputing::{LEASE, recompute};

use super::{Office, account, noon, problem};
use crate::scim::groups::crowd;
use crate::support::http::{Answer, Browser};
use crate::support::sql;
use crate::support::world::on_every_engine;

const PORTAL: &str = "urn:vestibule:params:scim:schemas:extension:portal:2.0:User";

/// The roles of somebody, as an administrator is told them.
async fn roles(office: &Office, browser: &mut Browser, login: &str) -> Vec<String> {
    let why = office.get(browser, &format!("/logins/{login}/roles")).await.expect(200).body;
    let accounts = why["accounts"].as_array().unwrap().iter();
    let roles = accounts.flat_map(|account| {
        let roles = account["roles"].as_array().unwrap().iter();
        roles.map(|role| format!("{}: {}", account["path"].as_str().unwrap(), role["role"].as_str().unwrap()))
    });
    roles.collect()
}

/// The job that an answer names.
fn job(answer: &Answer) -> String {
    answer.headers["vestibule-job"].to_str().unwrap().to_owned()
}

/// How far a job is: total, done, whether it is finished.
async fn progress(office: &Office, browser: &mut Browser, job: &str) -> (u64, u64, bool) {
    let told = office.get(browser, &format!("/jobs/{job}")).await.expect(200).body;
    (told["total"].as_u64().unwrap(), told["done"].as_u64().unwrap(), !told["finished_at"].is_null())
}

async fn work(office: &Office, holder: HolderId) -> u64 {
    let app = &office.world.app;
    recompute(&app.store, &app.clock, &app.rules, holder).await.unwrap()
}

on_every_engine! {
    async fn a_rule_for_many_counts_at_once_and_is_written_down_by_a_job_that_shows_how_far_it_is(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let mut child = office.inside(&blue, "emil", "Cloud-EMEA-Admins").await;
        let top = account(&office, &mut root, "bluesky").await;
        let crowd = Arc::new(crowd(&blue.scim, 1_010).await);
        let [first, second, third] = std::array::from_fn(|at| crowd[at].clone());
        let rule = json!({
            "name": "Everybody helps", "from": { "directory": blue.directory }, "within": top, "when": "userName sw \"user\"",
            "grants": [{ "role": "technical", "account": top }],
        });
        let made = office.send(&mut root, Method::POST, "/rules", Some(&rule)).await.expect(201);
        let (rule, made) = (made.body["id"].as_str().unwrap().to_owned(), job(&made));
        assert_eq!(progress(&office, &mut root, &made).await, (1_012, 0, false));

        // Nothing is written down yet, and everybody who is asked knows it.
        let logins: Vec<_> = crowd.iter().map(|id| id.parse().unwrap()).collect();
        let written = async || office.world.app.store.read(blue.id).rule_assignments(&logins).await.unwrap().len();
        assert_eq!(written().await, 0);
        assert_eq!(roles(&office, &mut root, &first).await, ["bluesky: technical"]);
        let question = json!({
            "subject": { "type": "login", "id": first }, "action": { "name": "infrastructure.view" },
            "resource": { "type": "account", "id": top },
        });
        let evaluation = format!("{}/access/v1/evaluation", office.world.base);
        let may = async |browser: &mut Browser| {
            office.send_to(browser, Method::POST, &evaluation, Some(&question)).await.expect(200).body["decision"].clone()
        };
        assert_eq!(may(&mut root).await, true);
        let seen = blue.scim.get(&format!("/Users/{first}?attributes={PORTAL}:roles")).await.expect(200).body;
        assert_eq!(seen[PORTAL]["roles"], json!([{ "account": "bluesky", "role": "technical" }]));
        let extract = office.get(&mut root, "/permissions?limit=200").await.expect(200).body;
        let theirs: Vec<_> = extract["items"].as_array().unwrap().iter().filter(|line| line["role"] == "technical").collect();
        assert!(theirs.len() > 150 && theirs.iter().all(|line| line["cause"] == "Everybody helps"), "{}", theirs.len());
        let gone = json!({ "id": rule, "rule": null });
        let preview = office.send(&mut root, Method::POST, "/rules/preview", Some(&gone)).await.expect(200).body;
        assert_eq!(preview["logins"], 1_010, "they would lose what is not yet written down");

        // Facts change meanwhile, and whoever comes to them later finds them as they are.
        let off = json!({ "Operations": [{ "op": "replace", "path": "active", "value": false }] });
        blue.scim.patch(&format!("/Users/{second}"), &off).await.expect(200);
        blue.scim.delete(&format!("/Users/{third}")).await.expect(204);
        assert_eq!(roles(&office, &mut root, &second).await, [""; 0]);

        // One works at it at a time; when that one says nothing more, another goes on.
        let [one, other] = [HolderId::new(noon()), HolderId::new(noon())];
        let mut writer = office.world.app.store.write(blue.id).await.unwrap();
        assert!(writer.take_lease(&format!("recompute-{}", blue.id), one, noon(), noon() + LEASE).await.unwrap());
        writer.commit().await.unwrap();
        assert_eq!((work(&office, other).await, written().await), (0, 0));
        office.world.app.clock.advance(LEASE + TimeDelta::seconds(1));
        assert_eq!(work(&office, other).await, 6, "five steps, and one that ends it");
        assert_eq!((progress(&office, &mut root, &made).await, written().await), ((1_012, 1_012, true), 1_008));
        assert_eq!((roles(&office, &mut root, &first).await, may(&mut root).await), (vec!["bluesky: technical".to_owned()], json!(true)));
        let told = office.get(&mut root, &format!("/events?target={first}&kind=roles.changed")).await.expect(200).body;
        let me = &office.get(&mut root, "/events?kind=rule.created&limit=1").await.expect(200).body["items"][0];
        assert_eq!((&told["items"][0]["actor"], &told["items"][0]["request_id"]), (&me["actor"], &me["request_id"]), "in the name of who saved it");

        // A removal does not lag: two changes one after another, of which the later takes over what the first one left.
        let path = format!("/rules/{rule}");
        let renamed = json!({
            "name": "Some help", "from": { "directory": blue.directory }, "within": top, "when": "userName eq \"user500\"",
            "grants": [{ "role": "technical", "account": top }],
        });
        let changed = job(&office.send(&mut root, Method::PUT, &path, Some(&renamed)).await.expect(200));
        assert_eq!((roles(&office, &mut root, &first).await.len(), may(&mut root).await), (0, json!(false)));
        let deleted = job(&office.send(&mut root, Method::DELETE, &path, None).await.expect(204));
        assert_eq!((progress(&office, &mut root, &changed).await, progress(&office, &mut root, &deleted).await), ((1_011, 1_011, false), (1_011, 0, false)));
        work(&office, other).await;
        assert_eq!((written().await, progress(&office, &mut root, &changed).await.2, progress(&office, &mut root, &deleted).await), (0, true, (1_011, 1_011, true)));

        // Who may see the rules of an account sees its jobs, in pages; others do not know of them.
        let page = office.get(&mut root, "/jobs?limit=2").await.expect(200).body;
        let ids: Vec<_> = page["items"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect();
        assert_eq!(ids, [deleted.as_str(), &changed]);
        let rest = office.get(&mut root, &format!("/jobs?after={}", page["next"].as_str().unwrap())).await.expect(200).body;
        assert_eq!((&rest["items"][0]["id"], &rest["next"]), (&json!(made), &Value::Null));
        assert_eq!(rest["items"][0]["cause"]["kind"], "rule.created");
        assert_eq!(office.get(&mut child, "/jobs").await.expect(200).body["items"], json!([]));
        problem(&office.get(&mut child, &format!("/jobs/{made}")).await, 404, "not-found");
        problem(&office.get(&mut root, "/jobs?since=1").await, 400, "invalid-request");
    }

    async fn who_is_an_administrator_only_until_a_job_comes_does_not_count_as_one(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut anne = office.inside(&blue, "anne", "Cloud-Admins").await;
        let mut bob = office.inside(&blue, "bob", "Cloud-Helpers").await;
        let top = account(&office, &mut anne, "bluesky").await;
        let list = office.get(&mut anne, "/permissions").await.expect(200).body;
        let line = list["items"].as_array().unwrap().iter().find(|line| line["user_name"] == "bob").unwrap().clone();
        let gift = json!({ "login": line["login"], "role": "administrator" });
        let given = office.send(&mut anne, Method::POST, &format!("/accounts/{top}/assignments"), Some(&gift)).await.expect(201).body;
        crowd(&blue.scim, 1_000).await;
        let rules = office.get(&mut anne, "/rules").await.expect(200).body;
        for rule in rules["items"].as_array().unwrap().iter().filter(|rule| rule["name"] == "Administrators") {
            job(&office.send(&mut anne, Method::DELETE, &format!("/rules/{}", rule["id"].as_str().unwrap()), None).await.expect(204));
        }
        // It is still written down that a rule makes Anne an administrator.
        problem(&office.get(&mut anne, "/accounts").await, 401, "unauthenticated");
        let take = format!("/assignments/{}", given["id"].as_str().unwrap());
        problem(&office.send(&mut bob, Method::DELETE, &take, None).await, 409, "conflict");
    }

    async fn a_tenant_whose_rules_cannot_be_read_keeps_no_other_waiting(engine) {
        let office = Office::new(engine).await;
        let (broken, sound) = (office.tenant("bluesky", "entra").await, office.tenant("redsky", "entra").await);
        let app = &office.world.app;
        for tenant in [&broken, &sound] {
            let joe = tenant.scim.post("/Users", &json!({ "userName": "joe", "externalId": "joe" })).await.expect(201).id();
            let mut writer = app.store.write(tenant.id).await.unwrap();
            let account = writer.accounts().await.unwrap()[0].id;
            let id = JobId::new(noon());
            let new = NewJob { id, account, cause: "rule.changed", target: account.uuid(), actor: Actor::System, request_id: None };
            writer.insert_job(&new, noon()).await.unwrap();
            writer.await_logins(id, &[joe.parse().unwrap()]).await.unwrap();
            // What is compiled is kept by its version.
            writer.change_rules(noon()).await.unwrap();
            writer.commit().await.unwrap();
        }
        let nonsense = format!("update rules set body = '{{\"when\":\"no filter\",\"grants\":[]}}' where tenant_id = {}", id(engine, broken.id.uuid()));
        sql::change(&office.world.database.url, &nonsense).await;
        assert_eq!(work(&office, HolderId::new(noon())).await, 2, "one step of the sound one, and one that ends it");
        let open = async |tenant| app.store.read(tenant).open_job().await.unwrap().map(|job| job.remaining);
        assert_eq!((open(broken.id).await, open(sound.id).await), (Some(1), None));
    }
}

/// An id as a statement of the engine names it.
fn id(engine: Engine, id: uuid::Uuid) -> String {
    match engine {
        Engine::Sqlite => format!("x'{}'", id.simple()),
        Engine::Postgres => format!("'{id}'"),
    }
}
