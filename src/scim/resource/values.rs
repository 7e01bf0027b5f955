//! Values on their way in: checked against the type of their attribute (RFC 7643 section 2.3) and brought into canonical form.

use crate::scim::filter::boolean_text;
use crate::scim::fold::fold;
use crate::scim::limits::{MAX_KEY_BYTES, MAX_KEY_CHARS, MAX_TEXT_BYTES, MAX_VALUES};
use crate::scim::message::ScimError;
use crate::scim::profile::{Coercions, Leniency, Profile, Tolerance, rule};
use crate::scim::schema::{Attribute, Kind, Location, Mutability, Returned};
use crate::scim::search_form::normalise_date_time;
use crate::scim::value::{Object, Value};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::collections::HashSet;
use std::fmt;

/// Where a value stands, for messages and for the provisioning log.
#[derive(Clone, Copy)]
pub(in crate::scim) struct Where<'a> {
    extension: Option<&'a str>,
    attribute: &'a str,
    sub: Option<&'a str>,
}

impl<'a> Where<'a> {
    pub(in crate::scim) fn of(location: &Location) -> Where<'static> {
        Where {
            extension: location.extension.map(|extension| extension.id.as_str()),
            attribute: &location.attribute.name,
            sub: None,
        }
    }

    pub(in crate::scim) fn sub(self, name: &'a str) -> Self {
        Self { sub: Some(name), ..self }
    }

    /// Whether the databases index the attribute, so that its length matters.
    fn is_key(self) -> bool {
        matches!(
            (self.extension, self.attribute, self.sub),
            (None, "userName" | "externalId" | "displayName", None) | (None, "emails" | "members", Some("value"))
        )
    }
}

impl fmt::Display for Where<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(urn) = self.extension {
            write!(f, "{urn}:")?;
        }
        f.write_str(self.attribute)?;
        match self.sub {
            Some(sub) => write!(f, ".{sub}"),
            None => Ok(()),
        }
    }
}

/// Takes values in under a profile and remembers what it had to tolerate.
pub(in crate::scim) struct Intake {
    pub(in crate::scim) profile: Profile,
    pub(in crate::scim) coercions: Coercions,
    /// Whether a password came; it is dropped at once (R15).
    pub(in crate::scim) password_given: bool,
}

impl Intake {
    pub(in crate::scim) fn new(profile: Profile) -> Self {
        Self { profile, coercions: Coercions::default(), password_given: false }
    }

