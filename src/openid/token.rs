//! Codes and refresh tokens for tokens, and what ends them (RFC 6749 sections 4.1.3 and 6, RFC 9700 sections 2.1.1 and 4.14).
//!
//! A code is good once, and so is each refresh token. One that comes again was in two hands, so its grant ends with everything that came of
//! it, whoever of the two was first. What another portal shows, or what does not fit the code, ends nothing: else
//! anybody could end what is not theirs. A code that is shown with a wrong verifier or address stays good for the rest of its minute; there
//! is nothing to be found out by trying, for a verifier has more values than anybody can try.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::claims::{AccessClaims, Issue, Standing, standing};
use super::keys::{KeysError, SigningKeys};
use crate::directory::{self, Caller, RuleBook};
use crate::keys::{HashedToken, PlainToken};
use crate::model::{AccountId, ClientId, EventKind, GrantId, LoginId, Portal, PortalGrant, SessionLimits, TenantId};
use crate::store::{self, Races, Reader, Store, retry};

/// What grants are made into tokens with, and who asks.
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    pub store: &'a Store,
    pub signing: &'a SigningKeys,
    pub rules: &'a RuleBook,
    pub issuer: String,
    /// The service's own limits of sessions; a tenant may have narrower ones.
    pub limits: SessionLimits,
    pub caller: Caller<'a>,
}

/// What a portal gets.
#[derive(Debug)]
pub struct Issued {
    pub access_token: String,
    /// Not where a refresh asked for other scopes than `openid`.
    pub id_token: Option<String>,
    pub refresh_token: PlainToken,
    pub expires_in: i64,
    pub scope: String,
}

