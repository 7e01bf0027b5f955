//! What the database knows of its own tables.
//!
//! PostgreSQL plans by what it last saw of a table, and looks again by itself only each minute or so. A first sync fills empty tables in
//! less: until that look every index that begins with the tenant seems as good as any other, and whole tenants are read to find one
//! login. So whoever fills the tables has them looked at.

use sqlx::AssertSqlSafe;

use super::{Result, Store};

/// Tables with fewer changes than this are small whatever the plan.
const FEW: i64 = 200;

impl Store {
    /// Has PostgreSQL look at those tables that have more than doubled since it last did. Answers how many there were. SQLite chooses
    /// the right index without that.
    ///
    /// # Errors
    /// When the database cannot be asked. A role that does not own the tables may not do this; then nothing happens.
    pub async fn refresh_statistics(&self) -> Result<usize> {
        let Self::Postgres(pool) = self else { return Ok(0) };
        let grown: Vec<(String,)> = sqlx::query_as(
            "select s.relname from pg_stat_user_tables s join pg_class c on c.oid = s.relid
             where s.schemaname = current_schema() and s.n_mod_since_analyze > greatest(c.reltuples, $1) order by s.relname",
        )
        .bind(FEW)
        .fetch_all(pool)
        .await?;
        for (table,) in &grown {
            // Another replica may be at it.
            sqlx::query(AssertSqlSafe(format!("analyze (skip_locked) \"{table}\""))).execute(pool).await?;
        }
        Ok(grown.len())
    }
}
