//! From the bytes of a request body to a [`Value`].
//!
//! `serde_json` reads the grammar; the visitor here adds what SCIM and the databases need: names that differ in letter case alone are
//! duplicates (RFC 7643 section 2.1), NUL is refused because not every database can store it, and nesting has a limit. Every failure is
//! `invalidSyntax` with the place where it happened, and never repeats the body, which may hold a password.

use crate::scim::message::{ScimError, ScimType};
use crate::scim::value::{Object, Value};
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

/// How deep arrays and objects may nest in a request body.
pub const MAX_DEPTH: usize = 64;

/// Up to this many members a linear search for duplicates beats a set.
const FEW: usize = 16;

/// Why a request body is not usable JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The body is not UTF-8 (RFC 8259 section 8.1).
    #[error("the body is not valid UTF-8 at byte {at}")]
    InvalidUtf8 {
        /// How many bytes are valid before the first wrong one.
        at: usize,
    },
    /// The body does not follow the JSON grammar, or ends too early.
    #[error("the body is not valid JSON at line {line}, column {column}")]
    Malformed {
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1; 0 when the line has just begun.
        column: usize,
    },
    /// Two members of one object have the same name, in any letter case.
    #[error("an object has the same member twice at line {line}, column {column}; names do not differ by letter case")]
    DuplicateName {
        /// Line, from 1.
        line: usize,
        /// Column in bytes.
        column: usize,
    },
    /// A string or name holds U+0000.
    #[error("a string holds the NUL character at line {line}, column {column}; remove it")]
    Nul {
        /// Line, from 1.
        line: usize,
        /// Column in bytes.
        column: usize,
    },
    /// Arrays and objects nest deeper than [`MAX_DEPTH`].
    #[error("the body nests deeper than {MAX_DEPTH} levels at line {line}, column {column}")]
    TooDeep {
        /// Line, from 1.
        line: usize,
        /// Column in bytes.
        column: usize,
    },
}

impl From<BodyError> for ScimError {
    fn from(error: BodyError) -> Self {
        Self::bad_request(ScimType::InvalidSyntax, error.to_string())
    }
}

/// Reads a whole request body as one JSON value (A05).
pub fn parse(body: &[u8]) -> Result<Value, BodyError> {
    let text = std::str::from_utf8(body).map_err(|error| BodyError::InvalidUtf8 { at: error.valid_up_to() })?;
    let fault = Cell::new(None);
    let mut json = serde_json::Deserializer::from_str(text);
    let seed = Seed { depth: 0, fault: &fault };
    seed.deserialize(&mut json).and_then(|value| json.end().map(|()| value)).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        match fault.get() {
            Some(Fault::Duplicate) => BodyError::DuplicateName { line, column },
            Some(Fault::Nul) => BodyError::Nul { line, column },
            Some(Fault::TooDeep) => BodyError::TooDeep { line, column },
            None => BodyError::Malformed { line, column },
        }
    })
}

/// For rows of the database, and with the same rules.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fault = Cell::new(None);
        let seed = Seed { depth: 0, fault: &fault };
        seed.deserialize(deserializer)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Object(object) => Ok(object),
            other => Err(de::Error::invalid_type(de::Unexpected::Other(other.kind_name()), &"an object")),
        }
    }
}

/// What the visitor refuses beyond the grammar; it travels beside serde's own error, which carries only text.
#[derive(Clone, Copy)]
enum Fault {
    Duplicate,
    Nul,
    TooDeep,
}

#[derive(Clone, Copy)]
struct Seed<'f> {
    depth: usize,
    fault: &'f Cell<Option<Fault>>,
}

