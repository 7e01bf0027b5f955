//! JSON as SCIM reads it.
//!
//! Two things set it apart from `serde_json::Value`: an [`Object`] keeps the order in which its members were written, because the
//! members of a PATCH value are carried out in that order (RFC 7644 section 3.5.2), and it finds members whatever their letter
//! case, because attribute names are case-insensitive (RFC 7643 section 2.1). [`super::parse`] makes values from request bodies.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// A JSON value. Two objects are equal when they have the same members, in whatever order and letter case of names.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`, which SCIM treats as "no value" (RFC 7643 section 2.5).
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number; it is an integer when it was written without fraction and exponent and fits 64 bits.
    Number(serde_json::Number),
    /// Text.
    String(String),
    /// A list.
    Array(Vec<Value>),
    /// Named members in document order.
    Object(Object),
}

impl Value {
    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The truth value of a boolean.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The elements of an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The members of an object.
    #[must_use]
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Whether this is `null` or an empty array, which both mean "unassigned" (RFC 7643 section 2.5).
    #[must_use]
    pub fn is_unassigned(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Array(elements) => elements.is_empty(),
            _ => false,
        }
    }

    /// A text that two values share exactly when they are equal, to find repetitions among many values.
    pub(super) fn fingerprint(&self) -> String {
        match self {
            Self::Object(object) => {
                let mut members: Vec<String> = object
                    .iter()
                    .map(|(name, value)| {
                        let name = Self::String(name.to_ascii_lowercase());
                        format!("{name}:{}", value.fingerprint())
                    })
                    .collect();
                members.sort_unstable();
                format!("{{{}}}", members.join(","))
            }
            Self::Array(elements) => {
                let elements: Vec<String> = elements.iter().map(Self::fingerprint).collect();
                format!("[{}]", elements.join(","))
            }
            simple => simple.to_string(),
        }
    }

    /// What kind of JSON this is, for messages to the client.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// The members of a JSON object in document order. No two names differ in letter case alone.
#[derive(Clone, Debug, Default)]
pub struct Object {
    members: Vec<(String, Value)>,
}

impl Object {
    /// An object without members.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of the member with this name, in any ASCII letter case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Like [`Object::get`], to change the value in place.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.members.iter_mut().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Whether a member has this name, in any ASCII letter case.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets a member. One that exists keeps its place and its spelling; a new one goes to the end. Returns the former value.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        let name = name.into();
        let value = value.into();
        if let Some(slot) = self.get_mut(&name) {
            return Some(std::mem::replace(slot, value));
        }
        self.members.push((name, value));
        None
    }

    /// Takes a member out; the others keep their order.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.members.iter().position(|(own, _)| own.eq_ignore_ascii_case(name))?;
        Some(self.members.remove(at).1)
    }

    /// The object under this name, to change it in place. What stands there and is no object, or is missing, becomes an empty one.
    pub(super) fn object_mut(&mut self, name: &str) -> &mut Self {
        let at = self.members.iter().position(|(own, _)| own.eq_ignore_ascii_case(name)).unwrap_or_else(|| {
            self.members.push((name.to_owned(), Value::Null));
            self.members.len() - 1
        });
        let slot = &mut self.members[at].1;
        if !matches!(slot, Value::Object(_)) {
            *slot = Value::Object(Self::new());
        }
        match slot {
            Value::Object(object) => object,
            _ => unreachable!("it has just been made an object"),
        }
    }

    /// The members in document order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.members.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Builds an object from members whose names are already known to be distinct; the parser has checked them.
    pub(super) fn from_distinct(members: Vec<(String, Value)>) -> Self {
        Self { members }
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|(name, value)| other.get(name) == Some(value))
    }
}

impl IntoIterator for Object {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.members.into_iter()
    }
}

/// Later members replace earlier ones of the same name.
impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Object {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(members: I) -> Self {
        let mut object = Self::new();
        for (name, value) in members {
            object.insert(name, value);
        }
        object
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number.into())
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Number(number.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

impl<V: Into<Value>> From<Vec<V>> for Value {
    fn from(elements: Vec<V>) -> Self {
        Self::Array(elements.into_iter().map(Into::into).collect())
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(truth) => Self::Bool(truth),
            serde_json::Value::Number(number) => Self::Number(number),
            serde_json::Value::String(text) => Self::String(text),
            serde_json::Value::Array(elements) => elements.into(),
            serde_json::Value::Object(members) => Self::Object(members.into_iter().collect()),
        }
    }
}

impl From<Value> for serde_json::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(truth) => Self::Bool(truth),
            Value::Number(number) => Self::Number(number),
            Value::String(text) => Self::String(text),
            Value::Array(elements) => Self::Array(elements.into_iter().map(Into::into).collect()),
            Value::Object(object) => Self::Object(object.into_iter().map(|(name, value)| (name, value.into())).collect()),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(truth) => serializer.serialize_bool(*truth),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(elements) => {
                let mut sequence = serializer.serialize_seq(Some(elements.len()))?;
                for element in elements {
                    sequence.serialize_element(element)?;
                }
                sequence.end()
            }
            Self::Object(object) => object.serialize(serializer),
        }
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Compact JSON, members in document order.
impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = serde_json::to_string(self).map_err(|_| std::fmt::Error)?;
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::{Object, Value};

    fn object(json: serde_json::Value) -> Object {
        match Value::from(json) {
            Value::Object(object) => object,
            other => panic!("not an object: {other}"),
        }
    }

    #[test]
    fn a16_names_are_found_in_any_case_and_keep_their_spelling() {
        let mut user = object(serde_json::json!({ "userName": "joe" }));
        assert_eq!(user.get("USERNAME"), Some(&Value::from("joe")));
        assert_eq!(user.insert("username", "jane"), Some(Value::from("joe")));
        assert_eq!(Value::Object(user.clone()).to_string(), r#"{"userName":"jane"}"#);
        assert_eq!(user.remove("UserName"), Some(Value::from("jane")));
        assert!(user.is_empty());
    }

    #[test]
    fn a17_order_of_members_does_not_matter_for_equality_but_order_of_elements_does() {
        assert_eq!(
            object(serde_json::json!({ "a": 1, "b": { "c": 2, "d": 3 } })),
            object(serde_json::json!({ "B": { "D": 3, "C": 2 }, "A": 1 }))
        );
        assert_ne!(object(serde_json::json!({ "a": 1 })), object(serde_json::json!({ "a": 1, "b": 2 })));
        assert_ne!(Value::from(vec![1_i64, 2]), Value::from(vec![2_i64, 1]));
    }

    #[test]
    fn p19_members_keep_document_order() {
        let object: Object = [("z", "1"), ("a", "2"), ("m", "3")].into_iter().collect();
        assert_eq!(Value::Object(object).to_string(), r#"{"z":"1","a":"2","m":"3"}"#);
    }
}
