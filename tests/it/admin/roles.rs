//! Roles given and taken by hand, and why somebody holds one.

use reqwest::Method;
use serde_json::{Value, json};
use vestibule::model::LoginId;

use super::{Office, account, alike, problem};
use crate::support::http::{Answer, Browser};
use crate::support::world::{Tenant, on_every_engine};

/// Makes a login by SCIM.
async fn person(tenant: &Tenant, name: &str) -> String {
    tenant.scim.post("/Users", &json!({ "userName": name, "externalId": name })).await.expect(201).id()
}

async fn give(office: &Office, browser: &mut Browser, account: &str, login: &str, role: &str) -> Answer {
    let body = json!({ "login": login, "role": role, "reason": "asked for" });
    office.send(browser, Method::POST, &format!("/accounts/{account}/assignments"), Some(&body)).await
}

async fn take(office: &Office, browser: &mut Browser, assignment: &Value) -> Answer {
    office.send(browser, Method::DELETE, &format!("/assignments/{}?reason=over", assignment.as_str().unwrap()), None).await
}

/// What somebody holds: `path: role`, with `!` behind what is shadowed.
fn told(why: &Value) -> Vec<String> {
    let mut told = Vec::new();
    for account in why["accounts"].as_array().unwrap() {
        for role in account["roles"].as_array().unwrap() {
            let mark = if role["counts"] == true { "" } else { "!" };
            told.push(format!("{}: {}{mark}", account["path"].as_str().unwrap(), role["role"].as_str().unwrap()));
        }
    }
    told
}

