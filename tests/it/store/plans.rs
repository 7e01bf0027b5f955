//! The plans by which SQLite runs the statements of the store. SQLite has no statistics of its tables here, as in a new database, and
//! takes the wrong one of two indexes when both seem to serve equally well: a missing index once cost a factor of 35.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, SqlitePool};
use vestibule::scim::filter::{Scope, read};
use vestibule::scim::profile::Profile;
use vestibule::scim::query::ListQuery;
use vestibule::scim::schema::ResourceKind;
use vestibule::scim::sort::SortKey;
use vestibule::store::filter::Where;
use vestibule::store::{Engine, GROUP_LAYOUT, GROUP_MEMBER_LAYOUT, Mark, Order, Page, Start, Store, USER_LAYOUT};

use super::statements::{By, of_the_store};
use super::{Ground, rows};

/// A part of a plan that costs more with every row of a table, and why it may.
const ACCEPTED: &[(&str, &str, &str)] = &[
    ("account_path", "SCAN up", "the accounts on the way to the root"),
    ("account_path", "USE TEMP B-TREE FOR ORDER BY", "the accounts on the way to the root"),
    ("accounts", "USE TEMP B-TREE FOR ORDER BY", "a tenant has few accounts, and people read them by name"),
    ("accounts", "USING INDEX accounts_children (tenant_id=?)", "the whole tree is wanted"),
    ("all_directories", "SCAN directories", "all are wanted"),
    ("await_everybody", "(tenant_id=?)", "all are wanted"),
    ("certificate_ends", "SCAN c", "all are wanted"),
    ("certificates_of_connection", "USE TEMP B-TREE FOR ORDER BY", "a connection has a handful, and people read them as they came"),
    ("clients", "clients_by_tenant (tenant_id=?", "a tenant has few clients"),
    ("connections", "USE TEMP B-TREE FOR ORDER BY", "a tenant has few connections"),
    ("connections", "connections_3 (tenant_id=?)", "all are wanted"),
    ("connections_of_domain", "USE TEMP B-TREE FOR ORDER BY", "a tenant has few connections"),
    ("count_group_members", "SCAN gm", "what is counted comes out of the indexes, group by group"),
    ("directories", "USE TEMP B-TREE FOR ORDER BY", "a tenant has few directories"),
    ("directories", "directories_3 (tenant_id=?)", "all are wanted"),
    ("events_of_accounts", "USE TEMP B-TREE FOR ORDER BY", "a page of each account"),
    ("held_roles", "SCAN h", "the same, with the path of each account"),
    ("held_roles", "SCAN up", "the accounts on the way to the root"),
    ("held_roles", "USE TEMP B-TREE FOR DISTINCT", "several rules may give one role"),
    ("held_roles", "USE TEMP B-TREE FOR ORDER BY", "a page of logins holds few roles, and people read them by account"),
    ("instances_of", "USE TEMP B-TREE FOR ORDER BY", "the instances of one account, which people read by name"),
    ("insert_rule", "rules_2 (tenant_id=?)", "a tenant has few rules"),
    ("member_counts", "SCAN counted", "what is counted comes out of an index, and ends at a limit"),
    ("members_after", "SCAN g", "the members of one page"),
    ("members_after", "USE TEMP B-TREE FOR ORDER BY", "the members of one page"),
    ("population", "(tenant_id=?)", "the operator asks how many people a tenant has"),
    ("next_ending", "(tenant_id=?)", "only what is not worked off is in it"),
    ("portals_to_tell", "clients_by_tenant (tenant_id=?", "the operator has few portals"),
    ("placed_rules", "USE TEMP B-TREE FOR ORDER BY", "a tenant has few rules"),
    ("placed_rules", "rules_2 (tenant_id=?)", "all are wanted"),
    ("oldest_delivery", "SCAN deliveries USING INDEX deliveries_open", "the first of those that are open"),
    ("open_job", "jobs_open (tenant_id=?)", "the first of those that are open"),
    ("rules_among", "rules_2 (tenant_id=?)", "a tenant has few rules"),
    ("services", "USE TEMP B-TREE FOR ORDER BY", "an account has few services"),
    ("services", "services_2 (tenant_id=?)", "all are wanted"),
    ("sync_roles", "SCAN assignments", "walked only when the statement has broken a reference already"),
    ("figures_of_tenant", "(tenant_id=?)", "the operator asks how much a tenant has"),
    ("tenant_figures", "(tenant_id=?)", "the same, for a page of tenants"),
    ("tenant_ids", "SCAN tenants", "all are wanted"),
    ("tenants", "SCAN tenants", "all are wanted"),
    ("tenants_with_jobs", "SCAN jobs USING INDEX jobs_open", "only open ones are in it"),
    ("tenants_with_endings", "SCAN endings", "only what is not worked off is in it"),
    ("unsealed", "(tenant_id=?)", "doctor counts them all"),
];

