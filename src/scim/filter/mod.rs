//! Filters and PATCH paths (RFC 7644 sections 3.4.2.2 and 3.5.2).
//!
//! Text becomes a [`Filter`] by the grammar, which knows no schema. [`resolve`] checks it against the schema and the client profile
//! and makes a [`ResolvedFilter`]: a small tree in which every name, type and literal is settled, so that it can be evaluated on
//! documents in search form ([`ResolvedFilter::matches`]) or compiled to SQL without another look at the schema.
//!
//! Printing a filter gives its canonical text, and reading that text gives the same filter back.

mod condition;
mod evaluate;
mod grammar;
mod print;
mod resolve;
mod resolved;

pub(super) use condition::boolean_text;
use resolve::resolve_recording;
pub use resolve::{Scope, Unknown, resolve};
pub(super) use resolve::{resolve_elements, resolve_path};
pub use resolved::{
    Comparison, ElementFilter, ElementTest, Expression, Operand, PathKind, Place, ResolvedFilter, ResolvedPath, Test,
};

use crate::scim::message::{ScimError, ScimType};
use crate::scim::profile::{Coercion, Profile};

/// How long the text of a filter may be, in characters (F17).
pub const MAX_FILTER_CHARS: usize = 4_096;
/// How deep parentheses and brackets may nest (F17).
pub const MAX_FILTER_DEPTH: usize = 32;
/// How many comparisons a filter may hold (F17).
pub const MAX_FILTER_TERMS: usize = 256;

/// The name of an attribute: `[URN ":"] name ["." sub-attribute]`, in any letter case.
///
/// `claims.` takes everything that follows as the name of the claim, dots, colons and slashes included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttrPath {
    /// The URN of the schema. A path that is only the URN of an extension reads as a URN and its last part; see [`AttrPath::as_urn`].
    pub urn: Option<String>,
    /// The attribute.
    pub name: String,
    /// The sub-attribute.
    pub sub: Option<String>,
}

impl AttrPath {
    /// Reads a whole text as the name of an attribute.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        grammar::attr_path(text)
    }

    /// The whole path as one URN, when it could be that of an extension itself rather than of an attribute.
    #[must_use]
    pub fn as_urn(&self) -> Option<String> {
        match (&self.urn, &self.sub) {
            (Some(urn), None) => Some(format!("{urn}:{}", self.name)),
            _ => None,
        }
    }
}

/// The comparison operators of the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareOp {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Contains.
    Co,
    /// Starts with.
    Sw,
    /// Ends with.
    Ew,
    /// Greater than.
    Gt,
    /// Greater than or equal.
    Ge,
    /// Less than.
    Lt,
    /// Less than or equal.
    Le,
}

impl CompareOp {
    /// Every operator.
    pub const ALL: [Self; 9] = [Self::Eq, Self::Ne, Self::Co, Self::Sw, Self::Ew, Self::Gt, Self::Ge, Self::Lt, Self::Le];

    /// The operator as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Co => "co",
            Self::Sw => "sw",
            Self::Ew => "ew",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
        }
    }
}

/// The value that an attribute is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `null`: no value.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A JSON number.
    Number(serde_json::Number),
    /// A JSON string, its escapes undone.
    String(String),
}

/// A filter as it was written. `And` and `Or` have two operands or more.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// All hold.
    And(Vec<Filter>),
    /// One holds.
    Or(Vec<Filter>),
    /// The operand does not hold.
    Not(Box<Filter>),
    /// `attribute operator literal`
    Compare {
        /// The attribute.
        path: AttrPath,
        /// The operator.
        op: CompareOp,
        /// The value to compare with.
        literal: Literal,
    },
    /// `attribute pr`
    Present {
        /// The attribute.
        path: AttrPath,
    },
    /// `attribute[filter]`, and with `then` the form `attribute[filter].sub operator literal` that Entra sends (F09).
    ValuePath {
        /// The multi-valued attribute; it has no sub-attribute here.
        path: AttrPath,
        /// What one of its values has to fulfil.
        filter: Box<Filter>,
        /// A further condition on the same value.
        then: Option<Then>,
    },
}

/// What follows the bracket of a value path: `.sub pr` or `.sub operator literal`.
#[derive(Clone, Debug, PartialEq)]
pub struct Then {
    /// The sub-attribute.
    pub sub: String,
    /// Without one the condition is `pr`.
    pub comparison: Option<(CompareOp, Literal)>,
}

impl Filter {
    /// Reads a filter. Takes time linear in its length, which is limited.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        grammar::filter(text)
    }
}

/// The path of a PATCH operation: an attribute, or the values of a multi-valued attribute that a filter selects.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchPath {
    /// The attribute, and the sub-attribute, which stands after the bracket when there is a selection.
    pub path: AttrPath,
    /// Which values of the attribute.
    pub selection: Option<Filter>,
}

