//! The schemas (RFC 7643 sections 3, 4 and 7): which attributes a resource has, and how each behaves.
//!
//! The definitions are the files in `scim-schemas/`, compiled in. What the service enforces and what `/Schemas` publishes both come
//! from the [`Attribute`]s here, so they cannot disagree. A schema is published when `resource-types.json` names it; the portal
//! extension is defined and known to the registry, but not named there until something fills it.

use super::message::urn;
use super::value::{Object, Value};
use serde::Deserialize;
use std::sync::OnceLock;

/// The data type of an attribute (RFC 7643 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Text.
    String,
    /// True or false.
    Boolean,
    /// A number with a fraction.
    Decimal,
    /// A whole number.
    Integer,
    /// A point in time, `xsd:dateTime`.
    DateTime,
    /// Octets in base64.
    Binary,
    /// A URI.
    Reference,
    /// Sub-attributes.
    Complex,
}

/// Who may change an attribute, and when (RFC 7643 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mutability {
    /// Only the service.
    ReadOnly,
    /// The client, always.
    ReadWrite,
    /// The client, as long as it has no value.
    Immutable,
    /// The client, and nobody reads it.
    WriteOnly,
}

/// When an attribute is part of a response (RFC 7643 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Returned {
    /// Whatever the request says.
    Always,
    /// In no response.
    Never,
    /// Unless the request excludes it or names others.
    Default,
    /// Only when the request names it.
    Request,
}

/// How far a value has to be unique (RFC 7643 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Uniqueness {
    /// Not at all.
    None,
    /// Within the directory.
    Server,
    /// Everywhere.
    Global,
}

/// One attribute with its characteristics (RFC 7643 section 2.2).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attribute {
    /// The name in the schema's spelling, which responses use.
    pub name: String,
    /// The data type.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Whether it holds a list of values.
    pub multi_valued: bool,
    /// For people.
    pub description: String,
    /// Whether a resource must have it.
    pub required: bool,
    /// Whether letter case counts when values are compared.
    #[serde(default)]
    pub case_exact: bool,
    /// Who may change it.
    pub mutability: Mutability,
    /// When it is returned.
    pub returned: Returned,
    /// How far it is unique.
    pub uniqueness: Uniqueness,
    /// Suggested values; others are accepted.
    #[serde(default)]
    pub canonical_values: Vec<String>,
    /// What a reference can point to.
    #[serde(default)]
    pub reference_types: Vec<String>,
    /// The sub-attributes of a complex attribute.
    #[serde(default)]
    pub sub_attributes: Vec<Attribute>,
}

impl Attribute {
    /// The sub-attribute with this name, in any letter case.
    #[must_use]
    pub fn sub_attribute(&self, name: &str) -> Option<&Attribute> {
        find(&self.sub_attributes, name)
    }

    /// The definition as `/Schemas` publishes it: every characteristic, enforced as it is declared (D07).
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut body = Object::new();
        body.insert("name", self.name.as_str());
        body.insert("type", self.kind.as_str());
        body.insert("multiValued", self.multi_valued);
        body.insert("description", self.description.as_str());
        body.insert("required", self.required);
        if self.kind != Kind::Complex {
            body.insert("caseExact", self.case_exact);
        }
        body.insert("mutability", self.mutability.as_str());
        body.insert("returned", self.returned.as_str());
        body.insert("uniqueness", self.uniqueness.as_str());
        if !self.canonical_values.is_empty() {
            body.insert("canonicalValues", self.canonical_values.clone());
        }
        if !self.reference_types.is_empty() {
            body.insert("referenceTypes", self.reference_types.clone());
        }
        if !self.sub_attributes.is_empty() {
            let subs: Vec<Value> = self.sub_attributes.iter().map(Self::to_value).collect();
            body.insert("subAttributes", subs);
        }
        Value::Object(body)
    }
}

impl Kind {
    /// The name in a schema definition.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Decimal => "decimal",
            Self::Integer => "integer",
            Self::DateTime => "dateTime",
            Self::Binary => "binary",
            Self::Reference => "reference",
            Self::Complex => "complex",
        }
    }
}

impl Mutability {
    /// The name in a schema definition.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "readOnly",
            Self::ReadWrite => "readWrite",
            Self::Immutable => "immutable",
            Self::WriteOnly => "writeOnly",
        }
    }
}

impl Returned {
    /// The name in a schema definition.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Never => "never",
            Self::Default => "default",
            Self::Request => "request",
        }
    }
}

impl Uniqueness {
    /// The name in a schema definition.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Server => "server",
            Self::Global => "global",
        }
    }
}

/// A schema: a URN and its attributes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// The URN.
    pub id: String,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// The attributes.
    pub attributes: Vec<Attribute>,
}

impl Schema {
    /// The attribute with this name, in any letter case.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        find(&self.attributes, name)
    }
}

