//! SCIM `GroupMembers` (draft-zollner-scim-group-members-00): memberships as resources of their own. They are the same rows as
//! the `members` of groups, and are written by the same command as a PATCH of the group: its locks, its events, its entry in the
//! provisioning log.
//!
//! The id of a membership is that of its group and that of its member with a dot between them. A client is told to take it as it is.

use uuid::Uuid;

use super::{Endpoint, Failure, Stored, Written, members, names};
use crate::directory::provision::{self, GroupChange, MemberStep, NamedMember, Operation, UnknownMembers};
use crate::model::{GroupId, MemberId};
use crate::scim::message::{ScimError, urn};
use crate::scim::project::Projection;
use crate::scim::query::Selection;
use crate::scim::resource::Resource;
use crate::scim::schema::ResourceKind;
use crate::scim::sort::{Sort, SortKey};
use crate::scim::{Object, Value, search_form};
use crate::store::filter::Where;
use crate::store::{GROUP_MEMBER_LAYOUT, GroupMemberRow, Order, Page};

const KIND: ResourceKind = ResourceKind::GroupMember;

/// A membership never changes, and so its version is always the same.
const VERSION: &str = "W/\"1\"";

/// Puts somebody into a group.
///
/// # Errors
/// When the body is no membership, the group or the member is unknown, or the membership is there already.
pub(super) async fn create(endpoint: &Endpoint<'_>, body: Value) -> Result<Written, Failure> {
    let accepted = Resource::from_body(KIND, body, endpoint.profile)?;
    let named = |path| accepted.resource.get(path).and_then(Value::as_str).unwrap_or_default();
    let group: GroupId = named("group.value")
        .parse()
        .map_err(|_| ScimError::invalid_value("group.value is not the id of a group of this directory"))?;
    let member = member_id(named("member.value"))
        .ok_or_else(|| ScimError::invalid_value("member.value is not the id of a user or group of this directory"))?;
    let operation = Operation { name: "patch", status: 201, coercions: names(&accepted.coercions) };
    let step = MemberStep::Join(NamedMember { id: member, claimed: None });
    match change(endpoint, group, &operation, step).await {
        // The group is named in the body and not in the address.
        Err(Failure::Refused(error)) if error.status == 404 => {
            return Err(ScimError::invalid_value("group.value is not the id of a group of this directory").into());
        }
        done => done?,
    }
    Ok(Written { stored: read(endpoint, group, member).await?, coercions: accepted.coercions })
}

/// Reads a membership.
///
/// # Errors
/// When there is none of this id in the directory.
pub(super) async fn get(endpoint: &Endpoint<'_>, id: &str) -> Result<Stored, Failure> {
    let (group, member) = parse_id(id)?;
    read(endpoint, group, member).await
}

