//! What logins hold, also while a job is still on its way to them: then the rules are evaluated here and now.
//!
//! Who waits is asked first and what they were given afterwards. A job that ends between the two leaves the right answer in either case;
//! the other way round it could be one from before.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::RuleBook;
use crate::directory::Result;
use crate::directory::mapping::{self, Wanted};
use crate::directory::tree::Tree;
use crate::model::{AccountId, AccountState, Assignment, AssignmentId, AssignmentSource, LoginId, PersonId, RuleId};
use crate::store::{HeldRoleRow, HolderRow, Reader};

/// What these logins were given, whether it counts or not, by login and then in the order in which they were given it.
///
/// # Errors
/// When the database cannot be asked.
pub(in crate::directory) async fn held_assignments(
    reader: &mut Reader,
    book: &RuleBook,
    logins: &[LoginId],
) -> Result<Vec<Assignment>> {
    let waiting = reader.waiting_logins(logins).await?;
    let held = reader.assignments_of_logins(logins).await?;
    if waiting.is_empty() {
        return Ok(held);
    }
    let wanted = wanted_now(reader, book, &waiting).await?;
    Ok(corrected(held, wanted, &waiting))
}

/// What a login was given, if it is active and its person is; else nothing counts.
///
/// # Errors
/// When the database cannot be asked.
pub async fn counting_assignments(reader: &mut Reader, book: &RuleBook, login: LoginId) -> Result<Vec<Assignment>> {
    if reader.waiting_logins(&[login]).await?.is_empty() {
        return Ok(reader.counting_assignments(login).await?);
    }
    if reader.counting_logins(&[login]).await?.is_empty() {
        return Ok(Vec::new());
    }
    held_assignments(reader, book, &[login]).await
}

/// Those who were given one of these roles on these accounts, and of whom that counts: each with the person and all that they were given
/// there, because other roles of theirs may shadow these.
///
/// Whoever only comes to hold one of them by a job that is still on its way is left out. Who counts administrators by this refuses what
/// could be allowed, and never the other way round.
///
/// # Errors
/// When the database cannot be asked.
pub(in crate::directory) async fn holders(
    reader: &mut Reader,
    book: &RuleBook,
    accounts: &[AccountId],
    roles: &[String],
) -> Result<BTreeMap<LoginId, (PersonId, Vec<Assignment>)>> {
    let given = reader.holders(accounts, roles).await?;
    let candidates: BTreeSet<_> = given.iter().map(|row| row.assignment.login_id).collect();
    let candidates: Vec<_> = candidates.into_iter().collect();
    let waiting: Vec<_> = reader.waiting_logins(&candidates).await?.into_keys().collect();
    let mut found: BTreeMap<LoginId, (PersonId, Vec<Assignment>)> = BTreeMap::new();
    for HolderRow { assignment, person_id } in reader.assignments_on(accounts, &candidates).await? {
        let (_, held) = found.entry(assignment.login_id).or_insert_with(|| (person_id, Vec::new()));
        // What is written of those who wait is not what they hold.
        if !waiting.contains(&assignment.login_id) {
            held.push(assignment);
        }
    }
    for assignment in held_assignments(reader, book, &waiting).await? {
        if let Some((_, held)) = found.get_mut(&assignment.login_id) {
            held.push(assignment);
        }
    }
    Ok(found)
}

/// What these logins hold, as the portal extension of SCIM shows it.
///
/// # Errors
/// When the database cannot be asked.
pub async fn held_roles(reader: &mut Reader, book: &RuleBook, logins: &[LoginId]) -> Result<Vec<HeldRoleRow>> {
    let waiting = reader.waiting_logins(logins).await?;
    let settled: Vec<_> = logins.iter().copied().filter(|login| !waiting.contains_key(login)).collect();
    let mut roles = reader.held_roles(&settled).await?;
    if waiting.is_empty() {
        return Ok(roles);
    }
    let waiting: Vec<_> = waiting.into_keys().collect();
    let active = reader.counting_logins(&waiting).await?;
    let tenant = reader.tenant_row().await?;
    let Some(catalogue) = tenant.and_then(|tenant| book.catalogue(&tenant.catalogue)) else { return Ok(roles) };
    let tree = Tree::new(reader.accounts().await?);
    let mut live = BTreeSet::new();
    for held in held_assignments(reader, book, &waiting).await? {
        let is_open = tree.get(held.account_id).is_some_and(|account| account.state == AccountState::Active);
        let rank = catalogue.roles.iter().position(|role| role.key == held.role);
        if let Some(rank) = rank.filter(|_| is_open && active.contains(&held.login_id)) {
            live.insert((held.login_id, tree.path(held.account_id), rank, held.role, held.service));
        }
    }
    roles.extend(live.into_iter().map(|(login_id, account, _, role, service)| HeldRoleRow { login_id, account, role, service }));
    Ok(roles)
}

