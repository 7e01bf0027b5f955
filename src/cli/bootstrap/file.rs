//! What a bootstrap file says.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::directory::manage::GrantSpec;
use crate::model::{
    ClientScopes, JitPolicy, MissingClaim, Pattern, PortalSettings, SamlSettings, Scopes, SecondFactor, TokenEndpointAuthMethod,
};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    #[serde(default, rename = "tenant")]
    pub(super) tenants: Vec<Tenant>,
    #[serde(default, rename = "client")]
    pub(super) clients: Vec<Client>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tenant {
    pub(super) slug: String,
    pub(super) name: String,
    pub(super) catalogue: String,
    /// Minutes without a request, and minutes altogether, after which sessions end; left out, as long as the service allows.
    pub(super) session_idle: Option<i64>,
    pub(super) session_absolute: Option<i64>,
    #[serde(default, rename = "account")]
    pub(super) accounts: Vec<Account>,
    #[serde(default, rename = "connection")]
    pub(super) connections: Vec<Connection>,
    #[serde(default, rename = "domain")]
    pub(super) domains: Vec<Domain>,
    #[serde(default, rename = "directory")]
    pub(super) directories: Vec<Directory>,
    #[serde(default, rename = "rule")]
    pub(super) rules: Vec<Rule>,
    #[serde(default, rename = "client")]
    pub(super) clients: Vec<Machine>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Account {
    /// Slugs from the root down, joined by `/`; the first account of the file is the root.
    pub(super) path: String,
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Connection {
    pub(super) slug: String,
    pub(super) name: String,
    /// The issuer of OpenID Connect, or the entity id of SAML where there is no metadata.
    pub(super) issuer: Option<String>,
    /// It signs in by OpenID Connect.
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<SecretSource>,
    /// It signs in by SAML: what is known of its identity provider.
    pub(super) saml: Option<Saml>,
    #[serde(default)]
    pub(super) scopes: Vec<String>,
    #[serde(default)]
    pub(super) second_factor: SecondFactor,
    #[serde(default = "only_provisioned")]
    pub(super) jit: JitPolicy,
    #[serde(default)]
    pub(super) missing_claim: MissingClaim,
    pub(super) contact: Option<String>,
}

/// A SAML identity provider: where its metadata is, or what it would say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "saml"), expect(dead_code, reason = "without SAML it is refused unread"))]
pub(super) struct Saml {
    pub(super) metadata_url: Option<Url>,
    pub(super) metadata_file: Option<PathBuf>,
    /// PEM, each in a file of its own.
    #[serde(default)]
    pub(super) certificate_files: Vec<PathBuf>,
    #[serde(default)]
    pub(super) settings: SamlSettings,
    /// Left out, it is enabled as soon as it is made.
    #[serde(default = "yes")]
    pub(super) enabled: bool,
}

fn yes() -> bool {
    true
}

fn only_provisioned() -> JitPolicy {
    JitPolicy::IfProvisioned
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Domain {
    pub(super) name: String,
    /// Slugs of the connections that its people use.
    pub(super) connections: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Directory {
    pub(super) slug: String,
    pub(super) name: String,
    pub(super) profile: String,
    #[serde(default)]
    pub(super) settings: toml::Table,
    #[serde(default, rename = "token")]
    pub(super) tokens: Vec<Token>,
    #[serde(default, rename = "binding")]
    pub(super) bindings: Vec<BindingPair>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    pub(super) name: String,
    /// Left out, a token is made and printed.
    pub(super) secret: Option<SecretSource>,
    /// Left out, it may read and write by SCIM.
    #[serde(default)]
    pub(super) scopes: Scopes,
    /// Left out, it lives until it is revoked. Only a time with its zone is one.
    pub(super) expires_at: Option<toml::value::Datetime>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BindingPair {
    pub(super) connection: String,
    pub(super) claim: String,
    pub(super) attribute: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    pub(super) name: String,
    /// `directory:SLUG` or `connection:SLUG`.
    pub(super) from: String,
    pub(super) within: String,
    /// May be left out where there is a `match`.
    #[serde(default)]
    pub(super) when: String,
    #[serde(rename = "match")]
    pub(super) pattern: Option<Pattern>,
    pub(super) grant: Vec<Grant>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Grant {
    /// The key of a role, or `{name}` of a part of the pattern.
    pub(super) role: String,
    /// Path below `within`, `.` for `within` itself, or `{name}` of a part of the pattern.
    pub(super) account: String,
    /// Which role each value of the part is.
    #[serde(default, rename = "as")]
    pub(super) names: BTreeMap<String, String>,
}

impl Grant {
    pub(super) fn spec(&self) -> GrantSpec<'_> {
        GrantSpec { role: &self.role, account: &self.account, names: &self.names }
    }
}

/// A portal application.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Client {
    #[serde(rename = "client_id")]
    pub(super) id: String,
    pub(super) name: String,
    pub(super) redirect_uris: Vec<String>,
    #[serde(default)]
    pub(super) post_logout_redirect_uris: Vec<String>,
    pub(super) backchannel_logout_uri: Option<String>,
    /// For whom its access tokens are; left out, its `client_id`.
    pub(super) audience: Option<String>,
    /// Left out where there are neither keys nor `public`, one is made and printed.
    pub(super) secret: Option<SecretSource>,
    /// Its public keys: then it proves itself by `private_key_jwt`.
    pub(super) jwks: Option<serde_json::Value>,
    /// It runs where everybody can read it, and has PKCE alone.
    #[serde(default)]
    pub(super) public: bool,
}

impl Client {
    pub(super) fn settings(&self) -> PortalSettings {
        PortalSettings {
            token_endpoint_auth_method: match (&self.jwks, self.public) {
                (_, true) => TokenEndpointAuthMethod::None,
                (Some(_), false) => TokenEndpointAuthMethod::PrivateKeyJwt,
                (None, false) => TokenEndpointAuthMethod::ClientSecret,
            },
            jwks: self.jwks.clone(),
            post_logout_redirect_uris: self.post_logout_redirect_uris.clone(),
            audience: self.audience.clone(),
        }
    }
}

/// A client of the tenant that works for itself.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Machine {
    #[serde(rename = "client_id")]
    pub(super) id: String,
    pub(super) name: String,
    /// The account from which down it acts. Left out, the tenant's first one.
    pub(super) within: Option<String>,
    pub(super) scopes: ClientScopes,
    /// Left out, one is made and printed.
    pub(super) secret: Option<SecretSource>,
}

/// Where a secret comes from.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum SecretSource {
    Value(SecretString),
    File(PathBuf),
    Env(String),
}

impl SecretSource {
    pub(super) fn read(&self) -> anyhow::Result<SecretString> {
        match self {
            Self::Value(secret) => Ok(secret.clone()),
            Self::File(path) => {
                let text =
                    std::fs::read_to_string(path).with_context(|| format!("cannot read the secret in {}", path.display()))?;
                Ok(text.trim_end_matches(['\r', '\n']).into())
            }
            Self::Env(name) => Ok(std::env::var(name).with_context(|| format!("the variable {name} is not set"))?.into()),
        }
    }
}
