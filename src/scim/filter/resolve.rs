//! From a filter as it was written to one that the schema has settled.

use super::condition::Condition;
use super::resolved::{ElementFilter, ElementTest, Expression, PathKind, Place, ResolvedFilter, ResolvedPath, Test};
use super::{AttrPath, CompareOp, Filter, FilterError, Literal, Then};
use crate::scim::message::{quoted, urn};
use crate::scim::profile::{Coercion, Coercions, Leniency, Profile, rule};
use crate::scim::schema::{Attribute, Kind, Location, Mutability, ResourceKind, Returned};
use std::borrow::Cow;

/// What a filter is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Users.
    User,
    /// Groups.
    Group,
    /// Memberships.
    GroupMember,
    /// What mapping rules see: a User, and beside it `claims.<name>`, the claims of the last sign-in as lists of exact strings. The name
    /// compares exactly too; two claims whose names differ in letter case alone cannot stand in one document.
    Facts,
}

impl Scope {
    fn kind(self) -> ResourceKind {
        match self {
            Self::User | Self::Facts => ResourceKind::User,
            Self::Group => ResourceKind::Group,
            Self::GroupMember => ResourceKind::GroupMember,
        }
    }
}

impl From<ResourceKind> for Scope {
    fn from(kind: ResourceKind) -> Self {
        match kind {
            ResourceKind::User => Self::User,
            ResourceKind::Group => Self::Group,
            ResourceKind::GroupMember => Self::GroupMember,
        }
    }
}

/// What becomes of an attribute that the schema does not have (F14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The filter is refused: at the endpoint of one kind of resource it is a mistake.
    Refused,
    /// It has no value: another of the kinds that are asked together may have it (RFC 7644 section 3.4.2.1).
    NoValue,
}

/// Settles names, types and literals of a filter against the schema.
pub fn resolve(filter: &Filter, scope: Scope, profile: Profile) -> Result<ResolvedFilter, FilterError> {
    resolve_recording(filter, scope, profile, Unknown::Refused).map(|(filter, _)| filter)
}

/// Like [`resolve`], and tells which tolerances were needed.
pub(super) fn resolve_recording(
    filter: &Filter,
    scope: Scope,
    profile: Profile,
    unknown: Unknown,
) -> Result<(ResolvedFilter, Vec<Coercion>), FilterError> {
    let mut coercions = Coercions::default();
    let mut resolver = Resolver { scope, profile, unknown, coercions: &mut coercions };
    let resolved = resolver.filter(filter)?;
    Ok((resolved, coercions.into_vec()))
}

/// Settles the filter in the brackets after a multi-valued complex attribute.
pub(in crate::scim) fn resolve_elements(
    filter: &Filter,
    location: Location,
    profile: Profile,
    coercions: &mut Coercions,
) -> Result<ElementFilter, FilterError> {
    if !location.attribute.multi_valued || location.attribute.kind != Kind::Complex {
        return Err(FilterError::NoSelection { path: location.path(None) });
    }
    let mut resolver = Resolver {
        // Inside brackets names are sub-attributes, so the scope is not asked.
        scope: Scope::User,
        profile,
        unknown: Unknown::Refused,
        coercions,
    };
    resolver.elements(filter, location)
}

/// Settles one path; what it leads to may be complex.
pub(in crate::scim) fn resolve_path(
    path: &AttrPath,
    scope: Scope,
    profile: Profile,
    coercions: &mut Coercions,
) -> Result<ResolvedPath, FilterError> {
    Resolver { scope, profile, unknown: Unknown::Refused, coercions }.path(path, false)
}

pub(super) struct Resolver<'c> {
    scope: Scope,
    pub(super) profile: Profile,
    unknown: Unknown,
    pub(super) coercions: &'c mut Coercions,
}

