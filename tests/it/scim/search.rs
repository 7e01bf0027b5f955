//! Searches by POST, and lists of several kinds of resources (RFC 7644 section 3.4.3).

use serde_json::{Value, json};
use vestibule::model::{GroupId, Scope};
use vestibule::scim::limits::MAX_MERGED;
use vestibule::store::NewGroup;

use super::tokens::issue;
use super::{ENTERPRISE, LIST_RESPONSE, USER, directory, filtered, group, log_of, make_group, make_user, names, refused, user};
use crate::support::world::on_every_engine;

pub(super) const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// A body of these members.
fn search(members: Value) -> Value {
    let mut body = members;
    body["schemas"] = json!([SEARCH_REQUEST]);
    body
}

on_every_engine! {
    async fn l12_a_search_answers_what_a_list_does(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        for name in ["zoe", "ada", "joe"] {
            make_user(scim, name).await;
            make_group(scim, name, &[]).await;
        }
        let written = log_of(&world, &tenant).await.len();
        for (path, by) in [("/Users", "userName"), ("/Groups", "displayName")] {
            let filter = format!("{by} ne \"joe\"");
            let body = search(json!({
                "filter": filter, "sortBy": by, "sortOrder": "descending", "startIndex": 2, "count": 1, "attributes": [by, "meta.created"],
            }));
            let parameters = format!("&sortBy={by}&sortOrder=descending&startIndex=2&count=1&attributes={by},meta.created");
            let by_get = scim.get(&format!("{}{parameters}", filtered(path, &filter))).await.expect(200);
            for slash in ["", "/"] {
                let by_post = scim.post(&format!("{path}/.search{slash}"), &body).await.expect(200);
                assert_eq!(by_post.body, by_get.body);
                assert_eq!(by_post.body["Resources"][0][by], "ada");
                assert_eq!(by_post.headers.get("location"), None);
                assert_eq!(by_post.headers["content-type"], "application/scim+json");
            }
        }
        let all = scim.post("/Users/.search", &search(json!({ "excludedAttributes": ["meta", "userName"] }))).await.expect(200);
        assert_eq!((&all.body["schemas"], &all.body["totalResults"]), (&json!([LIST_RESPONSE]), &json!(3)));
        assert!(all.body["Resources"][0].get("meta").is_none() && all.body["Resources"][0]["id"].is_string());
        // A token that may only read may search, and reading is no provisioning.
        let reader = issue(&world, &tenant, "reader", &[Scope::ScimRead], None).await.scim;
        reader.post("/Users/.search", &search(json!({}))).await.expect(200);
        refused(&reader.post("/Users", &user("nobody")).await, 403, "");
        let log = log_of(&world, &tenant).await;
        assert_eq!(log.len(), written + 1, "the refused write alone");
    }

    async fn l12_what_is_no_search_request_is_refused(engine) {
        let (_world, tenant) = directory(engine, "entra").await;
        for path in ["/Users/.search", "/Groups/.search", "/.search"] {
            for body in [json!({}), json!([]), json!({ "schemas": [LIST_RESPONSE] }), json!({ "filter": "id pr" })] {
                refused(&tenant.scim.post(path, &body).await, 400, "invalidSyntax");
            }
            for (members, scim_type) in [
                (json!({ "filter": "userName eq" }), "invalidFilter"),
                (json!({ "count": "1" }), "invalidValue"),
                (json!({ "attributes": "id" }), "invalidValue"),
                (json!({ "attributes": ["id"], "excludedAttributes": ["meta"] }), "invalidValue"),
                (json!({ "sortBy": "nonsense" }), "invalidValue"),
                (json!({ "cursor": "x" }), "invalidCursor"),
            ] {
                refused(&tenant.scim.post(path, &search(members)).await, 400, scim_type);
            }
            refused(&tenant.scim.get(path).await, 405, "");
        }
    }

    async fn l13_f14_the_root_lists_all_kinds(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        let mut bodies = [user("zoe"), user("ada")];
        bodies[0]["displayName"] = json!("Team");
        bodies[1]["schemas"] = json!([USER, ENTERPRISE]);
        bodies[1][ENTERPRISE] = json!({ "department": "Law" });
        let mut ids = Vec::new();
        for body in &bodies {
            ids.push(scim.post("/Users", body).await.expect(201).id());
        }
        ids.push(scim.post("/Groups", &group("team", &[&ids[0]])).await.expect(201).id());
        ids.push(make_group(scim, "Empty", &[]).await);
        for (filter, wanted) in [
            ("id pr", &[0, 1, 2, 3][..]),
            ("meta.resourceType eq \"User\"", &[0, 1]),
            ("meta.resourceType eq \"Group\"", &[2, 3]),
            ("displayName eq \"TEAM\"", &[0, 2]),
            // What a kind does not have has no value there.
            ("userName eq \"ada\" or displayName eq \"empty\"", &[1, 3]),
            ("userName pr", &[0, 1]),
            ("not (userName pr)", &[2, 3]),
            ("userName ne \"ada\"", &[0, 2, 3]),
            ("members pr", &[2]),
            ("groups.display eq \"team\"", &[0]),
            ("members[value pr]", &[2]),
            (&format!("{ENTERPRISE}:department eq \"law\""), &[1]),
            ("nonsense pr", &[]),
            ("nonsense eq null", &[0, 1, 2, 3]),
        ] {
            let wanted: Vec<&String> = wanted.iter().map(|at| &ids[*at]).collect();
            let list = scim.get(&filtered("/", filter)).await.expect(200);
            assert_eq!(names(&list, "id").iter().collect::<Vec<_>>(), wanted, "{filter}");
            assert_eq!(list.body["totalResults"], wanted.len(), "{filter}");
            let found = scim.post("/.search", &search(json!({ "filter": filter }))).await.expect(200);
            assert_eq!(found.body, list.body, "{filter}");
        }
        // Resources look as they do one by one.
        let list = scim.get("").await.expect(200);
        for (at, path) in ["/Users", "/Users", "/Groups", "/Groups"].into_iter().enumerate() {
            let one = scim.get(&format!("{path}/{}", ids[at])).await.expect(200);
            assert_eq!(list.body["Resources"][at], one.body);
        }
        refused(&scim.get(&filtered("/", "active gt true")).await, 400, "invalidFilter");
    }

    async fn l01_l04_l13_pages_at_the_root_are_parts_of_one_list(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        for name in ["b", "a", "c"] {
            make_user(scim, name).await;
        }
        for name in ["d", "a"] {
            make_group(scim, name, &[]).await;
        }
        for list in ["/?", "/?sortBy=displayName&", "/?sortBy=userName&sortOrder=descending&", "/?sortBy=meta.created&"] {
            let whole = names(&scim.get(list).await.expect(200), "id");
            assert_eq!(whole.len(), 5, "{list}");
            for count in 1..6 {
                let mut pages = Vec::new();
                for start in (1..7).step_by(count) {
                    let page = scim.get(&format!("{list}startIndex={start}&count={count}")).await.expect(200);
                    assert_eq!((&page.body["totalResults"], &page.body["startIndex"]), (&json!(5), &json!(start)));
                    pages.extend(names(&page, "id"));
                }
                assert_eq!(pages, whole, "{list} {count}");
            }
            let counted = scim.get(&format!("{list}count=0")).await.expect(200);
            assert_eq!((&counted.body["totalResults"], &counted.body["Resources"]), (&json!(5), &json!([])));
        }
        let beyond = scim.get("/?startIndex=900000").await.expect(200);
        assert_eq!((&beyond.body["totalResults"], &beyond.body["Resources"]), (&json!(5), &json!([])));
    }

    async fn l13_a_sorted_list_of_all_kinds_has_an_end_by_index_and_none_by_cursor(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let mut writer = world.app.store.write(tenant.id).await.unwrap();
        let now = world.app.clock.now();
        for number in 0..MAX_MERGED + 5 {
            let display = format!("{number:04}");
            let new = NewGroup {
                display: display.clone(),
                display_key: display.clone(),
                external_id: None,
                scim: json!({ "displayName": display }),
                search: json!({ "displayName": display }),
            };
            writer.insert_group(tenant.directory, GroupId::new(now), &new, now).await.unwrap();
        }
        writer.commit().await.unwrap();
        let list = |rest: &str| format!("/?sortBy=displayName&count=10&{rest}");
        let last = tenant.scim.get(&list("startIndex=991")).await.expect(200);
        assert_eq!((names(&last, "displayName")[9].as_str(), &last.body["totalResults"]), ("0999", &json!(MAX_MERGED + 5)));
        refused(&tenant.scim.get(&list("startIndex=992")).await, 400, "tooMany");
        // Beyond the end there is nothing to read (L02), one kind has no such end, and without sortBy there is none.
        assert_eq!(names(&tenant.scim.get(&list("startIndex=2000")).await.expect(200), "id").len(), 0);
        for one in ["/Groups?sortBy=displayName&startIndex=1001", "/?startIndex=1001"] {
            assert_eq!(names(&tenant.scim.get(one).await.expect(200), "displayName").len(), 5, "{one}");
        }
        let mut cursor = String::new();
        let mut seen = 0;
        loop {
            let page = tenant.scim.get(&format!("/?sortBy=displayName&count=200&cursor={cursor}")).await.expect(200);
            seen += names(&page, "id").len() as u64;
            let Some(next) = page.body.get("nextCursor") else { break };
            next.as_str().unwrap().clone_into(&mut cursor);
        }
        assert_eq!(seen, MAX_MERGED + 5);
    }
}
