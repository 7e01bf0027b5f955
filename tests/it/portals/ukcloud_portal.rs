//! The `UKCloud` portal: a company and its business accounts.

use reqwest::Method;
use serde_json::json;

use super::{Portal, login, refused};
use crate::support::world::on_every_engine;

on_every_engine! {
    async fn the_first_administrator_is_the_operators(engine) {
        let mut portal = Portal::new(engine, "ukcloud-portal", "support").await;
        let joe = portal.person("joe").await;
        portal.appoint(&joe, None, "administrator").await;
        portal.admin = portal.sign_in("joe").await;
        let (top, emea) = (portal.account("bluesky").await, portal.account("bluesky/emea").await);
        for account in [&top, &emea] {
            for permission in ["people.manage", "people.lock", "passwords.reset", "roles.assign", "invoices.view"] {
                assert!(portal.may(&joe, permission, account).await, "{permission}");
            }
        }
        let why = portal.office.get(&mut portal.admin.clone(), &format!("/logins/{joe}/roles")).await.expect(200).body;
        assert_eq!(why["accounts"][0]["roles"][0]["causes"][0]["source"], "operator");
    }

    async fn the_last_administrator_is_protected(engine) {
        let mut portal = Portal::new(engine, "ukcloud-portal", "support").await;
        let (joe, eve) = (portal.person("joe").await, portal.person("eve").await);
        portal.appoint(&joe, None, "administrator").await;
        portal.admin = portal.sign_in("joe").await;
        let top = portal.account("bluesky").await;
        let mut admin = portal.admin.clone();
        let given = portal.give(&top, &eve, "administrator").await.expect(201).body;
        portal.take_as(&mut admin, &given).await.expect(204);
        let why = portal.office.get(&mut admin, &format!("/logins/{joe}/roles")).await.expect(200).body;
        let own = json!({ "id": why["accounts"][0]["roles"][0]["causes"][0]["assignment"] });
        refused(&portal.take_as(&mut admin, &own).await, 409, "last administrator");
    }

    async fn an_administrator_of_both_accounts_gives_access_to_the_other_themselves(engine) {
        let mut portal = Portal::new(engine, "ukcloud-portal", "administrator").await;
        let (emea, apac) = (portal.account("bluesky/emea").await, portal.account("bluesky/apac").await);
        let (joe, eve) = (portal.person("joe").await, portal.person("eve").await);
        for (account, login) in [(&emea, &joe), (&apac, &joe), (&emea, &eve)] {
            let role = if login == &joe { "administrator" } else { "billing" };
            portal.give(account, login, role).await.expect(201);
        }
        let mut both = portal.sign_in("joe").await;
        portal.give_as(&mut both, &apac, json!({ "login": eve, "role": "billing" })).await.expect(201);
        assert!(portal.may(&eve, "invoices.view", &apac).await);
    }

    async fn services_are_for_whom_the_account_subscribes_to_them(engine) {
        let mut portal = Portal::new(engine, "ukcloud-portal", "administrator").await;
        let emea = portal.account("bluesky/emea").await;
        let joe = portal.person("joe").await;
        refused(&portal.give(&emea, &joe, "compute-user").await, 409, "does not subscribe");
        portal.subscribe(&emea, "compute").await;
        portal.give(&emea, &joe, "compute-user").await.expect(201);
        assert!(portal.may(&joe, "compute.manage", &emea).await && !portal.may(&joe, "storage.view", &emea).await);
    }

    async fn any_user_of_an_account_asks_for_access_and_an_administrator_carries_it_out(engine) {
        let mut portal = Portal::new(engine, "ukcloud-portal", "administrator").await;
        let (emea, apac) = (portal.account("bluesky/emea").await, portal.account("bluesky/apac").await);
        let (joe, eve, uma) = (portal.person("joe").await, portal.person("eve").await, portal.person("uma").await);
        for (account, login, role) in [(&emea, &joe, "administrator"), (&apac, &eve, "billing"), (&emea, &uma, "billing")] {
            portal.give(account, login, role).await.expect(201);
        }
        // Uma only has a role on EMEA, and no business with anybody's roles.
        let (mut uma, mut eve_inside, mut admin) = (portal.sign_in("uma").await, portal.sign_in("eve").await, portal.sign_in("joe").await);
        let path = format!("/accounts/{emea}/access-requests");
        let wanted = json!({ "user_name": "eve", "role": "support", "reason": "helps us" });
        assert_eq!(portal.office.send(&mut eve_inside, Method::POST, &path, Some(&wanted)).await.status, 404, "only users of the target account");
        let asked = portal.office.send(&mut uma, Method::POST, &path, Some(&wanted)).await.expect(202).body;
        assert!(!portal.may(&eve, "requests.open", &emea).await);
        let act = format!("/approvals/{}/approve", asked["id"].as_str().unwrap());
        refused(&portal.office.send(&mut uma, Method::POST, &act, Some(&json!({}))).await, 403, "asked for themselves");
        portal.office.send(&mut admin, Method::POST, &act, Some(&json!({}))).await.expect(200);
        assert!(portal.may(&eve, "requests.open", &emea).await && !portal.may(&eve, "invoices.view", &emea).await);
        let own = portal.office.get(&mut uma, &format!("/approvals/{}", asked["id"].as_str().unwrap())).await.expect(200).body;
        assert_eq!(own["state"], "approved");
    }

    async fn administrators_add_delete_lock_and_activate(engine) {
        let mut portal = Portal::new(engine, "ukcloud-portal", "administrator").await;
        let emea = portal.account("bluesky/emea").await;
        let mut admin = portal.admin.clone();
        let joe = login(portal.make_as(&mut admin, &portal.byoi(&emea, "joe")).await);
        portal.give(&emea, &joe, "billing").await.expect(201);
        portal.sign_in("joe").await;
        portal.act_as(&mut admin, &joe, "deactivate").await.expect(200);
        assert!(!portal.may(&joe, "invoices.view", &emea).await, "locked");
        portal.act_as(&mut admin, &joe, "reactivate").await.expect(200);
        assert!(portal.may(&joe, "invoices.view", &emea).await, "activated");
        portal.delete_as(&mut admin, &joe).await.expect(204);
        assert!(!portal.may(&joe, "invoices.view", &emea).await, "deleted");
    }
}
