//! The page of a connection as it comes of what is known, for the tests that look at every page.

use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};

use super::super::pages::{ConnectionPage, Form, Frame};
use super::{Done, values};
use crate::config::PublicUrl;
use crate::directory::connections::{ConnectionView, Missing, Proposal};
use crate::federation::saml::{self, Credential, new_credential};
use crate::keys::{KeyRing, Place, Sealer};
use crate::model::{
    AccountId, Certificate, CertificateId, CertificateSource, Connection, ConnectionId, ConnectionKeyId, ConnectionState, Endpoint,
    JitPolicy, MissingClaim, OidcSettings, SamlBinding, SamlSettings, SecondFactor, SubjectSource,
};
use crate::store::{CertificateRow, ConnectionKeyRow, MetadataRow};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn days(days: i64) -> DateTime<Utc> {
    now() + TimeDelta::days(days)
}

/// A key and the certificate of it, made once: that takes a while.
static KEY: LazyLock<Credential> = LazyLock::new(|| new_credential("Bluesky signing", days(-300), days(400)).unwrap());

fn certificate() -> Certificate {
    saml::certificate(&KEY.certificate).unwrap()
}

fn row(at: i64, ends: i64) -> CertificateRow {
    let Certificate { der, fingerprint, not_before, .. } = certificate();
    CertificateRow {
        id: CertificateId::new(days(at)),
        connection_id: ConnectionId::new(now()),
        der,
        fingerprint,
        source: CertificateSource::Metadata,
        not_before,
        not_after: days(ends),
        added_at: days(at),
        last_used_at: Some(days(-1)),
        absent_since: None,
        alerted_days: None,
    }
}

fn key(from: i64, retired_at: Option<DateTime<Utc>>) -> ConnectionKeyRow {
    let id = ConnectionKeyId::new(days(from));
    let place = Place { table: "connection_keys", column: "private_sealed", row: id.uuid() };
    ConnectionKeyRow {
        id,
        certificate: KEY.certificate.clone(),
        private_sealed: Sealer::new(KeyRing::generate()).seal(&place, b"key"),
        created_at: days(from),
        active_from: days(from),
        retired_at,
    }
}

fn endpoint(location: &str) -> Vec<Endpoint> {
    vec![Endpoint { binding: SamlBinding::Redirect, location: location.parse().unwrap(), response_location: None }]
}

fn connection(state: ConnectionState, issuer: &str, settings: SamlSettings) -> Connection {
    Connection {
        id: ConnectionId::new(now()),
        slug: "anchor".into(),
        name: "Anchor".into(),
        state,
        issuer: issuer.into(),
        jit: JitPolicy::IfProvisioned,
        missing_claim: MissingClaim::Clear,
        home_account_id: AccountId::new(now()),
        contact: None,
        settings: settings.into(),
        epoch: 0,
    }
}

fn draft() -> ConnectionView {
    ConnectionView {
        connection: connection(ConnectionState::Draft, "", SamlSettings::default()),
        certificates: Vec::new(),
        metadata: None,
        proposal: None,
        keys: vec![key(-30, None)],
        missing: vec![Missing::EntityId, Missing::Endpoint, Missing::Certificate],
    }
}

fn enabled() -> ConnectionView {
    let settings = SamlSettings { sso: endpoint("https://idp.bluesky.example/sso"), ..SamlSettings::default() };
    let metadata = MetadataRow {
        url: Some("https://idp.bluesky.example/metadata".into()),
        fetched_at: Some(days(-1)),
        due_at: days(1),
        failures: 0,
        problem: None,
        proposed: None,
        proposed_at: None,
    };
    ConnectionView {
        connection: connection(ConnectionState::Enabled, "https://idp.bluesky.example/saml", settings),
        certificates: vec![row(-30, 212)],
        metadata: Some(metadata),
        missing: Vec::new(),
        ..draft()
    }
}

/// With a bit of everything that somebody has to look after.
fn troubled(entity_id: &str) -> ConnectionView {
    let view = enabled();
    let problem = Some("idp.bluesky.example did not answer in time".into());
    let metadata = view.metadata.clone().map(|row| MetadataRow { failures: 3, problem, proposed_at: Some(days(-1)), ..row });
    let is_other = entity_id != view.connection.issuer;
    ConnectionView {
        certificates: vec![
            row(-40, 6),
            CertificateRow { last_used_at: None, ..row(-30, 400) },
            CertificateRow { absent_since: Some(days(-3)), ..row(-20, -1) },
        ],
        metadata,
        proposal: Some(Proposal {
            entity_id: entity_id.into(),
            sso: endpoint("https://login.bluesky.example/sso"),
            slo: Vec::new(),
            certificates: if is_other { vec![certificate()] } else { Vec::new() },
        }),
        keys: vec![key(-400, Some(days(3))), key(-4, None), key(3, None)],
        ..view
    }
}

