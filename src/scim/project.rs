//! Which attributes a response has: `attributes` and `excludedAttributes` (RFC 7644 sections 3.4.2.5 and 3.9).
//!
//! Handlers ask [`Projection::wants`] before they load what is costly, and [`Projection::apply`] at the end.

use crate::scim::filter::AttrPath;
use crate::scim::message::ScimError;
use crate::scim::schema::{Attribute, ResourceKind, Returned, Schema};
use crate::scim::value::{Object, Value};

/// What the client asked to see. Names that the schema does not have are ignored (R18).
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Projection {
    /// Everything that is returned by default.
    #[default]
    Default,
    /// These, and what is always returned.
    Only(Vec<Named>),
    /// What is returned by default but for these; what is always returned stays (R17).
    Except(Vec<Named>),
}

/// An attribute, a sub-attribute, or a whole extension, that the schema has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The URN of the extension.
    extension: Option<&'static str>,
    /// The attribute; without one the whole extension is meant.
    attribute: Option<&'static str>,
    /// The sub-attribute; without one the whole attribute is meant.
    sub: Option<&'static str>,
}

impl Projection {
    /// Reads the two parameters, each a list with commas. An empty one counts as absent; both together are refused (R19).
    pub fn parse(kind: ResourceKind, attributes: Option<&str>, excluded: Option<&str>) -> Result<Self, ScimError> {
        let given = |list: Option<&str>| list.is_some_and(|list| !list.trim().is_empty());
        match (given(attributes), given(excluded)) {
            (true, true) => Err(ScimError::invalid_value("attributes and excludedAttributes exclude each other; send one of them")),
            (true, false) => Ok(Self::Only(read(kind, attributes.unwrap_or_default()))),
            (false, true) => Ok(Self::Except(read(kind, excluded.unwrap_or_default()))),
            (false, false) => Ok(Self::Default),
        }
    }

    /// Whether a core attribute, or a part of it, would be in the response. Ask before loading `members` or `groups` (L14).
    #[must_use]
    pub fn wants(&self, attribute: &str) -> bool {
        match self {
            Self::Default => true,
            Self::Only(_) => self.asks_for(attribute),
            Self::Except(named) => !named.iter().any(|named| named.is_attribute(attribute) && named.sub.is_none()),
        }
    }

    /// Whether the request names a core attribute, or a part of it, as one that it wants (L15).
    #[must_use]
    pub fn asks_for(&self, attribute: &str) -> bool {
        match self {
            Self::Only(named) => named.iter().any(|named| named.is_attribute(attribute)),
            Self::Default | Self::Except(_) => false,
        }
    }

    /// Whether the request names an extension, or a part of it, as one that it wants.
    #[must_use]
    pub fn names_extension(&self, urn: &str) -> bool {
        matches!(self, Self::Only(named) if named.iter().any(|named| named.extension == Some(urn)))
    }

    /// Values of a multi-valued core attribute as the client gets them, for documents that are never whole in memory.
    #[must_use]
    pub fn elements(&self, kind: ResourceKind, name: &str, elements: Vec<Value>) -> Vec<Value> {
        let shown = kind.attribute(name).and_then(|attribute| self.show(None, attribute, &Value::Array(elements)));
        match shown {
            Some(Value::Array(shown)) => shown,
            _ => Vec::new(),
        }
    }

    /// Whether the request names an attribute of an extension, a part of it, or the whole extension. Ask before computing what is
    /// returned on request (R20).
    #[must_use]
    pub fn asks_for_extension(&self, urn: &str, attribute: &str) -> bool {
        match self {
            Self::Only(named) => named
                .iter()
                .any(|named| named.extension == Some(urn) && named.attribute.is_none_or(|own| own.eq_ignore_ascii_case(attribute))),
            Self::Default | Self::Except(_) => false,
        }
    }

    /// Whether `attributes` was given; a PATCH then has to answer with the resource (P04).
    #[must_use]
    pub fn is_selective(&self) -> bool {
        matches!(self, Self::Only(_))
    }

    /// The part of a document that the client gets. What is never returned is left out whatever the request says (R14).
    #[must_use]
    pub fn apply(&self, kind: ResourceKind, document: &Object) -> Object {
        let mut shown = Object::new();
        for (name, value) in document.iter() {
            if let Some(attribute) = kind.attribute(name) {
                if let Some(value) = self.show(None, attribute, value) {
                    shown.insert(attribute.name.as_str(), value);
                }
            } else if let Some(extension) = kind.extension(name)
                && let Some(own) = value.as_object()
            {
                let own = self.extension(extension, own);
                if !own.is_empty() {
                    shown.insert(extension.id.as_str(), own);
                }
            }
        }
        shown
    }

