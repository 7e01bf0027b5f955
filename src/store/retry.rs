//! Commands that lost a race are begun again.

use std::time::Duration;

use super::Error;

/// How often a command that lost a race is begun again.
const ATTEMPTS: u32 = 5;

/// Runs a whole command, and again from the beginning when it lost a race, with a short growing pause.
///
/// # Errors
/// Whatever the last attempt said.
pub async fn retry<T, E, F>(mut command: impl FnMut() -> F) -> std::result::Result<T, E>
where
    F: Future<Output = std::result::Result<T, E>>,
    E: Races,
{
    let mut attempt = 1;
    loop {
        match command().await {
            Err(error) if error.is_race() && attempt < ATTEMPTS => {
                tracing::debug!(attempt, "lost a race, beginning again");
                tokio::time::sleep(Duration::from_millis(u64::from(attempt * attempt) * 3)).await;
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

/// Errors that may mean "somebody was faster", for [`retry`].
pub trait Races {
    /// Whether the command should be run again.
    fn is_race(&self) -> bool;
}

impl Races for Error {
    fn is_race(&self) -> bool {
        Error::is_race(self)
    }
}
