//! Lists: pages and their numbers.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{LIST_RESPONSE, directory, filtered, make_group, make_user, names, operations, refused};
use crate::support::http::Answer;
use crate::support::world::on_every_engine;

/// The numbers of a page: total, start, on this page.
fn numbers(list: &Answer) -> (u64, u64, u64) {
    let number = |name: &str| list.body[name].as_u64().unwrap_or_else(|| panic!("{name} of {}", list.body));
    assert_eq!(list.body["schemas"], json!([LIST_RESPONSE]));
    let (total, start, here) = (number("totalResults"), number("startIndex"), number("itemsPerPage"));
    assert_eq!(list.body["Resources"].as_array().map(Vec::len), usize::try_from(here).ok());
    (total, start, here)
}

on_every_engine! {
    async fn l01_l02_l03_pages_are_counted_and_clamped(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        for number in 0..5 {
            make_user(&tenant.scim, &format!("user{number}")).await;
        }
        for (parameters, wanted) in [
            ("", (5, 1, 5)),
            ("?startIndex=2&count=2", (5, 2, 2)),
            ("?startIndex=5&count=2", (5, 5, 1)),
            ("?startIndex=6", (5, 6, 0)),
            ("?startIndex=99999999999999999999", (5, i64::MAX.unsigned_abs(), 0)),
            ("?startIndex=0&count=1", (5, 1, 1)),
            ("?startIndex=-7&count=1", (5, 1, 1)),
            ("?count=0", (5, 1, 0)),
            ("?count=-3", (5, 1, 0)),
            ("?count=1000", (5, 1, 5)),
            ("?COUNT=2&StartIndex=4", (5, 4, 2)),
            ("?sortBy=userName&aadOptscim062020", (5, 1, 5)),
        ] {
            let list = tenant.scim.get(&format!("/Users{parameters}")).await.expect(200);
            assert_eq!(numbers(&list), wanted, "{parameters}");
        }
        for parameters in ["startIndex=x", "startIndex=1.5", "count=", "count=ten", "count=1&count=2"] {
            refused(&tenant.scim.get(&format!("/Users?{parameters}")).await, 400, "invalidValue");
        }
    }

    async fn l03_a_page_has_at_most_what_is_announced(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let config = tenant.scim.get("/ServiceProviderConfig").await.expect(200).body;
        let most = config["filter"]["maxResults"].as_u64().unwrap();
        let usual = config["pagination"]["defaultPageSize"].as_u64().unwrap();
        assert_eq!(config["pagination"]["maxPageSize"], most);
        for number in 0..=most {
            make_group(&tenant.scim, &format!("group{number}"), &[]).await;
        }
        assert_eq!(numbers(&tenant.scim.get("/Groups?count=100000").await), (most + 1, 1, most));
        assert_eq!(numbers(&tenant.scim.get("/Groups").await), (most + 1, 1, usual));
    }

    async fn l04_pages_neither_repeat_nor_leave_out(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let mut made = BTreeSet::new();
        for number in 0..7 {
            let id = make_user(&tenant.scim, &format!("user{number}")).await;
            // A change must not move anybody.
            if number % 2 == 0 {
                let patch = operations(json!([{"op": "add", "path": "title", "value": "x"}]));
                tenant.scim.patch(&format!("/Users/{id}"), &patch).await.expect(200);
            }
            made.insert(id);
        }
        let everything = names(&tenant.scim.get("/Users").await, "id");
        let mut pages = Vec::new();
        for start in [1, 4, 7] {
            pages.extend(names(&tenant.scim.get(&format!("/Users?startIndex={start}&count=3")).await, "id"));
        }
        assert_eq!(pages, everything);
        assert_eq!(pages.iter().cloned().collect::<BTreeSet<_>>(), made);
        assert_eq!(pages.len(), made.len());
        let titled = tenant.scim.get(&format!("{}&startIndex=2&count=2", filtered("/Users", "title pr"))).await;
        assert_eq!(numbers(&titled), (4, 2, 2));
    }

    async fn l01_lists_show_resources_as_they_are_read_one_by_one(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let joe = make_user(&tenant.scim, "joe").await;
        let team = make_group(&tenant.scim, "Team", &[&joe]).await;
        for (list, one) in [("/Users", format!("/Users/{joe}")), ("/Groups", format!("/Groups/{team}"))] {
            let list = tenant.scim.get(list).await.expect(200);
            let one = tenant.scim.get(&one).await.expect(200);
            assert_eq!(list.body["Resources"], Value::Array(vec![one.body]));
        }
    }
}
