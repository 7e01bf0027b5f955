//! What reading groups costs, and what it shows of their members.

use std::fmt::Write as _;

use axum::body::Body;
use http::Request;
use http::header::AUTHORIZATION;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use vestibule::model::LoginId;
use vestibule::store::{Engine, Store};

use super::{GROUP, directory, filtered, make_group, make_user, names, operations, refused};
use crate::support::http::Scim;
use crate::support::sql;
use crate::support::statements::read_counting;
use crate::support::world::{World, on_every_engine};

const MEMBERS: &str = "urn:ietf:params:scim:schemas:extension:groupMembers:2.0:Group";
/// As many members as fill some pages and a part of one more.
const CROWD: usize = 12_003;

/// How many statements read memberships.
fn reading_members(statements: &[String]) -> usize {
    statements.iter().filter(|text| text.contains("group_logins") || text.contains("group_groups")).count()
}

/// Puts so many new users into a group, past the service, each like the user `like`. Answers their ids in order.
async fn crowd(world: &World, group: &str, like: &str, count: usize) -> Vec<String> {
    let ids: Vec<_> = (0..count).map(|_| LoginId::new(world.app.clock.now()).to_string()).collect();
    let list = json!(ids);
    let id = |id: &str| match &world.app.store {
        Store::Sqlite { .. } => format!("x'{}'", id.replace('-', "")),
        Store::Postgres(_) => format!("'{id}'::uuid"),
    };
    let (group, like) = (id(group), id(like));
    let made = "{uuid {scalar item.value}}";
    for text in [
        format!(
            "insert into persons (tenant_id, id, state, epoch, open, created_at)
             select p.tenant_id, {made}, p.state, p.epoch, p.open, p.created_at
             from persons p, {{rows '{list}'}} where p.id = (select person_id from logins where id = {like})"
        ),
        format!(
            "insert into logins (tenant_id, id, person_open, break_glass, person_id, born_person_id, slot, kind, directory_id, home_account_id, namespace_id,
               user_name, user_name_key, folding, active, scim, search, claims, version, facts_version, epoch, created_at, updated_at)
             select tenant_id, {made}, person_open, break_glass, {made}, {made}, slot, kind, directory_id, home_account_id, namespace_id,
               {{scalar item.value}}, {{scalar item.value}}, folding, active, scim, search, claims, version, facts_version, epoch,
               created_at, updated_at
             from logins l, {{rows '{list}'}} where l.id = {like}"
        ),
        format!(
            "insert into group_logins (tenant_id, group_id, login_id) select g.tenant_id, g.id, {made}
             from groups g, {{rows '{list}'}} where g.id = {group}"
        ),
    ] {
        sql::change(&world.database.url, &engine(world).replace_marks(&text)).await;
    }
    ids
}

fn engine(world: &World) -> Engine {
    world.app.store.engine()
}

/// The ids of the members that a document shows, in its order.
fn shown(group: &Value) -> Vec<String> {
    let members = group["members"].as_array().cloned().unwrap_or_default();
    members.iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect()
}

/// A large group: its id, and its members in order.
async fn large(world: &World, scim: &Scim) -> (String, Vec<String>) {
    let joe = make_user(scim, "joe").await;
    let group = make_group(scim, "Large", &[&joe]).await;
    let mut members = crowd(world, &group, &joe, CROWD - 1).await;
    members.insert(0, joe);
    (group, members)
}

