//! What the lists of the API have in common: parameters that are given once, instants, and places to go on from.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;

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

/// Which page is wanted of a list that has nothing else to ask for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted<K> {
    pub(super) after: Option<K>,
    pub(super) limit: u32,
}

impl<K> Default for Wanted<K> {
    fn default() -> Self {
        Self { after: None, limit: PAGE }
    }
}

impl<K: DeserializeOwned> Wanted<K> {
    /// Reads the parameters.
    pub(super) fn read(text: &str) -> Result<Self, Problem> {
        let mut wanted = Self::default();
        for (name, value) in parameters(text)? {
            if !wanted.take(&name, &value)? {
                return Err(Problem::invalid("there are the parameters after and limit"));
            }
        }
        Ok(wanted)
    }

    /// Reads one parameter. Answers whether it is one of a page.
    pub(super) fn take(&mut self, name: &str, value: &str) -> Result<bool, Problem> {
        match name {
            "after" => {
                let place = URL_SAFE_NO_PAD.decode(value).ok().and_then(|text| serde_json::from_slice(&text).ok());
                self.after = Some(place.ok_or_else(|| Problem::invalid("after: the next of a former page"))?);
            }
            "limit" => self.limit = limit(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<K: Ord + Serialize> Wanted<K> {
    /// The page of a list that is whole, and where the next one begins. Entries stand in the order of their places, so that those which come
    /// or go meanwhile neither repeat nor hide another.
    pub(super) fn of<T>(self, items: Vec<T>, place: impl Fn(&T) -> K) -> (Vec<T>, Option<String>) {
        let rest = items.into_iter().filter(|item| self.after.as_ref().is_none_or(|after| place(item) > *after));
        cut(rest.collect(), self.limit, place)
    }
}

/// The first entries of what is left, and the place of the last one if there are more.
pub(super) fn cut<T, K: Serialize>(mut rest: Vec<T>, limit: u32, place: impl Fn(&T) -> K) -> (Vec<T>, Option<String>) {
    let limit = limit as usize;
    let more = rest.len() > limit;
    rest.truncate(limit);
    let next = rest.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(serde_json::json!(place(last)).to_string()));
    (rest, next)
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
    fn a_list_comes_in_pages_whatever_comes_and_goes_meanwhile() {
        let place = |item: &(&'static str, u8)| (item.0.to_owned(), item.1);
        let mut items = vec![("a", 1), ("a", 3), ("b", 1), ("d", 1)];
        let page = |items: &[(&'static str, u8)], query: &str| Wanted::read(query).unwrap().of(items.to_vec(), place);
        let (first, next) = page(&items, "limit=2");
        assert_eq!(first, [("a", 1), ("a", 3)]);
        items = vec![("a", 0), ("b", 0), ("b", 1), ("c", 1), ("d", 1)];
        let (second, next) = page(&items, &format!("limit=2&after={}", next.unwrap()));
        assert_eq!(second, [("b", 0), ("b", 1)], "what stood there before is gone");
        let (third, next) = page(&items, &format!("after={}&limit=2", next.unwrap()));
        assert_eq!((third, next), (vec![("c", 1), ("d", 1)], None));
        assert_eq!(page(&items, "").0, items);
        for wrong in ["after=x", "after=", "after=MQ", "limit=0", "limit=201", "limit=1&limit=2", "order=name", "after=a%00"] {
            assert!(Wanted::<(String, u8)>::read(wrong).is_err(), "{wrong}");
        }
    }

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
