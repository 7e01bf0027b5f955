//! The SCIM surface over HTTP, on both engines.

mod users;
