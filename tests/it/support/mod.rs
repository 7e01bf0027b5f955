//! What tests stand on: a database of each engine, the service on a port of its own, and those who talk to it.

pub(crate) mod child;
pub(crate) mod evil_idp;
pub(crate) mod http;
pub(crate) mod node;
pub(crate) mod postgres;
pub(crate) mod saml_idp;
pub(crate) mod source;
pub(crate) mod sql;
pub(crate) mod statements;
mod tests;
pub(crate) mod world;
