//! What a list request asks for: the parameters of a GET (RFC 7644 section 3.4.2) or the body of a `.search` (section 3.4.3), with the
//! `cursor` of RFC 9865.
//!
//! One request may ask for several kinds of resources at once, at the root of an endpoint. Each kind is then selected by itself: an
//! attribute that it does not have has no value there (F14).

use sha2::{Digest as _, Sha256};

use crate::scim::filter::{self, Filter, ResolvedFilter, Scope, Unknown};
use crate::scim::limits::{DEFAULT_RESULTS, MAX_RESULTS};
use crate::scim::message::{ScimError, ScimType, urn};
use crate::scim::profile::{Coercion, Coercions, Profile};
use crate::scim::project::Projection;
use crate::scim::schema::ResourceKind;
use crate::scim::sort::{self, Sort, SortOrder};
use crate::scim::value::Value;

/// A list request.
#[derive(Clone, Debug, PartialEq)]
pub struct ListQuery {
    /// What is asked of each kind of resource, in the order in which a list without `sortBy` has them.
    pub selections: Vec<Selection>,
    /// Where the page begins.
    pub paging: Paging,
    /// How many resources at most, when the client says so: from 0, which only counts them, to [`MAX_RESULTS`] (L03).
    pub count: Option<u64>,
    /// The tolerances that the request needed.
    pub coercions: Vec<Coercion>,
    fingerprint: String,
}

/// What is asked of one kind of resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// The kind.
    pub kind: ResourceKind,
    /// Which of them; all without one.
    pub filter: Option<ResolvedFilter>,
    /// In which order; by their ids without one, which is the order in which they were made.
    pub sort: Option<Sort>,
    /// What of them is shown.
    pub projection: Projection,
}

/// Where a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paging {
    /// At a 1-based index, at least 1 (L02).
    Index(u64),
    /// After the page that this cursor came with, still sealed; without one at the beginning (L07).
    Cursor(Option<String>),
}

/// A request as it was sent, not yet held against the schema.
#[derive(Debug, Default)]
struct Sent<'r> {
    filter: Option<&'r str>,
    sort_by: Option<&'r str>,
    sort_order: Option<&'r str>,
    start_index: Option<u64>,
    count: Option<u64>,
    cursor: Option<&'r str>,
    attributes: Option<&'r str>,
    excluded: Option<&'r str>,
}

impl ListQuery {
    /// Reads decoded parameters. Their names are found in any letter case; the same one twice is refused, and those that are not known
    /// are ignored (A10).
    ///
    /// # Errors
    /// 400 with the keyword that names what is wrong.
    pub fn parse<N: AsRef<str>, V: AsRef<str>>(
        kinds: &[ResourceKind],
        parameters: &[(N, V)],
        profile: Profile,
    ) -> Result<Self, ScimError> {
        let once = |wanted: &str| {
            let mut found =
                parameters.iter().filter(|(name, _)| name.as_ref().eq_ignore_ascii_case(wanted)).map(|(_, value)| value.as_ref());
            match (found.next(), found.next()) {
                (value, None) => Ok(value),
                _ => Err(ScimError::invalid_value(format!("the parameter {wanted} is there twice"))),
            }
        };
        let number = |name: &str| once(name)?.map(|text| whole_number(name, text)).transpose();
        let cursor = once("cursor")?;
        let sent = Sent {
            filter: once("filter")?,
            sort_by: once("sortBy")?,
            sort_order: once("sortOrder")?,
            start_index: number("startIndex")?,
            count: number("count").map_err(|error| of_count(error, cursor.is_some()))?,
            cursor,
            attributes: once("attributes")?,
            excluded: once("excludedAttributes")?,
        };
        Self::settle(kinds, &sent, profile)
    }

