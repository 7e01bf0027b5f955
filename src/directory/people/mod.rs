//! People as administrators look after them: made, edited, deactivated and deleted by hand.
//!
//! Whoever has `people.manage` on the home account of a login looks after it, if they could also give every role that it holds: nobody
//! takes away a login that is more powerful than what they may give. Somebody without that sees it, if they see people of its home or of an
//! account where it was given something. What a directory provisions is the directory's: a hand only deactivates it.

mod create;
mod delete;
mod edit;
pub mod fields;
mod guard;
mod links;
mod list;
mod state;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::access::{Permission, Reach};
use super::assignments::check_reason;
use super::personal::record_personal;
use super::recompute::{RuleBook, held_assignments};
use super::{Caller, Error, Result};
use crate::keys::Sealer;
use crate::model::{AccountId, Actor, Assignment, Email, Event, EventKind, Login, LoginId, LoginKind, PersonId, TenantId};
use crate::scim::fold::{FOLDING_VERSION, fold};
use crate::scim::schema::ResourceKind;
use crate::scim::{Value as Attributes, search_form};
use crate::store::{LoginDocument, Reader, Store, Writer};

pub use create::{Awaited, NewPerson};
pub use delete::Consequences;
pub use edit::Change;
pub use links::{LoginView, PersonView};
pub use list::{Filter, Found, Shown};

use fields::Fields;

/// Within which the user names of local logins are unique: they sign in by them, whatever their tenant.
pub const LOCAL_LOGINS: uuid::Uuid = uuid::Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0002);

/// The people of a tenant, and who asks with what they may do.
#[derive(Clone, Copy, Debug)]
pub struct People<'a> {
    pub store: &'a Store,
    pub tenant: TenantId,
    /// Whose hand it is: the login or the client that asks.
    pub by: uuid::Uuid,
    pub reach: &'a Reach,
    pub rules: &'a RuleBook,
    /// Seals the keys of persons, and confirmations.
    pub sealer: &'a Sealer,
    pub caller: Caller<'a>,
}

