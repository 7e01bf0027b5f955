//! The schemas (RFC 7643 sections 3, 4 and 7): which attributes a resource has, and how each behaves.
//!
//! The definitions are the files in `scim-schemas/`, compiled in. What the service enforces and what `/Schemas` publishes both come
//! from the [`Attribute`]s here, so they cannot disagree. A schema is published when `resource-types.json` names it.

mod attribute;

pub use attribute::{Attribute, Kind, Mutability, Returned, Uniqueness};

use crate::scim::message::urn;
use attribute::find;
use serde::Deserialize;
use std::sync::OnceLock;

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
            include_str!("../../../scim-schemas/user.json"),
            include_str!("../../../scim-schemas/group.json"),
            include_str!("../../../scim-schemas/group-member.json"),
            include_str!("../../../scim-schemas/group-members.json"),
            include_str!("../../../scim-schemas/enterprise-user.json"),
            include_str!("../../../scim-schemas/portal-user.json"),
        ];
        Ok(Self {
            common: serde_json::from_str(include_str!("../../../scim-schemas/common.json"))?,
            schemas: files.into_iter().map(serde_json::from_str).collect::<Result<_, _>>()?,
            resource_types: serde_json::from_str(include_str!("../../../scim-schemas/resource-types.json"))?,
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

/// The kinds of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResourceKind {
    /// A login (RFC 7643 section 4.1).
    User,
    /// A group (RFC 7643 section 4.2).
    Group,
    /// That somebody is in a group (draft-zollner-scim-group-members-00). It is made, read and deleted, never changed.
    GroupMember,
}

impl ResourceKind {
    /// The name in `meta.resourceType` and in a member's `type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
            Self::GroupMember => "GroupMember",
        }
    }

    /// The path of the collection under the base URL.
    #[must_use]
    pub fn endpoint(self) -> &'static str {
        match self {
            Self::User => "/Users",
            Self::Group => "/Groups",
            Self::GroupMember => "/GroupMembers",
        }
    }

    /// The URN of the core schema.
    #[must_use]
    pub fn urn(self) -> &'static str {
        match self {
            Self::User => urn::USER,
            Self::Group => urn::GROUP,
            Self::GroupMember => urn::GROUP_MEMBER,
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

#[cfg(test)]
mod tests;
