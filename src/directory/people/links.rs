//! The two logins of a person as administrators see them, and what they say of two logins: that they are taken for one person's, and that a
//! local one stays when the other leaves. Nobody but the person links two logins.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{People, because};
use crate::directory::access::Permission;
use crate::directory::linking::linked_at;
use crate::directory::linking::proposals::{self, Proposal, can_be_linked};
use crate::directory::recompute::held_assignments;
use crate::directory::{Error, Result};
use crate::model::{EventKind, Login, LoginId, LoginKind, Person, PersonId};
use crate::scim::fold::fold;
use crate::store::{PersonRow, Reader, Writer, retry};

/// A person, with those logins that who asks may see.
#[derive(Clone, Debug)]
pub struct PersonView {
    pub person: Person,
    /// By slot.
    pub logins: Vec<LoginView>,
    /// Whether there is another one, which who asks does not look after. No more is told of it.
    pub has_other: bool,
}

/// A login of a person.
#[derive(Clone, Debug)]
pub struct LoginView {
    pub row: PersonRow,
    pub login: Login,
    /// Since when it is one of two logins of the person.
    pub linked_at: Option<DateTime<Utc>>,
}

impl People<'_> {
    /// A person, for whoever sees one of the logins. One that was merged into another is seen by whoever sees the login that it was born with.
    ///
    /// # Errors
    /// When who asks sees none of them.
    pub async fn person(&self, id: PersonId) -> Result<PersonView> {
        let mut reader = self.store.read(self.tenant);
        let person = reader.person(id).await?.ok_or(Error::NotFound("person"))?;
        let mut all: Vec<_> =
            reader.logins_of_person(person.merged_into.unwrap_or(id)).await?.into_iter().map(|row| row.login).collect();
        if person.merged_into.is_some() {
            all.retain(|login| login.born_person_id == id);
        }
        let mut seen = Vec::new();
        for login in &all {
            let held = held_assignments(&mut reader, self.rules, &[login.id]).await?;
            if self.sees(login.home_account_id, &held) {
                seen.push(login.clone());
            }
        }
        if seen.is_empty() {
            return Err(Error::NotFound("person"));
        }
        let has_other = seen.len() < all.len();
        if person.merged_into.is_some() {
            return Ok(PersonView { person, logins: Vec::new(), has_other: false });
        }
        let linked_at = linked_at(&mut reader, &all).await?;
        let mut logins = Vec::new();
        for login in seen {
            let row = reader.person_row(login.id).await?.ok_or_else(Error::raced)?;
            logins.push(LoginView { row, login, linked_at });
        }
        Ok(PersonView { person, logins, has_other })
    }

    /// Who is proposed as the other login of a login's person, of those whom who asks may see.
    ///
    /// # Errors
    /// When they do not see the login.
    pub async fn link_proposals(&self, id: LoginId) -> Result<Vec<Proposal>> {
        let mut reader = self.store.read(self.tenant);
        let login = self.seen_login(&mut reader, id).await?.ok_or(Error::NotFound("login"))?;
        let mut found = Vec::new();
        for proposal in proposals::of_login(&mut reader, &login).await? {
            if self.seen_login(&mut reader, proposal.login.id).await?.is_some() {
                found.push(proposal);
            }
        }
        Ok(found)
    }

    /// Whether who asks may propose another login for this one: they rule it, and it can be linked.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn may_propose(&self, login: &Login) -> Result<bool> {
        let mut reader = self.store.read(self.tenant);
        match self.ruled(&mut reader, login).await {
            Ok(_) => can_be_linked(&mut reader, login).await,
            Err(Error::NotFound(_) | Error::Forbidden(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Says that two logins are one person's, which that person can confirm by signing in with both. Once is enough.
    ///
    /// # Errors
    /// When who asks does not rule both, or they cannot be linked: one is out of use, or linked.
    pub async fn propose_link(&self, one: LoginId, other: LoginId) -> Result<()> {
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            let (first, second) = self.both_ruled(&mut writer, one, other).await?;
            if !can_be_linked(&mut writer, &first).await? || !can_be_linked(&mut writer, &second).await? {
                let text = "only two logins that are in use, and the only ones of their persons, can be proposed to be linked";
                return Err(Error::Conflict(text.to_owned()));
            }
            if !writer.insert_link_proposal(one, other, &self.caller.actor, self.caller.now).await? {
                return Ok(());
            }
            self.told_both(&mut writer, EventKind::LinkProposed, &first, &second).await?;
            Ok(writer.commit().await?)
        })
        .await
    }

    /// Takes back that two logins are one person's. What the directory says, and what user names have in common, stays.
    ///
    /// # Errors
    /// When who asks does not rule both, or no administrator has said so.
    pub async fn withdraw_link(&self, one: LoginId, other: LoginId) -> Result<()> {
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            let (first, second) = self.both_ruled(&mut writer, one, other).await?;
            if !writer.delete_link_proposal(one, other).await? {
                return Err(Error::NotFound("proposal"));
            }
            self.told_both(&mut writer, EventKind::LinkWithdrawn, &first, &second).await?;
            Ok(writer.commit().await?)
        })
        .await
    }

    /// Marks a local login as one that stays when the person's other login leaves, or no longer. Once is enough.
    ///
    /// # Errors
    /// When who asks is no administrator of the whole tenant, or it is no local login.
    pub async fn set_break_glass(&self, id: LoginId, break_glass: bool, reason: Option<&str>) -> Result<()> {
        let values = because(reason)?;
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            let login = writer.any_login_for_update(id).await?.ok_or(Error::NotFound("login"))?.login;
            self.ruled(&mut writer, &login).await?;
            if !self.reach.allows(Permission::ManagePeople, self.reach.tree().root()?.id) {
                return Err(Error::Forbidden("this needs people.manage on the whole company".to_owned()));
            }
            if login.kind != LoginKind::Local {
                return Err(Error::Conflict("only a local login follows another one, and can be kept from it".to_owned()));
            }
            if login.break_glass == break_glass {
                return Ok(());
            }
            writer.set_break_glass(id, break_glass, self.caller.now).await?;
            let details = json!({ "person": login.person_id, "break_glass": break_glass });
            self.record(&mut writer, EventKind::BreakGlassChanged, &login, details, values.clone()).await?;
            Ok(writer.commit().await?)
        })
        .await
    }

    /// The login of a user name, in whatever letter case, or of an id, if who asks may see it. A name that several have names nobody.
    ///
    /// # Errors
    /// When the database cannot be asked, or several have the name.
    pub async fn called(&self, text: &str) -> Result<Option<LoginId>> {
        let mut reader = self.store.read(self.tenant);
        let mut named = Vec::new();
        if let Ok(id) = text.parse() {
            named.push(id);
        }
        let key = fold(text);
        let mut namespaces = vec![super::LOCAL_LOGINS];
        namespaces.extend(reader.directories().await?.iter().map(|directory| directory.id.uuid()));
        namespaces.extend(reader.connections().await?.iter().map(|connection| connection.id.uuid()));
        for namespace in namespaces {
            named.extend(reader.login_named(namespace, &key).await?);
        }
        let mut seen = Vec::new();
        for id in named {
            seen.extend(self.seen_login(&mut reader, id).await?.map(|login| login.id));
        }
        if seen.len() > 1 {
            return Err(Error::Conflict("several logins have this user name; name the one that is meant by its id".to_owned()));
        }
        Ok(seen.pop())
    }

    async fn seen_login(&self, reader: &mut Reader, id: LoginId) -> Result<Option<Login>> {
        let Some(login) = reader.any_login(id).await?.map(|row| row.login) else { return Ok(None) };
        let held = held_assignments(reader, self.rules, &[id]).await?;
        Ok(Some(login).filter(|login| self.sees(login.home_account_id, &held)))
    }

    /// Takes two logins, over both of which who asks has authority.
    async fn both_ruled(&self, writer: &mut Writer, one: LoginId, other: LoginId) -> Result<(Login, Login)> {
        if one == other {
            return Err(Error::Invalid("a login is not linked with itself".to_owned()));
        }
        writer.lock_logins(&[one, other]).await?;
        let first = writer.any_login(one).await?.ok_or(Error::NotFound("login"))?.login;
        let second = writer.any_login(other).await?.ok_or(Error::NotFound("login"))?.login;
        self.ruled(writer, &first).await?;
        self.ruled(writer, &second).await?;
        Ok((first, second))
    }

    async fn told_both(&self, writer: &mut Writer, kind: EventKind, one: &Login, other: &Login) -> Result<()> {
        let event =
            |of: &Login, other: &Login| self.caller.event(kind, of.id.uuid(), json!({ "other": other.id })).at(of.home_account_id);
        Ok(writer.record(&[event(one, other), event(other, one)], self.caller.request_id).await?)
    }
}
