//! The store: one SQL text a statement, two engines.
//!
//! SQLite is embedded and needs no server; PostgreSQL serves any number of replicas. A statement is written once, inside [`sql!`],
//! in words that both understand ([`dialect`] holds the few exceptions), and lives in the file of its noun.
//!
//! The wall between tenants is the type: [`Store::read`] and [`Store::write`] want a tenant, and [`sql!`] binds it as `$1` of every
//! statement. Only [`Doors`] looks across tenants, to find out which one a token, a cookie or a state belongs to.
//!
//! A [`Writer`] is one transaction. It is never held while something else is waited for: load, then talk to the network, then
//! write. Dropped without [`Writer::commit`] it leaves no trace. A command that lost a race is run again as a whole: [`retry`].

mod accounts;
mod approvals;
mod assertions;
mod assignments;
mod authorization_requests;
mod certificates;
mod clients;
mod connection_keys;
mod connection_metadata;
mod connections;
mod dialect;
mod directories;
mod doors;
mod doors_deliveries;
mod doors_openid;
mod doors_saml;
mod ending;
mod error;
mod events;
pub mod filter;
mod grants;
mod group_members;
mod groups;
mod held;
mod idempotency;
mod jobs;
mod links;
pub mod list;
mod logins;
mod memberships;
mod migrations;
pub mod order;
mod pairs;
mod pending_logouts;
mod people;
mod person_keys;
mod persons;
mod provisioning_log;
mod retry;
mod roles;
mod seals;
mod secrets;
mod server;
mod session_logins;
mod sessions;
mod signing_keys;
mod statistics;
mod subjects;
mod tombstones;

use std::ops::{Deref, DerefMut};
use std::str::FromStr as _;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction};

pub use self::accounts::AccountRow;
pub use self::approvals::ApprovalQuery;
pub use self::assignments::{HolderRow, LoginOfExtract, NewAssignment};
pub use self::authorization_requests::{AuthorizationRequestRow, NewAuthorizationRequest};
pub use self::certificates::{CertificateRow, NewCertificate};
pub use self::clients::{NewAccessToken, NewClient};
pub use self::connection_keys::{ConnectionKeyRow, NewConnectionKey};
pub use self::connection_metadata::MetadataRow;
pub use self::connections::{ConnectionChange, NewConnection};
pub use self::directories::{NewDirectory, Uniqueness};
pub use self::doors::{AccessTokenRow, ClientRow, Doors, TenantFigures, TokenRow};
pub use self::doors_deliveries::{Delivered, DeliveryRow, ToldPortal};
pub use self::doors_openid::{CodeRow, PortalRow, RefreshTokenRow};
pub use self::doors_saml::DueMetadata;
pub use self::ending::EndingRow;
pub use self::error::{Constraint, Error, Result};
pub use self::events::{EventQuery, EventRow};
pub use self::grants::NewGrant;
pub use self::group_members::{GROUP_MEMBER_LAYOUT, GroupMemberRow};
pub use self::groups::{GROUP_LAYOUT, GroupRow, NewGroup};
pub use self::held::hold;
pub use self::idempotency::{KeyRow, NewClaim};
pub use self::jobs::NewJob;
pub use self::links::{LinkProofRow, LinkProposalRow, NewLinkProof, SecondProof};
pub use self::list::{Mark, Page, Start};
pub use self::logins::{FactsRow, GroupFact, LoginDocument, LoginName, LoginRow, NewLogin, USER_LAYOUT};
pub use self::memberships::MemberRow;
pub use self::migrations::{MIGRATIONS, MigrationState};
pub use self::order::Order;
pub use self::pairs::ProvedRow;
pub use self::pending_logouts::{NewPendingLogout, PendingLogoutRow};
pub use self::people::{PeopleQuery, PersonRow, PresenceState};
pub use self::person_keys::EventValuesRow;
pub use self::provisioning_log::{DirectoryFigures, LogEntry, LogPosition, LogQuery, LogRow, Outcome};
pub use self::retry::{Races, retry};
pub use self::roles::{GrantRow, HeldRoleRow, HeldRow, NewRule, RoleRow};
pub use self::seals::{LastSeal, NewSeal, SealRow, Unsealed};
pub use self::secrets::NewToken;
pub use self::session_logins::{Cookies, SessionLoginRow, SessionOfNameId};
pub use self::sessions::{NewPending, NewSession, NewTrace, PendingRow, SessionRow};
pub use self::signing_keys::{NewSigningKey, SigningKeyRow};
pub use self::subjects::{KnownLogin, PairAttribute};
pub use self::tombstones::NewTombstone;
use crate::model::TenantId;

/// Which database runs below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// The database, cheap to clone.
#[derive(Clone, Debug)]
pub enum Store {
    /// A file beside the program: many readers, one writer connection.
    Sqlite { readers: SqlitePool, writer: SqlitePool },
    /// A server that any number of replicas share.
    Postgres(PgPool),
}

/// How long a statement may wait for a connection before the service says that it is overloaded.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

