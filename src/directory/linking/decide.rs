//! Whether two logins may become one person's, and which of two parts from the other, purely.

use crate::directory::refusal::Refusal;
use crate::model::{Login, PersonState, Slot};

/// A login that is to be linked, with what counts of its person.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    pub login: Login,
    pub person: PersonState,
    /// The places that are taken in its person, its own among them.
    pub taken: Vec<Slot>,
}

impl Side {
    fn is_usable(&self) -> bool {
        self.login.is_usable() && self.person == PersonState::Active
    }
}

/// Decides whether the second login may move to the person of the first: both in use, each the only one of its person. Answers the place
/// that it takes there.
///
/// # Errors
/// Says which rule refuses.
pub fn link(first: &Side, second: &Side) -> Result<Slot, Refusal> {
    if first.login.id == second.login.id {
        return Err(Refusal::SameLogin);
    }
    if first.login.person_id == second.login.person_id {
        return Err(Refusal::AlreadyLinked);
    }
    if !first.is_usable() || !second.is_usable() {
        return Err(Refusal::Inactive);
    }
    if first.taken.len() > 1 {
        return Err(Refusal::PersonFull);
    }
    if second.taken.len() > 1 {
        return Err(Refusal::LinkedElsewhere);
    }
    Ok(first.login.slot.other())
}

/// Decides which of a person's logins goes back to the person that it was born with, and which stays: the one that was born elsewhere
/// goes, of two such the one in the second place.
///
/// # Errors
/// Says which rule refuses: there are not two, or one of them or the person is deactivated.
pub fn part(logins: &[Login], person: PersonState) -> Result<(&Login, &Login), Refusal> {
    let [one, other] = logins else { return Err(Refusal::NotLinked) };
    if !one.is_usable() || !other.is_usable() || person != PersonState::Active {
        return Err(Refusal::Inactive);
    }
    let (first, second) = if one.slot < other.slot { (one, other) } else { (other, one) };
    let is_guest = |login: &Login| login.born_person_id != login.person_id;
    match (is_guest(first), is_guest(second)) {
        (_, true) => Ok((second, first)),
        (true, false) => Ok((first, second)),
        // Two logins are never born with one person.
        (false, false) => Err(Refusal::NotLinked),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;
    use crate::model::{AccountId, LoginId, LoginKind, PersonId};

    fn login(id: u128, person: u128, born: u128, slot: Slot) -> Login {
        let at = DateTime::UNIX_EPOCH;
        Login {
            id: LoginId::from_uuid(Uuid::from_u128(id)),
            person_id: PersonId::from_uuid(Uuid::from_u128(person)),
            born_person_id: PersonId::from_uuid(Uuid::from_u128(born)),
            slot,
            kind: LoginKind::Byoi,
            directory_id: None,
            connection_id: None,
            home_account_id: AccountId::from_uuid(Uuid::nil()),
            user_name: id.to_string(),
            external_id: None,
            active: true,
            locked_at: None,
            suspended_by: None,
            break_glass: false,
            invited_at: None,
            token_type: None,
            mobile_type: None,
            signed_in_at: None,
            version: 1,
            epoch: 0,
            created_at: at,
            updated_at: at,
        }
    }

    fn side(id: u128, person: u128, slot: Slot, taken: &[Slot]) -> Side {
        Side { login: login(id, person, person, slot), person: PersonState::Active, taken: taken.to_vec() }
    }

    #[test]
    fn two_logins_are_linked_when_both_are_in_use_and_alone() {
        use Slot::{One, Two};
        let (joe, gsa) = (side(1, 1, One, &[One]), side(2, 2, One, &[One]));
        let off = |side: &Side| Side { login: Login { active: false, ..side.login.clone() }, ..side.clone() };
        let locked =
            |side: &Side| Side { login: Login { locked_at: Some(DateTime::UNIX_EPOCH), ..side.login.clone() }, ..side.clone() };
        let gone = |side: &Side| Side { person: PersonState::Deactivated, ..side.clone() };
        let merged = |side: &Side| Side { person: PersonState::Merged, ..side.clone() };
        for (case, first, second, expected) in [
            ("two of two persons", joe.clone(), gsa.clone(), Ok(Two)),
            ("the first is in the second place", side(1, 1, Two, &[Two]), gsa.clone(), Ok(One)),
            ("the second is in the second place", joe.clone(), side(2, 2, Two, &[Two]), Ok(Two)),
            ("one and the same", joe.clone(), joe.clone(), Err(Refusal::SameLogin)),
            ("one and the same, off", off(&joe), off(&joe), Err(Refusal::SameLogin)),
            ("linked", side(1, 1, One, &[One, Two]), side(2, 1, Two, &[One, Two]), Err(Refusal::AlreadyLinked)),
            ("the first has another", side(1, 1, One, &[One, Two]), gsa.clone(), Err(Refusal::PersonFull)),
            ("the second has another", joe.clone(), side(2, 2, One, &[One, Two]), Err(Refusal::LinkedElsewhere)),
            ("both have", side(1, 1, One, &[One, Two]), side(2, 2, One, &[One, Two]), Err(Refusal::PersonFull)),
            ("the first is off", off(&joe), gsa.clone(), Err(Refusal::Inactive)),
            ("the second is off", joe.clone(), off(&gsa), Err(Refusal::Inactive)),
            ("the first is locked", locked(&joe), gsa.clone(), Err(Refusal::Inactive)),
            ("the second is locked", joe.clone(), locked(&gsa), Err(Refusal::Inactive)),
            ("the first person is off", gone(&joe), gsa.clone(), Err(Refusal::Inactive)),
            ("the second person is off", joe.clone(), gone(&gsa), Err(Refusal::Inactive)),
            ("a person that was merged", merged(&joe), gsa, Err(Refusal::Inactive)),
        ] {
            assert_eq!(link(&first, &second), expected, "{case}");
        }
    }

    #[test]
    fn whoever_was_born_elsewhere_goes_back() {
        use Slot::{One, Two};
        let part = |logins: &[Login], person| {
            super::part(logins, person).map(|(goes, stays)| (goes.user_name.clone(), stays.user_name.clone()))
        };
        let names = |goes: &str, stays: &str| Ok((goes.to_owned(), stays.to_owned()));
        let (host, guest) = (login(1, 1, 1, One), login(2, 1, 2, Two));
        let active = PersonState::Active;
        assert_eq!(part(&[host.clone(), guest.clone()], active), names("2", "1"));
        assert_eq!(part(&[guest.clone(), host.clone()], active), names("2", "1"));
        assert_eq!(part(&[login(1, 1, 1, Two), login(2, 1, 2, One)], active), names("2", "1"), "the place does not count");
        assert_eq!(part(&[login(3, 1, 3, One), guest.clone()], active), names("2", "3"), "two guests");
        let refused = |logins: &[Login], person| part(logins, person).unwrap_err();
        assert_eq!(refused(&[], active), Refusal::NotLinked);
        assert_eq!(refused(std::slice::from_ref(&host), active), Refusal::NotLinked);
        assert_eq!(refused(&[host.clone(), guest.clone()], PersonState::Deactivated), Refusal::Inactive);
        let off = Login { active: false, ..guest.clone() };
        assert_eq!(refused(&[host.clone(), off], active), Refusal::Inactive);
        let locked = Login { locked_at: Some(DateTime::UNIX_EPOCH), ..host };
        assert_eq!(refused(&[locked, guest], active), Refusal::Inactive);
    }
}
