use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::super::{Credential, Outgoing, PostForm, certificate, new_credential};
use super::super::{Logout, LogoutExpected, LogoutMessage};
use super::read::read;
use super::*;
use crate::model::{AccountId, ConnectionId, ConnectionState, JitPolicy, MissingClaim, SamlBinding, SamlSettings};

const IDP: &str = "https://idp.example/metadata";
const SLO: &str = "https://sp.example/sign-in/saml/1/slo";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn connection(issuer: &str, binding: SamlBinding, location: &str) -> Connection {
    let location = location.parse().unwrap();
    let slo = vec![Endpoint { binding, location, response_location: Some("https://idp.example/answer".parse().unwrap()) }];
    Connection {
        id: ConnectionId::new(now()),
        slug: "idp".into(),
        name: "IdP".into(),
        state: ConnectionState::Enabled,
        issuer: issuer.into(),
        jit: JitPolicy::Off,
        missing_claim: MissingClaim::Clear,
        home_account_id: AccountId::new(now()),
        contact: None,
        settings: SamlSettings { slo, ..SamlSettings::default() }.into(),
        epoch: 0,
    }
}

fn key() -> Credential {
    new_credential("key", now() - TimeDelta::days(1), now() + TimeDelta::days(1)).unwrap()
}

fn joe() -> NameId {
    NameId {
        value: "joe <&\" bloggs".into(),
        format: Some("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent".into()),
        name_qualifier: Some(IDP.into()),
        sp_name_qualifier: None,
    }
}

/// What an identity provider sends us is what we send, with the parts exchanged.
struct Idp {
    key: Credential,
    acs: Url,
}

impl Idp {
    fn new() -> Self {
        Self { key: key(), acs: "https://idp.example/acs".parse().unwrap() }
    }

    fn sp(&self) -> Sp<'_> {
        Sp { entity_id: IDP, acs: &self.acs, slo: &self.acs, keys: std::slice::from_ref(&self.key) }
    }

    fn asks(&self, binding: SamlBinding, index: Option<&str>) -> LogoutMessage {
        let begun = begin_logout(&self.sp(), &connection("us", binding, SLO), &joe(), index, now()).unwrap().unwrap();
        came(begun.departure)
    }

    fn expected(&self) -> LogoutExpected {
        LogoutExpected {
            connection: connection(IDP, SamlBinding::Redirect, "https://idp.example/slo"),
            certificates: vec![certificate(&key().certificate).unwrap(), certificate(&self.key.certificate).unwrap()],
            slo: SLO.parse().unwrap(),
            now: now(),
        }
    }

    /// A request of this text, signed, in an address.
    fn says(&self, xml: &str) -> Result<Logout, Refused> {
        let address =
            super::super::redirect::address(&SLO.parse().unwrap(), Parameter::Request, xml, None, Some(&self.key)).unwrap();
        read(&self.expected(), &LogoutMessage::Redirect { raw_query: address.query().unwrap().to_owned() })
    }
}

fn came(departure: Outgoing) -> LogoutMessage {
    match departure {
        Outgoing::Redirect(address) => LogoutMessage::Redirect { raw_query: address.query().unwrap().to_owned() },
        Outgoing::Post(PostForm { fields, .. }) => {
            let field = |wanted: &str| fields.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone());
            LogoutMessage::Post { request: field("SAMLRequest"), response: field("SAMLResponse"), relay_state: field("RelayState") }
        }
    }
}

#[test]
fn a_request_is_read_as_it_was_meant() {
    let idp = Idp::new();
    for binding in [SamlBinding::Redirect, SamlBinding::Post] {
        for index in [None, Some("session-1")] {
            let Logout::Request { id, good_until, name_id, session_indexes, relay_state, certificate: by } =
                read(&idp.expected(), &idp.asks(binding, index)).unwrap()
            else {
                panic!("not a request")
            };
            assert!(id.len() == 41 && relay_state.is_some());
            assert_eq!(name_id, joe());
            assert_eq!(session_indexes, Vec::from_iter(index));
            assert_eq!(by, certificate(&idp.key.certificate).unwrap().fingerprint);
            assert_eq!(good_until, now() + LIFETIME + TimeDelta::minutes(1));
        }
    }
}

