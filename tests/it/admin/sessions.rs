//! Sessions, as their person and administrators see and end them; their limits; and connections that are switched off.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::json;
use vestibule::model::HolderId;
use vestibule::work;

use super::{Office, noon, problem};
use crate::support::http::Browser;
use crate::support::sql;
use crate::support::world::{Tenant, on_every_engine};

/// Another browser of somebody who is known.
async fn again(office: &Office, tenant: &Tenant, name: &str) -> Browser {
    office.idp.script().claims = json!({ "sub": name });
    let mut browser = Browser::new();
    browser.follow(&office.world.sign_in(tenant), None).await.expect(200, "Your accounts");
    browser
}

async fn me(office: &Office, browser: &mut Browser, path: &str) -> crate::support::http::Visit {
    browser.visit(&format!("{}/me{path}", office.world.base)).await
}

/// The id of somebody's login.
async fn login(office: &Office, admin: &mut Browser, name: &str) -> String {
    let found = office.get(admin, &format!("/people?search={name}")).await.expect(200).body;
    found["items"][0]["login"].as_str().unwrap().to_owned()
}

on_every_engine! {
    async fn a_person_sees_where_they_are_signed_in_and_ends_it_there(engine) {
        let office = Office::new(engine).await;
        let tenant = office.tenant("bluesky", "entra").await;
        let mut here = office.inside(&tenant, "joe", "Cloud-Helpers").await;
        let mut other = office.inside(&tenant, "eve", "Everybody").await;
        me(&office, &mut here, "").await.expect(200, "/me/sessions");
        let alone = me(&office, &mut here, "/sessions").await.expect(200, "(this session)").expect(200, "<dd>127.0.0.1</dd>");
        assert!(!alone.body.contains("End all other") && !alone.body.contains("<form method=\"post\" action=\"/me/sessions/"), "{}", alone.body);
        let mut far = again(&office, &tenant, "joe").await;
        let mut third = again(&office, &tenant, "joe").await;
        let page = me(&office, &mut here, "/sessions").await.expect(200, "End all other sessions");
        assert_eq!(page.body.matches("End this session").count(), 2, "{}", page.body);
        let (_, rest) = page.body.split_once("action=\"/me/sessions/").unwrap();
        let path = format!("/me/sessions/{}", rest.split_once('"').unwrap().0);
        let url = format!("{}{path}", office.world.base);
        // Neither another site nor somebody else ends it.
        here.post_from("cross-site", &url, &[]).await.expect(403, "This is not allowed");
        other.post(&url, &[]).await.expect_redirect("/me/sessions");
        assert_eq!(me(&office, &mut here, "/sessions").await.body.matches("End this session").count(), 2);
        here.post(&url, &[]).await.expect_redirect("/me/sessions");
        assert_eq!(me(&office, &mut here, "/sessions").await.body.matches("End this session").count(), 1);
        let left = [me(&office, &mut far, "").await.status, me(&office, &mut third, "").await.status].map(|status| status.as_u16());
        assert!(left == [200, 303] || left == [303, 200], "{left:?}");
        here.post(&format!("{}/me/sessions/end-others", office.world.base), &[]).await.expect_redirect("/me/sessions");
        for gone in [&mut far, &mut third] {
            me(&office, gone, "").await.expect_redirect("/sign-in");
        }
        me(&office, &mut here, "").await.expect(200, "Your accounts");
        me(&office, &mut other, "").await.expect(200, "Your accounts");
        let told = "select count(*) from events where kind = 'session.ended' and details ->> 'reason' = 'person'";
        assert_eq!(sql::number(&office.world.database.url, told).await, 2);
        here.post(&format!("{}/me/sessions/nothing/end", office.world.base), &[]).await.expect(404, "");
    }

    async fn an_administrator_sees_and_ends_sessions_of_those_whom_they_could_deactivate(engine) {
        let office = Office::new(engine).await;
        let tenant = office.tenant("bluesky", "entra").await;
        let mut admin = office.inside(&tenant, "anne", "Cloud-Admins").await;
        let mut helper = office.inside(&tenant, "joe", "Cloud-Helpers").await;
        let joe = login(&office, &mut admin, "joe").await;
        let anne = login(&office, &mut admin, "anne").await;
        let path = format!("/logins/{joe}/sessions");
        let found = office.get(&mut admin, &path).await.expect(200).body;
        let [only] = found["items"].as_array().unwrap().as_slice() else { panic!("{found}") };
        assert_eq!((&only["login"], &only["portals"]), (&json!(joe), &json!([])));
        assert_eq!(only["connection"], "The identity provider of bluesky");
        let id = only["id"].as_str().unwrap();
        let own = office.get(&mut admin, &format!("/logins/{anne}/sessions")).await.expect(200).body;
        let own = own["items"][0]["id"].as_str().unwrap();
        problem(&office.send(&mut admin, Method::DELETE, &format!("/sessions/{own}"), None).await, 409, "conflict");
        let refused = office.send(&mut helper, Method::DELETE, &format!("/sessions/{own}"), None).await.status;
        assert!(matches!(refused, 401 | 403 | 404), "{refused}");
        let refused = office.get(&mut helper, &format!("/logins/{anne}/sessions")).await.status;
        assert!(matches!(refused, 401 | 403 | 404), "{refused}");
        me(&office, &mut helper, "").await.expect(200, "Your accounts");
        office.send(&mut admin, Method::DELETE, &format!("/sessions/{id}"), None).await.expect(204);
        me(&office, &mut helper, "").await.expect_redirect("/sign-in");
        problem(&office.send(&mut admin, Method::DELETE, &format!("/sessions/{id}"), None).await, 404, "not-found");
        problem(&office.send(&mut admin, Method::DELETE, "/sessions/x", None).await, 404, "not-found");
        let told = "select count(*) from events where kind = 'session.ended' and details ->> 'reason' = 'administrator'";
        assert_eq!(sql::number(&office.world.database.url, told).await, 1);
    }

    async fn the_limits_of_a_tenant_are_its_administrators_to_set_and_count_at_once(engine) {
        let office = Office::new(engine).await;
        let tenant = office.tenant("bluesky", "entra").await;
        let mut admin = office.inside(&tenant, "anne", "Cloud-Admins").await;
        let mut helper = office.inside(&tenant, "joe", "Cloud-Helpers").await;
        let service = json!({ "idle": null, "absolute": null, "in_force": { "idle": 720, "absolute": 1440 } });
        assert_eq!(office.get(&mut admin, "/session-limits").await.expect(200).body, service);
        let set = json!({ "idle": 30, "absolute": 100_000 });
        let answer = office.send(&mut admin, Method::PUT, "/session-limits", Some(&set)).await.expect(200).body;
        assert_eq!(answer, json!({ "idle": 30, "absolute": 100_000, "in_force": { "idle": 30, "absolute": 1440 } }));
        assert_eq!(office.get(&mut admin, "/session-limits").await.expect(200).body, answer);
        for wrong in [json!({ "idle": 0 }), json!({ "absolute": 525_601 }), json!({ "idle": -5 })] {
            problem(&office.send(&mut admin, Method::PUT, "/session-limits", Some(&wrong)).await, 400, "invalid-request");
        }
        assert_eq!(office.send(&mut helper, Method::PUT, "/session-limits", Some(&set)).await.status, 401);
        let told = "select count(*) from events where kind = 'tenant.changed'";
        assert_eq!(sql::number(&office.world.database.url, told).await, 1);
        office.clock.advance(TimeDelta::minutes(29));
        me(&office, &mut admin, "").await.expect(200, "Your accounts");
        office.clock.advance(TimeDelta::minutes(1));
        me(&office, &mut helper, "").await.expect_redirect("/sign-in");
        me(&office, &mut admin, "").await.expect(200, "Your accounts");
    }

    async fn a_connection_that_is_switched_off_ends_every_session_that_came_by_it(engine) {
        let office = Office::new(engine).await;
        let tenant = office.tenant("bluesky", "entra").await;
        let mut admin = office.inside(&tenant, "anne", "Cloud-Admins").await;
        let mut helper = office.inside(&tenant, "joe", "Cloud-Helpers").await;
        let path = format!("/connections/{}", tenant.connection);
        let (off, on) = (json!({ "state": "disabled" }), json!({ "state": "enabled" }));
        let refused = office.send(&mut helper, Method::PATCH, &path, Some(&off)).await.status;
        assert!(matches!(refused, 401 | 403 | 404), "{refused}");
        assert_eq!(office.send(&mut admin, Method::PATCH, &path, Some(&on)).await.expect(200).body["state"], "enabled");
        assert_eq!(office.send(&mut admin, Method::PATCH, &path, Some(&off)).await.expect(200).body["state"], "disabled");
        for browser in [&mut admin, &mut helper] {
            me(&office, browser, "").await.expect_redirect("/sign-in");
        }
        let app = &office.world.app;
        let sessions = async || sql::number(&office.world.database.url, "select count(*) from sessions").await;
        assert_eq!(sessions().await, 2);
        work::ending::end(&app.store, &app.clock, HolderId::new(noon())).await.unwrap();
        assert_eq!(sessions().await, 0);
        let told = "select count(*) from events where kind = 'connection.changed'";
        assert_eq!(sql::number(&office.world.database.url, told).await, 1);
    }
}
