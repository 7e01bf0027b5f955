//! From the form field of a response to an identity, in the order of R2, on threads of its own.
//!
//! Verifying takes a processor for the better part of a millisecond, which is nothing that other requests should wait behind: so many messages
//! are verified at a time, so many more may wait, and beyond that a message is refused at once. What the pre-flight refuses never gets
//! there. A message that nobody can look at to the end is refused too, whatever happens on the way.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::Semaphore;

use super::super::trace::clean;
use super::super::{Refused, Step, Trace};
use super::bad::{BadSaml, Refusal, ensure};
use super::preflight::{self, Carried, Guarded, Outline, Root};
use super::response::{self, Rules, Said};
use super::verify::{self, Signed};
use super::{Expected, Logout, LogoutExpected, LogoutMessage, MAX_MESSAGE, attributes, decrypt, logout};
use crate::model::{Assurance, ExternalIdentity, NameId, SamlSettings, SignedAssertion, Subject, SubjectKind, SubjectSource};

/// How many messages may wait for each that is being verified.
const WAITING: usize = 32;

/// Formats of `NameID` that may be a subject: one that stays, and one of which nothing is said (SAML Core section 8.3).
const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";
const EMAIL: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";

/// Verifies SAML messages. One for the process; cheap to clone.
#[derive(Clone)]
pub struct Validator {
    /// Those that are being verified, and those that wait.
    places: Arc<Semaphore>,
    at_work: Arc<Semaphore>,
}

impl Validator {
    /// One that verifies so many messages at a time; one at least.
    #[must_use]
    pub fn new(at_once: usize) -> Self {
        let at_once = at_once.max(1);
        Self { places: Arc::new(Semaphore::new(at_once * (1 + WAITING))), at_work: Arc::new(Semaphore::new(at_once)) }
    }

    /// Proves a response, as it came in the form field, and reads who signed in. Whether its assertion was used before is the caller's to see
    /// to, in the transaction that signs in ([`ExternalIdentity::assertion`]).
    ///
    /// # Errors
    /// The first thing in it that is not as it must be; or that too many wait already.
    pub async fn finish(&self, expected: Expected, saml_response: String, trace: &mut Trace) -> Result<ExternalIdentity, Refused> {
        let result = self.prove(expected, saml_response, trace).await;
        result.inspect_err(|refused| trace.refused(refused))
    }

    async fn prove(&self, expected: Expected, saml_response: String, trace: &mut Trace) -> Result<ExternalIdentity, Refused> {
        let message = decode(&saml_response)?;
        // Cheap, and what it refuses takes no place from anybody.
        let outline = preflight::check(&message, Root::Response).map_err(BadSaml::from)?;
        trace.ok(Step::Callback, described(&outline));
        let (result, told) = self
            .run(move || {
                let mut trace = Trace::default();
                let result = prove(&expected, &message, &mut trace);
                (result, trace)
            })
            .await?;
        trace.append(told);
        result
    }

    /// Whether a message that comes now would be refused.
    #[cfg(test)]
    pub(super) fn is_full(&self) -> bool {
        self.places.available_permits() == 0
    }

    /// Proves a logout message, and reads what it says. Whether it came before is the caller's to see to.
    ///
    /// # Errors
    /// The first thing in it that is not as it must be; or that too many wait already.
    pub async fn logout(&self, expected: LogoutExpected, message: LogoutMessage) -> Result<Logout, Refused> {
        self.run(move || logout::read(&expected, &message)).await?
    }

    /// Does work that takes a processor, when it is its turn.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, BadSaml> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| BadSaml::Busy)?;
        let turn = Arc::clone(&self.at_work).acquire_owned().await.map_err(|_| BadSaml::Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            // Held until the work is done, even if nobody waits for it any more.
            drop((turn, place));
            done
        });
        // A panic is the thread's end and not ours.
        done.await.map_err(|_| BadSaml::Broken)
    }
}

/// What the form of a response tells, of which nothing is proved: enough to tell an answer from what nobody asked for.
///
/// # Errors
/// What does not belong into a response.
pub fn outline(saml_response: &str) -> Result<Outline, Refused> {
    let message = decode(saml_response)?;
    Ok(preflight::check(&message, Root::Response).map_err(BadSaml::from)?)
}

