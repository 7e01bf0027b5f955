//! What two logins of one person are linked by, and how persons merge and part.

use chrono::TimeDelta;
use vestibule::keys::HashedToken;
use vestibule::model::{
    Actor, Authentication, ConnectionState, EndingId, LinkProofId, LoginId, LoginKind, PersonId, PersonState, SessionId, Sid, Slot,
    Subject, SubjectKind,
};
use vestibule::store::{Cookies, EndingRow, NewLinkProof, NewLogin, SecondProof};

use super::grants::{grant, live, portal};
use super::sign_in::{begin, session};
use super::{Ground, House, born, document, how, later, now, raw, rows};
use crate::support::world::on_every_engine;

pub(super) async fn person(ground: &Ground, house: &House, login: LoginId) -> PersonId {
    ground.store.read(house.tenant).any_login(login).await.unwrap().unwrap().login.person_id
}

/// Moves a login into the second place of another one's person. Answers the person and the emptied one.
pub(super) async fn merge(ground: &Ground, house: &House, login: LoginId, into: LoginId) -> (PersonId, PersonId) {
    let (emptied, person) = (person(ground, house, login).await, person(ground, house, into).await);
    let mut writer = ground.store.write(house.tenant).await.unwrap();
    writer.move_login(login, person, Slot::Two).await.unwrap();
    writer.merge_person(emptied, person, later(1)).await.unwrap();
    writer.commit().await.unwrap();
    (person, emptied)
}

/// Lets a login take part in a session.
pub(super) async fn join(ground: &Ground, house: &House, session: SessionId, login: LoginId) -> Option<Sid> {
    let sid = Sid::new(now());
    let how = Authentication { asserted_at: Some(now()), proved_at: Some(now()), ..how(house.connection) };
    let mut writer = ground.store.write(house.tenant).await.unwrap();
    let is_in = writer.insert_session_login(session, sid, login, &how).await.unwrap();
    writer.commit().await.unwrap();
    is_in.then_some(sid)
}

/// A subject of the house's connection, which is the login's.
pub(super) async fn subject(ground: &Ground, house: &House, login: LoginId, value: &str) -> Subject {
    let issuer = "https://idp.example".to_owned();
    let subject = Subject { connection: house.connection, issuer, kind: SubjectKind::Sub, value: value.to_owned() };
    let mut writer = ground.store.write(house.tenant).await.unwrap();
    writer.insert_subject(login, &subject, now()).await.unwrap();
    writer.commit().await.unwrap();
    subject
}

/// A link that the login has begun in the session, good for ten minutes.
pub(super) async fn begun(ground: &Ground, house: &House, session: SessionId, login: LoginId) -> LinkProofId {
    let id = LinkProofId::new(born());
    let expected_login_id = None;
    let new = NewLinkProof {
        id,
        session_id: session,
        login_id: login,
        connection_id: house.connection,
        expected_login_id,
        expires_at: later(10),
    };
    let mut writer = ground.store.write(house.tenant).await.unwrap();
    writer.insert_link_proof(&new, now()).await.unwrap();
    writer.commit().await.unwrap();
    id
}

pub(super) fn proved(house: &House, subject: &Subject, login: LoginId) -> SecondProof {
    let authentication = Authentication { asserted_at: Some(now()), proved_at: Some(now()), ..how(house.connection) };
    SecondProof { subject: subject.clone(), login, authentication }
}

/// A local login of a person, in the second place.
async fn local(ground: &Ground, house: &House, person_id: PersonId) -> LoginId {
    let document = document("joe-by-hand");
    let kind = LoginKind::Local;
    let new = NewLogin {
        slot: Slot::Two,
        kind,
        directory_id: None,
        namespace: house.tenant.uuid(),
        ..house.new_login(person_id, &document)
    };
    let mut writer = ground.store.write(house.tenant).await.unwrap();
    writer.insert_login(&new, now()).await.unwrap();
    writer.commit().await.unwrap();
    new.id
}

