//! What the operator gives: the first holders of roles that nobody in the tenant may give yet, and administrators where none is left.
//!
//! Nobody's permission is asked here, because the operator's is the last word: whoever calls this is the operator. The tenant sees
//! it as an event like any other.

use serde_json::json;
use uuid::Uuid;

use super::catalogue::Catalogue;
use super::tree::Tree;
use super::{Caller, Error, Result};
use crate::model::{Assignment, AssignmentId, AssignmentSource, EventKind, LoginId, TenantId};
use crate::store::{NewAssignment, Store, retry};

/// A role that the operator gives.
#[derive(Clone, Debug)]
pub struct Appointment<'a> {
    pub login: LoginId,
    /// The account, as slugs from the root down; left out, it is the root.
    pub account: Option<&'a str>,
    pub role: &'a str,
}

/// Gives a role in the operator's name. Answers the assignment, and whether it is new.
///
/// # Errors
/// When there is no such login, account or role, the role cannot be given on the account, or is given with its service's instances alone.
pub async fn appoint(
    store: &Store,
    tenant: TenantId,
    catalogue: &Catalogue,
    appointment: &Appointment<'_>,
    caller: Caller<'_>,
) -> Result<(Assignment, bool)> {
    let key = appointment.role;
    let role =
        catalogue.role(key).ok_or_else(|| Error::Invalid(format!("the catalogue {:?} has no role {key:?}", catalogue.slug)))?;
    retry(|| async {
        let mut writer = store.write(tenant).await?;
        let tree = Tree::new(writer.accounts().await?);
        let account = match appointment.account {
            Some(path) => tree.find(path).ok_or_else(|| Error::Invalid(format!("there is no account {path:?}")))?,
            None => tree.root()?.id,
        };
        writer.lock_accounts(&[account]).await?;
        if !role.scope.fits(tree.root()?.id == account) {
            return Err(Error::Invalid(format!(
                "{} cannot be given on {:?}: {}",
                role.name,
                tree.path(account),
                role.scope.says()
            )));
        }
        let subscribed = writer.services_of(account).await?;
        if let Some(service) = &role.service
            && !subscribed.iter().any(|own| own.key == *service)
        {
            return Err(Error::Invalid(format!("{:?} does not subscribe to the service {service:?}", tree.path(account))));
        }
        let login = writer.any_login(appointment.login).await?.ok_or(Error::NotFound("login"))?;
        let id = AssignmentId::new(caller.now);
        let new = NewAssignment {
            id,
            login: appointment.login,
            account,
            service: None,
            instance: None,
            role: key,
            source: AssignmentSource::Operator,
            source_id: Uuid::nil(),
        };
        let is_new = writer.insert_assignment(&new, caller.now).await?;
        let held = writer.assignments_of(appointment.login).await?.into_iter().find(|held| {
            (held.source, held.account_id, held.role.as_str(), held.service_id) == (AssignmentSource::Operator, account, key, None)
        });
        let held = held.ok_or_else(Error::raced)?;
        if is_new {
            let details = json!({ "person": login.login.person_id, "before": [], "after": held });
            let event = caller.event(EventKind::AssignmentGiven, appointment.login.uuid(), details).at(account);
            writer.record(&[event], caller.request_id).await?;
            writer.commit().await?;
        }
        Ok((held, is_new))
    })
    .await
}
