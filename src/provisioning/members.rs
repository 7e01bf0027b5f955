//! The members of groups as they are read: in their groups where they are few, left out where they are many, and page by page where
//! all of them are asked for all the same (L14, L15).

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Endpoint, Failure};
use crate::model::{DirectoryId, GroupId, MemberId};
use crate::scim::limits::{MAX_INLINE_MEMBERS, MAX_LISTED_MEMBERS};
use crate::scim::message::{ScimError, ScimType, urn};
use crate::scim::project::Projection;
use crate::scim::schema::ResourceKind;
use crate::scim::{Object, Value};
use crate::store::{MemberRow, Reader};

/// How many members one statement of [`MemberPages`] reads. It bounds the memory of an answer, whatever the size of the group.
const PAGE: i64 = 1_000;

/// What an answer says of a group's members.
#[derive(Debug, Default)]
pub(super) struct Members {
    shown: Shown,
    /// How many there are, where that was counted to the end.
    count: Option<i64>,
}

#[derive(Debug, Default)]
enum Shown {
    /// Nobody asked for them.
    #[default]
    Unasked,
    /// All of them stand in the document.
    Inline(Vec<MemberRow>),
    /// There are too many to show without being asked for.
    LeftOut,
    /// They follow page by page.
    Streamed,
}

/// Whether a large group is counted to its end. The cost of a write must not grow with the group that it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    Exact,
    UpToThreshold,
}

/// Loads what an answer shows of one group's members.
///
/// # Errors
/// When the database cannot be asked.
pub(super) async fn of_group(reader: &mut Reader, id: GroupId, projection: &Projection, count: Count) -> Result<Members, Failure> {
    if !projection.wants("members") && !projection.names_extension(urn::GROUP_MEMBERS) {
        return Ok(Members::default());
    }
    let most = match count {
        Count::Exact => i64::MAX,
        Count::UpToThreshold => more_than(MAX_INLINE_MEMBERS),
    };
    let counted = reader.member_counts(&[id], most).await?.first().map_or(0, |(_, count)| *count);
    let count = (counted < most).then_some(counted);
    if !projection.wants("members") {
        return Ok(Members { shown: Shown::Unasked, count });
    }
    if counted < more_than(MAX_INLINE_MEMBERS) {
        let rows = reader.members(&[id], more_than(MAX_INLINE_MEMBERS)).await?;
        // Somebody may have come since they were counted.
        if rows.len() <= MAX_INLINE_MEMBERS {
            return Ok(Members { shown: Shown::Inline(rows), count });
        }
    }
    let shown = if projection.asks_for("members") { Shown::Streamed } else { Shown::LeftOut };
    Ok(Members { shown, count })
}

/// Loads what a list shows of the members of its groups: two statements, however many groups there are.
///
/// # Errors
/// When they are too many for one answer (L15), or the database cannot be asked.
pub(super) async fn of_list(
    reader: &mut Reader,
    ids: &[GroupId],
    projection: &Projection,
) -> Result<BTreeMap<GroupId, Members>, Failure> {
    let wanted = projection.wants("members");
    if ids.is_empty() || (!wanted && !projection.names_extension(urn::GROUP_MEMBERS)) {
        return Ok(BTreeMap::new());
    }
    let inline = if projection.asks_for("members") { MAX_LISTED_MEMBERS } else { MAX_INLINE_MEMBERS };
    let most = more_than(inline);
    let counts = reader.member_counts(ids, most).await?;
    let mut members: BTreeMap<_, _> = counts
        .iter()
        .map(|(id, count)| {
            let shown = match (wanted, *count < most) {
                (false, _) => Shown::Unasked,
                (true, true) => Shown::Inline(Vec::new()),
                (true, false) => Shown::LeftOut,
            };
            (*id, Members { shown, count: (*count < most).then_some(*count) })
        })
        .collect();
    if !wanted {
        return Ok(members);
    }
    let asked_too_much = projection.asks_for("members") && counts.iter().any(|(_, count)| *count >= most);
    let listed: Vec<_> = counts.iter().filter(|(_, count)| *count < most).collect();
    if asked_too_much || listed.iter().map(|(_, count)| *count).sum::<i64>() >= more_than(MAX_LISTED_MEMBERS) {
        return Err(too_many().into());
    }
    let listed: Vec<_> = listed.into_iter().map(|(id, _)| *id).collect();
    let rows = reader.members(&listed, more_than(MAX_LISTED_MEMBERS)).await?;
    if rows.len() > MAX_LISTED_MEMBERS {
        return Err(too_many().into());
    }
    for row in rows {
        if let Some(Members { shown: Shown::Inline(rows), .. }) = members.get_mut(&row.group_id) {
            rows.push(row);
        }
    }
    Ok(members)
}

