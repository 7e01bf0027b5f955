//! What the path of an operation names in the schema.

use crate::scim::filter::{AttrPath, CompareOp, ElementFilter, Filter, Literal, PatchPath, resolve_elements};
use crate::scim::message::{ScimError, quoted};
use crate::scim::profile::{Leniency, rule};
use crate::scim::resource::Intake;
use crate::scim::schema::{Attribute, Location, ResourceKind, Schema};
use crate::scim::value::{Object, Value};

/// What an operation is about.
pub(super) enum Target {
    /// The whole of the core schema: its URN stands for no path at all.
    Core,
    /// A whole extension (P15).
    Extension(&'static Schema),
    /// An attribute, one of its sub-attributes, or values of it.
    Attribute(Place),
}

/// An attribute as a target.
pub(super) struct Place {
    pub(super) location: Location,
    pub(super) selection: Option<Selection>,
    pub(super) sub: Option<&'static Attribute>,
}

/// The brackets of a path.
pub(super) struct Selection {
    /// Which values are meant.
    pub(super) filter: ElementFilter,
    /// What a value must have so that it is meant: see [`equalities`].
    pub(super) equalities: Option<Object>,
}

impl Target {
    /// Finds what a path names; `None` when it names nothing and the profile lets that pass (P14).
    pub(super) fn find(path: &PatchPath, kind: ResourceKind, intake: &mut Intake) -> Result<Option<Self>, ScimError> {
        if path.selection.is_none()
            && let Some(urn) = path.path.as_urn()
        {
            if urn.eq_ignore_ascii_case(kind.urn()) {
                return Ok(Some(Self::Core));
            }
            if let Some(extension) = kind.extension(&urn) {
                return Ok(Some(Self::Extension(extension)));
            }
        }
        let Some((location, sub)) = locate(&path.path, kind, intake) else {
            if intake.tolerance().unknown_path == Leniency::Refuse {
                return Err(ScimError::invalid_path(format!(
                    "a {} has no attribute {}",
                    kind.name(),
                    quoted(&path.path.to_string())
                )));
            }
            intake.coercions.record(rule::UNKNOWN_ATTRIBUTE, &path.path.to_string());
            return Ok(None);
        };
        let selection = match &path.selection {
            None => None,
            Some(filter) => Some(Selection {
                equalities: equalities(filter, location.attribute),
                filter: resolve_elements(filter, location, intake.profile, &mut intake.coercions)
                    .map_err(|error| error.in_path())?,
            }),
        };
        Ok(Some(Self::Attribute(Place { location, selection, sub })))
    }
}

fn locate(path: &AttrPath, kind: ResourceKind, intake: &mut Intake) -> Option<(Location, Option<&'static Attribute>)> {
    let location = kind.locate(path.urn.as_deref(), &path.name).or_else(|| {
        let lenient = intake.tolerance().unqualified_extension == Leniency::Coerce;
        if path.urn.is_some() || !lenient {
            return None;
        }
        let location = kind.locate_unqualified(&path.name)?;
        intake.coercions.record(rule::UNQUALIFIED_EXTENSION, &path.name);
        Some(location)
    })?;
    match &path.sub {
        None => Some((location, None)),
        Some(sub) => Some((location, Some(location.attribute.sub_attribute(sub)?))),
    }
}

/// The sub-attributes and values that a filter asks for, when it is one `eq` or several joined by `and`. From any other filter no
/// value can be made that it would select (P11).
fn equalities(filter: &Filter, attribute: &Attribute) -> Option<Object> {
    let mut found = Object::new();
    collect(filter, attribute, &mut found)?;
    Some(found)
}

fn collect(filter: &Filter, attribute: &Attribute, found: &mut Object) -> Option<()> {
    match filter {
        Filter::And(operands) => operands.iter().try_for_each(|operand| collect(operand, attribute, found)),
        Filter::Compare { path, op: CompareOp::Eq, literal } => {
            let value = match literal {
                Literal::Null => return None,
                Literal::Bool(truth) => Value::Bool(*truth),
                Literal::Number(number) => Value::Number(number.clone()),
                Literal::String(text) => Value::String(text.clone()),
            };
            let sub = attribute.sub_attribute(&path.name)?;
            found.insert(sub.name.as_str(), value);
            Some(())
        }
        _ => None,
    }
}
