//! What a response and its assertion must say (SAML Core section 2, Profiles section 4.1.4), check by check (R3).
//!
//! The assertion is read from bytes that were signed, and from nothing else. The response around it is read from them too where it is
//! signed itself; where it is not, it is only held against what is expected, and nothing is taken from it.

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret as _;

use super::super::trace::clean;
use super::bad::{BadSaml, Part, ensure};
use super::document::{Element, ns};
use super::{Expected, time};
use crate::model::NameId;

const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
const STATUS: &str = "urn:oasis:names:tc:SAML:2.0:status:";
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
const ENTITY: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity";
/// How long ago a message may have been issued, by its own clock.
const ISSUED_WITHIN: TimeDelta = TimeDelta::minutes(5);
/// SAML Core section 8.3.7.
const MOST_NAME_ID_LETTERS: usize = 256;

/// What an assertion says that passed all checks.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) id: String,
    pub(super) name_id: NameId,
    pub(super) good_until: DateTime<Utc>,
    pub(super) authenticated_at: DateTime<Utc>,
    pub(super) session_index: Option<String>,
    pub(super) session_until: Option<DateTime<Utc>>,
    pub(super) acr: Option<String>,
}

/// What the checks hold a message against.
pub(super) struct Rules<'e> {
    pub(super) expected: &'e Expected,
    pub(super) skew: TimeDelta,
}

/// Checks the response around an assertion (SAML Core section 3.2.2).
pub(super) fn check_response(response: Element<'_>, is_signed: bool, rules: &Rules<'_>) -> Result<(), BadSaml> {
    // guard: response_version
    ensure_version(response, Part::Response)?;
    // guard: response_destination
    ensure_destination(response, is_signed, rules)?;
    // guard: response_in_response_to
    ensure_answers_if_it_says(response, rules)?;
    // guard: response_issuer
    ensure_response_issuer(response, rules)?;
    // guard: response_issue_instant
    ensure_issued_lately(response, Part::Response, rules)?;
    // guard: response_status
    ensure_success(response)?;
    Ok(())
}

/// Checks an assertion, and reads what it says.
pub(super) fn check_assertion(assertion: Element<'_>, rules: &Rules<'_>) -> Result<Said, BadSaml> {
    // guard: assertion_version
    ensure_version(assertion, Part::Assertion)?;
    // guard: assertion_issuer
    ensure_issuer(assertion, Part::Assertion, rules)?;
    // guard: assertion_issue_instant
    ensure_issued_lately(assertion, Part::Assertion, rules)?;
    let subject = assertion.only(ns::ASSERTION, "Subject").ok_or(BadSaml::SubjectMissing)?;
    let name_id = name_id(subject.only(ns::ASSERTION, "NameID").ok_or(BadSaml::SubjectMissing)?)?;
    let confirmation = confirmation(subject)?;
    // guard: recipient
    ensure(confirmation.attribute("Recipient") == Some(rules.expected.acs.as_str()), BadSaml::Recipient)?;
    // guard: in_response_to
    ensure_answers(confirmation, Part::Assertion, rules)?;
    let confirmed_until = instant(confirmation, "NotOnOrAfter").ok_or(BadSaml::ConfirmationEnded)?;
    // guard: confirmation_not_on_or_after
    ensure(is_to_come(confirmed_until, rules), BadSaml::ConfirmationEnded)?;
    // guard: confirmation_not_before
    ensure_not_too_early(confirmation, rules)?;
    let conditions = assertion.only(ns::ASSERTION, "Conditions").ok_or(BadSaml::Conditions)?;
    // guard: condition_unknown
    ensure(conditions.children().all(is_understood), BadSaml::ConditionUnknown)?;
    // guard: not_before
    ensure(instant(conditions, "NotBefore").is_some_and(|from| has_come(from, rules)), BadSaml::NotYetValid)?;
    let until = instant(conditions, "NotOnOrAfter").ok_or(BadSaml::Expired)?;
    // guard: not_on_or_after
    ensure(is_to_come(until, rules), BadSaml::Expired)?;
    // guard: audience
    ensure_audience(conditions, rules)?;
    let statement = assertion.only(ns::ASSERTION, "AuthnStatement").ok_or(BadSaml::AuthnStatement)?;
    let authenticated_at = instant(statement, "AuthnInstant").ok_or(BadSaml::AuthnInstant)?;
    // guard: authn_instant
    ensure(has_come(authenticated_at, rules), BadSaml::AuthnInstant)?;
    let session_until = session_until(statement)?;
    // guard: session_not_on_or_after
    ensure(session_until.is_none_or(|until| is_to_come(until, rules)), BadSaml::SessionEnded)?;
    Ok(Said {
        // There: the pre-flight asks for it.
        id: assertion.attribute("ID").unwrap_or_default().to_owned(),
        name_id,
        good_until: until.min(confirmed_until) + rules.skew,
        authenticated_at,
        session_index: statement.attribute("SessionIndex").filter(|index| !index.is_empty()).map(ToOwned::to_owned),
        session_until,
        acr: context_class(statement),
    })
}

