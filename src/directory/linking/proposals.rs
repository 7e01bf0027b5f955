//! Who is proposed as the other login of a person: by an administrator, by the directory, or by a pattern of user names.
//!
//! What a directory says, and what user names have in common, is looked up in that directory alone, whenever somebody asks: a name of
//! another directory is as unknown as one that nobody has. Only what an administrator says is a row.

use super::suffix::counterparts;
use crate::directory::Result;
use crate::model::{DirectoryId, LinkSource, Login, PersonState};
use crate::scim::fold::fold;
use crate::store::{LoginRow, Reader};

/// A login that is taken for the same person's.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    pub login: Login,
    pub source: LinkSource,
}

/// The logins that are proposed for a login, each once, by the strongest source. Nothing is proposed that could not be linked now: to a login
/// whose person has another one, or for one that is out of use.
///
/// # Errors
/// When the database cannot be asked.
pub async fn of_login(reader: &mut Reader, login: &Login) -> Result<Vec<Proposal>> {
    if !can_be_linked(reader, login).await? {
        return Ok(Vec::new());
    }
    let mut found: Vec<Proposal> = Vec::new();
    for (login, source) in candidates(reader, login).await? {
        let is_new = found.iter().all(|known| known.login.id != login.id);
        if is_new && can_be_linked(reader, &login).await? {
            found.push(Proposal { login, source });
        }
    }
    Ok(found)
}

/// Whether a login, and its person, are in use, and it is the only one of its person.
pub(in crate::directory) async fn can_be_linked(reader: &mut Reader, login: &Login) -> Result<bool> {
    if !login.is_usable() {
        return Ok(false);
    }
    let person = reader.person(login.person_id).await?;
    Ok(person.is_some_and(|person| person.state == PersonState::Active)
        && reader.logins_of_person(login.person_id).await?.len() == 1)
}

/// Whoever is named, the strongest source first.
async fn candidates(reader: &mut Reader, login: &Login) -> Result<Vec<(Login, LinkSource)>> {
    let mut found = Vec::new();
    for row in reader.link_proposals(login.id).await? {
        let other = if row.login_id == login.id { row.other_login_id } else { row.login_id };
        found.extend(reader.any_login(other).await?.map(|row| (row.login, LinkSource::Administrator)));
    }
    let Some(directory) = login.directory_id else { return Ok(found) };
    let by = |source| move |row: LoginRow| (row.login, source);
    found.extend(hinted(reader, directory, login).await?.into_iter().map(by(LinkSource::Directory)));
    let suffixes = reader.directory(directory).await?.map(|directory| directory.settings.link_suffixes).unwrap_or_default();
    let names = counterparts(&login.user_name, &suffixes);
    if !names.is_empty() {
        found.extend(reader.logins_named(directory, &names).await?.into_iter().map(by(LinkSource::UserName)));
    }
    found.retain(|(other, _)| other.id != login.id && other.person_id != login.person_id);
    Ok(found)
}

/// Whom the directory names as the other login of this one's person, and of whom it says that this one is.
async fn hinted(reader: &mut Reader, directory: DirectoryId, login: &Login) -> Result<Vec<LoginRow>> {
    let mut found = match reader.other_user_name_key(login.id).await? {
        Some(key) => reader.logins_named(directory, &[key]).await?,
        None => Vec::new(),
    };
    found.extend(reader.logins_hinting_at(directory, &fold(&login.user_name)).await?);
    Ok(found)
}