impl Resolver<'_> {
    fn filter(&mut self, filter: &Filter) -> Result<ResolvedFilter, FilterError> {
        match filter {
            Filter::And(operands) => Ok(Expression::And(self.filters(operands)?)),
            Filter::Or(operands) => Ok(Expression::Or(self.filters(operands)?)),
            Filter::Not(operand) => Ok(self.filter(operand)?.negated()),
            leaf => match self.leaf(leaf) {
                Err(FilterError::UnknownAttribute { .. }) if self.unknown == Unknown::NoValue => Ok(without_value(leaf)),
                resolved => resolved,
            },
        }
    }

    fn leaf(&mut self, filter: &Filter) -> Result<ResolvedFilter, FilterError> {
        match filter {
            Filter::And(_) | Filter::Or(_) | Filter::Not(_) => self.filter(filter),
            Filter::Present { path } => Ok(Expression::Test(Test::Present { path: self.path(path, false)? })),
            Filter::Compare { path, op, literal } => {
                let path = self.path(path, *literal != Literal::Null)?;
                let condition = self.condition(&path.to_string(), path.kind, Some((*op, literal)))?;
                let same_path = path.clone();
                Ok(condition.express(
                    || Test::Present { path: same_path },
                    |comparison, operand| Test::Compare { path, comparison, operand },
                ))
            }
            Filter::ValuePath { path, filter, then } => self.value_path(path, filter, then.as_ref()),
        }
    }

    fn filters(&mut self, filters: &[Filter]) -> Result<Vec<ResolvedFilter>, FilterError> {
        filters.iter().map(|filter| self.filter(filter)).collect()
    }

    /// `attribute[filter]`, and `attribute[filter].sub op literal`, which asks the same value for one thing more. Its `ne` is the
    /// negation of its `eq`, like everywhere.
    fn value_path(&mut self, path: &AttrPath, filter: &Filter, then: Option<&Then>) -> Result<ResolvedFilter, FilterError> {
        let location = self.locate(path)?;
        let elements = resolve_elements(filter, location, self.profile, self.coercions)?;
        let path = resolved_path(location, None);
        let Some(then) = then else {
            return Ok(Expression::Test(Test::Element { path, filter: elements }));
        };
        let (sub, kind) = Self::sub_attribute(location, &then.sub)?;
        let name = location.path(Some(sub));
        let comparison = then.comparison.as_ref().map(|(op, literal)| (*op, literal));
        let condition = self.condition(&name, kind, comparison)?;
        let (test, negated) = match element_test(sub, kind, condition) {
            Expression::Not(test) => (*test, true),
            test => (test, false),
        };
        let found = Expression::Test(Test::Element { path, filter: Expression::And(vec![elements, test]) });
        Ok(if negated { found.negated() } else { found })
    }

    fn elements(&mut self, filter: &Filter, location: Location) -> Result<ElementFilter, FilterError> {
        let (path, comparison) = match filter {
            Filter::And(operands) => {
                return operands
                    .iter()
                    .map(|operand| self.elements(operand, location))
                    .collect::<Result<_, _>>()
                    .map(Expression::And);
            }
            Filter::Or(operands) => {
                return operands
                    .iter()
                    .map(|operand| self.elements(operand, location))
                    .collect::<Result<_, _>>()
                    .map(Expression::Or);
            }
            Filter::Not(operand) => return Ok(self.elements(operand, location)?.negated()),
            Filter::ValuePath { path, .. } => {
                return Err(FilterError::NoSelection { path: quoted(&path.to_string()) });
            }
            Filter::Present { path } => (path, None),
            Filter::Compare { path, op, literal } => (path, Some((*op, literal))),
        };
        if path.urn.is_some() || path.sub.is_some() {
            return Err(FilterError::UnknownAttribute { path: quoted(&path.to_string()) });
        }
        let (sub_attribute, kind) = Self::sub_attribute(location, &path.name)?;
        let condition = self.condition(&location.path(Some(sub_attribute)), kind, comparison)?;
        Ok(element_test(sub_attribute, kind, condition))
    }

    fn sub_attribute(location: Location, name: &str) -> Result<(&'static str, PathKind), FilterError> {
        location
            .attribute
            .sub_attribute(name)
            .map(|sub| (sub.name.as_str(), path_kind(sub)))
            .ok_or_else(|| FilterError::UnknownAttribute { path: quoted(&format!("{}.{name}", location.attribute.name)) })
    }

    fn locate(&mut self, path: &AttrPath) -> Result<Location, FilterError> {
        let kind = self.scope.kind();
        let located = kind.locate(path.urn.as_deref(), &path.name).or_else(|| {
            let tolerance = self.profile.tolerance();
            if path.urn.is_some() || tolerance.unqualified_extension == Leniency::Refuse {
                return None;
            }
            let located = kind.locate_unqualified(&path.name)?;
            self.coercions.record(rule::UNQUALIFIED_EXTENSION, &path.to_string());
            Some(located)
        });
        let location = located.ok_or_else(|| FilterError::UnknownAttribute { path: quoted(&path.to_string()) })?;
        // What the portal knows of a login is computed, and reaches beyond the directory: nobody finds logins by it. What the client said
        // there is stored, like any attribute.
        let of_the_portal = location.extension.is_some_and(|extension| extension.id == urn::PORTAL_USER)
            && location.attribute.mutability == Mutability::ReadOnly;
        if location.attribute.returned == Returned::Never || of_the_portal {
            return Err(FilterError::NotFilterable { path: location.path(None) });
        }
        Ok(location)
    }

    /// Settles a path; `of_value` asks for something that can be compared, so that a complex attribute stands for its `value` (F06).
    fn path(&mut self, path: &AttrPath, of_value: bool) -> Result<ResolvedPath, FilterError> {
        if self.scope == Scope::Facts && path.urn.is_none() && path.name.eq_ignore_ascii_case("claims") {
            let Some(claim) = &path.sub else {
                return Err(FilterError::NeedsSubAttribute { path: "claims".to_owned() });
            };
            return Ok(ResolvedPath {
                place: Place::Claims,
                attribute: Cow::Owned(claim.clone()),
                sub_attribute: None,
                multi_valued: true,
                kind: PathKind::StringExact,
            });
        }
        let location = self.locate(path)?;
        let sub = match &path.sub {
            Some(name) => Some(
                location
                    .attribute
                    .sub_attribute(name)
                    .ok_or_else(|| FilterError::UnknownAttribute { path: quoted(&path.to_string()) })?,
            ),
            None if of_value && location.attribute.kind == Kind::Complex => Some(
                location
                    .attribute
                    .sub_attribute("value")
                    .ok_or_else(|| FilterError::NeedsSubAttribute { path: location.path(None) })?,
            ),
            None => None,
        };
        Ok(resolved_path(location, sub))
    }
}

