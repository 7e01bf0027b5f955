//! What a directory's settings say otherwise than its client profile.

use reqwest::Method;
use serde_json::{Value, json};
use vestibule::directory::Caller;
use vestibule::directory::manage::Manage;
use vestibule::model::{Actor, DirectorySettings};
use vestibule::store::Engine;

use super::{NOBODY, USER, directory, group, ids, log_of, make_group, make_user, members, operations, refused, user};
use crate::support::http::Scim;
use crate::support::world::{Tenant, World, describe, on_every_engine};

/// A world with one tenant, whose directory has this profile and these settings from the beginning.
async fn set(engine: Engine, profile: &str, settings: &str) -> (World, Tenant) {
    let world = World::empty(engine).await;
    let text = describe("bluesky", profile, "http://127.0.0.1:1", "if-provisioned");
    let line = format!("profile = \"{profile}\"\n");
    assert!(text.contains(&line));
    let text = text.replace(&line, &format!("{line}settings = {{ {settings} }}\n"));
    let tenant = world.described("bluesky", &text).await;
    (world, tenant)
}

/// Changes the settings of the tenant's directory, or says why not.
async fn change(world: &World, tenant: &Tenant, settings: &DirectorySettings) -> Result<(), String> {
    let caller = Caller { actor: Actor::Operator, now: world.app.clock.now(), request_id: None };
    let manage = Manage { store: &world.app.store, sealer: &world.app.sealer, rules: &world.app.rules, caller };
    manage.change_directory_settings(tenant.id, tenant.directory, settings).await.map_err(|error| error.to_string())
}

fn add(id: &str) -> Value {
    operations(json!([{"op": "add", "path": "members", "value": [{"value": id}]}]))
}

fn known_as(mut resource: Value, external_id: &str) -> Value {
    resource["externalId"] = json!(external_id);
    resource
}