impl PatchPath {
    /// Reads the path of a PATCH operation (P14).
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        grammar::patch_path(text)
    }
}

/// Why a filter, an attribute name or a PATCH path is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// The text does not follow the grammar.
    #[error("at character {position}: expected {expected}")]
    Syntax {
        /// Where, in characters from 1.
        position: usize,
        /// What should stand there.
        expected: String,
    },
    /// Longer than [`MAX_FILTER_CHARS`].
    #[error("the filter is longer than {MAX_FILTER_CHARS} characters")]
    TooLong,
    /// Nested deeper than [`MAX_FILTER_DEPTH`].
    #[error("the filter nests deeper than {MAX_FILTER_DEPTH} levels")]
    TooDeep,
    /// More comparisons than [`MAX_FILTER_TERMS`].
    #[error("the filter has more than {MAX_FILTER_TERMS} comparisons")]
    TooManyTerms,
    /// The schema has no such attribute (F14).
    #[error("there is no attribute {path} here; /Schemas lists them")]
    UnknownAttribute {
        /// The path as it was written, shortened and quoted.
        path: String,
    },
    /// The attribute is never returned, so nothing may be learnt about it (F18), or is what the portal knows and nobody stores.
    #[error("{path} cannot be used in a filter")]
    NotFilterable {
        /// The path in the schema's spelling.
        path: String,
    },
    /// A complex attribute without `value` was compared as a whole.
    #[error("{path} has sub-attributes; name the one to compare")]
    NeedsSubAttribute {
        /// The path in the schema's spelling.
        path: String,
    },
    /// Brackets after an attribute that has only one value, or no sub-attributes, or inside other brackets.
    #[error("{path} cannot be followed by brackets; only multi-valued complex attributes can, once")]
    NoSelection {
        /// The path in the schema's spelling.
        path: String,
    },
    /// The operator makes no sense for the attribute's type (F12, F13).
    #[error("{op} does not work on {path}, which is of type {kind}")]
    WrongOperator {
        /// The path in the schema's spelling.
        path: String,
        /// The operator.
        op: &'static str,
        /// The type of the attribute.
        kind: &'static str,
    },
    /// The literal is not of the attribute's type (F19).
    #[error("{path} is compared with {expected}")]
    WrongLiteral {
        /// The path in the schema's spelling.
        path: String,
        /// What it has to be.
        expected: &'static str,
    },
}

impl FilterError {
    /// The refusal of a `filter` parameter: `invalidFilter`.
    #[must_use]
    pub fn in_filter(&self) -> ScimError {
        ScimError::bad_request(ScimType::InvalidFilter, format!("the filter is not usable: {self}"))
    }

    /// The refusal of a PATCH path: `invalidPath`, or `invalidFilter` when names and grammar are right and only a comparison is not
    /// possible (RFC 7644 table 9).
    #[must_use]
    pub fn in_path(&self) -> ScimError {
        let scim_type = match self {
            Self::WrongOperator { .. } | Self::WrongLiteral { .. } | Self::NotFilterable { .. } => ScimType::InvalidFilter,
            _ => ScimType::InvalidPath,
        };
        ScimError::bad_request(scim_type, format!("the path is not usable: {self}"))
    }
}

/// Reads the name of an attribute whose values are text; one with sub-attributes stands for its `value` (F06).
pub fn text_path(text: &str, scope: Scope, profile: Profile) -> Result<ResolvedPath, FilterError> {
    // Every text begins with nothing, and nothing but text begins with something.
    let any = Filter::Compare { path: AttrPath::parse(text)?, op: CompareOp::Sw, literal: Literal::String(String::new()) };
    match resolve(&any, scope, profile)? {
        Expression::Test(Test::Compare { path, .. }) => Ok(path),
        _ => Err(FilterError::NotFilterable { path: text.to_owned() }),
    }
}

/// Reads and resolves the `filter` parameter of a request, with the tolerances that were needed.
pub fn read(text: &str, scope: Scope, profile: Profile) -> Result<(ResolvedFilter, Vec<Coercion>), ScimError> {
    Filter::parse(text)
        .and_then(|filter| resolve_recording(&filter, scope, profile, Unknown::Refused))
        .map_err(|error| error.in_filter())
}

/// Resolves a filter that was read already; `unknown` says what becomes of names that the schema does not have.
pub(super) fn settle(
    filter: &Filter,
    scope: Scope,
    profile: Profile,
    unknown: Unknown,
) -> Result<(ResolvedFilter, Vec<Coercion>), ScimError> {
    resolve_recording(filter, scope, profile, unknown).map_err(|error| error.in_filter())
}

#[cfg(test)]
mod tests;
