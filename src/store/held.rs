//! A transaction that is held open behind the command that ended it.
//!
//! [`hold`] runs a command and keeps its [`Writer::commit`] from happening: the transaction comes back with the answer of the command, and
//! whoever holds it adds what must be true together with it (the answer itself, under an idempotency key), and commits it, or drops
//! it, and then nothing has happened. A command needs to know nothing of this.
//!
//! A command that writes several transactions, one after another, has each committed when the next begins; only the last is held.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Result, Writer};

tokio::task_local! {
    static HELD: Held;
}

#[derive(Clone, Debug, Default)]
struct Held(Arc<Mutex<Option<Writer>>>);

impl Held {
    fn swap(&self, writer: Option<Writer>) -> Option<Writer> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), writer)
    }
}

/// Runs a command, and answers the transaction that it ended too, which is not committed yet. `None` when it ended none.
pub async fn hold<F: Future>(command: F) -> (F::Output, Option<Writer>) {
    let held = Held::default();
    let output = HELD.scope(held.clone(), command).await;
    (output, held.swap(None))
}

/// Keeps a transaction that was to be committed, where somebody holds it. Answers it otherwise.
pub(super) fn put(writer: Writer) -> Option<Writer> {
    match HELD.try_with(Clone::clone) {
        // Beginning another one has settled the one before.
        Ok(held) => {
            held.swap(Some(writer));
            None
        }
        Err(_) => Some(writer),
    }
}

/// Commits what is held, because another transaction begins: SQLite has one writer, and what was ended is to be seen.
pub(super) async fn settle() -> Result<()> {
    let Ok(held) = HELD.try_with(Clone::clone) else { return Ok(()) };
    match held.swap(None) {
        Some(writer) => writer.commit_now().await,
        None => Ok(()),
    }
}
