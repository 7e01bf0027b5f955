//! POST and PUT bodies become resources (RFC 7644 sections 3.3 and 3.5.1).

use super::Resource;
use super::members::{MemberRef, read_members};
use super::values::{Intake, Where, missing, wrong_type};
use crate::scim::message::{ScimError, quoted, urn};
use crate::scim::profile::{Coercion, Leniency, Profile, UnknownSchema, rule};
use crate::scim::schema::{Attribute, Location, Mutability, ResourceKind, Schema};
use crate::scim::search_form::value_form;
use crate::scim::value::{Object, Value};

/// What a body was taken for.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// The resource.
    pub resource: Resource,
    /// The members of a group; `None` when the body does not speak of them, which on PUT clears them too (R25).
    pub members: Option<Vec<MemberRef>>,
    /// Whether a password came. It is dropped: passwords do not come by provisioning (R15).
    pub password_given: bool,
    /// Every tolerance that was used.
    pub coercions: Vec<Coercion>,
}

impl Resource {
    /// Takes the body of a POST.
    ///
    /// Read-only attributes are left out without complaint (R03), unknown ones with a note. A User without `active` is active (R25).
    pub fn from_body(kind: ResourceKind, body: Value, profile: Profile) -> Result<Accepted, ScimError> {
        let mut accepted = accept(kind, body, profile)?;
        if kind == ResourceKind::User && !accepted.resource.document.contains("active") {
            accepted.resource.document.insert("active", true);
        }
        Ok(accepted)
    }

    /// Takes the body of a PUT, which replaces everything that a client may set (R23-R25).
    ///
    /// What the body leaves out is cleared, with two exceptions: an immutable attribute keeps its value, and a User without `active`
    /// stays what it is, so that nobody is let in again by a body that only forgot to say otherwise. A PUT changes nothing when the
    /// accepted resource equals the current one (R26).
    pub fn replace(current: &Self, body: Value, profile: Profile) -> Result<Accepted, ScimError> {
        let mut accepted = accept(current.kind, body, profile)?;
        let document = &mut accepted.resource.document;
        if current.kind == ResourceKind::User
            && !document.contains("active")
            && let Some(active) = current.document.get("active")
        {
            document.insert("active", active.clone());
        }
        keep_immutable(current.kind.attributes(), None, &current.document, document)?;
        for extension in current.kind.extensions() {
            if let Some(Value::Object(before)) = current.document.get(&extension.id) {
                let mut after = match document.remove(&extension.id) {
                    Some(Value::Object(after)) => after,
                    _ => Object::new(),
                };
                keep_immutable(extension.attributes.iter(), Some(extension), before, &mut after)?;
                document.insert(extension.id.as_str(), after);
            }
        }
        let document = std::mem::take(document);
        accepted.resource = Self::settle(current.kind, document);
        Ok(accepted)
    }
}

/// Refuses another value for an immutable attribute that has one, and keeps the one it has (R24).
pub(super) fn keep_immutable<'a>(
    attributes: impl Iterator<Item = &'a Attribute>,
    extension: Option<&'static Schema>,
    before: &Object,
    after: &mut Object,
) -> Result<(), ScimError> {
    for attribute in attributes.filter(|one| one.mutability == Mutability::Immutable) {
        let Some(old) = before.get(&attribute.name) else {
            continue;
        };
        match after.get(&attribute.name) {
            None => {
                after.insert(attribute.name.as_str(), old.clone());
            }
            Some(new) if value_form(attribute, new) == value_form(attribute, old) => {}
            Some(_) => {
                let urn = extension.map_or(String::new(), |schema| format!("{}:", schema.id));
                return Err(ScimError::mutability(format!("{urn}{} is immutable and has another value already", attribute.name)));
            }
        }
    }
    Ok(())
}

fn accept(kind: ResourceKind, body: Value, profile: Profile) -> Result<Accepted, ScimError> {
    let Value::Object(mut body) = body else {
        return Err(ScimError::invalid_syntax(format!("the body must be a JSON object, not {}", body.kind_name())));
    };
    let mut intake = Intake::new(profile);
    let declared = read_schemas(&mut intake, kind, body.remove("schemas"))?;
    let mut taking =
        Taking { kind, intake, document: Object::from_iter([("schemas", Value::Null)]), members: None, unqualified: Vec::new() };
    for (name, value) in body {
        taking.take(&name, value, &declared)?;
    }
    // What came under the URN wins over what came without it.
    for (location, value) in std::mem::take(&mut taking.unqualified) {
        let own = container(&mut taking.document, location.extension);
        let taken = own.contains(&location.attribute.name);
        if !taken {
            taking.set(location, value)?;
        }
    }
    for attribute in kind.attributes() {
        if attribute.required && attribute.mutability != Mutability::ReadOnly && !taking.document.contains(&attribute.name) {
            return Err(missing(Where::of(&Location { extension: None, attribute })));
        }
    }
    Ok(Accepted {
        resource: Resource::settle(kind, taking.document),
        members: taking.members,
        password_given: taking.intake.password_given,
        coercions: taking.intake.coercions.into_vec(),
    })
}

/// A body being taken in, member by member.
struct Taking {
    kind: ResourceKind,
    intake: Intake,
    document: Object,
    members: Option<Vec<MemberRef>>,
    unqualified: Vec<(Location, Value)>,
}

