//! SCIM Groups (RFC 7643 section 4.2) and their members, which are never read to be written again.

use super::members::{self, Count, Members};
use super::named_members::{named, note, step, unknown};
use super::{Endpoint, Failure, Stored, Written, all_noted, entity_tag, from_json, names, to_json};
use crate::directory::provision::{self, GroupChange, MemberStep, Operation};
use crate::model::GroupId;
use crate::scim::Value;
use crate::scim::fold::fold;
use crate::scim::message::ScimError;
use crate::scim::patch::{self, PatchRequest};
use crate::scim::profile::{Coercion, PatchAnswer};
use crate::scim::project::Projection;
use crate::scim::query::Selection;
use crate::scim::resource::{Meta, Resource};
use crate::scim::schema::ResourceKind;
use crate::scim::sort::{Sort, SortKey};
use crate::store::filter::Where;
use crate::store::{GROUP_LAYOUT, GroupRow, NewGroup, Order, Page};

const KIND: ResourceKind = ResourceKind::Group;

/// Makes a Group with its first members.
///
/// # Errors
/// When the body is no Group, or names a member that is unknown.
pub(super) async fn create(endpoint: &Endpoint<'_>, body: Value, projection: &Projection) -> Result<Written, Failure> {
    let mut accepted = Resource::from_body(KIND, body, endpoint.profile)?;
    accepted.coercions = all_noted(endpoint, accepted.coercions);
    let group = new_group(&accepted.resource)?;
    let members = named(endpoint, accepted.members.as_deref().unwrap_or_default(), &mut accepted.coercions)?;
    let operation = Operation { name: "create", status: 201, coercions: names(&accepted.coercions) };
    let (id, notes) = provision::create_group(endpoint.to, &group, &members, unknown(endpoint), &operation).await?;
    note(&mut accepted.coercions, notes);
    Ok(Written { stored: read(endpoint, id, projection, Count::UpToThreshold).await?, coercions: accepted.coercions })
}

/// Reads a Group, with its members where they are wanted and few enough.
///
/// # Errors
/// When there is none of this id in the directory.
pub(super) async fn get(endpoint: &Endpoint<'_>, id: &str, projection: &Projection) -> Result<Stored, Failure> {
    read(endpoint, parse_id(id)?, projection, Count::Exact).await
}

