//! What we ask an identity provider: `AuthnRequest` (Core section 3.4.1), and how a message of ours goes out.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use samael::crypto::{Crypto, CryptoProvider as _};
use secrecy::{ExposeSecret as _, SecretString};

use super::super::{Refused, Step, Trace};
use super::bad::BadSaml;
use super::redirect::{self, Parameter};
use super::xml::{Attribute, Escaped};
use super::{Begun, Credential, Outgoing, PostForm, Sp, time};
use crate::keys::PlainToken;
use crate::model::{Acr, Connection, Demand, Endpoint, SamlBinding, SamlSettings};

/// Makes the request that a person's browser carries to the identity provider, with what is demanded.
///
/// # Errors
/// When the connection signs in otherwise, knows no endpoint, or our key cannot sign.
pub fn begin(
    sp: &Sp<'_>,
    connection: &Connection,
    demand: &Demand,
    now: DateTime<Utc>,
    trace: &mut Trace,
) -> Result<Begun, Refused> {
    let made = make(sp, connection, demand, now);
    match &made {
        Ok(_) => {
            let to = connection.saml().and_then(|settings| settings.sso.first());
            let host = to.and_then(|endpoint| endpoint.location.host_str()).unwrap_or_default();
            trace.ok(Step::Request, format!("the browser is sent to {host}"));
        }
        Err(refused) => trace.refused(refused),
    }
    made
}

fn make(sp: &Sp<'_>, connection: &Connection, demand: &Demand, now: DateTime<Utc>) -> Result<Begun, Refused> {
    let settings = connection.saml().ok_or(Refused::OtherProtocol)?;
    let endpoint = settings.sso.first().ok_or(BadSaml::NoEndpoint)?;
    let (relay_state, request_id) = (PlainToken::bare().reveal(), new_id()?);
    let request = authn_request(sp, settings, endpoint, demand, request_id.expose_secret(), now);
    let key = settings.sign_requests.then(|| sp.keys.first().ok_or(BadSaml::CannotSign)).transpose()?;
    let departure = Message { parameter: Parameter::Request, xml: &request, id: request_id.expose_secret() }.outgoing(
        endpoint,
        Some(relay_state.expose_secret()),
        key,
    )?;
    Ok(Begun { departure, relay_state, request_id })
}

/// An id that nobody guesses: 160 bits, and a letter before them, because an `xs:ID` begins with one (Core section 1.3.4).
pub(super) fn new_id() -> Result<SecretString, BadSaml> {
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes).map_err(|_| BadSaml::CannotSign)?;
    let mut id = String::with_capacity(41);
    id.push('_');
    for byte in bytes {
        // Writing to a text cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    Ok(id.into())
}

fn authn_request(
    sp: &Sp<'_>,
    settings: &SamlSettings,
    endpoint: &Endpoint,
    demand: &Demand,
    id: &str,
    now: DateTime<Utc>,
) -> String {
    let asked = if demand.class() > Some(Acr::Aal1) { &settings.second_factor.ask } else { &settings.authn_context };
    let classes: String =
        asked.iter().map(|class| format!("<saml:AuthnContextClassRef>{}</saml:AuthnContextClassRef>", Escaped(class))).collect();
    let context = if classes.is_empty() {
        String::new()
    } else {
        format!("<samlp:RequestedAuthnContext Comparison=\"exact\">{classes}</samlp:RequestedAuthnContext>")
    };
    format!(
        "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" \
         ID=\"{id}\" Version=\"2.0\" IssueInstant=\"{}\" Destination=\"{}\"{} ProtocolBinding=\"{}\" AssertionConsumerServiceURL=\"{}\">\
         <saml:Issuer>{}</saml:Issuer>{SIGNATURE}<samlp:NameIDPolicy{} AllowCreate=\"true\"/>{context}</samlp:AuthnRequest>",
        time::written(now),
        Escaped(endpoint.location.as_str()),
        Attribute("ForceAuthn", demand.is_fresh.then_some("true")),
        SamlBinding::Post.uri(),
        Escaped(sp.acs.as_str()),
        Escaped(sp.entity_id),
        Attribute("Format", settings.name_id_format.as_deref()),
    )
}

/// Where the signature of a message goes that carries it within: after `Issuer`, as the schema wants it.
pub(super) const SIGNATURE: &str = "<!--signature-->";

/// A message of ours, with a mark where its signature may go.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) parameter: Parameter,
    pub(super) xml: &'a str,
    pub(super) id: &'a str,
}

impl Message<'_> {
    /// The message on its way to an endpoint, signed where there is a key for it.
    pub(super) fn outgoing(
        self,
        endpoint: &Endpoint,
        relay_state: Option<&str>,
        key: Option<&Credential>,
    ) -> Result<Outgoing, BadSaml> {
        let location = match self.parameter {
            Parameter::Request => &endpoint.location,
            Parameter::Response => endpoint.answers(),
        };
        match endpoint.binding {
            SamlBinding::Redirect => {
                let bare = self.xml.replacen(SIGNATURE, "", 1);
                Ok(Outgoing::Redirect(redirect::address(location, self.parameter, &bare, relay_state, key)?))
            }
            SamlBinding::Post => {
                let message = match key {
                    Some(key) => self.signed(key)?,
                    None => self.xml.replacen(SIGNATURE, "", 1),
                };
                let mut fields = vec![(self.parameter.name(), STANDARD.encode(message))];
                fields.extend(relay_state.map(|state| ("RelayState", state.to_owned())));
                Ok(Outgoing::Post(PostForm { action: location.clone(), fields }))
            }
        }
    }

    /// The message with an enveloped signature of itself (Core section 5.4).
    fn signed(self, key: &Credential) -> Result<String, BadSaml> {
        let template = format!(
            "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignedInfo>\
             <ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>\
             <ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"/>\
             <ds:Reference URI=\"#{}\"><ds:Transforms>\
             <ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>\
             <ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/></ds:Transforms>\
             <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><ds:DigestValue/></ds:Reference>\
             </ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data>\
             </ds:KeyInfo></ds:Signature>",
            self.id,
            STANDARD.encode(&key.certificate),
        );
        let with_template = self.xml.replacen(SIGNATURE, &template, 1);
        Crypto::sign_xml(with_template, key.private_key.expose_secret()).map_err(|_| BadSaml::CannotSign)
    }
}
