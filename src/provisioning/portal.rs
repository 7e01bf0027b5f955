//! The portal extension of a User: person, slot, roles and the person's other login (`scim-schemas/portal-user.json`).
//!
//! It is no part of the login's version, and so nobody gets it unasked: a client that keeps Users by their entity tags would
//! otherwise keep old roles. What is asked for is read in one statement for a whole page. `otherUserName` alone is the client's: it is
//! stored, and part of the version, like what stands outside the extension.

use std::collections::BTreeMap;

use super::Failure;
use crate::directory::{RuleBook, held_roles};
use crate::model::{DirectoryId, LoginId};
use crate::scim::message::urn;
use crate::scim::project::Projection;
use crate::scim::{Object, Value};
use crate::store::{HeldRoleRow, LoginRow, Reader};

/// What a projection wants of the extension, for these logins.
#[derive(Debug, Default)]
pub(super) struct Portal {
    person: bool,
    slot: bool,
    roles: BTreeMap<LoginId, Vec<HeldRoleRow>>,
    others: BTreeMap<LoginId, LoginId>,
}

impl Portal {
    /// Reads what is asked for, and nothing else.
    pub(super) async fn load(
        reader: &mut Reader,
        directory: DirectoryId,
        rules: &RuleBook,
        projection: &Projection,
        rows: &[LoginRow],
    ) -> Result<Self, Failure> {
        let asks = |attribute| projection.asks_for_extension(urn::PORTAL_USER, attribute);
        let mut portal = Self { person: asks("person"), slot: asks("slot"), ..Self::default() };
        let ids: Vec<_> = rows.iter().map(|row| row.login.id).collect();
        if asks("roles") {
            for role in held_roles(reader, rules, &ids).await? {
                portal.roles.entry(role.login_id).or_default().push(role);
            }
        }
        if asks("otherLogin") {
            portal.others = reader.other_logins(directory, &ids).await?.into_iter().collect();
        }
        Ok(portal)
    }

    /// Puts what is asked for beside what the client said, if there is anything to say (R05).
    pub(super) fn fill(&self, document: &mut Object, row: &LoginRow) {
        let login = &row.login;
        let said = document.get(urn::PORTAL_USER).and_then(Value::as_object);
        let is_listed = said.is_some();
        let mut own = said.cloned().unwrap_or_default();
        if self.person {
            own.insert("person", login.person_id.to_string());
        }
        if self.slot {
            own.insert("slot", Value::from(i64::from(login.slot as i16)));
        }
        if let Some(roles) = self.roles.get(&login.id) {
            own.insert("roles", Value::Array(roles.iter().map(role).collect()));
        }
        if let Some(other) = self.others.get(&login.id) {
            own.insert("otherLogin", other.to_string());
        }
        if own.is_empty() {
            return;
        }
        document.insert(urn::PORTAL_USER, own);
        if is_listed {
            return;
        }
        if let Some(Value::Array(mut schemas)) = document.remove("schemas") {
            schemas.push(urn::PORTAL_USER.into());
            document.insert("schemas", Value::Array(schemas));
        }
    }
}

fn role(held: &HeldRoleRow) -> Value {
    let mut role = Object::from_iter([("account", held.account.clone()), ("role", held.role.clone())]);
    if let Some(service) = &held.service {
        role.insert("service", service.as_str());
    }
    Value::Object(role)
}
