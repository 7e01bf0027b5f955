//! Vestibule: the room between a customer's identity provider and a portal.
//!
//! The modules, from the bottom up, and what each may import (`tests/it/architecture.rs` enforces it; `docs/ARCHITECTURE.md`
//! draws it):
//!
//! - [`model`] and [`scim`] know nothing of ours; [`clock`] and [`config`] neither.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod directory;
pub mod federation;
pub mod http;
pub mod keys;
pub mod metrics;
pub mod model;
pub mod net;
pub mod provisioning;
pub mod scim;
pub mod store;
pub mod telemetry;
