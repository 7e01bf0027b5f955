//! Which certificates of an identity provider come, stay and go. Pure.
//!
//! Metadata says which there are now. One that is new counts at once. One that is there no longer goes on counting until a week after its last
//! use: an identity provider may publish the next one and go on signing with the last, and may change its mind.

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::{Certificate, CertificateId, CertificateSource, MOST_CERTIFICATES};
use crate::store::CertificateRow;

/// How long one that the metadata has no more goes on counting after its last use.
pub const KEPT: TimeDelta = TimeDelta::days(7);
/// How many days before its end that is told, once each.
pub const ALERTS: [i16; 4] = [30, 14, 7, 1];

/// More certificates than are tried for one signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// What taking metadata in does to certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub add: Vec<Certificate>,
    /// They are in it again.
    pub back: Vec<CertificateId>,
    /// They are in it no more.
    pub absent: Vec<CertificateId>,
    /// They make room: they have ended, or were absent for longest.
    pub remove: Vec<CertificateId>,
}

/// What is to be done, so that the certificates of `named` count.
///
/// # Errors
/// When it names more than may count, those that an administrator added included.
pub fn plan(rows: &[CertificateRow], named: &[Certificate], now: DateTime<Utc>) -> Result<Plan, TooMany> {
    let is_named = |row: &CertificateRow| named.iter().any(|certificate| certificate.fingerprint == row.fingerprint);
    let mut plan = Plan::default();
    for certificate in named {
        let is_there = rows.iter().any(|row| row.fingerprint == certificate.fingerprint);
        let is_twice = plan.add.iter().any(|other| other.fingerprint == certificate.fingerprint);
        if !is_there && !is_twice && now < certificate.not_after {
            plan.add.push(certificate.clone());
        }
    }
    for row in rows {
        match (is_named(row), row.absent_since) {
            (true, Some(_)) => plan.back.push(row.id),
            (false, None) if row.source == CertificateSource::Metadata => plan.absent.push(row.id),
            _ => {}
        }
    }
    // Those that go first: what has ended, then what was absent for longest.
    let is_spare = |row: &&CertificateRow| !is_named(row) && (row.not_after <= now || row.source == CertificateSource::Metadata);
    let mut spare: Vec<_> = rows.iter().filter(is_spare).collect();
    spare.sort_by_key(|row| (row.not_after > now, row.absent_since.unwrap_or(now), row.id));
    let mut count = rows.len() + plan.add.len();
    for row in spare {
        if count <= MOST_CERTIFICATES {
            break;
        }
        plan.remove.push(row.id);
        count -= 1;
    }
    plan.absent.retain(|id| !plan.remove.contains(id));
    if count > MOST_CERTIFICATES { Err(TooMany) } else { Ok(plan) }
}

/// Those that go by themselves: absent from the metadata, and not used for a week. The last one that is valid stays, whatever.
#[must_use]
pub fn over(rows: &[CertificateRow], now: DateTime<Utc>) -> Vec<CertificateId> {
    let is_over = |row: &CertificateRow| {
        let used = row.absent_since.map(|absent| row.last_used_at.map_or(absent, |used| used.max(absent)));
        used.is_some_and(|at| at + KEPT <= now)
    };
    if !rows.iter().any(|row| row.is_valid(now) && !is_over(row)) {
        return Vec::new();
    }
    rows.iter().filter(|row| is_over(row)).map(|row| row.id).collect()
}

/// Whole days until an instant; none when it is over.
#[must_use]
pub fn days_left(not_after: DateTime<Utc>, now: DateTime<Utc>) -> Option<i64> {
    (now < not_after).then(|| (not_after - now).num_days())
}

