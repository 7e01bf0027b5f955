//! PATCH (RFC 7644 section 3.5.2).
//!
//! [`PatchRequest::parse`] reads the envelope and the grammar of every path. [`apply`] carries the operations out, one after the other,
//! on a copy of the resource; when one fails the whole request has changed nothing (P02). A handler parses the JSON, then loads the
//! resource (404), then does both (P30).
//!
//! The members of a group are never loaded: what the operations say about them comes out as a list of [`MemberChange`]s, to be
//! carried out in order on the relation, so that adding one member costs the same in a group of ten and of a million.

mod apply;
mod elements;
mod members;
mod target;

#[cfg(test)]
mod tests;

pub use apply::apply;

use crate::scim::filter::{ElementFilter, PatchPath};
use crate::scim::limits::MAX_PATCH_OPERATIONS;
use crate::scim::message::{ScimError, quoted, urn};
use crate::scim::profile::{Coercion, Leniency, Profile, UnknownSchema, rule};
use crate::scim::resource::{Intake, MemberRef, Resource};
use crate::scim::value::{Object, Value};
use std::fmt;

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Adds values, and sets what is not there (section 3.5.2.1).
    Add,
    /// Sets values in place of those that are there (section 3.5.2.3).
    Replace,
    /// Takes values away (section 3.5.2.2).
    Remove,
}

/// One operation of a request. Its value, which may be a password, is not part of its `Debug`.
#[derive(Clone, PartialEq)]
pub struct Operation {
    /// What it does.
    pub op: Op,
    /// What it is about; without a path, the members of its value are.
    pub path: Option<PatchPath>,
    /// The value; `null` is there, and means that there is to be none (P22).
    pub value: Option<Value>,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("op", &self.op)
            .field("path", &self.path.as_ref().map(ToString::to_string))
            .field("value", &self.value.as_ref().map(Value::kind_name))
            .finish()
    }
}

/// A PATCH request whose envelope and paths follow the grammar. It has between 1 and [`MAX_PATCH_OPERATIONS`] operations.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchRequest {
    operations: Vec<Operation>,
    coercions: Vec<Coercion>,
}

/// What a request comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Patched {
    /// The resource after all operations.
    pub resource: Resource,
    /// Whether it differs from the current one. Whether membership changes is known when `members` is carried out.
    pub changed: bool,
    /// What to do to the members of the group, in this order.
    pub members: Vec<MemberChange>,
    /// Whether a password came; it is dropped.
    pub password_given: bool,
    /// Every tolerance that was used.
    pub coercions: Vec<Coercion>,
}

/// A change of a group's membership. Adding a member that is one and removing one that is none are no changes (P23).
#[derive(Clone, Debug, PartialEq)]
pub enum MemberChange {
    /// These become members.
    Add(Vec<MemberRef>),
    /// The members with these ids are none any longer.
    Remove(Vec<String>),
    /// The members that the filter selects by `value`, `$ref`, `display` or `type` are none any longer.
    RemoveMatching(ElementFilter),
    /// Nobody is a member any longer.
    Clear,
    /// These are the members, and nobody else; never empty.
    Replace(Vec<MemberRef>),
}

impl PatchRequest {
    /// Reads the body of a PATCH request. Names in the envelope and operations are found in any letter case, and members of the
    /// envelope that the RFC does not know are ignored (P01, P31, P32).
    pub fn parse(body: Value, profile: Profile) -> Result<Self, ScimError> {
        let Value::Object(mut body) = body else {
            return Err(ScimError::invalid_syntax(format!("the body must be a JSON object, not {}", body.kind_name())));
        };
        let mut intake = Intake::new(profile);
        check_schemas(&mut intake, body.remove("schemas"))?;
        let operations = match body.remove("Operations") {
            Some(Value::Array(operations)) if !operations.is_empty() => operations,
            _ => {
                return Err(ScimError::invalid_syntax("Operations must be an array with at least one operation"));
            }
        };
        if operations.len() > MAX_PATCH_OPERATIONS {
            return Err(ScimError::new(413, format!("a PATCH request can have at most {MAX_PATCH_OPERATIONS} operations")));
        }
        let operations = operations
            .into_iter()
            .enumerate()
            .map(|(index, operation)| read_operation(operation).map_err(|error| in_operation(index, error)))
            .collect::<Result<_, _>>()?;
        Ok(Self { operations, coercions: intake.coercions.into_vec() })
    }

    /// The operations in their order.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }
}

/// Says which operation an error is about, counting from 1.
fn in_operation(index: usize, mut error: ScimError) -> ScimError {
    error.detail = format!("operation {}: {}", index + 1, error.detail);
    error
}

fn check_schemas(intake: &mut Intake, schemas: Option<Value>) -> Result<(), ScimError> {
    let listed = match schemas {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(listed)) => listed,
        Some(other) => {
            return Err(ScimError::invalid_syntax(format!("schemas must be an array, not {}", other.kind_name())));
        }
    };
    let tolerance = intake.tolerance();
    let mut declared = false;
    for entry in &listed {
        let entry = entry.as_str().unwrap_or_default();
        if entry.eq_ignore_ascii_case(urn::PATCH_OP) {
            declared = true;
        } else if tolerance.unknown_schema == UnknownSchema::Refuse {
            return Err(ScimError::invalid_syntax(format!(
                "schemas lists {}; a PATCH request has {}",
                quoted(entry),
                urn::PATCH_OP
            )));
        } else {
            intake.coercions.record(rule::UNKNOWN_SCHEMA, entry);
        }
    }
    if !declared {
        if tolerance.missing_schemas == Leniency::Refuse {
            return Err(ScimError::invalid_syntax(format!("schemas must list {}", urn::PATCH_OP)));
        }
        intake.coercions.record(rule::MISSING_SCHEMAS, "schemas");
    }
    Ok(())
}

fn read_operation(operation: Value) -> Result<Operation, ScimError> {
    let Value::Object(mut operation) = operation else {
        return Err(ScimError::invalid_syntax(format!("an operation must be an object, not {}", operation.kind_name())));
    };
    let op = read_op(&operation)?;
    let path = match operation.remove("path") {
        None | Some(Value::Null) => None,
        Some(Value::String(path)) => Some(PatchPath::parse(&path).map_err(|error| error.in_path())?),
        Some(other) => {
            return Err(ScimError::invalid_path(format!("path must be a string, not {}", other.kind_name())));
        }
    };
    let value = operation.remove("value");
    if value.is_none() && op != Op::Remove {
        return Err(ScimError::invalid_value("add and replace need a value"));
    }
    if path.is_none() && op == Op::Remove {
        return Err(ScimError::no_target("remove needs a path"));
    }
    Ok(Operation { op, path, value })
}

fn read_op(operation: &Object) -> Result<Op, ScimError> {
    const WANTED: &str = "op must be add, replace or remove";
    let name = operation.get("op").and_then(Value::as_str).ok_or_else(|| ScimError::invalid_syntax(WANTED))?;
    [("add", Op::Add), ("replace", Op::Replace), ("remove", Op::Remove)]
        .into_iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, op)| op)
        .ok_or_else(|| ScimError::invalid_syntax(format!("{WANTED}, not {}", quoted(name))))
}