/// The message in a form field: base64, which may be broken into lines (Bindings section 3.5.4).
pub(super) fn decode(field: &str) -> Result<Vec<u8>, BadSaml> {
    // guard: field_size
    ensure(field.len() <= 2 * MAX_MESSAGE, Refusal::TooLarge)?;
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let message = if field.bytes().any(|byte| is_space(&byte)) {
        STANDARD.decode(field.bytes().filter(|byte| !is_space(byte)).collect::<Vec<_>>())
    } else {
        STANDARD.decode(field)
    };
    let message = message.map_err(|_| Refusal::NotBase64)?;
    // guard: message_size
    ensure(message.len() <= MAX_MESSAGE, Refusal::TooLarge)?;
    Ok(message)
}

fn described(outline: &Outline) -> String {
    let signed = if outline.is_signed { "signed" } else { "not signed itself" };
    let carried = match outline.carried {
        Carried::Nothing => "without assertion",
        Carried::Plain { is_signed: true } => "with a signed assertion",
        Carried::Plain { is_signed: false } => "with an assertion",
        Carried::Encrypted => "with an encrypted assertion",
    };
    format!("a response came back, {signed}, {carried}")
}

/// The whole of R2 from the pre-flight on, and R3.
fn prove(expected: &Expected, message: &[u8], trace: &mut Trace) -> Result<ExternalIdentity, Refused> {
    let settings = expected.connection.saml().ok_or(Refused::OtherProtocol)?;
    let rules = Rules { expected, skew: settings.skew() };
    let message = preflight::guard(message, Root::Response).map_err(BadSaml::from)?;
    let Proved { response, assertion } = verified(&message, expected, settings, &rules, trace)?;
    let read = assertion.read()?;
    match response {
        _ if read.outline().root == Root::Response => response::check_response(read.root(), true, &rules)?,
        Some(response) => response::check_response(response.read()?.root(), true, &rules)?,
        None => response::check_response(message.root(), false, &rules)?,
    }
    trace.ok(Step::Assertion, format!("signed by the certificate {}", assertion.certificate()));
    let element = read.assertion().ok_or(BadSaml::Form(Refusal::AssertionCount))?;
    let said = response::check_assertion(element, &rules)?;
    trace.ok(Step::Assertion, "issuer, recipient, request, time, conditions, audience and authentication are as they must be");
    let attributes = attributes::read(element);
    let names: Vec<_> = attributes.keys().map(|name| clean(name)).collect();
    trace.ok(Step::Assertion, format!("attributes: {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") }));
    let (kind, subject) = subject(&said.name_id, &attributes, settings, expected)?;
    let mut claims = attributes::claims(&attributes, settings);
    claims.insert(attributes::SUB.to_owned(), vec![subject.clone()]);
    claims.insert(attributes::NAME_ID.to_owned(), vec![said.name_id.value.clone()]);
    let amr = claims.get("amr").cloned().unwrap_or_default();
    let reached = Assurance::of(&settings.second_factor, said.acr.as_deref(), &amr);
    trace.ok(Step::Assurance, assured(&said, &reached));
    expected.demand.check(Some(said.authenticated_at), reached.acr, expected.began, expected.now)?;
    Ok(ExternalIdentity {
        tenant: expected.tenant,
        subject: Subject { connection: expected.connection.id, issuer: expected.connection.issuer.clone(), kind, value: subject },
        claims,
        authenticated_at: Some(said.authenticated_at),
        upstream_session: said.session_index,
        acr: said.acr,
        amr,
        assertion: Some(SignedAssertion {
            id: said.id,
            good_until: said.good_until,
            certificate: assertion.certificate().to_owned(),
            name_id: said.name_id,
        }),
        session_until: said.session_until,
    })
}

/// What signatures cover.
struct Proved {
    /// The response around an encrypted assertion, if it is signed itself.
    response: Option<Signed>,
    /// The assertion, or the whole response with it.
    assertion: Signed,
}

