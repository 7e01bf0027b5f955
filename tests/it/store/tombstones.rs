//! What is left of deleted logins, and what directories adopt: pair values.

use vestibule::model::{ConnectionId, DirectoryId, LoginId, PairValue, PersonId};
use vestibule::store::{Error, NewLogin, NewTombstone, ProvedRow};

use super::logins::subject;
use super::{Ground, House, document, later, now, raw, rows};
use crate::support::world::on_every_engine;

/// A value of the claim `sub` at the house's connection.
fn pair(house: &House, value: &str) -> PairValue {
    PairValue { connection: house.connection, claim: "sub".to_owned(), value: value.to_owned() }
}

async fn bury(ground: &Ground, house: &House, login: LoginId, pairs: &[PairValue]) {
    let mut writer = ground.store.write(house.tenant).await.unwrap();
    let row = writer.any_login(login).await.unwrap().unwrap().login;
    let tombstone = NewTombstone {
        id: login,
        person_id: row.person_id,
        directory_id: row.directory_id,
        user_name: &row.user_name,
        external_id: row.external_id.as_deref(),
        pairs,
    };
    writer.insert_tombstone(&tombstone, now()).await.unwrap();
    writer.delete_login(login).await.unwrap();
    writer.commit().await.unwrap();
}

/// A login that signing in has made, with what it proved.
async fn stranger(ground: &Ground, house: &House, name: &str, proved: &[PairValue]) -> LoginId {
    let mut writer = ground.store.write(house.tenant).await.unwrap();
    let person = PersonId::new(now());
    writer.insert_person(person, now()).await.unwrap();
    let document = vestibule::store::LoginDocument { external_id: None, ..document(name) };
    let new = NewLogin {
        directory_id: None,
        connection_id: Some(house.connection),
        namespace: house.connection.uuid(),
        ..house.new_login(person, &document)
    };
    writer.insert_login(&new, now()).await.unwrap();
    writer.keep_pair_values(new.id, proved).await.unwrap();
    writer.commit().await.unwrap();
    new.id
}

