//! What the lists of the API have in common: parameters that are given once, instants, and places to go on from.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};

use super::problem::Problem;
use crate::store::LogPosition;

/// How many entries a page has when the request does not say, and at most.
pub(super) const PAGE: u32 = 50;
const LONGEST_PAGE: u32 = 200;

/// The parameters of a request, each of them once.
pub(super) fn parameters(text: &str) -> Result<Vec<(String, String)>, Problem> {
    let given: Vec<_> = url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
    // PostgreSQL knows no NUL, so nothing has it.
    if let Some((name, _)) = given.iter().find(|(_, value)| value.contains('\0')) {
        return Err(Problem::invalid(format!("{name}: a text has no NUL")));
    }
    let mut seen = BTreeSet::new();
    match given.iter().find(|(name, _)| !seen.insert(name)) {
        Some((name, _)) => Err(Problem::invalid(format!("{name}: give it once"))),
        None => Ok(given),
    }
}

/// An instant (RFC 3339).
pub(super) fn instant(name: &str, value: &str) -> Result<DateTime<Utc>, Problem> {
    let at = DateTime::parse_from_rfc3339(value)
        .map_err(|_| Problem::invalid(format!("{name}: an instant such as 2026-01-31T12:00:00Z")))?;
    Ok(at.to_utc())
}

/// How many entries are wanted.
pub(super) fn limit(value: &str) -> Result<u32, Problem> {
    let limit = value.parse().ok().filter(|limit| (1..=LONGEST_PAGE).contains(limit));
    limit.ok_or_else(|| Problem::invalid(format!("limit: 1 to {LONGEST_PAGE}")))
}

/// Where a page goes on.
pub(super) fn after(value: &str) -> Result<LogPosition, Problem> {
    read_position(value).ok_or_else(|| Problem::invalid("after: the next of a former page"))
}

/// A place in a list of what happened, as a client keeps it. It is opaque, not secret: it holds an instant and the id.
pub(super) fn written(position: LogPosition) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}.{}", position.at.timestamp_micros(), position.id))
}

fn read_position(text: &str) -> Option<LogPosition> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (at, id) = text.split_once('.')?;
    // Beyond the years that both engines know there are no entries.
    let at = DateTime::from_timestamp_micros(at.parse().ok().filter(|at| (0..253_402_300_799_000_000_i64).contains(at))?)?;
    Some(LogPosition { at, id: id.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_place_comes_back_as_it_was() {
        let at = DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap();
        let position = LogPosition { at, id: Uuid::from_u128(7) };
        assert_eq!(read_position(&written(position)), Some(position));
        for other in ["", "x", "e30", &URL_SAFE_NO_PAD.encode("1.x"), &URL_SAFE_NO_PAD.encode(format!("-1.{}", Uuid::nil()))] {
            assert_eq!(read_position(other), None, "{other}");
        }
    }
}
