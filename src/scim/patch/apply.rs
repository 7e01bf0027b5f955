//! Carrying out the operations of a request on a copy of the resource.

use super::members::MemberChanges;
use super::target::{Place, Target};
use super::{Op, Operation, PatchRequest, Patched, elements, in_operation};
use crate::scim::filter::PatchPath;
use crate::scim::limits::MAX_PATCH_VISITS;
use crate::scim::message::ScimError;
use crate::scim::profile::Profile;
use crate::scim::profile::rule;
use crate::scim::resource::{Intake, Resource, Where, container};
use crate::scim::schema::{Kind, Location, Mutability, ResourceKind, Returned, Schema};
use crate::scim::value::{Object, Value};

/// Carries out a request on a resource. Nothing outside changes; the caller stores what comes back.
///
/// `read_only` is what the service knows beside the resource, usually [`Resource::document`]: a value without path may repeat a
/// read-only attribute as it is, like Okta's `id` (K4), and is refused when it says something else (P17).
pub fn apply(request: &PatchRequest, current: &Resource, read_only: &Object, profile: Profile) -> Result<Patched, ScimError> {
    let mut patching = Patching {
        kind: current.kind(),
        document: current.as_object().clone(),
        members: MemberChanges::default(),
        intake: Intake::new(profile),
        read_only,
        visits: 0,
    };
    for coercion in &request.coercions {
        patching.intake.coercions.record(coercion.rule, &coercion.path);
    }
    for (index, operation) in request.operations.iter().enumerate() {
        patching.operation(operation).map_err(|error| in_operation(index, error))?;
    }
    let resource = Resource::settle(patching.kind, patching.document);
    Ok(Patched {
        changed: resource != *current,
        resource,
        members: patching.members.into_vec(),
        password_given: patching.intake.password_given,
        coercions: patching.intake.coercions.into_vec(),
    })
}

/// A request half carried out.
struct Patching<'r> {
    kind: ResourceKind,
    document: Object,
    members: MemberChanges,
    intake: Intake,
    read_only: &'r Object,
    /// How many values the operations have looked at.
    visits: usize,
}

