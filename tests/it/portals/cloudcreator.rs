//! `CloudCreator`: a parent cloud and child clouds.

use serde_json::json;

use super::{Portal, refused};
use crate::support::world::on_every_engine;

on_every_engine! {
    async fn a_global_admin_has_every_role_but_those_of_network_security_on_parent_and_children(engine) {
        let mut portal = Portal::new(engine, "cloudcreator", "global-admin").await;
        let (parent, child) = (portal.account("bluesky").await, portal.account("bluesky/emea").await);
        let joe = portal.person("joe").await;
        for (account, service) in [(&parent, "computing"), (&child, "computing"), (&child, "networking"), (&child, "network-security")] {
            portal.subscribe(account, service).await;
        }
        portal.give(&parent, &joe, "global-admin").await.expect(201);
        assert_eq!(portal.held(&joe, &parent).await, ["global-admin", "computing-admin", "computing-user"]);
        assert_eq!(
            portal.held(&joe, &child).await,
            ["global-admin", "cloud-admin", "computing-admin", "computing-user", "networking-admin", "networking-user"]
        );
        for (permission, on_parent, on_child) in [
            ("people.manage", true, true),
            ("accounts.manage", true, true),
            ("computing.manage", true, true),
            ("networking.manage", false, true),
            ("network-security.view", false, false),
            ("network-security.manage", false, false),
        ] {
            assert_eq!(portal.may(&joe, permission, &parent).await, on_parent, "{permission}");
            assert_eq!(portal.may(&joe, permission, &child).await, on_child, "{permission}");
        }
    }

    async fn a_cloud_admin_looks_after_the_people_of_one_child_cloud(engine) {
        let mut portal = Portal::new(engine, "cloudcreator", "global-admin").await;
        let (parent, emea, apac) =
            (portal.account("bluesky").await, portal.account("bluesky/emea").await, portal.account("bluesky/apac").await);
        let (joe, eve) = (portal.person("joe").await, portal.person("eve").await);
        refused(&portal.give(&parent, &joe, "cloud-admin").await, 409, "only child clouds");
        refused(&portal.give(&emea, &joe, "global-admin").await, 409, "only the parent cloud");
        portal.give(&emea, &joe, "cloud-admin").await.expect(201);
        for (account, may) in [(&emea, true), (&apac, false), (&parent, false)] {
            assert_eq!(portal.may(&joe, "people.manage", account).await, may);
        }
        let mut inside = portal.sign_in("joe").await;
        portal.subscribe(&emea, "computing").await;
        portal.give_as(&mut inside, &emea, json!({ "login": eve, "role": "computing-user" })).await.expect(201);
        assert_eq!(portal.give_as(&mut inside, &apac, json!({ "login": eve, "role": "cloud-admin" })).await.status, 404);
        assert!(portal.may(&eve, "computing.operate", &emea).await && !portal.may(&eve, "computing.manage", &emea).await);
    }

    async fn the_first_global_security_admin_is_made_by_the_operator_and_only_they_give_security_roles(engine) {
        let mut portal = Portal::new(engine, "cloudcreator", "global-admin").await;
        let (parent, child) = (portal.account("bluesky").await, portal.account("bluesky/emea").await);
        let (joe, eve) = (portal.person("joe").await, portal.person("eve").await);
        portal.subscribe(&child, "network-security").await;
        for role in ["global-security-admin", "network-security-admin", "network-security-user"] {
            let account = if role == "global-security-admin" { &parent } else { &child };
            refused(&portal.give(account, &joe, role).await, 403, "may not give");
        }
        portal.appoint(&joe, None, "global-security-admin").await;
        assert!(portal.may(&joe, "network-security.manage", &child).await, "on children that subscribe to it");
        assert!(!portal.may(&joe, "network-security.manage", &parent).await, "not where nobody subscribes to it");
        let mut security = portal.sign_in("joe").await;
        portal.give_as(&mut security, &child, json!({ "login": eve, "role": "network-security-user" })).await.expect(201);
        portal.give_as(&mut security, &parent, json!({ "login": eve, "role": "global-security-admin" })).await.expect(201);
        refused(&portal.give_as(&mut security, &child, json!({ "login": eve, "role": "cloud-admin" })).await, 403, "may not give");
        // Who is everything else takes none of it away either.
        let given = portal.give_as(&mut security, &child, json!({ "login": joe, "role": "network-security-admin" })).await.expect(201).body;
        let mut admin = portal.admin.clone();
        refused(&portal.take_as(&mut admin, &given).await, 403, "may not take");
    }

    async fn roles_of_a_service_appear_only_where_the_account_subscribes_to_it(engine) {
        let mut portal = Portal::new(engine, "cloudcreator", "global-admin").await;
        let child = portal.account("bluesky/emea").await;
        let joe = portal.person("joe").await;
        let mut admin = portal.admin.clone();
        assert_eq!(portal.roles(&mut admin, &child).await.0, ["cloud-admin"]);
        refused(&portal.give(&child, &joe, "computing-user").await, 409, "does not subscribe");
        portal.subscribe(&child, "computing").await;
        assert_eq!(portal.roles(&mut admin, &child).await.0, ["cloud-admin", "computing-admin", "computing-user"]);
        portal.give(&child, &joe, "computing-user").await.expect(201);
        assert!(portal.may(&joe, "computing.view", &child).await);
        let path = format!("/accounts/{child}/services/computing");
        portal.office.send(&mut admin, reqwest::Method::DELETE, &path, None).await.expect(204);
        assert!(!portal.may(&joe, "computing.view", &child).await);
    }
}
