//! Who there is, for those who may see them.

use std::collections::BTreeMap;

use super::People;
use crate::directory::access::Permission;
use crate::directory::recompute::held_assignments;
use crate::directory::{Error, Result};
use crate::model::{AccountId, ConnectionId, DirectoryId, LoginId, LoginKind};
use crate::scim::fold::fold;
use crate::store::{PeopleQuery, PersonRow, PresenceState, Reader};

/// Characters of a search.
const LONGEST_SEARCH: usize = 100;

/// Which people are wanted; all that is given counts.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A part of the user name, the display name or an e-mail address, in whatever letter case.
    pub search: Option<String>,
    /// Those at home there, or given something there.
    pub account: Option<AccountId>,
    pub state: Option<PresenceState>,
    pub kind: Option<LoginKind>,
    pub directory: Option<DirectoryId>,
    pub connection: Option<ConnectionId>,
    pub after: Option<LoginId>,
}

/// Somebody, as lists show them.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub row: PersonRow,
    /// The claim and the value by which a hand has said that the first sign-in is known.
    pub awaits: Option<(String, String)>,
}

/// A page of people.
#[derive(Clone, Debug)]
pub struct Found {
    pub people: Vec<Shown>,
    /// The last login of the page, if more follow.
    pub next: Option<LoginId>,
}

/// A login that is there.
pub(super) async fn shown(reader: &mut Reader, id: LoginId) -> Result<Shown> {
    let row = reader.person_row(id).await?.ok_or(Error::NotFound("login"))?;
    let awaits = reader.pairs_by_hand(&[id]).await?.pop().map(|(_, claim, value)| (claim, value));
    Ok(Shown { row, awaits })
}

impl People<'_> {
    /// People whom who asks may see, oldest login first.
    ///
    /// # Errors
    /// When the account is not in sight, or the search too long.
    pub async fn list(&self, filter: &Filter, limit: u32) -> Result<Found> {
        if let Some(account) = filter.account {
            self.reach.needs(Permission::ViewPeople, account)?;
        }
        let search = filter.search.as_deref().filter(|text| !text.is_empty());
        if search.is_some_and(|text| text.chars().count() > LONGEST_SEARCH) {
            return Err(Error::Invalid(format!("search: at most {LONGEST_SEARCH} characters")));
        }
        let Filter { account, state, kind, directory, connection, after, .. } = *filter;
        let search = search.map(fold);
        let query = PeopleQuery { seen: self.seen(), account, search, state, kind, directory, connection, after };
        let mut reader = self.store.read(self.tenant);
        let mut rows = reader.people(&query, limit + 1).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        let mut pairs: BTreeMap<_, _> =
            reader.pairs_by_hand(&ids).await?.into_iter().map(|(login, claim, value)| (login, (claim, value))).collect();
        let people = rows.into_iter().map(|row| Shown { awaits: pairs.remove(&row.id), row }).collect();
        Ok(Found { people, next: ids.last().copied().filter(|_| more) })
    }

    /// One login that who asks may see.
    ///
    /// # Errors
    /// When they may not.
    pub async fn read(&self, id: LoginId) -> Result<Shown> {
        let mut reader = self.store.read(self.tenant);
        let shown = shown(&mut reader, id).await?;
        let held = held_assignments(&mut reader, self.rules, &[id]).await?;
        if !self.sees(shown.row.home_account_id, &held) {
            return Err(Error::NotFound("login"));
        }
        Ok(shown)
    }
}