impl Patching<'_> {
    fn operation(&mut self, operation: &Operation) -> Result<(), ScimError> {
        let Some(path) = &operation.path else {
            return self.without_path(operation.op, operation.value.clone());
        };
        match Target::find(path, self.kind, &mut self.intake)? {
            None => Ok(()),
            Some(Target::Core) if operation.op == Op::Remove => {
                Err(ScimError::no_target("remove needs the path of an attribute, not of the whole schema"))
            }
            Some(Target::Core) => self.without_path(operation.op, operation.value.clone()),
            Some(Target::Extension(extension)) => self.extension(operation.op, extension, operation.value.clone()),
            Some(Target::Attribute(place)) => {
                if is_read_only(&place) {
                    return Err(read_only(&place));
                }
                self.change(operation.op, &place, operation.value.clone())
            }
        }
    }

    /// A value without path: each of its members is an operation of its own, in document order (P19). Names can be dotted, carry a
    /// URN or a selection, or be the URN of a schema; unknown ones are left out, as in a POST.
    fn without_path(&mut self, op: Op, value: Option<Value>) -> Result<(), ScimError> {
        let Some(Value::Object(attributes)) = value else {
            return Err(ScimError::invalid_value("without a path the value must be an object of attributes"));
        };
        for (name, value) in attributes {
            if name.eq_ignore_ascii_case("schemas") {
                // What a resource lists follows from what it has (R05).
                continue;
            }
            self.member(op, &name, value)?;
        }
        Ok(())
    }

    fn member(&mut self, op: Op, name: &str, value: Value) -> Result<(), ScimError> {
        let known = PatchPath::parse(name).ok().filter(|path| is_known(path, self.kind, &self.intake));
        let Some(path) = known else {
            self.intake.coercions.record(rule::UNKNOWN_ATTRIBUTE, name);
            return Ok(());
        };
        match Target::find(&path, self.kind, &mut self.intake)? {
            None => Ok(()),
            Some(Target::Core) => self.without_path(op, Some(value)),
            Some(Target::Extension(extension)) => self.extension(op, extension, Some(value)),
            Some(Target::Attribute(place)) if is_read_only(&place) => self.repeated_read_only(&place, &value),
            Some(Target::Attribute(place)) => self.change(op, &place, Some(value)),
        }
    }

    /// A read-only attribute among others: fine as long as it says what is so (P17).
    fn repeated_read_only(&self, place: &Place, value: &Value) -> Result<(), ScimError> {
        let own = match place.location.extension {
            None => Some(self.read_only),
            Some(extension) => self.read_only.get(&extension.id).and_then(Value::as_object),
        };
        let known = own.and_then(|own| own.get(&place.location.attribute.name));
        let known = match place.sub {
            None => known,
            Some(sub) => known.and_then(Value::as_object).and_then(|known| known.get(&sub.name)),
        };
        let same = known.map_or(value.is_unassigned(), |known| known == value);
        if same { Ok(()) } else { Err(read_only(place)) }
    }

    /// A whole extension as target (P15).
    fn extension(&mut self, op: Op, extension: &'static Schema, value: Option<Value>) -> Result<(), ScimError> {
        let attributes = match (op, value) {
            (Op::Remove, _) | (_, None | Some(Value::Null)) => {
                if extension.attributes.iter().all(|attribute| attribute.mutability == Mutability::ReadOnly) {
                    return Err(ScimError::mutability(format!("{} is read-only", extension.id)));
                }
                self.document.remove(&extension.id);
                return Ok(());
            }
            (_, Some(Value::Object(attributes))) => attributes,
            (_, Some(other)) => {
                return Err(ScimError::invalid_value(format!("{} must be an object, not {}", extension.id, other.kind_name())));
            }
        };
        for (name, value) in attributes {
            self.member(op, &format!("{}:{name}", extension.id), value)?;
        }
        Ok(())
    }

    /// An operation on an attribute that a client may change.
    fn change(&mut self, op: Op, place: &Place, value: Option<Value>) -> Result<(), ScimError> {
        let attribute = place.location.attribute;
        let at = Where::of(&place.location);
        if self.kind == ResourceKind::Group && attribute.name == "members" {
            return self.members.change(&mut self.intake, op, place, value);
        }
        if attribute.returned == Returned::Never {
            if let Some(value) = value {
                self.intake.attribute(attribute, at, value)?;
            }
            return Ok(());
        }
        // null and the empty list mean that there is to be no value (P22), but adding nothing to a list leaves the list.
        let (op, value) = match value {
            Some(value) if op != Op::Remove && value.is_unassigned() => {
                let whole = place.selection.is_none() && place.sub.is_none();
                if op == Op::Add && attribute.multi_valued && whole {
                    return Ok(());
                }
                (Op::Remove, None)
            }
            value => (op, value),
        };
        if op == Op::Remove {
            refuse_required(place)?;
        }
        if attribute.multi_valued {
            let former = match self.take(place.location) {
                Value::Array(former) => former,
                _ => Vec::new(),
            };
            self.visits += former.len();
            if self.visits > MAX_PATCH_VISITS {
                return Err(ScimError::new(
                    413,
                    format!("the request changes too many values of {at} one by one; send fewer operations"),
                ));
            }
            let settled = elements::change(&mut self.intake, op, place, former, value)?;
            self.put(place.location, (!settled.is_empty()).then_some(Value::Array(settled)));
            return Ok(());
        }
        if place.selection.is_some() {
            // Resolving the path has refused brackets after an attribute with one value already.
            return Err(ScimError::invalid_path(format!("{at} has only one value")));
        }
        self.single(op, place, value)
    }

    fn single(&mut self, op: Op, place: &Place, value: Option<Value>) -> Result<(), ScimError> {
        let attribute = place.location.attribute;
        let at = Where::of(&place.location);
        if attribute.kind != Kind::Complex {
            let value = match value {
                Some(value) if op != Op::Remove => self.intake.attribute(attribute, at, value)?,
                _ => None,
            };
            self.put(place.location, value);
            return Ok(());
        }
        // A complex value keeps the sub-attributes that are not named (P08); with a sub-attribute in the path only that one is.
        let given = match (op, place.sub, value) {
            (Op::Remove, None, _) => None,
            (Op::Remove, Some(sub), _) => Some(Object::from_iter([(&sub.name, Value::Null)])),
            (_, Some(sub), value) => Some(Object::from_iter([(&sub.name, value.unwrap_or_default())])),
            (_, None, value) => {
                let value = value.unwrap_or_default();
                self.intake.complex_shape(attribute, at, value)?
            }
        };
        let Some(given) = given else {
            self.put(place.location, None);
            return Ok(());
        };
        let mut object = match self.take(place.location) {
            Value::Object(object) => object,
            _ => Object::new(),
        };
        self.intake.merge(&mut object, attribute, at, given)?;
        self.put(place.location, (!object.is_empty()).then_some(Value::Object(object)));
        Ok(())
    }

    /// Takes the value of an attribute out of the copy; its place stays until [`Self::put`].
    fn take(&mut self, location: Location) -> Value {
        container(&mut self.document, location.extension).get_mut(&location.attribute.name).map(std::mem::take).unwrap_or_default()
    }

    /// Sets the value of an attribute, or unassigns it.
    fn put(&mut self, location: Location, value: Option<Value>) {
        let own = container(&mut self.document, location.extension);
        match value {
            Some(value) => own.insert(location.attribute.name.as_str(), value),
            None => own.remove(&location.attribute.name),
        };
    }
}

/// Whether a name in a value without path is one of ours. Where the profile refuses unknown paths, unknown names are still left out.
fn is_known(path: &PatchPath, kind: ResourceKind, intake: &Intake) -> bool {
    let mut trial = Intake::new(intake.profile);
    let plain = PatchPath { path: path.path.clone(), selection: None };
    matches!(Target::find(&plain, kind, &mut trial), Ok(Some(_)))
}

fn is_read_only(place: &Place) -> bool {
    place.location.attribute.mutability == Mutability::ReadOnly
        || place.sub.is_some_and(|sub| sub.mutability == Mutability::ReadOnly)
}

fn read_only(place: &Place) -> ScimError {
    let path = place.location.path(place.sub.map(|sub| sub.name.as_str()));
    ScimError::mutability(format!("{path} is read-only"))
}

/// What a resource must have cannot be taken away (P13).
fn refuse_required(place: &Place) -> Result<(), ScimError> {
    let required = match place.sub {
        None => place.location.attribute.required && place.selection.is_none(),
        Some(sub) => sub.required,
    };
    if required {
        let path = place.location.path(place.sub.map(|sub| sub.name.as_str()));
        return Err(ScimError::mutability(format!("{path} is required and cannot be removed")));
    }
    Ok(())
}
