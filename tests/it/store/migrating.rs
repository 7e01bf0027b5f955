//! Migrations: applied once, understood when pending, left alone when newer.

use vestibule::store::{Engine, Error, MIGRATIONS, MigrationState, Store};

use super::raw;
use crate::support::postgres;
use crate::support::world::{Database, on_every_engine};

async fn empty(engine: Engine) -> (Store, Option<Database>) {
    match engine {
        Engine::Sqlite => {
            let database = Database::fresh(engine).await;
            (Store::open(&database.url, 2).await.unwrap(), Some(database))
        }
        Engine::Postgres => (Store::open(&postgres::shared().empty_database().await, 2).await.unwrap(), None),
    }
}

async fn apply_one_of_another_day(store: &Store) {
    raw!(
        store,
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         select 9999, 'of another day', success, checksum, 0 from _sqlx_migrations"
    )
    .unwrap();
}

on_every_engine! {
    async fn migrating_twice_is_migrating_once(engine) {
        let (store, _database) = empty(engine).await;
        let all: Vec<_> = MIGRATIONS.iter().map(|version| version.number).collect();
        assert_eq!(store.migration_state().await.unwrap(), MigrationState::Pending(all));
        assert_eq!(store.engine(), engine);
        store.migrate().await.unwrap();
        store.migrate().await.unwrap();
        assert_eq!(store.migration_state().await.unwrap(), MigrationState::Current);
        assert_eq!(store.doors().tenants().await.unwrap(), []);
    }

    async fn replicas_may_migrate_at_once(engine) {
        let (store, _database) = empty(engine).await;
        let (one, other) = tokio::join!(store.migrate(), store.migrate());
        one.unwrap();
        other.unwrap();
        assert_eq!(store.migration_state().await.unwrap(), MigrationState::Current);
    }

    async fn a_newer_schema_that_serves_older_programs_is_worked_with_and_left_alone(engine) {
        let (store, _database) = empty(engine).await;
        store.migrate().await.unwrap();
        apply_one_of_another_day(&store).await;
        assert_eq!(store.migration_state().await.unwrap(), MigrationState::Ahead(9999));
        assert!(store.migration_state().await.unwrap().is_served());
        store.migrate().await.unwrap();
        assert_eq!(store.migration_state().await.unwrap(), MigrationState::Ahead(9999));
    }

    async fn a_newer_schema_is_left_alone(engine) {
        let (store, _database) = empty(engine).await;
        store.migrate().await.unwrap();
        apply_one_of_another_day(&store).await;
        for says in ["update marks set value = '9999' where key = 'serves_from'", "delete from marks where key = 'serves_from'"] {
            raw!(store, says).unwrap();
            assert_eq!(store.migration_state().await.unwrap(), MigrationState::Newer(9999), "{says}");
            assert!(!store.migration_state().await.unwrap().is_served());
            assert!(matches!(store.migrate().await, Err(Error::Schema(_))));
        }
    }

    async fn a_migration_that_was_changed_after_it_was_applied_is_refused(engine) {
        let (store, _database) = empty(engine).await;
        store.migrate().await.unwrap();
        raw!(store, "update _sqlx_migrations set checksum = $1", vec![1_u8]).unwrap();
        let error = store.migrate().await.unwrap_err();
        assert!(matches!(error, Error::Schema(_)), "{error:?}");
    }
}
