//! Signing keys in their table.

use vestibule::keys::{ES256, KeyPair, KeyRing, Place, Sealer};
use vestibule::model::{KeyId, TenantId};
use vestibule::store::NewSigningKey;

use super::{Ground, born, later, now};
use crate::support::world::on_every_engine;

on_every_engine! {
    async fn signing_keys_are_kept_retired_and_forgotten(engine) {
        let ground = Ground::fresh(engine).await;
        let sealer = Sealer::new(KeyRing::generate());
        let mut made = Vec::new();
        // The later one first: they are read in the order in which they begin.
        for active_from in [later(10), now()] {
            let id = KeyId::new(born());
            let pair = KeyPair::generate(id.to_string()).unwrap();
            let place = Place { table: "keys", column: "private_sealed", row: id.uuid() };
            let private = sealer.seal(&place, &pair.private);
            let mut writer = ground.store.write(TenantId::OPERATOR).await.unwrap();
            writer.insert_signing_key(&NewSigningKey { id, algorithm: ES256, public: &pair.public, private: &private, active_from }, now()).await.unwrap();
            writer.commit().await.unwrap();
            made.push((id, pair.public, active_from));
        }
        made.reverse();
        let read = async || ground.store.read(TenantId::OPERATOR).signing_keys().await.unwrap();
        let rows = read().await;
        assert_eq!(rows.iter().map(|row| (row.id, row.public.0.clone(), row.active_from)).collect::<Vec<_>>(), made);
        assert!(rows.iter().all(|row| row.retired_at.is_none()));
        let place = Place { table: "keys", column: "private_sealed", row: made[1].0.uuid() };
        assert!(sealer.open(&place, &rows[1].private_sealed).is_ok() && sealer.open(&place, &rows[0].private_sealed).is_err());
        let mut writer = ground.store.write(TenantId::OPERATOR).await.unwrap();
        for at in [later(1), later(2)] {
            writer.retire_signing_key(made[0].0, at).await.unwrap();
        }
        writer.delete_signing_key(made[1].0).await.unwrap();
        writer.commit().await.unwrap();
        let rows = read().await;
        assert_eq!(rows.iter().map(|row| (row.id, row.retired_at)).collect::<Vec<_>>(), [(made[0].0, Some(later(1)))]);
    }
}
