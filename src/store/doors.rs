//! The doors: the only looks across tenants, each to learn which tenant something belongs to.
//!
//! A statement here has no `tenant_id = $1`; every answer holds a tenant, and whoever asks goes on with a [`super::Reader`] or
//! [`super::Writer`] of that one.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::{PendingRow, Reader, Result, door};
use crate::keys::HashedToken;
use crate::model::{
    AccountId, ClientId, ClientScopes, ConnectionId, Directory, DirectoryId, DirectorySettings, HolderId, Scopes, Session,
    SessionLimits, Tenant, TenantId, TenantLimits, TenantState, TokenId,
};

/// Looks across tenants.
#[derive(Debug)]
pub struct Doors {
    reader: Reader,
}

/// A directory's token with its directory.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct TokenRow {
    pub tenant_id: TenantId,
    pub token_id: TokenId,
    pub digest: HashedToken,
    #[sqlx(json)]
    pub scopes: Scopes,
    pub expires_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
    #[sqlx(flatten)]
    pub directory: Directory,
}

/// A client that works for itself, with what proves it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ClientRow {
    pub tenant_id: TenantId,
    pub id: ClientId,
    /// A client without a secret proves nothing.
    pub secret_digest: Option<HashedToken>,
    #[sqlx(json)]
    pub scopes: ClientScopes,
    pub within_id: AccountId,
}

/// An access token with its client.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct AccessTokenRow {
    pub tenant_id: TenantId,
    pub client_id: ClientId,
    pub digest: HashedToken,
    #[sqlx(json)]
    pub scopes: ClientScopes,
    pub within_id: AccountId,
    pub expires_at: DateTime<Utc>,
}

/// A tenant, as the operator sees it in a list.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct TenantFigures {
    pub tenant_id: TenantId,
    pub slug: String,
    pub name: String,
    pub catalogue: String,
    pub state: TenantState,
    pub created_at: DateTime<Utc>,
    pub accounts: i64,
    pub directories: i64,
    pub connections: i64,
}

impl Doors {
    pub(super) fn new(reader: Reader) -> Self {
        Self { reader }
    }

    pub(super) fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    /// A bearer token of a directory, by its public prefix. Revoked ones, and those of directories that are off, are not found.
    pub async fn token(&mut self, prefix: &str) -> Result<Option<TokenRow>> {
        door!(
            self,
            fetch_optional::<TokenRow>(
                "select t.tenant_id, t.id as token_id, t.digest, t.scopes, t.expires_at, t.last_used_at,
                   d.id, d.slug, d.name, d.profile, d.home_account_id, d.settings, d.trace_until
                 from tokens t join directories d on d.id = t.directory_id join tenants n on n.tenant_id = t.tenant_id
                 where t.prefix = $1 and t.revoked_at is null and d.state = 'enabled' and n.state = 'active'",
                prefix
            )
        )
    }

    /// A client that works for itself, by what it calls itself. Revoked ones are not found.
    pub async fn client(&mut self, client_id: &str) -> Result<Option<ClientRow>> {
        door!(
            self,
            fetch_optional::<ClientRow>(
                "select c.tenant_id, c.id, c.secret_digest, c.scopes, c.within_id from clients c join tenants n on n.tenant_id = c.tenant_id
                 where c.client_id = $1 and c.within_id is not null and c.revoked_at is null and n.state = 'active'",
                client_id
            )
        )
    }

    /// An access token, by its public prefix. Those of revoked clients are not found.
    pub async fn access_token(&mut self, prefix: &str) -> Result<Option<AccessTokenRow>> {
        door!(
            self,
            fetch_optional::<AccessTokenRow>(
                "select t.tenant_id, t.client_id, t.digest, t.scopes, c.within_id, t.expires_at
                 from access_tokens t join clients c on c.id = t.client_id join tenants n on n.tenant_id = t.tenant_id
                 where t.prefix = $1 and c.within_id is not null and c.revoked_at is null and n.state = 'active'",
                prefix
            )
        )
    }

    /// An enabled directory of an active tenant.
    pub async fn directory(&mut self, id: DirectoryId) -> Result<Option<(TenantId, Directory)>> {
        #[derive(sqlx::FromRow)]
        struct Row {
            tenant_id: TenantId,
            #[sqlx(flatten)]
            directory: Directory,
        }
        let row = door!(
            self,
            fetch_optional::<Row>(
                "select n.tenant_id, d.id, d.slug, d.name, d.profile, d.home_account_id, d.settings, d.trace_until
                 from directories d join tenants n on n.tenant_id = d.tenant_id
                 where d.id = $1 and d.state = 'enabled' and n.state = 'active'",
                id
            )
        )?;
        Ok(row.map(|row| (row.tenant_id, row.directory)))
    }

