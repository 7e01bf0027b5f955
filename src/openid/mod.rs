//! The OpenID Provider that portals sign in with (OpenID Connect Core 1.0): what may be given to whom, and the tokens that say so.
//!
//! A portal sends a browser to be signed in, gets a code, and redeems it for tokens of one login on one account. What it gets is a
//! [`PortalGrant`](crate::model::PortalGrant), which rests on a session: when that ends, or anything that the session rests on is touched,
//! every token of the grant is refused here from then on. Nothing is remembered between two requests but the public halves of keys, so
//! that what one replica ends is over on all of them.

pub mod authorize;
pub mod claims;
pub mod clients;
pub mod grants;
pub mod hint;
pub mod keys;
pub mod logout;
pub mod logout_token;
pub mod rotation;
pub mod token;
