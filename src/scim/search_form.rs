//! The comparable form of a document, which filters are evaluated on and which the store keeps for SQL.
//!
//! Names are in the schema's spelling. Text of attributes with `caseExact` false is folded, a `dateTime` is text of fixed width in UTC
//! with microseconds, multi-valued attributes are always arrays, attributes of extensions stand under their URN; everything else is as
//! it is. Unassigned and unknown attributes, and those that are never returned, are left out. `claims`, the sign-in claims in the
//! facts of mapping rules, are taken over unchanged. Making the search form of a search form changes nothing.

use crate::scim::fold::fold;
use crate::scim::schema::{Attribute, Kind, ResourceKind, Returned, Schema};
use crate::scim::value::{Object, Value};
use chrono::{DateTime, Datelike, NaiveDateTime, SecondsFormat, Utc};

/// The search form of a document of this kind.
#[must_use]
pub fn search_form(kind: ResourceKind, document: &Object) -> Value {
    let mut form = attributes_form(kind.attributes(), document);
    for extension in kind.extensions() {
        if let Some(Value::Object(own)) = document.get(&extension.id) {
            let own = extension_form(extension, own);
            if !own.is_empty() {
                form.insert(extension.id.as_str(), own);
            }
        }
    }
    if let Some(claims @ Value::Object(_)) = document.get("claims") {
        form.insert("claims", claims.clone());
    }
    Value::Object(form)
}

fn extension_form(extension: &Schema, document: &Object) -> Object {
    attributes_form(extension.attributes.iter(), document)
}

fn attributes_form<'a>(attributes: impl Iterator<Item = &'a Attribute>, document: &Object) -> Object {
    let mut form = Object::new();
    for attribute in attributes.filter(|attribute| attribute.returned != Returned::Never) {
        if let Some(value) = document.get(&attribute.name)
            && let Some(value) = attribute_form(attribute, value)
        {
            form.insert(attribute.name.as_str(), value);
        }
    }
    form
}

fn attribute_form(attribute: &Attribute, value: &Value) -> Option<Value> {
    if !attribute.multi_valued {
        return value_form(attribute, value);
    }
    let elements: Vec<Value> = match value {
        Value::Array(elements) => elements.as_slice(),
        single => std::slice::from_ref(single),
    }
    .iter()
    .filter_map(|element| value_form(attribute, element))
    .collect();
    (!elements.is_empty()).then_some(Value::Array(elements))
}

/// The search form of one value of an attribute, whether that is multi-valued or not.
pub(super) fn value_form(attribute: &Attribute, value: &Value) -> Option<Value> {
    match (attribute.kind, value) {
        (_, Value::Null) => None,
        (Kind::Complex, Value::Object(object)) => {
            let form = attributes_form(attribute.sub_attributes.iter(), object);
            (!form.is_empty()).then_some(Value::Object(form))
        }
        (Kind::String | Kind::Reference, Value::String(text)) if !attribute.case_exact => Some(Value::String(fold(text))),
        (Kind::DateTime, Value::String(text)) => Some(Value::String(normalise_date_time(text).unwrap_or_else(|| text.clone()))),
        (_, other) => Some(other.clone()),
    }
}

/// An `xsd:dateTime` (RFC 7643 section 2.3.5) as `2026-01-31T12:00:00.000000Z`: always this width, so that text sorts as time does.
/// Without an offset it is taken for UTC; what is finer than a microsecond is cut off. `None` when it is none, or not of the years 0
/// to 9999 in UTC.
#[must_use]
pub fn normalise_date_time(text: &str) -> Option<String> {
    // The RFC 3339 reader also takes a space or a small t between date and time; xsd:dateTime does not.
    if text.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    let moment = DateTime::parse_from_rfc3339(text)
        .map(|moment| moment.with_timezone(&Utc))
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(|moment| moment.and_utc()))
        .ok()?;
    (0..=9_999).contains(&moment.year()).then(|| moment.to_rfc3339_opts(SecondsFormat::Micros, true))
}

#[cfg(test)]
mod tests {
    use super::{normalise_date_time, search_form};
    use crate::scim::schema::ResourceKind;
    use crate::scim::value::Value;
    use serde_json::json;

    fn form(kind: ResourceKind, document: serde_json::Value) -> serde_json::Value {
        match Value::from(document) {
            Value::Object(document) => search_form(kind, &document).into(),
            other => panic!("not an object: {other}"),
        }
    }

    #[test]
    fn f04_f12_only_what_compares_without_case_is_folded() {
        assert_eq!(
            form(
                ResourceKind::User,
                json!({
                    "USERNAME": "JOE@Example.com",
                    "externalId": "AbC",
                    "password": "secret",
                    "nonsense": 1,
                    "title": null,
                    "emails": { "value": "Joe@B.com", "primary": true },
                    "photos": [{ "value": "https://Example.com/P" }, {}],
                    "meta": { "created": "2026-01-31T13:00:00.5+01:00" },
                    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user": { "DEPARTMENT": "R&D", "manager": {} },
                    "claims": { "Groups": ["A"] }
                })
            ),
            json!({
                "userName": "joe@example.com",
                "externalId": "AbC",
                "emails": [{ "value": "joe@b.com", "primary": true }],
                "photos": [{ "value": "https://Example.com/P" }],
                "meta": { "created": "2026-01-31T12:00:00.500000Z" },
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "department": "r&d" },
                "claims": { "Groups": ["A"] }
            })
        );
    }

    #[test]
    fn f12_r12_times_have_one_width_and_their_order_is_that_of_text() {
        let same = Some("2026-01-31T12:00:00.000000Z".to_owned());
        for text in ["2026-01-31T12:00:00Z", "2026-01-31T14:00:00+02:00", "2026-01-31T12:00:00.0000009Z", "2026-01-31T12:00:00"] {
            assert_eq!(normalise_date_time(text), same, "{text}");
        }
        for text in [
            "",
            "2026-01-31",
            "2026-02-30T00:00:00Z",
            "2026-01-31 12:00:00Z",
            "2026-01-31T12:00Z",
            "9999-12-31T23:59:59-01:00",
            "0000-01-01T00:00:00+01:00",
            "yesterday",
        ] {
            assert_eq!(normalise_date_time(text), None, "{text}");
        }
        assert!(normalise_date_time("2026-01-31T12:00:00.5Z") > normalise_date_time("2026-01-31T12:00:00Z"));
    }
}
