//! From a resolved SCIM filter to a condition in SQL (RFC 7644 section 3.4.2.2), purely.
//!
//! The condition must agree with the evaluation in memory on both engines, which a differential property test proves. Three things
//! make that possible: names, types and literals are settled before ([`ResolvedFilter`]); the `search` column holds the document in
//! the very form that the evaluation reads; and every test is two-valued: what may be null is tested for that, or `not` would let it
//! through.
//!
//! Attributes that have a column, such as `userName`, use it and its index, which no function may hide. Relations, such as a User's
//! groups, are looked up through theirs. The rest is read from `search`. Literals only ever become arguments, never text.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::scim::ResolvedFilter;
use crate::scim::filter::{Comparison, ElementTest, Expression, Operand, PathKind, Place, ResolvedPath, Test};

/// A condition and its arguments, which are bound from `$3` on: before them stand the tenant and the directory.
#[derive(Clone, Debug, PartialEq)]
pub struct Where {
    pub sql: String,
    pub args: Vec<Arg>,
}

/// An argument of a condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg {
    Text(String),
    Integer(i64),
    Decimal(f64),
    Id(Uuid),
    Time(DateTime<Utc>),
}

/// Where a table keeps the attributes of its resources.
#[derive(Debug)]
pub struct Layout {
    /// The row's id, for relations.
    pub id: &'static str,
    /// The columns of ids that set a row apart from every other: the order of a list that is not sorted, and how a sorted one goes on
    /// where its values are equal.
    pub order: &'static [&'static str],
    /// The column that holds the document in search form.
    pub search: &'static str,
    /// Attributes with a column, by `name` or `name.sub`.
    pub columns: &'static [(&'static str, Column)],
    /// Multi-valued attributes that are relations.
    pub relations: &'static [Relation],
    /// Equality on these is looked up in a table of its own: attribute, subquery up to the value.
    pub lookups: &'static [(&'static str, &'static str)],
}

