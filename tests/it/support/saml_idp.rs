//! A SAML identity provider that does what its script says. It has no address: a story reads what a browser is sent with, and gives the browser
//! what an identity provider would.
//!
//! Its messages are written as exclusive canonicalisation (without comments) would write them, so that they are signed as they stand.

use std::collections::HashMap;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use openssl::hash::{MessageDigest, hash};
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use secrecy::ExposeSecret as _;
use url::Url;
use vestibule::federation::saml;
use vestibule::keys::PlainToken;

const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
pub(crate) const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
pub(crate) const PASSWORD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";
const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";

pub(crate) struct SamlIdp {
    pub(crate) entity_id: String,
    /// Its certificate (DER).
    pub(crate) certificate: Vec<u8>,
    key: PKey<Private>,
}

/// What a browser was sent with.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Where it was sent.
    pub(crate) to: Url,
    pub(crate) xml: String,
    pub(crate) id: String,
    pub(crate) issuer: String,
    pub(crate) relay_state: Option<String>,
}

impl Asked {
    fn new(to: Url, xml: String, relay_state: Option<String>) -> Self {
        let (id, issuer) = (attribute(&xml, "ID").unwrap(), text(&xml, "Issuer").unwrap());
        Self { to, xml, id, issuer, relay_state }
    }

    /// Reads a request or an answer that a browser was sent with by an address.
    pub(crate) fn by_redirect(url: &Url) -> Self {
        let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
        let message =
            query.get("SAMLRequest").or_else(|| query.get("SAMLResponse")).unwrap_or_else(|| panic!("no message in {url}"));
        let mut xml = String::new();
        flate2::read::DeflateDecoder::new(&STANDARD.decode(message).unwrap()[..]).read_to_string(&mut xml).unwrap();
        let mut to = url.clone();
        to.set_query(None);
        Self::new(to, xml, query.get("RelayState").cloned())
    }

    /// Reads one that a page posts.
    pub(crate) fn by_form(page: &str) -> Self {
        let (action, fields) = form(page);
        let field = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
        let message = field("SAMLRequest").or_else(|| field("SAMLResponse")).expect("a message");
        let xml = String::from_utf8(STANDARD.decode(message).unwrap()).unwrap();
        Self::new(action.parse().unwrap(), xml, field("RelayState"))
    }

    /// An attribute of the message.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        attribute(&self.xml, name)
    }

    /// The text of an element of the message.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        text(&self.xml, name)
    }

    /// Where the answer is posted.
    pub(crate) fn acs(&self) -> String {
        self.issuer.replace("/metadata", "/acs")
    }

    fn relay_state(&self) -> &str {
        self.relay_state.as_deref().unwrap_or_default()
    }
}

/// What an assertion says.
#[derive(Clone, Debug)]
pub(crate) struct Says {
    pub(crate) name_id: String,
    /// Attributes by their names.
    pub(crate) attributes: Vec<(String, Vec<String>)>,
    /// When it was issued.
    pub(crate) at: DateTime<Utc>,
    pub(crate) authenticated_at: DateTime<Utc>,
    pub(crate) class: String,
    pub(crate) session_index: Option<String>,
    pub(crate) session_until: Option<DateTime<Utc>>,
    /// A new one for each, unless it is said.
    pub(crate) assertion_id: Option<String>,
}

impl Says {
    /// Somebody by a persistent `NameID`, whose attribute `uid` is the same, and who has just signed in there.
    pub(crate) fn of(name: &str, at: DateTime<Utc>) -> Self {
        Self {
            name_id: format!("{name}-for-ever"),
            attributes: vec![("uid".to_owned(), vec![name.to_owned()])],
            at,
            authenticated_at: at,
            class: PASSWORD.to_owned(),
            session_index: None,
            session_until: None,
            assertion_id: None,
        }
    }
}

/// The fields of a form.
pub(crate) type Fields = Vec<(String, String)>;

impl SamlIdp {
    pub(crate) fn new(name: &str, now: DateTime<Utc>) -> Self {
        let made = saml::new_credential(name, now - TimeDelta::days(1), now + TimeDelta::days(365)).unwrap();
        let key = PKey::private_key_from_der(made.private_key.expose_secret()).unwrap();
        Self { entity_id: format!("https://{name}.example/saml"), certificate: made.certificate, key }
    }

    pub(crate) fn sso(&self) -> Url {
        format!("{}/sso", self.entity_id).parse().unwrap()
    }

    pub(crate) fn slo(&self) -> Url {
        format!("{}/slo", self.entity_id).parse().unwrap()
    }

