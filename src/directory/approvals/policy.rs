//! What has to wait for an approval, and who may decide: purely.

use std::collections::BTreeSet;

use crate::directory::catalogue::{Catalogue, Role};
use crate::directory::{Error, Result};
use crate::model::{ApprovalDecision, ApprovalNeed, ApprovalPolicy, Approvers, PersonId, PolicyBody, Verdict};

/// The trigger of a role that is given by hand.
pub const ROLE_ASSIGNED: &str = "role.assigned";
/// The trigger of a request for access, which waits without a policy.
pub const ACCESS: &str = "access";

/// Characters of a policy's name.
pub const LONGEST_NAME: usize = 200;
/// Characters of a trigger.
const LONGEST_TRIGGER: usize = 100;
/// Roles, or approvers, of a policy.
const MOST_NAMED: usize = 100;
/// How many persons may be asked to approve.
const MOST_NEEDED: u32 = 10;

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub enum Occasion<'a> {
    /// To give a role by hand.
    Role(&'a Role),
    /// Something of the portal's, of this amount.
    Amount(&'a str, i64),
}

/// What it has to wait for, by the policies of the account and those above. All of them count.
#[must_use]
pub fn needs(policies: &[ApprovalPolicy], occasion: Occasion<'_>) -> Vec<ApprovalNeed> {
    policies.iter().filter(|policy| applies(&policy.body, occasion)).map(need).collect()
}

fn applies(body: &PolicyBody, occasion: Occasion<'_>) -> bool {
    match occasion {
        // Who is given a role has those that it includes.
        Occasion::Role(role) => {
            body.trigger == ROLE_ASSIGNED && body.roles.iter().any(|listed| *listed == role.key || role.includes.contains(listed))
        }
        Occasion::Amount(trigger, amount) => body.trigger == trigger && body.threshold.is_none_or(|threshold| amount >= threshold),
    }
}

fn need(policy: &ApprovalPolicy) -> ApprovalNeed {
    ApprovalNeed {
        policy: Some(policy.id),
        name: policy.name.clone(),
        account: policy.account,
        approvers: policy.body.approvers.clone(),
        needed: policy.body.needed,
    }
}

/// How many persons have approved, for each need.
#[must_use]
pub fn given(needs: &[ApprovalNeed], decisions: &[ApprovalDecision]) -> Vec<u32> {
    let approvals = || decisions.iter().filter(|decision| decision.verdict == Verdict::Approve);
    let count = |place| approvals().filter(|decision| decision.counts_for.contains(&place)).count();
    (0..needs.len()).map(|place| u32::try_from(count(place)).unwrap_or(u32::MAX)).collect()
}

/// Whether nobody is missing any more.
#[must_use]
pub fn is_approved(needs: &[ApprovalNeed], decisions: &[ApprovalDecision]) -> bool {
    needs.iter().zip(given(needs, decisions)).all(|(need, given)| given >= need.needed)
}

/// Whom an approval is between, by their persons: a person's two logins are one.
#[derive(Clone, Debug, Default)]
pub struct Parties {
    /// Who asked: then, and now, should logins have been linked since.
    pub requesters: BTreeSet<PersonId>,
    /// Whom it is about.
    pub subjects: BTreeSet<PersonId>,
}

/// What somebody is to an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They may decide, and this is what it counts for.
    Approver(Vec<usize>),
    /// They asked for it.
    Requester,
    /// It is about them.
    Subject,
    /// They decided before.
    Decided,
    /// It is not for them to decide.
    Nobody,
}

/// What somebody is to an approval whose needs at these places they are an approver of.
#[must_use]
pub fn standing(person: PersonId, parties: &Parties, decisions: &[ApprovalDecision], places: Vec<usize>) -> Standing {
    match () {
        () if parties.requesters.contains(&person) => Standing::Requester,
        () if parties.subjects.contains(&person) => Standing::Subject,
        () if places.is_empty() => Standing::Nobody,
        () if decisions.iter().any(|decision| decision.person_id == person) => Standing::Decided,
        () => Standing::Approver(places),
    }
}