fn ensure_version(element: Element<'_>, of: Part) -> Result<(), BadSaml> {
    ensure(element.attribute("Version") == Some("2.0"), BadSaml::Version { of })
}

/// Bindings section 3.5.5.2: a signed message says for which address it is. One that is not may; then it is for ours.
fn ensure_destination(response: Element<'_>, is_signed: bool, rules: &Rules<'_>) -> Result<(), BadSaml> {
    let is_ours = |destination: &str| destination == rules.expected.acs.as_str();
    let destination = response.attribute("Destination").filter(|destination| is_signed || !destination.is_empty());
    ensure(destination.map_or(!is_signed, is_ours), BadSaml::Destination)
}

/// The response answers our request, if it says which it answers. What counts is what the assertion says.
fn ensure_answers_if_it_says(response: Element<'_>, rules: &Rules<'_>) -> Result<(), BadSaml> {
    if response.attribute("InResponseTo").is_some() { ensure_answers(response, Part::Response, rules) } else { Ok(()) }
}

fn ensure_answers(element: Element<'_>, of: Part, rules: &Rules<'_>) -> Result<(), BadSaml> {
    let request_id = rules.expected.request_id.expose_secret();
    let is_answer = !request_id.is_empty() && element.attribute("InResponseTo") == Some(request_id);
    ensure(is_answer, BadSaml::InResponseTo { of })
}

fn ensure_response_issuer(response: Element<'_>, rules: &Rules<'_>) -> Result<(), BadSaml> {
    let is_there = response.children_named(ns::ASSERTION, "Issuer").next().is_some();
    if is_there { ensure_issuer(response, Part::Response, rules) } else { Ok(()) }
}

/// Profiles section 4.1.4.2: the issuer is the identity provider's entity id, to the letter.
fn ensure_issuer(element: Element<'_>, of: Part, rules: &Rules<'_>) -> Result<(), BadSaml> {
    let issuer = element.only(ns::ASSERTION, "Issuer").ok_or(BadSaml::IssuerMissing { of })?;
    let is_entity = issuer.attribute("Format").is_none_or(|format| format == ENTITY);
    let found = issuer.only_text().filter(|_| is_entity);
    ensure(found == Some(rules.expected.connection.issuer.as_str()), BadSaml::Issuer { of, found: clean(issuer.text()) })
}

fn ensure_issued_lately(element: Element<'_>, of: Part, rules: &Rules<'_>) -> Result<(), BadSaml> {
    let is_lately = |at: DateTime<Utc>| at >= rules.expected.now - ISSUED_WITHIN - rules.skew && has_come(at, rules);
    ensure(instant(element, "IssueInstant").is_some_and(is_lately), BadSaml::IssueInstant { of })
}

fn ensure_success(response: Element<'_>) -> Result<(), BadSaml> {
    let status = response.only(ns::PROTOCOL, "Status").and_then(|status| status.only(ns::PROTOCOL, "StatusCode"));
    let code = status.and_then(|code| code.attribute("Value"));
    ensure(code == Some(SUCCESS), BadSaml::Status { code: status_code(status) })
}

/// What went wrong over there: the code, and the one below it.
fn status_code(status: Option<Element<'_>>) -> String {
    let name = |code: Element<'_>| code.attribute("Value").map(|value| clean(value.strip_prefix(STATUS).unwrap_or(value)));
    let below = status.and_then(|code| code.only(ns::PROTOCOL, "StatusCode"));
    let names: Vec<_> = [status, below].into_iter().flatten().filter_map(name).collect();
    if names.is_empty() { "no status".to_owned() } else { names.join("/") }
}