impl Store {
    /// Opens the database that `url` names, `sqlite:PATH` or `postgres://…`. Does not touch its schema.
    ///
    /// # Errors
    /// When the URL names neither engine, or the database does not answer.
    pub async fn open(url: &str, max_connections: u32) -> Result<Self> {
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            return Ok(Self::Postgres(server::open(url, max_connections).await?));
        }
        let options = SqliteConnectOptions::from_str(url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // NORMAL may lose a commit that was acknowledged when power fails.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5))
            .disable_statement_logging();
        let writer =
            SqlitePoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_TIMEOUT).connect_with(options.clone()).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await?;
        Ok(Self::Sqlite { readers, writer })
    }

    /// Which engine this is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match self {
            Self::Sqlite { .. } => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    /// Reads of one tenant, each statement by itself.
    #[must_use]
    pub fn read(&self, tenant: TenantId) -> Reader {
        let link = match self {
            Self::Sqlite { readers, .. } => Link::Sqlite(SqliteLink::Pool(readers.clone())),
            Self::Postgres(pool) => Link::Postgres(PgLink::Pool(pool.clone())),
        };
        Reader { link, tenant }
    }

    /// One transaction of one tenant.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn write(&self, tenant: TenantId) -> Result<Writer> {
        held::settle().await?;
        let link = match self {
            // `begin immediate` takes the write lock at once: a plain `begin` that later wants to write loses to whoever was first.
            Self::Sqlite { writer, .. } => Link::Sqlite(SqliteLink::Transaction(writer.begin_with("begin immediate").await?)),
            Self::Postgres(pool) => Link::Postgres(PgLink::Transaction(pool.begin().await?)),
        };
        Ok(Writer { reader: Reader { link, tenant }, shared_rules: None })
    }

    /// The few looks across tenants.
    #[must_use]
    pub fn doors(&self) -> Doors {
        Doors::new(self.read(TenantId::OPERATOR))
    }

    /// Asks the database a question that any healthy one answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<()> {
        match self {
            Self::Sqlite { readers, .. } => sqlx::query("select 1").execute(readers).await.map(drop)?,
            Self::Postgres(pool) => sqlx::query("select 1").execute(pool).await.map(drop)?,
        }
        Ok(())
    }

    /// Closes all connections, after the statements that run.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { readers, writer } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl TenantId {
    /// The operator's own tenant, which the first migration makes.
    pub const OPERATOR: Self = Self::from_uuid(uuid::Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001));
}

/// Statements of one tenant.
#[derive(Debug)]
pub struct Reader {
    link: Link,
    tenant: TenantId,
}

/// One transaction of one tenant.
#[derive(Debug)]
pub struct Writer {
    reader: Reader,
    /// The version of the tenant's set of rules, once it is shared.
    shared_rules: Option<i64>,
}

#[derive(Debug)]
enum Link {
    Sqlite(SqliteLink),
    Postgres(PgLink),
}

#[derive(Debug)]
enum SqliteLink {
    Pool(SqlitePool),
    Transaction(Transaction<'static, Sqlite>),
}

#[derive(Debug)]
enum PgLink {
    Pool(PgPool),
    Transaction(Transaction<'static, Postgres>),
}

/// A connection for one statement: borrowed from the transaction, or taken from the pool and given back.
enum Lent<'a, C, P> {
    Borrowed(&'a mut C),
    Pooled(P),
}

impl<C, P: Deref<Target = C>> Deref for Lent<'_, C, P> {
    type Target = C;
    fn deref(&self) -> &C {
        match self {
            Self::Borrowed(connection) => connection,
            Self::Pooled(connection) => connection,
        }
    }
}

impl<C, P: DerefMut<Target = C>> DerefMut for Lent<'_, C, P> {
    fn deref_mut(&mut self) -> &mut C {
        match self {
            Self::Borrowed(connection) => connection,
            Self::Pooled(connection) => connection,
        }
    }
}

impl SqliteLink {
    async fn lend(&mut self) -> Result<Lent<'_, SqliteConnection, PoolConnection<Sqlite>>> {
        Ok(match self {
            Self::Pool(pool) => Lent::Pooled(pool.acquire().await?),
            Self::Transaction(transaction) => Lent::Borrowed(transaction),
        })
    }
}

impl PgLink {
    async fn lend(&mut self) -> Result<Lent<'_, PgConnection, PoolConnection<Postgres>>> {
        Ok(match self {
            Self::Pool(pool) => Lent::Pooled(pool.acquire().await?),
            Self::Transaction(transaction) => Lent::Borrowed(transaction),
        })
    }
}

impl Reader {
    /// The tenant that every statement is bound to.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Whether it reads within a transaction, and so perhaps what is not committed.
    #[must_use]
    pub fn is_transaction(&self) -> bool {
        matches!(self.link, Link::Sqlite(SqliteLink::Transaction(_)) | Link::Postgres(PgLink::Transaction(_)))
    }

    fn reader(&mut self) -> &mut Self {
        self
    }