/// Counts the memberships of a selection.
///
/// # Errors
/// When the database cannot be asked.
pub(super) async fn count(endpoint: &Endpoint<'_>, selection: &Selection) -> Result<u64, Failure> {
    let mut reader = endpoint.to.store.read(endpoint.to.tenant);
    let filter = Where::of(selection.filter.as_ref(), &GROUP_MEMBER_LAYOUT);
    let count = reader.count_group_members(endpoint.to.directory.id, &filter).await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Reads a page of the memberships of a selection; without a sort they come by group and member.
///
/// # Errors
/// When the database cannot be asked.
pub(super) async fn rows(endpoint: &Endpoint<'_>, selection: &Selection, page: &Page) -> Result<Vec<GroupMemberRow>, Failure> {
    let mut reader = endpoint.to.store.read(endpoint.to.tenant);
    let filter = Where::of(selection.filter.as_ref(), &GROUP_MEMBER_LAYOUT);
    let order = Order::new(selection.sort.as_ref(), &GROUP_MEMBER_LAYOUT);
    Ok(reader.list_group_members(endpoint.to.directory.id, &filter, &order, page).await?)
}

/// What a membership is sorted by.
pub(super) fn key(sort: &Sort, row: &GroupMemberRow) -> SortKey {
    sort.key(&search_form(KIND, &stored("", *row).document))
}

/// The memberships of a page as the client asked to see them.
pub(super) fn show(endpoint: &Endpoint<'_>, rows: Vec<GroupMemberRow>, projection: &Projection) -> Vec<Value> {
    rows.into_iter().map(|row| Value::Object(projection.apply(KIND, &stored(endpoint.base, row).document))).collect()
}

/// Takes somebody out of a group.
///
/// # Errors
/// When there is no such membership.
pub(super) async fn delete(endpoint: &Endpoint<'_>, id: &str) -> Result<(), Failure> {
    let (group, member) = parse_id(id)?;
    // Whether the membership is there at all comes before what its version is.
    read(endpoint, group, member).await?;
    endpoint.precondition.check(VERSION)?;
    let operation = Operation { name: "patch", status: 204, coercions: Vec::new() };
    change(endpoint, group, &operation, MemberStep::Leave(member)).await
}

/// The refusal of PUT and PATCH.
pub(super) fn never_changes() -> ScimError {
    ScimError::new(405, "a membership is made and deleted, never changed")
}

async fn change(endpoint: &Endpoint<'_>, group: GroupId, operation: &Operation, step: MemberStep) -> Result<(), Failure> {
    provision::change_group(endpoint.to, group, UnknownMembers::Refuse, operation, |_| -> Result<_, Failure> {
        Ok(GroupChange { group: None, members: vec![step.clone()], coercions: Vec::new() })
    })
    .await?;
    Ok(())
}

async fn read(endpoint: &Endpoint<'_>, group: GroupId, member: Uuid) -> Result<Stored, Failure> {
    let mut reader = endpoint.to.store.read(endpoint.to.tenant);
    let row = reader.group_member(endpoint.to.directory.id, group, member).await?;
    Ok(stored(endpoint.base, row.ok_or_else(|| ScimError::not_found(&format!("{group}.{member}")))?))
}

fn parse_id(id: &str) -> Result<(GroupId, Uuid), ScimError> {
    let parsed = id.split_once('.').and_then(|(group, member)| Some((group.parse().ok()?, member_id(member)?)));
    parsed.ok_or_else(|| ScimError::not_found(id))
}

/// The id of a user or group, in its one spelling.
fn member_id(text: &str) -> Option<Uuid> {
    text.parse::<GroupId>().ok().map(GroupId::uuid)
}

fn stored(base: &str, row: GroupMemberRow) -> Stored {
    let GroupMemberRow { group_id, member } = row;
    let id = format!("{group_id}.{}", member.uuid());
    let location = format!("{base}{}/{id}", KIND.endpoint());
    let mut document = Object::new();
    document.insert("schemas", vec![urn::GROUP_MEMBER]);
    document.insert("id", id.as_str());
    document.insert("group", reference(base, ResourceKind::Group, group_id.uuid()));
    document.insert("member", member_reference(base, member));
    document.insert(
        "meta",
        Object::from_iter([
            ("resourceType", KIND.name().to_owned()),
            ("location", location.clone()),
            ("version", VERSION.to_owned()),
        ]),
    );
    Stored { id, document, version: VERSION.to_owned(), location, pages: None }
}

fn member_reference(base: &str, member: MemberId) -> Object {
    let kind = members::kind(member);
    let mut object = reference(base, kind, member.uuid());
    object.insert("type", kind.name());
    object
}

fn reference(base: &str, kind: ResourceKind, id: Uuid) -> Object {
    Object::from_iter([("value", id.to_string()), ("$ref", format!("{base}{}/{id}", kind.endpoint()))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x05_an_id_is_read_back_as_it_was_written_and_in_no_other_way() {
        let (group, member) = ("01900000-0000-7000-8000-00000000000a", "01900000-0000-7000-8000-00000000000b");
        let (read_group, read_member) = parse_id(&format!("{group}.{member}")).unwrap();
        assert_eq!((read_group.to_string().as_str(), read_member.to_string().as_str()), (group, member));
        for id in [
            group.to_owned(),
            format!("{group}{member}"),
            format!("{group}.{member}.{member}"),
            format!("{group}.{}", member.to_uppercase()),
            format!("{}.{member}", group.replace('-', "")),
            format!("{group}."),
            format!(".{member}"),
            ".".to_owned(),
            String::new(),
        ] {
            assert_eq!(parse_id(&id).unwrap_err().status, 404, "{id}");
        }
    }
}
