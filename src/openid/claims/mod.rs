//! What is said of a login to a portal: in its tokens, by userinfo and by introspection. Pure, but for [`standing`], which reads.
//!
//! Everything is about one login on one account: roles are those that count there, inherited ones among them, never those of the person's
//! other login. Who holds none there any more has no standing, and gets nothing.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::directory::catalogue::Catalogue;
use crate::directory::effective::{Place, effective_roles};
use crate::directory::{Result, RuleBook, counting_assignments};
use crate::model::{Account, AccountId, Acr, Assignment, GrantId, Login, LoginId, Portal, PortalGrant, TenantId};
use crate::store::{LoginRow, Reader};

/// How long a token says what was true when it was made.
pub const LIFETIME: TimeDelta = TimeDelta::minutes(5);
/// Bytes of the names of groups in a token. With more it names none, because neither a header nor an address has room for them; userinfo and
/// introspection name all.
pub const MOST_GROUP_BYTES: usize = 2_000;
/// A role that somebody holds for one service or instance alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NarrowedRole {
    pub role: String,
    pub service: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

/// Who the login of a grant is, and what it holds at the grant's account, at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    pub login: Login,
    /// Whether its person has another login in use, which they can switch to.
    pub linked: bool,
    /// What its directory says of it.
    pub scim: Value,
    /// From the root down to the account.
    pub account_path: Vec<AccountId>,
    /// What it holds for the whole account, in the catalogue's order.
    pub roles: Vec<String>,
    pub narrowed_roles: Vec<NarrowedRole>,
    /// The names of its groups.
    pub groups: BTreeSet<String>,
    /// What [`Standing::roles`] allow.
    pub entitlements: BTreeSet<String>,
}

/// Reads the standing of a grant's login. None when it holds no role at the account, or is no more.
///
/// # Errors
/// When the database cannot be asked.
pub async fn standing(reader: &mut Reader, grant: &PortalGrant, rules: &RuleBook) -> Result<Option<Standing>> {
    let slug = reader.tenant_row().await?.map(|tenant| tenant.catalogue);
    let Some(catalogue) = slug.and_then(|slug| rules.catalogue(&slug)) else { return Ok(None) };
    let Some(row) = reader.any_login(grant.login_id).await? else { return Ok(None) };
    let held = counting_assignments(reader, rules, grant.login_id).await?;
    let path = reader.account_path(grant.account_id).await?;
    let services = reader.services_of(grant.account_id).await?.into_iter().map(|service| service.key).collect();
    let groups = reader.memberships(&[grant.login_id]).await?.into_iter().map(|one| one.display).collect();
    let linked = reader.other_login_in_use(grant.login_id).await?.is_some();
    Ok(stand(catalogue, &path, &services, &held, row).map(|standing| Standing { linked, groups, ..standing }))
}

/// The standing of a login, but for its groups and its person's other login.
fn stand(
    catalogue: &Catalogue,
    path: &[Account],
    services: &BTreeSet<String>,
    held: &[Assignment],
    row: LoginRow,
) -> Option<Standing> {
    let up: Vec<_> = path.iter().collect();
    let roles = effective_roles(catalogue, Place { path: &up, services }, held);
    let counting: Vec<_> = roles.iter().filter(|held| held.counts()).collect();
    if counting.is_empty() {
        return None;
    }
    let whole: Vec<_> = counting.iter().filter(|held| held.is_whole()).collect();
    let narrowed = counting.iter().filter(|held| !held.is_whole()).filter_map(|held| {
        let (service, instance) = (held.service?.to_owned(), held.instance.map(ToOwned::to_owned));
        Some(NarrowedRole { role: held.role.key.clone(), service, instance })
    });
    Some(Standing {
        login: row.login,
        linked: false,
        scim: row.scim,
        account_path: path.iter().rev().map(|account| account.id).collect(),
        roles: whole.iter().map(|held| held.role.key.clone()).collect(),
        narrowed_roles: narrowed.collect(),
        groups: BTreeSet::new(),
        entitlements: whole.iter().flat_map(|held| held.role.permissions.iter().cloned()).collect(),
    })
}

/// What all that is made at one moment for one portal has in common.
#[derive(Clone, Copy, Debug)]
pub struct Issue<'a> {
    pub issuer: &'a str,
    pub portal: &'a Portal,
    pub grant: &'a PortalGrant,
    pub standing: &'a Standing,
    /// The scopes that the tokens are for: the grant's, or some of them.
    pub scopes: &'a [String],
    pub now: DateTime<Utc>,
}

impl Issue<'_> {
    /// When the tokens are over: never later than the session.
    #[must_use]
    pub fn expires_at(&self) -> DateTime<Utc> {
        (self.now + LIFETIME).min(self.grant.expires_at)
    }

    fn dated(&self) -> Map<String, Value> {
        object(json!({
            "iss": self.issuer,
            "sub": self.grant.login_id,
            "iat": self.now.timestamp(),
            "exp": self.expires_at().timestamp(),
            "sid": self.grant.sid,
            "auth_time": self.grant.auth_time().timestamp(),
            "acr": acr(self.grant).as_str(),
            "amr": amr(self.grant),
        }))
    }

    /// The claims of the access token (RFC 9068 section 2.2).
    #[must_use]
    pub fn access_token(&self, jti: &str) -> Map<String, Value> {
        let mut claims = self.dated();
        claims.extend(object(json!({
            "aud": self.portal.audience(),
            "client_id": self.portal.client_id,
            "jti": jti,
            "grant_id": self.grant.id,
            "scope": self.scopes.join(" "),
        })));
        claims.extend(self.standing.claims(self.grant, MOST_GROUP_BYTES));
        claims
    }

    /// The claims of the ID token (OpenID Connect Core section 2). A refreshed one has no nonce (section 12.2).
    #[must_use]
    pub fn id_token(&self, nonce: Option<&str>, access_token: &str) -> Map<String, Value> {
        let mut claims = self.dated();
        claims.insert("aud".to_owned(), json!(self.portal.client_id));
        claims.insert("at_hash".to_owned(), json!(half_hash(access_token)));
        if let Some(nonce) = nonce {
            claims.insert("nonce".to_owned(), json!(nonce));
        }
        claims.extend(self.standing.claims(self.grant, MOST_GROUP_BYTES));
        claims.extend(self.standing.profile(self.scopes));
        claims
    }
}

