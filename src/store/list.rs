//! Pages of lists, for every kind of resource: a statement that selects, a condition, an order, and where the page begins.
//!
//! A page begins at an offset, or after a [`Mark`], the place of a row in the order. A mark is found through an index however far it
//! is, and no row that stays as it is can be repeated or left out because others come and go.

use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, FromRow};
use tracing::Instrument as _;
use uuid::Uuid;

use super::filter::{Arg, FIRST, Where};
use super::order::Order;
use super::{Link, Reader, Result, statement_span};
use crate::model::DirectoryId;
use crate::scim::sort::SortKey;

/// Which part of a list to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Where it begins.
    pub start: Start,
    /// How many rows to read at most.
    pub limit: i64,
}

/// Where a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// After so many rows.
    Offset(i64),
    /// After this place.
    After(Mark),
}

/// A place in the order of a list: that of a row, or between two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What the row is sorted by; missing in a list that is not sorted.
    pub key: SortKey,
    /// Its ids, as many as [`Layout::order`](super::filter::Layout::order) has columns.
    pub ids: Vec<Uuid>,
}

/// A statement with its arguments; tenant and directory are `$1` and `$2`.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub sql: String,
    pub args: Vec<Arg>,
}

impl Page {
    /// The first rows of a list.
    #[must_use]
    pub fn first(limit: i64) -> Self {
        Self { start: Start::Offset(0), limit }
    }

    /// What reads the page, when `text` is a statement that ends in the condition of `filter`. After a mark there may be two statements, for
    /// rows with a value to sort by and for those without, or none, when nothing follows the mark; each is asked for what the one
    /// before left of the limit.
    #[must_use]
    pub fn statements(&self, text: &str, filter: &Where, order: &Order) -> Vec<Statement> {
        let first = FIRST + filter.args.len();
        order
            .parts(&self.start, first)
            .into_iter()
            .map(|part| {
                let mut args = filter.args.clone();
                args.extend(part.args);
                let mut sql = format!("{text}{} order by {}", part.condition, part.order_by);
                args.push(Arg::Integer(self.limit));
                let _ = write!(sql, " limit ${}", FIRST + args.len() - 1);
                if let Start::Offset(offset) = self.start {
                    args.push(Arg::Integer(offset));
                    let _ = write!(sql, " offset ${}", FIRST + args.len() - 1);
                }
                Statement { sql, args }
            })
            .collect()
    }
}

impl Reader {
    /// Reads a page. `text` selects rows of `$2`, a directory, and ends in the condition of `filter`.
    pub(super) async fn page<T>(
        &mut self,
        text: &str,
        directory: DirectoryId,
        filter: &Where,
        order: &Order,
        page: &Page,
    ) -> Result<Vec<T>>
    where
        T: for<'r> FromRow<'r, sqlx::sqlite::SqliteRow> + for<'r> FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
    {
        let limit = usize::try_from(page.limit).unwrap_or(0);
        let mut rows = Vec::new();
        for statement in page.statements(text, filter, order) {
            if rows.len() < limit {
                rows.extend(self.run(&statement.sql, directory, &statement.args).await?);
            }
        }
        rows.truncate(limit);
        Ok(rows)
    }

    /// Counts. `text` selects one number, and ends in the condition of `filter`.
    pub(super) async fn count(&mut self, text: &str, directory: DirectoryId, filter: &Where) -> Result<i64> {
        let rows: Vec<(i64,)> = self.run(text, directory, &filter.args).await?;
        Ok(rows.first().map_or(0, |(count,)| *count))
    }

    async fn run<T>(&mut self, text: &str, directory: DirectoryId, args: &[Arg]) -> Result<Vec<T>>
    where
        T: for<'r> FromRow<'r, sqlx::sqlite::SqliteRow> + for<'r> FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
    {
        let tenant = self.tenant();
        let span = statement_span(text);
        let text = AssertSqlSafe(self.engine().replace_marks(text));
        macro_rules! run {
            ($link:expr) => {{
                let mut connection = $link.lend().await?;
                let mut query = sqlx::query_as(text).bind(tenant).bind(directory);
                for arg in args {
                    query = match arg {
                        Arg::Text(value) => query.bind(value),
                        Arg::Integer(value) => query.bind(value),
                        Arg::Decimal(value) => query.bind(value),
                        Arg::Id(value) => query.bind(value),
                        Arg::Time(value) => query.bind(value),
                    };
                }
                Ok(query.fetch_all(&mut *connection).await?)
            }};
        }
        let run = async {
            match &mut self.link {
                Link::Sqlite(link) => run!(link),
                Link::Postgres(link) => run!(link),
            }
        };
        run.instrument(span).await
    }
}
