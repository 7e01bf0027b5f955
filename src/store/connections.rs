//! Connections.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::types::Json;

use super::{Error, Reader, Result, Writer, sql};
use crate::keys::Sealed;
use crate::model::{AccountId, Connection, ConnectionId, ConnectionSettings, ConnectionState, DomainId, JitPolicy, MissingClaim};

macro_rules! connection_columns {
    () => {
        "id, slug, name, state, issuer, jit, missing_claim, home_account_id, contact, settings, epoch"
    };
}

/// A connection to be made.
#[derive(Clone, Debug)]
pub struct NewConnection<'a> {
    pub id: ConnectionId,
    pub slug: &'a str,
    pub name: &'a str,
    pub state: ConnectionState,
    pub issuer: &'a str,
    pub secret: Option<&'a Sealed>,
    pub jit: JitPolicy,
    pub missing_claim: MissingClaim,
    pub home_account_id: AccountId,
    pub contact: Option<&'a str>,
    pub settings: &'a ConnectionSettings,
}

/// What a connection is from now on, as events tell it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ConnectionChange<'a> {
    pub name: &'a str,
    pub issuer: &'a str,
    pub jit: JitPolicy,
    pub missing_claim: MissingClaim,
    pub contact: Option<&'a str>,
    pub settings: &'a ConnectionSettings,
}

impl Reader {
    /// A connection of the tenant.
    pub async fn connection(&mut self, id: ConnectionId) -> Result<Option<Connection>> {
        sql!(
            self,
            fetch_optional::<Connection>(
                concat!("select ", connection_columns!(), " from connections where tenant_id = $1 and id = $2"),
                id
            )
        )
    }

    /// All connections of the tenant, by name.
    pub async fn connections(&mut self) -> Result<Vec<Connection>> {
        sql!(
            self,
            fetch_all::<Connection>(concat!(
                "select ",
                connection_columns!(),
                " from connections where tenant_id = $1 order by name, id"
            ))
        )
    }

    /// The connection's client secret, sealed.
    pub async fn connection_secret(&mut self, id: ConnectionId) -> Result<Option<Sealed>> {
        let row = sql!(
            self,
            fetch_optional::<(Option<Sealed>,)>("select secret_sealed from connections where tenant_id = $1 and id = $2", id)
        )?;
        Ok(row.and_then(|(secret,)| secret))
    }

    /// The connections that people of an e-mail domain sign in with, if the tenant has proved the domain.
    pub async fn connections_of_domain(&mut self, domain: &str) -> Result<Vec<Connection>> {
        sql!(
            self,
            fetch_all::<Connection>(
                concat!(
                    "select ",
                    connection_columns!(),
                    " from connections where tenant_id = $1 and state = 'enabled' and id in (
                       select dc.connection_id from domain_connections dc join domains d on d.id = dc.domain_id
                       where d.tenant_id = $1 and d.domain = $2 and d.verified_at is not null)
                     order by name, id"
                ),
                domain
            )
        )
    }
}

impl Writer {
    /// A connection of the tenant, taken.
    pub async fn connection_for_update(&mut self, id: ConnectionId) -> Result<Option<Connection>> {
        sql!(
            self,
            fetch_optional::<Connection>(
                concat!("select ", connection_columns!(), " from connections where tenant_id = $1 and id = $2 {for update}"),
                id
            )
        )
    }

    /// Switches a connection on or off. Who is signed in by it is not asked.
    pub async fn set_connection_state(&mut self, id: ConnectionId, state: ConnectionState, now: DateTime<Utc>) -> Result<()> {
        let written = sql!(
            self,
            execute(
                "update connections set state = $3, version = version + 1, updated_at = $4 where tenant_id = $1 and id = $2",
                id,
                state,
                now
            )
        )?;
        if written == 1 { Ok(()) } else { Err(Error::Raced) }
    }

    /// Changes what a connection is. Who is signed in by it is not asked.
    pub async fn change_connection(&mut self, id: ConnectionId, change: &ConnectionChange<'_>, now: DateTime<Utc>) -> Result<()> {
        let written = sql!(
            self,
            execute(
                "update connections set name = $3, issuer = $4, jit = $5, missing_claim = $6, contact = $7, settings = $8,
                   version = version + 1, updated_at = $9
                 where tenant_id = $1 and id = $2",
                id,
                change.name,
                change.issuer,
                change.jit,
                change.missing_claim,
                change.contact,
                Json(change.settings),
                now
            )
        )?;
        if written == 1 { Ok(()) } else { Err(Error::Raced) }
    }

    /// Makes a connection.
    pub async fn insert_connection(&mut self, new: &NewConnection<'_>, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into connections (tenant_id, id, slug, name, protocol, state, issuer, secret_sealed, jit, missing_claim,
                   home_account_id, contact, settings, epoch, version, created_at, updated_at)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, 1, $14, $14)",
                new.id,
                new.slug,
                new.name,
                new.settings.protocol(),
                new.state,
                new.issuer,
                new.secret,
                new.jit,
                new.missing_claim,
                new.home_account_id,
                new.contact,
                Json(new.settings),
                now
            )
        )?;
        Ok(())
    }

    /// Records that the tenant has proved an e-mail domain, and which connections its people use.
    pub async fn insert_domain(
        &mut self,
        id: DomainId,
        domain: &str,
        proof: &str,
        connections: &[ConnectionId],
        now: DateTime<Utc>,
    ) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into domains (tenant_id, id, domain, proof, shared, verified_at, checked_at, failures, created_at)
                 values ($1, $2, $3, $4, $5, $6, $6, 0, $6)",
                id,
                domain,
                proof,
                false,
                now
            )
        )?;
        sql!(
            self,
            execute(
                "insert into domain_connections (tenant_id, domain_id, connection_id)
                 select $1, $2, id from connections where tenant_id = $1 and id in {ids $3}",
                id,
                Json(connections)
            )
        )?;
        Ok(())
    }
}
