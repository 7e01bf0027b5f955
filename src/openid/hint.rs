//! ID tokens of ours that come back as a hint: `id_token_hint` of an authorization request, and of a sign-out.

use serde::Deserialize;

use super::keys::{KeysError, SigningKeys};
use crate::model::{LoginId, Sid};

/// What counts of an ID token that we gave a portal. It may have expired: it only says whom the portal means.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Hint {
    iss: String,
    aud: Audience,
    /// Whose it was.
    pub sub: LoginId,
    /// In which stay.
    pub sid: Sid,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Hint {
    /// For which portal it was.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        match &self.aud {
            Audience::One(name) => Some(name),
            Audience::Several(names) => names.first().filter(|_| names.len() == 1).map(String::as_str),
        }
    }
}

/// Proves a hint; `None` when it is no ID token of this service.
///
/// # Errors
/// When the keys cannot be looked up.
pub async fn read(keys: &SigningKeys, issuer: &str, token: &str) -> Result<Option<Hint>, KeysError> {
    match keys.verify::<Hint>(token, "JWT").await {
        Ok(hint) => Ok(Some(hint).filter(|hint| hint.iss == issuer)),
        Err(KeysError::NotOurs) => Ok(None),
        Err(error) => Err(error),
    }
}
