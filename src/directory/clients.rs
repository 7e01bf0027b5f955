//! Clients of a tenant that work for themselves: made by the operator, given access tokens for their credentials, revoked.
//!
//! A client belongs to one tenant, and acts there on one account and those below it, as far as its scopes go. Its secret is a
//! long random text of which the digest is kept, so that checking it costs nothing; its access tokens live ten minutes, and end with it.

use chrono::TimeDelta;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::access::{Permission, Reach};
use super::tree::Tree;
use super::{Caller, Error, Result};
use crate::keys::{HashedToken, PlainToken};
use crate::model::{AccessTokenId, Client, ClientId, ClientScopes, EventKind, PortalSettings, TenantId};
use crate::store::{ClientRow, NewAccessToken, NewClient, Store};

/// How long an access token lives.
pub const LIFETIME: TimeDelta = TimeDelta::minutes(10);
/// Characters of a secret that somebody chose. Only a random text is a secret here: its digest has no salt.
pub(super) const SECRET_CHARS: std::ops::RangeInclusive<usize> = 32..=200;

/// Whether a client can call itself that: it stands before the colon of a header.
pub(super) fn is_client_id(text: &str) -> bool {
    (1..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':')
}

/// The clients of a tenant, and who asks.
#[derive(Clone, Copy, Debug)]
pub struct Clients<'a> {
    pub store: &'a Store,
    pub tenant: TenantId,
    pub caller: Caller<'a>,
}

/// A client to be made.
#[derive(Clone, Debug)]
pub struct ClientSpec<'a> {
    /// What it calls itself; unique in the service.
    pub client_id: &'a str,
    pub name: &'a str,
    /// The path of the account from which down it acts; left out, the tenant's first one.
    pub within: Option<&'a str>,
    pub scopes: &'a ClientScopes,
    pub secret: &'a SecretString,
}

impl Clients<'_> {
    /// Makes a client, once: one that was revoked never comes back. Answers whether it was made.
    ///
    /// # Errors
    /// When the account is not there, there is no scope, the secret is too short, or another tenant has a client of this name.
    pub async fn ensure(&self, spec: &ClientSpec<'_>) -> Result<bool> {
        let wrong = |text: String| Err(Error::Invalid(format!("client {:?}: {text}", spec.client_id)));
        let mut writer = self.store.write(self.tenant).await?;
        if writer.clients().await?.iter().any(|client| client.client_id == spec.client_id) {
            return Ok(false);
        }
        if !is_client_id(spec.client_id) {
            return wrong("a client_id has 1 to 100 visible ASCII characters, and no colon".to_owned());
        }
        if spec.scopes.is_empty() {
            return wrong("it needs at least one scope".to_owned());
        }
        if !SECRET_CHARS.contains(&spec.secret.expose_secret().chars().count()) {
            let (least, most) = (SECRET_CHARS.start(), SECRET_CHARS.end());
            return wrong(format!("a secret is a random text of {least} to {most} characters; leave it out to be given one"));
        }
        let tree = Tree::new(writer.accounts().await?);
        let within = match spec.within {
            None => tree.root()?.id,
            Some(path) => tree.find(path).ok_or_else(|| Error::Invalid(format!("there is no account {path:?}")))?,
        };
        let id = ClientId::new(self.caller.now);
        let digest = HashedToken::of(spec.secret.expose_secret());
        let access = Some((within, spec.scopes));
        let new = NewClient {
            id,
            client_id: spec.client_id,
            name: spec.name,
            secret: Some(&digest),
            redirect_uris: &[],
            backchannel_logout_uri: None,
            settings: &PortalSettings::default(),
            access,
        };
        if !writer.insert_client(&new, self.caller.now).await? {
            return wrong("there is a client of this name elsewhere; choose another".to_owned());
        }
        let details = json!({ "client_id": spec.client_id, "scopes": spec.scopes, "within": within });
        let event = self.caller.event(EventKind::ClientCreated, id.uuid(), details).at(within);
        writer.record(&[event], self.caller.request_id).await?;
        writer.commit().await?;
        Ok(true)
    }

    /// The clients that act on accounts which who asks looks after.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn list(&self, reach: &Reach) -> Result<Vec<Client>> {
        let mut clients = self.store.read(self.tenant).clients().await?;
        clients.retain(|client| reach.allows(Permission::ManageAccounts, client.within_id));
        Ok(clients)
    }

    /// Ends a client, and every access token of it, at once. Once is enough.
    ///
    /// # Errors
    /// When who asks looks after no account with such a client.
    pub async fn revoke(&self, id: ClientId, reach: &Reach) -> Result<()> {
        let mut writer = self.store.write(self.tenant).await?;
        let client = writer.clients().await?.into_iter().find(|client| client.id == id).ok_or(Error::NotFound("client"))?;
        reach.needs(Permission::ManageAccounts, client.within_id)?;
        if !writer.revoke_client(id, self.caller.now).await? {
            return Ok(());
        }
        let details = json!({ "client_id": client.client_id });
        let event = self.caller.event(EventKind::ClientRevoked, id.uuid(), details).at(client.within_id);
        writer.record(&[event], self.caller.request_id).await?;
        Ok(writer.commit().await?)
    }
}

/// The client of these credentials. Whoever has none that are good learns nothing of why.
///
/// # Errors
/// When the database cannot be asked.
pub async fn authenticate(store: &Store, client_id: &str, secret: &SecretString) -> Result<Option<ClientRow>> {
    let found = store.doors().client(client_id).await?;
    let digest = HashedToken::of(secret.expose_secret());
    Ok(found.filter(|client| client.secret_digest.as_ref() == Some(&digest)))
}

/// Makes an access token of a client, which lives for [`LIFETIME`].
///
/// # Errors
/// When the database cannot be written.
pub async fn issue(store: &Store, client: &ClientRow, scopes: &ClientScopes, caller: &Caller<'_>) -> Result<PlainToken> {
    let plain = PlainToken::access();
    let (id, expires_at) = (AccessTokenId::new(caller.now), caller.now + LIFETIME);
    let prefix = plain.lookup().unwrap_or_default();
    let new = NewAccessToken { id, client: client.id, prefix, digest: &plain.digest(), scopes, expires_at };
    let mut writer = store.write(client.tenant_id).await?;
    writer.insert_access_token(&new, caller.now).await?;
    writer.touch_client(client.id, caller.now).await?;
    let details = json!({ "token": id, "scopes": scopes, "expires_at": expires_at });
    let event = caller.event(EventKind::ClientTokenIssued, client.id.uuid(), details).at(client.within_id);
    writer.record(&[event], caller.request_id).await?;
    writer.commit().await?;
    Ok(plain)
}