on_every_engine! {
    async fn a_person_merges_into_another_and_is_restored(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let (joe, gsa) = (house.login(&ground.store, "joe").await, house.login(&ground.store, "gsa").await);
        let (person, emptied) = merge(&ground, &house, gsa, joe).await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let merged = writer.person_for_update(emptied).await.unwrap().unwrap();
        assert_eq!((merged.state, merged.merged_into), (PersonState::Merged, Some(person)));
        assert_eq!(writer.person_for_update(PersonId::new(now())).await.unwrap(), None);
        let login = writer.any_login(gsa).await.unwrap().unwrap().login;
        assert_eq!((login.person_id, login.born_person_id, login.slot), (person, emptied, Slot::Two));
        assert_eq!(writer.logins_of_person(person).await.unwrap().len(), 2);
        assert_eq!(writer.merged_persons(person).await.unwrap(), [emptied]);
        // Once, and from where it is.
        assert!(writer.merge_person(emptied, person, later(2)).await.is_err());
        assert!(writer.move_login(LoginId::new(now()), person, Slot::One).await.is_err());
        drop(writer);
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.restore_person(emptied).await.unwrap();
        writer.move_login(gsa, emptied, Slot::One).await.unwrap();
        let restored = writer.person_for_update(emptied).await.unwrap().unwrap();
        assert_eq!((restored.state, restored.merged_into), (PersonState::Active, None));
        assert!(writer.restore_person(emptied).await.is_err(), "once");
    }

    async fn two_logins_take_part_in_a_session_and_one_is_active(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let (joe, gsa) = (house.login(&ground.store, "joe").await, house.login(&ground.store, "gsa").await);
        let portal = portal(&ground, "portal").await;
        let (granted, id) = grant(&ground, &house, joe, portal, "code").await;
        assert_eq!(join(&ground, &house, id, gsa).await, None, "of another person");
        merge(&ground, &house, gsa, joe).await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert!(!writer.activate_login(id, joe, gsa, later(1)).await.unwrap(), "it has not signed in there");
        drop(writer);
        let sid = join(&ground, &house, id, gsa).await.unwrap();
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let part = writer.live_session_login(id, gsa).await.unwrap().unwrap();
        assert_eq!((part.sid, part.authentication.proved_at), (sid, Some(now())));
        let former = writer.sid_of_session(id, joe).await.unwrap().unwrap();
        let mut parts = writer.lock_session(id).await.unwrap();
        parts.sort();
        let mut expected = vec![(joe, former), (gsa, sid)];
        expected.sort();
        assert_eq!(parts, expected);
        // What the portal holds goes, and what it knows the former login by.
        assert!(live(&ground, &house, granted).await.is_some());
        let after = Sid::new(later(1));
        writer.end_grants(former, after, later(1)).await.unwrap();
        assert!(writer.activate_login(id, joe, gsa, later(1)).await.unwrap());
        assert!(!writer.activate_login(id, joe, gsa, later(1)).await.unwrap(), "another tab was faster");
        writer.commit().await.unwrap();
        assert_eq!(live(&ground, &house, granted).await, None);
        assert_eq!(ground.store.read(house.tenant).sid_of_session(id, joe).await.unwrap(), Some(after));
        assert_eq!(rows!(ground.store, (Sid,), "select sid from deliveries"), [(former,)]);
        assert_eq!(session(&ground, "cookie of code", later(2)).await.unwrap().active_login_id, gsa);
        // The cookie changes for whoever has the former one.
        let (before, changed) = (HashedToken::of("cookie of code"), HashedToken::of("changed"));
        let cookies = Cookies { before: &before, after: &changed };
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert!(writer.change_cookie(id, cookies, later(2)).await.unwrap());
        assert!(!writer.change_cookie(id, cookies, later(2)).await.unwrap());
        // One of them goes, and the session goes on.
        assert_eq!(writer.sids_of_login(joe).await.unwrap(), [after]);
        writer.end_parts(&[], later(2)).await.unwrap();
        writer.end_parts(&[after], later(2)).await.unwrap();
        assert_eq!(writer.sids_of_login(joe).await.unwrap(), []);
        writer.commit().await.unwrap();
        assert_eq!(ground.store.read(house.tenant).live_session_login(id, joe).await.unwrap(), None);
        assert!(session(&ground, "cookie of code", later(2)).await.is_none());
        assert_eq!(session(&ground, "changed", later(2)).await.unwrap().id, id);
    }

    async fn a_login_of_a_session_counts_while_nothing_that_it_rests_on_changes(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await;
        let id = begin(&ground, &house, joe, "cookie", later(60)).await;
        let mut reader = ground.store.read(house.tenant);
        assert!(reader.live_session_login(id, joe).await.unwrap().is_some());
        for (table, there, back) in [
            ("logins", "active = not active", "active = not active"),
            ("logins", "epoch = epoch + 1", "epoch = epoch - 1"),
            ("persons", "epoch = epoch + 1", "epoch = epoch - 1"),
            ("persons", "state = 'deactivated'", "state = 'active'"),
            ("connections", "epoch = epoch + 1", "epoch = epoch - 1"),
            ("connections", "state = 'disabled'", "state = 'enabled'"),
            ("tenants", "epoch = epoch + 1", "epoch = epoch - 1"),
        ] {
            let text = |change| format!("update {table} set {change} where tenant_id = $1");
            raw!(ground.store, text(there), house.tenant).unwrap();
            assert_eq!(reader.live_session_login(id, joe).await.unwrap(), None, "{table}: {there}");
            raw!(ground.store, text(back), house.tenant).unwrap();
        }
        assert!(reader.live_session_login(id, joe).await.unwrap().is_some());
    }

    async fn the_part_of_a_connection_that_ended_is_found(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await;
        let id = begin(&ground, &house, joe, "cookie", later(60)).await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let epoch = writer.raise_connection_epoch(house.connection).await.unwrap();
        let ending = EndingRow { id: EndingId::new(now()), connection_id: Some(house.connection), epoch, created_at: later(1) };
        let sid = writer.sid_of_session(id, joe).await.unwrap().unwrap();
        assert_eq!(writer.sids_of_ending(&ending, 10).await.unwrap(), [sid]);
        assert_eq!(writer.sids_of_ending(&EndingRow { epoch: 0, ..ending }, 10).await.unwrap(), [], "it came afterwards");
    }

    async fn a_link_is_proved_and_finished_once_within_its_time(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let (joe, gsa) = (house.login(&ground.store, "joe").await, house.login(&ground.store, "gsa").await);
        let of_gsa = subject(&ground, &house, gsa, "gsa").await;
        let id = begin(&ground, &house, joe, "cookie", later(60)).await;
        let link = begun(&ground, &house, id, joe).await;
        let second = proved(&house, &of_gsa, gsa);
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let row = writer.link_proof(link, now()).await.unwrap().unwrap();
        assert_eq!((row.session_id, row.login_id, row.connection_id, row.second()), (id, joe, house.connection, None));
        assert!(!writer.consume_link_proof(link, now()).await.unwrap(), "nothing is proved");
        assert!(!writer.prove_link(link, &second, later(10)).await.unwrap(), "too late");
        assert!(!writer.prove_link(LinkProofId::new(now()), &second, now()).await.unwrap());
        assert!(writer.prove_link(link, &second, later(1)).await.unwrap());
        assert!(!writer.prove_link(link, &second, later(1)).await.unwrap(), "once");
        assert_eq!(writer.link_proof(link, later(1)).await.unwrap().unwrap().second(), Some(second));
        assert!(!writer.consume_link_proof(link, later(10)).await.unwrap(), "too late");
        assert!(writer.consume_link_proof(link, later(10) - TimeDelta::microseconds(1)).await.unwrap());
        assert!(!writer.consume_link_proof(link, later(2)).await.unwrap(), "once");
        assert_eq!(writer.link_proof(link, later(2)).await.unwrap(), None);
    }

    async fn a_link_goes_with_what_it_rests_on(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let (joe, gsa) = (house.login(&ground.store, "joe").await, house.login(&ground.store, "gsa").await);
        let of_gsa = subject(&ground, &house, gsa, "gsa").await;
        let id = begin(&ground, &house, joe, "cookie", later(60)).await;
        let made = async || {
            let link = begun(&ground, &house, id, joe).await;
            let mut writer = ground.store.write(house.tenant).await.unwrap();
            assert!(writer.prove_link(link, &proved(&house, &of_gsa, gsa), now()).await.unwrap());
            writer.commit().await.unwrap();
            link
        };
        let link = made().await;
        raw!(ground.store, "delete from subjects where login_id = $1", gsa).unwrap();
        let mut reader = ground.store.read(house.tenant);
        assert_eq!(reader.link_proof(link, now()).await.unwrap(), None, "with the subject");
        subject(&ground, &house, gsa, "gsa").await;
        let link = made().await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert!(writer.link_proof(link, now()).await.unwrap().is_some());
        assert_eq!(writer.end_sessions(&[id], now()).await.unwrap(), 1);
        assert_eq!(writer.link_proof(link, now()).await.unwrap(), None, "with the session");
    }

    async fn a_proposal_is_made_once_in_either_order(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let (joe, gsa) = (house.login(&ground.store, "joe").await, house.login(&ground.store, "gsa").await);
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert!(writer.insert_link_proposal(gsa, joe, &Actor::Operator, now()).await.unwrap());
        assert!(!writer.insert_link_proposal(joe, gsa, &Actor::Operator, now()).await.unwrap());
        for one in [joe, gsa] {
            let found = writer.link_proposals(one).await.unwrap();
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].login_id, found[0].other_login_id), (joe.min(gsa), joe.max(gsa)));
            assert_eq!((&found[0].created_by, found[0].created_at), (&Actor::Operator, now()));
        }
        assert!(writer.delete_link_proposal(joe, gsa).await.unwrap());
        assert!(!writer.delete_link_proposal(gsa, joe).await.unwrap());
        assert_eq!(writer.link_proposals(joe).await.unwrap(), []);
        // It goes with either login.
        assert!(writer.insert_link_proposal(joe, gsa, &Actor::Operator, now()).await.unwrap());
        writer.delete_login(gsa).await.unwrap();
        assert_eq!(writer.link_proposals(joe).await.unwrap(), []);
    }

    async fn logins_are_found_by_name_and_by_hint(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "Joe").await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let mut hinting = document("Joe.GSA");
        hinting.other_user_name_key = Some("joe".to_owned());
        let gsa = house.insert_login(&mut writer, &hinting).await;
        writer.commit().await.unwrap();
        let mut reader = ground.store.read(house.tenant);
        let named = reader.logins_named(house.directory, &["joe".to_owned(), "nobody".to_owned()]).await.unwrap();
        assert_eq!(named.iter().map(|row| row.login.id).collect::<Vec<_>>(), [joe]);
        assert!(reader.logins_named(house.directory, &[]).await.unwrap().is_empty());
        let hints = reader.logins_hinting_at(house.directory, "joe").await.unwrap();
        assert_eq!(hints.iter().map(|row| row.login.id).collect::<Vec<_>>(), [gsa]);
        assert!(reader.logins_hinting_at(house.directory, "joe.gsa").await.unwrap().is_empty());
        assert_eq!(reader.other_user_name_key(gsa).await.unwrap().as_deref(), Some("joe"));
        assert_eq!(reader.other_user_name_key(joe).await.unwrap(), None);
        // By which connections one can sign in, and could.
        assert_eq!(reader.connections_of_login(joe).await.unwrap(), []);
        assert_eq!(reader.connections_of_directory(house.directory).await.unwrap(), [house.connection]);
        for value in ["one", "two"] {
            subject(&ground, &house, joe, value).await;
        }
        assert_eq!(reader.connections_of_login(joe).await.unwrap(), [house.connection], "once");
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.set_connection_state(house.connection, ConnectionState::Disabled, now()).await.unwrap();
        assert_eq!(writer.connections_of_login(joe).await.unwrap(), []);
        assert_eq!(writer.connections_of_directory(house.directory).await.unwrap(), []);
    }

    async fn a_local_login_is_locked_with_the_other_one_unless_it_is_break_glass(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await;
        let person = person(&ground, &house, joe).await;
        let by_hand = local(&ground, &house, person).await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let mut both = vec![joe, by_hand];
        both.sort();
        assert_eq!(writer.lock_with_other_login(joe).await.unwrap(), both, "by ascending id");
        assert_eq!(writer.lock_with_other_login(by_hand).await.unwrap(), both);
        assert!(writer.lock_with_other_login(LoginId::new(now())).await.unwrap().is_empty());
        assert_eq!(writer.suspend_local_login(person, joe, later(1)).await.unwrap(), Some(by_hand));
        let login = writer.any_login(by_hand).await.unwrap().unwrap().login;
        assert_eq!((login.locked_at, login.suspended_by, login.is_usable()), (Some(later(1)), Some(joe), false));
        assert_eq!(writer.suspend_local_login(person, joe, later(2)).await.unwrap(), None, "it is locked");
        assert_eq!(writer.resume_local_login(by_hand, later(2)).await.unwrap(), None, "by whom it was locked");
        assert_eq!(writer.resume_local_login(joe, later(2)).await.unwrap(), Some(by_hand));
        let login = writer.any_login(by_hand).await.unwrap().unwrap().login;
        assert_eq!((login.locked_at, login.suspended_by, login.is_usable()), (None, None, true));
        writer.set_break_glass(by_hand, true, later(3)).await.unwrap();
        assert!(writer.any_login(by_hand).await.unwrap().unwrap().login.break_glass);
        assert_eq!(writer.suspend_local_login(person, joe, later(4)).await.unwrap(), None);
        writer.set_break_glass(by_hand, false, later(5)).await.unwrap();
        assert_eq!(writer.suspend_local_login(person, joe, later(6)).await.unwrap(), Some(by_hand));
        assert!(writer.set_break_glass(joe, true, later(7)).await.is_err(), "only a local one");
    }
}