/// Refuses what is no policy.
///
/// # Errors
/// Says what is wrong.
pub fn check(name: &str, body: &PolicyBody, catalogue: &Catalogue) -> Result<()> {
    let invalid = |text: String| Err(Error::Invalid(text));
    let length = name.trim().chars().count();
    if !(1..=LONGEST_NAME).contains(&length) || name.chars().any(char::is_control) {
        return invalid(format!("name: 1 to {LONGEST_NAME} characters"));
    }
    if body.trigger == ROLE_ASSIGNED {
        if body.roles.is_empty() || body.roles.len() > MOST_NAMED {
            return invalid(format!("roles: 1 to {MOST_NAMED} roles whose assignment waits"));
        }
        if let Some(role) = body.roles.iter().find(|role| catalogue.role(role).is_none()) {
            return invalid(format!("roles: there is no role {role:?}"));
        }
        if body.threshold.is_some() {
            return invalid("threshold: only an amount has one".to_owned());
        }
    } else {
        check_trigger(&body.trigger)?;
        if !body.roles.is_empty() {
            return invalid(format!("roles: only {ROLE_ASSIGNED} has them"));
        }
        if body.threshold.is_some_and(|threshold| threshold < 0) {
            return invalid("threshold: 0 or more".to_owned());
        }
    }
    let most = match &body.approvers {
        Some(Approvers::Logins(logins)) if logins.is_empty() || logins.len() > MOST_NAMED => {
            return invalid(format!("approvers: 1 to {MOST_NAMED} logins"));
        }
        Some(Approvers::Logins(logins)) => u32::try_from(logins.len()).unwrap_or(MOST_NEEDED).min(MOST_NEEDED),
        Some(Approvers::Role(role)) if catalogue.role(role).is_none() => {
            return invalid(format!("approvers: there is no role {role:?}"));
        }
        Some(Approvers::Assigners(_)) => return invalid("approvers: logins, or a role".to_owned()),
        Some(Approvers::Role(_)) | None => MOST_NEEDED,
    };
    if !(1..=most).contains(&body.needed) {
        return invalid(format!("needed: 1 to {most}"));
    }
    Ok(())
}

