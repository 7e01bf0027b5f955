//! What is said of a connection, on its page and by the API.

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::super::console::sentence;
use super::super::pages::{
    CertificateLine, ConnectionPage, Frame, KeyLine, KeyState, MetadataView, ProposalView, SubjectView, Value,
};
use super::super::signin::speaks;
use crate::app::App;
use crate::config::PublicUrl;
use crate::directory::connections::certificates::days_left;
use crate::directory::connections::keys::signing;
use crate::directory::connections::{ConnectionView, Missing, Proposal};
use crate::model::{
    AttributePreset, CertificateSource, Connection, ConnectionId, ConnectionSettings, ConnectionState, Endpoint, SamlBinding,
    SamlSettings, SubjectSource,
};

/// What a certificate says of itself, for people.
pub(in crate::http) struct Certified {
    pub subject: String,
    pub key: String,
}

/// Reads a certificate that was read before.
#[cfg(feature = "saml")]
pub(in crate::http) fn certified(der: &[u8]) -> Certified {
    let read = crate::federation::saml::certificate(der);
    read.map_or_else(
        |_| Certified { subject: String::new(), key: String::new() },
        |read| Certified { subject: read.subject, key: read.key },
    )
}

/// Without SAML nobody reads certificates.
#[cfg(not(feature = "saml"))]
pub(in crate::http) fn certified(_: &[u8]) -> Certified {
    Certified { subject: String::new(), key: String::new() }
}

#[cfg(feature = "saml")]
fn ends_at(certificate: &[u8]) -> Option<DateTime<Utc>> {
    crate::federation::saml::certificate(certificate).ok().map(|read| read.not_after)
}

#[cfg(not(feature = "saml"))]
fn ends_at(_: &[u8]) -> Option<DateTime<Utc>> {
    None
}

/// A key of ours for a connection; none, when none can be made.
#[cfg(feature = "saml")]
pub(in crate::http) async fn our_key(app: &App, connection: ConnectionId) -> Option<crate::directory::connections::OurKey> {
    let name = format!("vestibule {connection}");
    let made = crate::federation::saml::fresh_credential(name, app.clock.now()).await?;
    Some(crate::directory::connections::OurKey { certificate: made.certificate, private_key: made.private_key })
}

/// What an identity provider is told of us.
pub(in crate::http) fn reply_addresses(app: &App, connection: &Connection) -> Json {
    let (ours, id) = (&app.settings.server.public_url, connection.id);
    match connection.settings {
        ConnectionSettings::Saml(_) => json!({
            "entity_id": ours.saml_metadata(id),
            "metadata": ours.saml_metadata(id),
            "acs": ours.saml_acs(id),
            "slo": ours.saml_slo(id),
        }),
        ConnectionSettings::Oidc(_) => json!({ "redirect_uri": ours.oidc_callback(id) }),
    }
}

/// The page of a connection.
pub(super) fn page(
    public_url: &PublicUrl,
    frame: Frame,
    view: &ConnectionView,
    can_change: bool,
    now: DateTime<Utc>,
) -> ConnectionPage {
    let ConnectionView { connection, certificates, metadata, proposal, keys, missing } = view;
    let signs = signing(keys, now).map(|key| key.id);
    let (values, facts) = match &connection.settings {
        ConnectionSettings::Saml(settings) => (ours(public_url, connection.id), theirs(connection, settings)),
        ConnectionSettings::Oidc(settings) => (
            vec![Value {
                name: "Redirect URI",
                value: public_url.oidc_callback(connection.id),
                hint: "Register it with the client; also called reply URL or callback URL.",
            }],
            vec![fact("Issuer", &connection.issuer, ""), fact("Client ID", &settings.client_id, "")],
        ),
    };
    let certificates = certificates.iter().map(|row| {
        let Certified { subject, key } = certified(&row.der);
        CertificateLine {
            id: row.id.to_string(),
            subject: if subject.is_empty() { "A certificate without a name".to_owned() } else { subject },
            key,
            fingerprint: row.fingerprint.clone(),
            not_before: row.not_before,
            not_after: row.not_after,
            days_left: days_left(row.not_after, now),
            last_used_at: row.last_used_at,
            is_from_metadata: row.source == CertificateSource::Metadata,
            absent_since: row.absent_since,
        }
    });
    let keys = keys.iter().map(|key| KeyLine {
        state: match () {
            () if Some(key.id) == signs => KeyState::Signs,
            () if key.active_from > now => KeyState::Next,
            () => KeyState::Decrypts,
        },
        active_from: key.active_from,
        not_after: ends_at(&key.certificate),
    });
    let since = metadata.as_ref().and_then(|row| row.proposed_at);
    ConnectionPage {
        frame,
        id: connection.id.to_string(),
        name: connection.name.clone(),
        state: connection.state,
        can_change,
        can_set_up: can_change && connection.saml().is_some() && speaks(connection),
        can_test: can_change && missing.is_empty() && speaks(connection),
        subject: connection.saml().map(|settings| subject(connection, settings)),
        values,
        facts,
        missing: steps(missing),
        certificates: certificates.collect(),
        metadata: metadata.as_ref().and_then(|row| {
            Some(MetadataView {
                url: row.url.clone()?,
                fetched_at: row.fetched_at,
                due_at: row.due_at,
                failures: row.failures,
                problem: row.problem.clone(),
            })
        }),
        proposal: proposal.as_ref().zip(connection.saml()).map(|(proposal, settings)| ProposalView {
            digest: proposal.digest(),
            since,
            is_other: proposal.entity_id != connection.issuer,
            lines: changes(proposal, connection, settings),
        }),
        keys: keys.collect(),
        done: None,
        error: None,
        typed: None,
    }
}

