//! The integration tests: one binary.

#![expect(clippy::unwrap_used, reason = "what is not as expected ends the test")]

mod architecture;
mod federation;
mod scim;
mod store;
mod support;
