//! The limits that are announced by `/ServiceProviderConfig` or in the documentation, in one place: what is announced is what is
//! enforced (D01). Those of filters stand with [`super::filter`], the depth of bodies with [`super::parse`].

pub use super::filter::{MAX_FILTER_CHARS, MAX_FILTER_DEPTH, MAX_FILTER_TERMS};
pub use super::parse::MAX_DEPTH;

/// Resources on one page of a list.
pub const MAX_RESULTS: u64 = 200;
/// Resources on a page when the client does not say how many.
pub const DEFAULT_RESULTS: u64 = 100;
/// Seconds for which a cursor can be used after it was handed out (RFC 9865). Each page hands out a new one.
pub const CURSOR_TIMEOUT_SECONDS: u64 = 3_600;
/// How far index paging reaches into a sorted list of several kinds of resources. Each kind is read up to there and the lists are
/// merged, so the cost grows with the index; cursors have no such limit.
pub const MAX_MERGED: u64 = 1_000;
/// Characters of a text that count when a list is sorted by it. No text with a column of its own is longer, see [`MAX_KEY_BYTES`].
pub const MAX_SORT_CHARS: usize = MAX_KEY_BYTES;
/// Operations in one PATCH request (P26).
pub const MAX_PATCH_OPERATIONS: usize = 1_000;
/// Members named in one request, over all of its operations.
pub const MAX_MEMBERS: usize = 10_000;
/// Members that are written into a group without being asked for.
pub const MAX_INLINE_MEMBERS: usize = 5_000;
/// Members of all groups on one page of a list together (L15). It bounds the memory that one answer takes.
pub const MAX_LISTED_MEMBERS: usize = 100_000;
/// Bytes of a request body; enforced by the HTTP layer.
pub const MAX_BODY_BYTES: usize = 2 * 1_024 * 1_024;
/// Values of one multi-valued attribute.
pub const MAX_VALUES: usize = 1_000;
/// Values of multi-valued attributes that the operations of one PATCH request look at, all together: it bounds the time of a request
/// that has many operations on an attribute with many values.
pub const MAX_PATCH_VISITS: usize = 250_000;
/// Bytes of one text.
pub const MAX_TEXT_BYTES: usize = 64 * 1_024;
/// Characters of a text that the databases index: user names, external ids, display names, e-mail addresses, ids of members.
pub const MAX_KEY_CHARS: usize = 512;
/// Bytes of such a text when it is folded; an entry of a B-tree index holds no more than 2 704.
pub const MAX_KEY_BYTES: usize = 2_048;