    fn engine(&self) -> Engine {
        match self.link {
            Link::Sqlite(_) => Engine::Sqlite,
            Link::Postgres(_) => Engine::Postgres,
        }
    }
}

impl Writer {
    /// Makes everything that was written true, at once and for good; within [`hold`] as soon as that is over.
    ///
    /// # Errors
    /// When the database cannot promise it; then nothing was written.
    pub async fn commit(self) -> Result<()> {
        match held::put(self) {
            Some(writer) => writer.commit_now().await,
            None => Ok(()),
        }
    }

    async fn commit_now(self) -> Result<()> {
        match self.reader.link {
            Link::Sqlite(SqliteLink::Transaction(transaction)) => transaction.commit().await?,
            Link::Postgres(PgLink::Transaction(transaction)) => transaction.commit().await?,
            // A Writer is only ever made with a transaction.
            Link::Sqlite(SqliteLink::Pool(_)) | Link::Postgres(PgLink::Pool(_)) => {}
        }
        Ok(())
    }
}

impl Deref for Writer {
    type Target = Reader;
    fn deref(&self) -> &Reader {
        &self.reader
    }
}

impl DerefMut for Writer {
    fn deref_mut(&mut self) -> &mut Reader {
        &mut self.reader
    }
}

/// Later than everything that is logged: the last second that both engines compare rightly.
const NEVER: DateTime<Utc> = DateTime::from_timestamp(253_402_300_799, 0).expect("a second of the year 9999");

/// Bytes in hexadecimal digits, as the `{bytes …}` of a statement reads them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

/// Runs one statement of a [`Reader`] or [`Writer`], on whichever engine it has.
///
/// The tenant is bound as `$1`, the arguments from `$2` on. `execute` answers how many rows it touched; the others read rows
/// into the named type.
macro_rules! sql {
    ($on:expr, execute($text:expr $(, $argument:expr)* $(,)?)) => {
        $crate::store::statement!(@run $on, $text, tenant, [tenant $(, $argument)*], text, connection,
            sqlx::query::<Db>(text), |query| query.execute(&mut *connection).await.map(|done| done.rows_affected()))
    };
    ($on:expr, $fetch:ident::<$row:ty>($text:expr $(, $argument:expr)* $(,)?)) => {
        $crate::store::statement!(@run $on, $text, tenant, [tenant $(, $argument)*], text, connection,
            sqlx::query_as::<Db, $row>(text), |query| query.$fetch(&mut *connection).await)
    };
}

/// Like [`sql!`], for the doors alone: no tenant is bound, and the arguments begin at `$1`.
macro_rules! door {
    ($on:expr, execute($text:expr $(, $argument:expr)* $(,)?)) => {
        $crate::store::statement!(@run $on, $text, tenant, [$($argument),*], text, connection,
            sqlx::query::<Db>(text), |query| query.execute(&mut *connection).await.map(|done| done.rows_affected()))
    };
    ($on:expr, $fetch:ident::<$row:ty>($text:expr $(, $argument:expr)* $(,)?)) => {
        $crate::store::statement!(@run $on, $text, tenant, [$($argument),*], text, connection,
            sqlx::query_as::<Db, $row>(text), |query| query.$fetch(&mut *connection).await)
    };
}

/// The common part: the session is taken apart first, so that arguments may borrow from whoever asks.
macro_rules! statement {
    (@run $on:expr, $text:expr, $tenant:ident, [$($argument:expr),*], $written:ident, $connection:ident,
        $query:expr, |$bound:ident| $run:expr) => {{
        use tracing::Instrument as _;
        static SQLITE: std::sync::OnceLock<&'static str> = std::sync::OnceLock::new();
        static POSTGRES: std::sync::OnceLock<&'static str> = std::sync::OnceLock::new();
        let $crate::store::Reader { link, tenant: $tenant } = $on.reader();
        let $tenant = *$tenant;
        // A door does not bind it.
        let _ = $tenant;
        let span = $crate::store::statement_span($text);
        match link {
            $crate::store::Link::Sqlite(link) => {
                type Db = sqlx::Sqlite;
                let $written = *SQLITE.get_or_init(|| $crate::store::Engine::Sqlite.render($text));
                async {
                    let mut $connection = link.lend().await?;
                    let $bound = $query$(.bind($argument))*;
                    Ok::<_, $crate::store::Error>($run?)
                }.instrument(span).await
            }
            $crate::store::Link::Postgres(link) => {
                type Db = sqlx::Postgres;
                let $written = *POSTGRES.get_or_init(|| $crate::store::Engine::Postgres.render($text));
                async {
                    let mut $connection = link.lend().await?;
                    let $bound = $query$(.bind($argument))*;
                    Ok::<_, $crate::store::Error>($run?)
                }.instrument(span).await
            }
        }
    }};
}
use {door, sql, statement};

/// A span a statement, with the text as written here: it has marks and places, never values.
fn statement_span(text: &str) -> tracing::Span {
    tracing::debug_span!("sql", otel.kind = "client", db.query.text = text)
}
