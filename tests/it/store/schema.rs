//! What a migrated database says of its own schema, in words that are the same for both engines.
//!
//! PostgreSQL is asked through its catalogue. SQLite is asked by its pragmas, and where those say nothing (names of constraints, checks,
//! expressions and conditions of indexes) by the `create` texts that it keeps.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgPool;
use vestibule::store::Store;

use super::rows;

/// What a schema holds, table by table: each fact a line.
pub(super) type Schema = BTreeMap<String, BTreeSet<String>>;

/// The schema of a database, without the list of migrations.
pub(super) async fn of(store: &Store) -> Schema {
    let mut schema = match store {
        Store::Sqlite { .. } => sqlite(store).await,
        Store::Postgres(pool) => postgres(pool).await,
    };
    schema.remove("_sqlx_migrations");
    schema
}

/// The type of a column on SQLite, for one of PostgreSQL (design, section 4).
fn mapped(kind: &str) -> &str {
    match kind {
        "uuid" | "bytea" => "blob",
        "timestamp with time zone" | "jsonb" | "text" => "text",
        "boolean" | "smallint" | "bigint" => "integer",
        other => other,
    }
}

/// An expression with nothing that the engines write differently: no parentheses, casts or capitals.
pub(super) fn bare(expression: &str) -> String {
    let mut text = expression.to_lowercase();
    for cast in ["::text", "::smallint", "::integer", "::bigint"] {
        text = text.replace(cast, "");
    }
    text = text.replace("= any (array[", "in ").replace("= any ((array[", "in ");
    text = text.chars().map(|character| if "()[]".contains(character) { ' ' } else { character }).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace(" ,", ",")
}

fn column(name: &str, kind: &str, required: bool, default: bool) -> String {
    let null = if required { "not null" } else { "null" };
    format!("column {name} {} {null}{}", mapped(kind), if default { " default" } else { "" })
}

fn foreign_key(columns: &[String], table: &str, target: &[String], on_delete: &str) -> String {
    format!("foreign key ({}) references {table} ({}) on delete {on_delete}", columns.join(", "), target.join(", "))
}

fn index(name: &str, unique: bool, columns: &[String], condition: Option<&str>) -> String {
    let columns: Vec<_> = columns.iter().map(|column| bare(column)).collect();
    let condition = condition.map(|condition| format!(" where {}", bare(condition))).unwrap_or_default();
    format!("{}index {name} ({}){condition}", if unique { "unique " } else { "" }, columns.join(", "))
}

/// Table, name, type, columns, target, its columns, what happens on delete, definition.
type Constraint = (String, String, String, Vec<String>, Option<String>, Vec<String>, String, String);

/// Table, name, whether it is unique, columns, condition.
type Index = (String, String, bool, Vec<String>, Option<String>);

async fn postgres(pool: &PgPool) -> Schema {
    let mut schema = Schema::new();
    let mut add = |table: String, line: String| {
        schema.entry(table).or_default().insert(line);
    };
    let columns: Vec<(String, String, String, bool, bool)> = sqlx::query_as(
        "select c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef
         from pg_attribute a join pg_class c on c.oid = a.attrelid
         where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    for (table, name, kind, required, default) in columns {
        add(table, column(&name, &kind, required, default));
    }
    let constraints: Vec<Constraint> = sqlx::query_as(
        "select c.relname::text, k.conname::text, k.contype::text, array(
           select a.attname::text from unnest(k.conkey) with ordinality as key(number, place)
             join pg_attribute a on a.attrelid = k.conrelid and a.attnum = key.number order by key.place),
         t.relname::text, array(
           select a.attname::text from unnest(k.confkey) with ordinality as key(number, place)
             join pg_attribute a on a.attrelid = k.confrelid and a.attnum = key.number order by key.place),
         k.confdeltype::text, pg_get_constraintdef(k.oid)
         from pg_constraint k join pg_class c on c.oid = k.conrelid left join pg_class t on t.oid = k.confrelid
         where k.connamespace = 'public'::regnamespace and k.contype in ('p', 'u', 'f', 'c')",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    for (table, name, kind, columns, target, target_columns, on_delete, definition) in constraints {
        // Keys that are written beside their column get a name from PostgreSQL alone.
        if !name.ends_with("_pkey") && !name.ends_with("_fkey") {
            add(table.clone(), format!("constraint {name}"));
        }
        let line = match kind.as_str() {
            "p" => format!("primary key ({})", columns.join(", ")),
            "u" => format!("unique ({})", columns.join(", ")),
            "f" => {
                let on_delete = if on_delete == "c" { "cascade" } else { "no action" };
                foreign_key(&columns, &target.unwrap(), &target_columns, on_delete)
            }
            _ => format!("check {name}: {}", bare(definition.trim_start_matches("CHECK"))),
        };
        add(table, line);
    }
    let indexes: Vec<Index> = sqlx::query_as(
        "select c.relname::text, i.relname::text, x.indisunique,
           array(select pg_get_indexdef(x.indexrelid, place, true) from generate_series(1, x.indnkeyatts::int) place order by place),
           pg_get_expr(x.indpred, x.indrelid)
         from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class c on c.oid = x.indrelid
         where c.relnamespace = 'public'::regnamespace and not exists (select 1 from pg_constraint k where k.conindid = i.oid
           and k.contype in ('p', 'u'))",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    for (table, name, unique, columns, condition) in indexes {
        add(table, index(&name, unique, &columns, condition.as_deref()));
    }
    schema
}

