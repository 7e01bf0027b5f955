//! The parameters of a list request (RFC 7644 section 3.4.2).

use crate::scim::filter::{self, ResolvedFilter, Scope};
use crate::scim::limits::{DEFAULT_RESULTS, MAX_RESULTS};
use crate::scim::message::ScimError;
use crate::scim::profile::{Coercion, Profile};
use crate::scim::project::Projection;
use crate::scim::schema::ResourceKind;

/// A list request. Sorting is not supported and not announced, so `sortBy` and `sortOrder` are ignored like every parameter that is
/// not known (A10, L06).
#[derive(Clone, Debug, PartialEq)]
pub struct ListQuery {
    /// Which resources.
    pub filter: Option<ResolvedFilter>,
    /// The 1-based index of the first one, at least 1 (L02).
    pub start_index: u64,
    /// How many at most: from 0, which only counts them, to [`MAX_RESULTS`] (L03).
    pub count: u64,
    /// What of them is shown.
    pub projection: Projection,
    /// The tolerances that the filter needed.
    pub coercions: Vec<Coercion>,
}

impl ListQuery {
    /// Reads decoded parameters. Their names are found in any letter case; the same one twice is refused.
    pub fn parse<N: AsRef<str>, V: AsRef<str>>(
        kind: ResourceKind,
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
        let (filter, coercions) = match once("filter")? {
            None => (None, Vec::new()),
            Some(text) => {
                let (filter, coercions) = filter::read(text, Scope::from(kind), profile)?;
                (Some(filter), coercions)
            }
        };
        Ok(Self {
            filter,
            start_index: match once("startIndex")? {
                None => 1,
                Some(text) => whole_number("startIndex", text)?.max(1),
            },
            count: match once("count")? {
                None => DEFAULT_RESULTS,
                Some(text) => whole_number("count", text)?.min(MAX_RESULTS),
            },
            projection: Projection::parse(kind, once("attributes")?, once("excludedAttributes")?)?,
            coercions,
        })
    }
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
    use super::ListQuery;
    use crate::scim::message::{ScimError, ScimType};
    use crate::scim::profile::Profile;
    use crate::scim::schema::ResourceKind;

    fn parse(parameters: &[(&str, &str)]) -> Result<ListQuery, ScimError> {
        ListQuery::parse(ResourceKind::User, parameters, Profile::Strict)
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
            assert_eq!((query.start_index, query.count), wanted, "{start} {count}");
        }
        for text in ["", "x", "1.5", "1e2", "-", "0x1"] {
            for name in ["startIndex", "count"] {
                let error = parse(&[(name, text)]).unwrap_err();
                assert_eq!(error.scim_type, Some(ScimType::InvalidValue), "{name}={text}");
            }
        }
        let query = parse(&[]).unwrap();
        assert_eq!((query.start_index, query.count), (1, 100));
    }

    #[test]
    fn a10_l06_unknown_parameters_and_sorting_are_ignored() {
        let query = parse(&[
            ("aadOptscim062020", ""),
            ("aadOptscim062020", ""),
            ("sortBy", "nonsense"),
            ("sortOrder", "sideways"),
            ("FILTER", "userName eq \"joe\""),
        ])
        .unwrap();
        assert!(query.filter.is_some());
    }

    #[test]
    fn f16_an_empty_filter_and_one_that_is_there_twice_are_refused() {
        let error = parse(&[("filter", "")]).unwrap_err();
        assert_eq!(error.scim_type, Some(ScimType::InvalidFilter));
        let twice = [("filter", "title pr"), ("filter", "userName pr")];
        assert!(parse(&twice).is_err());
    }
}
