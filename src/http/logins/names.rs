//! What to call the two logins of a person.

use crate::directory;
use crate::directory::RuleBook;
use crate::directory::linking::is_privileged;
use crate::http::pages::OtherLogin;
use crate::model::{Login, Slot};
use crate::store::{LoginRow, Reader};

/// A login of somebody who has two.
pub(in crate::http) struct Named {
    pub(in crate::http) row: LoginRow,
    /// What to call it beside the other one, such as "everyday".
    pub(in crate::http) name: &'static str,
}

/// What to call a login by its place and whether it and the other one are privileged: by that where it tells them apart.
const fn name(slot: Slot, is_privileged: bool, other_is_privileged: bool) -> &'static str {
    match (is_privileged, other_is_privileged, slot) {
        (true, false, _) => "privileged",
        (false, true, _) => "everyday",
        (_, _, Slot::One) => "first login",
        (_, _, Slot::Two) => "second login",
    }
}

/// The two logins of a login's person, itself first; `None` for its person's only one, about whom one question is asked and no more.
///
/// # Errors
/// When the database cannot be asked.
pub(in crate::http) async fn of_two(reader: &mut Reader, rules: &RuleBook, own: &Login) -> directory::Result<Option<[Named; 2]>> {
    if reader.login_count(own.person_id).await? < 2 {
        return Ok(None);
    }
    let (mut first, mut second) = (None, None);
    for row in reader.logins_of_person(own.person_id).await? {
        let place = if row.login.id == own.id { &mut first } else { &mut second };
        *place = Some((is_privileged(reader, rules, row.login.id).await?, row));
    }
    // One of them went in this moment.
    let (Some((own_is, first)), Some((other_is, second))) = (first, second) else { return Ok(None) };
    let names = [name(first.login.slot, own_is, other_is), name(second.login.slot, other_is, own_is)];
    Ok(Some([Named { row: first, name: names[0] }, Named { row: second, name: names[1] }]))
}

/// What the header says of the active login of a person who has two, and the other one, if it can be switched to.
///
/// # Errors
/// When the database cannot be asked.
pub(in crate::http) async fn in_header(
    reader: &mut Reader,
    rules: &RuleBook,
    active: &Login,
) -> directory::Result<(Option<&'static str>, Option<OtherLogin>)> {
    let Some([own, other]) = of_two(reader, rules, active).await? else { return Ok((None, None)) };
    let login = other.row.login;
    let shown = login.is_usable().then(|| OtherLogin {
        id: login.id.to_string(),
        user_name: login.user_name,
        login_name: other.name.to_owned(),
    });
    Ok((Some(own.name), shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privileges_name_two_logins_where_they_tell_them_apart_and_places_where_they_do_not() {
        use Slot::{One, Two};
        for (slot, own, other, expected) in [
            (One, false, true, "everyday"),
            (Two, true, false, "privileged"),
            (One, true, false, "privileged"),
            (Two, false, true, "everyday"),
            (One, false, false, "first login"),
            (Two, false, false, "second login"),
            (One, true, true, "first login"),
            (Two, true, true, "second login"),
        ] {
            assert_eq!(name(slot, own, other), expected, "{slot:?} {own} {other}");
        }
    }
}
