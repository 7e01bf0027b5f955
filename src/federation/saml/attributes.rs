//! The attributes of an assertion (SAML Core section 2.7.3), as claims: the same names whatever the identity provider calls them, so that
//! binding pairs and rules read alike for every protocol.

use std::collections::{BTreeMap, HashSet};

use super::document::{Element, ns};
use crate::model::{AttributePreset, SamlSettings};

/// What is the sign-in's own to say, whatever attributes are called.
pub(super) const SUB: &str = "sub";
pub(super) const NAME_ID: &str = "name_id";

type Names = &'static [(&'static str, &'static str)];

const ENTRA: Names = &[
    ("http://schemas.microsoft.com/identity/claims/objectidentifier", "oid"),
    ("http://schemas.microsoft.com/identity/claims/tenantid", "tid"),
    ("http://schemas.microsoft.com/identity/claims/displayname", "name"),
    ("http://schemas.microsoft.com/identity/claims/identityprovider", "idp"),
    ("http://schemas.microsoft.com/claims/authnmethodsreferences", "amr"),
    ("http://schemas.microsoft.com/ws/2008/06/identity/claims/groups", "groups"),
    ("http://schemas.microsoft.com/ws/2008/06/identity/claims/role", "roles"),
    ("http://schemas.microsoft.com/ws/2008/06/identity/claims/wids", "wids"),
    ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress", "email"),
    ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname", "given_name"),
    ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname", "family_name"),
    // By default the user principal name.
    ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name", "preferred_username"),
    ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn", "upn"),
];

const ADFS: Names = &[
    ("http://schemas.microsoft.com/claims/authnmethodsreferences", "amr"),
    ("http://schemas.microsoft.com/ws/2008/06/identity/claims/primarysid", "primary_sid"),
    ("http://schemas.microsoft.com/ws/2008/06/identity/claims/role", "roles"),
    ("http://schemas.microsoft.com/ws/2008/06/identity/claims/windowsaccountname", "windows_account_name"),
    ("http://schemas.xmlsoap.org/claims/CommonName", "cn"),
    ("http://schemas.xmlsoap.org/claims/Group", "groups"),
    ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress", "email"),
    ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname", "given_name"),
    ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname", "family_name"),
    ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name", "name"),
    ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/privatepersonalidentifier", "ppid"),
    ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn", "upn"),
];

/// Names that administrators choose there; these are those of the guides.
const OKTA: Names = &[
    ("email", "email"),
    ("Email", "email"),
    ("firstName", "given_name"),
    ("FirstName", "given_name"),
    ("lastName", "family_name"),
    ("LastName", "family_name"),
    ("displayName", "name"),
    ("login", "preferred_username"),
    ("groups", "groups"),
    ("Groups", "groups"),
    ("mobilePhone", "phone_number"),
];

const GOOGLE: Names = &[
    ("email", "email"),
    ("mail", "email"),
    ("firstName", "given_name"),
    ("first_name", "given_name"),
    ("lastName", "family_name"),
    ("last_name", "family_name"),
    ("name", "name"),
    ("groups", "groups"),
    ("department", "department"),
];

/// Names of eduPerson and LDAP; their claims are those of the REFEDS mapping for OpenID Connect.
const SHIBBOLETH: Names = &[
    ("urn:oasis:names:tc:SAML:attribute:subject-id", "subject_id"),
    ("urn:oasis:names:tc:SAML:attribute:pairwise-id", "pairwise_id"),
    ("urn:oid:0.9.2342.19200300.100.1.1", "uid"),
    ("urn:oid:0.9.2342.19200300.100.1.3", "email"),
    ("urn:oid:1.3.6.1.4.1.25178.1.2.9", "schac_home_organization"),
    ("urn:oid:1.3.6.1.4.1.5923.1.1.1.1", "eduperson_affiliation"),
    ("urn:oid:1.3.6.1.4.1.5923.1.1.1.6", "eduperson_principal_name"),
    ("urn:oid:1.3.6.1.4.1.5923.1.1.1.7", "eduperson_entitlement"),
    ("urn:oid:1.3.6.1.4.1.5923.1.1.1.9", "eduperson_scoped_affiliation"),
    ("urn:oid:1.3.6.1.4.1.5923.1.1.1.10", "eduperson_targeted_id"),
    ("urn:oid:1.3.6.1.4.1.5923.1.1.1.11", "eduperson_assurance"),
    ("urn:oid:1.3.6.1.4.1.5923.1.1.1.13", "eduperson_unique_id"),
    ("urn:oid:1.3.6.1.4.1.5923.1.1.1.16", "eduperson_orcid"),
    ("urn:oid:1.3.6.1.4.1.5923.1.5.1.1", "groups"),
    ("urn:oid:2.16.840.1.113730.3.1.3", "employee_number"),
    ("urn:oid:2.16.840.1.113730.3.1.39", "locale"),
    ("urn:oid:2.16.840.1.113730.3.1.241", "name"),
    ("urn:oid:2.5.4.3", "cn"),
    ("urn:oid:2.5.4.4", "family_name"),
    ("urn:oid:2.5.4.10", "organization"),
    ("urn:oid:2.5.4.20", "phone_number"),
    ("urn:oid:2.5.4.42", "given_name"),
    ("mail", "email"),
    ("givenName", "given_name"),
    ("sn", "family_name"),
    ("displayName", "name"),
    ("isMemberOf", "groups"),
];

