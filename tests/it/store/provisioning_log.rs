//! The provisioning log: what is asked for is found, in pages, and what is old goes.

use chrono::TimeDelta;
use uuid::Uuid;
use vestibule::keys::{KeyRing, Place, Sealer};
use vestibule::model::{ChangedRules, DirectoryId, EventId, RuleId, TokenId};
use vestibule::store::{LogEntry, LogQuery, NewTrace, Outcome, Reader, Store, Writer};

use super::{Ground, House, born, later, now, raw};
use crate::support::world::on_every_engine;

fn entry(directory: DirectoryId, minute: i64, operation: &'static str, status: u16) -> LogEntry {
    LogEntry {
        id: EventId::new(born()).uuid(),
        directory_id: directory,
        at: later(minute),
        operation,
        resource_type: "User",
        resource_id: None,
        status,
        scim_type: None,
        detail: None,
        attributes: vec![],
        values: None,
        coercions: vec![],
        rules: ChangedRules::default(),
        token_id: None,
    }
}

async fn write(store: &Store, house: &House, entries: &[LogEntry]) {
    let mut writer: Writer = store.write(house.tenant).await.unwrap();
    for entry in entries {
        writer.log_provisioning(entry, None).await.unwrap();
    }
    writer.commit().await.unwrap();
}

/// The operations of the entries that a query finds, newest first.
async fn found(reader: &mut Reader, house: &House, query: &LogQuery) -> String {
    let rows = reader.provisioning_log(house.directory, query, 100).await.unwrap();
    rows.iter().map(|row| format!("{}{}", row.operation, row.status)).collect::<Vec<_>>().join(" ")
}

