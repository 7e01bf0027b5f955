//! What is written down of somebody, changed by hand.

use serde_json::json;

use super::fields::{Field, Fields, check_changes};
use super::list::{Shown, shown};
use super::{People, because, document, fields_of, taken};
use crate::directory::recompute::recompute_login;
use crate::directory::{Error, Result};
use crate::model::{EventKind, Login, LoginId};
use crate::store::retry;

/// A change of somebody; what is left out stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub user_name: Option<String>,
    pub given_name: Option<String>,
    pub family_name: Option<String>,
    pub email: Option<String>,
    pub phone_numbers: Option<Vec<String>>,
    /// An empty one takes it away.
    pub token_type: Option<String>,
    pub mobile_type: Option<String>,
    /// What somebody tried to change that a login keeps for life: its kind, its connection.
    pub kept: Vec<&'static str>,
    pub reason: Option<String>,
}

impl Change {
    fn of(&self, fields: &Fields) -> Fields {
        let new = |new: &Option<String>, old: &Option<String>| new.clone().or_else(|| old.clone());
        Fields {
            user_name: new(&self.user_name, &fields.user_name),
            given_name: new(&self.given_name, &fields.given_name),
            family_name: new(&self.family_name, &fields.family_name),
            email: new(&self.email, &fields.email),
            phone_numbers: self.phone_numbers.clone().unwrap_or_else(|| fields.phone_numbers.clone()),
            token_type: new(&self.token_type, &fields.token_type),
            mobile_type: new(&self.mobile_type, &fields.mobile_type),
        }
        .tidied()
    }
}

impl People<'_> {
    /// Changes what is written down of somebody. To write down what is there is no change. Where the address or the phone is, there
    /// credentials go: so this needs the right to give every role that the login holds, as taking the login does.
    ///
    /// # Errors
    /// When who asks may not, the login has another version by now, a directory provisions it, a field is not as it must be, or it never
    /// changes in this portal.
    pub async fn edit(&self, id: LoginId, change: &Change, versions: Option<&[i64]>) -> Result<Shown> {
        let values = because(change.reason.as_deref())?;
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            writer.share_rules().await?;
            let row = writer.any_login_for_update(id).await?.ok_or(Error::NotFound("login"))?;
            let login = &row.login;
            self.ruled(&mut writer, login).await?;
            if versions.is_some_and(|versions| !versions.contains(&login.version)) {
                return Err(Error::Stale);
            }
            if !change.kept.is_empty() {
                let names = change.kept.join(", ");
                let text =
                    format!("{names}: a login keeps it for life, because others know it by that; delete it and make another one");
                return Err(Error::Conflict(text));
            }
            if let Some(directory) = login.directory_id {
                let found = writer.directory(directory).await?;
                let name = found.map_or_else(String::new, |directory| format!(" {:?}", directory.name));
                return Err(Error::Conflict(format!("the directory{name} says what this login is called; change it there")));
            }
            let before = fields_of(login, &row.scim);
            let after = change.of(&before);
            let changed = before.changes(&after);
            let now_shown = shown(&mut writer, id).await?;
            if changed.is_empty() {
                return Ok(now_shown);
            }
            self.allowed(login, &after, &changed)?;
            let document = document(&row.scim, &after, login.active, login.external_id.as_deref());
            writer.update_login(login, &document, self.caller.now).await.map_err(|error| taken(login.kind, error.into()))?;
            if changed.contains(&Field::TokenType) || changed.contains(&Field::MobileType) {
                writer.set_token_type(id, after.token(), after.mobile_type.as_deref()).await?;
            }
            // Rules read these too.
            recompute_login(&mut writer, self.rules, id, &self.caller).await?;
            let mut values = values.clone();
            for field in &changed {
                values["before"][field.member()] = before.value(*field);
                values["after"][field.member()] = after.value(*field);
            }
            let attributes: Vec<_> = changed.iter().map(|field| field.attribute()).collect();
            let details = json!({ "person": login.person_id, "by_hand": true, "attributes": attributes });
            self.record(&mut writer, EventKind::LoginUpdated, login, details, values).await?;
            let now_shown = shown(&mut writer, id).await?;
            writer.commit().await?;
            Ok(now_shown)
        })
        .await
    }

    fn allowed(&self, login: &Login, after: &Fields, changed: &[Field]) -> Result<()> {
        let immutable: Vec<_> = changed.iter().filter(|field| self.reach.catalogue().immutable.contains(field)).collect();
        if !immutable.is_empty() {
            let names: Vec<_> = immutable.iter().map(|field| field.member()).collect();
            let names = names.join(", ");
            let text =
                format!("{names}: in this portal nobody changes it once the login is made; delete the login and make another one");
            return Err(Error::Conflict(text));
        }
        let faults: Vec<_> = check_changes(login.kind, after, changed).iter().map(ToString::to_string).collect();
        if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults.join("; "))) }
    }
}