const ALL: [Names; 5] = [ENTRA, OKTA, GOOGLE, ADFS, SHIBBOLETH];

/// The claim that a preset makes of an attribute. In the generic one, what two of the others read differently is nobody's.
fn preset_claim(preset: AttributePreset, name: &str) -> Option<&'static str> {
    let of = |names: Names| names.iter().find(|(known, _)| *known == name).map(|(_, claim)| *claim);
    match preset {
        AttributePreset::Entra => of(ENTRA),
        AttributePreset::Okta => of(OKTA),
        AttributePreset::Google => of(GOOGLE),
        AttributePreset::Adfs => of(ADFS),
        AttributePreset::Shibboleth => of(SHIBBOLETH),
        AttributePreset::Generic => {
            let mut claims = ALL.into_iter().filter_map(of);
            claims.next().filter(|first| claims.all(|other| other == *first))
        }
    }
}

/// The attributes of an assertion by their names, with all their values in the order in which they stand there. An attribute that stands there
/// twice has the values of both, and one without values is there all the same.
pub(super) fn read<'d>(assertion: Element<'d>) -> BTreeMap<&'d str, Vec<&'d str>> {
    let mut read: BTreeMap<&'d str, Vec<&'d str>> = BTreeMap::new();
    for attribute in assertion
        .children_named(ns::ASSERTION, "AttributeStatement")
        .flat_map(|statement| statement.children_named(ns::ASSERTION, "Attribute"))
    {
        if let Some(name) = attribute.attribute("Name").filter(|name| !name.is_empty()) {
            read.entry(name).or_default().extend(attribute.children_named(ns::ASSERTION, "AttributeValue").filter_map(text));
        }
    }
    read
}

/// A value that is a text, or a `NameID` as `eduPersonTargetedID` has it. What else has parts says nothing that a rule could read.
fn text(value: Element<'_>) -> Option<&str> {
    let is_nil = value.attributes().any(|(namespace, name, value)| {
        namespace == "http://www.w3.org/2001/XMLSchema-instance" && name == "nil" && value != "false"
    });
    let text = value.only_text().or_else(|| value.only(ns::ASSERTION, "NameID")?.only_text());
    text.filter(|_| !is_nil)
}