/// The subject of an assertion, which has to be a name that can be compared.
fn name_id(element: Element<'_>) -> Result<NameId, BadSaml> {
    let named = named(element).ok_or(BadSaml::SubjectMissing)?;
    // guard: name_id_letters
    ensure(is_fit(&named.value), BadSaml::NameId)?;
    Ok(named)
}

/// What an element calls a subject (SAML Core section 2.2.3), to the letter. An empty attribute says nothing.
pub(super) fn named(element: Element<'_>) -> Option<NameId> {
    let attribute = |name: &str| element.attribute(name).filter(|value| !value.is_empty()).map(ToOwned::to_owned);
    Some(NameId {
        value: element.only_text()?.to_owned(),
        format: attribute("Format"),
        name_qualifier: attribute("NameQualifier"),
        sp_name_qualifier: attribute("SPNameQualifier"),
    })
}

/// Whether a text can be the name of a subject: compared byte for byte, so that no blanks may be around it, and no control characters in it.
pub(super) fn is_fit(value: &str) -> bool {
    !value.is_empty()
        && value.trim() == value
        && !value.chars().any(char::is_control)
        && value.chars().nth(MOST_NAME_ID_LETTERS).is_none()
}

/// The one bearer confirmation (Profiles section 4.1.4.2). What confirms in other ways counts for nothing.
fn confirmation(subject: Element<'_>) -> Result<Element<'_>, BadSaml> {
    let mut bearers =
        subject.children_named(ns::ASSERTION, "SubjectConfirmation").filter(|one| one.attribute("Method") == Some(BEARER));
    let bearer = bearers.next().ok_or(BadSaml::Confirmation)?;
    // guard: one_confirmation
    ensure(bearers.next().is_none(), BadSaml::Confirmation)?;
    bearer.only(ns::ASSERTION, "SubjectConfirmationData").ok_or(BadSaml::Confirmation)
}

/// A bearer confirmation should not say from when it is valid. One that does means it.
fn ensure_not_too_early(confirmation: Element<'_>, rules: &Rules<'_>) -> Result<(), BadSaml> {
    let has_begun = |text| time::instant(text).is_some_and(|from| has_come(from, rules));
    ensure(confirmation.attribute("NotBefore").is_none_or(has_begun), BadSaml::ConfirmationNotYetValid)
}

/// Core section 2.5.1: whoever does not understand a condition must not take the assertion. `OneTimeUse` holds for all of them here, and
/// `ProxyRestriction` is about assertions that we do not make.
fn is_understood(condition: Element<'_>) -> bool {
    ["AudienceRestriction", "OneTimeUse", "ProxyRestriction"].iter().any(|name| condition.is(ns::ASSERTION, name))
}

/// Core section 2.5.1.4: each restriction is met by one of its audiences, and there is one at least.
fn ensure_audience(conditions: Element<'_>, rules: &Rules<'_>) -> Result<(), BadSaml> {
    let names_us = |restriction: Element<'_>| {
        restriction
            .children_named(ns::ASSERTION, "Audience")
            .any(|audience| audience.only_text() == Some(rules.expected.entity_id.as_str()))
    };
    let mut restrictions = conditions.children_named(ns::ASSERTION, "AudienceRestriction").peekable();
    ensure(restrictions.peek().is_some() && restrictions.all(names_us), BadSaml::Audience)
}

fn session_until(statement: Element<'_>) -> Result<Option<DateTime<Utc>>, BadSaml> {
    match statement.attribute("SessionNotOnOrAfter") {
        None => Ok(None),
        Some(text) => time::instant(text).map(Some).ok_or(BadSaml::SessionEnded),
    }
}

fn context_class(statement: Element<'_>) -> Option<String> {
    let context = statement.only(ns::ASSERTION, "AuthnContext")?;
    let class = context.only(ns::ASSERTION, "AuthnContextClassRef")?.only_text()?.trim();
    (!class.is_empty()).then(|| class.to_owned())
}

fn instant(element: Element<'_>, name: &str) -> Option<DateTime<Utc>> {
    time::instant(element.attribute(name)?)
}

fn has_come(at: DateTime<Utc>, rules: &Rules<'_>) -> bool {
    at <= rules.expected.now + rules.skew
}

fn is_to_come(until: DateTime<Utc>, rules: &Rules<'_>) -> bool {
    rules.expected.now < until + rules.skew
}