impl Seed<'_> {
    fn refuse<E: de::Error>(self, fault: Fault) -> E {
        self.fault.set(Some(fault));
        E::custom("refused")
    }

    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(self.refuse(Fault::TooDeep));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    fn text<E: de::Error>(self, text: String) -> Result<String, E> {
        if text.contains('\0') {
            return Err(self.refuse(Fault::Nul));
        }
        Ok(text)
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        serde_json::Number::from_f64(number).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Value, E> {
        self.text(text).map(Value::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut elements = Vec::new();
        while let Some(element) = sequence.next_element_seed(inner)? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members: Vec<(String, Value)> = Vec::new();
        let mut seen = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            let name = self.text(name)?;
            if members.len() == FEW {
                seen.extend(members.iter().map(|(name, _)| name.to_ascii_lowercase()));
            }
            let duplicate = if members.len() < FEW {
                members.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name))
            } else {
                !seen.insert(name.to_ascii_lowercase())
            };
            if duplicate {
                return Err(self.refuse(Fault::Duplicate));
            }
            let value = map.next_value_seed(inner)?;
            members.push((name, value));
        }
        Ok(Value::Object(Object::from_distinct(members)))
    }
}

#[cfg(test)]
mod tests {
    use super::{BodyError, MAX_DEPTH, parse};
    use crate::scim::message::{ScimError, ScimType};

    #[test]
    fn a05_what_is_not_json_is_refused_with_its_place() {
        assert_eq!(parse(b"{\n \"a\": ]}"), Err(BodyError::Malformed { line: 2, column: 7 }));
        assert_eq!(parse(b"{\"a\":\"\xff\"}"), Err(BodyError::InvalidUtf8 { at: 6 }));
        for body in ["", " ", "{", "{} {}", "{\"a\":1,}", "nul", "'a'", "1e999", "\"\\ud800\"", "\u{feff}{}"] {
            assert!(matches!(parse(body.as_bytes()), Err(BodyError::Malformed { .. })), "{body}");
        }
    }

    #[test]
    fn a05_duplicate_names_are_refused_in_any_case_and_at_any_size() {
        for body in [r#"{"a":1,"a":2}"#, r#"[{"userName":1,"USERNAME":1}]"#] {
            assert!(matches!(parse(body.as_bytes()), Err(BodyError::DuplicateName { .. })), "{body}");
        }
        let names = |last: &str| {
            let many: Vec<String> = (0..40).map(|n| format!("\"n{n}\":{n}")).collect();
            format!("{{{},\"{last}\":0}}", many.join(","))
        };
        for last in ["N0", "n15", "N16", "n17", "n39"] {
            assert!(matches!(parse(names(last).as_bytes()), Err(BodyError::DuplicateName { .. })), "{last}");
        }
        assert!(parse(names("n40").as_bytes()).is_ok());
    }

    #[test]
    fn a05_nul_is_refused_in_strings_and_names() {
        for body in [r#"{"a":"x\u0000"}"#, r#"{"a\u0000":1}"#, r#"["\u0000"]"#] {
            assert!(matches!(parse(body.as_bytes()), Err(BodyError::Nul { .. })), "{body}");
        }
    }

    #[test]
    fn a05_depth_is_limited() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(matches!(parse(nested(MAX_DEPTH + 1).as_bytes()), Err(BodyError::TooDeep { .. })));
        assert!(parse(nested(100_000).as_bytes()).is_err());
    }

    #[test]
    fn a05_every_failure_is_invalid_syntax_and_keeps_the_body_to_itself() {
        let error = ScimError::from(parse(br#"{"password":"hunter2","#).unwrap_err());
        assert_eq!(error.status, 400);
        assert_eq!(error.scim_type, Some(ScimType::InvalidSyntax));
        assert!(!error.detail.contains("hunter2"));
    }

    #[test]
    fn numbers_keep_whether_they_were_written_as_integers() {
        let numbers = parse(b"[1, -1, 1.0, 1e2, 18446744073709551615]").unwrap();
        let integers: Vec<bool> =
            numbers.as_array().unwrap().iter().map(|number| matches!(number, super::Value::Number(n) if !n.is_f64())).collect();
        assert_eq!(integers, [true, true, false, false, true]);
    }
}
