//! Resources as the service keeps them: validated, and in one canonical form.
//!
//! A [`Resource`] holds what a client said about a User or a Group, in the schema's spelling: `schemas`, `externalId`, the attributes
//! of the core schema, and each extension as an object under its URN. It never holds what the service itself knows (`id`, `meta`,
//! `groups`), a password, or the members of a group, which are a relation in the database. `null`, `[]` and absent are one state (R06).
//!
//! [`Resource::from_body`] makes one from a POST, [`Resource::replace`] from a PUT, [`super::patch`] from a PATCH; a row of the database
//! comes back through [`Resource::from_stored`], and [`Resource::document`] writes the answer.

mod accept;
mod members;
mod values;

#[cfg(test)]
mod tests;

pub use accept::Accepted;
pub(super) use accept::container;
pub use members::MemberRef;
pub(super) use members::{read_members, too_many_members};
pub(super) use values::{Intake, Where, check_count, wrong_type};

use crate::scim::filter::AttrPath;
use crate::scim::message::urn;
use crate::scim::schema::ResourceKind;
use crate::scim::value::{Object, Value};
use chrono::{DateTime, SecondsFormat, Utc};

/// A validated User or Group in canonical form. Two are equal when a client could see no difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    kind: ResourceKind,
    document: Object,
}

/// What the service itself knows about a resource (RFC 7643 section 3.1).
#[derive(Clone, Debug)]
pub struct Meta<'a> {
    /// When the resource was created.
    pub created: DateTime<Utc>,
    /// When it last changed.
    pub last_modified: DateTime<Utc>,
    /// Its absolute URI.
    pub location: &'a str,
    /// Its version, as in the `ETag` header: `W/"…"`.
    pub version: &'a str,
}

/// One e-mail address of a User.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Email<'a> {
    /// The address as the client wrote it.
    pub value: &'a str,
    /// `work`, `home`, `other`, or whatever the client says.
    pub kind: Option<&'a str>,
    /// Whether it is the preferred one; at most one is.
    pub primary: bool,
}

impl Resource {
    /// A resource as the database keeps it. It was validated before it was stored and is not validated again.
    #[must_use]
    pub fn from_stored(kind: ResourceKind, document: Object) -> Self {
        Self { kind, document }
    }

    /// User or Group.
    #[must_use]
    pub fn kind(&self) -> ResourceKind {
        self.kind
    }

    /// The canonical document, which is what the database keeps.
    #[must_use]
    pub fn as_object(&self) -> &Object {
        &self.document
    }

    /// The document in search form, without `id`, `meta` and `groups`. A User always has `active` there: one without a value is, and
    /// filters and rules must see it as sign-in does.
    #[must_use]
    pub fn search_form(&self) -> Value {
        let mut form = super::search_form(self.kind, &self.document);
        if let (ResourceKind::User, Value::Object(form)) = (self.kind, &mut form) {
            form.insert("active", self.active());
        }
        form
    }

    /// The search form with `id` and `meta`, which is what lists are sorted by.
    #[must_use]
    pub fn sorted_form(&self, id: &str, meta: &Meta<'_>) -> Value {
        let mut form = super::search_form(self.kind, &self.document(id, meta));
        if let (ResourceKind::User, Value::Object(form)) = (self.kind, &mut form) {
            form.insert("active", self.active());
        }
        form
    }

    /// The whole resource as a client sees it before projection: with `id` and `meta`, without `groups` and `members`.
    #[must_use]
    pub fn document(&self, id: &str, meta: &Meta<'_>) -> Object {
        let time = |moment: &DateTime<Utc>| moment.to_rfc3339_opts(SecondsFormat::Micros, true);
        let mut document = Object::new();
        document.insert("schemas", self.schemas());
        document.insert("id", id);
        for (name, value) in self.document.iter() {
            document.insert(name, value.clone());
        }
        document.insert(
            "meta",
            Object::from_iter([
                ("resourceType", self.kind.name().to_owned()),
                ("created", time(&meta.created)),
                ("lastModified", time(&meta.last_modified)),
                ("location", meta.location.to_owned()),
                ("version", meta.version.to_owned()),
            ]),
        );
        document
    }

    /// `userName` of a User.
    #[must_use]
    pub fn user_name(&self) -> Option<&str> {
        self.text("userName")
    }

    /// `externalId`.
    #[must_use]
    pub fn external_id(&self) -> Option<&str> {
        self.text("externalId")
    }

    /// `displayName`.
    #[must_use]
    pub fn display_name(&self) -> Option<&str> {
        self.text("displayName")
    }

    /// The `userName` of the other login of a User's person, as the directory has it.
    #[must_use]
    pub fn other_user_name(&self) -> Option<&str> {
        let own = self.document.get(urn::PORTAL_USER)?.as_object()?;
        own.get("otherUserName")?.as_str().filter(|name| !name.is_empty())
    }

    /// Whether the User may sign in; without a value it may. Only a PATCH that removes `active` leaves a User without one.
    #[must_use]
    pub fn active(&self) -> bool {
        self.document.get("active").and_then(Value::as_bool).unwrap_or(true)
    }

    /// The e-mail addresses of a User, in the client's order; entries without an address are left out.
    pub fn emails(&self) -> impl Iterator<Item = Email<'_>> {
        self.document.get("emails").and_then(Value::as_array).unwrap_or_default().iter().filter_map(Value::as_object).filter_map(
            |email| {
                Some(Email {
                    value: email.get("value")?.as_str()?,
                    kind: email.get("type").and_then(Value::as_str),
                    primary: email.get("primary").and_then(Value::as_bool) == Some(true),
                })
            },
        )
    }

    /// The value at a path such as `name.givenName`, `emails` or an extension's URN, a colon and a name. A sub-attribute of a
    /// multi-valued attribute has no single value, and answers `None`.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Value> {
        let path = AttrPath::parse(path).ok()?;
        let location = self.kind.locate(path.urn.as_deref(), &path.name)?;
        let parent = match location.extension {
            None => &self.document,
            Some(extension) => self.document.get(&extension.id)?.as_object()?,
        };
        let value = parent.get(&location.attribute.name)?;
        match &path.sub {
            None => Some(value),
            Some(sub) => value.as_object()?.get(sub),
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.document.get(name).and_then(Value::as_str)
    }

    /// The URNs of the core schema and of the extensions that have data (R05).
    fn schemas(&self) -> Vec<&'static str> {
        let mut schemas = vec![self.kind.urn()];
        schemas.extend(self.kind.extensions().map(|extension| extension.id.as_str()).filter(|urn| self.document.contains(urn)));
        schemas
    }

    /// Makes a resource from canonical attributes: empty extensions are left out and `schemas` says what is there.
    pub(super) fn settle(kind: ResourceKind, mut document: Object) -> Self {
        for extension in kind.extensions() {
            if document.get(&extension.id).and_then(Value::as_object).is_some_and(Object::is_empty) {
                document.remove(&extension.id);
            }
        }
        let mut resource = Self { kind, document };
        let schemas = resource.schemas();
        resource.document.insert("schemas", schemas);
        resource
    }
}
