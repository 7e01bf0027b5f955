//! SCIM 2.0 without any IO: bytes and documents in, documents and errors out. Nothing of ours is imported here.
//!
//! A request body goes through [`parse`] to a [`Value`], then to a validated [`resource::Resource`] (POST, PUT) or a
//! [`patch::PatchRequest`], under the client's [`profile::Profile`]. A filter goes through [`filter`]: grammar, then resolution
//! against the schema to a [`ResolvedFilter`], which is evaluated here on documents or compiled to SQL by the store. Answers are built
//! from documents by [`project`], [`message`] and [`discovery`].
//!
//! | RFC | where |
//! |---|---|
//! | 7643 section 2 (attributes, types), 3.1, 4, 7 | [`schema`], `scim-schemas/*.json` |
//! | 7643 sections 5 and 6, 7644 section 4 | [`discovery`] |
//! | 7643 section 3, 7644 sections 3.3 and 3.5.1 | [`resource`] |
//! | 7644 sections 3.4.2 and 3.4.3 (list requests, `.search`) | [`query`] |
//! | 7644 section 3.4.2.3 (sorting) | [`sort`] |
//! | 9865 (cursors) | [`cursor`] |
//! | 7644 section 3.4.2.2 (filters) | [`filter`], on documents in [`mod@search_form`], with text folded by [`fold`] |
//! | 7644 section 3.5.2 (PATCH) | [`patch`] |
//! | 7644 sections 3.4.2.5 and 3.9 (attributes) | [`project`] |
//! | 7644 sections 3.4.2 and 3.12 (lists, errors) | [`message`] |
//! | 8259 (JSON) | [`parse`], [`value`] |
//! | what clients do beyond the RFCs | [`profile`] |
//! | limits, as announced and enforced | [`limits`] |

pub mod cursor;
pub mod discovery;
pub mod filter;
pub mod fold;
pub mod limits;
pub mod message;
pub mod parse;
pub mod patch;
pub mod profile;
pub mod project;
pub mod query;
pub mod resource;
pub mod schema;
pub mod search_form;
pub mod sort;
pub mod value;

pub use filter::ResolvedFilter;
pub use search_form::search_form;
pub use value::{Object, Value};
