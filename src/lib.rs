//! Vestibule: the room between a customer's identity provider and a portal.
//!
//! The modules, from the bottom up, and what each may import (`tests/it/architecture.rs` enforces it; `docs/ARCHITECTURE.md`
//! draws it):
//!
//! - [`model`] and [`scim`] know nothing of ours; [`clock`] and [`config`] neither.

pub mod cli {
    pub mod demo;
}
pub mod clock;
pub mod http {
    pub mod pages;
}
pub mod model;