on_every_engine! {
    async fn every_condition_of_a_query_counts(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let other = ground.tenant("redsky").await;
        let resource = Uuid::from_u128(7);
        let coerced = vec!["bare-member: members".to_owned(), "string-boolean: active".to_owned()];
        let entries = [
            LogEntry { resource_id: Some(resource), ..entry(house.directory, 1, "create", 201) },
            LogEntry { coercions: coerced, ..entry(house.directory, 2, "patch", 200) },
            LogEntry { resource_type: "Group", ..entry(house.directory, 3, "create", 409) },
            entry(house.directory, 4, "delete", 404),
        ];
        write(&ground.store, &house, &entries).await;
        write(&ground.store, &other, &[entry(other.directory, 5, "create", 201)]).await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.log_provisioning(&entry(house.directory, 5, "replace", 200), Some("r5")).await.unwrap();
        writer.commit().await.unwrap();
        let mut reader = ground.store.read(house.tenant);
        let all = LogQuery::default();
        let text = |text: &str| Some(text.to_owned());
        for (query, expected) in [
            (all.clone(), "replace200 delete404 create409 patch200 create201"),
            (LogQuery { outcome: Some(Outcome::Done), ..all.clone() }, "replace200 patch200 create201"),
            (LogQuery { outcome: Some(Outcome::Refused), ..all.clone() }, "delete404 create409"),
            (LogQuery { operation: text("create"), ..all.clone() }, "create409 create201"),
            (LogQuery { operation: text("create"), outcome: Some(Outcome::Refused), ..all.clone() }, "create409"),
            (LogQuery { resource_type: text("Group"), ..all.clone() }, "create409"),
            (LogQuery { resource_id: Some(resource), ..all.clone() }, "create201"),
            (LogQuery { request_id: text("r5"), ..all.clone() }, "replace200"),
            (LogQuery { rule: text("string-boolean"), ..all.clone() }, "patch200"),
            (LogQuery { rule: text("string"), ..all.clone() }, ""),
            (LogQuery { from: Some(later(3)), ..all.clone() }, "replace200 delete404 create409"),
            (LogQuery { to: Some(later(3)), ..all.clone() }, "patch200 create201"),
            (LogQuery { from: Some(later(2)), to: Some(later(4)), ..all.clone() }, "create409 patch200"),
        ] {
            assert_eq!(found(&mut reader, &house, &query).await, expected, "{query:?}");
        }
        let mut stranger = ground.store.read(other.tenant);
        assert_eq!(found(&mut stranger, &house, &all).await, "", "the directory of another tenant");
    }

    async fn pages_have_no_gap_while_entries_are_added(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        // Some have one instant, and only their ids tell them apart.
        let entries: Vec<_> = (0..10).map(|number| entry(house.directory, number / 3, "create", 201)).collect();
        write(&ground.store, &house, &entries).await;
        let (mut query, mut seen) = (LogQuery::default(), Vec::new());
        let mut reader = ground.store.read(house.tenant);
        loop {
            let rows = reader.provisioning_log(house.directory, &query, 3).await.unwrap();
            let Some(last) = rows.last() else { break };
            query.before = Some(last.position());
            seen.extend(rows.iter().map(|row| row.id));
            write(&ground.store, &house, &[entry(house.directory, 60, "patch", 200)]).await;
        }
        seen.reverse();
        assert_eq!(seen, entries.iter().map(|entry| entry.id).collect::<Vec<_>>());
    }

    async fn an_entry_has_its_values_rules_and_token(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let sealer = Sealer::new(KeyRing::generate());
        let new = entry(house.directory, 1, "create", 201);
        let place = Place { table: "provisioning_log", column: "values_sealed", row: new.id };
        let rules = ChangedRules { granted: [RuleId::new(now())].into(), revoked: [RuleId::new(now()), RuleId::new(now())].into() };
        let token_id = Some(TokenId::new(now()));
        let new = LogEntry { values: Some(sealer.seal(&place, b"{}")), rules: rules.clone(), token_id, ..new };
        write(&ground.store, &house, std::slice::from_ref(&new)).await;
        let mut reader = ground.store.read(house.tenant);
        let (row, values) = reader.provisioning_entry(house.directory, new.id).await.unwrap().unwrap();
        assert_eq!((row.rules, row.token_id, row.at), (rules, token_id, later(1)));
        assert_eq!(sealer.open(&place, &values.unwrap()).unwrap().as_slice(), b"{}");
        assert!(reader.provisioning_entry(house.directory, Uuid::nil()).await.unwrap().is_none());
        assert!(reader.provisioning_entry(DirectoryId::new(now()), new.id).await.unwrap().is_none());
    }

    async fn figures_tell_how_a_directory_fares(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let mut reader = ground.store.read(house.tenant);
        let bare = reader.directory_figures(house.directory, now()).await.unwrap().unwrap();
        assert_eq!((bare.users, bare.groups, bare.written_at, bare.refused_at, bare.refused), (0, 0, None, None, 0));
        let joe = house.login(&ground.store, "joe").await;
        house.login(&ground.store, "jane").await;
        house.group(&ground.store, "Admins", &[joe]).await;
        let entries = [("create", 201), ("patch", 409), ("patch", 200), ("delete", 404), ("delete", 404), ("list", 200)];
        let entries: Vec<_> =
            (1..).zip(entries).map(|(minute, (operation, status))| entry(house.directory, minute, operation, status)).collect();
        write(&ground.store, &house, &entries).await;
        let figures = reader.directory_figures(house.directory, later(3)).await.unwrap().unwrap();
        assert_eq!((figures.state.as_str(), figures.users, figures.groups), ("enabled", 2, 1));
        assert_eq!((figures.written_at, figures.refused_at, figures.refused), (Some(later(3)), Some(later(5)), 2));
        assert_eq!(reader.directory_figures(DirectoryId::new(now()), now()).await.unwrap(), None);
    }

    async fn z10_what_is_old_goes_in_batches_and_what_is_young_stays(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let other = ground.tenant("redsky").await;
        let entries = |house: &House| (0..5).map(|minute| entry(house.directory, minute, "create", 201)).collect::<Vec<_>>();
        write(&ground.store, &house, &entries(&house)).await;
        write(&ground.store, &other, &entries(&other)).await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert_eq!(writer.purge_provisioning_log(house.directory, later(3), 2).await.unwrap(), 2);
        assert_eq!(writer.purge_provisioning_log(house.directory, later(3), 2).await.unwrap(), 1);
        assert_eq!(writer.purge_provisioning_log(house.directory, later(3), 2).await.unwrap(), 0);
        assert_eq!(writer.purge_provisioning_log(other.directory, later(3), 2).await.unwrap(), 0, "another tenant's");
        writer.commit().await.unwrap();
        let left = ground.store.read(house.tenant).provisioning_log(house.directory, &LogQuery::default(), 9).await.unwrap();
        assert_eq!(left.iter().map(|row| row.at).collect::<Vec<_>>(), [later(4), later(3)]);
        assert_eq!(ground.store.read(other.tenant).provisioning_log(other.directory, &LogQuery::default(), 9).await.unwrap().len(), 5);
    }

    async fn z10_work_keeps_each_log_as_long_as_its_directory_says(engine) {
        let ground = Ground::fresh(engine).await;
        let (house, brief) = (ground.tenant("bluesky").await, ground.tenant("redsky").await);
        let mut writer = ground.store.write(brief.tenant).await.unwrap();
        writer.set_trace(brief.directory, Some(later(9)), now()).await.unwrap();
        writer.commit().await.unwrap();
        let traced = ground.store.read(brief.tenant).directory(brief.directory).await.unwrap().unwrap();
        assert_eq!(traced.trace_until, Some(later(9)));
        let text = format!(r#"update directories set settings = '{{"log_days": 1}}' where tenant_id = {}"#, match engine {
            vestibule::store::Engine::Sqlite => format!("x'{}'", brief.tenant.uuid().simple()),
            vestibule::store::Engine::Postgres => format!("'{}'", brief.tenant),
        });
        raw!(ground.store, text).unwrap();
        let days: Vec<_> = ground.store.doors().all_directories().await.unwrap();
        assert_eq!(days.iter().map(|(tenant, _, settings)| (*tenant, settings.log_days.get())).collect::<Vec<_>>(), [
            (house.tenant, 30),
            (brief.tenant, 1),
        ]);
        for house in [&house, &brief] {
            write(&ground.store, house, &[entry(house.directory, 0, "create", 201), entry(house.directory, 2 * 24 * 60, "patch", 200)])
                .await;
            let mut writer = ground.store.write(house.tenant).await.unwrap();
            for minute in [0, 24 * 60] {
                let id = vestibule::model::TraceId::new(born());
                let trace =
                    NewTrace { id, connection_id: house.connection, outcome: "x", login_id: None, steps: serde_json::json!([]) };
                writer.insert_trace(&trace, later(minute), None).await.unwrap();
            }
            writer.commit().await.unwrap();
        }
        let purged = async |now| {
            let gone = vestibule::work::purge(&ground.store, crate::store::LIMITS, now).await.unwrap();
            (gone.log_entries, gone.traces)
        };
        assert_eq!(purged(later(0) + TimeDelta::days(2)).await, (1, 0));
        assert_eq!(purged(later(1) + TimeDelta::days(30)).await, (2, 2));
        assert_eq!(purged(later(1) + TimeDelta::days(30)).await, (0, 0));
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert_eq!(writer.purge_traces(later(2 * 24 * 60), 1).await.unwrap(), 1);
        assert_eq!(writer.purge_traces(later(2 * 24 * 60), 9).await.unwrap(), 1);
        writer.commit().await.unwrap();
        assert_eq!(found(&mut ground.store.read(house.tenant), &house, &LogQuery::default()).await, "patch200");
    }
}
