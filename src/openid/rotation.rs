//! When signing keys come and go. Pure: from the keys that there are and the time, what is to be done.
//!
//! A key is published before it signs, so that whoever verifies has it by then, and stays published after another has taken its place, so
//! that what it signed can be verified until it is over. Only then is it out of the set that is published; for a while longer it is
//! known here, for hints that name an old session.

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::KeyId;

/// How long a key is published before it signs. Portals may keep the set for as long.
pub const LEAD: TimeDelta = TimeDelta::hours(24);
/// How long a key stays published after another has taken its place: longer than everything that it signed.
pub const OVERLAP: TimeDelta = TimeDelta::hours(24);
/// How long a key that is no longer published is known here.
pub const KNOWN: TimeDelta = TimeDelta::days(30);

/// The life of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    pub id: KeyId,
    /// When it begins to sign.
    pub active_from: DateTime<Utc>,
    /// When it was taken out of the published set.
    pub retired_at: Option<DateTime<Utc>>,
}

/// Something to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make a key that begins to sign then.
    Make { active_from: DateTime<Utc> },
    /// Take a key out of the published set.
    Retire(KeyId),
    /// Forget a key.
    Remove(KeyId),
}

/// The key that signs now: the one that began last, of two that began at once the one with the greater id, so that it is the same on every
/// replica. When none has begun, as for a replica whose clock is behind that of the one that made the first, it is the one that will first.
pub fn signing(keys: impl IntoIterator<Item = Life>, now: DateTime<Utc>) -> Option<Life> {
    let live = keys.into_iter().filter(|key| key.retired_at.is_none());
    let (begun, to_come): (Vec<_>, Vec<_>) = live.partition(|key| key.active_from <= now);
    let order = |key: &Life| (key.active_from, key.id);
    begun.into_iter().max_by_key(order).or_else(|| to_come.into_iter().min_by_key(order))
}

/// What is to be done, so that a key signs for `every` and is followed by the next without a gap. `every` is longer than [`LEAD`].
#[must_use]
pub fn plan(keys: &[Life], now: DateTime<Utc>, every: TimeDelta) -> Vec<Step> {
    let mut steps = Vec::new();
    let live = || keys.iter().copied().filter(|key| key.retired_at.is_none());
    match signing(live(), now) {
        None => steps.push(Step::Make { active_from: now }),
        Some(current) => {
            let has_next = live().any(|key| key.active_from > current.active_from);
            let ends_at = current.active_from + every;
            if !has_next && now >= ends_at - LEAD {
                // Late, because nobody was here to do it: it is still published for as long before it signs.
                steps.push(Step::Make { active_from: ends_at.max(now + LEAD) });
            }
            let replaced = live().filter(|key| (key.active_from, key.id) < (current.active_from, current.id));
            steps.extend(replaced.filter(|_| now >= current.active_from + OVERLAP).map(|key| Step::Retire(key.id)));
        }
    }
    let over = keys.iter().filter(|key| key.retired_at.is_some_and(|at| now >= at + KNOWN));
    steps.extend(over.map(|key| Step::Remove(key.id)));
    steps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EVERY: TimeDelta = TimeDelta::days(30);

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(hours * 3_600, 0).unwrap()
    }

    fn key(hours: i64) -> Life {
        Life { id: KeyId::new(at(hours)), active_from: at(hours), retired_at: None }
    }

    #[test]
    fn a_key_is_followed_by_the_next_which_is_known_a_day_before() {
        let days = |days: i64| days * 24;
        let (one, two) = (key(0), key(days(30)));
        assert_eq!(plan(&[], at(0), EVERY), [Step::Make { active_from: at(0) }]);
        assert_eq!(plan(&[one], at(days(29) - 1), EVERY), []);
        assert_eq!(plan(&[one], at(days(29)), EVERY), [Step::Make { active_from: at(days(30)) }]);
        assert_eq!(plan(&[one], at(days(100)), EVERY), [Step::Make { active_from: at(days(101)) }], "nobody was here in time");
        for hours in [days(29), days(30), days(31) - 1] {
            assert_eq!(plan(&[one, two], at(hours), EVERY), [], "{hours}");
        }
        assert_eq!(plan(&[one, two], at(days(31)), EVERY), [Step::Retire(one.id)]);
        let retired = Life { retired_at: Some(at(days(31))), ..one };
        assert_eq!(plan(&[retired, two], at(days(58)), EVERY), []);
        assert_eq!(plan(&[retired, two], at(days(61)), EVERY), [Step::Make { active_from: at(days(62)) }, Step::Remove(one.id)]);
        assert_eq!(signing([one, two], at(days(30) - 1)), Some(one));
        assert_eq!(signing([one, two], at(days(30))), Some(two));
        assert_eq!(signing([retired], at(days(40))), None);
        assert_eq!(signing([two, one], at(-1)), Some(one), "a clock that is behind");
    }

    proptest! {
        /// However seldom somebody looks: at every moment a key signs that was published for the lead before, and stays so for the overlap.
        #[test]
        fn there_is_always_a_key_that_everybody_knows(pauses in prop::collection::vec(1_i64..2_000, 1..60)) {
            let mut keys: Vec<Life> = Vec::new();
            let mut made = Vec::new();
            let (mut now, mut last) = (at(0), None);
            for pause in pauses {
                for step in plan(&keys, now, EVERY) {
                    match step {
                        Step::Make { active_from } => {
                            let key = Life { id: KeyId::new(now), active_from, retired_at: None };
                            prop_assert!(keys.is_empty() || active_from >= now + LEAD);
                            made.push((key.id, now));
                            keys.push(key);
                        }
                        Step::Retire(id) => {
                            let current = signing(keys.iter().copied(), now).unwrap();
                            prop_assert!(id != current.id && now >= current.active_from + OVERLAP);
                            keys.iter_mut().filter(|key| key.id == id).for_each(|key| key.retired_at = Some(now));
                        }
                        Step::Remove(id) => keys.retain(|key| key.id != id),
                    }
                }
                let signs = signing(keys.iter().copied(), now);
                prop_assert!(signs.is_some());
                prop_assert!(plan(&keys, now, EVERY).is_empty(), "once is enough");
                // It never goes back to an older one.
                prop_assert!(signs.map(|key| key.active_from) >= last);
                last = signs.map(|key| key.active_from);
                now += TimeDelta::hours(pause);
            }
        }
    }
}
