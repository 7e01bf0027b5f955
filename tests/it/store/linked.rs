//! The schema is the last wall of linked logins too: what must never be is refused, whoever writes it.

use vestibule::model::{LoginId, Slot};

use super::invariants::{CHECK, REFERENCE, UNIQUE, refused};
use super::links::{begun, join, merge, person, subject};
use super::sign_in::begin;
use super::{Ground, House, later, now, raw};
use crate::support::world::on_every_engine;

const PERSON: &str = "logins_person";

async fn three(ground: &Ground, house: &House) -> [LoginId; 3] {
    [house.login(&ground.store, "joe").await, house.login(&ground.store, "gsa").await, house.login(&ground.store, "eve").await]
}

on_every_engine! {
    async fn no_third_login_and_no_third_place(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let [joe, gsa, eve] = three(&ground, &house).await;
        let (host, _) = merge(&ground, &house, gsa, joe).await;
        let moved = async |slot: i16| {
            raw!(ground.store, "update logins set person_id = $2, slot = $3 where id = $1", eve, host, slot)
        };
        for slot in [Slot::One, Slot::Two] {
            let outcome = moved(slot as i16).await;
            refused(&ground.store, outcome, UNIQUE, "logins_slot", "logins.person_id, logins.slot");
        }
        for slot in [0, 3] {
            refused(&ground.store, moved(slot).await, CHECK, "logins_slots", "logins_slots");
        }
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert!(writer.move_login(eve, host, Slot::Two).await.is_err());
    }

    async fn nobody_is_in_a_person_that_was_merged(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let [joe, gsa, eve] = three(&ground, &house).await;
        let store = &ground.store;
        let (_, merged) = merge(&ground, &house, gsa, joe).await;
        let outcome = raw!(*store, "update logins set person_id = $2 where id = $1", eve, merged);
        refused(store, outcome, REFERENCE, PERSON, "");
        let outcome = raw!(*store, "update logins set person_id = $2, person_open = $3 where id = $1", eve, merged, false);
        refused(store, outcome, CHECK, "logins_person_open", "logins_person_open");
        // And none is merged while a login is in it.
        let hers = person(&ground, &house, eve).await;
        let text = "update persons set state = 'merged', open = $4, merged_into = $2, merged_at = $3 where id = $1";
        let outcome = raw!(*store, text, hers, merged, now(), false);
        refused(store, outcome, REFERENCE, PERSON, "");
        let outcome = raw!(*store, text, hers, merged, now(), true);
        refused(store, outcome, CHECK, "persons_open", "persons_open");
        let mut writer = store.write(house.tenant).await.unwrap();
        assert!(writer.merge_person(hers, merged, now()).await.is_err());
    }

    async fn a_session_holds_the_logins_of_its_person_alone(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let [joe, gsa, eve] = three(&ground, &house).await;
        let store = &ground.store;
        let (host, emptied) = merge(&ground, &house, gsa, joe).await;
        let session = begin(&ground, &house, joe, "cookie", later(60)).await;
        let sid = join(&ground, &house, session, gsa).await.unwrap();
        let hers = person(&ground, &house, eve).await;
        let outcome = raw!(*store, "update session_logins set login_id = $2 where sid = $1", sid, eve);
        refused(store, outcome, REFERENCE, "session_logins_login", "");
        let outcome = raw!(*store, "update session_logins set login_id = $2, person_id = $3 where sid = $1", sid, eve, hers);
        refused(store, outcome, REFERENCE, "session_logins_session", "");
        // Who takes part in one is moved nowhere.
        let restored = raw!(
            *store, "update persons set state = 'active', open = $2, merged_into = null, merged_at = null where id = $1", emptied, true
        );
        assert_eq!(restored.unwrap(), 1);
        let outcome = raw!(*store, "update logins set person_id = $2 where id = $1", gsa, emptied);
        refused(store, outcome, REFERENCE, "session_logins_login", "");
        let outcome = raw!(*store, "update sessions set person_id = $2 where id = $1", session, emptied);
        refused(store, outcome, REFERENCE, "session_logins_session", "");
        raw!(*store, "delete from session_logins where sid = $1", sid).unwrap();
        assert_eq!(raw!(*store, "update logins set person_id = $2 where id = $1", gsa, emptied).unwrap(), 1);
        assert_eq!(person(&ground, &house, joe).await, host);
    }

    async fn a_link_is_of_two_logins_and_proved_whole_or_not_at_all(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let [joe, gsa, eve] = three(&ground, &house).await;
        let store = &ground.store;
        subject(&ground, &house, gsa, "gsa").await;
        subject(&ground, &house, joe, "joe").await;
        let session = begin(&ground, &house, joe, "cookie", later(60)).await;
        let link = begun(&ground, &house, session, joe).await;
        let whole = "update link_proofs set other_login_id = $2, issuer = 'https://idp.example', kind = 'sub', value = $3,
                     authentication = '{}', login_epoch = 0, person_epoch = 0, connection_epoch = 0 where id = $1";
        refused(store, raw!(*store, whole, link, joe, "joe"), CHECK, "link_proofs_two", "link_proofs_two");
        // The subject has to be that login's.
        for (login, value) in [(gsa, "joe"), (gsa, "nobody"), (eve, "gsa")] {
            refused(store, raw!(*store, whole, link, login, value), REFERENCE, "link_proofs_second", "");
        }
        assert_eq!(raw!(*store, whole, link, gsa, "gsa").unwrap(), 1);
        for column in ["issuer", "kind", "value", "authentication", "login_epoch", "person_epoch", "connection_epoch", "other_login_id"] {
            let outcome = raw!(*store, format!("update link_proofs set {column} = null where id = $1"), link);
            refused(store, outcome, CHECK, "link_proofs_whole", "link_proofs_whole");
        }
        let outcome = raw!(*store, "update link_proofs set login_id = $2 where id = $1", link, eve);
        refused(store, outcome, REFERENCE, "link_proofs_first", "");
    }

    async fn a_proposal_is_kept_in_one_order(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let [joe, gsa, _] = three(&ground, &house).await;
        let store = &ground.store;
        let insert = async |one: LoginId, other: LoginId| {
            raw!(
                *store,
                "insert into link_proposals (tenant_id, login_id, other_login_id, created_by, created_at) values ($1, $2, $3, '{}', $4)",
                house.tenant, one, other, now()
            )
        };
        insert(joe.min(gsa), joe.max(gsa)).await.unwrap();
        for (one, other) in [(joe.max(gsa), joe.min(gsa)), (joe, joe)] {
            refused(store, insert(one, other).await, CHECK, "link_proposals_order", "link_proposals_order");
        }
    }

    async fn only_a_local_login_that_is_locked_is_suspended(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let [joe, gsa, _] = three(&ground, &house).await;
        let store = &ground.store;
        let locked = "update logins set suspended_by = $2, locked_at = $3 where id = $1";
        refused(store, raw!(*store, locked, joe, gsa, now()), CHECK, "logins_suspended", "logins_suspended");
        let outcome = raw!(*store, "update logins set break_glass = $2 where id = $1", joe, true);
        refused(store, outcome, CHECK, "logins_break_glass", "logins_break_glass");
        raw!(*store, "update logins set kind = 'local' where id = $1", joe).unwrap();
        let outcome = raw!(*store, "update logins set suspended_by = $2 where id = $1", joe, gsa);
        refused(store, outcome, CHECK, "logins_suspended", "logins_suspended");
        assert_eq!(raw!(*store, locked, joe, gsa, now()).unwrap(), 1);
        let outcome = raw!(*store, "update logins set locked_at = null where id = $1", joe);
        refused(store, outcome, CHECK, "logins_suspended", "logins_suspended");
    }
}
