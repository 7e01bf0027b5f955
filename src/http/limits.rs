//! How many requests a directory may make, a client that works for itself, or an administrator's login, so that one customer's runaway client costs the others nothing.
//!
//! Each has a token bucket (the generic cell rate algorithm of the crate `governor`): `burst` requests at once, and
//! `requests_per_second` in the long run. Buckets live in memory and each replica has its own, so that a request costs no look into a
//! shared place: behind N replicas that are asked evenly a directory may make N times as many.
//!
//! Only requests with a good token or session are counted, so nobody else can use up somebody's share.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::clock::Clock;
use crate::config::Api;
use crate::model::{ClientId, Directory, DirectoryId, LoginId};

/// Whose bucket it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Holder {
    Directory(DirectoryId),
    Client(ClientId),
    Login(LoginId),
}

impl From<DirectoryId> for Holder {
    fn from(directory: DirectoryId) -> Self {
        Self::Directory(directory)
    }
}

impl From<ClientId> for Holder {
    fn from(client: ClientId) -> Self {
        Self::Client(client)
    }
}

impl From<LoginId> for Holder {
    fn from(login: LoginId) -> Self {
        Self::Login(login)
    }
}

/// How fast one of them may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    /// Requests in the long run.
    requests_per_second: NonZeroU32,
    /// Requests at once, after a pause.
    burst: NonZeroU32,
}

impl Rate {
    /// Settings of zero are refused when they are read.
    fn new(requests_per_second: u32, burst: u32) -> Self {
        let [requests_per_second, burst] =
            [requests_per_second, burst].map(|number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN));
        Self { requests_per_second, burst }
    }
}

/// A request that came too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// Whole seconds until one may be made; at least 1. Some clients take nothing but an integer in `Retry-After` (A15).
    pub retry_after: u64,
}

/// The buckets of all directories, clients and logins that were busy lately. Cheap to clone; clones share the buckets.
#[derive(Clone, Debug)]
pub struct Limits(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Moments,
    buckets: Mutex<Buckets>,
}

#[derive(Debug)]
struct Buckets {
    by_holder: HashMap<Holder, Bucket>,
    /// At this many buckets the idle ones are let go.
    sweep_at: usize,
}

#[derive(Debug)]
struct Bucket {
    rate: Rate,
    limiter: RateLimiter<NotKeyed, InMemoryState, Moments, NoOpMiddleware<Nanos>>,
    /// When it is as full as a new one, if nothing is taken from it: then it can be let go.
    full_at: Nanos,
}

/// Below this many buckets it is not worth looking for idle ones.
const FEW: usize = 1_024;

impl Limits {
    /// Full buckets for everybody.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let buckets = Mutex::new(Buckets { by_holder: HashMap::new(), sweep_at: FEW });
        Self(Arc::new(Inner { clock: Moments(clock), buckets }))
    }

    /// Takes one request from a directory's bucket.
    ///
    /// # Errors
    /// When the bucket is empty; nothing is taken then.
    pub fn take(&self, directory: &Directory) -> Result<(), TooMany> {
        let settings = &directory.settings;
        self.take_at(directory.id, Rate { requests_per_second: settings.requests_per_second, burst: settings.burst })
    }

    /// Takes one request from a client's bucket.
    ///
    /// # Errors
    /// When the bucket is empty; nothing is taken then.
    pub fn take_client(&self, client: ClientId, api: Api) -> Result<(), TooMany> {
        self.take_at(client, Rate::new(api.client_requests_per_second, api.client_burst))
    }

    /// Takes one request of the administration API from a login's bucket, which all its sessions share.
    ///
    /// # Errors
    /// When the bucket is empty; nothing is taken then.
    pub fn take_login(&self, login: LoginId, api: Api) -> Result<(), TooMany> {
        self.take_at(login, Rate::new(api.requests_per_second, api.burst))
    }

    /// A rate that changed begins with a full bucket.
    fn take_at(&self, holder: impl Into<Holder>, rate: Rate) -> Result<(), TooMany> {
        let Inner { clock, buckets } = &*self.0;
        let mut buckets = buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.sweep(clock.now());
        let bucket = buckets.by_holder.entry(holder.into()).or_insert_with(|| Bucket::new(rate, clock));
        if bucket.rate != rate {
            *bucket = Bucket::new(rate, clock);
        }
        let now = clock.now();
        bucket.full_at = now + rate.time_to_fill();
        bucket.limiter.check().map_err(|until| {
            let wait = until.wait_time_from(now);
            TooMany { retry_after: (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1) }
        })
    }

    /// How many buckets are kept.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.buckets.lock().unwrap_or_else(PoisonError::into_inner).by_holder.len()
    }
}

