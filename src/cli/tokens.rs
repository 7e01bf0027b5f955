//! What `doctor` says of the directories' tokens: which end soon, have ended, or should not be in use any more.

use chrono::{DateTime, TimeDelta, Utc};

use super::doctor::Check;
use crate::model::{Token, TokenState};
use crate::store::{self, Store};

const NAME: &str = "tokens";
/// How long before a token's end it is spoken of.
const AHEAD: TimeDelta = TimeDelta::days(14);
/// How many are named.
const NAMED: usize = 20;

/// Looks at every token of every directory.
pub(super) async fn check(store: &Store, now: DateTime<Utc>) -> Check {
    match concerns(store, now).await {
        Ok(concerns) if concerns.is_empty() => Check::ok(NAME, "none ends within 14 days"),
        Ok(mut concerns) => {
            let more = concerns.len().saturating_sub(NAMED);
            concerns.truncate(NAMED);
            if more > 0 {
                concerns.push(format!("and {more} more"));
            }
            Check::warn(NAME, concerns.join("; "), "rotate it and give the client the new one, or revoke it (docs/operations.md)")
        }
        Err(error) => Check::fail(NAME, error.to_string(), "look at the database's log"),
    }
}

async fn concerns(store: &Store, now: DateTime<Utc>) -> store::Result<Vec<String>> {
    let mut concerns = Vec::new();
    for tenant in store.doors().tenants().await? {
        let mut reader = store.read(tenant.id);
        for directory in reader.directories().await? {
            for token in reader.tokens(directory.id).await? {
                if let Some(concern) = concern(&token, now) {
                    concerns.push(format!("{}/{}: {:?} {concern}", tenant.slug, directory.slug, token.name));
                }
            }
        }
    }
    Ok(concerns)
}

/// What somebody has to do something about.
fn concern(token: &Token, now: DateTime<Utc>) -> Option<String> {
    let end = token.expires_at?;
    let day = end.format("%Y-%m-%d %H:%M UTC");
    match token.state(now) {
        TokenState::Active => (end <= now + AHEAD).then(|| format!("ends on {day}")),
        // What was replaced has an end because somebody wanted it to.
        TokenState::Expired => token.replaced_at.is_none().then(|| format!("ended on {day}")),
        TokenState::Replaced => {
            let used = token.last_used_at.is_some_and(|used| Some(used) > token.replaced_at);
            used.then(|| format!("was replaced but is still in use; it ends on {day}"))
        }
        TokenState::Revoked => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Actor, DirectoryId, Scopes, TokenId};

    #[test]
    fn a_token_is_spoken_of_when_somebody_has_to_do_something() {
        let day = |day: i64| DateTime::from_timestamp(1_800_000_000 + day * 86_400, 0).unwrap();
        let token = |expires: Option<i64>, replaced: Option<i64>, used: Option<i64>, revoked: Option<i64>| Token {
            id: TokenId::new(day(0)),
            directory_id: DirectoryId::new(day(0)),
            name: "entra".to_owned(),
            prefix: String::new(),
            scopes: Scopes::default(),
            created_by: Actor::Operator,
            created_at: day(-100),
            expires_at: expires.map(day),
            last_used_at: used.map(day),
            replaces: None,
            replaced_at: replaced.map(day),
            revoked_at: revoked.map(day),
        };
        let table = [
            (token(None, None, Some(0), None), None),
            (token(Some(15), None, None, None), None),
            (token(Some(14), None, None, None), Some("ends on 2027-01-29 08:00 UTC")),
            (token(Some(0), None, None, None), Some("ended on 2027-01-15 08:00 UTC")),
            (token(Some(-50), None, None, Some(-10)), None),
            (token(Some(1), Some(-5), Some(-6), None), None),
            (token(Some(1), Some(-5), Some(-4), None), Some("was replaced but is still in use; it ends on 2027-01-16 08:00 UTC")),
            (token(Some(-1), Some(-5), Some(-4), None), None),
        ];
        for (token, said) in table {
            assert_eq!(concern(&token, day(0)).as_deref(), said, "{token:?}");
        }
    }
}
