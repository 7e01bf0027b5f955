//! The chain over the audit trail: it grows behind the writes, by one replica at a time, and shows what was changed afterwards.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use vestibule::clock::Clock;
use vestibule::directory::chain::{Fault, seal as seals_of, verify};
use vestibule::keys::{KeyRing, Place, Sealer};
use vestibule::model::{Actor, Event, EventId, EventKind, HolderId, PersonId, TenantId};
use vestibule::store::{Engine, EventValuesRow, LogPosition, Store};
use vestibule::work::sealing::{LEASE, SETTLED, seal};

use super::{Ground, House, born, later, now, raw, rows};
use crate::support::world::on_every_engine;

const LOOK_BACK: TimeDelta = TimeDelta::minutes(10);

fn event(house: &House, at: DateTime<Utc>) -> Event {
    Event {
        id: EventId::new(born()),
        at,
        kind: EventKind::LoginUpdated,
        actor: Actor::System,
        target: house.directory.uuid(),
        account: None,
        details: serde_json::json!({ "b": 1, "a": "ü" }),
    }
}

async fn record(store: &Store, house: &House, events: &[Event]) {
    let mut writer = store.write(house.tenant).await.unwrap();
    writer.record(events, None).await.unwrap();
    writer.commit().await.unwrap();
}

async fn seal_at(store: &Store, at: DateTime<Utc>, holder: HolderId) -> Option<u64> {
    seal(store, &Clock::fixed(at), holder, LOOK_BACK).await.unwrap()
}

/// A tenant with this many events, all of them sealed.
async fn sealed(engine: Engine, events: usize) -> (Ground, House) {
    let ground = Ground::fresh(engine).await;
    let house = ground.tenant("bluesky").await;
    for _ in 0..events {
        record(&ground.store, &house, &[event(&house, now())]).await;
    }
    assert_eq!(seal_at(&ground.store, later(5), HolderId::new(now())).await, Some(events as u64));
    (ground, house)
}

/// Takes away what keeps rows as they are, as somebody would who owns the database.
async fn unlock(ground: &Ground) {
    let drops: &[&str] = match ground.store.engine() {
        Engine::Sqlite => &[
            "drop trigger events_not_changed",
            "drop trigger events_not_deleted",
            "drop trigger event_seals_not_changed",
            "drop trigger event_seals_not_deleted",
        ],
        Engine::Postgres => &["drop trigger events_append_only on events", "drop trigger event_seals_append_only on event_seals"],
    };
    for drop in drops {
        raw!(ground.store, (*drop)).unwrap();
    }
}

