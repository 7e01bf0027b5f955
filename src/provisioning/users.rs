//! SCIM Users (RFC 7643 section 4.1): the logins of a directory.

use std::collections::BTreeMap;

use super::portal::Portal;
use super::{Endpoint, Failure, Stored, Written, all_noted, entity_tag, from_json, names, to_json};
use crate::directory::provision::{self, LoginChange, Operation};
use crate::model::{Email, LoginId, Membership};
use crate::scim::fold::{FOLDING_VERSION, fold};
use crate::scim::message::ScimError;
use crate::scim::patch::{self, PatchRequest};
use crate::scim::profile::{Coercion, PatchAnswer};
use crate::scim::project::Projection;
use crate::scim::query::Selection;
use crate::scim::resource::{Meta, Resource};
use crate::scim::schema::ResourceKind;
use crate::scim::sort::{Sort, SortKey};
use crate::scim::{Object, Value};
use crate::store::filter::Where;
use crate::store::{LoginDocument, LoginRow, Order, Page, USER_LAYOUT};

const KIND: ResourceKind = ResourceKind::User;

/// Makes a User (RFC 7644 section 3.3).
///
/// # Errors
/// When the body is no User, or its `userName` is taken.
pub(super) async fn create(endpoint: &Endpoint<'_>, body: Value, projection: &Projection) -> Result<Written, Failure> {
    let accepted = Resource::from_body(KIND, body, endpoint.profile)?;
    let document = login_document(&accepted.resource)?;
    let coercions = all_noted(endpoint, accepted.coercions);
    let operation = Operation { name: "create", status: 201, coercions: names(&coercions) };
    let id = provision::create_login(endpoint.to, &document, &operation).await?;
    Ok(Written { stored: read(endpoint, id, projection).await?, coercions })
}

/// Reads a User (RFC 7644 section 3.4.1).
///
/// # Errors
/// When there is none of this id in the directory.
pub(super) async fn get(endpoint: &Endpoint<'_>, id: &str, projection: &Projection) -> Result<Stored, Failure> {
    read(endpoint, parse_id(id)?, projection).await
}