/// A column of a known type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    Id(&'static str),
    /// Never null where it is required; compared as it is.
    Text(&'static str),
    /// Text that is never null and is indexed within a namespace. The namespace of every row of a directory is the directory.
    Key {
        column: &'static str,
        namespace: &'static str,
    },
    Bool(&'static str),
    Time(&'static str),
    /// Two ids with a dot between them.
    Pair {
        first: &'static str,
        second: &'static str,
    },
    /// The same for every row.
    Constant(&'static str),
    /// The number inside a weak entity tag.
    Version(&'static str),
}

/// A multi-valued attribute whose values are rows elsewhere.
#[derive(Debug)]
pub struct Relation {
    pub attribute: &'static str,
    /// A row is a value of the attribute by one of these.
    pub branches: &'static [Branch],
}

/// A subquery that selects the ids of the owners of a relation's values.
#[derive(Debug)]
pub struct Branch {
    /// Up to and without its last condition.
    pub select: &'static str,
    /// What follows that condition.
    pub rest: &'static str,
    pub columns: &'static [(&'static str, Column)],
}

/// The number of the first argument of a condition.
pub(super) const FIRST: usize = 3;

impl Where {
    /// The condition that every row meets.
    #[must_use]
    pub fn everything() -> Self {
        Self { sql: "true".to_owned(), args: Vec::new() }
    }

    /// The condition of a list that may have a filter.
    #[must_use]
    pub fn of(filter: Option<&ResolvedFilter>, layout: &Layout) -> Self {
        filter.map_or_else(Self::everything, |filter| Self::new(filter, layout))
    }

    /// The condition that a filter comes to on a table.
    #[must_use]
    pub fn new(filter: &ResolvedFilter, layout: &Layout) -> Self {
        let mut compiler = Compiler { layout, args: Vec::new() };
        let sql = compiler.expression(filter, &mut Compiler::test);
        Self { sql, args: compiler.args }
    }
}

struct Compiler<'l> {
    layout: &'l Layout,
    args: Vec<Arg>,
}

/// What a test compares: an expression, and how it is to be read.
enum Side {
    Column(Column),
    /// A JSON value: the expression that reads it as text, and the one that reads it as JSON.
    Json {
        text: String,
        json: String,
    },
}

impl Compiler<'_> {
    fn arg(&mut self, arg: Arg) -> String {
        self.args.push(arg);
        format!("${}", self.args.len() + FIRST - 1)
    }

    fn expression<T>(&mut self, expression: &Expression<T>, test: &mut impl FnMut(&mut Self, &T) -> String) -> String {
        match expression {
            Expression::And(operands) => self.joined(operands, " and ", "true", test),
            Expression::Or(operands) => self.joined(operands, " or ", "false", test),
            Expression::Not(operand) => format!("not {}", self.expression(operand, test)),
            Expression::Test(leaf) => test(self, leaf),
        }
    }

    fn joined<T>(
        &mut self,
        operands: &[Expression<T>],
        word: &str,
        empty: &str,
        test: &mut impl FnMut(&mut Self, &T) -> String,
    ) -> String {
        if operands.is_empty() {
            return empty.to_owned();
        }
        let parts: Vec<_> = operands.iter().map(|operand| self.expression(operand, test)).collect();
        format!("({})", parts.join(word))
    }

    fn test(&mut self, test: &Test) -> String {
        match test {
            Test::Compare { path, comparison, operand } => self.compare_path(path, *comparison, operand),
            Test::Present { path } => self.present_path(path),
            Test::Element { path, filter } => self.elements(path, |compiler, element| {
                compiler.expression(filter, &mut |compiler, test| compiler.element_test(element, test))
            }),
        }
    }

    fn compare_path(&mut self, path: &ResolvedPath, comparison: Comparison, operand: &Operand) -> String {
        let name = full_name(path);
        if let (Comparison::Equal, Operand::Text(text)) = (comparison, operand)
            && let Some((_, select)) = self.layout.lookups.iter().find(|(attribute, _)| *attribute == name)
        {
            let arg = self.arg(Arg::Text(text.clone()));
            return format!("{} in ({select} = {arg})", self.layout.id);
        }
        if let Some(column) = column_of(self.layout.columns, path.place, &name) {
            return self.compare(&Side::Column(column), path.kind, comparison, operand);
        }
        if !path.multi_valued {
            let side = self.json_side(path);
            return self.compare(&side, path.kind, comparison, operand);
        }
        let (sub, kind) = (path.sub_attribute, path.kind);
        self.elements(path, |compiler, element| {
            element.side(sub).map_or_else(never, |side| compiler.compare(&side, kind, comparison, operand))
        })
    }

    fn present_path(&mut self, path: &ResolvedPath) -> String {
        let name = full_name(path);
        if let Some(column) = column_of(self.layout.columns, path.place, &name) {
            return present(&Side::Column(column), path.kind);
        }
        let relation = path.place == Place::Core && self.relation(&path.attribute).is_some();
        if path.multi_valued && (relation || path.sub_attribute.is_some()) {
            let (sub, kind) = (path.sub_attribute, path.kind);
            return self.elements(path, |_, element| match (sub, element.side(sub)) {
                (None, _) => "true".to_owned(),
                (Some(_), side) => side.map_or_else(never, |side| present(&side, kind)),
            });
        }
        present(&self.json_side(path), if path.multi_valued { PathKind::Complex } else { path.kind })
    }

    fn element_test(&mut self, element: &Element, test: &ElementTest) -> String {
        match test {
            ElementTest::Compare { sub_attribute, kind, comparison, operand } => {
                element.side(Some(sub_attribute)).map_or_else(never, |side| self.compare(&side, *kind, *comparison, operand))
            }
            ElementTest::Present { sub_attribute, kind } => {
                element.side(Some(sub_attribute)).map_or_else(never, |side| present(&side, *kind))
            }
        }
    }

    fn relation(&self, attribute: &str) -> Option<&'static Relation> {
        self.layout.relations.iter().find(|relation| relation.attribute == attribute)
    }

    /// That one value of a multi-valued attribute meets a condition.
    fn elements(&mut self, path: &ResolvedPath, condition: impl Fn(&mut Self, &Element) -> String) -> String {
        if path.place == Place::Core
            && let Some(relation) = self.relation(&path.attribute)
        {
            let mut selects = Vec::with_capacity(relation.branches.len());
            for branch in relation.branches {
                let condition = condition(self, &Element::Row(branch.columns));
                selects.push(format!("{} and {condition}{}", branch.select, branch.rest));
            }
            return format!("{} in ({})", self.layout.id, selects.join(" union all "));
        }
        let Some(array) = self.json(path.place, &path.attribute) else { return never() };
        let condition = condition(self, &Element::Json);
        format!("exists (select 1 from {{each {array}}} where {condition})")
    }

    /// The JSON of an attribute.
    fn json(&self, place: Place, attribute: &str) -> Option<String> {
        let search = self.layout.search;
        match place {
            Place::Core => Some(format!("({search} -> {})", member(attribute))),
            Place::Extension(urn) => Some(format!("({search} -> {} -> {})", member(urn), member(attribute))),
            // Claims are no column of the tables: only rules read them, in memory.
            Place::Claims => None,
        }
    }

    fn json_side(&self, path: &ResolvedPath) -> Side {
        let base = match path.place {
            Place::Extension(urn) => format!("{} -> {}", self.layout.search, member(urn)),
            Place::Core | Place::Claims => self.layout.search.to_owned(),
        };
        let (base, last) = match path.sub_attribute {
            Some(sub) => (format!("{base} -> {}", member(&path.attribute)), sub),
            None => (base, path.attribute.as_ref()),
        };
        if path.place == Place::Claims {
            return Side::Json { text: "null".to_owned(), json: "null".to_owned() };
        }
        let last = member(last);
        Side::Json { text: format!("({base} ->> {last})"), json: format!("({base} -> {last})") }
    }

    fn compare(&mut self, side: &Side, kind: PathKind, comparison: Comparison, operand: &Operand) -> String {
        let Some(condition) = self.condition(side, kind, comparison, operand) else { return never() };
        match side {
            Side::Json { .. } => format!("coalesce({condition}, false)"),
            // Two conditions, because an index cannot see through coalesce.
            Side::Column(Column::Text(column)) => format!("({column} is not null and {condition})"),
            // Without its namespace the index of the column is of no use.
            Side::Column(Column::Key { namespace, .. }) if comparison == Comparison::Equal => {
                format!("({namespace} = $2 and {condition})")
            }
            Side::Column(_) => format!("({condition})"),
        }
    }

    /// The comparison, which may be null where the value is; `None` when it cannot hold.
    fn condition(&mut self, side: &Side, kind: PathKind, comparison: Comparison, operand: &Operand) -> Option<String> {
        Some(match (side, operand) {
            (Side::Column(Column::Id(column)), Operand::Text(text)) if comparison == Comparison::Equal => {
                format!("{column} = {}", self.arg(Arg::Id(id(text)?)))
            }
            (Side::Column(Column::Pair { first, second }), Operand::Text(text)) if comparison == Comparison::Equal => {
                let (one, two) = text.split_once('.')?;
                format!("{first} = {} and {second} = {}", self.arg(Arg::Id(id(one)?)), self.arg(Arg::Id(id(two)?)))
            }
            (Side::Column(Column::Time(column)), Operand::Text(text)) => {
                let arg = self.arg(Arg::Time(DateTime::parse_from_rfc3339(text).ok()?.to_utc()));
                relate(column, comparison, &arg)
            }
            (Side::Column(Column::Bool(column)), Operand::Boolean(value)) => format!("{column} = {value}"),
            (Side::Json { json, .. }, Operand::Boolean(value)) => format!("{json} = '{value}'"),
            (Side::Json { text, .. }, Operand::Integer(value)) if kind == PathKind::Integer => {
                let arg = self.arg(Arg::Integer(*value));
                relate(&format!("cast({text} as bigint)"), comparison, &arg)
            }
            (Side::Json { text, .. }, Operand::Decimal(value)) if kind == PathKind::Decimal => {
                let arg = self.arg(Arg::Decimal(*value));
                relate(&format!("cast({text} as double precision)"), comparison, &arg)
            }
            (side, Operand::Text(text)) => {
                let column = side.text()?;
                let arg = self.arg(Arg::Text(text.clone()));
                // Equality is the same in every collation, and without one an index can serve it.
                let column = if comparison.is_order() { format!("{{ordered {column}}}") } else { column };
                relate(&column, comparison, &arg)
            }
            _ => return None,
        })
    }
}

