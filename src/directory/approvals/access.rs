//! Access to an account for somebody of another one, asked for by anybody who has a role on it.
//!
//! Who asks names the person exactly, and is answered alike whether there is somebody of that name or not: nobody learns who there is
//! beyond their own sight. An administrator of the account carries it out, or the operator.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::policy::{ACCESS, Occasion, needs};
use super::{Approvals, Asked, Shown, ask_for};
use crate::directory::access::Permission;
use crate::directory::assignments::{Gift, check_reason, fits};
use crate::directory::{Error, Result};
use crate::model::{AccountId, ApprovalNeed, Approvers, LoginId, PersonId, Requested};
use crate::scim::fold::fold;
use crate::store::{Reader, retry};

/// Characters of a user name.
const LONGEST_USER_NAME: usize = 320;

/// Access that somebody asks for.
#[derive(Clone, Debug)]
pub struct AccessRequest {
    pub account: AccountId,
    pub login: Option<LoginId>,
    /// Instead of the login.
    pub user_name: Option<String>,
    pub role: String,
    pub reason: Option<String>,
}

impl Approvals<'_> {
    /// Asks for access.
    ///
    /// # Errors
    /// When who asks has no role on the account, the role does not fit it, or nobody is named.
    pub async fn access(&self, wanted: &AccessRequest) -> Result<Shown> {
        self.reach.scoped(Permission::RequestApprovals)?;
        check_reason(wanted.reason.as_deref())?;
        if !(self.login().is_some() && self.reach.holds_any(wanted.account)) {
            self.reach.needs(Permission::RequestApprovals, wanted.account)?;
        }
        self.check_named(wanted)?;
        let no_role = || Error::Invalid(format!("role: there is no role {:?}", wanted.role));
        let role = self.reach.catalogue().role(&wanted.role).ok_or_else(no_role)?;
        fits(self.reach, role, &wanted.gift(LoginId::from_uuid(uuid::Uuid::nil()), None))?;
        let path: Vec<_> = self.reach.tree().up(wanted.account).iter().map(|account| account.id).collect();
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            let subject = found(&mut writer, wanted).await?;
            let mut all = vec![ApprovalNeed {
                policy: None,
                name: ACCESS.to_owned(),
                account: wanted.account,
                approvers: Some(Approvers::Assigners(role.key.clone())),
                needed: 1,
            }];
            all.extend(needs(&writer.approval_policies(&path).await?, Occasion::Role(role)));
            let asked = Asked {
                account: wanted.account,
                occasion: ACCESS,
                subject,
                content: Requested::Access { role: role.key.clone(), login: wanted.login },
                needs: all,
                values: values(wanted),
            };
            let made = ask_for(&mut writer, self.sealer, asked, self.caller).await?;
            let shown = self.show(&mut writer, made).await?;
            writer.commit().await?;
            Ok(shown)
        })
        .await
    }

    fn check_named(&self, wanted: &AccessRequest) -> Result<()> {
        match (&wanted.login, &wanted.user_name) {
            // The name lies beside the event, under a key of a person; a client is none.
            (None, Some(_)) if self.login().is_none() => {
                Err(Error::Invalid("login: a client names somebody by their id".to_owned()))
            }
            (None, Some(name)) if name.trim().is_empty() || name.chars().count() > LONGEST_USER_NAME || name.contains('\0') => {
                Err(Error::Invalid(format!("user_name: 1 to {LONGEST_USER_NAME} characters, and none of them NUL")))
            }
            (Some(_), None) | (None, Some(_)) => Ok(()),
            _ => Err(Error::Invalid("login, user_name: one of the two".to_owned())),
        }
    }
}

impl AccessRequest {
    /// What is given when it is carried out.
    fn gift(&self, login: LoginId, reason: Option<String>) -> Gift {
        Gift { login, account: self.account, role: self.role.clone(), service: None, instance: None, reason }
    }
}

fn values(wanted: &AccessRequest) -> Value {
    let mut values = json!({});
    for (name, value) in [("user_name", &wanted.user_name), ("reason", &wanted.reason)] {
        if let Some(value) = value {
            values[name] = json!(value);
        }
    }
    if values == json!({}) { Value::Null } else { values }
}

/// Who was named, if there is exactly one such.
async fn found(reader: &mut Reader, wanted: &AccessRequest) -> Result<Option<(LoginId, PersonId)>> {
    let login = match (&wanted.login, &wanted.user_name) {
        (Some(login), _) => Some(*login),
        (None, Some(name)) => {
            let directories = reader.directories().await?.into_iter().map(|directory| directory.id.uuid());
            let connections = reader.connections().await?.into_iter().map(|connection| connection.id.uuid());
            let key = fold(name.trim());
            let mut found = BTreeSet::new();
            for namespace in directories.chain(connections) {
                found.extend(reader.login_named(namespace, &key).await?);
            }
            found.pop_first().filter(|_| found.is_empty())
        }
        (None, None) => None,
    };
    let Some(login) = login else { return Ok(None) };
    Ok(reader.any_login(login).await?.map(|row| (login, row.login.person_id)))
}
