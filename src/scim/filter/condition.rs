//! Operators and literals: what a condition of the grammar means for an attribute of a certain type.

use super::resolve::Resolver;
use super::resolved::{Comparison, Expression, Operand, PathKind};
use super::{CompareOp, FilterError, Literal};
use crate::scim::fold::fold;
use crate::scim::profile::{Leniency, rule};
use crate::scim::search_form::normalise_date_time;

/// What a condition of the grammar comes to: `ne` and the comparisons with `null` are written with the others.
pub(super) enum Condition {
    Present,
    Absent,
    Is(Comparison, Operand),
    IsNot(Comparison, Operand),
}

impl Condition {
    /// Builds the expression from the two positive tests.
    pub(super) fn express<T>(self, present: impl FnOnce() -> T, compare: impl FnOnce(Comparison, Operand) -> T) -> Expression<T> {
        match self {
            Self::Present => Expression::Test(present()),
            Self::Absent => Expression::Test(present()).negated(),
            Self::Is(comparison, operand) => Expression::Test(compare(comparison, operand)),
            Self::IsNot(comparison, operand) => Expression::Test(compare(comparison, operand)).negated(),
        }
    }
}

impl Resolver<'_> {
    /// The meaning of an operator with its literal; without them it is `pr`.
    pub(super) fn condition(
        &mut self,
        path: &str,
        kind: PathKind,
        comparison: Option<(CompareOp, &Literal)>,
    ) -> Result<Condition, FilterError> {
        let Some((op, literal)) = comparison else {
            return Ok(Condition::Present);
        };
        match (op, literal) {
            (CompareOp::Eq, Literal::Null) => return Ok(Condition::Absent),
            (CompareOp::Ne, Literal::Null) => return Ok(Condition::Present),
            _ => {}
        }
        check_operator(path, kind, op)?;
        let operand = self.operand(path, kind, literal)?;
        let comparison = match op {
            CompareOp::Ne => return Ok(Condition::IsNot(Comparison::Equal, operand)),
            CompareOp::Eq => Comparison::Equal,
            CompareOp::Co => Comparison::Contains,
            CompareOp::Sw => Comparison::StartsWith,
            CompareOp::Ew => Comparison::EndsWith,
            CompareOp::Gt => Comparison::Greater,
            CompareOp::Ge => Comparison::GreaterOrEqual,
            CompareOp::Lt => Comparison::Less,
            CompareOp::Le => Comparison::LessOrEqual,
        };
        Ok(Condition::Is(comparison, operand))
    }

    /// The literal in search form, when it is of the attribute's type.
    fn operand(&mut self, path: &str, kind: PathKind, literal: &Literal) -> Result<Operand, FilterError> {
        let wrong = |expected| FilterError::WrongLiteral { path: path.to_owned(), expected };
        match (kind, literal) {
            (PathKind::StringFolded, Literal::String(text)) => Ok(Operand::Text(fold(text))),
            (PathKind::StringExact | PathKind::Reference | PathKind::Binary, Literal::String(text)) => {
                Ok(Operand::Text(text.clone()))
            }
            (PathKind::Boolean, Literal::Bool(truth)) => Ok(Operand::Boolean(*truth)),
            (PathKind::Boolean, Literal::String(text)) => {
                let truth = boolean_text(text).ok_or_else(|| wrong("true or false"))?;
                if self.profile.tolerance().string_booleans == Leniency::Refuse {
                    return Err(wrong("true or false, without quotes"));
                }
                self.coercions.record(rule::STRING_BOOLEAN, path);
                Ok(Operand::Boolean(truth))
            }
            (PathKind::Integer, Literal::Number(number)) => {
                number.as_i64().map(Operand::Integer).ok_or_else(|| wrong("an integer"))
            }
            (PathKind::Decimal, Literal::Number(number)) => number.as_f64().map(Operand::Decimal).ok_or_else(|| wrong("a number")),
            (PathKind::DateTime, Literal::String(text)) => normalise_date_time(text)
                .map(Operand::Text)
                .ok_or_else(|| wrong("a date and time such as \"2026-01-31T12:00:00Z\"")),
            (PathKind::Boolean, _) => Err(wrong("true or false")),
            (PathKind::Integer, _) => Err(wrong("an integer")),
            (PathKind::Decimal, _) => Err(wrong("a number")),
            (PathKind::DateTime, _) => Err(wrong("a date and time in double quotes")),
            _ => Err(wrong("text in double quotes")),
        }
    }
}

/// `true` and `false` as text, in any letter case.
pub(in crate::scim) fn boolean_text(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Which operators a type knows (RFC 7644 table 3, F12, F13).
fn check_operator(path: &str, kind: PathKind, op: CompareOp) -> Result<(), FilterError> {
    let equality = matches!(op, CompareOp::Eq | CompareOp::Ne);
    let order = matches!(op, CompareOp::Gt | CompareOp::Ge | CompareOp::Lt | CompareOp::Le);
    let (fits, name) = match kind {
        PathKind::StringExact | PathKind::StringFolded => (true, "string"),
        PathKind::Reference => (true, "reference"),
        PathKind::Boolean => (equality, "boolean"),
        PathKind::Binary => (equality, "binary"),
        PathKind::Integer => (equality || order, "integer"),
        PathKind::Decimal => (equality || order, "decimal"),
        PathKind::DateTime => (equality || order, "dateTime"),
        PathKind::Complex => (false, "complex"),
    };
    if fits {
        return Ok(());
    }
    Err(FilterError::WrongOperator { path: path.to_owned(), op: op.as_str(), kind: name })
}
