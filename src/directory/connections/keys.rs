//! Our own keys at a SAML connection.
//!
//! The next key is published before it signs, so that the identity provider knows it by then; the one before decrypts on for a while, because
//! what was encrypted for it may still come.

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretSlice;

use crate::directory::{Error, Result};
use crate::keys::{Place, Sealer};
use crate::model::{ConnectionId, ConnectionKeyId};
use crate::store::{ConnectionKeyRow, Reader};

/// How long a key is published before it signs, unless somebody says otherwise.
pub const LEAD: TimeDelta = TimeDelta::days(7);
/// How long a key decrypts after the next one has begun to sign.
pub const OVERLAP: TimeDelta = TimeDelta::days(7);

/// A key that was made for a connection: PKCS #8, and the certificate that it signed itself, both DER.
#[derive(Clone, Debug)]
pub struct OurKey {
    pub certificate: Vec<u8>,
    pub private_key: SecretSlice<u8>,
}

/// Where the private key lies, for sealing.
#[must_use]
pub fn connection_key_place(id: ConnectionKeyId) -> Place {
    Place { table: "connection_keys", column: "private_sealed", row: id.uuid() }
}

/// The key that signs: the one that began last; before the first has begun, the one that will first.
#[must_use]
pub fn signing(keys: &[ConnectionKeyRow], now: DateTime<Utc>) -> Option<&ConnectionKeyRow> {
    let begun = keys.iter().filter(|key| key.active_from <= now).max_by_key(|key| (key.active_from, key.id));
    begun.or_else(|| keys.iter().min_by_key(|key| (key.active_from, key.id)))
}

/// Our keys at a connection, opened: the first signs, all decrypt and are published.
///
/// # Errors
/// When the database cannot be asked, or the keys were sealed by another master key.
pub async fn our_keys(reader: &mut Reader, sealer: &Sealer, connection: ConnectionId, now: DateTime<Utc>) -> Result<Vec<OurKey>> {
    let opened = in_order(reader, connection, now).await?.into_iter().map(|key| {
        let private = sealer
            .open(&connection_key_place(key.id), &key.private_sealed)
            .map_err(|_| Error::Invalid("a key of the connection cannot be opened with this master key".to_owned()))?;
        Ok(OurKey { certificate: key.certificate, private_key: SecretSlice::from(private.to_vec()) })
    });
    opened.collect()
}

/// Their certificates alone, in the same order, for whoever asks.
///
/// # Errors
/// When the database cannot be asked.
pub async fn our_certificates(reader: &mut Reader, connection: ConnectionId, now: DateTime<Utc>) -> Result<Vec<Vec<u8>>> {
    Ok(in_order(reader, connection, now).await?.into_iter().map(|key| key.certificate).collect())
}

/// The one that signs first.
async fn in_order(reader: &mut Reader, connection: ConnectionId, now: DateTime<Utc>) -> Result<Vec<ConnectionKeyRow>> {
    let mut rows = reader.connection_keys(connection, now).await?;
    let signs = signing(&rows, now).map(|key| key.id);
    rows.sort_by_key(|key| Some(key.id) != signs);
    Ok(rows)
}