    fn extension(&self, extension: &'static Schema, document: &Object) -> Object {
        let mut shown = Object::new();
        for (name, value) in document.iter() {
            if let Some(attribute) = extension.attribute(name)
                && let Some(value) = self.show(Some(&extension.id), attribute, value)
            {
                shown.insert(attribute.name.as_str(), value);
            }
        }
        shown
    }

    fn show(&self, extension: Option<&'static str>, attribute: &'static Attribute, value: &Value) -> Option<Value> {
        match attribute.returned {
            Returned::Never => return None,
            Returned::Always => return Some(value.clone()),
            Returned::Default | Returned::Request => {}
        }
        let about = |named: &&Named| named.extension == extension && named.attribute.is_none_or(|name| name == attribute.name);
        let usual = |sub: &Attribute| sub.returned == Returned::Default;
        match self {
            Self::Default if attribute.returned == Returned::Request => None,
            Self::Default => with_sub_attributes(attribute, value, &usual),
            Self::Only(named) => {
                let named: Vec<&Named> = named.iter().filter(about).collect();
                let whole = named.iter().any(|named| named.sub.is_none());
                let keep = |sub: &Attribute| (whole && usual(sub)) || named.iter().any(|named| named.sub == Some(&sub.name));
                (!named.is_empty()).then(|| with_sub_attributes(attribute, value, &keep)).flatten()
            }
            Self::Except(named) => {
                let named: Vec<&Named> = named.iter().filter(about).collect();
                if attribute.returned == Returned::Request || named.iter().any(|named| named.sub.is_none()) {
                    return None;
                }
                let keep = |sub: &Attribute| usual(sub) && !named.iter().any(|named| named.sub == Some(&sub.name));
                with_sub_attributes(attribute, value, &keep)
            }
        }
    }
}