    /// A live session, by the digest of its cookie. One is not found whose login, person, connection or tenant was touched since, or that is
    /// over by the limits of its tenant or of the service.
    pub async fn session(&mut self, digest: &HashedToken, now: DateTime<Utc>, service: SessionLimits) -> Result<Option<Session>> {
        #[derive(sqlx::FromRow)]
        struct Row {
            #[sqlx(flatten)]
            session: Session,
            #[sqlx(flatten)]
            limits: TenantLimits,
        }
        let row = door!(
            self,
            fetch_optional::<Row>(
                "select s.id, s.tenant_id, s.person_id, s.active_login_id, s.created_at, s.last_seen_at, s.expires_at,
                   t.session_idle, t.session_absolute
                 from sessions s
                   join session_logins sl on sl.session_id = s.id and sl.login_id = s.active_login_id
                   join logins l on l.id = sl.login_id
                   join persons p on p.id = l.person_id
                   join tenants t on t.tenant_id = s.tenant_id
                   left join connections c on c.id = sl.connection_id
                 where s.digest = $1
                   and l.active and l.locked_at is null and l.epoch = sl.login_epoch and l.person_id = s.person_id
                   and p.state = 'active' and p.epoch = sl.person_epoch
                   and t.state = 'active' and t.epoch = sl.tenant_epoch
                   and (c.id is null or (c.state = 'enabled' and c.epoch = sl.connection_epoch))",
                digest
            )
        )?;
        Ok(row.and_then(|Row { session, limits }| {
            let Session { created_at, last_seen_at, expires_at, .. } = session;
            let expires_at = service.narrowed(limits).end(created_at, last_seen_at, expires_at, now)?;
            Some(Session { expires_at, ..session })
        }))
    }

    /// A sign-in that waits for its callback, by the digest of its state; also one that was used, until it expires.
    pub async fn pending_sign_in(&mut self, state: &HashedToken) -> Result<Option<(TenantId, PendingRow)>> {
        #[derive(sqlx::FromRow)]
        struct Row {
            tenant_id: TenantId,
            #[sqlx(flatten)]
            pending: PendingRow,
        }
        let row = door!(
            self,
            fetch_optional::<Row>(
                "select tenant_id, id, connection_id, browser_digest, demand, purpose, proof_sealed, return_to, created_at, expires_at,
                   consumed_at
                 from pending_sign_ins where state_digest = $1",
                state
            )
        )?;
        Ok(row.map(|row| (row.tenant_id, row.pending)))
    }

    /// The tenant that a connection belongs to, for the address with which a sign-in begins. Nobody signs in at one that is suspended.
    pub async fn tenant_of_connection(&mut self, id: ConnectionId) -> Result<Option<TenantId>> {
        let row = door!(
            self,
            fetch_optional::<(TenantId,)>(
                "select c.tenant_id from connections c join tenants t on t.tenant_id = c.tenant_id where c.id = $1 and t.state = 'active'",
                id
            )
        )?;
        Ok(row.map(|(tenant,)| tenant))
    }

    /// The tenants that have proved an e-mail domain; several only where the operator lets them share it.
    pub async fn tenants_of_domain(&mut self, domain: &str) -> Result<Vec<TenantId>> {
        let rows = door!(
            self,
            fetch_all::<(TenantId,)>(
                "select tenant_id from domains where domain = $1 and verified_at is not null order by tenant_id",
                domain
            )
        )?;
        Ok(rows.into_iter().map(|(tenant,)| tenant).collect())
    }

    /// A tenant by its short name in configuration.
    pub async fn tenant_by_slug(&mut self, slug: &str) -> Result<Option<Tenant>> {
        door!(
            self,
            fetch_optional::<Tenant>("select tenant_id, slug, name, catalogue, created_at from tenants where slug = $1", slug)
        )
    }

    /// Every tenant but the operator's.
    pub async fn tenants(&mut self) -> Result<Vec<Tenant>> {
        door!(
            self,
            fetch_all::<Tenant>(
                "select tenant_id, slug, name, catalogue, created_at from tenants where not reserved order by slug"
            )
        )
    }

    /// Tenants as the operator sees them, without their own, by slug after a place.
    pub async fn tenant_figures(&mut self, after: &str, limit: u32) -> Result<Vec<TenantFigures>> {
        door!(
            self,
            fetch_all::<TenantFigures>(
                "select t.tenant_id, t.slug, t.name, t.catalogue, t.state, t.created_at,
                   (select count(*) from accounts a where a.tenant_id = t.tenant_id) as accounts,
                   (select count(*) from directories d where d.tenant_id = t.tenant_id) as directories,
                   (select count(*) from connections c where c.tenant_id = t.tenant_id) as connections
                 from tenants t where not t.reserved and t.slug > $1 order by t.slug limit $2",
                after,
                i64::from(limit)
            )
        )
    }

    /// A tenant as the operator sees it, by its slug; their own is none.
    pub async fn figures_of_tenant(&mut self, slug: &str) -> Result<Option<TenantFigures>> {
        door!(
            self,
            fetch_optional::<TenantFigures>(
                "select t.tenant_id, t.slug, t.name, t.catalogue, t.state, t.created_at,
                   (select count(*) from accounts a where a.tenant_id = t.tenant_id) as accounts,
                   (select count(*) from directories d where d.tenant_id = t.tenant_id) as directories,
                   (select count(*) from connections c where c.tenant_id = t.tenant_id) as connections
                 from tenants t where not t.reserved and t.slug = $1",
                slug
            )
        )
    }

