//! Sign-ins with a provider that does one thing wrong: each is refused for the right reason, and tells no secret.
//!
//! Names that begin with `oidcc_client_test` are the OpenID Foundation's conformance tests of relying parties, done again here against a
//! scripted provider; names with O and a number are the attacks of the threat list.

mod conformance;
mod demands;
mod discovery;
mod evil;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use url::Url;
use vestibule::clock::Clock;
use vestibule::federation::{Begun, Callback, Federation, Pending, Refused, Trace};
use vestibule::model::{
    AccountId, Connection, ConnectionId, ConnectionState, Demand, ExternalIdentity, JitPolicy, MissingClaim, OidcSettings,
    SecondFactor, TenantId,
};
use vestibule::net;

use crate::support::evil_idp::{CLIENT_ID, CLIENT_SECRET, EvilIdp, Script};

/// A connection with a scripted provider.
pub(super) struct Door {
    pub(super) idp: EvilIdp,
    pub(super) clock: Clock,
    pub(super) federation: Federation,
    pub(super) connection: Connection,
    tenant: TenantId,
    secret: SecretString,
    redirect_uri: Url,
    /// What its sign-ins must prove.
    pub(super) demand: Demand,
}

pub(super) fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

impl Door {
    pub(super) async fn new() -> Self {
        let idp = EvilIdp::start(noon()).await;
        let clock = Clock::fixed(noon());
        let settings =
            net::Settings { allow: vec!["127.0.0.1".into()], timeout: Duration::from_secs(2), ..net::Settings::default() };
        let connection = Connection {
            id: ConnectionId::new(noon()),
            slug: "entra".into(),
            name: "Entra".into(),
            state: ConnectionState::Enabled,
            issuer: idp.issuer().to_owned(),
            jit: JitPolicy::Off,
            missing_claim: MissingClaim::Clear,
            home_account_id: AccountId::new(noon()),
            contact: None,
            settings: OidcSettings {
                client_id: CLIENT_ID.into(),
                scopes: vec!["openid".into(), "profile".into(), "email".into()],
                second_factor: SecondFactor::default(),
            }
            .into(),
            epoch: 0,
        };
        let federation = Federation::new(net::Client::new(settings).unwrap(), clock.clone());
        let redirect_uri = "https://vestibule.example/sign-in/oidc/entra/callback".parse().unwrap();
        Self {
            idp,
            clock,
            federation,
            connection,
            tenant: TenantId::new(noon()),
            secret: CLIENT_SECRET.to_owned().into(),
            redirect_uri,
            demand: Demand::default(),
        }
    }

    /// A door whose provider does what `change` says.
    pub(super) async fn with(change: impl FnOnce(&mut Script)) -> Self {
        let door = Self::new().await;
        change(&mut door.idp.script());
        door
    }

    /// Time goes by, here and at the provider.
    pub(super) fn wait(&self, by: TimeDelta) {
        self.clock.advance(by);
        self.idp.script().now += by;
    }

    pub(super) async fn begin(&self, trace: &mut Trace) -> Result<Begun, Refused> {
        self.federation.begin(&self.connection, &self.redirect_uri, &self.demand, trace).await
    }

    pub(super) async fn finish(
        &self,
        begun: &Begun,
        back: Map<String, Value>,
        trace: &mut Trace,
    ) -> Result<ExternalIdentity, Refused> {
        let code = back.get("code").and_then(Value::as_str).map(str::to_owned);
        let callback: Callback = serde_json::from_value(Value::Object(back)).unwrap();
        let pending = Pending {
            tenant: self.tenant,
            connection: &self.connection,
            client_secret: &self.secret,
            redirect_uri: &self.redirect_uri,
            nonce: &begun.nonce,
            pkce_verifier: &begun.pkce_verifier,
            demand: &self.demand,
            began: noon(),
        };
        let result = self.federation.finish(&pending, &callback, trace).await;
        self.nothing_secret_is_told(begun, code.as_deref(), trace, &result);
        result
    }

    /// The whole sign-in, with its trace.
    pub(super) async fn traced(&self) -> (Result<ExternalIdentity, Refused>, Trace) {
        let mut trace = Trace::default();
        let result = match self.begin(&mut trace).await {
            Ok(begun) => self.finish(&begun, self.idp.authorize(&begun.authorization_url), &mut trace).await,
            Err(refused) => Err(refused),
        };
        (result, trace)
    }

    pub(super) async fn sign_in(&self) -> Result<ExternalIdentity, Refused> {
        self.traced().await.0
    }

    /// The reason of the refusal, or `accepted`.
    pub(super) async fn outcome(&self) -> &'static str {
        self.sign_in().await.map_or_else(|refused| refused.reason(), |_| "accepted")
    }

    fn nothing_secret_is_told(&self, begun: &Begun, code: Option<&str>, trace: &Trace, result: &Result<ExternalIdentity, Refused>) {
        let told = match result {
            Ok(_) => serde_json::to_string(trace).unwrap(),
            Err(refused) => format!("{} {refused} {refused:?}", serde_json::to_string(trace).unwrap()),
        };
        let parts = self.idp.seen().id_token.unwrap_or_default();
        let secrets =
            [CLIENT_SECRET, begun.nonce.expose_secret(), begun.pkce_verifier.expose_secret(), begun.state.expose_secret()];
        let more = parts.split('.').skip(1).chain(code).chain(["an-access-token"]);
        for secret in secrets.into_iter().chain(more).filter(|secret| !secret.is_empty()) {
            assert!(!told.contains(secret), "{secret} is told: {told}");
        }
    }
}
