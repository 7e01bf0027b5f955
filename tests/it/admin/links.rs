//! A person with two logins, as administrators see them; who may propose a link, and withdraw it; and the local login beside another one.
//! The links of these stories are made past the wizard.

use reqwest::Method;
use serde_json::{Value, json};
use vestibule::model::LoginId;

use super::{Office, account, alike, noon, problem};
use crate::support::http::{Answer, Browser};
use crate::support::world::{Tenant, on_every_engine};

const NOWHERE: &str = "01900000-0000-7000-8000-000000000000";

/// Somebody whom the directory provisions. Answers the id of the login.
async fn provision(tenant: &Tenant, name: &str) -> String {
    let user = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "externalId": name });
    tenant.scim.post("/Users", &user).await.expect(201).id()
}

/// Somebody whom a hand makes on an account. Answers the id of the login.
async fn by_hand(office: &Office, browser: &mut Browser, kind: &str, account: &str, name: &str, tenant: &Tenant) -> String {
    let mut person = json!({
        "kind": kind, "account": account, "user_name": name, "given_name": name, "family_name": "Bloggs",
        "email": format!("{name}@bluesky.example"),
    });
    if kind == "byoi" {
        person["awaits"] = json!({ "connection": tenant.connection, "value": name });
    } else {
        person["token_type"] = "sms".into();
        person["phone_numbers"] = json!(["+441234567890"]);
    }
    office.send(browser, Method::POST, "/people", Some(&person)).await.expect(201).body["login"].as_str().unwrap().to_owned()
}

async fn give(office: &Office, browser: &mut Browser, account: &str, login: &str, role: &str) {
    let body = json!({ "login": login, "role": role });
    office.send(browser, Method::POST, &format!("/accounts/{account}/assignments"), Some(&body)).await.expect(201);
}

/// Makes the second login the other one of the first one's person. Answers the person, and the one that was merged.
async fn link(office: &Office, tenant: &Tenant, first: &str, second: &str) -> (String, String) {
    let mut writer = office.world.app.store.write(tenant.id).await.unwrap();
    let id = |text: &str| text.parse::<LoginId>().unwrap();
    let host = writer.any_login(id(first)).await.unwrap().unwrap().login;
    let guest = writer.any_login(id(second)).await.unwrap().unwrap().login;
    writer.move_login(guest.id, host.person_id, host.slot.other()).await.unwrap();
    writer.merge_person(guest.person_id, host.person_id, noon()).await.unwrap();
    writer.commit().await.unwrap();
    (host.person_id.to_string(), guest.person_id.to_string())
}

async fn person_of(office: &Office, browser: &mut Browser, login: &str) -> String {
    office.get(browser, &format!("/people/{login}")).await.expect(200).body["person"].as_str().unwrap().to_owned()
}

async fn propose(office: &Office, browser: &mut Browser, method: Method, one: &str, other: &str) -> Answer {
    office.send(browser, method, &format!("/logins/{one}/link-proposals/{other}"), None).await
}

/// Who is proposed for a login: user name and source.
async fn proposed(office: &Office, browser: &mut Browser, login: &str) -> Vec<(String, String)> {
    let list = office.get(browser, &format!("/logins/{login}/link-proposals")).await.expect(200).body;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list["items"].as_array().unwrap().iter().map(|item| (text(&item["user_name"]), text(&item["source"]))).collect()
}

/// The kinds of events of a login that are about two logins, in the order of the alphabet.
async fn events(office: &Office, tenant: &Tenant, login: &str) -> Vec<String> {
    let mut kinds = office.world.app.store.read(tenant.id).event_kinds(login.parse().unwrap()).await.unwrap();
    kinds.retain(|kind| {
        kind.starts_with("link.") || ["suspended", "resumed", "spared", "changed"].iter().any(|end| kind.ends_with(end))
    });
    kinds.sort();
    kinds
}

async fn act(office: &Office, browser: &mut Browser, path: &str) -> Answer {
    office.send(browser, Method::POST, path, Some(&json!({}))).await
}

async fn page(office: &Office, browser: &mut Browser, person: &str) -> crate::support::http::Visit {
    browser.visit(&format!("{}/admin/people/{person}", office.world.base)).await
}

