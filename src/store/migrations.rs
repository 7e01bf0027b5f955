//! The schema's versions. Forward only; both engines have the same list.

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

use super::{Engine, Error, Result, Store};

/// One migration in the words of both engines.
#[derive(Clone, Copy, Debug)]
pub struct Version {
    pub number: i64,
    /// The file's name without number and ending.
    pub name: &'static str,
    pub postgres: &'static str,
    pub sqlite: &'static str,
}

macro_rules! versions {
    ($($number:literal $name:literal,)*) => {
        /// Every migration, oldest first. A test compares the list with the folders.
        pub const MIGRATIONS: &[Version] = &[$(Version {
            number: $number,
            name: $name,
            postgres: include_str!(concat!("../../migrations/postgres/000", $number, "_", $name, ".sql")),
            sqlite: include_str!(concat!("../../migrations/sqlite/000", $number, "_", $name, ".sql")),
        },)*];
    };
}

versions! {
    1 "foundation",
}

/// How the database's schema stands to this program's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MigrationState {
    Current,
    /// These versions are still to be applied.
    Pending(Vec<i64>),
    /// A newer program has been here, and left the schema so that this one can work with it: the time of a rolling upgrade, and of a way back.
    Ahead(i64),
    /// A newer program has been here; this one must not touch it.
    Newer(i64),
}

impl MigrationState {
    /// Whether this program can work with the schema.
    #[must_use]
    pub const fn is_served(&self) -> bool {
        matches!(self, Self::Current | Self::Ahead(_))
    }
}

/// The mark that says which programs can work with the schema: those whose own newest version is this one or a later one. A migration that takes
/// something away, or means something else by what was there, raises it in its own text.
const SERVES_FROM: &str = "serves_from";

impl Store {
    /// Applies what is pending; what a newer program has applied stays. Safe to call from several replicas at once: PostgreSQL holds an advisory lock
    /// meanwhile.
    ///
    /// # Errors
    /// When a migration fails or differs from the one that was applied; each is a transaction, so nothing is half done.
    pub async fn migrate(&self) -> Result<()> {
        if let MigrationState::Ahead(_) = self.migration_state().await? {
            return Ok(());
        }
        let engine = self.engine();
        let migrations = MIGRATIONS
            .iter()
            .map(|version| {
                let text = if engine == Engine::Postgres { version.postgres } else { version.sqlite };
                Migration::new(
                    version.number,
                    version.name.into(),
                    MigrationType::Simple,
                    AssertSqlSafe(text).into_sql_str(),
                    false,
                )
            })
            .collect();
        let migrator = Migrator::with_migrations(migrations);
        let done = match self {
            Self::Sqlite { writer, .. } => migrator.run(writer).await,
            Self::Postgres(pool) => {
                let mut connection = pool.acquire().await?;
                // A migration takes as long as it takes.
                sqlx::raw_sql("set statement_timeout = 0; set lock_timeout = 0").execute(&mut *connection).await?;
                let done = migrator.run(&mut *connection).await;
                // Its limits are for nobody else.
                connection.close().await?;
                done
            }
        };
        done.map_err(|error| match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => Error::from(error),
            other => Error::Schema(other.to_string()),
        })
    }

    /// Compares the database's schema with this program's, and changes nothing.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn migration_state(&self) -> Result<MigrationState> {
        let found = "select version from _sqlx_migrations where success order by version";
        let applied: std::result::Result<Vec<(i64,)>, sqlx::Error> = match self {
            Self::Sqlite { readers, .. } => sqlx::query_as(found).fetch_all(readers).await,
            Self::Postgres(pool) => sqlx::query_as(found).fetch_all(pool).await,
        };
        let applied: Vec<i64> = match applied {
            Ok(rows) => rows.into_iter().map(|(version,)| version).collect(),
            // No such table: nothing was ever applied.
            Err(sqlx::Error::Database(error))
                if error.code().as_deref() == Some("42P01") || error.message().contains("no such table") =>
            {
                Vec::new()
            }
            Err(error) => return Err(error.into()),
        };
        let newest = MIGRATIONS.last().map_or(0, |version| version.number);
        if let Some(newer) = applied.last().filter(|version| **version > newest) {
            let serves_from = self.doors().mark(SERVES_FROM).await?.and_then(|number| number.parse().ok());
            let is_served = serves_from.is_some_and(|from: i64| from <= newest);
            return Ok(if is_served { MigrationState::Ahead(*newer) } else { MigrationState::Newer(*newer) });
        }
        let pending: Vec<i64> =
            MIGRATIONS.iter().map(|version| version.number).filter(|number| !applied.contains(number)).collect();
        Ok(if pending.is_empty() { MigrationState::Current } else { MigrationState::Pending(pending) })
    }
}