type WantedOf = BTreeMap<LoginId, BTreeSet<Wanted>>;

async fn wanted_now(reader: &mut Reader, book: &RuleBook, waiting: &BTreeMap<LoginId, DateTime<Utc>>) -> Result<WantedOf> {
    let rules = book.rules_now(reader).await?;
    let logins: Vec<_> = waiting.keys().copied().collect();
    let facts = reader.facts(&logins).await?;
    Ok(facts.iter().map(|facts| (facts.login_id, mapping::wanted(&rules, facts))).collect())
}

/// What was given, with what rules want of those who wait in the place of what rules gave them. What is new was given when the waiting
/// began, and its id is nobody's yet.
fn corrected(held: Vec<Assignment>, mut wanted: WantedOf, waiting: &BTreeMap<LoginId, DateTime<Utc>>) -> Vec<Assignment> {
    let mut stays = |given: &Assignment| match wanted.get_mut(&given.login_id) {
        Some(wanted) if given.source == AssignmentSource::Rule => {
            let rule = RuleId::from_uuid(given.source_id);
            wanted.remove(&Wanted { rule, account: given.account_id, role: given.role.clone() })
        }
        _ => true,
    };
    let mut held: Vec<_> = held.into_iter().filter(|given| stays(given)).collect();
    for (login_id, wanted) in wanted {
        let granted_at = waiting.get(&login_id).copied().unwrap_or_default();
        held.extend(wanted.into_iter().map(|wanted| Assignment {
            id: AssignmentId::new(granted_at),
            login_id,
            account_id: wanted.account,
            service_id: None,
            service: None,
            instance_id: None,
            instance: None,
            role: wanted.role,
            source: AssignmentSource::Rule,
            source_id: wanted.rule.uuid(),
            granted_at,
        }));
    }
    held.sort_by_key(|given| (given.login_id, given.id));
    held
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn of_those_who_wait_rules_give_what_they_want_now_and_hands_what_they_gave() {
        let [one, other] = [1, 2].map(|number| LoginId::from_uuid(Uuid::from_u128(number)));
        let account = AccountId::from_uuid(Uuid::from_u128(7));
        let given = |number: u128, login_id, role: &str, source| Assignment {
            id: AssignmentId::from_uuid(Uuid::from_u128(number)),
            login_id,
            account_id: account,
            service_id: None,
            service: None,
            instance_id: None,
            instance: None,
            role: role.to_owned(),
            source,
            source_id: Uuid::from_u128(9),
            granted_at: DateTime::UNIX_EPOCH,
        };
        let wants = |role: &str| Wanted { rule: RuleId::from_uuid(Uuid::from_u128(9)), account, role: role.to_owned() };
        let (rule, hand) = (AssignmentSource::Rule, AssignmentSource::Manual);
        let held = vec![
            given(1, one, "kept", rule),
            given(2, one, "gone", rule),
            given(3, one, "gone", hand),
            given(4, other, "gone", rule),
        ];
        let since = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let now = corrected(held, [(one, [wants("kept"), wants("new")].into())].into(), &[(one, since)].into());
        let told: Vec<_> = now.iter().map(|held| (held.login_id, held.role.as_str(), held.source, held.granted_at)).collect();
        let epoch = DateTime::UNIX_EPOCH;
        let expected =
            [(one, "kept", rule, epoch), (one, "gone", hand, epoch), (one, "new", rule, since), (other, "gone", rule, epoch)];
        assert_eq!(told, expected);
    }
}
