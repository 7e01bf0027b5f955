//! Just-in-time provisioning.

use serde_json::json;

use crate::directory::decide::Known;
use crate::directory::{Caller, Error, Result};
use crate::model::{ExternalIdentity, LoginId, LoginKind, PersonId, Slot};
use crate::scim::fold::{FOLDING_VERSION, fold};
use crate::scim::schema::ResourceKind;
use crate::scim::{Object, Value, search_form};
use crate::store::{self, LoginDocument, NewLogin, Writer};

/// Makes a login of the connection itself, named by its subject. Answers who was made, and their values.
pub(super) async fn create(
    writer: &mut Writer,
    caller: Caller<'_>,
    known: &Known,
    identity: &ExternalIdentity,
) -> Result<(LoginId, PersonId, serde_json::Value)> {
    let connection = &known.connection;
    let (id, person_id) = (LoginId::new(caller.now), PersonId::new(caller.now));
    // Subjects differ byte for byte, user names when they are folded, so two people of one identity provider may clash.
    let named = identity.subject.value.clone();
    let is_taken = writer.is_user_name_taken(connection.id.uuid(), &fold(&named)).await?;
    let user_name = if is_taken { format!("{named} ({id})") } else { named };
    let mut attributes = Object::new();
    attributes.insert("userName", user_name.as_str());
    attributes.insert("active", true);
    if let Some(name) = identity.claim("name") {
        attributes.insert("displayName", name);
    }
    let document = LoginDocument {
        user_name_key: fold(&user_name),
        user_name,
        folding: FOLDING_VERSION,
        external_id: None,
        active: true,
        search: search_form(ResourceKind::User, &attributes).into(),
        scim: Value::Object(attributes).into(),
        emails: Vec::new(),
        other_user_name_key: None,
    };
    writer.insert_person(person_id, caller.now).await?;
    let new = NewLogin {
        id,
        person_id,
        slot: Slot::One,
        kind: LoginKind::Byoi,
        directory_id: None,
        connection_id: Some(connection.id),
        home_account_id: connection.home_account_id,
        namespace: connection.id.uuid(),
        document: &document,
    };
    writer.insert_login(&new, caller.now).await.map_err(|error| match error.into() {
        // Somebody took the name since: most likely the same person in another browser, whose subject is then known.
        Error::UserNameTaken => store::Error::Raced.into(),
        other => other,
    })?;
    writer.insert_subject(id, &identity.subject, caller.now).await?;
    Ok((id, person_id, json!({ "after": document.scim })))
}