impl Buckets {
    fn sweep(&mut self, now: Nanos) {
        if self.by_holder.len() < self.sweep_at {
            return;
        }
        self.by_holder.retain(|_, bucket| bucket.full_at > now);
        // Those that are left are busy; the next look comes when there are twice as many, so that looking costs each request little.
        self.sweep_at = FEW.max(self.by_holder.len() * 2);
    }
}

impl Bucket {
    fn new(rate: Rate, clock: &Moments) -> Self {
        let quota = Quota::per_second(rate.requests_per_second).allow_burst(rate.burst);
        Self { rate, limiter: RateLimiter::direct_with_clock(quota, clock.clone()), full_at: clock.now() }
    }
}

impl Rate {
    /// How long an empty bucket takes to be full.
    fn time_to_fill(self) -> Duration {
        Duration::from_secs(1) * self.burst.get() / self.requests_per_second.get()
    }
}

/// Our clock, as the limiter wants it.
#[derive(Clone, Debug)]
struct Moments(Clock);

impl governor::clock::Clock for Moments {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;

    fn rate(requests_per_second: u32, burst: u32) -> Rate {
        Rate { requests_per_second: NonZeroU32::new(requests_per_second).unwrap(), burst: NonZeroU32::new(burst).unwrap() }
    }

    fn limits() -> (Clock, Limits) {
        let clock = Clock::fixed(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        (clock.clone(), Limits::new(clock))
    }

    /// How many of `asked` requests at one moment are let through.
    fn through(limits: &Limits, directory: DirectoryId, rate: Rate, asked: usize) -> usize {
        (0..asked).filter(|_| limits.take_at(directory, rate).is_ok()).count()
    }

    #[test]
    fn a_directory_has_its_burst_and_then_its_rate() {
        let (clock, limits) = limits();
        let (busy, quiet) = (DirectoryId::new(clock.now()), DirectoryId::new(clock.now()));
        assert_eq!(through(&limits, busy, rate(100, 200), 1_000), 200);
        clock.advance(TimeDelta::milliseconds(500));
        assert_eq!(through(&limits, busy, rate(100, 200), 1_000), 50);
        clock.advance(TimeDelta::hours(1));
        assert_eq!(through(&limits, busy, rate(100, 200), 1_000), 200, "a bucket holds no more than its burst");
        assert_eq!(through(&limits, quiet, rate(100, 200), 200), 200, "each has its own");
    }

    #[test]
    fn a15_the_time_to_wait_is_whole_seconds_and_enough() {
        let table = [(100, 200, 1), (1, 1, 1), (1, 3, 1), (2, 1, 1)];
        for (per_second, burst, seconds) in table {
            let (clock, limits) = limits();
            let directory = DirectoryId::new(clock.now());
            let rate = rate(per_second, burst);
            through(&limits, directory, rate, burst as usize);
            let too_many = limits.take_at(directory, rate).unwrap_err();
            assert_eq!(too_many.retry_after, seconds, "{rate:?}");
            clock.advance(TimeDelta::seconds(i64::try_from(too_many.retry_after).unwrap()));
            assert_eq!(limits.take_at(directory, rate), Ok(()), "who waits that long is let through");
        }
    }

    #[test]
    fn a_refused_request_takes_nothing() {
        let (clock, limits) = limits();
        let directory = DirectoryId::new(clock.now());
        assert_eq!(through(&limits, directory, rate(10, 10), 10_000), 10);
        clock.advance(TimeDelta::milliseconds(100));
        assert_eq!(limits.take_at(directory, rate(10, 10)), Ok(()));
    }

    #[test]
    fn a_changed_rate_counts_at_once() {
        let (clock, limits) = limits();
        let directory = DirectoryId::new(clock.now());
        assert_eq!(through(&limits, directory, rate(1, 2), 10), 2);
        assert_eq!(through(&limits, directory, rate(1, 5), 10), 5);
    }

    #[test]
    fn idle_buckets_are_let_go_and_busy_ones_are_kept() {
        let (clock, limits) = limits();
        let busy = DirectoryId::new(clock.now());
        for _ in 0..10 * FEW {
            assert_eq!(limits.take_at(DirectoryId::new(clock.now()), rate(100, 200)), Ok(()));
            clock.advance(TimeDelta::milliseconds(10));
            let _ = limits.take_at(busy, rate(1, 200));
        }
        assert!(limits.len() <= FEW, "{} buckets", limits.len());
        assert!(limits.take_at(busy, rate(1, 200)).is_err(), "its bucket is still empty");
        // Nobody's bucket is full before it may be let go.
        assert_eq!(rate(100, 200).time_to_fill(), Duration::from_secs(2));
        assert_eq!(rate(3, 1).time_to_fill(), Duration::from_nanos(333_333_333));
    }
}
