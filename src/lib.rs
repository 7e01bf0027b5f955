//! Vestibule: the room between a customer's identity provider and a portal.
//!
//! Identity providers push people and groups by SCIM, people sign in by OpenID Connect, and Vestibule decides who they are and which
//! roles they hold on which accounts. The modules, from the bottom up; `docs/ARCHITECTURE.md` draws them, and
//! `tests/it/architecture.rs` enforces what each may import:
//!
//! - [`model`]: the words, as types. [`scim`]: the protocol, pure. Neither imports anything of ours.
//! - [`clock`], [`config`], [`metrics`], [`telemetry`]: the time, the settings, the figures, the logs and traces.
//! - [`keys`]: secrets. [`net`]: outgoing calls.
//! - [`store`]: the database, one text a statement for both engines.
//! - [`federation`]: from a connection to a verified identity. Knows no store.
//! - [`directory`]: the commands that change logins, groups, bindings and roles; what they decide is pure.
//! - [`provisioning`]: SCIM resources and what they are here.
//! - [`http`]: parse, authenticate, call one function, render.
//! - [`work`]: what happens by itself: purging, and writing down what was traced.
//! - [`app`] and [`cli`]: everything built once, and the command line.

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
pub mod openid;
pub mod provisioning;
pub mod scim;
pub mod store;
pub mod telemetry;
pub mod work;