    pub(in crate::scim) fn tolerance(&self) -> &'static Tolerance {
        self.profile.tolerance()
    }

    /// The canonical value of a whole attribute; `None` when it is unassigned, or nothing that a client may set.
    pub(in crate::scim) fn attribute(
        &mut self,
        attribute: &Attribute,
        at: Where<'_>,
        value: Value,
    ) -> Result<Option<Value>, ScimError> {
        if value.is_unassigned() || attribute.mutability == Mutability::ReadOnly {
            return Ok(None);
        }
        if attribute.returned == Returned::Never {
            self.element(attribute, at, value)?;
            self.password_given = true;
            return Ok(None);
        }
        if !attribute.multi_valued {
            return self.element(attribute, at, value);
        }
        match value {
            Value::Array(elements) => {
                let elements = self.elements(attribute, at, elements)?;
                Ok((!elements.is_empty()).then_some(Value::Array(elements)))
            }
            other => Err(wrong_type(at, "an array", &other)),
        }
    }

    /// The canonical values of a multi-valued attribute: without empty ones and repetitions, at most one of them primary (R13).
    pub(in crate::scim) fn elements(
        &mut self,
        attribute: &Attribute,
        at: Where<'_>,
        given: Vec<Value>,
    ) -> Result<Vec<Value>, ScimError> {
        check_count(at, given.len())?;
        let mut elements = Vec::with_capacity(given.len());
        let mut seen = HashSet::with_capacity(given.len());
        for value in given {
            if let Some(element) = self.element(attribute, at, value)?
                && seen.insert(element.fingerprint())
            {
                elements.push(element);
            }
        }
        check_primary(at, &elements)?;
        Ok(elements)
    }

    /// The canonical form of one value, of a multi-valued attribute or of another.
    pub(in crate::scim) fn element(
        &mut self,
        attribute: &Attribute,
        at: Where<'_>,
        value: Value,
    ) -> Result<Option<Value>, ScimError> {
        match (attribute.kind, value) {
            (_, Value::Null) => Ok(None),
            (Kind::Complex, value) => {
                let Some(given) = self.complex_shape(attribute, at, value)? else {
                    return Ok(None);
                };
                let mut object = Object::new();
                self.merge(&mut object, attribute, at, given)?;
                for sub in attribute.sub_attributes.iter().filter(|sub| sub.required) {
                    if !object.contains(&sub.name) {
                        return Err(missing(at.sub(&sub.name)));
                    }
                }
                Ok((!object.is_empty()).then_some(Value::Object(object)))
            }
            (Kind::Boolean, value) => self.boolean(at, value).map(Some),
            (Kind::String | Kind::Reference, Value::String(text)) => {
                if attribute.required && text.is_empty() {
                    return Err(missing(at));
                }
                check_length(at, &text)?;
                Ok(Some(Value::String(text)))
            }
            (Kind::Binary, Value::String(text)) => {
                check_length(at, &text)?;
                if !is_base64(&text) {
                    return Err(ScimError::invalid_value(format!("{at} must be base64")));
                }
                Ok(Some(Value::String(text)))
            }
            (Kind::DateTime, Value::String(text)) => {
                if normalise_date_time(&text).is_none() {
                    return Err(ScimError::invalid_value(format!("{at} must be a date and time such as 2026-01-31T12:00:00Z")));
                }
                Ok(Some(Value::String(text)))
            }
            (Kind::Integer, Value::Number(number)) if number.as_i64().is_some() => Ok(Some(Value::Number(number))),
            (Kind::Decimal, Value::Number(number)) => Ok(Some(Value::Number(number))),
            (Kind::Integer, other) => Err(wrong_type(at, "a 64-bit integer without fraction and exponent", &other)),
            (Kind::Decimal, other) => Err(wrong_type(at, "a number", &other)),
            (_, other) => Err(wrong_type(at, "a string", &other)),
        }
    }

    /// Sets the sub-attributes that are given, takes away those given as `null`, and leaves the others (P06, P08, P22).
    ///
    /// Where `value` changes without a new `$ref`, the old `$ref` goes: it pointed to the old value.
    pub(in crate::scim) fn merge(
        &mut self,
        object: &mut Object,
        attribute: &Attribute,
        at: Where<'_>,
        given: Object,
    ) -> Result<(), ScimError> {
        let former = object.get("value").cloned();
        let new_reference = given.get("$ref").is_some_and(|reference| *reference != Value::Null);
        for (name, value) in given {
            let Some(sub) = attribute.sub_attribute(&name) else {
                self.coercions.record(rule::UNKNOWN_ATTRIBUTE, &at.sub(&name).to_string());
                continue;
            };
            if sub.mutability == Mutability::ReadOnly {
                continue;
            }
            match self.element(sub, at.sub(&sub.name), value)? {
                Some(value) => object.insert(sub.name.as_str(), value),
                None => object.remove(&sub.name),
            };
        }
        if !new_reference && object.get("value") != former.as_ref() {
            object.remove("$ref");
        }
        Ok(())
    }

    /// The object of a complex value; `None` when the value says that there is none.
    pub(in crate::scim) fn complex_shape(
        &mut self,
        attribute: &Attribute,
        at: Where<'_>,
        value: Value,
    ) -> Result<Option<Object>, ScimError> {
        match value {
            Value::Object(object) => Ok(Some(self.unpack_role(at, object))),
            Value::Null => Ok(None),
            other if attribute.multi_valued || attribute.sub_attribute("value").is_none() => {
                Err(wrong_type(at, "an object", &other))
            }
            other if self.tolerance().manager_shape == Leniency::Refuse => Err(wrong_type(at, "an object", &other)),
            Value::String(text) => {
                self.coercions.record(rule::MANAGER_SHAPE, &at.to_string());
                Ok((!text.is_empty()).then(|| Object::from_iter([("value", text)])))
            }
            Value::Array(mut elements) if elements.len() <= 1 => {
                self.coercions.record(rule::MANAGER_SHAPE, &at.to_string());
                match elements.pop() {
                    Some(Value::Object(object)) => Ok(Some(object)),
                    Some(Value::String(text)) => Ok((!text.is_empty()).then(|| Object::from_iter([("value", text)]))),
                    None | Some(Value::Null) => Ok(None),
                    Some(other) => Err(wrong_type(at, "an object", &other)),
                }
            }
            other => Err(wrong_type(at, "an object", &other)),
        }
    }

    /// Entra can put a whole role as JSON into the text of `roles.value`; the text of its own `value` is what rules compare.
    fn unpack_role(&mut self, at: Where<'_>, mut role: Object) -> Object {
        if self.tolerance().json_in_roles == Leniency::Refuse || at.extension.is_some() || at.attribute != "roles" {
            return role;
        }
        let packed = role
            .get("value")
            .and_then(Value::as_str)
            .filter(|text| text.starts_with('{'))
            .and_then(|text| crate::scim::parse::parse(text.as_bytes()).ok());
        let Some(Value::Object(packed)) = packed else {
            return role;
        };
        let Some(value @ Value::String(_)) = packed.get("value") else {
            return role;
        };
        role.insert("value", value.clone());
        if let Some(display @ Value::String(_)) = packed.get("displayName")
            && !role.contains("display")
        {
            role.insert("display", display.clone());
        }
        self.coercions.record(rule::JSON_IN_ROLES, &at.to_string());
        role
    }

    fn boolean(&mut self, at: Where<'_>, value: Value) -> Result<Value, ScimError> {
        let text = match value {
            Value::Bool(_) => return Ok(value),
            Value::String(ref text) => text,
            other => return Err(wrong_type(at, "true or false", &other)),
        };
        match boolean_text(text) {
            Some(truth) if self.tolerance().string_booleans == Leniency::Coerce => {
                self.coercions.record(rule::STRING_BOOLEAN, &at.to_string());
                Ok(Value::Bool(truth))
            }
            _ => Err(wrong_type(at, "true or false", &value)),
        }
    }
}

