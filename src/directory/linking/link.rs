//! Making a link: begun by a login that was just proved, proved by the other one, confirmed by their person.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::decide::{self, Side};
use super::{Own, Settled, proposals, side};
use crate::directory::Result;
use crate::directory::ending::{end_login, end_others_of};
use crate::directory::refusal::Refusal;
use crate::model::{ConnectionId, ConnectionState, EventKind, LinkProofId, LoginId, PersonId, Session, Sid};
use crate::store::{Cookies, LinkProofRow, NewLinkProof, SecondProof, Writer, retry};

/// How long a link may take from its beginning until it is confirmed.
const LIFETIME: TimeDelta = TimeDelta::minutes(10);

/// What is next for somebody who begins a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// The other login has to prove itself, for this.
    Proof(LinkProofId),
    /// The active login has to be proved first: its own proof is not fresh.
    ProveFirst,
}

/// Begins to link the active login of a session with another one, which will have to prove itself at a connection; with `expected` it has to
/// be that one, which a proposal names.
///
/// # Errors
/// When the database cannot be written.
pub async fn begin(own: Own<'_>, connection: ConnectionId, expected: Option<LoginId>) -> Settled<Begun> {
    let Own { store, caller, session, .. } = own;
    retry(|| async {
        let mut writer = store.write(session.tenant_id).await?;
        let login = session.active_login_id;
        let Some(part) = writer.live_session_login(session.id, login).await? else { return Ok(Err(Refusal::LinkOver)) };
        if !part.authentication.is_fresh(caller.now) {
            return Ok(Ok(Begun::ProveFirst));
        }
        let known = writer.connection(connection).await?;
        if known.is_none_or(|known| known.state != ConnectionState::Enabled) {
            return Ok(Err(Refusal::ConnectionOff));
        }
        let Some(first) = side(&mut writer, login).await? else { return Ok(Err(Refusal::LinkOver)) };
        if first.taken.len() > 1 {
            return Ok(Err(Refusal::PersonFull));
        }
        // What a browser says of another login counts for nothing: only a proposal may name one.
        if let Some(expected) = expected
            && !proposals::of_login(&mut writer, &first.login).await?.iter().any(|one| one.login.id == expected)
        {
            return Ok(Err(Refusal::LinkOver));
        }
        let new = NewLinkProof {
            id: LinkProofId::new(caller.now),
            session_id: session.id,
            login_id: login,
            connection_id: connection,
            expected_login_id: expected,
            expires_at: caller.now + LIFETIME,
        };
        writer.insert_link_proof(&new, caller.now).await?;
        writer.commit().await?;
        Ok(Ok(Begun::Proof(new.id)))
    })
    .await
}

/// Whether a login that has signed in, or `None` for one that is about to be made, may be the second one of a link, for the browser that
/// shows this session. The login is taken.
///
/// # Errors
/// When the database cannot be asked.
pub(in crate::directory) async fn may_prove(
    writer: &mut Writer,
    link: LinkProofId,
    session: Option<&Session>,
    login: Option<LoginId>,
    now: chrono::DateTime<chrono::Utc>,
) -> Settled<()> {
    let Some(proof) = writer.link_proof(link, now).await? else { return Ok(Err(Refusal::LinkOver)) };
    if !session.is_some_and(|session| is_of(&proof, session)) || proof.second().is_some() {
        return Ok(Err(Refusal::LinkOver));
    }
    if proof.expected_login_id.is_some() && proof.expected_login_id != login {
        return Ok(Err(Refusal::OtherLogin));
    }
    let Some(first) = side(writer, proof.login_id).await? else { return Ok(Err(Refusal::LinkOver)) };
    let Some(login) = login else {
        return Ok(if first.taken.len() > 1 { Err(Refusal::PersonFull) } else { Ok(()) });
    };
    let Some(second) = side(writer, login).await? else { return Ok(Err(Refusal::LinkOver)) };
    Ok(decide::link(&first, &second).map(drop))
}

/// Whether a link is being made in a session, by the login that is active there.
fn is_of(proof: &LinkProofRow, session: &Session) -> bool {
    proof.session_id == session.id && proof.login_id == session.active_login_id
}

/// A link that is being made, for its person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkView {
    pub id: LinkProofId,
    pub connection: ConnectionId,
    /// The login that was proved as the second one, once it was.
    pub second: Option<LoginId>,
}