on_every_engine! {
    async fn a_role_is_given_and_taken_by_hand_and_rules_leave_it_alone(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let emea = account(&office, &mut root, "bluesky/emea").await;
        let joe = person(&blue, "joe").await;
        let given = give(&office, &mut root, &emea, &joe, "support").await.expect(201).body;
        assert_eq!((&given["role"], &given["source"], &given["account_id"]), (&json!("support"), &json!("manual"), &json!(emea)));
        assert_eq!(give(&office, &mut root, &emea, &joe, "support").await.expect(201).body, given, "twice is once");
        let why = format!("/logins/{joe}/roles");
        let held = office.get(&mut root, &why).await.expect(200).body;
        assert_eq!(told(&held), ["bluesky/emea: support"]);
        let cause = &held["accounts"][0]["roles"][0]["causes"][0];
        assert_eq!((&cause["source"], &cause["since"], &cause["included_by"]), (&json!("manual"), &given["granted_at"], &Value::Null));
        assert!(cause["by"].as_str().unwrap().parse::<LoginId>().is_ok(), "{cause}");
        // A rule gives the same role, and takes away only what it gave.
        let group = json!({ "displayName": "Cloud-Helpers", "members": [{ "value": joe }] });
        let group = blue.scim.post("/Groups", &group).await.expect(201).id();
        let held = office.get(&mut root, &why).await.expect(200).body;
        assert_eq!(told(&held), ["bluesky: support", "bluesky/emea: support"]);
        let cause = &held["accounts"][0]["roles"][0]["causes"][0];
        assert_eq!((&cause["rule"]["name"], &cause["rule"]["version"]), (&json!("Helpers"), &json!(1)));
        assert_eq!(cause["rule"]["from"]["directory"], json!(blue.directory));
        assert_eq!(cause["because"], json!(["groups.display eq \"Cloud-Helpers\""]));
        problem(&take(&office, &mut root, &cause["assignment"]).await, 409, "conflict");
        blue.scim.delete(&format!("/Groups/{group}")).await.expect(204);
        assert_eq!(told(&office.get(&mut root, &why).await.body), ["bluesky/emea: support"]);
        take(&office, &mut root, &given["id"]).await.expect(204);
        problem(&take(&office, &mut root, &given["id"]).await, 404, "not-found");
        assert_eq!(told(&office.get(&mut root, &why).await.body), Vec::<String>::new());
        let kinds = office.world.app.store.read(blue.id).event_kinds(joe.parse().unwrap()).await.unwrap();
        assert_eq!(kinds.iter().filter(|kind| kind.starts_with("assignment.")).collect::<Vec<_>>(), ["assignment.given", "assignment.taken"]);
    }

    async fn nobody_gives_what_they_may_not(engine) {
        let office = Office::new(engine).await;
        let (blue, red) = (office.tenant("bluesky", "entra").await, office.tenant("redsky", "entra").await);
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let mut child = office.inside(&blue, "emil", "Cloud-EMEA-Admins").await;
        let mut foreign = office.inside(&red, "rita", "Cloud-Admins").await;
        let (top, emea) = (account(&office, &mut root, "bluesky").await, account(&office, &mut root, "bluesky/emea").await);
        let (joe, jim) = (person(&blue, "joe").await, person(&red, "jim").await);
        give(&office, &mut child, &emea, &joe, "technical").await.expect(201);
        let mut answers = Vec::new();
        for (mut browser, account, login) in [
            (child.clone(), &top, &joe),
            (foreign.clone(), &emea, &joe),
            (root.clone(), &emea, &jim),
            (root.clone(), &"01900000-0000-7000-8000-000000000000".to_owned(), &joe),
        ] {
            let answer = give(&office, &mut browser, account, login, "support").await;
            problem(&answer, 404, "not-found");
            answers.push(alike(answer));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
        let answer = give(&office, &mut root, &emea, &joe, "emperor").await;
        problem(&answer, 400, "invalid-request");
        let path = format!("/accounts/{emea}/assignments");
        for (body, status, name) in [
            (json!({ "login": joe, "role": "support", "service": "mail" }), 409, "conflict"),
            (json!({ "login": joe, "role": "support", "instance": "1" }), 400, "invalid-request"),
            (json!({ "login": joe, "role": "support", "reason": "x".repeat(1_001) }), 400, "invalid-request"),
            (json!({ "login": "joe", "role": "support" }), 400, "invalid-request"),
        ] {
            problem(&office.send(&mut root, Method::POST, &path, Some(&body)).await, status, name);
        }
        // Who may see nobody here is told of nobody.
        problem(&office.get(&mut foreign, &format!("/logins/{joe}/roles")).await, 404, "not-found");
        problem(&office.get(&mut root, &format!("/logins/{jim}/roles")).await, 404, "not-found");
        assert_eq!(told(&office.get(&mut child, &format!("/logins/{joe}/roles")).await.expect(200).body), ["bluesky/emea: technical"]);
    }

    async fn the_last_administrator_is_not_removed_by_hand(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let group = blue.scim.get("/Groups?filter=displayName%20eq%20%22Cloud-Admins%22").await.expect(200).body["Resources"][0]["id"].clone();
        let (top, emea) = (account(&office, &mut root, "bluesky").await, account(&office, &mut root, "bluesky/emea").await);
        let (joe, eve) = (person(&blue, "joe").await, person(&blue, "eve").await);
        let top_joe = give(&office, &mut root, &top, &joe, "administrator").await.expect(201).body["id"].clone();
        let emea_eve = give(&office, &mut root, &emea, &eve, "administrator").await.expect(201).body["id"].clone();
        // Those above count: eve is not the last one of her account.
        take(&office, &mut root, &emea_eve).await.expect(204);
        // Anne leaves by SCIM, last or not; then joe is the last one, and cannot be removed, by himself either.
        office.idp.script().claims = json!({ "sub": "joe" });
        let mut joe_inside = Browser::new();
        joe_inside.follow(&office.world.sign_in(&blue), None).await.expect(200, "Your accounts");
        blue.scim.delete(&format!("/Groups/{}", group.as_str().unwrap())).await.expect(204);
        problem(&office.get(&mut root, "/accounts").await, 401, "unauthenticated");
        let answer = take(&office, &mut joe_inside, &top_joe).await;
        problem(&answer, 409, "conflict");
        assert!(answer.body["detail"].as_str().unwrap().contains("last administrator"), "{}", answer.body);
        give(&office, &mut joe_inside, &top, &eve, "administrator").await.expect(201);
        take(&office, &mut joe_inside, &top_joe).await.expect(204);
        problem(&office.get(&mut joe_inside, "/accounts").await, 401, "unauthenticated");
    }

    async fn two_administrators_cannot_remove_one_another_at_once(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let group = blue.scim.get("/Groups?filter=displayName%20eq%20%22Cloud-Admins%22").await.expect(200).body["Resources"][0]["id"].clone();
        let top = account(&office, &mut root, "bluesky").await;
        let mut inside = Vec::new();
        for name in ["joe", "eve"] {
            let login = person(&blue, name).await;
            let given = give(&office, &mut root, &top, &login, "administrator").await.expect(201).body["id"].clone();
            office.idp.script().claims = json!({ "sub": name });
            let mut browser = Browser::new();
            browser.follow(&office.world.sign_in(&blue), None).await.expect(200, "Your accounts");
            inside.push((browser, given));
        }
        blue.scim.delete(&format!("/Groups/{}", group.as_str().unwrap())).await.expect(204);
        let (mut joe, mut eve) = (inside[0].0.clone(), inside[1].0.clone());
        let (one, other) = tokio::join!(take(&office, &mut joe, &inside[1].1), take(&office, &mut eve, &inside[0].1));
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        // The slower one is no administrator any more, or is told that the other is the last one.
        assert_eq!(statuses[0], 204, "{statuses:?}");
        assert!([401, 404, 409].contains(&statuses[1]), "{statuses:?}");
    }

    async fn the_roles_of_an_account_are_listed_for_who_may_give_them(engine) {
        let office = Office::new(engine).await;
        let blue = office.tenant("bluesky", "entra").await;
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let emea = account(&office, &mut root, "bluesky/emea").await;
        let list = office.get(&mut root, &format!("/accounts/{emea}/roles")).await.expect(200).body;
        let keys: Vec<_> = list["items"].as_array().unwrap().iter().map(|item| item["key"].as_str().unwrap()).collect();
        assert_eq!(keys, ["administrator", "financial", "purchaser", "support", "technical"]);
        assert!(list["items"].as_array().unwrap().iter().all(|item| item["assignable"] == true), "{list}");
        problem(&office.get(&mut root, "/accounts/01900000-0000-7000-8000-000000000000/roles").await, 404, "not-found");
    }
}
