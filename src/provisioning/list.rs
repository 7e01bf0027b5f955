//! Lists of resources, page by page (RFC 7644 sections 3.4.2 and 3.4.3, RFC 9865).
//!
//! A list of one kind is read as its statement orders it. A list of several kinds has them one after the other, unless it is sorted: then
//! each kind is read as far as the page could reach, and the kinds are merged by the same order.
//!
//! Resources are found first and shown afterwards, so that groups and members are loaded for those alone that are on the page.

use std::cmp::Ordering;

use uuid::Uuid;

use super::{Endpoint, Failure, group_members, groups, users};
use crate::scim::Value;
use crate::scim::cursor::{Cursor, Position};
use crate::scim::limits::MAX_MERGED;
use crate::scim::message::{ScimError, ScimType};
use crate::scim::query::{ListQuery, Selection};
use crate::scim::schema::ResourceKind;
use crate::scim::sort::{SortKey, SortOrder};
use crate::store::{GROUP_LAYOUT, GROUP_MEMBER_LAYOUT, GroupMemberRow, GroupRow, LoginRow, Mark, Order, Page, Start, USER_LAYOUT};

/// A page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// How many resources match. In a run of pages it is what was counted when the run began.
    pub total: u64,
    /// The resources, as they are shown.
    pub resources: Vec<Value>,
    /// How the run of pages goes on, if the page is one of a run and not its last.
    pub next: Option<Cursor>,
}

/// Reads the page that begins at a 1-based index.
///
/// # Errors
/// 400 `tooMany` when a sorted list of several kinds would have to be read too far; else when the database cannot be asked.
pub async fn by_index(endpoint: &Endpoint<'_>, query: &ListQuery, start: u64) -> Result<Listed, Failure> {
    let (skip, count) = (start.saturating_sub(1), query.page_size());
    if let [_] = query.selections.as_slice()
        && skip == 0
        && count > 0
    {
        // Most lists are lookups, and a page that is not full has told how many there are.
        let found = find(endpoint, query, 0, Start::Offset(0), count).await?;
        let total = match found.len() as u64 {
            short if short < count => short,
            _ => count_of(endpoint, &query.selections[0]).await?,
        };
        return Ok(Listed { total, resources: show(endpoint, query, found).await?, next: None });
    }
    let mut totals = Vec::with_capacity(query.selections.len());
    for selection in &query.selections {
        totals.push(count_of(endpoint, selection).await?);
    }
    let total = totals.iter().sum();
    let mut found = Vec::new();
    if count > 0 && skip < total && query.is_merged() {
        let reach = skip.saturating_add(count);
        if reach > MAX_MERGED {
            return Err(ScimError::bad_request(
                ScimType::TooMany,
                format!(
                    "a sorted list of several resource types ends with its result {MAX_MERGED}; narrow the filter, ask for one type, or \
                     page by cursor"
                ),
            )
            .into());
        }
        let all = merged(endpoint, query, reach, |_, _| Start::Offset(0)).await?;
        found = all.into_iter().skip(usize_of(skip)).collect();
    } else if count > 0 {
        let mut skip = skip;
        for (at, total) in totals.into_iter().enumerate() {
            if let Some(left) = usize_of(count).checked_sub(found.len()).filter(|left| *left > 0)
                && skip < total
            {
                found.extend(find(endpoint, query, at, Start::Offset(number(skip)), left as u64).await?);
            }
            skip = skip.saturating_sub(total);
        }
    }
    Ok(Listed { total, resources: show(endpoint, query, found).await?, next: None })
}

/// Reads the next page of a run, or the first one. `now` is in seconds since 1970.
///
/// # Errors
/// When the database cannot be asked.
pub async fn by_cursor(endpoint: &Endpoint<'_>, query: &ListQuery, cursor: Option<&Cursor>, now: i64) -> Result<Listed, Failure> {
    let (count, total) = if let Some(cursor) = cursor {
        (cursor.count(), cursor.total())
    } else {
        let mut total = 0;
        for selection in &query.selections {
            total += count_of(endpoint, selection).await?;
        }
        (query.page_size(), total)
    };
    if count == 0 {
        return Ok(Listed { total, resources: Vec::new(), next: None });
    }
    // One more than is shown: it tells whether this page is the last.
    let reach = count + 1;
    let after = cursor.map(Cursor::after);
    let mut found = Vec::new();
    if query.is_merged() {
        found = merged(endpoint, query, reach, |at, order| start_beside(after, at, query, order)).await?;
    } else {
        for at in after.map_or(0, |after| after.selection)..query.selections.len() {
            let left = reach - found.len() as u64;
            let start = match after {
                Some(after) if after.selection == at => Start::After(Mark { key: after.key.clone(), ids: after.ids.clone() }),
                _ => Start::Offset(0),
            };
            if left > 0 {
                found.extend(find(endpoint, query, at, start, left).await?);
            }
        }
    }
    let more = found.len() > usize_of(count);
    found.truncate(usize_of(count));
    let next = found.last().filter(|_| more).map(|last| Cursor::new(query, count, total, last.position(query), now));
    Ok(Listed { total, resources: show(endpoint, query, found).await?, next })
}

/// A resource on its way to a page.
struct Found {
    selection: usize,
    row: Row,
}

enum Row {
    User(LoginRow),
    Group(GroupRow),
    GroupMember(GroupMemberRow),
}

