//! The schema is the last wall: what must never be is refused even when the statement comes from somewhere else.

use sqlx::error::ErrorKind;
use uuid::Uuid;
use vestibule::model::{Actor, Event, EventId, EventKind, SessionId, TenantId};
use vestibule::store::{Engine, Store};

use super::{Ground, House, literal, now, raw, rows};
use crate::support::world::on_every_engine;

/// Whether the schema refused, by the constraint that PostgreSQL names and SQLite names or lists the columns of.
#[track_caller]
pub(super) fn refused(store: &Store, outcome: Result<u64, sqlx::Error>, kind: &ErrorKind, name: &str, columns: &str) {
    let error = outcome.expect_err("the schema takes it");
    let error = error.as_database_error().expect("the database said so");
    assert_eq!(&error.kind(), kind, "{error}");
    match store.engine() {
        Engine::Postgres => assert_eq!(error.constraint(), Some(name), "{error}"),
        Engine::Sqlite if *kind == ErrorKind::ForeignKeyViolation => {}
        Engine::Sqlite => assert!(error.message().ends_with(columns), "{error}"),
    }
}

/// Copies the row `id` of a table; `changes` are columns and expressions.
async fn copy(store: &Store, table: &str, id: Uuid, changes: &[(&str, String)]) -> Result<u64, sqlx::Error> {
    let columns: Vec<(String,)> = match store.engine() {
        Engine::Sqlite => rows!(*store, (String,), format!("select name from pragma_table_info('{table}')")),
        Engine::Postgres => rows!(
            *store,
            (String,),
            format!(
                "select column_name::text from information_schema.columns where table_schema = 'public' and table_name = '{table}'"
            )
        ),
    };
    let names: Vec<_> = columns.iter().map(|(name,)| name.as_str()).collect();
    let values: Vec<_> = names
        .iter()
        .map(|name| changes.iter().find(|(changed, _)| changed == name).map_or((*name).to_owned(), |(_, value)| value.clone()))
        .collect();
    assert!(changes.iter().all(|(changed, _)| names.contains(changed)), "{table} has no such column");
    let text = format!(
        "insert into {table} ({}) select {} from {table} where id = {}",
        names.join(", "),
        values.join(", "),
        literal(store, id)
    );
    raw!(*store, text)
}

fn fresh(store: &Store) -> String {
    literal(store, SessionId::new(now()).uuid())
}

fn text(value: &str) -> String {
    format!("'{value}'")
}

pub(super) const UNIQUE: &ErrorKind = &ErrorKind::UniqueViolation;
pub(super) const CHECK: &ErrorKind = &ErrorKind::CheckViolation;
pub(super) const REFERENCE: &ErrorKind = &ErrorKind::ForeignKeyViolation;

async fn insert_subject(ground: &Ground, house: &House, login: Uuid, value: &str) -> Result<u64, sqlx::Error> {
    let store = &ground.store;
    raw!(
        *store,
        "insert into subjects (tenant_id, login_id, connection_id, issuer, kind, value, created_at)
         values ($1, $2, $3, 'https://idp.example', 'sub', $4, $5)",
        house.tenant,
        login,
        house.connection,
        value,
        now()
    )
}

async fn insert_assignment(
    ground: &Ground,
    house: &House,
    login: Uuid,
    places: (Option<Uuid>, Option<Uuid>),
    source: &str,
) -> Result<u64, sqlx::Error> {
    let store = &ground.store;
    raw!(
        *store,
        "insert into assignments (tenant_id, id, login_id, account_id, service_id, instance_id, catalogue, role, source, source_id, granted_at)
         values ($1, $2, $3, $4, $5, $6, 'customer-portal', 'administrator', $7, $1, $8)",
        house.tenant,
        SessionId::new(now()).uuid(),
        login,
        house.emea,
        places.0,
        places.1,
        source,
        now()
    )
}