/// Looks at a link that is being made in this session.
///
/// # Errors
/// When the database cannot be asked.
pub async fn view(own: Own<'_>, link: LinkProofId) -> Settled<LinkView> {
    let proof = own.store.read(own.session.tenant_id).link_proof(link, own.caller.now).await?;
    let Some(proof) = proof.filter(|proof| is_of(proof, own.session)) else { return Ok(Err(Refusal::LinkOver)) };
    let second = proof.second().map(|second| second.login);
    Ok(Ok(LinkView { id: proof.id, connection: proof.connection_id, second }))
}

/// Two logins that are one person's from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linked {
    pub first: LoginId,
    pub second: LoginId,
    pub person: PersonId,
}

/// Finishes a link: the second login moves to the person of the first. All sessions of both end but this one, in which both are signed
/// in from now on. It is shown by another cookie, so that nobody who has the former one gets at the second login.
///
/// # Errors
/// When the database cannot be written; then nothing has changed.
pub async fn confirm(own: Own<'_>, cookies: Cookies<'_>, link: LinkProofId) -> Settled<Linked> {
    retry(|| once(own, cookies, link)).await
}

async fn once(own: Own<'_>, cookies: Cookies<'_>, link: LinkProofId) -> Settled<Linked> {
    let Own { store, caller, session, .. } = own;
    let mut writer = store.write(session.tenant_id).await?;
    let proof = writer.link_proof(link, caller.now).await?.filter(|proof| is_of(proof, session));
    let Some((proof, second)) = proof.and_then(|proof| proof.second().map(|second| (proof, second))) else {
        return Ok(Err(Refusal::LinkOver));
    };
    // From here on nobody signs in by either login, ends it, or links it.
    writer.lock_logins(&[proof.login_id, second.login]).await?;
    if !writer.consume_link_proof(link, caller.now).await? {
        return Ok(Err(Refusal::LinkOver));
    }
    // It is the subject that was proved, and a login that has it.
    let named = writer.login_of_subject(&second.subject).await?.map(|known| known.login.id);
    let is_live = writer.live_session_login(session.id, proof.login_id).await?.is_some();
    if named != Some(second.login) || !is_live {
        return Ok(Err(Refusal::LinkOver));
    }
    let sides = (side(&mut writer, proof.login_id).await?, side(&mut writer, second.login).await?);
    let (Some(first), Some(other)) = sides else { return Ok(Err(Refusal::LinkOver)) };
    let slot = match decide::link(&first, &other) {
        Ok(slot) => slot,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let emptied = other.login.person_id;
    let person = first.login.person_id;
    let ended = end_login(&mut writer, other.login.id, caller.now).await?
        + end_others_of(&mut writer, person, session.id, caller.now).await?;
    writer.move_login(other.login.id, person, slot).await?;
    writer.merge_person(emptied, person, caller.now).await?;
    writer.delete_link_proposal(first.login.id, other.login.id).await?;
    if !goes_on(&mut writer, own, cookies, &second).await? {
        return Ok(Err(Refusal::LinkOver));
    }
    record(&mut writer, own, [&first, &other], json!({ "person": person, "merged": emptied, "sessions_ended": ended })).await?;
    writer.commit().await?;
    Ok(Ok(Linked { first: first.login.id, second: other.login.id, person }))
}

/// The session goes on by another cookie, and the second login is signed in there too. Answers false when it is over, or another tab has
/// changed its cookie.
async fn goes_on(writer: &mut Writer, own: Own<'_>, cookies: Cookies<'_>, second: &SecondProof) -> Result<bool> {
    let Own { caller, session, .. } = own;
    let is_in = writer.insert_session_login(session.id, Sid::new(caller.now), second.login, &second.authentication).await?;
    if let Some(until) = second.authentication.session_until {
        writer.shorten_session(session.id, until).await?;
    }
    Ok(is_in && writer.change_cookie(session.id, cookies, caller.now).await?)
}

/// Both logins are told.
async fn record(writer: &mut Writer, own: Own<'_>, sides: [&Side; 2], details: Value) -> Result<()> {
    let [first, second] = sides;
    let event = |of: &Side, other: &Side| {
        let mut details = details.clone();
        details["other"] = json!(other.login.id);
        own.caller.event(EventKind::LoginLinked, of.login.id.uuid(), details)
    };
    Ok(writer.record(&[event(first, second), event(second, first)], own.caller.request_id).await?)
}
