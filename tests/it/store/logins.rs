//! Logins, persons, and what they leave.

use std::collections::BTreeMap;

use serde_json::json;
use vestibule::model::{LoginId, PersonState, Subject, SubjectKind};
use vestibule::store::filter::Where;
use vestibule::store::{Error, Order, Page, PairAttribute, Start, USER_LAYOUT, Writer};

use super::{Ground, House, document, later, now};
use crate::support::world::on_every_engine;

pub(super) fn subject(house: &House, value: &str) -> Subject {
    Subject {
        connection: house.connection,
        issuer: "https://idp.example".to_owned(),
        kind: SubjectKind::Sub,
        value: value.to_owned(),
    }
}

on_every_engine! {
    async fn a_login_is_read_as_it_was_written(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "Joe").await;
        let mut reader = ground.store.read(house.tenant);
        assert_eq!(reader.tenant(), house.tenant);
        let row = reader.login(house.directory, joe).await.unwrap().unwrap();
        assert_eq!(reader.any_login(joe).await.unwrap().as_ref(), Some(&row));
        let login = &row.login;
        assert_eq!((login.user_name.as_str(), login.external_id.as_deref(), login.active), ("Joe", Some("ext-Joe"), true));
        assert_eq!((login.version, login.epoch), (1, 0));
        assert_eq!((login.created_at, login.updated_at), (now(), now()), "to the microsecond");
        assert_eq!(row.scim, json!({ "userName": "Joe" }));
        let person = reader.person(login.person_id).await.unwrap().unwrap();
        assert_eq!((person.state, person.epoch, person.merged_into), (PersonState::Active, 0, None));
        assert_eq!(reader.login_count(login.person_id).await.unwrap(), 1);
        let namespace = house.directory.uuid();
        assert!(reader.is_user_name_taken(namespace, "joe").await.unwrap());
        assert!(!reader.is_user_name_taken(namespace, "jo").await.unwrap());
        // Another directory of the same tenant does not know it.
        assert!(reader.login(vestibule::model::DirectoryId::new(now()), joe).await.unwrap().is_none());
    }

    async fn a_stale_change_is_a_lost_race(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let before = writer.login_for_update(house.directory, joe).await.unwrap().unwrap().login;
        let mut changed = document("joseph");
        changed.active = false;
        changed.emails.clear();
        writer.update_login(&before, &changed, later(1)).await.unwrap();
        assert!(matches!(writer.update_login(&before, &changed, later(2)).await, Err(Error::Raced)));
        writer.commit().await.unwrap();

        let mut reader = ground.store.read(house.tenant);
        let after = reader.login(house.directory, joe).await.unwrap().unwrap().login;
        assert_eq!((after.version, after.user_name.as_str(), after.active), (2, "joseph", false));
        assert_eq!((after.created_at, after.updated_at), (now(), later(1)));

        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.raise_login_epoch(joe).await.unwrap();
        assert_eq!(writer.any_login(joe).await.unwrap().unwrap().login.epoch, 1);
        let nobody = LoginId::new(now());
        assert!(matches!(writer.record_sign_in(nobody, &BTreeMap::new(), now()).await, Err(Error::Raced)));
        assert!(matches!(writer.delete_login(nobody).await, Err(Error::Raced)));
    }

    async fn lists_come_in_the_order_of_birth_and_in_pages(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let mut all = Vec::new();
        for name in ["zoe", "Ada", "joe"] {
            all.push(house.login(&ground.store, name).await);
        }
        all.sort_unstable();
        let mut reader = ground.store.read(house.tenant);
        let (everything, order) = (Where::everything(), Order::new(None, &USER_LAYOUT));
        assert_eq!(reader.count_logins(house.directory, &everything).await.unwrap(), 3);
        let mut paged = Vec::new();
        for offset in 0..4 {
            let page = Page { start: Start::Offset(offset), limit: 1 };
            let rows = reader.list_logins(house.directory, &everything, &order, &page).await.unwrap();
            paged.extend(rows.into_iter().map(|row| row.login.id));
        }
        assert_eq!(paged, all);
        assert_eq!(reader.login_ids(None, 2).await.unwrap(), all[..2]);
        let names = reader.login_names(&[all[1], all[0]]).await.unwrap();
        assert_eq!(names.iter().map(|name| (name.id, name.home_account_id)).collect::<Vec<_>>(), [(all[0], house.root), (all[1], house.root)]);
        assert_eq!(reader.login_names(&[]).await.unwrap(), []);
        assert_eq!(reader.login_ids(Some(all[1]), 2).await.unwrap(), all[2..]);
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert_eq!(writer.lock_logins(&[LoginId::new(now()), all[2], all[0]]).await.unwrap(), [all[0], all[2]]);
    }

    async fn facts_hold_attributes_groups_and_claims(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "Joe").await;
        let group = house.group(&ground.store, "Admins", &[joe]).await;
        let claims =
            BTreeMap::from([(house.connection, BTreeMap::from([("groups".to_owned(), vec!["A".to_owned(), "B".to_owned()])]))]);
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert!(writer.claims(joe).await.unwrap().is_empty());
        writer.record_sign_in(joe, &claims, later(1)).await.unwrap();
        writer.commit().await.unwrap();

        let mut reader = ground.store.read(house.tenant);
        assert_eq!(reader.claims(joe).await.unwrap(), claims);
        let facts = reader.facts(&[joe, LoginId::new(now())]).await.unwrap();
        assert_eq!(facts.len(), 1);
        assert_eq!((facts[0].login_id, facts[0].directory_id, facts[0].active), (joe, Some(house.directory), true));
        assert_eq!(facts[0].search["userName"], "joe");
        assert_eq!(facts[0].claims, claims);
        let groups: Vec<_> = facts[0].groups.iter().map(|group| (group.value.as_str(), group.display.as_str())).collect();
        assert_eq!(groups, [(group.to_string().as_str(), "admins")], "folded, as filters compare");
    }

    async fn a_subject_and_a_pair_find_their_login(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "Joe").await;
        house.login(&ground.store, "eve").await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let by_id = PairAttribute::ExternalId("ext-Joe");
        let by_name = |value| PairAttribute::UserName { key: "joe", value };
        for (pair, found) in [
            (by_id, true),
            (PairAttribute::ExternalId("ext-joe"), false),
            (by_name("Joe"), true),
            // Pairs compare exactly, whatever userName does elsewhere.
            (by_name("joe"), false),
        ] {
            let known = writer.logins_of_pair(house.directory, pair, house.connection).await.unwrap();
            assert_eq!(known.iter().map(|known| known.login.id).collect::<Vec<_>>(), if found { vec![joe] } else { vec![] });
            assert!(known.iter().all(|known| !known.bound && known.person_state == PersonState::Active));
        }
        assert!(writer.login_of_subject(&subject(&house, "s1")).await.unwrap().is_none());
        let bound = async |writer: &mut Writer, pair| writer.logins_of_pair(house.directory, pair, house.connection).await.unwrap()[0].bound;
        // What an identity provider called it that the connection has no more.
        let former = Subject { issuer: "https://former.example".to_owned(), ..subject(&house, "s1") };
        writer.insert_subject(joe, &former, now()).await.unwrap();
        assert!(!bound(&mut writer, by_id).await && !bound(&mut writer, by_name("Joe")).await);
        writer.insert_subject(joe, &subject(&house, "s1"), now()).await.unwrap();
        let known = writer.login_of_subject(&subject(&house, "s1")).await.unwrap().unwrap();
        assert_eq!((known.login.id, known.bound), (joe, true));
        for other in [
            subject(&house, "S1"),
            Subject { issuer: "https://idp.example/".to_owned(), ..subject(&house, "s1") },
            Subject { kind: SubjectKind::NameId, ..subject(&house, "s1") },
        ] {
            assert!(writer.login_of_subject(&other).await.unwrap().is_none(), "{other:?}");
        }
        assert!(bound(&mut writer, by_id).await && bound(&mut writer, by_name("Joe")).await);
    }
}
