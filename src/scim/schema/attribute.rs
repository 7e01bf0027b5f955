//! An attribute and its characteristics (RFC 7643 sections 2.2, 2.3 and 7).

use crate::scim::value::{Object, Value};
use serde::Deserialize;

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

pub(super) fn find<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}
