//! The order of lists (RFC 7644 section 3.4.2.3): by one attribute, and where that ties by the id.
//!
//! A resource has one [`SortKey`], read from its search form; the store compiles the same key to SQL, and a differential test keeps
//! the two alike. Ascending, resources without a value come last. Descending is the same order read backwards, ids included, so
//! that an index serves both.

use serde::{Deserialize, Serialize};

use crate::scim::filter::{self, AttrPath, FilterError, PathKind, Place, ResolvedPath, Scope};
pub use crate::scim::limits::MAX_SORT_CHARS;
use crate::scim::message::{ScimError, quoted};
use crate::scim::profile::{Coercions, Profile};
use crate::scim::value::Value;

/// The direction of a sorted list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortOrder {
    /// The least value first, missing ones last.
    #[default]
    Ascending,
    /// The greatest value first, after the missing ones.
    Descending,
}

impl SortOrder {
    /// Reads `sortOrder`, in any letter case.
    ///
    /// # Errors
    /// 400 `invalidValue` for anything but the two words.
    pub fn parse(text: &str) -> Result<Self, ScimError> {
        [("ascending", Self::Ascending), ("descending", Self::Descending)]
            .into_iter()
            .find_map(|(word, order)| text.trim().eq_ignore_ascii_case(word).then_some(order))
            .ok_or_else(|| ScimError::invalid_value(format!("sortOrder is ascending or descending, not {}", quoted(text))))
    }
}

/// How resources of one kind are sorted.
#[derive(Clone, Debug, PartialEq)]
pub struct Sort {
    /// Where the value stands. `None` in a list of several kinds, for a kind that has no such attribute: each is without a value.
    pub path: Option<ResolvedPath>,
    /// The direction.
    pub order: SortOrder,
}

/// What a resource is sorted by. The order of the variants puts a missing value after every other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SortKey {
    /// False before true.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Text in search form, by code points, and no more of it than [`MAX_SORT_CHARS`]. Times are such texts too.
    Text(String),
    /// There is no value.
    Missing,
}

/// Settles what `sortBy` names for one kind of resource; `None` when this kind has no such attribute.
///
/// # Errors
/// 400 `invalidValue` when the name is malformed, or what it names has no order: a complex attribute as a whole, a binary one, one that is
/// never returned, an address, or members and groups, which are relations.
pub(super) fn read(
    text: &str,
    scope: Scope,
    profile: Profile,
    coercions: &mut Coercions,
) -> Result<Option<ResolvedPath>, ScimError> {
    let unusable = |error: &dyn std::fmt::Display| ScimError::invalid_value(format!("sortBy is not usable: {error}"));
    let path = AttrPath::parse(text.trim()).map_err(|error| unusable(&error))?;
    let path = match filter::resolve_path(&path, scope, profile, coercions) {
        Ok(path) => path,
        Err(FilterError::UnknownAttribute { .. }) => return Ok(None),
        Err(FilterError::NotFilterable { path }) => return Err(unusable(&format!("nothing is sorted by {path}"))),
        Err(error) => return Err(unusable(&error)),
    };
    let sub = path.sub_attribute.unwrap_or_default();
    let shown_only = path.place == Place::Core
        && (matches!(&*path.attribute, "groups" | "members") || (&*path.attribute == "meta" && sub == "location"));
    match path.kind {
        PathKind::Complex => Err(unusable(&format!("{path} has sub-attributes; name the one to sort by"))),
        PathKind::Binary | PathKind::Decimal => Err(unusable(&format!("nothing is sorted by {path}"))),
        _ if shown_only => Err(unusable(&format!("nothing is sorted by {path}"))),
        _ => Ok(Some(path)),
    }
}

/// The refusal of a `sortBy` that no kind of resource has.
#[must_use]
pub(super) fn unknown(text: &str) -> ScimError {
    ScimError::invalid_value(format!("sortBy names {}, which is no attribute here; /Schemas lists them", quoted(text)))
}

impl Sort {
    /// The key of a document in search form. Of a multi-valued attribute the primary value counts, else the first.
    #[must_use]
    pub fn key(&self, document: &Value) -> SortKey {
        self.path.as_ref().and_then(|path| value(path, document)).unwrap_or(SortKey::Missing)
    }

    /// Whether a key could be that of a resource in this order.
    #[must_use]
    pub fn knows(&self, key: &SortKey) -> bool {
        match (self.path.as_ref().map(|path| path.kind), key) {
            (_, SortKey::Missing) => true,
            (None, _) => false,
            (Some(kind), SortKey::Boolean(_)) => kind == PathKind::Boolean,
            (Some(kind), SortKey::Integer(_)) => kind == PathKind::Integer,
            (Some(kind), SortKey::Text(_)) => !matches!(kind, PathKind::Boolean | PathKind::Integer),
        }
    }
}

