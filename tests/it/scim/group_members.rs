//! Memberships as resources of their own.

use serde_json::{Value, json};

use super::{
    LIST_RESPONSE, NOBODY, directory, events_of, filtered, ids, log_of, make_group, make_user, members, names, operations, refused,
    roles_of,
};
use crate::support::http::Scim;
use crate::support::world::{World, describe, on_every_engine};

const GROUP_MEMBER: &str = "urn:ietf:params:scim:schemas:core:2.0:GroupMember";
const MEMBERS_METADATA: &str = "urn:ietf:params:scim:schemas:extension:groupMembers:2.0:Group";

fn membership(group: &str, member: &str) -> Value {
    json!({"schemas": [GROUP_MEMBER], "group": {"value": group}, "member": {"value": member}})
}

async fn join(scim: &Scim, group: &str, member: &str) -> String {
    scim.post("/GroupMembers", &membership(group, member)).await.expect(201).id()
}

on_every_engine! {
    async fn x05_a_membership_is_made_read_and_deleted_like_a_member_of_the_group(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        let joe = make_user(scim, "joe").await;
        let admins = make_group(scim, "Cloud-EMEA-Admins", &[]).await;
        let before = scim.get(&format!("/Groups/{admins}")).await.headers["etag"].clone();

        let made = scim.post("/GroupMembers", &membership(&admins, &joe)).await.expect(201);
        let location = format!("{}/GroupMembers/{}", scim.base, made.id());
        assert_eq!(
            made.body,
            json!({
                "schemas": [GROUP_MEMBER],
                "id": made.id(),
                "group": {"value": admins, "$ref": format!("{}/Groups/{admins}", scim.base)},
                "member": {"value": joe, "$ref": format!("{}/Users/{joe}", scim.base), "type": "User"},
                "meta": {"resourceType": "GroupMember", "location": location, "version": "W/\"1\""}
            })
        );
        assert_eq!((&made.headers["location"], &made.headers["etag"]), (&location.parse().unwrap(), &"W/\"1\"".parse().unwrap()));
        let path = format!("/GroupMembers/{}", made.id());
        assert_eq!(scim.get(&path).await.expect(200).body, made.body);

        // It is the row that a PATCH of the group would have written, with all that follows from it.
        assert_eq!(members(scim, &admins).await, ids([&joe]));
        assert_eq!(roles_of(&world, &tenant, &joe).await, ["EMEA: administrator"]);
        assert_ne!(scim.get(&format!("/Groups/{admins}")).await.headers["etag"], before);
        assert_eq!(events_of(&world, &tenant, &admins).await, ["group.created", "group.members_changed"]);
        let entry = log_of(&world, &tenant).await.pop().unwrap();
        assert_eq!((entry.operation.as_str(), entry.resource_type.as_str(), entry.status), ("patch", "Group", 201));
        assert_eq!(entry.resource_id.unwrap().to_string(), admins);

        scim.delete(&path).await.expect(204);
        assert_eq!(members(scim, &admins).await, ids([]));
        assert_eq!(roles_of(&world, &tenant, &joe).await, [""; 0]);
        refused(&scim.delete(&path).await, 404, "");
        refused(&scim.get(&path).await, 404, "");
        // What a PATCH writes has the same id again.
        let add = operations(json!([{"op": "add", "path": "members", "value": [{"value": joe}]}]));
        scim.patch(&format!("/Groups/{admins}"), &add).await;
        assert_eq!(scim.get(&path).await.expect(200).body, made.body);
    }

    async fn x05_one_that_is_there_is_a_conflict_and_an_unknown_one_is_named(engine) {
        let (_world, tenant) = directory(engine, "entra").await;
        let scim = &tenant.scim;
        let joe = make_user(scim, "joe").await;
        let team = make_group(scim, "Team", &[&joe]).await;
        refused(&scim.post("/GroupMembers", &membership(&team, &joe)).await, 409, "uniqueness");
        for (group, member) in [(NOBODY, joe.as_str()), (&team, NOBODY), ("x", &joe), (&team, "x"), (&joe, &joe), (&team, &team)] {
            refused(&scim.post("/GroupMembers", &membership(group, member)).await, 400, "invalidValue");
        }
        for body in [json!({"schemas": [GROUP_MEMBER], "group": {"value": team}}), membership("", &joe), json!({"member": {}})] {
            refused(&scim.post("/GroupMembers", &body).await, 400, "invalidValue");
        }
        assert_eq!(members(scim, &team).await, ids([&joe]));
        for id in [NOBODY.to_owned(), format!("{team}.{NOBODY}"), format!("{NOBODY}.{joe}"), format!("{joe}.{team}"), "x.y".to_owned()] {
            refused(&scim.get(&format!("/GroupMembers/{id}")).await, 404, "");
            refused(&scim.delete(&format!("/GroupMembers/{id}")).await, 404, "");
        }
        let path = format!("/GroupMembers/{team}.{joe}");
        refused(&scim.put(&path, &membership(&team, &joe)).await, 405, "");
        refused(&scim.patch(&path, &operations(json!([]))).await, 405, "");
        let stale = scim.request(reqwest::Method::DELETE, &path).header("if-match", "W/\"2\"").send().await.unwrap();
        refused(&Scim::read(stale).await, 412, "");
        assert_eq!(members(scim, &team).await, ids([&joe]));
    }

    async fn x05_a_group_can_be_the_member(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        let (outer, inner) = (make_group(scim, "Outer", &[]).await, make_group(scim, "Inner", &[]).await);
        let id = join(scim, &outer, &inner).await;
        let read = scim.get(&format!("/GroupMembers/{id}")).await.expect(200);
        assert_eq!(read.body["member"], json!({"value": inner, "$ref": format!("{}/Groups/{inner}", scim.base), "type": "Group"}));
        assert_eq!(members(scim, &outer).await, ids([&inner]));
        refused(&scim.post("/GroupMembers", &membership(&inner, &outer)).await, 400, "invalidValue");
        scim.delete(&format!("/GroupMembers/{id}")).await.expect(204);
        assert_eq!(members(scim, &outer).await, ids([]));
    }

    async fn x05_memberships_are_found_by_group_and_by_member_and_come_in_pages(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        let (joe, eve) = (make_user(scim, "joe").await, make_user(scim, "eve").await);
        let inner = make_group(scim, "Inner", &[&eve]).await;
        let team = make_group(scim, "Team", &[&joe, &eve, &inner]).await;
        // Another directory's memberships are nobody's here.
        let stranger = world.tenant("redsky", "strict", "http://127.0.0.1:1").await.scim;
        let other = make_group(&stranger, "Team", &[&make_user(&stranger, "joe").await]).await;
        refused(&scim.post("/GroupMembers", &membership(&other, &joe)).await, 400, "invalidValue");

        let id = |group: &str, member: &str| format!("{group}.{member}");
        for (filter, wanted) in [
            (format!("group.value eq \"{team}\""), vec![id(&team, &joe), id(&team, &eve), id(&team, &inner)]),
            (format!("member.value eq \"{eve}\""), vec![id(&inner, &eve), id(&team, &eve)]),
            (format!("group.value eq \"{team}\" and member.value eq \"{eve}\""), vec![id(&team, &eve)]),
            (format!("group eq \"{inner}\" or member eq \"{inner}\""), vec![id(&inner, &eve), id(&team, &inner)]),
            ("member.type eq \"group\"".to_owned(), vec![id(&team, &inner)]),
            (format!("member.type eq \"User\" and not (group.value eq \"{inner}\")"), vec![id(&team, &joe), id(&team, &eve)]),
            (format!("id eq \"{}\"", id(&team, &joe)), vec![id(&team, &joe)]),
            (format!("id sw \"{inner}\""), vec![id(&inner, &eve)]),
            ("id eq \"x\"".to_owned(), vec![]),
            (format!("group.value eq \"{other}\""), vec![]),
            ("externalId pr or group.$ref pr or meta.created pr".to_owned(), vec![]),
            ("meta.resourceType eq \"GroupMember\" and member.type eq \"group\"".to_owned(), vec![id(&team, &inner)]),
        ] {
            let list = scim.get(&filtered("/GroupMembers", &filter)).await.expect(200);
            let mut found = names(&list, "id");
            found.sort();
            let mut wanted = wanted;
            wanted.sort();
            assert_eq!((found.len(), found), (usize::try_from(list.body["totalResults"].as_u64().unwrap()).unwrap(), wanted), "{filter}");
        }
        refused(&scim.get(&filtered("/GroupMembers", "userName eq \"joe\"")).await, 400, "invalidFilter");

        let all = scim.get("/GroupMembers").await.expect(200);
        assert_eq!((&all.body["schemas"], &all.body["totalResults"]), (&json!([LIST_RESPONSE]), &json!(4)));
        let mut pages = Vec::new();
        for start in [1, 3] {
            pages.extend(names(&scim.get(&format!("/GroupMembers?startIndex={start}&count=2")).await.expect(200), "id"));
        }
        assert_eq!(pages, names(&all, "id"));
        assert!(pages.is_sorted());
        let (mut run, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = scim.get(&format!("/GroupMembers?count=1&cursor={cursor}")).await.expect(200);
            run.extend(names(&page, "id"));
            match page.body["nextCursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => break,
            }
        }
        assert_eq!(run, pages);
        for sort in ["member.value", "group.value", "id", "member.type", "meta.resourceType"] {
            let ascending = names(&scim.get(&format!("/GroupMembers?sortBy={sort}")).await.expect(200), "id");
            let mut descending = Vec::new();
            for start in 1..=4 {
                let page = scim.get(&format!("/GroupMembers?sortBy={sort}&sortOrder=descending&startIndex={start}&count=1")).await;
                descending.extend(names(&page.expect(200), "id"));
            }
            descending.reverse();
            assert_eq!((ascending.len(), &ascending), (4, &descending), "{sort}");
        }
        let search = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": "member.type eq \"group\""});
        assert_eq!(names(&scim.post("/GroupMembers/.search", &search).await.expect(200), "id"), [id(&team, &inner)]);
        let some = scim.get("/GroupMembers?attributes=member.value&count=1").await.expect(200);
        let first = &some.body["Resources"][0];
        assert_eq!((&first["member"], &first["group"]), (&json!({"value": eve}), &Value::Null));
        let none = scim.get(&format!("/GroupMembers/{}?excludedAttributes=member,meta", id(&team, &joe))).await.expect(200);
        assert_eq!((none.body["member"].is_null(), none.body["group"]["value"].as_str()), (true, Some(team.as_str())));
    }

    async fn x07_the_resource_type_is_published_where_the_directory_says_so(engine) {
        let world = World::empty(engine).await;
        let plain = world.tenant("bluesky", "strict", "http://127.0.0.1:1").await.scim;
        let text = describe("redsky", "strict", "http://127.0.0.1:1", "off")
            .replace("[[tenant.directory.token]]", "[tenant.directory.settings]\ngroup_members = true\n\n[[tenant.directory.token]]");
        let telling = world.described("redsky", &text).await.scim;
        for (scim, published) in [(&plain, false), (&telling, true)] {
            let types = names(&scim.get("/ResourceTypes").await.expect(200), "id");
            assert_eq!(types.contains(&"GroupMember".to_owned()), published);
            let schemas = names(&scim.get("/Schemas").await.expect(200), "id");
            assert_eq!(schemas.contains(&GROUP_MEMBER.to_owned()), published);
            assert_eq!(schemas.contains(&MEMBERS_METADATA.to_owned()), published);
            let extensions = &scim.get("/ResourceTypes/Group").await.expect(200).body["schemaExtensions"];
            assert_eq!(extensions[0]["schema"] == MEMBERS_METADATA, published);
            for path in ["/ResourceTypes/GroupMember", &format!("/Schemas/{GROUP_MEMBER}")] {
                assert_eq!(scim.get(path).await.status, if published { 200 } else { 404 }, "{path}");
            }
            assert_eq!(scim.get("/GroupMembers").await.expect(200).body["totalResults"], 0);
        }
    }
}
