//! A message with what is to become of it. Every story is told by vectors, so that all of them can also be traced, measured, mutated and fuzzed.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use vestibule::federation::saml::{Credential, Expected, Validator};
use vestibule::federation::{Refused, Trace};
use vestibule::model::{
    AccountId, Certificate, Connection, ConnectionId, ConnectionState, Demand, ExternalIdentity, JitPolicy, MissingClaim,
    SamlSettings, TenantId,
};

use super::keys::{EC, Key, OURS, OURS_BEFORE, RSA};
use super::message::{ACS, Assertion, IDP, NOW, REQUEST, Response, SP, VICTIM};
use super::sign::{Signature, sign, unsigned};

/// What is to become of a message.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// It is refused; why, the table of its story says.
    Refused,
    /// It is taken, as this subject.
    Accepted(String),
}

type Scene = Box<dyn Fn(&mut Expected) + Send + Sync>;

/// A message with what is to become of it.
pub(crate) struct Vector {
    pub(crate) name: String,
    /// The form field.
    pub(crate) field: String,
    pub(crate) verdict: Verdict,
    /// What else is otherwise than [`expected`] has it.
    scene: Scene,
}

impl Vector {
    pub(crate) fn refused(name: impl Into<String>, message: impl AsRef<[u8]>) -> Self {
        Self::new(name, message, Verdict::Refused)
    }

    /// Taken, as the subject that was signed.
    pub(crate) fn accepted(name: impl Into<String>, message: impl AsRef<[u8]>) -> Self {
        Self::new(name, message, Verdict::Accepted(VICTIM.to_owned()))
    }

    pub(crate) fn new(name: impl Into<String>, message: impl AsRef<[u8]>, verdict: Verdict) -> Self {
        Self { name: name.into(), field: STANDARD.encode(message), verdict, scene: Box::new(|_| ()) }
    }

    /// In other circumstances.
    pub(crate) fn when(mut self, scene: impl Fn(&mut Expected) + Send + Sync + 'static) -> Self {
        self.scene = Box::new(scene);
        self
    }

    /// With other settings of the connection.
    pub(crate) fn with_settings(self, change: impl Fn(&mut SamlSettings) + Send + Sync + 'static) -> Self {
        self.when(move |expected| {
            let mut settings = expected.connection.saml().unwrap().clone();
            change(&mut settings);
            expected.connection.settings = settings.into();
        })
    }

    pub(crate) fn expected(&self) -> Expected {
        let mut expected = expected();
        (self.scene)(&mut expected);
        expected
    }

    /// Validates it.
    pub(crate) async fn run(&self, validator: &Validator) -> Result<ExternalIdentity, Refused> {
        let mut trace = Trace::default();
        validator.finish(self.expected(), self.field.clone(), &mut trace).await
    }

    /// What is wrong with what became of it.
    pub(crate) fn fault(&self, result: &Result<ExternalIdentity, Refused>) -> Option<String> {
        match (&self.verdict, result) {
            (Verdict::Refused, Err(_)) => None,
            (Verdict::Accepted(subject), Ok(identity)) if identity.subject.value == *subject => None,
            (verdict, Ok(identity)) => Some(format!("{}: taken as {}, not {verdict:?}", self.name, identity.subject.value)),
            (verdict, Err(refused)) => Some(format!("{}: refused as {} ({refused}), not {verdict:?}", self.name, refused.reason())),
        }
    }
}

/// Runs them all and tells of each that did not go as it should. The table of a story says which guard refuses which vector: where one is missing,
/// another may still refuse, but not for the same reason.
pub(crate) fn check(story: &str, vectors: &[Vector]) {
    assert!(!vectors.is_empty());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let validator = Validator::new(1);
    let (mut faults, mut table) = (Vec::new(), String::new());
    for vector in vectors {
        let result = runtime.block_on(vector.run(&validator));
        faults.extend(vector.fault(&result));
        let became = result.map_or_else(|refused| refused.reason(), |_| "taken");
        writeln!(table, "{}: {became}", vector.name).unwrap();
    }
    assert!(faults.is_empty(), "{} of {} vectors:\n{}", faults.len(), vectors.len(), faults.join("\n"));
    insta::assert_snapshot!(story, table);
}

pub(crate) fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn certificate(key: &Key) -> Certificate {
    vestibule::federation::saml::certificate(&key.certificate.to_der().unwrap()).unwrap()
}

pub(crate) fn credential(key: &Key) -> Credential {
    Credential { certificate: key.certificate.to_der().unwrap(), private_key: key.private.private_key_to_pkcs8().unwrap().into() }
}

pub(crate) fn connection(settings: SamlSettings) -> Connection {
    Connection {
        id: ConnectionId::from_uuid(uuid::Uuid::from_u128(2)),
        slug: "acme".to_owned(),
        name: "Acme".to_owned(),
        state: ConnectionState::Enabled,
        issuer: IDP.to_owned(),
        jit: JitPolicy::On,
        missing_claim: MissingClaim::Clear,
        home_account_id: AccountId::from_uuid(uuid::Uuid::from_u128(3)),
        contact: None,
        settings: settings.into(),
        epoch: 0,
    }
}

/// What is expected of a response to [`REQUEST`], by an identity provider with an RSA key and one on a curve.
pub(crate) fn expected() -> Expected {
    Expected {
        tenant: TenantId::from_uuid(uuid::Uuid::from_u128(1)),
        connection: connection(SamlSettings::default()),
        certificates: vec![certificate(&RSA), certificate(&EC)],
        entity_id: SP.to_owned(),
        acs: ACS.parse().unwrap(),
        request_id: SecretString::from(REQUEST),
        keys: vec![credential(&OURS), credential(&OURS_BEFORE)],
        demand: Demand::default(),
        began: instant(NOW) - TimeDelta::minutes(1),
        now: instant(NOW),
    }
}

/// A response with its assertion signed.
pub(crate) fn assertion_signed(response: &Response, assertion: &Assertion) -> String {
    unsigned(&response.around(&sign(&assertion.text(), &Signature::default())))
}

/// A response that is signed around its assertion.
pub(crate) fn response_signed(response: &Response, assertion: &Assertion) -> String {
    sign(&response.around(&unsigned(&assertion.text())), &Signature::default())
}

/// Both are signed.
pub(crate) fn both_signed(response: &Response, assertion: &Assertion) -> String {
    let assertion = sign(&assertion.text(), &Signature::default());
    sign(&response.around(&assertion), &Signature::default())
}
