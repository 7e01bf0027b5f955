//! Clients that do several things at once: nothing is lost, nothing is half done, and nobody is told that the service failed.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{directory, events_of, log_of, make_group, make_user, members, operations, refused, roles_of, user};
use crate::support::http::{Answer, Scim};
use crate::support::world::on_every_engine;

/// Sends these PATCH requests at once, and answers all answers.
async fn all_at_once(scim: &Scim, patches: Vec<(String, Value)>) -> Vec<Answer> {
    let mut sending = JoinSet::new();
    for (path, changes) in patches {
        let scim = scim.clone();
        sending.spawn(async move { scim.patch(&path, &operations(changes)).await });
    }
    sending.join_all().await
}

fn statuses(answers: &[Answer]) -> BTreeSet<u16> {
    answers.iter().map(|answer| answer.status).collect()
}

fn add(id: &str) -> Value {
    json!([{"op": "Add", "path": "members", "value": [{"value": id}]}])
}

fn remove(id: &str) -> Value {
    json!([{"op": "Remove", "path": "members", "value": [{"value": id}]}])
}

on_every_engine! {
    async fn p27_sixteen_members_added_at_once_are_all_there(engine) {
        let (world, tenant) = directory(engine, "entra").await;
        let scim = &tenant.scim;
        let mut crowd = Vec::new();
        for number in 0..16 {
            crowd.push(make_user(scim, &format!("user{number}")).await);
        }
        let team = make_group(scim, "Cloud-EMEA-Admins", &[]).await;
        let path = format!("/Groups/{team}");
        let answers = all_at_once(scim, crowd.iter().map(|id| (path.clone(), add(id))).collect()).await;
        assert_eq!(statuses(&answers), [204].into());
        assert_eq!(members(scim, &team).await, crowd.iter().cloned().collect());
        for id in &crowd {
            assert_eq!(roles_of(&world, &tenant, id).await, ["EMEA: administrator"]);
        }
        let read = scim.get(&path).await.expect(200);
        assert_eq!(read.headers["etag"], "W/\"17\"", "each is a change of its own");
        // Half of them go while the other half comes again.
        let again = crowd.iter().enumerate().map(|(index, id)| (path.clone(), if index % 2 == 0 { remove(id) } else { add(id) }));
        let answers = all_at_once(scim, again.collect()).await;
        assert_eq!(statuses(&answers), [204].into());
        assert_eq!(members(scim, &team).await, crowd.iter().skip(1).step_by(2).cloned().collect());
    }

    async fn one_user_put_into_sixteen_groups_at_once_has_the_right_roles(engine) {
        // Entra's profile has no two groups of one name.
        let (world, tenant) = directory(engine, "okta").await;
        let scim = &tenant.scim;
        let (joe, jane) = (make_user(scim, "joe").await, make_user(scim, "jane").await);
        let mut teams = Vec::new();
        for number in 0..16 {
            // Every second group gives the role.
            let name = if number % 2 == 0 { "Cloud-EMEA-Admins".to_owned() } else { format!("team{number}") };
            teams.push(make_group(scim, &name, &[]).await);
        }
        let both = json!([{"op": "Add", "path": "members", "value": [{"value": jane}, {"value": joe}]}]);
        let answers = all_at_once(scim, teams.iter().map(|team| (format!("/Groups/{team}"), both.clone())).collect()).await;
        assert_eq!(statuses(&answers), [204].into());
        for id in [&joe, &jane] {
            let groups = scim.get(&format!("/Users/{id}")).await.body["groups"].as_array().unwrap().len();
            assert_eq!((groups, roles_of(&world, &tenant, id).await.as_slice()), (16, &["EMEA: administrator".to_owned()][..]));
        }
        // All groups that give the role lose joe at once, while the others lose jane.
        let leave = teams
            .iter()
            .enumerate()
            .map(|(index, team)| (format!("/Groups/{team}"), remove(if index % 2 == 0 { &joe } else { &jane })));
        let answers = all_at_once(scim, leave.collect()).await;
        assert_eq!(statuses(&answers), [204].into());
        assert_eq!(roles_of(&world, &tenant, &joe).await, [""; 0]);
        assert_eq!(roles_of(&world, &tenant, &jane).await, ["EMEA: administrator"]);
        let changes = |kinds: Vec<String>| kinds.into_iter().filter(|kind| kind == "roles.changed").count();
        assert_eq!(changes(events_of(&world, &tenant, &joe).await), 2, "given once and taken once");
        assert_eq!(changes(events_of(&world, &tenant, &jane).await), 1);
    }

    async fn a_rule_of_two_facts_holds_when_both_come_at_once(engine) {
        let (world, tenant) = directory(engine, "entra").await;
        let scim = &tenant.scim;
        let team = make_group(scim, "Cloud-EMEA-Admins", &[]).await;
        for number in 0..8 {
            let body = json!({ "userName": format!("user{number}"), "active": false });
            let id = scim.post("/Users", &body).await.expect(201).id();
            let on = json!([{"op": "Replace", "path": "active", "value": "True"}]);
            let both = vec![(format!("/Groups/{team}"), add(&id)), (format!("/Users/{id}"), on)];
            assert_eq!(statuses(&all_at_once(scim, both).await), [200, 204].into());
            assert_eq!(roles_of(&world, &tenant, &id).await, ["EMEA: administrator"], "{number}");
        }
    }

    async fn p27_patches_of_one_user_at_once_are_all_applied(engine) {
        let (world, tenant) = directory(engine, "entra").await;
        let scim = &tenant.scim;
        let joe = make_user(scim, "joe").await;
        let path = format!("/Users/{joe}");
        let patches = (0..16).map(|number| {
            (
                path.clone(),
                json!([{"op": "Add", "path": "phoneNumbers", "value": [{"type": "work", "value": format!("+44{number}")}]}]),
            )
        });
        let answers = all_at_once(scim, patches.collect()).await;
        assert_eq!(statuses(&answers), [200].into());
        let after = scim.get(&path).await.expect(200).body;
        assert_eq!(after["phoneNumbers"].as_array().unwrap().len(), 16);
        assert_eq!(after["meta"]["version"], "W/\"17\"");
        assert_eq!(log_of(&world, &tenant).await.len(), 17);
    }

    async fn p27_if_match_lets_one_of_many_win(engine) {
        let (_world, tenant) = directory(engine, "entra").await;
        let path = format!("/Users/{}", make_user(&tenant.scim, "joe").await);
        let mut sending = JoinSet::new();
        for number in 0..8 {
            let body = operations(json!([{"op": "replace", "path": "title", "value": format!("title {number}")}])).to_string();
            let request = tenant
                .scim
                .request(reqwest::Method::PATCH, &path)
                .header("content-type", "application/json")
                .header("if-match", "W/\"1\"");
            sending.spawn(async move { request.body(body).send().await.unwrap().status().as_u16() });
        }
        let mut statuses = sending.join_all().await;
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
    }

    async fn r07_one_name_posted_twice_at_once_is_one_user(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        for round in 0..4 {
            let mut sending = JoinSet::new();
            for name in ["joe", "JOE"] {
                let (scim, body) = (tenant.scim.clone(), user(&format!("{name}{round}")));
                sending.spawn(async move { scim.post("/Users", &body).await });
            }
            let answers = sending.join_all().await;
            assert_eq!(statuses(&answers), [201, 409].into());
            let loser = answers.iter().find(|answer| answer.status == 409).unwrap();
            refused(loser, 409, "uniqueness");
        }
        assert_eq!(tenant.scim.get("/Users").await.body["totalResults"], 4);
        assert_eq!(log_of(&world, &tenant).await.len(), 8);
    }

    async fn deleting_users_while_groups_take_them_in_leaves_nobody_half_there(engine) {
        let (_world, tenant) = directory(engine, "entra").await;
        let scim = &tenant.scim;
        let (one, two) = (make_group(scim, "Cloud-EMEA-Admins", &[]).await, make_group(scim, "Others", &[]).await);
        for number in 0..8 {
            let id = make_user(scim, &format!("user{number}")).await;
            let mut sending = JoinSet::new();
            for team in [&one, &two] {
                let (scim, path, changes) = (scim.clone(), format!("/Groups/{team}"), add(&id));
                sending.spawn(async move { scim.patch(&path, &operations(changes)).await.status });
            }
            let (deleter, path) = (scim.clone(), format!("/Users/{id}"));
            sending.spawn(async move { deleter.delete(&path).await.status });
            for status in sending.join_all().await {
                // An id that is gone by then is no user of the directory.
                assert!([204, 400].contains(&status), "{status}");
            }
            scim.get(&format!("/Users/{id}")).await.expect(404);
        }
        for team in [&one, &two] {
            assert_eq!(members(scim, team).await.len(), 0);
        }
    }
}
