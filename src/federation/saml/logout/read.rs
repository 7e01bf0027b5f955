//! Reading logout messages of identity providers.

use chrono::{DateTime, TimeDelta, Utc};

use super::super::super::Refused;
use super::super::bad::BadSaml;
use super::super::document::{Element, ns};
use super::super::preflight::{self, Root};
use super::super::redirect::{self, Carried, Parameter};
use super::super::{Logout, LogoutExpected, LogoutMessage, MAX_MESSAGE, response, time, verify};
use super::{LIFETIME, SUCCESS};
use crate::model::{Certificate, NameId};

/// Reads a logout message and proves it. It takes a processor for about a millisecond: `validate` has threads for that.
///
/// # Errors
/// When it is not signed by the identity provider, not for us, or not of now.
pub(in super::super) fn read(expected: &LogoutExpected, message: &LogoutMessage) -> Result<Logout, Refused> {
    let valid: Vec<&Certificate> = expected.certificates.iter().filter(|one| one.is_valid(expected.now)).collect();
    match message {
        LogoutMessage::Redirect { raw_query } => {
            let Carried { parameter, message, relay_state, certificate } = redirect::verified(raw_query, &valid)?;
            let guarded = preflight::guard(&message, root(parameter)).map_err(BadSaml::from)?;
            said(expected, guarded.root(), parameter, relay_state, certificate)
        }
        LogoutMessage::Post { request, response, relay_state } => {
            let (parameter, field) = match (request, response) {
                (Some(field), None) => (Parameter::Request, field),
                (None, Some(field)) => (Parameter::Response, field),
                _ => return Err(BadSaml::MessageMissing.into()),
            };
            // Four letters of base64 are three bytes, and lines may be broken.
            // guard: logout_size
            if field.len() > MAX_MESSAGE * 2 {
                return Err(BadSaml::TooLarge.into());
            }
            let message = redirect::base64(field)?;
            let guarded = preflight::guard(&message, root(parameter)).map_err(BadSaml::from)?;
            // guard: logout_signed
            if !guarded.outline().is_signed {
                return Err(BadSaml::Unsigned.into());
            }
            let signed = verify::signed(&guarded, &expected.certificates, expected.now)?;
            said(expected, signed.read()?.root(), parameter, relay_state.clone(), signed.certificate().to_owned())
        }
    }
}

const fn root(parameter: Parameter) -> Root {
    match parameter {
        Parameter::Request => Root::LogoutRequest,
        Parameter::Response => Root::LogoutResponse,
    }
}

/// What a proved message says, if that is for us and of now.
fn said(
    expected: &LogoutExpected,
    message: Element<'_>,
    parameter: Parameter,
    relay_state: Option<String>,
    certificate: String,
) -> Result<Logout, Refused> {
    let skew = expected.connection.saml().ok_or(Refused::OtherProtocol)?.skew();
    let issued = check_envelope(expected, message, skew)?;
    match parameter {
        Parameter::Request => {
            let end = match message.attribute("NotOnOrAfter") {
                Some(text) => time::instant(text).ok_or(BadSaml::LogoutTime)?,
                None => issued + LIFETIME,
            };
            // guard: logout_not_on_or_after
            if end + skew <= expected.now {
                return Err(BadSaml::LogoutTime.into());
            }
            Ok(Logout::Request {
                id: message.attribute("ID").ok_or(BadSaml::LogoutShape)?.to_owned(),
                // Its instant of issue is looked at too, so that it is of no use later than that allows, whatever end it names.
                good_until: (issued + LIFETIME).min(end) + skew,
                name_id: name_id(message)?,
                session_indexes: session_indexes(message)?,
                relay_state,
                certificate,
            })
        }
        Parameter::Response => {
            let status = message.only(ns::PROTOCOL, "Status").and_then(|status| status.only(ns::PROTOCOL, "StatusCode"));
            Ok(Logout::Response {
                in_response_to: message.attribute("InResponseTo").map(ToOwned::to_owned),
                is_success: status.and_then(|code| code.attribute("Value")) == Some(SUCCESS),
                relay_state,
                certificate,
            })
        }
    }
}

/// What every message says of itself. Answers when it was issued.
fn check_envelope(expected: &LogoutExpected, message: Element<'_>, skew: TimeDelta) -> Result<DateTime<Utc>, BadSaml> {
    // guard: logout_version
    if message.attribute("Version") != Some("2.0") {
        return Err(BadSaml::LogoutShape);
    }
    let issuer = message.only(ns::ASSERTION, "Issuer").and_then(Element::only_text);
    // guard: logout_issuer
    if issuer != Some(expected.connection.issuer.as_str()) {
        return Err(BadSaml::LogoutIssuer);
    }
    // A signed message says where it is sent (Bindings sections 3.4.5.2 and 3.5.5.2).
    // guard: logout_destination
    if message.attribute("Destination") != Some(expected.slo.as_str()) {
        return Err(BadSaml::LogoutDestination);
    }
    let issued = message.attribute("IssueInstant").and_then(time::instant).ok_or(BadSaml::LogoutTime)?;
    // guard: logout_issue_instant
    if issued > expected.now + skew || issued < expected.now - LIFETIME - skew {
        return Err(BadSaml::LogoutTime);
    }
    Ok(issued)
}

/// Whose session it is. What is encrypted or given by other means is not taken.
fn name_id(message: Element<'_>) -> Result<NameId, BadSaml> {
    let name = message.only(ns::ASSERTION, "NameID").and_then(response::named);
    name.filter(|name| !name.value.is_empty()).ok_or(BadSaml::LogoutShape)
}

fn session_indexes(message: Element<'_>) -> Result<Vec<String>, BadSaml> {
    let all = message.children_named(ns::PROTOCOL, "SessionIndex");
    all.map(|index| index.only_text().map(ToOwned::to_owned).ok_or(BadSaml::LogoutShape)).collect()
}