#[test]
fn an_answer_is_read_and_names_its_request() {
    let idp = Idp::new();
    for (binding, is_success) in [(SamlBinding::Redirect, true), (SamlBinding::Post, false)] {
        let mut to = connection("us", binding, "https://sp.example/elsewhere");
        let slo = vec![Endpoint {
            binding,
            location: "https://sp.example/x".parse().unwrap(),
            response_location: Some(SLO.parse().unwrap()),
        }];
        to.settings = SamlSettings { slo, ..SamlSettings::default() }.into();
        let answer = answer_logout(&idp.sp(), &to, "_request", Some("state"), is_success, now()).unwrap().unwrap();
        let said = read(&idp.expected(), &came(answer)).unwrap();
        let Logout::Response { in_response_to, is_success: was, relay_state, .. } = said else { panic!("not a response") };
        assert_eq!((in_response_to.as_deref(), was, relay_state.as_deref()), (Some("_request"), is_success, Some("state")));
    }
}

#[test]
fn messages_go_in_an_address_where_both_are_offered() {
    let idp = Idp::new();
    let of = |binding| connection("us", binding, SLO).saml().unwrap().slo.clone();
    let mut to = connection("us", SamlBinding::Post, SLO);
    to.settings =
        SamlSettings { slo: [of(SamlBinding::Post), of(SamlBinding::Redirect)].concat(), ..SamlSettings::default() }.into();
    let asked = begin_logout(&idp.sp(), &to, &joe(), None, now()).unwrap().unwrap().departure;
    let answered = answer_logout(&idp.sp(), &to, "_request", None, true, now()).unwrap().unwrap();
    assert!(matches!((&asked, &answered), (Outgoing::Redirect(_), Outgoing::Redirect(_))), "{asked:?}, {answered:?}");
}

#[test]
fn a_message_that_nobody_signed_or_somebody_else_is_refused() {
    let idp = Idp::new();
    let other = Idp::new();
    // A form brings its certificate along, so that more can be said of what is wrong.
    let fingerprint = certificate(&other.key.certificate).unwrap().fingerprint;
    let by_other = [BadSaml::Signature, BadSaml::OtherCertificate { fingerprint }];
    let by_none = [BadSaml::Signature, BadSaml::NoCertificate];
    for (at, binding) in [SamlBinding::Redirect, SamlBinding::Post].into_iter().enumerate() {
        assert_eq!(read(&idp.expected(), &other.asks(binding, None)), Err(by_other[at].clone().into()));
        let ended = LogoutExpected { now: now() + TimeDelta::days(2), ..idp.expected() };
        assert_eq!(read(&ended, &idp.asks(binding, None)), Err(by_none[at].clone().into()));
        let none = LogoutExpected { certificates: Vec::new(), ..idp.expected() };
        assert_eq!(read(&none, &idp.asks(binding, None)), Err(by_none[at].clone().into()));
    }
    let LogoutMessage::Post { request: Some(request), .. } = idp.asks(SamlBinding::Post, None) else { panic!("not a form") };
    let xml = String::from_utf8(STANDARD.decode(&request).unwrap()).unwrap();
    let post = |xml: &str| {
        let request = Some(STANDARD.encode(xml));
        read(&idp.expected(), &LogoutMessage::Post { request, response: None, relay_state: None })
    };
    assert!(post(&xml).is_ok());
    assert_eq!(post(&xml.replace("joe ", "eve ")), Err(BadSaml::Signature.into()));
    let (before, rest) = xml.split_once("<ds:Signature").unwrap();
    let (_, after) = rest.split_once("</ds:Signature>").unwrap();
    assert_eq!(post(&format!("{before}{after}")), Err(BadSaml::Unsigned.into()));
    for (request, response) in [(None, None), (Some(request.clone()), Some(request))] {
        let both = LogoutMessage::Post { request, response, relay_state: None };
        assert_eq!(read(&idp.expected(), &both), Err(BadSaml::MessageMissing.into()));
    }
}