on_every_engine! {
    async fn a_person_has_at_most_two_logins(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await.uuid();
        let store = &ground.store;
        let again = |slot: &str, name: &str| {
            [("id", fresh(store)), ("slot", slot.to_owned()), ("user_name_key", text(name))]
        };
        refused(store, copy(store, "logins", joe, &again("1", "a")).await, UNIQUE, "logins_slot", "logins.person_id, logins.slot");
        copy(store, "logins", joe, &again("2", "b")).await.unwrap();
        for slot in ["0", "3"] {
            refused(store, copy(store, "logins", joe, &again(slot, "c")).await, CHECK, "logins_slots", "logins_slots");
        }
    }

    async fn a_user_name_is_unique_in_its_namespace_by_its_key(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "Joe").await.uuid();
        let store = &ground.store;
        let twin = [("id", fresh(store)), ("slot", "2".to_owned()), ("user_name", text("JOE"))];
        let outcome = copy(store, "logins", joe, &twin).await;
        refused(store, outcome, UNIQUE, "logins_user_name", "logins.namespace_id, logins.user_name_key");
        // Elsewhere the name is free.
        let mut elsewhere = twin.to_vec();
        elsewhere.push(("namespace_id", fresh(store)));
        copy(store, "logins", joe, &elsewhere).await.unwrap();
    }

    async fn a_subject_belongs_to_one_login(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await.uuid();
        let eve = house.login(&ground.store, "eve").await.uuid();
        insert_subject(&ground, &house, joe, "s1").await.unwrap();
        insert_subject(&ground, &house, joe, "s2").await.unwrap();
        let outcome = insert_subject(&ground, &house, eve, "s1").await;
        refused(
            &ground.store, outcome, UNIQUE, "subjects_once",
            "subjects.connection_id, subjects.issuer, subjects.kind, subjects.value",
        );
    }

    async fn no_row_points_across_the_wall(engine) {
        let ground = Ground::fresh(engine).await;
        let ours = ground.tenant("ours").await;
        let theirs = ground.tenant("theirs").await;
        let joe = ours.login(&ground.store, "joe").await.uuid();
        let store = &ground.store;
        let row = |column: &'static str, id: Uuid| {
            [("id", fresh(store)), ("slot", "2".to_owned()), ("user_name_key", text("x")), (column, literal(store, id))]
        };
        for (column, id, constraint) in [
            ("directory_id", theirs.directory.uuid(), "logins_directory"),
            ("connection_id", theirs.connection.uuid(), "logins_connection"),
            ("home_account_id", theirs.root.uuid(), "logins_home"),
        ] {
            refused(store, copy(store, "logins", joe, &row(column, id)).await, REFERENCE, constraint, "");
        }
        // Nor can a row change sides with what it refers to left behind.
        let moved = raw!(*store, "update logins set tenant_id = $2 where id = $1", joe, theirs.tenant);
        assert_eq!(moved.unwrap_err().as_database_error().unwrap().kind(), *REFERENCE);
        refused(store, insert_subject(&ground, &theirs, joe, "s1").await, REFERENCE, "subjects_login", "");
        refused(store, insert_assignment(&ground, &theirs, joe, (None, None), "manual").await, REFERENCE, "assignments_login", "");
        let account = [("id", fresh(store)), ("slug", text("x")), ("parent_id", literal(store, theirs.root.uuid()))];
        refused(store, copy(store, "accounts", ours.emea.uuid(), &account).await, REFERENCE, "accounts_parent", "");
        let group = ours.group(store, "Admins", &[]).await;
        let eve = theirs.login(store, "eve").await;
        for tenant in [ours.tenant, theirs.tenant] {
            let outcome =
                raw!(*store, "insert into group_logins (tenant_id, group_id, login_id) values ($1, $2, $3)", tenant, group, eve);
            assert_eq!(outcome.unwrap_err().as_database_error().unwrap().kind(), *REFERENCE);
        }
    }

    async fn a_tenant_has_one_root_and_the_operator_one_tenant(engine) {
        let ground = Ground::fresh(engine).await;
        let store = &ground.store;
        let reserved = rows!(*store, (TenantId, String), "select tenant_id, slug from tenants where reserved");
        assert_eq!(reserved, [(TenantId::OPERATOR, "operator".to_owned())]);
        assert_eq!(rows!(*store, (i64,), "select count(*) from rule_sets"), [(1,)]);

        let house = ground.tenant("bluesky").await;
        let root = [("id", fresh(store)), ("slug", text("other"))];
        let outcome = copy(store, "accounts", house.root.uuid(), &root).await;
        refused(store, outcome, UNIQUE, "accounts_one_root", "accounts.tenant_id");
        let twin = [("id", fresh(store))];
        let outcome = copy(store, "accounts", house.emea.uuid(), &twin).await;
        refused(store, outcome, UNIQUE, "accounts_slug", "accounts.parent_id, accounts.slug");
        let outcome = raw!(*store, "update tenants set reserved = $2 where tenant_id = $1", house.tenant, true);
        refused(store, outcome, UNIQUE, "tenants_reserved", "tenants.reserved");
    }

    async fn an_assignment_is_given_once_by_each_source(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await.uuid();
        let store = &ground.store;
        let (service, instance) = (SessionId::new(now()).uuid(), SessionId::new(now()).uuid());
        raw!(
            *store, "insert into services (tenant_id, id, account_id, key, created_at) values ($1, $2, $3, 'net', $4)",
            house.tenant, service, house.emea, now()
        ).unwrap();
        raw!(
            *store, "insert into instances (tenant_id, id, service_id, ref, created_at) values ($1, $2, $3, 'one', $4)",
            house.tenant, instance, service, now()
        ).unwrap();
        for places in [(None, None), (Some(service), None), (Some(service), Some(instance))] {
            insert_assignment(&ground, &house, joe, places, "manual").await.unwrap();
            let outcome = insert_assignment(&ground, &house, joe, places, "manual").await;
            refused(store, outcome, UNIQUE, "assignments_once", "index 'assignments_once'");
            // A rule gives the same beside it.
            insert_assignment(&ground, &house, joe, places, "rule").await.unwrap();
        }
        let outcome = insert_assignment(&ground, &house, joe, (None, Some(instance)), "operator").await;
        refused(store, outcome, CHECK, "assignments_narrowed", "assignments_narrowed");
    }

    async fn events_are_append_only(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let event = Event {
            id: EventId::new(now()),
            at: now(),
            kind: EventKind::TenantCreated,
            actor: Actor::Operator,
            target: house.tenant.uuid(),
            account: None,
            details: serde_json::json!({}),
        };
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.record(std::slice::from_ref(&event), None).await.unwrap();
        writer.commit().await.unwrap();
        let store = &ground.store;
        for outcome in [
            raw!(*store, "update events set kind = 'other' where id = $1", event.id),
            raw!(*store, "delete from events where id = $1", event.id),
        ] {
            assert!(outcome.unwrap_err().to_string().contains("events are append-only"));
        }
        let mut reader = store.read(house.tenant);
        assert_eq!(reader.event_kinds(house.tenant.uuid()).await.unwrap(), ["tenant.created"]);
    }

    async fn a_rule_has_exactly_one_origin(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let store = &ground.store;
        for (directory, connection, fits) in [
            (Some(house.directory), None, true),
            (None, Some(house.connection), true),
            (None, None, false),
            (Some(house.directory), Some(house.connection), false),
        ] {
            let outcome = raw!(
                *store,
                "insert into rules (tenant_id, id, name, position, directory_id, connection_id, within_id, body, version, created_at, updated_at)
                 values ($1, $2, $3, 1, $4, $5, $6, '{}', 1, $7, $7)",
                house.tenant, SessionId::new(now()).uuid(), format!("{directory:?}{connection:?}"), directory, connection,
                house.root, now()
            );
            if fits {
                outcome.unwrap();
            } else {
                refused(store, outcome, CHECK, "rules_one_origin", "rules_one_origin");
            }
        }
    }
}