/// An entry of `resource-types.json` (RFC 7643 section 6).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceType {
    /// The name in paths of `/ResourceTypes`.
    pub id: String,
    /// The name in `meta.resourceType`.
    pub name: String,
    /// The path of the collection under the base URL.
    pub endpoint: String,
    /// For people.
    pub description: String,
    /// The URN of the core schema.
    pub schema: String,
    /// The extensions.
    pub schema_extensions: Vec<SchemaExtension>,
}

/// An extension of a resource type.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemaExtension {
    /// Its URN.
    pub schema: String,
    /// Whether a resource must have it.
    pub required: bool,
}

/// Everything that the schema files define.
#[derive(Debug)]
pub struct Registry {
    common: Vec<Attribute>,
    schemas: Vec<Schema>,
    resource_types: Vec<ResourceType>,
}

impl Registry {
    /// The registry of the schemas that this binary was built with.
    ///
    /// # Panics
    /// Never on input: it reads only what was compiled in, and a test reads it too.
    pub fn get() -> &'static Self {
        static REGISTRY: OnceLock<Registry> = OnceLock::new();
        REGISTRY.get_or_init(|| Self::read().expect("the schema files are compiled in and tested to be readable"))
    }

    fn read() -> Result<Self, serde_json::Error> {
        let files = [
            include_str!("../../scim-schemas/user.json"),
            include_str!("../../scim-schemas/group.json"),
            include_str!("../../scim-schemas/enterprise-user.json"),
            include_str!("../../scim-schemas/portal-user.json"),
        ];
        Ok(Self {
            common: serde_json::from_str(include_str!("../../scim-schemas/common.json"))?,
            schemas: files.into_iter().map(serde_json::from_str).collect::<Result<_, _>>()?,
            resource_types: serde_json::from_str(include_str!("../../scim-schemas/resource-types.json"))?,
        })
    }

    /// The schema with this URN, in any letter case, published or not.
    #[must_use]
    pub fn schema(&self, urn: &str) -> Option<&Schema> {
        self.schemas.iter().find(|schema| schema.id.eq_ignore_ascii_case(urn))
    }

    /// The resource types, in the order of their file.
    #[must_use]
    pub fn resource_types(&self) -> &[ResourceType] {
        &self.resource_types
    }

    /// The schemas that the resource types name, each once.
    pub fn published(&self) -> impl Iterator<Item = &Schema> {
        self.schemas.iter().filter(|schema| {
            self.resource_types.iter().any(|resource_type| {
                resource_type.schema == schema.id
                    || resource_type.schema_extensions.iter().any(|extension| extension.schema == schema.id)
            })
        })
    }
}

/// The two kinds of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResourceKind {
    /// A login (RFC 7643 section 4.1).
    User,
    /// A group (RFC 7643 section 4.2).
    Group,
}

impl ResourceKind {
    /// The name in `meta.resourceType` and in a member's `type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }

    /// The path of the collection under the base URL.
    #[must_use]
    pub fn endpoint(self) -> &'static str {
        match self {
            Self::User => "/Users",
            Self::Group => "/Groups",
        }
    }

    /// The URN of the core schema.
    #[must_use]
    pub fn urn(self) -> &'static str {
        match self {
            Self::User => urn::USER,
            Self::Group => urn::GROUP,
        }
    }

    /// The published extensions of this kind, in the order in which they are published.
    pub fn extensions(self) -> impl Iterator<Item = &'static Schema> {
        let registry = Registry::get();
        registry
            .resource_types
            .iter()
            .filter(move |resource_type| resource_type.schema == self.urn())
            .flat_map(|resource_type| &resource_type.schema_extensions)
            .filter_map(|extension| registry.schema(&extension.schema))
    }

    /// The published extension with this URN, in any letter case.
    #[must_use]
    pub fn extension(self, urn: &str) -> Option<&'static Schema> {
        self.extensions().find(|schema| schema.id.eq_ignore_ascii_case(urn))
    }

    /// The common attributes and those of the core schema.
    pub fn attributes(self) -> impl Iterator<Item = &'static Attribute> {
        let registry = Registry::get();
        let core = registry.schema(self.urn()).map_or(&[][..], |schema| &schema.attributes);
        registry.common.iter().chain(core)
    }

    /// The common or core attribute with this name, in any letter case.
    #[must_use]
    pub fn attribute(self, name: &str) -> Option<&'static Attribute> {
        self.attributes().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
    }

    /// The attribute that a path names: under the URN of the core schema or of an extension, or without URN in the core schema.
    #[must_use]
    pub fn locate(self, urn: Option<&str>, name: &str) -> Option<Location> {
        match urn {
            Some(urn) if !urn.eq_ignore_ascii_case(self.urn()) => {
                let extension = self.extension(urn)?;
                Some(Location { extension: Some(extension), attribute: extension.attribute(name)? })
            }
            _ => Some(Location { extension: None, attribute: self.attribute(name)? }),
        }
    }

    /// The extension attribute that has this name without its URN, when exactly one has and the core schema has none.
    #[must_use]
    pub fn locate_unqualified(self, name: &str) -> Option<Location> {
        if self.attribute(name).is_some() {
            return None;
        }
        let mut found = self
            .extensions()
            .filter_map(|extension| Some(Location { extension: Some(extension), attribute: extension.attribute(name)? }));
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }
}

