//! The wall between tenants, in the texts of the statements and when they run.

use vestibule::keys::HashedToken;
use vestibule::model::{LoginId, PersonId, SessionId, Sid, Subject, SubjectKind, TraceId};
use vestibule::store::filter::Where;
use vestibule::store::{GROUP_LAYOUT, NewSession, NewTrace, Order, Page, USER_LAYOUT};

use super::statements::{By, Statement, of, of_the_store};
use super::{Ground, how, later, now};
use crate::support::world::on_every_engine;

/// Texts that belong to no tenant.
const OF_NOBODY: &[&str] = &[
    "select 1",
    "select pg_is_in_recovery()",
    "select version from _sqlx_migrations where success order by version",
    "select s.relname from pg_stat_user_tables s join pg_class c on c.oid = s.relid where s.schemaname = current_schema() and \
     s.n_mod_since_analyze > greatest(c.reltuples, $1) order by s.relname",
];

/// What is wrong with a statement.
fn faults(statement: &Statement) -> Vec<&'static str> {
    let text = statement.text.to_lowercase();
    let mut faults = Vec::new();
    match statement.by {
        By::Door if !statement.file.starts_with("doors") => faults.push("a door outside the doors' files"),
        By::Bare if OF_NOBODY.contains(&statement.text.as_str()) => {}
        By::Sql | By::Format | By::Bare if !is_scoped(&text) => faults.push("is not bound to its tenant"),
        By::Door | By::Sql | By::Format | By::Bare => {}
    }
    let forbidden = [
        ("select *", "reads columns that it does not name"),
        (".*", "reads columns that it does not name"),
        ("as uuid", "a cast that matches nothing on SQLite"),
        ("::", "a cast that only PostgreSQL knows"),
        ("now()", "asks the database for the time"),
        ("current_timestamp", "asks the database for the time"),
        (" ilike ", "compares case as the database does; fold in Rust"),
        ("lower(", "folds case as the database does; fold in Rust"),
    ];
    faults.extend(forbidden.iter().filter(|(part, _)| text.contains(part)).map(|(_, fault)| *fault));
    let writes = ["insert into ", "update ", "delete from "].iter().any(|verb| text.contains(verb));
    if text.starts_with("with ") && writes {
        faults.push("a CTE that writes");
    }
    if text.starts_with("delete ") && text.contains(" using ") {
        faults.push("delete … using");
    }
    faults
}

/// Whether a text looks at its own tenant alone: outside of all parentheses it says `tenant_id = $1`, or it inserts `$1` (or the tenant
/// of the rows that it reads so) into the first column, which is `tenant_id`.
fn is_scoped(text: &str) -> bool {
    let top = without_parentheses(text);
    let bound = ["tenant_id = $1 ", "tenant_id = $1,"].iter().any(|part| format!("{top} ").contains(part));
    let Some(insert) = text.strip_prefix("insert into ") else {
        // The roles of a catalogue belong to the operator and have no tenant; they ask whether the tenant is there at all.
        return bound || (text.starts_with("update roles ") && text.contains("from tenants where tenant_id = $1)"));
    };
    let (table, rest) = insert.split_once(' ').unwrap_or((insert, ""));
    if table == "roles" {
        return bound;
    }
    let first = rest.starts_with("(tenant_id,");
    let given = rest.contains(") values ($1,") || rest.contains(") select $1,");
    let taken = [") select tenant_id,", ") select b.tenant_id,", ") select l.tenant_id,"].iter().any(|part| rest.contains(part));
    first && (given || (taken && bound))
}

/// The text without what stands in parentheses. One that stays open, as before the condition of a filter, hides nothing.
fn without_parentheses(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut open = Vec::new();
    for character in text.chars() {
        match character {
            '(' => open.push(kept.len()),
            ')' => kept.truncate(open.pop().unwrap_or(kept.len())),
            _ => kept.push(character),
        }
    }
    kept
}

