//! How sure it is who signed in: our own classes, and what of an identity provider's words counts for them.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::Demand;

/// How old the proof may be that a person was asked anew, by the identity provider's clock.
pub const FRESH: TimeDelta = TimeDelta::minutes(5);
/// How far the identity provider's clock may be behind ours.
pub const CLOCK_LEEWAY: TimeDelta = TimeDelta::seconds(30);

/// An authentication context class of ours (OpenID Connect Core section 2, `acr`), the weaker first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Acr {
    /// Somebody proved who they are, in whatever way.
    Aal1,
    /// And with a second factor.
    Aal2,
}

impl Acr {
    /// All of them, the weaker first.
    pub const ALL: [Self; 2] = [Self::Aal1, Self::Aal2];

    /// The name in tokens and requests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aal1 => "urn:vestibule:aal1",
            Self::Aal2 => "urn:vestibule:aal2",
        }
    }

    /// The class of a name; the names of others are none.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|acr| acr.as_str() == text)
    }
}

/// Which words of an identity provider mean a second factor. The operator approves them: what an identity provider says of itself counts
/// for nothing until then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecondFactor {
    /// Values of `acr`, each of which says so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acr: Vec<String>,
    /// Values of `amr`, each of which says so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// What to ask the identity provider for (`acr_values`) where a second factor is wanted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ask: Vec<String>,
}

impl SecondFactor {
    /// Whether nothing that the identity provider could say would count.
    #[must_use]
    pub fn is_never(&self) -> bool {
        self.acr.is_empty() && self.amr.is_empty()
    }
}

/// How sure a sign-in is, in our own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assurance {
    pub acr: Acr,
    /// Authentication methods (RFC 8176): `fed`, and `mfa` where there was a second factor.
    pub amr: Vec<String>,
}

impl Assurance {
    /// What the words of an identity provider come to.
    #[must_use]
    pub fn of(map: &SecondFactor, acr: Option<&str>, amr: &[String]) -> Self {
        let is_second =
            acr.is_some_and(|acr| map.acr.iter().any(|known| known == acr)) || amr.iter().any(|one| map.amr.contains(one));
        let methods: &[&str] = if is_second { &["fed", "mfa"] } else { &["fed"] };
        Self {
            acr: if is_second { Acr::Aal2 } else { Acr::Aal1 },
            amr: methods.iter().map(|method| (*method).to_owned()).collect(),
        }
    }
}

/// What of a demand a sign-in did not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// The identity provider does not say that it asked the person lately enough, or not when.
    NotFresh,
    /// It does not say what counts as the class that was asked for.
    NotSure,
}

impl Demand {
    /// The class that is asked for. A name that is none of ours asks for the highest, so that it is never met by accident.
    #[must_use]
    pub fn class(&self) -> Option<Acr> {
        self.acr.as_deref().map(|acr| Acr::named(acr).unwrap_or(Acr::Aal2))
    }

    /// Checks a sign-in that `began` some time ago and ends `now`, for which the identity provider asserts that it asked the person at
    /// `asserted_at`. One that does not say so proves nothing.
    ///
    /// # Errors
    /// When it does not meet the demand.
    pub fn check(
        &self,
        asserted_at: Option<DateTime<Utc>>,
        reached: Acr,
        began: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), Unmet> {
        let is_new = asserted_at.is_some_and(|at| at >= began - CLOCK_LEEWAY);
        if self.is_fresh && !(is_new && asserted_at.is_some_and(|at| at >= now - FRESH)) {
            return Err(Unmet::NotFresh);
        }
        let is_young = |seconds: u32| asserted_at.is_some_and(|at| at >= now - TimeDelta::seconds(i64::from(seconds)));
        if self.max_age.is_some_and(|seconds| !is_new && !is_young(seconds)) {
            return Err(Unmet::NotFresh);
        }
        if self.class().is_some_and(|class| reached < class) {
            return Err(Unmet::NotSure);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn what_an_identity_provider_says_counts_by_the_operators_map_alone() {
        let nothing = SecondFactor::default();
        let map = SecondFactor { acr: texts(&["phr"]), amr: texts(&["otp", "hwk"]), ask: vec![] };
        assert!(nothing.is_never() && !map.is_never());
        for (map, acr, amr, reached) in [
            (&nothing, Some("phr"), &["mfa", "otp"][..], Acr::Aal1),
            (&nothing, Some("urn:vestibule:aal2"), &[], Acr::Aal1),
            (&map, None, &[], Acr::Aal1),
            (&map, Some("PHR"), &["OTP", "pwd", "mfa"], Acr::Aal1),
            (&map, Some("phr"), &[], Acr::Aal2),
            (&map, Some("other"), &["pwd", "otp"], Acr::Aal2),
            (&map, Some(""), &["hwk"], Acr::Aal2),
        ] {
            let found = Assurance::of(map, acr, &texts(amr));
            assert_eq!(found.acr, reached, "{acr:?} {amr:?}");
            assert_eq!(found.amr, if reached == Acr::Aal2 { texts(&["fed", "mfa"]) } else { texts(&["fed"]) });
        }
    }

    #[test]
    fn a_demand_is_met_by_what_is_asserted_and_by_nothing_else() {
        let fresh = Demand { is_fresh: true, ..Demand::default() };
        let young = Demand { max_age: Some(1_000), ..Demand::default() };
        let sure = Demand { acr: Some("urn:vestibule:aal2".to_owned()), ..Demand::default() };
        let strange = Demand { acr: Some("gold".to_owned()), ..Demand::default() };
        let (not_fresh, not_sure) = (Err(Unmet::NotFresh), Err(Unmet::NotSure));
        // It began at 0 and ended at 600.
        for (demand, asserted, reached, expected) in [
            (&Demand::default(), None, Acr::Aal1, Ok(())),
            (&fresh, None, Acr::Aal2, not_fresh),
            (&fresh, Some(600), Acr::Aal1, Ok(())),
            (&fresh, Some(300), Acr::Aal1, Ok(())),
            // Asked anew, but too long ago: the person went for a coffee after it.
            (&fresh, Some(299), Acr::Aal1, not_fresh),
            (&fresh, Some(-31), Acr::Aal1, not_fresh),
            (&young, None, Acr::Aal2, not_fresh),
            (&young, Some(-30), Acr::Aal1, Ok(())),
            (&young, Some(-400), Acr::Aal1, Ok(())),
            (&young, Some(-401), Acr::Aal1, not_fresh),
            (&sure, Some(600), Acr::Aal1, not_sure),
            (&sure, None, Acr::Aal2, Ok(())),
            (&strange, Some(600), Acr::Aal1, not_sure),
        ] {
            assert_eq!(demand.check(asserted.map(at), reached, at(0), at(600)), expected, "{demand:?} {asserted:?}");
        }
        // What began just now may have been asserted by a clock that is a little behind, and not by one that is far behind.
        assert_eq!(fresh.check(Some(at(-30)), Acr::Aal1, at(0), at(1)), Ok(()));
        assert_eq!(fresh.check(Some(at(-31)), Acr::Aal1, at(0), at(1)), not_fresh);
    }
}
