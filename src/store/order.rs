//! From a resolved sort to `order by`, and to the condition that a row comes after a place in that order (RFC 7644 section 3.4.2.3),
//! purely.
//!
//! Both engines must order as [`SortKey`] does. Attributes with a column are ordered by it, so that an index which begins with tenant,
//! directory and that column serves; the others by what the `search` column holds, for which the database sorts what matches. Text is
//! ordered by code points everywhere. Descending is ascending read backwards.

use chrono::DateTime;
use uuid::Uuid;

use super::filter::{Arg, Column, Layout, column_of, full_name, member};
use super::list::{Mark, Start};
use crate::scim::filter::{PathKind, Place, ResolvedPath};
use crate::scim::sort::{MAX_SORT_CHARS, Sort, SortKey, SortOrder};

/// The order of a list. It is total: where values are equal, ids decide.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    key: Key,
    ids: &'static [&'static str],
    descending: bool,
}

/// What rows are ordered by, before their ids.
#[derive(Clone, Debug, PartialEq)]
enum Key {
    /// The same for every row.
    Constant(SortKey),
    Value {
        sql: String,
        kind: Kind,
        /// Whether rows may have none.
        optional: bool,
        /// A condition that every row meets, without which the index is of no use.
        hint: String,
    },
}

/// How a value is written in SQL to be compared with the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Integer,
    Boolean,
    JsonBoolean,
    Time,
    Id,
}

/// A statement's share in a page: a condition that begins with `and`, if any, its arguments, and the order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) condition: String,
    pub(super) args: Vec<Arg>,
    pub(super) order_by: String,
}

impl Order {
    /// The order that a sort comes to on a table; without one, that of the ids.
    #[must_use]
    pub fn new(sort: Option<&Sort>, layout: &Layout) -> Self {
        let key = match sort.and_then(|sort| sort.path.as_ref()) {
            None => Key::Constant(SortKey::Missing),
            Some(path) => match column_of(layout.columns, path.place, &full_name(path)) {
                Some(column) => of_column(column),
                None => of_json(path, layout),
            },
        };
        Self { key, ids: layout.order, descending: sort.is_some_and(|sort| sort.order == SortOrder::Descending) }
    }

    /// The place before all rows with this key, or after them: for lists of several tables that are merged.
    #[must_use]
    pub fn beside(&self, key: SortKey, before: bool) -> Mark {
        let id = if before == self.descending { Uuid::max() } else { Uuid::nil() };
        Mark { key, ids: vec![id; self.ids.len()] }
    }

    /// What to read, one after the other, to have all rows from `start` on; arguments are numbered from `first`.
    pub(super) fn parts(&self, start: &Start, first: usize) -> Vec<Part> {
        match start {
            Start::Offset(_) => vec![self.everything()],
            Start::After(mark) => self.after(mark, first),
        }
    }

    fn everything(&self) -> Part {
        let (condition, order_by) = match &self.key {
            Key::Constant(_) => (String::new(), self.order_by(None, "")),
            Key::Value { sql, optional, hint, .. } => {
                let missing = match (optional, self.descending) {
                    (false, _) => "",
                    (true, false) => " nulls last",
                    (true, true) => " nulls first",
                };
                (hint.clone(), self.order_by(Some(sql), missing))
            }
        };
        Part { condition, args: Vec::new(), order_by }
    }

    fn after(&self, mark: &Mark, first: usize) -> Vec<Part> {
        let (sql, kind, optional, hint) = match &self.key {
            Key::Constant(key) => {
                let order = if self.descending { mark.key.cmp(key) } else { key.cmp(&mark.key) };
                return match order {
                    std::cmp::Ordering::Less => Vec::new(),
                    std::cmp::Ordering::Greater => vec![self.everything()],
                    std::cmp::Ordering::Equal => vec![self.by_ids("", mark, first)],
                };
            }
            Key::Value { sql, kind, optional, hint } => (sql, *kind, *optional, hint),
        };
        let present = if optional { format!(" and {sql} is not null") } else { String::new() };
        let values = |condition: &str, args| Part {
            condition: format!("{hint}{present}{condition}"),
            args,
            order_by: self.order_by(Some(sql), ""),
        };
        let missing = format!(" and {sql} is null");
        let mut parts = Vec::new();
        if mark.key == SortKey::Missing {
            if optional {
                parts.push(self.by_ids(&missing, mark, first));
            }
            if self.descending {
                parts.push(values("", Vec::new()));
            }
            return parts;
        }
        // A key of another type is nobody's: nothing follows it.
        let mut args = Vec::new();
        let Some(operand) = operand(&mark.key, kind, first, &mut args) else { return parts };
        let left: Vec<&str> = [sql.as_str()].into_iter().chain(self.ids.iter().copied()).collect();
        let mut right = vec![operand];
        for id in &mark.ids {
            args.push(Arg::Id(*id));
            right.push(format!("${}", first + args.len() - 1));
        }
        let comes_after = format!(" and ({}) {} ({})", left.join(", "), self.follows(), right.join(", "));
        parts.push(values(&comes_after, args));
        if optional && !self.descending {
            parts.push(Part { condition: missing, args: Vec::new(), order_by: self.order_by(None, "") });
        }
        parts
    }

