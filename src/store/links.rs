//! Two logins of one person: links that are being made, proposals for them, and how persons merge and part.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::logins::login_columns;
use super::{Error, LoginRow, Reader, Result, Writer, sql};
use crate::model::{
    Actor, Authentication, ConnectionId, DirectoryId, LinkProofId, LoginId, Person, PersonId, SessionId, Slot, Subject, SubjectKind,
};

/// A link that begins: the active login of a session was proved, and another one is to be.
#[derive(Clone, Copy, Debug)]
pub struct NewLinkProof {
    pub id: LinkProofId,
    pub session_id: SessionId,
    pub login_id: LoginId,
    /// Where the other one has to prove itself.
    pub connection_id: ConnectionId,
    /// The one that it has to be, where a proposal names it.
    pub expected_login_id: Option<LoginId>,
    pub expires_at: DateTime<Utc>,
}

/// A link that is being made.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct LinkProofRow {
    pub id: LinkProofId,
    pub session_id: SessionId,
    pub login_id: LoginId,
    pub connection_id: ConnectionId,
    pub expected_login_id: Option<LoginId>,
    issuer: Option<String>,
    kind: Option<SubjectKind>,
    value: Option<String>,
    other_login_id: Option<LoginId>,
    authentication: Option<Json<Authentication>>,
    pub expires_at: DateTime<Utc>,
}

/// What was proved of the second login of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondProof {
    /// To the letter, what its identity provider called it.
    pub subject: Subject,
    /// The login that the subject then named.
    pub login: LoginId,
    pub authentication: Authentication,
}

impl LinkProofRow {
    /// What was proved of the second login, once it was.
    #[must_use]
    pub fn second(&self) -> Option<SecondProof> {
        let subject =
            Subject { connection: self.connection_id, issuer: self.issuer.clone()?, kind: self.kind?, value: self.value.clone()? };
        let Json(authentication) = self.authentication.clone()?;
        Some(SecondProof { subject, login: self.other_login_id?, authentication })
    }
}

/// An administrator's proposal.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct LinkProposalRow {
    pub login_id: LoginId,
    pub other_login_id: LoginId,
    #[sqlx(json)]
    pub created_by: Actor,
    pub created_at: DateTime<Utc>,
}

/// Two logins, the one with the smaller id first, as proposals keep them.
fn ordered(one: LoginId, other: LoginId) -> (LoginId, LoginId) {
    if one < other { (one, other) } else { (other, one) }
}

impl Reader {
    /// A link that is being made: neither finished nor over.
    pub async fn link_proof(&mut self, id: LinkProofId, now: DateTime<Utc>) -> Result<Option<LinkProofRow>> {
        sql!(
            self,
            fetch_optional::<LinkProofRow>(
                "select id, session_id, login_id, connection_id, expected_login_id, issuer, kind, value, other_login_id, authentication,
                   expires_at from link_proofs where tenant_id = $1 and id = $2 and consumed_at is null and expires_at > $3",
                id,
                now
            )
        )
    }

    /// The connections in use by which a login can sign in, the one that knows it longest first.
    pub async fn connections_of_login(&mut self, login: LoginId) -> Result<Vec<ConnectionId>> {
        let mut rows = sql!(
            self,
            fetch_all::<(DateTime<Utc>, ConnectionId)>(
                "select s.created_at, s.connection_id from subjects s join connections c on c.id = s.connection_id
                 where s.tenant_id = $1 and s.login_id = $2 and c.state = 'enabled'",
                login
            )
        )?;
        rows.sort_unstable();
        let mut connections: Vec<_> = rows.into_iter().map(|(_, id)| id).collect();
        connections.dedup();
        Ok(connections)
    }

