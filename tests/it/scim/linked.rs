//! What a directory says of the other login of somebody, and what user names have in common: it proposes to link two logins, no more.

use serde_json::{Value, json};
use vestibule::directory::linking::proposals;
use vestibule::model::{LinkSource, LoginId};

use super::{USER, directory, events_of, filtered, found, make_user, operations, refused, user};
use crate::support::http::{Answer, Scim};
use crate::support::sql;
use crate::support::world::{Tenant, World, describe, on_every_engine};

const PORTAL: &str = "urn:vestibule:params:scim:schemas:extension:portal:2.0:User";

/// A User whose directory knows of another login.
fn hinting(name: &str, other: &str) -> Value {
    json!({ "schemas": [USER, PORTAL], "userName": name, PORTAL: { "otherUserName": other } })
}

async fn make(scim: &Scim, name: &str, other: &str) -> String {
    scim.post("/Users", &hinting(name, other)).await.expect(201).id()
}

/// Who is proposed for a login, by user name.
async fn proposed(world: &World, tenant: &Tenant, login: &str) -> Vec<(String, LinkSource)> {
    let mut reader = world.app.store.read(tenant.id);
    let login = reader.any_login(login.parse::<LoginId>().unwrap()).await.unwrap().unwrap().login;
    let found = proposals::of_login(&mut reader, &login).await.unwrap();
    found.into_iter().map(|one| (one.login.user_name, one.source)).collect()
}

fn only(name: &str, source: LinkSource) -> Vec<(String, LinkSource)> {
    vec![(name.to_owned(), source)]
}

/// An answer without what differs between two Users.
fn alike(answer: &Answer, names: [&str; 2]) -> String {
    let mut body = answer.body.clone();
    for member in ["id", "meta"] {
        body[member] = Value::Null;
    }
    names.iter().fold(body.to_string(), |text, name| text.replace(name, "…"))
}

/// A tenant with a second directory, and a login of that.
async fn beside(world: &World, other: &str) -> Tenant {
    let second = "[[tenant.directory]]\nslug = \"other\"\nname = \"The other one\"\nprofile = \"strict\"\n\n[[tenant.rule]]";
    let text = describe("bluesky", "strict", "http://127.0.0.1:1", "off").replace("[[tenant.rule]]", second);
    let tenant = world.described("bluesky", &text).await;
    let id = make_user(&tenant.scim, other).await;
    let theirs = "(select id from directories where slug = 'other')";
    let text = format!("update logins set directory_id = {theirs}, namespace_id = {theirs} where user_name = '{other}'");
    sql::change(&world.database.url, &text).await;
    assert_eq!(tenant.scim.get(&format!("/Users/{id}")).await.status, 404);
    tenant
}

