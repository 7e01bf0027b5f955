//! Signing in with a customer's identity provider: from a connection to an [`ExternalIdentity`](crate::model::ExternalIdentity).
//!
//! A sign-in has two halves with a browser between them. [`Federation::begin`] learns where the identity provider is and makes the
//! address to send the browser to, with the secrets that the second half needs; the caller keeps those in a pending row.
//! [`Federation::finish`] takes what the browser brought back, proves it, and hands out the one type that every protocol ends in.
//!
//! Nothing here knows the store: the caller loads, this module talks, the caller applies. Whether the pending row exists, belongs to
//! this browser and was not used before is the caller's to see to, before `finish`.
//!
//! What went wrong is a [`Refused`]; how far it came is a [`Trace`], for the tenant's administrator.

mod oidc;
mod refused;
#[cfg(feature = "saml")]
pub mod saml;
mod trace;

use std::fmt;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::clock::Clock;
use crate::keys::HashedToken;
use crate::model::{Connection, Demand, ExternalIdentity, TenantId};
use crate::net;

pub use refused::{BadToken, Endpoint, Kind, Refused};
pub use trace::{Outcome, Step, Trace, TraceEntry};

/// Talks to identity providers, and remembers their public keys. One for the process; cheap to clone.
#[derive(Clone)]
pub struct Federation {
    oidc: oidc::RelyingParty,
    net: net::Client,
    /// Proves what comes from SAML identity providers.
    #[cfg(feature = "saml")]
    pub saml: saml::Validator,
}

/// A sign-in that has begun: where to send the browser, and what [`Federation::finish`] will ask for again.
pub struct Begun {
    /// Send the browser here.
    pub authorization_url: Url,
    /// Names the pending sign-in; keep its digest ([`HashedToken::of`]).
    pub state: SecretString,
    /// Keep it sealed.
    pub nonce: SecretString,
    /// Keep it sealed.
    pub pkce_verifier: SecretString,
}

/// What was kept of a sign-in that has begun.
pub struct Pending<'a> {
    pub tenant: TenantId,
    pub connection: &'a Connection,
    pub client_secret: &'a SecretString,
    /// The same as at the beginning; each connection has its own.
    pub redirect_uri: &'a Url,
    pub nonce: &'a SecretString,
    pub pkce_verifier: &'a SecretString,
    /// What it must prove beyond who somebody is.
    pub demand: &'a Demand,
    pub began: DateTime<Utc>,
}

/// The parameters that the browser brought back (RFC 6749 section 4.1.2, RFC 9207). Anyone can send these: nothing in them is proved.
#[derive(Default, Deserialize)]
pub struct Callback {
    pub code: Option<SecretString>,
    pub state: Option<SecretString>,
    pub iss: Option<String>,
    pub error: Option<String>,
    pub error_description: Option<String>,
}

impl Callback {
    /// By what the pending sign-in is found.
    #[must_use]
    pub fn state_digest(&self) -> Option<HashedToken> {
        use secrecy::ExposeSecret as _;
        self.state.as_ref().map(|state| HashedToken::of(state.expose_secret()))
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback").field("code", &self.code.is_some()).field("error", &self.error).finish_non_exhaustive()
    }
}

impl Federation {
    #[must_use]
    pub fn new(net: net::Client, clock: Clock) -> Self {
        Self {
            oidc: oidc::RelyingParty::new(net.clone(), clock),
            net,
            // As many at a time as there are processors: the work is all theirs.
            #[cfg(feature = "saml")]
            saml: saml::Validator::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get)),
        }
    }

    /// Begins a sign-in: discovers the identity provider, unless it is known, and makes the authorization request, with what is demanded.
    pub async fn begin(
        &self,
        connection: &Connection,
        redirect_uri: &Url,
        demand: &Demand,
        trace: &mut Trace,
    ) -> Result<Begun, Refused> {
        let result = self.oidc.begin(connection, redirect_uri, demand, trace).await;
        result.inspect_err(|refused| trace.refused(refused))
    }

    /// Fetches the metadata of a SAML identity provider, as it is. What it says is for `saml::metadata::read` to find out.
    ///
    /// # Errors
    /// When the address may not be called, does not answer, or answers with anything but the document.
    pub async fn fetch_metadata(&self, url: &Url) -> Result<Vec<u8>, Refused> {
        let request = http::Request::get(url.as_str())
            .header(http::header::ACCEPT, "application/samlmetadata+xml, application/xml;q=0.9, text/xml;q=0.8")
            .body(Vec::new())
            .map_err(|_| Refused::NotAllowed { endpoint: Endpoint::Metadata, why: net::NetError::Url.reason() })?;
        let answer = self.net.send(request).await.map_err(|error| refused::unreachable(Endpoint::Metadata, &error))?;
        if answer.status() != http::StatusCode::OK {
            return Err(Refused::Nonsense { endpoint: Endpoint::Metadata, what: format!("status {}", answer.status().as_u16()) });
        }
        Ok(answer.into_body())
    }

    /// Ends a sign-in: redeems the code, proves the ID token, and checks that it meets the demand.
    pub async fn finish(&self, pending: &Pending<'_>, callback: &Callback, trace: &mut Trace) -> Result<ExternalIdentity, Refused> {
        let result = self.oidc.finish(pending, callback, trace).await;
        result.inspect_err(|refused| trace.refused(refused))
    }
}