on_every_engine! {
    async fn a_tombstone_holds_subjects_and_pair_values_until_it_is_lifted(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let other = ground.tenant("acme").await;
        let joe = house.login(&ground.store, "joe").await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.insert_subject(joe, &subject(&house, "s1"), now()).await.unwrap();
        writer.commit().await.unwrap();
        let own = [pair(&house, "ext-joe")];
        let mut reader = ground.store.read(house.tenant);
        assert!(!reader.is_subject_tombstoned(&subject(&house, "s1")).await.unwrap());
        assert!(!reader.is_pair_tombstoned(&own).await.unwrap());

        bury(&ground, &house, joe, &own).await;
        assert!(reader.is_subject_tombstoned(&subject(&house, "s1")).await.unwrap());
        assert!(!reader.is_subject_tombstoned(&subject(&house, "S1")).await.unwrap());
        let another_claim = PairValue { claim: "oid".to_owned(), ..pair(&house, "ext-joe") };
        let another_connection = PairValue { connection: ConnectionId::new(now()), ..pair(&house, "ext-joe") };
        for (pairs, found) in [
            (vec![pair(&house, "ext-joe")], true),
            (vec![pair(&house, "ext-eve"), pair(&house, "ext-joe")], true),
            (vec![], false),
            (vec![pair(&house, "EXT-JOE"), pair(&house, "joe"), another_claim, another_connection], false),
        ] {
            assert_eq!(reader.is_pair_tombstoned(&pairs).await.unwrap(), found, "{pairs:?}");
        }
        // Nor does it count in another tenant.
        let mut outside = ground.store.read(other.tenant);
        assert!(!outside.is_subject_tombstoned(&subject(&house, "s1")).await.unwrap());
        assert!(!outside.is_pair_tombstoned(&own).await.unwrap());
        let mut writer = ground.store.write(other.tenant).await.unwrap();
        assert_eq!(writer.lift_tombstones(&own, later(1)).await.unwrap(), 0);
        writer.commit().await.unwrap();

        // Another person's coming lifts nothing; the same pair value does, and only once.
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        for (pairs, lifted) in [(vec![pair(&house, "ext-eve")], 0), (vec![], 0), (own.to_vec(), 1), (own.to_vec(), 0)] {
            assert_eq!(writer.lift_tombstones(&pairs, later(1)).await.unwrap(), lifted, "{pairs:?}");
        }
        writer.commit().await.unwrap();
        assert!(!reader.is_subject_tombstoned(&subject(&house, "s1")).await.unwrap());
        assert!(!reader.is_pair_tombstoned(&own).await.unwrap());
    }

    async fn what_a_sign_in_proved_is_found_by_value_and_buried_with_the_login(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let other = ground.tenant("acme").await;
        let former = pair(&house, "0a1b");
        let joe = stranger(&ground, &house, "joe", std::slice::from_ref(&former)).await;
        let value = pair(&house, "2c3d");
        let oid = PairValue { claim: "oid".to_owned(), ..value.clone() };
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        // What the last sign-in proved counts.
        writer.keep_pair_values(joe, &[value.clone(), oid.clone()]).await.unwrap();
        writer.keep_pair_values(joe, &[]).await.unwrap();
        assert_eq!(writer.logins_proved(&[former]).await.unwrap(), []);
        let found = [ProvedRow { login: joe, pair: value.clone() }];
        assert_eq!(writer.logins_proved(std::slice::from_ref(&value)).await.unwrap(), found);
        assert_eq!(writer.logins_proved(&[oid, value.clone()]).await.unwrap().len(), 2);
        assert_eq!(writer.logins_proved(&[]).await.unwrap(), []);
        assert_eq!(writer.logins_proved(&[pair(&house, "2C3D"), pair(&house, "joe")]).await.unwrap(), []);
        writer.commit().await.unwrap();
        let mut outside = ground.store.write(other.tenant).await.unwrap();
        assert_eq!(outside.logins_proved(std::slice::from_ref(&value)).await.unwrap(), []);
        assert_eq!(outside.unprovisioned_login_for_update(joe).await.unwrap(), None);
        drop(outside);

        bury(&ground, &house, joe, &[]).await;
        assert!(ground.store.read(house.tenant).is_pair_tombstoned(&[value]).await.unwrap());
        assert_eq!(rows!(ground.store, (i64,), "select count(*) from pair_values"), [(0,)]);
    }

    async fn an_adopted_login_is_the_directorys_and_keeps_person_and_connection(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let directory = house.directory(&ground.store).await;
        let joe = stranger(&ground, &house, "0a1b", &[pair(&house, "0a1b")]).await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let before = writer.unprovisioned_login_for_update(joe).await.unwrap().unwrap().login;
        let said = document("Joe");
        writer.adopt_login(&before, &directory, &said, later(1)).await.unwrap();
        // Whoever read it before has lost.
        assert!(matches!(writer.adopt_login(&before, &directory, &said, later(1)).await, Err(Error::Raced)));
        assert_eq!(writer.unprovisioned_login_for_update(joe).await.unwrap(), None);
        assert_eq!(writer.logins_proved(&[pair(&house, "0a1b")]).await.unwrap(), []);
        writer.commit().await.unwrap();
        let mut reader = ground.store.read(house.tenant);
        let after = reader.login(house.directory, joe).await.unwrap().unwrap();
        assert_eq!(after.scim, said.scim);
        let after = after.login;
        assert_eq!((after.person_id, after.connection_id, after.slot), (before.person_id, Some(house.connection), before.slot));
        assert_eq!((after.directory_id, after.home_account_id), (Some(house.directory), directory.home_account_id));
        assert_eq!((after.version, after.epoch, after.created_at, after.updated_at), (2, 0, before.created_at, later(1)));
        assert!(reader.is_user_name_taken(house.directory.uuid(), "joe").await.unwrap());
        assert!(!reader.is_user_name_taken(house.connection.uuid(), "0a1b").await.unwrap());
        assert_eq!(rows!(ground.store, (String,), "select value from emails"), [("Joe@B.example".to_owned(),)]);
    }

    async fn one_transaction_at_a_time_works_with_a_pair_value(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let values = [pair(&house, "a"), pair(&house, "b")];
        let mut first = ground.store.write(house.tenant).await.unwrap();
        first.lock_pairs(&[]).await.unwrap();
        first.lock_pairs(&values).await.unwrap();
        // Another value is free, except that SQLite has one writer anyway.
        if engine == vestibule::store::Engine::Postgres {
            let mut beside = ground.store.write(house.tenant).await.unwrap();
            beside.lock_pairs(&[pair(&house, "c")]).await.unwrap();
        }
        let (store, tenant) = (ground.store.clone(), house.tenant);
        let turned = [values[1].clone(), values[0].clone()];
        let second = tokio::spawn(async move {
            let mut second = store.write(tenant).await.unwrap();
            second.lock_pairs(&turned).await.unwrap();
            let seen = second.logins_proved(&turned).await.unwrap();
            second.commit().await.unwrap();
            seen.len()
        });
        tokio::task::yield_now().await;
        let person = PersonId::new(now());
        first.insert_person(person, now()).await.unwrap();
        let said = document("joe");
        let new = NewLogin {
            directory_id: None,
            connection_id: Some(house.connection),
            namespace: house.connection.uuid(),
            ..house.new_login(person, &said)
        };
        first.insert_login(&new, now()).await.unwrap();
        first.keep_pair_values(new.id, &values[..1]).await.unwrap();
        first.commit().await.unwrap();
        assert_eq!(second.await.unwrap(), 1, "it waited, and then saw what was written");
    }

    async fn the_other_login_of_a_person_is_told_within_one_directory(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await;
        let gsa = house.login(&ground.store, "joe.gsa").await;
        let eve = house.login(&ground.store, "eve").await;
        let mut reader = ground.store.read(house.tenant);
        let all = [joe, gsa, eve];
        assert_eq!(reader.other_logins(house.directory, &all).await.unwrap(), []);
        let link = "update logins set slot = 2, person_id = (select person_id from logins where user_name = 'joe')
                    where tenant_id = $1 and user_name = 'joe.gsa'";
        raw!(ground.store, link, house.tenant).unwrap();
        let mut found = reader.other_logins(house.directory, &all).await.unwrap();
        found.sort_unstable();
        assert_eq!(found, [(joe, gsa), (gsa, joe)]);
        assert_eq!(reader.other_logins(house.directory, &[]).await.unwrap(), []);
        assert_eq!(reader.other_logins(DirectoryId::new(now()), &all).await.unwrap(), []);
        raw!(ground.store, "update logins set directory_id = null where tenant_id = $1 and user_name = 'joe.gsa'", house.tenant)
            .unwrap();
        assert_eq!(reader.other_logins(house.directory, &all).await.unwrap(), []);
    }

    async fn the_other_login_of_a_person_is_told_while_it_is_in_use(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let elsewhere = ground.tenant("orange").await;
        let joe = house.login(&ground.store, "joe").await;
        let gsa = house.login(&ground.store, "joe.gsa").await;
        let mut reader = ground.store.read(house.tenant);
        assert_eq!(reader.other_login_in_use(joe).await.unwrap(), None);
        let link = "update logins set slot = 2, person_id = (select person_id from logins where user_name = 'joe')
                    where tenant_id = $1 and user_name = 'joe.gsa'";
        raw!(ground.store, link, house.tenant).unwrap();
        assert_eq!(reader.other_login_in_use(joe).await.unwrap(), Some(gsa));
        assert_eq!(reader.other_login_in_use(gsa).await.unwrap(), Some(joe));
        assert_eq!(ground.store.read(elsewhere.tenant).other_login_in_use(joe).await.unwrap(), None);
        for (off, on) in [("active = false", "active = true"), ("locked_at = created_at", "locked_at = null")] {
            let change = |what: &str| format!("update logins set {what} where tenant_id = $1 and user_name = 'joe.gsa'");
            raw!(ground.store, &change(off), house.tenant).unwrap();
            assert_eq!(reader.other_login_in_use(joe).await.unwrap(), None, "{off}");
            assert_eq!(reader.other_login_in_use(gsa).await.unwrap(), Some(joe), "{off}");
            raw!(ground.store, &change(on), house.tenant).unwrap();
        }
    }
}
