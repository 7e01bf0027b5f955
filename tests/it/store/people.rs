//! People as administrators look after them.

use vestibule::model::{
    ConnectionId, DirectoryId, LoginId, LoginKind, PairValue, PersonId, PersonState, Subject, SubjectKind, TokenType,
};
use vestibule::store::{Constraint, Error, NewLogin, NewTombstone, PeopleQuery, PresenceState};

use super::logins::subject;
use super::{Ground, House, document, later, now, raw};
use crate::support::world::on_every_engine;

/// A login without a directory: of the connection, or local where there is none.
async fn by_hand(ground: &Ground, house: &House, name: &str, connection: Option<ConnectionId>) -> LoginId {
    let mut writer = ground.store.write(house.tenant).await.unwrap();
    let person = PersonId::new(now());
    writer.insert_person(person, now()).await.unwrap();
    let said = vestibule::store::LoginDocument { external_id: None, ..document(name) };
    let new = NewLogin {
        directory_id: None,
        connection_id: connection,
        kind: if connection.is_some() { LoginKind::Byoi } else { LoginKind::Local },
        home_account_id: house.emea,
        namespace: connection.map_or(vestibule::directory::people::LOCAL_LOGINS, ConnectionId::uuid),
        ..house.new_login(person, &said)
    };
    writer.insert_login(&new, now()).await.unwrap();
    writer.commit().await.unwrap();
    new.id
}

fn pair(house: &House, value: &str) -> PairValue {
    PairValue { connection: house.connection, claim: "sub".to_owned(), value: value.to_owned() }
}

