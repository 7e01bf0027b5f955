//! The bearer tokens of a directory: made, handed on by rotation, ended, listed.
//!
//! A token in clear leaves here once, as [`Issued`]; what is kept is its digest. Its scopes never change, so a client that needs others
//! gets another token. Rotation makes a new token of the same name and scopes, and the old one lives on for an overlap, in which
//! the client is given the new one: nothing stands still meanwhile.

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::{Caller, Error};
use crate::keys::{BearerToken, HashedToken, PlainToken};
use crate::model::{DirectoryId, Event, EventKind, Scopes, TenantId, Token, TokenId, TokenState};
use crate::store::{self, NewToken, Races, Store, Writer, retry};

/// How long a token that was replaced lives on, unless its rotation says otherwise.
pub const DEFAULT_OVERLAP: TimeDelta = TimeDelta::hours(24);
/// The longest that a token which was replaced may live on.
pub const MAX_OVERLAP: TimeDelta = TimeDelta::days(30);
/// Characters of a token's name.
pub const MAX_NAME_CHARS: usize = 100;

/// The tokens of one directory, and who asks.
#[derive(Clone, Copy, Debug)]
pub struct Tokens<'a> {
    pub store: &'a Store,
    pub tenant: TenantId,
    pub directory: DirectoryId,
    pub caller: Caller<'a>,
}

/// A token to be made.
#[derive(Clone, Debug)]
pub struct TokenSpec {
    pub name: String,
    pub scopes: Scopes,
    /// Left out, it lives until it is revoked.
    pub expires_at: Option<DateTime<Utc>>,
}

/// How a token is handed on.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// How long the old token lives on, from now; it never outlives its own end.
    pub overlap: TimeDelta,
    /// When the new token ends. Left out, it lives as long from now as the old one was made to live.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { overlap: DEFAULT_OVERLAP, expires_at: None }
    }
}

/// A token that was just made, with what its client has to send. The latter is not kept anywhere.
#[derive(Debug)]
pub struct Issued {
    pub token: Token,
    pub plain: PlainToken,
}

/// Why a command of this module changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The tenant has no such directory, or the directory has no such token.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// A token that is neither replaced nor ended has this name.
    #[error("the directory has a token of this name; rotate or revoke that one, or choose another name")]
    NameTaken,
    /// Only an active token can be handed on.
    #[error("{}", match .0 {
        TokenState::Replaced => "the token was rotated before; rotate the one that took its place",
        TokenState::Expired => "the token has expired; issue a new one, which may have the same name",
        TokenState::Active | TokenState::Revoked => "the token was revoked; issue a new one, which may have the same name",
    })]
    Ended(TokenState),
    /// What was asked for cannot be.
    #[error("{0}")]
    Invalid(String),
    #[error(transparent)]
    Directory(#[from] Error),
}

impl From<store::Error> for TokenError {
    fn from(error: store::Error) -> Self {
        Self::Directory(error.into())
    }
}

impl Races for TokenError {
    fn is_race(&self) -> bool {
        matches!(self, Self::Directory(error) if error.is_race())
    }
}

type Result<T> = std::result::Result<T, TokenError>;

