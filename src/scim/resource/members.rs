//! Members as a client names them. They are no part of a [`super::Resource`]: the database keeps them as a relation.

use super::values::{Intake, Where, check_length, missing, wrong_type};
use crate::scim::limits::MAX_MEMBERS;
use crate::scim::message::{ScimError, quoted};
use crate::scim::profile::{Leniency, rule};
use crate::scim::schema::{Attribute, Location, ResourceKind};
use crate::scim::value::Value;
use std::collections::HashSet;

/// A member as the client names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MemberRef {
    /// The id of a User or a Group.
    pub value: String,
    /// Which of the two, when the client says so; Okta does not (R30).
    pub kind: Option<ResourceKind>,
}

/// Reads a list of members, each id once. `$ref` and `display` are the service's to say and are not read.
pub(in crate::scim) fn read_members(
    intake: &mut Intake,
    members: &'static Attribute,
    given: Vec<Value>,
) -> Result<Vec<MemberRef>, ScimError> {
    if given.len() > MAX_MEMBERS {
        return Err(too_many_members());
    }
    let at = Where::of(&Location { extension: None, attribute: members });
    let mut seen = HashSet::with_capacity(given.len());
    let mut found = Vec::with_capacity(given.len());
    for value in given {
        let member = read_member(intake, members, at, value)?;
        if seen.insert(member.value.clone()) {
            found.push(member);
        }
    }
    Ok(found)
}

/// The refusal of a request that names more than [`MAX_MEMBERS`] members.
pub(in crate::scim) fn too_many_members() -> ScimError {
    ScimError::new(413, format!("a request can name at most {MAX_MEMBERS} members; send the rest in another"))
}

fn read_member(intake: &mut Intake, members: &Attribute, at: Where<'_>, value: Value) -> Result<MemberRef, ScimError> {
    let object = match value {
        Value::Object(object) => object,
        Value::String(value) if intake.tolerance().bare_member == Leniency::Coerce => {
            intake.coercions.record(rule::BARE_MEMBER, &at.to_string());
            return Ok(MemberRef { value: usable_id(at, value)?, kind: None });
        }
        other => return Err(wrong_type(at, "an array of objects", &other)),
    };
    let mut id = None;
    let mut kind = None;
    for (name, value) in object {
        let sub = members.sub_attribute(&name).map(|sub| sub.name.as_str());
        match (sub, value) {
            (Some("value"), Value::String(value)) => id = Some(value),
            (Some("value"), other) => return Err(wrong_type(at.sub("value"), "a string", &other)),
            (Some("type"), Value::Null) | (Some("$ref" | "display"), _) => {}
            (Some("type"), Value::String(name)) => kind = read_kind(intake, at, &name)?,
            (Some(sub), other) => return Err(wrong_type(at.sub(sub), "a string", &other)),
            (None, _) => intake.coercions.record(rule::UNKNOWN_ATTRIBUTE, &at.sub(&name).to_string()),
        }
    }
    Ok(MemberRef { value: usable_id(at, id.ok_or_else(|| missing(at.sub("value")))?)?, kind })
}

fn usable_id(at: Where<'_>, id: String) -> Result<String, ScimError> {
    let at = at.sub("value");
    if id.is_empty() {
        return Err(missing(at));
    }
    check_length(at, &id)?;
    Ok(id)
}

/// The type that a member claims. One that is neither is looked up by the id, in the profiles that forgive shapes at all.
fn read_kind(intake: &mut Intake, at: Where<'_>, name: &str) -> Result<Option<ResourceKind>, ScimError> {
    let known = [ResourceKind::User, ResourceKind::Group].into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name));
    if known.is_none() {
        if intake.tolerance().unknown_path == Leniency::Refuse {
            return Err(ScimError::invalid_value(format!("{} must be User or Group, not {}", at.sub("type"), quoted(name))));
        }
        intake.coercions.record(rule::MEMBER_TYPE, &at.sub("type").to_string());
    }
    Ok(known)
}