    /// Every tenant, the operator's too.
    pub async fn tenant_ids(&mut self) -> Result<Vec<TenantId>> {
        let rows = door!(self, fetch_all::<(TenantId,)>("select tenant_id from tenants order by tenant_id"))?;
        Ok(rows.into_iter().map(|(tenant,)| tenant).collect())
    }

    /// Every directory of every tenant, with its settings: for what is done to all of them now and then.
    pub async fn all_directories(&mut self) -> Result<Vec<(TenantId, DirectoryId, DirectorySettings)>> {
        let rows = door!(
            self,
            fetch_all::<(TenantId, DirectoryId, Json<DirectorySettings>)>(
                "select tenant_id, id, settings from directories order by id"
            )
        )?;
        Ok(rows.into_iter().map(|(tenant, id, Json(settings))| (tenant, id, settings)).collect())
    }

    /// The tenants with a job that is not finished.
    pub async fn tenants_with_jobs(&mut self) -> Result<Vec<TenantId>> {
        let rows = door!(
            self,
            fetch_all::<(TenantId,)>("select distinct tenant_id from jobs where finished_at is null order by tenant_id")
        )?;
        Ok(rows.into_iter().map(|(tenant,)| tenant).collect())
    }

    /// The tenants in which sessions are over that are still to be removed.
    pub async fn tenants_with_endings(&mut self) -> Result<Vec<TenantId>> {
        let rows = door!(self, fetch_all::<(TenantId,)>("select distinct tenant_id from endings order by tenant_id"))?;
        Ok(rows.into_iter().map(|(tenant,)| tenant).collect())
    }

    /// A value that marks the database as a whole.
    pub async fn mark(&mut self, key: &str) -> Result<Option<String>> {
        let row = door!(self, fetch_optional::<(String,)>("select value from marks where key = $1", key))?;
        Ok(row.map(|(value,)| value))
    }
}

impl super::Writer {
    /// Marks the database as a whole. A mark that is there stays.
    pub async fn set_mark(&mut self, key: &str, value: &str) -> Result<()> {
        door!(self, execute("insert into marks (key, value) values ($1, $2) on conflict (key) do nothing", key, value))?;
        Ok(())
    }

    /// Takes a lease, or holds it longer: nobody else has it until `until`. Answers `false` when somebody else has it now. Held by a
    /// transaction that is not ended, it is waited for.
    pub async fn take_lease(&mut self, name: &str, holder: HolderId, now: DateTime<Utc>, until: DateTime<Utc>) -> Result<bool> {
        let rows = door!(
            self,
            execute(
                "insert into leases (name, holder, until) values ($1, $2, $3)
                 on conflict (name) do update set holder = $2, until = $3 where leases.holder = $2 or leases.until <= $4",
                name,
                holder,
                until,
                now
            )
        )?;
        Ok(rows > 0)
    }

    /// Removes pending sign-ins and logouts, waiting authorization requests, links that were not finished and access tokens whose time is over,
    /// everywhere. Sessions are ended instead, see `end_sessions`.
    pub async fn purge_expired(&mut self, now: DateTime<Utc>) -> Result<u64> {
        let pending = door!(self, execute("delete from pending_sign_ins where expires_at < $1", now))?;
        let requests = door!(self, execute("delete from authorization_requests where expires_at < $1", now))?;
        let tokens = door!(self, execute("delete from access_tokens where expires_at < $1", now))?;
        let links = door!(self, execute("delete from link_proofs where expires_at < $1", now))?;
        let logouts = door!(self, execute("delete from pending_logouts where expires_at < $1", now))?;
        Ok(pending + requests + tokens + links + logouts)
    }

    /// Removes what requests with idempotency keys were answered before an instant, everywhere, at most `limit`. Answers how many.
    pub async fn purge_idempotency_keys(&mut self, before: DateTime<Utc>, limit: u32) -> Result<u64> {
        door!(
            self,
            execute(
                "delete from idempotency_keys where (tenant_id, asker_id, key) in (
                   select tenant_id, asker_id, key from idempotency_keys where created_at < $1 order by created_at limit $2)",
                before,
                i64::from(limit)
            )
        )
    }

    /// Removes jobs that were finished before an instant, everywhere. Answers how many.
    pub async fn purge_jobs(&mut self, before: DateTime<Utc>) -> Result<u64> {
        door!(self, execute("delete from jobs where finished_at < $1", before))
    }

    /// Removes traces of sign-ins from before an instant, everywhere, the oldest first and at most `limit`. Answers how many.
    pub async fn purge_traces(&mut self, before: DateTime<Utc>, limit: u32) -> Result<u64> {
        door!(
            self,
            execute(
                "delete from sign_in_traces where id in (select id from sign_in_traces where at < $1 order by at limit $2)",
                before,
                i64::from(limit)
            )
        )
    }
}
