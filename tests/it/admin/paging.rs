//! Lists in pages, and how many requests somebody may make.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use vestibule::clock::Clock;
use vestibule::config::Api;

use super::{Office, account, noon, problem};
use crate::support::evil_idp::EvilIdp;
use crate::support::http::Browser;
use crate::support::world::{World, on_every_engine};

/// What of the entries of a page is of interest, and the rest of the address for the next one.
async fn page(office: &Office, browser: &mut Browser, path: &str, what: &str) -> (Vec<String>, Option<String>) {
    let answer = office.get(browser, path).await.expect(200).body;
    let items = answer["items"].as_array().unwrap().iter().map(|item| item[what].as_str().unwrap().to_owned()).collect();
    (items, answer["next"].as_str().map(|next| format!("after={next}")))
}

on_every_engine! {
    async fn lists_come_in_pages_that_go_on_from_a_place(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut anne = office.inside(&blue, "anne", "Cloud-Admins").await;
        let (first, next) = page(&office, &mut anne, "/accounts?limit=2", "path").await;
        assert_eq!(first, ["bluesky", "bluesky/apac"]);
        let emea = account(&office, &mut anne, "bluesky/emea").await;
        let apac = account(&office, &mut anne, "bluesky/apac").await;
        // What comes before and after the place meanwhile repeats and hides nothing.
        for (parent, slug) in [(&emea, "berlin"), (&apac, "Tokyo")] {
            let new = json!({ "parent": parent, "slug": slug.to_lowercase(), "name": slug });
            office.send(&mut anne, Method::POST, "/accounts", Some(&new)).await.expect(201);
        }
        let (second, rest) = page(&office, &mut anne, &format!("/accounts?limit=2&{}", next.unwrap()), "path").await;
        assert_eq!(second, ["bluesky/apac/tokyo", "bluesky/emea"]);
        let (third, end) = page(&office, &mut anne, &format!("/accounts?limit=2&{}", rest.unwrap()), "path").await;
        assert_eq!((third, end), (vec!["bluesky/emea/berlin".to_owned()], None));
        for (query, found) in [
            (format!("parent={emea}"), vec!["bluesky/emea/berlin"]),
            ("search=TOK".to_owned(), vec!["bluesky/apac/tokyo"]),
            ("search=e&limit=1".to_owned(), vec!["bluesky"]),
            (format!("search=e&parent={apac}"), vec![]),
        ] {
            assert_eq!(page(&office, &mut anne, &format!("/accounts?{query}"), "path").await.0, found, "{query}");
        }
        // Rules keep their order, also where one went at which a page ended.
        let new = |name: &str| json!({
            "name": name, "from": { "directory": blue.directory }, "within": emea, "when": "title pr",
            "grants": [{ "role": "technical", "account": emea }],
        });
        let (mut names, next) = page(&office, &mut anne, "/rules?limit=1", "name").await;
        let last = office.get(&mut anne, "/rules?limit=1").await.body["items"][0]["id"].as_str().unwrap().to_owned();
        office.send(&mut anne, Method::DELETE, &format!("/rules/{last}"), None).await.expect(204);
        office.send(&mut anne, Method::POST, "/rules", Some(&new("a late one"))).await.expect(201);
        let (rest, next) = page(&office, &mut anne, &format!("/rules?limit=5&{}", next.unwrap()), "name").await;
        names.extend(rest);
        assert_eq!((names, next), (["EMEA administrators", "Administrators", "Helpers", "a late one"].map(ToOwned::to_owned).to_vec(), None));
        assert_eq!(page(&office, &mut anne, "/directories?limit=1", "slug").await, (vec!["directory".to_owned()], None));
        assert_eq!(page(&office, &mut anne, "/clients?limit=1", "id").await, (vec![], None));
        for path in ["/accounts", "/rules", "/clients", "/directories"] {
            for query in ["limit=0", "after=x", "order=name", "after=ImEi&after=ImEi"] {
                problem(&office.get(&mut anne, &format!("{path}?{query}")).await, 400, "invalid-request");
            }
        }
        problem(&office.get(&mut anne, "/accounts?parent=emea").await, 400, "invalid-request");
    }

    async fn an_administrator_who_asks_too_fast_is_told_how_many_seconds_to_wait(engine) {
        let clock = Clock::fixed(noon());
        let world = World::with(engine, clock.clone(), |settings| settings.api = Api { requests_per_second: 2, burst: 5, ..Api::default() }).await;
        let office = Office { idp: EvilIdp::start(noon()).await, world, clock: clock.clone() };
        let blue = office.tenant("bluesky", "strict").await;
        let mut anne = office.inside(&blue, "anne", "Cloud-Admins").await;
        // Another session of the same login.
        let mut again = Browser::new();
        again.follow(&office.world.sign_in(&blue), None).await.expect(200, "Your accounts");
        let mut hank = office.inside(&blue, "hank", "Cloud-Admins").await;
        for number in 0..5 {
            office.get(if number % 2 == 0 { &mut anne } else { &mut again }, "/permissions").await.expect(200);
        }
        let question = json!({ "evaluations": [] });
        for browser in [&mut anne, &mut again] {
            let answer = office.get(browser, "/permissions.csv").await;
            problem(&answer, 429, "too-many-requests");
            assert_eq!(answer.headers["retry-after"], "1");
            let url = format!("{}/access/v1/evaluations", office.world.base);
            assert_eq!(office.send_to(browser, Method::POST, &url, Some(&question)).await.status, 429);
        }
        // Nobody else pays for it, pages do not count, and after a second two more are let through.
        office.get(&mut hank, "/accounts").await.expect(200);
        anne.visit(&format!("{}/me", office.world.base)).await.expect(200, "anne");
        clock.advance(TimeDelta::seconds(1));
        let statuses: Vec<Value> = [office.get(&mut anne, "/accounts").await, office.get(&mut again, "/accounts").await, office.get(&mut anne, "/accounts").await]
            .map(|answer| answer.status.into()).to_vec();
        assert_eq!(statuses, [200, 200, 429]);
    }
}