/// Counts the Groups of a selection.
///
/// # Errors
/// When the database cannot be asked.
pub(super) async fn count(endpoint: &Endpoint<'_>, selection: &Selection) -> Result<u64, Failure> {
    let mut reader = endpoint.to.store.read(endpoint.to.tenant);
    let count = reader.count_groups(endpoint.to.directory.id, &Where::of(selection.filter.as_ref(), &GROUP_LAYOUT)).await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Reads a page of the Groups of a selection, without their members.
///
/// # Errors
/// When the database cannot be asked.
pub(super) async fn rows(endpoint: &Endpoint<'_>, selection: &Selection, page: &Page) -> Result<Vec<GroupRow>, Failure> {
    let mut reader = endpoint.to.store.read(endpoint.to.tenant);
    let filter = Where::of(selection.filter.as_ref(), &GROUP_LAYOUT);
    let order = Order::new(selection.sort.as_ref(), &GROUP_LAYOUT);
    Ok(reader.list_groups(endpoint.to.directory.id, &filter, &order, page).await?)
}

/// What a Group is sorted by.
pub(super) fn key(sort: &Sort, row: &GroupRow) -> SortKey {
    let id = row.group.id.to_string();
    let version = entity_tag(row.group.version);
    let meta = Meta { created: row.group.created_at, last_modified: row.group.updated_at, location: "", version: &version };
    sort.key(&Resource::from_stored(KIND, from_json(row.scim.clone())).sorted_form(&id, &meta))
}

/// The Groups of a page as the client asked to see them.
///
/// # Errors
/// 400 `tooMany` when they have more members than one answer takes (L15); else when the database cannot be asked.
pub(super) async fn show(endpoint: &Endpoint<'_>, rows: Vec<GroupRow>, projection: &Projection) -> Result<Vec<Value>, Failure> {
    let mut reader = endpoint.to.store.read(endpoint.to.tenant);
    let ids: Vec<_> = rows.iter().map(|row| row.group.id).collect();
    let mut members = members::of_list(&mut reader, &ids, projection).await?;
    let mut shown = Vec::with_capacity(rows.len());
    for row in rows {
        let members = members.remove(&row.group.id).unwrap_or_default();
        shown.push(Value::Object(projection.apply(KIND, &stored(endpoint, row, members, projection).document)));
    }
    Ok(shown)
}

/// Replaces a Group and its members. A body that does not speak of members has none (R25).
///
/// # Errors
/// When there is none of this id, the body is no Group, or names a member that is unknown.
pub(super) async fn replace(endpoint: &Endpoint<'_>, id: &str, body: &Value, projection: &Projection) -> Result<Written, Failure> {
    let id = parse_id(id)?;
    let operation = Operation { name: "replace", status: 200, coercions: Vec::new() };
    change(endpoint, id, &operation, projection, |current| {
        let mut accepted = Resource::replace(current, body.clone(), endpoint.profile)?;
        let members = named(endpoint, accepted.members.as_deref().unwrap_or_default(), &mut accepted.coercions)?;
        Ok((accepted.resource, vec![MemberStep::Replace(members)], accepted.coercions))
    })
    .await
}

/// Changes a Group by PATCH. Adding or removing one member costs the same in a group of ten and of a million.
///
/// # Errors
/// When there is none of this id, an operation cannot be carried out, or a member is unknown. Then nothing has changed.
pub(super) async fn patch(endpoint: &Endpoint<'_>, id: &str, body: Value, projection: &Projection) -> Result<Written, Failure> {
    let id = parse_id(id)?;
    let without_members = Projection::parse(KIND, None, Some("members"))?;
    let before = read(endpoint, id, &without_members, Count::UpToThreshold).await?;
    let request = PatchRequest::parse(body, endpoint.profile)?;
    let status = match super::patch_answer(endpoint.tolerance, KIND) {
        PatchAnswer::NoContent if !projection.is_selective() => 204,
        PatchAnswer::NoContent | PatchAnswer::Resource => 200,
    };
    let operation = Operation { name: "patch", status, coercions: Vec::new() };
    let answer = if status == 204 { &without_members } else { projection };
    change(endpoint, id, &operation, answer, |current| {
        let patched = patch::apply(&request, current, &before.document, endpoint.profile)?;
        let mut coercions = patched.coercions;
        let steps = patched.members.into_iter().map(|change| step(endpoint, change, &mut coercions)).collect::<Result<_, _>>()?;
        Ok((patched.resource, steps, coercions))
    })
    .await
}

/// Deletes a Group with its memberships.
///
/// # Errors
/// When there is none of this id.
pub(super) async fn delete(endpoint: &Endpoint<'_>, id: &str) -> Result<(), Failure> {
    let id = parse_id(id)?;
    let operation = Operation { name: "delete", status: 204, coercions: Vec::new() };
    provision::delete_group(endpoint.to, id, &operation, |row| -> Result<(), Failure> {
        Ok(endpoint.precondition.check(&entity_tag(row.group.version))?)
    })
    .await
}

async fn change(
    endpoint: &Endpoint<'_>,
    id: GroupId,
    operation: &Operation,
    projection: &Projection,
    next: impl Fn(&Resource) -> Result<(Resource, Vec<MemberStep>, Vec<Coercion>), ScimError>,
) -> Result<Written, Failure> {
    let coercions = std::sync::Mutex::new(Vec::new());
    let notes = provision::change_group(endpoint.to, id, unknown(endpoint), operation, |row| -> Result<GroupChange, Failure> {
        endpoint.precondition.check(&entity_tag(row.group.version))?;
        let current = Resource::from_stored(KIND, from_json(row.scim.clone()));
        let (resource, members, used) = next(&current)?;
        let used = all_noted(endpoint, used);
        let change = GroupChange {
            group: if resource == current { None } else { Some(new_group(&resource)?) },
            members,
            coercions: names(&used),
        };
        *coercions.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = used;
        Ok(change)
    })
    .await?;
    let mut coercions = coercions.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    note(&mut coercions, notes);
    Ok(Written { stored: read(endpoint, id, projection, Count::UpToThreshold).await?, coercions })
}

async fn read(endpoint: &Endpoint<'_>, id: GroupId, projection: &Projection, count: Count) -> Result<Stored, Failure> {
    let mut reader = endpoint.to.store.read(endpoint.to.tenant);
    let row = reader.group(endpoint.to.directory.id, id).await?.ok_or_else(|| ScimError::not_found(&id.to_string()))?;
    let members = members::of_group(&mut reader, id, projection, count).await?;
    Ok(stored(endpoint, row, members, projection))
}

fn parse_id(id: &str) -> Result<GroupId, ScimError> {
    id.parse().map_err(|_| ScimError::not_found(id))
}

fn stored(endpoint: &Endpoint<'_>, row: GroupRow, members: Members, projection: &Projection) -> Stored {
    let group = row.group.id;
    let id = group.to_string();
    let location = format!("{}/Groups/{id}", endpoint.base);
    let version = entity_tag(row.group.version);
    let meta = Meta { created: row.group.created_at, last_modified: row.group.updated_at, location: &location, version: &version };
    let mut document = Resource::from_stored(KIND, from_json(row.scim)).document(&id, &meta);
    let pages = members.write(&mut document, endpoint, group, projection);
    Stored { id, document, version, location, pages }
}

fn new_group(resource: &Resource) -> Result<NewGroup, ScimError> {
    let display = resource.display_name().ok_or_else(|| ScimError::invalid_value("displayName is required"))?;
    Ok(NewGroup {
        display: display.to_owned(),
        display_key: fold(display),
        external_id: resource.external_id().map(ToOwned::to_owned),
        scim: to_json(resource.as_object()),
        search: resource.search_form().into(),
    })
}
