//! Two logins of one person: linking them, parting them, and switching between them.
//!
//! Whoever says that two logins are one person's, an administrator, a directory or a pattern of user names, only proposes it. A link is made
//! by fresh proof of both in one browser session: the active login was asked anew, a row of `link_proofs` says so for ten minutes and
//! once, the second login is asked anew at one connection, and the person then confirms what they see. The row holds the session, the
//! first login, the connection, the issuer and the subject, so that nothing that was proved can be used for anything else.
//!
//! Locks are taken in one order: logins by ascending id, persons, sessions. The pure decisions are in [`decide`].

pub mod decide;
mod link;
pub mod proposals;
pub mod suffix;
mod switching;
mod unlink;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use self::decide::Side;
use super::catalogue::Role;
use super::recompute::{RuleBook, counting_assignments};
use super::refusal::Refusal;
use super::{Caller, Result};
use crate::model::{Login, LoginId, Session};
use crate::store::{Reader, Store, Writer};

pub(super) use link::may_prove;
pub use link::{Begun, LinkView, Linked, begin, confirm, view};
pub use switching::{Switch, switch};
pub use unlink::{Unlinked, unlink};

/// What came of a command: it was done, or a rule refuses it.
pub type Settled<T> = Result<std::result::Result<T, Refusal>>;

/// Somebody who is signed in and acts on their own logins.
#[derive(Clone, Copy, Debug)]
pub struct Own<'a> {
    pub store: &'a Store,
    pub rules: &'a RuleBook,
    pub caller: Caller<'a>,
    pub session: &'a Session,
}

/// Whether a login is privileged: using one of the roles that it holds anywhere asks for a fresh sign-in.
///
/// # Errors
/// When the database cannot be asked.
pub async fn is_privileged(reader: &mut Reader, rules: &RuleBook, login: LoginId) -> Result<bool> {
    let slug = reader.tenant_row().await?.map(|tenant| tenant.catalogue);
    let Some(catalogue) = slug.and_then(|slug| rules.catalogue(&slug)) else { return Ok(false) };
    let held: BTreeSet<_> = counting_assignments(reader, rules, login).await?.into_iter().map(|held| held.role).collect();
    let asks = |role: &Role| role.step_up || role.includes.iter().filter_map(|key| catalogue.role(key)).any(|role| role.step_up);
    Ok(held.iter().filter_map(|key| catalogue.role(key)).any(asks))
}

/// Since when the logins of a person are two: the person that the guest was born with was merged then. None for the only login.
///
/// # Errors
/// When the database cannot be asked.
pub async fn linked_at(reader: &mut Reader, logins: &[Login]) -> Result<Option<DateTime<Utc>>> {
    if logins.len() < 2 {
        return Ok(None);
    }
    let mut since = None;
    for guest in logins.iter().filter(|login| login.born_person_id != login.person_id) {
        since = since.max(reader.person(guest.born_person_id).await?.and_then(|person| person.merged_at));
    }
    Ok(since)
}

/// What counts of a login that is to be linked, which is taken.
async fn side(writer: &mut Writer, login: LoginId) -> Result<Option<Side>> {
    let Some(login) = writer.any_login(login).await?.map(|row| row.login) else { return Ok(None) };
    let Some(person) = writer.person(login.person_id).await? else { return Ok(None) };
    let taken = writer.logins_of_person(person.id).await?.into_iter().map(|row| row.login.slot).collect();
    Ok(Some(Side { login, person: person.state, taken }))
}
