//! The portal extension of User: what the portal knows of a login, for whoever asks, and for nobody to change. What a directory says there
//! is in `linked`.

use serde_json::{Value, json};

use super::{USER, directory, filtered, make_group, make_user, operations, refused, roles_of, user};
use crate::support::http::Scim;
use crate::support::sql;
use crate::support::world::{World, describe, on_every_engine};

const PORTAL: &str = "urn:vestibule:params:scim:schemas:extension:portal:2.0:User";

/// The extension of a User, asked for as a whole.
async fn portal(scim: &Scim, id: &str) -> Value {
    let read = scim.get(&format!("/Users/{id}?attributes={PORTAL}")).await.expect(200);
    assert_eq!(read.body["schemas"], json!([USER, PORTAL]), "{}", read.body);
    read.body[PORTAL].clone()
}

/// Makes `second` the other login of the person of `first`, as linking will.
async fn link(world: &World, first: &str, second: &str) {
    let person = format!("(select person_id from logins where user_name = '{first}')");
    let text = format!("update logins set slot = 2, person_id = {person} where user_name = '{second}'");
    sql::change(&world.database.url, &text).await;
}

on_every_engine! {
    async fn r20_r05_the_portal_extension_is_for_who_asks(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        let joe = make_user(scim, "joe").await;
        make_group(scim, "Cloud-EMEA-Admins", &[&joe]).await;
        for path in [format!("/Users/{joe}"), format!("/Users/{joe}?excludedAttributes=groups"), format!("/Users/{joe}?attributes=userName")] {
            let read = scim.get(&path).await.expect(200);
            assert_eq!((&read.body["schemas"], read.body.get(PORTAL)), (&json!([USER]), None), "{path}");
        }
        let person = world.app.store.read(tenant.id).any_login(joe.parse().unwrap()).await.unwrap().unwrap().login.person_id;
        let role = json!({ "account": "bluesky/emea", "role": "administrator" });
        assert_eq!(portal(scim, &joe).await, json!({ "person": person, "slot": 1, "roles": [role] }));
        // A role is no change of the User: its tag stays.
        let tag = scim.get(&format!("/Users/{joe}?attributes={PORTAL}")).await.headers["etag"].clone();
        assert_eq!(tag, "W/\"1\"");
        // Who holds nothing, and has no other login, has no such attribute.
        let eve = make_user(scim, "eve").await;
        let read = scim.get(&format!("/Users/{eve}?attributes={PORTAL}:roles,{PORTAL}:otherLogin")).await.expect(200);
        assert_eq!((&read.body["schemas"], read.body.get(PORTAL)), (&json!([USER]), None), "{}", read.body);
        // Switched off, nobody holds anything.
        let off = operations(json!([{"op": "replace", "path": "active", "value": false}]));
        let patched = scim.patch(&format!("/Users/{joe}?attributes={PORTAL}"), &off).await.expect(200);
        assert_eq!(patched.body[PORTAL], json!({ "person": person, "slot": 1 }));
    }

    async fn r18_r21_parts_of_the_portal_extension_are_chosen_everywhere(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        let slot = json!({ "slot": 1 });
        let made = scim.post(&format!("/Users?attributes={}:SLOT", PORTAL.to_uppercase()), &user("joe")).await.expect(201);
        assert_eq!((&made.body[PORTAL], made.body.get("userName")), (&slot, None));
        let path = format!("/Users/{}", made.id());
        let put = scim.put(&format!("{path}?attributes={PORTAL}:slot,userName"), &user("joe")).await.expect(200);
        assert_eq!((&put.body[PORTAL], &put.body["userName"]), (&slot, &json!("joe")));
        for number in 0..3 {
            let id = make_user(scim, &format!("user{number}")).await;
            make_group(scim, "Cloud-EMEA-Admins", &[&id]).await;
        }
        let list = scim.get(&format!("/Users?attributes={PORTAL}:roles.role,userName")).await.expect(200);
        let mut told: Vec<_> = list.body["Resources"].as_array().unwrap().iter().map(|one| (&one["userName"], &one[PORTAL])).collect();
        told.sort_by_key(|(name, _)| name.as_str().unwrap().to_owned());
        let role = json!({ "roles": [{ "role": "administrator" }] });
        let names = ["joe", "user0", "user1", "user2"].map(Value::from);
        assert_eq!(told, [(&names[0], &Value::Null), (&names[1], &role), (&names[2], &role), (&names[3], &role)]);
    }

    async fn the_other_login_is_told_in_the_same_directory_alone(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        let (joe, gsa) = (make_user(scim, "joe").await, make_user(scim, "joe.gsa").await);
        link(&world, "joe", "joe.gsa").await;
        let (first, second) = (portal(scim, &joe).await, portal(scim, &gsa).await);
        assert_eq!((&first["slot"], &first["otherLogin"]), (&json!(1), &json!(gsa)));
        assert_eq!((&second["slot"], &second["otherLogin"]), (&json!(2), &json!(joe)));
        assert_eq!(first["person"], second["person"]);
        let list = scim.get(&format!("/Users?attributes={PORTAL}:otherLogin")).await.expect(200);
        assert_eq!(list.body["Resources"].as_array().unwrap().iter().filter(|one| one[PORTAL]["otherLogin"].is_string()).count(), 2);
        // Elsewhere it is nobody's business.
        sql::change(&world.database.url, "update logins set directory_id = null where user_name = 'joe.gsa'").await;
        assert_eq!(portal(scim, &joe).await.get("otherLogin"), None);
    }

    async fn r03_r23_r29_p17_nobody_writes_what_the_portal_knows(engine) {
        for profile in ["strict", "entra", "okta", "onelogin", "google", "jumpcloud", "ping"] {
            let (world, tenant) = directory(engine, profile).await;
            let scim = &tenant.scim;
            let mut body = user("joe");
            body["schemas"] = json!([USER, PORTAL]);
            body[PORTAL] = json!({
                "person": "somebody", "slot": 2, "otherLogin": "1", "roles": [{ "account": "bluesky", "role": "administrator" }],
            });
            let made = scim.post("/Users", &body).await.expect(201);
            assert_eq!(made.body["schemas"], json!([USER]), "{profile}");
            let path = format!("/Users/{}", made.id());
            let put = scim.put(&path, &body).await.expect(200);
            assert_eq!((&put.body["meta"]["version"], put.body.get(PORTAL)), (&json!("W/\"1\""), None), "{profile}");
            for operation in [
                json!({"op": "replace", "path": format!("{PORTAL}:slot"), "value": 2}),
                json!({"op": "add", "path": format!("{PORTAL}:roles"), "value": [{"account": "bluesky", "role": "administrator"}]}),
                json!({"op": "add", "path": PORTAL, "value": {"person": "somebody"}}),
                json!({"op": "replace", "value": {PORTAL: {"otherLogin": "1"}}}),
                json!({"op": "replace", "value": {format!("{PORTAL}:slot"): 2}}),
                json!({"op": "remove", "path": format!("{PORTAL}:person")}),
            ] {
                let refusal = scim.patch(&path, &operations(json!([operation]))).await;
                refused(&refusal, 400, "mutability");
            }
            // To remove all of it removes what is the client's, which is nothing here.
            let emptied = scim.patch(&path, &operations(json!([{"op": "remove", "path": PORTAL}]))).await;
            assert!([200, 204].contains(&emptied.status), "{profile}: {}", emptied.body);
            assert_eq!(scim.get(&path).await.expect(200).body["meta"]["version"], "W/\"1\"", "{profile}");
            let own = portal(scim, &made.id()).await;
            assert_eq!((&own["slot"], own.get("roles"), own.get("otherLogin")), (&json!(1), None, None), "{profile}");
            assert_eq!(roles_of(&world, &tenant, &made.id()).await, [""; 0]);
        }
    }

    async fn nobody_finds_users_by_the_portal_extension(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let scim = &tenant.scim;
        make_user(scim, "joe").await;
        for filter in ["person pr", "slot eq 1", "roles.role eq \"administrator\"", "roles[role eq \"x\"]", "otherLogin pr"] {
            refused(&scim.get(&filtered("/Users", &format!("{PORTAL}:{filter}"))).await, 400, "invalidFilter");
        }
    }

    async fn d06_the_portal_extension_is_published_and_named_where_the_settings_say_so(engine) {
        for named in [false, true] {
            let world = World::empty(engine).await;
            let text = describe("bluesky", "strict", "http://127.0.0.1:1", "off");
            let settings = format!("[tenant.directory.settings]\nportal_extension = {named}\n\n[[tenant.directory.token]]");
            let tenant = world.described("bluesky", &text.replace("[[tenant.directory.token]]", &settings)).await;
            let scim = &tenant.scim;
            let kind = scim.get("/ResourceTypes/User").await.expect(200);
            let extensions = kind.body["schemaExtensions"].as_array().unwrap();
            assert_eq!(extensions.contains(&json!({ "schema": PORTAL, "required": false })), named, "{}", kind.body);
            assert_eq!(scim.get("/ResourceTypes").await.body["Resources"][0], kind.body);
            let schema = scim.get(&format!("/Schemas/{PORTAL}")).await.expect(200);
            for attribute in schema.body["attributes"].as_array().unwrap() {
                let behaviour = if attribute["name"] == "otherUserName" { ("readWrite", "default") } else { ("readOnly", "request") };
                assert_eq!((&attribute["mutability"], &attribute["returned"]), (&json!(behaviour.0), &json!(behaviour.1)), "{attribute}");
            }
        }
    }
}
