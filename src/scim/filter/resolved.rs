//! Filters in which every name, type and literal is settled.

/// A condition built from tests with two-valued logic: a test holds or does not hold, it is never unknown. In SQL every test must
/// therefore answer true or false for a missing value too, or `not` would let nulls through.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression<T> {
    /// All hold. Without operands it holds.
    And(Vec<Expression<T>>),
    /// At least one holds. Without operands it does not.
    Or(Vec<Expression<T>>),
    /// The operand does not hold.
    Not(Box<Expression<T>>),
    /// A test.
    Test(T),
}

impl<T> Expression<T> {
    /// Whether the condition holds, when `test` tells which tests do.
    pub fn holds(&self, test: &impl Fn(&T) -> bool) -> bool {
        match self {
            Self::And(operands) => operands.iter().all(|operand| operand.holds(test)),
            Self::Or(operands) => operands.iter().any(|operand| operand.holds(test)),
            Self::Not(operand) => !operand.holds(test),
            Self::Test(leaf) => test(leaf),
        }
    }

    pub(super) fn negated(self) -> Self {
        Self::Not(Box::new(self))
    }
}

/// A filter over a document in search form ([`mod@crate::scim::search_form`]).
///
/// - `ne` is `not eq`, `eq null` is `not pr`, and `ne null` is `pr`, so none of them appears here.
/// - A test on a multi-valued attribute holds when one of its values fulfils it. So `emails.value ne "x"` means that no address is
///   "x", and it holds without any address (F11).
/// - [`Test::Element`] asks for one value that fulfils all of its conditions (F07).
pub type ResolvedFilter = Expression<Test>;

/// A filter over one value of a multi-valued complex attribute.
pub type ElementFilter = Expression<ElementTest>;

/// One test on a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// A value at the path stands in this relation to the operand. Does not hold where there is no value.
    Compare {
        /// Where the value stands. Its kind is never [`PathKind::Complex`].
        path: ResolvedPath,
        /// The relation.
        comparison: Comparison,
        /// What to compare with; its variant fits the path's kind.
        operand: Operand,
    },
    /// There is a value at the path. Empty text is no value (F10). A complex attribute is there when it has any sub-attribute, which
    /// in search form means that its object, or its array, is there.
    Present {
        /// Where the value stands.
        path: ResolvedPath,
    },
    /// One value of a multi-valued complex attribute fulfils the whole filter.
    Element {
        /// The attribute: multi-valued, complex, without sub-attribute.
        path: ResolvedPath,
        /// What the value has to fulfil.
        filter: ElementFilter,
    },
}

/// One test on a value of a multi-valued complex attribute. Semantics as in [`Test`].
#[derive(Clone, Debug, PartialEq)]
pub enum ElementTest {
    /// The sub-attribute stands in this relation to the operand.
    Compare {
        /// The sub-attribute in the schema's spelling.
        sub_attribute: &'static str,
        /// Its type.
        kind: PathKind,
        /// The relation.
        comparison: Comparison,
        /// What to compare with.
        operand: Operand,
    },
    /// The sub-attribute has a value; empty text is none.
    Present {
        /// The sub-attribute in the schema's spelling.
        sub_attribute: &'static str,
        /// Its type.
        kind: PathKind,
    },
}

/// Where an attribute stands in a document in search form.
///
/// `base = document`, `document[urn]` or `document["claims"]` by place; then `base[attribute]`. If `multi_valued`, that is an array,
/// and its elements are the values, or with a sub-attribute objects whose `[sub_attribute]` are the values. If not, it is the value, or
/// with a sub-attribute an object whose `[sub_attribute]` is the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedPath {
    /// Which part of the document.
    pub place: Place,
    /// The attribute in the schema's spelling, or the name of a claim as it was written (compared exactly).
    pub attribute: std::borrow::Cow<'static, str>,
    /// The sub-attribute in the schema's spelling.
    pub sub_attribute: Option<&'static str>,
    /// Whether the attribute is multi-valued; a sub-attribute never is.
    pub multi_valued: bool,
    /// The type of the values.
    pub kind: PathKind,
}

/// The part of a document that an attribute stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The top: common attributes and those of the core schema.
    Core,
    /// The object under the extension's URN.
    Extension(&'static str),
    /// The object `claims` of facts: each member is an array of strings, compared exactly.
    Claims,
}

/// The type of the values that a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// Text that compares exactly.
    StringExact,
    /// Text that compares folded; document and operand are folded already.
    StringFolded,
    /// True or false; only [`Comparison::Equal`].
    Boolean,
    /// A 64-bit integer; no text comparisons.
    Integer,
    /// A double; no text comparisons.
    Decimal,
    /// Text of fixed width in UTC with microseconds, so that the order of text is the order of time; no text comparisons.
    DateTime,
    /// A URI, as exact text.
    Reference,
    /// Base64, as exact text; only [`Comparison::Equal`].
    Binary,
    /// An object; only tested for presence and for its elements.
    Complex,
}

/// How a value relates to an operand. Text is ordered by Unicode scalar values, which is the order of its UTF-8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `value = operand`
    Equal,
    /// The operand is somewhere in the value; an empty operand is in every value.
    Contains,
    /// The value begins with the operand.
    StartsWith,
    /// The value ends with the operand.
    EndsWith,
    /// `value > operand`
    Greater,
    /// `value >= operand`
    GreaterOrEqual,
    /// `value < operand`
    Less,
    /// `value <= operand`
    LessOrEqual,
}

impl Comparison {
    /// Whether it asks for an order, for which text needs a collation.
    #[must_use]
    pub fn is_order(self) -> bool {
        matches!(self, Self::Greater | Self::GreaterOrEqual | Self::Less | Self::LessOrEqual)
    }
}

/// What a value is compared with, already in search form.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// For every kind of text, references, binary and `dateTime`.
    Text(String),
    /// For booleans.
    Boolean(bool),
    /// For integers.
    Integer(i64),
    /// For decimals; finite.
    Decimal(f64),
}