on_every_engine! {
    async fn l14_lists_of_groups_without_members_load_none(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let joe = make_user(&tenant.scim, "joe").await;
        for number in 0..3 {
            make_group(&tenant.scim, &format!("group{number}"), &[&joe]).await;
        }
        for path in ["/Groups?excludedAttributes=members", "/Groups?attributes=displayName"] {
            let (list, statements) = read_counting(&world, &tenant.scim, path).await;
            assert_eq!(list.body["totalResults"], 3);
            assert_eq!(statements.len(), 1, "the groups are read, and a page that is not full needs no count: {statements:?}");
            assert_eq!(reading_members(&statements), 0, "{statements:?}");
        }
        let (_, statements) = read_counting(&world, &tenant.scim, "/Groups").await;
        for number in 3..9 {
            make_group(&tenant.scim, &format!("group{number}"), &[&joe]).await;
        }
        let (list, more) = read_counting(&world, &tenant.scim, "/Groups").await;
        assert_eq!(list.body["Resources"][8]["members"][0]["value"], joe.as_str());
        assert_eq!((reading_members(&statements), more), (2, statements), "as many for nine groups as for three");
    }

    async fn l14_r16_a_group_without_members_loads_none(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let joe = make_user(&tenant.scim, "joe").await;
        let group = make_group(&tenant.scim, "Team", &[&joe]).await;
        for parameters in ["excludedAttributes=members", "attributes=displayName"] {
            let (answer, statements) = read_counting(&world, &tenant.scim, &format!("/Groups/{group}?{parameters}")).await;
            assert_eq!((&answer.body["displayName"], &answer.body["members"]), (&json!("Team"), &Value::Null));
            assert_eq!(statements.len(), 1, "{statements:?}");
        }
    }

    async fn l15_members_of_a_large_group_are_left_out_unless_they_are_asked_for(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        let (group, members) = large(&world, scim).await;
        let small = make_group(scim, "Small", &[&members[0]]).await;
        let path = format!("/Groups/{group}");

        let left_out = scim.get(&path).await.expect(200);
        assert_eq!(left_out.body["members"], Value::Null);
        assert_eq!(left_out.body["schemas"], json!([GROUP, MEMBERS]));
        let address = format!("{}/GroupMembers?filter=group.value%20eq%20%22{group}%22", scim.base);
        assert_eq!(
            left_out.body[MEMBERS],
            json!({"membersMetadata": {"policy": "hybrid", "ref": address, "memberCount": CROWD}})
        );
        let followed = scim.get(address.strip_prefix(&scim.base).unwrap()).await.expect(200);
        assert_eq!(followed.body["totalResults"], CROWD);

        let whole = scim.get(&format!("{path}?attributes=members")).await.expect(200);
        assert!(shown(&whole.body) == members, "all of them, once, in the order of their ids");
        assert_eq!(whole.body["id"], group.as_str());
        assert_eq!(
            whole.body["members"][CROWD - 1],
            json!({"value": members[CROWD - 1], "$ref": format!("{}/Users/{}", scim.base, members[CROWD - 1]), "type": "User"})
        );
        assert_eq!(whole.headers["content-type"], "application/scim+json");
        assert_eq!(whole.headers["etag"], left_out.headers["etag"], "the tag is weak (V04)");
        assert_eq!(whole.headers["location"], format!("{}{path}", scim.base).as_str());
        let parts = scim.get(&format!("{path}?attributes=displayName,members.display")).await.expect(200);
        assert_eq!(parts.body["displayName"], "Large");
        assert_eq!((&parts.body["members"][0], parts.body["members"].as_array().unwrap().len()), (&json!({"display": "joe"}), CROWD));
        let tag = left_out.headers["etag"].to_str().unwrap();
        let unchanged = scim.request(reqwest::Method::GET, &format!("{path}?attributes=members")).header("if-none-match", tag);
        assert_eq!(Scim::read(unchanged.send().await.unwrap()).await.status, 304);

        // Writes answer in the same way, and do not count what they leave out.
        let rename = operations(json!([{"op": "replace", "path": "externalId", "value": "x"}]));
        let written = scim.patch(&format!("{path}?attributes=members.value"), &rename).await.expect(200);
        assert!(shown(&written.body) == members);
        let lists = scim.get("/Groups").await.expect(200);
        assert_eq!(names(&lists, "displayName"), ["Large", "Small"]);
        assert_eq!(
            lists.body["Resources"][0][MEMBERS],
            json!({"membersMetadata": {"policy": "hybrid", "ref": address}}),
            "lists do not count to the end"
        );
        assert_eq!((shown(&lists.body["Resources"][1]), &lists.body["Resources"][1][MEMBERS]), (vec![members[0].clone()], &Value::Null));
        let named = scim.get(&format!("/Groups/{small}?attributes={MEMBERS}:membersMetadata.policy")).await.expect(200);
        assert_eq!((&named.body[MEMBERS], &named.body["members"]), (&json!({"membersMetadata": {"policy": "inline"}}), &Value::Null));
        let asked = scim.get("/Groups?attributes=members.value").await.expect(200);
        assert!(shown(&asked.body["Resources"][0]) == members);
    }

    async fn l15_a_list_with_too_many_members_is_refused(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let (group, _) = large(&world, &tenant.scim).await;
        for number in 1..9 {
            let other = make_group(&tenant.scim, &format!("Also {number}"), &[]).await;
            let copy = format!(
                "insert into group_logins (tenant_id, group_id, login_id) select g.tenant_id, g.id, gl.login_id
                 from groups g, group_logins gl where g.display = 'Also {number}' and gl.group_id in {{ids '{}'}}",
                json!([group])
            );
            sql::change(&world.database.url, &self::engine(&world).replace_marks(&copy)).await;
            assert!(!other.is_empty());
        }
        let (answer, statements) = read_counting(&world, &tenant.scim, "/Groups?attributes=displayName,members").await;
        refused(&answer, 400, "tooMany");
        assert!(!statements.iter().any(|text| text.contains("user_name")), "nobody was loaded: {statements:?}");
        assert_eq!(tenant.scim.get("/Groups").await.expect(200).body["totalResults"], 9);
        let one = tenant.scim.get(&format!("{}&attributes=members.value", filtered("/Groups", "displayName eq \"Also 8\""))).await;
        assert_eq!(shown(&one.expect(200).body["Resources"][0]).len(), CROWD);
    }

    async fn l15_a_streamed_group_is_read_in_pages_of_bounded_size(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let (group, members) = large(&world, &tenant.scim).await;
        let (answer, statements) = read_counting(&world, &tenant.scim, &format!("/Groups/{group}?attributes=members")).await;
        assert!(shown(&answer.body) == members);
        let pages = statements.iter().filter(|text| text.contains("login_id > $3") && text.contains("limit $4")).count();
        assert_eq!(pages, 13, "{statements:?}");
        assert_eq!(reading_members(&statements), pages + 1, "they were counted once: {statements:?}");

        // Nothing is read before the client takes it, and no page is longer than a thousand members.
        let mut body = streaming(&world, &tenant.scim, &group).await;
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(first.starts_with(b"{\"schemas\":["));
        let text = String::from_utf8(first.to_vec()).unwrap();
        assert_eq!(text.matches("\"value\":").count(), 1_000);
    }

    async fn l15_an_answer_that_cannot_be_finished_is_broken_off(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let (group, members) = large(&world, &tenant.scim).await;

        // The group goes while it is read: its end would look like that of a smaller one.
        let mut body = streaming(&world, &tenant.scim, &group).await;
        body.frame().await.unwrap().unwrap();
        tenant.scim.delete(&format!("/Groups/{group}")).await.expect(204);
        assert!(rest(&mut body).await.is_err());

        // The database goes.
        let group = make_group(&tenant.scim, "Again", &[]).await;
        crowd(&world, &group, &members[0], 5_001).await;
        let mut body = streaming(&world, &tenant.scim, &group).await;
        let mut text = String::from_utf8(body.frame().await.unwrap().unwrap().into_data().unwrap().to_vec()).unwrap();
        world.app.store.close().await;
        let end = rest(&mut body).await;
        text.push_str(&end.as_ref().map_or_else(Clone::clone, Clone::clone));
        assert!(end.is_err() && serde_json::from_str::<Value>(&text).is_err());
    }
}

/// The body of a large group that is read with its members.
async fn streaming(world: &World, scim: &Scim, group: &str) -> Body {
    let request = Request::get(format!("{}/Groups/{group}?attributes=members", scim.base))
        .header(AUTHORIZATION, format!("Bearer {}", scim.token))
        .body(Body::empty())
        .unwrap();
    let response = vestibule::http::router(world.app.clone()).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    response.into_body()
}

/// What is left of a body: to its end, or as an error to where it broke off.
async fn rest(body: &mut Body) -> Result<String, String> {
    let mut text = String::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => write!(text, "{}", String::from_utf8_lossy(&frame.into_data().unwrap_or_default())).unwrap(),
            Err(_) => return Err(text),
        }
    }
    Ok(text)
}