/// Of which certificates it is to be told now that they end: with the mark of [`ALERTS`] that is reached.
#[must_use]
pub fn alerts(rows: &[CertificateRow], now: DateTime<Utc>) -> Vec<(&CertificateRow, i16)> {
    let due = |row: &CertificateRow| {
        // One that the metadata has no more has its successor.
        if row.absent_since.is_some() || row.not_after <= now {
            return None;
        }
        let reached = ALERTS.into_iter().rev().find(|days| row.not_after - now <= TimeDelta::days((*days).into()))?;
        row.alerted_days.is_none_or(|told| told > reached).then_some(reached)
    };
    rows.iter().filter_map(|row| due(row).map(|days| (row, days))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ConnectionId;

    fn at(days: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + days * 86_400, 0).unwrap()
    }

    fn certificate(name: &str, ends: i64) -> Certificate {
        Certificate {
            der: Vec::new(),
            fingerprint: name.to_owned(),
            subject: String::new(),
            key: String::new(),
            not_before: at(-400),
            not_after: at(ends),
        }
    }

    fn row(name: &str, ends: i64) -> CertificateRow {
        CertificateRow {
            id: CertificateId::new(at(ends)),
            connection_id: ConnectionId::new(at(0)),
            der: Vec::new(),
            fingerprint: name.to_owned(),
            source: CertificateSource::Metadata,
            not_before: at(-400),
            not_after: at(ends),
            added_at: at(-400),
            last_used_at: None,
            absent_since: None,
            alerted_days: None,
        }
    }

    #[test]
    fn the_next_certificate_comes_at_once_and_the_last_one_stays_for_a_while() {
        let old = row("old", 100);
        let planned = plan(std::slice::from_ref(&old), &[certificate("new", 500), certificate("new", 500)], at(0)).unwrap();
        assert_eq!((planned.add.len(), planned.absent, planned.remove), (1, vec![old.id], vec![]));
        let absent = CertificateRow { absent_since: Some(at(0)), ..old.clone() };
        let new = row("new", 500);
        let rows = |used: Option<i64>| vec![CertificateRow { last_used_at: used.map(at), ..absent.clone() }, new.clone()];
        assert_eq!(over(&rows(None), at(6)), []);
        assert_eq!(over(&rows(None), at(7)), [old.id]);
        assert_eq!(over(&rows(Some(5)), at(11)), [], "it is in use");
        assert_eq!(over(&rows(Some(5)), at(12)), [old.id]);
        let back = plan(&rows(None), &[certificate("old", 100)], at(3)).unwrap();
        assert_eq!((back.back, back.absent), (vec![old.id], vec![new.id]));
    }

    #[test]
    fn the_last_valid_certificate_never_goes_by_itself() {
        let only = CertificateRow { absent_since: Some(at(0)), ..row("only", 500) };
        assert_eq!(over(std::slice::from_ref(&only), at(100)), []);
        let ended = row("ended", 50);
        assert_eq!(over(&[only, ended], at(100)), []);
    }

    #[test]
    fn an_ended_certificate_is_not_taken_and_one_by_hand_is_not_absent() {
        let manual = CertificateRow { source: CertificateSource::Manual, ..row("manual", 100) };
        let planned = plan(std::slice::from_ref(&manual), &[certificate("ended", 0)], at(0)).unwrap();
        assert_eq!(planned, Plan::default());
    }

    #[test]
    fn five_count_and_what_is_of_least_use_makes_room() {
        let names = ["1", "2", "3", "4", "5", "6"];
        let named: Vec<_> = names.iter().map(|name| certificate(name, 500)).collect();
        assert_eq!(plan(&[], &named, at(0)), Err(TooMany));
        assert_eq!(plan(&[], &named[..5], at(0)).unwrap().add.len(), 5);
        let manual = CertificateRow { source: CertificateSource::Manual, ..row("manual", 100) };
        assert_eq!(plan(std::slice::from_ref(&manual), &named[..5], at(0)), Err(TooMany), "what a hand added is not pushed out");
        let ended = row("ended", -1);
        let long = CertificateRow { absent_since: Some(at(-6)), ..row("long", 90) };
        let lately = CertificateRow { absent_since: Some(at(-1)), ..row("lately", 80) };
        let planned = plan(&[lately.clone(), long.clone(), ended.clone()], &named[..3], at(0)).unwrap();
        assert_eq!(planned.remove, [ended.id]);
        let planned = plan(&[lately, long.clone(), ended.clone()], &named[..4], at(0)).unwrap();
        assert_eq!(planned.remove, [ended.id, long.id]);
    }

    #[test]
    fn each_mark_is_told_once_and_the_nearest_of_several() {
        let told = |left: i64, before: Option<i16>| {
            let row = CertificateRow { alerted_days: before, ..row("a", left) };
            alerts(&[row], at(0)).first().map(|(_, days)| *days)
        };
        assert_eq!((told(31, None), told(30, None), told(30, Some(30))), (None, Some(30), None));
        assert_eq!((told(14, Some(30)), told(5, None), told(5, Some(7)), told(1, Some(7))), (Some(14), Some(7), None, Some(1)));
        assert_eq!((told(0, None), told(1, Some(1))), (None, None));
        let absent = CertificateRow { absent_since: Some(at(-1)), ..row("a", 3) };
        assert!(alerts(&[absent], at(0)).is_empty());
        assert_eq!((days_left(at(3), at(0)), days_left(at(0), at(0))), (Some(3), None));
    }
}
