//! Connections and the pairs that bind their sign-ins to provisioned logins.

use serde::{Deserialize, Serialize};

use super::{AccountId, ConnectionId, DirectoryId, SamlSettings, SecondFactor};

/// How a connection's identity provider signs people in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Protocol {
    Oidc,
    Saml,
}

/// Whether sign-ins may use a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum ConnectionState {
    Draft,
    Enabled,
    Disabled,
}

/// Whether a sign-in may create a login (just-in-time provisioning).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "kebab-case")]
#[sqlx(type_name = "text", rename_all = "kebab-case")]
pub enum JitPolicy {
    /// Never: an unknown subject is refused, and nothing is bound.
    Off,
    /// Only logins that a joined directory provisioned are bound; none is created.
    IfProvisioned,
    /// An unknown subject gets a login.
    On,
}

/// What happens to roles that claims gave when the claim does not come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum MissingClaim {
    /// They end: a missing claim is an empty one.
    #[default]
    Clear,
    /// The values of the last sign-in stay.
    Keep,
    /// The sign-in is refused.
    Deny,
}

/// The trust with one customer identity provider for signing in.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Connection {
    pub id: ConnectionId,
    /// Short name in configuration files; unique in the tenant.
    pub slug: String,
    /// Shown to people on the sign-in page.
    pub name: String,
    pub state: ConnectionState,
    /// The issuer identifier, compared exactly (OpenID Connect Discovery section 4.3), or the entity id (SAML Core section 8.3.6).
    pub issuer: String,
    pub jit: JitPolicy,
    pub missing_claim: MissingClaim,
    /// Where logins that this connection creates have their home.
    pub home_account_id: AccountId,
    /// Whom people are told to ask when a sign-in is refused.
    pub contact: Option<String>,
    #[sqlx(json)]
    pub settings: ConnectionSettings,
    /// Raised when the connection's sessions must end at once.
    pub epoch: i64,
}

impl Connection {
    /// How its identity provider signs people in.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.settings.protocol()
    }

    /// Its settings, if it signs in by OpenID Connect.
    #[must_use]
    pub const fn oidc(&self) -> Option<&OidcSettings> {
        match &self.settings {
            ConnectionSettings::Oidc(settings) => Some(settings),
            ConnectionSettings::Saml(_) => None,
        }
    }

    /// Its settings, if it signs in by SAML.
    #[must_use]
    pub fn saml(&self) -> Option<&SamlSettings> {
        match &self.settings {
            ConnectionSettings::Oidc(_) => None,
            ConnectionSettings::Saml(settings) => Some(settings),
        }
    }

    /// What of its identity provider's words counts as a second factor.
    #[must_use]
    pub fn second_factor(&self) -> &SecondFactor {
        match &self.settings {
            ConnectionSettings::Oidc(settings) => &settings.second_factor,
            ConnectionSettings::Saml(settings) => &settings.second_factor,
        }
    }
}

/// What a connection needs besides its issuer, by its protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "protocol")]
pub enum ConnectionSettings {
    Oidc(OidcSettings),
    Saml(Box<SamlSettings>),
}

impl ConnectionSettings {
    /// The protocol that they are for.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        match self {
            Self::Oidc(_) => Protocol::Oidc,
            Self::Saml(_) => Protocol::Saml,
        }
    }
}

impl From<OidcSettings> for ConnectionSettings {
    fn from(settings: OidcSettings) -> Self {
        Self::Oidc(settings)
    }
}

impl From<SamlSettings> for ConnectionSettings {
    fn from(settings: SamlSettings) -> Self {
        Self::Saml(Box::new(settings))
    }
}

/// What an OpenID Connect connection needs besides its issuer and secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcSettings {
    pub client_id: String,
    /// Asked for beside `openid`.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// What of its words counts as a second factor.
    #[serde(default)]
    pub second_factor: SecondFactor,
}

/// The claim that is the subject itself (OpenID Connect Core section 2). Nobody has to approve it as a name that never changes.
pub const SUBJECT_CLAIM: &str = "sub";

/// A binding pair: which claim of the sign-in equals which attribute of the provisioned login.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Binding {
    pub directory_id: DirectoryId,
    pub connection_id: ConnectionId,
    /// For example `sub` or `oid`.
    pub claim: String,
    /// `externalId` or `userName`.
    pub attribute: String,
}

impl Binding {
    /// What a sign-in has to prove of a provisioned login to be its first; `None` when the directory gave the attribute no value.
    #[must_use]
    pub fn pair_value(&self, user_name: &str, external_id: Option<&str>) -> Option<PairValue> {
        let value = match self.attribute.as_str() {
            "externalId" => external_id?,
            _ => user_name,
        };
        self.pair_with(value)
    }

    /// The pair with a value of its claim; `None` when that is empty.
    #[must_use]
    pub fn pair_with(&self, value: &str) -> Option<PairValue> {
        PairValue::new(self.connection_id, &self.claim, value)
    }
}

/// A value of a binding pair: what a connection says in a claim, compared exactly.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct PairValue {
    pub connection: ConnectionId,
    pub claim: String,
    pub value: String,
}

impl PairValue {
    /// A value of a claim; `None` when it is empty.
    #[must_use]
    pub fn new(connection: ConnectionId, claim: &str, value: &str) -> Option<Self> {
        let pair = Self { connection, claim: claim.to_owned(), value: value.to_owned() };
        (!value.is_empty()).then_some(pair)
    }

    /// Whether it is an address, in whatever claim it came. An address names a mailbox, which changes hands, and not a person.
    #[must_use]
    pub fn is_email_shaped(&self) -> bool {
        self.value.contains(['@', '\u{ff20}'])
    }
}