fn verified(
    message: &Guarded<'_>,
    expected: &Expected,
    settings: &SamlSettings,
    rules: &Rules<'_>,
    trace: &mut Trace,
) -> Result<Proved, BadSaml> {
    let outline = message.outline();
    if outline.carried == Carried::Nothing {
        // It tells of a failure, which needs no proof: it gets nobody in.
        response::check_response(message.root(), outline.is_signed, rules)?;
        return Err(BadSaml::Form(Refusal::AssertionCount));
    }
    // guard: require_encryption
    ensure(!settings.require_encryption || outline.carried == Carried::Encrypted, BadSaml::NotEncrypted)?;
    let signed = |message: &Guarded<'_>| verify::signed(message, &expected.certificates, expected.now);
    if outline.carried != Carried::Encrypted {
        return Ok(Proved { response: None, assertion: signed(message)? });
    }
    if !outline.is_signed {
        return Ok(Proved { response: None, assertion: decrypted(message, expected, settings, trace, signed)? });
    }
    let response = signed(message)?;
    // Encrypted bytes that were signed are what the identity provider sent, whatever they hold; a signature within must be good too.
    let assertion = decrypted(&response.read()?, expected, settings, trace, |inner| {
        if inner.outline().is_signed { signed(inner) } else { Ok(response.decrypted(inner)) }
    })?;
    Ok(Proved { response: Some(response), assertion })
}

/// Decrypts the assertion of a message and verifies what it held, which goes through the same pre-flight.
fn decrypted(
    message: &Guarded<'_>,
    expected: &Expected,
    settings: &SamlSettings,
    trace: &mut Trace,
    verify: impl FnOnce(&Guarded<'_>) -> Result<Signed, BadSaml>,
) -> Result<Signed, BadSaml> {
    let encrypted = message.encrypted().ok_or(BadSaml::Form(Refusal::EncryptionShape))?;
    let opened = decrypt::open(encrypted, &expected.keys, settings.allow_cbc)?;
    // From here on nothing may tell one wrong decryption from another.
    let inner = preflight::guard(opened.assertion.as_bytes(), Root::Assertion).map_err(|_| BadSaml::Decryption)?;
    let signed = verify(&inner).map_err(|bad| if opened.is_authentic { bad } else { BadSaml::Decryption })?;
    trace.ok(Step::Assertion, format!("decrypted with {}", opened.content));
    Ok(signed)
}

/// What the connection says that names the login for ever.
fn subject(
    name_id: &NameId,
    attributes: &std::collections::BTreeMap<&str, Vec<&str>>,
    settings: &SamlSettings,
    expected: &Expected,
) -> Result<(SubjectKind, String), BadSaml> {
    match &settings.subject {
        SubjectSource::NameId => {
            // guard: name_id_format
            ensure_format_stays(name_id)?;
            // guard: name_id_email
            ensure(!name_id.value.contains(['@', '\u{ff20}']), BadSaml::NameIdEmail)?;
            // guard: name_id_qualifier
            ensure_qualifiers(name_id, expected)?;
            Ok((SubjectKind::NameId, name_id.value.clone()))
        }
        SubjectSource::Attribute { name } => match attributes.get(name.as_str()).map(Vec::as_slice) {
            Some([value]) if response::is_fit(value) => Ok((SubjectKind::Attribute, (*value).to_owned())),
            _ => Err(BadSaml::SubjectAttribute { name: clean(name) }),
        },
    }
}

fn ensure_format_stays(name_id: &NameId) -> Result<(), BadSaml> {
    match name_id.format.as_deref() {
        None | Some(PERSISTENT | UNSPECIFIED) => Ok(()),
        Some(EMAIL) => Err(BadSaml::NameIdEmail),
        Some(format) => Err(BadSaml::NameIdFormat { format: clean(format) }),
    }
}

/// SAML Core section 8.3.7: within which two parties a persistent name means what it means.
fn ensure_qualifiers(name_id: &NameId, expected: &Expected) -> Result<(), BadSaml> {
    let is = |qualifier: &Option<String>, known: &str| qualifier.as_deref().is_none_or(|qualifier| qualifier == known);
    let is_between_us =
        is(&name_id.name_qualifier, &expected.connection.issuer) && is(&name_id.sp_name_qualifier, &expected.entity_id);
    ensure(name_id.format.as_deref() != Some(PERSISTENT) || is_between_us, BadSaml::NameIdQualifier)
}

/// How sure the identity provider says that it is, in its words, and what that comes to in ours.
fn assured(said: &Said, reached: &Assurance) -> String {
    let acr = said.acr.as_deref().map_or_else(|| "none".to_owned(), clean);
    let when = said.authenticated_at.to_rfc3339();
    format!("authentication context: {acr}; at: {when}; counts as {}", reached.acr.as_str())
}
