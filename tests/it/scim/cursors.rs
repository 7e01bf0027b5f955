//! Pages by cursor (RFC 9865).

use chrono::TimeDelta;
use serde_json::{Value, json};
use vestibule::clock::Clock;
use vestibule::model::Scope;

use super::search::SEARCH_REQUEST;
use super::tokens::{issue, tokens};
use super::{directory, filtered, group, make_group, make_user, names, operations, refused, user};
use crate::support::http::{Answer, Scim};
use crate::support::world::{World, on_every_engine};

/// The cursor of the next page.
fn next(list: &Answer) -> Option<String> {
    let next = list.body.get("nextCursor")?.as_str().unwrap().to_owned();
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    assert!(!next.is_empty() && next.bytes().all(is_unreserved), "{next}");
    Some(next)
}

/// All pages of a run: the values of an attribute on each.
async fn run(scim: &Scim, list: &str, attribute: &str) -> Vec<Vec<String>> {
    let join = if list.contains('?') { '&' } else { '?' };
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = scim.get(&format!("{list}{join}cursor={cursor}")).await.expect(200);
        assert_eq!(page.body.get("startIndex"), None);
        assert_eq!(page.body.get("previousCursor"), None);
        pages.push(names(&page, attribute));
        match next(&page) {
            Some(next) => cursor = next,
            None => return pages,
        }
        assert!(pages.len() < 100, "the run does not end");
    }
}