fn by_openid() -> ConnectionView {
    let view = enabled();
    let settings = OidcSettings { client_id: "vestibule".into(), scopes: Vec::new(), second_factor: SecondFactor::default() };
    let connection = Connection { settings: settings.into(), issuer: "https://idp.bluesky.example".into(), ..view.connection };
    ConnectionView { connection, certificates: Vec::new(), metadata: None, keys: Vec::new(), ..view }
}

/// The page in every state, by name.
pub(in crate::http) fn pages(frame: &Frame) -> Vec<(String, ConnectionPage)> {
    let public_url: PublicUrl = "https://id.example".parse().unwrap();
    let page = |view: &ConnectionView| values::page(&public_url, frame.clone(), view, true, now());
    let refused = |view: &ConnectionView, form, typed: &str, why: &str| ConnectionPage {
        error: Some((form, super::super::console::sentence(why))),
        typed: Some((form, typed.to_owned())),
        ..page(view)
    };
    let no_metadata = saml::metadata::read(b"<html/>", now()).unwrap_err().to_string();
    let no_certificate = saml::certificate(b"nothing").unwrap_err().to_string();
    let mut by_attribute = draft();
    let subject = SubjectSource::Attribute { name: "objectGUID".into() };
    by_attribute.connection.settings = SamlSettings { subject, ..SamlSettings::default() }.into();
    let mut all = vec![
        ("connection_draft".to_owned(), page(&draft())),
        ("connection_attribute".to_owned(), page(&by_attribute)),
        ("connection".to_owned(), page(&enabled())),
        ("connection_seen".to_owned(), values::page(&public_url, frame.clone(), &enabled(), false, now())),
        ("connection_troubled".to_owned(), page(&troubled("https://idp.bluesky.example/saml"))),
        ("connection_other".to_owned(), page(&troubled("https://other.example"))),
        ("connection_oidc".to_owned(), page(&by_openid())),
        ("connection_refused_url".to_owned(), refused(&draft(), Form::MetadataUrl, "nonsense", &no_metadata)),
        ("connection_refused_metadata".to_owned(), refused(&draft(), Form::Metadata, "<html/>", &no_metadata)),
        ("connection_refused_certificate".to_owned(), refused(&enabled(), Form::Certificate, "nothing", &no_certificate)),
        ("connection_refused_subject".to_owned(), refused(&draft(), Form::Subject, "mail", "this attribute is an address")),
        ("connection_refused_button".to_owned(), refused(&enabled(), Form::Button, "", "the next key is published already")),
    ];
    for done in Done::ALL {
        let told = Some(done.sentence().to_owned());
        all.push((format!("connection_done_{}", done.word()), ConnectionPage { done: told, ..page(&enabled()) }));
    }
    all
}

#[cfg(test)]
mod tests {
    use askama::Template as _;

    use super::*;

    /// The page of this name, as it is sent.
    fn html(name: &str) -> String {
        let found = pages(&Frame::default()).into_iter().find(|(of, _)| of == name);
        found.unwrap().1.render().unwrap()
    }

    #[test]
    fn what_was_typed_is_kept_where_it_was_typed_and_nowhere_else() {
        for (name, field) in [
            ("connection_refused_url", "value=\"nonsense\" aria-invalid=\"true\""),
            ("connection_refused_metadata", "autofocus>&#60;html/&#62;</textarea>"),
            ("connection_refused_certificate", "autofocus>nothing</textarea>"),
            ("connection_refused_subject", "value=\"mail\" aria-invalid=\"true\""),
        ] {
            let html = html(name);
            assert!(html.contains(field), "{name}: {html}");
            assert_eq!((html.matches("aria-invalid").count(), html.matches("class=\"field-error\"").count()), (1, 1), "{name}");
        }
        assert!(html("connection_refused_button").contains("role=\"alert\""));
    }

    #[test]
    fn another_identity_provider_is_told_from_another_endpoint() {
        let (moved, other) = (html("connection_troubled"), html("connection_other"));
        assert!(moved.contains("Approve this change") && !moved.contains("another identity provider"), "{moved}");
        assert!(other.contains("Replace the identity provider") && other.contains("This is another identity provider"), "{other}");
    }

    #[test]
    fn who_somebody_is_is_fixed_while_a_connection_is_enabled() {
        let (draft, enabled) = (html("connection_attribute"), html("connection"));
        assert!(draft.contains("value=\"objectGUID\" aria-describedby") && !draft.contains(" disabled"), "{draft}");
        assert!(enabled.contains("disable the connection before you change it") && enabled.contains(" disabled"), "{enabled}");
    }

    #[test]
    fn who_only_looks_is_offered_nothing_and_a_connection_by_openid_can_be_tried() {
        assert!(!html("connection_seen").contains("action=\"/admin"));
        let oidc = html("connection_oidc");
        assert_eq!(oidc.matches("action=\"/admin").count(), 2, "test and state: {oidc}");
        assert!(oidc.contains("Test the connection") && oidc.contains("Disable the connection"), "{oidc}");
    }
}
