//! The Customer portal: many people on many accounts.

use serde_json::json;

use super::{Portal, login, refused};
use crate::support::world::on_every_engine;

/// Each role with what it may do, and what it may not.
const ROLES: &[(&str, &[&str], &[&str])] = &[
    (
        "administrator",
        &["people.manage", "roles.assign", "invoices.pay", "services.purchase", "infrastructure.manage", "tickets.technical"],
        &[],
    ),
    (
        "financial",
        &[
            "invoices.view",
            "invoices.pay",
            "payment-details.manage",
            "tickets.billing",
            "tickets.sales",
            "tickets.provisioning",
            "tickets.cancellation",
        ],
        &["people.manage", "infrastructure.view", "tickets.technical", "services.purchase"],
    ),
    (
        "purchaser",
        &["services.view", "services.purchase", "tickets.sales", "tickets.provisioning", "tickets.cancellation"],
        &["people.manage", "invoices.view", "tickets.technical", "tickets.billing"],
    ),
    (
        "support",
        &["services.view", "tickets.technical"],
        &["invoices.view", "services.purchase", "tickets.billing", "infrastructure.manage"],
    ),
    (
        "technical",
        &[
            "services.view",
            "services.manage",
            "infrastructure.view",
            "infrastructure.manage",
            "tickets.technical",
            "tickets.provisioning",
        ],
        &["invoices.view", "tickets.billing", "people.manage", "services.purchase"],
    ),
];

on_every_engine! {
    async fn many_people_have_a_set_of_roles_on_each_of_many_accounts(engine) {
        let mut portal = Portal::new(engine, "customer-portal", "administrator").await;
        let (emea, apac) = (portal.account("bluesky/emea").await, portal.account("bluesky/apac").await);
        let (joe, eve) = (portal.person("joe").await, portal.person("eve").await);
        for (account, login, role) in
            [(&emea, &joe, "financial"), (&emea, &joe, "technical"), (&apac, &joe, "support"), (&emea, &eve, "support")]
        {
            portal.give(account, login, role).await.expect(201);
        }
        assert_eq!(portal.held(&joe, &emea).await, ["financial", "technical"]);
        assert_eq!(portal.held(&joe, &apac).await, ["support"]);
        assert_eq!((portal.held(&eve, &emea).await, portal.held(&eve, &apac).await), (vec!["support".to_owned()], vec![]));
        assert!(portal.may(&joe, "invoices.pay", &emea).await && !portal.may(&joe, "invoices.pay", &apac).await);
    }

    async fn each_role_may_do_what_it_says_and_nothing_else(engine) {
        let mut portal = Portal::new(engine, "customer-portal", "administrator").await;
        let emea = portal.account("bluesky/emea").await;
        for (role, allowed, denied) in ROLES {
            let login = portal.person(role).await;
            portal.give(&emea, &login, role).await.expect(201);
            for (permissions, expected) in [(allowed, true), (denied, false)] {
                for permission in *permissions {
                    assert_eq!(portal.may(&login, permission, &emea).await, expected, "{role} {permission}");
                }
            }
        }
    }

    async fn all_roles_are_shown_and_those_that_somebody_has(engine) {
        let mut portal = Portal::new(engine, "customer-portal", "administrator").await;
        let emea = portal.account("bluesky/emea").await;
        let joe = portal.person("joe").await;
        portal.give(&emea, &joe, "purchaser").await.expect(201);
        let mut admin = portal.admin.clone();
        let (all, assignable) = portal.roles(&mut admin, &emea).await;
        assert_eq!(all, ["administrator", "financial", "purchaser", "support", "technical"]);
        assert_eq!(assignable, all);
        assert_eq!(portal.held(&joe, &emea).await, ["purchaser"]);
    }

    async fn first_and_last_name_are_edited_and_the_address_is_not(engine) {
        let mut portal = Portal::new(engine, "customer-portal", "administrator").await;
        let emea = portal.account("bluesky/emea").await;
        let mut admin = portal.admin.clone();
        let joe = login(portal.make_as(&mut admin, &portal.byoi(&emea, "joe")).await);
        let edited = portal.edit(&joe, json!({ "given_name": "Joseph", "family_name": "Smith" })).await.expect(200).body;
        assert_eq!(edited["display_name"], "Joseph Smith");
        refused(&portal.edit(&joe, json!({ "email": "joseph@bluesky.example" })).await, 409, "email: in this portal nobody changes it");
    }
}
