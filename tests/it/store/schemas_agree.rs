//! The two engines have one schema.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use vestibule::store::{Engine, MIGRATIONS};

use super::schema::{self, Schema};
use super::{Ground, rows};

/// Tables that no tenant owns: the operator's role catalogues, marks on the database, and what one replica at a time does.
const OF_NO_TENANT: &[&str] = &["leases", "marks", "roles"];

async fn schemas() -> (Ground, Schema, Ground, Schema) {
    let sqlite = Ground::fresh(Engine::Sqlite).await;
    let postgres = Ground::fresh(Engine::Postgres).await;
    let (here, there) = (schema::of(&sqlite.store).await, schema::of(&postgres.store).await);
    (sqlite, here, postgres, there)
}

/// What only one of them says, as lines.
fn differences(sqlite: &Schema, postgres: &Schema) -> Vec<String> {
    let lines = |schema: &Schema| -> BTreeSet<String> {
        schema.iter().flat_map(|(table, lines)| lines.iter().map(move |line| format!("{table}: {line}"))).collect()
    };
    let (here, there) = (lines(sqlite), lines(postgres));
    let only = |one: &BTreeSet<String>, other: &BTreeSet<String>, name: &str| -> Vec<String> {
        one.difference(other).map(|line| format!("only {name}: {line}")).collect()
    };
    [only(&here, &there, "SQLite"), only(&there, &here, "PostgreSQL")].concat()
}

#[test]
fn both_folders_hold_the_migrations_that_the_program_names() {
    let files = |engine: &str| -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(engine);
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let named: BTreeSet<_> = MIGRATIONS.iter().map(|version| format!("{:04}_{}.sql", version.number, version.name)).collect();
    assert_eq!(files("sqlite"), named);
    assert_eq!(files("postgres"), named);
    let numbers: Vec<_> = MIGRATIONS.iter().map(|version| version.number).collect();
    assert_eq!(numbers, (1..=i64::try_from(MIGRATIONS.len()).unwrap()).collect::<Vec<_>>());
}

#[tokio::test]
async fn tables_columns_keys_checks_and_indexes_agree() {
    let (_sqlite, here, _postgres, there) = schemas().await;
    assert!(here.len() > 25 && here["logins"].len() > 30, "the schema was not read: {here:#?}");
    assert_eq!(differences(&here, &there), Vec::<String>::new());

    // The comparison sees what it is meant to see.
    for line in [
        "column user_name text not null",
        "primary key (id)",
        "unique (namespace_id, user_name_key)",
        "constraint logins_user_name",
        "check logins_slots: slot in 1, 2",
        "foreign key (tenant_id, person_id, person_open) references persons (tenant_id, id, open) on delete no action",
        "index logins_by_other_user_name (tenant_id, directory_id, other_user_name_key)",
    ] {
        assert!(here["logins"].contains(line), "{line}: {:#?}", here["logins"]);
        let mut changed = there.clone();
        changed.get_mut("logins").unwrap().remove(line);
        assert_eq!(differences(&here, &changed), [format!("only SQLite: logins: {line}")]);
    }
    assert!(here["accounts"].contains("unique index accounts_one_root (tenant_id) where parent_id is null"));
    assert!(here["emails"].iter().any(|line| line.ends_with("on delete cascade")));
}

#[tokio::test]
async fn what_belongs_to_a_tenant_says_so_and_so_do_its_references() {
    let (_sqlite, here, _postgres, _there) = schemas().await;
    let owned: BTreeMap<_, _> = here.iter().filter(|(_, lines)| lines.contains("column tenant_id blob not null")).collect();
    let others: Vec<_> = here.keys().filter(|table| !owned.contains_key(table)).collect();
    assert_eq!(others, OF_NO_TENANT);
    let mut references = 0;
    for (table, lines) in owned {
        for line in lines.iter().filter_map(|line| line.strip_prefix("foreign key (")) {
            let (columns, rest) = line.split_once(") references ").unwrap();
            let (target, _) = rest.split_once(' ').unwrap();
            // Portals belong to the operator and serve every tenant.
            let is_portal = columns == "client_id" && rest.starts_with("clients (id)");
            if !OF_NO_TENANT.contains(&target) && !is_portal {
                references += 1;
                assert!(columns.starts_with("tenant_id") && rest.contains("(tenant_id"), "{table}: {line}");
            }
        }
    }
    assert!(references > 30, "only {references} references were found");
}

#[tokio::test]
async fn sqlite_tables_are_strict_and_postgres_text_sorts_by_code_point() {
    let (sqlite, ..) = schemas().await;
    let lax = rows!(
        sqlite.store,
        (String,),
        "select name from pragma_table_list where schema = 'main' and type = 'table' and not strict and name not like 'sqlite_%'"
    );
    assert_eq!(lax, [("_sqlx_migrations".to_owned(),)]);

    let postgres = Ground::fresh(Engine::Postgres).await;
    let by_collation = rows!(
        postgres.store,
        (String, String),
        "select l.collname::text, c.relname || '.' || a.attname from pg_attribute a
           join pg_class c on c.oid = a.attrelid join pg_collation l on l.oid = a.attcollation
         where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0 and c.relname <> '_sqlx_migrations'"
    );
    let (ordered, others): (Vec<_>, Vec<_>) = by_collation.into_iter().partition(|(collation, _)| collation == "C");
    assert!(ordered.len() > 60, "only {} columns of text were found", ordered.len());
    assert_eq!(others, []);
}

#[test]
fn conditions_are_compared_without_what_engines_add() {
    for (sqlite, postgres) in [
        ("slot in (1, 2)", "((slot = ANY (ARRAY[1, 2])))"),
        ("state in ('draft', 'off')", "((state = ANY (ARRAY['draft'::text, 'off'::text])))"),
        ("(state = 'merged') = (merged_into is not null)", "(((state = 'merged'::text) = (merged_into IS NOT NULL)))"),
        ("verified_at is not null and not shared", "((verified_at IS NOT NULL) AND (NOT shared))"),
        ("coalesce(service_id, account_id)", "COALESCE(service_id, account_id)"),
    ] {
        assert_eq!(schema::bare(sqlite), schema::bare(postgres));
    }
    assert_ne!(schema::bare("slot in (1, 2)"), schema::bare("slot in (1, 3)"));
}