on_every_engine! {
    async fn r20_p15_the_directory_says_who_the_other_login_is_in_every_profile(engine) {
        for profile in ["strict", "entra", "okta", "onelogin", "google", "jumpcloud", "ping"] {
            let (_world, tenant) = directory(engine, profile).await;
            let scim = &tenant.scim;
            let made = scim.post("/Users", &hinting("joe", "Joe.GSA")).await.expect(201);
            assert_eq!((&made.body["schemas"], &made.body[PORTAL]), (&json!([USER, PORTAL]), &json!({ "otherUserName": "Joe.GSA" })), "{profile}");
            let path = format!("/Users/{}", made.id());
            let whole = scim.get(&format!("{path}?attributes={PORTAL}")).await.expect(200);
            assert_eq!((&whole.body["schemas"], &whole.body[PORTAL]["slot"], &whole.body[PORTAL]["otherUserName"]), (&json!([USER, PORTAL]), &json!(1), &json!("Joe.GSA")));
            // The same again is no change, and another one is.
            let again = scim.put(&path, &hinting("joe", "Joe.GSA")).await.expect(200);
            assert_eq!(again.body["meta"]["version"], "W/\"1\"", "{profile}");
            let put = scim.put(&path, &hinting("joe", "joe.adm")).await.expect(200);
            assert_eq!((&put.body["meta"]["version"], &put.body[PORTAL]["otherUserName"]), (&json!("W/\"2\""), &json!("joe.adm")), "{profile}");
            let mut version = 2;
            for (operation, expected) in [
                (json!({"op": "replace", "path": format!("{PORTAL}:otherUserName"), "value": "a"}), json!("a")),
                (json!({"op": "add", "path": format!("{}:OTHERUSERNAME", PORTAL.to_uppercase()), "value": "b"}), json!("b")),
                (json!({"op": "add", "path": PORTAL, "value": {"otherUserName": "c"}}), json!("c")),
                (json!({"op": "replace", "value": {PORTAL: {"otherUserName": "d"}}}), json!("d")),
                (json!({"op": "replace", "value": {format!("{PORTAL}:otherUserName"): "e"}}), json!("e")),
                (json!({"op": "remove", "path": format!("{PORTAL}:otherUserName")}), Value::Null),
                (json!({"op": "add", "value": {PORTAL: {"otherUserName": "f"}}}), json!("f")),
                // The container takes along what is the client's, and the rest is not in it.
                (json!({"op": "remove", "path": PORTAL}), Value::Null),
            ] {
                let answer = scim.patch(&path, &operations(json!([operation]))).await;
                assert!([200, 204].contains(&answer.status), "{profile}: {operation}: {}", answer.body);
                version += 1;
                let read = scim.get(&path).await.expect(200).body;
                assert_eq!((&read[PORTAL]["otherUserName"], &read["meta"]["version"]), (&expected, &json!(format!("W/\"{version}\""))), "{profile}: {operation}");
                let schemas = if expected.is_null() { json!([USER]) } else { json!([USER, PORTAL]) };
                assert_eq!(read["schemas"], schemas, "{profile}: {operation}");
            }
            scim.put(&path, &hinting("joe", "joe.gsa")).await.expect(200);
            let left_out = scim.put(&path, &user("joe")).await.expect(200);
            assert_eq!((&left_out.body["schemas"], left_out.body.get(PORTAL)), (&json!([USER]), None), "{profile}");
            // Beside it the rest is as unwritable as ever, and then nothing is written.
            let both = json!([{"op": "add", "path": PORTAL, "value": {"otherUserName": "g", "slot": 2}}]);
            refused(&scim.patch(&path, &operations(both)).await, 400, "mutability");
            assert_eq!(scim.get(&path).await.body.get(PORTAL), None, "{profile}");
        }
    }

    async fn a_hint_proposes_both_ways_in_whatever_letter_case(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        let joe = make(scim, "Joe.Bloggs", "JOE.bloggs.gsa").await;
        assert_eq!(proposed(&world, &tenant, &joe).await, [], "nobody has that name yet");
        let gsa = make_user(scim, "Joe.Bloggs.GSA").await;
        assert_eq!(proposed(&world, &tenant, &joe).await, only("Joe.Bloggs.GSA", LinkSource::Directory));
        assert_eq!(proposed(&world, &tenant, &gsa).await, only("Joe.Bloggs", LinkSource::Directory));
        // It is a hint, and nothing else: two persons, no row, no event.
        assert_eq!(sql::number(&world.database.url, "select count(*) from persons where state = 'active'").await, 2);
        assert_eq!(sql::number(&world.database.url, "select count(*) from link_proposals").await, 0);
        assert_eq!(events_of(&world, &tenant, &joe).await, ["login.created"]);
        // Found like any attribute that is the client's; the others still not.
        assert_eq!(found(scim, &format!("{PORTAL}:otherUserName eq \"joe.BLOGGS.gsa\"")).await, ["Joe.Bloggs"]);
        assert_eq!(found(scim, &format!("not ({PORTAL}:otherUserName pr)")).await, ["Joe.Bloggs.GSA"]);
        refused(&scim.get(&filtered("/Users", &format!("{PORTAL}:otherLogin pr"))).await, 400, "invalidFilter");
        // One that names itself names nobody; and what is out of use is not proposed.
        let own = make(scim, "eve", "eve").await;
        assert_eq!(proposed(&world, &tenant, &own).await, []);
        let off = operations(json!([{"op": "replace", "path": "active", "value": false}]));
        scim.patch(&format!("/Users/{gsa}"), &off).await.expect(200);
        assert_eq!((proposed(&world, &tenant, &joe).await, proposed(&world, &tenant, &gsa).await), (vec![], vec![]));
        let on = operations(json!([{"op": "replace", "path": "active", "value": true}]));
        scim.patch(&format!("/Users/{gsa}"), &on).await.expect(200);
        assert_eq!(proposed(&world, &tenant, &joe).await.len(), 1);
        scim.delete(&format!("/Users/{gsa}")).await.expect(204);
        assert_eq!(proposed(&world, &tenant, &joe).await, []);
    }

    async fn a_directory_learns_nothing_of_a_login_of_another(engine) {
        let world = World::empty(engine).await;
        let tenant = beside(&world, "joe.elsewhere").await;
        let scim = &tenant.scim;
        let nobody = scim.post("/Users", &hinting("joe", "joe.nobody")).await.expect(201);
        let somebody = scim.post("/Users", &hinting("eve", "joe.elsewhere")).await.expect(201);
        assert_eq!(alike(&nobody, ["joe.nobody", "joe"]), alike(&somebody, ["joe.elsewhere", "eve"]));
        let whole = |id: String| format!("/Users/{id}?attributes={PORTAL}");
        let (first, second) = (scim.get(&whole(nobody.id())).await.expect(200), scim.get(&whole(somebody.id())).await.expect(200));
        let without_person = |answer: &Answer| {
            let mut own = answer.body[PORTAL].clone();
            own["person"] = Value::Null;
            own["otherUserName"] = Value::Null;
            own
        };
        assert_eq!(without_person(&first), without_person(&second));
        assert_eq!(proposed(&world, &tenant, &nobody.id()).await, []);
        assert_eq!(proposed(&world, &tenant, &somebody.id()).await, []);
        for (name, login) in [("joe.nobody", "joe"), ("joe.elsewhere", "eve")] {
            assert_eq!(found(scim, &format!("{PORTAL}:otherUserName eq \"{name}\"")).await, [login]);
            assert_eq!(found(scim, &format!("userName eq \"{name}\"")).await, [""; 0]);
        }
        // Nor is the other one proposed anything by a directory that does not own it.
        let theirs = world.app.store.read(tenant.id).people(&vestibule::store::PeopleQuery::default(), 10).await.unwrap();
        let theirs = theirs.iter().find(|row| row.user_name == "joe.elsewhere").unwrap().id.to_string();
        assert_eq!(proposed(&world, &tenant, &theirs).await, []);
    }

    async fn a_pattern_of_user_names_proposes_what_the_settings_say(engine) {
        for suffixes in ["[]", "[\".GSA\", \"-adm\"]"] {
            let world = World::empty(engine).await;
            let text = describe("bluesky", "strict", "http://127.0.0.1:1", "off");
            let settings = format!("[tenant.directory.settings]\nlink_suffixes = {suffixes}\n\n[[tenant.directory.token]]");
            let tenant = world.described("bluesky", &text.replace("[[tenant.directory.token]]", &settings)).await;
            let scim = &tenant.scim;
            let joe = make_user(scim, "joe.bloggs@bluesky.example").await;
            let gsa = make_user(scim, "Joe.Bloggs.gsa@bluesky.example").await;
            make_user(scim, "joe.bloggs.gsa@redsky.example").await;
            if suffixes == "[]" {
                assert_eq!((proposed(&world, &tenant, &joe).await, proposed(&world, &tenant, &gsa).await), (vec![], vec![]));
                continue;
            }
            assert_eq!(proposed(&world, &tenant, &joe).await, only("Joe.Bloggs.gsa@bluesky.example", LinkSource::UserName));
            assert_eq!(proposed(&world, &tenant, &gsa).await, only("joe.bloggs@bluesky.example", LinkSource::UserName));
            // Each once, by the strongest source, and the strongest first.
            let adm = make_user(scim, "joe.bloggs-adm@bluesky.example").await;
            let hint = operations(json!([{"op": "add", "path": format!("{PORTAL}:otherUserName"), "value": "joe.bloggs@bluesky.example"}]));
            scim.patch(&format!("/Users/{adm}"), &hint).await.expect(200);
            let both = vec![
                ("joe.bloggs-adm@bluesky.example".to_owned(), LinkSource::Directory),
                ("Joe.Bloggs.gsa@bluesky.example".to_owned(), LinkSource::UserName),
            ];
            assert_eq!(proposed(&world, &tenant, &joe).await, both);
            let mut writer = world.app.store.write(tenant.id).await.unwrap();
            let (one, other) = (joe.parse().unwrap(), gsa.parse().unwrap());
            assert!(writer.insert_link_proposal(one, other, &vestibule::model::Actor::System, world.app.clock.now()).await.unwrap());
            writer.commit().await.unwrap();
            let first = &proposed(&world, &tenant, &joe).await[0];
            assert_eq!(*first, ("Joe.Bloggs.gsa@bluesky.example".to_owned(), LinkSource::Administrator));
            // Whoever is linked is proposed to nobody, and nobody to them.
            let person = |name: &str| format!("(select person_id from logins where user_name = '{name}')");
            let text = format!("update logins set slot = 2, person_id = {} where user_name = 'Joe.Bloggs.gsa@bluesky.example'", person("joe.bloggs@bluesky.example"));
            sql::change(&world.database.url, &text).await;
            for login in [&joe, &gsa, &adm] {
                assert_eq!(proposed(&world, &tenant, login).await, [], "{login}");
            }
        }
    }
}
