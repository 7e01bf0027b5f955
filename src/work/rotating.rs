//! Has the keys that sign for portals follow one another. Every replica looks; whoever finds something to do holds the others back meanwhile.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::MissedTickBehavior;

use crate::openid::keys::SigningKeys;

/// How often is looked: far more often than a key is published before it signs.
const INTERVAL: Duration = Duration::from_mins(1);

pub(super) async fn keep_rotating(keys: SigningKeys, every: TimeDelta) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match keys.rotate(Some(every)).await {
            Ok(0) => {}
            Ok(steps) => tracing::info!(steps, "signing keys were rotated"),
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "signing keys could not be rotated"),
        }
    }
}
