//! People made, edited, deactivated and deleted by hand, and who may do that to whom.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use super::clients::{client, send};
use super::{Office, RULES, account, alike, problem};
use crate::support::http::{Answer, Browser};
use crate::support::sql;
use crate::support::world::{Tenant, describe, on_every_engine};

/// A machine that looks after people.
const TOOL: &str = r#"
[[tenant.client]]
client_id = "bluesky-tool"
name = "Tool"
scopes = ["people:write", "roles:write"]
secret = { value = "5f0e0b1c7a3d4c4f9a6e2b8d1f7c3a90" }
"#;
const NOWHERE: &str = "01900000-0000-7000-8000-000000000000";

/// Somebody of the customer's own identity provider, as an administrator writes them down.
fn byoi(tenant: &Tenant, account: &str, name: &str) -> Value {
    json!({
        "kind": "byoi", "account": account, "user_name": name, "given_name": name, "family_name": "Bloggs",
        "email": format!("{name}@Bluesky.example"), "awaits": { "connection": tenant.connection, "value": name },
    })
}

fn local(account: &str, name: &str) -> Value {
    json!({
        "kind": "local", "account": account, "user_name": name, "given_name": name, "family_name": "Bloggs",
        "email": format!("{name}@bluesky.example"), "phone_numbers": ["+441234567890"], "token_type": "sms",
    })
}

async fn make(office: &Office, browser: &mut Browser, person: &Value) -> Answer {
    office.send(browser, Method::POST, "/people", Some(person)).await
}

/// Makes somebody, and answers the id of the login.
async fn made(office: &Office, browser: &mut Browser, person: &Value) -> String {
    make(office, browser, person).await.expect(201).body["login"].as_str().unwrap().to_owned()
}

async fn act(office: &Office, browser: &mut Browser, what: &str) -> Answer {
    office.send(browser, Method::POST, what, Some(&json!({ "reason": "they asked" }))).await
}

async fn edit(office: &Office, browser: &mut Browser, login: &str, change: &Value) -> Answer {
    office.send(browser, Method::PATCH, &format!("/people/{login}"), Some(change)).await
}

/// Asks what the deletion of a login comes to.
async fn told(office: &Office, browser: &mut Browser, login: &str) -> Answer {
    office.send(browser, Method::POST, &format!("/people/{login}/deletion"), None).await
}

async fn delete(office: &Office, browser: &mut Browser, login: &str, told: &Value) -> Answer {
    let path = format!("/people/{login}?confirmation={}&reason=left", told["confirmation"].as_str().unwrap());
    office.send(browser, Method::DELETE, &path, None).await
}

async fn give(office: &Office, browser: &mut Browser, account: &str, login: &str, role: &str) {
    let body = json!({ "login": login, "role": role });
    office.send(browser, Method::POST, &format!("/accounts/{account}/assignments"), Some(&body)).await.expect(201);
}

/// Somebody comes in by the identity provider.
async fn enter(office: &Office, tenant: &Tenant, name: &str) -> Browser {
    office.idp.script().claims = json!({ "sub": name });
    let mut browser = Browser::new();
    browser.follow(&office.world.sign_in(tenant), None).await.expect(200, "");
    browser
}