/// A limit for a statement, which tells whether there are more than these.
fn more_than(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1)
}

fn too_many() -> ScimError {
    ScimError::bad_request(
        ScimType::TooMany,
        format!(
            "the groups of this page have more than {MAX_LISTED_MEMBERS} members together; ask for fewer groups with count, \
             leave members out with excludedAttributes=members, or read them one group at a time"
        ),
    )
}

impl Members {
    /// Writes what is shown into a group's document. Answers the pages that follow it, where they do.
    pub(super) fn write(
        self,
        document: &mut Object,
        endpoint: &Endpoint<'_>,
        id: GroupId,
        projection: &Projection,
    ) -> Option<MemberPages> {
        let is_left_out = matches!(self.shown, Shown::LeftOut);
        if is_left_out || projection.names_extension(urn::GROUP_MEMBERS) {
            self.describe(document, endpoint.base, id);
        }
        match self.shown {
            Shown::Inline(rows) if !rows.is_empty() => {
                let members: Vec<Value> = rows.into_iter().map(|row| element(endpoint.base, row)).collect();
                document.insert("members", Value::Array(members));
                None
            }
            Shown::Streamed => Some(MemberPages {
                reader: endpoint.to.store.read(endpoint.to.tenant),
                directory: endpoint.to.directory.id,
                group: id,
                base: endpoint.base.to_owned(),
                projection: projection.clone(),
                next: Next::After(Uuid::nil()),
            }),
            Shown::Inline(_) | Shown::Unasked | Shown::LeftOut => None,
        }
    }

    /// `membersMetadata` (draft-zollner-scim-group-members-00).
    fn describe(&self, document: &mut Object, base: &str, id: GroupId) {
        let is_large = self.count.is_none_or(|count| count >= more_than(MAX_INLINE_MEMBERS));
        let mut metadata = Object::new();
        metadata.insert("policy", if is_large { "hybrid" } else { "inline" });
        metadata.insert("ref", format!("{base}/GroupMembers?filter=group.value%20eq%20%22{id}%22"));
        if let Some(count) = self.count {
            metadata.insert("memberCount", Value::Number(count.into()));
        }
        document.insert(urn::GROUP_MEMBERS, Object::from_iter([("membersMetadata", metadata)]));
        document.insert("schemas", vec![urn::GROUP, urn::GROUP_MEMBERS]);
    }
}

/// A member as its group shows it.
fn element(base: &str, row: MemberRow) -> Value {
    let (id, kind) = (row.member.uuid(), kind(row.member));
    Value::Object(Object::from_iter([
        ("value", id.to_string()),
        ("$ref", format!("{base}{}/{id}", kind.endpoint())),
        ("display", row.display),
        ("type", kind.name().to_owned()),
    ]))
}

/// What a member is in SCIM.
pub(super) fn kind(member: MemberId) -> ResourceKind {
    match member {
        MemberId::Login(_) => ResourceKind::User,
        MemberId::Group(_) => ResourceKind::Group,
    }
}

/// The members of one group, read page by page while the answer is written, in the order of their ids.
///
/// No connection and no transaction is held between two pages, so a slow client costs the database nothing. Whoever is a member
/// from the first page to the last is told exactly once. Who comes or goes meanwhile may be told or not, and has raised the version
/// of the group, which the answer was given before.
#[derive(Debug)]
pub struct MemberPages {
    reader: Reader,
    directory: DirectoryId,
    group: GroupId,
    base: String,
    projection: Projection,
    next: Next,
}

#[derive(Clone, Copy, Debug)]
enum Next {
    After(Uuid),
    Nothing,
}

impl MemberPages {
    /// The next members, as the request wants them shown; `None` when there are no more.
    ///
    /// # Errors
    /// When the database cannot be asked, or the group was deleted meanwhile. Then the answer must not end as if it were whole.
    pub async fn next(&mut self) -> Result<Option<Vec<Value>>, Failure> {
        let Next::After(after) = self.next else {
            let group = self.reader.group(self.directory, self.group).await?;
            return match group {
                Some(_) => Ok(None),
                None => Err(ScimError::not_found(&self.group.to_string()).into()),
            };
        };
        let rows = self.reader.members_after(self.group, after, PAGE).await?;
        self.next = match rows.last() {
            Some(last) if i64::try_from(rows.len()).is_ok_and(|count| count == PAGE) => Next::After(last.member.uuid()),
            _ => Next::Nothing,
        };
        let members = rows.into_iter().map(|row| element(&self.base, row)).collect();
        Ok(Some(self.projection.elements(ResourceKind::Group, "members", members)))
    }
}