/// Refuses a second primary value (R13, P16).
fn check_primary(at: Where<'_>, elements: &[Value]) -> Result<(), ScimError> {
    let primaries = elements
        .iter()
        .filter(|element| element.as_object().and_then(|element| element.get("primary")) == Some(&Value::Bool(true)));
    if primaries.count() > 1 {
        return Err(ScimError::invalid_value(format!("only one value of {at} can be primary")));
    }
    Ok(())
}

/// Refuses more values than an attribute can have.
pub(in crate::scim) fn check_count(at: Where<'_>, count: usize) -> Result<(), ScimError> {
    if count > MAX_VALUES {
        return Err(ScimError::invalid_value(format!("{at} can have at most {MAX_VALUES} values")));
    }
    Ok(())
}

/// Refuses text that is too long to keep, or to index (R36).
pub(super) fn check_length(at: Where<'_>, text: &str) -> Result<(), ScimError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(ScimError::invalid_value(format!("{at} can have at most {MAX_TEXT_BYTES} bytes")));
    }
    // A short text can fold to a long one: U+FDFA has 3 bytes and becomes 33. Nothing grows more than that.
    if at.is_key() && text.len() > MAX_KEY_BYTES / 16 && (text.chars().count() > MAX_KEY_CHARS || fold(text).len() > MAX_KEY_BYTES)
    {
        return Err(ScimError::invalid_value(format!("{at} can have at most {MAX_KEY_CHARS} characters")));
    }
    Ok(())
}

pub(super) fn missing(at: Where<'_>) -> ScimError {
    ScimError::invalid_value(format!("{at} is required and must not be empty"))
}

pub(in crate::scim) fn wrong_type(at: Where<'_>, wanted: &str, value: &Value) -> ScimError {
    ScimError::invalid_value(format!("{at} must be {wanted}, not {}", value.kind_name()))
}

/// Base64 in either alphabet, with or without padding (RFC 7643 section 2.3.6).
fn is_base64(text: &str) -> bool {
    const EITHER_PADDING: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [&alphabet::STANDARD, &alphabet::URL_SAFE]
        .into_iter()
        .any(|alphabet| GeneralPurpose::new(alphabet, EITHER_PADDING).decode(text).is_ok())
}
