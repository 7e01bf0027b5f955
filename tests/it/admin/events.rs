//! The audit trail, as those who may audit read it.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use vestibule::clock::Clock;
use vestibule::directory::chain::{Fault, verify};
use vestibule::model::{HolderId, PersonId, Slot};
use vestibule::store::Engine;
use vestibule::work::sealing;

use super::{Office, noon, problem};
use crate::support::http::Browser;
use crate::support::sql;
use crate::support::world::{Tenant, on_every_engine};

/// The id of the account of a path.
async fn account(office: &Office, browser: &mut Browser, path: &str) -> String {
    let list = office.get(browser, "/accounts").await.expect(200).body;
    let found = list["items"].as_array().unwrap().iter().find(|item| item["path"] == path);
    found.unwrap_or_else(|| panic!("{path} is not among {list}"))["id"].as_str().unwrap().to_owned()
}

async fn person(tenant: &Tenant, name: &str) -> String {
    tenant.scim.post("/Users", &json!({ "userName": name, "externalId": name })).await.expect(201).id()
}

async fn give(office: &Office, browser: &mut Browser, account: &str, login: &str) {
    let body = json!({ "login": login, "role": "support", "reason": "asked for" });
    office.send(browser, Method::POST, &format!("/accounts/{account}/assignments"), Some(&body)).await.expect(201);
}

/// The items of a list.
async fn items(office: &Office, browser: &mut Browser, query: &str) -> Vec<Value> {
    office.get(browser, &format!("/events{query}")).await.expect(200).body["items"].as_array().unwrap().clone()
}

fn kinds(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["kind"].as_str().unwrap()).collect()
}