/// Counts the Users of a selection.
///
/// # Errors
/// When the database cannot be asked.
pub(super) async fn count(endpoint: &Endpoint<'_>, selection: &Selection) -> Result<u64, Failure> {
    let mut reader = endpoint.to.store.read(endpoint.to.tenant);
    let count = reader.count_logins(endpoint.to.directory.id, &Where::of(selection.filter.as_ref(), &USER_LAYOUT)).await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Reads a page of the Users of a selection (RFC 7644 section 3.4.2), without their groups.
///
/// # Errors
/// When the database cannot be asked.
pub(super) async fn rows(endpoint: &Endpoint<'_>, selection: &Selection, page: &Page) -> Result<Vec<LoginRow>, Failure> {
    let mut reader = endpoint.to.store.read(endpoint.to.tenant);
    let filter = Where::of(selection.filter.as_ref(), &USER_LAYOUT);
    let order = Order::new(selection.sort.as_ref(), &USER_LAYOUT);
    Ok(reader.list_logins(endpoint.to.directory.id, &filter, &order, page).await?)
}

/// What a User is sorted by.
pub(super) fn key(sort: &Sort, row: &LoginRow) -> SortKey {
    let id = row.login.id.to_string();
    let version = entity_tag(row.login.version);
    let meta = Meta { created: row.login.created_at, last_modified: row.login.updated_at, location: "", version: &version };
    sort.key(&resource(row).sorted_form(&id, &meta))
}

/// The Users of a page as the client asked to see them.
///
/// # Errors
/// When the database cannot be asked.
pub(super) async fn show(endpoint: &Endpoint<'_>, rows: &[LoginRow], projection: &Projection) -> Result<Vec<Value>, Failure> {
    let mut reader = endpoint.to.store.read(endpoint.to.tenant);
    let mut groups = BTreeMap::<LoginId, Vec<Membership>>::new();
    if projection.wants("groups") {
        let ids: Vec<_> = rows.iter().map(|row| row.login.id).collect();
        for membership in reader.memberships(&ids).await? {
            groups.entry(membership.login_id).or_default().push(membership);
        }
    }
    let portal = Portal::load(&mut reader, endpoint.to.directory.id, endpoint.to.rules, projection, rows).await?;
    let shown = rows.iter().map(|row| {
        let groups = groups.remove(&row.login.id).unwrap_or_default();
        Value::Object(projection.apply(KIND, &stored(endpoint, row, &groups, &portal).document))
    });
    Ok(shown.collect())
}

/// Replaces a User (RFC 7644 section 3.5.1).
///
/// # Errors
/// When there is none of this id, the body is no User, or its `userName` is taken.
pub(super) async fn replace(endpoint: &Endpoint<'_>, id: &str, body: &Value, projection: &Projection) -> Result<Written, Failure> {
    let id = parse_id(id)?;
    let operation = Operation { name: "replace", status: 200, coercions: Vec::new() };
    change(endpoint, id, &operation, projection, |current| {
        let accepted = Resource::replace(current, body.clone(), endpoint.profile)?;
        Ok((accepted.resource, accepted.coercions))
    })
    .await
}

/// Changes a User by PATCH (RFC 7644 section 3.5.2).
///
/// # Errors
/// When there is none of this id, an operation cannot be carried out, or the new `userName` is taken. Then nothing has changed.
pub(super) async fn patch(endpoint: &Endpoint<'_>, id: &str, body: Value, projection: &Projection) -> Result<Written, Failure> {
    let id = parse_id(id)?;
    // A User that is not there is 404, whatever the operations are (P30).
    let before = read(endpoint, id, &Projection::Default).await?;
    let request = PatchRequest::parse(body, endpoint.profile)?;
    let status = match super::patch_answer(endpoint.tolerance, KIND) {
        PatchAnswer::Resource => 200,
        PatchAnswer::NoContent => 204,
    };
    let operation = Operation { name: "patch", status, coercions: Vec::new() };
    change(endpoint, id, &operation, projection, |current| {
        let patched = patch::apply(&request, current, &before.document, endpoint.profile)?;
        Ok((patched.resource, patched.coercions))
    })
    .await
}

/// Deletes a User (RFC 7644 section 3.6). What is left is a tombstone, which SCIM cannot see.
///
/// # Errors
/// When there is none of this id.
pub(super) async fn delete(endpoint: &Endpoint<'_>, id: &str) -> Result<(), Failure> {
    let id = parse_id(id)?;
    let operation = Operation { name: "delete", status: 204, coercions: Vec::new() };
    provision::delete_login(endpoint.to, id, &operation, |row| -> Result<(), Failure> {
        Ok(endpoint.precondition.check(&entity_tag(row.login.version))?)
    })
    .await
}

async fn change(
    endpoint: &Endpoint<'_>,
    id: LoginId,
    operation: &Operation,
    projection: &Projection,
    next: impl Fn(&Resource) -> Result<(Resource, Vec<Coercion>), ScimError>,
) -> Result<Written, Failure> {
    let coercions = std::sync::Mutex::new(Vec::new());
    provision::change_login(endpoint.to, id, operation, |row| -> Result<LoginChange, Failure> {
        endpoint.precondition.check(&entity_tag(row.login.version))?;
        let current = resource(row);
        let (resource, used) = next(&current)?;
        let used = all_noted(endpoint, used);
        let change = LoginChange {
            // What changes nothing must not look like a change (P05, R26).
            document: if resource == current { None } else { Some(login_document(&resource)?) },
            coercions: names(&used),
        };
        *coercions.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = used;
        Ok(change)
    })
    .await?;
    let coercions = coercions.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(Written { stored: read(endpoint, id, projection).await?, coercions })
}

async fn read(endpoint: &Endpoint<'_>, id: LoginId, projection: &Projection) -> Result<Stored, Failure> {
    let mut reader = endpoint.to.store.read(endpoint.to.tenant);
    let row = reader.login(endpoint.to.directory.id, id).await?.ok_or_else(|| ScimError::not_found(&id.to_string()))?;
    let groups = reader.memberships(&[id]).await?;
    let portal =
        Portal::load(&mut reader, endpoint.to.directory.id, endpoint.to.rules, projection, std::slice::from_ref(&row)).await?;
    Ok(stored(endpoint, &row, &groups, &portal))
}

fn parse_id(id: &str) -> Result<LoginId, ScimError> {
    id.parse().map_err(|_| ScimError::not_found(id))
}

fn resource(row: &LoginRow) -> Resource {
    Resource::from_stored(KIND, from_json(row.scim.clone()))
}

fn stored(endpoint: &Endpoint<'_>, row: &LoginRow, groups: &[Membership], portal: &Portal) -> Stored {
    let id = row.login.id.to_string();
    let location = format!("{}/Users/{id}", endpoint.base);
    let version = entity_tag(row.login.version);
    let meta = Meta { created: row.login.created_at, last_modified: row.login.updated_at, location: &location, version: &version };
    let mut document = resource(row).document(&id, &meta);
    if !groups.is_empty() {
        let groups: Vec<Value> = groups
            .iter()
            .map(|membership| {
                Value::Object(Object::from_iter([
                    ("value", membership.group_id.to_string()),
                    ("$ref", format!("{}/Groups/{}", endpoint.base, membership.group_id)),
                    ("display", membership.display.clone()),
                    ("type", membership.kind.as_str().to_owned()),
                ]))
            })
            .collect();
        document.insert("groups", Value::Array(groups));
    }
    portal.fill(&mut document, row);
    Stored { id, document, version, location, pages: None }
}

fn login_document(resource: &Resource) -> Result<LoginDocument, ScimError> {
    let user_name = resource.user_name().ok_or_else(|| ScimError::invalid_value("userName is required"))?;
    Ok(LoginDocument {
        user_name: user_name.to_owned(),
        user_name_key: fold(user_name),
        folding: FOLDING_VERSION,
        external_id: resource.external_id().map(ToOwned::to_owned),
        active: resource.active(),
        scim: to_json(resource.as_object()),
        search: resource.search_form().into(),
        other_user_name_key: resource.other_user_name().map(fold),
        emails: resource.emails().map(|email| Email { value: email.value.to_owned(), value_key: fold(email.value) }).collect(),
    })
}
