//! The identity provider's word that somebody's session there is over (SAML Core section 3.7): ours end with it.
//!
//! Whom it means is found by what it calls them and by its own sessions, never by a cookie: the message may come in a frame, or in a form of
//! another site, to which no browser sends ours.

use std::collections::BTreeSet;

use serde_json::json;

use super::ending::{Reason, end_one};
use super::{Caller, Result};
use crate::model::{ConnectionId, EventKind, NameId, SessionId, TenantId};
use crate::store::{SessionOfNameId, Store, Writer, retry};

/// A logout request that was proved.
#[derive(Clone, Copy, Debug)]
pub struct LogoutRequest<'a> {
    pub connection: ConnectionId,
    /// Its id, which counts once.
    pub id: &'a str,
    /// Until when it could be sent again and be taken.
    pub good_until: chrono::DateTime<chrono::Utc>,
    /// Fingerprint of the certificate that verified it.
    pub certificate: &'a str,
    /// Whom it means.
    pub name_id: &'a NameId,
    /// Which of their sessions over there; none is all of them.
    pub session_indexes: &'a [String],
}

/// What became of a logout request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoggedOut {
    /// So many of our sessions ended, or went on without the login that was meant.
    Ended(u64),
    /// It was used before.
    Used,
}

/// Ends what a logout request means: sessions in which the login is the active one, and its part in those that go on by the person's other
/// login.
///
/// # Errors
/// When the database cannot be written; then nothing has ended.
pub async fn log_out(store: &Store, tenant: TenantId, caller: Caller<'_>, request: LogoutRequest<'_>) -> Result<LoggedOut> {
    retry(|| async {
        let mut writer = store.write(tenant).await?;
        if !writer.use_saml_assertion(request.connection, request.id, request.good_until).await? {
            return Ok(LoggedOut::Used);
        }
        let taken = take(&mut writer, request).await?;
        let mut ended = 0;
        // Which login is the active one is read again: somebody may have switched before the session was taken.
        for part in meant(&mut writer, request).await?.into_iter().filter(|part| taken.contains(&part.session_id)) {
            if part.login_id == part.active_login_id {
                ended += u64::from(end_one(&mut writer, caller, part.session_id, part.login_id, Reason::ByIdentityProvider).await?);
                continue;
            }
            writer.end_parts(&[part.sid], caller.now).await?;
            let details = json!({ "session": part.session_id, "reason": Reason::ByIdentityProvider.as_str() });
            let event = caller.event(EventKind::SessionEnded, part.login_id.uuid(), details);
            writer.record(&[event], caller.request_id).await?;
            ended += 1;
        }
        writer.use_certificate(request.connection, request.certificate, caller.now).await?;
        writer.commit().await?;
        Ok(LoggedOut::Ended(ended))
    })
    .await
}

/// Takes the sessions that a request means, in the order in which everybody takes them.
async fn take(writer: &mut Writer, request: LogoutRequest<'_>) -> Result<BTreeSet<SessionId>> {
    let sessions: BTreeSet<_> = meant(writer, request).await?.into_iter().map(|part| part.session_id).collect();
    for session in &sessions {
        writer.lock_session(*session).await?;
    }
    Ok(sessions)
}

/// The parts of sessions that a request means.
async fn meant(writer: &mut Writer, request: LogoutRequest<'_>) -> Result<Vec<SessionOfNameId>> {
    let mut parts = writer.sessions_of_name_id(request.connection, &request.name_id.value).await?;
    parts.retain(|part| is_meant(part, request));
    Ok(parts)
}

/// Whether a request means this part of a session. One whose identity provider never said which of its sessions it is of goes with every
/// session over there.
fn is_meant(part: &SessionOfNameId, request: LogoutRequest<'_>) -> bool {
    let is_session = match &part.upstream_session {
        Some(session) => request.session_indexes.is_empty() || request.session_indexes.contains(session),
        None => true,
    };
    is_session && is_same(&part.name_id, request.name_id)
}

/// Whether two names are of one subject: the same value, and nothing that both say is different. Identity providers leave out what they said
/// before (SAML Core section 3.3.4 has it for queries).
fn is_same(one: &NameId, other: &NameId) -> bool {
    let agree = |one: &Option<String>, other: &Option<String>| one.is_none() || other.is_none() || one == other;
    one.value == other.value
        && agree(&one.format, &other.format)
        && agree(&one.name_qualifier, &other.name_qualifier)
        && agree(&one.sp_name_qualifier, &other.sp_name_qualifier)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;
    use crate::model::{LoginId, Sid};

    fn name(value: &str, format: Option<&str>) -> NameId {
        NameId { value: value.into(), format: format.map(Into::into), name_qualifier: None, sp_name_qualifier: None }
    }

    #[test]
    fn a_request_means_the_sessions_that_it_names_or_all_of_its_subject() {
        let (persistent, joe) = (Some("persistent"), name("joe", Some("persistent")));
        let other = NameId { name_qualifier: Some("https://other.example".into()), ..joe.clone() };
        let qualified = NameId { name_qualifier: Some("https://idp.example".into()), ..joe.clone() };
        for (case, kept, session, asked, indexes, expected) in [
            ("no index", &joe, Some("s1"), joe.clone(), &[][..], true),
            ("its index", &joe, Some("s1"), joe.clone(), &["s0", "s1"][..], true),
            ("another index", &joe, Some("s1"), joe.clone(), &["s2"][..], false),
            ("an index where none was told", &joe, None, joe.clone(), &["s2"][..], true),
            ("somebody else", &joe, Some("s1"), name("JOE", persistent), &[][..], false),
            ("without a format", &joe, Some("s1"), name("joe", None), &[][..], true),
            ("another format", &joe, Some("s1"), name("joe", Some("transient")), &[][..], false),
            ("without a qualifier", &qualified, Some("s1"), joe.clone(), &[][..], true),
            ("another qualifier", &qualified, Some("s1"), other, &[][..], false),
        ] {
            let (login_id, session_id) = (LoginId::from_uuid(Uuid::nil()), SessionId::from_uuid(Uuid::nil()));
            let part = SessionOfNameId {
                session_id,
                login_id,
                sid: Sid::from_uuid(Uuid::nil()),
                active_login_id: login_id,
                name_id: kept.clone(),
                upstream_session: session.map(Into::into),
            };
            let indexes: Vec<String> = indexes.iter().map(|index| (*index).to_owned()).collect();
            let request = LogoutRequest {
                connection: ConnectionId::from_uuid(Uuid::nil()),
                id: "_1",
                good_until: DateTime::UNIX_EPOCH,
                certificate: "",
                name_id: &asked,
                session_indexes: &indexes,
            };
            assert_eq!(is_meant(&part, request), expected, "{case}");
        }
    }
}
