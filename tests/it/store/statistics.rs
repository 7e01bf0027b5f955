//! The database is told how its tables have grown.

use std::time::Duration;

use sqlx::Executor as _;
use vestibule::store::Store;

use super::{Ground, document};
use crate::support::world::on_every_engine;

/// More than a table that is small whatever the plan.
const LOGINS: usize = 300;

on_every_engine! {
    async fn a_table_that_has_grown_is_looked_at(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        for number in 0..LOGINS {
            house.insert_login(&mut writer, &document(&format!("joe-{number}"))).await;
        }
        writer.commit().await.unwrap();
        let Store::Postgres(pool) = &ground.store else {
            assert_eq!(ground.store.refresh_statistics().await.unwrap(), 0, "SQLite has no need of it");
            return;
        };
        // A connection tells of its changes when it next does something, a second later at the earliest.
        for _ in 0..100 {
            pool.execute("select pg_stat_force_next_flush()").await.unwrap();
            ground.store.refresh_statistics().await.unwrap();
            let known: f32 = sqlx::query_scalar("select reltuples from pg_class where relname = 'logins'").fetch_one(pool).await.unwrap();
            if known >= 300.0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("nobody looked at the table");
    }
}
