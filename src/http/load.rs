//! How many requests are under way. What comes beyond that is refused at once with 503 and `Retry-After`: where the database is slow, requests that
//! wait for it would only make it slower, and fill the memory.
//!
//! People and machines have as many places each, so that a directory's large synchronisation keeps nobody from signing in.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::Surface;

/// The places of one process. Cheap to clone; clones share them.
#[derive(Clone, Debug)]
pub struct Load {
    people: Arc<Semaphore>,
    machines: Arc<Semaphore>,
}

impl Load {
    /// So many places for each of the two; one at least.
    #[must_use]
    pub fn new(places: usize) -> Self {
        let places = || Arc::new(Semaphore::new(places.clamp(1, Semaphore::MAX_PERMITS)));
        Self { people: places(), machines: places() }
    }

    /// A place for a request, held until it is dropped; none when all are taken.
    #[must_use]
    pub fn enter(&self, surface: Surface) -> Option<OwnedSemaphorePermit> {
        let places = match surface {
            Surface::Scim | Surface::Api => &self.machines,
            Surface::SignIn | Surface::Console | Surface::Other => &self.people,
        };
        Arc::clone(places).try_acquire_owned().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_take_no_place_of_peoples() {
        let load = Load::new(1);
        let held = load.enter(Surface::Scim);
        assert!(held.is_some() && load.enter(Surface::Api).is_none());
        assert!(load.enter(Surface::SignIn).is_some(), "people have their own");
        drop(held);
        assert!(load.enter(Surface::Api).is_some(), "a place is had again");
    }
}
