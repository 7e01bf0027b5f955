//! The keys that sign for portals: kept sealed in the store, the same on every replica, rotated with overlap.
//!
//! A replica remembers the keys for some seconds. A token that names a key which it does not know has it look again, so that a key made
//! by another replica is known at once. [`rotation`] says when keys come and go.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::rotation::{self, Life, Step};
use crate::clock::Clock;
use crate::directory::Caller;
use crate::keys::{ES256, KeyPair, Place, PublicJwk, SealError, Sealer, Signer, SigningError, TokenHeader, Verifier};
use crate::model::{Actor, EventKind, HolderId, KeyId, TenantId};
use crate::store::{self, NewSigningKey, SigningKeyRow, Store, Writer};

/// For how long what was read of the keys is used without looking again.
const FRESH: TimeDelta = TimeDelta::seconds(10);
/// Longer than any key signs.
const FOR_EVER: TimeDelta = TimeDelta::days(36_500);
/// What is held by whoever changes the keys, for as long as their transaction lasts.
const LEASE: &str = "signing-keys";

/// Why nothing was signed or verified.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// No key of this service signed that, or it is not of the type that is wanted.
    #[error("this is no token of this service")]
    NotOurs,
    #[error("the signing keys cannot be read")]
    Store(#[from] store::Error),
    #[error("the private half of a signing key cannot be opened")]
    Sealed(#[from] SealError),
    #[error(transparent)]
    Signing(#[from] SigningError),
}

/// The signing keys of the service. Cheap to clone.
#[derive(Clone)]
pub struct SigningKeys(Arc<Inner>);

struct Inner {
    store: Store,
    sealer: Sealer,
    clock: Clock,
    known: RwLock<Option<Arc<KeySet>>>,
}

/// The keys as they were at one moment.
struct KeySet {
    read_at: DateTime<Utc>,
    keys: Vec<Key>,
}

struct Key {
    life: Life,
    public: PublicJwk,
    verifier: Verifier,
    signer: Signer,
}

impl KeySet {
    fn signing(&self, now: DateTime<Utc>) -> Option<&Key> {
        let life = rotation::signing(self.keys.iter().map(|key| key.life), now)?;
        self.keys.iter().find(|key| key.life == life)
    }

    fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        // Also when the clock was set back.
        (now - self.read_at).abs() < FRESH
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKeys(..)")
    }
}

fn private_place(id: KeyId) -> Place {
    Place { table: "keys", column: "private_sealed", row: id.uuid() }
}

impl SigningKeys {
    #[must_use]
    pub fn new(store: Store, sealer: Sealer, clock: Clock) -> Self {
        Self(Arc::new(Inner { store, sealer, clock, known: RwLock::new(None) }))
    }

    /// The claims as a token of a type, `JWT`, `at+jwt` or `logout+jwt`, signed by the key that signs now.
    ///
    /// # Errors
    /// When the keys cannot be read.
    pub async fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, KeysError> {
        let now = self.0.clock.now();
        let mut keys = self.fresh().await?;
        if keys.signing(now).is_none() {
            // The first token of all.
            self.rotate(None).await?;
            keys = self.read().await?;
        }
        Ok(keys.signing(now).ok_or(SigningError)?.signer.sign(typ, claims)?)
    }

    /// The claims of a token that this service signed and that is of this type. Times, issuer and audience are the caller's to check.
    ///
    /// # Errors
    /// [`KeysError::NotOurs`] is the token's fault; everything else is ours, and then nothing is known of the token.
    pub async fn verify<C: DeserializeOwned + Clone>(&self, token: &str, typ: &str) -> Result<C, KeysError> {
        let header = TokenHeader::read(token).ok_or(KeysError::NotOurs)?;
        let kid = header.kid.filter(|_| header.typ.as_deref() == Some(typ)).ok_or(KeysError::NotOurs)?;
        // A key that we made has an id for a name: whatever else somebody writes there costs no look at the store.
        let id: KeyId = kid.parse().map_err(|_| KeysError::NotOurs)?;
        let find = |keys: &KeySet| keys.keys.iter().find(|key| key.life.id == id).map(|key| key.verifier.clone());
        let mut keys = self.fresh().await?;
        let mut found = find(&keys);
        if found.is_none() {
            // Another replica may have made it since. That is one small read, as for a cookie that nobody knows.
            keys = self.read().await?;
            found = find(&keys);
        }
        found.and_then(|verifier| verifier.verify(token)).ok_or(KeysError::NotOurs)
    }

    /// The public halves of all keys that sign, will sign, or signed what may still be good (RFC 7517 section 5).
    ///
    /// # Errors
    /// When the keys cannot be read, and never were.
    pub async fn jwks(&self) -> Result<Value, KeysError> {
        let now = self.0.clock.now();
        let keys = match self.read().await {
            Ok(keys) if keys.signing(now).is_none() => {
                self.rotate(None).await?;
                self.read().await?
            }
            Ok(keys) => keys,
            // Portals verify what they hold also while our database is away.
            Err(error) => self.known().ok_or(error)?,
        };
        let public: Vec<_> = keys.keys.iter().filter(|key| key.life.retired_at.is_none()).map(|key| &key.public).collect();
        Ok(json!({ "keys": public }))
    }

    /// Does what is to be done, so that a key signs for `every` and the next follows; with `None` there is only made sure that one signs.
    /// Answers how many steps were taken.
    ///
    /// # Errors
    /// When the keys cannot be read or written.
    pub async fn rotate(&self, every: Option<TimeDelta>) -> Result<usize, KeysError> {
        let (now, every) = (self.0.clock.now(), every.unwrap_or(FOR_EVER));
        let steps_of = |rows: &[SigningKeyRow]| rotation::plan(&rows.iter().map(life).collect::<Vec<_>>(), now, every);
        if steps_of(&self.0.store.read(TenantId::OPERATOR).signing_keys().await?).is_empty() {
            return Ok(0);
        }
        let mut writer = self.writer().await?;
        let steps = steps_of(&writer.signing_keys().await?);
        let caller = Caller { actor: Actor::System, now, request_id: None };
        for step in &steps {
            self.take(&mut writer, *step, caller).await?;
        }
        writer.commit().await?;
        self.read().await?;
        Ok(steps.len())
    }

    /// Makes a key that begins to sign at once, because the operator says so. The former ones stay published for what they signed; where
    /// one of them is in wrong hands they are forgotten, and nothing that they signed is good any more.
    ///
    /// # Errors
    /// When the keys cannot be read or written.
    pub async fn replace(&self, is_compromised: bool, caller: Caller<'_>) -> Result<KeyId, KeysError> {
        let mut writer = self.writer().await?;
        let former = writer.signing_keys().await?;
        // One that was to follow was published too, and in the same store.
        for row in former.iter().filter(|row| is_compromised || row.active_from > caller.now) {
            self.take(&mut writer, Step::Remove(row.id), caller).await?;
        }
        let id = self.make(&mut writer, caller.now, caller).await?;
        writer.commit().await?;
        self.read().await?;
        Ok(id)
    }

    /// A transaction in which nobody else changes the keys.
    async fn writer(&self) -> Result<Writer, KeysError> {
        let now = self.0.clock.now();
        let mut writer = self.0.store.write(TenantId::OPERATOR).await?;
        // It is over before it begins: only the row's lock counts, which goes with the transaction.
        writer.take_lease(LEASE, HolderId::new(now), now, DateTime::UNIX_EPOCH).await?;
        Ok(writer)
    }

    async fn take(&self, writer: &mut Writer, step: Step, caller: Caller<'_>) -> Result<(), KeysError> {
        let (kind, id) = match step {
            Step::Make { active_from } => return self.make(writer, active_from, caller).await.map(drop),
            Step::Retire(id) => {
                writer.retire_signing_key(id, caller.now).await?;
                (EventKind::SigningKeyRetired, id)
            }
            Step::Remove(id) => {
                writer.delete_signing_key(id).await?;
                (EventKind::SigningKeyRemoved, id)
            }
        };
        Ok(writer.record(&[caller.event(kind, id.uuid(), json!({}))], caller.request_id).await?)
    }

    async fn make(&self, writer: &mut Writer, active_from: DateTime<Utc>, caller: Caller<'_>) -> Result<KeyId, KeysError> {
        let id = KeyId::new(caller.now);
        let pair = KeyPair::generate(id.to_string())?;
        let private = self.0.sealer.seal(&private_place(id), &pair.private);
        let new = NewSigningKey { id, algorithm: ES256, public: &pair.public, private: &private, active_from };
        writer.insert_signing_key(&new, caller.now).await?;
        let event = caller.event(EventKind::SigningKeyCreated, id.uuid(), json!({ "active_from": active_from }));
        writer.record(&[event], caller.request_id).await?;
        Ok(id)
    }

    fn known(&self) -> Option<Arc<KeySet>> {
        self.0.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The keys as they were some seconds ago at most.
    async fn fresh(&self) -> Result<Arc<KeySet>, KeysError> {
        let now = self.0.clock.now();
        match self.known().filter(|keys| keys.is_fresh(now)) {
            Some(keys) => Ok(keys),
            None => self.read().await,
        }
    }

    async fn read(&self) -> Result<Arc<KeySet>, KeysError> {
        let read_at = self.0.clock.now();
        let rows = self.0.store.read(TenantId::OPERATOR).signing_keys().await?;
        let keys = rows.iter().map(|row| self.open(row)).collect::<Result<_, _>>()?;
        let keys = Arc::new(KeySet { read_at, keys });
        *self.0.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&keys));
        Ok(keys)
    }

    fn open(&self, row: &SigningKeyRow) -> Result<Key, KeysError> {
        let private = self.0.sealer.open(&private_place(row.id), &row.private_sealed)?;
        let public = row.public.0.clone();
        Ok(Key { life: life(row), verifier: Verifier::new(&public)?, signer: Signer::new(public.kid(), &private), public })
    }
}

fn life(row: &SigningKeyRow) -> Life {
    Life { id: row.id, active_from: row.active_from, retired_at: row.retired_at }
}