async fn sqlite(store: &Store) -> Schema {
    let mut schema = Schema::new();
    let tables =
        rows!(*store, (String, String), "select name, sql from sqlite_schema where type = 'table' and name not like 'sqlite_%'");
    for (table, text) in tables {
        let lines = schema.entry(table.clone()).or_default();
        let columns = rows!(
            *store,
            (String, String, bool, Option<String>, i64),
            format!("select name, type, \"notnull\", dflt_value, pk from pragma_table_info('{table}')")
        );
        let mut key = BTreeMap::new();
        for (name, kind, required, default, place) in columns {
            lines.insert(column(&name, &kind.to_lowercase(), required, default.is_some()));
            if place > 0 {
                key.insert(place, name);
            }
        }
        if !key.is_empty() {
            lines.insert(format!("primary key ({})", key.into_values().collect::<Vec<_>>().join(", ")));
        }
        let mut keys: BTreeMap<i64, (String, String, Vec<String>, Vec<String>)> = BTreeMap::new();
        for (id, target, from, to, on_delete) in rows!(
            *store,
            (i64, String, String, String, String),
            format!("select id, \"table\", \"from\", \"to\", on_delete from pragma_foreign_key_list('{table}') order by id, seq")
        ) {
            let key = keys.entry(id).or_insert_with(|| (target, on_delete.to_lowercase(), Vec::new(), Vec::new()));
            key.2.push(from);
            key.3.push(to);
        }
        lines.extend(keys.into_values().map(|(target, on_delete, from, to)| foreign_key(&from, &target, &to, &on_delete)));
        for (name, origin) in
            rows!(*store, (String, String), format!("select name, origin from pragma_index_list('{table}') where origin <> 'pk'"))
        {
            lines.insert(sqlite_index(store, &name, &origin).await);
        }
        lines.extend(constraints(&text));
    }
    schema
}

async fn sqlite_index(store: &Store, name: &str, origin: &str) -> String {
    if origin == "u" {
        let columns = rows!(*store, (String,), format!("select name from pragma_index_info('{name}') order by seqno"));
        return format!("unique ({})", columns.into_iter().map(|(column,)| column).collect::<Vec<_>>().join(", "));
    }
    let text =
        rows!(*store, (String,), format!("select sql from sqlite_schema where type = 'index' and name = '{name}'")).remove(0).0;
    let (head, rest) = text.split_once('(').unwrap();
    let (columns, rest) = rest.split_at(closing(rest));
    let condition = rest[1..].trim().strip_prefix("where ");
    index(name, head.to_lowercase().contains("unique"), &split(columns), condition)
}

/// The names of all constraints in a `create table`, and the checks.
fn constraints(text: &str) -> Vec<String> {
    // Comments may hold commas and brackets.
    let text: String = text.lines().map(|line| line.split("--").next().unwrap_or_default()).collect::<Vec<_>>().join(" ");
    let (_, rest) = text.split_once('(').unwrap();
    let mut lines = Vec::new();
    for item in split(&rest[..closing(rest)]) {
        if let Some((name, definition)) = item.strip_prefix("constraint ").and_then(|item| item.split_once(' ')) {
            lines.push(format!("constraint {name}"));
            if let Some(condition) = definition.strip_prefix("check") {
                lines.push(format!("check {name}: {}", bare(condition)));
            }
        } else {
            assert!(!item.contains(" check ") && !item.contains(" unique"), "give it a name, for both engines: {item}");
        }
    }
    lines
}

/// Where the bracket closes that is open before the text.
fn closing(text: &str) -> usize {
    let mut depth = 1_usize;
    text.char_indices()
        .find_map(|(at, character)| {
            match character {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            (depth == 0).then_some(at)
        })
        .unwrap()
}

/// Splits at the commas outside of brackets.
fn split(text: &str) -> Vec<String> {
    let mut depth = 0_usize;
    let mut items = vec![String::new()];
    for character in text.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                items.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(item) = items.last_mut() {
            item.push(character);
        }
    }
    items.iter().map(|item| item.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}
