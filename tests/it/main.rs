//! The integration tests: one binary.

#![expect(clippy::unwrap_used, reason = "what is not as expected ends the test")]
#![expect(clippy::type_complexity, reason = "tables of cases and rows of catalogues are tuples where they are read once")]

mod architecture;
mod federation;
mod process;
mod scim;
mod sign_in;
mod store;
mod support;
