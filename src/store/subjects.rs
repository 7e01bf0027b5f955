//! Subjects: what identity providers call logins.

use chrono::{DateTime, Utc};

use super::logins::login_columns;
use super::{Result, Writer, sql};
use crate::model::{ConnectionId, DirectoryId, Login, LoginId, PersonState, Subject};

/// A login as a sign-in finds it.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct KnownLogin {
    #[sqlx(flatten)]
    pub login: Login,
    pub person_state: PersonState,
    /// It already has a subject of the connection that asks, as that is now: one by another issuer, which the connection had before, names nobody
    /// any more.
    pub bound: bool,
}

impl Writer {
    /// The login that a subject names, taken for update.
    pub async fn login_of_subject(&mut self, subject: &Subject) -> Result<Option<KnownLogin>> {
        sql!(
            self,
            fetch_optional::<KnownLogin>(
                concat!(
                    "select ",
                    login_columns!(),
                    ", p.state as person_state, $6 as bound from subjects s
                     join logins l on l.id = s.login_id join persons p on p.id = l.person_id
                     where s.tenant_id = $1 and s.connection_id = $2 and s.issuer = $3 and s.kind = $4 and s.value = $5 {for update}"
                ),
                subject.connection,
                &subject.issuer,
                subject.kind,
                &subject.value,
                true
            )
        )
    }

    /// The live logins of a directory whose attribute has exactly this value, taken for update.
    pub async fn logins_of_pair(
        &mut self,
        directory: DirectoryId,
        attribute: PairAttribute<'_>,
        connection: ConnectionId,
    ) -> Result<Vec<KnownLogin>> {
        match attribute {
            PairAttribute::ExternalId(value) => sql!(
                self,
                fetch_all::<KnownLogin>(
                    concat!(
                        "select ",
                        login_columns!(),
                        ", p.state as person_state, exists (
                             select 1 from subjects s join connections c on c.id = s.connection_id and c.issuer = s.issuer
                             where s.login_id = l.id and s.connection_id = $4) as bound
                         from logins l join persons p on p.id = l.person_id
                         where l.tenant_id = $1 and l.directory_id = $2 and l.external_id = $3 order by l.id limit 2 {for update}"
                    ),
                    directory,
                    value,
                    connection
                )
            ),
            PairAttribute::UserName { key, value } => sql!(
                self,
                fetch_all::<KnownLogin>(
                    concat!(
                        "select ",
                        login_columns!(),
                        ", p.state as person_state, exists (
                             select 1 from subjects s join connections c on c.id = s.connection_id and c.issuer = s.issuer
                             where s.login_id = l.id and s.connection_id = $5) as bound
                         from logins l join persons p on p.id = l.person_id
                         where l.tenant_id = $1 and l.namespace_id = $2 and l.user_name_key = $3 and l.user_name = $4
                         order by l.id limit 2 {for update}"
                    ),
                    directory,
                    key,
                    value,
                    connection
                )
            ),
        }
    }

    /// Binds a subject to a login, for ever.
    pub async fn insert_subject(&mut self, login: LoginId, subject: &Subject, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into subjects (tenant_id, login_id, connection_id, issuer, kind, value, created_at)
                 values ($1, $2, $3, $4, $5, $6, $7)",
                login,
                subject.connection,
                &subject.issuer,
                subject.kind,
                &subject.value,
                now
            )
        )?;
        Ok(())
    }
}

/// The value that an attribute of a provisioned login must have.
#[derive(Clone, Copy, Debug)]
pub enum PairAttribute<'a> {
    ExternalId(&'a str),
    /// Looked up by its key, then compared exactly.
    UserName {
        key: &'a str,
        value: &'a str,
    },
}