/// Who somebody is, as it can be changed.
fn subject(connection: &Connection, settings: &SamlSettings) -> SubjectView {
    SubjectView {
        attribute: match &settings.subject {
            SubjectSource::NameId => String::new(),
            SubjectSource::Attribute { name } => name.clone(),
        },
        is_fixed: connection.state == ConnectionState::Enabled,
        presets: AttributePreset::ALL.map(|preset| (preset.as_str(), preset_name(preset), preset == settings.preset)).to_vec(),
    }
}

const fn preset_name(preset: AttributePreset) -> &'static str {
    match preset {
        AttributePreset::Generic => "Any of the usual ones",
        AttributePreset::Entra => "Those of Entra ID",
        AttributePreset::Okta => "Those of Okta",
        AttributePreset::Google => "Those of Google Workspace",
        AttributePreset::Adfs => "Those of ADFS",
        AttributePreset::Shibboleth => "eduPerson, as Shibboleth sends them",
    }
}

/// What is missing, as steps: its metadata, where that is all of it.
fn steps(missing: &[Missing]) -> Vec<String> {
    let of_metadata = [Missing::EntityId, Missing::Endpoint, Missing::Certificate];
    let is_all = of_metadata.iter().all(|one| missing.contains(one));
    let whole = "Give us the identity provider’s metadata: its entity ID, where people sign in, and its certificate.";
    let others = missing.iter().filter(|one| !(is_all && of_metadata.contains(one))).map(|one| sentence(&one.to_string()));
    is_all.then(|| whole.to_owned()).into_iter().chain(others).collect()
}

fn fact(name: &'static str, value: &str, hint: &'static str) -> Value {
    Value { name, value: value.to_owned(), hint }
}

fn ours(public_url: &PublicUrl, id: ConnectionId) -> Vec<Value> {
    let line = |name, value, hint| Value { name, value, hint };
    vec![
        line("Metadata URL", public_url.saml_metadata(id), "Many identity providers need only this one."),
        line("Entity ID", public_url.saml_metadata(id), "Also called identifier, audience URI or relying party identifier."),
        line("Reply URL", public_url.saml_acs(id), "Also called ACS URL or single sign-on URL; its binding is HTTP-POST."),
        line("Logout URL", public_url.saml_slo(id), "Optional; its bindings are HTTP-Redirect and HTTP-POST."),
    ]
}

fn theirs(connection: &Connection, settings: &SamlSettings) -> Vec<Value> {
    if connection.issuer.is_empty() && settings.sso.is_empty() {
        return Vec::new();
    }
    let mut facts = vec![fact("Entity ID", &connection.issuer, "")];
    facts.extend(settings.sso.iter().map(|endpoint| fact("Sign-in", endpoint.location.as_str(), binding(endpoint))));
    facts.extend(settings.slo.iter().map(|endpoint| fact("Logout", endpoint.location.as_str(), binding(endpoint))));
    facts.push(match &settings.subject {
        SubjectSource::NameId => fact("Who somebody is", "NameID", "It has to be one that stays: persistent, and no address."),
        SubjectSource::Attribute { name } => fact("Who somebody is", name, "This attribute, which must never change."),
    });
    facts
}

const fn binding(endpoint: &Endpoint) -> &'static str {
    match endpoint.binding {
        SamlBinding::Redirect => "HTTP-Redirect",
        SamlBinding::Post => "HTTP-POST",
    }
}

/// What a proposal changes, line by line: what it is about, what it is now, what it would be.
fn changes(proposal: &Proposal, connection: &Connection, settings: &SamlSettings) -> Vec<(String, String, String)> {
    let words = |endpoints: &[Endpoint]| {
        let words: Vec<_> = endpoints
            .iter()
            .map(|endpoint| {
                let answers = endpoint.response_location.as_ref().map(|url| format!(", answers to {url}")).unwrap_or_default();
                format!("{} {}{answers}", binding(endpoint), endpoint.location)
            })
            .collect();
        if words.is_empty() { "none".to_owned() } else { words.join("; ") }
    };
    let lines = [
        ("Entity ID", connection.issuer.clone(), proposal.entity_id.clone()),
        ("Sign-in", words(&settings.sso), words(&proposal.sso)),
        ("Logout", words(&settings.slo), words(&proposal.slo)),
    ];
    let changed = lines.into_iter().filter(|(_, before, after)| before != after);
    let mut changed: Vec<_> = changed.map(|(what, before, after)| (what.to_owned(), before, after)).collect();
    for certificate in &proposal.certificates {
        changed.push((format!("Certificate {}", certificate.subject), "—".to_owned(), certificate.fingerprint.clone()));
    }
    changed
}