on_every_engine! {
    async fn events_are_sealed_when_they_are_settled_in_the_order_in_which_they_are_found(engine) {
        let ground = Ground::fresh(engine).await;
        let (house, other) = (ground.tenant("bluesky").await, ground.tenant("redsky").await);
        let holder = HolderId::new(now());
        let [first, second, late] = [now(), later(1), now() - TimeDelta::minutes(5)].map(|at| event(&house, at));
        record(&ground.store, &house, std::slice::from_ref(&first)).await;
        record(&ground.store, &house, std::slice::from_ref(&second)).await;
        record(&ground.store, &other, &[event(&other, now())]).await;
        assert_eq!(seal_at(&ground.store, now() + SETTLED, holder).await, Some(0), "not settled yet");
        assert_eq!(seal_at(&ground.store, later(1) + SETTLED, holder).await, Some(2), "one of each tenant");
        let verdict = verify(&ground.store, house.tenant).await.unwrap();
        assert_eq!((verdict.sealed, verdict.broken, verdict.unsealed, verdict.unsealed_since), (1, None, 1, Some(later(1))));
        assert_eq!(seal_at(&ground.store, later(5), holder).await, Some(1));
        // What appears late is sealed late.
        record(&ground.store, &house, std::slice::from_ref(&late)).await;
        assert_eq!(seal_at(&ground.store, later(6), holder).await, Some(1));
        let mut reader = ground.store.read(house.tenant);
        let seals = reader.seals(0, 10).await.unwrap();
        let order: Vec<_> = seals.iter().map(|seal| (seal.position, seal.event_id)).collect();
        assert_eq!(order, [(1, first.id), (2, second.id), (3, late.id)]);
        assert_eq!(reader.seals(2, 10).await.unwrap(), seals[2..]);
        let last = reader.last_seal().await.unwrap().unwrap();
        assert_eq!((last.position, &last.chain, last.event_at), (3, &seals[2].chain, Some(late.at)));
        assert_eq!(reader.events_by_id(&[late.id, first.id]).await.unwrap().len(), 2);
        assert_eq!(reader.unsealed().await.unwrap().events, 0);
        // Nothing of it is seen from another tenant.
        let mut reader = ground.store.read(other.tenant);
        assert_eq!((reader.seals(0, 10).await.unwrap().len(), reader.events_by_id(&[first.id]).await.unwrap().len()), (1, 0));
        let tenants: BTreeSet<_> = ground.store.doors().tenant_ids().await.unwrap().into_iter().collect();
        assert_eq!(tenants, BTreeSet::from([house.tenant, other.tenant, TenantId::OPERATOR]));
        for text in ["update event_seals set position = 9", "delete from event_seals", "update events set kind = 'x'"] {
            let error = raw!(ground.store, text).unwrap_err().to_string();
            assert!(error.contains("append-only"), "{error}");
        }
    }

    async fn one_holder_seals_at_a_time_and_another_takes_over(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let [one, two] = [HolderId::new(now()), HolderId::new(now())];
        record(&ground.store, &house, &[event(&house, now())]).await;
        assert_eq!(seal_at(&ground.store, later(5), one).await, Some(1));
        record(&ground.store, &house, &[event(&house, later(1))]).await;
        assert_eq!(seal_at(&ground.store, later(5) + LEASE - TimeDelta::seconds(1), two).await, None);
        assert_eq!(seal_at(&ground.store, later(5) + LEASE, two).await, Some(1), "the lease is over");
        assert_eq!(seal_at(&ground.store, later(5) + LEASE, one).await, None);
        let mut writer = ground.store.write(TenantId::OPERATOR).await.unwrap();
        assert!(writer.take_lease("another", one, now(), later(1)).await.unwrap());
        assert!(writer.take_lease("another", one, now(), later(2)).await.unwrap(), "it is held longer");
        assert!(!writer.take_lease("another", two, later(1), later(3)).await.unwrap());
        writer.commit().await.unwrap();
        // Without a lease there is no second chain either.
        let mut reader = ground.store.read(house.tenant);
        record(&ground.store, &house, &[event(&house, later(2))]).await;
        let events = reader.unsealed_events(LogPosition { at: now(), id: uuid::Uuid::max() }, later(9), 10).await.unwrap();
        let last = reader.last_seal().await.unwrap();
        let seals = seals_of(house.tenant, last.as_ref(), &events);
        for works in [true, false] {
            let mut writer = ground.store.write(house.tenant).await.unwrap();
            assert_eq!(writer.insert_seals(&seals, later(9)).await.is_ok(), works);
            if works {
                writer.commit().await.unwrap();
            }
        }
        let verdict = verify(&ground.store, house.tenant).await.unwrap();
        assert_eq!((verdict.sealed, verdict.broken), (3, None));
    }

    async fn the_chain_is_whole_after_many_writers_and_two_replicas(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let mut tasks = Vec::new();
        for writer in 0..4 {
            let (store, house) = (ground.store.clone(), house.clone());
            tasks.push(tokio::spawn(async move {
                for number in 0..25 {
                    let at = now() + TimeDelta::seconds(number * 4 + writer);
                    record(&store, &house, &[event(&house, at), event(&house, at)]).await;
                }
            }));
        }
        for replica in 0..2 {
            let (holder, store) = (HolderId::new(now()), ground.store.clone());
            tasks.push(tokio::spawn(async move {
                for pass in 0..20 {
                    // Each thinks that the lease of the other is over.
                    let clock = Clock::fixed(later(2 * pass + replica));
                    // One that loses to the other has sealed nothing.
                    let _ = seal(&store, &clock, holder, TimeDelta::hours(1)).await;
                    tokio::task::yield_now().await;
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        seal(&ground.store, &Clock::fixed(later(500)), HolderId::new(now()), TimeDelta::days(1)).await.unwrap();
        let verdict = verify(&ground.store, house.tenant).await.unwrap();
        assert_eq!((verdict.sealed, verdict.broken, verdict.unsealed), (200, None, 0));
    }

    async fn the_first_thing_that_was_changed_afterwards_is_named(engine) {
        let of = |position: i64| format!("(select event_id from event_seals where position = {position})");
        for (text, position, fault, named) in [
            (format!("update events set kind = 'login.created' where id = {}", of(3)), 3, Fault::EventChanged, true),
            (format!("update events set details = '{{\"a\": \"u\", \"b\": 1}}' where id = {}", of(2)), 2, Fault::EventChanged, true),
            (format!("update events set account_id = null where id = {}", of(4)), 4, Fault::EventChanged, true),
            (format!("delete from events where id = {}", of(5)), 5, Fault::EventMissing, true),
            ("delete from event_seals where position = 1".to_owned(), 1, Fault::SealMissing, false),
            ("update event_seals set chain = digest where position = 4".to_owned(), 4, Fault::ChainBroken, true),
        ] {
            let (ground, house) = sealed(engine, 6).await;
            assert_eq!(verify(&ground.store, house.tenant).await.unwrap().broken, None);
            let ids = rows!(ground.store, (i64, uuid::Uuid), "select position, event_id from event_seals order by position");
            unlock(&ground).await;
            assert_eq!(raw!(ground.store, &text).unwrap(), 1, "{text}");
            let verdict = verify(&ground.store, house.tenant).await.unwrap();
            let broken = verdict.broken.unwrap_or_else(|| panic!("{text} was not seen"));
            assert_eq!((broken.position, broken.fault, verdict.sealed), (position, fault, position - 1), "{text}");
            let event = ids.iter().find(|(at, _)| *at == position).map(|(_, id)| EventId::from_uuid(*id));
            assert_eq!(broken.event, event.filter(|_| named), "{text}");
        }
    }

    async fn personal_values_lie_beside_their_event_under_the_key_of_the_person(engine) {
        let ground = Ground::fresh(engine).await;
        let (house, other) = (ground.tenant("bluesky").await, ground.tenant("redsky").await);
        let (joe, sealer) = (PersonId::new(now()), Sealer::new(KeyRing::generate()));
        let place = Place { table: "t", column: "c", row: joe.uuid() };
        let (key, second, values) = (sealer.seal(&place, b"key"), sealer.seal(&place, b"second"), sealer.seal(&place, b"values"));
        let told = event(&house, now());
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.record_personal(&told, joe, &values, Some("request")).await.unwrap();
        writer.insert_person_key(joe, &key, now()).await.unwrap();
        writer.insert_person_key(joe, &second, now()).await.unwrap();
        assert_eq!(writer.person_key(joe).await.unwrap(), Some(key.clone()), "the first one stays");
        writer.commit().await.unwrap();
        let mut reader = ground.store.read(house.tenant);
        let row = reader.events_by_id(&[told.id]).await.unwrap().remove(0);
        assert_eq!(row.values_digest, Some(values.digest().to_vec()));
        let found = reader.event_values(&[told.id]).await.unwrap();
        assert_eq!(found, [EventValuesRow { event_id: told.id, person_id: joe, sealed: values.clone(), key_sealed: Some(key) }]);
        assert_eq!(ground.store.read(other.tenant).event_values(&[told.id]).await.unwrap(), []);
        for (tenant, done) in [(other.tenant, false), (house.tenant, true), (house.tenant, false)] {
            let mut writer = ground.store.write(tenant).await.unwrap();
            assert_eq!(writer.delete_person_key(joe).await.unwrap(), done);
            writer.commit().await.unwrap();
        }
        let found = reader.event_values(&[told.id]).await.unwrap();
        assert_eq!((&found[0].sealed, &found[0].key_sealed), (&values, &None));
    }
}