/// What a condition comes to on an attribute that has no value: as the evaluation has it, `ne` holds and `eq null` too.
fn without_value(leaf: &Filter) -> ResolvedFilter {
    let comparison = match leaf {
        Filter::Compare { op, literal, .. } => Some((*op, literal)),
        Filter::ValuePath { then: Some(then), .. } => then.comparison.as_ref().map(|(op, literal)| (*op, literal)),
        _ => None,
    };
    let holds = match comparison {
        Some((CompareOp::Eq, Literal::Null)) => true,
        Some((CompareOp::Ne, literal)) => *literal != Literal::Null,
        _ => false,
    };
    let nothing = Vec::new();
    if holds { Expression::And(nothing) } else { Expression::Or(nothing) }
}

fn element_test(sub_attribute: &'static str, kind: PathKind, condition: Condition) -> ElementFilter {
    condition.express(
        || ElementTest::Present { sub_attribute, kind },
        |comparison, operand| ElementTest::Compare { sub_attribute, kind, comparison, operand },
    )
}

fn resolved_path(location: Location, sub: Option<&'static Attribute>) -> ResolvedPath {
    ResolvedPath {
        place: match location.extension {
            None => Place::Core,
            Some(extension) => Place::Extension(&extension.id),
        },
        attribute: Cow::Borrowed(&location.attribute.name),
        sub_attribute: sub.map(|sub| sub.name.as_str()),
        multi_valued: location.attribute.multi_valued,
        kind: path_kind(sub.unwrap_or(location.attribute)),
    }
}

fn path_kind(attribute: &Attribute) -> PathKind {
    match attribute.kind {
        Kind::String | Kind::Reference if !attribute.case_exact => PathKind::StringFolded,
        Kind::String => PathKind::StringExact,
        Kind::Reference => PathKind::Reference,
        Kind::Boolean => PathKind::Boolean,
        Kind::Integer => PathKind::Integer,
        Kind::Decimal => PathKind::Decimal,
        Kind::DateTime => PathKind::DateTime,
        Kind::Binary => PathKind::Binary,
        Kind::Complex => PathKind::Complex,
    }
}