async fn plan(pool: &SqlitePool, text: &str) -> Vec<String> {
    let text = format!("explain query plan {}", Engine::Sqlite.replace_marks(text));
    let lines: Vec<(i64, i64, i64, String)> =
        sqlx::query_as(AssertSqlSafe(text.clone())).fetch_all(pool).await.unwrap_or_else(|error| panic!("{error}: {text}"));
    lines.into_iter().map(|(_, _, _, line)| line).collect()
}

/// The lines of a plan that read a whole table, or all that a tenant has in one, or sort.
fn slow(plan: &[String]) -> Vec<&String> {
    plan.iter()
        .filter(|line| {
            // The members of a JSON array, `values`, and what a recursive query has found so far are no tables; a tenant and its set
            // of rules are one row.
            let own = ["SCAN inside", "SCAN around", "SCAN held", "SCAN far"].contains(&line.as_str());
            let scan = line.starts_with("SCAN ") && !own && !line.contains("VIRTUAL TABLE") && !line.contains("CONSTANT ROW");
            let one_row = ["tenants_1 (tenant_id=?)", "rule_sets_1 (tenant_id=?)"].iter().any(|key| line.contains(key));
            scan || line.contains("USE TEMP B-TREE") || (line.contains("(tenant_id=?)") && !one_row)
        })
        .collect()
}

fn pool(ground: &Ground) -> &SqlitePool {
    match &ground.store {
        Store::Sqlite { writer, .. } => writer,
        Store::Postgres(_) => unreachable!("the ground is SQLite's"),
    }
}