#[test]
fn a_signed_message_has_to_be_ours_and_of_now() {
    let idp = Idp::new();
    let good = format!(
        "<p:LogoutRequest xmlns:p=\"{}\" xmlns:a=\"{}\" ID=\"_1\" Version=\"2.0\" IssueInstant=\"2027-01-15T08:00:00Z\" \
         Destination=\"{SLO}\" NotOnOrAfter=\"2027-01-15T08:05:00Z\"><a:Issuer>{IDP}</a:Issuer><a:NameID>joe</a:NameID></p:LogoutRequest>",
        ns::PROTOCOL,
        ns::ASSERTION
    );
    assert!(idp.says(&good).is_ok());
    for (from, to, bad) in [
        ("Version=\"2.0\"", "Version=\"1.1\"", BadSaml::LogoutShape),
        (IDP, "https://evil.example", BadSaml::LogoutIssuer),
        (&*format!("<a:Issuer>{IDP}</a:Issuer>"), "", BadSaml::LogoutIssuer),
        (SLO, "https://sp.example/sign-in/saml/2/slo", BadSaml::LogoutDestination),
        (&*format!("Destination=\"{SLO}\" "), "", BadSaml::LogoutDestination),
        ("IssueInstant=\"2027-01-15T08:00:00Z\"", "IssueInstant=\"2027-01-15T08:01:01Z\"", BadSaml::LogoutTime),
        ("IssueInstant=\"2027-01-15T08:00:00Z\"", "IssueInstant=\"2027-01-15T07:53:59Z\"", BadSaml::LogoutTime),
        ("IssueInstant=\"2027-01-15T08:00:00Z\"", "IssueInstant=\"now\"", BadSaml::LogoutTime),
        ("NotOnOrAfter=\"2027-01-15T08:05:00Z\"", "NotOnOrAfter=\"2027-01-15T07:59:00Z\"", BadSaml::LogoutTime),
        ("NotOnOrAfter=\"2027-01-15T08:05:00Z\"", "NotOnOrAfter=\"soon\"", BadSaml::LogoutTime),
        ("<a:NameID>joe</a:NameID>", "", BadSaml::LogoutShape),
        ("<a:NameID>joe</a:NameID>", "<a:NameID></a:NameID>", BadSaml::LogoutShape),
        ("<a:NameID>joe</a:NameID>", "<a:NameID>joe<a:NameID/></a:NameID>", BadSaml::LogoutShape),
        ("<a:NameID>joe</a:NameID>", "<a:NameID>joe</a:NameID><a:NameID>eve</a:NameID>", BadSaml::LogoutShape),
    ] {
        let said = good.replacen(from, to, 1);
        assert_ne!(said, good, "{from}");
        assert_eq!(idp.says(&said), Err(bad.into()), "{said}");
    }
    for (from, to) in [("_1", "1"), ("<a:NameID>", "<!-- --><a:NameID>"), ("p:LogoutRequest", "p:LogoutResponse")] {
        assert!(matches!(idp.says(&good.replace(from, to)), Err(Refused::Saml(BadSaml::Form(_)))), "{to}");
    }
    assert!(idp.says(&good.replace(" NotOnOrAfter=\"2027-01-15T08:05:00Z\"", "")).is_ok());
}

#[test]
fn an_identity_provider_without_an_endpoint_is_not_asked() {
    let idp = Idp::new();
    let mut none = connection("us", SamlBinding::Redirect, SLO);
    none.settings = SamlSettings::default().into();
    assert!(begin_logout(&idp.sp(), &none, &joe(), None, now()).unwrap().is_none());
    assert!(answer_logout(&idp.sp(), &none, "_1", None, true, now()).unwrap().is_none());
    let keyless = Sp { keys: &[], ..idp.sp() };
    let to = connection("us", SamlBinding::Redirect, SLO);
    assert_eq!(begin_logout(&keyless, &to, &joe(), None, now()).unwrap_err(), BadSaml::CannotSign.into());
}