    /// Reads a `SearchRequest` (L12). Names of members are found in any letter case, `null` is like leaving a member out, and members that
    /// are not known are ignored.
    ///
    /// # Errors
    /// 400 `invalidSyntax` when it is none, else with the keyword that names what is wrong.
    pub fn from_search_request(kinds: &[ResourceKind], body: &Value, profile: Profile) -> Result<Self, ScimError> {
        let body =
            body.as_object().ok_or_else(|| ScimError::invalid_syntax("the body must be a SearchRequest, which is an object"))?;
        let is_search = body
            .get("schemas")
            .and_then(Value::as_array)
            .is_some_and(|urns| urns.iter().filter_map(Value::as_str).any(|own| own.eq_ignore_ascii_case(urn::SEARCH_REQUEST)));
        if !is_search {
            return Err(ScimError::invalid_syntax(format!("schemas must name {}", urn::SEARCH_REQUEST)));
        }
        let member = |name: &str| body.get(name).filter(|value| **value != Value::Null);
        let text = |name: &str| match member(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(ScimError::invalid_value(format!("{name} must be a string"))),
        };
        let number = |name: &str| match member(name) {
            None => Ok(None),
            // A fraction and an exponent are refused here as they are in a parameter.
            Some(Value::Number(number)) => whole_number(name, &number.to_string()).map(Some),
            Some(_) => Err(ScimError::invalid_value(format!("{name} must be a whole number"))),
        };
        let (attributes, excluded) =
            (names(member("attributes"), "attributes")?, names(member("excludedAttributes"), "excludedAttributes")?);
        let cursor = text("cursor")?;
        let sent = Sent {
            filter: text("filter")?,
            sort_by: text("sortBy")?,
            sort_order: text("sortOrder")?,
            start_index: number("startIndex")?,
            count: number("count").map_err(|error| of_count(error, cursor.is_some()))?,
            cursor,
            attributes: attributes.as_deref(),
            excluded: excluded.as_deref(),
        };
        Self::settle(kinds, &sent, profile)
    }

    fn settle(kinds: &[ResourceKind], sent: &Sent<'_>, profile: Profile) -> Result<Self, ScimError> {
        let paging = match (sent.cursor, sent.start_index) {
            (Some(_), Some(_)) => {
                return Err(ScimError::invalid_value("startIndex and cursor exclude each other; send one of them"));
            }
            (Some(cursor), None) => Paging::Cursor((!cursor.is_empty()).then(|| cursor.to_owned())),
            (None, start) => Paging::Index(start.unwrap_or(1).max(1)),
        };
        let unknown = if kinds.len() == 1 { Unknown::Refused } else { Unknown::NoValue };
        let filter = sent.filter.map(Filter::parse).transpose().map_err(|error| error.in_filter())?;
        let order = sent.sort_order.map(SortOrder::parse).transpose()?.unwrap_or_default();
        let mut coercions = Coercions::default();
        let mut selections = Vec::with_capacity(kinds.len());
        for &kind in kinds {
            let scope = Scope::from(kind);
            let filter = match &filter {
                None => None,
                Some(filter) => {
                    let (filter, used) = filter::settle(filter, scope, profile, unknown)?;
                    for used in used {
                        coercions.record(used.rule, &used.path);
                    }
                    Some(filter)
                }
            };
            let sort = match sent.sort_by {
                None => None,
                Some(by) => Some(Sort { path: sort::read(by, scope, profile, &mut coercions)?, order }),
            };
            let projection = Projection::parse(kind, sent.attributes, sent.excluded)?;
            selections.push(Selection { kind, filter, sort, projection });
        }
        if let Some(by) = sent.sort_by
            && selections.iter().all(|selection| selection.sort.as_ref().is_some_and(|sort| sort.path.is_none()))
        {
            return Err(sort::unknown(by));
        }
        let fingerprint = fingerprint(filter.as_ref(), &selections);
        let count = sent.count.map(|count| count.min(MAX_RESULTS));
        Ok(Self { selections, paging, count, coercions: coercions.into_vec(), fingerprint })
    }

    /// How many resources are on a page, unless a run of pages has settled that already.
    #[must_use]
    pub fn page_size(&self) -> u64 {
        self.count.unwrap_or(DEFAULT_RESULTS)
    }

    /// Whether resources of several kinds stand among each other: then they are sorted by more than their kind.
    #[must_use]
    pub fn is_merged(&self) -> bool {
        self.selections.len() > 1 && self.selections.iter().any(|selection| selection.sort.is_some())
    }

