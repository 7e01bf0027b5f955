//! How PostgreSQL is connected to: no statement runs for ever, no connection that is no good any more is used, and none to a server that has
//! become a standby.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, PgConnection, PgPool};

use super::{ACQUIRE_TIMEOUT, Result};

/// What the server gives up by itself: after longer than any request may take, so that it matters only when nobody waits any more. Said on the
/// connection and not as it is opened, because proxies such as `PgBouncer` refuse parameters that they do not know.
const LIMITS: &str = "set statement_timeout = '60s'; set lock_timeout = '30s'; set idle_in_transaction_session_timeout = '60s'";
/// How long an idle connection may take to say that it is still good. One whose other end is gone without a word says nothing.
const LOOK: Duration = Duration::from_secs(2);
/// A connection is let go after this long, so that what a server or a proxy in between has become is met again.
const LIFETIME: Duration = Duration::from_mins(30);

/// Opens a pool. Every connection is looked at before it is used: after a restart the old ones are gone, and after a fail-over they may lead to a
/// server that takes no writes.
pub(super) async fn open(url: &str, max_connections: u32) -> Result<PgPool> {
    let options = PgConnectOptions::from_str(url)?.application_name("vestibule").disable_statement_logging();
    let pool = PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .max_lifetime(LIFETIME)
        // The look below does the same, and more.
        .test_before_acquire(false)
        .before_acquire(|connection, _| Box::pin(async move { Ok(is_good(connection).await) }))
        .after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::raw_sql(LIMITS).execute(&mut *connection).await?;
                if is_good(connection).await { Ok(()) } else { Err(sqlx::Error::Io(standby())) }
            })
        })
        .connect_with(options)
        .await?;
    Ok(pool)
}

/// Whether a connection answers, and leads to a server that takes writes.
async fn is_good(connection: &mut PgConnection) -> bool {
    let asked = sqlx::query_scalar::<_, bool>("select pg_is_in_recovery()").fetch_one(connection);
    matches!(tokio::time::timeout(LOOK, asked).await, Ok(Ok(false)))
}

fn standby() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "the server does not answer, or takes no writes")
}