/// The user names of a list, in its order.
async fn names(office: &Office, browser: &mut Browser, query: &str) -> Vec<String> {
    let list = office.get(browser, &format!("/people?{query}")).await.expect(200).body;
    list["items"].as_array().unwrap().iter().map(|item| item["user_name"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn refused(answer: &Answer, status: u16, words: &str) {
    let name = ["invalid-request", "forbidden", "not-found", "conflict"]
        [[400, 403, 404, 409].iter().position(|known| *known == status).unwrap()];
    problem(answer, status, name);
    assert!(answer.body["detail"].as_str().unwrap().contains(words), "{}", answer.body);
}

on_every_engine! {
    async fn somebody_is_made_by_hand_and_read_back(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let emea = account(&office, &mut root, "bluesky/emea").await;
        let answer = make(&office, &mut root, &byoi(&blue, &emea, "joe")).await.expect(201);
        assert_eq!(answer.headers["etag"], "\"1\"");
        let joe = answer.body;
        for (member, expected) in [
            ("kind", json!("byoi")), ("state", json!("pending")), ("user_name", json!("joe")), ("display_name", json!("joe Bloggs")),
            ("given_name", json!("joe")), ("email", json!("joe@Bluesky.example")), ("phone_numbers", json!([])), ("token_type", Value::Null),
            ("home", json!({ "id": emea, "path": "bluesky/emea" })), ("directory", Value::Null), ("connection", json!(blue.connection)),
            ("awaits", json!({ "claim": "sub", "value": "joe" })), ("signed_in_at", Value::Null), ("version", json!(1)),
        ] {
            assert_eq!(joe[member], expected, "{member}");
        }
        let path = format!("/people/{}", joe["login"].as_str().unwrap());
        assert_eq!(office.get(&mut root, &path).await.expect(200).body, joe);
        // A directory does not have it.
        let login = joe["login"].as_str().unwrap();
        assert_eq!(blue.scim.get(&format!("/Users/{login}")).await.status, 404);
        let mut eve = local(&emea, "eve");
        eve["invite"] = true.into();
        let eve = make(&office, &mut root, &eve).await.expect(201).body;
        assert_eq!((&eve["kind"], &eve["state"], &eve["token_type"]), (&json!("local"), &json!("invited"), &json!("sms")));
        assert_eq!((&eve["phone_numbers"], &eve["awaits"], &eve["connection"]), (&json!(["+441234567890"]), &Value::Null, &Value::Null));
        assert_ne!(joe["person"], eve["person"]);
        // The audit trail has it, with what is personal sealed beside it.
        let events = office.get(&mut root, &format!("/events?target={login}")).await.expect(200).body;
        let event = &events["items"][0];
        assert_eq!((&event["kind"], &event["account"]["path"], &event["details"]["by_hand"]), (&json!("login.created"), &json!("bluesky/emea"), &json!(true)));
        assert_eq!(event["values"]["after"], json!({
            "user_name": "joe", "given_name": "joe", "family_name": "Bloggs", "email": "joe@Bluesky.example", "awaits": "joe",
        }));
        assert!(!event["details"].to_string().contains("Bloggs"), "{event}");
    }

    async fn all_that_is_wrong_with_somebody_is_told_at_once(engine) {
        let office = Office::new(engine).await;
        let (blue, red) = (office.tenant("bluesky", "entra").await, office.tenant("redsky", "entra").await);
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let top = account(&office, &mut root, "bluesky").await;
        made(&office, &mut root, &byoi(&blue, &top, "joe")).await;
        made(&office, &mut root, &local(&top, "eve")).await;
        let with = |mut person: Value, member: &str, value: Value| {
            person[member] = value;
            person
        };
        let ann = || byoi(&blue, &top, "ann");
        for (person, status, words) in [
            (with(with(ann(), "user_name", json!("ann smith")), "email", json!("ann")), 400, "user_name: 1 to 100 characters, and none of them a space; email: an address"),
            (with(ann(), "token_type", json!("sms")), 400, "token_type: only a local login has it"),
            (with(ann(), "awaits", Value::Null), 400, "awaits: say with which connection"),
            (with(ann(), "awaits", json!({ "connection": red.connection, "value": "ann" })), 400, "no such connection"),
            (with(ann(), "awaits", json!({ "connection": blue.connection, "value": "ann@bluesky.example" })), 400, "an address names a mailbox"),
            (with(ann(), "user_name", json!("JOE")), 409, "user_name: another login of the connection"),
            (with(ann(), "reason", json!("x".repeat(1_001))), 400, "reason"),
            (with(ann(), "kind", json!("saml")), 400, "unknown variant `saml`"),
            (with(ann(), "role", json!("administrator")), 400, "unknown field"),
            (with(local(&top, "ann"), "user_name", json!("Eve")), 409, "user_name: another local login of the service"),
            (with(local(&top, "ann"), "awaits", ann()["awaits"].clone()), 400, "awaits: a local login"),
            (with(local(&top, "ann"), "phone_numbers", json!(["01234 567"])), 400, "phone_numbers: \"01234 567\" is not of the form"),
            (with(local(&top, "ann"), "mobile_type", json!("Android")), 400, "mobile_type: only a soft token"),
        ] {
            refused(&make(&office, &mut root, &person).await, status, words);
        }
        assert_eq!(names(&office, &mut root, "search=ann%40").await, Vec::<String>::new());
        // A local user name is one in the whole service.
        let mut rita = office.inside(&red, "rita", "Cloud-Admins").await;
        let theirs = account(&office, &mut rita, "redsky").await;
        refused(&make(&office, &mut rita, &local(&theirs, "EVE")).await, 409, "another local login of the service");
        // What another connection has is nobody's business.
        made(&office, &mut rita, &byoi(&red, &theirs, "joe")).await;
    }

    async fn only_who_looks_after_the_home_account_and_could_give_every_role_takes_a_login_away(engine) {
        let office = Office::new(engine).await;
        let (blue, red) = (office.tenant("bluesky", "entra").await, office.tenant("redsky", "entra").await);
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let mut child = office.inside(&blue, "emil", "Cloud-EMEA-Admins").await;
        let mut helper = office.inside(&blue, "hugo", "Cloud-Helpers").await;
        let foreign = office.inside(&red, "rita", "Cloud-Admins").await;
        let (top, emea, apac) =
            (account(&office, &mut root, "bluesky").await, account(&office, &mut root, "bluesky/emea").await, account(&office, &mut root, "bluesky/apac").await);
        let joe = made(&office, &mut child, &byoi(&blue, &emea, "joe")).await;
        // Nobody makes people where they do not look after them.
        for (by, at, status) in [(&child, &top, 404), (&child, &apac, 404), (&foreign, &emea, 404), (&root, &NOWHERE.to_owned(), 404)] {
            assert_eq!(make(&office, &mut by.clone(), &byoi(&blue, at, "eve")).await.status, status);
        }
        let mut answers = Vec::new();
        for (by, login) in [(&foreign, joe.as_str()), (&root, NOWHERE), (&root, "joe")] {
            for path in ["deactivate", "reactivate", "deletion", "invite"] {
                answers.push(alike(act(&office, &mut by.clone(), &format!("/people/{login}/{path}")).await));
            }
            answers.push(alike(edit(&office, &mut by.clone(), login, &json!({ "given_name": "x" })).await));
            answers.push(alike(office.get(&mut by.clone(), &format!("/people/{login}")).await));
            answers.push(alike(act(&office, &mut by.clone(), &format!("/persons/{login}/deactivate")).await));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0] && answer["status"] == 404), "{answers:#?}");
        // Joe is given something elsewhere, which emil may not give.
        give(&office, &mut root, &apac, &joe, "support").await;
        for path in [format!("/people/{joe}/deactivate"), format!("/people/{joe}/deletion")] {
            let answer = act(&office, &mut child, &path).await;
            refused(&answer, 403, "roles on accounts that you do not look after");
            assert!(!answer.body.to_string().contains("support"), "{}", answer.body);
        }
        refused(&edit(&office, &mut child, &joe, &json!({ "email": "emil@bluesky.example" })).await, 403, "every role");
        // Whose home is elsewhere is seen by what was given here, and no more.
        let ann = made(&office, &mut root, &byoi(&blue, &top, "ann")).await;
        problem(&office.get(&mut child, &format!("/people/{ann}")).await, 404, "not-found");
        give(&office, &mut child, &emea, &ann, "technical").await;
        let seen = office.get(&mut child, &format!("/people/{ann}")).await.expect(200).body;
        assert_eq!((&seen["user_name"], &seen["home"]), (&json!("ann"), &Value::Null));
        refused(&act(&office, &mut child, &format!("/people/{ann}/deactivate")).await, 403, "people.manage on the home account");
        assert_eq!(names(&office, &mut child, "search=bloggs").await, ["joe", "ann"]);
        // Who has no business with people has none here either.
        assert!([401, 403, 404].contains(&office.get(&mut helper, &format!("/people/{joe}")).await.status));
        act(&office, &mut root, &format!("/people/{joe}/deactivate")).await.expect(200);
    }

    async fn what_is_written_down_is_changed_as_far_as_the_portal_lets_it(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let top = account(&office, &mut root, "bluesky").await;
        let eve = made(&office, &mut root, &local(&top, "eve")).await;
        let change = json!({ "given_name": "Evelyn", "token_type": "soft-token", "mobile_type": "Android", "reason": "new phone" });
        let changed = edit(&office, &mut root, &eve, &change).await.expect(200);
        assert_eq!(changed.headers["etag"], "\"2\"");
        assert_eq!((&changed.body["display_name"], &changed.body["mobile_type"]), (&json!("Evelyn Bloggs"), &json!("Android")));
        let events = office.get(&mut root, &format!("/events?target={eve}&kind=login.updated")).await.expect(200).body;
        let event = &events["items"][0];
        assert_eq!(event["details"]["attributes"], json!(["name.givenName", "tokenType", "mobileType"]));
        assert_eq!(event["values"], json!({
            "before": { "given_name": "eve", "token_type": "sms", "mobile_type": null },
            "after": { "given_name": "Evelyn", "token_type": "soft-token", "mobile_type": "Android" }, "reason": "new phone",
        }));
        // The same again is no change.
        assert_eq!(edit(&office, &mut root, &eve, &change).await.expect(200).headers["etag"], "\"2\"");
        let cleared = edit(&office, &mut root, &eve, &json!({ "token_type": null, "mobile_type": null, "phone_numbers": [] })).await.expect(200);
        assert_eq!((&cleared.body["token_type"], &cleared.body["phone_numbers"]), (&Value::Null, &json!([])));
        for (change, status, words) in [
            (json!({ "user_name": "evelyn" }), 409, "user_name: in this portal nobody changes it"),
            (json!({ "email": "evelyn@bluesky.example" }), 409, "email: in this portal nobody changes it"),
            (json!({ "kind": "byoi" }), 409, "kind: a login keeps it"),
            (json!({ "account": top, "awaits": {} }), 409, "account, awaits: a login keeps it"),
            (json!({ "token_type": "sms" }), 400, "phone_numbers: codes by sms need"),
            (json!({ "given_name": "E\u{0}ve" }), 400, "given_name"),
            (json!({ "state": "active" }), 400, "unknown field"),
        ] {
            refused(&edit(&office, &mut root, &eve, &change).await, status, words);
        }
        // Only the version that was read is changed.
        let url = format!("{}/api/v1/people/{eve}", office.world.base);
        for (tag, status) in [("\"2\"", 412), ("\"3\"", 200), ("\"3\"", 412), ("*", 200)] {
            let headers = [("sec-fetch-site", "same-origin"), ("content-type", "application/json"), ("if-match", tag)];
            let body = json!({ "family_name": format!("Smith{tag}{status}").replace('"', "") }).to_string();
            let visit = root.send(Method::PATCH, &url, &headers, Some(body)).await;
            assert_eq!(visit.status.as_u16(), status, "{tag}: {}", visit.body);
        }
        // What a directory provisions it says itself.
        let joe = blue.scim.post("/Users", &json!({ "userName": "joe", "externalId": "joe" })).await.expect(201).id();
        refused(&edit(&office, &mut root, &joe, &json!({ "given_name": "Joe" })).await, 409, "\"The directory of bluesky\" says what");
    }

    async fn who_is_deactivated_is_out_at_once_and_comes_back_with_what_they_had(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let emea = account(&office, &mut root, "bluesky/emea").await;
        let person = make(&office, &mut root, &byoi(&blue, &emea, "joe")).await.expect(201).body;
        let (joe, person) = (person["login"].as_str().unwrap().to_owned(), person["person"].as_str().unwrap().to_owned());
        give(&office, &mut root, &emea, &joe, "administrator").await;
        for (off, on, kinds) in [
            (format!("/people/{joe}/deactivate"), format!("/people/{joe}/reactivate"), ["login.locked", "login.unlocked"]),
            (format!("/persons/{person}/deactivate"), format!("/persons/{person}/reactivate"), ["person.deactivated", "person.reactivated"]),
        ] {
            let mut inside = enter(&office, &blue, "joe").await;
            office.get(&mut inside, "/accounts").await.expect(200);
            for _ in 0..2 {
                assert!(act(&office, &mut root, &off).await.status < 300, "once is enough");
            }
            problem(&office.get(&mut inside, "/accounts").await, 401, "unauthenticated");
            let shown = office.get(&mut root, &format!("/people/{joe}")).await.expect(200).body;
            assert_eq!(shown["state"], "deactivated");
            assert_eq!(office.get(&mut root, &format!("/logins/{joe}/roles")).await.expect(200).body["accounts"], json!([]));
            let extract = office.get(&mut root, "/permissions").await.expect(200).body;
            let lines: Vec<_> = extract["items"].as_array().unwrap().iter().filter(|line| line["login"] == joe).collect();
            assert!(!lines.is_empty() && lines.iter().all(|line| line["active"] == false && line["counts"] == false), "{lines:?}");
            refused(&act(&office, &mut root, &format!("/people/{joe}/invite")).await, 409, "deactivated");
            if off.starts_with("/persons") {
                refused(&act(&office, &mut root, &format!("/people/{joe}/reactivate")).await, 409, "reactivate the person");
            }
            for _ in 0..2 {
                assert!(act(&office, &mut root, &on).await.status < 300, "once is enough");
            }
            let mut inside = enter(&office, &blue, "joe").await;
            office.get(&mut inside, "/accounts").await.expect(200);
            for kind in kinds {
                let events = office.get(&mut root, &format!("/events?kind={kind}")).await.expect(200).body;
                assert_eq!(events["items"].as_array().unwrap().len(), 1, "{kind}: {events}");
                assert_eq!((&events["items"][0]["values"]["reason"], &events["items"][0]["account"]["path"]), (&json!("they asked"), &json!("bluesky/emea")));
            }
        }
        refused(&act(&office, &mut root, &format!("/people/{joe}/invite")).await, 409, "signed in already");
    }

    async fn nobody_ends_the_login_they_use_or_the_last_administrator(engine) {
        let office = Office::new(engine).await;
        let text = describe("bluesky", "entra", office.idp.issuer(), "if-provisioned") + &RULES.replace("{slug}", "bluesky") + TOOL;
        let blue = office.world.described("bluesky", &text).await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let emea = account(&office, &mut root, "bluesky/emea").await;
        let list = office.get(&mut root, "/people?search=anne").await.expect(200).body;
        let (anne, anne_person) = (list["items"][0]["login"].as_str().unwrap(), list["items"][0]["person"].as_str().unwrap());
        for path in [format!("/people/{anne}/deactivate"), format!("/people/{anne}/deletion"), format!("/persons/{anne_person}/deactivate")] {
            refused(&act(&office, &mut root, &path).await, 409, "the login that they use");
        }
        // A machine of the tenant may end whom it likes, but not the last administrator of an account.
        let tool = client(&office, "bluesky-tool", "").await;
        let end = async |what: &str| send(&tool, Method::POST, what, &json!({})).await;
        refused(&end(&format!("/people/{anne}/deactivate")).await, 409, "leave bluesky without an administrator");
        refused(&end(&format!("/persons/{anne_person}/deactivate")).await, 409, "leave bluesky without an administrator");
        let giver = client(&office, "bluesky-tool", "roles:write").await;
        refused(&send(&giver, Method::POST, &format!("/people/{anne}/deactivate"), &json!({})).await, 403, "the scope people:write");
        let joe = made(&office, &mut root, &byoi(&blue, &emea, "joe")).await;
        give(&office, &mut root, &emea, &joe, "administrator").await;
        // Those above count: he is not the last one of his account.
        end(&format!("/people/{joe}/deactivate")).await.expect(200);
        act(&office, &mut root, &format!("/people/{joe}/reactivate")).await.expect(200);
        let group = blue.scim.get("/Groups?filter=displayName%20eq%20%22Cloud-Admins%22").await.expect(200).body["Resources"][0]["id"].clone();
        blue.scim.delete(&format!("/Groups/{}", group.as_str().unwrap())).await.expect(204);
        refused(&end(&format!("/people/{joe}/deactivate")).await, 409, "leave bluesky/emea without an administrator");
        let said = end(&format!("/people/{joe}/deletion")).await.expect(200).body;
        let answer = tool.delete(&format!("/people/{joe}?confirmation={}", said["confirmation"].as_str().unwrap())).await;
        refused(&answer, 409, "leave bluesky/emea without an administrator");
        // Two of them, each of whom ends the other at once: one is left.
        let mut as_joe = enter(&office, &blue, "joe").await;
        let eve = made(&office, &mut as_joe, &byoi(&blue, &emea, "eve")).await;
        give(&office, &mut as_joe, &emea, &eve, "administrator").await;
        let mut as_eve = enter(&office, &blue, "eve").await;
        let (ends_eve, ends_joe) = (format!("/people/{eve}/deactivate"), format!("/people/{joe}/deactivate"));
        let (one, other) = tokio::join!(act(&office, &mut as_joe, &ends_eve), act(&office, &mut as_eve, &ends_joe));
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses[0], 200, "{statuses:?}");
        assert!([401, 404, 409].contains(&statuses[1]), "{statuses:?}");
    }

    async fn a_deletion_is_told_in_numbers_confirmed_and_for_good(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let mut other = office.inside(&blue, "otto", "Cloud-Second-Admins").await;
        let (top, emea, apac) =
            (account(&office, &mut root, "bluesky").await, account(&office, &mut root, "bluesky/emea").await, account(&office, &mut root, "bluesky/apac").await);
        let otto = office.get(&mut root, "/people?search=otto").await.expect(200).body["items"][0]["login"].as_str().unwrap().to_owned();
        give(&office, &mut root, &top, &otto, "administrator").await;
        let joe = made(&office, &mut root, &byoi(&blue, &emea, "joe")).await;
        for (account, role) in [(&emea, "support"), (&emea, "technical"), (&apac, "support")] {
            give(&office, &mut root, account, &joe, role).await;
        }
        let mut inside = enter(&office, &blue, "joe").await;
        inside.visit(&format!("{}/me", office.world.base)).await.expect(200, "joe");
        let said = told(&office, &mut root, &joe).await.expect(200).body;
        assert_eq!((&said["roles"], &said["accounts"], &said["sessions"]), (&json!(3), &json!(2), &json!(1)));
        assert_eq!(said["expires_at"], json!(office.world.app.clock.now() + TimeDelta::minutes(10)));
        refused(&office.send(&mut root, Method::DELETE, &format!("/people/{joe}"), None).await, 400, "confirmation");
        // It is for who asked, for this login, in this version, for ten minutes.
        let eve = made(&office, &mut root, &byoi(&blue, &emea, "eve")).await;
        refused(&delete(&office, &mut root, &eve, &said).await, 409, "confirmation");
        refused(&delete(&office, &mut other, &joe, &said).await, 409, "confirmation");
        refused(&delete(&office, &mut root, &joe, &json!({ "confirmation": "AQAA" })).await, 409, "confirmation");
        edit(&office, &mut root, &joe, &json!({ "given_name": "Joseph" })).await.expect(200);
        refused(&delete(&office, &mut root, &joe, &said).await, 409, "confirmation");
        let said = told(&office, &mut root, &joe).await.expect(200).body;
        delete(&office, &mut root, &joe, &said).await.expect(204);
        problem(&delete(&office, &mut root, &joe, &said).await, 404, "not-found");
        inside.visit(&format!("{}/me", office.world.base)).await.expect_redirect("/sign-in");
        problem(&office.get(&mut root, &format!("/people/{joe}")).await, 404, "not-found");
        office.idp.script().claims = json!({ "sub": "joe" });
        Browser::new().follow(&office.world.sign_in(&blue), None).await.expect(403, "Your access has ended");
        let events = office.get(&mut root, &format!("/events?target={joe}&kind=login.deleted")).await.expect(200).body;
        assert_eq!((&events["items"][0]["values"], &events["items"][0]["account"]["path"]), (&json!({ "reason": "left" }), &json!("bluesky/emea")));
        assert_eq!(sql::number(&office.world.database.url, "select count(*) from tombstones").await, 1);
        // What a directory has it deletes itself, as long as it is in use.
        let pushed = blue.scim.post("/Users", &json!({ "userName": "ann", "externalId": "ann" })).await.expect(201).id();
        refused(&told(&office, &mut root, &pushed).await, 409, "deletes it, and would push it again");
        let group = json!({ "displayName": "Cloud-Empty", "members": [{ "value": pushed }] });
        let group = blue.scim.post("/Groups", &group).await.expect(201).id();
        sql::change(&office.world.database.url, "update directories set state = 'disabled'").await;
        let said = told(&office, &mut root, &pushed).await.expect(200).body;
        delete(&office, &mut root, &pushed, &said).await.expect(204);
        sql::change(&office.world.database.url, "update directories set state = 'enabled'").await;
        let group = blue.scim.get(&format!("/Groups/{group}")).await.expect(200).body;
        assert_eq!(group["meta"]["version"], "W/\"2\"", "its members are others now");
        let said = told(&office, &mut root, &eve).await.expect(200).body;
        office.world.app.clock.advance(TimeDelta::minutes(11));
        refused(&delete(&office, &mut root, &eve, &said).await, 409, "confirmation");
    }

    async fn people_are_found_by_what_they_are_called_in_pages(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let (emea, apac) = (account(&office, &mut root, "bluesky/emea").await, account(&office, &mut root, "bluesky/apac").await);
        for name in ["joe", "eve"] {
            made(&office, &mut root, &byoi(&blue, &emea, name)).await;
        }
        let sam = made(&office, &mut root, &local(&apac, "sam")).await;
        act(&office, &mut root, &format!("/people/{sam}/invite")).await.expect(200);
        give(&office, &mut root, &emea, &sam, "support").await;
        enter(&office, &blue, "joe").await;
        let id = |answer: &Value| answer["items"][0]["login"].as_str().unwrap().to_owned();
        let eve = id(&office.get(&mut root, "/people?search=eve").await.expect(200).body);
        act(&office, &mut root, &format!("/people/{eve}/deactivate")).await.expect(200);
        for (query, found) in [
            ("", vec!["anne", "joe", "eve", "sam"]),
            ("search=O", vec!["joe", "eve", "sam"]),
            ("search=oe%20BLO", vec!["joe"]),
            ("search=joe%40bluesky", vec!["joe"]),
            ("search=%25", vec![]),
            ("kind=local", vec!["sam"]),
            ("state=pending", vec![]),
            ("state=invited", vec!["sam"]),
            ("state=active", vec!["anne", "joe"]),
            ("state=deactivated", vec!["eve"]),
            ("state=deactivated&kind=local", vec![]),
            (&format!("account={emea}"), vec!["joe", "eve", "sam"]),
            (&format!("account={apac}"), vec!["sam"]),
            (&format!("directory={}", blue.directory), vec!["anne"]),
            (&format!("connection={}", blue.connection), vec!["joe", "eve"]),
        ] {
            assert_eq!(names(&office, &mut root, query).await, found, "{query}");
        }
        let mut paged = Vec::new();
        let mut after = String::new();
        loop {
            let page = office.get(&mut root, &format!("/people?limit=1{after}")).await.expect(200).body;
            paged.extend(page["items"].as_array().unwrap().iter().map(|item| item["user_name"].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(paged, ["anne", "joe", "eve", "sam"]);
        problem(&office.get(&mut root, &format!("/people?account={NOWHERE}")).await, 404, "not-found");
        problem(&office.get(&mut root, &format!("/people?search={}", "x".repeat(101))).await, 400, "invalid-request");
        let mut child = office.inside(&blue, "emil", "Cloud-EMEA-Admins").await;
        assert_eq!(names(&office, &mut child, "search=bloggs").await, ["joe", "eve", "sam"]);
        problem(&office.get(&mut child, &format!("/people?account={apac}")).await, 404, "not-found");
    }
}
