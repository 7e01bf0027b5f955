//! Logout tokens: what tells a portal that a session is over (OpenID Connect Back-Channel Logout 1.0 section 2.4), and when it is told
//! again. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::model::{LoginId, Sid};

/// The type of a logout token.
pub const TYPE: &str = "logout+jwt";
/// What a logout token says has happened.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// For how long one is good. Each attempt has a fresh one.
const LIFETIME: TimeDelta = TimeDelta::minutes(2);
/// How long after each attempt the next one is made; after the last of them, always the same.
const PAUSES: [TimeDelta; 5] =
    [TimeDelta::seconds(5), TimeDelta::seconds(30), TimeDelta::minutes(2), TimeDelta::minutes(10), TimeDelta::hours(1)];
/// For how long it is tried.
pub const TRIED_FOR: TimeDelta = TimeDelta::hours(24);

/// The claims of a logout token. There is no `nonce`, which the specification forbids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogoutToken<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: Uuid,
    sub: LoginId,
    sid: Sid,
    events: Value,
}

impl<'a> LogoutToken<'a> {
    /// Tells the portal of a `client_id` that a login's part in a session is over. `jti` is new for each attempt.
    #[must_use]
    pub fn new(issuer: &'a str, client_id: &'a str, login: LoginId, sid: Sid, jti: Uuid, now: DateTime<Utc>) -> Self {
        Self {
            iss: issuer,
            aud: client_id,
            iat: now.timestamp(),
            exp: (now + LIFETIME).timestamp(),
            jti,
            sub: login,
            sid,
            events: json!({ EVENT: {} }),
        }
    }
}

/// When a portal that could not be told is told again: after how many attempts, of what has waited since when. None gives it up.
#[must_use]
pub fn next_attempt(attempts: i64, since: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let at = usize::try_from(attempts.saturating_sub(1)).unwrap_or_default();
    let pause = PAUSES.get(at).or(PAUSES.last()).copied().unwrap_or(TRIED_FOR);
    let next = now + pause;
    (next <= since + TRIED_FOR).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn a_logout_token_says_what_the_specification_asks_for_and_nothing_else() {
        let (login, sid, jti) = (LoginId::new(at(1)), Sid::new(at(2)), Uuid::from_u128(7));
        let token = LogoutToken::new("https://vestibule.example", "portal", login, sid, jti, at(1_000));
        assert_eq!(
            json!(token),
            json!({
                "iss": "https://vestibule.example", "aud": "portal", "iat": 1_000, "exp": 1_120, "jti": jti, "sub": login, "sid": sid,
                "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
            })
        );
    }

    #[test]
    fn attempts_come_later_and_later_and_end_after_a_day() {
        for (attempts, now, next) in
            [(0, 0, Some(5)), (1, 0, Some(5)), (2, 5, Some(35)), (3, 35, Some(155)), (4, 155, Some(755)), (5, 755, Some(4_355))]
        {
            assert_eq!(next_attempt(attempts, at(0), at(now)), next.map(at), "{attempts}");
        }
        assert_eq!(next_attempt(20, at(0), at(23 * 3_600)), Some(at(24 * 3_600)));
        assert_eq!(next_attempt(20, at(0), at(23 * 3_600 + 1)), None);
        assert_eq!(next_attempt(i64::MAX, at(0), at(0)), Some(at(3_600)));
    }
}
