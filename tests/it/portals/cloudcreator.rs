//! `CloudCreator`: a parent cloud and child clouds.

use serde_json::json;

use super::{Portal, local, login, refused};
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

    async fn people_of_the_customers_provider_have_few_fields_and_local_ones_all(engine) {
        let mut portal = Portal::new(engine, "cloudcreator", "global-admin").await;
        let parent = portal.account("bluesky").await;
        let mut admin = portal.admin.clone();
        let joe = portal.make_as(&mut admin, &portal.byoi(&parent, "joe")).await.expect(201).body;
        assert_eq!((&joe["phone_numbers"], &joe["token_type"]), (&json!([]), &json!(null)));
        let eve = portal.make_as(&mut admin, &local(&parent, "eve")).await.expect(201).body;
        assert_eq!((&eve["phone_numbers"], &eve["token_type"], &eve["mobile_type"]), (&json!(["+441234567890"]), &json!("soft-token"), &json!("Android")));
        let mut more = portal.byoi(&parent, "ann");
        more["phone_numbers"] = json!(["+441234567890"]);
        refused(&portal.make_as(&mut admin, &more).await, 400, "phone_numbers: only a local login has it");
    }

    async fn a_user_name_is_unique_without_spaces_and_names_are_not_edited_afterwards(engine) {
        let mut portal = Portal::new(engine, "cloudcreator", "global-admin").await;
        let parent = portal.account("bluesky").await;
        let mut admin = portal.admin.clone();
        let joe = login(portal.make_as(&mut admin, &local(&parent, "joe")).await);
        refused(&portal.make_as(&mut admin, &local(&parent, "Joe")).await, 409, "another local login of the service has it");
        refused(&portal.make_as(&mut admin, &local(&parent, "joe bloggs")).await, 400, "user_name: 1 to 100 characters, and none of them a space");
        for field in ["user_name", "given_name", "family_name"] {
            refused(&portal.edit(&joe, json!({ field: "other" })).await, 409, "in this portal nobody changes it");
        }
        portal.edit(&joe, json!({ "email": "joe@redsky.example" })).await.expect(200);
    }

    async fn a_mobile_type_goes_with_a_soft_token_and_phone_numbers_have_a_country_code(engine) {
        let mut portal = Portal::new(engine, "cloudcreator", "global-admin").await;
        let parent = portal.account("bluesky").await;
        let mut admin = portal.admin.clone();
        let joe = login(portal.make_as(&mut admin, &local(&parent, "joe")).await);
        refused(&portal.edit(&joe, json!({ "token_type": "sms" })).await, 400, "mobile_type: only a soft token");
        portal.edit(&joe, json!({ "token_type": "sms", "mobile_type": null })).await.expect(200);
        refused(&portal.edit(&joe, json!({ "token_type": "paper" })).await, 400, "token_type: sms or soft-token");
        for number in ["01234567890", "+44 1234567890", "+44-1234567890", "441234567890"] {
            refused(&portal.edit(&joe, json!({ "phone_numbers": [number] })).await, 400, "+ country code, digits, no spaces");
        }
        portal.edit(&joe, json!({ "phone_numbers": ["+4915112345678"] })).await.expect(200);
    }

    async fn delete_asks_for_confirmation_and_cannot_be_undone(engine) {
        let mut portal = Portal::new(engine, "cloudcreator", "global-admin").await;
        let parent = portal.account("bluesky").await;
        let mut admin = portal.admin.clone();
        let joe = login(portal.make_as(&mut admin, &portal.byoi(&parent, "joe")).await);
        let path = format!("/people/{joe}");
        refused(&portal.office.send(&mut admin, reqwest::Method::DELETE, &path, None).await, 400, "confirmation");
        portal.delete_as(&mut admin, &joe).await.expect(204);
        assert_eq!(portal.office.get(&mut admin, &path).await.status, 404);
        assert_eq!(portal.act_as(&mut admin, &joe, "reactivate").await.status, 404);
        portal.office.idp.script().claims = json!({ "sub": "joe" });
        let mut browser = crate::support::http::Browser::new();
        browser.follow(&portal.office.world.sign_in(&portal.tenant), None).await.expect(403, "Your access has ended");
    }

    async fn a_cloud_admin_adds_and_deletes_people_of_one_child_cloud(engine) {
        let mut portal = Portal::new(engine, "cloudcreator", "global-admin").await;
        let (parent, emea, apac) =
            (portal.account("bluesky").await, portal.account("bluesky/emea").await, portal.account("bluesky/apac").await);
        let joe = portal.person("joe").await;
        portal.give(&emea, &joe, "cloud-admin").await.expect(201);
        portal.subscribe(&emea, "computing").await;
        let mut inside = portal.sign_in("joe").await;
        let eve = login(portal.make_as(&mut inside, &portal.byoi(&emea, "eve")).await);
        portal.give_as(&mut inside, &emea, json!({ "login": eve, "role": "computing-user" })).await.expect(201);
        for account in [&parent, &apac] {
            assert_eq!(portal.make_as(&mut inside, &portal.byoi(account, "ann")).await.status, 404);
        }
        let mut admin = portal.admin.clone();
        let ann = login(portal.make_as(&mut admin, &portal.byoi(&apac, "ann")).await);
        assert_eq!(portal.delete_as(&mut inside, &ann).await.status, 404);
        portal.delete_as(&mut inside, &eve).await.expect(204);
        portal.delete_as(&mut admin, &ann).await.expect(204);
    }
}