/// Refuses what is no trigger of a portal.
///
/// # Errors
/// Says what one is.
pub fn check_trigger(trigger: &str) -> Result<()> {
    if [ROLE_ASSIGNED, ACCESS].contains(&trigger) {
        return Err(Error::Invalid(format!("trigger: {trigger:?} is Vestibule's own; a portal's is a word such as order")));
    }
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    if (1..=LONGEST_TRIGGER).contains(&trigger.len()) && trigger.bytes().all(letters) {
        return Ok(());
    }
    Err(Error::Invalid(format!("trigger: a word such as order, of at most {LONGEST_TRIGGER} of a-z, 0-9, -, _ and .")))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::model::{AccountId, ApprovalId, ApprovalPolicyId, EventId, LoginId};

    const CATALOGUE: &str = r#"
name = "x"
[[role]]
key = "admin"
name = "A"
description = "All."
includes = ["billing"]
permissions = ["roles.assign"]
[[role]]
key = "billing"
name = "B"
description = "Pays."
[[role]]
key = "viewer"
name = "V"
description = "Sees."
"#;

    fn catalogue() -> Catalogue {
        Catalogue::parse("x", CATALOGUE).unwrap()
    }

    fn body(trigger: &str, roles: &[&str], threshold: Option<i64>) -> PolicyBody {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        PolicyBody { trigger: trigger.to_owned(), roles, threshold, approvers: None, needed: 1 }
    }

    fn policy(body: PolicyBody) -> ApprovalPolicy {
        let at = DateTime::UNIX_EPOCH;
        ApprovalPolicy { id: ApprovalPolicyId::new(at), account: AccountId::new(at), name: body.trigger.clone(), body, version: 1 }
    }

    fn decision(person: PersonId, verdict: Verdict, counts_for: &[usize]) -> ApprovalDecision {
        let at = DateTime::UNIX_EPOCH;
        ApprovalDecision {
            approval_id: ApprovalId::new(at),
            login_id: LoginId::new(at),
            person_id: person,
            verdict,
            counts_for: counts_for.to_vec(),
            event_id: EventId::new(at),
            decided_at: at,
        }
    }

    #[test]
    fn a_policy_counts_for_its_roles_and_those_that_bring_them_and_from_its_threshold_on() {
        let catalogue = catalogue();
        let role = |key| Occasion::Role(catalogue.role(key).unwrap());
        let table = [
            (body(ROLE_ASSIGNED, &["billing"], None), role("billing"), true),
            (body(ROLE_ASSIGNED, &["billing"], None), role("admin"), true),
            (body(ROLE_ASSIGNED, &["billing"], None), role("viewer"), false),
            (body(ROLE_ASSIGNED, &["admin"], None), role("billing"), false),
            (body("order", &[], Some(100)), Occasion::Amount("order", 99), false),
            (body("order", &[], Some(100)), Occasion::Amount("order", 100), true),
            (body("order", &[], Some(100)), Occasion::Amount("order", i64::MAX), true),
            (body("order", &[], Some(0)), Occasion::Amount("order", 0), true),
            (body("order", &[], None), Occasion::Amount("order", 0), true),
            (body("order", &[], None), Occasion::Amount("refund", 1_000), false),
            (body("order", &[], None), role("admin"), false),
        ];
        for (body, occasion, waits) in table {
            let found = needs(&[policy(body.clone())], occasion);
            assert_eq!(!found.is_empty(), waits, "{body:?} {occasion:?}");
        }
        let both = [policy(body("order", &[], Some(100))), policy(PolicyBody { needed: 2, ..body("order", &[], None) })];
        let found = needs(&both, Occasion::Amount("order", 100));
        assert_eq!(
            found.iter().map(|need| (need.policy, need.needed)).collect::<Vec<_>>(),
            [(Some(both[0].id), 1), (Some(both[1].id), 2)]
        );
    }

    #[test]
    fn it_is_approved_when_each_policy_has_as_many_as_it_needs() {
        let needs: Vec<_> =
            [1, 2].map(|needed| need(&policy(PolicyBody { needed, ..body("order", &[], None) }))).into_iter().collect();
        let [a, b, c] = std::array::from_fn(|_| PersonId::new(DateTime::UNIX_EPOCH));
        let table: [(&[ApprovalDecision], [u32; 2], bool); 6] = [
            (&[], [0, 0], false),
            (&[decision(a, Verdict::Approve, &[0])], [1, 0], false),
            (&[decision(a, Verdict::Approve, &[0, 1])], [1, 1], false),
            (&[decision(a, Verdict::Approve, &[0, 1]), decision(b, Verdict::Approve, &[1])], [1, 2], true),
            (&[decision(a, Verdict::Approve, &[1]), decision(b, Verdict::Approve, &[1])], [0, 2], false),
            (
                &[decision(a, Verdict::Approve, &[0, 1]), decision(b, Verdict::Reject, &[1]), decision(c, Verdict::Reject, &[0])],
                [1, 1],
                false,
            ),
        ];
        for (decisions, counts, approved) in table {
            assert_eq!((given(&needs, decisions), is_approved(&needs, decisions)), (counts.to_vec(), approved), "{decisions:?}");
        }
    }

    #[test]
    fn nobody_decides_what_they_asked_for_or_what_is_about_them_and_nobody_twice() {
        let [asks, gets, decides, other] = std::array::from_fn(|_| PersonId::new(DateTime::UNIX_EPOCH));
        let parties = Parties { requesters: BTreeSet::from([asks]), subjects: BTreeSet::from([gets]) };
        let decided = [decision(decides, Verdict::Approve, &[0])];
        let table = [
            (asks, vec![0], Standing::Requester),
            (asks, vec![], Standing::Requester),
            (gets, vec![0], Standing::Subject),
            (decides, vec![0], Standing::Decided),
            (other, vec![0, 1], Standing::Approver(vec![0, 1])),
            (other, vec![], Standing::Nobody),
        ];
        for (person, places, expected) in table {
            assert_eq!(standing(person, &parties, &decided, places.clone()), expected, "{places:?}");
        }
    }

    #[test]
    fn what_is_no_policy_is_refused_with_what_is_wrong() {
        let catalogue = catalogue();
        let login = LoginId::new(DateTime::UNIX_EPOCH);
        let order = || body("order", &[], Some(1));
        let by = |approvers| PolicyBody { approvers: Some(approvers), ..order() };
        let good = [
            order(),
            body("order.large", &[], None),
            body(ROLE_ASSIGNED, &["admin", "billing"], None),
            by(Approvers::Role("viewer".into())),
            by(Approvers::Logins(BTreeSet::from([login]))),
            PolicyBody { needed: 10, ..order() },
        ];
        for body in good {
            assert!(check("Large orders", &body, &catalogue).is_ok(), "{body:?}");
        }
        let bad = [
            (body("", &[], None), "trigger"),
            (body("Order", &[], None), "trigger"),
            (body("access", &[], None), "trigger"),
            (body("order", &["admin"], None), "roles"),
            (body("order", &[], Some(-1)), "threshold"),
            (body(ROLE_ASSIGNED, &[], None), "roles"),
            (body(ROLE_ASSIGNED, &["emperor"], None), "roles"),
            (body(ROLE_ASSIGNED, &["admin"], Some(1)), "threshold"),
            (by(Approvers::Role("emperor".into())), "approvers"),
            (by(Approvers::Logins(BTreeSet::new())), "approvers"),
            (by(Approvers::Assigners("admin".into())), "approvers"),
            (PolicyBody { needed: 0, ..order() }, "needed"),
            (PolicyBody { needed: 11, ..order() }, "needed"),
            (PolicyBody { needed: 2, ..by(Approvers::Logins(BTreeSet::from([login]))) }, "needed"),
        ];
        for (body, word) in bad {
            let refused = check("Large orders", &body, &catalogue).unwrap_err().to_string();
            assert!(refused.starts_with(word), "{body:?}: {refused}");
        }
        for name in ["", "  ", "a\nb", &"x".repeat(201)] {
            assert!(check(name, &order(), &catalogue).is_err(), "{name:?}");
        }
    }
}
