//! The Managed portal: Admin, Manager or User.

use serde_json::json;

use super::{Portal, refused};
use crate::support::world::on_every_engine;

on_every_engine! {
    async fn everybody_is_admin_manager_or_user_one_of_them(engine) {
        let mut portal = Portal::new(engine, "managed-portal", "admin").await;
        let top = portal.account("bluesky").await;
        let joe = portal.person("joe").await;
        for role in ["user", "manager", "admin", "user"] {
            portal.give(&top, &joe, role).await.expect(201);
            assert_eq!(portal.held(&joe, &top).await, [role], "it takes the place of the former");
        }
        // A rule gives more: the hand's word counts, and why shows the other.
        let group = json!({ "displayName": "Admins", "members": [{ "value": joe }] });
        let groups = portal.tenant.scim.get("/Groups?filter=displayName%20eq%20%22Admins%22").await.expect(200).body;
        let path = format!("/Groups/{}", groups["Resources"][0]["id"].as_str().unwrap());
        let add = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{ "op": "add", "path": "members", "value": group["members"] }] });
        assert!(portal.tenant.scim.patch(&path, &add).await.status < 300);
        assert_eq!(portal.held(&joe, &top).await, ["admin!", "user"]);
        assert!(!portal.may(&joe, "people.manage", &top).await && portal.may(&joe, "tickets.open", &top).await);
    }

    async fn only_admins_manage_people(engine) {
        let mut portal = Portal::new(engine, "managed-portal", "admin").await;
        let top = portal.account("bluesky").await;
        let mut logins = Vec::new();
        for role in ["admin", "manager", "user"] {
            let login = portal.person(role).await;
            portal.give(&top, &login, role).await.expect(201);
            assert_eq!(portal.may(&login, "people.manage", &top).await, role == "admin", "{role}");
            logins.push(login);
        }
        let mut manager = portal.sign_in("manager").await;
        assert_eq!(portal.give_as(&mut manager, &top, json!({ "login": logins[2], "role": "manager" })).await.status, 401, "it has no business here");
        let mut admin = portal.sign_in("admin").await;
        portal.give_as(&mut admin, &top, json!({ "login": logins[2], "role": "manager" })).await.expect(201);
    }

    async fn a_user_sees_only_the_services_that_are_assigned_to_them(engine) {
        let mut portal = Portal::new(engine, "managed-portal", "admin").await;
        let top = portal.account("bluesky").await;
        let joe = portal.person("joe").await;
        portal.give(&top, &joe, "user").await.expect(201);
        for service in ["managed-hosting", "managed-network"] {
            portal.subscribe(&top, service).await;
        }
        for instance in ["web-1", "web-2"] {
            portal.add_instance(&top, "managed-hosting", instance).await;
        }
        let mut admin = portal.admin.clone();
        let gift = json!({ "login": joe, "role": "hosting-user", "service": "managed-hosting", "instance": "web-1" });
        portal.give_as(&mut admin, &top, gift.clone()).await.expect(201);
        let of = |service: &str, instance: &str| {
            json!({ "type": "account", "id": top, "properties": { "service": service, "instance": instance } })
        };
        assert!(portal.may_with(&joe, "service.view", of("managed-hosting", "web-1")).await);
        for (service, instance) in [("managed-hosting", "web-2"), ("managed-network", "line-1")] {
            assert!(!portal.may_with(&joe, "service.view", of(service, instance)).await, "{service} {instance}");
        }
        assert!(!portal.may(&joe, "services.view", &top).await);
        let mut unknown = gift;
        unknown["instance"] = json!("web-3");
        refused(&portal.give_as(&mut admin, &top, unknown).await, 409, "no instance");
    }
}
