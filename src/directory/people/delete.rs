//! Logins that are deleted by hand, in two steps: what goes with one is told in numbers first, and what was told is confirmed.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::guard::{Administration, going};
use super::{People, because};
use crate::directory::ending::{bury, groups_of};
use crate::directory::{Error, Result};
use crate::keys::Place;
use crate::model::{EventKind, Login, LoginId};
use crate::store::{Reader, retry};

/// How long what was told can be confirmed.
const CONFIRMED_WITHIN: TimeDelta = TimeDelta::minutes(10);

/// What goes with a login, and what confirms that it may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Consequences {
    /// How many roles it was given, and on how many accounts.
    pub roles: usize,
    pub accounts: usize,
    /// How many sessions end.
    pub sessions: i64,
    /// For this login, in this version, by who asked.
    pub confirmation: String,
    pub expires_at: DateTime<Utc>,
}

/// What a confirmation says. It is sealed for its login, which can be deleted once.
#[derive(Serialize, Deserialize)]
struct Confirmation {
    version: i64,
    by: uuid::Uuid,
    /// Seconds of the epoch.
    until: i64,
}

fn place(login: LoginId) -> Place {
    Place { table: "logins", column: "deletion", row: login.uuid() }
}

impl People<'_> {
    /// Tells what the deletion of a login would come to. Changes nothing.
    ///
    /// # Errors
    /// When who asks may not delete it.
    pub async fn consequences(&self, id: LoginId) -> Result<Consequences> {
        let mut reader = self.store.read(self.tenant);
        let login = reader.any_login(id).await?.ok_or(Error::NotFound("login"))?.login;
        let held = self.ruled(&mut reader, &login).await?;
        self.not_own(&going(&mut reader, id).await?)?;
        may_delete(&mut reader, &login).await?;
        let expires_at = self.caller.now + CONFIRMED_WITHIN;
        let said = Confirmation { version: login.version, by: self.by, until: expires_at.timestamp() };
        let accounts: BTreeSet<_> = held.iter().map(|held| held.account_id).collect();
        Ok(Consequences {
            roles: held.len(),
            accounts: accounts.len(),
            sessions: reader.count_sessions_of_login(id, self.caller.now).await?,
            confirmation: self.sealer.seal_for_url(&place(id), json!(said).to_string().as_bytes()),
            expires_at,
        })
    }

    /// Deletes a login. Its name and slot are free at once; a tombstone keeps whoever had it from coming back by signing in.
    ///
    /// # Errors
    /// When who asks may not, uses the login, it is the last administrator's, its directory deletes it, or this was not confirmed.
    pub async fn delete(&self, id: LoginId, confirmation: &str, reason: Option<&str>) -> Result<()> {
        let values = because(reason)?;
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            writer.share_rules().await?;
            let administration = Administration::load(&mut writer, self.rules, self.reach.catalogue()).await?;
            // Groups come before accounts and logins in the order of locks, and their versions change with their members.
            let groups = groups_of(&mut writer, id).await?;
            writer.touch_groups(&groups.iter().copied().collect::<Vec<_>>(), self.caller.now).await?;
            let leaving = going(&mut writer, id).await?;
            let held = administration.hold(&mut writer, &leaving).await?;
            writer.lock_with_other_login(id).await?;
            let login = writer.any_login_for_update(id).await?.ok_or(Error::NotFound("login"))?.login;
            let roles = self.ruled(&mut writer, &login).await?;
            let leaving = going(&mut writer, id).await?;
            self.not_own(&leaving)?;
            may_delete(&mut writer, &login).await?;
            self.is_confirmed(&login, confirmation)?;
            if groups_of(&mut writer, id).await? != groups {
                return Err(Error::raced());
            }
            administration.keeps_one(&mut writer, &leaving, &held).await?;
            let ended = bury(&mut writer, self.caller, &login).await?;
            let details = json!({ "person": login.person_id, "by_hand": true, "roles": roles.len(), "sessions_ended": ended });
            // What is gone is gone: its values are not kept here either.
            self.record(&mut writer, EventKind::LoginDeleted, &login, details, values.clone()).await?;
            writer.commit().await?;
            Ok(())
        })
        .await
    }

    fn is_confirmed(&self, login: &Login, confirmation: &str) -> Result<()> {
        let text = self.sealer.open_from_url(&place(login.id), confirmation).ok();
        let said: Option<Confirmation> = text.and_then(|text| serde_json::from_slice(&text).ok());
        let fits =
            |said: &Confirmation| (said.version, said.by) == (login.version, self.by) && said.until >= self.caller.now.timestamp();
        if said.as_ref().is_some_and(fits) {
            return Ok(());
        }
        let text =
            "confirmation: it is over, or for another login, version or asker; ask what the deletion comes to, and confirm that";
        Err(Error::Conflict(text.to_owned()))
    }
}

/// What a directory provisions it would push again.
async fn may_delete(reader: &mut Reader, login: &Login) -> Result<()> {
    let Some(id) = login.directory_id else { return Ok(()) };
    if !reader.is_directory_enabled(id).await? {
        return Ok(());
    }
    let Some(directory) = reader.directory(id).await? else { return Ok(()) };
    let text = format!("its directory {:?} deletes it, and would push it again; deactivate it, or delete it there", directory.name);
    Err(Error::Conflict(text))
}