/// One value of a multi-valued attribute.
enum Element {
    Json,
    Row(&'static [(&'static str, Column)]),
}

impl Element {
    fn side(&self, sub: Option<&str>) -> Option<Side> {
        match (self, sub) {
            (Self::Json, Some(sub)) => {
                let sub = member(sub);
                Some(Side::Json { text: format!("(element.value ->> {sub})"), json: format!("(element.value -> {sub})") })
            }
            (Self::Json, None) => Some(Side::Json { text: "{scalar element.value}".to_owned(), json: "element.value".to_owned() }),
            (Self::Row(columns), sub) => {
                let sub = sub.unwrap_or("value");
                columns.iter().find(|(name, _)| *name == sub).map(|(_, column)| Side::Column(*column))
            }
        }
    }
}

impl Side {
    /// The value as text, if it has one.
    fn text(&self) -> Option<String> {
        Some(match self {
            Self::Json { text, .. } => text.clone(),
            Self::Column(Column::Text(column) | Column::Key { column, .. }) => (*column).to_owned(),
            Self::Column(Column::Id(column)) => format!("{{idtext {column}}}"),
            Self::Column(Column::Pair { first, second }) => format!("({{idtext {first}}} || '.' || {{idtext {second}}})"),
            Self::Column(Column::Constant(value)) => format!("'{value}'"),
            Self::Column(Column::Version(column)) => format!("('W/\"' || cast({column} as text) || '\"')"),
            Self::Column(Column::Bool(_) | Column::Time(_)) => return None,
        })
    }
}