    /// The connections in use that are joined with a directory, by which logins of it sign in for the first time.
    pub async fn connections_of_directory(&mut self, directory: DirectoryId) -> Result<Vec<ConnectionId>> {
        let rows = sql!(
            self,
            fetch_all::<(ConnectionId,)>(
                "select b.connection_id from bindings b join connections c on c.id = b.connection_id
                 where b.tenant_id = $1 and b.directory_id = $2 and c.state = 'enabled' order by b.connection_id",
                directory
            )
        )?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// What administrators proposed for a login, the oldest first.
    pub async fn link_proposals(&mut self, login: LoginId) -> Result<Vec<LinkProposalRow>> {
        let mut rows = sql!(
            self,
            fetch_all::<LinkProposalRow>(
                "select login_id, other_login_id, created_by, created_at from link_proposals where tenant_id = $1 and login_id = $2
                 union all
                 select login_id, other_login_id, created_by, created_at from link_proposals where tenant_id = $1 and other_login_id = $2",
                login
            )
        )?;
        rows.sort_by_key(|row| (row.created_at, row.login_id, row.other_login_id));
        Ok(rows)
    }

    /// The logins of a directory that have one of these user names, folded.
    pub async fn logins_named(&mut self, directory: DirectoryId, keys: &[String]) -> Result<Vec<LoginRow>> {
        let rows: Vec<_> = keys.iter().map(|key| serde_json::json!({ "key": key })).collect();
        sql!(
            self,
            fetch_all::<LoginRow>(
                concat!(
                    "select ",
                    login_columns!(),
                    ", l.scim from {rows $3} cross join logins l
                     where l.tenant_id = $1 and l.namespace_id = $2 and l.user_name_key = item.value ->> 'key'"
                ),
                directory,
                Json(&rows)
            )
        )
    }

    /// The logins of a directory that it says belong to the person of a user name, folded.
    pub async fn logins_hinting_at(&mut self, directory: DirectoryId, key: &str) -> Result<Vec<LoginRow>> {
        sql!(
            self,
            fetch_all::<LoginRow>(
                concat!(
                    "select ",
                    login_columns!(),
                    ", l.scim from logins l where l.tenant_id = $1 and l.directory_id = $2 and l.other_user_name_key = $3
                     order by l.id limit 3"
                ),
                directory,
                key
            )
        )
    }

    /// The user name, folded, that its directory gives the other login of a login's person, if it gives one.
    pub async fn other_user_name_key(&mut self, login: LoginId) -> Result<Option<String>> {
        let row = sql!(
            self,
            fetch_optional::<(Option<String>,)>("select other_user_name_key from logins where tenant_id = $1 and id = $2", login)
        )?;
        Ok(row.and_then(|(key,)| key))
    }
}

impl Writer {
    /// Begins a link.
    pub async fn insert_link_proof(&mut self, new: &NewLinkProof, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into link_proofs (tenant_id, id, session_id, login_id, connection_id, expected_login_id, created_at, expires_at)
                 values ($1, $2, $3, $4, $5, $6, $7, $8)",
                new.id,
                new.session_id,
                new.login_id,
                new.connection_id,
                new.expected_login_id,
                now,
                new.expires_at
            )
        )?;
        Ok(())
    }

    /// Notes what was proved of the second login of a link. Answers false when the link is over, or something was proved before.
    pub async fn prove_link(&mut self, id: LinkProofId, second: &SecondProof, now: DateTime<Utc>) -> Result<bool> {
        let proved = sql!(
            self,
            execute(
                "update link_proofs set issuer = $4, kind = $5, value = $6, other_login_id = $7, authentication = $8,
                   login_epoch = (select l.epoch from logins l where l.tenant_id = $1 and l.id = $7),
                   person_epoch = (select p.epoch from persons p join logins l on l.person_id = p.id where l.tenant_id = $1 and l.id = $7),
                   connection_epoch = (select c.epoch from connections c where c.tenant_id = $1 and c.id = $9)
                 where tenant_id = $1 and id = $2 and connection_id = $9 and other_login_id is null and consumed_at is null
                   and expires_at > $3",
                id,
                now,
                &second.subject.issuer,
                second.subject.kind,
                &second.subject.value,
                second.login,
                Json(&second.authentication),
                second.subject.connection
            )
        )?;
        Ok(proved == 1)
    }

    /// Takes a link that was proved, for whoever finishes it first. Answers false when it is over, or when the second login, its person, or the
    /// connection that it was proved at was touched since.
    pub async fn consume_link_proof(&mut self, id: LinkProofId, now: DateTime<Utc>) -> Result<bool> {
        let consumed = sql!(
            self,
            execute(
                "update link_proofs set consumed_at = $3
                 where tenant_id = $1 and id = $2 and consumed_at is null and expires_at > $3 and other_login_id is not null
                   and login_epoch = (select l.epoch from logins l where l.tenant_id = $1 and l.id = link_proofs.other_login_id)
                   and person_epoch = (select p.epoch from persons p join logins l on l.person_id = p.id
                     where l.tenant_id = $1 and l.id = link_proofs.other_login_id)
                   and connection_epoch = (select c.epoch from connections c
                     where c.tenant_id = $1 and c.id = link_proofs.connection_id and c.state = 'enabled')",
                id,
                now
            )
        )?;
        Ok(consumed == 1)
    }

    /// Keeps an administrator's proposal. Answers false when there is one already.
    pub async fn insert_link_proposal(&mut self, one: LoginId, other: LoginId, by: &Actor, now: DateTime<Utc>) -> Result<bool> {
        let (first, second) = ordered(one, other);
        let made = sql!(
            self,
            execute(
                "insert into link_proposals (tenant_id, login_id, other_login_id, created_by, created_at) values ($1, $2, $3, $4, $5)
                 on conflict (tenant_id, login_id, other_login_id) do nothing",
                first,
                second,
                Json(by),
                now
            )
        )?;
        Ok(made == 1)
    }

    /// Removes an administrator's proposal: it was withdrawn, turned down, or has become a link. Answers false when there is none.
    pub async fn delete_link_proposal(&mut self, one: LoginId, other: LoginId) -> Result<bool> {
        let (first, second) = ordered(one, other);
        let gone = sql!(
            self,
            execute("delete from link_proposals where tenant_id = $1 and login_id = $2 and other_login_id = $3", first, second)
        )?;
        Ok(gone == 1)
    }

    /// Takes a login with the other one of its person, by ascending id: what becomes of the one may touch the other.
    pub async fn lock_with_other_login(&mut self, login: LoginId) -> Result<Vec<LoginId>> {
        let rows = sql!(
            self,
            fetch_all::<(LoginId,)>(
                "select l.id from logins l where l.tenant_id = $1 and l.id in (
                   select o.id from logins s join logins o on o.person_id = s.person_id where s.tenant_id = $1 and s.id = $2)
                 order by l.id {for update}",
                login
            )
        )?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Takes a person, so that nobody else changes them until this transaction ends.
    pub async fn person_for_update(&mut self, id: PersonId) -> Result<Option<Person>> {
        sql!(
            self,
            fetch_optional::<Person>(
                "select id, state, epoch, merged_into, merged_at from persons where tenant_id = $1 and id = $2 {for update}",
                id
            )
        )
    }

    /// Moves a login, which takes part in no session, into a place of another person.
    pub async fn move_login(&mut self, login: LoginId, person: PersonId, slot: Slot) -> Result<()> {
        let moved = sql!(
            self,
            execute("update logins set person_id = $3, slot = $4 where tenant_id = $1 and id = $2", login, person, slot)
        )?;
        if moved == 1 { Ok(()) } else { Err(Error::Raced) }
    }

    /// Merges a person without logins into another one.
    pub async fn merge_person(&mut self, emptied: PersonId, into: PersonId, now: DateTime<Utc>) -> Result<()> {
        let merged = sql!(
            self,
            execute(
                "update persons set state = 'merged', open = $4, merged_into = $3, merged_at = $5
                 where tenant_id = $1 and id = $2 and state = 'active'",
                emptied,
                into,
                false,
                now
            )
        )?;
        if merged == 1 { Ok(()) } else { Err(Error::Raced) }
    }

    /// Restores a person that was merged into another one.
    pub async fn restore_person(&mut self, merged: PersonId) -> Result<()> {
        let restored = sql!(
            self,
            execute(
                "update persons set state = 'active', open = $3, merged_into = null, merged_at = null
                 where tenant_id = $1 and id = $2 and state = 'merged'",
                merged,
                true
            )
        )?;
        if restored == 1 { Ok(()) } else { Err(Error::Raced) }
    }

    /// Locks the local login of a person whose other login leaves, unless it is locked already, or marked as break-glass. Answers which.
    pub async fn suspend_local_login(&mut self, person: PersonId, by: LoginId, now: DateTime<Utc>) -> Result<Option<LoginId>> {
        let row = sql!(
            self,
            fetch_optional::<(LoginId,)>(
                "update logins set locked_at = $4, suspended_by = $3, version = version + 1, updated_at = $4
                 where tenant_id = $1 and person_id = $2 and id <> $3 and kind = 'local' and locked_at is null and not break_glass
                 returning id",
                person,
                by,
                now
            )
        )?;
        Ok(row.map(|(id,)| id))
    }

    /// Unlocks the local login that was locked because another one left. Answers which.
    pub async fn resume_local_login(&mut self, by: LoginId, now: DateTime<Utc>) -> Result<Option<LoginId>> {
        let row = sql!(
            self,
            fetch_optional::<(LoginId,)>(
                "update logins set locked_at = null, suspended_by = null, version = version + 1, updated_at = $3
                 where tenant_id = $1 and suspended_by = $2 returning id",
                by,
                now
            )
        )?;
        Ok(row.map(|(id,)| id))
    }

    /// Marks a local login as break-glass, or no longer.
    pub async fn set_break_glass(&mut self, login: LoginId, break_glass: bool, now: DateTime<Utc>) -> Result<()> {
        let written = sql!(
            self,
            execute(
                "update logins set break_glass = $3, version = version + 1, updated_at = $4
                 where tenant_id = $1 and id = $2 and kind = 'local'",
                login,
                break_glass,
                now
            )
        )?;
        if written == 1 { Ok(()) } else { Err(Error::Raced) }
    }
}