    /// The form that a browser posts to us after somebody has signed in.
    pub(crate) fn response(&self, asked: &Asked, says: &Says) -> Fields {
        let in_response_to = asked.id.clone();
        self.response_to(Some(&in_response_to), &asked.issuer, &asked.acs(), asked.relay_state(), says)
    }

    /// The same to nobody's request, or to somebody else's.
    pub(crate) fn response_to(&self, to: Option<&str>, audience: &str, acs: &str, relay_state: &str, says: &Says) -> Fields {
        let id = says.assertion_id.clone().unwrap_or_else(new_id);
        let (issuer, at) = (&self.entity_id, instant(says.at));
        let (from, until) = (instant(says.at - TimeDelta::minutes(1)), instant(says.at + TimeDelta::minutes(5)));
        let answers = to.map(|to| format!(" InResponseTo=\"{to}\"")).unwrap_or_default();
        let index = says.session_index.as_ref().map(|index| format!(" SessionIndex=\"{}\"", escaped(index))).unwrap_or_default();
        let ends = says.session_until.map(|at| format!(" SessionNotOnOrAfter=\"{}\"", instant(at))).unwrap_or_default();
        let (authenticated, class, name) = (instant(says.authenticated_at), escaped(&says.class), escaped(&says.name_id));
        let attribute = |(name, values): &(String, Vec<String>)| {
            let values = joined(values, |value| format!("<saml:AttributeValue>{}</saml:AttributeValue>", escaped(value)));
            format!("<saml:Attribute Name=\"{}\">{values}</saml:Attribute>", escaped(name))
        };
        let attributes = joined(&says.attributes, attribute);
        let statement = if attributes.is_empty() {
            String::new()
        } else {
            format!("<saml:AttributeStatement>{attributes}</saml:AttributeStatement>")
        };
        let head = format!(
            r#"<saml:Assertion xmlns:saml="{ASSERTION}" ID="{id}" IssueInstant="{at}" Version="2.0"><saml:Issuer>{issuer}</saml:Issuer>"#
        );
        let rest = format!(
            r#"<saml:Subject><saml:NameID Format="{PERSISTENT}">{name}</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData{answers} NotOnOrAfter="{until}" Recipient="{acs}"></saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="{from}" NotOnOrAfter="{until}"><saml:AudienceRestriction><saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="{authenticated}"{index}{ends}><saml:AuthnContext><saml:AuthnContextClassRef>{class}</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>{statement}</saml:Assertion>"#
        );
        let assertion = format!("{head}{}{rest}", self.signature(&id, &format!("{head}{rest}")));
        let response = format!(
            r#"<samlp:Response xmlns:samlp="{PROTOCOL}" Destination="{acs}" ID="{}"{answers} IssueInstant="{at}" Version="2.0"><saml:Issuer xmlns:saml="{ASSERTION}">{issuer}</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"></samlp:StatusCode></samlp:Status>{assertion}</samlp:Response>"#,
            new_id()
        );
        vec![("SAMLResponse".to_owned(), STANDARD.encode(response)), ("RelayState".to_owned(), relay_state.to_owned())]
    }

    /// A logout request for somebody, to be sent to `slo`.
    pub(crate) fn logout_request(&self, slo: &str, name_id: &str, indexes: &[&str], at: DateTime<Utc>) -> Message {
        let id = new_id();
        let head = format!(
            r#"<samlp:LogoutRequest xmlns:samlp="{PROTOCOL}" Destination="{slo}" ID="{id}" IssueInstant="{}" NotOnOrAfter="{}" Version="2.0"><saml:Issuer xmlns:saml="{ASSERTION}">{}</saml:Issuer>"#,
            instant(at),
            instant(at + TimeDelta::minutes(5)),
            self.entity_id
        );
        let indexes = joined(indexes, |index| format!("<samlp:SessionIndex>{}</samlp:SessionIndex>", escaped(index)));
        let rest = format!(
            r#"<saml:NameID xmlns:saml="{ASSERTION}" Format="{PERSISTENT}">{}</saml:NameID>{indexes}</samlp:LogoutRequest>"#,
            escaped(name_id)
        );
        Message { parameter: "SAMLRequest", slo: slo.to_owned(), id, head, rest }
    }