/// The name of a member of a JSON object; SQLite takes one with a dollar sign for a path unless it is told.
pub(super) fn member(name: &str) -> String {
    if name.starts_with('$') { format!("{{member {name}}}") } else { format!("'{name}'") }
}

/// An id; in another spelling than ours it is none.
fn id(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|id| id.hyphenated().to_string() == text)
}

fn never() -> String {
    "false".to_owned()
}

fn relate(left: &str, comparison: Comparison, right: &str) -> String {
    match comparison {
        Comparison::Equal => format!("{left} = {right}"),
        Comparison::Contains => format!("{{contains {left}, {right}}}"),
        Comparison::StartsWith => format!("substr({left}, 1, length({right})) = {right}"),
        Comparison::EndsWith => {
            format!("(length({left}) >= length({right}) and substr({left}, length({left}) - length({right}) + 1) = {right})")
        }
        Comparison::Greater => format!("{left} > {right}"),
        Comparison::GreaterOrEqual => format!("{left} >= {right}"),
        Comparison::Less => format!("{left} < {right}"),
        Comparison::LessOrEqual => format!("{left} <= {right}"),
    }
}

fn present(side: &Side, kind: PathKind) -> String {
    match side {
        Side::Column(Column::Text(column) | Column::Key { column, .. }) => format!("coalesce({column} <> '', false)"),
        Side::Column(_) => "true".to_owned(),
        Side::Json { json, .. }
            if matches!(kind, PathKind::Complex | PathKind::Boolean | PathKind::Integer | PathKind::Decimal) =>
        {
            format!("({json} is not null)")
        }
        Side::Json { text, .. } => format!("coalesce({text} <> '', false)"),
    }
}

pub(super) fn full_name(path: &ResolvedPath) -> String {
    match path.sub_attribute {
        Some(sub) => format!("{}.{sub}", path.attribute),
        None => path.attribute.clone().into_owned(),
    }
}

pub(super) fn column_of(columns: &[(&str, Column)], place: Place, name: &str) -> Option<Column> {
    (place == Place::Core).then(|| columns.iter().find(|(attribute, _)| *attribute == name).map(|(_, column)| *column))?
}
