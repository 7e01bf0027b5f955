//! What portals are to be told: who takes it, and what becomes of it.

use chrono::TimeDelta;
use vestibule::model::TenantId;
use vestibule::store::{Delivered, ToldPortal};
use vestibule::work;

use super::grants::{grant, portal};
use super::{Ground, LIMITS, later, now, raw, rows};
use crate::support::world::on_every_engine;

on_every_engine! {
    async fn one_replica_takes_what_a_portal_is_to_be_told_and_another_when_its_lease_is_over(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await;
        let (first, second) = (portal(&ground, "portal").await, portal(&ground, "other").await);
        let mut sessions = Vec::new();
        for (client, code) in [(first, "a"), (first, "b"), (second, "c")] {
            sessions.push(grant(&ground, &house, joe, client, code).await.1);
        }
        let store = &ground.store;
        let waiting = async |minute| -> Vec<String> {
            let portals = store.doors().portals_to_tell(TenantId::OPERATOR, later(minute)).await.unwrap();
            portals.into_iter().map(|ToldPortal { client_id, .. }| client_id).collect::<std::collections::BTreeSet<_>>().into_iter().collect()
        };
        assert_eq!((waiting(1).await, store.doors().oldest_delivery().await.unwrap()), (vec![], None));
        let mut writer = store.write(house.tenant).await.unwrap();
        writer.end_sessions(&sessions, now()).await.unwrap();
        writer.commit().await.unwrap();
        assert_eq!((waiting(1).await, store.doors().oldest_delivery().await.unwrap()), (vec!["other".to_owned(), "portal".to_owned()], Some(now())));
        // One transaction after another, and where the engine lets them, side by side.
        let take = async |minute, until, limit| {
            let mut writer = store.write(TenantId::OPERATOR).await.unwrap();
            let taken = writer.take_deliveries(first, later(minute), later(until), limit).await.unwrap();
            writer.commit().await.unwrap();
            taken
        };
        let one = take(1, 2, 1).await;
        assert_eq!((one.len(), one[0].attempts, one[0].login_id, one[0].tenant_id), (1, 0, joe, house.tenant));
        let other = take(1, 2, 9).await;
        assert!(other.len() == 1 && other[0].sid != one[0].sid, "{other:?}");
        assert_eq!((take(1, 2, 9).await, waiting(1).await), (vec![], vec!["other".to_owned()]));
        // The lease is over: whoever held it comes too late.
        let again = take(2, 3, 9).await;
        assert_eq!(again.iter().map(|row| row.attempts).collect::<Vec<_>>(), [1, 1]);
        let finish = async |row, until, became: Delivered| {
            let mut writer = store.write(house.tenant).await.unwrap();
            let finished = writer.finish_delivery(row, later(until), &became, later(2)).await.unwrap();
            writer.commit().await.unwrap();
            finished
        };
        assert!(!finish(&one[0], 2, Delivered::Yes).await);
        assert!(finish(&again[0], 3, Delivered::Yes).await);
        assert!(!finish(&again[0], 3, Delivered::Yes).await);
        assert!(finish(&again[1], 3, Delivered::Later(later(7), "status_503".to_owned())).await);
        assert_eq!((take(6, 8, 9).await.len(), take(7, 8, 9).await.len()), (0, 1));
        assert!(finish(&again[1], 8, Delivered::Never("timeout".to_owned())).await);
        assert_eq!((take(90, 91, 9).await, waiting(90).await), (vec![], vec!["other".to_owned()]));
        assert_eq!(rows!(ground.store, (String,), "select last_error from deliveries where failed_at is not null"), [("timeout".to_owned(),)]);
    }

    async fn what_was_told_is_forgotten_after_a_day_and_what_was_not_after_thirty(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await;
        let client = portal(&ground, "portal").await;
        let mut sessions = Vec::new();
        for code in ["told", "never", "nobody"] {
            sessions.push(grant(&ground, &house, joe, client, code).await.1);
        }
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.end_sessions(&sessions, now()).await.unwrap();
        let taken = writer.take_deliveries(client, now(), later(1), 2).await.unwrap();
        assert!(writer.finish_delivery(&taken[0], later(1), &Delivered::Yes, now()).await.unwrap());
        assert!(writer.finish_delivery(&taken[1], later(1), &Delivered::Never("timeout".to_owned()), now()).await.unwrap());
        writer.commit().await.unwrap();
        // The portal is no more, so that nobody tries the third.
        raw!(ground.store, "update clients set revoked_at = created_at").unwrap();
        let day = 24 * 60;
        for (minute, gone, left) in [(day, 0, 3), (day + 1, 1, 2), (2 * day, 0, 2), (30 * day + 1, 1, 1), (32 * day + 1, 1, 0)] {
            assert_eq!(work::purge(&ground.store, LIMITS, later(minute)).await.unwrap().deliveries, gone, "{minute}");
            assert_eq!(rows!(ground.store, (i64,), "select count(*) from deliveries"), [(left,)], "{minute}");
        }
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert_eq!(writer.give_up_deliveries(later(1) - TimeDelta::days(1), now()).await.unwrap(), 0);
        assert_eq!(writer.purge_deliveries(later(9), later(9), 5).await.unwrap(), 0);
    }
}