/// An administrator of one account, made by the one of the whole tenant: a browser in which they are signed in.
async fn administrator(office: &Office, root: &mut Browser, tenant: &Tenant, account: &str, name: &str) -> Browser {
    let login = by_hand(office, root, "byoi", account, name, tenant).await;
    give(office, root, account, &login, "administrator").await;
    office.idp.script().claims = json!({ "sub": name });
    let mut browser = Browser::new();
    browser.follow(&office.world.sign_in(tenant), None).await.expect(200, "Your accounts");
    browser
}

on_every_engine! {
    async fn a_person_is_shown_with_both_logins_each_with_why(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let (emea, apac) = (account(&office, &mut root, "bluesky/emea").await, account(&office, &mut root, "bluesky/apac").await);
        let joe = by_hand(&office, &mut root, "byoi", &emea, "joe", &blue).await;
        let gsa = by_hand(&office, &mut root, "byoi", &apac, "joe.gsa", &blue).await;
        give(&office, &mut root, &emea, &joe, "support").await;
        give(&office, &mut root, &apac, &gsa, "administrator").await;
        let alone = person_of(&office, &mut root, &joe).await;
        let shown = office.get(&mut root, &format!("/persons/{alone}")).await.expect(200).body;
        assert_eq!((&shown["state"], &shown["has_other_login"], &shown["logins"][0]["linked_at"]), (&json!("active"), &json!(false), &Value::Null));
        assert_eq!(shown["logins"].as_array().unwrap().len(), 1);
        let (person, merged) = link(&office, &blue, &joe, &gsa).await;
        assert_eq!(person, alone);
        let shown = office.get(&mut root, &format!("/persons/{person}")).await.expect(200).body;
        let (first, second) = (&shown["logins"][0], &shown["logins"][1]);
        for (login, id, slot, path, role) in [(first, &joe, 1, "bluesky/emea", "support"), (second, &gsa, 2, "bluesky/apac", "administrator")] {
            assert_eq!((&login["login"], &login["slot"], &login["kind"], &login["state"]), (&json!(id), &json!(slot), &json!("byoi"), &json!("pending")));
            assert_eq!((&login["home"]["path"], &login["connection"], &login["directory"]), (&json!(path), &json!(blue.connection), &Value::Null));
            assert_eq!((&login["break_glass"], &login["suspended"], &login["signed_in_at"]), (&json!(false), &json!(false), &Value::Null));
            assert!(login["linked_at"].as_str().unwrap().starts_with("2027-01-15T"), "{login}");
            // Its roles, and why: its own alone, as the login's own address tells them.
            let why = office.get(&mut root, &format!("/logins/{id}/roles")).await.expect(200).body;
            assert_eq!(login["accounts"], why["accounts"]);
            let held = &login["accounts"][0];
            assert_eq!((&held["path"], &held["roles"][0]["role"], &held["roles"][0]["causes"][0]["source"]), (&json!(path), &json!(role), &json!("manual")));
        }
        // The person that was emptied says where it is.
        let emptied = office.get(&mut root, &format!("/persons/{merged}")).await.expect(200).body;
        assert_eq!((&emptied["state"], &emptied["merged_into"], &emptied["logins"]), (&json!("merged"), &json!(person), &json!([])));
        // Whoever looks after one of the accounts is told that there is another login, and no more.
        let mut helper = administrator(&office, &mut root, &blue, &emea, "eve").await;
        let half = office.get(&mut helper, &format!("/persons/{person}")).await.expect(200).body;
        assert_eq!((half["logins"].as_array().unwrap().len(), &half["has_other_login"]), (1, &json!(true)));
        assert_eq!(half["logins"][0]["login"], json!(joe));
        for secret in [gsa.as_str(), &apac, "joe.gsa"] {
            assert!(!half.to_string().contains(secret), "{secret}: {half}");
        }
        problem(&office.get(&mut helper, &format!("/persons/{merged}")).await, 404, "not-found");
        let mut stranger = administrator(&office, &mut root, &blue, &apac, "zoe").await;
        assert_eq!(office.get(&mut stranger, &format!("/persons/{person}")).await.expect(200).body["logins"][0]["login"], json!(gsa));
        let eve = office.get(&mut root, "/people?search=eve").await.expect(200).body["items"][0]["person"].as_str().unwrap().to_owned();
        for unknown in [eve.as_str(), NOWHERE, "joe"] {
            let refused = office.get(&mut stranger, &format!("/persons/{unknown}")).await;
            problem(&refused, 404, "not-found");
            page(&office, &mut stranger, unknown).await.expect(404, "");
        }
        // The page says the same.
        let seen = page(&office, &mut root, &person).await.expect(200, "joe.gsa").body;
        assert!(seen.contains("given by an administrator") && seen.contains("bluesky/apac") && seen.contains("15 January 2027"), "{seen}");
        let seen = page(&office, &mut helper, &person).await.expect(200, "This person has another login, which you do not look after.").body;
        for secret in [gsa.as_str(), "joe.gsa", "bluesky/apac"] {
            assert!(!seen.contains(secret), "{secret}: {seen}");
        }
        page(&office, &mut Browser::new(), &person).await.expect_redirect("/sign-in");
    }

    async fn a_link_is_proposed_by_whoever_rules_both_and_made_by_nobody_but_the_person(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let red = office.tenant("redsky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let (emea, apac) = (account(&office, &mut root, "bluesky/emea").await, account(&office, &mut root, "bluesky/apac").await);
        let joe = by_hand(&office, &mut root, "byoi", &emea, "joe", &blue).await;
        let gsa = by_hand(&office, &mut root, "byoi", &emea, "joe.gsa", &blue).await;
        let far = by_hand(&office, &mut root, "byoi", &apac, "joe.far", &blue).await;
        let strong = by_hand(&office, &mut root, "byoi", &emea, "joe.strong", &blue).await;
        give(&office, &mut root, &apac, &strong, "administrator").await;
        let mut helper = administrator(&office, &mut root, &blue, &emea, "eve").await;
        // Of those whom they do not see they learn nothing; of those whom they do not rule, that.
        let unknown = alike(propose(&office, &mut helper, Method::PUT, &joe, NOWHERE).await);
        for other in [far.as_str(), &provision(&red, "joe.red").await, "joe"] {
            for method in [Method::PUT, Method::DELETE] {
                assert_eq!(alike(propose(&office, &mut helper, method, &joe, other).await), unknown, "{other}");
            }
        }
        problem(&propose(&office, &mut helper, Method::PUT, &joe, &strong).await, 403, "forbidden");
        problem(&propose(&office, &mut helper, Method::PUT, &strong, &joe).await, 403, "forbidden");
        problem(&propose(&office, &mut helper, Method::PUT, &joe, &joe).await, 400, "invalid-request");
        assert_eq!(proposed(&office, &mut root, &joe).await, []);
        // Both ways it is one, and once is enough.
        propose(&office, &mut helper, Method::PUT, &joe, &gsa).await.expect(204);
        propose(&office, &mut helper, Method::PUT, &gsa, &joe).await.expect(204);
        let by = |name: &str| vec![(name.to_owned(), "administrator".to_owned())];
        assert_eq!(proposed(&office, &mut helper, &joe).await, by("joe.gsa"));
        assert_eq!(proposed(&office, &mut helper, &gsa).await, by("joe"));
        for login in [&joe, &gsa] {
            assert_eq!(events(&office, &blue, login).await, ["link.proposed"]);
        }
        assert_ne!(person_of(&office, &mut root, &joe).await, person_of(&office, &mut root, &gsa).await, "nothing is linked");
        // What one proposes who sees more is not shown to who sees less.
        propose(&office, &mut root, Method::PUT, &joe, &far).await.expect(204);
        assert_eq!(proposed(&office, &mut helper, &joe).await, by("joe.gsa"));
        assert_eq!(proposed(&office, &mut root, &joe).await.len(), 2);
        problem(&office.get(&mut helper, &format!("/logins/{far}/link-proposals")).await, 404, "not-found");
        propose(&office, &mut helper, Method::DELETE, &gsa, &joe).await.expect(204);
        problem(&propose(&office, &mut helper, Method::DELETE, &gsa, &joe).await, 404, "not-found");
        assert_eq!(events(&office, &blue, &gsa).await, ["link.proposed", "link.withdrawn"]);
        // Out of use, or linked, there is nothing to propose.
        act(&office, &mut root, &format!("/people/{gsa}/deactivate")).await.expect(200);
        problem(&propose(&office, &mut root, Method::PUT, &joe, &gsa).await, 409, "conflict");
        act(&office, &mut root, &format!("/people/{gsa}/reactivate")).await.expect(200);
        link(&office, &blue, &joe, &gsa).await;
        problem(&propose(&office, &mut root, Method::PUT, &joe, &far).await, 409, "conflict");
        assert_eq!(proposed(&office, &mut root, &joe).await, []);
    }

    async fn the_page_of_a_person_proposes_and_withdraws(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let mut viewer = office.inside(&blue, "vera", "Cloud-Helpers").await;
        let (joe, gsa) = (provision(&blue, "joe").await, provision(&blue, "joe.gsa").await);
        let person = person_of(&office, &mut root, &joe).await;
        let form = page(&office, &mut root, &person).await.expect(200, "Propose to link").body;
        assert!(form.contains(&format!("name=\"login\" value=\"{joe}\"")), "{form}");
        let at = |what: &str| format!("{}/admin/people/{person}/{what}", office.world.base);
        let two = |other: &str| [("login".to_owned(), joe.clone()), ("other".to_owned(), other.to_owned())];
        let send = async |browser: &mut Browser, what: &str, other: &str| {
            let two = two(other);
            let fields: Vec<_> = two.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            browser.post(&at(what), &fields).await
        };
        let refused = send(&mut root, "propose", "<joe.gs>").await.expect(422, "Nobody whom you may see has this user name or id.").body;
        assert!(refused.contains("value=\"&#60;joe.gs&#62;\"") && refused.contains("<title>Error: "), "{refused}");
        send(&mut root, "propose", "joe").await.expect(422, "A login is not linked with itself.");
        send(&mut root, "propose", " JOE.gsa ").await.expect_redirect(&format!("/admin/people/{person}"));
        let shown = page(&office, &mut root, &person).await.expect(200, "An administrator says so.").body;
        assert!(shown.contains("Withdraw the proposal of joe.gsa"), "{shown}");
        assert_eq!(events(&office, &blue, &gsa).await, ["link.proposed"]);
        // Who only sees people reads it, and changes nothing.
        if let 200 = page(&office, &mut viewer, &person).await.status.as_u16() {
            let seen = page(&office, &mut viewer, &person).await.body;
            assert!(!seen.contains("Propose to link") && !seen.contains("Withdraw"), "{seen}");
        }
        assert!([404, 422].contains(&send(&mut viewer, "withdraw", &gsa).await.status.as_u16()));
        root.post_from("cross-site", &at("withdraw"), &[("login", joe.as_str()), ("other", gsa.as_str())]).await.expect(403, "This is not allowed");
        assert_eq!(proposed(&office, &mut root, &joe).await.len(), 1);
        for _ in 0..2 {
            send(&mut root, "withdraw", &gsa).await.expect_redirect(&format!("/admin/people/{person}"));
        }
        assert_eq!(proposed(&office, &mut root, &joe).await, []);
        // By its id too. A form about somebody else's login is not of this page.
        send(&mut root, "propose", &gsa).await.expect_redirect(&format!("/admin/people/{person}"));
        root.post(&at("withdraw"), &[("login", gsa.as_str()), ("other", joe.as_str())]).await.expect(404, "");
        assert_eq!(proposed(&office, &mut root, &joe).await.len(), 1);
    }

    async fn a_local_login_goes_with_the_one_that_a_hand_ends_unless_the_company_says_otherwise(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let emea = account(&office, &mut root, "bluesky/emea").await;
        let joe = by_hand(&office, &mut root, "byoi", &emea, "joe", &blue).await;
        let local = by_hand(&office, &mut root, "local", &emea, "joe.local", &blue).await;
        let (person, _) = link(&office, &blue, &joe, &local).await;
        let state = async |root: &mut Browser| {
            let shown = office.get(root, &format!("/persons/{person}")).await.expect(200).body;
            let login = shown["logins"].as_array().unwrap().iter().find(|login| login["kind"] == "local").unwrap().clone();
            (login["state"].as_str().unwrap().to_owned(), login["suspended"].as_bool().unwrap(), login["break_glass"].as_bool().unwrap())
        };
        let (on, off) = (("pending".to_owned(), false, false), ("deactivated".to_owned(), true, false));
        let break_glass = |value: bool| json!({ "break_glass": value, "reason": "the last way in" });
        let path = format!("/logins/{local}/break-glass");
        act(&office, &mut root, &format!("/people/{joe}/deactivate")).await.expect(200);
        assert_eq!(state(&mut root).await, off);
        page(&office, &mut root, &person).await.expect(200, "It was locked because the person’s other login left.");
        act(&office, &mut root, &format!("/people/{joe}/reactivate")).await.expect(200);
        assert_eq!(state(&mut root).await, on);
        assert_eq!(events(&office, &blue, &local).await, ["login.resumed", "login.suspended"]);
        // Unlocked by a hand, it is a hand's: the other one's return is nothing to it.
        act(&office, &mut root, &format!("/people/{joe}/deactivate")).await.expect(200);
        act(&office, &mut root, &format!("/people/{local}/reactivate")).await.expect(200);
        assert_eq!(state(&mut root).await, on);
        act(&office, &mut root, &format!("/people/{joe}/reactivate")).await.expect(200);
        assert_eq!(events(&office, &blue, &local).await.len(), 3);
        // A hand that locked it is not undone by the other one's return.
        act(&office, &mut root, &format!("/people/{local}/deactivate")).await.expect(200);
        act(&office, &mut root, &format!("/people/{joe}/deactivate")).await.expect(200);
        act(&office, &mut root, &format!("/people/{joe}/reactivate")).await.expect(200);
        assert_eq!(state(&mut root).await, ("deactivated".to_owned(), false, false));
        act(&office, &mut root, &format!("/people/{local}/reactivate")).await.expect(200);
        // Only who looks after the whole company says that it stays.
        let mut helper = administrator(&office, &mut root, &blue, &emea, "eve").await;
        problem(&office.send(&mut helper, Method::PUT, &path, Some(&break_glass(true))).await, 403, "forbidden");
        problem(&office.send(&mut root, Method::PUT, &format!("/logins/{joe}/break-glass"), Some(&break_glass(true))).await, 409, "conflict");
        problem(&office.send(&mut root, Method::PUT, &format!("/logins/{NOWHERE}/break-glass"), Some(&break_glass(true))).await, 404, "not-found");
        for _ in 0..2 {
            office.send(&mut root, Method::PUT, &path, Some(&break_glass(true))).await.expect(204);
        }
        act(&office, &mut root, &format!("/people/{joe}/deactivate")).await.expect(200);
        assert_eq!(state(&mut root).await, ("pending".to_owned(), false, true));
        page(&office, &mut root, &person).await.expect(200, "It stays when the person’s other login leaves.");
        let told = events(&office, &blue, &local).await;
        assert_eq!((told.len(), told[0].as_str(), told[2].as_str()), (5, "login.break_glass_changed", "login.spared"), "{told:?}");
        office.send(&mut root, Method::PUT, &path, Some(&break_glass(false))).await.expect(204);
        // Deleted, the other one does not come back, and this one waits for an administrator.
        let told = office.send(&mut root, Method::POST, &format!("/people/{joe}/deletion"), None).await.expect(200).body;
        let confirmed = format!("/people/{joe}?confirmation={}", told["confirmation"].as_str().unwrap());
        office.send(&mut root, Method::DELETE, &confirmed, None).await.expect(204);
        assert_eq!(state(&mut root).await, off);
        act(&office, &mut root, &format!("/people/{local}/reactivate")).await.expect(200);
        assert_eq!(state(&mut root).await, on);
    }

    async fn a_person_who_is_deactivated_comes_in_with_neither_login(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let (joe, gsa) = (provision(&blue, "joe").await, provision(&blue, "joe.gsa").await);
        let (person, _) = link(&office, &blue, &joe, &gsa).await;
        let enter = async |name: &str| {
            office.idp.script().claims = json!({ "sub": name });
            let mut browser = Browser::new();
            let visit = browser.follow(&office.world.sign_in(&blue), None).await;
            (browser, visit.status.as_u16())
        };
        let (mut first, mut second) = (enter("joe").await.0, enter("joe.gsa").await.0);
        act(&office, &mut root, &format!("/persons/{person}/deactivate")).await.expect(204);
        for browser in [&mut first, &mut second] {
            browser.visit(&format!("{}/me", office.world.base)).await.expect_redirect("/sign-in");
        }
        assert_eq!((enter("joe").await.1, enter("joe.gsa").await.1), (403, 403));
        problem(&propose(&office, &mut root, Method::PUT, &joe, &gsa).await, 409, "conflict");
        let shown = office.get(&mut root, &format!("/persons/{person}")).await.expect(200).body;
        assert_eq!((&shown["state"], shown["logins"].as_array().unwrap().len()), (&json!("deactivated"), 2));
        act(&office, &mut root, &format!("/persons/{person}/reactivate")).await.expect(204);
        assert_eq!((enter("joe").await.1, enter("joe.gsa").await.1), (200, 200));
    }
}