    /// What two requests share exactly when one may continue the other: kinds, filter and order. What is shown may change.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

fn fingerprint(filter: Option<&Filter>, selections: &[Selection]) -> String {
    let mut digest = Sha256::new();
    let mut add = |part: &str| {
        digest.update(part.len().to_be_bytes());
        digest.update(part.as_bytes());
    };
    // The canonical text: two programs of one version or of two print it alike.
    add(&filter.map(ToString::to_string).unwrap_or_default());
    for selection in selections {
        add(selection.kind.name());
        if let Some(sort) = &selection.sort {
            add(&sort.path.as_ref().map(ToString::to_string).unwrap_or_default());
            add(if sort.order == SortOrder::Ascending { "ascending" } else { "descending" });
        }
    }
    digest.finalize().iter().take(16).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// A list of attribute names as the parameter of a GET has it, with commas.
fn names(member: Option<&Value>, name: &str) -> Result<Option<String>, ScimError> {
    let Some(value) = member else { return Ok(None) };
    let names = value.as_array().and_then(|names| names.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
    names.map(|names| Some(names.join(","))).ok_or_else(|| ScimError::invalid_value(format!("{name} must be an array of strings")))
}

/// The refusal of a count: with a cursor it has a keyword of its own (RFC 9865 section 2.1).
fn of_count(error: ScimError, with_cursor: bool) -> ScimError {
    if with_cursor { ScimError::bad_request(ScimType::InvalidCount, error.detail) } else { error }
}

/// A whole number; negative ones count as 0, and those that no database could count to as the largest that it can.
fn whole_number(name: &str, text: &str) -> Result<u64, ScimError> {
    const MOST: u64 = i64::MAX as u64;
    let text = text.trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ScimError::invalid_value(format!("{name} must be a whole number")));
    }
    if text.starts_with('-') {
        return Ok(0);
    }
    Ok(digits.parse().unwrap_or(MOST).min(MOST))
}

#[cfg(test)]
mod tests {
    use super::{ListQuery, Paging};
    use crate::scim::filter::Expression;
    use crate::scim::message::{ScimError, ScimType, urn};
    use crate::scim::profile::Profile;
    use crate::scim::schema::ResourceKind;
    use crate::scim::sort::SortOrder;
    use serde_json::json;

    const BOTH: [ResourceKind; 2] = [ResourceKind::User, ResourceKind::Group];

    fn parse(parameters: &[(&str, &str)]) -> Result<ListQuery, ScimError> {
        ListQuery::parse(&[ResourceKind::User], parameters, Profile::Strict)
    }

    fn search(body: serde_json::Value) -> Result<ListQuery, ScimError> {
        ListQuery::from_search_request(&[ResourceKind::User], &body.into(), Profile::Strict)
    }

    #[test]
    fn l02_l03_paging_is_clamped_and_must_be_numeric() {
        for (start, count, wanted) in [
            ("1", "10", (1, 10)),
            ("0", "0", (1, 0)),
            ("-5", "-1", (1, 0)),
            (" 7 ", "201", (7, 200)),
            ("99999999999999999999", "99999999999999999999", (i64::MAX as u64, 200)),
        ] {
            let query = parse(&[("startIndex", start), ("count", count)]).unwrap();
            assert_eq!((query.paging, query.count), (Paging::Index(wanted.0), Some(wanted.1)), "{start} {count}");
        }
        for text in ["", "x", "1.5", "1e2", "-", "0x1"] {
            for name in ["startIndex", "count"] {
                let error = parse(&[(name, text)]).unwrap_err();
                assert_eq!(error.scim_type, Some(ScimType::InvalidValue), "{name}={text}");
            }
        }
        let query = parse(&[]).unwrap();
        assert_eq!((query.page_size(), query.paging), (100, Paging::Index(1)));
    }

    #[test]
    fn a10_unknown_parameters_are_ignored() {
        let query = parse(&[("aadOptscim062020", ""), ("aadOptscim062020", ""), ("FILTER", "userName eq \"joe\"")]).unwrap();
        assert!(query.selections[0].filter.is_some());
    }

    #[test]
    fn f16_an_empty_filter_and_one_that_is_there_twice_are_refused() {
        let error = parse(&[("filter", "")]).unwrap_err();
        assert_eq!(error.scim_type, Some(ScimType::InvalidFilter));
        let twice = [("filter", "title pr"), ("filter", "userName pr")];
        assert!(parse(&twice).is_err());
    }