impl People<'_> {
    /// The accounts whose people who asks may see; `None` is all of the tenant.
    fn seen(&self) -> Option<Vec<AccountId>> {
        let all = self.reach.tree().downwards();
        let seen: Vec<_> =
            all.iter().map(|account| account.id).filter(|id| self.reach.allows(Permission::ViewPeople, *id)).collect();
        (seen.len() < all.len()).then_some(seen)
    }

    /// Whether who asks may see a login: by its home, or by what it was given somewhere.
    fn sees(&self, home: AccountId, held: &[Assignment]) -> bool {
        let sees = |account| self.reach.allows(Permission::ViewPeople, account);
        sees(home) || held.iter().any(|held| sees(held.account_id))
    }

    /// Refuses who does not see a login, or does not look after it. Answers what it was given.
    pub(super) async fn managed(&self, reader: &mut Reader, login: &Login) -> Result<Vec<Assignment>> {
        self.reach.scoped(Permission::ManagePeople)?;
        let held = held_assignments(reader, self.rules, &[login.id]).await?;
        if !self.sees(login.home_account_id, &held) {
            return Err(Error::NotFound("login"));
        }
        if !self.reach.allows(Permission::ManagePeople, login.home_account_id) {
            let text = "this needs people.manage on the home account of the login; on your own account you can take the roles that it holds";
            return Err(Error::Forbidden(text.to_owned()));
        }
        Ok(held)
    }

    /// The same, and refuses who could not give everything that it holds.
    pub(super) async fn ruled(&self, reader: &mut Reader, login: &Login) -> Result<Vec<Assignment>> {
        let held = self.managed(reader, login).await?;
        let known = |held: &&Assignment| self.reach.catalogue().role(&held.role).is_some();
        let beyond: Vec<_> = held.iter().filter(known).filter(|held| !self.reach.may_assign(&held.role, held.account_id)).collect();
        if beyond.is_empty() {
            return Ok(held);
        }
        let told: BTreeSet<_> = beyond
            .iter()
            .filter(|held| self.reach.allows(Permission::ViewPeople, held.account_id))
            .map(|held| format!("{:?} on {}", held.role, self.reach.tree().path(held.account_id)))
            .collect();
        let missing = if told.len() == beyond.len() {
            told.into_iter().collect::<Vec<_>>().join(", ")
        } else {
            told.into_iter().chain(["roles on accounts that you do not look after".to_owned()]).collect::<Vec<_>>().join(", ")
        };
        Err(Error::Forbidden(format!("this needs the right to give every role that the login holds; you may not give {missing}")))
    }

    /// The same for all logins of a person, one of which who asks sees.
    async fn ruled_all(&self, reader: &mut Reader, logins: &[Login]) -> Result<()> {
        let mut unseen = 0;
        let mut refused = None;
        for login in logins {
            match self.ruled(reader, login).await {
                Err(Error::NotFound(_)) => unseen += 1,
                Err(error @ Error::Forbidden(_)) => refused = Some(error),
                other => drop(other?),
            }
        }
        match refused {
            _ if unseen == logins.len() => Err(Error::NotFound("person")),
            Some(error) => Err(error),
            None if unseen > 0 => {
                Err(Error::Forbidden("the person has another login, on an account that you do not look after".to_owned()))
            }
            None => Ok(()),
        }
    }

    /// Nobody ends what they stand on.
    fn not_own(&self, logins: &[LoginId]) -> Result<()> {
        match self.caller.actor {
            Actor::Login { login } if logins.contains(&login) => {
                Err(Error::Conflict("nobody deactivates or deletes the login that they use; ask another administrator".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// Records an act on a login, with what is personal about it.
    async fn record(&self, writer: &mut Writer, kind: EventKind, of: &Login, details: Value, values: Value) -> Result<()> {
        let event = self.caller.event(kind, of.id.uuid(), details).at(of.home_account_id);
        self.record_about(writer, event, of.person_id, values).await
    }

    async fn record_about(&self, writer: &mut Writer, event: Event, person: PersonId, values: Value) -> Result<()> {
        let is_empty = values.as_object().is_none_or(serde_json::Map::is_empty);
        if is_empty {
            return Ok(writer.record(&[event], self.caller.request_id).await?);
        }
        record_personal(writer, self.sealer, &event, person, &values, self.caller).await
    }
}

/// A reason as a personal value of an act; nothing when none was given.
fn because(reason: Option<&str>) -> Result<Value> {
    check_reason(reason)?;
    Ok(reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason })))
}

/// What rules and lists read of somebody whom a hand has written down. What else was known of them stays.
fn document(known: &Value, fields: &Fields, active: bool, external_id: Option<&str>) -> LoginDocument {
    let user_name = fields.user_name.clone().unwrap_or_default();
    let mut scim = known.as_object().cloned().unwrap_or_default();
    let mut name = scim.get("name").and_then(Value::as_object).cloned().unwrap_or_default();
    name.remove("formatted");
    for (part, value) in [("givenName", &fields.given_name), ("familyName", &fields.family_name)] {
        put(&mut name, part, json!(value));
    }
    put(&mut scim, "userName", json!(user_name));
    put(&mut scim, "active", json!(active));
    put(&mut scim, "name", if name.is_empty() { Value::Null } else { Value::Object(name) });
    if let Some(display) = fields.display_name() {
        put(&mut scim, "displayName", json!(display));
    }
    let emails: Vec<_> = fields.email.iter().map(|email| json!({ "value": email })).collect();
    let phones: Vec<_> = fields.phone_numbers.iter().map(|number| json!({ "value": number })).collect();
    for (name, values) in [("emails", emails), ("phoneNumbers", phones)] {
        put(&mut scim, name, if values.is_empty() { Value::Null } else { Value::Array(values) });
    }
    let scim = Value::Object(scim);
    let search = match Attributes::from(scim.clone()) {
        Attributes::Object(attributes) => search_form(ResourceKind::User, &attributes).into(),
        _ => Value::Null,
    };
    LoginDocument {
        user_name_key: fold(&user_name),
        user_name,
        folding: FOLDING_VERSION,
        external_id: external_id.map(ToOwned::to_owned),
        active,
        scim,
        search,
        other_user_name_key: None,
        emails: fields.email.iter().map(|email| Email { value: email.clone(), value_key: fold(email) }).collect(),
    }
}

/// Sets a member of an object, or with null removes it.
fn put(object: &mut serde_json::Map<String, Value>, name: &str, value: Value) {
    if value.is_null() {
        object.remove(name);
    } else {
        object.insert(name.to_owned(), value);
    }
}

/// What is written down of a login, read back from its document.
fn fields_of(login: &Login, scim: &Value) -> Fields {
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let values = |name: &str| -> Vec<String> {
        let found = scim[name].as_array().into_iter().flatten();
        found.filter_map(|element| text(&element["value"])).collect()
    };
    Fields {
        user_name: Some(login.user_name.clone()),
        given_name: text(&scim["name"]["givenName"]),
        family_name: text(&scim["name"]["familyName"]),
        email: values("emails").into_iter().next(),
        phone_numbers: values("phoneNumbers"),
        token_type: login.token_type.and_then(|kind| text(&json!(kind))),
        mobile_type: login.mobile_type.clone(),
    }
}

/// Says which user name is taken, in the words of people.
fn taken(kind: LoginKind, error: Error) -> Error {
    match (error, kind) {
        (Error::UserNameTaken, LoginKind::Local) => {
            Error::Conflict("user_name: another local login of the service has it".to_owned())
        }
        (Error::UserNameTaken, LoginKind::Byoi) => Error::Conflict("user_name: another login of the connection has it".to_owned()),
        (other, _) => other,
    }
}
