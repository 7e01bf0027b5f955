//! What setting a connection up takes of the network and the processor.

use chrono::{DateTime, TimeDelta, Utc};
use url::Url;

use super::super::{Federation, Refused};
use super::metadata::BadMetadata;
use super::{Credential, metadata, new_credential};
use crate::model::IdpMetadata;

/// How long the certificate of a key of ours is good. Nobody looks at that but identity providers that think they must.
const KEY_LIFETIME: TimeDelta = TimeDelta::days(3_650);

/// There is no metadata to be had. The text is for the administrator.
#[derive(Debug, thiserror::Error)]
pub enum NoMetadata {
    #[error("{0}")]
    Unreachable(#[from] Refused),
    #[error("{0}")]
    Bad(#[from] BadMetadata),
}

/// Where the metadata of an identity provider is.
#[derive(Clone, Copy, Debug)]
pub enum MetadataFrom<'a> {
    /// It is fetched.
    Address(&'a Url),
    /// Somebody has its text.
    Text(&'a [u8]),
}

impl Federation {
    /// Reads the metadata of an identity provider.
    ///
    /// # Errors
    /// When it cannot be had, or is of no use.
    pub async fn idp_metadata(&self, from: MetadataFrom<'_>, now: DateTime<Utc>) -> Result<IdpMetadata, NoMetadata> {
        Ok(match from {
            MetadataFrom::Address(url) => metadata::read(&self.fetch_metadata(url).await?, now)?,
            MetadataFrom::Text(text) => metadata::read(text, now)?,
        })
    }
}

/// Makes a key of ours for a connection, on a thread that may be busy with it; none, when the library cannot.
pub async fn fresh_credential(name: String, now: DateTime<Utc>) -> Option<Credential> {
    // Clocks of identity providers may be behind ours.
    let made = tokio::task::spawn_blocking(move || new_credential(&name, now - TimeDelta::hours(1), now + KEY_LIFETIME)).await;
    let failed = |error: &(dyn std::error::Error + 'static)| tracing::error!(error, "a key could not be made");
    made.inspect_err(|error| failed(error)).ok()?.inspect_err(|error| failed(error)).ok()
}
