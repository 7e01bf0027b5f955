//! What an identity provider sends: good messages, and bad ones of several classes, made once by `xmlsec1`; and by ourselves, where each must be
//! another one.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

pub(crate) const ENTITY_ID: &str = "https://idp.bluesky.example/metadata";

const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion:Assertion";
const RESPONSE: &str = "urn:oasis:names:tc:SAML:2.0:protocol:Response";

/// A message, and whether it is a good one.
#[derive(Debug)]
pub(crate) struct Message {
    /// The name of its file, in whose order the peers read them.
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) what: &'static str,
    pub(crate) is_good: bool,
    /// As it is in the form.
    pub(crate) field: String,
}

/// What a response answers.
#[derive(Clone, Debug)]
pub(crate) struct Answers<'a> {
    /// Our entity id.
    pub(crate) entity_id: &'a str,
    pub(crate) acs: &'a str,
    pub(crate) request_id: &'a str,
    /// The `NameID` of the person.
    pub(crate) subject: &'a str,
    pub(crate) now: DateTime<Utc>,
}

/// An identity provider's keys, those of somebody who would like to be it, and ours.
pub(crate) struct Keys {
    folder: TempDir,
    signing: PKey<Private>,
    forging: PKey<Private>,
}

impl Keys {
    pub(crate) fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["idp", "forger", "sp"] {
            let mut command = Command::new("openssl");
            command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj"]).arg(format!("/CN={name}"));
            command.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.crt")]);
            run(command.current_dir(&folder));
        }
        let key = |name: &str| PKey::private_key_from_pem(&std::fs::read(folder.path().join(name)).unwrap()).unwrap();
        Self { signing: key("idp.key"), forging: key("forger.key"), folder }
    }

    pub(crate) fn pem(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(file)).unwrap()
    }

    /// The file with the metadata of the identity provider.
    pub(crate) fn metadata(&self) -> PathBuf {
        let certificate: String = self.pem("idp.crt").lines().filter(|line| !line.starts_with('-')).collect();
        self.keep("metadata.xml", &METADATA.replace("{entity_id}", ENTITY_ID).replace("{certificate}", &certificate))
    }

    /// One message of each kind.
    pub(crate) fn messages(&self, answers: &Answers<'_>) -> Vec<Message> {
        let assertion = &assertion(answers);
        let with_place = &with_signature(assertion, &assertion_id(answers));
        let response = |content: &str| response(answers, content);
        let signed = |key: &str| self.sign(key, ASSERTION, &response(with_place));
        let one = signed("idp.key");
        let both = self.sign("idp.key", RESPONSE, &with_signature(&one, &format!("_r{}", answers.request_id)));
        let encrypted = response(&self.encrypt(&self.sign("idp.key", ASSERTION, with_place)));
        let typed = one.replacen("<samlp:Response", "<!DOCTYPE samlp:Response [<!ENTITY joe \"joe\">]><samlp:Response", 1);
        let forged = assertion.replacen(&assertion_id(answers), "_evil", 1).replace(answers.subject, "somebody-else");
        let two = one.replacen("<saml:Assertion", &format!("{forged}<saml:Assertion"), 1);
        let changed = one.replacen(answers.subject, "somebody-else", 1);
        let message = |name, what, is_good, xml: String| Message { name, what, is_good, field: STANDARD.encode(xml) };
        vec![
            message("1-signed", "the assertion is signed", true, one.clone()),
            message("2-both", "response and assertion are signed", true, both),
            message("3-encrypted", "signed, then encrypted (AES-256-GCM, RSA-OAEP)", true, encrypted),
            message("4-doctype", "a document type", false, typed),
            message("5-wrapped", "a second assertion before the signed one", false, two),
            message("6-changed", "the subject was changed after signing", false, changed),
            message("7-forged", "signed by somebody else's key", false, signed("forger.key")),
        ]
    }

    fn sign(&self, key: &str, of: &str, xml: &str) -> String {
        let mut command = Command::new("xmlsec1");
        command.args(["--sign", "--privkey-pem", key, "--id-attr:ID", of]).arg(self.keep("to-sign.xml", xml));
        let text = run(command.current_dir(&self.folder));
        text.split_once("?>\n").map_or(text.as_str(), |(_, xml)| xml).trim_end().to_owned()
    }

    fn encrypt(&self, assertion: &str) -> String {
        let mut command = Command::new("xmlsec1");
        command.args(["--encrypt", "--pubkey-cert-pem", "sp.crt", "--session-key", "aes-256", "--xml-data"]);
        command.arg(self.keep("to-encrypt.xml", assertion)).arg(self.keep("template.xml", ENCRYPTED));
        let text = run(command.current_dir(&self.folder));
        let data = text.split_once("?>\n").map_or(text.as_str(), |(_, xml)| xml);
        format!("<saml:EncryptedAssertion>{}</saml:EncryptedAssertion>", data.trim_end())
    }

    fn keep(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A response whose assertion the identity provider, or the forger, has signed. What is signed is written as canonicalisation leaves it.
    pub(crate) fn response(&self, answers: &Answers<'_>, is_forged: bool) -> String {
        let key = if is_forged { &self.forging } else { &self.signing };
        let assertion = assertion(answers);
        let digest = STANDARD.encode(Sha256::digest(&assertion));
        let info = SIGNED_INFO.replace("{id}", &assertion_id(answers)).replace("{digest}", &digest);
        let canonical = info.replacen("<ds:SignedInfo", "<ds:SignedInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"", 1);
        let mut signer = Signer::new(MessageDigest::sha256(), key).unwrap();
        let value = STANDARD.encode(signer.sign_oneshot_to_vec(canonical.as_bytes()).unwrap());
        let signature = SIGNATURE.replace("{info}", &info).replace("{value}", &value);
        STANDARD.encode(response(answers, &assertion.replacen("</saml:Issuer>", &format!("</saml:Issuer>{signature}"), 1)))
    }
}

/// Puts the messages and the settings where the peers look for them.
pub(crate) fn write(folder: &Path, keys: &Keys, messages: &[Message], answers: &Answers<'_>) {
    std::fs::create_dir_all(folder).unwrap();
    for message in messages {
        std::fs::write(folder.join(format!("{}.b64", message.name)), &message.field).unwrap();
    }
    let settings = serde_json::json!({
        "entityId": answers.entity_id, "acs": answers.acs, "idp": ENTITY_ID, "idpCertificate": keys.pem("idp.crt"),
        "certificate": keys.pem("sp.crt"), "privateKey": keys.pem("sp.key"),
    });
    std::fs::write(folder.join("peer.json"), settings.to_string()).unwrap();
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A place for the signature of the element whose issuer comes first.
fn with_signature(xml: &str, id: &str) -> String {
    let info = SIGNED_INFO.replace("{id}", id).replace("{digest}", "");
    let signature = SIGNATURE.replace("{info}", &info).replace("{value}", "");
    xml.replacen("</saml:Issuer>", &format!("</saml:Issuer>{signature}"), 1)
}

/// Each answer has an assertion of its own.
fn assertion_id(answers: &Answers<'_>) -> String {
    format!("_a{}", answers.request_id)
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn filled(template: &str, answers: &Answers<'_>) -> String {
    template
        .replace("{issuer}", ENTITY_ID)
        .replace("{now}", &time(answers.now))
        .replace("{later}", &time(answers.now + TimeDelta::hours(1)))
        .replace("{acs}", answers.acs)
        .replace("{request_id}", answers.request_id)
        .replace("{entity_id}", answers.entity_id)
        .replace("{subject}", answers.subject)
}

fn response(answers: &Answers<'_>, content: &str) -> String {
    filled(RESPONSE_XML, answers).replace("{content}", content)
}

fn assertion(answers: &Answers<'_>) -> String {
    let mut groups = String::new();
    for number in 0..40 {
        write!(groups, "<saml:AttributeValue>CN=Team {number},OU=Groups,OU=Cloud,DC=bluesky,DC=example</saml:AttributeValue>")
            .unwrap();
    }
    filled(ASSERTION_XML, answers).replace("{groups}", &groups)
}

const METADATA: &str = r#"<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{entity_id}">
<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
<md:NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:persistent</md:NameIDFormat>
<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.bluesky.example/sso"/>
</md:IDPSSODescriptor>
</md:EntityDescriptor>
"#;

const RESPONSE_XML: &str = r#"<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" Destination="{acs}" ID="_r{request_id}" InResponseTo="{request_id}" IssueInstant="{now}" Version="2.0"><saml:Issuer>{issuer}</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"></samlp:StatusCode></samlp:Status>{content}</samlp:Response>"#;

const ASSERTION_XML: &str = r#"<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_a{request_id}" IssueInstant="{now}" Version="2.0"><saml:Issuer>{issuer}</saml:Issuer><saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">{subject}</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData InResponseTo="{request_id}" NotOnOrAfter="{later}" Recipient="{acs}"></saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="{now}" NotOnOrAfter="{later}"><saml:AudienceRestriction><saml:Audience>{entity_id}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="{now}" SessionIndex="_session"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute Name="givenName"><saml:AttributeValue>Joe</saml:AttributeValue></saml:Attribute><saml:Attribute Name="mail"><saml:AttributeValue>joe@bluesky.example</saml:AttributeValue></saml:Attribute><saml:Attribute Name="groups">{groups}</saml:Attribute></saml:AttributeStatement></saml:Assertion>"#;

const SIGNATURE: &str = r#"<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#">{info}<ds:SignatureValue>{value}</ds:SignatureValue></ds:Signature>"#;

const SIGNED_INFO: &str = r##"<ds:SignedInfo><ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"></ds:SignatureMethod><ds:Reference URI="#{id}"><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"></ds:Transform><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></ds:Transform></ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod><ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"##;

const ENCRYPTED: &str = r#"<xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" Type="http://www.w3.org/2001/04/xmlenc#Element"><xenc:EncryptionMethod Algorithm="http://www.w3.org/2009/xmlenc11#aes256-gcm"/><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><xenc:EncryptedKey><xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"><ds:DigestMethod Algorithm="http://www.w3.org/2000/09/xmldsig#sha1"/></xenc:EncryptionMethod><xenc:CipherData><xenc:CipherValue></xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo><xenc:CipherData><xenc:CipherValue></xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>"#;
