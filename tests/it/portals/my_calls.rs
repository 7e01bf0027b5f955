//! My Calls: exactly one level.

use super::{Portal, refused};
use crate::support::world::on_every_engine;

on_every_engine! {
    async fn a_level_replaces_the_former_and_everybody_begins_with_my_tickets(engine) {
        let mut portal = Portal::new(engine, "my-calls", "portal-administrator").await;
        let top = portal.account("bluesky").await;
        let joe = portal.person("joe").await;
        portal.sign_in("joe").await;
        for role in ["account-tickets", "my-calls-admin"] {
            refused(&portal.give(&top, &joe, role).await, 409, "begins with My Tickets");
        }
        for role in ["my-tickets", "my-calls-admin", "account-tickets", "my-tickets", "account-tickets"] {
            portal.give(&top, &joe, role).await.expect(201);
            assert_eq!(portal.held(&joe, &top).await, [role]);
        }
        assert!(portal.may(&joe, "tickets.account", &top).await && !portal.may(&joe, "levels.manage", &top).await);
    }

    async fn only_somebody_who_has_signed_in_before_is_given_a_level(engine) {
        let mut portal = Portal::new(engine, "my-calls", "portal-administrator").await;
        let top = portal.account("bluesky").await;
        let joe = portal.person("joe").await;
        refused(&portal.give(&top, &joe, "my-tickets").await, 409, "signed in before");
        portal.sign_in("joe").await;
        portal.give(&top, &joe, "my-tickets").await.expect(201);
    }

    async fn it_is_on_or_off_for_each_person(engine) {
        let mut portal = Portal::new(engine, "my-calls", "portal-administrator").await;
        let top = portal.account("bluesky").await;
        let joe = portal.person("joe").await;
        portal.sign_in("joe").await;
        let given = portal.give(&top, &joe, "my-tickets").await.expect(201).body;
        assert!(portal.may(&joe, "tickets.own", &top).await);
        let mut admin = portal.admin.clone();
        portal.take_as(&mut admin, &given).await.expect(204);
        assert!(!portal.may(&joe, "tickets.own", &top).await);
    }

    async fn a_my_calls_admin_manages_the_levels_of_others(engine) {
        let mut portal = Portal::new(engine, "my-calls", "portal-administrator").await;
        let top = portal.account("bluesky").await;
        let (joe, eve) = (portal.person("joe").await, portal.person("eve").await);
        for name in ["joe", "eve"] {
            portal.sign_in(name).await;
        }
        for (login, role) in [(&joe, "my-tickets"), (&joe, "my-calls-admin"), (&eve, "my-tickets")] {
            portal.give(&top, login, role).await.expect(201);
        }
        let mut admin = portal.sign_in("joe").await;
        portal.give_as(&mut admin, &top, serde_json::json!({ "login": eve, "role": "account-tickets" })).await.expect(201);
        refused(&portal.give_as(&mut admin, &top, serde_json::json!({ "login": eve, "role": "portal-administrator" })).await, 403, "may not give");
    }

    async fn entering_asks_to_sign_in_again(engine) {
        let mut portal = Portal::new(engine, "my-calls", "portal-administrator").await;
        let top = portal.account("bluesky").await;
        let joe = portal.person("joe").await;
        portal.sign_in("joe").await;
        portal.give(&top, &joe, "my-tickets").await.expect(201);
        let why = portal.office.get(&mut portal.admin.clone(), &format!("/logins/{joe}/roles")).await.expect(200).body;
        assert_eq!(why["accounts"][0]["roles"][0]["step_up"], true, "what the portal and the provider go by: {why}");
    }
}