    /// The answer to a logout request of ours.
    pub(crate) fn logout_response(&self, asked: &Asked, status: &str, at: DateTime<Utc>) -> Message {
        let (id, slo) = (new_id(), asked.issuer.replace("/metadata", "/slo"));
        let head = format!(
            r#"<samlp:LogoutResponse xmlns:samlp="{PROTOCOL}" Destination="{slo}" ID="{id}" InResponseTo="{}" IssueInstant="{}" Version="2.0"><saml:Issuer xmlns:saml="{ASSERTION}">{}</saml:Issuer>"#,
            asked.id,
            instant(at),
            self.entity_id
        );
        let rest = format!(
            r#"<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:{status}"></samlp:StatusCode></samlp:Status></samlp:LogoutResponse>"#
        );
        Message { parameter: "SAMLResponse", slo, id, head, rest }
    }

    /// A message in an address, signed (Bindings section 3.4.4.1).
    pub(crate) fn redirect(&self, message: &Message, relay_state: Option<&str>) -> String {
        let mut deflated = Vec::new();
        let xml = format!("{}{}", message.head, message.rest);
        flate2::read::DeflateEncoder::new(xml.as_bytes(), flate2::Compression::default()).read_to_end(&mut deflated).unwrap();
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair(message.parameter, &STANDARD.encode(deflated));
        if let Some(relay_state) = relay_state {
            query.append_pair("RelayState", relay_state);
        }
        let signed = query.append_pair("SigAlg", RSA_SHA256).finish();
        let signature =
            url::form_urlencoded::byte_serialize(STANDARD.encode(self.sign(signed.as_bytes())).as_bytes()).collect::<String>();
        format!("{}?{signed}&Signature={signature}", message.slo)
    }

    /// A message in a form, signed.
    pub(crate) fn post(&self, message: &Message, relay_state: Option<&str>) -> Fields {
        let Message { id, head, rest, .. } = message;
        let xml = format!("{head}{}{rest}", self.signature(id, &format!("{head}{rest}")));
        let mut fields = vec![(message.parameter.to_owned(), STANDARD.encode(xml))];
        fields.extend(relay_state.map(|state| ("RelayState".to_owned(), state.to_owned())));
        fields
    }

    fn signature(&self, id: &str, canonical: &str) -> String {
        let digest = STANDARD.encode(hash(MessageDigest::sha256(), canonical.as_bytes()).unwrap());
        let info = format!(
            r##"<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"></ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="{RSA_SHA256}"></ds:SignatureMethod><ds:Reference URI="#{id}"><ds:Transforms><ds:Transform Algorithm="{DS}enveloped-signature"></ds:Transform><ds:Transform Algorithm="{EXCLUSIVE}"></ds:Transform></ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod><ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"##
        );
        let value = STANDARD.encode(self.sign(format!(r#"<ds:SignedInfo xmlns:ds="{DS}">{info}"#).as_bytes()));
        format!(
            r#"<ds:Signature xmlns:ds="{DS}"><ds:SignedInfo>{info}<ds:SignatureValue>{value}</ds:SignatureValue></ds:Signature>"#
        )
    }

    fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        Signer::new(MessageDigest::sha256(), &self.key).unwrap().sign_oneshot_to_vec(bytes).unwrap()
    }
}

/// A logout message that is to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    parameter: &'static str,
    slo: String,
    pub(crate) id: String,
    /// Up to where its signature goes.
    head: String,
    rest: String,
}

/// Where a page's one form goes, and its hidden fields.
pub(crate) fn form(page: &str) -> (String, Fields) {
    let between = |text: &str, before: &str, after: &str| {
        let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
        unescaped(rest.split_once(after).unwrap().0)
    };
    let (_, rest) = page.split_once("<form id=\"post-on\"").unwrap_or_else(|| panic!("no form in {page}"));
    let (inside, _) = rest.split_once("</form>").unwrap();
    let fields = inside
        .split("<input type=\"hidden\"")
        .skip(1)
        .map(|field| (between(field, "name=\"", "\""), between(field, "value=\"", "\"")))
        .collect();
    (between(inside, "action=\"", "\""), fields)
}

fn unescaped(text: &str) -> String {
    text.replace("&#60;", "<").replace("&#62;", ">").replace("&#34;", "\"").replace("&#39;", "'").replace("&#38;", "&")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn attribute(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!(" {name}=\""))?;
    Some(rest.split_once('"')?.0.to_owned())
}

fn text(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!(":{name}"))?;
    let (_, rest) = rest.split_once('>')?;
    Some(rest.split_once('<')?.0.to_owned())
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Parts one after the other.
fn joined<T>(all: impl IntoIterator<Item = T>, part: impl Fn(T) -> String) -> String {
    all.into_iter().map(part).collect::<Vec<_>>().concat()
}

fn new_id() -> String {
    format!("_{}", PlainToken::bare().reveal().expose_secret())
}