on_every_engine! {
    async fn a_hand_locks_invites_and_deactivates_beside_what_the_directory_says(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let row = writer.any_login_for_update(joe).await.unwrap().unwrap();
        let person = row.login.person_id;
        assert_eq!(writer.logins_of_person(person).await.unwrap(), [row]);
        assert_eq!(writer.any_login_for_update(LoginId::new(now())).await.unwrap(), None);
        let mut version = 1;
        for (step, expected) in [
            ("", PresenceState::Pending),
            ("invited", PresenceState::Invited),
            ("locked", PresenceState::Deactivated),
            ("unlocked", PresenceState::Invited),
            ("signed in", PresenceState::Active),
            ("person off", PresenceState::Deactivated),
            ("person on", PresenceState::Active),
        ] {
            version += i64::from(!["", "signed in"].contains(&step));
            match step {
                "invited" => writer.set_invited(joe, later(1)).await.unwrap(),
                "locked" => writer.set_locked(joe, Some(later(2)), later(2)).await.unwrap(),
                "unlocked" => writer.set_locked(joe, None, later(3)).await.unwrap(),
                "signed in" => writer.record_sign_in(joe, &std::collections::BTreeMap::new(), later(4)).await.unwrap(),
                "person off" => writer.set_person_state(person, PersonState::Deactivated, later(5)).await.unwrap(),
                "person on" => writer.set_person_state(person, PersonState::Active, later(6)).await.unwrap(),
                _ => {}
            }
            let shown = writer.person_row(joe).await.unwrap().unwrap();
            assert_eq!((shown.state, shown.version), (expected, version), "{step}");
            let login = writer.any_login(joe).await.unwrap().unwrap().login;
            assert_eq!((login.active, login.is_usable()), (true, step != "locked"), "{step}: the directory's word stays");
        }
        writer.raise_person_epoch(person).await.unwrap();
        assert_eq!(writer.person(person).await.unwrap().unwrap().epoch, 1);
        assert_eq!(writer.count_sessions_of_login(joe, now()).await.unwrap(), 0);
        let nobody = LoginId::new(now());
        assert!(matches!(writer.set_locked(nobody, None, now()).await, Err(Error::Raced)));
        assert!(matches!(writer.set_invited(nobody, now()).await, Err(Error::Raced)));
        assert!(matches!(writer.set_person_state(PersonId::new(now()), PersonState::Active, now()).await, Err(Error::Raced)));
        assert!(writer.is_directory_enabled(house.directory).await.unwrap());
        assert!(!writer.is_directory_enabled(DirectoryId::new(now())).await.unwrap());
        writer.commit().await.unwrap();
        // Only a local login has a second factor here, and only a soft token is on a mobile.
        let eve = by_hand(&ground, &house, "eve", None).await;
        for (login, kind, mobile, fits) in [
            (eve, Some(TokenType::SoftToken), Some("Android"), true),
            (eve, Some(TokenType::Sms), None, true),
            (eve, Some(TokenType::Sms), Some("Android"), false),
            (eve, None, Some("Android"), false),
            (joe, Some(TokenType::Sms), None, false),
            (eve, None, None, true),
        ] {
            let mut writer = ground.store.write(house.tenant).await.unwrap();
            assert_eq!(writer.set_token_type(login, kind, mobile).await.is_ok(), fits, "{kind:?} {mobile:?}");
            if fits {
                let login = writer.any_login(login).await.unwrap().unwrap().login;
                assert_eq!((login.token_type, login.mobile_type.as_deref()), (kind, mobile));
            }
        }
    }

    async fn a_value_that_a_hand_named_has_one_login_and_no_sign_in_changes_it(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let (joe, eve) = (by_hand(&ground, &house, "joe", Some(house.connection)).await, by_hand(&ground, &house, "eve", Some(house.connection)).await);
        let value = pair(&house, "0a1b");
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert_eq!(writer.login_expected(&value).await.unwrap(), None);
        writer.expect_pair(joe, &value).await.unwrap();
        let found = writer.login_expected(&value).await.unwrap().unwrap();
        assert_eq!((found.login.id, found.bound, found.person_state), (joe, false, PersonState::Active));
        assert_eq!(writer.login_expected(&pair(&house, "0A1B")).await.unwrap(), None);
        assert_eq!(writer.pairs_by_hand(&[joe, eve]).await.unwrap(), [(joe, "sub".to_owned(), "0a1b".to_owned())]);
        assert!(!writer.is_subject_known(house.connection, SubjectKind::Sub, "0a1b").await.unwrap());
        let former = Subject { issuer: "https://former.example".to_owned(), ..subject(&house, "0a1b") };
        writer.insert_subject(joe, &former, now()).await.unwrap();
        assert!(!writer.login_expected(&value).await.unwrap().unwrap().bound, "the connection has another issuer now");
        writer.insert_subject(joe, &subject(&house, "0a1b"), now()).await.unwrap();
        assert!(writer.is_subject_known(house.connection, SubjectKind::Sub, "0a1b").await.unwrap());
        assert!(!writer.is_subject_known(house.connection, SubjectKind::NameId, "0a1b").await.unwrap());
        assert!(writer.login_expected(&value).await.unwrap().unwrap().bound);
        // What a sign-in proves afterwards does not take its place.
        writer.keep_pair_values(joe, &[pair(&house, "2c3d")]).await.unwrap();
        assert_eq!(writer.logins_proved(std::slice::from_ref(&value)).await.unwrap().len(), 1);
        writer.commit().await.unwrap();
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert_eq!(writer.expect_pair(eve, &value).await.unwrap_err().constraint(), Some(Constraint::Pair));
        drop(writer);
        // It is buried with the login; another tenant lifts nothing, an administrator of this one by the subject.
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let row = writer.any_login(joe).await.unwrap().unwrap().login;
        let tombstone = NewTombstone { id: joe, person_id: row.person_id, directory_id: None, user_name: "joe", external_id: None, pairs: &[] };
        writer.insert_tombstone(&tombstone, now()).await.unwrap();
        writer.delete_login(joe).await.unwrap();
        assert!(writer.is_pair_tombstoned(&[value]).await.unwrap());
        for (value, lifted) in [("0A1B", 0), ("0a1b", 1), ("0a1b", 0)] {
            assert_eq!(writer.lift_tombstones_of_subject(house.connection, SubjectKind::Sub, value, later(1)).await.unwrap(), lifted);
        }
        writer.commit().await.unwrap();
    }

    async fn people_are_listed_within_what_is_seen(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let other = ground.tenant("acme").await;
        other.login(&ground.store, "joe").await;
        let joe = house.login(&ground.store, "joe").await;
        let eve = by_hand(&ground, &house, "eve", None).await;
        let search = "update logins set search = '{\"displayName\": \"joe bloggs\"}' where tenant_id = $1 and user_name = 'joe'";
        raw!(ground.store, search, house.tenant).unwrap();
        let mut reader = ground.store.read(house.tenant);
        let everybody = PeopleQuery::default;
        for (query, found) in [
            (everybody(), vec![joe, eve]),
            (PeopleQuery { after: Some(joe), ..everybody() }, vec![eve]),
            (PeopleQuery { seen: Some(vec![]), ..everybody() }, vec![]),
            (PeopleQuery { seen: Some(vec![house.emea]), ..everybody() }, vec![eve]),
            (PeopleQuery { seen: Some(vec![house.emea]), account: Some(house.root), ..everybody() }, vec![]),
            (PeopleQuery { account: Some(house.root), ..everybody() }, vec![joe]),
            (PeopleQuery { search: Some("oe blo".to_owned()), ..everybody() }, vec![joe]),
            (PeopleQuery { search: Some("eve@b".to_owned()), ..everybody() }, vec![eve]),
            (PeopleQuery { search: Some("_".to_owned()), ..everybody() }, vec![]),
            (PeopleQuery { kind: Some(LoginKind::Local), ..everybody() }, vec![eve]),
            (PeopleQuery { directory: Some(house.directory), ..everybody() }, vec![joe]),
            (PeopleQuery { connection: Some(house.connection), ..everybody() }, vec![]),
            (PeopleQuery { state: Some(PresenceState::Pending), ..everybody() }, vec![joe, eve]),
            (PeopleQuery { state: Some(PresenceState::Active), ..everybody() }, vec![]),
        ] {
            let rows = reader.people(&query, 10).await.unwrap();
            assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), found, "{query:?}");
        }
        assert_eq!(reader.people(&everybody(), 1).await.unwrap().len(), 1);
        assert_eq!(reader.person_row(LoginId::new(now())).await.unwrap(), None);
    }
}
