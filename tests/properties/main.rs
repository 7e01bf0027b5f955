//! Laws that hold for every input, tried on random ones.
//!
//! `strategies.rs` makes documents and filters, and other test binaries may include it too; `operations.rs` makes PATCH operations.

mod bodies;
mod filters;
mod mapping;
mod operations;
mod oracles;
mod patches;
mod strategies;