/// Where an attribute stands in a resource.
#[derive(Clone, Copy, Debug)]
pub struct Location {
    /// The extension that it belongs to; without one it stands at the top.
    pub extension: Option<&'static Schema>,
    /// The attribute.
    pub attribute: &'static Attribute,
}

impl Location {
    /// The path in the schema's spelling, with the URN of the extension.
    #[must_use]
    pub fn path(&self, sub_attribute: Option<&str>) -> String {
        let mut path = String::new();
        if let Some(extension) = self.extension {
            path.push_str(&extension.id);
            path.push(':');
        }
        path.push_str(&self.attribute.name);
        if let Some(sub_attribute) = sub_attribute {
            path.push('.');
            path.push_str(sub_attribute);
        }
        path
    }
}

fn find<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::{Attribute, Kind, Mutability, Registry, ResourceKind, Returned, Uniqueness};
    use crate::scim::message::urn;

    fn every<'a>(attributes: &'a [Attribute], check: &mut dyn FnMut(&'a Attribute)) {
        for attribute in attributes {
            check(attribute);
            every(&attribute.sub_attributes, check);
        }
    }

    #[test]
    fn the_schema_files_are_readable_and_consistent() {
        let registry = Registry::read().unwrap();
        assert_eq!(registry.schemas.len(), 4);
        let mut check = |attribute: &Attribute| {
            let name = &attribute.name;
            assert_eq!(attribute.kind == Kind::Complex, !attribute.sub_attributes.is_empty(), "{name}");
            assert_eq!(attribute.kind == Kind::Reference, !attribute.reference_types.is_empty(), "{name}");
            assert!(attribute.description.ends_with('.'), "{name}");
            assert!(attribute.name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$'));
        };
        every(&registry.common, &mut check);
        for schema in &registry.schemas {
            every(&schema.attributes, &mut check);
        }
        for kind in [ResourceKind::User, ResourceKind::Group] {
            let entry = registry.resource_types().iter().find(|entry| entry.schema == kind.urn()).unwrap();
            assert_eq!((entry.name.as_str(), entry.endpoint.as_str()), (kind.name(), kind.endpoint()));
        }
    }

    #[test]
    fn no_sub_attribute_is_complex_or_multi_valued() {
        let registry = Registry::read().unwrap();
        for schema in &registry.schemas {
            for attribute in &schema.attributes {
                for sub in &attribute.sub_attributes {
                    assert!(sub.kind != Kind::Complex && !sub.multi_valued, "{}.{}", attribute.name, sub.name);
                }
            }
        }
    }

    #[test]
    fn f04_r07_r14_what_the_rules_rest_on() {
        let user = |name| ResourceKind::User.attribute(name).unwrap();
        assert!(!user("USERNAME").case_exact && user("userName").required);
        assert_eq!(user("userName").uniqueness, Uniqueness::Server);
        assert!(user("id").case_exact && user("externalId").case_exact);
        assert_eq!(user("password").returned, Returned::Never);
        assert_eq!(user("password").mutability, Mutability::WriteOnly);
        assert_eq!(user("groups").mutability, Mutability::ReadOnly);
        let members = ResourceKind::Group.attribute("members").unwrap();
        assert!(members.sub_attribute("value").unwrap().case_exact);
    }

    #[test]
    fn the_portal_extension_is_known_but_not_published() {
        let registry = Registry::get();
        assert!(registry.schema(urn::PORTAL_USER).is_some());
        assert!(registry.published().all(|schema| schema.id != urn::PORTAL_USER));
        assert!(ResourceKind::User.extension(urn::PORTAL_USER).is_none());
        assert_eq!(registry.published().count(), 3);
    }

    #[test]
    fn attributes_are_found_by_urn_and_without() {
        let user = ResourceKind::User;
        let urn = urn::ENTERPRISE_USER.to_uppercase();
        assert_eq!(
            user.locate(Some(&urn), "MANAGER").unwrap().path(Some("value")),
            format!("{}:manager.value", urn::ENTERPRISE_USER)
        );
        assert_eq!(user.locate(Some(urn::USER), "username").unwrap().path(None), "userName");
        assert!(user.locate(None, "manager").is_none());
        assert!(user.locate(Some(urn::GROUP), "displayName").is_none());
        assert!(user.locate_unqualified("Department").is_some());
        assert!(user.locate_unqualified("displayName").is_none());
        assert!(ResourceKind::Group.locate_unqualified("department").is_none());
    }
}