on_every_engine! {
    async fn an_act_is_found_with_who_did_it_by_which_login_to_what_and_why(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let emea = account(&office, &mut root, "bluesky/emea").await;
        let (joe, eve) = (person(&blue, "joe").await, person(&blue, "eve").await);
        give(&office, &mut root, &emea, &joe).await;
        give(&office, &mut root, &emea, &eve).await;
        let given = items(&office, &mut root, &format!("?kind=assignment.given&target={joe}")).await;
        let [event] = given.as_slice() else { panic!("{given:#?}") };
        let anne = event["actor"]["login"].as_str().unwrap();
        assert_eq!(event["actor"], json!({ "kind": "login", "login": anne }));
        assert_eq!((&event["target"], &event["account"]), (&json!(joe), &json!({ "id": emea, "path": "bluesky/emea" })));
        assert_eq!((&event["details"]["before"], &event["details"]["after"]["role"]), (&json!([]), &json!("support")));
        assert_eq!(event["values"], json!({ "reason": "asked for" }));
        // Each filter finds it, and with another value does not.
        let request = event["request_id"].as_str().unwrap();
        for (filter, found) in [
            (format!("actor={anne}"), true),
            (format!("actor={joe}"), false),
            (format!("request_id={request}"), true),
            (format!("request_id={}", "0".repeat(8)), false),
            (format!("target={eve}"), false),
            ("kind=assignment.taken".to_owned(), false),
            ("from=2027-01-15T08:00:00Z&to=2027-01-15T08:00:01Z".to_owned(), true),
            ("to=2027-01-15T08:00:00Z".to_owned(), false),
            ("from=2027-01-15T08:00:00.000001Z".to_owned(), false),
        ] {
            let items = items(&office, &mut root, &format!("?limit=200&{filter}")).await;
            assert_eq!(items.contains(event), found, "{filter}: {items:#?}");
        }
        // Who is no login is found too.
        for (actor, kind) in [(blue.directory.to_string(), "directory"), (blue.connection.to_string(), "connection"), ("operator".to_owned(), "operator")] {
            let items = items(&office, &mut root, &format!("?limit=200&actor={actor}")).await;
            assert!(!items.is_empty() && items.iter().all(|item| item["actor"]["kind"] == kind), "{actor}: {items:#?}");
        }
        assert!(items(&office, &mut root, "?actor=system").await.iter().all(|item| item["actor"]["kind"] == "system"));
        for bad in ["?kind=none", "?since=1", "?limit=0", "?actor=anne", "?after=x"] {
            problem(&office.get(&mut root, &format!("/events{bad}")).await, 400, "invalid-request");
        }
    }

    async fn pages_go_on_and_hold_each_event_once(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let mut child = office.inside(&blue, "emil", "Cloud-EMEA-Admins").await;
        let emea = account(&office, &mut root, "bluesky/emea").await;
        for name in ["joe", "eve", "tom", "kim", "pat"] {
            let login = person(&blue, name).await;
            give(&office, &mut root, &emea, &login).await;
        }
        for (name, mut browser) in [("root", root.clone()), ("child", child.clone())] {
            let all = items(&office, &mut browser, "?limit=200").await;
            assert!(all.len() >= 5, "{all:#?}");
            assert!(all.windows(2).all(|pair| (pair[0]["at"].as_str(), pair[0]["id"].as_str()) > (pair[1]["at"].as_str(), pair[1]["id"].as_str())));
            let (mut paged, mut query) = (Vec::new(), "?limit=2".to_owned());
            loop {
                let page = office.get(&mut browser, &format!("/events{query}")).await.expect(200).body;
                paged.extend(page["items"].as_array().unwrap().clone());
                let Some(next) = page["next"].as_str() else { break };
                // What is added meanwhile is newer than every page to come.
                give(&office, &mut root, &emea, &person(&blue, &format!("{name}-{}", paged.len())).await).await;
                query = format!("?limit=2&after={next}");
            }
            assert_eq!(paged, all);
        }
        let filtered = items(&office, &mut child, "?kind=assignment.given&limit=3").await;
        assert_eq!(kinds(&filtered), ["assignment.given"; 3]);
    }

    async fn whoever_audits_a_subtree_sees_what_was_about_it_and_nobody_sees_another_tenant(engine) {
        let office = Office::new(engine).await;
        let (blue, red) = (office.tenant("bluesky", "entra").await, office.tenant("redsky", "entra").await);
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let mut child = office.inside(&blue, "emil", "Cloud-EMEA-Admins").await;
        let mut helper = office.inside(&blue, "hugo", "Cloud-Helpers").await;
        let mut foreign = office.inside(&red, "rita", "Cloud-Admins").await;
        let emea = account(&office, &mut root, "bluesky/emea").await;
        let apac = account(&office, &mut root, "bluesky/apac").await;
        let berlin = json!({ "parent": emea, "slug": "berlin", "name": "Berlin" });
        let berlin = office.send(&mut root, Method::POST, "/accounts", Some(&berlin)).await.expect(201).id();
        let joe = person(&blue, "joe").await;
        for account in [&emea, &apac, &berlin] {
            give(&office, &mut root, account, &joe).await;
        }
        let paths = |items: &[Value]| -> Vec<String> {
            items.iter().map(|item| item["account"]["path"].as_str().unwrap_or("-").to_owned()).collect()
        };
        let given = "?kind=assignment.given&limit=200";
        assert_eq!(paths(&items(&office, &mut root, given).await), ["bluesky/emea/berlin", "bluesky/apac", "bluesky/emea"]);
        assert_eq!(paths(&items(&office, &mut child, given).await), ["bluesky/emea/berlin", "bluesky/emea"]);
        assert_eq!(items(&office, &mut child, &format!("?target={joe}")).await.len(), 2);
        // The whole tenant's own, and what the directory at the root does, are the root's.
        let all = items(&office, &mut root, "?limit=200").await;
        for kind in ["tenant.created", "login.created", "session.signed_in", "roles.changed", "token.issued", "connection.created"] {
            assert!(kinds(&all).contains(&kind), "{kind}: {:?}", kinds(&all));
        }
        let at_the_root = |kind: &str| all.iter().filter(|item| item["kind"] == kind).all(|item| item["account"]["path"] == "bluesky");
        for kind in ["login.created", "session.signed_in", "roles.changed", "group.created", "token.issued", "connection.created", "directory.created"] {
            assert!(at_the_root(kind), "{kind}: {all:#?}");
        }
        let theirs = items(&office, &mut child, "?limit=200").await;
        assert!(paths(&theirs).iter().all(|path| path.starts_with("bluesky/emea")), "{theirs:#?}");
        // Of what another tenant has, there is nothing, whatever is asked.
        let abroad = items(&office, &mut foreign, "?limit=200").await;
        assert!(paths(&abroad).iter().all(|path| path == "-" || path.starts_with("redsky")), "{abroad:#?}");
        assert_eq!(items(&office, &mut foreign, &format!("?target={joe}")).await, Vec::<Value>::new());
        let place = office.get(&mut root, "/events?limit=1").await.expect(200).body["next"].as_str().unwrap().to_owned();
        assert!(paths(&items(&office, &mut foreign, &format!("?after={place}")).await).iter().all(|path| !path.starts_with("bluesky")));
        // Who may not audit, and who is nobody.
        problem(&office.get(&mut helper, "/events").await, 401, "unauthenticated");
        problem(&office.get(&mut Browser::new(), "/events").await, 401, "unauthenticated");
        problem(&office.token(&blue, "log").await.get("/events").await, 403, "forbidden");
    }

    async fn the_extract_says_who_may_do_what_where_and_why(engine) {
        let office = Office::new(engine).await;
        let (blue, red) = (office.tenant("bluesky", "entra").await, office.tenant("redsky", "entra").await);
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let mut child = office.inside(&blue, "emil", "Cloud-EMEA-Admins").await;
        let mut foreign = office.inside(&red, "rita", "Cloud-Admins").await;
        let emea = account(&office, &mut root, "bluesky/emea").await;
        let apac = account(&office, &mut root, "bluesky/apac").await;
        let formula = "=cmd|' /c calc'!A1,\"";
        let (joe, eve) = (person(&blue, formula).await, person(&blue, "eve").await);
        person(&blue, "nobody").await;
        give(&office, &mut root, &emea, &joe).await;
        give(&office, &mut root, &apac, &eve).await;
        let told = |lines: &[Value]| -> Vec<String> {
            let text = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
            let one = |line: &Value| {
                let [name, account, role, source] = ["user_name", "account", "role", "source"].map(|name| text(line, name));
                format!("{name} {account} {role} {source} from {} {}", text(line, "given_at"), line["counts"])
            };
            lines.iter().map(one).collect()
        };
        let lines = office.get(&mut root, "/permissions").await.expect(200).body;
        let anne = |account: &str| format!("anne {account} administrator rule from bluesky true");
        let emil = "emil bluesky/emea administrator rule from bluesky/emea true".to_owned();
        let joes = format!("{formula} bluesky/emea support manual from bluesky/emea true");
        let eves = "eve bluesky/apac support manual from bluesky/apac true".to_owned();
        let mut all = told(lines["items"].as_array().unwrap());
        all.sort();
        let mut expected = vec![anne("bluesky"), anne("bluesky/apac"), anne("bluesky/emea"), emil.clone(), eves.clone(), joes.clone()];
        expected.sort();
        assert_eq!(all, expected);
        let first = &lines["items"][0];
        assert_eq!((&first["cause"], &first["shadowed_by"], &lines["next"]), (&json!("Administrators"), &Value::Null, &Value::Null));
        // Pages of one login each hold the same.
        let (mut paged, mut query) = (Vec::new(), "?limit=1".to_owned());
        loop {
            let page = office.get(&mut root, &format!("/permissions{query}")).await.expect(200).body;
            paged.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next"].as_str() else { break };
            query = format!("?limit=1&after={next}");
        }
        assert_eq!(json!(paged), lines["items"]);
        // Who audits a subtree sees what counts in it, also what comes from above; and nobody sees another tenant.
        let theirs = office.get(&mut child, "/permissions").await.expect(200).body;
        let mut theirs = told(theirs["items"].as_array().unwrap());
        theirs.sort();
        let mut expected = vec![anne("bluesky/emea"), emil, joes];
        expected.sort();
        assert_eq!(theirs, expected);
        let abroad = office.get(&mut foreign, "/permissions").await.expect(200).body;
        let abroad = told(abroad["items"].as_array().unwrap());
        assert!(abroad.len() == 3 && abroad.iter().all(|line| line.starts_with("rita redsky")), "{abroad:?}");
        // As CSV: one record a line, and no formula.
        let headers = [("sec-fetch-site", "same-origin")];
        let visit = root.send(Method::GET, &office.at("/permissions.csv"), &headers, None).await;
        assert_eq!((visit.status.as_u16(), visit.headers["content-type"].to_str().unwrap()), (200, "text/csv; charset=utf-8; header=present"));
        let records: Vec<_> = visit.body.split_terminator("\r\n").collect();
        assert_eq!(records.len(), 1 + all.len(), "{}", visit.body);
        assert!(records[0].starts_with("person,login,user_name,active,account,role,"), "{}", records[0]);
        assert!(visit.body.contains(",\"'=cmd|' /c calc'!A1,\"\"\",true,bluesky/emea,support,"), "{}", visit.body);
        // Somebody who leaves counts for nothing, and is still told of.
        blue.scim.patch(&format!("/Users/{eve}"), &json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{ "op": "replace", "path": "active", "value": false }],
        })).await.expect(200);
        let lines = office.get(&mut root, "/permissions").await.expect(200).body;
        let eves = lines["items"].as_array().unwrap().iter().find(|line| line["user_name"] == "eve").unwrap().clone();
        assert_eq!((&eves["active"], &eves["counts"]), (&json!(false), &json!(false)));
        // To take one is an act.
        let taken = items(&office, &mut root, "?kind=permissions.extracted&limit=200").await;
        let formats: Vec<_> = taken.iter().map(|item| (item["account"]["path"].as_str(), item["details"]["format"].as_str().unwrap())).collect();
        assert!(formats.contains(&(None, "csv")) && formats.contains(&(Some("bluesky/emea"), "json")), "{formats:?}");
        for path in ["/permissions?format=xml", "/permissions?after=x", "/permissions.csv?limit=1"] {
            problem(&office.get(&mut root, path).await, 400, "invalid-request");
        }
        let token = office.token(&blue, "log").await;
        for path in ["/permissions", "/permissions.csv"] {
            problem(&token.get(path).await, 403, "forbidden");
        }
    }

    async fn linked_logins_are_one_human_to_the_eraser_too(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let store = &office.world.app.store;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let emea = account(&office, &mut root, "bluesky/emea").await;
        let (joe, gsa) = (person(&blue, "joe").await, person(&blue, "joe.gsa").await);
        for login in [&joe, &gsa] {
            give(&office, &mut root, &emea, login).await;
        }
        let mut writer = store.write(blue.id).await.unwrap();
        let mut persons = Vec::new();
        for login in [&joe, &gsa] {
            persons.push(writer.any_login(login.parse().unwrap()).await.unwrap().unwrap().login.person_id);
        }
        writer.move_login(gsa.parse().unwrap(), persons[0], Slot::Two).await.unwrap();
        writer.merge_person(persons[1], persons[0], noon()).await.unwrap();
        assert_eq!(writer.merged_persons(persons[0]).await.unwrap(), [persons[1]]);
        assert_eq!(writer.merged_persons(persons[1]).await.unwrap(), []);
        writer.commit().await.unwrap();
        let path = |person: PersonId| format!("/persons/{person}/values");
        // One of the two has left: the human has not, by whichever of the names.
        blue.scim.delete(&format!("/Users/{joe}")).await.expect(204);
        for person in &persons {
            problem(&office.send(&mut root, Method::DELETE, &path(*person), None).await, 409, "conflict");
        }
        blue.scim.delete(&format!("/Users/{gsa}")).await.expect(204);
        assert_eq!(sql::number(&office.world.database.url, "select count(*) from person_keys").await, 2);
        office.send(&mut root, Method::DELETE, &path(persons[1]), None).await.expect(204);
        assert_eq!(sql::number(&office.world.database.url, "select count(*) from person_keys").await, 0);
        assert_eq!(items(&office, &mut root, "?kind=person.key_erased").await.len(), 2);
    }

    async fn a_reason_is_erased_with_the_key_of_the_person_and_the_chain_stays_whole(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let store = &office.world.app.store;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let emea = account(&office, &mut root, "bluesky/emea").await;
        let apac = account(&office, &mut root, "bluesky/apac").await;
        let (joe, eve) = (person(&blue, "joe").await, person(&blue, "eve").await);
        give(&office, &mut root, &emea, &joe).await;
        give(&office, &mut root, &emea, &eve).await;
        let given = items(&office, &mut root, &format!("?kind=assignment.given&target={joe}")).await;
        let assignment = given[0]["details"]["after"]["id"].as_str().unwrap();
        office.send(&mut root, Method::DELETE, &format!("/assignments/{assignment}?reason=left+us"), None).await.expect(204);
        let told = async |browser: &mut Browser, login: &str| -> Vec<Value> {
            let of = items(&office, browser, &format!("?target={login}&limit=200")).await;
            of.iter().filter(|item| item["kind"].as_str().unwrap().starts_with("assignment.")).map(|item| item["values"].clone()).collect()
        };
        assert_eq!(told(&mut root, &joe).await, [json!({ "reason": "left us" }), json!({ "reason": "asked for" })]);
        // In the database there is no word of it.
        let url = &office.world.database.url;
        let (details, sealed) = match engine {
            Engine::Postgres => ("details::text", "position(convert_to('asked for', 'UTF8') in sealed) > 0"),
            Engine::Sqlite => ("details", "instr(sealed, cast('asked for' as blob)) > 0"),
        };
        let details = sql::texts(url, &format!("select {details} from events where kind like 'assignment.%'")).await;
        assert!(details.len() == 3 && details.iter().all(|text| !text.contains("asked for") && !text.contains("left us")), "{details:?}");
        assert_eq!(sql::number(url, "select count(*) from event_values").await, 3);
        assert_eq!(sql::number(url, &format!("select count(*) from event_values where {sealed}")).await, 0);
        let clock = Clock::fixed(office.clock.now() + TimeDelta::hours(1));
        sealing::seal(store, &clock, HolderId::new(noon()), TimeDelta::days(1)).await.unwrap();
        let person_id: PersonId = given[0]["details"]["person"].as_str().unwrap().parse().unwrap();
        // Only of somebody who has left, by who looks after the whole tenant and may audit it.
        let path = format!("/persons/{person_id}/values");
        let mut child = office.inside(&blue, "emil", "Cloud-EMEA-Admins").await;
        let mut foreign = office.inside(&office.tenant("redsky", "entra").await, "rita", "Cloud-Admins").await;
        problem(&office.send(&mut root, Method::DELETE, &path, None).await, 409, "conflict");
        blue.scim.delete(&format!("/Users/{joe}")).await.expect(204);
        for browser in [&mut child, &mut foreign] {
            problem(&office.send(browser, Method::DELETE, &path, None).await, 404, "not-found");
        }
        for nobody in ["joe", "01900000-0000-7000-8000-000000000000"] {
            problem(&office.send(&mut root, Method::DELETE, &format!("/persons/{nobody}/values"), None).await, 404, "not-found");
        }
        assert_eq!(told(&mut root, &joe).await, [json!({ "reason": "left us" }), json!({ "reason": "asked for" })]);
        office.send(&mut root, Method::DELETE, &path, None).await.expect(204);
        office.send(&mut root, Method::DELETE, &path, None).await.expect(204);
        assert_eq!(told(&mut root, &joe).await, [json!("erased"), json!("erased")]);
        assert_eq!(told(&mut root, &eve).await, [json!({ "reason": "asked for" })]);
        let erased = items(&office, &mut root, "?kind=person.key_erased").await;
        assert_eq!((erased.len(), &erased[0]["target"], &erased[0]["actor"]["kind"]), (1, &json!(person_id), &json!("login")), "once");
        give(&office, &mut root, &apac, &eve).await;
        sealing::seal(store, &clock, HolderId::new(noon()), TimeDelta::days(1)).await.unwrap();
        let clock = Clock::fixed(office.clock.now() + TimeDelta::hours(2));
        sealing::seal(store, &clock, HolderId::new(noon()), TimeDelta::days(1)).await.unwrap();
        let verdict = verify(store, blue.id).await.unwrap();
        assert_eq!((verdict.broken, verdict.unsealed), (None, 0));
        // Values that were taken away or exchanged are seen.
        sql::change(url, &format!("update event_values set sealed = (select o.digest from event_seals o order by o.position limit 1) where person_id = {}", quoted(engine, &person_id.to_string()))).await;
        assert_eq!(verify(store, blue.id).await.unwrap().broken.unwrap().fault, Fault::ValuesChanged);
        sql::change(url, "delete from event_values").await;
        assert_eq!(verify(store, blue.id).await.unwrap().broken.unwrap().fault, Fault::ValuesMissing);
    }
}

/// An id in a statement of an engine.
fn quoted(engine: Engine, id: &str) -> String {
    match engine {
        Engine::Postgres => format!("'{id}'"),
        Engine::Sqlite => format!("x'{}'", id.replace('-', "")),
    }
}
