//! When metadata is read again. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::IdpMetadata;

/// Nobody is asked more often, nor forgotten for longer.
const SOONEST: TimeDelta = TimeDelta::hours(1);
const LATEST: TimeDelta = TimeDelta::hours(24);
/// Where the metadata says nothing of it.
const USUAL: TimeDelta = TimeDelta::hours(6);

/// After metadata was taken in: as long as it says itself, within an hour and a day, and before it is over.
#[must_use]
pub fn after_taking(metadata: &IdpMetadata, now: DateTime<Utc>) -> DateTime<Utc> {
    let left = metadata.valid_until.map_or(LATEST, |until| (until - now) / 2);
    now + metadata.cache_duration.unwrap_or(USUAL).min(left).clamp(SOONEST, LATEST)
}

/// After that has failed so many times in a row: an hour, two, four, at most a day.
#[must_use]
pub fn after_failing(failures: i64, now: DateTime<Utc>) -> DateTime<Utc> {
    let doublings = u32::try_from(failures.saturating_sub(1).clamp(0, 5)).unwrap_or_default();
    now + (SOONEST * 2_i32.pow(doublings)).min(LATEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read_when_it_says_within_bounds() {
        let now = DateTime::UNIX_EPOCH;
        let hours = |cache: Option<i64>, valid: Option<i64>| {
            let metadata = IdpMetadata {
                entity_id: String::new(),
                certificates: Vec::new(),
                sso: Vec::new(),
                slo: Vec::new(),
                want_requests_signed: false,
                name_id_formats: Vec::new(),
                valid_until: valid.map(|hours| now + TimeDelta::hours(hours)),
                cache_duration: cache.map(TimeDelta::minutes),
            };
            (after_taking(&metadata, now) - now).num_minutes()
        };
        assert_eq!((hours(None, None), hours(Some(90), None)), (360, 90));
        assert_eq!((hours(Some(0), None), hours(Some(i64::from(i32::MAX)), None)), (60, 1_440));
        assert_eq!((hours(Some(1_200), Some(10)), hours(None, Some(1))), (300, 60));
    }

    #[test]
    fn a_failure_is_followed_by_longer_and_longer_pauses() {
        let now = DateTime::UNIX_EPOCH;
        let pauses: Vec<_> = (1..8).map(|failures| (after_failing(failures, now) - now).num_hours()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 24, 24]);
        assert_eq!(after_failing(0, now), now + SOONEST);
        assert_eq!(after_failing(i64::MAX, now), now + LATEST);
    }
}