    #[test]
    fn l05_l06_sorting_is_settled_or_refused_and_never_ignored() {
        let query = parse(&[("sortby", "name.FAMILYNAME"), ("sortOrder", "DESCENDING")]).unwrap();
        let sort = query.selections[0].sort.as_ref().unwrap();
        assert_eq!((sort.path.as_ref().unwrap().to_string().as_str(), sort.order), ("name.familyName", SortOrder::Descending));
        for parameters in
            [[("sortBy", "nonsense"), ("x", "")], [("sortBy", "name"), ("x", "")], [("sortBy", "title"), ("sortOrder", "up")]]
        {
            assert_eq!(parse(&parameters).unwrap_err().scim_type, Some(ScimType::InvalidValue), "{parameters:?}");
        }
    }

    #[test]
    fn l07_l10_a_cursor_is_another_way_of_paging() {
        assert_eq!(parse(&[("cursor", "")]).unwrap().paging, Paging::Cursor(None));
        assert_eq!(parse(&[("Cursor", "abc")]).unwrap().paging, Paging::Cursor(Some("abc".to_owned())));
        let both = parse(&[("cursor", ""), ("startIndex", "1")]).unwrap_err();
        assert_eq!(both.scim_type, Some(ScimType::InvalidValue));
        assert_eq!(parse(&[("cursor", ""), ("count", "x")]).unwrap_err().scim_type, Some(ScimType::InvalidCount));
    }

    #[test]
    fn l12_a_search_request_says_the_same_as_parameters() {
        let body = json!({
            "Schemas": [urn::SEARCH_REQUEST.to_uppercase()],
            "FILTER": "title pr",
            "sortBy": "title",
            "sortOrder": "descending",
            "startIndex": 3,
            "count": 7,
            "attributes": ["userName", "emails.value"],
            "excludedAttributes": null,
            "nonsense": {},
        });
        let parameters = [
            ("filter", "title pr"),
            ("sortBy", "title"),
            ("sortOrder", "descending"),
            ("startIndex", "3"),
            ("count", "7"),
            ("attributes", "userName,emails.value"),
        ];
        assert_eq!(search(body), parse(&parameters));
        let begun = search(json!({ "schemas": [urn::SEARCH_REQUEST], "cursor": "" })).unwrap();
        assert_eq!(begun.paging, Paging::Cursor(None));
    }

    #[test]
    fn l12_what_is_no_search_request_is_refused() {
        for body in [
            json!([]),
            json!({}),
            json!({ "schemas": [] }),
            json!({ "schemas": [urn::PATCH_OP] }),
            json!({ "schemas": urn::SEARCH_REQUEST }),
        ] {
            assert_eq!(search(body.clone()).unwrap_err().scim_type, Some(ScimType::InvalidSyntax), "{body}");
        }
        for (name, value) in [
            ("filter", json!(1)),
            ("sortBy", json!(["title"])),
            ("startIndex", json!("1")),
            ("count", json!(1.5)),
            ("attributes", json!("userName")),
            ("excludedAttributes", json!([1])),
            ("cursor", json!(7)),
        ] {
            let body = json!({ "schemas": [urn::SEARCH_REQUEST], name: value });
            assert_eq!(search(body.clone()).unwrap_err().scim_type, Some(ScimType::InvalidValue), "{body}");
        }
    }

    #[test]
    fn f14_l13_at_the_root_what_a_kind_does_not_have_has_no_value() {
        let parse = |parameters: &[(&str, &str)]| ListQuery::parse(&BOTH, parameters, Profile::Strict);
        let (all, none) = (Some(Expression::And(Vec::new())), Some(Expression::Or(Vec::new())));
        for (filter, wanted) in [
            ("userName eq \"joe\"", &none),
            ("userName pr", &none),
            ("emails[type eq \"work\"]", &none),
            ("emails[type eq \"work\"].value ne \"x\"", &all),
            ("userName ne \"joe\"", &all),
            ("userName eq null", &all),
            ("userName ne null", &none),
        ] {
            let query = parse(&[("filter", filter)]).unwrap();
            assert_eq!(&query.selections[1].filter, wanted, "{filter}");
            assert_ne!(&query.selections[0].filter, wanted, "{filter}");
        }
        // A mistake of another sort stays one, and so does a name that nobody has to sort by.
        assert!(parse(&[("filter", "active gt true")]).is_err());
        assert!(parse(&[("sortBy", "nonsense")]).is_err());
        let sorted = parse(&[("sortBy", "userName")]).unwrap();
        assert!(sorted.is_merged());
        assert_eq!(sorted.selections[1].sort.as_ref().unwrap().path, None);
        assert!(!parse(&[]).unwrap().is_merged());
    }
}