impl Standing {
    /// What userinfo says (OpenID Connect Core section 5.3.2).
    #[must_use]
    pub fn userinfo(&self, grant: &PortalGrant, scopes: &[String]) -> Map<String, Value> {
        let mut claims = self.claims(grant, usize::MAX);
        claims.insert("sub".to_owned(), json!(grant.login_id));
        claims.extend(self.profile(scopes));
        claims
    }

    /// What introspection says of a token that is good (RFC 7662 section 2.2), beside what that says itself.
    #[must_use]
    pub fn introspection(&self, grant: &PortalGrant, scopes: &[String]) -> Map<String, Value> {
        let mut claims = self.claims(grant, usize::MAX);
        claims.extend(object(json!({
            "active": true,
            "sub": grant.login_id,
            "sid": grant.sid,
            "scope": scopes.join(" "),
            "auth_time": grant.auth_time().timestamp(),
            "acr": acr(grant).as_str(),
            "amr": amr(grant),
        })));
        if has(scopes, "profile") {
            claims.insert("username".to_owned(), json!(self.login.user_name));
        }
        claims
    }

    /// Who it is to the portal, and what it holds.
    fn claims(&self, grant: &PortalGrant, most_bytes: usize) -> Map<String, Value> {
        let mut claims = object(json!({
            "tenant": grant.tenant_id,
            "person": grant.person_id,
            "login": { "id": grant.login_id, "kind": self.login.kind, "connection": grant.connection_id, "linked": self.linked },
            "account": grant.account_id,
            "account_path": self.account_path,
            "roles": self.roles,
            "entitlements": self.entitlements,
        }));
        if !self.narrowed_roles.is_empty() {
            claims.insert("narrowed_roles".to_owned(), json!(self.narrowed_roles));
        }
        if self.groups.iter().map(String::len).sum::<usize>() <= most_bytes {
            claims.insert("groups".to_owned(), json!(self.groups));
        }
        claims
    }

    /// What the scopes `profile` and `email` ask for (OpenID Connect Core section 5.4). Nothing is empty.
    fn profile(&self, scopes: &[String]) -> Map<String, Value> {
        let mut claims = Map::new();
        let mut tell =
            |name: &str, value: Option<String>| claims.extend(value.map(|value| (name.to_owned(), Value::String(value))));
        if has(scopes, "profile") {
            let part = |name: &str| text(self.scim.get("name").and_then(|parts| parts.get(name)));
            let (given, family) = (part("givenName"), part("familyName"));
            let joined = || {
                let parts: Vec<_> = [&given, &family].into_iter().flatten().map(String::as_str).collect();
                (!parts.is_empty()).then(|| parts.join(" "))
            };
            tell("name", text(self.scim.get("displayName")).or_else(|| part("formatted")).or_else(joined));
            tell("given_name", given);
            tell("family_name", family);
            tell("preferred_username", Some(self.login.user_name.clone()));
        }
        if has(scopes, "email")
            && let Some(email) = self.email()
        {
            tell("email", Some(email));
            // Its directory says it; nobody has proved that the mailbox is theirs.
            claims.insert("email_verified".to_owned(), json!(false));
        }
        claims
    }

    /// The primary address, else the first.
    fn email(&self) -> Option<String> {
        let all = self.scim.get("emails")?.as_array()?;
        let primary = all.iter().find(|email| email.get("primary") == Some(&Value::Bool(true)));
        text(primary.or_else(|| all.first())?.get("value"))
    }
}

/// Our class of how somebody signed in (`acr`). What an identity provider calls it is none.
fn acr(grant: &PortalGrant) -> Acr {
    grant.acr.as_deref().and_then(Acr::named).unwrap_or(Acr::Aal1)
}

/// By which methods (`amr`): by their identity provider, and there with a second factor where it is known to say so rightly.
fn amr(grant: &PortalGrant) -> Vec<&'static str> {
    let upstream = grant.connection_id.is_some().then_some("fed");
    upstream.into_iter().chain((acr(grant) == Acr::Aal2).then_some("mfa")).collect()
}

fn has(scopes: &[String], scope: &str) -> bool {
    scopes.iter().any(|one| one == scope)
}

fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).filter(|text| !text.trim().is_empty()).map(ToOwned::to_owned)
}

/// What an access token is called in its ID token (OpenID Connect Core section 3.1.3.6).
fn half_hash(token: &str) -> String {
    let digest = Sha256::digest(token);
    URL_SAFE_NO_PAD.encode(digest.get(..16).unwrap_or_default())
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// What an access token of ours says, as far as it is looked at again. The rest of it is for others.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AccessClaims {
    pub iss: String,
    pub sub: LoginId,
    pub aud: String,
    pub client_id: String,
    pub iat: i64,
    pub exp: i64,
    pub jti: String,
    pub tenant: TenantId,
    pub grant_id: GrantId,
    pub scope: String,
}

impl AccessClaims {
    /// The scopes that it is for.
    #[must_use]
    pub fn scopes(&self) -> Vec<String> {
        self.scope.split(' ').map(ToOwned::to_owned).collect()
    }
}

#[cfg(test)]
mod tests;
