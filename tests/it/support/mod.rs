//! What tests stand on.

pub(crate) mod evil_idp;
