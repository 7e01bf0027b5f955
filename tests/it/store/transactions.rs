//! Transactions: all or nothing, and again from the beginning when a race was lost.

use std::sync::atomic::{AtomicU32, Ordering};

use vestibule::model::{DirectorySettings, GroupId, Subject, SubjectKind, TenantId};
use vestibule::store::{Constraint, Engine, Error, NewGroup, Store, Uniqueness, retry};

use super::{Ground, document, group, later, now};
use crate::support::world::on_every_engine;

on_every_engine! {
    async fn what_is_not_committed_never_was(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let joe = house.insert_login(&mut writer, &document("joe")).await;
        assert!(writer.any_login(joe).await.unwrap().is_some(), "a transaction sees what it wrote");
        drop(writer);
        assert!(ground.store.read(house.tenant).any_login(joe).await.unwrap().is_none());
        // Nor is anything held.
        house.login(&ground.store, "joe").await;
    }

    async fn constraints_have_their_names(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        house.login(&ground.store, "joe").await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let person = vestibule::model::PersonId::new(now());
        writer.insert_person(person, now()).await.unwrap();
        let taken = document("JOE");
        let error = writer.insert_login(&house.new_login(person, &taken), now()).await.unwrap_err();
        assert_eq!(error.constraint(), Some(Constraint::UserName), "{error:?}");
        assert!(!error.is_race());
        drop(writer);

        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let nobody = vestibule::model::PersonId::new(now());
        let free = document("eve");
        let error = writer.insert_login(&house.new_login(nobody, &free), now()).await.unwrap_err();
        assert_eq!(error.constraint(), Some(Constraint::Reference), "{error:?}");
        drop(writer);

        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let joe = writer.login_ids(None, 1).await.unwrap()[0];
        let person = writer.any_login(joe).await.unwrap().unwrap().login.person_id;
        let error = writer.insert_login(&house.new_login(person, &free), now()).await.unwrap_err();
        assert_eq!(error.constraint(), Some(Constraint::Slot), "{error:?}");
        drop(writer);

        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let subject =
            Subject { connection: house.connection, issuer: "https://idp.example".into(), kind: SubjectKind::Sub, value: "s".into() };
        writer.insert_subject(joe, &subject, now()).await.unwrap();
        let error = writer.insert_subject(joe, &subject, now()).await.unwrap_err();
        assert_eq!(error.constraint(), Some(Constraint::Subject), "{error:?}");
        drop(writer);

        let mut writer = ground.store.write(TenantId::new(now())).await.unwrap();
        let error = writer.insert_tenant("bluesky", "", "customer-portal", now()).await.unwrap_err();
        assert_eq!(error.constraint(), Some(Constraint::Name), "{error:?}");
    }

    async fn a_group_name_is_unique_where_the_profile_says_so(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let admins = group("Admins");
        let id = || GroupId::new(now());
        for _ in 0..2 {
            writer.insert_group(house.directory, id(), &admins, now()).await.unwrap();
        }
        writer.commit().await.unwrap();
        // As long as two have a name, the directory cannot forbid it.
        let names = Uniqueness { group_names: true, external_ids: false };
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let error = writer.set_unique_keys(house.directory, names).await.unwrap_err();
        assert_eq!(error.constraint(), Some(Constraint::GroupName), "{error:?}");
        drop(writer);
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let settings = DirectorySettings { unique_group_names: Some(true), ..DirectorySettings::default() };
        writer.set_directory_settings(house.directory, &settings, names, later(1)).await.unwrap();
        let crew = group("Crew");
        writer.insert_group(house.directory, id(), &crew, now()).await.unwrap();
        assert_eq!(writer.directory(house.directory).await.unwrap().unwrap().settings, settings);
        writer.commit().await.unwrap();
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let error = writer.insert_group(house.directory, id(), &crew, now()).await.unwrap_err();
        assert_eq!(error.constraint(), Some(Constraint::GroupName), "{error:?}");
    }

    async fn r09_an_external_id_is_unique_where_the_directory_says_so(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        house.login(&ground.store, "joe").await;
        let team = house.group(&ground.store, "Team", &[]).await;
        let unique = Uniqueness { group_names: false, external_ids: true };
        let settings = DirectorySettings { unique_external_ids: true, ..DirectorySettings::default() };
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.hold_rules().await.unwrap();
        writer.set_directory_settings(house.directory, &settings, unique, later(1)).await.unwrap();
        writer.set_unique_keys(house.directory, unique).await.unwrap();
        writer.commit().await.unwrap();
        let (tenant, known) = ground.store.doors().directory(house.directory).await.unwrap().unwrap();
        assert_eq!((tenant, known.settings), (house.tenant, settings));
        // A row from before and a new one, of the same externalId: ext-Team.
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let twin = NewGroup { display: "Twin".to_owned(), ..group("Team") };
        let id = GroupId::new(now());
        let error = writer.insert_group(house.directory, id, &twin, now()).await.unwrap_err();
        assert_eq!(error.constraint(), Some(Constraint::ExternalId), "{error:?}");
        drop(writer);
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let eve = NewGroup { external_id: Some("other".to_owned()), ..twin.clone() };
        writer.insert_group(house.directory, id, &eve, now()).await.unwrap();
        writer.commit().await.unwrap();
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let error = writer.update_group(id, &twin, now()).await.unwrap_err();
        assert_eq!(error.constraint(), Some(Constraint::ExternalId), "{error:?}");
        drop(writer);
        // It belongs to one directory and to one kind, and ends with the setting.
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let joes = NewGroup { external_id: Some("ext-joe".to_owned()), ..twin.clone() };
        writer.update_group(team, &joes, now()).await.unwrap();
        let none = Uniqueness::default();
        writer.set_directory_settings(house.directory, &DirectorySettings::default(), none, later(2)).await.unwrap();
        writer.set_unique_keys(house.directory, none).await.unwrap();
        writer.update_group(id, &joes, now()).await.unwrap();
        writer.commit().await.unwrap();
    }

    async fn writers_that_meet_lose_nothing(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await;
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (store, tenant) = (ground.store.clone(), house.tenant);
                tokio::spawn(async move {
                    for _ in 0..5 {
                        retry(|| async {
                            let mut writer = store.write(tenant).await?;
                            let before = writer.lock_logins(&[joe]).await?;
                            assert_eq!(before, [joe]);
                            writer.raise_login_epoch(joe).await?;
                            writer.commit().await
                        })
                        .await
                        .unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(ground.store.read(house.tenant).any_login(joe).await.unwrap().unwrap().login.epoch, 40);
    }

    async fn a_database_that_is_closed_is_not_there(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        ground.store.ping().await.unwrap();
        ground.store.close().await;
        assert!(matches!(ground.store.ping().await, Err(Error::Unavailable(_))));
        assert!(matches!(ground.store.write(house.tenant).await, Err(Error::Unavailable(_))));
        assert!(matches!(ground.store.read(house.tenant).accounts().await, Err(Error::Unavailable(_))));
    }
}

#[tokio::test]
async fn a_deadlock_is_a_lost_race() {
    let ground = Ground::fresh(Engine::Postgres).await;
    let house = ground.tenant("bluesky").await;
    let (joe, eve) = (house.login(&ground.store, "joe").await, house.login(&ground.store, "eve").await);
    let (mut one, mut other) = (ground.store.write(house.tenant).await.unwrap(), ground.store.write(house.tenant).await.unwrap());
    one.lock_logins(&[joe]).await.unwrap();
    other.lock_logins(&[eve]).await.unwrap();
    let first = async {
        let outcome = one.lock_logins(&[eve]).await;
        drop(one);
        outcome
    };
    let second = async {
        let outcome = other.lock_logins(&[joe]).await;
        drop(other);
        outcome
    };
    let (first, second) = tokio::join!(first, second);
    let lost: Vec<_> = [first, second].into_iter().filter_map(Result::err).collect();
    assert!(lost.len() == 1 && lost[0].is_race(), "{lost:?}");
}

#[tokio::test]
async fn a_lost_race_is_tried_five_times() {
    let attempts = AtomicU32::new(0);
    let command = |wins_at: u32, other: bool| {
        let attempt = attempts.fetch_add(1, Ordering::Relaxed) + 1;
        async move {
            match attempt {
                attempt if attempt == wins_at => Ok(attempt),
                _ if other => Err(Error::Constraint(Constraint::Name)),
                _ => Err(Error::Raced),
            }
        }
    };
    assert_eq!(retry(|| command(5, false)).await.unwrap(), 5);
    attempts.store(0, Ordering::Relaxed);
    assert!(matches!(retry(|| command(6, false)).await, Err(Error::Raced)));
    assert_eq!(attempts.swap(0, Ordering::Relaxed), 5);
    // What is no race is not tried again.
    assert!(retry(|| command(6, true)).await.is_err());
    assert_eq!(attempts.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    // Nothing listens on a port that was given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = Store::open(&format!("postgres://vestibule@127.0.0.1:{port}/vestibule"), 1).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    let folder = tempfile::tempdir().unwrap();
    let error = Store::open(&format!("sqlite://{}/no/such/folder.db", folder.path().display()), 1).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert!(Store::open("mysql://localhost/vestibule", 1).await.is_err());
}
