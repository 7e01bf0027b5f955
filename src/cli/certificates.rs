//! What `doctor` says of SAML connections: which have no valid certificate of their identity provider, and which will soon have none.

use chrono::{DateTime, TimeDelta, Utc};

use super::doctor::Check;
use crate::directory::connections::certificates::days_left;
use crate::model::ConnectionState;
use crate::store::{self, CertificateRow, MetadataRow, Store};

const NAME: &str = "saml-certificates";
/// How long before an end it is spoken of.
const AHEAD: TimeDelta = TimeDelta::days(30);
/// How many are named.
const NAMED: usize = 20;

/// Looks at every SAML connection.
pub(super) async fn check(store: &Store, now: DateTime<Utc>) -> Check {
    match concerns(store, now).await {
        Ok((_, concerns)) if concerns.is_empty() => {
            Check::ok(NAME, "every enabled SAML connection has a certificate for 30 days or more")
        }
        Ok((is_failing, mut concerns)) => {
            let more = concerns.len().saturating_sub(NAMED);
            concerns.truncate(NAMED);
            if more > 0 {
                concerns.push(format!("and {more} more"));
            }
            let hint = "give the connection the metadata or the next certificate of its identity provider (docs/saml.md)";
            let told = concerns.join("; ");
            if is_failing { Check::fail(NAME, told, hint) } else { Check::warn(NAME, told, hint) }
        }
        Err(error) => Check::fail(NAME, error.to_string(), "look at the database's log"),
    }
}

/// What somebody has to do something about, and whether people cannot sign in because of it.
async fn concerns(store: &Store, now: DateTime<Utc>) -> store::Result<(bool, Vec<String>)> {
    let (mut is_failing, mut concerns) = (false, Vec::new());
    for tenant in store.doors().tenants().await? {
        let mut reader = store.read(tenant.id);
        for connection in reader.connections().await? {
            if connection.saml().is_none() || connection.state != ConnectionState::Enabled {
                continue;
            }
            let rows = reader.certificates_of_connection(connection.id).await?;
            let metadata = reader.connection_metadata(connection.id).await?;
            let name = format!("{}/{}", tenant.slug, connection.slug);
            let (fails, told) = concern(&rows, metadata.as_ref(), now);
            is_failing |= fails;
            concerns.extend(told.into_iter().map(|text| format!("{name}: {text}")));
        }
    }
    Ok((is_failing, concerns))
}

fn concern(rows: &[CertificateRow], metadata: Option<&MetadataRow>, now: DateTime<Utc>) -> (bool, Vec<String>) {
    let mut told = Vec::new();
    let last = rows.iter().filter(|row| row.is_valid(now)).map(|row| row.not_after).max();
    match last {
        None => told.push("it has no valid certificate, so nobody can sign in by it".to_owned()),
        Some(end) if end <= now + AHEAD => {
            let days = days_left(end, now).unwrap_or_default();
            told.push(format!("its last certificate ends on {} (in {days} days)", end.format("%Y-%m-%d %H:%M UTC")));
        }
        Some(_) => {}
    }
    if let Some(row) = metadata.filter(|row| row.failures >= 3) {
        let why = row.problem.as_deref().unwrap_or("no word of why");
        told.push(format!("its metadata could not be read {} times in a row: {why}", row.failures));
    }
    if metadata.is_some_and(|row| row.proposed.is_some()) {
        told.push("its metadata says something that waits for an administrator's approval".to_owned());
    }
    (last.is_none(), told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CertificateId, CertificateSource, ConnectionId};

    #[test]
    fn a_connection_is_spoken_of_when_somebody_has_to_do_something() {
        let day = |day: i64| DateTime::from_timestamp(1_800_000_000 + day * 86_400, 0).unwrap();
        let row = |from: i64, to: i64| CertificateRow {
            id: CertificateId::new(day(0)),
            connection_id: ConnectionId::new(day(0)),
            der: Vec::new(),
            fingerprint: String::new(),
            source: CertificateSource::Manual,
            not_before: day(from),
            not_after: day(to),
            added_at: day(0),
            last_used_at: None,
            absent_since: None,
            alerted_days: None,
        };
        let told = |rows: &[CertificateRow]| concern(rows, None, day(0));
        assert_eq!(told(&[row(-1, 31)]), (false, vec![]));
        assert_eq!(told(&[row(-1, 5), row(-1, 31)]), (false, vec![]), "the next one is there");
        let (fails, text) = told(&[row(-1, 30)]);
        assert!(!fails && text[0].contains("in 30 days"), "{text:?}");
        for rows in [&[][..], &[row(-9, 0)], &[row(1, 90)]] {
            let (fails, text) = told(rows);
            assert!(fails && text[0].contains("nobody can sign in"), "{text:?}");
        }
        let metadata = |failures, proposed| MetadataRow {
            url: Some("https://idp.example".to_owned()),
            fetched_at: None,
            due_at: day(0),
            failures,
            problem: Some("no answer".to_owned()),
            proposed,
            proposed_at: None,
        };
        let text = |row: &MetadataRow| concern(&[row_far(day(0))], Some(row), day(0)).1;
        assert!(text(&metadata(2, None)).is_empty());
        assert!(text(&metadata(3, None))[0].contains("3 times in a row: no answer"));
        assert!(text(&metadata(0, Some(serde_json::json!({}))))[0].contains("approval"));
    }

    fn row_far(now: DateTime<Utc>) -> CertificateRow {
        CertificateRow {
            id: CertificateId::new(now),
            connection_id: ConnectionId::new(now),
            der: Vec::new(),
            fingerprint: String::new(),
            source: CertificateSource::Metadata,
            not_before: now,
            not_after: now + TimeDelta::days(400),
            added_at: now,
            last_used_at: None,
            absent_since: None,
            alerted_days: None,
        }
    }
}
