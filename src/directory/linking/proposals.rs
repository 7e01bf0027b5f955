//! Who is proposed as the other login of a person: by an administrator, by the directory, or by a pattern of user names.

use crate::directory::Result;
use crate::model::{LinkSource, Login};
use crate::store::Reader;

/// A login that is taken for the same person's.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    pub login: Login,
    pub source: LinkSource,
}

/// The logins that are proposed for a login, each once, by the strongest source.
///
/// # Errors
/// When the database cannot be asked.
pub async fn of_login(reader: &mut Reader, login: &Login) -> Result<Vec<Proposal>> {
    let mut found = Vec::new();
    for row in reader.link_proposals(login.id).await? {
        let other = if row.login_id == login.id { row.other_login_id } else { row.login_id };
        if let Some(other) = reader.any_login(other).await? {
            found.push(Proposal { login: other.login, source: LinkSource::Administrator });
        }
    }
    Ok(found)
}