/// Why a portal gets nothing.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// `invalid_grant`; the text is for our log.
    #[error("{0}")]
    Grant(&'static str),
    /// `invalid_scope`: it was not given all of these.
    #[error("the grant has not all of these scopes")]
    Scope,
    #[error(transparent)]
    Directory(#[from] directory::Error),
    #[error(transparent)]
    Keys(#[from] KeysError),
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Self {
        Self::Directory(error.into())
    }
}

impl Races for Refusal {
    fn is_race(&self) -> bool {
        matches!(self, Self::Directory(error) if error.is_race())
    }
}

/// A token of a grant that counts, with what is true of it now.
#[derive(Clone, Debug)]
pub struct Live {
    pub claims: AccessClaims,
    pub grant: PortalGrant,
    pub standing: Standing,
}

/// Whose a code or a refresh token is.
#[derive(Clone, Copy, Debug)]
struct Owner {
    tenant: TenantId,
    grant: GrantId,
    login: LoginId,
    account: AccountId,
}

/// Whether a verifier is the one of a challenge (RFC 7636 section 4.6).
fn verifies(verifier: &str, challenge: &str) -> bool {
    let is_one = (43..=128).contains(&verifier.len())
        && verifier.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'));
    let made = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    is_one && bool::from(made.as_bytes().ct_eq(challenge.as_bytes()))
}

/// The scopes that a refresh asks for, all of the grant's if it asks for none (RFC 6749 section 6).
fn narrowed(asked: Option<&str>, granted: &[String]) -> Option<Vec<String>> {
    let Some(asked) = asked else { return Some(granted.to_vec()) };
    let asked: Vec<_> = asked.split(' ').map(ToOwned::to_owned).collect();
    asked.iter().all(|scope| granted.contains(scope)).then_some(asked)
}

impl Tokens<'_> {
    /// Redeems a code.
    ///
    /// # Errors
    /// When it is none of the portal's, was redeemed before, is over or does not fit, or its grant does not count.
    pub async fn redeem(&self, portal: &Portal, code: &str, redirect_uri: &str, verifier: &str) -> Result<Issued, Refusal> {
        let row = self.store.doors().code(&HashedToken::of(code)).await?;
        let row = row.filter(|row| row.client_id == portal.id).ok_or(Refusal::Grant("a code that is none of the portal's"))?;
        let owner = Owner { tenant: row.tenant_id, grant: row.grant_id, login: row.login_id, account: row.account_id };
        if row.redeemed_at.is_some() {
            self.end(portal, owner, "code_reused").await?;
            return Err(Refusal::Grant("a code that was redeemed before"));
        }
        if self.caller.now >= row.code_expires_at {
            return Err(Refusal::Grant("a code that is over"));
        }
        if row.redirect_uri != redirect_uri {
            return Err(Refusal::Grant("a code with another redirect_uri"));
        }
        if !verifies(verifier, &row.code_challenge) {
            return Err(Refusal::Grant("a code with a wrong verifier"));
        }
        let grant = self.live(owner.tenant, owner.grant).await?.ok_or(Refusal::Grant("a grant that does not count"))?;
        let issued = self.make(portal, &grant, &grant.scopes, row.nonce.as_deref()).await?;
        let digest = issued.refresh_token.digest();
        match retry(|| self.keep_redeemed(portal, &grant, &digest)).await? {
            Kept::Yes => Ok(issued),
            Kept::Used => {
                self.end(portal, owner, "code_reused").await?;
                Err(Refusal::Grant("a code that was redeemed meanwhile"))
            }
            Kept::Over => Err(Refusal::Grant("a grant that ended meanwhile")),
        }
    }

    /// Hands a refresh token on: the next one, and new tokens.
    ///
    /// # Errors
    /// When it is none of the portal's or was used before, or its grant does not count, or has not all of the scopes.
    pub async fn refresh(&self, portal: &Portal, token: &str, scope: Option<&str>) -> Result<Issued, Refusal> {
        let used = HashedToken::of(token);
        let row = self.store.doors().refresh_token(&used).await?;
        let row =
            row.filter(|row| row.client_id == portal.id).ok_or(Refusal::Grant("a refresh token that is none of the portal's"))?;
        let owner = Owner { tenant: row.tenant_id, grant: row.grant_id, login: row.login_id, account: row.account_id };
        if row.used_at.is_some() {
            self.end(portal, owner, "refresh_token_reused").await?;
            return Err(Refusal::Grant("a refresh token that was used before"));
        }
        let grant = self.live(owner.tenant, owner.grant).await?.ok_or(Refusal::Grant("a grant that does not count"))?;
        let scopes = narrowed(scope, &grant.scopes).ok_or(Refusal::Scope)?;
        let issued = self.make(portal, &grant, &scopes, None).await?;
        let digest = issued.refresh_token.digest();
        match retry(|| self.keep_refreshed(&grant, &used, &digest)).await? {
            Kept::Yes => Ok(issued),
            Kept::Used => {
                self.end(portal, owner, "refresh_token_reused").await?;
                Err(Refusal::Grant("a refresh token that was used meanwhile"))
            }
            Kept::Over => Err(Refusal::Grant("a grant that ended meanwhile")),
        }
    }

    /// What an access token of ours means now. None when it is over, or its grant does not count any more.
    ///
    /// # Errors
    /// When the database cannot be asked: then nobody knows.
    pub async fn look(&self, token: &str) -> Result<Option<Live>, Refusal> {
        let Some(claims) = self.read(token).await?.filter(|claims| claims.exp > self.caller.now.timestamp()) else {
            return Ok(None);
        };
        let Some(grant) = self.live(claims.tenant, claims.grant_id).await? else { return Ok(None) };
        let standing = standing(&mut self.store.read(claims.tenant), &grant, self.rules).await?;
        Ok(standing.filter(|_| grant.login_id == claims.sub).map(|standing| Live { claims, grant, standing }))
    }

    /// What a refresh token of a portal that is still good stands for.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn look_at_refresh(&self, portal: &Portal, token: &str) -> Result<Option<(PortalGrant, Standing)>, Refusal> {
        let row = self.store.doors().refresh_token(&HashedToken::of(token)).await?;
        let Some(row) = row.filter(|row| row.client_id == portal.id && row.used_at.is_none()) else { return Ok(None) };
        let Some(grant) = self.live(row.tenant_id, row.grant_id).await? else { return Ok(None) };
        let standing = standing(&mut self.store.read(row.tenant_id), &grant, self.rules).await?;
        Ok(standing.map(|standing| (grant, standing)))
    }

    /// Ends the grant of a refresh token or an access token, also of one that is used up or over (RFC 7009). Answers false when the token is
    /// another portal's, which is then left alone. One that nobody knows has ended.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn revoke(&self, portal: &Portal, token: &str) -> Result<bool, Refusal> {
        if let Some(row) = self.store.doors().refresh_token(&HashedToken::of(token)).await? {
            if row.client_id != portal.id {
                return Ok(false);
            }
            let owner = Owner { tenant: row.tenant_id, grant: row.grant_id, login: row.login_id, account: row.account_id };
            self.end(portal, owner, "portal").await?;
            return Ok(true);
        }
        let Some(claims) = self.read(token).await? else { return Ok(true) };
        if claims.client_id != portal.client_id {
            return Ok(false);
        }
        if let Some(grant) = self.live(claims.tenant, claims.grant_id).await? {
            let owner = Owner { tenant: grant.tenant_id, grant: grant.id, login: grant.login_id, account: grant.account_id };
            self.end(portal, owner, "portal").await?;
        }
        Ok(true)
    }

    /// Reads an access token of ours, whether it is over or not.
    async fn read(&self, token: &str) -> Result<Option<AccessClaims>, Refusal> {
        match self.signing.verify::<AccessClaims>(token, "at+jwt").await {
            Ok(claims) => Ok(Some(claims).filter(|claims| claims.iss == self.issuer)),
            Err(KeysError::NotOurs) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn live(&self, tenant: TenantId, grant: GrantId) -> Result<Option<PortalGrant>, Refusal> {
        Ok(self.store.read(tenant).grant(grant, self.caller.now, self.limits).await?)
    }

    /// Makes tokens, which count once their refresh token is kept. Signed before anything is written, so that no transaction waits for it.
    async fn make(&self, portal: &Portal, grant: &PortalGrant, scopes: &[String], nonce: Option<&str>) -> Result<Issued, Refusal> {
        let mut reader = self.store.read(grant.tenant_id);
        let standing = standing(&mut reader, grant, self.rules).await?;
        let standing = standing.ok_or(Refusal::Grant("a login without a role on the account"))?;
        let now = self.caller.now;
        let issue = Issue { issuer: &self.issuer, portal, grant, standing: &standing, scopes, now };
        let jti = PlainToken::bare().reveal();
        let access_token = self.signing.sign("at+jwt", &issue.access_token(jti.expose_secret())).await?;
        let id_token = if scopes.iter().any(|scope| scope == "openid") {
            Some(self.signing.sign("JWT", &issue.id_token(nonce, &access_token)).await?)
        } else {
            None
        };
        Ok(Issued {
            access_token,
            id_token,
            refresh_token: PlainToken::bare(),
            expires_in: (issue.expires_at() - now).num_seconds(),
            scope: scopes.join(" "),
        })
    }

    /// Takes the code and keeps the first refresh token, in one transaction. The session is touched first: whoever ends one locks it before
    /// its grants.
    async fn keep_redeemed(&self, portal: &Portal, grant: &PortalGrant, refresh: &HashedToken) -> Result<Kept, Refusal> {
        let now = self.caller.now;
        let mut writer = self.store.write(grant.tenant_id).await?;
        writer.touch_session(grant.session_id, now).await?;
        if !writer.redeem_code(grant.id, now).await? {
            return Ok(Kept::Used);
        }
        if Reader::grant(&mut writer, grant.id, now, self.limits).await?.is_none() {
            return Ok(Kept::Over);
        }
        writer.insert_refresh_token(grant.id, refresh, now).await?;
        let details = json!({ "grant": grant.id, "client": portal.id, "client_id": portal.client_id, "session": grant.session_id, "scopes": grant.scopes });
        let event = self.caller.event(EventKind::GrantRedeemed, grant.login_id.uuid(), details).at(grant.account_id);
        writer.record(&[event], self.caller.request_id).await?;
        writer.commit().await?;
        Ok(Kept::Yes)
    }

    /// Uses a refresh token up and keeps the next. There is no event of it: a portal does it every five minutes for as long as somebody
    /// works, which the rows of the used tokens tell as well.
    async fn keep_refreshed(&self, grant: &PortalGrant, used: &HashedToken, next: &HashedToken) -> Result<Kept, Refusal> {
        let now = self.caller.now;
        let mut writer = self.store.write(grant.tenant_id).await?;
        writer.touch_session(grant.session_id, now).await?;
        if !writer.use_refresh_token(used, now).await? {
            return Ok(Kept::Used);
        }
        if Reader::grant(&mut writer, grant.id, now, self.limits).await?.is_none() {
            return Ok(Kept::Over);
        }
        writer.insert_refresh_token(grant.id, next, now).await?;
        writer.commit().await?;
        Ok(Kept::Yes)
    }

    /// Ends a grant, once.
    async fn end(&self, portal: &Portal, owner: Owner, reason: &'static str) -> Result<(), Refusal> {
        retry(|| self.end_once(portal.id, owner, reason)).await
    }

    async fn end_once(&self, portal: ClientId, owner: Owner, reason: &'static str) -> Result<(), Refusal> {
        let mut writer = self.store.write(owner.tenant).await?;
        if writer.revoke_grant(owner.grant, self.caller.now).await? {
            let details = json!({ "grant": owner.grant, "client": portal, "reason": reason });
            let event = self.caller.event(EventKind::GrantRevoked, owner.login.uuid(), details).at(owner.account);
            writer.record(&[event], self.caller.request_id).await?;
            writer.commit().await?;
        }
        Ok(())
    }
}

/// What became of tokens that were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Yes,
    /// What they were to be given for had been used.
    Used,
    /// The grant ended before.
    Over,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_is_that_of_its_challenge_and_no_other() {
        // RFC 7636 appendix B.
        let (verifier, challenge) = ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(verifies(verifier, challenge));
        let of = |verifier: &str| URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        for good in ["a".repeat(43), "~._-".repeat(32)] {
            assert!(verifies(&good, &of(&good)), "{good}");
        }
        for bad in ["", "plain", &"a".repeat(42), &"a".repeat(129), &" ".repeat(43), &"ä".repeat(43)] {
            assert!(!verifies(bad, &of(bad)), "{bad}");
        }
        // PKCE downgrade: the challenge itself is no verifier, as it would be by `plain`.
        assert!(!verifies(challenge, challenge) && !verifies(verifier, "") && !verifies(verifier, verifier));
    }

    #[test]
    fn scopes_are_narrowed_and_never_widened() {
        let granted = ["openid", "profile"].map(ToOwned::to_owned);
        let of = |asked| narrowed(asked, &granted).map(|scopes| scopes.join(" "));
        for (asked, expected) in [
            (None, Some("openid profile")),
            (Some("profile"), Some("profile")),
            (Some("profile openid"), Some("profile openid")),
            (Some("openid email"), None),
            (Some("openid  profile"), None),
            (Some("OPENID"), None),
        ] {
            assert_eq!(of(asked).as_deref(), expected, "{asked:?}");
        }
    }
}