#[test]
fn every_statement_stays_inside_its_tenant() {
    let statements = of_the_store();
    // A scanner that finds nothing finds no fault either.
    assert!(statements.len() > 80, "only {} statements were found", statements.len());
    for by in [By::Sql, By::Door, By::Format, By::Bare] {
        assert!(statements.iter().any(|statement| statement.by == by), "no statement by {by:?}");
    }
    let faults: Vec<_> = statements
        .iter()
        .flat_map(|statement| {
            faults(statement)
                .into_iter()
                .map(move |fault| format!("{} {}: {fault}: {}", statement.file, statement.function, statement.text))
        })
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_scoped_text_is_found_for_bad_ones() {
    let faults_of = |source: &str| {
        let found = of(&[("logins.rs".to_owned(), format!("fn f() {{ {source} }}"))]);
        assert_eq!(found.len(), 1, "{source}");
        faults(&found[0])
    };
    let unbound = ["is not bound to its tenant"];
    for source in [
        r#"sql!(s, execute("delete from logins where id = $2", id))"#,
        r#"sql!(s, execute("delete from logins where tenant_id = $10", id))"#,
        r#"sql!(s, execute("update logins set active = $2 where id in (select id from logins where tenant_id = $1)", id))"#,
        r#"sql!(s, execute(concat!("delete from logins ", "where id = $2"), id))"#,
        r#"sql!(s, execute("insert into persons (id, tenant_id) values ($1, $2)", id))"#,
        r#"sql!(s, execute("insert into persons (tenant_id, id) values ($2, $3)", id))"#,
        r#"sql!(s, execute("insert into persons (tenant_id, id) select tenant_id, id from logins where id = $2", id))"#,
        r#"sql!(s, execute("insert into roles (catalogue, key) values ($2, $3)", id))"#,
        r#"let text = format!("select count(*) from logins l where {}", sql);"#,
        r#"let text = "select id from logins where id = $2";"#,
        r#"let text = "select id from (with recursive x(id) as (select id from logins where (tenant_id = $1) and id = $2";"#,
    ] {
        assert_eq!(faults_of(source), unbound, "{source}");
    }
    for (source, fault) in [
        (r#"door!(s, execute("delete from sessions"))"#, "a door outside the doors' files"),
        (r#"sql!(s, execute("select * from logins where tenant_id = $1"))"#, "reads columns that it does not name"),
        (r#"sql!(s, execute("select l.* from logins l where l.tenant_id = $1"))"#, "reads columns that it does not name"),
        (
            r#"sql!(s, execute("delete from logins where tenant_id = $1 and id = cast($2 as uuid)"))"#,
            "a cast that matches nothing on SQLite",
        ),
        (r#"sql!(s, execute("delete from logins where tenant_id = $1 and id = $2::uuid"))"#, "a cast that only PostgreSQL knows"),
        (r#"sql!(s, execute("delete from logins where tenant_id = $1 and at < now()"))"#, "asks the database for the time"),
        (
            r#"sql!(s, execute("with gone as (delete from logins returning id) select id from gone g where g.tenant_id = $1"))"#,
            "a CTE that writes",
        ),
        (
            r#"sql!(s, execute("delete from logins l using persons p where l.tenant_id = $1 and p.id = l.person_id"))"#,
            "delete … using",
        ),
    ] {
        assert_eq!(faults_of(source), [fault], "{source}");
    }
    assert!(faults_of(r#"sql!(s, execute("insert into persons (tenant_id, id) values ($1, $2)", id))"#).is_empty());
}

on_every_engine! {
    async fn one_tenant_finds_nothing_of_another(engine) {
        let ground = Ground::fresh(engine).await;
        let ours = ground.tenant("ours").await;
        let theirs = ground.tenant("theirs").await;
        let joe = ours.login(&ground.store, "joe").await;
        let group = ours.group(&ground.store, "Admins", &[joe]).await;
        let inner = ours.group(&ground.store, "Inner", &[]).await;
        let subject =
            Subject { connection: ours.connection, issuer: "https://idp.example".into(), kind: SubjectKind::Sub, value: "s1".into() };
        let (session, trace) = (SessionId::new(now()), TraceId::new(now()));
        let mut writer = ground.store.write(ours.tenant).await.unwrap();
        let person: PersonId = writer.any_login(joe).await.unwrap().unwrap().login.person_id;
        writer.insert_subject(joe, &subject, now()).await.unwrap();
        writer.add_member_groups(group, &[inner]).await.unwrap();
        let digest = HashedToken::of("session");
        let new = NewSession {
            id: session,
            sid: Sid::new(now()),
            digest: &digest,
            person_id: person,
            login_id: joe,
            user_agent: "test",
            address: Some("192.0.2.7"),
            authentication: &how(ours.connection),
            expires_at: later(60),
        };
        writer.insert_session(&new, now()).await.unwrap();
        let new = NewTrace {
            id: trace,
            connection_id: ours.connection,
            outcome: "signed_in",
            login_id: Some(joe),
            steps: serde_json::json!([]),
        };
        writer.insert_trace(&new, now(), None).await.unwrap();
        writer.commit().await.unwrap();

        // The same questions find everything from inside and nothing from outside.
        for (tenant, inside) in [(ours.tenant, true), (theirs.tenant, false)] {
            let found = usize::from(inside);
            let mut reader = ground.store.read(tenant);
            let page = Page::first(10);
            let (users, groups) = (Order::new(None, &USER_LAYOUT), Order::new(None, &GROUP_LAYOUT));
            let everything = Where::everything();
            assert_eq!(reader.any_login(joe).await.unwrap().is_some(), inside);
            assert_eq!(reader.login(ours.directory, joe).await.unwrap().is_some(), inside);
            assert_eq!(reader.list_logins(ours.directory, &everything, &users, &page).await.unwrap().len(), found);
            assert_eq!(reader.count_logins(ours.directory, &everything).await.unwrap(), i64::from(inside));
            assert_eq!(reader.facts(&[joe]).await.unwrap().len(), found);
            assert_eq!(reader.memberships(&[joe]).await.unwrap().len(), found);
            assert_eq!(reader.known_members(ours.directory, &[joe.uuid(), group.uuid()]).await.unwrap().len(), 2 * found);
            assert_eq!(reader.login_ids(None, 10).await.unwrap().len(), found);
            assert_eq!(reader.person(person).await.unwrap().is_some(), inside);
            assert_eq!(reader.group(ours.directory, group).await.unwrap().is_some(), inside);
            assert_eq!(reader.list_groups(ours.directory, &everything, &groups, &page).await.unwrap().len(), 2 * found);
            assert_eq!(reader.members(&[group], 10).await.unwrap().len(), 2 * found);
            assert_eq!(reader.members_among(group, &[joe.uuid(), inner.uuid()]).await.unwrap().len(), 2 * found);
            assert_eq!(reader.surplus_logins(group, &[]).await.unwrap().len(), found);
            assert_eq!(reader.absent_logins(inner, &[joe]).await.unwrap().len(), found);
            assert_eq!(reader.member_groups(group).await.unwrap().len(), found);
            assert_eq!(reader.parent_groups(inner).await.unwrap().len(), found);
            assert_eq!(reader.groups_within(&[group]).await.unwrap().len(), 2 * found);
            assert_eq!(reader.groups_around(inner).await.unwrap().len(), 2 * found);
            assert_eq!(reader.effective_logins(&[group]).await.unwrap().len(), found);
            assert_eq!(reader.connection(ours.connection).await.unwrap().is_some(), inside);
            assert_eq!(reader.connections_of_domain("ours.example").await.unwrap().len(), found);
            assert_eq!(reader.bindings_of_connection(ours.connection).await.unwrap().len(), found);
            assert_eq!(reader.bindings_of_directory(ours.directory).await.unwrap().len(), found);
            assert_eq!(reader.connection_of_session(session, joe).await.unwrap().is_some(), inside);
            assert_eq!(reader.trace_outcomes(ours.connection).await.unwrap().len(), found);
            assert_eq!(reader.accounts().await.unwrap().iter().filter(|account| account.id == ours.root).count(), found);
            assert_eq!(reader.directories().await.unwrap().iter().filter(|one| one.id == ours.directory).count(), found);
        }

        // Nor does it change anything.
        let mut writer = ground.store.write(theirs.tenant).await.unwrap();
        assert!(writer.login_of_subject(&subject).await.unwrap().is_none());
        assert!(writer.login_for_update(ours.directory, joe).await.unwrap().is_none());
        assert!(writer.lock_logins(&[joe]).await.unwrap().is_empty());
        assert!(writer.add_members(group, &[LoginId::new(now())]).await.unwrap().is_empty());
        assert!(writer.remove_members(group, &[joe]).await.unwrap().is_empty());
        assert!(writer.add_member_groups(inner, &[group]).await.unwrap().is_empty());
        assert!(writer.remove_member_groups(group, &[inner]).await.unwrap().is_empty());
        writer.lock_groups(&[group]).await.unwrap();
        assert_eq!(writer.sessions_of_login(joe).await.unwrap(), []);
        assert_eq!(writer.end_sessions(&[session], now()).await.unwrap(), 0);
        writer.raise_login_epoch(joe).await.unwrap();
        writer.touch_group(group, later(1)).await.unwrap();
        assert!(writer.delete_login(joe).await.is_err());
        assert!(writer.delete_group(group).await.is_err());
        writer.commit().await.unwrap();
        let mut reader = ground.store.read(ours.tenant);
        let login = reader.any_login(joe).await.unwrap().unwrap().login;
        assert_eq!((login.epoch, login.version), (0, 1));
        assert_eq!(reader.group(ours.directory, group).await.unwrap().unwrap().group.version, 1);
        assert_eq!(reader.effective_logins(&[group]).await.unwrap(), [joe]);
        assert_eq!(reader.member_groups(group).await.unwrap(), [inner]);
    }
}
