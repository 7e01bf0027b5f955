//! Times as SAML writes them: `xs:dateTime` in UTC (Core section 1.3.3) and `xs:duration`.

use chrono::{DateTime, Datelike as _, NaiveDateTime, SecondsFormat, TimeDelta, Utc};

/// An instant as our messages say it.
pub(super) fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Reads an instant. Without a zone it is UTC, as SAML wants all of them to be; with one it is what it says. A year has four digits.
pub(super) fn instant(text: &str) -> Option<DateTime<Utc>> {
    let plain = text.strip_suffix('Z').unwrap_or(text);
    let at = match NaiveDateTime::parse_from_str(plain, "%Y-%m-%dT%H:%M:%S%.f") {
        Ok(at) => at.and_utc(),
        Err(_) => DateTime::parse_from_rfc3339(text).ok()?.to_utc(),
    };
    (1..=9_999).contains(&at.year()).then_some(at)
}

/// Reads a duration of days and less; months and years, of which nobody knows how long they are, count as 30 and 365 days.
pub(super) fn duration(text: &str) -> Option<TimeDelta> {
    let (date, time) = match text.strip_prefix('P')?.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text.strip_prefix('P')?, None),
    };
    let mut sum = units(date, &[('Y', 365 * 86_400), ('M', 30 * 86_400), ('D', 86_400)])?;
    if let Some(time) = time {
        sum = sum.checked_add(units(time, &[('H', 3_600), ('M', 60), ('S', 1)])?)?;
    }
    TimeDelta::try_seconds(sum)
}

/// The seconds of `1D`, `2H30M`, in the order of the units. A fraction of a second is left out.
fn units(mut text: &str, units: &[(char, i64)]) -> Option<i64> {
    let mut sum: i64 = 0;
    for (unit, seconds) in units {
        if let Some((number, rest)) = text.split_once(*unit) {
            let whole = number.split_once('.').map_or(number, |(whole, _)| whole);
            let number: u32 = whole.parse().ok()?;
            sum = sum.checked_add(i64::from(number).checked_mul(*seconds)?)?;
            text = rest;
        }
    }
    text.is_empty().then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_with_and_without_fractions_and_zones() {
        let noon = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        for text in ["2027-01-15T08:00:00Z", "2027-01-15T08:00:00.000Z", "2027-01-15T08:00:00", "2027-01-15T09:00:00+01:00"] {
            assert_eq!(instant(text), Some(noon), "{text}");
        }
        assert_eq!(written(noon), "2027-01-15T08:00:00Z");
        for text in [
            "",
            "2027-01-15",
            "2027-01-15T08:00:00ZZ",
            "12027-01-15T08:00:00Z",
            "-0001-01-15T08:00:00Z",
            "now",
            "2027-13-15T08:00:00Z",
        ] {
            assert_eq!(instant(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_read() {
        for (text, seconds) in
            [("PT1H", 3_600), ("P1D", 86_400), ("P7DT2H30M5.5S", 7 * 86_400 + 9_005), ("PT604800S", 604_800), ("P1M", 2_592_000)]
        {
            assert_eq!(duration(text), Some(TimeDelta::seconds(seconds)), "{text}");
        }
        for text in ["", "P-1D", "1D", "PT1D", "P1H", "PT99999999999S", "PTxS"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