on_every_engine! {
    async fn p04_a_patched_group_is_answered_as_the_directory_says(engine) {
        let (world, tenant) = set(engine, "entra", "patched_group = 200").await;
        let other = world.tenant("redsky", "ping", "http://127.0.0.1:1").await;
        let settings = DirectorySettings { patched_group: Some(vestibule::model::PatchStatus::NoContent), ..Default::default() };
        change(&world, &other, &settings).await.unwrap();
        for (tenant, status) in [(&tenant, 200), (&other, 204)] {
            let joe = make_user(&tenant.scim, "joe").await;
            let path = format!("/Groups/{}", make_group(&tenant.scim, "Team", &[]).await);
            let answer = tenant.scim.patch(&path, &add(&joe)).await.expect(status);
            assert_eq!(answer.body["members"][0]["value"], if status == 200 { json!(joe) } else { Value::Null });
            let shown = tenant.scim.patch(&format!("{path}?attributes=displayName"), &add(&joe)).await.expect(200);
            assert_eq!(shown.body["displayName"], "Team");
            assert_eq!(log_of(&world, tenant).await[2].status, i64::from(status));
        }
    }

    async fn unknown_members_are_left_out_or_refused_as_the_directory_says(engine) {
        let (world, tenant) = set(engine, "strict", "unknown_members = \"ignore\"").await;
        let other = world.tenant("redsky", "onelogin", "http://127.0.0.1:1").await;
        let settings = DirectorySettings {
            unknown_members: Some(vestibule::model::UnknownMemberPolicy::Refuse),
            ..Default::default()
        };
        change(&world, &other, &settings).await.unwrap();
        let team = make_group(&tenant.scim, "Team", &[]).await;
        for id in [NOBODY, "fake-member-id"] {
            tenant.scim.patch(&format!("/Groups/{team}"), &add(id)).await.expect(204);
            assert_eq!(log_of(&world, &tenant).await.last().unwrap().coercions, ["unknown-member: members"]);
        }
        assert_eq!(members(&tenant.scim, &team).await, ids([]));
        let crew = make_group(&other.scim, "Crew", &[]).await;
        refused(&other.scim.patch(&format!("/Groups/{crew}"), &add(NOBODY)).await, 400, "invalidValue");
    }

    async fn two_groups_of_one_name_are_refused_for_entra_and_where_the_directory_says_so(engine) {
        let (world, tenant) = directory(engine, "entra").await;
        let scim = &tenant.scim;
        let team = make_group(scim, "Team", &[]).await;
        let crew = make_group(scim, "Crew", &[]).await;
        refused(&scim.post("/Groups", &group("TEAM", &[])).await, 409, "uniqueness");
        refused(&scim.put(&format!("/Groups/{crew}"), &group("Team", &[])).await, 409, "uniqueness");
        let rename = operations(json!([{"op": "replace", "path": "displayName", "value": "team"}]));
        refused(&scim.patch(&format!("/Groups/{crew}"), &rename).await, 409, "uniqueness");
        scim.patch(&format!("/Groups/{team}"), &rename).await.expect(204);
        // Turned off it is allowed, and turned on again only when it is true again.
        let on = DirectorySettings::default();
        let off = DirectorySettings { unique_group_names: Some(false), ..on.clone() };
        change(&world, &tenant, &off).await.unwrap();
        scim.patch(&format!("/Groups/{crew}"), &rename).await.expect(204);
        let why = change(&world, &tenant, &on).await.unwrap_err();
        assert!(why.contains("displayName"), "{why}");
        let third = make_group(scim, "team", &[]).await;
        scim.delete(&format!("/Groups/{third}")).await.expect(204);
        scim.delete(&format!("/Groups/{crew}")).await.expect(204);
        change(&world, &tenant, &on).await.unwrap();
        change(&world, &tenant, &on).await.unwrap();
        refused(&scim.post("/Groups", &group("Team", &[])).await, 409, "uniqueness");
        // A name is free again when its group is gone.
        scim.delete(&format!("/Groups/{team}")).await.expect(204);
        make_group(scim, "Team", &[]).await;
        // Of another directory nothing is said.
        let other = world.tenant("redsky", "okta", "http://127.0.0.1:1").await;
        make_group(&other.scim, "Team", &[]).await;
        make_group(&other.scim, "Team", &[]).await;
    }

    async fn two_groups_of_one_name_made_while_it_becomes_forbidden_are_one_or_it_stays_allowed(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let on = DirectorySettings { unique_group_names: Some(true), ..Default::default() };
        let (mut forbidden, mut allowed) = (0, 0);
        for round in 0..6 {
            change(&world, &tenant, &DirectorySettings::default()).await.unwrap();
            let name = format!("Team {round}");
            let posts = (0..4).map(|_| {
                let (scim, body) = (tenant.scim.clone(), group(&name, &[]));
                tokio::spawn(async move { scim.post("/Groups", &body).await.status })
            });
            let posts: Vec<_> = posts.collect();
            let changed = change(&world, &tenant, &on).await;
            let mut made = 0;
            for post in posts {
                let status = post.await.unwrap();
                assert!([201, 409].contains(&status), "{status}");
                made += usize::from(status == 201);
            }
            if changed.is_ok() {
                assert_eq!(made, 1, "it is forbidden from then on, also for requests that began before");
                forbidden += 1;
            } else {
                assert_eq!(made, 4, "what was refused has changed nothing");
                allowed += 1;
            }
            for group in tenant.scim.get("/Groups").await.expect(200).body["Resources"].as_array().unwrap() {
                tenant.scim.delete(&format!("/Groups/{}", group["id"].as_str().unwrap())).await.expect(204);
            }
        }
        assert_eq!(forbidden + allowed, 6);
    }

    async fn r09_an_external_id_is_nobody_elses_where_the_directory_says_so(engine) {
        let (world, tenant) = set(engine, "okta", "unique_external_ids = true").await;
        let scim = &tenant.scim;
        let joe = scim.post("/Users", &known_as(user("joe"), "x1")).await.expect(201).id();
        let jane = scim.post("/Users", &known_as(user("jane"), "x2")).await.expect(201).id();
        make_user(scim, "jim").await;
        make_user(scim, "jill").await;
        refused(&scim.post("/Users", &known_as(user("jack"), "x1")).await, 409, "uniqueness");
        refused(&scim.put(&format!("/Users/{jane}"), &known_as(user("jane"), "x1")).await, 409, "uniqueness");
        let take = operations(json!([{"op": "replace", "path": "externalId", "value": "x1"}]));
        refused(&scim.patch(&format!("/Users/{jane}"), &take).await, 409, "uniqueness");
        assert_eq!(scim.get(&format!("/Users/{jane}")).await.body["externalId"], "x2");
        scim.patch(&format!("/Users/{joe}"), &take).await.expect(200);
        // The letter case counts, and a group is no user.
        scim.post("/Users", &known_as(user("jack"), "X1")).await.expect(201);
        scim.post("/Groups", &known_as(group("Team", &[]), "x1")).await.expect(201);
        refused(&scim.post("/Groups", &known_as(group("Crew", &[]), "x1")).await, 409, "uniqueness");
        // It is free when its user is gone.
        scim.delete(&format!("/Users/{joe}")).await.expect(204);
        scim.patch(&format!("/Users/{jane}"), &take).await.expect(200);
        // Without the setting it is the client's affair; it cannot be set while two have one.
        let on = DirectorySettings { unique_external_ids: true, ..Default::default() };
        change(&world, &tenant, &DirectorySettings::default()).await.unwrap();
        let twin = scim.post("/Users", &known_as(user("twin"), "x1")).await.expect(201).id();
        let why = change(&world, &tenant, &on).await.unwrap_err();
        assert!(why.contains("externalId"), "{why}");
        scim.patch(&format!("/Users/{twin}"), &operations(json!([{"op": "remove", "path": "externalId"}]))).await.expect(200);
        change(&world, &tenant, &on).await.unwrap();
        refused(&scim.patch(&format!("/Users/{twin}"), &take).await, 409, "uniqueness");
    }

    async fn v05_a_change_without_its_version_is_refused_where_the_directory_says_so(engine) {
        let (world, tenant) = set(engine, "entra", "require_if_match = true").await;
        let scim = &tenant.scim;
        let joe = format!("/Users/{}", make_user(scim, "joe").await);
        let team = format!("/Groups/{}", make_group(scim, "Team", &[]).await);
        let off = operations(json!([{"op": "replace", "path": "active", "value": false}]));
        let rename = operations(json!([{"op": "replace", "path": "displayName", "value": "Crew"}]));
        let cases = [
            (Method::PATCH, &joe, off.clone()),
            (Method::PUT, &joe, user("jim")),
            (Method::PATCH, &team, rename),
            (Method::PUT, &team, group("Crew", &[])),
            (Method::DELETE, &team, Value::Null),
            (Method::DELETE, &joe, Value::Null),
        ];
        let before = (scim.get(&joe).await.body, scim.get(&team).await.body, log_of(&world, &tenant).await.len());
        for (method, path, body) in &cases {
            refused(&scim.send(method.clone(), path, Some(body)).await, 428, "");
        }
        assert_eq!((scim.get(&joe).await.body, scim.get(&team).await.body), (before.0, before.1));
        let log = log_of(&world, &tenant).await;
        assert_eq!(log[before.2..].iter().map(|entry| entry.status).collect::<Vec<_>>(), [428; 6]);
        for (method, path, body) in &cases {
            let version = scim.get(path).await.expect(200).headers["etag"].clone();
            let of = async |version: &str| {
                let request = scim.request(method.clone(), path).header("content-type", "application/scim+json");
                Scim::read(request.header("if-match", version).body(body.to_string()).send().await.unwrap()).await
            };
            refused(&of("W/\"99\"").await, 412, "");
            let answer = of(version.to_str().unwrap()).await;
            assert!([200, 204].contains(&answer.status), "{method} {path}: {}", answer.body);
        }
    }

    async fn a03_a_body_without_its_media_type_is_json_but_in_strict(engine) {
        let (world, tenant) = directory(engine, "entra").await;
        let strict = world.tenant("redsky", "strict", "http://127.0.0.1:1").await;
        let post = async |scim: &Scim, body: String| {
            Scim::read(scim.request(Method::POST, "/Users").body(body).send().await.unwrap()).await
        };
        post(&tenant.scim, user("joe").to_string()).await.expect(201);
        assert_eq!(log_of(&world, &tenant).await[0].coercions, ["missing-content-type: Content-Type"]);
        refused(&post(&tenant.scim, "no json".to_owned()).await, 400, "invalidSyntax");
        refused(&post(&strict.scim, user("joe").to_string()).await, 415, "");
        assert_eq!(strict.scim.get("/Users").await.expect(200).body["totalResults"], 0);
        // A request that has no body needs no media type.
        let joe = make_user(&strict.scim, "joe").await;
        strict.scim.delete(&format!("/Users/{joe}")).await.expect(204);
    }

    async fn d03_discovery_needs_a_token_where_the_directory_says_so(engine) {
        let (world, tenant) = set(engine, "strict", "open_discovery = false").await;
        let open = world.tenant("redsky", "strict", "http://127.0.0.1:1").await;
        let schema = format!("/Schemas/{USER}");
        for path in ["/ServiceProviderConfig", "/Schemas", "/ResourceTypes", "/ResourceTypes/User", &schema] {
            assert_eq!(tenant.scim.get(path).await.expect(200).headers["cache-control"], "private, max-age=300");
            for wrong in ["", "wrong", open.scim.token.as_str()] {
                let stranger = Scim::new(tenant.scim.base.clone(), wrong.to_owned());
                let answer = stranger.get(path).await;
                refused(&answer, 401, "");
                assert_eq!(answer.headers["www-authenticate"], "Bearer");
                let anybody = Scim::new(open.scim.base.clone(), wrong.to_owned());
                assert_eq!(anybody.get(path).await.expect(200).headers["cache-control"], "public, max-age=300");
            }
        }
    }
}