/// The claims that they become: by the connection's own map, else by its preset, else by their own names. Names that are the sign-in's own
/// are left out.
pub(super) fn claims(attributes: &BTreeMap<&str, Vec<&str>>, settings: &SamlSettings) -> BTreeMap<String, Vec<String>> {
    let mut claims: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut known = HashSet::new();
    for (name, values) in attributes {
        let claim =
            settings.attributes.get(*name).map(String::as_str).or_else(|| preset_claim(settings.preset, name)).unwrap_or(name);
        if claim == SUB || claim == NAME_ID {
            continue;
        }
        let kept = claims.entry(claim.to_owned()).or_default();
        kept.extend(values.iter().filter(|value| known.insert((claim, **value))).map(|value| (*value).to_owned()));
    }
    claims
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::document::{Document, MESSAGE};
    use super::*;

    fn claims_of(statement: &str, settings: &SamlSettings) -> BTreeMap<String, Vec<String>> {
        let xml = format!(
            r#"<a:Assertion xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><a:AttributeStatement>{statement}</a:AttributeStatement></a:Assertion>"#
        );
        let document = Document::parse(xml.as_bytes(), &MESSAGE).unwrap();
        claims(&read(document.root()), settings)
    }

    fn attribute(name: &str, values: &[&str]) -> String {
        let values: Vec<_> = values.iter().map(|value| format!("<a:AttributeValue>{value}</a:AttributeValue>")).collect();
        format!(r#"<a:Attribute Name="{name}">{}</a:Attribute>"#, values.join(""))
    }

    fn with(preset: AttributePreset) -> SamlSettings {
        SamlSettings { preset, ..SamlSettings::default() }
    }

    #[test]
    fn presets_name_each_attribute_once_and_never_what_is_the_sign_ins_own() {
        for names in ALL {
            let distinct: BTreeSet<_> = names.iter().map(|(name, _)| name).collect();
            assert_eq!(distinct.len(), names.len());
            assert!(names.iter().all(|(_, claim)| *claim != SUB && *claim != NAME_ID));
        }
    }

    #[test]
    fn what_everybody_sends_has_one_name_whoever_sends_it() {
        use AttributePreset::{Adfs, Entra, Generic, Google, Okta, Shibboleth};
        let xmlsoap = |name: &str| format!("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/{name}");
        for (preset, name, claim) in [
            (Entra, xmlsoap("emailaddress"), "email"),
            (Entra, "http://schemas.microsoft.com/identity/claims/objectidentifier".to_owned(), "oid"),
            (Entra, "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups".to_owned(), "groups"),
            (Entra, xmlsoap("name"), "preferred_username"),
            (Adfs, xmlsoap("name"), "name"),
            (Adfs, "http://schemas.xmlsoap.org/claims/Group".to_owned(), "groups"),
            (Okta, "firstName".to_owned(), "given_name"),
            (Google, "last_name".to_owned(), "family_name"),
            (Shibboleth, "urn:oid:0.9.2342.19200300.100.1.3".to_owned(), "email"),
            (Shibboleth, "urn:oid:1.3.6.1.4.1.5923.1.5.1.1".to_owned(), "groups"),
            (Generic, "urn:oid:2.5.4.42".to_owned(), "given_name"),
            (Generic, xmlsoap("surname"), "family_name"),
        ] {
            let claims = claims_of(&attribute(&name, &["x"]), &with(preset));
            assert_eq!(claims, BTreeMap::from([(claim.to_owned(), vec!["x".to_owned()])]), "{preset:?}: {name}");
        }
        let name = xmlsoap("name");
        let claims = claims_of(&attribute(&name, &["x"]), &with(Generic));
        assert!(claims.contains_key(&name), "what two presets read differently keeps its name");
        let claims = claims_of(&attribute("firstName", &["x"]), &with(Entra));
        assert!(claims.contains_key("firstName"), "a preset knows its own names alone");
    }

    #[test]
    fn the_connections_own_map_goes_first_and_nobody_names_the_subject() {
        let mut settings = with(AttributePreset::Okta);
        settings.attributes = [("email", "contact"), ("id", "sub"), ("other", "name_id")]
            .map(|(name, claim)| (name.to_owned(), claim.to_owned()))
            .into();
        let all: String = ["email", "id", "other", "sub", "name_id", "x"].map(|name| attribute(name, &["v"])).concat();
        let claims = claims_of(&all, &settings);
        assert_eq!(claims.keys().collect::<Vec<_>>(), ["contact", "x"]);
    }

    #[test]
    fn values_are_texts_to_the_letter() {
        let statement = [
            attribute("a", &["one", " two\n", "", "one"]),
            attribute("a", &["three"]),
            attribute("none", &[]),
            attribute("nested", &["<a:NameID>id</a:NameID>", "<b>x</b>", "<a:NameID>i</a:NameID><a:NameID>j</a:NameID>"]),
            r#"<a:Attribute Name="nil"><a:AttributeValue xsi:nil="true"/></a:Attribute>"#.to_owned(),
            r#"<a:Attribute FriendlyName="nameless"><a:AttributeValue>x</a:AttributeValue></a:Attribute>"#.to_owned(),
            "<a:EncryptedAttribute/>".to_owned(),
            attribute("mail", &["x"]),
            attribute("email", &["x", "y"]),
        ];
        let claims = claims_of(&statement.concat(), &SamlSettings::default());
        let values = |values: &[&str]| values.iter().map(ToString::to_string).collect::<Vec<_>>();
        let expected = BTreeMap::from(
            [
                ("a", values(&["one", " two\n", "", "three"])),
                ("none", values(&[])),
                ("nested", values(&["id"])),
                ("nil", values(&[])),
                ("email", values(&["x", "y"])),
            ]
            .map(|(name, values)| (name.to_owned(), values)),
        );
        assert_eq!(claims, expected);
    }
}
