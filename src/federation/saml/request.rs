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
use super::{Begun, Credential, Outgoing, PostForm, Sp, sys, time};
use crate::keys::{PlainToken, random};
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
            let to = connection.saml().and_then(|settings| Endpoint::preferred(&settings.sso));
            let host = to.and_then(|endpoint| endpoint.location.host_str()).unwrap_or_default();
            trace.ok(Step::Request, format!("the browser is sent to {host}"));
        }
        Err(refused) => trace.refused(refused),
    }
    made
}

fn make(sp: &Sp<'_>, connection: &Connection, demand: &Demand, now: DateTime<Utc>) -> Result<Begun, Refused> {
    let settings = connection.saml().ok_or(Refused::OtherProtocol)?;
    let endpoint = Endpoint::preferred(&settings.sso).ok_or(BadSaml::NoEndpoint)?;
    let (relay_state, request_id) = (PlainToken::bare().reveal(), new_id());
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
pub(super) fn new_id() -> SecretString {
    let mut id = String::with_capacity(41);
    id.push('_');
    for byte in random::<20>() {
        // Writing to a text cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id.into()
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
    let class = |class: &String| format!("<saml:AuthnContextClassRef>{}</saml:AuthnContextClassRef>", Escaped(class));
    let context = if asked.is_empty() {
        String::new()
    } else {
        let classes = asked.iter().map(class).collect::<Vec<_>>().concat();
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
        // It is started in one way, whoever needs it first.
        if !sys::is_ready() {
            return Err(BadSaml::NotReady);
        }
        Crypto::sign_xml(with_template, key.private_key.expose_secret()).map_err(|_| BadSaml::CannotSign)
    }
}
#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use url::Url;

    use super::super::document::{Document, MESSAGE, ns};
    use super::super::{certificate, new_credential};
    use super::*;
    use crate::model::{AccountId, ConnectionId, ConnectionState, JitPolicy, MissingClaim, SecondFactor};

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn connection(settings: SamlSettings) -> Connection {
        Connection {
            id: ConnectionId::new(now()),
            slug: "adfs".into(),
            name: "AD FS".into(),
            state: ConnectionState::Enabled,
            issuer: "https://idp.example".into(),
            jit: JitPolicy::Off,
            missing_claim: MissingClaim::Clear,
            home_account_id: AccountId::new(now()),
            contact: None,
            settings: settings.into(),
            epoch: 0,
        }
    }

    fn settings(binding: SamlBinding) -> SamlSettings {
        let location = "https://idp.example/sso?a=1&b=2".parse().unwrap();
        SamlSettings { sso: vec![Endpoint { binding, location, response_location: None }], ..SamlSettings::default() }
    }

    fn ask(settings: SamlSettings, demand: &Demand, keys: &[Credential]) -> Result<Begun, Refused> {
        let url = |path: &str| Url::parse(&format!("https://sp.example/sign-in/saml/{path}")).unwrap();
        let sp = Sp { entity_id: "https://sp.example/<&>", acs: &url("acs"), slo: &url("slo"), keys };
        begin(&sp, &connection(settings), demand, now(), &mut Trace::default())
    }

    fn key() -> Credential {
        new_credential("sp", now(), now() + TimeDelta::days(1)).unwrap()
    }

    /// The message of a form, and its relay state.
    fn posted(begun: &Begun) -> (Vec<u8>, String) {
        let Outgoing::Post(PostForm { action, fields }) = &begun.departure else { panic!("not a form") };
        assert_eq!(action.as_str(), "https://idp.example/sso?a=1&b=2");
        let [("SAMLRequest", message), ("RelayState", state)] = &fields[..] else { panic!("{fields:?}") };
        (STANDARD.decode(message).unwrap(), state.clone())
    }

    #[test]
    fn sso_s33_ids_are_long_and_never_the_same() {
        let ids: std::collections::HashSet<_> = (0..100).map(|_| new_id().expose_secret().to_owned()).collect();
        assert!(ids.len() == 100 && ids.iter().all(|id| id.len() == 41 && id.starts_with('_')));
    }

    #[test]
    fn a_request_says_what_is_wanted() {
        let second = SecondFactor { ask: vec!["https://refeds.org/profile/mfa".into()], ..SecondFactor::default() };
        let wanted = SamlSettings {
            sign_requests: false,
            name_id_format: Some("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent".into()),
            authn_context: vec!["urn:x:password<".into()],
            second_factor: second,
            ..settings(SamlBinding::Post)
        };
        for (demand, force, class) in [
            (Demand::default(), None, "urn:x:password<"),
            (Demand { is_fresh: true, ..Demand::default() }, Some("true"), "urn:x:password<"),
            (Demand { acr: Some("urn:vestibule:aal2".into()), ..Demand::default() }, None, "https://refeds.org/profile/mfa"),
        ] {
            let begun = ask(wanted.clone(), &demand, &[]).unwrap();
            let (xml, state) = posted(&begun);
            assert_eq!(state, begun.relay_state.expose_secret());
            let document = Document::parse(&xml, &MESSAGE).unwrap();
            let request = document.root();
            assert!(request.is(ns::PROTOCOL, "AuthnRequest"));
            let attribute = |name| request.attribute(name);
            assert_eq!(attribute("ID"), Some(begun.request_id.expose_secret()));
            assert_eq!(attribute("Destination"), Some("https://idp.example/sso?a=1&b=2"));
            assert_eq!(attribute("AssertionConsumerServiceURL"), Some("https://sp.example/sign-in/saml/acs"));
            assert_eq!((attribute("ForceAuthn"), attribute("IssueInstant")), (force, Some("2027-01-15T08:00:00Z")));
            assert_eq!(request.only(ns::ASSERTION, "Issuer").unwrap().text(), "https://sp.example/<&>");
            let asked = request.only(ns::PROTOCOL, "RequestedAuthnContext").unwrap();
            assert_eq!(asked.only(ns::ASSERTION, "AuthnContextClassRef").unwrap().text(), class);
            let policy = request.only(ns::PROTOCOL, "NameIDPolicy").unwrap();
            assert_eq!(policy.attribute("Format"), wanted.name_id_format.as_deref());
            assert!(request.only(ns::DSIG, "Signature").is_none());
        }
    }

    #[test]
    fn a_request_is_signed_in_the_manner_of_its_binding() {
        let key = key();
        let known = certificate(&key.certificate).unwrap();
        let keys = std::slice::from_ref(&key);
        let begun = ask(settings(SamlBinding::Redirect), &Demand::default(), keys).unwrap();
        let Outgoing::Redirect(address) = &begun.departure else { panic!("not an address") };
        let query = address.query().unwrap();
        assert!(query.starts_with("a=1&b=2&SAMLRequest="), "{query}");
        let carried = redirect::verified(query, &[&known]).unwrap();
        assert_eq!(carried.relay_state.as_deref(), Some(begun.relay_state.expose_secret()));
        assert!(!String::from_utf8(carried.message).unwrap().contains("Signature"));

        let (xml, _) = posted(&ask(settings(SamlBinding::Post), &Demand::default(), keys).unwrap());
        let der = samael::crypto::CertificateDer::from(key.certificate.clone());
        Crypto::verify_signed_xml(&xml, &der, Some("ID")).unwrap();
        let changed = String::from_utf8(xml).unwrap().replace("sign-in/saml/acs", "sign-in/evil/acs");
        assert!(Crypto::verify_signed_xml(&changed, &der, Some("ID")).is_err());
    }

    #[test]
    fn a_request_goes_in_an_address_where_both_are_offered() {
        let mut both = settings(SamlBinding::Post);
        both.sso.extend(settings(SamlBinding::Redirect).sso);
        let begun = ask(both, &Demand::default(), &[key()]).unwrap();
        assert!(matches!(begun.departure, Outgoing::Redirect(_)), "{begun:?}");
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let refused = |settings, keys: &[Credential]| ask(settings, &Demand::default(), keys).unwrap_err();
        assert_eq!(refused(SamlSettings::default(), &[key()]), BadSaml::NoEndpoint.into());
        assert_eq!(refused(settings(SamlBinding::Redirect), &[]), BadSaml::CannotSign.into());
        let broken = Credential { certificate: Vec::new(), private_key: vec![1, 2, 3].into() };
        for binding in [SamlBinding::Redirect, SamlBinding::Post] {
            assert_eq!(refused(settings(binding), std::slice::from_ref(&broken)), BadSaml::CannotSign.into());
        }
    }
}
