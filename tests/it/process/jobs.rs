//! A job outlives the replica that works at it, and nobody waits for it to learn what they hold.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use super::{Home, PATIENCE};
use crate::support::{postgres, sql};

const PEOPLE: i64 = 4_000;
const PORTAL: &str = "urn:vestibule:params:scim:schemas:extension:portal:2.0:User";

/// Copies of the one login and the one membership that are there.
const COPIES: [&str; 3] = [
    "insert into persons (tenant_id, id, state, epoch, open, created_at)
       select tenant_id, md5('p' || n)::uuid, 'active', 0, true, created_at from persons, generate_series(1, 3999) n",
    "insert into logins (tenant_id, id, person_open, break_glass, person_id, born_person_id, slot, kind, directory_id, home_account_id, namespace_id, user_name,
         user_name_key, folding, active, scim, search, claims, version, facts_version, epoch, created_at, updated_at)
       select tenant_id, md5('l' || n)::uuid, true, false, md5('p' || n)::uuid, md5('p' || n)::uuid, 1, kind, directory_id, home_account_id, namespace_id,
         'u' || n, 'u' || n, folding, true, scim, search, claims, 1, 1, 0, created_at, updated_at from logins, generate_series(1, 3999) n",
    "insert into group_logins (tenant_id, group_id, login_id)
       select tenant_id, group_id, md5('l' || n)::uuid from group_logins, generate_series(1, 3999) n",
];

#[tokio::test]
async fn another_replica_goes_on_with_a_job_when_the_one_that_works_at_it_dies() {
    let server = postgres::dedicated(true);
    let home = Home::at(&server.empty_database().await);
    home.run(&["migrate"]).expect(0);
    let directory = home.bootstrap("http://127.0.0.1:1");
    let mut first = home.serve();
    let scim = first.scim(&directory);
    let joe = scim.post("/Users", &json!({ "userName": "joe" })).await.expect(201).id();
    let team = scim.post("/Groups", &json!({ "displayName": "Nobody", "members": [{ "value": joe }] })).await.expect(201).id();
    for statement in COPIES {
        sql::change(&home.url(), statement).await;
    }
    // The rule of the bootstrap file gives those of this name a role.
    let rename = json!({ "Operations": [{ "op": "replace", "path": "displayName", "value": "Cloud-EMEA-Admins" }] });
    scim.patch(&format!("/Groups/{team}"), &rename).await.expect(204);
    let waiting = async || sql::number(&home.url(), "select count(*) from recomputations").await;
    let until = Instant::now() + PATIENCE;
    loop {
        let left = waiting().await;
        if left < PEOPLE {
            assert!(left > 0, "the job was done before the replica could be killed");
            break;
        }
        assert!(Instant::now() < until, "nobody begins");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    first.end("KILL");

    let second = home.serve();
    let scim = second.scim(&directory);
    // Whoever still waits holds the role already.
    let late = sql::texts(&home.url(), "select login_id::text from recomputations order by login_id desc limit 1").await;
    let late = late.first().expect("the new one cannot have the lease yet");
    let seen = scim.request(Method::GET, &format!("/Users/{late}?attributes={PORTAL}:roles")).send().await.unwrap();
    let seen: serde_json::Value = seen.json().await.unwrap();
    assert_eq!(seen[PORTAL]["roles"], json!([{ "account": "bluesky/emea", "role": "administrator" }]));
    let until = Instant::now() + PATIENCE * 3;
    while waiting().await > 0 {
        assert!(Instant::now() < until, "nobody goes on");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let given = "select count(*) from assignments where role = 'administrator' and source = 'rule'";
    assert_eq!(sql::number(&home.url(), given).await, PEOPLE);
    let told = "select count(*) from events where kind = 'roles.changed' and actor ->> 'kind' = 'directory'";
    assert_eq!(sql::number(&home.url(), told).await, PEOPLE, "once each, in the name of the directory");
}