on_every_engine! {
    async fn l07_every_page_but_the_last_has_the_cursor_of_the_next(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        for begin in ["cursor", "cursor="] {
            let list = scim.get(&format!("/Users?{begin}&count=2")).await.expect(200);
            assert_eq!((next(&list), &list.body["totalResults"], &list.body["Resources"]), (None, &json!(0), &json!([])));
        }
        let mut made = Vec::new();
        for number in 0..5 {
            made.push(make_user(scim, &format!("user{number}")).await);
        }
        let pages = run(scim, "/Users?count=2", "id").await;
        assert_eq!(pages, [&made[..2], &made[2..4], &made[4..]]);
        // A page that is full and the last has no cursor either.
        assert_eq!(run(scim, "/Users?count=5", "id").await, [&made[..]]);
        assert_eq!(run(scim, "/Users", "id").await, [&made[..]]);
        assert_eq!(run(scim, "/Users?count=1000", "id").await, [&made[..]]);
        let counted = scim.get("/Users?cursor&count=0").await.expect(200);
        assert_eq!((next(&counted), &counted.body["totalResults"]), (None, &json!(5)));
        assert_eq!((&counted.body["itemsPerPage"], &counted.body["Resources"]), (&json!(0), &json!([])));
    }

    async fn l07_l11_runs_keep_every_order(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        for (number, title) in ["b", "", "a", "B", "", "c", "a"].into_iter().enumerate() {
            let mut body = user(&format!("User{number}"));
            if !title.is_empty() {
                body["title"] = json!(title);
                body["externalId"] = json!(title);
                body["emails"] = json!([{ "value": format!("{title}@x.example"), "primary": number % 2 == 0 }]);
            }
            body["active"] = json!(number % 3 != 0);
            tenant.scim.post("/Users", &body).await.expect(201);
        }
        for by in ["userName", "externalId", "title", "emails.value", "emails.primary", "active", "meta.created", "meta.version", "id", "meta.resourceType"] {
            for order in ["ascending", "descending"] {
                let list = format!("/Users?sortBy={by}&sortOrder={order}");
                let whole = names(&tenant.scim.get(&list).await.expect(200), "id");
                assert_eq!(whole.len(), 7);
                for count in 1..4 {
                    let pages = run(&tenant.scim, &format!("{list}&count={count}"), "id").await;
                    assert_eq!(pages.concat(), whole, "{by} {order} {count}");
                }
            }
        }
    }

    async fn l11_writes_between_pages_neither_repeat_nor_skip(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        for name in ["b", "d", "f", "h", "j"] {
            make_user(scim, name).await;
        }
        let list = "/Users?sortBy=userName&count=2";
        let first = scim.get(&format!("{list}&cursor")).await.expect(200);
        assert_eq!(names(&first, "userName"), ["b", "d"]);
        // Before the place: one goes, which moves every index, and two come. After it: one comes. The last that was shown goes too.
        for gone in names(&first, "id") {
            scim.delete(&format!("/Users/{gone}")).await.expect(204);
        }
        for name in ["a", "c", "e"] {
            make_user(scim, name).await;
        }
        let second = scim.get(&format!("{list}&cursor={}", next(&first).unwrap())).await.expect(200);
        assert_eq!(names(&second, "userName"), ["e", "f"]);
        let third = scim.get(&format!("{list}&cursor={}", next(&second).unwrap())).await.expect(200);
        assert_eq!((names(&third, "userName"), next(&third)), (vec!["h".to_owned(), "j".to_owned()], None));
        // What was counted when the run began is told on each of its pages.
        for page in [&first, &second, &third] {
            assert_eq!(page.body["totalResults"], 5);
        }
        // A cursor is no session: the same page can be asked for again.
        let again = scim.get(&format!("{list}&cursor={}", next(&first).unwrap())).await.expect(200);
        assert_eq!(names(&again, "userName"), ["e", "f"]);
    }

    async fn l03_l08_a_run_is_one_query(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        for name in ["a", "b", "c"] {
            make_user(scim, name).await;
            make_group(scim, name, &[]).await;
        }
        let begun = format!("{}&sortBy=userName&count=1", filtered("/Users", "userName pr"));
        let cursor = next(&scim.get(&format!("{begun}&cursor")).await.expect(200)).unwrap();
        let with = |list: &str| format!("{list}&cursor={cursor}");
        // What is shown may change, and the count need not be said again.
        let other = scim.get(&with(&format!("{begun}&attributes=userName"))).await.expect(200);
        assert_eq!(names(&other, "userName"), ["b"]);
        let same = scim.get(&with(&format!("{}&sortBy=userName", filtered("/Users", "userName pr")))).await.expect(200);
        assert_eq!(names(&same, "userName"), ["b"]);
        for (list, scim_type) in [
            (format!("{}&sortBy=userName&count=2", filtered("/Users", "userName pr")), "invalidCount"),
            (format!("{}&sortBy=userName&count=x", filtered("/Users", "userName pr")), "invalidCount"),
            (format!("{}&sortBy=userName&count=1", filtered("/Users", "userName eq \"a\"")), "invalidCursor"),
            (format!("{}&sortBy=title&count=1", filtered("/Users", "userName pr")), "invalidCursor"),
            (format!("{begun}&sortOrder=descending"), "invalidCursor"),
            ("/Users?count=1".to_owned(), "invalidCursor"),
            ("/Groups?count=1".to_owned(), "invalidCursor"),
            ("/?count=1".to_owned(), "invalidCursor"),
        ] {
            refused(&scim.get(&with(&list)).await, 400, scim_type);
        }
        for forged in ["x", "AAAA", &cursor[1..], &format!("{cursor}A"), &cursor.replacen(&cursor[40..41], if &cursor[40..41] == "A" { "B" } else { "A" }, 1)] {
            refused(&scim.get(&format!("{begun}&cursor={forged}")).await, 400, "invalidCursor");
        }
        refused(&scim.get(&format!("{}&startIndex=1", with(&begun))).await, 400, "invalidValue");
        refused(&scim.get("/Users?cursor&startIndex=1").await, 400, "invalidValue");
    }

    async fn l08_l09_a_cursor_is_of_its_token(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        for name in ["a", "b"] {
            make_user(&tenant.scim, name).await;
        }
        let mine = issue(&world, &tenant, "mine", &[Scope::ScimRead], None).await;
        let cursor = next(&mine.scim.get("/Users?cursor&count=1").await.expect(200)).unwrap();
        let list = format!("/Users?count=1&cursor={cursor}");
        refused(&tenant.scim.get(&list).await, 400, "invalidCursor");
        let other = world.tenant("redsky", "strict", "http://127.0.0.1:1").await;
        refused(&other.scim.get(&list).await, 400, "invalidCursor");
        assert_eq!(names(&mine.scim.get(&list).await.expect(200), "userName"), ["b"]);
        // Each page is answered to a token that is good when it is asked for.
        tokens(&world, &tenant).revoke(mine.id).await.unwrap();
        refused(&mine.scim.get(&list).await, 401, "");
    }

    async fn l08_d02_a_cursor_lives_as_long_as_is_announced(engine) {
        let clock = Clock::fixed("2026-01-31T12:00:00Z".parse().unwrap());
        let world = World::with_clock(engine, clock.clone()).await;
        let tenant = world.tenant("bluesky", "strict", "http://127.0.0.1:1").await;
        let config = tenant.scim.get("/ServiceProviderConfig").await.expect(200).body;
        let timeout = config["pagination"]["cursorTimeout"].as_i64().unwrap();
        for name in ["a", "b", "c"] {
            make_user(&tenant.scim, name).await;
        }
        let first = next(&tenant.scim.get("/Users?cursor&count=1").await.expect(200)).unwrap();
        clock.advance(TimeDelta::seconds(timeout));
        let second = tenant.scim.get(&format!("/Users?count=1&cursor={first}")).await.expect(200);
        clock.advance(TimeDelta::seconds(1));
        refused(&tenant.scim.get(&format!("/Users?count=1&cursor={first}")).await, 400, "expiredCursor");
        // Each page begins the time anew.
        let third = tenant.scim.get(&format!("/Users?count=1&cursor={}", next(&second).unwrap())).await.expect(200);
        assert_eq!((names(&third, "userName"), next(&third)), (vec!["c".to_owned()], None));
    }

    async fn l13_a_run_at_the_root_goes_through_all_kinds(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        let mut ids = Vec::new();
        for name in ["b", "a", "c"] {
            let body = json!({ "schemas": user("")["schemas"], "userName": name, "displayName": name });
            ids.push(scim.post("/Users", &body).await.expect(201).id());
        }
        ids.push(make_user(scim, "nameless").await);
        for name in ["c", "a", "d"] {
            ids.push(scim.post("/Groups", &group(name, &[])).await.expect(201).id());
        }
        // A change gives the first one another version, and moves nobody.
        scim.patch(&format!("/Users/{}", ids[0]), &operations(json!([{"op": "add", "path": "title", "value": "x"}]))).await.expect(200);
        for count in 1..8 {
            let whole = run(scim, &format!("/?count={count}"), "id").await;
            assert_eq!(whole.concat(), ids, "{count}");
            assert_eq!(whole.len(), 7_usize.div_ceil(count), "{count}");
            for (by, order) in [("displayName", &[1, 5, 0, 2, 4, 6, 3][..]), ("meta.resourceType", &[4, 5, 6, 0, 1, 2, 3]), ("userName", &[1, 0, 2, 3, 4, 5, 6])] {
                let mut wanted: Vec<&String> = order.iter().map(|at| &ids[*at]).collect();
                let pages = run(scim, &format!("/?sortBy={by}&count={count}"), "id").await;
                assert_eq!(pages.concat().iter().collect::<Vec<_>>(), wanted, "{by} {count}");
                wanted.reverse();
                let pages = run(scim, &format!("/?sortBy={by}&sortOrder=descending&count={count}"), "id").await;
                assert_eq!(pages.concat().iter().collect::<Vec<_>>(), wanted, "{by} {count} descending");
            }
        }
    }

    async fn l12_a_search_pages_by_cursor_too(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        for name in ["a", "b", "c"] {
            make_user(&tenant.scim, name).await;
        }
        let mut body = json!({ "schemas": [SEARCH_REQUEST], "count": 2, "cursor": "" });
        let first = tenant.scim.post("/Users/.search", &body).await.expect(200);
        assert_eq!(names(&first, "userName"), ["a", "b"]);
        body["cursor"] = Value::String(next(&first).unwrap());
        let second = tenant.scim.post("/Users/.search", &body).await.expect(200);
        assert_eq!((names(&second, "userName"), next(&second)), (vec!["c".to_owned()], None));
        // It is the same run as by GET.
        let by_get = tenant.scim.get(&format!("/Users?count=2&cursor={}", next(&first).unwrap())).await.expect(200);
        assert_eq!(by_get.body, second.body);
        body["startIndex"] = json!(1);
        refused(&tenant.scim.post("/Users/.search", &body).await, 400, "invalidValue");
    }
}
