//! Single logout (Core section 3.7, Profiles section 4.4): what we ask and answer, and what an identity provider asks and answers.

mod read;
#[cfg(test)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret as _;

use super::super::Refused;
use super::bad::BadSaml;
use super::document::ns;
use super::redirect::Parameter;
use super::request::{Message, SIGNATURE, new_id};
use super::xml::{Attribute, Escaped};
use super::{Begun, Outgoing, Sp, time};
use crate::keys::PlainToken;
use crate::model::{Connection, Endpoint, NameId};

pub(super) use read::read;

/// How old a message may be when it comes.
const LIFETIME: TimeDelta = TimeDelta::minutes(5);

const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
const RESPONDER: &str = "urn:oasis:names:tc:SAML:2.0:status:Responder";

/// Asks the identity provider to end the session of somebody who signed out here. `None` when it has no endpoint for that.
///
/// # Errors
/// When the connection signs in otherwise, or our key cannot sign.
pub fn begin_logout(
    sp: &Sp<'_>,
    connection: &Connection,
    name_id: &NameId,
    session_index: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Option<Begun>, Refused> {
    let Some(endpoint) = endpoint(connection)? else { return Ok(None) };
    let (relay_state, request_id) = (PlainToken::bare().reveal(), new_id());
    let session = session_index.map(|index| format!("<samlp:SessionIndex>{}</samlp:SessionIndex>", Escaped(index)));
    let request = format!(
        "<samlp:LogoutRequest xmlns:samlp=\"{}\" xmlns:saml=\"{}\" ID=\"{}\" Version=\"2.0\" IssueInstant=\"{}\" Destination=\"{}\" \
         NotOnOrAfter=\"{}\"><saml:Issuer>{}</saml:Issuer>{SIGNATURE}<saml:NameID{}{}{}>{}</saml:NameID>{}</samlp:LogoutRequest>",
        ns::PROTOCOL,
        ns::ASSERTION,
        request_id.expose_secret(),
        time::written(now),
        Escaped(endpoint.location.as_str()),
        time::written(now + LIFETIME),
        Escaped(sp.entity_id),
        Attribute("NameQualifier", name_id.name_qualifier.as_deref()),
        Attribute("SPNameQualifier", name_id.sp_name_qualifier.as_deref()),
        Attribute("Format", name_id.format.as_deref()),
        Escaped(&name_id.value),
        session.unwrap_or_default(),
    );
    let message = Message { parameter: Parameter::Request, xml: &request, id: request_id.expose_secret() };
    let key = sp.keys.first().ok_or(BadSaml::CannotSign)?;
    let departure = message.outgoing(endpoint, Some(relay_state.expose_secret()), Some(key))?;
    Ok(Some(Begun { departure, relay_state, request_id }))
}

/// Answers an identity provider that asked for a logout. `None` when it has no endpoint to answer to.
///
/// # Errors
/// When the connection signs in otherwise, or our key cannot sign.
pub fn answer_logout(
    sp: &Sp<'_>,
    connection: &Connection,
    in_response_to: &str,
    relay_state: Option<&str>,
    is_success: bool,
    now: DateTime<Utc>,
) -> Result<Option<Outgoing>, Refused> {
    let Some(endpoint) = endpoint(connection)? else { return Ok(None) };
    let id = new_id();
    let response = format!(
        "<samlp:LogoutResponse xmlns:samlp=\"{}\" xmlns:saml=\"{}\" ID=\"{}\" Version=\"2.0\" IssueInstant=\"{}\" Destination=\"{}\" \
         InResponseTo=\"{}\"><saml:Issuer>{}</saml:Issuer>{SIGNATURE}<samlp:Status><samlp:StatusCode Value=\"{}\"/></samlp:Status>\
         </samlp:LogoutResponse>",
        ns::PROTOCOL,
        ns::ASSERTION,
        id.expose_secret(),
        time::written(now),
        Escaped(endpoint.answers().as_str()),
        Escaped(in_response_to),
        Escaped(sp.entity_id),
        if is_success { SUCCESS } else { RESPONDER },
    );
    let message = Message { parameter: Parameter::Response, xml: &response, id: id.expose_secret() };
    let key = sp.keys.first().ok_or(BadSaml::CannotSign)?;
    Ok(Some(message.outgoing(endpoint, relay_state, Some(key))?))
}

fn endpoint(connection: &Connection) -> Result<Option<&Endpoint>, Refused> {
    Ok(Endpoint::preferred(&connection.saml().ok_or(Refused::OtherProtocol)?.slo))
}
