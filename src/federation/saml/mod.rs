//! SAML 2.0: the service provider (Core, Bindings, Profiles section 4.1 and 4.4, Metadata).
//!
//! A message goes through these hands, in this order, and is refused by the first that does not like it:
//!
//! | module | what it does |
//! |---|---|
//! | `preflight` | reads the bytes, with limits, and lets nothing pass that a SAML message does not need |
//! | `verify` | the signature, certificate by certificate; answers the bytes that were signed |
//! | `decrypt` | encrypted assertions, which go through `preflight` and `verify` again |
//! | `document` | a tree of bytes that passed |
//! | `response`, `logout` | what the signed bytes must say |
//! | `attributes` | what they say of somebody, as claims |
//! | `validate` | all of that, on threads of their own |
//!
//! What is sent is made by `request`, `logout` and `metadata`; `redirect` is the binding by addresses. `setup` and `credential` make what a connection
//! begins with, `sys` and `loaded` look at the libraries below. What reads messages does no IO: `validate` gives it threads, `setup` the network.

mod attributes;
mod bad;
mod certificate;
mod credential;
mod decrypt;
pub mod document;
mod loaded;
mod logout;
pub mod metadata;
pub mod preflight;
mod redirect;
mod request;
mod response;
mod setup;
mod sys;
#[cfg(test)]
mod tests;
mod time;
mod validate;
pub mod verify;
mod xml;

use chrono::{DateTime, Utc};
use secrecy::{SecretSlice, SecretString};
use url::Url;

use crate::model::{Certificate, Connection, Demand, NameId, TenantId};

pub use bad::{BadSaml, Part, Refusal};
pub use certificate::{BadCertificate, certificate};
pub use credential::{BadCredential, new_credential};
pub use loaded::{Loaded, Version, loaded, openssl_version};
pub use logout::{answer_logout, begin_logout};
pub use request::begin;
pub use setup::{MetadataFrom, NoMetadata, fresh_credential};
pub use sys::is_ready;
pub use validate::{Validator, outline};

/// The largest message that is read, in bytes: as it is in its binding, and as it is decoded.
pub const MAX_MESSAGE: usize = 256 * 1024;

/// A key of ours, with the certificate by which identity providers know it.
#[derive(Clone, Debug)]
pub struct Credential {
    /// As it is (DER).
    pub certificate: Vec<u8>,
    /// PKCS #8, DER.
    pub private_key: SecretSlice<u8>,
}

/// This service, as the identity provider of one connection knows it. Each connection has its own names, so that no message for one can be
/// taken for another's.
#[derive(Clone, Copy, Debug)]
pub struct Sp<'a> {
    /// Our entity id, which is where our metadata is.
    pub entity_id: &'a str,
    /// Where responses are posted (`AssertionConsumerService`).
    pub acs: &'a Url,
    /// Where logout messages come (`SingleLogoutService`).
    pub slo: &'a Url,
    /// The first signs; all decrypt. None where nothing is signed or decrypted.
    pub keys: &'a [Credential],
}

/// A message that is to go out, and what to remember of it.
#[derive(Debug)]
pub struct Begun {
    pub departure: Outgoing,
    /// Comes back with the answer; keep its digest.
    pub relay_state: SecretString,
    /// The answer must name it (`InResponseTo`). Keep it sealed.
    pub request_id: SecretString,
}

/// How a message goes to an identity provider: by the person's browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// The browser is sent to this address (HTTP-Redirect, Bindings section 3.4).
    Redirect(Url),
    /// The browser posts this form (HTTP-POST, Bindings section 3.5).
    Post(PostForm),
}

/// A form that the browser posts to an identity provider. Whoever renders it escapes what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostForm {
    pub action: Url,
    /// Names and values of its hidden fields.
    pub fields: Vec<(&'static str, String)>,
}

/// What a response must fit.
#[derive(Clone, Debug)]
pub struct Expected {
    pub tenant: TenantId,
    pub connection: Connection,
    /// Those of the connection; which of them are valid is looked at here.
    pub certificates: Vec<Certificate>,
    /// Our entity id.
    pub entity_id: String,
    /// Where it was posted.
    pub acs: Url,
    /// Of the request that it answers.
    pub request_id: SecretString,
    /// Our keys, for what is encrypted.
    pub keys: Vec<Credential>,
    pub demand: Demand,
    /// When it was asked for.
    pub began: DateTime<Utc>,
    pub now: DateTime<Utc>,
}

/// What a logout message must fit.
#[derive(Clone, Debug)]
pub struct LogoutExpected {
    pub connection: Connection,
    pub certificates: Vec<Certificate>,
    /// Where it came.
    pub slo: Url,
    pub now: DateTime<Utc>,
}

/// A logout message, as it came.
#[derive(Clone, Debug)]
pub enum LogoutMessage {
    /// By the redirect binding. Its signature is over the very bytes of the query, so nothing may have been decoded.
    Redirect { raw_query: String },
    /// By the POST binding: the fields of the form.
    Post { request: Option<String>, response: Option<String>, relay_state: Option<String> },
}

/// A logout message that the identity provider signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logout {
    /// It has ended its session, and so shall we.
    Request {
        id: String,
        /// Until when it could be sent again and be taken, the difference of clocks included.
        good_until: DateTime<Utc>,
        name_id: NameId,
        /// The sessions that it means; none are all of the subject's.
        session_indexes: Vec<String>,
        relay_state: Option<String>,
        /// Fingerprint of the certificate that verified it.
        certificate: String,
    },
    /// It answers a request of ours.
    Response { in_response_to: Option<String>, is_success: bool, relay_state: Option<String>, certificate: String },
}
