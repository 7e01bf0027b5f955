//! How sessions end: in one place, and with word to the portals.

use chrono::TimeDelta;
use vestibule::clock::Clock;
use vestibule::directory::ending;
use vestibule::model::{ConnectionId, ConnectionState, EndingId, HolderId, SessionLimits, TenantLimits};
use vestibule::store::EndingRow;
use vestibule::work;

use super::grants::{grant, live, portal};
use super::sign_in::{begin, session};
use super::statements::of_the_store;
use super::{Ground, LIMITS, later, now, raw, rows};
use crate::support::source::files;
use crate::support::world::on_every_engine;

const DELIVERIES: &str = "select count(*) from deliveries where delivered_at is null and failed_at is null and attempts = 0";

on_every_engine! {
    async fn who_ends_a_session_leaves_word_for_its_portals(engine) {
        let ground = Ground::fresh(engine).await;
        let (house, other) = (ground.tenant("bluesky").await, ground.tenant("acme").await);
        let joe = house.login(&ground.store, "joe").await;
        let (portal, quiet) = (portal(&ground, "portal").await, portal(&ground, "quiet").await);
        raw!(ground.store, "update clients set backchannel_logout_uri = null where id = $1", quiet).unwrap();
        let (id, first) = grant(&ground, &house, joe, portal, "code").await;
        let (_, second) = grant(&ground, &house, joe, quiet, "code of the quiet one").await;
        let silent = begin(&ground, &house, joe, "silent", later(60)).await;
        // Not from the other side of the wall.
        let mut writer = ground.store.write(other.tenant).await.unwrap();
        assert_eq!(writer.end_sessions(&[first, second, silent], later(1)).await.unwrap(), 0);
        writer.commit().await.unwrap();
        assert_eq!(rows!(ground.store, (i64,), DELIVERIES), [(0,)]);
        assert!(live(&ground, &house, id).await.is_some());

        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let person = writer.any_login(joe).await.unwrap().unwrap().login.person_id;
        let mut found = writer.sessions_of_person(person).await.unwrap();
        let mut same = writer.sessions_of_login(joe).await.unwrap();
        found.sort();
        same.sort();
        assert_eq!((found.len(), &found), (3, &same));
        let mut shown: Vec<_> = writer.live_sessions(person).await.unwrap().into_iter().map(|row| row.id).collect();
        shown.sort();
        assert_eq!(shown, found);
        let mut names = writer.portals_of_sessions(person).await.unwrap();
        names.sort();
        let mut expected = vec![(first, "Portal".to_owned()), (second, "Portal".to_owned())];
        expected.sort();
        assert_eq!(names, expected);
        assert_eq!(writer.login_of_session(first).await.unwrap(), Some(joe));
        assert_eq!(writer.end_sessions(&found, later(1)).await.unwrap(), 3);
        assert_eq!(writer.end_sessions(&found, later(1)).await.unwrap(), 0);
        assert_eq!(writer.end_sessions(&[], later(1)).await.unwrap(), 0);
        writer.commit().await.unwrap();
        assert_eq!(live(&ground, &house, id).await, None);
        assert_eq!(rows!(ground.store, (i64,), DELIVERIES), [(1,)]);
        let told = "select count(*) from deliveries d join clients c on c.id = d.client_id where c.client_id = 'portal' and d.login_id = $1";
        assert_eq!(rows!(ground.store, (i64,), told, joe), [(1,)]);
    }

    async fn an_epoch_ends_sessions_at_once_and_their_rows_go_afterwards(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await;
        let portal = portal(&ground, "portal").await;
        let (clock, holder) = (Clock::system(), HolderId::new(now()));
        for whole in [false, true] {
            let code = format!("code {whole}");
            grant(&ground, &house, joe, portal, &code).await;
            let mut writer = ground.store.write(house.tenant).await.unwrap();
            let epoch = if whole {
                writer.raise_tenant_epoch().await.unwrap()
            } else {
                writer.raise_connection_epoch(house.connection).await.unwrap()
            };
            assert_eq!(epoch, 1);
            let ending = EndingRow { id: EndingId::new(now()), connection_id: (!whole).then_some(house.connection), epoch, created_at: later(1) };
            writer.insert_ending(&ending).await.unwrap();
            writer.commit().await.unwrap();
            assert!(session(&ground, &format!("cookie of {code}"), later(1)).await.is_none(), "{whole}");
            // Who comes afterwards stays.
            let after = begin(&ground, &house, joe, &format!("after {whole}"), later(60)).await;
            let mut writer = ground.store.write(house.tenant).await.unwrap();
            assert_eq!(writer.next_ending().await.unwrap(), Some(ending));
            let found = writer.sessions_of_ending(&ending, 10).await.unwrap();
            assert!(!found.is_empty() && !found.contains(&after), "{found:?}");
            drop(writer);
            assert_eq!(ground.store.doors().tenants_with_endings().await.unwrap(), [house.tenant]);
            // One step for the sessions, and one to see that there are no more.
            assert_eq!(work::ending::end(&ground.store, &clock, holder).await.unwrap(), 2);
            assert_eq!(ground.store.doors().tenants_with_endings().await.unwrap(), []);
            assert!(session(&ground, &format!("after {whole}"), later(1)).await.is_some(), "{whole}");
            assert_eq!(rows!(ground.store, (i64,), "select count(*) from sessions"), [(1,)]);
        }
        assert_eq!(rows!(ground.store, (i64,), DELIVERIES), [(2,)]);
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let nobody = ConnectionId::new(now());
        assert!(writer.raise_connection_epoch(nobody).await.is_err());
        assert!(writer.set_connection_state(nobody, ConnectionState::Disabled, now()).await.is_err());
        writer.set_connection_state(house.connection, ConnectionState::Disabled, now()).await.unwrap();
        assert_eq!(writer.connection_for_update(house.connection).await.unwrap().unwrap().state, ConnectionState::Disabled);
        let gone = EndingRow { id: EndingId::new(now()), connection_id: None, epoch: 0, created_at: now() };
        writer.insert_ending(&gone).await.unwrap();
        writer.remove_ending(gone.id).await.unwrap();
        assert_eq!(writer.next_ending().await.unwrap(), None);
    }

    async fn the_limits_of_a_tenant_count_for_sessions_that_are_there(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await;
        let portal = portal(&ground, "portal").await;
        let (id, _) = grant(&ground, &house, joe, portal, "code").await;
        let at = async |minute| {
            let limits = SessionLimits { idle: TimeDelta::minutes(30), absolute: TimeDelta::minutes(50) };
            let found = ground.store.doors().session(&vestibule::keys::HashedToken::of("cookie of code"), later(minute), limits).await.unwrap();
            let granted = ground.store.read(house.tenant).grant(id, later(minute), limits).await.unwrap();
            assert_eq!(found.as_ref().map(|found| found.expires_at), granted.map(|granted| granted.expires_at));
            found.map(|found| found.expires_at)
        };
        assert_eq!(at(29).await, Some(later(50)));
        assert_eq!(at(30).await, None, "idle for the service");
        for (idle, absolute, last, end) in [(Some(10), None, 9, 50), (None, Some(20), 19, 20), (Some(400), Some(400), 29, 50)] {
            let limits = TenantLimits { session_idle: idle, session_absolute: absolute };
            let mut writer = ground.store.write(house.tenant).await.unwrap();
            writer.set_session_limits(limits).await.unwrap();
            assert_eq!(writer.session_limits().await.unwrap(), limits);
            writer.commit().await.unwrap();
            assert_eq!(at(last).await, Some(later(end)), "{limits:?}");
            assert_eq!(at(last + 1).await, None, "{limits:?}");
        }
    }

    async fn sessions_whose_time_is_over_are_swept_away_everywhere(engine) {
        let ground = Ground::fresh(engine).await;
        let portal = portal(&ground, "portal").await;
        let mut houses = Vec::new();
        for slug in ["bluesky", "acme"] {
            let house = ground.tenant(slug).await;
            let joe = house.login(&ground.store, "joe").await;
            let used = begin(&ground, &house, joe, &format!("{slug} used"), later(600)).await;
            grant(&ground, &house, joe, portal, slug).await;
            let mut writer = ground.store.write(house.tenant).await.unwrap();
            writer.touch_session(used, later(29)).await.unwrap();
            writer.commit().await.unwrap();
            // The identity provider has said when this one ends.
            let (_, limited) = grant(&ground, &house, joe, portal, &format!("{slug} limited")).await;
            let mut writer = ground.store.write(house.tenant).await.unwrap();
            writer.shorten_session(limited, later(20)).await.unwrap();
            assert_eq!(writer.ended_sessions(later(19), 5).await.unwrap(), []);
            assert_eq!(writer.ended_sessions(later(20), 5).await.unwrap(), [limited]);
            writer.commit().await.unwrap();
            houses.push(house);
        }
        let swept = async |minute| work::purge(&ground.store, LIMITS, later(minute)).await.unwrap().sessions;
        assert_eq!(swept(19).await, 0);
        assert_eq!(swept(20).await, 2, "the limited one of each");
        assert_eq!(rows!(ground.store, (i64,), DELIVERIES), [(2,)]);
        assert_eq!(swept(29).await, 0);
        assert_eq!(swept(30).await, 2, "the idle one of each");
        assert_eq!(rows!(ground.store, (i64,), DELIVERIES), [(4,)]);
        let mut writer = ground.store.write(houses[0].tenant).await.unwrap();
        writer.set_session_limits(TenantLimits { session_idle: None, session_absolute: Some(31) }).await.unwrap();
        assert_eq!(writer.idle_sessions(later(28), 5).await.unwrap(), []);
        assert_eq!(writer.old_sessions(now(), 5).await.unwrap().len(), 1);
        writer.commit().await.unwrap();
        assert_eq!(swept(31).await, 1, "the old one of the one tenant");
        assert!(session(&ground, "acme used", later(31)).await.is_some());
        let mut writer = ground.store.write(houses[0].tenant).await.unwrap();
        assert_eq!(ending::step_of_old(&mut writer, LIMITS, later(600)).await.unwrap(), 0);
        assert!(!ending::step(&mut writer, later(600)).await.unwrap());
    }
}

/// Whatever ended sessions elsewhere would forget the portals.
#[test]
fn sessions_end_and_epochs_rise_in_one_place() {
    let mut seen = 0;
    for statement in of_the_store() {
        let text = &statement.text;
        let ends = ["sessions", "session_logins", "persons", "connections", "tenants"]
            .iter()
            .any(|table| format!("{text} ").contains(&format!("delete from {table} ")))
            || text.contains("epoch = epoch")
            || (text.starts_with("update session") && !text.starts_with("update sessions set last_seen_at"));
        // Whoever signs in anew keeps the session, by another cookie.
        let ends = ends && statement.function != "renew_session";
        seen += usize::from(ends);
        assert!(!ends || statement.file == "ending.rs", "{} {}: {text}", statement.file, statement.function);
    }
    assert_eq!(seen, 10, "the sessions, the end of one, a login in one, its name, the active one, the cookie, and four epochs");
    // A login takes its sessions along.
    let callers: Vec<_> =
        files("src", "rs").into_iter().filter(|path| std::fs::read_to_string(path).unwrap().contains(".delete_login(")).collect();
    assert!(matches!(callers.as_slice(), [only] if only.ends_with("src/directory/ending.rs")), "{callers:?}");
}
