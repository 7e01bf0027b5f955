//! Keys of requests that may be sent again, and transactions that are held until their answer is kept.

use uuid::Uuid;
use vestibule::keys::{KeyRing, Place, Sealer};
use vestibule::store::{KeyRow, NewClaim, hold};

use super::{Ground, document, later, now};
use crate::support::world::on_every_engine;

on_every_engine! {
    async fn a_key_is_claimed_once_answered_once_and_forgotten(engine) {
        let ground = Ground::fresh(engine).await;
        let (house, other) = (ground.tenant("bluesky").await, ground.tenant("redsky").await);
        let [anne, first, second] = [1, 2, 3].map(Uuid::from_u128);
        let place = Place { table: "idempotency_keys", column: "answer_sealed", row: first };
        let answer = Sealer::new(KeyRing::generate()).seal(&place, b"{}");
        let claim = |claim| NewClaim { asker: anne, key: "k", claim, fingerprint: b"print" };
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert!(writer.claim_key(&claim(first), now(), later(-1), later(-60)).await.unwrap());
        assert!(!writer.claim_key(&claim(second), now(), now(), now()).await.unwrap(), "it holds");
        assert!(writer.claim_key(&claim(second), later(2), later(1), later(-60)).await.unwrap(), "it was given up");
        assert!(!writer.keep_answer(anne, "k", first, 201, &answer).await.unwrap());
        writer.release_key(anne, "k", first).await.unwrap();
        let row = writer.idempotency_key(anne, "k").await.unwrap().unwrap();
        assert_eq!(row, KeyRow { claim_id: second, fingerprint: b"print".to_vec(), status: None, answer_sealed: None });
        assert!(writer.keep_answer(anne, "k", second, 201, &answer).await.unwrap());
        assert!(!writer.keep_answer(anne, "k", second, 201, &answer).await.unwrap(), "once");
        assert!(!writer.claim_key(&claim(first), later(9), later(8), later(-60)).await.unwrap(), "what is answered stays");
        writer.release_key(anne, "k", second).await.unwrap();
        let row = writer.idempotency_key(anne, "k").await.unwrap().unwrap();
        assert_eq!((row.status, row.answer_sealed), (Some(201), Some(answer)));
        assert_eq!(writer.idempotency_key(second, "k").await.unwrap(), None);
        writer.commit().await.unwrap();
        let mut writer = ground.store.write(other.tenant).await.unwrap();
        assert_eq!(writer.idempotency_key(anne, "k").await.unwrap(), None);
        assert!(writer.claim_key(&claim(first), later(2), later(1), later(-60)).await.unwrap(), "another tenant's is another");
        writer.release_key(anne, "k", first).await.unwrap();
        assert_eq!(writer.purge_idempotency_keys(later(2), 9).await.unwrap(), 0);
        assert_eq!(writer.purge_idempotency_keys(later(3), 9).await.unwrap(), 1);
    }

    async fn what_is_held_is_committed_by_whoever_holds_it_or_when_the_next_begins(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let make = async |name: &str| {
            let mut writer = ground.store.write(house.tenant).await.unwrap();
            let login = house.insert_login(&mut writer, &document(name)).await;
            writer.commit().await.unwrap();
            login
        };
        let is_there = async |login| ground.store.read(house.tenant).any_login(login).await.unwrap().is_some();
        let (dropped, held) = hold(make("joe")).await;
        drop(held);
        let ((first, second), held) = hold(async { (make("ann").await, make("ben").await) }).await;
        assert_eq!((is_there(dropped).await, is_there(first).await, is_there(second).await), (false, true, false));
        held.unwrap().commit().await.unwrap();
        assert!(is_there(second).await);
        let (none, held) = hold(async { ground.store.write(house.tenant).await.unwrap().tenant() }).await;
        assert!(none == house.tenant && held.is_none(), "it was never ended");
    }
}