impl Taking {
    fn take(&mut self, name: &str, value: Value, declared: &[&str]) -> Result<(), ScimError> {
        if let Some(attribute) = self.kind.attribute(name) {
            if self.kind == ResourceKind::Group && attribute.name == "members" {
                return self.take_members(attribute, value);
            }
            return self.set(Location { extension: None, attribute }, value);
        }
        if let Some(extension) = self.find_extension(name) {
            return self.take_extension(extension, value, declared);
        }
        let tolerance = self.intake.tolerance();
        if tolerance.unqualified_extension == Leniency::Coerce
            && let Some(location) = self.kind.locate_unqualified(name)
        {
            self.intake.coercions.record(rule::UNQUALIFIED_EXTENSION, name);
            self.unqualified.push((location, value));
            return Ok(());
        }
        self.intake.coercions.record(rule::UNKNOWN_ATTRIBUTE, name);
        Ok(())
    }

    fn take_members(&mut self, attribute: &'static Attribute, value: Value) -> Result<(), ScimError> {
        let given = match value {
            Value::Array(given) => given,
            Value::Null => Vec::new(),
            other => {
                let location = Location { extension: None, attribute };
                return Err(wrong_type(Where::of(&location), "an array", &other));
            }
        };
        self.members = Some(read_members(&mut self.intake, attribute, given)?);
        Ok(())
    }

    fn find_extension(&mut self, name: &str) -> Option<&'static Schema> {
        self.kind.extension(name).or_else(|| {
            let meant = meant_by(self.intake.tolerance().unknown_schema, self.kind, name)?;
            let extension = self.kind.extension(meant)?;
            self.intake.coercions.record(rule::MISSPELT_SCHEMA, name);
            Some(extension)
        })
    }

    fn take_extension(&mut self, extension: &'static Schema, value: Value, declared: &[&str]) -> Result<(), ScimError> {
        let own = match value {
            Value::Null => return Ok(()),
            Value::Object(own) => own,
            other => {
                return Err(ScimError::invalid_value(format!("{} must be an object, not {}", extension.id, other.kind_name())));
            }
        };
        if !own.is_empty() && !declared.contains(&extension.id.as_str()) {
            self.intake.coercions.record(rule::UNDECLARED_EXTENSION, &extension.id);
        }
        for (name, value) in own {
            match extension.attribute(&name) {
                Some(attribute) => self.set(Location { extension: Some(extension), attribute }, value)?,
                None => self.intake.coercions.record(rule::UNKNOWN_ATTRIBUTE, &format!("{}:{name}", extension.id)),
            }
        }
        Ok(())
    }

    fn set(&mut self, location: Location, value: Value) -> Result<(), ScimError> {
        let attribute = location.attribute;
        let at = Where::of(&location);
        let Some(value) = self.intake.attribute(attribute, at, value)? else {
            return Ok(());
        };
        container(&mut self.document, location.extension).insert(attribute.name.as_str(), value);
        Ok(())
    }
}

/// The object that the attributes of an extension stand in, made when it is not there yet; without extension the document itself.
pub(in crate::scim) fn container<'d>(document: &'d mut Object, extension: Option<&Schema>) -> &'d mut Object {
    match extension {
        None => document,
        Some(extension) => document.object_mut(&extension.id),
    }
}

/// Checks `schemas` (R04) and answers which known URNs it lists.
fn read_schemas(intake: &mut Intake, kind: ResourceKind, schemas: Option<Value>) -> Result<Vec<&'static str>, ScimError> {
    let listed = match schemas {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(listed)) => listed,
        Some(other) => {
            return Err(ScimError::invalid_syntax(format!("schemas must be an array, not {}", other.kind_name())));
        }
    };
    let tolerance = intake.tolerance();
    let mut declared = Vec::new();
    for entry in listed {
        let Value::String(entry) = entry else {
            return Err(ScimError::invalid_syntax("schemas must list URNs as text"));
        };
        let known = if entry.eq_ignore_ascii_case(kind.urn()) {
            Some(kind.urn())
        } else {
            kind.extension(&entry).map(|extension| extension.id.as_str())
        };
        if let Some(known) = known {
            declared.push(known);
        } else if tolerance.unknown_schema == UnknownSchema::Refuse {
            return Err(ScimError::invalid_syntax(format!(
                "schemas lists {}, which is no schema of a {}",
                quoted(&entry),
                kind.name()
            )));
        } else if let Some(meant) = meant_by(tolerance.unknown_schema, kind, &entry) {
            intake.coercions.record(rule::MISSPELT_SCHEMA, &entry);
            declared.push(meant);
        } else {
            intake.coercions.record(rule::UNKNOWN_SCHEMA, &entry);
        }
    }
    if !declared.contains(&kind.urn()) {
        if tolerance.missing_schemas == Leniency::Refuse {
            return Err(ScimError::invalid_syntax(format!("schemas must list {}", kind.urn())));
        }
        intake.coercions.record(rule::MISSING_SCHEMAS, "schemas");
    }
    Ok(declared)
}

/// The URN that a misspelt one stands for: Entra's without a colon (E11), and those of SCIM 1.1 where the profile reads them.
fn meant_by(unknown: UnknownSchema, kind: ResourceKind, spelt: &str) -> Option<&'static str> {
    const NO_COLON: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0User";
    const CORE_1: &str = "urn:scim:schemas:core:1.0";
    const ENTERPRISE_1: &str = "urn:scim:schemas:extension:enterprise:1.0";
    let version_1 = unknown == UnknownSchema::IgnoreAndReadVersion1;
    let meant = if spelt.eq_ignore_ascii_case(NO_COLON) {
        (unknown != UnknownSchema::Refuse).then_some(urn::ENTERPRISE_USER)
    } else if spelt.eq_ignore_ascii_case(CORE_1) {
        version_1.then_some(kind.urn())
    } else if spelt.eq_ignore_ascii_case(ENTERPRISE_1) {
        version_1.then_some(urn::ENTERPRISE_USER)
    } else {
        None
    };
    meant.filter(|meant| *meant == kind.urn() || kind.extension(meant).is_some())
}
