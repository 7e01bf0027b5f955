//! Who may do what: a table over one small catalogue.

use chrono::DateTime;

use super::*;
use crate::model::{AccountState, AssignmentId, AssignmentSource, ServiceId};

const CATALOGUE: &str = r#"
name = "X"
[[service]]
key = "mail"
name = "Mail"
[[service]]
key = "disk"
name = "Disk"
[[exclusive]]
key = "level"
roles = ["high", "low"]
[[role]]
key = "manager"
name = "Manager"
description = "Everywhere below, too."
inherits = true
permissions = ["people.manage", "invoices.view"]
[[role]]
key = "clerk"
name = "Clerk"
description = "Here."
permissions = ["invoices.view"]
[[role]]
key = "postmaster"
name = "Postmaster"
description = "Of the service mail."
service = "mail"
instances = true
permissions = ["mail.send"]
[[role]]
key = "careful"
name = "Careful"
description = "Fresh sign-ins only."
step_up = true
permissions = ["invoices.view", "invoices.pay"]
[[role]]
key = "high"
name = "High"
description = "One level."
permissions = ["tickets.all"]
[[role]]
key = "low"
name = "Low"
description = "One level."
permissions = ["tickets.own"]
"#;

/// A role, at the account itself or above, for a service, for an instance.
type Given<'a> = (&'a str, bool, Option<&'a str>, Option<&'a str>);

/// What was given, the permission, the service and instance that it is asked for, and the decision.
type Case<'a> = (&'a [Given<'a>], &'a str, Option<&'a str>, Option<&'a str>, Decision);

#[test]
fn what_is_held_at_the_account_decides_and_what_is_narrowed_only_where_it_belongs() {
    let catalogue = Catalogue::parse("x", CATALOGUE).unwrap();
    let here: &[Given<'_>] = &[("clerk", true, None, None)];
    let mail: &[Given<'_>] = &[("clerk", true, Some("mail"), None)];
    let inbox: &[Given<'_>] = &[("clerk", true, Some("mail"), Some("inbox"))];
    let postmaster: &[Given<'_>] = &[("postmaster", true, None, None)];
    let post_of_inbox: &[Given<'_>] = &[("postmaster", true, Some("mail"), Some("inbox"))];
    let (yes, no, fresh) = (Decision::Allow { step_up: false }, Decision::Deny, Decision::Allow { step_up: true });
    let table: &[Case<'_>] = &[
        (&[], "invoices.view", None, None, no),
        (here, "invoices.view", None, None, yes),
        (here, "invoices.view", Some("mail"), None, yes),
        (here, "invoices.view", Some("mail"), Some("inbox"), yes),
        // The account has no such service.
        (here, "invoices.view", Some("disk"), None, no),
        (here, "invoices.pay", None, None, no),
        (here, "invoices", None, None, no),
        (here, "", None, None, no),
        (mail, "invoices.view", Some("mail"), None, yes),
        (mail, "invoices.view", Some("mail"), Some("inbox"), yes),
        (mail, "invoices.view", None, None, no),
        (mail, "invoices.view", None, Some("inbox"), no),
        (inbox, "invoices.view", Some("mail"), Some("inbox"), yes),
        (inbox, "invoices.view", Some("mail"), Some("outbox"), no),
        (inbox, "invoices.view", Some("mail"), None, no),
        (inbox, "invoices.view", None, Some("inbox"), no),
        // A role of a service need not be asked for by its service.
        (postmaster, "mail.send", None, None, yes),
        (postmaster, "mail.send", Some("mail"), Some("inbox"), yes),
        (post_of_inbox, "mail.send", None, None, no),
        (post_of_inbox, "mail.send", Some("mail"), Some("inbox"), yes),
        // From above, if the role inherits.
        (&[("manager", false, None, None)], "invoices.view", None, None, yes),
        (&[("clerk", false, None, None)], "invoices.view", None, None, no),
        // Who may change may see.
        (&[("manager", true, None, None)], "people.view", None, None, yes),
        (here, "people.view", None, None, no),
        // A role that asks for a fresh sign-in says so, unless another allows the same without.
        (&[("careful", true, None, None)], "invoices.pay", None, None, fresh),
        (&[("careful", true, None, None), ("clerk", true, None, None)], "invoices.view", None, None, yes),
        (&[("careful", true, None, None), ("clerk", true, Some("mail"), None)], "invoices.view", None, None, fresh),
        // What is shadowed allows nothing.
        (&[("high", true, None, None), ("low", true, None, None)], "tickets.all", None, None, yes),
        (&[("high", true, None, None), ("low", true, None, None)], "tickets.own", None, None, no),
        (&[("gone", true, None, None)], "invoices.view", None, None, no),
    ];
    let at = DateTime::UNIX_EPOCH;
    let root = account(None);
    let child = account(Some(root.id));
    let services = BTreeSet::from(["mail".to_owned()]);
    for (roles, permission, service, instance, expected) in table {
        let held: Vec<_> = roles
            .iter()
            .map(|(role, is_here, service, instance)| Assignment {
                id: AssignmentId::new(at),
                login_id: LoginId::new(at),
                account_id: if *is_here { child.id } else { root.id },
                service_id: service.map(|_| ServiceId::new(at)),
                service: service.map(ToOwned::to_owned),
                instance_id: None,
                instance: instance.map(ToOwned::to_owned),
                role: (*role).to_owned(),
                source: AssignmentSource::Manual,
                source_id: uuid::Uuid::nil(),
                granted_at: at,
            })
            .collect();
        let question = Question { permission, service: *service, instance: *instance };
        let place = Place { path: &[&child, &root], services: &services };
        assert_eq!(decide(&catalogue, place, &held, question), *expected, "{roles:?} {question:?}");
        // Nowhere, and where an account above is suspended, nobody may do anything.
        assert_eq!(decide(&catalogue, Place { path: &[], services: &services }, &held, question), Decision::Deny);
        let suspended = Account { state: AccountState::Suspended, ..root.clone() };
        let place = Place { path: &[&child, &suspended], services: &services };
        assert_eq!(decide(&catalogue, place, &held, question), Decision::Deny, "{roles:?}");
    }
}

fn account(parent_id: Option<AccountId>) -> Account {
    let id = AccountId::new(DateTime::UNIX_EPOCH);
    Account { id, parent_id, slug: String::new(), name: String::new(), state: AccountState::Active }
}
