//! Where a run of pages stands (RFC 9865): what the service seals into `nextCursor` and reads back from `cursor`.
//!
//! A cursor names the last resource that was shown, by its place in the order and not by a number of resources to leave out. So what is
//! written between two pages moves nothing: each resource that stays as it was is shown once (L11).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::scim::limits::CURSOR_TIMEOUT_SECONDS;
use crate::scim::message::{ScimError, ScimType};
use crate::scim::query::ListQuery;
use crate::scim::sort::SortKey;

/// The place of a resource in the order of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Which selection of the query it belongs to, from 0.
    pub selection: usize,
    /// What it is sorted by; [`SortKey::Missing`] in a list that is not sorted.
    pub key: SortKey,
    /// The ids that set it apart from every other resource of its selection.
    pub ids: Vec<Uuid>,
}

/// A run of pages, after one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The fingerprint of the query.
    #[serde(rename = "q")]
    query: String,
    /// How many resources are on a page of this run.
    #[serde(rename = "c")]
    count: u64,
    /// How many matched when the run began. They are counted once, because counting costs as much as all pages together.
    #[serde(rename = "t")]
    total: u64,
    /// When it was handed out, in seconds since 1970.
    #[serde(rename = "i")]
    issued: i64,
    /// The last resource of the page before.
    #[serde(rename = "a")]
    after: Position,
}

impl Cursor {
    /// The cursor that continues `query` after a page.
    #[must_use]
    pub fn new(query: &ListQuery, count: u64, total: u64, after: Position, now: i64) -> Self {
        Self { query: query.fingerprint().to_owned(), count, total, issued: now, after }
    }

    /// The bytes to seal.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Serialising plain data to memory cannot fail; what is empty would be refused when it comes back.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what was sealed, and checks that it continues this query (L08).
    ///
    /// # Errors
    /// 400 `invalidCursor` when it is none, or that of another query; `invalidCount` when only the count is another; `expiredCursor` when
    /// it is older than is announced. `now` is in seconds since 1970.
    pub fn read(bytes: &[u8], query: &ListQuery, now: i64) -> Result<Self, ScimError> {
        let cursor: Self = serde_json::from_slice(bytes).map_err(|_| invalid())?;
        let selection = query.selections.get(cursor.after.selection).ok_or_else(invalid)?;
        let known = selection.sort.as_ref().map_or(cursor.after.key == SortKey::Missing, |sort| sort.knows(&cursor.after.key));
        if cursor.query != query.fingerprint() || !known {
            return Err(invalid());
        }
        if now.saturating_sub(cursor.issued) > i64::try_from(CURSOR_TIMEOUT_SECONDS).unwrap_or(i64::MAX) {
            return Err(ScimError::bad_request(
                ScimType::ExpiredCursor,
                "this cursor is older than cursorTimeout; begin again with an empty one",
            ));
        }
        if query.count.is_some_and(|count| count != cursor.count) {
            return Err(ScimError::bad_request(
                ScimType::InvalidCount,
                format!("count was {} when this run of pages began, and stays so", cursor.count),
            ));
        }
        Ok(cursor)
    }

    /// How many resources are on a page of this run.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many resources matched when the run began.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The last resource of the page before.
    #[must_use]
    pub fn after(&self) -> &Position {
        &self.after
    }
}

/// The refusal of a cursor that nobody was given for this query.
#[must_use]
pub fn invalid() -> ScimError {
    ScimError::bad_request(
        ScimType::InvalidCursor,
        "this cursor is not one of this query and token; begin again with an empty one, and change nothing but the cursor between pages",
    )
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Position};
    use crate::scim::limits::CURSOR_TIMEOUT_SECONDS;
    use crate::scim::message::ScimType;
    use crate::scim::profile::Profile;
    use crate::scim::query::ListQuery;
    use crate::scim::schema::ResourceKind;
    use crate::scim::sort::SortKey;
    use uuid::Uuid;

    const BEGUN: &[(&str, &str)] = &[("cursor", ""), ("count", "10"), ("filter", "title pr"), ("sortBy", "userName")];

    fn query(parameters: &[(&str, &str)]) -> ListQuery {
        ListQuery::parse(&[ResourceKind::User], parameters, Profile::Strict).unwrap()
    }

    fn position() -> Position {
        Position { selection: 0, key: SortKey::Text("joe".to_owned()), ids: vec![Uuid::from_u128(7)] }
    }

    #[test]
    fn l07_a_cursor_continues_its_query() {
        let cursor = Cursor::new(&query(BEGUN), 10, 99, position(), 1_000);
        let timeout = i64::try_from(CURSOR_TIMEOUT_SECONDS).unwrap();
        let read = |parameters: &[(&str, &str)], now| Cursor::read(&cursor.to_bytes(), &query(parameters), now);
        let back = read(BEGUN, 1_000 + timeout).unwrap();
        assert_eq!((back.count(), back.total(), back.after()), (10, 99, &position()));
        // What is shown may change, the count may be left out, and names and the filter's spaces are free.
        let same =
            [("CURSOR", "x"), ("filter", "title  pr"), ("sortBy", "USERNAME"), ("sortOrder", "Ascending"), ("attributes", "title")];
        assert!(read(&same, 1_000).is_ok());
        assert_eq!(read(BEGUN, 1_001 + timeout).unwrap_err().scim_type, Some(ScimType::ExpiredCursor));
    }

    #[test]
    fn l08_a_changed_query_is_refused() {
        let cursor = Cursor::new(&query(BEGUN), 10, 99, position(), 0).to_bytes();
        for (at, other, refusal) in [
            (1, ("count", "11"), ScimType::InvalidCount),
            (1, ("count", "0"), ScimType::InvalidCount),
            (2, ("filter", "title eq \"x\""), ScimType::InvalidCursor),
            (2, ("x", "y"), ScimType::InvalidCursor),
            (3, ("sortBy", "title"), ScimType::InvalidCursor),
            (3, ("x", "y"), ScimType::InvalidCursor),
            (0, ("sortOrder", "descending"), ScimType::InvalidCursor),
        ] {
            let mut parameters = BEGUN.to_vec();
            if at == 0 {
                parameters.push(other);
            } else {
                parameters[at] = other;
            }
            assert_eq!(Cursor::read(&cursor, &query(&parameters), 0).unwrap_err().scim_type, Some(refusal), "{other:?}");
        }
        let root = ListQuery::parse(&[ResourceKind::User, ResourceKind::Group], BEGUN, Profile::Strict).unwrap();
        assert_eq!(Cursor::read(&cursor, &root, 0).unwrap_err().scim_type, Some(ScimType::InvalidCursor));
        for bytes in [&b""[..], b"{}", b"null"] {
            assert_eq!(Cursor::read(bytes, &query(BEGUN), 0).unwrap_err().scim_type, Some(ScimType::InvalidCursor));
        }
    }
}