impl Tokens<'_> {
    /// Makes a token. An expired one of the same name gives up its name, and counts as revoked from now on.
    ///
    /// # Errors
    /// When the name is taken or is no name, or the token would end before it begins.
    pub async fn issue(&self, spec: &TokenSpec) -> Result<Issued> {
        self.check(&spec.name, spec.expires_at)?;
        retry(|| async {
            let mut writer = self.open().await?;
            let held = writer.tokens(self.directory).await?.into_iter().find(|token| holds(token, &spec.name));
            if let Some(held) = held.filter(|token| token.state(self.caller.now) == TokenState::Expired) {
                self.end(&mut writer, &held).await?;
            }
            let plain = PlainToken::bearer();
            let prefix = plain.lookup().unwrap_or_default().to_owned();
            let id = self.insert(&mut writer, spec, &prefix, &plain.digest(), None).await?;
            self.finish(writer, id, plain).await
        })
        .await
    }

    /// Makes a token that the operator chose, once: where the directory has or had one of that name, nothing is made, so that a second run of
    /// the same file never brings back a token that was revoked. Answers whether it was made.
    ///
    /// # Errors
    /// As [`Tokens::issue`], and when the text has not the form of a token of this service.
    pub async fn ensure(&self, spec: &TokenSpec, secret: &SecretString) -> Result<bool> {
        let parsed = BearerToken::parse(secret.expose_secret())
            .map_err(|error| TokenError::Invalid(format!("token {:?}: {error}", spec.name)))?;
        let mut writer = self.open().await?;
        if writer.tokens(self.directory).await?.iter().any(|token| token.name == spec.name) {
            return Ok(false);
        }
        self.check(&spec.name, spec.expires_at)?;
        match self.insert(&mut writer, spec, parsed.lookup, &parsed.digest, None).await {
            Ok(_) => {}
            // Another run was faster.
            Err(TokenError::NameTaken) => return Ok(false),
            Err(error) => return Err(error),
        }
        writer.commit().await?;
        Ok(true)
    }

    /// Makes the token that takes the place of another. Both are good until the overlap is over.
    ///
    /// # Errors
    /// When the directory has no such token, it is not active, or the overlap is longer than [`MAX_OVERLAP`].
    pub async fn rotate(&self, id: TokenId, rotation: &Rotation) -> Result<Issued> {
        if rotation.overlap < TimeDelta::zero() || rotation.overlap > MAX_OVERLAP {
            return Err(TokenError::Invalid(format!("the overlap is from 0 to {} seconds", MAX_OVERLAP.num_seconds())));
        }
        let now = self.caller.now;
        retry(|| async {
            let mut writer = self.open().await?;
            let old = writer.token_for_update(self.directory, id).await?.ok_or(TokenError::NotFound("token"))?;
            match old.state(now) {
                TokenState::Active => {}
                ended => return Err(TokenError::Ended(ended)),
            }
            let expires_at = rotation.expires_at.or_else(|| old.lifetime().map(|lifetime| now + lifetime));
            self.check(&old.name, expires_at)?;
            let overlap_ends = now + rotation.overlap;
            let ends_at = old.expires_at.map_or(overlap_ends, |end| end.min(overlap_ends));
            writer.replace_token(id, ends_at, now).await?;
            let spec = TokenSpec { name: old.name, scopes: old.scopes, expires_at };
            let plain = PlainToken::bearer();
            let prefix = plain.lookup().unwrap_or_default().to_owned();
            let new = self.insert(&mut writer, &spec, &prefix, &plain.digest(), Some(id)).await?;
            let details = json!({ "directory": self.directory, "name": spec.name, "replaced_by": new, "ends_at": ends_at });
            self.record(&mut writer, EventKind::TokenRotated, id, details).await?;
            self.finish(writer, new, plain).await
        })
        .await
    }

    /// Ends a token at once. One that was revoked before stays as it is.
    ///
    /// # Errors
    /// When the directory has no such token.
    pub async fn revoke(&self, id: TokenId) -> Result<()> {
        retry(|| async {
            let mut writer = self.open().await?;
            let token = writer.token_for_update(self.directory, id).await?.ok_or(TokenError::NotFound("token"))?;
            self.end(&mut writer, &token).await?;
            Ok(writer.commit().await?)
        })
        .await
    }

    /// All tokens of the directory, ended ones too, by name and then as they were made.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self) -> Result<Vec<Token>> {
        Ok(self.store.read(self.tenant).tokens(self.directory).await?)
    }

    async fn open(&self) -> Result<Writer> {
        let mut writer = self.store.write(self.tenant).await?;
        let known = writer.directories().await?.iter().any(|directory| directory.id == self.directory);
        if known { Ok(writer) } else { Err(TokenError::NotFound("directory")) }
    }

    fn check(&self, name: &str, expires_at: Option<DateTime<Utc>>) -> Result<()> {
        let named = !name.trim().is_empty() && name.chars().count() <= MAX_NAME_CHARS && !name.chars().any(char::is_control);
        if !named {
            let text =
                format!("token {name:?}: a name has 1 to {MAX_NAME_CHARS} characters, no control characters, and not only spaces");
            return Err(TokenError::Invalid(text));
        }
        if expires_at.is_some_and(|at| at <= self.caller.now) {
            return Err(TokenError::Invalid(format!("token {name:?}: it would end before it begins")));
        }
        Ok(())
    }

    async fn insert(
        &self,
        writer: &mut Writer,
        spec: &TokenSpec,
        prefix: &str,
        digest: &HashedToken,
        replaces: Option<TokenId>,
    ) -> Result<TokenId> {
        let id = TokenId::new(self.caller.now);
        let new = NewToken {
            id,
            directory_id: self.directory,
            name: &spec.name,
            prefix,
            digest,
            scopes: &spec.scopes,
            created_by: &self.caller.actor,
            expires_at: spec.expires_at,
            replaces,
        };
        if !writer.insert_token(&new, self.caller.now).await? {
            return Err(TokenError::NameTaken);
        }
        let details = json!({
            "directory": self.directory,
            "name": spec.name,
            "scopes": spec.scopes,
            "expires_at": spec.expires_at,
            "replaces": replaces,
        });
        self.record(writer, EventKind::TokenIssued, id, details).await?;
        Ok(id)
    }

    async fn end(&self, writer: &mut Writer, token: &Token) -> Result<()> {
        if !writer.revoke_token(token.id, self.caller.now).await? {
            return Ok(());
        }
        let details = json!({ "directory": self.directory, "name": token.name, "was": token.state(self.caller.now) });
        self.record(writer, EventKind::TokenRevoked, token.id, details).await
    }

    async fn record(&self, writer: &mut Writer, kind: EventKind, id: TokenId, details: serde_json::Value) -> Result<()> {
        let directory = writer.directory(self.directory).await?.ok_or(TokenError::NotFound("directory"))?;
        let event: Event = self.caller.event(kind, id.uuid(), details).at(directory.home_account_id);
        Ok(writer.record(&[event], self.caller.request_id).await?)
    }

    async fn finish(&self, mut writer: Writer, id: TokenId, plain: PlainToken) -> Result<Issued> {
        let token = writer.token_for_update(self.directory, id).await?.ok_or(TokenError::NotFound("token"))?;
        writer.commit().await?;
        Ok(Issued { token, plain })
    }
}

/// Whether a token keeps others from having this name.
fn holds(token: &Token, name: &str) -> bool {
    token.name == name && token.replaced_at.is_none() && token.revoked_at.is_none()
}
