//! Logins and persons that a hand deactivates, and lets in again; and who is asked to come.

use serde_json::json;

use super::guard::{Administration, going};
use super::list::{Shown, shown};
use super::{People, because};
use crate::directory::ending::{end_login, end_person};
use crate::directory::leaving::{come_back, leave};
use crate::directory::{Error, Result};
use crate::model::{EventKind, LoginId, PersonId, PersonState};
use crate::store::retry;

impl People<'_> {
    /// Deactivates a login, whatever its directory says: its sessions end at once. Its roles stay, and do not count. Once is enough.
    ///
    /// # Errors
    /// When who asks may not, uses the login, or it is the last administrator's.
    pub async fn deactivate(&self, id: LoginId, reason: Option<&str>) -> Result<Shown> {
        let values = because(reason)?;
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            writer.share_rules().await?;
            let administration = Administration::load(&mut writer, self.rules, self.reach.catalogue()).await?;
            let leaving = going(&mut writer, id).await?;
            let held = administration.hold(&mut writer, &leaving).await?;
            writer.lock_with_other_login(id).await?;
            let login = writer.any_login_for_update(id).await?.ok_or(Error::NotFound("login"))?.login;
            self.ruled(&mut writer, &login).await?;
            if login.locked_at.is_none() {
                let leaving = going(&mut writer, id).await?;
                self.not_own(&leaving)?;
                administration.keeps_one(&mut writer, &leaving, &held).await?;
                writer.set_locked(id, Some(self.caller.now), self.caller.now).await?;
                leave(&mut writer, self.caller, &login).await?;
                let ended = end_login(&mut writer, id, self.caller.now).await?;
                let details = json!({ "person": login.person_id, "sessions_ended": ended });
                self.record(&mut writer, EventKind::LoginLocked, &login, details, values.clone()).await?;
            }
            let now_shown = shown(&mut writer, id).await?;
            writer.commit().await?;
            Ok(now_shown)
        })
        .await
    }

    /// Lets a login in again that a hand has deactivated. Once is enough.
    ///
    /// # Errors
    /// When who asks may not, or it was its directory or its person that was deactivated.
    pub async fn reactivate(&self, id: LoginId, reason: Option<&str>) -> Result<Shown> {
        let values = because(reason)?;
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            writer.lock_with_other_login(id).await?;
            let login = writer.any_login_for_update(id).await?.ok_or(Error::NotFound("login"))?.login;
            self.ruled(&mut writer, &login).await?;
            if login.locked_at.is_some() {
                writer.set_locked(id, None, self.caller.now).await?;
                if login.active {
                    come_back(&mut writer, self.caller, id).await?;
                }
                let details = json!({ "person": login.person_id });
                self.record(&mut writer, EventKind::LoginUnlocked, &login, details, values.clone()).await?;
            } else if !login.active {
                return Err(Error::Conflict("its directory has deactivated it, and lets it in again".to_owned()));
            } else if writer.person(login.person_id).await?.is_some_and(|person| person.state != PersonState::Active) {
                return Err(Error::Conflict("its person is deactivated; reactivate the person".to_owned()));
            }
            let now_shown = shown(&mut writer, id).await?;
            writer.commit().await?;
            Ok(now_shown)
        })
        .await
    }

    /// Deactivates a person with all logins: their sessions end at once. Once is enough.
    ///
    /// # Errors
    /// When who asks may not do it to one of the logins, uses one of them, or one is the last administrator's.
    pub async fn deactivate_person(&self, id: PersonId, reason: Option<&str>) -> Result<()> {
        self.set_person(id, PersonState::Deactivated, reason).await
    }

    /// Lets a person in again. Logins that were deactivated themselves stay so. Once is enough.
    ///
    /// # Errors
    /// When who asks may not do it to one of the logins.
    pub async fn reactivate_person(&self, id: PersonId, reason: Option<&str>) -> Result<()> {
        self.set_person(id, PersonState::Active, reason).await
    }

    async fn set_person(&self, id: PersonId, state: PersonState, reason: Option<&str>) -> Result<()> {
        let values = because(reason)?;
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            writer.share_rules().await?;
            let logins: Vec<_> = writer.logins_of_person(id).await?.into_iter().map(|row| row.login).collect();
            let ids: Vec<_> = logins.iter().map(|login| login.id).collect();
            let administration = Administration::load(&mut writer, self.rules, self.reach.catalogue()).await?;
            let held = administration.hold(&mut writer, &ids).await?;
            writer.lock_logins(&ids).await?;
            let again: Vec<_> = writer.logins_of_person(id).await?.into_iter().map(|row| row.login.id).collect();
            if again != ids {
                return Err(Error::raced());
            }
            let first = logins.first().ok_or(Error::NotFound("person"))?;
            self.ruled_all(&mut writer, &logins).await?;
            let person = writer.person(id).await?.ok_or(Error::NotFound("person"))?;
            if person.state == state {
                return Ok(());
            }
            let mut details = json!({ "logins": ids });
            let ended = end_person(&mut writer, id, self.caller.now).await?;
            let kind = if state == PersonState::Active {
                EventKind::PersonReactivated
            } else {
                self.not_own(&ids)?;
                administration.keeps_one(&mut writer, &ids, &held).await?;
                details["sessions_ended"] = ended.into();
                EventKind::PersonDeactivated
            };
            writer.set_person_state(id, state, self.caller.now).await?;
            let event = self.caller.event(kind, id.uuid(), details).at(first.home_account_id);
            self.record_about(&mut writer, event, id, values.clone()).await?;
            writer.commit().await?;
            Ok(())
        })
        .await
    }

    /// Asks somebody to come, who has not signed in yet. They may be asked again.
    ///
    /// # Errors
    /// When who asks does not look after the login, it is deactivated, or they have come already.
    pub async fn invite(&self, id: LoginId) -> Result<Shown> {
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            let login = writer.any_login_for_update(id).await?.ok_or(Error::NotFound("login"))?.login;
            self.managed(&mut writer, &login).await?;
            let person = writer.person(login.person_id).await?;
            if !login.is_usable() || person.is_none_or(|person| person.state != PersonState::Active) {
                return Err(Error::Conflict("it is deactivated; let it in again first".to_owned()));
            }
            if login.signed_in_at.is_some() {
                return Err(Error::Conflict("they have signed in already".to_owned()));
            }
            writer.set_invited(id, self.caller.now).await?;
            let details = json!({ "person": login.person_id });
            self.record(&mut writer, EventKind::LoginInvited, &login, details, json!({})).await?;
            let now_shown = shown(&mut writer, id).await?;
            writer.commit().await?;
            Ok(now_shown)
        })
        .await
    }
}
