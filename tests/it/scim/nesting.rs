//! Groups within groups: who is in them, and that none comes to be within itself.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    GROUP, NOBODY, directory, events_of, filtered, found, group, ids, log_of, make_group, make_user, members, names, operations,
    refused, roles_of,
};
use crate::support::http::{Answer, Scim};
use crate::support::world::on_every_engine;

const ADMINISTRATOR: [&str; 1] = ["EMEA: administrator"];

async fn patch(scim: &Scim, group: &str, operation: Value) -> Answer {
    scim.patch(&format!("/Groups/{group}"), &operations(json!([operation]))).await
}

fn add(id: &str) -> Value {
    json!({"op": "add", "path": "members", "value": [{"value": id}]})
}

fn remove(id: &str) -> Value {
    json!({"op": "remove", "path": format!("members[value eq \"{id}\"]")})
}

async fn version(scim: &Scim, group: &str) -> String {
    scim.get(&format!("/Groups/{group}")).await.expect(200).body["meta"]["version"].as_str().unwrap().to_owned()
}

/// The groups of a user: name and type, in the order of the alphabet.
async fn groups_of(scim: &Scim, user: &str) -> Vec<(String, String)> {
    let user = scim.get(&format!("/Users/{user}")).await.expect(200).body;
    let groups = user["groups"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut groups: Vec<_> = groups.iter().map(|group| (text(&group["display"]), text(&group["type"]))).collect();
    groups.sort();
    groups
}

fn told<const N: usize>(groups: [(&str, &str); N]) -> Vec<(String, String)> {
    groups.map(|(name, kind)| (name.to_owned(), kind.to_owned())).to_vec()
}

/// The names of the groups that a filter finds, in the order of the alphabet.
async fn groups_found(scim: &Scim, filter: &str) -> Vec<String> {
    let list = scim.get(&filtered("/Groups", filter)).await.expect(200);
    let mut names = names(&list, "displayName");
    names.sort();
    names
}

on_every_engine! {
    async fn r30_l07_a_member_that_is_a_group_is_known_by_its_id_alone(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        let (joe, inner) = (make_user(scim, "joe").await, make_group(scim, "Inner", &[]).await);
        // Neither the missing type nor the wrong one decides; the wrong ones are noted.
        let outer = make_group(scim, "Outer", &[&inner, &joe]).await;
        let address = format!("{}/Groups/{inner}", scim.base);
        let shown = scim.get(&format!("/Groups/{outer}?attributes=members,members.display")).await.expect(200);
        let shown = shown.body["members"].as_array().unwrap().iter().find(|member| member["value"] == json!(inner)).cloned();
        assert_eq!(shown, Some(json!({"value": inner, "$ref": address, "type": "Group", "display": "Inner"})));
        let body = json!({ "schemas": [GROUP], "displayName": "Wrong", "members":
            [{"value": inner, "type": "User"}, {"value": joe, "type": "Group"}] });
        let wrong = scim.post("/Groups", &body).await.expect(201);
        assert_eq!(members(scim, &wrong.id()).await, ids([&joe, &inner]));
        let right = json!({ "schemas": [GROUP], "displayName": "Right", "members":
            [{"value": inner, "type": "group"}, {"value": joe, "type": "User"}] });
        scim.post("/Groups", &right).await.expect(201);
        let change = json!({"op": "add", "path": "members", "value": [{"value": inner, "type": "User"}]});
        assert_eq!(patch(scim, &outer, change).await.status, 204);
        let log = log_of(&world, &tenant).await;
        let noted: Vec<_> = log.iter().skip(2).map(|entry| entry.coercions.join(" ")).collect();
        assert_eq!(noted, ["", "member-type: members.type", "", "member-type: members.type"]);
    }

    async fn r31_no_group_comes_to_be_within_itself(engine) {
        let (world, tenant) = directory(engine, "okta").await;
        let scim = &tenant.scim;
        let joe = make_user(scim, "joe").await;
        let one = make_group(scim, "One", &[]).await;
        let two = make_group(scim, "Two", &[&one]).await;
        let three = make_group(scim, "Three", &[&two, &joe]).await;
        for group in [&one, &two, &three] {
            let answer = patch(scim, &one, add(group)).await;
            refused(&answer, 400, "invalidValue");
            assert!(answer.body["detail"].as_str().unwrap().contains(group.as_str()), "{}", answer.body);
        }
        refused(&scim.put(&format!("/Groups/{one}"), &group("Uno", &[&joe, &three])).await, 400, "invalidValue");
        assert_eq!(members(scim, &one).await, ids([]));
        assert_eq!(groups_found(scim, "displayName pr").await, ["One", "Three", "Two"], "a refused request changes nothing");
        assert_eq!(version(scim, &one).await, "W/\"1\"");
        // Two ways to one group are no cycle, and what is taken out is none either.
        assert_eq!(patch(scim, &three, add(&one)).await.status, 204);
        assert_eq!(patch(scim, &three, remove(&two)).await.status, 204);
        assert_eq!(patch(scim, &two, add(&three)).await.status, 204);
        refused(&patch(scim, &one, add(&two)).await, 400, "invalidValue");
        assert_eq!(events_of(&world, &tenant, &three).await, ["group.created", "group.members_changed", "group.members_changed"]);
    }

    async fn r33_a_group_of_somebody_else_is_an_unknown_member(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let other = world.tenant("redsky", "strict", "http://127.0.0.1:1").await;
        let theirs = make_group(&other.scim, "Theirs", &[]).await;
        let team = make_group(&tenant.scim, "Team", &[]).await;
        let answer = patch(&tenant.scim, &team, add(&theirs)).await;
        refused(&answer, 400, "invalidValue");
        let nobody = patch(&tenant.scim, &team, add(NOBODY)).await;
        let same = |answer: &Answer, id: &str| answer.body["detail"].as_str().unwrap().replace(id, "ID");
        assert_eq!(same(&answer, &theirs), same(&nobody, NOBODY), "nothing tells them apart");
        assert_eq!(patch(&tenant.scim, &team, remove(&theirs)).await.status, 204, "taking nobody out is no error");
        assert_eq!(version(&tenant.scim, &team).await, "W/\"1\"");
    }

    async fn r29_f23_a_user_is_in_the_groups_around_its_own(engine) {
        let (_world, tenant) = directory(engine, "okta").await;
        let scim = &tenant.scim;
        let (joe, _eve) = (make_user(scim, "joe").await, make_user(scim, "eve").await);
        let inner = make_group(scim, "Inner", &[&joe]).await;
        let middle = make_group(scim, "Middle", &[&inner]).await;
        let outer = make_group(scim, "Outer", &[&middle]).await;
        assert_eq!(groups_of(scim, &joe).await, told([("Inner", "direct"), ("Middle", "indirect"), ("Outer", "indirect")]));
        let shown = scim.get(&format!("/Users/{joe}")).await.body["groups"].clone();
        let shown = shown.as_array().unwrap().iter().find(|group| group["value"] == json!(outer)).unwrap().clone();
        assert_eq!(shown["$ref"], format!("{}/Groups/{outer}", scim.base));
        for filter in [
            format!(r#"groups.value eq "{outer}""#),
            r#"groups.display eq "OUTER""#.to_owned(),
            r#"groups.type eq "indirect""#.to_owned(),
            format!(r#"groups[value eq "{outer}" and type eq "indirect"]"#),
            format!(r#"groups.value eq "{inner}" and groups.type eq "direct""#),
        ] {
            assert_eq!(found(scim, &filter).await, ["joe"], "{filter}");
        }
        assert_eq!(found(scim, &format!(r#"groups[value eq "{outer}" and type eq "direct"]"#)).await, [""; 0]);
        // Who is in it both ways is in it directly.
        assert_eq!(patch(scim, &outer, add(&joe)).await.status, 204);
        assert_eq!(groups_of(scim, &joe).await, told([("Inner", "direct"), ("Middle", "indirect"), ("Outer", "direct")]));
        assert_eq!(found(scim, &format!(r#"groups[value eq "{outer}" and type eq "indirect"]"#)).await, [""; 0]);
        // The members of a group are those that were put into it.
        assert_eq!(members(scim, &outer).await, ids([&middle, &joe]));
        assert_eq!(groups_found(scim, &format!(r#"members.value eq "{inner}""#)).await, ["Middle"]);
        assert_eq!(groups_found(scim, r#"members.type eq "Group""#).await, ["Middle", "Outer"]);
        assert_eq!(groups_found(scim, r#"members[type eq "Group" and display eq "middle"]"#).await, ["Outer"]);
        assert_eq!(groups_found(scim, &format!(r#"members.value eq "{joe}""#)).await, ["Inner", "Outer"]);
    }

    async fn p12_members_are_removed_by_what_they_are(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        let (joe, eve) = (make_user(scim, "joe").await, make_user(scim, "eve").await);
        let (one, two) = (make_group(scim, "One", &[]).await, make_group(scim, "Two", &[]).await);
        let outer = make_group(scim, "Outer", &[&joe, &eve, &one, &two]).await;
        let by = |filter: &str| json!({"op": "remove", "path": format!("members[{filter}]")});
        for (filter, left) in [
            (format!(r#"value eq "{joe}" and type eq "Group""#), ids([&joe, &eve, &one, &two])),
            (format!(r#"value eq "{two}" and type eq "Group""#), ids([&joe, &eve, &one])),
            (r#"display eq "ONE""#.to_owned(), ids([&joe, &eve])),
            (format!(r#"value eq "{joe}" or value eq "{one}""#), ids([&eve])),
        ] {
            assert_eq!(patch(scim, &outer, by(&filter)).await.status, 204);
            assert_eq!(members(scim, &outer).await, left, "after {filter}");
        }
        scim.put(&format!("/Groups/{outer}"), &group("Outer", &[&one, &joe])).await.expect(200);
        assert_eq!(patch(scim, &outer, by(r#"type eq "User""#)).await.status, 204);
        assert_eq!(members(scim, &outer).await, ids([&one]));
        let all = json!({"op": "replace", "path": "members", "value": [{"value": two}, {"value": eve}]});
        assert_eq!(patch(scim, &outer, all).await.status, 204);
        assert_eq!(members(scim, &outer).await, ids([&two, &eve]));
        assert_eq!(patch(scim, &outer, json!({"op": "remove", "path": "members"})).await.status, 204);
        assert_eq!(members(scim, &outer).await, ids([]));
    }

    async fn r27_a_deleted_group_leaves_its_parents_with_a_new_version(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        let joe = make_user(scim, "joe").await;
        let inner = make_group(scim, "Inner", &[&joe]).await;
        let middle = make_group(scim, "Middle", &[&inner]).await;
        let outer = make_group(scim, "Cloud-EMEA-Admins", &[&middle]).await;
        assert_eq!(roles_of(&world, &tenant, &joe).await, ADMINISTRATOR);
        scim.delete(&format!("/Groups/{inner}")).await.expect(204);
        assert_eq!((version(scim, &middle).await.as_str(), version(scim, &outer).await.as_str()), ("W/\"2\"", "W/\"1\""));
        assert_eq!(members(scim, &middle).await, ids([]));
        assert_eq!(groups_of(scim, &joe).await, told([]));
        assert_eq!(roles_of(&world, &tenant, &joe).await, [""; 0]);
    }

    async fn a_role_follows_what_happens_to_the_groups_within(engine) {
        let (world, tenant) = directory(engine, "okta").await;
        let scim = &tenant.scim;
        let joe = make_user(scim, "joe").await;
        let (inner, middle) = (make_group(scim, "Inner", &[]).await, make_group(scim, "Middle", &[]).await);
        let outer = make_group(scim, "Outer", &[]).await;
        let rename = |name: &str| json!({"op": "replace", "path": "displayName", "value": name});
        let steps = [
            (&inner, add(&joe), false),
            (&middle, add(&inner), false),
            (&outer, add(&middle), false),
            (&outer, rename("Cloud-EMEA-Admins"), true),
            (&middle, remove(&inner), false),
            (&middle, add(&inner), true),
            (&inner, remove(&joe), false),
            (&inner, add(&joe), true),
            (&outer, json!({"op": "replace", "path": "members", "value": []}), false),
            (&outer, json!({"op": "replace", "path": "members", "value": [{"value": inner}]}), true),
            (&outer, rename("Others"), false),
            (&middle, rename("cloud-emea-admins"), true),
            (&middle, rename("Middle"), false),
        ];
        for (group, operation, holds) in steps {
            assert_eq!(patch(scim, group, operation.clone()).await.status, 204);
            let wanted: &[&str] = if holds { &ADMINISTRATOR } else { &[] };
            assert_eq!(roles_of(&world, &tenant, &joe).await, wanted, "after {operation}");
        }
        // POST and PUT too.
        let admins = make_group(scim, "Cloud-EMEA-Admins", &[&outer]).await;
        assert_eq!(roles_of(&world, &tenant, &joe).await, ADMINISTRATOR);
        scim.put(&format!("/Groups/{admins}"), &group("Cloud-EMEA-Admins", &[&middle])).await.expect(200);
        assert_eq!(roles_of(&world, &tenant, &joe).await, ADMINISTRATOR, "Inner is in Middle as well");
        scim.put(&format!("/Groups/{middle}"), &group("Middle", &[])).await.expect(200);
        assert_eq!(roles_of(&world, &tenant, &joe).await, [""; 0]);
    }

    async fn r31_requests_that_only_together_make_a_cycle_do_not_all_succeed(engine) {
        let (_world, tenant) = directory(engine, "okta").await;
        let scim = &tenant.scim;
        for round in 0..6 {
            // A ring of four, of which every second edge is there already in half of the rounds.
            let mut ring = Vec::new();
            for at in 0..4 {
                ring.push(make_group(scim, &format!("Group {round} {at}"), &[]).await);
            }
            let bridged = round % 2 == 0;
            let mut sending = JoinSet::new();
            for at in 0..4 {
                let (outer, inner) = (ring[at].clone(), ring[(at + 1) % 4].clone());
                if bridged && at % 2 == 0 {
                    assert_eq!(patch(scim, &outer, add(&inner)).await.status, 204);
                } else {
                    let scim = scim.clone();
                    sending.spawn(async move { patch(&scim, &outer, add(&inner)).await.status });
                }
            }
            let mut statuses = sending.join_all().await;
            statuses.sort_unstable();
            assert_eq!(statuses.pop(), Some(400), "one edge closes the ring: {statuses:?}");
            assert!(statuses.iter().all(|status| *status == 204), "and only that one is refused: {statuses:?}");
        }
    }

    async fn a_user_put_into_a_group_while_that_is_put_into_another_gets_what_both_give(engine) {
        let (world, tenant) = directory(engine, "okta").await;
        let scim = &tenant.scim;
        let outer = make_group(scim, "Cloud-EMEA-Admins", &[]).await;
        for round in 0..8 {
            let joe = make_user(scim, &format!("joe{round}")).await;
            let (inner, middle) = (make_group(scim, "Inner", &[]).await, make_group(scim, "Middle", &[]).await);
            let mut sending = JoinSet::new();
            for (group, member) in [(&outer, &middle), (&middle, &inner), (&inner, &joe)] {
                let (scim, group, member) = (scim.clone(), group.clone(), member.clone());
                sending.spawn(async move { patch(&scim, &group, add(&member)).await.status });
            }
            assert_eq!(sending.join_all().await, [204; 3]);
            assert_eq!(roles_of(&world, &tenant, &joe).await, ADMINISTRATOR, "{round}");
            let mut sending = JoinSet::new();
            for (group, member) in [(&outer, &middle), (&inner, &joe)] {
                let (scim, group, member) = (scim.clone(), group.clone(), member.clone());
                sending.spawn(async move { patch(&scim, &group, remove(&member)).await.status });
            }
            let (deleter, path) = (scim.clone(), format!("/Groups/{middle}"));
            sending.spawn(async move { deleter.delete(&path).await.status });
            for status in sending.join_all().await {
                assert_eq!(status, 204);
            }
            assert_eq!(roles_of(&world, &tenant, &joe).await, [""; 0], "{round}");
        }
    }
}
