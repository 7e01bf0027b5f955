//! The whole thread: a directory pushes, a certified identity provider signs in, and the page shows what a rule gave.

use serde_json::json;

use super::patch;
use crate::support::evil_idp::CLIENT_SECRET;
use crate::support::http::{Browser, Visit, client};
use crate::support::node::Provider;
use crate::support::sql;
use crate::support::world::{Tenant, World, on_every_engine};

const JOE: &str = "8c1f2a44-09d3-4a3e-b8a1-5f0de23c7a10";

/// The world's connection is a client of the provider, and everybody who comes is Joe.
async fn register(provider: &Provider, world: &World, tenant: &Tenant) {
    let registration = json!({
        "client_id": "vestibule", "client_secret": CLIENT_SECRET, "redirect_uris": [world.redirect_uri(tenant)],
    });
    let registered = client().post(provider.control("client")).body(registration.to_string()).send().await.unwrap();
    assert!(registered.status().is_success(), "{}", provider.log());
    let scripted = client().get(provider.control(&format!("login?client_id=vestibule&sub={JOE}"))).send().await.unwrap();
    assert!(scripted.status().is_success(), "{}", provider.log());
}

/// As Entra writes it.
async fn post_joe(tenant: &Tenant) -> String {
    let user = json!({
        "schemas": [
            "urn:ietf:params:scim:schemas:core:2.0:User",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        ],
        "externalId": JOE,
        "userName": "Joe.Bloggs@bluesky.example",
        "active": true,
        "displayName": "Joe Bloggs",
        "emails": [{ "primary": true, "type": "work", "value": "Joe.Bloggs@bluesky.example" }],
        "meta": { "resourceType": "User" },
        "name": { "formatted": "Joe Bloggs", "familyName": "Bloggs", "givenName": "Joe" },
        "roles": [],
        "title": "Platform Engineer",
    });
    tenant.scim.post("/Users", &user).await.expect(201).id()
}

async fn set_active(tenant: &Tenant, id: &str, active: &str) {
    let operations = json!([{ "op": "Replace", "path": "active", "value": active }]);
    let answer = tenant.scim.patch(&format!("/Users/{id}"), &patch(&operations)).await;
    assert!(matches!(answer.status, 200 | 204), "{answer:?}");
}

async fn add_member(tenant: &Tenant, group: &str, id: &str) {
    let operations = json!([{ "op": "Add", "path": "members", "value": [{ "value": id }] }]);
    let answer = tenant.scim.patch(&format!("/Groups/{group}"), &patch(&operations)).await;
    assert!(matches!(answer.status, 200 | 204), "{answer:?}");
}

fn expect_administrator_of_emea(visit: &Visit) {
    assert_eq!((visit.status.as_u16(), visit.url.path()), (200, "/me"), "{}", visit.body);
    for text in ["Joe Bloggs", "EMEA", "<strong>Administrator</strong>", "by rule ‘EMEA administrators’"] {
        assert!(visit.body.contains(text), "{text}: {}", visit.body);
    }
    assert!(!visit.body.contains("APAC"), "{}", visit.body);
}

/// The number on the page is that of a trace and of an event.
async fn expect_recorded(world: &World, tenant: &Tenant, visit: &Visit, outcome: &str) {
    let reference = visit.reference();
    let traces = world.app.store.read(tenant.id).trace_outcomes(tenant.connection).await.unwrap();
    assert!(traces.iter().any(|(id, how)| id.to_string() == reference && how == outcome), "{reference}: {traces:?}");
    let events = format!("select count(*) from events where details ->> 'reference' = '{reference}'");
    assert_eq!(sql::number(&world.database.url, &events).await, 1);
}

on_every_engine! {
    async fn a_directory_pushes_and_a_certified_provider_signs_in(engine) {
        let provider = Provider::start(&json!({ "users": { JOE: { "name": "Joe", "email": "joe.bloggs@bluesky.example" } } }));
        let world = World::empty(engine).await;
        let tenant = world.tenant("bluesky", "entra", provider.issuer()).await;
        register(&provider, &world, &tenant).await;
        let start = world.sign_in(&tenant);
        let me = format!("{}/me", world.base);
        let subjects = async || sql::number(&world.database.url, "select count(*) from subjects").await;

        // The push.
        let joe = post_joe(&tenant).await;
        let group = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "externalId": "0b1d3c55-7c62-4b4a-9a6e-3c1c0d8d9f01",
            "displayName": "Cloud-EMEA-Admins",
            "meta": { "resourceType": "Group" },
        });
        let group = tenant.scim.post("/Groups", &group).await.expect(201).id();
        add_member(&tenant, &group, &joe).await;
        assert_eq!(subjects().await, 0);

        // The sign-in binds, by the pair.
        let mut browser = Browser::new();
        expect_administrator_of_emea(&browser.follow(&start, None).await);
        assert_eq!(subjects().await, 1);
        assert_eq!(sql::texts(&world.database.url, "select value from subjects").await, [JOE]);
        // Another browser finds what was bound.
        let mut second = Browser::new();
        expect_administrator_of_emea(&second.follow(&start, None).await);
        assert_eq!(subjects().await, 1);

        // Switched off: the very next request of each session is refused, and so is a new sign-in.
        set_active(&tenant, &joe, "False").await;
        for browser in [&mut browser, &mut second] {
            let refused = browser.visit(&me).await.expect_redirect("/sign-in");
            assert!(refused.body.is_empty(), "{}", refused.body);
        }
        let refused = browser.follow(&start, None).await.expect(403, "Your access is switched off");
        assert!(refused.body.contains("it@bluesky.example"), "{}", refused.body);
        expect_recorded(&world, &tenant, &refused, "inactive").await;
        browser.visit(&me).await.expect_redirect("/sign-in");
        assert_eq!(sql::number(&world.database.url, "select count(*) from assignments").await, 0);

        // Switched on again: the old session stays ended, a new one has the role.
        set_active(&tenant, &joe, "True").await;
        second.visit(&me).await.expect_redirect("/sign-in");
        expect_administrator_of_emea(&second.follow(&start, None).await);

        // Deleted: gone, also for the session that is open.
        tenant.scim.delete(&format!("/Users/{joe}")).await.expect(204);
        second.visit(&me).await.expect_redirect("/sign-in");
        let gone = second.follow(&start, None).await.expect(403, "Your access has ended");
        expect_recorded(&world, &tenant, &gone, "gone").await;
        assert_eq!(subjects().await, 0);

        // The directory wants Joe back: a login of its own, bound anew, without what the former one had.
        let again = post_joe(&tenant).await;
        assert_ne!(again, joe);
        second.follow(&start, None).await.expect(200, "No account yet");
        assert_eq!(subjects().await, 1);
        add_member(&tenant, &group, &again).await;
        expect_administrator_of_emea(&second.visit(&me).await);
    }
}
