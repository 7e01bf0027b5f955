//! The integration tests: one binary.

#![expect(clippy::unwrap_used, reason = "what is not as expected ends the test")]

mod admin;
mod architecture;
mod assertions;
mod federation;
mod isolation;
mod linking;
mod openapi;
mod openid;
mod portals;
mod process;
mod saml;
mod saml_idps;
mod saml_pages;
mod scim;
mod sign_in;
mod store;
mod support;