fn value(path: &ResolvedPath, document: &Value) -> Option<SortKey> {
    let found = path.find(document)?;
    let one = if path.multi_valued { chosen(found.as_array()?)? } else { found };
    let value = match path.sub_attribute {
        None => one,
        Some(sub) => one.as_object()?.get(sub)?,
    };
    match (path.kind, value) {
        (PathKind::Boolean, Value::Bool(truth)) => Some(SortKey::Boolean(*truth)),
        (PathKind::Integer, Value::Number(number)) => number.as_i64().map(SortKey::Integer),
        (_, Value::String(text)) => Some(SortKey::Text(text.chars().take(MAX_SORT_CHARS).collect())),
        _ => None,
    }
}

/// The value that speaks for all of them.
fn chosen(values: &[Value]) -> Option<&Value> {
    let is_primary =
        |value: &&Value| value.as_object().and_then(|value| value.get("primary")).and_then(Value::as_bool).unwrap_or_default();
    values.iter().find(is_primary).or_else(|| values.first())
}

#[cfg(test)]
mod tests {
    use super::{Sort, SortKey, SortOrder, read};
    use crate::scim::filter::Scope;
    use crate::scim::limits::MAX_SORT_CHARS;
    use crate::scim::message::ScimType;
    use crate::scim::profile::{Coercions, Profile};
    use crate::scim::schema::ResourceKind;
    use crate::scim::{Value, search_form};
    use serde_json::json;

    fn key(by: &str, document: serde_json::Value) -> SortKey {
        let Value::Object(document) = Value::from(document) else { panic!("no object") };
        let path = read(by, Scope::User, Profile::Strict, &mut Coercions::default()).unwrap();
        assert!(path.is_some(), "{by}");
        Sort { path, order: SortOrder::Ascending }.key(&search_form(ResourceKind::User, &document))
    }

    fn text(text: &str) -> SortKey {
        SortKey::Text(text.to_owned())
    }

    #[test]
    fn l05_letter_case_counts_only_where_the_schema_says_so() {
        assert_eq!(key("USERNAME", json!({ "userName": "JOE" })), text("joe"));
        assert_eq!(key("externalId", json!({ "externalId": "AbC" })), text("AbC"));
    }

    #[test]
    fn l05_the_primary_value_speaks_for_all_and_else_the_first() {
        let emails = |primary| json!({ "emails": [{ "value": "B" }, { "value": "a", "primary": primary, "type": "work" }] });
        assert_eq!(key("emails.value", emails(true)), text("a"));
        assert_eq!(key("emails.value", emails(false)), text("b"));
        // The primary one is chosen, and then has no such sub-attribute.
        assert_eq!(key("emails.display", emails(true)), SortKey::Missing);
    }

    #[test]
    fn l05_every_kind_of_value_has_its_order() {
        let times = ["2026-01-31T14:00:00+02:00", "2026-01-31T12:00:00.5Z"]
            .map(|created| key("meta.created", json!({ "meta": { "created": created } })));
        assert!(times[0] < times[1]);
        assert_eq!(key("active", json!({ "active": false })), SortKey::Boolean(false));
        let department = json!({ "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "department": "R&D" } });
        let by = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
        assert_eq!(key(by, department), text("r&d"));
        assert_eq!(key("title", json!({})), SortKey::Missing);
        let keys = [SortKey::Boolean(false), SortKey::Boolean(true), SortKey::Missing];
        assert!(keys.is_sorted());
        assert!([SortKey::Integer(-2), SortKey::Integer(10), SortKey::Missing].is_sorted());
        assert!([text(""), text("a"), text("é"), SortKey::Missing].is_sorted());
        let long = "x".repeat(MAX_SORT_CHARS + 1);
        assert_eq!(key("title", json!({ "title": long })), text(&long[1..]));
    }

    #[test]
    fn l05_what_has_no_order_is_refused_and_what_is_unknown_is_told() {
        let read = |by: &str| read(by, Scope::User, Profile::Strict, &mut Coercions::default());
        for by in [
            "name",
            "emails",
            "meta",
            "groups",
            "groups.display",
            "meta.location",
            "password",
            "x509Certificates.value",
            "",
            "a b",
            "a[b",
        ] {
            assert_eq!(read(by).unwrap_err().scim_type, Some(ScimType::InvalidValue), "{by}");
        }
        for by in ["nonsense", "name.nonsense", "members", "urn:nobody:2.0:User:userName"] {
            assert_eq!(read(by), Ok(None), "{by}");
        }
    }

    #[test]
    fn l05_the_order_is_one_of_two_words() {
        assert_eq!(SortOrder::parse("Descending"), Ok(SortOrder::Descending));
        assert_eq!(SortOrder::parse("ASCENDING"), Ok(SortOrder::Ascending));
        for word in ["", "desc", "up"] {
            assert_eq!(SortOrder::parse(word).unwrap_err().scim_type, Some(ScimType::InvalidValue), "{word}");
        }
    }
}