impl Found {
    fn ids(&self) -> Vec<Uuid> {
        match &self.row {
            Row::User(row) => vec![row.login.id.uuid()],
            Row::Group(row) => vec![row.group.id.uuid()],
            Row::GroupMember(row) => vec![row.group_id.uuid(), row.member.uuid()],
        }
    }

    fn position(&self, query: &ListQuery) -> Position {
        let sort = query.selections.get(self.selection).and_then(|selection| selection.sort.as_ref());
        let key = match (sort, &self.row) {
            (None, _) => SortKey::Missing,
            (Some(sort), Row::User(row)) => users::key(sort, row),
            (Some(sort), Row::Group(row)) => groups::key(sort, row),
            (Some(sort), Row::GroupMember(row)) => group_members::key(sort, row),
        };
        Position { selection: self.selection, key, ids: self.ids() }
    }
}

async fn count_of(endpoint: &Endpoint<'_>, selection: &Selection) -> Result<u64, Failure> {
    match selection.kind {
        ResourceKind::User => users::count(endpoint, selection).await,
        ResourceKind::Group => groups::count(endpoint, selection).await,
        ResourceKind::GroupMember => group_members::count(endpoint, selection).await,
    }
}

async fn find(endpoint: &Endpoint<'_>, query: &ListQuery, at: usize, start: Start, limit: u64) -> Result<Vec<Found>, Failure> {
    let Some(selection) = query.selections.get(at) else { return Ok(Vec::new()) };
    let page = Page { start, limit: number(limit) };
    let rows: Vec<Row> = match selection.kind {
        ResourceKind::User => users::rows(endpoint, selection, &page).await?.into_iter().map(Row::User).collect(),
        ResourceKind::Group => groups::rows(endpoint, selection, &page).await?.into_iter().map(Row::Group).collect(),
        ResourceKind::GroupMember => {
            group_members::rows(endpoint, selection, &page).await?.into_iter().map(Row::GroupMember).collect()
        }
    };
    Ok(rows.into_iter().map(|row| Found { selection: at, row }).collect())
}

/// The first `limit` resources from where each kind starts, in the one order of all of them: the key, the kind, the ids.
async fn merged(
    endpoint: &Endpoint<'_>,
    query: &ListQuery,
    limit: u64,
    start: impl Fn(usize, &Order) -> Start,
) -> Result<Vec<Found>, Failure> {
    let mut all = Vec::new();
    for (at, selection) in query.selections.iter().enumerate() {
        let order = order_of(selection);
        for found in find(endpoint, query, at, start(at, &order), limit).await? {
            all.push((found.position(query), found));
        }
    }
    all.sort_by(|(one, _), (other, _)| compare(query, one, other));
    all.truncate(usize_of(limit));
    Ok(all.into_iter().map(|(_, found)| found).collect())
}

fn compare(query: &ListQuery, one: &Position, other: &Position) -> Ordering {
    let place = |position: &Position| (position.key.clone(), position.selection, position.ids.clone());
    let order = place(one).cmp(&place(other));
    if is_descending(query) { order.reverse() } else { order }
}

fn is_descending(query: &ListQuery) -> bool {
    query.selections.iter().filter_map(|selection| selection.sort.as_ref()).any(|sort| sort.order == SortOrder::Descending)
}

/// Where a kind goes on, when the last resource that was shown may have been of another one: that had the same key, and all of this kind with
/// the key come before it or after it, as the kinds do.
fn start_beside(after: Option<&Position>, at: usize, query: &ListQuery, order: &Order) -> Start {
    let Some(after) = after else { return Start::Offset(0) };
    if after.selection == at {
        return Start::After(Mark { key: after.key.clone(), ids: after.ids.clone() });
    }
    let comes_later = (at > after.selection) != is_descending(query);
    Start::After(order.beside(after.key.clone(), comes_later))
}

fn order_of(selection: &Selection) -> Order {
    let layout = match selection.kind {
        ResourceKind::User => &USER_LAYOUT,
        ResourceKind::Group => &GROUP_LAYOUT,
        ResourceKind::GroupMember => &GROUP_MEMBER_LAYOUT,
    };
    Order::new(selection.sort.as_ref(), layout)
}

/// What was found as the client asked to see it, in the same order.
async fn show(endpoint: &Endpoint<'_>, query: &ListQuery, found: Vec<Found>) -> Result<Vec<Value>, Failure> {
    let kinds: Vec<usize> = found.iter().map(|found| found.selection).collect();
    let (mut logins, mut crowds, mut memberships) = (Vec::new(), Vec::new(), Vec::new());
    for found in found {
        match found.row {
            Row::User(row) => logins.push(row),
            Row::Group(row) => crowds.push(row),
            Row::GroupMember(row) => memberships.push(row),
        }
    }
    let (mut logins, mut crowds, mut memberships) = (Some(logins), Some(crowds), Some(memberships));
    let mut shown = Vec::with_capacity(query.selections.len());
    for selection in &query.selections {
        let projection = &selection.projection;
        shown.push(
            match selection.kind {
                ResourceKind::User => users::show(endpoint, &logins.take().unwrap_or_default(), projection).await?,
                ResourceKind::Group => groups::show(endpoint, crowds.take().unwrap_or_default(), projection).await?,
                ResourceKind::GroupMember => group_members::show(endpoint, memberships.take().unwrap_or_default(), projection),
            }
            .into_iter(),
        );
    }
    Ok(kinds.into_iter().filter_map(|kind| shown.get_mut(kind)?.next()).collect())
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn usize_of(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
