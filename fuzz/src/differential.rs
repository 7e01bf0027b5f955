//! Two parsers and two verifiers.

use std::collections::BTreeSet;

use bergshamra::{DsigContext, KeysManager};
use libxml::parser::{Parser, ParserOptions};
use libxml::tree::{Node, NodeType};
use vestibule::federation::saml::document::{Document, Element, MESSAGE};
use vestibule::federation::saml::preflight::{self, Root};
use vestibule::federation::saml::{BadSaml, verify};
use vestibule::model::Certificate;

use crate::saml::keys::{EC, Key, RSA};
use crate::saml::message::NOW;
use crate::saml::vector::{certificate, instant};

pub(crate) struct Judge {
    certificates: Vec<Certificate>,
    /// One for each certificate: all signatures of a message have to be by the same.
    others: [DsigContext; 2],
}

impl Judge {
    pub(crate) fn new() -> Self {
        let keys: [&Key; 2] = [&*RSA, &*EC];
        let context = |key: &Key| {
            let public = key.certificate.public_key().unwrap().public_key_to_der().unwrap();
            let mut keys = KeysManager::new();
            keys.add_key(bergshamra::keys::loader::load_spki_der(&public).unwrap());
            DsigContext::new(keys)
        };
        Self { certificates: keys.map(certificate).into(), others: keys.map(context) }
    }

    /// Whether it passes the pre-flight; if so, libxml2 has to see the same elements, attributes and texts in it.
    pub(crate) fn parsers(&self, message: &[u8]) -> Result<bool, String> {
        if preflight::check(message, Root::Response).is_err() {
            return Ok(false);
        }
        let document = Document::parse(message, &MESSAGE).map_err(|refusal| format!("passes, but is not read: {refusal}"))?;
        // As strict as it can be: what passes must need none of its leniency.
        let options = ParserOptions { recover: false, no_error: true, no_warning: true, no_net: true, ..ParserOptions::default() };
        let tree = Parser::default()
            .parse_string_with_options(message, options)
            .map_err(|_| "libxml2 does not read what passes".to_owned())?;
        compare(document.root(), &tree.get_root_element().ok_or("libxml2 finds no root")?)?;
        Ok(true)
    }

    /// Whether every signature of it is verified; both have to be of one mind.
    pub(crate) fn verifiers(&self, message: &[u8]) -> Result<bool, String> {
        let text = std::str::from_utf8(message).map_err(|_| "passes, but is no UTF-8".to_owned())?;
        let guarded = preflight::guard(message, Root::Response).map_err(|refusal| format!("passes no more: {refusal}"))?;
        let ours = verify::signed(&guarded, &self.certificates, instant(NOW));
        if matches!(ours, Err(BadSaml::Unsigned)) {
            return Ok(false);
        }
        let theirs = [0, 1].map(|key| bergshamra::verify_all(&self.others[key], text));
        let is_theirs =
            theirs.iter().any(|found| found.as_ref().is_ok_and(|all| all.iter().all(bergshamra::VerifyResult::is_valid)));
        if ours.is_ok() == is_theirs { Ok(is_theirs) } else { Err(format!("two verdicts\nours:   {ours:?}\ntheirs: {theirs:?}")) }
    }
}

/// Whether libxml2 sees the same there: the name, the attributes, the text, and so on within.
fn compare(ours: Element<'_>, theirs: &Node) -> Result<(), String> {
    let here = |what: &str| Err(format!("two readings of {{{}}}{}: {what}", ours.namespace(), ours.name()));
    let namespace = theirs.get_namespace().map(|namespace| namespace.get_href()).unwrap_or_default();
    if (ours.namespace(), ours.name()) != (namespace.as_str(), theirs.get_name().as_str()) {
        return here(&format!("it is {{{namespace}}}{}", theirs.get_name()));
    }
    for (namespace, name, value) in ours.attributes() {
        let other = if namespace.is_empty() {
            // By name alone, which finds the wrong one where there is another of that name.
            if ours.attributes().filter(|(_, other, _)| *other == name).count() > 1 {
                continue;
            }
            theirs.get_property(name)
        } else {
            theirs.get_property_ns(name, namespace)
        };
        if other.as_deref() != Some(value) {
            return here(&format!("the attribute {{{namespace}}}{name} is {value:?} and {other:?}"));
        }
    }
    let names: BTreeSet<_> = ours.attributes().map(|(_, name, _)| name.to_owned()).collect();
    let others: BTreeSet<_> = theirs.get_properties().into_keys().collect();
    if names != others {
        return here(&format!("it has the attributes {names:?} and {others:?}"));
    }
    let (mut elements, mut text) = (Vec::new(), String::new());
    for child in theirs.get_child_nodes() {
        match child.get_type() {
            Some(NodeType::ElementNode) => elements.push(child),
            Some(NodeType::TextNode) => text += &child.get_content(),
            other => return here(&format!("it holds {other:?}")),
        }
    }
    if ours.text() != text || ours.children().count() != elements.len() {
        return here(&format!(
            "its text is {:?} and {text:?}, its elements {} and {}",
            ours.text(),
            ours.children().count(),
            elements.len()
        ));
    }
    ours.children().zip(&elements).try_for_each(|(ours, theirs)| compare(ours, theirs))
}