    /// Rows whose keys are equal, after the ids of a mark.
    fn by_ids(&self, condition: &str, mark: &Mark, first: usize) -> Part {
        let places: Vec<String> = (first..).take(mark.ids.len()).map(|number| format!("${number}")).collect();
        Part {
            condition: format!("{condition} and ({}) {} ({})", self.ids.join(", "), self.follows(), places.join(", ")),
            args: mark.ids.iter().map(|id| Arg::Id(*id)).collect(),
            order_by: self.order_by(None, ""),
        }
    }

    fn follows(&self) -> char {
        if self.descending { '<' } else { '>' }
    }

    fn order_by(&self, key: Option<&str>, missing: &str) -> String {
        let direction = if self.descending { " desc" } else { "" };
        let key = key.map(|key| format!("{key}{direction}{missing}"));
        let ids = self.ids.iter().map(|id| format!("{id}{direction}"));
        key.into_iter().chain(ids).collect::<Vec<_>>().join(", ")
    }
}

fn of_column(column: Column) -> Key {
    let value = |sql: &str, kind, optional| Key::Value { sql: sql.to_owned(), kind, optional, hint: String::new() };
    match column {
        Column::Id(sql) => value(sql, Kind::Id, false),
        Column::Text(sql) => value(sql, Kind::Text, true),
        Column::Key { column, namespace } => {
            let hint = format!(" and {namespace} = $2");
            Key::Value { sql: column.to_owned(), kind: Kind::Text, optional: false, hint }
        }
        Column::Bool(sql) => value(sql, Kind::Boolean, false),
        Column::Time(sql) => value(sql, Kind::Time, false),
        Column::Pair { first, second } => {
            value(&format!("{{ordered ({{idtext {first}}} || '.' || {{idtext {second}}})}}"), Kind::Text, false)
        }
        Column::Constant(text) => Key::Constant(SortKey::Text(text.to_owned())),
        Column::Version(sql) => value(&format!("{{ordered ('W/\"' || cast({sql} as text) || '\"')}}"), Kind::Text, false),
    }
}

/// The key as the search form has it: of several values the primary one, else the first.
fn of_json(path: &ResolvedPath, layout: &Layout) -> Key {
    let document = match path.place {
        Place::Extension(urn) => format!("{} -> {}", layout.search, member(urn)),
        Place::Core | Place::Claims => layout.search.to_owned(),
    };
    let attribute = member(&path.attribute);
    let (from, last) = match (path.multi_valued, path.sub_attribute) {
        (false, None) => (document, attribute),
        (false, Some(sub)) => (format!("{document} -> {attribute}"), member(sub)),
        (true, None) => (format!("{document} -> {attribute}"), "0".to_owned()),
        (true, Some(sub)) => {
            let values = format!("({document} -> {attribute})");
            let primary =
                format!("(select element.value from {{each {values}}} where (element.value -> 'primary') = 'true' limit 1)");
            (format!("coalesce({primary}, {values} -> 0)"), member(sub))
        }
    };
    let (sql, kind) = match path.kind {
        PathKind::Boolean => (format!("({from} -> {last})"), Kind::JsonBoolean),
        PathKind::Integer => (format!("cast(({from} ->> {last}) as bigint)"), Kind::Integer),
        _ => (format!("{{ordered substr({from} ->> {last}, 1, {MAX_SORT_CHARS})}}"), Kind::Text),
    };
    Key::Value { sql, kind, optional: true, hint: String::new() }
}

/// A key as it is compared in SQL. What has no spelling of its own is an argument, numbered from `first`.
fn operand(key: &SortKey, kind: Kind, first: usize, args: &mut Vec<Arg>) -> Option<String> {
    let arg = match (key, kind) {
        (SortKey::Boolean(truth), Kind::Boolean) => return Some(truth.to_string()),
        (SortKey::Boolean(truth), Kind::JsonBoolean) => return Some(format!("'{truth}'")),
        (SortKey::Integer(number), Kind::Integer) => Arg::Integer(*number),
        (SortKey::Text(text), Kind::Text) => Arg::Text(text.clone()),
        (SortKey::Text(text), Kind::Time) => Arg::Time(DateTime::parse_from_rfc3339(text).ok()?.to_utc()),
        (SortKey::Text(text), Kind::Id) => Arg::Id(Uuid::try_parse(text).ok()?),
        _ => return None,
    };
    args.push(arg);
    Some(format!("${}", first + args.len() - 1))
}