#[tokio::test]
async fn no_statement_reads_whole_tables_or_sorts() {
    let ground = Ground::fresh(Engine::Sqlite).await;
    let mut complaints = Vec::new();
    let mut used = BTreeMap::new();
    for statement in of_the_store() {
        if statement.by == By::Bare {
            continue;
        }
        let found = plan(pool(&ground), &statement.text.replace("{}", "true")).await;
        // Lists of a whole directory come in pages, and their count comes from an index.
        let pages = statement.by == By::Format && found.iter().all(|line| line.contains("(tenant_id=? AND directory_id=?)"));
        // Memberships lie in two tables, below the groups of the directory; a test of their own follows.
        let pages = pages || statement.file == "group_members.rs";
        assert!(statement.by != By::Format || pages, "{}: {found:?}", statement.function);
        for line in slow(&found) {
            let accepted = ACCEPTED.iter().position(|(function, part, _)| *function == statement.function && line.contains(part));
            match accepted {
                Some(at) => *used.entry(at).or_insert(0) += 1,
                None => complaints.push(format!("{} {}: {line}: {}", statement.file, statement.function, statement.text)),
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    let idle: Vec<_> = ACCEPTED.iter().enumerate().filter(|(at, _)| !used.contains_key(at)).collect();
    assert!(idle.is_empty(), "no longer needed: {idle:?}");
}

#[tokio::test]
async fn memberships_are_read_group_by_group_and_never_sorted() {
    let ground = Ground::fresh(Engine::Sqlite).await;
    let text = of_the_store().into_iter().find(|statement| statement.function == "list_group_members").unwrap().text;
    let (id, order) = (uuid::Uuid::nil(), Order::new(None, &GROUP_MEMBER_LAYOUT));
    for filter in ["", "group.value eq", "member.value eq"] {
        let condition = if filter.is_empty() {
            Where::everything()
        } else {
            Where::new(&read(&format!("{filter} \"{id}\""), Scope::GroupMember, Profile::Strict).unwrap().0, &GROUP_MEMBER_LAYOUT)
        };
        for start in [Start::Offset(9), Start::After(Mark { key: SortKey::Missing, ids: vec![id, id] })] {
            let page = Page { start, limit: 10 };
            for statement in page.statements(&text.replace("{}", &condition.sql), &condition, &order) {
                let found = plan(pool(&ground), &statement.sql).await;
                let sorted = found.iter().any(|line| line.starts_with("SCAN ") || line.contains("USE TEMP B-TREE"));
                assert!(!sorted, "{filter}: {found:#?}");
                for index in ["group_logins_1 (group_id=?", "group_groups_1 (group_id=?"] {
                    assert!(found.iter().any(|line| line.contains(index)), "{filter} without {index}: {found:#?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_goes_with_a_deleted_row_is_found_by_an_index() {
    let ground = Ground::fresh(Engine::Sqlite).await;
    let keys = rows!(
        ground.store,
        (String, i64, String),
        "select t.name, f.id, f.\"from\" from sqlite_schema t, pragma_foreign_key_list(t.name) f
         where t.type = 'table' and f.on_delete = 'CASCADE' order by t.name, f.id, f.seq"
    );
    let mut columns: BTreeMap<(String, i64), Vec<String>> = BTreeMap::new();
    for (table, id, column) in keys {
        columns.entry((table, id)).or_default().push(format!("{column} = $1"));
    }
    assert!(columns.len() > 8, "only {columns:?} were found");
    for ((table, _), conditions) in columns {
        let found = plan(pool(&ground), &format!("delete from {table} where {}", conditions.join(" and "))).await;
        assert!(slow(&found).is_empty(), "{table}: {conditions:?}: {found:?}");
    }
}

#[tokio::test]
async fn filters_that_clients_send_before_every_write_use_an_index_and_do_not_sort() {
    let ground = Ground::fresh(Engine::Sqlite).await;
    let lists: BTreeMap<_, _> = of_the_store()
        .into_iter()
        .filter(|statement| statement.by == By::Format)
        .map(|statement| (statement.function, statement.text))
        .collect();
    let id = "00000000-0000-7000-8000-000000000001";
    let by_name = "logins_4 (namespace_id=? AND user_name_key=?)";
    let by_external_id = "logins_by_external_id (tenant_id=? AND directory_id=? AND external_id=?)";
    let users = [
        (r#"userName eq "Joe""#.to_owned(), vec![by_name]),
        (r#"active eq true and userName eq "Joe""#.to_owned(), vec![by_name]),
        (r#"externalId eq "x""#.to_owned(), vec![by_external_id]),
        (
            r#"emails.value eq "joe@b.example""#.to_owned(),
            vec!["emails_by_value (tenant_id=? AND value_key=?)", "(tenant_id=? AND directory_id=? AND id=?)"],
        ),
        (format!(r#"id eq "{id}""#), vec!["logins_2 (tenant_id=? AND id=?)"]),
        (
            format!(r#"groups.value eq "{id}""#),
            vec!["groups_2 (tenant_id=? AND id=?)", "group_logins_1 (group_id=?)", "group_groups_1 (group_id=?)"],
        ),
        (
            r#"groups[display eq "Admins" and type eq "indirect"]"#.to_owned(),
            vec!["groups_by_display (tenant_id=? AND directory_id=? AND display_key=?)", "group_logins_1 (group_id=?)"],
        ),
    ];
    let groups = [
        (r#"displayName eq "Admins""#.to_owned(), vec!["groups_by_display (tenant_id=? AND directory_id=? AND display_key=?)"]),
        (r#"externalId eq "x""#.to_owned(), vec!["groups_by_external_id (tenant_id=? AND directory_id=? AND external_id=?)"]),
        (
            format!(r#"members.value eq "{id}""#),
            vec![
                "logins_2 (tenant_id=? AND id=?)",
                "group_logins_by_login (login_id=?)",
                "groups_2 (tenant_id=? AND id=?)",
                "group_groups_by_member (member_id=?)",
            ],
        ),
        (format!(r#"members[value eq "{id}"]"#), vec!["logins_2 (tenant_id=? AND id=?)", "group_logins_by_login (login_id=?)"]),
        // What Entra asks before it adds a member.
        (
            format!(r#"id eq "{id}" and members eq "{id}""#),
            vec!["groups_2 (tenant_id=? AND id=?)", "logins_2 (tenant_id=? AND id=?)", "group_logins_by_login (login_id=?)"],
        ),
        (r#"members.display eq "Joe""#.to_owned(), vec![by_name, "group_logins_by_login (login_id=?)"]),
    ];
    let users = users.map(|(filter, indexes)| (Scope::User, ["list_logins", "count_logins"], filter, indexes));
    let groups = groups.map(|(filter, indexes)| (Scope::Group, ["list_groups", "count_groups"], filter, indexes));
    for (scope, functions, filter, indexes) in users.into_iter().chain(groups) {
        let (resolved, _) = read(&filter, scope, Profile::Strict).unwrap();
        let layout = if scope == Scope::User { &USER_LAYOUT } else { &GROUP_LAYOUT };
        let condition = Where::new(&resolved, layout).sql;
        for function in functions {
            let found = plan(pool(&ground), &lists[function].replace("{}", &condition)).await;
            assert!(slow(&found).is_empty(), "{function} {filter}: {found:#?}");
            for index in &indexes {
                assert!(found.iter().any(|line| line.contains(index)), "{function} {filter} without {index}: {found:#?}");
            }
        }
    }
}

#[tokio::test]
async fn l04_l11_pages_in_an_order_that_has_an_index_do_not_sort() {
    let ground = Ground::fresh(Engine::Sqlite).await;
    let text = |function: &str| {
        let statement = of_the_store().into_iter().find(|statement| statement.function == function && statement.by == By::Format);
        statement.unwrap().text.replace("{}", "true")
    };
    let texts = [text("list_logins"), text("list_groups")];
    let of = "(tenant_id=? AND directory_id=?";
    for (scope, by, index, after) in [
        (Scope::User, None, format!("logins_by_directory {of}"), "id>?)"),
        (Scope::User, Some("userName"), "logins_4 (namespace_id=?".to_owned(), "user_name_key>?)"),
        (Scope::User, Some("externalId"), format!("logins_by_external_id {of}"), "(external_id,id)>(?,?))"),
        (Scope::Group, None, format!("groups_by_directory {of}"), "id>?)"),
        (Scope::Group, Some("displayName"), format!("groups_by_display {of}"), "(display_key,id)>(?,?))"),
        (Scope::Group, Some("externalId"), format!("groups_by_external_id {of}"), "(external_id,id)>(?,?))"),
    ] {
        let (kind, layout, text) = match scope {
            Scope::Group => (ResourceKind::Group, &GROUP_LAYOUT, &texts[1]),
            _ => (ResourceKind::User, &USER_LAYOUT, &texts[0]),
        };
        for direction in ["ascending", "descending"] {
            let parameters: Vec<_> = by.into_iter().flat_map(|by| [("sortBy", by), ("sortOrder", direction)]).collect();
            let query = ListQuery::parse(&[kind], &parameters, Profile::Strict).unwrap();
            let order = Order::new(query.selections[0].sort.as_ref(), layout);
            let key = by.map_or(SortKey::Missing, |_| SortKey::Text("x".to_owned()));
            let mark = Mark { key, ids: vec![uuid::Uuid::nil()] };
            // A list that is not sorted has one direction.
            let after = if by.is_some() && direction == "descending" { after.replace('>', "<") } else { after.to_owned() };
            for (start, found_by) in [(Start::Offset(7), ""), (Start::After(mark), after.as_str())] {
                let statements = Page { start, limit: 10 }.statements(text, &Where::everything(), &order);
                assert!(!statements.is_empty());
                for (at, statement) in statements.iter().enumerate() {
                    // Rows without a value follow in a statement of their own, through the same index.
                    let parts = [index.as_str(), if at == 0 { found_by } else { "" }];
                    let found = plan(pool(&ground), &statement.sql).await;
                    assert!(slow(&found).is_empty(), "{by:?} {direction}: {found:#?}: {}", statement.sql);
                    let uses = found.iter().any(|line| parts.iter().all(|part| line.contains(part)));
                    assert!(uses, "{by:?} {direction} without {parts:?}: {found:#?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_slow_plan_is_seen() {
    let ground = Ground::fresh(Engine::Sqlite).await;
    for text in [
        "select id from logins where external_id = $2",
        "select id from logins where tenant_id = $1 order by user_name",
        "select id from assignments where tenant_id = $1 and role = $2",
    ] {
        let found = plan(pool(&ground), text).await;
        assert!(!slow(&found).is_empty(), "{text}: {found:?}");
    }
}

#[tokio::test]
async fn each_filter_of_events_is_answered_by_its_index_without_sorting() {
    let ground = Ground::fresh(Engine::Sqlite).await;
    let texts: Vec<_> = of_the_store().into_iter().filter(|statement| statement.function == "events").collect();
    for (condition, index) in [
        ("e.target_id = $9 and", "events_by_target (tenant_id=? AND target_id=? AND at>?"),
        ("e.request_id = $8 and", "events_by_request (tenant_id=? AND request_id=? AND at>?"),
        ("e.actor_key = $7 and", "events_by_actor (tenant_id=? AND actor_key=? AND at>?"),
        ("e.kind = $6 and", "events_by_kind (tenant_id=? AND kind=? AND at>?"),
        ("e.tenant_id = $1 and (e.at", "events_by_tenant (tenant_id=? AND at>?"),
    ] {
        let text = texts.iter().find(|statement| statement.text.contains(condition)).unwrap_or_else(|| panic!("{condition}"));
        let found = plan(pool(&ground), &text.text).await;
        assert!(
            slow(&found).is_empty() && found.iter().any(|line| line.contains(index)),
            "{condition} without {index}: {found:#?}"
        );
    }
    assert_eq!(texts.len(), 5);
    // PostgreSQL has the same indexes, and takes them where the table is not a handful of rows.
    let ground = Ground::fresh(Engine::Postgres).await;
    let Store::Postgres(server) = &ground.store else { unreachable!("the ground is PostgreSQL's") };
    let mut connection = server.acquire().await.unwrap();
    sqlx::query("set enable_seqscan = off").execute(&mut *connection).await.unwrap();
    sqlx::query("set enable_bitmapscan = off").execute(&mut *connection).await.unwrap();
    for index in ["target", "request", "actor", "kind"] {
        let column =
            if ["request", "target"].contains(&index) { format!("{index}_id") } else { index.replace("actor", "actor_key") };
        let value = if index == "target" { format!("'{}'", uuid::Uuid::nil()) } else { "'x'".to_owned() };
        let text = format!(
            "explain select id from events e where e.tenant_id = '{}' and e.{column} = {value} and (e.at, e.id) < ('2030-01-01', '{}')
             order by e.at desc, e.id desc limit 10",
            uuid::Uuid::nil(),
            uuid::Uuid::max()
        );
        let lines: Vec<(String,)> = sqlx::query_as(AssertSqlSafe(text)).fetch_all(&mut *connection).await.unwrap();
        let plan = lines.into_iter().map(|(line,)| line).collect::<Vec<_>>().join("\n");
        assert!(plan.contains(&format!("events_by_{index}")) && !plan.contains("Sort"), "{index}: {plan}");
    }
}