/// A complex value, or a list of them, with some of its sub-attributes; `None` when nothing is left. What has none stays whole.
fn with_sub_attributes(attribute: &Attribute, value: &Value, keep: &impl Fn(&Attribute) -> bool) -> Option<Value> {
    if attribute.sub_attributes.is_empty() {
        return Some(value.clone());
    }
    match value {
        Value::Array(elements) => {
            let elements: Vec<Value> =
                elements.iter().filter_map(|element| with_sub_attributes(attribute, element, keep)).collect();
            (!elements.is_empty()).then_some(Value::Array(elements))
        }
        Value::Object(object) => {
            let kept: Object = object
                .iter()
                .filter(|(name, _)| attribute.sub_attribute(name).is_some_and(|sub| sub.returned == Returned::Always || keep(sub)))
                .map(|(name, value)| (name, value.clone()))
                .collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        simple => Some(simple.clone()),
    }
}

impl Named {
    fn is_attribute(&self, name: &str) -> bool {
        self.extension.is_none() && self.attribute.is_some_and(|own| own.eq_ignore_ascii_case(name))
    }
}

fn read(kind: ResourceKind, list: &str) -> Vec<Named> {
    list.split(',')
        .filter_map(|name| {
            // Some clients put a selection here, with a filter in brackets; the attribute in front of it is what can be shown (E18).
            let name = name.split('[').next()?.trim();
            if let Some(extension) = kind.extension(name) {
                return Some(Named { extension: Some(&extension.id), attribute: None, sub: None });
            }
            let path = AttrPath::parse(name).ok()?;
            let location = kind.locate(path.urn.as_deref(), &path.name)?;
            let sub = match &path.sub {
                None => None,
                Some(sub) => Some(location.attribute.sub_attribute(sub)?.name.as_str()),
            };
            Some(Named {
                extension: location.extension.map(|extension| extension.id.as_str()),
                attribute: Some(&location.attribute.name),
                sub,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Projection;
    use crate::scim::message::urn;
    use crate::scim::schema::ResourceKind;
    use crate::scim::value::{Object, Value};
    use serde_json::json;

    fn user() -> Object {
        let document = json!({
            "schemas": [urn::USER, urn::ENTERPRISE_USER],
            "id": "1",
            "userName": "joe",
            "name": { "givenName": "Joe", "familyName": "Bloggs" },
            "emails": [{ "value": "a@b.c", "type": "work" }, { "type": "home" }],
            "password": "secret",
            "meta": { "resourceType": "User", "version": "W/\"1\"" },
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "department": "R&D", "manager": { "value": "2", "displayName": "Jane" } }
        });
        match Value::from(document) {
            Value::Object(object) => object,
            _ => unreachable!(),
        }
    }

    fn names(attributes: Option<&str>, excluded: Option<&str>) -> serde_json::Value {
        let projection = Projection::parse(ResourceKind::User, attributes, excluded).unwrap();
        let mut shown = projection.apply(ResourceKind::User, &user());
        assert!(shown.remove("schemas").is_some() && shown.remove("id").is_some());
        Value::Object(shown).into()
    }

    #[test]
    fn r16_r18_attributes_names_what_is_shown_beside_what_always_is() {
        assert_eq!(names(Some("USERNAME"), None), json!({ "userName": "joe" }));
        assert_eq!(
            names(Some("name.givenName, emails.value ,nonsense,"), None),
            json!({ "name": { "givenName": "Joe" }, "emails": [{ "value": "a@b.c" }] })
        );
        assert_eq!(
            names(
                Some(
                    "urn:ietf:params:scim:schemas:core:2.0:User:userName,urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value"
                ),
                None
            ),
            json!({ "userName": "joe", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "manager": { "value": "2" } } })
        );
        assert_eq!(
            names(Some("urn:ietf:params:scim:schemas:extension:enterprise:2.0:user"), None),
            json!({ "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "department": "R&D", "manager": { "value": "2", "displayName": "Jane" } } })
        );
        assert_eq!(names(Some("nonsense"), None), json!({}));
        assert_eq!(
            names(Some("emails[type eq \"work\"]"), None),
            json!({ "emails": [{ "value": "a@b.c", "type": "work" }, { "type": "home" }] })
        );
    }

    #[test]
    fn r17_excluded_attributes_take_away_but_not_what_is_always_returned() {
        let shown =
            names(None, Some("id,schemas,emails,meta,name.familyName,urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"));
        assert_eq!(shown, json!({ "userName": "joe", "name": { "givenName": "Joe" } }));
    }

    #[test]
    fn r14_password_is_never_shown() {
        for attributes in [None, Some("password"), Some("password,userName")] {
            assert!(names(attributes, None).get("password").is_none());
        }
        assert!(names(None, Some("userName")).get("password").is_none());
    }

    #[test]
    fn r19_both_together_are_refused_unless_one_is_empty() {
        assert!(Projection::parse(ResourceKind::User, Some("id"), Some("emails")).is_err());
        let excluded = Projection::parse(ResourceKind::Group, Some(" "), Some("members")).unwrap();
        assert!(!excluded.wants("members"));
    }

    #[test]
    fn r20_what_is_returned_on_request_is_shown_only_when_it_is_named() {
        let group = json!({ "id": "1", "members": [{ "value": "2", "display": "joe", "type": "User" }] });
        let group = Value::from(group).as_object().cloned().unwrap();
        for (attributes, excluded, wanted) in [
            (None, None, json!([{ "value": "2", "type": "User" }])),
            (Some("members"), None, json!([{ "value": "2", "type": "User" }])),
            (Some("members,members.display"), None, json!([{ "value": "2", "display": "joe", "type": "User" }])),
            (Some("members.display"), None, json!([{ "display": "joe" }])),
            (None, Some("members.type"), json!([{ "value": "2" }])),
        ] {
            let projection = Projection::parse(ResourceKind::Group, attributes, excluded).unwrap();
            let shown = projection.apply(ResourceKind::Group, &group);
            assert_eq!(shown.get("members").cloned().map(serde_json::Value::from), Some(wanted), "{attributes:?} {excluded:?}");
        }
    }

    #[test]
    fn l14_l15_handlers_know_what_to_load() {
        let parse = |attributes, excluded| Projection::parse(ResourceKind::Group, attributes, excluded).unwrap();
        let cases = [
            (None, None, true, false),
            (Some("displayName"), None, false, false),
            (Some("Members.value"), None, true, true),
            (None, Some("MEMBERS"), false, false),
            (None, Some("members.display"), true, false),
        ];
        for (attributes, excluded, wants, asks) in cases {
            let projection = parse(attributes, excluded);
            assert_eq!(projection.wants("members"), wants, "{projection:?}");
            assert_eq!(projection.asks_for("members"), asks, "{projection:?}");
        }
        let user = |attributes, excluded| Projection::parse(ResourceKind::User, attributes, excluded).unwrap();
        let (roles, all) = (format!("{}:ROLES.role", urn::PORTAL_USER), urn::PORTAL_USER.to_uppercase());
        for (projection, asks_roles, asks_slot) in [
            (user(None, None), false, false),
            (user(Some("roles,userName"), None), false, false),
            (user(Some(&roles), None), true, false),
            (user(Some(&all), None), true, true),
            (user(None, Some(&roles)), false, false),
        ] {
            assert_eq!(projection.asks_for_extension(urn::PORTAL_USER, "roles"), asks_roles, "{projection:?}");
            assert_eq!(projection.asks_for_extension(urn::PORTAL_USER, "slot"), asks_slot, "{projection:?}");
        }
        assert!(parse(Some("members"), None).is_selective());
        assert!(!parse(None, Some("members")).is_selective());
    }
}
